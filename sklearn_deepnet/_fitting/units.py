"""A warning of validation data that are in other units than the training set."""

from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.sparsefuncs import mean_variance_axis

from .._utils.sharing import call_once
from .._utils.typing import BoolArray, FloatArray, IntArray
from .._utils.warnings import warn
from ..nn.scaling import Moments, column_moments
from .dataset import Dataset
from .targets import NumberTargets

# How many standard deviations two means may differ, and in which share of the columns.
_FAR, SHARE_FAR = 3, 0.2
_EXTREME = 30  # in a single column
_FACTOR = 10  # by which standard deviations may differ
_BY_FAR = (
    f"more than {_FAR} standard deviations, or the standard deviation by more than a "
    f"factor of {_FACTOR}"
)


def warn_of_other_units(dataset: Dataset, validation_set: Dataset) -> None:
    """Warn if validation data that were given are in other units than the training set.

    Steps of a pipeline, and a `TransformedTargetRegressor`, transform the training data
    alone, unless set up otherwise.
    """
    n_far, n_columns = _count_far_columns(dataset, validation_set, "X")
    if n_far:
        warn(
            f"X_val is far from X: in {n_far} of {n_columns} columns the mean differs "
            f"by {_BY_FAR}. If the network is in a pipeline, X_val must be transformed "
            "like X; Pipeline(..., transform_input=['X_val']) does so."
        )
    if not isinstance(dataset.targets, NumberTargets):
        return
    n_far, n_columns = _count_far_columns(dataset, validation_set, "target")
    if n_far:
        where = f"in {n_far} of {n_columns} columns " if n_columns > 1 else ""
        warn(
            f"y_val is far from y: {where}the mean differs by {_BY_FAR}. Give y_val in "
            "the units of y."
        )


def _count_far_columns(
    dataset: Dataset, validation_set: Dataset, name: str
) -> tuple[int, int]:
    """Return how many columns are far, 0 if these are too few, and how many vary."""
    train, given = (_moments(getattr(it, name), it) for it in (dataset, validation_set))
    varies, n_rows = train.deviation > 0, validation_set.n_rows
    is_far = are_means_far(train.mean, train.deviation, given.mean, n_rows)
    is_far |= are_deviations_far(train.deviation, given.deviation, n_rows, _FACTOR)
    is_far &= varies
    n_far, n_columns = int(is_far.sum()), int(varies.sum())
    if n_far <= SHARE_FAR * n_columns:
        distance = np.abs(given.mean - train.mean)
        extreme = np.flatnonzero(is_far & (distance > _EXTREME * train.deviation))
        if not _are_means_outside(getattr(dataset, name), dataset, extreme, given.mean):
            n_far = 0
    return n_far, n_columns


def _are_means_outside(
    array: Any, dataset: Dataset, columns: IntArray, means: FloatArray
) -> bool:
    """Return whether a mean is outside of the range of its column.

    That of a column that is rarely anything but zero may differ much, and be inside.
    """
    if not len(columns):
        return False
    values = (
        array[:, columns] if dataset.rows is None else array[dataset.rows][:, columns]
    )
    values, means = values.toarray() if issparse(values) else values, means[columns]
    outside = (means < values.min(axis=0)) | (means > values.max(axis=0))
    return bool(outside.any())


def are_means_far(
    mean: FloatArray, deviation: FloatArray, given_mean: FloatArray, n_rows: int
) -> BoolArray:
    """Return which columns of given rows are far from those of the training set.

    Parameters
    ----------
    mean, deviation : ndarray of shape (n_columns,)
        Of the training set.
    given_mean : ndarray of shape (n_columns,)
        Of the given rows.
    n_rows : int
        Number of the given rows.
    """
    # The mean of a few rows may be far from that of all.
    limit = _FAR * deviation * (1 + 1 / np.sqrt(n_rows))
    return np.abs(given_mean - mean) > limit


def are_deviations_far(
    deviation: FloatArray, given: FloatArray, n_rows: int, factor: float
) -> BoolArray:
    """Return which columns of given rows have standard deviations of another order.

    Parameters
    ----------
    deviation : ndarray of shape (n_columns,)
        Of the training set.
    given : ndarray of shape (n_columns,)
        Of the given rows.
    n_rows : int
        Number of the given rows.
    factor : float
        The largest ratio that columns of many rows have.
    """
    ratio = np.divide(given, deviation, out=np.ones_like(given), where=deviation > 0)
    limit = factor * (1 + 10 / np.sqrt(n_rows))
    # Some rows may not vary in a column that is rarely anything but zero.
    return (ratio > limit) | ((ratio > 0) & (ratio < 1 / limit))


def _moments(array: Any, dataset: Dataset) -> Moments:
    if issparse(array):
        array = array if dataset.rows is None else array[dataset.rows]
        array = array.astype(float)  # a copy
        array.sum_duplicates()
        mean, variance = mean_variance_axis(array, axis=0)
        return Moments(np.full_like(mean, dataset.n_rows), mean, np.sqrt(variance))
    return call_once(column_moments, array, dataset.weight, dataset.rows)
