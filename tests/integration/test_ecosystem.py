"""The classifier inside everything that scikit-learn builds around a classifier."""

import json
import os
import pickle
import subprocess
import sys

import joblib
import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import AdaBoostClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import get_scorer, log_loss
from sklearn.model_selection import GridSearchCV, cross_validate, train_test_split
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_deepnet import DeepNetClassifier
from sklearn_deepnet._utils.sklearn_compat import DOCUMENTATION
from sklearn_deepnet.nn.activations import relu
from sklearn_deepnet.nn.initializers import he
from sklearn_deepnet.nn.losses import squared_error
from sklearn_deepnet.nn.optimizers import Adam
from tests.helpers import network_factory

short_net = network_factory(
    "hidden_layer_sizes", hidden_layer_sizes=(16,), learning_rate=0.01, n_iter=10
)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return train_test_split(X / 16, y, random_state=0)


@pytest.fixture(scope="module")
def cancer():
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    return train_test_split(X, y, random_state=0)


# ---- search and cross-validation


def search(digits, n_jobs):
    X, _, y, _ = digits
    grid = {
        "deepnetclassifier__init": ["zeros", "he"],
        "deepnetclassifier__hidden_layer_sizes": [(2,), (32,)],
    }
    model = make_pipeline(StandardScaler(), short_net())
    return GridSearchCV(model, grid, cv=3, n_jobs=n_jobs).fit(X, y)


@pytest.fixture(scope="module")
def searches(digits):
    return search(digits, n_jobs=1), search(digits, n_jobs=2)


@pytest.mark.slow
def test_grid_search_finds_the_wide_net_with_random_weights(searches, digits):
    _, X_test, _, y_test = digits
    found = searches[1]
    assert found.best_params_ == {
        "deepnetclassifier__init": "he",
        "deepnetclassifier__hidden_layer_sizes": (32,),
    }
    assert found.score(X_test, y_test) > 0.93
    zeros = found.cv_results_["param_deepnetclassifier__init"] == "zeros"
    assert found.cv_results_["mean_test_score"][zeros].max() < 0.2


@pytest.mark.slow
def test_grid_search_has_the_same_bits_whatever_n_jobs(searches, digits):
    one, two = searches
    for split in range(3):
        scores = f"split{split}_test_score"
        np.testing.assert_array_equal(one.cv_results_[scores], two.cv_results_[scores])
    X_test = digits[1]
    np.testing.assert_array_equal(one.predict_proba(X_test), two.predict_proba(X_test))


@pytest.mark.slow
def test_fits_in_worker_processes_have_the_bits_of_fits_here(digits):
    X, X_test, y, _ = digits
    net = short_net((64, 32), batch_size=None)
    here = net.fit(X, y).decision_function(X_test)
    fit = joblib.delayed(DeepNetClassifier.fit)
    for fitted in joblib.Parallel(n_jobs=2)(fit(clone(net), X, y) for _ in range(2)):
        np.testing.assert_array_equal(fitted.decision_function(X_test), here)


def test_cross_validate_scores_by_probabilities(cancer):
    X, _, y, _ = cancer
    model = make_pipeline(StandardScaler(), short_net(n_iter=40))
    scores = cross_validate(model, X, y, scoring=["roc_auc", "neg_log_loss"])
    assert scores["test_roc_auc"].mean() > 0.98
    assert scores["test_neg_log_loss"].mean() > -0.2


# ---- estimators that take estimators


@pytest.mark.slow
def test_calibration_mends_probabilities_of_an_overtrained_net(cancer):
    X, X_test, y, y_test = cancer
    net = short_net((50,), n_iter=300, learning_rate=0.01, alpha=0)
    model = make_pipeline(StandardScaler(), net).fit(X, y)
    calibrated = CalibratedClassifierCV(model).fit(X, y)
    assert calibrated.score(X_test, y_test) > 0.93
    raw_loss = log_loss(y_test, model.predict_proba(X_test))
    assert log_loss(y_test, calibrated.predict_proba(X_test)) < raw_loss


def test_one_versus_rest_trains_a_net_for_each_class(digits):
    X, X_test, y, y_test = digits
    model = OneVsRestClassifier(short_net()).fit(X, y)
    assert [net.n_outputs_ for net in model.estimators_] == [1] * 10
    assert model.score(X_test, y_test) > 0.9


def test_boosting_improves_on_a_weak_net(digits):
    X, X_test, y, y_test = digits
    weak = short_net((3,))
    boosted = AdaBoostClassifier(weak, n_estimators=10, random_state=0).fit(X, y)
    gain = boosted.score(X_test, y_test) - clone(weak).fit(X, y).score(X_test, y_test)
    assert gain > 0.1


@pytest.mark.slow
def test_a_frozen_net_is_not_fitted_again(digits):
    X, X_test, y, y_test = digits
    net = short_net(n_iter=20).fit(X, y)
    before = net.decision_function(X_test)
    calibrated = CalibratedClassifierCV(FrozenEstimator(net)).fit(X_test, y_test)
    np.testing.assert_array_equal(net.decision_function(X_test), before)
    assert calibrated.score(X_test, y_test) > 0.9


@pytest.mark.parametrize(
    "parameters",
    [
        {"hidden_layer_sizes": [3, 2], "activation": ["tanh", relu], "init": he},
        {"loss": squared_error, "solver": Adam(beta1=0.8), "dtype": np.float32},
        {"init": ["he", he], "random_state": 3},
        {
            "init": [np.ones((64, 16)), np.zeros(16), np.ones((16, 10)), np.zeros(10)],
            "input_scaling": None,
        },
    ],
)
def test_a_clone_trains_the_same_net(parameters, digits):
    X, X_test, y, _ = digits
    net = short_net(**parameters).fit(X, y)
    copy = clone(net)
    assert not hasattr(copy, "coefs_")
    np.testing.assert_equal(copy.get_params(), net.get_params())
    copy.fit(X, y)
    np.testing.assert_array_equal(
        copy.decision_function(X_test), net.decision_function(X_test)
    )


def test_a_clone_resumes_where_the_components_are_objects(digits):
    X, _, y, _ = digits
    net = clone(short_net(activation=relu, warm_start=True, n_iter=1)).fit(X, y)
    assert net.set_params(activation="relu").fit(X, y).n_iter_ == 2


# ---- files


@pytest.mark.parametrize("mmap_mode", [None, "r"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_joblib_gives_back_the_same_predictions(mmap_mode, dtype, tmp_path, digits):
    X, X_test, y, _ = digits
    net = short_net(dtype=dtype).fit(X, y)
    joblib.dump(net, tmp_path / "net.joblib")
    loaded = joblib.load(tmp_path / "net.joblib", mmap_mode=mmap_mode)
    assert loaded.coefs_[0].flags.writeable == (mmap_mode is None)
    np.testing.assert_array_equal(
        loaded.predict_proba(X_test), net.predict_proba(X_test)
    )


def test_a_net_in_a_memory_map_resumes_training(tmp_path, digits):
    X, _, y, _ = digits
    net = short_net(warm_start=True).fit(X, y)
    joblib.dump(net, tmp_path / "net.joblib")
    loaded = joblib.load(tmp_path / "net.joblib", mmap_mode="r")
    np.testing.assert_array_equal(loaded.fit(X, y).coefs_[0], net.fit(X, y).coefs_[0])


PREDICT = """
import json, pickle, sys
import numpy as np
net, X = pickle.load(sys.stdin.buffer)
print(json.dumps([net.predict(X).tolist(), net.predict_proba(X).tolist()]))
"""


@pytest.mark.slow
def test_a_pickle_predicts_the_same_in_a_fresh_interpreter(digits):
    X, X_test, y, _ = digits
    names = np.array(["zero", "one", "two", *"3456789"])
    net = short_net().fit(X, names[y])
    output = subprocess.run(
        [sys.executable, "-W", "error", "-c", PREDICT],
        input=pickle.dumps((net, X_test)),
        stdout=subprocess.PIPE,
        check=True,
        env=os.environ | {"PYTHONHASHSEED": "1"},
    ).stdout
    labels, p = json.loads(output)
    assert labels == net.predict(X_test).tolist()
    assert p == net.predict_proba(X_test).tolist()


# ---- metadata, names, displays


def test_sample_weight_is_routed_through_search_to_the_net(cancer):
    X, _, y, _ = cancer
    weight = np.where(y == 1, 1.0, 0.0)
    weight[np.flatnonzero(y == 0)[::20]] = 1  # hardly any row of class 0 counts
    with config_context(enable_metadata_routing=True):
        net = short_net().set_fit_request(sample_weight=True)
        scorer = get_scorer("accuracy").set_score_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        model = make_pipeline(scaler, net)
        grid = {"deepnetclassifier__learning_rate": [0.01]}
        found = GridSearchCV(model, grid, cv=2, scoring=scorer)
        found.fit(X, y, sample_weight=weight)
    net = clone(found.best_estimator_[-1])
    scaled = found.best_estimator_[0].transform(X)
    direct = net.fit(scaled, y, sample_weight=weight)
    np.testing.assert_array_equal(
        found.decision_function(X), direct.decision_function(scaled)
    )
    unweighted = clone(net).fit(scaled, y)
    assert direct.predict(scaled).mean() > unweighted.predict(scaled).mean() + 0.02


def test_classes_are_routed_to_partial_fit():
    with config_context(enable_metadata_routing=True):
        net = short_net().set_partial_fit_request(classes=True, sample_weight=False)
        requests = net.get_metadata_routing().partial_fit.requests
    assert {k: v for k, v in requests.items() if not k.endswith("_val")} == {
        "classes": True,
        "sample_weight": False,
    }


def test_names_of_features_are_kept_and_asked_for(cancer):
    X, X_test, y, _ = cancer
    net = short_net().fit(X, y)
    assert net.feature_names_in_.tolist() == X.columns.tolist()
    with pytest.raises(ValueError, match="The feature names should match those that"):
        net.predict(X_test[X_test.columns[::-1]])
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        net.predict(X_test.to_numpy())


def test_names_are_forgotten_by_a_fit_without_names(cancer):
    X, _, y, _ = cancer
    net = short_net().fit(X, y).fit(X.to_numpy(), y)
    assert not hasattr(net, "feature_names_in_")


def test_set_output_is_for_transformers_only(cancer):
    X, X_test, y, _ = cancer
    model = make_pipeline(StandardScaler(), short_net(n_iter=50))
    model.set_output(transform="pandas").fit(X, y)
    assert model[-1].feature_names_in_.tolist() == X.columns.tolist()
    assert type(model.predict_proba(X_test)) is np.ndarray
    assert not hasattr(model[-1], "set_output")


def test_representation_in_a_notebook_links_to_the_documentation(monkeypatch):
    address = "https://docs.example/"
    monkeypatch.setattr("sklearn_deepnet._utils.sklearn_compat.DOCUMENTATION", address)
    link = f"{address}api/generated/sklearn_deepnet.DeepNetClassifier.html"
    assert f'href="{link}"' in short_net()._repr_html_()


def test_representation_in_a_notebook_has_no_link_without_documentation():
    assert DOCUMENTATION == ""
    assert "sklearn_deepnet.DeepNetClassifier.html" not in short_net()._repr_html_()
