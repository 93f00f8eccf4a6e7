"""The losses of the course, and checks of outputs and targets."""

from typing import Any

import numpy as np

from ..._utils.lookup import look_up
from ..._utils.typing import FloatArray
from ..activations import Activation, sigmoid
from ..losses import LossFunction, log_loss, squared_error
from ._activations import look_up_activation, softmax
from ._arrays import SAMPLES, as_numbers, check_array, check_shape

# The function on logits, for each activation of the output layer. The estimators call
# both cross-entropies "log_loss", since the labels tell them which one it is.
LOSSES = {
    "log_loss": {"sigmoid": log_loss.logistic},
    "cross_entropy": {"softmax": log_loss.softmax},
    "squared_error": {
        "sigmoid": squared_error.logistic,
        "softmax": squared_error.softmax,
        "identity": squared_error.identity,
    },
}
_SUM = 1e-4  # how far the probabilities of a sample may be from a sum of one


def check_loss(loss: Any) -> None:
    """Raise unless the loss is the name of one."""
    if not isinstance(loss, str):
        raise ValueError(f"loss must be one of {[*LOSSES]}. Got {loss!r} instead.")
    look_up(LOSSES, loss, "loss")


def look_up_loss(loss: Any, activation: str | Activation) -> LossFunction:
    """Return the function of a loss for the activation of the output layer."""
    check_loss(loss)
    name = look_up_activation(activation).name
    function = LOSSES[loss].get(name)
    if function is None:
        raise ValueError(
            f"loss={loss!r} is not defined for an output layer of activation "
            f"{name!r}; log_loss needs 'sigmoid', cross_entropy 'softmax', "
            "squared_error 'sigmoid', 'softmax' or 'identity'."
        )
    return function


def check_outputs(AL: Any, loss: str) -> FloatArray:
    """Return the outputs of a network, probabilities where the loss takes these."""
    AL = check_array("AL", AL)
    low, high = AL.min(), AL.max()
    source = {"log_loss": "sigmoid", "cross_entropy": "softmax"}.get(loss)
    if source and not 0 <= low <= high <= 1:
        raise ValueError(
            f"AL holds values from {low:.6g} to {high:.6g}, but loss={loss!r} takes "
            f"probabilities, such as a {source} computes."
        )
    if loss == "cross_entropy":
        advice = "such as a softmax computes; for outputs of sigmoids take 'log_loss'"
        _check_sums("AL", AL, f"the probabilities of all classes, {advice}")
    return AL


def check_targets(
    Y: Any, shape: tuple[int, ...], of: str, loss: str, activation: Any = None
) -> FloatArray:
    """Return targets like the outputs, and between 0 and 1 where the outputs are."""
    n_outputs, m = shape
    Y, because = as_numbers("Y", Y), SAMPLES
    if n_outputs > 1 and Y.size == m:
        because = (
            "one row is one output; if Y holds classes, numbered from 0, give "
            f"np.eye({n_outputs})[np.ravel(Y)].T"
        )
    Y = check_shape("Y", Y, shape, of, shape, because)
    if loss != "squared_error":
        _check_indicators(Y, f"loss={loss!r}")
    elif activation is not None and look_up_activation(activation) is sigmoid:
        _check_indicators(Y, "a sigmoid")
    if loss == "cross_entropy":
        advice = "for samples with several labels or none take sigmoids and 'log_loss'"
        _check_sums("Y", Y, f"one class for each sample; {advice}")
    elif activation is not None and look_up_activation(activation) is softmax:
        _check_sums("Y", Y, "one class for each sample", "a softmax")
    return Y


def _check_sums(
    name: str, array: FloatArray, what: str, taker: str = "loss='cross_entropy'"
) -> None:
    """Raise unless each column sums to one."""
    sums = np.sum(array, axis=0, dtype=float)
    wrong = np.abs(sums - 1) > _SUM
    if wrong.any():
        j = int(np.argmax(wrong))
        raise ValueError(
            f"Column {j} of {name} sums to {sums[j]:.6g} instead of 1, but {taker} "
            f"takes {what}."
        )


def _check_indicators(Y: FloatArray, taker: str) -> None:
    low, high = Y.min(), Y.max()
    if low >= 0 and high <= 1:
        return
    advice = (
        "for classes, make each of them a row of zeros and ones; for numbers, take "
        "loss='squared_error' and the activation 'identity' in the last layer"
    )
    if ((low == Y) | (high == Y)).all():
        advice = f"give (Y == {high:.6g}).astype(int)"
    raise ValueError(
        f"Y holds values from {low:.6g} to {high:.6g}, but {taker} takes 0 and 1: "
        f"{advice}."
    )
