"""What all estimators share: build the network, train it, keep it, continue it."""

import copy
import inspect
import re
from collections.abc import Generator
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.metrics import check_scoring

from .._engine import Score, TrainingResult
from .._fitting.checkpoint import FitCheckpoint
from .._fitting.dataset import Dataset, check_rows, make_dataset
from .._fitting.jobs import Steps, TrainingJob
from .._fitting.parameters import (
    is_quasi_newton,
    resolve_dtype,
    resolve_params,
    warn_of_ignored,
)
from .._fitting.prepare import initial_state, make_spec, rows_per_batch
from .._fitting.reporting import (
    CallbackTasks,
    ProgressPrinter,
    all_of,
    count_tasks,
    warn_of_ending,
)
from .._serialization.checkpoint import resolve_checkpoint
from .._utils.sklearn_compat import (
    CallbackSupportMixin,
    HasMethods,
    Interval,
    StrOptions,
    callback_context,
    has_callbacks,
    open_callback_context,
    validate_params,
)
from .._utils.typing import FloatArray
from .._utils.warnings import warn
from ..exceptions import DivergenceWarning
from ..nn.activations import Activation
from ..nn.losses import Loss
from ..nn.optimizers import LBFGS
from .fitted import FittedNetwork
from .mixins import HTMLReprMixin, PickleVersionMixin, transaction


class BaseDeepNet(
    HTMLReprMixin,
    FittedNetwork,
    PickleVersionMixin,
    CallbackSupportMixin,
    BaseEstimator,
):
    """A dense network behind scikit-learn's interface.

    A subclass turns y into `Targets` and its rows into a `Dataset`, in
    `_make_datasets`, and makes predictions of `_logits`.
    """

    _y_is_numeric = False
    _alike = ""  # what y and y_val must have in common

    _parameter_constraints = {  # noqa: RUF012 (scikit-learn reads it from the class)
        "hidden_layer_sizes": [
            "array-like",
            Interval(Integral, 1, None, closed="left"),
        ],
        "activation": [str, Activation, "array-like"],
        "init": [str, callable, "array-like"],
        "init_scale": [Interval(Real, 0, None, closed="neither"), None],
        "bias_init": [str],
        "loss": [str, Loss],
        "solver": [str, HasMethods(["step"]), LBFGS],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "schedule": [str, callable, HasMethods(["factor_at"])],
        "batch_size": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
            None,
        ],
        "n_iter": [Interval(Integral, 0, None, closed="left")],
        "shuffle": ["boolean"],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "l1": [Interval(Real, 0, None, closed="left")],
        "dropout": ["array-like", Interval(Real, 0, 1, closed="left")],
        "clip_norm": [Interval(Real, 0, None, closed="neither"), None],
        "tol": [Interval(Real, 0, None, closed="left"), None],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "scoring": [str, callable, None],
        "restore_best": ["boolean"],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
        "dtype": [str, type, np.dtype, None],
    }

    def _fitting(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> Steps:
        """Return the steps of `fit`, to be carried out in a stack.

        They pause where the network is to be trained.
        """
        validation = X_val, y_val, sample_weight_val
        return self._steps(X, y, sample_weight, validation, partial=False)

    _fitting.__qualname__ = "fit"  # what errors of arguments call it

    def _steps(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None,
        validation: tuple[Any, Any, Any],
        *,
        partial: bool,
        checkpoint: Any = None,
        **details: Any,
    ) -> Steps:
        """Carry out `fit`, or `partial_fit`, and raise the interrupt that ended it.

        Parameters
        ----------
        X, y, sample_weight : array-like
            As the user gave them.
        validation : tuple of array-like or None
            X, y and weights to monitor.
        partial : bool
            Whether this is `partial_fit`: one pass, that `tol` does not end.
        checkpoint : Checkpoint, path or None, default=None
            Where to keep progress.
        **details : dict
            What else `_make_datasets` is to know.

        Yields
        ------
        job : TrainingJob
            Once, to be answered by its outcome; never if a checkpoint has it all.
        """
        validate_params(self)
        checkpoint = resolve_checkpoint(checkpoint)
        if has_callbacks(self) and not partial:
            open_callback_context(self, count_tasks(self.n_iter))
        with transaction(self):
            is_fitted = self.__sklearn_is_fitted__()
            resumes = is_fitted and (partial or self.warm_start)
            dataset, held_out = self._make_datasets(
                X, y, sample_weight, validation, resumes, **details
            )
            if partial and self.early_stopping and held_out is None:
                raise ValueError(
                    "With early_stopping=True partial_fit needs X_val and y_val: rows "
                    "held out of one call would be trained on in another."
                )
            n_iter, progress = 1 if partial else int(self.n_iter), None
            if checkpoint is not None:
                progress = FitCheckpoint(checkpoint, self, dataset, held_out, resumes)
                resumes |= progress.restore(n_iter)
            if progress is not None and progress.is_complete:
                interrupt = self._stay(dataset, n_iter, progress.n_epochs_done)
            else:
                interrupt = yield from self._learn(
                    dataset,
                    held_out,
                    n_iter,
                    progress,
                    resumes=resumes,
                    partial=partial,
                )
        if interrupt is not None:
            raise interrupt

    def _stay(self, dataset: Dataset, n_iter: int, n_epochs_done: int) -> None:
        """Leave the network as a checkpoint has it, which says that it is trained."""
        warn_of_ignored(self)
        if not self.warm_start:
            self._training_state = None
        for report in self._open_reports(dataset, n_iter, n_iter):
            report.end()
        if self.diverged_:
            warn(
                f"The checkpoint is of a training that diverged after {self.n_iter_} "
                "passes. Lower learning_rate or scale X, and give another path.",
                DivergenceWarning,
            )
        else:
            none, stops = np.empty(0), self.tol is not None
            result = TrainingResult(None, none, none, none, self._ended_by)
            warn_of_ending(self, result, dataset, n_iter, stops, n_epochs_done)

    def _learn(
        self,
        dataset: Dataset,
        held_out: Dataset | None,
        n_iter: int,
        progress: FitCheckpoint | None,
        *,
        resumes: bool,
        partial: bool,
    ) -> Generator[TrainingJob, TrainingResult, KeyboardInterrupt | None]:
        """Turn names into words, build the network, train it, keep what came out.

        Return the interrupt that ended it, if one did.
        """
        stops = self.tol is not None and not partial
        n_epochs_done = 0 if progress is None else progress.n_epochs_done
        resolved = resolve_params(self, dataset.X.shape[1], dataset.targets)
        dtype = resolve_dtype(self.dtype, dataset.X.dtype)
        warn_of_ignored(self)
        monitored = self._name_monitored(held_out)
        split_seed = None
        if resumes:
            state, split_seed = self._kept_state(resolved, dtype, monitored)
        else:
            state = initial_state(self, resolved, dtype)
        if held_out is None and self.early_stopping:
            if split_seed is None:
                split_seed = int(state.generators[0].randint(2**31 - 1))
            dataset, held_out = dataset.split(self.validation_fraction, split_seed)
        dataset.targets.check_weighted(dataset.y, dataset.rows)
        self._describe(resolved)
        restore_best = held_out is not None and self.restore_best
        reports = self._open_reports(dataset, n_iter, n_epochs_done)
        if progress is not None:
            kept = resolved, monitored, split_seed
            progress.begin(self, state, resumes, restore_best, kept)
            reports.append(progress)
        result = yield TrainingJob(
            spec=make_spec(self, resolved, dataset.total, stops),
            state=state,
            dataset=dataset,
            held_out=held_out,
            score=self._make_score(held_out),
            batch_size=rows_per_batch(self, dataset.n_rows),
            shuffle=self.shuffle,
            n_iter=n_iter - n_epochs_done,
            on_epoch_end=all_of(reports),
        )
        self._keep(result, resumes, restore_best)
        self._training_state = None
        if partial or self.warm_start:
            self._keep_state(result.state, resolved, monitored, split_seed)
        if progress is not None:
            result = progress.finish(result)
        for report in reports:
            report.end()
        warn_of_ending(self, result, dataset, n_iter, stops, n_epochs_done)
        return result.interrupt

    def _open_reports(
        self, dataset: Dataset, n_iter: int, n_epochs_done: int
    ) -> list[Any]:
        reports: list[Any] = []
        if self.verbose and n_iter > n_epochs_done:
            reports.append(ProgressPrinter(n_iter, self.verbose, n_epochs_done))
        context = callback_context(self)
        if context is not None:
            data = dataset.X, dataset.y
            reports.append(CallbackTasks(self, context, *data, n_iter, n_epochs_done))
        return reports

    def _name_monitored(self, held_out: Dataset | None) -> str:
        """Return what is monitored, to know when it is another thing than before."""
        if held_out is None and not self.early_stopping:
            return "training loss"
        name = re.sub(r" at 0x[0-9a-fA-F]+", "", repr(self.scoring))  # also unpickled
        return f"{name} of rows {'held out' if held_out is None else 'given'}"

    def _make_score(self, held_out: Dataset | None) -> Score | None:
        """Return a function that scores this network with other parameters, if any."""
        if held_out is None or self.scoring is None:
            return None
        scorer = check_scoring(self, scoring=self.scoring)
        X, y, weight = held_out.rows_used()
        weighs = "sample_weight" in inspect.signature(scorer).parameters
        options = {"sample_weight": weight} if weighs and weight is not None else {}

        def score(params: FloatArray) -> float:
            estimator = copy.copy(self)
            estimator._params = params
            vars(estimator).pop("feature_names_in_", None)  # X has been checked
            return float(scorer(estimator, X, y, **options))

        return score

    def _check_data(
        self, X: ArrayLike, y: ArrayLike, reset: bool
    ) -> tuple[Any, NDArray[Any]]:
        X, y = check_rows(self, X, y, reset=reset)
        return X, self._check_y(y)

    def _make_held_out(
        self, validation: tuple[Any, Any, Any], dataset: Dataset
    ) -> Dataset | None:
        """Return the validation data like `dataset`, or None if there are none."""
        X_val, y_val, sample_weight_val = validation
        if (X_val is None) != (y_val is None):
            given, missing = ("X_val", "y_val")[:: 1 if y_val is None else -1]
            raise ValueError(f"{given} is given without {missing}; give both or none.")
        if X_val is None and sample_weight_val is not None:
            raise ValueError(
                "sample_weight_val is given without X_val and y_val; give all or none."
            )
        if X_val is None:
            return None
        X_val, y_val = self._check_data(X_val, y_val, reset=False)
        if y_val.shape[1:] != dataset.y.shape[1:]:
            raise ValueError(
                f"y_val has the shape {y_val.shape} and y {dataset.y.shape}; both must "
                f"{self._alike}."
            )
        return make_dataset(
            X_val, y_val, dataset.targets, sample_weight_val, "sample_weight_val"
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def takes_rows_in_turn(estimator: BaseDeepNet) -> bool:
    """Say whether there is `partial_fit`, for scikit-learn's ``available_if``."""
    if is_quasi_newton(estimator.solver):
        raise AttributeError(
            "solver='lbfgs' has no partial_fit, since it needs all rows at once. Use "
            "fit, or a first-order solver such as 'adam'."
        )
    return True
