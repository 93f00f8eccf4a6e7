"""The blocks of a large batch side by side, in lanes: a thread and work arrays each.

A batch is cut into the same parts however many lanes there are for them. Blocks of a
part are summed in their order and parts in theirs, so the number of threads does not
show in the bits.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeAlias

import numpy as np

from .._utils.typing import FloatArray
from ..nn.losses import LossFunction
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
        loss, total = _ZERO, self.gradient
        for abreast in self._parts(batch):
            totals = [lane.total for lane, _ in abreast]
            if loss is _ZERO:
                totals[0] = total  # what comes first is not added but written there
            calls = [
                partial(lane.loss_and_gradient, part, own)
                for (lane, part), own in zip(abreast, totals, strict=True)
            ]
            loss = sum(self._threads.call(calls), loss)
            for own in totals:
                if own is not total:
                    np.add(total, own, out=total)
        return loss

    def loss(self, batch: Batch) -> FloatArray:
        """Return the weighted sum of the losses, of shape ``stack_shape``."""
        loss = _ZERO
        for abreast in self._parts(batch):
            calls = [partial(lane.loss, part) for lane, part in abreast]
            loss = sum(self._threads.call(calls), loss)
        return loss

    def loss_of(self, block: Block) -> FloatArray:
        """Return the weighted sum of the losses of one block."""
        return self._first.loss(block.inputs, block.target, block.weight)

    def _parts(self, batch: Batch) -> Iterator[list[tuple["_Lane", _Reads]]]:
        """Go through the parts, as many at once as there are lanes, each in its own."""
        n_blocks = len(batch.blocks)
        size = -(-n_blocks // MOST_THREADS)
        parts = [batch.blocks[at : at + size] for at in range(0, n_blocks, size)]
        while len(self._lanes) < min(len(parts), self._n_lanes):
            total = np.empty_like(self._network.params)
            self._lanes.append(_Lane(len(self._lanes), self._make(), total))
        for at in range(0, len(parts), self._n_lanes):
            abreast = list(zip(self._lanes, parts[at:], strict=False))
            yield abreast
        self.last_block = abreast[-1][0].block


class _Lane:
    """Goes through the blocks of a part, one after the other."""

    def __init__(
        self, number: int, propagation: Propagation, total: FloatArray
    ) -> None:
        self._number = number
        self._propagation = propagation
        self.total = total
        self.block: Block

    def loss_and_gradient(self, reads: _Reads, total: FloatArray) -> FloatArray:
        """Return the sum of the losses, and leave that of the gradients in `total`."""
        loss, propagation = _ZERO, self._propagation
        own = propagation.gradient
        propagation.lead_to(total)
        for read in reads:
            self.block = read(self._number)
            loss = loss + propagation.loss_and_gradient(*self.block)
            if propagation.gradient is own:
                np.add(total, own, out=total)
            else:
                propagation.lead_to(own)
        return loss

    def loss(self, reads: _Reads) -> FloatArray:
        loss = _ZERO
        for read in reads:
            inputs, _, target, weight = self.block = read(self._number)
            loss = loss + self._propagation.loss(inputs, target, weight)
        return loss
