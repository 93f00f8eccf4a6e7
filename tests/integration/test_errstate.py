"""Every public call works whatever `np.seterr` says, and issues no warning of NumPy."""

import itertools
import warnings

import numpy as np
import pytest
import scipy.sparse
from sklearn.datasets import load_diabetes, load_iris
from sklearn.model_selection import GridSearchCV

from sklearn_deepnet import (
    DeepNetClassifier,
    DeepNetEnsembleClassifier,
    DeepNetEnsembleRegressor,
    DeepNetRegressor,
    LayerDisplay,
    check_gradients,
    compare_initializers,
    diagnose,
    fit_stack,
    load_model,
    save_model,
    stacked,
)
from sklearn_deepnet.nn.losses import quantile

X, y = load_iris(return_X_y=True)
NUMBERS = load_diabetes(return_X_y=True)
PARAMETERS = {
    "default": {},
    "sigmoid": {"activation": "sigmoid"},
    "elu": {"activation": "elu"},
    "softplus": {"activation": "softplus"},
    "gelu": {"activation": "gelu"},
    "periodic": {"numeric_features": "periodic"},
    "lbfgs": {"solver": "lbfgs"},
    "dropout": {"dropout": 0.2},
    "monitored": {"early_stopping": True, "scoring": "neg_log_loss"},
    "raw": {"input_scaling": None},
    "robust": {"input_scaling": "robust"},
    "focal": {"loss": "focal"},
    "brier": {"loss": "squared_error"},
}
UNITS = {"plain": 1.0, "tiny": 1e-200, "huge": 1e150}


@pytest.fixture(autouse=True)
def raising():
    """Let NumPy raise what it warns of, and warnings be errors."""
    with np.errstate(all="raise"), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # those of our own
        yield


def call_all(net, X, y, path):
    """Call every method that there is, and all functions that take a network."""
    net.fit(X, y)
    for larger in (1, 100):
        for name in (
            "predict",
            "predict_proba",
            "predict_log_proba",
            "decision_function",
            "hidden_activations",
        ):
            if hasattr(net, name):
                getattr(net, name)(larger * X)
    net.score(X, y)
    net.make_predictor()(X)
    diagnose(net, X, y)
    check_gradients(net, X, y)
    save_model(net, path)
    load_model(path).predict(X)
    if net.get_params()["input_scaling"] == "standard" and net.numeric_features is None:
        net.folded_coefs()
    net.set_params(warm_start=True).fit(X, y)
    if net.solver != "lbfgs" and not net.early_stopping:
        net.partial_fit(X, y)


CASES = set(itertools.product(PARAMETERS, UNITS))
CASES -= {("raw", "huge")}  # which overflows, an error of our own


@pytest.mark.parametrize("dtype", [None, "float32"])
@pytest.mark.parametrize(("name", "unit"), sorted(CASES))
def test_a_classifier(name, unit, dtype, tmp_path):
    net = DeepNetClassifier(
        (8,), n_iter=10, tol=None, learning_rate=0.1, dtype=dtype, random_state=0
    )
    net.set_params(**PARAMETERS[name])
    call_all(net, UNITS[unit] * X, y, tmp_path / "net")


@pytest.mark.parametrize("unit", [1.0, 1e-300, 1e150])
@pytest.mark.parametrize(
    "loss",
    [
        *("squared_error", "absolute_error", "huber", "quantile", "poisson"),
        quantile([0.1, 0.5, 0.9]),
    ],
    ids=str,
)
def test_a_regressor(loss, unit, tmp_path):
    X, y = NUMBERS
    net = DeepNetRegressor((8,), loss=loss, n_iter=10, tol=None, random_state=0)
    call_all(net, X, unit * y, tmp_path / "net")


def test_ensembles():
    classifier = DeepNetEnsembleClassifier(random_state=0).fit(X, y)
    classifier.predict_log_proba(100 * X)
    classifier.predict_proba(100 * X, return_std=True)
    classifier.score(X, y)
    regressor = DeepNetEnsembleRegressor(random_state=0).fit(*NUMBERS)
    regressor.predict(NUMBERS[0], return_std=True)
    regressor.score(*NUMBERS)


@pytest.mark.parametrize("unit", [1e-300, 1e150])
def test_ensembles_of_extreme_targets(unit):
    X, y = NUMBERS
    regressor = DeepNetEnsembleRegressor(random_state=0).fit(X, unit * y)
    regressor.score(X, unit * y)


@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_a_penalty_that_is_too_large_for_float32(solver):
    net = DeepNetClassifier((4,), solver=solver, dtype="float32", random_state=0)
    net.fit(X, y, sample_weight=np.full(len(y), 1e-100))
    net.predict(X)


def test_sparse_rows_whose_sum_overflows():
    rows = scipy.sparse.csr_matrix(X.astype(np.float32))
    rows.data[:4] = np.array([3e38, 3e38, -3e38, -3e38])
    net = DeepNetClassifier((4,), n_iter=1, tol=None, random_state=0)
    net.fit(rows, y).predict(rows[8:])


def test_a_score_after_a_loss_that_float32_just_holds():
    net = DeepNetClassifier((4,), early_stopping=True, scoring="accuracy", n_iter=2)
    net.set_params(dtype="float32", input_scaling=None, tol=None, random_state=0)
    with np.errstate(all="raise"):
        net.fit(X * 1e34, y)
    assert net.loss_curve_[0] > 1e33


def test_many_networks():
    net = DeepNetClassifier((4,), n_iter=10, tol=None, random_state=0)
    fast = DeepNetClassifier((4,), n_iter=10, tol=None, learning_rate=10.0)
    fit_stack([net, fast], X, y)
    compare_initializers(net, X, y, n_repeats=1, cv=2, random_state=0)
    with stacked():
        GridSearchCV(net, {"learning_rate": [0.1, 10.0]}, cv=2).fit(X, y)
    LayerDisplay.from_estimator(net, X, y)
