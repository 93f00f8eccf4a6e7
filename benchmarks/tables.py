"""Compare models on real tables: our ensembles, single networks, and their peers.

Every model is fitted to five folds of each table, with several seeds, on one thread.
Linear models and scikit-learn's MLPs are behind a StandardScaler; all others get the
columns as they are. Measured are accuracy or R², log-loss, the area under the ROC curve
where there are two classes, the CPU seconds of fit and predict, and the bytes of a
pickle.

Each result is a line of a file, so that a run can be interrupted and continued, and
another model added. The file knows a model by its label: remove its lines (`--forget`)
after it has changed. It does not know of `--max-rows`: give such runs a file of their
own, or models are compared that were fitted to different numbers of rows. `--recipes`
measures single changes of the ensemble's defaults, and what a choice between them on
half of the tables is worth on the other half.

    python benchmarks/tables.py --n-jobs 2
    python benchmarks/tables.py --quick
    python benchmarks/tables.py --recipes
    python benchmarks/tables.py --models ensemble RealMLP-TD-S TabM --seeds 1 \\
        --max-rows 5000 --results build/bench/tables-5000.jsonl
    python benchmarks/tables.py --report --json docs/tables.json
"""

import json
import pickle
import time
import warnings
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from recipes import RECIPES
from report import machine_line, parser_of, save
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
from table_report import means_of, print_report
from threadpoolctl import threadpool_limits

from sklearn_deepnet import (
    DeepNetClassifier,
    DeepNetEnsembleClassifier,
    DeepNetEnsembleRegressor,
    DeepNetRegressor,
)

RESULTS = Path("build/bench/tables.jsonl")
QUICK_ROWS = 2000


def scaled(model):
    """Return the model behind a StandardScaler."""
    return make_pipeline(StandardScaler(), model)


def mlp_classifier(random_state):
    """Return scikit-learn's network for classes."""
    return scaled(MLPClassifier(random_state=random_state))


def mlp_regressor(random_state):
    """Return scikit-learn's network for numbers, which also needs a standardized y."""
    model = scaled(MLPRegressor(random_state=random_state))
    return TransformedTargetRegressor(model, transformer=StandardScaler())


def logistic(random_state):
    """Return a linear model for classes, with enough iterations to converge."""
    return scaled(LogisticRegression(max_iter=1000, random_state=random_state))


def ridge(random_state):
    """Return a linear model for numbers."""
    return scaled(Ridge(random_state=random_state))


def either(for_classes, for_numbers):
    """Return a function of seed and has_classes that makes one of the two models."""

    def make(seed, has_classes):
        return (for_classes if has_classes else for_numbers)(random_state=seed)

    return make


def of_pytabkit(name):
    """Return such a function for a model of pytabkit, which imports PyTorch."""

    def make(seed, has_classes):
        import pytabkit

        model = getattr(
            pytabkit, f"{name}_{'Classifier' if has_classes else 'Regressor'}"
        )
        return model(random_state=seed, n_threads=1, device="cpu")

    return make


MODELS = {
    "MLP": either(mlp_classifier, mlp_regressor),
    "single": either(DeepNetClassifier, DeepNetRegressor),
    "ensemble": either(DeepNetEnsembleClassifier, DeepNetEnsembleRegressor),
    "boosting": either(HistGradientBoostingClassifier, HistGradientBoostingRegressor),
    "forest": either(RandomForestClassifier, RandomForestRegressor),
    "linear": either(logistic, ridge),
}
PEERS = {"RealMLP-TD-S": of_pytabkit("RealMLP_TD_S"), "TabM": of_pytabkit("TabM_D")}


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
        costs = {
            "fit": fitted - start,
            "predict": time.process_time() - fitted,
            "one_row": seconds_for_one_row(model, table.X[test[:1]]),
            "bytes": len(pickle.dumps(model)),
        }
    about = {"model": label, "table": name, "seed": seed, "fold": fold}
    return about | {key: float(it) for key, it in (scores | costs).items()}


def seconds_for_one_row(model, row):
    """Return the median time of 20 predictions of one row."""
    times = []
    for _ in range(20):
        start = time.process_time()
        model.predict(row)
        times.append(time.process_time() - start)
    return np.median(times)


def read(path):
    """Return the lines of a results file, without one that was cut off."""
    if not path.exists():
        return []
    lines = path.read_text().splitlines()
    return [json.loads(line) for line in lines if line.endswith("}")]


def end_line(path):
    """End the last line of a results file, in place, if it was cut off.

    So the next result does not continue it, and `read` leaves it out.
    """
    if path.exists() and not path.read_bytes().endswith(b"\n"):
        with path.open("a") as file:
            print(file=file)


def run(models, tables, n_seeds, n_jobs, path, max_rows=None):
    """Compute what the file does not hold yet, and append it."""
    known = {(it["model"], it["table"], it["seed"], it["fold"]) for it in read(path)}
    path.parent.mkdir(parents=True, exist_ok=True)
    end_line(path)
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


def about(tables):
    """Return {name: [rows, columns, classes or None]}."""
    return {
        name: [*it.X.shape, len(np.unique(it.y)) if it.has_classes else None]
        for name, it in tables.items()
    }


def forget(path, labels):
    """Remove the lines of some models from a results file."""
    lines = [line for line in read(path) if line["model"] not in labels]
    rest = path.with_suffix(".tmp")  # so that an interrupted call loses nothing
    rest.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    rest.replace(path)


def check_names(parser, option, names, known):
    """End the program with a message if a name is not known."""
    for name in names:
        if name not in known:
            parser.error(f"{option} {name!r} is not one of: {'; '.join(known)}.")


def main():
    """Parse the options, run, print."""
    known = {**MODELS, **PEERS, **RECIPES}
    parser = parser_of(__doc__)
    parser.add_argument("--models", nargs="+", metavar="LABEL", help="; ".join(known))
    parser.add_argument("--recipes", action="store_true", help="all models so called")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="default: 3")
    parser.add_argument("--n-jobs", type=int, default=1, metavar="N")
    parser.add_argument("--only", nargs="+", metavar="TABLE")
    parser.add_argument("--max-rows", type=int, metavar="N", help="of each table")
    parser.add_argument("--tables", type=Path, metavar="DIR", help="further tables")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE")
    parser.add_argument(
        "--forget", nargs="+", default=[], metavar="LABEL", help="and measure again"
    )
    parser.add_argument("--quick", action="store_true", help="small tables, one seed")
    parser.add_argument("--report", action="store_true", help="measure nothing")
    options = parser.parse_args()
    labels = options.models or [*(RECIPES if options.recipes else MODELS)]
    check_names(parser, "--models", labels, known)
    if options.forget:
        measured = {line["model"]: None for line in read(options.results)}
        check_names(parser, "--forget", options.forget, measured)

    tables = load_tables(options.tables)
    if options.only:
        check_names(parser, "--only", options.only, tables)
        tables = {name: tables[name] for name in options.only}
    n_seeds = options.seeds
    if options.quick:
        tables = {name: it for name, it in tables.items() if len(it.y) <= QUICK_ROWS}
        n_seeds = 1
    if options.forget:
        forget(options.results, options.forget)
    if not options.report:
        models = {label: known[label] for label in labels}
        run(models, tables, n_seeds, options.n_jobs, options.results, options.max_rows)
    means = means_of(it for it in read(options.results) if it["table"] in tables)
    print(machine_line())
    print_report(means, tables, RECIPES)
    for by_model in means.values():
        for label in RECIPES:
            by_model.pop(label, None)
    save(options.json, means=means, tables=about(tables))


if __name__ == "__main__":
    main()
