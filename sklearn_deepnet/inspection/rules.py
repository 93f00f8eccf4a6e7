"""What a figure about a network may be, and what to do if it is not: one table."""

from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

_OURS = "a rule of thumb of this library"
_LECUN = "LeCun et al., Efficient BackProp, 1998, section 4.3"
_GLOROT = "Glorot & Bengio, AISTATS 2010"
_LU = "Lu et al., Dying ReLU and Initialization, 2020"
_GOODFELLOW = "Goodfellow et al., Deep Learning, 2016, section 8.4"
_KARPATHY = "Karpathy, CS231n, ratio of updates to weights"
_PRECHELT = "Prechelt, Early Stopping - But When?, 1998, criterion GL5"

_SCALE = "Put a StandardScaler before the network, in a pipeline."


class Finding(NamedTuple):
    """One verdict of `diagnose`.

    Parameters
    ----------
    name : str
        Of what was looked at.
    layer : int or None
        Where, from 1, the first hidden layer; None is the whole network.
    value : float
        The figure.
    limit : str
        What it may be.
    is_fault : bool
        Whether it is not.
    advice : str
        What to do about it.
    source : str
        Where the limit comes from.
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
        """The layer in words, or "network"."""
        return "network" if self.layer is None else f"layer {self.layer}"


class Rule(NamedTuple):
    """A figure, what is no fault, and the advice if it is above or below."""

    name: str
    high: float
    too_high: str
    source: str
    low: float = -np.inf
    too_low: str = ""

    def judge(self, value: float, layer: int | None = None, **details: Any) -> Finding:
        """Return the verdict; `details` are filled into the advice."""
        low, high = self.low, self.high
        limit = f"at most {high:g}" if low == -np.inf else f"{low:g} to {high:g}"
        advice = self.too_low if value < low else self.too_high
        return Finding(
            self.name,
            layer,
            float(value),
            limit,
            not low <= value <= high,
            advice.format(**details),
            self.source,
        )


RULES = MappingProxyType(
    {
        "largest input": Rule("largest input, root mean square", 10.0, _SCALE, _LECUN),
        "spread of inputs": Rule(
            "inputs, largest over smallest standard deviation", 100.0, _SCALE, _LECUN
        ),
        "dead": Rule(
            "dead units, share",
            0.2,
            "They say the same of every row. Lower learning_rate, scale X, take "
            "init='he', or activation='leaky_relu'.",
            _LU,
        ),
        "identical": Rule(
            "identical units, share",
            0.0,
            "They learn the same for ever. Draw their weights: any init but 'zeros'.",
            _GOODFELLOW,
        ),
        "saturated": Rule(
            "saturated activations, share",
            0.5,
            "Hardly any gradient passes. Scale X, or lower init_scale.",
            _GLOROT,
        ),
        "gradient": Rule(
            "gradient, over the last layer's",
            1e3,
            "It explodes on the way back. Lower init_scale, or set clip_norm.",
            _GLOROT,
            1e-3,
            "It vanishes on the way back. Take activation='relu' with init='he', or "
            "fewer layers.",
        ),
        "first step": Rule(
            "first step, over the weights",
            1e-1,
            "Lower learning_rate (now {learning_rate:g}).",
            _KARPATHY,
            1e-5,
            "Raise learning_rate (now {learning_rate:g}).",
        ),
        "first loss": Rule(
            "loss before training, over the best constant's",
            10.0,
            "The network begins sure and wrong. Scale X, or lower init_scale.",
            "Karpathy, A Recipe for Training Neural Networks, 2019",
        ),
        "divergence": Rule(
            "passes after which it diverged",
            0.0,
            "Lower learning_rate (now {learning_rate:g}), scale X, or set clip_norm.",
            _OURS,
        ),
        "constant": Rule(
            "loss, over the best constant's",
            0.95,
            "It has learned hardly more than the mean of y. See the other faults; if "
            "there are none, give it more units, passes or features.",
            _OURS,
        ),
        "falling": Rule(
            "loss, share that fell in the last tenth of the passes",
            0.01,
            "It is still learning. Raise n_iter (now {n_iter}), or learning_rate.",
            _OURS,
        ),
        "rising": Rule(
            "passes in which the loss rose by 1 %, share",
            0.3,
            "Lower learning_rate (now {learning_rate:g}), raise batch_size, or set a "
            "schedule.",
            _OURS,
        ),
        "overfitting": Rule(
            "validation loss, share above its lowest",
            0.05,
            "It learns the training rows by heart. Raise alpha or dropout, take fewer "
            "units, or set restore_best=True, which ends with the best.",
            _PRECHELT,
        ),
    }
)
