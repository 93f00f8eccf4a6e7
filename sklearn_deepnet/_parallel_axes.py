"""Where the values of a parameter lie on a vertical axis, and what stands beside it."""

import math
from collections import Counter
from numbers import Integral, Real
from typing import Any

import numpy as np

_NOT_SET = "(not set)"
_DECADES = 2  # beyond which numbers are spread by their logarithms
_N_VALUES = 10  # that are all written beside an axis; ticks stand for more


class Axis:
    """Where the values of a parameter lie on a line from 0 to 1, and their labels.

    Parameters
    ----------
    values : array-like of shape (n_candidates,)
        Masked where not set.
    may_be_logarithmic : bool, default=True
        Whether the values decide on it.
    """

    def __init__(self, values: Any, *, may_be_logarithmic: bool = True) -> None:
        values = held(values)
        numbers = sorted({float(value) for value in values if _is_number(value)})
        self.logarithmic = may_be_logarithmic and _are_spread_by_logarithms(numbers)
        if self.logarithmic and numbers[0] == 0:
            del numbers[0]
        self._numbers = numbers if len(numbers) > 1 else []
        n_digits = _digits_that_tell_apart(numbers)
        self._texts: dict[float, str] = {}
        self._words: dict[str, str] = {}  # by what tells them apart
        taken: Counter[str] = Counter()
        for value in values:
            label = _text(value, n_digits)
            if self._is_on_scale(value):
                self._texts.setdefault(float(value), label)
            elif repr(value) not in self._words:
                taken[label] += 1
                number = f" {taken[label]}" if taken[label] > 1 else ""
                self._words[repr(value)] = label + number
        n_words = len(self._words)
        if self._numbers:
            first, step = 0.0, min(0.15, 0.5 / max(1, n_words))
        else:
            first, step = (0.0, 1 / (n_words - 1)) if n_words > 1 else (0.5, 0.0)
        self._word_places = {key: first + step * k for k, key in enumerate(self._words)}
        self._floor = step * n_words  # where numbers begin
        self.places = np.array([self._place(value) for value in values])
        self.labels = [self._label(value) for value in values]

    def _is_on_scale(self, value: Any) -> bool:
        return _is_number(value) and float(value) in self._numbers

    def _place(self, value: Any) -> float:
        if self._is_on_scale(value):
            return self._place_of_number(float(value))
        return self._word_places[repr(value)]

    def _label(self, value: Any) -> str:
        if self._is_on_scale(value):
            return self._texts[float(value)]
        return self._words[repr(value)]

    def _place_of_number(self, number: float) -> float:
        low, high = self._numbers[0], self._numbers[-1]
        if self.logarithmic:
            low, high, number = math.log(low), math.log(high), math.log(number)
        return self._floor + (1 - self._floor) * (number - low) / (high - low)

    def ticks(self, gap: float) -> list[tuple[float, str]]:
        """Return places and labels of ticks that are at least `gap` apart."""
        words = zip(self._word_places.values(), self._words.values(), strict=True)
        return _thinned([*words, *self._number_ticks(gap)], gap)

    def _number_ticks(self, gap: float) -> list[tuple[float, str]]:
        from matplotlib.ticker import LogLocator, MaxNLocator

        if not self._numbers:
            return []
        exact = [(self._place_of_number(x), self._texts[x]) for x in self._numbers]
        if len(exact) <= _N_VALUES and _thinned(exact, gap) == exact:
            return exact
        low, high = self._numbers[0], self._numbers[-1]
        locator = LogLocator(numticks=7) if self.logarithmic else MaxNLocator(6)
        rounded = [
            (self._place_of_number(x), f"{x:.10g}")
            for x in locator.tick_values(low, high)
            if low <= x <= high
        ]
        return rounded if len(rounded) > 1 else exact


def held(values: Any) -> list[Any]:
    """Return values as they were given, `numpy.ma.masked` where they are masked."""
    pairs = zip(np.ma.getdata(values), np.ma.getmaskarray(values), strict=True)
    return [np.ma.masked if masked else value for value, masked in pairs]


def _is_number(value: Any) -> bool:
    is_real = isinstance(value, Real) and not isinstance(value, bool)
    return is_real and math.isfinite(value)


def _are_spread_by_logarithms(numbers: list[float]) -> bool:
    """Return whether sorted numbers are positive or zero, and far apart or powers.

    Uniform draws may come near zero, too, and so lie decades apart; but half of them
    are not below a quarter of the largest.
    """
    positive = np.array([number for number in numbers if number > 0])
    if len(positive) < 2 or numbers[0] < 0:
        return False
    ratios = positive[1:] / positive[:-1]
    if len(ratios) > 1 and np.allclose(ratios, ratios[0]):
        return True
    median = positive[(len(positive) - 1) // 2]
    are_far_apart = positive[-1] / positive[0] > 10**_DECADES
    return bool(are_far_apart and median < positive[-1] / 4)


def _digits_that_tell_apart(numbers: list[float]) -> int:
    """Return how many digits a few numbers need; four for many."""
    if len(numbers) > _N_VALUES:
        return 4
    written = ({f"{x:.{digits}g}" for x in numbers} for digits in range(4, 17))
    return next((n for n, it in enumerate(written, 4) if len(it) == len(numbers)), 17)


def _text(value: Any, n_digits: int) -> str:
    if value is np.ma.masked:
        return _NOT_SET
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        return value
    if _is_number(value):
        is_whole = isinstance(value, Integral)
        return str(value) if is_whole else f"{value:.{n_digits}g}"
    if name := getattr(value, "__name__", ""):
        return name
    written = " ".join(repr(value).split())
    return type(value).__name__ if written.startswith("<") else written


def _thinned(ticks: list[tuple[float, str]], gap: float) -> list[tuple[float, str]]:
    """Return rising ticks without those that are too near to the last one kept."""
    kept: list[tuple[float, str]] = []
    for tick in ticks:
        if not kept or tick[0] - kept[-1][0] >= gap:
            kept.append(tick)
    return kept
