"""Many fits as few stacks.

A step of a small network costs mostly Python, not arithmetic, so a step of several
networks at once takes little longer than a step of one. All fits are prepared first,
then jobs with the same `stack_key` are trained together, then all fits are completed.
Each network of a stack is bit-for-bit identical to training it alone.
"""

import inspect
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import indexable

from .._engine import TrainingResult
from .._fitting.jobs import TrainingJob, size_of, train_jobs
from .._fitting.parameters import is_quasi_newton
from .._fitting.prepare import PreparedFit, prepare
from .._utils.sklearn_compat import check_method_params, has_callbacks, safe_indexing
from .base import BaseDeepNet
from .pipelines import (
    FitArguments,
    find_network,
    last_of,
    prefix_key,
    record_fit_call,
    set_prefix,
    try_deepcopy,
)

# What ``fit`` of a network in a stack takes; checkpoints are files of one fit.
_FIT_PARAMS = inspect.signature(BaseDeepNet.fit).parameters.keys() - {"checkpoint"}


class FitResult(NamedTuple):
    """How a fit ended."""

    error: Exception | None
    seconds: float


def fit_networks(
    estimators: Sequence[Any], arguments: Sequence[FitArguments]
) -> list[FitResult]:
    """Fit each estimator to its data, many networks at once where that pays.

    Parameters
    ----------
    estimators : sequence of estimators
        Fitted, but for those whose fit raises an error; these are left as they were.
        What is no network is fitted alone.
    arguments : sequence of FitArguments
        One for each. Networks that are given the same object share its arrays.

    Returns
    -------
    results : list of FitResult
        One for each: the error that it raised, and the time that it took. The time of a
        stack is shared out by the epochs that each network made.
    """
    members = [StackMember(*pair) for pair in zip(estimators, arguments, strict=True)]
    try:
        _train_members(members)
    finally:  # an interrupt ends the others, and leaves those that are trained
        for member in members:
            member.commit()
    return [FitResult(member.error, member.seconds) for member in members]


def _train_members(members: "Sequence[StackMember]") -> None:
    """Do all of `fit_networks` but to set attributes on networks that are stacked."""
    shared: dict[int, TrainingJob] = {}
    for member in members:
        member.prepare(shared)
        if member.job is not None and size_of(member.job) == 1:
            _train([member])  # at once: many large ones would not fit into memory
    for group in _group([member for member in members if member.job is not None]):
        _train(group)


class StackMember:
    """One fit beside others: prepared, trained as part of a stack, committed.

    Parameters
    ----------
    estimator : estimator
        A network, or what ends in one and is fitted alone.
    arguments : FitArguments
        What it is fitted to.
    """

    def __init__(self, estimator: Any, arguments: FitArguments) -> None:
        self._estimator, self._arguments = estimator, arguments
        self._prepared: PreparedFit | None = None
        self.is_trained = False
        self.job: TrainingJob | None = None
        self.error: Exception | None = None
        self.seconds = 0.0

    @contextmanager
    def _clocked(self) -> Iterator[None]:
        """Add the time to the fit's, and record the error if there is one."""
        start = time.perf_counter()
        try:
            yield
        except Exception as error:
            self.error = error
        finally:
            self.seconds += time.perf_counter() - start

    def prepare(self, shared: dict[int, TrainingJob]) -> None:
        """Prepare the training job; or fit what cannot be stacked, in place.

        Jobs of one `FitArguments` share its arrays, as they were first validated.
        """
        X, y, params = self._arguments
        with self._clocked():
            if not is_stackable(self._estimator):
                self._fit_alone(X, y, params)
                return
            self._prepared = prepare(self._estimator, X, y, **_check_arguments(params))
            self.job = self._prepared.job
            _share(self.job, shared.setdefault(id(self._arguments), self.job))

    def _fit_alone(self, X: Any, y: Any, params: dict[str, Any]) -> None:
        try:
            self._estimator.fit(X, y, **params)
        except KeyboardInterrupt:
            self.is_trained = True  # up to here
            raise
        self.is_trained = True

    def finish(self, result: TrainingResult) -> None:
        """Take what became of the training, and do all that can fail."""
        self.job = None
        with self._clocked():
            self._prepared.finish(result)
            self.is_trained = True

    def commit(self) -> None:
        """Set the fitted attributes on the network, if it was trained in a stack."""
        if self.is_trained and self._prepared is not None:
            self._prepared.commit()


def _check_arguments(params: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of ``fit``, or raise the error that ``fit`` would raise."""
    for name in params.keys() - _FIT_PARAMS:
        raise TypeError(f"fit() got an unexpected keyword argument {name!r}")
    return params


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

    L-BFGS has a loop of its own; printed progress and callbacks are of one fit.
    """
    return (
        getattr(type(estimator), "fit", None) is BaseDeepNet.fit
        and "fit" not in vars(estimator)
        and not is_quasi_newton(estimator.solver)
        and not estimator.verbose
        and not has_callbacks(estimator)
    )


def _group(members: Sequence[StackMember]) -> Iterator[list[StackMember]]:
    """Yield stacks: members of one stack key, and no more than pays."""
    groups: dict[tuple[Any, ...], list[StackMember]] = {}
    for member in members:
        groups.setdefault(member.job.stack_key, []).append(member)
    for group in groups.values():
        n_stacks = -(-len(group) // size_of(group[0].job))
        for places in np.array_split(np.arange(len(group)), n_stacks):
            yield [group[k] for k in places]


def _train(members: Sequence[StackMember]) -> None:
    """Train a stack; or each alone, if one of the users' functions raises an error."""
    jobs = [member.job for member in members]
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
        n_epochs = [len(result.losses) + 1 for result in results]
        for member, result, n in zip(members, results, n_epochs, strict=True):
            member.seconds += seconds * n / sum(n_epochs)
            member.finish(result)
        for result in results:
            if result.interrupt is not None:
                raise result.interrupt
    elif len(members) == 1:
        (member,) = members
        member.seconds += seconds
        member.job, member.error = None, failed
    else:
        for rng, state in zip(generators, drawn, strict=True):
            rng.set_state(state)  # a stack copies all else that training uses up
        for member in members:
            _train([member])


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
        complete epoch.

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
    arguments, prefixes = _fit_prefixes(estimators, X, y, rows, fit_params)
    members = [*map(StackMember, map(last_of, estimators), arguments)]
    try:
        _train_members(members)
        for member in members:
            if member.error is not None:
                raise member.error
    except Exception:  # what was fitted in place, since it cannot be stacked
        for network, attributes in zip(networks, before, strict=True):
            network.__dict__ = attributes
        raise
    except KeyboardInterrupt:
        _commit(members, estimators, prefixes)
        raise
    _commit(members, estimators, prefixes)
    return estimators


def _commit(
    members: Sequence[StackMember], estimators: Sequence[Any], prefixes: Sequence[Any]
) -> None:
    """Set what was fitted on the networks, and on the pipelines that they end."""
    for member, estimator, prefix in zip(members, estimators, prefixes, strict=True):
        member.commit()
        if member.is_trained:  # a copy, so that no two pipelines share their steps
            set_prefix(estimator, try_deepcopy(prefix))


def _fit_prefixes(
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
        own = None if rows is None else np.asarray(rows[k])
        cut = b"" if own is None else own.dtype.char.encode() + own.tobytes()
        if cut not in cuts:
            cuts[cut] = _cut(X, y, fit_params, own)
        if last_of(estimator) is estimator:
            pairs.append((cuts[cut], None))
            continue
        key = cut, prefix_key(estimator)
        if key not in found:
            some_X, some_y, params = cuts[cut]
            fitted = try_deepcopy(estimator)
            fit = partial(fitted.fit, some_X, some_y, **params)
            found[key] = record_fit_call(find_network(fitted), fit), fitted
        pairs.append(found[key])
    arguments, prefixes = zip(*pairs, strict=True) if pairs else ((), ())
    return list(arguments), list(prefixes)


def _cut(X: Any, y: Any, params: dict[str, Any], rows: Any) -> FitArguments:
    if rows is None:
        return FitArguments(X, y, params)
    cut = {name: it for name, it in params.items() if not name.endswith("_val")}
    cut = check_method_params(X, params=cut, indices=rows)
    return FitArguments(safe_indexing(X, rows), safe_indexing(y, rows), params | cut)
