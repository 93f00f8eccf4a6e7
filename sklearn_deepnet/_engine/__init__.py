"""Trains and evaluates one network, or a stack of networks, given as arrays.

Other folders import only from this file, not from the modules of the engine.
"""

from .batches import Batches, MicroBatch
from .early_stopping import Curve, Score, ValidationSet, as_curve
from .lbfgs import train_quasi_newton
from .network import (
    Network,
    copy_inputs,
    count_frequencies,
    count_inputs,
    count_params,
    cut_features,
    cut_layers,
    rows_per_block,
)
from .parallel import Threads, one_blas_thread
from .prediction import BlockPropagation, predict_logits
from .propagation import Propagation
from .state import NEVER, TrainingSpec, TrainingState
from .training import (
    Callback,
    Ending,
    TrainingLoop,
    TrainingResult,
    Watcher,
    train,
)
from .update import ParameterUpdater

__all__ = [
    "NEVER",
    "Batches",
    "BlockPropagation",
    "Callback",
    "Curve",
    "Ending",
    "MicroBatch",
    "Network",
    "ParameterUpdater",
    "Propagation",
    "Score",
    "Threads",
    "TrainingLoop",
    "TrainingResult",
    "TrainingSpec",
    "TrainingState",
    "ValidationSet",
    "Watcher",
    "as_curve",
    "copy_inputs",
    "count_frequencies",
    "count_inputs",
    "count_params",
    "cut_features",
    "cut_layers",
    "one_blas_thread",
    "predict_logits",
    "rows_per_block",
    "train",
    "train_quasi_newton",
]
