"""What is asked of training."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from .._utils.lookup import is_ours
from .._utils.typing import BoolArray, FloatArray, IntArray
from ..nn.activations import Activation
from ..nn.losses import LossFunction
from ..nn.optimizers import LBFGS, Optimizer
from ..nn.schedules import Constant, Schedule

NEVER = np.iinfo(np.int64).max  # an n_iter_no_change that is not to be reached


@dataclass(frozen=True)
class Task:
    """What is asked; arrays and `schedules` hold one entry for each network.

    Parameters
    ----------
    layer_sizes : tuple of int
        Inputs, units of each hidden layer, outputs.
    activations : sequence of Activation
        One for each hidden layer.
    loss : LossFunction
        On the logits.
    optimizer : Optimizer or LBFGS
        Shared by the stack.
    learning_rate : ndarray of shape stack_shape
        Step size.
    decay : ndarray of shape stack_shape
        Factor of the penalty ``decay / 2 ‖W‖²``, biases excepted.
    tol : ndarray of shape stack_shape
        By how much a pass has to better the monitored value to count as improvement.
    n_iter_no_change : ndarray of int of shape stack_shape
        So many passes without improvement end the training, or `NEVER`.
    l1 : ndarray of shape stack_shape or 0
        Factor of the penalty ``l1 ‖W‖₁``, biases excepted.
    clip_norm : ndarray of shape stack_shape or infinity
        Longest gradient, penalties included; infinity does not clip.
    dropout : ndarray of shape (*stack_shape, n_hidden) or 0
        Share of units dropped after each hidden layer.
    schedules : sequence of Schedule, or ()
        How each network's learning rate changes; () leaves all constant.
    """

    layer_sizes: tuple[int, ...]
    activations: Sequence[Activation]
    loss: LossFunction
    optimizer: Optimizer | LBFGS
    learning_rate: FloatArray
    decay: FloatArray
    tol: FloatArray
    n_iter_no_change: IntArray
    l1: FloatArray | float = 0.0
    clip_norm: FloatArray | float = np.inf
    dropout: FloatArray | float = 0.0
    schedules: Sequence[Schedule] = ()

    @property
    def is_scheduled(self) -> bool:
        """Whether any learning rate changes."""
        return any(schedule != Constant() for schedule in self.schedules)

    @property
    def is_ours(self) -> bool:
        """Whether nothing that is called was written by the user."""
        called = [getattr(self.loss, "func", self.loss), type(self.optimizer)]
        for word in self.activations:
            called += [word.forward, word.backward]
        return all(map(is_ours, called))

    @staticmethod
    def stack(tasks: Sequence["Task"]) -> "Task":
        """Return the task of a stack, from those of single networks of one shape."""
        arrays: dict[str, Any] = {
            field.name: np.stack([getattr(task, field.name) for task in tasks])
            for field in fields(Task)
            if isinstance(getattr(tasks[0], field.name), np.ndarray)
        }
        schedules = [schedule for task in tasks for schedule in task.schedules]
        return replace(tasks[0], schedules=schedules, **arrays)

    def take(self, keep: BoolArray) -> "Task":
        """Return the task of those networks for which `keep` is True."""
        arrays = {
            field.name: getattr(self, field.name)[keep]
            for field in fields(self)
            if isinstance(getattr(self, field.name), np.ndarray)
        }
        numbers = np.flatnonzero(keep).tolist()
        schedules = [self.schedules[k] for k in numbers] if self.schedules else ()
        return replace(self, schedules=schedules, **arrays)
