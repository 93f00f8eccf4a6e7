"""Settings of components are parameters of the network, such as ``solver__beta1``."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_deepnet import (
    DeepNetClassifier,
    DeepNetEnsembleRegressor,
    DeepNetRegressor,
    StackedGridSearchCV,
    StackedHalvingGridSearchCV,
    load_model,
    save_model,
)
from sklearn_deepnet._serialization.fingerprint import fingerprint
from sklearn_deepnet.nn.numeric_features import PeriodicFeatures
from sklearn_deepnet.nn.optimizers import SGD, Adam, Momentum
from sklearn_deepnet.nn.schedules import Step
from tests.helpers import assert_same_training, iris, network_factory, raises

X, y = iris()
net = network_factory("solver", hidden_layer_sizes=(4,), n_iter=5)
ADAM = "solver=Adam(beta1=0.9, beta2=0.999, epsilon=1e-08)"
GRID = {"solver__beta1": [0.5, 0.9], "schedule__every": [1, 3]}


@dataclass
class Mine:
    """A user's own optimizer, which can be changed."""

    power: float = 1.0
    n_moments: ClassVar[int] = 0
    decouples_decay: ClassVar[bool] = False

    def step(self, buffers, learning_rate, n_steps):
        buffers.params[...] -= learning_rate**self.power * buffers.gradient


@pytest.mark.parametrize("cls", [DeepNetClassifier, DeepNetRegressor])
def test_settings_are_deep_parameters(cls):
    features = PeriodicFeatures(scale=0.2)
    made = cls(solver=Adam(), schedule=Step(every=2), numeric_features=features)
    shallow, deep = made.get_params(deep=False), made.get_params()
    assert {name: deep[name] for name in deep.keys() - shallow.keys()} == {
        "solver__beta1": 0.9,
        "solver__beta2": 0.999,
        "solver__epsilon": 1e-8,
        "schedule__every": 2,
        "schedule__factor": 0.5,
        "numeric_features__n_frequencies": 4,
        "numeric_features__scale": 0.2,
    }
    assert cls().get_params() == cls().get_params(deep=False)


def test_a_setting_is_set_on_a_new_object():
    solver = Adam()
    first, second = net(solver), net(solver)
    assert first.set_params(solver__beta1=0.5, alpha=0.1) is first
    assert (first.solver, first.alpha) == (Adam(beta1=0.5), 0.1)
    assert second.solver is solver
    assert solver == Adam()


def test_clones_are_independent():
    for solver in (Adam(), Mine()):
        first = net(solver)
        copied = clone(first)
        name = "beta1" if isinstance(solver, Adam) else "power"
        copied.set_params(**{f"solver__{name}": 0.5})
        assert getattr(first.solver, name) != 0.5
        assert getattr(copied.solver, name) == 0.5
        assert first.solver is solver


def test_a_setting_may_be_set_beside_its_component():
    made = net().set_params(solver__momentum=0.5, solver=Momentum())
    assert made.solver == Momentum(momentum=0.5)


@pytest.mark.parametrize(
    ("solver", "params", "message"),
    [
        (
            Adam(),
            {"solver__beta": 0.5},
            f"solver__beta cannot be set, since {ADAM} has no setting 'beta'. Did you "
            "mean 'beta2'?",
        ),
        (
            Adam(),
            {"alpha": 0.5, "solver__momentum": 0.5},
            f"solver__momentum cannot be set, since {ADAM} has no setting 'momentum'. "
            "Its settings are ['beta1', 'beta2', 'epsilon'].",
        ),
        (Adam(), {"solver__beta1": 2.0}, "beta1 must be in [0, 1). Got 2.0 instead."),
        (
            SGD(),
            {"solver__beta1": 0.5},
            "solver__beta1 cannot be set, since solver=SGD() has no parameters. Set "
            "solver to an object that has the settings that you want.",
        ),
    ],
)
def test_other_settings_are_explained(solver, params, message):
    made = net(solver)
    before = made.get_params()
    with raises(message):
        made.set_params(**params)
    assert made.get_params() == before


def test_stacked_search_equals_the_search_of_scikit_learn(tmp_path):
    made = net(Adam(), schedule=Step(every=2), learning_rate=0.05)
    usual = GridSearchCV(made, GRID, cv=2).fit(X, y)
    stacked = StackedGridSearchCV(made, GRID, cv=2)
    for _ in range(2):
        stacked.fit(X, y, checkpoint=tmp_path / "search")
        scores = [it.cv_results_["mean_test_score"] for it in (usual, stacked)]
        np.testing.assert_array_equal(*scores)
    solver = Adam(beta1=usual.best_params_["solver__beta1"])
    assert stacked.best_estimator_.solver == solver
    assert made.solver == Adam()


def test_halving_continues_with_the_setting():
    options = {"resource": "n_iter", "min_resources": 4, "max_resources": 8, "cv": 2}
    grid = {"solver__beta1": [0.1, 0.5, 0.9]}
    made = net(Adam(), learning_rate=0.05)
    search = StackedHalvingGridSearchCV(made, grid, factor=2, **options).fit(X, y)
    best = net(Adam(**{"beta1": search.best_params_["solver__beta1"]}))
    best.set_params(learning_rate=0.05, n_iter=search.best_params_["n_iter"])
    assert_same_training(search.best_estimator_, best.fit(X, y))


def test_settings_are_reached_through_pipelines_and_ensembles():
    model = make_pipeline(StandardScaler(), net(Adam()))
    model.set_params(deepnetclassifier__solver__beta1=0.5)
    assert model[-1].solver == Adam(beta1=0.5)
    ensemble = DeepNetEnsembleRegressor(DeepNetRegressor(solver=Adam()))
    ensemble.set_params(estimator__solver__beta1=0.5)
    assert ensemble.get_params()["estimator__solver__beta1"] == 0.5


def test_files_are_those_of_a_network_with_this_component(tmp_path):
    changed = net(Adam()).set_params(solver__beta1=0.5).fit(X, y)
    made = net(Adam(beta1=0.5)).fit(X, y)
    assert fingerprint(changed) == fingerprint(made)
    save_model(changed, tmp_path / "net")
    assert load_model(tmp_path / "net").get_params() == made.get_params()


def test_the_representations_show_the_component_alone():
    made = net(Adam(beta1=0.5))
    assert "solver__" not in repr(made)
    for shown in (made, make_pipeline(StandardScaler(), made)):
        html = shown._repr_html_()
        assert "solver__" not in html
        assert "beta1=0.5" in html
