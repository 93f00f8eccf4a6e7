"""Networks in scikit-learn's own searches: bad candidates, Ctrl-C, validation data."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import FitFailedWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_deepnet import DeepNetRegressor, DivergenceWarning
from tests.helpers import cancer, diabetes, network_factory, wine

net_for = network_factory(
    "n_iter", hidden_layer_sizes=(8, 6), learning_rate=0.01, n_iter=6
)


def fails(shape, rng):
    raise RuntimeError("no weights today")


# ---- bad candidates


@pytest.mark.parametrize("batch_size", [None, 50])
@pytest.mark.parametrize(
    "parameters", [{}, {"early_stopping": True}, {"validation_fraction": 0.2}]
)
def test_a_candidate_that_diverges_is_scored_as_it_stands(parameters, batch_size):
    X, y = cancer()
    net = net_for(solver="sgd", batch_size=batch_size, **parameters)
    rates = [0.1, 1e5, 1e150]
    search = GridSearchCV(net, {"learning_rate": rates}, cv=3, error_score=-1.0)
    with pytest.warns(DivergenceWarning):
        search.fit(X, y)
    scores = np.array([search.cv_results_[f"split{i}_test_score"] for i in range(3)])
    assert np.isfinite(scores).all()
    assert scores.min() >= 0  # so none has failed
    assert search.best_params_ == {"learning_rate": 0.1}
    with pytest.warns(DivergenceWarning):
        alone = cross_val_score(net.set_params(learning_rate=1e150), X, y, cv=3)
    np.testing.assert_array_equal(scores[:, 2], alone)


@pytest.mark.parametrize("scoring", ["accuracy", "neg_log_loss", "roc_auc"])
def test_a_candidate_that_diverges_under_scoring_is_scored_as_it_stands(scoring):
    X, y = cancer()
    net = net_for(solver="sgd", scoring=scoring, early_stopping=True)
    search = GridSearchCV(
        net, {"learning_rate": [0.1, 1e150]}, cv=3, scoring=scoring, error_score="raise"
    )
    with pytest.warns(DivergenceWarning):
        search.fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_a_regressor_that_diverges_is_scored_as_it_stands():
    X, y = diabetes()
    net = net_for(estimator=DeepNetRegressor, solver="sgd")
    search = GridSearchCV(net, {"learning_rate": [0.1, 1e9]}, cv=3, error_score="raise")
    with pytest.warns(DivergenceWarning):
        search.fit(X, y)
    scores = search.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all()
    assert scores[1] > -1e3  # of the last finite weights, not of those that diverged
    assert search.best_params_ == {"learning_rate": 0.1}


@pytest.mark.parametrize(
    "bad",
    [
        {"init": [fails]},
        {"init": ["hee"]},
        {"batch_size": [0]},
        {"schedule": [lambda t: -1.0]},
        {"dropout": [[0.1, 0.2, 0.3]]},
        {"loss": ["poisson"]},
    ],
)
@pytest.mark.parametrize("error_score", [np.nan, -7.0])
def test_a_candidate_that_fails_has_the_error_score(bad, error_score):
    X, y = wine()
    net = net_for(30)
    good = {name: [getattr(net, name)] for name in bad}
    search = GridSearchCV(net, [good, bad], cv=3, error_score=error_score)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search.fit(X, y)
    assert [w.category for w in caught if "3 fits failed" in str(w.message)] == [
        FitFailedWarning
    ]
    scores = search.cv_results_["mean_test_score"]
    assert scores[0] > 0.9
    np.testing.assert_array_equal(scores[1], error_score)
    assert search.best_index_ == 0


def test_an_impossible_split_has_the_error_score():
    X, y = wine()
    rows = np.r_[0:60, 60:120, 130:133]  # three of class 2
    net = net_for(early_stopping=True)
    result = cross_validate(net, X[rows], y[rows], cv=3)
    assert np.isfinite(result["test_score"]).all()
    with pytest.warns(
        FitFailedWarning, match="two samples of each class, .* but class 2"
    ):
        result = cross_validate(net, X[rows], y[rows], cv=2, error_score=-7.0)
    assert np.count_nonzero(result["test_score"] == -7.0) == 1


# ---- Ctrl-C


def test_an_interrupt_ends_the_search():
    X, y = wine()
    calls = []

    def init(shape, rng):
        calls.append(shape)
        if len(calls) == 5:  # in the second fit
            raise KeyboardInterrupt
        return rng.randn(*shape)

    search = GridSearchCV(net_for(init=init), {"alpha": [0, 1]}, cv=3)
    with pytest.raises(KeyboardInterrupt):
        search.fit(X, y)
    assert len(calls) == 5
    assert not hasattr(search, "cv_results_")


def test_an_interrupt_amid_training_ends_the_search():
    X, y = wine()
    calls = []

    def schedule(t):
        calls.append(t)
        if len(calls) == 13:  # in the second fit
            raise KeyboardInterrupt
        return 1.0

    search = GridSearchCV(net_for(schedule=schedule), {"alpha": [0, 1]}, cv=3)
    with pytest.raises(KeyboardInterrupt):
        search.fit(X, y)
    assert len(calls) == 13


# ---- what searches need


@pytest.mark.slow
def test_scores_are_the_same_whatever_n_jobs():
    X, y = wine()
    grid = {"dropout": [0.0, 0.3], "schedule": ["constant", "cosine"]}
    net = net_for(early_stopping=True, batch_size=32)
    scores = [
        GridSearchCV(net, grid, cv=3, n_jobs=n_jobs).fit(X, y).cv_results_
        for n_jobs in (1, 2)
    ]
    for i in range(3):
        name = f"split{i}_test_score"
        np.testing.assert_array_equal(scores[0][name], scores[1][name])


def test_validation_data_given_in_a_search_are_sliced_only_if_as_long_as_x():
    X, y = wine()
    X_val, y_val = X[::3], y[::3]
    search = GridSearchCV(net_for(4), {"alpha": [0.0, 1.0]}, cv=3, refit=True)
    search.fit(X, y, X_val=X_val, y_val=y_val)
    net = net_for(4, **search.best_params_).fit(X, y, X_val=X_val, y_val=y_val)
    found = search.best_estimator_.validation_loss_curve_
    assert found == net.validation_loss_curve_


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_halving_may_have_epochs_as_the_resource():
    X, y = wine()
    search = HalvingGridSearchCV(
        make_pipeline(StandardScaler(), net_for()),
        {"deepnetclassifier__learning_rate": [1e-5, 1e-3, 1e-2, 1e-1]},
        resource="deepnetclassifier__n_iter",
        min_resources=2,
        max_resources=20,
        factor=2,
        cv=3,
        random_state=0,
    ).fit(X, y)
    assert search.best_estimator_[-1].n_iter_ == search.n_resources_[-1] == 8
    assert search.best_params_["deepnetclassifier__learning_rate"] > 1e-5
