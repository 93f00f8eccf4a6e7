"""
Lesson: four hidden units and a flower
======================================

The points lie on the petals of a flower, in two colors that no straight line separates.
A network with one hidden layer of four tanh units does separate them, and is small
enough to understand.
"""

# %%
# The flower is the rose r = 4 sin 4t. The first half of the turn is one class, the
# second half the other.

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import clone
from sklearn.inspection import DecisionBoundaryDisplay
from sklearn.linear_model import LogisticRegression

from sklearn_deepnet import DeepNetClassifier, diagnose, fit_stack

rng = np.random.RandomState(1)
y = np.repeat([0, 1], 200)
turn = np.pi * (y + np.tile(np.linspace(0, 1, 200), 2)) + 0.2 * rng.randn(400)
radius = 4 * np.sin(4 * turn) + 0.2 * rng.randn(400)
X = np.column_stack([radius * np.sin(turn), radius * np.cos(turn)])

linear = LogisticRegression().fit(X, y)
print(f"A line has an accuracy of {linear.score(X, y):.1%}.")

# %%
# The weights are drawn from a normal distribution times 0.001. Gradient descent uses
# all points in each of 10 000 iterations. Small weights are no problem for tanh units,
# which are linear near zero, with a slope of one. Eight networks with different seeds
# are trained at once, as one stack. Most of them find the petals. One gets stuck at a
# point that gradient descent does not leave.

net = DeepNetClassifier(
    (4,),
    input_scaling=None,
    activation="tanh",
    init="random",
    init_scale=0.001,
    bias_init="zeros",
    solver="sgd",
    learning_rate=1.2,
    batch_size=None,
    alpha=0,
    n_iter=10_000,
    tol=None,
)
nets = fit_stack([clone(net).set_params(random_state=k) for k in range(8)], X, y)
for net in nets:
    costs = " ".join(f"{net.loss_curve_[i]:.3f}" for i in (0, 100, 1000, 9999))
    print(f"seed {net.random_state}: costs {costs}; accuracy {net.score(X, y):.1%}")
net = max(nets, key=lambda net: net.score(X, y))

# %%
# What is wrong with the network that got stuck? ``diagnose`` finds that its units are
# saturated, and that its first steps were a fifth of its weights.

print(diagnose(min(nets, key=lambda net: net.score(X, y)), X, y))

# %%
# White and black points are the classes. The darker the background, the higher the
# probability of the black class.

figure, axes = plt.subplots(1, 2, figsize=(10, 4.8), layout="constrained")
figure.suptitle("Four tanh units separate the petals, a line does not")
for ax, (name, fit) in zip(
    axes, {"a line": linear, "4 units": net}.items(), strict=True
):
    DecisionBoundaryDisplay.from_estimator(
        fit,
        X,
        response_method="predict_proba",
        ax=ax,
        cmap="Blues",
        vmin=0,
        vmax=1,
        alpha=0.5,
        eps=0.5,
    )
    ax.scatter(*X.T, c=y, cmap="Greys", edgecolor="black", s=18)
    ax.set(title=f"{name}: accuracy {fit.score(X, y):.1%}", xlabel="x₁", ylabel="x₂")
    ax.set_aspect("equal")

path = Path(__file__).with_suffix(".png") if "__file__" in globals() else None
if path:
    figure.savefig(path, dpi=120)
    print(f"\nThe boundaries are in {path}")
