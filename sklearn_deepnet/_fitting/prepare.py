"""The parts of ``fit`` before and after the training loop.

`prepare` checks the arguments of ``fit``, encodes y, resolves names and initializes the
weights. It sets attributes only on a copy of the estimator. `PreparedFit.complete`
moves them to the estimator when no more errors can occur. A call of ``fit`` that raises
an error therefore leaves the estimator unchanged, without having to undo anything.
"""

import re
from typing import Any

from numpy.typing import ArrayLike

from .._engine import TrainingResult, TrainingState
from .._serialization.checkpoint import resolve_checkpoint
from .._utils.sklearn_compat import (
    CallbackContext,
    has_callbacks,
    open_callback_context,
    validate_params,
)
from .attributes import (
    copy_attributes,
    initial_state,
    load_state,
    save_state,
    set_architecture,
    set_constant,
    set_result,
    update_attributes,
)
from .checkpoint import FitCheckpoint, StoredFit, epoch_store, find_stored_fit
from .convergence import describe_failure
from .dataset import Dataset, make_validation_set
from .jobs import TrainingJob, make_score
from .parameters import (
    check_schedule,
    make_spec,
    resolve_params,
    rows_per_batch,
    warn_of_ignored,
)
from .progress import ProgressPrinter
from .reporting import (
    CallbackTasks,
    combine,
    count_tasks,
    find_only_class,
    warn_of_ending,
    warn_of_scores,
)
from .scaling import scale_datasets
from .units import warn_of_other_units

_FEWEST_EPOCHS = 10  # after which a network should have learned something


def prepare(
    estimator: Any,
    X: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    X_val: ArrayLike | None = None,
    y_val: ArrayLike | None = None,
    sample_weight_val: ArrayLike | None = None,
    checkpoint: Any = None,
    partial: bool = False,
    classes: ArrayLike | None = None,
) -> "PreparedFit | SkippedFit":
    """Check the arguments of ``fit`` and make its training job.

    `estimator` itself is not changed.

    Parameters
    ----------
    estimator : estimator
        The estimator to fit.
    X, y, sample_weight, X_val, y_val, sample_weight_val, checkpoint : object
        Arguments of ``fit``, as given by the user.
    partial : bool, default=False
        Whether this is a call of ``partial_fit``: one epoch, and `tol` is ignored.
    classes : array-like or None, default=None
        Argument of ``partial_fit``, as given by the user.

    Returns
    -------
    prepared : PreparedFit or SkippedFit
        The fit, whose `job` is to be trained unless it is None.
    """
    try:
        validate_params(estimator)
    except ValueError:
        check_schedule(estimator)  # raises a message that says what to write instead
        raise
    checkpoint = None if checkpoint is None else resolve_checkpoint(checkpoint)
    context = None
    if not partial and has_callbacks(estimator):
        context = open_callback_context(estimator, count_tasks(estimator.n_iter))
    # From here on attributes are set. They are set on a draft, so that an error below
    # or in training leaves the user's estimator unchanged.
    before = vars(estimator).copy()
    draft = copy_attributes(estimator)
    resumes = (partial or draft.warm_start) and draft.__sklearn_is_fitted__()
    dataset = draft._make_dataset(X, y, sample_weight, resumes, partial, classes)
    validation_set = make_validation_set(
        draft, X_val, y_val, sample_weight_val, dataset
    )
    if not dataset.n_rows:
        return SkippedFit(estimator)
    n_iter, fit_checkpoint = 1 if partial else int(draft.n_iter), None
    store = epoch_store.get()
    if checkpoint is not None:
        fit_checkpoint = FitCheckpoint(
            checkpoint, draft, dataset, validation_set, resumes
        )
    elif store is not None and context is None and not (partial or resumes):
        fit_checkpoint = find_stored_fit(store, draft, dataset, validation_set)
    if fit_checkpoint is not None:
        resumes |= fit_checkpoint.restore(n_iter)
    return PreparedFit(
        estimator,
        draft,
        before,
        dataset,
        validation_set,
        n_iter,
        fit_checkpoint,
        context,
        resumes=resumes,
        partial=partial,
    )


class SkippedFit:
    """A fit that does nothing, since no row has positive weight.

    It has the interface of `PreparedFit`.

    Parameters
    ----------
    estimator : estimator
        The estimator, which stays as it is.
    """

    job = None

    def __init__(self, estimator: Any) -> None:
        self._estimator = estimator

    def complete(self, result: None) -> Any:
        """Return the estimator."""
        return self._estimator

    def finish(self, result: None) -> None:
        """Do nothing."""

    def commit(self) -> None:
        """Do nothing."""


class PreparedFit:
    """A fit with checked data and a network that is ready to be trained.

    `prepare` creates it, and `complete` ends it. `complete` calls `finish`, which may
    fail and then leaves the estimator unchanged, and `commit`, which cannot fail.

    Parameters
    ----------
    estimator : estimator
        The estimator to fit. Its attributes do not change before `complete`.
    draft : estimator
        A copy of `estimator`, on which all attributes are set first.
    before : dict
        The attributes that the draft began with.
    dataset : Dataset
        All samples, before a validation set is split off.
    validation_set : Dataset or None
        The validation data that were given to ``fit``.
    n_iter : int
        Number of epochs of this call, including those that a checkpoint has done.
    fit_checkpoint : FitCheckpoint, StoredFit or None
        Saves the progress of this fit, if there is a checkpoint.
    context : CallbackContext or None
        The context of scikit-learn's callbacks, if there are any.
    resumes : bool
        Whether training continues from the attributes of the draft.
    partial : bool
        Whether the call is ``partial_fit``.

    Attributes
    ----------
    job : TrainingJob or None
        The network to train and its data; None if the checkpoint has all epochs.
    """

    def __init__(
        self,
        estimator: Any,
        draft: Any,
        before: dict[str, Any],
        dataset: Dataset,
        validation_set: Dataset | None,
        n_iter: int,
        fit_checkpoint: FitCheckpoint | StoredFit | None,
        context: CallbackContext | None,
        *,
        resumes: bool,
        partial: bool,
    ) -> None:
        self._estimator, self._draft, self._before = estimator, draft, before
        self._dataset, self._n_iter, self._context = dataset, n_iter, context
        self._fit_checkpoint = fit_checkpoint
        self._resumes, self._partial = resumes, partial
        is_endless = draft.tol is None or draft.n_iter_no_change == float("inf")
        self._stops = not (is_endless or partial)
        self._n_epochs_done = fit_checkpoint.n_epochs_done if fit_checkpoint else 0
        self._callbacks: list[Any] = []
        self._interrupt: KeyboardInterrupt | None = None
        self.job: TrainingJob | None = None
        if fit_checkpoint is not None and fit_checkpoint.is_complete:
            warn_of_ignored(draft)
            self._open_callbacks(n_iter)
        else:
            self.job = self._make_job(validation_set)

    def _make_job(self, given: Dataset | None) -> TrainingJob:
        draft = self._draft
        self._resolved = resolve_params(draft, self._dataset, given)
        warn_of_ignored(draft)
        self._only_class, n_classes = None, len(getattr(draft, "classes_", ()))
        is_trained = self._partial or (self._resumes and draft.n_iter_)
        if not is_trained and (self._dataset.rows is not None or n_classes == 1):
            self._only_class = find_only_class(draft, self._dataset)
        state, *datasets = self._start(self._dataset, given)
        is_restored = bool(self._fit_checkpoint and self._fit_checkpoint.is_restored)
        dataset, validation_set = scale_datasets(
            draft, self._resolved, state, *datasets, self._resumes, is_restored
        )
        self._dataset = dataset
        if self._only_class is not None:
            set_constant(state.params, self._resolved, self._only_class)
            self._n_iter = 0
        if given is not None and not self._resumes:
            warn_of_other_units(dataset, validation_set)
        set_architecture(draft, self._resolved)
        monitors = validation_set is not None
        self._restore_best = monitors and draft.restore_best
        self._open_callbacks(self._n_epochs_done)
        if self._fit_checkpoint is not None:
            to_save = self._resolved, self._monitored, self._split_seed
            self._fit_checkpoint.begin(
                draft, state, self._resumes, self._restore_best, to_save
            )
            if isinstance(self._fit_checkpoint, FitCheckpoint):  # written meanwhile
                self._callbacks.append(self._fit_checkpoint)
        n_rows, total_weight = dataset.n_rows, dataset.total_weight
        return TrainingJob(
            spec=make_spec(draft, self._resolved, n_rows, total_weight, self._stops),
            batch_size=rows_per_batch(draft, n_rows),
            state=state,
            dataset=dataset,
            validation_set=validation_set,
            score=make_score(draft, validation_set) if monitors else None,
            shuffle=draft.shuffle,
            n_iter=self._n_iter - self._n_epochs_done,
            **(combine(self._callbacks) if self._callbacks else {}),
        )

    def _start(
        self, dataset: Dataset, validation_set: Dataset | None
    ) -> tuple[TrainingState, Dataset, Dataset | None]:
        """Return the initial state, the training set and the validation set."""
        draft = self._draft
        is_split = validation_set is None and self._only_class is None
        if is_split:
            is_split = draft.early_stopping and dataset.holds_out(draft, self._partial)
        self._monitored = _name_monitored(draft, validation_set, is_split)
        self._split_seed = None
        if self._resumes:
            state, self._split_seed = load_state(draft, self._resolved, self._monitored)
        else:
            state = initial_state(draft, self._resolved)
        if is_split:
            # A resumed fit reuses the seed of its first call, since another split would
            # train on samples that were held out before.
            if self._split_seed is None:
                self._split_seed = int(state.generators[0].randint(2**31 - 1))
            dataset, validation_set = dataset.split(
                draft.validation_fraction, self._split_seed
            )
        return state, dataset, validation_set

    def _open_callbacks(self, n_epochs_done: int) -> None:
        """Make the callbacks that print progress and call those of scikit-learn."""
        draft, n_iter = self._draft, self._n_iter
        if draft.verbose and n_iter > n_epochs_done:
            printer = ProgressPrinter(n_iter, draft.verbose, n_epochs_done)
            self._callbacks.append(printer)
        if self._context is not None:
            estimators, data = (self._estimator, draft), self._dataset
            tasks = CallbackTasks(
                *estimators, self._context, data, n_iter, n_epochs_done, self._resumes
            )
            self._callbacks.append(tasks)

    def complete(self, result: TrainingResult | None) -> Any:
        """Set the fitted attributes on the estimator, and return it.

        Raises
        ------
        KeyboardInterrupt
            If it ended the training. The fitted attributes are set nevertheless, with
            the weights of the last complete epoch.
        """
        self.finish(result)
        self.commit()
        if self._interrupt is not None:
            raise self._interrupt
        return self._estimator

    def finish(self, result: TrainingResult | None) -> None:
        """Do all that can fail after training; an error leaves the estimator unchanged.

        Parameters
        ----------
        result : TrainingResult or None
            The result of training `job`; None if there was no job.
        """
        # Its state and work arrays are not needed any more; a stack keeps all its fits.
        job, self.job = self.job, None
        draft, failure, bad_loss = self._draft, "", None
        if result is not None:
            result = self._set_result(result)
            self._interrupt, bad_loss = result.interrupt, result.bad_loss
            if self._checks_convergence(result):
                failure = describe_failure(draft, self._resolved, job, result)
        elif not draft.warm_start:
            draft._training_state = None
        attributes = vars(self._estimator).copy()
        try:
            if self._callbacks:
                self.commit()  # scikit-learn passes the fitted estimator to callbacks
            for callback in self._callbacks:
                callback.end()
            has_scores = result is not None and len(result.validation_scores)
            if not (has_scores and warn_of_scores(draft, result, self._partial)):
                warn_of_ending(
                    draft,
                    self._dataset,
                    n_iter=self._n_iter,
                    stops=self._stops,
                    failure=failure,
                    bad_loss=bad_loss,
                )
        except BaseException:
            vars(self._estimator).clear()
            vars(self._estimator).update(attributes)
            raise

    def _checks_convergence(self, result: TrainingResult) -> bool:
        """Return whether to warn if the network has learned nothing.

        It does not warn if the user has set ``tol=None``, or if there were only few
        epochs.
        """
        n_epochs = self._n_epochs_done + len(result.data_losses)
        is_whole = n_epochs == self._draft.n_iter_  # none are of an earlier call
        is_all = self._stops and is_whole and self._n_iter >= _FEWEST_EPOCHS
        return is_all and result.ended_by in ("tol", "n_iter")

    def _set_result(self, result: TrainingResult) -> TrainingResult:
        """Set the fitted attributes on the draft, and write the checkpoint."""
        draft = self._draft
        set_result(draft, result, self._resumes, self._restore_best)
        draft._training_state = None
        if self._partial or draft.warm_start:
            state, to_save = result.state, (self._monitored, self._split_seed)
            save_state(draft, state, self._resolved, *to_save)
        if self._fit_checkpoint is None:
            return result
        return self._fit_checkpoint.finish(result)

    def commit(self) -> None:
        """Set the attributes of the draft on the estimator; this cannot fail."""
        update_attributes(self._estimator, self._draft, self._before)


def _name_monitored(
    estimator: Any, validation_set: Dataset | None, is_split: bool
) -> str:
    """Return a name of the monitored value, by which a resumed fit sees a change."""
    if validation_set is None and not is_split:
        return "training loss"
    # The address in the repr of a function changes when it is pickled and loaded.
    name = re.sub(r" at 0x[0-9a-fA-F]+", "", repr(estimator.scoring))
    return f"{name} of rows {'held out' if validation_set is None else 'given'}"
