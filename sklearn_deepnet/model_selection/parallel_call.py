"""Run all calls of one `Parallel` of joblib, each on the right backend."""

from collections.abc import Callable
from functools import partial
from typing import Any

from joblib import Parallel

from .checkpoint import SearchCheckpoint
from .tasks import Call, cut_into_shares, delayed_share, run_calls


class _Batch:
    """A batch of calls that joblib has submitted.

    Parameters
    ----------
    n_calls : int
        Number of calls in the batch.
    callback : callable
        Called with the results when all of them have arrived.
    """

    __slots__ = ("_callback", "_n_missing", "_results")  # there are many

    def __init__(self, n_calls: int, callback: Callable[[list[Any]], Any]) -> None:
        self._results: list[Any] = [None] * n_calls
        self._n_missing, self._callback = n_calls, callback

    def put(self, number: int, result: Any) -> None:
        """Take the result of a call."""
        self._results[number] = result
        self._n_missing -= 1
        if not self._n_missing:
            self._callback(self._results)


class ParallelCall:
    """Runs all calls of one `Parallel`.

    Parameters
    ----------
    backend : StackedBackend
        The backend of the calls.
    pending : list of (list of Call, callable)
        Batches and their callbacks. The list is emptied.
    """

    def __init__(self, backend: Any, pending: list[Any]) -> None:
        self._backend = backend
        # Read now, since a call without a network may use the same backend in between.
        self._n_workers, self._outer = backend.n_workers, backend.outer
        self._plain: list[tuple[Call, Any]] = []
        self._calls: list[Call] = []  # with networks
        self._checkpoint: SearchCheckpoint | None = None
        self._puts: list[Callable[[Any], Any]] = []
        for calls, callback in pending:
            batch = _Batch(len(calls), callback)
            for number, call in enumerate(calls):
                self._add(call, partial(batch.put, number))
        pending.clear()  # so that no fitted network outlives its task

    def _add(self, call: Call, put: Callable[[Any], Any]) -> None:
        if not call.holds_network:
            self._plain.append((call, put))
            return
        parts, join = call.split()
        if len(parts) == 1:
            self._add_network(call, put)
            return
        collected = _Batch(len(parts), lambda results: put(join(results)))
        for number, part in enumerate(parts):
            self._add_network(part, partial(collected.put, number))

    def _add_network(self, call: Call, put: Callable[[Any], Any]) -> None:
        if self._checkpoint is None:
            self._checkpoint = self._backend.open_checkpoint(call)
        if self._checkpoint is not None:
            key, result = self._checkpoint.look_up(call)
            if result is not None:
                put(result)
                return
            put = partial(_note_and_put, self._checkpoint, key, put)
        self._calls.append(call)
        self._puts.append(put)

    def run(self) -> None:
        """Run the calls, and call the callbacks of their batches."""
        store = self._backend.store
        if any(call.has_epochs for call in self._calls):
            store.begin_round()
        self._run_plain()
        if self._n_workers == 1:
            run_calls(
                self._calls,
                self._backend.nested,
                self._backend.max_bytes,
                store,
                self._backend.summary,
                lambda number, result: self._puts[number](result),
                None if self._checkpoint is None else self._checkpoint.write,
            )
        elif self._calls:
            self._run_shares()

    def _run_plain(self) -> None:
        if self._n_workers == 1:
            for call, put in self._plain:
                put(call.function(*call.args, **call.options))
        elif self._plain:
            parallel = Parallel(self._n_workers, backend=self._outer)
            found = parallel(tuple(call) for call, _ in self._plain)
            for (_, put), result in zip(self._plain, found, strict=True):
                put(result)

    def _run_shares(self) -> None:
        """Run the calls in other processes, each of which trains stacks of its own."""
        store, max_bytes = self._backend.store, self._backend.max_bytes
        shares = cut_into_shares(self._calls, self._n_workers)
        delayed_shares = [
            delayed_share(share, self._calls, max_bytes, store) for share in shares
        ]
        for found in self._parallel()(delayed_shares):
            self._backend.summary.add(found.summary)
            store.add(found.fits)
            for number, result in zip(found.numbers, found.results, strict=True):
                self._puts[number](result)

    def _parallel(self) -> Parallel:
        # Results are returned as soon as they are available, so that a checkpoint can
        # save them. Each share is a batch, since two shares in one batch would run one
        # after the other in one process.
        options = {"backend": self._outer, "batch_size": 1}
        try:
            return Parallel(self._n_workers, return_as="generator_unordered", **options)
        except ValueError:  # "multiprocessing" returns all results at the end
            return Parallel(self._n_workers, **options)


def _note_and_put(
    checkpoint: SearchCheckpoint, key: str | None, put: Any, result: Any
) -> None:
    checkpoint.note(key, result)
    put(result)
