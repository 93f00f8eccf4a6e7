"""Functions that run in turns, each in a thread of its own.

A thread is used as a coroutine here: it can wait amid any function, which need not know
of it. Only one runs at a time, so functions share nothing that they would not share if
they ran one after the other.
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
from ..._utils.interrupts import interrupt_thread
from .training import Waiting, train_stacks

_current: ContextVar["Coroutine | None"] = ContextVar("current", default=None)


def current_coroutine() -> "Coroutine | None":
    """Return the coroutine whose thread this is, if it is one."""
    return _current.get()


class CannotStartError(RuntimeError):
    """Raised where the system gives no thread to a task."""


class _Cancelled(BaseException):
    """Raised in a waiting task that is not to continue."""


class Coroutine:
    """A function that runs in a thread of its own while all other tasks wait.

    Parameters
    ----------
    function : callable
        Called without arguments.
    group : CoroutineGroup
        The tasks that were added together with this one.
    number : int
        Its index in the group.

    Attributes
    ----------
    result, error : object
        What the function returned or raised, if `is_done`.
    networks : sequence of Waiting
        Those that it waits for.
    results : dict of int to JobResult
        Of those that have been trained, by their numbers.
    nested : CoroutineGroup or None
        The tasks that it waits for.
    waited : float
        Seconds in which it did not run.
    credit : float
        Seconds of other work on its behalf: its share of the training of stacks.
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
        self._config, self._context = get_config(), copy_context()
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
            What its call of `wait` returns, or raises if it is an exception.
        """
        self._answer, start, values = answer, time.perf_counter(), _get_globals()
        try:
            _set_globals(self._globals)
            if self._thread is None:
                self._start()
            else:
                _release(self._turn)
            self._turn_back.acquire()
            if self.is_done:
                self._thread.join()
                self._forget_thread()
        except CannotStartError:
            self._thread = None
            raise
        except BaseException:  # Ctrl-C reaches the main thread, not this task's
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
        """Return, in the task's thread, what the next call of `run` gives it."""
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
        """End the task, and those that it waits for, so that no thread is left."""
        if self.nested is not None:
            self.nested.cancel_from(0)
        while self._thread is not None and not self.is_done:
            self.run(_Cancelled())
        self._function, self.is_done = None, True

    def _main(self) -> None:
        if self.is_done:  # interrupted before it began
            return
        set_config(**self._config)  # which each thread has its own of
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
        """Return the results of training the jobs beside those of other tasks."""
        networks = [*map(Waiting, jobs)]
        if all(network.why_alone for network in networks):
            # Large networks are so in memory one at a time.
            return train_stacks(networks, self.group.cooperation.summary)
        self.networks = networks
        return self.wait()

    def _interrupt(self) -> None:
        """Raise a KeyboardInterrupt where the task is, and wait until it has ended.

        It may be running, or about to give its turn back, or have done so already.
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
                continue  # once more
        self._function, self.is_done = None, True
        self._forget_thread()

    def _forget_thread(self) -> None:
        """Free the thread, which has ended, without the help of the garbage collector.

        That would run at any time, and a Ctrl-C is lost while threads are collected.
        """
        self._thread = None
        if self.error is not None and self.error.__traceback__ is not None:
            # The frames of an error lead to those of the thread, which hold it.
            for frame, _ in walk_stack(self.error.__traceback__.tb_frame):
                frame.clear()


def _release(lock: Any) -> None:
    """Release a lock unless it has been."""
    if lock.locked():
        lock.release()


def _get_globals() -> tuple[Any, ...]:
    """Return what a task may change for the whole process while it fits a network.

    That is what `warnings.catch_warnings` and `contextlib.redirect_stdout` change.
    """
    show = getattr(warnings, "_showwarnmsg_impl", None)
    return sys.stdout, sys.stderr, warnings.filters, warnings.showwarning, show


def _set_globals(values: tuple[Any, ...]) -> None:
    """Set what `_get_globals` returned."""
    before = _get_globals()
    sys.stdout, sys.stderr, *of_warnings = values
    if all(map(is_, of_warnings, before[2:])):
        return  # Python issues some warnings once for each change of its filters
    warnings.filters, warnings.showwarning, show = of_warnings
    if show is not None:
        warnings._showwarnmsg_impl = show
    with warnings.catch_warnings():  # which lets Python see that filters have changed
        pass


class CoroutineGroup:
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
        cooperation: Any,
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
        elif self.parent is None:
            raise task.error
        else:  # the task that waits for them may know what to do
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
