"""A network, or a stack of networks of one shape, on one flat buffer.

Orientation is units × samples: a layer is ``Z = [W b] [A; 1]``. The bias is the last
column of the weights and activations carry a last row of ones, so that one product goes
forward, one gives the gradient of weights and bias together, and one goes backward.
Axes before those two are the stack.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import DTypeLike
from scipy.sparse import hstack, issparse

from .._utils.typing import FloatArray
from ..nn.activations import Activation
from ..nn.scaling import InputScaling

_BLOCK_ELEMENTS = 2**18  # of the work arrays of one block: 2 MB in float64
# From so many parameters on, 128 samples are enough work for another thread
_MANY_PARAMS = 2**17


class Network:
    """Parameters of one network, or a stack, and the views that cut them into layers.

    Parameters
    ----------
    layer_sizes : sequence of int
        Inputs, units of each hidden layer, outputs.
    activations : sequence of Activation
        One for each hidden layer.
    params : ndarray of shape (*stack_shape, n_params)
        Layer after layer, ``[W b]`` row by row; see `count_params`.
    input_scaling : InputScaling or None, default=None
        What is done to the inputs first.

    Attributes
    ----------
    layers : list of ndarray of shape (*stack_shape, n_out, n_in + 1)
        ``[W b]`` of each layer, views of `params`.
    """

    def __init__(
        self,
        layer_sizes: Sequence[int],
        activations: Sequence[Activation],
        params: FloatArray,
        input_scaling: InputScaling | None = None,
    ) -> None:
        self.layer_sizes = tuple(layer_sizes)
        self.activations = tuple(activations)
        self.params = params
        self.input_scaling = input_scaling
        self.stack_shape = params.shape[:-1]
        self.layers = cut_layers(self.layer_sizes, params)


def count_params(layer_sizes: Sequence[int]) -> int:
    """Return the number of weights and biases of one network."""
    return sum(n_out * (n_in + 1) for n_in, n_out in pairwise(layer_sizes))


def cut_layers(layer_sizes: Sequence[int], flat: FloatArray) -> list[FloatArray]:
    """Return the views ``[W b]``, of shape ``(*stack_shape, n_out, n_in + 1)``."""
    layers, start = [], 0
    for n_in, n_out in pairwise(layer_sizes):
        stop = start + n_out * (n_in + 1)
        shape = (*flat.shape[:-1], n_out, n_in + 1)
        layers.append(flat[..., start:stop].reshape(shape))
        start = stop
    return layers


def rows_per_block(layer_sizes: Sequence[int]) -> int:
    """Return how many samples are worked on at once, so that they stay in the cache.

    It depends on the layers alone, since it decides the order of summation: never on
    the number of networks, threads or the machine.
    """
    rows = _BLOCK_ELEMENTS // (2 * sum(layer_sizes))
    fewest = 128 if count_params(layer_sizes) >= _MANY_PARAMS else 256
    return max(fewest, rows // 64 * 64)


def copy_inputs(X: Any, scaling: InputScaling | None, out: FloatArray) -> None:
    """Write rows of X, scaled and cast, to `out`."""
    if scaling is None:
        out[...] = X
    else:
        scaling.apply(X.toarray() if issparse(X) else X, out)


def extend_sparse(rows: Any, dtype: DTypeLike) -> Any:
    """Return sparse rows with a column of ones, as a CSR matrix of `dtype`."""
    ones = np.ones((rows.shape[0], 1))
    return hstack([rows, ones], format="csr", dtype=dtype)


def transpose_sparse(matrix: Any) -> Any:
    """Return a sparse matrix with rows and columns exchanged."""
    return matrix.transpose()


def multiply(left: FloatArray, right: Any, out: FloatArray) -> None:
    """Write the product into `out`; sparse if `right` is, which one network may."""
    if issparse(right):
        product = transpose_sparse(right) @ left.swapaxes(-1, -2)
        np.copyto(out, product.swapaxes(-1, -2))
    else:
        np.matmul(left, right, out=out)
