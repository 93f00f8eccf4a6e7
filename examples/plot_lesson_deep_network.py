"""
Lesson: a deep network from one-layer pieces
============================================

A well-known course builds a network of L layers, with ReLU and a final sigmoid, from
functions for a single layer. This lesson uses them under the course's names, and then
trains the same network as an estimator, with bit-for-bit the same weights.
"""

# %%
# A layer is a matrix product and an activation. The forward pass is a loop over the
# layers, and the backward pass is the same loop in reverse.

import textwrap
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from sklearn_deepnet import DeepNetClassifier, check_gradients
from sklearn_deepnet.nn import functional as F

X, y = load_breast_cancer(return_X_y=True)
X, X_test, y, y_test = train_test_split(X, y, stratify=y, random_state=0)
scaler = StandardScaler().fit(X)
X, X_test = scaler.transform(X), scaler.transform(X_test)
columns, Y = X.T, y[np.newaxis]  # one column is one sample

sizes = [30, 20, 7, 5, 1]
parameters = F.initialize_parameters(sizes, init="he", random_state=1)

A, caches = columns, []
for number in range(1, 5):
    A, cache = F.activation_forward(
        A,
        parameters[f"W{number}"],
        parameters[f"b{number}"],
        "relu" if number < 4 else "sigmoid",
    )
    caches.append(cache)
print("cost before the first step:", F.compute_cost(A, Y))

dZ = (A - Y) / Y.shape[1]  # cost and sigmoid together: the slope of the sigmoid cancels
dA, dW, db = F.linear_backward(dZ, caches[-1])
for number in (3, 2, 1):
    dA, dW, db = F.activation_backward(dA, caches[number - 1])
print("the loop and backward_propagation agree:", end=" ")
print(np.allclose(dW, F.backward_propagation(Y, caches)["dW1"], rtol=1e-12))

# %%
# Is this the derivative of the cost? The course compares it with finite differences.
# For an estimator, one call does that.

net = DeepNetClassifier(
    (20, 7, 5),
    input_scaling=None,
    init="he",
    bias_init="zeros",
    solver="sgd",
    learning_rate=0.1,
    batch_size=None,
    alpha=0,
    n_iter=2000,
    tol=None,
    random_state=1,
)
print(textwrap.fill(str(check_gradients(net, X, y)), 80))

# %%
# Each iteration of training is forward, cost, backward, update. The lesson draws
# weights from a normal times 0.01. Hardly any signal gets through three hidden layers
# then, and this network learns only the class frequencies. With weights scaled to its
# layers, it learns at once.

curves = {}
for name, options in {
    "normal × 0.01": {"init": "random", "init_scale": 0.01},
    "he": {"init": "he"},
}.items():
    start = F.initialize_parameters(sizes, random_state=1, **options)
    end, curves[name] = F.train(columns, Y, start, learning_rate=0.1, n_iter=2000)
    accuracy = np.mean(F.predict(X_test.T, end) == y_test)
    costs = " ".join(f"{curves[name][i]:.4f}" for i in range(0, 2000, 400))
    print(f"{name}: costs {costs}; accuracy on the test set {accuracy:.3f}")

# %%
# The same network as an estimator, for pipelines and searches.

net.fit(X, y)
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
    xlabel="iteration", ylabel="cost", title="Three hidden layers need larger weights"
)
ax.legend(title="init", loc="center right")

path = Path(__file__).with_suffix(".png") if "__file__" in globals() else None
if path:
    figure.savefig(path, dpi=120)
    print(f"\nThe curves are in {path}")
