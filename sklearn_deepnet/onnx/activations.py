r"""Activations as ONNX nodes that onnxruntime supports in both precisions.

onnxruntime has no double-precision kernel for Elu, Selu, Softplus and Erf. These are
therefore composed of other operators, in formulas that do not overflow: softplus is
:math:`\max(z, 0) + \log(1 + e^{-|z|})`. In double precision, gelu is

.. math:: z \Phi(z) = \max(z, 0) - e^{-z^2 / 2}\, q(t),\quad t = (|z| - 3) / (|z| + 3),

where :math:`q` is the polynomial of degree 24 that interpolates
:math:`\tfrac{1}{2} |z|\, \text{erfcx}(|z| / \sqrt{2})`, a smooth function of :math:`t`
with values from 0 to :math:`1 / \sqrt{2 \pi}` [1]_. Its error is below 1e-15.

The operator Sigmoid is not precise enough for silu, which is :math:`z / (1 + e^{-z})`.
Its denominator may be huge, and so must not be quantized. Quantizers write the results
of some operators in 8 bits, Add and Mul among them, but not those of Sub, Div, Exp and
Max. The sum is therefore written as :math:`e^{-z} - (-1)`. In the format QOperator,
quantizers also drop a Relu whose input has other uses, so these are written as Max.

References
----------
.. [1] Schonfelder, "Chebyshev Expansions for the Error and Related Functions",
   Mathematics of Computation 32, 1978, for the change of variable.
"""

import math
from collections.abc import Callable
from types import MappingProxyType

import numpy as np
from numpy.polynomial.chebyshev import cheb2poly, chebinterpolate
from scipy.special import erfcx

from .._utils.typing import FloatArray
from ..nn.activations import LEAKY_RELU_SLOPE, SELU_ALPHA, SELU_LAMBDA
from .graph import Graph


def _relu(graph: Graph, z: str) -> str:
    return graph.add("Relu", z)


def _tanh(graph: Graph, z: str) -> str:
    return graph.add("Tanh", z)


def _sigmoid(graph: Graph, z: str) -> str:
    return graph.add("Sigmoid", z)


def _identity(graph: Graph, z: str) -> str:
    return z


def _leaky_relu(graph: Graph, z: str) -> str:
    return graph.add("Max", z, graph.add("Mul", z, LEAKY_RELU_SLOPE))


def _exp_minus_1(graph: Graph, z: str) -> str:
    """Add e^min(z, 0) - 1, which cannot overflow."""
    return graph.add("Sub", graph.add("Exp", graph.add("Min", z, 0.0)), 1.0)


def _elu(graph: Graph, z: str) -> str:
    return graph.add("Max", z, _exp_minus_1(graph, z))  # e^z - 1 >= z


def _selu(graph: Graph, z: str) -> str:
    below = graph.add("Mul", _exp_minus_1(graph, z), SELU_LAMBDA * SELU_ALPHA)
    above = graph.add("Mul", graph.add("Max", z, 0.0), SELU_LAMBDA)
    return graph.add("Add", above, below)


def _softplus(graph: Graph, z: str) -> str:
    decay = graph.add("Exp", graph.add("Neg", graph.add("Abs", z)))
    log = graph.add("Log", graph.add("Add", decay, 1.0))
    return graph.add("Add", graph.add("Max", z, 0.0), log)


def _gelu(graph: Graph, z: str) -> str:
    if graph.dtype == np.float32:
        erf = graph.add("Erf", graph.add("Mul", z, math.sqrt(0.5)))
        half = graph.add("Mul", z, 0.5)
        return graph.add("Mul", half, graph.add("Add", erf, 1.0))
    # Without Erf in float64: z Φ(z) as in the formula above.
    size = graph.add("Abs", z)
    t = graph.add("Div", graph.add("Sub", size, 3.0), graph.add("Add", size, 3.0))
    *lower, q = _gelu_polynomial()
    for coefficient in reversed(lower):  # Horner's rule
        q = graph.add("Add", graph.add("Mul", t, q), coefficient)
    square = graph.add("Mul", size, size)
    decay = graph.add("Exp", graph.add("Mul", square, -0.5))
    return graph.add("Sub", graph.add("Max", z, 0.0), graph.add("Mul", decay, q))


def _gelu_polynomial() -> FloatArray:
    """Return the coefficients of q, by rising powers of t."""

    def q(t: FloatArray) -> FloatArray:
        size = 3 * (1 + t) / (1 - t)
        return size / 2 * erfcx(size / math.sqrt(2))

    return cheb2poly(chebinterpolate(q, 24))


def _silu(graph: Graph, z: str) -> str:
    decay = graph.add("Exp", graph.add("Neg", z))  # infinite for very small z
    return graph.add("Div", z, graph.add("Sub", decay, -1.0))


NODES: MappingProxyType[str, Callable[[Graph, str], str]] = MappingProxyType(
    {
        "relu": _relu,
        "tanh": _tanh,
        "sigmoid": _sigmoid,
        "logistic": _sigmoid,
        "identity": _identity,
        "leaky_relu": _leaky_relu,
        "elu": _elu,
        "selu": _selu,
        "softplus": _softplus,
        "gelu": _gelu,
        "silu": _silu,
    }
)
