"""The settings of components: what is no number is refused, in one sentence."""

import re
from dataclasses import fields, is_dataclass

import pytest

from sklearn_deepnet.nn.losses import focal, huber, quantile
from sklearn_deepnet.nn.numeric_features import NUMERIC_FEATURES
from sklearn_deepnet.nn.optimizers import SOLVERS
from sklearn_deepnet.nn.schedules import SCHEDULES, Custom

COMPONENTS = [*SOLVERS.values(), *SCHEDULES.values(), *NUMERIC_FEATURES.values()]
SETTINGS = [
    (component, field.name)
    for component in dict.fromkeys(COMPONENTS)
    if is_dataclass(component)
    for field in fields(component)
]
SETTINGS += [(focal, "gamma"), (huber, "delta"), (quantile, "quantile")]
NO_NUMBERS = ["0.5", 0.5j, [0.5], float("nan")]


def test_every_setting_of_the_tables_is_tested():
    assert len(SETTINGS) == 29
    assert Custom not in SCHEDULES.values()  # it wraps a function, and has no numbers


@pytest.mark.parametrize("value", NO_NUMBERS, ids=str)
@pytest.mark.parametrize(("component", "name"), SETTINGS)
def test_what_is_no_number_is_an_error(component, name, value):
    if component is quantile and value == [0.5]:
        value = [[0.5]]  # several quantiles are a sequence of numbers
    message = rf"^{name} must .*\. Got {re.escape(repr(value))} instead\.$"
    with pytest.raises(ValueError, match=message):
        component(**{name: value})
