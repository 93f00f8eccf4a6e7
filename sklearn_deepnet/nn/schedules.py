r"""Schedules: how the learning rate changes from pass to pass.

A schedule is a factor :math:`f_t` on ``learning_rate`` for pass :math:`t = 0, 1, \dots`
since the start, so it does not depend on the number of rows or batches. Where one needs
to know how long training lasts, that is its `horizon` :math:`T`, in passes.

>>> [Step(every=2, factor=0.1).factor_at(t, 10, ()) for t in range(4)]
[1.0, 1.0, 0.1, 0.1]
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Protocol

import numpy as np

from .._utils.typing import FloatArray

__all__ = [
    "SCHEDULES",
    "Constant",
    "Cosine",
    "Custom",
    "Exponential",
    "InvScaling",
    "OneCycle",
    "Plateau",
    "Schedule",
    "Step",
]


class Schedule(Protocol):
    """What the training loop asks of a schedule."""

    learns: ClassVar[bool]

    def factor_at(self, t: int, horizon: int, memory: Sequence[float]) -> float:
        """Return the factor on the learning rate.

        Parameters
        ----------
        t : int
            Passes made since the start.
        horizon : int
            Passes that the first call of ``fit`` was to make, for schedules that set
            none of their own.
        memory : sequence of float
            What `Plateau` has learned; nothing to others.

        Returns
        -------
        factor : float
            Not negative.
        """


@dataclass(frozen=True, slots=True)
class Constant:
    r"""Never change: :math:`f_t = 1`."""

    learns: ClassVar[bool] = False

    def factor_at(self, t: int, horizon: int, memory: Sequence[float]) -> float:
        """Return the factor; see `Schedule.factor_at`."""
        return 1.0


@dataclass(frozen=True, slots=True)
class InvScaling:
    r"""Fall like an inverse power: :math:`f_t = (1 + t)^{-p}`.

    Parameters
    ----------
    power : float, default=0.5
        :math:`p`, positive.
    """

    power: float = 0.5
    learns: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check("power", self.power, 0, np.inf)

    def factor_at(self, t: int, horizon: int, memory: Sequence[float]) -> float:
        """Return the factor; see `Schedule.factor_at`."""
        return (1.0 + t) ** -self.power


@dataclass(frozen=True, slots=True)
class Step:
    r"""Fall in steps: :math:`f_t = c^{\lfloor t / n \rfloor}`.

    Parameters
    ----------
    every : int, default=50
        :math:`n`, passes on each step.
    factor : float, default=0.5
        :math:`c`, in (0, 1].
    """

    every: int = 50
    factor: float = 0.5
    learns: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check("every", self.every, 0, np.inf)
        _check("factor", self.factor, 0, 1)

    def factor_at(self, t: int, horizon: int, memory: Sequence[float]) -> float:
        """Return the factor; see `Schedule.factor_at`."""
        return self.factor ** (t // self.every)


@dataclass(frozen=True, slots=True)
class Exponential:
    r"""Fall by the same share every pass: :math:`f_t = c^t`.

    Parameters
    ----------
    factor : float, default=0.98
        :math:`c`, in (0, 1].
    """

    factor: float = 0.98
    learns: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check("factor", self.factor, 0, 1)

    def factor_at(self, t: int, horizon: int, memory: Sequence[float]) -> float:
        """Return the factor; see `Schedule.factor_at`."""
        return self.factor**t


@dataclass(frozen=True, slots=True)
class Cosine:
    r"""Fall along half a cosine, without restarts [1]_.

    .. math:: f_t = b + (1 - b)\, \tfrac12 \bigl(1 + \cos(\pi \min(t / T, 1))\bigr)

    Parameters
    ----------
    horizon : int or None, default=None
        :math:`T`, passes until the factor is :math:`b`; None is the `n_iter` of the
        first ``fit``.
    floor : float, default=0.0
        :math:`b`, in [0, 1).

    References
    ----------
    .. [1] Loshchilov & Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts",
       ICLR 2017, eq. 5.
    """

    horizon: int | None = None
    floor: float = 0.0
    learns: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.horizon is not None:
            _check("horizon", self.horizon, 0, np.inf)
        if self.floor != 0:
            _check("floor", self.floor, 0, 1)

    def factor_at(self, t: int, horizon: int, memory: Sequence[float]) -> float:
        """Return the factor; see `Schedule.factor_at`."""
        return _half_cosine(1.0, self.floor, t / _horizon(self.horizon, horizon))


@dataclass(frozen=True, slots=True)
class OneCycle:
    r"""Rise to ``learning_rate`` and fall far below where it began [1]_.

    .. math::
        f_t = \begin{cases}
        a + (1 - a)\, \tfrac12 (1 - \cos(\pi t / wT)) & t < wT \\
        b + (1 - b)\, \tfrac12 \bigl(1 + \cos(\pi \min(\tfrac{t - wT}{T - wT}, 1))\bigr)
        & t \ge wT \end{cases}

    Parameters
    ----------
    horizon : int or None, default=None
        :math:`T`, passes of the cycle; None is the `n_iter` of the first ``fit``.
    warmup : float, default=0.3
        :math:`w`, the share of it that rises, in (0, 1).
    start : float, default=0.04
        :math:`a`, where it begins, in (0, 1].
    end : float, default=0.0001
        :math:`b`, where it ends, in (0, 1].

    References
    ----------
    .. [1] Smith & Topin, "Super-Convergence: Very Fast Training of Neural Networks
       Using Large Learning Rates", 2018; with cosines in place of its lines.
    """

    horizon: int | None = None
    warmup: float = 0.3
    start: float = 0.04
    end: float = 0.0001
    learns: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.horizon is not None:
            _check("horizon", self.horizon, 0, np.inf)
        for name in ("warmup", "start", "end"):
            _check(name, getattr(self, name), 0, 1)

    def factor_at(self, t: int, horizon: int, memory: Sequence[float]) -> float:
        """Return the factor; see `Schedule.factor_at`."""
        T = _horizon(self.horizon, horizon)
        top = self.warmup * T
        if t < top:
            return _half_cosine(self.start, 1.0, t / top)
        return _half_cosine(1.0, self.end, (t - top) / max(T - top, 1e-9))


@dataclass(frozen=True, slots=True)
class Plateau:
    r"""Fall whenever progress stops.

    The reference :math:`r` starts at infinity. A pass whose monitored value (the
    validation value if there is one, else the training loss) is below :math:`r -`
    `tol` sets :math:`r` to it; after `patience` passes in a row that are not, the
    factor is multiplied by `factor` and the count starts over.

    Parameters
    ----------
    factor : float, default=0.5
        In (0, 1].
    patience : int, default=5
        Passes.
    tol : float, default=0.0001
        By how much a pass has to better the reference; not negative.
    """

    factor: float = 0.5
    patience: int = 5
    tol: float = 0.0001
    learns: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check("factor", self.factor, 0, 1)
        _check("patience", self.patience, 0, np.inf)
        if self.tol != 0:
            _check("tol", self.tol, 0, np.inf)

    def factor_at(self, t: int, horizon: int, memory: Sequence[float]) -> float:
        """Return the factor; see `Schedule.factor_at`."""
        return float(memory[0])

    def observe(self, value: float, memory: FloatArray) -> None:
        """Learn in place what a pass has come to.

        Parameters
        ----------
        value : float
            The monitored value, the less the better.
        memory : ndarray of shape (3,)
            Factor, reference and passes without progress; 1, infinity, 0 at the start.
        """
        factor, reference, n_stale = memory
        if value < reference - self.tol:
            memory[1:] = value, 0
        elif n_stale + 1 >= self.patience:
            memory[:] = factor * self.factor, reference, 0
        else:
            memory[2] = n_stale + 1


@dataclass(frozen=True, slots=True)
class Custom:
    """A function of the pass, ``f(t) -> factor``.

    Parameters
    ----------
    function : callable ``(t) -> float``
        Takes the number of passes made, from 0.
    """

    function: Callable[[int], float]
    learns: ClassVar[bool] = False

    def factor_at(self, t: int, horizon: int, memory: Sequence[float]) -> float:
        """Return the factor; see `Schedule.factor_at`."""
        factor = float(self.function(t))
        if not 0 <= factor < np.inf:
            raise ValueError(
                f"schedule returned {factor} for pass {t}; expected a finite factor on "
                "the learning rate, not negative."
            )
        return factor


def _half_cosine(begin: float, end: float, progress: float) -> float:
    """Go from `begin` to `end` while `progress` goes from 0 to 1."""
    return end + (begin - end) * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


def _horizon(own: int | None, default: int) -> int:
    return max(default if own is None else own, 1)


def _check(name: str, value: float, above: float, up_to: float) -> None:
    if not above < value <= up_to or value == np.inf:
        limit = "finite" if up_to == np.inf else f"at most {up_to}"
        raise ValueError(
            f"{name} must be above {above} and {limit}. Got {value!r} instead."
        )


SCHEDULES = MappingProxyType(
    {
        "constant": Constant,
        "invscaling": InvScaling,
        "step": Step,
        "exponential": Exponential,
        "cosine": Cosine,
        "onecycle": OneCycle,
        "plateau": Plateau,
    }
)
