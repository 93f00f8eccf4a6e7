r"""Initializers: the distribution that the weights of a layer are drawn from.

All but `orthogonal` draw the weights independently, with mean zero, and differ only in
how the standard deviation depends on the size of the layer. So a scheme is written as
its standard deviation, a function of ``n_out`` and ``n_in``; a decorator names the
distribution.

>>> import numpy as np
>>> he((2, 3), np.random.RandomState(0)).round(2)
array([[ 1.44,  0.33,  0.8 ],
       [ 1.83,  1.52, -0.8 ]])
"""

from collections.abc import Callable, Iterable, Sequence
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .._utils.lookup import look_up
from .._utils.typing import FloatArray

__all__ = [
    "BIAS_INITIALIZERS",
    "INITIALIZERS",
    "Initializer",
    "glorot",
    "glorot_uniform",
    "he",
    "he_uniform",
    "initialize",
    "lecun",
    "lecun_uniform",
    "orthogonal",
    "random",
    "xavier",
    "xavier_uniform",
    "zeros",
]

Shape: TypeAlias = tuple[int, int]
Draw: TypeAlias = Callable[[np.random.RandomState, Shape], FloatArray]


class Initializer:
    """A distribution of a layer's weights, called as ``init((n_out, n_in), rng)``.

    Parameters
    ----------
    std : callable ``(n_out, n_in) -> float``
        Standard deviation of one weight. The initializer takes its name and docstring
        from this function.
    draw : callable ``(rng, shape) -> array``
        Draws numbers of mean 0 and mean square 1 (or zeros).
    scale : float, default=1.0
        Factor on the draw if the user does not set ``init_scale``.
    """

    def __init__(
        self, std: Callable[[int, int], float], draw: Draw, scale: float = 1.0
    ) -> None:
        self.__name__ = std.__name__
        self.__module__ = std.__module__
        self.__doc__ = std.__doc__
        self.std = std
        self.draw = draw
        self.scale = scale

    def __call__(self, shape: Shape, rng: np.random.RandomState) -> FloatArray:
        """Draw the weights of a layer, without ``init_scale``.

        Parameters
        ----------
        shape : (n_out, n_in)
            Units in the layer, units feeding it.
        rng : RandomState
            Advanced by ``n_out * n_in`` draws, by none for `zeros`.

        Returns
        -------
        W : ndarray of shape (n_out, n_in)
        """
        # Standard numbers times the deviation, rather than numbers of that deviation:
        # `rng.randn(n_out, n_in) * std` is how courses and papers write it, and gives
        # the same weights to the bit.
        return self.draw(rng, shape) * self.std(*shape)

    def __repr__(self) -> str:
        return self.__name__

    def __reduce__(self) -> str:  # pickled by its name, as functions are
        return self.__name__


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
    # LAPACK chooses the signs of the columns of Q, which is therefore not uniformly
    # distributed. It is, once the diagonal of R is made positive: see Mezzadri, "How
    # to Generate Random Matrices from the Classical Compact Groups", 2007.
    Q *= np.where(np.diagonal(R) < 0, -1.0, 1.0)
    return np.sqrt(max(shape)) * (Q if n_out >= n_in else Q.T)


def _drawn_from(
    draw: Draw, scale: float = 1.0
) -> Callable[[Callable[[int, int], float]], Initializer]:
    return lambda std: Initializer(std, draw, scale)


def _uniform_version(normal: Initializer, bound: str) -> Initializer:
    def std(n_out: int, n_in: int) -> float:
        return normal.std(n_out, n_in)

    std.__name__ = f"{normal.__name__}_uniform"
    std.__doc__ = rf"""Draw like `{normal.__name__}`, from a uniform of equal variance.

    .. math:: W_{{ij}} \sim \mathcal{{U}}(-a, a), \quad a = {bound}
    """
    return Initializer(std, _uniform)


@_drawn_from(_zeros)
def zeros(n_out: int, n_in: int) -> float:
    """Set every weight to zero, which shows why weights have to be random.

    All units of a layer compute the same output and receive the same gradient, so they
    stay equal however long they train. Random weights break this symmetry.
    """
    return 0.0


@_drawn_from(_normal, scale=0.01)
def random(n_out: int, n_in: int) -> float:
    r"""Draw from a standard normal, times 0.01 unless ``init_scale`` says otherwise.

    .. math:: W_{ij} \sim \mathcal{N}(0,\; 1)

    The standard deviation does not depend on the size of the layer. If it is too small,
    signals vanish with depth; if it is too large, they explode.
    """
    return 1.0


@_drawn_from(_normal)
def xavier(n_out: int, n_in: int) -> float:
    r"""Draw from a normal whose variance suits both directions of propagation.

    .. math:: W_{ij} \sim \mathcal{N}(0,\; 2 / (n_\text{in} + n_\text{out}))

    Where tanh is close to linear, activations keep their variance from layer to layer
    if that of the weights is :math:`1 / n_\text{in}`, and gradients keep theirs if it
    is :math:`1 / n_\text{out}`. The compromise is the inverse of the mean of
    :math:`n_\text{in}` and :math:`n_\text{out}` [1]_. `glorot` is another name for
    it.

    References
    ----------
    .. [1] Glorot & Bengio, "Understanding the difficulty of training deep feedforward
       neural networks", AISTATS 2010, eq. 12.
    """
    return float(np.sqrt(2.0 / (n_in + n_out)))


@_drawn_from(_normal)
def he(n_out: int, n_in: int) -> float:
    r"""Draw from a normal with the variance that a ReLU layer preserves.

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
    r"""Draw from a normal with the variance that a linear layer preserves.

    .. math:: W_{ij} \sim \mathcal{N}(0,\; 1 / n_\text{in})

    A sum of :math:`n_\text{in}` inputs of variance 1 then has variance 1, too [1]_.
    Self-normalizing networks of SELU units need it [2]_.

    References
    ----------
    .. [1] LeCun et al., "Efficient BackProp", 1998, section 4.6.
    .. [2] Klambauer et al., "Self-Normalizing Neural Networks", NeurIPS 2017.
    """
    return float(np.sqrt(1.0 / n_in))


@_drawn_from(_orthogonal)
def orthogonal(n_out: int, n_in: int) -> float:
    r"""Draw a matrix with orthonormal rows, or columns if there are fewer of these.

    .. math:: W W^T = I \quad \text{or} \quad W^T W = I

    Every singular value is one, so a deep linear network neither shrinks nor stretches
    a signal in any direction [1]_. The matrix comes from the QR decomposition of a
    normal one, and all orthogonal matrices are equally likely.

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
    """Return whether `init` is one scheme: a name or a callable, not a list."""
    return isinstance(init, str) or callable(init)


def initialize(
    layer_sizes: Sequence[int],
    rng: np.random.RandomState,
    init: Any = "he",
    init_scale: float | None = None,
    bias_init: str = "zeros",
) -> list[tuple[FloatArray, FloatArray]]:
    """Make the weights and biases that a network starts from.

    Parameters
    ----------
    layer_sizes : sequence of int
        Inputs, units of each hidden layer, outputs.
    rng : RandomState
        Advanced layer by layer: first the weights, then the bias.
    init : str, callable, list of these, or list of arrays, default="he"
        A scheme, or one for each layer; a callable takes ``(n_out, n_in)`` and `rng`
        and returns that shape. Or the arrays ``[W1, b1, W2, b2, ...]`` themselves,
        shaped as in ``coefs_`` and ``intercepts_``: ``(n_in, n_out)``, ``(n_out,)``.
    init_scale : float or None, default=None
        Factor on the draw. None is the scheme's own: 0.01 for "random", else 1.
    bias_init : {"zeros", "random", "uniform"}, default="zeros"
        "random" draws from a normal of the standard deviation of the layer's weights
        (the observed one if a callable drew them), "uniform" within ±1/√n_in.

    Returns
    -------
    layers : list of (W, b)
        Of shapes ``(n_out, n_in)`` and ``(n_out,)``, in the order of the layers.

    Raises
    ------
    ValueError
        If a name is unknown, or a number of entries or a shape does not fit.

    Examples
    --------
    >>> rng = np.random.RandomState(3)
    >>> [W.shape for W, b in initialize([2, 10, 5, 1], rng)]
    [(10, 2), (5, 10), (1, 5)]
    """
    shapes = [*zip(layer_sizes[1:], layer_sizes[:-1], strict=True)]
    if not is_scheme(init) and not all(map(is_scheme, init)):
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
            f"init has {len(schemes)} entries for a network of {n_layers} layers "
            "(the output layer counts); give one for each layer, or one for all."
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
            f"init returned {drawn!r}; expected an array of numbers of shape {shape}."
        ) from error
    if W.shape != shape:
        raise ValueError(
            f"init returned an array of shape {W.shape} for a layer of {shape[1]} "
            f"inputs and {shape[0]} units; expected {shape}."
        )
    if not np.isfinite(W).all():
        raise ValueError(
            f"init returned NaN or infinity for a layer of {shape[1]} inputs and "
            f"{shape[0]} units; weights must be finite."
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
            "init must hold names or callables, one for each layer, or nothing but the "
            f"arrays [W1, b1, W2, b2, ...]. Got a list that is neither: {error}."
        ) from error
    expected = [s for n_out, n_in in shapes for s in ((n_in, n_out), (n_out,))]
    names = [f"{kind}{i}" for i in range(1, len(shapes) + 1) for kind in "Wb"]
    if len(given) != len(expected):
        raise ValueError(
            f"init holds {len(given)} arrays; this network takes {len(expected)}: "
            f"[{', '.join(names)}]."
        )
    for name, array, shape in zip(names, given, expected, strict=True):
        if array.shape != shape:
            raise ValueError(
                f"init gives {name} the shape {array.shape}; expected {shape}, as in "
                f"{'coefs_' if name[0] == 'W' else 'intercepts_'}."
            )
        if not np.isfinite(array).all():
            raise ValueError(
                f"init gives NaN or infinity in {name}; weights must be finite."
            )
    return [(W.T, b) for W, b in zip(given[::2], given[1::2], strict=True)]
