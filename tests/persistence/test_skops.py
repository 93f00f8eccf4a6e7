"""skops saves every estimator, and needs to trust no types but `TRUSTED_TYPES`."""

from importlib import import_module

import numpy as np
import pytest
import skops.io
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sklearn_deepnet
from sklearn_deepnet import (
    DeepNetClassifier,
    DeepNetEnsembleClassifier,
    DeepNetEnsembleRegressor,
    DeepNetRegressor,
    StackedGridSearchCV,
    StackedHalvingGridSearchCV,
    StackedHalvingRandomSearchCV,
    StackedRandomizedSearchCV,
)
from sklearn_deepnet.nn.numeric_features import NUMERIC_FEATURES
from sklearn_deepnet.nn.optimizers import SOLVERS
from sklearn_deepnet.nn.schedules import SCHEDULES, Custom
from sklearn_deepnet.persistence import TRUSTED_TYPES
from tests.helpers import iris

X, y = iris()
COMMON = {"n_iter": 3, "tol": None, "random_state": 0}
NET, NUMBERS = DeepNetClassifier((4,), **COMMON), DeepNetRegressor((4,), **COMMON)
GRID = {"alpha": [0.0, 1.0]}
HALVED = {"cv": 2, "min_resources": 40, "factor": 2, "random_state": 0}
ESTIMATORS = {
    "classifier": NET,
    "regressor": NUMBERS,
    "warm start": DeepNetClassifier(
        (4,), early_stopping=True, warm_start=True, **COMMON, dtype=np.float32
    ),
    "ensemble": DeepNetEnsembleClassifier(NET, n_estimators=2, random_state=0),
    "ensemble of regressors": DeepNetEnsembleRegressor(NUMBERS, n_estimators=2),
    "pipeline": make_pipeline(StandardScaler(), NET),
    "grid": StackedGridSearchCV(NET, GRID, cv=2),
    "drawn": StackedRandomizedSearchCV(NET, GRID, n_iter=2, cv=2),
    "halved": StackedHalvingGridSearchCV(NET, GRID, **HALVED),
    "halved draws": StackedHalvingRandomSearchCV(NET, GRID, n_candidates=2, **HALVED),
}
ESTIMATORS |= {
    f"solver {name}": DeepNetClassifier((4,), solver=make(), **COMMON)
    for name, make in SOLVERS.items()
}
SETTINGS = {"step": {"every": 2, "factor": 0.5}}
ESTIMATORS |= {
    f"schedule {name}": DeepNetClassifier(
        (4,), schedule=make(**SETTINGS.get(name, {})), **COMMON
    )
    for name, make in SCHEDULES.items()
    if make is not Custom
}
ESTIMATORS |= {
    f"numeric features {name}": DeepNetClassifier(
        (4,), numeric_features=make(), **COMMON
    )
    for name, make in NUMERIC_FEATURES.items()
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_estimators_are_loaded_with_the_trusted_types(name):
    fitted = ESTIMATORS[name].fit(X, y)
    data = skops.io.dumps(fitted)
    asked = set(skops.io.get_untrusted_types(data=data))
    assert any(text.startswith("sklearn_deepnet.") for text in asked)
    others = asked - {*TRUSTED_TYPES}
    if hasattr(fitted, "cv_results_"):  # which holds a scorer and a splitter
        assert all(text.startswith("sklearn.") for text in others)
    else:
        assert not others
    loaded = skops.io.loads(data, trusted=[*TRUSTED_TYPES, *others])
    predict = "predict_proba" if hasattr(fitted, "classes_") else "predict"
    np.testing.assert_array_equal(
        getattr(loaded, predict)(X), getattr(fitted, predict)(X)
    )


def test_warm_start_resumes_after_loading():
    whole = DeepNetClassifier((4,), **COMMON | {"n_iter": 6}).fit(X, y)
    half = DeepNetClassifier((4,), warm_start=True, **COMMON).fit(X, y)
    loaded = skops.io.loads(skops.io.dumps(half), trusted=[*TRUSTED_TYPES])
    np.testing.assert_array_equal(loaded.fit(X, y).coefs_[0], whole.coefs_[0])


def test_every_trusted_type_exists():
    for name in TRUSTED_TYPES:
        module, _, attribute = name.rpartition(".")
        found = getattr(import_module(module), attribute)
        assert f"{found.__module__}.{found.__name__}" == name


def test_every_public_estimator_is_trusted():
    for name in sklearn_deepnet.__all__:
        cls = getattr(sklearn_deepnet, name)
        if hasattr(cls, "get_params"):
            assert f"{cls.__module__}.{cls.__qualname__}" in TRUSTED_TYPES
