"""Access to a network for inspection: its training job, parameters and samples."""

from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from .._engine import (
    Batches,
    MicroBatch,
    Network,
    ParameterUpdater,
    Propagation,
    cut_layers,
)
from .._fitting.jobs import TrainingJob, join
from .._fitting.prepare import prepare
from .._fitting.scaling import (
    constant_inputs,
    constant_targets,
    scaling_of,
    silence_inputs,
    silence_outputs,
)
from .._fitting.targets import NumberTargets
from .._utils.sklearn_compat import remove_callbacks, set_all_params
from .._utils.typing import FloatArray
from ..estimators.base import BaseDeepNet
from ..estimators.fitted import network_of
from ..estimators.pipelines import find_network
from ..nn.optimizers import LBFGS


def network_and_input(estimator: Any, X: Any) -> tuple[BaseDeepNet, Any]:
    """Return the network of a pipeline, and X as transformed by the steps before it."""
    network = find_network(estimator)
    while isinstance(estimator, Pipeline):
        X = estimator[:-1].transform(X) if len(estimator) > 1 else X
        estimator = estimator.steps[-1][1]
    return network, X


def initial_job(
    network: BaseDeepNet, X: Any, y: Any, sample_weight: Any = None
) -> TrainingJob:
    """Return the training job of a new fit, without training.

    If the network is fitted, classes and scaling are those of the fit, since X and y
    may be other rows than the training data.
    """
    twin = clone(network)
    remove_callbacks(twin)
    if not network.__sklearn_is_fitted__():
        return prepare(twin, X, y, sample_weight).job
    known = vars(network)
    unscaled = {"input_scaling": None, "target_scaling": None, "early_stopping": False}
    unscaled = {k: v for k, v in unscaled.items() if hasattr(twin, k)}
    set_all_params(twin, **unscaled)
    classes = known.get("classes_")
    job = prepare(twin, X, y, sample_weight, partial=True, classes=classes).job
    layer_sizes = tuple(known["_layer_sizes"])
    if layer_sizes != job.spec.layer_sizes:
        raise ValueError(
            f"X and y require layers of sizes {job.spec.layer_sizes}, but the fitted "
            f"network has {layer_sizes}. Give data with the columns and classes of "
            "the training data."
        )
    initial = Network.from_spec(job.spec, job.state.params)
    silence_inputs(initial, constant_inputs(network))
    changes: dict[str, Any] = {"input_scaling": scaling_of(network)}
    if isinstance(job.dataset.targets, NumberTargets):
        silence_outputs(initial, constant_targets(network))
        changes["targets"] = replace(
            job.dataset.targets, mean=network.target_mean_, scale=network.target_scale_
        )
    return replace(job, dataset=replace(job.dataset, **changes))


def current_params(network: BaseDeepNet, job: TrainingJob) -> FloatArray:
    """Return the parameters of a fitted network, or else the initial ones of `job`."""
    if not network.__sklearn_is_fitted__():
        return job.state.params
    return network_of(network).params


def make_propagation(
    job: TrainingJob, params: FloatArray, *, trains: bool = True
) -> Propagation:
    """Return the propagation of the network of `job` with these parameters."""
    network = Network.from_spec(job.spec, params)
    return Propagation(network, job.spec.loss, trains=trains)


def micro_batch(job: TrainingJob, n_rows: int | None = None) -> MicroBatch:
    """Return the first rows, by default all rows, as one micro-batch."""
    n_rows = job.dataset.n_rows if n_rows is None else n_rows
    batch = next(iter(batches_in_order(job, n_rows, n_rows)))
    return batch.blocks[0](0)


def batches_in_order(job: TrainingJob, batch_size: int, block_size: int) -> Batches:
    """Return all rows in batches, not shuffled."""
    return join(
        [job.dataset],
        trains=True,
        batch_size=batch_size,
        block_size=block_size,
        shuffle=False,
        dtype=job.state.params.dtype,
        generators=[],
        stack_shape=(),
    )


def subsample(job: TrainingJob, max_rows: int) -> TrainingJob:
    """Return a copy of `job` with up to `max_rows` of its rows, evenly spaced."""
    rows = job.dataset.row_indices()
    # Not at random, so that each call uses the same rows, and all classes are
    # represented if rows are sorted by class.
    chosen = np.linspace(0, len(rows) - 1, min(len(rows), max_rows)).astype(int)
    return replace(job, dataset=replace(job.dataset, rows=rows[chosen]))


def take_step(
    job: TrainingJob, propagation: Propagation, batch: MicroBatch
) -> list[tuple[FloatArray, FloatArray]]:
    """Change the parameters of `job` in place, by one step of its optimizer.

    Returns
    -------
    updates : list of (weights, update)
        For each layer, the weights before the step and their change, without biases.
        Empty with L-BFGS, whose steps are line searches.
    """
    spec, state = job.spec, job.state
    if isinstance(spec.optimizer, LBFGS):
        return []
    propagation.loss_and_gradient(*batch)
    layers = cut_layers(spec.layer_sizes, state.params)
    before = [W[:, :-1].copy() for W in layers]
    updater = ParameterUpdater(spec, state, propagation.gradient)
    updater.start_epoch()
    updater.step()
    return [(W, after[:, :-1] - W) for W, after in zip(before, layers, strict=True)]
