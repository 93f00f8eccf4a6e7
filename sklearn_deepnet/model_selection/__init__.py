"""Searches that train the networks of their candidates as stacks."""

from ..estimators.stacking import fit_stack
from .halving import StackedHalvingGridSearchCV, StackedHalvingRandomSearchCV
from .search import StackedGridSearchCV, StackedRandomizedSearchCV

__all__ = [
    "StackedGridSearchCV",
    "StackedHalvingGridSearchCV",
    "StackedHalvingRandomSearchCV",
    "StackedRandomizedSearchCV",
    "fit_stack",
]
