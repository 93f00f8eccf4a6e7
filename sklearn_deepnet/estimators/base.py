"""The base class of both estimators: parameters, ``fit`` and tags."""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from numbers import Integral, Real
from typing import Any, Self, cast

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from .._fitting.jobs import gathering, train_job
from .._fitting.parameters import is_quasi_newton
from .._fitting.prepare import PreparedFit, SkippedFit, prepare
from .._serialization.checkpoint import CheckpointLike
from .._utils.interrupts import deferred_interrupts
from .._utils.sklearn_compat import (
    CallbackSupportMixin,
    HasMethods,
    Interval,
    Options,
    StrOptions,
    with_callbacks,
)
from .._utils.typing import MatrixLike, Method
from ..nn.activations import Activation
from ..nn.losses import Loss
from ..nn.numeric_features import PeriodicFeatures
from ..nn.optimizers import LBFGS
from .fitted import FittedNetwork
from .mixins import HTMLReprMixin, PickleVersionMixin
from .parameter_names import ParameterNamesMixin
from .predictor import PredictorMixin


@contextmanager
def keeping_generators(random_states: Iterable[Any]) -> Iterator[None]:
    """Put the caller's generators back if an error is raised within this context.

    Ctrl-C leaves a fitted estimator, and generators that have drawn for it.
    """
    generators = [it for it in random_states if isinstance(it, np.random.RandomState)]
    drawn = [rng.get_state(legacy=False) for rng in generators]
    try:
        yield
    except Exception:
        for rng, state in zip(generators, drawn, strict=True):
            rng.set_state(state)
        raise


def keeps_generator(method: Method) -> Method:
    """Decorate a method that puts the estimator's `random_state` back if it fails.

    Not in a task, since other tasks may have drawn from it before one fails. Their
    caller puts it back if the whole call fails.
    """

    @wraps(method)
    def fit(self: Any, *args: Any, **options: Any) -> Any:
        random_states = [self.random_state] if gathering.get() is None else []
        with keeping_generators(random_states):
            return cast(Callable[..., Any], method)(self, *args, **options)

    return cast(Method, fit)


class BaseDeepNet(
    HTMLReprMixin,
    FittedNetwork,
    PredictorMixin,
    PickleVersionMixin,
    CallbackSupportMixin,
    ParameterNamesMixin,
    BaseEstimator,
):
    """A dense neural network with scikit-learn's interface.

    A subclass defines `_make_dataset`, which turns X and y into a `Dataset` and sets
    the attributes that depend on y. It also defines `_from_logits`, which turns logits
    into predictions. `_computed_method` is the public method that returns these
    predictions.
    """

    _y_is_numeric = False
    _shape_requirement = ""  # of y and y_val, for an error message

    _parameter_constraints = {  # noqa: RUF012 (scikit-learn reads it from the class)
        "hidden_layer_sizes": [
            "array-like",
            Interval(Integral, 1, None, closed="left"),
        ],
        "activation": [str, Activation, "array-like"],
        "input_scaling": [str, None],
        "numeric_features": [str, PeriodicFeatures, None],
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
        "n_iter_no_change": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
            Options(Real, {math.inf}),
        ],
        "early_stopping": ["boolean", StrOptions({"auto"})],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "scoring": [str, callable, None],
        "restore_best": ["boolean"],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
        "dtype": [str, type, np.dtype, None],
    }

    @with_callbacks
    @keeps_generator
    def fit(
        self,
        X: MatrixLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: MatrixLike | None = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
        checkpoint: CheckpointLike | None = None,
    ) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            True labels or targets. Labels are integers, bools, strings or dates. A
            classifier also accepts an indicator matrix of 0 and 1 for multilabel
            classification. Targets of a regressor are finite numbers; with
            ``loss="poisson"`` they must not be negative.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples. A weight of 2 has the same effect as repeating the
            sample, and a weight of 0 the same effect as removing it. If None, all
            samples have weight 1. If only samples of a single class have positive
            weight, the network is not trained and always predicts that class. If all
            weights are 0, a call that continues training (with `warm_start`) does
            nothing.
        X_val : array-like or sparse matrix of shape (n_val, n_features), default=None
            Validation data. It is monitored instead of the training loss.
        y_val : array-like of shape (n_val,) or (n_val, n_outputs), default=None
            True labels or targets of the validation data.
        sample_weight_val : array-like of shape (n_val,), default=None
            Weights of the validation samples.
        checkpoint : Checkpoint, str, path or None, default=None
            File in which the progress of training is saved. If the file exists,
            training resumes from it. Pass a `Checkpoint` to choose how often it is
            written.

        Returns
        -------
        self : estimator
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or the data are invalid, or if the checkpoint is damaged or
            belongs to another fit. The estimator is left unchanged.
        OSError
            If the checkpoint cannot be written at the start of training. The estimator
            is left unchanged.
        KeyboardInterrupt
            If training is interrupted. The estimator then has the weights of the last
            complete epoch.
        """
        prepared = prepare(
            self,
            X,
            y,
            sample_weight,
            X_val=X_val,
            y_val=y_val,
            sample_weight_val=sample_weight_val,
            checkpoint=checkpoint,
        )
        return _train(prepared)

    @keeps_generator
    def _partial_fit(self, *args: Any, **options: Any) -> Self:
        """Train for one epoch, from the current weights."""
        return _train(prepare(self, *args, partial=True, **options))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self.numeric_features is None
        return tags


def _train(prepared: PreparedFit | SkippedFit) -> Any:
    """Train the network if there is a job, and set the fitted attributes."""
    with deferred_interrupts():  # so that a training that has ended is not lost
        if prepared.job is None:
            return prepared.complete(None)
        return prepared.complete(train_job(prepared.job))


def has_partial_fit(estimator: BaseDeepNet) -> bool:
    """Return True, or raise AttributeError, for scikit-learn's ``available_if``."""
    if is_quasi_newton(estimator.solver):
        raise AttributeError(
            "partial_fit is not available with solver='lbfgs', which needs all samples "
            "at once. Call fit, or choose a first-order solver such as 'adam'."
        )
    return True
