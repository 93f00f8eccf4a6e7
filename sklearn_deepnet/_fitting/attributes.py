"""From a training result to fitted attributes, and back to a state to resume from.

Fitted attributes are plain arrays, numbers, strings and lists. Pickles and model files
therefore depend on no class of this library except that of the estimator. Values that
follow from them, such as `n_iter_`, are properties of the estimator.
"""

import copy
from typing import Any

import numpy as np

from .._engine import (
    Curve,
    TrainingResult,
    TrainingState,
    count_frequencies,
    count_inputs,
    cut_layers,
)
from .._utils.typing import FloatArray
from .._utils.warnings import warn, warn_once
from ..nn.activations import ACTIVATIONS, Activation
from ..nn.initializers import initialize
from ..nn.numeric_features import FittedFeatures
from .parameters import (
    ResolvedParams,
    has_schemes,
    resolve_random_state,
)

# The logit of a class that is predicted for any X, of probability 1 - 1e-7
_CERTAIN = 16.0


def copy_attributes(estimator: Any) -> Any:
    """Return an estimator of the same class that shares all attribute values."""
    twin = object.__new__(type(estimator))
    vars(twin).update(vars(estimator))
    return twin


def update_attributes(estimator: Any, draft: Any, before: dict[str, Any]) -> None:
    """Set, in place, on `estimator` what has changed on `draft` since `before`.

    Attributes that code of the user has set in the meantime are kept, such as one that
    a callback sets.
    """
    changed = {
        name: value
        for name, value in vars(draft).items()
        if name not in before or before[name] is not value
    }
    # A single call, since an interrupt within a loop over setattr could leave new
    # weights beside an old loss curve.
    vars(estimator).update(changed)
    for name in before.keys() - vars(draft).keys():
        vars(estimator).pop(name, None)


def set_architecture(estimator: Any, resolved: ResolvedParams) -> None:
    """Set, in place, the layer sizes and activations of the network."""
    estimator._layer_sizes = list(resolved.layer_sizes)
    estimator._activations = name_activations(resolved.activations)
    estimator.out_activation_ = resolved.out_activation


def name_activations(activations: list[Activation]) -> list[str | Activation]:
    """Return the names of this library's activations, and other objects unchanged."""
    return [it.name if ACTIVATIONS.get(it.name) == it else it for it in activations]


def set_result(
    estimator: Any, result: TrainingResult, resumes: bool, restore_best: bool
) -> None:
    """Set, in place, the weights, curves and other results of training.

    Parameters
    ----------
    estimator : estimator
        The estimator. Its architecture is already set.
    result : TrainingResult
        The outcome of training.
    resumes : bool
        Whether to append to the curves of earlier calls.
    restore_best : bool
        Whether to set the weights of the best epoch instead of the last ones, if there
        is a best epoch.
    """
    state = result.state
    has_best = state.best_iter >= 0
    estimator._params = state.best_params if restore_best and has_best else state.params
    # Not by getattr, which returns lists, and would copy all epochs in each call.
    attributes = vars(estimator)
    n_before = estimator.n_iter_ if resumes else 0
    n_new = len(result.losses)
    for name, new in (
        ("validation_loss_curve_", result.validation_losses),
        ("validation_scores_", result.validation_scores),
    ):
        old = attributes[name] if resumes else None
        attributes[name] = _extend(old, new, n_before, n_new)
    old = attributes["loss_curve_"] if resumes else Curve()
    attributes["loss_curve_"] = losses = old.extended(result.losses)
    estimator.best_iter_ = None
    if has_best:
        estimator.best_iter_ = int(state.best_iter)
    elif losses.n_epochs and state.best_params is None:  # no validation data
        estimator.best_iter_ = losses.lowest_epoch
    estimator._ended_by = result.ended_by


def _extend(
    old: Curve | None, new: FloatArray, n_before: int, n_new: int
) -> Curve | None:
    """Return a curve extended by the new epochs, with NaN where none was measured."""
    if old is None and not len(new):
        return None
    old = Curve().extended(np.full(n_before, np.nan)) if old is None else old
    return old.extended(new if len(new) else np.full(n_new, np.nan))


def save_state(
    estimator: Any,
    state: TrainingState,
    resolved: ResolvedParams,
    monitored: str,
    split_seed: int | None,
) -> None:
    """Set, in place, what an exact resume needs besides the weights.

    Parameters
    ----------
    estimator : estimator
        The estimator. Its training result is already set.
    state : TrainingState
        The state after the last epoch.
    resolved : ResolvedParams
        The resolved parameters of the estimator.
    monitored : str
        A name of the monitored value.
    split_seed : int or None
        Seed of the validation split, if one was drawn.
    """
    # With restore_best the estimator has the weights of the best epoch. Training
    # resumes from those of the last epoch, so these are saved as well.
    is_last = estimator._params is state.params
    estimator._training_state = {
        "solver": type(resolved.optimizer).__name__,
        "monitored": monitored,
        "split_seed": split_seed,
        "last_params": None if is_last else state.params,
        "state": state.to_dict(),
    }


def initial_state(estimator: Any, resolved: ResolvedParams) -> TrainingState:
    """Return the state before the first epoch, with initialized weights."""
    _warn_of_ignored_draws(estimator)
    rng = resolve_random_state(estimator.random_state)
    layers = initialize(
        resolved.layer_sizes,
        rng,
        estimator.init,
        estimator.init_scale,
        estimator.bias_init,
    )
    params = np.concatenate([*map(np.ravel, map(np.column_stack, layers))])
    with np.errstate(over="ignore"):
        params = params.astype(resolved.dtype)
    if not np.isfinite(params).all():
        raise ValueError(
            f"The initial weights are too large for {resolved.dtype.name}. Lower "
            f"init_scale (now {estimator.init_scale}) or choose another init."
        )
    if resolved.numeric_features is not None:
        features = draw_features(resolved, rng)
        params = np.concatenate([params, *map(np.ravel, features)])
    if rng is estimator.random_state:
        # Only the initial weights are drawn from the caller's RandomState. Training
        # draws from a copy, so the number of epochs has no effect on later draws.
        rng = copy.deepcopy(rng)
    return TrainingState.start(
        params, [rng], resolved.optimizer.n_moments, estimator.n_iter
    )


def _warn_of_ignored_draws(estimator: Any) -> None:
    """Warn if `init_scale` or `bias_init` is set although `init` holds arrays."""
    if estimator.init_scale is None and estimator.bias_init == "random":
        return
    if not has_schemes(estimator.init):
        warn(
            "init_scale and bias_init are ignored, since init contains the weights and "
            "biases as arrays.",
        )


def draw_features(
    resolved: ResolvedParams, rng: np.random.RandomState
) -> FittedFeatures:
    """Return the initial frequencies and phases of the numeric features."""
    assert resolved.numeric_features is not None
    n_inputs = count_inputs(resolved.layer_sizes, resolved.n_frequencies)
    with np.errstate(over="ignore"):
        features = resolved.numeric_features.draw(n_inputs, rng)
        frequencies, phases = (it.astype(resolved.dtype) for it in features)
    if not np.isfinite(frequencies).all():
        raise ValueError(
            "The frequencies of numeric_features are too large for "
            f"{resolved.dtype.name}. Lower the scale of numeric_features (now "
            f"{resolved.numeric_features.scale})."
        )
    return FittedFeatures(frequencies, phases)


def set_constant(params: FloatArray, resolved: ResolvedParams, index: int) -> None:
    """Set the last layer, in place, so that the network predicts one class only."""
    last = cut_layers(resolved.layer_sizes, params)[-1]
    last[:] = 0.0
    if resolved.out_activation == "logistic":  # log-odds of the second of two classes
        last[0, -1] = _CERTAIN if index else -_CERTAIN
    else:
        last[index, -1] = _CERTAIN


def load_state(
    estimator: Any, resolved: ResolvedParams, monitored: str
) -> tuple[TrainingState, int | None]:
    """Return the state to resume from, and the seed of the validation split, if any.

    If the solver has changed, the moments of the optimizer are reset. If another value
    is monitored, the best value is reset, since the old one cannot be compared with it.

    Raises
    ------
    ValueError
        If the parameters of the estimator now describe another network.
    """
    _check_same_network(estimator, resolved)
    n_moments = resolved.optimizer.n_moments
    saved = estimator._training_state
    if saved is None:
        warn_once(
            "Training continues with a new state of the optimizer and the random "
            "generator, since the last fit did not keep them. To continue exactly, set "
            "warm_start=True before the first fit, or start with partial_fit."
        )
        # A copy, since training must not advance the RandomState of the caller.
        rng = copy.deepcopy(resolve_random_state(estimator.random_state))
        params = estimator._params.copy()
        state = TrainingState.start(params, [rng], n_moments, estimator.n_iter)
        state.n_epochs = estimator.n_iter_  # where the schedule continues
        return state, None
    last = saved["last_params"]
    state = TrainingState.from_dict(
        estimator._params if last is None else last, saved["state"]
    )
    if saved["solver"] != type(resolved.optimizer).__name__:
        state.forget_moments(n_moments)
    if saved["monitored"] != monitored:
        state.forget_values(resolved.schedule)
    return state, saved["split_seed"]


def n_frequencies_of(estimator: Any) -> int:
    """Return the number of numeric features of each input of a fitted network."""
    return count_frequencies(estimator._layer_sizes, estimator.n_features_in_)


def _check_same_network(estimator: Any, resolved: ResolvedParams) -> None:
    hidden = list(resolved.layer_sizes[1:-1])
    activations = name_activations(resolved.activations)
    for name, now, before in (
        ("hidden_layer_sizes", hidden, estimator._layer_sizes[1:-1]),
        (
            "n_frequencies of numeric_features",
            resolved.n_frequencies,
            n_frequencies_of(estimator),
        ),
        ("activation", activations, estimator._activations),
        ("n_outputs_", resolved.layer_sizes[-1], estimator.n_outputs_),
        ("out_activation_", resolved.out_activation, estimator.out_activation_),
        ("dtype", resolved.dtype.name, estimator._params.dtype.name),
    ):
        if now != before:
            raise ValueError(
                f"{name} is now {now}, but the network to continue has {before}. "
                "Keep it unchanged, or call fit with warm_start=False to start over."
            )
