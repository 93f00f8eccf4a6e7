"""Stacked searches of pipelines: the same answer, from fewer fits of earlier steps."""

import re
from collections import Counter
from functools import partial
from threading import Lock

import numpy as np
import pytest
from joblib import parallel_config
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.feature_selection import SelectFromModel, SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer, make_scorer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    RobustScaler,
    StandardScaler,
)

from sklearn_deepnet import StackedGridSearchCV, fit_stack, stacked
from sklearn_deepnet._utils.sklearn_compat import fit_and_score
from sklearn_deepnet.model_selection.tasks import Call
from tests.model_selection.helpers import GRID, net_for, within
from tests.model_selection.helpers import answers as compared
from tests.model_selection.helpers import assert_same_answer as assert_same

FRAME, y = load_wine(return_X_y=True, as_frame=True)
X, y = FRAME.to_numpy(), y.to_numpy()
WEIGHT = np.random.RandomState(1).choice([0.0, 0.7, 1.0, 2.5], len(y))


class Loud(TransformerMixin, BaseEstimator):
    """A step on whose results `verbose` has an effect, which is its own business."""

    def __init__(self, verbose=1):
        self.verbose = verbose

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X * self.verbose


class Tallied(TransformerMixin, BaseEstimator):
    """A scaler that keeps a tally of its fits."""

    fits = []  # noqa: RUF012

    def __init__(self, power=1.0):
        self.power = power

    def fit(self, X, y=None):
        self.fits.append((self.power, len(X)))
        self.scale_ = np.abs(X).max(axis=0)
        return self

    def transform(self, X):
        return (X / self.scale_) ** self.power


@pytest.fixture
def tally():
    Tallied.fits.clear()
    return Tallied.fits


def pipe(*steps, **parameters):
    """Return a pipeline of steps called a, b, ... and a network called net."""
    named = [*zip("abc", steps, strict=False), ("net", net_for(**parameters))]
    return Pipeline(named)


def gist(warning):
    """Return a message without the indented lines of tracebacks."""
    return re.sub(r"\n .*", "", str(warning.message))


def answers(model, grid, X=X, y=y, fit=(), classes=GRID, **options):
    options = {"scoring": "neg_log_loss"} | options
    return compared(model, grid, X, y, fit, classes, gist, **options)


def assert_same_answer(found, X=X):
    assert_same(found, X)


# ---- earlier steps in the grid

UNION = FeatureUnion([("pca", PCA(2)), ("best", SelectKBest(k=3))])
TREES = ExtraTreesClassifier(5, random_state=np.random.RandomState(0))
LOGISTIC = LogisticRegression(max_iter=3)
COLUMNS = ColumnTransformer([("some", StandardScaler(), [0, 3, 9])], remainder="drop")
PIPES = {  # with the number of candidates whose networks are stacked
    "settings": (
        pipe(StandardScaler(), PCA(random_state=0)),
        {"a__with_mean": [True, False], "b__n_components": [2, 5]},
        4,
    ),
    "a parameter that as a rule has no effect": (
        pipe(Loud(), StandardScaler(with_std=False)),
        {"a__verbose": [0, 1, 5]},
        3,
    ),
    "steps": (
        pipe(StandardScaler(), PCA(3)),
        {"a": [RobustScaler(), "passthrough", MinMaxScaler()], "b": [None, PCA(4)]},
        6,
    ),
    "steps that see y": (
        pipe(StandardScaler(), SelectKBest(), SelectFromModel(TREES)),
        {"b__k": [3, 7], "c": [SelectFromModel(TREES, max_features=2), "passthrough"]},
        4,
    ),
    "networks": (
        pipe(StandardScaler()),
        {"net": [net_for(), LOGISTIC, net_for(solver="sgd"), net_for(l1=9)]},
        3,
    ),
    "networks of their own grids": (
        pipe("passthrough"),
        [
            {"a": [MinMaxScaler(), COLUMNS], "net__alpha": [0.0, 9.0]},
            {"net": [net_for(hidden_layer_sizes=())], "net__learning_rate": [0.1, 1]},
            {"net": [LOGISTIC], "net__C": [0.1, 1], "a": [UNION]},
        ],
        6,
    ),
    "sparse output": (
        pipe(OneHotEncoder(handle_unknown="ignore"), SelectKBest(k=30)),
        {"a__sparse_output": [True, False], "net__alpha": [0.0, 9.0]},
        4,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("case", PIPES)
def test_earlier_steps_in_the_grid_change_nothing(
    case, early_stopping, unbroken_stacks
):
    model, grid, n_stacked = PIPES[case]
    model = clone(model).set_params(net__early_stopping=early_stopping)
    found = answers(model, grid, fit={"net__sample_weight": WEIGHT})
    assert_same_answer(found)
    assert sum(unbroken_stacks) == 3 * n_stacked


def test_networks_in_the_grid_are_not_fitted_themselves():
    model, networks = pipe(StandardScaler()), [net_for(), net_for(l1=9.0)]
    StackedGridSearchCV(model, {"net": networks}, cv=2).fit(X, y)
    assert not any(hasattr(network, "classes_") for network in networks)
    assert not hasattr(model["a"], "scale_")


@pytest.mark.slow
def test_steps_that_cannot_be_compared_are_fitted_separately():
    model = pipe(FunctionTransformer(lambda X: X), PCA(random_state=0), n_iter=1)
    grid = {"b__n_components": [*range(1, 13)], "net__alpha": [0.0, 9.0]}
    assert_same_answer(answers(model, grid, cv=2))


def sum_of_probabilities(y, p):
    return float(np.sum(p))


class Shifted(Pipeline):
    """Learns something beside its steps."""

    def fit(self, X, y, **params):
        self.shift_ = X.mean()
        return super().fit(X, y, **params)

    def predict_proba(self, X):
        return super().predict_proba(X) + getattr(self, "shift_", 0.0) / 99


def test_pipelines_that_override_fit_are_fitted_by_it(unbroken_stacks):
    model = Shifted(pipe(StandardScaler()).steps)
    grid = {"net__learning_rate": [0.02, 0.2], "net__init": ["he", "zeros"]}
    scoring = make_scorer(sum_of_probabilities, response_method="predict_proba")
    assert_same_answer(answers(model, grid, scoring=scoring, cv=2))
    assert unbroken_stacks == [8]


class Noisy(FunctionTransformer):
    """Draws whenever it transforms, from what it has learned."""

    def fit(self, X, y=None):
        self.rng_ = np.random.RandomState(0)
        return self

    def transform(self, X):
        return X + self.rng_.randn(*X.shape) * X.std(axis=0)


@pytest.mark.slow
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_steps_that_draw_do_so_anew_for_each_candidate(n_jobs, unbroken_stacks):
    model, grid = pipe(Noisy(), StandardScaler()), {"net__alpha": [0.0] * 4}
    classes = GridSearchCV, partial(StackedGridSearchCV, n_jobs=n_jobs)
    assert_same_answer(answers(model, grid, refit=False, classes=classes), X=None)


class Centred(TransformerMixin, BaseEstimator):
    """Subtracts the mean in place, of the caller's rows."""

    def fit(self, X, y=None):
        X -= X.mean(axis=0)
        return self

    def transform(self, X):
        return X


def test_steps_that_change_rows_in_place_do_so_for_each_candidate():
    grid = {"net__learning_rate": [0.001, 0.01, 0.1]}
    options = {"refit": False, "return_train_score": True}
    assert_same_answer(answers(pipe(Centred()), grid, **options), X=None)


def fitted_to_more(estimator, X, y):
    score = estimator.score(X, y)
    estimator.fit(100 * X + 5, y)
    return score


@pytest.mark.slow
def test_a_scorer_that_fits_the_steps_leaves_other_candidates_alone():
    grid = {"net__learning_rate": [0.02, 0.03, 0.04, 0.05]}
    options = {"scoring": fitted_to_more, "return_train_score": True}
    assert_same_answer(answers(pipe(StandardScaler()), grid, **options))


def test_rows_may_be_lists_of_several_lengths():
    documents = [
        ["a"] * (1 + k % 3) + ["b", "c"][k % 2 :] + [f"k{y[k]}"] for k in range(178)
    ]
    counts = CountVectorizer(analyzer=list)
    grid = {"net__alpha": [0.0, 9.0], "a__min_df": [1, 2]}
    assert_same_answer(answers(pipe(counts), grid, X=documents, cv=2), X=documents)


class Locked(StandardScaler):
    """Holds what can be neither hashed, pickled nor copied."""

    def fit(self, X, y=None, sample_weight=None):
        self.lock_ = Lock()
        return super().fit(X, y, sample_weight)


def test_steps_that_cannot_be_copied_are_shared():
    grid = {"net__alpha": [0.0, 9.0]}
    assert_same_answer(answers(pipe(Locked()), grid))
    models = [pipe(Locked(), alpha=alpha) for alpha in (0.0, 9.0)]
    for model in fit_stack(models, X, y):
        p = clone(model).fit(X, y).predict_proba(X)
        np.testing.assert_array_equal(model.predict_proba(X), p)


SHAPES = {
    "nested": (lambda s: Pipeline([("z", PCA(6)), ("in", Pipeline(s))]), "in__", X),
    "framed": (lambda s: Pipeline(s).set_output(transform="pandas"), "", FRAME),
    "float32": (Pipeline, "", X.astype(np.float32)),
}


@pytest.mark.slow
@pytest.mark.parametrize("max_bytes", [1, 2**28])
@pytest.mark.parametrize("shape", SHAPES)
def test_pipelines_of_any_shape_give_the_same_answer(shape, max_bytes, unbroken_stacks):
    make, prefix, some_X = SHAPES[shape]
    model = make(pipe(StandardScaler(), PCA(3), early_stopping=True).steps)
    grid = {"b__n_components": [2, 5], "net__init": ["he", "zeros"], "net__l1": [0, 9]}
    grid = {prefix + name: values for name, values in grid.items()}
    classes = GridSearchCV, within(max_bytes)
    found = answers(model, grid, some_X, classes=classes)
    assert_same_answer(found, some_X)
    assert sum(unbroken_stacks) == 24
    assert max(unbroken_stacks) == (8 if max_bytes > 1 else 1)


# ---- how often earlier steps are fitted

ONCE = {(1.0, 118): 1, (1.0, 119): 2, (2.0, 118): 1, (2.0, 119): 2}


@pytest.mark.slow
@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("max_bytes", [1, 30_000, 2**28])
def test_earlier_steps_are_fitted_once_for_a_fold_and_setting(n_jobs, max_bytes, tally):
    grid = {"a__power": [1.0, 2.0], "net__alpha": [0.0, 9.0], "net__l1": [0.0, 9.0]}
    options = {"cv": 3, "refit": False, "n_jobs": n_jobs}
    with parallel_config("threading"), stacked(max_bytes=max_bytes):
        GridSearchCV(pipe(Tallied()), grid, **options).fit(X, y)
    assert Counter(tally) == ONCE


def test_steps_of_nested_pipelines_are_fitted_once(tally):
    inner = pipe(Tallied(), StandardScaler())
    model = make_pipeline(Tallied(power=3.0), inner)
    grid = {"pipeline__a__power": [1.0, 2.0], "pipeline__net__alpha": [0.0, 1.0, 2.0]}
    StackedGridSearchCV(model, grid, cv=3, refit=False).fit(X, y)
    outer = {(3.0, 118): 1, (3.0, 119): 2}
    assert Counter(tally) == ONCE | outer


def test_the_memory_of_a_pipeline_is_used(tally, tmp_path):
    model = pipe(Tallied(), early_stopping=True).set_params(memory=str(tmp_path))
    grid = {"a__power": [1.0, 2.0], "net__learning_rate": [0.01, 0.1]}
    scores = []
    for search in GRID[::-1]:
        found = search(model, grid, cv=3, refit=False).fit(X, y)
        scores.append(found.cv_results_["mean_test_score"])
        assert Counter(tally) == ONCE
    np.testing.assert_array_equal(*scores)


@pytest.mark.parametrize(
    ("powers", "sizes"),
    [([1.0], [8]), ([1.0, 2.0], [16]), ([1.0, 2.0, 3.0, 4.0], [32])],
)
def test_networks_behind_steps_of_any_setting_make_a_stack(
    powers, sizes, unbroken_stacks
):
    grid = {"a__power": powers, "net__alpha": [0.0, 1.0, 2.0, 3.0]}
    StackedGridSearchCV(pipe(Tallied()), grid, cv=2, refit=False).fit(X, y)
    assert unbroken_stacks == sizes


# ---- metadata and errors


@pytest.mark.slow
def test_routed_metadata_give_the_same_answer(unbroken_stacks):
    with config_context(enable_metadata_routing=True):
        net = net_for(n_iter_no_change=1, tol=0.05)
        net.set_fit_request(sample_weight=True, X_val=True, y_val=True)
        scaler = StandardScaler().set_fit_request(sample_weight=True)
        model = Pipeline([("a", scaler), ("net", net)], transform_input=["X_val"])
        scorer = get_scorer("neg_log_loss").set_score_request(sample_weight=True)
        fit = {"sample_weight": 1 + WEIGHT, "X_val": X[::5], "y_val": y[::5]}
        grid = {"a__with_mean": [True, False], "net__learning_rate": [0.02, 0.2]}
        found = answers(model, grid, fit=fit, scoring=scorer, return_train_score=True)
        assert_same_answer(found)
        plain = answers(model, grid, fit=fit | {"sample_weight": None}, scoring=scorer)
    one, two = (s[1][0].cv_results_["mean_test_score"] for s in (found, plain))
    assert np.all(one != two)
    assert sum(unbroken_stacks) == 24


@pytest.mark.parametrize("asks", [[True, False], [False, True, None]])
def test_networks_that_ask_for_other_metadata_are_fitted_to_other_data(asks):
    with config_context(enable_metadata_routing=True):
        networks = [net_for().set_fit_request(sample_weight=asked) for asked in asks]
        model = Pipeline([("a", StandardScaler()), ("net", networks[0])])
        model["a"].set_fit_request(sample_weight=True)
        fit = {"sample_weight": WEIGHT + 0.1}
        scorer = get_scorer("accuracy").set_score_request(sample_weight=False)
        found = answers(model, {"net": networks}, fit=fit, scoring=scorer, cv=2)
        assert_same_answer(found)


def test_fit_params_reach_networks_by_the_names_of_their_steps():
    parts = [Pipeline([("b", PCA(5)), (name, net_for())]) for name in ("net", "own")]
    model = Pipeline([("a", StandardScaler()), ("in", parts[0])])
    fit = {"in__net__sample_weight": WEIGHT}
    found = answers(model, {"in": parts}, fit=fit, error_score=-7.0, cv=2)
    assert_same_answer(found)
    assert -7.0 in found[1][0].cv_results_["mean_test_score"]


BAD = {
    "step": ({"a__n_components": [2, 99, 4]}, 1),
    "first step": ({"a__n_components": [99, 4], "net__alpha": [0.0, 9.0]}, 2),
    "network": ({"a__n_components": [2, 4], "net__init": ["he", "hee"]}, 2),
    "both": ({"a__n_components": [2, 99], "net__init": ["hee", "he"]}, 3),
}


ROWS = np.array([0, 1], np.int8)
DATA = {"X": X, "y": y, "train": ROWS, "fit_params": {"sample_weight": WEIGHT}}
OTHER_DATA = {
    "X": {"X": X.copy()},
    "y": {"y": y.copy()},
    "rows": {"train": ROWS + 1},
    "a mask of the same bytes": {"train": ROWS.astype(bool)},
    "no fit arguments": {"fit_params": None},
    "a fit argument that has changed its name": {"fit_params": {"weight": WEIGHT}},
    "another array": {"fit_params": {"sample_weight": WEIGHT.copy()}},
    "one more": {"fit_params": {"sample_weight": WEIGHT, "groups": ROWS}},
}


def data_key(X, y, train, fit_params):
    options = {"train": train, "fit_params": fit_params}
    return Call(fit_and_score, (net_for(), X, y), options).data_key


@pytest.mark.parametrize("case", OTHER_DATA)
def test_calls_with_other_data_or_fit_arguments_have_another_key(case):
    assert data_key(**DATA | OTHER_DATA[case]) != data_key(**DATA)


def test_calls_with_the_same_data_and_fit_arguments_have_one_key():
    copies = {"train": ROWS.copy(), "fit_params": dict(DATA["fit_params"])}
    assert data_key(**DATA | copies) == data_key(**DATA)


@pytest.mark.parametrize("bad", BAD)
def test_steps_that_fail_have_the_error_score(bad):
    grid, n_bad = BAD[bad]
    found = answers(pipe(PCA()), grid, error_score=-7.0, cv=2)
    assert_same_answer(found)
    scores = found[1][0].cv_results_["mean_test_score"]
    assert np.count_nonzero(scores == -7.0) == n_bad


@pytest.mark.parametrize(("bad", "match"), [("step", "=99"), ("network", "hee")])
def test_steps_that_fail_may_raise(bad, match):
    search = StackedGridSearchCV(pipe(PCA()), BAD[bad][0], cv=3, error_score="raise")
    with pytest.raises(ValueError, match=match):
        search.fit(X, y)
    assert not hasattr(search, "cv_results_")
