"""Jobs: networks that are ready to be trained, alone or as a stack."""

from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from .._engine.batches import Batches
from .._engine.early_stopping import Score, Validation
from .._engine.lbfgs import train_quasi_newton
from .._engine.network import rows_per_block
from .._engine.state import State
from .._engine.task import Task
from .._engine.threads import Threads, one_blas_thread
from .._engine.training import Outcome, Report, train
from .._utils.typing import FloatArray
from ..nn.optimizers import LBFGS
from .dataset import Sample


@dataclass(frozen=True)
class Job:
    """One network and its data, ready to be trained.

    Parameters
    ----------
    task : Task
        What is asked.
    state : State
        Where to start from; used up.
    sample : Sample
        The rows to train on.
    held_out : Sample or None
        The rows to monitor.
    score : callable ``(params) -> float``, or None
        How the rows held out are scored; None monitors their loss.
    batch_size : int
        Rows per step, at most.
    shuffle : bool
        Whether to draw an order for every pass.
    n_iter : int
        Passes.
    report : callable or None
        See `train`.
    """

    task: Task
    state: State
    sample: Sample
    held_out: Sample | None
    score: Score | None
    batch_size: int
    shuffle: bool
    n_iter: int
    report: Report | None

    @property
    def kind(self) -> tuple[Any, ...]:
        """What jobs must have in common to be trained as one stack."""
        task, state, sample, held_out = (
            self.task,
            self.state,
            self.sample,
            self.held_out,
        )
        return (
            task.layer_sizes,
            tuple(task.activations),
            task.loss,
            task.optimizer,
            self.batch_size,
            self.shuffle,
            self.n_iter,
            sample.n_rows,
            None if held_out is None else held_out.n_rows,
            self.score is None,
            (state.params.dtype, sample.X.dtype, sample.target.dtype),
            sample.target.shape[1:],
            (state.n_steps, state.n_passes, state.horizon),
            bool(np.isnan(state.first_loss)),
            state.best_params is None,
            state.sound_params is None,
        )


Steps: TypeAlias = Generator[Job, Outcome, None]


def carry_out(steps: Steps) -> None:
    """Train the network of `steps`, which pause where a job is to be done, if any."""
    job = next(steps, None)
    if job is None:
        return
    try:
        (outcome,) = train_jobs([job])
    except BaseException as error:
        steps.throw(error)
    else:
        go_on(steps, outcome)


def go_on(steps: Steps, outcome: Outcome) -> None:
    """Carry out the rest of `steps`, once the job is done."""
    with suppress(StopIteration):
        steps.send(outcome)


def train_jobs(jobs: Sequence[Job]) -> list[Outcome]:
    """Train one network; or a stack of them, to the same bits as one by one.

    Parameters
    ----------
    jobs : sequence of Job
        Several must be of one `kind`, with first-order solvers, dense X, and without
        reports.

    Returns
    -------
    outcomes : list of Outcome
        In the order of `jobs`.
    """
    first = jobs[0]
    task, state = first.task, first.state
    stack_shape: tuple[int, ...] = ()
    if len(jobs) > 1:
        task = Task.stack([job.task for job in jobs])
        state = State.stack([job.state for job in jobs])
        stack_shape = (len(jobs),)
    options = {
        "block_size": rows_per_block(task.layer_sizes),
        "dtype": state.params.dtype,
        "generators": state.generators,
        "stack_shape": stack_shape,
    }
    batches = join(
        [job.sample for job in jobs],
        trains=True,
        batch_size=first.batch_size,
        shuffle=first.shuffle,
        **options,
    )
    validation = None
    held_out = [job.held_out for job in jobs if job.held_out is not None]
    if held_out:
        rows = join(
            held_out,
            trains=False,
            batch_size=held_out[0].n_rows,
            shuffle=False,
            **options,
        )
        scores = [job.score for job in jobs if job.score is not None]
        validation = Validation(rows, scores or None)
    make = train_quasi_newton if isinstance(task.optimizer, LBFGS) else train
    with one_blas_thread() as n, Threads(n if task.is_ours else 1) as threads:
        return make(
            task, state, batches, first.n_iter, validation, first.report, threads
        )


def join(
    samples: Sequence[Sample], *, trains: bool, batch_size: int, **options: Any
) -> Batches:
    """Return batches of the rows that count, of one sample for each network.

    What networks have in common is there once: X and targets of samples that hold the
    same arrays, weights and rows if all have the same ones.
    """
    first = samples[0]
    tables = {_table(sample): sample for sample in samples}
    ends = np.cumsum([len(table.target) for table in tables.values()])
    starts = dict(zip(tables, [0, *ends[:-1].tolist()], strict=True))
    at = [starts[_table(sample)] for sample in samples]
    rows = first.rows
    if len(tables) > 1 or any(not _same(s.rows, rows) for s in samples):
        rows = np.stack(
            [k + s.counting_rows() for k, s in zip(at, samples, strict=True)]
        )
    maps = [sample.targets.map(trains) for sample in samples]
    return Batches(
        _pile([table.X for table in tables.values()]),
        _pile([table.target for table in tables.values()]),
        _weights(samples, at, int(ends[-1])),
        n_outputs=first.targets.n_outputs,
        batch_size=batch_size,
        rows=rows,
        weight_scale=_in_common([sample.n_rows / sample.total for sample in samples]),
        target_scale=_in_common([scale for scale, _ in maps]),
        target_shift=_in_common([shift for _, shift in maps]),
        **options,
    )


def _table(sample: Sample) -> tuple[int, int]:
    """Tell samples of other arrays apart."""
    return id(sample.X), id(sample.target)


def _same(rows: Any, others: Any) -> bool:
    return rows is others or (
        rows is not None and others is not None and np.array_equal(rows, others)
    )


def _pile(arrays: Sequence[FloatArray]) -> FloatArray:
    """Return arrays one below the other; one alone is not copied."""
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _weights(
    samples: Sequence[Sample], at: Sequence[int], n_rows: int
) -> FloatArray | None:
    """Return weights of all rows, as a column for each network if they differ."""
    if all(sample.weight is None for sample in samples):
        return None
    columns = {(k, id(s.weight)): s for k, s in zip(at, samples, strict=True)}
    if len(columns) == len({*at}):
        return _pile([sample.weight_column() for sample in columns.values()])
    weight = np.zeros((len(samples), n_rows, 1))
    for own, k, sample in zip(weight, at, samples, strict=True):
        own[k : k + len(sample.target)] = sample.weight_column()
    return weight


def _in_common(values: Sequence[FloatArray | float]) -> FloatArray | float:
    """Return what all have in common, or a stack of them, each of two axes."""
    first = values[0]
    if all(np.array_equal(value, first) for value in values):
        return first
    return np.stack([np.atleast_2d(value) for value in values])
