"""Pictures of training, as scikit-learn has them; matplotlib is for `plot` alone."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from .._engine import Network, Propagation, one_blas_thread
from .._utils.typing import FloatArray
from ..estimators.pipelines import find_network
from .probe import (
    block_of,
    job_of,
    make_step,
    on_some_rows,
    params_of,
    reach_network,
)

__all__ = ["LayerDisplay", "LossCurveDisplay"]

_N_ROWS = 1000
_N_BINS = 60
_MARKERS = ("", "s", "^", "D", "v", "P", "X")  # of curves, to be told apart in grey


class LossCurveDisplay:
    """Losses of the passes of one or several fits.

    Made by `from_estimator` or `from_estimators`.

    Parameters
    ----------
    loss_curves : dict of str to ndarray of shape (n_epochs,)
        Training loss, penalties included.
    validation_loss_curves : dict of str to ndarray of shape (n_epochs,)
        Of those with validation data.
    best_iters : dict of str to int
        The best pass of those, from 0.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        With `ax_`.
    lines_ : list of matplotlib Line2D
        Training losses, then those of validation.
    """

    def __init__(
        self,
        *,
        loss_curves: dict[str, FloatArray],
        validation_loss_curves: dict[str, FloatArray],
        best_iters: dict[str, int],
    ) -> None:
        self.loss_curves = loss_curves
        self.validation_loss_curves = validation_loss_curves
        self.best_iters = best_iters

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, name: str | None = None, ax: Any = None
    ) -> Self:
        """Draw the curves of a fitted estimator.

        Parameters
        ----------
        estimator : DeepNetClassifier, DeepNetRegressor, or a pipeline that ends in one
            Fitted.
        name : str or None, default=None
            For the legend; None is the name of the class.
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.

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
        'pass'
        """
        name = name or type(find_network(estimator)).__name__
        return cls.from_estimators({name: estimator}, ax=ax)

    @classmethod
    def from_estimators(
        cls, estimators: Mapping[str, Any] | Sequence[Any], *, ax: Any = None
    ) -> Self:
        """Draw the curves of several fitted estimators.

        Parameters
        ----------
        estimators : dict of str to estimator, or list of estimators
            By their names for the legend; those of a list are numbered.
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.

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
                best_iters[name] = network.best_iter_
        display = cls(
            loss_curves=losses,
            validation_loss_curves=validation_losses,
            best_iters=best_iters,
        )
        return display.plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw training losses as lines, validation losses dashed, the best as a dot.

        Curves of the second fit and those after it have markers, as colors are alike in
        print.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        self : LossCurveDisplay
        """
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots(layout="constrained")
        self.lines_, dashed = [], []
        for name, curve in self.loss_curves.items():
            style = {
                "marker": _MARKERS[len(self.lines_) % len(_MARKERS)],
                "markevery": max(1, len(curve) // 8),
            }
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
            best = self.best_iters[name]
            ax.plot(best + 1, validation[best], "o", color=color)
        self.lines_ += dashed
        curves = [*self.loss_curves.values(), *self.validation_loss_curves.values()]
        if all(np.nanmin(curve, initial=np.inf) > 0 for curve in curves):
            ax.set_yscale("log")
        ax.set(xlabel="pass", ylabel="loss")
        ax.legend()
        self.ax_, self.figure_ = ax, ax.figure
        return self


class LayerDisplay:
    """How activations, gradients and updates are distributed, layer by layer.

    Made by `from_estimator`. Where all layers look alike, a signal passes through;
    where they shrink or grow from one to the next, it vanishes or explodes [1]_.

    Parameters
    ----------
    activations : list of ndarray of shape (n_units, n_rows)
        What each hidden layer hands on.
    gradients : list of ndarray of shape (n_units, n_rows)
        Derivatives of the rows' losses by the inputs of the units of each layer.
    updates : list of ndarray of shape (n_out, n_in)
        What a step adds to the weights of each layer, over their root mean square.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (3,)
        For activations, gradients and updates.
    figure_ : matplotlib Figure
        With `axes_`.

    References
    ----------
    .. [1] Glorot & Bengio, "Understanding the difficulty of training deep feedforward
       neural networks", AISTATS 2010, figures 6 and 7.
    """

    def __init__(
        self,
        *,
        activations: list[FloatArray],
        gradients: list[FloatArray],
        updates: list[FloatArray],
    ) -> None:
        self.activations = activations
        self.gradients = gradients
        self.updates = updates

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        axes: Any = None,
    ) -> Self:
        """Draw a network, fitted or about to be.

        Parameters
        ----------
        estimator : DeepNetClassifier, DeepNetRegressor, or a pipeline that ends in one
            At its weights if it is fitted, else at those a fit would start from. The
            step is one from there, on these rows, the optimizer's moments at zero.
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training data, of which up to 1000 rows are taken.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            What is right.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights in training.
        axes : array-like of 3 matplotlib Axes, or None, default=None
            Where to draw; None makes a figure.

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
        ['activations', 'gradients', 'updates over weights']
        """
        network, X = reach_network(estimator, X)
        job = job_of(network, X, y, sample_weight)
        job.state.params[...] = params_of(network, job)
        some = on_some_rows(job, _N_ROWS)
        block = block_of(some, some.dataset.n_rows)
        spec = job.spec
        layers = Network(spec.layer_sizes, spec.activations, job.state.params)
        propagation = Propagation(layers, spec.loss)
        with np.errstate(all="ignore"), one_blas_thread():
            activations, gradients = propagation.observe(*block)
            updates = [
                update / np.sqrt(np.mean(weights**2))
                for weights, update in make_step(job, propagation, block)
            ]
        n_rows = some.dataset.n_rows
        return cls(
            activations=activations,
            gradients=[n_rows * gradient for gradient in gradients],
            updates=updates,
        ).plot(axes)

    def plot(self, axes: Any = None) -> Self:
        """Draw a histogram of each layer, as a line.

        Gradients and updates are shown by their size, on a logarithmic axis. Zeros,
        such as the half of what a ReLU hands on, are left out.

        Parameters
        ----------
        axes : array-like of 3 matplotlib Axes, or None, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        self : LayerDisplay
        """
        import matplotlib.pyplot as plt

        if axes is None:
            _, axes = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
        self.axes_ = np.asarray(axes)
        n_layers = len(self.gradients)
        for ax, name, layers in (
            (self.axes_[0], "activations", self.activations),
            (self.axes_[1], "gradients", self.gradients),
            (self.axes_[2], "updates over weights", self.updates),
        ):
            sizes = name != "activations"
            for number, values in enumerate(layers, start=1):
                values = values[np.isfinite(values) & (values != 0)]
                values = np.log10(np.abs(values)) if sizes else values
                share, edges = np.histogram(values, _N_BINS)
                middle = (edges[1:] + edges[:-1]) / 2
                color = plt.get_cmap("viridis")(
                    0.9 * (number - 1) / max(1, n_layers - 1)
                )
                ax.plot(
                    10**middle if sizes else middle,
                    share / max(1, share.sum()),
                    color=color,
                    label=f"layer {number}",
                )
            ax.set(xlabel=name, xscale="log" if sizes else "linear")
        self.axes_[0].set_ylabel("share of the values")
        self.axes_[1].legend()
        self.figure_ = self.axes_[0].figure
        return self
