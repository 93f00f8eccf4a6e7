"""Convert values of parameters and attributes to JSON and back.

A value that JSON does not support becomes a dictionary with one entry, its kind and its
content: ``{"tuple": [8, 4]}``. The numbers of an array are stored outside of the JSON,
under a name. Only the kinds in the table `DECODERS` are read, so that a file cannot
create any other objects.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..nn.activations import ACTIVATIONS, Activation
from ..nn.initializers import INITIALIZERS
from ..nn.losses import LOSSES, Loss, LossWithSetting, focal, huber, quantile
from ..nn.numeric_features import NUMERIC_FEATURES
from ..nn.optimizers import SOLVERS
from ..nn.schedules import SCHEDULES, Custom
from .container import Arrays, can_hold

# NumPy stores all strings of an array with the length of the longest one. A small file
# with one long string could therefore fill the memory.
_MAX_TEXT_BYTES = 2**26
_MAX_INLINE = 8  # most floats of a list that are written to the JSON
# Each key of a dictionary is compared with all earlier keys of the same hash. A file
# with many such keys could take hours to read.
_MAX_EQUAL_HASHES = 8
_TYPES = {"float": float, "int": int, "float32": np.float32, "float64": np.float64}
_LOSSES_WITH_SETTING = {"focal": focal, "huber": huber, "quantile": quantile}
_SOLVERS = {solver.__name__: solver for solver in SOLVERS.values()}
_SCHEDULES = {
    schedule.__name__: schedule
    for schedule in SCHEDULES.values()
    if schedule is not Custom
}
_NUMERIC_FEATURES = {
    features.__name__: features for features in NUMERIC_FEATURES.values()
}
_WITH_SETTINGS = {
    "solver": _SOLVERS,
    "schedule": _SCHEDULES,
    "numeric_features": _NUMERIC_FEATURES,
}


class NotEncodable(TypeError):
    """A value is code, or is an instance of an unknown class."""


class Encoder:
    """Turns values into JSON and arrays.

    Attributes
    ----------
    arrays : dict of str to ndarray
        The arrays that are stored outside of the JSON, so far.
    """

    def __init__(self) -> None:
        self.arrays: dict[str, NDArray[Any]] = {}

    def encode(self, value: Any, name: str) -> Any:
        """Return `value` as JSON. The names of its arrays begin with `name`."""
        if value is None or type(value) in (bool, int, str):
            return value
        if type(value) is float:
            return value if math.isfinite(value) else {"float": repr(value)}
        if type(value) is list:
            return self._encode_list(value, name)
        kind, content = self._encode_other(value, name)
        return {kind: content}

    def _encode_list(self, items: list[Any], name: str) -> Any:
        if len(items) > _MAX_INLINE and all(type(item) is float for item in items):
            return {"floats": self._put(np.array(items), name)}
        return [self.encode(item, f"{name}.{k}") for k, item in enumerate(items)]

    def _encode_other(self, value: Any, name: str) -> tuple[str, Any]:
        """Return the kind and content of a value that JSON does not support."""
        if type(value) is tuple:
            return "tuple", self._encode_items([*value], name)
        if type(value) is dict:
            keys = self._encode_items([*value], f"{name}.keys")
            return "dict", [keys, self._encode_items([*value.values()], name)]
        if isinstance(value, np.ndarray) and type(value) in (np.ndarray, np.memmap):
            return self._encode_array(value, name)
        if isinstance(value, np.generic) and can_hold(value.dtype):
            return "scalar", self._put(np.asarray(value), name)
        if isinstance(value, np.str_):
            return "scalar_string", str(value)
        if isinstance(value, np.dtype) and value.name in ("float32", "float64"):
            return "dtype", value.name
        if type(value) is np.random.RandomState:
            state = value.get_state(legacy=False)
            if state["bit_generator"] != "MT19937":
                raise NotEncodable
            return "random_state", self.encode(state, name)
        for kind, known in _TYPES.items():
            if value is known:
                return "type", kind
        return _encode_component(value)

    def _encode_items(self, items: list[Any], name: str) -> list[Any]:
        return [self.encode(item, f"{name}.{k}") for k, item in enumerate(items)]

    def _encode_array(self, array: NDArray[Any], name: str) -> tuple[str, Any]:
        if can_hold(array.dtype):
            return "array", self._put(array, name)
        is_text = array.dtype.kind == "U" and array.ndim == 1
        if is_text and array.nbytes <= _MAX_TEXT_BYTES:
            return "strings", [array.itemsize // 4, array.tolist()]
        if array.dtype == object and array.ndim == 1:
            return "objects", self._encode_items(array.tolist(), name)
        raise NotEncodable

    def _put(self, array: NDArray[Any], name: str) -> str:
        while name in self.arrays:
            name += "_"
        self.arrays[name] = array
        return name


def _encode_component(value: Any) -> tuple[str, Any]:
    """Return the kind and name of a component of this library, without its code."""
    if isinstance(value, Activation) and ACTIVATIONS.get(value.name) == value:
        return "activation", value.name
    if isinstance(value, Loss):
        name, setting = value.name.partition("(")[0], _find_setting(value)
        with suppress(TypeError, ValueError):  # of a setting that is not allowed
            if _make_loss(name, setting) == value:
                return "loss", [name, setting]
    if callable(value):
        for name, function in INITIALIZERS.items():
            if value is function:
                return "initializer", name
    for kind, known in _WITH_SETTINGS.items():
        if known.get(type(value).__name__) is type(value) and is_dataclass(value):
            settings = {f.name: getattr(value, f.name) for f in fields(value)}
            settings = {
                name: _plain_setting(setting) for name, setting in settings.items()
            }
            return kind, [type(value).__name__, settings]
    raise NotEncodable


def _find_setting(loss: Loss) -> Any:
    """Return the setting of a loss, or None if it has no setting."""
    functions = (loss.logistic, loss.softmax, loss.identity, loss.exponential)
    found = [it.setting for it in functions if isinstance(it, LossWithSetting)]
    if found and isinstance(found[0], tuple):  # several quantiles
        return [*map(_plain_setting, found[0])]
    return _plain_setting(found[0]) if found else None


def _plain_setting(setting: Any) -> Any:
    """Return a setting as a value of JSON, or raise `NotEncodable`."""
    setting = setting.item() if isinstance(setting, np.generic) else setting
    if type(setting) in (bool, int, str, type(None)):
        return setting
    if type(setting) is float and math.isfinite(setting):
        return setting
    raise NotEncodable


def _make_loss(name: str, setting: Any) -> Loss | None:
    if name in _LOSSES_WITH_SETTING and setting is not None:
        return _LOSSES_WITH_SETTING[name](setting)
    return LOSSES.get(name)


def decode(value: Any, arrays: Arrays) -> Any:
    """Return the value that `Encoder.encode` has encoded.

    Its arrays are removed from `arrays`, so that none can be used twice. Otherwise a
    small file could create a large model.

    Raises
    ------
    ValueError
        If a kind is unknown, or if its content is invalid.
    """
    if isinstance(value, list):
        return [decode(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) != 1 or not value.keys() <= DECODERS.keys():
        raise ValueError(f"it has values of an unknown kind, {[*value]!r:.80}")
    ((kind, content),) = value.items()
    try:
        return DECODERS[kind](content, arrays)
    except (TypeError, KeyError, IndexError, AttributeError, OverflowError) as error:
        raise ValueError(f"its description of {kind!r} is invalid") from error


def _decode_floats(name: Any, arrays: Arrays) -> list[float]:
    array = arrays.pop(name)
    if array.dtype != np.float64 or array.ndim != 1:
        raise TypeError
    return array.tolist()


def _decode_scalar(name: Any, arrays: Arrays) -> Any:
    array = arrays.pop(name)
    if array.ndim:
        raise TypeError
    return array[()]


def _decode_dict(content: Any, arrays: Arrays) -> dict[Any, Any]:
    keys, values = decode(content, arrays)
    if max(Counter(map(hash, keys)).values(), default=0) > _MAX_EQUAL_HASHES:
        raise KeyError
    return dict(zip(keys, values, strict=True))


def _decode_strings(content: Any, arrays: Arrays) -> NDArray[Any]:
    n_characters, texts = content
    longest = max(map(len, texts), default=0)
    if not all(type(text) is str for text in texts) or type(n_characters) is not int:
        raise TypeError
    arrays.n_text_bytes += 4 * len(texts) * n_characters
    if n_characters < max(1, longest) or arrays.n_text_bytes > _MAX_TEXT_BYTES:
        raise TypeError
    return np.array(texts, dtype=f"U{n_characters}")


def _decode_objects(content: Any, arrays: Arrays) -> NDArray[Any]:
    items = [decode(item, arrays) for item in content]
    array = np.empty(len(items), object)
    array[:] = items
    return array


def _decode_random_state(content: Any, arrays: Arrays) -> Any:
    state = decode(content, arrays)
    check_generator(state)
    rng = np.random.RandomState(0)
    rng.set_state(state)
    return rng


def check_generator(state: Any) -> None:
    """Raise unless `state` is that of a Mersenne Twister; NumPy checks less."""
    key, pos = state["state"]["key"], state["state"]["pos"]
    is_valid = (
        state.keys() == {"bit_generator", "state", "has_gauss", "gauss"}
        and state["bit_generator"] == "MT19937"
        and isinstance(key, np.ndarray)
        and (key.dtype, key.shape) == (np.dtype(np.uint32), (624,))
        and key[1:].any()  # with all zeros, randn would never return
        and type(pos) is int
        and 0 <= pos <= 624
        and type(state["has_gauss"]) is int
        and state["has_gauss"] in (0, 1)
        and type(state["gauss"]) is float
    )
    if not is_valid:
        raise ValueError("the state of a random generator is invalid")


def _decode_loss(content: Any, arrays: Arrays) -> Loss:
    name, setting = content
    loss = _make_loss(name, setting)
    if loss is None:
        raise KeyError
    return loss


def _decode_settings(known: Mapping[str, Any]) -> Callable[..., Any]:
    """Return a function that creates one of the `known` classes from its settings."""

    def make(content: Any, arrays: Arrays) -> Any:
        name, settings = content
        return known[name](
            **{key: _plain_setting(value) for key, value in settings.items()}
        )

    return make


DECODERS = MappingProxyType(
    {
        "float": lambda text, _: {"nan": np.nan, "inf": np.inf, "-inf": -np.inf}[text],
        "floats": _decode_floats,
        "tuple": lambda items, arrays: tuple(decode([*items], arrays)),
        "dict": _decode_dict,
        "array": lambda name, arrays: arrays.pop(name),
        "scalar": _decode_scalar,
        "scalar_string": lambda text, _: np.str_("".join([text])),
        "strings": _decode_strings,
        "objects": _decode_objects,
        "dtype": lambda name, _: np.dtype({"float32": "f4", "float64": "f8"}[name]),
        "type": lambda name, _: _TYPES[name],
        "random_state": _decode_random_state,
        "activation": lambda name, _: ACTIVATIONS[name],
        "loss": _decode_loss,
        "initializer": lambda name, _: INITIALIZERS[name],
        **{kind: _decode_settings(known) for kind, known in _WITH_SETTINGS.items()},
    }
)
