"""Look up a component by its name, and suggest a name if it was mistyped."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from functools import wraps
from typing import Any, TypeVar

Class = TypeVar("Class", bound=type)
Component = TypeVar("Component")


def is_ours(function: object) -> bool:
    """Return whether a function or class is defined in this package.

    A subclass that a user has written may compute something else.
    """
    package: str = getattr(function, "__module__", "").partition(".")[0]
    return package == __name__.partition(".")[0]


def claims(component: object, name: str, default: bool) -> bool:
    """Return an attribute if a component or its own class sets it, else the default.

    It is not inherited, since what a subclass overrides may make the claim of its base
    class wrong.
    """
    own = vars(type(component)).keys() | getattr(component, "__dict__", {}).keys()
    return bool(getattr(component, name)) if name in own else default


def forgets_elementwise(*functions: str) -> Callable[[Class], Class]:
    """Decorate a named tuple whose `elementwise` is not known for other functions.

    ``_replace`` then sets it to False if it replaces one of the `functions`. This is
    no method of a subclass, since skops loads these as plain tuples.
    """

    def decorate(cls: Class) -> Class:
        fields: Any = cls
        replace = fields._replace

        @wraps(replace)
        def _replace(self: Any, **changes: Any) -> Any:
            if changes.keys() & {*functions}:
                changes.setdefault("elementwise", False)
            return replace(self, **changes)

        fields._replace = fields.__replace__ = _replace  # the latter for `copy.replace`
        return cls

    return decorate


def look_up(
    table: Mapping[str, Component], name: str | Component, parameter: str
) -> Component:
    """Return ``table[name]``, or raise an error that lists the names and suggests one.

    Parameters
    ----------
    table : mapping of str to component
        The components that `parameter` accepts, such as `ACTIVATIONS`.
    name : str or component
        The value that the user gave. A component that is not a name is returned
        unchanged.
    parameter : str
        Name of the parameter, for the message.

    Raises
    ------
    ValueError
        If `name` is not in the table.
    """
    if not isinstance(name, str):
        return name
    if name in table:
        return table[name]
    raise ValueError(
        f"{parameter} must be one of {sorted(table)}. Got {name!r} instead."
        f"{suggest(name, table)}"
    )


def look_up_object(table: Mapping[str, Any], given: Any, parameter: str) -> Any:
    """Return an object with default settings for a name, else the user's own object.

    Parameters
    ----------
    table : mapping of str to class
        The classes of objects that `parameter` accepts, such as `SCHEDULES`.
    given : str or object
        The value that the user gave.
    parameter : str
        Name of the parameter, for the message.

    Raises
    ------
    ValueError
        If a name is not in the table, or if `given` is a class.
    """
    if isinstance(given, type):
        raise ValueError(
            f"{parameter} must be an object, not a class. Got the class "
            f"{given.__name__}; write {given.__name__}() instead."
        )
    found = look_up(table, given, parameter)
    return found() if isinstance(given, str) else found


def settings_of(component: Any) -> dict[str, Any]:
    """Return the settings of a component; {} if it has none, or is an estimator."""
    is_component = is_dataclass(component) and not isinstance(component, type)
    if not is_component or hasattr(component, "get_params"):
        return {}
    return {it.name: getattr(component, it.name) for it in fields(component) if it.init}


def suggest(name: str, names: Iterable[str]) -> str:
    """Return " Did you mean 'he'?" with the most similar name, or ""."""
    close = get_close_matches(name.lower(), [*names], n=1)
    return f" Did you mean {close[0]!r}?" if close else ""
