"""What a fitted net says of new data, and what it is made of."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.special import expit, log_expit, log_softmax, softmax
from sklearn.datasets import load_iris

from sklearn_deepnet import DeepNetClassifier, DeepNetEnsembleClassifier
from sklearn_deepnet.nn.activations import ACTIVATIONS
from tests.helpers import cancer, digits, network_factory, raises
from tests.nn.test_activations import FORMULAS

net = network_factory(
    "hidden_layer_sizes", hidden_layer_sizes=(12, 8), n_iter=5, learning_rate=0.01
)


# ---- probabilities

BOTH = pytest.mark.parametrize("data", [cancer, digits])
DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


@BOTH
@DTYPES
def test_shapes_and_dtypes(data, dtype):
    X, y = data()
    n_classes = len(np.unique(y))
    fitted = net().fit(X.astype(dtype), y)
    given = X[:20].astype(dtype)
    for probabilities in (fitted.predict_proba(given), fitted.predict_log_proba(given)):
        assert probabilities.shape == (20, n_classes)
        assert probabilities.dtype == dtype
    logits = fitted.decision_function(given)
    assert logits.shape == ((20,) if n_classes == 2 else (20, n_classes))
    assert logits.dtype == dtype
    arrays = fitted.coefs_ + fitted.intercepts_
    assert {array.dtype.name for array in arrays} == {dtype}
    assert fitted.predict(given).shape == (20,)
    assert fitted.predict(given).dtype == y.dtype


@BOTH
def test_the_dtype_of_the_net_is_that_of_its_answers(data):
    X, y = data()
    fitted = net(dtype="float32").fit(X, y)
    assert fitted.predict_proba(X).dtype == np.float32
    fitted = net(dtype="float64").fit(X.astype(np.float32), y)
    assert fitted.predict_proba(X.astype(np.float32)).dtype == np.float64


@BOTH
@DTYPES
def test_probabilities_agree_with_logits(data, dtype):
    X, y = data()
    fitted = net(n_iter=20, dtype=dtype).fit(X, y)
    logits = fitted.decision_function(X).astype(float)
    if logits.ndim == 1:
        logits = np.column_stack([np.zeros(len(X)), logits])
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    p, log_p = fitted.predict_proba(X), fitted.predict_log_proba(X)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=tolerance)
    np.testing.assert_allclose(np.exp(log_p), p, rtol=10 * tolerance)
    expected = log_softmax(logits, axis=1)
    np.testing.assert_allclose(log_p, expected, rtol=tolerance, atol=tolerance)
    np.testing.assert_array_equal(fitted.predict(X), logits.argmax(axis=1))
    assert fitted.score(X, y) == np.mean(fitted.predict(X) == y) > 0.85


@BOTH
@DTYPES
@pytest.mark.parametrize("n_rows", [1, 16, 150])
def test_probabilities_have_the_bits_of_scipy(data, dtype, n_rows):
    X, y = data()
    fitted = net(dtype=dtype).fit(X, y)
    z = fitted.decision_function(X[:n_rows])
    if z.ndim == 1:
        p = np.column_stack([expit(-z), expit(z)])
        log_p = np.column_stack([log_expit(-z), log_expit(z)])
    else:
        p, log_p = softmax(z, axis=1), log_softmax(z, axis=1)
    np.testing.assert_array_equal(fitted.predict_proba(X[:n_rows]), p)
    np.testing.assert_array_equal(fitted.predict_log_proba(X[:n_rows]), log_p)


def certain_net(n_classes, size):
    """The logits are the features, times a large number."""
    X, y = np.eye(n_classes), np.arange(n_classes)
    W = size * (np.eye(n_classes) if n_classes > 2 else np.array([[-1], [1]]))
    init = [W, np.zeros(W.shape[1])]
    return net((), init=init, input_scaling=None, n_iter=0).fit(X, y), X


@pytest.mark.parametrize("size", [50, 800, 1e6, 1e300])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_log_probabilities_are_finite_where_probabilities_are_zero(n_classes, size):
    fitted, X = certain_net(n_classes, size)
    log_p = fitted.predict_log_proba(X)
    others = ~np.eye(n_classes, dtype=bool)
    np.testing.assert_allclose(log_p[others], -size, rtol=1e-12)
    np.testing.assert_allclose(log_p[~others], 0, atol=1e-15)
    p = fitted.predict_proba(X)
    np.testing.assert_allclose(p[~others], 1, rtol=1e-12)
    if size > 745:
        assert (p[others] == 0).all()
    np.testing.assert_array_equal(fitted.predict(X), fitted.classes_)


@pytest.mark.parametrize("ensemble", [False, True])
def test_log_probabilities_are_finite_if_differences_of_logits_overflow(ensemble):
    rows = np.eye(3, dtype=np.float32)
    model = DeepNetClassifier((), n_iter=0, input_scaling=None, dtype="float32")
    if ensemble:
        model = DeepNetEnsembleClassifier(model, n_estimators=2)
    model.fit(rows, [0, 1, 2])
    for one in getattr(model, "estimators_", [model]):
        one.coefs_[0][0] = [3e38, -3e38, 0]
    log_p = model.predict_log_proba(rows[:1])
    lowest = np.finfo(np.float32).min
    np.testing.assert_array_equal(log_p, np.float32([[0, lowest, -3e38]]))


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_tie_is_the_first_class(n_classes):
    fitted, X = certain_net(n_classes, 0.0)
    assert fitted.predict(X).tolist() == [0] * n_classes
    np.testing.assert_allclose(fitted.predict_proba(X), 1 / n_classes)


# ---- rows


@BOTH
@pytest.mark.parametrize(("dtype", "rounding"), [("float32", 1e-5), ("float64", 1e-13)])
@pytest.mark.parametrize("sizes", [(), (33,), (100, 64)])
def test_rows_are_predicted_as_among_others(data, sizes, dtype, rounding):
    """Up to rounding only: BLAS has another kernel for a few rows than for many."""
    X, y = data()
    fitted = net(sizes, dtype=dtype).fit(X, y)
    together = fitted.decision_function(X)
    atol = rounding * np.abs(together).max()
    for n_rows in (1, 2, 3, 5, 15, 16, 17, 33, 100):
        some = fitted.decision_function(X[:n_rows])
        np.testing.assert_allclose(some, together[:n_rows], rtol=0, atol=atol)
        np.testing.assert_array_equal(fitted.decision_function(X[:n_rows]), some)


@pytest.mark.parametrize("n_rows", [1, 319, 320, 321, 1300, 4001])
def test_rows_are_predicted_in_blocks_as_by_hand(n_rows):
    fitted = net((100, 200), n_iter=1).fit(*digits(300))  # in blocks of 320
    X = np.tile(digits()[0], (3, 1))[:n_rows]
    np.testing.assert_allclose(
        fitted.decision_function(X), forward(fitted, X, ["relu"] * 2), atol=1e-12
    )


# ---- by hand


def forward(fitted, X, activations):
    """The logits, from nothing but weights and biases for X as it comes."""
    *hidden, (W, b) = zip(*fitted.folded_coefs(), strict=True)
    A = X
    for (W_hidden, b_hidden), activation in zip(hidden, activations, strict=True):
        A = FORMULAS[activation](A @ W_hidden + b_hidden)
    logits = A @ W + b
    return logits[:, 0] if logits.shape[1] == 1 else logits


@BOTH
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_folded_weights_are_all_there_is(data, activation):
    X, y = data()
    fitted = net(activation=activation).fit(X[:300], y[:300])
    expected = forward(fitted, X, [activation] * 2)
    np.testing.assert_allclose(fitted.decision_function(X), expected, atol=1e-12)


def test_every_layer_may_have_its_own_activation():
    X, y = digits()
    names = ["tanh", "relu", "gelu"]
    fitted = net((9, 8, 7), activation=names).fit(X, y)
    np.testing.assert_allclose(
        fitted.decision_function(X), forward(fitted, X, names), atol=1e-12
    )


@pytest.mark.parametrize("sizes", [(), 7, (7,), [7, 3], np.array([7, 3], np.int8)])
def test_attributes_tell_of_the_layers(sizes):
    hidden = [*np.atleast_1d(np.asarray(sizes, dtype=int)).tolist()]
    for (X, y), n_outputs, activation in [
        (cancer(), 1, "logistic"),
        (digits(), 10, "softmax"),
    ]:
        fitted = net(sizes).fit(X, y)
        units = [X.shape[1], *hidden, n_outputs]
        shapes = [W.shape for W in fitted.coefs_]
        assert shapes == [*pairwise(units)]
        assert [b.shape for b in fitted.intercepts_] == [(n,) for n in units[1:]]
        assert fitted.n_layers_ == len(units)
        assert fitted.n_outputs_ == n_outputs
        assert fitted.out_activation_ == activation
        assert fitted.n_features_in_ == X.shape[1]


# ---- hidden activations

IRIS = load_iris(return_X_y=True)


@pytest.mark.parametrize("layer", [0, 1, -1, -2])
def test_hidden_activations_equal_the_formula(layer):
    X, y = IRIS
    fitted = net((5, 4), dropout=0.3, n_iter=15).fit(X, y)
    a = (X - fitted.input_mean_) / fitted.input_scale_
    for W, b in zip(fitted.coefs_[:-1], fitted.intercepts_[:-1], strict=True):
        a = np.maximum(a @ W + b, 0)
        if layer in (0, -2):
            break
    np.testing.assert_allclose(fitted.hidden_activations(X, layer), a, rtol=1e-12)


def test_logits_come_from_the_last_hidden_activations():
    X, y = IRIS
    fitted = net((5, 4), n_iter=15).fit(X, y)
    logits = fitted.hidden_activations(X) @ fitted.coefs_[-1] + fitted.intercepts_[-1]
    np.testing.assert_allclose(fitted.decision_function(X), logits, rtol=1e-12)


@pytest.mark.parametrize("layer", [2, -3])
def test_a_layer_that_does_not_exist_raises(layer):
    fitted = net((5, 4), n_iter=15).fit(*IRIS)
    message = (
        f"layer must be the index of a hidden layer, from -2 to 1. Got {layer} instead."
    )
    with raises(message):
        fitted.hidden_activations(IRIS[0], layer)
    message = (
        "layer must be the index of a hidden layer, of which this network has none. "
        f"Got {layer} instead."
    )
    with raises(message):
        net((), n_iter=1).fit(*IRIS).hidden_activations(IRIS[0], layer)
