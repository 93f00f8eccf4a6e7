"""Targets of a regressor."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._utils.lookup import look_up
from ..._utils.sklearn_compat import parameter_defaults
from ..._utils.typing import FloatArray
from ..._utils.warnings import warn
from ...nn.losses import LOSSES, Loss, quantile


@dataclass(frozen=True)
class NumberTargets:
    """Targets of a regressor: ``(y - mean) / scale``.

    A prediction is ``mean + scale * output``. Initial weights and learning rates suit
    outputs of about one, so without scaling training would depend on the unit of y.

    Parameters
    ----------
    n_outputs : int
        Number of output units: of columns of y, or of quantiles of its only column.
    mean : ndarray of shape (n_columns,)
        Subtracted from y.
    scale : ndarray of shape (n_columns,)
        Divisor of the difference.
    """

    n_outputs: int
    mean: FloatArray
    scale: FloatArray

    @property
    def n_target_rows(self) -> int:
        """Number of columns of y. Several quantiles are compared with the same y."""
        return len(self.mean)

    def scale_and_shift(self, trains: bool) -> tuple[FloatArray, FloatArray]:
        """Return the factor and the summand of y, of shape (n_columns, 1)."""
        scale = 1 / self.scale
        return scale[:, np.newaxis], (-self.mean * scale)[:, np.newaxis]

    def encode(self, y: NDArray[Any], name: str = "y") -> NDArray[Any]:
        """Return y of shape (n_samples, n_columns), in float64 at most."""
        if y.dtype.kind == "f" and y.dtype.itemsize > 8:
            y = y.astype(np.float64)
        return y.reshape(len(y), -1)

    def weigh(
        self, target: NDArray[Any], weight: FloatArray | None
    ) -> FloatArray | None:
        """Return the sample weights unchanged."""
        return weight

    def find_only_class(self, target: NDArray[Any]) -> None:
        """Return None, since numbers are of no class."""

    def strata(self, y: NDArray[Any]) -> NDArray[Any] | None:
        """Return None, since numbers are split at random."""

    def name_out_activation(self, loss: Loss) -> str:
        """Return "exponential" if the loss is defined for it alone, or "identity"."""
        return "exponential" if loss.identity is None else "identity"


def _uses_quantile(regressor: Any) -> bool:
    return isinstance(regressor.loss, str) and regressor.loss == "quantile"


def resolve_number_loss(regressor: Any) -> Loss:
    """Return the loss of a regressor; "quantile" has the parameter `quantile`."""
    if _uses_quantile(regressor):
        return quantile(regressor.quantile)
    return look_up(LOSSES, regressor.loss, "loss")


def warn_of_unused_quantile(regressor: Any) -> None:
    """Warn if `quantile` was set although the loss does not use it."""
    default, given = parameter_defaults(type(regressor))["quantile"], regressor.quantile
    if not (_uses_quantile(regressor) or np.array_equal(given, default)):
        warn(
            f"loss={regressor.loss!r} does not use quantile={given!r}. Leave quantile "
            "at its default, or set loss='quantile'."
        )


def check_number_y(y: NDArray[Any], counts: bool, name: str = "y") -> NDArray[Any]:
    """Return y unchanged, or raise if counts are negative."""
    if counts and y.min() < 0:
        raise ValueError(
            f"{name} must not be negative with loss='poisson'. Got {y.min():.3g}."
        )
    return y
