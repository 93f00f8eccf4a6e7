"""Optimizers follow their papers, step by step."""

from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit

from sklearn_deepnet._engine.batches import Batches
from sklearn_deepnet._engine.state import NEVER, TrainingSpec, TrainingState
from sklearn_deepnet._engine.training import train
from sklearn_deepnet.nn.losses import binary_cross_entropy
from sklearn_deepnet.nn.optimizers import (
    OPTIMIZERS,
    SGD,
    Adam,
    AdamW,
    Buffers,
    Momentum,
    Nesterov,
    RMSprop,
)
from tests.helpers import raises

# The papers' recursions, in the papers' letters; each yields the parameters after
# every step.


def sgd(theta, gradients, eta):
    for g in gradients:
        theta = theta - eta * g
        yield theta


def polyak(theta, gradients, eta, mu=0.9):
    v = 0
    for g in gradients:
        v = mu * v - eta * g
        theta = theta + v
        yield theta


def sutskever(theta, gradients, eta, mu=0.9):
    # theta is where the gradient is taken: Sutskever's point plus mu v.
    v, point = 0, theta
    for g in gradients:
        v = mu * v - eta * g
        point = point + v
        yield point + mu * v


def tieleman(theta, gradients, eta, rho=0.9, epsilon=1e-8):
    v = 0
    for g in gradients:
        v = rho * v + (1 - rho) * g**2
        theta = theta - eta * g / (np.sqrt(v) + epsilon)
        yield theta


def kingma(theta, gradients, eta, beta1=0.9, beta2=0.999, epsilon=1e-8):
    m = v = 0
    for t, g in enumerate(gradients, start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat = m / (1 - beta1**t)
        v_hat = v / (1 - beta2**t)
        theta = theta - eta * m_hat / (np.sqrt(v_hat) + epsilon)
        yield theta


RECURSIONS = {
    "sgd": (SGD(), sgd),
    "momentum": (Momentum(), polyak),
    "momentum 0.5": (Momentum(0.5), lambda *given: polyak(*given, 0.5)),
    "nesterov": (Nesterov(), sutskever),
    "nesterov 0.5": (Nesterov(0.5), lambda *given: sutskever(*given, 0.5)),
    "rmsprop": (RMSprop(), tieleman),
    "rmsprop 0.6": (RMSprop(0.6, 0.1), lambda *given: tieleman(*given, 0.6, 0.1)),
    "adam": (Adam(), kingma),
    "adam 0.8": (Adam(0.8, 0.9, 0.1), lambda *given: kingma(*given, 0.8, 0.9, 0.1)),
    "adam 0": (Adam(0, 0), lambda *given: kingma(*given, 0, 0)),
    "adamw": (AdamW(), kingma),  # its decay is the training loop's
    "adamw 0.8": (AdamW(0.8, 0.9, 0.1), lambda *given: kingma(*given, 0.8, 0.9, 0.1)),
}


def gradients_of(n_steps, n_params=7):
    """Return gradients of very different sizes, one coordinate without any."""
    rng = np.random.RandomState(1)
    sizes = np.array([0, 1e-9, 1e-4, 1e-2, 1, 1, 1e3])[:n_params]
    return rng.randn(n_steps, n_params) * sizes


def follow(optimizer, params, gradients, learning_rate):
    """Yield the parameters after every step of the optimizer."""
    params = params.copy()
    rate = np.asarray(learning_rate, params.dtype)[..., np.newaxis]
    moments = [np.zeros_like(params) for _ in range(optimizer.n_moments)]
    for t, gradient in enumerate(gradients, start=1):
        gradient = np.broadcast_to(gradient, params.shape).astype(params.dtype)
        scratch = np.full_like(params, np.nan)
        optimizer.step(Buffers(params, gradient, moments, scratch), rate, t)
        yield params.copy()


def test_every_optimizer_is_compared_with_its_paper():
    assert RECURSIONS.keys() >= OPTIMIZERS.keys()
    for name, optimizer in OPTIMIZERS.items():
        assert RECURSIONS[name][0] == optimizer()


@pytest.mark.parametrize("name", RECURSIONS)
@pytest.mark.parametrize(
    ("dtype", "rtol", "atol"), [(np.float64, 1e-12, 1e-14), (np.float32, 2e-5, 1e-5)]
)
def test_optimizer_follows_its_paper(name, dtype, rtol, atol):
    optimizer, recursion = RECURSIONS[name]
    params = np.linspace(1, 2, 7)
    gradients = gradients_of(50)
    path = np.array([*follow(optimizer, params.astype(dtype), gradients, 0.01)])
    expected = np.array([*recursion(params, gradients, 0.01)])
    assert_allclose(path - params, expected - params, rtol, atol)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_stack_with_its_own_rates_steps_like_its_members(name):
    optimizer, rates = OPTIMIZERS[name](), [0.1, 0.001, 3.0]
    params, gradients = np.random.RandomState(0).randn(3, 7), gradients_of(20)
    stack = np.array([*follow(optimizer, params, gradients, rates)])
    for k, rate in enumerate(rates):
        alone = np.array([*follow(optimizer, params[k], gradients, rate)])
        assert_array_equal(stack[:, k], alone)


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_decay_follows_loshchilov(name):
    """Algorithm 2 of the paper: Adam with L2 regularization, and AdamW."""
    rng = np.random.RandomState(0)
    X, y = rng.randn(30, 4), rng.randint(2, size=(30, 1)).astype(float)
    eta, lambda_, n_iter = 0.05, 0.3, 40
    state = TrainingState.start(rng.randn(5), [rng], n_moments=2)
    theta = state.params.copy()
    task = TrainingSpec(
        layer_sizes=(4, 1),
        activations=[],
        loss=binary_cross_entropy,
        optimizer=OPTIMIZERS[name](),
        learning_rate=np.array(eta),
        decay=np.array(lambda_),
        tol=np.array(0.0),
        n_iter_no_change=np.array(NEVER),
    )
    batches = Batches(
        X,
        y,
        np.ones((30, 1)),
        n_outputs=1,
        batch_size=30,
        block_size=30,
        dtype=float,
        generators=[rng],
        shuffle=False,
        stack_shape=(),
    )
    (outcome,) = train(task, state, batches, n_iter)

    is_weight, m, v, losses = np.array([1, 1, 1, 1, 0]), 0, 0, []
    for t in range(1, n_iter + 1):
        p = expit(X @ theta[:4] + theta[4])
        penalty = lambda_ / 2 * np.sum(theta[:4] ** 2) if name == "adam" else 0
        losses.append(-np.mean(np.log(np.where(y[:, 0] == 1, p, 1 - p))) + penalty)
        g = (p - y[:, 0]) @ np.column_stack([X, np.ones(30)]) / 30
        decay = lambda_ * theta * is_weight
        if name == "adam":
            g, decay = g + decay, 0
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g**2
        m_hat, v_hat = m / (1 - 0.9**t), v / (1 - 0.999**t)
        theta = theta - eta * (m_hat / (np.sqrt(v_hat) + 1e-8) + decay)
    assert_allclose(outcome.state.params, theta, rtol=1e-11)
    assert_allclose(outcome.losses, losses, rtol=1e-12)


@pytest.mark.parametrize(
    ("optimizer", "name", "value"),
    [
        (Momentum, "momentum", 1.0),
        (Momentum, "momentum", -0.1),
        (Nesterov, "momentum", 1),
        (Nesterov, "momentum", float("nan")),
        (RMSprop, "rho", 1.0),
        (Adam, "beta1", 1.5),
        (Adam, "beta2", -1),
        (AdamW, "beta1", 1.0),
        (AdamW, "beta2", 1.0),
    ],
)
def test_a_decay_rate_out_of_range_is_an_error(optimizer, name, value):
    message = f"{name} must be in [0, 1). Got {value!r} instead."
    with raises(message):
        optimizer(**{name: value})


@pytest.mark.parametrize("optimizer", [RMSprop, Adam, AdamW])
@pytest.mark.parametrize("value", [0, -1e-8, float("inf"), float("nan")])
def test_an_epsilon_that_is_not_positive_is_an_error(optimizer, value):
    message = f"epsilon must be a positive number. Got {value!r} instead."
    with raises(message):
        optimizer(epsilon=value)


@pytest.mark.parametrize(
    ("optimizer", "settings"),
    [
        (Momentum, {"momentum": 0.0}),
        (Nesterov, {"momentum": 0.0}),
        (RMSprop, {"rho": 0, "epsilon": 1e-300}),
        (Adam, {"beta1": 0, "beta2": 0.0}),
    ],
)
def test_settings_at_the_edge_are_allowed(optimizer, settings):
    made = optimizer(**settings)
    assert {name: getattr(made, name) for name in settings} == settings


SETTINGS = [(name, f.name) for name in OPTIMIZERS for f in fields(OPTIMIZERS[name])]


@pytest.mark.parametrize(("name", "setting"), SETTINGS)
def test_settings_are_frozen(name, setting):
    with pytest.raises(FrozenInstanceError):
        setattr(OPTIMIZERS[name](), setting, 0.5)


def test_only_adamw_decouples_decay():
    assert [n for n, o in OPTIMIZERS.items() if o.decouples_decay] == ["adamw"]
