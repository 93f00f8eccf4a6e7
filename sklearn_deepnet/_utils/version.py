"""The version of the library, and which versions share their files."""

import re
from typing import Any

__version__ = "0.1.0.dev0"

# MAJOR.MINOR.PATCH of a release, which may have been packaged again.
_RELEASE = re.compile(r"(\d+\.\d+)\.\d+(?:\.post\d+)?")


def are_compatible(version: Any, other: str) -> bool:
    """Return whether two versions train and predict bit for bit the same.

    Patch releases of one minor version do, such as 0.1.0 and 0.1.1. Development
    versions and release candidates may differ from every other version.
    """
    if version == other:
        return True
    if not isinstance(version, str):
        return False
    one, two = _RELEASE.fullmatch(version), _RELEASE.fullmatch(other)
    return one is not None and two is not None and one[1] == two[1]
