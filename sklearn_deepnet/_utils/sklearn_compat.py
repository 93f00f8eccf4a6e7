"""All private or experimental parts of scikit-learn that this library uses."""

import inspect
from collections import Counter, UserDict
from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import ArrayLike
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.model_selection._search import BaseSearchCV
from sklearn.model_selection._search_successive_halving import (
    HalvingGridSearchCV,
    HalvingRandomSearchCV,
)
from sklearn.model_selection._validation import _fit_and_score as fit_and_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import TargetEncoder
from sklearn.utils import _safe_indexing as safe_indexing
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    Options,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils.extmath import _approximate_mode as approximate_mode
from sklearn.utils.metaestimators import available_if as _available_if
from sklearn.utils.validation import _check_method_params as check_method_params
from sklearn.utils.validation import _check_sample_weight

from .lookup import settings_of
from .typing import Method

try:  # public, but experimental
    from sklearn.callback import CallbackContext, CallbackSupportMixin
    from sklearn.callback import with_callbacks as _with_callbacks
except ImportError:  # scikit-learn < 1.9 has no callbacks, and so none are ever set
    CallbackContext = Any

    class CallbackSupportMixin:
        """Stands for scikit-learn's."""

    def _with_callbacks(method: Callable[..., Any]) -> Callable[..., Any]:
        """Return the method as it is."""
        return method


# Weights that are all zero are allowed in some calls; scikit-learn 1.9 would refuse.
_MAY_BE_ZERO = "allow_all_zero_weights"
_ALL_WEIGHTS = dict.fromkeys(
    {_MAY_BE_ZERO} & inspect.signature(_check_sample_weight).parameters.keys(), True
)

# Attributes that have no effect on results, or that differ between processes.
_WITHOUT_EFFECT = ("n_jobs", "verbose", "_sklearn_deepnet_version", "_stop_words_id")


# Valid values of the parameters of a class, by name. They are compared by identity,
# since 1, 1.0 and True are equal, and their types are immutable.
_VALID: WeakKeyDictionary[type, dict[str, Any]] = WeakKeyDictionary()
_UNCHANGING = (type(None), bool, int, float, str)
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def with_callbacks(method: Method) -> Method:
    """Decorate a ``fit`` as scikit-learn does, and keep its type."""
    return cast(Method, _with_callbacks(method))


def available_if(check: Callable[[Any], bool]) -> Callable[[Method], Method]:
    """Return scikit-learn's decorator of this name, which here keeps types."""
    return cast(Callable[[Method], Method], _available_if(check))


def validate_params(estimator: Any) -> None:
    """Check the parameters against `_parameter_constraints`, or raise a ValueError.

    Values such as defaults that were checked for another estimator of the class are not
    checked again.
    """
    cls = type(estimator)
    valid, unchecked = _VALID.setdefault(cls, {}), {}
    for name, value in all_params(estimator).items():
        if name not in valid or valid[name] is not value:
            unchecked[name] = value
    constraints = estimator._parameter_constraints
    validate_parameter_constraints(constraints, unchecked, caller_name=cls.__name__)
    valid.update({k: it for k, it in unchecked.items() if type(it) in _UNCHANGING})


class ParamNamesMixin:
    """Reads the signature of a class once, and adds the settings of components."""

    @classmethod
    def _get_param_names(cls) -> list[str]:
        # Read once for each class, since a search asks for each of its estimators
        return [*_names_of(cls, cls.__init__)]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters of this estimator.

        Parameters
        ----------
        deep : bool, default=True
            Whether to include the parameters of nested estimators, such as
            ``estimator__n_iter``, and the settings of components, such as
            ``solver__beta1`` for ``solver=Adam()``.

        Returns
        -------
        params : dict
            Values by name.
        """
        params: dict[str, Any] = super().get_params(deep)
        for name in self._get_param_names() if deep else ():
            for setting, value in settings_of(params.get(name)).items():
                params[f"{name}__{setting}"] = value
        return params


@lru_cache(maxsize=64)
def _names_of(cls: type[Any], init: Callable[..., None]) -> tuple[str, ...]:
    return tuple(super(ParamNamesMixin, cls)._get_param_names())


@lru_cache(maxsize=64)
def parameter_defaults(cls: type[Any]) -> dict[str, Any]:
    """Return the defaults of the parameters of a class and of its base classes."""
    defaults: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        if "__init__" in vars(base):
            _, *parameters = inspect.signature(base.__init__).parameters.values()
            named = [it for it in parameters if it.kind not in _VARIADIC]
            defaults |= {it.name: it.default for it in named}
    return defaults


def all_params(estimator: Any) -> dict[str, Any]:
    """Return ``get_params(deep=False)``, and the parameters of the base classes.

    The ``__init__`` of a subclass may have fewer parameters than its base class. The
    others are then plain attributes, which ``get_params`` does not return.
    """
    params = estimator.get_params(deep=False)
    for name in parameter_defaults(type(estimator)):
        if name not in params and hasattr(estimator, name):
            params[name] = getattr(estimator, name)
    return params


def set_all_params(estimator: Any, **params: Any) -> None:
    """Set parameters in place, also those that only the base classes have."""
    inherited = parameter_defaults(type(estimator)).keys() - {
        *type(estimator)._get_param_names()
    }
    own = {name: value for name, value in params.items() if name not in inherited}
    estimator.set_params(**own)
    for name in params.keys() & inherited:
        setattr(estimator, name, params[name])


def check_sample_weight(sample_weight: Any, X: Any) -> Any:
    """Return the weights as an array of float64 with one entry for each row of X."""
    return _check_sample_weight(sample_weight, X, dtype=np.float64, **_ALL_WEIGHTS)


def has_own_fit(pipeline: Pipeline) -> bool:
    """Return whether a subclass of `Pipeline` overrides how its steps are fitted."""
    cls = type(pipeline)
    return cls.fit is not Pipeline.fit or cls._fit is not Pipeline._fit


def has_callbacks(estimator: Any) -> bool:
    """Return whether `estimator` has callbacks of scikit-learn."""
    return hasattr(estimator, "_skl_callbacks")


def calls_callbacks(context: CallbackContext | None) -> bool:
    """Return whether a context, or None, belongs to a search that has callbacks."""
    return bool(getattr(context, "_callbacks", ()))


def passes_callbacks_on(context: CallbackContext | None) -> bool:
    """Return whether callbacks of a search reach the estimators that it fits."""
    depths = (
        getattr(callback, "max_propagation_depth", 0)
        for callback in getattr(context, "_callbacks", ())
    )
    return any(it is None or context._propagation_depth < it for it in depths)


def remove_callbacks(estimator: Any) -> None:
    """Remove the callbacks of `estimator`, in place."""
    vars(estimator).pop("_skl_callbacks", None)


def open_callback_context(estimator: Any, n_tasks: int) -> CallbackContext:
    """Set up the callbacks of `estimator` for a fit of `n_tasks` tasks."""
    return estimator._init_callback_context(max_subtasks=n_tasks)


def state_of_results(state: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a pickled state on which results may depend.

    scikit-learn's own callbacks have no effect on results, and their state differs
    between processes.
    """
    state = {name: it for name, it in state.items() if name not in _WITHOUT_EFFECT}
    callbacks = state.pop("_skl_callbacks", [])
    users = [it for it in callbacks if not type(it).__module__.startswith("sklearn.")]
    if users:
        state["_skl_callbacks"] = users
    return state


# Where `docs/` is published, with a slash at the end. Empty until it is.
DOCUMENTATION = ""


class DocLinkMixin:
    """Links the HTML representation of an estimator to its documentation, if any."""

    @property
    def _doc_link_module(self) -> str:
        return "sklearn_deepnet" if DOCUMENTATION else ""  # which is no module

    @property
    def _doc_link_template(self) -> str:
        return DOCUMENTATION + "api/generated/sklearn_deepnet.{estimator_name}.html"


class _SummarizedTable(UserDict):
    """scikit-learn's table of fitted attributes, below a summary."""

    def __init__(self, summary: str, table: Any) -> None:
        super().__init__(table)
        self._summary, self._table = summary, table

    def _repr_html_inner(self) -> str:
        return self._summary + self._table._repr_html_inner()


class HTMLSummaryMixin:
    """Shows `_html_summary()` above the fitted attributes, from scikit-learn 1.9.

    Older versions do not show fitted attributes and do not call this method.
    """

    def _get_fitted_attr_html(self, doc_link: str = "") -> Any:
        table = super()._get_fitted_attr_html(doc_link)
        # It is also asked for an unfitted estimator within a fitted one.
        return _SummarizedTable(self._html_summary(), table) if table else table

    def _get_params_html(self, deep: bool = True, *args: Any, **options: Any) -> Any:
        # Without settings such as ``solver__beta1``, which `solver` shows already
        return super()._get_params_html(False, *args, **options)


def split_bagging(
    function: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]
) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Return the arguments of calls that each fit one estimator of a bagging.

    Bagging fits several estimators in one call for each of its jobs. Calls of other
    functions are returned unchanged.
    """
    # Imported here, since it imports trees and neighbors, which takes long
    from sklearn.ensemble._bagging import _parallel_build_estimators

    if function is not _parallel_build_estimators:
        return [(args, options)]
    call = inspect.signature(function).bind(*args, **options)
    seeds = call.arguments["seeds"]
    calls = []
    for k in range(len(seeds)):
        call.arguments |= {"n_estimators": 1, "seeds": seeds[k : k + 1]}
        calls.append((call.args, call.kwargs))
    return calls


# Since scikit-learn 1.9, the seed of a `TargetEncoder` is that of its cv splitter.
_TARGET_ENCODER = inspect.signature(TargetEncoder).parameters
_HAS_SEED = _TARGET_ENCODER["random_state"].default is None
_N_FOLDS = 5


def make_target_encoder(
    target_type: str, random_state: int, y: ArrayLike
) -> TargetEncoder:
    """Return a `TargetEncoder` whose five folds are drawn with `random_state`.

    The folds are stratified by the classes of `y`, unless `target_type` is "continuous"
    or a class has fewer rows than there are folds, which scikit-learn does not support.
    Before scikit-learn 1.9 they are always stratified.
    """
    if _HAS_SEED:
        return TargetEncoder(target_type=target_type, random_state=random_state)
    counts = Counter(np.ravel(y).tolist()).values()
    is_stratified = target_type != "continuous" and min(counts, default=0) >= _N_FOLDS
    splitter = StratifiedKFold if is_stratified else KFold
    cv = splitter(_N_FOLDS, shuffle=True, random_state=random_state)
    return TargetEncoder(target_type=target_type, cv=cv)


# fmt: off
__all__ = [
    "BaseSearchCV", "CallbackContext", "CallbackSupportMixin", "DocLinkMixin",
    "HTMLSummaryMixin", "HalvingGridSearchCV", "HalvingRandomSearchCV", "HasMethods",
    "Interval", "Options", "ParamNamesMixin", "StrOptions", "all_params",
    "approximate_mode", "calls_callbacks", "check_method_params", "check_sample_weight",
    "fit_and_score", "has_callbacks", "has_own_fit", "make_target_encoder",
    "open_callback_context", "parameter_defaults", "passes_callbacks_on",
    "remove_callbacks", "safe_indexing", "set_all_params", "split_bagging",
    "state_of_results", "validate_params", "with_callbacks",
]
# fmt: on
