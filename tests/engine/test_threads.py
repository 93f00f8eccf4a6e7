"""One BLAS thread inside, and outside what there was before."""

from contextlib import ExitStack
from threading import Event, Thread

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController, threadpool_limits

from sklearn_deepnet._engine.parallel import one_blas_thread

pytestmark = pytest.mark.serial

BLAS = ThreadpoolController().select(user_api="blas")
BLAS_NAME = np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"]


def n_threads():
    return {library["num_threads"] for library in BLAS.info()}


def in_threads(*functions):
    """Call functions side by side, and return what they return."""
    results = {}

    def call(k):
        results[k] = functions[k]()

    threads = [Thread(target=call, args=(k,)) for k in range(len(functions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return [results.get(k) for k in range(len(functions))]


def set_n_threads(n):
    # In a thread that is soon gone: since 3.8, threadpoolctl lets only the thread that
    # set a limit first set another, for as long as it lives.
    def limit():
        for library in BLAS.lib_controllers:
            library.set_num_threads(n)

    in_threads(limit)


def n_threads_inside():
    with one_blas_thread():
        return n_threads()


@pytest.fixture(autouse=True)
def _two_threads_outside():
    if "openblas" not in BLAS_NAME:
        pytest.skip("not every BLAS lets others set its threads")
    (before, *_) = n_threads()
    set_n_threads(2)
    assert n_threads() == {2}
    yield
    set_n_threads(before)


def test_blas_has_one_thread_inside():
    assert n_threads_inside() == {1}
    assert n_threads() == {2}


def test_blas_has_one_thread_inside_whoever_asks():
    assert n_threads_inside() == {1}
    assert in_threads(n_threads_inside) == [{1}]
    assert n_threads_inside() == {1}
    assert n_threads() == {2}


def test_nested_limits_last_until_the_outermost_ends():
    with one_blas_thread():
        assert n_threads_inside() == {1}
        assert n_threads() == {1}
    assert n_threads() == {2}


def test_limits_may_end_in_the_order_in_which_they_began():
    first, second = ExitStack(), ExitStack()
    first.enter_context(one_blas_thread())
    second.enter_context(one_blas_thread())
    first.close()
    assert n_threads() == {1}
    second.close()
    assert n_threads() == {2}


def test_exception_lifts_the_limit():
    with pytest.raises(RuntimeError, match=r"^amid a fit$"), one_blas_thread():
        raise RuntimeError("amid a fit")
    assert n_threads() == {2}


def test_limit_of_the_user_is_restored():
    assert n_threads_inside() == {1}
    with threadpool_limits(3, user_api="blas"):
        assert n_threads_inside() == {1}
        assert n_threads() == {3}
        assert in_threads(n_threads_inside) == [{1}]
        assert n_threads() == {3}
    assert n_threads() == {2}


def test_user_may_set_limits_after_a_fit():
    assert n_threads_inside() == {1}
    set_n_threads(3)
    assert n_threads() == {3}


def test_overlapping_limits_end_with_the_last():
    inside, late_is_inside, has_left = Event(), Event(), Event()

    def first_to_come():
        with one_blas_thread():
            inside.set()
            late_is_inside.wait(10)
        has_left.set()

    def last_to_leave():
        inside.wait(10)
        with one_blas_thread():
            late_is_inside.set()
            has_left.wait(10)
            return n_threads()

    assert in_threads(first_to_come, last_to_leave) == [None, {1}]
    assert n_threads() == {2}


def test_many_threads_leave_things_as_they_were():
    def fits():
        return [n_threads_inside() for _ in range(50)]

    assert in_threads(*[fits] * 8) == [[{1}] * 50] * 8
    assert n_threads() == {2}
