"""Successive halving, in which the surviving networks are trained further."""

from typing import Any

import numpy as np

from .._utils.sklearn_compat import HalvingGridSearchCV, HalvingRandomSearchCV
from .search import MAX_BYTES, _StackedSearch

__all__ = ["StackedHalvingGridSearchCV", "StackedHalvingRandomSearchCV"]


class StackedHalvingGridSearchCV(HalvingGridSearchCV, _StackedSearch):
    """`HalvingGridSearchCV` on stacks, which continues the surviving networks.

    Parameters, attributes and rounds are those of scikit-learn's
    `HalvingGridSearchCV`. Where the resource is the network's `n_iter`, the
    networks that survive a round are continued instead of restarted, so that a round
    costs only the epochs that it adds. The result is bit-for-bit identical to training
    them from the start with more epochs. Where it would not be, they are restarted: if
    the schedule depends on `n_iter`, as "cosine" and "onecycle" do without a horizon
    and an object of your own may, or if the rows of a fold, or what earlier steps make
    of them, are not those of the round before. See `StackedGridSearchCV` for how stacks
    are made.

    Parameters
    ----------
    estimator : estimator
        `DeepNetClassifier`, `DeepNetRegressor`, or a pipeline that ends in one.
    param_grid : dict or list of dict
        Values to try of each parameter.
    factor : float, default=3
        One in `factor` candidates survives a round, and is given `factor` times the
        resource in the next.
    resource : str, default="n_samples"
        What candidates are given more of from round to round: rows, or a parameter of
        the estimator, such as "n_iter", or "deepnetclassifier__n_iter" in a pipeline.
    max_resources : int or "auto", default="auto"
        The most that a candidate may be given. "auto" is all rows; for `n_iter` it has
        to be a number.
    min_resources : int, "exhaust" or "smallest", default="exhaust"
        What the candidates of the first round are given. "exhaust" is as much as lets
        the last round have `max_resources`, "smallest" as little as is sensible.
    aggressive_elimination : bool, default=False
        Whether to repeat the first round until few enough are left.
    cv : int, cross-validation generator or iterable, default=5
        Folds, the same in every round.
    scoring : str, callable or None, default=None
        The metric; None is the estimator's ``score``.
    refit : bool or callable, default=True
        Whether to fit the best candidate to all rows.
    error_score : "raise" or float, default=nan
        The score of a candidate whose fit raises an error.
    return_train_score : bool, default=True
        Whether to score the training rows as well.
    random_state : int, RandomState or None, default=None
        Of the draws of rows, if these are the resource.
    n_jobs : int, default=None
        How many stacks to train at the same time, in processes of joblib's backend.
    verbose : int, default=0
        1 prints the rounds, 2 a line for each fit, 3 also its scores.
    max_bytes : int, default=268435456
        How many bytes of training rows each process may hold at once; see
        `StackedGridSearchCV`.

    Attributes
    ----------
    cv_results_ : dict of ndarray
        As in scikit-learn, with "iter" and "n_resources" of each round. The times of
        continued networks are those of the round alone.
    best_estimator_ : estimator
        Fitted to all rows, if `refit`.
    best_score_ : float
        The best mean score over the folds in the last round.
    best_params_ : dict
        Its parameters, the resource included.
    best_index_ : int
        Its place in `cv_results_`.
    n_resources_ : list of int
        What candidates were given in each round.
    n_candidates_ : list of int
        How many there were.
    n_remaining_candidates_ : int
        How many are left after the last round.
    n_iterations_ : int
        Number of rounds.
    n_possible_iterations_ : int
        Number of rounds that the resources allow.
    n_required_iterations_ : int
        Number of rounds that leave fewer than `factor` candidates.
    min_resources_ : int
        The resource of a candidate in the first round.
    max_resources_ : int
        The most that a candidate may be given.
    scorer_ : callable
        The function that computes the score.
    n_splits_ : int
        Number of folds.
    refit_time_ : float
        Seconds that it took to fit the best candidate to all rows.
    multimetric_ : bool
        False.
    classes_ : ndarray
        Class labels that the best estimator knows.
    n_features_in_ : int
        Columns of X.
    feature_names_in_ : ndarray
        Names of the columns, if X had names.

    See Also
    --------
    StackedGridSearchCV : Train all candidates to the end.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_deepnet import DeepNetClassifier, StackedHalvingGridSearchCV
    >>> X, y = load_iris(return_X_y=True)
    >>> net = DeepNetClassifier((8,), tol=None, random_state=0)
    >>> grid = {"init": ["he", "xavier", "zeros"], "learning_rate": [1e-3, 1e-2, 1e-1]}
    >>> search = StackedHalvingGridSearchCV(
    ...     net, grid, resource="n_iter", max_resources=90, random_state=0
    ... )
    >>> search.fit(X, y).n_resources_
    [10, 30, 90]
    """

    _parameter_constraints = HalvingGridSearchCV._parameter_constraints | MAX_BYTES

    def __init__(
        self,
        estimator: Any,
        param_grid: Any,
        *,
        factor: float = 3,
        resource: str = "n_samples",
        max_resources: int | str = "auto",
        min_resources: int | str = "exhaust",
        aggressive_elimination: bool = False,
        cv: Any = 5,
        scoring: Any = None,
        refit: Any = True,
        error_score: Any = np.nan,
        return_train_score: bool = True,
        random_state: Any = None,
        n_jobs: int | None = None,
        verbose: int = 0,
        max_bytes: int = 2**28,
    ) -> None:
        super().__init__(
            estimator,
            param_grid,
            factor=factor,
            resource=resource,
            max_resources=max_resources,
            min_resources=min_resources,
            aggressive_elimination=aggressive_elimination,
            cv=cv,
            scoring=scoring,
            refit=refit,
            error_score=error_score,
            return_train_score=return_train_score,
            random_state=random_state,
            n_jobs=n_jobs,
            verbose=verbose,
        )
        self.max_bytes = max_bytes


class StackedHalvingRandomSearchCV(HalvingRandomSearchCV, _StackedSearch):
    """`HalvingRandomSearchCV` on stacks, which continues the surviving networks.

    Parameters, attributes and rounds are those of scikit-learn's
    `HalvingRandomSearchCV`. Where the resource is the network's `n_iter`, the
    networks that survive a round are continued instead of restarted, so that a round
    costs only the epochs that it adds. The result is bit-for-bit identical to training
    them from the start with more epochs. Where it would not be, they are restarted: if
    the schedule depends on `n_iter`, as "cosine" and "onecycle" do without a horizon
    and an object of your own may, or if the rows of a fold, or what earlier steps make
    of them, are not those of the round before. See `StackedGridSearchCV` for how stacks
    are made.

    Parameters
    ----------
    estimator : estimator
        `DeepNetClassifier`, `DeepNetRegressor`, or a pipeline that ends in one.
    param_distributions : dict or list of dict
        Distributions to draw each parameter from, or lists of values.
    n_candidates : int or "exhaust", default="exhaust"
        Candidates to draw; "exhaust" draws so many that the last round has
        `max_resources`.
    factor : float, default=3
        One in `factor` candidates survives a round, and is given `factor` times the
        resource in the next.
    resource : str, default="n_samples"
        What candidates are given more of from round to round: rows, or a parameter of
        the estimator, such as "n_iter", or "deepnetclassifier__n_iter" in a pipeline.
    max_resources : int or "auto", default="auto"
        The most that a candidate may be given. "auto" is all rows; for `n_iter` it has
        to be a number.
    min_resources : int, "exhaust" or "smallest", default="smallest"
        What the candidates of the first round are given. "exhaust" is as much as lets
        the last round have `max_resources`, "smallest" as little as is sensible.
    aggressive_elimination : bool, default=False
        Whether to repeat the first round until few enough are left.
    cv : int, cross-validation generator or iterable, default=5
        Folds, the same in every round.
    scoring : str, callable or None, default=None
        The metric; None is the estimator's ``score``.
    refit : bool or callable, default=True
        Whether to fit the best candidate to all rows.
    error_score : "raise" or float, default=nan
        The score of a candidate whose fit raises an error.
    return_train_score : bool, default=True
        Whether to score the training rows as well.
    random_state : int, RandomState or None, default=None
        Of the draws of candidates, and of rows.
    n_jobs : int, default=None
        How many stacks to train at the same time, in processes of joblib's backend.
    verbose : int, default=0
        1 prints the rounds, 2 a line for each fit, 3 also its scores.
    max_bytes : int, default=268435456
        How many bytes of training rows each process may hold at once; see
        `StackedGridSearchCV`.

    Attributes
    ----------
    cv_results_ : dict of ndarray
        As in scikit-learn, with "iter" and "n_resources" of each round. The times of
        continued networks are those of the round alone.
    best_estimator_ : estimator
        Fitted to all rows, if `refit`.
    best_score_ : float
        The best mean score over the folds in the last round.
    best_params_ : dict
        Its parameters, the resource included.
    best_index_ : int
        Its place in `cv_results_`.
    n_resources_ : list of int
        What candidates were given in each round.
    n_candidates_ : list of int
        How many there were.
    n_remaining_candidates_ : int
        How many are left after the last round.
    n_iterations_ : int
        Number of rounds.
    n_possible_iterations_ : int
        Number of rounds that the resources allow.
    n_required_iterations_ : int
        Number of rounds that leave fewer than `factor` candidates.
    min_resources_ : int
        The resource of a candidate in the first round.
    max_resources_ : int
        The most that a candidate may be given.
    scorer_ : callable
        The function that computes the score.
    n_splits_ : int
        Number of folds.
    refit_time_ : float
        Seconds that it took to fit the best candidate to all rows.
    multimetric_ : bool
        False.
    classes_ : ndarray
        Class labels that the best estimator knows.
    n_features_in_ : int
        Columns of X.
    feature_names_in_ : ndarray
        Names of the columns, if X had names.

    See Also
    --------
    StackedRandomizedSearchCV : Train all candidates to the end.

    Examples
    --------
    >>> from scipy.stats import loguniform
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_deepnet import DeepNetClassifier, StackedHalvingRandomSearchCV
    >>> X, y = load_iris(return_X_y=True)
    >>> net = DeepNetClassifier((8,), tol=None, random_state=0)
    >>> drawn = {"learning_rate": loguniform(1e-4, 1), "alpha": loguniform(1e-5, 1)}
    >>> search = StackedHalvingRandomSearchCV(
    ...     net,
    ...     drawn,
    ...     resource="n_iter",
    ...     min_resources=10,
    ...     max_resources=90,
    ...     random_state=0,
    ... )
    >>> search.fit(X, y).n_candidates_
    [9, 3, 1]
    """

    _parameter_constraints = HalvingRandomSearchCV._parameter_constraints | MAX_BYTES

    def __init__(
        self,
        estimator: Any,
        param_distributions: Any,
        *,
        n_candidates: int | str = "exhaust",
        factor: float = 3,
        resource: str = "n_samples",
        max_resources: int | str = "auto",
        min_resources: int | str = "smallest",
        aggressive_elimination: bool = False,
        cv: Any = 5,
        scoring: Any = None,
        refit: Any = True,
        error_score: Any = np.nan,
        return_train_score: bool = True,
        random_state: Any = None,
        n_jobs: int | None = None,
        verbose: int = 0,
        max_bytes: int = 2**28,
    ) -> None:
        super().__init__(
            estimator,
            param_distributions,
            n_candidates=n_candidates,
            factor=factor,
            resource=resource,
            max_resources=max_resources,
            min_resources=min_resources,
            aggressive_elimination=aggressive_elimination,
            cv=cv,
            scoring=scoring,
            refit=refit,
            error_score=error_score,
            return_train_score=return_train_score,
            random_state=random_state,
            n_jobs=n_jobs,
            verbose=verbose,
        )
        self.max_bytes = max_bytes
