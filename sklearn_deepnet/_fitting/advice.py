"""Warnings that say what to change."""

import inspect
import sys
import warnings
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning

from .._engine.training import Outcome
from ..exceptions import DivergenceWarning
from ..nn.initializers import is_scheme
from .dataset import Sample
from .parameters import is_quasi_newton

_OURS = ("sklearn_deepnet.", "sklearn.callback.")
_FIRST_ORDER_ONLY = (
    "learning_rate",
    "schedule",
    "batch_size",
    "shuffle",
    "dropout",
    "clip_norm",
)


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn as from the line that called us, or scikit-learn's wrapper around us."""
    frame, stacklevel = sys._getframe(1), 2
    while frame.f_back and frame.f_globals["__name__"].startswith(_OURS):
        frame, stacklevel = frame.f_back, stacklevel + 1
    warnings.warn(message, category, stacklevel=stacklevel)


def warn_of_ignored(estimator: BaseEstimator) -> None:
    """Warn of parameters that the solver ignores but that were set."""
    if not is_quasi_newton(estimator.solver):
        return
    defaults = inspect.signature(type(estimator)).parameters
    ignored = [
        f"{name}={getattr(estimator, name)!r}"
        for name in _FIRST_ORDER_ONLY
        if not _are_equal(getattr(estimator, name), defaults[name].default)
    ]
    if ignored:
        warn(f"solver='lbfgs' ignores {', '.join(ignored)}.")


def _are_equal(value: Any, other: Any) -> bool:
    return np.array_equal(np.asarray(value, object), np.asarray(other, object))


def warn_of_ignored_draws(estimator: BaseEstimator) -> None:
    """Warn of how to draw what is not drawn."""
    if estimator.init_scale is None and estimator.bias_init == "random":
        return
    if not is_scheme(estimator.init) and not any(map(is_scheme, estimator.init)):
        warn(
            "init gives the weights and biases themselves, so init_scale and "
            "bias_init are ignored.",
        )


def warn_of_ending(
    estimator: BaseEstimator,
    outcome: Outcome,
    sample: Sample,
    n_iter: int,
    stops: bool,
    n_made: int,
) -> None:
    """Say what to change where training diverged or was too short.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    outcome : Outcome
        What became of it now.
    sample : Sample
        Its rows.
    n_iter : int
        Passes that were asked for.
    stops : bool
        Whether `tol` might have ended it.
    n_made : int
        Of these, passes that were made before, and kept in a checkpoint.
    """
    if outcome.ended_by == "divergence":
        warn(
            f"The loss became {_name_number(outcome.bad_loss)} after "
            f"{estimator.n_iter_} passes. Lower learning_rate (now "
            f"{estimator.learning_rate:.3g}) or scale X (largest value "
            f"{largest(sample.X):.2g}). Training has stopped, with the last "
            "sound weights kept.",
            DivergenceWarning,
        )
    elif outcome.ended_by == "n_iter" and stops and n_iter:
        no_rate = is_quasi_newton(estimator.solver)
        raise_what = "n_iter" if no_rate else "n_iter or learning_rate"
        warn(
            f"All n_iter={n_iter} passes were used before the loss settled. Raise "
            f"{raise_what}; or set tol=None, if so many passes are wanted.",
            ConvergenceWarning,
        )
    elif outcome.ended_by == "tol" and _made_no_progress(estimator, outcome, n_made):
        warn(
            f"The loss never fell from its first value, {estimator.loss_curve_[0]:.3g}"
            f". Scale X (largest value {largest(sample.X):.2g}), change learning_rate "
            f"(now {estimator.learning_rate:.3g}), or initialize otherwise (init is "
            f"{estimator.init!r}).",
            ConvergenceWarning,
        )


def _made_no_progress(estimator: BaseEstimator, outcome: Outcome, n_made: int) -> bool:
    losses = estimator.loss_curve_
    from_the_start = n_made + len(outcome.losses) == len(losses) > 1
    return from_the_start and min(losses) >= losses[0] - 1e-6 * abs(losses[0])


def largest(X: Any) -> float:
    """Return the largest absolute value of `X`, without a copy."""
    X = X if issparse(X) else np.asarray(X)
    return max(float(X.max()), -float(X.min()))


def _name_number(value: float) -> str:
    return "NaN" if np.isnan(value) else f"{value:.2g}"
