"""The update of the parameters: penalties, clipping, learning rate, optimizer.

The parameters of large networks are updated in slices that fit into the cache, if all
components are declared element-wise.
"""

from typing import Any, NamedTuple

import numpy as np

from .._utils.typing import FloatArray
from ..nn.optimizers import Buffers
from ..nn.schedules import resume_schedule, save_schedule
from .network import cut_layers
from .state import TrainingSpec, TrainingState

_ZERO: FloatArray = np.zeros(())
_SLICE = 2**16  # parameters


class _Slice(NamedTuple):
    """A slice of the parameters, with its buffers and penalties."""

    buffers: Buffers
    decay: FloatArray | None  # factor of the squared weights
    l1: FloatArray | None  # factor of the absolute weights


class ParameterUpdater:
    """Updates the parameters of `state` in place.

    Parameters
    ----------
    spec : TrainingSpec
        Settings of training.
    state : TrainingState
        Its parameters, moments and counts are updated in place.
    gradient : ndarray of shape (*stack_shape, n_params)
        Contains the gradient of the loss at each step. It is overwritten.
    """

    def __init__(
        self, spec: TrainingSpec, state: TrainingState, gradient: FloatArray
    ) -> None:
        self._spec, self._state, self._gradient = spec, state, gradient
        self._optimizer: Any = spec.optimizer
        self._decouples = spec.optimizer.decouples_decay
        self._is_scheduled = spec.is_scheduled
        schedules = spec.schedules if self._is_scheduled else ()
        self._schedule_states = [
            resume_schedule(schedule, state.horizon, saved)
            for schedule, saved in zip(schedules, state.schedule_states, strict=False)
        ]
        self._stateful: dict[int, Any] = {
            k: it for k, it in enumerate(schedules) if hasattr(it, "update")
        }
        self._clips = bool(np.any(spec.clip_norm < np.inf))
        self._rate = self._column(spec.learning_rate)
        decay, l1 = self._by_weight(spec.decay), self._by_weight(spec.l1)
        size = _SLICE if spec.elementwise else gradient.shape[-1]
        scratch = np.empty_like(gradient[..., :size])
        self._slices = []
        for start in range(0, gradient.shape[-1], size):
            at = (..., slice(start, start + size))
            self._slices.append(
                _Slice(
                    Buffers(
                        state.params[at],
                        gradient[at],
                        [moment[at] for moment in state.moments],
                        scratch[..., : gradient.shape[-1] - start],
                    ),
                    None if decay is None else decay[at],
                    None if l1 is None else l1[at],
                )
            )

    def _by_weight(self, factor: FloatArray | float) -> FloatArray | None:
        """Return `factor` for each weight and 0 for each bias; None if it is 0."""
        if not np.any(factor):
            return None
        by_param = np.zeros_like(self._gradient)
        for layer in cut_layers(self._spec.layer_sizes, by_param):
            layer[..., :-1] = np.asarray(factor)[..., np.newaxis, np.newaxis]
        return by_param

    def start_epoch(self) -> None:
        """Set the learning rates of the epoch that begins."""
        spec, state = self._spec, self._state
        if not self._is_scheduled:
            return
        factors = [
            schedule.factor_at(state.n_epochs, schedule_state)
            for schedule, schedule_state in zip(
                spec.schedules, self._schedule_states, strict=True
            )
        ]
        rates = spec.learning_rate * np.reshape(factors, spec.learning_rate.shape)
        self._rate = self._column(rates)

    def end_epoch(self, value: FloatArray) -> None:
        """Update, in place, the states of schedules that depend on the monitored value.

        A value of NaN is a score that is not defined, and is ignored.
        """
        if not self._stateful:
            return
        values = np.ravel(value).tolist()
        for k, schedule in self._stateful.items():
            if np.isnan(values[k]):
                continue
            updated = schedule.update(self._schedule_states[k], values[k])
            saved = self._state.schedule_states[k] = save_schedule(updated)
            self._schedule_states[k] = updated._replace(**saved)

    def step(self) -> FloatArray:
        """Make a step, and return the penalty before it, of shape ``stack_shape``."""
        self._state.n_steps += 1
        if self._clips:
            penalty = self.add_penalty()
            self._clip()
            for at in self._slices:
                self._move(at)
            return penalty
        return _sum([self._penalize_and_move(at) for at in self._slices])

    def add_penalty(self) -> FloatArray:
        """Add the penalties to the gradient; return them, of shape ``stack_shape``."""
        return _sum([self._penalize(at) for at in self._slices])

    def _penalize_and_move(self, at: _Slice) -> FloatArray:
        penalty = self._penalize(at)
        self._move(at)
        return penalty

    def _penalize(self, at: _Slice) -> FloatArray:
        (params, gradient, _, scratch), decay, l1 = at
        penalty = _ZERO
        if decay is not None and not self._decouples:
            np.multiply(params, decay, out=scratch)
            np.add(gradient, scratch, out=gradient)
            penalty = penalty + np.vecdot(params, scratch) / 2
        if l1 is not None:
            np.sign(params, out=scratch)
            np.multiply(scratch, l1, out=scratch)
            np.add(gradient, scratch, out=gradient)
            penalty = penalty + np.vecdot(params, scratch)
        return penalty

    def _move(self, at: _Slice) -> None:
        """Make a step, preceded by the weight decay if that is decoupled."""
        buffers, decay, _ = at
        if decay is not None and self._decouples:
            params, scratch = buffers.params, buffers.scratch
            np.multiply(params, decay, out=scratch)
            np.multiply(scratch, self._rate, out=scratch)
            np.subtract(params, scratch, out=params)
        self._optimizer.step(buffers, self._rate, self._state.n_steps)

    def _clip(self) -> None:
        """Scale gradients down whose norm is above the limit."""
        gradient = self._gradient
        norm = np.sqrt(np.vecdot(gradient, gradient))
        limit = self._spec.clip_norm
        factor = np.where(norm > limit, limit / norm, 1)
        np.multiply(gradient, self._column(factor), out=gradient)

    def _column(self, values: FloatArray) -> FloatArray:
        return np.asarray(values)[..., np.newaxis].astype(self._gradient.dtype)


def _sum(penalties: list[FloatArray]) -> FloatArray:
    first, *rest = penalties
    return sum(rest, first)
