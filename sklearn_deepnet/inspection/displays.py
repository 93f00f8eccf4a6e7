"""Plots of training, like the displays of scikit-learn; `plot` needs matplotlib."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from .._engine import one_blas_thread
from .._utils.typing import FloatArray, MatrixLike
from ..estimators.ensemble import BaseEnsemble
from ..estimators.pipelines import find_last_step, find_network
from . import probe
from .rendering import axes_or_new, curve_style

__all__ = ["LayerDisplay", "LossCurveDisplay"]

_N_ROWS = 1000
_N_BINS = 60


@dataclass(kw_only=True, eq=False, repr=False)
class LossCurveDisplay:
    """Plot of the loss curves of one or several fits.

    Create it with `from_estimator` or `from_estimators`.

    Parameters
    ----------
    loss_curves : dict of str to ndarray of shape (n_epochs,)
        Training losses of each fit, including penalties.
    validation_loss_curves : dict of str to ndarray of shape (n_epochs,)
        Validation losses of each fit that has validation data.
    best_iters : dict of str to int
        Index of the best epoch, counted from 0, of each fit with validation data.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the plot.
    figure_ : matplotlib Figure
        Figure of the plot.
    lines_ : list of matplotlib Line2D
        Lines of the training losses, followed by those of the validation losses.
    """

    loss_curves: dict[str, FloatArray]
    validation_loss_curves: dict[str, FloatArray]
    best_iters: dict[str, int]

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, name: str | None = None, ax: Any = None
    ) -> Self:
        """Plot the loss curves of a fitted estimator.

        Parameters
        ----------
        estimator : network, ensemble, or a pipeline that ends in one
            A fitted network, ensemble or pipeline. An ensemble has a curve for each
            member.
        name : str or None, default=None
            Label of the curve in the legend. None is the name of the class. The members
            of an ensemble are numbered from 0.
        ax : matplotlib Axes or None, default=None
            Axes to plot on. None creates a new figure.

        Returns
        -------
        display : LossCurveDisplay

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn_deepnet import DeepNetClassifier, LossCurveDisplay
        >>> net = DeepNetClassifier((5,), n_iter=20, tol=None, random_state=0)
        >>> net = net.fit(*load_iris(return_X_y=True))
        >>> display = LossCurveDisplay.from_estimator(net)
        >>> display.ax_.get_xlabel()
        'epoch'
        """
        last = find_last_step(estimator)
        name = name or type(last).__name__
        if isinstance(last, BaseEnsemble):
            check_is_fitted(last)
            members = {f"{name} {k}": it for k, it in enumerate(last.estimators_)}
            return cls.from_estimators(members, ax=ax)
        return cls.from_estimators({name: estimator}, ax=ax)

    @classmethod
    def from_estimators(
        cls, estimators: Mapping[str, Any] | Sequence[Any], *, ax: Any = None
    ) -> Self:
        """Plot the loss curves of several fitted estimators.

        Parameters
        ----------
        estimators : dict of str to estimator, or list of estimators
            Fitted estimators. The keys of a dict are the labels in the legend; the
            estimators of a list are numbered from 0.
        ax : matplotlib Axes or None, default=None
            Axes to plot on. None creates a new figure.

        Returns
        -------
        display : LossCurveDisplay
        """
        if not isinstance(estimators, Mapping):
            estimators = {str(k): estimator for k, estimator in enumerate(estimators)}
        losses, validation_losses, best_iters = {}, {}, {}
        for name, estimator in estimators.items():
            network = find_network(estimator)
            check_is_fitted(network)
            losses[name] = np.array(network.loss_curve_)
            if network.validation_loss_curve_ is not None:
                validation_losses[name] = np.array(network.validation_loss_curve_)
                if network.best_iter_ is not None:
                    best_iters[name] = network.best_iter_
        display = cls(
            loss_curves=losses,
            validation_loss_curves=validation_losses,
            best_iters=best_iters,
        )
        return display.plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Plot the training losses as solid and the validation losses as dashed lines.

        A dot marks the best epoch. From the second fit on, curves have markers, so that
        they can also be told apart in black and white.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to plot on. None creates a new figure.

        Returns
        -------
        self : LossCurveDisplay
        """
        ax = axes_or_new(ax)
        self.lines_, dashed = [], []
        for name, curve in self.loss_curves.items():
            style = curve_style(len(self.lines_), len(curve))
            epochs = np.arange(1, len(curve) + 1)
            (line,) = ax.plot(epochs, curve, label=name, **style)
            self.lines_.append(line)
            if name not in self.validation_loss_curves:
                continue
            validation, color = self.validation_loss_curves[name], line.get_color()
            epochs = np.arange(1, len(validation) + 1)
            style |= {"linestyle": "--", "color": color}
            label = f"{name}, validation"
            dashed += ax.plot(epochs, validation, label=label, **style)
            if name in self.best_iters:
                best = self.best_iters[name]
                ax.plot(best + 1, validation[best], "o", color=color)
        self.lines_ += dashed
        curves = [*self.loss_curves.values(), *self.validation_loss_curves.values()]
        if all(np.nanmin(curve, initial=np.inf) > 0 for curve in curves):
            ax.set_yscale("log")
        ax.set(xlabel="epoch", ylabel="loss")
        ax.legend()
        self.ax_, self.figure_ = ax, ax.figure
        return self


@dataclass(kw_only=True, eq=False, repr=False)
class LayerDisplay:
    """Plot of the distributions of activations, gradients and updates by layer.

    Create it with `from_estimator`. If the histograms of all layers look alike, signals
    keep their size through the network. If they become narrower from layer to layer,
    signals vanish; if they become wider, signals explode [1]_.

    Parameters
    ----------
    activations : list of ndarray of shape (n_units, n_rows)
        Outputs of each hidden layer.
    gradients : list of ndarray of shape (n_units, n_rows)
        Derivatives of the loss of each row with respect to the pre-activations of each
        layer.
    updates : list of ndarray of shape (n_out, n_in)
        Change of the weights of each layer in one training step, divided by the root
        mean square of the weights.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (3,)
        Axes of the activations, the gradients and the updates.
    figure_ : matplotlib Figure
        Figure of the plot.

    References
    ----------
    .. [1] Glorot & Bengio, "Understanding the difficulty of training deep feedforward
       neural networks", AISTATS 2010, figures 6 and 7.
    """

    activations: list[FloatArray]
    gradients: list[FloatArray]
    updates: list[FloatArray]

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: MatrixLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        axes: Any = None,
    ) -> Self:
        """Plot the distributions in each layer of a network.

        Parameters
        ----------
        estimator : DeepNetClassifier, DeepNetRegressor, or a pipeline that ends in one
            The network may be fitted or not. If it is not fitted, its initial weights
            are used. The updates are those of one training step on the given rows, with
            the moments of the optimizer at zero.
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training data. At most 1000 rows are used.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            True labels or targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights.
        axes : array-like of 3 matplotlib Axes, or None, default=None
            Axes to plot on. None creates a new figure.

        Returns
        -------
        display : LayerDisplay

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn_deepnet import DeepNetClassifier, LayerDisplay
        >>> net = DeepNetClassifier((5, 5), random_state=0)
        >>> display = LayerDisplay.from_estimator(net, *load_iris(return_X_y=True))
        >>> [ax.get_xlabel() for ax in display.axes_]
        ['activations', 'gradients', 'updates / weights']
        """
        network, X = probe.network_and_input(estimator, X)
        job = probe.initial_job(network, X, y, sample_weight)
        job.state.params[...] = probe.current_params(network, job)
        sample = probe.subsample(job, _N_ROWS)
        batch = probe.micro_batch(sample)
        propagation = probe.make_propagation(job, job.state.params)
        with np.errstate(all="ignore"), one_blas_thread():
            activations, gradients = propagation.observe(*batch)
            updates = [
                update / np.sqrt(np.mean(weights**2))
                for weights, update in probe.take_step(job, propagation, batch)
            ]
        # The loss of the engine is a mean over the rows. Multiplied by their number,
        # each gradient is that of its own row, so the size of the sample has no effect.
        n_rows = sample.dataset.n_rows
        return cls(
            activations=activations,
            gradients=[n_rows * gradient for gradient in gradients],
            updates=updates,
        ).plot(axes)

    def plot(self, axes: Any = None) -> Self:
        """Plot the histogram of each layer as a line.

        The absolute values of gradients and updates are shown on a logarithmic axis.
        Zeros are left out; about half the outputs of a ReLU layer are zero.

        Parameters
        ----------
        axes : array-like of 3 matplotlib Axes, or None, default=None
            Axes to plot on. None creates a new figure.

        Returns
        -------
        self : LayerDisplay
        """
        import matplotlib.pyplot as plt

        if axes is None:
            _, axes = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
        self.axes_ = np.asarray(axes)
        n_layers, colors = len(self.gradients), plt.get_cmap("viridis")
        for ax, name, layers in (
            (self.axes_[0], "activations", self.activations),
            (self.axes_[1], "gradients", self.gradients),
            (self.axes_[2], "updates / weights", self.updates),
        ):
            is_log = name != "activations"
            for number, values in enumerate(layers, start=1):
                depth = (number - 1) / max(1, n_layers - 1)
                color = colors(0.9 * depth)  # brighter ones are hard to see
                label = f"layer {number}"
                ax.plot(*_histogram(values, is_log), color=color, label=label)
            ax.set(xlabel=name, xscale="log" if is_log else "linear")
        self.axes_[0].set_ylabel("fraction of values")
        self.axes_[1].legend()
        self.figure_ = self.axes_[0].figure
        return self


def _histogram(values: FloatArray, is_log: bool) -> tuple[FloatArray, FloatArray]:
    """Return the centers of the bins, and the fraction of the values in each."""
    values = values[np.isfinite(values) & (values != 0)]
    values = np.log10(np.abs(values)) if is_log else values
    counts, edges = np.histogram(values, _N_BINS)
    middles = (edges[1:] + edges[:-1]) / 2
    return 10**middles if is_log else middles, counts / max(1, counts.sum())
