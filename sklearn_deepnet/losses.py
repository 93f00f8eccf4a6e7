r"""Losses: value and gradient from one function, on logits.

A loss never sees probabilities: from logits it needs neither clipping nor care for
overflow, and at large errors it tells the truth. Every loss works in place:

``loss(logits, target, scratch) -> values``
    turns ``logits`` ``(..., n_units, n_samples)`` into the gradient of each sample's
    own loss, and returns the losses, shape ``(..., n, n_samples)``, to be summed over
    the axis before the last; they lie in ``scratch``, three arrays like ``logits``.

Weights of samples, and the mean, are the caller's: nothing here divides by their
number. A logit that is not finite makes the loss NaN or infinite, never a plausible
number.

>>> import numpy as np
>>> logits, y = np.array([[0.0, 60.0]]), np.array([[1.0, 0.0]])
>>> binary_cross_entropy(logits, y, np.empty((3, 1, 2))).round(4)
array([[ 0.6931, 60.    ]])
>>> logits
array([[-0.5,  1. ]])
"""

from collections.abc import Callable
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

import numpy as np
from scipy.special import expit

from ._typing import FloatArray

__all__ = [
    "LOSSES",
    "Loss",
    "binary_cross_entropy",
    "cross_entropy",
    "log_loss",
    "squared_error",
    "squared_error_logistic",
    "squared_error_softmax",
]

LossFunction: TypeAlias = Callable[[FloatArray, FloatArray, FloatArray], FloatArray]


class Loss(NamedTuple):
    """A loss, with one function for each kind of output that it is defined for.

    Parameters
    ----------
    name : str
        As users type it.
    logistic : callable ``(logits, target, scratch) -> values`` or None
        For independent sigmoid outputs, one or several.
    softmax : callable ``(logits, target, scratch) -> values`` or None
        For outputs that are the probabilities of exclusive classes.
    """

    name: str
    logistic: LossFunction | None = None
    softmax: LossFunction | None = None

    def __repr__(self) -> str:
        return self.name


def binary_cross_entropy(
    logits: FloatArray, target: FloatArray, scratch: FloatArray
) -> FloatArray:
    r"""Cross-entropy of sigmoid outputs, :math:`-y \log p - (1-y) \log(1-p)`.

    With :math:`p = \sigma(z)` it is :math:`s - zy`, where
    :math:`s = \log(1 + e^z) = \max(z, 0) + \log(1 + e^{-|z|})` neither overflows nor
    needs clipping: at z = 60, y = 0 it is 60, where a clipped ``log(1 - p)`` stops at
    36.04. The gradient is :math:`p - y` with :math:`p = e^{z - s}`.

    Parameters
    ----------
    logits : ndarray of shape (..., n_units, n_samples)
        Overwritten by the gradient.
    target : ndarray of the same shape
        Between 0 and 1.
    scratch : ndarray of shape (3, ..., n_units, n_samples)
        Overwritten.

    Returns
    -------
    values : ndarray of shape (..., n_units, n_samples)
        The loss of each unit and sample, a view of `scratch`.
    """
    values, softplus = scratch[0], scratch[1]
    np.copysign(logits, -1, out=softplus)
    np.exp(softplus, out=softplus)
    np.log1p(softplus, out=softplus)
    np.maximum(logits, 0, out=values)
    np.add(softplus, values, out=softplus)
    np.multiply(logits, target, out=values)
    np.subtract(softplus, values, out=values)
    np.subtract(logits, softplus, out=logits)
    np.exp(logits, out=logits)
    np.subtract(logits, target, out=logits)
    return values


def cross_entropy(
    logits: FloatArray, target: FloatArray, scratch: FloatArray
) -> FloatArray:
    r"""Cross-entropy of a softmax, :math:`-\sum_c y_c \log p_c`.

    With :math:`p_c = e^{z_c} / \sum_k e^{z_k}` and targets that sum to one it is
    :math:`\log \sum_k e^{z_k} - \sum_c y_c z_c`, computed after the largest logit is
    taken off; the gradient is :math:`p - y`.

    Parameters
    ----------
    logits : ndarray of shape (..., n_classes, n_samples)
        Overwritten by the gradient.
    target : ndarray of the same shape
        Probabilities, which sum to one over the classes.
    scratch : ndarray of shape (3, ..., n_classes, n_samples)
        Overwritten.

    Returns
    -------
    values : ndarray of shape (..., 1, n_samples)
        The loss of each sample, a view of `scratch`.
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
    :math:`(p - y)\, p\, (1 - p) / n`: it fades where the network is surely wrong, one
    reason to prefer the cross-entropy.

    Parameters
    ----------
    logits : ndarray of shape (..., n_units, n_samples)
        Overwritten by the gradient.
    target : ndarray of the same shape
        Between 0 and 1.
    scratch : ndarray of shape (3, ..., n_units, n_samples)
        Overwritten.

    Returns
    -------
    values : ndarray of shape (..., n_units, n_samples)
        The share of each unit in the loss of each sample, a view of `scratch`.
    """
    values, p = scratch[0], scratch[1]
    n_units = logits.shape[-2]
    expit(logits, out=p)
    np.multiply(logits, 0, out=logits)  # NaN if infinite, which p would hide
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

    Parameters
    ----------
    logits : ndarray of shape (..., n_classes, n_samples)
        Overwritten by the gradient.
    target : ndarray of the same shape
        Probabilities, which sum to one over the classes.
    scratch : ndarray of shape (3, ..., n_classes, n_samples)
        Overwritten.

    Returns
    -------
    values : ndarray of shape (..., n_classes, n_samples)
        The share of each class in the loss of each sample, a view of `scratch`.
    """
    values, d, spare = scratch
    row = spare[..., :1, :]
    n_classes = logits.shape[-2]
    np.maximum.reduce(logits, axis=-2, keepdims=True, out=row)
    np.subtract(logits, row, out=logits)
    np.multiply(logits, 0, out=d)  # NaN if infinite, which p would hide
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


log_loss = Loss("log_loss", logistic=binary_cross_entropy, softmax=cross_entropy)
squared_error = Loss(
    "squared_error", logistic=squared_error_logistic, softmax=squared_error_softmax
)

LOSSES = MappingProxyType({"log_loss": log_loss, "squared_error": squared_error})
