"""Compare ensembles of ten networks, ours and bagged MLPClassifiers, and single ones.

All networks use their defaults behind a StandardScaler, on the same five folds, for
several values of random_state. This measures mean accuracy and log-loss on the test
rows, and the seconds of a fit on one thread. All are fitted in turn for every fold and
seed, so that other load on the machine slows all of them alike.

The benchmark reports whether this rule holds: on the mean over tables our ensemble is
at least as accurate as the bagged one, and on each table its log-loss is below that of
a single network.

    python benchmarks/ensembles.py --tables DIR --seeds 3
    python benchmarks/ensembles.py --only iris --quick
"""

import os
import time
import warnings
from pathlib import Path

import numpy as np
from accuracy import load_tables, standard_error
from report import machine_line, markdown, parser_of, save
from sklearn.base import clone
from sklearn.datasets import make_circles
from sklearn.ensemble import BaggingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from sklearn_deepnet import DeepNetClassifier, DeepNetEnsembleClassifier

OURS, BAGGED, SINGLE = "our ensemble", "bagged MLPs", "DeepNetClassifier"
MODELS = {
    OURS: DeepNetEnsembleClassifier(DeepNetClassifier(), n_estimators=10),
    "our ensemble, bootstrap": DeepNetEnsembleClassifier(
        DeepNetClassifier(), n_estimators=10, bootstrap=True
    ),
    BAGGED: BaggingClassifier(MLPClassifier()),
    SINGLE: DeepNetClassifier(),
    "MLPClassifier": MLPClassifier(),
}
MEASURES = {"accuracy, %": "{:.2f}", "log-loss": "{:.4f}", "seconds a fit": "{:.2f}"}
QUICK = {
    "n_iter": 5,
    "max_iter": 5,
    "estimator__max_iter": 5,
    "estimator": DeepNetClassifier(n_iter=5),
}


def quickly(model):
    """Return the model with few epochs."""
    known = model.get_params()
    if isinstance(model, BaggingClassifier):
        known.pop("estimator")
    given = {name: value for name, value in QUICK.items() if name in known}
    return clone(model).set_params(**given)


def measure(model, seed, X, y, train, test):
    """Return accuracy in %, log-loss and the seconds of the fit."""
    pipeline = make_pipeline(
        StandardScaler(), clone(model).set_params(random_state=seed)
    )
    start = time.perf_counter()
    pipeline.fit(X[train], y[train])
    seconds = time.perf_counter() - start
    p = pipeline.predict_proba(X[test])
    accuracy = np.mean(pipeline.classes_[p.argmax(axis=1)] == y[test])
    return 100 * accuracy, log_loss(y[test], p, labels=pipeline.classes_), seconds


def run(models, X, y, n_seeds):
    """Return {label: array of (seed, fold, measure)}."""
    found = {label: [] for label in models}
    folds = list(StratifiedKFold(5, shuffle=True, random_state=0).split(X, y))
    for seed in range(n_seeds):
        for train, test in folds:
            for label, model in models.items():
                found[label].append(measure(model, seed, X, y, train, test))
    return {label: np.reshape(rows, (n_seeds, 5, 3)) for label, rows in found.items()}


def by_seed(found, label, number):
    """Return a measure for each seed: the mean over folds, or the median of times."""
    over_folds = np.median if number == 2 else np.mean
    return over_folds(found[label][..., number], axis=1)


def table_of(results, number, form):
    """Return the table of one measure: a row for each data set and one for the mean."""
    rows, means = [], []
    for name, found in results.items():
        values = [by_seed(found, label, number) for label in MODELS]
        means.append(values)
        rows.append((name, *(form.format(v.mean()) for v in values)))
    over_tables = np.mean(means, axis=0)
    cells = [f"{form.format(v.mean())} ± {standard_error(v):.2g}" for v in over_tables]
    return markdown(("table", *MODELS), [*rows, ("mean over tables", *cells)])


def verdict(results):
    """Return a sentence that says whether the rule holds."""
    accuracy = {
        label: np.mean([by_seed(found, label, 0) for found in results.values()], axis=0)
        for label in (OURS, BAGGED)
    }
    differences = accuracy[OURS] - accuracy[BAGGED]
    above = differences.mean() >= 0
    lost = [
        name
        for name, found in results.items()
        if by_seed(found, OURS, 1).mean() >= by_seed(found, SINGLE, 1).mean()
    ]
    ratios = [
        np.median(found[BAGGED][..., 2] / found[OURS][..., 2])
        for found in results.values()
    ]
    return (
        f"Accuracy on the mean over tables {'holds' if above else 'FAILS'} "
        f"({differences.mean():+.2f} ± {standard_error(differences):.2f} points over "
        f"{BAGGED}), log-loss below a single network's "
        f"{f'FAILS on {lost}' if lost else 'on each table holds'}. Time of "
        f"{BAGGED} / ours: {min(ratios):.1f} to {max(ratios):.1f} by table, "
        f"geometric mean {np.exp(np.mean(np.log(ratios))):.1f}."
    )


def main():
    """Parse the options, run, print."""
    parser = parser_of(__doc__)
    parser.add_argument("--seeds", type=int, default=3, metavar="N")
    parser.add_argument("--tables", type=Path, metavar="DIR")
    parser.add_argument("--only", metavar="NAME", help="one table, as printed")
    parser.add_argument("--quick", action="store_true", help="five epochs")
    options = parser.parse_args()

    models = MODELS
    if options.quick:
        models = {label: quickly(model) for label, model in MODELS.items()}
    circles = {"circles": make_circles(500, noise=0.2, factor=0.6, random_state=0)}
    tables = load_tables(options.tables, options.only, more=circles)
    if not tables:
        raise SystemExit(f"--only {options.only!r} is not the name of a table.")
    print(machine_line(), flush=True)
    before = os.getloadavg()[0]
    results = {}
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for name, (X, y) in tables.items():
            results[name] = run(models, X, y, options.seeds)
    print(f"{options.seeds} seeds, 5 folds; the mean's standard error over seeds.")
    for number, (what, form) in enumerate(MEASURES.items()):
        print(f"\n{what}\n\n{table_of(results, number, form)}")
    print(f"\n{verdict(results)}")
    print(f"Load of the machine: {before:.1f} before, {os.getloadavg()[0]:.1f} after.")
    by_fold = {
        name: {label: found[label].tolist() for label in found}
        for name, found in results.items()
    }
    save(options.json, measures=list(MEASURES), seeds_by_folds_by_measures=by_fold)


if __name__ == "__main__":
    main()
