"""One BLAS thread while a network trains.

Small products lose by threads, and their number changes the last bits. A scan for
libraries costs 18 ms, so it is made once. Limits that overlap in time, of fits in
several threads, would restore each other's values; so they are counted: the first to
come sets the limit, the last to leave lifts it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock

from threadpoolctl import LibController, ThreadpoolController

_lock = Lock()
_n_inside = 0
_before: list[int] = []


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Hold BLAS to one thread, for the whole process, until the last holder leaves."""
    global _n_inside, _before
    with _lock:
        if _n_inside == 0:
            _before = [library.get_num_threads() for library in _libraries()]
            _set_threads([1] * len(_before))
        _n_inside += 1
    try:
        yield
    finally:
        with _lock:
            _n_inside -= 1
            if _n_inside == 0:
                _set_threads(_before)


@cache
def _libraries() -> list[LibController]:
    return ThreadpoolController().select(user_api="blas").lib_controllers


def _set_threads(numbers: list[int]) -> None:
    for library, number in zip(_libraries(), numbers, strict=True):
        _free(library)
        library.set_num_threads(number)
        _free(library)


def _free(library: LibController) -> None:
    """Let any thread set limits.

    Since 3.8 threadpoolctl lets only the thread that set a limit of OpenBLAS first set
    another, and ignores others without a word; here the last to leave may be another.
    """
    if hasattr(library, "clear_controlling_thread"):
        library.clear_controlling_thread(force=True)
