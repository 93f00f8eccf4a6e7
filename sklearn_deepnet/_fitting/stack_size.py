"""How many networks to train in one stack."""

from collections.abc import Sequence

from .._engine import count_params, rows_per_block
from .jobs import TrainingJob

# Bytes of parameters and work arrays up to which another network makes a stack more
# efficient. A larger stack loses more to cache misses than it saves in calls from
# Python; benchmarks/stacking.py measures where that begins.
_WORKING_SET = 5 * 2**19


def max_stack_size_of_job(job: TrainingJob) -> int:
    """Return how many networks of the size of a job's fit into one stack."""
    itemsize = job.state.params.dtype.itemsize
    return max_stack_size(job.spec.layer_sizes, job.batch_size, itemsize)


def max_stack_size(layer_sizes: Sequence[int], n_rows: int, itemsize: int) -> int:
    """Return how many networks fit into the working set of one stack, at least 1.

    Parameters
    ----------
    layer_sizes : sequence of int
        Inputs, units of each hidden layer, outputs.
    n_rows : int
        Mini-batch size.
    itemsize : int
        Bytes of a number.
    """
    # Ten arrays have the size of the parameters: moments, gradient, scratch and so on.
    # For each sample there are its inputs, the activations and their gradients, and the
    # scratch arrays of the loss.
    n_inputs, *hidden, n_outputs = layer_sizes
    n_units = n_inputs + 2 * sum(hidden) + 5 * n_outputs
    n_rows = min(n_rows, rows_per_block(layer_sizes))
    n_bytes = itemsize * (10 * count_params(layer_sizes) + n_rows * n_units)
    return max(1, _WORKING_SET // n_bytes)
