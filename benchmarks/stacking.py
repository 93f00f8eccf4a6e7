"""Measure stacks of networks: what they gain, up to which size, and what they cost.

crossover: µs per network and step, for different networks and sizes of the stack. This
is CPU time, since one thread does all the work and the machine may have other load. It
includes the setup of the stack. A search uses the size in bold, from `max_stack_size`.
searches: the wall-clock time of `GridSearchCV` with and without `stacked()`, and of one
of `MLPClassifier` with the same candidates. All take turns, A B C A B C, in five
rounds, or as many as begin within two minutes. Ratios are medians over the rounds of
the peer's time divided by ours, with the lowest and the highest in parentheses. Worker
processes are started, and run a small search, before the time is taken.
tables: the same for pipelines on a table of numbers and strings, with the layers and
the batches that people use.
bounds: the same for searches in which stacks gain nothing.
spending: how much of the CPU time of a search is training, in a pipeline.
dropout: the CPU time of a stack with dropout, divided by that without.
memory: the peak of the resident memory of a search, minus the resident memory before
it, each search in its own process.

    python benchmarks/stacking.py
    python benchmarks/stacking.py crossover --plot crossover.png
    python benchmarks/stacking.py searches bounds --rounds 3 --quick
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from memory import megabytes_for
from report import machine_line, markdown, parser_of, save
from sklearn.base import BaseEstimator, clone
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_digits, load_iris
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from sklearn_deepnet import DeepNetClassifier, stacked
from sklearn_deepnet._fitting import jobs as training_jobs
from sklearn_deepnet._fitting import stack_size
from sklearn_deepnet._fitting.prepare import prepare
from sklearn_deepnet._utils.sharing import SharedWork, sharing
from sklearn_deepnet.estimators.stacking import training

COUNTS = (1, 2, 4, 8, 16, 32, 64, 128)
WORKING_SETS = [2**k for k in range(18, 27)]
SLOWEST = 1 / 1.1  # where stacks gain nothing
MEMORY_SHAPE = (100_000, 20)
# dtype, batch size, and how many times faster than MLPClassifier a search should be
SEARCHES = [("float64", 32, 20.0), ("float32", 32, 20.0), ("float64", "auto", 12.0)]


@dataclass(frozen=True)
class Case:
    """A network, and batches of a table that comes with scikit-learn."""

    load: Callable[..., Any]
    hidden: tuple[int, ...]
    batch_size: int
    dtype: str = "float64"

    def tables(self, n_folds):
        """Return the training rows of the first of five folds, all of equal size."""
        X, y = scaled(self.load)
        X, y = X[: len(y) // 5 * 5].astype(self.dtype), y[: len(y) // 5 * 5]
        folds = KFold(5, shuffle=True, random_state=0).split(X)
        cuts = [(X[train], y[train]) for train, _ in folds]
        return cuts[:n_folds]

    def sizes(self):
        """Return units per layer, from input to output."""
        X, y = self.load(return_X_y=True)
        n_classes = y.max() + 1
        return X.shape[1], *self.hidden, 1 if n_classes == 2 else int(n_classes)

    def max_stack_size(self):
        """Return the number of networks that a search would stack."""
        itemsize = np.dtype(self.dtype).itemsize
        return stack_size.max_stack_size(self.sizes(), self.batch_size, itemsize)


CASES = [
    Case(load_iris, (10,), 120),
    Case(load_breast_cancer, (16,), 32),
    Case(load_breast_cancer, (16,), 64),
    Case(load_breast_cancer, (16,), 200),
    Case(load_breast_cancer, (32, 16), 64),
    Case(load_breast_cancer, (100,), 200),
    Case(load_digits, (32,), 200),
    Case(load_digits, (100,), 200),
    Case(load_digits, (128, 64), 128),
    Case(load_breast_cancer, (16,), 32, "float32"),
    Case(load_breast_cancer, (32, 16), 64, "float32"),
    Case(load_breast_cancer, (100,), 200, "float32"),
    Case(load_digits, (100,), 200, "float32"),
]


def scaled(load):
    X, y = load(return_X_y=True)
    return StandardScaler().fit_transform(X), y


def make_jobs(case, tables, count, n_iter, **parameters):
    """Return training jobs that use the tables in turn and share their arrays."""
    jobs = []
    with sharing(SharedWork()):
        for k in range(count):
            network = DeepNetClassifier(
                case.hidden,
                batch_size=case.batch_size,
                n_iter=n_iter,
                tol=None,
                random_state=k,
                **parameters,
            )
            jobs.append(prepare(network, *tables[k % len(tables)]).job)
    return jobs


def cpu_microseconds(case, tables, count, n_iter, **parameters):
    """Train `count` networks as one stack; return the time per network and step."""
    jobs = make_jobs(case, tables, count, n_iter, **parameters)
    n_steps = -(-jobs[0].dataset.n_rows // case.batch_size) * n_iter
    start = time.process_time()
    training_jobs.train_jobs(jobs)
    return (time.process_time() - start) / (count * n_steps) * 1e6, n_steps


def epochs_of(seconds, case, tables, count):
    """Return how many epochs take about so many seconds, from 3 to 1000.

    Few epochs would tell little, since their time is mostly that of the setup.
    """
    n_epochs, taken = 3, 0.0
    while taken < seconds / 2 and n_epochs < 1000:
        each, n_steps = cpu_microseconds(case, tables, count, n_epochs)
        taken = each * count * n_steps / 1e6
        n_epochs = int(np.clip(n_epochs * seconds / taken, 3, min(4 * n_epochs, 1000)))
    return n_epochs


def measure_crossover(case, n_folds, n_rounds, seconds):
    """Return the time per network and step for each of `COUNTS`."""
    tables = case.tables(n_folds)
    n_epochs = {n: epochs_of(seconds, case, tables, n) for n in COUNTS}
    rounds = [
        [cpu_microseconds(case, tables, n, n_epochs[n])[0] for n in COUNTS]
        for _ in range(n_rounds)
    ]
    return np.median(rounds, axis=0)


def time_at(size, microseconds):
    """Return the time for any size of stack, interpolated between those measured."""
    return np.interp(np.log2(size), np.log2(COUNTS), microseconds)


def crossover_table(found):
    rows = []
    for (case, n_folds), microseconds in found.items():
        size = case.max_stack_size()
        bold = int(np.argmin(np.abs(np.log2(COUNTS) - np.log2(size))))
        cells = [f"{t:.3g}" if t < 1000 else f"{t:.0f}" for t in microseconds]
        cells[bold] = f"**{cells[bold]}**"
        gain = microseconds[0] / time_at(size, microseconds)
        best = microseconds[0] / microseconds.min()
        about = "-".join(map(str, case.sizes())), str(case.batch_size), case.dtype
        row = (*about, str(n_folds), *cells, str(size), f"{gain:.2f}", f"{best:.2f}")
        rows.append(row)
    header = ["network", "batch", "dtype", "tables", *map(str, COUNTS)]
    return (*header, "chosen", "gain there", "best gain"), *rows


def working_set_table(found):
    """Return the loss against the best stack size, for each working set."""
    rows, now = [], stack_size._WORKING_SET
    for working_set in sorted({*WORKING_SETS, now}):
        with patch.object(stack_size, "_WORKING_SET", working_set):
            lost = [
                time_at(case.max_stack_size(), microseconds) / microseconds.min()
                for (case, _), microseconds in found.items()
            ]
        mean = np.exp(np.mean(np.log(lost)))
        about = f"{working_set / 2**20:g}{', now' if working_set == now else ''}"
        rows.append((about, f"{mean:.3f}", f"{max(lost):.3f}"))
    return ("working set, MiB", "time / best, mean", "worst"), *rows


def plot_crossover(found, path):
    """Draw the gain over training one by one, and mark `max_stack_size`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    ax, ends = figure.subplots(), []
    for (case, n_folds), microseconds in found.items():
        if n_folds > 1 or case.dtype != "float64":
            continue
        (line,) = ax.plot(COUNTS, microseconds[0] / microseconds)
        size = min(case.max_stack_size(), COUNTS[-1])
        gain = microseconds[0] / time_at(size, microseconds)
        ax.plot(size, gain, "o", color=line.get_color())
        label = f"{'-'.join(map(str, case.sizes()))}, {case.batch_size} rows"
        ends.append((microseconds[0] / microseconds[-1], label, line.get_color()))
    lowest = 0.0
    for gain, label, color in sorted(ends):
        lowest = max(gain, 1.09 * lowest)  # labels do not overlap
        place = 1.1 * COUNTS[-1], lowest
        ax.annotate(label, place, color=color, va="center", fontsize=8)
    ax.axhline(1, color="gray", linewidth=0.8)
    ax.set_xscale("log", base=2)
    ax.set_yscale("log", base=2)
    ax.set_xticks(COUNTS, COUNTS)
    ax.yaxis.set_major_formatter("{x:g}")
    ax.set_xlim(1, COUNTS[-1] * 6)
    ax.set_xlabel("networks stacked (dot: the size that a search uses)")
    ax.set_ylabel("steps a second, over one by one")
    figure.savefig(path, dpi=150)


def tables_of_crossover(options):
    """Return the tables of stacks, and draw them."""
    seconds, n_rounds = (0.02, 1) if options.quick else (0.2, options.rounds)
    found = {}
    for case in CASES:
        for n_folds in (1, 5):
            key = case, n_folds
            found[key] = measure_crossover(*key, n_rounds, seconds)
    if options.plot:
        plot_crossover(found, options.plot)
    return [crossover_table(found), working_set_table(found)]


def in_turn(calls, n_rounds):
    """Return {name: seconds per round} and {name: what the last call returned}.

    After two minutes and two rounds, no other round begins.
    """
    seconds, results = {name: [] for name in calls}, {}
    begin = time.perf_counter()
    for number in range(n_rounds):
        if number >= 2 and time.perf_counter() - begin > 120:
            break
        for name, call in calls.items():
            start = time.perf_counter()
            results[name] = call()
            seconds[name].append(time.perf_counter() - start)
    return seconds, results


def ratio_text(theirs, ours):
    ratios = [t / o for t, o in zip(theirs, ours, strict=True)]
    ratio = statistics.median(ratios)
    return ratio, f"{ratio:.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def check_equal(ours, theirs):
    """Raise an error unless both searches found bit-for-bit the same scores."""
    for name, scores in theirs.cv_results_.items():
        if name.endswith("test_score"):
            np.testing.assert_array_equal(ours.cv_results_[name], scores, name)


def compare(about, searches, X, y, n_rounds, peers):
    """Return a line for each peer; `peers` has the required ratio for each name."""
    calls = {
        name: lambda search=search: clone(search).fit(X, y)
        for name, search in searches.items()
    }
    seconds, results = in_turn(calls, n_rounds)
    check_equal(results["stacked"], results["one by one"])
    lines, ours = [], seconds["stacked"]
    for name, required in peers.items():
        ratio, text = ratio_text(seconds[name], ours)
        times = [f"{statistics.median(s):.2f} s" for s in (ours, seconds[name])]
        reached = "yes" if ratio >= required else "NO"
        lines.append((*about, name, *times, text, f"{required:.2f}", reached))
    return lines


class Stacked(BaseEstimator):
    """A search that is fitted in the context `stacked`."""

    def __init__(self, search, max_bytes=None):
        self.search, self.max_bytes = search, max_bytes

    def fit(self, X, y):
        with stacked(max_bytes=self.max_bytes):
            self.search.fit(X, y)
        self.cv_results_ = self.search.cv_results_
        return self


SEARCH_HEADER = (
    "search",
    "n_jobs",
    "peer",
    "stacked",
    "peer's",
    "ratio",
    "required",
    "reached",
)


def warm_up(n_jobs):
    """Start the processes, and let them import everything."""
    X, y = scaled(load_iris)
    for model in (DeepNetClassifier(n_iter=2, tol=None), MLPClassifier(max_iter=2)):
        GridSearchCV(model, {"random_state": [0, 1]}, n_jobs=n_jobs).fit(X, y)
    model = DeepNetClassifier(n_iter=2, tol=None)
    with stacked():
        GridSearchCV(model, {"random_state": range(8)}, n_jobs=n_jobs).fit(X, y)


def grid_of_64(n_jobs, batch_size, n_iter):
    """Return the searches of a grid of 4 × 4 × 4 for a network of 30-16-1."""
    alpha, rate, seeds = np.logspace(-5, -2, 4), np.logspace(-3.5, -2, 4), range(4)
    common = {"alpha": alpha.tolist(), "random_state": seeds}
    ours = DeepNetClassifier((16,), batch_size=batch_size, n_iter=n_iter, tol=None)
    grid = common | {"learning_rate": rate.tolist()}
    theirs = MLPClassifier(
        (16,), batch_size=batch_size, max_iter=n_iter, tol=0.0, n_iter_no_change=10**9
    )
    their_grid = common | {"learning_rate_init": rate.tolist()}
    return {
        "stacked": Stacked(GridSearchCV(ours, grid, n_jobs=n_jobs)),
        "one by one": GridSearchCV(ours, grid, n_jobs=n_jobs),
        "MLPClassifier": GridSearchCV(theirs, their_grid, n_jobs=n_jobs),
    }


def tables_of_searches(options):
    """Return the table of searches in which stacks gain time."""
    X, y = scaled(load_breast_cancer)
    n_iter = 10 if options.quick else 100
    lines = []
    for n_jobs in (1, 2):
        warm_up(n_jobs)
        for dtype, batch_size, required in SEARCHES:
            what = f"64 × 5 folds, 30-16-1, {dtype}, batch {batch_size}"
            searches = grid_of_64(n_jobs, batch_size, n_iter)
            data, about = (X.astype(dtype), y), (what, str(n_jobs))
            peers = {"MLPClassifier": required, "one by one": 3.0}
            lines += compare(about, searches, *data, options.rounds, peers)
    return [(SEARCH_HEADER, *lines)]


def table_of_strings(n_rows=1000):
    """Return X of 7 numbers and 13 strings, which become 61 columns, and y."""
    rng = np.random.default_rng(0)
    numbers = rng.standard_normal((n_rows, 7)).astype(object)
    levels = [5] * 8 + [3] * 4 + [2]
    codes = np.stack([rng.integers(n, size=n_rows) for n in levels], axis=1)
    strings = np.array(["a", "b", "c", "d", "e"], dtype=object)[codes]
    value = numbers[:, :3].sum(axis=1) + codes[:, :4].sum(axis=1) - 8
    y = (value + rng.standard_normal(n_rows) > 0).astype(int)
    return np.hstack([numbers, strings]), y


def tables_of_tables(options):
    """Return the table of searches on a table of numbers and strings."""
    X, y = table_of_strings()
    n_iter = 20 if options.quick else 100
    numbers, strings = list(range(7)), list(range(7, 20))
    lines = []
    for hidden in ((32,), (100,), (64, 32), (128, 64)):
        ours = DeepNetClassifier(hidden, n_iter=n_iter, tol=None, random_state=0)
        theirs = MLPClassifier(
            hidden, max_iter=n_iter, tol=0.0, n_iter_no_change=10**9, random_state=0
        )
        searches = {}
        for name, model, rate in (
            ("one by one", ours, "learning_rate"),
            ("MLPClassifier", theirs, "learning_rate_init"),
        ):
            columns = make_column_transformer(
                (StandardScaler(), numbers), (OneHotEncoder(), strings)
            )
            prefix = type(model).__name__.lower()
            grid = {f"{prefix}__alpha": [1e-4, 1e-2, 1.0]}
            grid[f"{prefix}__{rate}"] = [3e-4, 1e-3, 3e-3]
            searches[name] = GridSearchCV(make_pipeline(columns, model), grid, cv=3)
        searches["stacked"] = Stacked(searches["one by one"])
        what = f"9 × 3 folds, 61-{'-'.join(map(str, hidden))}-1"
        peers = {"MLPClassifier": 3.0, "one by one": 1.0}
        lines += compare((what, "1"), searches, X, y, options.rounds, peers)
    return [(SEARCH_HEADER, *lines)]


def tables_of_spending(options):
    """Return the table of the share of a search that is training."""
    X, y = load_breast_cancer(return_X_y=True)
    net = DeepNetClassifier((16,), batch_size=32, n_iter=20, tol=None, random_state=0)
    grid = {
        "deepnetclassifier__learning_rate": [1e-3, 3e-3, 1e-2, 3e-2],
        "deepnetclassifier__alpha": [1e-5, 1e-4, 1e-3, 1e-2],
        "deepnetclassifier__init": ["he", "xavier"],
    }
    search = GridSearchCV(make_pipeline(StandardScaler(), net), grid, refit=False)
    train_jobs, spent = training.train_jobs, []

    def timed(jobs):
        start = time.process_time()
        results = train_jobs(jobs)
        spent.append(time.process_time() - start)
        return results

    rounds = []
    with patch.object(training, "train_jobs", timed), stacked():
        for _ in range(options.rounds + 1):  # the first imports
            spent.clear()
            start = time.process_time()
            search.fit(X, y)
            rounds.append((time.process_time() - start, sum(spent)))
    _, *rounds = rounds
    whole = statistics.median(seconds for seconds, _ in rounds)
    shares = sorted(100 * trained / seconds for seconds, trained in rounds)
    share = f"{statistics.median(shares):.0f} % ({shares[0]:.0f} to {shares[-1]:.0f})"
    header = "search", "CPU time", "of this, training", "required"
    what = "32 × 5 folds, 30-16-1, 20 epochs, behind StandardScaler"
    return [(header, (what, f"{whole:.2f} s", share, "60 %"))]


def tables_of_dropout(options):
    """Return the table of the time of a stack with dropout."""
    lines = []
    for dtype in ("float64", "float32"):
        case = Case(load_breast_cancer, (16,), 32, dtype)
        tables, ratios = case.tables(1), []
        for _ in range(2 * options.rounds):
            without, _ = cpu_microseconds(case, tables, 32, 20)
            with_dropout, _ = cpu_microseconds(case, tables, 32, 20, dropout=0.2)
            ratios.append(with_dropout / without)
        ratios.sort()
        middle = statistics.median(ratios)
        text = f"{middle:.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        lines.append(("32 × 30-16-1, batch 32", dtype, text, "1.30"))
    return [(("stack", "dtype", "with dropout / without", "at most"), *lines)]


def searches_without_gain(quick):
    """Yield the text, data, estimator, grid and number of folds of each search."""
    n_iter = 2 if quick else 10
    large = DeepNetClassifier((512, 256), n_iter=n_iter, tol=None, random_state=0)
    rates = {"learning_rate": [1e-4, 1e-3, 1e-2]}
    yield "64-512-256-10, 3 × 3 folds", load_digits, large, rates, 3
    strengths = {"C": np.logspace(-3, 1, 16)}
    yield "LogisticRegression", load_breast_cancer, LogisticRegression(), strengths, 5
    piped = make_pipeline(PCA(random_state=0), large)
    parts = {"pca__n_components": [16, 32, 48]}
    yield "PCA, ...-512-256-10, 3 × 3 folds", load_digits, piped, parts, 3
    options = {"solver": "lbfgs", "n_iter": 5 * n_iter, "random_state": 0}
    lbfgs = DeepNetClassifier((16,), **options)
    decays = {"alpha": np.logspace(-4, 1, 16)}
    yield "lbfgs, 30-16-1, 16 × 5 folds", load_breast_cancer, lbfgs, decays, 5


def tables_of_bounds(options):
    """Return the table of searches in which stacks gain nothing."""
    lines = []
    for n_jobs in (1, 2):
        warm_up(n_jobs)
        for what, load, model, grid, n_folds in searches_without_gain(options.quick):
            given = {"cv": n_folds, "n_jobs": n_jobs}
            searches = {
                "stacked": Stacked(GridSearchCV(model, grid, **given)),
                "one by one": GridSearchCV(model, grid, **given),
            }
            about, peers = (what, str(n_jobs)), {"one by one": SLOWEST}
            lines += compare(about, searches, *scaled(load), options.rounds, peers)
    return [(SEARCH_HEADER, *lines)]


def megabytes_beyond_the_data(what, max_bytes):
    """Search in this process, with scikit-learn's search if `max_bytes` is 0."""
    X = np.empty(MEMORY_SHAPE)
    np.random.default_rng(0).standard_normal(out=X)
    y = (X[:, 0] > 0).astype(np.int64)
    model = DeepNetClassifier((16,), n_iter=1, tol=None)
    grid = {"random_state": range(16)}
    if what == "pipeline":
        model = make_pipeline(StandardScaler(), model)
        grid = {"deepnetclassifier__random_state": range(16)}
    search = GridSearchCV(model, grid)
    search = Stacked(search, max_bytes) if max_bytes else search
    clone(search).fit(X[:200], y[:200])
    return megabytes_for(lambda: search.fit(X, y))[0]


def tables_of_memory(options):
    """Return the table of memory, each search in its own process."""
    lines = []
    for what in ("network", "pipeline"):
        for max_bytes in (2**30, 2**28, 2**26, 2**24, 1, 0):
            command = [sys.executable, __file__, "--peak", what, str(max_bytes)]
            run = subprocess.run(command, check=True, capture_output=True, text=True)
            which = f"max_bytes={max_bytes}" if max_bytes else "GridSearchCV"
            lines.append((what, which, f"{float(run.stdout):.0f} MB"))
    n_rows, n_features = MEMORY_SHAPE
    size = f"X of {n_rows} × {n_features}, {n_rows * n_features * 8e-6:.0f} MB"
    return [((size, "16 × 5 folds, 20-16-1", "memory beyond the data"), *lines)]


PARTS = {
    "crossover": tables_of_crossover,
    "searches": tables_of_searches,
    "tables": tables_of_tables,
    "spending": tables_of_spending,
    "dropout": tables_of_dropout,
    "bounds": tables_of_bounds,
    "memory": tables_of_memory,
}


def main():
    """Measure the chosen parts, and print each when it is done."""
    parser = parser_of(__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--quick", action="store_true", help="a tenth of the epochs")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="of the crossover")
    parser.add_argument("--peak", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if unknown := {*options.parts} - {*PARTS}:
        parser.error(f"PART {unknown} is not one of {list(PARTS)}.")
    warnings.simplefilter("ignore", ConvergenceWarning)
    with threadpool_limits(limits=1):
        if options.peak:
            what, max_bytes = options.peak
            print(megabytes_beyond_the_data(what, int(max_bytes)))
            return
        print(machine_line())
        found = {}
        for part in options.parts or PARTS:
            before = os.getloadavg()[0]
            print(f"\n{part}", flush=True)
            found[part] = PARTS[part](options)
            for header, *lines in found[part]:
                print(f"\n{markdown(header, lines)}")
            after = os.getloadavg()[0]
            print(f"\nLoad of the machine: {before:.1f} before, {after:.1f} after.")
    save(options.json, **found)


if __name__ == "__main__":
    main()
