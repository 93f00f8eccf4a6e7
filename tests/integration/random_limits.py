"""Limits so small that tables of a few rows are treated like large ones."""

from contextlib import ExitStack, contextmanager
from unittest.mock import patch

from sklearn_deepnet._engine import network

LIMITS = {
    "_engine.batches._CHUNK_BYTES": 600,
    "_engine.batches.PIECE_ELEMENTS": 8,
    "_engine.early_stopping._FIRST_EPOCHS": 2,
    "_engine.network.PIECE_ELEMENTS": 8,
    "_engine.network._EXTENDED_BYTES": 400,
    "_engine.network._FEWEST_ROWS": 2,
    "_engine.network._FEWEST_ROWS_OF_PART": 1,
    "_engine.network._SMALL_PRODUCT": 60,
    "_engine.parallel.MOST_THREADS": 3,
    "_engine.prediction._BLOCKS_AT_ONCE": 1,
    "_engine.update._SLICE": 7,
    "_fitting.convergence._BLOCK_ROWS": 5,
    "_serialization.fingerprint._CHUNK_BYTES": 64,
    "estimators.ensemble.base._BOOTSTRAP_BYTES": 2000,
    "estimators.fitted._MANY_INPUTS": 2,
    "estimators.predictor._FEW_ROWS": 3,
    "estimators.stacking.cooperation._MAX_WAITING": 3,
    "model_selection.tasks._SHARE_SIZE": 1,
    "nn.activations._MOST_ZEROS": 8,
    "nn.dropout._N_AHEAD": 16,
    "nn.scaling._BLOCK_ELEMENTS": 24,
}
_count_parts = network._count_parts.__wrapped__  # without the cache
# Modules that cut rows into blocks
WITH_BLOCKS = ("_engine.prediction", "_fitting.convergence", "_fitting.jobs")


@contextmanager
def small_limits():
    """Replace limits of memory and time while the context is open."""
    with ExitStack() as stack:
        for name, value in LIMITS.items():
            stack.enter_context(patch(f"sklearn_deepnet.{name}", value))
        for module in WITH_BLOCKS:
            name = f"sklearn_deepnet.{module}.rows_per_block"
            stack.enter_context(patch(name, _rows_per_block))
        # Products are made in parts on any processor, and counted for these limits.
        stack.enter_context(patch.object(network, "_has_small_kernels", lambda: True))
        stack.enter_context(patch.object(network, "_count_parts", _count_parts))
        yield


def _rows_per_block(layer_sizes, sparse=False):
    return 16
