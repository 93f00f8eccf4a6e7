"""Checks of layers, networks and their derivatives, in the terms of the course."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ..._utils.typing import BoolArray, FloatArray
from ..activations import Activation
from ..initializers import is_scheme
from ._activations import look_up_activation
from ._arrays import as_numbers, check_array, check_count, check_shape

Parameters: TypeAlias = dict[str, FloatArray]
Layers: TypeAlias = Sequence[int] | Sequence[Mapping[str, Any]]


class Cache(NamedTuple):
    """Values that a layer saves in forward propagation, for backward propagation.

    Parameters
    ----------
    A_prev : ndarray of shape (n_inputs, m)
        Output of the layer before.
    W : ndarray of shape (n_units, n_inputs)
        Weights.
    b : ndarray of shape (n_units, 1)
        Biases.
    Z : ndarray of shape (n_units, m)
        :math:`W A + b`.
    activation : str
        Name of the function that was applied to Z.
    D : ndarray of bool of shape (n_units, m) or None, default=None
        The mask of dropout: which outputs of this layer were kept.
    keep_prob : float, default=1.0
        What the kept outputs were divided by.
    """

    A_prev: FloatArray
    W: FloatArray
    b: FloatArray
    Z: FloatArray
    activation: str
    D: BoolArray | None = None
    keep_prob: float = 1.0


# ---- layers


def check_layer(
    A_prev: Any, W: Any, b: Any
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the inputs, weights and biases of a layer, whose shapes fit."""
    W, b = _check_weights("W", W, "b", b)
    return _check_inputs("A_prev", A_prev, "W", W), W, b


def _check_weights(
    W_name: str, W: Any, b_name: str, b: Any
) -> tuple[FloatArray, FloatArray]:
    W, b = check_array(W_name, W), as_numbers(b_name, b)
    n_units, n_inputs = W.shape
    if b.size == n_inputs != n_units:
        raise ValueError(
            f"{W_name} has the shape {W.shape}, {b_name} {b.shape}: one row of "
            f"{W_name} is one unit; give {W_name}.T."
        )
    because = "one row is one unit"
    return W, check_shape(b_name, b, (n_units, 1), W_name, W.shape, because)


def _check_inputs(name: str, value: Any, W_name: str, W: FloatArray) -> FloatArray:
    inputs = as_numbers(name, value)
    return check_shape(name, inputs, (W.shape[1], None), W_name, W.shape)


def check_activation(activation: Any) -> None:
    if not isinstance(activation, str | Activation):
        raise ValueError(
            f"activation must be a name, such as 'relu'. Got {activation!r} instead."
        )
    look_up_activation(activation)


def layer_sizes(layers: Any) -> list[int]:
    """Return the numbers of inputs, units of each hidden layer, and outputs."""
    layers = _as_list(layers)
    if not _are_dictionaries(layers):
        return [check_count("A size in layers", size, 1) for size in layers]
    sizes = []
    for number, layer in enumerate(layers, start=1):
        for key in ("input_dim", "output_dim"):
            size = _entry(layer, key, number)
            sizes.append(check_count(f"{key} of layer {number}", size, 1))
        if "activation" in layer:
            check_activation(layer["activation"])
    for number, (one, two) in enumerate(pairwise(layers), start=1):
        if one["output_dim"] != two["input_dim"]:
            raise ValueError(
                f"Layer {number} has output_dim={one['output_dim']}, but layer "
                f"{number + 1} has input_dim={two['input_dim']}; they have to agree."
            )
    return [sizes[0], *sizes[1::2]]


def check_schemes(init: Any, bias_init: Any) -> None:
    """Raise unless both are what the initial weights can be drawn by."""
    if not isinstance(bias_init, str):
        raise ValueError(
            f"bias_init must be a name, such as 'zeros'. Got {bias_init!r} instead."
        )
    if not is_scheme(init) and not np.iterable(init):
        raise ValueError(
            "init must be a name, such as 'he', a callable, or a list of these, one "
            f"for each layer. Got {init!r} instead."
        )


def _as_list(layers: Any) -> list[Any]:
    is_list = isinstance(layers, Sequence | np.ndarray) and not isinstance(layers, str)
    is_list = is_list and np.iterable(layers)  # as an array without axes is not
    entries = list(layers) if is_list else []
    are_dictionaries = {isinstance(layer, Mapping) for layer in entries}
    if len(are_dictionaries) == 1 and len(entries) >= 2 - are_dictionaries.pop():
        return entries
    raise ValueError(
        "layers must be a list of sizes, such as [2, 10, 5, 1] for the inputs, the "
        "hidden layers and the outputs; or a list of dictionaries, one for each layer. "
        f"Got {layers!r} instead."
    )


def _are_dictionaries(layers: Sequence[Any]) -> bool:
    return isinstance(layers[0], Mapping)


def _entry(layer: Mapping[str, Any], key: str, number: int) -> Any:
    if key not in layer:
        raise ValueError(
            f"Layer {number} has the keys {[*layer]}, but not {key!r}; a layer is such "
            "as {'input_dim': 2, 'output_dim': 10, 'activation': 'tanh'}."
        )
    return layer[key]


# ---- networks


def check_names(parameters: Any) -> list[str]:
    """Return the names ``["W1", "b1", "W2", ...]``, or raise if others are given."""
    if not isinstance(parameters, Mapping):
        raise ValueError(
            "parameters must be a dictionary, as from initialize_parameters. Got "
            f"{parameters!r} instead."
        )
    n_layers = max((len(parameters) + 1) // 2, 1)
    names = [f"{kind}{number + 1}" for number in range(n_layers) for kind in "Wb"]
    if {*names} != parameters.keys():
        raise ValueError(
            f"parameters has the keys {[*parameters]}; it needs 'W1' and 'b1', 'W2' "
            "and 'b2' and so on, two for each layer, and no others."
        )
    return names


def check_parameters(parameters: Any) -> Parameters:
    """Return the weights and biases of a network, whose shapes fit."""
    names = check_names(parameters)
    arrays: Parameters = {}
    for W_name, b_name in zip(names[::2], names[1::2], strict=True):
        arrays[W_name], arrays[b_name] = _check_weights(
            f"parameters[{W_name!r}]",
            parameters[W_name],
            f"parameters[{b_name!r}]",
            parameters[b_name],
        )
    for one, two in pairwise(names[::2]):
        check_shape(
            f"parameters[{two!r}]",
            arrays[two],
            (None, len(arrays[one])),
            f"parameters[{one!r}]",
            arrays[one].shape,
            "one column is one unit of the layer before",
        )
    return arrays


def check_network(
    X: Any, parameters: Any, layers: Any
) -> tuple[FloatArray, Parameters, list[str]]:
    """Return samples, parameters and activations of a network, which fit together."""
    parameters = check_parameters(parameters)
    weights = [W for name, W in parameters.items() if name[0] == "W"]
    activations = ["relu"] * (len(weights) - 1) + ["sigmoid"]
    if layers is not None:
        layers = _as_list(layers)
        sizes = [weights[0].shape[1], *map(len, weights)]
        _check_sizes(layers, sizes)
        if _are_dictionaries(layers):
            activations = [
                _entry(layer, "activation", number)
                for number, layer in enumerate(layers, start=1)
            ]
    X = _check_inputs("X", X, "parameters['W1']", weights[0])
    return X, parameters, activations


def _check_sizes(layers: list[Any], sizes: list[int]) -> None:
    """Raise unless layers have the sizes of parameters, or leave some out."""
    if _are_dictionaries(layers):
        if len(layers) != len(sizes) - 1:
            raise ValueError(
                f"layers is a list of length {len(layers)}, but parameters has "
                f"{len(sizes) - 1} layers; they have to agree."
            )
        layers = [
            {"input_dim": n_inputs, "output_dim": n_units, **layer}
            for layer, (n_inputs, n_units) in zip(layers, pairwise(sizes), strict=True)
        ]
    given = layer_sizes(layers)
    if given != sizes:
        raise ValueError(
            f"layers has the sizes {given}, but parameters has {sizes}; they have to "
            "agree."
        )


# ---- backward propagation


def check_slope(name: str, dZ: Any, cache: Any) -> FloatArray:
    """Return a derivative that has the shape of the layer's output."""
    if not isinstance(cache, Cache):
        raise ValueError(
            "cache must be the Cache that activation_forward returns second. Got "
            f"{type(cache).__name__} instead."
        )
    shape = cache.Z.shape
    return check_shape(name, as_numbers(name, dZ), shape, "Z in cache", shape)


def check_caches(caches: Any) -> Sequence[Cache]:
    """Return what the layers of a network saved."""
    is_list = isinstance(caches, Sequence) and not isinstance(caches, Cache)
    if not is_list or not caches or not all(isinstance(it, Cache) for it in caches):
        raise ValueError(
            "caches must be the list of Cache, one for each layer, that "
            "forward_propagation returns second."
        )
    for one, two in pairwise(caches):
        if one.Z.shape != two.A_prev.shape:
            raise ValueError(
                "caches must be those of one forward propagation, in the order of the "
                f"layers. One layer has an output of the shape {one.Z.shape}, the next "
                f"an input of {two.A_prev.shape}."
            )
    return caches


def check_grads(grads: Any, parameters: Any) -> Parameters:
    """Return the derivative by each parameter, of its shape."""
    return check_by_parameter("grads", grads, parameters, "backward_propagation")


def check_by_parameter(
    name: str, arrays: Any, parameters: Any, source: str
) -> Parameters:
    """Return an array for each parameter, of its shape, such as its derivative."""
    keys = [f"d{key}" for key in check_names(parameters)]
    if not isinstance(arrays, Mapping) or not arrays.keys() >= {*keys}:
        found = f"the keys {[*arrays]}" if isinstance(arrays, Mapping) else "no keys"
        raise ValueError(f"{name} has {found}; it needs {keys}, as from {source}.")
    what = "a derivative" if name == "grads" else "a running mean"
    checked = {}
    for key in keys:
        label, shape = f"{name}[{key!r}]", np.shape(parameters[key[1:]])
        checked[key] = check_shape(
            label,
            as_numbers(label, arrays[key]),
            shape,
            f"parameters[{key[1:]!r}]",
            shape,
            f"{what} has the shape of its parameter",
        )
    return checked


def check_masks(masks: Any, parameters: Parameters, m: int) -> list[BoolArray]:
    """Return the masks of dropout, one for each hidden layer."""
    sizes = [len(W) for name, W in parameters.items() if name[0] == "W"][:-1]
    if not isinstance(masks, Sequence) or len(masks) != len(sizes):
        raise ValueError(
            f"masks must be a list of {len(sizes)} arrays, one for each hidden layer. "
            f"Got {masks!r} instead."
        )
    checked = []
    for number, (mask, n_units) in enumerate(zip(masks, sizes, strict=True)):
        name, shape = f"masks[{number}]", (n_units, m)
        D = as_numbers(name, mask)
        checked.append(
            check_shape(name, D, shape, f"the output of layer {number + 1}", shape) != 0
        )
    return checked


def check_progress(
    costs: Sequence[float], parameters: Parameters, learning_rate: float
) -> None:
    """Raise if training has left the range of numbers.

    An infinite cost of probabilities is none such: it comes from rounding alone.
    """
    finite = all(np.isfinite(value).all() for value in parameters.values())
    if np.isnan(costs[-1]) or not finite:
        raise ValueError(
            f"The parameters or the cost became infinite or NaN in epoch {len(costs)}. "
            f"Lower learning_rate (now {learning_rate}), or scale X with standardize."
        )
