"""A file that is written again and again while something goes on."""

import errno
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from .._fitting.advice import warn
from .._utils.version import __version__
from ..exceptions import CheckpointWarning
from .container import (
    read_artefact,
    remove_leftovers,
    replace_file,
    write_artefact,
)
from .fingerprint import Untellable, tell


@dataclass(frozen=True)
class Checkpoint:
    """A file that keeps the progress of ``fit``, which goes on from it after a crash.

    ``net.fit(X, y, checkpoint=Checkpoint("net.safetensors"))`` writes it now and then;
    the same call in another process goes on where the file stands, and comes to the
    same bits as if it had never stopped, whatever draws, schedules, and early stopping
    there are. With ``solver="lbfgs"`` it goes on from the last weights, and learns the
    curvature anew. If training was complete the network is as it was then, and a larger
    `n_iter` goes on.

    The file is replaced when the new one is safe on the disk, so that at any time there
    is a whole one; `load_model` reads it, too. It has the weights that the network
    shows, which are the best ones with validation data, beside the last ones and the
    optimizer's state.

    Parameters
    ----------
    path : str or path
        Of the file. Two fits must not share one.
    every : int or None, default=None
        Passes, in a search stacks, from one writing to the next.
    seconds : float or None, default=None
        Seconds from one writing to the next. With both, what comes first; with neither,
        30 seconds, or in a search every stack. In any case it is written at first and
        at last.

    Raises
    ------
    TypeError, ValueError
        If `every` or `seconds` is no positive number.

    Notes
    -----
    ``fit`` raises a `ValueError`, and leaves the file alone, if it is damaged or of
    another version of this library, or if parameters other than `n_iter`, `verbose` and
    `warm_start`, or the data, are not those of the fit that wrote it. Functions are
    told by their code, but not by that of others that they call, nor by variables of
    their module.

    If the file cannot be written at first, ``fit`` raises an `OSError`. If that happens
    later, such as when the disk is full, there is a `CheckpointWarning`, the file stays
    as it was, and training goes on.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_deepnet import Checkpoint, DeepNetClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> net = DeepNetClassifier((8,), n_iter=20, tol=None, random_state=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     checkpoint = Checkpoint(Path(folder, "net.safetensors"), every=5)
    ...     net = net.fit(X, y, checkpoint=checkpoint)
    ...     longer = DeepNetClassifier((8,), n_iter=30, tol=None, random_state=0)
    ...     longer = longer.fit(X, y, checkpoint=checkpoint)  # makes ten passes
    >>> longer.n_iter_
    30
    """

    path: str | os.PathLike[str]
    every: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        """Check path and intervals."""
        if not isinstance(self.path, str | os.PathLike):
            raise TypeError(f"path must be a str or a path. Got {self.path!r} instead.")
        for name, kind in (("every", Integral), ("seconds", Real)):
            value = getattr(self, name)
            if value is None:
                continue
            if not isinstance(value, kind) or isinstance(value, bool):
                what = "an integer" if kind is Integral else "a number"
                raise TypeError(
                    f"{name} must be {what} or None. Got {value!r} instead."
                )
            if not value > 0:
                raise ValueError(f"{name} must be positive. Got {value!r} instead.")


def resolve_checkpoint(checkpoint: Any) -> Checkpoint | None:
    """Return a checkpoint, of a path if only that is given."""
    if checkpoint is None or isinstance(checkpoint, Checkpoint):
        return checkpoint
    try:
        return Checkpoint(os.fspath(checkpoint))
    except TypeError:
        raise TypeError(
            f"checkpoint must be a Checkpoint, a path or None. Got {checkpoint!r} "
            "instead."
        ) from None


class KeptFile:
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
        description, arrays = read_artefact(self.path)
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
        replace_file(self.path, lambda file: write_artefact(file, description, arrays))

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


def tell_all(values: Mapping[str, Any]) -> dict[str, str]:
    """Return what tells values, by their names, in another process.

    Raises
    ------
    ValueError
        If there is one of which that cannot be said.
    """
    told = {}
    for name, value in values.items():
        try:
            told[name] = tell(value)
        except Untellable as error:
            raise ValueError(
                f"checkpoint cannot tell whether {name}={value!r:.200} is the same in "
                "another process. Give a value, a function or what can be pickled."
            ) from error
    return told
