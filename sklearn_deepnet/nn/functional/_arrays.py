"""Checks of arrays, numbers and targets, answered in the terms of the course.

NumPy alone would broadcast (1, m) and (m, 1) to (m, m), and take the label 2 for an
indicator. Each function returns an array of finite floats, the same array if it is one.
Or it raises a ValueError that says what was given, what is expected and what to write
instead.
"""

from decimal import Decimal
from numbers import Integral, Real
from typing import Any, TypeAlias

import numpy as np
from scipy.sparse import issparse

from ..._utils.lookup import look_up
from ..._utils.typing import FloatArray
from ..activations import ACTIVATIONS, Activation, sigmoid
from ..losses import log_loss, squared_error

LOSSES = {"log_loss": log_loss, "squared_error": squared_error}
SAMPLES = "one column is one sample"
_NUMBERS = (Real, Decimal, np.bool_)

Shape: TypeAlias = tuple[int | None, ...]


# ---- arrays


def check_array(name: str, value: Any) -> FloatArray:
    """Return finite numbers in an array of two axes."""
    array = as_numbers(name, value)
    if array.ndim == 2:
        return array
    forms = f"{name}[np.newaxis] for one row, {name}[:, np.newaxis] for one column"
    raise ValueError(
        f"{name} has the shape {array.shape}, but it needs rows and columns"
        f"{f'; give {forms}' if array.ndim == 1 else ''}."
    )


def check_shape(
    name: str,
    array: FloatArray,
    expected: Shape,
    other: str,
    other_shape: tuple[int, ...],
    because: str = SAMPLES,
) -> FloatArray:
    """Return the array, or raise if it lacks the shape that another array requires.

    None in a shape is for any number. The strings are for the message.
    """
    if array.shape == expected or _fits(array, expected):
        return array
    raise ValueError(
        f"{name} has the shape {array.shape}, {other} {other_shape}: "
        f"{because}; {_what_to_give(name, array, expected)}."
    )


def _fits(array: FloatArray, expected: Shape) -> bool:
    return array.ndim == 2 and all(
        n in (None, m) for n, m in zip(expected, array.shape, strict=True)
    )


def _what_to_give(name: str, array: FloatArray, expected: Shape) -> str:
    forms = {".T": array.T}
    if array.ndim == 1:
        forms = {"[np.newaxis]": array[None], "[:, np.newaxis]": array[:, None]}
    for index, form in forms.items():
        if _fits(form, expected):
            return f"give {name}{index}"
    n_rows, n_columns = expected
    return f"the shape has to be ({n_rows or 'n_units'}, {n_columns or 'm'})"


def as_numbers(name: str, value: Any) -> FloatArray:
    """Return finite numbers as an array of floats, the same one if it is one."""
    is_array = type(value) is np.ndarray and value.dtype != object
    array = value if is_array else _to_array(name, value)
    if array.dtype.kind not in "biuf":
        raise ValueError(
            f"{name} must be an array of numbers, but its dtype is {array.dtype}."
        )
    if not array.size:
        raise ValueError(f"{name} is empty: its shape is {array.shape}.")
    # Small integers would overflow in a sum, and bools cannot be subtracted.
    if array.dtype.kind != "f" or array.dtype.itemsize not in (4, 8):
        with np.errstate(over="ignore"):  # an infinity is found below
            array = array.astype(float)
    finite = np.isfinite(array)
    if not finite.all():
        place = [int(k) for k in np.argwhere(~finite)[0]]
        raise ValueError(
            f"{name} holds NaN or infinity, first at {name}{place}. If it comes from "
            "training, lower learning_rate; else remove or replace such values."
        )
    return array


def _to_array(name: str, value: Any) -> FloatArray:
    if issparse(value):
        raise ValueError(f"{name} is a sparse matrix; give {name}.toarray().")
    if np.ma.is_masked(value):
        raise ValueError(f"{name} has masked values; remove or replace them.")
    try:
        array = np.asarray(value)
    except ValueError:
        raise ValueError(
            f"{name} holds rows of different lengths; all must have as many values."
        ) from None
    if array.dtype != object:
        return array
    for place, item in np.ndenumerate(array):
        if isinstance(item, np.timedelta64) or not isinstance(item, _NUMBERS):
            where = f"{name}{[*place]}" if place else name
            what = "None" if item is None else f"of the type {type(item).__name__}"
            raise ValueError(
                f"{name} must be an array of numbers, but {where} is {what}."
            )
    try:
        return array.astype(float)
    except OverflowError:
        raise ValueError(
            f"{name} holds a number that is too large for float64; scale it first."
        ) from None


# ---- numbers


def check_positive(name: str, value: Any) -> None:
    """Raise unless the value is a positive number."""
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not is_number or not 0 < value < np.inf:
        raise ValueError(f"{name} must be a positive number. Got {value!r} instead.")


def check_count(name: str, value: Any, smallest: int) -> int:
    """Return a whole number."""
    # To Python, True is an integer.
    is_integer = isinstance(value, Integral) and not isinstance(value, bool)
    if not is_integer or value < smallest:
        raise ValueError(
            f"{name} must be an integer of at least {smallest}. Got {value!r} instead."
        )
    return int(value)


def check_bool(name: str, value: Any) -> None:
    """Raise unless the value is True or False."""
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name} must be True or False. Got {value!r} instead.")


def check_random_state(random_state: Any) -> np.random.RandomState:
    """Return a generator, for a seed a new one."""
    if isinstance(random_state, np.random.RandomState):
        return random_state
    is_seed = isinstance(random_state, Integral) and 0 <= int(random_state) < 2**32
    if random_state is not None and not is_seed:
        raise ValueError(
            "random_state must be an integer from 0 to 2**32 - 1, a "
            f"numpy.random.RandomState or None. Got {random_state!r} instead."
        )
    return np.random.RandomState(random_state)


# ---- losses and targets


def look_up_loss(loss: Any, activation: str | Activation | None = None) -> Any:
    """Return the loss; with the activation of the output layer, its function there."""
    if not isinstance(loss, str):
        raise ValueError(f"loss must be one of {[*LOSSES]}. Got {loss!r} instead.")
    found = look_up(LOSSES, loss, "loss")
    if activation is None:
        return found
    name = look_up(ACTIVATIONS, activation, "activation").name
    function = {"sigmoid": found.logistic, "identity": found.identity}.get(name)
    if function is None:
        raise ValueError(
            f"loss={loss!r} is not defined for an output layer of activation "
            f"{name!r}; log_loss needs 'sigmoid', squared_error 'sigmoid' or "
            "'identity'."
        )
    return function


def check_outputs(AL: Any, loss: str) -> FloatArray:
    """Return the outputs of a network, probabilities where the loss takes these."""
    AL = check_array("AL", AL)
    low, high = AL.min(), AL.max()
    if loss == "log_loss" and not 0 <= low <= high <= 1:
        raise ValueError(
            f"AL holds values from {low:.6g} to {high:.6g}, but loss='log_loss' takes "
            "probabilities, such as a sigmoid computes."
        )
    return AL


def check_targets(
    Y: Any, shape: tuple[int, ...], of: str, loss: str, activation: str | None = None
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
    if loss == "log_loss":
        _check_indicators(Y, "loss='log_loss'")
    elif look_up(ACTIVATIONS, activation, "activation") is sigmoid:
        _check_indicators(Y, "a sigmoid")
    return Y


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
