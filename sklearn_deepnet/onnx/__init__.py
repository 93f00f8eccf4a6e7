"""Export networks to ONNX models, which predict without Python or this library.

`to_onnx` converts a network or an ensemble. Whole pipelines and searches are converted
by the package skl2onnx, after `register_converters` has made the networks known to it.
Both write the same nodes.
"""

from .export import register_converters, to_onnx

__all__ = ["register_converters", "to_onnx"]
