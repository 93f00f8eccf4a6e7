"""Warnings and errors of the library."""

from sklearn.exceptions import ConvergenceWarning

__all__ = [
    "CheckpointWarning",
    "DivergenceWarning",
    "ModelFileError",
    "VersionWarning",
]


class CheckpointWarning(UserWarning):
    """A checkpoint could not be written; training goes on, the last one is kept."""


class DivergenceWarning(ConvergenceWarning):
    """Training diverged: it was stopped, and the last sound parameters were kept."""


class ModelFileError(ValueError):
    """A file of a model is damaged, hostile, or not one of this library."""


class VersionWarning(UserWarning):
    """An estimator was loaded that another version of this library had saved."""
