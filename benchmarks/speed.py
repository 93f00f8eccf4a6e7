"""Time one network against its peers and the limit, side by side in one run.

All take turns, A B A B, so that other load on the machine slows all of them alike.
Times are medians. A ratio is the median over the rounds of the peer's time divided by
ours, with the lowest and the highest in parentheses; above 1 we are faster. Each time
is that of a whole fit (validation, initialization, all epochs), divided by its steps.
An aim is the smallest ratio that this library wants to reach on one BLAS thread. The
limit is the faster of the matrix products alone, with the same BLAS, and a loop
compiled for this network alone (limit.py).

    python benchmarks/speed.py
    python benchmarks/speed.py --quick      # a tenth of the epochs, three rounds
    python benchmarks/speed.py --threads 1  # not on all BLAS threads as well
"""

import os
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from memory import HIDDEN, N_EPOCHS, SHAPES
from peers import (
    Work,
    bare_products,
    compiled_loop,
    course_loop,
    mlp_classifier,
    ours,
    pytorch,
    skorch,
)
from report import machine_line, markdown, parser_of, save
from sklearn.datasets import load_breast_cancer, load_digits, make_circles
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

TRAINING_HEADER = (
    "network, rows",
    "dtype",
    "solver, batch",
    "threads",
    "ours, µs a step",
    "ours / limit",
    "peer",
    "peer, µs a step",
    "peer / ours",
    "aim",
    "reached",
)
OTHER_HEADER = ("work", "MLPClassifier", "ours", "aim", "reached")
MEMORY_LIMIT = 64.0  # MB


LIMITS = (bare_products, compiled_loop)


def training_rows(quick):
    """Yield (work, {peer: aim}), where an aim is a ratio of peer's time to our time."""
    scale = 10 if quick else 1

    X, y = make_circles(n_samples=300, noise=0.05, random_state=1)
    circles = Work(
        X,
        y,
        (10, 5),
        epochs=5000 // scale,
        solver="sgd",
        learning_rate=0.01,
        alpha=0.0,
        shuffle=False,
    )
    yield circles, {course_loop: 1.8, mlp_classifier: 5.0, pytorch: None}

    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X).astype(np.float32)
    cancer = Work(X, y, (32, 16), epochs=200 // scale, batch_size=64)
    yield cancer, {mlp_classifier: 5.0, pytorch: 5.0, skorch: None}

    X, y = load_digits(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    for dtype in (np.float64, np.float32):
        digits = Work(X.astype(dtype), y, (100,), epochs=100 // scale, batch_size=200)
        yield digits, {mlp_classifier: 2.0, pytorch: 2.5, skorch: None}

    rng = np.random.default_rng(0)
    X = rng.standard_normal((4096, 784), dtype=np.float32)
    y = rng.integers(10, size=len(X))
    for solver, most in {"adam": 1.5, "sgd": 1.2}.items():
        work = Work(X, y, (512, 256), epochs=20 // scale, solver=solver, batch_size=256)
        yield work, {bare_products: 1 / most, mlp_classifier: None, pytorch: None}

    X = rng.standard_normal((50_000, 50))
    full = Work(X, (X[:, 0] > 0).astype(np.int64), (100, 50), epochs=20 // scale)
    yield full, {mlp_classifier: None, pytorch: None}


def interleaved(contenders, n_rounds):
    """Return {name: seconds per round}: each contender runs once a round.

    A first run of all, which is not timed, checks that they return the same: the number
    of epochs or calls that they made.
    """
    done = {name: call() for name, call in contenders.items()}
    if len(set(done.values())) > 1:
        raise RuntimeError(f"The contenders did different work: {done}.")
    seconds = {name: [] for name in contenders}
    for _ in range(n_rounds):
        for name, call in contenders.items():
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def aim_text(aim):
    """Write an aim below 1 as a fraction: 1 / 1.5 allows one and a half the time."""
    if aim is None:
        return ""
    return f"{aim:.1f}" if aim >= 1 else f"1 / {1 / aim:.1f}"


def verdict(reached):
    """Return the text of the last column."""
    return {True: "yes", False: "NO", None: ""}[reached]


def measure_training(work, aims, n_rounds):
    """Return {name: seconds of each round} of all peers that are installed."""
    calls = {}
    for make in dict.fromkeys((ours, *aims, *LIMITS)):
        if make is compiled_loop and work.rows_per_step * max(work.sizes) > 10**5:
            continue  # BLAS is faster
        try:
            calls[make.__name__] = make(work)
        except ModuleNotFoundError as error:
            if error.name not in ("torch", "numba", "skorch"):
                raise
            print(f"{error.name} not installed: sklearn-deepnet[bench]")
    return interleaved(calls, n_rounds)


def lines_for(work, aims, seconds):
    """Return the table's lines for one network, one for each peer."""

    def per_step(name):
        steps = work.epochs * work.steps_per_epoch
        return statistics.median(seconds[name]) / steps * 1e6

    def ratios(name):
        return [p / o for p, o in zip(seconds[name], seconds["ours"], strict=True)]

    limits = [who.__name__ for who in LIMITS if who.__name__ in seconds]
    limit = min(limits, key=per_step)
    about = (
        f"{'-'.join(map(str, work.sizes))}, {len(work.X)}",
        work.X.dtype.name,
        f"{work.solver}, {work.batch_size or 'all rows'}",
        str(work.threads),
        f"{per_step('ours'):.0f}",
        f"{1 / statistics.median(ratios(limit)):.2f} ({limit})",
    )
    for peer, aim in aims.items():
        if peer.__name__ not in seconds:
            continue
        by_round = ratios(peer.__name__)
        ratio = statistics.median(by_round)
        aim = aim if work.threads == 1 else None
        yield (
            *about,
            peer.__name__,
            f"{per_step(peer.__name__):.0f}",
            f"{ratio:.2f} ({min(by_round):.2f} to {max(by_round):.2f})",
            aim_text(aim),
            verdict(None if aim is None else ratio >= aim),
        )


def measure_latency(quick, n_rounds):
    """Return the line for predict on one row, from NumPy, float64."""
    from sklearn_deepnet import DeepNetClassifier

    X, y = load_digits(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    estimators = {
        "peer": MLPClassifier((100,), random_state=0),
        "ours": DeepNetClassifier((100,), tol=None, random_state=0),
    }
    n_calls = 200 if quick else 2000

    def repeat(estimator):
        estimator.fit(X, y)

        def call():
            for _ in range(n_calls):
                estimator.predict(X[:1])
            return n_calls

        return call

    seconds = interleaved(
        {name: repeat(estimator) for name, estimator in estimators.items()}, n_rounds
    )
    peer, mine = (statistics.median(seconds[name]) / n_calls for name in estimators)
    return (
        "predict, 1 row, 64-100-10, float64",
        f"{peer * 1e6:.0f} µs",
        f"{mine * 1e6:.0f} µs",
        "not slower",
        verdict(mine <= peer),
    )


def measure_memory(call):
    """Return the line for one call of memory.py, each estimator in its own process."""
    script = str(Path(__file__).with_name("memory.py"))

    def megabytes(who):
        command = [sys.executable, script, call, who]
        output = subprocess.run(command, check=True, capture_output=True, text=True)
        return float(output.stdout)

    peer, mine = megabytes("peer"), megabytes("ours")
    n_rows, n_features = SHAPES[call]
    if call == "fit":
        beyond = f"full batch, adam, {N_EPOCHS} epochs: memory beyond the data"
    else:
        beyond = "memory beyond the data and the result"
    return (
        f"{call}, {n_rows} × {n_features}, {HIDDEN}, float64, {beyond}",
        f"{peer:.0f} MB",
        f"{mine:.0f} MB",
        f"at most {MEMORY_LIMIT:.0f} MB",
        verdict(mine <= MEMORY_LIMIT),
    )


def main():
    """Measure everything, then print it."""
    parser = parser_of(__doc__)
    parser.add_argument("--quick", action="store_true")
    both = sorted({1, os.cpu_count() or 1})
    parser.add_argument("--threads", type=int, nargs="+", default=both, metavar="N")
    options = parser.parse_args()
    n_rounds = 3 if options.quick else 7

    print(machine_line())
    lines, training = [], []
    for threads in options.threads:
        with threadpool_limits(limits=threads):
            for work, aims in training_rows(options.quick):
                work = replace(work, threads=threads)
                seconds = measure_training(work, aims, n_rounds)
                lines += lines_for(work, aims, seconds)
                training.append({"about": lines[-1][:4], "seconds": seconds})
    with threadpool_limits(limits=1):
        latency = measure_latency(options.quick, n_rounds)
    others = [latency, *(measure_memory(call) for call in SHAPES)]

    print(f"Median of {n_rounds} interleaved rounds.\n")
    print(markdown(TRAINING_HEADER, lines), end="\n\n")
    print(markdown(OTHER_HEADER, others))
    table = [TRAINING_HEADER, *lines], [OTHER_HEADER, *others]
    save(options.json, table=table, training=training)


if __name__ == "__main__":
    main()
