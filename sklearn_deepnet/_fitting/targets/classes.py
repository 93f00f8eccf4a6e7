"""Targets of a classifier: labels, or a multilabel indicator matrix."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from ..._utils.typing import FloatArray
from ..._utils.values import as_labels, items_of, list_some
from ..._utils.warnings import warn_once
from ...nn.losses import Loss
from .class_weight import balance, look_up_weights


@dataclass(frozen=True)
class ClassTargets:
    """Targets of a classifier: class labels, or a multilabel indicator matrix.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        Sorted class labels, or the column indices of the indicator matrix.
    multilabel : bool
        Whether y is an indicator matrix with one column for each label.
    class_weight : dict, list of dict, "balanced" or None
        Class weights, as in scikit-learn.
    label_smoothing : float
        Fraction of the target that is spread evenly over the classes.
    """

    classes: NDArray[Any]
    multilabel: bool = False
    class_weight: Any = None
    label_smoothing: float = 0.0

    @property
    def n_outputs(self) -> int:
        """Number of output units: 1 for two classes."""
        return 1 if self._is_binary else len(self.classes)

    @property
    def _is_binary(self) -> bool:
        return len(self.classes) == 2 and not self.multilabel

    @property
    def n_target_rows(self) -> int:
        """Number of output units, since each has a target of its own."""
        return self.n_outputs

    @property
    def _is_multiclass(self) -> bool:
        """Whether the outputs are a softmax; that of a single class is always 1."""
        return not (self._is_binary or self.multilabel)

    def scale_and_shift(self, trains: bool) -> tuple[float, float]:
        """Return the factor and the summand of label smoothing, if `trains`."""
        if len(self.classes) == 1 and not self.multilabel:
            return 0.0, 1.0  # the indicator of a single class is 1, its index is 0
        smoothing = self.label_smoothing if trains else 0.0
        # A sigmoid distinguishes two classes, whatever the number of labels.
        n_classes = len(self.classes) if self._is_multiclass else 2
        return 1 - smoothing, smoothing / n_classes

    def encode(self, y: NDArray[Any], name: str = "y") -> NDArray[Any]:
        """Return the indicator matrix, or the index of each label in `classes`.

        Raises
        ------
        ValueError
            If a label is not one of the classes.
        """
        if self.multilabel:
            return y
        codes, unknown = None, y
        if _are_of_one_kind(y, self.classes):
            codes = np.searchsorted(self.classes, y)
            unknown = y[self.classes.take(codes, mode="clip") != y]
        if len(unknown):
            raise ValueError(
                f"{name} contains {list_some(np.unique(unknown))}, which are not among "
                f"the classes {list_some(self.classes)} of this network."
            )
        return codes[:, np.newaxis]

    def weigh(
        self, target: NDArray[Any], weight: FloatArray | None
    ) -> FloatArray | None:
        """Return sample weights times class weights; None is all ones."""
        if self.class_weight is None:
            return weight
        columns = target.transpose()
        if isinstance(self.class_weight, str):
            by_column = [balance(column, weight) for column in columns]
        else:
            classes = np.arange(2) if self.multilabel else self.classes
            by_column = [look_up_weights(given, classes) for given in self._dicts()]
        by_row = np.ones(len(target))
        for column, by_class in zip(columns, by_column, strict=True):
            by_row *= by_class[column]
        return by_row if weight is None else by_row * weight

    def _dicts(self) -> list[dict[Any, float]]:
        """Return one dict of class weights for each column of the target."""
        n_labels = len(self.classes) if self.multilabel else None
        given = self.class_weight if self.multilabel else [self.class_weight]
        are_dicts = isinstance(given, list) and all(isinstance(d, dict) for d in given)
        if are_dicts and n_labels in (None, len(given)):
            return given
        wanted = f"a list of {n_labels} dicts (one per label)" if n_labels else "a dict"
        raise ValueError(
            f"class_weight must be {wanted}, 'balanced' or None. Got "
            f"{self.class_weight!r} instead."
        )

    def find_only_class(self, target: NDArray[Any]) -> int | None:
        """Return the index of the class that all rows are of; None for several.

        It is always None for multilabel y, where a label may be constant.
        """
        index = int(target[0, 0])
        return None if self.multilabel or (target != index).any() else index

    def strata(self, y: NDArray[Any]) -> NDArray[Any] | None:
        """Return the labels, by which a split is stratified; None if multilabel."""
        return None if self.multilabel else y

    def name_out_activation(self, loss: Loss) -> str:
        """Return "logistic" or "softmax"."""
        return "softmax" if self._is_multiclass else "logistic"


def check_class_y(y: NDArray[Any], name: str = "y") -> NDArray[Any]:
    """Return y as labels of shape (n_samples,), or as an indicator matrix of int."""
    if y.ndim == 2:
        return _check_indicators(y, name)
    fractions = y[y != np.floor(y)] if y.dtype.kind == "f" else y[:0]
    if len(fractions):
        raise ValueError(
            f"Unknown label type: continuous. {name} contains numbers that are not "
            f"integers, such as {fractions[0]:.3g}, so they cannot be class labels. To "
            "predict numbers, use a DeepNetRegressor."
        )
    # For others, scikit-learn would only warn of too many classes, and its check takes
    # longer than several epochs of a small network.
    if y.dtype.kind not in "biufU" or 2 * len(np.unique(y)) > len(y):
        check_classification_targets(y)
    return y


def _check_indicators(y: NDArray[Any], name: str) -> NDArray[Any]:
    """Return an indicator matrix as integers, or raise if it holds more than 0 and 1.

    With other values the loss has no minimum, so training would not converge.
    """
    if y.dtype.kind in "biuf" and ((y == 0) | (y == 1)).all():
        return y.astype(int)
    values = np.unique(y)
    if len(values) <= 2:
        (one,) = items_of(values[-1:])
        advice = f"({name} == {one!r}).astype(int) if {one!r} stands for a label"
    else:
        values = values[~np.isin(values, (0, 1))][:3]
        advice = (
            "one label per row or an indicator matrix of several labels, or use a "
            "DeepNetRegressor to predict numbers"
        )
    raise ValueError(
        f"{name} has {y.shape[1]} columns and contains {list_some(values)}, but an "
        f"indicator matrix of labels contains only 0 and 1. Give {advice}."
    )


def warn_of_one_hot(y: NDArray[Any]) -> None:
    """Warn if each row of an indicator matrix has exactly one label."""
    # By chance, at most half of the rows of independent labels are like this.
    if y.ndim == 2 and len(y) >= 20 and y.shape[1] > 1 and (y.sum(axis=1) == 1).all():
        warn_once(
            "Every row of y has exactly one label, but y is treated as multilabel, so "
            "that each label is predicted independently of the others. If each sample "
            "belongs to exactly one class, give y.argmax(axis=1) instead."
        )


def warn_of_one_class(classes: NDArray[Any]) -> None:
    """Warn if there is only one class in a call of ``partial_fit``."""
    if len(classes) == 1:
        (label,) = items_of(classes)
        warn_once(
            f"The only class is {label!r}, so the network always predicts it. To "
            "learn, a classifier requires at least two classes."
        )


def find_classes(y: NDArray[Any], before: NDArray[Any] | None = None) -> NDArray[Any]:
    """Return the sorted classes of y; raise if they differ from `before`."""
    classes = _find_classes(y)
    if before is not None:
        _check_same_classes(classes, before)
    return classes


def find_partial_classes(
    y: NDArray[Any], classes: ArrayLike | None, before: NDArray[Any] | None
) -> NDArray[Any]:
    """Return the classes of a call of ``partial_fit``.

    Parameters
    ----------
    y : ndarray of shape (n_samples,) or (n_samples, n_labels)
        The y of this call.
    classes : array-like or None
        All classes, as the user gave them.
    before : ndarray or None
        The classes of the first call; None if this is the first call.
    """
    found = None
    if classes is not None:
        found = column_or_1d(as_labels(classes, "classes"))
        found = _find_classes(found)
        if not len(found):
            raise ValueError(
                "classes is empty. Give the labels of all classes that can occur in "
                "any call of partial_fit."
            )
    elif y.ndim == 2:
        found = _find_classes(y)
    elif before is None:
        raise ValueError(
            "The first call of partial_fit requires classes, which contains the labels "
            "of all classes that can occur in any call."
        )
    if before is None:
        return found
    if found is not None:
        _check_same_classes(found, before)
    return before


def _find_classes(y: NDArray[Any]) -> NDArray[Any]:
    """Return the sorted labels; of an indicator matrix, the indices of its columns."""
    return np.arange(y.shape[1]) if y.ndim == 2 else np.unique(y)


def _are_of_one_kind(labels: NDArray[Any], others: NDArray[Any]) -> bool:
    """Return whether both are numbers, text, dates or durations.

    NumPy converts one of them before it compares: 1 to "1", or to a nanosecond.
    """
    both = labels.dtype.kind, others.dtype.kind
    return both[0] == both[1] or any({*both} <= {*kinds} for kinds in ("biuf", "OU"))


def _check_same_classes(classes: NDArray[Any], before: NDArray[Any]) -> None:
    """Raise unless `classes` are those of the first call."""
    are_alike = _are_of_one_kind(classes, before)
    if not (are_alike and np.array_equal(classes, before)):
        raise ValueError(
            f"The classes are now {list_some(classes)}, but the network to continue "
            f"has {list_some(before)}. Give samples of the same classes, or call fit "
            "with warm_start=False to start over."
        )
