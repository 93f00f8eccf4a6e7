"""Matrix products in parts: the same products, by the kernels for small ones."""

from unittest.mock import patch

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from threadpoolctl import threadpool_info

from sklearn_deepnet._engine import network as engine_network
from sklearn_deepnet._engine.network import (
    Network,
    count_params,
    most_samples_at_once,
    multiply_in_parts,
)
from sklearn_deepnet._engine.propagation import Propagation
from sklearn_deepnet.nn.activations import relu
from sklearn_deepnet.nn.losses import cross_entropy

# (rows, terms, columns) of products, and how many parts they are made in
SHAPES = {
    (100, 65, 200): 2,  # the first layer of the default network on digits
    (100, 200, 65): 2,  # its gradient
    (96, 100, 200): 2,
    (256, 101, 128): 4,
    (128, 257, 128): 8,  # of 30 rows each at most, but 30 does not divide 128
    (100, 100, 100): 1,  # just small enough
    (101, 65, 200): 1,  # a prime number of rows
    (63, 200, 200): 1,  # few rows
    (512, 785, 256): 1,  # parts would have four rows
}
LAYER_SIZES = (64, 100, 10)


@pytest.fixture
def small_kernels():
    """Any processor, as if its OpenBLAS had kernels for small products."""
    with patch.object(engine_network, "_has_small_kernels", lambda: True):
        yield


def draw(shape, order):
    values = np.random.RandomState(sum(shape)).randn(*shape).astype(np.float32)
    if order == "F":
        values = values.swapaxes(-1, -2).copy().swapaxes(-1, -2)
    return values


@pytest.mark.parametrize("stacks", [((), ()), ((3,), (3,)), ((3,), ()), ((2, 1), ())])
@pytest.mark.parametrize("orders", ["CC", "CF", "FC", "FF"])
@pytest.mark.parametrize("shape", SHAPES)
def test_product_in_parts_is_the_product(shape, orders, stacks):
    n_rows, n_terms, n_columns = shape
    left = draw((*stacks[0], n_rows, n_terms), orders[0])
    right = draw((*stacks[1], n_terms, n_columns), orders[1])
    # As a part of a larger array, like the layers in the gradient
    whole = np.full((*stacks[0], n_rows + 2, n_columns + 1), np.nan, np.float32)
    out = whole[..., 1:-1, :-1]
    multiply_in_parts(left, right, out)
    exact = left.astype(np.float64) @ right.astype(np.float64)
    # Higham, "Accuracy and Stability of Numerical Algorithms", 2002, eq. 3.13
    bound = n_terms * np.finfo(np.float32).eps * (np.abs(left) @ np.abs(right))
    assert (np.abs(out - exact) <= bound).all()
    whole[..., 1:-1, :-1] = np.nan
    assert np.isnan(whole).all()


@pytest.mark.parametrize("orders", ["CC", "CF", "FC"])
@pytest.mark.parametrize("shared", [False, True])
def test_product_of_a_stack_has_the_bits_of_each_product(shared, orders):
    left = draw((4, 100, 65), orders[0])
    right = draw((65, 200) if shared else (4, 65, 200), orders[1])
    out, one = np.empty((4, 100, 200), np.float32), np.empty((100, 200), np.float32)
    multiply_in_parts(left, right, out)
    for k in range(4):
        multiply_in_parts(left[k], right if shared else right[k], one)
        assert_array_equal(out[k], one)


def test_parts_are_equal_and_as_large_as_they_may_be():
    for (n_rows, n_terms, n_columns), n_parts in SHAPES.items():
        assert engine_network._count_parts(n_rows, n_terms, n_columns) == n_parts
        assert n_rows % n_parts == 0
        if n_parts > 1:
            assert n_rows // n_parts * n_terms * n_columns <= 10**6
            assert n_rows // n_parts >= 8


@pytest.mark.usefixtures("small_kernels")
@pytest.mark.parametrize(
    ("layer_sizes", "most"),
    [((64, 100, 10), 153), ((9, 10, 99), 918), ((4, 3), 66_666), ((2000, 1000), 0)],
)
def test_largest_layer_decides_from_when_on_products_are_made_in_parts(
    layer_sizes, most
):
    assert most_samples_at_once(layer_sizes) == most


def test_no_product_is_made_in_parts_without_kernels_for_small_ones():
    with patch.object(engine_network, "_has_small_kernels", lambda: False):
        assert most_samples_at_once((2000, 1000)) == np.inf


def test_parts_are_made_only_for_kernels_that_gain():
    gain = {"SkylakeX", "Cooperlake", "SapphireRapids"}
    found = {library.get("architecture") for library in threadpool_info()}
    assert np.isfinite(most_samples_at_once((64, 100, 10))) == bool(gain & found)


def make_propagation(**options):
    rng = np.random.RandomState(0)
    params = 0.1 * rng.randn(count_params(LAYER_SIZES)).astype(np.float32)
    network = Network(LAYER_SIZES, [relu], params)
    return Propagation(network, cross_entropy, **options)


@pytest.mark.usefixtures("small_kernels")
def test_training_makes_large_products_in_parts_and_predictions_do_not():
    training, predictions = make_propagation(), make_propagation(trains=False)
    assert training._plan(200).multiply is multiply_in_parts
    assert training._plan(100).multiply is np.matmul
    assert predictions._plan(200).multiply is np.matmul


def test_gradient_by_products_in_parts_differs_by_rounding():
    rng = np.random.RandomState(1)
    inputs_t = rng.randn(200, 65).astype(np.float32)
    inputs_t[:, -1] = 1
    target = np.eye(10, dtype=np.float32)[:, rng.randint(10, size=200)]
    weight = np.full((1, 200), 1 / 200, np.float32)
    found = {}
    for gains in (True, False):
        with patch.object(engine_network, "_has_small_kernels", lambda it=gains: it):
            propagation = make_propagation()
        loss = propagation.loss_and_gradient(inputs_t.T, inputs_t, target, weight)
        found[gains] = loss, propagation.gradient
    assert found[True][0] == pytest.approx(found[False][0], rel=1e-6)
    difference = np.abs(found[True][1] - found[False][1])
    assert difference.max() <= 1e-6 * np.abs(found[False][1]).max()
