"""Types for annotations."""

from collections.abc import Callable
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray: TypeAlias = NDArray[np.floating[Any]]
IntArray: TypeAlias = NDArray[np.integer[Any]]
BoolArray: TypeAlias = NDArray[np.bool_]
ArrayPair: TypeAlias = tuple[FloatArray, FloatArray]


class SparseMatrix(Protocol):
    """A sparse matrix or array of SciPy."""

    def tocsr(self) -> Any:
        """Return it in compressed rows."""


MatrixLike: TypeAlias = ArrayLike | SparseMatrix
RandomStateLike: TypeAlias = int | np.random.RandomState | None
Method = TypeVar("Method", bound=Callable[..., Any])
FloatDType: TypeAlias = (
    Literal["float32", "float64"]
    | type[np.float32]
    | type[np.float64]
    | type[float]
    | np.dtype[Any]
)
