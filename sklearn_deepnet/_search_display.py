"""A search seen side by side: which values its good candidates have in common."""

import re
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata
from sklearn.utils.validation import check_is_fitted

from ._parallel_axes import Axis, held
from ._registry import look_up

_WORST, _BEST = 0.8, 0.25  # greys, of which 1 is white
_INCHES = 1.7  # from axis to axis
_LETTERS = 11  # in an inch
_LINE = 0.16  # inches from label to label
_ASIDE = 5  # points from a tick up or down to its label


class SearchDisplay:
    """Candidates of a search as lines across its parameters, up to their scores.

    Made by `from_search`. One vertical axis for each parameter that varies, the mean
    test score last, a line for each candidate [1]_. Dark lines are good: where they
    meet, a value matters; where they spread, it does not.

    Parameters
    ----------
    parameters : dict of str to masked array of shape (n_candidates,)
        The values of each parameter, masked in candidates without it, as the entries
        ``"param_..."`` of a search's ``cv_results_`` have them.
    scores : array-like of shape (n_candidates,)
        Finite, the higher the better.
    best : int
        The candidate to be emphasised.
    score_name : str, default="mean test score"
        What stands under the last axis.
    n_left_out : int, default=0
        Candidates that failed, for the title.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn: axis k stands at x = k, from y = 0 to y = 1.
    figure_ : matplotlib Figure
        With `ax_`.
    lines_ : list of matplotlib Line2D
        One for each candidate, in their order.

    References
    ----------
    .. [1] Inselberg, "The plane with parallel coordinates", The Visual Computer 1,
       1985.
    """

    def __init__(
        self,
        *,
        parameters: Mapping[str, ArrayLike],
        scores: ArrayLike,
        best: int,
        score_name: str = "mean test score",
        n_left_out: int = 0,
    ) -> None:
        self.parameters = parameters
        self.scores = scores
        self.best = best
        self.score_name = score_name
        self.n_left_out = n_left_out

    @classmethod
    def from_search(
        cls, search: Any, *, metric: str | None = None, ax: Any = None
    ) -> Self:
        """Draw the candidates of a fitted search.

        A search by successive halving tries a candidate several times: the last time
        counts, and its resource is an axis, as scores at different ones are not on a
        par.

        Parameters
        ----------
        search : GridSearchCV, RandomizedSearchCV or another search
            Fitted, with ``cv_results_``; stacked or scikit-learn's own.
        metric : str or None, default=None
            Which score of a search that has several; None is that of ``refit``.
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : SearchDisplay
            The search's own choice is emphasised, or the highest score of a `metric`
            that it did not choose by.

        Raises
        ------
        NotFittedError
            If the search is not fitted.
        TypeError
            If it is no search.
        ValueError
            If there is no such metric, or none is chosen; if no candidate has a finite
            score, or no parameter varies among those that have one.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn_deepnet import DeepNetClassifier, SearchDisplay
        >>> from sklearn_deepnet import StackedGridSearchCV
        >>> net = DeepNetClassifier((5,), n_iter=5, tol=None, random_state=0)
        >>> grid = {"init": ["he", "xavier"], "learning_rate": [0.001, 0.01, 0.1]}
        >>> search = StackedGridSearchCV(net, grid).fit(*load_iris(return_X_y=True))
        >>> display = SearchDisplay.from_search(search)
        >>> list(display.parameters), len(display.lines_)
        (['init', 'learning_rate'], 6)
        """
        check_is_fitted(search)
        results = vars(search).get("cv_results_")
        if results is None:
            raise TypeError(
                f"search must be a search, which has cv_results_. Got {search!r} "
                "instead."
            )
        metric = _metric_of(search, metric)
        all_scores = np.asarray(results[f"mean_test_{metric}"], dtype=float)
        tried, rows = _candidates(search)
        sound = np.isfinite(all_scores[rows])
        scores = all_scores[rows][sound]
        if not len(scores):
            raise ValueError(
                f"None of the {len(rows)} candidates has a finite mean_test_{metric}."
            )
        tried = [it for it, is_sound in zip(tried, sound, strict=True) if is_sound]
        parameters = _varying(tried)
        if not parameters:
            raise ValueError(
                "No parameter varies among the candidates with a finite "
                f"mean_test_{metric}, of which there are {len(scores)}; a picture "
                "compares two or more."
            )
        best = np.flatnonzero(rows[sound] == _choice(search, metric))
        scorer = search.scoring if isinstance(search.scoring, str) else metric
        display = cls(
            parameters=parameters,
            scores=scores,
            best=int(best[0] if len(best) else np.argmax(scores)),
            score_name=f"mean test {scorer if metric == 'score' else metric}",
            n_left_out=len(rows) - len(scores),
        )
        return display.plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw a line for each candidate, from light grey to dark in order of scores.

        Numbers over more than two decades, or in equal ratios, are on a logarithmic
        axis, unless they crowd at its end as uniform draws do; what is no number, or
        zero there, has a place of its own below. Words are evenly spaced, in the order
        in which the search came to them. Labels that would overlap are left out.
        The best is thick and black, and its values stand above the axes.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure. An axis wants about 1.7 inches.

        Returns
        -------
        self : SearchDisplay
        """
        import matplotlib.pyplot as plt

        scores = np.asarray(self.scores, dtype=float)
        axes = [Axis(values) for values in self.parameters.values()]
        axes.append(Axis(scores, may_be_logarithmic=False))
        if ax is None:
            size = (1 + _INCHES * len(axes), 4.8)
            _, ax = plt.subplots(figsize=size, layout="constrained")
        places = np.array([axis.places for axis in axes])
        ranks = (rankdata(scores) - 1) / max(1, len(scores) - 1)
        self.lines_ = []
        for candidate, rank in enumerate(ranks):
            grey = str(_WORST + (_BEST - _WORST) * rank)
            style = {"color": grey, "linewidth": 1, "zorder": 2 + rank}
            if candidate == self.best:
                style = {"color": "black", "linewidth": 3, "marker": "o", "zorder": 4}
            self.lines_ += ax.plot(places[:, candidate], **style)
        n_letters = max(6, int(_LETTERS * ax.bbox.width / ax.figure.dpi / len(axes)))
        names = [*self.parameters, self.score_name]
        ax.set_xticks(range(len(axes)), [_folded(name, n_letters) for name in names])
        ax.tick_params(axis="x", length=0, pad=7)
        ax.set(xlim=(-0.3, len(axes) - 0.4), ylim=(-0.03, 1.03), yticks=[])
        ax.spines[:].set_visible(False)
        title = f"{len(scores)} candidates: the darker, the better"
        if self.n_left_out:
            title += f"\n({self.n_left_out} left out, without a finite score)"
        ax.set_title(title, pad=27)
        ax.figure.canvas.figure.draw_without_rendering()  # which lays out
        gap = _LINE * ax.figure.dpi / ax.bbox.height
        rises = np.diff(places[:, self.best]) > 0
        shifts = [*np.where(rises, -_ASIDE, _ASIDE), 0]  # out of the best line's way
        for place, axis in enumerate(axes):
            is_last = place == len(self.parameters)
            ticks = _with_lowest(axis, gap) if is_last else axis.ticks(gap)
            _draw_axis(ax, place, ticks, shifts[place], n_letters)
            best_value = _elided(axis.labels[self.best], n_letters)
            _write(ax, place, 1, best_value, (0, 13), ha="center", weight="bold")
        self.ax_, self.figure_ = ax, ax.figure
        return self


# ---- of a search


def _metric_of(search: Any, metric: str | None) -> str:
    """Return the metric as ``cv_results_`` names it, or say which there are."""
    start = "mean_test_"
    there = [key for key in search.cv_results_ if key.startswith(start)]
    metrics = {key.removeprefix(start): key for key in there}
    if metric is not None:
        if not isinstance(metric, str):
            raise TypeError(
                f"metric must be one of {sorted(metrics)}, or None. Got {metric!r} "
                "instead."
            )
        look_up(metrics, metric, "metric")
        return metric
    if not search.multimetric_:
        return "score"
    if isinstance(search.refit, str):
        return search.refit
    raise ValueError(
        f"metric=None is the one of refit, but refit is {search.refit!r}; give one of "
        f"{sorted(metrics)}."
    )


def _choice(search: Any, metric: str) -> int:
    """Return the row that the search chose, or -1 if not by this metric."""
    chose = not search.multimetric_ or callable(search.refit) or metric == search.refit
    return search.best_index_ if chose else -1


def _candidates(search: Any) -> tuple[list[dict[str, Any]], Any]:
    """Return the parameters of each candidate, and the row of its last trial."""
    results = search.cv_results_
    tried = results["params"]
    if "iter" not in results:
        return tried, np.arange(len(tried))
    resource = search.resource
    keys = [_key(params, resource) for params in tried]
    last = {key: row for row, key in enumerate(keys)}
    last[keys[search.best_index_]] = search.best_index_  # may have a twin in its round
    rows = list(last.values())
    spent = results["n_resources"]
    return [{**tried[row], resource: spent[row]} for row in rows], np.array(rows)


def _key(params: dict[str, Any], resource: str) -> tuple[tuple[str, str], ...]:
    return tuple((name, repr(it)) for name, it in params.items() if name != resource)


def _varying(tried: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the values of each parameter that varies, by its shortest clear name."""
    varying = {}
    for name in dict.fromkeys(name for params in tried for name in params):
        values = np.ma.masked_all(len(tried), dtype=object)
        for candidate, params in enumerate(tried):
            if name in params:
                values[candidate] = params[name]
        if len({repr(value) for value in held(values)}) > 1:
            varying[name] = values
    shorts = [name.rsplit("__")[-1] for name in varying]
    return {
        short if shorts.count(short) == 1 else name: values
        for short, (name, values) in zip(shorts, varying.items(), strict=True)
    }


# ---- of the picture


def _with_lowest(axis: Axis, gap: float) -> list[tuple[float, str]]:
    """Return the ticks of an axis, the lowest value among them."""
    lowest = int(np.argmin(axis.places))
    low = axis.places[lowest]
    above = [tick for tick in axis.ticks(gap) if tick[0] >= low + gap]
    return [(low, axis.labels[lowest]), *above]


def _draw_axis(
    ax: Any, place: int, ticks: list[tuple[float, str]], shift: int, n_letters: int
) -> None:
    from matplotlib.patheffects import withStroke

    ax.plot([place, place], [0, 1], color="black", linewidth=0.8, zorder=3.5)
    marks = [height for height, _ in ticks]
    ax.plot([place] * len(marks), marks, "_", color="black", zorder=3.5)
    halo = [withStroke(linewidth=2.5, foreground=ax.get_facecolor())]
    for height, label in ticks:
        label = _elided(label, n_letters)
        _write(ax, place, height, label, (7, shift), va="center", path_effects=halo)


def _write(
    ax: Any, x: float, y: float, text: str, offset: tuple[int, int], **style: Any
) -> None:
    """Write a label so many points away; a dollar in it is no formula."""
    style |= {"size": "small", "zorder": 5, "parse_math": False}
    ax.annotate(text, (x, y), xytext=offset, textcoords="offset points", **style)


def _elided(text: str, n_letters: int) -> str:
    return text if len(text) <= n_letters else text[: n_letters - 1] + "…"


def _folded(name: str, n_letters: int) -> str:
    """Break a name behind blanks, or underscores where a word fills lines by itself."""
    lines: list[str] = []
    for word in name.split(" "):
        if lines and len(f"{lines[-1]} {word}") <= n_letters:
            lines[-1] += f" {word}"
            continue
        lines.append("")
        for part in re.split(r"(?<=_)", word):
            if lines[-1] and len(lines[-1] + part) > n_letters:
                lines.append("")
            lines[-1] += part
    return "\n".join(lines)
