"""Training of many networks, in stacks.

Training a small network is mostly Python overhead. A step of a stack, which is several
networks of one architecture, therefore takes little longer than a step of one network.
Jobs with the same `stack_key` are trained together. Each network is bit-for-bit
identical to training it alone.
"""

import time
from collections import Counter
from collections.abc import Iterable, Sequence

from ..._fitting.jobs import (
    JobResult,
    TrainingJob,
    gathering,
    train_jobs,
)
from ..._fitting.stack_size import max_stack_size_of_job
from ..._utils.interrupts import is_interrupt
from ...nn.optimizers import LBFGS

_NO_OTHER = "no similar network was waiting to be trained, or max_bytes was too small"


class StackSummary:
    """Counts the networks that were trained in stacks and those that were not.

    Attributes
    ----------
    stack_sizes : list of int
        Number of networks in each stack, in the order of training.
    alone : Counter
        Number of networks that were trained one by one, for each reason.
    """

    def __init__(self) -> None:
        self.stack_sizes: list[int] = []
        self.alone: Counter[str] = Counter()

    def add(self, other: "StackSummary") -> None:
        """Add the counts of another summary, in place.

        Parameters
        ----------
        other : StackSummary
            The summary of another process.
        """
        self.stack_sizes += other.stack_sizes
        self.alone += other.alone

    def __str__(self) -> str:
        n_networks, n_stacks = sum(self.stack_sizes), len(self.stack_sizes)
        stacks = "1 stack" if n_stacks == 1 else f"{n_stacks} stacks"
        parts = [f"{n_networks} networks were trained in {stacks}"]
        parts += [f"{n} alone, because {why}" for why, n in self.alone.most_common()]
        return "; ".join(parts) + "."


def find_interrupt(results: Iterable[JobResult]) -> BaseException | None:
    """Return the Ctrl-C that ended training, or None.

    Networks of a stack whose training had ended before do not have it.
    """
    return next((it.interrupt for it in results if it.interrupt is not None), None)


class Waiting:
    """A network that waits to be trained, and how it may be stacked.

    Parameters
    ----------
    job : TrainingJob
        The training job of the network.

    Attributes
    ----------
    why_alone : str
        Why the network has to be trained alone, or "" if it may be stacked.
    key : tuple or None
        Networks with equal keys can be trained as one stack. None if the network has to
        be trained alone.
    max_size : int
        Maximum number of networks of this size in a stack.
    n_bytes : int
        Size of the rows that are kept in memory while the network waits.
    """

    def __init__(self, job: TrainingJob) -> None:
        self.job, self.n_bytes = job, job.n_bytes
        self.max_size = max_stack_size_of_job(job)
        self.why_alone = _why_alone(job, self.max_size)
        self.key = None if self.why_alone else job.stack_key


def _why_alone(job: TrainingJob, max_size: int) -> str:
    """Return why a network has to be trained alone; "" if it may be stacked."""
    if isinstance(job.spec.optimizer, LBFGS):
        return "solver='lbfgs' cannot be stacked"
    if job.on_epoch_end is not None:
        return "verbose, callbacks or a checkpoint are used"
    # A user's own component may mix the networks of a stack, for example by a sum over
    # all axes.
    if not job.spec.elementwise:
        return "a loss, activation or optimizer is not declared element-wise"
    datasets = [it for it in (job.dataset, job.validation_set) if it is not None]
    if any(dataset.stays_sparse for dataset in datasets):
        return "X is sparse, with many columns and few stored values"
    if max_size == 1:
        return "the network or its mini-batch is too large for a stack to be faster"
    return ""


def train_all(jobs: Sequence[TrainingJob]) -> list[JobResult]:
    """Train networks in stacks; in a task, together with those of other tasks."""
    gather = gathering.get()
    return train_stacks([*map(Waiting, jobs)]) if gather is None else gather(jobs)


def train_stacks(
    networks: Sequence[Waiting], summary: StackSummary | None = None
) -> list[JobResult]:
    """Train networks, in stacks where that is faster.

    Parameters
    ----------
    networks : sequence of Waiting
        Networks of any kind, in any order.
    summary : StackSummary or None, default=None
        Counts the networks; updated in place.

    Returns
    -------
    outcomes : list of JobResult
        One for each network, in the same order.
    """
    summary = StackSummary() if summary is None else summary
    outcomes: dict[int, JobResult] = {}
    left = [*range(len(networks))]
    while left:
        numbers = [left[k] for k in next_stack([networks[k] for k in left])]
        found = train_stack([networks[k] for k in numbers], summary)
        outcomes.update(zip(numbers, found, strict=True))
        left = [k for k in left if k not in outcomes]
        interrupt = find_interrupt(found)
        if interrupt is not None:  # the other networks are left unchanged
            outcomes.update(dict.fromkeys(left, JobResult(None, interrupt, 0.0)))
            break
    return [outcomes[k] for k in range(len(networks))]


def next_stack(waiting: Sequence[Waiting]) -> list[int]:
    """Return the indices of the first network and of those to train with it."""
    first = waiting[0]
    if first.key is None:
        return [0]
    same = [k for k, it in enumerate(waiting) if it.key == first.key]
    # A stack whose work arrays exceed the cache is slower than two half stacks. Stacks
    # of equal size are best, since a small stack would gain little.
    n_stacks = -(-len(same) // first.max_size)
    return same[: -(-len(same) // n_stacks)]


def train_stack(networks: Sequence[Waiting], summary: StackSummary) -> list[JobResult]:
    """Train networks of one stack, or a single one, and count them in the summary."""
    if len(networks) > 1:
        summary.stack_sizes.append(len(networks))
    else:
        summary.alone[networks[0].why_alone or _NO_OTHER] += 1
    return _train([network.job for network in networks])


def _train(jobs: Sequence[TrainingJob]) -> list[JobResult]:
    """Train a stack; if it raises an error, train each of its networks alone.

    Errors come from functions of the user, such as a scorer. If the networks are
    trained alone, an error affects only one of them.
    """
    generators = [rng for job in jobs for rng in job.state.generators]
    drawn = [rng.get_state(legacy=False) for rng in generators]
    start = time.perf_counter()
    try:
        results = train_jobs(jobs)
    except Exception as error:
        if is_interrupt(error):
            raise
        if len(jobs) == 1:
            return [JobResult(None, error, time.perf_counter() - start)]
    else:
        # The 1 makes the sum positive.
        n_epochs = [len(result.losses) + 1 for result in results]
        unit = (time.perf_counter() - start) / sum(n_epochs)
        pairs = zip(results, n_epochs, strict=True)
        return [JobResult(result, None, unit * n) for result, n in pairs]
    for rng, state in zip(generators, drawn, strict=True):
        # Training has changed the generators of the jobs, but only copies of everything
        # else.
        rng.set_state(state)
    outcomes: list[JobResult] = []
    for job in jobs:
        interrupt = find_interrupt(outcomes)
        untrained = [JobResult(None, interrupt, 0.0)]
        outcomes += _train([job]) if interrupt is None else untrained
    return outcomes
