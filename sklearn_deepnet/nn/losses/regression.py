"""Losses of regression; see `sklearn_deepnet.nn.losses`."""

from functools import lru_cache
from typing import Any

import numpy as np

from ..._utils.typing import FloatArray


def squared_error_identity(
    logits: FloatArray, target: FloatArray, scratch: FloatArray
) -> FloatArray:
    r"""Half the squared error, averaged over the outputs.

    :math:`\frac{1}{2n} \sum_c (z_c - y_c)^2`, with gradient :math:`(z - y) / n`.

    Parameters and result: see `LossFunction.__call__`.
    """
    values, n_outputs = scratch[0], logits.shape[-2]
    np.subtract(logits, target, out=logits)
    np.multiply(logits, logits, out=values)
    np.multiply(values, 0.5 / n_outputs, out=values)
    np.multiply(logits, 1 / n_outputs, out=logits)
    return values


def absolute_error_identity(
    logits: FloatArray, target: FloatArray, scratch: FloatArray
) -> FloatArray:
    r"""Absolute error, averaged over the outputs; its minimum is the median.

    :math:`\frac{1}{n} \sum_c |z_c - y_c|`, with gradient
    :math:`\operatorname{sign}(z - y) / n`.

    Parameters and result: see `LossFunction.__call__`.
    """
    values, n_outputs = scratch[0], logits.shape[-2]
    np.subtract(logits, target, out=logits)
    np.abs(logits, out=values)
    np.multiply(values, 1 / n_outputs, out=values)
    np.sign(logits, out=logits)
    np.multiply(logits, 1 / n_outputs, out=logits)
    return values


def huber_identity(
    logits: FloatArray, target: FloatArray, scratch: FloatArray, delta: float = 1.0
) -> FloatArray:
    r"""Squared error for small errors, absolute error for large ones [1]_.

    With :math:`d = z - y` clipped to :math:`\pm\delta` as :math:`c`, it is
    :math:`\frac{1}{n} \sum (c\, d - \tfrac12 c^2)`, with gradient :math:`c / n`.

    Parameters and result: see `LossFunction.__call__`.

    References
    ----------
    .. [1] Huber, "Robust Estimation of a Location Parameter", Annals of Mathematical
       Statistics, 1964.
    """
    values, half, n_outputs = scratch[0], scratch[1], logits.shape[-2]
    np.subtract(logits, target, out=values)
    np.clip(values, -delta, delta, out=logits)
    np.multiply(logits, 0.5, out=half)
    np.subtract(values, half, out=values)
    np.multiply(values, logits, out=values)
    np.multiply(values, 1 / n_outputs, out=values)
    np.multiply(logits, 1 / n_outputs, out=logits)
    return values


def quantile_identity(
    logits: FloatArray,
    target: FloatArray,
    scratch: FloatArray,
    quantile: float | tuple[float, ...] = 0.5,
) -> FloatArray:
    r"""Pinball loss, averaged over the outputs; its minimum is the quantile [1]_.

    With :math:`d = z - y` it is :math:`\frac{1}{n} \sum \max((1-q)\, d, -q\, d)`.
    With several quantiles, each output has its own :math:`q`, and all outputs may share
    one row of `target`.

    Parameters and result: see `LossFunction.__call__`.

    References
    ----------
    .. [1] Koenker & Bassett, "Regression Quantiles", Econometrica, 1978.
    """
    values, slope, n_outputs = scratch[0], scratch[1], logits.shape[-2]
    np.subtract(logits, target, out=values)
    np.sign(values, out=logits)
    # With s = sign(d) the slope is s (1/2 + s (1/2 - q)): 1 - q above the target, -q
    # below, and 0 at the kink itself, so that a constant target is a minimum.
    np.multiply(logits, _shift(quantile, logits.dtype), out=slope)
    np.add(slope, 0.5, out=slope)
    np.multiply(logits, slope, out=logits)
    if n_outputs > 1:
        np.multiply(logits, 1 / n_outputs, out=logits)
    np.multiply(values, logits, out=values)
    return values


def _shift(quantile: float | tuple[float, ...], dtype: np.dtype[Any]) -> Any:
    """Return 1/2 - q, for several quantiles as a column."""
    if isinstance(quantile, tuple):
        return _shift_column(quantile, dtype)
    return 0.5 - quantile


@lru_cache(maxsize=64)
def _shift_column(quantiles: tuple[float, ...], dtype: np.dtype[Any]) -> FloatArray:
    column = np.array([[0.5 - q] for q in quantiles], dtype)
    column.flags.writeable = False
    return column


def poisson_exponential(
    logits: FloatArray, target: FloatArray, scratch: FloatArray
) -> FloatArray:
    r"""Half the Poisson deviance of :math:`e^z`, but for a constant of the target.

    :math:`\frac{1}{n} \sum_c (e^{z_c} - y_c z_c)`, with gradient
    :math:`(e^z - y) / n`.

    Parameters and result: see `LossFunction.__call__`.
    """
    values, product, n_outputs = scratch[0], scratch[1], logits.shape[-2]
    np.multiply(logits, target, out=product)
    # exp of a logit of minus infinity is a plausible 0, but 0 * z is NaN there
    np.multiply(logits, 0, out=values)
    np.exp(logits, out=logits)
    np.add(values, logits, out=values)
    np.subtract(values, product, out=values)
    np.multiply(values, 1 / n_outputs, out=values)
    np.subtract(logits, target, out=logits)
    np.multiply(logits, 1 / n_outputs, out=logits)
    return values
