"""optuna prunes trials within `fit`: the callback of ``examples/plot_pruning.py``."""

import runpy
import shutil
from pathlib import Path

import matplotlib
import optuna
import pytest
from optuna.pruners import ThresholdPruner
from optuna.trial import TrialState
from sklearn.base import clone

from sklearn_deepnet import DeepNetClassifier, DeepNetRegressor
from tests.helpers import assert_same_training, diabetes, in_two, wine

EXAMPLE = Path(__file__).parents[3] / "examples" / "plot_pruning.py"


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """The names that the example defines."""
    copy = shutil.copy(EXAMPLE, tmp_path_factory.mktemp("example"))
    before = matplotlib.get_backend(), optuna.logging.get_verbosity()
    matplotlib.use("agg")
    yield runpy.run_path(str(copy))
    matplotlib.use(before[0])
    optuna.logging.set_verbosity(before[1])


def test_pruned_trials_report_fewer_epochs_than_complete_ones(example):
    n_epochs = {state: [] for state in TrialState}
    for trial in example["study"].trials:
        assert [*trial.intermediate_values] == [
            *range(1, len(trial.intermediate_values) + 1)
        ]
        n_epochs[trial.state].append(len(trial.intermediate_values))
    assert {*n_epochs[TrialState.COMPLETE]} == {40}
    assert len(n_epochs[TrialState.PRUNED]) > 10
    assert max(n_epochs[TrialState.PRUNED]) < 40
    assert n_epochs[TrialState.FAIL] == []


def test_the_best_trial_equals_a_fit_of_its_parameters(example):
    study, network = example["study"], example["network"]
    train = example["X_train"], example["y_train"]
    held_out = {"X_val": example["X_val"], "y_val": example["y_val"]}
    net = network(**study.best_params).fit(*train, **held_out)
    assert net.validation_scores_[net.best_iter_] == study.best_value
    assert net.score(*held_out.values()) == study.best_value
    reported = [*study.best_trial.intermediate_values.values()]
    assert reported == net.validation_scores_


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize(
    ("estimator", "samples"), [(DeepNetClassifier, wine), (DeepNetRegressor, diabetes)]
)
def test_a_pruned_fit_is_one_of_fewer_epochs(estimator, samples, solver, example):
    X, y, held_out = in_two(*samples(), 100)
    net = estimator((8,), solver=solver, n_iter=9, tol=None, random_state=0)
    if solver == "adam":
        net.set_params(learning_rate=0.01)
    net.set_params(scoring="accuracy" if estimator is DeepNetClassifier else "r2")
    pruner = ThresholdPruner(lower=2, n_warmup_steps=4)  # no score is above 1
    trial = optuna.create_study(pruner=pruner).ask()
    callback = example["PruneTrial"](trial)
    pruned = clone(net).set_callbacks(callback).fit(X, y, **held_out)
    assert callback.is_pruned
    assert_same_training(pruned, net.set_params(n_iter=4).fit(X, y, **held_out))
