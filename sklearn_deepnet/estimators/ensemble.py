"""Ensembles of networks that are trained, and predict, as stacks."""

import math
from collections.abc import Iterator, Sequence
from numbers import Integral
from typing import Any, Self

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from scipy.special import expit, log_expit, log_softmax, logsumexp, softmax
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_is_fitted, validate_data

from .._engine import predict_logits
from .._fitting.dataset import check_rows
from .._fitting.parameters import resolve_random_state
from .._fitting.prepare import copy_attributes, replace_attributes
from .._fitting.targets import check_class_y
from .._utils.sklearn_compat import Interval, check_sample_weight, validate_params
from .._utils.typing import FloatArray, IntArray
from .base import BaseDeepNet
from .classifier import DeepNetClassifier
from .fitted import network_of, stack_of
from .mixins import PickleVersionMixin
from .regressor import DeepNetRegressor
from .stacking import fit_stack

__all__ = ["DeepNetEnsembleClassifier", "DeepNetEnsembleRegressor"]

_COPIED_BYTES = 2**26  # of rows that are drawn with replacement, at once
_ROWS = 2**14  # predicted at once, so that memory does not grow with their number


class _Ensemble(PickleVersionMixin, BaseEstimator):
    """Members that differ by seed, and by their rows if these are drawn."""

    _parameter_constraints = {  # noqa: RUF012
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "bootstrap": ["boolean"],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: BaseDeepNet | None = None,
        *,
        n_estimators: int = 10,
        bootstrap: bool = False,
        n_jobs: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.bootstrap = bootstrap
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> Self:
        """Train the members.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            A weight of 2 counts as the row twice, a weight of 0 as no row.
        X_val : array-like or sparse matrix of shape (n_val, n_features), default=None
            Validation data, to be monitored by each member in place of its training
            loss.
        y_val : array-like of shape (n_val,) or (n_val, n_outputs), default=None
            Their targets.
        sample_weight_val : array-like of shape (n_val,), default=None
            Their weights.

        Returns
        -------
        self : estimator
            Fitted.

        Raises
        ------
        ValueError
            If a parameter or the data are not as they have to be. The ensemble is then
            as it was before.
        KeyboardInterrupt
            If interrupted. Members in training are kept, with the weights of their last
            complete epoch, unless they are in other processes.
        """
        validate_params(self)
        self._check_predicts_as_a_stack()
        fitted = copy_attributes(self)  # an error leaves the ensemble as it was
        X, y = check_rows(fitted, X, y, reset=True)
        if X_val is not None and y_val is not None:
            X_val, y_val = check_rows(fitted, X_val, y_val, reset=False)
        params = {"sample_weight": sample_weight, "X_val": X_val, "y_val": y_val}
        params |= {"sample_weight_val": sample_weight_val}
        given = {name: it for name, it in params.items() if it is not None}
        rng = resolve_random_state(self.random_state)
        members = [self._make_member(rng) for _ in range(self.n_estimators)]
        rows = None
        if self.bootstrap:
            counted, others = _split_counted(sample_weight, X)
            drawn = [self._draw_rows(y[counted], rng) for _ in members]
            # the others are not trained on, but their classes are known
            rows = [np.append(counted[some], others) for some in drawn]
        interrupt = None
        try:
            members = self._fit_members(members, X, y, rows, given)
        except KeyboardInterrupt as error:
            interrupt = error
            members = [one for one in members if one.__sklearn_is_fitted__()]
            if not members:
                raise
        fitted.estimators_ = members
        replace_attributes(self, fitted)
        if interrupt is not None:
            raise interrupt
        return self

    @property
    def _base(self) -> BaseDeepNet:
        """What the members are clones of."""
        return self._member() if self.estimator is None else self.estimator

    def _check_predicts_as_a_stack(self) -> None:
        """Raise if members would predict by a method of their own, not by logits."""
        name = self._averaged
        if getattr(type(self._base), name) is not getattr(self._member, name):
            raise ValueError(
                f"estimator is {self.estimator!r}, whose class has a {name} of its "
                f"own, which an ensemble never calls; give a {self._member.__name__}, "
                f"or a subclass without {name}."
            )

    def _make_member(self, rng: np.random.RandomState) -> BaseDeepNet:
        return clone(self._base).set_params(random_state=int(rng.randint(2**31 - 1)))

    def _draw_rows(self, y: NDArray[Any], rng: np.random.RandomState) -> IntArray:
        """Draw as many rows as there are, with replacement."""
        return rng.randint(len(y), size=len(y))

    def _fit_members(
        self,
        members: list[BaseDeepNet],
        X: Any,
        y: NDArray[Any],
        rows: list[IntArray] | None,
        params: dict[str, Any],
    ) -> list[BaseDeepNet]:
        """Fit the members, a share of them in each process.

        Those with rows of their own have copies of these, so not too many at once.
        """
        n_shares = min(effective_n_jobs(self.n_jobs), len(members))
        n_calls = n_shares
        if rows is not None:
            n_at_once = max(1, _COPIED_BYTES // (8 * X.shape[0] * X.shape[1]))
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

    def _logits_of_blocks(self, X: ArrayLike) -> Iterator[tuple[FloatArray, Any]]:
        """Yield the logits (n_estimators, n_rows, n_outputs) of rows of X, and these.

        The members are one stack, and predict as one.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype="numeric", accept_sparse="csr", reset=False)
        members = self.estimators_
        stack = stack_of(members)
        for start in range(0, X.shape[0], _ROWS):
            rows = X[start : start + _ROWS]
            with np.errstate(all="ignore"):
                if issparse(X):
                    logits = np.stack(
                        [predict_logits(network_of(it), rows) for it in members]
                    )
                else:
                    logits = predict_logits(stack, rows)
            members[0]._check_overflow(logits, rows)
            yield logits, rows

    def __sklearn_is_fitted__(self) -> bool:
        return "estimators_" in vars(self)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _split_counted(
    sample_weight: ArrayLike | None, X: Any
) -> tuple[IntArray, IntArray]:
    """Return the rows that count, and the others: those of weight 0 are no rows."""
    counts = check_sample_weight(sample_weight, X) > 0
    return np.flatnonzero(counts), np.flatnonzero(~counts)


def _mean_and_std(values: Sequence[FloatArray]) -> tuple[FloatArray, FloatArray]:
    """Return mean and standard deviation over the members.

    One after the other, since NumPy would sum those of a single row in another order;
    and by the largest deviation, since targets may have any unit.
    """
    n = len(values)
    with np.errstate(under="ignore"):
        mean = sum(it / n for it in values)
        # rounding must not lead beyond the members: a probability is at most 1
        mean = np.clip(mean, np.minimum.reduce(values), np.maximum.reduce(values))
        deviations = [np.abs(it - mean) for it in values]
        largest = np.maximum.reduce(deviations)
        unit = np.where(largest > 0, largest, 1)
        return mean, unit * np.sqrt(sum((it / unit) ** 2 for it in deviations) / n)


class DeepNetEnsembleClassifier(ClassifierMixin, _Ensemble):
    """Several networks that vote by the mean of their probabilities.

    Networks that start from other weights, and see the rows in another order, err in
    other places; their mean is more accurate than one of them, its probabilities are
    better calibrated, and where they disagree it knows less [1]_. They are trained as
    one stack, which for small networks takes little longer than the training of one.

    Parameters
    ----------
    estimator : DeepNetClassifier or None, default=None
        What the members are clones of, but for `random_state`; None is
        ``DeepNetClassifier()``. Not of a subclass with its own ``predict_proba``.
    n_estimators : int, default=10
        Members.
    bootstrap : bool, default=False
        Whether each member is trained on rows that are drawn with replacement, in each
        class as many as it has, rather than on all. With `early_stopping` of the
        members, copies of a row may be both trained on and held out; give `X_val`.
    n_jobs : int or None, default=None
        Processes among which the members are shared out, for large networks.
    random_state : int, RandomState or None, default=None
        Of the members' seeds, and of the rows that are drawn.

    Attributes
    ----------
    estimators_ : list of DeepNetClassifier
        The members, each as its own ``fit`` to the arrays would have made it.
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted; for several labels a row, the numbers of the columns.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if X had names that are all strings.

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
    _averaged = "predict_proba"  # and always from logits
    _parameter_constraints = {  # noqa: RUF012
        **_Ensemble._parameter_constraints,
        "estimator": [DeepNetClassifier, None],
    }

    @property
    def classes_(self) -> NDArray[Any]:
        """Class labels."""
        check_is_fitted(self)
        return self.estimators_[0].classes_

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the most probable class of each row, or all labels above one half.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_labels)
            Class labels, or an indicator matrix.
        """
        p = self.predict_proba(X)
        if self._is_multilabel:
            return (p > 0.5).astype(int)
        return self.classes_[p.argmax(axis=1)]

    def predict_proba(
        self, X: ArrayLike, return_std: bool = False
    ) -> FloatArray | tuple[FloatArray, FloatArray]:
        """Return the mean of the members' probabilities, and how far they disagree.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data.
        return_std : bool, default=False
            Whether to return the standard deviation, too.

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes)
            Rows sum to one, but for several labels a row.
        std : ndarray of shape (n_samples, n_classes)
            Standard deviation over the members; only if `return_std`.
        """
        found = []
        for logits, _ in self._logits_of_blocks(X):
            found.append(_mean_and_std(self._activate(logits, expit, softmax)))
        p, std = map(np.concatenate, zip(*found, strict=True))
        return (p, std) if return_std else p

    def predict_log_proba(self, X: ArrayLike) -> FloatArray:
        """Return the logarithm of the mean of the members' probabilities.

        It comes from the logits, and stays finite where the mean is rounded to zero.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data.

        Returns
        -------
        log_p : ndarray of shape (n_samples, n_classes)
            Not above 0.
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
        """Draw with replacement, in each class as many as it has, so none is lost."""
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


class DeepNetEnsembleRegressor(RegressorMixin, _Ensemble):
    """Several networks, their mean, and how far they disagree.

    See `DeepNetEnsembleClassifier` for why. The spread of the members is what the
    ensemble does not know of the function, not the noise of the targets about it.

    Parameters
    ----------
    estimator : DeepNetRegressor or None, default=None
        What the members are clones of, but for `random_state`; None is
        ``DeepNetRegressor()``. Not of a subclass with its own ``predict``.
    n_estimators : int, default=10
        Members.
    bootstrap : bool, default=False
        Whether each member is trained on rows that are drawn with replacement, rather
        than on all. With `early_stopping` of the members, copies of a row may be both
        trained on and held out; give `X_val`.
    n_jobs : int or None, default=None
        Processes among which the members are shared out, for large networks.
    random_state : int, RandomState or None, default=None
        Of the members' seeds, and of the rows that are drawn.

    Attributes
    ----------
    estimators_ : list of DeepNetRegressor
        The members, each as its own ``fit`` to the arrays would have made it.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if X had names that are all strings.

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
    _averaged = "predict"  # and always from logits
    _parameter_constraints = {  # noqa: RUF012
        **_Ensemble._parameter_constraints,
        "estimator": [DeepNetRegressor, None],
    }

    def predict(
        self, X: ArrayLike, return_std: bool = False
    ) -> FloatArray | tuple[FloatArray, FloatArray]:
        """Return the mean of the members' predictions, and how far they disagree.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data.
        return_std : bool, default=False
            Whether to return the standard deviation, too.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            In the units and the shape of the targets in training.
        std : ndarray of the same shape
            Standard deviation over the members, in the same units; only if
            `return_std`.
        """
        found = []
        for logits, rows in self._logits_of_blocks(X):
            pairs = zip(self.estimators_, logits, strict=True)
            found.append(_mean_and_std([m._to_targets(z, rows) for m, z in pairs]))
        y, std = map(np.concatenate, zip(*found, strict=True))
        return (y, std) if return_std else y

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        of_member = self._base.__sklearn_tags__().target_tags
        tags.target_tags.positive_only = of_member.positive_only
        return tags
