"""Saving the progress of `fit`, to resume from it: in a file or in memory."""

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
