"""Draw what was measured; the figures are products of the build."""

import json
from pathlib import Path

from matplotlib.figure import Figure

STYLES = {
    "ours": ("sklearn_deepnet", "-o"),
    "mlp_classifier": ("MLPClassifier", "--s"),
    "bare_products": ("the bare matrix products", ":^"),
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
        ax.set(xscale=scale, yscale="log", xlabel=sweep, ylabel="ns a row and pass")
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
        xscale="log", yscale="log", xlabel="rows", ylabel="seconds a pass, ours"
    )
    figure.savefig(path)
