"""Names of parameters in other libraries, and the names that they have here.

Python and scikit-learn would only say that such a name is unknown.
"""

import functools
import inspect
from collections.abc import Mapping
from dataclasses import replace
from numbers import Integral
from types import MappingProxyType
from typing import Any, Self, cast

from .._utils.lookup import settings_of, suggest
from .._utils.sklearn_compat import ParamNamesMixin
from .._utils.typing import Method

_OPTIMIZERS = "sklearn_deepnet.nn.optimizers"
_N_ITER = "The number of epochs is called n_iter here. Write n_iter={value}."
_LEARNING_RATE = (
    "The step size is called learning_rate here. Write learning_rate={value}."
)

# All parameters of scikit-learn's networks that have another name here or do not exist,
# followed by names of PyTorch and Keras. `{value}` is the given value.
NAMES_ELSEWHERE = MappingProxyType(
    {
        "max_iter": _N_ITER,
        "learning_rate_init": _LEARNING_RATE,
        "power_t": (
            "It is a setting of the schedule here. Write schedule=InvScaling("
            "power={value}), from sklearn_deepnet.nn.schedules."
        ),
        "momentum": (
            "It is a setting of the solver here. Write solver=Nesterov(momentum="
            "{value}), or solver=Momentum(momentum={value}) for momentum without "
            f"Nesterov's, from {_OPTIMIZERS}."
        ),
        "nesterovs_momentum": (
            "It is a separate solver here. Write solver='nesterov' for True, or "
            "solver='momentum' for False."
        ),
        "beta_1": (
            "It is a setting of the solver here. Write solver=Adam(beta1={value}), "
            f"from {_OPTIMIZERS}."
        ),
        "beta_2": (
            "It is a setting of the solver here. Write solver=Adam(beta2={value}), "
            f"from {_OPTIMIZERS}."
        ),
        "epsilon": (
            "It is a setting of the solver here. Write solver=Adam(epsilon={value}), "
            f"from {_OPTIMIZERS}."
        ),
        "max_fun": (
            "solver='lbfgs' does not limit the number of function calls here. Use "
            "n_iter to limit the number of iterations."
        ),
        "epochs": _N_ITER,
        "max_epochs": _N_ITER,
        "lr": _LEARNING_RATE,
        "optimizer": "It is called solver here, for example solver='adam'.",
        "criterion": "It is called loss here.",
        "weight_decay": "The L2 penalty is called alpha here, for example alpha=0.01.",
    }
)

# All parameters of scikit-learn's bagging that ensembles and networks do not have.
NAMES_OF_BAGGING = MappingProxyType(
    {
        "base_estimator": "It is called estimator here. Write estimator={value}.",
        "max_samples": (
            "Each member is trained on all samples, or with bootstrap=True on the same "
            "number of samples, drawn with replacement."
        ),
        "max_features": "Each member is trained on all features.",
        "bootstrap_features": "Each member is trained on all features.",
        "oob_score": (
            "Ensembles do not compute an out-of-bag score. Use cross_val_score instead."
        ),
    }
)


def explains_names(init: Method) -> Method:
    """Decorate the ``__init__`` of an estimator to explain names that it lacks.

    The signature that scikit-learn inspects stays that of `init`.
    """
    parameters = inspect.signature(init).parameters
    names = frozenset(parameters) - {"self"}
    by_position = [
        name
        for name, it in parameters.items()
        if it.kind is it.POSITIONAL_OR_KEYWORD and name in names
    ]

    @functools.wraps(init)
    def explaining(self: Any, *args: Any, **kwargs: Any) -> None:
        if len(args) > len(by_position):
            raise TypeError(
                f"{type(self).__name__} accepts only {', '.join(by_position)} as a "
                "positional argument. Got "
                f"{len(args)} positional arguments; give all others by name."
            )
        if not names.issuperset(kwargs):
            unknown = {name: kwargs[name] for name in kwargs if name not in names}
            raise TypeError(_explain(self, unknown, sorted(names)))
        init(self, *args, **kwargs)

    return cast(Method, explaining)


class ParameterNamesMixin(ParamNamesMixin):
    """Explains names that ``set_params`` does not know, before any is set."""

    _names_elsewhere: Mapping[str, str] = NAMES_ELSEWHERE

    def set_params(self, **params: Any) -> Self:
        """Set the parameters of this estimator, or of nested estimators and components.

        Parameters
        ----------
        **params : dict
            Parameters by name. For example, ``estimator__n_iter`` sets `n_iter` of
            `estimator`, and ``solver__beta1`` replaces the optimizer `solver` by one
            with another `beta1`.

        Returns
        -------
        self : estimator
            The estimator itself.

        Raises
        ------
        ValueError
            If a name is unknown, or if a component does not allow the value of a
            setting. The estimator is left unchanged.
        """
        names = frozenset(self._get_param_names())
        unknown = {
            name: value
            for name, value in params.items()
            if name.partition("__")[0] not in names
        }
        if unknown:
            raise ValueError(_explain(self, unknown, sorted(names)))
        changes: dict[str, dict[str, Any]] = {}
        for name in params:
            own, is_nested, setting = name.partition("__")
            component = params[own] if own in params else getattr(self, own)
            if not is_nested or hasattr(component, "set_params"):
                continue
            known = settings_of(component)
            if not known:
                raise ValueError(
                    f"{name} cannot be set, since {own}={component!r} has no "
                    f"parameters. {self._advise_on_nested(own)}."
                )
            if setting not in known:
                advice = suggest(setting, known) or f" Its settings are {[*known]}."
                raise ValueError(
                    f"{name} cannot be set, since {own}={component!r} has no setting "
                    f"{setting!r}.{advice}"
                )
            changes.setdefault(own, {})[setting] = params[name]
        # Components are immutable, and may belong to several estimators.
        for own, settings in changes.items():
            component = params[own] if own in params else getattr(self, own)
            params[own] = replace(component, **settings)
            for setting in settings:
                del params[f"{own}__{setting}"]
        return super().set_params(**params)

    def _advise_on_nested(self, name: str) -> str:
        """Return advice for a nested name, where the value of `name` has no names."""
        return f"Set {name} to an object that has the settings that you want"

    def _explain_name(self, name: str, value: Any, names: list[str]) -> str:
        """Return advice on an unknown name, or "" if there is none."""
        if name in self._names_elsewhere:
            return " " + self._names_elsewhere[name].format(value=repr(value))
        return suggest(name, names)


class EnsembleNamesMixin(ParameterNamesMixin):
    """Explains names of scikit-learn's bagging, and parameters of the network."""

    _names_elsewhere = MappingProxyType({**NAMES_ELSEWHERE, **NAMES_OF_BAGGING})
    _member: type[Any]

    def _advise_on_nested(self, name: str) -> str:
        return f"First set {name}={type(self).__name__}.recipe()"

    def _explain_name(self, name: str, value: Any, names: list[str]) -> str:
        recipe = f"{type(self).__name__}.recipe"
        if name in self._member().get_params():
            return (
                f" It is a parameter of the network. Write estimator={recipe}({name}="
                f"{value!r}), or estimator__{name} in a search."
            )
        known = super()._explain_name(name, value, names)
        if name in NAMES_ELSEWHERE:
            return f" It is a parameter of the network, estimator={recipe}(...).{known}"
        return known

    def _check_is_no_size(self, estimator: Any) -> None:
        """Raise if the sizes of hidden layers were given in place of a network."""
        if isinstance(estimator, Integral | tuple | list):
            raise ValueError(
                f"estimator must be a network or None. Got {estimator!r} instead. To "
                f"set the hidden layers, write estimator={type(self).__name__}.recipe("
                f"hidden_layer_sizes={estimator!r})."
            )


def _explain(
    estimator: ParameterNamesMixin, unknown: dict[str, Any], names: list[str]
) -> str:
    """Return a message about all unknown names."""
    sentences, cls = [], type(estimator).__name__
    for name, value in unknown.items():
        advice = estimator._explain_name(name, value, names)
        advice = advice or f" Its parameters are {names}."
        sentences.append(f"{cls} has no parameter {name!r}.{advice}")
    return " ".join(sentences)
