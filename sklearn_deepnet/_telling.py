"""Whether a value is what it was in another process, by a digest of all that it is.

What pickle would keep is told, but functions by their code: a ``lambda`` has no name
that means anything, and one of a script may have been rewritten. The order of
dictionaries and the layout of arrays are nothing.
"""

import copyreg
import json
import sys
from hashlib import blake2b
from types import CodeType, FunctionType, MethodType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator

_AT_ONCE = 2**22  # bytes that are digested, so that memory does not grow
_OF_NO_EFFECT = ("n_jobs", "verbose")  # parameters on which no result depends
_OF_EVERY_CLASS = {
    "__dict__",
    "__doc__",
    "__firstlineno__",
    "__module__",
    "__qualname__",
    "__static_attributes__",
    "__weakref__",
    "_abc_impl",
}


class Untellable(TypeError):
    """A value is of a kind that cannot be told, such as a lock."""


def tell(value: Any) -> str:
    """Return a digest that equal values share, and hardly any others.

    Raises
    ------
    Untellable
        If there is none.
    """
    try:
        told = json.dumps(_Teller().describe(value))
    except RecursionError as error:
        raise Untellable from error
    return blake2b(told.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def digest(*arrays: NDArray[Any]) -> str:
    """Return a digest of arrays of numbers, of their shapes and dtypes."""
    found = blake2b(digest_size=16)
    for array in arrays:
        found.update(repr((array.shape, array.dtype.str)).encode())
        rows = array if array.ndim else array[np.newaxis]
        n_at_once = max(1, _AT_ONCE // max(1, rows[:1].nbytes))
        for start in range(0, len(rows), n_at_once):
            some = np.ascontiguousarray(rows[start : start + n_at_once])
            found.update(some.reshape(-1).view(np.uint8))
    return found.hexdigest()


class _Teller:
    """Describes a value as JSON; what holds itself is told by its depth."""

    def __init__(self) -> None:
        self._open: list[int] = []

    def describe(self, value: Any) -> Any:
        if value is None or type(value) in (bool, int, str):
            return value
        if type(value) is float:
            return ["float", value.hex()]
        if id(value) in self._open:
            return ["again", len(self._open) - self._open.index(id(value))]
        self._open.append(id(value))
        try:
            return self._describe_parts(value)
        finally:
            self._open.pop()

    def _describe_parts(self, value: Any) -> Any:
        if type(value) in (list, tuple):
            return [type(value).__name__, *map(self.describe, value)]
        if type(value) is dict:
            pairs = [self._sortable([k, v]) for k, v in value.items()]
            return ["dict", *sorted(pairs)]
        if type(value) in (set, frozenset):
            return ["set", *sorted(map(self._sortable, value))]
        if type(value) in (np.ndarray, np.memmap):
            return self._describe_array(value)
        if isinstance(value, np.generic) and type(value.item()) is not type(value):
            return self.describe(value.item())
        if issparse(value):
            return self._describe_sparse(value)
        if hasattr(value, "iloc"):
            return self._describe_table(value)
        if isinstance(value, FunctionType):
            return self._describe_function(value)
        if isinstance(value, CodeType):
            return self._describe_code(value)
        if isinstance(value, MethodType):
            return ["method", *map(self.describe, (value.__func__, value.__self__))]
        if isinstance(value, type):
            return self._describe_class(value)
        return self._describe_object(value)

    def _sortable(self, value: Any) -> str:
        return json.dumps(self.describe(value))

    def _describe_array(self, array: NDArray[Any]) -> Any:
        if array.dtype.hasobject:
            return ["objects", list(array.shape), self.describe(array.tolist())]
        return ["array", digest(array)]

    def _describe_sparse(self, matrix: Any) -> Any:
        rows = matrix.tocsr()
        if not rows.has_sorted_indices:
            rows = rows.sorted_indices()
        parts = rows.data, rows.indices, rows.indptr
        return ["sparse", matrix.format, list(matrix.shape), digest(*parts)]

    def _describe_table(self, table: Any) -> Any:
        """Describe a Series or a DataFrame of pandas, or what is like one."""
        if not hasattr(table, "columns"):
            parts = np.asarray(table), np.asarray(table.index)
            return ["series", *map(self.describe, parts)]
        columns = [np.asarray(table.iloc[:, k]) for k in range(table.shape[1])]
        names = [table.columns, table.index, table.dtypes.astype(str)]
        return ["table", *map(self.describe, [*map(np.asarray, names), *columns])]

    def _describe_function(self, function: FunctionType) -> Any:
        closure = [self._describe_cell(cell) for cell in function.__closure__ or ()]
        parts = function.__code__, function.__defaults__, function.__kwdefaults__
        place = f"{function.__module__}.{function.__qualname__}"
        return ["function", place, closure, *map(self.describe, parts)]

    def _describe_cell(self, cell: Any) -> Any:
        try:
            return [self.describe(cell.cell_contents)]
        except ValueError:  # not filled yet
            return []

    def _describe_code(self, code: CodeType) -> Any:
        parts = code.co_code, code.co_consts, code.co_names, code.co_freevars
        return ["code", *map(self.describe, parts)]

    def _describe_class(self, cls: type) -> Any:
        place = f"{cls.__module__}.{cls.__qualname__}"
        if cls.__module__ != "__main__" and _is_in_a_module(cls):
            return ["class", place]
        own = {k: v for k, v in vars(cls).items() if k not in _OF_EVERY_CLASS}
        return ["class", place, *map(self.describe, (cls.__bases__, own))]

    def _describe_object(self, value: Any) -> Any:
        """Describe what pickle would keep."""
        if isinstance(value, BaseEstimator):
            state = dict(value.__getstate__())
            state = {k: v for k, v in state.items() if k not in _OF_NO_EFFECT}
            return ["estimator", *map(self.describe, (type(value), state))]
        if isinstance(value, bytes):
            return ["bytes", value.hex()]
        if isinstance(value, classmethod | staticmethod):
            return [type(value).__name__, self.describe(value.__func__)]
        if isinstance(value, property):
            parts = value.fget, value.fset, value.fdel
            return ["property", *map(self.describe, parts)]
        reduce = copyreg.dispatch_table.get(type(value))
        try:
            reduced = reduce(value) if reduce else value.__reduce_ex__(4)
        except Exception as error:
            raise Untellable(f"{value!r:.80} has no description") from error
        if isinstance(reduced, str):
            return ["name", getattr(value, "__module__", None), reduced]
        function, arguments, *rest = reduced
        state, items, pairs = (*rest, None, None, None)[:3]
        parts = function, arguments, state, [*(items or ())], [*(pairs or ())]
        return ["object", *map(self.describe, parts)]


def _is_in_a_module(cls: type) -> bool:
    """Return whether a class is what stands under its name in its module."""
    found: Any = sys.modules.get(cls.__module__)
    for name in cls.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is cls
