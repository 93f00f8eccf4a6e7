"""Work that is done once for all fits on equal data, such as validating a fold."""

import hashlib
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
from scipy.sparse import issparse


class SharedWork:
    """Stores results, by a key of what they were computed from.

    All callers get the same object, so none may change it in place.

    Parameters
    ----------
    max_bytes : int or None, default=None
        How many bytes of arrays to store. The most recent results, about those of one
        fit, are stored in any case. None is no limit.
    copies : bool, default=False
        Whether to store copies of arrays, since their owners may change them while
        others still use them.
    """

    def __init__(self, max_bytes: int | None = None, copies: bool = False) -> None:
        self._copies = copies
        self._results: dict[Hashable, tuple[Any, int]] = {}
        self._max_bytes, self._n_bytes = max_bytes, 0
        # By the id of an array, which is unique as long as the array is stored.
        self._keys: dict[int, Hashable] = {}

    def once(self, key: Hashable, compute: Callable[[], Any]) -> Any:
        """Return the result for `key`, and compute it if it is not stored yet.

        If it raises an error, nothing is stored.
        """
        if key not in self._results:
            result = compute()
            self._remember(key, result)
            return result
        self._results[key] = self._results.pop(key)  # it was used last
        return self._results[key][0]

    def share(self, array: Any) -> Any:
        """Return the first array with this content, and store its key."""
        key = key_of_array(array)
        if key is None:
            return array
        place = _ARRAY, key
        first = self.once(place, array.copy if self._copies else lambda: array)
        # The owner of the first array may have changed it in place.
        is_own = first is array or self._copies
        if not is_own and not _are_equal(first, array):
            self._forget(place)
            first = self.once(place, lambda: array)
        self._keys[id(first)] = key
        return first

    def find_key(self, array: Any) -> Hashable | None:
        """Return the key of an array, which is stored if `share` returned the array."""
        return self._keys.get(id(array)) or key_of_array(array)

    def _remember(self, key: Hashable, result: Any) -> None:
        n_bytes = 0 if self._max_bytes is None else _count_bytes(result)
        self._results[key] = result, n_bytes
        self._n_bytes += n_bytes
        limit = np.inf if self._max_bytes is None else self._max_bytes
        while self._n_bytes > limit and len(self._results) > _N_REMEMBERED:
            self._forget(next(iter(self._results)))

    def _forget(self, key: Hashable) -> None:
        result, n_bytes = self._results.pop(key)
        self._keys.pop(id(result), None)
        self._n_bytes -= n_bytes


_ARRAY = "array"
_N_REMEMBERED = 12  # results of one fit: its steps, rows and what follows from them


def _are_equal(array: Any, other: Any) -> bool:
    if issparse(array):
        parts = ("data", "indices", "indptr")
        return all(_are_equal(getattr(array, it), getattr(other, it)) for it in parts)
    return np.array_equal(array, other)


def _count_bytes(value: Any) -> int:
    """Return the size of the arrays that `value` is or holds."""
    if isinstance(value, list | tuple):
        return sum(map(_count_bytes, value))
    if issparse(value):
        return _count_bytes([value.data, value.indices, value.indptr])
    if hasattr(value, "memory_usage"):
        return int(np.sum(value.memory_usage()))
    return int(getattr(value, "nbytes", 0))


_shared: ContextVar[SharedWork | None] = ContextVar("shared", default=None)


@contextmanager
def sharing(work: SharedWork) -> Iterator[None]:
    """Share `work` among the fits and predictions in this context and thread."""
    token = _shared.set(work)
    try:
        yield
    finally:
        _shared.reset(token)


def do_once(make_key: Callable[[], Hashable], compute: Callable[[], Any]) -> Any:
    """Return ``compute()``, once for all fits that share their work.

    Parameters
    ----------
    make_key : callable
        Returns the key of the result. None does not share it. It is called only where
        work is shared.
    compute : callable
        Returns the result.
    """
    work = _shared.get()
    key = None if work is None else make_key()
    return compute() if work is None or key is None else work.once(key, compute)


def share_array(array: Any) -> Any:
    """Return the first array with this content if work is shared, else `array`.

    Fits to equal rows then keep only one copy of them in memory.
    """
    work = _shared.get()
    return array if work is None else work.share(array)


def call_once(function: Callable[..., Any], *arrays: Any, **options: Hashable) -> Any:
    """Return ``function(*arrays, **options)``, once for equal arguments.

    Parameters
    ----------
    function : callable
        The function. Its result must depend only on its arguments.
    *arrays : object
        Arrays that `share_array` returned and that have not changed since, or None.
        With others the result is not shared.
    **options : hashable
        Other arguments.
    """
    work = _shared.get()
    if work is None:
        return function(*arrays, **options)
    keys = [it is None or work.find_key(it) for it in arrays]
    if None in keys:
        return function(*arrays, **options)
    key = function, *keys, *options.items()
    return work.once(key, lambda: function(*arrays, **options))


def key_of_array(array: Any) -> Hashable | None:
    """Return a key that is equal for arrays with equal content; None if impossible.

    The key is a hash of the content, since each candidate of a search has its own copy
    of the rows of a fold.
    """
    if issparse(array) and array.format == "csr":
        parts = [key_of_array(it) for it in (array.data, array.indices, array.indptr)]
        return type(array), array.shape, *parts
    if type(array) is not np.ndarray or array.dtype.kind not in "biufUMm":
        return None
    order = "C" if array.flags.c_contiguous else "F" if array.flags.f_contiguous else ""
    if not order:
        return None
    content = np.ravel(array, order).view(np.uint8)
    digest = hashlib.sha1(content, usedforsecurity=False).digest()
    return array.dtype.str, array.shape, order, digest
