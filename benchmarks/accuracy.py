"""Compare our defaults with those of MLPClassifier and MLPRegressor.

For every table this measures the mean score of 5 folds, for several values of the
estimator's random_state: accuracy for classes, R² for numbers. Our networks get the
columns as they are. scikit-learn's get them behind a StandardScaler, and MLPRegressor
also a standardized y, without which it is far worse. All estimators use the same fixed
folds. So the standard errors measure the randomness of *training*; they say nothing
about other tables or other folds. With `--raw` nobody's columns and y are scaled.

The benchmark reports whether these rules hold. Classes: on each table we are at most 1
point below, and on the mean over tables at most 0.1 points plus two standard errors.
Numbers: we are better on more than half of the tables and on their mean, and on each
table at most 3 points of R² below.

    python benchmarks/accuracy.py --tables DIR --regression-tables DIR --n-jobs 2
    python benchmarks/accuracy.py --init he xavier --bias-init zeros random --seeds 5
"""

import itertools
import json
import warnings
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import sklearn
from joblib import Parallel, delayed
from report import machine_line, markdown, parser_of, save
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_wine,
    make_friedman1,
    make_friedman2,
    make_friedman3,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

BUNDLED = {
    "breast cancer": load_breast_cancer,
    "digits": load_digits,
    "wine": load_wine,
    "iris": load_iris,
}


def friedman(make, noise):
    """Return a function that makes 500 samples of one of Friedman's problems."""
    return lambda return_X_y: make(n_samples=500, noise=noise, random_state=0)


BUNDLED_NUMBERS = {
    "diabetes": lambda return_X_y: load_diabetes(return_X_y=True, scaled=False),
    "friedman1": friedman(make_friedman1, 1.0),
    "friedman2": friedman(make_friedman2, 0.0),
    "friedman3": friedman(make_friedman3, 0.0),
}


class Comparison(NamedTuple):
    """What is compared: classes or numbers."""

    name: str
    score: str
    ours: str
    peer: object
    folds: object
    bundled: dict
    max_below_on_a_table: float  # points
    counts_wins: bool


CLASSES = Comparison(
    "classes",
    "accuracy",
    "DeepNetClassifier",
    MLPClassifier(),
    StratifiedKFold(5, shuffle=True, random_state=0),
    BUNDLED,
    1.0,
    False,
)
NUMBERS = Comparison(
    "numbers",
    "r2",
    "DeepNetRegressor",
    MLPRegressor(),
    KFold(5, shuffle=True, random_state=0),
    BUNDLED_NUMBERS,
    3.0,
    True,
)
MAX_BELOW_ON_THE_MEAN = 0.1  # points, plus two standard errors


def load_tables(folder, only, more=(), bundled=None, numeric=False):
    """Return {name: (X, y)}: scikit-learn's tables, more, the CSV files of a folder."""
    bundled = BUNDLED if bundled is None else bundled
    tables = {name: load(return_X_y=True) for name, load in bundled.items()}
    tables |= dict(more)
    for path in sorted(folder.glob("*.csv")) if folder else []:
        cells = np.loadtxt(path, dtype=str, delimiter=",")
        y = cells[:, -1].astype(float) if numeric else cells[:, -1]
        tables[path.stem] = cells[:, :-1].astype(float), y
    return {only: tables[only]} if only in tables else {} if only else tables


def our_variants(comparison, inits, bias_inits):
    """Return {label: estimator}, one per combination of the values given."""
    import sklearn_deepnet  # --peer-only does not need it

    make = getattr(sklearn_deepnet, comparison.ours)
    given = {"init": inits, "bias_init": bias_inits}
    given = {name: values for name, values in given.items() if values}
    combinations = [
        dict(zip(given, values, strict=True))
        for values in itertools.product(*given.values())
    ]
    return {
        ", ".join(options.values()) or comparison.ours: make(**options)
        for options in combinations
    }


def source_of(estimator):
    """Identify the code of an estimator, so that a change of code empties the cache.

    scikit-learn is identified by its version, ours by a checksum of its files, which
    may change between two runs of one version.
    """
    if isinstance(estimator, MLPClassifier | MLPRegressor):
        return f"scikit-learn {sklearn.__version__}"
    import sklearn_deepnet

    checksum = 0
    for path in sorted(Path(sklearn_deepnet.__file__).parent.rglob("*.py")):
        checksum = zlib.crc32(path.read_bytes(), checksum)
    return f"sklearn_deepnet {checksum:08x}"


def cache_key(name, X, y, estimator, raw):
    """Identify a table by name and values, an estimator by repr and source."""
    checksum = zlib.crc32("".join(map(str, y)).encode(), zlib.crc32(X.tobytes()))
    what = f"{estimator!r}{', as they are' if raw else ''}"
    return f"{name} {checksum:08x} | {what} | {source_of(estimator)}"


def model_of(estimator, seed, raw):
    """Return what is fitted: ours, or scikit-learn's, with scaled columns and y."""
    estimator = clone(estimator).set_params(random_state=seed)
    if raw or not isinstance(estimator, MLPClassifier | MLPRegressor):
        return estimator
    model = make_pipeline(StandardScaler(), estimator)
    if isinstance(estimator, MLPClassifier):
        return model
    return TransformedTargetRegressor(model, transformer=StandardScaler())


def measure(key, comparison, X, y, estimator, seed, raw):
    """Return the mean score of five folds for one random_state, and its key."""
    model = model_of(estimator, seed, raw)
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        scores = cross_val_score(
            model, X, y, cv=comparison.folds, scoring=comparison.score
        )
        return key, seed, float(scores.mean())


def run(comparison, tables, estimators, n_seeds, n_jobs, cache_file, raw):
    """Return {(table, label): score per seed}, and add missing ones to the cache."""
    cache = {}
    if cache_file and cache_file.exists():
        cache = json.loads(cache_file.read_text())
    keys = {
        (name, label): cache_key(name, X, y, estimator, raw)
        for name, (X, y) in tables.items()
        for label, estimator in estimators.items()
    }
    jobs = [
        delayed(measure)(key, comparison, *tables[name], estimators[label], seed, raw)
        for (name, label), key in keys.items()
        for seed in range(n_seeds)
        if str(seed) not in cache.get(key, {})
    ]
    parallel = Parallel(n_jobs=n_jobs, return_as="generator_unordered")
    for key, seed, score in parallel(jobs):
        cache.setdefault(key, {})[str(seed)] = score
        if cache_file:
            cache_file.write_text(json.dumps(cache, indent=1))
    return {
        which: np.array([cache[key][str(seed)] for seed in range(n_seeds)])
        for which, key in keys.items()
    }


def standard_error(values):
    """Return the standard error of a mean over seeds, or NaN for one seed."""
    return values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan


def table_of(comparison, tables, scores, peer, ours):
    """Return a table with one row per data set and one for their mean."""
    over_tables = {
        label: np.mean([scores[name, label] for name in tables], axis=0)
        for label in (peer, *ours)
    }

    def row(about, of):
        cells = [*about, f"{100 * of[peer].mean():.2f}"]
        for label in ours:
            # The seeds of two estimators have nothing in common; pairing them gives one
            # difference per seed.
            differences = 100 * (of[label] - of[peer])
            three = (
                f"{100 * of[label].mean():.2f}",
                f"{differences.mean():+.2f}",
                f"{standard_error(differences):.2f}",
            )
            cells += three if len(ours) == 1 else ["{} ({} ± {})".format(*three)]
        return cells

    has_classes = comparison is CLASSES
    header = ["table", "rows × features", *["classes"] * has_classes, peer, *ours]
    if len(ours) == 1:
        header += ["difference", "standard error"]
    rows = []
    for name, (X, y) in tables.items():
        about = [name, f"{X.shape[0]} × {X.shape[1]}"]
        about += [str(len(np.unique(y)))] * has_classes
        rows.append(row(about, {label: scores[name, label] for label in (peer, *ours)}))
    rows.append(row(["mean over tables", "", *[""] * has_classes], over_tables))
    return markdown(header, rows)


def verdict(comparison, tables, scores, peer, label):
    """Return a sentence that says whether the rule holds for one of our estimators."""
    by_table = {
        name: 100 * (scores[name, label] - scores[name, peer]) for name in tables
    }
    means = {name: of.mean() for name, of in by_table.items()}
    worst = min(means, key=means.get)
    each = means[worst] >= -comparison.max_below_on_a_table
    over_tables = np.mean(list(by_table.values()), axis=0)
    # With one seed the standard error is unknown and counts as zero.
    allowed = MAX_BELOW_ON_THE_MEAN + 2 * np.nan_to_num(standard_error(over_tables))
    allowed = 0.0 if comparison.counts_wins else allowed
    mean = over_tables.mean() >= -allowed
    n_wins = sum(of > 0 for of in means.values())
    wins = not comparison.counts_wins or 2 * n_wins > len(means)
    return (
        f"{label}: each table {'holds' if each else 'FAILS'} (lowest: {worst}, "
        f"{means[worst]:+.2f}, allowed -{comparison.max_below_on_a_table:.2f}), "
        f"mean {'holds' if mean else 'FAILS'} "
        f"({over_tables.mean():+.2f}, allowed -{allowed:.2f}), "
        f"better on {n_wins} of {len(means)}{'' if wins else ': FAILS'}"
    )


def compare(comparison, folder, options):
    """Print the table and the verdicts of a comparison, and return its scores."""
    numeric = comparison is NUMBERS
    tables = load_tables(
        folder, options.only, bundled=comparison.bundled, numeric=numeric
    )
    if not tables:
        return {}
    peer = type(comparison.peer).__name__
    ours = {}
    if not options.peer_only:
        ours = our_variants(comparison, options.init, options.bias_init)
    estimators = {peer: comparison.peer} | ours
    scores = run(
        comparison,
        tables,
        estimators,
        options.seeds,
        options.n_jobs,
        options.cache,
        options.raw,
    )
    about = f"{comparison.score} of {comparison.name}"
    print(f"\n{about} in %, {options.seeds} seeds, differences in points.\n")
    print(table_of(comparison, tables, scores, peer, list(ours)))
    print(*(verdict(comparison, tables, scores, peer, it) for it in ours), sep="\n")
    return {
        name: {label: list(scores[name, label]) for label in estimators}
        for name in tables
    }


def main():
    """Parse the options, run, print."""
    parser = parser_of(__doc__)
    parser.add_argument("--seeds", type=int, default=20, metavar="N")
    parser.add_argument("--n-jobs", type=int, default=1, metavar="N")
    parser.add_argument("--init", nargs="+", metavar="NAME")
    parser.add_argument("--bias-init", nargs="+", metavar="NAME")
    parser.add_argument("--tables", type=Path, metavar="DIR")
    parser.add_argument("--regression-tables", type=Path, metavar="DIR")
    parser.add_argument("--only", metavar="NAME", help="one table, as printed")
    parser.add_argument("--cache", type=Path, metavar="FILE.json")
    parser.add_argument("--raw", action="store_true", help="scale nothing for anyone")
    parser.add_argument("--peer-only", action="store_true", help="scikit-learn's alone")
    options = parser.parse_args()

    print(machine_line())
    by_seed = compare(CLASSES, options.tables, options)
    by_seed |= compare(NUMBERS, options.regression_tables, options)
    if not by_seed:
        raise SystemExit(f"--only {options.only!r} is not the name of a table.")
    save(options.json, accuracy=by_seed)


if __name__ == "__main__":
    main()
