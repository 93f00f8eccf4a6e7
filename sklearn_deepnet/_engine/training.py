"""The training loop: trains one network, or a stack of them, epoch by epoch.

A network that has converged or diverged is removed from the stack. The training of the
other networks continues as if it had never been part of the stack.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from .._utils.typing import BoolArray, FloatArray
from ..nn.dropout import Dropout
from .batches import Batches
from .early_stopping import EarlyStopping, LearningCurves, ValidationSet
from .network import Network
from .parallel import BlockwisePropagation, Threads
from .state import TrainingSpec, TrainingState
from .update import ParameterUpdater

Ending: TypeAlias = Literal["n_iter", "tol", "callback", "divergence", "interrupt"]
Callback: TypeAlias = Callable[["TrainingLoop"], bool]
Watcher: TypeAlias = Callable[["TrainingLoop"], None]


class TrainingResult(NamedTuple):
    """The outcome of training one network.

    Parameters
    ----------
    state : TrainingState
        The state after training. After a divergence it holds the parameters of the last
        epoch with a finite loss, after an interrupt those of the last complete epoch.
    losses : ndarray of shape (n_epochs,)
        The training loss of each epoch before a divergence, including the penalty.
    data_losses : ndarray of shape (n_epochs,)
        The same as `losses`, without penalty.
    validation_losses : ndarray of shape (n_epochs,) or (0,)
        The loss of the validation set after each epoch.
    validation_scores : ndarray of shape (n_epochs,) or (0,)
        The score of the validation set, if one is monitored.
    ended_by : {"n_iter", "tol", "callback", "divergence", "interrupt"}
        Why training ended.
    bad_loss : float
        After a divergence, the loss that caused it.
    interrupt : KeyboardInterrupt or None
        The interrupt that ended training, which has to be raised again.
    """

    state: TrainingState
    losses: FloatArray
    data_losses: FloatArray
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
    on_epoch_end: Callback | None = None,
    threads: Threads | None = None,
    on_rows: Watcher | None = None,
) -> list[TrainingResult]:
    """Train for up to `n_iter` epochs.

    Parameters
    ----------
    spec : TrainingSpec
        Settings of training.
    state : TrainingState
        State to start from, which is overwritten.
    batches : Batches
        Mini-batches, which are iterated once per epoch. They draw from the generators
        of `state`.
    n_iter : int
        Number of epochs.
    validation : ValidationSet or None, default=None
        Samples to monitor instead of the training loss.
    on_epoch_end : callable ``(loop) -> bool``, or None, default=None
        Called after each epoch. If it returns True, training ends.
    threads : Threads or None, default=None
        Threads for the blocks of large batches. None uses only the calling thread.
    on_rows : callable ``(loop) -> None``, or None, default=None
        Called repeatedly within each epoch, when more of its rows are done.

    Returns
    -------
    results : list of TrainingResult
        One result for each network, in the order of the stack.
    """
    with np.errstate(all="ignore"):
        loop = TrainingLoop(
            spec, state, batches, n_iter, validation, on_epoch_end, threads, on_rows
        )
        try:
            while loop.active and loop.n_epochs_done < n_iter:
                loop.end_epoch(*loop.run_epoch())
            loop.finish("n_iter")
        except KeyboardInterrupt as interrupt:
            loop.interrupt(interrupt)
    return [loop.results[k] for k in sorted(loop.results)]


class TrainingLoop:
    """The networks that are still being trained, and their work arrays.

    Parameters
    ----------
    spec, state, batches, n_iter, validation, on_epoch_end, threads, on_rows
        See `train`.

    Attributes
    ----------
    results : dict of int to TrainingResult
        Results of networks whose training has ended, by their index in the initial
        stack.
    n_epochs_done : int
        Number of epochs so far.
    share_done : float
        Fraction of the rows of the current epoch that are done. It is updated only if
        there is `on_rows`.
    active : bool
        Whether any network is still being trained.
    state : TrainingState
        State of the networks that are still being trained.
    """

    def __init__(
        self,
        spec: TrainingSpec,
        state: TrainingState,
        batches: Batches,
        n_iter: int,
        validation: ValidationSet | None,
        on_epoch_end: Callback | None,
        threads: Threads | None,
        on_rows: Watcher | None = None,
    ) -> None:
        stack_shape = state.params.shape[:-1]
        self.results: dict[int, TrainingResult] = {}
        self.n_epochs_done = 0
        self.active = True
        self.share_done = 0.0
        self._on_epoch_end, self._on_rows = on_epoch_end, on_rows
        self._threads = threads or Threads(1)
        self._indices = np.arange(len(state.generators)).reshape(stack_shape)
        self._curves = LearningCurves(stack_shape, n_iter, validation)
        # The last parameters whose loss is known to be finite. The loss is computed
        # before each step, so these are the parameters before the last epoch.
        finite, state.finite_params = state.finite_params, None
        self._finite_params = state.params.copy() if finite is None else finite
        self._allocate(spec, state, batches, validation)

    def _allocate(
        self,
        spec: TrainingSpec,
        state: TrainingState,
        batches: Batches,
        validation: ValidationSet | None,
    ) -> None:
        """Allocate the work arrays for the remaining networks."""
        self.state = state
        self._spec, self._batches, self._validation = spec, batches, validation
        network = Network.from_spec(spec, state.params)
        dropout = None
        if np.any(spec.dropout):
            rates = np.asarray(spec.dropout)
            dropout = Dropout(rates, state.generators, batches.n_samples)
        self._propagation = BlockwisePropagation(
            network,
            spec.loss,
            self._threads,
            dropout=dropout,
            on_share=None if self._on_rows is None else self._count_rows,
        )
        self._updater = ParameterUpdater(spec, state, self._propagation.gradient)
        self._early_stopping = EarlyStopping(
            spec, state, network, validation, self._threads
        )
        self._epoch_start = np.empty_like(state.params)
        # One row each for the share, the loss and the penalty of each step.
        self._steps = np.empty((3, *state.params.shape[:-1], batches.n_batches))
        self._in_epoch = False
        self._limit = state.loss_limit
        self._is_new = bool(np.isnan(state.first_loss).any())

    @property
    def last_loss(self) -> FloatArray:
        """Training loss of the last epoch, of shape ``stack_shape``."""
        return self._curves.losses(self.n_epochs_done - 1)

    @property
    def last_validation_loss(self) -> FloatArray | None:
        """Validation loss after the last epoch, or None."""
        return self._early_stopping.validation_loss

    @property
    def n_rows(self) -> int:
        """Number of rows of an epoch."""
        return self._batches.n_samples

    def _count_rows(self, share: float) -> None:
        assert self._on_rows is not None
        self.share_done += share
        self._on_rows(self)

    @property
    def gradient(self) -> FloatArray:
        """Array to which `evaluate` writes the gradient."""
        return self._propagation.gradient

    def begin_epoch(self) -> None:
        """Save the parameters, so that `rewind` or an interrupt can restore them."""
        np.copyto(self._epoch_start, self.state.params)
        self._in_epoch = True
        self.share_done = 0.0

    def rewind(self) -> None:
        """Restore, in place, the parameters at the beginning of the epoch."""
        np.copyto(self.state.params, self._epoch_start)

    def run_epoch(self) -> tuple[FloatArray, FloatArray]:
        """Train for one epoch, with a step for each batch.

        Returns
        -------
        data_loss, penalty : ndarray of shape stack_shape
            Weighted means over the batches, each computed before its step.
        """
        self.begin_epoch()
        shares, losses, penalties = self._steps
        self._updater.start_epoch()
        for step, batch in enumerate(self._batches):
            loss = self._propagation.loss_and_gradient(batch)
            if self._is_new:
                self._set_limit(loss)
            shares[..., step], losses[..., step] = batch.share, loss
            penalties[..., step] = self._updater.step()
        return np.vecdot(losses, shares), np.vecdot(penalties, shares)

    def evaluate(self) -> tuple[FloatArray, FloatArray]:
        """Return the data loss and the penalty of the full batch, without a step.

        The gradient is written to `gradient`.
        """
        self.share_done = 0.0
        (batch,) = self._batches
        loss = self._propagation.loss_and_gradient(batch)
        if self._is_new:
            self._set_limit(loss)
        return loss, self._updater.add_penalty()

    def _set_limit(self, first_loss: FloatArray) -> None:
        """Set the limit of the loss, based on the first batch before any step."""
        self.state.first_loss = np.asarray(first_loss)
        self._limit = self.state.loss_limit
        self._is_new = False

    def end_epoch(self, data_loss: FloatArray, penalty: FloatArray) -> None:
        """Record the epoch, and end the training of converged or diverged networks."""
        state, value = self.state, data_loss + penalty
        finite = (value < np.inf) & (data_loss <= self._limit)
        usable = finite & state.is_finite()
        monitor = self._early_stopping
        converged = monitor.observe(value, usable, self._limit)
        self._updater.end_epoch(monitor.monitored)
        self._curves.record(
            self.n_epochs_done,
            value,
            data_loss,
            monitor.validation_loss,
            monitor.validation_score,
        )
        self._epoch_start, self._finite_params = self._finite_params, self._epoch_start
        state.n_epochs += 1
        self.n_epochs_done += 1
        self._in_epoch = False
        leaving = ~usable | converged
        if np.count_nonzero(leaving):
            n_finite = self.n_epochs_done - 1
            self._finish_diverged(~finite, value, self._epoch_start, n_finite)
            self._finish(leaving & finite, "tol")
            self._compact(~leaving)
        if self._on_epoch_end is None or not self.active:
            return
        if self._on_epoch_end(self):
            self.finish("callback")

    def finish(self, ended_by: Ending, **details: Any) -> None:
        """End the training of all remaining networks."""
        if self.active:
            everyone = np.ones(self._indices.shape, bool)
            self._finish(everyone, ended_by, **details)
            self.active = False

    def interrupt(self, interrupt: KeyboardInterrupt) -> None:
        """End all training, with the parameters of the last complete epoch."""
        if self._in_epoch:
            self.rewind()
            self.state.forget_moments(self._spec.optimizer.n_moments)
        self.finish("interrupt", interrupt=interrupt)

    def _finish(self, which: BoolArray, ended_by: Ending, **details: Any) -> None:
        """Record the results of some networks, unless their last step has diverged.

        The loss of an epoch is computed before its steps, so it does not show the
        effect of the last step. The loss of the next epoch does, as far as it is known.
        What it shows ends training in the next epoch as well, so a fit gives the same
        network as several fits of fewer epochs. A loss without dropout may differ.
        """
        if self.n_epochs_done:
            loss = self._loss_ahead()
            drops = np.any(np.atleast_1d(self._spec.dropout), axis=-1)
            is_open = drops & self.state.is_finite()
            diverged = which & ~is_open & ~(loss <= self._limit)
            self._finish_diverged(
                diverged, loss, self._finite_params, self.n_epochs_done, **details
            )
            which = which & ~diverged
        for k in _indices_of(which):
            self._record_result(k, self.n_epochs_done, ended_by, **details)

    def _loss_ahead(self) -> FloatArray:
        """Return the data loss of the next epoch, or -inf if it is not known yet.

        That of a full batch is known. It is NaN if the parameters are not finite.
        Dropout is left out, since it would draw random numbers.
        """
        loss: FloatArray | float = -np.inf
        if self._batches.n_batches == 1:
            (batch,) = self._batches
            loss = self._propagation.loss(batch)
        return np.where(self.state.is_finite(), loss, np.nan)

    def _finish_diverged(
        self,
        which: BoolArray,
        loss: FloatArray,
        finite_params: FloatArray,
        n_finite: int,
        **details: Any,
    ) -> None:
        """Record diverged networks, with their last finite parameters and epochs."""
        for k in _indices_of(which):
            state = self.state.select(k)
            np.copyto(state.params, finite_params[k])
            state.finite_params = None
            state.forget_moments(self._spec.optimizer.n_moments)
            state.n_epochs -= self.n_epochs_done - n_finite
            bad_loss = float(loss[k])
            self._record_result(
                k, n_finite, "divergence", state=state, bad_loss=bad_loss, **details
            )

    def _record_result(
        self,
        k: tuple[int, ...],
        n_epochs: int,
        ended_by: Ending,
        state: TrainingState | None = None,
        **details: Any,
    ) -> None:
        if state is None:
            # A copy of a single network would take half as much memory as its training.
            state = self.state.select(k) if k else self.state
            state.finite_params = (
                self._finite_params[k].copy() if k else self._finite_params
            )
        curves = self._curves.of(k, n_epochs)
        result = TrainingResult(state, **curves, ended_by=ended_by, **details)
        # The first result is kept: an interrupt may occur while results are recorded.
        self.results.setdefault(int(self._indices[k]), result)

    def snapshot(self) -> TrainingResult:
        """Return the result of one network as if this had been its last epoch.

        It shares the arrays of the state. If its last step has diverged, even if only
        without dropout, it has the parameters before that epoch.
        """
        result = TrainingResult(
            replace(self.state, finite_params=self._finite_params),
            **self._curves.of((), self.n_epochs_done),
            ended_by="n_iter",
        )
        if self._loss_ahead() <= self._limit:
            return result
        result.state.params = self._finite_params
        return result._replace(ended_by="divergence")

    def _compact(self, keep: BoolArray) -> None:
        """Drop the networks whose training has ended from all arrays."""
        self.active = bool(keep.any())
        if not self.active:
            return
        self._indices = self._indices[keep]
        self._curves.compact(keep)
        self._finite_params = self._finite_params[keep]
        self._allocate(
            self._spec.select(keep),
            self.state.select(keep),
            self._batches.select(keep),
            self._validation.select(keep) if self._validation is not None else None,
        )


def _indices_of(which: BoolArray) -> list[tuple[int, ...]]:
    """Return the indices of True entries; [()] or [] if there is no stack."""
    return [tuple(map(int, place)) for place in np.argwhere(which)]
