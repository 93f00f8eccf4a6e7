"""The estimators."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_expit, log_softmax, softmax
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import column_or_1d, validate_data

from ._base import BaseDeepNet, weigh
from ._contracts import transaction
from ._targets import (
    check_same_classes,
    check_weighted_classes,
    encode_labels,
    find_classes,
)
from ._typing import FloatArray

__all__ = ["DeepNetClassifier"]


class DeepNetClassifier(ClassifierMixin, BaseDeepNet):
    """A dense neural network that classifies, trained on NumPy alone.

    Hidden layers end in an activation, the last in one sigmoid unit for two classes or
    in a softmax for more.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(100,)
        Units of each hidden layer; ``()`` is logistic regression.
    activation : str, Activation, or one per hidden layer, default="relu"
        "relu", "tanh", "sigmoid" (or "logistic"), "identity", "leaky_relu", "elu",
        "selu", "softplus", "gelu" or "silu"; see `sklearn_deepnet.activations`.
    init : str, callable, list of these, or list of arrays, default="he"
        How weights are drawn: "zeros", "random", "xavier" (or "glorot"), "he", "lecun",
        the last three also with "_uniform", or "orthogonal"; a callable that takes
        ``(n_out, n_in)`` and a RandomState and returns that shape; or one of these for
        each layer, the output layer included. Or the arrays ``[W1, b1, W2, b2, ...]``
        to start from, shaped like `coefs_` and `intercepts_`. See
        `sklearn_deepnet.initializers`.
    init_scale : float, default=None
        Factor on the draw; None is the scheme's own, 0.01 for "random" and 1 else.
    bias_init : {"zeros", "random", "uniform"}, default="zeros"
        How biases are drawn, each after its layer's weights: "random" from a normal as
        wide as theirs, "uniform" within ±1/√n_in.
    loss : {"log_loss", "squared_error"} or Loss, default="log_loss"
        The cross-entropy, or half the squared error of the probabilities; see
        `sklearn_deepnet.losses`.
    solver : str or Optimizer, default="adam"
        "sgd", "momentum", "nesterov", "rmsprop", "adam" or "adamw", or an object with
        settings of its own such as ``Adam(beta1=0.8)``; see
        `sklearn_deepnet.optimizers`. With ``batch_size=None``, "sgd" is plain gradient
        descent.
    learning_rate : float, default=0.001
        Step size.
    batch_size : int or None, default="auto"
        Rows per step. "auto" is 200, None all; never more than there are.
    n_iter : int, default=200
        Passes over the data that a call of `fit` may add; with ``batch_size=None``,
        iterations of gradient descent. 0 keeps the network as initialized.
    shuffle : bool, default=True
        Draw a new order of the rows for every pass of several batches.
    alpha : float, default=0.0001
        Penalty ``alpha / (2 W) ‖weights‖²``, W the total weight of the samples; biases
        are free. It does not depend on `batch_size`. For "adamw" it is the decoupled
        decay ``alpha / W``, and no part of the loss.
    tol : float or None, default=0.0001
        A pass improves if its loss is lower by more than this than that of the last
        pass that did. None never stops.
    n_iter_no_change : int, default=10
        So many passes in a row without improvement end the training.
    warm_start : bool, default=False
        Whether `fit` goes on from where the last call ended, for `n_iter` more passes
        and exactly as if it had not stopped. Other parameters may change in between,
        but not the network, its classes or `dtype`.
    random_state : int, RandomState or None, default=None
        Seed of the initial weights and of the shuffling. None takes fresh entropy and
        leaves NumPy's global generator alone.
    dtype : {"float32", "float64"} or None, default=None
        What to compute in. None is float32 for X of float32, else float64.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.
    coefs_ : list of ndarray of shape (n_in, n_out)
        Weights of each layer.
    intercepts_ : list of ndarray of shape (n_out,)
        Biases of each layer.
    loss_curve_ : list of float
        Mean loss of each pass, weighted and with the penalty, each batch measured
        before its step.
    loss_ : float
        The last of them, NaN if there is none.
    best_loss_ : float
        The least of them, NaN if there is none.
    n_iter_ : int
        Passes since the start, ``len(loss_curve_)``.
    diverged_ : bool
        Whether the last call diverged. If so, `coefs_` are those of the last pass
        whose loss was sound.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
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
        If `n_iter` passes were not enough for `tol`.
    DivergenceWarning
        If the loss became infinite, NaN, or a million times what it was at first.

    Notes
    -----
    ``fit`` holds BLAS to one thread, so that the same seed gives the same bits in any
    process and under any `n_jobs`.

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

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        *,
        activation: Any = "relu",
        init: Any = "he",
        init_scale: float | None = None,
        bias_init: str = "zeros",
        loss: Any = "log_loss",
        solver: Any = "adam",
        learning_rate: float = 0.001,
        batch_size: int | str | None = "auto",
        n_iter: int = 200,
        shuffle: bool = True,
        alpha: float = 1e-4,
        tol: float | None = 1e-4,
        n_iter_no_change: int = 10,
        warm_start: bool = False,
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
        self.batch_size = batch_size
        self.n_iter = n_iter
        self.shuffle = shuffle
        self.alpha = alpha
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.random_state = random_state
        self.dtype = dtype

    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,)
            Class labels.
        sample_weight : array-like of shape (n_samples,), default=None
            A weight of 2 counts as the row twice, a weight of 0 as no row.

        Returns
        -------
        self : DeepNetClassifier
            Fitted.

        Raises
        ------
        ValueError
            If a parameter or the data are not as they have to be. The estimator is
            then as it was before.
        KeyboardInterrupt
            If interrupted, with the weights of the last complete pass kept.
        """
        with transaction(self):
            self._validate_params()
            resumes = self.warm_start and self.__sklearn_is_fitted__()
            X, y = validate_data(self, X, y, dtype="numeric", reset=not resumes)
            weights = weigh(sample_weight, X)
            classes = find_classes(y)
            if resumes:
                check_same_classes(classes, self.classes_)
            check_weighted_classes(y, weights.rows)
            self.classes_ = classes
            outcome = self._train(
                X,
                encode_labels(y, classes),
                _count_outputs(classes),
                weights,
                resumes=resumes,
                n_iter=self.n_iter,
                stops=True,
                keeps_state=self.warm_start,
            )
        return self._end(outcome)

    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Make one pass over these rows, from where the network stands.

        It never stops by `tol`. With ``batch_size=None``, n calls on the same rows are
        the same as ``fit`` with ``n_iter=n``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,)
            Class labels.
        classes : array-like of shape (n_classes,), default=None
            All classes that will ever be seen. Needed in the first call.
        sample_weight : array-like of shape (n_samples,), default=None
            A weight of 2 counts as the row twice, a weight of 0 as no row.

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
        with transaction(self):
            self._validate_params()
            resumes = self.__sklearn_is_fitted__()
            X, y = validate_data(self, X, y, dtype="numeric", reset=not resumes)
            weights = weigh(sample_weight, X)
            if classes is not None:
                classes = find_classes(column_or_1d(classes), "classes")
            if resumes:
                if classes is not None:
                    check_same_classes(classes, self.classes_)
                classes = self.classes_
            elif classes is None:
                raise ValueError(
                    "The first call of partial_fit needs classes, the labels of all "
                    "classes that will ever be seen."
                )
            self.classes_ = classes
            outcome = self._train(
                X,
                encode_labels(y, classes),
                _count_outputs(classes),
                weights,
                resumes=resumes,
                n_iter=1,
                stops=False,
                keeps_state=True,
            )
        return self._end(outcome)

    def decision_function(self, X: ArrayLike) -> FloatArray:
        """Return the logits: what the last layer computes before its activation.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data.

        Returns
        -------
        logits : ndarray of shape (n_samples,) or (n_samples, n_classes)
            For two classes the log-odds of the second, ``classes_[1]``; for more, one
            column each.
        """
        logits = self._logits(X)
        return logits[:, 0] if self.n_outputs_ == 1 else logits

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the most probable class of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Class labels; the first of the most probable if there is a tie.
        """
        logits = self._logits(X)
        if self.n_outputs_ == 1:
            return self.classes_[(logits[:, 0] > 0).astype(int)]
        return self.classes_[logits.argmax(axis=1)]

    def predict_proba(self, X: ArrayLike) -> FloatArray:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data.

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes)
            Rows sum to one.
        """
        logits = self._logits(X)
        with np.errstate(under="ignore"):
            if self.n_outputs_ == 1:
                return np.hstack([expit(-logits), expit(logits)])
            return softmax(logits, axis=1)

    def predict_log_proba(self, X: ArrayLike) -> FloatArray:
        """Return the logarithm of the probability of each class.

        It comes from the logits, and stays finite where the probability is rounded to
        zero.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data.

        Returns
        -------
        log_p : ndarray of shape (n_samples, n_classes)
            Not above 0.
        """
        logits = self._logits(X)
        with np.errstate(under="ignore"):
            if self.n_outputs_ == 1:
                return np.hstack([log_expit(-logits), log_expit(logits)])
            return log_softmax(logits, axis=1)

    def _name_out_activation(self, n_outputs: int) -> str:
        return "logistic" if n_outputs == 1 else "softmax"


def _count_outputs(classes: NDArray[Any]) -> int:
    return 1 if len(classes) == 2 else len(classes)
