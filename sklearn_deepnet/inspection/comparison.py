"""Compare initializers by losses, scores and dead units, over seeds and folds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone, is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import check_cv
from sklearn.utils import indexable

from .._fitting.parameters import resolve_random_state
from .._utils.scores import check_scorer_name
from .._utils.sklearn_compat import safe_indexing, set_all_params
from .._utils.typing import FloatArray, MatrixLike, RandomStateLike
from ..estimators.base import BaseDeepNet, keeping_generators
from ..estimators.pipelines import find_network
from ..estimators.stacking import fit_stack
from ..nn.initializers import InitializerLike
from .probe import network_and_input
from .rendering import (
    HTMLTableMixin,
    ResultTable,
    axes_or_new,
    curve_style,
    table_lines,
)

__all__ = ["InitializerComparison", "compare_initializers"]

_ROWS = 2**14  # whose hidden activations are computed at once


def compare_initializers(
    estimator: Any,
    X: MatrixLike,
    y: ArrayLike,
    *,
    init: InitializerLike | Mapping[str, Any] = ("zeros", "random", "xavier", "he"),
    n_repeats: int | Sequence[int] = 5,
    cv: Any = None,
    groups: ArrayLike | None = None,
    scoring: str | Callable[..., float] | None = None,
    random_state: RandomStateLike = None,
    **fit_params: Any,
) -> "InitializerComparison":
    """Compare initializations of a network by cross-validation with several seeds.

    The network is trained from each initialization, with each seed, on each fold. All
    initializations use the same seeds and folds, so that their scores can be compared
    in pairs. All networks are trained together; see `fit_stack`.

    Parameters
    ----------
    estimator : estimator
        The network to train: `DeepNetClassifier`, `DeepNetRegressor`, or a pipeline
        that ends in one of these.
    X : array-like of shape (n_samples, n_features)
        Training data.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        True labels or targets.
    init : str, callable, list or dict, default=("zeros", "random", "xavier", "he")
        The initializations to compare.

        - A list of values of the parameter `init`, such as names. Their names are the
          labels.
        - A single value of the parameter `init`.
        - A dict of labels and values of `init`.
        - A dict of labels and dicts of parameters of the network, such as
          ``{"random × 10": {"init": "random", "init_scale": 10}}``.
    n_repeats : int or sequence of int, default=5
        Number of seeds, or a list of seeds.
    cv : int, cross-validation generator or iterable, default=None
        Cross-validation strategy, as in `cross_val_score`. None is 5-fold
        cross-validation, and an int is the number of folds.
    groups : array-like of shape (n_samples,) or None, default=None
        Groups of the samples, for a splitter such as `GroupKFold`.
    scoring : str or callable, default=None
        Score of the networks, as in `cross_val_score`. None is the ``score`` method of
        the estimator.
    random_state : int, RandomState or None, default=None
        Determines the seeds, if `n_repeats` is a number. Pass an int for reproducible
        results.
    **fit_params : dict
        Parameters that are passed to ``fit``, such as `sample_weight`; see `fit_stack`.

    Returns
    -------
    comparison : InitializerComparison
        The result. Print it for a table, or call its method `plot`.

    Raises
    ------
    ValueError
        If there is no seed or no initialization, if two initializations have the same
        label, if one sets `random_state`, or if fitting a network raises it.
    TypeError
        If `estimator` is neither a network nor a pipeline that ends in one.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_deepnet import DeepNetClassifier, compare_initializers
    >>> X, y = load_iris(return_X_y=True)
    >>> net = DeepNetClassifier((8, 8), learning_rate=0.01, n_iter=60, tol=None)
    >>> study = compare_initializers(net, X, y, init=["zeros", "he"], random_state=0)
    >>> study.scores["he"].shape  # repeats × folds
    (5, 5)
    >>> bool(study.scores["he"].mean() > study.scores["zeros"].mean())
    True
    """
    settings = _params_by_label(init)
    with keeping_generators([random_state]):
        seeds = _seeds(n_repeats, random_state)
        find_network(estimator)  # raises if there is none, before anything is fitted
        check_scorer_name(scoring)
        score = check_scoring(estimator, scoring=scoring)
        X, y, groups = indexable(X, y, groups)
        splitter = check_cv(cv, y, classifier=is_classifier(estimator))
        folds = list(splitter.split(X, y, groups))
        models, model_folds = [], []
        for params, seed, fold in product(settings.values(), seeds, folds):
            model = clone(estimator)
            set_all_params(find_network(model), **params, random_state=seed)
            models.append(model)
            model_folds.append(fold)
        fit_stack(models, X, y, rows=[train for train, _ in model_folds], **fit_params)
        evaluations = [
            _evaluate(model, score, X, y, *fold)
            for model, fold in zip(models, model_folds, strict=True)
        ]

    def by_label(values: Any) -> dict[str, Any]:
        values = np.asarray(values)
        shape = len(settings), len(seeds), len(folds), *values.shape[1:]
        return dict(zip(settings, values.reshape(shape), strict=True))

    n = len(seeds) * len(folds)
    return InitializerComparison(
        labels=list(settings),
        loss_curves=by_label(_padded_curves([find_network(it) for it in models])),
        estimators={it: models[k * n : k * n + n] for k, it in enumerate(settings)},
        **{
            name: by_label([evaluation[name] for evaluation in evaluations])
            for name in evaluations[0]
        },
    )


def _evaluate(
    model: Any, score: Callable[..., float], X: Any, y: Any, train: Any, test: Any
) -> dict[str, Any]:
    X_train = safe_indexing(X, train)
    return {
        "train_scores": score(model, X_train, safe_indexing(y, train)),
        "scores": score(model, safe_indexing(X, test), safe_indexing(y, test)),
        "dead_units": _share_of_dead_units(model, X_train),
        "diverged": find_network(model).diverged_,
    }


@dataclass(eq=False, repr=False)
class InitializerComparison(HTMLTableMixin):
    """Result of `compare_initializers`: loss curves and scores of each initialization.

    Print it for a table, which notebooks show by themselves, or call `plot`. Each dict
    has one entry for each label.

    Parameters
    ----------
    labels : list of str
        Labels of the initializations, in the given order.
    loss_curves : dict of ndarray of shape (n_repeats, n_folds, n_epochs)
        Training loss of each epoch. NaN after the end of training.
    scores : dict of ndarray of shape (n_repeats, n_folds)
        Scores on the held-out folds.
    train_scores : dict of ndarray of shape (n_repeats, n_folds)
        Scores on the training data.
    dead_units : dict of ndarray of shape (n_repeats, n_folds)
        Fraction of the hidden units that have the same output for all training samples
        after training. No signal passes through these units and, in a ReLU layer, no
        gradient.
    diverged : dict of ndarray of bool of shape (n_repeats, n_folds)
        Whether training diverged.
    estimators : dict of list of estimators
        The fitted estimators: all folds of the first seed, then all folds of the second
        seed, and so on.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the last `plot`.
    figure_ : matplotlib Figure
        Figure of the last `plot`.
    """

    labels: list[str]
    loss_curves: dict[str, FloatArray]
    scores: dict[str, FloatArray]
    train_scores: dict[str, FloatArray]
    dead_units: dict[str, FloatArray]
    diverged: dict[str, Any]
    estimators: dict[str, list[Any]]

    @property
    def median_loss(self) -> float:
        """Median of the final losses of all networks."""
        final = [_final_losses(curves) for curves in self.loss_curves.values()]
        return float(np.median(final))

    def epochs_to(self, loss: float | None = None) -> dict[str, FloatArray]:
        """Return the number of epochs until the training loss was at most `loss`.

        Parameters
        ----------
        loss : float or None, default=None
            The loss to reach. None is `median_loss`.

        Returns
        -------
        n_epochs : dict of ndarray of shape (n_repeats, n_folds)
            Number of epochs, at least 1. Infinity if the loss was never reached.
        """
        loss = self.median_loss if loss is None else loss
        n_epochs = {}
        for label, curves in self.loss_curves.items():
            reached = curves <= loss
            first = 1.0 + reached.argmax(axis=-1)
            n_epochs[label] = np.where(reached.any(axis=-1), first, np.inf)
        return n_epochs

    def summarize(self, loss: float | None = None) -> dict[str, list[Any]]:
        """Return a summary table, as a dict of columns for ``pandas.DataFrame``.

        Parameters
        ----------
        loss : float or None, default=None
            The loss up to which epochs are counted. None is `median_loss`.

        Returns
        -------
        table : dict of list
            One row for each initialization, with these columns:

            - "init": the label;
            - "score" and "score_std": mean and standard deviation of the scores;
            - "final_loss": median of the final training losses;
            - "n_epochs": median of the number of epochs until `loss` was reached;
            - "dead_units": mean fraction of dead units;
            - "n_diverged": number of networks whose training diverged.
        """
        final = [_final_losses(self.loss_curves[it]) for it in self.labels]
        n_epochs = self.epochs_to(loss)
        return {
            "init": list(self.labels),
            "score": [float(self.scores[it].mean()) for it in self.labels],
            "score_std": [float(self.scores[it].std()) for it in self.labels],
            "final_loss": [float(np.median(losses)) for losses in final],
            # The lower of the two middle values. Their mean would be infinite if one of
            # them is.
            "n_epochs": [
                float(np.quantile(n_epochs[it], 0.5, method="lower"))
                for it in self.labels
            ],
            "dead_units": [float(self.dead_units[it].mean()) for it in self.labels],
            "n_diverged": [int(self.diverged[it].sum()) for it in self.labels],
        }

    def to_frame(self, loss: float | None = None) -> Any:
        """Return the summary table as a data frame, which requires pandas.

        Parameters
        ----------
        loss : float or None, default=None
            The loss up to which epochs are counted. None is `median_loss`.

        Returns
        -------
        table : DataFrame
            One row for each initialization, with "init" as the index. See `summarize`
            for the columns.
        """
        import pandas as pd

        return pd.DataFrame(self.summarize(loss)).set_index("init")

    def __str__(self) -> str:
        lines = table_lines(self._cells(), align=">")
        return "\n".join([*lines, "n_epochs" + self._what_n_epochs_counts()])

    def _cells(self) -> list[list[str]]:
        """Return the names of the columns, and a row for each initialization."""
        table = self.summarize()
        return [
            [f"{it:.4g}" if isinstance(it, float) else str(it) for it in row]
            for row in (table, *zip(*table.values(), strict=True))
        ]

    def _what_n_epochs_counts(self) -> str:
        return f": epochs until the training loss is {self.median_loss:.3g}"

    def _result_table(self) -> ResultTable:
        header, *rows = self._cells()
        n_repeats, n_folds = self.scores[self.labels[0]].shape
        return ResultTable(
            caption=f"Initializations (seeds × folds: {n_repeats} × {n_folds})",
            header=header,
            rows=rows,
            align="<" + ">" * (len(header) - 1),
            notes=[("n_epochs", self._what_n_epochs_counts())],
        )

    def plot(self, ax: Any = None) -> "InitializerComparison":
        """Plot the training loss of each initialization against the epochs.

        A line shows the median over repeats and folds. The band around it ranges from
        the lowest to the highest loss. The legend shows the mean and the standard
        deviation of the scores.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to plot on. None creates a new figure.

        Returns
        -------
        self : InitializerComparison
            The comparison, with `ax_` and `figure_` set.
        """
        ax = axes_or_new(ax)
        for number, label in enumerate(self.labels):
            curves = _extended_curves(self.loss_curves[label])
            curves = curves.reshape(-1, curves.shape[-1])
            scores = self.scores[label]
            epochs = np.arange(1, curves.shape[-1] + 1)
            (line,) = ax.plot(
                epochs,
                np.median(curves, axis=0),
                label=f"{label}: {scores.mean():.3f} ± {scores.std():.3f}",
                **curve_style(number, len(epochs)),
            )
            ax.fill_between(
                epochs,
                curves.min(axis=0),
                curves.max(axis=0),
                color=line.get_color(),
                alpha=0.15,
                linewidth=0,
            )
        ax.set(xlabel="epoch", ylabel="training loss", yscale="log")
        ax.legend(title="init: score")
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _params_by_label(init: Any) -> dict[str, dict[str, Any]]:
    """Return the parameters of the network for each initialization, by its label."""
    if isinstance(init, str) or callable(init):
        init = [init]
    labelled = init.items() if isinstance(init, Mapping) else ((it, it) for it in init)
    settings: dict[str, dict[str, Any]] = {}
    for given, it in labelled:
        label = _name(given)
        if label in settings:
            raise ValueError(
                f"init has the label {label!r} twice. Give a dict with a different "
                "label for each initialization."
            )
        settings[label] = dict(it) if isinstance(it, Mapping) else {"init": it}
        if "random_state" in settings[label]:
            raise ValueError(
                f"init sets random_state for {label!r}. Give the seeds as n_repeats "
                "instead."
            )
    if not settings:
        raise ValueError("init is empty. Give at least one initialization.")
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
            f"n_repeats must be a positive integer or a list of seeds. Got "
            f"{n_repeats!r} instead."
        )
    return seeds


def _padded_curves(networks: Sequence[BaseDeepNet]) -> FloatArray:
    """Return loss curves as rows of equal length, padded with NaN."""
    length = max(1, *(network.n_iter_ for network in networks))
    curves = np.full((len(networks), length), np.nan)
    for curve, network in zip(curves, networks, strict=True):
        curve[: network.n_iter_] = network.loss_curve_
    return curves


def _extended_curves(curves: FloatArray) -> FloatArray:
    """Return the curves with their final loss in place of NaN."""
    return np.where(np.isnan(curves), _final_losses(curves)[..., np.newaxis], curves)


def _final_losses(curves: FloatArray) -> FloatArray:
    """Return the last loss of each curve; infinity if there was no complete epoch."""
    n_epochs = np.count_nonzero(~np.isnan(curves), axis=-1)
    place = np.maximum(n_epochs - 1, 0)[..., np.newaxis]
    last = np.take_along_axis(curves, place, axis=-1)[..., 0]
    return np.where(n_epochs > 0, last, np.inf)


def _share_of_dead_units(model: Any, X: Any) -> float:
    """Return the fraction of hidden units with the same output for all rows."""
    network, X = network_and_input(model, X)
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
