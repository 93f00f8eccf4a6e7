"""Names of parameters that other libraries use, and what each is called here.

Python and scikit-learn alone would say that a name is unknown, and no more.
"""

import functools
import inspect
from collections.abc import Mapping
from numbers import Integral
from types import MappingProxyType
from typing import Any, Self, cast

from .._utils.lookup import suggest
from .._utils.sklearn_compat import ParamNamesMixin
from .._utils.typing import Method

_OPTIMIZERS = "sklearn_deepnet.nn.optimizers"

# Every parameter of scikit-learn's networks that has another name here, or none; then
# names that PyTorch and Keras use. `{value}` is the value that was given.
NAMES_ELSEWHERE = MappingProxyType(
    {
        "max_iter": "The number of epochs is n_iter here: write n_iter={value}.",
        "learning_rate_init": (
            "The step size is learning_rate here: write learning_rate={value}."
        ),
        "power_t": (
            "It is a setting of the schedule here: write schedule=InvScaling("
            "power={value}), from sklearn_deepnet.nn.schedules."
        ),
        "momentum": (
            "It is a setting of the solver here: write solver=Nesterov(momentum="
            "{value}), or solver=Momentum(momentum={value}) without Nesterov's, from "
            f"{_OPTIMIZERS}."
        ),
        "nesterovs_momentum": (
            "It is a solver of its own here: write solver='nesterov' for True, "
            "solver='momentum' for False."
        ),
        "beta_1": (
            "It is a setting of the solver here: write solver=Adam(beta1={value}), "
            f"from {_OPTIMIZERS}."
        ),
        "beta_2": (
            "It is a setting of the solver here: write solver=Adam(beta2={value}), "
            f"from {_OPTIMIZERS}."
        ),
        "epsilon": (
            "It is a setting of the solver here: write solver=Adam(epsilon={value}), "
            f"from {_OPTIMIZERS}."
        ),
        "max_fun": (
            "solver='lbfgs' has no limit of evaluations here; n_iter limits its "
            "iterations."
        ),
        "epochs": "The number of epochs is n_iter here: write n_iter={value}.",
        "max_epochs": "The number of epochs is n_iter here: write n_iter={value}.",
        "lr": "The step size is learning_rate here: write learning_rate={value}.",
        "optimizer": "It is called solver here.",
        "criterion": "It is called loss here.",
        "weight_decay": "The L2 penalty is alpha here.",
    }
)

# Every parameter of scikit-learn's bagging that ensembles and networks do not have.
NAMES_OF_BAGGING = MappingProxyType(
    {
        "base_estimator": "It is called estimator here: write estimator={value}.",
        "max_samples": (
            "Each member is trained on all samples, or with bootstrap=True on as many "
            "drawn with replacement."
        ),
        "max_features": "Each member is trained on all features.",
        "bootstrap_features": "Each member is trained on all features.",
        "oob_score": (
            "There is no score of the samples that were not drawn; use cross_val_score."
        ),
    }
)


@functools.lru_cache(maxsize=64)  # a search sets parameters for each candidate and fold
def _parameter_names(cls: type[Any]) -> frozenset[str]:
    return frozenset(inspect.signature(cls).parameters)


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
                f"{type(self).__name__} takes {', '.join(by_position)} by position, "
                f"and all else by name. Got {len(args)} values by position."
            )
        if not names.issuperset(kwargs):
            unknown = {name: kwargs[name] for name in kwargs if name not in names}
            raise TypeError(_explain(self, unknown, sorted(names)))
        init(self, *args, **kwargs)

    return cast(Method, explaining)


class ParameterNamesMixin(ParamNamesMixin):
    """Explains names that ``set_params`` does not know, before it sets any other."""

    _names_elsewhere: Mapping[str, str] = NAMES_ELSEWHERE

    def set_params(self, **params: Any) -> Self:
        """Set parameters, also those of a nested estimator.

        Parameters
        ----------
        **params : dict
            Values by name; ``estimator__n_iter`` is `n_iter` of `estimator`.

        Returns
        -------
        self : estimator
            The estimator.

        Raises
        ------
        ValueError
            If a name is unknown. The estimator is then unchanged.
        """
        names = _parameter_names(type(self))
        unknown = {
            name: value
            for name, value in params.items()
            if name.partition("__")[0] not in names
        }
        if unknown:
            raise ValueError(_explain(self, unknown, sorted(names)))
        for name in params:
            own, is_nested, _ = name.partition("__")
            if not is_nested:
                continue
            value = params[own] if own in params else getattr(self, own)
            if not hasattr(value, "set_params"):
                raise ValueError(
                    f"{name} cannot be set, since {own}={value!r} has no parameters; "
                    f"give {self._object_to_give(own)}."
                )
        return super().set_params(**params)

    def _object_to_give(self, name: str) -> str:
        """Return what has the parameters that are to be set of the value of `name`."""
        return f"{name} as an object with the settings that you want"

    def _explain_name(self, name: str, value: Any, names: list[str]) -> str:
        """Return what to write in place of an unknown name; "" if nothing is known."""
        if name in self._names_elsewhere:
            return " " + self._names_elsewhere[name].format(value=repr(value))
        return suggest(name, names)


class EnsembleNamesMixin(ParameterNamesMixin):
    """Explains names of scikit-learn's bagging, and names that the network has."""

    _names_elsewhere = MappingProxyType({**NAMES_ELSEWHERE, **NAMES_OF_BAGGING})
    _member: type[Any]

    def _object_to_give(self, name: str) -> str:
        return f"{name}={type(self).__name__}.recipe()"

    def _explain_name(self, name: str, value: Any, names: list[str]) -> str:
        recipe = f"{type(self).__name__}.recipe"
        if name in self._member().get_params():
            return (
                f" It belongs to the network: write estimator={recipe}({name}="
                f"{value!r}), or estimator__{name} in a search."
            )
        known = super()._explain_name(name, value, names)
        if name in NAMES_ELSEWHERE:
            return f" It belongs to the network, estimator={recipe}(...).{known}"
        return known

    def _check_is_no_size(self, estimator: Any) -> None:
        """Raise if the sizes of hidden layers were given in place of a network."""
        if isinstance(estimator, Integral | tuple | list):
            raise ValueError(
                f"estimator is {estimator!r}, but has to be a network; for hidden "
                f"layers write estimator={type(self).__name__}.recipe("
                f"hidden_layer_sizes={estimator!r})."
            )


def _explain(
    estimator: ParameterNamesMixin, unknown: dict[str, Any], names: list[str]
) -> str:
    """Return a message on all unknown names."""
    sentences, cls = [], type(estimator).__name__
    for name, value in unknown.items():
        advice = estimator._explain_name(name, value, names)
        advice = advice or f" Its parameters are {names}."
        sentences.append(f"{cls} has no parameter {name!r}.{advice}")
    return " ".join(sentences)
