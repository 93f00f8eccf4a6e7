"""Functions that run in turns, each in a thread of its own.

Threads are used as coroutines here, since a thread can wait in the middle of any
function, without changes to that function. Only one thread runs at a time, so functions
affect each other no more than if they ran one after the other.
"""

import sys
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from contextvars import ContextVar, copy_context
from operator import is_
from traceback import walk_stack
from typing import Any, Self

from sklearn import get_config, set_config

from ..._fitting.jobs import JobResult, TrainingJob, gathering
from ..._utils.interrupts import interrupt_thread, interruptibly
from .training import Waiting, train_stacks

_current: ContextVar["Coroutine | None"] = ContextVar("current", default=None)


def current_coroutine() -> "Coroutine | None":
    """Return the coroutine that runs in this thread, or None."""
    return _current.get()


class CannotStartError(RuntimeError):
    """Raised if the system cannot start a thread for a task."""


class _Cancelled(BaseException):
    """Raised in a waiting task that must not continue."""


class Coroutine:
    """A function that runs in a thread of its own while all other tasks wait.

    Parameters
    ----------
    function : callable
        The function, which is called without arguments.
    group : CoroutineGroup
        The tasks that were added together with this one.
    number : int
        Index of this task in the group.

    Attributes
    ----------
    result, error : object
        Return value of the function or the error that it raised, if `is_done`.
    networks : sequence of Waiting
        Networks for which the task waits.
    results : dict of int to JobResult
        Results of the networks that have been trained, by their index.
    nested : CoroutineGroup or None
        The tasks for which this one waits.
    waited : float
        Seconds during which the task did not run.
    credit : float
        Seconds of other work for this task: its share of the training of stacks.
    """

    def __init__(
        self, function: Callable[[], Any], group: "CoroutineGroup", number: int
    ) -> None:
        self.group, self.number = group, number
        self.result: Any = None
        self.error: BaseException | None = None
        self.is_done = False
        self.networks: Sequence[Waiting] = ()
        self.results: dict[int, JobResult] = {}
        self.nested: CoroutineGroup | None = None
        self.waited = self.credit = self.active = 0.0
        self._function: Callable[[], Any] | None = function
        self._answer: Any = None
        self._config, self._context = group.config, group.context.copy()
        self._globals = _get_globals()
        self._turn, self._turn_back = threading.Lock(), threading.Lock()
        for lock in (self._turn, self._turn_back):
            lock.acquire()  # until the other thread releases it
        self._thread: threading.Thread | None = None

    def run(self, answer: Any = None) -> None:
        """Let the task run until it waits or is done.

        Parameters
        ----------
        answer : object
            The return value of the task's call of `wait`. An exception is raised there.
        """
        self._answer, start, values = answer, time.perf_counter(), _get_globals()
        try:
            _set_globals(self._globals)
            if self._thread is None:
                self._start()
            else:
                _release(self._turn)
            interruptibly(self._turn_back.acquire)
            if self.is_done:
                self._thread.join()
                self._forget_thread()
        except CannotStartError:
            self._thread = None
            raise
        except BaseException:  # Ctrl-C reaches only the main thread
            self._interrupt()
            raise
        finally:
            self._globals = _get_globals()
            _set_globals(values)
        self.active += time.perf_counter() - start

    def _start(self) -> None:
        self._thread = threading.Thread(
            target=self._context.run, args=(self._main,), daemon=True
        )
        try:
            self._thread.start()
        except RuntimeError as error:
            raise CannotStartError(*error.args) from error

    def wait(self) -> Any:
        """Wait, in the thread of the task, for the answer of `run`, and return it."""
        start = time.perf_counter()
        _release(self._turn_back)
        self._turn.acquire()
        self.waited += time.perf_counter() - start
        self.networks, self.results, self.nested = (), {}, None
        answer, self._answer = self._answer, None
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def cancel(self) -> None:
        """End the task and those for which it waits, so that no thread is left."""
        if self.nested is not None:
            self.nested.cancel_from(0)
        while self._thread is not None and not self.is_done:
            self.run(_Cancelled())
        self._function, self.is_done = None, True

    def _main(self) -> None:
        if self.is_done:  # interrupted before it began
            return
        set_config(**self._config)  # each thread has its own configuration
        _current.set(self)
        gathering.set(self._gather)
        try:
            self.result = self._function()
        except BaseException as error:
            self.error = error
        finally:
            self._function, self.is_done = None, True
            _release(self._turn_back)

    def _gather(self, jobs: Sequence[TrainingJob]) -> list[JobResult]:
        """Train the jobs together with those of other tasks, and return the results."""
        networks = [*map(Waiting, jobs)]
        if all(network.why_alone for network in networks):
            # Trained at once, so that only one large network is in memory at a time.
            return train_stacks(networks, self.group.cooperation.summary)
        self.networks = networks
        return self.wait()

    def _interrupt(self) -> None:
        """Raise a KeyboardInterrupt in the task, and wait until it has ended.

        The task may be running, about to return control, or waiting.
        """
        thread = self._thread
        while thread is not None and thread.ident is not None and thread.is_alive():
            try:
                if not self.is_done:
                    interrupt_thread(thread.ident)
                self._answer = _Cancelled()
                _release(self._turn)
                thread.join(timeout=1)
            except KeyboardInterrupt:
                continue  # try again
        self._function, self.is_done = None, True
        self._forget_thread()

    def _forget_thread(self) -> None:
        """Free the thread, which has ended, without the garbage collector.

        The garbage collector could run at any time, and a Ctrl-C is lost while it
        collects threads.
        """
        self._thread = None
        if self.error is not None and self.error.__traceback__ is not None:
            # The frames of an error refer to those of the thread, which refer to the
            # error.
            for frame, _ in walk_stack(self.error.__traceback__.tb_frame):
                frame.clear()


def _release(lock: Any) -> None:
    """Release a lock unless it is released already."""
    if lock.locked():
        lock.release()


def _get_globals() -> tuple[Any, ...]:
    """Return the state of the process that a task may change while it runs.

    It is the state that `warnings.catch_warnings` and `contextlib.redirect_stdout`
    change.
    """
    show = getattr(warnings, "_showwarnmsg_impl", None)
    return sys.stdout, sys.stderr, warnings.filters, warnings.showwarning, show


def _set_globals(values: tuple[Any, ...]) -> None:
    """Restore the state that `_get_globals` returned."""
    before = _get_globals()
    sys.stdout, sys.stderr, *of_warnings = values
    if all(map(is_, of_warnings, before[2:])):
        return  # each change of the filters makes Python repeat warnings
    warnings.filters, warnings.showwarning, show = of_warnings
    if show is not None:
        warnings._showwarnmsg_impl = show
    with warnings.catch_warnings():  # tells Python that the filters have changed
        pass


class CoroutineGroup:
    """The tasks of one call. The call ends when all its tasks have ended.

    Parameters
    ----------
    cooperation : Cooperation
        Runs the tasks.
    functions : list of callable
        Called without arguments. The list is emptied.
    parent : Coroutine or None
        The task that waits for this group.
    on_end : callable ``(number, task) -> None``, or None
        Called whenever a task has ended without an error.
    """

    def __init__(
        self,
        cooperation: Any,
        functions: list[Callable[[], Any]],
        parent: Coroutine | None,
        on_end: Callable[[int, Coroutine], None] | None,
    ) -> None:
        self.cooperation, self.parent, self._on_end = cooperation, parent, on_end
        self.config, self.context = get_config(), copy_context()
        self.tasks = [
            Coroutine(it, self, number) for number, it in enumerate(functions)
        ]
        functions.clear()

    @property
    def is_done(self) -> bool:
        """Whether all tasks have ended."""
        return all(task.is_done for task in self.tasks)

    def end(self, task: Coroutine) -> None:
        """Handle the end of a task."""
        if task.error is None:
            if self._on_end is not None:
                self._on_end(task.number, task)
        elif isinstance(task.error, Exception):
            # If tasks ran one after the other, those before it would have run.
            self.cancel_from(task.number + 1)
        elif self.parent is None:
            raise task.error
        else:  # the task that waits for them may handle the error
            self.cancel_from(0)

    def cancel_from(self, number: int) -> None:
        """End all tasks from this one on, however often Ctrl-C is pressed."""
        try:
            for task in self.tasks[number:]:
                task.cancel()
        except BaseException:
            self.cancel_from(number)
            raise

    def check(self) -> Self:
        """Raise the error of the first task that has one."""
        for task in self.tasks:
            if task.error is not None and not isinstance(task.error, _Cancelled):
                raise task.error
        return self
