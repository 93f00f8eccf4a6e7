"""Datasets: X and y with sample weights, and the split into training and validation."""

from dataclasses import dataclass, replace
from numbers import Number
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.utils.validation import column_or_1d, validate_data

from ..._utils.byte_order import in_native_order
from ..._utils.sharing import call_once, share_array
from ..._utils.sklearn_compat import check_sample_weight
from ..._utils.typing import FloatArray, IntArray
from ..._utils.values import as_labels, as_numbers, check_no_dates
from ...nn.scaling import InputScaling
from ..targets import Targets
from .split import check_split, count_strata, has_rows_to_hold_out, split_rows
from .validate import validate

# Sparse X is converted to a dense copy if it has at most 100 columns, plus 6 columns
# for each value that a row stores on average. At this limit, training takes 0.3 to 0.9
# times as long with mini-batches of 32, and 0.6 to 1.6 times with 200. Stacks require
# dense X.
_FEW_COLUMNS, _COLUMNS_PER_VALUE = 100, 6
_MAX_DENSE = 2**23  # elements of the copy: 64 MiB in float64


@dataclass
class Dataset:
    """X, y and weights, and which rows of them to use.

    Rows of weight 0 are left out. In a mini-batch they would take the place of other
    samples, and a NaN or infinity in their outputs would spread by 0 * NaN.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_samples, n_features)
        The validated X.
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        The validated y.
    targets : Targets
        How y is encoded.
    target : ndarray of shape (n_samples, n_outputs or 1)
        The encoded y, as `Batches` takes it.
    weight : ndarray of shape (n_samples,) or None
        Sample weights times class weights; None if all are one.
    rows : ndarray of int or None
        Indices of the rows to use, all of positive weight; None uses all rows.
    input_scaling : InputScaling or None
        The scaling of X before the first layer.
    is_made_dense : bool
        Whether X is sparse but training uses a dense copy of its rows; see
        `is_faster_dense`.
    """

    X: Any
    y: NDArray[Any]
    targets: Targets
    target: NDArray[Any]
    weight: FloatArray | None
    rows: IntArray | None
    input_scaling: InputScaling | None = None
    is_made_dense: bool = False

    @property
    def n_rows(self) -> int:
        """Number of rows to use."""
        return self.X.shape[0] if self.rows is None else len(self.rows)

    @property
    def stays_sparse(self) -> bool:
        """Whether X is trained on as a sparse matrix."""
        return issparse(self.X) and not self.is_made_dense

    @property
    def total_weight(self) -> float:
        """Sum of the weights of the rows to use."""
        if self.weight is None:
            return float(self.n_rows)
        return float(
            self.weight.sum() if self.rows is None else self.weight[self.rows].sum()
        )

    def rows_used(self) -> tuple[Any, NDArray[Any], FloatArray | None]:
        """Return X, y and weight of the rows to use, as copies if these are not all."""
        X = self.X if self.rows is None else self.X[self.rows]
        return X, *self.targets_used()

    def targets_used(self) -> tuple[NDArray[Any], FloatArray | None]:
        """Return y and weight of the rows to use."""
        if self.rows is None:
            return self.y, self.weight
        weight = None if self.weight is None else self.weight[self.rows]
        return self.y[self.rows], weight

    def row_indices(self) -> IntArray:
        """Return the indices of the rows to use."""
        return np.arange(self.X.shape[0]) if self.rows is None else self.rows

    def weight_column(self) -> FloatArray:
        """Return the weights of all rows, of shape (n_samples, 1)."""
        shape = (self.X.shape[0], 1)
        if self.weight is None:
            return np.broadcast_to(1.0, shape)
        return self.weight.reshape(shape)

    def holds_out(self, estimator: Any, partial: bool) -> bool:
        """Return whether to hold rows out, since `early_stopping` is True or "auto".

        Parameters
        ----------
        estimator : estimator
            The estimator with `early_stopping` and `validation_fraction`.
        partial : bool
            Whether the rows belong to a call of ``partial_fit``.

        Raises
        ------
        ValueError
            If `early_stopping` is True and there are too few rows, or if the call is
            ``partial_fit``.
        """
        asked, fraction = estimator.early_stopping, estimator.validation_fraction
        if partial and asked == "auto":
            return False
        if partial:
            raise ValueError(
                "With early_stopping=True, partial_fit requires X_val and y_val, since "
                "samples held out in one call could be trained on in another call."
            )
        strata, n_rows = self.targets.strata(self.y), self.X.shape[0]
        classes, counts = call_once(count_strata, strata, self.rows, n_rows=n_rows)
        if asked == "auto":
            return has_rows_to_hold_out(counts, fraction)
        check_split(classes, counts, fraction)
        return True

    def split(self, fraction: float, seed: int) -> tuple["Dataset", "Dataset"]:
        """Return the training set and the validation set, stratified by class.

        A row that is alone in its class is in the training set.
        """
        strata, n_rows = self.targets.strata(self.y), self.X.shape[0]
        train, held_out = call_once(
            split_rows, strata, self.rows, n_rows=n_rows, fraction=fraction, seed=seed
        )
        return replace(self, rows=train), replace(self, rows=held_out)


def check_rows(
    estimator: Any, X: ArrayLike, y: ArrayLike, *, reset: bool, suffix: str = ""
) -> tuple[Any, NDArray[Any]]:
    """Validate X and y, and return y of shape (n_samples, 1) as a vector.

    Parameters
    ----------
    estimator : estimator
        Its `n_features_in_` and `feature_names_in_` are set if `reset`, else compared;
        its `_y_is_numeric` says whether y must be numbers.
    X, y : array-like
        Arguments of ``fit``, as given by the user.
    reset : bool
        Whether this is the first X of the estimator.
    suffix : str, default=""
        Suffix of the names of the arguments: "_val" for validation data.
    """
    X = check_no_dates(X, f"X{suffix}")
    if y is not None:
        convert = as_numbers if estimator._y_is_numeric else as_labels
        y = convert(y, f"y{suffix}")
    if is_plain(X) and _is_plain_y(y, len(X)):
        check_features(estimator, X, reset=reset)
    else:
        X, y = validate(estimator, X, y, multi_output=True, reset=reset)
    if y.ndim == 2 and y.shape[1] == 1:
        y = column_or_1d(y, warn=True)
    # Dense X is cast to the byte order of this machine a block at a time.
    if issparse(X) and not X.dtype.isnative:
        X = in_native_order(X)
    y = y if y.dtype.isnative else in_native_order(y)
    return X, y


def is_plain(X: Any) -> bool:
    """Return whether X is an array that `validate_data` would return as it is.

    Calling `validate_data` takes longer than several epochs of a small network.
    """
    if type(X) is not np.ndarray or X.ndim != 2 or not X.size:
        return False
    if X.dtype.kind == "f":
        with np.errstate(over="ignore", invalid="ignore"):
            return bool(np.isfinite(X.sum()))  # else `validate_data` looks closer
    return X.dtype.kind in "biu"


def _is_plain_y(y: Any, n_rows: int) -> bool:
    """Return whether `validate_data` would return y, as converted before, as it is."""
    is_array = type(y) is np.ndarray and y.dtype.kind in "biufU"
    return is_array and y.ndim in (1, 2) and y.size > 0 and len(y) == n_rows


def check_features(estimator: Any, X: Any, *, reset: bool) -> None:
    """Set or compare the features of an array or matrix like `validate_data`.

    Arrays and matrices have no feature names, so none are set.
    """
    if reset:
        estimator.n_features_in_ = X.shape[1]
        vars(estimator).pop("feature_names_in_", None)
    elif (
        X.shape[1] != estimator.n_features_in_
        or hasattr(estimator, "feature_names_in_")  # a warning
    ):
        validate_data(estimator, X, reset=False, skip_check_array=True)


def check_weight(sample_weight: ArrayLike, X: Any, name: str) -> FloatArray:
    """Return sample weights, of shape (n_samples,), as finite numbers."""
    if not isinstance(sample_weight, Number):
        sample_weight = as_numbers(sample_weight, name)
        if sample_weight.shape != X.shape[:1]:
            raise ValueError(
                f"{name} must have one weight for each sample, so its shape must be "
                f"{X.shape[:1]}. Got the shape {sample_weight.shape} instead."
            )
    return check_sample_weight(sample_weight, X)


def split_by_weight(
    sample_weight: ArrayLike | None, X: Any
) -> tuple[IntArray, IntArray]:
    """Return the indices of rows of positive weight, and those of weight 0."""
    if sample_weight is None:
        return np.arange(X.shape[0]), np.arange(0)
    is_positive = check_weight(sample_weight, X, "sample_weight") > 0
    return np.flatnonzero(is_positive), np.flatnonzero(~is_positive)


def make_dataset(
    X: Any,
    y: NDArray[Any],
    targets: Targets,
    sample_weight: ArrayLike | None,
    suffix: str = "",
    *,
    may_be_empty: bool = False,
) -> Dataset:
    """Encode y, check the weights, and return a dataset without rows of weight 0.

    `suffix` is what the names of the arguments end in: "_val" for validation data.
    With `may_be_empty` all weights may be zero, which leaves no rows.
    """
    target = targets.encode(y, f"y{suffix}")
    name = f"sample_weight{suffix}"
    weight = None
    if sample_weight is not None:
        weight = check_weight(sample_weight, X, name)
        if weight.min() < 0:
            raise ValueError(f"{name} must not be negative. Got {weight.min():.3g}.")
        if weight.any() or not may_be_empty:
            _check_total(weight, name)
    with np.errstate(over="ignore"):  # an infinite sum is an error below
        weight = targets.weigh(target, weight)
    X, y, target, weight = map(share_array, (X, y, target, weight))
    rows = None
    if weight is not None:
        is_class_weighted = getattr(targets, "class_weight", None) is not None
        if is_class_weighted and (weight.any() or not may_be_empty):
            _check_total(weight, f"{name} times class_weight")
        rows = None if weight.all() else share_array(np.flatnonzero(weight))
    dense = issparse(X) and is_faster_dense(X, rows)
    return Dataset(X, y, targets, target, weight, rows, is_made_dense=dense)


def is_faster_dense(X: Any, rows: IntArray | None = None) -> bool:
    """Return whether to train on a dense copy of sparse X.

    Sparse products are rounded differently. To keep results reproducible, this depends
    on X alone, and not on the network or its stack.

    Parameters
    ----------
    X : sparse matrix of shape (n_samples, n_features)
        CSR if `rows` are given.
    rows : ndarray of int or None, default=None
        The rows of positive weight, which the copy consists of; None for all.
    """
    n_rows, n_columns = X.shape
    n_stored = X.nnz
    if rows is not None:
        n_rows, n_stored = len(rows), int(np.diff(X.indptr)[rows].sum())
    is_narrow = n_rows * (n_columns - _FEW_COLUMNS) <= _COLUMNS_PER_VALUE * n_stored
    return is_narrow and n_rows * n_columns <= _MAX_DENSE


def make_dense(
    X: Any, target: NDArray[Any], weight: FloatArray | None, rows: IntArray | None
) -> tuple[NDArray[Any], NDArray[Any], FloatArray | None, IntArray | None]:
    """Return dense X and the other arrays, of used rows alone, and where these are.

    Parameters
    ----------
    X : CSR matrix of shape (n_samples, n_features)
        Inputs.
    target : ndarray of shape (n_samples, n_outputs or 1)
        Encoded y.
    weight : ndarray of shape (..., n_samples, 1) or None
        Sample weights, shared by the networks of a stack or not.
    rows : ndarray of int of shape (..., n_rows) or None
        The rows that a network uses, shared or not; None for all.
    """
    if rows is None:
        return X.toarray(), target, weight, None
    is_used = np.zeros(X.shape[0], bool)
    is_used[rows] = True
    weight = None if weight is None else weight[..., is_used, :]
    places = np.cumsum(is_used) - 1
    return X[is_used].toarray(), target[is_used], weight, places[rows]


def _check_total(weight: FloatArray, name: str) -> None:
    """Raise unless the sum of the weights can be divided by."""
    with np.errstate(over="ignore"):
        total = float(weight.sum())
    if total == 0:
        raise ValueError(
            f"{name} is zero for all samples. At least one weight must be positive."
        )
    # The number of rows, divided by a subnormal sum, would be infinite.
    if not np.finfo(float).tiny <= total < np.inf:
        raise ValueError(
            f"The sum of {name} is {total:.3g}, which is too small or too large to "
            "divide by. Scale the weights, for example to a mean of 1."
        )


def make_validation_set(
    estimator: Any,
    X_val: ArrayLike | None,
    y_val: ArrayLike | None,
    sample_weight_val: ArrayLike | None,
    dataset: Dataset,
) -> Dataset | None:
    """Return the user's validation set, encoded like `dataset`; None without one."""
    if (X_val is None) != (y_val is None):
        given, missing = ("X_val", "y_val")[:: 1 if y_val is None else -1]
        raise ValueError(
            f"{given} is given without {missing}. Give both of them or neither."
        )
    if X_val is None and sample_weight_val is not None:
        raise ValueError(
            "sample_weight_val is given without X_val and y_val. Give all of them or "
            "none."
        )
    if X_val is None:
        return None
    X_val, y_val = check_rows(estimator, X_val, y_val, reset=False, suffix="_val")
    y_val = estimator._check_y(y_val, "y_val")
    if y_val.shape[1:] != dataset.y.shape[1:]:
        raise ValueError(
            f"y_val has the shape {y_val.shape}, and y has the shape "
            f"{dataset.y.shape}. Both must {estimator._shape_requirement}."
        )
    return make_dataset(X_val, y_val, dataset.targets, sample_weight_val, "_val")
