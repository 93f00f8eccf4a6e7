"""Steps of gradient descent, of momentum and of Adam; mini-batches."""

import numpy as np

from ..._utils.typing import FloatArray
from ._arrays import (
    as_numbers,
    check_array,
    check_count,
    check_not_negative,
    check_positive,
    check_random_state,
    check_shape,
    check_share,
)
from ._network import (
    Parameters,
    check_by_parameter,
    check_grads,
    check_names,
)


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


def random_mini_batches(
    X: FloatArray,
    Y: FloatArray,
    batch_size: int = 64,
    random_state: int | np.random.RandomState | None = None,
) -> list[tuple[FloatArray, FloatArray]]:
    """Shuffle the samples, and cut them into mini-batches.

    Parameters
    ----------
    X : ndarray of shape (n_features, m)
        Samples.
    Y : ndarray of shape (n_outputs, m)
        Targets, which are shuffled in the same order.
    batch_size : int, default=64
        Number of samples in each mini-batch. The last one has what is left.
    random_state : int, RandomState or None, default=None
        Seed or generator of the order. For a new order in each epoch, give another
        seed each time, or one generator.

    Returns
    -------
    mini_batches : list of (X_batch, Y_batch)
        Every sample is in one of them.

    Examples
    --------
    >>> X, Y = np.arange(5.0)[np.newaxis], np.array([[0, 0, 1, 1, 1]])
    >>> for X_batch, Y_batch in random_mini_batches(X, Y, 2, random_state=0):
    ...     print(X_batch, Y_batch)
    [[2. 0.]] [[1. 0.]]
    [[1. 3.]] [[0. 1.]]
    [[4.]] [[1.]]
    """
    X = check_array("X", X)
    Y = check_shape("Y", as_numbers("Y", Y), (None, X.shape[1]), "X", X.shape)
    batch_size = check_count("batch_size", batch_size, 1)
    m = X.shape[1]
    order = check_random_state(random_state).permutation(m)
    batches = [order[start : start + batch_size] for start in range(0, m, batch_size)]
    return [(X[:, batch], Y[:, batch]) for batch in batches]


def initialize_velocity(parameters: Parameters) -> Parameters:
    """Return the velocity that momentum starts from: zeros.

    Parameters
    ----------
    parameters : dict
        Weights and biases.

    Returns
    -------
    v : dict
        ``"dW1"``, ``"db1"`` and so on, each like its parameter.
    """
    return {
        f"d{name}": np.zeros_like(as_numbers(f"parameters[{name!r}]", parameters[name]))
        for name in check_names(parameters)
    }


def update_parameters_with_momentum(
    parameters: Parameters,
    grads: Parameters,
    v: Parameters,
    beta: float,
    learning_rate: float,
) -> tuple[Parameters, Parameters]:
    r"""Make a step along a running mean of the gradients.

    .. math::
        v &\leftarrow \beta v + (1 - \beta)\, dW \\
        W &\leftarrow W - \alpha\, v

    The estimators leave out the factor :math:`1 - \beta`. Their steps are the same if
    `learning_rate` is multiplied by it.

    Parameters
    ----------
    parameters : dict
        Weights and biases; not changed.
    grads : dict
        From `backward_propagation`.
    v : dict
        The velocity, at first from `initialize_velocity`; not changed.
    beta : float
        :math:`\beta`, how much of the velocity is kept in a step, in [0, 1). Often 0.9.
    learning_rate : float
        :math:`\alpha`.

    Returns
    -------
    parameters : dict
        The updated weights and biases, in new arrays.
    v : dict
        The updated velocity, for the next step.
    """
    grads = check_grads(grads, parameters)
    v = check_by_parameter("v", v, parameters, "initialize_velocity")
    beta = check_share("beta", beta)
    learning_rate = check_positive("learning_rate", learning_rate)
    v = {name: beta * v[name] + (1 - beta) * grad for name, grad in grads.items()}
    return _update(parameters, v, learning_rate), v


def initialize_adam(parameters: Parameters) -> tuple[Parameters, Parameters]:
    """Return the running means that Adam starts from: zeros.

    Parameters
    ----------
    parameters : dict
        Weights and biases.

    Returns
    -------
    v, s : dict
        Those of the gradient and of its square: ``"dW1"``, ``"db1"`` and so on.
    """
    return initialize_velocity(parameters), initialize_velocity(parameters)


def update_parameters_with_adam(
    parameters: Parameters,
    grads: Parameters,
    v: Parameters,
    s: Parameters,
    t: int,
    learning_rate: float = 0.01,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
) -> tuple[Parameters, Parameters, Parameters]:
    r"""Make a step of Adam, of about the same size for all parameters.

    .. math::
        v &\leftarrow \beta_1 v + (1 - \beta_1)\, dW \\
        s &\leftarrow \beta_2 s + (1 - \beta_2)\, dW^2 \\
        W &\leftarrow W - \alpha\,
        \frac{v / (1 - \beta_1^t)}{\sqrt{s / (1 - \beta_2^t)} + \epsilon}

    Both means start at zero, so the first ones are too small. Dividing by
    :math:`1 - \beta^t` corrects this bias.

    Parameters
    ----------
    parameters : dict
        Weights and biases; not changed.
    grads : dict
        From `backward_propagation`.
    v, s : dict
        Running means of the gradient and of its square, at first from
        `initialize_adam`; not changed.
    t : int
        Number of this step, from 1. It counts steps, not epochs.
    learning_rate : float, default=0.01
        :math:`\alpha`.
    beta1 : float, default=0.9
        :math:`\beta_1`, how much of the mean gradient is kept in a step, in [0, 1).
    beta2 : float, default=0.999
        :math:`\beta_2`, how much of the mean square is kept in a step, in [0, 1).
    epsilon : float, default=1e-8
        :math:`\epsilon`, which keeps the quotient finite; positive.

    Returns
    -------
    parameters : dict
        The updated weights and biases, in new arrays.
    v, s : dict
        The updated means, for the next step.
    """
    grads = check_grads(grads, parameters)
    v = check_by_parameter("v", v, parameters, "initialize_adam")
    s = check_by_parameter("s", s, parameters, "initialize_adam")
    t = check_count("t", t, 1)
    learning_rate = check_positive("learning_rate", learning_rate)
    beta1 = check_share("beta1", beta1)
    beta2 = check_share("beta2", beta2)
    epsilon = check_positive("epsilon", epsilon)
    v = {name: beta1 * v[name] + (1 - beta1) * dW for name, dW in grads.items()}
    s = {name: beta2 * s[name] + (1 - beta2) * dW**2 for name, dW in grads.items()}
    step: Parameters = {
        name: v[name] / (1 - beta1**t) / (np.sqrt(s[name] / (1 - beta2**t)) + epsilon)
        for name in grads
    }
    return _update(parameters, step, learning_rate), v, s


def decay_learning_rate(
    learning_rate: float, epoch: int, decay_rate: float, time_interval: int = 1
) -> float:
    r"""Return the learning rate of an epoch, which falls in the course of training.

    .. math:: \alpha = \frac{\alpha_0}{1 + d \lfloor e / n \rfloor}

    Parameters
    ----------
    learning_rate : float
        :math:`\alpha_0`, the learning rate of the first epoch.
    epoch : int
        :math:`e`, the number of the epoch, from 0.
    decay_rate : float
        :math:`d`, how fast it falls; 0 leaves it as it is.
    time_interval : int, default=1
        :math:`n`, the number of epochs for which it stays the same.

    Returns
    -------
    learning_rate : float

    Examples
    --------
    >>> [round(decay_learning_rate(0.5, epoch, 1.0), 3) for epoch in range(4)]
    [0.5, 0.25, 0.167, 0.125]
    """
    learning_rate = check_positive("learning_rate", learning_rate)
    epoch = check_count("epoch", epoch, 0)
    decay_rate = check_not_negative("decay_rate", decay_rate)
    time_interval = check_count("time_interval", time_interval, 1)
    return learning_rate / (1 + decay_rate * (epoch // time_interval))


def _update(
    parameters: Parameters, grads: Parameters, learning_rate: float
) -> Parameters:
    return {
        name: value - learning_rate * grads[f"d{name}"]
        for name, value in parameters.items()
    }
