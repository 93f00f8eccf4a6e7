"""Compare the gradient of backward propagation with finite differences."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._engine import (
    MicroBatch,
    ParameterUpdater,
    TrainingSpec,
    count_params,
    cut_features,
    cut_layers,
    one_blas_thread,
)
from .._fitting.jobs import TrainingJob
from .._utils.interrupts import take_interrupts
from .._utils.typing import FloatArray, IntArray, MatrixLike
from . import probe
from .rendering import HTMLTableMixin, ResultTable

__all__ = ["GradientCheck", "check_gradients"]

# The error of a central difference is about rounding / step + step². In double
# precision it is smallest for steps of about 1e-5. For parameters above 1, the step is
# multiplied by the parameter.
_STEP = 1e-5
_N_ROWS = 200
_LIMIT = 1e-4
# Errors of tiny derivatives are relative to this fraction of the largest derivative in
# their layer.
_FLOOR = 1e-2


@dataclass(frozen=True)
class GradientCheck(HTMLTableMixin):
    """Result of `check_gradients`: the largest error, and the parameter that has it.

    Print it for a summary. The frequencies and phases of numeric features count as
    layer 0.

    Parameters
    ----------
    error : float
        The largest relative error: the difference between both derivatives, divided by
        the derivative or, if that is larger, by a hundredth of the largest derivative
        in the layer.
    parameter : {"weight", "bias", "frequency", "phase"}
        Kind of the parameter with the largest error.
    layer : int
        Layer of this parameter, counted from 1. 0 for a frequency or phase.
    unit : int
        Unit of the layer to which it belongs, counted from 0. For a frequency or phase,
        its index among those of its column.
    input : int or None
        Input of the layer that the weight multiplies, counted from 0. For a frequency
        or phase, the column of X. None for a bias.
    analytic : float
        Derivative with respect to this parameter, by backward propagation.
    numeric : float
        Derivative with respect to this parameter, by central differences.
    n_checked : int
        Number of parameters that were checked.
    n_kinks : int
        Number of parameters that were left out because the loss is not differentiable
        there.
    n_params : int
        Number of parameters of the network.
    """

    error: float
    parameter: str
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
        return (
            f"{self._verdict()}: {self._n_compared()}. The largest relative error is "
            f"{self.error:.1e}, in {self._place()}: {self.analytic:.6g} by backward "
            f"propagation, {self.numeric:.6g} by central differences."
        )

    def _verdict(self) -> str:
        return "Passed" if self.passed else "FAILED"

    def _n_compared(self) -> str:
        kinks = f" ({self.n_kinks} at a kink were left out)" if self.n_kinks else ""
        return f"{self.n_checked} of {self.n_params} derivatives were checked{kinks}"

    def _place(self) -> str:
        if self.layer == 0:
            column = f"column {self.input}, {self.parameter} {self.unit}"
            return f"numeric features, {column}"
        where = f"layer {self.layer}, unit {self.unit}, {self.parameter}"
        is_weight = self.parameter == "weight"
        return f"{where} of input {self.input}" if is_weight else where

    def _result_table(self) -> ResultTable:
        return ResultTable(
            caption=f"{self._verdict()}: {self._n_compared()}",
            header=["derivative with the largest error", self._place()],
            rows=[
                ["error", f"{self.error:.1e}"],
                ["by backward propagation", f"{self.analytic:.6g}"],
                ["by central differences", f"{self.numeric:.6g}"],
            ],
            align="<<",
        )


def check_gradients(
    estimator: Any,
    X: MatrixLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    max_params: int = 5000,
    random_state: int = 0,
) -> GradientCheck:
    """Check the gradients of backward propagation against central differences.

    Use it to test the derivative of a loss or an activation that you have written.
    Gradients are computed in double precision, with penalties and without dropout. They
    are computed at the weights of a fitted network, or at the initial weights if the
    network is not fitted.

    Parameters
    ----------
    estimator : DeepNetClassifier, DeepNetRegressor, or a pipeline that ends in one
        The network to check, fitted or not. It is not changed.
    X : array-like or sparse matrix of shape (n_samples, n_features)
        Training data. At most 200 rows are used.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        True labels or targets.
    sample_weight : array-like of shape (n_samples,), default=None
        Sample weights.
    max_params : int, default=5000
        Maximum number of parameters to check. If the network has more, a random sample
        of them is checked.
    random_state : int, default=0
        Seed of the random sample of parameters.

    Returns
    -------
    check : GradientCheck
        The result. Print it, or use its attribute `passed`.

    Notes
    -----
    At a kink of the loss, such as that of a ReLU at zero, there is no derivative.
    Parameters are therefore left out if the slopes on both sides differ by more than
    the error, or if backward propagation is right on both sides. See CS231n, "Gradient
    checks".

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
    network, X = probe.network_and_input(estimator, X)
    job = probe.initial_job(network, X, y, sample_weight)
    batch = probe.micro_batch(probe.subsample(job, _N_ROWS))
    params = probe.current_params(network, job).astype(np.float64)
    job = replace(job, state=replace(job.state, params=params))
    n_params = len(params)
    chosen = np.arange(n_params)
    if n_params > max_params:
        rng = np.random.RandomState(random_state)
        chosen = rng.choice(n_params, max_params, replace=False)
    with np.errstate(all="ignore"), one_blas_thread():
        loss, analytic, slopes = _slopes(job, batch, chosen)
    numeric = slopes.mean(axis=0)  # the central difference
    errors = _errors(job.spec, analytic, numeric, loss)
    slopes_differ = np.abs(slopes[1] - slopes[0]) >= np.abs(analytic - numeric)
    at_kink = (errors > _LIMIT) & slopes_differ
    with np.errstate(all="ignore"), one_blas_thread():
        for k in np.flatnonzero((errors > _LIMIT) & ~slopes_differ):
            at_kink[k] = _are_right_beside(job, batch, k, slopes[:, k])
    errors = np.where(np.isnan(errors), np.inf, np.where(at_kink, 0, errors))
    k = int(np.argmax(errors))
    n_kinks = int(at_kink.sum())
    return GradientCheck(
        float(errors[k]),
        *_position(job.spec, k),
        float(analytic[k]),
        float(numeric[k]),
        len(chosen) - n_kinks,
        n_kinks,
        n_params,
    )


def _slopes(
    job: TrainingJob, batch: MicroBatch, chosen: IntArray
) -> tuple[float, FloatArray, FloatArray]:
    """Return the loss, its gradient, and its slopes on both sides.

    Where a parameter is not chosen, the slopes are set to the gradient.
    """
    params = job.state.params
    propagation = probe.make_propagation(job, params)
    updater = ParameterUpdater(job.spec, job.state, propagation.gradient)
    loss = float(propagation.loss_and_gradient(*batch) + updater.add_penalty())
    analytic = propagation.gradient.copy()

    def loss_at(k: int, value: float) -> float:
        before, params[k] = params[k], value
        data_loss = propagation.loss(batch.inputs, batch.target, batch.weight)
        penalty = updater.add_penalty()
        params[k] = before
        return float(data_loss + penalty)

    slopes = np.repeat(analytic[np.newaxis], 2, axis=0)
    for k in chosen:
        take_interrupts()
        theta = float(params[k])
        step = _STEP * max(1.0, abs(theta))
        slopes[0, k] = (loss - loss_at(k, theta - step)) / step
        slopes[1, k] = (loss_at(k, theta + step) - loss) / step
    return loss, analytic, slopes


def _are_right_beside(
    job: TrainingJob, batch: MicroBatch, k: int, slopes: FloatArray
) -> bool:
    """Return whether backward propagation gives the slopes on both sides.

    If all samples are at the kink of a unit, the two slopes may be equal by chance, and
    backward propagation still gives another value between them.
    """
    params, derivatives = job.state.params, []
    theta = float(params[k])
    step = _STEP * max(1.0, abs(theta))
    for beside in (theta - step / 2, theta + step / 2):
        take_interrupts()
        params[k] = beside
        propagation = probe.make_propagation(job, params)
        updater = ParameterUpdater(job.spec, job.state, propagation.gradient)
        propagation.loss_and_gradient(*batch)
        updater.add_penalty()
        derivatives.append(propagation.gradient[k])
    params[k] = theta
    return np.allclose(derivatives, slopes, _LIMIT, _LIMIT * np.max(np.abs(slopes)))


def _groups(spec: TrainingSpec, flat: FloatArray) -> list[FloatArray]:
    """Return views of the layers, then of frequencies and phases."""
    features = cut_features(spec.layer_sizes, spec.n_frequencies, flat)
    return [*cut_layers(spec.layer_sizes, flat), *features]


def _errors(
    spec: TrainingSpec,
    analytic: FloatArray,
    numeric: FloatArray,
    loss: float,
) -> FloatArray:
    """Return the relative error of each derivative.

    Errors are relative to at least a value that grows with the loss, since rounding
    errors of the loss are also errors of its differences.
    """
    floor = np.empty_like(analytic)
    for group, slopes in zip(
        _groups(spec, floor), _groups(spec, analytic), strict=True
    ):
        largest = np.max(np.abs(slopes), initial=0)
        group[...] = max(_FLOOR * largest, 1e-6 * abs(loss))
    size = np.maximum(np.maximum(np.abs(analytic), np.abs(numeric)), floor)
    errors: FloatArray = np.abs(analytic - numeric) / size
    return errors


def _position(spec: TrainingSpec, k: int) -> tuple[str, int, int, int | None]:
    """Return kind, layer, unit and input of parameter k, as in `GradientCheck`."""
    marked = np.zeros(count_params(spec.layer_sizes, spec.n_frequencies))
    marked[k] = 1
    for number, layer in enumerate(cut_layers(spec.layer_sizes, marked), start=1):
        if layer.any():
            unit, column = map(int, np.argwhere(layer)[0])
            is_bias = column == layer.shape[-1] - 1
            if is_bias:
                return "bias", number, unit, None
            return "weight", number, unit, column
    features = cut_features(spec.layer_sizes, spec.n_frequencies, marked)
    parameter = "frequency" if features.frequencies.any() else "phase"
    column, unit = map(int, np.argwhere(sum(features))[0])
    return parameter, 0, unit, column
