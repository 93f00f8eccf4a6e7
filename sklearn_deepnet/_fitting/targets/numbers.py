"""Targets of a regressor."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._utils.typing import FloatArray
from ...nn.losses import Loss


@dataclass(frozen=True)
class NumberTargets:
    """Targets of a regressor: ``(y - mean) / scale``.

    A prediction is ``mean + scale * output``. Initial weights and learning rates suit
    outputs of about one, so without scaling training would depend on the unit of y.

    Parameters
    ----------
    n_outputs : int
        Number of columns of y.
    mean : ndarray of shape (n_outputs,)
        Subtracted from y.
    scale : ndarray of shape (n_outputs,)
        Divisor of the difference.
    """

    n_outputs: int
    mean: FloatArray
    scale: FloatArray

    def scale_and_shift(self, trains: bool) -> tuple[FloatArray, FloatArray]:
        """Return the factor and the summand of y, of shape (n_outputs, 1)."""
        scale = 1 / self.scale
        return scale[:, np.newaxis], (-self.mean * scale)[:, np.newaxis]

    def encode(self, y: NDArray[Any], name: str = "y") -> NDArray[Any]:
        """Return y of shape (n_samples, n_outputs), in float64 at most."""
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


def check_number_y(y: NDArray[Any], counts: bool, name: str = "y") -> NDArray[Any]:
    """Return y unchanged, or raise if counts are negative."""
    if counts and y.min() < 0:
        raise ValueError(
            f"{name} must not be negative with loss='poisson'. Got {y.min():.3g}."
        )
    return y
