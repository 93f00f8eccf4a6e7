"""Threads: a single one in BLAS, and our own for the blocks of large batches.

A batch is divided into the same parts for any number of threads. The blocks of a part,
and the parts, are summed in order. So results are bit-for-bit the same for any number
of threads.

BLAS uses one thread during training, since several threads slow down small products,
and their number changes the last bits. Finding the BLAS libraries takes 18 ms, so it is
done once. If fits overlap in time, one could restore the limit that another one has
set. So fits are counted: the first one sets the limit, and the last one to end restores
it.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from threading import Lock, get_ident
from types import TracebackType
from typing import Self, TypeAlias, TypeVar

import numpy as np
from threadpoolctl import LibController

from .._utils.interrupts import deferred_interrupts, take_interrupts
from .._utils.typing import FloatArray
from ..nn.dropout import Dropout
from ..nn.losses import LossFunction
from .batches import Batch, MicroBatch
from .network import Network, blas_libraries
from .propagation import Propagation

MOST_THREADS = 16  # since each has its own work arrays

_Result = TypeVar("_Result")

_lock = Lock()
_inside: dict[object, int] = {}  # the open contexts, and the thread of each
_before: list[int] = []


class Threads:
    """The calling thread and `n` - 1 others, which are started when needed.

    Use it as a context manager, which ends the other threads.

    Parameters
    ----------
    n : int
        Number of threads, at least 1.
    """

    def __init__(self, n: int) -> None:
        self.n = n
        self._start_others()

    def _start_others(self) -> None:
        self._process = os.getpid()
        self._others = ThreadPoolExecutor(
            max(1, self.n - 1),
            initializer=partial(np.seterr, all="ignore"),  # for that thread alone
        )

    def call(self, functions: Sequence[Callable[[], _Result]]) -> list[_Result]:
        """Call up to `n` functions at the same time, and return their results.

        It returns only when all of them have ended, even after an exception. Call it
        within `one_blas_thread`, since an interrupt would leave locks of the threads
        taken.
        """
        if self._process != os.getpid():  # a fork has not copied the other threads
            self._start_others()
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
    """Limit BLAS to one thread in the whole process while the context is open.

    Interrupts wait for `take_interrupts` meanwhile, since one that came amid a lock or
    a count would leave BLAS or `Threads` in disorder.

    Yields
    ------
    n_threads : int
        The number of threads that BLAS had before, divided by the number of contexts
        that are open; at most `MOST_THREADS`.
    """
    global _before
    context = object()
    with deferred_interrupts():
        with _lock:
            is_first = not _inside
            if is_first:
                _before = [library.get_num_threads() for library in blas_libraries()]
            _inside[context] = get_ident()  # before the limit: a fork may come between
            if is_first:
                _set_threads([1] * len(_before))
            share = min(_before, default=1) // len(_inside)
            n_threads = min(max(share, 1), MOST_THREADS)
        try:
            yield n_threads
        finally:
            with _lock:
                if len(_inside) == 1:
                    _set_threads(_before)
                del _inside[context]


def _forget_other_threads() -> None:
    """Close, in the child of a fork, the contexts of threads that it does not have."""
    global _lock
    _lock = Lock()  # the other one may be taken for good
    for context in [it for it, thread in _inside.items() if thread != get_ident()]:
        del _inside[context]
        if not _inside:
            _set_threads(_before)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_other_threads)


def _set_threads(numbers: list[int]) -> None:
    for library, number in zip(blas_libraries(), numbers, strict=True):
        _free(library)
        library.set_num_threads(number)
        _free(library)


def _free(library: LibController) -> None:
    """Let any thread set the next limit.

    Since version 3.8, threadpoolctl silently ignores limits for OpenBLAS unless they
    are set by the thread that set the first limit. Here the last context may end in
    another thread.
    """
    if hasattr(library, "clear_controlling_thread"):
        library.clear_controlling_thread(force=True)


_Reads: TypeAlias = Sequence[Callable[[int], MicroBatch]]

_ZERO: FloatArray = np.zeros(())


class BlockwisePropagation:
    """Propagates batches through a network, or a stack of them, block by block.

    Parameters
    ----------
    network : Network
        The network, which is read in each call.
    loss : LossFunction
        Function of the logits.
    threads : Threads
        There are as many workers as threads. With dropout there is only one, since its
        masks are drawn from one generator in the order of the blocks.
    trains : bool, default=True
        Whether gradients are needed.
    dropout : Dropout or None, default=None
        Dropout, which is applied only in `loss_and_gradient`.
    on_share : callable ``(share) -> None``, or None, default=None
        Called by `loss_and_gradient`, in the calling thread, with the fraction of all
        samples that has been propagated.

    Attributes
    ----------
    gradient : ndarray of shape (*stack_shape, n_params)
        Array to which `loss_and_gradient` writes the gradient.
    """

    def __init__(
        self,
        network: Network,
        loss: LossFunction,
        threads: Threads,
        *,
        trains: bool = True,
        dropout: Dropout | None = None,
        on_share: Callable[[float], None] | None = None,
    ) -> None:
        self._network = network
        self._on_share = on_share
        self._make = partial(Propagation, network, loss, trains=trains, dropout=dropout)
        self._first = self._make()
        self._workers: list[Worker] = []
        self._threads = threads
        self._n_workers = threads.n if dropout is None else 1
        if trains:
            self.gradient = self._first.gradient

    def loss_and_gradient(self, batch: Batch) -> FloatArray:
        """Return the weighted sum of the losses, and write its gradient to `gradient`.

        Interrupts that wait are handled after each round of blocks.

        Returns
        -------
        loss : ndarray of shape stack_shape
        """
        if len(batch.blocks) == 1:
            block = batch.blocks[0](0)
            loss = self._first.loss_and_gradient(*block)
            take_interrupts()
            if self._on_share is not None:
                self._on_share(batch.share)
            return loss
        loss, total = _ZERO, self.gradient
        for round_ in self._rounds(batch):
            totals = [worker.total for worker, _ in round_]
            if loss is _ZERO:
                totals[0] = total  # the first part is written there instead of added
            calls = [
                partial(worker.loss_and_gradient, part, own)
                for (worker, part), own in zip(round_, totals, strict=True)
            ]
            loss = sum(self._threads.call(calls), loss)
            take_interrupts()
            for own in totals:
                if own is not total:
                    np.add(total, own, out=total)
            if self._on_share is not None:
                n_blocks = sum(len(part) for _, part in round_)
                self._on_share(batch.share * n_blocks / len(batch.blocks))
        return loss

    def loss(self, batch: Batch) -> FloatArray:
        """Return the weighted sum of the losses, of shape ``stack_shape``."""
        if len(batch.blocks) == 1:
            inputs, _, target, weight = batch.blocks[0](0)
            loss = self._first.loss(inputs, target, weight)
            take_interrupts()
            return loss
        loss = _ZERO
        for round_ in self._rounds(batch):
            calls = [partial(worker.loss, part) for worker, part in round_]
            loss = sum(self._threads.call(calls), loss)
            take_interrupts()
        return loss

    def _rounds(self, batch: Batch) -> Iterator[list[tuple["Worker", _Reads]]]:
        """Yield lists of parts of the batch and their workers, to be run in parallel.

        The parts depend only on the batch, so that the order of summation does not
        depend on the number of threads.
        """
        n_blocks = len(batch.blocks)
        size = -(-n_blocks // MOST_THREADS)
        parts = [batch.blocks[at : at + size] for at in range(0, n_blocks, size)]
        while len(self._workers) < min(len(parts), self._n_workers):
            total = np.empty_like(self._network.params)
            self._workers.append(Worker(len(self._workers), self._make(), total))
        for at in range(0, len(parts), self._n_workers):
            round_ = list(zip(self._workers, parts[at:], strict=False))
            yield round_


class Worker:
    """Propagates the blocks of one part of a batch, in its own work arrays.

    Parameters
    ----------
    number : int
        Index of the worker, from 0, which tells `Batches` the chunk to copy to.
    propagation : Propagation
        Propagation that is used by this worker only.
    total : ndarray like the parameters
        Array in which gradients are summed.
    """

    def __init__(
        self, number: int, propagation: Propagation, total: FloatArray
    ) -> None:
        self._number = number
        self._propagation = propagation
        self.total = total

    def loss_and_gradient(self, reads: _Reads, total: FloatArray) -> FloatArray:
        """Return the sum of the losses, and write that of the gradients to `total`."""
        loss, propagation = _ZERO, self._propagation
        own = propagation.gradient
        # The gradient of the first block is written to `total`, and others are added.
        propagation.write_gradient_to(total)
        for read in reads:
            loss = loss + propagation.loss_and_gradient(*read(self._number))
            if propagation.gradient is own:
                np.add(total, own, out=total)
            else:
                propagation.write_gradient_to(own)
        return loss

    def loss(self, reads: _Reads) -> FloatArray:
        """Return the sum of the losses."""
        loss = _ZERO
        for read in reads:
            inputs, _, target, weight = read(self._number)
            loss = loss + self._propagation.loss(inputs, target, weight)
        return loss
