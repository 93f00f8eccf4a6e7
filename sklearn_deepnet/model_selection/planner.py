"""Plans the tasks of a search as stacks, in the place of scikit-learn's Parallel."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple, Self, TypeAlias

import numpy as np
from joblib import effective_n_jobs
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils.parallel import Parallel, delayed

from .._fitting.jobs import estimate_max_stack_size
from ..estimators.pipelines import (
    FitArguments,
    find_network,
    hash_key,
    prefix_key,
    set_prefix,
)
from .checkpoint import SearchCheckpoint
from .tasks import (
    CVTask,
    Result,
    WarmNetwork,
    delayed_with_arrays,
    fit_prefix,
    run_alone,
    run_stack,
)

# Networks in a stack that is made smaller than pays, so that each of n_jobs has one.
_MIN_STACK_SIZE = 4


class TrainingData(NamedTuple):
    """What the networks of some tasks are fitted to: a fold, after the earlier steps.

    Parameters
    ----------
    tasks : list of int
        Indices of the tasks.
    n_features : int
        Columns of X.
    n_bytes : int
        Size of X.
    arguments : FitArguments or None
        None if the fold is to be cut out of X by the process that trains the networks.
    """

    tasks: list[int]
    n_features: int
    n_bytes: int
    arguments: FitArguments | None = None


Call: TypeAlias = tuple[list[int], Any]  # indices of tasks, and a delayed call for them


class StackedParallel:
    """Runs the tasks of a search as stacks, and several stacks in parallel.

    Parameters
    ----------
    max_bytes : int
        Limit of the training rows, cut out or transformed, that are held at once.
    resource : str
        How the search calls the parameter `n_iter`, if it raises it from round to round
        and networks are to be continued; else "".
    checkpoint : SearchCheckpoint or None
        Results that are known, and where to save the others.
    **options : dict
        For `Parallel`.
    """

    def __init__(
        self,
        max_bytes: int,
        resource: str,
        checkpoint: SearchCheckpoint | None,
        **options: Any,
    ) -> None:
        self._max_bytes, self._resource = max_bytes, resource
        self._checkpoint, self._options = checkpoint, options
        self._warm_networks: dict[tuple[str, int], WarmNetwork] = {}
        # joblib bundles calls that are quick. A call is a whole stack here: bundled,
        # two stacks would run one after the other in one process.
        self._parallel = Parallel(**options, batch_size=1)

    def __enter__(self) -> Self:
        self._parallel.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._parallel.__exit__(*exception)

    def __call__(self, calls: Iterable[tuple[Any, Any, Any]]) -> list[dict[str, Any]]:
        """Return the result of each call of ``_fit_and_score``, in their order."""
        tasks: list[CVTask] = []
        data: Sequence[Any] = (None, None)
        for wrapped, (estimator, *data), options in calls:  # noqa: B007
            # Candidates may hold estimators, such as steps; `_fit_and_score` clones
            # them, too, so that folds do not share what they learn.
            parameters = clone(options["parameters"], safe=False)
            estimator.set_params(**parameters)
            tasks.append(CVTask(wrapped.function, estimator, options))
        known: list[Any] = [(None, None)] * len(tasks)  # keys and results
        if self._checkpoint is not None:
            known = [self._checkpoint.look_up(task) for task in tasks]
        results = [result for _, result in known]
        unknown = [k for k, result in enumerate(results) if result is None]
        for k in unknown:
            tasks[k] = self._with_warm_network(tasks[k])
        n_jobs = effective_n_jobs(self._options.get("n_jobs"))
        plan = _Plan(tasks, unknown, *data, n_jobs, self._max_bytes)
        self._warm_networks.clear()  # the tasks hold those that they continue
        for some, found in self._run(plan):
            if self._checkpoint is not None:
                done = [result for result, _ in found]
                self._checkpoint.note([known[k][0] for k in some], done)
            for k, (result, warm_network) in zip(some, found, strict=True):
                results[k] = result
                if warm_network is not None:
                    self._warm_networks[tasks[k].key, tasks[k].fold] = warm_network
        return results

    def _with_warm_network(self, task: CVTask) -> CVTask:
        """Return the task with the network that its candidate had a round before."""
        if not self._resource:
            return task
        parameters = task.options["parameters"]
        key = hash_key({k: v for k, v in parameters.items() if k != self._resource})
        warm_network = self._warm_networks.get((key, task.fold))
        return task._replace(key=key, warm_network=warm_network)

    def _run(self, plan: "_Plan") -> Iterator[tuple[list[int], list[Result]]]:
        """Yield indices of tasks and their results."""
        for calls in plan.waves(self._parallel):
            if self._checkpoint is not None:
                yield from self._run_unordered(calls)
                continue
            # Single tasks are as they would be without us, and may be bundled.
            are_single = all(len(some) == 1 for some, _ in calls)
            parallel = Parallel(**self._options) if are_single else self._parallel
            found = parallel(call for _, call in calls)
            yield from zip([some for some, _ in calls], found, strict=True)

    def _run_unordered(
        self, calls: list[Call]
    ) -> Iterator[tuple[list[int], list[Result]]]:
        """Yield each result as soon as it is there, so that it is saved at once."""
        options = {**self._options, "batch_size": 1}
        try:
            parallel = Parallel(**options, return_as="generator_unordered")
        except ValueError:  # the backend "multiprocessing" returns all at the end
            parallel = Parallel(**options)
        yield from parallel(
            delayed(partial(_with_indices, wrapped.function, some))(*args, **params)
            for some, (wrapped, args, params) in calls
        )


def _with_indices(function: Any, some: list[int], *args: Any) -> Any:
    return some, function(*args)


@dataclass
class _Plan:
    """Which tasks are run together, and when.

    Parameters
    ----------
    tasks : list of CVTask
        All tasks. Those of pipelines are given their fitted steps, in place.
    to_run : list of int
        Indices of those to be run.
    X, y : array-like
        All rows.
    n_jobs : int
        Number of workers.
    max_bytes : int
        As of `StackedParallel`.
    """

    tasks: list[CVTask]
    to_run: list[int]
    X: Any
    y: Any
    n_jobs: int
    max_bytes: int

    def waves(self, parallel: Parallel) -> Iterator[list[Call]]:
        """Yield lists of calls, each to be run before the next is asked for."""
        stackable = [k for k in self.to_run if self.tasks[k].is_stackable]
        if any(isinstance(self.tasks[k].estimator, Pipeline) for k in stackable):
            yield from self._pipeline_waves(stackable, parallel)
        elif stackable and not issparse(self.X):
            yield self._stacks(self._folds(stackable))
        else:
            stackable = []
        yield [self._alone(k) for k in sorted({*self.to_run} - {*stackable})]

    def _folds(self, indices: Sequence[int]) -> list[TrainingData]:
        """Return the folds of tasks without earlier steps, not yet cut out of X."""
        n_features = _shape(self.X)[1]
        folds = []
        for _, some in _group_by(indices, lambda k: self.tasks[k].fold):
            n_bytes = _n_bytes(self.X, self.tasks[some[0]].n_rows)
            folds.append(TrainingData(some, n_features, n_bytes))
        return folds

    def _pipeline_waves(
        self, indices: Sequence[int], parallel: Parallel
    ) -> Iterator[list[Call]]:
        """Fit equal earlier steps once per fold, and stack the networks behind them.

        How large the output of the steps is, is known after they are fitted. So the
        first wave has one setting of the steps at most and assumes that they keep the
        size of X; the largest output so far limits the next wave.
        """
        tasks = self.tasks
        firsts = {tasks[k].candidate: tasks[k].estimator for k in reversed(indices)}
        prefixes = {number: prefix_key(first) for number, first in firsts.items()}
        groups = _group_by(
            indices, lambda k: (prefixes[tasks[k].candidate], tasks[k].fold)
        )
        n_folds = len({fold for (_, fold), _ in groups})
        n_bytes = _n_bytes(self.X, tasks[indices[0]].n_rows)
        n_groups = min(n_folds, max(self.n_jobs, self._n_in_memory(n_bytes)))
        while groups:
            wave, groups = groups[:n_groups], groups[n_groups:]
            fitted = parallel(
                delayed_with_arrays(fit_prefix, self.X, self.y, tasks[some[0]])
                for _, some in wave
            )
            outputs, calls = [], []
            for (_, some), prefix in zip(wave, fitted, strict=True):
                if prefix is None:
                    calls += [self._alone(k) for k in some]
                else:
                    outputs.append(self._set_prefix(some, *prefix))
            yield calls + self._stacks(outputs)
            largest = max([1, *(data.n_bytes for data in outputs)])
            n_groups = max(self.n_jobs, self._n_in_memory(largest))

    def _set_prefix(
        self, indices: list[int], pipeline: Pipeline, arguments: Any, seconds: float
    ) -> TrainingData:
        """Give tasks the fitted steps that they share; return the steps' output."""
        tasks = self.tasks
        for k in indices:
            set_prefix(tasks[k].estimator, pipeline)
            tasks[k] = tasks[k]._replace(prefix_seconds=seconds / len(indices))
        n_bytes = _n_bytes(arguments.X, tasks[indices[0]].n_rows)
        return TrainingData(indices, _shape(arguments.X)[1], n_bytes, arguments)

    def _n_in_memory(self, n_bytes: int) -> int:
        """Return how many folds of `n_bytes` may be held at once.

        Each counts twice, since a stack copies its folds into one array.
        """
        return max(1, self.max_bytes // (2 * max(1, n_bytes)))

    def _stacks(self, data: Sequence[TrainingData]) -> list[Call]:
        """Return stacks of equal stack keys, no larger than pays, enough for n_jobs."""
        tasks = self.tasks
        pairs = [(number, k) for number, some in enumerate(data) for k in some.tasks]
        calls = []
        for _, group in _group_by(
            pairs, lambda pair: (data[pair[0]].n_features, tasks[pair[1]].stack_key)
        ):
            number, k = group[0]
            network = find_network(tasks[k].estimator)
            size = estimate_max_stack_size(
                network, data[number].n_features, tasks[k].n_rows
            )
            n_stacks = -(-len(group) // size)
            # A multiple of n_jobs, so that no worker is idle while the last ones train.
            for_all_jobs = -(-n_stacks // self.n_jobs) * self.n_jobs
            n_stacks = max(n_stacks, min(for_all_jobs, len(group) // _MIN_STACK_SIZE))
            for part in np.array_split(np.arange(len(group)), n_stacks):
                for stack in self._split_by_memory([group[i] for i in part], data):
                    calls.append(self._stack(stack, data))
        return calls

    def _split_by_memory(
        self, stack: list[tuple[int, int]], data: Sequence[TrainingData]
    ) -> Iterator[list[tuple[int, int]]]:
        """Yield parts of a stack, in the order of its folds, that fit `max_bytes`."""
        n_in_memory = self._n_in_memory(data[stack[0][0]].n_bytes)
        numbers = sorted({number for number, _ in stack})
        for _, part in groupby(stack, lambda i: numbers.index(i[0]) // n_in_memory):
            yield list(part)

    def _stack(
        self, stack: list[tuple[int, int]], data: Sequence[TrainingData]
    ) -> Call:
        indices = [k for _, k in stack]
        tasks = [self.tasks[k] for k in indices]
        numbers = sorted({number for number, _ in stack})
        arguments = [data[number].arguments for number in numbers]
        is_single = len(tasks) == 1 and not tasks[0].key
        if arguments[0] is None and is_single:
            return self._alone(indices[0])
        places = [numbers.index(number) for number, _ in stack]
        known = [it for it in arguments if it is not None]
        call = delayed_with_arrays(run_stack, self.X, self.y, tasks, places, known)
        return indices, call

    def _alone(self, k: int) -> Call:
        call = delayed_with_arrays(run_alone, self.X, self.y, self.tasks[k])
        return [k], call


def _group_by(items: Iterable[Any], key: Any) -> list[tuple[Any, list[Any]]]:
    """Return items of the same key, in the order in which these first occur."""
    groups: dict[Any, list[Any]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return list(groups.items())


def _shape(X: Any) -> tuple[int, int]:
    try:
        return (*np.shape(X), 1)[:2]
    except ValueError:  # rows of several lengths, which a step will turn into columns
        return len(X), 1


def _n_bytes(X: Any, n_rows: int) -> int:
    """Return the size of `n_rows` rows like those of X, as float64."""
    if issparse(X):
        return X.data.nbytes * 2 * n_rows // max(1, X.shape[0])
    return 8 * n_rows * _shape(X)[1]
