"""Export networks to ONNX models, which make predictions without Python.

`to_onnx` converts a network or an ensemble. To convert pipelines and searches, call
`register_converters` and then ``skl2onnx.to_onnx``.
"""

from .export import register_converters, to_onnx

__all__ = ["register_converters", "to_onnx"]
