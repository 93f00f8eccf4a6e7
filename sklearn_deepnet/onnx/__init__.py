"""Networks as ONNX models, to predict without Python, NumPy or this library.

`to_onnx` writes a network or an ensemble. Whole pipelines and searches are for the
package skl2onnx, which after `register_converters` knows the networks in them. Both
write the same nodes.
"""

from .export import register_converters, to_onnx

__all__ = ["register_converters", "to_onnx"]
