"""The file in which a search keeps the scores of its tasks, and finds them again."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._serialization.checkpoint import Checkpoint
from .._serialization.checkpoint_file import CheckpointFile, fingerprint_all
from .._serialization.container import name_unreadable
from .._serialization.fingerprint import NotHashable, fingerprint
from .._serialization.schema import FORMAT
from .._utils.version import __version__
from .tasks import CVTask

_MUST_AGREE = ("estimator", "scoring", "error_score", "return_train_score")


class SearchCheckpoint:
    """Results of tasks, by their candidate's parameters and their rows.

    So it does not matter in which order tasks come, which of them make a stack, or
    whether there are other candidates now. Tasks with parameters that cannot be told,
    such as a lock, are not kept.

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
        self._file = CheckpointFile(checkpoint, "the search", seconds=0.0)
        self._search = {
            "parameters": fingerprint_all({k: getattr(search, k) for k in _MUST_AGREE}),
            "data": fingerprint_all({"X": X, "y": y, **params}),
        }
        self._results: dict[str, dict[str, Any]] = {}
        self._n_done = 0
        found = self._file.read("search")
        if found is not None:
            self._check(found[0]["search"], search)
            self._results = self._read(found[1])
        self._file.begin(0, *self._describe())

    def _check(self, before: dict[str, Any], search: Any) -> None:
        if before.get("data") != self._search["data"]:
            self._file.refuse("X, y or what else is given to fit, is not what it was")
        described = before.get("parameters")
        for name, text in self._search["parameters"].items():
            if not isinstance(described, dict) or described.get(name) != text:
                value = getattr(search, name)
                self._file.refuse(f"{name} is now {value!r:.200}, and was not")

    def _read(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, dict[str, Any]]:
        with name_unreadable(self._file.path):
            if "results" not in arrays:
                raise ValueError("it has no results")
            results = json.loads(arrays["results"].tobytes())
            if not isinstance(results, dict):
                raise ValueError("its results are not by task")
        return results

    def look_up(self, fit: CVTask) -> tuple[str | None, dict[str, Any] | None]:
        """Return the key of a task, and its result; None where there is none."""
        key = _key_of(fit)
        return key, None if key is None else self._results.get(key)

    def note(self, keys: list[str | None], results: list[dict[str, Any]]) -> None:
        """Add the results of a stack, and write them if it is time to."""
        for key, result in zip(keys, results, strict=True):
            if key is not None:
                self._results[key] = _plain(result)
        self._n_done += 1
        if self._file.is_due(self._n_done):
            self.write()

    def write(self) -> None:
        """Write all that is known."""
        self._file.write(self._n_done, "stacks", *self._describe())

    def _describe(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        description = {"format": FORMAT, "version": __version__}
        text = json.dumps(self._results).encode()
        return (
            description | {"search": self._search},
            {"results": np.frombuffer(text, np.uint8)},
        )


def _key_of(fit: CVTask) -> str | None:
    """Return a key of parameters and rows, None if one of these cannot be told."""
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
