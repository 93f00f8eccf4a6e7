"""Pipelines that end in a network, and how they share their earlier steps."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from itertools import count
from typing import Any, NamedTuple

import joblib
import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import Bunch

from .._utils.sharing import do_once
from .._utils.sklearn_compat import has_callbacks, has_own_fit
from .base import BaseDeepNet

_numbers = count()  # of the keys of values that cannot be hashed
_PLAIN = (type(None), bool, int, float, str)


class FitArguments(NamedTuple):
    """What ``fit`` is called with."""

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


def _pipelines(estimator: Any) -> Iterator[Pipeline]:
    """Yield a pipeline, and those in which it ends."""
    while isinstance(estimator, Pipeline):
        yield estimator
        estimator = estimator.steps[-1][1] if estimator.steps else None


def can_share_steps(estimator: Any) -> bool:
    """Return whether the steps of a pipeline may be fitted by another one.

    A subclass of `Pipeline` may have a ``fit`` of its own, and callbacks have to be
    called once for each pipeline.
    """
    for pipeline in _pipelines(estimator):
        parts = [pipeline, *(step for _, step in pipeline.steps[:-1])]
        if has_own_fit(pipeline) or any(map(has_callbacks, parts)):
            return False
    return isinstance(estimator, Pipeline)


class _SharedSteps:
    """Fits equal steps of pipelines to equal data once.

    Parameters
    ----------
    key : hashable
        Identifies the data that the first step is fitted to.
    """

    def __init__(self, key: Hashable) -> None:
        self._key, self._output = key, None

    def call(
        self,
        function: Callable[..., Any],
        ignore: Sequence[str],
        step: Any,
        X: Any,
        *args: Any,
        **options: Any,
    ) -> Any:
        """Return what `function`, of scikit-learn, returns for a step."""
        compared = {k: v for k, v in options.items() if k not in ignore}
        self._key = self._key, step_key((step, compared))
        own: tuple[Any, Any] | None = None

        def fit() -> tuple[Any, Any]:
            # A step may change X in place, which others get after this one.
            given = X if self._output is None else try_deepcopy(X)
            output, fitted = function(step, given, *args, **options)
            # X belongs to one of the pipelines, which may change it in place later.
            is_own = hasattr(output, "copy") and _share_memory(output, given)
            return (output.copy() if is_own else output), fitted

        def fit_for_all() -> tuple[Any, Any] | None:
            nonlocal own
            watched = X if self._output is None else None, args, compared
            before = step_key(watched)
            own = fit()
            return own if step_key(watched) == before else None

        # A step that changes in place what it is given does so for each pipeline.
        found = do_once(lambda: self._key, fit_for_all)
        self._output, fitted = found or own or fit()
        return self._output, try_deepcopy(fitted)


class _Memory:
    """Lets a pipeline ask for its fitted steps, as of `joblib.Memory`, in one ``fit``.

    Parameters
    ----------
    steps : _SharedSteps
        What it asks.
    pipeline : Pipeline
        Its `memory` is None again when its ``fit`` begins, for those who look at it
        afterwards, such as a scorer.
    """

    location = "memory"  # a pipeline gives away clones of its steps then

    def __init__(self, steps: _SharedSteps, pipeline: Pipeline) -> None:
        self._steps, self._pipeline = steps, pipeline

    def cache(
        self, function: Callable[..., Any], ignore: Sequence[str] = ()
    ) -> Callable[..., Any]:
        """Return a function that calls this one once for all pipelines."""
        self.remove()
        return partial(self._steps.call, function, ignore)

    def remove(self) -> None:
        """Take it from the pipeline, if that is still to be fitted."""
        if self._pipeline.memory is self:
            vars(self._pipeline).update(memory=None)

    def __deepcopy__(self, memo: Any) -> None:
        return None


def _share_memory(output: Any, X: Any) -> bool:
    if issparse(output) and issparse(X):
        return np.may_share_memory(output.data, X.data)
    are_arrays = isinstance(output, np.ndarray) and isinstance(X, np.ndarray)
    return np.may_share_memory(output, X) if are_arrays else output is X


@contextmanager
def sharing_steps(estimator: Any, key: Hashable) -> Iterator[None]:
    """Share the steps before a network with other pipelines, in this block.

    The networks then get the same object as their X. Nothing is shared unless work is,
    see `do_once`, nor if the user has set `memory` or `verbose`.

    Parameters
    ----------
    estimator : estimator
        Other estimators than pipelines are left alone.
    key : hashable
        Identifies the data that the pipeline is to be fitted to.
    """
    steps = _SharedSteps(key)
    memories = []
    for pipeline in _pipelines(estimator) if can_share_steps(estimator) else ():
        if pipeline.memory is None and not pipeline.verbose:
            memories.append(_Memory(steps, pipeline))
            vars(pipeline).update(memory=memories[-1])
    try:
        yield
    finally:
        for memory in memories:
            memory.remove()


def try_deepcopy(value: Any) -> Any:
    """Return a deep copy, or `value` itself if it cannot be copied, as a lock."""
    try:
        return deepcopy(value)
    except Exception:
        return value


def step_key(value: Any) -> Hashable:
    """Return a key that equal steps and values share; a unique one if there is none.

    Estimators are compared by their class and all their attributes, plain values by
    what they are, and everything else by `joblib.hash`. Nothing is left out that could
    have an effect, since one fitted step is to stand for several.
    """
    try:
        return _key(value)
    except Exception:  # of the value's own methods, or it cannot be pickled
        return f"unique {next(_numbers)}"


def _key(value: Any) -> Hashable:
    if isinstance(value, _PLAIN):
        return type(value), repr(value)
    if type(value) in (list, tuple):
        return type(value), *map(_key, value)
    if type(value) in (dict, Bunch):
        return type(value), *((_key(k), _key(v)) for k, v in value.items())
    is_estimator = isinstance(value, BaseEstimator)
    if is_estimator and type(value).__getstate__ is BaseEstimator.__getstate__:
        return type(value), _key(vars(value))
    return joblib.hash(value)


def set_prefix(estimator: Any, fitted: Any) -> None:
    """Give a pipeline, in place, the earlier steps of another one."""
    pairs = zip(_pipelines(estimator), _pipelines(fitted), strict=True)
    for pipeline, other in pairs:
        pipeline.steps = [*other.steps[:-1], pipeline.steps[-1]]
