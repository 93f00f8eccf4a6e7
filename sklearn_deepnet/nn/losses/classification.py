"""Losses of classification; see `sklearn_deepnet.nn.losses`.

Each line is one ufunc with ``out=``, or its ``reduce`` instead of ``np.max`` and
``np.sum``. In a small network, allocating arrays and the Python wrappers of NumPy would
take longer than the arithmetic.
"""

import numpy as np
from scipy.special import expit, log_expit, log_softmax

from ..._utils.typing import FloatArray
from ..activations import zeros_like


def binary_cross_entropy(
    logits: FloatArray, target: FloatArray, scratch: FloatArray
) -> FloatArray:
    r"""Cross-entropy of sigmoid outputs, :math:`-y \log p - (1-y) \log(1-p)`.

    With :math:`p = \sigma(z)` and :math:`l = \log(1 + e^{-|z|})` it is
    :math:`\max(z, 0) - zy + l`, which neither overflows nor needs clipping: at z = 60,
    y = 0 it is 60, where a clipped ``log(1 - p)`` stops at 36.04. The gradient is
    :math:`p - y` with :math:`p = e^{\min(z, 0) - l}`.

    Parameters and result: see `LossFunction.__call__`.
    """
    values, log1p, product = scratch
    np.copysign(logits, -1, out=log1p)  # -|z| in one call: sets the sign bit
    np.exp(log1p, out=log1p)
    np.log1p(log1p, out=log1p)
    np.multiply(logits, target, out=product)
    np.maximum(logits, zeros_like(logits), out=values)
    np.subtract(values, product, out=values)
    np.add(values, log1p, out=values)
    # log p = min(z, 0) - l reuses l, so no sigmoid has to be computed
    np.minimum(logits, zeros_like(logits), out=logits)
    np.subtract(logits, log1p, out=logits)
    np.exp(logits, out=logits)
    np.subtract(logits, target, out=logits)
    return values


def cross_entropy(
    logits: FloatArray, target: FloatArray, scratch: FloatArray
) -> FloatArray:
    r"""Cross-entropy of a softmax, :math:`-\sum_c y_c \log p_c`.

    With :math:`p_c = e^{z_c} / \sum_k e^{z_k}` and targets that sum to one it is
    :math:`\log \sum_k e^{z_k} - \sum_c y_c z_c`; the gradient is :math:`p - y`. The
    largest logit is subtracted from all first, which changes neither and avoids
    overflow.

    Parameters and result: see `LossFunction.__call__`.
    """
    products = scratch[0]
    values, total = scratch[1][..., :1, :], scratch[2][..., :1, :]
    np.maximum.reduce(logits, axis=-2, keepdims=True, out=values)
    np.subtract(logits, values, out=logits)
    np.multiply(logits, target, out=products)
    np.add.reduce(products, axis=-2, keepdims=True, out=values)
    np.exp(logits, out=logits)
    np.add.reduce(logits, axis=-2, keepdims=True, out=total)
    np.divide(logits, total, out=logits)
    np.subtract(logits, target, out=logits)
    np.log(total, out=total)
    np.subtract(total, values, out=values)
    return values


def squared_error_logistic(
    logits: FloatArray, target: FloatArray, scratch: FloatArray
) -> FloatArray:
    r"""Half the squared error of sigmoid outputs, averaged over them.

    :math:`\frac{1}{2n} \sum_c (p_c - y_c)^2` with :math:`p = \sigma(z)` and gradient
    :math:`(p - y)\, p\, (1 - p) / n`. The gradient vanishes where the network makes
    confident but wrong predictions, which is one reason to prefer the cross-entropy.

    Parameters and result: see `LossFunction.__call__`.
    """
    values, p = scratch[0], scratch[1]
    n_units = logits.shape[-2]
    expit(logits, out=p)
    # The sigmoid of an infinite logit is a plausible 0 or 1. But 0 * z is NaN if z is
    # infinite, so adding it to p makes a divergence visible in the loss.
    np.multiply(logits, 0, out=logits)
    np.add(logits, p, out=logits)
    np.subtract(logits, target, out=logits)
    np.multiply(logits, logits, out=values)
    np.multiply(values, 0.5 / n_units, out=values)
    np.multiply(logits, p, out=logits)
    np.subtract(1, p, out=p)
    np.multiply(logits, p, out=logits)
    np.multiply(logits, 1 / n_units, out=logits)
    return values


def squared_error_softmax(
    logits: FloatArray, target: FloatArray, scratch: FloatArray
) -> FloatArray:
    r"""Half the squared error of softmax outputs, averaged over the classes.

    :math:`\frac{1}{2C} \sum_c (p_c - y_c)^2`, known as the Brier score but for the
    factor. With :math:`d = (p - y) / C` the gradient is
    :math:`p_c \, (d_c - \sum_k p_k d_k)`.

    Parameters and result: see `LossFunction.__call__`.
    """
    values, d, row = scratch[0], scratch[1], scratch[2][..., :1, :]
    n_classes = logits.shape[-2]
    np.maximum.reduce(logits, axis=-2, keepdims=True, out=row)
    np.subtract(logits, row, out=logits)
    np.multiply(logits, 0, out=d)  # NaN where z is infinite, as above
    np.exp(logits, out=logits)
    np.add.reduce(logits, axis=-2, keepdims=True, out=row)
    np.divide(logits, row, out=logits)
    np.add(d, logits, out=d)
    np.subtract(d, target, out=d)
    np.multiply(d, d, out=values)
    np.multiply(values, 0.5 / n_classes, out=values)
    np.multiply(d, 1 / n_classes, out=d)
    np.multiply(logits, d, out=d)  # p d
    np.add.reduce(d, axis=-2, keepdims=True, out=row)
    np.multiply(logits, row, out=logits)
    np.subtract(d, logits, out=logits)
    return values


def focal_logistic(
    logits: FloatArray, target: FloatArray, scratch: FloatArray, gamma: float = 2.0
) -> FloatArray:
    r"""Cross-entropy of sigmoid outputs that down-weights easy samples [1]_.

    .. math:: -y\, (1-p)^\gamma \log p - (1-y)\, p^\gamma \log(1-p)

    Its derivative by the logit is :math:`y\, (1-p)^\gamma (\gamma p \log p - (1-p)) +
    (1-y)\, p^\gamma (p - \gamma (1-p) \log(1-p))`. This function is written for
    readability. Unlike the other losses, it allocates arrays in each step.

    Parameters and result: see `LossFunction.__call__`.

    References
    ----------
    .. [1] Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, eq. 4.
    """
    values, log_p, log_q = scratch
    np.copyto(log_p, log_expit(logits))
    np.copyto(log_q, log_expit(-logits))
    p, q = np.exp(log_p), np.exp(log_q)
    one = target * np.exp(gamma * log_q)
    zero = (1 - target) * np.exp(gamma * log_p)
    np.multiply(logits, 0, out=logits)  # NaN where z is infinite, as above
    logits += one * (gamma * p * log_p - q) + zero * (p - gamma * q * log_q)
    np.negative(one * log_p + zero * log_q, out=values)
    return values


def focal_softmax(
    logits: FloatArray, target: FloatArray, scratch: FloatArray, gamma: float = 2.0
) -> FloatArray:
    r"""Cross-entropy of a softmax that down-weights easy samples [1]_.

    .. math:: -\sum_c y_c\, (1-p_c)^\gamma \log p_c

    With :math:`u_c = y_c \bigl(\gamma (1-p_c)^{\gamma-1} p_c \log p_c -
    (1-p_c)^\gamma\bigr)` the gradient is :math:`u_c - p_c \sum_k u_k`.

    Parameters and result: see `LossFunction.__call__`.

    References
    ----------
    .. [1] Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, eq. 4.
    """
    values = scratch[0]
    log_p = log_softmax(logits, axis=-2)
    p, q = np.exp(log_p), -np.expm1(log_p)  # q = 1 - p, exact even if it is tiny
    # p log p / (1 - p) tends to -1 as p tends to 1, where it would be 0 / 0
    odds = np.divide(p * log_p, q, out=np.full_like(q, -1), where=q > 0)
    hard = target * q**gamma
    u = hard * (gamma * odds - 1)
    np.subtract(u, p * np.add.reduce(u, axis=-2, keepdims=True), out=logits)
    np.multiply(hard, -log_p, out=values)
    return values
