"""A file that is written again and again while something goes on."""

import errno
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .._utils.version import __version__
from .._utils.warnings import warn
from ..exceptions import CheckpointWarning
from .checkpoint import Checkpoint
from .container import (
    read_container,
    remove_leftovers,
    replace_file,
    write_container,
)
from .fingerprint import NotHashable, fingerprint


class CheckpointFile:
    """The file of a checkpoint: read once, then written when it is time to.

    Parameters
    ----------
    checkpoint : Checkpoint
        Where and when.
    doing : str
        What goes on, for messages.
    seconds : float
        From one writing to the next, if the checkpoint leaves it open.
    """

    def __init__(self, checkpoint: Checkpoint, doing: str, seconds: float) -> None:
        self.path = Path(os.path.abspath(checkpoint.path))
        self._every, self._seconds = checkpoint.every, checkpoint.seconds
        if self._every is None and self._seconds is None:
            self._seconds = seconds
        self._doing = doing
        self._n_at_last, self._last = 0, 0.0

    def read(self, kind: str) -> tuple[dict[str, Any], Mapping[str, Any]] | None:
        """Return description and arrays, None if there is no file.

        Parameters
        ----------
        kind : str
            An entry that the description must have, a dict.

        Raises
        ------
        ModelFileError
            If it cannot be read.
        ValueError
            If it has no such entry, or is of another version.
        OSError
            If its folder cannot be read.
        """
        with self._name_failure():
            remove_leftovers(self.path)
        if not self.path.exists():
            return None
        description, arrays = read_container(self.path)
        if not isinstance(description.get(kind), dict):
            raise ValueError(
                f"'{self.path}' is not the checkpoint of a {kind}. Give another path, "
                "so that what it is is not lost."
            )
        version = description.get("version")
        if version != __version__:
            raise ValueError(
                f"The checkpoint '{self.path}' was written by sklearn_deepnet "
                f"{version}, and this is {__version__}. Go on with that version, or "
                "give another path to start over."
            )
        return description, arrays

    def refuse(self, difference: str) -> None:
        """Raise a `ValueError`, since the file is of something else."""
        raise ValueError(
            f"The checkpoint '{self.path}' is of another fit: {difference}. Go on as "
            "it began, or give another path to start over."
        )

    def begin(
        self, n_done: int, description: dict[str, Any], arrays: Mapping[str, Any]
    ) -> None:
        """Write the first file, or raise an `OSError` if that is impossible."""
        with self._name_failure():
            self._write(description, arrays)
        self._note(n_done)

    def is_due(self, n_done: int) -> bool:
        """Return whether it is time to write."""
        if self._every is not None and n_done - self._n_at_last >= self._every:
            return True
        seconds = self._seconds
        return seconds is not None and time.monotonic() - self._last >= seconds

    def write(
        self,
        n_done: int,
        what: str,
        description: dict[str, Any],
        arrays: Mapping[str, Any],
    ) -> None:
        """Replace the file, or warn and keep it.

        Parameters
        ----------
        n_done : int
            How far it is.
        what : str
            What is counted, for the warning.
        description, arrays : dict, mapping of str to ndarray
            What to write.
        """
        try:
            self._write(description, arrays)
        except OSError as error:
            warn(
                f"The checkpoint '{self.path}' could not be written after {n_done} "
                f"{what}: {error.strerror or error}. The one before it is kept, and "
                f"{self._doing} goes on.",
                CheckpointWarning,
            )
        self._note(n_done)

    def _write(self, description: dict[str, Any], arrays: Mapping[str, Any]) -> None:
        replace_file(self.path, lambda file: write_container(file, description, arrays))

    def _note(self, n_done: int) -> None:
        self._n_at_last, self._last = n_done, time.monotonic()

    @contextmanager
    def _name_failure(self) -> Iterator[None]:
        """Say which file an `OSError` is about."""
        try:
            yield
        except OSError as error:
            raise OSError(
                error.errno or errno.EIO,
                f"The checkpoint cannot be written, so {self._doing} was not begun: "
                f"{error.strerror or error}",
                str(self.path),
            ) from error


def fingerprint_all(values: Mapping[str, Any]) -> dict[str, str]:
    """Return what tells values, by their names, in another process.

    Raises
    ------
    ValueError
        If there is one of which that cannot be said.
    """
    described = {}
    for name, value in values.items():
        try:
            described[name] = fingerprint(value)
        except NotHashable as error:
            raise ValueError(
                f"checkpoint cannot tell whether {name}={value!r:.200} is the same in "
                "another process. Give a value, a function or what can be pickled."
            ) from error
    return described
