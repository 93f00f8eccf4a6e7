"""The rules of `diagnose`: limits on what is measured, and advice beyond them."""

from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from .._fitting.convergence import LARGE_PENALTY
from .._fitting.units import SHARE_FAR
from .advice import Setup, advise

_RULE_OF_THUMB = "a rule of thumb of this library"
_LECUN = "LeCun et al., Efficient BackProp, 1998, section 4.3"
_GLOROT = "Glorot & Bengio, AISTATS 2010"
_LU = "Lu et al., Dying ReLU and Initialization, 2020"
_GOODFELLOW = "Goodfellow et al., Deep Learning, 2016, section 8.4"
_KARPATHY = "Karpathy, CS231n, ratio of updates to weights"
_PRECHELT = "Prechelt, Early Stopping - But When?, 1998, criterion GL5"


class Finding(NamedTuple):
    """Result of one check by `diagnose`.

    Parameters
    ----------
    name : str
        What was measured.
    layer : int or None
        The layer, counted from 1, the first hidden one; None is the whole network.
    value : float
        The measured value.
    limit : str
        The values that are no fault, as text.
    is_fault : bool
        Whether `value` is outside of them.
    advice : str
        What to change if it is a fault.
    source : str
        The publication that the limit comes from.
    """

    name: str
    layer: int | None
    value: float
    limit: str
    is_fault: bool
    advice: str
    source: str

    @property
    def where(self) -> str:
        """The layer as text, such as "layer 1", or "network"."""
        return "network" if self.layer is None else f"layer {self.layer}"


class Rule(NamedTuple):
    """What is measured, and what to say outside of the limits.

    `too_high` and `too_low` are each why that is a fault, then keys of `CURES`.
    """

    name: str
    high: float
    too_high: tuple[str, ...]
    source: str
    low: float = -np.inf
    too_low: tuple[str, ...] = ("",)

    def check(self, value: float, setup: Setup, layer: int | None = None) -> Finding:
        """Compare `value` with the limits."""
        low, high = self.low, self.high
        limit = f"{low:g} to {high:g}"
        if low == -np.inf:
            limit = f"at most {high:g}"
        elif high == np.inf:
            limit = f"at least {low:g}"
        why, *cures = self.too_low if value < low else self.too_high
        return Finding(
            self.name,
            layer,
            float(value),
            limit,
            not low <= value <= high,
            advise(why, cures, setup),
            self.source,
        )


# Causes come first, then what may follow from them, then results.
RULES = MappingProxyType(
    {
        "far inputs": Rule(
            "share of inputs far from the training set's",
            SHARE_FAR,
            (
                "The network was fitted to rows in other units.",
                "same units",
            ),
            _RULE_OF_THUMB,
        ),
        "far targets": Rule(
            "share of outputs whose y is far from the training set's",
            SHARE_FAR,
            ("Give y in the units of the training set.",),
            _RULE_OF_THUMB,
        ),
        "largest input": Rule(
            "size of the largest input (root mean square)",
            10.0,
            ("", "scale inputs", "same units"),
            _LECUN,
            0.1,
            ("", "scale inputs", "same units"),
        ),
        "spread of inputs": Rule(
            "largest standard deviation of an input relative to the smallest",
            100.0,
            ("", "scale inputs", "same units"),
            _LECUN,
        ),
        "largest target": Rule(
            "size of the largest target (root mean square)",
            10.0,
            ("Initial outputs are of size one.", "scale targets"),
            _LECUN,
            0.1,
            ("Initial outputs are of size one.", "scale targets"),
        ),
        "identical": Rule(
            "share of units that are identical to another",
            0.0,
            ("They get equal gradients and stay equal.", "init"),
            _GOODFELLOW,
        ),
        "signal": Rule(
            "share of the signal that the initial weights let through",
            np.inf,
            ("",),
            _GLOROT,
            1e-3,
            ("Hardly any gradient reaches the first layer.", "init"),
        ),
        "first loss": Rule(
            "loss before training relative to the best constant's",
            10.0,
            (
                "The initial network is certain and wrong.",
                "scale targets",
                "scale bad inputs",
                "smaller weights",
            ),
            "Karpathy, A Recipe for Training Neural Networks, 2019",
        ),
        "first step": Rule(
            "size of the first step relative to the weights",
            1e-1,
            ("", "lower rate"),
            _KARPATHY,
            1e-5,
            ("", "raise clip", "raise rate"),
        ),
        "penalty": Rule(
            "penalties relative to the total weight of the samples",
            LARGE_PENALTY,
            ("They keep the weights close to zero.", "lower penalty"),
            _RULE_OF_THUMB,
        ),
        "dead": Rule(
            "share of units that are dead",
            0.2,
            (
                "Their output is the same for all rows.",
                "scale bad inputs",
                "lower rate",
                "init",
                "leaky relu",
            ),
            _LU,
        ),
        "saturated": Rule(
            "share of activations that are saturated",
            0.5,
            (
                "Their gradients are close to zero.",
                "scale bad inputs",
                "smaller weights",
                "lower rate",
            ),
            _GLOROT,
        ),
        "gradient": Rule(
            "size of the gradient relative to the last layer's",
            1e3,
            ("It explodes towards the first layer.", "smaller weights", "clip"),
            _GLOROT,
            1e-3,
            ("It vanishes towards the first layer.", "init", "relu", "fewer layers"),
        ),
        "divergence": Rule(
            "epochs until it diverged",
            0.0,
            ("", "scale bad inputs", "lower rate", "clip"),
            _RULE_OF_THUMB,
        ),
        "constant": Rule(
            "loss relative to the best constant's",
            0.95,
            (
                "It predicts these rows hardly better than a constant does.",
                "causes first",
                "generalize",
                "generalize by alpha",
                "lower dropout",
                "more learning",
            ),
            _RULE_OF_THUMB,
        ),
        "falling": Rule(
            "relative fall of the loss in the last tenth of the epochs",
            0.01,
            ("It is still learning.", "more epochs", "raise rate"),
            _RULE_OF_THUMB,
        ),
        "rising": Rule(
            "share of epochs in which the loss rose by 1 %",
            0.3,
            ("", "lower dropout", "lower rate", "larger batches", "schedule"),
            _RULE_OF_THUMB,
        ),
        "overfitting": Rule(
            "rise of the validation loss above its lowest value, as a share",
            0.05,
            (
                "It overfits the training rows.",
                "restore best",
                "raise alpha",
                "raise dropout",
                "fewer units",
            ),
            _PRECHELT,
        ),
    }
)
