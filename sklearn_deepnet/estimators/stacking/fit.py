"""Fitting a list of estimators at once, with their networks trained in stacks."""

import inspect
from collections.abc import Hashable, Sequence
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
from ..base import BaseDeepNet
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

# A checkpoint is the file of one fit, so networks in a stack take no such argument.
_FIT_PARAMS = inspect.signature(BaseDeepNet.fit).parameters.keys() - {"checkpoint"}


def fit_stack(
    estimators: Sequence[Estimator],
    X: MatrixLike,
    y: ArrayLike,
    *,
    rows: Sequence[ArrayLike] | None = None,
    **fit_params: Any,
) -> list[Estimator]:
    """Fit many networks at once, in less time than one by one.

    Each network is bit-for-bit identical to calling its own ``fit``. Networks with the
    same layer sizes, activations, loss, solver, mini-batch size, number of epochs and
    number of samples are trained as one stack. They may differ in initialization, seed,
    learning rate, schedule, penalties, dropout, `tol`, `n_iter_no_change`, sample and
    class weights, and in their rows. Networks that cannot be stacked are fitted alone:
    solver "lbfgs", sparse X of many columns for the values that it stores, estimators
    with callbacks or ``verbose``, and losses, activations and optimizers of your own
    that do not declare themselves element-wise.

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
        last complete epoch, and those whose turn has not come stay as they were.

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
    arguments = _cut_all(*indexable(X, y), rows, fit_params, len(estimators))
    try:
        with said_once():
            if all(map(_is_plain, estimators)):
                _fit_networks(estimators, arguments)
            else:
                _fit_in_tasks(estimators, arguments)
    except Exception:  # networks that were fitted already have changed
        for network, attributes in zip(networks, before, strict=True):
            vars(network).clear()
            vars(network).update(attributes)
        raise
    return estimators


def _is_plain(estimator: Any) -> bool:
    """Return whether to call ``fit`` is nothing more than to train a network."""
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
    """Prepare networks, and fit those that have to be trained alone.

    Returns
    -------
    fits : list of PreparedFit
        Those of all other networks; if one was interrupted, of those before it.
    interrupt : BaseException or None
        The Ctrl-C that ended the training of one network.
    """
    fits: list[Any] = []
    with sharing(SharedWork()):
        for network, (X, y, params) in zip(networks, arguments, strict=True):
            fit = prepare(network, X, y, **_check_arguments(params))
            if fit.job is None or not Waiting(fit.job).why_alone:
                fits.append(fit)
                continue
            # Trained before the next is prepared, so that large networks are in memory
            # one at a time. What it was trained with goes with `finish`.
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
    """Fit pipelines, and networks with a ``fit`` of their own, in tasks."""
    twins = [_with_own_steps(it) if can_share_steps(it) else it for it in estimators]
    source = object()  # of these ids, which a later call may use again
    keys = [(source, id(it)) for it in arguments]
    calls = [*map(partial, repeat(_fit_one), twins, arguments, keys)]
    try:
        run_tasks(calls, MAX_BYTES, StackSummary())
    except KeyboardInterrupt:
        for estimator, twin in zip(estimators, twins, strict=True):
            if find_network(twin).__sklearn_is_fitted__():
                set_prefix(estimator, twin)
        raise
    for estimator, twin in zip(estimators, twins, strict=True):
        set_prefix(estimator, twin)


def _fit_one(estimator: Any, arguments: FitArguments, key: Hashable) -> None:
    X, y, params = arguments
    if isinstance(estimator, BaseDeepNet):
        params = _check_arguments(params)
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


def _check_arguments(params: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of ``fit``, or raise the error that ``fit`` would raise."""
    for name in params.keys() - _FIT_PARAMS:
        raise TypeError(f"fit() got an unexpected keyword argument {name!r}")
    return params


def _cut_all(
    X: Any,
    y: Any,
    rows: Sequence[ArrayLike] | None,
    params: dict[str, Any],
    n_estimators: int,
) -> list[FitArguments]:
    """Return the arguments of each ``fit``; the same object for the same rows."""
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
    """Return the arguments of ``fit`` for some rows."""
    cut = {name: it for name, it in params.items() if not name.endswith("_val")}
    cut = check_method_params(X, params=cut, indices=rows)
    return FitArguments(safe_indexing(X, rows), safe_indexing(y, rows), params | cut)
