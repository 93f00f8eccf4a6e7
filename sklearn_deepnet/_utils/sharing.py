"""Work that fits on equal data do once, such as validating the rows of a fold."""

import hashlib
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
from scipy.sparse import issparse


class SharedWork:
    """Results by what they were computed from.

    Everyone who asks gets the same object, so nobody may change it in place.

    Parameters
    ----------
    max_bytes : int or None, default=None
        How many bytes of arrays to remember. The last result is remembered in any case.
        None is no limit.
    """

    def __init__(self, max_bytes: int | None = None) -> None:
        self._results: dict[Hashable, tuple[Any, int]] = {}
        self._max_bytes, self._n_bytes = max_bytes, 0

    def once(self, key: Hashable, compute: Callable[[], Any]) -> Any:
        """Return the result that `key` stands for; compute it if nobody has yet.

        An error is raised, and not remembered.
        """
        if key in self._results:
            return self._results[key][0]
        result = compute()
        if key not in self._results:  # else computed inside
            self._remember(key, result)
        return result

    def _remember(self, key: Hashable, result: Any) -> None:
        n_bytes = 0 if self._max_bytes is None else _count_bytes(result)
        self._results[key] = result, n_bytes
        self._n_bytes += n_bytes
        while self._n_bytes > (self._max_bytes or np.inf) and len(self._results) > 1:
            _, n_bytes = self._results.pop(next(iter(self._results)))
            self._n_bytes -= n_bytes


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
    """Share `work` among the fits and predictions in this block and this thread."""
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
        Returns what the result follows from, as a key. None is not shared. It is not
        called where no work is shared.
    compute : callable
        Returns the result.
    """
    work = _shared.get()
    key = None if work is None else make_key()
    return compute() if work is None or key is None else work.once(key, compute)


def key_of_array(array: Any) -> Hashable | None:
    """Return a key that arrays of the same content share; None for other objects.

    It is a hash of the content, since each candidate of a search has its own copy of
    the rows of a fold.
    """
    if issparse(array) and array.format == "csr":
        parts = [key_of_array(it) for it in (array.data, array.indices, array.indptr)]
        return type(array), array.shape, *parts
    if type(array) is not np.ndarray or array.dtype.hasobject:
        return None
    order = "C" if array.flags.c_contiguous else "F" if array.flags.f_contiguous else ""
    if not order:
        return None
    content = array if order == "C" else array.T
    digest = hashlib.sha1(content, usedforsecurity=False).digest()
    return array.dtype.str, array.shape, order, digest
