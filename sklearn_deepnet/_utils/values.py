"""What y, weights and X hold: numbers, text, dates, or values that are missing.

scikit-learn checks an array before it converts it to numbers. In an array of objects a
None is then a NaN that no check has seen, and a date a count of days. So values are
checked here first, each by its own type.
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
        "dates": "Subtract a date from them and divide by np.timedelta64(1, 'D'), for "
        "example, to have days.",
        "durations": "Divide them by np.timedelta64(1, 's'), for example, to have "
        "seconds.",
    }
)


def as_numbers(values: ArrayLike, name: str) -> NDArray[Any]:
    """Return `values` as a dense array of finite numbers.

    Text and objects are converted if each of them is a number.

    Raises
    ------
    ValueError
        If a value is missing, infinite or no number. The message calls them `name`.
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
    """Return `values` as a dense array of labels of one kind.

    That is numbers, text, dates or durations, none of them missing. Numbers have the
    byte order of the machine, which is the only one that files and ONNX have.

    Raises
    ------
    ValueError
        If they are anything else. The message calls them `name`.
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
            f"{name} has the dtype {array.dtype}, which scikit-learn does not take for "
            f"labels. Convert it, such as by {name}.astype(str)."
        )
    if array.dtype.kind == "f":
        _check_finite(array, name)
        if np.abs(array).max(initial=0) >= 2.0**63:  # scikit-learn casts them to int64
            raise ValueError(
                f"{name} holds {np.abs(array).max():.3g}, which is too large for a "
                f"label. Convert it, such as by {name}.astype(str)."
            )
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def check_no_dates(X: Any, name: str) -> Any:
    """Return X, and lists as an array; raise if it holds dates or missing objects.

    scikit-learn takes dates for counts of days or nanoseconds. All else that is no
    number is left to it.
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
    if X.dtype.kind in "Mm" and X.size:
        _raise_no_number(X.flat[0], X.dtype, name)
    return X


def items_of(labels: NDArray[Any]) -> list[Any]:
    """Return labels as a list of what they are equal to.

    ``tolist`` makes plain integers of dates and durations in nanoseconds.
    """
    return [*labels] if labels.dtype.kind in "Mm" else labels.tolist()


def index_of(key: Any, labels: NDArray[Any]) -> int | None:
    """Return the index of the label that `key` is equal to, or None.

    Equal dates of NumPy, Python and pandas differ in their hash, so no dictionary finds
    them. NumPy would take an integer for a duration of any unit.
    """
    kinds = {"M": DATES, "m": DURATIONS}.get(labels.dtype.kind, object)
    if isinstance(key, kinds):
        for k, label in enumerate(items_of(labels)):
            if label == key:
                return k
    return None


def list_some(labels: NDArray[Any]) -> str:
    """Return text of the first ten labels for a message."""
    some = ", ".join(map(repr, items_of(labels[:10])))
    return f"[{some}, ...]" if len(labels) > 10 else f"[{some}]"


def _columns_of(values: Any) -> Iterator[tuple[Any, Any]] | None:
    """Return names and columns of a data frame of pandas, None of all else."""
    return values.items() if hasattr(values, "iloc") and values.ndim == 2 else None


def _may_be_dates(dtype: Any) -> bool:
    return getattr(dtype, "kind", "O") in "OMm"


def _as_array(values: Any, name: str, advice: str = "") -> NDArray[Any]:
    """Return a dense NumPy array of the same values."""
    _check_not_masked(values, name)
    if issparse(values):
        return values.toarray()
    # pandas' dtypes of numbers that may be missing; NumPy would make objects of them.
    dtype = getattr(getattr(values, "dtype", None), "numpy_dtype", None)
    if dtype is not None:
        _raise_if_missing(int(np.sum(values.isna())), len(values), "NaN", name)
        return values.to_numpy(dtype=dtype)
    try:
        array = np.asarray(values)
    except ValueError:
        raise ValueError(
            f"{name} holds rows of different lengths; all must have as many values."
            f"{advice}"
        ) from None
    if array.dtype.kind == "U" and isinstance(values, list | tuple):
        # Beside text NumPy makes text of all: "1" of 1, and "nan" of NaN.
        objects = np.array(values, dtype=object)
        # and of members of an Enum that are text, the start of their names.
        if not {type(value) for value in objects.flat} <= {str, np.str_}:
            return objects
    return array


def _convert_objects(array: NDArray[Any], name: str) -> NDArray[Any]:
    for value in _objects_apart_from(NUMBERS + _TEXT, array, name):
        _raise_no_number(value, array.dtype, name)
    return _convert_text(array, name)


def _convert_text(array: NDArray[Any], name: str) -> NDArray[Any]:
    """Return objects or text, all of which are to be numbers, as floats."""
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
            f"{name} holds a number that is too large for float64. Scale it first."
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
        f"{name} holds {what}, such as {shown:.40}, but must hold numbers. {advice}"
    )


def _raise_if_complex(array: NDArray[Any], name: str) -> None:
    if array.dtype.kind == "c":
        raise ValueError(
            f"Complex data not supported: {name} has the dtype {array.dtype}. Give "
            f"real numbers, such as {name}.real."
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
            f"{name} holds values of type {names}, but labels must be numbers or text."
            f"{_name_binarizer(name)}"
        )
    raise ValueError(
        f"Unknown label type: {name} has the dtype object and holds values of type "
        f"{names}; labels of this dtype must all be text. Convert them, such as by "
        f"{name}{_convert_by(types)}."
    )


def _name_binarizer(name: str) -> str:
    call = f"MultiLabelBinarizer().fit_transform({name})"
    return f" If each row lists its labels, give {call}."


def _convert_by(types: set[type]) -> str:
    """Return a call that makes labels of one kind of objects of these types."""
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
    # A set of types is many times faster than a question about each object.
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
    if isinstance(values, np.ma.MaskedArray):  # which NumPy converts without its mask
        n_masked = np.ma.count_masked(values)
        _raise_if_missing(n_masked, values.size, "masked values", name)


def _raise_if_missing(n_missing: int, size: int, what: str, name: str) -> None:
    if n_missing:
        raise ValueError(
            f"Input {name} contains {what}. Of {size} values {n_missing} "
            f"{'is' if n_missing == 1 else 'are'} missing; leave out these rows, or "
            "fill in the values."
        )


def _check_finite(array: NDArray[Any], name: str) -> None:
    n_infinite = int(np.isinf(array).sum()) if array.dtype.kind == "f" else 0
    if n_infinite:
        raise ValueError(
            f"Input {name} contains infinity. Of {array.size} values {n_infinite} "
            f"{'is' if n_infinite == 1 else 'are'} infinite; leave out these rows, or "
            "replace the values."
        )
