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
``{"input_dim": 2, "output_dim": 10, "activation": "tanh"}``. The activation of the last
layer may be "softmax", for classes that exclude each other.

Functions that the course repeats for each technique are one function here:

============================================  ====================================
in the course                                 here
============================================  ====================================
``linear_activation_forward``                 `activation_forward`
``L_model_forward``                           `forward_propagation`
``forward_propagation_with_dropout``          the same, with ``keep_prob=0.8``
``compute_cost_with_regularization``          `compute_cost`, with ``lambd=0.7``
``linear_activation_backward``                `activation_backward`
``L_model_backward``                          `backward_propagation`
``backward_propagation_with_regularization``  the same, with ``lambd=0.7``
``backward_propagation_with_dropout``         the same; the masks are in the caches
``gradient_check_n``                          `gradient_check`
``update_parameters_with_gd``                 `update_parameters`
``update_lr``, ``schedule_lr_decay``          `decay_learning_rate`
============================================  ====================================

Mini-batches, momentum and Adam have the names of the course.

Every function checks shapes and values, and raises a ValueError that says what to write
instead. No function scales X: give it to `standardize` first.

Trained weights equal those of the estimators to the last bit, as the tests show: each
operation is written so that it rounds as the engine does. Comments say where. Momentum
and Adam are written as in the course instead, which rounds differently.

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

from ._gradient_check import GradientComparison, gradient_check
from ._network import Cache
from ._optimization import (
    decay_learning_rate,
    initialize_adam,
    initialize_velocity,
    random_mini_batches,
    update_parameters,
    update_parameters_with_adam,
    update_parameters_with_momentum,
)
from ._propagation import (
    activation_backward,
    activation_forward,
    backward_propagation,
    compute_cost,
    forward_propagation,
    initialize_parameters,
    linear_backward,
    linear_forward,
)
from ._training import predict, standardize, train

__all__ = [
    "Cache",
    "GradientComparison",
    "activation_backward",
    "activation_forward",
    "backward_propagation",
    "compute_cost",
    "decay_learning_rate",
    "forward_propagation",
    "gradient_check",
    "initialize_adam",
    "initialize_parameters",
    "initialize_velocity",
    "linear_backward",
    "linear_forward",
    "predict",
    "random_mini_batches",
    "standardize",
    "train",
    "update_parameters",
    "update_parameters_with_adam",
    "update_parameters_with_momentum",
]
