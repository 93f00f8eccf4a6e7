"""Measure how much memory one call takes beyond its data, in this process.

    python benchmarks/memory.py fit ours
    python benchmarks/memory.py predict peer

prints megabytes (10^6 bytes): the highest resident memory during the call, minus the
resident memory just before it, minus the size of the result. If the process had a
higher peak before, the figure is too large, never too small. rows.py starts this
script as a subprocess, since the peak belongs to a process and never falls.
"""

import re
import resource
import sys
import warnings
from functools import partial
from pathlib import Path
from threading import Event, Thread

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

SHAPES = {"fit": (200_000, 50), "predict": (1_000_000, 20)}
HIDDEN = (100, 50)
N_EPOCHS = 3


def estimator_of(who, batch_size):
    """Return ours or MLPClassifier; `batch_size=None` is the full batch of "fit"."""
    if who == "ours":
        from sklearn_deepnet import DeepNetClassifier

        return DeepNetClassifier(
            HIDDEN, batch_size=batch_size, n_iter=N_EPOCHS, tol=None, random_state=0
        )
    batch_size = batch_size or SHAPES["fit"][0]
    return MLPClassifier(
        HIDDEN, batch_size=batch_size, max_iter=N_EPOCHS, random_state=0
    )


def resident_and_peak():
    """Return the resident memory now and its peak so far, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux
        kilobytes = dict(re.findall(r"(VmRSS|VmHWM):\s+(\d+) kB", status.read_text()))
        return int(kilobytes["VmRSS"]) * 1024, int(kilobytes["VmHWM"]) * 1024
    # macOS reports bytes, and only the peak, which serves for both figures: the data
    # were made without temporaries.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak, peak


def megabytes_for(call):
    """Return the peak memory of a call beyond the memory before it, and its result.

    Call this in a new process, since the peak of a process never falls.
    """
    before, _ = resident_and_peak()
    result = call()
    return (resident_and_peak()[1] - before) / 1e6, result


class AnonymousPeak:
    """Looks at the anonymous memory of this process every few milliseconds, on Linux.

    That is what was allocated, without the pages of mapped files. Use it as a context
    manager; `megabytes` is then the highest, minus that at the beginning, and NaN on
    other systems.
    """

    def __init__(self, seconds=0.003):
        self._seconds, self._ends = seconds, Event()
        self._thread = Thread(target=self._watch, daemon=True)
        self.megabytes = np.nan

    def __enter__(self):
        self._before = self._highest = anonymous_bytes()
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._ends.set()
        self._thread.join()
        self._highest = max(self._highest, anonymous_bytes())
        self.megabytes = (self._highest - self._before) / 1e6

    def _watch(self):
        while not self._ends.wait(self._seconds):
            self._highest = max(self._highest, anonymous_bytes())


def anonymous_bytes():
    """Return the resident memory that is no page of a file; NaN beside Linux."""
    status = Path("/proc/self/status")
    if not status.exists():
        return np.nan
    return int(re.search(r"RssAnon:\s+(\d+) kB", status.read_text())[1]) * 1024


def megabytes_beyond_the_data(call, who):
    """Run fit or predict on large data, after a small fit that loads libraries."""
    shape = SHAPES[call]
    X = np.empty(shape)
    np.random.default_rng(0).standard_normal(out=X)
    y = (X[:, 0] > 0).astype(np.int64)

    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        small = estimator_of(who, 50).fit(X[:200], y[:200])
        small.predict(X[:200])
        large = estimator_of(who, None)

        work = partial(large.fit, X, y) if call == "fit" else partial(small.predict, X)
        megabytes, result = megabytes_for(work)

    return megabytes - getattr(result, "nbytes", 0) / 1e6


if __name__ == "__main__":
    print(f"{megabytes_beyond_the_data(*sys.argv[1:]):.1f}")
