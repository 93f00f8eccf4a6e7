"""The file in which `fit` keeps its progress, and from which it goes on."""

from copy import copy, deepcopy
from typing import Any

import numpy as np
from scipy.sparse import issparse

from .._engine.state import State
from .._engine.training import Outcome, Run
from .._serialization.checkpoint_file import Checkpoint, KeptFile, tell_all
from .._serialization.container import name_unreadable
from .._serialization.encoding import Encoder, decode
from .._serialization.fingerprint import digest, tell
from .._serialization.schema import (
    FORMAT,
    describe_attributes,
    describe_params,
    restore_attributes,
)
from .._utils.lookup import is_ours
from .._utils.version import __version__
from .dataset import Sample
from .parameters import name_activations, resolve_activations

_SECONDS = 30.0
_MAY_DIFFER = ("n_iter", "verbose", "warm_start")
# Validation has set these by the data of today, whose values are those of the file.
_OF_DATA = ("n_features_in_", "feature_names_in_", "classes_")


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
        self._file = KeptFile(checkpoint, "training", _SECONDS)
        self._estimator = estimator
        self._n_before = estimator.n_iter_ if resumes else 0
        self._fit = _tell_fit(estimator, sample, held_out, resumes)
        self._drawn: np.random.RandomState | None = None
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
        found = self._file.read("fit")
        if found is None:
            return False
        description, arrays = found
        difference = self._describe_difference(description, arrays)
        if difference:
            self._file.refuse(difference)
        self._fit, network = description["fit"], self._estimator
        of_data = {k: v for k, v in vars(network).items() if k in _OF_DATA}
        with name_unreadable(self._file.path):
            told = description.get("attributes")
            restore_attributes(network, told, arrays, lacking=("_activations",))
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
        self.n_made = network.n_iter_ - self._n_before
        if self.n_made > n_iter:
            raise ValueError(
                f"The checkpoint '{self._file.path}' has made {self.n_made} passes, "
                f"more than n_iter={n_iter}. Raise n_iter, or give another path to "
                "start over."
            )
        rng = network.random_state
        if drawn is not None and isinstance(rng, np.random.RandomState):
            rng.set_state(drawn.get_state())  # others draw what they would have drawn
            self._drawn = drawn
        ends = {"tol", "divergence"}
        if "_skl_callbacks" in vars(network):  # which would stop it again
            ends.add("report")
        self.is_complete = network._ended_by in ends or self.n_made == n_iter
        return True

    def _describe_difference(self, description: dict[str, Any], arrays: Any) -> str:
        """Return in what the file is of another fit, if in anything."""
        fit, now = description["fit"], self._fit
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
        rng = network.random_state
        if isinstance(rng, np.random.RandomState) and self._drawn is None:
            self._drawn = deepcopy(rng)
            self._fit["generator_after"] = tell(rng)
        self._start = copy(network)
        self._kept = resumes, shows_best, kept
        none = np.empty(0)
        outcome = Outcome(state, none, none, none, "n_iter")
        self._file.begin(state.n_passes, *self._describe(outcome))

    def __call__(self, run: Run) -> bool:
        """Write the file if it is time to; never ask for a stop."""
        if self._file.is_due(run.state.n_passes):
            outcome = run.snapshot()
            if outcome is not None:
                self._write(outcome)
        return False

    def finish(self, outcome: Outcome) -> Outcome:
        """Write the last file, unless an interrupt may have come within a pass.

        Return the outcome, with the interrupt if one comes now.
        """
        if outcome.interrupt is None:
            try:
                self._write(outcome)
            except KeyboardInterrupt as interrupt:
                return outcome._replace(interrupt=interrupt)
        return outcome

    def end(self) -> None:
        """Do nothing, as the file is written."""

    def _write(self, outcome: Outcome) -> None:
        self._file.write(outcome.state.n_passes, "passes", *self._describe(outcome))

    def _describe(self, outcome: Outcome) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return a file of the network that would be kept, and of how to go on."""
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
    estimator: Any, sample: Sample, held_out: Sample | None, resumes: bool
) -> dict[str, Any]:
    """Return what a fit goes by, as JSON that is equal if that is."""
    cls, params = type(estimator), estimator.get_params(deep=False)
    samples = [it for it in (sample, held_out) if it is not None]
    rng = params["random_state"]
    has_generator = isinstance(rng, np.random.RandomState)
    told = {k: v for k, v in params.items() if k not in _MAY_DIFFER}
    told["random_state"] = "a generator" if has_generator else rng
    start = None
    if resumes:
        learned = [estimator._params, estimator._training_state]
        start = [estimator.n_iter_, tell(learned)]
    return {
        "class": f"{cls.__module__}.{cls.__qualname__}",
        "code": tell(cls),
        "params": tell_all(told),
        "generator": tell(rng) if has_generator else None,
        "start": start,
        "shapes": [list(it.X.shape) for it in samples],
        "data": [_digest_sample(it) for it in samples],
    }


def _digest_sample(sample: Sample) -> str:
    X, labels = sample.X, getattr(sample.targets, "classes", np.empty(0))
    parts = (X.data, X.indices, X.indptr) if issparse(X) else (X,)
    weight = np.empty(0) if sample.weight is None else sample.weight
    named = repr(labels.tolist()).encode()
    return digest(*parts, sample.target, weight, np.frombuffer(named, np.uint8))
