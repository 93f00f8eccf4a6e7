"""Measure fits and predictions of many rows: memory, time, and what validation costs.

Memory is that of a new process for each line, by the operating system. The peak is the
highest resident memory of the whole process, with Python, all libraries, X and y. Pages
of a mapped file count as well once they were read, though the system may drop them. So
"anonymous" is what was allocated beside them: the highest during the call, looked at
every few milliseconds, minus that before it.

    python benchmarks/rows.py
    python benchmarks/rows.py --quick      # a twentieth of the rows, one round
    python benchmarks/rows.py --threads 1  # not on all BLAS threads as well
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from memory import HIDDEN, SHAPES, AnonymousPeak, resident_and_peak
from peers import Work, ours, pytorch
from report import machine_line, markdown, parser_of, save, seconds_of
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.metrics import get_scorer
from speed import interleaved, verdict
from threadpoolctl import threadpool_limits

GIGABYTE = 1000.0  # MB
N_HELD_OUT = 200_000


@dataclass(frozen=True)
class Case:
    """A call on many rows, and the most megabytes that it may take."""

    n_rows: int = 5_000_000
    n_features: int = 20
    hidden: tuple[int, ...] = (64,)
    dtype: str = "float32"
    mapped: bool = False  # X is a file
    call: str = "fit"  # or "predict", "predict_proba"
    estimator: str = "Classifier"
    weighted: bool = False
    batch_size: int | str = 1024
    early_stopping: bool = False
    scoring: str | None = None
    n_held_out: int = 0
    most_peak: float | None = 2 * GIGABYTE
    most_anonymous: float | None = None

    @property
    def name(self) -> str:
        """What the line of the table says."""
        if self.call != "fit":
            options = []
        else:
            options = [f"batch {self.batch_size}"]
            options += ["sample_weight"] * self.weighted
            options += ["early_stopping"] * self.early_stopping
            options += [f"scoring={self.scoring!r}"] * (self.scoring is not None)
            options += [f"{self.n_held_out} rows as X_val"] * bool(self.n_held_out)
        parts = [f"{self.n_rows} × {self.n_features}", self.dtype, self.estimator]
        parts += ["mapped file"] * self.mapped
        return f"{self.call}: {', '.join([*parts, *options])}"


MAPPED = Case(
    1_000_000, 28, (256, 256), mapped=True, most_peak=None, most_anonymous=64.0
)
LARGE = Case()
CASES = [
    MAPPED,
    replace(MAPPED, weighted=True),
    replace(MAPPED, early_stopping=True),
    replace(MAPPED, call="partial_fit"),
    replace(MAPPED, call="predict_proba"),
    *(
        replace(LARGE, dtype=dtype, **options)
        for dtype in ("float32", "float64")
        for options in (
            {},
            {"batch_size": "auto"},
            {"early_stopping": True},
            {"call": "predict"},
            {"call": "predict_proba"},
            {"estimator": "Regressor", "early_stopping": True},
        )
    ),
    replace(LARGE, early_stopping=True, scoring="accuracy"),
    replace(LARGE, n_rows=10_000, n_held_out=N_HELD_OUT, most_anonymous=64.0),
]

SCORES = [
    (load_digits, "Classifier", ("accuracy", "neg_log_loss", "f1_macro")),
    (
        load_breast_cancer,
        "Classifier",
        ("accuracy", "neg_log_loss", "roc_auc", "f1"),
    ),
    (load_diabetes, "Regressor", ("r2", "neg_mean_squared_error")),
]


def estimator_of(estimator, hidden=(100,), **parameters):
    """Return an estimator of ours that makes all epochs."""
    import sklearn_deepnet

    make = getattr(sklearn_deepnet, f"DeepNet{estimator}")
    return make(hidden, tol=None, random_state=0, **parameters)


def write_rows(X, n_at_once=50_000):
    """Fill X in place, a block at a time, and return two classes."""
    rng, y = np.random.default_rng(0), np.empty(len(X), np.int64)
    for start in range(0, len(X), n_at_once):
        block = X[start : start + n_at_once]
        block[...] = rng.standard_normal(block.shape, dtype=np.float32)
        np.greater(
            block[:, 0] + block[:, 1] * block[:, 2],
            0,
            out=y[start : start + len(block)],
        )
    return y


def make_rows(n_rows, case, folder):
    """Return X and y of a case, X in a file if it is to be mapped."""
    shape = n_rows, case.n_features
    if not case.mapped:
        X = np.empty(shape, case.dtype)
        return X, write_rows(X)
    path = Path(folder, "X.dat")
    X = np.memmap(path, case.dtype, "w+", shape=shape)
    y = write_rows(X)
    X.flush()
    del X  # and its pages
    return np.memmap(path, case.dtype, "r", shape=shape), y


def call_of(case, X, y):
    """Return the call to measure; what it needs beside X and y is made before."""
    parameters = {"batch_size": case.batch_size, "n_iter": 1}
    net = estimator_of(case.estimator, case.hidden, **parameters)
    few = [array[:5000].copy() for array in (X, y)]
    net.fit(*few).predict(few[0])  # loads libraries
    if case.call == "partial_fit":
        chunks = [slice(at, at + 100_000) for at in range(0, len(X), 100_000)]
        return lambda: [net.partial_fit(X[it], y[it]) for it in chunks]
    if case.call != "fit":
        return partial(getattr(net, case.call), X)
    net.set_params(early_stopping=case.early_stopping, scoring=case.scoring)
    options = {"sample_weight": np.linspace(0.5, 2, len(y)) if case.weighted else None}
    if case.n_held_out:
        X_val = np.empty((case.n_held_out, case.n_features), case.dtype)
        options |= {"X_val": X_val, "y_val": write_rows(X_val)}
    return partial(net.fit, X, y, **options)


def measure_here(number, quick):
    """Return megabytes of the peak and of anonymous memory, and seconds."""
    case = scaled(CASES[number], quick)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        X, y = make_rows(case.n_rows, case, folder)
        call = call_of(
            case, X, y if case.estimator == "Classifier" else y.astype(float)
        )
        start = time.perf_counter()
        with AnonymousPeak() as anonymous:
            call()
        seconds = time.perf_counter() - start
    return resident_and_peak()[1] / 1e6, anonymous.megabytes, seconds


def scaled(case, quick):
    """Return the case, with a twentieth of the rows if `quick`."""
    factor = 20 if quick else 1
    return replace(
        case, n_rows=case.n_rows // factor, n_held_out=case.n_held_out // factor
    )


def measure_memory(quick):
    """Return the lines of all cases, each measured in a new process."""
    lines = []
    for number, case in enumerate(CASES):
        command = [sys.executable, __file__, "--case", str(number)]
        command += ["--quick"] * quick
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        peak, anonymous, seconds = json.loads(output.stdout)
        case = scaled(case, quick)
        data = case.n_rows * case.n_features * np.dtype(case.dtype).itemsize / 1e6
        limits = [
            (name, found, most)
            for name, found, most in (
                ("peak", peak, case.most_peak),
                ("anonymous", anonymous, case.most_anonymous),
            )
            if most is not None
        ]
        lines.append(
            (
                case.name,
                f"{data:.0f}",
                f"{peak:.0f}",
                f"{anonymous:.0f}",
                f"{seconds:.1f}",
                ", ".join(f"{name} {most:.0f}" for name, _, most in limits),
                verdict(all(found <= most for _, found, most in limits)),
            )
        )
    return lines


def measure_beside_peer():
    """Return the lines of memory.py, each estimator in a process of its own."""
    script, lines = str(Path(__file__).with_name("memory.py")), []
    for call, (n_rows, n_features) in SHAPES.items():
        megabytes = []
        for who in ("ours", "peer"):
            command = [sys.executable, script, call, who]
            output = subprocess.run(command, check=True, capture_output=True, text=True)
            megabytes.append(f"{float(output.stdout):.0f}")
        lines.append(
            (f"{call}, {n_rows} × {n_features}, {HIDDEN}, float64", *megabytes)
        )
    return lines


def measure_epochs(threads, quick, n_rounds):
    """Return the lines of an epoch of rows of a mapped file, beside PyTorch's."""
    case, lines = scaled(MAPPED, quick), []
    with tempfile.TemporaryDirectory() as folder:
        X, y = make_rows(case.n_rows, case, folder)
        for n in threads:
            work = Work(X, y, case.hidden, 1, batch_size=case.batch_size, threads=n)
            with threadpool_limits(limits=n), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                seconds = interleaved(
                    {who.__name__: who(work) for who in (ours, pytorch)}, n_rounds
                )
            mine, peer = (statistics.median(seconds[it]) for it in ("ours", "pytorch"))
            both = zip(seconds["pytorch"], seconds["ours"], strict=True)
            ratios = [peer / mine for peer, mine in both]
            lines.append(
                (
                    f"{case.n_rows} × 28, 28-256-256-1, batch 1024, adam, float32",
                    str(n),
                    f"{mine:.2f}",
                    f"{peer:.2f}",
                    f"{statistics.median(ratios):.2f} "
                    f"({min(ratios):.2f} to {max(ratios):.2f})",
                )
            )
    return lines


def measure_scores(quick, n_rounds):
    """Return what a score of the held-out rows adds to an epoch, for some scorers."""
    n_iter, lines = 10 if quick else 100, []
    for load, estimator, names in SCORES:
        X, y = load(return_X_y=True)
        for name in names:
            seconds = {None: [], name: [], "metric": []}
            for _ in range(n_rounds):
                for scoring in (None, name):
                    net = estimator_of(
                        estimator, n_iter=n_iter, early_stopping=True, scoring=scoring
                    )
                    start = time.perf_counter()
                    net.fit(X, y)
                    seconds[scoring].append((time.perf_counter() - start) / n_iter)
                seconds["metric"].append(seconds_of_metric(name, net, X, y, n_iter))
            both = zip(seconds[name], seconds[None], strict=True)
            medians = (statistics.median(it) for it in seconds.values())
            without, with_, metric = medians
            ratio = statistics.median(one / other for one, other in both)
            lines.append(
                (
                    f"{load.__name__[5:]}, {len(X)} × {X.shape[1]}",
                    name,
                    f"{1e3 * without:.2f}",
                    f"{1e3 * with_:.2f}",
                    f"{1e3 * metric:.2f}",
                    f"{ratio:.1f}",
                )
            )
    return lines


def seconds_of_metric(name, net, X, y, n_calls):
    """Return the seconds of a scorer of scikit-learn beyond those of a prediction."""
    X, y = X[: len(X) // 10], y[: len(y) // 10]
    scorer = get_scorer(name)
    predict = net.predict_proba if name in ("neg_log_loss", "roc_auc") else net.predict
    of_scorer = seconds_of(partial(scorer, net, X, y), n_calls)
    return of_scorer - seconds_of(partial(predict, X), n_calls)


def measure_held_out(threads, quick, n_rounds):
    """Return what an epoch takes longer because of many rows that are held out."""
    case = scaled(replace(LARGE, n_rows=N_HELD_OUT), quick)
    X = np.empty((case.n_rows, case.n_features), np.float32)
    y, lines, curves = write_rows(X), [], set()
    few = X[:1000], y[:1000]
    for n in threads:
        seconds = []
        with threadpool_limits(limits=n), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for _ in range(n_rounds):
                for options in ({}, {"X_val": X, "y_val": y}):
                    net = estimator_of("Classifier", case.hidden, n_iter=5)
                    start = time.perf_counter()
                    net.fit(*few, **options)
                    seconds.append((time.perf_counter() - start) / net.n_iter)
                curves.add(tuple(net.validation_loss_curve_))
        longer = [b - a for a, b in zip(seconds[::2], seconds[1::2], strict=True)]
        lines.append(
            (
                f"{len(X)} × 20, 20-64-1",
                str(n),
                f"{1e3 * statistics.median(longer):.1f}",
            )
        )
    if len(curves) > 1:
        raise RuntimeError("The number of threads has changed the validation loss.")
    return lines


def main():
    """Measure everything, then print it."""
    parser = parser_of(__doc__)
    parser.add_argument("--quick", action="store_true")
    both = sorted({1, os.cpu_count() or 1})
    parser.add_argument("--threads", type=int, nargs="+", default=both, metavar="N")
    parser.add_argument("--case", type=int, help="measure this case in this process")
    options = parser.parse_args()
    if options.case is not None:
        print(json.dumps(measure_here(options.case, options.quick)))
        return
    n_rounds = 1 if options.quick else 5
    print(machine_line(), flush=True)
    tables = {
        "Memory, in MB. A limit is the most that this library wants to take.": [
            ("call", "X", "peak", "anonymous", "seconds", "limit", "reached"),
            *measure_memory(options.quick),
        ],
        "Memory beyond the data of a full-batch fit, and beyond data and result "
        "of a prediction, in MB.": [
            ("call", "ours", "MLPClassifier"),
            *measure_beside_peer(),
        ],
        "An epoch of the rows of a mapped file, in seconds.": [
            ("network", "threads", "ours", "PyTorch", "times faster than PyTorch"),
            *measure_epochs(options.threads, options.quick, n_rounds),
        ],
        "A tenth of the rows held out and scored, in ms per epoch. The metric alone is "
        "scikit-learn's, without the prediction; accuracy and r2 are our own.": [
            ("data", "scoring", "without", "with", "metric alone", "with / without"),
            *measure_scores(options.quick, n_rounds),
        ],
        "The loss of many rows that are held out, in ms per epoch; the bits are the "
        "same on any number of threads.": [
            ("rows", "threads", "ms"),
            *measure_held_out(options.threads, options.quick, n_rounds),
        ],
    }
    print(f"Medians of {n_rounds} interleaved rounds.")
    for title, (header, *lines) in tables.items():
        print(f"\n{title}\n\n{markdown(header, lines)}")
    save(options.json, tables=tables)


if __name__ == "__main__":
    main()
