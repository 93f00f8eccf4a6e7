"""Time one network against its peers, side by side in one run, on one BLAS thread.

Everyone trains in turn, A B A B, so that a busy or warming machine slows all alike.
Times are medians; a ratio is the median over the rounds of the peer's time divided by
ours, with the lowest and the highest in parentheses, so above 1 we are faster. Each
time is that of a whole fit (validation, initialization, all passes), divided by its
steps. A floor is what this library promises at least.

    python benchmarks/speed.py
    python benchmarks/speed.py --quick      # a tenth of the passes, three rounds
"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from memory import HIDDEN, N_PASSES, SHAPES
from peers import (
    Work,
    bare_products,
    compiled_loop,
    course_loop,
    mlp_classifier,
    ours,
    pytorch,
)
from report import machine_line, markdown
from sklearn.datasets import load_breast_cancer, load_digits, make_circles
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

TRAINING_HEADER = (
    "network, rows",
    "dtype",
    "solver, batch",
    "passes",
    "peer",
    "ours, µs a step (pass)",
    "peer, µs a step (pass)",
    "peer / ours",
    "floor",
    "reached",
)
OTHER_HEADER = ("work", "MLPClassifier", "ours", "floor", "reached")
MEMORY_LIMIT = 64.0  # MB


def training_rows(quick):
    """Yield (work, {peer: floor}), a floor being the least peer's time / our time."""
    scale = 10 if quick else 1

    X, y = make_circles(n_samples=300, noise=0.05, random_state=1)
    yield (
        Work(
            X,
            y,
            (10, 5),
            passes=5000 // scale,
            solver="sgd",
            learning_rate=0.01,
            alpha=0.0,
            shuffle=False,
        ),
        {course_loop: 1.8, mlp_classifier: 5.0, compiled_loop: None},
    )

    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X).astype(np.float32)
    yield (
        Work(X, y, (32, 16), passes=200 // scale, batch_size=64),
        {mlp_classifier: 5.0, pytorch: 5.0, compiled_loop: None},
    )

    X, y = load_digits(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    for dtype in (np.float64, np.float32):
        yield (
            Work(X.astype(dtype), y, (100,), passes=100 // scale, batch_size=200),
            {mlp_classifier: 2.0, pytorch: 2.5, bare_products: None},
        )

    rng = np.random.default_rng(0)
    X = rng.standard_normal((4096, 784), dtype=np.float32)
    y = rng.integers(10, size=len(X))
    for solver, most in {"adam": 1.5, "sgd": 1.2}.items():
        yield (
            Work(X, y, (512, 256), passes=20 // scale, solver=solver, batch_size=256),
            {bare_products: 1 / most, mlp_classifier: None, pytorch: None},
        )


def interleaved(contenders, n_rounds):
    """Return {name: seconds per round}, each contender once a round, after a warm-up.

    A contender returns what it did, which has to be the same for all.
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


def floor_text(floor):
    """Write a floor below 1 as what it allows: 1 / 1.5 is one and a half the time."""
    if floor is None:
        return ""
    return f"{floor:.1f}" if floor >= 1 else f"1 / {1 / floor:.1f}"


def verdict(reached):
    """Word for the last column."""
    return {True: "yes", False: "NO", None: ""}[reached]


def measure_training(work, floors, n_rounds):
    """Return the table's lines for one network, one for each peer."""
    calls, missing = {}, {}
    for make in (ours, *floors):
        try:
            calls[make] = make(work)
        except ModuleNotFoundError as error:
            if error.name not in ("torch", "numba"):
                raise
            missing[make] = f"{error.name} not installed: sklearn-deepnet[bench]"
    seconds = interleaved(calls, n_rounds)

    def per_step(make):
        a_pass = statistics.median(seconds[make]) / work.passes * 1e6
        return f"{a_pass / work.steps_per_pass:.0f} ({a_pass:.0f})"

    batch = work.batch_size or "all rows"
    about = (
        f"{'-'.join(map(str, work.sizes))}, {len(work.X)}",
        work.X.dtype.name,
        f"{work.solver}, {batch}",
        str(work.passes),
    )
    lines = []
    for peer, floor in floors.items():
        if peer in missing:
            results = (per_step(ours), missing[peer], "", floor_text(floor), "")
        else:
            ratios = [p / o for p, o in zip(seconds[peer], seconds[ours], strict=True)]
            ratio = statistics.median(ratios)
            results = (
                per_step(ours),
                per_step(peer),
                f"{ratio:.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
                floor_text(floor),
                verdict(None if floor is None else ratio >= floor),
            )
        lines.append((*about, peer.__name__, *results))
    return lines


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
        beyond = f"full batch, adam, {N_PASSES} passes: memory beyond the data"
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
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    n_rounds = 3 if quick else 7

    print(machine_line())
    training = []
    with threadpool_limits(limits=1):
        for work, floors in training_rows(quick):
            training += measure_training(work, floors, n_rounds)
        latency = measure_latency(quick, n_rounds)
    others = [latency, *(measure_memory(call) for call in SHAPES)]

    print(f"Median of {n_rounds} interleaved rounds, one BLAS thread.\n")
    print(markdown(TRAINING_HEADER, training), end="\n\n")
    print(markdown(OTHER_HEADER, others))


if __name__ == "__main__":
    main()
