"""Find out why a network does not learn: measure, compare with limits, advise."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import issparse
from sklearn.utils.sparsefuncs import mean_variance_axis

from .._engine import cut_layers, one_blas_thread
from .._fitting.convergence import loss_of_constant
from .._fitting.jobs import TrainingJob, data_loss
from .._utils.lookup import look_up
from .._utils.typing import FloatArray
from ..estimators.base import BaseDeepNet
from ..nn.losses import LOSSES
from . import probe
from .rendering import table_lines
from .rules import RULES, Finding

__all__ = ["Diagnosis", "Finding", "diagnose"]

_N_ROWS = 1000  # on which layers are checked

# An activation at 0.97 of its bound has 6 % of its largest derivative.
_SATURATED = 0.97
# A feature is constant if its standard deviation is at most this share of its mean, or
# of the largest standard deviation: that much is rounding.
_CONSTANT = 1e-8
_RISE = 0.01  # of the loss, in one epoch


@dataclass(frozen=True)
class Diagnosis:
    """Result of `diagnose`. Print it for a table of all checks, with advice.

    Parameters
    ----------
    findings : list of Finding
        The results of all checks, faults or not.
    """

    findings: list[Finding]

    @property
    def faults(self) -> list[Finding]:
        """The findings that are faults."""
        return [finding for finding in self.findings if finding.is_fault]

    def __str__(self) -> str:
        rows = [
            (
                "FAULT" if f.is_fault else "ok",
                f.where,
                f.name,
                f"{f.value:.3g}",
                f.limit,
            )
            for f in self.findings
        ]
        lines = table_lines(rows, align="<")
        layers: dict[tuple[str, str, str], list[str]] = {}
        for fault in self.faults:
            key = fault.name, fault.advice, fault.source
            layers.setdefault(key, []).append(fault.where)
        for (name, advice, source), where in layers.items():
            lines.append(f"\n{', '.join(where)}: {name}.\n    {advice} ({source})")
        return "\n".join(lines)


def diagnose(
    estimator: Any, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
) -> Diagnosis:
    """Check a network for faults that prevent it from learning.

    Checked are the inputs; in each hidden layer the units that are dead, saturated or
    identical to others, and the size of the gradients; the size of the first step;
    and, if the network is fitted, whether it diverged, is better than a constant, is
    still learning, oscillates, or overfits.

    Parameters
    ----------
    estimator : DeepNetClassifier, DeepNetRegressor, or a pipeline that ends in one
        Fitted, or not, in which case its initial weights are checked. It is not
        changed.
    X : array-like or sparse matrix of shape (n_samples, n_features)
        The training data. Layers are checked on up to 1000 rows of it.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        True labels or targets.
    sample_weight : array-like of shape (n_samples,), default=None
        Sample weights of the training.

    Returns
    -------
    diagnosis : Diagnosis
        Print it, or read its `faults`.

    Raises
    ------
    TypeError
        If there is no network in `estimator`.
    ValueError
        If X and y do not fit the network.

    Notes
    -----
    Limits are rules of thumb, not laws; each finding names its source.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_deepnet import DeepNetClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> net = DeepNetClassifier((5,), init="zeros", bias_init="zeros", n_iter=50,
    ...                         tol=None, random_state=0)
    >>> for fault in diagnose(net.fit(X, y), X, y).faults:
    ...     print(fault.where, "-", fault.name)
    layer 1 - dead units, share
    layer 1 - identical units, share
    layer 1 - gradient, over the last layer's
    network - loss, over the best constant's
    """
    network, X = probe.network_and_input(estimator, X)
    job = probe.initial_job(network, X, y, sample_weight)
    params = probe.current_params(network, job)
    with np.errstate(all="ignore"), one_blas_thread():
        findings = [*_check_inputs(job), *_check_layers(job, params)]
        # The loss is zero if y is constant: nothing can be compared with it.
        loss = look_up(LOSSES, network.loss, "loss")
        out_activation = job.dataset.targets.name_out_activation(loss)
        constant = loss_of_constant(job.dataset, job.spec.loss, out_activation)
        constant = constant or np.inf
        start = data_loss(job, job.state.params) / constant
        findings.append(RULES["first loss"].check(start))
        findings += _check_first_step(job, float(network.learning_rate))
        if network.__sklearn_is_fitted__():
            ratio = data_loss(job, params) / constant
            findings += [RULES["constant"].check(ratio), *_check_curves(network)]
    return Diagnosis(findings)


def _check_inputs(job: TrainingJob) -> Iterator[Finding]:
    dataset = probe.subsample(job, _N_ROWS).dataset
    X, _, _ = dataset.rows_used()
    if dataset.input_scaling is not None:
        X, X_raw = np.empty(X.shape), X
        dataset.input_scaling.apply(X_raw, X)
    if issparse(X):
        mean, variance = mean_variance_axis(X.astype(float), axis=0)
    else:
        mean, variance = np.mean(X, axis=0, dtype=float), np.var(X, axis=0, dtype=float)
    yield RULES["largest input"].check(np.sqrt(np.max(mean**2 + variance)))
    std = np.sqrt(variance)
    varies = std > _CONSTANT * np.maximum(np.abs(mean), std.max())
    if varies.any():
        spread = std[varies].max() / std[varies].min()
        yield RULES["spread of inputs"].check(spread)


def _check_layers(job: TrainingJob, params: FloatArray) -> Iterator[Finding]:
    """Check units and gradients at these parameters."""
    spec = job.spec
    layers = cut_layers(spec.layer_sizes, params)
    batch = probe.micro_batch(probe.subsample(job, _N_ROWS))
    activations, gradients = probe.make_propagation(job, params).observe(*batch)
    last = _rms(gradients[-1])
    for number, a in enumerate(activations, start=1):
        dead = np.mean(np.min(a, axis=-1) == np.max(a, axis=-1))
        yield RULES["dead"].check(dead, number)
        identical = _share_of_identical_units(*layers[number - 1 : number + 1])
        yield RULES["identical"].check(identical, number)
        name = spec.activations[number - 1].name
        if name in ("tanh", "sigmoid"):
            a = 2 * a - 1 if name == "sigmoid" else a  # from (0, 1) to (-1, 1)
            share = np.mean(np.abs(a) > _SATURATED)
            yield RULES["saturated"].check(share, number)
        if last:
            ratio = _rms(gradients[number - 1]) / last
            yield RULES["gradient"].check(ratio, number)


def _check_first_step(job: TrainingJob, learning_rate: float) -> Iterator[Finding]:
    """Make the first step, and compare it with the weights that it changes."""
    sample = probe.subsample(job, _N_ROWS) if job.batch_size > _N_ROWS else job
    batch = probe.micro_batch(sample, min(job.batch_size, sample.dataset.n_rows))
    updates = probe.take_step(job, probe.make_propagation(job, job.state.params), batch)
    for number, (weights, update) in enumerate(updates, start=1):
        if size := _rms(weights):
            yield RULES["first step"].check(
                _rms(update) / size, number, learning_rate=learning_rate
            )


def _check_curves(network: BaseDeepNet) -> Iterator[Finding]:
    losses = np.array(network.loss_curve_)
    details = {"learning_rate": float(network.learning_rate), "n_iter": network.n_iter}
    if network.diverged_:
        finding = RULES["divergence"].check(network.n_iter_, **details)
        yield finding._replace(limit="never", is_fault=True)
    if len(losses) > 10:
        tenth = losses[-1 - len(losses) // 10 :]
        fallen = (tenth[0] - tenth[-1]) / abs(tenth[0])
        # Only training that ran out of epochs needs more of them; others had converged.
        is_cut = network._ended_by == "n_iter"
        yield RULES["falling"].check(fallen if is_cut else 0.0, **details)
        rises = np.diff(losses) > _RISE * np.abs(losses[:-1])
        yield RULES["rising"].check(np.mean(rises), **details)
    validation = np.array(network.validation_loss_curve_ or [np.nan], float)
    if np.isfinite(validation[-1]):
        finding = RULES["overfitting"].check(validation[-1] / np.nanmin(validation) - 1)
        yield finding._replace(is_fault=finding.is_fault and not network.restore_best)


def _share_of_identical_units(layer: FloatArray, next_layer: FloatArray) -> float:
    """Return the share of units that copy another one.

    Identical units have the same incoming and outgoing weights, so they get the same
    gradient. Of n identical units, n - 1 are copies.
    """
    weights = np.hstack([layer, next_layer[:, :-1].T])
    weights = weights / (np.max(np.abs(weights)) or 1)  # to compare up to rounding
    return 1 - len(np.unique(np.round(weights, 9), axis=0)) / len(weights)


def _rms(values: FloatArray) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=float))))
