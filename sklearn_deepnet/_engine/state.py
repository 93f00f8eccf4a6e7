"""What training is asked for, and its state: all that resuming exactly takes."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np

from .._utils.lookup import is_ours
from .._utils.typing import BoolArray, FloatArray, IntArray
from ..nn.activations import Activation
from ..nn.losses import LossFunction
from ..nn.optimizers import LBFGS, Optimizer
from ..nn.schedules import Constant, Schedule

NEVER = np.iinfo(np.int64).max  # an n_iter_no_change that is not to be reached


@dataclass(frozen=True)
class TrainingSpec:
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
    def stack(specs: Sequence["TrainingSpec"]) -> "TrainingSpec":
        """Return the task of a stack, from those of single networks of one shape."""
        arrays: dict[str, Any] = {
            field.name: np.stack([getattr(spec, field.name) for spec in specs])
            for field in fields(TrainingSpec)
            if isinstance(getattr(specs[0], field.name), np.ndarray)
        }
        schedules = [schedule for spec in specs for schedule in spec.schedules]
        return replace(specs[0], schedules=schedules, **arrays)

    def select(self, keep: BoolArray) -> "TrainingSpec":
        """Return the task of those networks for which `keep` is True."""
        arrays = {
            field.name: getattr(self, field.name)[keep]
            for field in fields(self)
            if isinstance(getattr(self, field.name), np.ndarray)
        }
        numbers = np.flatnonzero(keep).tolist()
        schedules = [self.schedules[k] for k in numbers] if self.schedules else ()
        return replace(self, schedules=schedules, **arrays)


@dataclass
class TrainingState:
    """Where one network, or a stack of them, stands between two passes.

    Every array has one entry, or one row, for each network of the stack.

    Parameters
    ----------
    params : ndarray of shape (*stack_shape, n_params)
        Weights and biases; see `Network`.
    generators : list of RandomState
        What each network draws from.
    moments : tuple of ndarray like `params`
        The optimizer's memory.
    n_steps : int
        Steps since the moments were zero.
    n_epochs : int
        Passes since the start.
    horizon : int
        Passes that the first call was to make.
    memory : ndarray of shape (*stack_shape, 3)
        Of schedules that learn; see `Plateau.observe`.
    first_loss : ndarray of shape stack_shape
        Loss of the first batch, the measure of divergence; NaN before it.
    reference : ndarray of shape stack_shape
        The value that a pass has to better by `tol`; infinity before the first.
    n_stale : ndarray of shape stack_shape
        Passes since one did.
    best_value : ndarray of shape stack_shape
        The best value on validation rows so far.
    best_iter : ndarray of int of shape stack_shape
        The pass that had it, from 0; -1 before.
    best_params : ndarray like `params`, or None
        The parameters that had it, None without validation rows.
    finite_params : ndarray like `params`, or None, default=None
        Those before the last pass, whose loss was sound; None before the first pass.
    """

    params: FloatArray
    generators: list[np.random.RandomState]
    moments: tuple[FloatArray, ...]
    n_steps: int
    n_epochs: int
    horizon: int
    memory: FloatArray
    first_loss: FloatArray
    reference: FloatArray
    n_stale: IntArray
    best_value: FloatArray
    best_iter: IntArray
    best_params: FloatArray | None
    finite_params: FloatArray | None = None

    @classmethod
    def start(
        cls,
        params: FloatArray,
        generators: list[np.random.RandomState],
        n_moments: int,
        horizon: int = 1,
    ) -> Self:
        """Return the state before the first pass."""
        stack_shape = params.shape[:-1]
        return cls(
            params,
            generators,
            moments=tuple(np.zeros_like(params) for _ in range(n_moments)),
            n_steps=0,
            n_epochs=0,
            horizon=horizon,
            memory=np.full((*stack_shape, 3), [1.0, np.inf, 0.0]),
            first_loss=np.full(stack_shape, np.nan),
            reference=np.full(stack_shape, np.inf),
            n_stale=np.zeros(stack_shape, int),
            best_value=np.full(stack_shape, np.inf),
            best_iter=np.full(stack_shape, -1),
            best_params=None,
        )

    def forget_moments(self, n_moments: int) -> None:
        """Zero the optimizer's memory in place, or make one for another optimizer."""
        self.moments = tuple(np.zeros_like(self.params) for _ in range(n_moments))
        self.n_steps = 0

    def forget_values(self) -> None:
        """Forget in place what the monitored value was, since another is monitored."""
        self.reference = np.full_like(self.reference, np.inf)
        self.n_stale = np.zeros_like(self.n_stale)
        self.memory[..., 1:] = np.inf, 0.0
        self.best_value = np.full_like(self.best_value, np.inf)
        self.best_iter = np.full_like(self.best_iter, -1)
        self.best_params = None

    def select(self, index: BoolArray | tuple[int, ...]) -> "TrainingState":
        """Return a copy of some networks of a stack, or of one as a single network.

        Parameters
        ----------
        index : ndarray of bool, or tuple of int
            True for those to take; or the place of one, () if there is no stack.
        """
        best, finite = self.best_params, self.finite_params
        number = np.arange(len(self.generators)).reshape(self.params.shape[:-1])
        return TrainingState(
            params=self.params[index].copy(),
            generators=[self.generators[k] for k in np.atleast_1d(number[index])],
            moments=tuple(moment[index].copy() for moment in self.moments),
            n_steps=self.n_steps,
            n_epochs=self.n_epochs,
            horizon=self.horizon,
            memory=self.memory[index].copy(),
            first_loss=np.array(self.first_loss[index]),
            reference=np.array(self.reference[index]),
            n_stale=np.array(self.n_stale[index]),
            best_value=np.array(self.best_value[index]),
            best_iter=np.array(self.best_iter[index]),
            best_params=None if best is None else best[index].copy(),
            finite_params=None if finite is None else finite[index].copy(),
        )

    @classmethod
    def stack(cls, states: Sequence["TrainingState"]) -> Self:
        """Return a stack of single networks that have taken equally many steps."""

        def join(name: str) -> Any:
            values = [getattr(state, name) for state in states]
            return None if values[0] is None else np.stack(values)

        return cls(
            params=join("params"),
            generators=[rng for state in states for rng in state.generators],
            moments=tuple(
                map(np.stack, zip(*(s.moments for s in states), strict=True))
            ),
            n_steps=states[0].n_steps,
            n_epochs=states[0].n_epochs,
            horizon=states[0].horizon,
            memory=join("memory"),
            first_loss=join("first_loss"),
            reference=join("reference"),
            n_stale=join("n_stale"),
            best_value=join("best_value"),
            best_iter=join("best_iter"),
            best_params=join("best_params"),
            finite_params=join("finite_params"),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the parameters, as arrays, numbers, lists and dicts."""
        kept = {field.name: getattr(self, field.name) for field in fields(self)}
        del kept["params"]
        kept["generators"] = [rng.get_state(legacy=False) for rng in self.generators]
        kept["moments"] = list(self.moments)
        return kept

    @classmethod
    def from_dict(cls, params: FloatArray, kept: dict[str, Any]) -> Self:
        """Return the state that `to_dict` told of, sharing no memory with it."""
        kept = deepcopy(kept)
        generators = [np.random.RandomState() for _ in kept["generators"]]
        for rng, rng_state in zip(generators, kept["generators"], strict=True):
            rng.set_state(rng_state)
        kept |= {"generators": generators, "moments": tuple(kept["moments"])}
        return cls(params.copy(), **kept)
