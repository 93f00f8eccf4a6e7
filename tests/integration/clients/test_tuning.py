"""optuna, FLAML, hyperopt and Bayesian optimization tune networks."""

import numpy as np
import optuna
import pytest
from bayes_opt import BayesianOptimization
from flaml import tune
from flaml.automl import AutoML
from flaml.automl.model import SKLearnEstimator
from hyperopt import fmin, hp, tpe
from optuna_integration import OptunaSearchCV
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from skopt import BayesSearchCV
from skopt.space import Real

from sklearn_deepnet import DeepNetClassifier, stacked
from tests.helpers import assert_same_weights, wine

NET = DeepNetClassifier((6,), n_iter=10, tol=None, random_state=0)


def score_at(learning_rate):
    X, y = wine()
    net = clone(NET).set_params(learning_rate=learning_rate)
    return cross_val_score(net, X, y, cv=3).mean()


@pytest.fixture
def quiet():
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(before)


def test_the_best_value_of_optuna_is_that_of_its_parameters(quiet):
    def objective(trial):
        return score_at(trial.suggest_float("learning_rate", 1e-5, 1, log=True))

    sampler = optuna.samplers.TPESampler(seed=0)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(objective, n_trials=12)
    assert study.best_value == score_at(**study.best_params) > 0.9
    with stacked():
        assert study.best_value == score_at(**study.best_params)


@pytest.mark.parametrize("is_stacked", [False, True])
def test_the_search_of_optuna_refits_its_best_parameters(is_stacked, stacks, quiet):
    X, y = wine()
    space = {"learning_rate": optuna.distributions.FloatDistribution(1e-4, 1, log=True)}
    search = OptunaSearchCV(clone(NET), space, cv=3, n_trials=5, random_state=0)
    if is_stacked:
        with stacked():
            search.fit(X, y)
        assert max(stacks) == 2  # the two folds of a trial that have as many rows
    else:
        search.fit(X, y)
    expected = clone(NET).set_params(**search.best_params_).fit(X, y)
    assert_same_weights(search.best_estimator_, expected)
    assert search.best_score_ == score_at(**search.best_params_)


class FLAMLNetwork(SKLearnEstimator):
    """A learner of FLAML: a search space, and the class of the estimator."""

    def __init__(self, task="binary", **config):
        super().__init__(task, **config)
        self.params = {"n_iter": 10, "tol": None, "random_state": 0} | {
            key: self.params[key] for key in ("learning_rate", "hidden_layer_sizes")
        }
        self.estimator_class = DeepNetClassifier

    @classmethod
    def search_space(cls, data_size, task):
        return {
            "learning_rate": {"domain": tune.loguniform(1e-4, 0.3), "init_value": 0.01},
            "hidden_layer_sizes": {"domain": tune.choice([6, 12]), "init_value": 6},
        }


def test_flaml_searches_networks_as_a_learner():
    X, y = wine()
    automl = AutoML()
    automl.add_learner("network", FLAMLNetwork)
    automl.fit(
        X,
        y,
        task="classification",
        metric="log_loss",
        estimator_list=["network"],
        max_iter=5,
        time_budget=-1,
        eval_method="cv",
        n_splits=3,
        n_jobs=1,
        seed=0,
        verbose=0,
    )
    assert automl.best_estimator == "network"
    assert automl.score(X, y) > 0.9
    fitted = automl.model.estimator
    again = clone(fitted).set_params(**automl.best_config)
    assert again.get_params() == fitted.get_params()
    np.testing.assert_array_equal(automl.predict_proba(X), fitted.predict_proba(X))


def test_the_best_of_hyperopt_is_the_lowest_of_its_trials():
    tried = {}

    def objective(learning_rate):
        tried[learning_rate] = -score_at(learning_rate)
        return tried[learning_rate]

    best = fmin(
        objective,
        hp.loguniform("learning_rate", -10, 0),
        algo=tpe.suggest,
        max_evals=8,
        rstate=np.random.default_rng(0),
        show_progressbar=False,
    )
    assert len(tried) == 8
    assert -score_at(best["learning_rate"]) == min(tried.values())


def test_the_best_of_bayesian_optimization_is_that_of_its_parameters():
    optimizer = BayesianOptimization(
        lambda exponent: score_at(10**exponent),
        {"exponent": (-5, 0)},
        random_state=0,
        verbose=0,
    )
    optimizer.maximize(init_points=3, n_iter=3)
    assert optimizer.max["target"] == score_at(
        10 ** optimizer.max["params"]["exponent"]
    )


@pytest.mark.parametrize("is_stacked", [False, True])
def test_the_search_of_scikit_optimize_refits_its_best_parameters(is_stacked, stacks):
    X, y = wine()
    space = {"learning_rate": Real(1e-4, 1, prior="log-uniform")}
    search = BayesSearchCV(clone(NET), space, n_iter=4, cv=3, random_state=0)
    if is_stacked:
        with stacked():
            search.fit(X, y)
        assert max(stacks) == 2  # the two folds of a trial that have as many rows
    else:
        search.fit(X, y)
    expected = clone(NET).set_params(**search.best_params_).fit(X, y)
    assert_same_weights(search.best_estimator_, expected)
    assert search.best_score_ == score_at(**search.best_params_)
