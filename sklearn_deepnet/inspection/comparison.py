"""Studies of networks: which initializer, and why."""

from collections.abc import Mapping, Sequence
from itertools import cycle, product
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone, is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import check_cv
from sklearn.utils import indexable

from .._fitting.parameters import resolve_random_state
from .._utils.sklearn_compat import safe_indexing
from .._utils.typing import FloatArray
from ..estimators.base import BaseDeepNet
from ..estimators.pipelines import find_network, network_of
from ..estimators.stacking import fit_stack
from .probe import reach_network

__all__ = ["InitializerComparison", "compare_initializers"]

_ROWS = 2**14  # looked at at once
_STYLES = ("-", "--", "-.", ":")


def compare_initializers(
    estimator: Any,
    X: ArrayLike,
    y: ArrayLike,
    *,
    init: Any = ("zeros", "random", "xavier", "he"),
    n_repeats: int | Sequence[int] = 5,
    cv: Any = None,
    groups: ArrayLike | None = None,
    scoring: Any = None,
    random_state: Any = None,
    **fit_params: Any,
) -> "InitializerComparison":
    """Train a network from several initializations, several times, on several folds.

    All networks are trained as stacks; see `fit_stack`. Repeats differ by seed, and all
    initializations share the seeds and the folds, so they are compared in pairs.

    Parameters
    ----------
    estimator : estimator
        `DeepNetClassifier`, `DeepNetRegressor`, or a pipeline that ends in one.
    X : array-like of shape (n_samples, n_features)
        Data.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Targets.
    init : str, callable, list or dict, default=("zeros", "random", "xavier", "he")
        What to compare: a value of the parameter `init`, or a list of them, which have
        their names as labels; or a mapping of labels to such values, or to dicts of
        several parameters of the network, such as
        ``{"random × 10": {"init": "random", "init_scale": 10}}``.
    n_repeats : int or sequence of int, default=5
        How many seeds, or the seeds themselves.
    cv : int, cross-validation generator or iterable, default=None
        Folds, scored on the rows left out of each; None is 5.
    groups : array-like of shape (n_samples,) or None, default=None
        For `cv`, such as a `GroupKFold`, which keeps the rows of a group together.
    scoring : str or callable, default=None
        What to score by; None is the estimator's ``score``.
    random_state : int, RandomState or None, default=None
        Of the seeds.
    **fit_params : dict
        For ``fit``, such as `sample_weight`; see `fit_stack`.

    Returns
    -------
    comparison : InitializerComparison
        Curves and figures, with a table and a plot of them.

    Raises
    ------
    ValueError
        If there are no seeds, no initializations, two of one label, or one that sets
        `random_state`; or if a fit raises it.
    TypeError
        If `estimator` is no network.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_deepnet import DeepNetClassifier, compare_initializers
    >>> X, y = load_iris(return_X_y=True)
    >>> net = DeepNetClassifier((8, 8), learning_rate=0.01, n_iter=60, tol=None)
    >>> model = make_pipeline(StandardScaler(), net)
    >>> study = compare_initializers(model, X, y, init=["zeros", "he"], random_state=0)
    >>> study.scores["he"].shape  # repeats × folds
    (5, 5)
    >>> bool(study.scores["he"].mean() > study.scores["zeros"].mean())
    True
    """
    settings = _settings(init)
    seeds = _seeds(n_repeats, random_state)
    find_network(estimator)  # or raise, before anything is fitted
    score = check_scoring(estimator, scoring=scoring)
    X, y, groups = indexable(X, y, groups)
    splitter = check_cv(cv, y, classifier=is_classifier(estimator))
    folds = list(splitter.split(X, y, groups))
    models, rows = [], []
    for parameters, seed, (train, _) in product(settings.values(), seeds, folds):
        model = clone(estimator)
        network_of(model).set_params(**parameters, random_state=seed)
        models.append(model)
        rows.append(train)
    fit_stack(models, X, y, rows=rows, **fit_params)
    scores, train_scores, dead_units = [], [], []
    for model, (train, test) in zip(models, cycle(folds), strict=False):
        X_train, y_train = safe_indexing(X, train), safe_indexing(y, train)
        train_scores.append(score(model, X_train, y_train))
        scores.append(score(model, safe_indexing(X, test), safe_indexing(y, test)))
        dead_units.append(_share_of_dead_units(model, X_train))
    networks = [network_of(model) for model in models]

    def by_label(values: Any) -> dict[str, Any]:
        values = np.asarray(values)
        shape = len(settings), len(seeds), len(folds), *values.shape[1:]
        return dict(zip(settings, values.reshape(shape), strict=True))

    n = len(seeds) * len(folds)
    return InitializerComparison(
        labels=list(settings),
        loss_curves=by_label(_aligned(networks)),
        scores=by_label(scores),
        train_scores=by_label(train_scores),
        dead_units=by_label(dead_units),
        diverged=by_label([network.diverged_ for network in networks]),
        estimators={it: models[k * n : k * n + n] for k, it in enumerate(settings)},
    )


class InitializerComparison:
    """What became of networks that were initialized in several ways.

    Made by `compare_initializers`. Every mapping has an array for each label.

    Parameters
    ----------
    labels : list of str
        Of the initializations, in the order in which they were given.
    loss_curves : dict of ndarray of shape (n_repeats, n_folds, n_epochs)
        Training loss of each pass; NaN after the last.
    scores : dict of ndarray of shape (n_repeats, n_folds)
        Of the rows left out.
    train_scores : dict of ndarray of shape (n_repeats, n_folds)
        Of the rows trained on.
    dead_units : dict of ndarray of shape (n_repeats, n_folds)
        Share of the hidden units that give the same output for every training row when
        training is over: nothing goes through them, and by a ReLU no gradient.
    diverged : dict of ndarray of bool of shape (n_repeats, n_folds)
        Whether training diverged.
    estimators : dict of list of estimators
        Fitted: repeat after repeat, fold after fold.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Of the last `plot`.
    figure_ : matplotlib Figure
        Of the last `plot`.
    """

    def __init__(
        self,
        labels: list[str],
        loss_curves: dict[str, FloatArray],
        scores: dict[str, FloatArray],
        train_scores: dict[str, FloatArray],
        dead_units: dict[str, FloatArray],
        diverged: dict[str, Any],
        estimators: dict[str, list[Any]],
    ) -> None:
        self.labels = labels
        self.loss_curves = loss_curves
        self.scores = scores
        self.train_scores = train_scores
        self.dead_units = dead_units
        self.diverged = diverged
        self.estimators = estimators

    @property
    def median_loss(self) -> float:
        """Median of the last losses of all networks."""
        return float(np.median([_last(self.loss_curves[it]) for it in self.labels]))

    def epochs_to(self, loss: float | None = None) -> dict[str, FloatArray]:
        """Return how many passes it took to bring the training loss down to `loss`.

        Parameters
        ----------
        loss : float or None, default=None
            To be reached; None is `median_loss`.

        Returns
        -------
        n_epochs : dict of ndarray of shape (n_repeats, n_folds)
            From 1; infinity where it was never reached.
        """
        loss = self.median_loss if loss is None else loss
        n_epochs = {}
        for label, curves in self.loss_curves.items():
            reached = curves <= loss
            first = 1.0 + reached.argmax(axis=-1)
            n_epochs[label] = np.where(reached.any(axis=-1), first, np.inf)
        return n_epochs

    def summarize(self, loss: float | None = None) -> dict[str, list[Any]]:
        """Return a table, as a dict of columns such as ``pandas.DataFrame`` takes.

        Parameters
        ----------
        loss : float or None, default=None
            The loss to count passes to; None is `median_loss`.

        Returns
        -------
        table : dict of list
            A row for each initialization: "init"; "score" and "score_std", mean and
            standard deviation over repeats and folds; "final_loss", the median of the
            last losses; "n_epochs", the median of `epochs_to` that loss; "dead_units",
            the mean share; and "n_diverged".
        """
        final = [_last(self.loss_curves[it]) for it in self.labels]
        n_epochs = self.epochs_to(loss)
        return {
            "init": list(self.labels),
            "score": [float(self.scores[it].mean()) for it in self.labels],
            "score_std": [float(self.scores[it].std()) for it in self.labels],
            "final_loss": [float(np.median(losses)) for losses in final],
            "n_epochs": [
                float(np.quantile(n_epochs[it], 0.5, method="lower"))
                for it in self.labels
            ],
            "dead_units": [float(self.dead_units[it].mean()) for it in self.labels],
            "n_diverged": [int(self.diverged[it].sum()) for it in self.labels],
        }

    def to_frame(self, loss: float | None = None) -> Any:
        """Return `summarize` as a table of pandas, which has to be installed.

        Parameters
        ----------
        loss : float or None, default=None
            See `summarize`.

        Returns
        -------
        table : DataFrame
            Indexed by "init".
        """
        import pandas as pd

        return pd.DataFrame(self.summarize(loss)).set_index("init")

    def __str__(self) -> str:
        table = self.summarize()
        columns = [
            [name, *(f"{it:.4g}" if isinstance(it, float) else str(it) for it in cells)]
            for name, cells in table.items()
        ]
        widths = [max(map(len, cells)) for cells in columns]
        lines = [
            "  ".join(f"{c:>{w}}" for c, w in zip(line, widths, strict=True))
            for line in zip(*columns, strict=True)
        ]
        lines.append(f"n_epochs: to a training loss of {self.median_loss:.3g}")
        return "\n".join(lines)

    def plot(self, ax: Any = None) -> "InitializerComparison":
        """Draw the training loss of each initialization against the passes.

        A line is the median over repeats and folds, the band about it goes from the
        least to the largest. The legend tells the scores.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        self : InitializerComparison
            With `ax_` and `figure_`.
        """
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots(layout="constrained")
        for number, label in enumerate(self.labels):
            curves = _held(self.loss_curves[label])
            curves = curves.reshape(-1, curves.shape[-1])
            scores = self.scores[label]
            epochs = np.arange(1, curves.shape[-1] + 1)
            (line,) = ax.plot(
                epochs,
                np.median(curves, axis=0),
                _STYLES[number % len(_STYLES)],
                linewidth=1.5 + number // len(_STYLES),
                label=f"{label}: {scores.mean():.3f} ± {scores.std():.3f}",
            )
            ax.fill_between(
                epochs,
                curves.min(axis=0),
                curves.max(axis=0),
                color=line.get_color(),
                alpha=0.15,
                linewidth=0,
            )
        ax.set(xlabel="pass", ylabel="training loss", yscale="log")
        ax.legend(title="init: score")
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _settings(init: Any) -> dict[str, dict[str, Any]]:
    """Return the parameters of each initialization by its label."""
    if isinstance(init, str) or callable(init):
        init = [init]
    labelled = init.items() if isinstance(init, Mapping) else ((it, it) for it in init)
    settings: dict[str, dict[str, Any]] = {}
    for given, it in labelled:
        label = _name(given)
        if label in settings:
            raise ValueError(
                f"init has the label {label!r} twice; give a mapping with a label for "
                "each."
            )
        settings[label] = dict(it) if isinstance(it, Mapping) else {"init": it}
        if "random_state" in settings[label]:
            raise ValueError(
                f"init sets random_state for {label!r}; the seeds come from n_repeats."
            )
    if not settings:
        raise ValueError("init is empty; give at least one initialization.")
    return settings


def _name(init: Any) -> str:
    return getattr(init, "__name__", None) or str(init)


def _seeds(n_repeats: Any, random_state: Any) -> list[int]:
    if not isinstance(n_repeats, Integral):
        seeds = [int(seed) for seed in n_repeats]
    else:
        rng = resolve_random_state(random_state)
        seeds = [int(rng.randint(2**31 - 1)) for _ in range(n_repeats)]
    if not seeds:
        raise ValueError(
            f"n_repeats must be at least 1, or hold a seed. Got {n_repeats!r} instead."
        )
    return seeds


def _aligned(networks: Sequence[BaseDeepNet]) -> FloatArray:
    """Return loss curves as rows, NaN after their ends."""
    length = max(1, *(network.n_iter_ for network in networks))
    curves = np.full((len(networks), length), np.nan)
    for curve, network in zip(curves, networks, strict=True):
        curve[: network.n_iter_] = network.loss_curve_
    return curves


def _held(curves: FloatArray) -> FloatArray:
    """Return curves that stay at their last value to the end."""
    return np.where(np.isnan(curves), _last(curves)[..., np.newaxis], curves)


def _last(curves: FloatArray) -> FloatArray:
    """Return the last loss of each; infinity if there was no complete pass."""
    n_epochs = np.count_nonzero(~np.isnan(curves), axis=-1)
    place = np.maximum(n_epochs - 1, 0)[..., np.newaxis]
    last = np.take_along_axis(curves, place, axis=-1)[..., 0]
    return np.where(n_epochs > 0, last, np.inf)


def _share_of_dead_units(model: Any, X: Any) -> float:
    """Return the share of hidden units whose output is the same for all rows."""
    network, X = reach_network(model, X)
    n_hidden = network.n_layers_ - 2
    dead = [_are_dead(network, X, layer) for layer in range(n_hidden)]
    return float(np.concatenate(dead).mean()) if dead else 0.0


def _are_dead(network: BaseDeepNet, X: Any, layer: int) -> Any:
    blocks = [
        network.hidden_activations(safe_indexing(X, slice(start, start + _ROWS)), layer)
        for start in range(0, np.shape(X)[0], _ROWS)
    ]
    least = np.min([block.min(axis=0) for block in blocks], axis=0)
    return least == np.max([block.max(axis=0) for block in blocks], axis=0)
