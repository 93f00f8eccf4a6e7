"""Deep neural networks as scikit-learn estimators, written on NumPy."""

from ._kept_file import Checkpoint
from ._version import __version__
from .classifier import DeepNetClassifier
from .diagnosis import Diagnosis, diagnose
from .displays import LayerDisplay, LossCurveDisplay
from .ensemble import DeepNetEnsembleClassifier, DeepNetEnsembleRegressor
from .exceptions import (
    CheckpointWarning,
    DivergenceWarning,
    ModelFileError,
    VersionWarning,
)
from .gradients import GradientCheck, check_gradients
from .inspection import InitializerComparison, compare_initializers
from .model_selection import (
    StackedGridSearchCV,
    StackedRandomizedSearchCV,
    fit_stack,
)
from .persistence import load_model, save_model
from .regressor import DeepNetRegressor
from .successive_halving import (
    StackedHalvingGridSearchCV,
    StackedHalvingRandomSearchCV,
)

__all__ = [
    "Checkpoint",
    "CheckpointWarning",
    "DeepNetClassifier",
    "DeepNetEnsembleClassifier",
    "DeepNetEnsembleRegressor",
    "DeepNetRegressor",
    "Diagnosis",
    "DivergenceWarning",
    "GradientCheck",
    "InitializerComparison",
    "LayerDisplay",
    "LossCurveDisplay",
    "ModelFileError",
    "StackedGridSearchCV",
    "StackedHalvingGridSearchCV",
    "StackedHalvingRandomSearchCV",
    "StackedRandomizedSearchCV",
    "VersionWarning",
    "__version__",
    "check_gradients",
    "compare_initializers",
    "diagnose",
    "fit_stack",
    "load_model",
    "save_model",
]
