"""From a gradient to a step: penalties, clipping, the learning rate, the optimizer."""

from typing import Any

import numpy as np

from .._typing import FloatArray
from .checkpoint import State
from .network import cut_layers
from .task import Task

_ZERO = np.zeros(())
_SLICE = 2**14  # parameters that an optimizer moves at once, so that they stay in cache


class Penalty:
    """Penalties on the weights, biases excepted, and their gradient.

    Parameters
    ----------
    task : Task
        Says how strong they are.
    params : ndarray of shape (*stack_shape, n_params)
        Tells shape and dtype.

    Attributes
    ----------
    decay : ndarray like `params`, or None
        Factor of the squared weights, None if they are free.
    """

    def __init__(self, task: Task, params: FloatArray) -> None:
        self.decay = _by_weight(task, task.decay, params)
        self._l1 = _by_weight(task, task.l1, params)
        self._decouples = task.optimizer.decouples_decay
        self._scratch = np.empty_like(params)

    def add(self, params: FloatArray, gradient: FloatArray) -> FloatArray:
        """Add to `gradient` in place; return the penalty, of shape ``stack_shape``."""
        scratch, penalty = self._scratch, _ZERO
        if self.decay is not None and not self._decouples:
            np.multiply(params, self.decay, out=scratch)
            np.add(gradient, scratch, out=gradient)
            penalty = penalty + np.vecdot(params, scratch) / 2
        if self._l1 is not None:
            np.sign(params, out=scratch)
            np.multiply(scratch, self._l1, out=scratch)
            np.add(gradient, scratch, out=gradient)
            penalty = penalty + np.vecdot(params, scratch)
        return penalty


def _by_weight(
    task: Task, factor: FloatArray | float, params: FloatArray
) -> FloatArray | None:
    """Return `factor` for each weight and 0 for each bias, or None if it is 0."""
    if not np.any(factor):
        return None
    by_param = np.zeros_like(params)
    for layer in cut_layers(task.layer_sizes, by_param):
        layer[..., :-1] = np.asarray(factor)[..., np.newaxis, np.newaxis]
    return by_param


class Stepper:
    """Moves the parameters of `state` in place.

    Parameters
    ----------
    task : Task
        What is asked.
    state : State
        Whose parameters, moments and counts it brings up to date.
    gradient : ndarray of shape (*stack_shape, n_params)
        Where the gradient of the loss is found at each step; overwritten.
    """

    def __init__(self, task: Task, state: State, gradient: FloatArray) -> None:
        self._task, self._state, self._gradient = task, state, gradient
        self._optimizer: Any = task.optimizer
        self._scratch = np.empty_like(gradient)
        self._penalty = Penalty(task, state.params)
        self._is_scheduled = task.is_scheduled
        self._clips = bool(np.any(task.clip_norm < np.inf))
        self._rate = self._column(task.learning_rate)
        moved = (state.params, gradient, self._scratch, *state.moments)
        self._slices = [
            [array[..., at : at + _SLICE] for array in moved]
            for at in range(0, gradient.shape[-1], _SLICE)
        ]

    def start_pass(self) -> None:
        """Set the learning rates of the pass that begins."""
        task, state = self._task, self._state
        if not self._is_scheduled:
            return
        factors = [
            schedule.factor_at(state.n_passes, state.horizon, memory)
            for schedule, memory in zip(
                task.schedules, state.memory.reshape(-1, 3).tolist(), strict=True
            )
        ]
        rates = task.learning_rate * np.reshape(factors, task.learning_rate.shape)
        self._rate = self._column(rates)

    def step(self) -> FloatArray:
        """Make a step, and return the penalty before it, of shape ``stack_shape``."""
        state, optimizer = self._state, self._optimizer
        state.n_steps += 1
        penalty = self._penalty.add(state.params, self._gradient)
        if self._clips:
            self._clip()
        if self._penalty.decay is not None and optimizer.decouples_decay:
            self._shrink_weights(self._penalty.decay)
        for params, gradient, scratch, *moments in self._slices:
            optimizer.step(
                params, gradient, self._rate, state.n_steps, moments, scratch
            )
        return penalty

    def _clip(self) -> None:
        """Scale gradients that are longer than allowed down to that length."""
        gradient = self._gradient
        norm = np.sqrt(np.vecdot(gradient, gradient))
        limit = self._task.clip_norm
        factor = np.where(norm > limit, limit / norm, 1)
        np.multiply(gradient, self._column(factor), out=gradient)

    def _shrink_weights(self, decay: FloatArray) -> None:
        """Decay the weights past the optimizer's moments."""
        params, scratch = self._state.params, self._scratch
        np.multiply(params, decay, out=scratch)
        np.multiply(scratch, self._rate, out=scratch)
        np.subtract(params, scratch, out=params)

    def _column(self, values: FloatArray) -> FloatArray:
        return np.asarray(values)[..., np.newaxis].astype(self._gradient.dtype)
