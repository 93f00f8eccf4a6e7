"""Draw the benchmark figures when the documentation is built."""

import json
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

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
