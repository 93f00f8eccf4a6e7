"""Curves grow by parts: they have the values of a list, and never change."""

import numpy as np
import pytest

from sklearn_deepnet._engine import Curve, as_curve


def in_parts(values, rng):
    """Return the curve of these values, added some at a time."""
    curve, start = Curve(), 0
    while start < len(values):
        end = start + rng.choice([1, 1, 1, 2, 5, 30])
        curve, start = curve.extended(np.array(values[start:end])), end
    return curve


@pytest.mark.parametrize("n_epochs", [0, 1, 2, 3, 100, 1000])
@pytest.mark.parametrize("seed", range(3))
def test_a_curve_has_the_values_that_were_added(n_epochs, seed):
    rng = np.random.RandomState(seed)
    values = rng.randint(0, 50, n_epochs).astype(float).tolist()  # with ties
    curve = in_parts(values, rng)
    assert curve.tolist() == values
    assert curve.n_epochs == n_epochs
    if n_epochs:
        assert curve.last == values[-1]
        assert curve.lowest == min(values)
        assert curve.lowest_epoch == np.argmin(values)
    assert curve == as_curve(values)


def test_a_curve_without_epochs_has_no_value():
    assert np.isnan(Curve().last)
    assert (Curve().lowest, Curve().lowest_epoch) == (np.inf, -1)
    assert as_curve(None) is None


def test_nan_is_never_the_lowest():
    curve = Curve()
    for value in (np.nan, 3.0, np.nan, 2.0, 2.0, np.nan):
        curve = curve.extended(np.array([value]))
    assert (curve.lowest, curve.lowest_epoch) == (2.0, 3)
    whole = as_curve([np.nan, 3.0, np.nan, 2.0, 2.0, np.nan])
    assert (whole.lowest, whole.lowest_epoch) == (2.0, 3)
    assert curve == whole
    assert curve != as_curve([np.nan, 3.0])


def test_a_curve_is_not_changed_by_those_that_go_on_from_it():
    start = as_curve([3.0, 1.0, 2.0])
    one, other = start, start
    for k in range(20):
        one = one.extended(np.array([float(k)]))
        other = other.extended(np.array([-1.0, 0.5]))
    assert start.tolist() == [3.0, 1.0, 2.0]
    assert one.tolist() == [3.0, 1.0, 2.0, *map(float, range(20))]
    assert other.tolist() == [3.0, 1.0, 2.0, *[-1.0, 0.5] * 20]
    assert (one.lowest_epoch, other.lowest_epoch) == (3, 3)


def test_a_curve_does_not_share_the_array_that_was_added():
    values = np.array([3.0, 1.0])
    curve = Curve().extended(values)
    values[:] = 0
    assert curve.tolist() == [3.0, 1.0]


def test_a_curve_has_few_parts_and_copies_a_value_few_times():
    curve, n_copied = Curve(), 0
    for _ in range(4096):
        before = curve.parts
        curve = curve.extended(np.zeros(1))
        n_copied += sum(
            len(it) for it in curve.parts if all(it is not b for b in before)
        )
        assert len(curve.parts) <= 13
    assert n_copied == 4096 * 7  # half of log2(4096), and once when it was new
