"""Training jobs: networks and their data, trained one by one or as a stack.

A stack is several networks of one architecture whose parameters are the rows of one
array, so that each NumPy call computes a layer of all of them.
"""

import inspect
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse
from sklearn.metrics import check_scoring

from .._engine import (
    Callback,
    Network,
    Propagation,
    Score,
    Threads,
    TrainingResult,
    TrainingSpec,
    TrainingState,
    ValidationSet,
    count_params,
    one_blas_thread,
    rows_per_block,
    train,
    train_quasi_newton,
)
from .._utils.scores import find_scorer
from .._utils.typing import FloatArray
from .._utils.warnings import ignoring_undefined_metrics
from ..nn.optimizers import LBFGS
from .attributes import copy_attributes
from .dataset import Dataset
from .joining import join

# Bytes of parameters and work arrays up to which another network makes a stack more
# efficient. A larger stack loses more to cache misses than it saves in calls from
# Python; benchmarks/stacking.py measures where that begins.
_WORKING_SET = 5 * 2**19


@dataclass(frozen=True)
class TrainingJob:
    """One network and its data, ready to be trained.

    Parameters
    ----------
    spec : TrainingSpec
        What does not change during training.
    state : TrainingState
        The state to start from; training overwrites it.
    dataset : Dataset
        The training set.
    validation_set : Dataset or None
        The samples to monitor; None monitors the training loss.
    score : callable ``(params) -> float``, or None
        The score to monitor on the validation set; None monitors its loss.
    batch_size : int
        Mini-batch size.
    shuffle : bool
        Whether to draw a new order of the samples in every epoch.
    n_iter : int
        Maximum number of epochs.
    on_epoch_end : callable or None
        See `train`.
    """

    spec: TrainingSpec
    state: TrainingState
    dataset: Dataset
    validation_set: Dataset | None
    score: Score | None
    batch_size: int
    shuffle: bool
    n_iter: int
    on_epoch_end: Callback | None

    @property
    def n_bytes(self) -> int:
        """Size of the training rows: those of its caller, and the copy of a stack."""
        X = self.dataset.X
        n_bytes = X.shape[0] * X.shape[1] * X.dtype.itemsize
        if issparse(X):
            is_copied = self.dataset.is_made_dense
            return int(X.data.nbytes + X.indices.nbytes) + n_bytes * is_copied
        return 2 * n_bytes

    @cached_property
    def stack_key(self) -> tuple[Any, ...]:
        """Key that is equal for jobs that can be trained as one stack."""
        spec, state, dataset = self.spec, self.state, self.dataset
        return (
            spec.layer_sizes,
            tuple(spec.activations),
            spec.loss,
            spec.optimizer,
            self.batch_size,
            self.shuffle,
            self.n_iter,
            dataset.n_rows,
            self.validation_set and self.validation_set.n_rows,
            self.score is None,
            (state.params.dtype, dataset.X.dtype, dataset.target.dtype),
            dataset.target.shape[1:],
            dataset.is_made_dense,
            self.validation_set and self.validation_set.is_made_dense,
            dataset.input_scaling and dataset.input_scaling.squashes,
            (state.n_steps, state.n_epochs, state.horizon),
            bool(np.isnan(state.first_loss)),
            state.best_params is None,
            state.finite_params is None,
        )


def make_score(estimator: Any, validation_set: Dataset) -> Score | None:
    """Return a function ``(params) -> score``; None if the loss is monitored."""
    if estimator.scoring is None:
        return None
    scoring = estimator.scoring
    scorer = find_scorer(scoring) or check_scoring(estimator, scoring=scoring)
    X, y, weight = validation_set.rows_used()
    weighs = "sample_weight" in inspect.signature(scorer).parameters
    last_score = 1.0
    options = {"sample_weight": weight} if weighs and weight is not None else {}

    def score(params: FloatArray) -> float:
        # A scorer takes an estimator, so it gets a shallow copy with these weights.
        scored = copy_attributes(estimator)
        scored._params = params
        vars(scored).pop("feature_names_in_", None)  # X has been checked already
        nonlocal last_score
        with ignoring_undefined_metrics(last_score == 0 or np.isnan(last_score)):
            last_score = _as_number(scorer(scored, X, y, **options))
        return last_score

    return score


def _as_number(score: Any) -> float:
    """Return what a scorer has returned as a float, or raise if it is no number."""
    array = np.asarray(score)
    if array.size != 1 or array.dtype.kind not in "biuf":
        raise ValueError(
            f"The scorer returned {score!r}, but scoring has to return a number."
        )
    return float(array.item())


class JobResult(NamedTuple):
    """What became of a training job.

    Parameters
    ----------
    result : TrainingResult or None
        None after an error.
    error : BaseException or None
        Of a function of the user's, such as a scorer, or an interrupt before training.
    seconds : float
        The time of a stack is divided among its networks in proportion to their numbers
        of epochs.
    """

    result: TrainingResult | None
    error: BaseException | None
    seconds: float

    def unwrap(self) -> TrainingResult:
        """Return the result, or raise the error."""
        if self.error is not None:
            raise self.error
        return self.result


# Set where tasks take turns: trains the jobs of one task beside those of others.
gathering: ContextVar[Callable[[Sequence[TrainingJob]], list[JobResult]] | None]
gathering = ContextVar("gathering", default=None)


def train_job(job: TrainingJob) -> TrainingResult:
    """Train one network, in a task beside those of other tasks."""
    gather = gathering.get()
    (result,) = train_jobs([job]) if gather is None else gather([job])
    return result if gather is None else result.unwrap()


def train_jobs(jobs: Sequence[TrainingJob]) -> list[TrainingResult]:
    """Train one network, or several networks as one stack.

    The results of a stack are bit-for-bit identical to training one by one.

    Parameters
    ----------
    jobs : sequence of TrainingJob
        One job; or several jobs with equal `stack_key`, a first-order solver, no
        callback, and X that is dense or made dense.

    Returns
    -------
    results : list of TrainingResult
        In the order of `jobs`.
    """
    first = jobs[0]
    spec, state = first.spec, first.state
    stack_shape: tuple[int, ...] = ()
    if len(jobs) > 1:
        spec = TrainingSpec.stack([job.spec for job in jobs])
        state = TrainingState.stack([job.state for job in jobs])
        stack_shape = (len(jobs),)
    options = {
        "dtype": state.params.dtype,
        "generators": state.generators,
        "stack_shape": stack_shape,
    }
    validation = _join_validation_sets(jobs, **options)
    batches = join(
        [job.dataset for job in jobs],
        trains=True,
        batch_size=first.batch_size,
        block_size=_block_size(first, first.dataset),
        shuffle=first.shuffle,
        **options,
    )
    make = train_quasi_newton if isinstance(spec.optimizer, LBFGS) else train
    # BLAS is slower on small products with several threads, and their number changes
    # the last bits. Our own threads share out the samples of large batches instead, if
    # all components are known to treat each sample by itself.
    with one_blas_thread() as n, Threads(n if spec.elementwise else 1) as threads:
        return make(
            spec, state, batches, first.n_iter, validation, first.on_epoch_end, threads
        )


def _join_validation_sets(
    jobs: Sequence[TrainingJob], **options: Any
) -> ValidationSet | None:
    """Return what the jobs monitor; None if that is their training losses."""
    datasets = [it.validation_set for it in jobs if it.validation_set is not None]
    if not datasets:
        return None
    batches = join(
        datasets,
        trains=False,
        batch_size=datasets[0].n_rows,
        block_size=_block_size(jobs[0], datasets[0]),
        shuffle=False,
        **options,
    )
    scores = [job.score for job in jobs if job.score is not None]
    return ValidationSet(batches, scores or None)


def _block_size(job: TrainingJob, dataset: Dataset) -> int:
    stays_sparse = issparse(dataset.X) and not dataset.is_made_dense
    is_sparse = stays_sparse and dataset.input_scaling is None
    return rows_per_block(job.spec.layer_sizes, is_sparse)


def data_loss(job: TrainingJob, params: FloatArray) -> float:
    """Return the training loss of all rows, without penalties and dropout."""
    spec, n_rows = job.spec, job.dataset.n_rows
    network = Network(spec.layer_sizes, spec.activations, params)
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


def max_stack_size_of_job(job: TrainingJob) -> int:
    """Return how many networks like that of `job` to train in one stack."""
    datasets = [it for it in (job.dataset, job.validation_set) if it is not None]
    if any(issparse(it.X) and not it.is_made_dense for it in datasets):
        return 1
    # A user's own component may mix the networks of a stack, by a sum over all axes.
    if not job.spec.elementwise:
        return 1
    itemsize = job.state.params.dtype.itemsize
    return max_stack_size(job.spec.layer_sizes, job.batch_size, itemsize)


def max_stack_size(layer_sizes: Sequence[int], n_rows: int, itemsize: int) -> int:
    """Return how many networks fit into the working set of one stack, at least 1.

    Parameters
    ----------
    layer_sizes : sequence of int
        Inputs, units of each hidden layer, outputs.
    n_rows : int
        Mini-batch size.
    itemsize : int
        Bytes of a number.
    """
    # Ten arrays have the size of the parameters: moments, gradient, scratch and so on.
    # For each sample there are its inputs, the activations and their gradients, and the
    # scratch arrays of the loss.
    n_inputs, *hidden, n_outputs = layer_sizes
    n_units = n_inputs + 2 * sum(hidden) + 5 * n_outputs
    n_rows = min(n_rows, rows_per_block(layer_sizes))
    n_bytes = itemsize * (10 * count_params(layer_sizes) + n_rows * n_units)
    return max(1, _WORKING_SET // n_bytes)
