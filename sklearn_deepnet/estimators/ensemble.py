"""Ensembles of networks, which are trained as stacks and predict as one stack."""

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
from .._utils.sklearn_compat import Interval, validate_params
from .._utils.typing import ArrayPair, FloatArray, IntArray, MatrixLike, RandomStateLike
from .._utils.warnings import said_once
from .base import BaseDeepNet
from .classifier import DeepNetClassifier
from .fitted import check_new_rows, logits_of_blocks, mean_and_std, softmax
from .mixins import PickleVersionMixin
from .parameter_names import EnsembleNamesMixin, explains_names
from .regressor import DeepNetRegressor
from .stacking import fit_stack

__all__ = ["DeepNetEnsembleClassifier", "DeepNetEnsembleRegressor"]

# Of a member if no network is given; docs/tables.md has what each of them contributes.
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

_BOOTSTRAP_BYTES = 2**26  # of copied rows in memory at once, for all members


class BaseEnsemble(PickleVersionMixin, EnsembleNamesMixin, BaseEstimator):
    """The part that both ensembles share: parameters, ``fit`` and logits.

    Members differ in their seed and, with `bootstrap`, in their rows.
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
        """Train the members.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            True labels or targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights. A weight of 2 has the effect of repeating the sample, a
            weight of 0 that of removing it. None gives all samples weight 1.
        X_val : array-like or sparse matrix of shape (n_val, n_features), default=None
            Validation data, which each member monitors in place of its training loss.
        y_val : array-like of shape (n_val,) or (n_val, n_outputs), default=None
            True labels or targets of the validation data.
        sample_weight_val : array-like of shape (n_val,), default=None
            Sample weights of the validation data.

        Returns
        -------
        self : estimator
            The fitted ensemble.

        Raises
        ------
        ValueError
            If a parameter or the data are invalid. The ensemble is then unchanged.
        KeyboardInterrupt
            If training is interrupted. Members in training then have the weights of
            their last complete epoch, unless they are in other processes.
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
            # Rows of weight 0 are not trained on, but their classes must be known.
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
        """Return the network that members are by default, to change or search over it.

        With `bootstrap` they are by default ``recipe(early_stopping=False)``.

        Parameters
        ----------
        **parameters : dict
            Parameters of the network that differ from the recipe.

        Returns
        -------
        network : DeepNetClassifier or DeepNetRegressor
            Not fitted.

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
        # Copies of a row could be both trained on and held out.
        return self.recipe(early_stopping=False) if self.bootstrap else self.recipe()

    def _check_predicts_as_a_stack(self) -> None:
        """Raise if a subclass of the network overrides the method that is averaged.

        Members predict as one stack, from logits, so the method would not be called.
        """
        name = self._averaged_method
        if getattr(type(self._base), name) is not getattr(self._member, name):
            raise ValueError(
                f"estimator is {self.estimator!r}, whose class has a {name} of its "
                f"own, which an ensemble never calls; give a {self._member.__name__}, "
                f"or a subclass without {name}."
            )

    def _make_member(self, rng: np.random.RandomState) -> BaseDeepNet:
        return clone(self._base).set_params(random_state=int(rng.randint(2**31 - 1)))

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

        With `rows` each member has a copy of its rows, so few are fitted at once.
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

    Networks with different initial weights and a different order of the samples make
    different errors. Their mean is more accurate than a single network, its
    probabilities are better calibrated, and a large spread of the members tells where
    the prediction is uncertain [1]_. The members are trained as one stack, which for
    small networks takes little longer than training one network.

    Parameters
    ----------
    estimator : DeepNetClassifier or None, default=None
        The network to clone for each member, with its own `random_state`. None is the
        recipe for tables: ``DeepNetClassifier(learning_rate=0.01, schedule="cosine",
        batch_size=64, alpha=0.1, n_iter_no_change=30, early_stopping="auto",
        validation_fraction=0.15)``, without `early_stopping` if `bootstrap`. A subclass
        must not override ``predict_proba``.
    n_estimators : int, default=4
        Number of members.
    bootstrap : bool, default=False
        Whether each member is trained on a bootstrap sample, drawn with replacement and
        stratified by class, instead of all samples. With `early_stopping` of the
        members, copies of a sample may be in both the training set and the validation
        set; give `X_val` instead.
    n_jobs : int or None, default=None
        Number of processes to train the members in. This helps for large networks.
    random_state : int, RandomState or None, default=None
        Seed of the members' seeds and of the bootstrap samples.

    Attributes
    ----------
    estimators_ : list of DeepNetClassifier
        The members, each bit-for-bit identical to calling its own ``fit``.
    classes_ : ndarray of shape (n_classes,)
        Sorted class labels; for multilabel y, the column indices.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if all feature names of X are strings.

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
    _averaged_method = "predict_proba"  # and always from logits
    _parameter_constraints = {  # noqa: RUF012
        **BaseEnsemble._parameter_constraints,
        "estimator": [DeepNetClassifier, None],
    }
    if TYPE_CHECKING:  # what `fit` sets, and methods of more precise types
        estimators_: list[DeepNetClassifier]
        recipe: ClassVar[Callable[..., DeepNetClassifier]]
        score: Callable[..., float]

    @property
    def classes_(self) -> NDArray[Any]:
        """Class labels."""
        check_is_fitted(self)
        return self.estimators_[0].classes_

    def predict(self, X: MatrixLike) -> NDArray[Any]:
        """Return the most probable class of each sample.

        For multilabel y, return all labels whose probability is above 0.5.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Input data.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_labels)
            Predicted class labels, or an indicator matrix.
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
        """Return the mean of the members' probabilities and, if asked, their spread.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Input data.
        return_std : bool, default=False
            Whether to return the standard deviation as well.

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes)
            Mean probabilities. Rows sum to one, except for multilabel y.
        std : ndarray of shape (n_samples, n_classes)
            Standard deviation over the members. Only returned if `return_std`.
        """
        found = []
        for logits, _ in self._logits_of_blocks(X):
            found.append(mean_and_std(self._activate(logits, expit, softmax)))
        p, std = map(np.concatenate, zip(*found, strict=True))
        return (p, std) if return_std else p

    def predict_log_proba(self, X: MatrixLike) -> FloatArray:
        """Return the logarithm of the mean of the members' probabilities.

        It is computed from the logits, so it is finite even where the probability is
        rounded to zero.

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
        """Draw with replacement within each class, so that no class is lost."""
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

    `DeepNetEnsembleClassifier` explains why an ensemble is better than one network. The
    standard deviation over the members estimates the uncertainty about the function,
    not the noise of the targets.

    Parameters
    ----------
    estimator : DeepNetRegressor or None, default=None
        The network to clone for each member, with its own `random_state`. None is the
        recipe for tables: ``DeepNetRegressor(learning_rate=0.01, schedule="cosine",
        batch_size=64, alpha=0.1, n_iter_no_change=30, early_stopping="auto",
        validation_fraction=0.15)``, without `early_stopping` if `bootstrap`. A subclass
        must not override ``predict``.
    n_estimators : int, default=4
        Number of members.
    bootstrap : bool, default=False
        Whether each member is trained on a bootstrap sample, drawn with replacement,
        instead of all samples. With `early_stopping` of the members, copies of a sample
        may be in both the training set and the validation set; give `X_val` instead.
    n_jobs : int or None, default=None
        Number of processes to train the members in. This helps for large networks.
    random_state : int, RandomState or None, default=None
        Seed of the members' seeds and of the bootstrap samples.

    Attributes
    ----------
    estimators_ : list of DeepNetRegressor
        The members, each bit-for-bit identical to calling its own ``fit``.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if all feature names of X are strings.

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
    _averaged_method = "predict"  # and always from logits
    _parameter_constraints = {  # noqa: RUF012
        **BaseEnsemble._parameter_constraints,
        "estimator": [DeepNetRegressor, None],
    }
    if TYPE_CHECKING:  # what `fit` sets, and methods of more precise types
        estimators_: list[DeepNetRegressor]
        recipe: ClassVar[Callable[..., DeepNetRegressor]]
        score: Callable[..., float]

    @overload
    def predict(self, X: MatrixLike) -> FloatArray: ...
    @overload
    def predict(self, X: MatrixLike, return_std: Literal[True]) -> ArrayPair: ...
    @overload
    def predict(self, X: MatrixLike, return_std: bool) -> FloatArray | ArrayPair: ...
    def predict(
        self, X: MatrixLike, return_std: bool = False
    ) -> FloatArray | ArrayPair:
        """Return the mean of the members' predictions and, if asked, their spread.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Input data.
        return_std : bool, default=False
            Whether to return the standard deviation as well.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predicted targets, in the units and the shape of the training targets.
        std : ndarray of the same shape
            Standard deviation over the members, in the same units. Only returned if
            `return_std`.
        """
        found = []
        for logits, rows in self._logits_of_blocks(X):
            pairs = zip(self.estimators_, logits, strict=True)
            found.append(mean_and_std([m._from_logits(z, rows) for m, z in pairs]))
        y, std = map(np.concatenate, zip(*found, strict=True))
        return (y, std) if return_std else y

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        of_member = self._base.__sklearn_tags__().target_tags
        tags.target_tags.positive_only = of_member.positive_only
        return tags
