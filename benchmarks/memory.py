"""Measure in this process how much memory one call takes beyond its data.

    python benchmarks/memory.py fit ours
    python benchmarks/memory.py predict peer

prints megabytes (10^6 bytes): the highest resident memory during the call, less the
resident memory just before it, less the result (too much, never too little, should
the process have peaked earlier). speed.py starts it as a subprocess,
since a high-water mark belongs to a process and never falls.
"""

import re
import resource
import sys
import warnings
from functools import partial
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

SHAPES = {"fit": (200_000, 50), "predict": (1_000_000, 20)}
HIDDEN = (100, 50)
N_PASSES = 3


def estimator_of(who, batch_size):
    """Make ours or MLPClassifier; `batch_size=None` is the full batch of "fit"."""
    if who == "ours":
        from sklearn_deepnet import DeepNetClassifier

        return DeepNetClassifier(
            HIDDEN, batch_size=batch_size, n_iter=N_PASSES, tol=None, random_state=0
        )
    batch_size = batch_size or SHAPES["fit"][0]
    return MLPClassifier(
        HIDDEN, batch_size=batch_size, max_iter=N_PASSES, random_state=0
    )


def resident_and_peak():
    """Return resident memory now and at its highest so far, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux
        kilobytes = dict(re.findall(r"(VmRSS|VmHWM):\s+(\d+) kB", status.read_text()))
        return int(kilobytes["VmRSS"]) * 1024, int(kilobytes["VmHWM"]) * 1024
    # macOS counts bytes. The peak stands for both: data was made without temporaries.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak, peak


def megabytes_for(call):
    """Return the memory that a call needs beyond what there was, and what it returned.

    The highest resident memory, so in a process of its own.
    """
    before, _ = resident_and_peak()
    result = call()
    return (resident_and_peak()[1] - before) / 1e6, result


def megabytes_beyond_the_data(call, who):
    """Run fit or predict once on large data, after a small fit that loads libraries."""
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
