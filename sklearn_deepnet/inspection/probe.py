"""Watch a network without training it: what a fit would start from, on some rows."""

from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from .._engine import Batches, MicroBatch, ParameterUpdater, Propagation, cut_layers
from .._fitting.jobs import TrainingJob, join
from .._utils.sklearn_compat import remove_callbacks
from .._utils.typing import FloatArray
from ..estimators.base import BaseDeepNet
from ..estimators.pipelines import find_network
from ..nn.optimizers import LBFGS


def reach_network(estimator: Any, X: Any) -> tuple[BaseDeepNet, Any]:
    """Return the network in a pipeline, and X as it arrives there."""
    network = find_network(estimator)
    while isinstance(estimator, Pipeline):
        X = estimator[:-1].transform(X) if len(estimator) > 1 else X
        estimator = estimator.steps[-1][1]
    return network, X


def job_of(
    network: BaseDeepNet, X: Any, y: Any, sample_weight: Any = None
) -> TrainingJob:
    """Return what a fit from the start would have the engine do; train nothing."""
    twin = clone(network)
    remove_callbacks(twin)
    steps = twin._steps(X, y, sample_weight, (None, None, None), partial=False)
    job = next(steps)
    steps.close()
    return job


def params_of(network: BaseDeepNet, job: TrainingJob) -> FloatArray:
    """Return the parameters of a fitted network, else those that `job` starts from."""
    if not network.__sklearn_is_fitted__():
        return job.state.params
    if tuple(network._layer_sizes) != job.spec.layer_sizes:
        raise ValueError(
            f"X and y ask for a network of the layers {job.spec.layer_sizes}, but the "
            f"fitted one has {tuple(network._layer_sizes)}; give the data it was "
            "trained on."
        )
    return network._params


def block_of(job: TrainingJob, n_rows: int) -> MicroBatch:
    """Return the first rows as one block."""
    batch = next(iter(batches_of(job, n_rows, n_rows)))
    return batch.blocks[0](0)


def batches_of(job: TrainingJob, batch_size: int, block_size: int) -> Batches:
    """Return all rows, in their order."""
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


def on_some_rows(job: TrainingJob, most: int) -> TrainingJob:
    """Return a job with up to `most` of its rows, from all over."""
    rows = job.dataset.row_numbers()
    chosen = np.linspace(0, len(rows) - 1, min(len(rows), most)).astype(int)
    return replace(job, dataset=replace(job.dataset, rows=rows[chosen]))


def make_step(
    job: TrainingJob, propagation: Propagation, block: MicroBatch
) -> list[tuple[FloatArray, FloatArray]]:
    """Move the parameters of `job` by one step, in place.

    Returns
    -------
    moved : list of (weights, update)
        Of each layer, biases excepted, before the step; [] with L-BFGS, which has none.
    """
    spec, state = job.spec, job.state
    if isinstance(spec.optimizer, LBFGS):
        return []
    propagation.loss_and_gradient(*block)
    layers = cut_layers(spec.layer_sizes, state.params)
    before = [W[:, :-1].copy() for W in layers]
    stepper = ParameterUpdater(spec, state, propagation.gradient)
    stepper.start_epoch()
    stepper.step()
    return [(W, after[:, :-1] - W) for W, after in zip(before, layers, strict=True)]
