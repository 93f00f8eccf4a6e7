"""Find out why a network does not learn: measure, compare with limits, advise."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import issparse
from sklearn.utils.sparsefuncs import mean_variance_axis

from .._engine import copy_inputs, cut_layers, one_blas_thread
from .._fitting.convergence import data_loss, is_constant, loss_of_constant, lowest_loss
from .._fitting.dataset import Dataset
from .._fitting.scaling import constant_inputs, constant_targets
from .._fitting.targets import NumberTargets
from .._fitting.units import are_deviations_far, are_means_far
from .._utils.lookup import look_up
from .._utils.typing import BoolArray, FloatArray, MatrixLike
from ..nn.losses import LOSSES
from ..nn.scaling import column_moments
from . import probe
from .advice import Setup
from .rendering import HTMLTableMixin, ResultTable, table_lines
from .rules import RULES, Finding

__all__ = ["Diagnosis", "Finding", "diagnose"]

_N_ROWS = 1000  # used to check layers

# At 0.97 of the bound of an activation, its derivative is 6 % of the largest one.
_SATURATED = 0.97
# A feature counts as constant if its standard deviation is at most this fraction of its
# mean or of the largest standard deviation, since this much may be rounding.
_CONSTANT = 1e-8
_RISE = 0.01  # of the loss, in one epoch
_NORMAL_IQR = 1.349  # interquartile range of a standard normal distribution
_OTHER_UNIT = 3.0  # ratio of standard deviations that implies other units


@dataclass(frozen=True)
class Diagnosis(HTMLTableMixin):
    """Result of `diagnose`. Print it for a table of all checks, with advice.

    Notebooks show the table by themselves.

    Parameters
    ----------
    findings : list of Finding
        The results of all checks, whether or not they are faults.
    """

    findings: list[Finding]

    @property
    def faults(self) -> list[Finding]:
        """The findings that are faults."""
        return [finding for finding in self.findings if finding.is_fault]

    def __str__(self) -> str:
        lines = table_lines(self._cells(), align="<")
        for where, rest, advice in self._advice():
            lines.append(f"\n{where}{rest}\n    {advice}")
        return "\n".join(lines)

    def _cells(self) -> list[list[str]]:
        """Return a row for each finding."""
        return [
            [
                "FAULT" if finding.is_fault else "ok",
                finding.where,
                finding.name,
                f"{finding.value:.3g}",
                finding.limit,
            ]
            for finding in self.findings
        ]

    def _advice(self) -> Iterator[tuple[str, str, str]]:
        """Yield for each kind of fault where it is, what it is, and what to do."""
        layers: dict[tuple[str, str, str], list[str]] = {}
        for fault in self.faults:
            key = fault.name, fault.advice, fault.source
            layers.setdefault(key, []).append(fault.where)
        for (name, advice, source), where in layers.items():
            yield ", ".join(where), f": {name}.", f"{advice} ({source})"

    def _result_table(self) -> ResultTable:
        n_faults = len(self.faults)
        return ResultTable(
            caption=f"{len(self.findings)} checks, {n_faults or 'no'} "
            f"{'fault' if n_faults == 1 else 'faults'}",
            header=["", "where", "check", "value", "limit"],
            rows=self._cells(),
            align="<<<><",
            marked=[k for k, it in enumerate(self.findings) if it.is_fault],
            notes=[
                (where, f"{rest} {advice}") for where, rest, advice in self._advice()
            ],
        )


def diagnose(
    estimator: Any, X: MatrixLike, y: ArrayLike, sample_weight: ArrayLike | None = None
) -> Diagnosis:
    """Check a network for faults that prevent it from learning.

    The checks are made in this order, so that causes come before their effects:

    - the inputs of the network, and whether X is in the units of the training data;
    - the initial weights;
    - the size of the first step, and the penalties;
    - in each hidden layer, dead and saturated units and the size of the gradients;
    - if the network is fitted, whether training diverged, whether the loss is lower
      than that of a constant prediction, whether it still decreases or oscillates, and
      whether the network overfits.

    Parameters
    ----------
    estimator : DeepNetClassifier, DeepNetRegressor, or a pipeline that ends in one
        The network to check. It may be fitted or not; if it is not, its initial weights
        are checked. The earlier steps of a pipeline must be fitted. The estimator is
        not changed.
    X : array-like or sparse matrix of shape (n_samples, n_features)
        The training data. For a fitted network it may also be other data, such as
        validation data. Layers are checked on at most 1000 rows.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        True labels or targets.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the samples.

    Returns
    -------
    diagnosis : Diagnosis
        The result. Print it for a table with advice, or use its attribute `faults`.

    Raises
    ------
    TypeError
        If `estimator` is neither a network nor a pipeline that ends in one.
    ValueError
        If X and y do not match the network.

    Notes
    -----
    The limits are rules of thumb; each finding names its source. Decreases and
    increases of the loss are relative to the loss itself or, if that is larger, to the
    loss of the best constant prediction.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_deepnet import DeepNetClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> net = DeepNetClassifier((5,), init="zeros", bias_init="zeros", n_iter=50,
    ...                         tol=None, random_state=0)
    >>> for fault in diagnose(net.fit(X, y), X, y).faults:
    ...     print(fault.where, "-", fault.name)
    layer 1 - fraction of units that are copies of another unit
    network - fraction of the signal that passes the initial weights
    layer 1 - fraction of dead units
    layer 1 - size of the gradient relative to the last layer
    network - loss relative to the best constant prediction
    """
    network, X = probe.network_and_input(estimator, X)
    job = probe.initial_job(network, X, y, sample_weight)
    params, setup = probe.current_params(network, job), Setup(network, job)
    findings: list[Finding] = []
    with np.errstate(all="ignore"), one_blas_thread():
        if network.__sklearn_is_fitted__():
            findings += _check_units(setup)
        setup.are_rows_other = any(finding.is_fault for finding in findings)
        inputs = list(_check_inputs(setup))
        setup.are_inputs_bad = any(finding.is_fault for finding in inputs)
        if network.__sklearn_is_fitted__() and job.dataset.input_scaling is not None:
            # Scaled inputs of the training data have the size one.
            setup.are_rows_other |= any(finding.is_fault for finding in inputs[:1])
        findings += [*inputs, *_check_targets(setup), *_check_weights(setup, params)]
        loss = look_up(LOSSES, network.loss, "loss")
        out_activation = job.dataset.targets.name_out_activation(loss)
        lowest = lowest_loss(job.dataset, job.spec.loss)
        constant = loss_of_constant(job.dataset, job.spec.loss, out_activation) - lowest
        # A loss of zero cannot be compared with. It may be the rounded loss of tiny
        # targets.
        if is_constant(job.dataset) or not constant > 0:
            constant = np.inf
        start = (data_loss(job, job.state.params) - lowest) / constant
        findings.append(RULES["first loss"].check(start, setup))
        layers = list(_check_layers(setup, params))
        ratio = (data_loss(job, params) - lowest) / constant
        findings += [*_check_steps(setup, ratio), *layers]
        if network.__sklearn_is_fitted__():
            setup.has_causes = any(finding.is_fault for finding in findings)
            findings += _check_results(setup, ratio, constant)
    return Diagnosis(findings)


def _check_units(setup: Setup) -> Iterator[Finding]:
    """Compare the rows with the statistics of the training data."""
    network, dataset = setup.network, setup.job.dataset
    if dataset.input_scaling is not None:
        center, scale, squashes = dataset.input_scaling
        scale = scale / _NORMAL_IQR if squashes else scale
        varies = ~constant_inputs(network)
        share = _share_far(dataset.X, dataset, center, scale, varies)
        yield RULES["far inputs"].check(share, setup)
    if isinstance(dataset.targets, NumberTargets) and network.target_scaling:
        mean, scale = network.target_mean_, network.target_scale_
        varies = ~constant_targets(network)
        share = _share_far(dataset.target, dataset, mean, scale, varies)
        yield RULES["far targets"].check(share, setup)


def _share_far(
    array: Any,
    dataset: Dataset,
    center: FloatArray,
    scale: FloatArray,
    varies: BoolArray,
) -> float:
    """Return the fraction of columns that have other means or other units."""
    moments = column_moments(array, dataset.weight, dataset.rows)
    is_far = are_means_far(center, scale, moments.mean, dataset.n_rows)
    is_far |= are_deviations_far(scale, moments.deviation, dataset.n_rows, _OTHER_UNIT)
    return float(np.mean(is_far[varies])) if varies.any() else 0.0


def _check_inputs(setup: Setup) -> Iterator[Finding]:
    """Check the inputs of the first layer."""
    dataset = probe.subsample(setup.job, _N_ROWS).dataset
    X, _, _ = dataset.rows_used()
    if dataset.input_scaling is not None:
        raw, X = X, np.empty(X.shape)
        copy_inputs(raw, dataset.input_scaling, X)
        if setup.network.__sklearn_is_fitted__():  # constant inputs have no weights
            X = X[:, ~constant_inputs(setup.network)]
    if issparse(X):
        mean, variance = mean_variance_axis(X.astype(float), axis=0)
    else:
        mean, variance = np.mean(X, axis=0, dtype=float), np.var(X, axis=0, dtype=float)
    rule = RULES["largest input"]
    if issparse(X):  # most of its values are zero
        rule = rule._replace(low=-np.inf)
    if len(mean):
        yield rule.check(np.sqrt(np.max(mean**2 + variance)), setup)
    std = np.sqrt(variance)
    varies = std > _CONSTANT * np.maximum(np.abs(mean), std.max(initial=0))
    if varies.any():
        spread = std[varies].max() / std[varies].min()
        finding = RULES["spread of inputs"].check(spread, setup)
        if issparse(X):  # few nonzero values make a small deviation
            largest = abs(X).max(axis=0).toarray().ravel()[varies]
            is_fault = finding.is_fault and largest.max() > 100 * largest.min()
            finding = finding._replace(is_fault=is_fault)
        yield finding


def _check_targets(setup: Setup) -> Iterator[Finding]:
    """Check the targets of a regressor that does not scale them."""
    dataset = setup.job.dataset
    if not isinstance(dataset.targets, NumberTargets) or is_constant(dataset):
        return
    if setup.network.target_scaling is None:
        _, mean, deviation = column_moments(
            dataset.target, dataset.weight, dataset.rows
        )
        largest = np.max(np.hypot(mean, deviation))
        yield RULES["largest target"].check(largest, setup)


def _check_weights(setup: Setup, params: FloatArray) -> Iterator[Finding]:
    """Check whether units differ, and whether the initial weights are too small."""
    layer_sizes = setup.job.spec.layer_sizes
    for number, (W, following) in enumerate(
        pairwise(cut_layers(layer_sizes, params)), start=1
    ):
        share = _share_of_identical_units(W, following)
        yield RULES["identical"].check(share, setup, number)
    *hidden, _ = cut_layers(layer_sizes, setup.job.state.params)
    if hidden:
        gains = [_rms(W[:, :-1]) * np.sqrt(W.shape[1] - 1) for W in hidden]
        yield RULES["signal"].check(np.prod(gains), setup)


def _check_steps(setup: Setup, ratio: float) -> Iterator[Finding]:
    """Make the first step, and check its size and the penalties.

    `ratio` is the loss divided by that of the best constant prediction.
    """
    job = setup.job
    sample = probe.subsample(job, _N_ROWS) if job.batch_size > _N_ROWS else job
    batch = probe.micro_batch(sample, min(job.batch_size, sample.dataset.n_rows))
    updates = probe.take_step(job, probe.make_propagation(job, job.state.params), batch)
    for number, (weights, update) in enumerate(updates, start=1):
        if size := _rms(weights):
            yield RULES["first step"].check(_rms(update) / size, setup, number)
    penalty = max(float(job.spec.decay), float(job.spec.l1))
    finding = RULES["penalty"].check(penalty, setup)
    # The penalty is relative to the weight of the training data, which may be larger
    # than that of these rows.
    is_idle = setup.network.__sklearn_is_fitted__() and ratio <= RULES["constant"].high
    yield finding._replace(is_fault=finding.is_fault and not is_idle)


def _check_layers(setup: Setup, params: FloatArray) -> Iterator[Finding]:
    """Check units and gradients of the network with these parameters."""
    job = setup.job
    batch = probe.micro_batch(probe.subsample(job, _N_ROWS))
    activations, gradients = probe.make_propagation(job, params).observe(*batch)
    last = _rms(gradients[-1])
    for number, a in enumerate(activations, start=1):
        if a.shape[-1] > 1:
            dead = np.mean(np.min(a, axis=-1) == np.max(a, axis=-1))
            yield RULES["dead"].check(dead, setup, number)
        name = job.spec.activations[number - 1].name
        if name in ("tanh", "sigmoid"):
            a = 2 * a - 1 if name == "sigmoid" else a  # from (0, 1) to (-1, 1)
            share = np.mean(np.abs(a) > _SATURATED)
            yield RULES["saturated"].check(share, setup, number)
        if last:
            ratio = _rms(gradients[number - 1]) / last
            yield RULES["gradient"].check(ratio, setup, number)


def _check_results(setup: Setup, ratio: float, constant: float) -> Iterator[Finding]:
    """Check the loss, relative to that of a constant, and the learning curves."""
    network = setup.network
    losses = np.array(network.loss_curve_)
    if network.diverged_:
        finding = RULES["divergence"].check(network.n_iter_, setup)
        yield finding._replace(limit="never", is_fault=True)
    setup.has_learned = len(losses) > 0 and losses[-1] < constant / 2 < ratio * constant
    yield RULES["constant"].check(ratio, setup)
    setup.are_rows_other = False  # the following checks are about the training data
    # A loss far below that of a constant changes by large fractions of itself until the
    # end.
    size = np.maximum(np.abs(losses), constant if np.isfinite(constant) else 0)
    if len(losses) > 1:
        n_last = max(1, len(losses) // 10)
        fallen = (losses[-1 - n_last] - losses[-1]) / size[-1 - n_last]
        # Only training that used all its epochs needs more of them. Otherwise it
        # converged.
        is_cut = network._ended_by == "n_iter"
        yield RULES["falling"].check(fallen if is_cut else 0.0, setup)
    if len(losses) > 10:
        rises = np.diff(losses) > _RISE * size[:-1]
        yield RULES["rising"].check(np.mean(rises), setup)
    validation = np.array(network.validation_loss_curve_ or [np.nan], float)
    if np.isfinite(validation[-1]):
        lowest = np.nanmin(validation)
        above = (validation[-1] - lowest) / abs(lowest)
        finding = RULES["overfitting"].check(above, setup)
        yield finding._replace(is_fault=finding.is_fault and not network.restore_best)


def _share_of_identical_units(layer: FloatArray, next_layer: FloatArray) -> float:
    """Return the fraction of units that are copies of another unit.

    Identical units have the same incoming and outgoing weights, so they get the same
    gradient. Of n identical units, n - 1 are copies.
    """
    weights = np.hstack([layer, next_layer[:, :-1].T])
    weights = weights / (np.max(np.abs(weights)) or 1)  # to compare up to rounding
    return 1 - len(np.unique(np.round(weights, 9), axis=0)) / len(weights)


def _rms(values: FloatArray) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=float))))
