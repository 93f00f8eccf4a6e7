"""The weight of each class, from `class_weight`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._utils.typing import FloatArray, IntArray
from ..._utils.values import index_of, list_some


def balance(column: IntArray, weight: FloatArray | None) -> FloatArray:
    """Return class weights that give all classes in `column` the same total weight."""
    # Weights are summed instead of samples, so that a weight of 2 is the same as a
    # repeated sample. `compute_class_weight` would count samples.
    totals = np.bincount(column, weight)
    present = totals > 0
    factor = np.zeros_like(totals, dtype=float)
    factor[present] = totals.sum() / (np.count_nonzero(present) * totals[present])
    return factor


def look_up_weights(by_class: dict[Any, Any], classes: NDArray[Any]) -> FloatArray:
    """Return the weight of each class, 1 for those that are not in the dict."""
    weights, unknown = np.ones(len(classes)), []
    for key, weight in by_class.items():
        k = index_of(key, classes)
        if k is None:
            unknown.append(key)
        elif _is_weight(weight):
            weights[k] = weight
        else:
            raise ValueError(
                f"class_weight must contain finite numbers that are not negative. Got "
                f"{by_class} instead."
            )
    if unknown:
        raise ValueError(
            f"class_weight contains {unknown}, which are not among the classes "
            f"{list_some(classes)}."
        )
    return weights


def _is_weight(value: Any) -> bool:
    is_number = np.ndim(value) == 0 and np.asarray(value).dtype.kind in "biuf"
    return is_number and bool(0 <= value < np.inf)
