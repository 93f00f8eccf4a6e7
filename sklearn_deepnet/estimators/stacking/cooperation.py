"""Tasks that take turns, so that the networks which they fit are trained as stacks.

A task is any function that fits networks somewhere inside, such as one fold of a
cross-validation. Each runs in a thread of its own, but only one at a time. When ``fit``
has prepared a network, its task waits there while others come to the same point. Then
all networks that wait are trained together, and each task continues with its own. So
nothing has to be known about the function, which may be scikit-learn's or the user's.
"""

import ctypes
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import ContextVar, copy_context
from typing import Any, Self

from sklearn import get_config, set_config

from ..._fitting.jobs import (
    JobResult,
    TrainingJob,
    gathering,
    max_stack_size_of_job,
)
from ..._utils.sharing import SharedWork, sharing
from .training import (
    StackSummary,
    next_stack,
    numbers_like,
    train_stack,
    train_stacks,
    why_not_stacked,
)

# Tasks that wait at once: enough for several stacks of small networks. Each is a
# thread, and holds its rows.
_MAX_WAITING = 256

_current: ContextVar["Coroutine | None"] = ContextVar("current", default=None)


class _Cancelled(BaseException):
    """Raised in a waiting task that is not to continue."""


class Coroutine:
    """A function that runs in a thread of its own while all other tasks wait.

    Parameters
    ----------
    function : callable
        Called without arguments.
    group : TaskGroup
        The tasks that were added together with this one.
    number : int
        Its index in the group.

    Attributes
    ----------
    result, error : object
        What the function returned or raised, if `is_done`.
    jobs : sequence of TrainingJob
        The networks that it waits for.
    outcomes : dict of int to JobResult
        Of those that have been trained, by their numbers.
    nested : TaskGroup or None
        The tasks that it waits for.
    waited : float
        Seconds in which it did not run.
    credit : float
        Seconds of other work on its behalf: its share of the training of stacks.
    """

    def __init__(
        self, function: Callable[[], Any], group: "TaskGroup", number: int
    ) -> None:
        self.group, self.number = group, number
        self.result: Any = None
        self.error: BaseException | None = None
        self.is_done = False
        self.jobs: Sequence[TrainingJob] = ()
        self.outcomes: dict[int, JobResult] = {}
        self.nested: TaskGroup | None = None
        self.waited = self.credit = self.active = 0.0
        self._function: Callable[[], Any] | None = function
        self._answer: Any = None
        self._config, self._context = get_config(), copy_context()
        self._filters = _get_filters()
        self._turn, self._turn_back = threading.Semaphore(0), threading.Semaphore(0)
        self._thread: threading.Thread | None = None

    @property
    def is_started(self) -> bool:
        """Whether the function has been called."""
        return self._thread is not None

    def run(self, answer: Any = None) -> None:
        """Let the task run until it waits or is done.

        Parameters
        ----------
        answer : object
            What its call of `wait` returns, or raises if it is an exception.
        """
        self._answer, start = answer, time.perf_counter()
        with warnings.catch_warnings():
            _set_filters(self._filters)
            try:
                if self._thread is None:
                    self._thread = threading.Thread(
                        target=self._context.run, args=(self._main,), daemon=True
                    )
                    self._thread.start()
                else:
                    self._turn.release()
                self._turn_back.acquire()
            except BaseException:  # Ctrl-C reaches the main thread, not this task's
                self._interrupt()
                raise
            finally:
                self._filters = _get_filters()
        self.active += time.perf_counter() - start
        if self.is_done:
            self._thread.join()

    def wait(self) -> Any:
        """Return, in the task's thread, what the next call of `run` gives it."""
        start = time.perf_counter()
        self._turn_back.release()
        self._turn.acquire()
        self.waited += time.perf_counter() - start
        self.jobs, self.outcomes, self.nested = (), {}, None
        answer, self._answer = self._answer, None
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def cancel(self) -> None:
        """End the task, and those that it waits for, so that no thread is left."""
        if self.nested is not None:
            self.nested.cancel_from(0)
        while self.is_started and not self.is_done:
            self.run(_Cancelled())
        if not self.is_started:
            self._function, self.is_done = None, True

    def _main(self) -> None:
        set_config(**self._config)  # which each thread has its own of
        _current.set(self)
        gathering.set(self._gather)
        try:
            self.result = self._function()
        except BaseException as error:
            self.error = error
        finally:
            self._function, self.is_done = None, True
            self._turn_back.release()

    def _gather(self, jobs: Sequence[TrainingJob]) -> list[JobResult]:
        """Return the outcomes of training the jobs beside those of other tasks."""
        summary = self.group.cooperation.summary
        alone = [why_not_stacked(job) for job in jobs]
        if all(alone):  # large networks are in memory one at a time
            return train_stacks(jobs, summary)
        self.jobs = jobs
        return self.wait()

    def _interrupt(self) -> None:
        """Raise a KeyboardInterrupt where the task is, and wait until it has ended."""
        if self._thread is None or self._thread.ident is None:
            return  # it could not be started
        thread, error = ctypes.c_ulong(self._thread.ident), KeyboardInterrupt
        is_running = True
        while is_running:
            try:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    thread, ctypes.py_object(error)
                )
                is_running = not self._turn_back.acquire(timeout=1)
            except KeyboardInterrupt:
                continue  # once more
        self.cancel()  # it may have come to wait in the meantime


def _get_filters() -> tuple[Any, ...]:
    """Return what `warnings.catch_warnings` changes, for the whole process."""
    show = getattr(warnings, "_showwarnmsg_impl", None)
    return warnings.filters, warnings.showwarning, show


def _set_filters(filters: tuple[Any, ...]) -> None:
    """Set what `_get_filters` returned, within `warnings.catch_warnings`."""
    warnings.filters, warnings.showwarning, show = filters
    if show is not None:
        warnings._showwarnmsg_impl = show
    with warnings.catch_warnings():  # which lets Python see that filters have changed
        pass


class TaskGroup:
    """Tasks of one call, which ends when all of them have ended.

    Parameters
    ----------
    cooperation : Cooperation
        Runs them.
    functions : list of callable
        Called without arguments; emptied.
    parent : Coroutine or None
        The task that waits for them.
    on_end : callable ``(number, task) -> None``, or None
        Called whenever a task has ended without an error.
    """

    def __init__(
        self,
        cooperation: "Cooperation",
        functions: list[Callable[[], Any]],
        parent: Coroutine | None,
        on_end: Callable[[int, Coroutine], None] | None,
    ) -> None:
        self.cooperation, self.parent, self._on_end = cooperation, parent, on_end
        self.tasks = [
            Coroutine(it, self, number) for number, it in enumerate(functions)
        ]
        functions.clear()

    @property
    def is_done(self) -> bool:
        """Whether all tasks have ended."""
        return all(task.is_done for task in self.tasks)

    def end(self, task: Coroutine) -> None:
        """Take note that a task has ended."""
        if task.error is None:
            if self._on_end is not None:
                self._on_end(task.number, task)
        elif isinstance(task.error, Exception):
            # Run one after the other, those before it would still have been run.
            self.cancel_from(task.number + 1)
        else:
            raise task.error

    def cancel_from(self, number: int) -> None:
        """End all tasks from this one on."""
        for task in self.tasks[number:]:
            task.cancel()

    def check(self) -> Self:
        """Raise the error of the first task that has one."""
        for task in self.tasks:
            if task.error is not None:
                raise task.error
        return self


class Cooperation:
    """Runs tasks in turns, and trains the networks that they wait for.

    Parameters
    ----------
    max_bytes : int
        How many bytes of training rows the waiting tasks may hold. One task runs in any
        case.
    summary : StackSummary
        Counts networks, in place.
    """

    def __init__(self, max_bytes: int, summary: StackSummary) -> None:
        self.summary = summary
        self._max_bytes = max_bytes
        self._new: deque[Coroutine] = deque()
        self._ready: deque[tuple[Coroutine, Any]] = deque()
        self._waiting: list[Coroutine] = []
        self._shared = SharedWork(max_bytes)

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
            Called without arguments. The list is emptied, and a function is forgotten
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
        with sharing(self._shared):
            group = TaskGroup(self, functions, None, on_end)
            numbers = range(len(group.tasks)) if order is None else order
            self._new.extend(group.tasks[number] for number in numbers)
            try:
                while self._new or self._ready or self._waiting:
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
        """Do the same in the thread of a task, beside all other tasks."""
        group = TaskGroup(self, functions, parent, on_end)
        self._new.extendleft(reversed(group.tasks))
        parent.nested = group
        if group.tasks:
            parent.wait()
        return group.check().tasks

    def _advance(self) -> None:
        """Let one task run, or train a stack of the networks that are waited for."""
        if self._ready:
            self._run(*self._ready.popleft())
        elif self._has_two_stacks():
            self._train(self._waiting[-1])
        elif self._new and self._has_space():
            self._run(self._new.popleft())
        else:
            self._train(self._waiting[0])

    def _has_space(self) -> bool:
        """Return whether another task may begin before a stack is trained."""
        if not self._waiting:
            return True
        n_bytes = sum(job.n_bytes for task in self._waiting for job in task.jobs)
        return n_bytes < self._max_bytes and len(self._waiting) < _MAX_WAITING

    def _has_two_stacks(self) -> bool:
        """Return whether enough networks wait to train those like the last one.

        That is two stacks: of one, the last networks could be too few for another.
        """
        if not self._waiting:
            return False
        job = self._waiting[-1].jobs[-1]
        jobs = [it for task in self._waiting for it in task.jobs]
        return len(numbers_like(job, jobs)) >= 2 * max_stack_size_of_job(job)

    def _run(self, task: Coroutine, answer: Any = None) -> None:
        if task.is_done:  # cancelled in the meantime
            return
        task.run(answer)
        if task.jobs:
            self._waiting.append(task)
        if not task.is_done:
            return
        group, parent = task.group, task.group.parent
        group.end(task)
        self._waiting = [it for it in self._waiting if not it.is_done]
        if parent is not None:
            parent.credit += task.active + task.credit
            if group.is_done and not parent.is_done:
                self._ready.append((parent, None))

    def _train(self, task: Coroutine) -> None:
        """Train the networks of a task, with others like its last one as a stack."""
        pending = [
            (it, number)
            for it in self._waiting
            for number in range(len(it.jobs))
            if number not in it.outcomes
        ]
        pending.sort(key=lambda pair: pair[0] is not task)  # those of the task first
        chosen = next_stack([it.jobs[number] for it, number in pending])
        pairs = [pending[k] for k in chosen]
        outcomes = train_stack([it.jobs[number] for it, number in pairs], self.summary)
        for (it, number), outcome in zip(pairs, outcomes, strict=True):
            it.outcomes[number] = outcome
            it.credit += outcome.seconds
        for it in [it for it in self._waiting if len(it.outcomes) == len(it.jobs)]:
            self._waiting.remove(it)
            answer = [it.outcomes[number] for number in range(len(it.jobs))]
            self._ready.append((it, answer))


def run_tasks(
    functions: list[Callable[[], Any]],
    max_bytes: int,
    summary: StackSummary,
    on_end: Callable[[int, Coroutine], None] | None = None,
    order: Sequence[int] | None = None,
) -> list[Coroutine]:
    """Call functions that fit networks, and train these as stacks.

    See `Cooperation` and its method `run`. In a task, the functions are run beside all
    others, and `max_bytes` and `summary` are those of the first call.
    """
    parent = _current.get()
    if parent is not None:
        return parent.group.cooperation.run_nested(functions, on_end, parent)
    return Cooperation(max_bytes, summary).run(functions, on_end, order)
