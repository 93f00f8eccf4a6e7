"""The split of rows into those to train on and those that are held out."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import ShuffleSplit

from ..._utils.sklearn_compat import approximate_mode
from ..._utils.typing import IntArray
from ..._utils.values import items_of

_FEWEST_ROWS = 30  # of which ``early_stopping="auto"`` holds some out


def count_strata(
    strata: NDArray[Any] | None, rows: IntArray | None, *, n_rows: int
) -> tuple[NDArray[Any], IntArray]:
    """Return the classes by which to stratify a split, and their numbers of rows.

    Parameters
    ----------
    strata : ndarray of shape (n_samples,) or None
        Class of each row; None does not stratify, which is one class.
    rows : ndarray of int or None
        The rows to split; None is all.
    n_rows : int
        Number of all rows.

    Returns
    -------
    classes : ndarray of shape (n_classes,)
    counts : ndarray of int of shape (n_classes,)
    """
    if strata is None:
        return np.arange(1), np.array([n_rows if rows is None else len(rows)])
    labels = strata if rows is None else strata[rows]
    return np.unique(labels, return_counts=True)


def has_rows_to_hold_out(counts: IntArray, fraction: float) -> bool:
    """Return whether ``early_stopping="auto"`` holds rows out.

    It does if there are enough rows, and if both `fraction` of them and the others are
    enough for a row of each class. Classes with a single row are not counted.

    Parameters
    ----------
    counts : ndarray of int
        See `count_strata`.
    fraction : float
        The fraction to hold out.
    """
    shared = counts[counts > 1]
    n_rows, n_classes = shared.sum(), len(shared)
    # With fewer rows than classes, one of each would be held out, up to half of all.
    n_held_out = _count_asked(n_rows, fraction)
    has_classes = 0 < n_classes <= min(n_held_out, n_rows - n_held_out)
    return bool(counts.sum() >= _FEWEST_ROWS and has_classes)


def check_split(classes: NDArray[Any], counts: IntArray, fraction: float) -> None:
    """Raise if rows cannot be held out as ``early_stopping=True`` asks.

    Parameters
    ----------
    classes, counts : ndarray
        See `count_strata`.
    fraction : float
        The fraction to hold out.
    """
    n_rows, n_classes = counts.sum(), len(classes)
    if n_classes > 1 and counts.min() < 2:
        (rare,) = items_of(classes[[counts.argmin()]])
        raise ValueError(
            "early_stopping requires at least two samples of each class, one to train "
            f"on and one to hold out, but class {rare!r} has only one sample with "
            "positive weight. Give more samples, or give X_val and y_val."
        )
    n_held_out = _count_held_out(n_rows, n_classes, fraction)
    if n_rows - n_held_out < n_classes:
        others = "another one" if n_classes == 1 else f"{n_classes} classes"
        raise ValueError(
            f"early_stopping cannot hold out {n_held_out} of {n_rows} samples and "
            f"train on {others}. Lower validation_fraction (now {fraction}), give more "
            "samples, or give X_val and y_val."
        )


def split_rows(
    strata: NDArray[Any] | None,
    rows: IntArray | None,
    *,
    n_rows: int,
    fraction: float,
    seed: int,
) -> tuple[IntArray, IntArray]:
    """Return the rows to train on and those to hold out.

    Parameters
    ----------
    strata : ndarray of shape (n_rows,) or None
        See `count_strata`. A row that is alone in its class is trained on.
    rows : ndarray of int or None
        The rows to split; None is all.
    n_rows : int
        Number of all rows.
    fraction : float
        The fraction to hold out.
    seed : int
        Seed of the random split.

    Returns
    -------
    train, held_out : ndarray of int
        Sorted.
    """
    rows = np.arange(n_rows) if rows is None else rows
    # The same as `train_test_split`, which takes a millisecond to check its arguments.
    if strata is None:
        n_held_out = _count_held_out(len(rows), 1, fraction)
        splitter = ShuffleSplit(1, test_size=n_held_out, random_state=seed)
        ((train, held_out),) = splitter.split(rows)
        return np.sort(rows[train]), np.sort(rows[held_out])
    labels = strata if len(rows) == n_rows else strata[rows]
    _, which, counts = np.unique(labels, return_inverse=True, return_counts=True)
    # Sorted by class, and in each class in their order
    rows = rows[np.argsort(which, kind="stable")]
    by_class = np.split(rows, np.cumsum(counts)[:-1])
    alone = [own for own in by_class if len(own) == 1]
    others = [own for own in by_class if len(own) > 1]
    n_held_out = _count_held_out(sum(map(len, others)), len(others), fraction)
    train, held_out = _draw_stratified(others, n_held_out, seed)
    _give_each_class_a_row(strata, train, held_out)
    return np.sort(np.concatenate([train, *alone])), np.sort(held_out)


def _draw_stratified(
    by_class: list[IntArray], n_held_out: int, seed: int
) -> tuple[IntArray, IntArray]:
    """Return the rows to train on and those that are held out, in random order.

    They are those of `StratifiedShuffleSplit`, which stores rows as Python integers and
    so needs a hundred bytes for each.
    """
    rng = np.random.RandomState(seed)
    counts = np.array([len(own) for own in by_class])
    n_train = approximate_mode(counts, counts.sum() - n_held_out, rng)
    n_left = approximate_mode(counts - n_train, n_held_out, rng)
    train, held_out = [], []
    for own, n, n_more in zip(by_class, n_train, n_left, strict=True):
        own = own[rng.permutation(len(own))]
        train.append(own[:n])
        held_out.append(own[n : n + n_more])
    train, held_out = np.concatenate(train), np.concatenate(held_out)
    return rng.permutation(train), rng.permutation(held_out)


def _count_held_out(n_rows: int, n_classes: int, fraction: float) -> int:
    """Return how many rows are held out: as asked, and one of each class at least."""
    return max(_count_asked(n_rows, fraction), n_classes)


def _count_asked(n_rows: int, fraction: float) -> int:
    """Return the number of rows, rounded up, as by ``train_test_split``."""
    return int(np.ceil(fraction * n_rows))


def _give_each_class_a_row(
    strata: NDArray[Any], train: IntArray, held_out: IntArray
) -> None:
    """Swap rows in place so that every class is in the training set.

    `train_test_split` rounds, and may put all samples of a rare class on one side.
    """
    for label in np.setdiff1d(strata[held_out], strata[train]):
        classes, counts = np.unique(strata[train], return_counts=True)
        i = np.flatnonzero(strata[train] == classes[counts.argmax()])[0]
        j = np.flatnonzero(strata[held_out] == label)[0]
        train[i], held_out[j] = held_out[j], train[i]
