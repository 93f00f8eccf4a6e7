"""Draw the figures of the guide when the site is built, and that of README before.

They are drawn by the library itself, so that they show what it does today.
"""

from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.datasets import load_digits, make_circles
from sklearn.inspection import DecisionBoundaryDisplay

from sklearn_deepnet import (
    DeepNetClassifier,
    DeepNetEnsembleRegressor,
    DeepNetRegressor,
    LayerDisplay,
    LossCurveDisplay,
    fit_stack,
)
from sklearn_deepnet.nn.activations import ACTIVATIONS
from sklearn_deepnet.nn.schedules import SCHEDULES

MANY_NETWORKS = "## Many networks at once"  # the section of benchmarks.md
STACKS = (
    ["30-16-1", "32", "float64"],
    ["30-16-1", "200", "float64"],
    ["64-100-10", "200", "float64"],
    ["30-16-1", "32", "float32"],
)
STYLES = ("-o", "--s", ":^", "-.d")


def draw_all(folder: Path, benchmarks: Path) -> None:
    """Draw all figures into a folder, as SVG."""
    folder.mkdir(exist_ok=True)
    figures = {
        "activations": draw_activations(),
        "schedules": draw_schedules(),
        "early_stopping": draw_early_stopping(),
        "displays": draw_displays(),
        "ensemble": draw_ensemble(),
        "stacking": draw_stacking(benchmarks.read_text("utf-8")),
    }
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.svg")


def draw_initializers() -> Figure:
    """Draw loss curves beside decision boundaries, after three initializations."""
    X, y = make_circles(300, noise=0.05, random_state=1)
    settings = {
        "zeros": {"init": "zeros"},
        "random × 10": {"init": "random", "init_scale": 10.0},
        "he": {"init": "he"},
    }
    net = {"input_scaling": None, "bias_init": "zeros", "solver": "sgd", "alpha": 0}
    net |= {"learning_rate": 0.01, "batch_size": None, "n_iter": 15_000, "tol": None}
    nets = [
        DeepNetClassifier((10, 5), **net, **init, random_state=3)
        for init in settings.values()
    ]
    figure = Figure(figsize=(7.2, 5), layout="constrained")
    axes = figure.subplot_mosaic([["loss"] * 3, [*settings]], height_ratios=[1, 1.1])
    curves = axes["loss"]
    for name, style, fit in zip(
        settings, (":", "--", "-"), fit_stack(nets, X, y), strict=True
    ):
        ax = axes[name]
        losses = np.median(np.reshape(fit.loss_curve_, (-1, 100)), axis=-1)
        curves.plot(range(50, 15_000, 100), losses, style, color="C0", label=name)
        shown = {"cmap": "Blues", "vmin": 0, "vmax": 1, "alpha": 0.7, "eps": 0.2}
        shown |= {"rasterized": True}  # else each cell is a path
        DecisionBoundaryDisplay.from_estimator(
            fit,
            X,
            response_method="predict_proba",
            plot_method="pcolormesh",
            ax=ax,
            **shown,
        )
        for label, color in enumerate(("white", "black")):
            some = X[y == label][::3]  # of the samples, which keeps the file small
            ax.plot(*some.T, "o", color=color, mec="black", markersize=3.5)
        ax.set(title=f"{name}\n{fit.score(X, y):.0%} correct", xticks=[], yticks=[])
        ax.set_aspect("equal")
    curves.set(ylim=(0, 1.2), xlim=(0, 15_000), xlabel="epoch", ylabel="training loss")
    curves.legend(title="initial weights", loc="upper right", ncols=3)
    return figure


def draw_activations() -> Figure:
    """Draw each activation and its derivative."""
    functions = {it.name: it for it in ACTIVATIONS.values()}  # without synonyms
    n_rows = -(-len(functions) // 5)
    figure = Figure(figsize=(9, 1.8 * n_rows), layout="constrained")
    axes = figure.subplots(n_rows, 5, sharex=True, sharey=True).ravel()
    x = np.linspace(-4, 4, 401)
    for ax, (name, activation) in zip(axes, functions.items(), strict=False):
        z, derivative = x.copy(), np.ones_like(x)
        a = z if activation.overwrites_z else np.empty_like(x)
        activation.forward(z, a)
        ax.plot(x, a, "-", label="value")
        activation.backward(derivative, z, a)
        ax.plot(x, derivative, "--", label="derivative")
        ax.set(title=name, ylim=(-2, 4))
        ax.grid(alpha=0.3)
    axes[0].legend(fontsize=8)
    return figure


def draw_schedules() -> Figure:
    """Draw the factor of each schedule over a hundred epochs."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    axes = figure.subplots(2, 4, sharex=True, sharey=True).ravel()
    epochs = range(100)
    for ax, (name, make) in zip(axes, SCHEDULES.items(), strict=False):
        schedule = make()
        state, factors = schedule.init(len(epochs)), []
        for t in epochs:
            factors.append(schedule.factor_at(t, state))
            if name == "plateau":  # of a loss that falls for thirty epochs
                state = schedule.update(state, max(30 - t, 0))
        ax.plot(epochs, factors)
        ax.set(title=name, ylim=(0, 1.05))
        ax.grid(alpha=0.3)
    for ax in axes[len(SCHEDULES) :]:
        ax.set_axis_off()
    figure.supxlabel("epoch", fontsize=10)
    figure.supylabel("factor", fontsize=10)
    return figure


def draw_early_stopping() -> Figure:
    """Draw a training loss that falls and a validation loss that rises again."""
    X, y = load_digits(return_X_y=True)
    net = DeepNetClassifier((64,), learning_rate=0.01, early_stopping=True, tol=None)
    net.set_params(n_iter=60, random_state=0).fit(X[:300], y[:300])
    figure = Figure(figsize=(6, 3), layout="constrained")
    ax = figure.subplots()
    ax.semilogy(net.loss_curve_, "-", label="training loss")
    ax.semilogy(net.validation_loss_curve_, "--", label="validation loss")
    best = net.best_iter_
    ax.plot(best, net.validation_loss_curve_[best], "o", color="C1")
    ax.annotate(
        "best_iter_",
        (best, net.validation_loss_curve_[best]),
        (0, -16),
        textcoords="offset points",
        ha="center",
    )
    ax.set(xlabel="epoch", ylabel="loss")
    ax.legend()
    return figure


def draw_displays() -> Figure:
    """Draw what the two displays draw."""
    X, y = load_digits(return_X_y=True)
    nets = {
        solver: DeepNetClassifier(
            (32, 16), solver=solver, n_iter=40, early_stopping=True, tol=None
        )
        .set_params(learning_rate=0.003, random_state=0)
        .fit(X, y)
        for solver in ("adam", "nesterov")
    }
    figure = Figure(figsize=(7, 5), layout="constrained")
    upper, lower = figure.subfigures(2, 1)
    LossCurveDisplay.from_estimators(nets, ax=upper.subplots())
    LayerDisplay.from_estimator(nets["nesterov"], X, y, axes=lower.subplots(1, 3))
    return figure


def draw_ensemble() -> Figure:
    """Draw ten networks that were trained on a curve with a gap."""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(-4, -1, 60), rng.uniform(1, 4, 60)])
    y = np.sin(2 * x) + 0.1 * rng.standard_normal(120)
    net = DeepNetRegressor((64, 64), init="he", learning_rate=0.01, n_iter=300)
    ensemble = DeepNetEnsembleRegressor(net.set_params(tol=None), n_estimators=10)
    ensemble.set_params(random_state=0).fit(x[:, np.newaxis], y)
    grid = np.linspace(-4.5, 4.5, 401)
    mean, std = ensemble.predict(grid[:, np.newaxis], return_std=True)
    figure = Figure(figsize=(7, 3), layout="constrained")
    ax: Axes = figure.subplots()
    band = mean - 2 * std, mean + 2 * std
    ax.fill_between(grid, *band, alpha=0.25, label="mean ± 2 standard deviations")
    for member in ensemble.estimators_:
        ax.plot(grid, member.predict(grid[:, np.newaxis]), color="0.6", linewidth=0.7)
    ax.plot(grid, mean, color="black", label="mean")
    ax.plot(x, y, "o", color="C1", markersize=3, label="training data")
    ax.set(xlabel="x", ylabel="y", ylim=(-3, 3))
    ax.legend(fontsize=8, ncols=3, loc="upper center")
    return figure


def draw_stacking(page: str) -> Figure:
    """Draw the times of stacks, which stand as a table on the page of benchmarks."""
    section = page.split(MANY_NETWORKS)[1].split("\n## ")[0]
    lines = [line.strip("|\n ").split("|") for line in section.splitlines()]
    head, _, *rows = (
        [cell.strip(" *") for cell in line] for line in lines if len(line) == 11
    )
    sizes = [1, *map(int, head[4:])]
    figure = Figure(figsize=(7, 3.2), layout="constrained")
    ax = figure.subplots()
    for (name, batch, dtype, *times), style in zip(
        [row for row in rows if row[:3] in STACKS], STYLES, strict=True
    ):
        relative = np.array(times, float) / float(times[0])
        ax.plot(sizes, relative, style, label=f"{name}, mini-batch {batch}, {dtype}")
    ax.axhline(1, color="0.7", linewidth=1)
    ax.set_xscale("log", base=2)
    ax.set_xticks(sizes, map(str, sizes))
    ax.set(xlabel="networks in the stack", ylabel="time of each network", ylim=(0, 1.6))
    ax.legend(fontsize=8)
    return figure


def draw_readme_picture(path: Path) -> None:
    """Draw the figure of README and the landing page, the only one in the repository.

    README shows it where nothing is built.
    """
    settings = {"svg.fonttype": "none", "svg.hashsalt": "README"}
    with rc_context(settings):
        draw_initializers().savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    draw_readme_picture(Path(__file__).parent / "_static" / "initializers.svg")
