"""Compare models on real tables: our ensembles, single networks, and their peers.

Every model is fitted on five folds of each table, with three seeds, on one thread. All
get the columns as they are, but for what needs a StandardScaler. Measured are accuracy
or R², log-loss, the area under the ROC curve where there are two classes, and the CPU
seconds of fit and predict.

Each result is a line of a file, so that a run can be interrupted and continued, and
another model added. A model is named by its label there: remove its lines (`--forget`)
after it has changed.

    python benchmarks/tables.py --n-jobs 2
    python benchmarks/tables.py --quick
    python benchmarks/tables.py --models RealMLP-TD-S TabM --seeds 1 --max-rows 5000
    python benchmarks/tables.py --recipes
"""

import json
import os
import time
import warnings
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from report import parser_of
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss, r2_score, roc_auc_score
from sklearn.model_selection import KFold, StratifiedKFold, train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from table_data import load_tables
from threadpoolctl import threadpool_limits

from sklearn_deepnet import (
    DeepNetClassifier,
    DeepNetEnsembleClassifier,
    DeepNetEnsembleRegressor,
    DeepNetRegressor,
)

RESULTS = Path("build/bench/tables.jsonl")


def scaled(model):
    return make_pipeline(StandardScaler(), model)


def scaled_targets(model):
    return TransformedTargetRegressor(scaled(model), transformer=StandardScaler())


def realmlp(seed, has_classes):
    from pytabkit import RealMLP_TD_S_Classifier, RealMLP_TD_S_Regressor

    make = RealMLP_TD_S_Classifier if has_classes else RealMLP_TD_S_Regressor
    return make(random_state=seed, n_threads=1, device="cpu")


def tabm(seed, has_classes):
    from pytabkit import TabM_D_Classifier, TabM_D_Regressor

    make = TabM_D_Classifier if has_classes else TabM_D_Regressor
    return make(random_state=seed, n_threads=1, device="cpu")


MODELS = {  # label: function of seed and has_classes
    "MLP": lambda seed, has_classes: (
        scaled(MLPClassifier(random_state=seed))
        if has_classes
        else scaled_targets(MLPRegressor(random_state=seed))
    ),
    "single": lambda seed, has_classes: (
        DeepNetClassifier if has_classes else DeepNetRegressor
    )(random_state=seed),
    "ensemble": lambda seed, has_classes: (
        DeepNetEnsembleClassifier if has_classes else DeepNetEnsembleRegressor
    )(random_state=seed),
    "boosting": lambda seed, has_classes: (
        HistGradientBoostingClassifier if has_classes else HistGradientBoostingRegressor
    )(random_state=seed),
    "forest": lambda seed, has_classes: (
        RandomForestClassifier if has_classes else RandomForestRegressor
    )(random_state=seed),
    "linear": lambda seed, has_classes: scaled(
        LogisticRegression(max_iter=1000) if has_classes else Ridge()
    ),
}
PEERS = {"RealMLP-TD-S": realmlp, "TabM": tabm}  # need the extra bench-tables


def folds_of(table, max_rows):
    """Yield the indices of training and test rows of five folds."""
    make = StratifiedKFold if table.has_classes else KFold
    rows = np.arange(len(table.y))
    if max_rows is not None and len(rows) > max_rows:
        stratify = table.y if table.has_classes else None
        rows, _ = train_test_split(
            rows, train_size=max_rows, stratify=stratify, random_state=0
        )
    splitter = make(5, shuffle=True, random_state=0)
    for train, test in splitter.split(table.X[rows], table.y[rows]):
        yield rows[train], rows[test]


def scores_of(model, table, test):
    """Return {measure: value} of a fitted model on the test rows."""
    X, y = table.X[test], table.y[test]
    if not table.has_classes:
        return {"score": r2_score(y, np.ravel(model.predict(X)))}
    p = np.asarray(model.predict_proba(X), float)
    p /= p.sum(axis=1, keepdims=True)
    found = {
        "score": float(np.mean(model.classes_[p.argmax(axis=1)] == y)),
        "log_loss": log_loss(y, p, labels=model.classes_),
    }
    if len(model.classes_) == 2:
        found["auc"] = roc_auc_score(y, p[:, 1])
    return found


def measure(label, make, name, table, seed, fold, train, test):
    """Return one line of the results."""
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        start = time.process_time()
        model = make(seed, table.has_classes).fit(table.X[train], table.y[train])
        fitted = time.process_time()
        scores = scores_of(model, table, test)
    times = {"fit": fitted - start, "predict": time.process_time() - fitted}
    about = {"model": label, "table": name, "seed": seed, "fold": fold}
    return about | {key: float(it) for key, it in (scores | times).items()}


def read(path):
    """Return the lines of a results file, without one that was cut off."""
    if not path.exists():
        return []
    lines = path.read_text().splitlines()
    return [json.loads(line) for line in lines if line.endswith("}")]


def run(models, tables, n_seeds, n_jobs, path, max_rows=None):
    """Compute what the file does not hold yet, and append it."""
    known = {(it["model"], it["table"], it["seed"], it["fold"]) for it in read(path)}
    path.parent.mkdir(parents=True, exist_ok=True)
    jobs = [
        delayed(measure)(label, make, name, table, seed, fold, train, test)
        for seed in range(n_seeds)
        for name, table in tables.items()
        for fold, (train, test) in enumerate(folds_of(table, max_rows))
        for label, make in models.items()
        if (label, name, seed, fold) not in known
    ]
    parallel = Parallel(n_jobs=n_jobs, return_as="generator_unordered")
    with path.open("a") as file:
        for line in parallel(jobs):
            print(json.dumps(line), file=file, flush=True)
