"""All that is used of scikit-learn beyond its public and stable interface."""

from collections.abc import Callable
from typing import Any

from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
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


__all__ = [
    "CallbackContext",
    "CallbackSupportMixin",
    "HasMethods",
    "Interval",
    "StrOptions",
    "check_sample_weight",
    "with_callbacks",
]
