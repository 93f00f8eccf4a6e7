r"""Initializers: the distributions from which weights are drawn.

All initializers except `orthogonal` draw the weights independently, with mean zero.
They differ only in how the standard deviation depends on the size of the layer. An
initializer is therefore written as a function that returns the standard deviation for
``n_out`` and ``n_in``. A decorator determines the distribution.

>>> import numpy as np
>>> he((2, 3), np.random.RandomState(0)).round(2)
array([[ 1.44,  0.33,  0.8 ],
       [ 1.83,  1.52, -0.8 ]])
"""

import sys
from collections.abc import Callable, Iterable, Sequence
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .._utils.lookup import look_up
from .._utils.typing import FloatArray

# fmt: off
__all__ = [
    "BIAS_INITIALIZERS", "INITIALIZERS", "Initializer", "glorot", "glorot_uniform",
    "he", "he_uniform", "initialize", "lecun", "lecun_uniform", "orthogonal", "random",
    "xavier", "xavier_uniform", "zeros",
]
# fmt: on

Shape: TypeAlias = tuple[int, int]
Draw: TypeAlias = Callable[[np.random.RandomState, Shape], FloatArray]


class Initializer:
    """Draws the weights of a layer; called as ``init((n_out, n_in), rng)``.

    Parameters
    ----------
    std : callable ``(n_out, n_in) -> float``
        Standard deviation of a weight. The initializer takes its name and docstring
        from this function.
    draw : callable ``(rng, shape) -> array``
        Draws numbers with mean 0 and mean square 1 (or zeros).
    scale : float, default=1.0
        Factor that multiplies the weights if the user does not set ``init_scale``.
    """

    def __init__(
        self, std: Callable[[int, int], float], draw: Draw, scale: float = 1.0
    ) -> None:
        self.__name__ = std.__name__
        self.__module__ = std.__module__
        self.__doc__ = std.__doc__
        self.std, self.draw, self.scale = std, draw, scale

    def __call__(self, shape: Shape, rng: np.random.RandomState) -> FloatArray:
        """Draw the weights of a layer, without ``init_scale``.

        Parameters
        ----------
        shape : (n_out, n_in)
            Number of units in the layer and number of its inputs.
        rng : RandomState
            Random generator. ``n_out * n_in`` numbers are drawn, or none for `zeros`.

        Returns
        -------
        W : ndarray of shape (n_out, n_in)
        """
        # Standard numbers are multiplied by the standard deviation, as in courses and
        # papers. `rng.randn(n_out, n_in) * std` gives bit-for-bit the same weights.
        return self.draw(rng, shape) * self.std(*shape)

    def __repr__(self) -> str:
        return self.__name__

    def __reduce_ex__(self, protocol: Any) -> str | tuple[Any, ...]:
        # pickled by its name, as functions are, if it can be found under that name
        found = getattr(sys.modules.get(self.__module__), self.__name__, None)
        return self.__name__ if found is self else super().__reduce_ex__(protocol)

    def __setstate__(self, state: dict[str, Any]) -> None:
        # skops saves functions by name, which is that of the initializer if decorated
        found = state["std"]
        vars(self).update(vars(found) if isinstance(found, Initializer) else state)


class NamedInitializer(Initializer):
    """An initializer of `INITIALIZERS`, of which a copy is found by its name."""

    def __new__(cls, name: str) -> Any:
        """Return the initializer with this name."""
        return INITIALIZERS[name]

    def __init__(self, name: str) -> None: ...

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return self.__reduce__()

    def __reduce__(self) -> tuple[Any, ...]:  # which skops calls
        return type(self), (self.__name__,)


def _normal(rng: np.random.RandomState, shape: Shape) -> FloatArray:
    return rng.randn(*shape)


def _uniform(rng: np.random.RandomState, shape: Shape) -> FloatArray:
    # The variance of a uniform distribution on (-a, a) is a² / 3.
    return rng.uniform(-np.sqrt(3.0), np.sqrt(3.0), shape)


def _zeros(rng: np.random.RandomState, shape: Shape) -> FloatArray:
    return np.zeros(shape)


def _orthogonal(rng: np.random.RandomState, shape: Shape) -> FloatArray:
    n_out, n_in = shape
    normal = rng.randn(n_out, n_in)
    Q, R = np.linalg.qr(normal if n_out >= n_in else normal.T)
    # LAPACK chooses the signs of the columns of Q, so Q is not uniformly distributed.
    # It becomes so by making the diagonal of R positive; see Mezzadri, "How to Generate
    # Random Matrices from the Classical Compact Groups", 2007.
    Q *= np.where(np.diagonal(R) < 0, -1.0, 1.0)
    return np.sqrt(max(shape)) * (Q if n_out >= n_in else Q.T)


def _drawn_from(
    draw: Draw, scale: float = 1.0
) -> Callable[[Callable[[int, int], float]], Initializer]:
    def decorate(std: Callable[[int, int], float]) -> Initializer:
        initializer = object.__new__(NamedInitializer)
        Initializer.__init__(initializer, std, draw, scale)
        return initializer

    return decorate


def _uniform_version(normal: Initializer, bound: str) -> Initializer:
    def std(n_out: int, n_in: int) -> float:
        return normal.std(n_out, n_in)

    std.__name__ = f"{normal.__name__}_uniform"
    std.__doc__ = rf"""Draw like `{normal.__name__}`, but from a uniform distribution.

    .. math:: W_{{ij}} \sim \mathcal{{U}}(-a, a), \quad a = {bound}
    """
    return _drawn_from(_uniform)(std)


@_drawn_from(_zeros)
def zeros(n_out: int, n_in: int) -> float:
    """Set all weights to zero, which shows why weights have to be random.

    All units of a layer then compute the same output and receive the same gradient, so
    they stay equal, no matter how long training takes. Random weights break this
    symmetry.
    """
    return 0.0


@_drawn_from(_normal, scale=0.01)
def random(n_out: int, n_in: int) -> float:
    r"""Draw from a standard normal distribution, times ``init_scale`` (default 0.01).

    .. math:: W_{ij} \sim \mathcal{N}(0,\; 1)

    The standard deviation does not depend on the size of the layer. If it is too small,
    signals vanish with depth; if it is too large, they explode.
    """
    return 1.0


@_drawn_from(_normal)
def xavier(n_out: int, n_in: int) -> float:
    r"""Draw from a normal distribution that suits forward and backward propagation.

    .. math:: W_{ij} \sim \mathcal{N}(0,\; 2 / (n_\text{in} + n_\text{out}))

    Where tanh is close to linear, activations keep their variance from layer to layer
    if the variance of the weights is :math:`1 / n_\text{in}`. Gradients keep theirs if
    it is :math:`1 / n_\text{out}`. This initializer uses the inverse of the mean of
    :math:`n_\text{in}` and :math:`n_\text{out}` as a compromise [1]_. `glorot` is
    another name for it.

    References
    ----------
    .. [1] Glorot & Bengio, "Understanding the difficulty of training deep feedforward
       neural networks", AISTATS 2010, eq. 12.
    """
    return float(np.sqrt(2.0 / (n_in + n_out)))


@_drawn_from(_normal)
def he(n_out: int, n_in: int) -> float:
    r"""Draw from a normal distribution that keeps the signal size in ReLU layers.

    .. math:: W_{ij} \sim \mathcal{N}(0,\; 2 / n_\text{in})

    A ReLU sets the negative half of its inputs to zero, which halves the second
    moment; the factor 2 restores it [1]_.

    References
    ----------
    .. [1] He et al., "Delving Deep into Rectifiers", ICCV 2015, eq. 10.
    """
    return float(np.sqrt(2.0 / n_in))


@_drawn_from(_normal)
def lecun(n_out: int, n_in: int) -> float:
    r"""Draw from a normal distribution that keeps the variance in linear layers.

    .. math:: W_{ij} \sim \mathcal{N}(0,\; 1 / n_\text{in})

    A weighted sum of :math:`n_\text{in}` inputs with variance 1 then has variance 1 as
    well [1]_. Self-normalizing networks with SELU units require this initializer [2]_.

    References
    ----------
    .. [1] LeCun et al., "Efficient BackProp", 1998, section 4.6.
    .. [2] Klambauer et al., "Self-Normalizing Neural Networks", NeurIPS 2017.
    """
    return float(np.sqrt(1.0 / n_in))


@_drawn_from(_orthogonal)
def orthogonal(n_out: int, n_in: int) -> float:
    r"""Draw a matrix with orthonormal rows or, if it is tall, orthonormal columns.

    .. math:: W W^T = I \quad \text{or} \quad W^T W = I

    All singular values are one, so a deep linear network neither shrinks nor stretches
    a signal in any direction [1]_. The matrix is computed by the QR decomposition of a
    matrix of normal numbers. All orthogonal matrices are equally likely.

    References
    ----------
    .. [1] Saxe et al., "Exact solutions to the nonlinear dynamics of learning in deep
       linear neural networks", ICLR 2014.
    """
    return float(1.0 / np.sqrt(max(n_out, n_in)))


xavier_uniform = _uniform_version(xavier, r"\sqrt{6 / (n_\text{in} + n_\text{out})}")
he_uniform = _uniform_version(he, r"\sqrt{6 / n_\text{in}}")
lecun_uniform = _uniform_version(lecun, r"\sqrt{3 / n_\text{in}}")
glorot = xavier
glorot_uniform = xavier_uniform

INITIALIZERS = MappingProxyType(
    {
        "zeros": zeros,
        "random": random,
        "xavier": xavier,
        "xavier_uniform": xavier_uniform,
        "glorot": glorot,
        "glorot_uniform": glorot_uniform,
        "he": he,
        "he_uniform": he_uniform,
        "lecun": lecun,
        "lecun_uniform": lecun_uniform,
        "orthogonal": orthogonal,
    }
)


def _zero_bias(W: FloatArray, std: float, rng: np.random.RandomState) -> FloatArray:
    return np.zeros(len(W))


def _random_bias(W: FloatArray, std: float, rng: np.random.RandomState) -> FloatArray:
    return rng.randn(len(W)) * std


def _uniform_bias(W: FloatArray, std: float, rng: np.random.RandomState) -> FloatArray:
    bound = 1.0 / np.sqrt(W.shape[1])
    return rng.uniform(-bound, bound, len(W))


BIAS_INITIALIZERS = MappingProxyType(
    {"zeros": _zero_bias, "random": _random_bias, "uniform": _uniform_bias}
)

# Names as types, for editors and type checkers; a test compares them with the tables.
InitializerName: TypeAlias = Literal[
    "zeros",
    "random",
    "xavier",
    "xavier_uniform",
    "glorot",
    "glorot_uniform",
    "he",
    "he_uniform",
    "lecun",
    "lecun_uniform",
    "orthogonal",
]
BiasInitializerName: TypeAlias = Literal["zeros", "random", "uniform"]
Scheme: TypeAlias = InitializerName | Callable[[Shape, np.random.RandomState], Any]
InitializerLike: TypeAlias = Scheme | Sequence[Scheme | NDArray[Any]]


def is_scheme(init: Any) -> bool:
    """Return whether `init` is a single initializer: a name or a callable."""
    return isinstance(init, str) or callable(init)


def initialize(
    layer_sizes: Sequence[int],
    rng: np.random.RandomState,
    init: Any = "he",
    init_scale: float | None = None,
    bias_init: str = "zeros",
) -> list[tuple[FloatArray, FloatArray]]:
    """Return the initial weights and biases of a network.

    Parameters
    ----------
    layer_sizes : sequence of int
        Number of inputs, units of each hidden layer, and outputs.
    rng : RandomState
        Random generator. For each layer, the weights are drawn first, then the biases.
    init : str, callable, list of these, or list of arrays, default="he"
        Name of an initializer, a callable that takes ``(n_out, n_in)`` and `rng` and
        returns an array of that shape, or a list with one of these for each layer. It
        may also be a list of the arrays ``[W1, b1, W2, b2, ...]``, of the shapes of
        ``coefs_`` and ``intercepts_``: ``(n_in, n_out)`` and ``(n_out,)``.
    init_scale : float or None, default=None
        Factor that multiplies the drawn weights. None is the default of the
        initializer, which is 0.01 for "random" and 1 for all others.
    bias_init : {"zeros", "random", "uniform"}, default="zeros"
        "zeros" sets the biases to zero. "random" draws them from a normal distribution
        with the standard deviation of the weights of the layer (the observed one if a
        callable drew the weights). "uniform" draws them between ±1/√n_in.

    Returns
    -------
    layers : list of (W, b)
        Weights of shape ``(n_out, n_in)`` and biases of shape ``(n_out,)`` of each
        layer.

    Raises
    ------
    ValueError
        If a name is unknown, or if a number of entries or a shape is wrong.

    Examples
    --------
    >>> rng = np.random.RandomState(3)
    >>> [W.shape for W, b in initialize([2, 10, 5, 1], rng)]
    [(10, 2), (5, 10), (1, 5)]
    """
    shapes = [*zip(layer_sizes[1:], layer_sizes[:-1], strict=True)]
    if not is_scheme(init) and not all(map(is_scheme, init)):
        look_up(BIAS_INITIALIZERS, bias_init, "bias_init")  # not used, but checked
        return _from_arrays(init, shapes)
    schemes = _one_per_layer(init, len(shapes))
    draw_bias = look_up(BIAS_INITIALIZERS, bias_init, "bias_init")
    layers = []
    for scheme, shape in zip(schemes, shapes, strict=True):
        W, std = _draw_weights(scheme, shape, init_scale, rng)
        layers.append((W, draw_bias(W, std, rng)))
    return layers


def _one_per_layer(init: Any, n_layers: int) -> list[Callable[..., FloatArray]]:
    schemes = [init] * n_layers if is_scheme(init) else list(init)
    if len(schemes) != n_layers:
        raise ValueError(
            f"init has {len(schemes)} entries, but the network has {n_layers} layers "
            "(including the output layer). Give one for each layer, or one for all."
        )
    return [look_up(INITIALIZERS, scheme, "init") for scheme in schemes]


def _draw_weights(
    scheme: Callable[..., FloatArray],
    shape: Shape,
    init_scale: float | None,
    rng: np.random.RandomState,
) -> tuple[FloatArray, float]:
    drawn = scheme(shape, rng)
    try:
        W = np.asarray(drawn, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"init must return an array of numbers of shape {shape}. Got {drawn!r}."
        ) from error
    if W.shape != shape:
        raise ValueError(
            f"init must return an array of shape {shape} for a layer with {shape[1]} "
            f"inputs and {shape[0]} units. Got the shape {W.shape}."
        )
    if not np.isfinite(W).all():
        raise ValueError(
            f"init must return finite weights. Got NaN or infinity for a layer with "
            f"{shape[1]} inputs and {shape[0]} units."
        )
    if isinstance(scheme, Initializer):
        own_scale, std = scheme.scale, scheme.std(*shape)
    else:
        own_scale, std = 1.0, float(np.sqrt(np.mean(W * W)))
    scale = own_scale if init_scale is None else init_scale
    return W * scale, std * scale


def _from_arrays(
    arrays: Iterable[Any], shapes: Sequence[Shape]
) -> list[tuple[FloatArray, FloatArray]]:
    try:
        given = [np.array(array, dtype=float) for array in arrays]
    except (TypeError, ValueError) as error:
        raise ValueError(
            "init must contain either a name or callable for each layer, or the "
            f"arrays [W1, b1, W2, b2, ...]. Got a list that is neither: {error}."
        ) from error
    expected = [s for n_out, n_in in shapes for s in ((n_in, n_out), (n_out,))]
    names = [f"{kind}{i}" for i in range(1, len(shapes) + 1) for kind in "Wb"]
    if len(given) != len(expected):
        raise ValueError(
            f"init contains {len(given)} arrays, but this network requires "
            f"{len(expected)}: [{', '.join(names)}]."
        )
    for name, array, shape in zip(names, given, expected, strict=True):
        if array.shape != shape:
            raise ValueError(
                f"{name} in init must have the shape {shape}, as in "
                f"{'coefs_' if name[0] == 'W' else 'intercepts_'}. Got the shape "
                f"{array.shape}."
            )
        if not np.isfinite(array).all():
            raise ValueError(
                f"{name} in init must be finite, but contains NaN or infinity."
            )
    return [(W.T, b) for W, b in zip(given[::2], given[1::2], strict=True)]
