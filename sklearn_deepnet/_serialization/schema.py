"""The attributes of a fitted estimator that a file contains, and checks of these.

The table `ATTRIBUTES` lists the attributes that are written, each with a check of the
value that is read. Nothing else is read from a file. The checks ensure that even a
malicious file cannot create a model that fails, or never returns, when it predicts or
trains.
"""

from collections.abc import Callable
from dataclasses import Field, fields
from numbers import Real
from operator import index
from types import MappingProxyType
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, is_classifier

from .._engine import Ending, TrainingState, count_frequencies, count_params
from .._utils.sklearn_compat import all_params
from ..nn.activations import ACTIVATIONS
from ..nn.optimizers import SOLVERS
from .encoding import Encoder, NotEncodable, check_generator, decode

FORMAT = 1  # becomes 2 when an older version would misread new files
_STATE_KEYS = {"solver", "monitored", "split_seed", "last_params", "state"}
_ENDINGS = get_args(Ending)
_IN_STATE = {it.name: it for it in fields(TrainingState) if it.metadata["saved"]}
_N_MOMENTS = {solver.__name__: solver.n_moments for solver in SOLVERS.values()}


def encode_params(
    estimator: BaseEstimator, encoder: Encoder, name: str = ""
) -> tuple[dict[str, Any], list[str]]:
    """Return the parameters as JSON, and the names of parameters that are code."""
    encoded, unsaved = {}, []
    for key, value in all_params(estimator).items():
        try:
            encoded[key] = encoder.encode(value, f"{name}{key}")
        except NotEncodable:
            unsaved.append(key)
    return encoded, unsaved


def encode_attributes(network: Any, encoder: Encoder, name: str = "") -> dict[str, Any]:
    """Return the fitted attributes of a network as JSON.

    Activations that are code are left out. A value that could not be read again raises
    an error now, while the model still exists.

    Raises
    ------
    ValueError
        If an attribute cannot be written to a file.
    """
    encoded = {}
    for key in _names_for(network):
        if not hasattr(network, key):
            continue
        value = getattr(network, key)
        try:
            encoded[key] = encoder.encode(value, f"{name}{key}")
        except NotEncodable:
            is_valid = key == "_activations"
        else:
            is_valid = _is_valid(key, value, network)
        if not is_valid:
            raise ValueError(
                f"{key} is {value!r:.200}, which cannot be saved in a model file. "
                "Model files contain numbers, bools and strings; use joblib.dump "
                "instead."
            )
    return encoded


def restore_attributes(
    network: Any,
    encoded: Any,
    arrays: dict[str, NDArray[Any]],
    lacking: tuple[str, ...] = (),
) -> None:
    """Set in place the attributes that `encode_attributes` returned.

    Parameters
    ----------
    network : estimator
        An unfitted network of the right class.
    encoded : JSON value
        The value in the file.
    arrays : dict of str to ndarray
        Arrays of the file. Arrays that are used are removed.
    lacking : tuple of str, default=()
        Attributes that may be missing, in addition to the optional ones.

    Raises
    ------
    ValueError
        If an attribute is missing, unknown or invalid. Some attributes may have been
        set.
    """
    if not isinstance(encoded, dict):
        raise ValueError("its fitted attributes are missing")
    names = _names_for(network)
    unknown = sorted(encoded.keys() - {*names})
    missing = sorted({*names} - encoded.keys() - _OPTIONAL - {*lacking})
    if unknown or missing:
        raise ValueError(
            f"attributes of the network are unknown ({unknown!r:.80}) or missing "
            f"({missing!r:.80})"
        )
    for name in names:
        if name in encoded:
            restore_attribute(network, name, encoded[name], arrays)


def restore_attribute(
    estimator: Any, name: str, encoded: Any, arrays: dict[str, NDArray[Any]]
) -> None:
    """Set one attribute in place, or raise a ValueError."""
    value = decode(encoded, arrays)
    if not _is_valid(name, value, estimator):
        raise ValueError(f"its {name} is invalid")
    setattr(estimator, name, value)


def _is_valid(name: str, value: Any, estimator: Any) -> bool:
    try:
        return bool(ATTRIBUTES[name](value, estimator))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return False


def _names_for(network: Any) -> list[str]:
    excluded = _REGRESSOR_ONLY if is_classifier(network) else _CLASSIFIER_ONLY
    return [name for name in ATTRIBUTES if name not in excluded]


# Checks of attributes. A check may rely on attributes further up in the table.


def _is_count(value: Any, least: int = 0) -> bool:
    return type(value) is int and least <= value < 2**62


def _is_array(value: Any, kinds: str, shape: tuple[int, ...]) -> bool:
    is_array = isinstance(value, np.ndarray)
    return is_array and value.dtype.kind in kinds and value.shape == shape


def _are_feature_names(value: Any, network: Any) -> bool:
    is_array = _is_array(value, "O", (network.n_features_in_,))
    return is_array and all(type(name) is str for name in value)


def _are_layer_sizes(value: Any, network: Any) -> bool:
    is_list = isinstance(value, list) and all(_is_count(n, 1) for n in value)
    # The inputs of the first layer are the columns and, for each, equally many
    # features.
    n_columns = network.n_features_in_
    return is_list and len(value) >= 2 and value[0] > 0 == value[0] % n_columns


def _are_activations(value: Any, network: Any) -> bool:
    n_hidden = network.n_layers_ - 2
    is_list = isinstance(value, list) and len(value) == n_hidden
    return is_list and all(type(it) is str and it in ACTIVATIONS for it in value)


def _is_out_activation(value: Any, network: Any) -> bool:
    if type(value) is not str:
        return False
    if not is_classifier(network):
        return value in ("identity", "exponential")
    return value in ("logistic", "softmax")


def _are_params(value: Any, network: Any) -> bool:
    layer_sizes = network._layer_sizes
    n_frequencies = count_frequencies(layer_sizes, network.n_features_in_)
    n_params = count_params(layer_sizes, n_frequencies)
    is_vector = _is_array(value, "f", (n_params,)) and value.itemsize in (4, 8)
    return is_vector and bool(np.isfinite(value).all())


def _are_classes(value: Any, network: Any) -> bool:
    is_vector = isinstance(value, np.ndarray) and value.ndim == 1
    if not is_vector or not all(map(_is_label, value.tolist())):
        return False
    is_binary = network.out_activation_ == "logistic" and network.n_outputs_ == 1
    return len(value) == network.n_outputs_ or (is_binary and len(value) == 2)


def _is_label(value: Any) -> bool:
    is_text = isinstance(value, str | np.bool_)
    return is_text or (isinstance(value, Real) and bool(np.isfinite(value)))


def _are_quantiles(value: Any, network: Any) -> bool:
    if value is None:
        return True
    is_list = isinstance(value, list) and all(type(q) is float for q in value)
    is_rising = is_list and (np.diff([0.0, *value, 1.0]) > 0).all()
    return bool(is_rising) and len(value) in (1, network.n_outputs_)


def _count_targets(network: Any) -> int:
    """Return the number of columns of y, of which several quantiles have only one."""
    has_several = len(vars(network).get("_quantiles") or ()) > 1
    return 1 if has_several else network.n_outputs_


def _are_per_target(value: Any, network: Any) -> bool:
    is_vector = _is_array(value, "f", (_count_targets(network),))
    return is_vector and bool(np.isfinite(value).all())


def _is_curve(value: Any, network: Any) -> bool:
    return isinstance(value, list) and all(type(x) is float for x in value)


def _is_optional_curve(value: Any, network: Any) -> bool:
    if value is None:
        return True
    return _is_curve(value, network) and len(value) == len(network.loss_curve_)


def _is_best_iter(value: Any, network: Any) -> bool:
    return value is None or (_is_count(value) and value < network.n_iter_)


def _is_training_state(value: Any, network: Any) -> bool:
    if value is None:
        return True
    if not isinstance(value, dict) or value.keys() != _STATE_KEYS:
        return False
    seed, last, state = value["split_seed"], value["last_params"], value["state"]
    return (
        type(value["solver"]) is str
        and type(value["monitored"]) is str
        and (seed is None or (_is_count(seed) and seed < 2**31))
        and (last is None or _is_like_params(last, network, finite=True))
        and isinstance(state, dict)
        and state.keys() == _IN_STATE.keys()
        and _is_state(state, value["solver"], network)
    )


def _is_state(state: dict[str, Any], solver: str, network: Any) -> bool:
    generators, moments = state["generators"], state["moments"]
    if not (isinstance(generators, list) and len(generators) == 1):
        return False
    check_generator(generators[0])
    return (
        isinstance(moments, list)
        and len(moments) == _N_MOMENTS.get(solver, len(moments))
        and all(_is_like_params(moment, network) for moment in moments)
        and all(
            _is_in_state(state[name], declared, network)
            for name, declared in _IN_STATE.items()
            if name not in ("generators", "moments", "schedule_states")
        )
        and _are_schedule_states(state["schedule_states"])
    )


def _are_schedule_states(value: Any) -> bool:
    (state,) = value
    is_dict = isinstance(value, list) and isinstance(state, dict)
    return is_dict and all(type(number) in (int, float) for number in state.values())


def _is_in_state(value: Any, declared: Field[Any], network: Any) -> bool:
    if not declared.metadata["per_network"]:
        return _is_count(index(value))  # the horizon may be an integer of NumPy
    if declared.default is None:
        return value is None or _is_like_params(value, network, finite=True)
    initial = np.array(declared.metadata["initial"])
    return _is_array(value, initial.dtype.kind, initial.shape)


def _is_like_params(value: Any, network: Any, finite: bool = False) -> bool:
    params = network._params
    is_like = _is_array(value, "f", params.shape) and value.dtype == params.dtype
    return is_like and (not finite or bool(np.isfinite(value).all()))


def _is_input_scaling(value: Any, network: Any) -> bool:
    if value is None:
        return True
    shape = (network.n_features_in_,)
    return (
        isinstance(value, dict)
        and value.keys() == {"kind", "mean", "scale", "seen"}
        and value["kind"] in ("standard", "robust")
        and all(_is_array(value[key], "f", shape) for key in ("mean", "scale"))
        and bool(np.isfinite(value["mean"]).all())
        and bool((np.isfinite(value["scale"]) & (value["scale"] > 0)).all())
        and _is_seen(value["seen"], *shape)
    )


def _is_seen(value: Any, n_columns: int) -> bool:
    if value is None:
        return True
    is_finite = _is_array(value, "f", (3, n_columns)) and np.isfinite(value).all()
    return bool(is_finite and (value[[0, 2]] >= 0).all())


ATTRIBUTES: MappingProxyType[str, Callable[[Any, Any], bool]] = MappingProxyType(
    {
        "n_features_in_": lambda n, _: _is_count(n, 1),
        "feature_names_in_": _are_feature_names,
        "_layer_sizes": _are_layer_sizes,
        "_activations": _are_activations,
        "_input_scaling": _is_input_scaling,
        "out_activation_": _is_out_activation,
        "_params": _are_params,
        "classes_": _are_classes,
        "_quantiles": _are_quantiles,
        "target_mean_": _are_per_target,
        "target_scale_": lambda it, net: _are_per_target(it, net) and (it > 0).all(),
        "_target_seen": lambda it, net: _is_seen(it, _count_targets(net)),
        "_takes_1d": lambda it, net: (
            it is False or (it is True and net.n_outputs_ == 1)
        ),
        "loss_curve_": _is_curve,
        "validation_loss_curve_": _is_optional_curve,
        "validation_scores_": _is_optional_curve,
        "best_iter_": _is_best_iter,
        "_ended_by": lambda it, _: type(it) is str and it in _ENDINGS,
        "_training_state": _is_training_state,
    }
)
_CLASSIFIER_ONLY = {"classes_"}
_OF_TARGETS = {"target_mean_", "target_scale_", "_target_seen"}
_REGRESSOR_ONLY = _OF_TARGETS | {"_quantiles", "_takes_1d"}
# Feature names are not always known. Files of earlier versions lack the others.
_OPTIONAL = {"feature_names_in_", "_input_scaling", "_target_seen", "_quantiles"}
