"""The training loop, the only one: one network or a stack, step by step.

A network that is done, because it converged or diverged, leaves the stack; those that
stay do not notice.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from .._utils.typing import BoolArray, FloatArray
from .batches import Batches
from .early_stopping import EarlyStopping, ValidationSet
from .network import Network
from .parallel import BlockwisePropagation, Threads
from .propagation import Dropout
from .state import TrainingSpec, TrainingState
from .update import ParameterUpdater

_ZERO: FloatArray = np.zeros(())
_DIVERGED = 1e6  # times the first loss: no detour to a minimum leads so high

Ending: TypeAlias = Literal["n_iter", "tol", "report", "divergence", "interrupt"]
Report: TypeAlias = Callable[["TrainingLoop"], bool]


class TrainingResult(NamedTuple):
    """What became of one network.

    Parameters
    ----------
    state : TrainingState
        Where it stands; after a divergence, with the parameters of the last pass whose
        loss was sound, and after an interrupt with those of the last complete pass.
    losses : ndarray of shape (n_epochs,)
        The loss of each sound pass, penalty included.
    validation_losses : ndarray of shape (n_epochs,) or (0,)
        The loss of the validation rows after each pass.
    validation_scores : ndarray of shape (n_epochs,) or (0,)
        Their score, if one is asked for.
    ended_by : {"n_iter", "tol", "report", "divergence", "interrupt"}
        Why training ended.
    bad_loss : float
        After a divergence, the loss that told of it.
    interrupt : KeyboardInterrupt or None
        To be raised again.
    """

    state: TrainingState
    losses: FloatArray
    validation_losses: FloatArray
    validation_scores: FloatArray
    ended_by: Ending
    bad_loss: float = np.nan
    interrupt: KeyboardInterrupt | None = None


def train(
    spec: TrainingSpec,
    state: TrainingState,
    batches: Batches,
    n_iter: int,
    validation: ValidationSet | None = None,
    report: Report | None = None,
    threads: Threads | None = None,
) -> list[TrainingResult]:
    """Train for up to `n_iter` passes.

    Parameters
    ----------
    spec : TrainingSpec
        What is asked.
    state : TrainingState
        Where to start from; used up.
    batches : Batches
        One pass over the data each time it is iterated, drawing from the generators of
        `state`.
    n_iter : int
        Passes.
    validation : ValidationSet or None, default=None
        Rows to be monitored in place of the training loss.
    report : callable ``(run) -> bool``, or None, default=None
        Called after each pass; True ends the training.
    threads : Threads or None, default=None
        For the blocks of large batches; None is this thread alone.

    Returns
    -------
    results : list of TrainingResult
        One for each network, in the order of the stack.
    """
    with np.errstate(all="ignore"):
        run = TrainingLoop(spec, state, batches, n_iter, validation, threads)
        try:
            while run.n_done < n_iter and run.goes_on:
                run.run_epoch()
                run.end_epoch()
                if report is not None and run.goes_on and report(run):
                    run.finish("report")
            if run.goes_on:
                run.finish("n_iter")
        except KeyboardInterrupt as interrupt:
            run.interrupt(interrupt)
    return [run.results[k] for k in sorted(run.results)]


class TrainingLoop:
    """The networks that are still in training, and their work arrays.

    Attributes
    ----------
    results : dict of int to Outcome
        Of the networks that are done, by their place in the first stack.
    n_done : int
        Passes made.
    n_iter : int
        Passes to be made.
    goes_on : bool
        Whether any network is left.
    state : TrainingState
        Of those that are left.
    """

    def __init__(
        self,
        spec: TrainingSpec,
        state: TrainingState,
        batches: Batches,
        n_iter: int,
        validation: ValidationSet | None,
        threads: Threads | None,
    ) -> None:
        stack_shape = state.params.shape[:-1]
        self.results: dict[int, TrainingResult] = {}
        self.n_done = 0
        self.n_iter = n_iter
        self.goes_on = True
        self._threads = threads or Threads(1)
        self._number = np.arange(len(state.generators)).reshape(stack_shape)
        self._curves = {"losses": np.empty((*stack_shape, n_iter))}
        if validation is not None:
            self._curves["validation_losses"] = np.empty((*stack_shape, n_iter))
            if validation.scores is not None:
                self._curves["validation_scores"] = np.empty((*stack_shape, n_iter))
        finite, state.finite_params = state.finite_params, None
        # parameters whose loss is known to be sound
        self._finite_params = state.params.copy() if finite is None else finite
        self._allocate(spec, state, batches, validation)

    def _allocate(
        self,
        spec: TrainingSpec,
        state: TrainingState,
        batches: Batches,
        validation: ValidationSet | None,
    ) -> None:
        """Make the work arrays for the networks that are left."""
        self.state = state
        self._spec, self._batches, self._validation = spec, batches, validation
        network = Network(spec.layer_sizes, spec.activations, state.params)
        dropout = None
        if np.any(spec.dropout):
            dropout = Dropout(np.asarray(spec.dropout), state.generators)
        self._lanes = BlockwisePropagation(
            network, spec.loss, self._threads, dropout=dropout
        )
        self._stepper = ParameterUpdater(spec, state, self._lanes.gradient)
        self._monitor = EarlyStopping(spec, state, network, validation, self._threads)
        self._epoch_start = np.empty_like(state.params)  # of the pass under way
        self._in_epoch = False
        self._limit = _loss_limit(state.first_loss)
        self._is_new = bool(np.isnan(state.first_loss).any())

    @property
    def last_loss(self) -> FloatArray:
        """Training loss of the last pass, of shape ``stack_shape``."""
        return self._curves["losses"][..., self.n_done - 1]

    @property
    def last_validation_loss(self) -> FloatArray | None:
        """Validation loss after the last pass, or None."""
        return self._monitor.validation_loss

    def run_epoch(self) -> None:
        """Go through the data once, with a step for each batch."""
        np.copyto(self._epoch_start, self.state.params)
        self._in_epoch = True
        data_loss = penalty = _ZERO
        self._stepper.start_epoch()
        for batch in self._batches:
            loss = self._lanes.loss_and_gradient(batch)
            data_loss = data_loss + batch.share * loss
            if self._is_new:
                self._set_limit(loss)
            penalty = penalty + batch.share * self._stepper.step()
        self._measured = data_loss, penalty
        self._last_block = self._lanes.last_block

    def _set_limit(self, first_loss: FloatArray) -> None:
        """Take the loss of the first batch, before any step, for the measure of all."""
        self.state.first_loss = np.asarray(first_loss)
        self._limit = _loss_limit(self.state.first_loss)
        self._is_new = False

    def end_epoch(self) -> None:
        """End the pass: find who has diverged or converged, and let them leave."""
        state, (data_loss, penalty) = self.state, self._measured
        value = data_loss + penalty
        finite = (value < np.inf) & (data_loss <= self._limit)
        converged = self._monitor.observe(value, finite, self._limit)
        self._record("losses", value)
        self._record("validation_losses", self._monitor.validation_loss)
        self._record("validation_scores", self._monitor.validation_score)
        self._epoch_start, self._finite_params = self._finite_params, self._epoch_start
        state.n_epochs += 1
        self.n_done += 1
        self._in_epoch = False
        diverged = ~finite
        leaving = diverged | converged
        if np.count_nonzero(leaving):
            self._finish_diverged(diverged, value, self._epoch_start, self.n_done - 1)
            self._finish(leaving & ~diverged, "tol")
            self._compact(~leaving)

    def _record(self, curve: str, value: FloatArray | None) -> None:
        if value is not None:
            self._curves[curve][..., self.n_done] = value

    def finish(self, ended_by: Ending, **details: Any) -> None:
        """Dismiss all who are left."""
        everyone = np.ones(self._number.shape, bool)
        self._finish(everyone, ended_by, **details)
        self.goes_on = False

    def interrupt(self, interrupt: KeyboardInterrupt) -> None:
        """Dismiss all who are left, with the parameters of the last complete pass."""
        if self._in_epoch:
            np.copyto(self.state.params, self._epoch_start)
            self.state.forget_moments(self._spec.optimizer.n_moments)
        self.finish("interrupt", interrupt=interrupt)

    def _finish(self, who: BoolArray, ended_by: Ending, **details: Any) -> None:
        """Record who is done, unless their last step led astray.

        The loss of a pass is measured before its steps, so where the last one led has
        not been seen yet; a look at the last block shows it.
        """
        if self.n_done:
            loss = self._current_loss()
            diverged = who & ~(loss <= self._limit)
            self._finish_diverged(
                diverged, loss, self._finite_params, self.n_done, **details
            )
            who = who & ~diverged
        for k in _places(who):
            self._record_result(k, self.n_done, ended_by, **details)

    def _current_loss(self) -> FloatArray:
        return self._lanes.loss_of(self._last_block)

    def finite_params(self) -> FloatArray:
        """Return a copy of the parameters, or of the last sound ones before them."""
        finite = np.asarray(self._current_loss() <= self._limit)[..., np.newaxis]
        return np.where(finite, self.state.params, self._finite_params)

    def _finish_diverged(
        self,
        who: BoolArray,
        loss: FloatArray,
        finite: FloatArray,
        n_sound: int,
        **details: Any,
    ) -> None:
        """Record who has diverged, with their last `finite` parameters."""
        for k in _places(who):
            state = self.state.select(k)
            np.copyto(state.params, finite[k])
            state.finite_params = None
            state.forget_moments(self._spec.optimizer.n_moments)
            state.n_epochs -= self.n_done - n_sound
            bad_loss = float(loss[k])
            self._record_result(
                k, n_sound, "divergence", state=state, bad_loss=bad_loss, **details
            )

    def _record_result(
        self,
        k: tuple[int, ...],
        n_epochs: int,
        ended_by: Ending,
        state: TrainingState | None = None,
        **details: Any,
    ) -> None:
        """Record an outcome, once: an interrupt may come while some are dismissed."""
        if state is None:
            state = self.state.select(k)
            state.finite_params = self._finite_params[k].copy()
        result = self._outcome(k, n_epochs, ended_by, state, **details)
        self.results.setdefault(int(self._number[k]), result)

    def _outcome(
        self,
        k: tuple[int, ...],
        n_epochs: int,
        ended_by: Ending,
        state: TrainingState,
        **details: Any,
    ) -> TrainingResult:
        curves = {
            name: curve[k][:n_epochs].copy() for name, curve in self._curves.items()
        }
        return TrainingResult(
            state,
            curves["losses"],
            curves.get("validation_losses", np.empty(0)),
            curves.get("validation_scores", np.empty(0)),
            ended_by,
            **details,
        )

    def snapshot(self) -> TrainingResult | None:
        """Return what became of one network so far, as if no more passes were asked.

        None if its last step led astray, as the next pass will find.
        """
        if not self._current_loss() <= self._limit:
            return None
        state = replace(self.state, finite_params=self._finite_params)
        return self._outcome((), self.n_done, "n_iter", state)

    def _compact(self, keep: BoolArray) -> None:
        """Close the ranks after some have left."""
        self.goes_on = bool(keep.any())
        if not self.goes_on:
            return
        self._number = self._number[keep]
        self._curves = {name: curve[keep] for name, curve in self._curves.items()}
        self._finite_params = self._finite_params[keep]
        self._last_block = self._last_block.select(keep)
        self._allocate(
            self._spec.select(keep),
            self.state.select(keep),
            self._batches.select(keep),
            self._validation.select(keep) if self._validation is not None else None,
        )


def _places(who: BoolArray) -> list[tuple[int, ...]]:
    """Return the indices of those who, [()] or [] if there is no stack."""
    return [tuple(map(int, place)) for place in np.argwhere(who)]


def _loss_limit(first_loss: FloatArray) -> FloatArray:
    return _DIVERGED * np.maximum(1, np.abs(first_loss))
