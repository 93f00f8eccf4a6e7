"""Searches spread over the processes of a dask cluster: same bits, little sent."""

import pickle
import re
from concurrent.futures import Future
from threading import Thread

import joblib
import numpy as np
import pytest
from distributed import Client, LocalCluster
from distributed.diagnostics.plugin import SchedulerPlugin
from scipy.stats import loguniform
from sklearn.datasets import make_classification
from sklearn.exceptions import FitFailedWarning
from sklearn.feature_selection import SelectKBest
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_deepnet import (
    StackedGridSearchCV,
    StackedHalvingGridSearchCV,
    StackedRandomizedSearchCV,
)
from tests.helpers import digits, network_factory, wine

pytestmark = pytest.mark.slow

BLAS_NAME = np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"]


@pytest.fixture(scope="module")
def client():
    """Two processes on this machine, each of one thread and with one for BLAS."""
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=":0"
        ) as cluster,
        Client(cluster, timeout=60) as client,
    ):
        client.wait_for_workers(2, timeout=60)
        yield client


class Sent(SchedulerPlugin):
    """What the scheduler is sent: calls in each task, its bytes, bytes of arrays."""

    name = "sent"

    def __init__(self):
        self.calls, self.task_bytes, self.array_bytes = [], [], {}

    def update_graph(self, scheduler, *, tasks, **options):
        for task in (scheduler.tasks[key] for key in tasks):
            calls = re.findall(r"^\w*batch_of_\w+_(\d+)_calls-", str(task.key))
            if calls:
                self.calls.append(int(calls[0]))
                self.task_bytes.append(len(pickle.dumps(task.run_spec)))
                arrays = {array.key: array.nbytes for array in task.dependencies}
                self.array_bytes.update(arrays)

    def count_arrays_like(self, array):
        return sum(n_bytes == array.nbytes for n_bytes in self.array_bytes.values())


@pytest.fixture
def sent(client):
    scheduler, sent = client.cluster.scheduler, Sent()
    scheduler.add_plugin(sent)
    yield sent
    scheduler.remove_plugin(sent.name)


def many_rows():
    return make_classification(12_000, 8, random_state=0)


USUAL = {"hidden_layer_sizes": (8, 6), "n_iter": 5, "learning_rate": 0.01}
net_for = network_factory("n_iter", "hidden_layer_sizes", **USUAL)


def piped(net, *steps):
    return Pipeline([*steps, ("scale", StandardScaler()), ("net", net)])


def hash_weights():
    """Return a scorer that tells weights apart, made here so as to travel by value."""

    def score(model, X, y):
        net = model[-1] if isinstance(model, Pipeline) else model
        return int(joblib.hash(net.coefs_ + net.intercepts_)[:12], 16)

    return score


def scored(model, grid, search=StackedGridSearchCV, **options):
    """Return a search that compares weights, and scores of rows, to the last bit."""
    scoring = {"loss": "neg_log_loss", "weights": hash_weights()}
    usual = {"cv": 3, "scoring": scoring, "refit": "loss", "return_train_score": True}
    return search(model, grid, **(usual | options))


def spread(search, X, y, scatter=None, **params):
    """Fit on the cluster; in a thread, since joblib has no end of waiting for dask."""
    fitted = Future()

    def fit():
        try:
            with joblib.parallel_config(backend="dask", scatter=scatter):
                fitted.set_result(search.fit(X, y, **params))
        except BaseException as error:
            fitted.set_exception(error)

    Thread(target=fit, daemon=True).start()
    return fitted.result(timeout=120)


def assert_same_results(search, other):
    ours, theirs = search.cv_results_, other.cv_results_
    assert ours.keys() == theirs.keys()
    for name in ours:
        if "_time" not in name:
            np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)
    assert search.best_params_ == other.best_params_


# ---- same results

RATES = [0.001, 0.003, 0.01, 0.03]
SEARCHES = {
    "network": lambda: scored(
        net_for(dropout=0.2, early_stopping=True), {"learning_rate": RATES}
    ),
    "pipeline": lambda: scored(
        piped(net_for(batch_size=30)),
        {"scale__with_std": [True, False], "net__learning_rate": RATES},
    ),
    "drawn": lambda: scored(
        net_for(),
        {"alpha": loguniform(1e-5, 1e-1), "init": ["he", "xavier"]},
        StackedRandomizedSearchCV,
        **{"n_iter": 6, "random_state": 0},
    ),
    "halving": lambda: scored(
        net_for(dropout=0.2),  # the state of its generator travels, too
        {"learning_rate": RATES, "alpha": [0.0, 0.1]},
        StackedHalvingGridSearchCV,
        **{"resource": "n_iter", "max_resources": 18},
        **{"scoring": "neg_log_loss", "refit": True},
    ),
    "not stacked": lambda: scored(
        net_for(solver="lbfgs", learning_rate=0.001), {"alpha": [0.0, 1.0]}
    ),
}


@pytest.fixture(scope="module", params=SEARCHES)
def pair(client, request):
    """A search fitted here, and the same fitted on the cluster."""
    make = SEARCHES[request.param]
    return make().set_params(n_jobs=1).fit(*wine()), spread(make(), *wine())


def test_results_are_those_of_one_process(pair):
    assert_same_results(*pair)


def test_best_estimator_is_that_of_one_process(pair):
    X, y = wine()
    here, there = (search.best_estimator_ for search in pair)
    assert hash_weights()(here, X, y) == hash_weights()(there, X, y)
    np.testing.assert_array_equal(here.predict_proba(X), there.predict_proba(X))


def test_a_search_that_was_spread_predicts_after_a_pickle(client):
    X, y = wine()
    search = spread(StackedGridSearchCV(net_for(), {"alpha": [0.0, 0.1]}), X, y)
    copied = pickle.loads(pickle.dumps(search)).predict(X)
    np.testing.assert_array_equal(copied, search.predict(X))


def test_a_worker_with_more_blas_threads_gives_the_same_bits(client):
    def set_blas_threads(n):
        from threadpoolctl import ThreadpoolController

        libraries = ThreadpoolController().select(user_api="blas").lib_controllers
        for library in libraries:
            library.set_num_threads(n)
        return {library.get_num_threads() for library in libraries}

    if "openblas" not in BLAS_NAME:
        pytest.skip("not every BLAS lets others set its threads")
    # of these sizes two threads give other bits, where fits do not forbid them
    X, y = digits()
    net = net_for(2, (50,), batch_size=200)
    search = scored(net, {"alpha": [0.0, 0.1]}, scoring=hash_weights(), refit=False)
    found = []
    for n in (2, 1):
        assert [*client.run(set_blas_threads, n).values()] == [{n}, {n}]
        results = spread(search, X, y).cv_results_
        found.append([results[f"split{fold}_test_score"] for fold in range(3)])
    np.testing.assert_array_equal(*found)


# ---- what is sent

ONE_FOLD = [(np.arange(0, 178, 2), np.arange(1, 178, 2))]


@pytest.mark.parametrize("n_kinds", [1, 12])
def test_each_worker_has_a_share_of_the_fits(n_kinds, client, sent):
    X, y = wine()
    layers = [(n_units,) for n_units in range(2, 2 + n_kinds)]
    grid = {"hidden_layer_sizes": layers, "random_state": [0, 1, 2, 3]}
    spread(StackedGridSearchCV(net_for(1), grid, cv=ONE_FOLD, refit=False), X, y)
    assert sent.calls == [1, 1]


def test_rows_are_sent_once(client, sent):
    X, y = many_rows()
    grid = {"hidden_layer_sizes": [(2,), (3,), (4,)], "random_state": range(4)}
    spread(StackedGridSearchCV(net_for(1), grid, refit=False), X, y)
    assert sent.calls == [1, 1]
    assert sent.count_arrays_like(X) == 1


def test_no_task_carries_what_grows_with_the_rows(client, sent):
    X, y = many_rows()
    weight = np.linspace(1.0, 2.0, len(X))
    grid = {"hidden_layer_sizes": [(2,), (3,)], "random_state": range(4)}
    search = StackedGridSearchCV(net_for(1), grid, cv=5, refit=False)
    spread(search, X, y, sample_weight=weight)
    assert max(sent.task_bytes) < weight.nbytes / 2
    # and once each: X, y, weights, and two arrays of rows for each fold
    assert len(sent.array_bytes) <= 3 + 2 * 5


def test_rows_given_to_scatter_are_sent_once_for_all_steps_of_a_pipeline(client, sent):
    X, y = many_rows()
    grid = {"scale__with_std": [True, False], "net__random_state": range(4)}
    search = StackedGridSearchCV(piped(net_for(1)), grid, cv=3, refit=False)
    spread(search, X, y, scatter=[X, y])
    assert sent.calls == [1, 1]
    assert sent.count_arrays_like(X) == 1


def test_transformed_rows_are_not_sent(client, sent):
    X, y = many_rows()
    grid = {"net__hidden_layer_sizes": [(2,), (3,)], "net__random_state": range(4)}
    search = StackedGridSearchCV(piped(net_for(1)), grid, cv=3, refit=False)
    spread(search, X, y)
    assert sent.calls == [1, 1]
    assert sent.count_arrays_like(X[:8000]) == 0


# ---- errors

FAILING = {
    "network": (net_for(), {"init": ["he", "hee", "xavier"]}),
    "earlier step": (
        piped(net_for(), ("select", SelectKBest())),
        {"select__k": [5, -1], "net__random_state": [0, 1]},
    ),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.parametrize("failing", FAILING)
def test_a_candidate_that_fails_leaves_the_others_as_they_are(client, failing):
    model, grid = FAILING[failing]
    here = scored(model, grid, error_score=-1.0).fit(*wine())
    there = spread(scored(model, grid, error_score=-1.0), *wine())
    assert_same_results(here, there)
    failed = here.cv_results_["mean_test_loss"] == -1.0
    assert 0 < failed.sum() < len(failed)


def test_failed_fits_are_reported(client):
    search = scored(*FAILING["network"], error_score=-1.0)
    with pytest.warns(FitFailedWarning, match="3 fits failed out of a total of 9"):
        spread(search, *wine())


def test_the_error_of_a_worker_is_raised(client):
    model, grid = FAILING["network"]
    search = scored(model, grid, error_score="raise")
    with pytest.raises(ValueError, match=r"^init must be one of .* Did you mean"):
        spread(search, *wine())
    assert (
        spread(scored(model, {}), *wine()).best_score_ > -2
    )  # the cluster still works
