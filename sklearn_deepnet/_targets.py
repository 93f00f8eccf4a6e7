"""From labels to the targets of a network."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.multiclass import check_classification_targets

from ._typing import IntArray


def find_classes(labels: NDArray[Any], name: str = "y") -> NDArray[Any]:
    """Return the sorted classes among `labels`, at least two."""
    check_classification_targets(labels)
    classes = np.unique(labels)
    if len(classes) < 2:
        raise ValueError(
            f"{name} holds only one class, {classes.tolist()}; a classifier needs two."
        )
    return classes


def check_same_classes(classes: NDArray[Any], before: NDArray[Any]) -> None:
    """Raise unless `classes` are those that the network was started with."""
    if not np.array_equal(classes, before):
        raise ValueError(
            f"The classes are now {classes.tolist()}, but the network to continue has "
            f"{before.tolist()}. Keep them, or start anew by fit with warm_start=False."
        )


def check_weighted_classes(y: NDArray[Any], rows: IntArray | None) -> None:
    """Raise unless at least two classes have rows of positive weight."""
    if rows is not None and len(np.unique(y[rows])) < 2:
        raise ValueError(
            "sample_weight leaves only one class with positive weight, "
            f"{np.unique(y[rows]).tolist()}; a classifier needs two."
        )


def encode_labels(y: NDArray[Any], classes: NDArray[Any]) -> IntArray:
    """Return the place of each label among the sorted `classes`, as a column.

    Raises
    ------
    ValueError
        If a label is not among them.
    """
    unknown = np.setdiff1d(y, classes)
    if len(unknown):
        raise ValueError(
            f"y holds {unknown.tolist()}, not among the classes {classes.tolist()} "
            "that this network was started with."
        )
    return np.searchsorted(classes, y)[:, np.newaxis]
