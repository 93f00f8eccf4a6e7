"""`DeepNetRegressor`: a network for one or several numbers."""

from collections.abc import Callable, Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin

from .._fitting.dataset import Dataset, check_rows, make_dataset
from .._fitting.scaling import InputScalingName
from .._fitting.targets import (
    NumberTargets,
    check_number_y,
    resolve_number_loss,
    warn_of_unused_quantile,
)
from .._utils.sklearn_compat import Interval, StrOptions, available_if
from .._utils.typing import (
    FloatArray,
    FloatDType,
    IntArray,
    MatrixLike,
    RandomStateLike,
)
from ..nn.activations import ActivationLike
from ..nn.initializers import BiasInitializerName, InitializerLike
from ..nn.losses import Loss, NumberLossName, poisson, quantiles_of
from ..nn.numeric_features import NumericFeaturesLike
from ..nn.optimizers import SolverLike
from ..nn.schedules import ScheduleLike
from .base import BaseDeepNet, has_partial_fit
from .mixins import NumberScoreMixin
from .parameter_names import explains_names

__all__ = ["DeepNetRegressor"]

# Distance of the targets from zero, in standard deviations. At this distance, the
# rounding error of float32 is 0.0006 standard deviations.
_FAR = 1e4


class DeepNetRegressor(NumberScoreMixin, RegressorMixin, BaseDeepNet):
    """Deep neural network regressor, written on NumPy.

    The output layer has one linear unit for each column of y. With ``loss="poisson"``,
    a prediction is the exponential of the output of that unit.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(100,)
        Number of units in each hidden layer. The ith element is the size of the ith
        hidden layer, and an integer n is the same as ``(n,)``. With an empty tuple
        there is no hidden layer, and the model is a linear regression.
    activation : str, Activation, or one per hidden layer, default="relu"
        Activation function of the hidden layers: "relu", "tanh", "sigmoid" (also called
        "logistic"), "identity", "leaky_relu", "elu", "selu", "softplus", "gelu" or
        "silu". A list has one activation for each hidden layer. See
        `sklearn_deepnet.nn.activations`.
    input_scaling : {"auto", "standard", "robust"} or None, default="auto"
        How the network scales X before the first layer. The statistics are computed
        from the training set.

        - "standard" subtracts the mean of each feature and divides by its standard
          deviation.
        - "robust" subtracts the median and divides by the interquartile range. It then
          replaces each value z by ``z / sqrt(1 + (z / 3)**2)``, which lies between -3
          and 3. Choose it if X has outliers.
        - None leaves X unchanged. Choose it if X is scaled already.
        - "auto" is "standard" for dense X and None for sparse X.

        With scaling, a feature that is constant in the training set has no effect on
        predictions.
    numeric_features : "periodic", PeriodicFeatures or None, default=None
        Trainable features of each column of X, which are added to the inputs of the
        network. They help to fit functions that rise and fall several times along a
        column.

        - None adds nothing.
        - "periodic" adds four features ``cos(2π (c x + b))`` for each column x. The
          frequencies c and phases b are trained like weights, but are not penalized.
        - A `PeriodicFeatures` object has other settings, such as
          ``PeriodicFeatures(n_frequencies=8, scale=0.5)``.

        The inputs of the first layer are all columns of X, followed by the features of
        the first column, then those of the second, and so on. Sparse X is not
        supported. See `sklearn_deepnet.nn.numeric_features`.
    init : str, callable, list of these, or list of arrays, default="xavier"
        How to initialize the weights.

        - A name: "zeros", "random", "orthogonal", "xavier" (also called "glorot"), "he"
          or "lecun". "xavier", "glorot", "he" and "lecun" draw from a normal
          distribution; with the suffix "_uniform" they draw from a uniform one.
        - A function that takes ``(n_out, n_in)`` and a RandomState, and returns an
          array of that shape.
        - A list with a name or function for each layer, including the output layer.
        - A list of the initial arrays ``[W1, b1, W2, b2, ...]``, with the shapes of
          `coefs_` and `intercepts_`. This requires ``input_scaling=None`` and
          ``numeric_features=None``.

        See `sklearn_deepnet.nn.initializers`.
    init_scale : float, default=None
        Factor that multiplies the randomly drawn weights. None uses the default of the
        initializer, which is 0.01 for "random" and 1 for all others.
    bias_init : {"random", "zeros", "uniform"}, default="random"
        How to initialize the biases. "random" draws them from a normal distribution
        with the standard deviation of the weights of their layer. "zeros" sets them to
        zero. "uniform" draws them between ``-1 / sqrt(n_in)`` and ``1 / sqrt(n_in)``,
        where n_in is the number of inputs of the layer.
    loss : str or Loss, default="squared_error"
        Loss function to minimize. With several outputs, the losses of the outputs are
        averaged.

        - "squared_error" is half the squared error. The network predicts the mean.
        - "absolute_error" predicts the median.
        - "huber" is squared for small errors and linear for large errors, so outliers
          have less influence.
        - "poisson" is half the Poisson deviance, for counts and rates. Predictions are
          the exponential of the output and therefore positive.
        - "quantile" is the pinball loss. The network predicts the median, or the
          quantiles that are given by the parameter `quantile`.

        See `sklearn_deepnet.nn.losses`.
    quantile : float or increasing sequence of float, default=0.5
        Which quantile of y to predict, between 0 and 1. Only used with
        ``loss="quantile"``. For a sequence, the network has one output unit for each
        quantile. Predictions then have one column for each quantile, and are sorted in
        each row, so that quantiles never cross [3]_. This requires a single column of
        y.
    solver : str or Optimizer, default="adam"
        Optimizer that updates the weights.

        - "sgd" is gradient descent on mini-batches. With ``batch_size=None`` it is
          gradient descent on the full batch.
        - "momentum" and "nesterov" are gradient descent with momentum.
        - "rmsprop", "adam" and "adamw" adapt the step size of each weight. "adamw"
          applies the L2 penalty as decoupled weight decay.
        - "lbfgs" is a quasi-Newton method. It uses all samples in every iteration and
          has no learning rate. It can converge faster on small datasets.
        - An object has other settings, such as ``Adam(beta1=0.8)``.

        See `sklearn_deepnet.nn.optimizers`.
    learning_rate : float, default=0.001
        Step size of the optimizer. `schedule` can change it from epoch to epoch. Not
        used by ``solver="lbfgs"``.
    schedule : str, Schedule or callable, default="constant"
        How the learning rate changes from epoch to epoch.

        - "constant" keeps `learning_rate`.
        - "invscaling", "step", "exponential" and "cosine" decrease it.
        - "onecycle" increases it and then decreases it.
        - "plateau" decreases it whenever the monitored value stops improving.
        - An object has other settings, such as ``Step(every=20)``.
        - A function takes the number of completed epochs and returns the factor that
          multiplies `learning_rate`. Networks that are trained together call it in
          turns, so the factor must not depend on earlier calls.

        See `sklearn_deepnet.nn.schedules`.
    batch_size : int or None, default="auto"
        Size of the mini-batches. "auto" is 200 and None is the full batch. The size is
        capped at the number of training samples. Not used by ``solver="lbfgs"``.
    n_iter : int, default=200
        Maximum number of epochs in a call of `fit`. An epoch uses each training sample
        once. With ``batch_size=None`` an epoch is one iteration of gradient descent.
        With ``n_iter=0`` the network keeps its initial weights.
    shuffle : bool, default=True
        Whether to shuffle the samples in each epoch. It has no effect if the batch
        holds all samples.
    alpha : float, default=0.0001
        Strength of the L2 penalty on the weights, ``alpha / (2 W) * sum(w**2)``, where
        W is the sum of the sample weights (the number of training samples without
        `sample_weight`). Biases are not penalized. The penalty does not depend on
        `batch_size`. With ``solver="adamw"`` it is a decoupled weight decay of
        ``alpha / W``, which is not part of the loss.
    l1 : float, default=0.0
        Strength of the L1 penalty on the weights, ``l1 / W * sum(abs(w))``, with W as
        for `alpha`. Biases are not penalized.
    dropout : float or sequence of float, default=0.0
        Fraction of the units of a hidden layer that is dropped at random in each
        training step, in the interval [0, 1). A float is used for all hidden layers; a
        sequence has one value for each. Predictions use all units. Not used by
        ``solver="lbfgs"``.
    clip_norm : float or None, default=None
        Maximum norm of the gradient, including the penalties. A gradient with a larger
        norm is scaled down to this norm, which prevents a single step from being too
        large. None does not clip. Not used by ``solver="lbfgs"``.
    tol : float or None, default=1e-05
        Training stops when the monitored value has not improved by more than `tol` for
        `n_iter_no_change` consecutive epochs. Each value is compared with that of the
        last epoch that improved. The monitored value is the validation loss or score if
        there is validation data, and the training loss otherwise. With ``tol=None``,
        training always runs for `n_iter` epochs.
    n_iter_no_change : int, inf or "auto", default="auto"
        Number of consecutive epochs without improvement after which training stops; see
        `tol`. "auto" is the number of epochs that contain 100 training steps, but at
        least 10. With "auto" and no validation data, training also continues while the
        training loss is more than `tol` above its lowest value. With ``np.inf``,
        training always runs for `n_iter` epochs.
    early_stopping : bool or "auto", default=False
        Whether to hold out part of the training data as a validation set and to monitor
        it instead of the training loss. "auto" holds out data in `fit` if there are at
        least 30 samples. The parameter has no effect if `X_val` is passed to `fit`.
    validation_fraction : float, default=0.1
        Fraction of the training data to hold out as the validation set. Only used if
        `early_stopping` is not False.
    scoring : str, callable or None, default=None
        Score to monitor on the validation data: the name of a scikit-learn scorer, or a
        callable ``scorer(estimator, X, y)``. None monitors the validation loss. An
        epoch whose score is NaN is not counted for `n_iter_no_change`. Networks that
        are trained together call the scorer in turns, so the score must not depend on
        earlier calls.
    restore_best : bool, default=True
        Whether to restore the weights of the best epoch at the end of training, as
        measured on the validation data. If False, or without validation data, the
        weights of the last epoch are kept.
    target_scaling : {"standard"} or None, default="standard"
        "standard" trains on ``(y - mean) / std``, so that y may be in any unit; with
        ``loss="poisson"``, it trains on ``y / mean``. Mean and standard deviation are
        computed from the training set, in the first call of `fit` or `partial_fit` in
        which y is not constant. Predictions are in the original units, while the loss
        curves are in the scaled units. None trains on y unchanged.
    warm_start : bool, default=False
        When set to True, `fit` continues from where the last call ended, for up to
        `n_iter` further epochs. The result is the same as if training had not been
        interrupted. Parameters may be changed between the calls, except for the
        architecture, the number of outputs and `dtype`. When set to False, `fit` starts
        from new initial weights.
    verbose : int, default=0
        Whether to print progress. 0 prints nothing. 1 prints about ten lines, or on a
        terminal one line that is updated in place. 2 prints one line per epoch. If an
        epoch takes more than a few seconds, the number of rows processed so far is
        printed as well.
    random_state : int, RandomState or None, default=None
        Determines the initial weights, the validation split, the order of the samples
        and dropout. Pass an int for reproducible results across calls. None uses a new
        random seed in each call. The global random state of NumPy is never used.
    dtype : {"float32", "float64"} or None, default=None
        Data type of the weights and of all computations. None is float32 if X is
        float32, and float64 otherwise. float32 needs half the memory and is usually
        faster. Predictions have the same data type, except that they are float64 if the
        mean of y is more than 10 000 standard deviations away from zero.

    Attributes
    ----------
    coefs_ : list of ndarray of shape (n_in, n_out)
        Weights of each layer. The first layer takes the scaled columns of X, followed
        by the numeric features if there are any, and the output layer predicts the
        scaled targets. See `folded_coefs` for weights that apply to unscaled X.
    intercepts_ : list of ndarray of shape (n_out,)
        Biases of each layer. Those of the output layer are for the scaled targets.
    target_mean_ : ndarray of shape (n_columns,)
        Mean that is subtracted from each column of y; 0 without target scaling.
    target_scale_ : ndarray of shape (n_columns,)
        Value by which the difference is divided; 1 without target scaling.
    quantiles_ : ndarray of shape (n_quantiles,) or None
        Quantiles that the network predicts. Several quantiles are the columns of its
        predictions. None with another loss.
    loss_curve_ : list of float
        Training loss of each epoch: the weighted mean over the mini-batches, including
        the penalties. The loss of a mini-batch is computed before its training step.
    validation_loss_curve_ : list of float or None
        Loss on the validation data after each epoch, without penalties and dropout.
        None without validation data. If only some calls had validation data, the epochs
        of the others are NaN.
    validation_scores_ : list of float or None
        Score on the validation data after each epoch, if `scoring` is set. None and NaN
        have the same meaning as in `validation_loss_curve_`.
    loss_ : float
        Training loss of the last epoch, which is the last value of `loss_curve_`. NaN
        if there was no epoch.
    best_loss_ : float
        Lowest value of `loss_curve_`. NaN if there was no epoch.
    best_iter_ : int or None
        Index of the best epoch, counted from 0. The best epoch has the best validation
        score if `scoring` is set, otherwise the lowest validation loss or, without
        validation data, the lowest training loss. None if there was no epoch, or if all
        scores were NaN.
    n_iter_ : int
        Number of epochs since the weights were initialized. This is the length of
        `loss_curve_`.
    diverged_ : bool
        Whether training diverged in the last call. The weights are then those of the
        last epoch with a finite loss or, with `restore_best`, those of the best epoch.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen during `fit`. Only defined if all feature names of X
        are strings.
    input_mean_ : ndarray of shape (`n_features_in_`,) or None
        Value that is subtracted from each feature: its mean, or its median with
        ``input_scaling="robust"``. None without input scaling.
    input_scale_ : ndarray of shape (`n_features_in_`,) or None
        Value by which the difference is divided. It is 1 for a constant feature. For a
        feature that varies only by rounding errors, it is the absolute value of its
        mean, but at least 1. None without input scaling.
    numeric_features_ : FittedFeatures or None
        Trained frequencies and phases of the numeric features: a named tuple with the
        fields `frequencies` and `phases`, each of shape (`n_features_in_`,
        n_frequencies). None without numeric features.
    n_layers_ : int
        Number of layers, including the input layer and the output layer.
    n_outputs_ : int
        Number of output units: one for each column of y, or for each of several
        quantiles.
    out_activation_ : str
        Activation function of the output layer: "identity" or "exponential".

    Warns
    -----
    ConvergenceWarning
        If training used all `n_iter` epochs before the stopping criterion of `tol` was
        met, or if the loss is no lower than that of the best constant prediction.
    DivergenceWarning
        If the loss became infinite, NaN, or more than a million times as large as at
        the start.
    UndefinedMetricWarning
        If the validation score was NaN in some epoch.
    UserWarning
        If the validation score hardly rose while the validation loss still fell.

    Notes
    -----
    ``fit`` limits BLAS to one thread. Mini-batches of more than a few hundred samples
    are instead divided among as many threads as BLAS was allowed to use. The gradients
    of the threads are summed in a fixed order. With the same seed, results are
    therefore bit-for-bit identical in any process, with any number of threads, and with
    any `n_jobs` of a search.

    References
    ----------
    .. [1] He et al., "Delving Deep into Rectifiers", ICCV 2015.
    .. [2] Kingma & Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015.
    .. [3] Chernozhukov, Fernández-Val & Galichon, "Quantile and Probability Curves
       Without Crossing", Econometrica, 2010.

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
        "quantile": [Interval(Real, 0, 1, closed="neither"), "array-like"],
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
        quantile: float | Sequence[float] | FloatArray = 0.5,
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
        n_iter_no_change: float | Literal["auto"] = "auto",
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
        self.quantile = quantile
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
        """Train for one epoch on the given samples, starting from the current weights.

        The first call initializes the weights and determines the scaling of y. `tol` is
        ignored. With ``batch_size=None``, n calls on the same samples give the same
        result as one call of ``fit`` with ``n_iter=n`` and ``tol=None``.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            True targets. With ``loss="poisson"`` they must not be negative.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples. A weight of 2 has the same effect as repeating the
            sample, and a weight of 0 the same effect as removing it. If None, all
            samples have weight 1. In later calls all weights may be 0; such a call does
            nothing.
        X_val : array-like or sparse matrix of shape (n_val, n_features), default=None
            Validation data to monitor. Required if `early_stopping` is True.
        y_val : array-like of shape (n_val,) or (n_val, n_outputs), default=None
            True targets of the validation data.
        sample_weight_val : array-like of shape (n_val,), default=None
            Weights of the validation samples.

        Returns
        -------
        self : DeepNetRegressor
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or the data are invalid. The estimator is left unchanged.
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
            Predicted targets, in the units and the shape of the training targets. With
            several quantiles, the shape is (n_samples, n_quantiles).
        """
        return self._from_logits(self._logits(X), X)

    _computed_method = predict

    @property
    def _has_several_quantiles(self) -> bool:
        # The attribute is missing if an earlier version saved the estimator.
        return len(vars(self).get("_quantiles") or ()) > 1

    def _from_logits(self, outputs: FloatArray, X: Any) -> FloatArray:
        """Return the network's outputs for X in the units and the shape of y."""
        mean, scale = self.target_mean_, self.target_scale_
        # The scaling is float64. Predictions have the dtype of the network, unless
        # float32 is not precise enough for how little the targets vary.
        dtype = outputs.dtype
        if dtype == np.float32 and np.any(np.abs(mean) > _FAR * scale):
            dtype = np.dtype(np.float64)
        with np.errstate(all="ignore"):
            if self.out_activation_ == "exponential":
                outputs = np.exp(outputs)
            outputs = outputs * scale + mean
            outputs = outputs.astype(dtype, copy=False)
        self._check_overflow(outputs, X)
        if self._has_several_quantiles:
            outputs.sort(axis=-1)
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
        warn_of_unused_quantile(self)
        n_columns = 1 if y.ndim == 1 else y.shape[1]
        quantiles = quantiles_of(resolve_number_loss(self).identity)
        n_quantiles = len(quantiles) if isinstance(quantiles, tuple) else None
        if n_quantiles is not None and n_columns > 1:
            raise ValueError(
                f"Several quantiles, {[*quantiles]}, require y with a single column. "
                f"Got y of the shape {y.shape}. Train a network for each column, or "
                "give a single quantile."
            )
        takes_1d = y.ndim == 1 and n_quantiles is None
        if resumes:
            self._check_same_quantiles(n_quantiles)
            if (n_columns, takes_1d) != (len(self.target_mean_), self._takes_1d):
                raise ValueError(
                    f"y has the shape {y.shape}, but the number of outputs of the "
                    f"network to continue is {self.n_outputs_}. Give y with as many "
                    "columns, or call fit with warm_start=False to start over."
                )
        # Unscaled: the scaling of the targets is computed from the training set.
        mean, scale = np.zeros(n_columns), np.ones(n_columns)
        targets = NumberTargets(n_quantiles or n_columns, mean, scale)
        self._takes_1d = takes_1d
        self._set_quantiles(quantiles, resumes)
        return make_dataset(X, y, targets, sample_weight, may_be_empty=resumes)

    def _set_quantiles(
        self, quantiles: float | tuple[float, ...] | None, resumes: bool
    ) -> None:
        """Set what is predicted; if it changes, the losses before are not compared."""
        new = None if quantiles is None else np.atleast_1d(quantiles).tolist()
        # An estimator of an earlier version does not have the attribute.
        has_changed = resumes and vars(self).get("_quantiles", new) != new
        if has_changed and self._training_state is not None:
            self._training_state = {**self._training_state, "monitored": ""}
        self._quantiles = new

    def _check_same_quantiles(self, n_quantiles: int | None) -> None:
        """Raise if the network to continue predicts another number of quantiles.

        None is one value for each column of y, be it a quantile or not.
        """
        is_sequence = not self._takes_1d and len(self.target_mean_) == 1
        before = self.n_outputs_ if is_sequence else None
        if n_quantiles != before:
            raise ValueError(
                f"The network to continue predicts {_name_outputs(before)}, but "
                f"loss={self.loss!r} with quantile={self.quantile!r} predicts "
                f"{_name_outputs(n_quantiles)}. Keep their number, or call fit with "
                "warm_start=False to start over."
            )

    @property
    def _has_counts(self) -> bool:
        """Whether y holds counts or rates, which are divided by their mean only."""
        return resolve_number_loss(self).exponential is not None

    _y_is_numeric = True
    _shape_requirement = "have the same number of columns"

    def _check_y(self, y: NDArray[Any], name: str = "y") -> NDArray[Any]:
        return check_number_y(y, self._has_counts, name)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        has_several = self.loss == "quantile" and np.ndim(self.quantile) > 0
        if isinstance(self.loss, Loss):
            has_several = isinstance(quantiles_of(self.loss.identity), tuple)
        tags.target_tags.multi_output = not has_several
        tags.target_tags.positive_only = self.loss in ("poisson", poisson)
        return tags


def _name_outputs(n_quantiles: int | None) -> str:
    if n_quantiles is None:
        return "one value for each column of y"
    return f"a sequence of {n_quantiles} quantile{'s' * (n_quantiles > 1)}"
