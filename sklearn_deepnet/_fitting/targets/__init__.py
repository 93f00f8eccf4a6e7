"""The encoding of y as targets of a network, for labels and for numbers."""

from typing import Any, Protocol

from numpy.typing import NDArray

from ..._utils.typing import FloatArray
from ...nn.losses import Loss
from .classes import (
    ClassTargets,
    check_class_y,
    find_classes,
    find_partial_classes,
    warn_of_one_class,
    warn_of_one_hot,
)
from .numbers import (
    NumberTargets,
    check_number_y,
    resolve_number_loss,
    warn_of_unused_quantile,
)

__all__ = [
    "ClassTargets",
    "NumberTargets",
    "Targets",
    "check_class_y",
    "check_number_y",
    "find_classes",
    "find_partial_classes",
    "resolve_number_loss",
    "warn_of_one_class",
    "warn_of_one_hot",
    "warn_of_unused_quantile",
]


class Targets(Protocol):
    """How y is encoded and weighted, and which output layer belongs to it."""

    @property
    def n_outputs(self) -> int:
        """Number of output units."""

    @property
    def n_target_rows(self) -> int:
        """Number of targets of a sample: one for each output unit, or one for all."""

    def scale_and_shift(self, trains: bool) -> tuple[Any, Any]:
        """Return the factor and the summand that `Batches` applies to the target.

        They are arrays or floats. `trains` says whether the target is of the training
        set or of the validation set.
        """

    def encode(self, y: NDArray[Any], name: str = "y") -> NDArray[Any]:
        """Return y as `Batches` takes it, of shape (n_samples, n_outputs or 1).

        An error message calls it `name`.
        """

    def weigh(
        self, target: NDArray[Any], weight: FloatArray | None
    ) -> FloatArray | None:
        """Return sample weights times class weights; None is all ones."""

    def find_only_class(self, target: NDArray[Any]) -> int | None:
        """Return the index of the class that all rows are of; None for several."""

    def strata(self, y: NDArray[Any]) -> NDArray[Any] | None:
        """Return the labels by which to stratify a split, or None."""

    def name_out_activation(self, loss: Loss) -> str:
        """Return the name of the output layer's activation."""
