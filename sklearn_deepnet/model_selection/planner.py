"""The tasks of a search, as stacks: what stands in for scikit-learn's Parallel."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple, Self, TypeAlias

import numpy as np
from joblib import effective_n_jobs
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils.parallel import Parallel, delayed

from ..estimators.pipelines import (
    FitArguments,
    hash_key,
    network_of,
    prefix_key,
    set_prefix,
)
from ..estimators.stacking import stack_size_of
from .checkpoint import SearchCheckpoint
from .tasks import CVTask, Result, WarmNetwork, call, fit_prefix, run_alone, run_stack

_FEWEST = 4  # networks in a stack, if it is made smaller for the sake of n_jobs


class Rows(NamedTuple):
    """What the networks of some tasks are fitted to: a fold, after the earlier steps.

    Parameters
    ----------
    places : list of int
        Those of the tasks.
    n_columns : int
        Features.
    n_bytes : int
        Of X.
    table : FitArguments or None
        None if it is to be cut out of X where it is needed.
    """

    places: list[int]
    n_columns: int
    n_bytes: int
    table: FitArguments | None = None


Call: TypeAlias = tuple[list[int], Any]  # places of tasks, and what carries them out


class StackedParallel:
    """Carries out the tasks of a search as stacks, and these in parallel.

    Parameters
    ----------
    max_bytes : int
        Of training rows, cut out or transformed, to be held at once.
    resource : str
        Parameter of passes that grows from call to call, while networks go on; or "".
    ledger : SearchCheckpoint or None
        Results that are known, and where to keep others.
    **options : dict
        For ``Parallel``.
    """

    def __init__(
        self,
        max_bytes: int,
        resource: str,
        ledger: SearchCheckpoint | None,
        **options: Any,
    ) -> None:
        self._max_bytes, self._resource, self._ledger = max_bytes, resource, ledger
        self._kept: dict[tuple[str, int], WarmNetwork] = {}
        self._options = options
        # a stack is a task, and joblib is not to bundle those that are soon done
        self._parallel = Parallel(**options, batch_size=1)

    def __enter__(self) -> Self:
        self._parallel.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._parallel.__exit__(*exception)

    def __call__(self, tasks: Iterable[tuple[Any, Any, Any]]) -> list[dict[str, Any]]:
        """Return the result of each task, in their order."""
        results: dict[int, dict[str, Any]] = {}
        fits, numbers, keys, data = [], [], [], [None, None]
        for number, (wrapped, (estimator, *data), options) in enumerate(tasks):  # noqa: B007
            parameters = clone(options["parameters"], safe=False)
            fit = CVTask(wrapped.function, estimator.set_params(**parameters), options)
            key = known = None
            if self._ledger is not None:
                key, known = self._ledger.look_up(fit)
            if known is None:
                fits.append(self._look_up(fit))
                numbers.append(number)
                keys.append(key)
            else:
                results[number] = known
        n_jobs = effective_n_jobs(self._options.get("n_jobs"))
        plan = _Plan(fits, *data, n_jobs, self._max_bytes)
        self._kept.clear()
        for places, some in self._carry_out(plan):
            if self._ledger is not None:
                done = [keys[place] for place in places]
                self._ledger.note(done, [result for result, _ in some])
            for place, (result, kept) in zip(places, some, strict=True):
                results[numbers[place]] = result
                if kept is not None:
                    self._kept[fits[place].key, fits[place].fold] = kept
        return [results[number] for number in sorted(results)]

    def _carry_out(self, plan: "_Plan") -> Iterator[tuple[list[int], list[Result]]]:
        """Yield places of tasks and what came of them."""
        for calls in plan.rounds(self._parallel):
            if self._ledger is not None:
                yield from self._as_they_come(calls)
                continue
            are_single = all(len(places) == 1 for places, _ in calls)
            parallel = Parallel(**self._options) if are_single else self._parallel
            found = parallel(call for _, call in calls)
            yield from zip([places for places, _ in calls], found, strict=True)

    def _as_they_come(
        self, calls: list[Call]
    ) -> Iterator[tuple[list[int], list[Result]]]:
        """Yield each result when it is there, where joblib's backend can."""
        options = {**self._options, "batch_size": 1}
        try:
            parallel = Parallel(**options, return_as="generator_unordered")
        except ValueError:  # "multiprocessing" hands on all in the end
            parallel = Parallel(**options)
        yield from parallel(
            delayed(partial(_with_places, wrapped.function, places))(*args, **params)
            for places, (wrapped, args, params) in calls
        )

    def _look_up(self, fit: CVTask) -> CVTask:
        """Return the task with what is known of its candidate from an earlier call."""
        if not self._resource:
            return fit
        parameters = fit.options["parameters"]
        key = hash_key({k: v for k, v in parameters.items() if k != self._resource})
        return fit._replace(key=key, before=self._kept.get((key, fit.fold)))


def _with_places(function: Any, places: list[int], *args: Any) -> Any:
    return places, function(*args)


class _Plan:
    """Which tasks are carried out together, and when."""

    def __init__(
        self, fits: list[CVTask], X: Any, y: Any, n_jobs: int, max_bytes: int
    ) -> None:
        self._fits, self._X, self._y = fits, X, y
        self._n_jobs, self._max_bytes = n_jobs, max_bytes

    def rounds(self, parallel: Parallel) -> Iterator[list[Call]]:
        """Return calls that may be made at the same time, round by round."""
        fits = self._fits
        stackable = [k for k, fit in enumerate(fits) if fit.is_stackable]
        if any(isinstance(fits[k].estimator, Pipeline) for k in stackable):
            yield from self._piped_rounds(stackable, parallel)
        elif stackable and not issparse(self._X):
            yield self._calls(self._cut_rows(stackable))
        else:
            stackable = []
        yield [self._alone(k) for k in sorted({*range(len(fits))} - {*stackable})]

    def _cut_rows(self, places: Sequence[int]) -> list[Rows]:
        """Return the folds, to be cut out of X by whoever carries out the tasks."""
        n_columns = _shape(self._X)[1]
        rows = []
        for _, some in _by(places, lambda k: self._fits[k].fold):
            n_bytes = _n_bytes(self._X, self._fits[some[0]].n_rows)
            rows.append(Rows(some, n_columns, n_bytes))
        return rows

    def _piped_rounds(
        self, places: Sequence[int], parallel: Parallel
    ) -> Iterator[list[Call]]:
        """Fit the earlier steps once, and bundle the networks that come after them.

        The first round is of one setting of these steps at most, and supposes that they
        make no more of X than it is; how large their output is tells how many of them
        go into the next.
        """
        fits = self._fits
        firsts = {fits[k].candidate: fits[k].estimator for k in reversed(places)}
        prefixes = {number: prefix_key(first) for number, first in firsts.items()}
        groups = _by(places, lambda k: (prefixes[fits[k].candidate], fits[k].fold))
        n_folds = len({fold for (_, fold), _ in groups})
        n_bytes = _n_bytes(self._X, fits[places[0]].n_rows)
        n_now = min(n_folds, max(self._n_jobs, self._count_tables(n_bytes)))
        while groups:
            now, groups = groups[:n_now], groups[n_now:]
            ahead = parallel(
                call(fit_prefix, self._X, self._y, fits[some[0]]) for _, some in now
            )
            rows, calls = [], []
            for (_, some), fitted in zip(now, ahead, strict=True):
                if fitted is None:
                    calls += [self._alone(k) for k in some]
                    continue
                pipeline, table, seconds = fitted
                for k in some:
                    set_prefix(fits[k].estimator, pipeline)
                    fits[k] = fits[k]._replace(seconds=seconds / len(some))
                n_bytes = _n_bytes(table.X, fits[some[0]].n_rows)
                rows.append(Rows(some, _shape(table.X)[1], n_bytes, table))
            yield calls + self._calls(rows)
            largest = max([1, *(some.n_bytes for some in rows)])
            n_now = max(self._n_jobs, self._count_tables(largest))

    def _count_tables(self, n_bytes: int) -> int:
        """Return how many tables may be there at once, each of `n_bytes`.

        A stack has copies of those that it is fitted to, one below the other.
        """
        return max(1, self._max_bytes // (2 * max(1, n_bytes)))

    def _calls(self, rows: Sequence[Rows]) -> list[Call]:
        """Return stacks: of one kind, no larger than pays, and enough for all jobs."""
        fits = self._fits
        numbered = [(number, k) for number, r in enumerate(rows) for k in r.places]
        calls = []
        for _, group in _by(
            numbered, lambda item: (rows[item[0]].n_columns, fits[item[1]].kind)
        ):
            number, place = group[0]
            network = network_of(fits[place].estimator)
            size = stack_size_of(network, rows[number].n_columns, fits[place].n_rows)
            n_stacks = -(-len(group) // size)
            for_all = -(-n_stacks // self._n_jobs) * self._n_jobs
            n_stacks = max(n_stacks, min(for_all, len(group) // _FEWEST))
            for part in np.array_split(np.arange(len(group)), n_stacks):
                for stack in self._within_memory([group[i] for i in part], rows):
                    calls.append(self._call(stack, rows))
        return calls

    def _within_memory(
        self, stack: list[tuple[int, int]], rows: Sequence[Rows]
    ) -> Iterator[list[tuple[int, int]]]:
        """Cut a stack, in the order of its rows, so that these fit `max_bytes`."""
        n_tables = self._count_tables(rows[stack[0][0]].n_bytes)
        numbers = sorted({number for number, _ in stack})
        for _, part in groupby(stack, lambda i: numbers.index(i[0]) // n_tables):
            yield list(part)

    def _call(self, stack: list[tuple[int, int]], rows: Sequence[Rows]) -> Call:
        places = [k for _, k in stack]
        numbers = sorted({number for number, _ in stack})
        tables = [rows[number].table for number in numbers]
        is_single = len(places) == 1 and not self._fits[places[0]].key
        if tables[0] is None and is_single:
            return self._alone(places[0])
        renumbered = [numbers.index(number) for number, _ in stack]
        some = [self._fits[k] for k in places]
        cut = [table for table in tables if table is not None]
        return places, call(run_stack, self._X, self._y, some, renumbered, cut)

    def _alone(self, place: int) -> Call:
        return [place], call(run_alone, self._X, self._y, self._fits[place])


def _by(items: Iterable[Any], key: Any) -> list[tuple[Any, list[Any]]]:
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
    """Return the size of so many rows like those of X, as numbers."""
    if issparse(X):
        return X.data.nbytes * 2 * n_rows // max(1, X.shape[0])
    return 8 * n_rows * _shape(X)[1]
