"""The class `Checkpoint`, by which users say where and how often to save progress."""

import os
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, TypeAlias


@dataclass(frozen=True)
class Checkpoint:
    """A file in which ``fit`` or a search saves its progress, to resume after a crash.

    ``net.fit(X, y, checkpoint=Checkpoint("net.safetensors"))`` writes the file
    repeatedly. If the process is killed, run the same call again, also in another
    process: it resumes from the file, and the result is bit-for-bit identical to that
    of an uninterrupted fit. If training was already complete, the network is restored
    from the file; with a larger `n_iter`, training continues. With ``solver="lbfgs"``,
    training continues from the last weights, but the curvature is estimated anew.

    The file is replaced only when the new one is safe on the disk, so it is complete at
    any time. `load_model` can read it. It contains the weights of the fitted network
    (the best ones if there is validation data), the last weights, and the state of the
    optimizer.

    ``with stacked(checkpoint=Checkpoint("search.records")):`` saves the scores of a
    search in the same way. Each write appends a line to the file.

    Parameters
    ----------
    path : str or path
        Path of the file. Its folder must exist. Two fits or searches must not use the
        same file.
    every : int or None, default=None
        Number of epochs, or of fits of a search, between two writes.
    seconds : float or None, default=None
        Minimum number of seconds between two writes. If both `every` and `seconds` are
        given, the file is written when either is reached. If neither is given, it is
        written every 30 seconds in a fit, and every second in a search. The file is
        always written at the start and at the end.

    Raises
    ------
    TypeError, ValueError
        If `every` or `seconds` is not a positive number.

    Notes
    -----
    ``fit`` raises a `ValueError`, and leaves the file unchanged, if the file is
    damaged, if it was written by another version of this library, or if it belongs to
    another fit. It belongs to another fit if the data or any parameters differ, except
    `n_iter`, `verbose` and `warm_start`. Functions are compared by their code. The code
    of other functions that they call, and variables of their module, are not compared.

    If the file cannot be written at the start, ``fit`` raises an `OSError`. If it
    cannot be written later, for example because the disk is full, ``fit`` issues a
    `CheckpointWarning`, keeps the last file, and continues training.

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
    ...     longer = longer.fit(X, y, checkpoint=checkpoint)  # ten more epochs
    >>> longer.n_iter_
    30
    """

    path: str | os.PathLike[str]
    every: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        """Check the parameters."""
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


CheckpointLike: TypeAlias = Checkpoint | str | os.PathLike[str]


def resolve_checkpoint(checkpoint: Any) -> Checkpoint | None:
    """Return a `Checkpoint`, which is created if only a path is given."""
    if checkpoint is None or isinstance(checkpoint, Checkpoint):
        return checkpoint
    try:
        return Checkpoint(os.fspath(checkpoint))
    except TypeError:
        raise TypeError(
            f"checkpoint must be a Checkpoint, a path or None. Got {checkpoint!r} "
            "instead."
        ) from None
