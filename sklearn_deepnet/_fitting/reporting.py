"""What is told of a running fit, on the screen and to scikit-learn's callbacks."""

import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning

from .._engine import Callback, TrainingLoop, TrainingResult
from .._utils.sklearn_compat import CallbackContext
from .._utils.warnings import max_abs, warn
from ..exceptions import DivergenceWarning
from .dataset import Dataset
from .parameters import is_quasi_newton

_MOST_TASKS = 1000  # ProgressBar takes time quadratic in their number
_LINES = 10
_BAR_WIDTH = 30


class ProgressPrinter:
    """Prints about ten lines a fit; to a terminal, one line that is written over.

    Parameters
    ----------
    n_iter : int
        Passes to be made.
    verbose : int
        1 for ten lines, more for a line each pass.
    n_epochs_done : int
        Passes that were made before this fit goes on.
    """

    def __init__(self, n_iter: int, verbose: int, n_epochs_done: int) -> None:
        self._n_iter, self._n_made = n_iter, n_epochs_done
        self._in_place = verbose == 1 and sys.stdout.isatty()
        self._every = 1 if verbose > 1 else -(-n_iter // _LINES)
        self._start = self._printed = time.perf_counter()

    def __call__(self, loop: TrainingLoop) -> bool:
        """Print if it is time to; never ask for a stop."""
        now, n_done = time.perf_counter(), self._n_made + loop.n_epochs_done
        if self._in_place:
            if now - self._printed > 0.2 or n_done == self._n_iter:
                self._printed = now
                done = _BAR_WIDTH * n_done // self._n_iter
                print(
                    f"\r[{'=' * done:{_BAR_WIDTH}}] {self._line(loop, now)}",
                    end=" ",
                    flush=True,
                )
        elif n_done % self._every == 0 or n_done == self._n_iter:
            print(self._line(loop, now))
        return False

    def end(self) -> None:
        """Leave the line."""
        if self._in_place and self._printed > self._start:
            print()

    def _line(self, loop: TrainingLoop, now: float) -> str:
        n_done = self._n_made + loop.n_epochs_done
        left = (now - self._start) * (self._n_iter - n_done) / loop.n_epochs_done
        line = f"pass {n_done} of {self._n_iter}, loss {float(loop.last_loss):.5g}"
        if loop.last_validation_loss is not None:
            line += f", validation loss {float(loop.last_validation_loss):.5g}"
        return f"{line}, at most {left:.1f} s left"


class CallbackTasks:
    """Tells scikit-learn's callbacks of at most a thousand tasks, runs of passes.

    Parameters
    ----------
    estimator : estimator
        In training.
    context : CallbackContext
        Of its fit.
    X, y : array-like
        Its data.
    n_iter : int
        Passes to be made.
    n_epochs_done : int
        Of these, passes that were made before this fit goes on.
    """

    def __init__(
        self,
        estimator: BaseEstimator,
        context: CallbackContext,
        X: Any,
        y: Any,
        n_iter: int,
        n_epochs_done: int,
    ) -> None:
        self._estimator, self._context, self._data = (
            estimator,
            context,
            {"X": X, "y": y},
        )
        self._n_iter, self._n_made = n_iter, n_epochs_done
        self._every = epochs_per_task(n_iter)
        context.call_on_fit_task_begin(estimator=estimator, **self._data)
        self._task: CallbackContext | None = None
        if n_iter > n_epochs_done:
            self._begin()

    def __call__(self, loop: TrainingLoop) -> bool:
        """End a task if it is time to, and return whether a callback asks to stop."""
        n_done = self._n_made + loop.n_epochs_done
        if n_done % self._every and n_done < self._n_iter:
            return False
        stops = self._task.call_on_fit_task_end(
            estimator=self._estimator,
            reconstruction_attributes=lambda: {"_params": loop.finite_params()},
            **self._data,
        )
        self._task = None
        if not stops and n_done < self._n_iter:
            self._begin()
        return stops

    def end(self) -> None:
        """End what is open; the estimator is fitted."""
        if self._task is not None:
            self._task.call_on_fit_task_end(estimator=self._estimator)
        self._context.call_on_fit_task_end(
            estimator=self._estimator, reconstruction_attributes=dict, **self._data
        )

    def _begin(self) -> None:
        self._task = self._context.subcontext(task_name="passes")
        self._task.call_on_fit_task_begin(estimator=self._estimator, **self._data)


def epochs_per_task(n_iter: int) -> int:
    """Return how many passes make a task."""
    return max(1, -(-n_iter // _MOST_TASKS))


def count_tasks(n_iter: int) -> int:
    """Return how many tasks a fit has."""
    return -(-n_iter // epochs_per_task(n_iter))


def all_of(callbacks: Sequence[Callback]) -> Callback | None:
    """Return one callback that calls them all, None if there are none."""
    if not callbacks:
        return None

    def call_all(loop: TrainingLoop) -> bool:
        return max([callback(loop) for callback in callbacks])

    return call_all


def warn_of_ending(
    estimator: BaseEstimator,
    result: TrainingResult,
    dataset: Dataset,
    n_iter: int,
    stops: bool,
    n_epochs_done: int,
) -> None:
    """Say what to change where training diverged or was too short.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    result : TrainingResult
        What became of it now.
    dataset : Dataset
        Its rows.
    n_iter : int
        Passes that were asked for.
    stops : bool
        Whether `tol` might have ended it.
    n_epochs_done : int
        Of these, passes that were made before, and kept in a checkpoint.
    """
    if result.ended_by == "divergence":
        warn(
            f"The loss became {_name_number(result.bad_loss)} after "
            f"{estimator.n_iter_} passes. Lower learning_rate (now "
            f"{estimator.learning_rate:.3g}) or scale X (largest value "
            f"{max_abs(dataset.X):.2g}). Training has stopped, with the last "
            "sound weights kept.",
            DivergenceWarning,
        )
    elif result.ended_by == "n_iter" and stops and n_iter:
        no_rate = is_quasi_newton(estimator.solver)
        raise_what = "n_iter" if no_rate else "n_iter or learning_rate"
        warn(
            f"All n_iter={n_iter} passes were used before the loss settled. Raise "
            f"{raise_what}; or set tol=None, if so many passes are wanted.",
            ConvergenceWarning,
        )
    elif result.ended_by == "tol" and _made_no_progress(
        estimator, result, n_epochs_done
    ):
        warn(
            f"The loss never fell from its first value, {estimator.loss_curve_[0]:.3g}"
            f". Scale X (largest value {max_abs(dataset.X):.2g}), change learning_rate "
            f"(now {estimator.learning_rate:.3g}), or initialize otherwise (init is "
            f"{estimator.init!r}).",
            ConvergenceWarning,
        )


def _made_no_progress(
    estimator: BaseEstimator, result: TrainingResult, n_epochs_done: int
) -> bool:
    losses = estimator.loss_curve_
    from_the_start = n_epochs_done + len(result.losses) == len(losses) > 1
    return from_the_start and min(losses) >= losses[0] - 1e-6 * abs(losses[0])


def _name_number(value: float) -> str:
    return "NaN" if np.isnan(value) else f"{value:.2g}"
