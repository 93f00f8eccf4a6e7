"""The training loop, the only one: one network or a stack, step by step.

A network that is done, because it converged or diverged, leaves the stack; those that
stay do not notice.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from .._typing import BoolArray, FloatArray, IntArray
from ..activations import Activation
from ..losses import LossFunction
from ..optimizers import Optimizer
from .batches import Batches
from .checkpoint import State
from .network import Network, Propagation, cut_layers

_DIVERGED = 1e6  # times the first loss: no detour to a minimum leads so high
_SLICE = 2**14  # parameters that an optimizer moves at once, so that they stay in cache

NEVER = np.iinfo(np.int64).max  # an n_iter_no_change that is not to be reached

Ending: TypeAlias = Literal["n_iter", "tol", "divergence", "interrupt"]


@dataclass(frozen=True)
class Task:
    """What is asked of training; arrays hold one value for each network of the stack.

    Parameters
    ----------
    layer_sizes : tuple of int
        Inputs, units of each hidden layer, outputs.
    activations : sequence of Activation
        One for each hidden layer.
    loss : LossFunction
        On the logits.
    optimizer : Optimizer
        Shared by the stack.
    learning_rate : ndarray of shape stack_shape
        Step size.
    decay : ndarray of shape stack_shape
        Factor of the penalty ``decay / 2 ‖W‖²``, biases excepted.
    tol : ndarray of shape stack_shape
        By how much a pass has to lower the loss to count as an improvement.
    n_iter_no_change : ndarray of int of shape stack_shape
        So many passes without improvement end the training, or `NEVER`.
    """

    layer_sizes: tuple[int, ...]
    activations: Sequence[Activation]
    loss: LossFunction
    optimizer: Optimizer
    learning_rate: FloatArray
    decay: FloatArray
    tol: FloatArray
    n_iter_no_change: IntArray

    def take(self, keep: BoolArray) -> "Task":
        """Return the task of those networks for which `keep` is True."""
        names = ("learning_rate", "decay", "tol", "n_iter_no_change")
        return replace(self, **{name: getattr(self, name)[keep] for name in names})


class Outcome(NamedTuple):
    """What became of one network.

    Parameters
    ----------
    state : State
        Where it stands; after a divergence, with the parameters of the last pass whose
        loss was sound, and after an interrupt with those of the last complete pass.
    losses : ndarray of shape (n_passes,)
        The loss of each sound pass, penalty included.
    ended_by : {"n_iter", "tol", "divergence", "interrupt"}
        Why training ended.
    bad_loss : float
        After a divergence, the loss that told of it.
    interrupt : KeyboardInterrupt or None
        To be raised again.
    """

    state: State
    losses: FloatArray
    ended_by: Ending
    bad_loss: float = np.nan
    interrupt: KeyboardInterrupt | None = None


def train(task: Task, state: State, batches: Batches, n_iter: int) -> list[Outcome]:
    """Train for up to `n_iter` passes.

    Parameters
    ----------
    task : Task
        What is asked.
    state : State
        Where to start from; used up.
    batches : Batches
        One pass over the data each time it is iterated, drawing from the generators of
        `state`.
    n_iter : int
        Passes.

    Returns
    -------
    outcomes : list of Outcome
        One for each network, in the order of the stack.
    """
    run = _Run(task, state, batches, n_iter)
    with np.errstate(all="ignore"):
        try:
            while run.n_done < n_iter and run.goes_on:
                run.make_pass()
                run.judge()
            if run.goes_on:
                run.finish()
        except KeyboardInterrupt as interrupt:
            run.interrupt(interrupt)
    return [run.outcomes[k] for k in sorted(run.outcomes)]


class _Run:
    """The networks that are still in training, and their work arrays."""

    def __init__(self, task: Task, state: State, batches: Batches, n_iter: int) -> None:
        stack_shape = state.params.shape[:-1]
        self.outcomes: dict[int, Outcome] = {}
        self.n_done = 0
        self.goes_on = True
        self._number = np.arange(len(state.generators)).reshape(stack_shape)
        self._curve = np.empty((*stack_shape, n_iter))
        self._sound = state.params.copy()  # parameters whose loss is known to be sound
        self._settle(task, state, batches)

    def _settle(self, task: Task, state: State, batches: Batches) -> None:
        """Make the work arrays for the networks that are left."""
        self._task, self._state, self._batches = task, state, batches
        params = state.params
        network = Network(task.layer_sizes, task.activations, params)
        self._propagation = Propagation(network, task.loss)
        self._scratch = np.empty_like(params)
        self._partial: FloatArray | None = None
        self._start = np.empty_like(params)  # of the pass under way
        self._in_pass = False
        self._rate = task.learning_rate[..., np.newaxis].astype(params.dtype)
        self._decay = _decay_by_parameter(task, params) if np.any(task.decay) else None
        self._impatient = bool(np.any(task.n_iter_no_change < NEVER))
        self._limit = _loss_limit(state.first_loss)
        moved = (params, self._propagation.gradient, self._scratch, *state.moments)
        self._slices = [
            [array[..., at : at + _SLICE] for array in moved]
            for at in range(0, params.shape[-1], _SLICE)
        ]

    def make_pass(self) -> None:
        """Go through the data once, with a step for each batch."""
        np.copyto(self._start, self._state.params)
        self._in_pass = True
        self._data_loss = self._penalty = np.zeros(())
        loss_and_gradient = self._propagation.loss_and_gradient
        for block in self._batches:
            loss = loss_and_gradient(
                block.inputs, block.inputs_t, block.target, block.weight
            )
            self._data_loss = self._data_loss + block.share * loss
            if not (block.first and block.last):
                self._gather(block.first, block.last)
            if block.last:
                self._step(block.share)
        self._last_block = block
        self._in_pass = False

    def _gather(self, first: bool, last: bool) -> None:
        """Sum the gradients of the blocks of one batch, in their order."""
        gradient = self._propagation.gradient
        if self._partial is None:
            self._partial = np.empty_like(gradient)
        if first:
            np.copyto(self._partial, gradient)
        elif last:
            np.add(self._partial, gradient, out=gradient)
        else:
            np.add(self._partial, gradient, out=self._partial)

    def _step(self, share: float) -> None:
        state, optimizer = self._state, self._task.optimizer
        state.n_steps += 1
        if self._decay is not None:
            self._shrink_weights(share)
        for params, gradient, scratch, *moments in self._slices:
            optimizer.step(
                params, gradient, self._rate, state.n_steps, moments, scratch
            )

    def _shrink_weights(self, share: float) -> None:
        """Add the penalty to loss and gradient, or shrink past the optimizer."""
        params, scratch = self._state.params, self._scratch
        assert self._decay is not None
        np.multiply(params, self._decay, out=scratch)
        if self._task.optimizer.decouples_decay:
            np.multiply(scratch, self._rate, out=scratch)
            np.subtract(params, scratch, out=params)
        else:
            penalty = np.vecdot(params, scratch)
            self._penalty = self._penalty + share / 2 * penalty
            gradient = self._propagation.gradient
            np.add(gradient, scratch, out=gradient)

    def judge(self) -> None:
        """Find who has diverged or converged in this pass, and let them leave."""
        state, value = self._state, self._data_loss + self._penalty
        if state.n_passes == 0:
            state.first_loss = np.asarray(self._data_loss)
            self._limit = _loss_limit(state.first_loss)
        diverged = leaving = ~((value < np.inf) & (self._data_loss <= self._limit))
        self._curve[..., self.n_done] = value
        self.n_done += 1
        state.n_passes += 1
        self._start, self._sound = self._sound, self._start
        if self._impatient:
            leaving = diverged | self._lose_patience(value)
        if np.count_nonzero(leaving):
            self._dismiss_diverged(diverged, value, self._start, self.n_done - 1)
            self._dismiss(leaving & ~diverged, "tol")
            self._keep(~leaving)

    def _lose_patience(self, value: FloatArray) -> BoolArray:
        """Count passes without improvement, and return whose patience has ended."""
        state, task = self._state, self._task
        improved = value < state.reference - task.tol
        state.reference = np.where(improved, value, state.reference)
        state.n_stale = np.where(improved, 0, state.n_stale + 1)
        converged: BoolArray = state.n_stale >= task.n_iter_no_change
        state.n_stale = np.where(converged, 0, state.n_stale)  # the next fit's start
        return converged

    def finish(self) -> None:
        """Dismiss those who have trained to the last pass."""
        self._dismiss(np.ones(self._number.shape, bool), "n_iter")

    def interrupt(self, interrupt: KeyboardInterrupt) -> None:
        """Dismiss all, with the parameters of the last complete pass."""
        if self._in_pass:
            np.copyto(self._state.params, self._start)
            self._state.forget_moments(self._task.optimizer.n_moments)
        for k in np.ndindex(self._number.shape):
            self._record(k, self.n_done, "interrupt", interrupt=interrupt)

    def _dismiss(self, who: BoolArray, ended_by: Ending) -> None:
        """Record who is done, unless their last step led astray.

        The loss of a pass is measured before its steps, so where the last one led has
        not been seen yet; a look at the last block shows it.
        """
        if self.n_done:
            block = self._last_block
            loss = self._propagation.loss(block.inputs, block.target, block.weight)
            diverged = who & ~(loss <= self._limit)
            self._dismiss_diverged(diverged, loss, self._sound, self.n_done)
            who = who & ~diverged
        for k in _places(who):
            self._record(k, self.n_done, ended_by)

    def _dismiss_diverged(
        self, who: BoolArray, loss: FloatArray, sound: FloatArray, n_sound: int
    ) -> None:
        """Record who has diverged, with their last `sound` parameters."""
        for k in _places(who):
            self._record(k, n_sound, "divergence", bad_loss=float(loss[k]))
            state = self.outcomes[int(self._number[k])].state
            np.copyto(state.params, sound[k])
            state.forget_moments(self._task.optimizer.n_moments)
            state.n_passes -= self.n_done - n_sound

    def _record(
        self, k: tuple[int, ...], n_losses: int, ended_by: Ending, **details: Any
    ) -> None:
        state, losses = self._state.take(k), self._curve[k][:n_losses].copy()
        outcome = Outcome(state, losses, ended_by, **details)
        self.outcomes[int(self._number[k])] = outcome

    def _keep(self, keep: BoolArray) -> None:
        """Close the ranks after some have left."""
        self.goes_on = bool(keep.any())
        if not self.goes_on:
            return
        self._number = self._number[keep]
        self._curve = self._curve[keep]
        self._sound = self._sound[keep]
        self._settle(
            self._task.take(keep), self._state.take(keep), self._batches.take(keep)
        )


def _places(who: BoolArray) -> list[tuple[int, ...]]:
    """Return the indices of those who, [()] or [] if there is no stack."""
    return [tuple(map(int, place)) for place in np.argwhere(who)]


def _loss_limit(first_loss: FloatArray) -> FloatArray:
    return _DIVERGED * np.maximum(1, np.abs(first_loss))


def _decay_by_parameter(task: Task, params: FloatArray) -> FloatArray:
    """Return the penalty's factor for each parameter, 0 for biases."""
    decay = np.zeros_like(params)
    for layer in cut_layers(task.layer_sizes, decay):
        layer[..., :-1] = task.decay[..., np.newaxis, np.newaxis]
    return decay
