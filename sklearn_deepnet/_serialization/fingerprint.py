"""Hashes that show whether a value is the same as in another fit or process.

Values are hashed like `joblib.hash` does it: pickle writes them, and its output is
hashed. joblib hashes functions by their name, however. A ``lambda`` has no name, and a
function of a script may have been rewritten. So functions, and classes that cannot be
imported, are hashed by their code. The memory layout of arrays and the order of
dictionaries and sets change no result, and do not change the hash.
"""

import sys
import warnings
from collections.abc import Callable, Iterable
from functools import cached_property, lru_cache
from hashlib import blake2b
from operator import attrgetter
from types import (
    CellType,
    CodeType,
    FunctionType,
    MappingProxyType,
    MethodType,
    ModuleType,
)
from typing import Any

import numpy as np
from joblib.hashing import Hasher
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator

from .._utils.sklearn_compat import state_of_results

_CHUNK_BYTES = 2**22  # of an array that are hashed at once; bounds the size of a copy
_MAX_PARTS = 2**20  # of a value; a part that occurs twice counts twice
_PLAIN = (type(None), bool, int, float, str, bytes)
_SCALARS = (np.number, np.bool_, np.str_, np.bytes_)  # hashed as those of Python
# Attributes of classes that Python sets itself, some of them only when they are used.
_IGNORED_OF_CLASSES = {
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
# File name and line numbers are left out: they change with every edit above.
_CODE_ATTRIBUTES = (
    "co_argcount",
    "co_posonlyargcount",
    "co_kwonlyargcount",
    "co_flags",
    "co_varnames",
    "co_code",
    "co_exceptiontable",
    "co_consts",
    "co_names",
    "co_freevars",
)


class NotHashable(TypeError):
    """A value, such as a lock, cannot be hashed."""


def fingerprint(value: Any) -> str:
    """Return a hash that is the same for equal values, in every process.

    Raises
    ------
    NotHashable
        If pickle cannot write the value, for a reason other than its functions.
    """
    try:
        return _Hasher().hash(value)
    except NotHashable:
        raise
    except Exception as error:  # also of a method of the value
        raise NotHashable(f"a {type(value).__name__} raised an error") from error


def hash_arrays(*arrays: NDArray[Any]) -> str:
    """Return a hash of arrays of numbers: of their values, shapes and dtypes.

    joblib's own hash of an array depends on its strides, and copies arrays that are not
    contiguous.
    """
    result = blake2b(digest_size=16)
    for array in arrays:
        result.update(repr((array.shape, array.dtype.str)).encode())
        rows = array if array.ndim else array[np.newaxis]
        n_at_once = max(1, _CHUNK_BYTES // max(1, rows[:1].nbytes))
        for start in range(0, len(rows), n_at_once):
            chunk = np.ascontiguousarray(rows[start : start + n_at_once])
            result.update(chunk.reshape(-1).view(np.uint8))
    return result.hexdigest()


class _Hasher(Hasher):
    """joblib's hasher, except for types of which pickle writes too much or too little.

    Pickle refers back to objects that it has already written, so the hash would depend
    on whether two equal values are one object. Here, references are used only for
    objects that contain themselves.
    """

    def __init__(self) -> None:
        super().__init__()
        self._n_parts = 0

    def save(self, obj: Any) -> None:
        """Hash `obj`, which may be a part of another object."""
        if isinstance(obj, _SCALARS):
            obj = obj.item()
        if type(obj) in _PLAIN or id(obj) in self.memo:
            super().save(obj)
            return
        self._n_parts += 1
        if self._n_parts > _MAX_PARTS:
            raise NotHashable("it has too many parts")
        parts = None if type(obj) in (list, tuple) else _find_parts(obj)
        if parts is None:
            super().save(obj)
        else:
            self.memoize(obj)  # first, since a function may be in its own closure
            self.save(parts)
        self.memo.pop(id(obj), None)


def _find_parts(value: Any) -> tuple[str, Any] | None:
    """Return a name and the parts to hash instead of `value`; None to use pickle."""
    cls = type(value)
    if cls in _PARTS:
        name, parts_of = _PARTS[cls]
        return name, parts_of(value)
    if cls is dict:
        if all(type(key) is str for key in value):
            return None
        # joblib orders keys of several types by `hash`, which differs between processes
        return "dict", {fingerprint(key): item for key, item in value.items()}
    if isinstance(value, type):
        is_by_name = value.__module__ != "__main__" and _is_in_a_module(value)
        return None if is_by_name else (_place(value), _class_parts(value))
    if cls.__module__ == "itertools":
        return cls.__name__, _iterator_parts(value)
    if isinstance(value, BaseEstimator):
        return "estimator", (cls, state_of_results(value.__getstate__()))
    if issparse(value):
        return cls.__name__, _sparse_parts(value)
    return (cls.__name__, _table_parts(value)) if hasattr(value, "iloc") else None


def _iterator_parts(iterator: Any) -> Any:
    """Return how pickle makes such an iterator; from Python 3.14 on, it cannot."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return iterator.__reduce__()


def _place(value: Any) -> str:
    return f"{value.__module__}.{value.__qualname__}"


def _is_in_a_module(cls: type) -> bool:
    """Return whether a class can be found in its module under its name."""
    found: Any = sys.modules.get(cls.__module__)
    for name in cls.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is cls


def _class_parts(cls: type) -> Any:
    own = {k: v for k, v in vars(cls).items() if k not in _IGNORED_OF_CLASSES}
    return cls.__bases__, own


def _sparse_parts(matrix: Any) -> Any:
    rows = matrix.tocsr()
    if not rows.has_sorted_indices:
        rows = rows.sorted_indices()
    return matrix.shape, hash_arrays(rows.data, rows.indices, rows.indptr)


def _set_parts(values: Iterable[Any]) -> list[str]:
    return sorted(map(fingerprint, values))


def _array_parts(array: NDArray[Any]) -> Any:
    if array.dtype.names:
        return array.shape, [(name, array[name]) for name in array.dtype.names]
    if array.dtype.hasobject:
        return array.shape, array.tolist()
    return hash_arrays(array)


def _table_parts(table: Any) -> list[Any]:
    """Return the parts of a Series or DataFrame of pandas, or of a similar object.

    Pickle would also write how the columns are grouped into blocks.
    """
    index = [[*table.index.names], np.asarray(table.index)]
    if not hasattr(table, "columns"):
        return [index, table.name, table.dtype, np.asarray(table)]
    names = [[*table.columns.names], np.asarray(table.columns)]
    columns = [np.asarray(table.iloc[:, k]) for k in range(table.shape[1])]
    return [index, names, [*table.dtypes], columns]


def _function_parts(function: FunctionType) -> list[Any]:
    parts = [function.__code__, function.__closure__, vars(function)]
    return [_place(function), *parts, function.__defaults__, function.__kwdefaults__]


def _cell_parts(cell: CellType) -> list[Any]:
    try:
        return [cell.cell_contents]
    except ValueError:  # not filled yet
        return []


_PARTS: MappingProxyType[type, tuple[str, Callable[[Any], Any]]] = MappingProxyType(
    {
        set: ("set", _set_parts),
        frozenset: ("set", _set_parts),
        np.ndarray: ("array", _array_parts),
        np.memmap: ("array", _array_parts),
        FunctionType: ("function", _function_parts),
        # joblib hashes the name of a method's function, and not its code
        MethodType: ("method", attrgetter("__func__", "__self__")),
        CellType: ("cell", _cell_parts),
        CodeType: ("code", attrgetter(*_CODE_ATTRIBUTES)),
        ModuleType: ("module", attrgetter("__name__")),
        MappingProxyType: ("dict", dict),
        classmethod: ("classmethod", attrgetter("__func__")),
        staticmethod: ("staticmethod", attrgetter("__func__")),
        property: ("property", attrgetter("fget", "fset", "fdel")),
        cached_property: ("property", attrgetter("func")),
        type(lru_cache(len)): (
            "cached",
            lambda it: (it.__wrapped__, it.cache_parameters()),
        ),
    }
)
