"""Searches of scikit-learn that train their networks as stacks."""

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Self

from joblib.parallel import get_active_backend
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV

from .._serialization.checkpoint import CheckpointLike
from .._utils.sklearn_compat import HalvingGridSearchCV, HalvingRandomSearchCV
from .._utils.typing import MatrixLike
from .._utils.warnings import said_once
from ..estimators.mixins import PickleVersionMixin
from .backend import StackedBackend, stacked

__all__ = [
    "StackedGridSearchCV",
    "StackedHalvingGridSearchCV",
    "StackedHalvingRandomSearchCV",
    "StackedRandomizedSearchCV",
]


class _StackedSearch(PickleVersionMixin):
    """Runs ``fit`` of a search of scikit-learn in the context `stacked`."""

    if TYPE_CHECKING:  # what scikit-learn defines and `fit` sets
        best_estimator_: Any
        best_index_: int
        best_params_: dict[str, Any]
        best_score_: float
        classes_: NDArray[Any]
        cv_results_: dict[str, Any]
        n_splits_: int
        refit_time_: float

        def predict(self, X: MatrixLike) -> NDArray[Any]: ...
        def predict_proba(self, X: MatrixLike) -> NDArray[Any]: ...
        def score(self, X: MatrixLike, y: ArrayLike | None = None) -> float: ...

    def fit(
        self,
        X: MatrixLike,
        y: ArrayLike | None = None,
        *,
        checkpoint: CheckpointLike | None = None,
        **params: Any,
    ) -> Self:
        """Score all candidates by cross-validation, and refit the best one on all data.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            True labels or targets.
        checkpoint : Checkpoint, str, path or None, default=None
            File in which the scores are saved while the search runs. If the file
            exists, scores that it contains are not computed again. The file must belong
            to a search with the same estimator, scoring and data; candidates and folds
            may differ. The best candidate is always refitted.
        **params : dict
            Parameters that are passed to the ``fit`` of the estimator, to the splitter
            (`groups`) and to the scorer. Arrays with as many rows as X, such as
            `sample_weight`, are split like X. This also happens to an `X_val` that has
            as many rows as X by chance.

        Returns
        -------
        self : estimator
            The fitted search.

        Raises
        ------
        ValueError
            If a parameter or the data are invalid, or if the checkpoint is damaged or
            belongs to another search.
        OSError
            If the checkpoint cannot be written at the start of the search.
        """
        around, _ = get_active_backend()
        is_stacked = isinstance(around, StackedBackend) and checkpoint is None
        context = nullcontext() if is_stacked else stacked(checkpoint=checkpoint)
        with context, said_once():
            return super().fit(X, y, **params)


class StackedGridSearchCV(_StackedSearch, GridSearchCV):
    """A `GridSearchCV` that trains its networks as stacks.

    All networks of the search are trained together, which is several times faster for
    small networks. Parameters, attributes and results are those of scikit-learn's
    `GridSearchCV`.

    See Also
    --------
    stacked : Does the same for any tool of scikit-learn, with more options.

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


class StackedRandomizedSearchCV(_StackedSearch, RandomizedSearchCV):
    """A `RandomizedSearchCV` that trains its networks as stacks.

    All networks of the search are trained together, which is several times faster for
    small networks. Parameters, attributes and results are those of scikit-learn's
    `RandomizedSearchCV`. Only networks with the same layers form a stack. It is
    therefore best to draw the learning rate and the penalties from distributions, but
    the layers from a short list.

    See Also
    --------
    stacked : Does the same for any tool of scikit-learn, with more options.

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


class StackedHalvingGridSearchCV(_StackedSearch, HalvingGridSearchCV):
    """A `HalvingGridSearchCV` that trains its networks as stacks.

    All networks of a round are trained together, which is several times faster for
    small networks. Parameters, attributes and results are those of scikit-learn's
    `HalvingGridSearchCV`.

    If the resource is `n_iter` of the network, the surviving candidates continue
    training where they stopped in the previous round. Results are the same as with
    training from the start. A network is trained from the start only if continuing
    would give another result. This is the case if the schedule depends on `n_iter`,
    like "cosine" and "onecycle" without a `horizon`, if a fold has other rows than in
    the previous round, or if the network has callbacks.

    See Also
    --------
    stacked : Does the same for any tool of scikit-learn, with more options.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_deepnet import DeepNetClassifier, StackedHalvingGridSearchCV
    >>> X, y = load_iris(return_X_y=True)
    >>> net = DeepNetClassifier((8,), tol=None, random_state=0)
    >>> grid = {"init": ["he", "xavier"], "learning_rate": [0.001, 0.01, 0.1]}
    >>> search = StackedHalvingGridSearchCV(
    ...     net, grid, resource="n_iter", min_resources=10, max_resources=90
    ... )
    >>> search.fit(X, y).n_candidates_
    [6, 2]
    """


class StackedHalvingRandomSearchCV(_StackedSearch, HalvingRandomSearchCV):
    """A `HalvingRandomSearchCV` that trains its networks as stacks.

    All networks of a round are trained together, which is several times faster for
    small networks. Parameters, attributes and results are those of scikit-learn's
    `HalvingRandomSearchCV`. As in `StackedHalvingGridSearchCV`, surviving candidates
    continue training if the resource is `n_iter`.

    See Also
    --------
    stacked : Does the same for any tool of scikit-learn, with more options.

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
