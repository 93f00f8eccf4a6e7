"""Ctrl-C at the right moment: interrupts wait until nothing is half done.

Python runs the handler of a signal between any two instructions of the main thread, and
that of Ctrl-C raises a KeyboardInterrupt there. Amid a lock, a counter or a queue of
threads, that would leave behind what other calls wait for, or count on, for the rest of
the process. Within `deferred_interrupts` handlers wait for the next call of
`take_interrupts`, or for the end of the context. A user's own function, which may take
long, runs in `interruptible`.
"""

import ctypes
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

# Those whose handlers, if they are written in Python, are likely to raise an exception
_SIGNALS = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGALRM", "SIGUSR1", "SIGUSR2")
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
    handlers : dict of int to callable
        The handlers of signals while `handle` takes their place.
    """

    def __init__(self) -> None:
        self.wait = False
        self.pending: list[Callable[[], Any]] = []
        self.handlers: dict[int, Any] = {}

    def install(self) -> None:
        """Put `handle` in the place of all handlers that are written in Python."""
        for number in _SIGNALS:
            handler = signal.getsignal(number)
            if callable(handler) and not isinstance(handler, signal.Handlers):
                self.handlers[number] = handler
                signal.signal(number, self.handle)

    def uninstall(self) -> None:
        """Put the handlers back, unless somebody else has set another one."""
        try:
            for number in list(self.handlers):
                if signal.getsignal(number) == self.handle:
                    signal.signal(number, self.handlers[number])
                del self.handlers[number]
        except BaseException:  # raised by a handler that is back already
            self.uninstall()
            raise

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Call the handler of a signal, now or later."""
        handler = self.handlers[number]
        if self.wait:
            self.pending.append(lambda: handler(number, None))
            return
        self.wait = True  # what follows an exception must not be interrupted again
        handler(number, frame)
        self.wait = False

    def handle_pending(self) -> None:
        """Handle those that wait."""
        while self.pending:
            self.pending.pop(0)()


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
        if threading.current_thread() is threading.main_thread():
            interrupts.install()
        yield
    finally:
        interrupts.wait = True
        _of_thread.pop(thread, None)
        interrupts.uninstall()
        interrupts.handle_pending()


@contextmanager
def interruptible() -> Iterator[None]:
    """Handle interrupts of this thread at once while the context is open.

    For functions of the user, which may take long, amid `deferred_interrupts`.
    """
    interrupts = _of_thread.get(threading.get_ident())
    if interrupts is None:
        yield
        return
    before = interrupts.wait
    interrupts.handle_pending()
    interrupts.wait = False
    try:
        yield
    finally:
        interrupts.wait = before


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


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_other_threads)
