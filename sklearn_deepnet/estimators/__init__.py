"""The estimators, what they share, and how many of them are fitted as stacks."""

from .classifier import DeepNetClassifier
from .ensemble import DeepNetEnsembleClassifier, DeepNetEnsembleRegressor
from .regressor import DeepNetRegressor

__all__ = [
    "DeepNetClassifier",
    "DeepNetEnsembleClassifier",
    "DeepNetEnsembleRegressor",
    "DeepNetRegressor",
]
