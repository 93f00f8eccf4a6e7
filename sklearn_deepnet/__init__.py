"""Deep neural networks as scikit-learn estimators, written on NumPy."""

from typing import TYPE_CHECKING, Any

from ._serialization.checkpoint import Checkpoint
from ._utils.version import __version__
from .estimators.classifier import DeepNetClassifier
from .estimators.ensemble import DeepNetEnsembleClassifier, DeepNetEnsembleRegressor
from .estimators.regressor import DeepNetRegressor
from .estimators.stacking import fit_stack
from .exceptions import (
    CheckpointWarning,
    DivergenceWarning,
    ModelFileError,
    VersionWarning,
)
from .inspection.comparison import InitializerComparison, compare_initializers
from .inspection.diagnosis import Diagnosis, diagnose
from .inspection.displays import LayerDisplay, LossCurveDisplay
from .inspection.gradients import GradientCheck, check_gradients
from .model_selection.backend import stacked
from .model_selection.search import (
    StackedGridSearchCV,
    StackedHalvingGridSearchCV,
    StackedHalvingRandomSearchCV,
    StackedRandomizedSearchCV,
)
from .persistence import load_model, save_model

if TYPE_CHECKING:
    from .estimators.tables import make_table_pipeline

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
    "make_table_pipeline",
    "save_model",
    "stacked",
]


def __getattr__(name: str) -> Any:
    """Return what is imported when it is first used.

    Tables need transformers of scikit-learn that double what this package adds to the
    import of its networks.
    """
    if name == "make_table_pipeline":
        from .estimators.tables import make_table_pipeline

        return make_table_pipeline
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
