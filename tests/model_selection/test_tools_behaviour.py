"""Errors, warnings, settings and interrupts under `stacked` are those without it."""

import gc
import os
import re
import signal
import threading
import time
import warnings
import weakref
from collections import Counter
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar

import numpy as np
import pytest
from joblib import Parallel, delayed, effective_n_jobs, parallel_config
from joblib.parallel import get_active_backend
from scipy.sparse import csr_array, hstack
from sklearn import config_context, get_config
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.ensemble import (
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.manifold import MDS
from sklearn.metrics import pairwise_distances
from sklearn.model_selection import (
    GridSearchCV,
    cross_val_predict,
    cross_val_score,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklearn_deepnet import stacked
from sklearn_deepnet.nn.activations import ACTIVATIONS
from tests.helpers import iris, network_factory, raises

net = network_factory(hidden_layer_sizes=(4,), learning_rate=0.02, n_iter=3)
X, y = iris()


class Step(TransformerMixin, BaseEstimator):
    """Calls a function with the rows that it is fitted to."""

    def __init__(self, call=None, number=0):
        self.call, self.number = call, number

    def fit(self, X, y=None):
        if self.call is not None:
            self.call(self.number, X)
        return self

    def transform(self, X):
        return X


def after(call, last=None):
    return make_pipeline(Step(call), net() if last is None else last)


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    before = threading.active_count()
    yield
    deadline = time.monotonic() + 5  # threads of pools end on their own
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= before


def gist(warning):
    """Return what a warning says, without lines of code, which tracebacks have."""
    return warning.category, re.sub(r"\n .*", "", str(warning.message))


def outcome(call, context, action="always"):
    """Return the result or the error of a call, and a count of its warnings."""
    with warnings.catch_warnings(record=True) as caught, context:
        warnings.simplefilter(action)
        try:
            found = call()
        except Exception as error:
            found = type(error), re.sub(r"\n .*", "", str(error))
    return found, Counter(map(gist, caught))


def assert_same_outcome(call, action="always"):
    """Return the outcome, which is the same with the context."""
    expected = outcome(call, nullcontext(), action)
    found = outcome(call, stacked(), action)
    np.testing.assert_equal(found, expected)
    return expected


def grid_of_numbers(call, **options):
    """Return how a search goes in which `call` gets the number of the candidate."""
    model, grid = after(call), {"step__number": [0, 1, 2, 3]}
    search = GridSearchCV(model, grid, cv=3, refit=False, **options).fit(X, y)
    return search.cv_results_["mean_test_score"]


# ---- errors


def fails_early(number, X):
    if number in (1, 3):
        raise ValueError(f"candidate {number}")


def fails_late(estimator, X, y):
    if estimator[0].number == 1:
        raise ArithmeticError("scored")
    return 0.5


FAILING = {
    "fits": (fails_early, "accuracy"),
    "scores": (None, fails_late),
    "fits and scores": (lambda number, X: fails_early(number + 1, X), fails_late),
}


@pytest.mark.parametrize("error_score", ["raise", np.nan, -1])
@pytest.mark.parametrize("case", FAILING)
def test_failing_candidates_end_as_without_the_context(case, error_score):
    call, scoring = FAILING[case]
    assert_same_outcome(
        lambda: grid_of_numbers(call, scoring=scoring, error_score=error_score)
    )


def test_the_first_candidate_decides_though_a_later_one_fails_earlier():
    def fails(number, X):
        if number == 2:
            raise ValueError("fitted")

    (error, message), _ = assert_same_outcome(
        lambda: grid_of_numbers(fails, scoring=fails_late, error_score="raise")
    )
    assert (error, message) == (ArithmeticError, "scored")


@pytest.mark.parametrize("n_before", [0, 1, 3])
@pytest.mark.parametrize("model", [net(), GaussianNB()])
def test_an_error_of_what_makes_the_calls_is_raised(model, n_before):
    def fit(model):
        return clone(model).fit(X, y).predict(X)

    def make_calls():
        for _ in range(n_before):
            yield delayed(fit)(model)
        raise ValueError("no more")

    found, _ = assert_same_outcome(lambda: Parallel()(make_calls()))
    assert found == (ValueError, "no more")


INVALID = {
    "a parameter": ({"alpha": [1e-4, -1]}, {}),
    "a scorer that a stack calls": (
        {"alpha": [1e-4, 0.1]},
        {"scoring": lambda *args: 1 / 0, "early_stopping": True},
    ),
    "divergence": ({"learning_rate": [0.02, 1e300]}, {"solver": "sgd"}),
}


@pytest.mark.parametrize("case", INVALID)
def test_a_network_that_fails_fails_alone(case):
    grid, params = INVALID[case]

    def search():
        found = GridSearchCV(net(**params), grid, cv=3, refit=False).fit(X, y)
        return found.cv_results_["mean_test_score"]

    assert_same_outcome(search)


# ---- warnings


def warns(number, X):
    warnings.warn("about each", UserWarning, stacklevel=1)
    warnings.warn(f"about {number} and {len(X)} rows", RuntimeWarning, stacklevel=1)


def sets_filters(number, X):
    """Leave a filter behind, which lasts as long as the call of this candidate."""
    warnings.warn("before", UserWarning, stacklevel=1)
    warnings.simplefilter("ignore", UserWarning)
    warnings.warn("after", UserWarning, stacklevel=1)


def warns_of_score(estimator, X, y):
    warnings.warn("about a score", UserWarning, stacklevel=1)
    return 1.0


@pytest.mark.parametrize("action", ["always", "default", "module", "once", "ignore"])
@pytest.mark.parametrize("call", [warns, sets_filters])
def test_warnings_are_as_many(call, action):
    _, count = assert_same_outcome(
        lambda: grid_of_numbers(call, scoring=warns_of_score), action
    )
    assert bool(count) == (action != "ignore")


@pytest.mark.parametrize("error_score", ["raise", np.nan])
def test_warnings_become_errors(error_score):
    def search():
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            return grid_of_numbers(warns, error_score=error_score)

    assert_same_outcome(search)


def test_shared_steps_warn_once_for_each_fold():
    def search():
        grid = {"deepnetclassifier__alpha": [0.0, 1.0, 10.0]}
        search = GridSearchCV(after(warns), grid, cv=3, refit=False).fit(X, y)
        return search.cv_results_["mean_test_score"]

    expected, each = outcome(search, nullcontext())
    found, once = outcome(search, stacked())
    np.testing.assert_array_equal(found, expected)
    assert each == {key: 3 * count for key, count in once.items()}
    assert sum(once.values()) == 6  # two in each fold


def test_networks_warn_as_often():
    model = net(n_iter=12, tol=1e-4)
    _, count = assert_same_outcome(lambda: cross_val_score(model, X, y, cv=3))
    assert sum(count.values()) == 3


@pytest.mark.parametrize("call", [None, sets_filters, fails_early])
def test_filters_are_restored(call):
    """As without the context: older versions of scikit-learn keep what a fit sets."""
    found = []
    for context in (nullcontext(), stacked()):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            before = warnings.filters, warnings.showwarning
            with context:
                grid_of_numbers(call)
            assert warnings.filters is before[0]
            assert warnings.showwarning is before[1]
            found.append(dict.fromkeys(warnings.filters))
    assert found[0] == found[1]


# ---- settings

colour = ContextVar("colour", default="none")


def test_tasks_see_the_settings_of_their_caller():
    found = []

    def look(number, X):
        found.append((get_config(), np.geterr(), colour.get()))

    def validate():
        found.clear()
        token = colour.set("green")
        with (
            config_context(assume_finite=True, enable_metadata_routing=True),
            config_context(transform_output="pandas"),
            np.errstate(under="warn", over="ignore"),
        ):
            cross_val_score(after(look), X, y, cv=3)
        colour.reset(token)
        return [*found]

    (settings, *_), _ = assert_same_outcome(validate)
    assert settings[0]["assume_finite"]
    assert settings[2] == "green"


def test_settings_of_a_task_are_its_own():
    def look(number, X):
        seen.append((number, np.geterr()["under"], colour.get()))
        np.seterr(under="warn")
        colour.set("red")

    seen = []
    with stacked():
        grid_of_numbers(look)
    assert {(under, it) for _, under, it in seen} == {("ignore", "none")}
    assert (np.geterr()["under"], colour.get()) == ("ignore", "none")


@pytest.mark.parametrize("n_jobs", [None, 1, 2])
@pytest.mark.parametrize("n_jobs_around", [None, 1, 2])
def test_tasks_of_joblib_itself_see_the_settings_of_their_caller(n_jobs, n_jobs_around):
    """Functions of scikit-learn set the configuration in each task themselves."""

    def look(model):
        return get_config()["assume_finite"], effective_n_jobs(None)

    def call():
        with config_context(assume_finite=True):
            return Parallel(n_jobs)(delayed(look)(net()) for _ in range(3))

    with parallel_config("threading", n_jobs=n_jobs_around):
        found, _ = assert_same_outcome(call)
        n_workers = effective_n_jobs(n_jobs)
    if n_workers == 1:  # else joblib's own threads do not see them
        assert found == [(True, n_jobs_around or 1)] * 3


# ---- interrupts


@contextmanager
def ctrl_c_works():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def press(number=0, X=None):
    os.kill(os.getpid(), signal.SIGINT)


def never_ends(number, X):
    while True:
        sum(range(100))


def swallows(number, X):
    try:
        never_ends(number, X)
    except BaseException:
        return


def waits_for_tasks(number, X):
    cross_val_score(after(never_ends), *iris(), cv=2)


LONG = net(n_iter=10**6)
INTERRUPTED = {
    "a step": lambda: cross_val_score(after(never_ends), X, y),
    "a step after others wait": lambda: grid_of_numbers(
        lambda number, X: never_ends(number, X) if number == 2 else None
    ),
    "a step of a task in a task": lambda: grid_of_numbers(waits_for_tasks),
    "a stack": lambda: cross_val_score(LONG, X, y),
    "a stack of tasks in tasks": lambda: cross_val_score(
        GridSearchCV(LONG, {"alpha": [0.1, 0.2]}, cv=2), X, y, cv=2
    ),
    "a fit alone": lambda: cross_val_score(LONG, X, y, cv=[(range(99), range(99))]),
    "a scorer": lambda: cross_val_score(
        net(), X, y, scoring=lambda *args: never_ends(0, X)
    ),
}


@pytest.mark.parametrize("case", INTERRUPTED)
def test_ctrl_c_ends_all_tasks(case):
    timer = threading.Timer(0.1, press)
    with ctrl_c_works(), stacked():
        timer.start()
        start = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            INTERRUPTED[case]()
        assert time.monotonic() - start < 5
        timer.join()
    with stacked() as stacks:
        cross_val_score(net(), X, y)
    assert stacks.summary.stack_sizes == [5]


def test_ctrl_c_that_comes_when_a_task_has_given_its_turn_back_ends_it():
    def call(number, X):
        # The main thread is not woken by a signal of this one, so it finds it when it
        # has its turn.
        signal.raise_signal(signal.SIGINT)

    with ctrl_c_works(), stacked(), pytest.raises(KeyboardInterrupt):
        cross_val_score(after(call), X, y)


def test_ctrl_c_may_be_pressed_again_while_tasks_end():
    def fit(model, number):
        try:
            if number == 3:
                never_ends(number, X)
            model.fit(X, y)
        finally:
            press()

    timer = threading.Timer(0.1, press)
    with ctrl_c_works(), stacked():
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            Parallel()(delayed(fit)(net(), number) for number in range(5))
        timer.join()


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_interrupt_that_a_scorer_raises_ends_all_tasks(error):
    n_calls = []

    def scorer(*args):
        n_calls.append(args)
        raise error("pressed")

    with stacked(), pytest.raises(error, match=r"^pressed$"):
        cross_val_score(net(), X, y, scoring=scorer)
    assert len(n_calls) == 1


@pytest.fixture
def _no_garbage_is_collected():
    gc.disable()
    yield
    gc.enable()


def press_and_wait(number, X):
    press()
    never_ends(number, X)


# what the third of four candidates does, and the error of the search
ENDINGS = {
    "ends": (lambda number, X: None, None),
    "fails": (lambda number, X: 1 / 0, ZeroDivisionError),
    "is interrupted": (press_and_wait, KeyboardInterrupt),
    "is interrupted in a task in a task": (
        lambda number, X: cross_val_score(after(press_and_wait), *iris(), cv=2),
        KeyboardInterrupt,
    ),
}


@pytest.mark.usefixtures("_no_garbage_is_collected")
@pytest.mark.parametrize("case", ENDINGS)
def test_threads_of_tasks_are_not_left_to_the_garbage_collector(case):
    """Else it frees them at any time, and a Ctrl-C is lost that comes meanwhile."""
    (last, error), threads = ENDINGS[case], []

    def call(number, X):
        threads.append(weakref.ref(threading.current_thread()))
        if number == 2:
            last(number, X)

    with ctrl_c_works(), stacked():
        with nullcontext() if error is None else pytest.raises(error):
            grid_of_numbers(call, error_score="raise")
        assert len(threads) == (12 if error is None else 7)
        assert [thread() for thread in threads if thread() is not None] == []


# ---- the context


def test_contexts_nest():
    with stacked() as outer:
        cross_val_score(net(), X, y)
        with stacked() as inner:
            cross_val_score(net(), X, y, cv=3)
        cross_val_score(net(), X, y, cv=2)
    cross_val_score(net(), X, y)
    assert (inner.summary.stack_sizes, outer.summary.stack_sizes) == ([3], [5, 2])


def test_a_context_can_be_entered_again():
    context = stacked()
    for _ in range(2):
        with context:
            cross_val_score(net(), X, y)
    assert context.summary.stack_sizes == [5, 5]


def test_it_decorates_functions():
    context = stacked()

    @context
    def validate(n):
        """Return scores."""
        return cross_val_score(net(), X, y, cv=n)

    np.testing.assert_array_equal(validate(3), cross_val_score(net(), X, y, cv=3))
    assert validate.__doc__ == "Return scores."
    validate(n=2)
    assert context.summary.stack_sizes == [3, 2]


@pytest.mark.parametrize(("options", "sizes"), [({}, [5]), ({"max_bytes": 1}, [])])
def test_joblib_knows_the_backend_by_name(options, sizes):
    with parallel_config(backend="stacked", **options):
        cross_val_score(net(), X, y)
        report = get_active_backend()[0].summary
    assert report.stack_sizes == sizes
    assert report.alone.total() == 5 - sum(sizes)


# what an argument must be, with its error, and values that are not
INVALID_ARGUMENTS = {
    "n_jobs": ("a nonzero integer or None", ValueError, [0, True, 2.0, "2", np.True_]),
    "max_bytes": ("a positive integer or None", ValueError, [0, -1, True, 1e9, "1 GB"]),
    "checkpoint": ("a Checkpoint, a path or None", TypeError, [0]),
}


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, row in INVALID_ARGUMENTS.items() for value in row[-1]],
)
def test_invalid_arguments_are_refused_at_once(name, value):
    allowed, error, _ = INVALID_ARGUMENTS[name]
    with raises(f"{name} must be {allowed}. Got {value!r} instead.", error):
        stacked(**{name: value})


def test_integers_of_numpy_are_integers():
    with stacked(np.int64(1), max_bytes=np.int32(1)) as stacks:
        cross_val_score(net(), X, y)
    assert stacks.summary.alone.total() == 5


# ---- workers


@pytest.mark.parametrize("n_jobs", [None, 1, 2, -1])
@pytest.mark.parametrize("of", ["the call", "the context", "the context around"])
def test_results_are_the_same_for_any_number_of_workers(of, n_jobs):
    expected = cross_val_predict(net(), X, y, method="predict_proba")
    options = dict.fromkeys(["the call", "the context", "the context around"])
    options[of] = n_jobs
    with (
        parallel_config("threading", n_jobs=options["the context around"]),
        stacked(options["the context"]) as stacks,
    ):
        found = cross_val_predict(
            net(), X, y, method="predict_proba", n_jobs=options["the call"]
        )
        n_workers = effective_n_jobs(n_jobs)
    np.testing.assert_array_equal(found, expected)
    sizes = [len(it) for it in np.array_split(range(5), min(n_workers, 5))]
    assert sorted(stacks.summary.stack_sizes) == sorted(n for n in sizes if n > 1)


@pytest.mark.parametrize("n_jobs", [None, 1, 2, -1, 7])
def test_the_number_of_workers_is_what_it_is_without_the_context(n_jobs):
    found = []

    def look(number, X):
        found.append(effective_n_jobs(n_jobs))

    with parallel_config("threading"):
        outside = effective_n_jobs(n_jobs)
        cross_val_score(after(look), X, y, cv=2)
        with stacked():
            assert effective_n_jobs(n_jobs) == outside
            cross_val_score(after(look), X, y, cv=2)
        with stacked(n_jobs=3):
            assert effective_n_jobs(None) == 3
    assert len(set(found)) == 1


def square(x):
    if x < 0:
        raise ValueError(f"{x} is negative")
    return x * x


FORESTS = {
    "a forest": lambda n_jobs: (
        RandomForestClassifier(3, random_state=0, n_jobs=n_jobs)
        .fit(X, y)
        .predict_proba(X)
    ),
    "distances": lambda n_jobs: pairwise_distances(X, n_jobs=n_jobs),
    "MDS": lambda n_jobs: MDS(
        n_init=2,
        max_iter=2,
        random_state=0,
        n_jobs=n_jobs,
        normalized_stress=False,
    ).fit_transform(X[:20]),
    "a validation": lambda n_jobs: cross_val_score(GaussianNB(), X, y, n_jobs=n_jobs),
    "an error": lambda n_jobs: Parallel(n_jobs)(
        delayed(square)(it) for it in (1, -2, 3)
    ),
    "a generator": lambda n_jobs: [
        *Parallel(n_jobs, return_as="generator")(map(delayed(square), range(9)))
    ],
    "nothing": lambda n_jobs: Parallel(n_jobs)([]),
    "required memory": lambda n_jobs: Parallel(n_jobs, require="sharedmem")(
        map(delayed(square), range(9))
    ),
}


@pytest.mark.parametrize("n_jobs", [None, 1, 2])
@pytest.mark.parametrize("case", FORESTS)
def test_what_holds_no_network_runs_as_without_the_context(case, n_jobs):
    def call():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return FORESTS[case](n_jobs)

    with parallel_config("threading"):
        assert_same_outcome(call)


def test_forests_in_tasks_are_the_same():
    model = VotingClassifier(
        [("trees", RandomForestClassifier(3, random_state=0)), ("net", net())],
        voting="soft",
    )
    assert_same_outcome(lambda: cross_val_predict(model, X, y, cv=3))


# ---- the summary


def spread(X):
    return hstack([csr_array(X), csr_array((len(X), 5000))])


OWN = ACTIVATIONS["tanh"]._replace(name="own", elementwise=False)
REASONS = {
    "solver='lbfgs' cannot be stacked": net(solver="lbfgs", learning_rate=0.001),
    "verbose, callbacks or a checkpoint are used": net(verbose=1),
    "a loss, activation or optimizer is not declared element-wise": net(activation=OWN),
    "X is sparse, with many columns and few stored values": make_pipeline(
        FunctionTransformer(spread), net()
    ),
    "the network or its mini-batch is too large for a stack to be faster": net(
        hidden_layer_sizes=(900,), n_iter=1
    ),
}


@pytest.mark.parametrize("reason", REASONS)
def test_the_summary_says_why_networks_were_not_stacked(reason, capsys):
    models = [net(), net(alpha=1), REASONS[reason], clone(REASONS[reason])]
    with stacked() as stacks:
        VotingClassifier([*zip("abcd", models, strict=True)]).fit(X, y)
    assert str(stacks.summary) == (
        f"2 networks were trained in 1 stack; 2 alone, because {reason}."
    )


@pytest.mark.parametrize(
    ("model", "events"),
    [(net(), ["fit"] * 3 + ["score"] * 3), (net(activation=OWN), ["fit", "score"] * 3)],
    ids=["stacked", "alone"],
)
def test_networks_that_are_trained_alone_do_not_wait_for_others(model, events):
    """So large networks are in memory one at a time."""
    found = []
    model = after(lambda number, X: found.append("fit"), model)
    with stacked():
        cross_val_score(
            model, X, y, cv=3, scoring=lambda *args: found.append("score") or 1.0
        )
    assert found == events
