r"""Activations: the non-linear functions between two layers.

An activation is a pair of functions. They work in place, so that a training step
allocates no memory:

``forward(z, a)``
    writes :math:`a = f(z)` into ``a``. It may store in ``z`` what ``backward`` needs.
``backward(grad, z, a)``
    replaces :math:`\partial L/\partial a` in ``grad`` by
    :math:`\partial L/\partial z = \partial L/\partial a \cdot f'(z)`. It may
    overwrite ``z`` and ``a``.

If the derivative depends only on ``a`` (`overwrites_z`), ``z`` and ``a`` are the same
array, which halves the memory of a layer.

=============  ==================================================================
relu           :math:`\max(z, 0)` [1]_
tanh           :math:`\tanh z`
sigmoid        :math:`\sigma(z) = 1 / (1 + e^{-z})`, also called "logistic"
identity       :math:`z`
leaky_relu     :math:`\max(z, 0.01 z)` [2]_
elu            :math:`z` above 0, :math:`e^z - 1` below [3]_
selu           :math:`1.0507 z` above 0, :math:`1.7581 (e^z - 1)` below [4]_
softplus       :math:`\log(1 + e^z)` [5]_
gelu           :math:`z \Phi(z)`, :math:`\Phi` the normal distribution [6]_
silu           :math:`z \sigma(z)` [7]_
=============  ==================================================================

References
----------
.. [1] Nair & Hinton, "Rectified Linear Units Improve Restricted Boltzmann Machines",
   ICML 2010.
.. [2] Maas et al., "Rectifier Nonlinearities Improve Neural Network Acoustic Models",
   ICML 2013.
.. [3] Clevert et al., "Fast and Accurate Deep Network Learning by Exponential Linear
   Units", ICLR 2016.
.. [4] Klambauer et al., "Self-Normalizing Neural Networks", NeurIPS 2017, eq. 14.
.. [5] Dugas et al., "Incorporating Second-Order Functional Knowledge for Better Option
   Pricing", NeurIPS 2000.
.. [6] Hendrycks & Gimpel, "Gaussian Error Linear Units", 2016, without approximation.
.. [7] Elfwing et al., "Sigmoid-Weighted Linear Units for Neural Network Function
   Approximation in Reinforcement Learning", Neural Networks 107, 2018.

Examples
--------
>>> import numpy as np
>>> z = np.array([-1.0, 0.0, 2.0])
>>> relu.forward(z, z)
>>> z
array([0., 0., 2.])
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import DTypeLike
from scipy.special import expit, ndtr

from .._utils.lookup import forgets_elementwise
from .._utils.typing import FloatArray

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "elu",
    "gelu",
    "identity",
    "leaky_relu",
    "logistic",
    "relu",
    "selu",
    "sigmoid",
    "silu",
    "softplus",
    "tanh",
]


_MOST_ZEROS = 2**20


def zeros_like(array: FloatArray) -> FloatArray:
    """Return zeros of the same shape, or a single zero for a very large array.

    NumPy uses vector instructions for the maximum of two arrays, but not for that of an
    array and a number, which takes several times as long. Zeros that are only read take
    no memory, since the operating system maps all of a large array to one page.
    """
    shape = array.shape if array.size <= _MOST_ZEROS else ()
    return _zeros(shape, array.dtype)


@lru_cache(maxsize=32)
def _zeros(shape: tuple[int, ...], dtype: DTypeLike) -> FloatArray:
    zeros: FloatArray = np.zeros(shape, dtype)
    zeros.flags.writeable = False  # since the array is shared
    return zeros


@forgets_elementwise("forward", "backward")
class Activation(NamedTuple):
    """A non-linearity and its derivative, applied unit by unit.

    Parameters
    ----------
    name : str
        The name that users type.
    forward : callable ``(z, a) -> None``
        Writes ``f(z)`` to `a`. If `overwrites_z` is True, `a` and `z` are the same
        array.
    backward : callable ``(grad, z, a) -> None``
        Multiplies `grad` by ``f'(z)`` in place. It may overwrite `z` and `a`.
    overwrites_z : bool
        Whether the derivative depends only on `a`, so that one array can be used for
        both `z` and `a`.
    elementwise : bool, default=False
        Whether both functions treat each element independently, in arrays of any shape,
        and keep no state between calls. If True, networks can be trained as a stack and
        by several threads. If False, they are trained one at a time in a single thread.
    """

    name: str
    forward: Callable[[FloatArray, FloatArray], None]
    backward: Callable[[FloatArray, FloatArray, FloatArray], None]
    overwrites_z: bool
    elementwise: bool = False

    def __repr__(self) -> str:
        return self.name


def _identity(z: FloatArray, a: FloatArray) -> None:
    pass  # a is z


def _identity_backward(grad: FloatArray, z: FloatArray, a: FloatArray) -> None:
    pass  # f' = 1


def _relu(z: FloatArray, a: FloatArray) -> None:
    np.maximum(z, zeros_like(z), out=a)


def _relu_backward(grad: FloatArray, z: FloatArray, a: FloatArray) -> None:
    # f' = 1 where a > 0, else 0. The comparison writes 1.0 and 0.0 into `a`, while a
    # boolean mask or `np.where` would allocate a new array in each step.
    np.greater(a, 0, out=a)
    np.multiply(grad, a, out=grad)


def _tanh(z: FloatArray, a: FloatArray) -> None:
    np.tanh(z, out=a)


def _tanh_backward(grad: FloatArray, z: FloatArray, a: FloatArray) -> None:
    np.multiply(a, a, out=a)  # f' = 1 - a²
    np.subtract(1, a, out=a)
    np.multiply(grad, a, out=grad)


def _sigmoid(z: FloatArray, a: FloatArray) -> None:
    expit(z, out=a)


def _sigmoid_backward(grad: FloatArray, z: FloatArray, a: FloatArray) -> None:
    np.multiply(grad, a, out=grad)  # f' = a (1 - a)
    np.subtract(1, a, out=a)
    np.multiply(grad, a, out=grad)


LEAKY_RELU_SLOPE = 0.01


def _leaky_relu(z: FloatArray, a: FloatArray) -> None:
    np.multiply(z, LEAKY_RELU_SLOPE, out=a)
    np.maximum(z, a, out=a)


def _leaky_relu_backward(grad: FloatArray, z: FloatArray, a: FloatArray) -> None:
    # f' = 1 where z > 0, else the slope below zero: sign(z) is 1, 0 or -1.
    np.sign(z, out=z)
    np.maximum(z, LEAKY_RELU_SLOPE, out=z)
    np.multiply(grad, z, out=grad)


def _elu(z: FloatArray, a: FloatArray) -> None:
    np.minimum(z, zeros_like(z), out=a)  # e^z of a large z would overflow
    np.expm1(a, out=a)  # more exact than exp(z) - 1 where z is near 0
    # Below zero, e^z - 1 >= z; above zero, `a` is 0 by now and z is larger.
    np.maximum(z, a, out=a)


def _elu_backward(grad: FloatArray, z: FloatArray, a: FloatArray) -> None:
    np.minimum(z, zeros_like(z), out=z)
    np.exp(z, out=z)  # f' = e^min(z, 0)
    np.multiply(grad, z, out=grad)


# Klambauer et al. 2017, eq. 14: with these constants, layers of SELU units pull the
# mean of their outputs to 0 and the variance to 1.
SELU_ALPHA = 1.6732632423543772
SELU_LAMBDA = 1.0507009873554805


def _selu(z: FloatArray, a: FloatArray) -> None:
    np.minimum(z, zeros_like(z), out=a)
    np.expm1(a, out=a)
    np.multiply(a, SELU_ALPHA, out=a)
    np.maximum(z, zeros_like(z), out=z)
    np.add(a, z, out=a)
    np.multiply(a, SELU_LAMBDA, out=a)


def _selu_backward(grad: FloatArray, z: FloatArray, a: FloatArray) -> None:
    # f' = a + λα where z <= 0, and λ = λα + λ(1 - α) where z > 0. The second term is
    # sign(z) times a constant, without a mask, since `forward` left max(z, 0) in z.
    np.minimum(a, 0, out=a)
    np.add(a, SELU_LAMBDA * SELU_ALPHA, out=a)
    np.sign(z, out=z)
    np.multiply(z, SELU_LAMBDA * (1 - SELU_ALPHA), out=z)
    np.add(a, z, out=a)
    np.multiply(grad, a, out=grad)


def _softplus(z: FloatArray, a: FloatArray) -> None:
    np.logaddexp(z, 0, out=a)  # log(e^z + e^0), without overflow


def _softplus_backward(grad: FloatArray, z: FloatArray, a: FloatArray) -> None:
    expit(z, out=z)  # f' = sigmoid(z)
    np.multiply(grad, z, out=grad)


def _gelu(z: FloatArray, a: FloatArray) -> None:
    ndtr(z, out=a)  # Φ itself, and not its approximation by tanh
    np.multiply(a, z, out=a)


def _gelu_backward(grad: FloatArray, z: FloatArray, a: FloatArray) -> None:
    # f' = Φ(z) + z φ(z), where φ(z) = exp(-z²/2) / sqrt(2π)
    np.multiply(z, z, out=a)
    np.multiply(a, -0.5, out=a)
    np.exp(a, out=a)
    np.multiply(a, z, out=a)
    np.multiply(a, 1 / math.sqrt(2 * math.pi), out=a)
    ndtr(z, out=z)
    np.add(a, z, out=a)
    np.multiply(grad, a, out=grad)


def _silu(z: FloatArray, a: FloatArray) -> None:
    expit(z, out=a)
    np.multiply(a, z, out=a)


def _silu_backward(grad: FloatArray, z: FloatArray, a: FloatArray) -> None:
    # f' = σ + a (1 - σ) = 1 + (a - 1)(1 - σ). Here 1 - σ(z) is computed as σ(-z), since
    # the subtraction would lose all digits where σ is close to 1.
    np.negative(z, out=z)
    expit(z, out=z)
    np.subtract(a, 1, out=a)
    np.multiply(a, z, out=a)
    np.add(a, 1, out=a)
    np.multiply(grad, a, out=grad)


_elementwise = partial(Activation, elementwise=True)

relu = _elementwise("relu", _relu, _relu_backward, overwrites_z=True)
tanh = _elementwise("tanh", _tanh, _tanh_backward, overwrites_z=True)
sigmoid = _elementwise("sigmoid", _sigmoid, _sigmoid_backward, overwrites_z=True)
identity = _elementwise("identity", _identity, _identity_backward, overwrites_z=True)
leaky_relu = _elementwise(
    "leaky_relu", _leaky_relu, _leaky_relu_backward, overwrites_z=False
)
elu = _elementwise("elu", _elu, _elu_backward, overwrites_z=False)
selu = _elementwise("selu", _selu, _selu_backward, overwrites_z=False)
softplus = _elementwise("softplus", _softplus, _softplus_backward, overwrites_z=False)
gelu = _elementwise("gelu", _gelu, _gelu_backward, overwrites_z=False)
silu = _elementwise("silu", _silu, _silu_backward, overwrites_z=False)
logistic = sigmoid

ACTIVATIONS = MappingProxyType(
    {
        "relu": relu,
        "tanh": tanh,
        "sigmoid": sigmoid,
        "logistic": logistic,
        "identity": identity,
        "leaky_relu": leaky_relu,
        "elu": elu,
        "selu": selu,
        "softplus": softplus,
        "gelu": gelu,
        "silu": silu,
    }
)

# Names as types, for editors and type checkers; a test compares them with the table.
ActivationName: TypeAlias = Literal[
    "relu",
    "tanh",
    "sigmoid",
    "logistic",
    "identity",
    "leaky_relu",
    "elu",
    "selu",
    "softplus",
    "gelu",
    "silu",
]
ActivationLike: TypeAlias = (
    ActivationName | Activation | Sequence[ActivationName | Activation]
)
