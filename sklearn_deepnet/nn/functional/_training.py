"""Scaling, prediction, and a loop of the five steps."""

import numpy as np

from ..._utils.typing import FloatArray, IntArray
from ._activations import look_up_activation, softmax
from ._arrays import (
    as_numbers,
    check_array,
    check_bool,
    check_count,
    check_positive,
    check_shape,
)
from ._network import Layers, Parameters, check_network, check_progress
from ._optimization import _update
from ._propagation import _backward, _cost, _forward
from ._targets import check_targets, look_up_loss


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


def predict(
    X: FloatArray, parameters: Parameters, layers: Layers | None = None
) -> IntArray:
    """Return 0 or 1 for each output, or the class where the last layer is a softmax.

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
    Y : ndarray of int of shape (n_outputs, m), or (1, m) for a softmax
        1 where the output is above one half. For a softmax, the row of the largest
        output, counted from 0.
    """
    AL, caches = _forward(*check_network(X, parameters, layers))
    if look_up_activation(caches[-1].activation) is softmax:
        return np.argmax(AL, axis=0, keepdims=True)
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
    loss : {"log_loss", "cross_entropy", "squared_error"}, default="log_loss"
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
