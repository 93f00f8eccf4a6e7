"""The file in which a search saves the scores of its tasks, and finds them again."""

from typing import Any

import numpy as np

from .._serialization.checkpoint import Checkpoint
from .._serialization.checkpoint_file import GrowingCheckpointFile, fingerprint_all
from .._serialization.fingerprint import NotHashable, fingerprint
from .._serialization.schema import FORMAT
from .._utils.version import __version__
from .tasks import CVTask

_MUST_AGREE = ("estimator", "scoring", "error_score", "return_train_score")


class SearchCheckpoint:
    """Results of tasks, by their candidate's parameters and their rows.

    So neither the order of tasks, nor which of them make a stack, nor other candidates
    matter. Tasks whose parameters cannot be hashed, such as a lock, are not saved.

    Parameters
    ----------
    checkpoint : Checkpoint
        Where and when to write.
    search : estimator
        Stacked search with its parameters.
    X, y, params : array-like, array-like, dict
        What it is fitted to.

    Raises
    ------
    ModelFileError
        If there is a file that cannot be read.
    ValueError
        If it is of another search.
    OSError
        If it cannot be written.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        search: Any,
        X: Any,
        y: Any,
        params: dict[str, Any],
    ) -> None:
        self._file = GrowingCheckpointFile(
            checkpoint, "search", "the search", "stacks", seconds=0.0
        )
        self._search = {
            "parameters": fingerprint_all({k: getattr(search, k) for k in _MUST_AGREE}),
            "data": fingerprint_all({"X": X, "y": y, **params}),
        }
        self._results: dict[str, dict[str, Any]] = {}
        self._unsaved: dict[str, dict[str, Any]] = {}
        self._n_stacks = 0
        found = self._file.read()
        if found is not None:
            description, records = found
            self._check(description["search"], search)
            for record in records:
                self._results |= record
        self._file.begin(
            0, {"format": FORMAT, "version": __version__, "search": self._search}
        )

    def _check(self, before: dict[str, Any], search: Any) -> None:
        if before.get("data") != self._search["data"]:
            self._file.refuse("X, y or what else is given to fit, is not what it was")
        parameters = before.get("parameters")
        for name, text in self._search["parameters"].items():
            if not isinstance(parameters, dict) or parameters.get(name) != text:
                value = getattr(search, name)
                self._file.refuse(f"{name} is now {value!r:.200}, and was not")

    def look_up(self, fit: CVTask) -> tuple[str | None, dict[str, Any] | None]:
        """Return the key of a task, and its result; None where there is none."""
        key = _key_of(fit)
        return key, None if key is None else self._results.get(key)

    def note(self, keys: list[str | None], results: list[dict[str, Any]]) -> None:
        """Add the results of a stack, and write them if it is time to."""
        for key, result in zip(keys, results, strict=True):
            if key is not None:
                self._results[key] = self._unsaved[key] = _plain(result)
        self._n_stacks += 1
        if self._file.is_due(self._n_stacks):
            self.write()

    def write(self) -> None:
        """Write the results that are not in the file yet."""
        if self._unsaved and self._file.write(self._n_stacks, self._unsaved):
            self._unsaved = {}


def _key_of(fit: CVTask) -> str | None:
    """Return a key of parameters and rows, None if these cannot be hashed."""
    rows = [np.asarray(fit.options[name]) for name in ("train", "test")]
    try:
        return fingerprint([fit.options["parameters"], *rows])
    except NotHashable:
        return None


def _plain(result: Any) -> Any:
    """Return a result as JSON has it."""
    if isinstance(result, dict):
        return {name: _plain(value) for name, value in result.items()}
    return result.item() if isinstance(result, np.generic) else result
