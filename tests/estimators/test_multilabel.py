"""Several labels a row: indicators in and out, a sigmoid for each."""

from functools import partial

import numpy as np
import pytest
import scipy.sparse
from scipy.special import expit
from sklearn.base import clone
from sklearn.datasets import load_digits, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, make_scorer
from sklearn.model_selection import cross_val_score
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.preprocessing import MultiLabelBinarizer, scale
from sklearn.utils.estimator_checks import estimator_checks_generator

from sklearn_deepnet import DeepNetClassifier
from tests.helpers import assert_same_training, network_factory, raises


def wine():
    """Return rows, and which of three other measurements are above their mean."""
    X, _ = load_wine(return_X_y=True)
    X = scale(X)
    return X[:, 3:], (X[:, :3] > 0).astype(int)


def digits():
    """Return digits, and whether each is even, above 4, a prime, a square."""
    X, y = load_digits(return_X_y=True)
    sets = ({0, 2, 4, 6, 8}, {5, 6, 7, 8, 9}, {2, 3, 5, 7}, {0, 1, 4, 9})
    return X / 16, np.array([[label in s for s in sets] for label in y]).astype(int)


USUAL = {"hidden_layer_sizes": (8,), "n_iter": 20, "learning_rate": 0.01}
net_for = network_factory("n_iter", "hidden_layer_sizes", **USUAL)


def test_each_label_has_a_sigmoid():
    X, Y = wine()
    net = net_for().fit(X, Y)
    logits = np.maximum(X @ net.coefs_[0] + net.intercepts_[0], 0)
    logits = logits @ net.coefs_[1] + net.intercepts_[1]
    np.testing.assert_allclose(net.decision_function(X), logits, rtol=1e-10)
    np.testing.assert_allclose(net.predict_proba(X), expit(logits), rtol=1e-10)
    log_p = np.log(expit(logits))
    np.testing.assert_allclose(net.predict_log_proba(X), log_p, rtol=1e-8)
    np.testing.assert_array_equal(net.predict(X), logits > 0)
    assert net.predict(X).dtype.kind == "i"
    assert net.n_outputs_ == 3
    assert net.out_activation_ == "logistic"
    assert net.classes_.tolist() == [0, 1, 2]


def test_the_loss_is_the_sum_of_the_cross_entropies():
    X, Y = wine()
    net = net_for(2, batch_size=None, alpha=0, solver="sgd").fit(X, Y)
    p = net_for(0).fit(X, Y).predict_proba(X)
    by_label = -np.mean(np.where(Y == 1, np.log(p), np.log(1 - p)), axis=0)
    assert net.loss_curve_[0] == pytest.approx(by_label.sum(), rel=1e-12)


@pytest.mark.slow
def test_no_hidden_layer_is_a_logistic_regression_for_each_label():
    X, Y = wine()
    net = net_for(500, (), solver="lbfgs", alpha=1.0, learning_rate=0.001)
    net.set_params(tol=1e-9).fit(X, Y)
    for label in range(3):
        model = LogisticRegression(tol=1e-10, max_iter=9999).fit(X, Y[:, label])
        np.testing.assert_allclose(net.coefs_[0][:, label], model.coef_[0], atol=1e-5)
        b = net.intercepts_[0][label]
        assert b == pytest.approx(model.intercept_[0], abs=1e-5)


@pytest.mark.parametrize(
    "kind",
    [
        scipy.sparse.csr_matrix,
        scipy.sparse.csc_matrix,
        scipy.sparse.coo_matrix,
        scipy.sparse.csr_array,
        scipy.sparse.csc_array,
        scipy.sparse.lil_matrix,
    ],
)
def test_a_sparse_indicator_is_the_dense_one(kind):
    X, Y = wine()
    net = net_for(5, early_stopping=True, class_weight="balanced")
    dense = clone(net).fit(X, Y)
    sparse = clone(net).fit(X, kind(Y))
    assert_same_training(sparse, dense)
    np.testing.assert_array_equal(sparse.predict(X), dense.predict(X))
    assert isinstance(sparse.predict(X), np.ndarray)
    net.set_params(early_stopping=False)
    given = clone(net).fit(X, kind(Y), X_val=X, y_val=kind(Y))
    dense = clone(net).fit(X, Y, X_val=X, y_val=Y)
    assert given.validation_loss_curve_ == dense.validation_loss_curve_


@pytest.mark.parametrize("dtype", [bool, float, np.int8, np.uint8, object])
def test_an_indicator_may_have_any_type(dtype):
    X, Y = wine()
    if dtype is object:  # which scikit-learn takes for unknown
        with pytest.raises(ValueError, match="Unknown label type"):
            net_for(3).fit(X, Y.astype(object))
        return
    assert_same_training(net_for(3).fit(X, Y.astype(dtype)), net_for(3).fit(X, Y))


def test_the_score_is_the_share_of_rows_with_all_labels_right():
    X, Y = digits()
    net = net_for(10).fit(X, Y)
    expected = np.mean(np.all(net.predict(X) == Y, axis=1))
    assert net.score(X, Y) == accuracy_score(Y, net.predict(X)) == expected
    assert expected > 0.6


@pytest.mark.slow
def test_labels_are_learned_as_well_as_one_by_one():
    X, Y = digits()
    net = net_for(60, (40,)).fit(X[:1200], Y[:1200])
    each = MultiOutputClassifier(net_for(60, (40,))).fit(X[:1200], Y[:1200])
    scores = [
        f1_score(Y[1200:], model.predict(X[1200:]), average="macro")
        for model in (net, each)
    ]
    assert scores[0] > 0.93
    assert scores[0] > scores[1] - 0.02


def test_partial_fit_needs_no_classes():
    X, Y = wine()
    whole = net_for(4, batch_size=None).fit(X, Y)
    parts = net_for(batch_size=None)
    for _ in range(4):
        parts.partial_fit(X, Y)
    assert_same_training(parts, whole)
    assert parts.classes_.tolist() == [0, 1, 2]


def test_a_part_may_lack_a_label():
    X, Y = wine()
    net = net_for().partial_fit(X, Y)
    only = Y[:, 0] == 0
    net.partial_fit(X[only], Y[only])
    assert net.n_iter_ == 2
    assert net.predict_proba(X).shape == (178, 3)


@pytest.mark.parametrize("value", [0, 1])
def test_a_column_of_one_value_is_learned(value):
    X, Y = wine()
    Y[:, 1] = value
    net = net_for(100, class_weight="balanced").fit(X, Y)
    assert np.all(net.predict(X)[:, 1] == value)


def test_rows_of_weight_zero_are_no_rows():
    X, Y = wine()
    kept = np.arange(178) % 3 > 0
    net = net_for(5, batch_size=32, alpha=1.0)
    with_zeros = clone(net).fit(X, Y, sample_weight=kept)
    assert_same_training(with_zeros, clone(net).fit(X[kept], Y[kept]))


def test_a_weight_of_two_is_the_row_twice():
    X, Y = wine()
    weight = np.random.RandomState(0).randint(1, 4, 178)
    net = net_for(5, batch_size=None, alpha=1.0)
    weighted = clone(net).fit(X, Y, sample_weight=weight)
    X, Y = np.repeat(X, weight, axis=0), np.repeat(Y, weight, axis=0)
    assert_same_training(weighted, clone(net).fit(X, Y), rtol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["squared_error", "focal"])
def test_other_losses_serve_labels(loss):
    X, Y = digits()
    net = net_for(30, (40,), loss=loss).fit(X, Y)
    assert f1_score(Y, net.predict(X), average="macro") > 0.95


def test_several_columns_that_are_no_indicator_are_an_error():
    X, Y = wine()
    message = (
        "y has 3 columns and contains [2, 3], but an indicator matrix of labels "
        "contains only 0 and 1. Give one label per row or an indicator matrix of "
        "several labels, or use a DeepNetRegressor to predict numbers."
    )
    with raises(message):
        net_for().fit(X, Y + np.arange(3))


def test_one_column_is_one_label():
    X, Y = wine()
    with pytest.warns(UserWarning, match="column-vector y"):
        net = net_for(3).fit(X, Y[:, :1])
    assert_same_training(net, net_for(3).fit(X, Y[:, 0]))
    assert net.predict(X).shape == (178,)


def test_scikit_learn_works_with_it():
    X, Y = wine()
    # A sample without any label, true or predicted, is a warning of scikit-learn.
    scoring = make_scorer(f1_score, average="samples", zero_division=0)
    scores = cross_val_score(net_for(), X, Y, cv=3, scoring=scoring)
    assert np.isfinite(scores).all()
    chain = ClassifierChain(net_for(), random_state=0).fit(X, Y)
    assert chain.predict(X).shape == (178, 3)
    sets = MultiLabelBinarizer().fit(np.array(["acid", "ash", "alcohol"])[:, None])
    assert sets.inverse_transform(net_for(3).fit(X, Y).predict(X))[0] is not None


CHECKS = [
    check
    for check in estimator_checks_generator(DeepNetClassifier())
    if "multilabel" in check[1].func.__name__
]


def name(value):
    return value.func.__name__ if isinstance(value, partial) else repr(value)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(("estimator", "check"), CHECKS, ids=name)
def test_scikit_learn_checks_its_labels(estimator, check):
    check(estimator)


def test_scikit_learn_has_checks_of_labels():
    assert len(CHECKS) >= 3
