"""The blocks of a large batch side by side, in lanes: a thread and work arrays each.

A batch is cut into the same parts however many lanes there are for them. Blocks of a
part are summed in their order and parts in theirs, so the number of threads does not
show in the bits.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeAlias

import numpy as np

from .._typing import FloatArray
from ..losses import LossFunction
from .batches import Batch, Block
from .network import Network
from .propagation import Dropout, Propagation
from .threads import MOST_THREADS, Threads

_Reads: TypeAlias = Sequence[Callable[[int], Block]]

_ZERO: FloatArray = np.zeros(())


class Lanes:
    """Propagates batches through a network, or a stack of them.

    Parameters
    ----------
    network : Network
        Read at every call.
    loss : LossFunction
        On the logits.
    threads : Threads
        As many lanes as threads; but one if there is dropout, whose generators are
        drawn from block after block.
    trains : bool, default=True
        Whether gradients are asked for.
    dropout : Dropout or None, default=None
        Applied by `loss_and_gradient` alone.

    Attributes
    ----------
    gradient : ndarray of shape (*stack_shape, n_params)
        Where `loss_and_gradient` leaves the gradient.
    last_block : Block
        The block that came last, as long as its lane reads no other.
    """

    def __init__(
        self,
        network: Network,
        loss: LossFunction,
        threads: Threads,
        *,
        trains: bool = True,
        dropout: Dropout | None = None,
    ) -> None:
        self._network = network
        self._make = partial(Propagation, network, loss, trains=trains, dropout=dropout)
        self._first = self._make()
        self._lanes: list[_Lane] = []
        self._threads = threads
        self._n_lanes = threads.n if dropout is None else 1
        self.last_block: Block
        if trains:
            self.gradient = self._first.gradient

    def loss_and_gradient(self, batch: Batch) -> FloatArray:
        """Return the weighted sum of the losses, and leave its gradient in `gradient`.

        Returns
        -------
        loss : ndarray of shape stack_shape
        """
        if len(batch.blocks) == 1:
            block = self.last_block = batch.blocks[0](0)
            return self._first.loss_and_gradient(*block)
        loss = _ZERO
        self.gradient.fill(0)
        for lane, part in self._work(_Lane.loss_and_gradient, batch):
            loss = loss + part
            np.add(self.gradient, lane.gradient, out=self.gradient)
        return loss

    def loss(self, batch: Batch) -> FloatArray:
        """Return the weighted sum of the losses, of shape ``stack_shape``."""
        return sum((part for _, part in self._work(_Lane.loss, batch)), _ZERO)

    def loss_of(self, block: Block) -> FloatArray:
        """Return the weighted sum of the losses of one block."""
        return self._first.loss(block.inputs, block.target, block.weight)

    def _work(
        self, measure: Callable[["_Lane", _Reads], FloatArray], batch: Batch
    ) -> Iterator[tuple["_Lane", FloatArray]]:
        """Return what is measured of each part, in order, and the lane it was in."""
        size = -(-len(batch.blocks) // MOST_THREADS)
        parts = [
            batch.blocks[at : at + size] for at in range(0, len(batch.blocks), size)
        ]
        while len(self._lanes) < min(len(parts), self._n_lanes):
            gradient = np.empty_like(self._network.params)
            self._lanes.append(_Lane(len(self._lanes), self._make(), gradient))
        for at in range(0, len(parts), self._n_lanes):
            calls = [
                partial(measure, lane, part)
                for lane, part in zip(self._lanes, parts[at:], strict=False)
            ]
            yield from zip(self._lanes, self._threads.call(calls), strict=False)
        self.last_block = self._lanes[len(calls) - 1].block


class _Lane:
    """Goes through the blocks of a part, one after the other."""

    def __init__(
        self, number: int, propagation: Propagation, gradient: FloatArray
    ) -> None:
        self._number = number
        self._propagation = propagation
        self.gradient = gradient
        self.block: Block

    def loss_and_gradient(self, reads: _Reads) -> FloatArray:
        loss = _ZERO
        self.gradient.fill(0)
        for read in reads:
            self.block = read(self._number)
            loss = loss + self._propagation.loss_and_gradient(*self.block)
            np.add(self.gradient, self._propagation.gradient, out=self.gradient)
        return loss

    def loss(self, reads: _Reads) -> FloatArray:
        loss = _ZERO
        for read in reads:
            inputs, _, target, weight = self.block = read(self._number)
            loss = loss + self._propagation.loss(inputs, target, weight)
        return loss
