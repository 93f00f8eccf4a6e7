r"""The network of the course, function by function, in the course's names and layout.

For learners: what is behind the estimators, in a few lines each and on the same words.
One column is one sample. Layer :math:`l` computes :math:`Z^{[l]} = W^{[l]} A^{[l-1]} +
b^{[l]}` and :math:`A^{[l]} = f(Z^{[l]})`, with :math:`A^{[0]} = X`:

======================  ==============================================
``X``                   ``(n_features, m)``, for m samples
``Y``                   ``(n_outputs, m)``
``parameters["W1"]``    ``(n_units, n_inputs)`` of layer 1
``parameters["b1"]``    ``(n_units, 1)``
``grads["dW1"]``        like ``parameters["W1"]``
======================  ==============================================

Networks are told by their sizes, ``[2, 10, 5, 1]``, which means ReLU layers and a
sigmoid at the end; or by a list of dictionaries such as
``{"input_dim": 2, "output_dim": 10, "activation": "tanh"}``.

>>> import numpy as np
>>> X = np.array([[0.0, 0.0, 1.0, 1.0], [0.0, 1.0, 0.0, 1.0]])
>>> Y = np.array([[0, 1, 1, 0]])
>>> layers = [
...     {"input_dim": 2, "output_dim": 4, "activation": "tanh"},
...     {"input_dim": 4, "output_dim": 1, "activation": "sigmoid"},
... ]
>>> parameters = initialize_parameters(layers, init="xavier", random_state=3)
>>> parameters, costs = train(
...     X, Y, parameters, layers, learning_rate=1.0, n_iter=500
... )
>>> predict(X, parameters, layers)
array([[0, 1, 1, 0]])
>>> costs[-1] < 0.1 * costs[0]
True
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias, TypeGuard

import numpy as np
from scipy.special import xlog1py, xlogy

from .._utils.lookup import look_up
from .._utils.typing import FloatArray, IntArray
from .activations import ACTIVATIONS, Activation
from .initializers import initialize
from .losses import log_loss, squared_error

__all__ = [
    "Cache",
    "activation_backward",
    "activation_forward",
    "backward_propagation",
    "compute_cost",
    "forward_propagation",
    "initialize_parameters",
    "linear_backward",
    "linear_forward",
    "predict",
    "train",
    "update_parameters",
]

Parameters: TypeAlias = dict[str, FloatArray]
Layers: TypeAlias = Sequence[int] | Sequence[Mapping[str, Any]]


class Cache(NamedTuple):
    """What a layer keeps of its way forward, for the way back.

    Parameters
    ----------
    A_prev : ndarray of shape (n_inputs, m)
        What the layer before handed on.
    W : ndarray of shape (n_units, n_inputs)
        Weights.
    b : ndarray of shape (n_units, 1)
        Biases.
    Z : ndarray of shape (n_units, m)
        :math:`W A + b`.
    activation : str
        What was applied to Z.
    """

    A_prev: FloatArray
    W: FloatArray
    b: FloatArray
    Z: FloatArray
    activation: str


def initialize_parameters(
    layers: Layers,
    *,
    init: Any = "he",
    init_scale: float | None = None,
    bias_init: str = "zeros",
    random_state: int | np.random.RandomState | None = None,
) -> Parameters:
    """Draw the weights and biases that a network starts from.

    Parameters
    ----------
    layers : list of int, or list of dict
        Inputs, units of each hidden layer, outputs; or layers.
    init : str, callable, or list of these, default="he"
        As in `DeepNetClassifier`. The course's "Xavier" with the factor
        ``sqrt(2 / n)`` is "he"; Xavier's own is ``sqrt(2 / (n_in + n_out))``.
    init_scale : float or None, default=None
        Factor on the draw; None is the scheme's own, 0.01 for "random", else 1.
    bias_init : {"zeros", "random", "uniform"}, default="zeros"
        How biases are drawn, after the weights of their layer.
    random_state : int, RandomState or None, default=None
        What is drawn from; None is fresh entropy.

    Returns
    -------
    parameters : dict
        ``"W1"`` of shape (n_units, n_inputs), ``"b1"`` of shape (n_units, 1), ...

    Raises
    ------
    ValueError
        If layers do not fit each other, or a name is unknown.

    Examples
    --------
    >>> parameters = initialize_parameters([3, 2, 1], random_state=0)
    >>> {name: value.shape for name, value in parameters.items()}
    {'W1': (2, 3), 'b1': (2, 1), 'W2': (1, 2), 'b2': (1, 1)}
    """
    if not isinstance(random_state, np.random.RandomState):
        random_state = np.random.RandomState(random_state)
    sizes = _sizes(layers)
    parameters = {}
    for number, (W, b) in enumerate(
        initialize(sizes, random_state, init, init_scale, bias_init), start=1
    ):
        parameters[f"W{number}"] = W
        parameters[f"b{number}"] = b[:, np.newaxis]
    return parameters


def linear_forward(A_prev: FloatArray, W: FloatArray, b: FloatArray) -> FloatArray:
    r"""Return :math:`Z = W A + b`, of shape (n_units, m).

    As one product, :math:`[W\; b] \, [A;\, 1]`: a bias is the weight of an input that
    is always one.

    Parameters
    ----------
    A_prev : ndarray of shape (n_inputs, m)
        What the layer before hands on.
    W : ndarray of shape (n_units, n_inputs)
        Weights.
    b : ndarray of shape (n_units, 1)
        Biases.

    Returns
    -------
    Z : ndarray of shape (n_units, m)
    """
    return np.hstack([W, b]) @ _extend(A_prev)


def activation_forward(
    A_prev: FloatArray, W: FloatArray, b: FloatArray, activation: str
) -> tuple[FloatArray, Cache]:
    """Go through a layer.

    Parameters
    ----------
    A_prev : ndarray of shape (n_inputs, m)
        What the layer before hands on.
    W : ndarray of shape (n_units, n_inputs)
        Weights.
    b : ndarray of shape (n_units, 1)
        Biases.
    activation : str
        A name in `sklearn_deepnet.nn.activations.ACTIVATIONS`.

    Returns
    -------
    A : ndarray of shape (n_units, m)
        What it hands on.
    cache : Cache
        What it keeps.
    """
    Z = linear_forward(A_prev, W, b)
    _, _, A = _activate(Z, activation)
    return A, Cache(A_prev, W, b, Z, activation)


def forward_propagation(
    X: FloatArray, parameters: Parameters, layers: Layers | None = None
) -> tuple[FloatArray, list[Cache]]:
    """Go through all layers.

    Parameters
    ----------
    X : ndarray of shape (n_features, m)
        Samples.
    parameters : dict
        Weights and biases.
    layers : list or None, default=None
        Says which activations: those of the dictionaries; else ReLU and, at the end,
        the sigmoid.

    Returns
    -------
    AL : ndarray of shape (n_outputs, m)
        What the last layer hands on.
    caches : list of Cache
        One for each layer.
    """
    A, caches = X, []
    for number, activation in enumerate(_activations(parameters, layers), start=1):
        A, cache = activation_forward(
            A, parameters[f"W{number}"], parameters[f"b{number}"], activation
        )
        caches.append(cache)
    return A, caches


def compute_cost(AL: FloatArray, Y: FloatArray, loss: str = "log_loss") -> float:
    r"""Return the cost of what the network says, AL, where Y is right.

    Parameters
    ----------
    AL : ndarray of shape (n_outputs, m)
        For "log_loss" probabilities.
    Y : ndarray of shape (n_outputs, m)
        For "log_loss" 0 and 1.
    loss : {"log_loss", "squared_error"}, default="log_loss"
        :math:`-\frac{1}{m} \sum Y \log A + (1 - Y) \log(1 - A)`, or half the squared
        error, :math:`\frac{1}{2 m n} \sum (A - Y)^2` for n outputs.

    Returns
    -------
    cost : float
        May be infinite: a probability that was rounded to 0 or 1 has lost how wrong it
        is, which is the lesson of large initial weights. The estimators compute the
        same cost from Z, before the sigmoid, where nothing is lost.

    Examples
    --------
    >>> round(compute_cost(np.array([[0.5, 0.25]]), np.array([[1, 0]])), 4)
    0.4904
    >>> compute_cost(np.array([[1.0, 0.0]]), np.array([[1, 1]]))
    inf
    """
    if loss == "squared_error":
        return float(np.sum((AL - Y) ** 2) / (2 * AL.size))
    look_up({"log_loss": None, "squared_error": None}, loss, "loss")
    return float(-np.sum(xlogy(Y, AL) + xlog1py(1 - Y, -AL)) / Y.shape[1])


def linear_backward(
    dZ: FloatArray, cache: Cache
) -> tuple[FloatArray, FloatArray, FloatArray]:
    r"""Return the derivatives of the cost by what made Z.

    Parameters
    ----------
    dZ : ndarray of shape (n_units, m)
        The derivative of the cost by Z. The cost is a mean; its 1/m is in here.
    cache : Cache
        Of the way forward.

    Returns
    -------
    dA_prev : ndarray of shape (n_inputs, m)
        :math:`W^T dZ`.
    dW : ndarray of shape (n_units, n_inputs)
        :math:`dZ A^T`.
    db : ndarray of shape (n_units, 1)
        The sum of dZ over the samples.
    """
    dWb = dZ @ _extend(cache.A_prev).T
    return cache.W.T @ dZ, dWb[:, :-1], dWb[:, -1:]


def activation_backward(
    dA: FloatArray, cache: Cache
) -> tuple[FloatArray, FloatArray, FloatArray]:
    r"""Go back through a layer: :math:`dZ = dA \cdot f'(Z)`, then `linear_backward`.

    Parameters
    ----------
    dA : ndarray of shape (n_units, m)
        The derivative of the cost by what the layer hands on.
    cache : Cache
        Of the way forward.

    Returns
    -------
    dA_prev, dW, db : ndarray
        As from `linear_backward`.
    """
    dZ, (word, Z, A) = dA.copy(), _activate(cache.Z, cache.activation)
    word.backward(dZ, Z, A)
    return linear_backward(dZ, cache)


def backward_propagation(
    Y: FloatArray, caches: Sequence[Cache], loss: str = "log_loss"
) -> Parameters:
    r"""Return the derivatives of the cost.

    The last layer's :math:`dZ` is that of the loss by the logits, for sigmoid and
    "log_loss" simply :math:`(A - Y) / m`. The detour over :math:`dA = -Y/A +
    (1-Y)/(1-A)` would divide by zero where A was rounded to 0 or 1.

    Parameters
    ----------
    Y : ndarray of shape (n_outputs, m)
        What is right.
    caches : list of Cache
        From `forward_propagation`; their last Z are the logits.
    loss : {"log_loss", "squared_error"}, default="log_loss"
        As in `compute_cost`.

    Returns
    -------
    grads : dict
        ``"dW1"``, ``"db1"``, ``"dA1"`` and so on; ``"dA0"`` is by X.
    """
    last = caches[-1]
    dA, dW, db = linear_backward(_logit_gradient(last, Y, loss), last)
    grads = {f"dW{len(caches)}": dW, f"db{len(caches)}": db}
    for number in range(len(caches) - 1, 0, -1):
        grads[f"dA{number}"] = dA
        dA, dW, db = activation_backward(dA, caches[number - 1])
        grads |= {f"dW{number}": dW, f"db{number}": db}
    grads["dA0"] = dA
    return grads


def update_parameters(
    parameters: Parameters, grads: Parameters, learning_rate: float
) -> Parameters:
    r"""Make a step, :math:`W \leftarrow W - \alpha\, dW`.

    Parameters
    ----------
    parameters : dict
        Weights and biases; left alone.
    grads : dict
        From `backward_propagation`.
    learning_rate : float
        :math:`\alpha`.

    Returns
    -------
    parameters : dict
        New arrays.
    """
    return {
        name: value - learning_rate * grads[f"d{name}"]
        for name, value in parameters.items()
    }


def predict(
    X: FloatArray, parameters: Parameters, layers: Layers | None = None
) -> IntArray:
    """Say 1 where the last layer says more than one half, else 0.

    Parameters
    ----------
    X : ndarray of shape (n_features, m)
        Samples.
    parameters : dict
        Weights and biases.
    layers : list or None, default=None
        Says which activations; see `forward_propagation`.

    Returns
    -------
    Y : ndarray of int of shape (n_outputs, m)
    """
    AL, _ = forward_propagation(X, parameters, layers)
    return (AL > 0.5).astype(int)


def train(
    X: FloatArray,
    Y: FloatArray,
    parameters: Parameters,
    layers: Layers | None = None,
    *,
    learning_rate: float = 0.01,
    n_iter: int = 1000,
    loss: str = "log_loss",
    one_at_a_time: bool = False,
) -> tuple[Parameters, list[float]]:
    """Train by gradient descent.

    Parameters
    ----------
    X : ndarray of shape (n_features, m)
        Samples.
    Y : ndarray of shape (n_outputs, m)
        What is right.
    parameters : dict
        Where to start from; left alone.
    layers : list or None, default=None
        Says which activations; see `forward_propagation`.
    learning_rate : float, default=0.01
        Step size.
    n_iter : int, default=1000
        Passes over the samples.
    loss : {"log_loss", "squared_error"}, default="log_loss"
        As in `compute_cost`.
    one_at_a_time : bool, default=False
        A step for each sample, in their order; else one for all.

    Returns
    -------
    parameters : dict
        Where training led.
    costs : list of float
        The cost of each pass: before its step, or the mean before each of its steps.
    """
    m = X.shape[1]
    batches = [slice(i, i + 1) for i in range(m)] if one_at_a_time else [slice(m)]
    costs = []
    for _ in range(n_iter):
        cost = 0.0
        for batch in batches:
            AL, caches = forward_propagation(X[:, batch], parameters, layers)
            cost += compute_cost(AL, Y[:, batch], loss) / len(batches)
            grads = backward_propagation(Y[:, batch], caches, loss)
            parameters = update_parameters(parameters, grads, learning_rate)
        costs.append(cost)
    return parameters, costs


def _extend(A: FloatArray) -> FloatArray:
    """Return A with a row of ones below it."""
    return np.vstack([A, np.ones_like(A[:1])])


def _activate(
    Z: FloatArray, activation: str
) -> tuple[Activation, FloatArray, FloatArray]:
    """Return the word, what it makes of a copy of Z, and A."""
    word = look_up(ACTIVATIONS, activation, "activation")
    Z = Z.copy()
    A = Z if word.overwrites_z else np.empty_like(Z)
    word.forward(Z, A)
    return word, Z, A


def _logit_gradient(last: Cache, Y: FloatArray, loss: str) -> FloatArray:
    word = look_up({"log_loss": log_loss, "squared_error": squared_error}, loss, "loss")
    outputs = {"sigmoid": word.logistic, "identity": word.identity}
    function = outputs.get(last.activation)
    if function is None:
        raise ValueError(
            f"loss={loss!r} is not defined for an output layer of activation "
            f"{last.activation!r}; log_loss needs 'sigmoid', squared_error 'sigmoid' "
            "or 'identity'."
        )
    dZ = last.Z.copy()
    function(dZ, Y, np.empty((3, *dZ.shape)))
    return dZ * (1 / Y.shape[1])


def _are_dictionaries(layers: Layers) -> TypeGuard[Sequence[Mapping[str, Any]]]:
    return all(isinstance(layer, Mapping) for layer in layers)


def _sizes(layers: Layers) -> list[int]:
    if not _are_dictionaries(layers):
        return [int(size) for size in layers]  # type: ignore[arg-type]
    for number, (one, two) in enumerate(pairwise(layers), start=1):
        if one["output_dim"] != two["input_dim"]:
            raise ValueError(
                f"Layer {number} has output_dim={one['output_dim']}, but layer "
                f"{number + 1} has input_dim={two['input_dim']}; they have to agree."
            )
    return [layers[0]["input_dim"], *(layer["output_dim"] for layer in layers)]


def _activations(parameters: Parameters, layers: Layers | None) -> list[str]:
    if layers is not None and _are_dictionaries(layers):
        return [layer["activation"] for layer in layers]
    return ["relu"] * (len(parameters) // 2 - 1) + ["sigmoid"]
