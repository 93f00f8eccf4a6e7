"""Checks of arrays and numbers, answered in the terms of the course.

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

from ..._utils.typing import FloatArray

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
    rows = n_rows or ("n_outputs" if name == "Y" else "n_units")
    return f"the shape has to be ({rows}, {n_columns or 'm'})"


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


def check_positive(name: str, value: Any) -> float:
    """Return a positive number."""
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not is_number or not 0 < value < np.inf:
        raise ValueError(f"{name} must be a positive number. Got {value!r} instead.")
    return float(value)


def check_share(name: str, value: Any) -> float:
    """Return a number in [0, 1)."""
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not is_number or not 0 <= value < 1:
        raise ValueError(f"{name} must be in [0, 1). Got {value!r} instead.")
    return float(value)


def check_probability(name: str, value: Any) -> float:
    """Return a number in (0, 1]."""
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not is_number or not 0 < value <= 1:
        raise ValueError(f"{name} must be in (0, 1]. Got {value!r} instead.")
    return float(value)


def check_not_negative(name: str, value: Any) -> float:
    """Return a number that is not negative."""
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not is_number or not 0 <= value < np.inf:
        raise ValueError(f"{name} must not be negative. Got {value!r} instead.")
    return float(value)


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
