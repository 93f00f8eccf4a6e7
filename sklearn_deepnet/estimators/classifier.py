"""`DeepNetClassifier`: a network for classes and for multilabel y."""

from collections.abc import Callable, Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_expit
from sklearn.base import ClassifierMixin

from .._fitting.dataset import Dataset, check_rows, make_dataset
from .._fitting.scaling import InputScalingName
from .._fitting.targets import (
    ClassTargets,
    check_class_y,
    find_classes,
    find_partial_classes,
    warn_of_one_class,
    warn_of_one_hot,
)
from .._utils.scores import accuracy
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
from ..nn.losses import ClassLossName, Loss, log_loss
from ..nn.numeric_features import NumericFeaturesLike
from ..nn.optimizers import SolverLike
from ..nn.schedules import ScheduleLike
from .base import BaseDeepNet, has_partial_fit
from .fitted import log_softmax, softmax
from .parameter_names import explains_names

__all__ = ["DeepNetClassifier"]


class DeepNetClassifier(ClassifierMixin, BaseDeepNet):
    """Deep neural network classifier, written on NumPy.

    The output layer has one sigmoid unit for two classes, a softmax for more than two
    classes, and one sigmoid unit per label for multilabel y.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(100,)
        Number of units in each hidden layer. The ith element is the size of the ith
        hidden layer, and an integer n is the same as ``(n,)``. With an empty tuple
        there is no hidden layer, and the model is a logistic regression.
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
    loss : {"log_loss", "focal", "squared_error"} or Loss, default="log_loss"
        Loss function to minimize.

        - "log_loss" is the cross-entropy.
        - "focal" is the focal loss. It gives less weight to samples that are already
          classified well, which can help if classes are imbalanced.
        - "squared_error" is half the squared error of the predicted probabilities.

        See `sklearn_deepnet.nn.losses`.
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
    label_smoothing : float, default=0.0
        Fraction of the target that is spread evenly over all classes, in the interval
        [0, 1). Values such as 0.1 keep the network from becoming overconfident. Only
        used with ``loss="log_loss"``.
    clip_norm : float or None, default=None
        Maximum norm of the gradient, including the penalties. A gradient with a larger
        norm is scaled down to this norm, which prevents a single step from being too
        large. None does not clip. Not used by ``solver="lbfgs"``.
    class_weight : dict, list of dict, "balanced" or None, default=None
        Weights of the classes. The weight of a sample is its `sample_weight` times the
        weight of its class, in the training set and in the validation set.

        - None gives all classes weight 1.
        - "balanced" gives all classes the same total weight.
        - A dict maps classes to weights. Classes that are not in the dict have weight
          1.
        - For multilabel y, a list has one dict ``{0: ..., 1: ...}`` for each label.
    tol : float or None, default=0.0001
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
        least 30 samples, and if `validation_fraction` of them is enough for at least
        one sample of each class. Classes with a single sample are not counted and stay
        in the training set; with True they raise an error. The parameter has no effect
        if `X_val` is passed to `fit`.
    validation_fraction : float, default=0.1
        Fraction of the training data to hold out as the validation set. The split is
        stratified by class, and at least as many samples are held out as there are
        classes. Only used if `early_stopping` is not False.
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
    warm_start : bool, default=False
        When set to True, `fit` continues from where the last call ended, for up to
        `n_iter` further epochs. The result is the same as if training had not been
        interrupted. Parameters may be changed between the calls, except for the
        architecture, the classes and `dtype`. When set to False, `fit` starts from new
        initial weights.
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
        faster.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Sorted class labels. For multilabel y, the indices of the columns.
    coefs_ : list of ndarray of shape (n_in, n_out)
        Weights of each layer. The first layer takes the scaled columns of X, followed
        by the numeric features if there are any. See `folded_coefs` for weights that
        apply to unscaled X.
    intercepts_ : list of ndarray of shape (n_out,)
        Biases of each layer.
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
        Number of output units. This is 1 for two classes.
    out_activation_ : str
        Activation function of the output layer: "logistic" or "softmax".

    Warns
    -----
    ConvergenceWarning
        If training used all `n_iter` epochs before the stopping criterion of `tol` was
        met, if the loss is no lower than that of the best constant prediction, or if
        all samples of positive weight are of one class, which is then always predicted.
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

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn_deepnet import DeepNetClassifier
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    >>> net = DeepNetClassifier((32, 16), n_iter=50, tol=None, random_state=0)
    >>> net.fit(X_train, y_train).score(X_test, y_test) > 0.95
    True
    """

    _parameter_constraints = {  # noqa: RUF012
        **BaseDeepNet._parameter_constraints,
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "class_weight": [dict, list, StrOptions({"balanced"}), None],
    }
    if TYPE_CHECKING:  # what `fit` sets
        classes_: NDArray[Any]

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
        loss: ClassLossName | Loss = "log_loss",
        solver: SolverLike = "adam",
        learning_rate: float = 0.001,
        schedule: ScheduleLike = "constant",
        batch_size: int | Literal["auto"] | None = "auto",
        n_iter: int = 200,
        shuffle: bool = True,
        alpha: float = 1e-4,
        l1: float = 0.0,
        dropout: float | Sequence[float] | FloatArray = 0.0,
        label_smoothing: float = 0.0,
        clip_norm: float | None = None,
        class_weight: dict[Any, Any]
        | list[dict[Any, Any]]
        | Literal["balanced"]
        | None = None,
        tol: float | None = 1e-4,
        n_iter_no_change: float | Literal["auto"] = "auto",
        early_stopping: bool | Literal["auto"] = False,
        validation_fraction: float = 0.1,
        scoring: str | Callable[..., float] | None = None,
        restore_best: bool = True,
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
        X: MatrixLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: MatrixLike | None = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> Self:
        """Train for one epoch on the given samples, starting from the current weights.

        The first call initializes the weights. `tol` is ignored. With
        ``batch_size=None``, n calls on the same samples give the same result as one
        call of ``fit`` with ``n_iter=n`` and ``tol=None``.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            True labels, or an indicator matrix for multilabel classification.
        classes : array-like of shape (n_classes,), default=None
            All classes that can occur in any call of `partial_fit`. Required in the
            first call, unless y is an indicator matrix. Can be omitted in later calls.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples. A weight of 2 has the same effect as repeating the
            sample, and a weight of 0 the same effect as removing it. If None, all
            samples have weight 1. In later calls all weights may be 0; such a call does
            nothing.
        X_val : array-like or sparse matrix of shape (n_val, n_features), default=None
            Validation data to monitor. Required if `early_stopping` is True.
        y_val : array-like of shape (n_val,) or (n_val, n_labels), default=None
            True labels of the validation data.
        sample_weight_val : array-like of shape (n_val,), default=None
            Weights of the validation samples.

        Returns
        -------
        self : DeepNetClassifier
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
            classes=classes,
        )

    _shape_requirement = (
        "hold one label per row, or be indicator matrices with the same number of "
        "columns"
    )
    _check_y = staticmethod(check_class_y)

    def _make_dataset(
        self,
        X: MatrixLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None,
        resumes: bool,
        partial: bool = False,
        classes: ArrayLike | None = None,
    ) -> Dataset:
        """Return the training data as a dataset, and set `classes_`."""
        X, y = check_rows(self, X, y, reset=not resumes)
        y = check_class_y(y)
        before = self.classes_ if resumes else None
        if partial:
            self.classes_ = find_partial_classes(y, classes, before)
        else:
            self.classes_ = find_classes(y, before)
        if self.label_smoothing and self.loss not in ("log_loss", log_loss):
            raise ValueError(
                f"label_smoothing={self.label_smoothing} is only supported with "
                f"loss='log_loss'. Got loss={self.loss!r}; set label_smoothing=0."
            )
        targets = ClassTargets(
            self.classes_, y.ndim == 2, self.class_weight, self.label_smoothing
        )
        dataset = make_dataset(X, y, targets, sample_weight, may_be_empty=resumes)
        # A single call of partial_fit may have such rows by chance.
        if not (partial or resumes):
            warn_of_one_hot(y)
        if partial and not resumes and y.ndim == 1:
            warn_of_one_class(self.classes_)
        return dataset

    def decision_function(self, X: MatrixLike) -> FloatArray:
        """Return the logits, which are the outputs before the last activation.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Input data.

        Returns
        -------
        logits : ndarray of shape (n_samples,) or (n_samples, n_classes)
            With two classes, the log-odds of the second class, ``classes_[1]``.
            Otherwise one column for each class or label.
        """
        logits = self._logits(X)
        return logits[:, 0] if self._is_binary else logits

    def predict(self, X: MatrixLike) -> NDArray[Any]:
        """Return the most probable class of each sample.

        For multilabel y, predict all labels whose probability is above 0.5.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Input data.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_labels)
            Predicted class labels, or an indicator matrix for multilabel y. If several
            classes are equally probable, the first of them is predicted.
        """
        logits = self._logits(X)
        if self._is_binary:
            return self.classes_[(logits[:, 0] > 0).astype(int)]
        # Sigmoid and softmax do not change the order of the logits, so they are not
        # needed.
        if self.out_activation_ == "softmax":
            return self.classes_[logits.argmax(axis=1)]
        return (logits > 0).astype(int)

    def score(
        self, X: MatrixLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return the accuracy on the given samples.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Input data.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            True labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights.

        Returns
        -------
        score : float
            Fraction of the samples that are classified correctly. A multilabel sample
            counts as correct only if all its labels are predicted correctly.
        """
        return accuracy(y, self.predict(X), sample_weight)

    def predict_proba(self, X: MatrixLike) -> FloatArray:
        """Return the probability of each class or label.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Input data.

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes)
            Predicted probabilities, with columns in the order of `classes_`. Each row
            sums to 1, except for multilabel y, where each label has a probability of
            its own.
        """
        return self._from_logits(self._logits(X), X)

    _computed_method = predict_proba

    def _from_logits(self, logits: FloatArray, X: Any) -> FloatArray:
        """Return the probabilities that belong to the logits of X."""
        return self._activate(logits, expit, softmax)

    def predict_log_proba(self, X: MatrixLike) -> FloatArray:
        """Return the logarithm of the probability of each class or label.

        The result is computed from the logits. It is therefore finite even where the
        probability itself would be rounded to zero.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Input data.

        Returns
        -------
        log_p : ndarray of shape (n_samples, n_classes)
            Log-probabilities, at most 0.
        """
        return self._activate(self._logits(X), log_expit, log_softmax)

    def _activate(
        self,
        logits: FloatArray,
        sigmoid: Callable[..., FloatArray],
        softmax: Callable[..., FloatArray],
    ) -> FloatArray:
        """Apply the output layer's activation, or its logarithm, to the logits."""
        with np.errstate(over="ignore", under="ignore"):  # differences of logits
            if self._is_binary:
                # The sigmoid of -z is more accurate than 1 minus the sigmoid of z.
                return sigmoid(np.concatenate([-logits, logits], axis=1))
            if self.out_activation_ == "softmax":
                return softmax(logits, axis=1)
            return sigmoid(logits)

    @property
    def _is_binary(self) -> bool:
        # A single label of a multilabel y has one output unit as well.
        return self._layer_sizes[-1] == 1 and len(self.classes_) == 2

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
