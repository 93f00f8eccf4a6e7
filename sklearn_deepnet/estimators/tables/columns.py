"""Decide which columns of a table are numbers, categories or dates.

scikit-learn's `make_column_selector` supports only pandas, and looks only at dtypes.
Numbers in columns of dtype object would become categories, and it cannot count the
levels of a column.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from ..._utils.sklearn_compat import safe_indexing
from ..._utils.values import DATES, DURATIONS, NUMBERS, is_missing
from ..._utils.warnings import warn


@dataclass(frozen=True)
class ColumnsOf:
    """Selects the columns of one group; a `ColumnTransformer` calls it in ``fit``.

    Parameters
    ----------
    group : str
        "numbers", "dates", "categories", "high_cardinality" or "left_out". The last one
        selects the columns that no other group takes, and warns about them. Columns
        without values are in no group.
    max_levels : int
        Categories with more levels than this have high cardinality.
    """

    group: str
    max_levels: int

    def __call__(self, X: Any) -> list[int]:
        """Return the positions of these columns."""
        groups = _groups_of(X, self.max_levels)
        if self.group == "left_out":
            _warn_of_left_out(X, groups)
            return [k for k, it in enumerate(groups) if it in _LEFT_OUT]
        return [k for k, it in enumerate(groups) if it == self.group]


_known: ContextVar[dict[Any, list[str]] | None] = ContextVar("known", default=None)


@contextmanager
def grouping_once() -> Iterator[None]:
    """Within this context, determine the groups of columns once for all selectors.

    The tables that the selectors are called with must exist until its end.
    """
    token = _known.set({})
    try:
        yield
    finally:
        _known.reset(token)


def _groups_of(X: Any, max_levels: int) -> list[str]:
    """Return the group of each column."""
    known, key = _known.get(), (id(X), max_levels)
    if known is not None and key in known:
        return known[key]
    columns = range(X.shape[1])
    groups = [_group_of(safe_indexing(X, k, axis=1), max_levels) for k in columns]
    if known is not None:
        known[key] = groups
    return groups


def check_is_table(X: Any) -> None:
    """Raise unless X is a data frame, a two-dimensional array or a list of rows."""
    has_shape = hasattr(X, "shape")
    if issparse(X) or not (
        len(X.shape) == 2 if has_shape else isinstance(X, list | tuple)
    ):
        shape = f" of shape {X.shape}" if has_shape else ""
        advice = "Convert it to a data frame first."
        if issparse(X):
            advice = "Fit the estimator itself to sparse X, or give X.toarray()."
        elif hasattr(X, "collect"):
            advice = "Call its method collect first."
        raise ValueError(
            "make_table_pipeline requires a data frame or a dense two-dimensional "
            f"array. Got a {type(X).__name__}{shape} instead. {advice}"
        )


_LEFT_OUT = {
    "unique": "text that is different in every row",
    "unknown": "neither numbers, text nor dates",
}


def _warn_of_left_out(X: Any, groups: Sequence[str]) -> None:
    for group, what in _LEFT_OUT.items():
        names = [name_of(X, k) for k, it in enumerate(groups) if it == group]
        if names:
            warn(
                f"The columns {names} hold {what} and are ignored. Convert them to "
                "numbers, categories or dates, or drop them from X."
            )


def name_of(X: Any, k: int) -> Any:
    """Return the name of a column, or its position in an array."""
    return [*X.columns][k] if hasattr(X, "columns") else k


def values_of(column: Any) -> NDArray[Any]:
    """Return a column as an array, in which dates are in UTC and microseconds."""
    # pandas would convert dates with a time zone to objects.
    is_dates = getattr(column.dtype, "kind", None) == "M"
    values = np.asarray(column, dtype="datetime64[us]" if is_dates else None)
    if values.dtype.kind == "M":  # ``tolist`` would make integers of nanoseconds
        values = values.astype("datetime64[us]", copy=False)
    if np.ma.is_masked(column):
        values = np.array([*values], dtype=object)
        values[np.ma.getmaskarray(column)] = None
    return values


def is_gap(value: Any) -> bool:
    """Return whether an object is a missing value or an empty string."""
    return is_missing(value) or (isinstance(value, str) and not value)


def _group_of(column: Any, max_levels: int) -> str:
    """Return the group of a column: one of `ColumnsOf`, of `_LEFT_OUT`, or "empty"."""
    values = values_of(column)
    if values.ndim > 1:  # polars' structs
        return "unknown"
    # Categories may be numbers in pandas; in polars they are always text.
    is_categorical = getattr(column.dtype, "categories", None) is not None
    if values.dtype.kind in "biufmM" and not is_categorical:
        is_empty = values.dtype.kind in "fmM" and (values != values).all()
        is_date = values.dtype.kind == "M"
        return "empty" if is_empty else "dates" if is_date else "numbers"
    try:
        counts = Counter(values.tolist())
    except TypeError:  # lists and dicts have no hash
        return "unknown"
    levels = [it for it in counts if not is_gap(it)]
    group = _group_of_objects({type(it) for it in levels})
    if group != "categories" and not (is_categorical and levels):
        return group
    if len(levels) <= max_levels:
        return "categories"
    is_unique = max(counts[it] for it in levels) == 1
    return "unique" if is_unique else "high_cardinality"


def _group_of_objects(types: set[type]) -> str:
    """Return the group of objects of these types."""
    if not types:
        return "empty"
    groups = {
        "numbers": (*NUMBERS, *DURATIONS),
        "dates": DATES,
        "categories": (str, *NUMBERS),
    }
    for group, known in groups.items():
        if all(issubclass(it, known) for it in types):
            return group
    return "unknown"
