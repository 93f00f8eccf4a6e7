"""Send real signals at random moments, or fork beside a thread that trains.

Run as a script, in a process of its own. It prints what was found after each signal or
in each child, counted, as JSON; nothing but "interrupted" and "fitted" is as it should
be. A call that hangs ends the process after half a minute.

    python -m tests.integration.interrupting signals full_batch 1000 0
    python -m tests.integration.interrupting forks 200
"""

import faulthandler
import json
import os
import signal
import sys
import threading
import time
import warnings
from collections import Counter

import numpy as np
from threadpoolctl import ThreadpoolController

from sklearn_deepnet import DeepNetClassifier, fit_stack
from sklearn_deepnet._engine import parallel
from sklearn_deepnet._utils import interrupts

BLAS = ThreadpoolController().select(user_api="blas")
HANGS = 30  # seconds
RNG = np.random.RandomState(0)
X = RNG.randn(3000, 20)
Y = (X[:, 0] + 0.3 * RNG.randn(3000) > 0).astype(int)
SMALL = X[:200], Y[:200]


def make_net(**params):
    return DeepNetClassifier((8,), tol=None, random_state=0, **params)


def fit(net):
    net.fit(*SMALL)


def fit_full_batch(net):
    net.set_params(batch_size=None).fit(X, Y)


def fit_and_score(net):
    net.set_params(early_stopping=True, scoring="f1").fit(*SMALL)


def fit_to_curvature(net):
    net.set_params(solver="lbfgs").fit(*SMALL)


def fit_a_stack(net):
    fit_stack([net, make_net(n_iter=5, learning_rate=0.01)], *SMALL)


def continue_training(net):
    net.set_params(warm_start=True).fit(*SMALL).fit(*SMALL)


def predict(net):
    FITTED.predict(LARGE)


CALLS = {
    it.__name__: it
    for it in (
        fit,
        fit_full_batch,
        fit_and_score,
        fit_to_curvature,
        fit_a_stack,
        continue_training,
        predict,
    )
}
# The rest draws what a fit in one go does: so it can be compared with one
COMPARABLE = {"fit", "fit_full_batch", "fit_and_score", "fit_a_stack"}


def blas_threads():
    return [library.get_num_threads() for library in BLAS.lib_controllers]


def signals(name, n_signals, seed):
    """Yield what each of `n_signals` signals leaves behind."""
    call, delays = CALLS[name], np.random.RandomState(seed)
    arrived = []

    def handler(number, frame):  # which comes at any time, as Ctrl-C does
        arrived.append(number)
        raise KeyboardInterrupt

    signal.signal(signal.SIGALRM, handler)
    before = blas_threads()
    seconds = duration(call)
    for _ in range(n_signals):
        faulthandler.dump_traceback_later(HANGS, exit=True)
        net = make_net(n_iter=5)
        arrived.clear()
        if is_interrupted(call, net, delays.uniform(1e-6, seconds), arrived):
            yield "interrupted"
        if blas_threads() != before:
            yield "BLAS has another number of threads"
        if parallel._inside or interrupts._of_thread:
            yield "a context is open"
        if parallel._lock.locked():
            yield "a lock is taken"
        if threading.active_count() > 1:
            yield "a thread is left"
        is_back = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if not is_back or signal.getsignal(signal.SIGALRM) is not handler:
            yield "a handler is not back"
        if net.__sklearn_is_fitted__():
            yield "fitted"
            yield from faults_of(net, call if name in COMPARABLE else None)


def duration(call):
    """Return about how long a call takes, the second time."""
    call(make_net(n_iter=5))
    start = time.perf_counter()
    call(make_net(n_iter=5))
    return 1.2 * (time.perf_counter() - start)


def is_interrupted(call, net, delay, arrived):
    """Make a call and send a signal after `delay` seconds."""
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, delay)
            call(net)
        finally:
            left, _ = signal.setitimer(signal.ITIMER_REAL, 0)
            if not left and not arrived:  # another thread has got it, and is late
                time.sleep(0.05)
    except KeyboardInterrupt:
        return True
    return False


def faults_of(net, call):
    """Yield how a network differs from one that was trained for as many epochs."""
    net.predict(X[:3])
    if net.n_iter_ != len(net.loss_curve_):
        yield "n_iter_ is not the length of the curve"
    if not np.isfinite(net.loss_curve_).all():
        yield "a loss is not finite"
    if call is None or not net.n_iter_:
        return
    twin = make_net(n_iter=int(net.n_iter_))
    call(twin)
    if twin.loss_curve_ != net.loss_curve_:
        yield "another curve"
    if getattr(twin, "best_iter_", None) != getattr(net, "best_iter_", None):
        yield "another best epoch"
    if not all(map(np.array_equal, twin.coefs_, net.coefs_)):
        yield "other weights"


def forks(n_forks):
    """Yield how each of `n_forks` children ends while a thread trains."""
    before, stop = blas_threads(), threading.Event()

    def train():
        while not stop.is_set():
            make_net(n_iter=3).fit(*SMALL)

    thread = threading.Thread(target=train)
    thread.start()
    moments = np.random.RandomState(0)
    for _ in range(n_forks):
        time.sleep(moments.uniform(0, 0.01))
        child = os.fork()
        if child == 0:
            os._exit(code_of_child(before))
        yield how_it_ended(child)
    stop.set()
    thread.join()


def code_of_child(before):
    """Return the exit code of a child: 0 if a fit works and BLAS is as it was."""
    threads_at_first = blas_threads()
    make_net(n_iter=3).fit(*SMALL)
    if threads_at_first != before or blas_threads() != before:
        return 2
    return 3 if signal.getsignal(signal.SIGINT) != signal.default_int_handler else 0


def how_it_ended(child):
    deadline = time.monotonic() + HANGS
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            codes = {0: "fitted", 2: "BLAS has another number of threads"}
            codes |= {3: "a handler is not back"}
            return codes.get(os.waitstatus_to_exitcode(status), "an error")
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "it hangs"


def main(what, *arguments):
    warnings.simplefilter("ignore")
    if what == "signals":
        name, *numbers = arguments
        found = Counter(signals(name, *map(int, numbers)))
    else:
        found = Counter(forks(*map(int, arguments)))
    print(json.dumps(found))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    FITTED = make_net(n_iter=2).fit(X, Y)
    LARGE = np.tile(X, (40, 1))
    main(*sys.argv[1:])
