"""Training of many networks at once, and of networks inside of other functions."""

from .cooperation import run_tasks
from .fit import fit_stack, partial_fit_stack
from .training import StackSummary

__all__ = ["StackSummary", "fit_stack", "partial_fit_stack", "run_tasks"]
