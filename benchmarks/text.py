"""Time and memory on sparse text, beside MLPClassifier, side by side in one run.

The rows are like tf-idf: 50 000 terms of Zipf frequencies, about 80 of them in a row,
and some terms that are more frequent in each of 20 classes. Both estimators take turns
on one BLAS thread, in rounds whose median ratio is reported. The memory is what is
allocated beyond the data, measured by tracemalloc in a second fit.

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
from speed import interleaved, verdict
from threadpoolctl import threadpool_limits

from sklearn_deepnet import DeepNetClassifier

N_TERMS, N_CLASSES, N_EPOCHS = 50_000, 20, 3
MOST = 1.2  # times MLPClassifier's time and memory
HEADER = ("work", "dtype", "MLPClassifier", "ours", "ours / theirs", "aim", "reached")


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
    ratio = statistics.median(b / a for a, b in zip(theirs, ours, strict=True))
    return (
        work,
        np.dtype(dtype).name,
        f"{statistics.median(theirs):.3g} {unit}",
        f"{statistics.median(ours):.3g} {unit}",
        f"{ratio:.2f}",
        f"at most {MOST}",
        verdict(ratio <= MOST),
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
    works = {
        f"fit, {n_rows} rows": lambda net: net.fit(X, y).n_iter_,
        "predict, 1 row": lambda net: sum(len(net.predict(X[:1])) for _ in range(100)),
        "predict_proba, 1 row": lambda net: sum(
            len(net.predict_proba(X[:1])) for _ in range(100)
        ),
        f"predict, {n_rows} rows": lambda net: len(net.predict(X_test)),
    }
    for work, call in works.items():
        calls = {
            name: lambda net=net, c=call: str(c(net)) for name, net in nets.items()
        }
        seconds = interleaved(calls, n_rounds)
        n_calls = 100 if "1 row" in work else 1
        milliseconds = [np.divide(it, n_calls) * 1e3 for it in seconds.values()]
        yield line_of(work, dtype, "ms", *milliseconds)
    peaks = [[peak_megabytes(partial(net.fit, X, y))] for net in nets.values()]
    yield line_of(f"fit, {n_rows} rows, memory", dtype, "MB", *peaks)
    for name, net in nets.items():
        print(f"{name}, {np.dtype(dtype)}: accuracy {net.score(X_test, y_test):.4f}")


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
