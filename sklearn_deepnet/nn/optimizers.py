r"""Optimizers: how the parameters are updated by a gradient.

An optimizer is an immutable object that contains its settings. Its state is passed to
each step: `n_moments` arrays of the shape of the parameters, initially zero. A step
works in place on flat arrays, with one learning rate for each network:

>>> import numpy as np
>>> params, gradient = np.array([1.0, 2.0]), np.array([0.5, -0.5])
>>> buffers = Buffers(params, gradient, moments=(), scratch=np.empty(2))
>>> SGD().step(buffers, learning_rate=np.array([0.1]), n_steps=1)
>>> params
array([0.95, 2.05])

Set ``elementwise = True`` on your own optimizer if it updates each parameter
independently of the others and keeps no state except its moments. Networks with this
optimizer can then be trained in stacks. Otherwise it gets the parameters of one
network, all at once. A subclass does not inherit the setting and has to set it itself.
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
    """The arrays of an optimizer step, all of shape ``(*stack_shape, n_params)``.

    Parameters
    ----------
    params : ndarray
        Parameters, which are updated in place.
    gradient : ndarray
        Gradient, which may be overwritten.
    moments : sequence of ndarray
        State of the optimizer: `n_moments` arrays, which are updated in place.
    scratch : ndarray
        Work array, so that a step allocates no memory.
    """

    params: FloatArray
    gradient: FloatArray
    moments: Sequence[FloatArray]
    scratch: FloatArray


class Optimizer(Protocol):
    """Interface of an optimizer, as the training loop uses it."""

    n_moments: ClassVar[int]
    decouples_decay: ClassVar[bool]

    def step(self, buffers: Buffers, learning_rate: FloatArray, n_steps: int) -> None:
        """Update the parameters in place.

        Parameters
        ----------
        buffers : Buffers
            Parameters, gradient, moments and a work array.
        learning_rate : ndarray of shape ``(*stack_shape, 1)``
            Learning rate of each network.
        n_steps : int
            Number of steps since the moments were zero, including this one.
        """


@dataclass(frozen=True, slots=True)
class SGD(Optimizer):
    r"""Gradient descent: :math:`\theta \leftarrow \theta - \eta\, g`.

    With ``batch_size=None`` this is the gradient descent of the textbooks.
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
        :math:`\mu`, the fraction of the velocity that is kept after a step, in the
        interval [0, 1).

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

    The gradient is computed at the point to which the velocity leads. As in most
    libraries, the parameters are stored at that point, so that the update is

    .. math::
        v &\leftarrow \mu v - \eta\, g \\
        \theta &\leftarrow \theta + \mu v - \eta\, g

    Parameters
    ----------
    momentum : float, default=0.9
        :math:`\mu`, the fraction of the velocity that is kept after a step, in the
        interval [0, 1).

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
        Fraction of the running mean square that is kept in a step, in the interval [0,
        1).
    epsilon : float, default=1e-8
        Positive number that prevents a division by zero.

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
    r"""Adam, with adaptive step sizes from estimates of the moments [1]_.

    .. math::
        m &\leftarrow \beta_1 m + (1 - \beta_1)\, g \\
        v &\leftarrow \beta_2 v + (1 - \beta_2)\, g^2 \\
        \theta &\leftarrow \theta - \eta\, \hat m / (\sqrt{\hat v} + \epsilon),
        \quad \hat m = m / (1 - \beta_1^t), \; \hat v = v / (1 - \beta_2^t)

    The implementation stores the sums :math:`M = m / (1 - \beta_1)` and :math:`V = v /
    (1 - \beta_2)`, which saves two operations on all parameters. With :math:`c_1 = (1 -
    \beta_1) / (1 - \beta_1^t)` and :math:`c_2 = \sqrt{(1 - \beta_2) / (1 - \beta_2^t)}`
    the step is :math:`\eta\, (c_1 / c_2)\, M / (\sqrt V + \epsilon / c_2)`.

    Parameters
    ----------
    beta1 : float, default=0.9
        Fraction of the running mean that is kept in a step, in the interval [0, 1).
    beta2 : float, default=0.999
        Fraction of the running mean square that is kept in a step, in the interval [0,
        1).
    epsilon : float, default=1e-8
        Positive number that prevents a division by zero.

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

    The weight decay :math:`\lambda` = ``alpha`` / (total sample weight) is applied
    directly to the weights. It has no effect on the moments and is not part of the
    loss.

    Parameters
    ----------
    beta1 : float, default=0.9
        Fraction of the running mean that is kept in a step, in the interval [0, 1).
    beta2 : float, default=0.999
        Fraction of the running mean square that is kept in a step, in the interval [0,
        1).
    epsilon : float, default=1e-8
        Positive number that prevents a division by zero.

    References
    ----------
    .. [1] Loshchilov & Hutter, "Decoupled Weight Decay Regularization", ICLR 2019,
       algorithm 2.
    """

    decouples_decay: ClassVar[bool] = True
    elementwise: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class LBFGS:
    r"""L-BFGS, a quasi-Newton method with line search on the full batch [1]_.

    The inverse of the second derivative is estimated from the last gradients. There is
    no learning rate, since a line search determines the size of each step. L-BFGS works
    best on small datasets, where it comes closer to the minimum than gradient descent.
    It uses L-BFGS-B of SciPy. A warm start begins without an estimate of the curvature,
    since SciPy does not return it.

    Parameters
    ----------
    n_corrections : int, default=10
        Number of past gradients that are used. It must be positive.

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
