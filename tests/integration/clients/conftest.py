"""Uses of other libraries, which have warnings and habits of their own.

`make test-clients` runs them in an environment of their own: plain ``pytest`` does not
collect this folder, because the test dependencies do not include these libraries.
"""

import os
import warnings
from pathlib import Path

import numpy as np
import pytest

# Compiling takes SHAP longer than explaining a few rows does.
os.environ.setdefault("NUMBA_DISABLE_JIT", "1")

HERE = Path(__file__).parent
# The last filter that matches counts.
FILTERS = (
    "ignore",  # other libraries warn of each other's deprecations
    "error:::sklearn_deepnet",
    "error:::tests",
    "error::sklearn.exceptions.ConvergenceWarning",
    "error::sklearn_deepnet.exceptions.CheckpointWarning",
    "error::sklearn_deepnet.exceptions.VersionWarning",
)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report():
    """Ignore all warnings while the libraries are imported."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return (yield)


def pytest_collection_modifyitems(items):
    """Ignore warnings of other libraries; ours stay errors."""
    for item in items:
        if HERE in item.path.parents:
            for rule in reversed(FILTERS):  # pytest applies the first mark last
                item.add_marker(pytest.mark.filterwarnings(rule))


@pytest.fixture(autouse=True)
def _floating_point_errors_raise():
    """Replace the fixture of this name: these libraries divide by zero on purpose."""


@pytest.fixture(autouse=True)
def _global_generator_is_left_alone():
    """Replace the fixture of this name: some of them draw from NumPy's generator."""
    before = np.random.get_state()  # noqa: NPY002
    np.random.seed(0)  # noqa: NPY002
    yield
    np.random.set_state(before)  # noqa: NPY002
