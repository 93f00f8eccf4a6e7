"""Initializers have the documented variance, and draw in the documented order."""

import pickle
from copy import deepcopy

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_deepnet.nn import initializers
from sklearn_deepnet.nn.initializers import BIAS_INITIALIZERS, INITIALIZERS, initialize
from tests.helpers import raises

# Documented for 400 inputs and 200 units, without init_scale.
VARIANCE = {
    "zeros": 0.0,
    "random": 1.0,
    "xavier": 2 / 600,
    "xavier_uniform": 2 / 600,
    "glorot": 2 / 600,
    "glorot_uniform": 2 / 600,
    "he": 2 / 400,
    "he_uniform": 2 / 400,
    "lecun": 1 / 400,
    "lecun_uniform": 1 / 400,
    "orthogonal": 1 / 400,
}
STD = {
    "random": lambda n_out, n_in: 1.0,
    "xavier": lambda n_out, n_in: np.sqrt(2 / (n_in + n_out)),
    "he": lambda n_out, n_in: np.sqrt(2 / n_in),
    "lecun": lambda n_out, n_in: np.sqrt(1 / n_in),
}
BOUND = {
    "xavier_uniform": lambda n_out, n_in: np.sqrt(6 / (n_in + n_out)),
    "he_uniform": lambda n_out, n_in: np.sqrt(6 / n_in),
    "lecun_uniform": lambda n_out, n_in: np.sqrt(3 / n_in),
}
BIAS = {
    "zeros": lambda rng, n_out, n_in, std: np.zeros(n_out),
    "random": lambda rng, n_out, n_in, std: std * rng.randn(n_out),
    "uniform": lambda rng, n_out, n_in, std: rng.uniform(
        -1 / np.sqrt(n_in), 1 / np.sqrt(n_in), n_out
    ),
}


def test_every_initializer_has_its_variance_checked():
    assert VARIANCE.keys() == INITIALIZERS.keys()


@pytest.mark.parametrize("name", INITIALIZERS)
def test_variance_is_the_documented_one(name):
    W = INITIALIZERS[name]((200, 400), np.random.RandomState(0))
    assert W.shape == (200, 400)
    standard_error = VARIANCE[name] * np.sqrt(2 / W.size)  # of a normal's variance
    assert abs(np.mean(W**2) - VARIANCE[name]) <= 4 * standard_error


@pytest.mark.parametrize("name", INITIALIZERS)
def test_mean_is_zero(name):
    W = INITIALIZERS[name]((200, 400), np.random.RandomState(0))
    assert abs(W.mean()) <= 4 * np.sqrt(VARIANCE[name] / W.size)


@pytest.mark.parametrize("name", STD)
def test_normal_draws_come_from_randn(name):
    W = INITIALIZERS[name]((3, 4), np.random.RandomState(7))
    expected = np.random.RandomState(7).randn(3, 4) * STD[name](3, 4)
    assert_allclose(W, expected, rtol=1e-15)


@pytest.mark.parametrize("name", BOUND)
def test_uniform_draws_are_within_the_documented_bound(name):
    W = INITIALIZERS[name]((3, 4), np.random.RandomState(7))
    bound = BOUND[name](3, 4)
    expected = np.random.RandomState(7).uniform(-bound, bound, (3, 4))
    assert_allclose(W, expected, rtol=1e-14, atol=1e-15)


def test_zeros_draws_nothing():
    rng = np.random.RandomState(0)
    assert_array_equal(INITIALIZERS["zeros"]((3, 4), rng), np.zeros((3, 4)))
    assert rng.randn() == np.random.RandomState(0).randn()


@pytest.mark.parametrize("shape", [(3, 7), (7, 3), (4, 4), (1, 5), (5, 1)])
def test_orthogonal_has_orthonormal_rows_or_columns(shape):
    W = INITIALIZERS["orthogonal"](shape, np.random.RandomState(0))
    assert W.shape == shape
    gram = W @ W.T if shape[0] <= shape[1] else W.T @ W
    assert_allclose(gram, np.eye(min(shape)), atol=1e-14)


@pytest.mark.parametrize("shape", [(2, 2), (1, 2), (2, 1)])
def test_orthogonal_matrices_are_equally_likely(shape):
    rng = np.random.RandomState(0)
    W = np.array([INITIALIZERS["orthogonal"](shape, rng) for _ in range(2000)])
    # Every entry is symmetric about zero, with variance 1/2.
    assert (np.abs(W.mean(0)) < 4 * np.sqrt(0.5 / 2000)).all()
    if shape == (2, 2):
        assert abs(np.linalg.det(W).mean()) < 4 / np.sqrt(2000)


@pytest.mark.parametrize("bias_init", BIAS_INITIALIZERS)
@pytest.mark.parametrize("name", STD)
def test_layers_are_drawn_one_by_one_with_the_bias_after_its_weights(name, bias_init):
    sizes = [4, 3, 5, 2]
    layers = initialize(sizes, np.random.RandomState(1), name, 0.5, bias_init)
    rng = np.random.RandomState(1)
    for (W, b), n_in, n_out in zip(layers, sizes, sizes[1:], strict=False):
        std = 0.5 * STD[name](n_out, n_in)
        assert_allclose(W, rng.randn(n_out, n_in) * std, rtol=1e-14)
        assert_allclose(b, BIAS[bias_init](rng, n_out, n_in, std), rtol=1e-14)
    assert len(layers) == 3


def test_every_bias_initializer_is_compared():
    assert BIAS.keys() == BIAS_INITIALIZERS.keys()


@pytest.mark.parametrize("init_scale", [2.5, 0.0])
@pytest.mark.parametrize("name", INITIALIZERS)
def test_init_scale_is_a_factor_on_the_draw(name, init_scale):
    rng = np.random.RandomState(1)
    ((W, b),) = initialize([4, 3], rng, name, init_scale, "uniform")
    rng = np.random.RandomState(1)
    assert_array_equal(W, INITIALIZERS[name]((3, 4), rng) * init_scale)
    assert_allclose(b, rng.uniform(-0.5, 0.5, 3), rtol=1e-15)


@pytest.mark.parametrize("name", INITIALIZERS)
def test_init_scale_is_a_hundredth_for_random_only(name):
    ((W, _),) = initialize([4, 3], np.random.RandomState(1), name)
    scale = 0.01 if name == "random" else 1.0
    assert_array_equal(W, INITIALIZERS[name]((3, 4), np.random.RandomState(1)) * scale)


def test_defaults_are_he_with_zero_biases():
    layers = initialize([4, 3, 2], np.random.RandomState(1))
    named = initialize([4, 3, 2], np.random.RandomState(1), "he", 1.0, "zeros")
    for (W, b), (named_W, named_b) in zip(layers, named, strict=True):
        assert_array_equal(W, named_W)
        assert_array_equal(b, named_b)


def test_a_callable_is_called_for_each_layer():
    shapes = []

    def ramp(shape, rng):
        shapes.append(shape)
        return np.arange(shape[0] * shape[1]).reshape(shape) + rng.rand()

    layers = initialize([2, 3, 1], np.random.RandomState(0), ramp, 2.0)
    rng = np.random.RandomState(0)
    assert shapes == [(3, 2), (1, 3)]
    assert_allclose(layers[0][0], 2 * (np.arange(6).reshape(3, 2) + rng.rand()))
    assert_allclose(layers[1][0], 2 * (np.arange(3).reshape(1, 3) + rng.rand()))


def test_random_biases_have_the_deviation_of_weights_from_a_callable():
    def fives(shape, rng):
        return np.full(shape, -5.0)

    ((_, b),) = initialize([2, 3], np.random.RandomState(0), fives, 0.1, "random")
    assert_allclose(b, np.random.RandomState(0).randn(3) * 0.5, rtol=1e-15)


def test_a_list_holds_the_scheme_of_each_layer():
    def ones(shape, rng):
        return np.ones(shape)

    layers = initialize([4, 3, 2, 2], np.random.RandomState(0), ["he", ones, "zeros"])
    expected = np.random.RandomState(0).randn(3, 4) * np.sqrt(2 / 4)
    assert_allclose(layers[0][0], expected, rtol=1e-15)
    assert_array_equal(layers[1][0], np.ones((2, 3)))
    assert_array_equal(layers[2][0], np.zeros((2, 2)))


def test_arrays_are_given_as_coefs_and_intercepts():
    W1, b1 = np.arange(6.0).reshape(2, 3), np.arange(3)
    W2, b2 = [[1.0], [2.0], [3.0]], [4.0]
    rng = np.random.RandomState(0)
    layers = initialize([2, 3, 1], rng, [W1, b1, W2, b2])
    assert_array_equal(layers[0][0], [[0, 3], [1, 4], [2, 5]])
    assert_array_equal(layers[0][1], [0, 1, 2])
    assert_array_equal(layers[1][0], [[1, 2, 3]])
    assert_array_equal(layers[1][1], [4])
    assert rng.randn() == np.random.RandomState(0).randn()
    assert not any(np.shares_memory(layers[0][0], array) for array in (W1, b1))


def wrong_shape(shape, rng):
    return np.zeros(shape).T


def nan(shape, rng):
    return np.full(shape, np.nan)


W1, B1, W2, B2 = np.ones((2, 3)), np.ones(3), np.ones((3, 1)), np.ones(1)
GIVE = (
    "but the network has 2 layers (including the output layer). Give one for each "
    "layer, or one for all."
)
TAKES = "but this network requires 4: [W1, b1, W2, b2]."


@pytest.mark.parametrize(
    ("init", "message"),
    [
        (
            "hee",
            f"init must be one of {sorted(INITIALIZERS)}. Got 'hee' instead. Did you "
            "mean 'he'?",
        ),
        (
            "HE",
            f"init must be one of {sorted(INITIALIZERS)}. Got 'HE' instead. Did you "
            "mean 'he'?",
        ),
        ("?", f"init must be one of {sorted(INITIALIZERS)}. Got '?' instead."),
        (
            ["he", "orthogonl"],
            f"init must be one of {sorted(INITIALIZERS)}. Got 'orthogonl' instead. "
            "Did you mean 'orthogonal'?",
        ),
        (["he"], f"init has 1 entries, {GIVE}"),
        (["he", "he", nan], f"init has 3 entries, {GIVE}"),
        (
            wrong_shape,
            "init must return an array of shape (3, 2) for a layer with 2 inputs and "
            "3 units. Got the shape (2, 3).",
        ),
        (
            ["he", nan],
            "init must return finite weights. Got NaN or infinity for a layer with 3 "
            "inputs and 1 units.",
        ),
        ([W1, B1, W2], f"init contains 3 arrays, {TAKES}"),
        ([W1, B1, W2, B2, W2, B2], f"init contains 6 arrays, {TAKES}"),
        (
            [W1, B1, W2.T, B2],
            "W2 in init must have the shape (3, 1), as in coefs_. Got the shape (1, "
            "3).",
        ),
        (
            [W1, B1[:2], W2, B2],
            "b1 in init must have the shape (3,), as in intercepts_. Got the shape "
            "(2,).",
        ),
        (
            [W1, B1, W2 * np.nan, B2],
            "W2 in init must be finite, but contains NaN or infinity.",
        ),
        (
            [W1, [1, 2, float("-inf")], W2, B2],
            "b1 in init must be finite, but contains NaN or infinity.",
        ),
    ],
)
def test_invalid_init_raises(init, message):
    with raises(message):
        initialize([2, 3, 1], np.random.RandomState(0), init)


@pytest.mark.parametrize(
    ("bias_init", "hint"), [("Zero", " Did you mean 'zeros'?"), ("?", "")]
)
def test_unknown_bias_init_raises(bias_init, hint):
    message = (
        f"bias_init must be one of {sorted(BIAS_INITIALIZERS)}. Got {bias_init!r} "
        "instead."
    )
    with raises(message + hint):
        initialize([2, 3], np.random.RandomState(0), bias_init=bias_init)


@pytest.mark.parametrize("name", INITIALIZERS)
def test_initializer_is_named_as_in_the_table(name):
    initializer = INITIALIZERS[name]
    assert repr(initializer) == name.replace("glorot", "xavier")
    assert getattr(initializers, name) is initializer


@pytest.mark.parametrize("name", INITIALIZERS)
def test_initializer_is_copied_by_reference(name):
    initializer = INITIALIZERS[name]
    assert pickle.loads(pickle.dumps(initializer)) is initializer
    assert deepcopy(initializer) is initializer
