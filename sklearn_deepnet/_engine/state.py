"""The settings and the state of training, from which it can be resumed exactly."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, fields, replace
from itertools import chain
from typing import Any, Self

import numpy as np

from .._utils.typing import BoolArray, FloatArray, IntArray
from ..nn.activations import Activation
from ..nn.losses import LossFunction
from ..nn.optimizers import LBFGS, Optimizer
from ..nn.schedules import Constant, Schedule, forget_schedule

_DIVERGED = 1e6  # times the first loss; no loss on the way to a minimum is larger
NEVER = np.iinfo(np.int64).max  # an n_iter_no_change that is never reached


@dataclass(frozen=True)
class TrainingSpec:
    """The settings of training, which do not change.

    Arrays and `schedules` contain one entry for each network.

    Parameters
    ----------
    layer_sizes : tuple of int
        Number of inputs of the first layer, units of each hidden layer, and outputs.
    activations : sequence of Activation
        One for each hidden layer.
    loss : LossFunction
        Function of the logits.
    optimizer : Optimizer or LBFGS
        Optimizer, which is shared by the stack.
    learning_rate : ndarray of shape stack_shape
        Step size.
    decay : ndarray of shape stack_shape
        Factor of the penalty ``decay / 2 ‖W‖²``, without biases.
    tol : ndarray of shape stack_shape
        Minimum improvement of the monitored value.
    n_iter_no_change : ndarray of int of shape stack_shape
        Number of epochs without improvement after which training ends, or `NEVER`.
    stops_at_best : ndarray of bool of shape stack_shape or False
        Whether training continues while the monitored training loss is more than `tol`
        above its lowest value.
    l1 : ndarray of shape stack_shape or 0
        Factor of the penalty ``l1 ‖W‖₁``, without biases.
    clip_norm : ndarray of shape stack_shape or infinity
        Maximum norm of the gradient, including penalties. Infinity does not clip.
    dropout : ndarray of shape (*stack_shape, n_hidden) or 0
        Fraction of units that are dropped after each hidden layer.
    schedules : sequence of Schedule, or ()
        Schedule of the learning rate of each network. () keeps all of them constant.
    elementwise : bool, default=False
        Whether loss, optimizer and activations are all declared element-wise, so that
        networks can be trained in a stack and by several threads.
    n_frequencies : int, default=0
        Number of numeric features of each input.
    """

    layer_sizes: tuple[int, ...]
    activations: Sequence[Activation]
    loss: LossFunction
    optimizer: Optimizer | LBFGS
    learning_rate: FloatArray
    decay: FloatArray
    tol: FloatArray
    n_iter_no_change: IntArray
    stops_at_best: BoolArray | bool = False
    l1: FloatArray | float = 0.0
    clip_norm: FloatArray | float = np.inf
    dropout: FloatArray | float = 0.0
    schedules: Sequence[Schedule] = ()
    elementwise: bool = False
    n_frequencies: int = 0

    @property
    def is_scheduled(self) -> bool:
        """Whether any learning rate changes."""
        return any(schedule != Constant() for schedule in self.schedules)

    @staticmethod
    def stack(specs: Sequence["TrainingSpec"]) -> "TrainingSpec":
        """Return the spec of a stack, from those of single networks of one shape."""
        arrays: dict[str, Any] = {
            field.name: np.stack([getattr(spec, field.name) for spec in specs])
            for field in fields(TrainingSpec)
            if isinstance(getattr(specs[0], field.name), np.ndarray)
        }
        schedules = [schedule for spec in specs for schedule in spec.schedules]
        return replace(specs[0], schedules=schedules, **arrays)

    def select(self, keep: BoolArray) -> "TrainingSpec":
        """Return the spec of the networks for which `keep` is True."""
        arrays = {
            field.name: getattr(self, field.name)[keep]
            for field in fields(self)
            if isinstance(getattr(self, field.name), np.ndarray)
        }
        numbers = np.flatnonzero(keep).tolist()
        schedules = [self.schedules[k] for k in numbers] if self.schedules else ()
        return replace(self, schedules=schedules, **arrays)


# What each field of `TrainingState` declares as its metadata; all methods follow it:
#   per_network  there is one entry for each network, not one for all of them
#   saved        it is part of `to_dict`
#   monitored    it is about the monitored value, and starts over with another one
#   initial      what it is before the first epoch, if that is always the same
_SHARED = {"per_network": False, "saved": True, "monitored": False, "initial": None}
_OWN = _SHARED | {"per_network": True}
_MONITORED = _OWN | {"monitored": True}


@dataclass
class TrainingState:
    """The state of one network, or a stack, between two epochs.

    It contains everything that is needed to resume training exactly. Each array has one
    entry, or one row, for each network of the stack.

    Parameters
    ----------
    params : ndarray of shape (*stack_shape, n_params)
        Weights and biases; see `Network`.
    generators : list of RandomState
        One for each network.
    moments : tuple of ndarray like `params`
        The state of the optimizer.
    n_steps : int
        Number of steps since the moments were zero.
    n_epochs : int
        Number of epochs since the weights were initialized.
    horizon : int
        `n_iter` in the first call.
    schedule_states : list of dict of str to float
        State of each schedule that depends on the monitored value; empty for others.
    first_loss : ndarray of shape stack_shape
        Loss of the first batch, which determines what counts as divergence. NaN before
        the first batch.
    reference : ndarray of shape stack_shape
        The value on which an epoch has to improve by `tol`. Infinity before the first
        epoch.
    n_stale : ndarray of shape stack_shape
        Number of epochs since the last improvement.
    best_value : ndarray of shape stack_shape
        The best value on the validation set so far.
    best_iter : ndarray of int of shape stack_shape
        The epoch with the best value, from 0. -1 before the first epoch.
    best_params : ndarray like `params`, or None, default=None
        The parameters with the best value. None without a validation set.
    finite_params : ndarray like `params`, or None, default=None
        The parameters before the last epoch, whose loss was finite. None before the
        first epoch.
    """

    params: FloatArray = field(metadata=_OWN | {"saved": False})
    generators: list[np.random.RandomState] = field(metadata=_OWN)
    moments: tuple[FloatArray, ...] = field(metadata=_OWN)
    n_steps: int = field(metadata=_SHARED | {"initial": 0})
    n_epochs: int = field(metadata=_SHARED | {"initial": 0})
    horizon: int = field(metadata=_SHARED)
    schedule_states: list[dict[str, float]] = field(metadata=_OWN)
    first_loss: FloatArray = field(metadata=_OWN | {"initial": np.nan})
    reference: FloatArray = field(metadata=_MONITORED | {"initial": np.inf})
    n_stale: IntArray = field(metadata=_MONITORED | {"initial": 0})
    best_value: FloatArray = field(metadata=_MONITORED | {"initial": np.inf})
    best_iter: IntArray = field(metadata=_MONITORED | {"initial": -1})
    best_params: FloatArray | None = field(default=None, metadata=_MONITORED)
    finite_params: FloatArray | None = field(default=None, metadata=_OWN)

    @classmethod
    def start(
        cls,
        params: FloatArray,
        generators: list[np.random.RandomState],
        n_moments: int,
        horizon: int = 1,
    ) -> Self:
        """Return the state before the first epoch."""
        moments = tuple(np.zeros_like(params) for _ in range(n_moments))
        initial = {
            it.name: _initial(it.metadata, params.shape[:-1])
            for it in fields(cls)
            if it.metadata["initial"] is not None
        }
        return cls(
            params,
            generators,
            moments,
            horizon=horizon,
            schedule_states=[{} for _ in generators],
            **initial,
        )

    @property
    def loss_limit(self) -> FloatArray:
        """Largest loss of an epoch that does not count as divergence."""
        with np.errstate(over="ignore"):  # in float32: there is no limit then
            return _DIVERGED * np.maximum(1, np.abs(self.first_loss))

    def is_finite(self) -> BoolArray:
        """Return for which networks the sum of all parameters is finite.

        A sum needs no array of Booleans. It overflows shortly before the parameters do.
        """
        return np.isfinite(self.params.sum(-1))

    def forget_moments(self, n_moments: int) -> None:
        """Set the optimizer's moments to zero in place, as many as are needed."""
        self.moments = tuple(np.zeros_like(self.params) for _ in range(n_moments))
        self.n_steps = 0

    def forget_values(self, schedule: Schedule) -> None:
        """Reset the monitored values in place, since another value is monitored now."""
        self.schedule_states = [
            forget_schedule(schedule, self.horizon, saved)
            for saved in self.schedule_states
        ]
        for it in fields(self):
            if it.metadata["monitored"]:
                initial = _initial(it.metadata, self.params.shape[:-1])
                setattr(self, it.name, initial)

    def select(self, index: BoolArray | tuple[int, ...]) -> "TrainingState":
        """Return a copy of some networks of a stack, or of one as a single network.

        Parameters
        ----------
        index : ndarray of bool, or tuple of int
            Mask of the networks to select, or the index of one network; () if there is
            no stack.
        """
        numbers = np.arange(len(self.generators)).reshape(self.params.shape[:-1])
        places = np.atleast_1d(numbers[index]).tolist()
        selected = {
            name: _select(value, index, places) if declared["per_network"] else value
            for name, declared, value in self._items()
        }
        return TrainingState(**selected)

    @classmethod
    def stack(cls, states: Sequence["TrainingState"]) -> Self:
        """Return a stack of single networks with equal numbers of steps."""
        stacked = {
            name: _stack([getattr(state, name) for state in states])
            if declared["per_network"]
            else value
            for name, declared, value in states[0]._items()
        }
        return cls(**stacked)

    def to_dict(self) -> dict[str, Any]:
        """Return all except the parameters, as arrays, numbers, lists and dicts."""
        saved = {
            name: value for name, declared, value in self._items() if declared["saved"]
        }
        generators = [rng.get_state(legacy=False) for rng in self.generators]
        return saved | {"generators": generators, "moments": list(self.moments)}

    @classmethod
    def from_dict(cls, params: FloatArray, saved: dict[str, Any]) -> Self:
        """Return the state from the result of `to_dict`, without sharing memory."""
        saved = deepcopy(saved)
        generators = [np.random.RandomState() for _ in saved["generators"]]
        for rng, rng_state in zip(generators, saved["generators"], strict=True):
            rng.set_state(rng_state)
        saved |= {"generators": generators, "moments": tuple(saved["moments"])}
        return cls(params.copy(), **saved)

    def _items(self) -> list[tuple[str, Mapping[str, Any], Any]]:
        """Return name, declaration and value of every field."""
        return [(it.name, it.metadata, getattr(self, it.name)) for it in fields(self)]


def _initial(declared: Mapping[str, Any], stack_shape: tuple[int, ...]) -> Any:
    initial = declared["initial"]
    if initial is None or not declared["per_network"]:
        return initial
    return np.full(stack_shape, initial)


def _select(value: Any, index: BoolArray | tuple[int, ...], places: list[int]) -> Any:
    """Return a copy of the entries of some networks."""
    if value is None:
        return None
    if isinstance(value, tuple):
        return tuple(_select(array, index, places) for array in value)
    if isinstance(value, list):
        return [value[k] for k in places]
    return np.array(value[index])


def _stack(values: Sequence[Any]) -> Any:
    """Return the entries of all networks together."""
    first = values[0]
    if first is None:
        return None
    if isinstance(first, tuple):
        return tuple(map(np.stack, zip(*values, strict=True)))
    if isinstance(first, list):
        return list(chain(*values))
    return np.stack(values)
