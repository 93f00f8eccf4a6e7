"""Checks of the values in y, weights and X: numbers, text, dates, missing values.

scikit-learn checks an array before it converts it to numbers. In an array of objects,
None would become a NaN that no check has seen, and a date would become a number of
days. So the type of each value is checked here first.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse

_TEXT = (str, bytes)
NUMBERS = (Real, Decimal, np.bool_)
DURATIONS = (timedelta, np.timedelta64)  # NumPy registers the latter as an Integral
DATES = (date, np.datetime64)
_KINDS = MappingProxyType(
    {
        "M": "dates",
        "m": "durations",
        "S": "text",
        "U": "text",
        "T": "text",
        "V": "records",
    }
)
_TO_NUMBERS = MappingProxyType(
    {
        "dates": "Convert them to numbers, for example to days by subtracting a date "
        "and dividing by np.timedelta64(1, 'D').",
        "durations": "Convert them to numbers, for example to seconds by dividing by "
        "np.timedelta64(1, 's').",
    }
)


def as_numbers(values: ArrayLike, name: str) -> NDArray[Any]:
    """Return `values` as a dense array of finite numbers.

    Text and objects are converted if each of them is a number.

    Raises
    ------
    ValueError
        If a value is missing, infinite or not a number. The message calls the values
        `name`.
    """
    columns = _columns_of(values)
    if columns is not None:
        numbers = [as_numbers(column, name) for _, column in columns]
        return np.stack(numbers, axis=1) if numbers else np.asarray(values)
    array = _as_array(values, name)
    if array.dtype.kind == "O":
        array = _convert_objects(array, name)
    elif array.dtype.kind in "SUT":
        array = _convert_text(array, name)
    _raise_if_complex(array, name)
    if array.dtype.kind not in "biuf":
        _raise_no_number(array.flat[0] if array.size else None, array.dtype, name)
    _check_not_missing(array, name)
    _check_finite(array, name)
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        _check_range(np.abs(array).max(initial=0), name)
    return array


def as_labels(values: ArrayLike, name: str) -> NDArray[Any]:
    """Return `values` as a dense array of labels of the same kind.

    Labels are numbers, text, dates or durations, and none is missing. Numbers are in
    the byte order of the machine, since model files and ONNX support no other.

    Raises
    ------
    ValueError
        If the values are anything else. The message calls them `name`.
    """
    columns = _columns_of(values)
    if columns is not None:
        labels = [as_labels(column, name) for _, column in columns]
        return np.stack(labels, axis=1) if labels else np.asarray(values)
    array = _as_array(values, name, _name_binarizer(name))
    if array.dtype.kind == "O":
        _check_all_text(array, name)
        return array
    _check_not_missing(array, name)
    if array.dtype.kind not in "biufUMm":
        _raise_if_complex(array, name)
        raise ValueError(
            f"{name} has the dtype {array.dtype}, which is not supported for labels. "
            f"Convert it, for example by {name}.astype(str)."
        )
    if array.dtype.kind == "f":
        _check_finite(array, name)
        if np.abs(array).max(initial=0) >= 2.0**63:  # scikit-learn casts them to int64
            raise ValueError(
                f"{name} contains {np.abs(array).max():.3g}, too large for a label. "
                f"Convert the labels, for example by {name}.astype(str)."
            )
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def check_no_dates(X: Any, name: str) -> Any:
    """Return X, with lists as an array; raise if it contains dates or missing objects.

    scikit-learn would convert dates to numbers of days or nanoseconds. It checks all
    other values that are not numbers.
    """
    X = np.asarray(X) if isinstance(X, list | tuple) else X
    columns = _columns_of(X)
    if columns is not None and any(map(_may_be_dates, X.dtypes)):
        for label, column in columns:
            if _may_be_dates(column.dtype):
                check_no_dates(np.asarray(column), f"column {label!r} of {name}")
    if not isinstance(X, np.ndarray):
        return X
    _check_not_masked(X, name)
    if X.dtype.kind == "O":
        for value in _objects_apart_from(NUMBERS + _TEXT, X, name):
            if isinstance(value, DATES + DURATIONS):
                _raise_no_number(value, X.dtype, name)
    if X.dtype.kind in "Mm":
        _check_not_missing(X, name)
        if X.size:
            _raise_no_number(X.flat[0], X.dtype, name)
    return X


def items_of(labels: NDArray[Any]) -> list[Any]:
    """Return labels as a list of Python objects that are equal to them.

    ``tolist`` would convert dates and durations in nanoseconds to integers.
    """
    return [*labels] if labels.dtype.kind in "Mm" else labels.tolist()


def index_of(key: Any, labels: NDArray[Any]) -> int | None:
    """Return the index of the label that equals `key`, or None.

    Equal dates of NumPy, Python and pandas have different hashes, so a dictionary
    cannot find them. NumPy would treat an integer as a duration of any unit.
    """
    kinds = {"M": DATES, "m": DURATIONS}.get(labels.dtype.kind, object)
    if isinstance(key, kinds):
        for k, label in enumerate(items_of(labels)):
            if label == key:
                return k
    return None


def list_some(labels: NDArray[Any]) -> str:
    """Return the first ten labels as text, for a message."""
    some = ", ".join(map(repr, items_of(labels[:10])))
    return f"[{some}, ...]" if len(labels) > 10 else f"[{some}]"


def _columns_of(values: Any) -> Iterator[tuple[Any, Any]] | None:
    """Return names and columns of a pandas data frame, or None for other objects."""
    return values.items() if hasattr(values, "iloc") and values.ndim == 2 else None


def _may_be_dates(dtype: Any) -> bool:
    return getattr(dtype, "kind", "O") in "OMm"


def _as_array(values: Any, name: str, advice: str = "") -> NDArray[Any]:
    """Return a dense NumPy array of the same values."""
    _check_not_masked(values, name)
    if issparse(values):
        return values.toarray()
    # Nullable number dtypes of pandas, which NumPy would convert to objects.
    dtype = getattr(getattr(values, "dtype", None), "numpy_dtype", None)
    if dtype is not None:
        _raise_if_missing(int(np.sum(values.isna())), len(values), "NaN", name)
        return values.to_numpy(dtype=dtype)
    try:
        array = np.asarray(values)
    except ValueError:
        raise ValueError(
            f"{name} contains rows of different lengths, but all rows must have the "
            f"same length.{advice}"
        ) from None
    if array.dtype.kind == "U" and isinstance(values, list | tuple):
        # If a list contains text, NumPy converts all its values to text, also NaN.
        objects = np.array(values, dtype=object)
        # Members of an Enum that are text become the start of their names.
        if not {type(value) for value in objects.flat} <= {str, np.str_}:
            return objects
    return array


def _convert_objects(array: NDArray[Any], name: str) -> NDArray[Any]:
    for value in _objects_apart_from(NUMBERS + _TEXT, array, name):
        _raise_no_number(value, array.dtype, name)
    return _convert_text(array, name)


def _convert_text(array: NDArray[Any], name: str) -> NDArray[Any]:
    """Return objects or text as floats; all of them must be numbers."""
    try:
        return array.astype(np.float64)
    except OverflowError:
        _check_range(np.inf, name)
        raise
    except ValueError:
        wrong = next(value for value in array.flat if not _is_float(value))
        _raise_no_number(wrong, array.dtype, name)


def _check_range(largest: Any, name: str) -> None:
    if largest > np.finfo(np.float64).max:
        raise ValueError(
            f"{name} contains a number that is too large for float64. Scale it first."
        )


def _is_float(value: Any) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _raise_no_number(value: Any, dtype: np.dtype[Any], name: str) -> NoReturn:
    """Raise a ValueError that says what `value` is."""
    what = _KINDS.get(dtype.kind) or _name_kind(value)
    shown = repr(str(value)) if isinstance(value, str) else str(value)
    advice = _TO_NUMBERS.get(what, "Convert them to numbers first.")
    raise ValueError(
        f"{name} must contain only numbers. Got {what}, such as {shown:.40}. {advice}"
    )


def _raise_if_complex(array: NDArray[Any], name: str) -> None:
    if array.dtype.kind == "c":
        raise ValueError(
            f"Complex data not supported: {name} has the dtype {array.dtype}. Give "
            f"real numbers, for example {name}.real."
        )


def _name_kind(value: Any) -> str:
    for what, types in (("durations", DURATIONS), ("dates", DATES), ("text", _TEXT)):
        if isinstance(value, types):
            return what
    if isinstance(value, complex | np.complexfloating):
        return "complex numbers"
    return f"objects of the type {type(value).__name__}"


def _check_all_text(array: NDArray[Any], name: str) -> None:
    """Raise unless all objects are text.

    scikit-learn has no name for labels of other objects, nor a score.
    """
    if not _objects_apart_from((str,), array, name):
        return
    types = {type(value) for value in array.flat}
    names = ", ".join(sorted(it.__name__ for it in types))
    if all(issubclass(it, set | frozenset | list | tuple) for it in types):
        raise ValueError(
            f"{name} contains {names} objects, but labels must be numbers or text."
            f"{_name_binarizer(name)}"
        )
    raise ValueError(
        f"Unknown label type: {name} contains objects of type {names}, but labels of "
        "dtype object must all be text. Convert them, for example by "
        f"{name}{_convert_by(types)}."
    )


def _name_binarizer(name: str) -> str:
    call = f"MultiLabelBinarizer().fit_transform({name})"
    return f" If each row is a list of labels, give {call}."


def _convert_by(types: set[type]) -> str:
    """Return a call that converts objects of these types to labels of one kind."""
    for known, call in (
        ((bool, np.bool_), ".astype(bool)"),
        ((Integral,), ".astype(int)"),
        ((Real,), ".astype(float)"),
        ((date,), ".astype('datetime64[us]')"),
        ((bytes,), ".astype(bytes).astype(str)"),
    ):
        if all(issubclass(it, known) for it in types):
            return call
    return ".astype(str)"


def _objects_apart_from(
    known: tuple[type, ...], array: NDArray[Any], name: str
) -> list[Any]:
    """Return the objects of other types; raise if some of them are missing."""
    # Checking a set of types is many times faster than checking each object.
    types = {
        it
        for it in {type(value) for value in array.flat}
        if not issubclass(it, known) or issubclass(it, np.timedelta64)
    }
    others = [value for value in array.flat if type(value) in types] if types else []
    missing = [value for value in others if is_missing(value)]
    what = str(missing[0]).replace("nan", "NaN") if missing else ""
    _raise_if_missing(len(missing), array.size, what, name)
    return others


def is_missing(value: Any) -> bool:
    """Return whether an object is None, NaN, NaT, or NA, whose comparisons are NA."""
    if value is None or isinstance(value, bool | np.bool_):
        return value is None
    differs = value != value
    return differs is value or (isinstance(differs, bool | np.bool_) and bool(differs))


def _check_not_missing(array: NDArray[Any], name: str) -> None:
    if array.dtype.kind in "Mm":
        _raise_if_missing(int(np.isnat(array).sum()), array.size, "NaT", name)
    elif array.dtype.kind == "f":
        _raise_if_missing(int(np.isnan(array).sum()), array.size, "NaN", name)


def _check_not_masked(values: Any, name: str) -> None:
    if isinstance(values, np.ma.MaskedArray):  # NumPy would drop its mask
        n_masked = np.ma.count_masked(values)
        _raise_if_missing(n_masked, values.size, "masked values", name)


def _raise_if_missing(n_missing: int, size: int, what: str, name: str) -> None:
    if n_missing:
        raise ValueError(
            f"Input {name} contains {what}. Of {size} values, {n_missing} "
            f"{'is' if n_missing == 1 else 'are'} missing. Remove these rows, or "
            "impute the values."
        )


def _check_finite(array: NDArray[Any], name: str) -> None:
    n_infinite = int(np.isinf(array).sum()) if array.dtype.kind == "f" else 0
    if n_infinite:
        raise ValueError(
            f"Input {name} contains infinity. Of {array.size} values, {n_infinite} "
            f"{'is' if n_infinite == 1 else 'are'} infinite. Remove these rows, or "
            "replace the values."
        )
