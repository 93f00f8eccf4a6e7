"""scikit-learn's callbacks during a fit, and what a fit prints."""

import io
import itertools
import os
import pickle
import re
import sys
import time
from contextlib import redirect_stdout
from types import SimpleNamespace

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale
from sklearn.utils.fixes import parse_version
from threadpoolctl import threadpool_limits

from sklearn_deepnet import DeepNetClassifier, DeepNetRegressor, DivergenceWarning
from sklearn_deepnet._fitting import progress
from tests.helpers import assert_same_training, digits, network_factory, wine

HAS_CALLBACKS = parse_version(sklearn.__version__) >= parse_version("1.9")
needs_callbacks = pytest.mark.skipif(
    not HAS_CALLBACKS, reason="scikit-learn has callbacks from 1.9"
)


net_for = network_factory(
    "n_iter", "estimator", hidden_layer_sizes=(6,), learning_rate=0.01
)


class Watcher:
    """Keeps a log of its calls, and asks for a stop after some tasks."""

    def __init__(self, stops_after=None):
        self.stops_after = stops_after
        self.log, self.X, self.y = [], [], []

    def setup(self, estimator, context):
        self.log.append(f"setup of {context.max_subtasks}")

    def teardown(self, estimator, context):
        self.log.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None):
        self.log.append(f"begin {context.task_name}")

    def on_fit_task_end(self, estimator, context, *, X=None, y=None):
        self.log.append(f"end {context.task_name}")
        self.X.append(X)
        self.y.append(y)
        return self.count("end epochs") == self.stops_after

    def count(self, entry):
        return self.log.count(entry)


class Keeper(Watcher):
    """Keeps the fitted estimators as well, and what they predicted at the time."""

    def __init__(self, stops_after=None):
        super().__init__(stops_after)
        self.fitted, self.outputs = [], []

    def on_fit_task_end(
        self, estimator, context, *, X=None, y=None, fitted_estimator=None
    ):
        if fitted_estimator is not None:
            self.fitted.append(fitted_estimator)
            self.outputs.append(outputs_of(fitted_estimator, X))
        return super().on_fit_task_end(estimator, context, X=X, y=y)


def outputs_of(net, X):
    return (net.predict_proba if hasattr(net, "classes_") else net.predict)(X)


def private_names(net):
    return {name for name in vars(net) if "callback" in name}


# ---- tasks


@needs_callbacks
@pytest.mark.parametrize("n_iter", [0, 1, 3])
@pytest.mark.parametrize("estimator", [DeepNetClassifier, DeepNetRegressor])
def test_every_epoch_is_a_task(estimator, n_iter):
    X, y = wine()
    watcher = Watcher()
    net_for(n_iter, estimator).set_callbacks(watcher).fit(X, y)
    assert watcher.log == [
        f"setup of {n_iter}",
        "begin fit",
        *["begin epochs", "end epochs"] * n_iter,
        "end fit",
        "teardown",
    ]
    for seen, expected in ((watcher.X, X), (watcher.y, y)):
        assert len(seen) == n_iter + 1
        for array in seen:
            np.testing.assert_array_equal(array, expected)


@pytest.mark.slow
@needs_callbacks
@pytest.mark.parametrize(
    ("n_iter", "n_tasks"), [(999, 999), (1000, 1000), (1001, 501), (5000, 1000)]
)
def test_there_are_a_thousand_tasks_at_most(n_iter, n_tasks):
    X, y = wine()
    keeper = Keeper()
    net = net_for(n_iter, batch_size=None).set_callbacks(keeper).fit(X[::9], y[::9])
    assert net.n_iter_ == n_iter
    assert keeper.log[0] == f"setup of {n_tasks}"
    assert keeper.count("begin epochs") == keeper.count("end epochs") == n_tasks
    np.testing.assert_array_equal(keeper.outputs[-2], keeper.outputs[-1])


@needs_callbacks
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("stops_after", [1, 4])
def test_a_callback_may_stop_the_fit(stops_after, solver):
    X, y = wine()
    options = {"solver": solver, "tol": 1e-12, "learning_rate": 0.001}
    watcher = Watcher(stops_after)
    # a ConvergenceWarning would be an error here
    net = net_for(50, **options).set_callbacks(watcher).fit(X, y)
    assert net.n_iter_ == stops_after == watcher.count("begin epochs")
    assert watcher.log[-3:] == ["end epochs", "end fit", "teardown"]
    expected = net_for(stops_after, **(options | {"tol": None})).fit(X, y)
    assert_same_training(net, expected)


@needs_callbacks
def test_a_stop_after_several_epochs_a_task_ends_with_the_task():
    X, y = wine()
    net = net_for(5000, batch_size=None).set_callbacks(Watcher(7)).fit(X, y)
    assert net.n_iter_ == 35


@needs_callbacks
def test_a_fit_that_was_stopped_goes_on():
    X, y = wine()
    net = net_for(10, warm_start=True).set_callbacks(Watcher(4)).fit(X, y)
    net.set_callbacks().set_params(n_iter=6).fit(X, y)
    assert_same_training(net, net_for(10).fit(X, y))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@needs_callbacks
def test_every_task_is_ended_where_patience_ends_the_fit():
    X, y = wine()
    watcher = Watcher()
    net = net_for(3000, tol=1e9, n_iter_no_change=7).set_callbacks(watcher)
    net.fit(X, y)
    assert net.n_iter_ == 8  # in the midst of a task of three
    assert watcher.count("begin epochs") == watcher.count("end epochs")
    assert watcher.log[-2:] == ["end fit", "teardown"]


@needs_callbacks
def test_what_is_printed_does_not_keep_callbacks_from_a_stop(capsys):
    X, y = wine()
    net = net_for(9, verbose=2).set_callbacks(Watcher(4)).fit(X, y)
    assert net.n_iter_ == 4
    assert len(capsys.readouterr().out.splitlines()) == 4


# ---- fitted estimators


@needs_callbacks
@pytest.mark.parametrize("estimator", [DeepNetClassifier, DeepNetRegressor])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_the_estimator_of_a_task_is_a_fit_of_so_many_epochs(estimator, solver):
    X, y = wine()
    options = {"solver": solver, "learning_rate": 0.001}
    keeper = Keeper()
    net = net_for(5, estimator, **options).set_callbacks(keeper).fit(X, y)
    assert len(keeper.fitted) == 6
    for n_epochs, fitted in enumerate(keeper.fitted[:-1], start=1):
        expected = net_for(n_epochs, estimator, **options).fit(X, y)
        for array, its in zip(fitted.coefs_, expected.coefs_, strict=True):
            np.testing.assert_array_equal(array, its)
        np.testing.assert_array_equal(outputs_of(fitted, X), outputs_of(expected, X))
    np.testing.assert_array_equal(outputs_of(keeper.fitted[-1], X), outputs_of(net, X))


@needs_callbacks
def test_the_estimator_of_a_task_is_not_changed_by_further_training():
    X, y = wine()
    keeper = Keeper()
    net = net_for(6, warm_start=True).set_callbacks(keeper).fit(X, y).fit(X, y)
    net.set_callbacks().partial_fit(X, y)
    assert len(keeper.fitted) == 14
    for fitted, output in zip(keeper.fitted, keeper.outputs, strict=True):
        np.testing.assert_array_equal(fitted.predict_proba(X), output)
    kept = net.coefs_[0].copy()
    keeper.fitted[3].coefs_[0][...] = 0
    np.testing.assert_array_equal(net.coefs_[0], kept)


@needs_callbacks
def test_the_estimator_of_the_fit_has_the_best_weights():
    X, y = wine()
    keeper = Keeper()
    net = net_for(30, learning_rate=0.5, batch_size=10)
    net.set_callbacks(keeper).fit(X[::2], y[::2], X_val=X[1::2], y_val=y[1::2])
    assert net.best_iter_ < 29
    np.testing.assert_array_equal(keeper.outputs[-1], net.predict_proba(X[::2]))
    best = keeper.outputs[net.best_iter_]
    np.testing.assert_array_equal(keeper.outputs[-1], best)


CURVES = [
    "n_iter_",
    "best_iter_",
    "loss_curve_",
    "validation_loss_curve_",
    "validation_scores_",
    "diverged_",
]


@needs_callbacks
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize(
    "parameters", [{}, {"early_stopping": True, "scoring": "accuracy"}]
)
def test_the_estimator_of_a_task_has_the_curves_so_far(solver, parameters):
    X, y = wine()
    net = DeepNetClassifier((6,), solver=solver, tol=None, random_state=0, **parameters)
    keeper = Keeper()
    clone(net).set_params(n_iter=4).set_callbacks(keeper).fit(X, y)
    for n_epochs, fitted in enumerate(keeper.fitted[:-1], start=1):
        expected = clone(net).set_params(n_iter=n_epochs).fit(X, y)
        for name in CURVES:
            assert getattr(fitted, name) == getattr(expected, name), name


@needs_callbacks
@pytest.mark.parametrize("way", ["warm_start", "checkpoint"])
def test_the_curves_of_a_task_include_epochs_before(way, tmp_path):
    X, y = wine()
    net, keeper, options = net_for(3, warm_start=way == "warm_start"), Keeper(), {}
    if way == "checkpoint":
        options = {"checkpoint": tmp_path / "net"}
    net.fit(X, y, **options)
    if way == "checkpoint":
        net.set_params(n_iter=6)
    net.set_callbacks(keeper).fit(X, y, **options)
    assert [it.n_iter_ for it in keeper.fitted] == [4, 5, 6, 6]
    for fitted in keeper.fitted:
        assert fitted.loss_curve_ == net.loss_curve_[: fitted.n_iter_]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@needs_callbacks
def test_the_task_in_which_patience_ends_the_fit_has_the_fitted_estimator():
    X, y = wine()
    keeper = Keeper()
    net = net_for(3000, tol=1e9, n_iter_no_change=7).set_callbacks(keeper).fit(X, y)
    assert net.n_iter_ == 8  # within a task of three epochs
    assert [it.n_iter_ for it in keeper.fitted] == [3, 6, 8, 8]
    for array in keeper.X:
        np.testing.assert_array_equal(array, X)
    np.testing.assert_array_equal(keeper.outputs[-2], net.predict_proba(X))


# ---- traces


@needs_callbacks
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"dropout": 0.3, "batch_size": 32},
        {"early_stopping": True, "scoring": "accuracy"},
        {"solver": "lbfgs", "learning_rate": 0.001},
    ],
)
def test_callbacks_change_no_bit(parameters):
    X, y = wine()
    net = net_for(8, **parameters).set_callbacks(Keeper(), Watcher()).fit(X, y)
    assert_same_training(net, net_for(8, **parameters).fit(X, y))


@needs_callbacks
def test_a_fit_leaves_nothing_of_the_callbacks_but_themselves():
    X, y = wine()
    net = net_for(3).set_callbacks(Watcher()).fit(X, y)
    assert private_names(net) == {"_skl_callbacks"}
    assert private_names(net.set_callbacks().fit(X, y)) == set()
    assert pickle.loads(pickle.dumps(net)).n_iter_ == 3


@needs_callbacks
@pytest.mark.parametrize("when", ["before", "amid"])
def test_a_fit_that_fails_leaves_nothing_of_the_callbacks(when):
    X, y = wine()

    def schedule(t):
        if t == 2:
            raise RuntimeError("not this epoch")
        return 1.0

    watcher = Watcher()
    net = net_for(5, schedule=schedule).set_callbacks(watcher)
    before = vars(net).copy()
    with pytest.raises((RuntimeError, ValueError)):
        net.fit(X, y[:-1] if when == "before" else y)
    assert vars(net) == before
    assert private_names(net) == {"_skl_callbacks"}
    assert watcher.log[-1] == "teardown"


@needs_callbacks
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("error", [RuntimeError, StopIteration])
def test_a_callback_that_fails_leaves_the_estimator_as_it_was(solver, error):
    X, y = wine()

    class Failing(Watcher):
        def on_fit_task_end(self, estimator, context):
            super().on_fit_task_end(estimator, context)
            if self.count("end epochs") == 1:
                raise error("no callback")

    net = DeepNetClassifier((6,), n_iter=5, solver=solver).set_callbacks(Failing())
    before = vars(net).copy()
    with pytest.raises(error, match=r"^no callback$"):
        net.fit(X, y)
    assert vars(net) == before


@needs_callbacks
def test_what_a_callback_sets_on_the_estimator_stays():
    X, y = wine()

    class Marking(Watcher):
        def on_fit_task_end(self, estimator, context):
            super().on_fit_task_end(estimator, context)
            if self.count("end epochs") == 1:  # long before the end of the fit
                estimator.set_params(alpha=0.5).history_ = list(self.log)

    net = net_for(4).set_callbacks(Marking()).fit(X, y)
    assert net.history_ == ["setup of 4", "begin fit", "begin epochs", "end epochs"]
    assert net.alpha == 0.5


@needs_callbacks
def test_a_callback_that_is_interrupted_leaves_a_usable_model():
    X, y = wine()

    class Interrupted(Watcher):
        def on_fit_task_end(self, estimator, context):
            super().on_fit_task_end(estimator, context)
            if self.count("end epochs") == 3:
                raise KeyboardInterrupt

    net = net_for(8).set_callbacks(Interrupted())
    with pytest.raises(KeyboardInterrupt):
        net.fit(X, y)
    assert net.n_iter_ == 3
    assert_same_training(net, net_for(3).fit(X, y))
    assert private_names(net) == {"_skl_callbacks"}


@needs_callbacks
def test_an_interrupt_ends_the_tasks():
    X, y = wine()

    def schedule(t):
        if t == 2:
            raise KeyboardInterrupt
        return 1.0

    watcher = Watcher()
    with pytest.raises(KeyboardInterrupt):
        net_for(5, schedule=schedule).set_callbacks(watcher).fit(X, y)
    assert watcher.log[-2:] == ["end fit", "teardown"]
    assert watcher.count("begin epochs") == watcher.count("end epochs")


@needs_callbacks
def test_partial_fit_tells_nothing():
    X, y = wine()
    watcher = Watcher()
    net_for(3).set_callbacks(watcher).partial_fit(X, y, classes=[0, 1, 2])
    assert watcher.log == []


# ---- scikit-learn's own


@pytest.fixture
def _wide_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")


@needs_callbacks
@pytest.mark.usefixtures("_wide_terminal")
def test_a_progress_bar_shows_epochs_through_pipeline_and_search(capfd):
    pytest.importorskip("rich")
    from sklearn.callback import ProgressBar

    X, y = wine()
    model = make_pipeline(StandardScaler(), net_for(5))
    model.set_callbacks(ProgressBar(max_propagation_depth=2)).fit(X, y)
    assert "DeepNetClassifier - fit" in capfd.readouterr().out
    model.set_callbacks()
    search = GridSearchCV(model, {"deepnetclassifier__alpha": [0, 1]}, cv=2)
    search.set_callbacks(ProgressBar(max_propagation_depth=3)).fit(X, y)
    out = capfd.readouterr().out
    assert out.count("DeepNetClassifier - fit") >= 5  # four of folds and the refit
    assert "100%" in out
    assert private_names(search.best_estimator_[-1]) == set()


@needs_callbacks
def test_a_scoring_monitor_scores_every_epoch_in_a_pipeline():
    from sklearn.callback import ScoringMonitor

    X, y = wine()
    monitor = ScoringMonitor(scoring="accuracy")
    net = net_for(5).set_callbacks(monitor)
    make_pipeline(StandardScaler(), net).fit(X, y)
    rows = [row for row in monitor.get_logs().data if row["task_name"] == "epochs"]
    expected = [net_for(n).fit(X, y).score(X, y) for n in range(1, 6)]
    assert [row["accuracy"] for row in rows] == pytest.approx(expected, abs=1e-12)


@needs_callbacks
def test_a_scoring_monitor_scores_every_epoch_in_a_search():
    from sklearn.callback import ScoringMonitor

    X, y = wine()
    monitor = ScoringMonitor(scoring="accuracy")
    model = make_pipeline(StandardScaler(), net_for(3).set_callbacks(monitor))
    search = GridSearchCV(model, {"deepnetclassifier__alpha": [0, 1]}, cv=2)
    search.fit(X, y)
    rows = [row for row in monitor.get_logs().data if row["task_name"] == "epochs"]
    assert len(rows) == 3 * (2 * 2 + 1)
    whole = [row["accuracy"] for row in rows if row["accuracy"] == search.score(X, y)]
    assert len(whole) > 0  # the last of the refit's


@needs_callbacks
@pytest.mark.parametrize("learning_rate", [1e3, 1e100, 1e200])
@pytest.mark.parametrize("batch_size", [None, 200])
def test_a_scoring_monitor_survives_a_divergence(learning_rate, batch_size):
    from sklearn.callback import ScoringMonitor

    X, y = load_breast_cancer(return_X_y=True)
    net = net_for(5, solver="sgd", learning_rate=learning_rate, batch_size=batch_size)
    net.set_params(hidden_layer_sizes=(20, 20))
    with pytest.warns(DivergenceWarning):
        net.set_callbacks(ScoringMonitor(scoring="accuracy")).fit(scale(X), y)
    assert net.diverged_


@needs_callbacks
def test_clones_have_the_callbacks():
    watcher = Watcher()
    net = clone(net_for(2).set_callbacks(watcher))
    net.fit(*wine())
    assert vars(net)["_skl_callbacks"][0].count("end epochs") == 2


# ---- what is printed

LINE = r"epoch (\d+) of (\d+), loss [-\d.e]+{}, at most \d+\.\d s left"


@pytest.mark.parametrize("n_iter", [1, 3, 10, 25, 100, 137])
def test_verbose_prints_about_ten_lines(n_iter, capsys):
    net_for(n_iter, verbose=1, batch_size=None).fit(*wine())
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert captured.err == ""
    assert min(n_iter, 7) <= len(lines) <= 11
    found = [re.fullmatch(LINE.format(""), line) for line in lines]
    epochs = [int(match[1]) for match in found]
    assert epochs == sorted(set(epochs))
    assert epochs[-1] == n_iter
    assert {match[2] for match in found} == {str(n_iter)}


@pytest.mark.parametrize("estimator", [DeepNetClassifier, DeepNetRegressor])
def test_verbose_of_two_prints_every_epoch(capsys, estimator):
    X, y = wine()
    net = net_for(23, estimator, verbose=2).fit(X, y, X_val=X, y_val=y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 23
    pattern = LINE.format(r", validation loss [-\d.e]+")
    for n_epochs, line in enumerate(lines, start=1):
        match = re.fullmatch(pattern, line)
        assert int(match[1]) == n_epochs
        assert f"loss {net.loss_curve_[n_epochs - 1]:.5g}," in line
        value = net.validation_loss_curve_[n_epochs - 1]
        assert f"validation loss {value:.5g}," in line
    assert lines[-1].endswith("at most 0.0 s left")


def test_time_left_is_that_of_the_epochs_to_come(capsys):
    """At half the epochs, no more than the whole has taken in the end."""
    start = time.monotonic()
    net_for(10, verbose=2, schedule=lambda t: time.sleep(0.04) or 1.0).fit(*wine())
    whole = time.monotonic() - start
    lines = capsys.readouterr().out.splitlines()
    left = [float(re.search(r"at most (.*) s left", line)[1]) for line in lines]
    assert 0.1 < left[4] < whole + 0.05
    assert left[9] == 0


def test_nothing_is_printed_by_default(capfd):
    net_for(3).fit(*wine())
    net_for(0, verbose=2).fit(*wine())
    assert capfd.readouterr() == ("", "")


class Terminal(io.StringIO):
    """A stream as a terminal: a line that is not ended shows only when flushed."""

    def __init__(self):
        super().__init__()
        self.shown = ""

    def isatty(self):
        return True

    def write(self, text):
        super().write(text)
        if "\n" in text:
            self.flush()
        return len(text)

    def flush(self):
        self.shown = self.getvalue()


def show_fit(*args, **parameters):
    """Fit to a terminal, and return it."""
    terminal = Terminal()
    with redirect_stdout(terminal):
        net_for(*args, **parameters).fit(*wine())
    return terminal


def test_a_terminal_shows_one_line_that_is_written_over():
    text = show_fit(40, verbose=1).getvalue()
    assert text.startswith("\r[")
    assert text.endswith("\n")
    assert text.count("\n") == 1
    last = text.rstrip().split("\r")[-1]
    loss = net_for(40).fit(*wine()).loss_
    assert last.startswith(
        f"[==============================] epoch 40 of 40, loss {loss:.5g}, at most 0.0"
    )


def test_a_terminal_shows_progress_while_it_is_made():
    shown = []

    def schedule(t):
        if t == 1:
            time.sleep(0.25)  # longer than the bar's pause
        if t == 3:
            shown.append(sys.stdout.shown)
        return 1.0

    show_fit(5, verbose=1, schedule=schedule)
    assert "epoch 2 of 5" in shown[0]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_terminal_is_left_a_whole_line_where_training_ends_early():
    def schedule(t):
        if t == 1:
            time.sleep(0.25)
        return 1.0

    terminal = show_fit(5000, verbose=1, tol=1e9, schedule=schedule)
    assert terminal.getvalue().endswith("\n")
    assert terminal.getvalue().count("\n") == 1


def test_a_terminal_gets_lines_with_verbose_of_two():
    text = show_fit(4, verbose=2).getvalue()
    assert text.count("\n") == 4
    assert "\r" not in text


# ---- what is printed of an epoch that takes long


@pytest.fixture
def clock(monkeypatch):
    """Let a printer see so many seconds pass from look to look."""

    def passing(seconds):
        ticks = itertools.count(0.0, seconds)
        fake = SimpleNamespace(perf_counter=lambda: next(ticks))
        monkeypatch.setattr(progress, "time", fake)

    return passing


@pytest.mark.parametrize("verbose", [1, 2])
@pytest.mark.parametrize("monitors", [False, True])
def test_an_epoch_of_many_seconds_tells_its_rows(verbose, monitors, clock, capsys):
    clock(3.0)  # a step, of which an epoch has twelve
    X, y = wine()
    held_out = {"X_val": X, "y_val": y} if monitors else {}
    net = net_for(2, verbose=verbose, batch_size=16).fit(X, y, **held_out)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 12
    for n_epochs in (0, 1):
        *within, last = lines[6 * n_epochs : 6 * n_epochs + 6]
        loss = f", loss {net.loss_curve_[0]:.5g}" * n_epochs
        if monitors and n_epochs:
            loss += f", validation loss {net.validation_loss_curve_[0]:.5g}"
        left = [int(re.search(r"at most (\d+)", line)[1]) for line in within]
        for n_steps, line, seconds in zip((2, 4, 6, 8, 10), within, left, strict=True):
            assert line == (
                f"epoch {n_epochs} of 2 and {16 * n_steps} of 178 rows{loss}, "
                f"at most {seconds}.{line[-8]} s left"
            )
        assert left == sorted(left, reverse=True)
        assert last.startswith(f"epoch {n_epochs + 1} of 2, loss")


def test_an_epoch_of_few_seconds_tells_no_rows(clock, capsys):
    clock(0.4)
    net_for(3, verbose=2, batch_size=16).fit(*wine())
    lines = capsys.readouterr().out.splitlines()
    assert [line[:13] for line in lines] == [f"epoch {k} of 3," for k in (1, 2, 3)]


def test_lines_become_rare_where_training_takes_hours(clock, capsys):
    clock(6.0)
    net_for(10, verbose=1, batch_size=2).fit(*wine())
    lines = capsys.readouterr().out.splitlines()
    # Of 89 minutes; one after each step would be 890.
    assert 60 < len(lines) < 120


@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
@pytest.mark.parametrize(("n_threads", "rows"), [(1, {"898"}), (2, set())])
def test_a_large_batch_tells_the_rows_of_its_parts(
    n_threads, rows, solver, clock, capsys
):
    """Of two blocks, which two threads work on at once."""
    clock(6.0)
    net = DeepNetClassifier((6,), n_iter=1, verbose=2, solver=solver, tol=None)
    if solver == "sgd":
        net.set_params(batch_size=None)
    with threadpool_limits(n_threads):
        net.fit(*digits())
    found = re.findall(r"epoch 0 of 1 and (\d+) of 1797 rows", capsys.readouterr().out)
    assert {*found} == rows


def test_what_is_printed_changes_no_bit(clock, capsys):
    clock(3.0)
    X, y = wine()
    quiet, loud = (
        net_for(3, verbose=verbose, batch_size=16, early_stopping=True).fit(X, y)
        for verbose in (0, 2)
    )
    assert_same_training(quiet, loud)
    assert "rows" in capsys.readouterr().out


def slow_first_epoch(t):
    if t == 0:
        time.sleep(0.25)
    return 1.0


def test_a_terminal_shows_rows_and_overwrites_them():
    text = show_fit(3, verbose=1, batch_size=16, schedule=slow_first_epoch).getvalue()
    shown = text.rstrip("\n").split("\r")[1:]
    assert re.match(r"\[ +\] epoch 0 of 3 and 16 of 178 rows, at most", shown[0])
    assert re.match(r"\[=+ +\] epoch 1 of 3, loss", shown[1])
    for line, next_ in itertools.pairwise(shown):
        assert len(next_) >= len(line.rstrip())


@pytest.mark.parametrize("n_columns", [40, 80, 100, 200])
def test_a_line_fits_into_a_real_terminal(n_columns):
    pty, termios = pytest.importorskip("pty"), pytest.importorskip("termios")
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, n_columns))
    with open(slave, "w") as terminal, redirect_stdout(terminal):
        net = net_for(3, verbose=1, batch_size=16, schedule=slow_first_epoch)
        net.fit(*wine())
        text = ""
        while "\n" not in text:
            text += os.read(master, 2**14).decode()
    os.close(master)
    shown = [line.strip() for line in text.split("\r") if line.strip()]
    assert "and 16 of 178 rows" in shown[0]
    assert "epoch 3 of 3, loss" in shown[-1]
    bars = {line.index("]") - 1 for line in shown}
    if n_columns < 80:
        assert min(bars) == 0  # there is room for the text alone, or not even that
    else:
        assert max(map(len, shown)) < n_columns
        assert (bars == {30}) == (n_columns > 80)


@pytest.mark.slow
@needs_callbacks
def test_a_fit_that_goes_on_is_stopped_where_it_would_have_been(tmp_path):
    """With 2500 epochs three make a task, from the first epoch and not from today's."""

    class Stop(Watcher):
        def on_fit_task_end(self, estimator, context, *, fitted_estimator=None, **data):
            if context.task_name == "epochs":
                return fitted_estimator.score(X, y) > 0.9
            return None

    X, y = wine()
    net = net_for(2500, batch_size=None, learning_rate=0.003)
    alone = clone(net).set_callbacks(Stop()).fit(X, y)
    assert 12 < alone.n_iter_ < 90
    for n_epochs in (10, 11, 12):
        path = tmp_path / str(n_epochs)
        clone(net).set_params(n_iter=n_epochs).fit(X, y, checkpoint=path)
        for _ in range(2):  # the second time it stays stopped
            resumed = clone(net).set_callbacks(Stop()).fit(X, y, checkpoint=path)
            assert resumed.n_iter_ == alone.n_iter_
            np.testing.assert_array_equal(resumed.coefs_[0], alone.coefs_[0])
        free = clone(net).set_params(n_iter=90).fit(X, y, checkpoint=path)
        assert free.n_iter_ == 90  # and goes on without the callback
