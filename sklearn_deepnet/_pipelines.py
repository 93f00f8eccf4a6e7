"""Pipelines that end in a network: all their steps but the last, fitted ahead."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pickle import PicklingError
from typing import Any, NamedTuple

import joblib
from sklearn.pipeline import Pipeline

from ._base import BaseDeepNet

_numbers = count()  # of values that are equal to no other


class Table(NamedTuple):
    """What a network's ``fit`` is called with."""

    X: Any
    y: Any
    params: dict[str, Any]


def network_of(estimator: Any) -> BaseDeepNet | None:
    """Return the network that `estimator` is, or in which a pipeline ends, if any."""
    while isinstance(estimator, Pipeline):
        estimator = estimator.steps[-1][1]
    return estimator if isinstance(estimator, BaseDeepNet) else None


def name_passes(estimator: Any) -> str:
    """Return how a search calls the parameter `n_iter` of the network."""
    names = ["n_iter"]
    while isinstance(estimator, Pipeline):
        name, estimator = estimator.steps[-1]
        names.insert(-1, name)
    return "__".join(names)


@contextmanager
def fit_replaced(estimator: Any, fit: Callable[..., Any]) -> Iterator[None]:
    """Let `fit` stand for the method of this one object, at most until the end."""
    estimator.fit = fit
    try:
        yield
    finally:
        vars(estimator).pop("fit", None)


def capture(network: BaseDeepNet, fit: Callable[[], Any]) -> Table:
    """Call `fit`, which fits `network` within something, but for the network itself.

    So a pipeline fits its earlier steps, with all that it knows of weights, routing and
    caching, and we learn what it would have fitted its last step to.
    """
    tables = []

    def note(X: Any, y: Any = None, **params: Any) -> BaseDeepNet:
        tables.append(Table(X, y, params))
        return network

    with fit_replaced(network, note):
        fit()
    (table,) = tables
    return table


def prefix_of(estimator: Any) -> str:
    """Return a key that pipelines share if all but their networks are equal."""
    parts = []
    while isinstance(estimator, Pipeline):
        *steps, (_, last) = estimator.steps
        parts.append((steps, estimator.get_params(deep=False) | {"steps": None}))
        estimator = last
    return key_of(parts)


def key_of(value: Any) -> str:
    """Return a key that equal values share, or one of its own for what has none."""
    try:
        return joblib.hash(value)
    except (PicklingError, TypeError, AttributeError):  # such as of a lambda
        return f"of its own: {next(_numbers)}"


def graft(estimator: Any, fitted: Any) -> None:
    """Give a pipeline, in place, the earlier steps of one that is `fitted`."""
    while isinstance(estimator, Pipeline):
        estimator.steps = [*fitted.steps[:-1], estimator.steps[-1]]
        estimator, fitted = estimator.steps[-1][1], fitted.steps[-1][1]
