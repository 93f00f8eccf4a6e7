"""Statistics of columns, and how they are applied to inputs and layers."""

import numpy as np
import pytest

from sklearn_deepnet.nn.scaling import (
    InputScaling,
    Moments,
    column_moments,
    column_quartiles,
    fold_into_first_layer,
    rescale_first_layer,
    rescale_last_layer,
)

rng = np.random.RandomState(0)
X = rng.randn(70, 4) * [1, 100, 1e-3, 1] + [0, 5, 2, -7]
WEIGHT = rng.randint(1, 4, 70).astype(float)


@pytest.mark.parametrize("weight", [None, WEIGHT])
@pytest.mark.parametrize("rows", [None, np.arange(3, 60, 2)])
def test_moments_are_the_weighted_mean_and_deviation(weight, rows):
    moments = column_moments(X, weight, rows)
    chosen = slice(None) if rows is None else rows
    w = np.ones(70)[chosen] if weight is None else weight[chosen]
    mean = np.average(X[chosen], axis=0, weights=w)
    variance = np.average((X[chosen] - mean) ** 2, axis=0, weights=w)
    np.testing.assert_allclose(moments.mean, mean, rtol=1e-13)
    np.testing.assert_allclose(moments.deviation, np.sqrt(variance), rtol=1e-12)
    np.testing.assert_array_equal(moments.weight, w.sum())


def test_a_weight_of_two_is_the_row_twice():
    repeated = np.repeat(X, WEIGHT.astype(int), axis=0)
    weighted, expected = column_moments(X, WEIGHT), column_moments(repeated)
    for one, other in zip(weighted, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-13)
    np.testing.assert_array_equal(
        column_quartiles(X, WEIGHT), column_quartiles(repeated)
    )


def test_quartiles_are_values_of_the_column():
    quartiles = column_quartiles(X)
    expected = np.quantile(X, [0.25, 0.5, 0.75], axis=0, method="inverted_cdf")
    np.testing.assert_array_equal(quartiles, expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize("rows", [None, np.arange(100_000, 0, -1)])
@pytest.mark.parametrize("order", ["C", "F"])  # whose columns are contiguous
def test_quartiles_take_a_few_columns_and_leave_X(order, dtype, rows, peak_of):
    many = np.random.RandomState(1).randint(0, 1000, (200_001, 3)).astype(dtype, order)
    before = many.copy()
    assert peak_of(lambda: column_quartiles(many, None, rows)) < 17 * len(many)
    np.testing.assert_array_equal(many, before)


@pytest.mark.parametrize("unit", [1e-250, 1e-5, 1e200, 1e300])
def test_moments_have_the_unit_of_the_column(unit):
    moments, scaled = column_moments(X), column_moments(X * unit)
    np.testing.assert_allclose(scaled.mean / unit, moments.mean, rtol=1e-12)
    np.testing.assert_allclose(scaled.deviation / unit, moments.deviation, rtol=1e-12)


@pytest.mark.parametrize("offset", [1e6, 1e12])
def test_a_large_offset_does_not_lose_the_deviation(offset):
    many = np.random.RandomState(1).randn(300_000, 1)  # several blocks
    shifted = many + offset
    moments = column_moments(shifted)
    # The mean is known to some units in its last place; the variance has their square.
    rtol = max(1e-9, (offset * 1e-15) ** 2)
    np.testing.assert_allclose(moments.deviation, np.std(shifted - offset), rtol=rtol)


def test_a_constant_column_has_no_deviation_and_its_exact_mean():
    constants = np.array([[0.1, 1e300, 0.0, 1 / 3]])
    moments = column_moments(np.repeat(constants, 7, axis=0))
    np.testing.assert_array_equal(moments.deviation, 0)
    np.testing.assert_array_equal(moments.mean, constants[0])


def test_rounding_is_no_deviation():
    almost = np.array([0.3, 0.1 + 0.2] * 10)[:, np.newaxis]
    assert np.ptp(almost) > 0
    assert column_moments(almost).deviation == 0
    # In float32 the spacing of numbers at a million is a sixteenth.
    noisy = np.float32(1e6) + np.float32(0.0625) * (np.arange(20) == 0)
    assert column_moments(noisy[:, np.newaxis]).deviation == 0
    assert column_moments(noisy[:, np.newaxis].astype(np.float64)).deviation > 0


@pytest.mark.parametrize("weighted", [False, True])
def test_rounding_of_the_mean_of_many_rows_is_no_deviation(weighted):
    """That mean has an error of hundreds of times the spacing of its rows."""
    values = 0.3 + 1e-16 * (np.arange(500_000) % 3)
    weight = 1.0 + np.arange(500_000) % 2 if weighted else None
    moments = column_moments(values[:, np.newaxis], weight)
    assert moments.deviation == 0
    np.testing.assert_allclose(moments.mean, 0.3, rtol=1e-12)
    # A deviation of 4e-14 is more than rounding, and is exact.
    steps = 0.5 + 2.0**-44 * (np.arange(300_000) % 2)
    found = column_moments(
        steps[:, np.newaxis], None if weight is None else weight[:300_000]
    )
    share = 2 / 3 if weighted else 1 / 2
    expected = 2.0**-44 * np.sqrt(share * (1 - share))
    np.testing.assert_allclose(found.deviation, expected, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, bool, np.float32, np.float16])
def test_moments_are_computed_in_float64(dtype):
    values = (rng.rand(50, 3) * 100).astype(dtype)
    moments = column_moments(values)
    expected = values.astype(np.float64)
    np.testing.assert_allclose(moments.mean, expected.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(moments.deviation, expected.std(axis=0), rtol=1e-13)


def test_merged_moments_are_those_of_all_rows():
    parts = [column_moments(X[:1]), column_moments(X[1:20]), column_moments(X[20:])]
    merged = parts[0].merge(parts[1]).merge(parts[2])
    for one, other in zip(merged, column_moments(X), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


def test_nothing_merged_with_moments_is_those_moments():
    moments = column_moments(X)
    nothing = Moments(*np.zeros((3, 4)))
    for one, other in zip(nothing.merge(moments), moments, strict=True):
        np.testing.assert_array_equal(one, other)


def test_inputs_are_standardized():
    moments = column_moments(X)
    scaling = InputScaling(moments.mean, moments.deviation)
    out = np.empty_like(X)
    scaling.apply(X, out)
    np.testing.assert_allclose(out.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(out.std(axis=0), 1, rtol=1e-12)


def test_a_squashed_input_follows_its_formula():
    scaling = InputScaling(np.array([1.0]), np.array([2.0]), squashes=True)
    values = np.array([[1.0], [3.0], [-5.0], [1e200]])
    out = np.empty_like(values)
    scaling.apply(values, out)
    z = (values[:3] - 1) / 2
    np.testing.assert_allclose(out[:3], z / np.sqrt(1 + (z / 3) ** 2), rtol=1e-15)
    np.testing.assert_allclose(out[3], 3, rtol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_largest_number_is_squashed_to_three(dtype):
    largest = np.finfo(dtype).max  # what many files have for a missing value
    scaling = InputScaling(np.array([-1e30]), np.array([1e-9]), squashes=True)
    out = np.empty((2, 1), dtype)
    scaling.apply(np.array([[largest], [-largest]], dtype), out)
    np.testing.assert_allclose(out, [[3], [-3]], rtol=1e-7)


def test_time_stamps_keep_their_seconds_in_float32():
    seconds = np.arange(5.0)[:, np.newaxis]
    out = np.empty((5, 1), np.float32)
    InputScaling(np.array([1.7e9]), np.array([1.0])).apply(1.7e9 + seconds, out)
    np.testing.assert_array_equal(out, seconds)
    InputScaling(np.array([1.7e9]), np.array([1.0])).apply(
        (1.7e9 + seconds).astype(np.int64), out
    )
    np.testing.assert_array_equal(out, seconds)


def test_a_scale_below_float32_gives_no_nan():
    out = np.empty((1, 1), np.float32)
    scaling = InputScaling(np.zeros(1), np.array([1e-60]))
    scaling.apply(np.zeros((1, 1), np.float32), out)
    assert out == 0


def test_a_stack_scales_as_each_of_its_networks():
    scalings = [InputScaling(rng.randn(4), rng.rand(4) + 1) for _ in range(3)]
    stack = InputScaling.stack(scalings)
    out, expected = np.empty((3, 70, 4)), np.empty((70, 4))
    stack.apply(X, out)
    for own, scaling in zip(out, scalings, strict=True):
        scaling.apply(X, expected)
        np.testing.assert_array_equal(own, expected)
    stack.select(np.array([False, True, True])).apply(X, out[:2])
    scalings[1].apply(X, expected)
    np.testing.assert_array_equal(out[0], expected)


def test_networks_with_equal_scalings_share_one():
    one, other = (InputScaling(rng.randn(4), np.ones(4)) for _ in range(2))
    equal = InputScaling(one.center.copy(), one.scale.copy())
    assert InputScaling.stack([one, equal]).center.ndim == 1
    assert InputScaling.stack([None, None]) is None
    scalings, which = InputScaling.stack([one, other, equal]).distinct()
    assert len(scalings) == 2
    for k, expected in zip(which, (one, other, equal), strict=True):
        np.testing.assert_array_equal(scalings[k].center, expected.center)


def layer(*shape):
    return rng.randn(*shape)


def outputs(W_b, inputs):
    return inputs @ W_b[:, :-1].T + W_b[:, -1]


def test_rescaling_the_first_layer_keeps_its_outputs():
    W_b = layer(5, 5)
    before, after = (InputScaling(rng.randn(4), rng.rand(4) + 0.1) for _ in range(2))
    inputs = np.empty((2, 70, 4))
    before.apply(X, inputs[0])
    after.apply(X, inputs[1])
    expected = outputs(W_b, inputs[0])
    rescale_first_layer(W_b, before, after)
    np.testing.assert_allclose(outputs(W_b, inputs[1]), expected, rtol=1e-10)


@pytest.mark.parametrize("exponential", [False, True])
def test_rescaling_the_last_layer_keeps_the_predictions(exponential):
    W_b, A = layer(2, 6), rng.randn(30, 5)
    before, after = (
        (np.zeros(2) if exponential else rng.randn(2), rng.rand(2) + 0.1)
        for _ in range(2)
    )

    def predict(mean, scale):
        z = outputs(W_b, A)
        return mean + scale * (np.exp(z) if exponential else z)

    expected = predict(*before)
    rescale_last_layer(W_b, before, after, exponential)
    np.testing.assert_allclose(predict(*after), expected, rtol=1e-12)


def test_folded_weights_take_raw_inputs():
    W_b, scaling = layer(5, 5), InputScaling(rng.randn(4), rng.rand(4) + 0.1)
    scaled = np.empty_like(X)
    scaling.apply(X, scaled)
    W, b = fold_into_first_layer(W_b[:, :-1].T, W_b[:, -1], scaling)
    np.testing.assert_allclose(X @ W + b, outputs(W_b, scaled), rtol=1e-9)
