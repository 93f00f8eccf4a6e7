r"""Scaling: statistics of columns, and how they are applied to the inputs.

Initial weights and learning rates are chosen for inputs and targets of about one.
Columns are therefore standardized, :math:`(x - \mu) / s`, as part of the network.

>>> import numpy as np
>>> X = np.array([[1.0, 500.0], [3.0, 500.0]])
>>> moments = column_moments(X)
>>> moments.mean, moments.deviation
(array([  2., 500.]), array([1., 0.]))
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from .._utils.typing import BoolArray, FloatArray, IntArray

__all__ = [
    "InputScaling",
    "Moments",
    "column_bounds",
    "column_moments",
    "column_quartiles",
]

_BLOCK_ELEMENTS = 2**17  # of X, converted to float64 at once

# A column counts as constant if its standard deviation is at most this fraction of its
# largest value, since it may vary by rounding only.
_ROUNDING = 1e-14
# Up to this fraction, the rounding of the mean of many rows may be the deviation.
_DOUBTFUL = 1e-10

# For larger values the squashed value is 3 in double precision. The square of this
# limit fits into float32.
SQUASH_LIMIT = 1e9


class Moments(NamedTuple):
    """Mean and standard deviation of columns, and the total weight of their rows.

    Parameters
    ----------
    weight : ndarray of shape (n_columns,)
        Total weight of the rows.
    mean : ndarray of shape (n_columns,)
        Weighted mean.
    deviation : ndarray of shape (n_columns,)
        Standard deviation, exactly 0 for a constant column.
    """

    weight: FloatArray
    mean: FloatArray
    deviation: FloatArray

    def merge(self, other: "Moments") -> "Moments":
        """Return the moments of the rows of both [1]_.

        Parameters
        ----------
        other : Moments
            Moments of other rows.

        Returns
        -------
        moments : Moments

        References
        ----------
        .. [1] Chan et al., "Algorithms for Computing the Sample Variance", The American
           Statistician 1983, eq. 2.1.
        """
        weight = self.weight + other.weight
        total = np.where(weight > 0, weight, 1.0)
        own, others = np.sqrt(self.weight / total), np.sqrt(other.weight / total)
        difference = other.mean - self.mean
        # Without squares, which overflow or underflow if the unit of y is extreme.
        within = np.hypot(own * self.deviation, others * other.deviation)
        between = own * others * np.abs(difference)
        mean = np.where(self.weight > 0, self.mean + others**2 * difference, other.mean)
        return Moments(weight, mean, np.hypot(within, between))


@np.errstate(all="ignore")
def column_moments(
    X: NDArray[Any],
    weight: FloatArray | None = None,
    rows: IntArray | None = None,
) -> Moments:
    """Return the weighted mean and standard deviation of each column.

    They are computed in float64, block by block, so that memory does not grow with X.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_columns)
        Rows of X, of any numeric dtype.
    weight : ndarray of shape (n_samples,) or None, default=None
        Weights of the rows; None is all ones.
    rows : ndarray of int or None, default=None
        The rows to use; None is all.

    Returns
    -------
    moments : Moments
        Its arrays have the shape (n_columns,).
    """
    weight, factor = _without_equal(weight, rows)
    low, high = column_bounds(X, rows)
    largest = np.maximum(np.abs(low), np.abs(high))
    # Powers of two divide exactly, and keep squares from overflow and underflow.
    unit = np.ldexp(1.0, np.frexp(largest)[1] - 1)
    total = _scaled_moments(X, weight, rows, unit)
    mean, deviation = total.mean * unit, total.deviation * unit
    doubtful = np.flatnonzero((low < high) & (deviation <= _DOUBTFUL * largest))
    if len(doubtful):
        # Differences from the lowest value are exact, and so is their mean. With a
        # rounded mean, its error would count as deviation.
        exact = _scaled_moments(X, weight, rows, unit, doubtful, low)
        deviation[doubtful] = exact.deviation * unit[doubtful]
    if X.dtype.kind == "f":
        noise = max(_ROUNDING, float(np.finfo(X.dtype).eps)) * largest
    else:
        noise = _ROUNDING * largest
    deviation = np.where((low == high) | (deviation <= noise), 0.0, deviation)
    return Moments(factor * total.weight, np.where(low == high, low, mean), deviation)


def _scaled_moments(
    X: NDArray[Any],
    weight: FloatArray | None,
    rows: IntArray | None,
    unit: FloatArray,
    columns: IntArray | slice = slice(None),
    origin: FloatArray | None = None,
) -> Moments:
    """Return the moments of some columns of ``(X - origin) / unit``, block by block."""
    total: Moments | None = None
    for block, own in _blocks(X, weight, rows):
        # In C order, since the order of a sum changes its last bits.
        scaled = block[:, columns].astype(np.float64, order="C")
        if origin is not None:
            scaled -= origin[columns]
        scaled /= unit[columns]
        mean = np.average(scaled, axis=0, weights=own)
        scaled -= mean
        scaled *= scaled
        square = np.average(scaled, axis=0, weights=own)
        n = np.full(len(mean), len(block) if own is None else own.sum())
        moments = Moments(n, mean, np.sqrt(square))
        total = moments if total is None else total.merge(moments)
    assert total is not None  # there is a row
    return total


def column_bounds(
    X: NDArray[Any], rows: IntArray | None = None
) -> tuple[FloatArray, FloatArray]:
    """Return the lowest and the highest value of each column, as float64.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_columns)
        Rows of X, of any numeric dtype.
    rows : ndarray of int or None, default=None
        The rows to use; None is all.

    Returns
    -------
    low, high : ndarray of shape (n_columns,)
    """
    bounds = [
        (block.min(axis=0), block.max(axis=0)) for block, _ in _blocks(X, None, rows)
    ]
    low, high = zip(*bounds, strict=True)
    return np.min(low, axis=0).astype(float), np.max(high, axis=0).astype(float)


@np.errstate(all="ignore")
def column_quartiles(
    X: NDArray[Any],
    weight: FloatArray | None = None,
    rows: IntArray | None = None,
) -> FloatArray:
    """Return the three weighted quartiles of each column.

    They are values of the column, computed from the inverse of its weighted
    distribution function, so that a weight of 2 has the same effect as repeating the
    row.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_columns)
        Rows of X, of any numeric dtype.
    weight : ndarray of shape (n_samples,) or None, default=None
        Weights of the rows; None is all ones.
    rows : ndarray of int or None, default=None
        The rows to use; None is all.

    Returns
    -------
    quartiles : ndarray of shape (3, n_columns)
    """
    weight, _ = _without_equal(weight, rows)
    own = weight if weight is None or rows is None else weight[rows]
    columns = (X[:, j] if rows is None else X[rows, j] for j in range(X.shape[1]))
    quartiles = [
        np.quantile(
            column.astype(np.float64),
            [0.25, 0.5, 0.75],
            method="inverted_cdf",
            weights=own,
            overwrite_input=True,  # which is a copy
        )
        for column in columns
    ]
    return np.array(quartiles).T


def _without_equal(
    weight: FloatArray | None, rows: IntArray | None
) -> tuple[FloatArray | None, float]:
    """Return None and their value if all weights are equal, else the weights and 1.

    With equal weights, results are then bit-for-bit identical to those without weights.
    """
    if weight is None:
        return None, 1.0
    used = weight if rows is None else weight[rows]
    is_equal = used.min() == used.max()
    return (None, float(used[0])) if is_equal else (weight, 1.0)


def _blocks(
    X: Any, weight: FloatArray | None, rows: IntArray | None
) -> Iterator[tuple[NDArray[Any], FloatArray | None]]:
    """Yield blocks of consecutive rows of X, with their weights."""
    n_rows = X.shape[0] if rows is None else len(rows)
    size = max(1, _BLOCK_ELEMENTS // max(1, X.shape[1]))
    for start in range(0, n_rows, size):
        part = slice(start, start + size)
        which = part if rows is None else rows[part]
        block = X[which].toarray() if issparse(X) else X[which]
        yield block, None if weight is None else weight[which]


class InputScaling(NamedTuple):
    r"""Scaling of the inputs of a network: :math:`(x - c) / s`.

    With `squashes`, the result :math:`z` is replaced by :math:`z / \sqrt{1 + (z/3)^2}`.
    This lies between -3 and 3, so that outliers cannot dominate [1]_.

    Parameters
    ----------
    center : ndarray of shape (n_inputs,) or (*stack_shape, 1, n_inputs)
        Values that are subtracted, shared by the networks of a stack, or separate for
        each.
    scale : ndarray like `center`
        Divisors, which are positive.
    squashes : bool, default=False
        Whether to limit the result.

    References
    ----------
    .. [1] Holzmüller et al., "Better by Default: Strong Pre-Tuned MLPs and Boosted
       Trees on Tabular Data", NeurIPS 2024, section 3.
    """

    center: FloatArray
    scale: FloatArray
    squashes: bool = False

    @property
    def is_shared(self) -> bool:
        """Whether all networks of a stack scale their inputs alike."""
        return self.center.ndim == 1

    def apply(self, X: NDArray[Any], out: FloatArray) -> None:
        """Write the scaled rows of X to `out`.

        The difference is computed in the precision of X, and then cast to that of
        `out`. In float32 a time stamp would lose its seconds.

        Parameters
        ----------
        X : ndarray of shape (..., n_samples, n_inputs)
            Rows of X, of any numeric dtype.
        out : ndarray of shape (..., n_samples, n_inputs)
            Overwritten.
        """
        dtype = np.result_type(X.dtype, out.dtype)
        center = self.center.astype(dtype, copy=False)
        # A scale that float32 cannot hold must not become a division by zero.
        scale = np.maximum(self.scale, np.finfo(dtype).tiny).astype(dtype, copy=False)
        with np.errstate(all="ignore"):  # as in layers, since the outputs are checked
            rows = np.subtract(X, center, dtype=dtype)
            if self.squashes:
                rows /= scale
                # Infinity over infinity would be NaN.
                np.clip(rows, -SQUASH_LIMIT, SQUASH_LIMIT, out=rows)
                scale = np.hypot(1, rows / 3)
            if rows.dtype == out.dtype:
                np.divide(rows, scale, out=out)
            else:
                rows /= scale
                out[...] = rows

    def select(self, keep: BoolArray) -> "InputScaling":
        """Return the scaling of some networks of a stack.

        Parameters
        ----------
        keep : ndarray of bool of shape stack_shape
            True for those to select.

        Returns
        -------
        scaling : InputScaling
        """
        if self.is_shared:
            return self
        return self._replace(center=self.center[keep], scale=self.scale[keep])

    def distinct(self) -> tuple[list["InputScaling"], IntArray]:
        """Return the distinct scalings of a stack, and the index of each network's.

        Networks that are trained on the same rows have the same scaling.
        """
        both = np.concatenate([self.center, self.scale], axis=-1)[..., 0, :]
        _, first, which = np.unique(
            both, axis=0, return_index=True, return_inverse=True
        )
        scalings = [
            self._replace(center=self.center[k, 0], scale=self.scale[k, 0])
            for k in first
        ]
        return scalings, which.reshape(-1)

    @staticmethod
    def stack(scalings: Sequence["InputScaling | None"]) -> "InputScaling | None":
        """Return the scaling of a stack, from those of its networks.

        Parameters
        ----------
        scalings : sequence of InputScaling, or of None
            All with equal `squashes`.

        Returns
        -------
        scaling : InputScaling or None
        """
        first = scalings[0]
        if first is None:
            return None
        scaled = [scaling for scaling in scalings if scaling is not None]
        if all(
            np.array_equal(it.center, first.center)
            and np.array_equal(it.scale, first.scale)
            for it in scaled
        ):
            return first
        return first._replace(
            center=np.stack([it.center[np.newaxis] for it in scaled]),
            scale=np.stack([it.scale[np.newaxis] for it in scaled]),
        )


@np.errstate(all="ignore")
def rescale_first_layer(
    layer: FloatArray, before: InputScaling, after: InputScaling
) -> None:
    """Change ``[W b]`` in place, to give the same outputs for newly scaled inputs.

    Columns of W for other inputs, such as numeric features, are not changed.
    """
    W = layer[..., : len(before.scale)]
    layer[..., -1] += W @ ((after.center - before.center) / before.scale)
    W *= after.scale / before.scale


@np.errstate(all="ignore")
def rescale_last_layer(
    layer: FloatArray,
    before: tuple[FloatArray, FloatArray],
    after: tuple[FloatArray, FloatArray],
    exponential: bool = False,
) -> None:
    """Change ``[W b]`` in place, to give the same predictions for newly scaled y.

    A prediction is ``mean + scale * output``, or ``scale * exp(output)``; `before` and
    `after` are mean and scale of each output.
    """
    (mean, scale), (new_mean, new_scale) = before, after
    if exponential:
        layer[..., -1] += np.log(scale / new_scale)
    else:
        layer *= (scale / new_scale)[:, np.newaxis]
        layer[..., -1] += (mean - new_mean) / new_scale


@np.errstate(all="ignore")
def fold_into_first_layer(
    W: FloatArray, b: FloatArray, scaling: InputScaling
) -> tuple[FloatArray, FloatArray]:
    """Return weights, of shape (n_in, n_out), and biases for unscaled inputs."""
    W = W / scaling.scale[:, np.newaxis]
    return W, b - scaling.center @ W
