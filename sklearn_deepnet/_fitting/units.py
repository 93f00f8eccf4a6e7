"""Warn if validation data are in other units than the training data."""

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
    """Warn if the given validation data are in other units than the training data.

    By default, the steps of a pipeline and a `TransformedTargetRegressor` transform
    only the training data.
    """
    n_far, n_columns = _count_far_columns(dataset, validation_set, "X")
    if n_far:
        warn(
            f"X_val seems to be in other units than X: in {n_far} of {n_columns} "
            f"columns the mean differs by {_BY_FAR}. In a pipeline, X_val must be "
            "transformed like X, for example by "
            "Pipeline(..., transform_input=['X_val'])."
        )
    if not isinstance(dataset.targets, NumberTargets):
        return
    n_far, n_columns = _count_far_columns(dataset, validation_set, "target")
    if n_far:
        where = f"in {n_far} of {n_columns} columns " if n_columns > 1 else ""
        warn(
            f"y_val seems to be in other units than y: {where}the mean differs by "
            f"{_BY_FAR}. Give y_val in the units of y."
        )


def _count_far_columns(
    dataset: Dataset, validation_set: Dataset, name: str
) -> tuple[int, int]:
    """Return the numbers of far columns (0 if they are few) and of varying columns."""
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

    The mean of a column that is mostly zero may differ much and still be within it.
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
        Mean and standard deviation of the training data.
    given_mean : ndarray of shape (n_columns,)
        Mean of the given rows.
    n_rows : int
        Number of the given rows.
    """
    # The mean of a few rows may differ much from that of all rows.
    limit = _FAR * deviation * (1 + 1 / np.sqrt(n_rows))
    return np.abs(given_mean - mean) > limit


def are_deviations_far(
    deviation: FloatArray, given: FloatArray, n_rows: int, factor: float
) -> BoolArray:
    """Return which columns of given rows have standard deviations of another order.

    Parameters
    ----------
    deviation : ndarray of shape (n_columns,)
        Standard deviation of the training data.
    given : ndarray of shape (n_columns,)
        Standard deviation of the given rows.
    n_rows : int
        Number of the given rows.
    factor : float
        The largest ratio that columns of many rows have.
    """
    ratio = np.divide(given, deviation, out=np.ones_like(given), where=deviation > 0)
    limit = factor * (1 + 10 / np.sqrt(n_rows))
    # In a column that is mostly zero, some rows may all be equal.
    return (ratio > limit) | ((ratio > 0) & (ratio < 1 / limit))


def _moments(array: Any, dataset: Dataset) -> Moments:
    if issparse(array):
        array = array if dataset.rows is None else array[dataset.rows]
        array = array.astype(float)  # a copy
        array.sum_duplicates()
        mean, variance = mean_variance_axis(array, axis=0)
        return Moments(np.full_like(mean, dataset.n_rows), mean, np.sqrt(variance))
    return call_once(column_moments, array, dataset.weight, dataset.rows)
