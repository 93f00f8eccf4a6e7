"""Time the training of one network beside its peers and the limit, in one run.

All take turns, A B A B, so that other load on the machine slows all of them alike.
Before each there is a pause, since threads of BLAS and PyTorch that wait for work keep
a core busy for 0.1 s. Each time is that of a whole fit (validation, initialization, all
epochs), divided by its steps. A ratio is the median over the rounds of the peer's time
divided by ours: how many times faster we are. The limit is the faster of the matrix
products of a step alone, with the same BLAS, and a loop compiled for this network alone
(limit.py). Libraries hardly reach it, so its ratio is below 1. `torch.compile` takes up
to a minute for a network, which is not timed.

    python benchmarks/speed.py
    python benchmarks/speed.py --quick      # a fifth of the epochs, three rounds
    python benchmarks/speed.py --threads 1  # not on all BLAS threads as well
"""

import os
import statistics
import sys
import time
from dataclasses import dataclass, replace

import numpy as np
from peers import (
    Work,
    bare_products,
    compiled_loop,
    course_loop,
    mlp_classifier,
    ours,
    pytorch,
    pytorch_compiled,
    skorch,
)
from report import machine_line, markdown, parser_of, save
from sklearn.datasets import (
    load_breast_cancer,
    load_digits,
    make_circles,
    make_classification,
)
from sklearn.preprocessing import scale
from threadpoolctl import threadpool_limits

LIMITS = (bare_products, compiled_loop)
PEERS = {
    mlp_classifier: "MLPClassifier",
    pytorch: "PyTorch",
    pytorch_compiled: "PyTorch, compiled",
    skorch: "skorch",
    course_loop: "the course's loop",
}
HEADER = (
    "network, rows",
    "batch, solver",
    "dtype",
    "threads",
    "ours, µs a step",
    *PEERS.values(),
    "limit",
)
ALL = (mlp_classifier, pytorch, pytorch_compiled)
OPTIONAL = {"torch", "numba", "skorch"}  # of the extra "bench"
PAUSE = 0.2  # seconds


@dataclass(frozen=True)
class Line:
    """A network to train, and who else trains it."""

    work: Work
    peers: tuple = ALL

    @property
    def about(self):
        """The first columns of the table."""
        work = self.work
        return (
            f"{'-'.join(map(str, work.sizes))}, {len(work.X)}",
            f"{work.batch_size or 'all'}, {work.solver}",
            work.X.dtype.name,
            str(work.threads),
        )


def training_lines(quick):
    """Yield what is measured, the default network first."""
    fraction = 5 if quick else 1
    digits = load_digits(return_X_y=True)
    cancer = load_breast_cancer(return_X_y=True)
    for X, y in (digits, cancer):
        for dtype in (np.float64, np.float32):
            rows = scale(X).astype(dtype)
            work = Work(rows, y, (100,), epochs=50 // fraction, batch_size=200)
            yield Line(work, (*ALL, skorch))

    X, y = make_classification(12_800, 100, n_informative=20, random_state=0)
    for dtype in (np.float64, np.float32):
        rows, epochs = X.astype(dtype), 5 // fraction
        yield Line(Work(rows, y, (256, 128), epochs=epochs, batch_size=128))

    rng = np.random.default_rng(0)
    X = rng.standard_normal((102_400, 28), dtype=np.float32)
    y = (X[:, 0] + X[:, 1] * X[:, 2] > 0).astype(np.int64)
    yield Line(Work(X, y, (256, 256), epochs=1, batch_size=1024))

    X = rng.standard_normal((4096, 784), dtype=np.float32)
    y = rng.integers(10, size=len(X))
    for solver in ("adam", "sgd"):
        epochs = 5 // fraction
        work = Work(X, y, (512, 256), epochs=epochs, solver=solver, batch_size=256)
        yield Line(work)

    X, y = cancer
    rows = scale(X).astype(np.float32)
    work = Work(rows, y, (32, 16), epochs=100 // fraction, batch_size=64)
    yield Line(work, (*ALL, skorch))

    X = rng.standard_normal((50_000, 50))
    y = (X[:, 0] > 0).astype(np.int64)
    yield Line(Work(X, y, (100, 50), epochs=10 // fraction), (mlp_classifier, pytorch))

    X, y = make_circles(n_samples=300, noise=0.05, random_state=1)
    plain = {"solver": "sgd", "learning_rate": 0.01, "alpha": 0.0, "shuffle": False}
    work = Work(X, y, (10, 5), epochs=2500 // fraction, **plain)
    yield Line(work, (mlp_classifier, pytorch, course_loop))


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
            time.sleep(PAUSE)
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


def measure(line, n_rounds):
    """Return {name: seconds of each round} of all peers that are installed."""
    calls = {}
    is_large = line.work.rows_per_step * max(line.work.sizes) > 10**5
    for make in (ours, *line.peers, *LIMITS):
        if make is compiled_loop and is_large:
            continue  # BLAS is faster
        try:
            calls[make.__name__] = make(line.work)
        except (ModuleNotFoundError, NotImplementedError) as error:
            if getattr(error, "name", "torch") not in OPTIONAL:
                raise
            print(f"Without {make.__name__}: {error}", file=sys.stderr)
    return interleaved(calls, n_rounds)


def ratios_of(seconds):
    """Return {name: (median, lowest, highest) of its time divided by ours}."""
    found = {}
    for name, of_peer in seconds.items():
        by_round = [p / o for p, o in zip(of_peer, seconds["ours"], strict=True)]
        found[name] = statistics.median(by_round), min(by_round), max(by_round)
    return found


def row_of(line, seconds):
    """Return the line of the table."""
    work, ratios = line.work, ratios_of(seconds)
    step = statistics.median(seconds["ours"]) / work.epochs / work.steps_per_epoch
    limit = min(ratios[who.__name__][0] for who in LIMITS if who.__name__ in ratios)
    peers = (
        f"{ratios[peer.__name__][0]:.2g}" if peer.__name__ in ratios else ""
        for peer in PEERS
    )
    return (*line.about, f"{step * 1e6:.0f}", *peers, f"{limit:.2f}")


def main():
    """Measure everything, then print it."""
    parser = parser_of(__doc__)
    parser.add_argument("--quick", action="store_true")
    both = sorted({1, os.cpu_count() or 1})
    parser.add_argument("--threads", type=int, nargs="+", default=both, metavar="N")
    options = parser.parse_args()
    n_rounds = 3 if options.quick else 5

    print(machine_line(), flush=True)
    rows, networks = [], []
    for line in training_lines(options.quick):
        for threads in options.threads:
            with threadpool_limits(limits=threads):
                line = replace(line, work=replace(line.work, threads=threads))
                seconds = measure(line, n_rounds)
            rows.append(row_of(line, seconds))
            networks.append({"about": line.about, "ratios": ratios_of(seconds)})
            print("  ".join(rows[-1]), file=sys.stderr, flush=True)

    print(f"Medians of {n_rounds} interleaved rounds. A figure below the name of a")
    print("peer says how many times faster we are; an empty cell was not measured.\n")
    print(markdown(HEADER, rows))
    save(options.json, networks=networks)


if __name__ == "__main__":
    main()
