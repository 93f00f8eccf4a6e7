"""From many fits to few stacks.

What small networks cost is Python, not arithmetic: a step of several at once takes
little longer than a step of one. So fits pause where their networks are to be trained,
jobs of one kind are trained as stacks, and the fits go on. A stack gives to each
network the bits that it would have got alone.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import issparse
from sklearn.utils import indexable

from .._engine import TrainingResult, count_params, rows_per_block
from .._fitting.jobs import Steps, TrainingJob, go_on, train_jobs
from .._fitting.parameters import is_quasi_newton, resolve_hidden_layer_sizes
from .._fitting.prepare import rows_per_batch
from .._utils.sklearn_compat import check_method_params, has_callbacks, safe_indexing
from .base import BaseDeepNet
from .classifier import DeepNetClassifier
from .pipelines import (
    FitArguments,
    find_network,
    last_of,
    network_of,
    prefix_key,
    record_fit_call,
    set_prefix,
    try_deepcopy,
)
from .regressor import DeepNetRegressor

# Bytes of parameters and work arrays up to which a stack gains by another network:
# benchmarks/stacking.py. Beyond, it loses more to the cache than it saves in Python.
_WORKING_SET = 5 * 2**19


def size_of(job: TrainingJob) -> int:
    """Return how many like `job` to train at once."""
    datasets = job.dataset, job.held_out
    if any(dataset is not None and issparse(dataset.X) for dataset in datasets):
        return 1
    if not job.spec.is_ours:
        return 1
    itemsize = job.state.params.dtype.itemsize
    return stack_size(job.spec.layer_sizes, job.batch_size, itemsize)


def stack_size(layer_sizes: Sequence[int], n_rows: int, itemsize: int) -> int:
    """Return how many networks to train at once.

    Parameters
    ----------
    layer_sizes : sequence of int
        Inputs, units of each hidden layer, outputs.
    n_rows : int
        Rows in a step.
    itemsize : int
        Bytes of a number.
    """
    # ten arrays of the parameters: moments, gradient, scratch and so on; the inputs,
    # activations and their gradients, and the loss's scratch
    n_inputs, *hidden, n_outputs = layer_sizes
    n_units = n_inputs + 2 * sum(hidden) + 5 * n_outputs
    n_rows = min(n_rows, rows_per_block(layer_sizes))
    n_bytes = itemsize * (10 * count_params(layer_sizes) + n_rows * n_units)
    return max(1, _WORKING_SET // n_bytes)


def stack_size_of(network: BaseDeepNet, n_inputs: int, n_rows: int) -> int:
    """Return how many like `network` to train at once, as far as can be told before."""
    try:
        hidden = resolve_hidden_layer_sizes(network.hidden_layer_sizes)
        n_rows = rows_per_batch(network, n_rows)
    except (TypeError, ValueError, OverflowError):  # which its fit will tell of
        return 1
    itemsize = 4 if network.dtype == "float32" else 8
    return stack_size((n_inputs, *hidden, 1), n_rows, itemsize)


__all__ = ["fit_stack"]


class FitResult(NamedTuple):
    """How a fit ended."""

    error: Exception | None
    seconds: float


def fit_networks(
    estimators: Sequence[Any], tables: Sequence[FitArguments]
) -> list[FitResult]:
    """Fit each estimator to its table, many networks at once where that pays.

    Parameters
    ----------
    estimators : sequence of estimators
        Fitted, but for those whose fit raises an error; networks of those are left as
        they were. What is no network is fitted alone.
    tables : sequence of FitArguments
        One for each. Networks that are given the same object share its rows.

    Returns
    -------
    endings : list of FitResult
        One for each: the error that it raised, and the time that it took. The time of a
        stack is shared out by the passes that each network made.
    """
    fits = [StackMember(*pair) for pair in zip(estimators, tables, strict=True)]
    shared: dict[int, TrainingJob] = {}
    with ExitStack() as stack:
        for fit in fits:
            stack.callback(fit.close)
            fit.prepare(shared)
            if fit.job is not None and size_of(fit.job) == 1:
                _train([fit])  # at once, so that large ones are not all there together
        for group in _group([fit for fit in fits if fit.job is not None]):
            _train(group)
    return [FitResult(fit.error, fit.seconds) for fit in fits]


class StackMember:
    """One fit: prepared, trained with others, completed."""

    def __init__(self, estimator: Any, table: FitArguments) -> None:
        self._estimator, self._table = estimator, table
        self._steps: Steps | None = None
        self.job: TrainingJob | None = None
        self.error: Exception | None = None
        self.seconds = 0.0

    @contextmanager
    def _clocked(self) -> Iterator[None]:
        """Add the time to the fit's, and note the error if there is one."""
        start = time.perf_counter()
        try:
            yield
        except Exception as error:
            self.error = error
        finally:
            self.seconds += time.perf_counter() - start

    def prepare(self, shared: dict[int, TrainingJob]) -> None:
        """Go to where the network is to be trained; or fit what cannot be stacked.

        Jobs of one table share its arrays, as they were first validated.
        """
        X, y, params = self._table
        with self._clocked():
            if not is_stackable(self._estimator):
                self._estimator.fit(X, y, **params)
                return
            self._steps = self._estimator._fitting(X, y, **params)
            self.job = next(self._steps)
            _share(self.job, shared.setdefault(id(self._table), self.job))

    def complete(self, result: TrainingResult) -> None:
        """Keep what came out of training."""
        self.job = None
        with self._clocked():
            go_on(self._steps, result)

    def fail(self, error: Exception) -> None:
        """Undo all, as the network's own fit does when its training raises `error`."""
        self.job = None
        with self._clocked():
            self._steps.throw(error)

    def close(self) -> None:
        """Undo what is not complete."""
        if self._steps is not None:
            self._steps.close()


def _share(job: TrainingJob, first: TrainingJob) -> None:
    """Let `job`, in place, hold the arrays that `first` made of the same table.

    Fits that pause would else hold one copy each of all that had to be converted.
    """
    if type(first.dataset.targets) is not type(job.dataset.targets):
        return
    if job.held_out is not None:
        is_split = job.held_out.target is job.dataset.target  # X_val may be X itself
        job.held_out.share(first.dataset if is_split else first.held_out)
    job.dataset.share(first.dataset)


def is_stackable(estimator: Any) -> bool:
    """Return whether this is a network that may be trained beside others.

    L-BFGS has steps of its own, and reports and callbacks are told of one fit.
    """
    fit = getattr(type(estimator), "fit", None)
    return (
        fit in (DeepNetClassifier.fit, DeepNetRegressor.fit)
        and "fit" not in vars(estimator)
        and not is_quasi_newton(estimator.solver)
        and not estimator.verbose
        and not has_callbacks(estimator)
    )


def _group(fits: Sequence[StackMember]) -> Iterator[list[StackMember]]:
    """Return stacks: of one kind, and no larger than pays."""
    groups: dict[tuple[Any, ...], list[StackMember]] = {}
    for fit in fits:
        groups.setdefault(fit.job.kind, []).append(fit)
    for group in groups.values():
        n_stacks = -(-len(group) // size_of(group[0].job))
        for members in np.array_split(np.arange(len(group)), n_stacks):
            yield [group[k] for k in members]


def _train(fits: Sequence[StackMember]) -> None:
    """Train a stack; or each alone, if one of the users' functions raises an error."""
    jobs = [fit.job for fit in fits]
    generators = [rng for job in jobs for rng in job.state.generators]
    drawn = [rng.get_state(legacy=False) for rng in generators]
    failed = None
    start = time.perf_counter()
    try:
        results = train_jobs(jobs)
    except Exception as error:
        failed = error
    seconds = time.perf_counter() - start
    if failed is None:
        _complete(fits, results, seconds)
    elif len(fits) == 1:
        fits[0].seconds += seconds
        fits[0].fail(failed)
    else:
        for rng, state in zip(generators, drawn, strict=True):
            rng.set_state(state)  # a stack copies all else that training uses up
        for fit in fits:
            _train([fit])


def _complete(
    fits: Sequence[StackMember], results: list[TrainingResult], seconds: float
) -> None:
    """Go on with the fits, all of them even if an interrupt ended the training."""
    n_epochs = [len(result.losses) + 1 for result in results]
    interrupts = []
    for fit, result, n in zip(fits, results, n_epochs, strict=True):
        fit.seconds += seconds * n / sum(n_epochs)
        try:
            fit.complete(result)
        except KeyboardInterrupt as interrupt:
            interrupts.append(interrupt)
    if interrupts:
        raise interrupts[0]


def fit_stack(
    estimators: Sequence[Any],
    X: ArrayLike,
    y: ArrayLike,
    *,
    rows: Sequence[ArrayLike] | None = None,
    **fit_params: Any,
) -> list[Any]:
    """Fit many networks at once, each to the bits that its own ``fit`` would give it.

    Networks of the same layers, solver, loss, batches and number of rows are trained as
    one stack. They may differ in how they are initialized, in seed, learning rate,
    schedule, penalties, dropout, tolerance and patience, weights, and in their rows.
    Whatever cannot be stacked is fitted alone: solver "lbfgs", sparse X, estimators
    with callbacks or ``verbose``, subclasses with a ``fit`` of their own, and losses,
    activations and optimizers that are not of this library.

    Parameters
    ----------
    estimators : sequence of estimators
        `DeepNetClassifier`, `DeepNetRegressor`, or pipelines that end in one. Fitted in
        place, no two the same object. Earlier steps that are equal are fitted once,
        and each pipeline gets a copy of them.
    X : array-like of shape (n_samples, n_features)
        Data.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Targets.
    rows : sequence of array-like of int or bool, default=None
        The rows of X and y that each estimator is fitted to, one entry for each
        estimator; None fits all of them to all rows.
    **fit_params : dict
        For the ``fit`` of each estimator, such as `sample_weight`. Arrays as long as X
        are cut like X, but not validation data, whose names end in ``_val``.

    Returns
    -------
    estimators : list of estimators
        The same, fitted.

    Raises
    ------
    ValueError
        If `rows` has not one entry for each estimator, or the ``fit`` of one raises it.
        All networks are then as they were before, and so are the steps before them, but
        for pipelines that have a ``fit`` or callbacks of their own.
    TypeError
        If one of them is no network.
    KeyboardInterrupt
        If interrupted. Networks in training are kept, with the weights of their last
        complete pass.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_deepnet import DeepNetClassifier, fit_stack
    >>> X, y = load_iris(return_X_y=True)
    >>> settings = {"learning_rate": 0.01, "n_iter": 100, "tol": None}
    >>> inits = ("he", "xavier")
    >>> nets = [DeepNetClassifier(init=i, random_state=0, **settings) for i in inits]
    >>> [net.score(X, y) > 0.9 for net in fit_stack(nets, X, y)]
    [True, True]
    """
    estimators = list(estimators)
    networks = [
        find_network(estimator, f"estimators[{k}]")
        for k, estimator in enumerate(estimators)
    ]
    if len({*map(id, networks)}) < len(networks):
        raise ValueError(
            "estimators holds the same object twice; give each its own, such as by "
            "sklearn.base.clone."
        )
    if rows is not None and len(rows) != len(estimators):
        raise ValueError(
            f"rows has {len(rows)} entries for {len(estimators)} estimators; give one "
            "for each, or None."
        )
    before = [vars(network).copy() for network in networks]
    ahead: list[Any] = []
    try:
        tables, ahead = _fit_ahead(estimators, X, y, rows, fit_params)
        for ending in fit_networks([*map(last_of, estimators)], tables):
            if ending.error is not None:
                raise ending.error
    except Exception:
        for network, attributes in zip(networks, before, strict=True):
            vars(network).clear()
            vars(network).update(attributes)
        raise
    finally:  # also for those that were trained before an interrupt
        for k, fitted in enumerate(ahead):
            if vars(networks[k]).get("_params") is not before[k].get("_params"):
                set_prefix(
                    estimators[k], try_deepcopy(fitted)
                )  # so that each has its own
    return estimators


def _fit_ahead(
    estimators: Sequence[Any],
    X: Any,
    y: Any,
    rows: Sequence[ArrayLike] | None,
    fit_params: dict[str, Any],
) -> tuple[list[FitArguments], list[Any]]:
    """Return what the last step of each is to be fitted to, and the steps before it.

    They are fitted once for what is the same, and in a copy.
    """
    X, y = indexable(X, y)
    cuts: dict[bytes, FitArguments] = {}
    found: dict[tuple[bytes, str], tuple[FitArguments, Any]] = {}
    pairs = []
    for k, estimator in enumerate(estimators):
        taken = None if rows is None else np.asarray(rows[k])
        cut = b"" if taken is None else taken.dtype.char.encode() + taken.tobytes()
        if cut not in cuts:
            cuts[cut] = _cut(X, y, fit_params, taken)
        if last_of(estimator) is estimator:
            pairs.append((cuts[cut], None))
            continue
        key = cut, prefix_key(estimator)
        if key not in found:
            some_X, some_y, params = cuts[cut]
            fitted = try_deepcopy(estimator)
            fit = partial(fitted.fit, some_X, some_y, **params)
            found[key] = record_fit_call(network_of(fitted), fit), fitted
        pairs.append(found[key])
    tables, ahead = zip(*pairs, strict=True) if pairs else ((), ())
    return list(tables), list(ahead)


def _cut(X: Any, y: Any, params: dict[str, Any], rows: Any) -> FitArguments:
    if rows is None:
        return FitArguments(X, y, params)
    cut = {name: it for name, it in params.items() if not name.endswith("_val")}
    cut = check_method_params(X, params=cut, indices=rows)
    return FitArguments(safe_indexing(X, rows), safe_indexing(y, rows), params | cut)
