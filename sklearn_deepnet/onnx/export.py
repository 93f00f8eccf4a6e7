"""The public functions `to_onnx` and `register_converters`."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .._fitting.parameters import resolve_dtype
from .._utils.typing import FloatDType
from .._utils.version import __version__
from ..estimators import Model
from ..estimators.fitted import network_of
from .graph import ModelGraph, onnx_type
from .networks import add_estimator, averaged_networks, output_types
from .skl2onnx import register_all

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["register_converters", "to_onnx"]

# The versions of ONNX 1.12 and onnxruntime 1.12, from 2022. Nothing newer is needed,
# and a runtime refuses a model that is newer than itself.
_OPSET = 17
_IR_VERSION = 8


def to_onnx(estimator: Model, *, dtype: FloatDType | None = None) -> "ModelProto":
    """Convert a network, or an ensemble of networks, to an ONNX model.

    This needs the package onnx; a model is run by a runtime such as onnxruntime. The
    input is "X", of shape (n_samples, n_features). The outputs of a classifier are
    "label", (n_samples,) or (n_samples, n_labels), and "probabilities",
    (n_samples, n_classes); the output of a regressor is "variable",
    (n_samples, n_outputs), two-dimensional also if y is not.

    Parameters
    ----------
    estimator : DeepNetClassifier, DeepNetRegressor, or an ensemble of these
        Fitted.
    dtype : {"float32", "float64"} or None, default=None
        Data type of the input, the computation and the outputs; None is that of the
        weights.

    Returns
    -------
    model : onnx.ModelProto
        The model, in opset 17, which runtimes since 2022 can read.

    Raises
    ------
    ImportError
        If onnx is not installed.
    NotFittedError
        If `estimator` is not fitted.
    TypeError
        If `estimator` is neither a network nor an ensemble of networks.
    ValueError
        If it has what ONNX cannot express: activations written by the user, a subclass
        with its own ``predict``, or labels that are neither whole numbers nor strings;
        or if its weights are too large for float32.

    Notes
    -----
    Labels that are bools, or floats such as 1.0, are integers in the model. Where an
    estimator raises an error because X is not finite or the network overflows, the
    model returns NaN, infinity, or what follows from them.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_deepnet import DeepNetClassifier
    >>> from sklearn_deepnet.onnx import to_onnx
    >>> X, y = load_iris(return_X_y=True)
    >>> net = DeepNetClassifier((8,), n_iter=20, tol=None, random_state=0).fit(X, y)
    >>> model = to_onnx(net)
    >>> [node.op_type for node in model.graph.node[:6]]
    ['Sub', 'Div', 'MatMul', 'Add', 'Relu', 'MatMul']

    ``onnx.save(model, "net.onnx")`` writes it to a file. It predicts by

    >>> from onnxruntime import InferenceSession
    >>> session = InferenceSession(model.SerializeToString())
    >>> label, p = session.run(["label", "probabilities"], {"X": X})
    >>> bool((label == net.predict(X)).all()), p.shape
    (True, (150, 3))
    """
    _require("onnx", "to_onnx")
    from onnx import helper

    networks = averaged_networks(estimator)
    graph = ModelGraph(resolve_dtype(dtype, network_of(networks[0]).params.dtype))
    types = output_types(estimator)
    for source, output in zip(add_estimator(graph, estimator, "X"), types, strict=True):
        graph.add("Identity", source, output=output)

    def value_info(name: str, dtype: Any, shape: list[int | None]) -> Any:
        type_ = onnx_type(graph.dtype if dtype is float else dtype)
        return helper.make_tensor_value_info(name, type_, shape)

    return helper.make_model(
        helper.make_graph(
            graph.nodes,
            type(estimator).__name__,
            [value_info("X", float, [None, estimator.n_features_in_])],
            [value_info(name, *type_) for name, type_ in types.items()],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
        producer_name="sklearn_deepnet",
        producer_version=__version__,
        doc_string=f"{type(estimator).__name__} of sklearn_deepnet {__version__}",
    )


def register_converters() -> None:
    """Register the networks, ensembles and searches of this library with skl2onnx.

    After this call, skl2onnx converts them in pipelines, in searches, and in other
    estimators that it can convert. Call it again after defining a subclass; repeated
    calls have no other effect.

    Models compute in float64 if the input is float64, else in float32. Outputs are
    those of `to_onnx`: the option "zipmap" is accepted, but probabilities of networks
    are an array and never dicts, which onnxruntime has in float32 only. With the option
    "raw_scores", logits take the place of probabilities; two classes have two columns.

    Raises
    ------
    ImportError
        If skl2onnx is not installed.

    Notes
    -----
    ``skl2onnx.to_onnx`` writes the newest opset that it supports. With
    ``target_opset=17``, its models can be read by the same runtimes as those of
    `to_onnx`. Networks need at least 13.

    skl2onnx 1.20 converts two uses of `CalibratedClassifierCV` wrongly, for any
    classifier: one around a pipeline or a `GridSearchCV`, where it calibrates
    probabilities in place of scores, and ``method="isotonic"``, where it does not
    interpolate. Use it as a step of a pipeline, around a network or a search of this
    library, and compare predictions before you rely on them.

    Examples
    --------
    >>> import skl2onnx
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_deepnet import DeepNetClassifier
    >>> from sklearn_deepnet.onnx import register_converters
    >>> X, y = load_iris(return_X_y=True)
    >>> net = DeepNetClassifier((8,), n_iter=20, tol=None, random_state=0)
    >>> model = make_pipeline(StandardScaler(), net).fit(X, y)
    >>> register_converters()
    >>> [output.name for output in skl2onnx.to_onnx(model, X[:1]).graph.output]
    ['label', 'probabilities']
    """
    _require("skl2onnx", "register_converters")
    register_all()


def _require(package: str, function: str) -> None:
    try:
        import_module(package)
    except ImportError as error:
        raise ImportError(
            f"{function} needs the package {package}. Install onnx and skl2onnx: "
            "pip install onnx skl2onnx"
        ) from error
