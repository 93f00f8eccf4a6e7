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

from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import numpy as np

from ..._utils.typing import FloatArray
from .classification import (
    binary_cross_entropy,
    cross_entropy,
    focal_logistic,
    focal_softmax,
    squared_error_logistic,
    squared_error_softmax,
)
from .regression import (
    absolute_error_identity,
    huber_identity,
    poisson_exponential,
    quantile_identity,
    squared_error_identity,
)

__all__ = [
    "LOSSES",
    "Loss",
    "LossFunction",
    "absolute_error",
    "absolute_error_identity",
    "binary_cross_entropy",
    "cross_entropy",
    "focal",
    "huber",
    "log_loss",
    "poisson",
    "poisson_exponential",
    "quantile",
    "squared_error",
    "squared_error_identity",
    "squared_error_logistic",
    "squared_error_softmax",
]


class LossFunction(Protocol):
    """What the engine asks of a loss."""

    def __call__(
        self, logits: FloatArray, target: FloatArray, scratch: FloatArray
    ) -> FloatArray:
        """Turn logits into the gradient, in place, and return the losses.

        Parameters
        ----------
        logits : ndarray of shape (..., n_units, n_samples)
            Overwritten by the derivative of each sample's loss.
        target : ndarray of the same shape
            Between 0 and 1 for classes, one-hot or smoothed; any numbers else.
        scratch : ndarray of shape (3, ..., n_units, n_samples)
            Overwritten.

        Returns
        -------
        values : ndarray of shape (..., n, n_samples)
            Their sum over the axis before the last is the loss of each sample; n is
            1 or the number of units. A view of `scratch`.
        """


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
    identity : callable ``(logits, target, scratch) -> values`` or None
        For outputs that are numbers, the logits themselves.
    exponential : callable ``(logits, target, scratch) -> values`` or None
        For outputs that are positive numbers, the exponentials of the logits.
    """

    name: str
    logistic: LossFunction | None = None
    softmax: LossFunction | None = None
    identity: LossFunction | None = None
    exponential: LossFunction | None = None

    def __repr__(self) -> str:
        return self.name


class _With(partial[FloatArray]):
    """A function with a setting; equal to another of these, such as its copy."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _With) and self._parts == other._parts

    def __hash__(self) -> int:
        return hash(self._parts)

    @property
    def _parts(self) -> tuple[Any, ...]:
        return self.func, self.args, *self.keywords.items()


def focal(gamma: float = 2.0) -> Loss:
    r"""Return the focal loss for a :math:`\gamma` of your own.

    Parameters
    ----------
    gamma : float, default=2.0
        Not negative; 0 is the cross-entropy.

    Returns
    -------
    loss : Loss
        For the parameter `loss`.
    """
    if not 0 <= gamma < np.inf:
        raise ValueError(f"gamma must not be negative. Got {gamma!r} instead.")
    return Loss(
        _name("focal", gamma, 2.0),
        logistic=_With(focal_logistic, gamma=gamma),
        softmax=_With(focal_softmax, gamma=gamma),
    )


def huber(delta: float = 1.0) -> Loss:
    """Return the Huber loss for a border of your own.

    Parameters
    ----------
    delta : float, default=1.0
        Where large errors begin, in the units of the scaled target; positive.

    Returns
    -------
    loss : Loss
        For the parameter `loss`.
    """
    if not 0 < delta < np.inf:
        raise ValueError(f"delta must be a positive number. Got {delta!r} instead.")
    return Loss(_name("huber", delta, 1.0), identity=_With(huber_identity, delta=delta))


def quantile(quantile: float = 0.5) -> Loss:
    """Return the pinball loss for a quantile of your own.

    Parameters
    ----------
    quantile : float, default=0.5
        In (0, 1).

    Returns
    -------
    loss : Loss
        For the parameter `loss`.
    """
    if not 0 < quantile < 1:
        raise ValueError(f"quantile must be in (0, 1). Got {quantile!r} instead.")
    function = _With(quantile_identity, quantile=quantile)
    return Loss(_name("quantile", quantile, 0.5), identity=function)


def _name(word: str, setting: float, default: float) -> str:
    return word if setting == default else f"{word}({setting})"


log_loss = Loss("log_loss", logistic=binary_cross_entropy, softmax=cross_entropy)
squared_error = Loss(
    "squared_error",
    logistic=squared_error_logistic,
    softmax=squared_error_softmax,
    identity=squared_error_identity,
)
absolute_error = Loss("absolute_error", identity=absolute_error_identity)
poisson = Loss("poisson", exponential=poisson_exponential)

LOSSES = MappingProxyType(
    {
        "log_loss": log_loss,
        "focal": focal(),
        "squared_error": squared_error,
        "absolute_error": absolute_error,
        "huber": huber(),
        "poisson": poisson,
        "quantile": quantile(),
    }
)
