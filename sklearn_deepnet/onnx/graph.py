"""Builders of ONNX graphs: of a whole model, or of a part that skl2onnx uses."""

from copy import copy
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class Graph:
    """A graph to which nodes are added; subclasses store the nodes and constants."""

    def __init__(self, dtype: np.dtype[Any], opset: int) -> None:
        self.dtype = dtype
        self.opset = opset

    def add(self, op: str, *inputs: Any, output: str = "", **attributes: Any) -> str:
        """Add a node, and return the name of its output.

        Inputs are names of outputs, or values, which become constants. Floats are cast
        to the dtype of the graph.
        """
        names = [it if isinstance(it, str) else self._constant(it) for it in inputs]
        output = output or self._new_name(op)
        self._add_node(op, names, [output], attributes)
        return output

    def add_maximum(self, x: str) -> str:
        """Add the maximum over the last axis, which has then the length 1."""
        if self.opset < 18:
            return self.add("ReduceMax", x, axes=[-1], keepdims=1)
        return self.add("ReduceMax", x, np.array([-1]), keepdims=1)

    def add_sorted(self, x: str, n_columns: int) -> str:
        """Add the columns in rising order; `n_columns` is the length of the last axis.

        It needs a node with two outputs.
        """
        names, output = [x, self._constant([n_columns])], self._new_name("TopK")
        outputs = [output, self._new_name("Indices")]
        options = {"axis": -1, "largest": 0, "sorted": 1}
        self._add_node("TopK", names, outputs, options)
        return output

    def add_product(self, x: str, factor: NDArray[Any]) -> str:
        """Add x · factor, in a form that quantizers do not write in 8 bits.

        These write the products of Mul in 8 bits with one scale for all columns, but
        not the quotients of Div. They only quantize float32, so float64 uses Mul, which
        rounds once.
        """
        if (factor == 1).all():
            return x
        with np.errstate(divide="ignore", over="ignore"):
            divisor = 1 / factor
        size, limits = np.abs(divisor), np.finfo(np.float32)
        is_normal = ((limits.tiny <= size) & (size <= limits.max)).all()
        if self.dtype == np.float32 and is_normal:
            return self.add("Div", x, divisor)
        return self.add("Mul", x, factor)

    def in_dtype(self, dtype: DTypeLike) -> "Graph":
        """Return the same graph, for adding nodes that compute in another dtype."""
        graph = copy(self)
        graph.dtype = np.dtype(dtype)
        return graph

    def _constant(self, values: Any) -> str:
        values = np.asarray(values)
        if values.dtype.kind == "f":
            # If a value is too large for float32, NumPy would only warn and return
            # infinity.
            with np.errstate(over="ignore", under="ignore"):
                given, values = values, values.astype(self.dtype)
            if not np.isfinite(values).all():
                raise ValueError(
                    f"The network contains numbers up to {np.abs(given).max():.2g}, "
                    f"which are too large for {self.dtype.name}. Export it in float64."
                )
        name = self._new_name("constant")
        self._add_constant(name, values)
        return name

    def _new_name(self, stem: str) -> str:
        raise NotImplementedError

    def _add_node(
        self, op: str, inputs: list[str], outputs: list[str], attributes: dict[str, Any]
    ) -> None:
        raise NotImplementedError

    def _add_constant(self, name: str, values: NDArray[Any]) -> None:
        raise NotImplementedError


class ModelGraph(Graph):
    """The graph of a whole model, as lists of nodes and constants."""

    def __init__(self, dtype: np.dtype[Any], opset: int) -> None:
        super().__init__(dtype, opset)
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def _new_name(self, stem: str) -> str:
        return f"{stem}_{len(self.nodes) + len(self.constants)}"

    def _add_node(
        self, op: str, inputs: list[str], outputs: list[str], attributes: dict[str, Any]
    ) -> None:
        from onnx import helper

        node = helper.make_node(op, inputs, outputs, name=outputs[0], **attributes)
        self.nodes.append(node)

    def _add_constant(self, name: str, values: NDArray[Any]) -> None:
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(values, name))


class Skl2onnxGraph(Graph):
    """A part of a graph of skl2onnx, which is written to its container."""

    def __init__(self, dtype: np.dtype[Any], scope: Any, container: Any) -> None:
        super().__init__(dtype, container.target_opset_onnx)
        self.scope = scope
        self.container = container

    def _new_name(self, stem: str) -> str:
        return self.scope.get_unique_variable_name(stem)

    def _add_node(
        self, op: str, inputs: list[str], outputs: list[str], attributes: dict[str, Any]
    ) -> None:
        name = self.scope.get_unique_operator_name(op)
        self.container.add_node(op, inputs, outputs, name=name, **attributes)

    def _add_constant(self, name: str, values: NDArray[Any]) -> None:
        type_ = onnx_type(values.dtype)
        self.container.add_initializer(name, type_, values.shape, values.ravel())


def onnx_type(dtype: Any) -> int:
    """Return the number of a dtype in ONNX, a member of ``TensorProto.DataType``."""
    from onnx import helper

    return helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
