"""BLAS in one thread, since the number of its threads changes the last bits."""

import pytest

from sklearn_deepnet._engine.parallel import one_blas_thread


@pytest.fixture
def one_thread():
    with one_blas_thread():
        yield
