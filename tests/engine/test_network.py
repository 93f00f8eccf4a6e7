"""Propagation: forward against the formula, backward against forward."""

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_deepnet._engine import network as engine_network
from sklearn_deepnet._engine.network import (
    Network,
    apply_layer,
    count_params,
    cut_layers,
    rows_per_block,
    write_gradient,
)
from sklearn_deepnet._engine.prediction import predict_logits
from sklearn_deepnet._engine.propagation import Propagation
from sklearn_deepnet.nn.activations import ACTIVATIONS, relu, softplus, tanh
from sklearn_deepnet.nn.losses import (
    binary_cross_entropy,
    cross_entropy,
    squared_error_logistic,
    squared_error_softmax,
)
from sklearn_deepnet.nn.optimizers import AdamW
from tests.engine.helpers import train_arrays

OUTPUTS = [
    (binary_cross_entropy, 1),
    (binary_cross_entropy, 3),
    (cross_entropy, 3),
    (squared_error_logistic, 1),
    (squared_error_logistic, 3),
    (squared_error_softmax, 3),
]
# Shapes before those of one network: of the stack, and of the data it is shown.
STACKS = {"one": ((), ()), "stack": ((3,), ()), "stack, own data": ((3,), (3,))}


def draw_params(layer_sizes, stack_shape=(), dtype=float, n_frequencies=0):
    shape = (*stack_shape, count_params(layer_sizes, n_frequencies))
    return np.random.RandomState(0).randn(*shape).astype(dtype)


def draw_samples(n_inputs, n_outputs, n_samples, shape=()):
    """Return inputs, soft targets that sum to one, and weights that differ."""
    rng = np.random.RandomState(1)
    inputs = rng.randn(*shape, n_inputs + 1, n_samples)
    inputs[..., -1, :] = 1
    target = rng.rand(*shape, n_outputs, n_samples)
    if n_outputs > 1:
        target /= target.sum(axis=-2, keepdims=True)
    return inputs, target, rng.rand(*shape, 1, n_samples)


def logits_by_formula(layer_sizes, activations, params, X):
    """Forward propagation of one network, rows as samples, layer by layer."""
    A, rest = X, params
    for n_in, n_out, activation in zip(
        layer_sizes, layer_sizes[1:], [*activations, None], strict=False
    ):
        n_layer = n_out * (n_in + 1)
        layer, rest = rest[:n_layer].reshape(n_out, n_in + 1), rest[n_layer:]
        A = A @ layer[:, :n_in].T + layer[:, n_in]
        if activation is not None:
            Z = A.copy()
            A = Z if activation.overwrites_z else np.empty_like(Z)
            activation.forward(Z, A)
    assert rest.size == 0
    return A


def slopes(function, params, h=1e-5):
    """Return central differences in every coordinate, of all networks at once."""
    found = np.empty_like(params)
    for i in range(params.shape[-1]):
        middle = params[..., i].copy()
        params[..., i] = middle + h
        above = function()
        params[..., i] = middle - h
        found[..., i] = (above - function()) / (2 * h)
        params[..., i] = middle
    return found


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize(
    ("activation", "loss", "n_outputs"),
    [
        *((activation, cross_entropy, 3) for activation in ACTIVATIONS),
        *(("softplus", *output) for output in OUTPUTS if output[0] != cross_entropy),
    ],
)
def test_gradient_is_the_slope_in_every_coordinate(activation, loss, n_outputs, stack):
    stack_shape, data_shape = STACKS[stack]
    layer_sizes, activations = (3, 4, 5, n_outputs), [ACTIVATIONS[activation]] * 2
    params = draw_params(layer_sizes, stack_shape)
    inputs, target, weight = draw_samples(3, n_outputs, 6, data_shape)
    propagation = Propagation(Network(layer_sizes, activations, params), loss)
    value = propagation.loss_and_gradient(
        inputs, inputs.swapaxes(-1, -2), target, weight
    )
    gradient = propagation.gradient.copy()
    assert np.shape(value) == stack_shape
    assert_array_equal(value, propagation.loss(inputs, target, weight))
    expected = slopes(lambda: propagation.loss(inputs, target, weight), params)
    assert_allclose(gradient, expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize(("loss", "n_outputs"), OUTPUTS)
def test_gradient_without_hidden_layers_is_the_slope(loss, n_outputs, stack):
    stack_shape, data_shape = STACKS[stack]
    params = draw_params((3, n_outputs), stack_shape)
    inputs, target, weight = draw_samples(3, n_outputs, 6, data_shape)
    propagation = Propagation(Network((3, n_outputs), [], params), loss)
    propagation.loss_and_gradient(inputs, inputs.swapaxes(-1, -2), target, weight)
    gradient = propagation.gradient.copy()
    expected = slopes(lambda: propagation.loss(inputs, target, weight), params)
    assert_allclose(gradient, expected, rtol=1e-6, atol=1e-8)


# Of three inputs there are two features each, so the first layer has nine inputs.
N_FREQUENCIES, WIDTH = 2, 9


@pytest.mark.parametrize("hidden", [(), (4, 5)], ids=["no hidden layer", "two"])
@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize(("loss", "n_outputs"), OUTPUTS)
def test_gradient_with_numeric_features_is_the_slope(loss, n_outputs, stack, hidden):
    stack_shape, data_shape = STACKS[stack]
    layer_sizes, activations = (WIDTH, *hidden, n_outputs), [softplus] * len(hidden)
    params = draw_params(layer_sizes, stack_shape, n_frequencies=N_FREQUENCIES)
    inputs, target, weight = draw_samples(3, n_outputs, 6, data_shape)
    network = Network(layer_sizes, activations, params, None, N_FREQUENCIES)
    propagation = Propagation(network, loss)
    value = propagation.loss_and_gradient(
        inputs, inputs.swapaxes(-1, -2), target, weight
    )
    gradient = propagation.gradient.copy()
    assert_array_equal(value, propagation.loss(inputs, target, weight))
    expected = slopes(lambda: propagation.loss(inputs, target, weight), params)
    assert_allclose(gradient, expected, rtol=1e-6, atol=1e-7)
    assert (np.abs(gradient[..., -2 * 3 * N_FREQUENCIES :]) > 1e-6).all()


def test_forward_with_numeric_features_is_the_formula():
    layer_sizes, activations = (WIDTH, 4, 5, 2), [relu, softplus]
    params = draw_params(layer_sizes, (2,), n_frequencies=N_FREQUENCIES)
    inputs, _, _ = draw_samples(3, 2, 6)
    network = Network(layer_sizes, activations, params, None, N_FREQUENCIES)
    logits = Propagation(network).forward(inputs)
    n_in_layers, X = count_params(layer_sizes), inputs[:-1].T
    for k in range(2):
        c, b = params[k, n_in_layers:].reshape(2, 3, N_FREQUENCIES)
        features = np.cos(2 * np.pi * (X[:, :, np.newaxis] * c + b)).reshape(6, -1)
        expected = logits_by_formula(
            layer_sizes, activations, params[k, :n_in_layers], np.hstack([X, features])
        )
        assert_allclose(logits[k].T, expected, rtol=1e-12)


@pytest.mark.parametrize("stack", STACKS)
def test_features_of_an_input_without_frequencies_are_zero(stack):
    stack_shape, data_shape = STACKS[stack]
    layer_sizes = (WIDTH, 4, 1)
    params = draw_params(layer_sizes, stack_shape, n_frequencies=N_FREQUENCIES)
    inputs, target, weight = draw_samples(3, 1, 6, data_shape)
    network = Network(layer_sizes, [softplus], params, None, N_FREQUENCIES)
    last = stack_shape and (-1,)  # of a stack, the last network alone
    network.features.frequencies[*last, 1] = 0
    propagation = Propagation(network, binary_cross_entropy)
    batch = inputs, inputs.swapaxes(-1, -2), target, weight
    loss = propagation.loss_and_gradient(*batch)
    first, _ = cut_layers(layer_sizes, propagation.gradient)
    of_it = slice(3 + N_FREQUENCIES, 3 + 2 * N_FREQUENCIES)
    assert (first[*last][:, of_it] == 0).all()
    assert np.count_nonzero(first == 0) == 4 * N_FREQUENCIES
    network.layers[0][*last][:, of_it] = 0
    assert_array_equal(propagation.loss(inputs, target, weight), loss)


@pytest.mark.parametrize("stack_shape", [(), (2,), (2, 3)])
def test_features_are_views_of_what_the_layers_leave(stack_shape):
    params = np.zeros(
        (*stack_shape, count_params((WIDTH, 4, 2), N_FREQUENCIES)), np.float32
    )
    network = Network((WIDTH, 4, 2), [tanh], params, None, N_FREQUENCIES)
    for layer in network.layers:
        layer += 1
    for number, views in enumerate(network.features, start=2):
        assert views.shape == (*stack_shape, 3, N_FREQUENCIES)
        views += number
    n_in_layers = 4 * 10 + 2 * 5
    numbers = [1] * n_in_layers + [2] * 3 * N_FREQUENCIES + [3] * 3 * N_FREQUENCIES
    assert_array_equal(params, np.broadcast_to(numbers, params.shape))


@pytest.mark.parametrize("decoupled", [False, True])
def test_numeric_features_have_no_penalty(decoupled):
    """Where the data have no gradient, penalties move the weights alone."""
    layer_sizes = (WIDTH, 4, 2)
    params = draw_params(layer_sizes, n_frequencies=N_FREQUENCIES)
    data = np.zeros((6, 3)), np.zeros((6, 2)), np.zeros((6, 1))
    (result,) = train_arrays(
        1,
        data,
        layer_sizes,
        [tanh],
        optimizer=AdamW() if decoupled else None,
        params=params,
        decay=0.1,
        l1=0.0 if decoupled else 0.2,
        n_frequencies=N_FREQUENCIES,
    )
    n_in_layers, moved = count_params(layer_sizes), result.state.params != params
    assert not moved[n_in_layers:].any()
    assert sum(moved) == 4 * WIDTH + 2 * 4


@pytest.mark.parametrize("decay", [0.0, 0.7])
@pytest.mark.parametrize("stack_shape", [(), (3,)])
def test_step_goes_down_the_slope_of_the_penalized_loss(stack_shape, decay):
    layer_sizes = (3, 4, 5, 2)
    rng = np.random.RandomState(2)
    X, y, weight = rng.randn(6, 3), rng.rand(6, 2), rng.rand(6, 1)
    params = draw_params(layer_sizes, stack_shape)
    decays = decay * np.arange(1, 1 + params[..., 0].size).reshape(stack_shape)

    def one_epoch(rate):
        options = {"params": params, "learning_rate": rate, "decay": decays}
        return train_arrays(1, (X, y, weight), layer_sizes, [tanh, softplus], **options)

    def loss():
        return np.reshape([o.losses[0] for o in one_epoch(0.0)], stack_shape)

    moved = np.reshape([o.state.params for o in one_epoch(1.0)], params.shape)
    assert_allclose(params - moved, slopes(loss, params), rtol=1e-6, atol=1e-8)


def test_forward_is_the_formula():
    layer_sizes, activations = (3, 4, 5, 2), [relu, softplus]
    params = draw_params(layer_sizes, (2,))
    inputs, _, _ = draw_samples(3, 2, 6)
    logits = Propagation(Network(layer_sizes, activations, params)).forward(inputs)
    for k in range(2):
        expected = logits_by_formula(layer_sizes, activations, params[k], inputs[:-1].T)
        assert_allclose(logits[k].T, expected, rtol=1e-13)


def test_parameters_may_be_moved_in_between():
    params = draw_params((3, 2))
    inputs, _, _ = draw_samples(3, 2, 6)
    propagation = Propagation(Network((3, 2), [], params))
    before = propagation.forward(inputs).copy()
    params *= 2
    assert_array_equal(propagation.forward(inputs), 2 * before)


@pytest.mark.parametrize("stack_shape", [(), (2,)])
@pytest.mark.parametrize("activations", [[tanh, relu], [softplus, softplus]])
@pytest.mark.parametrize("n_frequencies", [0, N_FREQUENCIES])
def test_number_of_samples_may_change_from_call_to_call(
    n_frequencies, activations, stack_shape
):
    layer_sizes = (3 * (1 + n_frequencies), 4, 5, 2)
    params = draw_params(layer_sizes, stack_shape, n_frequencies=n_frequencies)
    network = Network(layer_sizes, activations, params, None, n_frequencies)
    used = Propagation(network, cross_entropy)
    for n_samples in (8, 3, 8, 1, 12, 3, 12):
        inputs, target, weight = draw_samples(3, 2, n_samples)
        fresh = Propagation(network, cross_entropy)
        values = [
            propagation.loss_and_gradient(inputs, inputs.mT, target, weight)
            for propagation in (used, fresh)
        ]
        assert_allclose(*values, rtol=1e-14)
        assert_allclose(used.gradient, fresh.gradient, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("loss", [None, cross_entropy])
def test_batches_of_one_size_use_the_same_work_arrays(loss):
    layer_sizes = (3, 4, 2)
    network = Network(layer_sizes, [tanh], draw_params(layer_sizes))
    propagation = Propagation(network, loss)
    first, short, again = (
        propagation.forward(draw_samples(3, 2, n_samples)[0]) for n_samples in (8, 3, 8)
    )
    assert np.shares_memory(first, again)
    assert short.flags.c_contiguous  # not a view, which would be slow


@pytest.mark.parametrize("stack_shape", [(), (2,), (2, 3)])
def test_layers_are_views_that_use_up_the_buffer(stack_shape):
    flat = np.zeros((*stack_shape, count_params((3, 4, 2))))
    layers = cut_layers((3, 4, 2), flat)
    assert [layer.shape for layer in layers] == [
        (*stack_shape, 4, 4),
        (*stack_shape, 2, 5),
    ]
    for layer in layers:
        layer += 1
    assert_array_equal(flat, np.ones_like(flat))


@pytest.mark.parametrize("layer_sizes", [(2, 1), (30, 16, 1), (784, 512, 256, 10)])
def test_block_fits_the_cache_unless_layers_are_wide(layer_sizes):
    n_rows = rows_per_block(layer_sizes)
    n_elements = 2 * sum(layer_sizes)  # per row, forward and backward
    assert n_rows % 64 == 0
    assert n_rows in (128, 256) or (
        n_rows * n_elements <= 2**18 < (n_rows + 64) * n_elements
    )


def test_block_of_a_wide_network_still_holds_some_rows():
    assert rows_per_block((10_000, 10)) == 256
    assert rows_per_block((10_000, 10_000, 10)) == 128


def test_a_block_of_sparse_rows_takes_an_eighth_of_the_memory_of_the_weights():
    assert rows_per_block((50_000, 100, 20), sparse=True) == 50_000 // 8 // 64 * 64
    assert rows_per_block((10, 100, 20), sparse=True) == 2**18 // (2 * 120) // 64 * 64


@pytest.mark.parametrize("n_bytes", [1, 1000, 2**20])  # one unit, some, all at a time
@pytest.mark.parametrize("n_rows", [1, 2, 40])  # some columns occur, all columns
def test_sparse_product_equals_dense(monkeypatch, n_rows, n_bytes):
    monkeypatch.setattr(engine_network, "_LEFT_BYTES", n_bytes)
    monkeypatch.setattr(engine_network, "_PRODUCT_BYTES", n_bytes)
    rng = np.random.RandomState(0)
    dense = rng.randn(n_rows, 50) * (rng.rand(n_rows, 50) < 0.2)
    rows, extended = scipy.sparse.csr_array(dense), np.c_[dense, np.ones(n_rows)]
    layer, z, expected = rng.randn(7, 51), np.empty((7, n_rows)), np.empty((7, n_rows))
    apply_layer(layer, rows, out=z)
    apply_layer(layer, extended.T, out=expected)
    assert_allclose(z, expected, rtol=1e-12, atol=1e-14)
    gradient, expected = np.empty_like(layer), np.empty_like(layer)
    write_gradient(z, rows, out=gradient)
    write_gradient(z, extended, out=expected)
    assert_allclose(gradient, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("n_rows", [1, 40])  # some columns occur, all columns
def test_sparse_product_leaves_no_junk_in_columns_of_no_sample(n_rows):
    # BLAS takes a hundred times as long on denormal numbers.
    X = scipy.sparse.csr_array(np.eye(n_rows, 50) + np.eye(n_rows, 50, k=1))
    z = np.full((7, n_rows + 3), 5e-324)
    apply_layer(np.ones((7, 51)), X, out=z)
    assert_array_equal(z, np.repeat([3.0, 0.0], [n_rows, 3]) * np.ones((7, 1)))


def test_sparse_product_has_the_same_bits_for_few_and_for_many_rows(monkeypatch):
    rng = np.random.RandomState(0)
    X = scipy.sparse.csr_array(rng.randn(300, 400) * (rng.rand(300, 400) < 0.05))
    layer, z, alone = rng.randn(7, 401), *np.empty((2, 7, 300))
    apply_layer(layer, X, out=z)
    for row in range(300):
        apply_layer(layer, X[[row]], out=alone[:, row : row + 1])
    assert_array_equal(alone, z)
    apply_layer(layer, X[:8], out=alone[:, :8])
    assert_array_equal(alone, z)
    monkeypatch.setattr(engine_network, "_LEFT_BYTES", 2 * 8 * 400)
    apply_layer(layer, X, out=alone)
    assert_array_equal(alone, z)


@pytest.mark.parametrize("n_samples", [1, 255, 256, 257, 1000])
def test_predicting_in_blocks_is_predicting_in_one_go(monkeypatch, n_samples):
    monkeypatch.setattr(engine_network, "_BLOCK_ELEMENTS", 0)  # blocks of 256 rows
    layer_sizes, activations = (3, 4, 2), [softplus]
    params = draw_params(layer_sizes)
    X = np.random.RandomState(1).randn(n_samples, 3)
    logits = predict_logits(Network(layer_sizes, activations, params), X)
    expected = logits_by_formula(layer_sizes, activations, params, X)
    assert_allclose(logits, expected, rtol=1e-12)


@pytest.mark.parametrize(
    "X",
    [
        np.arange(12).reshape(4, 3),
        np.asfortranarray(np.arange(12.0).reshape(4, 3)),
        np.arange(24.0).reshape(4, 6)[:, ::2],
        np.arange(12, dtype=np.float32).reshape(4, 3),
        np.arange(12).reshape(4, 3) > 5,
    ],
    ids=["int", "F-ordered", "strided", "float32", "bool"],
)
def test_prediction_takes_any_layout(X):
    layer_sizes, activations = (3, 4, 2), [tanh]
    params = draw_params(layer_sizes)
    logits = predict_logits(Network(layer_sizes, activations, params), X)
    expected = logits_by_formula(layer_sizes, activations, params, X.astype(float))
    assert_allclose(logits, expected, rtol=1e-12)


def test_prediction_of_a_float32_network_is_float32():
    layer_sizes, activations = (3, 4, 2), [tanh]
    params = draw_params(layer_sizes, dtype=np.float32)
    X = np.random.RandomState(1).randn(5, 3)
    logits = predict_logits(Network(layer_sizes, activations, params), X)
    assert logits.dtype == np.float32
    expected = logits_by_formula(layer_sizes, activations, params.astype(float), X)
    assert_allclose(logits, expected, rtol=1e-4, atol=1e-5)
