"""The calls that scikit-learn passes to joblib, and how they run as tasks."""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from hashlib import sha1
from inspect import ismethod
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
from joblib import delayed, parallel_config
from joblib.parallel import get_active_backend
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from .._fitting.checkpoint import EpochStore, storing_epochs
from .._utils.sklearn_compat import (
    calls_callbacks,
    fit_and_score,
    passes_callbacks_on,
    split_bagging,
)
from ..estimators.base import BaseDeepNet
from ..estimators.ensemble import BaseEnsemble
from ..estimators.pipelines import has_callbacks_inside, sharing_steps, step_key
from ..estimators.stacking import StackSummary, run_tasks
from ..estimators.stacking.cooperation import Coroutine

# Tasks in a share. A worker gets several shares, so that all workers end at about the
# same time.
_SHARE_SIZE = 64
_MAX_SHARES = 4  # for each worker
_LONG = 50  # entries from which a list is sent like an array
_SLACK = 0.1  # by which a share may differ from the mean size


class Call(NamedTuple):
    """One call that was passed to joblib."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    options: dict[str, Any]

    @property
    def is_fit_and_score(self) -> bool:
        """Whether it fits and scores one fold of a search or cross-validation."""
        function = getattr(self.function, "function", self.function)
        return function is fit_and_score

    @property
    def holds_network(self) -> bool:
        """Whether there is a network among the arguments."""
        return any(map(_holds_network, (self.args, self.options, self.function)))

    @property
    def has_epochs(self) -> bool:
        """Whether it is a candidate whose parameters include `n_iter`."""
        names = self.options.get("parameters") or ()
        return self.is_fit_and_score and any(
            str(name).split("__")[-1] == "n_iter" for name in names
        )

    @property
    def has_callbacks(self) -> bool:
        """Whether it is a fold whose fit is watched by callbacks."""
        return self.is_fit_and_score and (
            calls_callbacks(self.options.get("callback_ctx"))
            or has_callbacks_inside(self.args[0])
        )

    @property
    def data_key(self) -> Hashable:
        """Key of the data and rows that the estimator is fitted to.

        X, y and fit parameters are identified by their ids, so the key is valid only
        among calls that are in memory together.
        """
        _, X, y, *_ = self.args
        train = np.asarray(self.options["train"])
        params = self.options.get("fit_params") or {}
        return (
            (id(X), id(y), *((name, id(value)) for name, value in params.items())),
            train.dtype.char,
            sha1(np.ascontiguousarray(train), usedforsecurity=False).digest(),
        )

    @property
    def order_key(self) -> Hashable:
        """Key that is equal for calls that should run one after the other.

        These calls have the same rows and the same steps before the network.
        """
        if not self.is_fit_and_score:
            return ""
        estimator, parameters = self.args[0], self.options["parameters"] or {}
        last = f"{estimator.steps[-1][0]}__" if isinstance(estimator, Pipeline) else ""
        others = {k: v for k, v in parameters.items() if not k.startswith(last)}
        return step_key(others) if others else "", self.data_key

    def split(self) -> "tuple[list[Call], Callable[[list[Any]], Any]]":
        """Return calls with one fit each, and a function that joins their results."""
        function = getattr(self.function, "function", self.function)
        parts = split_bagging(function, self.args, self.options)
        if len(parts) < 2:
            return [self], itemgetter(0)
        return [Call(self.function, *part) for part in parts], _join


def _join(results: list[Any]) -> Any:
    """Return a tuple in which the lists at each position are concatenated."""
    return tuple(list(chain(*lists)) for lists in zip(*results, strict=True))


def _holds_network(value: Any, around: tuple[int, ...] = ()) -> bool:
    """Return whether a value contains a network; the value may contain itself."""
    if isinstance(value, BaseDeepNet | BaseEnsemble):
        return True
    if id(value) in around:
        return False
    is_in = partial(_holds_network, around=(*around, id(value)))
    if isinstance(value, Mapping):
        return any(map(is_in, value.values()))
    if isinstance(value, list | tuple) and len(value) <= 1000:
        return any(map(is_in, value))
    if isinstance(value, partial):
        return any(map(is_in, (value.args, value.keywords, value.func)))
    if isinstance(value, BaseEstimator):
        return any(map(is_in, vars(value).values()))
    return ismethod(value) and is_in(value.__self__)


def group_calls(calls: Sequence[Call]) -> list[list[int]]:
    """Return the numbers of calls, grouped by the steps and rows that they share.

    Calls with callbacks stay in one group, in the order in which callbacks expect them.
    """
    if any(call.has_callbacks for call in calls):
        return [[*range(len(calls))]]
    groups: dict[Hashable, list[int]] = {}
    for number, call in enumerate(calls):
        groups.setdefault(call.order_key, []).append(number)
    return [*groups.values()]


def run_calls(
    calls: list[Call],
    nested: Callable[[], Any],
    max_bytes: int,
    store: EpochStore,
    summary: StackSummary,
    on_end: Callable[[int, Any], None],
    before_training: Callable[[], Any] | None = None,
) -> None:
    """Run calls as tasks of this process.

    Parameters
    ----------
    calls : list of Call
        The calls. The list is emptied, so that no fitted network outlives its task.
    nested : callable
        Returns the backend for calls within a task.
    max_bytes : int
        How many bytes of training rows the waiting tasks may hold.
    store : EpochStore
        Networks whose training may be continued.
    summary : StackSummary
        Counts the networks; updated in place.
    on_end : callable ``(number, result) -> None``
        Called whenever a call has returned.
    before_training : callable or None, default=None
        Called before each stack is trained.
    """
    order = [*chain(*group_calls(calls))]
    _, n_jobs = get_active_backend()  # also for calls within a task
    # Arguments of a later call within a task may get the same ids as those of an
    # earlier call. So ids identify data only among the calls given here.
    source = object()
    functions = [
        partial(_run_call, call, nested, n_jobs, store, source) for call in calls
    ]
    calls.clear()

    def end(number: int, task: Coroutine) -> None:
        result, task.result = task.result, None
        if isinstance(result, dict) and "fit_time" in result:
            result["fit_time"] += task.credit - task.waited
        on_end(number, result)

    run_tasks(functions, max_bytes, summary, end, order, before_training)


def _run_call(
    call: Call,
    nested: Callable[[], Any],
    n_jobs: int | None,
    store: EpochStore,
    source: object,
) -> Any:
    with ExitStack() as stack:
        stack.enter_context(parallel_config(backend=nested(), n_jobs=n_jobs))
        # The callbacks of a pipeline see each of its steps being fitted.
        is_watched = passes_callbacks_on(call.options.get("callback_ctx"))
        if call.is_fit_and_score and not is_watched:
            stack.enter_context(sharing_steps(call.args[0], (source, call.data_key)))
        if call.has_epochs:
            stack.enter_context(storing_epochs(store))
        return call.function(*call.args, **call.options)


def cut_into_shares(calls: Sequence[Call], n_jobs: int) -> list[list[int]]:
    """Divide the calls into shares, one or several for each worker.

    Returned are the numbers of the calls in each share. Calls with the same steps and
    rows stay together, unless a worker would then get much less work than the others.
    """
    n_each = min(_MAX_SHARES, max(1, len(calls) // (n_jobs * _SHARE_SIZE)))
    n_shares = min(n_jobs * n_each, len(calls))
    groups = group_calls(calls)
    borders = np.cumsum([0, *map(len, groups)])
    cuts = np.linspace(0, len(calls), n_shares + 1)[1:-1]
    nearest = borders[np.abs(borders[:, np.newaxis] - cuts).argmin(axis=0)]
    is_near = np.abs(nearest - cuts) <= _SLACK * len(calls) / n_shares
    cuts = np.where(is_near, nearest, np.ceil(cuts)).astype(int)
    shares = np.split([*chain(*groups)], cuts)
    return [share.tolist() for share in shares if len(share)]


class ShareResult(NamedTuple):
    """What a worker returns: the results of its calls, and its counts."""

    numbers: list[int]
    results: list[Any]
    summary: StackSummary
    fits: dict[str, dict[str, Any]]


def delayed_share(
    numbers: list[int], calls: Sequence[Call], max_bytes: int, store: EpochStore
) -> Any:
    """Return a delayed call that runs a share of the calls in another process."""
    arrays: list[Any] = []
    share = _extract_arrays([calls[number] for number in numbers], arrays)
    return delayed(_run_share)(numbers, share, max_bytes, store, *arrays)


def _run_share(
    numbers: list[int],
    share: Any,
    max_bytes: int,
    store: EpochStore,
    *arrays: Any,
) -> ShareResult:
    from .backend import StackedBackend  # which imports this module

    calls, summary = _insert_arrays(share, arrays), StackSummary()
    backend = StackedBackend(max_bytes=max_bytes, summary=summary)
    found: dict[int, Any] = {}
    run_calls(calls, backend.nested, max_bytes, store, summary, found.__setitem__)
    results = [found[k] for k in range(len(numbers))]
    return ShareResult(numbers, results, summary, store.fits)


# Backends for clusters (dask, ray) send a large array to the workers once, even if many
# calls have it as an argument. They do not look into lists and tuples, where an array
# would be pickled again for each call. So the arrays are taken out of the arguments
# here, passed as separate arguments, and put back by the worker.


class _ArrayArgument(NamedTuple):
    """Takes the place of an array that is passed as the argument of this number."""

    number: int


def _extract_arrays(value: Any, arrays: list[Any]) -> Any:
    """Return `value` without its arrays; append each array once, in place."""
    if _is_container(value):
        return _map_items(partial(_extract_arrays, arrays=arrays), value)
    if not (_is_long(value) or issparse(value) or hasattr(value, "iloc")):
        return value
    numbers = [number for number, array in enumerate(arrays) if array is value]
    if not numbers:
        numbers = [len(arrays)]
        arrays.append(value)
    return _ArrayArgument(numbers[0])


def _is_long(value: Any) -> bool:
    """Return whether a value may be X or y."""
    if isinstance(value, list):
        return len(value) > _LONG
    return isinstance(value, np.ndarray) and value.ndim > 0


def _insert_arrays(value: Any, arrays: Sequence[Any]) -> Any:
    if isinstance(value, _ArrayArgument):
        return arrays[value.number]
    if _is_container(value):
        return _map_items(partial(_insert_arrays, arrays=arrays), value)
    return value


def _is_container(value: Any) -> bool:
    """Return whether `value` can be rebuilt from its items, unlike subclasses."""
    return type(value) in (dict, list, tuple, Call) and not _is_long(value)


def _map_items(function: Any, value: Any) -> Any:
    """Return a dict, list or tuple with `function` applied to each item."""
    if isinstance(value, dict):
        return {key: function(item) for key, item in value.items()}
    items: Iterator[Any] | list[Any] = [function(item) for item in value]
    return getattr(value, "_make", type(value))(items)  # of a named tuple: _make
