r"""The network of the course, function by function, in the course's names and layout.

For learners: what the estimators compute, in a few lines each, built from the same
activations, losses and initializers. One column is one sample. Layer :math:`l`
computes :math:`Z^{[l]} = W^{[l]} A^{[l-1]} + b^{[l]}` and :math:`A^{[l]} = f(Z^{[l]})`,
with :math:`A^{[0]} = X`:

======================  ==============================================
``X``                   ``(n_features, m)``, for m samples
``Y``                   ``(n_outputs, m)``
``parameters["W1"]``    ``(n_units, n_inputs)`` of layer 1
``parameters["b1"]``    ``(n_units, 1)``
``grads["dW1"]``        like ``parameters["W1"]``
======================  ==============================================

A network is given by its sizes, such as ``[2, 10, 5, 1]``, for ReLU layers and a
sigmoid at the end; or by a list of dictionaries, one for each layer, such as
``{"input_dim": 2, "output_dim": 10, "activation": "tanh"}``.

Every function checks shapes and values, and raises a ValueError that says what to write
instead. No function scales X: give it to `standardize` first.

Trained weights equal those of the estimators to the last bit, as the tests show: each
operation is written so that it rounds as the engine does. Comments say where.

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

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import xlog1py, xlogy

from ..._utils.lookup import look_up
from ..._utils.typing import FloatArray, IntArray
from ..activations import ACTIVATIONS, Activation
from ..initializers import initialize
from ._arrays import (
    as_numbers,
    check_array,
    check_bool,
    check_count,
    check_outputs,
    check_positive,
    check_random_state,
    check_shape,
    check_targets,
    look_up_loss,
)
from ._network import (
    Cache,
    Layers,
    Parameters,
    check_activation,
    check_caches,
    check_grads,
    check_layer,
    check_network,
    check_progress,
    check_schemes,
    check_slope,
    layer_sizes,
)

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
    "standardize",
    "train",
    "update_parameters",
]


def standardize(
    X: FloatArray, mean: FloatArray | None = None, std: FloatArray | None = None
) -> tuple[FloatArray, FloatArray, FloatArray]:
    r"""Return X with mean 0 and standard deviation 1 in each feature.

    .. math:: (x - \mu) / \sigma

    Gradient descent takes one step size for all weights, so features in large units
    would get too large a step, and the others too small a one.

    Parameters
    ----------
    X : ndarray of shape (n_features, m)
        Samples.
    mean, std : ndarray of shape (n_features, 1) or None, default=None
        What the call with the training samples returned. Give them to scale test
        samples in the same way.

    Returns
    -------
    X_scaled : ndarray of shape (n_features, m)
        The scaled samples.
    mean, std : ndarray of shape (n_features, 1)
        Those of the training samples. A feature that is constant in training has the
        standard deviation 1 here: it becomes zero.

    Examples
    --------
    >>> X = np.array([[1.0, 2.0, 3.0], [500.0, 500.0, 500.0]])
    >>> X_scaled, mean, std = standardize(X)
    >>> X_scaled.round(2)
    array([[-1.22,  0.  ,  1.22],
           [ 0.  ,  0.  ,  0.  ]])
    >>> standardize(np.array([[2.0], [501.0]]), mean, std)[0]
    array([[0.],
           [1.]])
    """
    X = check_array("X", X)
    if (mean is None) != (std is None):
        raise ValueError("Give both mean and std, or neither of them.")
    if mean is None:
        mean, std = _mean_and_std(X)
    else:
        expected, because = (len(X), 1), "one row is one feature"
        mean, std = as_numbers("mean", mean), as_numbers("std", std)
        check_shape("mean", mean, expected, "X", X.shape, because)
        check_shape("std", std, expected, "X", X.shape, because)
        if not (std > 0).all():
            raise ValueError("std must be positive, as `standardize` returns it.")
    # float32 stays float32, but the difference is exact first: it may be a small part.
    dtype = X.dtype if X.dtype.kind == "f" else float
    return ((X - mean) / std).astype(dtype), mean, std


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
        Numbers of inputs, units of each hidden layer, and outputs; or one dictionary
        for each layer.
    init : str, callable, or list of these, default="he"
        As in `DeepNetClassifier`. The course's "Xavier" with the factor
        ``sqrt(2 / n)`` is "he"; Xavier's own is ``sqrt(2 / (n_in + n_out))``.
    init_scale : float or None, default=None
        Factor on the weights; None is the scheme's own, 0.01 for "random", else 1.
    bias_init : {"zeros", "random", "uniform"}, default="zeros"
        How biases are drawn. Those of a layer are drawn after its weights.
    random_state : int, RandomState or None, default=None
        Seed or generator; None draws differently in each call.

    Returns
    -------
    parameters : dict
        ``"W1"`` of shape (n_units, n_inputs), ``"b1"`` of shape (n_units, 1), ...

    Raises
    ------
    ValueError
        If sizes of neighbouring layers differ, or an argument is not valid.

    Examples
    --------
    >>> parameters = initialize_parameters([3, 2, 1], random_state=0)
    >>> {name: value.shape for name, value in parameters.items()}
    {'W1': (2, 3), 'b1': (2, 1), 'W2': (1, 2), 'b2': (1, 1)}
    """
    sizes = layer_sizes(layers)
    if init_scale is not None:
        check_positive("init_scale", init_scale)
    check_schemes(init, bias_init)
    random_state = check_random_state(random_state)
    parameters = {}
    for number, (W, b) in enumerate(
        initialize(sizes, random_state, init, init_scale, bias_init), start=1
    ):
        parameters[f"W{number}"] = W
        parameters[f"b{number}"] = b[:, np.newaxis]
    return parameters


def linear_forward(A_prev: FloatArray, W: FloatArray, b: FloatArray) -> FloatArray:
    r"""Return :math:`Z = W A + b`, of shape (n_units, m).

    It is computed as one product, :math:`[W\; b] \, [A;\, 1]`: a bias is the weight of
    an input that is always one.

    Parameters
    ----------
    A_prev : ndarray of shape (n_inputs, m)
        Output of the layer before.
    W : ndarray of shape (n_units, n_inputs)
        Weights.
    b : ndarray of shape (n_units, 1)
        Biases.

    Returns
    -------
    Z : ndarray of shape (n_units, m)
    """
    return _linear_forward(*check_layer(A_prev, W, b))


def activation_forward(
    A_prev: FloatArray, W: FloatArray, b: FloatArray, activation: str
) -> tuple[FloatArray, Cache]:
    """Compute the output of a layer, :math:`A = f(W A_{prev} + b)`.

    Parameters
    ----------
    A_prev : ndarray of shape (n_inputs, m)
        Output of the layer before.
    W : ndarray of shape (n_units, n_inputs)
        Weights.
    b : ndarray of shape (n_units, 1)
        Biases.
    activation : str
        A name in `sklearn_deepnet.nn.activations.ACTIVATIONS`.

    Returns
    -------
    A : ndarray of shape (n_units, m)
        Output of the layer.
    cache : Cache
        Values for `activation_backward`.
    """
    check_activation(activation)
    return _activation_forward(*check_layer(A_prev, W, b), activation)


def forward_propagation(
    X: FloatArray, parameters: Parameters, layers: Layers | None = None
) -> tuple[FloatArray, list[Cache]]:
    """Compute the output of a network.

    Parameters
    ----------
    X : ndarray of shape (n_features, m)
        Samples.
    parameters : dict
        Weights and biases.
    layers : list or None, default=None
        Dictionaries that name the activations. Otherwise they are ReLU, and at the end
        the sigmoid. Sizes have to be those of `parameters`.

    Returns
    -------
    AL : ndarray of shape (n_outputs, m)
        Output of the last layer.
    caches : list of Cache
        One for each layer.
    """
    return _forward(*check_network(X, parameters, layers))


def compute_cost(AL: FloatArray, Y: FloatArray, loss: str = "log_loss") -> float:
    r"""Return the cost, the mean loss of the outputs AL where the targets are Y.

    Parameters
    ----------
    AL : ndarray of shape (n_outputs, m)
        For "log_loss" probabilities.
    Y : ndarray of shape (n_outputs, m)
        For "log_loss" 0 and 1, or probabilities.
    loss : {"log_loss", "squared_error"}, default="log_loss"
        :math:`-\frac{1}{m} \sum Y \log A + (1 - Y) \log(1 - A)`, or half the squared
        error, :math:`\frac{1}{2 m n} \sum (A - Y)^2` for n outputs.

    Returns
    -------
    cost : float
        Infinite if a probability was rounded to 0 or 1 and is wrong, as happens with
        large initial weights. The estimators compute the same cost from Z, before the
        sigmoid, where nothing is lost by rounding.

    Examples
    --------
    >>> round(compute_cost(np.array([[0.5, 0.25]]), np.array([[1, 0]])), 4)
    0.4904
    >>> compute_cost(np.array([[1.0, 0.0]]), np.array([[1, 1]]))
    inf
    """
    look_up_loss(loss)
    AL = check_outputs(AL, loss)
    return _cost(AL, check_targets(Y, AL.shape, "AL", loss), loss)


def linear_backward(
    dZ: FloatArray, cache: Cache
) -> tuple[FloatArray, FloatArray, FloatArray]:
    r"""Return the derivatives of the cost by the inputs, weights and biases of a layer.

    Parameters
    ----------
    dZ : ndarray of shape (n_units, m)
        Derivative of the cost by Z. The cost is a mean, so this contains the 1/m.
    cache : Cache
        From `activation_forward`.

    Returns
    -------
    dA_prev : ndarray of shape (n_inputs, m)
        :math:`W^T dZ`.
    dW : ndarray of shape (n_units, n_inputs)
        :math:`dZ A^T`.
    db : ndarray of shape (n_units, 1)
        The sum of dZ over the samples.
    """
    return _linear_backward(check_slope("dZ", dZ, cache), cache)


def activation_backward(
    dA: FloatArray, cache: Cache
) -> tuple[FloatArray, FloatArray, FloatArray]:
    r"""Compute :math:`dZ = dA \cdot f'(Z)`, then the derivatives of `linear_backward`.

    Parameters
    ----------
    dA : ndarray of shape (n_units, m)
        Derivative of the cost by the output of the layer.
    cache : Cache
        From `activation_forward`.

    Returns
    -------
    dA_prev, dW, db : ndarray
        As from `linear_backward`.
    """
    return _activation_backward(check_slope("dA", dA, cache), cache)


def backward_propagation(
    Y: FloatArray, caches: Sequence[Cache], loss: str = "log_loss"
) -> Parameters:
    r"""Return the derivatives of the cost by all weights, biases and layer outputs.

    It begins with the derivative by the logits, the Z of the last layer, which for
    sigmoid and "log_loss" is :math:`(A - Y) / m`. To begin with :math:`dA = -Y/A +
    (1-Y)/(1-A)` would divide by zero where A was rounded to 0 or 1.

    Parameters
    ----------
    Y : ndarray of shape (n_outputs, m)
        Targets.
    caches : list of Cache
        From `forward_propagation`; their last Z are the logits.
    loss : {"log_loss", "squared_error"}, default="log_loss"
        As in `compute_cost`.

    Returns
    -------
    grads : dict
        ``"dW1"``, ``"db1"``, ``"dA1"`` and so on; ``"dA0"`` is the derivative by X.
    """
    caches = check_caches(caches)
    last = caches[-1]
    look_up_loss(loss, last.activation)
    Y = check_targets(Y, last.Z.shape, "the last Z", loss, last.activation)
    return _backward(Y, caches, loss)


def update_parameters(
    parameters: Parameters, grads: Parameters, learning_rate: float
) -> Parameters:
    r"""Make a step of gradient descent, :math:`W \leftarrow W - \alpha\, dW`.

    Parameters
    ----------
    parameters : dict
        Weights and biases; not changed.
    grads : dict
        From `backward_propagation`.
    learning_rate : float
        :math:`\alpha`.

    Returns
    -------
    parameters : dict
        The updated weights and biases, in new arrays.
    """
    grads = check_grads(grads, parameters)
    check_positive("learning_rate", learning_rate)
    return _update(parameters, grads, learning_rate)


def predict(
    X: FloatArray, parameters: Parameters, layers: Layers | None = None
) -> IntArray:
    """Return 1 where the output of the network is above one half, else 0.

    Parameters
    ----------
    X : ndarray of shape (n_features, m)
        Samples.
    parameters : dict
        Weights and biases.
    layers : list or None, default=None
        Dictionaries that name the activations; see `forward_propagation`.

    Returns
    -------
    Y : ndarray of int of shape (n_outputs, m)
    """
    AL, _ = _forward(*check_network(X, parameters, layers))
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
        Targets.
    parameters : dict
        Initial weights and biases; not changed.
    layers : list or None, default=None
        Dictionaries that name the activations; see `forward_propagation`.
    learning_rate : float, default=0.01
        Step size.
    n_iter : int, default=1000
        Number of epochs.
    loss : {"log_loss", "squared_error"}, default="log_loss"
        As in `compute_cost`.
    one_at_a_time : bool, default=False
        Whether to make a step for each sample, in their order, instead of one step for
        all samples.

    Returns
    -------
    parameters : dict
        Trained weights and biases.
    costs : list of float
        The cost of each epoch: before its step, or the mean before each of its steps.
    """
    X, parameters, activations = check_network(X, parameters, layers)
    look_up_loss(loss, activations[-1])
    m = X.shape[1]
    shape = len(parameters[f"W{len(activations)}"]), m
    Y = check_targets(Y, shape, "the output of the network", loss, activations[-1])
    check_positive("learning_rate", learning_rate)
    check_bool("one_at_a_time", one_at_a_time)
    batches = [slice(i, i + 1) for i in range(m)] if one_at_a_time else [slice(m)]
    costs = []
    with np.errstate(over="ignore", invalid="ignore"):  # `check_progress` says so
        for _ in range(check_count("n_iter", n_iter, 0)):
            cost = 0.0
            for batch in batches:
                AL, caches = _forward(X[:, batch], parameters, activations)
                cost += _cost(AL, Y[:, batch], loss) / len(batches)
                grads = _backward(Y[:, batch], caches, loss)
                parameters = _update(parameters, grads, learning_rate)
            costs.append(cost)
            if not np.isfinite(cost) or len(costs) == n_iter:
                check_progress(costs, parameters, learning_rate)
    return parameters, costs


# ---- the steps themselves, on arrays that were checked


def _linear_forward(A_prev: FloatArray, W: FloatArray, b: FloatArray) -> FloatArray:
    # `W @ A_prev + b` is the same up to rounding. The engine does it in one product,
    # which is faster, and adds the bias in another order.
    return np.hstack([W, b]) @ _append_ones(A_prev)


def _activation_forward(
    A_prev: FloatArray, W: FloatArray, b: FloatArray, activation: str
) -> tuple[FloatArray, Cache]:
    Z = _linear_forward(A_prev, W, b)
    _, _, A = _activate(Z, activation)
    return A, Cache(A_prev, W, b, Z, activation)


def _forward(
    X: FloatArray, parameters: Parameters, activations: Sequence[str]
) -> tuple[FloatArray, list[Cache]]:
    A, caches = X, []
    for number, activation in enumerate(activations, start=1):
        A, cache = _activation_forward(
            A, parameters[f"W{number}"], parameters[f"b{number}"], activation
        )
        caches.append(cache)
    return A, caches


def _cost(AL: FloatArray, Y: FloatArray, loss: str) -> float:
    if loss == "squared_error":
        return float(np.sum((AL - Y) ** 2) / (2 * AL.size))
    # xlogy(0, 0) is 0, the limit of y log(a), where 0 * log(0) would be NaN.
    return float(-np.sum(xlogy(Y, AL) + xlog1py(1 - Y, -AL)) / Y.shape[1])


def _linear_backward(
    dZ: FloatArray, cache: Cache
) -> tuple[FloatArray, FloatArray, FloatArray]:
    # dW and db in one product, as in the engine: db is dZ times the row of ones.
    dWb = dZ @ _append_ones(cache.A_prev).T
    return cache.W.T @ dZ, dWb[:, :-1], dWb[:, -1:]


def _activation_backward(
    dA: FloatArray, cache: Cache
) -> tuple[FloatArray, FloatArray, FloatArray]:
    # An `Activation` works in place and may overwrite Z and A, so it gets copies.
    dZ, (function, Z, A) = dA.copy(), _activate(cache.Z, cache.activation)
    function.backward(dZ, Z, A)
    return _linear_backward(dZ, cache)


def _backward(Y: FloatArray, caches: Sequence[Cache], loss: str) -> Parameters:
    last = caches[-1]
    dA, dW, db = _linear_backward(_logit_gradient(last, Y, loss), last)
    grads = {f"dW{len(caches)}": dW, f"db{len(caches)}": db}
    for number in range(len(caches) - 1, 0, -1):
        grads[f"dA{number}"] = dA
        dA, dW, db = _activation_backward(dA, caches[number - 1])
        grads |= {f"dW{number}": dW, f"db{number}": db}
    grads["dA0"] = dA
    return grads


def _update(
    parameters: Parameters, grads: Parameters, learning_rate: float
) -> Parameters:
    return {
        name: value - learning_rate * grads[f"d{name}"]
        for name, value in parameters.items()
    }


def _append_ones(A: FloatArray) -> FloatArray:
    """Return A with a row of ones below it, the input of the biases."""
    return np.vstack([A, np.ones_like(A[:1])])


def _activate(
    Z: FloatArray, activation: str
) -> tuple[Activation, FloatArray, FloatArray]:
    """Return the activation, a copy of Z prepared for its ``backward``, and A."""
    function = look_up(ACTIVATIONS, activation, "activation")
    Z = Z.copy()
    A = Z if function.overwrites_z else np.empty_like(Z)
    function.forward(Z, A)
    return function, Z, A


def _logit_gradient(last: Cache, Y: FloatArray, loss: str) -> FloatArray:
    """Return the derivative of the cost by Z of the last layer."""
    dZ = last.Z.copy()
    look_up_loss(loss, last.activation)(dZ, Y, np.empty((3, *dZ.shape)))
    # The engine multiplies by the weight 1/m of a sample; dividing rounds differently.
    return dZ * (1 / Y.shape[1])


def _mean_and_std(X: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the statistics of each row, which no square overflows."""
    first = X[:, :1].astype(float)
    mean = first + np.mean(X - first, axis=1, keepdims=True)
    largest = np.max(np.abs(X - mean), axis=1, keepdims=True)
    largest[largest == 0] = 1.0
    relative = np.mean(((X - mean) / largest) ** 2, axis=1, keepdims=True)
    std = largest * np.sqrt(relative)
    std[std == 0] = 1.0
    return mean, std
