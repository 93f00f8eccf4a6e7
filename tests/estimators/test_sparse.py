"""Sparse X gives what dense X gives, and is not made dense if it is large."""

import tracemalloc
from functools import cache

import numpy as np
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_wine
from sklearn.preprocessing import scale
from sklearn.utils.validation import validate_data

from sklearn_deepnet import (
    DeepNetClassifier,
    DeepNetEnsembleClassifier,
    DeepNetRegressor,
)
from sklearn_deepnet.nn.optimizers import OPTIMIZERS
from tests.helpers import digits, network_factory, raises

pytestmark = pytest.mark.usefixtures("stays_sparse")

KINDS = {
    kind.__name__: kind
    for kind in (
        scipy.sparse.csr_matrix,
        scipy.sparse.csc_matrix,
        scipy.sparse.coo_matrix,
        scipy.sparse.csr_array,
        scipy.sparse.csc_array,
        scipy.sparse.coo_array,
        scipy.sparse.lil_array,
    )
}
SOLVERS = [*OPTIMIZERS, *({"lbfgs"} - {*OPTIMIZERS})]


net_for = network_factory(
    "n_iter",
    "estimator",
    hidden_layer_sizes=(8, 6),
    n_iter=4,
    alpha=1.0,
    input_scaling=None,  # "auto" does not scale sparse X, but dense X
)


def assert_close_training(net, other, rtol=1e-10):
    for name in ("loss_curve_", "validation_loss_curve_"):
        ours, expected = getattr(net, name), getattr(other, name)
        assert (ours is None) == (expected is None)
        if ours is not None:
            np.testing.assert_allclose(ours, expected, rtol=rtol)
    for array, expected in zip(
        [*net.coefs_, *net.intercepts_],
        [*other.coefs_, *other.intercepts_],
        strict=True,
    ):
        np.testing.assert_allclose(array, expected, rtol=rtol, atol=rtol)


@cache
def fitted_to_dense(estimator):
    return net_for(estimator=estimator, batch_size=32).fit(*digits(300))


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("estimator", [DeepNetClassifier, DeepNetRegressor])
def test_every_format_equals_dense(estimator, kind):
    X, y = digits(300)
    dense = fitted_to_dense(estimator)
    sparse = clone(dense).fit(kind(X), y)
    assert_close_training(sparse, dense)
    predicted = sparse.predict(kind(X[:50]))
    np.testing.assert_allclose(predicted, dense.predict(X[:50]), rtol=1e-10)
    if estimator is DeepNetClassifier:
        p = dense.predict_proba(X)
        np.testing.assert_allclose(sparse.predict_proba(kind(X)), p, rtol=1e-10)
        np.testing.assert_allclose(dense.predict_proba(kind(X)), p, rtol=1e-10)


@pytest.mark.parametrize(("dtype", "rtol"), [("float32", 1e-5), ("float64", 1e-12)])
def test_rows_are_predicted_as_among_others(dtype, rtol):
    X, y = digits(300)
    net = net_for(dtype=dtype).set_params(hidden_layer_sizes=(30, 20)).fit(X, y)
    X = scipy.sparse.csr_array(X)
    p = net.predict_proba(X)
    for n_rows in (*range(1, 34), 100, 299):
        some = net.predict_proba(X[:n_rows])
        np.testing.assert_allclose(some, p[:n_rows], rtol=rtol)


@pytest.mark.parametrize("batch_size", [32, None])
@pytest.mark.parametrize("solver", SOLVERS)
def test_every_solver_equals_dense(solver, batch_size):
    X, y = digits(300)
    options = {} if solver == "lbfgs" else {"batch_size": batch_size}
    net = net_for(solver=solver, **options)
    dense = clone(net).fit(X, y)
    assert_close_training(clone(net).fit(scipy.sparse.csr_array(X), y), dense)


@pytest.mark.parametrize(
    "parameters",
    [
        {"shuffle": False, "batch_size": 64},
        {"dropout": 0.3, "batch_size": 64},
        {"early_stopping": True, "scoring": "accuracy"},
        {"early_stopping": True, "batch_size": 20},
        {"class_weight": "balanced", "label_smoothing": 0.1},
        {"l1": 0.5, "clip_norm": 0.1, "schedule": "cosine"},
        {"hidden_layer_sizes": ()},
        {"hidden_layer_sizes": (), "solver": "lbfgs"},
    ],
)
def test_every_option_equals_dense(parameters):
    X, y = digits(300)
    net = net_for().set_params(**parameters)
    dense = clone(net).fit(X, y)
    assert_close_training(clone(net).fit(scipy.sparse.csr_array(X), y), dense)


@pytest.mark.parametrize("batch_size", [20, None])
def test_weights_equal_dense(batch_size):
    X, y = digits(300)
    rng = np.random.RandomState(0)
    weight = rng.uniform(0.5, 2, 300) * (rng.rand(300) < 0.7)
    net = net_for(batch_size=batch_size)
    dense = clone(net).fit(X, y, sample_weight=weight)
    sparse = clone(net).fit(scipy.sparse.csr_array(X), y, sample_weight=weight)
    assert_close_training(sparse, dense)
    kept = weight > 0
    without = clone(net).fit(
        scipy.sparse.csr_array(X[kept]), y[kept], sample_weight=weight[kept]
    )
    assert_close_training(sparse, without, rtol=0)


@pytest.mark.parametrize("mixed", [False, True])
def test_validation_data_equal_dense(mixed):
    X, y = digits(300)
    net = net_for(scoring="neg_log_loss", restore_best=False)
    X_val = X[200:] if mixed else scipy.sparse.csc_array(X[200:])
    sparse = clone(net).fit(
        scipy.sparse.csr_array(X[:200]), y[:200], X_val=X_val, y_val=y[200:]
    )
    dense = clone(net).fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:])
    assert_close_training(sparse, dense)
    scores = dense.validation_scores_
    np.testing.assert_allclose(sparse.validation_scores_, scores, rtol=1e-9)


def test_partial_fits_equal_dense():
    X, y = digits(300)
    dense, sparse = net_for(batch_size=32), net_for(batch_size=32)
    for rows in (slice(0, 100), slice(100, 300), slice(50, 150)):
        dense.partial_fit(X[rows], y[rows], classes=range(10))
        sparse.partial_fit(scipy.sparse.coo_array(X[rows]), y[rows], classes=range(10))
    assert_close_training(sparse, dense)
    dense.partial_fit(X, y)
    sparse.partial_fit(X, y)  # one may go on with the other
    assert_close_training(sparse, dense)


def test_chunks_equal_one_fit_bit_for_bit():
    X, y = digits(300)
    X = scipy.sparse.csr_array(X)
    whole = net_for(7, batch_size=32, dropout=0.2).fit(X, y)
    chunks = net_for(3, batch_size=32, dropout=0.2, warm_start=True).fit(X, y)
    assert_close_training(chunks.set_params(n_iter=4).fit(X, y), whole, rtol=0)


def test_several_outputs_equal_dense():
    X, y = load_diabetes(return_X_y=True)
    X = np.where(np.abs(X) < 0.03, 0, X)
    Y = np.c_[y, y**2, -y]
    dense = net_for(estimator=DeepNetRegressor).fit(X, Y)
    sparse = net_for(estimator=DeepNetRegressor).fit(scipy.sparse.csr_array(X), Y)
    assert_close_training(sparse, dense)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint8, bool])
def test_values_may_have_any_type(dtype):
    X, y = digits(300)
    X = (X * 16).astype(dtype)
    dense = net_for().fit(X, y)
    sparse = net_for().fit(scipy.sparse.csr_array(X), y)
    expected = np.float32 if dtype == np.float32 else np.float64
    assert sparse.coefs_[0].dtype == dense.coefs_[0].dtype == expected
    rtol = 1e-3 if dtype == np.float32 else 1e-10
    assert_close_training(sparse, dense, rtol)


def test_stored_zeros_and_duplicates_are_nothing_special():
    X, y = load_wine(return_X_y=True)
    X = scale(X)
    X[X < 0] = 0
    coo = scipy.sparse.coo_array(X)
    doubled = scipy.sparse.coo_array(
        (
            np.concatenate([coo.data / 2, coo.data / 2, np.zeros(3)]),
            (
                np.concatenate([coo.row, coo.row, [0, 1, 2]]),
                np.concatenate([coo.col, coo.col, [0, 0, 0]]),
            ),
        ),
        shape=X.shape,
    )
    assert_close_training(net_for().fit(doubled, y), net_for().fit(X, y))


def test_rows_and_columns_of_zeros_are_nothing_special():
    X, y = digits(300)
    X = X.copy()
    X[5] = X[:, 7] = 0
    X = np.c_[X, np.zeros(300)]
    sparse = net_for(batch_size=1).fit(scipy.sparse.csr_array(X[:30]), y[:30])
    assert_close_training(sparse, net_for(batch_size=1).fit(X[:30], y[:30]))


@pytest.mark.parametrize("kind", KINDS)
def test_targets_that_overflow_are_an_error_in_every_format(kind):
    X, y = digits(200)
    net = net_for(1, DeepNetRegressor, activation="identity").fit(X, 1e300 * y)
    with raises(
        "The outputs of the network overflow for this X, whose largest absolute value "
        "is 1e+20. Give X in the units of the training data."
    ):
        net.predict(KINDS[kind](1e20 * X))


def test_an_error_leaves_duplicates_alone():
    X, y = digits(200)
    net = net_for(1, DeepNetRegressor, activation="identity").fit(X, y)
    entries = np.array([1e308, 9.0, 1e308]), np.array([20, 3, 20]), np.array([0, 3])
    row = scipy.sparse.csr_matrix(entries, shape=(1, 64))
    with pytest.raises(ValueError, match="The outputs of the network overflow"):
        net.predict(row)
    for array, expected in zip(
        (row.data, row.indices, row.indptr), entries, strict=True
    ):
        np.testing.assert_array_equal(array, expected)


def test_the_data_are_left_alone():
    X, y = digits(300)
    X = scipy.sparse.csr_array(X)
    before = X.copy()
    net_for(early_stopping=True).fit(X, y).predict(X)
    for name in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(X, name), getattr(before, name))


def peak_of(call):
    """Return the most memory that was allocated at once during the call."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", [np.asarray, scipy.sparse.csr_array])
@pytest.mark.parametrize("batch_size", [16, None])
def test_training_takes_eight_times_the_memory_of_the_weights(kind, batch_size):
    # The parameters, their gradient, two moments and the decay of each weight, the
    # parameters before this epoch and before the last one; the rest is for all else.
    rng = np.random.RandomState(0)
    X = kind(rng.rand(30, 20_000) * (rng.rand(30, 20_000) < 0.001))
    net = DeepNetClassifier((40,), n_iter=2, tol=None, batch_size=batch_size)
    peak = peak_of(lambda: net.fit(X, np.arange(30) % 3))
    inputs = X.nbytes if isinstance(X, np.ndarray) else 0
    assert peak < 8 * net.coefs_[0].nbytes + 2 * inputs


@pytest.mark.slow
def test_predicting_sparse_rows_does_not_copy_the_weights():
    columns = np.random.RandomState(0).randint(200_000, size=60_000)
    X = scipy.sparse.csr_array(
        (np.ones(60_000), columns, np.arange(301) * 200), (300, 200_000)
    )
    net = DeepNetClassifier((40,), n_iter=1, tol=None).fit(X[:3], [0, 1, 2])
    n_bytes = net.coefs_[0].nbytes
    assert peak_of(lambda: net.predict(X[:1])) < n_bytes / 20
    assert peak_of(lambda: net.predict(X)) < n_bytes / 2


@pytest.mark.slow
def test_an_ensemble_predicts_a_sparse_row_without_a_copy_of_the_weights():
    X = scipy.sparse.csr_array(np.eye(3, 200_000))
    member = DeepNetClassifier((40,), n_iter=1, tol=None)
    net = DeepNetEnsembleClassifier(member, n_estimators=2).fit(X, [0, 1, 2])
    n_bytes = net.estimators_[0].coefs_[0].nbytes
    assert peak_of(lambda: net.predict(X[:1])) < n_bytes / 20


INVALID = {
    "an infinite value": lambda X: X * np.inf,
    "float32 that overflows": lambda X: (X * np.inf).astype(np.float32),
    "complex values": lambda X: X * 1j,
    "no row": lambda X: X[:0],
    "a column less": lambda X: X[:, :-1],
    "another format": lambda X: (X * np.inf).tocoo(),
}
if hasattr(scipy.sparse, "expand_dims"):  # else no vectors in CSR format, either
    INVALID["a vector"] = lambda X: X[0].tocsr()


@pytest.mark.parametrize("spoil", INVALID.values(), ids=INVALID)
@pytest.mark.parametrize("is_ensemble", [False, True])
def test_invalid_rows_get_the_message_of_scikit_learn(is_ensemble, spoil):
    X, y = digits(300)
    X, net = scipy.sparse.csr_array(X), net_for(1)
    if is_ensemble:
        net = DeepNetEnsembleClassifier(net, n_estimators=2)
    net.fit(X, y)
    with pytest.raises(ValueError) as expected:  # noqa: PT011
        validate_data(net, spoil(X), accept_sparse="csr", reset=False)
    with raises(str(expected.value)):
        net.predict(spoil(X))


def test_rows_without_names_get_the_warning_of_scikit_learn():
    X, y = digits(300)
    net = net_for(1).fit(X, y)
    net.feature_names_in_ = np.array([f"pixel {i}" for i in range(64)], dtype=object)
    with pytest.warns(UserWarning, match="^X does not have valid feature names, but"):
        net.predict(scipy.sparse.csr_array(X))


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [200, None])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_sparse_data_are_never_made_dense(method, batch_size):
    rng = np.random.RandomState(0)
    n_rows, n_columns = 20_000, 50_000  # 8 GB if dense
    X = scipy.sparse.csr_array(
        (
            rng.rand(5 * n_rows),
            (np.repeat(np.arange(n_rows), 5), rng.randint(n_columns, size=5 * n_rows)),
        ),
        shape=(n_rows, n_columns),
    )
    y = (np.arange(n_rows) % 2).astype(int)
    net = DeepNetClassifier(
        (4,), n_iter=1, tol=None, batch_size=batch_size, random_state=0, solver="sgd"
    )
    net.set_params(early_stopping=method == "fit")
    tracemalloc.start()
    try:
        options = {} if method == "fit" else {"classes": [0, 1]}
        getattr(net, method)(X, y, **options).predict_proba(X)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    n_weights = sum(W.size for W in net.coefs_)
    assert peak < 12 * 8 * n_weights + 5 * (X.data.nbytes + X.indices.nbytes) + 2e7
