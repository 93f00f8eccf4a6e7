"""A plugin of pytest for scikit-learn's own tests, run beside this library.

The variable `SKLEARN_TESTS` says how they are run:

- "calls": in the context `stacked`.
- "tasks": the same, and every call counts as if it held a network.
- "searches": with searches of this library in place of scikit-learn's.
- "networks": the same, with networks in place of other models as well.

`sklearn_tests.toml` has tests that are left out, and tests that are expected to fail.
"""

import builtins
import os
import re
import tomllib
from itertools import chain
from pathlib import Path
from types import SimpleNamespace

import pytest
from joblib import parallel_config

from sklearn_deepnet import stacked
from sklearn_deepnet.model_selection import tasks

RUN = os.environ["SKLEARN_TESTS"]
TABLE = tomllib.loads(Path(__file__).with_name("sklearn_tests.toml").read_text("utf-8"))
KEPT = {entry["file"]: entry["names"] for entry in TABLE["kept"]}

if RUN == "tasks":
    tasks._holds_network = lambda value: True

if RUN in ("searches", "networks"):
    from tests.integration.sklearn_substitutes import SEARCHES, SUBSTITUTES

    SUBSTITUTED = SEARCHES if RUN == "searches" else SUBSTITUTES
    import_module = builtins.__import__

    def import_substitutes(name, globals=None, locals=None, fromlist=(), level=0):
        """Import what a test asks for, with substitutes for classes that have one."""
        module = import_module(name, globals, locals, fromlist, level)
        importer = (globals or {}).get("__name__", "")
        if not re.match(r"sklearn\..*\btests\.test_", importer):
            return module
        kept = KEPT.get(importer.removeprefix("sklearn."), ())
        names = SUBSTITUTED.keys() & {*(fromlist or ())}.difference(kept)
        found = {it: SUBSTITUTED[it] for it in names}
        if not found:
            return module
        others = {it: getattr(module, it) for it in fromlist if it not in found}
        return SimpleNamespace(**others, **found)

    builtins.__import__ = import_substitutes


def is_match(pattern, item):
    """Return whether an item is meant; an asterisk stands for any characters."""
    expression = re.escape(pattern).replace(r"\*", ".*")
    return re.fullmatch(expression, item.name) or pattern == item.originalname


class OldEntry(pytest.Item):
    """Fails, because the table names a test that scikit-learn does not have."""

    def runtest(self):
        pytest.fail(f"sklearn_tests.toml names a test that is missing: {self.name}")


def matches(kind, items):
    """Yield each pattern of a kind of entries, its items, and the reason."""
    for entry in TABLE[kind]:
        module = "sklearn." + entry["file"]
        of_file = [item for item in items if item.module.__name__ == module]
        if of_file and RUN in entry.get("runs", ["networks"]):
            for pattern in entry["tests"]:
                found = [item for item in of_file if is_match(pattern, item)]
                yield f"{module} {pattern}", found, entry["reason"]


def pytest_collection_modifyitems(session, config, items):
    """Leave tests out, and mark those that are expected to fail."""
    found = {kind: [*matches(kind, items)] for kind in ("only", "left_out", "expected")}
    left_out = {item for _, of_entry, _ in found["left_out"] for item in of_entry}
    chosen = {item for _, of_entry, _ in found["only"] for item in of_entry}
    modules = {item.module for item in chosen}
    left_out |= {it for it in items if it.module in modules and it not in chosen}
    for _, of_entry, reason in found["expected"]:
        for item in of_entry:
            item.add_marker(pytest.mark.xfail(reason=reason, strict=True))
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=[*left_out])
    old = [name for name, of_entry, _ in chain(*found.values()) if not of_entry]
    items += [OldEntry.from_parent(session, name=name) for name in old]


if RUN in ("calls", "tasks"):

    @pytest.fixture(autouse=True)
    def _under_stacked():
        with parallel_config("threading"), stacked():
            yield
