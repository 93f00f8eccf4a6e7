"""Warnings and errors of the library."""

from sklearn.exceptions import ConvergenceWarning

__all__ = [
    "CheckpointWarning",
    "DivergenceWarning",
    "ModelFileError",
    "VersionWarning",
]


class CheckpointWarning(UserWarning):
    """A checkpoint could not be written. Training continues; the old file is kept."""


class DivergenceWarning(ConvergenceWarning):
    """Training diverged and was stopped. The last finite weights are kept."""


class ModelFileError(ValueError):
    """A model file is damaged, malicious, or was not written by this library."""


class VersionWarning(UserWarning):
    """An estimator was loaded that was saved with another version of this library."""
