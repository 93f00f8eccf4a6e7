"""Draw the benchmark figures when the documentation is built."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from scipy.stats import rankdata, studentized_range

STYLES = {
    "ours": ("sklearn_deepnet", "-o"),
    "mlp_classifier": ("MLPClassifier", "--s"),
    "bare_products": ("matrix products alone", ":^"),
}
MEMORY = {"ours, MB": "-o", "MLPClassifier, MB": "--s"}


def draw_sweep(results: Path, path: Path) -> None:
    """Draw time against rows, width, depth and batch, and memory against rows."""
    found = json.loads(results.read_text("utf-8"))
    sweeps = ("rows", "width", "depth", "batch")
    figure = Figure(figsize=(9, 9), layout="constrained")
    axes = figure.subplots(3, 2).ravel()
    for ax, sweep in zip(axes, sweeps, strict=False):
        values = [int(value) for value in found[sweep]]
        for who, (name, style) in STYLES.items():
            times = [line[who] for line in found[sweep].values()]
            ax.plot(values, times, style, label=name, markersize=4)
        scale = "linear" if sweep == "depth" else "log"
        ax.set(xscale=scale, yscale="log", xlabel=sweep, ylabel="ns per row and epoch")
    axes[1].legend()
    rows = [int(value) for value in found["rows"]]
    for of, style in MEMORY.items():
        megabytes = [max(line[of], 0) for line in found["rows"].values()]
        axes[4].plot(rows, megabytes, style, label=of.removesuffix(", MB"))
    axes[4].set(xscale="log", xlabel="rows", ylabel="memory beyond the data, MB")
    seconds = [
        n * line["ours"] / 1e9
        for n, line in zip(rows, found["rows"].values(), strict=True)
    ]
    axes[5].plot(rows, seconds, "-o", markersize=4)
    axes[5].set(
        xscale="log", yscale="log", xlabel="rows", ylabel="seconds per epoch, ours"
    )
    figure.savefig(path)


def draw_ranks(results: Path, path: Path) -> None:
    """Draw critical-difference diagrams [1]_: mean ranks of models over tables.

    Models whose ranks differ by less than the critical difference of Nemenyi's test, at
    5 %, are joined by a line. Models of few tables are left out.

    References
    ----------
    .. [1] Demšar, "Statistical Comparisons of Classifiers over Multiple Data Sets",
       JMLR 2006, section 3.2.2.
    """
    means = json.loads(results.read_text("utf-8"))["means"]
    figure = Figure(figsize=(8, 5), layout="constrained")
    kinds = {
        "log-loss, tables of classes": {
            name: {model: it["log_loss"] for model, it in of.items()}
            for name, of in means.items()
            if all("log_loss" in it for it in of.values())
        },
        "R², tables of numbers": {
            name: {model: -it["score"] for model, it in of.items()}
            for name, of in means.items()
            if not any("log_loss" in it for it in of.values())
        },
    }
    for ax, (title, errors) in zip(figure.subplots(2), kinds.items(), strict=True):
        counts = Counter(model for of in errors.values() for model in of)
        models = [it for it, n in counts.items() if 2 * n > len(errors)]
        errors = {name: of for name, of in errors.items() if {*models} <= {*of}}
        values = np.array([[of[model] for model in models] for of in errors.values()])
        ranks = rankdata(values, axis=1).mean(axis=0)
        _draw_ranks(ax, dict(zip(models, ranks, strict=True)), len(errors))
        ax.set_title(f"mean rank by {title} (1 is best)", fontsize=10)
    figure.savefig(path)


def _draw_ranks(ax: Axes, ranks: dict[str, float], n_tables: int) -> None:
    models, k = sorted(ranks, key=lambda model: ranks[model]), len(ranks)
    quantile = studentized_range.ppf(0.95, k, np.inf) / np.sqrt(2)
    critical = quantile * np.sqrt(k * (k + 1) / (6 * n_tables))
    for at, model in enumerate(models):
        rank = ranks[model]
        ax.plot([rank, rank], [0, -at - 1], "-", color="0.7", linewidth=1)
        ax.plot(rank, 0, "o", color="C0" if model == "ensemble" else "0.3")
        label = f" {model}, {rank:.1f}"
        white = {"facecolor": "white", "edgecolor": "none", "pad": 0}
        ax.text(rank, -at - 1, label, va="center", fontsize=9, bbox=white)
    for at, model in enumerate(models):  # groups that the test cannot tell apart
        last = max(ranks[it] for it in models if ranks[it] <= ranks[model] + critical)
        before = [it for it in models[:at] if last <= ranks[it] + critical]
        if not before and last > ranks[model]:
            height = 0.5 + 0.45 * (at % 4)
            ax.plot([ranks[model], last], [height] * 2, "-", color="0.3", linewidth=3)
    ax.plot([1, 1 + critical], [2.6, 2.6], "|-", color="black")
    ax.text(1 + critical, 2.6, f"  critical difference {critical:.1f}", va="center")
    ax.set(xlim=(0.8, k + 0.8), ylim=(-k - 0.6, 3.2), yticks=[])
    ax.spines[["left", "right", "top"]].set_visible(False)


def draw_stacks(path: Path) -> None:
    """Draw two stacks of networks and their workers: a thumbnail."""
    figure = Figure(figsize=(4, 2.8))
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, 40), ylim=(0, 28))
    ax.axis("off")
    box = {"facecolor": "white", "edgecolor": "black", "linewidth": 1.5}
    for bottom in (3, 16):
        for at in range(3):
            ax.add_patch(Rectangle((2 + 1.2 * at, bottom + 1.2 * at), 13, 6, **box))
        middle = bottom + 5.4
        ax.plot([7.4, 10.9, 14.4], [middle] * 3, "o-", color="black", markersize=8)
        arrow = {"arrowstyle": "->", "linewidth": 1.5}
        ax.annotate("", (27, middle), (19, middle), arrowprops=arrow)
        ax.add_patch(Rectangle((28, middle - 4), 10, 8, **box | {"facecolor": "0.85"}))
        ax.text(33, middle, "worker", ha="center", va="center", fontsize=10)
    figure.savefig(path, dpi=100)
