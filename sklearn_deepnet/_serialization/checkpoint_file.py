"""The files of checkpoints: read once, then written when it is time to."""

import errno
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .._utils.version import __version__, are_compatible
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
from .records import (
    append_record,
    begin_records,
    has_records,
    read_records,
)


class CheckpointFile:
    """A container that is replaced each time, such as the checkpoint of a fit.

    Parameters
    ----------
    checkpoint : Checkpoint
        Where and when to write.
    kind : str
        What the checkpoint is of; an entry of the description, which is a dict.
    activity, unit : str
        What is going on, and how its progress is counted, for messages.
    seconds : float
        Least time between two writes, if the checkpoint does not say when to write.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        kind: str,
        activity: str,
        unit: str,
        seconds: float,
    ) -> None:
        # The current folder may change before the last write.
        self.path = Path(os.path.abspath(checkpoint.path))
        self._every, self._seconds = checkpoint.every, checkpoint.seconds
        if self._every is None and self._seconds is None:
            self._seconds = seconds
        self._kind, self._activity, self._unit = kind, activity, unit
        self._n_at_last, self._last = 0, 0.0

    def read(self) -> tuple[dict[str, Any], Any] | None:
        """Return the description and what it describes, None if there is no file.

        Raises
        ------
        ModelFileError
            If it cannot be read.
        ValueError
            If it is a file of another kind or version.
        OSError
            If its folder cannot be read.
        """
        with self._name_failure():
            remove_leftovers(self.path)
        if not self.path.exists():
            return None
        description, content = self._read()
        if not isinstance(description.get(self._kind), dict):
            raise ValueError(
                f"'{self.path}' is not the checkpoint of a {self._kind}. Give another "
                "path, so that what it is is not lost."
            )
        version = description.get("version")
        if not are_compatible(version, __version__):
            raise ValueError(
                f"The checkpoint '{self.path}' was written by sklearn_deepnet "
                f"{version}, and this is {__version__}. Go on with that version, or "
                "give another path to start over."
            )
        return description, content

    def refuse(self, difference: str) -> None:
        """Raise a `ValueError`, since the file is of another fit or search."""
        raise ValueError(
            f"The checkpoint '{self.path}' is of another fit: {difference}. Go on as "
            "it began, or give another path to start over."
        )

    def begin(self, n_done: int, *content: Any) -> None:
        """Write the first file, or raise an `OSError` if that is impossible."""
        with self._name_failure():
            self._begin(*content)
        self._record(n_done)

    def is_due(self, n_done: int) -> bool:
        """Return whether it is time to write."""
        if self._every is not None and n_done - self._n_at_last >= self._every:
            return True
        seconds = self._seconds
        return seconds is not None and time.monotonic() - self._last >= seconds

    def write(self, n_done: int, *content: Any) -> bool:
        """Return whether the content was written; warn and leave the file if not."""
        is_written = True
        try:
            self._write(*content)
        except OSError as error:
            warn(
                f"The checkpoint '{self.path}' could not be written after {n_done} "
                f"{self._unit}: {error.strerror or error}. The previous file stays, "
                f"and {self._activity} continues.",
                CheckpointWarning,
            )
            is_written = False
        self._record(n_done)
        return is_written

    def _read(self) -> tuple[dict[str, Any], Any]:
        return ({}, {}) if has_records(self.path) else read_container(self.path)

    def _write(self, description: dict[str, Any], arrays: Mapping[str, Any]) -> None:
        replace_file(self.path, lambda file: write_container(file, description, arrays))

    _begin = _write

    def _record(self, n_done: int) -> None:
        self._n_at_last, self._last = n_done, time.monotonic()

    @contextmanager
    def _name_failure(self) -> Iterator[None]:
        """Say which file an `OSError` is about."""
        try:
            yield
        except OSError as error:
            raise OSError(
                error.errno or errno.EIO,
                "The checkpoint cannot be written, so "
                f"{self._activity} was not begun: {error.strerror or error}",
                str(self.path),
            ) from error


class GrowingCheckpointFile(CheckpointFile):
    """A file of records to which each write adds one, such as the one of a search.

    A search has ever more results. Were the file replaced after each stack, the time
    for it would grow with the square of their number.
    """

    _n_bytes = 0  # up to the end of the last complete record; 0 if there is no file

    def _read(self) -> tuple[dict[str, Any], Any]:
        if not has_records(self.path):
            return {}, []
        (description, *records), self._n_bytes = read_records(self.path)
        return description, records

    def _begin(self, description: dict[str, Any]) -> None:
        self._n_bytes = begin_records(self.path, description, self._n_bytes)

    def _write(self, record: dict[str, Any]) -> None:
        self._n_bytes = append_record(self.path, record, self._n_bytes)


def fingerprint_all(values: Mapping[str, Any]) -> dict[str, str]:
    """Return the fingerprint of each value.

    Raises
    ------
    ValueError
        If one cannot be hashed.
    """
    fingerprints = {}
    for name, value in values.items():
        try:
            fingerprints[name] = fingerprint(value)
        except NotHashable as error:
            raise ValueError(
                f"checkpoint cannot tell whether {name}={value!r:.200} is the same in "
                "another process. Give a value, a function or what can be pickled."
            ) from error
    return fingerprints
