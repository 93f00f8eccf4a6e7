"""scikit-learn's own tests of searches, validation and ensembles, under `stacked`.

They hold no networks, so their calls run on the backend around it. The second time,
every call counts as if it held one, and runs as a task in turns with the others.
"""

import pytest

from tests.integration.sklearn_tests import run_tests

pytestmark = pytest.mark.longest

MODULES = [
    "model_selection.tests.test_search",
    "model_selection.tests.test_validation",
    "model_selection.tests.test_successive_halving",
    "ensemble.tests.test_voting",
    "ensemble.tests.test_stacking",
    "tests.test_multiclass",
    "tests.test_multioutput",
]


@pytest.mark.parametrize("run", ["calls", "tasks"])
def test_tests_of_scikit_learn_pass(run, tmp_path):
    assert run_tests(run, MODULES, tmp_path, "-n", "2")["passed"] > 300
