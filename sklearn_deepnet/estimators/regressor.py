"""The regressor."""

from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin
from sklearn.utils.metaestimators import available_if

from .._fitting.dataset import Dataset, check_rows, make_dataset
from .._fitting.targets import NumberTargets, check_number_y
from .._utils.lookup import look_up
from .._utils.sklearn_compat import StrOptions
from .._utils.typing import FloatArray
from ..nn.losses import LOSSES, poisson
from .base import BaseDeepNet, has_partial_fit

__all__ = ["DeepNetRegressor"]


class DeepNetRegressor(RegressorMixin, BaseDeepNet):
    """A dense neural network that predicts numbers, trained on NumPy alone.

    Hidden layers end in an activation, the last layer in one linear unit for each
    output, or in the exponential of one for ``loss="poisson"``.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(100,)
        Units of each hidden layer; ``()`` is linear regression.
    activation : str, Activation, or one per hidden layer, default="relu"
        "relu", "tanh", "sigmoid" (or "logistic"), "identity", "leaky_relu", "elu",
        "selu", "softplus", "gelu" or "silu"; see `sklearn_deepnet.nn.activations`.
    init : str, callable, list of these, or list of arrays, default="he"
        How weights are drawn: "zeros", "random", "xavier" (or "glorot"), "he", "lecun",
        the last three also with "_uniform", or "orthogonal"; a callable that takes
        ``(n_out, n_in)`` and a RandomState and returns that shape; or one of these for
        each layer, the output layer included. Or the arrays ``[W1, b1, W2, b2, ...]``
        to start from, shaped like `coefs_` and `intercepts_`. See
        `sklearn_deepnet.nn.initializers`.
    init_scale : float, default=None
        Factor on the draw; None is the scheme's own, 0.01 for "random" and 1 else.
    bias_init : {"random", "zeros", "uniform"}, default="random"
        How biases are drawn, each after its layer's weights: "random" from a normal as
        wide as theirs, "uniform" within ±1/√n_in.
    loss : str or Loss, default="squared_error"
        "squared_error", halved; "absolute_error", whose minimum is the median; "huber",
        the one for small errors and the other for large ones; "poisson", the deviance
        of the exponential of the output, for counts and rates; or "quantile", the
        pinball loss, ``quantile(0.9)`` for another than the median. Errors of several
        outputs are averaged.
        See `sklearn_deepnet.nn.losses`.
    solver : str or Optimizer, default="adam"
        "sgd", "momentum", "nesterov", "rmsprop", "adam", "adamw" or "lbfgs", or an
        object with settings of its own such as ``Adam(beta1=0.8)``; see
        `sklearn_deepnet.nn.optimizers`. With ``batch_size=None``, "sgd" is plain
        gradient descent. "lbfgs" takes all rows at once, and has no learning rate.
    learning_rate : float, default=0.001
        Step size.
    schedule : str, Schedule or callable, default="constant"
        How the step size changes from epoch to epoch: "constant", "invscaling", "step",
        "exponential", "cosine", "onecycle" or "plateau", an object with settings of its
        own such as ``Step(every=20)``, or a function of the number of epochs done that
        returns a factor on `learning_rate`; see `sklearn_deepnet.nn.schedules`.
    batch_size : int or None, default="auto"
        Rows per step. "auto" is 200, None all; never more than there are.
    n_iter : int, default=200
        Epochs that a call of `fit` may add, each of which takes every training sample
        once; with ``batch_size=None``, iterations of gradient descent. 0 keeps the
        network as initialized.
    shuffle : bool, default=True
        Draw a new order of the rows in every epoch of several mini-batches.
    alpha : float, default=0.0001
        Penalty ``alpha / (2 W) ‖weights‖²``, W the total weight of the training rows;
        biases are free. It does not depend on `batch_size`. For "adamw" it is the
        decoupled decay ``alpha / W``, and no part of the loss.
    l1 : float, default=0.0
        Penalty ``l1 / W ‖weights‖₁``, likewise.
    dropout : float or sequence of float, default=0.0
        Share of the units dropped after each hidden layer in training, or one for each
        layer, in [0, 1).
    clip_norm : float or None, default=None
        Gradients longer than this, penalties included, are scaled down to it.
    tol : float or None, default=0.0001
        An epoch improves if its value is lower by more than this than that of the last
        epoch that did. The value is the training loss or, with validation data, their
        loss or minus their score. None never stops.
    n_iter_no_change : int, default=10
        So many epochs in a row without improvement end the training.
    early_stopping : bool, default=False
        Hold out some of the rows and monitor them in place of the training loss. Not
        needed with `X_val` in `fit`.
    validation_fraction : float, default=0.1
        Share of the rows to hold out.
    scoring : str, callable or None, default=None
        What to monitor on validation data: any scikit-learn scorer; None is the loss.
    restore_best : bool, default=True
        With validation data, end with the weights of the best epoch, not of the last.
    target_scaling : {"standard"} or None, default="standard"
        "standard" learns ``(y - mean) / std`` of the first call's y, or with
        ``loss="poisson"`` y over its mean, so that y may have any unit. The loss curves
        are in these units. None leaves y as it is.
    warm_start : bool, default=False
        Whether `fit` continues from where the last call ended, for `n_iter` more epochs
        and exactly as if it had not stopped. Other parameters may change in between,
        but not the network, the number of outputs or `dtype`.
    verbose : int, default=0
        1 prints about ten lines a fit, or one that moves where there is a terminal; 2
        prints one for each epoch.
    random_state : int, RandomState or None, default=None
        Seed of the initial weights, the split, the shuffling and the dropout. None
        takes fresh entropy and leaves NumPy's global generator alone.
    dtype : {"float32", "float64"} or None, default=None
        What to compute in. None is float32 for X of float32, else float64.

    Attributes
    ----------
    coefs_ : list of ndarray of shape (n_in, n_out)
        Weights of each layer, for the scaled target.
    intercepts_ : list of ndarray of shape (n_out,)
        Biases of each layer, for the scaled target.
    target_mean_ : ndarray of shape (`n_outputs_`,)
        Subtracted from y.
    target_scale_ : ndarray of shape (`n_outputs_`,)
        What it is then divided by.
    loss_curve_ : list of float
        Mean loss of each epoch, weighted and with the penalty, each batch measured
        before its step.
    validation_loss_curve_ : list of float or None
        Loss of the validation data after each epoch, without penalty and dropout; None
        without them, NaN for epochs without them.
    validation_scores_ : list of float or None
        Their score by `scoring`, likewise.
    loss_ : float
        The last of `loss_curve_`, NaN if there is none.
    best_loss_ : float
        The least of `loss_curve_`, NaN if there is none.
    best_iter_ : int or None
        The best epoch, from 0: by score, validation loss or training loss, the first of
        these that is monitored.
    n_iter_ : int
        Epochs since the cold start, ``len(loss_curve_)``.
    diverged_ : bool
        Whether the last call diverged. If so, `coefs_` are those of the last epoch
        whose loss was finite, or of the best one.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if X had names that are all strings.
    n_layers_ : int
        Layers, input and output included.
    n_outputs_ : int
        Columns of y.
    out_activation_ : str
        "identity" or "exponential".

    Warns
    -----
    ConvergenceWarning
        If `n_iter` epochs were not enough for `tol`.
    DivergenceWarning
        If the loss became infinite, NaN, or a million times what it was at first.

    Notes
    -----
    ``fit`` holds BLAS to one thread. Batches of more than some hundred rows are shared
    out among as many threads as BLAS was allowed, and summed in a fixed order; so the
    same seed gives the same bits in any process and under any `n_jobs`.

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

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        *,
        activation: Any = "relu",
        init: Any = "he",
        init_scale: float | None = None,
        bias_init: str = "random",
        loss: Any = "squared_error",
        solver: Any = "adam",
        learning_rate: float = 0.001,
        schedule: Any = "constant",
        batch_size: int | str | None = "auto",
        n_iter: int = 200,
        shuffle: bool = True,
        alpha: float = 1e-4,
        l1: float = 0.0,
        dropout: Any = 0.0,
        clip_norm: float | None = None,
        tol: float | None = 1e-4,
        n_iter_no_change: int = 10,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        scoring: Any = None,
        restore_best: bool = True,
        target_scaling: str | None = "standard",
        warm_start: bool = False,
        verbose: int = 0,
        random_state: Any = None,
        dtype: Any = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
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
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> Self:
        """Train for one epoch on these rows, from where the network stands.

        It never stops by `tol`. With ``batch_size=None``, n calls on the same rows are
        the same as ``fit`` with ``n_iter=n``. The first call fixes the scaling of y.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets; not negative for ``loss="poisson"``.
        sample_weight : array-like of shape (n_samples,), default=None
            A weight of 2 counts as the row twice, a weight of 0 as no row.
        X_val : array-like or sparse matrix of shape (n_val, n_features), default=None
            Validation data, to be monitored; needed with `early_stopping`.
        y_val : array-like of shape (n_val,) or (n_val, n_outputs), default=None
            Their targets.
        sample_weight_val : array-like of shape (n_val,), default=None
            Their weights.

        Returns
        -------
        self : DeepNetRegressor
            Fitted.

        Raises
        ------
        ValueError
            If a parameter or the data are not as they have to be. The estimator is
            then as it was before.
        """
        return self._partial_fit(
            X,
            y,
            sample_weight,
            X_val=X_val,
            y_val=y_val,
            sample_weight_val=sample_weight_val,
        )

    def predict(self, X: ArrayLike) -> FloatArray:
        """Return the predicted targets.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            In the units and the shape of the targets in training.
        """
        return self._to_targets(self._logits(X), X)

    def _to_targets(self, outputs: FloatArray, X: Any) -> FloatArray:
        """Return outputs in the units and the shape of the targets."""
        dtype = outputs.dtype
        with np.errstate(all="ignore"):
            if self.out_activation_ == "exponential":
                outputs = np.exp(outputs)
            outputs = outputs * self.target_scale_ + self.target_mean_
            outputs = outputs.astype(dtype, copy=False)
        self._check_overflow(outputs, X)
        return outputs[:, 0] if self._takes_1d else outputs

    def _make_dataset(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None,
        resumes: bool,
        partial: bool = False,
        classes: None = None,
    ) -> Dataset:
        """Return the samples to train on, and set the scaling of the targets."""
        X, y = check_rows(self, X, y, reset=not resumes)
        y = self._check_y(y)
        n_outputs = 1 if y.ndim == 1 else y.shape[1]
        if resumes:
            if (n_outputs, y.ndim == 1) != (self.n_outputs_, self._takes_1d):
                raise ValueError(
                    f"y now has the shape {y.shape}, but the network to continue has "
                    f"{self.n_outputs_} outputs. Keep it, or start anew by fit with "
                    "warm_start=False."
                )
            targets = NumberTargets(n_outputs, self.target_mean_, self.target_scale_)
            dataset = make_dataset(X, y, targets, sample_weight)
        else:
            blank = NumberTargets(n_outputs, np.zeros(n_outputs), np.ones(n_outputs))
            dataset = make_dataset(X, y, blank, sample_weight)
            if self.target_scaling is not None:
                targets = blank.scaled_to(*dataset.targets_used(), self._counts)
                dataset = replace(dataset, targets=targets)
        self._takes_1d = y.ndim == 1
        self.target_mean_ = dataset.targets.mean
        self.target_scale_ = dataset.targets.scale
        return dataset

    @property
    def _counts(self) -> bool:
        """Whether targets are taken as counts or rates, which only a factor scales."""
        return look_up(LOSSES, self.loss, "loss").exponential is not None

    _y_is_numeric = True
    _shape_requirement = "have as many outputs"

    def _check_y(self, y: NDArray[Any]) -> NDArray[Any]:
        return check_number_y(y, self._counts)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.positive_only = self.loss in ("poisson", poisson)
        return tags
