"""The classifier."""

from collections.abc import Callable
from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_expit, log_softmax, softmax
from sklearn.base import ClassifierMixin
from sklearn.utils.metaestimators import available_if

from .._fitting.dataset import Dataset, check_rows, make_dataset
from .._fitting.targets import (
    ClassTargets,
    check_class_y,
    find_classes,
    find_partial_classes,
)
from .._utils.sklearn_compat import Interval, StrOptions
from .._utils.typing import FloatArray
from ..nn.losses import log_loss
from .base import BaseDeepNet, has_partial_fit

__all__ = ["DeepNetClassifier"]


class DeepNetClassifier(ClassifierMixin, BaseDeepNet):
    """A dense neural network that classifies, trained on NumPy alone.

    Hidden layers end in an activation; the last layer in one sigmoid unit for two
    classes, in a softmax for more, and in a sigmoid for each label where rows have
    several.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(100,)
        Units of each hidden layer; ``()`` is logistic regression.
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
    loss : {"log_loss", "focal", "squared_error"} or Loss, default="log_loss"
        The cross-entropy; the focal loss, which hardly counts what is already right;
        or half the squared error of the probabilities.
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
    label_smoothing : float, default=0.0
        Share of the target that is spread evenly over the classes, for
        ``loss="log_loss"``, in [0, 1).
    clip_norm : float or None, default=None
        Gradients longer than this, penalties included, are scaled down to it.
    class_weight : dict, list of dict, "balanced" or None, default=None
        Weight of each class, times `sample_weight`, also in validation; classes that a
        dict does not name weigh 1. "balanced" gives all classes the same total weight.
        For several labels a row, a list with a dict ``{0: ..., 1: ...}`` for each.
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
        Share of the rows to hold out, stratified by class, but at least as
        many as there are classes.
    scoring : str, callable or None, default=None
        What to monitor on validation data: any scikit-learn scorer; None is the loss.
    restore_best : bool, default=True
        With validation data, end with the weights of the best epoch, not of the last.
    warm_start : bool, default=False
        Whether `fit` continues from where the last call ended, for `n_iter` more epochs
        and exactly as if it had not stopped. Other parameters may change in between,
        but not the network, its classes or `dtype`.
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
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted; for several labels a row, the numbers of the columns.
    coefs_ : list of ndarray of shape (n_in, n_out)
        Weights of each layer.
    intercepts_ : list of ndarray of shape (n_out,)
        Biases of each layer.
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
        Output units: 1 for two classes.
    out_activation_ : str
        "logistic" or "softmax".

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
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_deepnet import DeepNetClassifier
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    >>> net = DeepNetClassifier((32, 16), n_iter=50, tol=None, random_state=0)
    >>> model = make_pipeline(StandardScaler(), net).fit(X_train, y_train)
    >>> model.score(X_test, y_test) > 0.95
    True
    """

    _parameter_constraints = {  # noqa: RUF012
        **BaseDeepNet._parameter_constraints,
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "class_weight": [dict, list, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        *,
        activation: Any = "relu",
        init: Any = "he",
        init_scale: float | None = None,
        bias_init: str = "random",
        loss: Any = "log_loss",
        solver: Any = "adam",
        learning_rate: float = 0.001,
        schedule: Any = "constant",
        batch_size: int | str | None = "auto",
        n_iter: int = 200,
        shuffle: bool = True,
        alpha: float = 1e-4,
        l1: float = 0.0,
        dropout: Any = 0.0,
        label_smoothing: float = 0.0,
        clip_norm: float | None = None,
        class_weight: Any = None,
        tol: float | None = 1e-4,
        n_iter_no_change: int = 10,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        scoring: Any = None,
        restore_best: bool = True,
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
        self.label_smoothing = label_smoothing
        self.clip_norm = clip_norm
        self.class_weight = class_weight
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.scoring = scoring
        self.restore_best = restore_best
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state
        self.dtype = dtype

    @available_if(has_partial_fit)
    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> Self:
        """Train for one epoch on these rows, from where the network stands.

        It never stops by `tol`. With ``batch_size=None``, n calls on the same rows are
        the same as ``fit`` with ``n_iter=n``.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Class labels, or an indicator matrix of several labels.
        classes : array-like of shape (n_classes,), default=None
            All classes that will ever be seen. Needed in the first call, but for an
            indicator matrix.
        sample_weight : array-like of shape (n_samples,), default=None
            A weight of 2 counts as the row twice, a weight of 0 as no row.
        X_val : array-like or sparse matrix of shape (n_val, n_features), default=None
            Validation data, to be monitored; needed with `early_stopping`.
        y_val : array-like of shape (n_val,) or (n_val, n_labels), default=None
            Their labels.
        sample_weight_val : array-like of shape (n_val,), default=None
            Their weights.

        Returns
        -------
        self : DeepNetClassifier
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
            classes=classes,
        )

    _shape_requirement = "be one label a row, or indicators of as many labels"
    _check_y = staticmethod(check_class_y)

    def _make_dataset(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None,
        resumes: bool,
        partial: bool = False,
        classes: ArrayLike | None = None,
    ) -> Dataset:
        """Return the samples to train on, and set `classes_`."""
        X, y = check_rows(self, X, y, reset=not resumes)
        y = check_class_y(y)
        before = self.classes_ if resumes else None
        if partial:
            self.classes_ = find_partial_classes(y, classes, before)
        else:
            self.classes_ = find_classes(y, before)
        if self.label_smoothing and self.loss not in ("log_loss", log_loss):
            raise ValueError(
                f"label_smoothing={self.label_smoothing} is for loss='log_loss' alone; "
                f"loss is {self.loss!r}."
            )
        targets = ClassTargets(
            self.classes_, y.ndim == 2, self.class_weight, self.label_smoothing
        )
        return make_dataset(X, y, targets, sample_weight)

    def decision_function(self, X: ArrayLike) -> FloatArray:
        """Return the logits: what the last layer computes before its activation.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data.

        Returns
        -------
        logits : ndarray of shape (n_samples,) or (n_samples, n_classes)
            For two classes the log-odds of the second, ``classes_[1]``; else one
            column for each class or label.
        """
        logits = self._logits(X)
        return logits[:, 0] if self._is_binary else logits

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the most probable class of each row, or all labels above one half.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_labels)
            Class labels, the first of the most probable if there is a tie; or an
            indicator matrix.
        """
        logits = self._logits(X)
        if self._is_binary:
            return self.classes_[(logits[:, 0] > 0).astype(int)]
        if self.out_activation_ == "softmax":
            return self.classes_[logits.argmax(axis=1)]
        return (logits > 0).astype(int)

    def predict_proba(self, X: ArrayLike) -> FloatArray:
        """Return the probability of each class or label.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data.

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes)
            Rows sum to one, but for several labels a row.
        """
        return self._activate(self._logits(X), expit, softmax)

    def predict_log_proba(self, X: ArrayLike) -> FloatArray:
        """Return the logarithm of the probability of each class or label.

        It comes from the logits, and stays finite where the probability is rounded to
        zero.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data.

        Returns
        -------
        log_p : ndarray of shape (n_samples, n_classes)
            Not above 0.
        """
        return self._activate(self._logits(X), log_expit, log_softmax)

    def _activate(
        self,
        logits: FloatArray,
        sigmoid: Callable[..., FloatArray],
        softmax: Callable[..., FloatArray],
    ) -> FloatArray:
        with np.errstate(over="ignore", under="ignore"):  # differences of logits
            if self._is_binary:
                return np.hstack([sigmoid(-logits), sigmoid(logits)])
            if self.out_activation_ == "softmax":
                return softmax(logits, axis=1)
            return sigmoid(logits)

    @property
    def _is_binary(self) -> bool:
        return self.n_outputs_ == 1 and len(self.classes_) == 2

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
