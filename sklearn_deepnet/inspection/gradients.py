"""Compare the gradient that training follows with differences of the loss."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._engine import (
    MicroBatch,
    Network,
    ParameterUpdater,
    Propagation,
    TrainingSpec,
    TrainingState,
    count_params,
    cut_layers,
    one_blas_thread,
)
from .._utils.typing import FloatArray, IntArray
from .probe import block_of, job_of, on_some_rows, params_of, reach_network

__all__ = ["GradientCheck", "check_gradients"]

_STEP = 1e-5  # of a parameter, times its size if that is above 1
_N_ROWS = 200
_LIMIT = 1e-4
_FLOOR = 1e-2  # of a layer's largest derivative: below, errors are relative to this


@dataclass(frozen=True)
class GradientCheck:
    """How far the gradient is from central differences, at worst.

    Parameters
    ----------
    error : float
        The largest difference, over the derivative or a hundredth of the largest in
        its layer, whichever is larger.
    layer : int
        Where that is, from 1.
    unit : int
        Which unit of the layer, from 0.
    input : int or None
        Which of its inputs, from 0; None is the bias.
    analytic : float
        The derivative there, by backward propagation.
    numeric : float
        The same by central differences.
    n_checked : int
        Parameters that were compared.
    n_kinks : int
        Parameters that were not, because the loss has a kink there.
    n_params : int
        Parameters that there are.
    """

    error: float
    layer: int
    unit: int
    input: int | None
    analytic: float
    numeric: float
    n_checked: int
    n_kinks: int
    n_params: int

    @property
    def passed(self) -> bool:
        """Whether the error is at most 1e-4."""
        return self.error <= _LIMIT

    def __str__(self) -> str:
        kinks = f" ({self.n_kinks} more are at a kink)" if self.n_kinks else ""
        what = "bias" if self.input is None else f"weight of input {self.input}"
        return (
            f"{'Passed' if self.passed else 'FAILED'}: {self.n_checked} of "
            f"{self.n_params} derivatives{kinks}, largest error {self.error:.1e}, in "
            f"layer {self.layer}, unit {self.unit}, {what}: {self.analytic:.6g} by "
            f"backward propagation, {self.numeric:.6g} by central differences."
        )


def check_gradients(
    estimator: Any,
    X: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    max_params: int = 5000,
    random_state: int = 0,
) -> GradientCheck:
    """Compare backward propagation with central differences of the loss.

    In double precision, without dropout, penalties included; at the weights of a fitted
    network, or those that a fit would start from. It is what to call after writing a
    loss or an activation of your own.

    Parameters
    ----------
    estimator : DeepNetClassifier, DeepNetRegressor, or a pipeline that ends in one
        Fitted or not; left as it is.
    X : array-like or sparse matrix of shape (n_samples, n_features)
        Data; up to 200 rows are used.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        What is right.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights.
    max_params : int, default=5000
        If there are more parameters, so many are drawn.
    random_state : int, default=0
        What they are drawn with.

    Returns
    -------
    check : GradientCheck
        Print it, or ask whether it has `passed`.

    Notes
    -----
    At a kink, such as that of a ReLU whose inputs and bias are all zero, there is no
    derivative to agree with. It is known by slopes to the left and to the right that
    differ by more than the error, and left out. See CS231n, "Gradient checks".

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_deepnet import DeepNetClassifier
    >>> net = DeepNetClassifier((5,), activation="tanh", random_state=0)
    >>> check_gradients(net, *load_iris(return_X_y=True)).passed
    True
    """
    if max_params < 1:
        raise ValueError(f"max_params must be at least 1. Got {max_params} instead.")
    network, X = reach_network(estimator, X)
    job = job_of(network, X, y, sample_weight)
    spec, state = job.spec, job.state
    state = replace(state, params=params_of(network, job).astype(np.float64))
    some = on_some_rows(job, _N_ROWS)
    block = block_of(some, some.dataset.n_rows)
    n_params = len(state.params)
    chosen = np.arange(n_params)
    if n_params > max_params:
        rng = np.random.RandomState(random_state)
        chosen = rng.choice(n_params, max_params, replace=False)
    with np.errstate(all="ignore"), one_blas_thread():
        loss, analytic, slopes = _slopes(spec, state, block, chosen)
    numeric = slopes.mean(axis=0)
    errors = _errors(spec.layer_sizes, analytic, numeric, loss)
    apart = np.abs(slopes[1] - slopes[0]) >= np.abs(analytic - numeric)
    at_kink = (errors > _LIMIT) & apart
    errors = np.where(np.isnan(errors), np.inf, np.where(at_kink, 0, errors))
    k = int(np.argmax(errors))
    layer, unit, input_ = _place(spec.layer_sizes, k)
    n_kinks = int(at_kink.sum())
    return GradientCheck(
        float(errors[k]),
        layer,
        unit,
        input_,
        float(analytic[k]),
        float(numeric[k]),
        len(chosen) - n_kinks,
        n_kinks,
        n_params,
    )


def _slopes(
    spec: TrainingSpec, state: TrainingState, block: MicroBatch, chosen: IntArray
) -> tuple[float, FloatArray, FloatArray]:
    """Return the loss, its gradient, and its slopes to the left and to the right.

    Slopes of parameters that are not chosen are the gradient.
    """
    params = state.params
    network = Network(spec.layer_sizes, spec.activations, params)
    propagation = Propagation(network, spec.loss)
    stepper = ParameterUpdater(spec, state, propagation.gradient)
    loss = float(propagation.loss_and_gradient(*block) + stepper.add_penalty())
    analytic = propagation.gradient.copy()

    def loss_at(k: int, number: float) -> float:
        before, params[k] = params[k], number
        data_loss = propagation.loss(block.inputs, block.target, block.weight)
        penalty = stepper.add_penalty()
        params[k] = before
        return float(data_loss + penalty)

    slopes = np.repeat(analytic[np.newaxis], 2, axis=0)
    for k in chosen:
        theta = float(params[k])
        step = _STEP * max(1.0, abs(theta))
        slopes[0, k] = (loss - loss_at(k, theta - step)) / step
        slopes[1, k] = (loss_at(k, theta + step) - loss) / step
    return loss, analytic, slopes


def _errors(
    layer_sizes: tuple[int, ...],
    analytic: FloatArray,
    numeric: FloatArray,
    loss: float,
) -> FloatArray:
    """Return the error of each; differences of the loss are rounded as it is."""
    floor = np.empty_like(analytic)
    for layer, sizes in zip(
        cut_layers(layer_sizes, floor), cut_layers(layer_sizes, analytic), strict=True
    ):
        layer[...] = max(_FLOOR * np.max(np.abs(sizes)), 1e-6 * abs(loss))
    size = np.maximum(np.maximum(np.abs(analytic), np.abs(numeric)), floor)
    errors: FloatArray = np.abs(analytic - numeric) / size
    return errors


def _place(layer_sizes: tuple[int, ...], k: int) -> tuple[int, int, int | None]:
    """Return the layer, from 1, the unit and the input, None for its bias."""
    marked = np.zeros(count_params(layer_sizes))
    marked[k] = 1
    for number, layer in enumerate(cut_layers(layer_sizes, marked), start=1):
        if layer.any():
            unit, column = map(int, np.argwhere(layer)[0])
            is_bias = column == layer.shape[-1] - 1
            return number, unit, None if is_bias else column
    raise IndexError(k)
