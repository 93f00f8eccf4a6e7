"""The course's steps up to the gradient: initialize, forward, cost, backward."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import xlog1py, xlogy

from ..._utils.typing import BoolArray, FloatArray
from ..initializers import initialize
from ._activations import activate
from ._arrays import (
    check_not_negative,
    check_positive,
    check_probability,
    check_random_state,
)
from ._network import (
    Cache,
    Layers,
    Parameters,
    check_activation,
    check_caches,
    check_layer,
    check_masks,
    check_network,
    check_parameters,
    check_schemes,
    check_slope,
    layer_sizes,
)
from ._targets import check_loss, check_outputs, check_targets, look_up_loss


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
    X: FloatArray,
    parameters: Parameters,
    layers: Layers | None = None,
    *,
    keep_prob: float = 1.0,
    masks: Sequence[BoolArray] | None = None,
    random_state: int | np.random.RandomState | None = None,
) -> tuple[FloatArray, list[Cache]]:
    r"""Compute the output of a network, in training with dropout.

    Dropout multiplies the outputs of hidden units by a mask D of zeros and ones, and
    divides by the probability of a one: :math:`A \leftarrow A \cdot D / p`. So the mean
    input of the next layer stays the same, and prediction needs no dropout.

    Parameters
    ----------
    X : ndarray of shape (n_features, m)
        Samples.
    parameters : dict
        Weights and biases.
    layers : list or None, default=None
        Dictionaries that name the activations. Otherwise they are ReLU, and at the end
        the sigmoid. Sizes have to be those of `parameters`.
    keep_prob : float, default=1.0
        Probability that the output of a hidden unit is kept for a sample; 1 is no
        dropout. The `dropout` of the estimators is one minus this.
    masks : list of ndarray of shape (n_units, m) or None, default=None
        Which outputs to keep, one mask for each hidden layer. None draws them. If
        masks are given, `keep_prob` is only what outputs are divided by.
    random_state : int, RandomState or None, default=None
        Seed or generator of the masks; None draws differently in each call.

    Returns
    -------
    AL : ndarray of shape (n_outputs, m)
        Output of the last layer.
    caches : list of Cache
        One for each layer. They hold the masks, which backward propagation needs.

    Examples
    --------
    >>> parameters = initialize_parameters([2, 4, 1], random_state=0)
    >>> X = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> _, caches = forward_propagation(X, parameters, keep_prob=0.5, random_state=1)
    >>> caches[0].D.astype(int)
    array([[1, 0],
           [1, 1],
           [1, 1],
           [1, 1]])
    """
    X, parameters, activations = check_network(X, parameters, layers)
    keep_prob = check_probability("keep_prob", keep_prob)
    random_state = check_random_state(random_state)
    if masks is not None:
        masks = check_masks(masks, parameters, X.shape[1])
    elif keep_prob < 1:
        masks = [
            random_state.rand(len(parameters[f"W{number}"]), X.shape[1]) < keep_prob
            for number in range(1, len(activations))
        ]
    return _forward(X, parameters, activations, masks, keep_prob)


def compute_cost(
    AL: FloatArray,
    Y: FloatArray,
    loss: str = "log_loss",
    *,
    parameters: Parameters | None = None,
    lambd: float = 0.0,
) -> float:
    r"""Return the cost: the mean loss of the outputs, and a penalty of large weights.

    ================  ========================================================
    "log_loss"        :math:`-\frac{1}{m} \sum Y \log A + (1 - Y) \log(1 - A)`
    "cross_entropy"   :math:`-\frac{1}{m} \sum Y \log A`
    "squared_error"   :math:`\frac{1}{2 m n} \sum (A - Y)^2` for n outputs
    the penalty       :math:`\frac{\lambda}{2m} \sum_l \sum_{ij} (W^{[l]}_{ij})^2`
    ================  ========================================================

    Parameters
    ----------
    AL : ndarray of shape (n_outputs, m)
        For "log_loss" probabilities, as of sigmoids. For "cross_entropy" probabilities
        that sum to one in each column, as of a softmax.
    Y : ndarray of shape (n_outputs, m)
        For "log_loss" 0 and 1, or probabilities. For "cross_entropy" one-hot: a 1 in
        the row of the sample's class, and 0 in the others.
    loss : {"log_loss", "cross_entropy", "squared_error"}, default="log_loss"
        What is averaged. The `loss="log_loss"` of the estimators is "cross_entropy" for
        three classes or more.
    parameters : dict or None, default=None
        Weights and biases, which the penalty needs. Biases are not penalized.
    lambd : float, default=0.0
        :math:`\lambda`, the strength of the penalty; the `alpha` of the estimators. In
        the cost of a mini-batch, give it times the share of the samples that are in the
        batch.

    Returns
    -------
    cost : float
        Infinite if a probability was rounded to 0 or 1 and is wrong, as happens with
        large initial weights. The estimators compute the same cost from Z, before the
        sigmoid or softmax, where nothing is lost by rounding.

    Examples
    --------
    >>> round(compute_cost(np.array([[0.5, 0.25]]), np.array([[1, 0]])), 4)
    0.4904
    >>> compute_cost(np.array([[1.0, 0.0]]), np.array([[1, 1]]))
    inf
    >>> AL, Y = np.array([[0.5], [0.25], [0.25]]), np.array([[1], [0], [0]])
    >>> round(compute_cost(AL, Y, "cross_entropy"), 4)
    0.6931
    """
    check_loss(loss)
    lambd = check_not_negative("lambd", lambd)
    AL = check_outputs(AL, loss)
    cost = _cost(AL, check_targets(Y, AL.shape, "AL", loss), loss)
    if lambd == 0:
        return cost
    if parameters is None:
        raise ValueError("lambd penalizes the weights; give parameters, too.")
    return cost + _penalty(check_parameters(parameters), lambd / AL.shape[1])


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
        Derivative of the cost by the output of the layer, after dropout if there is
        any: then it is multiplied by the mask in the cache first.
    cache : Cache
        From `activation_forward`.

    Returns
    -------
    dA_prev, dW, db : ndarray
        As from `linear_backward`.
    """
    return _activation_backward(check_slope("dA", dA, cache), cache)


def backward_propagation(
    Y: FloatArray,
    caches: Sequence[Cache],
    loss: str = "log_loss",
    *,
    lambd: float = 0.0,
) -> Parameters:
    r"""Return the derivatives of the cost by all weights, biases and layer outputs.

    It begins with the derivative by the logits, the Z of the last layer. This is
    :math:`(A - Y) / m` for a sigmoid with "log_loss", and for a softmax with
    "cross_entropy". To begin with :math:`dA = -Y/A + (1-Y)/(1-A)` would divide by zero
    where A was rounded to 0 or 1.

    Outputs that dropout has set to zero get no gradient, and the others are divided by
    `keep_prob` here as well. The penalty adds :math:`\frac{\lambda}{m} W` to dW.

    Parameters
    ----------
    Y : ndarray of shape (n_outputs, m)
        Targets.
    caches : list of Cache
        From `forward_propagation`; their last Z are the logits.
    loss : {"log_loss", "cross_entropy", "squared_error"}, default="log_loss"
        As in `compute_cost`.
    lambd : float, default=0.0
        As in `compute_cost`.

    Returns
    -------
    grads : dict
        ``"dW1"``, ``"db1"``, ``"dA1"`` and so on; ``"dA0"`` is the derivative by X.
    """
    caches = check_caches(caches)
    last = caches[-1]
    look_up_loss(loss, last.activation)
    lambd = check_not_negative("lambd", lambd)
    Y = check_targets(Y, last.Z.shape, "the last Z", loss, last.activation)
    return _backward(Y, caches, loss, lambd / Y.shape[1])


# ---- the steps themselves, on arrays that were checked


def _linear_forward(A_prev: FloatArray, W: FloatArray, b: FloatArray) -> FloatArray:
    # `W @ A_prev + b` is the same up to rounding. The engine does it in one product,
    # which is faster, and adds the bias in another order.
    return np.hstack([W, b]) @ _append_ones(A_prev)


def _activation_forward(
    A_prev: FloatArray, W: FloatArray, b: FloatArray, activation: str
) -> tuple[FloatArray, Cache]:
    Z = _linear_forward(A_prev, W, b)
    _, _, A = activate(Z, activation)
    return A, Cache(A_prev, W, b, Z, activation)


def _forward(
    X: FloatArray,
    parameters: Parameters,
    activations: Sequence[str],
    masks: Sequence[BoolArray] | None = None,
    keep_prob: float = 1.0,
) -> tuple[FloatArray, list[Cache]]:
    A, caches = X, []
    for number, activation in enumerate(activations, start=1):
        A, cache = _activation_forward(
            A, parameters[f"W{number}"], parameters[f"b{number}"], activation
        )
        if masks is not None and number < len(activations):
            D = masks[number - 1]
            A, cache = A * D / keep_prob, cache._replace(D=D, keep_prob=keep_prob)
        caches.append(cache)
    return A, caches


def _cost(AL: FloatArray, Y: FloatArray, loss: str) -> float:
    if loss == "squared_error":
        return float(np.sum((AL - Y) ** 2) / (2 * AL.size))
    if loss == "cross_entropy":
        return float(-np.sum(xlogy(Y, AL)) / Y.shape[1])
    # xlogy(0, 0) is 0, the limit of y log(a), where 0 * log(0) would be NaN.
    return float(-np.sum(xlogy(Y, AL) + xlog1py(1 - Y, -AL)) / Y.shape[1])


def _penalty(parameters: Parameters, decay: float) -> float:
    weights = [W for name, W in parameters.items() if name[0] == "W"]
    return decay / 2 * sum(float(np.sum(W**2)) for W in weights)


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
    dZ, (function, Z, A) = dA.copy(), activate(cache.Z, cache.activation)
    if cache.D is not None:
        dZ = dZ * cache.D / cache.keep_prob
    function.backward(dZ, Z, A)
    return _linear_backward(dZ, cache)


def _backward(
    Y: FloatArray, caches: Sequence[Cache], loss: str, decay: float = 0.0
) -> Parameters:
    last = caches[-1]
    dA, dW, db = _linear_backward(_logit_gradient(last, Y, loss), last)
    grads = {f"dW{len(caches)}": dW, f"db{len(caches)}": db}
    for number in range(len(caches) - 1, 0, -1):
        grads[f"dA{number}"] = dA
        dA, dW, db = _activation_backward(dA, caches[number - 1])
        grads |= {f"dW{number}": dW, f"db{number}": db}
    grads["dA0"] = dA
    if decay:
        for number, cache in enumerate(caches, start=1):
            grads[f"dW{number}"] = grads[f"dW{number}"] + decay * cache.W
    return grads


def _append_ones(A: FloatArray) -> FloatArray:
    """Return A with a row of ones below it, the input of the biases."""
    return np.vstack([A, np.ones_like(A[:1])])


def _logit_gradient(last: Cache, Y: FloatArray, loss: str) -> FloatArray:
    """Return the derivative of the cost by Z of the last layer."""
    dZ = last.Z.copy()
    look_up_loss(loss, last.activation)(dZ, Y, np.empty((3, *dZ.shape)))
    # The engine multiplies by the weight 1/m of a sample; dividing rounds differently.
    return dZ * (1 / Y.shape[1])
