"""The folders and their six rules: who may import whom, read from the source."""

import ast
import sys
from pathlib import Path

import pytest

import sklearn_deepnet

PACKAGE = Path(sklearn_deepnet.__file__).parent
SOURCES = {
    str(path.relative_to(PACKAGE)): path.read_text("utf-8")
    for path in sorted(PACKAGE.rglob("*.py"))
}
FLOORS = (
    ("exceptions",),
    ("_utils",),
    ("nn",),
    ("_engine",),
    ("_serialization",),
    ("_fitting",),
    ("estimators",),
    ("model_selection", "inspection", "onnx", "persistence"),
    ("__init__",),
)
FLOOR_OF = {folder: k for k, folders in enumerate(FLOORS) for folder in folders}
ARRAYS_ONLY = {"numpy", "scipy", "threadpoolctl", "sklearn_deepnet"}
MAX_FILES = 11


def folder_of(path):
    """The folder of a file, or the file itself if it lies at the top."""
    return path.partition("/")[0].removesuffix(".py")


def imports(path, source):
    """All that a file imports, wherever in it: dotted names, from the top."""
    package = ["sklearn_deepnet", *Path(path).parent.parts]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            base = [*base, *(node.module or "").split(".")] if node.module else base
            yield from (".".join([*base, alias.name]) for alias in node.names)


def imported_from(path, source):
    """Pairs of the folder and the rest of the name, of what is imported from here."""
    for name in imports(path, source):
        package, _, rest = name.partition(".")
        if package == "sklearn_deepnet":
            folder, _, rest = rest.partition(".")
            yield (folder if folder in FLOOR_OF else "__init__"), rest


# Each rule takes the path and the source of a file, and lists what breaks it.


def upward_imports(path, source):
    """Rules 1 and 2: folders import only from folders below, doors from no sibling."""
    own = folder_of(path)
    return [
        other
        for other, _ in imported_from(path, source)
        if other != own and FLOOR_OF[other] >= FLOOR_OF[own]
    ]


def imports_past_the_face_of_the_engine(path, source):
    """Rule 3: others use the engine through its ``__init__`` alone."""
    if folder_of(path) == "_engine":
        return []
    return [
        rest
        for folder, rest in imported_from(path, source)
        if folder == "_engine" and rest not in sklearn_deepnet._engine.__all__
    ]


def imports_beyond_arrays(path, source):
    """Rule 4: ``nn`` and ``_engine`` know NumPy, SciPy and threadpoolctl alone."""
    if folder_of(path) not in ("nn", "_engine"):
        return []
    allowed = ARRAYS_ONLY | sys.stdlib_module_names
    return [n for n in imports(path, source) if n.split(".")[0] not in allowed]


def is_private(name):
    return name.startswith("_") and not name.startswith("__")


def private_names_of_scikit_learn(path, source):
    """Rule 5: private names and attributes of scikit-learn are in one file."""
    if path == "_utils/sklearn_compat.py":
        return []
    found = [
        name
        for name in imports(path, source)
        if name.startswith("sklearn.") and any(map(is_private, name.split(".")))
    ]
    return found + sorted(names_in(source) & PRIVATE_ATTRIBUTES)


def names_in(source):
    """All names that a source uses, defines or spells as a string."""
    fields = "attr", "id", "name", "value"  # of attributes, names, functions, strings
    values = [
        getattr(node, field, None)
        for node in ast.walk(ast.parse(source))
        for field in fields
    ]
    return {value for value in values if isinstance(value, str)}


# Attributes that scikit-learn itself sets or asks for, without a promise to keep them.
# `_parameter_constraints` is not one of them: each class of estimators declares it, as
# scikit-learn's own do.
PRIVATE_ATTRIBUTES = {
    "_callback_fit_ctx",
    "_doc_link_module",
    "_doc_link_template",
    "_doc_link_url_param_generator",
    "_fit",
    "_get_fitted_attr_html",
    "_html_repr",
    "_init_callback_context",
    "_metadata_request",
    "_parent_callback_ctx",
    "_skl_callbacks",
    "_skl_callbacks_to_teardown",
    "_stop_words_id",
    "_validate_params",
}


def crowded_folders(paths):
    """Rule 6: at most eleven files in a folder."""
    folders = [str(Path(path).parent) for path in paths]
    return {f for f in folders if folders.count(f) > MAX_FILES}


RULES = [
    upward_imports,
    imports_past_the_face_of_the_engine,
    imports_beyond_arrays,
    private_names_of_scikit_learn,
]


@pytest.mark.parametrize("rule", RULES)
def test_no_file_breaks_the_rule(rule):
    found = {path: rule(path, source) for path, source in SOURCES.items()}
    assert {path: what for path, what in found.items() if what} == {}


def test_folders_are_small():
    assert crowded_folders(SOURCES) == set()


def test_the_top_holds_two_files_and_no_private_module():
    top = {path for path in SOURCES if "/" not in path}
    assert top == {"__init__.py", "exceptions.py", "persistence.py"}


@pytest.mark.parametrize(
    ("rule", "path", "source"),
    [
        (upward_imports, "nn/losses/__init__.py", "from ..._engine import Network"),
        (upward_imports, "nn/initializers.py", "from .. import __version__"),
        (upward_imports, "nn/initializers.py", "def f():\n from ..onnx import to_onnx"),
        (upward_imports, "nn/initializers.py", "import sklearn_deepnet.persistence"),
        (upward_imports, "onnx/export.py", "from ..inspection import diagnose"),
        (upward_imports, "persistence.py", "from .model_selection import fit_stack"),
        (upward_imports, "estimators/base.py", "from .. import nowhere"),
        (
            imports_past_the_face_of_the_engine,
            "_fitting/jobs.py",
            "from .._engine.batches import Batches",
        ),
        (
            imports_past_the_face_of_the_engine,
            "_fitting/jobs.py",
            "from .._engine import _Worker",
        ),
        (imports_beyond_arrays, "nn/functional.py", "import sklearn.metrics"),
        (imports_beyond_arrays, "_engine/state.py", "def f():\n import joblib"),
        (
            private_names_of_scikit_learn,
            "estimators/base.py",
            "from sklearn.utils._param_validation import Interval",
        ),
        (private_names_of_scikit_learn, "estimators/base.py", "x._skl_callbacks"),
        (private_names_of_scikit_learn, "estimators/base.py", "'_skl_callbacks' in x"),
        (private_names_of_scikit_learn, "estimators/base.py", "Pipeline._fit"),
        (private_names_of_scikit_learn, "estimators/base.py", "def _html_repr(): 0"),
        (private_names_of_scikit_learn, "estimators/base.py", "_doc_link_module = ''"),
    ],
)
def test_the_rule_finds_a_breach(rule, path, source):
    assert rule(path, source)


def test_the_rule_finds_a_crowded_folder():
    assert crowded_folders([f"nn/{k}.py" for k in range(MAX_FILES + 1)]) == {"nn"}


@pytest.mark.parametrize(
    ("rule", "path", "source"),
    [
        (upward_imports, "nn/losses/__init__.py", "from .regression import huber"),
        (upward_imports, "_engine/state.py", "from ..nn.losses import Loss"),
        (upward_imports, "onnx/export.py", "from .graph import ModelGraph"),
        (
            imports_past_the_face_of_the_engine,
            "_engine/training.py",
            "from .batches import Batches",
        ),
        (
            imports_beyond_arrays,
            "nn/functional.py",
            "import math, numpy, scipy.special",
        ),
        (imports_beyond_arrays, "estimators/base.py", "import sklearn.base"),
        (
            private_names_of_scikit_learn,
            "_utils/sklearn_compat.py",
            "from sklearn.utils._param_validation import Interval",
        ),
        (private_names_of_scikit_learn, "estimators/base.py", "import sklearn.base"),
    ],
)
def test_the_rule_lets_pass(rule, path, source):
    assert not rule(path, source)
