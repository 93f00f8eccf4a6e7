"""What holds for every estimator: transactions, versions in pickles, links."""

import inspect
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sklearn.base import BaseEstimator

from .._utils.version import __version__
from ..exceptions import VersionWarning

_VERSION_KEY = "_sklearn_deepnet_version"


@contextmanager
def transaction(estimator: BaseEstimator) -> Iterator[None]:
    """Undo in place whatever the block set on `estimator` if it raises.

    ``validate_data`` sets ``n_features_in_`` before anything else is known to be right.
    """
    before = vars(estimator).copy()
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


def warn_of_version(name: str, version: str) -> None:
    """Warn, where the caller was called, if another version saved an estimator."""
    if version != __version__:
        warnings.warn(
            f"This {name} was saved by sklearn_deepnet {version} and is loaded by "
            f"{__version__}. To be sure of its predictions, fit it again or load it "
            "with that version.",
            VersionWarning,
            stacklevel=3,
        )


class Versioned:
    """What scikit-learn gives to its own estimators only, for those of this library.

    Pickles are stamped with its version, and the HTML form links to its documentation.
    """

    _doc_link_module = "sklearn_deepnet"
    _doc_link_template = (
        "https://sklearn-deepnet.readthedocs.io/en/stable/api/"
        "{estimator_module}.{estimator_name}.html"
    )

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), _VERSION_KEY: __version__}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Load, warn of another version, and give parameters it lacks their default."""
        state = dict(state)
        warn_of_version(type(self).__name__, state.pop(_VERSION_KEY, "unknown"))
        for parameter in inspect.signature(type(self)).parameters.values():
            state.setdefault(parameter.name, parameter.default)
        super().__setstate__(state)
