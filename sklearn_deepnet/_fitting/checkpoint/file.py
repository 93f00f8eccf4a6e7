"""The file in which `fit` saves its progress, and from which it resumes."""

from copy import copy, deepcopy
from typing import Any

import numpy as np
from scipy.sparse import issparse

from ..._engine import TrainingLoop, TrainingResult, TrainingState
from ..._serialization.checkpoint import Checkpoint
from ..._serialization.checkpoint_file import CheckpointFile, fingerprint_all
from ..._serialization.container import name_unreadable
from ..._serialization.encoding import Encoder, decode
from ..._serialization.fingerprint import fingerprint, hash_arrays
from ..._serialization.schema import (
    FORMAT,
    encode_attributes,
    encode_params,
    restore_attributes,
)
from ..._utils.lookup import is_ours
from ..._utils.sklearn_compat import all_params, has_callbacks
from ..._utils.version import __version__
from ..attributes import name_activations, save_state, set_result
from ..dataset import Dataset
from ..parameters import resolve_activations

_DEFAULT_SECONDS = 30.0
_MAY_DIFFER = ("n_iter", "verbose", "warm_start")
# Validation has set these from the data of this call. Their values are equal to those
# in the file, but their dtype may differ, and feature names are not compared.
_SET_BY_VALIDATION = ("n_features_in_", "feature_names_in_", "classes_")


class FitCheckpoint:
    """Restores a fit from the file of its checkpoint, and writes it while it trains.

    Parameters
    ----------
    checkpoint : Checkpoint
        Where and when to write.
    estimator : estimator
        The estimator with its parameters. It is fitted if training continues from it.
    dataset : Dataset
        All samples, before a validation set is split off.
    validation_set : Dataset or None
        The validation set that was given to `fit`.
    resumes : bool
        Whether training continues from the fitted attributes of `estimator`.

    Attributes
    ----------
    n_epochs_done : int
        Number of epochs of this fit that the file contains.
    is_complete : bool
        Whether there are no more epochs to train.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        estimator: Any,
        dataset: Dataset,
        validation_set: Dataset | None,
        resumes: bool,
    ) -> None:
        self._file = CheckpointFile(
            checkpoint, "fit", "training", "epochs", _DEFAULT_SECONDS
        )
        self._estimator = estimator
        self._n_before = estimator.n_iter_ if resumes else 0
        self._identity = identify_fit(estimator, dataset, validation_set, resumes)
        self._generator_after: np.random.RandomState | None = None
        self.n_epochs_done, self.is_complete, self.is_restored = 0, False, False

    def restore(self, n_iter: int) -> bool:
        """Set the state in the file on the estimator, in place; return if there is one.

        Raises
        ------
        ModelFileError
            If the file cannot be read.
        ValueError
            If the file belongs to another fit, or has more than `n_iter` epochs.
        OSError
            If its folder cannot be read.
        """
        found = self._file.read()
        if found is None:
            return False
        description, arrays = found
        difference = self._find_difference(description, arrays)
        if difference:
            self._file.refuse(difference)
        self._identity, network = description["fit"], self._estimator
        generator_after = self._set_attributes(description, arrays)
        self.n_epochs_done = network.n_iter_ - self._n_before
        if self.n_epochs_done > n_iter:
            raise ValueError(
                f"The checkpoint '{self._file.path}' has {self.n_epochs_done} epochs, "
                f"but n_iter is only {n_iter}. Increase n_iter, or choose another path "
                "to start over."
            )
        rng = network.random_state
        if generator_after is not None and isinstance(rng, np.random.RandomState):
            # Later draws from it are then the same as in an uninterrupted run.
            rng.set_state(generator_after.get_state())
            self._generator_after = generator_after
        ends = {"tol", "divergence"}
        if has_callbacks(network):  # which would stop it again immediately
            ends.add("callback")
        self.is_complete = network._ended_by in ends or self.n_epochs_done == n_iter
        self.is_restored = True
        return True

    def _set_attributes(
        self, description: dict[str, Any], arrays: Any
    ) -> np.random.RandomState | None:
        """Set what the file has on the estimator, in place; return its generator."""
        network = self._estimator
        validated = {k: v for k, v in vars(network).items() if k in _SET_BY_VALIDATION}
        with name_unreadable(self._file.path):
            encoded = description.get("attributes")
            # Activations that are code are not in the file; `fit` resolves them anew.
            restore_attributes(network, encoded, arrays, lacking=("_activations",))
            if network._training_state is None or network.n_iter_ < self._n_before:
                raise ValueError("the state of training is missing")
            generator_after = decode(description.get("generator_after"), arrays)
            if not isinstance(generator_after, np.random.RandomState | None):
                raise ValueError("the state of random_state is missing")
        for name in _SET_BY_VALIDATION:
            vars(network).pop(name, None)
        vars(network).update(validated)
        network._activations = name_activations(
            resolve_activations(network.activation, network.n_layers_ - 2)
        )
        return generator_after

    def _find_difference(self, description: dict[str, Any], arrays: Any) -> str:
        """Return how this fit differs from that in the file, or "" if it does not."""
        fit, now = description["fit"], self._identity
        if fit.get("class") != now["class"]:
            return f"its class is {fit.get('class')}, and not {now['class']}"
        if fit.get("code") != now["code"]:
            return f"the code of {now['class']} has changed"
        params = fit.get("params")
        for name, text in now["params"].items():
            if not isinstance(params, dict) or params.get(name) != text:
                value = getattr(self._estimator, name)
                return f"{name} is now {value!r:.200}{_was(name, description, arrays)}"
        if now["generator"] not in (fit.get("generator"), fit.get("generator_after")):
            return "random_state is now a generator in another state"
        if fit.get("shapes") != now["shapes"]:
            return f"X now has the shape {now['shapes']}, and had {fit.get('shapes')}"
        if fit.get("start") != now["start"]:
            return (
                "it started from other weights, or after another number of epochs "
                "(with warm_start, use another path for each call)"
            )
        if fit.get("data") != now["data"]:
            return "X, y, the sample weights or the validation data have changed"
        return ""

    def begin(
        self,
        network: Any,
        state: TrainingState,
        resumes: bool,
        restore_best: bool,
        to_save: tuple[Any, ...],
    ) -> None:
        """Write the first file, or raise an `OSError` if that is impossible.

        Parameters
        ----------
        network : estimator
            A copy of the estimator that knows its layers.
        state : TrainingState
            Where training starts.
        resumes, restore_best : bool
            Arguments of `set_result`.
        to_save : tuple
            Arguments of `save_state`.
        """
        rng = network.random_state
        if isinstance(rng, np.random.RandomState) and self._generator_after is None:
            self._generator_after = deepcopy(rng)
            self._identity["generator_after"] = fingerprint(rng)
        self._start = copy(network)
        self._arguments = resumes, restore_best, to_save
        none = np.empty(0)
        result = TrainingResult(state, none, none, none, none, "n_iter")
        self._file.begin(state.n_epochs, *self._encode(result))

    def __call__(self, loop: TrainingLoop) -> bool:
        """Write the file if it is time to; never ask for a stop."""
        if self._file.is_due(loop.state.n_epochs):
            result = loop.snapshot()
            if result.ended_by != "divergence":  # which the next epoch will find
                self._write(result)
        return False

    def finish(self, result: TrainingResult) -> TrainingResult:
        """Write the last file, unless an interrupt may have occurred within an epoch.

        Return the result. If an interrupt occurs now, the result contains it.
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
        self._file.write(result.state.n_epochs, *self._encode(result))

    def _encode(self, result: TrainingResult) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the description and arrays of a file, as if training ended here."""
        network, encoder = copy(self._start), Encoder()
        resumes, restore_best, to_save = self._arguments
        set_result(network, result, resumes, restore_best)
        save_state(network, result.state, *to_save)
        params, unsaved = encode_params(network, encoder)
        if not is_ours(type(network)):
            unsaved.append("class")
        description = {
            "format": FORMAT,
            "version": __version__,
            "class": type(network).__name__,
            "params": params,
            "unsaved": unsaved,
            "attributes": encode_attributes(network, encoder),
            "fit": self._identity,
            "generator_after": encoder.encode(self._generator_after, "generator_after"),
        }
        return description, encoder.arrays


def _was(name: str, description: dict[str, Any], arrays: Any) -> str:
    """Return the previous value of a parameter, if the file contains it."""
    try:
        return f", and was {decode(description['params'][name], arrays)!r:.200}"
    except (KeyError, TypeError, ValueError):
        return ", and was something else"


def identify_fit(
    estimator: Any, dataset: Dataset, validation_set: Dataset | None, resumes: bool
) -> dict[str, Any]:
    """Return JSON that is equal for two fits if they train alike."""
    cls, params = type(estimator), all_params(estimator)
    datasets = [it for it in (dataset, validation_set) if it is not None]
    rng = params["random_state"]
    has_generator = isinstance(rng, np.random.RandomState)
    compared = {k: v for k, v in params.items() if k not in _MAY_DIFFER}
    # A generator has moved on since the fit began, so it is compared by itself.
    compared["random_state"] = "a generator" if has_generator else rng
    start = None
    if resumes:
        learned = [estimator._params, estimator._training_state]
        start = [estimator.n_iter_, fingerprint(learned)]
    return {
        "class": f"{cls.__module__}.{cls.__qualname__}",
        "code": fingerprint(cls),
        "params": fingerprint_all(compared),
        "generator": fingerprint(rng) if has_generator else None,
        "start": start,
        "shapes": [list(it.X.shape) for it in datasets],
        "data": [_hash_dataset(it) for it in datasets],
    }


def _hash_dataset(dataset: Dataset) -> str:
    X, labels = dataset.X, getattr(dataset.targets, "classes", np.empty(0))
    parts = (X.data, X.indices, X.indptr) if issparse(X) else (X,)
    weight = np.empty(0) if dataset.weight is None else dataset.weight
    named = repr(labels.tolist()).encode()
    return hash_arrays(*parts, dataset.target, weight, np.frombuffer(named, np.uint8))
