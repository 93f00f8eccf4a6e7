"""Blocks of a large mini-batch in several threads do not change a bit."""

import signal
import threading
import time
from itertools import product

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_array_equal
from sklearn.datasets import make_classification
from threadpoolctl import ThreadpoolController, threadpool_limits

from sklearn_deepnet import DeepNetClassifier, DeepNetRegressor, fit_stack
from sklearn_deepnet._engine.parallel import (
    MOST_THREADS,
    Threads,
    one_blas_thread,
)
from sklearn_deepnet._engine.propagation import Propagation
from sklearn_deepnet.nn.activations import Activation, relu
from sklearn_deepnet.nn.losses import Loss, binary_cross_entropy

pytestmark = [pytest.mark.serial, pytest.mark.usefixtures("stays_sparse")]

BLAS = ThreadpoolController().select(user_api="blas")
BLAS_NAME = np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"]

# An epoch over all rows has 22 blocks, in 11 parts. The products of a block have more
# than 2**18 terms, from which number on OpenBLAS would use several threads itself.
BLOCK_SIZE, N_ROWS = 64, 1375
X, y = make_classification(N_ROWS, 20, n_informative=5, n_classes=3, random_state=0)
X_sparse = scipy.sparse.csr_array(np.where(np.abs(X) > 1, X, 0))
weight = np.random.RandomState(1).uniform(0.5, 2, len(X))


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    if "openblas" not in BLAS_NAME:
        pytest.skip("not every BLAS lets others set its threads")
    for module in ("_engine.prediction", "_fitting.jobs"):
        name = f"sklearn_deepnet.{module}.rows_per_block"
        monkeypatch.setattr(name, lambda *_: BLOCK_SIZE)


@pytest.fixture
def at_work(monkeypatch):
    """Note which threads have measured losses."""
    threads, measure = set(), Propagation._weighted_loss

    def measure_aloud(self, *args, **options):
        threads.add(threading.current_thread())
        return measure(self, *args, **options)

    monkeypatch.setattr(Propagation, "_weighted_loss", measure_aloud)
    return threads


def net(kind=DeepNetClassifier, **parameters):
    usual = {"batch_size": None, "n_iter": 3, "tol": None, "random_state": 0}
    return kind((400,), **(usual | parameters))


def assert_same(fitted, other):
    assert_array_equal(fitted._params, other._params, strict=True)
    for name in ("loss_curve_", "validation_loss_curve_", "best_iter_", "diverged_"):
        assert_array_equal(getattr(fitted, name), getattr(other, name))


def in_threads(n, call):
    with threadpool_limits(n, user_api="blas"):
        result = call()
        assert {library["num_threads"] for library in BLAS.info()} == {n}
    return result


FITS = {
    "full batch": {},
    "large batches in new orders": {"batch_size": 500},
    "batches of three blocks": {"batch_size": 175, "n_iter": 1},
    "plain gradient descent": {"solver": "sgd", "learning_rate": 0.1},
    "l-bfgs": {"solver": "lbfgs", "batch_size": "auto"},
    "numeric features": {"batch_size": 500, "numeric_features": "periodic"},
    "many rows held out": {"batch_size": 50, "validation_fraction": 0.5},
    "all at once": {
        "solver": "adamw",
        "batch_size": 750,
        "validation_fraction": 0.3,
        "schedule": "cosine",
        "clip_norm": 0.1,
        "label_smoothing": 0.1,
        "class_weight": "balanced",
        "l1": 1e-3,
    },
    "overflow": {"solver": "sgd", "learning_rate": 1e200},
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn_deepnet.DivergenceWarning")
@pytest.mark.parametrize(
    ("name", "X"),
    [
        *product(FITS, [X, X.astype(np.float32)]),
        *product(("full batch", "l-bfgs", "all at once"), [X_sparse]),
    ],
)
def test_the_number_of_threads_does_not_show(name, X, at_work):
    parameters = FITS[name]
    early_stopping = "validation_fraction" in parameters
    one, two, three = (
        in_threads(
            n,
            lambda: net(early_stopping=early_stopping, **parameters).fit(
                X, y, sample_weight=weight
            ),
        )
        for n in (1, 2, 3)
    )
    assert_same(one, two)
    assert_same(one, three)
    # This one, and the others of each fit: of two others the first may do all the work,
    # since an executor starts no thread while another one is idle.
    assert len(at_work) in (1 + 1 + 1, 1 + 1 + 2)


def test_dropout_draws_in_the_order_of_the_blocks(at_work):
    one, two = (in_threads(n, lambda: net(dropout=0.5).fit(X, y)) for n in (1, 2))
    assert_same(one, two)
    assert at_work == {threading.current_thread()}


def test_targets_of_a_regressor_are_summed_alike():
    targets = X[:, :3] @ np.random.RandomState(2).randn(3, 2)
    one, two = (
        in_threads(n, lambda: net(DeepNetRegressor).fit(X, targets)) for n in (1, 2)
    )
    assert_same(one, two)


@pytest.mark.parametrize("batch_size", [None, 250])
def test_a_stack_equals_its_members_on_any_number_of_threads(batch_size, monkeypatch):
    monkeypatch.setattr("sklearn_deepnet._fitting.stack_size._WORKING_SET", 2**30)
    networks = [
        net(batch_size=batch_size, random_state=seed, early_stopping=True, alpha=alpha)
        for seed, alpha in enumerate((0, 1e-2, 1))
    ]
    stack = in_threads(3, lambda: fit_stack(networks, X, y, sample_weight=weight))
    for fitted, network in zip(stack, networks, strict=True):
        alone = in_threads(1, lambda: network.fit(X, y, sample_weight=weight))  # noqa: B023
        assert_same(fitted, alone)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_training_resumes_with_more_threads(solver):
    parameters = {"solver": solver, "batch_size": 500, "warm_start": True}
    whole = in_threads(2, lambda: net(**parameters, n_iter=4).fit(X, y))
    halves = net(**parameters, n_iter=2)
    in_threads(1, lambda: halves.fit(X, y))
    in_threads(3, lambda: halves.fit(X, y))
    assert_same(halves, whole)


@pytest.mark.parametrize("X", [X, X.astype(np.float32), X_sparse], ids=type)
@pytest.mark.parametrize("n_rows", [N_ROWS, BLOCK_SIZE + 1])
def test_predictions_are_the_same_on_any_number_of_threads(X, n_rows):
    fitted = net(n_iter=1).fit(X, y)
    for method in (fitted.predict_log_proba, fitted.hidden_activations):
        one, two, three = (in_threads(n, lambda: method(X[:n_rows])) for n in (1, 2, 3))  # noqa: B023
        assert_array_equal(one, two, strict=True)
        assert_array_equal(one, three, strict=True)


@pytest.mark.parametrize("own", ["activation", "loss"])
@pytest.mark.parametrize("elementwise", [False, True])
def test_what_is_not_marked_elementwise_is_called_in_one_thread(own, elementwise):
    threads = set()

    def noted(function):
        def call(*args):
            threads.add(threading.current_thread())
            return function(*args)

        return call

    activation = Activation(
        "own", noted(relu.forward), noted(relu.backward), True, elementwise
    )
    loss = Loss("own", logistic=noted(binary_cross_entropy), elementwise=elementwise)
    parameters = {"activation": activation} if own == "activation" else {"loss": loss}
    fitted = in_threads(2, lambda: net(**parameters).fit(X, y == 0))
    in_threads(2, lambda: fitted.predict(X))
    assert (threads == {threading.current_thread()}) == (not elementwise)
    assert_same(fitted, net().fit(X, y == 0))


def at_the_call(n_calls, act, monkeypatch, here=True):
    """Do something in the n-th call of a kind of threads, this or the others."""
    measure, calls = Propagation.loss_and_gradient, []

    def measure_and_act(self, *args):
        if here == (threading.current_thread() is threading.main_thread()):
            calls.append(self)
            if len(calls) == n_calls:
                act()
        return measure(self, *args)

    monkeypatch.setattr(Propagation, "loss_and_gradient", measure_and_act)


def test_ctrl_c_amid_a_batch_leaves_the_last_whole_epoch(monkeypatch):
    expected = net(n_iter=2).fit(X, y)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    interrupted = net()
    n_per_epoch = 12  # of 22 blocks, in this of two threads
    at_the_call(
        2 * n_per_epoch + 3, lambda: signal.raise_signal(signal.SIGINT), monkeypatch
    )
    n_threads = threading.active_count()
    try:
        with pytest.raises(KeyboardInterrupt):
            in_threads(2, lambda: interrupted.fit(X, y))
    finally:
        signal.signal(signal.SIGINT, before)
    assert_same(interrupted, expected)
    assert threading.active_count() == n_threads


def test_an_error_in_another_thread_is_raised_here(monkeypatch):
    def fail():
        raise MemoryError("in another thread")

    at_the_call(3, fail, monkeypatch, here=False)
    unfitted, n_threads = net(), threading.active_count()
    before = dict(vars(unfitted))
    with threadpool_limits(2, user_api="blas"):
        with pytest.raises(MemoryError, match=r"^in another thread$"):
            unfitted.fit(X, y)
        assert {library["num_threads"] for library in BLAS.info()} == {2}
    assert vars(unfitted) == before
    assert threading.active_count() == n_threads


def test_threads_are_waited_for():
    begun, done = threading.Event(), []

    def fail():
        begun.wait(10)
        raise RuntimeError("at once")

    def work():
        begun.set()
        time.sleep(0.1)
        done.append("work")

    with Threads(2) as threads:
        with pytest.raises(RuntimeError, match=r"^at once$"):
            threads.call([fail, work])
        assert done == ["work"]
    assert Threads(1).call([lambda: "alone"]) == ["alone"]


def test_threads_return_in_the_order_of_the_calls():
    with Threads(3) as threads:
        calls = [lambda k=k: (k, threading.get_ident()) for k in range(3)]
        numbers, names = zip(*threads.call(calls), strict=True)
    assert numbers == (0, 1, 2)
    assert names[0] == threading.get_ident()


def test_there_are_as_many_threads_as_blas_was_allowed():
    with threadpool_limits(6, user_api="blas"), one_blas_thread() as whole:
        with one_blas_thread() as half, one_blas_thread() as third:
            assert (whole, half, third) == (6, 3, 2)
        with one_blas_thread() as half:
            assert half == 3
    with threadpool_limits(40, user_api="blas"), one_blas_thread() as whole:
        assert whole == MOST_THREADS
    with threadpool_limits(1, user_api="blas"), one_blas_thread() as one:
        assert one == 1
