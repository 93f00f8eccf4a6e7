"""The file in which a search saves its scores, and from which it reads them."""

from typing import Any

import numpy as np

from .._serialization.checkpoint import Checkpoint
from .._serialization.checkpoint_file import GrowingCheckpointFile, fingerprint_all
from .._serialization.fingerprint import NotHashable, fingerprint
from .._serialization.schema import FORMAT
from .._utils.version import __version__
from .tasks import Call

_SECONDS = 1.0  # between two writes, since a write waits for the disk
# Options of a search or cross-validation, named as in its calls of scikit-learn's
# `_fit_and_score`.
_MUST_AGREE = ("error_score", "return_train_score")
_DATA = ("fit_params", "score_params")
_RETURNED = ("return_times", "return_n_test_samples")


class SearchCheckpoint:
    """The results of calls, by the parameters of the candidate and by rows.

    Results therefore depend neither on the order of the calls, nor on the stacks, nor
    on other candidates. Calls with parameters that cannot be hashed, such as a lock,
    are not saved.

    Parameters
    ----------
    checkpoint : Checkpoint
        Where and when to write.
    call : Call
        The first call of the search or cross-validation.

    Raises
    ------
    ModelFileError
        If the file exists but cannot be read.
    ValueError
        If the file belongs to another search.
    OSError
        If the file cannot be written.
    """

    def __init__(self, checkpoint: Checkpoint, call: Call) -> None:
        self._file = GrowingCheckpointFile(
            checkpoint, "search", "the search", "fits", _SECONDS
        )
        self._search = _fingerprints_of(call)
        self._error_score = call.options.get("error_score")
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
        """Raise a `ValueError` unless the call belongs to the same search."""
        self._check(self._search, _fingerprints_of(call), call)

    def _check(self, before: dict[str, Any], now: dict[str, Any], call: Call) -> None:
        if before.get("data") != now["data"]:
            self._file.refuse("X, y or other data given to fit have changed")
        parameters = before.get("parameters")
        for name, text in now["parameters"].items():
            if not isinstance(parameters, dict) or parameters.get(name) != text:
                value = _parameters_of(call)[name]
                self._file.refuse(f"{name} is now {value!r:.200}, unlike before")

    def look_up(self, call: Call) -> tuple[str | None, dict[str, Any] | None]:
        """Return the key and the saved result of a call. Each may be None."""
        key = _key_of(call)
        return key, None if key is None else self._results.get(key)

    def note(self, key: str | None, result: dict[str, Any]) -> None:
        """Add the result of a call, and write the file if it is time to.

        A fit or a score that failed is not added: the cause, such as a lack of memory,
        may be gone in the next run, which tries again.
        """
        if key is not None and not _has_failed(result, self._error_score):
            self._results[key] = self._unsaved[key] = _plain(result)
        self._n_fits += 1
        if self._file.is_due(self._n_fits):
            self.write()

    def write(self) -> None:
        """Write the results that are not in the file yet."""
        if self._unsaved and self._file.write(self._n_fits, self._unsaved):
            self._unsaved = {}


def _parameters_of(call: Call) -> dict[str, Any]:
    """Return the values that must be equal in all calls of a search, besides data."""
    options = {name: call.options.get(name) for name in _MUST_AGREE}
    scoring = call.options.get("scorer")
    return {"estimator": call.args[0], "scoring": scoring, **options}


def _fingerprints_of(call: Call) -> dict[str, Any]:
    """Return the fingerprints of the search that a call belongs to."""
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
    # A cross-validation may return less than a search. For a search this list is empty.
    lacking = [name for name in _RETURNED if not call.options.get(name)]
    try:
        return fingerprint([call.options["parameters"], *rows, *lacking])
    except NotHashable:
        return None


def _has_failed(result: dict[str, Any], error_score: Any) -> bool:
    """Return whether the fit or a score raised an error, or seems to have."""
    if result.get("fit_error") is not None:
        return True
    for name in ("test_scores", "train_scores"):
        scores = result.get(name, {})
        for score in scores.values() if isinstance(scores, dict) else [scores]:
            # The result does not tell a score that failed from one of the same value
            if np.isnan(score) or score == error_score:
                return True
    return False


def _plain(result: Any) -> Any:
    """Return a result with values that JSON supports."""
    if isinstance(result, dict):
        return {name: _plain(value) for name, value in result.items()}
    return result.item() if isinstance(result, np.generic) else result
