"""Ctrl-C at the right moment: interrupts wait until nothing is half done.

Python runs the handler of a signal between any two instructions of the main thread, and
that of Ctrl-C raises a KeyboardInterrupt there. Amid a lock, a counter or a queue of
threads, that would leave behind what other calls wait for, or count on, for the rest of
the process. Within `deferred_interrupts` handlers wait for the next call of
`take_interrupts`, or for the end of the context. A user's own function, which may take
long, is called by `interruptibly`.
"""

import ctypes
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any, TypeVar

_Result = TypeVar("_Result")

# Those whose handlers, if they are written in Python, are likely to raise an exception
_SIGNALS = [
    getattr(signal, name)
    for name in (
        *("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGALRM", "SIGVTALRM"),
        *("SIGPROF", "SIGXCPU", "SIGUSR1", "SIGUSR2"),
    )
    if hasattr(signal, name)
]


class _Interrupts:
    """The interrupts of one thread.

    Attributes
    ----------
    wait : bool
        Whether they wait.
    pending : list of callable
        Those that do; a call handles one, which may raise an exception.
    stand_ins : dict of int to _StandIn
        Those that take the place of the handlers of signals.
    """

    def __init__(self) -> None:
        self.wait = False
        self.pending: list[Callable[[], Any]] = []
        self.stand_ins: dict[int, _StandIn] = {}

    def install(self) -> None:
        """Let all handlers that are written in Python wait, also ones set meanwhile."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in _SIGNALS:
            handler = signal.getsignal(number)
            if not callable(handler) or handler is self.stand_ins.get(number):
                continue
            self.stand_ins[number] = _StandIn(self, handler)
            try:
                _set_handler(number, self.stand_ins[number])
            except ValueError:  # Python counts another thread as the main thread
                self.stand_ins.clear()
                return

    def uninstall(self) -> None:
        """Put the handlers back, unless somebody else has set another one."""
        try:
            for number, stand_in in list(self.stand_ins.items()):
                handler = stand_in.handler
                if signal.getsignal(number) is stand_in:
                    _set_handler(number, handler)
                del self.stand_ins[number]
        except BaseException:  # raised by a handler that is back already
            self.uninstall()
            raise

    def handle_pending(self) -> None:
        """Handle those that wait, all of them even if the first raises an exception."""
        while self.pending:
            try:
                self.pending.pop(0)()
            except BaseException:
                self.handle_pending()
                raise


class _StandIn:
    """Calls the handler of a signal, now or later.

    Somebody may keep it, and call it after its context has ended.
    """

    def __init__(self, interrupts: _Interrupts, handler: Callable[..., Any]) -> None:
        self.interrupts, self.handler = interrupts, handler

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.interrupts.wait:
            self.interrupts.pending.append(partial(self._call, number, frame))
        else:
            self._call(number, frame)

    def _call(self, number: int, frame: FrameType | None) -> None:
        try:
            self.handler(number, frame)
        except Exception as error:
            error.__dict__["_is_interrupt"] = True
            raise


def is_interrupt(error: BaseException) -> bool:
    """Return whether the handler of a signal has raised it, not what it interrupted."""
    return not isinstance(error, Exception) or hasattr(error, "_is_interrupt")


_sigaction: Any = None  # the function of the C library, which Windows does not have
if os.name == "posix":
    _sigaction = getattr(ctypes.PyDLL(None), "sigaction", None)


def _set_handler(number: int, handler: Any) -> None:
    """Set a handler for Python alone: the flags, and any handler in C, stay."""
    if _sigaction is None:
        signal.signal(number, handler)
        return
    action = ctypes.create_string_buffer(1024)
    _sigaction(number, None, action)
    try:
        signal.signal(number, handler)
    finally:
        _sigaction(number, action, None)


_of_thread: dict[int, _Interrupts] = {}


@contextmanager
def deferred_interrupts() -> Iterator[None]:
    """Let interrupts of this thread wait while the context is open.

    Those that still wait at its end are handled there, unless it is within another such
    context. Signals are handled by the main thread alone, so in other threads only
    `interrupt_thread` waits.
    """
    thread = threading.get_ident()
    interrupts = _of_thread.get(thread)
    if interrupts is not None:
        before, interrupts.wait = interrupts.wait, True
        try:
            yield
        finally:
            interrupts.wait = before
            if not before:
                interrupts.handle_pending()
        return
    interrupts = _Interrupts()
    interrupts.wait = True
    _of_thread[thread] = interrupts
    try:
        interrupts.install()
        yield
    finally:
        interrupts.wait = True
        _of_thread.pop(thread, None)
        try:
            interrupts.uninstall()
        finally:
            interrupts.wait = False
            interrupts.handle_pending()


def interruptibly(function: Callable[[], _Result]) -> _Result:
    """Call a function, and handle interrupts of this thread at once meanwhile.

    Not a context manager: Python handles signals between the end of a block and that of
    its manager, but not between a return and ``finally``.

    For functions of the user, which may take long, amid `deferred_interrupts`.
    """
    interrupts = _of_thread.get(threading.get_ident())
    if interrupts is None:
        return function()
    before = interrupts.wait
    interrupts.handle_pending()
    try:
        interrupts.wait = False
        return function()
    finally:
        interrupts.wait = before
        if before:
            interrupts.install()  # the function may have set other handlers


def take_interrupts() -> None:
    """Handle the interrupts of this thread that wait, where nothing is half done.

    Raises
    ------
    KeyboardInterrupt
        After Ctrl-C; or whatever the handlers raise.
    """
    interrupts = _of_thread.get(threading.get_ident())
    if interrupts is not None and interrupts.pending:
        interrupts.handle_pending()


def interrupt_thread(ident: int) -> None:
    """Raise a KeyboardInterrupt in another thread, or let it wait there.

    Parameters
    ----------
    ident : int
        The thread, as `threading.Thread.ident` names it.
    """
    raise_there = ctypes.pythonapi.PyThreadState_SetAsyncExc
    arguments = ctypes.c_ulong(ident), ctypes.py_object(KeyboardInterrupt)
    interrupts = _of_thread.get(ident)
    if interrupts is not None and interrupts.wait:
        interrupts.pending.append(_raise)
    else:
        raise_there(*arguments)


def _raise() -> None:
    raise KeyboardInterrupt


def _forget_other_threads() -> None:
    """Drop what threads left behind that a fork has not copied."""
    own = threading.get_ident()
    for thread in [it for it in _of_thread if it != own]:
        interrupts = _of_thread.pop(thread)
        interrupts.uninstall()
        interrupts.wait = False
    if own in _of_thread:
        _of_thread[own].install()  # this thread is the main thread now


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_other_threads)
