"""Converter of the step "columns" of `make_table_pipeline` for skl2onnx.

skl2onnx could convert the transformers of this step one by one, but without the
indicators of missing values, and the model would fail on new levels. So the step is
converted as a whole. Each feature is a separate input, or all features are columns of
one input.
"""

from collections.abc import Callable, Iterator, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder, TargetEncoder

from ..estimators.tables.conversion import MISSING, to_floats, to_text
from ..estimators.tables.pipeline import HighCardinalityEncoder
from .graph import Graph, Skl2onnxGraph, onnx_type

_MODULE = "ai.onnx.ml"  # the operators of ONNX that look up text


def parse_table(scope: Any, model: Any, inputs: Any, custom_parsers: Any = None) -> Any:
    """Declare the step as one operator with one output."""
    from skl2onnx import get_model_alias

    operator = scope.declare_local_operator(get_model_alias(type(model)), model)
    operator.inputs = inputs
    output = scope.declare_local_variable("table", _type_of(model, inputs))
    operator.outputs.append(output)
    return operator.outputs


def correct_table_type(operator: Any) -> None:
    """Set the type of the output, once those of the inputs are known."""
    type_ = _type_of(operator.raw_operator, operator.inputs)
    operator.outputs[0].type = type_


def convert_table(scope: Any, operator: Any, container: Any) -> None:
    """Add the nodes of all transformers, and of their columns side by side."""
    model = operator.raw_operator
    # Quantizers would write Where and Concat in 8 bits with one scale for all columns,
    # but do not quantize float64.
    graph = Skl2onnxGraph(np.dtype(np.float64), scope, container)
    parts = []
    for name, transformer, positions in model.transformers_:
        if transformer == "drop" or len(positions) == 0:
            continue
        add = _find_adder(name, transformer, model, positions)
        columns = [_add_column(graph, model, operator.inputs, k) for k in positions]
        parts.append(add(graph, transformer[-1], columns))
    columns = graph.add("Concat", *parts, axis=-1)
    type_ = onnx_type(_dtype_of(operator.inputs))
    graph.add("Cast", columns, output=operator.outputs[0].full_name, to=type_)


def _type_of(model: Any, inputs: Any) -> Any:
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    type_ = DoubleTensorType if _dtype_of(inputs) == np.float64 else FloatTensorType
    return type_([None, len(model.get_feature_names_out())])


def _dtype_of(inputs: Any) -> np.dtype[Any]:
    """Return float32 if it represents all inputs exactly, and float64 otherwise."""
    from skl2onnx.common import data_types

    small = (
        data_types.FloatTensorType,
        data_types.BooleanTensorType,
        data_types.StringTensorType,
    )
    is_small = all(isinstance(variable.type, small) for variable in inputs)
    return np.dtype(np.float32 if is_small else np.float64)


def _add_column(
    graph: Skl2onnxGraph, model: Any, inputs: Sequence[Any], k: int
) -> tuple[str, Any]:
    """Return the name of an input, or of a column of the only one, and its type."""
    if len(inputs) == 1 and model.n_features_in_ > 1:
        column = graph.add("Gather", inputs[0].full_name, np.array([k]), axis=1)
        return column, inputs[0].type
    by_name = {variable.raw_name: variable for variable in inputs}
    names = getattr(model, "feature_names_in_", ())
    wanted = names[k] if len(names) else k
    if wanted in by_name:
        variable = by_name[wanted]
    elif len(inputs) == model.n_features_in_:
        variable = inputs[k]
    else:
        raise ValueError(
            f"The inputs {[*by_name]} do not contain the column {wanted!r}. Name the "
            "inputs like the columns of X, or give one input for each column, in the "
            "order of X."
        )
    return variable.full_name, variable.type


# ---- transformers


def _find_adder(
    name: str, transformer: Any, model: Any, positions: Sequence[int]
) -> Callable[..., str]:
    """Return the function that adds the nodes of a transformer."""
    steps = [step for _, step in getattr(transformer, "steps", ())]
    key = (getattr(steps[0], "func", None), type(steps[-1])) if steps else None
    if len(steps) == 2 and key in _ADDERS and getattr(steps[-1], "drop", None) is None:
        return _ADDERS[key]
    names = getattr(model, "feature_names_in_", np.arange(model.n_features_in_))
    raise NotImplementedError(
        f"The transformer {name!r} of the step 'columns' cannot be converted to ONNX. "
        f"Drop its columns {names[positions].tolist()}, or convert them to numbers or "
        "text before you fit the pipeline."
    )


def _add_floats(
    graph: Graph, imputer: SimpleImputer, columns: Sequence[tuple[str, Any]]
) -> str:
    """Impute missing values, and add the columns that mark them."""
    type_ = onnx_type(graph.dtype)
    X = graph.add(
        "Concat",
        *(graph.add("Cast", column, to=type_) for column, _ in columns),
        axis=-1,
    )
    is_gap = graph.add("IsNaN", X)
    filled = graph.add("Where", is_gap, imputer.statistics_, X)
    if imputer.indicator_ is None or not len(imputer.indicator_.features_):
        return filled
    indicator = graph.add("Gather", is_gap, imputer.indicator_.features_, axis=1)
    return graph.add("Concat", filled, graph.add("Cast", indicator, to=type_), axis=-1)


def _add_one_hot(
    graph: Graph, encoder: OneHotEncoder, columns: Sequence[tuple[str, Any]]
) -> str:
    return _add_lookups(graph, columns, _one_hot_tables(encoder))


def _one_hot_tables(encoder: OneHotEncoder) -> Iterator[tuple[Any, NDArray[Any]]]:
    """Yield for each feature its levels, and a row for each level and for new ones."""
    none_is_rare = [None] * len(encoder.categories_)
    all_rare = getattr(encoder, "infrequent_categories_", none_is_rare)
    for levels, rare in zip(encoder.categories_, all_rare, strict=True):
        rare = [] if rare is None else [*rare]
        usual = [it for it in levels if it not in rare]
        rows = np.eye(len(usual) + 1)  # the last is of rare levels, and of new ones
        if not rare:
            rows = rows[:, :-1]
        position = {level: k for k, level in enumerate(usual)}
        yield levels, rows[[position.get(it, -1) for it in (*levels, None)]]


def _add_target_means(
    graph: Graph, encoder: HighCardinalityEncoder, columns: Sequence[tuple[str, Any]]
) -> str:
    encoder = encoder.encoder_
    if isinstance(encoder, OneHotEncoder):
        return _add_one_hot(graph, encoder, columns)
    return _add_lookups(graph, columns, _target_tables(encoder))


def _target_tables(encoder: TargetEncoder) -> Iterator[tuple[Any, NDArray[Any]]]:
    new = np.atleast_1d(encoder.target_mean_)
    for k, levels in enumerate(encoder.categories_):
        means = encoder.encodings_[k * len(new) : (k + 1) * len(new)]
        yield levels, np.vstack([np.transpose(means), new])


def _add_lookups(
    graph: Graph,
    columns: Sequence[tuple[str, Any]],
    tables: Iterator[tuple[Any, NDArray[Any]]],
) -> str:
    """Replace each level by a row of its table; the last row is for other levels.

    Empty text is a missing value, since ONNX has no missing text.
    """
    parts = []
    for (column, type_), (levels, rows) in zip(columns, tables, strict=True):
        keys = [str(it) for it in levels]
        places = [*range(len(keys))]
        if MISSING in keys:
            keys, places = [*keys, ""], [*places, keys.index(MISSING)]
        position = graph.add(
            "LabelEncoder",
            _add_text(graph, column, type_),
            op_domain=_MODULE,
            op_version=2,
            keys_strings=keys,
            values_int64s=places,
            default_int64=len(levels),
        )
        row = graph.add("Gather", rows, position, axis=0)  # (n_samples, 1, n_columns)
        shape = np.array([-1, rows.shape[1]])
        parts.append(graph.add("Reshape", row, shape))
    return graph.add("Concat", *parts, axis=-1)


def _add_text(graph: Graph, column: str, type_: Any) -> str:
    from onnx import TensorProto
    from skl2onnx.common.data_types import Int64TensorType, StringTensorType

    if isinstance(type_, StringTensorType):
        return column
    if isinstance(type_, Int64TensorType):  # categories of pandas may be numbers
        return graph.add("Cast", column, to=TensorProto.STRING)
    raise ValueError(
        "Columns of categories must be inputs of text or of integers. Got the type "
        f"{type(type_).__name__} instead; give StringTensorType([None, 1])."
    )


_ADDERS = MappingProxyType(
    {
        (to_floats, SimpleImputer): _add_floats,
        (to_text, OneHotEncoder): _add_one_hot,
        (to_text, HighCardinalityEncoder): _add_target_means,
    }
)
