"""All that is used of scikit-learn beyond its public and stable interface."""

import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any

from sklearn.model_selection._search import BaseSearchCV
from sklearn.model_selection._search_successive_halving import (
    HalvingGridSearchCV,
    HalvingRandomSearchCV,
)
from sklearn.utils import _safe_indexing as safe_indexing
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import _check_method_params as check_method_params
from sklearn.utils.validation import _check_sample_weight as check_sample_weight

try:  # public, but experimental
    from sklearn.callback import CallbackContext, CallbackSupportMixin, with_callbacks
except ImportError:  # scikit-learn < 1.9 has no callbacks, and so none are ever set
    CallbackContext = Any

    class CallbackSupportMixin:
        """Stands for scikit-learn's."""

    def with_callbacks(method: Callable[..., Any]) -> Callable[..., Any]:
        """Return the method as it is."""
        return method


def fit_search(
    search: BaseSearchCV, X: Any, y: Any, params: dict[str, Any], parallel: Any
) -> Any:
    """Fit `search` by scikit-learn's own code, with another `Parallel` in it.

    ``BaseSearchCV.fit`` makes one task ``_fit_and_score(estimator, X, y, train=...,
    test=..., ...)`` for each candidate and fold and hands them all to `Parallel`, the
    only name in it that is exchanged, in a copy of the function. So scorers, routing,
    splits, refit, callbacks and results are scikit-learn's, of whatever version.
    """
    fit = inspect.unwrap(BaseSearchCV.fit)
    names = {**fit.__globals__, "Parallel": parallel}
    fit = FunctionType(fit.__code__, names, "fit", fit.__defaults__, fit.__closure__)
    return fit(search, X, y, **params)


__all__ = [
    "BaseSearchCV",
    "CallbackContext",
    "CallbackSupportMixin",
    "HalvingGridSearchCV",
    "HalvingRandomSearchCV",
    "HasMethods",
    "Interval",
    "StrOptions",
    "check_method_params",
    "check_sample_weight",
    "fit_search",
    "safe_indexing",
    "with_callbacks",
]
