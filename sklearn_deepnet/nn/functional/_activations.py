r"""Activations of the course: those of the estimators, and the softmax.

A softmax looks at all units of its layer, where the other activations look at one unit
alone. In the estimators it is therefore part of the loss.
"""

from types import MappingProxyType

import numpy as np

from ..._utils.lookup import look_up
from ..._utils.typing import FloatArray
from ..activations import ACTIVATIONS as UNITWISE
from ..activations import Activation

__all__ = ["ACTIVATIONS", "activate", "look_up_activation", "softmax"]


def _softmax(z: FloatArray, a: FloatArray) -> None:
    r"""Write :math:`e^{z_c} / \sum_k e^{z_k}` of each column into `a`, in place.

    The largest z of a column is subtracted first, which changes nothing but avoids
    overflow.
    """
    np.subtract(z, np.max(z, axis=0, keepdims=True), out=a)
    np.exp(a, out=a)
    np.divide(a, np.sum(a, axis=0, keepdims=True), out=a)


def _softmax_backward(grad: FloatArray, z: FloatArray, a: FloatArray) -> None:
    r"""Turn dA into :math:`dZ_c = a_c (dA_c - \sum_k a_k dA_k)`, in place."""
    grad -= np.sum(a * grad, axis=0, keepdims=True)
    grad *= a


softmax = Activation("softmax", _softmax, _softmax_backward, overwrites_z=True)

ACTIVATIONS = MappingProxyType({**UNITWISE, "softmax": softmax})


def look_up_activation(activation: str | Activation) -> Activation:
    """Return an activation by its name, or an activation itself."""
    return look_up(ACTIVATIONS, activation, "activation")


def activate(
    Z: FloatArray, activation: str | Activation
) -> tuple[Activation, FloatArray, FloatArray]:
    """Return the activation, a copy of Z prepared for its ``backward``, and A."""
    function = look_up_activation(activation)
    Z = Z.copy()
    A = Z if function.overwrites_z else np.empty_like(Z)
    function.forward(Z, A)
    return function, Z, A
