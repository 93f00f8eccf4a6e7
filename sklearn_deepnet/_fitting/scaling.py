"""The scaling of inputs and targets: computed from the training set, then kept.

The statistics of a column are final after the first call in which the column varies.
Until then, for example at the start of a stream, they are computed from all rows so
far. When they change, the first or the last layer is changed with them, so that the
predictions of the network stay the same.
"""

from dataclasses import replace
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from scipy.sparse import issparse

from .._engine import Network, TrainingState, cut_layers, predict_logits
from .._utils.lookup import look_up
from .._utils.sharing import call_once
from .._utils.typing import BoolArray, FloatArray, IntArray
from ..nn.initializers import initialize
from ..nn.numeric_features import expand_columns, rescale_features
from ..nn.scaling import (
    InputScaling,
    Moments,
    column_bounds,
    column_moments,
    column_quartiles,
    rescale_first_layer,
    rescale_last_layer,
)
from .attributes import draw_features
from .dataset import Dataset
from .parameters import ResolvedParams, has_schemes
from .targets import NumberTargets

# In a stream of single rows, each call is constant. From this call on, the statistics
# of all rows are used.
_ENOUGH_CALLS = 10

_KINDS = MappingProxyType(
    {"auto": "standard", "standard": "standard", "robust": "robust"}
)
# Names as types, for editors and type checkers; a test compares them with the table.
InputScalingName: TypeAlias = Literal["auto", "standard", "robust"]


class Columns(NamedTuple):
    """The scaling of columns, and the statistics that later calls need.

    Parameters
    ----------
    mean : ndarray of shape (n_columns,)
        Value that is subtracted.
    scale : ndarray of shape (n_columns,)
        Divisor. It is 1 for a column that has not varied yet; see also
        `without_rounding`.
    seen : ndarray of shape (3, n_columns) or None
        `Moments` of all rows so far, for columns that are not final, and 0 for final
        columns. None if all columns are final.
    """

    mean: FloatArray
    scale: FloatArray
    seen: FloatArray | None

    def updated(
        self, moments: Moments, own: tuple[FloatArray, FloatArray]
    ) -> "Columns":
        """Return the scaling after another call.

        Parameters
        ----------
        moments : Moments
            Moments of the rows of this call.
        own : tuple of ndarray
            Mean and scale of columns that vary in this call.
        """
        if self.seen is None:
            return self
        before = Moments(*self.seen)
        is_open, varies = before.weight > 0, moments.deviation > 0
        merged = before.merge(moments)
        mean, scale = merged.mean, _positive(merged.deviation)
        mean, scale = (
            np.where(is_open, np.where(varies, first, later), final)
            for first, later, final in zip(own, (mean, scale), self[:2], strict=True)
        )
        stays_open = is_open & ~varies
        seen = np.where(stays_open, merged, 0.0)
        return Columns(mean, scale, seen if stays_open.any() else None)

    def without_rounding(self, X: Any, rows: IntArray | None) -> "Columns":
        """Return the scaling, with other divisors of columns that vary by rounding.

        Such columns count as constant. In large units, rounding errors may be much
        larger than one, such as half a minute of a time stamp in float32. So the
        columns are divided by their mean.
        """
        constant = np.flatnonzero(_are_constant(self.seen, len(self.mean)))
        if not len(constant):
            return self
        low, high = column_bounds(X[:, constant], rows)
        mean, scale = self.mean[constant], self.scale.copy()
        is_exact = (low == mean) & (high == mean)
        scale[constant] = np.where(is_exact, 1.0, np.maximum(np.abs(mean), 1.0))
        return self._replace(scale=scale)


def _first_columns(moments: Moments, own: tuple[FloatArray, FloatArray]) -> Columns:
    """Return how columns are scaled after the first call."""
    varies = moments.deviation > 0
    mean = np.where(varies, own[0], moments.mean)
    scale = np.where(varies, own[1], 1.0)
    seen = np.where(varies, 0.0, moments)
    return Columns(mean, scale, None if varies.all() else seen)


def _positive(deviation: FloatArray) -> FloatArray:
    return np.where(deviation > 0, deviation, 1.0)


def scaling_of(estimator: Any) -> InputScaling | None:
    """Return the input scaling of a fitted estimator; None if it has none.

    The attribute is missing in an estimator that was saved before scaling existed.
    """
    saved = vars(estimator).get("_input_scaling")
    if saved is None:
        return None
    return InputScaling(saved["mean"], saved["scale"], saved["kind"] == "robust")


def constant_inputs(estimator: Any) -> BoolArray:
    """Return which columns of X were constant in the training set.

    If the inputs are not scaled, no column counts as constant.
    """
    saved = vars(estimator).get("_input_scaling")
    return _are_constant(saved and saved["seen"], estimator.n_features_in_)


def constant_targets(estimator: Any) -> BoolArray:
    """Return which columns of y of a fitted regressor were constant in training."""
    n_columns = len(estimator.target_mean_)
    return _are_constant(vars(estimator).get("_target_seen"), n_columns)


def silence_outputs(network: Network, constant: BoolArray) -> None:
    """Set in place the weights and biases of constant targets to zero.

    Nothing has to be learned, since all outputs are the mean. Several quantiles are
    outputs of one target.
    """
    network.layers[-1][np.broadcast_to(constant, network.layer_sizes[-1])] = 0


def _are_constant(seen: FloatArray | None, n_columns: int) -> BoolArray:
    if seen is None:
        return np.zeros(n_columns, bool)
    weight, _, deviation = seen
    return (weight > 0) & (deviation == 0)  # single rows may differ between calls


def scale_datasets(
    estimator: Any,
    resolved: ResolvedParams,
    state: TrainingState,
    dataset: Dataset,
    validation_set: Dataset | None,
    resumes: bool,
) -> tuple[Dataset, Dataset | None]:
    """Set the scaling on the estimator, in place, and return the datasets with it.

    Parameters
    ----------
    estimator : estimator
        The estimator. If training resumes, it has the scaling of earlier calls.
    resolved : ResolvedParams
        The resolved parameters of the estimator.
    state : TrainingState
        State to start from. Its parameters are changed in place.
    dataset : Dataset
        The training set, from which the scaling is computed.
    validation_set : Dataset or None
        The validation set.
    resumes : bool
        Whether training continues from earlier calls.
    """
    _scale_inputs(estimator, resolved, state, dataset, resumes)
    changes: dict[str, Any] = {"input_scaling": scaling_of(estimator)}
    if isinstance(dataset.targets, NumberTargets):
        _scale_targets(estimator, resolved, state, dataset, resumes)
        mean, scale = estimator.target_mean_, estimator.target_scale_
        changes["targets"] = replace(dataset.targets, mean=mean, scale=scale)
    dataset = replace(dataset, **changes)
    if validation_set is not None:
        validation_set = replace(validation_set, **changes)
    return dataset, validation_set


def _scale_inputs(
    estimator: Any,
    resolved: ResolvedParams,
    state: TrainingState,
    dataset: Dataset,
    resumes: bool,
) -> None:
    kind = _resolve_kind(estimator, dataset.X, resumes)
    if kind is None:
        estimator._input_scaling = None
        return
    before = scaling_of(estimator) if resumes else None
    if before is not None and estimator._input_scaling["seen"] is None:
        return
    arrays = dataset.X, dataset.weight, dataset.rows
    moments = call_once(column_moments, *arrays)
    own = moments.mean, moments.deviation
    if kind == "robust":
        low, center, high = call_once(column_quartiles, *arrays)
        # Most values of a column may be equal, such as zeros in counts.
        own = center, np.where(high > low, high - low, moments.deviation)
    if before is None:
        columns = _first_columns(moments, own)
        constant = moments.deviation == 0
        if constant.any():
            silence_inputs(Network.from_spec(resolved, state.params), constant)
    else:
        saved = estimator._input_scaling
        columns = Columns(saved["mean"], saved["scale"], saved["seen"])
        columns = columns.updated(moments, own)
        are_open = (saved["seen"][0] > 0).all()
        are_few = _are_few_rows(columns, estimator.n_iter_ + 1)
        if are_few:
            # Two rows may be so close that others are many standard deviations away. So
            # the inputs of this call are set to zero, and the first layer stays zero.
            columns = columns._replace(mean=moments.mean, scale=np.ones_like(own[1]))
    columns = columns.without_rounding(dataset.X, dataset.rows)
    estimator._input_scaling = {"kind": kind, **columns._asdict()}
    if before is None:
        return
    for network in _all_networks(resolved, state):
        rescale_first_layer(network.layers[0], before, scaling_of(estimator))
        rescale_features(network.features, before, scaling_of(estimator))
    if not are_few:
        varies = ~constant_inputs(estimator)
        _draw_features(resolved, state, varies)
        if are_open:
            _draw_first_layer(estimator, resolved, state, varies)


def _are_few_rows(columns: Columns, n_calls: int) -> bool:
    """Return whether no column has varied in a call, and there were few calls."""
    is_open = columns.seen is not None and (columns.seen[0] > 0).all()
    return bool(is_open and n_calls < _ENOUGH_CALLS)


def _resolve_kind(estimator: Any, X: Any, resumes: bool) -> str | None:
    """Return "standard", "robust" or None."""
    given = estimator.input_scaling
    kind = look_up(_KINDS, given, "input_scaling")
    if given is not None and given != "auto" and issparse(X):
        raise ValueError(
            f"input_scaling={given!r} does not support sparse X, since centering would "
            "make it dense. Set input_scaling=None. If the columns of X differ much in "
            "scale, transform X by MaxAbsScaler first."
        )
    if resumes:
        saved = vars(estimator).get("_input_scaling")
        before = None if saved is None else saved["kind"]
        if given not in (before, "auto") or (given, before) == ("auto", "robust"):
            raise ValueError(
                f"input_scaling is now {given!r}, but the network to continue has "
                f"{before!r}. Keep it unchanged, or call fit with warm_start=False to "
                "start over."
            )
        return before
    if kind is None or issparse(X):
        return None
    if not has_schemes(estimator.init):
        raise ValueError(
            "init contains weights as arrays, which apply to unscaled X, but "
            f"input_scaling={given!r} scales X. Set input_scaling=None."
        )
    return kind


def silence_inputs(network: Network, constant: BoolArray) -> None:
    """Set in place the weights and frequencies of constant inputs to zero.

    Otherwise they would get no gradient and keep their random values, which would
    disturb the predictions for other values of the input. Without frequencies, the
    numeric features are zero for any input, see `Propagation`.
    """
    inputs = expand_columns(constant, network.n_frequencies)
    network.layers[0][:, :-1][:, inputs] = 0
    network.features.frequencies[constant] = 0


def _draw_features(
    resolved: ResolvedParams, state: TrainingState, varies: BoolArray
) -> None:
    """Draw frequencies, in place, for inputs that vary and have frequencies of zero.

    These inputs were constant in all calls so far, see `silence_inputs`. The weights of
    their features are zero, so the outputs of the network do not change.
    """
    networks = _all_networks(resolved, state)
    new = ~networks[0].features.frequencies.any(axis=-1) & varies
    if resolved.n_frequencies == 0 or not new.any():
        return
    drawn = draw_features(resolved, state.generators[0])
    for network in networks:
        network.features.frequencies[new] = drawn.frequencies[new]


def _draw_first_layer(
    estimator: Any, resolved: ResolvedParams, state: TrainingState, varies: BoolArray
) -> None:
    """Draw weights, in place, for inputs that vary, if all weights are still zero.

    This is the case after calls in which all inputs were constant. From zero weights,
    all units of the first layer would learn almost the same, and inactive units would
    never learn. So far the outputs of the network are the same for any X. They are kept
    as biases of the last layer.
    """
    first, *others = cut_layers(resolved.layer_sizes, state.params)
    if not others or first[:, :-1].any() or not varies.any():
        return
    (W, _), *_ = initialize(
        resolved.layer_sizes,
        state.generators[0],
        estimator.init,
        estimator.init_scale,
        estimator.bias_init,
    )
    inputs = expand_columns(varies, resolved.n_frequencies)
    for network in _all_networks(resolved, state):
        (outputs,) = predict_logits(network, np.zeros((1, len(varies))))
        first, *_, last = network.layers
        first[:, :-1][:, inputs] = W[:, inputs]
        last[:] = 0
        last[:, -1] = outputs


def _scale_targets(
    estimator: Any,
    resolved: ResolvedParams,
    state: TrainingState,
    dataset: Dataset,
    resumes: bool,
) -> None:
    before = None
    if resumes:
        seen = vars(estimator).get("_target_seen")
        before = Columns(estimator.target_mean_, estimator.target_scale_, seen)
        if seen is None:
            return
    elif estimator.target_scaling is None:
        estimator.target_mean_ = dataset.targets.mean
        estimator.target_scale_ = dataset.targets.scale
        estimator._target_seen = None
        return
    moments = call_once(column_moments, dataset.target, dataset.weight, dataset.rows)
    constant = moments.deviation == 0
    if estimator._has_counts:  # divided by their mean only
        moments = moments._replace(mean=0 * moments.mean, deviation=moments.mean)
    own = moments.mean, moments.deviation
    if before is None:
        columns = _first_columns(moments, own)
        if constant.any() and has_schemes(estimator.init):
            silence_outputs(Network.from_spec(resolved, state.params), constant)
    else:
        columns = before.updated(moments, own)
        if not np.array_equal(before[:2], columns[:2]):
            for network in _all_networks(resolved, state):
                last = network.layers[-1]
                rescale_last_layer(last, before[:2], columns[:2], estimator._has_counts)
            state.first_loss = np.full_like(state.first_loss, np.nan)
            state.forget_values(resolved.schedule)  # in other units
    estimator.target_mean_, estimator.target_scale_, estimator._target_seen = columns


def _all_networks(resolved: ResolvedParams, state: TrainingState) -> list[Network]:
    """Return a network for each array of parameters that a state holds."""
    every = state.params, state.best_params, state.finite_params
    return [
        Network.from_spec(resolved, params) for params in every if params is not None
    ]
