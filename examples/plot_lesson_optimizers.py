"""
Lesson: from softmax to Adam
============================

The second part of the well-known course adds one technique after the other to the five
steps: softmax, mini-batches, momentum, Adam, L2 regularization and dropout. This lesson
writes the training loop with all of them, and compares what each of them does to three
kinds of iris. At the end, an estimator learns the same weights in one call.
"""

# %%
# Iris flowers of two species have sepals of similar length and width, so no network
# can separate all of them. Half of the flowers are for training, the other half for
# the test. A softmax has one unit for each class, and its targets are one-hot: Y has a
# one in the row of the class, and zeros in the others.

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split

from sklearn_deepnet import DeepNetClassifier
from sklearn_deepnet.nn import functional as F

X, y = load_iris(return_X_y=True)
X, X_test, y, y_test = train_test_split(
    X[:, :2], y, test_size=0.5, stratify=y, random_state=0
)
X, mean, std = F.standardize(X.T)  # one column is one sample
X_test, _, _ = F.standardize(X_test.T, mean, std)
Y = np.eye(3)[y].T
m = X.shape[1]

layers = [
    {"input_dim": 2, "output_dim": 32, "activation": "relu"},
    {"input_dim": 32, "output_dim": 32, "activation": "relu"},
    {"input_dim": 32, "output_dim": 3, "activation": "softmax"},
]
start = F.initialize_parameters(layers, init="he", random_state=0)
AL, caches = F.forward_propagation(X, start, layers)
print("probabilities of the first flower:", AL[:, 0].round(3), "sum:", AL[:, 0].sum())
print("cost of these weights:", round(F.compute_cost(AL, Y, "cross_entropy"), 4))
print("cost of equal probabilities, log 3:", round(np.log(3), 4))

# %%
# Is a gradient that you wrote yourself right? ``gradient_check`` compares it with
# differences of your cost, and names the parameters whose gradient is wrong. Here is a
# backward propagation for one hidden layer, in which the learner forgot to divide dW1
# by the number of samples.


def my_forward(X, parameters):
    A1 = np.tanh(parameters["W1"] @ X + parameters["b1"])
    Z2 = parameters["W2"] @ A1 + parameters["b2"]
    e = np.exp(Z2 - Z2.max(axis=0))
    return A1, e / e.sum(axis=0)


def my_cost(parameters):
    _, A2 = my_forward(X, parameters)
    return -np.sum(Y * np.log(A2)) / m


def my_backward(X, Y, parameters):
    A1, A2 = my_forward(X, parameters)
    dZ2 = A2 - Y
    dZ1 = parameters["W2"].T @ dZ2 * (1 - A1**2)
    return {
        "dW1": dZ1 @ X.T,  # should be divided by m
        "db1": dZ1.sum(axis=1, keepdims=True) / m,
        "dW2": dZ2 @ A1.T / m,
        "db2": dZ2.sum(axis=1, keepdims=True) / m,
    }


small = F.initialize_parameters([2, 4, 3], init="xavier", random_state=0)
print(F.gradient_check(small, my_backward(X, Y, small), my_cost))
print("samples:", m)

# %%
# This loop serves all that follows. Every step counts the penalty of the weights, but
# only some of the samples. So ``lambd`` is multiplied by the share of the samples that
# are in the mini-batch.


def train(optimizer, learning_rate, batch_size, n_iter, lambd=0.0, keep_prob=1.0):
    rng = np.random.RandomState(0)
    parameters = F.initialize_parameters(layers, init="he", random_state=rng)
    v, s = F.initialize_adam(parameters)
    t, costs = 0, []
    for _ in range(n_iter):
        cost = 0.0
        for X_batch, Y_batch in F.random_mini_batches(X, Y, batch_size, rng):
            t, share = t + 1, X_batch.shape[1] / m
            AL, caches = F.forward_propagation(
                X_batch, parameters, layers, keep_prob=keep_prob, random_state=rng
            )
            options = {"loss": "cross_entropy", "lambd": share * lambd}
            cost += share * F.compute_cost(
                AL, Y_batch, parameters=parameters, **options
            )
            grads = F.backward_propagation(Y_batch, caches, **options)
            if optimizer == "gradient descent":
                parameters = F.update_parameters(parameters, grads, learning_rate)
            elif optimizer == "momentum":
                parameters, v = F.update_parameters_with_momentum(
                    parameters, grads, v, 0.9, learning_rate
                )
            else:
                parameters, v, s = F.update_parameters_with_adam(
                    parameters, grads, v, s, t, learning_rate
                )
        costs.append(cost)
    return parameters, costs


def evaluate(columns, labels, parameters):
    AL, _ = F.forward_propagation(columns, parameters, layers)
    cost = F.compute_cost(AL, np.eye(3)[labels].T, "cross_entropy")
    accuracy = np.mean(F.predict(columns, parameters, layers)[0] == labels)
    return f"cost {cost:.3f}, accuracy {accuracy:.3f}"


# %%
# Mini-batches make several steps in each epoch, where gradient descent on all samples
# makes one. Momentum averages the gradients of these steps, so what differs between
# mini-batches cancels. Adam also divides each parameter's step by the size of its
# gradients. Its steps are about as long as the learning rate, however small the
# gradient is, so it takes a smaller one.

curves = {}
for name, (optimizer, learning_rate, batch_size) in {
    "gradient descent, all samples": ("gradient descent", 0.1, m),
    "gradient descent, mini-batches": ("gradient descent", 0.1, 16),
    "momentum, mini-batches": ("momentum", 0.1, 16),
    "Adam, mini-batches": ("adam", 0.01, 16),
}.items():
    _, curves[name] = train(optimizer, learning_rate, batch_size, n_iter=100)
    costs = " ".join(f"{curves[name][epoch]:.3f}" for epoch in (0, 10, 30, 99))
    print(f"{name}: costs {costs}")

# %%
# Trained for 300 epochs, the network learns single flowers of the training set by
# heart. It is then sure of predictions that are wrong, and its cost on the test set is
# high. L2 regularization keeps the weights small, and dropout keeps units from relying
# on each other. Both make the cost on the training set higher, and that on the test set
# half as high.

fits = {
    "no regularization": {},
    "L2, lambd = 1": {"lambd": 1.0},
    "dropout, keep_prob = 0.5": {"keep_prob": 0.5},
}
ends = {}
for name, options in fits.items():
    ends[name], _ = train("adam", 0.01, 16, n_iter=300, **options)
    print(name)
    print("  training set:", evaluate(X, y, ends[name]))
    print("  test set:    ", evaluate(X_test, y_test, ends[name]))

# %%
# The estimator does all of this in one call. It draws the same initial weights and the
# same mini-batches; its ``alpha`` is ``lambd``, and its ``dropout`` is one minus
# ``keep_prob``. The weights are the same up to rounding, since the estimator computes
# Adam's step in another order.

net = DeepNetClassifier(
    (32, 32),
    input_scaling=None,  # X is standardized already
    init="he",
    bias_init="zeros",
    solver="adam",
    learning_rate=0.01,
    batch_size=16,
    alpha=1.0,
    n_iter=300,
    tol=None,
    random_state=0,
).fit(X.T, y)
difference = max(
    np.abs(ends["L2, lambd = 1"][f"W{number}"] - W.T).max()
    for number, W in enumerate(net.coefs_, start=1)
)
print("largest difference of a weight below 1e-12:", difference < 1e-12)
print("first weights here:          ", ends["L2, lambd = 1"]["W1"][0])
print("first weights, the estimator:", net.coefs_[0][:, 0])
print(f"accuracy of the estimator on the test set: {net.score(X_test.T, y_test):.3f}")

# %%
# On the left, a curve is the mean cost of the mini-batches in each epoch, before their
# steps. On the right, the background is the predicted species, and the points are the
# flowers of the training set.

figure, axes = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
for (name, costs), style in zip(curves.items(), [":", "--", "-.", "-"], strict=True):
    axes[0].plot(costs, style, label=name)
axes[0].set(xlabel="epoch", ylabel="cost", title="Four ways to make a step")
axes[0].legend()

first, second = np.meshgrid(np.linspace(-2.4, 3, 300), np.linspace(-2.6, 3.4, 300))
grid = np.vstack([first.ravel(), second.ravel()])
for ax, name in zip(axes[1:], ["no regularization", "L2, lambd = 1"], strict=True):
    species = F.predict(grid, ends[name], layers).reshape(first.shape)
    ax.pcolormesh(first, second, species, cmap="Pastel1", vmin=0, vmax=8)
    for k, marker in enumerate("osD"):
        ax.scatter(*X[:, y == k], c=f"C{[3, 0, 2][k]}", marker=marker, edgecolor="k")
    ax.set(
        title=name,
        xlabel="sepal length, standardized",
        ylabel="sepal width, standardized",
    )

path = Path(__file__).with_suffix(".png") if "__file__" in globals() else None
if path:
    figure.savefig(path, dpi=120)
    print(f"\nThe curves and boundaries are in {path}")
