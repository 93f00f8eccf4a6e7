"""Reports of a fit: calls of scikit-learn's callbacks, and final warnings."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning, UndefinedMetricWarning

from .._engine import Callback, TrainingLoop, TrainingResult
from .._utils.interrupts import interruptibly
from .._utils.lookup import claims
from .._utils.sklearn_compat import CallbackContext
from .._utils.values import items_of
from .._utils.warnings import max_abs, warn, warn_once
from ..exceptions import DivergenceWarning
from ..nn.schedules import Cosine
from .attributes import copy_attributes, set_result
from .dataset import Dataset
from .parameters import is_quasi_newton, resolve_schedule
from .progress import ProgressPrinter

_MAX_TASKS = 1000  # ProgressBar takes time quadratic in the number of tasks
_MANY_EPOCHS = 10  # to undo
_FAR_ABOVE = (
    0.5  # of the lowest loss; a last loss above it by more means too large steps
)


class CallbackTasks:
    """Calls scikit-learn's callbacks, for at most a thousand tasks of some epochs each.

    Parameters
    ----------
    estimator : estimator
        The estimator to fit; it has no fitted attributes until the end.
    draft : estimator
        The copy that has the fitted attributes except the weights.
    context : CallbackContext
        The context of the fit.
    dataset : Dataset
        The data of the fit.
    n_iter : int
        Number of epochs of the fit.
    n_epochs_done : int
        How many of the epochs a checkpoint has done already.
    resumes : bool
        Whether to append to the curves of the draft.
    """

    def __init__(
        self,
        estimator: BaseEstimator,
        draft: BaseEstimator,
        context: CallbackContext,
        dataset: Dataset,
        n_iter: int,
        n_epochs_done: int,
        resumes: bool,
    ) -> None:
        self._estimator, self._draft, self._context = estimator, draft, context
        self._data = {"X": dataset.X, "y": dataset.y}
        self._resumes = resumes
        self._n_iter, self._n_before = n_iter, n_epochs_done
        self._every = epochs_per_task(n_iter)
        context.call_on_fit_task_begin(estimator=estimator, **self._data)
        self._task: CallbackContext | None = None
        if n_iter > n_epochs_done:
            self._begin()

    def __call__(self, loop: TrainingLoop) -> bool:
        """End the task after its last epoch; return whether a callback asks to stop."""
        n_done = self._n_before + loop.n_epochs_done
        if n_done % self._every and n_done < self._n_iter:
            return False
        task = self._task
        stops = interruptibly(
            lambda: task.call_on_fit_task_end(
                estimator=self._estimator,
                # scikit-learn calls this only for callbacks that want a fitted one.
                reconstruction_attributes=lambda: self._fitted_attributes(loop),
                **self._data,
            )
        )
        self._task = None
        if not stops and n_done < self._n_iter:
            self._begin()
        return stops

    def end(self) -> None:
        """End the tasks that are open; the estimator is fitted by now."""
        interruptibly(self._end)

    def _end(self) -> None:
        if self._task is not None:
            self._end_fitted(self._task)
        self._end_fitted(self._context)

    def _end_fitted(self, context: CallbackContext) -> None:
        context.call_on_fit_task_end(
            estimator=self._estimator, reconstruction_attributes=dict, **self._data
        )

    def _fitted_attributes(self, loop: TrainingLoop) -> dict[str, Any]:
        """Return the attributes after a fit of so many epochs, with the last weights.

        Weights are a copy, since training goes on.
        """
        network = copy_attributes(self._draft)
        set_result(network, loop.snapshot(), self._resumes, restore_best=False)
        network._params = network._params.copy()
        network._training_state = None
        return vars(network)

    def _begin(self) -> None:
        self._task = self._context.subcontext(task_name="epochs")
        begin = self._task.call_on_fit_task_begin
        interruptibly(lambda: begin(estimator=self._estimator, **self._data))


def epochs_per_task(n_iter: int) -> int:
    """Return the number of epochs of a task."""
    return max(1, -(-n_iter // _MAX_TASKS))


def count_tasks(n_iter: int) -> int:
    """Return the number of tasks of a fit."""
    return -(-n_iter // epochs_per_task(n_iter))


def combine(callbacks: Sequence[Callback]) -> dict[str, Any]:
    """Return the callbacks of a `TrainingJob`: all of these, as one.

    It asks to stop if one of them does.
    """

    def call_all(loop: TrainingLoop) -> bool:
        # A list, since ``any`` on a generator would skip those after the first True.
        return max([callback(loop) for callback in callbacks])

    watchers = [it.show_rows for it in callbacks if isinstance(it, ProgressPrinter)]
    return {"on_epoch_end": call_all, "on_rows": watchers[0] if watchers else None}


def find_only_class(estimator: Any, dataset: Dataset) -> int | None:
    """Return the index of the class if all samples are of one, and warn; else None."""
    target = dataset.target if dataset.rows is None else dataset.target[dataset.rows]
    index = dataset.targets.find_only_class(target)
    if index is not None:
        (label,) = items_of(estimator.classes_[[index]])
        found, samples = f"y contains only class {label!r}", "samples"
        if len(estimator.classes_) > 1:
            found = f"Only samples of class {label!r} have positive weight"
            samples = "positive weights to samples"
        warn(
            f"{found}. The network is not trained and always predicts this class. Give "
            f"{samples} of at least two classes.",
            ConvergenceWarning,
        )
    return index


def warn_of_ending(
    estimator: Any,
    dataset: Dataset,
    *,
    n_iter: int,
    stops: bool,
    failure: str,
    bad_loss: float | None,
) -> None:
    """Warn, with advice, if training diverged or did not converge.

    Parameters
    ----------
    estimator : estimator
        The fitted estimator.
    dataset : Dataset
        The training set.
    n_iter : int
        Maximum number of epochs of this call.
    stops : bool
        Whether `tol` could end training.
    failure : str
        Why the network has learned nothing. "" if it has learned something, or if this
        is not checked.
    bad_loss : float or None
        The loss that showed a divergence. None if the checkpoint had all epochs.
    """
    ended_by = estimator._ended_by
    if ended_by == "divergence" and bad_loss is None:
        warn(
            "Training is not resumed, since the checkpoint is from a training that "
            f"diverged after {estimator.n_iter_} epochs. Lower learning_rate, and "
            "choose another path.",
            DivergenceWarning,
        )
    elif ended_by == "divergence":
        warn(
            f"Training diverged: the loss became {_name_number(bad_loss)} after "
            f"{estimator.n_iter_} epochs. Training was stopped, and the last finite "
            f"weights are kept. {_advise_on_divergence(estimator, dataset)}",
            DivergenceWarning,
        )
    elif failure:
        warn(failure, ConvergenceWarning)
    elif n_iter and _has_stopped(estimator):
        warn_once(
            f"The learning rate is now 0, since schedule={estimator.schedule!r} has "
            "reached its horizon. To continue training, set schedule='constant', or a "
            "Cosine with a larger horizon."
        )
    elif ended_by == "n_iter" and stops and n_iter and not _is_planned(estimator):
        no_rate = is_quasi_newton(estimator.solver)
        advice = f"Increase {'n_iter' if no_rate else 'n_iter or learning_rate'}"
        last, lowest = estimator.loss_curve_[-1], estimator.best_loss_
        # With validation data, the best weights are kept in any case.
        is_far = last - lowest > _FAR_ABOVE * abs(lowest)
        if estimator.validation_loss_curve_ is None and is_far:
            advice = (
                f"The loss is {last:.3g}, but was {lowest:.3g} before. Lower "
                f"learning_rate (now {estimator.learning_rate:.3g}), set "
                "schedule='cosine'"
            )
        warn(
            f"Training reached n_iter={n_iter} epochs before it converged. {advice}, "
            "or set tol=None to train for exactly n_iter epochs.",
            ConvergenceWarning,
        )


def _is_planned(estimator: Any) -> bool:
    """Return whether the schedule decreases the learning rate over all epochs.

    With more epochs the learning rate would be another one from the start.
    """
    schedule = resolve_schedule(estimator.schedule)
    says_so = claims(schedule, "depends_on_n_iter", default=False)
    return says_so and not is_quasi_newton(estimator.solver)


def _has_stopped(estimator: Any) -> bool:
    """Return whether a resumed training has a rate of 0 after its first `n_iter`.

    A horizon that is set explicitly is intended.
    """
    schedule, saved = resolve_schedule(estimator.schedule), estimator._training_state
    is_planned = isinstance(schedule, Cosine) and _is_planned(estimator)
    if not (is_planned and saved and estimator.n_iter_):
        return False
    horizon = schedule.init(saved["state"]["horizon"])
    return schedule.factor_at(estimator.n_iter_ - 1, horizon) == 0


def _advise_on_divergence(estimator: Any, dataset: Dataset) -> str:
    advice = []
    if not is_quasi_newton(estimator.solver):
        advice = [f"lower learning_rate (now {estimator.learning_rate:.3g})"]
    if dataset.input_scaling is None:
        how = "scale X" if issparse(dataset.X) else "set input_scaling='standard'"
        largest = f"the largest absolute value of X is {max_abs(dataset.X):.2g}"
        advice.append(f"{how} ({largest})")
    advice = advice or ["set clip_norm or init_scale, or choose another init"]
    text = " or ".join(advice)
    return f"{text[0].upper()}{text[1:]}."


def warn_of_scores(estimator: Any, result: TrainingResult, partial: bool) -> bool:
    """Warn if the scores are unsuited for early stopping; return whether it warned.

    Parameters
    ----------
    estimator : estimator
        The fitted estimator.
    result : TrainingResult
        The outcome of this call, with scores.
    partial : bool
        Whether the call is ``partial_fit``, whose first call alone warns.
    """
    scores, n_epochs = result.validation_scores, len(result.validation_scores)
    if result.ended_by in ("divergence", "interrupt"):
        return False
    if partial and estimator.n_iter_ > n_epochs:
        return False
    scoring = estimator.scoring
    name = f"scoring={scoring!r}" if isinstance(scoring, str) else "The scorer"
    # No scorer is called where the network overflows on the validation data.
    is_scored = result.validation_losses <= result.state.loss_limit
    n_undefined = int(np.count_nonzero(np.isnan(scores) & is_scored))
    if n_undefined:
        effect = "which are not counted for early stopping"
        if estimator.best_iter_ is None:
            effect = "so it could neither stop training nor determine the best epoch"
        warn(
            f"{name} returned NaN for the validation data in {n_undefined} of "
            f"{n_epochs} epochs, {effect}. Give more validation data, or set "
            "scoring=None to monitor the validation loss.",
            UndefinedMetricWarning,
        )
    elif n_epochs == estimator.n_iter_ and not partial and _is_stuck(estimator):
        scores, losses = estimator.validation_scores_, estimator.validation_loss_curve_
        best, restores = estimator.best_iter_, estimator.restore_best
        weights = (
            f", and the weights are those of epoch {best}, counted from 0"
            if restores
            else ""
        )
        warn(
            f"{name} hardly improved, from {scores[0]:.3g} to {scores[best]:.3g}, "
            "while the validation loss still fell, from "
            f"{losses[best]:.3g} to {min(losses):.3g}. Training stopped after "
            f"{len(losses)} epochs{weights}. Set scoring=None to monitor the "
            "validation loss, or choose a score that improves earlier."
        )
    else:
        return False
    return True


def _is_stuck(estimator: Any) -> bool:
    """Return whether a score that hardly rose has ended or undone useful training."""
    scores = np.array(estimator.validation_scores_)
    losses, best = np.array(estimator.validation_loss_curve_), estimator.best_iter_
    if best is None or not scores[best] < 1:
        return False
    n_since = len(scores) - 1 - best
    is_undone = estimator.restore_best and n_since >= _MANY_EPOCHS
    if not n_since or not (estimator._ended_by == "tol" or is_undone):
        return False
    # No score exceeds one, and a score of one is not stuck.
    hardly_rose = scores[best] - scores[0] <= 0.1 * (1 - scores[0])
    fell = losses[best:].min() < 0.95 * losses[best]
    return bool(hardly_rose and fell)


def _name_number(value: float) -> str:
    return "NaN" if np.isnan(value) else f"{value:.2g}"
