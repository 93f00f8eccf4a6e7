"""Ensembles of networks, whose members are trained and predict as stacks."""

from .base import BaseEnsemble
from .classifier import DeepNetEnsembleClassifier
from .regressor import DeepNetEnsembleRegressor

__all__ = ["BaseEnsemble", "DeepNetEnsembleClassifier", "DeepNetEnsembleRegressor"]
