"""Training jobs: networks and their data, trained one by one or as a stack.

A stack is several networks of one architecture whose parameters are the rows of one
array, so that each NumPy call computes a layer of all of them.
"""

import inspect
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse, vstack
from sklearn.metrics import check_scoring

from .._engine import (
    Batches,
    Callback,
    Score,
    Threads,
    TrainingResult,
    TrainingSpec,
    TrainingState,
    ValidationSet,
    Watcher,
    one_blas_thread,
    rows_per_block,
    train,
    train_quasi_newton,
)
from .._utils.scores import find_scorer
from .._utils.typing import FloatArray
from .._utils.warnings import ignoring_undefined_metrics
from ..nn.optimizers import LBFGS
from ..nn.scaling import InputScaling
from .attributes import copy_attributes
from .dataset import Dataset, make_dense


@dataclass(frozen=True)
class TrainingJob:
    """One network and its data, ready to be trained.

    Parameters
    ----------
    spec : TrainingSpec
        Settings of training.
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
    on_epoch_end, on_rows : callable or None
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
    on_epoch_end: Callback | None = None
    on_rows: Watcher | None = None

    @property
    def n_bytes(self) -> int:
        """Size of the training rows while it waits, if no other network has the same.

        These are the rows of the caller, a copy to be shared, and the copy of a stack.
        """
        X = self.dataset.X
        n_bytes = X.shape[0] * X.shape[1] * X.dtype.itemsize
        if issparse(X):
            is_copied = self.dataset.is_made_dense
            return int(X.data.nbytes + X.indices.nbytes) + n_bytes * is_copied
        return 3 * n_bytes

    @property
    def stack_key(self) -> tuple[Any, ...]:
        """Key that is equal for jobs that can be trained as one stack."""
        spec, state, dataset = self.spec, self.state, self.dataset
        return (
            spec.layer_sizes,
            spec.n_frequencies,
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
        # A scorer requires an estimator, so it gets a shallow copy with these weights.
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
        raise ValueError(f"scoring must return a single number. Got {score!r} instead.")
    return float(array.item())


class JobResult(NamedTuple):
    """The outcome of a training job.

    Parameters
    ----------
    result : TrainingResult or None
        Result of training. None if an error was raised.
    error : BaseException or None
        An error of a function of the user, such as a scorer, or an interrupt before
        training.
    seconds : float
        Training time. The time of a stack is divided among its networks in proportion
        to their numbers of epochs.
    """

    result: TrainingResult | None
    error: BaseException | None
    seconds: float

    @property
    def interrupt(self) -> BaseException | None:
        """The Ctrl-C during training, or before it."""
        if self.result is not None:
            return self.result.interrupt
        return None if isinstance(self.error, Exception) else self.error

    def unwrap(self) -> TrainingResult:
        """Return the result, or raise the error."""
        if self.error is not None:
            raise self.error
        return self.result


# Set where tasks take turns. It trains the jobs of one task together with others.
gathering: ContextVar[Callable[[Sequence[TrainingJob]], list[JobResult]] | None]
gathering = ContextVar("gathering", default=None)


def train_job(job: TrainingJob) -> TrainingResult:
    """Train one network; within a task, together with those of other tasks."""
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
    # For small products, BLAS is slower with several threads, and their number changes
    # the last bits. Instead, our own threads divide the samples of large batches, if
    # all components treat each sample independently.
    with one_blas_thread() as n, Threads(n if spec.elementwise else 1) as threads:
        return make(
            spec,
            state,
            batches,
            first.n_iter,
            validation,
            first.on_epoch_end,
            threads,
            first.on_rows,
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
    is_sparse = dataset.input_scaling is None and dataset.stays_sparse
    return rows_per_block(job.spec.layer_sizes, is_sparse)


def join(
    datasets: Sequence[Dataset], *, trains: bool, batch_size: int, **options: Any
) -> Batches:
    """Return the mini-batches of one network, or of a stack with one dataset for each.

    Shared data are stored once: X and y if they are the same arrays, and weights and
    rows if they are equal.
    """
    first = datasets[0]
    # Weights are scaled to a mean of one. Their sum affects only the penalties.
    scales = [
        (it.n_rows / it.total_weight, *it.targets.scale_and_shift(trains))
        for it in datasets
    ]
    weight_scales, target_scales, target_shifts = zip(*scales, strict=True)
    n_target_rows = first.targets.n_target_rows
    # Different arrays are concatenated, and each network gets the indices of its rows.
    distinct = {_array_ids(dataset): dataset for dataset in datasets}
    ends = np.cumsum([len(dataset.target) for dataset in distinct.values()])
    starts = dict(zip(distinct, [0, *ends[:-1].tolist()], strict=True))
    offsets = [starts[_array_ids(dataset)] for dataset in datasets]
    rows = first.rows
    if len(distinct) > 1 or any(not _are_same_rows(it.rows, rows) for it in datasets):
        rows = np.stack(
            [k + it.row_indices() for k, it in zip(offsets, datasets, strict=True)]
        )
    X = _concatenate([dataset.X for dataset in distinct.values()])
    target = _concatenate([dataset.target for dataset in distinct.values()])
    weight = _join_weights(datasets, offsets, int(ends[-1]))
    if first.is_made_dense:
        X, target, weight, rows = make_dense(X, target, weight, rows)
    return Batches(
        X,
        target,
        weight,
        n_outputs=n_target_rows,
        batch_size=batch_size,
        rows=rows,
        weight_scale=_share_or_stack(weight_scales),
        target_scale=_share_or_stack(target_scales),
        target_shift=_share_or_stack(target_shifts),
        input_scaling=InputScaling.stack([it.input_scaling for it in datasets]),
        **options,
    )


def _array_ids(dataset: Dataset) -> tuple[int, int]:
    """Return a key that is equal for datasets on the same arrays."""
    return id(dataset.X), id(dataset.target)


def _are_same_rows(rows: Any, others: Any) -> bool:
    return rows is others or (
        rows is not None and others is not None and np.array_equal(rows, others)
    )


def _concatenate(arrays: Sequence[Any]) -> Any:
    """Return the arrays concatenated by rows; a single array is not copied."""
    if len(arrays) == 1:
        return arrays[0]
    if issparse(arrays[0]):
        return vstack(arrays, format="csr")
    return np.concatenate(arrays)


def _join_weights(
    datasets: Sequence[Dataset], offsets: Sequence[int], n_rows: int
) -> FloatArray | None:
    """Return the weights of the concatenated rows; None if all are one.

    Networks share a column unless some of them give the same rows different weights.
    """
    if all(dataset.weight is None for dataset in datasets):
        return None
    columns = {(k, id(it.weight)): it for k, it in zip(offsets, datasets, strict=True)}
    if len(columns) == len({*offsets}):
        return _concatenate([dataset.weight_column() for dataset in columns.values()])
    weight = np.zeros((len(datasets), n_rows, 1))
    for own, k, dataset in zip(weight, offsets, datasets, strict=True):
        own[k : k + len(dataset.target)] = dataset.weight_column()
    return weight


def _share_or_stack(values: Sequence[FloatArray | float]) -> FloatArray | float:
    """Return one value if all are equal, else a stack of them with two axes each."""
    first = values[0]
    if all(np.array_equal(value, first) for value in values):
        return first
    return np.stack([np.atleast_2d(value) for value in values])
