"""The tasks of a search: a candidate on a fold, alone or with others in a stack."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from copy import copy
from functools import partial, wraps
from types import FunctionType
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.utils.parallel import delayed

from .._fitting.parameters import resolve_schedule
from ..estimators.base import BaseDeepNet
from ..estimators.pipelines import (
    FitArguments,
    fit_replaced,
    hash_key,
    last_of,
    network_of,
    record_fit_call,
    with_network,
)
from ..estimators.stacking import FitResult, fit_networks, is_stackable
from ..nn.schedules import SCHEDULES, Cosine, Custom, OneCycle

_ALIKE = (  # parameters in which the networks of a stack do not differ
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
        The candidate, but for its passes, if its network is to be kept; else empty.
    before : WarmNetwork or None, default=None
        The network that the candidate had when it had fewer passes, to go on with.
    seconds : float, default=0.0
        What was spent on it before, on earlier steps.
    """

    function: Any
    estimator: Any
    options: dict[str, Any]
    key: str = ""
    before: "WarmNetwork | None" = None
    seconds: float = 0.0

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
    def kind(self) -> tuple[Any, ...]:
        """What fits have in common, as far as parameters tell, to make a stack."""
        network = network_of(self.estimator)
        alike = [repr(getattr(network, name)) for name in _ALIKE]
        return type(network), self.n_rows, *alike, network.scoring is None

    def record_fit_call(self, X: Any, y: Any) -> FitArguments:
        """Fit the earlier steps, and return what the network is to be fitted to."""
        quiet = {"scorer": _no_score, "error_score": "raise", "verbose": 0}
        quiet |= {"return_train_score": False, "parameters": None}
        if "callback_ctx" in self.options:
            quiet["callback_ctx"] = None
        fit = partial(self.function, self.estimator, X, y, **self.options | quiet)
        return record_fit_call(network_of(self.estimator), fit)

    def score(
        self, X: Any, y: Any, network: BaseDeepNet, ended: FitResult
    ) -> dict[str, Any]:
        """Score what is fitted, or deal with the error as scikit-learn does."""
        estimator = with_network(self.estimator, network)

        def give_back(*args: Any, **params: Any) -> Any:
            del estimator.fit  # a scorer may pickle the estimator, or fit it
            if ended.error is not None:
                raise ended.error
            return estimator

        options = self.options | {"parameters": None, "verbose": 0}
        with fit_replaced(estimator, give_back):
            result = self.function(estimator, X, y, **options)
        result["fit_time"] = self.seconds + ended.seconds
        if self.options["verbose"] > 1:
            print(_describe(self.options, result))
        return result


def _no_score(estimator: Any, X: Any, y: Any = None, **params: Any) -> float:
    return 0.0


def _describe(options: dict[str, Any], result: dict[str, Any]) -> str:
    """Return a line such as scikit-learn prints when a fit is done."""
    fold, n_folds = options["split_progress"]
    parameters = options["parameters"] or {}
    told = ", ".join(f"{name}={parameters[name]}" for name in sorted(parameters))
    seconds = result["fit_time"] + result["score_time"]
    scores = _describe_scores(result) if options["verbose"] > 2 else ""
    return f"[CV {fold + 1}/{n_folds}] END {told};{scores} total time={seconds:6.2f}s"


def _describe_scores(result: dict[str, Any]) -> str:
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
    """A network that may be gone on with, and a key of what it was fitted to."""

    network: BaseDeepNet
    data: str


Result: TypeAlias = tuple[dict[str, Any], WarmNetwork | None]


class _Apart(NamedTuple):
    """Stands for an array that is an argument of its own."""

    place: int


def call(function: Any, X: Any, y: Any, *rest: Any) -> Any:
    """Return ``function(X, y, *rest)`` for `Parallel`, every array an argument.

    A backend for clusters looks at the arguments themselves, and sends what is large
    apart from the task: once, if many tasks have it. It does not look into lists.
    """
    arrays: list[Any] = []
    rest = _take_out(rest, arrays)
    return delayed(function)(X, y, rest, *arrays)


def _called(function: Any) -> Any:
    """Let `function` take what `call` makes of its arguments."""

    @wraps(function)
    def put_together(X: Any, y: Any, rest: Any, *arrays: Any) -> Any:
        return function(X, y, *_put_back(rest, arrays))

    return put_together


def _take_out(value: Any, arrays: list[Any]) -> Any:
    """Return `value` without the arrays in it; append these, in place, once each."""
    if _is_container(value):
        return _rebuild(value, partial(_take_out, arrays=arrays))
    is_array = isinstance(value, np.ndarray) and value.ndim > 0
    if not (is_array or issparse(value) or hasattr(value, "iloc")):
        return value
    places = [place for place, array in enumerate(arrays) if array is value]
    if not places:
        places = [len(arrays)]
        arrays.append(value)
    return _Apart(places[0])


def _put_back(value: Any, arrays: Sequence[Any]) -> Any:
    if isinstance(value, _Apart):
        return arrays[value.place]
    if _is_container(value):
        return _rebuild(value, partial(_put_back, arrays=arrays))
    return value


def _is_container(value: Any) -> bool:
    """Return whether it is known how to build `value` of its items; not subclasses."""
    return type(value) in (dict, list, tuple, CVTask, FitArguments)


def _rebuild(value: Any, function: Any) -> Any:
    """Return a dict, list or tuple with `function` of each item."""
    if isinstance(value, dict):
        return {key: function(item) for key, item in value.items()}
    items = [function(item) for item in value]
    return getattr(value, "_make", type(value))(items)  # named tuples take items apart


@_called
def run_alone(X: Any, y: Any, fit: CVTask) -> list[Result]:
    """Return the result of one task, carried out as scikit-learn would.

    The search keeps the estimator, so a clone is fitted and let go.
    """
    return [(fit.function(clone(fit.estimator), X, y, **fit.options), None)]


@_called
def run_stack(
    X: Any,
    y: Any,
    fits: Sequence[CVTask],
    numbers: Sequence[int],
    cut: Sequence[FitArguments],
) -> list[Result]:
    """Return the results of several tasks, whose networks are trained at once.

    Parameters
    ----------
    X, y : array-like
        All rows.
    fits : sequence of CVTask
        The tasks.
    numbers : sequence of int
        Which table each network is to be fitted to.
    cut : sequence of FitArguments
        These tables; empty if they are to be cut out here.
    """
    tables = dict(enumerate(cut))
    for fit, number in zip(fits, numbers, strict=True):
        if number not in tables:
            tables[number] = fit.record_fit_call(X, y)
    # copies: the search holds the estimators to its end, and not what is learned
    networks = [copy(network_of(fit.estimator)) for fit in fits]
    data = {k: hash_key(table) if fits[0].key else "" for k, table in tables.items()}
    endings = [FitResult(None, 0.0)] * len(fits)
    with ExitStack() as stack:
        left = []
        for k, (fit, number) in enumerate(zip(fits, numbers, strict=True)):
            going_on = _going_on(networks[k], fit.before, data[number])
            if not fit.key or stack.enter_context(going_on):
                left.append(k)
        found = fit_networks(
            [networks[k] for k in left], [tables[numbers[k]] for k in left]
        )
        for k, ended in zip(left, found, strict=True):
            endings[k] = ended
    results = []
    for k, (fit, ended) in enumerate(zip(fits, endings, strict=True)):
        is_kept = fit.key and ended.error is None
        kept = WarmNetwork(networks[k], data[numbers[k]]) if is_kept else None
        results.append((fit.score(X, y, networks[k], ended), kept))
    return results


@contextmanager
def _going_on(
    network: BaseDeepNet, before: WarmNetwork | None, data: str
) -> Iterator[bool]:
    """Let `network` go on from `before`, and be gone on from; tell if it has to.

    It starts over if it was fitted to other data, such as a step before it that draws
    would make, or if its schedule may depend on `n_iter`. A network that has stopped of
    itself would have stopped as soon with more passes.
    """
    n_iter, warm_start = network.n_iter, network.warm_start
    n_epochs_done, has_to = 0, True
    is_same = before is not None and before.data == data
    if is_same and _has_fixed_course(network.schedule):
        parameters = network.get_params(deep=False)
        learned = vars(before.network).items()
        vars(network).update({k: v for k, v in learned if k not in parameters})
        n_epochs_done = before.network.n_iter
        has_to = before.network._ended_by == "n_iter" and n_iter > n_epochs_done
    network.set_params(n_iter=n_iter - n_epochs_done, warm_start=True)
    try:
        yield has_to
    finally:
        network.set_params(n_iter=n_iter, warm_start=warm_start)


def _has_fixed_course(schedule: Any) -> bool:
    """Return whether it is known not to depend on the passes asked for at first."""
    schedule = resolve_schedule(schedule)
    if isinstance(schedule, Cosine | OneCycle):
        return schedule.horizon is not None
    if isinstance(schedule, Custom):
        return isinstance(schedule.function, FunctionType)
    return type(schedule) in SCHEDULES.values()


@_called
def fit_prefix(X: Any, y: Any, fit: CVTask) -> tuple[Any, FitArguments, float] | None:
    """Fit the earlier steps of a pipeline; return it, its network's table, and seconds.

    None if that fails: then the tasks are carried out alone, and each tells of it.
    """
    start = time.perf_counter()
    try:
        table = fit.record_fit_call(X, y)
    except Exception:
        return None
    return fit.estimator, table, time.perf_counter() - start
