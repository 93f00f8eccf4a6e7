"""The file in which a search saves its scores, and finds them again."""

from typing import Any

import numpy as np

from .._serialization.checkpoint import Checkpoint
from .._serialization.checkpoint_file import GrowingCheckpointFile, fingerprint_all
from .._serialization.fingerprint import NotHashable, fingerprint
from .._serialization.schema import FORMAT
from .._utils.version import __version__
from .tasks import Call

_SECONDS = 1.0  # from one write to the next, since each waits for the disk
# Of a search or validation, as its calls of scikit-learn's function name them.
_MUST_AGREE = ("error_score", "return_train_score")
_DATA = ("fit_params", "score_params")
_RETURNED = ("return_times", "return_n_test_samples")


class SearchCheckpoint:
    """Results of calls, by their candidate's parameters and their rows.

    So neither the order of calls, nor which of them make a stack, nor other candidates
    matter. Calls whose parameters cannot be hashed, such as a lock, are not saved.

    Parameters
    ----------
    checkpoint : Checkpoint
        Where and when to write.
    call : Call
        The first call of the search or validation.

    Raises
    ------
    ModelFileError
        If there is a file that cannot be read.
    ValueError
        If it is of another search.
    OSError
        If it cannot be written.
    """

    def __init__(self, checkpoint: Checkpoint, call: Call) -> None:
        self._file = GrowingCheckpointFile(
            checkpoint, "search", "the search", "fits", _SECONDS
        )
        self._search = _fingerprints_of(call)
        self._results: dict[str, dict[str, Any]] = {}
        self._unsaved: dict[str, dict[str, Any]] = {}
        self._n_fits = 0
        found = self._file.read()
        if found is not None:
            description, records = found
            self._check(description["search"], self._search, call)
            for record in records:
                self._results |= record
        self._file.begin(
            0, {"format": FORMAT, "version": __version__, "search": self._search}
        )

    def check(self, call: Call) -> None:
        """Raise a `ValueError` unless a call is of the same search."""
        self._check(self._search, _fingerprints_of(call), call)

    def _check(self, before: dict[str, Any], now: dict[str, Any], call: Call) -> None:
        if before.get("data") != now["data"]:
            self._file.refuse("X, y or what else is given to fit, is not what it was")
        parameters = before.get("parameters")
        for name, text in now["parameters"].items():
            if not isinstance(parameters, dict) or parameters.get(name) != text:
                value = _parameters_of(call)[name]
                self._file.refuse(f"{name} is now {value!r:.200}, and was not")

    def look_up(self, call: Call) -> tuple[str | None, dict[str, Any] | None]:
        """Return the key of a call, and its result; None where there is none."""
        key = _key_of(call)
        return key, None if key is None else self._results.get(key)

    def note(self, key: str | None, result: dict[str, Any]) -> None:
        """Add the result of a call, and write it if it is time to."""
        if key is not None:
            self._results[key] = self._unsaved[key] = _plain(result)
        self._n_fits += 1
        if self._file.is_due(self._n_fits):
            self.write()

    def write(self) -> None:
        """Write the results that are not in the file yet."""
        if self._unsaved and self._file.write(self._n_fits, self._unsaved):
            self._unsaved = {}


def _parameters_of(call: Call) -> dict[str, Any]:
    """Return what has to agree for calls to be of the same search, beside the data."""
    options = {name: call.options.get(name) for name in _MUST_AGREE}
    scoring = call.options.get("scorer")
    return {"estimator": call.args[0], "scoring": scoring, **options}


def _fingerprints_of(call: Call) -> dict[str, Any]:
    """Return the fingerprints of the search that a call is of."""
    _, X, y = call.args
    data = {"X": X, "y": y} | {name: call.options.get(name) for name in _DATA}
    return {
        "parameters": fingerprint_all(_parameters_of(call)),
        "data": fingerprint_all(data),
    }


def _key_of(call: Call) -> str | None:
    """Return a key of parameters and rows; None if the result cannot be saved."""
    if call.options.get("return_estimator"):
        return None
    rows = [np.asarray(call.options[name]) for name in ("train", "test")]
    # A validation may ask for less than a search does, whose keys have no such names.
    lacking = [name for name in _RETURNED if not call.options.get(name)]
    try:
        return fingerprint([call.options["parameters"], *rows, *lacking])
    except NotHashable:
        return None


def _plain(result: Any) -> Any:
    """Return a result as JSON has it."""
    if isinstance(result, dict):
        return {name: _plain(value) for name, value in result.items()}
    return result.item() if isinstance(result, np.generic) else result
