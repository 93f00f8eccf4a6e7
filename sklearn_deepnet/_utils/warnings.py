"""Warnings that point at the line of user code that caused them."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.exceptions import UndefinedMetricWarning

_SKIPPED_MODULES = ("sklearn_deepnet.", "sklearn.", "joblib.")


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Issue a warning that points at the line of the user that led to it.

    Frames of this library, of scikit-learn and of joblib are skipped: the user has
    called a pipeline or a search, perhaps.
    """
    frame, stacklevel = sys._getframe(1), 2
    while frame.f_back and frame.f_globals["__name__"].startswith(_SKIPPED_MODULES):
        frame, stacklevel = frame.f_back, stacklevel + 1
    warnings.warn(message, category, stacklevel=stacklevel)


_said: ContextVar[set[str] | None] = ContextVar("said", default=None)


@contextmanager
def said_once() -> Iterator[None]:
    """Within this context, issue each warning of `warn_once` only once.

    It is used by calls that fit many networks. A nested context has no effect.
    """
    before = _said.get()
    try:
        if before is None:
            _said.set(set())
        yield
    finally:
        _said.set(before)


def warn_once(message: str, category: type[Warning] = UserWarning) -> None:
    """Issue a warning, unless the enclosing `said_once` has already issued it."""
    said = _said.get()
    if said is None or message not in said:
        warn(message, category)
    if said is not None:
        said.add(message)


@contextmanager
def ignoring_undefined_metrics(ignores: bool) -> Iterator[None]:
    """Ignore warnings of an undefined metric, if `ignores` is True.

    Otherwise the warning filters, which belong to the whole process, are not changed.
    """
    if not ignores:
        yield
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        yield


def max_abs(X: Any) -> float:
    """Return the largest absolute value of `X`, without copying it.

    SciPy would add up the duplicate entries of a sparse matrix in place, so a matrix
    that has some is copied. Some of its formats have no maximum.
    """
    X = X.tocsr() if issparse(X) else np.asarray(X)
    if issparse(X) and not X.has_canonical_format:
        X = X.copy()
    return max(float(X.max()), -float(X.min()))
