"""Deep neural networks as scikit-learn estimators, written on NumPy."""

from ._version import __version__
from .estimators import DeepNetClassifier
from .exceptions import DivergenceWarning, VersionWarning

__all__ = ["DeepNetClassifier", "DivergenceWarning", "VersionWarning", "__version__"]
