"""Many fits, trained in stacks.

A step of a small network spends most of its time in Python, not in arithmetic. So a
step of a stack, which is several networks of one architecture, takes little longer than
a step of one network. First all fits are prepared, then jobs with the same `stack_key`
are trained together, then all fits are completed. Each network of a stack is
bit-for-bit identical to training it alone.
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
from .._fitting.jobs import TrainingJob, max_stack_size_of_job, train_jobs
from .._fitting.parameters import is_quasi_newton
from .._fitting.prepare import PreparedFit, SkippedFit, prepare
from .._utils.sklearn_compat import check_method_params, has_callbacks, safe_indexing
from .._utils.warnings import said_once
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

# A checkpoint is the file of one fit, so networks in a stack take no such argument.
_FIT_PARAMS = inspect.signature(BaseDeepNet.fit).parameters.keys() - {"checkpoint"}


class FitResult(NamedTuple):
    """The error that a fit raised, or None, and the time that it took."""

    error: Exception | None
    seconds: float


def fit_networks(
    estimators: Sequence[Any], arguments: Sequence[FitArguments]
) -> list[FitResult]:
    """Fit each estimator to its data, in stacks where that is faster.

    Parameters
    ----------
    estimators : sequence of estimators
        They are fitted in place. One whose fit raises an error is left unchanged. An
        estimator that is not a network is fitted alone.
    arguments : sequence of FitArguments
        One for each estimator. Networks with the same object share its arrays.

    Returns
    -------
    results : list of FitResult
        One for each estimator. The time of a stack is divided among its networks in
        proportion to their numbers of epochs.
    """
    members = [StackMember(*pair) for pair in zip(estimators, arguments, strict=True)]
    try:
        _train_members(members)
    finally:  # after an interrupt, too, networks that were trained stay fitted
        for member in members:
            member.commit()
    return [FitResult(member.error, member.seconds) for member in members]


def _train_members(members: "Sequence[StackMember]") -> None:
    """Prepare and train all members; `commit` is left to the caller."""
    shared: dict[int, TrainingJob] = {}
    for member in members:
        member.prepare(shared)
        if member.job is not None and max_stack_size_of_job(member.job) == 1:
            # Trained before the next is prepared, so that large networks are in memory
            # one at a time.
            _train([member])
    for group in _group([member for member in members if member.job is not None]):
        _train(group)


class StackMember:
    """One fit of many: prepared, trained in a stack or alone, and committed.

    Parameters
    ----------
    estimator : estimator
        A network, or an estimator that cannot be stacked and is fitted alone.
    arguments : FitArguments
        The arguments of its ``fit``.
    """

    def __init__(self, estimator: Any, arguments: FitArguments) -> None:
        self._estimator, self._arguments = estimator, arguments
        self._prepared: PreparedFit | SkippedFit | None = None
        self.is_trained = False
        self.job: TrainingJob | None = None
        self.error: Exception | None = None
        self.seconds = 0.0

    @contextmanager
    def _clocked(self) -> Iterator[None]:
        """Add the elapsed time to `seconds`, and store an exception in `error`."""
        start = time.perf_counter()
        try:
            yield
        except Exception as error:
            self.error = error
        finally:
            self.seconds += time.perf_counter() - start

    def prepare(self, shared: dict[int, TrainingJob]) -> None:
        """Prepare the training job; an estimator that cannot be stacked is fitted.

        Jobs of one `FitArguments` share the arrays that the first of them made from it.
        """
        X, y, params = self._arguments
        with self._clocked():
            if not is_stackable(self._estimator):
                self._fit_alone(X, y, params)
                return
            self._prepared = prepare(self._estimator, X, y, **_check_arguments(params))
            self.job = self._prepared.job
            if self.job is None:
                self.is_trained = True
                return
            _share(self.job, shared.setdefault(id(self._arguments), self.job))

    def _fit_alone(self, X: Any, y: Any, params: dict[str, Any]) -> None:
        try:
            self._estimator.fit(X, y, **params)
        except KeyboardInterrupt:
            self.is_trained = True  # up to the interrupt
            raise
        self.is_trained = True

    def finish(self, result: TrainingResult) -> None:
        """Set the result on the copy of the network, and do all that can fail."""
        self.job = None
        with self._clocked():
            self._prepared.finish(result)
            self.is_trained = True

    def commit(self) -> None:
        """Set the fitted attributes on the network, unless its own ``fit`` did."""
        if self.is_trained and self._prepared is not None:
            self._prepared.commit()


def _check_arguments(params: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of ``fit``, or raise the error that ``fit`` would raise."""
    for name in params.keys() - _FIT_PARAMS:
        raise TypeError(f"fit() got an unexpected keyword argument {name!r}")
    return params


def _share(job: TrainingJob, first: TrainingJob) -> None:
    """Replace, in place, the arrays of `job` by equal ones of `first`.

    Validation may have converted X and y. Without sharing, every job that waits for its
    stack would keep a converted copy of its own in memory.
    """
    if type(first.dataset.targets) is not type(job.dataset.targets):
        return
    own = job.validation_set
    if own is not None:
        is_split = own.target is job.dataset.target  # X_val may be X itself
        own.share_arrays(first.dataset if is_split else first.validation_set)
    job.dataset.share_arrays(first.dataset)


def is_stackable(estimator: Any) -> bool:
    """Return whether `estimator` is a network that can be trained in a stack.

    L-BFGS has a training loop of its own. Printed progress and callbacks follow a
    single fit. A ``fit`` of a subclass's own has to be called.
    """
    return (
        getattr(type(estimator), "fit", None) is BaseDeepNet.fit
        and "fit" not in vars(estimator)
        and not is_quasi_newton(estimator.solver)
        and not estimator.verbose
        and not has_callbacks(estimator)
    )


def _group(members: Sequence[StackMember]) -> Iterator[list[StackMember]]:
    """Yield the members of each stack: equal in `stack_key`, and not too many."""
    groups: dict[tuple[Any, ...], list[StackMember]] = {}
    for member in members:
        groups.setdefault(member.job.stack_key, []).append(member)
    for group in groups.values():
        # A stack whose work arrays exceed the cache is slower than two halves of it.
        # Even parts leave no small stack, which would gain little.
        n_stacks = -(-len(group) // max_stack_size_of_job(group[0].job))
        for indices in np.array_split(np.arange(len(group)), n_stacks):
            yield [group[k] for k in indices]


def _train(members: Sequence[StackMember]) -> None:
    """Train a stack; if it raises an error, train each of its networks alone.

    Errors come from the users' functions, such as a scorer. Trained alone, the other
    networks are not affected.
    """
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
        # Plus one, so that the sum is positive.
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
            # Training advanced the jobs' own generators, but only copies of all else.
            rng.set_state(state)
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
    """Fit many networks at once, in less time than one by one.

    Each network is bit-for-bit identical to calling its own ``fit``. Networks with the
    same layer sizes, activations, loss, solver, mini-batch size, number of epochs and
    number of samples are trained as one stack. They may differ in initialization, seed,
    learning rate, schedule, penalties, dropout, `tol`, `n_iter_no_change`, sample and
    class weights, and in their rows. Networks that cannot be stacked are fitted alone:
    solver "lbfgs", sparse X of many columns for the values that it stores, estimators
    with callbacks or ``verbose``, subclasses with a ``fit`` of their own, and losses,
    activations and optimizers of your own that do not declare themselves element-wise.

    Parameters
    ----------
    estimators : sequence of estimators
        `DeepNetClassifier`, `DeepNetRegressor`, or pipelines that end in one, all of
        them different objects. They are fitted in place. Earlier steps of pipelines
        that are equal are fitted once, and each pipeline gets a copy of them.
    X : array-like of shape (n_samples, n_features)
        Training data.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        True labels or targets.
    rows : sequence of array-like of int or bool, default=None
        Indices or masks of the rows of X and y to fit each estimator to, one entry for
        each estimator. None fits all estimators to all rows.
    **fit_params : dict
        Arguments for the ``fit`` of each estimator, such as `sample_weight`. `rows` is
        applied to arrays as long as X, too, except for validation data, whose names end
        in ``_val``.

    Returns
    -------
    estimators : list of estimators
        The same estimators, fitted.

    Raises
    ------
    ValueError
        If `rows` does not have one entry for each estimator, or if the ``fit`` of one
        estimator raises it. All networks are then unchanged, and so are the steps
        before them, except for pipelines with a ``fit`` or callbacks of their own.
    TypeError
        If an estimator is not a network or a pipeline that ends in one.
    KeyboardInterrupt
        If training is interrupted. Networks in training then have the weights of their
        last complete epoch.

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
        with said_once():
            _train_members(members)
        for member in members:
            if member.error is not None:
                raise member.error
    except Exception:  # networks that were fitted alone have changed already
        for network, attributes in zip(networks, before, strict=True):
            vars(network).clear()
            vars(network).update(attributes)
        raise
    except KeyboardInterrupt:
        _commit(members, estimators, prefixes)
        raise
    _commit(members, estimators, prefixes)
    return estimators


def _commit(
    members: Sequence[StackMember], estimators: Sequence[Any], prefixes: Sequence[Any]
) -> None:
    """Set the fitted attributes of the networks and the earlier steps of pipelines."""
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
    """Fit the earlier steps of pipelines, in copies.

    Equal steps with the same rows are fitted once. Return the arguments for the ``fit``
    of each network, and for each pipeline the copy whose earlier steps are fitted.
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
    """Return the arguments of ``fit`` for some rows, or for all if `rows` is None."""
    if rows is None:
        return FitArguments(X, y, params)
    cut = {name: it for name, it in params.items() if not name.endswith("_val")}
    cut = check_method_params(X, params=cut, indices=rows)
    return FitArguments(safe_indexing(X, rows), safe_indexing(y, rows), params | cut)
