"""Each component is wherever users and tests look for it; if not, a sentence says so.

One walk through all tables of names, for those who add a row: see CONTRIBUTING.md.
"""

import inspect
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

import numpy as np
import pytest
from numpydoc.docscrape import get_doc_object

import sklearn_deepnet
from sklearn_deepnet import DeepNetClassifier, DeepNetRegressor
from sklearn_deepnet._serialization.encoding import Encoder, NotEncodable, decode
from sklearn_deepnet.nn import (
    activations,
    initializers,
    losses,
    numeric_features,
    optimizers,
    schedules,
)
from sklearn_deepnet.nn.activations import Activation
from sklearn_deepnet.nn.losses import Loss
from sklearn_deepnet.onnx.activations import NODES
from tests.nn.test_activations import FORMULAS as ACTIVATION_FORMULAS
from tests.nn.test_initializers import VARIANCE
from tests.nn.test_losses import FORMULAS as LOSS_FORMULAS
from tests.nn.test_numeric_features import FORMULAS as FEATURE_FORMULAS
from tests.nn.test_optimizers import RECURSIONS
from tests.nn.test_schedules import BY_NAME

ROOT = Path(sklearn_deepnet.__file__).parents[1]
GUIDE = "\n".join(page.read_text("utf-8") for page in ROOT.glob("docs/guide/*.md"))


class Family(NamedTuple):
    """The components that one parameter of the estimators chooses from."""

    module: ModuleType
    table: Mapping[str, Any]
    tested: Collection[str]
    by: str


# The formulas of losses are by function. Two components have tests of their own.
LOSSES_TESTED = {
    name
    for name, loss in losses.LOSSES.items()
    if {*loss[1:5]} <= {None, *LOSS_FORMULAS}
}
SOLVERS_TESTED = {*RECURSIONS, "lbfgs"}  # by tests/estimators/test_lbfgs.py
SCHEDULES_TESTED = {*BY_NAME, "plateau"}  # by test_plateau_follows_its_rule
FAMILIES = {
    "init": Family(
        initializers,
        initializers.INITIALIZERS,
        VARIANCE,
        "VARIANCE in tests/nn/test_initializers.py",
    ),
    "activation": Family(
        activations,
        activations.ACTIVATIONS,
        ACTIVATION_FORMULAS,
        "FORMULAS in tests/nn/test_activations.py",
    ),
    "loss": Family(
        losses,
        losses.LOSSES,
        LOSSES_TESTED,
        "FORMULAS in tests/nn/test_losses.py",
    ),
    "solver": Family(
        optimizers,
        optimizers.SOLVERS,
        SOLVERS_TESTED,
        "RECURSIONS in tests/nn/test_optimizers.py",
    ),
    "schedule": Family(
        schedules,
        schedules.SCHEDULES,
        SCHEDULES_TESTED,
        "BY_NAME in tests/nn/test_schedules.py",
    ),
    "numeric_features": Family(
        numeric_features,
        numeric_features.NUMERIC_FEATURES,
        FEATURE_FORMULAS,
        "FORMULAS in tests/nn/test_numeric_features.py",
    ),
}


def is_explained(name, component):
    """Return whether a docstring, or a row in that of the module, is about it."""
    match component:
        case Activation():
            row = rf'^{name} +:math:|"{name}"'
            return re.search(row, activations.__doc__, re.MULTILINE)
        case Loss():  # by the functions for each kind of output
            return all(getattr(f, "func", f).__doc__ for f in component[1:5] if f)
    # A dataclass without a docstring gets its signature for one.
    signature = f"{getattr(component, '__name__', name)}("
    return component.__doc__ and not component.__doc__.startswith(signature)


def estimators_for(component):
    """Return the estimators whose outputs the component is defined for: most, both."""
    if not isinstance(component, Loss):
        return [DeepNetClassifier, DeepNetRegressor]
    _, logistic, softmax, identity, exponential, _ = component
    classifies, regresses = logistic or softmax, identity or exponential
    return [DeepNetClassifier] * bool(classifies) + [DeepNetRegressor] * bool(regresses)


def type_names(estimator, parameter):
    """Return the strings that the type of a parameter allows."""
    return names_in(get_type_hints(estimator.__init__)[parameter])


def names_in(annotation):
    if get_origin(annotation) is Literal:
        return {*get_args(annotation)}
    return set().union(*map(names_in, get_args(annotation)))


def describe_parameter(estimator, name):
    parameters = get_doc_object(estimator)["Parameters"]
    (parameter,) = [p for p in parameters if p.name == name]
    return "\n".join([parameter.type, *parameter.desc])


def settings_of(name, component):
    """Yield the component as a parameter; a loss that is made by a function, twice."""
    yield component() if inspect.isclass(component) else component
    if inspect.isfunction(make := getattr(losses, name, None)):
        (setting,) = inspect.signature(make).parameters.values()
        yield make(1.01 * setting.default)


def returns_from_a_file(value):
    encoder = Encoder()
    try:
        return decode(encoder.encode(value, "value"), encoder.arrays) == value
    except NotEncodable:
        return False


def places(parameter, name, component):
    """Return the sentences that ask for a component, and whether they need not."""
    module, _, tested, by = FAMILIES[parameter]
    file = Path(module.__file__).relative_to(ROOT).as_posix()
    public = component.__name__ if inspect.isclass(component) else name
    quoted = f'"{name.removesuffix("_uniform")}"'  # named together with its twin
    yield f"Add {public!r} to __all__ in {file}.", public in module.__all__
    yield (
        f"Add {name!r} to the Literal of names in {file}.",
        all(name in type_names(it, parameter) for it in estimators_for(component)),
    )
    yield f"Write a docstring for {name!r} in {file}.", is_explained(name, component)
    for estimator in estimators_for(component):
        yield (
            f"Name {name!r} under {parameter!r} in the docstring of "
            f"{estimator.__name__}.",
            quoted in describe_parameter(estimator, parameter),
        )
    yield f"Add {name!r} to a page of docs/guide.", f"`{quoted}" in GUIDE
    yield f"Test {name!r} by its formula: add it to {by}.", name in tested
    yield (
        f"Save and load {name!r} in sklearn_deepnet/_serialization/encoding.py.",
        all(map(returns_from_a_file, settings_of(name, component))),
    )
    if parameter in ("activation", "loss", "solver"):
        own = vars(component) if inspect.isclass(component) else component._asdict()
        text = f"Say that {name!r} is elementwise, or it is never stacked."
        yield text, own.get("elementwise")
    if parameter == "activation":
        nodes = "NODES in sklearn_deepnet/onnx/activations.py"
        yield f"Export {name!r}: add it to {nodes}.", name in NODES


@pytest.mark.parametrize(
    ("parameter", "name"), [(p, n) for p, f in FAMILIES.items() for n in f.table]
)
def test_a_component_is_in_all_its_places(parameter, name):
    found = places(parameter, name, FAMILIES[parameter].table[name])
    missing = [sentence for sentence, is_there in found if not is_there]
    assert not missing, "\n".join(missing)


@dataclass
class Nowhere:
    setting: float = 1.0


@pytest.mark.parametrize(
    ("parameter", "component"),
    [
        ("init", lambda shape, rng: np.zeros(shape)),
        ("activation", Activation("nowhere", np.copyto, np.copyto, False)),
        ("loss", Loss("nowhere", softmax=lambda z, y, scratch: z)),
        ("loss", Loss("nowhere", exponential=lambda z, y, scratch: z)),
        ("solver", Nowhere),
        ("schedule", Nowhere),
        ("numeric_features", Nowhere),
    ],
)
def test_a_component_that_is_nowhere_is_missed_in_every_place(parameter, component):
    assert not any(there for _, there in places(parameter, "nowhere", component))


def test_the_sentences_say_what_to_do():
    mish = Activation("mish", np.copyto, np.copyto, False)
    assert [sentence for sentence, _ in places("activation", "mish", mish)] == [
        "Add 'mish' to __all__ in sklearn_deepnet/nn/activations.py.",
        "Add 'mish' to the Literal of names in sklearn_deepnet/nn/activations.py.",
        "Write a docstring for 'mish' in sklearn_deepnet/nn/activations.py.",
        "Name 'mish' under 'activation' in the docstring of DeepNetClassifier.",
        "Name 'mish' under 'activation' in the docstring of DeepNetRegressor.",
        "Add 'mish' to a page of docs/guide.",
        "Test 'mish' by its formula: add it to FORMULAS in "
        "tests/nn/test_activations.py.",
        "Save and load 'mish' in sklearn_deepnet/_serialization/encoding.py.",
        "Say that 'mish' is elementwise, or it is never stacked.",
        "Export 'mish': add it to NODES in sklearn_deepnet/onnx/activations.py.",
    ]
