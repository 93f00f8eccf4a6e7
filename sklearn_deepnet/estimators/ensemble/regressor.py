"""`DeepNetEnsembleRegressor`: the mean of the predictions of several networks."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, overload

from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_is_fitted

from ..._utils.sklearn_compat import available_if
from ..._utils.typing import ArrayPair, FloatArray, MatrixLike
from ..fitted import means_and_stds
from ..mixins import NumberScoreMixin
from ..regressor import DeepNetRegressor
from .base import BaseEnsemble, has_partial_fit

__all__ = ["DeepNetEnsembleRegressor"]


class DeepNetEnsembleRegressor(NumberScoreMixin, RegressorMixin, BaseEnsemble):
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
    quantiles_ : ndarray of shape (n_quantiles,) or None
        Quantiles that the members predict; see `DeepNetRegressor`. The predictions of
        each member are sorted before they are averaged, so that quantiles never cross.
        None with another loss.

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
    _parameter_constraints = {  # noqa: RUF012
        **BaseEnsemble._parameter_constraints,
        "estimator": [DeepNetRegressor, None],
    }
    if TYPE_CHECKING:  # what `fit` sets, and methods of more precise types
        estimators_: list[DeepNetRegressor]
        recipe: ClassVar[Callable[..., DeepNetRegressor]]

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
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            True targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples. If None, all samples have weight 1.
        X_val : array-like or sparse matrix of shape (n_val, n_features), default=None
            Validation data that each member monitors.
        y_val : array-like of shape (n_val,) or (n_val, n_outputs), default=None
            True targets of the validation data.
        sample_weight_val : array-like of shape (n_val,), default=None
            Weights of the validation samples.

        Returns
        -------
        self : DeepNetEnsembleRegressor
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
            sample_weight=sample_weight,
            X_val=X_val,
            y_val=y_val,
            sample_weight_val=sample_weight_val,
        )

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
            Predicted targets, in the units and the shape of the training targets. With
            several quantiles, the shape is (n_samples, n_quantiles).
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
        of_member = self._base.__sklearn_tags__().target_tags
        tags.target_tags.multi_output = of_member.multi_output
        tags.target_tags.positive_only = of_member.positive_only
        return tags
