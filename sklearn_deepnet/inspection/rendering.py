"""What the tables and plots of this folder have in common."""

from collections.abc import Iterable
from typing import Any

# The first curve has none, and "o" marks the best epoch.
_MARKERS = ("", "s", "^", "D", "v", "P", "X")


def table_lines(rows: Iterable[Iterable[str]], align: str) -> list[str]:
    """Return rows of cells as lines of text, in columns that are as wide as needed.

    Parameters
    ----------
    rows : iterable of iterable of str
        All of one length.
    align : {"<", ">"}
        Whether cells are aligned to the left or to the right.
    """
    rows = [list(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(f"{c:{align}{w}}" for c, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def axes_or_new(ax: Any) -> Any:
    """Return `ax`, or the axes of a new figure if it is None."""
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(layout="constrained")
    return ax


def curve_style(number: int, n_points: int) -> dict[str, Any]:
    """Return markers for a curve, since colors are alike in a grey print."""
    return {
        "marker": _MARKERS[number % len(_MARKERS)],
        "markevery": max(1, n_points // 8),
    }
