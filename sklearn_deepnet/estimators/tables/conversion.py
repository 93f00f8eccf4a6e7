"""Convert columns of any dtype of pandas or polars to floats, text or dates."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import FunctionTransformer

from ..._utils.sklearn_compat import safe_indexing
from ..._utils.typing import FloatArray
from ..._utils.values import DATES, DURATIONS
from .columns import is_gap, name_of, values_of

MISSING = "missing"  # the level of missing values
_SECOND = np.timedelta64(1, "s")
_DATE_PARTS = ("days", "month", "weekday", "hour", "missing")


def to_floats(X: Any) -> FloatArray:
    """Return the columns as floats; durations in seconds, missing values as NaN."""
    return _convert_columns(X, _floats_of, np.float64, "numbers")


def to_text(X: Any) -> NDArray[Any]:
    """Return the columns as text of dtype object; missing values as `MISSING`."""
    return _convert_columns(X, _text_of, object, "text")


def date_parts(X: Any) -> FloatArray:
    """Return `_DATE_PARTS` of each column, side by side; missing values as NaN."""
    dates = _convert_columns(X, _dates_of, "datetime64[us]", "dates")

    def count(unit: str) -> NDArray[np.int64]:
        return dates.astype(f"datetime64[{unit}]").astype(np.int64)  # since 1970

    days = (dates - np.datetime64(0, "us")) / np.timedelta64(1, "D")
    weekday = (count("D") + 3) % 7  # 1970 began on a Thursday, which is 3
    parts = np.stack([days, count("M") % 12 + 1, weekday, count("h") % 24], axis=2)
    is_gap = np.isnat(dates)
    parts[is_gap] = np.nan
    return np.dstack([parts, is_gap]).reshape(len(dates), -1)


def date_part_names(_: FunctionTransformer, names: Sequence[str]) -> NDArray[Any]:
    """Return the names of the columns of `date_parts`."""
    named = [f"{name}_{part}" for name in names for part in _DATE_PARTS]
    return np.array(named, dtype=object)


def _convert_columns(
    X: Any, convert: Callable[[NDArray[Any]], Any], dtype: Any, what: str
) -> NDArray[Any]:
    """Return an array of the columns, each converted by `convert`."""
    converted = np.empty(X.shape, dtype=dtype)
    for k in range(X.shape[1]):
        values = values_of(safe_indexing(X, k, axis=1))
        try:
            converted[:, k] = convert(values)
        except (TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ValueError(
                f"Column {name_of(X, k)!r} held {what} during fit, but now has values "
                f"that cannot be converted to {what}: {error}. Give a column of {what}."
            ) from error
    return converted


def _floats_of(values: NDArray[Any]) -> Any:
    if values.dtype.kind == "m":
        return values / _SECOND
    if values.dtype.kind in "biuf":
        return values.astype(np.float64)
    return [np.nan if is_gap(it) else _float_of(it) for it in values]


def _float_of(value: Any) -> float:
    if isinstance(value, DURATIONS):
        return np.timedelta64(value) / _SECOND
    if isinstance(value, DATES):  # NumPy would convert it to an integer
        raise TypeError(f"{value} is a date")
    return float(value)


def _text_of(values: NDArray[Any]) -> Any:
    values = values.tolist()
    text = {it: MISSING if is_gap(it) else _name_level(it) for it in {*values}}
    return [text[it] for it in values]


def _name_level(value: Any) -> str:
    # If values are missing, pandas converts a category 1 to 1.0.
    if isinstance(value, float | np.floating) and value.is_integer():
        value = int(value)
    return str(value)


def _dates_of(values: NDArray[Any]) -> Any:
    if values.dtype.kind == "M":
        return values
    return [None if is_gap(it) else _date_of(it) for it in values.tolist()]


def _date_of(value: Any) -> Any:
    if isinstance(value, datetime) and value.tzinfo is not None:
        value = value.astimezone(UTC).replace(tzinfo=None)
    if not isinstance(value, DATES):
        raise TypeError(f"{value!r} is not a date")
    return np.datetime64(value, "us")
