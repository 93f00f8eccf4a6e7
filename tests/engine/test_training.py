"""The training loop: what is computed, epoch by epoch and step by step."""

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit

from sklearn_deepnet._engine import update
from sklearn_deepnet._engine.network import Network, count_params
from sklearn_deepnet._engine.propagation import Propagation
from sklearn_deepnet.nn.activations import ACTIVATIONS, relu, tanh
from sklearn_deepnet.nn.losses import LOSSES, binary_cross_entropy
from sklearn_deepnet.nn.optimizers import OPTIMIZERS, SGD, AdamW, Optimizer
from tests.engine.helpers import train_arrays

pytestmark = pytest.mark.usefixtures("one_thread")

RNG = np.random.RandomState(0)
X, Y, WEIGHT = RNG.randn(23, 2), RNG.randint(2, size=(23, 1)) * 1.0, RNG.rand(23, 1)
SIZES = (2, 4, 3, 1)
PARAMS = RNG.randn(count_params(SIZES))


def run(n_iter, optimizer=None, data=(X, Y, WEIGHT), **options):
    """Train one network, never losing patience."""
    options = {
        "params": PARAMS,
        "layer_sizes": SIZES,
        "activations": (relu, relu),
    } | options
    (result,) = train_arrays(n_iter, data, optimizer=optimizer, **options)
    return result


def test_full_batch_sgd_is_the_gradient_descent_of_the_course():
    A0, Y_row, m = X.T, Y.T, len(X)
    layers = np.split(PARAMS, np.cumsum([4 * 3, 3 * 5]))
    (W1, b1), (W2, b2), (W3, b3) = (
        (layer.reshape(n_out, -1)[:, :-1], layer.reshape(n_out, -1)[:, -1:])
        for layer, n_out in zip(layers, SIZES[1:], strict=True)
    )
    costs = []
    for _ in range(200):
        Z1 = W1 @ A0 + b1
        A1 = np.maximum(Z1, 0)
        Z2 = W2 @ A1 + b2
        A2 = np.maximum(Z2, 0)
        A3 = expit(W3 @ A2 + b3)
        costs.append(-np.mean(Y_row * np.log(A3) + (1 - Y_row) * np.log(1 - A3)))
        dZ3 = A3 - Y_row
        dZ2 = W3.T @ dZ3 * (Z2 > 0)
        dZ1 = W2.T @ dZ2 * (Z1 > 0)
        W3, b3 = W3 - 0.1 * dZ3 @ A2.T / m, b3 - 0.1 * dZ3.mean(1, keepdims=True)
        W2, b2 = W2 - 0.1 * dZ2 @ A1.T / m, b2 - 0.1 * dZ2.mean(1, keepdims=True)
        W1, b1 = W1 - 0.1 * dZ1 @ A0.T / m, b1 - 0.1 * dZ1.mean(1, keepdims=True)
    result = run(200, learning_rate=0.1, data=(X, Y, np.ones((23, 1))))
    expected = [
        np.column_stack(pair).ravel() for pair in [(W1, b1), (W2, b2), (W3, b3)]
    ]
    assert costs[-1] < costs[0] * 0.6
    assert_allclose(result.losses, costs, rtol=1e-12)
    assert_allclose(result.state.params, np.concatenate(expected), rtol=1e-11)


def test_mini_batches_are_steps_whose_losses_are_averaged_by_their_rows():
    """Logistic regression by hand: 23 weighted rows in batches of 5, 5, 5, 5 and 3."""
    rng, theta, losses = np.random.RandomState(0), np.array([0.5, -0.5, 0.1]), []
    result = run(
        3,
        params=theta,
        layer_sizes=(2, 1),
        activations=(),
        decay=0.3,
        batch_size=5,
        shuffle=True,
    )
    for _ in range(3):
        order, of_epoch = rng.permutation(23), 0.0
        for start in range(0, 23, 5):
            rows = order[start : start + 5]
            x, y, w = np.column_stack([X[rows], np.ones(len(rows))]), Y[rows, 0], WEIGHT
            w, z = w[rows, 0] / len(rows), x @ theta
            loss = np.sum(w * (np.logaddexp(0, z) - z * y))
            of_epoch += (loss + 0.15 * np.sum(theta[:2] ** 2)) * len(rows) / 23
            gradient = (w * (expit(z) - y)) @ x + 0.3 * theta * [1, 1, 0]
            theta = theta - 0.5 * gradient
        losses.append(of_epoch)
    assert_allclose(result.losses, losses, rtol=1e-13)
    assert_allclose(result.state.params, theta, rtol=1e-13)
    assert (result.state.n_epochs, result.state.n_steps) == (3, 15)


@pytest.mark.parametrize("block_size", [11, 7, 1])
@pytest.mark.parametrize("batch_size", [None, 12])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_blocks_of_a_batch_add_up_to_one_step(block_size, batch_size, decay):
    options = {"activations": (tanh, relu), "batch_size": batch_size, "decay": decay}
    whole = run(5, **options)
    cut = run(5, **options, block_size=block_size)
    assert_allclose(cut.losses, whole.losses, rtol=1e-13)
    assert_allclose(cut.state.params, whole.state.params, rtol=1e-12)
    assert cut.state.n_steps == whole.state.n_steps


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_optimizer_moves_every_slice_of_the_parameters(monkeypatch, optimizer):
    options = {"optimizer": OPTIMIZERS[optimizer](), "decay": 0.1, "batch_size": 5}
    options["elementwise"] = True
    whole = run(3, **options)
    monkeypatch.setattr(update, "_SLICE", 7)
    cut = run(3, **options)
    assert_array_equal(cut.state.params, whole.state.params)
    assert_allclose(cut.losses, whole.losses, rtol=1e-14)  # penalties by slice


class Normalized(Optimizer):
    """Gradient descent with steps of the same length, which no slice can make alone."""

    n_moments = 0
    decouples_decay = False

    def step(self, buffers, learning_rate, n_steps):
        params, gradient, *_ = buffers
        params -= learning_rate * gradient / np.linalg.norm(gradient)


def test_own_optimizer_gets_all_parameters_at_once(monkeypatch):
    monkeypatch.setattr(update, "_SLICE", 7)
    result = run(1, Normalized(), learning_rate=0.25)
    assert_allclose(np.linalg.norm(result.state.params - PARAMS), 0.25, rtol=1e-12)


def test_step_is_taken_in_the_precision_of_the_parameters():
    wide = np.random.RandomState(1).randn(16, 40).astype(np.float32)
    target, params = np.float32(Y[:16]), np.zeros(41, np.float32)
    propagation = Propagation(Network((40, 1), [], params), binary_cross_entropy)
    rows = np.column_stack([wide, np.ones(16, np.float32)])
    weight = np.full((1, 16), 1 / 16, np.float32)
    propagation.loss_and_gradient(rows.T, rows, target.T, weight)
    result = run(
        1,
        params=params,
        layer_sizes=(40, 1),
        activations=(),
        learning_rate=0.3,
        data=(wide, target, np.ones((16, 1))),
    )
    moved = params - propagation.gradient * np.float32(0.3)
    assert_array_equal(result.state.params, moved, strict=True)


@pytest.mark.parametrize("batch_size", [1, 10, 23])
@pytest.mark.parametrize("optimizer", [SGD(), AdamW()])
def test_gradient_of_the_penalty_does_not_depend_on_the_batch_size(
    batch_size, optimizer
):
    nothing = (X, Y, np.zeros((23, 1)))  # data of weight 0 have neither loss nor slope
    result = run(
        1,
        optimizer,
        params=PARAMS[-4:],  # three weights and a bias
        layer_sizes=(3, 1),
        activations=(),
        learning_rate=0.01,
        decay=0.2,
        data=(np.ones((23, 3)), *nothing[1:]),
        batch_size=batch_size,
    )
    n_steps = -(-23 // batch_size)
    shrunk = PARAMS[-4:] * [*[(1 - 0.01 * 0.2) ** n_steps] * 3, 1]
    assert_allclose(result.state.params, shrunk, rtol=1e-13)


@pytest.mark.parametrize("batch_size", [1, 10, 23])
def test_loss_holds_the_penalty_of_the_weights(batch_size):
    options = {"learning_rate": 0.0, "batch_size": batch_size}
    ends = np.cumsum([0, 4 * 3, 3 * 5, 1 * 4])
    weights = [
        PARAMS[start:stop].reshape(n_out, -1)[:, :-1]
        for start, stop, n_out in zip(ends, ends[1:], SIZES[1:], strict=False)
    ]
    penalty = 0.7 / 2 * sum(np.sum(W**2) for W in weights)
    bare, penalized = run(1, **options), run(1, **options, decay=0.7)
    assert_allclose(penalized.losses - bare.losses, [penalty], rtol=1e-12)


def test_no_epoch_changes_nothing():
    result = run(0)
    assert result.losses.shape == (0,)
    assert result.ended_by == "n_iter"
    assert_array_equal(result.state.params, PARAMS)


# Less than any work array below; more than NumPy's own buffers in a ufunc, which are
# 3 x 8192 numbers.
SMALL = 250_000


def steady_peak(n_samples, layer_sizes, activation, loss, **options):
    """Return how many bytes are allocated at most while training is under way."""
    calls, before, peak = 0, 0, 0

    def watched(logits, target, scratch):
        nonlocal calls, before, peak
        calls += 1
        if calls == 5:
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
        values = loss(logits, target, scratch)
        if calls == 11:
            peak = tracemalloc.get_traced_memory()[1] - before
        return values

    rng, n_frequencies = np.random.RandomState(0), options.get("n_frequencies", 0)
    X = rng.randn(n_samples, layer_sizes[0] // (1 + n_frequencies))
    y = rng.rand(n_samples, layer_sizes[-1])
    tracemalloc.start()
    try:
        run(
            10,
            params=rng.randn(count_params(layer_sizes, n_frequencies)) * 0.1,
            layer_sizes=layer_sizes,
            activations=[ACTIVATIONS[activation]],
            loss=watched,
            learning_rate=1e-3,
            data=(X, y, np.ones((n_samples, 1))),
            **options,
        )
    finally:
        tracemalloc.stop()
    assert calls >= 11
    return peak


@pytest.mark.serial
@pytest.mark.parametrize("batch_size", [4096, 3500])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_allocate_nothing_per_step(activation, batch_size):
    loss = LOSSES["log_loss"].softmax
    options = {"batch_size": batch_size, "block_size": 4096}
    assert steady_peak(4096, (8, 12, 10), activation, loss, **options) < SMALL


@pytest.mark.serial
@pytest.mark.parametrize(
    "loss",
    [
        function
        for name, loss in LOSSES.items()
        for function in (loss.logistic, loss.softmax, loss.identity, loss.exponential)
        if function is not None and name != "focal"  # which says that it does
    ],
)
def test_losses_allocate_nothing_per_step(loss):
    assert steady_peak(4096, (8, 12, 10), "tanh", loss, block_size=4096) < SMALL


@pytest.mark.serial
@pytest.mark.parametrize("batch_size", [4096, 3500])
def test_numeric_features_allocate_nothing_per_step(batch_size):
    loss = LOSSES["log_loss"].softmax
    options = {"batch_size": batch_size, "block_size": 4096, "n_frequencies": 4}
    assert steady_peak(4096, (40, 12, 10), "tanh", loss, **options) < SMALL


@pytest.mark.serial
@pytest.mark.parametrize(("block_size", "decay"), [(200, 0.0), (80, 0.1)])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_optimizers_allocate_nothing_per_step(optimizer, block_size, decay):
    peak = steady_peak(
        200,
        (128, 256, 16),  # 297 kB of parameters
        "relu",
        LOSSES["log_loss"].softmax,
        optimizer=OPTIMIZERS[optimizer](),
        block_size=block_size,
        decay=decay,
    )
    assert peak < SMALL
