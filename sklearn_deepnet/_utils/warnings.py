"""Warnings that point at the line of user code that caused them."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.exceptions import UndefinedMetricWarning

_SKIPPED_MODULES = ("sklearn_deepnet.", "sklearn.callback.")


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Issue a warning that points at the first caller outside of this library.

    Frames of scikit-learn's callback wrapper around ``fit`` are skipped, too. The
    stack level is counted here because it differs with the way into ``fit``.
    """
    frame, stacklevel = sys._getframe(1), 2
    while frame.f_back and frame.f_globals["__name__"].startswith(_SKIPPED_MODULES):
        frame, stacklevel = frame.f_back, stacklevel + 1
    warnings.warn(message, category, stacklevel=stacklevel)


@contextmanager
def ignoring_undefined_metrics(ignores: bool) -> Iterator[None]:
    """Ignore, if `ignores`, that a metric is not defined, which a scorer has warned of.

    Warning filters belong to the whole process, so they are left alone otherwise.
    """
    if not ignores:
        yield
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        yield


def max_abs(X: Any) -> float:
    """Return the largest absolute value of `X`, without a copy of it."""
    X = X if issparse(X) else np.asarray(X)
    return max(float(X.max()), -float(X.min()))
