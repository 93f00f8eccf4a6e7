"""Folders import from folders below them, and five other rules, read from source."""

import ast
import re
import sys
from pathlib import Path

import pytest

import sklearn_deepnet
from sklearn_deepnet import _engine

PACKAGE = Path(sklearn_deepnet.__file__).parent
SOURCES = {
    path.relative_to(PACKAGE).as_posix(): path.read_text("utf-8")
    for path in sorted(PACKAGE.rglob("*.py"))
}
# A folder, or a file at the top, imports from folders of a lower number alone.
LAYERS = {
    "__init__": 8,
    "model_selection": 7,
    "inspection": 7,
    "onnx": 7,
    "persistence": 7,
    "estimators": 6,
    "_fitting": 5,
    "_serialization": 4,
    "_engine": 3,
    "nn": 2,
    "_utils": 1,
    "exceptions": 0,
}
ARRAYS_ONLY = {"numpy", "scipy", "threadpoolctl", *sys.stdlib_module_names}
COMPAT = "_utils/sklearn_compat.py"
# Attributes that scikit-learn itself sets or asks for, without a promise to keep them.
# Not `_parameter_constraints`, which every class of estimators declares.
PRIVATE_ATTRIBUTES = {
    "_callback_fit_ctx",
    "_doc_link_module",
    "_doc_link_template",
    "_fit",
    "_get_fitted_attr_html",
    "_html_repr",
    "_init_callback_context",
    "_metadata_request",
    "_parent_callback_ctx",
    "_repr_html_inner",
    "_skl_callbacks",
    "_skl_callbacks_to_teardown",
    "_stop_words_id",
    "_validate_params",
}
MAX_FILES = 11

DOWNWARDS = "Import from folders below."
THROUGH_ITS_INIT = "Import from the engine what _engine/__init__.py exports."
ARRAYS = "Import libraries of arrays alone."
PUBLIC = f"Leave private names of scikit-learn to {COMPAT}."


def imports(path, tree):
    """Yield the full names of all that a file imports, wherever in it."""
    package = ["sklearn_deepnet", *Path(path).parent.parts]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            base = [*base, *([node.module] if node.module else [])]
            yield from (".".join([*base, alias.name]) for alias in node.names)


def breaches(path, source):
    """Yield the rules that a file breaks, each with what breaks it."""
    tree, own = ast.parse(source), path.partition("/")[0].removesuffix(".py")
    for name in imports(path, tree):
        top, _, rest = name.partition(".")
        folder, _, member = rest.partition(".")
        if top == "sklearn_deepnet":
            folder = folder if folder in LAYERS else "__init__"
            if folder != own and LAYERS[folder] >= LAYERS[own]:
                yield DOWNWARDS, name
            if folder == "_engine" != own and member not in _engine.__all__:
                yield THROUGH_ITS_INIT, name
        elif own in ("nn", "_engine") and top not in ARRAYS_ONLY:
            yield ARRAYS, name
        if top == "sklearn" and re.search(r"\._(?!_)", name) and path != COMPAT:
            yield PUBLIC, name
    for node in ast.walk(tree):
        for field in ("attr", "id", "name", "value"):
            used = getattr(node, field, None)
            if isinstance(used, str) and used in PRIVATE_ATTRIBUTES and path != COMPAT:
                yield PUBLIC, used


def crowded_folders(paths):
    folders = [str(Path(path).parent) for path in paths]
    return {f for f in folders if folders.count(f) > MAX_FILES}


@pytest.mark.parametrize("path", SOURCES)
def test_no_file_breaks_a_rule(path):
    assert [*breaches(path, SOURCES[path])] == []


def test_folders_are_small():
    assert crowded_folders(SOURCES) == set()


def test_the_top_holds_two_files_beside_its_init():
    top = {path for path in SOURCES if "/" not in path}
    assert top == {"__init__.py", "exceptions.py", "persistence.py"}


@pytest.mark.parametrize(
    ("rule", "path", "source"),
    [
        (DOWNWARDS, "nn/losses/__init__.py", "from ..._engine import Network"),
        (DOWNWARDS, "nn/initializers.py", "from .. import __version__"),
        (DOWNWARDS, "nn/initializers.py", "def f():\n from ..onnx import to_onnx"),
        (DOWNWARDS, "nn/initializers.py", "import sklearn_deepnet.persistence"),
        (DOWNWARDS, "onnx/export.py", "from ..inspection import diagnose"),
        (DOWNWARDS, "persistence.py", "from .model_selection import fit_stack"),
        (DOWNWARDS, "estimators/base.py", "from .. import nowhere"),
        (THROUGH_ITS_INIT, "_fitting/jobs.py", "from .._engine.batches import Batches"),
        (THROUGH_ITS_INIT, "_fitting/jobs.py", "from .._engine import _Worker"),
        (THROUGH_ITS_INIT, "_fitting/jobs.py", "from .. import _engine"),
        (ARRAYS, "nn/functional.py", "import sklearn.metrics"),
        (ARRAYS, "_engine/state.py", "def f():\n import joblib"),
        (PUBLIC, "estimators/base.py", "from sklearn.utils._array_api import xpx"),
        (PUBLIC, "estimators/base.py", "x._skl_callbacks"),
        (PUBLIC, "estimators/base.py", "'_skl_callbacks' in x"),
        (PUBLIC, "estimators/base.py", "Pipeline._fit"),
        (PUBLIC, "estimators/base.py", "def _html_repr(): 0"),
        (PUBLIC, "estimators/base.py", "_doc_link_module = ''"),
    ],
)
def test_a_breach_is_found(rule, path, source):
    assert [found for found, _ in breaches(path, source)] == [rule]


def test_a_crowded_folder_is_found():
    assert crowded_folders([f"nn/{k}.py" for k in range(MAX_FILES + 1)]) == {"nn"}


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("nn/losses/__init__.py", "from .regression import huber"),
        ("_engine/state.py", "from ..nn.losses import Loss"),
        ("_engine/training.py", "from .batches import Batches"),
        ("_fitting/jobs.py", "from .._engine import Batches"),
        ("onnx/export.py", "from .graph import WholeGraph"),
        ("nn/functional.py", "import math, numpy, scipy.special"),
        ("estimators/base.py", "import sklearn.base"),
        (COMPAT, "from sklearn.utils._array_api import xpx; x._fit"),
    ],
)
def test_what_is_allowed_is_not_found(path, source):
    assert [*breaches(path, source)] == []


def test_contributing_shows_the_folders_from_the_top():
    page = (PACKAGE.parent / "CONTRIBUTING.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    assert rows == [name for name in LAYERS if name not in ("__init__", "exceptions")]
