"""The outputs of a network, block by block, by as many threads as BLAS has."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from scipy.sparse import issparse

from .._utils.typing import FloatArray
from .network import Network, copy_inputs, rows_per_block
from .parallel import Threads, one_blas_thread
from .propagation import Propagation


def predict_logits(
    network: Network, X: Any, hidden_layer: int | None = None
) -> FloatArray:
    """Return the logits, or the activations of a hidden layer, of every sample.

    Blocks are padded to a multiple of 16 columns. BLAS computes the columns that are
    left over in another way, with other last bits. Without them, the logits of a sample
    do not depend on the other samples.

    Parameters
    ----------
    network : Network
        One, or a stack of them.
    X : ndarray or CSR matrix of shape (n_samples, n_inputs)
        Of any dtype; cast a block at a time. Sparse for one network only.
    hidden_layer : int or None, default=None
        The hidden layer, from 0, whose activations to return.

    Returns
    -------
    outputs : ndarray of shape (*stack_shape, n_samples, n_units)
    """
    stays_sparse = issparse(X) and network.takes_sparse
    size = rows_per_block(network.layer_sizes, stays_sparse)
    n_units = network.layer_sizes[-1 if hidden_layer is None else hidden_layer + 1]
    shape = (*network.stack_shape, X.shape[-2], n_units)
    outputs = np.empty(shape, network.params.dtype)
    fill = partial(_fill_rows, outputs, network, X, hidden_layer)
    blocks = [slice(at, at + size) for at in range(0, X.shape[-2], size)]
    # To set the number of threads of BLAS takes longer than one block
    if len(blocks) > 1 and all(it.elementwise for it in network.activations):
        with one_blas_thread() as n, Threads(n) as threads:
            threads.call([partial(fill, blocks[k::n]) for k in range(n)])
    else:
        fill(blocks)
    return outputs


def _fill_rows(
    outputs: FloatArray,
    network: Network,
    X: Any,
    hidden_layer: int | None,
    blocks: Sequence[slice],
) -> None:
    """Fill in place the rows of `outputs` that are in `blocks`."""
    dtype, scaling = network.params.dtype, network.input_scaling
    propagation = Propagation(network)
    dense = np.empty((0, 0), dtype)
    own = () if network.shares_inputs else network.stack_shape
    for rows in blocks:
        block = outputs[..., rows, :]
        n_rows, n_columns = block.shape[-2], _pad(block.shape[-2])
        if issparse(X) and network.takes_sparse:
            inputs = X if n_rows == X.shape[0] else X[rows]
            inputs = inputs.astype(dtype, copy=False)
        else:
            if n_columns > dense.shape[-2]:
                dense = np.ones((*own, n_columns, X.shape[-1] + 1), dtype)
            copy_inputs(X[rows], scaling, dense[..., :n_rows, :-1])
            inputs = dense[..., :n_columns, :].swapaxes(-1, -2)
        if hidden_layer is None:
            columns = propagation.forward(inputs, n_columns)
        else:
            columns = propagation.activations(inputs, hidden_layer, n_columns)
        block[...] = columns[..., :n_rows].swapaxes(-1, -2)


def _pad(n_columns: int) -> int:
    return -(-n_columns // 16) * 16
