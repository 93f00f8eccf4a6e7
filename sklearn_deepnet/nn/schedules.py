r"""Schedules: how the learning rate changes from epoch to epoch.

A schedule multiplies ``learning_rate`` by a factor :math:`f_t`, where :math:`t = 0, 1,
\dots` is the number of epochs since the weights were initialized. It does not depend on
the number of samples or mini-batches.

A schedule is an immutable object that contains its settings. Its state is a named tuple
of numbers, which the training loop stores. `init` returns the initial state. If a
schedule has a method `update`, it returns the next state, given the monitored value of
an epoch.

>>> schedule = Step(every=2, factor=0.1)
>>> state = schedule.init(10)
>>> state
Horizon(n_epochs=10)
>>> [schedule.factor_at(epoch, state) for epoch in range(4)]
[1.0, 1.0, 0.1, 0.1]
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Real
from types import FunctionType, MappingProxyType
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, TypeAlias

import numpy as np

from .._utils.lookup import claims

__all__ = [
    "SCHEDULES",
    "Constant",
    "Cosine",
    "Custom",
    "Exponential",
    "Horizon",
    "InvScaling",
    "OneCycle",
    "Plateau",
    "PlateauState",
    "Schedule",
    "StatefulSchedule",
    "Step",
]


class Horizon(NamedTuple):
    """The state of a schedule that depends only on the epoch; it never changes.

    Parameters
    ----------
    n_epochs : int
        `n_iter` in the first call of ``fit``.
    """

    n_epochs: int


class Schedule(Protocol):
    """Interface of a schedule. A schedule has to define only `factor_at`.

    Set ``depends_on_n_iter = False`` on a schedule whose factors do not depend on
    `n_iter`. A halving search can then continue the training of its networks instead of
    starting over. A subclass does not inherit the setting and has to set it itself.
    """

    def init(self, n_epochs: int) -> Any:
        """Return the state before the first epoch.

        Parameters
        ----------
        n_epochs : int
            `n_iter` in the first call of ``fit``.

        Returns
        -------
        state : named tuple of numbers
            The initial state. The default is a `Horizon`.
        """
        return Horizon(n_epochs)

    def factor_at(self, epoch: int, state: Any) -> float:
        """Return the factor that multiplies the learning rate.

        Parameters
        ----------
        epoch : int
            Number of epochs since the weights were initialized.
        state : named tuple
            State of the schedule; see `init`.

        Returns
        -------
        factor : float
            The factor, which must not be negative.
        """


class StatefulSchedule(Schedule, Protocol):
    """Interface of a schedule that depends on the monitored value.

    Its state consists of plain numbers and is saved, so that training can be resumed.
    """

    def update(self, state: Any, value: float) -> Any:
        """Return the next state after an epoch.

        Parameters
        ----------
        state : named tuple
            The current state.
        value : float
            The monitored value, where lower is better. It is the validation value if
            there is validation data, and the training loss otherwise.
        """

    def forget(self, state: Any) -> Any:
        """Return the state after the monitored value has become another one.

        Parameters
        ----------
        state : named tuple
            The current state, which may depend on earlier values.
        """


@dataclass(frozen=True, slots=True)
class Constant(Schedule):
    r"""Keep the learning rate constant: :math:`f_t = 1`."""

    depends_on_n_iter: ClassVar[bool] = False

    def factor_at(self, epoch: int, state: Any) -> float:
        return 1.0


@dataclass(frozen=True, slots=True)
class InvScaling(Schedule):
    r"""Decrease with an inverse power: :math:`f_t = (1 + t)^{-p}`.

    Parameters
    ----------
    power : float, default=0.5
        :math:`p`, which must be positive.
    """

    power: float = 0.5
    depends_on_n_iter: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check("power", self.power, 0, np.inf)

    def factor_at(self, epoch: int, state: Any) -> float:
        return (1.0 + epoch) ** -self.power


@dataclass(frozen=True, slots=True)
class Step(Schedule):
    r"""Decrease in steps: :math:`f_t = c^{\lfloor t / n \rfloor}`.

    Parameters
    ----------
    every : int, default=50
        :math:`n`, the number of epochs between two steps.
    factor : float, default=0.5
        :math:`c`, the factor of each step, in the interval (0, 1].
    """

    every: int = 50
    factor: float = 0.5
    depends_on_n_iter: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check("every", self.every, 0, np.inf)
        _check("factor", self.factor, 0, 1)

    def factor_at(self, epoch: int, state: Any) -> float:
        return self.factor ** (epoch // self.every)


@dataclass(frozen=True, slots=True)
class Exponential(Schedule):
    r"""Decrease by the same factor in each epoch: :math:`f_t = c^t`.

    Parameters
    ----------
    factor : float, default=0.98
        :math:`c`, the factor of each epoch, in the interval (0, 1].
    """

    factor: float = 0.98
    depends_on_n_iter: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check("factor", self.factor, 0, 1)

    def factor_at(self, epoch: int, state: Any) -> float:
        return self.factor**epoch


@dataclass(frozen=True, slots=True)
class Cosine(Schedule):
    r"""Decrease along half a cosine, without restarts [1]_.

    .. math:: f_t = b + (1 - b)\, \tfrac12 \bigl(1 + \cos(\pi \min(t / T, 1))\bigr)

    Parameters
    ----------
    horizon : int or None, default=None
        :math:`T`, the number of epochs until the factor is :math:`b`. None is `n_iter`
        in the first call of ``fit``.
    floor : float, default=0.0
        :math:`b`, the final factor, in the interval [0, 1].

    References
    ----------
    .. [1] Loshchilov & Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts",
       ICLR 2017, eq. 5.
    """

    horizon: int | None = None
    floor: float = 0.0

    def __post_init__(self) -> None:
        if self.horizon is not None:
            _check("horizon", self.horizon, 0, np.inf)
        if self.floor != 0:
            _check("floor", self.floor, 0, 1)

    @property
    def depends_on_n_iter(self) -> bool:
        """Whether the horizon is `n_iter` of ``fit``."""
        return self.horizon is None

    def factor_at(self, epoch: int, state: Any) -> float:
        progress = epoch / _horizon(self.horizon, state)
        return _half_cosine(1.0, self.floor, progress)


@dataclass(frozen=True, slots=True)
class OneCycle(Schedule):
    r"""Increase to ``learning_rate``, then decrease far below the start value [1]_.

    .. math::
        f_t = \begin{cases}
        a + (1 - a)\, \tfrac12 (1 - \cos(\pi t / wT)) & t < wT \\
        b + (1 - b)\, \tfrac12 \bigl(1 + \cos(\pi \min(\tfrac{t - wT}{T - wT}, 1))\bigr)
        & t \ge wT \end{cases}

    Parameters
    ----------
    horizon : int or None, default=None
        :math:`T`, the number of epochs of the cycle. None is `n_iter` in the first call
        of ``fit``.
    warmup : float, default=0.3
        :math:`w`, the fraction of the epochs in which the factor increases, in (0, 1].
    start : float, default=0.04
        :math:`a`, the initial factor, in the interval (0, 1].
    end : float, default=0.0001
        :math:`b`, the final factor, in the interval (0, 1].

    References
    ----------
    .. [1] Smith & Topin, "Super-Convergence: Very Fast Training of Neural Networks
       Using Large Learning Rates", 2018; with cosines in place of straight lines.
    """

    horizon: int | None = None
    warmup: float = 0.3
    start: float = 0.04
    end: float = 0.0001

    def __post_init__(self) -> None:
        if self.horizon is not None:
            _check("horizon", self.horizon, 0, np.inf)
        for name in ("warmup", "start", "end"):
            _check(name, getattr(self, name), 0, 1)

    @property
    def depends_on_n_iter(self) -> bool:
        """Whether the horizon is `n_iter` of ``fit``."""
        return self.horizon is None

    def factor_at(self, epoch: int, state: Any) -> float:
        n_epochs = _horizon(self.horizon, state)
        top = self.warmup * n_epochs
        if epoch < top:
            return _half_cosine(self.start, 1.0, epoch / top)
        return _half_cosine(1.0, self.end, (epoch - top) / max(n_epochs - top, 1e-9))


class PlateauState(NamedTuple):
    """The state of `Plateau`.

    Parameters
    ----------
    factor : float
        Factor that multiplies the learning rate.
    reference : float
        The value that an epoch has to improve on.
    n_stale : float
        Number of consecutive epochs without improvement.
    """

    factor: float
    reference: float
    n_stale: float


@dataclass(frozen=True, slots=True)
class Plateau(StatefulSchedule):
    r"""Decrease whenever the monitored value stops improving.

    The monitored value is the validation value if there is validation data, and the
    training loss otherwise. If it is more than `tol` below its reference :math:`r`,
    which is initially infinite, it becomes the new reference. After `patience`
    consecutive epochs in which it is not, the learning rate is multiplied by `factor`,
    and counting starts again.

    Parameters
    ----------
    factor : float, default=0.5
        Factor by which the learning rate is multiplied, in the interval (0, 1].
    patience : int, default=5
        Number of consecutive epochs without improvement before the decrease.
    tol : float, default=0.0001
        Minimum improvement of the monitored value. It must not be negative.
    """

    factor: float = 0.5
    patience: int = 5
    tol: float = 0.0001
    depends_on_n_iter: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check("factor", self.factor, 0, 1)
        _check("patience", self.patience, 0, np.inf)
        if self.tol != 0:
            _check("tol", self.tol, 0, np.inf)

    def factor_at(self, epoch: int, state: Any) -> float:
        return state.factor

    def init(self, n_epochs: int) -> PlateauState:
        return PlateauState(factor=1.0, reference=math.inf, n_stale=0.0)

    def update(self, state: PlateauState, value: float) -> PlateauState:
        factor, reference, n_stale = state
        if value < reference - self.tol:
            return PlateauState(factor, value, 0.0)
        if n_stale + 1 >= self.patience:
            return PlateauState(factor * self.factor, reference, 0.0)
        return PlateauState(factor, reference, n_stale + 1)

    def forget(self, state: PlateauState) -> PlateauState:
        return self.init(0)._replace(factor=state.factor)


@dataclass(frozen=True, slots=True)
class Custom(Schedule):
    """Schedule that is given by a function of the epoch.

    Parameters
    ----------
    function : callable ``(epoch) -> float``
        Takes the number of epochs since the weights were initialized, from 0, and
        returns the factor that multiplies the learning rate.
    """

    function: Callable[[int], float]

    @property
    def depends_on_n_iter(self) -> bool:
        """Whether it may depend on it: a callable object could count its calls."""
        is_plain = isinstance(self.function, FunctionType)
        return claims(self.function, "depends_on_n_iter", default=not is_plain)

    def factor_at(self, epoch: int, state: Any) -> float:
        factor = float(self.function(epoch))
        if not 0 <= factor < np.inf:
            raise ValueError(
                f"schedule must return a finite factor that is not negative. Got "
                f"{factor} for epoch {epoch}."
            )
        return factor


def depends_on_n_iter(schedule: Any) -> bool:
    """Return whether the factors depend on `n_iter`, or may do so."""
    return claims(schedule, "depends_on_n_iter", default=True)


def resume_schedule(
    schedule: Schedule, n_epochs: int, saved: Mapping[str, float]
) -> Any:
    """Return the saved state of a schedule, or a new one if it is of another kind."""
    state: Any = getattr(schedule, "init", Horizon)(n_epochs)
    if hasattr(schedule, "update") and saved.keys() == {*state._fields}:
        return state._replace(**saved)
    return state


def save_schedule(state: Any) -> dict[str, float]:
    """Return the state of a schedule as plain numbers, without any class."""
    plain = state._asdict()
    return {name: getattr(it, "item", lambda it=it: it)() for name, it in plain.items()}


def forget_schedule(
    schedule: Any, n_epochs: int, saved: Mapping[str, float]
) -> dict[str, float]:
    """Return the saved state after the monitored value has become another one.

    A schedule without `forget` starts over.
    """
    if not hasattr(schedule, "forget"):
        return {}
    return save_schedule(schedule.forget(resume_schedule(schedule, n_epochs, saved)))


def _half_cosine(begin: float, end: float, progress: float) -> float:
    """Go from `begin` to `end` while `progress` goes from 0 to 1."""
    return end + (begin - end) * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


def _horizon(own: int | None, state: Horizon) -> int:
    return max(state.n_epochs if own is None else own, 1)


def _check(name: str, value: Any, above: float, up_to: float) -> None:
    is_number = isinstance(value, Real) and value < np.inf
    if not (is_number and above < value <= up_to):
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

# Names as types, for editors and type checkers; a test compares them with the table.
ScheduleName: TypeAlias = Literal[
    "constant", "invscaling", "step", "exponential", "cosine", "onecycle", "plateau"
]
ScheduleLike: TypeAlias = ScheduleName | Schedule | Callable[[int], float]
