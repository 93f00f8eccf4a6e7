"""Whether a value is what it was in another process, by a digest of all that it is.

What pickle would keep is told, but functions by their code: a ``lambda`` has no name
that means anything, and one of a script may have been rewritten. The order of
dictionaries and the layout of arrays are nothing.
"""

import copyreg
import json
import pickle
import sys
from functools import cached_property, lru_cache
from hashlib import blake2b
from types import CodeType, FunctionType, MappingProxyType, MethodType, ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator

from .._utils.sklearn_compat import state_of_results

_Cached = type(lru_cache(len))
_AT_ONCE = 2**22  # bytes that are digested, so that memory does not grow
_MOST_PARTS = 2**20  # of a value, each told as often as it is met
# Of classes, what Python writes there itself, some of it when they are used.
_OF_EVERY_CLASS = {
    "__abstractmethods__",
    "__annotate_func__",
    "__annotations__",
    "__annotations_cache__",
    "__dict__",
    "__doc__",
    "__firstlineno__",
    "__module__",
    "__qualname__",
    "__slotnames__",
    "__static_attributes__",
    "__weakref__",
    "_abc_impl",
}


class NotHashable(TypeError):
    """A value is of a kind that cannot be told, such as a lock."""


def fingerprint(value: Any) -> str:
    """Return a digest that equal values share, and hardly any others.

    Raises
    ------
    Untellable
        If there is none.
    """
    try:
        described = json.dumps(_Hasher().describe(value))
    except NotHashable:
        raise
    except Exception as error:  # of the value's own methods, or since it is too deep
        raise NotHashable(f"a {type(value).__name__} raised an error") from error
    return blake2b(
        described.encode("utf-8", "surrogatepass"), digest_size=16
    ).hexdigest()


def hash_arrays(*arrays: NDArray[Any]) -> str:
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


class _Hasher:
    """Describes a value as JSON; what holds itself is told by its depth."""

    def __init__(self) -> None:
        self._open: list[int] = []
        self._n_parts = 0

    def describe(self, value: Any) -> Any:
        if value is None or type(value) in (bool, int, str):
            return value
        if type(value) is float:
            return ["float", value.hex()]
        if id(value) in self._open:
            return ["again", len(self._open) - self._open.index(id(value))]
        self._n_parts += 1
        if self._n_parts > _MOST_PARTS:
            raise NotHashable("it has too many parts")
        self._open.append(id(value))
        try:
            return self._describe_parts(value)
        finally:
            self._open.pop()

    def _describe_parts(self, value: Any) -> Any:
        if type(value) in (list, tuple):
            return [type(value).__name__, *map(self.describe, value)]
        if type(value) in (dict, MappingProxyType):
            pairs = [self._sortable([k, v]) for k, v in value.items()]
            return ["dict", *sorted(pairs)]
        if type(value) in (set, frozenset):
            return ["set", *sorted(map(self._sortable, value))]
        if type(value) in (np.ndarray, np.memmap):
            return self._describe_array(value)
        if isinstance(value, np.datetime64 | np.timedelta64):
            return self._describe_array(np.asarray(value))
        if isinstance(value, np.generic) and type(value.item()) is not type(value):
            return self.describe(value.item())
        if issparse(value):
            return self._describe_sparse(value)
        if isinstance(value, type):
            return self._describe_class(value)
        if hasattr(value, "iloc"):
            return self._describe_table(value)
        return self._describe_code(value) or self._describe_object(value)

    def _sortable(self, value: Any) -> str:
        return json.dumps(self.describe(value))

    def _describe_array(self, array: NDArray[Any]) -> Any:
        if array.dtype.names:
            fields = [[name, self.describe(array[name])] for name in array.dtype.names]
            return ["record", list(array.shape), fields]
        if array.dtype.hasobject:
            return ["objects", list(array.shape), self.describe(array.tolist())]
        return ["array", hash_arrays(array)]

    def _describe_sparse(self, matrix: Any) -> Any:
        rows = matrix.tocsr()
        if not rows.has_sorted_indices:
            rows = rows.sorted_indices()
        parts = rows.data, rows.indices, rows.indptr
        return [
            "sparse",
            type(matrix).__name__,
            list(matrix.shape),
            hash_arrays(*parts),
        ]

    def _describe_table(self, table: Any) -> Any:
        """Describe a Series or a DataFrame of pandas, or what is like one."""
        index = [list(table.index.names), np.asarray(table.index)]
        if not hasattr(table, "columns"):
            column = [table.name, self._describe_dtype(table.dtype), np.asarray(table)]
            return ["series", *map(self.describe, [index, column])]
        names = [list(table.columns.names), np.asarray(table.columns)]
        dtypes = [self._describe_dtype(dtype) for dtype in table.dtypes]
        columns = [np.asarray(table.iloc[:, k]) for k in range(table.shape[1])]
        return ["table", *map(self.describe, [index, names, dtypes, columns])]

    def _describe_dtype(self, dtype: Any) -> Any:
        categories = np.asarray(getattr(dtype, "categories", ()))
        described = str(dtype), categories, getattr(dtype, "ordered", None)
        return self.describe(described)

    def _describe_code(self, value: Any) -> Any:
        """Describe functions and what holds them, return None of all else."""
        if isinstance(value, FunctionType):
            place = f"{value.__module__}.{value.__qualname__}"
            closure = [self._describe_cell(cell) for cell in value.__closure__ or ()]
            parts = value.__code__, value.__defaults__, value.__kwdefaults__
            return [
                "function",
                place,
                closure,
                *map(self.describe, (*parts, vars(value))),
            ]
        if isinstance(value, CodeType):
            signature = value.co_argcount, value.co_posonlyargcount
            signature += value.co_kwonlyargcount, value.co_flags, value.co_varnames
            body = value.co_code, value.co_exceptiontable, value.co_consts
            names = value.co_names, value.co_freevars
            return ["code", *map(self.describe, (*signature, *body, *names))]
        if isinstance(value, MethodType):
            return ["method", *map(self.describe, (value.__func__, value.__self__))]
        if isinstance(value, ModuleType):
            return ["module", value.__name__]
        if isinstance(value, classmethod | staticmethod):
            return [type(value).__name__, self.describe(value.__func__)]
        if isinstance(value, property):
            return [
                "property",
                *map(self.describe, (value.fget, value.fset, value.fdel)),
            ]
        if isinstance(value, cached_property):
            return ["property", self.describe(value.func)]
        if isinstance(value, _Cached):
            parts = value.__wrapped__, value.cache_parameters()
            return ["cached", *map(self.describe, parts)]
        return None

    def _describe_cell(self, cell: Any) -> Any:
        try:
            return [self.describe(cell.cell_contents)]
        except ValueError:  # not filled yet
            return []

    def _describe_class(self, cls: type) -> Any:
        place = f"{cls.__module__}.{cls.__qualname__}"
        if cls.__module__ != "__main__" and _is_in_a_module(cls):
            return ["class", place]
        own = {k: v for k, v in vars(cls).items() if k not in _OF_EVERY_CLASS}
        return ["class", place, *map(self.describe, (cls.__bases__, own))]

    def _describe_object(self, value: Any) -> Any:
        """Describe what pickle would keep."""
        if isinstance(value, bytes):
            return ["bytes", value.hex()]
        if isinstance(value, BaseEstimator):
            state = state_of_results(value.__getstate__())
            return ["estimator", *map(self.describe, (type(value), state))]
        reduce = copyreg.dispatch_table.get(type(value))
        reduced = reduce(value) if reduce else value.__reduce_ex__(4)
        if isinstance(reduced, str):
            pickle.dumps(value)  # or raise, since it does not stand under that name
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
