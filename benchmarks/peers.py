"""The peers that speed.py measures: each trains the same network on the same data.

A peer is a function that takes a `Work` and returns a function without arguments. That
function does the whole training and returns the number of epochs. Preparations that a
user makes once, such as casting X or making tensors, are done in the outer function and
are not timed.
"""

import math
import os
import shutil
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

Training = Callable[[], int]


@dataclass(frozen=True)
class Work:
    """A network to train, and its data; `batch_size=None` is the full batch."""

    X: np.ndarray
    y: np.ndarray
    hidden: tuple[int, ...]
    epochs: int
    solver: str = "adam"
    learning_rate: float = 1e-3
    batch_size: int | None = None
    alpha: float = 1e-4  # ours and MLPClassifier; the others have no penalty
    shuffle: bool = True
    threads: int = 1  # of PyTorch; those of BLAS are set from outside

    @property
    def rows_per_step(self) -> int:
        """Rows in a batch that is not the last."""
        return self.batch_size or len(self.X)

    @property
    def steps_per_epoch(self) -> int:
        """Steps in an epoch; the last one may have fewer rows."""
        return math.ceil(len(self.X) / self.rows_per_step)

    @property
    def sizes(self) -> list[int]:
        """Units per layer, from input to output; two classes have one output."""
        n_classes = len(np.unique(self.y))
        n_outputs = 1 if n_classes == 2 else n_classes
        return [self.X.shape[1], *self.hidden, n_outputs]


def ours(work: Work) -> Training:
    """DeepNetClassifier, with tol=None so that it makes all epochs."""
    from sklearn_deepnet import DeepNetClassifier

    def train() -> int:
        estimator = DeepNetClassifier(
            work.hidden,
            solver=work.solver,
            learning_rate=work.learning_rate,
            batch_size=work.batch_size,
            n_iter=work.epochs,
            shuffle=work.shuffle,
            alpha=work.alpha,
            tol=None,
            random_state=0,
        )
        return estimator.fit(work.X, work.y).n_iter_

    return train


def mlp_classifier(work: Work) -> Training:
    """scikit-learn's network, with so much patience that it makes all epochs."""
    estimator = MLPClassifier(
        work.hidden,
        solver=work.solver,
        learning_rate_init=work.learning_rate,
        momentum=0.0,  # only read by solver="sgd": plain gradient descent
        nesterovs_momentum=False,
        batch_size=work.rows_per_step,
        max_iter=work.epochs,
        shuffle=work.shuffle,
        alpha=work.alpha,
        tol=0.0,
        n_iter_no_change=10**9,
        random_state=0,
    )

    def train() -> int:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return estimator.fit(work.X, work.y).n_iter_

    return train


def torch_network(work: Work) -> Any:
    """Return the network as a PyTorch module, with PyTorch's initialization."""
    import torch

    dtype = torch.from_numpy(work.X).dtype
    layers: list[Any] = []
    for n_in, n_out in pairwise(work.sizes):
        layers += [torch.nn.Linear(n_in, n_out, dtype=dtype), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def torch_optimizer(work: Work) -> Any:
    """Return the class of PyTorch's optimizer."""
    import torch

    return {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[work.solver]


def torch_step(work: Work) -> tuple[Any, Any]:
    """Return functions that make a new network, and that make a step on some rows."""
    import torch

    torch.set_num_threads(work.threads)
    X = torch.from_numpy(work.X)
    binary = work.sizes[-1] == 1
    y = torch.from_numpy(work.y)
    y = y.to(X.dtype)[:, None] if binary else y.long()
    loss_of = torch.nn.BCEWithLogitsLoss() if binary else torch.nn.CrossEntropyLoss()

    def begin() -> tuple[Any, Any]:
        model = torch_network(work)
        return model, torch_optimizer(work)(model.parameters(), lr=work.learning_rate)

    def step(model: Any, optimizer: Any, rows: Any) -> None:
        optimizer.zero_grad()
        loss = loss_of(model(X[rows]), y[rows])
        loss.backward()
        optimizer.step()

    return begin, step


def torch_loop(work: Work, step: Callable[[Any], None]) -> int:
    """Make the steps of all epochs, on indexed batches, and return the epochs."""
    import torch

    n_rows = len(work.X)
    for _ in range(work.epochs):
        order = torch.randperm(n_rows) if work.shuffle else torch.arange(n_rows)
        for rows in order.split(work.rows_per_step):
            step(rows)
    return work.epochs


def pytorch(work: Work) -> Training:
    """PyTorch in a plain eager loop over indexed batches.

    This is the fastest simple loop: it has no DataLoader and no ``.item()``, and uses
    the optimizers at their defaults.
    """
    begin, step = torch_step(work)
    return lambda: torch_loop(work, partial(step, *begin()))


def pytorch_compiled(work: Work) -> Training:
    """The same with the whole step compiled by `torch.compile`.

    Compiling takes seconds to minutes and is not timed: the first call does it. All
    calls train the same network, since a new one would be compiled again.
    """
    import torch

    if shutil.which(os.environ.get("CXX", "g++")) is None:
        raise NotImplementedError("torch.compile needs a C++ compiler.")
    begin, step = torch_step(work)
    compiled = torch.compile(partial(step, *begin()))
    return lambda: torch_loop(work, compiled)


def skorch(work: Work) -> Training:
    """The same network in skorch, without a validation split."""
    import torch
    from skorch import NeuralNetBinaryClassifier, NeuralNetClassifier

    torch.set_num_threads(work.threads)
    binary = work.sizes[-1] == 1
    y = work.y.astype(work.X.dtype if binary else np.int64)
    estimator_class = NeuralNetBinaryClassifier if binary else NeuralNetClassifier
    loss = torch.nn.BCEWithLogitsLoss if binary else torch.nn.CrossEntropyLoss

    def train() -> int:
        estimator = estimator_class(
            partial(torch_network, work),
            criterion=loss,
            optimizer=torch_optimizer(work),
            lr=work.learning_rate,
            batch_size=work.rows_per_step,
            max_epochs=work.epochs,
            iterator_train__shuffle=work.shuffle,
            train_split=None,
            verbose=0,
        )
        return len(estimator.fit(work.X, y).history)

    return train


def compiled_loop(work: Work) -> Training:
    """The loop without NumPy of limit.py."""
    from limit import fused_loop

    return fused_loop(work)


def course_loop(work: Work) -> Training:
    """Full-batch gradient descent as a course teaches it, with a list of costs."""
    X, Y = work.X.T, work.y[None, :]
    m = X.shape[1]

    def forward(weights, biases):
        activations = [X]
        for W, b in zip(weights[:-1], biases[:-1], strict=True):
            activations.append(np.maximum(0, W @ activations[-1] + b))
        Z = weights[-1] @ activations[-1] + biases[-1]
        activations.append(1 / (1 + np.exp(-Z)))
        return activations

    def cost(A):
        return -np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A)) / m

    def backward(weights, activations):
        dZ = (activations[-1] - Y) / m
        gradients = []
        for layer in reversed(range(len(weights))):
            A = activations[layer]
            gradients.append((dZ @ A.T, np.sum(dZ, axis=1, keepdims=True)))
            if layer > 0:
                dZ = (weights[layer].T @ dZ) * (A > 0)
        return reversed(gradients)

    def train() -> int:
        rng = np.random.RandomState(0)
        shapes = [(n_out, n_in) for n_in, n_out in pairwise(work.sizes)]
        weights = [rng.randn(*shape) * np.sqrt(2 / shape[1]) for shape in shapes]
        biases = [np.zeros((n_out, 1)) for n_out, _ in shapes]
        costs = []
        for _ in range(work.epochs):
            activations = forward(weights, biases)
            costs.append(cost(activations[-1]))
            gradients = backward(weights, activations)
            for layer, (dW, db) in enumerate(gradients):
                weights[layer] = weights[layer] - work.learning_rate * dW
                biases[layer] = biases[layer] - work.learning_rate * db
        return len(costs)

    return train


def bare_products(work: Work) -> Training:
    """Only the matrix products of a step, W A, dZ Aᵀ and Wᵀ dZ, into existing arrays.

    There is no bias, activation, loss or optimizer, and always the same batch. The
    input is row-major as in X, the layers are units x samples. One product handles all
    rows of a batch, so an implementation that divides products, for which BLAS may
    have faster kernels, could take less time than this.
    """
    sizes, m, dtype = work.sizes, work.rows_per_step, work.X.dtype
    rng = np.random.RandomState(0)
    W = [
        rng.randn(n_out, n_in).astype(dtype) / np.sqrt(dtype.type(n_in))
        for n_in, n_out in pairwise(sizes)
    ]
    dW = [np.empty_like(w) for w in W]
    A = [work.X[:m].T] + [np.empty((size, m), dtype) for size in sizes[1:]]
    # Arithmetic on zeros may be faster and on subnormals slower, so draw gradients.
    dA = [rng.randn(size, m).astype(dtype) for size in sizes]

    def train() -> int:
        for _ in range(work.epochs * work.steps_per_epoch):
            for layer in range(len(W)):
                np.matmul(W[layer], A[layer], out=A[layer + 1])
            for layer in reversed(range(len(W))):
                np.matmul(dA[layer + 1], A[layer].T, out=dW[layer])
                if layer > 0:
                    np.matmul(W[layer].T, dA[layer + 1], out=dA[layer])
        return work.epochs

    return train
