"""Why a network does not learn: verdicts, each with its figure, limit and advice."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import issparse
from sklearn.utils.sparsefuncs import mean_variance_axis

from .._engine import Network, Propagation, one_blas_thread
from .._fitting.jobs import TrainingJob
from .._utils.typing import FloatArray
from ..estimators.base import BaseDeepNet
from .probe import (
    batches_of,
    block_of,
    job_of,
    make_step,
    on_some_rows,
    params_of,
    reach_network,
)
from .rules import RULES, Finding

__all__ = ["Diagnosis", "Finding", "diagnose"]

_N_ROWS = 1000  # that layers are watched on

_SATURATION = 0.97  # of the way to a bound, where the derivative is 6 % of its largest
_CONSTANT = 1e-8  # a standard deviation that is rounding, over the mean or the largest
_A_RISE = 0.01  # of the loss


@dataclass(frozen=True)
class Diagnosis:
    """All that was looked at; printed, a table and the advice.

    Parameters
    ----------
    findings : list of Finding
        Faults or not.
    """

    findings: list[Finding]

    @property
    def faults(self) -> list[Finding]:
        """The findings that are faults."""
        return [finding for finding in self.findings if finding.is_fault]

    def __str__(self) -> str:
        rows = [
            (
                "FAULT" if finding.is_fault else "ok",
                finding.where,
                finding.name,
                f"{finding.value:.3g}",
                finding.limit,
            )
            for finding in self.findings
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(
                cell.ljust(n) for cell, n in zip(row, widths, strict=True)
            ).rstrip()
            for row in rows
        ]
        places: dict[tuple[str, str, str], list[str]] = {}
        for fault in self.faults:
            told = fault.name, fault.advice, fault.source
            places.setdefault(told, []).append(fault.where)
        for (name, advice, source), where in places.items():
            lines.append(f"\n{', '.join(where)}: {name}.\n    {advice} ({source})")
        return "\n".join(lines)


def diagnose(
    estimator: Any, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
) -> Diagnosis:
    """Say what keeps a network from learning.

    Looked at are the inputs; of each hidden layer the units that are dead, saturated
    or identical to others, and the gradients that arrive; the size of the first step;
    and, once it is fitted, whether it diverged, is better than a constant, still
    learns, swings, or overfits.

    Parameters
    ----------
    estimator : DeepNetClassifier, DeepNetRegressor, or a pipeline that ends in one
        Fitted or not: then its initial weights are looked at. It is left as it is.
    X : array-like or sparse matrix of shape (n_samples, n_features)
        The training data. Layers are watched on up to 1000 rows of it.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        What is right.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights in training.

    Returns
    -------
    diagnosis : Diagnosis
        Print it, or go through its `faults`.

    Raises
    ------
    TypeError
        If there is no network in `estimator`.
    ValueError
        If X and y do not fit the network.

    Notes
    -----
    A limit is where experience begins to worry, not a law; each finding names its
    source.

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
    network, X = reach_network(estimator, X)
    job = job_of(network, X, y, sample_weight)
    is_fitted = network.__sklearn_is_fitted__()
    params = params_of(network, job)
    with np.errstate(all="ignore"), one_blas_thread():
        findings = [*_of_inputs(job), *_of_layers(job, params)]
        # A loss of zero, of a y that does not vary, is no measure
        n_outputs = job.spec.layer_sizes[-1]
        constant = _loss_of_constant(network, n_outputs, X, y, sample_weight) or np.inf
        start = _loss_at(job, job.state.params) / constant
        findings.append(RULES["first loss"].judge(start))
        findings += _of_first_step(job, float(network.learning_rate))
        if is_fitted:
            ratio = _loss_at(job, params) / constant
            findings += [RULES["constant"].judge(ratio), *_of_curves(network)]
    return Diagnosis(findings)


def _of_inputs(job: TrainingJob) -> Iterator[Finding]:
    X, _, _ = on_some_rows(job, _N_ROWS).dataset.rows_used()
    if issparse(X):
        mean, variance = mean_variance_axis(X.astype(float), axis=0)
    else:
        mean, variance = np.mean(X, axis=0, dtype=float), np.var(X, axis=0, dtype=float)
    yield RULES["largest input"].judge(np.sqrt(np.max(mean**2 + variance)))
    std = np.sqrt(variance)
    varies = std > _CONSTANT * np.maximum(np.abs(mean), std.max())
    if varies.any():
        spread = std[varies].max() / std[varies].min()
        yield RULES["spread of inputs"].judge(spread)


def _of_layers(job: TrainingJob, params: FloatArray) -> Iterator[Finding]:
    """Look at units and gradients, with these parameters."""
    spec = job.spec
    network = Network(spec.layer_sizes, spec.activations, params)
    some = on_some_rows(job, _N_ROWS)
    block = block_of(some, some.dataset.n_rows)
    activations, gradients = Propagation(network, spec.loss).observe(*block)
    last = _rms(gradients[-1])
    for number, a in enumerate(activations, start=1):
        dead = np.mean(np.min(a, axis=-1) == np.max(a, axis=-1))
        yield RULES["dead"].judge(dead, number)
        twins = _share_of_twins(*network.layers[number - 1 : number + 1])
        yield RULES["identical"].judge(twins, number)
        name = spec.activations[number - 1].name
        if name in ("tanh", "sigmoid"):
            a = 2 * a - 1 if name == "sigmoid" else a
            share = np.mean(np.abs(a) > _SATURATION)
            yield RULES["saturated"].judge(share, number)
        if last:
            ratio = _rms(gradients[number - 1]) / last
            yield RULES["gradient"].judge(ratio, number)


def _of_first_step(job: TrainingJob, learning_rate: float) -> Iterator[Finding]:
    """Make the first step, and compare it with the weights that it changes."""
    spec = job.spec
    network = Network(spec.layer_sizes, spec.activations, job.state.params)
    some = on_some_rows(job, _N_ROWS) if job.batch_size > _N_ROWS else job
    block = block_of(some, min(job.batch_size, some.dataset.n_rows))
    moved = make_step(job, Propagation(network, spec.loss), block)
    for number, (weights, update) in enumerate(moved, start=1):
        if size := _rms(weights):
            yield RULES["first step"].judge(
                _rms(update) / size, number, learning_rate=learning_rate
            )


def _of_curves(network: BaseDeepNet) -> Iterator[Finding]:
    losses = np.array(network.loss_curve_)
    told = {"learning_rate": float(network.learning_rate), "n_iter": network.n_iter}
    if network.diverged_:
        found = RULES["divergence"].judge(network.n_iter_, **told)
        yield found._replace(limit="never", is_fault=True)
    if len(losses) > 10:
        tenth = losses[-1 - len(losses) // 10 :]
        fallen = (tenth[0] - tenth[-1]) / abs(tenth[0])
        is_cut = network._ended_by == "n_iter"
        yield RULES["falling"].judge(fallen if is_cut else 0.0, **told)
        rises = np.diff(losses) > _A_RISE * np.abs(losses[:-1])
        yield RULES["rising"].judge(np.mean(rises), **told)
    validation = np.array(network.validation_loss_curve_ or [np.nan], float)
    if np.isfinite(validation[-1]):
        found = RULES["overfitting"].judge(validation[-1] / np.nanmin(validation) - 1)
        yield found._replace(is_fault=found.is_fault and not network.restore_best)


def _loss_of_constant(
    network: BaseDeepNet, n_outputs: int, X: Any, y: Any, sample_weight: Any
) -> float:
    """Return the loss of the best network that does not look at X."""
    same = ("loss", "class_weight", "label_smoothing", "target_scaling")
    options = {
        name: value for name, value in network.get_params().items() if name in same
    }
    # not by draws: one may be the best by chance, and a warning tell that nothing fell
    biases = np.arange(1.0, n_outputs + 1)
    options["init"] = [np.zeros((1, n_outputs)), biases]
    constant = type(network)((), solver="lbfgs", alpha=0, **options)
    nothing = np.zeros((np.shape(X)[0], 1))
    constant.fit(nothing, y, sample_weight)
    return _loss_at(job_of(constant, nothing, y, sample_weight), constant._params)


def _loss_at(job: TrainingJob, params: FloatArray) -> float:
    """Return the training loss of all rows, without penalties."""
    network = Network(job.spec.layer_sizes, job.spec.activations, params)
    propagation = Propagation(network, job.spec.loss, trains=False)
    (batch,) = batches_of(job, job.dataset.n_rows, _N_ROWS)
    loss = 0.0
    for read in batch.blocks:
        inputs, _, target, weight = read(0)
        loss += float(propagation.loss(inputs, target, weight))
    return loss


def _share_of_twins(layer: FloatArray, next_layer: FloatArray) -> float:
    """Return the share of units with the weights of another, in and out, but for it."""
    weights = np.hstack([layer, next_layer[:, :-1].T])
    weights = weights / (np.max(np.abs(weights)) or 1)
    return 1 - len(np.unique(np.round(weights, 9), axis=0)) / len(weights)


def _rms(values: FloatArray) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=float))))
