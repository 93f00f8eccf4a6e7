"""The file in which `fit` keeps its progress, and from which it goes on."""

import errno
import json
import os
import re
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from hashlib import blake2b
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from ._artefact import (
    name_unreadable,
    read_artefact,
    remove_leftovers,
    replace_file,
    write_artefact,
)
from ._encoding import Encoder, NotEncodable, decode
from ._engine.checkpoint import State
from ._engine.training import Outcome, Run
from ._registry import is_ours
from ._sample import Sample
from ._saved import FORMAT, describe_attributes, describe_params, restore_attributes
from ._version import __version__
from ._words import name_activations, resolve_activations
from .exceptions import CheckpointWarning

_SECONDS = 30.0
_MAY_DIFFER = ("n_iter", "verbose", "warm_start")
_AT_ONCE = 2**12  # rows that are digested, so that memory does not grow


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
        Passes from one writing to the next.
    seconds : float or None, default=None
        Seconds from one writing to the next. With both, what comes first; with neither,
        30 seconds. In any case it is written before the first pass and after the last.

    Raises
    ------
    TypeError, ValueError
        If `every` or `seconds` is no positive number.

    Notes
    -----
    ``fit`` raises a `ValueError`, and leaves the file alone, if it is damaged or of
    another version of this library, or if parameters other than `n_iter`, `verbose` and
    `warm_start`, or the data, are not those of the fit that wrote it. Functions of your
    own are known by their names alone.

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
        """Check the intervals."""
        os.fspath(self.path)
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


class Progress:
    """What a file says, and is to say, of one fit.

    Parameters
    ----------
    checkpoint : Checkpoint
        Where and when.
    estimator : estimator
        With its parameters; fitted, if its training goes on.
    sample : Sample
        All rows, before any split.
    held_out : Sample or None
        Rows that were given to be monitored.
    resumes : bool
        Whether it goes on from what `estimator` has learned.

    Attributes
    ----------
    n_made : int
        Passes that this fit has made already, according to the file.
    is_complete : bool
        Whether no more are to be made.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        estimator: Any,
        sample: Sample,
        held_out: Sample | None,
        resumes: bool,
    ) -> None:
        self._checkpoint, self._estimator = checkpoint, estimator
        self._path = Path(checkpoint.path)
        self._n_before = estimator.n_iter_ if resumes else 0
        self._fit = _tell_fit(estimator, sample, held_out, resumes)
        self._saved_after, self._saved_at = 0, 0.0
        self.n_made, self.is_complete = 0, False

    def restore(self, n_iter: int) -> bool:
        """Give the estimator, in place, what the file has, and tell if there is one.

        Raises
        ------
        ModelFileError
            If it cannot be read.
        ValueError
            If it is of another fit, or has more than `n_iter` passes.
        OSError
            If its folder cannot be.
        """
        with self._name_failure():
            remove_leftovers(self._path)
        if not self._path.exists():
            return False
        description, arrays = read_artefact(self._path)
        with name_unreadable(self._path):
            if not isinstance(description, dict):
                raise ValueError("its description is not one of a model")
        self._compare(description, arrays)
        network = self._estimator
        with name_unreadable(self._path):
            told = description.get("attributes")
            restore_attributes(network, told, arrays, lacking=("_activations",))
            if network._training_state is None or network.n_iter_ < self._n_before:
                raise ValueError("it lacks the state of training")
        network._activations = name_activations(
            resolve_activations(network.activation, network.n_layers_ - 2)
        )
        self.n_made = network.n_iter_ - self._n_before
        if self.n_made > n_iter:
            raise ValueError(
                f"The checkpoint '{self._path}' has made {self.n_made} passes, more "
                f"than n_iter={n_iter}. Raise n_iter, or give another path to start "
                "over."
            )
        self.is_complete = network._ended_by != "n_iter" or self.n_made == n_iter
        return True

    def _compare(self, description: dict[str, Any], arrays: Any) -> None:
        """Raise unless the file is of this fit."""
        fit = description.get("fit")
        if not isinstance(fit, dict):
            raise ValueError(
                f"'{self._path}' is the file of a model and not a checkpoint. Give "
                "another path, so that it is not lost; or load_model, set "
                "warm_start=True and fit, to go on from it."
            )
        version = description.get("version")
        if version != __version__:
            raise ValueError(
                f"The checkpoint '{self._path}' was written by sklearn_deepnet "
                f"{version}, and this is {__version__}. Go on with that version, or "
                "give another path to start over."
            )
        differing = self._describe_difference(fit, description, arrays)
        if differing:
            raise ValueError(
                f"The checkpoint '{self._path}' is of another fit: {differing}. Go on "
                "as it began, or give another path to start over."
            )

    def _describe_difference(
        self, fit: dict[str, Any], description: dict[str, Any], arrays: Any
    ) -> str:
        now = self._fit
        if fit.get("class") != now["class"]:
            return f"it is of {fit.get('class')}, and this of {now['class']}"
        params = fit.get("params")
        for name, text in now["params"].items():
            if not isinstance(params, dict) or params.get(name) != text:
                value = getattr(self._estimator, name)
                return f"{name} is now {value!r:.200}{_was(name, description, arrays)}"
        if fit.get("shapes") != now["shapes"]:
            return f"X has now the shape {now['shapes']}, and had {fit.get('shapes')}"
        if fit.get("start") != now["start"]:
            return "it began from other weights, or after other passes"
        if fit.get("data") != now["data"]:
            return "X, y or the weights, or those of validation, are other ones"
        return ""

    def begin(
        self,
        network: Any,
        state: State,
        resumes: bool,
        shows_best: bool,
        kept: tuple[Any, ...],
    ) -> None:
        """Write the first file, or raise an `OSError` if that is impossible.

        Parameters
        ----------
        network : estimator
            That knows its layers.
        state : State
            Where it starts.
        resumes, shows_best : bool
            For its `_keep`.
        kept : tuple
            For its `_keep_state`.
        """
        self._start = copy(network)
        self._kept = resumes, shows_best, kept
        none = np.empty(0)
        with self._name_failure():
            self._save(Outcome(state, none, none, none, "n_iter"))

    def __call__(self, run: Run) -> bool:
        """Write the file if it is time to; never ask for a stop."""
        if self._is_due(run.state.n_passes - self._saved_after):
            outcome = run.snapshot()
            if outcome is not None:
                self._try_to_save(outcome)
        return False

    def _is_due(self, n_new: int) -> bool:
        every, seconds = self._checkpoint.every, self._checkpoint.seconds
        if every is None and seconds is None:
            seconds = _SECONDS
        if every is not None and n_new >= every:
            return True
        return seconds is not None and time.monotonic() - self._saved_at >= seconds

    def finish(self, outcome: Outcome) -> None:
        """Write the last file, unless an interrupt may have come within a pass."""
        if outcome.interrupt is None:
            self._try_to_save(outcome)

    def end(self) -> None:
        """Do nothing, as the file is written."""

    def _try_to_save(self, outcome: Outcome) -> None:
        try:
            self._save(outcome)
        except OSError as error:
            self._note(outcome)
            warnings.warn(
                f"The checkpoint '{self._path}' could not be written after "
                f"{outcome.state.n_passes} passes: {error.strerror or error}. The one "
                "before it is kept, and training goes on.",
                CheckpointWarning,
                stacklevel=2,
            )

    def _save(self, outcome: Outcome) -> None:
        network, encoder = copy(self._start), Encoder()
        resumes, shows_best, kept = self._kept
        network._keep(outcome, resumes, shows_best)
        network._keep_state(outcome.state, *kept)
        params, unsaved = describe_params(network, encoder)
        if not is_ours(type(network)):
            unsaved.append("class")
        description = {
            "format": FORMAT,
            "version": __version__,
            "class": type(network).__name__,
            "params": params,
            "unsaved": unsaved,
            "attributes": describe_attributes(network, encoder),
            "fit": self._fit,
        }
        replace_file(
            self._path, lambda file: write_artefact(file, description, encoder.arrays)
        )
        self._note(outcome)

    def _note(self, outcome: Outcome) -> None:
        self._saved_after, self._saved_at = outcome.state.n_passes, time.monotonic()

    @contextmanager
    def _name_failure(self) -> Iterator[None]:
        """Say which file an `OSError` is about."""
        try:
            yield
        except OSError as error:
            raise OSError(
                error.errno or errno.EIO,
                f"The checkpoint cannot be written, so training was not begun: "
                f"{error.strerror or error}",
                str(self._path),
            ) from error


def _was(name: str, description: dict[str, Any], arrays: Any) -> str:
    """Return what a parameter was, if the file tells."""
    try:
        return f", and was {decode(description['params'][name], arrays)!r:.200}"
    except (KeyError, TypeError, ValueError):
        return ", and was something else"


def _tell_fit(
    estimator: Any, sample: Sample, held_out: Sample | None, resumes: bool
) -> dict[str, Any]:
    """Return what a fit goes by, as JSON that is equal if that is."""
    cls, params = type(estimator), estimator.get_params(deep=False)
    samples = [it for it in (sample, held_out) if it is not None]
    start = None
    if resumes:
        start = [estimator.n_iter_, _digest(estimator._params)]
    return {
        "class": f"{cls.__module__}.{cls.__qualname__}",
        "params": {k: _tell(v) for k, v in params.items() if k not in _MAY_DIFFER},
        "start": start,
        "shapes": [list(it.X.shape) for it in samples],
        "data": [_digest_sample(it) for it in samples],
    }


def _tell(value: Any) -> str:
    encoder = Encoder()
    if isinstance(value, np.random.RandomState):  # has moved on since
        return type(value).__name__
    try:
        told = encoder.encode(value, "")
    except NotEncodable:
        return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))
    return json.dumps([told, *map(_digest, encoder.arrays.values())])


def _digest(*arrays: NDArray[Any]) -> str:
    """Return a digest of arrays, of their shapes and dtypes."""
    digest = blake2b(digest_size=16)
    for array in arrays:
        digest.update(repr((array.shape, array.dtype.str)).encode())
        for start in range(0, len(array) if array.ndim else 1, _AT_ONCE):
            rows = array[start : start + _AT_ONCE] if array.ndim else array
            digest.update(np.ascontiguousarray(rows).reshape(-1).view(np.uint8))
    return digest.hexdigest()


def _digest_sample(sample: Sample) -> str:
    X, labels = sample.X, getattr(sample.targets, "classes", np.empty(0))
    parts = (X.data, X.indices, X.indptr) if issparse(X) else (X,)
    weight = np.empty(0) if sample.weight is None else sample.weight
    named = repr(labels.tolist()).encode()
    return _digest(*parts, sample.target, weight, np.frombuffer(named, np.uint8))
