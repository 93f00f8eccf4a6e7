"""
Lesson: a network from a list of layers
=======================================

A popular lesson describes a network by a list of dictionaries, draws every weight and
bias from a normal times 0.1 with seed 42, and computes layer by layer. This example
reproduces its numbers with the functions of :mod:`sklearn_deepnet.nn.functional`.
"""

# %%
# Five layers, 2-4-6-6-4-1. Each layer's weights are drawn first, then its bias.

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_moons

from sklearn_deepnet import DeepNetClassifier
from sklearn_deepnet.nn import functional as F

layers = [
    {"input_dim": 2, "output_dim": 4, "activation": "relu"},
    {"input_dim": 4, "output_dim": 6, "activation": "relu"},
    {"input_dim": 6, "output_dim": 6, "activation": "relu"},
    {"input_dim": 6, "output_dim": 4, "activation": "relu"},
    {"input_dim": 4, "output_dim": 1, "activation": "sigmoid"},
]
drawn = {"init": "random", "init_scale": 0.1, "bias_init": "random", "random_state": 42}
parameters = F.initialize_parameters(layers, **drawn)

# %%
# For the input (1, 2), these are the published figures next to ours.

AL, caches = F.forward_propagation(np.array([[1.0], [2.0]]), parameters, layers)
PUBLISHED = {
    1: (-0.02492888, 0.42363083, -0.1165845, 0.26483525),
    2: (-0.07505745, -0.22005731, -0.18011554, 0.03433495, 0.11054447, -0.06000331),
}
for number, published in PUBLISHED.items():
    print(f"Z{number}, published:", *published)
    print(f"Z{number}, here:     ", *caches[number - 1].Z[:, 0].round(8).tolist())
print("output, published: 0.4993655, here:", AL.item())

# %%
# With weights near 0.1 the output hardly depends on the input: it is always near one
# half. Training first has to make the weights larger.

X, y = make_moons(200, noise=0.15, random_state=0)
AL, _ = F.forward_propagation(X.T, parameters, layers)
print(f"\nOutputs on two moons: from {AL.min():.4f} to {AL.max():.4f}")

# %%
# The lesson trains with the squared error, one sample at a time. Two mistakes are
# common in such loops: to use one sample in the forward pass and all of X in the
# backward pass, and to call it regression although the labels are classes. Here one
# argument chooses between one sample at a time and the full batch. With the squared
# error and small weights, this deep network does not learn; with He initialization it
# does.

he = F.initialize_parameters(layers, init="he", random_state=42)
curves = {}
for name, start in {"normal × 0.1": parameters, "he": he}.items():
    end, curves[name] = F.train(
        X.T,
        y[np.newaxis],
        start,
        layers,
        learning_rate=0.05,
        n_iter=150,
        loss="squared_error",
        one_at_a_time=True,
    )
    accuracy = np.mean(F.predict(X.T, end, layers) == y)
    print(f"{name}: cost {curves[name][0]:.4f} -> {curves[name][-1]:.4f}, ", end="")
    print(f"accuracy {accuracy:.3f}")

# %%
# The estimator gives bit-for-bit the same weights: ``batch_size=1`` is one sample at a
# time.

net = DeepNetClassifier(
    (4, 6, 6, 4),
    input_scaling=None,
    init="he",
    bias_init="zeros",
    loss="squared_error",
    solver="sgd",
    learning_rate=0.05,
    batch_size=1,
    shuffle=False,
    alpha=0,
    n_iter=150,
    tol=None,
    random_state=42,
).fit(X, y)
same = all(
    np.array_equal(end[f"W{number}"], W.T)
    for number, W in enumerate(net.coefs_, start=1)
)
print("The estimator's weights are bit-for-bit the same:", same)

# %%
figure, ax = plt.subplots(layout="constrained")
for (name, costs), style in zip(curves.items(), ["--", "-"], strict=True):
    ax.plot(costs, style, label=name)
ax.set(
    xlabel="epoch", ylabel="squared error / 2", title="Five layers need larger weights"
)
ax.legend(title="init", loc="center right")

path = Path(__file__).with_suffix(".png") if "__file__" in globals() else None
if path:
    figure.savefig(path, dpi=120)
    print(f"\nThe curves are in {path}")
