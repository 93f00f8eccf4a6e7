"""The part that both ensembles share: their members are trained as a stack."""

from collections.abc import Callable, Iterator, Mapping
from numbers import Integral
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_is_fitted

from ..._fitting.attributes import copy_attributes, update_attributes
from ..._fitting.dataset import check_rows, split_by_weight
from ..._fitting.parameters import resolve_random_state
from ..._utils.sklearn_compat import (
    Interval,
    all_params,
    set_all_params,
    validate_params,
)
from ..._utils.typing import FloatArray, IntArray, MatrixLike, RandomStateLike
from ..._utils.warnings import said_once
from ..base import BaseDeepNet, keeps_generator
from ..base import has_partial_fit as networks_have_partial_fit
from ..fitted import check_new_rows, logits_of_blocks
from ..mixins import PickleVersionMixin
from ..parameter_names import EnsembleNamesMixin, explains_names
from ..stacking import fit_stack, partial_fit_stack

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
    _own_recipe: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    if TYPE_CHECKING:  # what `fit` sets
        estimators_: list[Any]
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
        self._check_parameters()
        before = vars(self).copy()
        draft = copy_attributes(self)  # an error leaves the ensemble as it was
        X, y = check_rows(draft, X, y, reset=True)
        given = {"sample_weight": sample_weight, "sample_weight_val": sample_weight_val}
        given = _check_arguments(draft, given | {"X_val": X_val, "y_val": y_val})
        rng = resolve_random_state(self.random_state)
        members = self._make_members(rng)
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

    @keeps_generator
    def _partial_fit(self, X: MatrixLike, y: ArrayLike, **given: Any) -> Self:
        """Train all members for one epoch, from their current weights."""
        self._check_parameters()
        resumes = self.__sklearn_is_fitted__()
        before = vars(self).copy()
        draft = copy_attributes(self)  # an error leaves the ensemble as it was
        X, y = check_rows(draft, X, y, reset=not resumes)
        given = _check_arguments(draft, given)
        if resumes:
            members = self._copy_members()
        else:
            members = self._make_members(resolve_random_state(self.random_state))
        with said_once():
            train = partial_fit_stack
            draft.estimators_ = self._fit_members(members, X, y, None, given, train)
        update_attributes(self, draft, before)
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
        return cls._member(**_RECIPE | cls._own_recipe | parameters)

    @property
    def _base(self) -> BaseDeepNet:
        """The estimator that the members are clones of."""
        if self.estimator is not None:
            return self.estimator
        # Otherwise a row could be in the training set while its copy is held out.
        return self.recipe(early_stopping=False) if self.bootstrap else self.recipe()

    def _check_parameters(self) -> None:
        self._check_is_no_size(self.estimator)
        validate_params(self)
        self._check_predicts_as_a_stack()

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

    def _make_members(self, rng: np.random.RandomState) -> list[BaseDeepNet]:
        """Return unfitted members, each with a seed of its own."""
        members = [clone(self._base) for _ in range(self.n_estimators)]
        for member in members:
            set_all_params(member, random_state=int(rng.randint(2**31 - 1)))
        return members

    def _copy_members(self) -> list[BaseDeepNet]:
        """Return copies of the members, with the current parameters of `estimator`."""
        members = [copy_attributes(member) for member in self.estimators_]
        if len(members) != self.n_estimators:
            raise ValueError(
                f"n_estimators={self.n_estimators}, but the ensemble to continue has "
                f"{len(members)} members. Set n_estimators={len(members)}, or call fit "
                "to start over."
            )
        for member in members:
            own = {"random_state": member.random_state}
            set_all_params(member, **all_params(clone(self._base)) | own)
        return members

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
        train: Callable[..., Any] = fit_stack,
    ) -> list[BaseDeepNet]:
        """Call `train` for the members, for some of them in each process.

        With `rows`, each member needs a copy of its rows. To save memory, only a few
        members are then fitted at once.
        """
        n_calls = n_shares = min(effective_n_jobs(self.n_jobs), len(members))
        if rows is not None:
            n_at_once = max(1, _BOOTSTRAP_BYTES // (8 * X.shape[0] * X.shape[1]))
            n_calls = max(n_shares, -(-len(members) // n_at_once))
        calls = [
            delayed(train)(
                [members[k] for k in share],
                X,
                y,
                **params,
                **({} if rows is None else {"rows": [rows[k] for k in share]}),
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


def _check_arguments(draft: BaseEnsemble, given: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments that are not None, with validated X_val and y_val."""
    given = {name: it for name, it in given.items() if it is not None}
    if {"X_val", "y_val"} <= given.keys():
        rows = given["X_val"], given["y_val"]
        rows = check_rows(draft, *rows, reset=False, suffix="_val")
        given["X_val"], given["y_val"] = rows
    return given


def has_partial_fit(ensemble: BaseEnsemble) -> bool:
    """Return True, or raise AttributeError, for scikit-learn's ``available_if``."""
    if ensemble.bootstrap:
        raise AttributeError(
            "partial_fit is not available with bootstrap=True, which draws from all "
            "samples at once. Call fit, or set bootstrap=False."
        )
    base = ensemble._base
    # With another estimator, the call itself says which are allowed.
    return not isinstance(base, BaseDeepNet) or networks_have_partial_fit(base)
