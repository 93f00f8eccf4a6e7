"""Pipelines that end in a network: all their steps but the last, fitted ahead."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy, deepcopy
from itertools import count
from typing import Any, NamedTuple

import joblib
from sklearn.pipeline import Pipeline

from .._utils.sklearn_compat import has_callbacks, has_own_fit, metadata_requests
from .base import BaseDeepNet

_numbers = count()  # of values that are equal to no other


class FitArguments(NamedTuple):
    """What a network's ``fit`` is called with."""

    X: Any
    y: Any
    params: dict[str, Any]


def network_of(estimator: Any) -> BaseDeepNet | None:
    """Return the network that `estimator` is, or in which a pipeline ends, if any."""
    while isinstance(estimator, Pipeline):
        estimator = estimator.steps[-1][1]
    return estimator if isinstance(estimator, BaseDeepNet) else None


def find_network(estimator: Any, name: str = "estimator") -> BaseDeepNet:
    """Return `network_of` the estimator, or raise a TypeError that calls it `name`."""
    network = network_of(estimator)
    if network is None:
        raise TypeError(
            f"{name} must be a DeepNetClassifier or DeepNetRegressor, or a pipeline "
            f"that ends in one. Got {estimator!r} instead."
        )
    return network


def last_of(estimator: Any) -> Any:
    """Return the network if all before it may be fitted ahead, else `estimator`.

    Subclasses of `Pipeline` may have a ``fit`` of their own, and callbacks are to be
    told of each.
    """
    last = estimator
    while isinstance(last, Pipeline):
        parts = [last, *(step for _, step in last.steps[:-1])]
        if has_own_fit(last) or any(map(has_callbacks, parts)):
            return estimator
        last = last.steps[-1][1]
    return last if isinstance(last, BaseDeepNet) else estimator


def n_iter_param(estimator: Any) -> str:
    """Return how a search calls the parameter `n_iter` of the network."""
    names = ["n_iter"]
    while isinstance(estimator, Pipeline):
        name, estimator = estimator.steps[-1]
        names.insert(-1, name)
    return "__".join(names)


def try_deepcopy(value: Any) -> Any:
    """Return a deep copy, or `value` if it has none, such as of a lock."""
    try:
        return deepcopy(value)
    except Exception:
        return value


def with_network(estimator: Any, network: BaseDeepNet) -> Any:
    """Return a copy of `estimator` with a copy of `network` in the place of its own.

    The earlier steps are copies, too: some draw whenever they transform.
    """
    if not isinstance(estimator, Pipeline):
        return copy(network)
    *steps, (name, last) = estimator.steps
    estimator = copy(estimator)
    estimator.steps = [*try_deepcopy(steps), (name, with_network(last, network))]
    return estimator


@contextmanager
def fit_replaced(estimator: Any, fit: Callable[..., Any]) -> Iterator[None]:
    """Let `fit` stand for the method of this one object, at most until the end."""
    estimator.fit = fit
    try:
        yield
    finally:
        vars(estimator).pop("fit", None)


def record_fit_call(network: BaseDeepNet, fit: Callable[[], Any]) -> FitArguments:
    """Call `fit`, which fits `network` within something, but for the network itself.

    So a pipeline fits its earlier steps, with all that it knows of weights, routing and
    caching, and we learn what it would have fitted its last step to.
    """
    tables = []

    def note(X: Any, y: Any = None, **params: Any) -> BaseDeepNet:
        tables.append(FitArguments(X, y, params))
        return network

    with fit_replaced(network, note):
        fit()
    (table,) = tables
    return table


def prefix_key(estimator: Any) -> str:
    """Return a key that pipelines share if they fit their networks to the same.

    All but the networks is equal, and the networks ask for the same metadata.
    """
    parts = []
    while isinstance(estimator, Pipeline):
        *steps, (name, last) = estimator.steps
        parameters = estimator.get_params(deep=False) | {"steps": None}
        parts.append((type(estimator), steps, name, parameters))
        estimator = last
    requests = metadata_requests(estimator)
    return hash_key((parts, type(estimator), requests))


def hash_key(value: Any) -> str:
    """Return a key that equal values share, or one of its own for what has none."""
    try:
        return joblib.hash(value)
    except Exception:  # such as of a lambda, or of a lock
        return f"of its own: {next(_numbers)}"


def set_prefix(estimator: Any, fitted: Any) -> None:
    """Give a pipeline, in place, the earlier steps of one that is `fitted`, if any."""
    while fitted is not None and isinstance(estimator, Pipeline):
        estimator.steps = [*fitted.steps[:-1], estimator.steps[-1]]
        estimator, fitted = estimator.steps[-1][1], fitted.steps[-1][1]
