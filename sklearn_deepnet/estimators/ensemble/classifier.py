"""`DeepNetEnsembleClassifier`: the mean of the probabilities of several networks."""

import math
from collections.abc import Callable
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_expit, logsumexp
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from ..._fitting.targets import check_class_y
from ..._utils.sklearn_compat import available_if
from ..._utils.typing import ArrayPair, FloatArray, IntArray, MatrixLike
from ..classifier import DeepNetClassifier
from ..fitted import log_softmax, means_and_stds, softmax
from .base import BaseEnsemble, has_partial_fit

__all__ = ["DeepNetEnsembleClassifier"]


class DeepNetEnsembleClassifier(ClassifierMixin, BaseEnsemble):
    """Ensemble of networks whose predicted probabilities are averaged.

    The members are networks with different initial weights, trained on the samples in
    different orders. They make different errors, so their mean is usually more accurate
    than a single network, and its probabilities are better calibrated. Where the
    members disagree, the prediction is uncertain [1]_. The members are trained
    together; for small networks this takes little longer than training one of them.

    Parameters
    ----------
    estimator : DeepNetClassifier or None, default=None
        The network that is cloned for each member, each with a different
        `random_state`. None uses settings that work well on tables:
        ``DeepNetClassifier(init="he", learning_rate=0.01, schedule="cosine",
        batch_size=64, alpha=0.1, n_iter_no_change=30, early_stopping="auto",
        validation_fraction=0.15)``; with ``bootstrap=True`` this has
        ``early_stopping=False``. See `recipe` to change some of these settings. A
        subclass must not override ``predict_proba``.
    n_estimators : int, default=4
        Number of members. More members usually give better predictions. The time for
        training and prediction is proportional to their number.
    bootstrap : bool, default=False
        Whether each member is trained on a bootstrap sample instead of on all samples.
        Bootstrap samples are drawn with replacement, separately for each class. If the
        members use `early_stopping`, copies of a sample may be in both the training set
        and the validation set; pass `X_val` to `fit` to avoid this.
    n_jobs : int or None, default=None
        Number of processes in which the members are trained. None means 1 unless in a
        `joblib.parallel_config` context, and -1 means all processors. More than one
        process helps for large networks only.
    random_state : int, RandomState or None, default=None
        Determines the seeds of the members and the bootstrap samples. Pass an int for
        reproducible results across calls.

    Attributes
    ----------
    estimators_ : list of DeepNetClassifier
        The fitted members. Each is bit-for-bit identical to the network that its own
        ``fit`` would give.
    classes_ : ndarray of shape (n_classes,)
        Sorted class labels. For multilabel y, the indices of the columns.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen during `fit`. Only defined if all feature names of X
        are strings.

    References
    ----------
    .. [1] Lakshminarayanan et al., "Simple and Scalable Predictive Uncertainty
       Estimation using Deep Ensembles", NeurIPS 2017.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_deepnet import DeepNetClassifier, DeepNetEnsembleClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> net = DeepNetClassifier((8,), learning_rate=0.01, n_iter=100, tol=None)
    >>> ensemble = DeepNetEnsembleClassifier(net, n_estimators=5, random_state=0)
    >>> p, std = ensemble.fit(X, y).predict_proba(X, return_std=True)
    >>> p.shape, std.shape
    ((150, 3), (150, 3))
    """

    _y_is_numeric = False
    _member = DeepNetClassifier
    _own_recipe = MappingProxyType({"init": "he"})
    _averaged_method = "predict_proba"  # always computed from logits
    score = DeepNetClassifier.score
    _parameter_constraints = {  # noqa: RUF012
        **BaseEnsemble._parameter_constraints,
        "estimator": [DeepNetClassifier, None],
    }
    if TYPE_CHECKING:  # what `fit` sets, and methods of more precise types
        estimators_: list[DeepNetClassifier]
        recipe: ClassVar[Callable[..., DeepNetClassifier]]

    @property
    def classes_(self) -> NDArray[Any]:
        """Class labels."""
        check_is_fitted(self)
        return self.estimators_[0].classes_

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
        """Train all members for one epoch on the given samples.

        The first call initializes the members. Parameters of `estimator` that are
        changed between the calls take effect in the members. Not available with
        ``bootstrap=True``.

        The learning rate of the default members falls to zero in 200 epochs, which
        include those of `fit`. Further calls change nothing. For a longer stream, give
        ``recipe(schedule="constant")`` as `estimator`.

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
            Weights of the samples. If None, all samples have weight 1.
        X_val : array-like or sparse matrix of shape (n_val, n_features), default=None
            Validation data that each member monitors.
        y_val : array-like of shape (n_val,) or (n_val, n_labels), default=None
            True labels of the validation data.
        sample_weight_val : array-like of shape (n_val,), default=None
            Weights of the validation samples.

        Returns
        -------
        self : DeepNetEnsembleClassifier
            The fitted ensemble.

        Raises
        ------
        ValueError
            If a parameter or the data are invalid, or if `n_estimators` has changed.
            The ensemble is left unchanged.
        KeyboardInterrupt
            If training is interrupted. The ensemble is left unchanged.
        """
        return self._partial_fit(
            X,
            y,
            classes=classes,
            sample_weight=sample_weight,
            X_val=X_val,
            y_val=y_val,
            sample_weight_val=sample_weight_val,
        )

    def predict(self, X: MatrixLike) -> NDArray[Any]:
        """Return the most probable class of each sample.

        For multilabel y, predict all labels whose mean probability is above 0.5.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Input data.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_labels)
            Predicted class labels, or an indicator matrix for multilabel y.
        """
        p = self.predict_proba(X)
        if self._is_multilabel:
            return (p > 0.5).astype(int)
        return self.classes_[p.argmax(axis=1)]

    @overload
    def predict_proba(self, X: MatrixLike) -> FloatArray: ...
    @overload
    def predict_proba(self, X: MatrixLike, return_std: Literal[True]) -> ArrayPair: ...
    @overload
    def predict_proba(
        self, X: MatrixLike, return_std: bool
    ) -> FloatArray | ArrayPair: ...
    def predict_proba(
        self, X: MatrixLike, return_std: bool = False
    ) -> FloatArray | ArrayPair:
        """Return the mean of the probabilities that the members predict.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Input data.
        return_std : bool, default=False
            Whether to return the standard deviation of the members' predictions as
            well.

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes)
            Mean probabilities, with columns in the order of `classes_`. Each row sums
            to 1, except for multilabel y, where each label has a probability of its
            own.
        std : ndarray of shape (n_samples, n_classes)
            Standard deviation of the members' probabilities. Only returned if
            `return_std` is True.
        """
        blocks = self._logits_of_blocks(X)
        found = (self._activate(logits, expit, softmax) for logits, _ in blocks)
        return means_and_stds(found, return_std)

    def predict_log_proba(self, X: MatrixLike) -> FloatArray:
        """Return the logarithm of the mean of the members' probabilities.

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
        found = []
        for logits, _ in self._logits_of_blocks(X):
            log_p = self._activate(logits, log_expit, log_softmax)
            with np.errstate(under="ignore"):
                found.append(logsumexp(log_p, axis=0) - math.log(len(logits)))
        return np.minimum(np.concatenate(found), 0)

    def _activate(
        self, logits: FloatArray, sigmoid: Any, softmax: Any
    ) -> list[FloatArray]:
        pairs = zip(self.estimators_, logits, strict=True)
        return [member._activate(z, sigmoid, softmax) for member, z in pairs]

    @property
    def _is_multilabel(self) -> bool:
        member = self.estimators_[0]
        return member.out_activation_ == "logistic" and not member._is_binary

    def _draw_rows(self, y: NDArray[Any], rng: np.random.RandomState) -> IntArray:
        """Draw with replacement within each class, so that every class is drawn."""
        y = check_class_y(y)
        if y.ndim == 2:
            return super()._draw_rows(y, rng)
        rows = np.empty(len(y), int)
        for label in np.unique(y):
            of_class = np.flatnonzero(y == label)
            rows[of_class] = of_class[rng.randint(len(of_class), size=len(of_class))]
        return rows

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
