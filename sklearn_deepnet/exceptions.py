"""Warnings and errors of the library."""

from sklearn.exceptions import ConvergenceWarning

__all__ = [
    "CheckpointWarning",
    "DivergenceWarning",
    "ModelFileError",
    "VersionWarning",
]


class CheckpointWarning(UserWarning):
    """A checkpoint could not be written; training continues, the older file remains."""


class DivergenceWarning(ConvergenceWarning):
    """Training diverged: it was stopped, at the last parameters that were finite."""


class ModelFileError(ValueError):
    """A model file is damaged, malicious, or was not written by this library."""


class VersionWarning(UserWarning):
    """An estimator was loaded that another version of this library saved."""
