"""Advice on what to change in a network that has a fault."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from scipy.sparse import issparse

from .._fitting.jobs import TrainingJob
from .._fitting.parameters import is_quasi_newton
from .._fitting.targets import NumberTargets
from ..estimators.base import BaseDeepNet

_LARGE_DROPOUT = 0.5
_BOUNDED = {"sigmoid", "tanh"}  # activations whose derivatives tend to zero


@dataclass
class Setup:
    """A network, its job, and the findings that advice depends on.

    Parameters
    ----------
    network : BaseDeepNet
        The network to advise on.
    job : TrainingJob
        Its training job.
    are_inputs_bad : bool, default=False
        Whether the inputs have a fault.
    are_rows_other : bool, default=False
        Whether the rows are in other units than the training data.
    has_causes : bool, default=False
        Whether there are faults that may cause a bad result.
    has_learned : bool, default=False
        Whether the loss is low on the training data, but not on these rows.
    """

    network: BaseDeepNet
    job: TrainingJob
    are_inputs_bad: bool = False
    are_rows_other: bool = False
    has_causes: bool = False
    has_learned: bool = False

    @property
    def activations(self) -> set[str]:
        """The names of the activations of the hidden layers."""
        return {activation.name for activation in self.job.spec.activations}

    @property
    def n_hidden(self) -> int:
        """The number of hidden layers."""
        return len(self.job.spec.activations)

    @property
    def is_quasi_newton(self) -> bool:
        """Whether the solver uses line searches instead of a learning rate."""
        return is_quasi_newton(self.network.solver)


def advise(why: str, cures: Sequence[str], setup: Setup) -> str:
    """Return why something is a fault, followed by advice on what to change.

    Parameters
    ----------
    why : str
        Why it is a fault: one or more sentences, or "".
    cures : sequence of str
        Keys of `CURES`. A cure that would change nothing is left out.
    setup : Setup
        The network to advise on.
    """
    if setup.are_rows_other and "same units" not in cures:
        return f"{why} Correct the first fault, then check again.".strip()
    texts = [text for cure in cures if (text := CURES[cure](setup))]
    if not texts:
        return why
    *others, last = texts
    sentence = f"{', '.join(others)} or {last}" if others else last
    return f"{why} {sentence[0].upper()}{sentence[1:]}.".strip()


def _scale_inputs(setup: Setup) -> str:
    if setup.job.dataset.input_scaling is not None:
        return ""
    if issparse(setup.job.dataset.X):
        return "put a MaxAbsScaler before the network, in a pipeline"
    return "set input_scaling='standard'"


def _scale_bad_inputs(setup: Setup) -> str:
    return _scale_inputs(setup) if setup.are_inputs_bad else ""


def _scale_targets(setup: Setup) -> str:
    targets = setup.job.dataset.targets
    is_given = isinstance(targets, NumberTargets)
    is_unscaled = is_given and setup.network.target_scaling is None
    return "set target_scaling='standard'" if is_unscaled else ""


def _same_units(setup: Setup) -> str:
    is_scaled = setup.job.dataset.input_scaling is not None
    return "give X in the units of the training data" if is_scaled else ""


def _holds_arrays(init: Any) -> bool:
    return not isinstance(init, str) and not callable(init)


def _init(setup: Setup) -> str:
    network = setup.network
    best = "xavier" if setup.activations & _BOUNDED else "he"
    is_best = isinstance(network.init, str) and network.init.replace(
        "glorot", "xavier"
    ).removesuffix("_uniform") in ("orthogonal", best)
    if not is_best:
        return f"set init='{best}'"
    is_reduced = network.init_scale is not None and network.init_scale < 1
    return f"raise init_scale (now {network.init_scale:g})" if is_reduced else ""


def _smaller_weights(setup: Setup) -> str:
    network = setup.network
    if setup.are_inputs_bad or _scale_targets(setup):
        return ""  # then the weights are not the cause
    if _holds_arrays(network.init):
        return "give smaller initial weights as init"
    if network.init_scale is None:
        return "set init_scale below 1"
    is_large = network.init_scale > 1
    return f"lower init_scale (now {network.init_scale:g})" if is_large else ""


def _lower_rate(setup: Setup) -> str:
    rate = float(setup.network.learning_rate)
    return "" if setup.is_quasi_newton else f"lower learning_rate (now {rate:g})"


def _raise_rate(setup: Setup) -> str:
    rate = float(setup.network.learning_rate)
    return "" if setup.is_quasi_newton else f"raise learning_rate (now {rate:g})"


def _raise_clip(setup: Setup) -> str:
    clip_norm = setup.network.clip_norm
    is_given = clip_norm is not None and not setup.is_quasi_newton
    return f"raise clip_norm (now {clip_norm:g})" if is_given else ""


def _clip(setup: Setup) -> str:
    clip_norm = setup.network.clip_norm
    if setup.is_quasi_newton:
        return ""
    return (
        "set clip_norm=1"
        if clip_norm is None
        else f"lower clip_norm (now {clip_norm:g})"
    )


def _relu(setup: Setup) -> str:
    return "set activation='relu'" if setup.activations & _BOUNDED else ""


def _leaky_relu(setup: Setup) -> str:
    return "set activation='leaky_relu'" if "relu" in setup.activations else ""


def _fewer_layers(setup: Setup) -> str:
    n_hidden = setup.n_hidden
    return f"use fewer hidden layers (now {n_hidden})" if n_hidden > 1 else ""


def _schedule(setup: Setup) -> str:
    is_constant = setup.network.schedule == "constant" and not setup.is_quasi_newton
    return "set schedule='cosine'" if is_constant else ""


def _larger_batches(setup: Setup) -> str:
    size = setup.job.batch_size
    is_part = size < setup.job.dataset.n_rows
    return f"raise batch_size (now {size})" if is_part else ""


def _lower_penalty(setup: Setup) -> str:
    given = {name: getattr(setup.network, name) for name in ("alpha", "l1")}
    return "lower " + " and ".join(f"{k} (now {v:g})" for k, v in given.items() if v)


def _raise_alpha(setup: Setup) -> str:
    return f"raise alpha (now {setup.network.alpha:g})"


def _raise_dropout(setup: Setup) -> str:
    dropout = setup.network.dropout
    if setup.is_quasi_newton or not setup.n_hidden:
        return ""
    return f"raise dropout (now {dropout})"


def _causes_first(setup: Setup) -> str:
    return "correct the faults above first" if setup.has_causes else ""


def _more_learning(setup: Setup) -> str:
    if setup.has_causes or setup.has_learned:
        return ""
    return f"use more units, epochs (n_iter is now {setup.network.n_iter}) or features"


def _generalize(setup: Setup) -> str:
    if setup.has_causes or not setup.has_learned:
        return ""
    return "since the training loss is low, check that the rows of X and y match"


def _generalize_by_alpha(setup: Setup) -> str:
    return _raise_alpha(setup) if _generalize(setup) else ""


def _lower_dropout(setup: Setup) -> str:
    is_large = setup.job.spec.dropout.max(initial=0) >= _LARGE_DROPOUT
    return f"lower dropout (now {setup.network.dropout})" if is_large else ""


def _more_epochs(setup: Setup) -> str:
    network = setup.network
    if network.n_iter_ < network.n_iter:  # partial_fit was used, since fit makes more
        return "call partial_fit more often"
    return f"raise n_iter (now {network.n_iter})"


def _restore_best(setup: Setup) -> str:
    return "" if setup.network.restore_best else "set restore_best=True"


CURES: MappingProxyType[str, Callable[[Setup], str]] = MappingProxyType(
    {
        "scale inputs": _scale_inputs,
        "scale bad inputs": _scale_bad_inputs,
        "scale targets": _scale_targets,
        "same units": _same_units,
        "init": _init,
        "smaller weights": _smaller_weights,
        "lower rate": _lower_rate,
        "raise rate": _raise_rate,
        "clip": _clip,
        "raise clip": _raise_clip,
        "relu": _relu,
        "leaky relu": _leaky_relu,
        "fewer layers": _fewer_layers,
        "schedule": _schedule,
        "larger batches": _larger_batches,
        "lower penalty": _lower_penalty,
        "raise alpha": _raise_alpha,
        "raise dropout": _raise_dropout,
        "lower dropout": _lower_dropout,
        "more learning": _more_learning,
        "restore best": _restore_best,
        "causes first": _causes_first,
        "generalize": _generalize,
        "generalize by alpha": _generalize_by_alpha,
        "more epochs": _more_epochs,
        "fewer units": lambda _: "use fewer units",
    }
)
