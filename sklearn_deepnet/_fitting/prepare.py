"""What ``fit`` does before and after the training loop.

`prepare` checks the arguments of ``fit``, encodes y, resolves names and initializes the
weights. It sets attributes on a copy of the estimator only. `PreparedFit.complete`
moves them to the estimator once nothing can fail any more. So a call of ``fit`` that
raises an error leaves the estimator unchanged, and no code has to undo anything.
"""

import copy
import inspect
import re
from typing import Any

from numpy.typing import ArrayLike
from sklearn.metrics import check_scoring

from .._engine import Score, TrainingResult, TrainingState
from .._serialization.checkpoint import resolve_checkpoint
from .._utils.sklearn_compat import (
    CallbackContext,
    has_callbacks,
    open_callback_context,
    validate_params,
)
from .._utils.typing import FloatArray
from .attributes import load_state, save_state, set_architecture, set_result
from .checkpoint import FitCheckpoint
from .dataset import Dataset, make_validation_set
from .jobs import TrainingJob
from .parameters import (
    initial_state,
    make_spec,
    resolve_params,
    rows_per_batch,
    warn_of_ignored,
)
from .reporting import (
    CallbackTasks,
    ProgressPrinter,
    combine,
    count_tasks,
    warn_of_ending,
)


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
) -> "PreparedFit":
    """Check the arguments of ``fit`` and make its training job.

    `estimator` itself is not changed.

    Parameters
    ----------
    estimator : estimator
        The estimator to fit.
    X, y, sample_weight, X_val, y_val, sample_weight_val, checkpoint : object
        As the user gave them to ``fit``.
    partial : bool, default=False
        Whether this is a call of ``partial_fit``: one epoch, and `tol` is ignored.
    classes : array-like or None, default=None
        As the user gave them to ``partial_fit``.

    Returns
    -------
    prepared : PreparedFit
        The fit, whose `job` is to be trained.
    """
    validate_params(estimator)
    checkpoint = None if checkpoint is None else resolve_checkpoint(checkpoint)
    context = None
    if not partial and has_callbacks(estimator):
        context = open_callback_context(estimator, count_tasks(estimator.n_iter))
    # From here on attributes are set. They are set on a copy, so that an error below or
    # in training leaves the user's estimator as it was.
    fitted = copy_attributes(estimator)
    resumes = (partial or fitted.warm_start) and fitted.__sklearn_is_fitted__()
    dataset = fitted._make_dataset(X, y, sample_weight, resumes, partial, classes)
    validation_set = make_validation_set(
        fitted, X_val, y_val, sample_weight_val, dataset
    )
    if partial and fitted.early_stopping and validation_set is None:
        raise ValueError(
            "With early_stopping=True partial_fit needs X_val and y_val: rows held out "
            "of one call would be trained on in another."
        )
    n_iter, saved = 1 if partial else int(fitted.n_iter), None
    if checkpoint is not None:
        saved = FitCheckpoint(checkpoint, fitted, dataset, validation_set, resumes)
        resumes |= saved.restore(n_iter)
    prepared = PreparedFit(estimator, fitted, dataset, n_iter, saved, resumes, partial)
    prepared.build(validation_set, context)
    return prepared


class PreparedFit:
    """A fit with checked data and a network that is ready to be trained.

    It is made by `prepare`.

    Parameters
    ----------
    estimator : estimator
        The estimator to fit. Its attributes do not change before `complete`.
    fitted : estimator
        A copy of `estimator`, on which all attributes are set first.
    dataset : Dataset
        All samples, before a validation set is split off.
    n_iter : int
        Number of epochs of this call, including those that a checkpoint has done.
    saved : FitCheckpoint or None
        The checkpoint of this fit, if it has one.
    resumes : bool
        Whether training continues from the attributes of `fitted`.
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
        fitted: Any,
        dataset: Dataset,
        n_iter: int,
        saved: FitCheckpoint | None,
        resumes: bool,
        partial: bool,
    ) -> None:
        self._estimator, self._fitted = estimator, fitted
        self._dataset, self._n_iter, self._saved = dataset, n_iter, saved
        self._resumes, self._partial = resumes, partial
        self._stops = fitted.tol is not None and not partial
        self._n_epochs_done = 0 if saved is None else saved.n_epochs_done
        self._interrupt: KeyboardInterrupt | None = None
        self.job: TrainingJob | None = None

    def build(
        self, validation_set: Dataset | None, context: CallbackContext | None
    ) -> None:
        """Make the training job, unless the checkpoint has all epochs."""
        fitted, dataset = self._fitted, self._dataset
        if self._saved is not None and self._saved.is_complete:
            warn_of_ignored(fitted)
            self._open_callbacks(context, self._n_iter)
            return
        self._resolved = resolve_params(fitted, dataset)
        warn_of_ignored(fitted)
        state, dataset, validation_set = self._start(dataset, validation_set)
        self._dataset = dataset
        if dataset.rows is not None:
            dataset.targets.check_weighted(dataset.y[dataset.rows])
        set_architecture(fitted, self._resolved)
        monitors = validation_set is not None
        self._restore_best = monitors and fitted.restore_best
        self._open_callbacks(context, self._n_epochs_done)
        if self._saved is not None:
            to_save = self._resolved, self._monitored, self._split_seed
            self._saved.begin(fitted, state, self._resumes, self._restore_best, to_save)
            self._callbacks.append(self._saved)
        n_rows, total_weight = dataset.n_rows, dataset.total_weight
        self.job = TrainingJob(
            spec=make_spec(fitted, self._resolved, total_weight, self._stops),
            batch_size=rows_per_batch(fitted, n_rows),
            state=state,
            dataset=dataset,
            validation_set=validation_set,
            score=None
            if validation_set is None
            else _make_score(fitted, validation_set),
            shuffle=fitted.shuffle,
            n_iter=self._n_iter - self._n_epochs_done,
            on_epoch_end=combine(self._callbacks) if self._callbacks else None,
        )

    def _start(
        self, dataset: Dataset, validation_set: Dataset | None
    ) -> tuple[TrainingState, Dataset, Dataset | None]:
        """Return the initial state, the training set and the validation set."""
        fitted = self._fitted
        self._monitored = _name_monitored(fitted, validation_set)
        self._split_seed = None
        if self._resumes:
            state, self._split_seed = load_state(
                fitted, self._resolved, self._monitored
            )
        else:
            state = initial_state(fitted, self._resolved)
        if validation_set is None and fitted.early_stopping:
            # A resumed fit reuses the seed of its first call: another split would
            # train on samples that were held out before.
            if self._split_seed is None:
                self._split_seed = int(state.generators[0].randint(2**31 - 1))
            dataset, validation_set = dataset.split(
                fitted.validation_fraction, self._split_seed
            )
        return state, dataset, validation_set

    def _open_callbacks(
        self, context: CallbackContext | None, n_epochs_done: int
    ) -> None:
        """Make the callbacks that print progress and call those of scikit-learn."""
        fitted, n_iter = self._fitted, self._n_iter
        self._callbacks: list[Any] = []
        if fitted.verbose and n_iter > n_epochs_done:
            printer = ProgressPrinter(n_iter, fitted.verbose, n_epochs_done)
            self._callbacks.append(printer)
        if context is not None:
            data = self._dataset.X, self._dataset.y
            self._callbacks.append(
                CallbackTasks(
                    self._estimator, fitted, context, *data, n_iter, n_epochs_done
                )
            )

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
        fitted, before = self._fitted, vars(self._estimator)
        n_epochs, bad_loss = self._n_epochs_done, None
        if result is not None:
            result = self._set_result(result)
            self._interrupt = result.interrupt
            n_epochs, bad_loss = n_epochs + len(result.losses), result.bad_loss
        elif not fitted.warm_start:
            fitted._training_state = None
        try:
            if self._callbacks:
                self.commit()  # scikit-learn passes the fitted estimator to callbacks
            for callback in self._callbacks:
                callback.end()
            warn_of_ending(
                fitted,
                self._dataset,
                n_iter=self._n_iter,
                stops=self._stops,
                is_whole=n_epochs == fitted.n_iter_,
                bad_loss=bad_loss,
            )
        except BaseException:
            self._estimator.__dict__ = before
            raise

    def _set_result(self, result: TrainingResult) -> TrainingResult:
        """Set the fitted attributes on the copy, and write the checkpoint."""
        fitted = self._fitted
        set_result(fitted, result, self._resumes, self._restore_best)
        fitted._training_state = None
        if self._partial or fitted.warm_start:
            state, to_save = result.state, (self._monitored, self._split_seed)
            save_state(fitted, state, self._resolved, *to_save)
        return result if self._saved is None else self._saved.finish(result)

    def commit(self) -> None:
        """Set the attributes of the fitted copy on the estimator; this cannot fail."""
        replace_attributes(self._estimator, self._fitted)


def copy_attributes(estimator: Any) -> Any:
    """Return an estimator of the same class that shares all attribute values.

    ``copy.copy`` would call ``__getstate__`` and ``__setstate__``, which serve pickles.
    """
    twin = object.__new__(type(estimator))
    vars(twin).update(vars(estimator))
    return twin


def replace_attributes(estimator: Any, other: Any) -> None:
    """Replace, in place, all attributes of `estimator` by those of `other`."""
    # A loop over setattr could be interrupted half-way, with new weights beside an old
    # loss curve. One assignment is atomic.
    estimator.__dict__ = vars(other)


def _name_monitored(estimator: Any, validation_set: Dataset | None) -> str:
    """Return a name of the monitored value, by which a resumed fit sees a change."""
    if validation_set is None and not estimator.early_stopping:
        return "training loss"
    # The address in the repr of a function changes when it is pickled and loaded.
    name = re.sub(r" at 0x[0-9a-fA-F]+", "", repr(estimator.scoring))
    return f"{name} of rows {'held out' if validation_set is None else 'given'}"


def _make_score(estimator: Any, validation_set: Dataset) -> Score | None:
    """Return a function ``(params) -> score``; None if the loss is monitored."""
    if estimator.scoring is None:
        return None
    scorer = check_scoring(estimator, scoring=estimator.scoring)
    X, y, weight = validation_set.rows_used()
    weighs = "sample_weight" in inspect.signature(scorer).parameters
    options = {"sample_weight": weight} if weighs and weight is not None else {}

    def score(params: FloatArray) -> float:
        # A scorer takes an estimator, so it gets a shallow copy with these weights.
        scored = copy.copy(estimator)
        scored._params = params
        vars(scored).pop("feature_names_in_", None)  # X has been checked already
        return float(scorer(scored, X, y, **options))

    return score
