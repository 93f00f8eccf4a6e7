"""The files of checkpoints, which are read once and then written repeatedly."""

import errno
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .._utils.version import __version__, are_compatible
from .._utils.warnings import warn
from ..exceptions import CheckpointWarning, ModelFileError
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
    """A file that is replaced by each write, such as the checkpoint of a fit.

    Parameters
    ----------
    checkpoint : Checkpoint
        Where and when to write.
    kind : str
        What the checkpoint belongs to. The description has an entry of this name, which
        is a dict.
    activity, unit : str
        What is going on and the unit of its progress, for messages.
    seconds : float
        Minimum time between two writes, if the checkpoint does not specify any.
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
        """Return the description and the content, or None if there is no file.

        Raises
        ------
        ModelFileError
            If the file cannot be read.
        ValueError
            If the file is of another kind or version.
        OSError
            If its folder cannot be read.
        """
        with self._name_failure():
            remove_leftovers(self.path)
        if not self.path.exists():
            return None
        try:
            description, content = self._read()
        except ModelFileError as error:
            raise ModelFileError(
                f"{error} It was left untouched; choose another path."
            ) from error
        if not isinstance(description.get(self._kind), dict):
            raise ValueError(
                f"'{self.path}' exists and is not the checkpoint of a {self._kind}. It "
                "was left untouched; choose another path."
            )
        version = description.get("version")
        if not are_compatible(version, __version__):
            raise ValueError(
                f"The checkpoint '{self.path}' was written by sklearn_deepnet "
                f"{version}, but this is version {__version__}. Resume with version "
                f"{version}, or choose another path to start over."
            )
        return description, content

    def refuse(self, difference: str) -> None:
        """Raise a `ValueError`, since the file belongs to another fit or search."""
        raise ValueError(
            f"The checkpoint '{self.path}' belongs to another {self._kind}: "
            f"{difference}. Use the same arguments as before to resume, or choose "
            "another path to start over."
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
        """Write the content. If that fails, warn, keep the file, and return False."""
        is_written = True
        try:
            self._write(*content)
        except OSError as error:
            warn(
                f"The checkpoint '{self.path}' could not be written after {n_done} "
                f"{self._unit}: {error.strerror or error}. The previous file is kept, "
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
        """Add the path of the checkpoint to an `OSError`."""
        try:
            yield
        except OSError as error:
            raise OSError(
                error.errno or errno.EIO,
                "The checkpoint cannot be written, so "
                f"{self._activity} was not started: {error.strerror or error}",
                str(self.path),
            ) from error


class GrowingCheckpointFile(CheckpointFile):
    """A file to which each write appends a record, such as the one of a search.

    The number of results of a search grows. If the file were replaced after each stack,
    the time for writing would grow with the square of their number.
    """

    _n_bytes = 0  # end of the last complete record; 0 without a file

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
        If a value cannot be hashed.
    """
    fingerprints = {}
    for name, value in values.items():
        try:
            fingerprints[name] = fingerprint(value)
        except NotHashable as error:
            raise ValueError(
                f"A checkpoint cannot be used with {name}={value!r:.200}, which cannot "
                "be compared with its value in another process. Give a function, or a "
                "value that can be pickled."
            ) from error
    return fingerprints
