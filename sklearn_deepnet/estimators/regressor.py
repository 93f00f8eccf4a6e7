"""`DeepNetRegressor`: a network for one or several numbers."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin

from .._fitting.dataset import Dataset, check_rows, make_dataset
from .._fitting.scaling import InputScalingName
from .._fitting.targets import NumberTargets, check_number_y
from .._utils.lookup import look_up
from .._utils.scores import r_squared
from .._utils.sklearn_compat import StrOptions, available_if
from .._utils.typing import (
    FloatArray,
    FloatDType,
    IntArray,
    MatrixLike,
    RandomStateLike,
)
from ..nn.activations import ActivationLike
from ..nn.initializers import BiasInitializerName, InitializerLike
from ..nn.losses import LOSSES, Loss, NumberLossName, poisson
from ..nn.numeric_features import NumericFeaturesLike
from ..nn.optimizers import SolverLike
from ..nn.schedules import ScheduleLike
from .base import BaseDeepNet, has_partial_fit
from .parameter_names import explains_names

__all__ = ["DeepNetRegressor"]

# Standard deviations between zero and the targets. In float32 an error of rounding is
# then 0.0006 of them.
_FAR = 1e4


class DeepNetRegressor(RegressorMixin, BaseDeepNet):
    """Dense neural network for regression, trained with NumPy alone.

    The output layer has one linear unit for each column of y. For ``loss="poisson"``
    the prediction is the exponential of that unit.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(100,)
        Number of units in each hidden layer; ``()`` is linear regression.
    activation : str, Activation, or one per hidden layer, default="relu"
        Activation function of the hidden layers: "relu", "tanh", "sigmoid" (or
        "logistic"), "identity", "leaky_relu", "elu", "selu", "softplus", "gelu" or
        "silu". See `sklearn_deepnet.nn.activations`.
    input_scaling : {"auto", "standard", "robust"} or None, default="auto"
        What the network does to X first, with statistics of the training set:
        "standard" subtracts the mean of each feature and divides by its standard
        deviation; "robust" does so with median and interquartile range, and limits the
        result z to ``z / sqrt(1 + (z / 3)**2)``; None takes X as it comes. "auto" is
        "standard" for dense X and None for sparse X. A feature that is constant in the
        training set has no effect on predictions.
    numeric_features : "periodic", PeriodicFeatures or None, default=None
        Trained features of each column, which the network gets beside the column:
        "periodic" adds four cosines ``cos(2π (c x + b))``, whose frequencies c and
        phases b are trained like weights, but without a penalty. An object has other
        settings, such as ``PeriodicFeatures(n_frequencies=8, scale=0.5)``. The first
        layer then has inputs for all columns, followed by the features of the first
        column, of the second, and so on. Not for sparse X. See
        `sklearn_deepnet.nn.numeric_features`.
    init : str, callable, list of these, or list of arrays, default="xavier"
        How to initialize the weights: "zeros", "random", "orthogonal", or "xavier" (or
        "glorot"), "he" or "lecun", each of these also with "_uniform"; a callable that
        takes ``(n_out, n_in)`` and a RandomState and returns an array of that shape; or
        a list with one of these for each layer, the output layer included. Or a list of
        the initial arrays ``[W1, b1, W2, b2, ...]``, shaped like `coefs_` and
        `intercepts_`; they need ``input_scaling=None`` and ``numeric_features=None``.
        See `sklearn_deepnet.nn.initializers`.
    init_scale : float, default=None
        Factor by which the drawn weights are multiplied. None is the default of the
        scheme: 0.01 for "random", otherwise 1.
    bias_init : {"random", "zeros", "uniform"}, default="random"
        How to initialize the biases, which are drawn after the weights of their layer:
        "random" from a normal distribution with the standard deviation of the weights,
        "uniform" between ±1/√n_in.
    loss : str or Loss, default="squared_error"
        "squared_error" is half the squared error; "absolute_error" is minimized by the
        median; "huber" is squared for small errors and absolute for large ones;
        "poisson" is the deviance of the exponential of the output, for counts and
        rates; "quantile" is the pinball loss of the median, and ``quantile(0.9)`` that
        of another quantile. The losses of several outputs are averaged. See
        `sklearn_deepnet.nn.losses`.
    solver : str or Optimizer, default="adam"
        Optimizer: "sgd", "momentum", "nesterov", "rmsprop", "adam", "adamw" or "lbfgs",
        or an object with other settings, such as ``Adam(beta1=0.8)``. With
        ``batch_size=None``, "sgd" is plain gradient descent. "lbfgs" uses all samples
        in every iteration and has no learning rate. See
        `sklearn_deepnet.nn.optimizers`.
    learning_rate : float, default=0.001
        Step size of the optimizer.
    schedule : str, Schedule or callable, default="constant"
        How the learning rate changes from epoch to epoch: "constant", "invscaling",
        "step", "exponential", "cosine", "onecycle" or "plateau"; an object with other
        settings, such as ``Step(every=20)``; or a function that takes the number of
        epochs done and returns a factor for `learning_rate`. See
        `sklearn_deepnet.nn.schedules`.
    batch_size : int or None, default="auto"
        Mini-batch size. "auto" is 200, None the full batch; capped at the number of
        samples.
    n_iter : int, default=200
        Maximum number of epochs per call of `fit`. Each epoch uses every training
        sample once; with ``batch_size=None`` it is one iteration of gradient descent.
        With 0 the network keeps its initial weights.
    shuffle : bool, default=True
        Whether to shuffle the samples in every epoch. A full batch is not shuffled.
    alpha : float, default=0.0001
        Strength of the L2 penalty ``alpha / (2 W) ‖weights‖²``, where W is the total
        weight of the training samples. Biases are not penalized. The penalty does not
        depend on `batch_size`. For "adamw" it is the decoupled weight decay
        ``alpha / W``, which is not part of the loss.
    l1 : float, default=0.0
        Strength of the L1 penalty ``l1 / W ‖weights‖₁``, with the same W and without
        the biases.
    dropout : float or sequence of float, default=0.0
        Fraction of the units to drop after each hidden layer in training, one for all
        layers or one for each, in [0, 1).
    clip_norm : float or None, default=None
        Largest norm of the gradient, penalties included; a larger gradient is scaled
        down to it. None does not clip.
    tol : float or None, default=1e-05
        Training stops when the monitored value has not improved by more than `tol` for
        `n_iter_no_change` consecutive epochs. It is compared with the value of the last
        epoch that improved. The monitored value is the training loss or, with a
        validation set, the validation loss or score. None disables this.
    n_iter_no_change : int or "auto", default="auto"
        Number of consecutive epochs without improvement after which training stops.
        "auto" is as many epochs as hold 100 steps, at least 10, and training does not
        stop while the training loss is more than `tol` above its lowest value.
    early_stopping : bool or "auto", default=False
        Whether to hold out a validation set and monitor it in place of the training
        loss. Not needed if `X_val` is given to `fit`. "auto" does so in `fit` if there
        are at least 30 samples.
    validation_fraction : float, default=0.1
        Fraction of the samples to hold out as validation set.
    scoring : str, callable or None, default=None
        What to monitor on the validation set: any scikit-learn scorer; None is the
        loss. Epochs whose score is NaN do not count for `n_iter_no_change`.
    restore_best : bool, default=True
        Whether to end training with the weights of the best epoch instead of the last.
        This needs a validation set; without one, the last weights are used.
    target_scaling : {"standard"} or None, default="standard"
        "standard" trains on ``(y - mean) / std`` or, with ``loss="poisson"``, on y
        divided by its mean, so that y may have any unit. Mean and standard deviation
        are those of the training set in the first call in which y varies. The loss
        curves are in the scaled units. None does not scale y.
    warm_start : bool, default=False
        Whether `fit` continues from the end of the last call, for up to `n_iter` more
        epochs, exactly as if training had not stopped. Other parameters may change in
        between, but not the architecture, the number of outputs or `dtype`.
    verbose : int, default=0
        1 prints about ten lines per fit, or one line that is updated in place on a
        terminal; 2 prints one line per epoch. In an epoch that takes more than some
        seconds, both also tell how many rows are done.
    random_state : int, RandomState or None, default=None
        Seed of the initial weights, the validation split, shuffling and dropout. None
        uses fresh entropy. NumPy's global generator is never used.
    dtype : {"float32", "float64"} or None, default=None
        Data type of the weights and of all computation. None is float32 if X is
        float32, otherwise float64. Predictions have the same data type, but are float64
        for targets more than 10 000 standard deviations away from zero.

    Attributes
    ----------
    coefs_ : list of ndarray of shape (n_in, n_out)
        Weights of each layer, for the scaled target.
    intercepts_ : list of ndarray of shape (n_out,)
        Biases of each layer, for the scaled target.
    target_mean_ : ndarray of shape (`n_outputs_`,)
        Mean that is subtracted from y, or 0.
    target_scale_ : ndarray of shape (`n_outputs_`,)
        Scale by which the difference is divided, or 1.
    loss_curve_ : list of float
        Training loss of each epoch: the weighted mean, penalties included. The loss of
        each mini-batch is computed before its step.
    validation_loss_curve_ : list of float or None
        Validation loss after each epoch, without penalties and dropout. None if there
        was no validation set, NaN for epochs without one.
    validation_scores_ : list of float or None
        Validation score after each epoch, by `scoring`; None and NaN as above.
    loss_ : float
        Last value of `loss_curve_`, NaN if it is empty.
    best_loss_ : float
        Lowest value of `loss_curve_`, NaN if it is empty.
    best_iter_ : int or None
        Index of the best epoch, from 0, by validation score, validation loss or
        training loss, whichever is monitored. None without epochs, or if the score was
        NaN in all of them.
    n_iter_ : int
        Number of epochs since the weights were initialized, ``len(loss_curve_)``.
    diverged_ : bool
        Whether training diverged in the last call. `coefs_` are then from the last
        epoch with a finite loss, or from the best epoch.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if all feature names of X are strings.
    input_mean_ : ndarray of shape (`n_features_in_`,) or None
        What is subtracted from each feature, with "robust" its median. None without
        input scaling.
    input_scale_ : ndarray of shape (`n_features_in_`,) or None
        What the difference is divided by: 1 for a constant feature; if that varies by
        rounding, its size or, if that is less, 1. None without input scaling.
    numeric_features_ : FittedFeatures or None
        Named tuple of the trained `frequencies` and `phases`, each of shape
        (`n_features_in_`, n_frequencies). None without numeric features.
    n_layers_ : int
        Number of layers, input and output included.
    n_outputs_ : int
        Number of output units, one for each column of y.
    out_activation_ : str
        Activation of the output layer: "identity" or "exponential".

    Warns
    -----
    ConvergenceWarning
        If training used all `n_iter` epochs before `tol` stopped it, or if the network
        has learned no more than the best constant prediction.
    DivergenceWarning
        If the loss became infinite, NaN, or a million times its first value.
    UndefinedMetricWarning
        If a validation score was NaN.
    UserWarning
        If the validation scores hardly rose while the validation loss fell.

    Notes
    -----
    ``fit`` limits BLAS to one thread, and divides mini-batches of more than some
    hundred samples among as many threads as BLAS was allowed. Their gradients are
    summed in a fixed order, so that results with the same seed are bit-for-bit
    identical in any process and for any `n_jobs`.

    References
    ----------
    .. [1] He et al., "Delving Deep into Rectifiers", ICCV 2015.
    .. [2] Kingma & Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015.

    Examples
    --------
    >>> from sklearn.datasets import make_friedman1
    >>> from sklearn_deepnet import DeepNetRegressor
    >>> X, y = make_friedman1(400, random_state=0)
    >>> net = DeepNetRegressor(learning_rate=0.01, tol=None, random_state=0)
    >>> net.fit(X[:300], y[:300]).score(X[300:], y[300:]) > 0.9
    True
    """

    _parameter_constraints = {  # noqa: RUF012
        **BaseDeepNet._parameter_constraints,
        "target_scaling": [StrOptions({"standard"}), None],
    }
    if TYPE_CHECKING:  # what `fit` sets
        target_mean_: FloatArray
        target_scale_: FloatArray

    @explains_names
    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] | IntArray = (100,),
        *,
        activation: ActivationLike = "relu",
        input_scaling: InputScalingName | None = "auto",
        numeric_features: NumericFeaturesLike | None = None,
        init: InitializerLike = "xavier",
        init_scale: float | None = None,
        bias_init: BiasInitializerName = "random",
        loss: NumberLossName | Loss = "squared_error",
        solver: SolverLike = "adam",
        learning_rate: float = 0.001,
        schedule: ScheduleLike = "constant",
        batch_size: int | Literal["auto"] | None = "auto",
        n_iter: int = 200,
        shuffle: bool = True,
        alpha: float = 1e-4,
        l1: float = 0.0,
        dropout: float | Sequence[float] | FloatArray = 0.0,
        clip_norm: float | None = None,
        tol: float | None = 1e-5,
        n_iter_no_change: int | Literal["auto"] = "auto",
        early_stopping: bool | Literal["auto"] = False,
        validation_fraction: float = 0.1,
        scoring: str | Callable[..., float] | None = None,
        restore_best: bool = True,
        target_scaling: Literal["standard"] | None = "standard",
        warm_start: bool = False,
        verbose: int = 0,
        random_state: RandomStateLike = None,
        dtype: FloatDType | None = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.input_scaling = input_scaling
        self.numeric_features = numeric_features
        self.init = init
        self.init_scale = init_scale
        self.bias_init = bias_init
        self.loss = loss
        self.solver = solver
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.batch_size = batch_size
        self.n_iter = n_iter
        self.shuffle = shuffle
        self.alpha = alpha
        self.l1 = l1
        self.dropout = dropout
        self.clip_norm = clip_norm
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.scoring = scoring
        self.restore_best = restore_best
        self.target_scaling = target_scaling
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state
        self.dtype = dtype

    @available_if(has_partial_fit)
    def partial_fit(
        self,
        X: MatrixLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: MatrixLike | None = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> Self:
        """Train for one epoch on these samples, from the current weights.

        `tol` is ignored. With ``batch_size=None``, n calls on the same samples are
        equal to one call of ``fit`` with ``n_iter=n``. The first call fixes the scaling
        of y.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            True targets. They must not be negative for ``loss="poisson"``.
        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights. A weight of 2 has the effect of repeating the sample, a
            weight of 0 that of removing it. None gives all samples weight 1. A later
            call does nothing if all weights are 0.
        X_val : array-like or sparse matrix of shape (n_val, n_features), default=None
            Validation data to monitor; required if `early_stopping` is True.
        y_val : array-like of shape (n_val,) or (n_val, n_outputs), default=None
            True targets of the validation data.
        sample_weight_val : array-like of shape (n_val,), default=None
            Sample weights of the validation data.

        Returns
        -------
        self : DeepNetRegressor
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or the data are invalid. The estimator is then unchanged.
        """
        return self._partial_fit(
            X,
            y,
            sample_weight,
            X_val=X_val,
            y_val=y_val,
            sample_weight_val=sample_weight_val,
        )

    def predict(self, X: MatrixLike) -> FloatArray:
        """Return the predicted targets.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Input data.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predicted targets, in the units and the shape of the training targets.
        """
        return self._from_logits(self._logits(X), X)

    _computed_method = predict

    def score(
        self, X: MatrixLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return R², the coefficient of determination.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Input data.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            True targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights.

        Returns
        -------
        score : float
            1 for perfect predictions, 0 for the mean of y; averaged over outputs.
        """
        return r_squared(y, self.predict(X), sample_weight)

    def _from_logits(self, outputs: FloatArray, X: Any) -> FloatArray:
        """Return the network's outputs for X in the units and the shape of y."""
        mean, scale = self.target_mean_, self.target_scale_
        # The scaling is float64, but predictions have the dtype of the network, unless
        # float32 would round off what the targets vary by.
        dtype = outputs.dtype
        if dtype == np.float32 and np.any(np.abs(mean) > _FAR * scale):
            dtype = np.dtype(np.float64)
        with np.errstate(all="ignore"):
            if self.out_activation_ == "exponential":
                outputs = np.exp(outputs)
            outputs = outputs * scale + mean
            outputs = outputs.astype(dtype, copy=False)
        self._check_overflow(outputs, X)
        return outputs[:, 0] if self._takes_1d else outputs

    def _make_dataset(
        self,
        X: MatrixLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None,
        resumes: bool,
        partial: bool = False,
        classes: None = None,
    ) -> Dataset:
        """Return the training data as a dataset."""
        X, y = check_rows(self, X, y, reset=not resumes)
        y = self._check_y(y)
        n_outputs = 1 if y.ndim == 1 else y.shape[1]
        takes_1d = y.ndim == 1
        if resumes and (n_outputs, takes_1d) != (self.n_outputs_, self._takes_1d):
            raise ValueError(
                f"y now has the shape {y.shape}, but the network to continue has "
                f"{self.n_outputs_} outputs. Keep it, or start anew by fit with "
                "warm_start=False."
            )
        # Unscaled: the scaling of the targets is computed from the training set.
        targets = NumberTargets(n_outputs, np.zeros(n_outputs), np.ones(n_outputs))
        self._takes_1d = takes_1d
        return make_dataset(X, y, targets, sample_weight, may_be_empty=resumes)

    @property
    def _has_counts(self) -> bool:
        """Whether y holds counts or rates, which are divided by their mean only."""
        return look_up(LOSSES, self.loss, "loss").exponential is not None

    _y_is_numeric = True
    _shape_requirement = "have as many outputs"

    def _check_y(self, y: NDArray[Any], name: str = "y") -> NDArray[Any]:
        return check_number_y(y, self._has_counts, name)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.positive_only = self.loss in ("poisson", poisson)
        return tags
