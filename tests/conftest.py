"""What holds in every test: NumPy complains aloud, global randomness stays put."""

import pickle
import tracemalloc

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from sklearn_deepnet.estimators.stacking import training

collect_ignore = [
    "integration/typed_user_code.py",  # never run, but doctest would import it
    "integration/sklearn_plugin.py",  # a plugin of pytest, for runs of its own
    "integration/sklearn_substitutes.py",
    "integration/clients",  # has dependencies of its own; `make test-clients` names it
]


def pytest_collection_modifyitems(items):
    """Run integration tests last, and each file in one worker of pytest-xdist.

    A file's data are then prepared once. Serial tests share one worker, whatever file
    they are in.
    """
    items.sort(key=lambda item: "integration" in item.path.parts)
    for item in items:
        serial = item.get_closest_marker("serial") or "peak_of" in item.fixturenames
        group = "serial" if serial else item.path.stem
        item.add_marker(pytest.mark.xdist_group(group), append=False)


@pytest.fixture(autouse=True)
def _floating_point_errors_raise():
    # Not underflow: it is normal in exp(-|z|).
    with np.errstate(divide="raise", over="raise", invalid="raise"):
        yield


@pytest.fixture(autouse=True)
def _global_generator_is_left_alone():
    before = pickle.dumps(np.random.get_state())  # noqa: NPY002
    yield
    assert pickle.dumps(np.random.get_state()) == before  # noqa: NPY002


@pytest.fixture
def legacy_seed():
    """Lend ``np.random.seed`` for one test, and put the global generator back."""
    before = np.random.get_state()  # noqa: NPY002
    yield np.random.seed
    np.random.set_state(before)  # noqa: NPY002


@pytest.fixture
def stays_sparse(monkeypatch):
    """Train on sparse rows as such, even if a dense copy of them is small."""
    monkeypatch.setattr("sklearn_deepnet._fitting.dataset._MAX_DENSE", 0)


@pytest.fixture
def stacks(monkeypatch):
    """Note how many networks are trained at once, of those that may be stacked."""
    sizes, train_jobs = [], training.train_jobs

    def train_jobs_aloud(jobs):
        if not training.Waiting(jobs[0]).why_alone:
            sizes.append(len(jobs))
        return train_jobs(jobs)

    monkeypatch.setattr(training, "train_jobs", train_jobs_aloud)
    return sizes


@pytest.fixture
def unbroken_stacks(stacks, monkeypatch):
    """Note it, and fail if a stack raises an error: it would be trained one by one."""
    train_jobs = training.train_jobs

    def train_jobs_or_fail(jobs):
        try:
            return train_jobs(jobs)
        except Exception as error:
            pytest.fail(f"a stack of {len(jobs)} was not to be trained: {error!r}")

    monkeypatch.setattr(training, "train_jobs", train_jobs_or_fail)
    return stacks


@pytest.fixture
def peak_of():
    """Return how many bytes a call needs at most, beyond what there was before.

    On two threads by default: each has work arrays of its own, and when they overlap
    is a matter of luck.
    """

    def measure(call, n_threads=2):
        with threadpool_limits(n_threads):
            tracemalloc.start()
            try:
                call()
                return tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

    return measure
