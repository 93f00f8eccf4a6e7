"""What the tables and plots of this folder have in common."""

from collections.abc import Collection, Iterable, Sequence
from html import escape
from typing import Any, NamedTuple

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


class ResultTable(NamedTuple):
    """A table of a result, for its HTML form.

    Parameters
    ----------
    caption : str
        What is shown.
    header : sequence of str
        Names of the columns.
    rows : sequence of sequence of str
        Cells, of which the first of each row names the row.
    align : str
        "<" or ">" for each column.
    marked : collection of int, default=()
        Which rows are bold.
    notes : sequence of (str, str), default=()
        Paragraphs below the table, each a bold beginning and the rest.
    """

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    align: str
    marked: Collection[int] = ()
    notes: Sequence[tuple[str, str]] = ()


class HTMLTableMixin:
    """Shows a result in a notebook as the table that its `_result_table` returns."""

    def _repr_html_(self) -> str:
        return to_html(self._result_table())


# No color but the page's own, so that the table is legible on light and dark ones.
# Notebooks align and stripe the cells of tables by rules that only inline styles win.
_BLOCK = "color: inherit; background: transparent;"
_TABLE = f"border-collapse: collapse; margin: 0.5em 0; {_BLOCK}"
_CELL = f"padding: 0.2em 0.8em; border: 0; vertical-align: top; {_BLOCK}"
_CAPTION = f"{_CELL} text-align: left; caption-side: top;"
_LINE = "border-bottom: 1px solid currentColor;"
_SIDES = {"<": "left", ">": "right; white-space: nowrap"}


def to_html(table: ResultTable) -> str:
    """Return a table as HTML, in which all text is escaped."""
    caption, header, rows, align, marked, notes = table
    styles = [f"{_CELL} text-align: {_SIDES[side]};" for side in align]
    lines = [f'<div style="overflow-x: auto; {_BLOCK}">', f'<table style="{_TABLE}">']
    lines.append(f'<caption style="{_CAPTION}">{escape(caption)}</caption>')
    lines.append(f"<thead><tr>{_cells(header, styles, _LINE, 'col')}</tr></thead>")
    lines.append("<tbody>")
    for number, row in enumerate(rows):
        weight = f"font-weight: {'bold' if number in marked else 'normal'};"
        lines.append(f"<tr>{_cells(row, styles, weight)}</tr>")
    lines.append("</tbody></table>")
    lines += [f"<p><b>{escape(bold)}</b>{escape(rest)}</p>" for bold, rest in notes]
    return "\n".join([*lines, "</div>"])


def _cells(
    row: Sequence[str], styles: Sequence[str], more: str, scope: str = ""
) -> str:
    """Return the cells of a row: all are headings with `scope`, else the first is."""
    html = ""
    for number, (cell, style) in enumerate(zip(row, styles, strict=True)):
        is_heading = scope or number == 0
        tag = "th" if is_heading else "td"
        attributes = f' scope="{scope or "row"}"' if is_heading else ""
        html += f'<{tag}{attributes} style="{style} {more}">{escape(cell)}</{tag}>'
    return html


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
