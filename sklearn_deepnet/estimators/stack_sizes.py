"""How many networks to train at once."""

from collections.abc import Sequence

from scipy.sparse import issparse

from .._engine.network import count_params, rows_per_block
from .._fitting.jobs import Job
from .._fitting.parameters import resolve_hidden_layer_sizes
from .._fitting.prepare import rows_per_batch
from .base import BaseDeepNet

# Bytes of parameters and work arrays up to which a stack gains by another network:
# benchmarks/stacking.py. Beyond, it loses more to the cache than it saves in Python.
_WORKING_SET = 5 * 2**19


def size_of(job: Job) -> int:
    """Return how many like `job` to train at once."""
    samples = job.sample, job.held_out
    if any(sample is not None and issparse(sample.X) for sample in samples):
        return 1
    if not job.task.is_ours:
        return 1
    itemsize = job.state.params.dtype.itemsize
    return stack_size(job.task.layer_sizes, job.batch_size, itemsize)


def stack_size(layer_sizes: Sequence[int], n_rows: int, itemsize: int) -> int:
    """Return how many networks to train at once.

    Parameters
    ----------
    layer_sizes : sequence of int
        Inputs, units of each hidden layer, outputs.
    n_rows : int
        Rows in a step.
    itemsize : int
        Bytes of a number.
    """
    # ten arrays of the parameters: moments, gradient, scratch and so on; the inputs,
    # activations and their gradients, and the loss's scratch
    n_inputs, *hidden, n_outputs = layer_sizes
    n_units = n_inputs + 2 * sum(hidden) + 5 * n_outputs
    n_rows = min(n_rows, rows_per_block(layer_sizes))
    n_bytes = itemsize * (10 * count_params(layer_sizes) + n_rows * n_units)
    return max(1, _WORKING_SET // n_bytes)


def stack_size_of(network: BaseDeepNet, n_inputs: int, n_rows: int) -> int:
    """Return how many like `network` to train at once, as far as can be told before."""
    try:
        hidden = resolve_hidden_layer_sizes(network.hidden_layer_sizes)
        n_rows = rows_per_batch(network, n_rows)
    except (TypeError, ValueError, OverflowError):  # which its fit will tell of
        return 1
    itemsize = 4 if network.dtype == "float32" else 8
    return stack_size((n_inputs, *hidden, 1), n_rows, itemsize)
