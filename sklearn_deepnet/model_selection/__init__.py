"""Searches and other tools of scikit-learn that train networks as stacks."""

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
