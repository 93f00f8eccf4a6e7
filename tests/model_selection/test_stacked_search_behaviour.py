"""Stacked searches behave as scikit-learn's do."""

import pickle
import re
import time
from collections import Counter
from functools import partial
from importlib.util import find_spec
from itertools import product

import numpy as np
import pytest
from joblib import parallel_config
from sklearn.base import clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    ParameterGrid,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_deepnet import (
    DeepNetClassifier,
    StackedGridSearchCV,
    StackedHalvingGridSearchCV,
    stacked,
)
from sklearn_deepnet.nn.optimizers import Adam
from tests.helpers import iris, network_factory, raises, wine
from tests.model_selection.helpers import GRID, columns, net_for
from tests.model_selection.helpers import answers as compared
from tests.model_selection.helpers import assert_same_answer as assert_same

X, y = wine()
WEIGHT = np.random.RandomState(1).choice([0.0, 0.7, 1.0, 2.5], len(y))

# ---- networks


def variants(net, grid, piped):
    """Return a network and its grid, or a pipeline that ends in it, and its grid."""
    if not piped:
        return net, grid
    grid = {f"deepnetclassifier__{name}": grid[name] for name in grid}
    return make_pipeline(StandardScaler(), net), grid


def answers(net, grid, fit=(), classes=GRID, **options):
    return compared(net, grid, X, y, fit, classes, gist, **options)


def gist(warning):
    """Return a message without tracebacks and without their counts."""
    of_tracebacks = r"\n( .*|Traceback.*|During handling.*|\d+ fits failed with.*)"
    text = re.sub(of_tracebacks, "", str(warning.message))
    return warning.category, *dict.fromkeys(text.splitlines())


def assert_same_answer(found):
    assert_same(found, X if found[0][0].refit else None)


# ---- what makes a stack

WIDE = {"hidden_layer_sizes": [(400, 400)], "n_iter": [1]}
SIZES = [  # of a grid, on two folds of 89 rows each or five of 35 and 36
    ({"alpha": [0.0, 1.0, 2.0, 3.0]}, 2, [8]),
    ({"alpha": [0.0, 1.0, 2.0, 3.0]}, 5, [8, 12]),
    ({"hidden_layer_sizes": [3, (3, 3)], "l1": [0.0, 1.0]}, 2, [4, 4]),
    ({"batch_size": [10, 20, 40], "loss": ["log_loss", "squared_error"]}, 2, [2] * 6),
    ({"n_iter": [1, 2], "shuffle": [True, False]}, 2, [2] * 4),
    ({"early_stopping": [True, False], "validation_fraction": [0.1]}, 2, [2, 2]),
    ({"solver": [Adam(), Adam(beta1=0.8), Adam(beta1=0.8)]}, 2, [2, 4]),
    ({"early_stopping": [True], "scoring": [None, "accuracy"]}, 2, [2, 2]),
    ({"dtype": [None, "float32"], "activation": ["relu", "tanh"]}, 2, [2] * 4),
    ({"verbose": [0, 1]}, 2, [2]),
    (WIDE | {"alpha": [0.0, 1.0]}, 2, []),
]


@pytest.mark.parametrize(("grid", "cv", "sizes"), SIZES)
def test_networks_of_one_stack_key_make_a_stack(grid, cv, sizes, stacks):
    StackedGridSearchCV(net_for(), grid, cv=cv, refit=False).fit(X, y)
    assert sorted(stacks) == sizes


FOLD = 8 * 13 * 89  # bytes


@pytest.mark.parametrize("piped", [False, True])
@pytest.mark.parametrize(
    ("max_bytes", "sizes"),
    [(1, [1] * 16), (6 * FOLD, [2] * 8), (9 * FOLD + 1, [4] * 4)],
)
def test_stacks_hold_no_more_rows_than_allowed(max_bytes, sizes, piped, stacks):
    grid = {"alpha": [0.0, 1.0], "l1": [0.0, 1.0], "init": ["he", "xavier"]}
    net, grid = variants(net_for(), grid, piped)
    with stacked(max_bytes=max_bytes):
        GridSearchCV(net, grid, cv=2, refit=False).fit(X, y)
    assert stacks == sizes


@pytest.mark.parametrize(
    ("n_jobs", "n_alphas", "sizes"),
    [(1, 8, [16]), (2, 8, [8, 8]), (2, 3, [3, 3]), (4, 9, [4, 4, 5, 5])],
)
def test_there_are_stacks_for_all_jobs(n_jobs, n_alphas, sizes, stacks):
    grid = {"alpha": np.arange(n_alphas)}
    with parallel_config("threading", n_jobs=n_jobs):
        StackedGridSearchCV(net_for(), grid, cv=2, refit=False).fit(X, y)
    assert sorted(stacks) == sizes


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_the_answer_is_the_same_whatever_n_jobs(backend):
    net = net_for(early_stopping=True)
    model, grid = variants(net, {"dropout": [0.0, 0.3, 7.0]}, piped=True)
    grid["standardscaler__with_std"] = [True, False]
    fit = {"deepnetclassifier__sample_weight": WEIGHT}
    classes = GridSearchCV, partial(StackedGridSearchCV, n_jobs=2)
    bare = {"alpha": [0.0, 9.0], "random_state": [0, 1]}
    with parallel_config(backend):
        assert_same_answer(answers(model, grid, fit, classes))
        assert_same_answer(answers(net, bare, {}, classes))


# ---- candidates that fail or diverge


def fails(shape, rng):
    raise RuntimeError("no weights today")


def fails_later(t):
    if t > 1:
        raise RuntimeError("no step today")
    return 1.0


GOOD = {"learning_rate": [0.02, 0.1], "random_state": [0, 1]}
BAD = {
    "fails to begin": {"init": [fails]},
    "fails amid training": {"schedule": [fails_later]},
    "is misspelt": {"init": ["hee"], "alpha": [0.0, -1.0]},
    "has no such batch": {"batch_size": [0, -9, "all"]},
    "has no such layers": {"hidden_layer_sizes": [(0,), (-1,), "five", None]},
    "cannot be split": {"validation_fraction": [0.999]},
    "cannot be scored": {"scoring": ["precision_of_nobody"]},
    "diverges": {"learning_rate": [1e150, 1e9], "solver": ["sgd"]},
    "diverges beside others": {"learning_rate": [1e150]},
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bad", "error_score"), [*product(BAD, [-7.0]), ("fails to begin", np.nan)]
)
def test_bad_candidates_do_not_change_others(bad, error_score, stacks):
    net = net_for(early_stopping=True, scoring="accuracy")
    grid = [GOOD, BAD[bad]]
    found = answers(net, grid, {"sample_weight": WEIGHT}, error_score=error_score)
    assert_same_answer(found)
    if bad != "fails amid training":  # then the stack is given up, one by one
        assert max(stacks) >= 4
    results = found[1][0].cv_results_
    failed = ~(results["mean_test_score"] >= 0)
    assert failed.any() == (not bad.startswith("diverges"))
    assert np.all((results["mean_score_time"] == 0) == failed)


@pytest.mark.parametrize("bad", ["fails to begin", "fails amid training"])
def test_bad_candidates_may_raise_their_error(bad):
    search = StackedGridSearchCV(net_for(), [GOOD, BAD[bad]], error_score="raise")
    with pytest.raises(RuntimeError, match=r"^no (weights|step) today$"):
        search.fit(X, y)
    assert not hasattr(search, "cv_results_")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.filterwarnings("ignore:One or more of the test scores:UserWarning")
@pytest.mark.parametrize("search", GRID)
def test_a_warning_turned_into_an_error_fails_its_candidate_alone(search):
    grid = {"tol": [None, 1e-9], "alpha": [0.0, 9.0]}
    search = search(net_for(), grid, cv=3).fit(X, y)  # a ConvergenceWarning is raised
    assert np.isnan(search.cv_results_["mean_test_score"]).tolist() == [0, 1, 0, 1]


def test_an_interrupt_ends_the_search():
    def schedule(t):
        if t == 2:
            raise KeyboardInterrupt
        return 1.0

    grid = {"schedule": ["constant", schedule]}
    search = StackedGridSearchCV(net_for(), grid, cv=3)
    with pytest.raises(KeyboardInterrupt):
        search.fit(X, y)
    assert not hasattr(search, "cv_results_")


# ---- scores


def seen(net, X, y):
    """Return several numbers that depend on a network, to be compared."""
    return {
        "accuracy": net.score(X, y),
        "loss": -net.loss_,
        "epochs": net.n_iter_,
        "weights": float(sum(np.abs(layer).sum() for layer in net.coefs_)),
        "alpha": net.alpha,
        "first": len(X) + float(np.ravel(X)[0]),
    }


def fewest_epochs(results):
    return int(np.argmin(results["mean_test_epochs"]))


SCORES = {
    "list": {"scoring": ["accuracy", "neg_log_loss"], "refit": "neg_log_loss"},
    "dict": {"scoring": {"a": "f1_macro", "b": "roc_auc_ovr"}, "refit": "a"},
    "function": {"scoring": seen, "refit": "loss"},
    "choice": {"scoring": seen, "refit": fewest_epochs},
    "none": {"scoring": seen, "refit": False},
    "one": {"scoring": "balanced_accuracy", "refit": False},
    "of some": {"scoring": {"a": "accuracy", "p": "average_precision"}, "refit": "a"},
}


@pytest.mark.slow
@pytest.mark.parametrize("scores", SCORES)
def test_scores_of_any_kind_are_the_same(scores):
    grid = {"tol": [None, 0.05, 9.0], "n_iter_no_change": [1], "alpha": [0.0, 9.0]}
    net = net_for(early_stopping=True, scoring="accuracy")
    found = answers(net, grid, return_train_score=True, **SCORES[scores])
    assert_same_answer(found)


class Twice(StackedGridSearchCV):
    """Tries more candidates than the grid holds."""

    def _run_search(self, evaluate_candidates):
        first = evaluate_candidates(ParameterGrid(self.param_grid))
        best = first["params"][first["rank_test_score"].argmin()]
        evaluate_candidates([best | {"alpha": 9.0}], more_results={"round": [2]})


def test_candidates_may_be_tried_in_rounds():
    grid = {"init": ["he", "zeros"], "learning_rate": [0.02, 0.1], "alpha": [0.0]}
    search = Twice(net_for(), grid, cv=3).fit(X, y)
    grid = [
        {k: [v] for k, v in params.items()} for params in search.cv_results_["params"]
    ]
    assert len(grid) == 5
    whole = GridSearchCV(net_for(), grid, cv=3).fit(X, y)
    for name in ("split0_test_score", "mean_test_score", "rank_test_score", "params"):
        np.testing.assert_equal(search.cv_results_[name], whole.cv_results_[name])


@pytest.mark.slow
def test_a_search_may_be_validated():
    grid = {"alpha": [0.0, 9.0], "n_iter": [2, 9]}
    searches = [
        search(net_for(), grid, cv=2, scoring="neg_log_loss") for search in GRID
    ]
    scores = [cross_val_score(search, X, y, cv=3) for search in searches]
    np.testing.assert_array_equal(*scores)


class Own(DeepNetClassifier):
    """A network with a ``fit`` of its own."""

    def fit(self, X, y, **params):
        return super().fit(X[::2], y[::2])


def test_networks_with_a_fit_of_their_own_are_stacked_where_they_train(stacks):
    net = Own((4,), n_iter=4, tol=None, random_state=0)
    grid = {"alpha": [0.0, 9.0, -1.0]}
    assert_same_answer(answers(net, grid, scoring="neg_log_loss", cv=2))
    assert stacks == [4]


@pytest.mark.parametrize(
    ("model", "grid"),
    [
        (LogisticRegression(max_iter=5), {"C": [0.1, 1.0, -1.0]}),
        (
            net_for(solver="lbfgs", learning_rate=0.001, batch_size="auto"),
            {"l1": [0, 9]},
        ),
    ],
)
def test_what_cannot_be_stacked_is_fitted_alone(model, grid, stacks):
    found = answers(
        model, grid, {"sample_weight": WEIGHT}, scoring="neg_log_loss", cv=2
    )
    assert_same_answer(found)
    assert stacks == []


@pytest.mark.parametrize("max_bytes", [0, -1, 1.5])
def test_invalid_limits_of_memory_are_refused(max_bytes):
    message = f"max_bytes must be a positive integer or None. Got {max_bytes} instead."
    with raises(message):
        stacked(max_bytes=max_bytes)


def test_a_fitted_search_survives_a_pickle():
    grid = {"alpha": [0.0, 9.0]}
    search = StackedGridSearchCV(net_for(), grid, cv=2).fit(X, y)
    loaded = pickle.loads(pickle.dumps(search))
    assert vars(loaded).keys() == vars(search).keys()
    np.testing.assert_equal(loaded.cv_results_, search.cv_results_)
    np.testing.assert_array_equal(loaded.predict_proba(X), search.predict_proba(X))


def test_a_clone_of_a_fitted_search_is_not_fitted():
    grid = {"alpha": [0.0, 9.0]}
    search = StackedGridSearchCV(net_for(), grid, cv=2).fit(X, y)
    again = clone(search)
    assert not hasattr(again, "cv_results_")
    np.testing.assert_equal(columns(again.fit(X, y)), columns(search))


@pytest.mark.parametrize("piped", [False, True])
def test_times_of_fits_add_up_to_no_more_than_the_search_took(piped, stacks):
    net, grid = variants(net_for(n_iter=20), {"alpha": np.arange(12.0)}, piped)
    search = StackedGridSearchCV(net, grid, cv=2, refit=False)
    start = time.perf_counter()
    search.fit(X, y)
    spent = time.perf_counter() - start
    times = search.cv_results_["mean_fit_time"]
    assert stacks == [24]
    assert np.all(times > 0)
    assert 2 * times.sum() <= spent


# ---- callbacks and printed lines

needs_callbacks = pytest.mark.skipif(
    find_spec("sklearn.callback") is None, reason="scikit-learn has callbacks from 1.9"
)


class Log:
    """A callback that counts its calls."""

    def __init__(self):
        self.calls = Counter()

    def setup(self, estimator, context):
        self.calls["setup"] += 1

    def teardown(self, estimator, context):
        self.calls["teardown"] += 1

    def on_fit_task_begin(self, estimator, context, *, metadata=None):
        self.calls["begin", context.task_name, context.task_id, metadata is None] += 1

    def on_fit_task_end(self, estimator, context, *, metadata=None):
        self.calls["end", context.task_name, context.task_id, metadata is None] += 1


def watched(search, callback, *args, **options):
    return search(*args, **options).set_callbacks(callback)


@needs_callbacks
@pytest.mark.parametrize("piped", [False, True])
def test_callbacks_on_the_search_are_called_for_each_task(piped, stacks):
    net, grid = variants(net_for(), {"alpha": [0.0, 9.0], "init": ["he", fails]}, piped)
    logs = [Log(), Log()]
    searches = [partial(watched, *pair) for pair in zip(GRID, logs, strict=True)]
    fit = {} if piped else {"sample_weight": WEIGHT}
    assert_same_answer(answers(net, grid, fit, searches))
    assert sum(stacks) == 6
    assert logs[1].calls == logs[0].calls
    assert logs[1].calls.total() == 2 + 2 * (3 + 12)  # fit, search, refit, candidates


@needs_callbacks
@pytest.mark.parametrize("piped", [False, True])
def test_callbacks_on_the_network_are_called_for_each_epoch(piped, stacks):
    logs = [Log(), Log()]
    for search, log in zip(GRID, logs, strict=True):
        net = net_for().set_callbacks(log)
        search(*variants(net, {"alpha": [0.0, 9.0]}, piped), cv=3).fit(X, y)
    assert stacks == []
    assert logs[1].calls == logs[0].calls
    assert logs[1].calls["teardown"] == 7


class Hooks:
    """A callback that notes its calls in order.

    It stops networks with ``alpha=0`` after `stops_after` epochs.
    """

    def __init__(self, stops_after=None):
        self.stops_after, self.calls = stops_after, []

    def setup(self, estimator, context):
        self.calls.append(("setup", context.estimator_name.removeprefix("Stacked")))

    def teardown(self, estimator, context):
        self.calls.append(("teardown", context.estimator_name.removeprefix("Stacked")))

    def on_fit_task_begin(self, estimator, context, *, X=None):
        self.calls.append(
            ("begin", context.task_name, context.task_id, X is not None and len(X))
        )

    def on_fit_task_end(self, estimator, context, *, X=None):
        self.calls.append(
            ("end", context.task_name, context.task_id, X is not None and len(X))
        )
        is_epoch = context.task_name == "epochs" and estimator.alpha == 0
        return is_epoch and context.task_id + 1 == self.stops_after


class HooksEverywhere(Hooks):
    """The same, and a search passes it on to its networks."""

    max_propagation_depth = None


def halving(search, net, grid, **options):
    resource = next(iter(grid)).replace("alpha", "n_iter")
    limits = {"min_resources": 3, "max_resources": 9}
    return search(net, grid, resource=resource, **limits, **options)


HALVING = [
    partial(halving, search)
    for search in (HalvingGridSearchCV, StackedHalvingGridSearchCV)
]


@needs_callbacks
@pytest.mark.parametrize("stops_after", [None, 2])
@pytest.mark.parametrize("piped", [False, True])
@pytest.mark.parametrize("searches", [GRID, HALVING], ids=["grid", "halving"])
def test_callbacks_see_the_same_hooks_in_the_same_order(searches, piped, stops_after):
    both = [HooksEverywhere(stops_after), HooksEverywhere(stops_after)]
    scores = []
    for search, hooks in zip(searches, both, strict=True):
        net, grid = variants(net_for(), {"alpha": [9.0, 0.0, 50.0]}, piped)
        fitted = watched(search, hooks, net, grid, cv=3).fit(X, y)
        scores.append(fitted.cv_results_["mean_test_score"])
    assert both[1].calls == both[0].calls
    assert ("end", "epochs", 1, 119) in both[1].calls
    np.testing.assert_array_equal(scores[1], scores[0])


@needs_callbacks
def test_callbacks_see_candidates_in_order_where_some_are_no_networks():
    both = [HooksEverywhere(), HooksEverywhere()]
    for search, hooks in zip(GRID, both, strict=True):
        steps = {"logisticregression": [net_for(), LogisticRegression(), net_for()]}
        pipeline = make_pipeline(StandardScaler(), LogisticRegression())
        watched(search, hooks, pipeline, steps, cv=3).fit(X, y)
    assert both[1].calls == both[0].calls


@needs_callbacks
def test_a_callback_on_the_network_sees_the_candidates_in_order():
    both = [Hooks(), Hooks()]
    for search, hooks in zip(GRID, both, strict=True):
        net = net_for().set_callbacks(hooks)
        search(net, {"alpha": [9.0, 0.0, 50.0]}, cv=3).fit(X, y)
    assert both[1].calls == both[0].calls


@needs_callbacks
def test_a_callback_that_does_not_reach_the_networks_sees_the_tasks_in_order(stacks):
    both = [Hooks(), Hooks()]
    for search, hooks in zip(GRID, both, strict=True):
        grid = {"alpha": [9.0, 0.0, 50.0]}
        watched(search, hooks, net_for(), grid, cv=2).fit(X, y)
    assert sum(stacks) == 6
    for hook in ("setup", "begin", "end", "teardown"):
        calls = [[it for it in hooks.calls if it[0] == hook] for hooks in both]
        assert calls[1] == calls[0]


@needs_callbacks
def test_a_callback_stops_its_candidate_alone():
    hooks = HooksEverywhere(stops_after=2)
    net, grid = net_for(n_iter=6), {"alpha": [9.0, 0.0, 50.0]}
    search = watched(StackedGridSearchCV, hooks, net, grid, cv=3).fit(X, y)
    expected = [
        cross_val_score(clone(net).set_params(alpha=alpha, n_iter=n_iter), X, y, cv=3)
        for alpha, n_iter in ((9.0, 6), (0.0, 2), (50.0, 6))
    ]
    scores = search.cv_results_["mean_test_score"]
    np.testing.assert_array_equal(scores, np.mean(expected, axis=1))


@needs_callbacks
def test_a_progress_bar_leaves_the_answer_alone(stacks, capsys):
    from sklearn.callback import ProgressBar

    grid = {"alpha": [0.0, 9.0], "l1": [0.0, 9.0]}
    bar = ProgressBar(max_propagation_depth=0)  # not of the epochs of each network
    ours = partial(watched, StackedGridSearchCV, bar)
    assert_same_answer(answers(net_for(), grid, {}, [GridSearchCV, ours]))
    assert sum(stacks) == 12
    assert "StackedGridSearchCV" in capsys.readouterr().out


TWO = {"scoring": ["accuracy", "neg_log_loss"], "refit": "accuracy"}


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, TWO, {"return_train_score": True}])
@pytest.mark.parametrize("verbose", [1, 2, 3])
@pytest.mark.parametrize("piped", [False, True])
def test_a_line_is_printed_for_each_fit(piped, verbose, options, capsys):
    net, grid = variants(net_for(), {"alpha": [0.0, 9.0], "init": ["he", fails]}, piped)
    answers(net, grid, verbose=verbose, **options)
    text = re.sub(r"\[CV.*?END \.*| *total time.*", "", capsys.readouterr().out)
    _, theirs, ours = text.split("Fitting 3 folds for each of 4 candidates, totalling ")
    assert sorted(ours.splitlines()) == sorted(theirs.splitlines())
    assert len(ours.splitlines()) == 1 + 12 * (verbose > 1)


# ---- unusual values in a grid, and unusual scorers

IRIS = iris()
small_net = network_factory(hidden_layer_sizes=(4,), n_iter=5)


class Sizes(list):
    """A list that cannot be made of its items."""

    def __init__(self, first, second):
        super().__init__([first, second])


@pytest.mark.parametrize(
    "grid",
    [
        {"dtype": [np.float32, np.float64]},
        {"hidden_layer_sizes": [Sizes(3, 2), (4,)]},
        {"batch_size": [10, 20]},
    ],
)
def test_any_object_may_be_a_value_of_the_grid(grid):
    found = compared(small_net(), grid, *IRIS)
    assert_same(found, IRIS[0])


def test_a_batch_size_that_is_no_number_is_an_error_of_its_candidate():
    net, grid = small_net(), {"batch_size": [10, np.inf]}
    search = StackedGridSearchCV(net, grid, cv=3, refit=False)
    with pytest.warns(Warning, match="fits failed|non-finite"):
        scores = search.fit(*IRIS).cv_results_["mean_test_score"]
    assert np.isnan(scores).tolist() == [False, True]


def fitted_anew(estimator, X, y):
    return -estimator.fit(X, y).loss_


def test_a_scorer_may_fit_the_estimator():
    net, grid = small_net(), {"alpha": [0, 1]}
    assert_same(compared(net, grid, *IRIS, scoring=fitted_anew), IRIS[0])


def test_a_scorer_may_keep_the_estimator():
    kept = []

    def keep(estimator, X, y):
        kept.append(estimator)
        return estimator.score(X, y)

    for piped in (False, True):
        kept.clear()
        net, grid = variants(small_net(), {"alpha": [0, 1]}, piped)
        StackedGridSearchCV(net, grid, cv=3, scoring=keep, refit=False).fit(*IRIS)
        assert len({id(one) for one in kept}) == 6
        assert all(one.predict(IRIS[0]).shape == (150,) for one in kept)


@pytest.mark.slow
def test_a_search_holds_no_networks_but_those_in_training(peak_of):
    net = net_for(hidden_layer_sizes=(500,), n_iter=1)  # 68 kB of parameters
    search = StackedGridSearchCV(net, {"alpha": np.arange(40.0)}, cv=3, refit=False)
    assert peak_of(lambda: search.fit(X, y)) < 120 * 68_000


def test_a_scorer_may_pickle_the_estimator():
    net, grid = small_net(), {"alpha": [0, 1]}
    search = StackedGridSearchCV(
        net, grid, cv=3, scoring=lambda estimator, X, y: len(pickle.dumps(estimator))
    )
    assert np.isfinite(search.fit(*IRIS).cv_results_["mean_test_score"]).all()
