"""What learners get wrong: each mistake, and the whole answer that it gets."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.preprocessing import StandardScaler

from sklearn_deepnet.nn import functional as F
from tests.helpers import raises

RNG = np.random.RandomState(0)
X = RNG.randn(2, 300)
Y = (RNG.rand(1, 300) > 0.5).astype(int)
LABELS = RNG.randint(3, size=300)
AL = RNG.rand(1, 300)
LAYERS = [
    {"input_dim": 2, "output_dim": 4, "activation": "tanh"},
    {"input_dim": 4, "output_dim": 1, "activation": "sigmoid"},
]
START = F.initialize_parameters([2, 4, 1], random_state=0)
THREE = F.initialize_parameters([2, 4, 3], random_state=0)
NUMBERS = [LAYERS[0], {**LAYERS[1], "activation": "identity"}]
_, CACHES = F.forward_propagation(X, START)
GRADS = F.backward_propagation(Y, CACHES)
W, B = START["W1"], START["b1"]


def without(entries, name):
    return {key: value for key, value in entries.items() if key != name}


def with_nan(array, *place):
    changed = array.astype(float)
    changed[place] = np.nan
    return changed


INDICATORS = "but loss='log_loss' takes 0 and 1"
BAD_TARGETS = {
    "as a column": (
        Y.T,
        "Y has the shape (300, 1), AL (1, 300): one column is one sample; give Y.T.",
    ),
    "with one axis": (
        Y[0],
        "Y has the shape (300,), AL (1, 300): one column is one sample; give "
        "Y[np.newaxis].",
    ),
    "of other samples": (
        Y[:, 1:],
        "Y has the shape (1, 299), AL (1, 300): one column is one sample; the shape "
        "has to be (1, 300).",
    ),
    "as a number": (
        1,
        "Y has the shape (), AL (1, 300): one column is one sample; the shape has to "
        "be (1, 300).",
    ),
    "with labels 1 and 2": (
        Y + 1,
        f"Y holds values from 1 to 2, {INDICATORS}: give (Y == 2).astype(int).",
    ),
    "with labels -1 and 1": (
        2 * Y - 1,
        f"Y holds values from -1 to 1, {INDICATORS}: give (Y == 1).astype(int).",
    ),
    "with three classes": (
        LABELS[np.newaxis],
        f"Y holds values from 0 to 2, {INDICATORS}: for classes, make each of them a "
        "row of zeros and ones; for numbers, take loss='squared_error' and the "
        "activation 'identity' in the last layer.",
    ),
    "with NaN": (
        with_nan(Y, 0, 5),
        "Y holds NaN or infinity, first at Y[0, 5]. If it comes from training, lower "
        "learning_rate; else remove or replace such values.",
    ),
    "as text": (Y.astype(str), "Y must be an array of numbers, but its dtype is <U21."),
}


@pytest.mark.parametrize(("Y", "message"), BAD_TARGETS.values(), ids=BAD_TARGETS)
def test_targets_that_do_not_fit_the_outputs_are_refused_by_the_cost(Y, message):
    with raises(message):
        F.compute_cost(AL, Y)


@pytest.mark.parametrize(("Y", "message"), BAD_TARGETS.values(), ids=BAD_TARGETS)
def test_targets_that_do_not_fit_the_outputs_are_refused_in_training(Y, message):
    with raises(message.replace("AL (", "the output of the network (")):
        F.train(X, Y, START, n_iter=1)
    with raises(message.replace("AL (", "the last Z (")):
        F.backward_propagation(Y, CACHES)


@pytest.mark.parametrize("labels", [LABELS, LABELS[None], LABELS[:, None]])
def test_class_numbers_for_several_outputs_are_refused(labels):
    _, caches = F.forward_propagation(X, THREE)
    with raises(
        f"Y has the shape {labels.shape}, the last Z (3, 300): one row is one output; "
        "if Y holds classes, numbered from 0, give np.eye(3)[np.ravel(Y)].T; the shape "
        "has to be (3, 300)."
    ):
        F.backward_propagation(labels, caches)
    F.backward_propagation(np.eye(3)[np.ravel(labels)].T, caches)


def test_a_sigmoid_is_not_trained_on_numbers_that_it_cannot_reach():
    targets = Y * 100
    with raises(
        "Y holds values from 0 to 100, but a sigmoid takes 0 and 1: give (Y == 100)"
        ".astype(int)."
    ):
        F.train(X, targets, START, loss="squared_error")
    F.train(X, targets, START, NUMBERS, loss="squared_error", n_iter=1)


BAD_INPUTS = {
    "as rows": (
        X.T,
        "X has the shape (300, 2), parameters['W1'] (4, 2): one column is one sample; "
        "give X.T.",
    ),
    "of other features": (
        np.vstack([X, X]),
        "X has the shape (4, 300), parameters['W1'] (4, 2): one column is one sample; "
        "the shape has to be (2, m).",
    ),
    "of one sample with one axis": (
        X[:, 0],
        "X has the shape (2,), parameters['W1'] (4, 2): one column is one sample; give "
        "X[:, np.newaxis].",
    ),
    "without samples": (X[:, :0], "X is empty: its shape is (2, 0)."),
    "with NaN": (
        with_nan(X, 1, 7),
        "X holds NaN or infinity, first at X[1, 7]. If it comes from training, lower "
        "learning_rate; else remove or replace such values.",
    ),
    "in sparse form": (csr_array(X), "X is a sparse matrix; give X.toarray()."),
    "with masked values": (
        np.ma.masked_less(X, 0),
        "X has masked values; remove or replace them.",
    ),
    "as dates": (
        X.astype("datetime64[D]"),
        "X must be an array of numbers, but its dtype is datetime64[D].",
    ),
    "of complex numbers": (
        X + 1j,
        "X must be an array of numbers, but its dtype is complex128.",
    ),
    "with text among numbers": (
        np.array([[1, "2"], [3, 4]], dtype=object),
        "X must be an array of numbers, but X[0, 1] is of the type str.",
    ),
    "with None": (
        [[1.0, None], [2.0, 3.0]],
        "X must be an array of numbers, but X[0, 1] is None.",
    ),
    "that are None": (None, "X must be an array of numbers, but X is None."),
    "of a set": ({1}, "X must be an array of numbers, but X is of the type set."),
    "with a missing value of pandas": (
        np.array([[1, pd.NA]]),
        "X must be an array of numbers, but X[0, 1] is of the type NAType.",
    ),
    "with durations among numbers": (
        np.array([[1, np.timedelta64(2, "s")]], dtype=object),
        "X must be an array of numbers, but X[0, 1] is of the type timedelta64.",
    ),
    "of numbers that are too large": (
        [[10**400, 1]],
        "X holds a number that is too large for float64; scale it first.",
    ),
    "in rows of unequal length": (
        [[1.0, 2.0], [3.0]],
        "X holds rows of different lengths; all must have as many values.",
    ),
}


@pytest.mark.parametrize(("X", "message"), BAD_INPUTS.values(), ids=BAD_INPUTS)
@pytest.mark.parametrize(
    "call",
    [
        lambda X: F.forward_propagation(X, START),
        lambda X: F.predict(X, START),
        lambda X: F.train(X, Y, START),
    ],
)
def test_samples_that_do_not_fit_the_network_are_refused(call, X, message):
    with raises(message):
        call(X)


@pytest.mark.parametrize(
    "dtype", ["?", "i1", "u1", "i8", ">i2", "f2", ">f4", "g", object]
)
def test_numbers_of_any_dtype_are_calculated_with_as_floats(dtype):
    AL, Y = np.array([[0, 1, 1, 1]]).astype(dtype), np.array([[1, 1, 0, 0]])
    cost = F.compute_cost(AL, Y.astype(dtype), loss="squared_error")
    assert cost == 3 / 8
    many = np.ones((1, 100_000)).astype(dtype)
    assert F.compute_cost(many, 0 * many, loss="squared_error") == 0.5
    Z = F.linear_forward(many[:, :1].repeat(200, axis=0), many[:, :200], many[:, :1])
    assert Z == 201
    (W,) = F.update_parameters(
        {"W1": AL[:, :1], "b1": AL[:, :1]}, {"dW1": AL[:, 1:2], "db1": AL[:, 1:2]}, 1
    )["W1"]
    assert W == -1


BAD_PARAMETERS = {
    "of a list": (
        [W, B],
        f"parameters must be a dictionary, as from initialize_parameters. Got {[W, B]} "
        "instead.",
    ),
    "without a bias": (
        without(START, "b2"),
        "parameters has the keys ['W1', 'b1', 'W2']; it needs 'W1' and 'b1', 'W2' and "
        "'b2' and so on, two for each layer, and no others.",
    ),
    "with another entry": (
        {"W1": W, "b1": B, "L": 1},
        "parameters has the keys ['W1', 'b1', 'L']; it needs 'W1' and 'b1', 'W2' and "
        "'b2' and so on, two for each layer, and no others.",
    ),
    "that are empty": (
        {},
        "parameters has the keys []; it needs 'W1' and 'b1', 'W2' and 'b2' and so on, "
        "two for each layer, and no others.",
    ),
    "with a bias of one axis": (
        {**START, "b1": B[:, 0]},
        "parameters['b1'] has the shape (4,), parameters['W1'] (4, 2): one row is one "
        "unit; give parameters['b1'][:, np.newaxis].",
    ),
    "with a bias as a row": (
        {**START, "b1": B.T},
        "parameters['b1'] has the shape (1, 4), parameters['W1'] (4, 2): one row is "
        "one unit; give parameters['b1'].T.",
    ),
    "as in coefs_": (
        {**START, "W1": W.T},
        "parameters['W1'] has the shape (2, 4), parameters['b1'] (4, 1): one row of "
        "parameters['W1'] is one unit; give parameters['W1'].T.",
    ),
    "of other layers": (
        {**START, "W2": np.ones((1, 3))},
        "parameters['W2'] has the shape (1, 3), parameters['W1'] (4, 2): one column is "
        "one unit of the layer before; the shape has to be (n_units, 4).",
    ),
    "that diverged": (
        {**START, "W2": with_nan(START["W2"], 0, 1)},
        "parameters['W2'] holds NaN or infinity, first at parameters['W2'][0, 1]. If "
        "it comes from training, lower learning_rate; else remove or replace such "
        "values.",
    ),
}


@pytest.mark.parametrize(
    ("parameters", "message"), BAD_PARAMETERS.values(), ids=BAD_PARAMETERS
)
def test_parameters_that_are_not_those_of_a_network_are_refused(parameters, message):
    with raises(message):
        F.forward_propagation(X, parameters)
    with raises(message):
        F.train(X, Y, parameters)


BAD_LAYERS = {
    "of other hidden units": (
        [2, 5, 1],
        "layers has the sizes [2, 5, 1], but parameters has [2, 4, 1]; they have to "
        "agree.",
    ),
    "of another depth": (
        [2, 4, 4, 1],
        "layers has the sizes [2, 4, 4, 1], but parameters has [2, 4, 1]; they have to "
        "agree.",
    ),
    "of other inputs": (
        [{**LAYERS[0], "input_dim": 3}, LAYERS[1]],
        "layers has the sizes [3, 4, 1], but parameters has [2, 4, 1]; they have to "
        "agree.",
    ),
    "of another number": (
        LAYERS[:1],
        "layers is a list of length 1, but parameters has 2 layers; they have to "
        "agree.",
    ),
    "without an activation": (
        [without(LAYERS[0], "activation"), LAYERS[1]],
        "Layer 1 has the keys ['input_dim', 'output_dim'], but not 'activation'; a "
        "layer is such as {'input_dim': 2, 'output_dim': 10, 'activation': 'tanh'}.",
    ),
    "with a number as activation": (
        [LAYERS[0], {**LAYERS[1], "activation": 3}],
        "activation must be a name, such as 'relu'. Got 3 instead.",
    ),
}


@pytest.mark.parametrize(("layers", "message"), BAD_LAYERS.values(), ids=BAD_LAYERS)
@pytest.mark.parametrize(
    "call",
    [
        lambda layers: F.forward_propagation(X, START, layers),
        lambda layers: F.predict(X, START, layers),
        lambda layers: F.train(X, Y, START, layers),
    ],
)
def test_layers_that_do_not_fit_the_parameters_are_refused(call, layers, message):
    with raises(message):
        call(layers)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        *(
            (
                [2, size, 1],
                "A size in layers must be an integer of at least 1. Got "
                f"{size!r} instead.",
            )
            for size in (0, -4, 4.0, True, "4")
        ),
        (
            [without(LAYERS[0], "output_dim"), LAYERS[1]],
            "Layer 1 has the keys ['input_dim', 'activation'], but not 'output_dim'; "
            "a layer is such as {'input_dim': 2, 'output_dim': 10, 'activation': "
            "'tanh'}.",
        ),
        (
            [LAYERS[0], {**LAYERS[1], "output_dim": -1}],
            "output_dim of layer 2 must be an integer of at least 1. Got -1 instead.",
        ),
        *(
            (
                layers,
                "layers must be a list of sizes, such as [2, 10, 5, 1] for the inputs, "
                "the hidden layers and the outputs; or a list of dictionaries, one for "
                f"each layer. Got {layers!r} instead.",
            )
            for layers in ([], [3], 3, "2-4-1", LAYERS[0], [2, LAYERS[1]], np.array(3))
        ),
    ],
)
def test_layers_that_are_not_those_of_a_network_are_refused(layers, message):
    with raises(message):
        F.initialize_parameters(layers)


BAD_CALLS = {
    "outputs outside 0 and 1": (
        lambda: F.compute_cost(CACHES[-1].Z * 0 + 1.5, Y),
        "AL holds values from 1.5 to 1.5, but loss='log_loss' takes probabilities, "
        "such as a sigmoid computes.",
    ),
    "outputs of one axis": (
        lambda: F.compute_cost(AL[0], Y[0]),
        "AL has the shape (300,), but it needs rows and columns; give AL[np.newaxis] "
        "for one row, AL[:, np.newaxis] for one column.",
    ),
    "a loss that is no name": (
        lambda: F.compute_cost(AL, Y, None),
        "loss must be one of ['log_loss', 'cross_entropy', 'squared_error']. Got None "
        "instead.",
    ),
    "a loss that the outputs do not have": (
        lambda: F.train(X, Y, START, NUMBERS),
        "loss='log_loss' is not defined for an output layer of activation 'identity'; "
        "log_loss needs 'sigmoid', cross_entropy 'softmax', squared_error 'sigmoid', "
        "'softmax' or 'identity'.",
    ),
    "inputs of a layer as rows": (
        lambda: F.linear_forward(X.T, W, B),
        "A_prev has the shape (300, 2), W (4, 2): one column is one sample; give "
        "A_prev.T.",
    ),
    "a bias of a layer with one axis": (
        lambda: F.activation_forward(X, W, B[:, 0], "relu"),
        "b has the shape (4,), W (4, 2): one row is one unit; give b[:, np.newaxis].",
    ),
    "an activation that is no name": (
        lambda: F.activation_forward(X, W, B, None),
        "activation must be a name, such as 'relu'. Got None instead.",
    ),
    "a gradient of other samples": (
        lambda: F.linear_backward(CACHES[0].Z[:, :1], CACHES[0]),
        "dZ has the shape (4, 1), Z in cache (4, 300): one column is one sample; the "
        "shape has to be (4, 300).",
    ),
    "a gradient as rows": (
        lambda: F.activation_backward(CACHES[0].Z.T, CACHES[0]),
        "dA has the shape (300, 4), Z in cache (4, 300): one column is one sample; "
        "give dA.T.",
    ),
    "a cache as in the course": (
        lambda: F.linear_backward(CACHES[0].Z, (X, W, B)),
        "cache must be the Cache that activation_forward returns second. Got tuple "
        "instead.",
    ),
    "all that forward propagation returns": (
        lambda: F.backward_propagation(Y, (AL, CACHES)),
        "caches must be the list of Cache, one for each layer, that "
        "forward_propagation returns second.",
    ),
    "one cache": (
        lambda: F.backward_propagation(Y, CACHES[-1]),
        "caches must be the list of Cache, one for each layer, that "
        "forward_propagation returns second.",
    ),
    "caches in reverse": (
        lambda: F.backward_propagation(np.ones((4, 300)), [CACHES[1], CACHES[0]]),
        "caches must be those of one forward propagation, in the order of the layers. "
        "One layer has an output of the shape (1, 300), the next an input of (2, 300).",
    ),
    "grads without an entry": (
        lambda: F.update_parameters(START, {"dW1": W}, 0.1),
        "grads has the keys ['dW1']; it needs ['dW1', 'db1', 'dW2', 'db2'], as from "
        "backward_propagation.",
    ),
    "grads that are no dictionary": (
        lambda: F.update_parameters(START, (W, B), 0.1),
        "grads has no keys; it needs ['dW1', 'db1', 'dW2', 'db2'], as from "
        "backward_propagation.",
    ),
    "a gradient of another shape": (
        lambda: F.update_parameters(START, {**GRADS, "db1": GRADS["db1"].T}, 0.1),
        "grads['db1'] has the shape (1, 4), parameters['b1'] (4, 1): a derivative has "
        "the shape of its parameter; give grads['db1'].T.",
    ),
    "parameters without a bias": (
        lambda: F.update_parameters(without(START, "b2"), GRADS, 0.1),
        "parameters has the keys ['W1', 'b1', 'W2']; it needs 'W1' and 'b1', 'W2' and "
        "'b2' and so on, two for each layer, and no others.",
    ),
    "a seed that is none": (
        lambda: F.initialize_parameters([2, 1], random_state="3"),
        "random_state must be an integer from 0 to 2**32 - 1, a "
        "numpy.random.RandomState or None. Got '3' instead.",
    ),
    "an initializer that is none": (
        lambda: F.initialize_parameters([2, 1], init=None),
        "init must be a name, such as 'he', a callable, or a list of these, one for "
        "each layer. Got None instead.",
    ),
    "an initializer of biases that is none": (
        lambda: F.initialize_parameters([2, 1], bias_init=None),
        "bias_init must be a name, such as 'zeros'. Got None instead.",
    ),
    "a scale that is none": (
        lambda: F.initialize_parameters([2, 1], init_scale=-0.1),
        "init_scale must be a positive number. Got -0.1 instead.",
    ),
    "neither True nor False": (
        lambda: F.train(X, Y, START, one_at_a_time="no"),
        "one_at_a_time must be True or False. Got 'no' instead.",
    ),
    "half of the statistics": (
        lambda: F.standardize(X, X[:, :1]),
        "Give both mean and std, or neither of them.",
    ),
    "statistics with one axis": (
        lambda: F.standardize(X, X.mean(axis=1), X.std(axis=1)),
        "mean has the shape (2,), X (2, 300): one row is one feature; give mean[:, "
        "np.newaxis].",
    ),
    "a deviation of zero": (
        lambda: F.standardize(X, X[:, :1], np.zeros((2, 1))),
        "std must be positive, as `standardize` returns it.",
    ),
}


@pytest.mark.parametrize(("call", "message"), BAD_CALLS.values(), ids=BAD_CALLS)
def test_a_mistake_is_explained(call, message):
    with raises(message):
        call()


@pytest.mark.parametrize("learning_rate", [0, -0.1, np.nan, np.inf, "0.1", True, None])
def test_learning_rate_is_a_positive_number(learning_rate):
    message = f"learning_rate must be a positive number. Got {learning_rate!r} instead."
    with raises(message):
        F.train(X, Y, START, learning_rate=learning_rate)
    with raises(message):
        F.update_parameters(START, GRADS, learning_rate)


@pytest.mark.parametrize("n_iter", [-1, 2.5, "10", True, None])
def test_number_of_epochs_is_a_whole_number(n_iter):
    with raises(f"n_iter must be an integer of at least 0. Got {n_iter!r} instead."):
        F.train(X, Y, START, n_iter=n_iter)


def test_training_that_diverges_is_said_with_its_epoch():
    with raises(
        "The parameters or the cost became infinite or NaN in epoch 2. Lower "
        "learning_rate (now 1e+200), or scale X with standardize."
    ):
        F.train(
            X, Y, START, NUMBERS, learning_rate=1e200, n_iter=9, loss="squared_error"
        )


# ---- what is allowed


def as_lists(parameters):
    return {name: value.tolist() for name, value in parameters.items()}


ALLOWED = {
    "lists": (X.tolist(), Y.tolist(), as_lists(START)),
    "targets of booleans": (X, Y == 1, START),
    "unsigned targets": (X, Y.astype(np.uint8), START),
    "objects of numbers": (X.astype(object), Y.astype(object), START),
    "the other byte order": (X.astype(">f8"), Y.astype(">i2"), START),
}


@pytest.mark.parametrize(("X_given", "Y_given", "start"), ALLOWED.values(), ids=ALLOWED)
def test_numbers_in_another_form_give_the_same_bits(X_given, Y_given, start):
    expected, costs = F.train(X, Y, START, n_iter=3)
    found, found_costs = F.train(X_given, Y_given, start, n_iter=3)
    assert found_costs == costs
    for name, value in expected.items():
        assert_array_equal(found[name], value)


def test_decimals_are_numbers():
    assert F.compute_cost([[Decimal("0.5")]], [[1]]) == F.compute_cost([[0.5]], [[1]])


def test_probabilities_as_targets_are_allowed():
    assert F.compute_cost(AL, np.full(AL.shape, 0.25)) > 0


def test_float32_stays_float32():
    start = {name: value.astype(np.float32) for name, value in START.items()}
    found, _ = F.train(X.astype(np.float32), Y, start, n_iter=3)
    assert {value.dtype for value in found.values()} == {np.dtype(np.float32)}


def test_layers_may_leave_out_sizes_where_parameters_have_them():
    names = [{"activation": "tanh"}, {"activation": "sigmoid"}]
    found, _ = F.forward_propagation(X, START, names)
    assert_array_equal(found, F.forward_propagation(X, START, LAYERS)[0])


def test_logistic_is_the_sigmoid_at_the_output_too():
    layers = [LAYERS[0], {**LAYERS[1], "activation": "logistic"}]
    _, costs = F.train(X, Y, START, layers, n_iter=3)
    assert costs == F.train(X, Y, START, LAYERS, n_iter=3)[1]


# ---- scaling


def test_standardized_samples_are_those_of_the_scaler():
    samples = X * [[1e3], [1e-3]] + [[5.0], [-7.0]]
    scaler = StandardScaler().fit(samples.T)
    found, mean, std = F.standardize(samples)
    assert_allclose(found, scaler.transform(samples.T).T, rtol=1e-12, atol=1e-12)
    assert_allclose(mean[:, 0], scaler.mean_, rtol=1e-12)
    assert_allclose(std[:, 0], scaler.scale_, rtol=1e-12)


def test_test_samples_are_scaled_by_the_statistics_of_training():
    _, mean, std = F.standardize(X)
    found, same_mean, same_std = F.standardize(X[:, :7] + 1, mean, std)
    assert_array_equal(found, (X[:, :7] + 1 - mean) / std)
    assert_array_equal(same_mean, mean)
    assert_array_equal(same_std, std)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6 + 0.3, 1e300])
def test_a_constant_feature_becomes_zero(value):
    found, mean, std = F.standardize(np.full((1, 77), value))
    assert_array_equal(found, np.zeros((1, 77)))
    assert (mean.item(), std.item()) == (value, 1.0)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_squares_of_tiny_or_huge_features_stay_in_range(scale):
    found, _, std = F.standardize(X * scale)
    assert_allclose(found, F.standardize(X)[0], rtol=1e-12, atol=1e-12)
    assert_allclose(std, scale * X.std(axis=1, keepdims=True), rtol=1e-12)


def test_small_differences_of_large_float32_are_kept():
    samples = (X * 8 + 1e6).astype(np.float32)
    found, _, _ = F.standardize(samples)
    assert found.dtype == np.float32
    expected = F.standardize(samples.astype(float))[0]
    assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_whole_numbers_are_scaled_to_fractions():
    found, _, _ = F.standardize([[1, 2], [3, 3]])
    assert_array_equal(found, [[-1.0, 1.0], [0.0, 0.0]])
