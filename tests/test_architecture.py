"""The house rules: floors, imports, axes and sizes, read from the source."""

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import sklearn_deepnet

FLOORS = {
    module: floor
    for floor, modules in enumerate(
        [
            ["_typing", "_registry", "_version"],
            ["_class_losses", "_number_losses"],
            ["initializers", "activations", "losses", "optimizers", "schedules"],
            ["_engine.__init__", "_engine.network", "_engine.threads"],
            [
                "_engine.batches",
                "_engine.checkpoint",
                "_engine.propagation",
                "_engine.task",
            ],
            ["_engine.steps", "_engine.lanes", "_engine.prediction"],
            ["_engine.monitor"],
            ["_engine.training"],
            ["_engine.quasi_newton"],
            ["functional", "_sklearn", "exceptions"],
            ["_targets", "_contracts", "_overview", "_artefact", "_onnx_graph"],
            [
                "_words",
                "_sample",
                "_reports",
                "_symptoms",
                "_encoding",
                "_telling",
                "_onnx_activations",
            ],
            ["_saved", "_advice", "_jobs"],
            ["_kept_file", "_beginning"],
            ["_checkpoint"],
            ["_fitted"],
            ["_base", "_onnx_networks"],
            ["classifier", "regressor", "_pipelines"],
            ["_watching", "_onnx_converters"],
            ["_stack_sizes"],
            ["_stacking"],
            ["_tasks"],
            ["_ledger"],
            ["_searching"],
            [
                "ensemble",
                "model_selection",
                "inspection",
                "displays",
                "onnx",
                "diagnosis",
                "gradients",
            ],
            ["successive_halving"],
            ["persistence"],
            ["__init__"],
        ]
    )
    for module in modules
}
LAST_ENGINE_FLOOR = 8
ENGINE_NEEDS = {"numpy", "scipy", "threadpoolctl", "sklearn_deepnet"}

MAX_FUNCTION_LINES = 60
MAX_MODULE_LINES = 300  # docstrings apart

# Calls in which a positional integer can only be an axis.
# fmt: off
TAKES_AXIS = {
    "all", "any", "argmax", "argmin", "argsort", "concatenate", "cumsum",
    "expand_dims", "flip", "max", "mean", "min", "moveaxis", "prod", "reduce",
    "sort", "squeeze", "stack", "std", "sum", "swapaxes", "var",
}
# fmt: on

PACKAGE = Path(sklearn_deepnet.__file__).parent
SOURCES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path.read_text("utf-8")
    for path in sorted(PACKAGE.rglob("*.py"))
}
ENGINE = [module for module in SOURCES if module.startswith("_engine.")]
WORDS_AND_ENGINE = [
    module for module in SOURCES if FLOORS.get(module, 0) <= LAST_ENGINE_FLOOR
]


def imports(source, module):
    """Full dotted names of all that a module imports, wherever in it."""
    package = ["sklearn_deepnet", *module.split(".")[:-1]]
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            base = [*base, node.module] if node.module else base
            names += [".".join([*base, alias.name]) for alias in node.names]
    return names


def floor_of(name):
    """Floor of the module in which a name of this package is defined."""
    parts = name.split(".")[1:]
    while parts and ".".join(parts) not in FLOORS:
        parts.pop()
    return FLOORS[".".join(parts) or "__init__"]


# A rule takes the source and the name of a module, and lists what offends.


def upward_imports(source, module):
    reach = FLOORS.get(module, 0)
    return [
        name
        for name in imports(source, module)
        if name.split(".")[0] == "sklearn_deepnet" and floor_of(name) >= reach
    ]


def foreign_imports(source, module):
    allowed = ENGINE_NEEDS | sys.stdlib_module_names
    return [n for n in imports(source, module) if n.split(".")[0] not in allowed]


def private_sklearn_imports(source, module):
    return [
        name
        for name in imports(source, module)
        if name.split(".")[0] == "sklearn" and module != "_sklearn"
        if any(p.startswith("_") and not p.startswith("__") for p in name.split("."))
    ]


def counts_from_the_front(axis):
    try:
        value = ast.literal_eval(axis)
    except ValueError:
        return False
    values = value if isinstance(value, tuple | list) else [value]
    return any(isinstance(v, int) and v >= 0 for v in values)


def is_of_sparse_matrices(node):
    """Whether it is a function of sparse matrices, which have two axes only."""
    return isinstance(node, ast.FunctionDef) and node.name.endswith("_sparse")


def front_axes(source, module):
    found = []
    tree = ast.parse(source)
    tree.body = [node for node in tree.body if not is_of_sparse_matrices(node)]
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr="T" | "transpose"):
                found.append(node)
            case ast.keyword(arg="axis" | "axes") if counts_from_the_front(node.value):
                found.append(node)
            case ast.Call(func=ast.Attribute(attr=attr)) if attr in TAKES_AXIS:
                found += filter(counts_from_the_front, node.args)
    return [f"line {node.lineno}: {ast.unparse(node)}" for node in found]


def long_functions(source, module):
    """Functions whose body, without its docstring, is too long."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[ast.get_docstring(node) is not None :]
            n_lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            if n_lines > MAX_FUNCTION_LINES:
                found.append(f"{node.name}: {n_lines} lines")
    return found


def too_many_lines(source, module):
    n_lines = len(source.splitlines()) - docstring_lines(ast.parse(source))
    return [f"{n_lines} lines"] if n_lines > MAX_MODULE_LINES else []


def docstring_lines(tree):
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = [
        node.body[0]
        for node in ast.walk(tree)
        if isinstance(node, documented) and ast.get_docstring(node) is not None
    ]
    return sum(node.end_lineno - node.lineno + 1 for node in docstrings)


def more_than_a_docstring(source, module):
    return [
        ast.unparse(node)
        for node in ast.parse(source).body
        if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    ]


def offences(rule, modules=SOURCES):
    found = {module: rule(SOURCES[module], module) for module in modules}
    return {module: what for module, what in found.items() if what}


def run(code):
    command = [sys.executable, "-c", code]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def test_every_module_has_a_floor():
    assert SOURCES.keys() - FLOORS.keys() == set()


def test_imports_run_downwards_only():
    assert offences(upward_imports) == {}


def test_words_and_engine_import_numpy_and_scipy_only():
    assert offences(foreign_imports, WORDS_AND_ENGINE) == {}


def test_private_scikit_learn_is_imported_in_one_module_only():
    assert offences(private_sklearn_imports) == {}


def test_the_engine_counts_axes_from_the_end():
    assert ENGINE
    assert offences(front_axes, ENGINE) == {}


def test_the_door_of_the_engine_holds_a_docstring_only():
    assert offences(more_than_a_docstring, ["_engine.__init__"]) == {}


def test_functions_are_short():
    assert offences(long_functions) == {}


def test_modules_are_short():
    assert offences(too_many_lines) == {}


def test_importing_the_package_does_not_import_matplotlib():
    code = "import sys, sklearn_deepnet; print('matplotlib' in sys.modules)"
    assert run(code) == "False\n"


def test_the_package_is_imported_where_pandas_is_missing():
    # Where pandas is found, scikit-learn itself imports it.
    run("import sys; sys.modules['pandas'] = None; import sklearn_deepnet")


def test_floating_point_errors_raise_in_tests():
    with pytest.raises(FloatingPointError, match="divide by zero"):
        np.divide(1.0, 0.0)


LONG_DOCSTRING = "\n" * (MAX_MODULE_LINES + 1)
LONG_BODY = "    x = 1\n" * (MAX_FUNCTION_LINES + 1)


@pytest.mark.parametrize(
    ("rule", "module", "source"),
    [
        (upward_imports, "losses", "from .estimators import DeepNetClassifier"),
        (upward_imports, "losses", "from . import activations"),
        (upward_imports, "losses", "from ._engine.network import Network"),
        (upward_imports, "losses", "from . import __version__"),
        (upward_imports, "losses", "from sklearn_deepnet import he"),
        (upward_imports, "losses", "import sklearn_deepnet.onnx as door"),
        (upward_imports, "losses", "def f():\n    from .onnx import to_onnx"),
        (upward_imports, "_engine.network", "from .training import train"),
        (upward_imports, "_engine.network", "from ..callbacks import Callback"),
        (upward_imports, "_engine.network", "from .. import functional"),
        (upward_imports, "classifier", "from .nowhere import nothing"),
        (foreign_imports, "losses", "import sklearn.metrics"),
        (foreign_imports, "losses", "def f():\n    from pandas import DataFrame"),
        (foreign_imports, "losses", "import joblib"),
        (private_sklearn_imports, "classifier", "import sklearn.utils._tags"),
        (private_sklearn_imports, "classifier", "from sklearn.base import _fit"),
        (front_axes, "_engine.network", "x.T"),
        (front_axes, "_engine.network", "np.transpose(x)"),
        (front_axes, "_engine.network", "x.transpose(1, 0)"),
        (front_axes, "_engine.network", "np.sum(x, axis=0)"),
        (front_axes, "_engine.network", "np.sum(x, axis=(-1, 0))"),
        (front_axes, "_engine.network", "x.sum(1)"),
        (front_axes, "_engine.network", "np.add.reduce(x, 0, out=y)"),
        (more_than_a_docstring, "_engine.__init__", '"""Engine."""\nx = 1'),
        (long_functions, "losses", f"def f():\n{LONG_BODY}"),
        (long_functions, "losses", f"class C:\n  async def f():\n{LONG_BODY}"),
        (too_many_lines, "losses", "\n" * (MAX_MODULE_LINES + 1)),
    ],
)
def test_rule_catches(rule, module, source):
    assert rule(source, module)


@pytest.mark.parametrize(
    ("rule", "module", "source"),
    [
        (upward_imports, "losses", "from . import _registry"),
        (upward_imports, "losses", "from ._typing import FloatArray"),
        (upward_imports, "_engine.network", "from ..losses import Loss"),
        (upward_imports, "_engine.training", "from .batches import Batches"),
        (upward_imports, "classifier", "from ._engine import training"),
        (upward_imports, "classifier", "import sklearn.base"),
        (foreign_imports, "losses", "import math, numpy, scipy.special"),
        (foreign_imports, "losses", "from ._typing import FloatArray"),
        (private_sklearn_imports, "_sklearn", "from sklearn.base import _fit"),
        (private_sklearn_imports, "classifier", "from sklearn import __version__"),
        (private_sklearn_imports, "classifier", "from ._sklearn import fit"),
        (front_axes, "_engine.network", "np.sum(x, axis=-1)"),
        (front_axes, "_engine.network", "np.sum(x, axis=(-2, -1))"),
        (front_axes, "_engine.network", "x.mT.sum(-1, out=y)"),
        (front_axes, "_engine.network", "np.maximum(x, 0)"),
        (front_axes, "_engine.network", "x.sum(axis)"),
        (front_axes, "_engine.network", "def turn_sparse(x):\n  return x.T"),
        (more_than_a_docstring, "_engine.__init__", '"""Engine."""'),
        (long_functions, "losses", f'def f():\n    """{LONG_BODY}"""'),
        (too_many_lines, "losses", "\n" * MAX_MODULE_LINES),
        (too_many_lines, "losses", f'"""{LONG_DOCSTRING}"""'),
    ],
)
def test_rule_lets_pass(rule, module, source):
    assert not rule(source, module)
