"""Stacked halving searches have scikit-learn's results, and train no epoch twice."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.datasets import load_breast_cancer
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import HalvingGridSearchCV, HalvingRandomSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_deepnet import (
    DeepNetClassifier,
    DeepNetRegressor,
    StackedHalvingGridSearchCV,
    StackedHalvingRandomSearchCV,
)
from sklearn_deepnet.nn.schedules import SCHEDULES, Cosine
from tests.helpers import diabetes, iris, network_factory
from tests.model_selection.helpers import assert_same_results

X, y = iris()
net_for = network_factory(hidden_layer_sizes=(6,))

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

GRID = {
    "init": ["zeros", "he", "xavier"],
    "learning_rate": [1e-3, 1e-2, 1e9],  # the last diverges
    "dropout": [0, 0.2],
}
EPOCHS = {"resource": "n_iter", "max_resources": 18, "factor": 3, "cv": 3}


def on_pipeline(parameters):
    return {f"deepnetclassifier__{name}": it for name, it in parameters.items()}


def assert_same_search(net, grid, X=X, y=y, **settings):
    """Return our search, which is to have the results of scikit-learn's."""
    settings = EPOCHS | settings
    ours = StackedHalvingGridSearchCV(net, grid, **settings).fit(X, y)
    assert_same_rounds(ours, HalvingGridSearchCV(net, grid, **settings).fit(X, y))
    return ours


def assert_same_rounds(ours, theirs):
    assert_same_results(ours, theirs)
    assert ours.n_candidates_ == theirs.n_candidates_
    assert ours.n_resources_ == theirs.n_resources_


@pytest.mark.slow
@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize(
    "settings",
    [
        {"tol": None},
        {"tol": 0.05, "n_iter_no_change": 2},  # some converge before a round is over
        {"early_stopping": True, "n_iter_no_change": 3},
        {"early_stopping": True, "scoring": "accuracy", "restore_best": False},
        {"schedule": "plateau", "tol": None},
        {"solver": "sgd", "batch_size": None, "dtype": "float32", "tol": None},
    ],
)
def test_survivors_equal_networks_trained_from_the_start(settings, n_jobs):
    net = net_for(**{"tol": 1e-4} | settings)
    ours = assert_same_search(net, GRID, n_jobs=n_jobs)
    assert len(ours.n_resources_) == 3


@pytest.mark.slow
def test_networks_in_pipelines_are_continued():
    X, y = load_breast_cancer(return_X_y=True)
    model = make_pipeline(StandardScaler(), DeepNetClassifier((4,), random_state=0))
    grid = on_pipeline(GRID) | {"standardscaler__with_std": [True, False]}
    assert_same_search(model, grid, X, y, resource="deepnetclassifier__n_iter")


def test_random_candidates_of_a_regressor_are_continued():
    X, y = diabetes()
    net = net_for(estimator=DeepNetRegressor)
    drawn = {"alpha": [1e-4, 1e-2, 1], "learning_rate": [1e-3, 1e-2, 3e-2]}
    settings = EPOCHS | {"min_resources": 2, "random_state": 0, "n_candidates": 5}
    weight = np.linspace(0, 1, len(y))
    ours = StackedHalvingRandomSearchCV(net, drawn, **settings)
    theirs = HalvingRandomSearchCV(net, drawn, **settings)
    assert_same_rounds(
        ours.fit(X, y, sample_weight=weight), theirs.fit(X, y, sample_weight=weight)
    )


@pytest.mark.slow
def test_rows_as_the_resource_are_scikit_learns():
    net = net_for(n_iter=10)
    settings = {"cv": 3, "random_state": 0}
    ours = StackedHalvingGridSearchCV(net, GRID, **settings).fit(X, y)
    assert_same_rounds(ours, HalvingGridSearchCV(net, GRID, **settings).fit(X, y))


@pytest.mark.slow
def test_repeated_rounds_of_the_same_resource_are_scikit_learns():
    net = net_for()
    ours = assert_same_search(net, GRID, min_resources=6, aggressive_elimination=True)
    assert ours.n_resources_ == [6, 6, 18]


def test_lbfgs_is_trained_from_the_start():
    net = net_for(solver="lbfgs", estimator=DeepNetRegressor, tol=1e-5)
    assert_same_search(net, {"alpha": [1e-4, 1.0, 30.0]}, *diabetes())


class Fewer:
    """A schedule that falls with every call, whatever the epoch."""

    n_calls = 0

    def __call__(self, t):
        self.n_calls += 1
        return 0.8**self.n_calls


class FallingToTheEnd:
    """Depends on `n_iter`, and does not say so."""

    def factor_at(self, epoch, state):
        return 1 - epoch / state.n_epochs


EPOCHS_TRAINED = []


def noting(t):
    EPOCHS_TRAINED.append(t)
    return 1.0


def test_no_epoch_is_trained_twice():
    EPOCHS_TRAINED.clear()
    net = net_for(schedule=noting)
    grid = {"learning_rate": [1e-4, 1e-3, 1e-2], "init": ["he", "xavier", "lecun"]}
    search = StackedHalvingGridSearchCV(net, grid, refit=False, **EPOCHS).fit(X, y)
    assert (search.n_candidates_, search.n_resources_) == ([9, 3, 1], [2, 6, 18])
    assert len(EPOCHS_TRAINED) == 3 * (9 * 2 + 3 * (6 - 2) + 1 * (18 - 6))


def assert_same_as_scikit_learns(estimator, prefix="", **settings):
    grid = {"learning_rate": [1e-3, 1e-2, 1e-1], "init": ["he", "xavier", "lecun"]}
    grid = {prefix + name: values for name, values in grid.items()}
    settings = EPOCHS | {"resource": f"{prefix}n_iter"} | settings
    found = []
    for search in (StackedHalvingGridSearchCV, HalvingGridSearchCV):
        Round.number = 0
        found.append(search(estimator, grid, **settings).fit(X, y))
    assert_same_rounds(*found)


@pytest.mark.slow
@pytest.mark.parametrize(
    "schedule",
    [*SCHEDULES, Cosine(horizon=10), FallingToTheEnd(), Fewer()],
    ids=[*SCHEDULES, "Cosine(horizon=10)", "FallingToTheEnd()", "Fewer()"],
)
def test_scores_are_scikit_learns_with_every_schedule(schedule):
    net = net_for(schedule=schedule)
    assert_same_as_scikit_learns(net)


class Round(KFold):
    """Knows the number of the round; folds may change from one to the next."""

    number = 0

    def __init__(self, changes):
        super().__init__(3, shuffle=True, random_state=0)
        self.changes = changes

    def split(self, X, y=None, groups=None):
        Round.number += 1
        self.random_state = Round.number * self.changes
        return super().split(X, y, groups)


class NewEveryRound(TransformerMixin, BaseEstimator):
    """Divides by another number in every round, as a step that draws would."""

    def fit(self, X, y=None):
        self.scale_ = Round.number
        return self

    def transform(self, X):
        return X / self.scale_


@pytest.mark.slow
@pytest.mark.parametrize("what", ["folds", "step"])
def test_networks_on_other_data_than_before_are_restarted(what):
    net = net_for()
    if what == "folds":
        assert_same_as_scikit_learns(net, cv=Round(changes=True))
    else:
        model, cv = make_pipeline(NewEveryRound(), net), Round(changes=False)
        assert_same_as_scikit_learns(model, "deepnetclassifier__", cv=cv)


@pytest.mark.slow
def test_a_scorer_that_fits_does_not_change_survivors():
    def fitted_anew(estimator, X, y):
        score = estimator.score(X, y)
        estimator.fit(10 * X + 1, y)
        return score

    net = net_for()
    assert_same_as_scikit_learns(net, scoring=fitted_anew)


@pytest.mark.parametrize("tol", [None, 10.0])  # the second converges in the first round
def test_a_scorer_that_changes_weights_in_place_does_not_change_survivors(tol):
    def erases(estimator, X, y):
        score = estimator.score(X, y)
        for weights in estimator.coefs_ + estimator.intercepts_:
            weights[...] = 0
        return score

    net = net_for(tol=tol, n_iter_no_change=1)
    assert_same_as_scikit_learns(net, scoring=erases)


def test_a_candidate_that_fails_scores_nan_in_every_round():
    net = net_for()
    grid = {"learning_rate": [1e-3, 1e-2], "init": ["he", "hee"]}
    settings = EPOCHS | {"factor": 2, "max_resources": 8}
    found = []
    for search in (StackedHalvingGridSearchCV, HalvingGridSearchCV):
        with pytest.warns(Warning, match="fits failed|non-finite"):
            found.append(search(net, grid, **settings).fit(X, y))
    assert_same_rounds(*found)


def test_the_best_network_has_the_parameters_of_the_search():
    net = net_for()
    grid = {"learning_rate": [1e-3, 1e-2, 1e-1]}
    search = StackedHalvingGridSearchCV(net, grid, **EPOCHS).fit(X, y)
    assert search.best_estimator_.n_iter == 18
    assert search.best_estimator_.n_iter_ == 18
    assert not search.best_estimator_.warm_start
    assert search.best_estimator_._training_state is None
