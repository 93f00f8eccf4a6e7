"""Mixins of the estimators: their HTML representation, scores and pickles."""

import warnings
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from .._engine import Curve, as_curve
from .._fitting.attributes import copy_attributes
from .._utils.scores import d2_pinball, r_squared
from .._utils.sklearn_compat import (
    DocLinkMixin,
    HTMLSummaryMixin,
    parameter_defaults,
)
from .._utils.typing import FloatArray, MatrixLike
from .._utils.version import __version__, are_compatible
from ..exceptions import VersionWarning
from .fitted import network_of

_WIDTH, _HEIGHT = 240, 60  # of the curve, in pixels
_MOST_POINTS = 200  # more would not be visible, and would make notebooks larger


class HTMLReprMixin(HTMLSummaryMixin):
    """Shows layers, number of parameters and loss curve of a fitted network."""

    def _html_summary(self) -> str:
        network = network_of(self)
        sizes = " → ".join(map(str, network.layer_sizes))
        if network.n_frequencies:  # columns of X, then columns and features together
            sizes = f"{self.n_features_in_} → {sizes}"
        return (
            '<div class="estimator-table" style="padding: 0.5em">'
            f"Layers {sizes}: {network.params.size:,} parameters"
            f"{_draw_curve(self.loss_curve_)}</div>"
        )


def _draw_curve(losses: Sequence[float]) -> str:
    """Return a small plot of a curve as SVG, or "" if it has less than two points."""
    if len(losses) < 2:
        return ""
    epochs = np.unique(np.linspace(0, len(losses) - 1, _MOST_POINTS).astype(int))
    values = np.asarray(losses)[epochs]
    low, high = values.min(), values.max()
    x = _WIDTH * epochs / epochs[-1]
    # SVG counts from the top; one pixel of margin keeps the line's width inside.
    y = 1 + (_HEIGHT - 2) * (high - values) / max(high - low, np.finfo(float).tiny)
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    caption = f"Loss from {losses[0]:.3g} to {losses[-1]:.3g} in {len(losses)} epochs"
    return (
        f'<br><svg role="img" aria-label="{caption}" width="{_WIDTH}" '
        f'height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}">'
        f'<polyline points="{points}" fill="none" stroke="currentColor" '
        f'stroke-width="1.5"/></svg><br>{caption}'
    )


class NumberScoreMixin:
    """Adds `score` and `quantiles_` to the regressor and its ensemble."""

    def score(
        self, X: MatrixLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return R², or the mean D² of several quantiles.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Input data.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            True targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights.

        Returns
        -------
        score : float
            R² of the predictions, the coefficient of determination. It is 1 for perfect
            predictions, and 0 for a model that always predicts the mean of y. With
            several outputs, their scores are averaged. With one quantile the score is
            R², too. With several quantiles it is the mean of their scores by
            ``d2_pinball_score`` of scikit-learn, each of which is 1 for perfect
            predictions, and 0 for a model that always predicts the quantile of y.
        """
        predicted, quantiles = self.predict(X), self.quantiles_
        if quantiles is None or len(quantiles) == 1:
            return r_squared(y, predicted, sample_weight)
        return d2_pinball(y, predicted, quantiles, sample_weight)

    @property
    def quantiles_(self) -> FloatArray | None:
        """Quantiles that are predicted; None with another loss."""
        check_is_fitted(self)
        network = vars(self).get("estimators_", [self])[0]
        # The attribute is missing if an earlier version saved the estimator.
        quantiles = vars(network).get("_quantiles")
        return None if quantiles is None else np.array(quantiles)


_CURVES = ("loss_curve_", "validation_loss_curve_", "validation_scores_")
_VERSION_KEY = "_sklearn_deepnet_version"


def warn_of_version(name: str, version: str) -> None:
    """Warn if another version saved it; the warning points at the caller's caller."""
    if not are_compatible(version, __version__):
        warnings.warn(
            f"This {name} was saved with another version of sklearn_deepnet "
            f"({version}) and is now loaded with {__version__}, so its predictions may "
            "differ. Fit it again, or load it with the version that saved it.",
            VersionWarning,
            stacklevel=3,
        )


# Values for parameters that were added in a later version. They make a saved estimator
# behave as it did, where the default of today would not.
_BEFORE = MappingProxyType({"input_scaling": None, "init": "he"})


def value_before(parameter: str, default: Any) -> Any:
    """Return the value for a parameter that a saved estimator does not have."""
    return _BEFORE.get(parameter, default)


class PickleVersionMixin(DocLinkMixin):
    """Adds the version to pickles, as scikit-learn does for its own estimators.

    In pickles, learning curves are lists. The HTML representation links to the
    documentation.
    """

    def __getstate__(self) -> dict[str, Any]:
        state = {
            name: value.tolist() if isinstance(value, Curve) else value
            for name, value in super().__getstate__().items()
        }
        return state | {_VERSION_KEY: __version__}

    def __copy__(self) -> Self:
        # Going through the pickled state is slower, and is needed only if a subclass
        # defines its own.
        cls, base = type(self), PickleVersionMixin
        if (cls.__getstate__, cls.__setstate__) == (
            base.__getstate__,
            base.__setstate__,
        ):
            return copy_attributes(self)
        twin = object.__new__(cls)
        twin.__setstate__(self.__getstate__())
        return twin

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the state, warn of another version, and add missing parameters."""
        state = dict(state)
        warn_of_version(type(self).__name__, state.pop(_VERSION_KEY, "unknown"))
        for name, default in parameter_defaults(type(self)).items():
            state.setdefault(name, value_before(name, default))
        state |= {k: as_curve(state[k]) for k in _CURVES if k in state}
        super().__setstate__(state)
