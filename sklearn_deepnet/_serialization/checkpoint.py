"""Where and how often ``fit`` saves its progress, as the user says it."""

import os
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any


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
