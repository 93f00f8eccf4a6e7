"""Jobs: networks that are ready to be trained, alone or as a stack."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import issparse

from .._engine import (
    Batches,
    Callback,
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
from .._utils.typing import FloatArray
from ..nn.optimizers import LBFGS
from .dataset import Dataset
from .parameters import resolve_hidden_layer_sizes, rows_per_batch

# Bytes of parameters and work arrays up to which a stack gains by another network:
# benchmarks/stacking.py. Beyond, it loses more to the cache than it saves in Python.
_WORKING_SET = 5 * 2**19


@dataclass(frozen=True)
class TrainingJob:
    """One network and its data, ready to be trained.

    Parameters
    ----------
    spec : TrainingSpec
        What is asked.
    state : TrainingState
        Where to start from; used up.
    dataset : Dataset
        The rows to train on.
    held_out : Dataset or None
        The rows to monitor.
    score : callable ``(params) -> float``, or None
        How the rows held out are scored; None monitors their loss.
    batch_size : int
        Rows per step, at most.
    shuffle : bool
        Whether to draw a new order of the samples in every epoch.
    n_iter : int
        Number of epochs.
    on_epoch_end : callable or None
        See `train`.
    """

    spec: TrainingSpec
    state: TrainingState
    dataset: Dataset
    held_out: Dataset | None
    score: Score | None
    batch_size: int
    shuffle: bool
    n_iter: int
    on_epoch_end: Callback | None

    @property
    def stack_key(self) -> tuple[Any, ...]:
        """What jobs must have in common to be trained as one stack."""
        spec, state, dataset, held_out = (
            self.spec,
            self.state,
            self.dataset,
            self.held_out,
        )
        return (
            spec.layer_sizes,
            tuple(spec.activations),
            spec.loss,
            spec.optimizer,
            self.batch_size,
            self.shuffle,
            self.n_iter,
            dataset.n_rows,
            None if held_out is None else held_out.n_rows,
            self.score is None,
            (state.params.dtype, dataset.X.dtype, dataset.target.dtype),
            dataset.target.shape[1:],
            (state.n_steps, state.n_epochs, state.horizon),
            bool(np.isnan(state.first_loss)),
            state.best_params is None,
            state.finite_params is None,
        )


def train_jobs(jobs: Sequence[TrainingJob]) -> list[TrainingResult]:
    """Train one network; or a stack of them, to the same bits as one by one.

    Parameters
    ----------
    jobs : sequence of TrainingJob
        Several must be of one `stack_key`, with first-order solvers, dense X, and
        without callbacks.

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
        "block_size": rows_per_block(spec.layer_sizes),
        "dtype": state.params.dtype,
        "generators": state.generators,
        "stack_shape": stack_shape,
    }
    held_out = [job.held_out for job in jobs if job.held_out is not None]
    batches = join(
        [job.dataset for job in jobs],
        trains=True,
        batch_size=first.batch_size,
        shuffle=first.shuffle,
        **options,
    )
    validation = None
    if held_out:
        rows = join(
            held_out,
            trains=False,
            batch_size=held_out[0].n_rows,
            shuffle=False,
            **options,
        )
        scores = [job.score for job in jobs if job.score is not None]
        validation = ValidationSet(rows, scores or None)
    make = train_quasi_newton if isinstance(spec.optimizer, LBFGS) else train
    with one_blas_thread() as n, Threads(n if spec.elementwise else 1) as threads:
        return make(
            spec, state, batches, first.n_iter, validation, first.on_epoch_end, threads
        )


def join(
    datasets: Sequence[Dataset], *, trains: bool, batch_size: int, **options: Any
) -> Batches:
    """Return batches of the rows that count, of one sample for each network.

    What networks have in common is there once: X and targets of samples that hold the
    same arrays, weights and rows if all have the same ones.
    """
    first = datasets[0]
    scales = [(it.n_rows / it.total, *it.targets.map(trains)) for it in datasets]
    weight_scales, target_scales, target_shifts = zip(*scales, strict=True)
    n_outputs = first.targets.n_outputs
    tables = {_table(dataset): dataset for dataset in datasets}
    ends = np.cumsum([len(table.target) for table in tables.values()])
    starts = dict(zip(tables, [0, *ends[:-1].tolist()], strict=True))
    at = [starts[_table(dataset)] for dataset in datasets]
    rows = first.rows
    if len(tables) > 1 or any(not _same(s.rows, rows) for s in datasets):
        rows = np.stack(
            [k + s.row_numbers() for k, s in zip(at, datasets, strict=True)]
        )
    return Batches(
        _pile([table.X for table in tables.values()]),
        _pile([table.target for table in tables.values()]),
        _weights(datasets, at, int(ends[-1])),
        n_outputs=n_outputs,
        batch_size=batch_size,
        rows=rows,
        weight_scale=_in_common(weight_scales),
        target_scale=_in_common(target_scales),
        target_shift=_in_common(target_shifts),
        **options,
    )


def _table(dataset: Dataset) -> tuple[int, int]:
    """Tell samples of other arrays apart."""
    return id(dataset.X), id(dataset.target)


def _same(rows: Any, others: Any) -> bool:
    return rows is others or (
        rows is not None and others is not None and np.array_equal(rows, others)
    )


def _pile(arrays: Sequence[FloatArray]) -> FloatArray:
    """Return arrays one below the other; one alone is not copied."""
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _weights(
    datasets: Sequence[Dataset], at: Sequence[int], n_rows: int
) -> FloatArray | None:
    """Return weights of all rows, as a column for each network if they differ."""
    if all(dataset.weight is None for dataset in datasets):
        return None
    columns = {(k, id(s.weight)): s for k, s in zip(at, datasets, strict=True)}
    if len(columns) == len({*at}):
        return _pile([dataset.weight_column() for dataset in columns.values()])
    weight = np.zeros((len(datasets), n_rows, 1))
    for own, k, dataset in zip(weight, at, datasets, strict=True):
        own[k : k + len(dataset.target)] = dataset.weight_column()
    return weight


def _in_common(values: Sequence[FloatArray | float]) -> FloatArray | float:
    """Return what all have in common, or a stack of them, each of two axes."""
    first = values[0]
    if all(np.array_equal(value, first) for value in values):
        return first
    return np.stack([np.atleast_2d(value) for value in values])


def size_of(job: TrainingJob) -> int:
    """Return how many like `job` to train at once."""
    datasets = job.dataset, job.held_out
    if any(dataset is not None and issparse(dataset.X) for dataset in datasets):
        return 1
    if not job.spec.elementwise:
        return 1
    itemsize = job.state.params.dtype.itemsize
    return stack_size(job.spec.layer_sizes, job.batch_size, itemsize)


def stack_size(layer_sizes: Sequence[int], n_rows: int, itemsize: int) -> int:
    """Return how many networks to train at once.

    Parameters
    ----------
    layer_sizes : sequence of int
        Inputs, units of each hidden layer, outputs.
    n_rows : int
        Rows in a step.
    itemsize : int
        Bytes of a number.
    """
    # ten arrays of the parameters: moments, gradient, scratch and so on; the inputs,
    # activations and their gradients, and the loss's scratch
    n_inputs, *hidden, n_outputs = layer_sizes
    n_units = n_inputs + 2 * sum(hidden) + 5 * n_outputs
    n_rows = min(n_rows, rows_per_block(layer_sizes))
    n_bytes = itemsize * (10 * count_params(layer_sizes) + n_rows * n_units)
    return max(1, _WORKING_SET // n_bytes)


def stack_size_of(network: Any, n_inputs: int, n_rows: int) -> int:
    """Return how many like `network` to train at once, as far as is known before."""
    try:
        hidden = resolve_hidden_layer_sizes(network.hidden_layer_sizes)
        n_rows = rows_per_batch(network, n_rows)
    except (TypeError, ValueError, OverflowError):  # which its fit will tell of
        return 1
    itemsize = 4 if network.dtype == "float32" else 8
    return stack_size((n_inputs, *hidden, 1), n_rows, itemsize)
