"""From what users write in parameters to the words that the engine takes."""

from collections.abc import Callable
from numbers import Integral
from typing import Any

import numpy as np

from ._registry import look_up
from .activations import ACTIVATIONS, Activation
from .losses import LOSSES, Loss
from .optimizers import OPTIMIZERS, Optimizer


def resolve_hidden_layer_sizes(hidden_layer_sizes: Any) -> tuple[int, ...]:
    """Return the units of each hidden layer."""
    if isinstance(hidden_layer_sizes, Integral):
        hidden_layer_sizes = (hidden_layer_sizes,)
    for n_units in hidden_layer_sizes:
        is_integer = isinstance(n_units, Integral) and not isinstance(n_units, bool)
        if not is_integer or n_units < 1:
            raise ValueError(
                f"hidden_layer_sizes must hold positive integers, one for each hidden "
                f"layer. Got {hidden_layer_sizes!r} instead."
            )
    return tuple(int(n_units) for n_units in hidden_layer_sizes)


def resolve_activations(activation: Any, n_hidden: int) -> list[Activation]:
    """Return the activation of each hidden layer."""
    if isinstance(activation, str | Activation):
        activation = [activation] * n_hidden
    if len(activation) != n_hidden:
        raise ValueError(
            f"activation has {len(activation)} entries for {n_hidden} hidden layers; "
            "give one for each, or one for all."
        )
    for word in activation:
        if not isinstance(word, str | Activation):
            raise ValueError(
                "activation must hold names or Activation objects. Got "
                f"{word!r} instead."
            )
    return [
        look_up(ACTIVATIONS, word, "activation") if isinstance(word, str) else word
        for word in activation
    ]


def resolve_loss(loss: str | Loss, out_activation: str) -> Callable[..., Any]:
    """Return the function that measures `loss` on outputs of that kind."""
    word = look_up(LOSSES, loss, "loss") if isinstance(loss, str) else loss
    function = getattr(word, out_activation)
    if function is None:
        raise ValueError(f"loss={word!r} is not defined for {out_activation} outputs.")
    return function


def resolve_optimizer(solver: str | Optimizer) -> Optimizer:
    """Return the optimizer, at its default settings if named."""
    if isinstance(solver, str):
        return look_up(OPTIMIZERS, solver, "solver")()
    return solver


def resolve_dtype(dtype: Any, X_dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype to compute in: float32 for float32 data, unless told other."""
    if dtype is None:
        return np.dtype(np.float32 if X_dtype == np.float32 else np.float64)
    try:
        resolved = np.dtype(dtype)
    except TypeError:
        resolved = None
    if resolved not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise ValueError(f"dtype={dtype!r} is not 'float32', 'float64' or None.")
    return resolved


def resolve_random_state(random_state: Any) -> np.random.RandomState:
    """Return the generator: a new one for a seed, for None one from fresh entropy.

    Unlike ``check_random_state``, None does not draw from NumPy's global generator.
    """
    if isinstance(random_state, np.random.RandomState):
        return random_state
    return np.random.RandomState(random_state)


def name_activations(activations: list[Activation]) -> list[str | Activation]:
    """Return the names of our own activations, and others as they are."""
    return [
        word.name if ACTIVATIONS.get(word.name) is word else word
        for word in activations
    ]
