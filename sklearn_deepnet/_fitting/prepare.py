"""What training begins with, as the parameters have it: weights, steps, penalties."""

import copy
from typing import Any

import numpy as np

from .._engine import NEVER, TrainingSpec, TrainingState
from .._fitting.parameters import warn_of_ignored_draws
from .._utils.typing import FloatArray
from ..nn.initializers import initialize
from .parameters import ResolvedParams, is_quasi_newton, resolve_random_state


def initial_state(
    estimator: Any, resolved: ResolvedParams, dtype: np.dtype[Any]
) -> TrainingState:
    """Return the state before the first pass, with weights as `init` draws them."""
    rng = resolve_random_state(estimator.random_state)
    params = _initial_params(estimator, resolved, rng, dtype)
    if rng is estimator.random_state:
        rng = copy.deepcopy(rng)  # the caller's own is for the draw alone
    return TrainingState.start(
        params, [rng], resolved.optimizer.n_moments, estimator.n_iter
    )


def _initial_params(
    estimator: Any,
    resolved: ResolvedParams,
    rng: np.random.RandomState,
    dtype: np.dtype[Any],
) -> FloatArray:
    warn_of_ignored_draws(estimator)
    layers = initialize(
        resolved.layer_sizes,
        rng,
        estimator.init,
        estimator.init_scale,
        estimator.bias_init,
    )
    params = np.concatenate([np.column_stack(layer).ravel() for layer in layers])
    with np.errstate(over="ignore"):
        params = params.astype(dtype)
    if not np.isfinite(params).all():
        raise ValueError(
            f"init gives weights too large for {dtype.name}. Lower init_scale (now "
            f"{estimator.init_scale})."
        )
    return params


def rows_per_batch(estimator: Any, n_rows: int) -> int:
    """Return how many rows a step takes, of so many."""
    if estimator.batch_size is None or is_quasi_newton(estimator.solver):
        return n_rows
    return min(
        200 if estimator.batch_size == "auto" else int(estimator.batch_size), n_rows
    )


def make_spec(
    estimator: Any, resolved: ResolvedParams, total_weight: float, stops: bool
) -> TrainingSpec:
    """Return what is asked of training.

    Parameters
    ----------
    estimator : estimator
        With its parameters.
    resolved : ResolvedParams
        What they name.
    total_weight : float
        Of the rows to train on, which penalties are relative to.
    stops : bool
        Whether `tol` may end it.
    """
    return TrainingSpec(
        layer_sizes=resolved.layer_sizes,
        activations=resolved.activations,
        loss=resolved.loss,
        optimizer=resolved.optimizer,
        schedules=[resolved.schedule],
        learning_rate=np.array(float(estimator.learning_rate)),
        decay=np.array(estimator.alpha / total_weight),
        l1=np.array(estimator.l1 / total_weight),
        clip_norm=np.array(
            np.inf if estimator.clip_norm is None else estimator.clip_norm
        ),
        dropout=np.array(resolved.dropout) * (not is_quasi_newton(estimator.solver)),
        tol=np.array(float(estimator.tol) if stops else 0.0),
        n_iter_no_change=np.array(estimator.n_iter_no_change if stops else NEVER),
    )
