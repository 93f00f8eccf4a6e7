"""Validation rows: which are held out, what they tell, and what that decides."""

import re
import warnings
from functools import cache

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    log_loss,
    make_scorer,
    mean_absolute_error,
    mean_squared_error,
    r2_score,
)
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_deepnet import (
    DeepNetClassifier,
    DeepNetRegressor,
    DivergenceWarning,
)
from sklearn_deepnet._fitting.dataset import make_dataset
from sklearn_deepnet._fitting.dataset.split import split_rows
from sklearn_deepnet._fitting.targets import ClassTargets, NumberTargets
from tests.helpers import (
    assert_same_weights,
    cancer,
    diabetes,
    digits,
    epochs_until_patience_ends,
    in_two,
    network_factory,
    raises,
    wine,
    wine_labels,
)

net_for = network_factory(
    "n_iter", "estimator", hidden_layer_sizes=(8,), n_iter=30, learning_rate=0.01
)


# ---- which rows are held out


def split(y, fraction=0.1, seed=0, weight=None):
    """Return the rows to train on and those held out of `y`."""
    X = np.arange(len(y), dtype=float)[:, np.newaxis]
    targets = ClassTargets(np.unique(y))
    if y.dtype.kind == "f":
        targets = NumberTargets(1, np.zeros(1), np.ones(1))
    parts = make_dataset(X, y, targets, weight).split(fraction, seed)
    return [part.rows for part in parts]


DATA = {"two": cancer, "three": wine, "ten": digits}


@pytest.mark.parametrize("fraction", [0.01, 0.1, 0.33, 0.5])
@pytest.mark.parametrize("classes", DATA)
def test_split_is_stratified_and_as_large_as_documented(classes, fraction):
    y = np.array(list("abcdefghij"))[DATA[classes]()[1]]
    n, n_classes = len(y), len(np.unique(y))
    train, held_out = split(y, fraction)
    assert len(held_out) == max(np.ceil(fraction * n), n_classes)
    np.testing.assert_array_equal(np.sort([*train, *held_out]), np.arange(n))
    for label in np.unique(y):
        share = np.mean(y == label) * len(held_out)
        assert abs(np.sum(y[held_out] == label) - share) < 1.01
        assert label in y[train]


@pytest.mark.parametrize("weighs", [False, True])
@pytest.mark.parametrize("classes", DATA)
def test_split_is_that_of_train_test_split(classes, weighs):
    """So a seed goes on to hold out the rows that it held out before."""
    y = np.array(list("abcdefghij"))[DATA[classes]()[1]]
    weight = (np.arange(len(y)) % 3 > 0) * 2.0 if weighs else np.ones(len(y))
    used = np.flatnonzero(weight)
    for seed, fraction in enumerate([0.03, 0.1, 0.33, 0.5, 0.8] * 2):
        n_held_out = max(int(np.ceil(fraction * len(used))), len(np.unique(y)))
        expected = train_test_split(
            used, test_size=n_held_out, random_state=seed, stratify=y[used]
        )
        found = split(y, fraction, seed, weight if weighs else None)
        for rows, others in zip(found, expected, strict=True):
            np.testing.assert_array_equal(rows, np.sort(others))


def test_split_is_that_of_train_test_split_where_shares_are_rounded():
    """1 / 49 of 49 rows is rounded to less than one, and a draw says whose it is."""
    y = np.repeat(["a", "b", "c"], [470, 10, 10])
    for seed in range(5):
        expected = train_test_split(
            np.arange(490), test_size=49, random_state=seed, stratify=y
        )
        for rows, others in zip(split(y, 0.1, seed), expected, strict=True):
            np.testing.assert_array_equal(rows, np.sort(others))


def test_a_split_takes_a_few_indices_for_each_row(peak_of):
    y = np.arange(200_000) % 2
    peak = peak_of(lambda: split_rows(y, None, n_rows=len(y), fraction=0.1, seed=0))
    assert peak < 60 * len(y)  # seven indices of eight bytes


def test_split_of_numbers_is_of_the_documented_size():
    y = load_diabetes(return_X_y=True)[1]
    train, held_out = split(y, 0.1)
    assert len(held_out) == 45  # of 442, rounded up
    np.testing.assert_array_equal(np.sort([*train, *held_out]), np.arange(442))
    assert [len(part) for part in split(y[:2], 0.01)] == [1, 1]


def test_split_of_labels_is_of_the_documented_size():
    X, Y = wine_labels()
    targets = ClassTargets(np.arange(3), multilabel=True)
    train, held_out = make_dataset(X, Y, targets, None).split(0.1, 0)
    assert (len(train.rows), len(held_out.rows)) == (160, 18)


def test_split_is_another_for_another_seed_only():
    y = wine()[1]
    np.testing.assert_array_equal(split(y, seed=4)[1], split(y, seed=4)[1])
    assert not np.array_equal(split(y, seed=4)[1], split(y, seed=5)[1])


@pytest.mark.parametrize("n_rare", [2, 3])
@pytest.mark.parametrize("fraction", [0.1, 0.45, 0.8])
def test_a_rare_class_keeps_a_row_to_train_on(n_rare, fraction):
    y = np.concatenate([wine()[1][:120], np.full(n_rare, 7)])
    for seed in range(20):
        train, held_out = split(y, fraction, seed)
        assert {*y[train]} == {0, 1, 7}
        np.testing.assert_array_equal(np.sort([*train, *held_out]), np.arange(len(y)))
        assert len(held_out) == np.ceil(fraction * len(y))


@pytest.mark.parametrize("fraction", [0.45, 0.8])
def test_rare_classes_do_not_take_each_others_last_row(fraction):
    y = np.concatenate([wine()[1][:120], np.repeat([5, 6, 7, 8], 2)])
    for seed in range(20):
        train, held_out = split(y, fraction, seed)
        assert {*y[train]} == {0, 1, 5, 6, 7, 8}
        np.testing.assert_array_equal(np.sort([*train, *held_out]), np.arange(len(y)))


def test_split_of_labels_is_random_since_their_combinations_may_be_rare():
    X, Y = wine_labels()
    Y = Y.copy()
    Y[:, 0] = Y[:, 1] = Y[:, 2] = 0
    Y[7] = 1  # a combination of one row, and columns of one row
    targets = ClassTargets(np.arange(3), multilabel=True)
    train, held_out = make_dataset(X, Y, targets, None).split(0.1, 4)
    expected = train_test_split(np.arange(178), test_size=18, random_state=4)
    np.testing.assert_array_equal(train.rows, np.sort(expected[0]))
    np.testing.assert_array_equal(held_out.rows, np.sort(expected[1]))


def test_rows_of_weight_zero_are_neither_held_out_nor_counted():
    y = wine()[1]
    weight = (np.arange(178) % 3 > 0) * 2.0
    train, held_out = split(y, 0.1, weight=weight)
    assert len(held_out) == np.ceil(0.1 * np.count_nonzero(weight))
    np.testing.assert_array_equal(np.sort([*train, *held_out]), np.flatnonzero(weight))


def test_early_stopping_without_rows_of_weight_zero_is_the_same():
    X, y = wine()
    kept = np.arange(178) % 3 > 0
    net = net_for(5, early_stopping=True, batch_size=32)
    with_zeros = clone(net).fit(X, y, sample_weight=kept)
    without = clone(net).fit(X[kept], y[kept])
    assert with_zeros.validation_loss_curve_ == without.validation_loss_curve_
    assert_same_weights(with_zeros, without)


def test_a_class_of_weight_zero_need_not_be_split():
    X, y = wine()
    net = net_for(3, early_stopping=True).fit(X, y, sample_weight=y != 1)
    assert net.classes_.tolist() == [0, 1, 2]
    assert len(net.validation_loss_curve_) == 3


@pytest.mark.parametrize(
    ("labels", "label"),
    [
        (np.array(["red", "white", "rosé"]), "rosé"),
        (np.array(["red", "white", "rosé"], dtype=object), "rosé"),
        (np.array([0, 1, 7]), 7),
        (np.array([0.0, 1.0, 2.0]), 2.0),
    ],
)
def test_a_class_of_one_row_is_an_error_that_names_it(labels, label):
    X, y = wine()
    y = labels[y[:120]]
    y[3] = label
    message = (
        "early_stopping requires at least two samples of each class, one to train on "
        f"and one to hold out, but class {label!r} has only one sample with positive "
        "weight. Give more samples, or give X_val and y_val."
    )
    net = net_for(early_stopping=True)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        net.fit(X[:120], y)


def test_one_row_of_positive_weight_is_one_row():
    X, y = wine()
    weight = np.where(y == 2, np.arange(178) == 170, 1)
    with pytest.raises(
        ValueError, match=r"^early_stopping requires .* but class 2 has"
    ):
        net_for(early_stopping=True).fit(X, y, sample_weight=weight)


def test_a_row_alone_in_its_class_is_trained_on():
    y = np.concatenate([wine()[1][:120], [7, 8]])
    for seed in range(5):
        train, held_out = split(y, 0.2, seed)
        assert {120, 121} <= {*train}
        assert len(held_out) == np.ceil(0.2 * 120)
        np.testing.assert_array_equal(np.sort([*train, *held_out]), np.arange(122))


WITH_STATE = {"warm_start": True, "batch_size": 32, "dropout": 0.2}
SAMPLES = {
    "classes": (net_for(5, **WITH_STATE), *wine()),
    "labels": (net_for(5, **WITH_STATE), *wine_labels()),
    "numbers": (net_for(5, estimator=DeepNetRegressor, **WITH_STATE), *diabetes()),
}


@pytest.mark.parametrize("kind", SAMPLES)
@pytest.mark.parametrize(("n_rows", "as_if"), [(30, True), (29, False)])
def test_auto_holds_rows_out_of_thirty(kind, n_rows, as_if):
    net, X, y = SAMPLES[kind]
    rows = np.random.RandomState(0).permutation(len(X))[:n_rows]
    X, y = X[rows], y[rows]
    weight = np.random.RandomState(1).uniform(0.5, 2, n_rows)
    auto, known = (
        clone(net).set_params(early_stopping=it).fit(X, y, sample_weight=weight)
        for it in ("auto", as_if)
    )
    for _ in range(2):  # and when training resumes
        assert_same_weights(auto, known)
        assert auto.validation_loss_curve_ == known.validation_loss_curve_
        auto.fit(X, y, sample_weight=weight)
        known.fit(X, y, sample_weight=weight)


@pytest.mark.parametrize("kind", SAMPLES)
@pytest.mark.parametrize(("n_rows", "is_split"), [(30, True), (29, False)])
def test_auto_counts_rows_of_positive_weight(kind, n_rows, is_split):
    net, X, y = SAMPLES[kind]
    weight = np.zeros(len(X))
    weight[np.random.RandomState(0).permutation(len(X))[:n_rows]] = 1
    net = clone(net).set_params(early_stopping="auto").fit(X, y, sample_weight=weight)
    assert (net.validation_loss_curve_ is not None) == is_split


def test_auto_holds_nothing_out_where_classes_are_too_many():
    X, _ = wine()
    net = net_for(2, early_stopping="auto", validation_fraction=0.6)
    assert net.fit(X, np.arange(178) % 71).validation_loss_curve_ is not None
    assert net.fit(X, np.arange(178) % 72).validation_loss_curve_ is None  # 107 of 178


@pytest.mark.parametrize(("n_classes", "holds_out"), [(18, True), (19, False)])
def test_auto_holds_out_no_more_than_the_fraction(n_classes, holds_out):
    """One row of each class would be more than a tenth of 178 rows, rounded up."""
    X, _ = wine()
    net = net_for(2, early_stopping="auto").fit(X, np.arange(178) % n_classes)
    assert (net.validation_loss_curve_ is not None) == holds_out


def test_auto_uses_given_validation_data():
    X, y, validation = in_two(*wine(), 120)
    nets = [
        net_for(3, early_stopping=it).fit(X, y, **validation) for it in (False, "auto")
    ]
    assert_same_weights(*nets)
    assert nets[0].validation_loss_curve_ == nets[1].validation_loss_curve_


def test_auto_holds_nothing_out_of_a_call_of_partial_fit():
    X, y = wine()
    nets = [net_for(early_stopping=it) for it in (False, "auto")]
    for net in nets:
        net.partial_fit(X, y, classes=[0, 1, 2]).partial_fit(X, y)
    assert_same_weights(*nets)


def test_early_stopping_is_a_bool_or_auto():
    message = (
        "The 'early_stopping' parameter of DeepNetClassifier must be an instance of "
        "'bool' or an instance of 'numpy.bool' or a str among {'auto'}. Got 'yes' "
        "instead."
    )
    with raises(message):
        net_for(early_stopping="yes").fit(*wine())


def test_too_few_rows_to_split_are_an_error():
    X, y = wine()
    rows = [0, 1, 60, 61, 140, 141]
    message = (
        "early_stopping cannot hold out 4 of 6 samples and train on 3 classes. Lower "
        "validation_fraction (now 0.6), give more samples, or give X_val and y_val."
    )
    net = net_for(early_stopping=True, validation_fraction=0.6)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        net.fit(X[rows], y[rows])
    net.set_params(validation_fraction=0.5, n_iter=1).fit(X[rows], y[rows])


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 2])
def test_a_bad_fraction_is_an_error_at_once(fraction):
    net = net_for(validation_fraction=fraction)  # also where it is not used
    with pytest.raises(ValueError, match=r"^The 'validation_fraction' parameter of"):
        net.fit(*wine())


# ---- what is measured


def test_validation_loss_is_the_plain_log_loss_after_every_epoch():
    X, y, held_out = in_two(*wine(), 120)
    net = net_for(1, alpha=5.0, l1=1.0, dropout=0.4, label_smoothing=0.2)
    net.set_params(warm_start=True, restore_best=False, batch_size=32)
    for n_epochs in range(1, 6):
        net.fit(X, y, **held_out)
        p = net.predict_proba(held_out["X_val"])
        assert len(net.validation_loss_curve_) == n_epochs
        expected = log_loss(held_out["y_val"], p)
        assert net.validation_loss_curve_[-1] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("loss", ["log_loss", "squared_error", "focal"])
def test_validation_loss_is_weighted(loss):
    X, y, held_out = in_two(*cancer(), 400)
    weight = np.random.RandomState(0).uniform(0, 3, 169) * (np.arange(169) % 4 > 0)
    net = net_for(2, loss=loss, restore_best=False)
    net.fit(X, y, **held_out, sample_weight_val=weight)
    p = net.predict_proba(held_out["X_val"])[:, 1]
    q = np.where(held_out["y_val"] == 1, p, 1 - p)
    by_row = {
        "log_loss": -np.log(q),
        "squared_error": (1 - q) ** 2 / 2,
        "focal": -((1 - q) ** 2) * np.log(q),
    }[loss]
    expected = np.average(by_row, weights=weight)
    assert net.validation_loss_curve_[-1] == pytest.approx(expected, rel=1e-12)


def test_validation_loss_of_numbers_is_in_scaled_units():
    X, y, held_out = in_two(*load_diabetes(return_X_y=True), 300)
    Y, Y_val = np.c_[y, -(y**2)], np.c_[held_out["y_val"], -(held_out["y_val"] ** 2)]
    net = net_for(2, DeepNetRegressor, restore_best=False, dropout=0.3)
    for weight in (None, np.random.RandomState(0).uniform(0, 3, 142)):
        net.fit(X, Y, X_val=held_out["X_val"], y_val=Y_val, sample_weight_val=weight)
        error = (net.predict(held_out["X_val"]) - Y_val) / Y.std(axis=0)
        expected = np.average(np.mean(error**2, axis=1), weights=weight) / 2
        assert net.validation_loss_curve_[-1] == pytest.approx(expected, rel=1e-10)


def test_validation_loss_of_many_rows_is_measured_in_blocks():
    X, y = cancer()
    X_val, y_val = np.tile(X, (30, 1)), np.tile(y, 30)
    weight = np.random.RandomState(0).rand(len(y_val))
    net = net_for(1, restore_best=False)
    net.fit(X, y, X_val=X_val, y_val=y_val, sample_weight_val=weight)
    p = net.predict_proba(X_val)
    expected = log_loss(y_val, p, sample_weight=weight)
    assert net.validation_loss_curve_ == [pytest.approx(expected, rel=1e-12)]


def test_a_val_set_makes_a_split_needless():
    X, y, held_out = in_two(*wine(), 120)
    net = net_for(5, early_stopping=True).fit(X, y, **held_out)
    plain = net_for(5).fit(X, y, **held_out)
    assert net.validation_loss_curve_ == plain.validation_loss_curve_
    assert_same_weights(net, plain)
    training = net_for(5).fit(X, y)
    assert training.loss_curve_ == plain.loss_curve_  # which monitoring leaves alone
    assert training.validation_loss_curve_ is training.validation_scores_ is None


# ---- scores


def cost(y, y_pred, sample_weight=None):
    """Return the share of errors, with those of class 1 counted thrice."""
    return np.average((y != y_pred) * (1 + 2 * (y == 1)), weights=sample_weight)


def by_callable(estimator, X, y):
    return -cost(y, estimator.predict(X))


SCORERS = {
    "accuracy": lambda net, X, y, w: accuracy_score(y, net.predict(X), sample_weight=w),
    "balanced_accuracy": lambda net, X, y, w: balanced_accuracy_score(
        y, net.predict(X), sample_weight=w
    ),
    "neg_log_loss": lambda net, X, y, w: (
        -log_loss(y, net.predict_proba(X), sample_weight=w)
    ),
    by_callable: lambda net, X, y, w: -cost(y, net.predict(X)),
    make_scorer(cost, greater_is_better=False): lambda net, X, y, w: (
        -cost(y, net.predict(X), w)
    ),
}


@cache
def after(n_epochs):
    X, y, _ = in_two(*wine(), 120)
    return net_for(n_epochs, batch_size=32).fit(X, y)


@pytest.mark.parametrize("weigh", [False, True])
@pytest.mark.parametrize("scoring", SCORERS)
def test_scores_are_those_of_the_network_after_so_many_epochs(scoring, weigh):
    X, y, held_out = in_two(*wine(), 120)
    weight = np.random.RandomState(0).uniform(0.5, 2, 58) if weigh else None
    held_out["sample_weight_val"] = weight
    net = net_for(6, scoring=scoring, batch_size=32).fit(X, y, **held_out)
    rows = (held_out["X_val"], held_out["y_val"], weight)
    scores = [SCORERS[scoring](after(n_epochs), *rows) for n_epochs in range(1, 7)]
    np.testing.assert_allclose(net.validation_scores_, scores, rtol=1e-12)
    assert len(net.validation_loss_curve_) == 6
    assert net.best_iter_ == np.argmax(scores)


def test_the_split_is_scored_on_the_rows_held_out():
    X, y = cancer()
    seen = []

    def scoring(estimator, X, y):
        seen.append((X, y))
        return estimator.score(X, y)

    net = net_for(3, scoring=scoring, early_stopping=True).fit(X, y)
    rows = split(y, seed=_split_seed_of_first_fit())[1]
    assert len(seen) == 3
    for X_val, y_val in seen:
        np.testing.assert_array_equal(X_val, X[rows])
        np.testing.assert_array_equal(y_val, y[rows])
    assert len(net.validation_scores_) == 3


def _split_seed_of_first_fit():
    rng = np.random.RandomState(0)
    for n_out, n_in in ((8, 30), (1, 8)):
        rng.randn(n_out, n_in)
        rng.randn(n_out)
    return rng.randint(2**31 - 1)


@pytest.mark.parametrize("target_scaling", ["standard", None])
def test_a_regressor_is_scored_in_the_units_of_y(target_scaling):
    X, y, held_out = in_two(*load_diabetes(return_X_y=True), 300)
    options = {"target_scaling": target_scaling, "restore_best": False}
    for scoring, score in (
        ("r2", r2_score),
        ("neg_mean_absolute_error", lambda a, b: -mean_absolute_error(a, b)),
    ):
        net = net_for(4, DeepNetRegressor, scoring=scoring, **options)
        net.fit(X, y, **held_out)
        expected = score(held_out["y_val"], net.predict(held_out["X_val"]))
        assert net.validation_scores_[-1] == pytest.approx(expected, rel=1e-12)


def test_several_labels_can_be_scored():
    X, Y, held_out = in_two(*wine_labels(), 120)
    net = net_for(4, scoring="f1_micro", restore_best=False).fit(X, Y, **held_out)
    assert len(net.validation_scores_) == 4
    net = net_for(4, scoring="accuracy", restore_best=False).fit(X, Y, **held_out)
    expected = net.score(held_out["X_val"], held_out["y_val"])
    assert net.validation_scores_[-1] == expected


def test_scoring_changes_nothing_of_training():
    X, y, held_out = in_two(*cancer(), 400)
    options = {"restore_best": False, "dropout": 0.2, "batch_size": 50}
    plain = net_for(5, **options).fit(X, y, **held_out)
    scored = net_for(5, scoring="roc_auc", **options).fit(X, y, **held_out)
    assert scored.loss_curve_ == plain.loss_curve_
    assert scored.validation_loss_curve_ == plain.validation_loss_curve_
    assert_same_weights(scored, plain)


@pytest.mark.filterwarnings("ignore:The scorer returned NaN")
def test_a_score_that_is_no_number_is_never_the_best():
    X, y, held_out = in_two(*wine(), 120)
    scores = iter([0.5, np.nan, 0.7, 0.6])
    net = net_for(4, scoring=lambda *_: next(scores)).fit(X, y, **held_out)
    assert net.best_iter_ == 2
    assert_same_weights(net, net_for(3).fit(X, y))


def test_what_a_scorer_raises_passes_through_and_leaves_the_estimator():
    X, y, held_out = in_two(*wine(), 120)

    def scoring(estimator, X, y):
        raise RuntimeError("no score")

    net = net_for(3, scoring=scoring)
    before = vars(net).copy()
    with pytest.raises(RuntimeError, match=r"^no score$"):
        net.fit(X, y, **held_out)
    assert vars(net) == before


def test_an_unknown_scorer_is_an_error():
    X, y, held_out = in_two(*wine(), 120)
    with pytest.raises(ValueError, match="accurate"):
        net_for(3, scoring="accurate").fit(X, y, **held_out)


# ---- patience, and the best


@pytest.mark.slow
@pytest.mark.parametrize("scoring", [None, "accuracy"])
@pytest.mark.parametrize(("tol", "n_iter_no_change"), [(0, 5), (0.01, 3), (0, 1)])
def test_training_stops_where_patience_with_validation_ends(
    scoring, tol, n_iter_no_change
):
    X, y, held_out = in_two(*cancer(), 300)
    options = {"scoring": scoring, "learning_rate": 0.05}
    whole = net_for(150, **options).fit(X, y, **held_out)
    curve = whole.validation_loss_curve_
    values = curve if scoring is None else np.negative(whole.validation_scores_)
    n_epochs = epochs_until_patience_ends(values, tol, n_iter_no_change)
    assert n_epochs is not None
    net = net_for(150, tol=tol, n_iter_no_change=n_iter_no_change, **options)
    net.fit(X, y, **held_out)
    assert net.n_iter_ == n_epochs == len(net.loss_curve_)
    assert net.validation_loss_curve_ == curve[:n_epochs]
    assert net.loss_curve_ == whole.loss_curve_[:n_epochs]


def test_five_epochs_after_the_best_training_stops():
    X, y, held_out = in_two(*cancer(), 300)
    net = net_for(300, tol=0, n_iter_no_change=5, learning_rate=0.05)
    net.fit(X, y, **held_out)
    assert net.n_iter_ == net.best_iter_ + 1 + 5
    assert net.best_iter_ == np.argmin(net.validation_loss_curve_)


@pytest.mark.slow
@pytest.mark.parametrize("scoring", [None, "accuracy"])
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_the_best_weights_are_those_of_a_fit_stopped_there(scoring, solver):
    X, y, held_out = in_two(*cancer(), 300)
    rate = {"adam": 0.1, "sgd": 4.0}[solver]
    options = {"solver": solver, "learning_rate": rate, "scoring": scoring}
    options |= {"batch_size": 50}
    net = net_for(60, **options).fit(X, y, **held_out)
    best = int(np.argmin(net.validation_loss_curve_))
    if scoring is not None:
        best = int(np.argmax(net.validation_scores_))  # the first of equals
    assert best < 59
    assert net.best_iter_ == best
    assert_same_weights(net, net_for(best + 1, **options).fit(X, y))
    last = net_for(60, restore_best=False, **options).fit(X, y, **held_out)
    assert last.best_iter_ == best
    assert_same_weights(last, net_for(60, **options).fit(X, y))
    assert last.validation_loss_curve_ == net.validation_loss_curve_


def test_without_validation_the_last_weights_are_kept():
    X, y = cancer()
    options = {"solver": "sgd", "learning_rate": 4.0, "batch_size": 50}
    net = net_for(20, **options).fit(X, y)
    assert net.best_iter_ == np.argmin(net.loss_curve_) < 19
    assert net.best_loss_ == min(net.loss_curve_) < net.loss_ == net.loss_curve_[-1]
    assert_same_weights(net, net_for(20, restore_best=False, **options).fit(X, y))
    one_more = clone(net).set_params(n_iter=21).fit(X, y)
    assert one_more.loss_curve_[:20] == net.loss_curve_
    by_hand = net_for(20, warm_start=True, **options).fit(X, y).set_params(n_iter=1)
    assert_same_weights(by_hand.fit(X, y), one_more)


def test_validation_ends_training_where_the_training_loss_would_not():
    X, y, held_out = in_two(*cancer(), 60)
    net = net_for(400, tol=1e-4, n_iter_no_change=5, batch_size=10, alpha=0)
    net.fit(X, y, **held_out)
    assert net.n_iter_ < 400
    assert epochs_until_patience_ends(net.loss_curve_, 1e-4, 5) is None


def test_partial_fit_monitors_but_never_stops():
    X, y, held_out = in_two(*cancer(), 300)
    net = net_for(tol=1e9, n_iter_no_change=1, learning_rate=0.1)
    for _ in range(30):
        net.partial_fit(X, y, classes=[0, 1], **held_out)
    assert net.n_iter_ == len(net.validation_loss_curve_) == 30
    assert net.best_iter_ == np.argmin(net.validation_loss_curve_)
    stopped_there = net_for(net.best_iter_ + 1, learning_rate=0.1).fit(X, y)
    assert_same_weights(net, stopped_there)


# ---- divergence


@pytest.mark.parametrize("scoring", [None, "accuracy", "neg_log_loss"])
@pytest.mark.parametrize("batch_size", [None, 200])
@pytest.mark.parametrize("learning_rate", [1e3, 1e10, 1e100, 1e200])
def test_divergence_with_validation_keeps_finite_weights(
    scoring, learning_rate, batch_size
):
    X, y = cancer()
    net = net_for(20, solver="sgd", scoring=scoring, learning_rate=learning_rate)
    net.set_params(hidden_layer_sizes=(20, 20), early_stopping=True)
    net.set_params(batch_size=batch_size)
    with pytest.warns(DivergenceWarning):
        net.fit(X, y)
    assert net.diverged_
    assert max(np.abs(W).max() for W in net.coefs_) < 1e3
    assert log_loss(y, net.predict_proba(X)) < 1e3


def test_a_regressor_that_diverges_with_validation_keeps_finite_weights():
    X, y = load_diabetes(return_X_y=True)
    net = net_for(50, DeepNetRegressor, solver="sgd", early_stopping=True)
    net.set_params(hidden_layer_sizes=(30, 30, 30), learning_rate=1000.0)
    with pytest.warns(DivergenceWarning):
        net.fit(X, y)
    assert mean_squared_error(y, net.predict(X)) < 1e6 * np.var(y)


# ---- arguments


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["X_val"], "X_val is given without y_val. Give both of them or neither."),
        (["y_val"], "y_val is given without X_val. Give both of them or neither."),
        (
            ["sample_weight_val"],
            "sample_weight_val is given without X_val and y_val. Give all of them or "
            "none.",
        ),
        (
            ["X_val", "sample_weight_val"],
            "X_val is given without y_val. Give both of them or neither.",
        ),
    ],
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("estimator", [DeepNetClassifier, DeepNetRegressor])
def test_half_of_a_validation_set_is_an_error(given, message, method, estimator):
    X, y = wine()
    everything = {"X_val": X, "y_val": y, "sample_weight_val": np.ones(178)}
    some = {name: everything[name] for name in given}
    if (method, estimator) == ("partial_fit", DeepNetClassifier):
        some["classes"] = [0, 1, 2]
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        getattr(net_for(estimator=estimator), method)(X, y, **some)


def test_a_negative_validation_weight_is_an_error_that_names_it():
    X, y, held_out = in_two(*wine(), 120)
    message = "sample_weight_val must not be negative. Got -1."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        net_for().fit(X, y, **held_out, sample_weight_val=-np.ones(58))


def test_a_label_that_training_has_not_is_an_error():
    X, y = wine()
    known = y != 1
    with pytest.raises(
        ValueError, match=r"\[1\], which are not among the classes \[0, 2\]"
    ):
        net_for().fit(X[known], y[known], X_val=X, y_val=y)


def labels_of(kind):
    X, y = wine()
    return {
        "one label": y,
        "three labels": np.c_[y == 0, y == 1, X[:, 0] > 0].astype(int),
        "two labels": np.c_[y == 0, y == 1].astype(int),
    }[kind]


KINDS = ["one label", "two labels", "three labels"]


@pytest.mark.parametrize("kind_val", KINDS)
@pytest.mark.parametrize("kind", KINDS)
def test_labels_of_another_kind_in_validation_are_an_error_about_them(kind, kind_val):
    X, _ = wine()
    net = net_for(2)
    fit = {"y": labels_of(kind), "X_val": X, "y_val": labels_of(kind_val)}
    if kind == kind_val:
        assert len(net.fit(X, **fit).validation_loss_curve_) == 2
        return
    with pytest.raises(ValueError, match=r"^y(_val)? .*(label|column|shape|output)"):
        net.fit(X, **fit)


@pytest.mark.parametrize("n_val", [1, 2, 3])
@pytest.mark.parametrize("n_outputs", [1, 2, 3])
def test_targets_of_another_width_in_validation_are_an_error_about_them(
    n_outputs, n_val
):
    X, y = load_diabetes(return_X_y=True)
    Y = np.c_[y, -y, y**2]

    def columns(n):
        return y if n == 1 else Y[:, :n]

    net = net_for(2, DeepNetRegressor)
    fit = {"y": columns(n_outputs), "X_val": X, "y_val": columns(n_val)}
    if n_outputs == n_val:
        assert len(net.fit(X, **fit).validation_loss_curve_) == 2
        return
    with pytest.raises(ValueError, match=r"^y(_val)? .*(column|shape|output)"):
        net.fit(X, **fit)


def test_features_of_another_number_in_validation_are_an_error():
    X, y = wine()
    message = (
        "X has 12 features, but DeepNetClassifier is expecting 13 features as input."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        net_for().fit(X, y, X_val=X[:, 1:], y_val=y)


# ---- in a pipeline


@pytest.fixture
def _metadata_routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.mark.usefixtures("_metadata_routing")
@pytest.mark.parametrize("estimator", [DeepNetClassifier, DeepNetRegressor])
def test_a_pipeline_transforms_the_validation_data(estimator):
    X, y = load_wine(return_X_y=True)
    X, y, held_out = in_two(X, y, 120)
    weight = np.random.RandomState(0).rand(58)
    net = net_for(5, estimator).set_fit_request(
        X_val=True, y_val=True, sample_weight_val=True
    )
    model = Pipeline(
        [("scale", StandardScaler()), ("net", net)], transform_input=["X_val"]
    ).fit(X, y, **held_out, sample_weight_val=weight)
    scaler = StandardScaler().fit(X)
    by_hand = net_for(5, estimator).fit(
        scaler.transform(X),
        y,
        X_val=scaler.transform(held_out["X_val"]),
        y_val=held_out["y_val"],
        sample_weight_val=weight,
    )
    assert model["net"].validation_loss_curve_ == by_hand.validation_loss_curve_
    assert_same_weights(model["net"], by_hand)


def test_a_pipeline_passes_validation_data_by_prefix():
    X, y, held_out = in_two(*wine(), 120)
    model = make_pipeline(StandardScaler().set_output(transform="default"), net_for(4))
    names = {f"deepnetclassifier__{name}": value for name, value in held_out.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(X, y, **names)
    assert len(model[-1].validation_loss_curve_) == 4


@pytest.mark.slow
def test_early_stopping_is_worth_it_where_a_network_overfits():
    X, y, test = in_two(*cancer(), 100)
    net = net_for(300, batch_size=10, alpha=0, learning_rate=0.05, tol=1e-3)
    net.set_params(early_stopping=True, validation_fraction=0.3).fit(X, y)
    late = net_for(300, batch_size=10, alpha=0, learning_rate=0.05).fit(X, y)
    losses = [
        log_loss(test["y_val"], model.predict_proba(test["X_val"]))
        for model in (net, late)
    ]
    assert losses[0] < losses[1] / 2
    linear = LogisticRegression().fit(X, y).score(test["X_val"], test["y_val"])
    assert net.score(test["X_val"], test["y_val"]) > linear - 0.03


def test_scoring_of_rows_with_names_is_silent():
    X, y = load_wine(return_X_y=True, as_frame=True)
    net = DeepNetClassifier((4,), early_stopping=True, scoring="accuracy", n_iter=3)
    with warnings.catch_warnings(record=True) as reported:
        warnings.simplefilter("always")
        net.set_params(tol=None).fit(X, y)
    assert not reported


def test_a_single_row_of_numbers_cannot_be_held_out():
    message = (
        "early_stopping cannot hold out 1 of 1 samples and train on another one. "
        "Lower "
        "validation_fraction (now 0.1), give more samples, or give X_val and y_val."
    )
    with raises(message):
        DeepNetRegressor(early_stopping=True).fit([[1.0]], [2.0])
