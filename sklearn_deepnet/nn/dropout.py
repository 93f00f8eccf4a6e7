"""Dropout: draws which units are dropped, for many samples at once."""

from collections.abc import Sequence

import numpy as np

from .._utils.typing import BoolArray, FloatArray

__all__ = ["Dropout"]

_N_AHEAD = 2**14  # units of a network for which dropout is drawn at once


class Dropout:
    """Inverted dropout [1]_: hidden units are dropped at random.

    The other units are scaled up, so that the mean input of the next layer stays the
    same. A unit is dropped if a random 16-bit integer is below ``2**16`` times the
    rate. Rates are therefore rounded to multiples of ``2**-16``.

    The integers are drawn for several batches at once, since for a small batch the call
    itself would take longer than the drawing. They are not drawn for the next epoch in
    advance, so that between two epochs only the generators have to be saved.

    Parameters
    ----------
    rates : ndarray of shape (*stack_shape, n_hidden)
        Fraction of the units that are dropped after each hidden layer.
    generators : sequence of RandomState
        One for each network. Layers with rate 0 draw no numbers.
    n_samples : int
        Number of samples in an epoch.

    References
    ----------
    .. [1] Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from
       Overfitting", JMLR 2014.
    """

    def __init__(
        self,
        rates: FloatArray,
        generators: Sequence[np.random.RandomState],
        n_samples: int,
    ) -> None:
        self._thresholds = np.rint(2**16 * rates).clip(max=2**16 - 1).astype(np.uint16)
        self._generators = generators
        self._n_samples = n_samples
        n_hidden = rates.shape[-1]
        self._n_left = [n_samples] * n_hidden  # in this epoch
        self._kept = [np.empty((*rates.shape[:-1], 0), bool)] * n_hidden

    def applies_to(self, layer: int) -> bool:
        """Return whether any network drops units of this hidden layer.

        Parameters
        ----------
        layer : int
            Index of the hidden layer, from 0.
        """
        return bool(self._thresholds[..., layer].any())

    def share_kept(self, layer: int) -> FloatArray:
        """Return the fraction of kept units, of shape ``(*stack_shape, 1, 1)``.

        Parameters
        ----------
        layer : int
            Index of the hidden layer, from 0.
        """
        return 1 - self._thresholds[..., layer, np.newaxis, np.newaxis] / 2**16

    def draw(self, layer: int, n_units: int, n_samples: int) -> BoolArray:
        """Draw which units are kept: shape ``(*stack_shape, n_units, n_samples)``.

        Parameters
        ----------
        layer : int
            Index of the hidden layer, from 0.
        n_units : int
            Number of units of the layer.
        n_samples : int
            Number of samples in the batch.
        """
        size = n_units * n_samples
        if self._kept[layer].shape[-1] < size:
            n_ahead = max(1, _N_AHEAD // size) * n_samples
            n_ahead = min(n_ahead, self._n_left[layer])
            self._kept[layer] = self._draw_ahead(layer, n_units * n_ahead)
        kept = self._kept[layer]
        self._kept[layer] = kept[..., size:]
        self._n_left[layer] = self._n_left[layer] - n_samples or self._n_samples
        return kept[..., :size].reshape(*kept.shape[:-1], n_units, n_samples)

    def _draw_ahead(self, layer: int, size: int) -> BoolArray:
        """Draw, for `size` units of each network, which ones are kept."""
        thresholds = self._thresholds[..., layer]
        # Drawing four integers as one takes less time.
        drawn = np.zeros((*thresholds.shape, -(-size // 4)), np.uint64)
        for rng, k in zip(self._generators, np.ndindex(thresholds.shape), strict=True):
            if thresholds[k]:
                drawn[k] = rng.randint(2**64, size=drawn.shape[-1], dtype=np.uint64)
        integers = drawn.view(np.uint16)[..., :size]
        return integers >= thresholds[..., np.newaxis]
