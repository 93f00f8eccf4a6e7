"""L-BFGS: SciPy runs the iterations, and each counts as an epoch."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult, minimize

from .._utils.typing import FloatArray
from ..nn.optimizers import LBFGS
from .batches import Batches
from .early_stopping import ValidationSet
from .parallel import Threads
from .state import NEVER, TrainingSpec, TrainingState
from .training import Callback, TrainingLoop, TrainingResult, Watcher

# If tol is set, SciPy may stop below this relative progress and this slope.
_FTOL, _GTOL = 64 * np.finfo(float).eps, 1e-9


def train_quasi_newton(
    spec: TrainingSpec,
    state: TrainingState,
    batches: Batches,
    n_iter: int,
    validation: ValidationSet | None = None,
    on_epoch_end: Callback | None = None,
    threads: Threads | None = None,
    on_rows: Watcher | None = None,
) -> list[TrainingResult]:
    """Make up to `n_iter` iterations of L-BFGS with one network; see `train`."""
    with np.errstate(all="ignore"):
        loop = TrainingLoop(
            spec, state, batches, n_iter, validation, on_epoch_end, threads, on_rows
        )
        try:
            if n_iter:
                _minimize(loop, spec, n_iter)
            loop.finish("n_iter" if loop.n_epochs_done == n_iter else "tol")
        except KeyboardInterrupt as interrupt:
            loop.interrupt(interrupt)
    return list(loop.results.values())


def _minimize(loop: TrainingLoop, spec: TrainingSpec, n_iter: int) -> None:
    assert isinstance(spec.optimizer, LBFGS)
    stops = bool(spec.n_iter_no_change < NEVER)
    loop.begin_epoch()
    objective = _Objective(loop)
    minimize(
        objective.evaluate,
        loop.state.params.astype(np.float64),
        method="L-BFGS-B",
        jac=True,
        callback=objective.end_iteration,
        options={
            "maxiter": n_iter,
            "maxfun": 50 * n_iter,
            "maxcor": spec.optimizer.n_corrections,
            "ftol": _FTOL if stops else 0,
            "gtol": _GTOL if stops else 0,
        },
    )
    if objective.error is not None:
        raise objective.error
    if loop.active:
        # A failed line search ends at the last point that it tried.
        loop.rewind()
        # SciPy does not start if the initial loss is not finite.
        if not np.isfinite(sum(objective.at_start)):
            loop.end_epoch(*objective.at_start)


class _Objective:
    """The loss as a function of the parameters, as SciPy calls it.

    Parameters
    ----------
    loop : TrainingLoop
        The training loop. Its parameters are set to each point that SciPy tries.

    Attributes
    ----------
    at_start : tuple of (data loss, penalty)
        Values at the beginning of the iteration, which are recorded for the epoch.
    error : StopIteration or None
        Raised by a function of the user, such as a scorer. SciPy would take it for the
        end of training.
    """

    def __init__(self, loop: TrainingLoop) -> None:
        self._loop = loop
        self._latest_x = np.empty(0)
        self._latest: tuple[FloatArray, FloatArray]
        self.at_start: tuple[FloatArray, FloatArray]
        self.error: StopIteration | None = None

    def evaluate(self, x: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Return value and gradient at `x`."""
        np.copyto(self._loop.state.params, x)
        self._latest = self._loop.evaluate()
        if self._latest_x.size == 0:
            self.at_start = self._latest
        self._latest_x = x.copy()
        return float(sum(self._latest)), self._loop.gradient.astype(np.float64)

    def end_iteration(self, intermediate_result: OptimizeResult) -> None:
        """End an epoch at the point that the iteration has accepted."""
        try:
            self._end_epoch(intermediate_result.x)
        except StopIteration as error:
            self.error = error
        if self.error is not None or not self._loop.active:
            raise StopIteration  # the way to end `minimize` from its callback
        self._loop.begin_epoch()
        self.at_start = self._latest

    def _end_epoch(self, x: NDArray[np.float64]) -> None:
        # Usually this is the last point that was evaluated.
        if not np.array_equal(x, self._latest_x):
            self.evaluate(x)
        self._loop.end_epoch(*self.at_start)
