"""Searches that train the networks of their candidates as stacks."""

from functools import partial
from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV

from .._serialization.checkpoint import resolve_checkpoint
from .._utils.sklearn_compat import (
    BaseSearchCV,
    Interval,
    fit_search,
    validate_params,
    with_callbacks,
)
from .._utils.warnings import said_once
from ..estimators.mixins import PickleVersionMixin
from ..estimators.pipelines import n_iter_param
from ..estimators.stacking import fit_stack
from .checkpoint import SearchCheckpoint
from .planner import StackedParallel

__all__ = ["StackedGridSearchCV", "StackedRandomizedSearchCV", "fit_stack"]

MAX_BYTES = {"max_bytes": [Interval(Integral, 1, None, closed="left")]}


class _StackedSearch(PickleVersionMixin, BaseSearchCV):
    """scikit-learn's search, with its tasks run as stacks."""

    @with_callbacks
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        checkpoint: Any = None,
        **params: Any,
    ) -> Self:
        """Score all candidates by cross-validation, and fit the best to all rows.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets.
        checkpoint : Checkpoint, str, path or None, default=None
            A file in which the scores of finished stacks are saved, and from which
            known scores are taken. It must be of the same estimator, scoring and data;
            candidates and folds may differ. The best is fitted again in any case.
        **params : dict
            For the ``fit`` of the estimator, the splitter (`groups`) and the scorer.
            Arrays as long as X, such as `sample_weight`, are cut like X; so is an
            `X_val` that happens to be as long.

        Returns
        -------
        self : estimator
            Fitted.

        Raises
        ------
        ValueError
            If a parameter or the data are invalid, or the checkpoint is damaged or of
            another search.
        OSError
            If the checkpoint cannot be written at the start.
        """
        validate_params(self)
        # Only where a halving search raises n_iter do networks have a next round.
        resource = getattr(self, "resource", "")
        if resource != n_iter_param(self.estimator):
            resource = ""
        settings, checkpoint = resolve_checkpoint(checkpoint), None
        if settings is not None:
            checkpoint = SearchCheckpoint(settings, self, X, y, params)
        parallel = partial(StackedParallel, self.max_bytes, resource, checkpoint)
        try:
            with said_once():
                return fit_search(self, X, y, params, parallel)
        finally:
            if checkpoint is not None:
                checkpoint.write()


class StackedGridSearchCV(_StackedSearch, GridSearchCV):
    """`GridSearchCV`, with the same results in a fraction of the time.

    Parameters, attributes, splits and scores are those of scikit-learn's
    `GridSearchCV`, whose code this is, except that the networks of candidates and folds
    are not trained one by one. Those that share layers, solver, loss, batch size and
    number of rows are trained as one stack, and each is bit-for-bit identical to
    training it alone. In a pipeline, the steps before the network are fitted once for
    each fold and setting of these steps. Estimators without a network, and networks
    that cannot be stacked, are fitted one by one: with solver "lbfgs", sparse X,
    callbacks or `verbose`, as subclasses with a ``fit`` of their own, or with losses,
    activations and optimizers that are not of this library.

    Parameters
    ----------
    estimator : estimator
        `DeepNetClassifier`, `DeepNetRegressor`, or a pipeline that ends in one.
    param_grid : dict or list of dict
        Values to try of each parameter, also of earlier steps of a pipeline.
    scoring : str, callable, list, tuple or dict, default=None
        One metric or several; None is the estimator's ``score``.
    n_jobs : int, default=None
        How many stacks to train at the same time, in processes of joblib's backend.
    refit : bool, str or callable, default=True
        Whether to fit the best candidate to all rows, by which metric if there are
        several, or a function of `cv_results_` that returns its index.
    cv : int, cross-validation generator or iterable, default=None
        Folds; None is 5.
    verbose : int, default=0
        1 prints how many fits there are, 2 a line for each, 3 also its scores.
    pre_dispatch : int or str, default="2*n_jobs"
        How many stacks to send to the processes in advance.
    error_score : "raise" or float, default=nan
        The score of a candidate whose fit raises an error.
    return_train_score : bool, default=False
        Whether to score the training rows as well.
    max_bytes : int, default=268435456
        How many bytes of training rows each process may hold at once: folds that are
        stacked together, what the earlier steps of a pipeline make of them, and the
        stack's copy of both. The rows of one fold are held in any case. A smaller limit
        makes smaller stacks.

    Attributes
    ----------
    cv_results_ : dict of ndarray
        As in scikit-learn. `mean_fit_time` is the time to prepare a network, its share
        of the time of its stack, in proportion to its epochs, and an equal share of the
        time of the steps before it.
    best_estimator_ : estimator
        Fitted to all rows, if `refit`.
    best_score_ : float
        Its mean score over the folds.
    best_params_ : dict
        Its parameters.
    best_index_ : int
        Its place in `cv_results_`.
    scorer_ : callable or dict
        The function that computes the score, or one for each metric.
    n_splits_ : int
        Number of folds.
    refit_time_ : float
        Seconds that it took to fit the best candidate to all rows.
    multimetric_ : bool
        Whether there are several metrics.
    classes_ : ndarray
        Class labels that the best estimator knows.
    n_features_in_ : int
        Columns of X.
    feature_names_in_ : ndarray
        Names of the columns, if X had names.

    See Also
    --------
    StackedRandomizedSearchCV : Draw candidates at random.
    fit_stack : Fit any list of networks as stacks.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_deepnet import DeepNetClassifier, StackedGridSearchCV
    >>> X, y = load_iris(return_X_y=True)
    >>> net = DeepNetClassifier((8,), n_iter=100, tol=None, random_state=0)
    >>> grid = {"init": ["he", "xavier"], "learning_rate": [0.001, 0.01, 0.1]}
    >>> search = StackedGridSearchCV(net, grid).fit(X, y)
    >>> bool(search.best_score_ > 0.95)
    True
    """

    _parameter_constraints = GridSearchCV._parameter_constraints | MAX_BYTES

    def __init__(
        self,
        estimator: Any,
        param_grid: Any,
        *,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: int | str = "2*n_jobs",
        error_score: Any = np.nan,
        return_train_score: bool = False,
        max_bytes: int = 2**28,
    ) -> None:
        super().__init__(
            estimator,
            param_grid,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.max_bytes = max_bytes


class StackedRandomizedSearchCV(_StackedSearch, RandomizedSearchCV):
    """`RandomizedSearchCV`, with the same results in a fraction of the time.

    See `StackedGridSearchCV` for how. Only networks of the same layers make a stack, so
    draw learning rates, penalties and seeds from distributions, and layers from a short
    list.

    Parameters
    ----------
    estimator : estimator
        `DeepNetClassifier`, `DeepNetRegressor`, or a pipeline that ends in one.
    param_distributions : dict or list of dict
        Distributions to draw each parameter from, or lists of values.
    n_iter : int, default=10
        Candidates to draw.
    scoring : str, callable, list, tuple or dict, default=None
        One metric or several; None is the estimator's ``score``.
    n_jobs : int, default=None
        How many stacks to train at the same time, in processes of joblib's backend.
    refit : bool, str or callable, default=True
        Whether to fit the best candidate to all rows, by which metric if there are
        several, or a function of `cv_results_` that returns its index.
    cv : int, cross-validation generator or iterable, default=None
        Folds; None is 5.
    verbose : int, default=0
        1 prints how many fits there are, 2 a line for each, 3 also its scores.
    pre_dispatch : int or str, default="2*n_jobs"
        How many stacks to send to the processes in advance.
    random_state : int, RandomState or None, default=None
        Of the draws of candidates.
    error_score : "raise" or float, default=nan
        The score of a candidate whose fit raises an error.
    return_train_score : bool, default=False
        Whether to score the training rows as well.
    max_bytes : int, default=268435456
        How many bytes of training rows each process may hold at once; see
        `StackedGridSearchCV`.

    Attributes
    ----------
    cv_results_ : dict of ndarray
        As in scikit-learn; see `StackedGridSearchCV` for times.
    best_estimator_ : estimator
        Fitted to all rows, if `refit`.
    best_score_ : float
        Its mean score over the folds.
    best_params_ : dict
        Its parameters.
    best_index_ : int
        Its place in `cv_results_`.
    scorer_ : callable or dict
        The function that computes the score, or one for each metric.
    n_splits_ : int
        Number of folds.
    refit_time_ : float
        Seconds that it took to fit the best candidate to all rows.
    multimetric_ : bool
        Whether there are several metrics.
    classes_ : ndarray
        Class labels that the best estimator knows.
    n_features_in_ : int
        Columns of X.
    feature_names_in_ : ndarray
        Names of the columns, if X had names.

    See Also
    --------
    StackedGridSearchCV : Try all combinations.

    Examples
    --------
    >>> from scipy.stats import loguniform
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_deepnet import DeepNetClassifier, StackedRandomizedSearchCV
    >>> X, y = load_iris(return_X_y=True)
    >>> net = DeepNetClassifier((8,), n_iter=100, tol=None, random_state=0)
    >>> drawn = {"learning_rate": loguniform(1e-3, 1e-1), "alpha": loguniform(1e-5, 1)}
    >>> search = StackedRandomizedSearchCV(net, drawn, n_iter=8, random_state=0)
    >>> bool(search.fit(X, y).best_score_ > 0.95)
    True
    """

    _parameter_constraints = RandomizedSearchCV._parameter_constraints | MAX_BYTES

    def __init__(
        self,
        estimator: Any,
        param_distributions: Any,
        *,
        n_iter: int = 10,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: int | str = "2*n_jobs",
        random_state: Any = None,
        error_score: Any = np.nan,
        return_train_score: bool = False,
        max_bytes: int = 2**28,
    ) -> None:
        super().__init__(
            estimator,
            param_distributions,
            n_iter=n_iter,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            random_state=random_state,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.max_bytes = max_bytes
