"""Deep neural networks as scikit-learn estimators, written on NumPy."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

# First, since our modules would import it from within ten nested imports. There, Python
# may map and unmap memory at every call, so that this import takes a fifth longer.
import sklearn  # noqa: F401

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
from .model_selection.backend import stacked
from .model_selection.search import (
    StackedGridSearchCV,
    StackedHalvingGridSearchCV,
    StackedHalvingRandomSearchCV,
    StackedRandomizedSearchCV,
)
from .persistence import load_model, save_model

if TYPE_CHECKING:
    from . import inspection as inspection
    from .estimators.tables import make_table_pipeline
    from .inspection.comparison import InitializerComparison, compare_initializers
    from .inspection.diagnosis import Diagnosis, diagnose
    from .inspection.displays import LayerDisplay, LossCurveDisplay
    from .inspection.gradients import GradientCheck, check_gradients

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


# Where the names are that are imported when they are first used: networks need none of
# them, and a process starts sooner.
_IMPORTED_LATER = {
    "Diagnosis": "inspection",
    "GradientCheck": "inspection",
    "InitializerComparison": "inspection",
    "LayerDisplay": "inspection",
    "LossCurveDisplay": "inspection",
    "check_gradients": "inspection",
    "compare_initializers": "inspection",
    "diagnose": "inspection",
    "make_table_pipeline": "estimators.tables",
}


if not TYPE_CHECKING:  # which would take any name for one of this module

    def __getattr__(name: str) -> Any:
        """Import a name, or the module `inspection`, when it is first used."""
        if name == "inspection":
            return import_module(f"{__name__}.inspection")
        if name in _IMPORTED_LATER:
            return getattr(import_module(f"{__name__}.{_IMPORTED_LATER[name]}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
