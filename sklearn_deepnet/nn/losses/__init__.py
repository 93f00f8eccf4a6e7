r"""Losses: value and gradient from one function, on logits.

A loss is computed from logits rather than from probabilities. This requires no
clipping, does not overflow, and is exact even if the network is very wrong. Each loss
works in place:

``loss(logits, target, scratch) -> values``
    overwrites ``logits``, of shape ``(..., n_units, n_samples)``, by the gradient of
    the loss of each sample. It returns the losses, of shape ``(..., n, n_samples)``,
    which have to be summed over the last axis but one. They are stored in ``scratch``,
    which holds three arrays of the shape of ``logits``.

The caller multiplies the losses by the sample weights and takes the mean. The functions
here do not divide by the number of samples. If a logit is not finite, the loss is NaN
or infinite, so that divergence is detected.

>>> import numpy as np
>>> logits, y = np.array([[0.0, 60.0]]), np.array([[1.0, 0.0]])
>>> binary_cross_entropy(logits, y, np.empty((3, 1, 2))).round(4)
array([[ 0.6931, 60.    ]])
>>> logits
array([[-0.5,  1. ]])
"""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import pairwise
from numbers import Real
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

import numpy as np

from ..._utils.lookup import forgets_elementwise
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
    """Signature of a loss function, as the training loop calls it."""

    def __call__(
        self, logits: FloatArray, target: FloatArray, scratch: FloatArray
    ) -> FloatArray:
        """Turn logits into the gradient, in place, and return the losses.

        Parameters
        ----------
        logits : ndarray of shape (..., n_units, n_samples)
            Overwritten by the derivative of the loss of each sample.
        target : ndarray of the same shape
            For classes, values between 0 and 1, one-hot or smoothed. Otherwise any
            numbers. For several quantiles of one number, the units share one row.
        scratch : ndarray of shape (3, ..., n_units, n_samples)
            Work arrays, which are overwritten.

        Returns
        -------
        values : ndarray of shape (..., n, n_samples)
            Losses, as a view of `scratch`. Their sum over the last axis but one is the
            loss of each sample; n is 1 or the number of units.
        """


@forgets_elementwise("logistic", "softmax", "identity", "exponential")
class Loss(NamedTuple):
    """A loss, with one function for each kind of output that it supports.

    Parameters
    ----------
    name : str
        The name that users type.
    logistic : callable ``(logits, target, scratch) -> values`` or None
        For sigmoid outputs, such as a binary or a multilabel classification.
    softmax : callable ``(logits, target, scratch) -> values`` or None
        For outputs that are the probabilities of mutually exclusive classes.
    identity : callable ``(logits, target, scratch) -> values`` or None
        For regression, where the predictions are the logits.
    exponential : callable ``(logits, target, scratch) -> values`` or None
        For regression, where the predictions are the exponentials of the logits.
    elementwise : bool, default=False
        Whether the functions treat each sample of each network independently, for any
        number of leading axes, and keep no state between calls. `target` may lack the
        axes of the stack. If True, networks can be trained as a stack and by several
        threads. If False, they are trained one at a time in a single thread.
    """

    name: str
    logistic: LossFunction | None = None
    softmax: LossFunction | None = None
    identity: LossFunction | None = None
    exponential: LossFunction | None = None
    elementwise: bool = False

    def __repr__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class LossWithSetting:
    """A loss function and the value of its setting.

    Unlike a `functools.partial`, it is equal to another one with the same function and
    setting. Therefore ``focal(2.0) == focal(2.0)``, and a loss is equal to its copy or
    its unpickled copy. Equality decides whether networks can share a stack and whether
    a fit can be resumed.

    Parameters
    ----------
    function : callable ``(logits, target, scratch, setting) -> values``
        The function.
    setting : float or tuple of float
        Its last argument.
    """

    function: Callable[..., FloatArray]
    setting: float | tuple[float, ...]

    def __call__(
        self, logits: FloatArray, target: FloatArray, scratch: FloatArray
    ) -> FloatArray:
        """Call the function with the setting; see `LossFunction`."""
        return self.function(logits, target, scratch, self.setting)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real)


def focal(gamma: float = 2.0) -> Loss:
    r"""Return the focal loss with a given :math:`\gamma`.

    Parameters
    ----------
    gamma : float, default=2.0
        Focusing parameter, at least 0. Larger values give less weight to samples that
        are classified well; 0 is the cross-entropy.

    Returns
    -------
    loss : Loss
        Value for the parameter `loss` of an estimator.
    """
    if not (_is_number(gamma) and 0 <= gamma < np.inf):
        raise ValueError(
            f"gamma must be a finite number of at least 0. Got {gamma!r} instead."
        )
    return Loss(
        _name("focal", gamma, 2.0),
        logistic=LossWithSetting(focal_logistic, gamma),
        softmax=LossWithSetting(focal_softmax, gamma),
        elementwise=True,
    )


def huber(delta: float = 1.0) -> Loss:
    """Return the Huber loss with a given threshold.

    Parameters
    ----------
    delta : float, default=1.0
        Threshold between small and large errors, which must be positive. Errors above
        it count linearly. It is in units of the scaled target.

    Returns
    -------
    loss : Loss
        Value for the parameter `loss` of an estimator.
    """
    if not (_is_number(delta) and 0 < delta < np.inf):
        raise ValueError(f"delta must be a positive number. Got {delta!r} instead.")
    return Loss(
        _name("huber", delta, 1.0),
        identity=LossWithSetting(huber_identity, delta),
        elementwise=True,
    )


def quantile(quantile: float | Sequence[float] | FloatArray = 0.5) -> Loss:
    """Return the pinball loss of one quantile, or of several.

    ``loss=quantile(0.9)`` is the same as ``loss="quantile", quantile=0.9``.

    Parameters
    ----------
    quantile : float or increasing sequence of float, default=0.5
        The quantile to predict, between 0 and 1. For a sequence, the network has one
        output unit for each quantile, and their losses are averaged.

    Returns
    -------
    loss : Loss
        Value for the parameter `loss` of an estimator.
    """
    setting = _check_quantiles(quantile)
    # Written as a list, like the parameter of an estimator.
    shown = [*setting] if isinstance(setting, tuple) else setting
    function = LossWithSetting(quantile_identity, setting)
    return Loss(_name("quantile", shown, 0.5), identity=function, elementwise=True)


def _check_quantiles(given: Any) -> float | tuple[float, ...]:
    """Return the quantiles as floats of Python, or raise an error.

    With a scalar of NumPy, a network in float32 would compute in float64.
    """
    is_one = _is_number(given)
    try:
        values = [given] if is_one else [*given]
    except TypeError:
        values = []
    are_ordered = not isinstance(given, Set | Mapping)
    are_valid = (
        are_ordered
        and bool(values)
        and all(_is_number(q) and 0 < q < 1 for q in values)
    )
    if not (are_valid and all(q < higher for q, higher in pairwise(values))):
        raise ValueError(
            "quantile must be a number in (0, 1), or an increasing sequence of such "
            f"numbers. Got {given!r} instead."
        )
    return float(given) if is_one else tuple(map(float, values))


def quantiles_of(loss: LossFunction | None) -> float | tuple[float, ...] | None:
    """Return what a loss function of `quantile` predicts.

    Parameters
    ----------
    loss : callable or None
        A loss function, such as the field `identity` of a `Loss`.

    Returns
    -------
    quantiles : float, tuple of float or None
        One quantile, or several. None for another loss.
    """
    if isinstance(loss, LossWithSetting) and loss.function is quantile_identity:
        return loss.setting
    return None


def _name(loss: str, value: Any, default: float) -> str:
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
