"""Predictions of a network, block by block, with as many threads as BLAS has."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from scipy.sparse import issparse

from .._utils.interrupts import take_interrupts
from .._utils.typing import FloatArray
from .network import Network, copy_inputs, rows_per_block
from .parallel import Threads, one_blas_thread
from .propagation import Propagation

_BLOCKS_AT_ONCE = 32  # by each thread, before Ctrl-C is looked for


def predict_logits(
    network: Network, X: Any, hidden_layer: int | None = None
) -> FloatArray:
    """Return the logits, or the activations of a hidden layer, of every sample.

    The last bits of the logits of a sample can depend on how many samples there are,
    since BLAS may choose another kernel. The same call returns the same bits.

    Parameters
    ----------
    network : Network
        One network, or a stack of networks.
    X : ndarray or CSR matrix of shape (n_samples, n_inputs)
        Input data of any dtype, which is cast block by block. A stack does not support
        sparse X.
    hidden_layer : int or None, default=None
        Index of the hidden layer, from 0, whose activations to return. None returns the
        logits.

    Returns
    -------
    outputs : ndarray of shape (*stack_shape, n_samples, n_units)
    """
    stays_sparse = issparse(X) and network.takes_sparse
    size = rows_per_block(network.layer_sizes, stays_sparse)
    n_units = network.layer_sizes[-1 if hidden_layer is None else hidden_layer + 1]
    shape = (*network.stack_shape, X.shape[-2], n_units)
    outputs = np.empty(shape, network.params.dtype)
    blocks = [slice(at, at + size) for at in range(0, X.shape[-2], size)]
    # Setting the number of threads of BLAS takes longer than one block.
    if len(blocks) > 1 and all(it.elementwise for it in network.activations):
        with one_blas_thread() as n, Threads(n) as threads:
            fills = [_make_fill(outputs, network, X, hidden_layer) for _ in range(n)]
            for at in range(0, len(blocks), _BLOCKS_AT_ONCE * n):
                part = blocks[at : at + _BLOCKS_AT_ONCE * n]
                threads.call([partial(fills[k], part[k::n]) for k in range(n)])
                take_interrupts()
    else:
        _make_fill(outputs, network, X, hidden_layer)(blocks)
    return outputs


def _make_fill(
    outputs: FloatArray, network: Network, X: Any, hidden_layer: int | None
) -> Callable[[Sequence[slice]], None]:
    """Return a function that computes, in place, the `outputs` of some blocks."""
    propagation = BlockPropagation(network, hidden_layer)

    def fill(blocks: Sequence[slice]) -> None:
        for rows in blocks:
            block = outputs[..., rows, :]
            block[...] = propagation(X if block.shape[-2] == X.shape[-2] else X[rows])

    return fill


class BlockPropagation:
    """Forward propagation of one block of rows at a time, with reused work arrays.

    Allocating the work arrays takes as long as computing one row of a small network.
    They may be used by one thread at a time. There are separate work arrays for each
    number of rows that occurs, which is rounded up so that there are few.

    Parameters
    ----------
    network : Network
        One network, or a stack of networks.
    hidden_layer : int or None, default=None
        Index of the hidden layer, from 0, whose activations to return. None returns the
        logits.
    """

    def __init__(self, network: Network, hidden_layer: int | None = None) -> None:
        self._network = network
        self._hidden_layer = hidden_layer
        self._propagation = Propagation(network)
        self._dense = np.empty((0, 0), network.params.dtype)

    def __call__(self, X: Any) -> FloatArray:
        """Return the outputs, in a work array that the next call overwrites.

        Parameters
        ----------
        X : ndarray or CSR matrix of shape (n_samples, n_inputs)
            The rows of one block.

        Returns
        -------
        outputs : ndarray of shape (*stack_shape, n_samples, n_units)
        """
        n_rows = X.shape[-2]
        n_columns = _round_up(n_rows)
        inputs = self._read(X, n_rows, n_columns)
        if self._hidden_layer is None:
            columns = self._propagation.forward(inputs, n_columns)
        else:
            layer = self._hidden_layer
            columns = self._propagation.activations(inputs, layer, n_columns)
        return columns[..., :n_rows].swapaxes(-1, -2)

    def _read(self, X: Any, n_rows: int, n_columns: int) -> Any:
        """Return the scaled and cast rows as columns, each followed by a one."""
        network, dtype = self._network, self._network.params.dtype
        if network.takes_sparse and issparse(X):
            return X.astype(dtype, copy=False)
        if n_columns > self._dense.shape[-2]:
            own = () if network.shares_inputs else network.stack_shape
            self._dense = np.ones((*own, n_columns, X.shape[-1] + 1), dtype)
        dense = self._dense
        copy_inputs(X, network.input_scaling, dense[..., :n_rows, :-1])
        return dense[..., :n_columns, :].swapaxes(-1, -2)


def _round_up(n_rows: int) -> int:
    """Return the next power of two, or the next multiple of 16 if it is larger."""
    return 1 << (n_rows - 1).bit_length() if n_rows <= 16 else -(-n_rows // 16) * 16
