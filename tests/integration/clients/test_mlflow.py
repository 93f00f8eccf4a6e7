"""mlflow records fits and searches by itself, and restores models bit for bit."""

import time
from collections import namedtuple
from contextlib import nullcontext

import mlflow
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_deepnet import (
    DeepNetClassifier,
    DeepNetEnsembleClassifier,
    StackedGridSearchCV,
    StackedHalvingGridSearchCV,
    stacked,
)
from sklearn_deepnet.persistence import TRUSTED_TYPES
from tests.helpers import wine

NET = DeepNetClassifier((4,), n_iter=3, learning_rate=0.03, tol=None, random_state=0)
PIPELINE = make_pipeline(StandardScaler(), NET)
GRID = {"deepnetclassifier__learning_rate": [0.1, 0.001]}

Recorded = namedtuple("Recorded", "parents children files models")


@pytest.fixture(scope="module", autouse=True)
def _store(tmp_path_factory):
    """Record to a database of this module."""
    folder = tmp_path_factory.mktemp("mlflow")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        # mlflow loads a model in a process of its own to list the packages it needs.
        patch.setenv("MLFLOW_REQUIREMENTS_INFERENCE_TIMEOUT", "1")
        mlflow.set_tracking_uri(f"sqlite:///{folder}/runs.db")
        yield
        mlflow.set_tracking_uri(None)


def record(estimator, **options):
    """Fit an estimator under autolog, in an experiment of its own."""
    name = f"experiment {time.perf_counter_ns()}"
    experiment = mlflow.set_experiment(name).experiment_id
    mlflow.sklearn.autolog(silent=True, **options)
    try:
        estimator.fit(*wine())
    finally:
        mlflow.sklearn.autolog(disable=True, silent=True)
    runs = mlflow.search_runs([experiment], output_format="list")
    parents = [it for it in runs if "mlflow.parentRunId" not in it.data.tags]
    children = [it for it in runs if it not in parents]
    client = mlflow.MlflowClient()
    files = {
        it.path for run in parents for it in client.list_artifacts(run.info.run_id)
    }
    models = client.search_logged_models([experiment])
    return Recorded(parents, children, files, {it.name: it.model_uri for it in models})


# ---- searches


TOOLS = {
    "plain": (GridSearchCV, nullcontext),
    "context": (GridSearchCV, stacked),
    "class": (StackedGridSearchCV, nullcontext),
}


@pytest.fixture(scope="module")
def searches(_store):
    """Return each search, fitted, and what was recorded of it."""
    found = {}
    for tool, (cls, context) in TOOLS.items():
        search = cls(clone(PIPELINE), GRID, cv=2)
        with context():
            found[tool] = search, record(search, log_models=tool != "plain")
    return found


def contents(runs):
    """Return all that runs have recorded, but times, best candidate first."""
    found = [
        (
            run.info.status,
            run.data.params,
            {key: it for key, it in run.data.metrics.items() if "time" not in key},
        )
        for run in runs
    ]
    return sorted(found, key=lambda it: it[2].get("rank_test_score", 0))


@pytest.mark.parametrize("tool", ["context", "class"])
def test_a_stacked_search_is_recorded_like_one_of_scikit_learn(tool, searches):
    (search, recorded), (_, plain) = searches[tool], searches["plain"]
    (run,) = recorded.parents
    assert run.data.params["best_deepnetclassifier__learning_rate"] == "0.1"
    assert run.data.tags["estimator_name"] == type(search).__name__
    assert contents(recorded.parents) == contents(plain.parents)
    assert len(recorded.children) == 2
    assert contents(recorded.children) == contents(plain.children)
    for child in recorded.children:
        assert child.data.tags["mlflow.parentRunId"] == run.info.run_id
        assert child.data.tags["estimator_name"] == "Pipeline"
    assert recorded.files == plain.files >= {"cv_results.csv"}


@pytest.mark.parametrize("tool", ["context", "class"])
def test_the_fitted_search_is_recorded_as_a_model(tool, searches):
    X, _ = wine()
    search, recorded = searches[tool]
    loaded = {
        name: mlflow.sklearn.load_model(it) for name, it in recorded.models.items()
    }
    assert {*loaded} == {"model", "best_estimator"}
    assert type(loaded["model"]) is type(search)
    assert loaded["model"].best_params_ == search.best_params_
    for model in loaded.values():
        np.testing.assert_array_equal(model.predict_proba(X), search.predict_proba(X))


def test_a_halving_search_in_a_pipeline_is_recorded_as_one_run():
    """mlflow does not know halving searches, and would record fits of theirs."""
    halving = StackedHalvingGridSearchCV(
        clone(PIPELINE), GRID, min_resources=60, cv=2, random_state=0
    )
    model = make_pipeline(halving)
    recorded = record(model, log_models=False)
    (run,) = recorded.parents
    assert recorded.children == []
    assert run.data.metrics["training_accuracy_score"] == halving.score(*wine())


# ---- fits and models


@pytest.mark.parametrize("model", [NET, DeepNetEnsembleClassifier(random_state=0)])
def test_a_fit_is_recorded_in_a_pipeline_and_not_alone(model):
    """mlflow records the estimators that scikit-learn lists as its own."""
    model = clone(model)
    assert record(model, log_models=False).parents == []
    (run,) = record(make_pipeline(clone(model)), log_models=False).parents
    assert run.data.tags["estimator_name"] == "Pipeline"
    assert run.data.metrics["training_accuracy_score"] == model.score(*wine())


@pytest.mark.parametrize("serialization_format", ["skops", "cloudpickle"])
@pytest.mark.parametrize(
    "model", [NET, PIPELINE, DeepNetEnsembleClassifier(random_state=0)]
)
def test_a_logged_model_predicts_the_same_bits(model, serialization_format):
    X, y = wine()
    model = clone(model).fit(X, y)
    mlflow.set_experiment("models")
    with mlflow.start_run():
        info = mlflow.sklearn.log_model(
            model,
            name="model",
            serialization_format=serialization_format,
            skops_trusted_types=[*TRUSTED_TYPES],
            pip_requirements=[],
        )
    loaded = mlflow.sklearn.load_model(info.model_uri)
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    served = mlflow.pyfunc.load_model(info.model_uri)
    np.testing.assert_array_equal(served.predict(X), model.predict(X))
