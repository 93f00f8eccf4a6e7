"""One BLAS thread while a network trains.

Small products lose by threads, and their number changes the last bits. A scan for
libraries costs 18 ms, so it is made once; and since limits that overlap in time (fits
in several threads) would restore each other's values, they are counted: the first to
come sets the limit, the last to leave lifts it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any

from threadpoolctl import ThreadpoolController

_lock = Lock()
_n_inside = 0
_limit: Any = None


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Hold BLAS to one thread, for the whole process, until the last holder leaves."""
    global _n_inside, _limit
    with _lock:
        if _n_inside == 0:
            _limit = _blas().limit(limits=1)
        _n_inside += 1
    try:
        yield
    finally:
        with _lock:
            _n_inside -= 1
            if _n_inside == 0:
                _limit.restore_original_limits()
