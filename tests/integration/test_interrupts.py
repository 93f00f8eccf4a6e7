"""Ctrl-C at any moment, and a fork at any moment, leave nothing in disorder."""

import faulthandler
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from sklearn_deepnet import DeepNetClassifier, fit_stack
from sklearn_deepnet._utils.interrupts import (
    deferred_interrupts,
    interrupt_thread,
    interruptibly,
    take_interrupts,
)
from tests.integration.interrupting import CALLS, SMALL

ROOT = Path(__file__).parents[2]
HARMLESS = {"interrupted", "fitted"}


def run(*arguments):
    """Return what the script has counted; it has two BLAS threads."""
    command = [sys.executable, "-m", "tests.integration.interrupting", *arguments]
    two = {"OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"}
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | two, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("call", CALLS)
def test_signals_at_random_moments_leave_nothing_in_disorder(call):
    found = run("signals", call, "100", "0")
    assert found.keys() <= HARMLESS, found
    assert found["interrupted"] > 2, found  # under load, most calls end before it


@pytest.mark.longest
@pytest.mark.parametrize("seed", ["1", "2"])
@pytest.mark.parametrize("call", CALLS)
def test_thousands_of_signals_leave_nothing_in_disorder(call, seed):
    found = run("signals", call, "1000", seed)
    assert found.keys() <= HARMLESS, found


@pytest.mark.slow
def test_children_of_forks_beside_a_training_thread_can_fit():
    assert run("forks", "30") == {"fitted": 30}


@pytest.mark.longest
def test_hundreds_of_children_of_forks_can_fit():
    assert run("forks", "200") == {"fitted": 200}


def press():
    os.kill(os.getpid(), signal.SIGINT)


def events_of(work):
    """Return what a function noted before the KeyboardInterrupt that ended it."""
    events = []
    with pytest.raises(KeyboardInterrupt):
        work(events.append)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    return events


def test_ctrl_c_waits_until_it_is_looked_for():
    def work(note):
        with deferred_interrupts():
            press()
            note("after it")
            take_interrupts()
            note("too late")

    assert events_of(work) == ["after it"]


def test_ctrl_c_waits_for_the_end_of_the_outer_context():
    def work(note):
        with deferred_interrupts():
            with deferred_interrupts():
                press()
            note("after the inner context")
        note("too late")

    assert events_of(work) == ["after the inner context"]


def test_ctrl_c_comes_at_once_in_a_function_of_the_user():
    def work(note):
        def function():
            press()
            note("too late")

        with deferred_interrupts():
            interruptibly(function)

    assert events_of(work) == []


def test_the_handler_of_the_user_is_called_and_put_back():
    calls = []
    before = signal.signal(signal.SIGINT, lambda *arguments: calls.append(arguments[0]))
    mine = signal.getsignal(signal.SIGINT)
    try:
        with deferred_interrupts():
            press()
            press()
            assert not calls
            take_interrupts()
            assert calls == [signal.SIGINT] * 2
            interruptibly(press)
            press()
        assert calls == [signal.SIGINT] * 4
        assert signal.getsignal(signal.SIGINT) is mine
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.fixture
def handle():
    """Return a function that sets the handler of a signal until the test ends."""
    before = {}

    def set_handler(number, handler):
        before.setdefault(number, signal.signal(number, handler))

    yield set_handler
    for number, handler in before.items():
        signal.signal(number, handler)


def test_all_signals_that_wait_are_handled_even_if_the_first_raises(handle):
    calls = []
    handle(signal.SIGTERM, lambda number, frame: calls.append(frame.f_lineno))

    def work(note):
        with deferred_interrupts():
            press()
            signal.raise_signal(signal.SIGTERM)
            note(not calls)

    assert events_of(work) == [True]
    assert len(calls) == 1


def monitored(scoring, **parameters):
    return DeepNetClassifier(
        (4,),
        early_stopping=True,
        scoring=scoring,
        tol=None,
        **{"n_iter": 3, "random_state": 0} | parameters,
    )


def test_a_scorer_can_limit_its_time_in_each_call(handle):
    def raise_timeout(number, frame):
        raise TimeoutError

    def score(estimator, X, y):
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        try:
            time.sleep(5)
        except TimeoutError:
            calls.append(estimator)
        return 0.5

    calls = []
    handle(signal.SIGALRM, raise_timeout)
    monitored(score).fit(*SMALL)
    assert len(calls) == 3


def test_a_handler_that_a_scorer_keeps_works_after_the_fit(handle):
    def score(estimator, X, y):
        kept.append(signal.getsignal(signal.SIGINT))
        return 0.5

    kept = []
    monitored(score).fit(*SMALL)
    handle(signal.SIGINT, lambda number, frame: kept[0](number, frame))
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            press()


def test_a_handler_that_a_scorer_sets_waits_from_then_on(handle):
    def raise_in_time(number, frame):
        raise TimeoutError

    def score(estimator, X, y):
        if not handlers:
            handle(signal.SIGALRM, raise_in_time)
        handlers.append(signal.getsignal(signal.SIGALRM))
        return 0.5

    handlers = []
    monitored(score, n_iter=2).fit(*SMALL)
    first, second = handlers
    assert first is raise_in_time
    assert second is not raise_in_time  # but what lets it wait
    assert signal.getsignal(signal.SIGALRM) is raise_in_time


def test_a_limit_of_time_ends_a_stack(handle):
    class Late(Exception):
        pass

    def raise_late(number, frame):
        raise Late

    handle(signal.SIGALRM, raise_late)
    nets = [DeepNetClassifier((4,), n_iter=10**6, tol=None, alpha=a) for a in (0, 1)]
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    with pytest.raises(Late):
        fit_stack(nets, *SMALL)
    assert not any(net.__sklearn_is_fitted__() for net in nets)


def test_a_handler_in_c_is_back_after_a_fit(handle, tmp_path):
    handle(signal.SIGUSR1, lambda *arguments: None)
    with open(tmp_path / "dump", "w+b") as file:
        faulthandler.register(signal.SIGUSR1, file=file, chain=True)
        try:
            DeepNetClassifier((4,), n_iter=1, tol=None).fit(*SMALL)
            signal.raise_signal(signal.SIGUSR1)
            assert os.fstat(file.fileno()).st_size
        finally:
            faulthandler.unregister(signal.SIGUSR1)


FORK = """
import os, sys, warnings
import numpy as np
from sklearn_deepnet import DeepNetClassifier, fit_stack

warnings.simplefilter("ignore")
X = np.random.RandomState(0).randn(30000, 20)  # several blocks, for two threads
y = (X[:, 0] > 0).astype(int)
children = []

def score(estimator, X, y):
    if not children:
        children.append(os.fork())
    return 0.5

net = DeepNetClassifier(
    (8,), early_stopping=True, scoring=score, batch_size=None, n_iter=4, tol=None
)
net.fit(X, y)
if children == [0]:
    os._exit(0)
_, status = os.waitpid(children[0], 0)
sys.exit(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.slow
def test_a_child_that_is_forked_by_a_scorer_can_go_on():
    two = {"OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"}
    command = [sys.executable, "-c", FORK]
    done = subprocess.run(command, env=os.environ | two, timeout=60)
    assert done.returncode == 0


FORK_AMID_LOCK = """
import os, signal, sys, threading
from sklearn_deepnet._engine import parallel
from tests.integration.interrupting import code_of_child, blas_threads

before, taken, done = blas_threads(), threading.Event(), threading.Event()

def hold():
    with parallel.one_blas_thread(), parallel._lock:
        taken.set()
        done.wait()

thread = threading.Thread(target=hold)
thread.start()
taken.wait()
child = os.fork()
if child == 0:
    signal.alarm(20)
    os._exit(code_of_child(before))
_, status = os.waitpid(child, 0)
done.set()
sys.exit(abs(os.waitstatus_to_exitcode(status)))
"""


@pytest.mark.slow
def test_a_child_does_not_wait_for_a_lock_of_another_thread():
    two = {"OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"}
    command = [sys.executable, "-W", "ignore", "-c", FORK_AMID_LOCK]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | two, timeout=60)
    assert done.returncode == 0


@pytest.mark.slow
def test_ctrl_c_ends_a_fit_whose_output_is_not_read():
    code = (
        "import sys, signal\n"
        "from tests.integration.interrupting import make_net, SMALL\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "print('begun', file=sys.stderr, flush=True)\n"
        "make_net(n_iter=10**6, verbose=2).fit(*SMALL)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stderr.readline() == b"begun\n"
    time.sleep(2)  # until the pipe is full
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == -signal.SIGINT
    process.stdout.close()
    process.stderr.close()


def test_a_handler_that_somebody_sets_meanwhile_stays():
    before = signal.getsignal(signal.SIGINT)
    try:
        with deferred_interrupts():
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_interrupt_of_another_thread_waits_there():
    entered, sent, done = threading.Event(), threading.Event(), []

    def work():
        try:
            with deferred_interrupts():
                entered.set()
                sent.wait(10)
                done.append("after it")
        except KeyboardInterrupt:
            done.append("interrupted")

    thread = threading.Thread(target=work)
    thread.start()
    entered.wait(10)
    interrupt_thread(thread.ident)
    sent.set()
    thread.join(10)
    assert done == ["after it", "interrupted"]


def test_a_scorer_that_waits_can_be_interrupted():
    def slow_score(estimator, X, y):
        if len(calls) == 2:
            threading.Timer(0.05, press).start()
            time.sleep(10)
        calls.append(estimator)
        return 0.5

    calls, start = [], time.monotonic()
    net = DeepNetClassifier(
        (4,), early_stopping=True, scoring=slow_score, n_iter=5, random_state=0
    )
    with pytest.raises(KeyboardInterrupt):
        net.fit(*SMALL)
    assert time.monotonic() - start < 5
    assert net.n_iter_ == len(net.loss_curve_) == len(net.validation_scores_) == 2
    assert net.best_iter_ == 0
