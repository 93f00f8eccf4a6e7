"""How many networks to train in one stack."""

from collections.abc import Sequence

from .._engine import count_inputs, count_params, rows_per_block
from .jobs import TrainingJob

# Bytes of parameters and work arrays up to which another network makes a stack more
# efficient. A larger stack loses more to cache misses than it saves in calls from
# Python; benchmarks/stacking.py measures where that begins.
_WORKING_SET = 5 * 2**19


def max_stack_size_of_job(job: TrainingJob) -> int:
    """Return how many networks of the size of a job's fit into one stack."""
    itemsize, spec = job.state.params.dtype.itemsize, job.spec
    return max_stack_size(
        spec.layer_sizes, job.batch_size, itemsize, spec.n_frequencies
    )


def max_stack_size(
    layer_sizes: Sequence[int], n_rows: int, itemsize: int, n_frequencies: int = 0
) -> int:
    """Return how many networks fit into the working set of one stack, at least 1.

    Parameters
    ----------
    layer_sizes : sequence of int
        Inputs of the first layer, units of each hidden layer, outputs.
    n_rows : int
        Mini-batch size.
    itemsize : int
        Bytes of a number.
    n_frequencies : int, default=0
        Number of numeric features of each input.
    """
    # Ten arrays have the size of the parameters: moments, gradient, scratch and so on.
    # For each sample there are its inputs, the activations and their gradients, and the
    # scratch arrays of the loss. Of numeric features there are sines and gradients.
    width, *hidden, n_outputs = layer_sizes
    n_features = width - count_inputs(layer_sizes, n_frequencies)
    n_units = width + 2 * n_features + 2 * sum(hidden) + 5 * n_outputs
    n_rows = min(n_rows, rows_per_block(layer_sizes))
    n_params = count_params(layer_sizes, n_frequencies)
    n_bytes = itemsize * (10 * n_params + n_rows * n_units)
    return max(1, _WORKING_SET // n_bytes)
