"""The estimators, what they share, and how many of them are fitted as stacks."""

from typing import TypeAlias

from .classifier import DeepNetClassifier
from .ensemble import DeepNetEnsembleClassifier, DeepNetEnsembleRegressor
from .regressor import DeepNetRegressor

__all__ = [
    "DeepNetClassifier",
    "DeepNetEnsembleClassifier",
    "DeepNetEnsembleRegressor",
    "DeepNetRegressor",
]

# What `save_model` writes and `to_onnx` converts.
Model: TypeAlias = (
    DeepNetClassifier
    | DeepNetRegressor
    | DeepNetEnsembleClassifier
    | DeepNetEnsembleRegressor
)
