"""Warnings that point at the line of the user."""

import sys
import warnings
from typing import Any

import numpy as np
from scipy.sparse import issparse

_OURS = ("sklearn_deepnet.", "sklearn.callback.")


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn as from the line that called us, or scikit-learn's wrapper around us."""
    frame, stacklevel = sys._getframe(1), 2
    while frame.f_back and frame.f_globals["__name__"].startswith(_OURS):
        frame, stacklevel = frame.f_back, stacklevel + 1
    warnings.warn(message, category, stacklevel=stacklevel)


def largest(X: Any) -> float:
    """Return the largest absolute value of `X`, without a copy."""
    X = X if issparse(X) else np.asarray(X)
    return max(float(X.max()), -float(X.min()))
