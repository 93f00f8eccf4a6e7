"""What a service calls: the predictions of a fitted estimator, without its checks."""

import copy
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from .._engine import BlockPropagation, predict_logits
from .._utils.typing import FloatArray
from .fitted import network_of

# So many rows are one block of any network, and its work arrays come in four sizes
_FEW_ROWS = 64

# What predictions depend on; not the parameters, and nothing that only training needs
_ATTRIBUTES = (
    "_activations",
    "_input_scaling",
    "_layer_sizes",
    "_params",
    "_takes_1d",
    "classes_",
    "n_features_in_",
    "out_activation_",
    "target_mean_",
    "target_scale_",
)


class Predictor:
    """Predictions of a fitted estimator as it was; see `make_predictor`.

    Each thread has work arrays of its own. Copies and pickles contain none of them.

    Parameters
    ----------
    estimator : estimator
        Fitted; copied.
    """

    def __init__(self, estimator: Any) -> None:
        self.__setstate__({"estimator": _freeze(estimator)})

    def __call__(self, X: NDArray[Any]) -> FloatArray:
        """Return the probabilities, or the predicted targets, of each sample.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Finite numbers.

        Returns
        -------
        p or y : ndarray
            That of ``predict_proba`` of a classifier, or ``predict`` of a regressor.

        Raises
        ------
        ValueError
            If X is no such array, or if the network overflows on it.
        """
        self._check(X)
        # An overflow is reported by the estimator, as in its own methods.
        with np.errstate(all="ignore"):
            if len(X) > _FEW_ROWS:
                logits = predict_logits(self._network, X)
            else:
                logits = self._propagation()(X).copy()
        self._estimator._check_overflow(logits, X)
        return self._estimator._from_logits(logits, X)

    def _check(self, X: Any) -> None:
        n_features = self._estimator.n_features_in_
        if not (
            isinstance(X, np.ndarray)
            and X.ndim == 2
            and X.shape[1] == n_features
            and len(X)
            and X.dtype.kind in "fiub"
        ):
            given = f"a {type(X).__name__}"
            if isinstance(X, np.ndarray):
                given = f"an array of shape {X.shape} and dtype {X.dtype}"
            raise ValueError(
                f"A predictor takes a 2-D NumPy array of numbers with {n_features} "
                f"columns and at least one row; X is {given}."
            )

    def _propagation(self) -> BlockPropagation:
        try:
            return self._of_thread.propagation
        except AttributeError:
            self._of_thread.propagation = propagation = BlockPropagation(self._network)
            return propagation

    def __getstate__(self) -> dict[str, Any]:
        return {"estimator": self._estimator}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._estimator = state["estimator"]
        self._network = network_of(self._estimator)
        self._of_thread = threading.local()


def _freeze(estimator: Any) -> Any:
    """Return a copy of what predictions depend on, as an estimator of that class."""
    frozen = object.__new__(type(estimator))
    for name in _ATTRIBUTES:
        if name in vars(estimator):
            value = vars(estimator)[name]
            # A deep copy of a memory-mapped array would still be of its slower class
            is_array = isinstance(value, np.ndarray)
            vars(frozen)[name] = np.array(value) if is_array else copy.deepcopy(value)
    return frozen


class PredictorMixin:
    """Adds `make_predictor`, for estimators that predict `_from_logits` alone."""

    def make_predictor(self) -> Predictor:
        """Return a function for services that predict one row or few at a time.

        It returns bit for bit what ``predict_proba`` of a classifier or ``predict`` of
        a regressor returns, for one row in half the time or less: it checks little,
        and keeps its work arrays between calls. Several threads may call it at once. It
        can be pickled, for the same version of this library.

        Returns
        -------
        predictor : callable ``(X) -> ndarray``
            It takes a NumPy array of numbers of shape (n_samples, n_features), with any
            number of rows. Another shape or type raises a ValueError, and so do outputs
            that are not finite. X itself is not searched for NaN or infinity. The
            predictor is a copy: another ``fit`` of the estimator, or a change of its
            `coefs_`, does not change it.

        Raises
        ------
        ValueError
            If a subclass overrides the method that the predictor would replace.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn_deepnet import DeepNetClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> net = DeepNetClassifier((8,), n_iter=50, tol=None, random_state=0)
        >>> predictor = net.fit(X, y).make_predictor()
        >>> row = X[:1]
        >>> bool((predictor(row) == net.predict_proba(row)).all())
        True
        """
        check_is_fitted(self)
        cls, method = type(self), type(self)._computed_method
        if getattr(cls, method.__name__) is not method:
            raise ValueError(
                f"{cls.__name__} has a {method.__name__} of its own, which a predictor "
                "never calls. Call that method instead."
            )
        return Predictor(self)
