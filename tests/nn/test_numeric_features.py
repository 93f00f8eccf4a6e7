"""Numeric features follow their formula, and so does their gradient."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_deepnet.nn.numeric_features import (
    NUMERIC_FEATURES,
    FittedFeatures,
    PeriodicFeatures,
    expand_columns,
    rescale_features,
    write_periodic,
    write_periodic_gradient,
)
from sklearn_deepnet.nn.scaling import InputScaling
from tests.helpers import raises

N_COLUMNS, N_FREQUENCIES, N_SAMPLES = 3, 2, 7
STACKS = {"one": ((), ()), "stack": ((4,), ()), "stack, own data": ((4,), (4,))}


def periodic(x, frequency, phase):
    return np.cos(2 * np.pi * (frequency * x + phase))


FORMULAS = {"periodic": periodic}


def draw(stack_shape=(), data_shape=()):
    """Return columns, as rows, and parameters of features."""
    rng = np.random.RandomState(0)
    x = rng.randn(*data_shape, N_COLUMNS, N_SAMPLES)
    shape = (*stack_shape, N_COLUMNS, N_FREQUENCIES)
    return x, FittedFeatures(rng.randn(*shape), rng.randn(*shape))


def compute(x, features):
    """Return the features and the sines, of shape (..., column, frequency, sample)."""
    shape = (*features.phases.shape, x.shape[-1])
    out, sines = np.empty(shape, x.dtype), np.empty(shape, x.dtype)
    write_periodic(x, *features, out, sines)
    return out, sines


def test_every_kind_of_features_has_its_formula_checked():
    assert FORMULAS.keys() == NUMERIC_FEATURES.keys()


@pytest.mark.parametrize("stack", STACKS)
def test_features_follow_their_formula(stack):
    stack_shape, data_shape = STACKS[stack]
    x, features = draw(stack_shape, data_shape)
    out, _ = compute(x, features)
    x = np.broadcast_to(x, (*stack_shape, *x.shape[-2:]))
    for at in np.ndindex(out.shape):
        *k, column, frequency, sample = at
        expected = periodic(
            x[*k, column, sample],
            features.frequencies[*k, column, frequency],
            features.phases[*k, column, frequency],
        )
        assert_allclose(out[at], expected, atol=1e-14)


@pytest.mark.parametrize("largest", [1, 1e5, 1e9])
@pytest.mark.parametrize(("dtype", "error"), [("float64", 1e-15), ("float32", 2e-7)])
def test_cosines_and_sines_are_exact_but_for_rounding(dtype, error, largest):
    rng = np.random.RandomState(0)
    periods = np.append(rng.uniform(-largest, largest, 10000), np.arange(-40, 40) / 4)
    x, one = periods.astype(dtype)[np.newaxis], np.ones((1, 1), dtype)
    out, sines = compute(x, FittedFeatures(one, 0 * one))
    angles = (x * np.array(2 * np.pi, dtype)).astype(np.longdouble)
    assert_allclose(out[0], np.cos(angles), rtol=0, atol=error)
    assert_allclose(sines[0], np.sin(angles), rtol=0, atol=error)
    alone = np.empty_like(out)
    write_periodic(x, one, 0 * one, alone)
    assert_array_equal(alone, out)


@pytest.mark.parametrize("parameter", [0, 1], ids=FittedFeatures._fields)
@pytest.mark.parametrize("stack", STACKS)
def test_gradient_is_the_slope_in_every_coordinate(stack, parameter):
    x, features = draw(*STACKS[stack])
    out, sines = compute(x, features)
    grad = np.random.RandomState(1).randn(*out.shape)
    gradient = FittedFeatures(*map(np.empty_like, features))
    write_periodic_gradient(grad, x, sines, gradient)
    h = 1e-6
    for at in np.ndindex(features.phases.shape):
        values = []
        for step in (h, -h):
            moved = FittedFeatures(*(array.copy() for array in features))
            moved[parameter][at] += step
            values.append(np.sum(grad * compute(x, moved)[0]))
        slope = (values[0] - values[1]) / (2 * h)
        assert_allclose(gradient[parameter][at], slope, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("scale", [0.1, 3.0])
def test_draws_have_the_promised_distribution(scale):
    n_columns, n_frequencies = 500, 40
    drawn = PeriodicFeatures(n_frequencies, scale).draw(
        n_columns, np.random.RandomState(0)
    )
    n = n_columns * n_frequencies
    frequencies, phases = drawn
    assert frequencies.shape == phases.shape == (n_columns, n_frequencies)
    # Within four standard errors: of a mean, and of the deviation of normal numbers
    assert abs(frequencies.mean()) < 4 * scale / np.sqrt(n)
    assert abs(frequencies.std() / scale - 1) < 4 / np.sqrt(2 * n)
    kurtosis = np.mean((frequencies / scale) ** 4)
    assert abs(kurtosis - 3) < 4 * np.sqrt(96 / n)  # 9/5 if they were uniform
    assert phases.min() >= -0.5
    assert phases.max() < 0.5
    assert abs(phases.mean()) < 4 / np.sqrt(12 * n)
    assert abs(np.mean(phases**2) - 1 / 12) < 4 * np.sqrt(1 / 180 / n)


def test_frequencies_are_drawn_before_phases():
    drawn = PeriodicFeatures(2, 0.3).draw(3, np.random.RandomState(5))
    rng = np.random.RandomState(5)
    assert_array_equal(drawn.frequencies, 0.3 * rng.randn(3, 2))
    assert_array_equal(drawn.phases, rng.uniform(-0.5, 0.5, (3, 2)))


@pytest.mark.parametrize("value", [0, -1, 2.0, "4", None, True, np.float64(3)])
def test_a_number_of_frequencies_that_is_none_is_an_error(value):
    with raises(
        f"n_frequencies must be an integer of at least 1. Got {value!r} instead."
    ):
        PeriodicFeatures(n_frequencies=value)


def test_settings_may_be_numbers_of_numpy():
    given = PeriodicFeatures(np.int64(3), np.float32(0.5))
    features = given.draw(2, np.random.RandomState(0))
    expected = PeriodicFeatures(3, 0.5).draw(2, np.random.RandomState(0))
    np.testing.assert_array_equal(features, expected)


@pytest.mark.parametrize(
    "value", [0, -0.1, np.inf, np.nan, 10**310, "0.1", None, 1j, np.ones(2)]
)
def test_a_scale_that_is_none_is_an_error(value):
    with raises(f"scale must be a positive number. Got {value!r} instead."):
        PeriodicFeatures(scale=value)


def test_integers_of_numpy_are_numbers_of_frequencies():
    drawn = PeriodicFeatures(np.int64(3)).draw(2, np.random.RandomState(0))
    assert drawn.phases.shape == (2, 3)


def test_newly_scaled_columns_give_the_same_features():
    x, features = draw()
    rng = np.random.RandomState(1)
    before, after = (
        InputScaling(rng.randn(N_COLUMNS), rng.uniform(0.2, 5, N_COLUMNS))
        for _ in range(2)
    )
    raw = x * before.scale[:, np.newaxis] + before.center[:, np.newaxis]
    expected, _ = compute(x, features)
    rescale_features(features, before, after)
    x = (raw - after.center[:, np.newaxis]) / after.scale[:, np.newaxis]
    assert_allclose(compute(x, features)[0], expected, atol=1e-12)


def test_features_follow_the_columns_column_by_column():
    expanded = expand_columns(np.array([False, True, False]), 2)
    assert np.flatnonzero(expanded).tolist() == [1, 5, 6]
