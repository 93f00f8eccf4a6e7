"""Validation, best weights, learning curves and early stopping, after each epoch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Self

import numpy as np

from .._utils.interrupts import interruptibly
from .._utils.typing import BoolArray, FloatArray
from .batches import Batches
from .network import Network
from .parallel import BlockwisePropagation, Threads
from .state import NEVER, TrainingSpec, TrainingState

_FIRST_EPOCHS = 1024  # of the curves that are allocated at first
_CURVES = ("losses", "data_losses", "validation_losses", "validation_scores")

Score = Callable[[FloatArray], float]


class ValidationSet(NamedTuple):
    """Samples that are not trained on, and functions that score networks on them.

    Parameters
    ----------
    batches : Batches
        One batch of all validation samples, in a fixed order.
    scores : sequence of callable ``(params) -> float``, or None
        One function for each network, where greater is better. None monitors the loss.
    """

    batches: Batches
    scores: Sequence[Score] | None = None

    def select(self, keep: BoolArray) -> "ValidationSet":
        """Return the validation set of the networks for which `keep` is True."""
        scores = self.scores
        if scores is not None:
            scores = [scores[k] for k in np.flatnonzero(keep).tolist()]
        return ValidationSet(self.batches.select(keep), scores)


class EarlyStopping:
    """Monitors the validation loss or score, or else the training loss.

    If there is a validation set, it also saves the best parameters.

    Parameters
    ----------
    spec : TrainingSpec
        Contains the number of epochs without improvement after which to stop.
    state : TrainingState
        State of training, which is updated in place.
    network : Network
        The network, whose parameters are those of `state`.
    validation : ValidationSet or None
        The validation set. None monitors the training loss.
    threads : Threads
        Threads for the blocks of large validation sets.
    """

    def __init__(
        self,
        spec: TrainingSpec,
        state: TrainingState,
        network: Network,
        validation: ValidationSet | None,
        threads: Threads,
    ) -> None:
        self._spec, self._state, self._validation = spec, state, validation
        self._propagation = BlockwisePropagation(
            network, spec.loss, threads, trains=False
        )
        self._stops = bool(np.any(spec.n_iter_no_change < NEVER))
        self._none_converged = np.zeros(state.params.shape[:-1], bool)
        self.monitored: FloatArray
        self.validation_loss: FloatArray | None = None
        self.validation_score: FloatArray | None = None

    def observe(
        self, value: FloatArray, finite: BoolArray, limit: FloatArray
    ) -> BoolArray:
        """Evaluate an epoch, and return which networks have converged.

        Parameters
        ----------
        value : ndarray of shape stack_shape
            The training loss of the epoch.
        finite : ndarray of bool of shape stack_shape
            Which networks have not diverged.
        limit : ndarray of shape stack_shape
            Largest loss that does not count as divergence. An epoch with a larger loss
            cannot be the best.
        """
        if self._validation is not None:
            value, finite = self._validate(self._validation, finite, limit)
            self._save_best(value, finite)
        else:
            # An array, since a checkpoint cannot hold NumPy scalars.
            lowest = np.fmin(self._state.best_value, value)
            self._state.best_value = np.asarray(lowest)
        self.monitored = value
        return self._count_stale(value) if self._stops else self._none_converged

    def _validate(
        self, validation: ValidationSet, finite: BoolArray, limit: FloatArray
    ) -> tuple[FloatArray, BoolArray]:
        """Return the loss or the negative score, and for which networks it is finite.

        It is NaN only if the score is not defined on these samples. If a network
        overflows on them, its loss and its negative score are infinite.
        """
        (batch,) = validation.batches
        self.validation_loss = loss = self._propagation.loss(batch)
        finite = finite & (loss <= limit)
        if validation.scores is None:
            return np.where(np.isnan(loss), np.inf, loss), finite
        params = self._state.params
        scores = [
            interruptibly(partial(score, params[k])) if finite[k] else np.nan
            for score, k in zip(
                validation.scores, np.ndindex(params.shape[:-1]), strict=True
            )
        ]
        self.validation_score = np.reshape(scores, params.shape[:-1])
        return np.where(finite, -self.validation_score, np.inf), finite

    def _save_best(self, value: FloatArray, finite: BoolArray) -> None:
        state = self._state
        if state.best_params is None:
            # Not those of this epoch, which may have diverged: files refuse NaN
            state.best_params = np.zeros_like(state.params)
        better = np.asarray(finite & (value < state.best_value))
        state.best_value = np.where(better, value, state.best_value)
        state.best_iter = np.where(better, state.n_epochs, state.best_iter)
        np.copyto(state.best_params, state.params, where=better[..., np.newaxis])

    def _count_stale(self, value: FloatArray) -> BoolArray:
        """Count epochs without improvement, and return for which networks to stop."""
        state, spec = self._state, self._spec
        # An undefined score is neither an improvement nor the lack of one.
        counts = (spec.n_iter_no_change < NEVER) & ~np.isnan(value)
        improved = counts & (value < state.reference - spec.tol)
        state.reference = np.where(improved, value, state.reference)
        state.n_stale = np.where(improved, 0, state.n_stale + counts)
        converged: BoolArray = state.n_stale >= spec.n_iter_no_change
        if self._validation is None:  # otherwise the best weights are kept
            is_low = value <= state.best_value + spec.tol
            converged = converged & (is_low | np.logical_not(spec.stops_at_best))
        # After convergence, a warm start counts from zero.
        state.n_stale = np.where(converged, 0, state.n_stale)
        return converged


class LearningCurves:
    """The losses and scores of all epochs, in arrays that grow with their number.

    Parameters
    ----------
    stack_shape : tuple of int
        () for one network, (K,) for a stack.
    n_iter : int
        Maximum number of epochs.
    validation : ValidationSet or None
        Determines which curves are recorded.
    """

    def __init__(
        self,
        stack_shape: tuple[int, ...],
        n_iter: int,
        validation: ValidationSet | None,
    ) -> None:
        n_curves = 2
        if validation is not None:
            n_curves = 3 if validation.scores is None else 4
        self._n_iter = n_iter
        shape = (*stack_shape, min(n_iter, _FIRST_EPOCHS))
        self._curves = {name: np.empty(shape) for name in _CURVES[:n_curves]}

    def record(self, epoch: int, *values: FloatArray | None) -> None:
        """Record the values of an epoch in place, in the order of the curves."""
        n_epochs = self._curves["losses"].shape[-1]
        if epoch == n_epochs:  # doubled, so that the time per epoch does not grow
            self._resize(min(2 * n_epochs, self._n_iter))
        for curve, value in zip(self._curves.values(), values, strict=False):
            curve[..., epoch] = value

    def _resize(self, n_epochs: int) -> None:
        for name, curve in self._curves.items():
            larger = np.empty((*curve.shape[:-1], n_epochs))
            larger[..., : curve.shape[-1]] = curve
            self._curves[name] = larger

    def losses(self, epoch: int) -> FloatArray:
        """Return the training loss of an epoch, of shape ``stack_shape``."""
        return self._curves["losses"][..., epoch]

    def of(self, k: tuple[int, ...], n_epochs: int) -> dict[str, Any]:
        """Return the curves of network `k`. Curves that were not recorded are empty."""
        recorded = {
            name: curve[k][:n_epochs].copy() for name, curve in self._curves.items()
        }
        return dict.fromkeys(_CURVES, np.empty(0)) | recorded

    def compact(self, keep: BoolArray) -> None:
        """Drop in place the curves of networks for which `keep` is False."""
        self._curves = {name: curve[keep] for name, curve in self._curves.items()}


@dataclass(frozen=True, eq=False)
class Curve:
    """The values of all epochs. Adding a value takes the same time for any number.

    A curve is immutable: `extended` returns a new curve, which shares the values. So a
    copy of an estimator keeps its curves when the original is trained further, and so
    does an estimator if a call raises an error.

    Parameters
    ----------
    parts : tuple of ndarray
        The values in order, in arrays that are each longer than the next one. So there
        are few arrays, and a value is copied only if equally many values have been
        added.
    n_epochs : int
        Number of values.
    lowest : float
        The lowest value that is not NaN. Infinity if there is none.
    lowest_epoch : int
        The first epoch with the lowest value, from 0. -1 if there is none.
    """

    parts: tuple[FloatArray, ...] = ()
    n_epochs: int = 0
    lowest: float = np.inf
    lowest_epoch: int = -1

    def extended(self, values: FloatArray) -> Self:
        """Return this curve, extended by the given values."""
        if not len(values):
            return self
        parts = [*self.parts, np.array(values, float)]
        while len(parts) > 1 and len(parts[-2]) <= len(parts[-1]):
            parts[-2:] = [np.concatenate(parts[-2:])]
        lowest, epoch = float(np.fmin.reduce(values)), self.lowest_epoch
        if lowest < self.lowest:
            epoch = self.n_epochs + int(np.argmax(values == lowest))
        n_epochs = self.n_epochs + len(values)
        return type(self)(
            tuple(parts), n_epochs, float(np.fmin(lowest, self.lowest)), epoch
        )

    @property
    def last(self) -> float:
        """The last value, or NaN if there is none."""
        return float(self.parts[-1][-1]) if self.parts else np.nan

    def tolist(self) -> list[float]:
        """Return all values."""
        return [value for part in self.parts for value in part.tolist()]

    def __eq__(self, other: object) -> bool:
        """Return whether the values are the same; NaN is the same as NaN."""
        if not isinstance(other, Curve):
            return NotImplemented
        return np.array_equal(self.tolist(), other.tolist(), equal_nan=True)

    __hash__ = None  # type: ignore[assignment]


def as_curve(values: "Curve | list[float] | None") -> Curve | None:
    """Return the values as a curve; None stays None."""
    if values is None or isinstance(values, Curve):
        return values
    return Curve().extended(np.array(values, float))
