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
# and a runtime cannot load a model that is newer than itself.
_OPSET = 17
_IR_VERSION = 8


def to_onnx(estimator: Model, *, dtype: FloatDType | None = None) -> "ModelProto":
    """Convert a network, or an ensemble of networks, to an ONNX model.

    This requires the package onnx. To run the model, use a runtime such as onnxruntime.

    - The input is "X", of shape (n_samples, n_features).
    - A classifier has two outputs: "label", of shape (n_samples,) or (n_samples,
      n_labels), and "probabilities", of shape (n_samples, n_classes).
    - A regressor has one output: "variable", of shape (n_samples, n_outputs). It is
      two-dimensional even if y is one-dimensional.

    Parameters
    ----------
    estimator : DeepNetClassifier, DeepNetRegressor, or an ensemble of these
        The fitted network or ensemble. For pipelines and searches, see
        `register_converters`.
    dtype : {"float32", "float64"} or None, default=None
        Data type of the input, the computation and the outputs. None is the data type
        of the weights. Choose "float32" for a model that is to be quantized to int8.

    Returns
    -------
    model : onnx.ModelProto
        The model, in opset 17, which runtimes since 2022 support.

    Raises
    ------
    ImportError
        If onnx is not installed.
    NotFittedError
        If `estimator` is not fitted.
    TypeError
        If `estimator` is neither a network nor an ensemble of networks.
    ValueError
        If the estimator cannot be expressed in ONNX: if it has an activation of your
        own, if it is an instance of a subclass that overrides ``predict``, or if its
        labels are neither integers nor strings. Also if its weights are too large for
        float32.

    Notes
    -----
    In the model, labels that are bools, or floats such as 1.0, become integers. If X is
    not finite or the network overflows, an estimator raises an error, but the model
    returns values such as NaN or infinity.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_deepnet import DeepNetClassifier
    >>> from sklearn_deepnet.onnx import to_onnx
    >>> X, y = load_iris(return_X_y=True)
    >>> net = DeepNetClassifier((8,), n_iter=20, tol=None, random_state=0).fit(X, y)
    >>> model = to_onnx(net)
    >>> [node.op_type for node in model.graph.node[:6]]
    ['Sub', 'Div', 'Gemm', 'Relu', 'Gemm', 'ReduceMax']

    ``onnx.save(model, "net.onnx")`` writes the model to a file. To predict with it:

    >>> from onnxruntime import InferenceSession
    >>> session = InferenceSession(model.SerializeToString())
    >>> label, p = session.run(["label", "probabilities"], {"X": X})
    >>> bool((label == net.predict(X)).all()), p.shape
    (True, (150, 3))
    """
    _require("onnx", "to_onnx")
    from onnx import helper

    networks = averaged_networks(estimator)
    graph = ModelGraph(
        resolve_dtype(dtype, network_of(networks[0]).params.dtype), _OPSET
    )
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

    After this call, ``skl2onnx.to_onnx`` can convert them, also in pipelines, in
    searches, and in other estimators that skl2onnx supports. Call it again after you
    have defined a subclass. Repeated calls have no other effect.

    Models compute in float64 if the input is float64, and in float32 otherwise. They
    have the same outputs as those of `to_onnx`. The option "zipmap" is accepted, but
    the probabilities of networks are always an array, since onnxruntime supports dicts
    in float32 only. With the option "raw_scores", the model returns logits instead of
    probabilities, with two columns for two classes.

    Raises
    ------
    ImportError
        If skl2onnx is not installed.

    Notes
    -----
    ``skl2onnx.to_onnx`` uses the newest opset that it supports. With
    ``target_opset=17``, the same runtimes can read its models as those of `to_onnx`.
    Networks require an opset of at least 13.

    skl2onnx 1.20 converts `CalibratedClassifierCV` wrongly in two cases, for any
    classifier. Around a pipeline or a `GridSearchCV`, it calibrates probabilities
    instead of scores. With ``method="isotonic"``, it does not interpolate. To avoid the
    first case, use it within the pipeline, around a network or a search of this
    library. Compare the predictions of the model before you rely on them. A
    `TunedThresholdClassifierCV` is converted without its threshold: compare the
    probabilities of the model with ``best_threshold_`` yourself.

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
            f"{function} requires the package {package}. Install it by 'pip install "
            "onnx skl2onnx'."
        ) from error
