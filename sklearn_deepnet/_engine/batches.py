"""Mini-batches: samples of X as columns, cast, shuffled and weighted.

Samples are copied in chunks of bounded size, with a column of ones and in the dtype of
the computation. Memory therefore does not grow with the number of samples. Each batch
is a view of a chunk. A chunk that contains all data in a fixed order is copied only
once. The blocks of a large batch are also chunks, each copied by the worker that
propagates it.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike
from scipy.sparse import issparse

from .._utils.typing import BoolArray, FloatArray, IntArray
from ..nn.scaling import InputScaling
from .network import PIECE_ELEMENTS, copy_inputs, extend_inputs

_CHUNK_BYTES = 2**22


class MicroBatch(NamedTuple):
    """Samples that are propagated together: a batch, or a part of a large batch."""

    inputs: Any  # (..., n_inputs + 1, n_samples), the last row ones
    inputs_t: Any  # transposed; if sparse, both are of shape (n_samples, n_inputs)
    target: FloatArray  # (..., n_outputs, n_samples)
    weight: FloatArray  # (..., 1, n_samples)


class Batch(NamedTuple):
    """The samples of one step, in blocks that are divided among several workers.

    Parameters
    ----------
    share : float
        Fraction of all samples that are in this batch.
    blocks : sequence of callable ``(worker) -> MicroBatch``
        Functions that copy their samples to the arrays of a worker, counted from 0. The
        arrays are valid until the same worker requests another block.
    """

    share: float
    blocks: Sequence[Callable[[int], MicroBatch]]


class _Chunk(NamedTuple):
    """The arrays to which samples are copied."""

    inputs_t: Any
    target: FloatArray
    weight: FloatArray

    def block(self, rows: slice) -> MicroBatch:
        if issparse(self.inputs_t):
            inputs = inputs_t = self.inputs_t[rows]
        else:
            inputs_t = self.inputs_t[..., rows, :]
            inputs = inputs_t.swapaxes(-1, -2)
        return MicroBatch(
            inputs, inputs_t, self.target[..., rows], self.weight[..., rows]
        )


class Batches:
    """Iterates over the data once per epoch, in mini-batches.

    Sample i of batch B has the weight ``weight[i] / |B|``, so that a batch of small
    weights makes a small step. Dividing by the sum of the weights instead would change
    the optimum.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_inputs) or (*stack_shape, n_samples, n_inputs)
        Inputs, which are shared by the stack, or separate for each network. For a
        single network, it may be a CSR matrix, whose batches stay sparse.
    y : ndarray of shape (..., n_samples, n_outputs) or (..., n_samples, 1)
        Targets, shared or separate. With several outputs, a single column contains the
        class of each sample, from 0, which is one-hot encoded.
    weight : ndarray of shape (..., n_samples, 1) or None
        Sample weights, shared or separate. Multiplied by `weight_scale`, they have a
        mean of one. None gives all samples weight 1.
    n_outputs : int
        Number of outputs, or 1 if all outputs have the same target.
    batch_size : int
        Number of samples per step, at most n_samples.
    block_size : int
        Larger batches are divided into blocks of equal size, with at most this many
        samples.
    dtype : dtype
        Data type to which X, y and weight are cast.
    generators : sequence of RandomState
        One generator for each network. With `shuffle`, each generator draws a
        permutation for each epoch.
    shuffle : bool
        Whether to draw a new order for each epoch. No order is drawn if one batch
        contains all samples, since it would change only the last bits of a sum.
    stack_shape : tuple of int
        () for one network, (K,) for a stack.
    rows : ndarray of int of shape (n_rows,) or (*stack_shape, n_rows), default=None
        The rows of X to train on. None is all rows. Other parameters count only these
        rows.
    weight_scale : float or ndarray of shape (*stack_shape, 1, 1), default=1.0
        Factor of `weight`, shared or separate.
    target_scale, target_shift : float or ndarray of shape (..., n_outputs, 1)
        The target is ``target_scale * y + target_shift``. Both may be shared or
        separate.
    input_scaling : InputScaling or None, default=None
        Scaling of X, shared or separate. With scaling, the batches of a sparse X are
        dense.

    Attributes
    ----------
    n_samples, n_batches : int
        Number of samples, and of batches in an epoch.
    """

    def __init__(
        self,
        X: Any,
        y: FloatArray,
        weight: FloatArray | None,
        *,
        n_outputs: int,
        batch_size: int,
        block_size: int,
        dtype: DTypeLike,
        generators: Sequence[np.random.RandomState],
        shuffle: bool,
        stack_shape: tuple[int, ...],
        rows: IntArray | None = None,
        weight_scale: FloatArray | float = 1.0,
        target_scale: FloatArray | float = 1.0,
        target_shift: FloatArray | float = 0.0,
        input_scaling: InputScaling | None = None,
    ) -> None:
        self._scales = weight_scale, target_scale, target_shift
        self._input_scaling = input_scaling
        self._sparse = issparse(X) and input_scaling is None
        self._data = X, y, weight
        self._rows = rows
        self._n_outputs = n_outputs
        self.n_samples = X.shape[-2] if rows is None else rows.shape[-1]
        self._batch_size = batch_size
        self.n_batches = -(-self.n_samples // batch_size)
        self._block_size = block_size
        self._dtype = np.dtype(dtype)
        self._generators = generators
        self._shuffle = shuffle and batch_size < self.n_samples
        self._stack_shape = stack_shape
        self._extended = self._extend()
        self._allocate()

    def _allocate(self) -> None:
        """Allocate the arrays that samples are copied to."""
        self._chunk_size = min(self._rows_per_chunk(), self.n_samples)
        self._fixed = not self._shuffle and self._chunk_size == self.n_samples
        self._cut: dict[int, list[Batch]] = {}
        self._chunks = {0: self._make_chunk()}
        if self._fixed:
            self._fill(0, self._rows, 0, self.n_samples)
        if self._shuffle:
            self._order = np.empty((*self._stack_shape, self.n_samples), np.intp)

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches of one epoch, in a new order if samples are shuffled."""
        order = self._draw_order() if self._shuffle else self._rows
        if self._batch_size > self._block_size:
            for start in range(0, self.n_samples, self._batch_size):
                yield self._large_batch(order, start)
            return
        for start in range(0, self.n_samples, self._chunk_size):
            stop = min(start + self._chunk_size, self.n_samples)
            if not self._fixed:
                self._fill(0, order, start, stop)
            yield from self._cut_chunk(start, stop)

    def select(self, keep: BoolArray) -> "Batches":
        """Return the batches of the networks for which `keep` is True."""
        selected = copy(self)
        scaling, offsets = self._input_scaling, self._row_offsets
        selected._data = tuple(_select_own(array, keep) for array in self._data)
        selected._scales = tuple(_select_own(scale, keep) for scale in self._scales)
        selected._input_scaling = scaling and scaling.select(keep)
        selected._row_offsets = offsets if offsets is None else offsets[keep]
        selected._generators = [
            self._generators[k] for k in np.flatnonzero(keep).tolist()
        ]
        selected._stack_shape = (int(np.count_nonzero(keep)),)
        if self._rows is not None and self._rows.ndim > 1:
            selected._rows = self._rows[keep]
        selected._allocate()
        return selected

    def _shape_before(self, *arrays: FloatArray | float | None) -> tuple[int, ...]:
        """Return the stack's shape, or () for what the networks share."""
        if arrays[0] is None:
            return ()
        own_rows = self._rows is not None and self._rows.ndim > 1
        own = self._shuffle or own_rows or any(map(_is_own, arrays))
        return self._stack_shape if own else ()

    def _shape_before_inputs(self) -> tuple[int, ...]:
        scaling = self._input_scaling
        return self._shape_before(self._data[0], scaling and scaling.center)

    def _rows_per_chunk(self) -> int:
        if self._batch_size > self._block_size:
            return self._block_size
        X = self._data[0]
        n_inputs = X.nnz // X.shape[0] if self._sparse else X.shape[-1]
        n_copies = math.prod(self._shape_before_inputs())
        n_bytes = (n_inputs + 1) * self._dtype.itemsize * n_copies * self._batch_size
        return self._batch_size * max(1, _CHUNK_BYTES // n_bytes)

    @np.errstate(all="ignore")  # a cast to float32 may overflow, which the loss shows
    def _extend(self) -> FloatArray | None:
        """Return X, scaled and with a column of ones, to be shuffled at once.

        None if it is not small. If the networks of a stack have different scalings, the
        rows of X are repeated for each scaling that uses them, and `_row_offsets` tells
        what to add to the indices of a network's rows.
        """
        X, scaling = self._data[0], self._input_scaling
        self._row_offsets: IntArray | None = None
        if issparse(X) or not self._shuffle or _is_own(X):
            return None
        if scaling is None or scaling.is_shared:
            return extend_inputs([X], [scaling], self._dtype)
        scalings, which = scaling.distinct()
        used = [self._rows_used(which == k) for k in range(len(scalings))]
        starts = np.cumsum([0, *(rows.stop - rows.start for rows in used[:-1])])
        offsets = starts - [rows.start for rows in used]
        self._row_offsets = offsets[which][:, np.newaxis]
        return extend_inputs([X[rows] for rows in used], scalings, self._dtype)

    def _rows_used(self, networks: BoolArray) -> slice:
        """Return the range of the rows of X that any of these networks uses."""
        if self._rows is None or self._rows.ndim == 1:
            return slice(0, len(self._data[0]))
        rows = self._rows[networks]
        return slice(int(rows.min()), int(rows.max()) + 1)

    def _make_chunk(self) -> _Chunk:
        X, y, weight = self._data
        weight_scale, *target_map = self._scales
        size, dtype = self._chunk_size, self._dtype
        inputs_t = None
        if not self._sparse:
            shape = (*self._shape_before_inputs(), size, X.shape[-1] + 1)
            inputs_t = np.ones(shape, dtype)
        before = self._shape_before(y, *target_map)
        target = np.empty((*before, self._n_outputs, size), dtype)
        before = self._shape_before(weight, weight_scale)
        return _Chunk(inputs_t, target, np.empty((*before, 1, size), dtype))

    def _draw_order(self) -> IntArray:
        """Return the order of this epoch, in an array that the next one overwrites."""
        if self._rows is not None:
            self._order[...] = self._rows
        else:  # piece by piece, since a whole range is as large as the order
            for start in range(0, self.n_samples, PIECE_ELEMENTS):
                part = self._order[..., start : start + PIECE_ELEMENTS]
                part[...] = np.arange(start, start + part.shape[-1])
        by_network = self._order.reshape(-1, self.n_samples)
        for rng, order in zip(self._generators, by_network, strict=True):
            rng.shuffle(order)
        return self._order

    @np.errstate(all="ignore")
    def _fill(self, worker: int, order: IntArray | None, start: int, stop: int) -> None:
        """Copy samples into the chunk of a worker, in place."""
        X, y, weight = self._data
        chunk, n_rows = self._chunks[worker], stop - start
        if self._sparse:
            X = self._pick(X, order, start, stop)
            inputs_t = X.astype(self._dtype, copy=False)
            self._chunks[worker] = chunk._replace(inputs_t=inputs_t)
            self._cut.clear()  # its views are of the matrix before
        elif self._extended is not None and order is not None:
            inputs_t = chunk.inputs_t[..., :n_rows, :]
            picked = order[..., start:stop]
            if self._row_offsets is not None:
                picked = picked + self._row_offsets
            np.take(self._extended, picked, axis=-2, out=inputs_t, mode="clip")
        else:
            self._copy_inputs(chunk.inputs_t[..., :n_rows, :-1], order, start)
        y = self._pick(y, order, start, stop)
        target = chunk.target[..., :n_rows]
        weight_scale, scale, shift = self._scales
        if y.shape[-1] == self._n_outputs:
            # In the precision of y, since only the scaled target is cast.
            target[...] = scale * y.swapaxes(-1, -2) + shift
        else:
            classes = np.arange(self._n_outputs)[:, np.newaxis]
            np.equal(classes, y.swapaxes(-1, -2), out=target)
            target *= np.asarray(scale, target.dtype)
            target += np.asarray(shift, target.dtype)
        if weight is None:
            chunk.weight[..., :n_rows] = 1
        else:
            weight = self._pick(weight, order, start, stop)
            chunk.weight[..., :n_rows] = weight.swapaxes(-1, -2) * weight_scale
        chunk.weight[..., :n_rows] *= 1 / self._batch_size
        n_short = self.n_samples % self._batch_size
        short = max(self.n_samples - n_short - start, 0)
        chunk.weight[..., short:n_rows] *= self._batch_size / max(n_short, 1)

    def _copy_inputs(self, out: FloatArray, order: IntArray | None, start: int) -> None:
        """Write scaled rows of X to `out`, piece by piece."""
        n_rows, n_inputs = out.shape[-2:]
        size = max(1, PIECE_ELEMENTS // n_inputs)
        for at in range(0, n_rows, size):
            stop = min(at + size, n_rows)
            X = self._pick(self._data[0], order, start + at, start + stop)
            copy_inputs(X, self._input_scaling, out[..., at:stop, :])

    def _pick(
        self, array: FloatArray, order: IntArray | None, start: int, stop: int
    ) -> FloatArray:
        if order is None:
            return array[start:stop] if issparse(array) else array[..., start:stop, :]
        picked = order[..., start:stop]
        if _is_own(array):
            picked = np.broadcast_to(picked, (*self._stack_shape, stop - start))
            return np.take_along_axis(array, picked[..., np.newaxis], axis=-2)
        if issparse(array) or not array.flags.c_contiguous:
            return array[picked]
        # Faster, but would first copy an array that is not contiguous.
        return np.take(array, picked, axis=-2, mode="clip")

    def _large_batch(self, order: IntArray | None, start: int) -> Batch:
        """Return a batch whose blocks are copied when a worker asks for them."""
        stop = min(start + self._batch_size, self.n_samples)
        size = _even_size(stop - start, self._block_size)
        blocks = [
            partial(self._read, order, at, min(at + size, stop))
            for at in range(start, stop, size)
        ]
        return Batch((stop - start) / self.n_samples, blocks)

    def _read(
        self, order: IntArray | None, start: int, stop: int, worker: int
    ) -> MicroBatch:
        if worker not in self._chunks:
            self._chunks[worker] = self._make_chunk()
        self._fill(worker, order, start, stop)
        return self._chunks[worker].block(slice(stop - start))

    def _cut_chunk(self, start: int, stop: int) -> list[Batch]:
        """Return the batches of a chunk; the views are made once."""
        n_rows, chunk = stop - start, self._chunks[0]
        if n_rows not in self._cut:
            starts = range(0, n_rows, self._batch_size)
            cuts = [slice(at, min(at + self._batch_size, n_rows)) for at in starts]
            self._cut[n_rows] = [
                Batch(
                    (cut.stop - cut.start) / self.n_samples,
                    [partial(_ignore_worker, chunk.block(cut))],
                )
                for cut in cuts
            ]
        return self._cut[n_rows]


def _even_size(n_rows: int, most: int) -> int:
    """Return the size of the fewest even blocks, a multiple of 16 where possible."""
    n_blocks = -(-n_rows // most)
    return min(most, -(-n_rows // n_blocks // 16) * 16)


def _ignore_worker(block: MicroBatch, worker: int) -> MicroBatch:
    return block


def _is_own(array: FloatArray | float | None) -> bool:
    """Return whether each network has its own array, rather than all the same."""
    return isinstance(array, np.ndarray) and array.ndim > 2


def _select_own(array: Any, keep: BoolArray) -> Any:
    return array[keep] if _is_own(array) else array
