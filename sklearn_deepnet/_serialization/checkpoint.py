"""Where and how often ``fit`` saves its progress, as users say it."""

import os
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, TypeAlias


@dataclass(frozen=True)
class Checkpoint:
    """A file that saves the progress of ``fit``, which continues from it after a crash.

    ``net.fit(X, y, checkpoint=Checkpoint("net.safetensors"))`` writes it repeatedly.
    The same call in another process continues where the file ends, and its result is
    bit for bit that of an uninterrupted fit, with any random draws, schedule and early
    stopping. With ``solver="lbfgs"`` it continues from the last weights, and estimates
    the curvature anew. If training was complete the network is restored, and a larger
    `n_iter` continues it.

    The file is replaced when the new one is safe on the disk, so that it is complete at
    any time, and `load_model` reads it, too. It has the weights of the fitted network,
    which are the best ones with a validation set, the last weights, and the state of
    the optimizer.

    ``with stacked(checkpoint=Checkpoint("search.records")):`` does the same for the
    scores of a search. Each write adds a line to its file.

    Parameters
    ----------
    path : str or path
        Of the file. No two fits or searches may share one.
    every : int or None, default=None
        Epochs, or fits of a search, from one write to the next.
    seconds : float or None, default=None
        Least seconds from one write to the next. With both, what comes first counts;
        with neither, it is 30 for a fit and 1 for a search. The file is always written
        at the start and at the end.

    Raises
    ------
    TypeError, ValueError
        If `every` or `seconds` is no positive number.

    Notes
    -----
    ``fit`` raises a `ValueError`, and leaves the file alone, if it is damaged or of
    another version of this library, or if parameters other than `n_iter`, `verbose` and
    `warm_start`, or the data, are not those of the fit that wrote it. Functions are
    compared by their code, but not by the code of other functions that they call, nor
    by variables of their module.

    If the file cannot be written at the start, ``fit`` raises an `OSError`. If that
    happens later, for example since the disk is full, there is a `CheckpointWarning`,
    the last file stays, and training continues.

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


CheckpointLike: TypeAlias = Checkpoint | str | os.PathLike[str]


def resolve_checkpoint(checkpoint: Any) -> Checkpoint | None:
    """Return a `Checkpoint`, made of a path if only that is given."""
    if checkpoint is None or isinstance(checkpoint, Checkpoint):
        return checkpoint
    try:
        return Checkpoint(os.fspath(checkpoint))
    except TypeError:
        raise TypeError(
            f"checkpoint must be a Checkpoint, a path or None. Got {checkpoint!r} "
            "instead."
        ) from None
