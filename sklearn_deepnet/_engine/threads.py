"""Threads while a network trains: one in BLAS, ours for blocks of large batches.

Small products lose by threads, and their number changes the last bits. A scan for
libraries costs 18 ms, so it is made once. Limits that overlap in time, of fits in
several threads, would restore each other's values; so they are counted: the first to
come sets the limit, the last to leave lifts it.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache, partial
from threading import Lock
from types import TracebackType
from typing import Self, TypeVar

import numpy as np
from threadpoolctl import LibController, ThreadpoolController

MOST_THREADS = 16  # each has work arrays of its own

_Result = TypeVar("_Result")

_lock = Lock()
_n_inside = 0
_before: list[int] = []


class Threads:
    """The thread that makes them and `n` - 1 others, started when they are needed.

    A context: at its end the others are gone.

    Parameters
    ----------
    n : int
        At least 1.
    """

    def __init__(self, n: int) -> None:
        self.n = n
        self._others = ThreadPoolExecutor(
            max(1, n - 1),
            initializer=partial(np.seterr, all="ignore"),  # for that thread alone
        )

    def call(self, functions: Sequence[Callable[[], _Result]]) -> list[_Result]:
        """Call up to `n` functions side by side, and return what they return.

        It comes back when all are done, even if it was interrupted.
        """
        first, *rest = functions
        futures = [self._others.submit(function) for function in rest]
        try:
            result = first()
        finally:
            wait(futures)
        return [result, *(future.result() for future in futures)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._others.shutdown()


@contextmanager
def one_blas_thread() -> Iterator[int]:
    """Hold BLAS to one thread, for the whole process, until the last holder leaves.

    Yields
    ------
    n_threads : int
        How many BLAS was allowed before, or this holder's share of them; at most
        `MOST_THREADS`.
    """
    global _n_inside, _before
    with _lock:
        if _n_inside == 0:
            _before = [library.get_num_threads() for library in _libraries()]
            _set_threads([1] * len(_before))
        _n_inside += 1
        share = min(_before, default=1) // _n_inside
        n_threads = min(max(share, 1), MOST_THREADS)
    try:
        yield n_threads
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
