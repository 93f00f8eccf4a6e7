"""Warnings of the library."""

from sklearn.exceptions import ConvergenceWarning

__all__ = ["DivergenceWarning", "VersionWarning"]


class DivergenceWarning(ConvergenceWarning):
    """Training diverged: it was stopped, and the last sound parameters were kept."""


class VersionWarning(UserWarning):
    """An estimator was loaded that another version of this library had saved."""
