"""The tasks of a search: a candidate on a fold, alone or with others in a stack."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from copy import copy
from functools import partial, wraps
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.utils.parallel import delayed

from .._fitting.parameters import resolve_schedule
from ..estimators.base import BaseDeepNet
from ..estimators.pipelines import (
    FitArguments,
    find_network,
    fit_replaced,
    hash_key,
    last_of,
    record_fit_call,
    with_network,
)
from ..estimators.stacking import FitResult, fit_networks, is_stackable
from ..nn.schedules import depends_on_n_iter

_SHARED_PARAMS = (  # in which the networks of a stack do not differ
    "hidden_layer_sizes",
    "activation",
    "loss",
    "solver",
    "batch_size",
    "n_iter",
    "shuffle",
    "early_stopping",
    "validation_fraction",
    "dtype",
)


class CVTask(NamedTuple):
    """One task of scikit-learn's search: a candidate on a fold.

    Parameters
    ----------
    function : callable
        scikit-learn's ``_fit_and_score``.
    estimator : estimator
        With the candidate's parameters.
    options : dict
        The keyword arguments of the function.
    key : str, default=""
        Identifies the candidate apart from its `n_iter`, if a later round may continue
        its network; else "".
    warm_network : WarmNetwork or None, default=None
        The network that the candidate had in the round before, to be continued.
    prefix_seconds : float, default=0.0
        Its share of the time in which earlier steps were fitted.
    """

    function: Any
    estimator: Any
    options: dict[str, Any]
    key: str = ""
    warm_network: "WarmNetwork | None" = None
    prefix_seconds: float = 0.0

    @property
    def fold(self) -> int:
        """Number of the fold."""
        return self.options["split_progress"][0]

    @property
    def candidate(self) -> int:
        """Number of the candidate."""
        return self.options["candidate_progress"][0]

    @property
    def n_rows(self) -> int:
        """Rows to train on."""
        return len(self.options["train"])

    @property
    def is_stackable(self) -> bool:
        """Whether the network may be trained beside others."""
        return is_stackable(last_of(self.estimator))

    @property
    def stack_key(self) -> tuple[Any, ...]:
        """What the networks of a stack have in common, as far as parameters say.

        `fit_networks` groups by the key of the jobs, which also knows the data. This
        one only has to send to one process what will probably make a stack there.
        """
        network = find_network(self.estimator)
        shared = [repr(getattr(network, name)) for name in _SHARED_PARAMS]
        return type(network), self.n_rows, *shared, network.scoring is None

    def record_fit_call(self, X: Any, y: Any) -> FitArguments:
        """Fit the earlier steps, and return what the network is to be fitted to."""
        # The task prints, scores and reports when the network is fitted, not now.
        quiet = {"scorer": _no_score, "error_score": "raise", "verbose": 0}
        quiet |= {"return_train_score": False, "parameters": None}
        if "callback_ctx" in self.options:
            quiet["callback_ctx"] = None
        fit = partial(self.function, self.estimator, X, y, **self.options | quiet)
        return record_fit_call(find_network(self.estimator), fit)

    def score(
        self, X: Any, y: Any, network: BaseDeepNet, fitted: FitResult
    ) -> dict[str, Any]:
        """Return what ``_fit_and_score`` makes of a network that has been fitted.

        So scorers, several metrics and `error_score` are scikit-learn's. Only its call
        of ``fit`` is answered by us, with the fitted estimator or the error.
        """
        estimator = with_network(self.estimator, network)

        def answer(*args: Any, **params: Any) -> Any:
            del estimator.fit  # a scorer may pickle the estimator, or fit it
            if fitted.error is not None:
                raise fitted.error
            return estimator

        options = self.options | {"parameters": None, "verbose": 0}
        with fit_replaced(estimator, answer):
            result = self.function(estimator, X, y, **options)
        result["fit_time"] = self.prefix_seconds + fitted.seconds
        if self.options["verbose"] > 1:
            print(_format_task(self.options, result))
        return result


def _no_score(estimator: Any, X: Any, y: Any = None, **params: Any) -> float:
    return 0.0


def _format_task(options: dict[str, Any], result: dict[str, Any]) -> str:
    """Return the line that scikit-learn prints when a task is done."""
    fold, n_folds = options["split_progress"]
    candidate = options["parameters"] or {}
    params = ", ".join(f"{name}={candidate[name]}" for name in sorted(candidate))
    seconds = result["fit_time"] + result["score_time"]
    scores = _format_scores(result) if options["verbose"] > 2 else ""
    return f"[CV {fold + 1}/{n_folds}] END {params};{scores} total time={seconds:6.2f}s"


def _format_scores(result: dict[str, Any]) -> str:
    test, train = result["test_scores"], result.get("train_scores")
    if not isinstance(test, dict):
        both = f"(train={train:.3f}, test={test:.3f})" if train is not None else ""
        return f", score={both or format(test, '.3f')}"
    text = ""
    for name in sorted(test):
        of_train = f"train={train[name]:.3f}, " if train is not None else ""
        text += f" {name}: ({of_train}test={test[name]:.3f})"
    return text


class WarmNetwork(NamedTuple):
    """A fitted network that a later round may continue.

    Parameters
    ----------
    network : estimator
        The network.
    data_key : str
        Identifies what it was fitted to.
    """

    network: BaseDeepNet
    data_key: str


# What `_fit_and_score` returns of a task, and its network if it may be continued.
Result: TypeAlias = tuple[dict[str, Any], WarmNetwork | None]


# Backends for clusters (dask, ray) look at each argument of a call and send a large
# array to the workers once, however many calls have it. They do not look into lists or
# tuples, in which an array would be pickled again for each call. So arrays are taken
# out of the arguments here, passed as arguments of their own, and put back by the
# worker.


class _ArrayArgument(NamedTuple):
    """Stands for the array that is the argument of this number."""

    number: int


def delayed_with_arrays(function: Any, X: Any, y: Any, *rest: Any) -> Any:
    """Return ``delayed(function)(X, y, *rest)``, with every array an argument."""
    arrays: list[Any] = []
    rest = _extract_arrays(rest, arrays)
    return delayed(function)(X, y, rest, *arrays)


def _takes_arrays(function: Any) -> Any:
    """Make `function` take what `delayed_with_arrays` passes."""

    @wraps(function)
    def insert_and_call(X: Any, y: Any, rest: Any, *arrays: Any) -> Any:
        return function(X, y, *_insert_arrays(rest, arrays))

    return insert_and_call


def _extract_arrays(value: Any, arrays: list[Any]) -> Any:
    """Return `value` without the arrays in it; append these, in place, once each."""
    if _is_container(value):
        return _map_items(partial(_extract_arrays, arrays=arrays), value)
    is_array = isinstance(value, np.ndarray) and value.ndim > 0
    if not (is_array or issparse(value) or hasattr(value, "iloc")):
        return value
    numbers = [number for number, array in enumerate(arrays) if array is value]
    if not numbers:
        numbers = [len(arrays)]
        arrays.append(value)
    return _ArrayArgument(numbers[0])


def _insert_arrays(value: Any, arrays: Sequence[Any]) -> Any:
    if isinstance(value, _ArrayArgument):
        return arrays[value.number]
    if _is_container(value):
        return _map_items(partial(_insert_arrays, arrays=arrays), value)
    return value


def _is_container(value: Any) -> bool:
    """Return whether `value` can be built of its items; subclasses may not."""
    return type(value) in (dict, list, tuple, CVTask, FitArguments)


def _map_items(function: Any, value: Any) -> Any:
    """Return a dict, list or tuple with `function` of each item."""
    if isinstance(value, dict):
        return {key: function(item) for key, item in value.items()}
    items = [function(item) for item in value]
    return getattr(value, "_make", type(value))(items)  # of a named tuple: _make


@_takes_arrays
def run_alone(X: Any, y: Any, task: CVTask) -> list[Result]:
    """Return the result of one task, run as scikit-learn would.

    A clone is fitted, since the search holds the task's estimator to its end, and with
    it all that it would learn.
    """
    return [(task.function(clone(task.estimator), X, y, **task.options), None)]


@_takes_arrays
def run_stack(
    X: Any,
    y: Any,
    tasks: Sequence[CVTask],
    places: Sequence[int],
    known: Sequence[FitArguments],
) -> list[Result]:
    """Return the results of several tasks, whose networks are trained at once.

    Parameters
    ----------
    X, y : array-like
        All rows.
    tasks : sequence of CVTask
        The tasks.
    places : sequence of int
        For each task, the place in `known` of what its network is to be fitted to.
        Networks of one place are fitted to the same object, and so share its rows.
    known : sequence of FitArguments
        What networks are to be fitted to; empty if it is to be cut out of X here.
    """
    found = dict(enumerate(known))
    for task, place in zip(tasks, places, strict=True):
        if place not in found:
            found[place] = task.record_fit_call(X, y)
    keys = {k: hash_key(it) if tasks[0].key else "" for k, it in found.items()}
    # Copies, since the search holds the estimators to its end, but needs nothing that
    # they learn.
    networks = [
        WarmNetwork(copy(find_network(task.estimator)), keys[place])
        for task, place in zip(tasks, places, strict=True)
    ]
    fits = _fit_or_continue(tasks, networks, [found[place] for place in places])
    results = []
    for task, network, fitted in zip(tasks, networks, fits, strict=True):
        continuable = task.key and fitted.error is None
        result = task.score(X, y, network.network, fitted)
        results.append((result, network if continuable else None))
    return results


def _fit_or_continue(
    tasks: Sequence[CVTask],
    networks: Sequence[WarmNetwork],
    arguments: Sequence[FitArguments],
) -> list[FitResult]:
    """Fit each network to its arguments, in place, or continue it from a warm one."""
    results = [FitResult(None, 0.0)] * len(tasks)
    with ExitStack() as stack:
        to_fit = [
            k
            for k, task in enumerate(tasks)
            if not task.key
            or stack.enter_context(_warm_start(networks[k], task.warm_network))
        ]
        found = fit_networks(
            [networks[k].network for k in to_fit], [arguments[k] for k in to_fit]
        )
    for k, fitted in zip(to_fit, found, strict=True):
        results[k] = fitted
    return results


@contextmanager
def _warm_start(unfitted: WarmNetwork, before: WarmNetwork | None) -> Iterator[bool]:
    """Let ``fit`` continue from `before`; yield whether there is more to train.

    The network starts anew if that would give other bits: if it was fitted to other
    data, such as earlier steps that draw would make, or if its schedule may depend on
    `n_iter`. One that `tol` or divergence has stopped is done, since it would have
    stopped at the same epoch with a larger `n_iter`.
    """
    network = unfitted.network
    n_iter, warm_start = network.n_iter, network.warm_start
    n_epochs_done, is_incomplete = 0, True
    is_same = before is not None and before.data_key == unfitted.data_key
    if is_same and not depends_on_n_iter(resolve_schedule(network.schedule)):
        parameters = network.get_params(deep=False)
        learned = vars(before.network).items()
        vars(network).update({k: v for k, v in learned if k not in parameters})
        n_epochs_done = before.network.n_iter
        is_incomplete = network._ended_by == "n_iter" and n_iter > n_epochs_done
    # With warm_start, a fit saves the training state from which the next continues.
    network.set_params(n_iter=n_iter - n_epochs_done, warm_start=True)
    try:
        yield is_incomplete
    finally:
        network.set_params(n_iter=n_iter, warm_start=warm_start)


@_takes_arrays
def fit_prefix(X: Any, y: Any, task: CVTask) -> tuple[Any, FitArguments, float] | None:
    """Fit the earlier steps of a pipeline.

    Returns
    -------
    fitted : tuple of (pipeline, arguments, seconds) or None
        The pipeline, what its network is to be fitted to, and the time. None if a step
        raises an error: the tasks are then run alone, and each deals with the error.
    """
    start = time.perf_counter()
    try:
        arguments = task.record_fit_call(X, y)
    except Exception:
        return None
    return task.estimator, arguments, time.perf_counter() - start
