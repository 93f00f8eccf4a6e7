"""After each epoch: measure on the validation set, save the best, record, or stop."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .._utils.typing import BoolArray, FloatArray
from .batches import Batches
from .network import Network
from .parallel import BlockwisePropagation, Threads
from .state import NEVER, TrainingSpec, TrainingState

_CURVES = ("losses", "validation_losses", "validation_scores")

Score = Callable[[FloatArray], float]


class ValidationSet(NamedTuple):
    """Rows that are kept from training, and how they are judged.

    Parameters
    ----------
    batches : Batches
        One batch of all the rows, in a fixed order.
    scores : sequence of callable ``(params) -> float``, or None
        One for each network, the greater the better; None monitors the loss.
    """

    batches: Batches
    scores: Sequence[Score] | None = None

    def select(self, keep: BoolArray) -> "ValidationSet":
        """Return the validation of those networks for which `keep` is True."""
        scores = self.scores
        if scores is not None:
            scores = [scores[k] for k in np.flatnonzero(keep).tolist()]
        return ValidationSet(self.batches.select(keep), scores)


class EarlyStopping:
    """Watches the monitored value: of the validation rows if there are any.

    Parameters
    ----------
    spec : TrainingSpec
        Says who is patient, and whose schedule learns.
    state : TrainingState
        Brought up to date in place.
    network : Network
        Cut from the parameters of `state`.
    validation : ValidationSet or None
        None monitors the training loss.
    threads : Threads
        For the blocks of many validation rows.
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
        self._impatient = bool(np.any(spec.n_iter_no_change < NEVER))
        self._nobody = np.zeros(state.params.shape[:-1], bool)
        self.validation_loss: FloatArray | None = None
        self.validation_score: FloatArray | None = None

    def observe(
        self, value: FloatArray, finite: BoolArray, limit: FloatArray
    ) -> BoolArray:
        """Take note of a pass, and return who has converged.

        Parameters
        ----------
        value : ndarray of shape stack_shape
            Its training loss.
        finite : ndarray of bool of shape stack_shape
            Who has not diverged.
        limit : ndarray of shape stack_shape
            The largest loss that is no divergence; beyond it nothing is the best.
        """
        if self._validation is not None:
            value, finite = self._validate(self._validation, finite, limit)
            self._keep_best(value, finite)
        self.monitored = value
        return self._lose_patience(value) if self._impatient else self._nobody

    def _validate(
        self, validation: ValidationSet, finite: BoolArray, limit: FloatArray
    ) -> tuple[FloatArray, BoolArray]:
        """Return the loss or minus the score, and who may be the best."""
        (batch,) = validation.batches
        self.validation_loss = loss = self._propagation.loss(batch)
        finite = finite & (loss <= limit)
        if validation.scores is None:
            return loss, finite
        params = self._state.params
        scores = [
            score(params[k]) if finite[k] else np.nan
            for score, k in zip(
                validation.scores, np.ndindex(params.shape[:-1]), strict=True
            )
        ]
        self.validation_score = np.reshape(scores, params.shape[:-1])
        return -self.validation_score, finite

    def _keep_best(self, value: FloatArray, finite: BoolArray) -> None:
        state = self._state
        if state.best_params is None:
            state.best_params = state.params.copy()
        better = np.asarray(finite & (value < state.best_value))
        state.best_value = np.where(better, value, state.best_value)
        state.best_iter = np.where(better, state.n_epochs, state.best_iter)
        np.copyto(state.best_params, state.params, where=better[..., np.newaxis])

    def _lose_patience(self, value: FloatArray) -> BoolArray:
        """Count passes without improvement, and return whose patience has ended."""
        state, spec = self._state, self._spec
        counts = spec.n_iter_no_change < NEVER
        improved = counts & (value < state.reference - spec.tol)
        state.reference = np.where(improved, value, state.reference)
        state.n_stale = np.where(improved, 0, state.n_stale + counts)
        converged: BoolArray = state.n_stale >= spec.n_iter_no_change
        state.n_stale = np.where(converged, 0, state.n_stale)  # the next fit's start
        return converged


class LearningCurves:
    """The losses and scores of all epochs, in arrays that are allocated once.

    Parameters
    ----------
    stack_shape : tuple of int
        () for one network, (K,) for a stack.
    n_iter : int
        Number of epochs there is room for.
    validation : ValidationSet or None
        Decides which curves there are.
    """

    def __init__(
        self,
        stack_shape: tuple[int, ...],
        n_iter: int,
        validation: ValidationSet | None,
    ) -> None:
        n_curves = 1
        if validation is not None:
            n_curves = 2 if validation.scores is None else 3
        shape = (*stack_shape, n_iter)
        self._curves = {name: np.empty(shape) for name in _CURVES[:n_curves]}

    def record(self, epoch: int, *values: FloatArray | None) -> None:
        """Write in place what an epoch came to, in the order of the curves."""
        for curve, value in zip(self._curves.values(), values, strict=False):
            curve[..., epoch] = value

    def losses(self, epoch: int) -> FloatArray:
        """Return the training loss of an epoch, of shape ``stack_shape``."""
        return self._curves["losses"][..., epoch]

    def of(self, k: tuple[int, ...], n_epochs: int) -> dict[str, Any]:
        """Return the curves of network `k`; those that there are not are empty."""
        recorded = {
            name: curve[k][:n_epochs].copy() for name, curve in self._curves.items()
        }
        return dict.fromkeys(_CURVES, np.empty(0)) | recorded

    def compact(self, keep: BoolArray) -> None:
        """Drop in place the curves of networks for which `keep` is False."""
        self._curves = {name: curve[keep] for name, curve in self._curves.items()}
