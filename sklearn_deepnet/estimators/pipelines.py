"""Pipelines that end in a network, and the sharing of their earlier steps."""

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
    """The arguments of a call of ``fit``."""

    X: Any
    y: Any
    params: dict[str, Any]


def find_last_step(estimator: Any) -> Any:
    """Return the last step of a pipeline, or the estimator itself."""
    while isinstance(estimator, Pipeline):
        estimator = estimator.steps[-1][1]
    return estimator


def find_network(estimator: Any, name: str = "estimator") -> BaseDeepNet:
    """Return `estimator` if it is a network, or the last step of a pipeline.

    Raises
    ------
    TypeError
        If it is not a network. The message calls `estimator` by `name`.
    """
    network = find_last_step(estimator)
    if not isinstance(network, BaseDeepNet):
        raise TypeError(
            f"{name} must be a DeepNetClassifier or DeepNetRegressor, or a pipeline "
            f"that ends in one. Got {estimator!r} instead."
        )
    return network


def _pipelines(estimator: Any) -> Iterator[Pipeline]:
    """Yield a pipeline, its last step if that is a pipeline, and so on."""
    while isinstance(estimator, Pipeline):
        yield estimator
        estimator = estimator.steps[-1][1] if estimator.steps else None


def has_callbacks_inside(estimator: Any) -> bool:
    """Return whether an estimator, or a step of a pipeline, has callbacks."""
    steps = [step for pipeline in _pipelines(estimator) for _, step in pipeline.steps]
    return any(map(has_callbacks, [estimator, *steps]))


def can_share_steps(estimator: Any) -> bool:
    """Return whether the steps of a pipeline may be fitted by another one.

    They may not if a subclass of `Pipeline` overrides ``fit``, or if there are
    callbacks, which have to be called once for each pipeline.
    """
    for pipeline in _pipelines(estimator):
        parts = [pipeline, *(step for _, step in pipeline.steps[:-1])]
        if has_own_fit(pipeline) or any(map(has_callbacks, parts)):
            return False
    return isinstance(estimator, Pipeline)


class _SharedSteps:
    """Fits equal steps of several pipelines to equal data only once.

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
        """Return the result of `function`, which scikit-learn calls for a step."""
        compared = {k: v for k, v in options.items() if k not in ignore}
        self._key = self._key, step_key((step, compared))
        own: tuple[Any, Any] | None = None

        def fit() -> tuple[Any, Any]:
            # A step may change X in place, but other steps get the same X later.
            given = X if self._output is None else try_deepcopy(X)
            output, fitted = function(step, given, *args, **options)
            # X belongs to one of the pipelines, which may later change it in place.
            is_own = hasattr(output, "copy") and _share_memory(output, given)
            return (output.copy() if is_own else output), fitted

        def fit_for_all() -> tuple[Any, Any] | None:
            nonlocal own
            watched = X if self._output is None else None, args, compared
            before = step_key(watched)
            own = fit()
            return own if step_key(watched) == before else None

        # A step that changes its input in place is fitted for each pipeline anew.
        found = do_once(lambda: self._key, fit_for_all)
        self._output, fitted = found or own or fit()
        return self._output, try_deepcopy(fitted)


class _Memory:
    """Gives a pipeline its fitted steps during one ``fit``, like a `joblib.Memory`.

    Parameters
    ----------
    steps : _SharedSteps
        The steps that are shared.
    pipeline : Pipeline
        The pipeline. Its `memory` is reset to None when ``fit`` begins, so that nobody
        sees another value afterwards, such as a scorer.
    """

    location = "memory"  # with a memory, a pipeline clones its steps first

    def __init__(self, steps: _SharedSteps, pipeline: Pipeline) -> None:
        self._steps, self._pipeline = steps, pipeline

    def cache(
        self, function: Callable[..., Any], ignore: Sequence[str] = ()
    ) -> Callable[..., Any]:
        """Return a function that calls `function` once for all pipelines."""
        self.remove()
        return partial(self._steps.call, function, ignore)

    def remove(self) -> None:
        """Remove this memory from the pipeline, unless ``fit`` has done so."""
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
    """Within this context, share the steps before a network with other pipelines.

    The networks then get the same object as X. Steps are shared only where work is
    shared, see `do_once`, and only if the user has set neither `memory` nor `verbose`.

    Parameters
    ----------
    estimator : estimator
        The estimator to be fitted. If it is not a pipeline, it is left alone.
    key : hashable
        Identifies the data that the pipeline will be fitted to.
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
    """Return a deep copy, or `value` itself if it cannot be copied, like a lock."""
    try:
        return deepcopy(value)
    except Exception:
        return value


def step_key(value: Any) -> Hashable:
    """Return a key that is equal for equal steps or values, or else a unique key.

    Estimators are compared by their class and all their attributes, plain values by
    type and value, and everything else by `joblib.hash`. All that could have an effect
    is compared, since one fitted step takes the place of several.
    """
    try:
        return _key(value)
    except Exception:  # raised by a method of the value, or it cannot be pickled
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
    """Replace the steps before the network, in place, by those of another pipeline."""
    pairs = zip(_pipelines(estimator), _pipelines(fitted), strict=True)
    for pipeline, other in pairs:
        pipeline.steps = [*other.steps[:-1], pipeline.steps[-1]]
