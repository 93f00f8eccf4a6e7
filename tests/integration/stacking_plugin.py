"""A plugin of pytest that runs the tests of scikit-learn under `stacked`.

It reads what to do from the variables `ALL_CALLS_ARE_TASKS` and `EXPLAINED`.
"""

import json
import os

import pytest
from joblib import parallel_config

from sklearn_deepnet import stacked
from sklearn_deepnet.model_selection import tasks

if os.environ.get("ALL_CALLS_ARE_TASKS") == "yes":
    tasks._holds_network = lambda value: True


def pytest_collection_modifyitems(config, items):
    """Leave out the tests that are explained."""
    explained = json.loads(os.environ["EXPLAINED"])
    left_out = [item for item in items if item.originalname in explained]
    items[:] = [item for item in items if item.originalname not in explained]
    config.hook.pytest_deselected(items=left_out)


@pytest.fixture(autouse=True)
def _under_stacked():
    with parallel_config("threading"), stacked():
        yield
