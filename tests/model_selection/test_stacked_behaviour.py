"""What `stacked` promises holds for code that does not know of it."""

import contextlib
import io
import sys
import threading

import joblib
import numpy as np
import pytest
from joblib.parallel import get_active_backend
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from sklearn_deepnet import fit_stack, stacked
from sklearn_deepnet.model_selection.backend import StackedBackend
from sklearn_deepnet.model_selection.tasks import Call, _extract_arrays
from tests.helpers import iris
from tests.model_selection.helpers import assert_same_results, net_for

X, y = iris()
LOSS = {"cv": 3, "scoring": "neg_log_loss", "error_score": "raise"}


# ---- steps that are shared


def score_without_columns(_estimator, X, y):
    """Return a score of searches on arrays that live one after the other."""
    model = make_pipeline(StandardScaler(), net_for(y, n_iter=1))
    scores = []
    for column in range(3):
        rest = np.delete(X, column, axis=1)
        scores.append(cross_val_score(model, rest, y, **LOSS).mean())
        del rest
    return np.dot(scores, range(1, len(scores) + 1))


def score_of_fits(_estimator, X, y):
    """Return a score of fits to arrays that live one after the other."""
    scores = []
    for column in range(3):
        model = make_pipeline(StandardScaler(), net_for(y, n_iter=1))
        models = [clone(model), model]
        rest = np.delete(X, column, axis=1)
        fit_stack(models, rest, y)
        scores.append(models[1].predict_proba(rest)[:, 0].mean())
        del rest
    return np.dot(scores, range(1, len(scores) + 1))


@pytest.mark.parametrize("score", [score_without_columns, score_of_fits])
def test_searches_of_a_scorer_share_nothing_with_those_before(score):
    options = LOSS | {"scoring": score}
    alone = cross_val_score(net_for(y, n_iter=1), X * 100, y, **options)
    with stacked():
        found = cross_val_score(net_for(y, n_iter=1), X * 100, y, **options)
    np.testing.assert_array_equal(found, alone)


class ChangesTargets(TransformerMixin, BaseEstimator):
    """Replaces targets in place."""

    def fit(self, X, y):
        y[::5] = 0
        return self

    def transform(self, X):
        return X


@pytest.mark.parametrize(
    ("steps", "grid"),
    [
        (
            [StandardScaler(), MinMaxScaler(copy=False)],
            {"1__feature_range": [(0, 1), (-3, 3)]},
        ),
        ([StandardScaler(copy=False)], {"net__alpha": [0.0, 9.0]}),
        ([StandardScaler(), ChangesTargets()], {"net__alpha": [0.0, 9.0]}),
    ],
)
def test_steps_may_change_in_place_what_they_are_given(steps, grid):
    named = [(str(number), step) for number, step in enumerate(steps)]
    model = Pipeline([*named, ("net", net_for(y, n_iter=1))])
    search = GridSearchCV(model, grid, return_train_score=True, refit=False, **LOSS)
    theirs = clone(search).fit(10 * X + 3, y)
    with stacked():
        ours = search.fit(10 * X + 3, y)
    assert_same_results(ours, theirs)


def hash_of_parameters(estimator, X, y):
    return int(joblib.hash(estimator.get_params()), 16) % 2**31


def test_a_scorer_sees_a_pipeline_as_it_is():
    model = make_pipeline(StandardScaler(), make_pipeline(MinMaxScaler(), net_for(y)))
    options = LOSS | {"scoring": hash_of_parameters}
    alone = cross_val_score(model, X, y, **options)
    with stacked():
        found = cross_val_score(model, X, y, **options)
    assert found.tolist() == alone.tolist()


# ---- threads


def test_tasks_wait_for_a_thread_where_there_are_few(monkeypatch):
    start, n_before = threading.Thread.start, threading.active_count()

    def start_if_few(thread):
        if threading.active_count() >= n_before + 2:
            raise RuntimeError("can't start new thread")
        start(thread)

    net = net_for(y, n_iter=1)
    alone = cross_val_score(net, X, y, **LOSS)
    monkeypatch.setattr(threading.Thread, "start", start_if_few)
    with stacked() as stacks:
        found = cross_val_score(net, X, y, **LOSS)
    np.testing.assert_array_equal(found, alone)
    assert stacks.summary.stack_sizes == [2]


def test_no_thread_at_all_is_an_error(monkeypatch):
    def start(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    with stacked(), pytest.raises(RuntimeError, match="can't start"):
        cross_val_score(net_for(y), X, y, **LOSS)


# ---- what a task may do


def end_the_process(_estimator, _X, _y):
    raise SystemExit(3)


def test_a_task_may_catch_what_ends_those_within_it():
    def score(estimator, X, y):
        try:
            cross_val_score(estimator, X, y, **LOSS | {"scoring": end_the_process})
        except SystemExit as error:
            return error.code

    with stacked():
        found = cross_val_score(net_for(y, n_iter=1), X, y, **LOSS | {"scoring": score})
    assert found.tolist() == [3, 3, 3]


class HoldsItself(StandardScaler):
    """Has an attribute that is itself."""

    def __init__(self, *, copy=True, with_mean=True, with_std=True):
        super().__init__(copy=copy, with_mean=with_mean, with_std=with_std)
        self.origin = {"first": [self]}


def test_estimators_may_hold_themselves():
    model = make_pipeline(HoldsItself(), net_for(y, n_iter=1))
    alone = cross_val_score(model, X, y, **LOSS)
    with stacked() as stacks:
        found = cross_val_score(model, X, y, **LOSS)
    assert found.tolist() == alone.tolist()
    assert stacks.summary.stack_sizes == [3]


def test_a_context_may_be_entered_again_within():
    before = get_active_backend()
    stacks = stacked()
    with stacks:
        with stacks:
            pass
        assert isinstance(get_active_backend()[0], StackedBackend)
    assert type(get_active_backend()[0]) is type(before[0])


# ---- what a task changes while its network waits


class Captured(BaseEstimator):
    """Fits a network with the standard output redirected."""

    def __init__(self, net=None):
        self.net = net

    def fit(self, X, y):
        with contextlib.redirect_stdout(io.StringIO()) as captured:
            print("begin")
            self.net_ = clone(self.net).fit(X, y)
            print("end")
        self.printed_ = captured.getvalue()
        return self

    def score(self, X, y):
        return self.net_.score(X, y) if self.printed_ == "begin\nend\n" else np.nan


def test_output_is_redirected_for_one_task_alone(stacks):
    before = sys.stdout
    with stacked():
        scores = cross_val_score(Captured(net_for(y)), X, y, cv=3)
    assert sys.stdout is before
    assert np.isfinite(scores).all()
    assert stacks == [3]


# ---- joblib


class Nested(BaseEstimator):
    """Has no network, and asks for another number of workers within its fit."""

    def fit(self, X, y):
        joblib.Parallel(2, prefer="threads")(joblib.delayed(abs)(k) for k in range(2))
        return self

    def predict_proba(self, X):
        return np.full((len(X), 3), 1 / 3)


def test_calls_without_a_network_leave_the_others_their_workers(stacks):
    members = [("net", net_for(y)), ("other", net_for(y)), ("nested", Nested())]
    calls = [joblib.delayed(clone(model).fit)(X, y) for _, model in members]
    with stacked(n_jobs=1):
        joblib.Parallel()(calls)
    assert stacks == [2]  # in this process


def test_rows_in_a_list_are_sent_once_to_workers():
    arrays = []
    rows = X.tolist()
    calls = [Call(len, (net_for(y), rows), {"train": [0, 1]}) for _ in range(3)]
    _extract_arrays(calls, arrays)
    assert len(arrays) == 1
    assert arrays[0] is rows


def generator(n):
    yield n


async def coroutine(n):
    return n


@pytest.mark.parametrize("function", [generator, coroutine])
def test_functions_that_run_later_are_not_decorated(function):
    with pytest.raises(TypeError, match=r"cannot decorate .*Use 'with stacked"):
        stacked()(function)
