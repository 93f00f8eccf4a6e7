"""A network, or a stack of networks of one shape, on one flat buffer.

Arrays have the orientation units × samples, and a layer is ``Z = [W b] [A; 1]``. The
bias is the last column of the weights, and the last row of the activations is ones. So
one product computes the outputs, one computes the gradient of weights and bias, and one
propagates the gradient back. Axes before these two are those of the stack.
"""

import math
from collections.abc import Callable, Sequence
from functools import cache, cached_property, lru_cache
from itertools import pairwise
from typing import Any, Protocol, Self, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy.sparse import csr_array, issparse
from threadpoolctl import LibController, ThreadpoolController

from .._utils.typing import FloatArray
from ..nn.activations import Activation
from ..nn.numeric_features import FittedFeatures
from ..nn.scaling import InputScaling

_BLOCK_ELEMENTS = 2**18  # of the work arrays of one block: 2 MB in float64
# With so many parameters, 128 samples are enough work for another thread.
_MANY_PARAMS = 2**17
_EXTENDED_BYTES = 2**24  # of the rows that are copied and scaled once
PIECE_ELEMENTS = 2**15  # of X, copied and scaled while they are in the cache
# Of the copies of the left side of a sparse product, and of the product
_LEFT_BYTES, _PRODUCT_BYTES = 2**22, 2**20
# The names that OpenBLAS gives to its kernels for processors with AVX-512. A product of
# up to so many multiplications is computed by others, without copying its factors.
_WITH_SMALL_KERNELS = frozenset({"SkylakeX", "Cooperlake", "SapphireRapids"})
_SMALL_PRODUCT = 10**6
_FEWEST_ROWS, _FEWEST_ROWS_OF_PART = 64, 8  # with fewer, parts gain nothing

Multiply: TypeAlias = Callable[..., Any]  # like np.matmul, with out=


class Architecture(Protocol):
    """The fields of a specification that `Network.from_spec` needs."""

    @property
    def layer_sizes(self) -> tuple[int, ...]: ...
    @property
    def activations(self) -> Sequence[Activation]: ...
    @property
    def n_frequencies(self) -> int: ...


class Network:
    """Parameters of one network, or a stack, and views of its layers.

    Parameters
    ----------
    layer_sizes : sequence of int
        Inputs of the first layer, units of each hidden layer, outputs.
    activations : sequence of Activation
        One for each hidden layer.
    params : ndarray of shape (*stack_shape, n_params)
        Parameters: layer after layer, ``[W b]`` row by row, followed by the numeric
        features; see `count_params`.
    input_scaling : InputScaling or None, default=None
        Scaling of the inputs.
    n_frequencies : int, default=0
        Number of numeric features that are then made of each input.

    Attributes
    ----------
    layers : list of ndarray of shape (*stack_shape, n_out, n_in + 1)
        ``[W b]`` of each layer, views of `params`.
    """

    def __init__(
        self,
        layer_sizes: Sequence[int],
        activations: Sequence[Activation],
        params: FloatArray,
        input_scaling: InputScaling | None = None,
        n_frequencies: int = 0,
    ) -> None:
        self.layer_sizes = tuple(layer_sizes)
        self.activations = tuple(activations)
        self.params = params
        self.input_scaling = input_scaling
        self.n_frequencies = n_frequencies
        self.stack_shape = params.shape[:-1]
        self.layers = cut_layers(self.layer_sizes, params)

    @classmethod
    def from_spec(cls, spec: Architecture, params: FloatArray) -> Self:
        """Return a network that does not scale its inputs, with these parameters."""
        n_frequencies = spec.n_frequencies
        return cls(spec.layer_sizes, spec.activations, params, None, n_frequencies)

    @cached_property
    def features(self) -> FittedFeatures:
        """Frequencies and phases of the numeric features, as views of `params`.

        Each is of shape ``(*stack_shape, n_inputs, n_frequencies)``.
        """
        return cut_features(self.layer_sizes, self.n_frequencies, self.params)

    @property
    def shares_inputs(self) -> bool:
        """Whether all networks of a stack have the same inputs."""
        return self.input_scaling is None or self.input_scaling.is_shared

    @property
    def takes_sparse(self) -> bool:
        """Whether sparse inputs stay sparse instead of becoming dense blocks."""
        return self.input_scaling is None and self.n_frequencies == 0


def count_inputs(layer_sizes: Sequence[int], n_frequencies: int) -> int:
    """Return the number of inputs of a network, without numeric features."""
    return layer_sizes[0] // (1 + n_frequencies)


def count_frequencies(layer_sizes: Sequence[int], n_inputs: int) -> int:
    """Return the number of numeric features of each input."""
    return layer_sizes[0] // n_inputs - 1


def count_params(layer_sizes: Sequence[int], n_frequencies: int = 0) -> int:
    """Return the number of weights, biases, frequencies and phases of one network."""
    n_features = layer_sizes[0] - count_inputs(layer_sizes, n_frequencies)
    n_in_layers = sum(n_out * (n_in + 1) for n_in, n_out in pairwise(layer_sizes))
    return n_in_layers + 2 * n_features


def cut_layers(layer_sizes: Sequence[int], flat: FloatArray) -> list[FloatArray]:
    """Return the views ``[W b]``, of shape ``(*stack_shape, n_out, n_in + 1)``."""
    layers, start = [], 0
    for n_in, n_out in pairwise(layer_sizes):
        stop = start + n_out * (n_in + 1)
        shape = (*flat.shape[:-1], n_out, n_in + 1)
        layers.append(flat[..., start:stop].reshape(shape))
        start = stop
    return layers


def cut_features(
    layer_sizes: Sequence[int], n_frequencies: int, flat: FloatArray
) -> FittedFeatures:
    """Return views, each of shape ``(*stack_shape, n_inputs, n_frequencies)``."""
    n_inputs = count_inputs(layer_sizes, n_frequencies)
    after_layers = flat[..., count_params(layer_sizes) :]
    shape = (*flat.shape[:-1], 2, n_inputs, n_frequencies)
    both = after_layers.reshape(shape)
    return FittedFeatures(both[..., 0, :, :], both[..., 1, :, :])


def count_samples(inputs: Any) -> int:
    """Return the number of samples of inputs as `apply_layer` takes them."""
    return inputs.shape[0 if issparse(inputs) else -1]


def rows_per_block(layer_sizes: Sequence[int], sparse: bool = False) -> int:
    """Return the number of samples in a block, so that a block fits into the cache.

    It depends only on the layers, and not on the number of networks, on threads or on
    the machine, since it determines the order of summation.

    Sparse inputs need little memory, but each block uses all weights of the first
    layer. So a block has more rows, with work arrays of an eighth of the size of these
    weights.
    """
    n_units = sum(layer_sizes[sparse:])
    rows = _BLOCK_ELEMENTS // (2 * n_units)
    if sparse:
        rows = max(rows, layer_sizes[0] // 8)
    fewest = 128 if count_params(layer_sizes) >= _MANY_PARAMS else 256
    return max(fewest, rows // 64 * 64)


def copy_inputs(X: Any, scaling: InputScaling | None, out: FloatArray) -> None:
    """Write rows of X, scaled and cast, to `out`."""
    if not isinstance(X, np.ndarray):
        X = X.toarray()
    if scaling is None:
        out[...] = X
    else:
        scaling.apply(X, out)


def extend_inputs(
    parts: Sequence[NDArray[Any]],
    scalings: Sequence[InputScaling | None],
    dtype: DTypeLike,
) -> FloatArray | None:
    """Return the rows of all parts, each with its scaling, and a column of ones.

    None if they are not small.
    """
    shape = sum(map(len, parts)), parts[0].shape[1] + 1
    if math.prod(shape) * np.dtype(dtype).itemsize > _EXTENDED_BYTES:
        return None
    extended, start = np.ones(shape, dtype), 0
    for X, scaling in zip(parts, scalings, strict=True):
        out = extended[start : start + len(X), :-1]
        size = max(1, PIECE_ELEMENTS // X.shape[1])
        for at in range(0, len(X), size):
            copy_inputs(X[at : at + size], scaling, out[at : at + size])
        start += len(X)
    return extended


@cache
def blas_libraries() -> list[LibController]:
    """Return the BLAS libraries of the process. To find them takes 6 to 18 ms."""
    return ThreadpoolController().select(user_api="blas").lib_controllers


def most_samples_at_once(layer_sizes: Sequence[int]) -> float:
    """Return for how many samples no product is large, so that ``np.matmul`` is best.

    It takes less time to call than `multiply_in_parts`. The result is infinite if
    OpenBLAS has no kernels for small products.
    """
    if not _has_small_kernels():
        return np.inf
    largest = max(n_out * (n_in + 1) for n_in, n_out in pairwise(layer_sizes))
    return _SMALL_PRODUCT // largest


def multiply_in_parts(left: FloatArray, right: FloatArray, out: FloatArray) -> None:
    """Write the matrix product to `out`, in parts of a few rows if it is large.

    OpenBLAS copies the factors of a large product into the order of its kernels. On
    processors with AVX-512, its kernels for small products do without. They take 10 to
    20 % less time if `right` is stored row by row, even where it is first copied. Only
    for the gradients of hidden layers, copying the activations takes as long as that.

    Parameters
    ----------
    left : ndarray of shape (..., n_rows, n_terms)
    right : ndarray of shape (..., n_terms, n_columns)
        It may be shared by the networks of a stack.
    out : ndarray of shape (..., n_rows, n_columns)
        Overwritten.
    """
    n_rows = left.shape[-2]
    n_parts = _count_parts(n_rows, *right.shape[-2:])
    if n_parts == 1:
        np.matmul(left, right, out=out)
        return
    right = np.ascontiguousarray(right)[..., np.newaxis, :, :]
    parts = *left.shape[:-2], n_parts, n_rows // n_parts
    left = left.reshape(*parts, left.shape[-1])
    np.matmul(left, right, out=out.reshape(*parts, out.shape[-1]))


@lru_cache(maxsize=256)
def _count_parts(n_rows: int, n_terms: int, n_columns: int) -> int:
    """Return the least number of equal parts that are small products, or 1."""
    if n_rows < _FEWEST_ROWS:
        return 1
    most = min(n_rows, _SMALL_PRODUCT // (n_terms * n_columns))
    for n_rows_of_part in range(most, _FEWEST_ROWS_OF_PART - 1, -1):
        if n_rows % n_rows_of_part == 0:
            return n_rows // n_rows_of_part
    return 1


@cache
def _has_small_kernels() -> bool:
    names = {getattr(library, "architecture", None) for library in blas_libraries()}
    return not names.isdisjoint(_WITH_SMALL_KERNELS)


def apply_layer(
    layer: FloatArray, inputs: Any, out: FloatArray, multiply: Multiply = np.matmul
) -> None:
    """Write ``[W b] [A; 1]`` into `out`.

    Parameters
    ----------
    layer : ndarray of shape (..., n_out, n_in + 1)
        ``[W b]``.
    inputs : ndarray of shape (..., n_in + 1, n_samples)
        ``[A; 1]``. For one network it may be a CSR matrix of shape (n_samples, n_in):
        A transposed, without the ones.
    out : ndarray of shape (..., n_out, n_samples)
        Overwritten. If `inputs` is sparse, there may be further columns, which become
        zero.
    """
    if isinstance(inputs, np.ndarray):  # ten times as fast as `issparse`
        multiply(layer, inputs, out=out)
        return
    n_samples = inputs.shape[0]
    # With denormal numbers, which may be there, BLAS is a hundred times slower.
    out[:, n_samples:] = 0
    out = out[:, :n_samples]
    if 2 * inputs.nnz < inputs.shape[1]:
        columns, rows = _occurring(inputs)
        product = rows @ layer[:, columns].swapaxes(-1, -2)
        out[...] = product.swapaxes(-1, -2)
    else:
        _multiply_sparse(layer[:, :-1], inputs, out, _LEFT_BYTES)
    np.add(out, layer[:, -1:], out=out)


def propagate_back(
    weights_t: FloatArray,
    grad: FloatArray,
    out: FloatArray,
    multiply: Multiply = np.matmul,
) -> None:
    """Write the gradient by the inputs of a layer into `out`: ``Wᵀ`` times `grad`.

    Parameters
    ----------
    weights_t : ndarray of shape (..., n_in, n_out)
        ``W`` transposed.
    grad : ndarray of shape (..., n_out, n_samples)
        Gradient by the outputs of the layer.
    out : ndarray of shape (..., n_in, n_samples)
        Overwritten.
    """
    if grad.shape[-2] == 1:
        # Same result, for which BLAS would take two to ten times as long.
        np.multiply(weights_t, grad, out=out)
    else:
        multiply(weights_t, grad, out=out)


def write_gradient(
    grad: FloatArray, inputs_t: Any, out: FloatArray, multiply: Multiply = np.matmul
) -> None:
    """Write the gradient by ``[W b]`` into `out`, given that by ``[W b] [A; 1]``.

    Parameters
    ----------
    grad : ndarray of shape (..., n_out, n_samples)
        Gradient by the outputs of the layer.
    inputs_t : ndarray of shape (..., n_samples, n_in + 1)
        ``[A; 1]`` transposed. For one network it may be a CSR matrix of shape
        (n_samples, n_in), without the ones.
    out : ndarray of shape (..., n_out, n_in + 1)
        Overwritten.
    """
    if isinstance(inputs_t, np.ndarray):
        multiply(grad, inputs_t, out=out)
        return
    inputs = _transpose_sparse(inputs_t)
    _multiply_sparse(grad, inputs, out[:, :-1], _PRODUCT_BYTES)
    np.add.reduce(grad, axis=-1, out=out[:, -1])


def _occurring(rows: Any) -> tuple[NDArray[Any], Any]:
    """Return the columns that occur in `rows`, and the rows with only these columns.

    Each sum has the same terms in the same order, so results are bit-for-bit the same.
    """
    if rows.shape[0] == 1:
        columns, places = rows.indices, np.arange(rows.nnz, dtype=rows.indices.dtype)
    else:
        columns, places = np.unique(rows.indices, return_inverse=True)
    arrays = rows.data, places, rows.indptr
    return columns, csr_array(arrays, (rows.shape[0], len(columns)))


def _transpose_sparse(matrix: Any) -> Any:
    return matrix.transpose()


def _multiply_sparse(
    left: FloatArray, right_t: Any, out: FloatArray, n_bytes: int
) -> None:
    """Write the product to `out`, for some units at a time, which take `n_bytes`.

    SciPy requires the left side, and returns the product, with rows and columns
    exchanged. Copies of a few units at a time fit into the cache.
    """
    n_columns = right_t.shape[1]
    size = min(len(left), max(1, n_bytes // (left.itemsize * max(right_t.shape))))
    # SciPy would allocate memory for each copy, which takes as long as copying.
    memory = np.empty(n_columns * size, left.dtype)
    for at in range(0, len(left), size):
        units = left[at : at + size]
        copy = memory[: n_columns * len(units)].reshape(n_columns, len(units))
        copy[...] = units.swapaxes(-1, -2)
        product = right_t @ copy
        out[at : at + size] = product.swapaxes(-1, -2)
