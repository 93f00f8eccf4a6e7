"""The strings that the types of parameters allow are those that `fit` accepts."""

import inspect

import pytest

from sklearn_deepnet import DeepNetClassifier, DeepNetRegressor
from sklearn_deepnet._fitting.scaling import _KINDS
from sklearn_deepnet._utils.sklearn_compat import StrOptions
from sklearn_deepnet.nn.initializers import BIAS_INITIALIZERS
from tests.architecture.test_tables import FAMILIES, estimators_for, type_names

PARAMETERS = [
    (estimator, name)
    for estimator in (DeepNetClassifier, DeepNetRegressor)
    for name in inspect.signature(estimator).parameters
]


def accepted_names(estimator, parameter):
    """Return the strings that a parameter accepts, by the tables of the library."""
    if parameter in FAMILIES:
        table = FAMILIES[parameter].table
        return {name for name, it in table.items() if estimator in estimators_for(it)}
    tables = {"bias_init": BIAS_INITIALIZERS, "input_scaling": _KINDS}
    if parameter in tables:
        return {*tables[parameter]}
    if parameter == "dtype":  # which NumPy looks up
        return {"float32", "float64"}
    constraints = estimator._parameter_constraints[parameter]
    options = [it.options for it in constraints if isinstance(it, StrOptions)]
    return set().union(*options)


@pytest.mark.parametrize(("estimator", "parameter"), PARAMETERS)
def test_a_type_allows_the_names_that_are_accepted(estimator, parameter):
    assert type_names(estimator, parameter) == accepted_names(estimator, parameter)
