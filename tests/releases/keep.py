"""Write what this version saves, to be loaded by all that come after it.

Run once for each release, with that release installed:
``python tests/releases/keep.py > tests/releases/VERSION.json``.
"""

import json
import pickle
import sys
import tempfile
from base64 import b85encode
from pathlib import Path

from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris

import sklearn_deepnet as library

COMMON = {"n_iter": 5, "tol": None, "random_state": 0}
MODELS = {
    "classifier": (library.DeepNetClassifier((4,), **COMMON), load_iris),
    "in the middle of training": (
        library.DeepNetClassifier(
            (4,), dropout=0.1, early_stopping=True, warm_start=True, **COMMON
        ),
        load_iris,
    ),
    "regressor": (library.DeepNetRegressor((4,), **COMMON), load_diabetes),
    "float32 regressor on all rows": (
        library.DeepNetRegressor((4,), dtype="float32", solver="lbfgs", **COMMON),
        load_diabetes,
    ),
}
if hasattr(library, "DeepNetEnsembleClassifier"):
    member = library.DeepNetClassifier((4,), **COMMON)
    ensemble = library.DeepNetEnsembleClassifier(member, n_estimators=2, random_state=0)
    MODELS["ensemble"] = ensemble, load_iris


def keep(estimator, load):
    X, y = load(return_X_y=True)
    checkpoint = {}
    if hasattr(library, "Checkpoint") and not hasattr(estimator, "n_estimators"):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "fit")
            clone(estimator).fit(X, y, checkpoint=path)
            checkpoint["checkpoint"] = b85encode(path.read_bytes()).decode()
    estimator.fit(X, y)
    predict = getattr(estimator, "predict_proba", estimator.predict)
    kept = {"expected": predict(X[::10]).tolist(), **checkpoint}
    kept["pickle"] = b85encode(pickle.dumps(estimator, protocol=4)).decode()
    if hasattr(library, "save_model"):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "model")
            library.save_model(estimator, path)
            kept["file"] = b85encode(path.read_bytes()).decode()
    return kept


def search(path):
    """Search with a checkpoint, which saves the scores of all candidates."""
    network, load = MODELS["classifier"]
    grid = {"learning_rate": [0.001, 0.01]}
    found = library.StackedGridSearchCV(network, grid, cv=3)
    return found.fit(*load(return_X_y=True), checkpoint=path)


def keep_search():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "search")
        scores = search(path).cv_results_["mean_test_score"].tolist()
        return {"expected": scores, "file": b85encode(path.read_bytes()).decode()}


if __name__ == "__main__":
    models = {name: keep(*model) for name, model in MODELS.items()}
    saved = {"version": library.__version__, "models": models, "search": keep_search()}
    json.dump(saved, sys.stdout, indent=1)
    print()
