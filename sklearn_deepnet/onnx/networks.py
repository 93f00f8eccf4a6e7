"""Add fitted networks and ensembles to an ONNX graph."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.utils.validation import check_is_fitted

from .._engine import Network, count_inputs
from .._utils.lookup import is_ours
from .._utils.typing import FloatArray
from ..estimators.fitted import FittedNetwork, network_of, stack_of
from ..estimators.mixins import PickleVersionMixin
from ..nn.activations import ACTIVATIONS, Activation
from ..nn.scaling import SQUASH_LIMIT
from .activations import NODES
from .graph import Graph, onnx_type


def averaged_networks(estimator: Any) -> list[FittedNetwork]:
    """Return the members of a fitted ensemble, or a fitted network as a list.

    Raises an error if the estimator is not a network or ensemble of this library, or
    if its class overrides ``predict`` or ``predict_proba``.
    """
    networks = None
    if isinstance(estimator, PickleVersionMixin):
        check_is_fitted(estimator)
        networks = vars(estimator).get("estimators_")
        if isinstance(estimator, FittedNetwork):
            networks = [estimator]
    if not networks:
        raise TypeError(
            "estimator must be a DeepNetClassifier, a DeepNetRegressor or an ensemble "
            f"of these. Got an object of class {type(estimator).__name__} instead. To "
            "convert a pipeline or a search, call register_converters() and then "
            "skl2onnx.to_onnx."
        )
    for name in ("predict", "predict_proba")[: 1 + is_classifier(estimator)]:
        if not is_ours(getattr(type(estimator), name)):
            raise ValueError(
                f"The class of estimator={estimator!r} overrides {name}, which cannot "
                "be converted to ONNX. Give a fitted estimator whose class does not "
                "override it."
            )
    return networks


def add_estimator(
    graph: Graph,
    estimator: Any,
    X: str,
    raw_scores: bool = False,
    X_dtype: Any = None,
    *,
    label_indices: bool = False,
    class_labels: bool = False,
) -> list[str]:
    """Add all nodes of an estimator, and return the names of its outputs.

    With `raw_scores`, the logits of a network are output instead of the probabilities.
    If `X_dtype` is not that of the graph, X is scaled in `X_dtype` and then cast.
    For a classifier, `label_indices` outputs the index of each class in place of its
    label, and `class_labels` adds an output with the labels of all classes.
    """
    networks = averaged_networks(estimator)
    network = stack_of(networks) if len(networks) > 1 else network_of(networks[0])
    inputs = graph if X_dtype is None else graph.in_dtype(X_dtype)
    A = _add_scaling(inputs, network, X)
    if inputs.dtype != graph.dtype:
        A = graph.add("Cast", A, to=onnx_type(graph.dtype))
    if is_classifier(estimator):
        labels = _onnx_labels(estimator, label_indices)
        outputs = _add_classifier(graph, estimator, networks, network, A, raw_scores)
        if not (label_indices or _is_multilabel(networks)):
            outputs[0] = graph.add("Gather", labels, outputs[0])
        return outputs + [graph.add("Identity", labels)] * class_labels
    return [_add_regressor(graph, networks, network, A)]


def _add_logits(
    graph: Graph,
    network: Network,
    A: str,
    change: Callable[[FloatArray], FloatArray] | None = None,
) -> str:
    """Add numeric features and all layers, and return the logits.

    If given, `change` changes the parameters of the last layer.

    The networks of an ensemble are stacked: their logits have the shape
    (n_networks, n_samples, n_outputs), those of one network (n_samples, n_outputs).
    """
    A = _add_features(graph, network, A)
    *hidden, last = network.layers
    for W, activation in zip(hidden, network.activations, strict=True):
        A = _add_activation(graph, activation, _add_layer(graph, W, A))
    return _add_layer(graph, last if change is None else change(last), A)


def _add_layer(graph: Graph, W: FloatArray, A: str) -> str:
    """Add A Wᵀ + b, with one row per sample; the last column of W is b."""
    weights, bias = W[..., :-1].swapaxes(-1, -2), W[..., -1]
    if W.ndim == 2:
        return graph.add("Gemm", A, weights, bias)
    # Gemm takes one matrix only.
    return graph.add("Add", graph.add("MatMul", A, weights), bias[:, np.newaxis])


def _add_scaling(graph: Graph, network: Network, X: str) -> str:
    """Add the scaling of X; networks with different scalings are stacked."""
    scaling = network.input_scaling
    if scaling is None:
        return X
    difference = graph.add("Sub", X, scaling.center)
    # In float32, the center of a time stamp is rounded by many seconds. A network in
    # float32 was trained with the rounded center.
    rest = scaling.center - scaling.center.astype(graph.dtype)
    if network.params.dtype == np.float64 and rest.any():
        difference = graph.add("Sub", difference, rest)
    # A scale that float32 cannot hold must not become a division by zero.
    scale = np.maximum(scaling.scale, np.finfo(graph.dtype).tiny)
    A = graph.add("Div", difference, scale)
    if not scaling.squashes:
        return A
    # For larger values the square below could overflow, and the quotient would be zero.
    A = graph.add("Clip", A, -SQUASH_LIMIT, SQUASH_LIMIT)
    square = graph.add("Pow", graph.add("Div", A, 3.0), 2.0)
    square = graph.add("Sub", square, -1.0)
    return graph.add("Div", A, graph.add("Sqrt", square))


def _add_features(graph: Graph, network: Network, A: str) -> str:
    """Add numeric features, see `write_periodic`, as further columns."""
    if not network.n_frequencies:
        return A
    # One column for each feature; those of one input follow each other.
    frequencies, phases = (
        2 * np.pi * it.reshape(*network.stack_shape, 1, -1) for it in network.features
    )
    inputs = np.arange(count_inputs(network.layer_sizes, network.n_frequencies))
    repeated = graph.add("Gather", A, np.repeat(inputs, network.n_frequencies), axis=-1)
    # cos(z) = sin(z + π/2): old runtimes have no Cos in float64, but have Sin.
    angles = graph.add_product(repeated, frequencies)
    angles = graph.add("Sub", angles, -(phases + np.pi / 2))
    if network.stack_shape:  # each network needs its own copy of the shared inputs
        A = graph.add("Add", A, np.zeros((*network.stack_shape, 1, 1)))
    return graph.add("Concat", A, graph.add("Sin", angles), axis=-1)


def _unstacked(values: FloatArray) -> FloatArray:
    """Return values without their first axis if there is only one network."""
    return values[0] if len(values) == 1 else values


def _add_activation(graph: Graph, activation: Activation, Z: str) -> str:
    if ACTIVATIONS.get(activation.name) != activation:
        raise ValueError(
            f"activation={activation!r} cannot be converted to ONNX. Train with one of "
            f"{sorted(NODES)}."
        )
    return NODES[activation.name](graph, Z)


def _add_classifier(
    graph: Graph,
    estimator: Any,
    networks: list[FittedNetwork],
    network: Network,
    A: str,
    raw_scores: bool,
) -> list[str]:
    """Add indices of classes, or one 0 or 1 per label, and probabilities.

    They are computed as by ``predict`` and ``predict_proba``. The class of a network is
    computed from the logits, since probabilities may be rounded to 0 or 1. The class of
    an ensemble is computed from the mean probabilities.
    """
    z, scores = _add_scores(graph, networks[0], network, A, raw_scores)
    if len(networks) > 1:
        scores = _add_mean(graph, scores, len(networks))
    # A logit of 0 is a probability of one half.
    votes, bound = (z, 0.0) if estimator is networks[0] else (scores, 0.5)
    if _is_multilabel(networks):
        above = graph.add("Greater", votes, bound)
        return [graph.add("Cast", above, to=onnx_type(np.int64)), scores]
    if votes == scores:  # quantizers round what ArgMax takes, which must be a copy
        votes = graph.add("Identity", votes)
    return [graph.add("ArgMax", votes, axis=-1, keepdims=0), scores]


def _add_scores(
    graph: Graph, one: FittedNetwork, network: Network, A: str, raw_scores: bool
) -> tuple[str, str]:
    r"""Add logits and, unless `raw_scores`, probabilities; return the names of both.

    A sigmoid is written as a softmax, :math:`\sigma(z) = e^z / (e^0 + e^z)`. The
    operator Sigmoid is not precise enough: its float32 kernels return 0 below -18,
    where the sigmoid is 1.5e-8.
    """
    if raw_scores:
        z = _add_logits(graph, network, A, _with_negatives if one._is_binary else None)
        return z, z
    is_sigmoid = one.out_activation_ == "logistic"
    z = _add_logits(graph, network, A, _with_zeros if is_sigmoid else None)
    if not is_sigmoid or one._is_binary:
        return z, _add_softmax(graph, z)
    # Several labels: a pair of logits, 0 and z, for each.
    pairs = np.array([*network.stack_shape, -1, network.layer_sizes[-1], 2])
    z = graph.add("Reshape", z, pairs)
    p = _add_softmax(graph, z)
    second = np.array(1)
    return (
        graph.add("Gather", z, second, axis=-1),
        graph.add("Gather", p, second, axis=-1),
    )


def _add_softmax(graph: Graph, z: str) -> str:
    """Add a softmax over the last axis, in operators that are not quantized.

    The operator Softmax would be: the probabilities of a row would not sum to 1, and
    the kernel for int8 in onnxruntime before 1.32 returns 0 instead of 1. The
    exponential of LogSoftmax is less precise for tiny probabilities.
    """
    powers = graph.add("Exp", graph.add("Sub", z, graph.add_maximum(z)))
    total = graph.add("ReduceSum", powers, np.array([-1]), keepdims=1)
    return graph.add("Div", powers, total)


def _with_zeros(W: FloatArray) -> FloatArray:
    """Return the parameters of a layer that puts a logit of 0 before each logit."""
    return np.insert(W, np.arange(W.shape[-2]), 0.0, axis=-2)


def _with_negatives(W: FloatArray) -> FloatArray:
    """Return the parameters of a layer with the logits -z and z of two classes."""
    return np.concatenate([-W, W], axis=-2)


def _is_multilabel(networks: list[FittedNetwork]) -> bool:
    one = networks[0]
    return one.out_activation_ == "logistic" and not one._is_binary


def _onnx_labels(classifier: Any, are_indices: bool = False) -> NDArray[Any]:
    """Return the classes in a type that ONNX has: 64-bit integers or strings."""
    labels = classifier.classes_
    if are_indices:
        return np.arange(len(labels), dtype=np.int64)
    if labels.dtype.kind in "OU":  # text alone
        return labels.astype(object)
    if labels.dtype.kind in "biuf":
        # NumPy warns if a float is beyond int64; the comparison then finds it changed.
        with np.errstate(invalid="ignore"):
            whole = labels.astype(np.int64)
        if (whole == labels).all():
            return whole
    raise ValueError(
        f"The classes are {classifier.classes_!r}, but a label in ONNX must be a "
        "64-bit integer or a string. Train with such labels."
    )


def _add_regressor(
    graph: Graph, networks: list[FittedNetwork], network: Network, A: str
) -> str:
    """Add predictions, in the units of the targets."""
    y = _add_logits(graph, network, A)
    if networks[0].out_activation_ == "exponential":
        y = graph.add("Exp", y)
    scale, mean = (
        _unstacked(np.stack([getattr(it, name)[np.newaxis] for it in networks]))
        for name in ("target_scale_", "target_mean_")
    )
    y = graph.add_product(y, scale)
    if mean.any():
        y = graph.add("Sub", y, -mean)
    if networks[0]._has_several_quantiles:
        y = graph.add_sorted(y, networks[0].n_outputs_)
    return _add_mean(graph, y, len(networks)) if len(networks) > 1 else y


def _add_mean(graph: Graph, values: str, n: int) -> str:
    """Add the mean over the first axis, as a sum divided by n, like ``predict_proba``.

    The sum is computed first, so that the mean of probabilities that are all 1 is not
    above 1. The operator Mean has no kernel for float64, and the axes of ReduceMean are
    given differently since opset 18.
    """
    total = graph.add("ReduceSum", values, np.array([0]), keepdims=0)
    return graph.add("Div", total, float(n))


def output_types(
    estimator: Any, label_indices: bool = False, class_labels: bool = False
) -> dict[str, tuple[type, list[int | None]]]:
    """Return type and shape of each output; `float` is the dtype of the graph.

    The options are those of `add_estimator`.
    """
    networks = averaged_networks(estimator)
    if not is_classifier(estimator):
        return {"variable": (float, [None, networks[0].n_outputs_])}
    n_classes = len(estimator.classes_)
    labels = _onnx_labels(estimator, label_indices)
    label_type = object if labels.dtype == object else np.int64
    shape = [None, n_classes] if _is_multilabel(networks) else [None]
    types = {"label": (label_type, shape), "probabilities": (float, [None, n_classes])}
    if class_labels:
        types["class_labels"] = (label_type, [n_classes])
    return types
