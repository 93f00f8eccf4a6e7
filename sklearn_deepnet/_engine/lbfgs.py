"""L-BFGS: SciPy makes the iterations, the run judges them like passes."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult, minimize

from .._utils.typing import FloatArray
from ..nn.optimizers import LBFGS
from .batches import Batches
from .early_stopping import ValidationSet
from .parallel import Threads
from .state import NEVER, TrainingSpec, TrainingState
from .training import Report, TrainingLoop, TrainingResult

# Below this relative progress, and this slope, SciPy may stop a fit that may be stopped
_FLAT, _LEVEL = 64 * np.finfo(float).eps, 1e-9


def train_quasi_newton(
    spec: TrainingSpec,
    state: TrainingState,
    batches: Batches,
    n_iter: int,
    validation: ValidationSet | None = None,
    report: Report | None = None,
    threads: Threads | None = None,
) -> list[TrainingResult]:
    """Make up to `n_iter` iterations of L-BFGS with one network; see `train`."""
    run = _QuasiNewtonRun(spec, state, batches, n_iter, validation, threads)
    stops = bool(spec.n_iter_no_change < NEVER)
    assert isinstance(spec.optimizer, LBFGS)

    def on_iteration(intermediate_result: OptimizeResult) -> None:
        run.accept(intermediate_result.x)
        if run.goes_on and report is not None and report(run):
            run.finish("report")
        if not run.goes_on:
            raise StopIteration  # which is how SciPy is told

    with np.errstate(all="ignore"):
        try:
            if n_iter:
                minimize(
                    run.evaluate,
                    run.state.params.astype(np.float64),
                    method="L-BFGS-B",
                    jac=True,
                    callback=on_iteration,
                    options={
                        "maxiter": n_iter,
                        "maxfun": 50 * n_iter,
                        "maxcor": spec.optimizer.n_corrections,
                        "ftol": _FLAT if stops else 0,
                        "gtol": _LEVEL if stops else 0,
                    },
                )
            if run.goes_on:
                run.step_back()
            if run.goes_on:
                run.finish("n_iter" if run.n_done == n_iter else "tol")
        except KeyboardInterrupt as interrupt:
            run.interrupt(interrupt)
    return list(run.results.values())


class _QuasiNewtonRun(TrainingLoop):
    """A run whose passes are made by SciPy."""

    def __init__(
        self,
        spec: TrainingSpec,
        state: TrainingState,
        batches: Batches,
        n_iter: int,
        validation: ValidationSet | None,
        threads: Threads | None,
    ) -> None:
        super().__init__(spec, state, batches, n_iter, validation, threads)
        zero: FloatArray = np.zeros(())
        self._latest = zero, zero
        self._latest_x = np.empty(0)
        self._n_evaluated = 0

    def evaluate(self, x: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Return value and gradient at `x`."""
        if self._n_evaluated == 0:
            np.copyto(self._epoch_start, self.state.params)
            self._in_epoch = True
        params, lanes = self.state.params, self._lanes
        np.copyto(params, x)
        (batch,) = self._batches
        loss = lanes.loss_and_gradient(batch)
        self._last_block = lanes.last_block
        penalty = self._stepper.add_penalty()
        if self._is_new:
            self._set_limit(loss)
        if self._n_evaluated == 0:
            self._measured = loss, penalty
        self._n_evaluated += 1
        self._latest, self._latest_x = (loss, penalty), x.copy()
        return float(loss + penalty), lanes.gradient.astype(np.float64)

    def accept(self, x: NDArray[np.float64]) -> None:
        """End an iteration at `x`, as a rule the point that was evaluated last."""
        if not np.array_equal(x, self._latest_x):
            self.evaluate(x)
        latest = self._latest
        self.end_epoch()
        if self.goes_on:
            np.copyto(self._epoch_start, self.state.params)
            self._measured = latest
            self._in_epoch = True  # as soon as SciPy tries another point

    def step_back(self) -> None:
        """Leave the point that a failed line search has tried last.

        From an infinite loss SciPy does not set out at all: let it be judged.
        """
        if self._n_evaluated:
            np.copyto(self.state.params, self._epoch_start)
            if not np.isfinite(sum(self._measured)):
                self.end_epoch()
