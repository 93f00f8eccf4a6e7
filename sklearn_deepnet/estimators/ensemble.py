"""Ensembles of networks, whose members are trained and predict as stacks."""

import math
from collections.abc import Callable, Iterator
from numbers import Integral
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, overload

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_expit, log_softmax, logsumexp
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_is_fitted

from .._fitting.attributes import copy_attributes, update_attributes
from .._fitting.dataset import check_rows, split_by_weight
from .._fitting.parameters import resolve_random_state
from .._fitting.targets import check_class_y
from .._utils.sklearn_compat import Interval, set_all_params, validate_params
from .._utils.typing import ArrayPair, FloatArray, IntArray, MatrixLike, RandomStateLike
from .._utils.warnings import said_once
from .base import BaseDeepNet, keeps_generator
from .classifier import DeepNetClassifier
from .fitted import check_new_rows, logits_of_blocks, means_and_stds, softmax
from .mixins import PickleVersionMixin
from .parameter_names import EnsembleNamesMixin, explains_names
from .regressor import DeepNetRegressor
from .stacking import fit_stack

__all__ = ["DeepNetEnsembleClassifier", "DeepNetEnsembleRegressor"]

# Defaults of the members. docs/tables.md shows how much each of them contributes.
_RECIPE = MappingProxyType(
    {
        "learning_rate": 0.01,
        "schedule": "cosine",
        "batch_size": 64,
        "alpha": 0.1,
        "n_iter_no_change": 30,
        "early_stopping": "auto",
        "validation_fraction": 0.15,
    }
)

_BOOTSTRAP_BYTES = 2**26  # of copied rows that all members may hold at once


class BaseEnsemble(PickleVersionMixin, EnsembleNamesMixin, BaseEstimator):
    """The part that both ensembles share: parameters, ``fit`` and logits.

    The members have different seeds and, with `bootstrap`, different rows.
    """

    _parameter_constraints = {  # noqa: RUF012
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "bootstrap": ["boolean"],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    }
    if TYPE_CHECKING:  # what `fit` sets
        feature_names_in_: NDArray[Any]
        n_features_in_: int

    @explains_names
    def __init__(
        self,
        estimator: BaseDeepNet | None = None,
        *,
        n_estimators: int = 4,
        bootstrap: bool = False,
        n_jobs: int | None = None,
        random_state: RandomStateLike = None,
    ) -> None:
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.bootstrap = bootstrap
        self.n_jobs = n_jobs
        self.random_state = random_state

    @keeps_generator
    def fit(
        self,
        X: MatrixLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: MatrixLike | None = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> Self:
        """Train all members.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            True labels or targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples. A weight of 2 has the same effect as repeating the
            sample, and a weight of 0 the same effect as removing it. If None, all
            samples have weight 1.
        X_val : array-like or sparse matrix of shape (n_val, n_features), default=None
            Validation data. Each member monitors it instead of its training loss.
        y_val : array-like of shape (n_val,) or (n_val, n_outputs), default=None
            True labels or targets of the validation data.
        sample_weight_val : array-like of shape (n_val,), default=None
            Weights of the validation samples.

        Returns
        -------
        self : estimator
            The fitted ensemble.

        Raises
        ------
        ValueError
            If a parameter or the data are invalid. The ensemble is left unchanged.
        KeyboardInterrupt
            If training is interrupted. Members that were being trained then have the
            weights of their last complete epoch, except for those in other processes.
        """
        self._check_is_no_size(self.estimator)
        validate_params(self)
        self._check_predicts_as_a_stack()
        before = vars(self).copy()
        draft = copy_attributes(self)  # an error leaves the ensemble as it was
        X, y = check_rows(draft, X, y, reset=True)
        if X_val is not None and y_val is not None:
            X_val, y_val = check_rows(draft, X_val, y_val, reset=False, suffix="_val")
        given = {"sample_weight": sample_weight, "X_val": X_val, "y_val": y_val}
        given |= {"sample_weight_val": sample_weight_val}
        given = {name: it for name, it in given.items() if it is not None}
        rng = resolve_random_state(self.random_state)
        members = [self._make_member(rng) for _ in range(self.n_estimators)]
        rows = None
        if self.bootstrap:
            weighted, others = split_by_weight(sample_weight, X)
            drawn = [self._draw_rows(y[weighted], rng) for _ in members]
            # Rows of weight 0 are not trained on, but their classes count.
            rows = [np.append(weighted[some], others) for some in drawn]
        interrupt = None
        try:
            with said_once():
                members = self._fit_members(members, X, y, rows, given)
        except KeyboardInterrupt as error:
            interrupt = error
            members = [one for one in members if one.__sklearn_is_fitted__()]
            if not members:
                raise
        draft.estimators_ = members
        update_attributes(self, draft, before)
        if interrupt is not None:
            raise interrupt
        return self

    @classmethod
    def recipe(cls, **parameters: Any) -> BaseDeepNet:
        """Return an unfitted network with the default parameters of the members.

        Use it to change some of these parameters, or to search over them. With
        ``bootstrap=True`` the default members are ``recipe(early_stopping=False)``.

        Parameters
        ----------
        **parameters : dict
            Parameters of the network that differ from the default of the members.

        Returns
        -------
        network : DeepNetClassifier or DeepNetRegressor
            The unfitted network.

        Examples
        --------
        >>> from sklearn_deepnet import DeepNetEnsembleRegressor
        >>> net = DeepNetEnsembleRegressor.recipe(hidden_layer_sizes=(64, 64))
        >>> net.hidden_layer_sizes, net.learning_rate, net.schedule
        ((64, 64), 0.01, 'cosine')
        >>> ensemble = DeepNetEnsembleRegressor(net, n_estimators=8)
        """
        return cls._member(**_RECIPE | parameters)

    @property
    def _base(self) -> BaseDeepNet:
        """The estimator that the members are clones of."""
        if self.estimator is not None:
            return self.estimator
        # Otherwise a row could be in the training set while its copy is held out.
        return self.recipe(early_stopping=False) if self.bootstrap else self.recipe()

    def _check_predicts_as_a_stack(self) -> None:
        """Raise if a subclass of the network overrides the method that is averaged.

        The members predict as one stack, from their logits, so that the method of the
        subclass would never be called.
        """
        name = self._averaged_method
        if getattr(type(self._base), name) is not getattr(self._member, name):
            raise ValueError(
                f"The class of estimator={self.estimator!r} overrides {name}, which an "
                f"ensemble never calls. Give a {self._member.__name__}, or a subclass "
                f"that does not override {name}."
            )

    def _make_member(self, rng: np.random.RandomState) -> BaseDeepNet:
        member = clone(self._base)
        set_all_params(member, random_state=int(rng.randint(2**31 - 1)))
        return member

    def _draw_rows(self, y: NDArray[Any], rng: np.random.RandomState) -> IntArray:
        """Draw ``len(y)`` row indices with replacement."""
        return rng.randint(len(y), size=len(y))

    def _fit_members(
        self,
        members: list[BaseDeepNet],
        X: Any,
        y: NDArray[Any],
        rows: list[IntArray] | None,
        params: dict[str, Any],
    ) -> list[BaseDeepNet]:
        """Fit the members, some of them in each process.

        With `rows`, each member needs a copy of its rows. To save memory, only a few
        members are then fitted at once.
        """
        n_calls = n_shares = min(effective_n_jobs(self.n_jobs), len(members))
        if rows is not None:
            n_at_once = max(1, _BOOTSTRAP_BYTES // (8 * X.shape[0] * X.shape[1]))
            n_calls = max(n_shares, -(-len(members) // n_at_once))
        calls = [
            delayed(fit_stack)(
                [members[k] for k in share],
                X,
                y,
                rows=None if rows is None else [rows[k] for k in share],
                **params,
            )
            for share in np.array_split(np.arange(len(members)), n_calls)
        ]
        fitted = Parallel(n_jobs=n_shares)(calls)
        return [member for share in fitted for member in share]

    def _logits_of_blocks(self, X: MatrixLike) -> Iterator[tuple[FloatArray, Any]]:
        """Yield pairs of logits and the rows of X that they belong to.

        The logits have the shape (n_estimators, n_rows, n_outputs).
        """
        check_is_fitted(self)
        return logits_of_blocks(self.estimators_, check_new_rows(self, X))

    def __sklearn_is_fitted__(self) -> bool:
        return "estimators_" in vars(self)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self._base.__sklearn_tags__().input_tags.sparse
        return tags


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
        ``DeepNetClassifier(learning_rate=0.01, schedule="cosine", batch_size=64,
        alpha=0.1, n_iter_no_change=30, early_stopping="auto",
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


class DeepNetEnsembleRegressor(RegressorMixin, BaseEnsemble):
    """Ensemble of networks whose predictions are averaged.

    The members are networks with different initial weights, trained on the samples in
    different orders. They make different errors, so their mean is usually more accurate
    than a single network. The standard deviation of their predictions estimates how
    uncertain the model is. It does not include the noise of the targets. The members
    are trained together; for small networks this takes little longer than training one
    of them.

    Parameters
    ----------
    estimator : DeepNetRegressor or None, default=None
        The network that is cloned for each member, each with a different
        `random_state`. None uses settings that work well on tables:
        ``DeepNetRegressor(learning_rate=0.01, schedule="cosine", batch_size=64,
        alpha=0.1, n_iter_no_change=30, early_stopping="auto",
        validation_fraction=0.15)``; with ``bootstrap=True`` this has
        ``early_stopping=False``. See `recipe` to change some of these settings. A
        subclass must not override ``predict``.
    n_estimators : int, default=4
        Number of members. More members usually give better predictions. The time for
        training and prediction is proportional to their number.
    bootstrap : bool, default=False
        Whether each member is trained on a bootstrap sample instead of on all samples.
        Bootstrap samples are drawn with replacement. If the members use
        `early_stopping`, copies of a sample may be in both the training set and the
        validation set; pass `X_val` to `fit` to avoid this.
    n_jobs : int or None, default=None
        Number of processes in which the members are trained. None means 1 unless in a
        `joblib.parallel_config` context, and -1 means all processors. More than one
        process helps for large networks only.
    random_state : int, RandomState or None, default=None
        Determines the seeds of the members and the bootstrap samples. Pass an int for
        reproducible results across calls.

    Attributes
    ----------
    estimators_ : list of DeepNetRegressor
        The fitted members. Each is bit-for-bit identical to the network that its own
        ``fit`` would give.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen during `fit`. Only defined if all feature names of X
        are strings.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_deepnet import DeepNetEnsembleRegressor, DeepNetRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> net = DeepNetRegressor((8,), n_iter=20, tol=None)
    >>> ensemble = DeepNetEnsembleRegressor(net, n_estimators=5, random_state=0)
    >>> y_mean, y_std = ensemble.fit(X, y).predict(X, return_std=True)
    >>> y_mean.shape, y_std.shape
    ((442,), (442,))
    """

    _y_is_numeric = True
    _member = DeepNetRegressor
    _averaged_method = "predict"  # always computed from logits
    score = DeepNetRegressor.score
    _parameter_constraints = {  # noqa: RUF012
        **BaseEnsemble._parameter_constraints,
        "estimator": [DeepNetRegressor, None],
    }
    if TYPE_CHECKING:  # what `fit` sets, and methods of more precise types
        estimators_: list[DeepNetRegressor]
        recipe: ClassVar[Callable[..., DeepNetRegressor]]

    @overload
    def predict(self, X: MatrixLike) -> FloatArray: ...
    @overload
    def predict(self, X: MatrixLike, return_std: Literal[True]) -> ArrayPair: ...
    @overload
    def predict(self, X: MatrixLike, return_std: bool) -> FloatArray | ArrayPair: ...
    def predict(
        self, X: MatrixLike, return_std: bool = False
    ) -> FloatArray | ArrayPair:
        """Return the mean of the predictions of the members.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Input data.
        return_std : bool, default=False
            Whether to return the standard deviation of the members' predictions as
            well.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predicted targets, in the units and the shape of the training targets.
        std : ndarray of the same shape
            Standard deviation of the members' predictions, in the units of the targets.
            Only returned if `return_std` is True.
        """
        check_is_fitted(self)
        members = self.estimators_
        found = (
            [m._from_logits(z, rows) for m, z in zip(members, logits, strict=True)]
            for logits, rows in self._logits_of_blocks(X)
        )
        return means_and_stds(found, return_std)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        of_member = self._base.__sklearn_tags__().target_tags
        tags.target_tags.positive_only = of_member.positive_only
        return tags
