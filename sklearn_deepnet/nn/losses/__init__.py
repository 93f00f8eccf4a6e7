r"""Losses: value and gradient from one function, on logits.

A loss is computed from logits, never from probabilities: that needs no clipping, does
not overflow, and stays exact where the network is very wrong. Every loss works in
place:

``loss(logits, target, scratch) -> values``
    turns ``logits`` ``(..., n_units, n_samples)`` into the gradient of each sample's
    own loss, and returns the losses, shape ``(..., n, n_samples)``, to be summed over
    the axis before the last; they lie in ``scratch``, three arrays like ``logits``.

The caller multiplies by sample weights and takes the mean; nothing here divides by the
number of samples. A logit that is not finite makes the loss NaN or infinite, so that
divergence is noticed.

>>> import numpy as np
>>> logits, y = np.array([[0.0, 60.0]]), np.array([[1.0, 0.0]])
>>> binary_cross_entropy(logits, y, np.empty((3, 1, 2))).round(4)
array([[ 0.6931, 60.    ]])
>>> logits
array([[-0.5,  1. ]])
"""

from functools import partial
from numbers import Real
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Protocol, Self, TypeAlias

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
    """Signature of a loss: what the engine calls."""

    def __call__(
        self, logits: FloatArray, target: FloatArray, scratch: FloatArray
    ) -> FloatArray:
        """Turn logits into the gradient, in place, and return the losses.

        Parameters
        ----------
        logits : ndarray of shape (..., n_units, n_samples)
            Overwritten by the derivative of each sample's loss.
        target : ndarray of the same shape
            For classes between 0 and 1, one-hot or smoothed; otherwise any numbers.
        scratch : ndarray of shape (3, ..., n_units, n_samples)
            Overwritten.

        Returns
        -------
        values : ndarray of shape (..., n, n_samples)
            Their sum over the axis before the last is the loss of each sample; n is
            1 or the number of units. A view of `scratch`.
        """


class _LossFields(NamedTuple):
    name: str
    logistic: LossFunction | None = None
    softmax: LossFunction | None = None
    identity: LossFunction | None = None
    exponential: LossFunction | None = None
    elementwise: bool = False


class Loss(_LossFields):
    """A loss, with one function for each kind of output that it is defined for.

    Parameters
    ----------
    name : str
        The name that users type.
    logistic : callable ``(logits, target, scratch) -> values`` or None
        For independent sigmoid outputs, one or several.
    softmax : callable ``(logits, target, scratch) -> values`` or None
        For outputs that are the probabilities of exclusive classes.
    identity : callable ``(logits, target, scratch) -> values`` or None
        For outputs that are numbers, the logits themselves.
    exponential : callable ``(logits, target, scratch) -> values`` or None
        For outputs that are positive numbers, the exponentials of the logits.
    elementwise : bool, default=False
        Whether the functions treat each sample of each network alone, whatever axes
        come first, and keep nothing between calls; `target` may lack the axes of the
        stack. Then networks are trained as a stack, and by several threads; otherwise
        one at a time in one thread.
    """

    __slots__ = ()

    def _replace(self, **changes: Any) -> Self:
        # Of another function it is not known whether it is element-wise.
        if changes.keys() - {"name"}:
            changes.setdefault("elementwise", False)
        return super()._replace(**changes)

    def __repr__(self) -> str:
        return self.name


class _ComparablePartial(partial[FloatArray]):
    """A `functools.partial` that equals another one of the same function and arguments.

    So ``focal(2.0) == focal(2.0)``, and a loss equals its copy or unpickled self, which
    decides whether networks may share a stack and whether a fit can be resumed.
    """

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ComparablePartial) and self._parts == other._parts

    def __hash__(self) -> int:
        return hash(self._parts)

    @property
    def _parts(self) -> tuple[Any, ...]:
        return self.func, self.args, *self.keywords.items()


def _is_number(value: Any) -> bool:
    return isinstance(value, Real)


def focal(gamma: float = 2.0) -> Loss:
    r"""Return the focal loss with a given :math:`\gamma`.

    Parameters
    ----------
    gamma : float, default=2.0
        Not negative; 0 is the cross-entropy.

    Returns
    -------
    loss : Loss
        For the parameter `loss`.
    """
    if not (_is_number(gamma) and 0 <= gamma < np.inf):
        raise ValueError(f"gamma must not be negative. Got {gamma!r} instead.")
    return Loss(
        _name("focal", gamma, 2.0),
        logistic=_ComparablePartial(focal_logistic, gamma=gamma),
        softmax=_ComparablePartial(focal_softmax, gamma=gamma),
        elementwise=True,
    )


def huber(delta: float = 1.0) -> Loss:
    """Return the Huber loss with a given threshold.

    Parameters
    ----------
    delta : float, default=1.0
        Errors above it count linearly; in units of the scaled target, positive.

    Returns
    -------
    loss : Loss
        For the parameter `loss`.
    """
    if not (_is_number(delta) and 0 < delta < np.inf):
        raise ValueError(f"delta must be a positive number. Got {delta!r} instead.")
    return Loss(
        _name("huber", delta, 1.0),
        identity=_ComparablePartial(huber_identity, delta=delta),
        elementwise=True,
    )


def quantile(quantile: float = 0.5) -> Loss:
    """Return the pinball loss of a given quantile.

    Parameters
    ----------
    quantile : float, default=0.5
        In (0, 1).

    Returns
    -------
    loss : Loss
        For the parameter `loss`.
    """
    if not (_is_number(quantile) and 0 < quantile < 1):
        raise ValueError(f"quantile must be in (0, 1). Got {quantile!r} instead.")
    function = _ComparablePartial(quantile_identity, quantile=quantile)
    name = _name("quantile", quantile, 0.5)
    return Loss(name, identity=function, elementwise=True)


def _name(loss: str, value: float, default: float) -> str:
    return loss if value == default else f"{loss}({value})"


log_loss = Loss(
    "log_loss", logistic=binary_cross_entropy, softmax=cross_entropy, elementwise=True
)
squared_error = Loss(
    "squared_error",
    logistic=squared_error_logistic,
    softmax=squared_error_softmax,
    identity=squared_error_identity,
    elementwise=True,
)
absolute_error = Loss(
    "absolute_error", identity=absolute_error_identity, elementwise=True
)
poisson = Loss("poisson", exponential=poisson_exponential, elementwise=True)

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

# Names as types, for editors and type checkers; a test compares them with the table.
ClassLossName: TypeAlias = Literal["log_loss", "focal", "squared_error"]
NumberLossName: TypeAlias = Literal[
    "squared_error", "absolute_error", "huber", "poisson", "quantile"
]
