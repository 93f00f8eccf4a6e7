"""Stacks of networks behind scikit-learn's own tools."""

from ..estimators.stacking import StackSummary, fit_stack
from .backend import stacked
from .search import (
    StackedGridSearchCV,
    StackedHalvingGridSearchCV,
    StackedHalvingRandomSearchCV,
    StackedRandomizedSearchCV,
)

__all__ = [
    "StackSummary",
    "StackedGridSearchCV",
    "StackedHalvingGridSearchCV",
    "StackedHalvingRandomSearchCV",
    "StackedRandomizedSearchCV",
    "fit_stack",
    "stacked",
]
