"""Pipelines that end in a network, and how to fit their earlier steps on their own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy, deepcopy
from itertools import count
from typing import Any, NamedTuple

import joblib
from sklearn.pipeline import Pipeline

from .._utils.sklearn_compat import has_callbacks, has_own_fit, metadata_requests
from .base import BaseDeepNet

_numbers = count()  # of the keys of values that cannot be hashed


class FitArguments(NamedTuple):
    """What a network's ``fit`` is called with."""

    X: Any
    y: Any
    params: dict[str, Any]


def find_network(estimator: Any, name: str = "estimator") -> BaseDeepNet:
    """Return the network that `estimator` is, or in which a pipeline ends.

    Raises
    ------
    TypeError
        If there is none; `name` is what the user calls `estimator`.
    """
    network = estimator
    while isinstance(network, Pipeline):
        network = network.steps[-1][1]
    if not isinstance(network, BaseDeepNet):
        raise TypeError(
            f"{name} must be a DeepNetClassifier or DeepNetRegressor, or a pipeline "
            f"that ends in one. Got {estimator!r} instead."
        )
    return network


def last_of(estimator: Any) -> Any:
    """Return the network if the steps before it may be fitted on their own.

    Else return `estimator`, which is then to be fitted as a whole: a subclass of
    `Pipeline` may have a ``fit`` of its own, and callbacks have to be called once for
    each pipeline.
    """
    last = estimator
    while isinstance(last, Pipeline):
        parts = [last, *(step for _, step in last.steps[:-1])]
        if has_own_fit(last) or any(map(has_callbacks, parts)):
            return estimator
        last = last.steps[-1][1]
    return last if isinstance(last, BaseDeepNet) else estimator


def n_iter_param(estimator: Any) -> str:
    """Return the name of the network's `n_iter` in a search, such as "net__n_iter"."""
    names = ["n_iter"]
    while isinstance(estimator, Pipeline):
        name, estimator = estimator.steps[-1]
        names.insert(-1, name)
    return "__".join(names)


def try_deepcopy(value: Any) -> Any:
    """Return a deep copy, or `value` itself if it cannot be copied, as a lock."""
    try:
        return deepcopy(value)
    except Exception:
        return value


def with_network(estimator: Any, network: BaseDeepNet) -> Any:
    """Return a copy of `estimator` with a copy of `network` in the place of its own.

    The earlier steps are copied, too, since some draw whenever they transform: each
    candidate has to see the draws that it would see alone.
    """
    if not isinstance(estimator, Pipeline):
        return copy(network)  # shallow: a later fit replaces attributes, changes none
    *steps, (name, last) = estimator.steps
    estimator = copy(estimator)
    estimator.steps = [*try_deepcopy(steps), (name, with_network(last, network))]
    return estimator


@contextmanager
def fit_replaced(estimator: Any, fit: Callable[..., Any]) -> Iterator[None]:
    """Give this one object another ``fit``, at most until the end of the block."""
    estimator.fit = fit
    try:
        yield
    finally:  # the replacement may have removed itself
        vars(estimator).pop("fit", None)


def record_fit_call(network: BaseDeepNet, fit: Callable[[], Any]) -> FitArguments:
    """Call `fit` of a pipeline that ends in `network`, but do not fit the network.

    Return what the network would have been fitted to. The pipeline itself fits its
    earlier steps, since it alone knows about weights, metadata routing and caching.
    """
    recorded = []

    def record(X: Any, y: Any = None, **params: Any) -> BaseDeepNet:
        recorded.append(FitArguments(X, y, params))
        return network

    with fit_replaced(network, record):
        fit()
    (arguments,) = recorded
    return arguments


def prefix_key(estimator: Any) -> str:
    """Return a key that pipelines share if they fit their networks to the same data.

    All but their networks is equal, and the networks request the same metadata.
    """
    parts = []
    while isinstance(estimator, Pipeline):
        *steps, (name, last) = estimator.steps
        # The earlier steps are hashed apart from the last one; what is left is memory,
        # transform_input and the like.
        parameters = estimator.get_params(deep=False) | {"steps": None}
        parts.append((type(estimator), steps, name, parameters))
        estimator = last
    requests = metadata_requests(estimator)
    return hash_key((parts, type(estimator), requests))


def hash_key(value: Any) -> str:
    """Return a key that equal values share; a unique one if it cannot be hashed.

    By `joblib.hash`, not by `fingerprint`, which asks for less: whether results agree
    in another process. Here one fitted step is to stand for several, so parameters
    without an effect on results, such as `n_jobs`, and objects that two steps share
    have to agree as well.
    """
    try:
        return joblib.hash(value)
    except Exception:  # of the value's own methods, or it cannot be pickled
        return f"unique {next(_numbers)}"


def set_prefix(estimator: Any, fitted: Any) -> None:
    """Give a pipeline, in place, the earlier steps of `fitted`, if that is not None."""
    while fitted is not None and isinstance(estimator, Pipeline):
        estimator.steps = [*fitted.steps[:-1], estimator.steps[-1]]
        estimator, fitted = estimator.steps[-1][1], fitted.steps[-1][1]
