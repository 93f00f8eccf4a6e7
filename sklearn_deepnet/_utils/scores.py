"""Accuracy and R², equal to scikit-learn's, without its validation of arguments.

The validation takes several times as long as the predictions of a small network.
"""

from collections.abc import Callable, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import (
    accuracy_score,
    d2_pinball_score,
    get_scorer_names,
    r2_score,
)

from .lookup import suggest
from .typing import FloatArray


@np.errstate(all="ignore")
def accuracy(
    y: ArrayLike, predicted: ArrayLike, sample_weight: ArrayLike | None = None
) -> float:
    """Return ``accuracy_score(y, predicted, sample_weight=sample_weight)``."""
    if sample_weight is None and _are_labels(y, predicted):
        return float(np.average(y == predicted))
    return accuracy_score(y, predicted, sample_weight=sample_weight)


@np.errstate(all="ignore")  # R² of such numbers is NaN or infinite, without a warning
def r_squared(
    y: ArrayLike, predicted: ArrayLike, sample_weight: ArrayLike | None = None
) -> float:
    """Return ``r2_score(y, predicted, sample_weight=sample_weight)``."""
    if sample_weight is None and _are_numbers(y, predicted):
        # Columns, like scikit-learn, since the order of a sum changes its last bits.
        column, other = y.reshape(-1, 1), predicted.reshape(-1, 1)
        residual = np.sum((column - other) ** 2, axis=0)
        total = np.sum((column - np.average(column, axis=0)) ** 2, axis=0)
        # Other cases, where the quotient may not be finite, are left to scikit-learn.
        if 0 < residual < np.inf and 0 < total < np.inf:
            return float((1 - residual / total)[0])
    return r2_score(y, predicted, sample_weight=sample_weight)


@np.errstate(all="ignore")
def d2_pinball(
    y: ArrayLike,
    predicted: FloatArray,
    quantiles: Sequence[float],
    sample_weight: ArrayLike | None = None,
) -> float:
    """Return the mean of ``d2_pinball_score`` over the quantiles.

    `predicted` has one column for each quantile.
    """
    scores = [
        d2_pinball_score(y, column, sample_weight=sample_weight, alpha=q)
        for q, column in zip(quantiles, predicted.transpose(), strict=True)
    ]
    return float(np.mean(scores))


_METRICS = MappingProxyType({"accuracy": accuracy, "r2": r_squared})


def find_scorer(scoring: Any) -> Callable[..., float] | None:
    """Return a scorer of one of these names, equal to scikit-learn's; else None."""
    metric = _METRICS.get(scoring) if isinstance(scoring, str) else None
    return None if metric is None else partial(_score, metric)


def check_scorer_name(scoring: Any) -> None:
    """Raise if `scoring` is a string that names no scorer, and suggest a name."""
    if not isinstance(scoring, str) or scoring in _METRICS:
        return
    names = get_scorer_names()
    if scoring not in names:
        raise ValueError(
            "scoring must be the name of a scorer of scikit-learn, a callable or None. "
            f"Got {scoring!r} instead.{suggest(scoring, names)} All names are in "
            "sklearn.metrics.get_scorer_names()."
        )


def _score(
    metric: Callable[..., float],
    estimator: Any,
    X: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
) -> float:
    return metric(y, estimator.predict(X), sample_weight)


def _are_labels(y: Any, predicted: Any) -> bool:
    """Return whether both are arrays of labels that scikit-learn accepts."""
    if not _are_vectors(y, predicted):
        return False
    kinds = {y.dtype.kind, predicted.dtype.kind}
    if not (kinds <= {*"biu"} or kinds == {"U"}):
        return False
    # Some versions of scikit-learn warn if there are more classes.
    return 2 * len(np.unique(np.concatenate([y, predicted]))) <= len(y)


def _are_numbers(y: Any, predicted: Any) -> bool:
    return (
        _are_vectors(y, predicted)
        and y.dtype == predicted.dtype == np.float64
        and len(y) > 1
    )


def _are_vectors(y: Any, predicted: Any) -> bool:
    are_arrays = type(y) is type(predicted) is np.ndarray
    return are_arrays and y.ndim == 1 and y.shape == predicted.shape
