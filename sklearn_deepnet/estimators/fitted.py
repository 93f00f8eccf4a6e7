"""The network of a fitted estimator: its attributes and its outputs for new X."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.sparse import issparse
from sklearn.utils.validation import check_is_fitted

from .._engine import Curve, Network, as_curve, predict_logits
from .._fitting.attributes import n_frequencies_of
from .._fitting.dataset import check_features, is_plain, validate
from .._fitting.parameters import resolve_activations
from .._fitting.scaling import scaling_of
from .._utils.byte_order import in_native_order
from .._utils.typing import FloatArray, MatrixLike
from .._utils.values import check_no_dates
from .._utils.warnings import max_abs
from ..nn.numeric_features import FittedFeatures
from ..nn.scaling import InputScaling, fold_into_first_layer

_MANY_INPUTS = 200
# Rows and logits of all members at once, so that memory does not grow with n_samples
_MOST_ROWS, _FEWEST_ROWS, _MOST_LOGITS = 2**14, 2**8, 2**21


def network_of(estimator: Any) -> Network:
    """Return the network of a fitted estimator, which shares its weights."""
    n_hidden = len(estimator._layer_sizes) - 2
    activations = resolve_activations(estimator._activations, n_hidden)
    return Network(
        estimator._layer_sizes,
        activations,
        estimator._params,
        scaling_of(estimator),
        n_frequencies_of(estimator),
    )


def stack_of(estimators: Sequence[Any]) -> Network:
    """Return the networks of fitted estimators as a stack; all have the same shape."""
    first = network_of(estimators[0])
    params = np.stack([estimator._params for estimator in estimators])
    scaling = InputScaling.stack([scaling_of(estimator) for estimator in estimators])
    return Network(
        first.layer_sizes, first.activations, params, scaling, first.n_frequencies
    )


def means_and_stds(
    blocks: Iterable[Sequence[FloatArray]], return_std: bool
) -> FloatArray | tuple[FloatArray, FloatArray]:
    """Return the mean over networks and, if asked for, the standard deviation.

    Parameters
    ----------
    blocks : iterable of sequences of ndarray, all of one shape
        For each block of rows, one array for each network.
    return_std : bool
        Whether to return the standard deviation, too.

    Returns
    -------
    mean, std : ndarray
        Those of all blocks, one after the other.
    """
    means, stds = [], []
    for values in blocks:
        with np.errstate(under="ignore"):
            means.append(_mean(values))
            if return_std:
                stds.append(_std(values, means[-1]))
    mean = np.concatenate(means)
    return (mean, np.concatenate(stds)) if return_std else mean


def _mean(values: Sequence[FloatArray]) -> FloatArray:
    # Members are added one by one. ``np.mean`` uses another order for a single row, so
    # that the prediction of a row would depend on the number of rows.
    mean = sum(it / len(values) for it in values)
    # Rounding could make a mean of probabilities larger than 1.
    return np.clip(mean, np.minimum.reduce(values), np.maximum.reduce(values))


def _std(values: Sequence[FloatArray], mean: FloatArray) -> FloatArray:
    deviations = [np.abs(it - mean) for it in values]
    largest = np.maximum.reduce(deviations)
    # y may be in any unit, so the squares of the deviations could overflow.
    unit = np.where(largest > 0, largest, 1)
    return unit * np.sqrt(sum((it / unit) ** 2 for it in deviations) / len(values))


def softmax(logits: FloatArray, axis: int) -> FloatArray:
    """Return the same result as SciPy's function, bit for bit.

    For a single row, SciPy's function takes as long as the whole forward pass of a
    small network.
    """
    p = np.exp(logits - np.maximum.reduce(logits, axis=axis, keepdims=True))
    return np.divide(p, np.add.reduce(p, axis=axis, keepdims=True), out=p)


def log_softmax(logits: FloatArray, axis: int) -> FloatArray:
    """Return the same result as SciPy's function, but finite.

    In float32, differences of finite logits may overflow.
    """
    log_p = special.log_softmax(logits, axis=axis)
    return np.maximum(log_p, np.finfo(log_p.dtype).min)


def check_new_rows(estimator: Any, X: MatrixLike) -> Any:
    """Validate the X of a prediction, and return it as an array or a CSR matrix."""
    if is_plain(X) or _is_valid_csr(X):
        check_features(estimator, X, reset=False)
    else:
        X = check_no_dates(X, "X")
        X = validate(estimator, X, reset=False)
    # Dense X is converted to the byte order of this machine block by block.
    return in_native_order(X) if issparse(X) and not X.dtype.isnative else X


def logits_of_blocks(
    estimators: Sequence[Any], X: Any
) -> Iterator[tuple[FloatArray, Any]]:
    """Yield the logits of estimators of one shape, and the rows they belong to.

    The logits have the shape (n_estimators, n_rows, n_outputs).
    """
    networks = [network_of(estimator) for estimator in estimators]
    # A stack takes dense arrays only. If each member scales X in its own way, each has
    # its own inputs, and those of wide X would take much memory.
    if not issparse(X):
        stack = stack_of(estimators)
        if stack.shares_inputs or X.shape[1] <= _MANY_INPUTS:
            networks = [stack]
    n_outputs = networks[0].layer_sizes[-1]
    n_rows = max(_MOST_LOGITS // (len(estimators) * n_outputs), _FEWEST_ROWS)
    n_rows = min(n_rows, _MOST_ROWS)
    for start in range(0, X.shape[0], n_rows):
        rows = X[start : start + n_rows]
        with np.errstate(all="ignore"):
            outputs = [predict_logits(network, rows) for network in networks]
        logits = outputs[0] if outputs[0].ndim == 3 else np.stack(outputs)
        estimators[0]._check_overflow(logits, rows)
        yield logits, rows


def _is_valid_csr(X: Any) -> bool:
    """Return whether X is a CSR matrix that `validate_data` would return as it is.

    For one row, calling `validate_data` would take longer than the prediction.
    """
    return (
        issparse(X)
        and X.format == "csr"
        and X.dtype.kind == "f"
        and X.ndim == 2
        and X.shape[0] > 0
        and bool(np.isfinite(X.data).all())
    )


def _curve(name: str, doc: str) -> property:
    """Return a property that shows the `Curve` of an attribute as a list."""

    def get(estimator: Any) -> list[float] | None:
        curve = estimator._learned(name)
        return None if curve is None else curve.tolist()

    def put(estimator: Any, values: list[float] | Curve | None) -> None:
        vars(estimator)[name] = as_curve(values)

    return property(get, put, doc=doc)


class FittedNetwork:
    """The fitted attributes of an estimator, and the forward pass."""

    if TYPE_CHECKING:  # what `fit` sets
        best_iter_: int | None
        feature_names_in_: NDArray[Any]
        loss_curve_: list[float]
        n_features_in_: int
        out_activation_: str
        validation_loss_curve_: list[float] | None
        validation_scores_: list[float] | None

    def hidden_activations(self, X: MatrixLike, layer: int = -1) -> FloatArray:
        """Return the outputs of a hidden layer, which can serve as learned features.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Input data.
        layer : int, default=-1
            Index of the hidden layer, counted from 0. Negative indices count from the
            last hidden layer, which is -1.

        Returns
        -------
        activations : ndarray of shape (n_samples, n_units)
            Outputs of the activation function of the layer. Dropout is not applied.

        Raises
        ------
        ValueError
            If `layer` is not the index of a hidden layer.
        """
        check_is_fitted(self)
        n_hidden = len(self._layer_sizes) - 2
        if not -n_hidden <= layer < n_hidden:
            allowed = f"from {-n_hidden} to {n_hidden - 1}"
            allowed = allowed if n_hidden else "of which this network has none"
            raise ValueError(
                f"layer must be the index of a hidden layer, {allowed}. Got {layer} "
                "instead."
            )
        return self._propagate(X, layer % n_hidden)

    def _logits(self, X: MatrixLike) -> FloatArray:
        """Return the outputs before the last activation, one column per output."""
        if not self.__sklearn_is_fitted__():
            check_is_fitted(self)  # raises; not called first, since it is slow
        return self._propagate(X)

    def _propagate(self, X: MatrixLike, hidden_layer: int | None = None) -> FloatArray:
        X = check_new_rows(self, X)
        # An overflow raises an error below, with a message that says what to do.
        with np.errstate(all="ignore"):
            outputs = predict_logits(network_of(self), X, hidden_layer)
        self._check_overflow(outputs, X)
        return outputs

    def _check_overflow(self, outputs: FloatArray, X: Any) -> None:
        if not np.isfinite(outputs).all():
            raise ValueError(
                "The outputs of the network overflow for this X, whose largest "
                f"absolute value is {max_abs(X):.2g}. Give X in the units of the "
                "training data."
            )

    def _learned(self, name: str) -> Any:
        """Return an attribute, or raise that the estimator is not fitted."""
        attributes = vars(self)
        if name not in attributes:
            check_is_fitted(self)
            raise AttributeError(f"{type(self).__name__} has no {name}.")
        return attributes[name]

    @property
    def n_layers_(self) -> int:
        """Number of layers, including the input layer and the output layer."""
        return len(self._learned("_layer_sizes"))

    @property
    def n_outputs_(self) -> int:
        """Number of output units."""
        return self._learned("_layer_sizes")[-1]

    if not TYPE_CHECKING:  # which would take each for a property of any type
        loss_curve_ = _curve("loss_curve_", "Training loss of each epoch.")
        validation_loss_curve_ = _curve(
            "validation_loss_curve_", "Validation loss after each epoch, or None."
        )
        validation_scores_ = _curve(
            "validation_scores_", "Validation score after each epoch, or None."
        )

    @property
    def n_iter_(self) -> int:
        """Number of epochs since the weights were initialized."""
        return self._learned("loss_curve_").n_epochs

    @property
    def loss_(self) -> float:
        """Training loss of the last epoch, or NaN if there was no epoch."""
        return self._learned("loss_curve_").last

    @property
    def best_loss_(self) -> float:
        """Lowest training loss of all epochs, or NaN if there was no epoch."""
        losses = self._learned("loss_curve_")
        return losses.lowest if losses.n_epochs else np.nan

    @property
    def diverged_(self) -> bool:
        """Whether training diverged in the last call."""
        return self._learned("_ended_by") == "divergence"

    @property
    def coefs_(self) -> list[FloatArray]:
        """Weights of each layer, as views of shape (n_in, n_out)."""
        check_is_fitted(self)
        # A layer has the shape (n_out, n_in + 1): the biases are its last column.
        return [layer[:, :-1].T for layer in network_of(self).layers]

    @property
    def intercepts_(self) -> list[FloatArray]:
        """Biases of each layer, as views of shape (n_out,)."""
        check_is_fitted(self)
        return [layer[:, -1] for layer in network_of(self).layers]

    @property
    def input_mean_(self) -> FloatArray | None:
        """Value that is subtracted from each feature; None without input scaling."""
        check_is_fitted(self)
        scaling = scaling_of(self)
        return None if scaling is None else scaling.center

    @property
    def input_scale_(self) -> FloatArray | None:
        """Value that each difference is divided by; None without input scaling."""
        check_is_fitted(self)
        scaling = scaling_of(self)
        return None if scaling is None else scaling.scale

    @property
    def numeric_features_(self) -> FittedFeatures | None:
        """Frequencies and phases of the numeric features as views, or None."""
        check_is_fitted(self)
        network = network_of(self)
        return network.features if network.n_frequencies else None

    def folded_coefs(self) -> tuple[list[FloatArray], list[FloatArray]]:
        r"""Return weights and biases that apply to unscaled X.

        The first layer becomes :math:`W / s` and :math:`b - W \mu / s`, where
        :math:`\mu` is `input_mean_` and :math:`s` is `input_scale_`. All other layers
        are those of `coefs_` and `intercepts_`.

        Returns
        -------
        coefs : list of ndarray of shape (n_in, n_out)
            Weights of each layer.
        intercepts : list of ndarray of shape (n_out,)
            Biases of each layer.

        Raises
        ------
        ValueError
            If ``input_scaling="robust"``, which is not a linear scaling, or if there
            are numeric features.
        """
        coefs, intercepts, scaling = self.coefs_, self.intercepts_, scaling_of(self)
        if self.numeric_features_ is not None:
            raise ValueError(
                "folded_coefs is not available with numeric_features, which are not "
                "linear in X. Use numeric_features_ and coefs_ instead, or train with "
                "numeric_features=None."
            )
        if scaling is None:
            return coefs, intercepts
        if scaling.squashes:
            raise ValueError(
                "folded_coefs is not available with input_scaling='robust', which is "
                "not linear. Use input_mean_, input_scale_ and coefs_ instead, or "
                "train with input_scaling='standard'."
            )
        W, b = fold_into_first_layer(coefs[0], intercepts[0], scaling)
        return [W, *coefs[1:]], [b, *intercepts[1:]]

    def __sklearn_is_fitted__(self) -> bool:
        return "_params" in vars(self)
