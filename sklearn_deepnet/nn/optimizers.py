r"""Optimizers: how a gradient moves the parameters.

An optimizer is its settings, and frozen. Its state is passed to it: arrays shaped like
the parameters, `n_moments` of them, zero at the start. A step works in place on flat
buffers, with one learning rate per network:

>>> import numpy as np
>>> params, gradient = np.array([1.0, 2.0]), np.array([0.5, -0.5])
>>> buffers = Buffers(params, gradient, moments=(), scratch=np.empty(2))
>>> SGD().step(buffers, learning_rate=np.array([0.1]), n_steps=1)
>>> params
array([0.95, 2.05])

An optimizer of your own that moves each parameter alone, and keeps nothing between
steps but its moments, says ``elementwise = True``. Its networks are then trained in
stacks; a subclass does not inherit this, and has to say so itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from types import MappingProxyType
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, TypeAlias

import numpy as np

from .._utils.typing import FloatArray

__all__ = [
    "LBFGS",
    "OPTIMIZERS",
    "SGD",
    "SOLVERS",
    "Adam",
    "AdamW",
    "Buffers",
    "Momentum",
    "Nesterov",
    "Optimizer",
    "RMSprop",
]


class Buffers(NamedTuple):
    """The arrays that a step works on, all of shape ``(*stack_shape, n_params)``.

    Parameters
    ----------
    params : ndarray
        To be moved.
    gradient : ndarray
        May be overwritten.
    moments : sequence of ndarray
        The state of the optimizer, `n_moments` of them; updated in place.
    scratch : ndarray
        A work array, since nothing is allocated per step.
    """

    params: FloatArray
    gradient: FloatArray
    moments: Sequence[FloatArray]
    scratch: FloatArray


class Optimizer(Protocol):
    """What the training loop needs of an optimizer."""

    n_moments: ClassVar[int]
    decouples_decay: ClassVar[bool]

    def step(self, buffers: Buffers, learning_rate: FloatArray, n_steps: int) -> None:
        """Move the parameters in place.

        Parameters
        ----------
        buffers : Buffers
            Parameters, gradient, moments and a work array.
        learning_rate : ndarray of shape ``(*stack_shape, 1)``
            One for each network.
        n_steps : int
            Steps taken since the moments were zero, this one included.
        """


@dataclass(frozen=True, slots=True)
class SGD(Optimizer):
    r"""Gradient descent: :math:`\theta \leftarrow \theta - \eta\, g`.

    With the full batch, the plain gradient descent of the textbooks.
    """

    n_moments: ClassVar[int] = 0
    decouples_decay: ClassVar[bool] = False
    elementwise: ClassVar[bool] = True

    def step(self, buffers: Buffers, learning_rate: FloatArray, n_steps: int) -> None:
        params, gradient, _, scratch = buffers
        np.multiply(gradient, learning_rate, out=scratch)
        np.subtract(params, scratch, out=params)


@dataclass(frozen=True, slots=True)
class Momentum(Optimizer):
    r"""Heavy-ball momentum [1]_.

    .. math::
        v &\leftarrow \mu v - \eta\, g \\
        \theta &\leftarrow \theta + v

    Parameters
    ----------
    momentum : float, default=0.9
        :math:`\mu`, the fraction of the velocity that is left after a step, in [0, 1).

    References
    ----------
    .. [1] Polyak, "Some methods of speeding up the convergence of iteration methods",
       USSR Computational Mathematics and Mathematical Physics, 1964.
    """

    momentum: float = 0.9
    n_moments: ClassVar[int] = 1
    decouples_decay: ClassVar[bool] = False
    elementwise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_share("momentum", self.momentum)

    def step(self, buffers: Buffers, learning_rate: FloatArray, n_steps: int) -> None:
        params, gradient, (v,), scratch = buffers
        np.multiply(gradient, learning_rate, out=scratch)
        np.multiply(v, self.momentum, out=v)
        np.subtract(v, scratch, out=v)
        np.add(params, v, out=params)


@dataclass(frozen=True, slots=True)
class Nesterov(Optimizer):
    r"""Nesterov's accelerated gradient, in the form of [1]_.

    The gradient is taken at the point to which the velocity leads. If the parameters
    are stored at that point, as here and in most libraries,

    .. math::
        v &\leftarrow \mu v - \eta\, g \\
        \theta &\leftarrow \theta + \mu v - \eta\, g

    Parameters
    ----------
    momentum : float, default=0.9
        :math:`\mu`, the fraction of the velocity that is left after a step, in [0, 1).

    References
    ----------
    .. [1] Sutskever et al., "On the importance of initialization and momentum in deep
       learning", ICML 2013, eqs. 3 and 4.
    """

    momentum: float = 0.9
    n_moments: ClassVar[int] = 1
    decouples_decay: ClassVar[bool] = False
    elementwise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_share("momentum", self.momentum)

    def step(self, buffers: Buffers, learning_rate: FloatArray, n_steps: int) -> None:
        params, gradient, (v,), scratch = buffers
        np.multiply(gradient, learning_rate, out=gradient)
        np.multiply(v, self.momentum, out=v)
        np.subtract(v, gradient, out=v)
        np.multiply(v, self.momentum, out=scratch)
        np.subtract(scratch, gradient, out=scratch)
        np.add(params, scratch, out=params)


@dataclass(frozen=True, slots=True)
class RMSprop(Optimizer):
    r"""Divide the gradient by a running root mean square of itself [1]_.

    .. math::
        v &\leftarrow \rho v + (1 - \rho)\, g^2 \\
        \theta &\leftarrow \theta - \eta\, g / (\sqrt{v} + \epsilon)

    Parameters
    ----------
    rho : float, default=0.9
        How much of the mean square is kept, in [0, 1).
    epsilon : float, default=1e-8
        Keeps the division finite; positive.

    References
    ----------
    .. [1] Tieleman & Hinton, "Neural Networks for Machine Learning", lecture 6e, 2012.
    """

    rho: float = 0.9
    epsilon: float = 1e-8
    n_moments: ClassVar[int] = 1
    decouples_decay: ClassVar[bool] = False
    elementwise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_share("rho", self.rho)
        _check_positive("epsilon", self.epsilon)

    def step(self, buffers: Buffers, learning_rate: FloatArray, n_steps: int) -> None:
        params, gradient, (v,), scratch = buffers
        np.multiply(gradient, gradient, out=scratch)
        np.multiply(scratch, 1 - self.rho, out=scratch)
        np.multiply(v, self.rho, out=v)
        np.add(v, scratch, out=v)
        np.sqrt(v, out=scratch)
        np.add(scratch, self.epsilon, out=scratch)
        np.divide(gradient, scratch, out=scratch)
        np.multiply(scratch, learning_rate, out=scratch)
        np.subtract(params, scratch, out=params)


@dataclass(frozen=True, slots=True)
class Adam(Optimizer):
    r"""Adaptive moments [1]_.

    .. math::
        m &\leftarrow \beta_1 m + (1 - \beta_1)\, g \\
        v &\leftarrow \beta_2 v + (1 - \beta_2)\, g^2 \\
        \theta &\leftarrow \theta - \eta\, \hat m / (\sqrt{\hat v} + \epsilon),
        \quad \hat m = m / (1 - \beta_1^t), \; \hat v = v / (1 - \beta_2^t)

    Kept are the plain sums :math:`M = m / (1 - \beta_1)` and
    :math:`V = v / (1 - \beta_2)`, which saves two operations on all parameters. With
    :math:`c_1 = (1 - \beta_1) / (1 - \beta_1^t)` and
    :math:`c_2 = \sqrt{(1 - \beta_2) / (1 - \beta_2^t)}` the step is
    :math:`\eta\, (c_1 / c_2)\, M / (\sqrt V + \epsilon / c_2)`.

    Parameters
    ----------
    beta1 : float, default=0.9
        How much of the mean is kept, in [0, 1).
    beta2 : float, default=0.999
        How much of the mean square is kept, in [0, 1).
    epsilon : float, default=1e-8
        Keeps the division finite; positive.

    References
    ----------
    .. [1] Kingma & Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015,
       algorithm 1.
    """

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    n_moments: ClassVar[int] = 2
    decouples_decay: ClassVar[bool] = False
    elementwise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_share("beta1", self.beta1)
        _check_share("beta2", self.beta2)
        _check_positive("epsilon", self.epsilon)

    def step(self, buffers: Buffers, learning_rate: FloatArray, n_steps: int) -> None:
        params, gradient, (M, V), scratch = buffers
        c1 = (1 - self.beta1) / (1 - self.beta1**n_steps)
        c2 = ((1 - self.beta2) / (1 - self.beta2**n_steps)) ** 0.5
        np.multiply(M, self.beta1, out=M)
        np.add(M, gradient, out=M)
        np.multiply(gradient, gradient, out=scratch)
        np.multiply(V, self.beta2, out=V)
        np.add(V, scratch, out=V)
        np.sqrt(V, out=scratch)
        np.add(scratch, self.epsilon / c2, out=scratch)
        np.divide(M, scratch, out=scratch)
        np.multiply(scratch, learning_rate * (c1 / c2), out=scratch)
        np.subtract(params, scratch, out=params)


@dataclass(frozen=True, slots=True)
class AdamW(Adam):
    r"""Adam with decoupled weight decay [1]_.

    .. math::
        \theta \leftarrow \theta - \eta\, \bigl(
        \hat m / (\sqrt{\hat v} + \epsilon) + \lambda\, \theta \bigr)

    The penalty of the weights, :math:`\lambda` = ``alpha`` / (total sample weight),
    acts on them directly, past the moments, and is no part of the loss.

    Parameters
    ----------
    beta1 : float, default=0.9
        How much of the mean is kept, in [0, 1).
    beta2 : float, default=0.999
        How much of the mean square is kept, in [0, 1).
    epsilon : float, default=1e-8
        Keeps the division finite; positive.

    References
    ----------
    .. [1] Loshchilov & Hutter, "Decoupled Weight Decay Regularization", ICLR 2019,
       algorithm 2.
    """

    decouples_decay: ClassVar[bool] = True
    elementwise: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class LBFGS:
    r"""Quasi-Newton steps of the full batch, with a line search [1]_.

    The inverse of the second derivative is estimated from the last gradients. There is
    no learning rate: the line search finds how far to go. Best on small tables, where
    it comes closer to the minimum than gradient descent does. SciPy's L-BFGS-B does
    the work and keeps its curvature to itself, so a warm start begins without any.

    Parameters
    ----------
    n_corrections : int, default=10
        Number of past gradients that are used; positive.

    References
    ----------
    .. [1] Liu & Nocedal, "On the limited memory BFGS method for large scale
       optimization", Mathematical Programming, 1989.
    """

    n_corrections: int = 10
    n_moments: ClassVar[int] = 0
    decouples_decay: ClassVar[bool] = False
    elementwise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_positive("n_corrections", self.n_corrections)


def _check_share(name: str, value: Any) -> None:
    is_number = isinstance(value, Real)
    if not (is_number and 0 <= value < 1):
        raise ValueError(f"{name} must be in [0, 1). Got {value!r} instead.")


def _check_positive(name: str, value: Any) -> None:
    is_number = isinstance(value, Real)
    if not (is_number and 0 < value < np.inf):
        raise ValueError(f"{name} must be a positive number. Got {value!r} instead.")


OPTIMIZERS = MappingProxyType(
    {
        "sgd": SGD,
        "momentum": Momentum,
        "nesterov": Nesterov,
        "rmsprop": RMSprop,
        "adam": Adam,
        "adamw": AdamW,
    }
)
SOLVERS = MappingProxyType({**OPTIMIZERS, "lbfgs": LBFGS})

# Names as types, for editors and type checkers; a test compares them with the table.
SolverName: TypeAlias = Literal[
    "sgd", "momentum", "nesterov", "rmsprop", "adam", "adamw", "lbfgs"
]
SolverLike: TypeAlias = SolverName | Optimizer | LBFGS
