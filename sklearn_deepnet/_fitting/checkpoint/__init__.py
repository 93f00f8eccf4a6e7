"""Where `fit` saves its progress, and continues from: a file, or the memory."""

from .file import FitCheckpoint
from .store import (
    EpochStore,
    StoredFit,
    epoch_store,
    find_stored_fit,
    storing_epochs,
)

__all__ = [
    "EpochStore",
    "FitCheckpoint",
    "StoredFit",
    "epoch_store",
    "find_stored_fit",
    "storing_epochs",
]
