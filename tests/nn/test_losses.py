"""Losses agree with their formulas, and their gradients with their values."""

from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, log_expit, log_softmax, softmax
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as sklearn_log_loss

from sklearn_deepnet.nn.losses import (
    LOSSES,
    absolute_error_identity,
    binary_cross_entropy,
    cross_entropy,
    poisson_exponential,
    squared_error_identity,
    squared_error_logistic,
    squared_error_softmax,
)

# Loss of each sample, from logits z and targets y of shape (..., n_units, n_samples).
FORMULAS = {
    binary_cross_entropy: lambda z, y: (
        -np.sum(y * log_expit(z) + (1 - y) * log_expit(-z), axis=-2)
    ),
    cross_entropy: lambda z, y: -np.sum(y * log_softmax(z, axis=-2), axis=-2),
    squared_error_logistic: lambda z, y: np.mean((expit(z) - y) ** 2, axis=-2) / 2,
    squared_error_softmax: lambda z, y: (
        np.mean((softmax(z, axis=-2) - y) ** 2, axis=-2) / 2
    ),
    LOSSES["focal"].logistic: lambda z, y: np.sum(
        -y * expit(-z) ** 2 * log_expit(z) - (1 - y) * expit(z) ** 2 * log_expit(-z),
        axis=-2,
    ),
    LOSSES["focal"].softmax: lambda z, y: np.sum(
        -y * (1 - softmax(z, -2)) ** 2 * log_softmax(z, -2), axis=-2
    ),
    squared_error_identity: lambda z, y: np.mean((z - y) ** 2, axis=-2) / 2,
    absolute_error_identity: lambda z, y: np.mean(np.abs(z - y), axis=-2),
    LOSSES["huber"].identity: lambda z, y: np.mean(
        np.where(abs(z - y) < 1, (z - y) ** 2 / 2, abs(z - y) - 0.5), axis=-2
    ),
    LOSSES["quantile"].identity: lambda z, y: np.mean(np.abs(z - y), axis=-2) / 2,
    poisson_exponential: lambda z, y: np.mean(np.exp(z) - y * z, axis=-2),
}
SOFTMAX = [loss.softmax for loss in LOSSES.values() if loss.softmax]
HARD, SOFT = [0, 1], [0.0, 0.1, 0.7, 1.0]
EACH_LOSS = pytest.mark.parametrize("loss", FORMULAS)


def evaluate(loss, logits, target):
    """Return the loss of each sample, and its gradient."""
    gradient = logits.copy()
    scratch = np.full((3, *logits.shape), np.nan, logits.dtype)
    values = loss(gradient, target.astype(logits.dtype), scratch)
    assert np.shares_memory(values, scratch)  # nothing is allocated
    return values.sum(axis=-2), gradient


def draw(loss, shape, kind, width=5.0):
    """Return random logits, and targets of the kind that the loss is made for."""
    rng = np.random.RandomState(0)
    logits = rng.randn(*shape) * width
    if loss not in SOFTMAX:
        return logits, rng.choice(kind, shape).astype(float)
    classes = rng.randint(shape[-2], size=(*shape[:-2], 1, shape[-1]))
    target = (np.arange(shape[-2])[:, np.newaxis] == classes).astype(float)
    return logits, target if kind is HARD else 0.8 * target + 0.2 / shape[-2]


def draws(loss, kinds=(HARD, SOFT), **options):
    """Return logits and targets of one unit, of several, and of a stack."""
    shapes = [(1, 9), (3, 9), (2, 3, 9)][loss in SOFTMAX :]
    return [
        draw(loss, shape, kind, **options) for shape, kind in product(shapes, kinds)
    ]


def test_every_loss_has_its_formula():
    functions = {function for loss in LOSSES.values() for function in loss[1:5]}
    assert functions - {None} == FORMULAS.keys()


@pytest.mark.parametrize("name", LOSSES)
def test_loss_is_named_as_in_the_table(name):
    assert repr(LOSSES[name]) == name


@EACH_LOSS
@pytest.mark.parametrize(
    ("dtype", "rtol", "atol"), [(np.float64, 1e-13, 1e-14), (np.float32, 1e-5, 2e-6)]
)
def test_value_is_the_formula(loss, dtype, rtol, atol):
    for logits, target in draws(loss):
        logits = logits.astype(dtype)
        values, _ = evaluate(loss, logits, target)
        expected = FORMULAS[loss](logits.astype(float), target)
        assert_allclose(values, expected, rtol, atol)


@EACH_LOSS
def test_gradient_is_the_slope_of_the_value(loss):
    for logits, target in draws(loss, width=2.0):
        _, gradient = evaluate(loss, logits, target)
        for unit, row in enumerate(np.eye(logits.shape[-2])):
            # Samples are independent, so the logits of a unit move at once.
            step = 1e-5 * row[:, np.newaxis]
            above, below = (
                evaluate(loss, logits + s, target)[0] for s in (step, -step)
            )
            slope = (above - below) / 2e-5
            assert_allclose(gradient[..., unit, :], slope, rtol=1e-7, atol=1e-9)


@EACH_LOSS
def test_float32_gradient_is_that_of_float64(loss):
    for logits, target in draws(loss, [SOFT]):
        _, gradient = evaluate(loss, logits.astype(np.float32), target)
        _, expected = evaluate(loss, logits.astype(np.float32).astype(float), target)
        assert_allclose(gradient, expected, rtol=1e-5, atol=2e-6)


def test_binary_cross_entropy_is_log_loss_of_scikit_learn():
    logits, target = draw(binary_cross_entropy, (1, 200), HARD)
    values, _ = evaluate(binary_cross_entropy, logits, target)
    expected = sklearn_log_loss(target[0], expit(logits[0]))
    assert_allclose(values.mean(), expected, rtol=1e-12)


def test_cross_entropy_is_log_loss_of_scikit_learn():
    logits, target = draw(cross_entropy, (4, 200), HARD)
    values, _ = evaluate(cross_entropy, logits, target)
    p = softmax(logits, axis=0)
    expected = sklearn_log_loss(target.argmax(axis=0), p.T / p.T.sum(1, keepdims=True))
    assert_allclose(values.mean(), expected, rtol=1e-12)


def test_squared_error_of_one_sigmoid_is_half_the_brier_score():
    logits, target = draw(squared_error_logistic, (1, 200), HARD)
    values, _ = evaluate(squared_error_logistic, logits, target)
    expected = brier_score_loss(target[0], expit(logits[0])) / 2
    assert_allclose(values.mean(), expected, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    ("loss", "logits", "target", "value", "gradient"),
    [
        (binary_cross_entropy, [60], [0], 60, [1]),
        (binary_cross_entropy, [-60], [1], 60, [-1]),
        (binary_cross_entropy, [1000], [0], 1000, [1]),
        (binary_cross_entropy, [1000], [1], 0, [0]),
        (binary_cross_entropy, [-1000], [0], 0, [0]),
        (binary_cross_entropy, [-1000], [1], 1000, [-1]),
        (binary_cross_entropy, [1000], [0.25], 750, [0.75]),
        (binary_cross_entropy, [-1000, 1000], [0.5, 0], 1500, [-0.5, 1]),
        (binary_cross_entropy, [1e30], [0], 1e30, [1]),
        (cross_entropy, [0, 60], [1, 0], 60, [-1, 1]),
        (cross_entropy, [1000, 0, -1000], [1, 0, 0], 0, [0, 0, 0]),
        (cross_entropy, [1000, 0, -1000], [0, 0, 1], 2000, [1, 0, -1]),
        (cross_entropy, [-1000, -3000, -3000], [0.5, 0.5, 0], 1000, [0.5, -0.5, 0]),
        (cross_entropy, [1e30, -1e30], [0, 1], 2e30, [1, -1]),
        (squared_error_logistic, [1000], [0], 0.5, [0]),
        (squared_error_logistic, [-1000, 1000], [1, 1], 0.25, [0, 0]),
        (squared_error_softmax, [1000, -1000], [0, 1], 0.5, [0, 0]),
        (squared_error_softmax, [1000, -1000], [1, 0], 0, [0, 0]),
    ],
)
def test_loss_of_extreme_logits_is_exact(loss, logits, target, value, gradient, dtype):
    column = np.array(logits, dtype)[:, np.newaxis]
    values, slope = evaluate(loss, column, np.array(target)[:, np.newaxis])
    assert_allclose(values, [value], rtol=1e-6)
    assert_allclose(slope[:, 0], gradient, atol=1e-12)


@EACH_LOSS
@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_loss_of_a_logit_that_is_not_finite_is_not_finite(loss, bad):
    for logits, target in draws(loss):
        for unit in range(logits.shape[-2]):
            spoilt = logits.copy()
            spoilt[..., unit, :] = bad
            with np.errstate(invalid="ignore"):
                values, _ = evaluate(loss, spoilt, target)
            assert not np.isfinite(values).any()


@EACH_LOSS
def test_nan_in_one_sample_does_not_change_the_others(loss):
    for logits, target in draws(loss, [SOFT]):
        values, gradient = evaluate(loss, logits, target)
        logits[..., 4] = np.nan
        with np.errstate(invalid="ignore"):
            spoilt_values, spoilt_gradient = evaluate(loss, logits, target)
        others = np.arange(9) != 4
        assert_array_equal(spoilt_values[..., others], values[..., others])
        assert_array_equal(spoilt_gradient[..., others], gradient[..., others])
