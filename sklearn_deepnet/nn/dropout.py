"""Dropout: which units are dropped, drawn for many samples at once."""

from collections.abc import Sequence

import numpy as np

from .._utils.typing import BoolArray, FloatArray

__all__ = ["Dropout"]

_N_AHEAD = 2**14  # units of a network for which dropout is drawn at once


class Dropout:
    """Inverted dropout [1]_: hidden units are dropped at random.

    The others are scaled up, so that the mean input of the next layer stays the same.
    A unit is dropped if a random 16-bit integer is below ``2**16`` times the rate, so
    rates are rounded to multiples of ``2**-16``.

    The integers are drawn for several batches at once, since those of a small one take
    less time than the call. None are drawn for the next epoch: between two epochs, the
    generators are all there is to keep.

    Parameters
    ----------
    rates : ndarray of shape (*stack_shape, n_hidden)
        Share of the units dropped after each hidden layer.
    generators : sequence of RandomState
        One for each network; a layer with rate 0 draws nothing.
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
            Which hidden layer, from 0.
        """
        return bool(self._thresholds[..., layer].any())

    def share_kept(self, layer: int) -> FloatArray:
        """Return the share of units that stay, of shape ``(*stack_shape, 1, 1)``.

        Parameters
        ----------
        layer : int
            Which hidden layer, from 0.
        """
        return 1 - self._thresholds[..., layer, np.newaxis, np.newaxis] / 2**16

    def draw(self, layer: int, n_units: int, n_samples: int) -> BoolArray:
        """Return which units stay, of shape ``(*stack_shape, n_units, n_samples)``.

        Parameters
        ----------
        layer : int
            Which hidden layer, from 0.
        n_units : int
            Number of its units.
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
        """Return for `size` units of each network which ones stay."""
        thresholds = self._thresholds[..., layer]
        # Four integers in one, which takes less time
        drawn = np.zeros((*thresholds.shape, -(-size // 4)), np.uint64)
        for rng, k in zip(self._generators, np.ndindex(thresholds.shape), strict=True):
            if thresholds[k]:
                drawn[k] = rng.randint(2**64, size=drawn.shape[-1], dtype=np.uint64)
        integers = drawn.view(np.uint16)[..., :size]
        return integers >= thresholds[..., np.newaxis]
