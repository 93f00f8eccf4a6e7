"""Time and memory on sparse text, beside MLPClassifier, side by side in one run.

The rows are like tf-idf: 50 000 terms of Zipf frequencies, about 80 of them in a row,
and some terms that are more frequent in each of 20 classes. Both estimators take turns
on one BLAS thread, in rounds whose median ratio is reported: above 1 we are faster, or
need less. The memory is what is allocated beyond the data, measured by tracemalloc in a
second fit. The accuracy is that of longer fits, on rows that were not in them.

    python benchmarks/text.py
    python benchmarks/text.py --quick  # a fifth of the rows, three rounds
"""

import statistics
import tracemalloc
import warnings
from functools import partial

import numpy as np
from report import machine_line, markdown, parser_of, save
from scipy.sparse import csr_array
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.neural_network import MLPClassifier
from speed import aim_text, interleaved, verdict
from threadpoolctl import threadpool_limits

from sklearn_deepnet import DeepNetClassifier

N_TERMS, N_CLASSES = 50_000, 20
N_EPOCHS, N_EPOCHS_TO_LEARN = 3, 10
AIM = 1 / 1.2  # of MLPClassifier's time and memory to ours
HEADER = ("work", "dtype", "MLPClassifier", "ours", "theirs / ours", "aim", "reached")


def draw_texts(n_rows, dtype, rng):
    """Return tf-idf rows and their classes; one term in ten belongs to the class."""
    y = rng.integers(N_CLASSES, size=n_rows)
    row = np.repeat(np.arange(n_rows), rng.poisson(110, size=n_rows) + 1)
    frequency = 1 / np.arange(1, N_TERMS + 1)
    term = rng.choice(N_TERMS, size=len(row), p=frequency / frequency.sum())
    own = rng.random(len(row)) < 0.1
    term[own] = 1000 + N_CLASSES * (term[own] % 300) + y[row[own]]
    counts = csr_array((np.ones(len(row), dtype), (row, term)), (n_rows, N_TERMS))
    return TfidfTransformer().fit_transform(counts).astype(dtype), y


def peak_megabytes(call):
    """Return the most memory allocated at once during the call."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def line_of(work, dtype, unit, theirs, ours):
    """Return the table's line, given one figure of each for every round."""
    ratio = statistics.median(a / b for a, b in zip(theirs, ours, strict=True))
    return (
        work,
        np.dtype(dtype).name,
        f"{statistics.median(theirs):.3g} {unit}",
        f"{statistics.median(ours):.3g} {unit}",
        f"{ratio:.2f}",
        aim_text(AIM),
        verdict(ratio >= AIM),
    )


def measure(dtype, n_rows, n_rounds):
    """Yield the table's lines for one dtype, and print the accuracies."""
    rng = np.random.default_rng(0)
    X, y = draw_texts(2 * n_rows, dtype, rng)
    X_test, y_test, X, y = X[n_rows:], y[n_rows:], X[:n_rows], y[:n_rows]
    nets = {
        "theirs": MLPClassifier((100,), max_iter=N_EPOCHS, random_state=0),
        "ours": DeepNetClassifier((100,), n_iter=N_EPOCHS, tol=None, random_state=0),
    }
    fits = {name: lambda net=net: net.fit(X, y).n_iter_ for name, net in nets.items()}
    seconds = interleaved(fits, n_rounds)
    yield line_of(f"fit, {n_rows} rows", dtype, "s", *seconds.values())
    peaks = [[peak_megabytes(partial(net.fit, X, y))] for net in nets.values()]
    yield line_of(f"fit, {n_rows} rows, memory", dtype, "MB", *peaks)
    for n in sorted({1, 10, 100, 1000, n_rows}):
        for method in ("predict", "predict_proba"):
            calls = {
                name: partial(call_often, getattr(net, method), X_test[:n])
                for name, net in nets.items()
            }
            times = interleaved(calls, n_rounds).values()
            milliseconds = [np.divide(it, n_calls(n)) * 1e3 for it in times]
            rows = f"{n} row{'s' * (n > 1)}"
            yield line_of(f"{method}, {rows}", dtype, "ms", *milliseconds)
    nets["theirs"].set_params(max_iter=N_EPOCHS_TO_LEARN)
    nets["ours"].set_params(n_iter=N_EPOCHS_TO_LEARN)
    for name, net in nets.items():
        accuracy = net.fit(X, y).score(X_test, y_test)
        print(
            f"{name}, {np.dtype(dtype)}, {net.n_iter_} epochs: accuracy {accuracy:.4f}"
        )


def n_calls(n_rows):
    """Return how many predictions of so many rows are timed at once."""
    return max(1, 200 // n_rows)


def call_often(predict, X):
    """Predict X as many times, and return how many rows were predicted."""
    return sum(len(predict(X)) for _ in range(n_calls(X.shape[0])))


def main():
    """Measure everything, then print it."""
    parser = parser_of(__doc__)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    n_rows, n_rounds = (1000, 3) if options.quick else (5000, 7)

    print(machine_line())
    lines = []
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for dtype in (np.float64, np.float32):
            lines += measure(dtype, n_rows, n_rounds)
    print(markdown(HEADER, lines))
    save(options.json, table=[HEADER, *lines])


if __name__ == "__main__":
    main()
