r"""Trainable features of numeric columns, as additional inputs of the network.

A ReLU network is piecewise linear. It needs many units to fit a function that rises and
falls several times along one column. A few cosines of each column make this easier, and
training adapts their frequencies and phases [1]_:

.. math:: e_{jk} = \cos\bigl(2\pi (c_{jk} x_j + b_{jk})\bigr), \qquad k = 1, \dots, n

The inputs of the first layer are then all columns :math:`x_j`, followed by the features
:math:`e_{j1}, \dots, e_{jn}` of the first column, then those of the second, and so on.
The frequencies :math:`c` and phases :math:`b` are trained like weights and biases, but
are not penalized. As in [2]_, the columns :math:`x_j` themselves remain inputs, and
each feature is a cosine with its own phase instead of a cosine and a sine.

With :math:`\theta = 2\pi (c x + b)` and the gradient :math:`d\!e` by a feature:

.. math::
    d\theta = -\sin(\theta)\, d\!e, \qquad
    dc_{jk} = 2\pi \sum_i d\theta_{jki}\, x_{ji}, \qquad
    db_{jk} = 2\pi \sum_i d\theta_{jki}

>>> import numpy as np
>>> frequencies, phases = np.array([[0.5]]), np.array([[0.0]])
>>> x = np.array([[0.0, 0.5, 1.0]])  # one column, three samples
>>> features = np.empty((1, 1, 3))
>>> write_periodic(x, frequencies, phases, features)
>>> features.round(6) + 0.0
array([[[ 1.,  0., -1.]]])

References
----------
.. [1] Gorishniy, Rubachev & Babenko, "On Embeddings for Numerical Features in Tabular
   Deep Learning", NeurIPS 2022, section 3.3.
.. [2] Holzmüller, Grinsztajn & Steinwart, "Better by Default: Strong Pre-Tuned MLPs and
   Boosted Trees on Tabular Data", NeurIPS 2024, section 3.
"""

from dataclasses import dataclass
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from .._utils.typing import BoolArray, FloatArray
from .scaling import InputScaling

__all__ = ["NUMERIC_FEATURES", "FittedFeatures", "PeriodicFeatures"]


class FittedFeatures(NamedTuple):
    """The parameters of the features of all columns.

    Parameters
    ----------
    frequencies : ndarray of shape (n_features_in, n_frequencies)
        :math:`c`, in periods per unit of the scaled column.
    phases : ndarray of shape (n_features_in, n_frequencies)
        :math:`b`, in periods.
    """

    frequencies: FloatArray
    phases: FloatArray


@dataclass(frozen=True, slots=True)
class PeriodicFeatures:
    r"""Cosines of each column, with trainable frequencies and phases.

    .. math:: e_{jk} = \cos\bigl(2\pi (c_{jk} x_j + b_{jk})\bigr)

    Training starts from :math:`c_{jk} \sim \mathcal{N}(0, s^2)` and :math:`b_{jk}`
    uniform in :math:`[-\tfrac12, \tfrac12)`.

    Parameters
    ----------
    n_frequencies : int, default=4
        Number of cosines of each column, at least 1.
    scale : float, default=0.1
        :math:`s`, the standard deviation of the initial frequencies, in periods per
        unit of the scaled column. With 0.1, most cosines initially span less than half
        a period over the range of a column. Larger values fit functions that rise and
        fall more often, but also fit noise.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.RandomState(0)
    >>> frequencies, phases = PeriodicFeatures(n_frequencies=3).draw(2, rng)
    >>> frequencies.shape, float(abs(phases).max()) <= 0.5
    ((2, 3), True)
    """

    n_frequencies: int = 4
    scale: float = 0.1

    def __post_init__(self) -> None:
        if not _is_count(self.n_frequencies):
            raise ValueError(
                "n_frequencies must be an integer of at least 1. Got "
                f"{self.n_frequencies!r} instead."
            )
        if not _is_positive(self.scale):
            raise ValueError(
                f"scale must be a positive number. Got {self.scale!r} instead."
            )

    def draw(self, n_inputs: int, rng: np.random.RandomState) -> FittedFeatures:
        """Draw the initial frequencies and phases.

        Parameters
        ----------
        n_inputs : int
            Number of columns.
        rng : RandomState
            Used to draw the frequencies first, then the phases.

        Returns
        -------
        features : FittedFeatures
        """
        shape = n_inputs, int(self.n_frequencies)
        return FittedFeatures(
            float(self.scale) * rng.randn(*shape), rng.uniform(-0.5, 0.5, shape)
        )


def write_periodic(
    x: FloatArray,
    frequencies: FloatArray,
    phases: FloatArray,
    out: FloatArray,
    sines: FloatArray | None = None,
) -> None:
    """Write the features to `out`, and the sines of the same angles to `sines`.

    Parameters
    ----------
    x : ndarray of shape (..., n_inputs, n_samples)
        The columns of X, as rows.
    frequencies, phases : ndarray of shape (..., n_inputs, n_frequencies)
        See `FittedFeatures`.
    out : ndarray of shape (..., n_inputs, n_frequencies, n_samples)
        Overwritten.
    sines : ndarray like `out`, or None, default=None
        Overwritten; None if they are not needed.
    """
    np.multiply(frequencies[..., np.newaxis], x[..., np.newaxis, :], out=out)
    np.add(out, phases[..., np.newaxis], out=out)
    if out.dtype == np.float32:
        _write_by_cos_and_sin(out, sines)
    else:
        _write_by_tan(out, sines)


def _write_by_cos_and_sin(periods: FloatArray, sines: FloatArray | None) -> None:
    """Replace numbers of periods by their cosines, in place, and write their sines."""
    np.multiply(periods, 2 * np.pi, out=periods)
    if sines is not None:
        np.sin(periods, out=sines)
    np.cos(periods, out=periods)


def _write_by_tan(periods: FloatArray, sines: FloatArray | None) -> None:
    r"""Do the same by one tangent, of half the angle.

    .. math::
        t = \tan(\theta / 2), \qquad
        \cos\theta = \frac{2}{1 + t^2} - 1, \qquad
        \sin\theta = \frac{2}{1 + t^2}\, t

    In double precision, NumPy has vector instructions for the tangent, but not for sine
    and cosine. With AVX-512 under Linux, this takes a sixth of the time. On other
    machines it is still one function instead of two. The errors are below 1e-15.
    """
    t = periods if sines is None else sines
    np.multiply(periods, np.pi, out=periods)
    np.tan(periods, out=t)
    np.multiply(t, t, out=periods)
    np.add(periods, 1, out=periods)
    np.divide(2, periods, out=periods)
    if sines is not None:
        np.multiply(t, periods, out=sines)
    np.subtract(periods, 1, out=periods)


def write_periodic_gradient(
    grad: FloatArray, x: FloatArray, sines: FloatArray, out: FittedFeatures
) -> None:
    """Write the gradient by frequencies and phases into `out`.

    Parameters
    ----------
    grad : ndarray of shape (..., n_inputs, n_frequencies, n_samples)
        Gradient by the features.
    x : ndarray of shape (..., n_inputs, n_samples)
        The columns of X, as rows.
    sines : ndarray of shape (..., n_inputs, n_frequencies, n_samples)
        Result of `write_periodic`, which is overwritten.
    out : FittedFeatures of arrays of shape (..., n_inputs, n_frequencies)
        Overwritten.
    """
    np.multiply(sines, grad, out=sines)  # minus the gradient by the angles
    np.vecdot(sines, x[..., np.newaxis, :], out=out.frequencies)
    np.add.reduce(sines, axis=-1, out=out.phases)
    for by_parameter in out:
        np.multiply(by_parameter, -2 * np.pi, out=by_parameter)


def rescale_features(
    features: FittedFeatures, before: InputScaling, after: InputScaling
) -> None:
    """Change `features` in place, to give the same values for newly scaled columns."""
    frequencies, phases = features
    scale = before.scale[:, np.newaxis]
    phases += frequencies * ((after.center - before.center)[:, np.newaxis] / scale)
    frequencies *= after.scale[:, np.newaxis] / scale


def expand_columns(columns: BoolArray, n_frequencies: int) -> BoolArray:
    """Return which inputs of the first layer depend on the given columns.

    Parameters
    ----------
    columns : ndarray of bool of shape (n_columns,)
        True for some columns.
    n_frequencies : int
        Number of features of each column.

    Returns
    -------
    inputs : ndarray of bool of shape (n_columns * (1 + n_frequencies),)
    """
    return np.concatenate([columns, np.repeat(columns, n_frequencies)])


def _is_count(value: Any) -> bool:
    # To Python, True is an integer.
    is_integer = isinstance(value, Integral) and not isinstance(value, bool)
    return is_integer and value >= 1


def _is_positive(value: Any) -> bool:
    try:
        return isinstance(value, Real) and 0 < float(value) < np.inf
    except OverflowError:  # an integer may be too large for a float
        return False


NUMERIC_FEATURES = MappingProxyType({"periodic": PeriodicFeatures})

# Names as types, for editors and type checkers; a test compares them with the table.
NumericFeaturesName: TypeAlias = Literal["periodic"]
NumericFeaturesLike: TypeAlias = NumericFeaturesName | PeriodicFeatures
