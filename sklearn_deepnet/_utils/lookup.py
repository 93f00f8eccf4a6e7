"""Look a word up in its table, and help whoever mistyped it."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TypeVar

Word = TypeVar("Word")


def is_ours(function: object) -> bool:
    """Return whether `function` is of this package.

    One that a user wrote may keep something from call to call, or not be made for a
    stack: it is called for one network and in one thread at a time.
    """
    package: str = getattr(function, "__module__", "").partition(".")[0]
    return package == __name__.partition(".")[0]


def look_up(table: Mapping[str, Word], name: str, parameter: str) -> Word:
    """Return ``table[name]``, or say what is allowed and what was probably meant.

    Parameters
    ----------
    table : mapping of str to word
        The words that `parameter` accepts.
    name : str
        What the user gave.
    parameter : str
        How the user calls it, for the message.

    Raises
    ------
    ValueError
        If there is no such word.
    """
    if name in table:
        return table[name]
    close = get_close_matches(name.lower(), table, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise ValueError(f"{parameter}={name!r} is not one of {sorted(table)}.{hint}")
