"""Printed progress of a fit: its epochs, and the rows of a long epoch."""

import os
import sys
import time
from functools import partial

from .._engine import TrainingLoop
from .._utils.interrupts import interruptibly

_N_LINES = 10
_BAR_WIDTH, _WIDEST = 30, 160
_BAR_SECONDS = 0.2  # between two updates on a terminal
# A line with the rows of an epoch is printed after so many seconds, and after this
# fraction of the time so far. This gives about a hundred lines in the first hour.
_LINE_SECONDS, _LINE_SHARE = 5, 0.05


class ProgressPrinter:
    """Prints about ten lines per fit, or on a terminal one line that is updated.

    If an epoch takes more than a few seconds, it also prints the number of rows that
    are done.

    Parameters
    ----------
    n_iter : int
        Number of epochs of the fit.
    verbose : int
        1 prints about ten lines, 2 and more one line per epoch.
    n_epochs_done : int
        How many of the epochs a checkpoint has done already.
    """

    def __init__(self, n_iter: int, verbose: int, n_epochs_done: int) -> None:
        self._n_iter, self._n_before = n_iter, n_epochs_done
        self._in_place = verbose == 1 and sys.stdout.isatty()
        self._every = 1 if verbose > 1 else -(-n_iter // _N_LINES)
        self._start = self._printed = self._epoch_start = time.perf_counter()
        self._n_shown = 0  # characters of the line on the terminal

    def __call__(self, loop: TrainingLoop) -> bool:
        """Print a line if one is due, and return False, so that training continues."""
        now, n_done = time.perf_counter(), self._n_before + loop.n_epochs_done
        is_last = n_done == self._n_iter
        if self._in_place:
            shows_rows = self._printed > self._epoch_start
            is_due = shows_rows or now - self._printed > _BAR_SECONDS
        else:
            is_due = n_done % self._every == 0
        if is_due or is_last:
            self._print(loop, now, 0.0)
        self._epoch_start = now
        return False

    def show_rows(self, loop: TrainingLoop) -> None:
        """Print the rows of an epoch that are done, if it takes long."""
        if loop.share_done > 1 - 1e-9:  # up to rounding; the epoch ends
            return
        now = time.perf_counter()
        seconds = _BAR_SECONDS
        if not self._in_place:
            seconds = max(_LINE_SECONDS, _LINE_SHARE * (now - self._start))
        if now - max(self._printed, self._epoch_start) > seconds:
            self._print(loop, now, loop.share_done)

    def end(self) -> None:
        """End the line that was updated in place."""
        if self._in_place and self._printed > self._start:
            print()

    def _print(self, loop: TrainingLoop, now: float, share: float) -> None:
        """Print a line, after all epochs so far and a share of the rows of the next."""
        self._printed = now
        n_done = loop.n_epochs_done + share
        line = self._line(loop, n_done, now)
        if not self._in_place:
            interruptibly(partial(print, line, flush=True))  # a pipe may be full
            return
        # A line that is wider than the terminal could not be overwritten.
        width = max(0, min(_BAR_WIDTH, _count_columns() - len(line) - 4))
        done = int(width * (self._n_before + n_done) / self._n_iter)
        line = f"[{'=' * done:{width}}] {line}"
        padded = f"\r{line:{self._n_shown}}"
        interruptibly(partial(print, padded, end=" ", flush=True))
        self._n_shown = len(line)

    def _line(self, loop: TrainingLoop, n_done: float, now: float) -> str:
        n_whole = loop.n_epochs_done
        line = f"epoch {self._n_before + n_whole} of {self._n_iter}"
        if n_done > n_whole:
            n_rows = round((n_done - n_whole) * loop.n_rows)
            line += f" and {n_rows} of {loop.n_rows} rows"
        if n_whole:
            line += f", loss {float(loop.last_loss):.5g}"
        if loop.last_validation_loss is not None:
            line += f", validation loss {float(loop.last_validation_loss):.5g}"
        n_left = self._n_iter - self._n_before - n_done
        left = (now - self._start) * n_left / n_done
        return f"{line}, at most {left:.1f} s left"


def _count_columns() -> int:
    """Return the width of the terminal, or a large one if it is unknown."""
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or _WIDEST
    except (
        AttributeError,
        OSError,
        ValueError,
    ):  # of any object
        return _WIDEST
