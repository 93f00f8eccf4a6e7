"""Axes count from the end, and functions and modules are short."""

import ast
import subprocess
import sys

import numpy as np
import pytest

from tests.architecture.test_layers import SOURCES

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

ENGINE = {path: s for path, s in SOURCES.items() if path.startswith("_engine/")}


# A rule takes the source of a module and returns what breaks it.


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


def front_axes(source):
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


def long_functions(source):
    """Functions whose body, without its docstring, is too long."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[ast.get_docstring(node) is not None :]
            n_lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            if n_lines > MAX_FUNCTION_LINES:
                found.append(f"{node.name}: {n_lines} lines")
    return found


def too_many_lines(source):
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


def breaches(rule, sources):
    found = {path: rule(source) for path, source in sources.items()}
    return {path: what for path, what in found.items() if what}


def run(code):
    command = [sys.executable, "-c", code]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def test_the_engine_counts_axes_from_the_end():
    assert ENGINE
    assert breaches(front_axes, ENGINE) == {}


def test_functions_are_short():
    assert breaches(long_functions, SOURCES) == {}


def test_modules_are_short():
    assert breaches(too_many_lines, SOURCES) == {}


@pytest.mark.slow
def test_importing_the_package_does_not_import_matplotlib():
    code = "import sys, sklearn_deepnet; print('matplotlib' in sys.modules)"
    assert run(code) == "False\n"


@pytest.mark.slow
def test_the_package_is_imported_where_pandas_is_missing():
    # Where pandas is found, scikit-learn itself imports it.
    run("import sys; sys.modules['pandas'] = None; import sklearn_deepnet")


def test_floating_point_errors_raise_in_tests():
    with pytest.raises(FloatingPointError, match="divide by zero"):
        np.divide(1.0, 0.0)


LONG_DOCSTRING = "\n" * (MAX_MODULE_LINES + 1)
LONG_BODY = "    x = 1\n" * (MAX_FUNCTION_LINES + 1)


@pytest.mark.parametrize(
    ("rule", "source"),
    [
        (front_axes, "x.T"),
        (front_axes, "np.transpose(x)"),
        (front_axes, "x.transpose(1, 0)"),
        (front_axes, "np.sum(x, axis=0)"),
        (front_axes, "np.sum(x, axis=(-1, 0))"),
        (front_axes, "x.sum(1)"),
        (front_axes, "np.add.reduce(x, 0, out=y)"),
        (long_functions, f"def f():\n{LONG_BODY}"),
        (long_functions, f"class C:\n  async def f():\n{LONG_BODY}"),
        (too_many_lines, "\n" * (MAX_MODULE_LINES + 1)),
    ],
)
def test_a_breach_is_found(rule, source):
    assert rule(source)


@pytest.mark.parametrize(
    ("rule", "source"),
    [
        (front_axes, "np.sum(x, axis=-1)"),
        (front_axes, "np.sum(x, axis=(-2, -1))"),
        (front_axes, "x.mT.sum(-1, out=y)"),
        (front_axes, "np.maximum(x, 0)"),
        (front_axes, "x.sum(axis)"),
        (front_axes, "def turn_sparse(x):\n  return x.T"),
        (long_functions, f'def f():\n    """{LONG_BODY}"""'),
        (too_many_lines, "\n" * MAX_MODULE_LINES),
        (too_many_lines, f'"""{LONG_DOCSTRING}"""'),
    ],
)
def test_what_is_allowed_is_not_found(rule, source):
    assert not rule(source)
