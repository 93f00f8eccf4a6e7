"""Many networks trained at once, and the tasks that wait for them."""

from .cooperation import run_tasks
from .fit import fit_stack
from .training import StackReport

__all__ = ["StackReport", "fit_stack", "run_tasks"]
