"""Check whether a network has learned more than a constant, and if not, why."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import issparse
from scipy.special import logit, xlogy

from .._engine import (
    Network,
    Propagation,
    TrainingResult,
    cut_layers,
    rows_per_block,
)
from .._utils.typing import FloatArray
from .._utils.warnings import max_abs
from ..nn.losses import (
    LossFunction,
    log_loss,
    poisson,
    quantiles_of,
    squared_error,
)
from ..nn.scaling import column_moments
from .dataset import Dataset
from .jobs import TrainingJob, join
from .parameters import ResolvedParams, has_schemes, is_quasi_newton
from .targets import NumberTargets

_MARGIN = 0.05  # of the loss of a constant; a loss above it by more is no better
_AT_CONSTANT = 3e-4  # of it; a loss closer to it is that of a constant network
_LEAST_MOVE = 1e-4  # of the first loss
_BLOCK_ROWS = 2**14
_N_HALVINGS = 50  # of the range of the targets, to rounding
_LARGE_INPUT, _LARGE_TARGET, LARGE_PENALTY = 10.0, 10.0, 0.1

# Functions from a mean to the output whose activation is this mean.
_LINKS = {
    "identity": lambda mean: mean,
    "logistic": lambda mean: logit(np.clip(mean, 1e-12, 1 - 1e-12)),
    "softmax": lambda mean: np.log(np.maximum(mean, 1e-12)),
    "exponential": lambda mean: np.log(np.maximum(mean, 1e-12)),
}
# Losses for which the mean of the targets, or of the indicators, is the best constant.
_LOWEST_AT_MEAN = {*log_loss[1:-1], *squared_error[1:-1], *poisson[1:-1]} - {None}


def describe_failure(
    estimator: Any, resolved: ResolvedParams, job: TrainingJob, result: TrainingResult
) -> str:
    """Return a warning if the network has learned no more than a constant, else "".

    Parameters
    ----------
    estimator : estimator
        The estimator with its fitted attributes.
    resolved : ResolvedParams
        The resolved parameters of the estimator.
    job : TrainingJob
        The training job.
    result : TrainingResult
        The result of training, with the data losses of all epochs.
    """
    losses, dataset = result.data_losses, job.dataset
    if is_constant(dataset):
        return ""
    if not len(losses):  # if the gradient is zero, L-BFGS makes no iteration
        losses = np.array([data_loss(job, result.state.params)])
    with np.errstate(all="ignore"):
        constant = loss_of_constant(dataset, resolved.loss, resolved.out_activation)
        first, best = float(losses[0]), float(losses.min())
        if estimator.n_iter_ > len(losses):  # others are in a checkpoint
            first = estimator.loss_curve_[0]
        # Units with equal weights stay equal, so more epochs would not help.
        moves = first - best >= _LEAST_MOVE * abs(first)
        moves = moves and not _are_units_equal(resolved, result)
        # A network with given initial weights may have been trained before.
        moves = moves or (best < constant and not has_schemes(estimator.init))
        if np.any(job.spec.dropout) and _is_no_better(best, constant, moves):
            best = min(best, data_loss(job, result.state.params))  # without dropout
    if not _is_no_better(best, constant, moves):
        return ""
    cause = _likeliest_cause(estimator, resolved, job, result, losses, constant)
    return (
        f"The network has learned nothing from X: its lowest loss is {best:.6g}, and "
        f"the loss of the best constant prediction is {constant:.6g}. The most likely "
        f"cause: {cause}. Call diagnose(estimator, X, y) for more checks."
    )


def is_constant(dataset: Dataset) -> bool:
    """Return whether all targets are equal, so that there is nothing to learn."""
    target = dataset.target if dataset.rows is None else dataset.target[dataset.rows]
    return bool((target.min(axis=0) == target.max(axis=0)).all())


def _is_no_better(best: float, constant: float, moves: bool) -> bool:
    is_above = best > constant + _MARGIN * abs(constant)
    is_constant = abs(best - constant) <= _AT_CONSTANT * abs(constant)
    return not moves or is_above or is_constant


def _are_units_equal(resolved: ResolvedParams, result: TrainingResult) -> bool:
    """Return whether in every hidden layer all units have the same weights."""
    *hidden, _ = cut_layers(resolved.layer_sizes, result.state.params)
    hidden = [layer for layer in hidden if len(layer) > 1]
    return bool(hidden) and all((layer == layer[0]).all() for layer in hidden)


def loss_of_constant(
    dataset: Dataset, loss: LossFunction, out_activation: str
) -> float:
    """Return the lowest loss of a network with the same output for all samples.

    It is computed with the targets of training, including label smoothing.
    """
    total = dataset.total_weight

    def evaluate(outputs: FloatArray) -> tuple[float, FloatArray]:
        value, gradient = 0.0, np.zeros_like(outputs)
        for target, weight in _blocks(dataset):
            logits = np.repeat(outputs[:, np.newaxis], target.shape[1], axis=1)
            scratch = np.empty((3, *logits.shape))
            value += float(np.sum(loss(logits, target, scratch) @ weight))
            gradient += logits @ weight
        return value / total, gradient / total

    quantiles = quantiles_of(loss)
    if quantiles is not None:  # with several, L-BFGS may end above the lowest loss
        return evaluate(_quantiles_of_target(dataset, quantiles))[0]
    mean = sum(target @ weight for target, weight in _blocks(dataset)) / total
    start = _LINKS[out_activation](mean)
    if loss in _LOWEST_AT_MEAN:
        lowest = evaluate(start)[0]
        # The rounding of the mean depends on the machine.
        rounding = 4 * np.finfo(float).eps * float(np.abs(start).max())
        return 0.0 if 0 < lowest <= rounding**2 else lowest
    return float(minimize(evaluate, start, jac=True, method="L-BFGS-B").fun)


def _quantiles_of_target(
    dataset: Dataset, quantiles: float | tuple[float, ...]
) -> FloatArray:
    """Return for each output unit the constant of the lowest pinball loss.

    They are found by bisection, since sorting would need several copies of the targets.
    """
    weight_below = np.reshape(quantiles, (-1, 1)) * dataset.total_weight
    low = np.min([target.min(axis=1) for target, _ in _blocks(dataset)], axis=0)
    high = np.max([target.max(axis=1) for target, _ in _blocks(dataset)], axis=0)
    low, high = low[:, np.newaxis], high[:, np.newaxis]
    for _ in range(_N_HALVINGS):
        middle = low + (high - low) / 2
        found = sum(
            (target <= middle) @ weight[:, np.newaxis]
            for target, weight in _blocks(dataset)
        )
        is_enough = found >= weight_below
        low, high = np.where(is_enough, low, middle), np.where(is_enough, middle, high)
    return high.ravel()


def lowest_loss(dataset: Dataset, loss: LossFunction) -> float:
    """Return the loss of predictions that are equal to the targets.

    It is zero except for the Poisson loss, which leaves out a constant of the target
    and may be negative.
    """
    if loss not in poisson[1:-1]:
        return 0.0
    total = sum(
        float(np.mean(target - xlogy(target, target), axis=0) @ weight)
        for target, weight in _blocks(dataset)
    )
    return total / dataset.total_weight


def _blocks(dataset: Dataset) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Yield targets of shape (n_targets, n_rows), and weights, of some rows each."""
    scale, shift = dataset.targets.scale_and_shift(trains=True)
    classes = np.arange(dataset.targets.n_target_rows)[:, np.newaxis]
    for start in range(0, dataset.n_rows, _BLOCK_ROWS):
        part = slice(start, start + _BLOCK_ROWS)
        some = part if dataset.rows is None else dataset.rows[part]
        target = dataset.target[some].T
        if len(target) != len(classes):
            target = classes == target
        n_rows = target.shape[1]
        weight = np.ones(n_rows) if dataset.weight is None else dataset.weight[some]
        yield scale * target + shift, weight


def _fault_of_data(estimator: Any, dataset: Dataset) -> str:
    """Return a fault of X or y, or "" if there is none."""
    X, targets = dataset.X, dataset.targets
    varies = issparse(X) or column_moments(X, rows=dataset.rows).deviation.any()
    if not varies:
        return "all rows of X are equal"
    is_fit = 1 / _LARGE_INPUT <= max_abs(X) <= _LARGE_INPUT
    if dataset.input_scaling is None and not is_fit:
        how = "MaxAbsScaler" if issparse(X) else "input_scaling='standard'"
        return f"X is not scaled (its largest value is {max_abs(X):.2g}); use {how}"
    if isinstance(targets, NumberTargets) and estimator.target_scaling is None:
        given = column_moments(dataset.target, dataset.weight, dataset.rows)
        size = float(np.hypot(given.mean, given.deviation).max())
        if not 1 / _LARGE_TARGET <= size <= _LARGE_TARGET:
            return (
                f"y is not scaled (its values are of size {size:.2g}); set "
                "target_scaling='standard'"
            )
    return ""


def _fault_of_weights(
    estimator: Any, resolved: ResolvedParams, result: TrainingResult, losses: FloatArray
) -> str:
    """Return a fault of the initial weights, if training hardly changed the loss."""
    *hidden, _ = cut_layers(resolved.layer_sizes, result.state.params)
    if not hidden or losses[0] - losses.min() >= _LEAST_MOVE * abs(losses[0]):
        return ""
    names = {activation.name for activation in resolved.activations}
    if names & {"sigmoid", "logistic", "tanh"} and len(hidden) > 2:
        return (
            f"gradients vanish in {len(hidden)} hidden layers of "
            f"activation={estimator.activation!r}; set activation='relu' and "
            "init='he', or use fewer layers"
        )
    if _are_small(hidden):
        return (
            "the initial weights are so small that hardly any gradient reaches the "
            f"first layer (init={estimator.init!r}, "
            f"init_scale={estimator.init_scale}); set init='he' and init_scale=None"
        )
    return ""


def _fault_of_steps(estimator: Any, result: TrainingResult, losses: FloatArray) -> str:
    """Return why the steps were too few, too small or too large."""
    if is_quasi_newton(estimator.solver):
        return "X contains little information about y, or the network has too few units"
    if result.ended_by == "tol" and len(result.validation_scores):
        return (
            f"training stopped after {estimator.n_iter_} epochs, since the score did "
            "not improve; set scoring=None, or increase n_iter_no_change (now "
            f"{estimator.n_iter_no_change!r})"
        )
    rate = f"learning_rate (now {estimator.learning_rate:.3g})"
    if losses[-1] > losses.min() * (1 + _MARGIN):
        return f"the steps are too large; lower {rate}"
    if estimator.clip_norm is not None:
        rate = f"clip_norm (now {estimator.clip_norm:.3g}) or {rate}"
    if result.ended_by == "n_iter":
        rate += f" or n_iter (now {estimator.n_iter})"
    return f"the steps are too small; increase {rate}"


def _likeliest_cause(
    estimator: Any,
    resolved: ResolvedParams,
    job: TrainingJob,
    result: TrainingResult,
    losses: FloatArray,
    constant: float,
) -> str:
    """Return the most likely of the causes that can be detected."""
    if fault := _fault_of_data(estimator, job.dataset):
        return fault
    if _are_units_equal(resolved, result):
        return (
            "all units of a layer have equal weights, so they always receive equal "
            "updates; set init='he'"
        )
    if float(job.spec.decay) > LARGE_PENALTY or float(job.spec.l1) > LARGE_PENALTY:
        return (
            f"the penalties are large (alpha={estimator.alpha:.3g}, "
            f"l1={estimator.l1:.3g}); lower them"
        )
    init_scale = estimator.init_scale
    if init_scale is not None and init_scale > 1 and losses[0] > 10 * abs(constant):
        return (
            f"the initial weights are too large; lower init_scale (now {init_scale:g})"
        )
    return _fault_of_weights(estimator, resolved, result, losses) or _fault_of_steps(
        estimator, result, losses
    )


def _are_small(hidden: list[FloatArray]) -> bool:
    """Return whether the layers shrink a signal to less than a tenth."""
    gains = [np.sqrt(np.mean(np.square(W[:, :-1])) * (W.shape[1] - 1)) for W in hidden]
    return float(np.prod(gains)) < 0.1


def data_loss(job: TrainingJob, params: FloatArray) -> float:
    """Return the training loss of all rows, without penalties and dropout."""
    spec, n_rows = job.spec, job.dataset.n_rows
    network = Network.from_spec(spec, params)
    (batch,) = join(
        [job.dataset],
        trains=True,
        batch_size=n_rows,
        block_size=rows_per_block(spec.layer_sizes),
        shuffle=False,
        dtype=params.dtype,
        generators=[],
        stack_shape=(),
    )
    propagation = Propagation(network, spec.loss, trains=False)
    loss = 0.0
    for read in batch.blocks:
        inputs, _, target, weight = read(0)
        loss += float(propagation.loss(inputs, target, weight))
    return loss
