"""What scikit-learn's HTML form of a fitted network shows beside its own tables."""

from collections.abc import Sequence
from typing import Any

import numpy as np

_WIDTH, _HEIGHT = 240, 60  # of the curve, in pixels
_MOST_POINTS = 200


class Overview:
    """Layers, number of parameters and loss curve, above the fitted attributes.

    From scikit-learn 1.9, which asks an estimator for the table of its fitted
    attributes; older versions show none, and never ask.
    """

    def _get_fitted_attr_html(self, doc_link: str = "") -> Any:
        table = super()._get_fitted_attr_html(doc_link)
        own_form = table._html_repr
        table._html_repr = lambda: _draw(self) + own_form()
        return table


def _draw(net: Any) -> str:
    sizes = " → ".join(map(str, net._layer_sizes))
    told = f"Layers {sizes}: {net._params.size:,} parameters"
    return (
        f'<div class="estimator-table" style="padding: 0.5em">{told}'
        f"{_draw_curve(net.loss_curve_)}</div>"
    )


def _draw_curve(losses: Sequence[float]) -> str:
    """Return a small drawing of a curve, of the colour of text; none of one point."""
    if len(losses) < 2:
        return ""
    passes = np.unique(np.linspace(0, len(losses) - 1, _MOST_POINTS).astype(int))
    values = np.asarray(losses)[passes]
    low, high = values.min(), values.max()
    x = _WIDTH * passes / passes[-1]
    y = 1 + (_HEIGHT - 2) * (high - values) / max(high - low, np.finfo(float).tiny)
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    told = f"Loss from {losses[0]:.3g} to {losses[-1]:.3g} in {len(losses)} passes"
    return (
        f'<br><svg role="img" aria-label="{told}" width="{_WIDTH}" height="{_HEIGHT}" '
        f'viewBox="0 0 {_WIDTH} {_HEIGHT}"><polyline points="{points}" fill="none" '
        f'stroke="currentColor" stroke-width="1.5"/></svg><br>{told}'
    )
