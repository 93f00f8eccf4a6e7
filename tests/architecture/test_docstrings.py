"""Every public name has a docstring, and the docstring agrees with the signature."""

import ast
import inspect
import pkgutil
import re
from collections.abc import Mapping
from importlib import import_module

import pytest
from numpydoc.docscrape import get_doc_object
from numpydoc.validate import validate
from sklearn.base import BaseEstimator

import sklearn_deepnet

# A docstring exists, has its sections in order and a summary; each parameter has a type
# and a description. An unknown section is a warning, and so an error.
CHECKED = {"GL03", "GL07", "GL08", "SS01", "SS03", "PR04", "PR07", "PR10"}

MODULES = [
    sklearn_deepnet,
    *(
        import_module(module.name)
        for package in (sklearn_deepnet, sklearn_deepnet.nn)
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
        if not module.name.partition(".")[2].startswith("_")
        and module.name != "sklearn_deepnet.nn"
    ),
]
PUBLIC = {
    f"{module.__name__}.{name}": getattr(module, name)
    for module in MODULES
    for name in module.__all__
}


def methods(cls):
    """Public methods and properties that this package wrote for a class."""
    for name, member in inspect.getmembers(cls):
        code = getattr(member, "fget", member)
        ours = str(getattr(code, "__module__", "")).startswith("sklearn_deepnet")
        is_public = not name.startswith("_") and ours and inspect.isroutine(code)
        if is_public and not inherits_docstring(cls, name, member):
            yield f"{cls.__module__}.{cls.__qualname__}.{name}", member


def inherits_docstring(cls, name, member):
    """Whether a method has the docstring, and the parameters, of a base class."""
    documented = [
        base for base in cls.__mro__ if getattr(vars(base).get(name), "__doc__", None)
    ]
    if not documented or member.__doc__:
        return False
    method = getattr(documented[0], name)
    return [*inspect.signature(method).parameters] == [
        *inspect.signature(member).parameters
    ]


CLASSES = {c.__name__: c for c in PUBLIC.values() if inspect.isclass(c)}
ESTIMATORS = {k: c for k, c in CLASSES.items() if issubclass(c, BaseEstimator)}
CODE = {
    f"{code.__module__}.{code.__qualname__}": code
    for code in PUBLIC.values()
    if inspect.isclass(code) or inspect.isroutine(code)
}
COMPONENTS = {
    name: component
    for name, component in PUBLIC.items()
    if not (inspect.isclass(component) or inspect.isroutine(component))
    and not isinstance(component, Mapping)  # a table has no docstring of its own
}
CODE |= {name: method for cls in CLASSES.values() for name, method in methods(cls)}


def parameters(obj):
    """Parameters that can be given to a function, a method or a constructor.

    Those of a constructor that is scikit-learn's are documented there.
    """
    if getattr(getattr(obj, "__init__", None), "__module__", "").startswith("sklearn."):
        return {}
    try:
        signature = inspect.signature(obj)
    except (TypeError, ValueError):  # a property; an exception, which is written in C
        return {}
    unnamed = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
    return {
        name: parameter
        for name, parameter in signature.parameters.items()
        if name != "self"
        # Protocols and exceptions inherit (*args, **kwargs), which means nothing.
        and not (inspect.isclass(obj) and parameter.kind in unnamed)
    }


def documented_parameters(obj):
    """Names and types of the parameters, as the docstring has them."""
    doc = get_doc_object(obj)
    return {
        name.strip("*\\"): parameter.type
        for parameter in doc["Parameters"] + doc["Other Parameters"]
        for name in parameter.name.split(", ")
    }


def documented_defaults(obj):
    return {
        name: type_.rpartition("default=")[2].strip()
        for name, type_ in documented_parameters(obj).items()
        if "default=" in type_
    }


def is_repr(text, value):
    try:
        return repr(ast.literal_eval(text)) == repr(value)
    except (SyntaxError, ValueError):
        return text == repr(value)


# Each check returns a list of what is wrong.


def numpydoc_faults(obj):
    errors = validate(get_doc_object(obj))["errors"]
    return [f"{code} {message}" for code, message in errors if code in CHECKED]


def parameter_faults(obj):
    """Parameters must be documented all and in order, here or once for the family."""
    documented = list(documented_parameters(obj))
    pointer = re.search(r"see `(\w+)\.(\w+)`", obj.__doc__ or "")
    if pointer and not documented and pointer[1] in CLASSES:
        family = getattr(CLASSES[pointer[1]], pointer[2])
        documented = list(documented_parameters(family))
    taken = list(parameters(obj))
    return [] if documented == taken else [f"documented {documented}, takes {taken}"]


def wrong_defaults(obj):
    taken = parameters(obj)
    return [
        f"{name}: documented {text}, is {taken[name].default!r}"
        for name, text in documented_defaults(obj).items()
        if name in taken and not is_repr(text, taken[name].default)
    ]


def unsaid_defaults(obj):
    said = documented_defaults(obj)
    return [
        name
        for name, parameter in parameters(obj).items()
        if parameter.default is not parameter.empty and name not in said
    ]


@pytest.mark.parametrize("check", [numpydoc_faults, parameter_faults, wrong_defaults])
@pytest.mark.parametrize("name", CODE)
def test_docstring_is_right(name, check):
    assert check(CODE[name]) == []


@pytest.mark.parametrize("name", ESTIMATORS)
def test_estimator_documents_every_default(name):
    assert unsaid_defaults(ESTIMATORS[name]) == []


@pytest.mark.parametrize("name", COMPONENTS)
def test_component_has_a_docstring(name):
    assert COMPONENTS[name].__doc__


RIGHT = """Do it.

    Parameters
    ----------
    x : float
        What.
    n : int, default=3
        How often.
    """

NOTES_FIRST = """Do it.

    Notes
    -----
    Done.
"""


def function(docstring):
    def do(x, n=3):
        pass

    do.__doc__ = docstring
    return do


def constructor(docstring):
    class Doer:
        def __init__(self, x, n=3):
            pass

    Doer.__doc__ = docstring
    return Doer


@pytest.mark.parametrize("kind", [function, constructor])
@pytest.mark.parametrize(
    "check", [numpydoc_faults, parameter_faults, wrong_defaults, unsaid_defaults]
)
def test_check_lets_pass(check, kind):
    assert check(kind(RIGHT)) == []


@pytest.mark.parametrize("kind", [function, constructor])
@pytest.mark.parametrize(
    ("check", "right", "wrong"),
    [
        (numpydoc_faults, RIGHT, ""),
        (numpydoc_faults, "Do it.", "Do it"),
        (numpydoc_faults, "Do it.", ""),
        (numpydoc_faults, "Do it.\n", "Do it.\n\n"),
        (numpydoc_faults, "Do it.\n", NOTES_FIRST),
        (numpydoc_faults, "x : float", "x"),
        (numpydoc_faults, "x : float", "x: float"),
        (numpydoc_faults, "        What.\n", ""),
        (parameter_faults, RIGHT, ""),
        (parameter_faults, RIGHT, "Do it; see `Optimizer.step`."),
        (parameter_faults, RIGHT, "Do it; see `Nobody.step`."),
        (parameter_faults, "    x : float\n        What.\n", ""),
        (parameter_faults, "x : float", "y : float"),
        (parameter_faults, "x : float", "n : float"),
        (parameter_faults, "x : float", "x, y : float"),
        (parameter_faults, "x : float\n        What.\n    n", "n : int\n    x"),
        (wrong_defaults, "default=3", "default=4"),
        (wrong_defaults, "default=3", "default=3.0"),
        (wrong_defaults, "default=3", "default='3'"),
        (wrong_defaults, "default=3", "default=three"),
        (unsaid_defaults, "default=3", "optional"),
        (unsaid_defaults, ", default=3", ""),
    ],
)
def test_check_catches(check, right, wrong, kind):
    assert right in RIGHT
    assert check(kind(RIGHT.replace(right, wrong)))


@pytest.mark.parametrize(
    ("text", "value"), [("(100,)", (100,)), ('"adam"', "adam"), ("1e-4", 0.0001)]
)
def test_default_is_compared_as_a_value(text, value):
    assert is_repr(text, value)
