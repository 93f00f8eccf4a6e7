"""Compare initializers, diagnose training, check gradients, and draw networks."""

from .comparison import InitializerComparison, compare_initializers
from .diagnosis import Diagnosis, Finding, diagnose
from .displays import LayerDisplay, LossCurveDisplay
from .gradients import GradientCheck, check_gradients

__all__ = [
    "Diagnosis",
    "Finding",
    "GradientCheck",
    "InitializerComparison",
    "LayerDisplay",
    "LossCurveDisplay",
    "check_gradients",
    "compare_initializers",
    "diagnose",
]
