"""Converters of networks, ensembles and searches, for skl2onnx to call.

For each class, skl2onnx calls three functions: a parser that declares names and types
of the outputs, a shape calculator that corrects the types once those of the inputs are
known, and a converter that adds the nodes. skl2onnx looks them up by the exact class,
so subclasses are registered as well.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin, is_classifier
from sklearn.utils.validation import check_is_fitted

from .._utils.sklearn_compat import BaseSearchCV
from ..estimators.mixins import PickleVersionMixin
from ..estimators.tables.pipeline import TableColumns
from .graph import Skl2onnxGraph, onnx_type
from .networks import add_estimator, output_types
from .tables import convert_table, correct_table_type, parse_table

# From opset 13 on, Softmax works on one axis and ReduceSum takes its axes as an input.
_OLDEST_OPSET = 13

# The options of pipelines in skl2onnx. A search passes them to its best estimator.
_SEARCH_OPTIONS = {
    "zipmap": [True, False, "columns"],
    "nocl": [True, False],
    "output_class_labels": [True, False],
    "raw_scores": [True, False],
}


def register_all() -> None:
    """Register all estimators of this library, and subclasses of these."""
    from skl2onnx import update_registered_converter

    table = correct_table_type, convert_table
    alias = "sklearn_deepnet.TableColumns"
    update_registered_converter(TableColumns, alias, *table, parser=parse_table)
    for cls in _subclasses(PickleVersionMixin):
        if issubclass(cls, BaseSearchCV):
            functions = _keep_search_types, _convert_search
            parser, options = _parse_search, _SEARCH_OPTIONS
        else:
            functions = _correct_network_types, _convert_network
            parser, options = _parse_network, _network_options(cls)
        alias = f"{cls.__module__}.{cls.__qualname__}"
        update_registered_converter(
            cls, alias, *functions, parser=parser, options=options
        )


def _subclasses(cls: type) -> Iterator[type]:
    for subclass in cls.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)


def _network_options(cls: type) -> dict[str, list[bool]]:
    """Return the options of a class; "raw_scores" requires ``decision_function``."""
    options = {}
    if issubclass(cls, ClassifierMixin):
        names = "zipmap", "nocl", "output_class_labels"
        options = {name: [True, False] for name in names}
    if hasattr(cls, "decision_function"):
        options["raw_scores"] = [True, False]
    return options


# ---- networks


def _parse_network(
    scope: Any, model: Any, inputs: Any, custom_parsers: Any = None
) -> Any:
    from skl2onnx import get_model_alias

    operator = scope.declare_local_operator(get_model_alias(type(model)), model)
    operator.inputs = inputs
    for name, type_ in _types_of(scope, model, inputs).items():
        operator.outputs.append(scope.declare_local_variable(name, type_))
    return operator.outputs


def _correct_network_types(operator: Any) -> None:
    scope, model = operator.scope_inst, operator.raw_operator
    types = _types_of(scope, model, operator.inputs).values()
    for output, type_ in zip(operator.outputs, types, strict=True):
        output.type = type_


def _types_of(scope: Any, model: Any, inputs: Any) -> dict[str, Any]:
    from skl2onnx.common import data_types

    classes = {
        object: data_types.StringTensorType,
        np.int64: data_types.Int64TensorType,
        float: data_types.FloatTensorType,
    }
    if _dtype_of(inputs) == np.float64:
        classes[float] = data_types.DoubleTensorType
    outputs = output_types(model, **_label_options(scope, model)).items()
    return {name: classes[dtype](shape) for name, (dtype, shape) in outputs}


def _label_options(scope: Any, model: Any) -> dict[str, bool]:
    """Return the options about labels, as they are called in `add_estimator`."""
    options = scope.get_options(model)
    return {
        "label_indices": options.get("nocl", False),
        "class_labels": options.get("output_class_labels", False),
    }


def _dtype_of(inputs: Any) -> np.dtype[Any]:
    """Return float64 if any input has that type, else float32."""
    from skl2onnx.common.data_types import DoubleTensorType

    is_double = any(isinstance(variable.type, DoubleTensorType) for variable in inputs)
    return np.dtype(np.float64 if is_double else np.float32)


def _convert_network(scope: Any, operator: Any, container: Any) -> None:
    from skl2onnx.common.data_types import FloatTensorType

    model = operator.raw_operator
    if container.target_opset_onnx < _OLDEST_OPSET:
        raise ValueError(
            f"{type(model).__name__} requires target_opset to be at least "
            f"{_OLDEST_OPSET}. Got {container.target_opset_onnx} instead."
        )
    graph = Skl2onnxGraph(_dtype_of(operator.inputs), scope, container)
    # Integers, such as time stamps, may be too large for float32 to be exact. A data
    # frame has one input for each column. Quantizers would write these, side by side,
    # in 8 bits with one scale for all, but do not quantize float64.
    is_float = all(isinstance(it.type, FloatTensorType) for it in operator.inputs)
    is_array = len(operator.inputs) == 1
    X_dtype = graph.dtype if is_float and is_array else np.dtype(np.float64)
    columns = [
        graph.add("Cast", variable.full_name, to=onnx_type(X_dtype))
        for variable in operator.inputs
    ]
    X = columns[0] if is_array else graph.add("Concat", *columns, axis=-1)
    raw_scores = scope.get_options(model).get("raw_scores", False)
    options = _label_options(scope, model)
    sources = add_estimator(graph, model, X, raw_scores, X_dtype, **options)
    for source, output in zip(sources, operator.outputs, strict=True):
        graph.add("Identity", source, output=output.full_name)


# ---- searches


def _parse_search(
    scope: Any, model: Any, inputs: Any, custom_parsers: Any = None
) -> Any:
    """Parse the best estimator in place of the search."""
    options = scope.get_options(model)
    return _parse_best(scope, model, inputs, options, custom_parsers)


def _parse_best(
    scope: Any, search: Any, inputs: Any, options: Any, custom_parsers: Any = None
) -> Any:
    from skl2onnx._parse import parse_sklearn

    needed = "This %(name)s has no best_estimator_. Fit it with refit=True."
    check_is_fitted(search, "best_estimator_", msg=needed)
    best = search.best_estimator_
    scope.add_options(id(best), options)
    outputs = parse_sklearn(scope, best, inputs, custom_parsers=custom_parsers)
    for variable in outputs:
        variable.init_status(is_leaf=False)  # a node of the caller may consume it
    return outputs


def _keep_search_types(operator: Any) -> None:
    """Keep the types that the enclosing estimator has declared."""


def _convert_search(scope: Any, operator: Any, container: Any) -> None:
    """Convert a search inside an estimator whose converter does not call its parser.

    `CalibratedClassifierCV` requests raw scores of all classifiers that are registered
    with this option, also of searches whose estimator has no ``decision_function``.
    """
    search = operator.raw_operator
    options = scope.get_options(search)
    if is_classifier(search):
        options["zipmap"] = False  # the enclosing estimator requires an array
    if not hasattr(search, "decision_function"):
        options.pop("raw_scores", None)
    outputs = _parse_best(scope, search, operator.inputs, options)
    for source, output in zip(outputs, operator.outputs, strict=True):
        name = scope.get_unique_operator_name("Identity")
        container.add_node("Identity", source.full_name, output.full_name, name=name)
