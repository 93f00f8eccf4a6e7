"""Ctrl-C at any moment, and a fork at any moment, leave nothing in disorder."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from sklearn_deepnet import DeepNetClassifier
from sklearn_deepnet._utils.interrupts import (
    deferred_interrupts,
    interrupt_thread,
    interruptible,
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
    assert found["interrupted"] > 10, found


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
        with deferred_interrupts(), interruptible():
            press()
            note("too late")

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
            with interruptible():
                press()
            press()
        assert calls == [signal.SIGINT] * 4
        assert signal.getsignal(signal.SIGINT) is mine
    finally:
        signal.signal(signal.SIGINT, before)


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
