"""The rules of `diagnose`: limits on what is measured, and advice beyond them."""

from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

_RULE_OF_THUMB = "a rule of thumb of this library"
_LECUN = "LeCun et al., Efficient BackProp, 1998, section 4.3"
_GLOROT = "Glorot & Bengio, AISTATS 2010"
_LU = "Lu et al., Dying ReLU and Initialization, 2020"
_GOODFELLOW = "Goodfellow et al., Deep Learning, 2016, section 8.4"
_KARPATHY = "Karpathy, CS231n, ratio of updates to weights"
_PRECHELT = "Prechelt, Early Stopping - But When?, 1998, criterion GL5"

_SCALE = "Put a StandardScaler before the network, in a pipeline."


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
    """What is measured, between which limits it is no fault, and advice otherwise."""

    name: str
    high: float
    too_high: str
    source: str
    low: float = -np.inf
    too_low: str = ""

    def check(self, value: float, layer: int | None = None, **details: Any) -> Finding:
        """Compare `value` with the limits; `details` are filled into the advice."""
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
            "Their output is the same for all rows. Lower learning_rate, scale X, take "
            "init='he', or activation='leaky_relu'.",
            _LU,
        ),
        "identical": Rule(
            "identical units, share",
            0.0,
            "They get equal gradients and stay equal. Take any init but 'zeros'.",
            _GOODFELLOW,
        ),
        "saturated": Rule(
            "saturated activations, share",
            0.5,
            "Their gradients are close to zero. Scale X, or lower init_scale.",
            _GLOROT,
        ),
        "gradient": Rule(
            "gradient, over the last layer's",
            1e3,
            "It explodes towards the first layer. Lower init_scale, or set clip_norm.",
            _GLOROT,
            1e-3,
            "It vanishes towards the first layer. Take activation='relu' with "
            "init='he', or fewer layers.",
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
            "The initial network is certain and wrong. Scale X, or lower init_scale.",
            "Karpathy, A Recipe for Training Neural Networks, 2019",
        ),
        "divergence": Rule(
            "epochs until it diverged",
            0.0,
            "Lower learning_rate (now {learning_rate:g}), scale X, or set clip_norm.",
            _RULE_OF_THUMB,
        ),
        "constant": Rule(
            "loss, over the best constant's",
            0.95,
            "It has learned hardly more than the mean of y. See the other faults; if "
            "there are none, give it more units, epochs or features.",
            _RULE_OF_THUMB,
        ),
        "falling": Rule(
            "loss, share that fell in the last tenth of the epochs",
            0.01,
            "It is still learning. Raise n_iter (now {n_iter}), or learning_rate.",
            _RULE_OF_THUMB,
        ),
        "rising": Rule(
            "epochs in which the loss rose by 1 %, share",
            0.3,
            "Lower learning_rate (now {learning_rate:g}), raise batch_size, or set a "
            "schedule.",
            _RULE_OF_THUMB,
        ),
        "overfitting": Rule(
            "validation loss, share above its lowest",
            0.05,
            "It overfits the training rows. Raise alpha or dropout, take fewer units, "
            "or set restore_best=True, which ends with the weights of the best epoch.",
            _PRECHELT,
        ),
    }
)
