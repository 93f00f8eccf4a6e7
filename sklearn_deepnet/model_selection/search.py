"""scikit-learn's searches, with their networks trained as stacks."""

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
    """A search of scikit-learn whose ``fit`` runs in the context `stacked`."""

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
        """Score all candidates by cross-validation, and fit the best to all rows.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets.
        checkpoint : Checkpoint, str, path or None, default=None
            A file in which scores are saved before the next stack is trained, and from
            which known scores are taken. It must be of the same estimator, scoring and
            data; candidates and folds may differ. The best is fitted again in any case.
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
        around, _ = get_active_backend()
        is_stacked = isinstance(around, StackedBackend) and checkpoint is None
        context = nullcontext() if is_stacked else stacked(checkpoint=checkpoint)
        with context, said_once():
            return super().fit(X, y, **params)


class StackedGridSearchCV(_StackedSearch, GridSearchCV):
    """`GridSearchCV` in the context `stacked`.

    Parameters, attributes and results are those of scikit-learn's `GridSearchCV`.

    See Also
    --------
    stacked : Does the same for any tool of scikit-learn, and has more options.

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
    """`RandomizedSearchCV` in the context `stacked`.

    Parameters, attributes and results are those of scikit-learn's `RandomizedSearchCV`.
    Only networks of equal layers make a stack, so draw learning rates, penalties and
    seeds from distributions, and layers from a short list.

    See Also
    --------
    stacked : Does the same for any tool of scikit-learn, and has more options.

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
    """`HalvingGridSearchCV` in the context `stacked`.

    Parameters, attributes and results are those of scikit-learn's
    `HalvingGridSearchCV`. Where the resource is the network's `n_iter`, the networks
    that survive a round are continued, so that a round costs only the epochs that it
    adds. They are trained from the start where the result would not be bit-for-bit the
    same: if the schedule depends on `n_iter`, as "cosine" and "onecycle" do without a
    horizon and an object of your own may, or if a fold has other rows than in the round
    before.

    See Also
    --------
    stacked : Does the same for any tool of scikit-learn, and has more options.

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
    """`HalvingRandomSearchCV` in the context `stacked`.

    Parameters, attributes and results are those of scikit-learn's
    `HalvingRandomSearchCV`; see `StackedHalvingGridSearchCV` for how survivors are
    continued.

    See Also
    --------
    stacked : Does the same for any tool of scikit-learn, and has more options.

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
