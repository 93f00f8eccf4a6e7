"""Tasks that take turns, so that the networks which they fit are trained as stacks.

A task is any function that fits networks, such as one fold of a cross-validation. Each
task runs in its own thread, but only one runs at a time. When ``fit`` has prepared a
network, its task waits until other tasks reach the same point. Then all waiting
networks are trained together, and each task continues with its own network. The
function itself can be anything, whether it is scikit-learn's or the user's.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from ..._utils.interrupts import deferred_interrupts, take_interrupts
from ..._utils.sharing import SharedWork, sharing
from .coroutines import (
    CannotStartError,
    Coroutine,
    CoroutineGroup,
    current_coroutine,
)
from .training import StackSummary, next_stack, train_stack

# Of training rows that the waiting tasks of a process may hold, by default
MAX_BYTES = 2**30
# Tasks that may wait at once, enough for several stacks of small networks. Each task
# needs a thread and holds its rows.
_MAX_WAITING = 256


class Cooperation:
    """Runs tasks in turns, and trains the networks for which they wait.

    Parameters
    ----------
    max_bytes : int
        How many bytes of training rows the waiting tasks may hold. One task may exceed
        it.
    summary : StackSummary
        Counts the networks; updated in place.
    before_training : callable or None, default=None
        Called before each stack is trained, since that may take long.
    """

    def __init__(
        self,
        max_bytes: int,
        summary: StackSummary,
        before_training: Callable[[], Any] | None = None,
    ) -> None:
        self.summary, self._before_training = summary, before_training
        self._max_bytes, self._max_waiting = max_bytes, _MAX_WAITING
        self._new: deque[Coroutine] = deque()
        self._ready: deque[tuple[Coroutine, Any]] = deque()
        self._waiting: list[Coroutine] = []
        self._shared = SharedWork(max_bytes // 4, copies=True)

    def run(
        self,
        functions: list[Callable[[], Any]],
        on_end: Callable[[int, Coroutine], None] | None = None,
        order: Sequence[int] | None = None,
    ) -> list[Coroutine]:
        """Call all functions, and return a task with the result of each.

        Parameters
        ----------
        functions : list of callable
            Called without arguments. The list is emptied, and each function is released
            when it has returned.
        on_end : callable ``(number, task) -> None``, or None
            Called whenever a function has returned.
        order : sequence of int or None
            The numbers of the functions in the order in which to begin them.

        Raises
        ------
        BaseException
            The error of the first function that raised one.
        """
        with deferred_interrupts(), sharing(self._shared):
            group = CoroutineGroup(self, functions, None, on_end)
            numbers = range(len(group.tasks)) if order is None else order
            self._new.extend(group.tasks[number] for number in numbers)
            try:
                while self._new or self._ready or self._waiting:
                    take_interrupts()
                    self._advance()
            finally:
                group.cancel_from(0)
        return group.check().tasks

    def run_nested(
        self,
        functions: list[Callable[[], Any]],
        on_end: Callable[[int, Coroutine], None] | None,
        parent: Coroutine,
    ) -> list[Coroutine]:
        """Do the same as `run` in the thread of a task, beside all other tasks."""
        group = CoroutineGroup(self, functions, parent, on_end)
        self._new.extendleft(reversed(group.tasks))
        parent.nested = group
        if group.tasks:
            parent.wait()
        return group.check().tasks

    def _advance(self) -> None:
        """Let one task run, or train a stack of waiting networks."""
        if self._ready:
            self._run(*self._ready.popleft())
        elif self._has_two_stacks():
            self._train(self._waiting[-1])
        elif self._new and self._has_space():
            self._begin(self._new.popleft())
        else:
            self._train(self._waiting[0])

    def _begin(self, task: Coroutine) -> None:
        """Let a new task run, or wait if there are too many threads."""
        try:
            self._run(task)
        except CannotStartError:
            if not self._waiting:
                raise
            self._max_waiting = len(self._waiting)
            self._new.appendleft(task)

    def _has_space(self) -> bool:
        """Return whether another task may begin before a stack is trained."""
        if not self._waiting:
            return True
        n_bytes = sum(it.n_bytes for task in self._waiting for it in task.networks)
        return n_bytes < self._max_bytes and len(self._waiting) < self._max_waiting

    def _has_two_stacks(self) -> bool:
        """Return whether enough networks like the last one are waiting.

        Enough is two stacks. After a single stack, the networks left over could be too
        few for another one.
        """
        networks = [it for task in self._waiting for it in task.networks]
        if not networks or len(networks) < 2 * networks[-1].max_size:
            return False
        last = networks[-1]
        return sum(it.key == last.key for it in networks) >= 2 * last.max_size

    def _run(self, task: Coroutine, answer: Any = None) -> None:
        if task.is_done:  # cancelled in the meantime
            return
        task.run(answer)
        if task.networks:
            self._waiting.append(task)
        if not task.is_done:
            return
        group, parent = task.group, task.group.parent
        group.end(task)
        if task.error is not None:
            self._waiting = [it for it in self._waiting if not it.is_done]
        if parent is not None:
            parent.credit += task.active + task.credit
            if group.is_done and not parent.is_done:
                self._ready.append((parent, None))

    def _train(self, task: Coroutine) -> None:
        """Train a stack of the first network of a task and of others like it."""
        pending = [
            (it, number)
            for it in self._waiting
            for number in range(len(it.networks))
            if number not in it.results
        ]
        pending.sort(key=lambda pair: pair[0] is not task)  # first those of the task
        networks = [it.networks[number] for it, number in pending]
        chosen = next_stack(networks)
        if self._before_training is not None:
            self._before_training()
        results = train_stack([networks[k] for k in chosen], self.summary)
        for k, result in zip(chosen, results, strict=True):
            it, number = pending[k]
            it.results[number] = result
            it.credit += result.seconds
        for it in [it for it in self._waiting if len(it.results) == len(it.networks)]:
            self._waiting.remove(it)
            answer = [it.results[number] for number in range(len(it.networks))]
            self._ready.append((it, answer))


def run_tasks(
    functions: list[Callable[[], Any]],
    max_bytes: int,
    summary: StackSummary,
    on_end: Callable[[int, Coroutine], None] | None = None,
    order: Sequence[int] | None = None,
    before_training: Callable[[], Any] | None = None,
) -> list[Coroutine]:
    """Call functions that fit networks, and train these as stacks.

    See `Cooperation` and its method `run`. If this is called within a task, the
    functions join the tasks that are running, with `max_bytes`, `summary` and
    `before_training` of the outer call.
    """
    parent = current_coroutine()
    if parent is not None:
        return parent.group.cooperation.run_nested(functions, on_end, parent)
    cooperation = Cooperation(max_bytes, summary, before_training)
    return cooperation.run(functions, on_end, order)
