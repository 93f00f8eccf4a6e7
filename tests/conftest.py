"""What holds in every test: NumPy complains aloud, global randomness stays put."""

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def _floating_point_errors_raise():
    # Not underflow: it is normal in exp(-|z|).
    with np.errstate(divide="raise", over="raise", invalid="raise"):
        yield


@pytest.fixture(autouse=True)
def _global_generator_is_left_alone():
    before = np.random.get_state()  # noqa: NPY002
    yield
    np.testing.assert_equal(np.random.get_state(), before)  # noqa: NPY002


@pytest.fixture
def legacy_seed():
    """Lend ``np.random.seed`` for one test, and put the global generator back."""
    before = np.random.get_state()  # noqa: NPY002
    yield np.random.seed
    np.random.set_state(before)  # noqa: NPY002
