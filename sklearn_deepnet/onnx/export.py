"""Networks as ONNX models, to predict without Python, NumPy or this library.

`to_onnx` writes a network or an ensemble. Whole pipelines and searches are for the
package skl2onnx, which after `register_converters` knows the networks in them. Both
write the same nodes.
"""

from typing import Any

from .._fitting.parameters import resolve_dtype
from .._utils.version import __version__
from .graph import WholeGraph, type_of
from .networks import networks_of, outputs_of, shapes_of
from .skl2onnx import register_all

__all__ = ["register_converters", "to_onnx"]

# Of ONNX 1.12 and onnxruntime 1.12, of 2022. Nothing newer is needed, and a runtime
# refuses a model that is newer than itself.
_OPSET = 17
_IR_VERSION = 8


def to_onnx(estimator: Any, *, dtype: Any = None) -> Any:
    """Return a network, or an ensemble, as an ONNX model.

    It needs the package onnx, and to be run for example onnxruntime. The input is "X",
    of shape (n_samples, n_features). The outputs of a classifier are "label",
    (n_samples,) or (n_samples, n_labels), and "probabilities", (n_samples, n_classes);
    the output of a regressor is "variable", (n_samples, n_outputs), two-dimensional
    also if y is not.

    Parameters
    ----------
    estimator : DeepNetClassifier, DeepNetRegressor, or an ensemble of these
        Fitted.
    dtype : {"float32", "float64"} or None, default=None
        Of the input, the computation and the numbers that come out; None is that of
        the weights.

    Returns
    -------
    model : onnx.ModelProto
        Of opset 17, so that runtimes since 2022 read it.

    Raises
    ------
    ImportError
        If onnx is missing.
    NotFittedError
        If the estimator is not fitted.
    TypeError
        If it is something else.
    ValueError
        If it has what ONNX cannot express: activations or a ``predict`` of its own,
        or labels that are neither whole numbers nor strings; or if its numbers are too
        large for float32.

    Notes
    -----
    Labels that are bools, or floats such as 1.0, come out as integers. Where an
    estimator raises an error, since X is not finite or the network overflows, a model
    returns what floating-point arithmetic makes of it.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_deepnet import DeepNetClassifier
    >>> from sklearn_deepnet.onnx import to_onnx
    >>> X, y = load_iris(return_X_y=True)
    >>> net = DeepNetClassifier((8,), n_iter=20, tol=None, random_state=0).fit(X, y)
    >>> model = to_onnx(net)
    >>> [node.op_type for node in model.graph.node[:4]]
    ['MatMul', 'Add', 'Relu', 'MatMul']

    It is written by ``onnx.save(model, "net.onnx")`` and used by

    >>> from onnxruntime import InferenceSession
    >>> session = InferenceSession(model.SerializeToString())
    >>> label, p = session.run(["label", "probabilities"], {"X": X})
    >>> bool((label == net.predict(X)).all()), p.shape
    (True, (150, 3))
    """
    try:
        from onnx import helper
    except ImportError as error:
        raise ImportError(
            "to_onnx needs the package onnx: pip install 'sklearn-deepnet[onnx]'"
        ) from error

    networks = networks_of(estimator)
    graph = WholeGraph(resolve_dtype(dtype, networks[0]._params.dtype))
    shapes = shapes_of(estimator)
    for source, output in zip(outputs_of(graph, estimator, "X"), shapes, strict=True):
        graph.add("Identity", source, output=output)

    def value(name: str, dtype: Any, shape: list[int | None]) -> Any:
        type_ = type_of(graph.dtype if dtype is float else dtype)
        return helper.make_tensor_value_info(name, type_, shape)

    return helper.make_model(
        helper.make_graph(
            graph.nodes,
            type(estimator).__name__,
            [value("X", float, [None, estimator.n_features_in_])],
            [value(name, *of_output) for name, of_output in shapes.items()],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
        producer_name="sklearn_deepnet",
        producer_version=__version__,
        doc_string=f"{type(estimator).__name__} of sklearn_deepnet {__version__}",
    )


def register_converters() -> None:
    """Make the networks, ensembles and searches of this library known to skl2onnx.

    It then converts them wherever they are: in pipelines, in searches, and in other
    estimators that it knows. To call this again does no harm; subclasses that were
    defined after the first call need it.

    Numbers are computed in float64 if the input is, else in float32. Outputs are those
    of `to_onnx`: the option "zipmap" is accepted, but probabilities of networks are an
    array and never dicts, which onnxruntime has in float32 only. The option
    "raw_scores" puts logits in their place, for two classes those of both.

    Raises
    ------
    ImportError
        If skl2onnx is missing.

    Notes
    -----
    ``skl2onnx.to_onnx`` writes the newest opset that it knows; for runtimes as old as
    those that read `to_onnx`, give it ``target_opset=17``. Networks need at least 13.

    skl2onnx 1.20 converts two uses of `CalibratedClassifierCV` wrongly, whoever wrote
    the classifier: one around a pipeline or a `GridSearchCV`, where it calibrates
    probabilities in place of scores, and ``method="isotonic"``, where it does not
    interpolate. Let it be a step of a pipeline, around a network or a search of this
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
    try:
        import skl2onnx  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "register_converters needs the package skl2onnx: "
            "pip install 'sklearn-deepnet[onnx]'"
        ) from error

    register_all()
