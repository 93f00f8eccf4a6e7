"""The file in which `fit` keeps its progress, and from which it goes on."""

from copy import copy, deepcopy
from typing import Any

import numpy as np
from scipy.sparse import issparse

from .._engine import TrainingLoop, TrainingResult, TrainingState
from .._serialization.checkpoint import Checkpoint
from .._serialization.checkpoint_file import CheckpointFile, fingerprint_all
from .._serialization.container import name_unreadable
from .._serialization.encoding import Encoder, decode
from .._serialization.fingerprint import fingerprint, hash_arrays
from .._serialization.schema import (
    FORMAT,
    describe_attributes,
    describe_params,
    restore_attributes,
)
from .._utils.lookup import is_ours
from .._utils.sklearn_compat import has_callbacks
from .._utils.version import __version__
from .attributes import name_activations, save_state, set_result
from .dataset import Dataset
from .parameters import resolve_activations

_SECONDS = 30.0
_MAY_DIFFER = ("n_iter", "verbose", "warm_start")
# Validation has set these by the data of today, whose values are those of the file.
_OF_DATA = ("n_features_in_", "feature_names_in_", "classes_")


class FitCheckpoint:
    """What a file says, and is to say, of one fit.

    Parameters
    ----------
    checkpoint : Checkpoint
        Where and when.
    estimator : estimator
        With its parameters; fitted, if its training goes on.
    dataset : Dataset
        All rows, before any split.
    held_out : Dataset or None
        Rows that were given to be monitored.
    resumes : bool
        Whether it goes on from what `estimator` has learned.

    Attributes
    ----------
    n_epochs_done : int
        Passes that this fit has made already, according to the file.
    is_complete : bool
        Whether no more are to be made.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        estimator: Any,
        dataset: Dataset,
        held_out: Dataset | None,
        resumes: bool,
    ) -> None:
        self._file = CheckpointFile(checkpoint, "fit", "training", "epochs", _SECONDS)
        self._estimator = estimator
        self._n_before = estimator.n_iter_ if resumes else 0
        self._fit_description = _tell_fit(estimator, dataset, held_out, resumes)
        self._drawn: np.random.RandomState | None = None
        self.n_epochs_done, self.is_complete = 0, False

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
        found = self._file.read()
        if found is None:
            return False
        description, arrays = found
        difference = self._describe_difference(description, arrays)
        if difference:
            self._file.refuse(difference)
        self._fit_description, network = description["fit"], self._estimator
        of_data = {k: v for k, v in vars(network).items() if k in _OF_DATA}
        with name_unreadable(self._file.path):
            described = description.get("attributes")
            restore_attributes(network, described, arrays, lacking=("_activations",))
            if network._training_state is None or network.n_iter_ < self._n_before:
                raise ValueError("it lacks the state of training")
            drawn = decode(description.get("drawn"), arrays)
            if not isinstance(drawn, np.random.RandomState | None):
                raise ValueError("it lacks the state of random_state")
        for name in _OF_DATA:
            vars(network).pop(name, None)
        vars(network).update(of_data)
        network._activations = name_activations(
            resolve_activations(network.activation, network.n_layers_ - 2)
        )
        self.n_epochs_done = network.n_iter_ - self._n_before
        if self.n_epochs_done > n_iter:
            raise ValueError(
                f"The checkpoint '{self._file.path}' has made {self.n_epochs_done} "
                f"epochs, more than n_iter={n_iter}. Raise n_iter, or give another "
                "path to start over."
            )
        rng = network.random_state
        if drawn is not None and isinstance(rng, np.random.RandomState):
            rng.set_state(drawn.get_state())  # others draw what they would have drawn
            self._drawn = drawn
        ends = {"tol", "divergence"}
        if has_callbacks(network):  # which would stop it again
            ends.add("callback")
        self.is_complete = network._ended_by in ends or self.n_epochs_done == n_iter
        return True

    def _describe_difference(self, description: dict[str, Any], arrays: Any) -> str:
        """Return in what the file is of another fit, if in anything."""
        fit, now = description["fit"], self._fit_description
        if fit.get("class") != now["class"]:
            return f"it is of {fit.get('class')}, and this of {now['class']}"
        if fit.get("code") != now["code"]:
            return f"the code of {now['class']} is another"
        params = fit.get("params")
        for name, text in now["params"].items():
            if not isinstance(params, dict) or params.get(name) != text:
                value = getattr(self._estimator, name)
                return f"{name} is now {value!r:.200}{_was(name, description, arrays)}"
        if now["generator"] not in (fit.get("generator"), fit.get("generator_after")):
            return "random_state is a generator in another state"
        if fit.get("shapes") != now["shapes"]:
            return f"X has now the shape {now['shapes']}, and had {fit.get('shapes')}"
        if fit.get("start") != now["start"]:
            return (
                "it began from other weights, or after other passes (with warm_start "
                "each call needs a path of its own)"
            )
        if fit.get("data") != now["data"]:
            return "X, y or the weights, or those of validation, are other ones"
        return ""

    def begin(
        self,
        network: Any,
        state: TrainingState,
        resumes: bool,
        restore_best: bool,
        kept: tuple[Any, ...],
    ) -> None:
        """Write the first file, or raise an `OSError` if that is impossible.

        Parameters
        ----------
        network : estimator
            That knows its layers.
        state : TrainingState
            Where it starts.
        resumes, restore_best : bool
            For `set_result`.
        kept : tuple
            For `save_state`.
        """
        rng = network.random_state
        if isinstance(rng, np.random.RandomState) and self._drawn is None:
            self._drawn = deepcopy(rng)
            self._fit_description["generator_after"] = fingerprint(rng)
        self._start = copy(network)
        self._kept = resumes, restore_best, kept
        none = np.empty(0)
        result = TrainingResult(state, none, none, none, "n_iter")
        self._file.begin(state.n_epochs, *self._describe(result))

    def __call__(self, loop: TrainingLoop) -> bool:
        """Write the file if it is time to; never ask for a stop."""
        if self._file.is_due(loop.state.n_epochs):
            result = loop.snapshot()
            if result is not None:
                self._write(result)
        return False

    def finish(self, result: TrainingResult) -> TrainingResult:
        """Write the last file, unless an interrupt may have come within a pass.

        Return the outcome, with the interrupt if one comes now.
        """
        if result.interrupt is None:
            try:
                self._write(result)
            except KeyboardInterrupt as interrupt:
                return result._replace(interrupt=interrupt)
        return result

    def end(self) -> None:
        """Do nothing, as the file is written."""

    def _write(self, result: TrainingResult) -> None:
        self._file.write(result.state.n_epochs, *self._describe(result))

    def _describe(
        self, result: TrainingResult
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return a file of the network that would be kept, and of how to go on."""
        network, encoder = copy(self._start), Encoder()
        resumes, restore_best, kept = self._kept
        set_result(network, result, resumes, restore_best)
        save_state(network, result.state, *kept)
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
            "fit": self._fit_description,
            "drawn": encoder.encode(self._drawn, "drawn"),
        }
        return description, encoder.arrays


def _was(name: str, description: dict[str, Any], arrays: Any) -> str:
    """Return what a parameter was, if the file tells."""
    try:
        return f", and was {decode(description['params'][name], arrays)!r:.200}"
    except (KeyError, TypeError, ValueError):
        return ", and was something else"


def _tell_fit(
    estimator: Any, dataset: Dataset, held_out: Dataset | None, resumes: bool
) -> dict[str, Any]:
    """Return what a fit goes by, as JSON that is equal if that is."""
    cls, params = type(estimator), estimator.get_params(deep=False)
    datasets = [it for it in (dataset, held_out) if it is not None]
    rng = params["random_state"]
    has_generator = isinstance(rng, np.random.RandomState)
    described = {k: v for k, v in params.items() if k not in _MAY_DIFFER}
    described["random_state"] = "a generator" if has_generator else rng
    start = None
    if resumes:
        learned = [estimator._params, estimator._training_state]
        start = [estimator.n_iter_, fingerprint(learned)]
    return {
        "class": f"{cls.__module__}.{cls.__qualname__}",
        "code": fingerprint(cls),
        "params": fingerprint_all(described),
        "generator": fingerprint(rng) if has_generator else None,
        "start": start,
        "shapes": [list(it.X.shape) for it in datasets],
        "data": [_digest_sample(it) for it in datasets],
    }


def _digest_sample(dataset: Dataset) -> str:
    X, labels = dataset.X, getattr(dataset.targets, "classes", np.empty(0))
    parts = (X.data, X.indices, X.indptr) if issparse(X) else (X,)
    weight = np.empty(0) if dataset.weight is None else dataset.weight
    named = repr(labels.tolist()).encode()
    return hash_arrays(*parts, dataset.target, weight, np.frombuffer(named, np.uint8))
