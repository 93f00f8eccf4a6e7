"""The state of training: all that going on exactly takes, as plain arrays."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from .._typing import BoolArray, FloatArray, IntArray


@dataclass
class State:
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
    n_passes : int
        Passes since the start.
    first_loss : ndarray of shape stack_shape
        Loss of the first pass, without penalty, the measure of divergence; NaN before.
    reference : ndarray of shape stack_shape
        The value that a pass has to better by `tol`; infinity before the first.
    n_stale : ndarray of shape stack_shape
        Passes since one did.
    """

    params: FloatArray
    generators: list[np.random.RandomState]
    moments: tuple[FloatArray, ...]
    n_steps: int
    n_passes: int
    first_loss: FloatArray
    reference: FloatArray
    n_stale: IntArray

    @classmethod
    def start(
        cls,
        params: FloatArray,
        generators: list[np.random.RandomState],
        n_moments: int,
    ) -> Self:
        """Return the state before the first pass."""
        stack_shape = params.shape[:-1]
        return cls(
            params,
            generators,
            moments=tuple(np.zeros_like(params) for _ in range(n_moments)),
            n_steps=0,
            n_passes=0,
            first_loss=np.full(stack_shape, np.nan),
            reference=np.full(stack_shape, np.inf),
            n_stale=np.zeros(stack_shape, int),
        )

    def forget_moments(self, n_moments: int) -> None:
        """Zero the optimizer's memory in place, or make one for another optimizer."""
        self.moments = tuple(np.zeros_like(self.params) for _ in range(n_moments))
        self.n_steps = 0

    def take(self, index: BoolArray | tuple[int, ...]) -> "State":
        """Return a copy of some networks of a stack, or of one as a single network.

        Parameters
        ----------
        index : ndarray of bool, or tuple of int
            True for those to take; or the place of one, () if there is no stack.
        """
        number = np.arange(len(self.generators)).reshape(self.params.shape[:-1])
        return State(
            params=self.params[index].copy(),
            generators=[self.generators[k] for k in np.atleast_1d(number[index])],
            moments=tuple(moment[index].copy() for moment in self.moments),
            n_steps=self.n_steps,
            n_passes=self.n_passes,
            first_loss=np.array(self.first_loss[index]),
            reference=np.array(self.reference[index]),
            n_stale=np.array(self.n_stale[index]),
        )

    @classmethod
    def stack(cls, states: Sequence["State"]) -> Self:
        """Return a stack of single networks that have taken equally many steps."""

        def join(name: str) -> Any:
            return np.stack([getattr(state, name) for state in states])

        return cls(
            params=join("params"),
            generators=[rng for state in states for rng in state.generators],
            moments=tuple(
                map(np.stack, zip(*(s.moments for s in states), strict=True))
            ),
            n_steps=states[0].n_steps,
            n_passes=states[0].n_passes,
            first_loss=join("first_loss"),
            reference=join("reference"),
            n_stale=join("n_stale"),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the parameters, as arrays, numbers, lists and dicts."""
        return {
            "generators": [rng.get_state(legacy=False) for rng in self.generators],
            "moments": list(self.moments),
            "n_steps": self.n_steps,
            "n_passes": self.n_passes,
            "first_loss": self.first_loss,
            "reference": self.reference,
            "n_stale": self.n_stale,
        }

    @classmethod
    def from_dict(cls, params: FloatArray, kept: dict[str, Any]) -> Self:
        """Return the state that `to_dict` told of, sharing no memory with it."""
        kept = deepcopy(kept)
        generators = [np.random.RandomState() for _ in kept["generators"]]
        for rng, rng_state in zip(generators, kept["generators"], strict=True):
            rng.set_state(rng_state)
        kept |= {"generators": generators, "moments": tuple(kept["moments"])}
        return cls(params.copy(), **kept)
