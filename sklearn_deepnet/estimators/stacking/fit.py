"""Fit a list of estimators at once, training their networks in stacks."""

import inspect
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from functools import partial
from itertools import repeat
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import indexable

from ..._fitting.jobs import JobResult
from ..._fitting.prepare import prepare
from ..._utils.interrupts import deferred_interrupts
from ..._utils.sharing import SharedWork, sharing
from ..._utils.sklearn_compat import check_method_params, has_callbacks, safe_indexing
from ..._utils.typing import MatrixLike
from ..._utils.warnings import said_once
from ..base import BaseDeepNet, keeping_generators
from ..pipelines import (
    FitArguments,
    can_share_steps,
    find_network,
    set_prefix,
    sharing_steps,
    try_deepcopy,
)
from .cooperation import MAX_BYTES, run_tasks
from .training import StackSummary, Waiting, find_interrupt, train_all

Estimator = TypeVar("Estimator")

# A checkpoint belongs to a single fit, so networks in a stack have no such argument.
_FIT_PARAMS = inspect.signature(BaseDeepNet.fit).parameters.keys() - {"checkpoint"}


def fit_stack(
    estimators: Sequence[Estimator],
    X: MatrixLike,
    y: ArrayLike,
    *,
    rows: Sequence[ArrayLike] | None = None,
    **fit_params: Any,
) -> list[Estimator]:
    """Fit many networks at once, faster than one by one.

    Training a small network is mostly Python overhead, so all networks that are alike
    are trained together, as one stack. Each network is bit-for-bit identical to calling
    its own ``fit``.

    Networks form one stack if they have the same layer sizes, activations, loss,
    solver, mini-batch size, number of epochs and number of samples. They may differ in
    initialization, seed, learning rate, schedule, penalties, dropout, `tol`,
    `n_iter_no_change`, sample and class weights, and in the rows of X that they are
    trained on.

    Some networks cannot be part of a stack and are fitted one by one. These are
    networks with ``solver="lbfgs"``, with ``verbose`` or callbacks, with sparse X that
    has many columns and few stored values, and with your own losses, activations or
    optimizers unless these are declared element-wise.

    If several estimators share an object of your own as `schedule` or `scoring`, it
    must not change itself: a stack calls it for each network in each epoch, and not for
    one network after the other. Give each estimator its own object instead.

    Parameters
    ----------
    estimators : sequence of estimators
        The estimators to fit in place: `DeepNetClassifier`, `DeepNetRegressor`, or
        pipelines that end in one of these. An object must not occur twice. If several
        pipelines have equal earlier steps, these are fitted once and copied to each
        pipeline.
    X : array-like of shape (n_samples, n_features)
        Training data.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        True labels or targets.
    rows : sequence of array-like of int or bool, default=None
        For each estimator, the rows of X and y to fit it to, as indices or as a boolean
        mask. None fits all estimators to all rows.
    **fit_params : dict
        Arguments that are passed to the ``fit`` of each estimator, such as
        `sample_weight`. `rows` is also applied to arguments that have as many rows as
        X, except for validation data, whose names end in ``_val``.

    Returns
    -------
    estimators : list of estimators
        The given estimators, fitted.

    Raises
    ------
    ValueError
        If `rows` does not have one entry for each estimator, or if fitting one of the
        estimators raises it. All networks are then left unchanged, and so are the steps
        before them, except in pipelines that override ``fit`` or have callbacks.
    TypeError
        If an estimator is neither a network nor a pipeline that ends in one.
    KeyboardInterrupt
        If training is interrupted. Networks that were being trained then have the
        weights of their last complete epoch. Networks that were still waiting are left
        unchanged.

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
            "estimators holds the same object twice. Give a separate object for each, "
            "for example by sklearn.base.clone."
        )
    if rows is not None and len(rows) != len(estimators):
        raise ValueError(
            f"rows has {len(rows)} entries for {len(estimators)} estimators. Give one "
            "entry for each estimator, or None."
        )
    arguments = _cut_all(*indexable(X, y), rows, fit_params, len(estimators))
    with _restoring(networks), said_once():
        if all(map(_is_plain, estimators)):
            _check_arguments(fit_params)
            _fit_networks(estimators, arguments)
        else:
            _fit_in_tasks(estimators, arguments)
    return estimators


def partial_fit_stack(
    networks: Sequence[BaseDeepNet], X: MatrixLike, y: ArrayLike, **params: Any
) -> Sequence[BaseDeepNet]:
    """Train networks for one epoch, each as its own ``partial_fit`` would; in place.

    Parameters
    ----------
    networks : sequence of networks
        Networks of one class.
    X : array-like or sparse matrix of shape (n_samples, n_features)
        Training data.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        True labels or targets.
    **params : dict
        Further arguments of ``partial_fit``.

    Returns
    -------
    networks : sequence of networks
        The given networks.
    """
    defined_in = type(networks[0]).partial_fit.__module__
    is_plain = defined_in.split(".")[0] == __name__.split(".")[0]
    with _restoring(networks), said_once():
        if is_plain:
            arguments = FitArguments(X, y, params | {"partial": True})
            _fit_networks(networks, [arguments] * len(networks))
        else:  # a subclass overrides it
            for network in networks:
                network.partial_fit(X, y, **params)
    return networks


@contextmanager
def _restoring(networks: Sequence[BaseDeepNet]) -> Iterator[None]:
    """Put all networks back, and their generators, if one of them raises an error."""
    before = [vars(network).copy() for network in networks]
    try:
        with keeping_generators(it.random_state for it in networks):
            yield
    except Exception:  # networks that were already fitted have changed
        for network, attributes in zip(networks, before, strict=True):
            vars(network).clear()
            vars(network).update(attributes)
        raise


def _is_plain(estimator: Any) -> bool:
    """Return whether ``fit`` does nothing more than train a network."""
    return type(estimator).fit is BaseDeepNet.fit and not has_callbacks(estimator)


def _fit_networks(
    networks: Sequence[BaseDeepNet], arguments: Sequence[FitArguments]
) -> None:
    """Prepare all networks, train them, and set their fitted attributes."""
    fits, interrupt = _prepare(networks, arguments)
    with deferred_interrupts():  # so that a training that has ended is not lost
        _train_prepared(fits, interrupt)


def _train_prepared(fits: Sequence[Any], interrupt: BaseException | None) -> None:
    """Train the networks, unless one before was interrupted, and set attributes."""
    jobs = [fit.job for fit in fits if fit.job is not None]
    if interrupt is None:
        found = train_all(jobs)
        interrupt = find_interrupt(found)
    else:  # these networks stay as they were
        found = [JobResult(None, interrupt, 0.0)] * len(jobs)
    for job_result in found:
        if isinstance(job_result.error, Exception):
            raise job_result.error
    results = iter(found)
    done = []
    for fit in fits:
        # A network without a job has nothing to learn.
        result = None if fit.job is None else next(results).result
        if fit.job is None or result is not None:
            fit.finish(result)
            done.append(fit)
    for fit in done:
        fit.commit()
    if interrupt is not None:
        raise interrupt


def _prepare(
    networks: Sequence[BaseDeepNet], arguments: Sequence[FitArguments]
) -> tuple[list[Any], BaseException | None]:
    """Prepare all networks, and fit those that have to be trained alone.

    Returns
    -------
    fits : list of PreparedFit
        The prepared fits of all other networks. After an interrupt, those before the
        interrupted network.
    interrupt : BaseException or None
        The Ctrl-C that interrupted the training of a network.
    """
    fits: list[Any] = []
    with sharing(SharedWork()):
        for network, (X, y, params) in zip(networks, arguments, strict=True):
            fit = prepare(network, X, y, **params)
            if fit.job is None or not Waiting(fit.job).why_alone:
                fits.append(fit)
                continue
            # It is trained before the next one is prepared, so that only one large
            # network is in memory at a time. `finish` releases what it was trained
            # with.
            with deferred_interrupts():
                (result,) = train_all([fit.job])
                if isinstance(result.error, Exception):
                    raise result.error
                if result.result is not None:
                    fit.finish(result.result)
                    fit.commit()
            if result.interrupt is not None:
                return fits, result.interrupt
    return fits, None


def _fit_in_tasks(estimators: Sequence[Any], arguments: Sequence[FitArguments]) -> None:
    """Fit pipelines, and subclasses of networks that override ``fit``, in tasks."""
    twins = [_with_own_steps(it) if can_share_steps(it) else it for it in estimators]
    source = object()  # makes the ids unique, since a later call may reuse them
    keys = [(source, id(it)) for it in arguments]
    calls = [*map(partial, repeat(_fit_one), twins, arguments, keys)]
    with deferred_interrupts():  # a network must not be fitted without its steps
        try:
            run_tasks(calls, MAX_BYTES, StackSummary())
        except BaseException as error:
            if not isinstance(error, Exception):
                for estimator, twin in zip(estimators, twins, strict=True):
                    if find_network(twin).__sklearn_is_fitted__():
                        set_prefix(estimator, twin)
            raise
        for estimator, twin in zip(estimators, twins, strict=True):
            set_prefix(estimator, twin)


def _fit_one(estimator: Any, arguments: FitArguments, key: Hashable) -> None:
    X, y, params = arguments
    if isinstance(estimator, BaseDeepNet):
        _check_arguments(params)
    with sharing_steps(estimator, key):
        estimator.fit(X, y, **params)


def _with_own_steps(estimator: Any) -> Any:
    """Return a copy of a pipeline with copies of all steps but its network."""
    if isinstance(estimator, BaseDeepNet):
        return estimator
    twin = copy(estimator)
    *steps, (name, last) = estimator.steps
    twin.steps = [*try_deepcopy(steps), (name, _with_own_steps(last))]
    return twin


def _check_arguments(params: dict[str, Any]) -> None:
    """Raise the error that ``fit`` would raise for an unknown argument."""
    for name in params.keys() - _FIT_PARAMS:
        raise TypeError(f"fit() got an unexpected keyword argument {name!r}")


def _cut_all(
    X: Any,
    y: Any,
    rows: Sequence[ArrayLike] | None,
    params: dict[str, Any],
    n_estimators: int,
) -> list[FitArguments]:
    """Return the arguments of each ``fit``. Equal rows share one object."""
    if rows is None:
        return [FitArguments(X, y, params)] * n_estimators
    cuts: dict[bytes, FitArguments] = {}
    found = []
    for own in map(np.asarray, rows):
        key = own.dtype.char.encode() + own.tobytes()
        if key not in cuts:
            cuts[key] = _cut(X, y, params, own)
        found.append(cuts[key])
    return found


def _cut(X: Any, y: Any, params: dict[str, Any], rows: Any) -> FitArguments:
    """Return the arguments of ``fit`` for the given rows."""
    cut = {name: it for name, it in params.items() if not name.endswith("_val")}
    cut = check_method_params(X, params=cut, indices=rows)
    return FitArguments(safe_indexing(X, rows), safe_indexing(y, rows), params | cut)
