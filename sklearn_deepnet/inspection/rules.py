"""The rules of `diagnose`: the limits of each check, and advice if one is exceeded."""

from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from .._fitting.convergence import LARGE_PENALTY
from .._fitting.units import SHARE_FAR
from .advice import Setup, advise

_RULE_OF_THUMB = "rule of thumb of this library"
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
        Description of the measured value.
    layer : int or None
        Index of the layer, where 1 is the first hidden layer. None if the check is
        about the whole network.
    value : float
        The measured value.
    limit : str
        The values that are acceptable, as text.
    is_fault : bool
        Whether `value` is not acceptable.
    advice : str
        What to change if `value` is not acceptable.
    source : str
        The publication from which the limit is taken.
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
    """A check of one value: its limits, and the advice if it exceeds them.

    `too_high` and `too_low` each hold the reason why this is a fault, followed by keys
    of `CURES`.
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


# Causes come first, then their effects, then the results of training.
RULES = MappingProxyType(
    {
        "far inputs": Rule(
            "fraction of columns of X that are far from the training data",
            SHARE_FAR,
            (
                "The network was fitted to data in other units.",
                "same units",
            ),
            _RULE_OF_THUMB,
        ),
        "far targets": Rule(
            "fraction of columns of y that are far from the training data",
            SHARE_FAR,
            ("Give y in the units of the training data.",),
            _RULE_OF_THUMB,
        ),
        "largest input": Rule(
            "root mean square of the largest input",
            10.0,
            ("", "scale inputs", "same units"),
            _LECUN,
            0.1,
            ("", "scale inputs", "same units"),
        ),
        "spread of inputs": Rule(
            "ratio of largest to smallest standard deviation of the inputs",
            100.0,
            ("", "scale inputs", "same units"),
            _LECUN,
        ),
        "largest target": Rule(
            "root mean square of the largest target",
            10.0,
            ("Initial outputs are of size one.", "scale targets"),
            _LECUN,
            0.1,
            ("Initial outputs are of size one.", "scale targets"),
        ),
        "identical": Rule(
            "fraction of units that are copies of another unit",
            0.0,
            (
                "These units have identical weights and will always receive identical "
                "updates.",
                "init",
            ),
            _GOODFELLOW,
        ),
        "signal": Rule(
            "fraction of the signal that passes the initial weights",
            np.inf,
            ("",),
            _GLOROT,
            1e-3,
            ("Hardly any gradient reaches the first layer.", "init"),
        ),
        "first loss": Rule(
            "loss before training relative to the best constant prediction",
            10.0,
            (
                "The initial network makes confident but wrong predictions.",
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
            "penalty relative to the total weight of the samples",
            LARGE_PENALTY,
            ("The penalty keeps the weights close to zero.", "lower penalty"),
            _RULE_OF_THUMB,
        ),
        "dead": Rule(
            "fraction of dead units",
            0.2,
            (
                "The output of these units is the same for all rows.",
                "scale bad inputs",
                "lower rate",
                "init",
                "leaky relu",
            ),
            _LU,
        ),
        "saturated": Rule(
            "fraction of saturated activations",
            0.5,
            (
                "The gradients of saturated units are close to zero.",
                "scale bad inputs",
                "smaller weights",
                "lower rate",
            ),
            _GLOROT,
        ),
        "gradient": Rule(
            "size of the gradient relative to the last layer",
            1e3,
            (
                "The gradient explodes towards the first layer.",
                "smaller weights",
                "clip",
            ),
            _GLOROT,
            1e-3,
            (
                "The gradient vanishes towards the first layer.",
                "init",
                "relu",
                "fewer layers",
            ),
        ),
        "divergence": Rule(
            "epochs until training diverged",
            0.0,
            ("", "scale bad inputs", "lower rate", "clip"),
            _RULE_OF_THUMB,
        ),
        "constant": Rule(
            "loss relative to the best constant prediction",
            0.95,
            (
                "The predictions for these rows are hardly better than a constant.",
                "causes first",
                "generalize",
                "generalize by alpha",
                "lower dropout",
                "more learning",
            ),
            _RULE_OF_THUMB,
        ),
        "falling": Rule(
            "relative decrease of the loss in the last tenth of the epochs",
            0.01,
            ("The network is still learning.", "more epochs", "raise rate"),
            _RULE_OF_THUMB,
        ),
        "rising": Rule(
            "fraction of epochs in which the loss rose by more than 1 %",
            0.3,
            ("", "lower dropout", "lower rate", "larger batches", "schedule"),
            _RULE_OF_THUMB,
        ),
        "overfitting": Rule(
            "relative rise of the validation loss above its lowest value",
            0.05,
            (
                "The network overfits the training data.",
                "restore best",
                "raise alpha",
                "raise dropout",
                "fewer units",
            ),
            _PRECHELT,
        ),
    }
)
