"""Stacked searches give scikit-learn's own answer, to the last bit."""

from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from scipy.stats import loguniform, uniform
from sklearn.datasets import make_circles
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    RandomizedSearchCV,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    StratifiedKFold,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler, scale

from sklearn_deepnet import (
    DeepNetRegressor,
    StackedRandomizedSearchCV,
)
from sklearn_deepnet.nn.optimizers import Adam
from sklearn_deepnet.nn.schedules import Exponential, Plateau
from tests.helpers import cancer, diabetes, digits, iris, wine
from tests.model_selection.helpers import GRID, assert_same_answer, net_for, within
from tests.model_selection.helpers import answers as compared

RANDOM = [
    partial(search, n_iter=5, random_state=1)
    for search in (RandomizedSearchCV, StackedRandomizedSearchCV)
]
TABLES = {
    "cancer": cancer(),
    "digits": (scale(digits()[0][::6, 2:40]), digits()[1][::6]),
    "iris": iris(),
    "wine": wine(),
    "circles": make_circles(201, noise=0.1, factor=0.6, random_state=0),
}
WINE = TABLES["wine"]


answers = partial(compared, scoring="neg_log_loss")


# ---- every grid in every kind of search

GRIDS = {
    "init": [
        {"init": ["zeros", "xavier"], "bias_init": ["uniform"]},
        {"init": [["he", "random", "orthogonal"]], "init_scale": [None, 3.0]},
        {"init": [lambda shape, rng: rng.rand(*shape) - 0.5]},
    ],
    "rates": {
        "learning_rate": [0.001, 0.3],
        "schedule": ["cosine", Exponential(factor=0.7), lambda t: 1 / (1 + t)],
    },
    "penalties": [
        {"alpha": [0.0, 3.0], "l1": [0.0, 0.5]},
        {"clip_norm": [0.05], "l1": [0.1]},
    ],
    "noise": [
        {"dropout": [0.0, 0.3], "random_state": [0, 7]},
        {"dropout": [[0.0, 0.5]]},
    ],
    "patience": [
        {"tol": [None, 1e-4, 9.0]},
        {"tol": [0.1], "n_iter_no_change": [1, 2], "schedule": [Plateau(patience=1)]},
    ],
    "classes": [
        {"class_weight": [None, "balanced", {0: 3.0, 1: 0.5}]},
        {"label_smoothing": [0.1], "class_weight": [None, {1: 0.5}]},
    ],
    "architectures": [
        {"hidden_layer_sizes": [(), 7], "alpha": [0.0, 3.0]},
        {"solver": ["lbfgs", Adam(beta1=0.8)], "batch_size": [None]},
        {"activation": ["tanh"], "batch_size": ["auto"]},
    ],
}


class Kind(NamedTuple):
    """A kind of search, in which every grid is tried."""

    cv: Any
    given: tuple[str, ...] = ()
    parameters: dict[str, Any] = {}  # noqa: RUF012
    classes: Any = GRID


EARLY = {"early_stopping": True, "validation_fraction": 0.2}
KINDS = {
    "plain": Kind(5),
    "weighted": Kind(StratifiedKFold(3, shuffle=True, random_state=3), ("weight",)),
    "early": Kind(GroupKFold(3), ("groups", "weight"), EARLY, RANDOM),
    "scored": Kind(
        ShuffleSplit(3, random_state=5), (), EARLY | {"scoring": "f1_macro"}
    ),
    "piped": Kind(
        RepeatedStratifiedKFold(n_splits=2, n_repeats=2, random_state=0),
        ("net__weight",),
        EARLY,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("grid", GRIDS)
def test_the_answer_is_the_same(grid, kind, unbroken_stacks):
    place = [*GRIDS].index(grid) + [*KINDS].index(kind)
    X, y = [*TABLES.values()][place % len(TABLES)]
    grid, (cv, given, parameters, classes) = GRIDS[grid], KINDS[kind]
    net = net_for(**parameters)
    if "net__weight" in given:
        net = Pipeline([("scaler", StandardScaler()), ("net", net)])
        grid = [grid] if isinstance(grid, dict) else grid
        grid = [{f"net__{name}": row[name] for name in row} for row in grid]
    rng = np.random.RandomState(place)
    known = {"groups": ("groups", rng.randint(9, size=len(y)))}
    known["weight"] = "sample_weight", rng.choice([0.0, 0.7, 1.0, 2.5], len(y))
    known["net__weight"] = "net__sample_weight", known["weight"][1]
    found = answers(net, grid, X, y, [known[g] for g in given], classes, cv=cv)
    assert_same_answer(found, X)
    assert max(unbroken_stacks) > 1


def test_distributions_give_the_same_candidates():
    X, y = TABLES["circles"]
    drawn = {"learning_rate": loguniform(1e-3, 1.0), "dropout": uniform(0.0, 0.5)}
    found = answers(net_for(), drawn, X, y, classes=RANDOM)
    assert_same_answer(found, X)
    assert len({*found[1][0].cv_results_["mean_test_score"]}) == 5


def test_seeds_may_be_generators():
    X, y = TABLES["iris"]
    seed = np.random.RandomState(5)
    grid = {"random_state": [5, seed, np.random.RandomState(6)], "dropout": [0.0, 0.3]}
    found = answers(net_for(random_state=np.random.RandomState(7)), grid, X, y, cv=2)
    assert_same_answer(found, X)
    found = answers(net_for(random_state=seed), {"dropout": [0.0, 0.3]}, X, y, cv=2)
    assert_same_answer(found, X)
    assert seed.randint(99) == np.random.RandomState(5).randint(99)  # cloned, not used


# ---- what is searched

NUMBERS, Y = (part[:120] for part in diabetes())
LABELS = np.column_stack([WINE[1] == 0, WINE[0][:, :2] > 0]).astype(int)
NAMES = np.array(["red", "white", "rosé"])[WINE[1]]
UNITS = {"target_scaling": ["standard", None]}
REGRESSOR = net_for(estimator=DeepNetRegressor)
QUANTILES = net_for(estimator=DeepNetRegressor, loss="quantile")
TARGETS = {
    "numbers": (REGRESSOR, UNITS | {"alpha": [0.0, 9.0]}, NUMBERS, Y),
    "counts": (REGRESSOR, UNITS | {"loss": ["poisson", "huber"]}, NUMBERS, Y // 10),
    "many numbers": (REGRESSOR, {"l1": [0.0, 9.0]}, NUMBERS, np.c_[Y, NUMBERS[:, :2]]),
    "quantiles": (QUANTILES, UNITS | {"quantile": [0.1, 0.5, 0.9]}, NUMBERS, Y),
    "several quantiles": (
        QUANTILES,
        {"quantile": [[0.1, 0.9], [0.2, 0.5, 0.8]], "alpha": [0.0, 9.0]},
        NUMBERS,
        Y,
    ),
    "many labels": (
        net_for(),
        {"class_weight": [None, "balanced"], "label_smoothing": [0.0, 0.2]},
        WINE[0],
        LABELS,
    ),
    "names": (net_for(), {"class_weight": [None, "balanced"]}, WINE[0], NAMES),
}


@pytest.mark.parametrize("case", TARGETS)
def test_targets_of_any_kind_give_the_same_answer(case, unbroken_stacks):
    net, grid, X, y = TARGETS[case]
    grid = grid | {"early_stopping": [False, True]}
    weight = np.random.RandomState(1).choice([0.0, 1.0, 2.0], len(y))
    found = answers(net, grid, X, y, {"sample_weight": weight}, scoring=None, cv=2)
    assert_same_answer(found, X)
    assert max(unbroken_stacks) > 1


INPUTS = {
    "float32": lambda X: X.astype(np.float32),
    "integers": lambda X: (9 * X).astype(int),
    "lists": lambda X: X.tolist(),
    "by column": np.asfortranarray,
    "frame": lambda X: pd.DataFrame(X).add_prefix("x"),
    "sparse": csr_matrix,
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", INPUTS)
def test_inputs_of_any_kind_give_the_same_answer(kind, unbroken_stacks):
    X, y = INPUTS[kind](WINE[0]), WINE[1]
    grid = {"dtype": [None, "float32"], "init": ["he", "xavier"], "alpha": [0.0, 9.0]}
    found = answers(net_for(early_stopping=True), grid, X, y, return_train_score=True)
    assert_same_answer(found, X)
    names = [getattr(search, "feature_names_in_", None) for search, _ in found]
    np.testing.assert_equal(*names)
    assert sum(unbroken_stacks) == 24


HALVES = np.arange(178) % 2 == 0
SPLITS = {
    "unequal": KFold(5, shuffle=True, random_state=0),
    "by group": LeaveOneGroupOut(),
    "masks": [(HALVES, ~HALVES), (np.arange(178) % 3 > 0, HALVES)],
    "overlapping": [(np.r_[0:178:2, 1:9], np.r_[1:178:2]), (np.r_[0:178:3], [0, 99])],
    "twice the same rows": [(np.r_[0:178:2, 0:178:2], np.r_[1:178:2])],
}


@pytest.mark.slow
@pytest.mark.parametrize("cv", SPLITS)
@pytest.mark.parametrize("max_bytes", [1, 20_000, 2**28])
def test_splits_of_any_kind_give_the_same_answer(cv, max_bytes):
    X, y = WINE
    ours = within(max_bytes)
    fit = {"groups": np.arange(178) % 4, "sample_weight": 1.0 + np.arange(178) % 3}
    grid = {"alpha": [0.0, 9.0], "dropout": [0.0, 0.2]}
    options = {"cv": SPLITS[cv], "scoring": "accuracy", "return_train_score": True}
    found = answers(net_for(), grid, X, y, fit, (GridSearchCV, ours), **options)
    assert_same_answer(found, X)


@pytest.mark.slow
@pytest.mark.parametrize("scoring", [None, "accuracy"])
def test_given_validation_data_give_the_same_answer(scoring, unbroken_stacks):
    X, y = WINE
    fit = {"X_val": X[1::4], "y_val": y[1::4], "sample_weight_val": 1.0 + y[1::4]}
    grid = {"learning_rate": [0.01, 0.3], "n_iter_no_change": [1, 3], "tol": [0.01]}
    found = answers(net_for(scoring=scoring), grid, X[::2], y[::2], fit)
    assert_same_answer(found, X)
    assert sum(unbroken_stacks) == 12


# ---- folds that lack a class


def beginning(warning):
    """Return the category and how it begins: a traceback follows in some."""
    return warning.category, str(warning.message)[:40]


@pytest.mark.parametrize(
    ("table", "some"),
    [("wine", slice(None)), ("cancer", slice(152, 392))],  # of 60 rows of class 0
)
def test_folds_that_lack_a_class_are_the_same(table, some):
    X, y = TABLES[table]
    order = np.argsort(y, kind="stable")[some]
    options = {"cv": KFold(3), "gist": beginning, "refit": False}
    found = compared(net_for(), {"alpha": [0.0, 1.0]}, X[order], y[order], **options)
    scores = [
        [search.cv_results_[f"split{k}_test_score"][0] for k in range(3)]
        for search, _ in found
    ]
    np.testing.assert_array_equal(*scores)
    assert not np.isnan(scores[0]).any()
    assert found[0][1] == found[1][1]


def test_weights_that_leave_one_class_in_some_folds_are_the_same():
    X, y = TABLES["wine"]
    y = np.sort(y)
    weight = np.where((y == 0) | (np.arange(178) > 150), 1.0, 0.0)
    found = compared(
        net_for(), {"alpha": [0.0, 1.0]}, X, y, {"sample_weight": weight}, cv=KFold(3)
    )
    assert_same_answer(found, X)
    texts = [text for _, text in found[1][1]]
    for label in (0, 2):  # the class that the training rows of a fold are left with
        assert any(text.startswith(f"Only samples of class {label}") for text in texts)


def test_scores_that_validation_data_do_not_define_are_the_same():
    X, y = TABLES["cancer"]
    held_out = {"X_val": X[:5], "y_val": y[:5]}  # of one class
    net = net_for(scoring="roc_auc", tol=1e-4)
    found = compared(net, {"alpha": [0.0, 1.0]}, X, y, held_out)
    assert_same_answer(found, X)
    said = {text: n for (_, text), n in found[1][1].items() if "returned NaN" in text}
    assert [*said.values()] == [7]  # one for each fit, the last included
