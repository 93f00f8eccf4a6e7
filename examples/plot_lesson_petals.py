"""
Lesson: four hidden units and a flower
======================================

Points on the petals of a flower, in two colours that no straight line parts. A network
of one hidden layer, four tanh units, does, and is small enough to be looked at.
"""

# %%
# A rose, r = 4 sin 4t: the first half of the turn is one class, the second the other.

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
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
print(f"A line is right on {linear.score(X, y):.1%} of the points.")

# %%
# Weights from a normal times 0.001, gradient descent on all points, 10 000 iterations.
# Starting so small costs tanh units little: near zero they are linear, with a slope of
# one. Eight seeds are trained at once, as one stack: most find the petals, and one ends
# in a corner from which gradient descent does not find out.

net = DeepNetClassifier(
    (4,),
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
    print(f"seed {net.random_state}: costs {costs}; right on {net.score(X, y):.1%}")
net = max(nets, key=lambda net: net.score(X, y))

# %%
# Is anything wrong with the one that got stuck? The doctor finds its units saturated,
# after first steps that were a fifth of the weights.

print(diagnose(min(nets, key=lambda net: net.score(X, y)), X, y))

# %%
# White and black points are the classes. The darker the ground, the surer the model
# that a point there is a black one.

figure, axes = plt.subplots(1, 2, figsize=(10, 4.8), layout="constrained")
figure.suptitle("Four tanh units split the petals, a line does not")
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
    ax.set(title=f"{name}: right on {fit.score(X, y):.1%}", xlabel="x₁", ylabel="x₂")
    ax.set_aspect("equal")

path = Path(__file__).with_suffix(".png") if "__file__" in globals() else None
if path:
    figure.savefig(path, dpi=120)
    print(f"\nThe boundaries are in {path}")
