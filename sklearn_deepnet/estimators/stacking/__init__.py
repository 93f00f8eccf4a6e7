"""Many networks trained at once, and the tasks that wait for them."""

from .cooperation import run_tasks
from .fit import fit_stack
from .training import StackSummary

__all__ = ["StackSummary", "fit_stack", "run_tasks"]
