"""The fits of a search, as stacks: what stands in for scikit-learn's Parallel."""

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

from ._pipelines import Table, capture, fit_replaced, graft, network_of, prefix_of
from ._stacking import Ended, fit_networks, is_stackable, stack_size_of

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
_FEWEST = 4  # networks in a stack, if it is made smaller for the sake of n_jobs


class Fit(NamedTuple):
    """One task of scikit-learn's search: a candidate on a fold.

    Parameters
    ----------
    function : callable
        scikit-learn's ``_fit_and_score``.
    estimator : estimator
        With the candidate's parameters.
    options : dict
        The keyword arguments of the function.
    """

    function: Any
    estimator: Any
    options: dict[str, Any]

    @property
    def fold(self) -> int:
        """Number of the fold."""
        return self.options["split_progress"][0]

    @property
    def n_rows(self) -> int:
        """Rows to train on."""
        return len(self.options["train"])

    @property
    def is_stackable(self) -> bool:
        """Whether the network may be trained beside others."""
        network = network_of(self.estimator)
        has_callbacks = "_skl_callbacks" in vars(self.estimator)
        return network is not None and is_stackable(network) and not has_callbacks

    @property
    def kind(self) -> tuple[Any, ...]:
        """What fits have in common, as far as parameters tell, to make a stack."""
        network = network_of(self.estimator)
        alike = [repr(getattr(network, name)) for name in _ALIKE]
        return type(network), self.n_rows, *alike, network.scoring is None

    def run(self, X: Any, y: Any) -> dict[str, Any]:
        """Fit alone, and score."""
        return self.function(self.estimator, X, y, **self.options)

    def capture(self, X: Any, y: Any) -> Table:
        """Fit the earlier steps, and return what the network is to be fitted to."""
        quiet = {"scorer": _no_score, "error_score": "raise", "verbose": 0}
        quiet |= {"return_train_score": False, "parameters": None}
        if "callback_ctx" in self.options:
            quiet["callback_ctx"] = None
        fit = partial(self.function, self.estimator, X, y, **self.options | quiet)
        return capture(network_of(self.estimator), fit)

    def score(self, X: Any, y: Any, ended: Ended) -> dict[str, Any]:
        """Score what is fitted, or deal with the error as scikit-learn does."""

        def give_back(*args: Any, **params: Any) -> Any:
            if ended.error is not None:
                raise ended.error
            return self.estimator

        options = self.options | {"parameters": None, "verbose": 0}
        with fit_replaced(self.estimator, give_back):
            result = self.function(self.estimator, X, y, **options)
        result["fit_time"] = ended.seconds
        if self.options["verbose"] > 1:
            print(_describe(self.options, result))
        return result


def _no_score(estimator: Any, X: Any, y: Any = None, **params: Any) -> float:
    return 0.0


def _describe(options: dict[str, Any], result: dict[str, Any]) -> str:
    """Return the line that scikit-learn prints when a fit is done."""
    fold, n_folds = options["split_progress"]
    parameters = options["parameters"] or {}
    told = ", ".join(f"{name}={parameters[name]}" for name in sorted(parameters))
    seconds = result["fit_time"] + result["score_time"]
    line = f"[CV {fold + 1}/{n_folds}] END {told};"
    if options["verbose"] > 2:
        scores = result["test_scores"]
        scores = scores if isinstance(scores, dict) else {"score": scores}
        line += "".join(f", {name}={score:.3f}" for name, score in scores.items())
    return f"{line} total time={seconds:6.2f}s"


def run_alone(X: Any, y: Any, fit: Fit) -> list[dict[str, Any]]:
    """Return the result of one task, carried out as scikit-learn would."""
    return [fit.run(X, y)]


def run_stack(
    X: Any,
    y: Any,
    fits: Sequence[Fit],
    numbers: Sequence[int],
    rests: Sequence[tuple[Any, dict[str, Any]]],
    *inputs: Any,
) -> list[dict[str, Any]]:
    """Return the results of several tasks, whose networks are trained at once.

    Parameters
    ----------
    X, y : array-like
        All rows.
    fits : sequence of Fit
        The tasks.
    numbers : sequence of int
        Which table each network is to be fitted to.
    rests : sequence of tuple
        y and parameters of these tables; empty if they are to be cut out here.
    *inputs : array-like
        X of these tables, each an argument of its own, since then the backends of
        joblib see that it is large and hand it over once.
    """
    tables = {
        number: Table(some_X, *rest)
        for number, (some_X, rest) in enumerate(zip(inputs, rests, strict=True))
    }
    for fit, number in zip(fits, numbers, strict=True):
        if number not in tables:
            tables[number] = fit.capture(X, y)
    networks = [network_of(fit.estimator) for fit in fits]
    endings = fit_networks(networks, [tables[number] for number in numbers])
    return [fit.score(X, y, ended) for fit, ended in zip(fits, endings, strict=True)]


def fit_prefix(X: Any, y: Any, fit: Fit) -> tuple[Any, Table] | None:
    """Return a pipeline with its earlier steps fitted, and the table of its network.

    None if that fails: then the tasks are carried out alone, and each tells of it.
    """
    try:
        table = fit.capture(X, y)
    except Exception:
        return None
    return fit.estimator, table


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
    table : Table or None
        None if it is to be cut out of X where it is needed.
    """

    places: list[int]
    n_columns: int
    n_bytes: int
    table: Table | None = None


Call: TypeAlias = tuple[list[int], Any]  # places of tasks, and what carries them out


class StackedParallel:
    """Carries out the tasks of a search as stacks, and these in parallel.

    Parameters
    ----------
    max_bytes : int
        Of training rows, cut out or transformed, to be held at once.
    **options : dict
        For ``Parallel``.
    """

    def __init__(self, max_bytes: int, **options: Any) -> None:
        self._max_bytes = max_bytes
        self._n_jobs = effective_n_jobs(options.get("n_jobs"))
        self._parallel = Parallel(**options)

    def __enter__(self) -> Self:
        self._parallel.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._parallel.__exit__(*exception)

    def __call__(self, tasks: Iterable[tuple[Any, Any, Any]]) -> list[dict[str, Any]]:
        """Return the result of each task, in their order."""
        fits, data = [], (None, None)
        for wrapped, (estimator, *data), options in tasks:  # noqa: B007
            parameters = clone(options["parameters"], safe=False)
            estimator = estimator.set_params(**parameters)
            fits.append(Fit(wrapped.function, estimator, options))
        plan = _Plan(fits, *data, self._n_jobs, self._max_bytes)
        results: dict[int, dict[str, Any]] = {}
        for calls in plan.rounds(self._parallel):
            found = self._parallel(call for _, call in calls)
            for (places, _), some in zip(calls, found, strict=True):
                results.update(zip(places, some, strict=True))
        return [results[place] for place in range(len(fits))]


class _Plan:
    """Which tasks are carried out together, and when."""

    def __init__(
        self, fits: Sequence[Fit], X: Any, y: Any, n_jobs: int, max_bytes: int
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
            n_bytes = 8 * n_columns * self._fits[some[0]].n_rows
            rows.append(Rows(some, n_columns, n_bytes))
        return rows

    def _piped_rounds(
        self, places: Sequence[int], parallel: Parallel
    ) -> Iterator[list[Call]]:
        """Fit the earlier steps once, and bundle the networks that come after them.

        The first round is of one setting of these steps; how large their output is
        tells how many go into the next.
        """
        fits = self._fits
        groups = _by(places, lambda k: (prefix_of(fits[k].estimator), fits[k].fold))
        n_now = len({fold for (_, fold), _ in groups})
        while groups:
            now, groups = groups[:n_now], groups[n_now:]
            ahead = parallel(
                delayed(fit_prefix)(self._X, self._y, fits[some[0]]) for _, some in now
            )
            rows, calls = [], []
            for (_, some), fitted in zip(now, ahead, strict=True):
                if fitted is None:
                    calls += [self._alone(k) for k in some]
                    continue
                pipeline, table = fitted
                for k in some:
                    graft(fits[k].estimator, pipeline)
                rows.append(Rows(some, _shape(table.X)[1], _n_bytes(table.X), table))
            yield calls + self._calls(rows)
            largest = max((some.n_bytes for some in rows), default=1)
            n_now = max(self._n_jobs, self._max_bytes // largest)

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
                for stack in self._fitting([group[i] for i in part], rows):
                    calls.append(self._call(stack, rows))
        return calls

    def _fitting(
        self, stack: list[tuple[int, int]], rows: Sequence[Rows]
    ) -> Iterator[list[tuple[int, int]]]:
        """Cut a stack, in the order of its rows, so that these fit `max_bytes`."""
        n_tables = max(1, self._max_bytes // max(1, rows[stack[0][0]].n_bytes))
        numbers = sorted({number for number, _ in stack})
        for _, part in groupby(stack, lambda i: numbers.index(i[0]) // n_tables):
            yield list(part)

    def _call(self, stack: list[tuple[int, int]], rows: Sequence[Rows]) -> Call:
        places = [k for _, k in stack]
        numbers = sorted({number for number, _ in stack})
        tables = [rows[number].table for number in numbers]
        if tables[0] is None and len(places) == 1:
            return self._alone(places[0])
        renumbered = [numbers.index(number) for number, _ in stack]
        some = [self._fits[k] for k in places]
        inputs = [table.X for table in tables if table is not None]
        rests = [(table.y, table.params) for table in tables if table is not None]
        stacked = delayed(run_stack)
        return places, stacked(self._X, self._y, some, renumbered, rests, *inputs)

    def _alone(self, place: int) -> Call:
        return [place], delayed(run_alone)(self._X, self._y, self._fits[place])


def _by(items: Iterable[Any], key: Any) -> list[tuple[Any, list[Any]]]:
    """Return items of the same key, in the order in which these first occur."""
    groups: dict[Any, list[Any]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return list(groups.items())


def _shape(X: Any) -> tuple[int, int]:
    shape = X.shape if hasattr(X, "shape") else np.shape(X)
    return (*shape, 1)[:2]


def _n_bytes(X: Any) -> int:
    if issparse(X):
        return X.data.nbytes * 2
    n_rows, n_columns = _shape(X)
    return 8 * n_rows * n_columns
