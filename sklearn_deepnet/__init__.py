"""Deep neural networks as scikit-learn estimators, written on NumPy."""

from ._version import __version__
from .classifier import DeepNetClassifier
from .exceptions import DivergenceWarning, VersionWarning
from .regressor import DeepNetRegressor

__all__ = [
    "DeepNetClassifier",
    "DeepNetRegressor",
    "DivergenceWarning",
    "VersionWarning",
    "__version__",
]
