"""Arrays in the byte order of another machine train and predict the same bits."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array, csr_matrix

from sklearn_deepnet import (
    DeepNetEnsembleClassifier,
    DeepNetRegressor,
    fit_stack,
)
from sklearn_deepnet.model_selection import StackedGridSearchCV
from tests.helpers import assert_same_training, cancer, network_factory

X, Y = cancer()
X, Y = X[:90].astype(np.float32), Y[:90]
T = X[:, 0] * 2 + X[:, 1]
W = np.arange(1, 91, dtype=np.float32)
make = network_factory(hidden_layer_sizes=(4,), n_iter=3)


def swapped(values):
    """Return equal numbers, or text, in the other byte order."""
    array = np.asarray(values)
    other = array.astype(array.dtype.newbyteorder("S"))
    assert not other.dtype.isnative
    return other


def swapped_sparse(X):
    other = X.copy()
    other.data = swapped(X.data)
    return other


FITS = {
    "X": lambda make, order: make().fit(order(X), Y),
    "X of float64": lambda make, order: make().fit(order(X.astype(float)), Y),
    "y": lambda make, order: make().fit(X, order(Y)),
    "labels of text": lambda make, order: make().fit(X, order(np.array(["a", "b"])[Y])),
    "indicators": lambda make, order: make().fit(X, order(np.c_[Y, X[:, 0] > 0])),
    "targets": lambda make, order: make(estimator=DeepNetRegressor).fit(
        order(X), order(T)
    ),
    "several targets": lambda make, order: make(estimator=DeepNetRegressor).fit(
        X, order(np.c_[T, -T])
    ),
    "weights": lambda make, order: make().fit(X, Y, order(W)),
    "validation data": lambda make, order: make().fit(
        X,
        Y,
        X_val=order(X[:30]),
        y_val=order(Y[:30]),
        sample_weight_val=order(W[:30]),
    ),
    "held-out rows": lambda make, order: make(early_stopping=True).fit(order(X), Y),
    "L-BFGS": lambda make, order: make(solver="lbfgs").fit(order(X), Y),
    "partial_fit": lambda make, order: (
        make().partial_fit(order(X), Y, order([0, 1])).partial_fit(X, order(Y))
    ),
    "warm start": lambda make, order: (
        make(warm_start=True).fit(order(X), Y).set_params(n_iter=5).fit(X, Y)
    ),
    "initial arrays": lambda make, order: make(
        init=[*map(order, (np.ones((30, 4)), np.ones(4), np.ones((4, 1)), np.ones(1)))],
        input_scaling=None,
    ).fit(X, Y),
}


@pytest.mark.parametrize("fit", FITS.values(), ids=FITS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_byte_order_does_not_change_training(fit):
    assert_same_training(fit(make, swapped), fit(make, np.asarray))


@pytest.mark.parametrize("kind", [csr_array, csr_matrix])
def test_byte_order_of_a_sparse_matrix_does_not_change_training(kind):
    native = kind(np.where(X > 0, X, 0))
    net, expected = make().fit(swapped_sparse(native), Y), make().fit(native, Y)
    assert_same_training(net, expected)
    assert_array_equal(
        net.predict_proba(swapped_sparse(native)), expected.predict_proba(native)
    )
    ensemble = DeepNetEnsembleClassifier(make(), n_estimators=2, random_state=0)
    ensemble.fit(swapped_sparse(native), Y)
    assert_array_equal(
        ensemble.predict_proba(swapped_sparse(native)), ensemble.predict_proba(native)
    )


def test_labels_are_kept_in_the_byte_order_of_this_machine():
    nets = [
        make().fit(X, swapped(Y)),
        make().partial_fit(X, Y, swapped([0, 1])),
        make().fit(X, swapped(np.array(["a", "b"])[Y])),
    ]
    for net in nets:
        assert net.classes_.dtype.isnative
        assert net.predict(X).dtype.isnative


def test_float32_of_another_byte_order_stays_float32():
    assert make().fit(swapped(X), Y).coefs_[0].dtype == np.dtype(np.float32)


@pytest.mark.parametrize("form", [np.dtype, str, lambda dtype: dtype.str])
@pytest.mark.parametrize("number", [np.float32, np.float64])
def test_dtype_may_name_another_byte_order(form, number):
    dtype = form(np.dtype(number).newbyteorder("S"))
    assert_same_training(make(dtype=dtype).fit(X, Y), make(dtype=number).fit(X, Y))
    assert make(dtype=dtype).fit(X, Y).coefs_[0].dtype == np.dtype(number)


@pytest.mark.parametrize(
    "method",
    [
        "predict",
        "predict_proba",
        "predict_log_proba",
        "decision_function",
        "hidden_activations",
    ],
)
def test_byte_order_does_not_change_predictions(method):
    predict = getattr(make().fit(X, Y), method)
    assert_array_equal(predict(swapped(X)), predict(X))
    assert predict(swapped(X)).dtype == predict(X).dtype


def test_a_stack_on_another_byte_order_equals_training_one_by_one():
    rows = [np.arange(45), np.arange(45, 90)]
    nets = fit_stack([make(), make()], swapped(X), Y, rows=rows)
    for net, some in zip(nets, rows, strict=True):
        assert_same_training(net, make().fit(X[some], Y[some]))


def test_a_search_on_another_byte_order_has_the_same_scores():
    found = [
        StackedGridSearchCV(make(), {"learning_rate": [0.001, 0.1]}, cv=2).fit(X, Y)
        for X in (swapped(globals()["X"]), globals()["X"])
    ]
    scores = [search.cv_results_["mean_test_score"] for search in found]
    assert_array_equal(*scores)
