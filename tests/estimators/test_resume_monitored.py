"""To go on is to never have stopped: dropout, schedules, monitoring, class weights."""

import copy
import os
import pickle
import re
import subprocess
import sys
from functools import partial
from itertools import product

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone

from sklearn_deepnet import DeepNetClassifier, DeepNetRegressor, fit_stack
from sklearn_deepnet.nn.optimizers import OPTIMIZERS
from sklearn_deepnet.nn.schedules import Cosine, OneCycle, Plateau
from tests.helpers import (
    assert_same_training,
    cancer,
    diabetes,
    epochs_until_patience_ends,
    in_two,
    network_factory,
    wine,
)

FIRST_ORDER = [name for name in OPTIMIZERS if name != "lbfgs"]


USUAL = {"hidden_layer_sizes": (6, 4), "learning_rate": 0.01, "warm_start": True}
net_for = network_factory("n_iter", "estimator", **USUAL)


def fit_in_chunks(net, X, y, chunks, **options):
    for n_iter in chunks:
        net.set_params(n_iter=n_iter).fit(X, y, **options)
    return net


# ---- chunks

SCHEDULES = [
    "constant",
    "exponential",
    Cosine(horizon=9),
    OneCycle(horizon=14),
    Plateau(patience=1, tol=0.05),
]
EVERYTHING = {
    "alpha": 1.0,
    "l1": 0.1,
    "clip_norm": 0.5,
    "label_smoothing": 0.1,
    "class_weight": {0: 2},
    "batch_size": 32,
}
COMBINATIONS = [
    {"solver": solver, "schedule": schedule, **each}
    for solver, schedule, each in product(
        FIRST_ORDER,
        SCHEDULES,
        [
            {},
            {"dropout": 0.3, "batch_size": 32},
            {"early_stopping": True, "class_weight": "balanced"},
            {"early_stopping": True, "dropout": (0.2, 0.5), **EVERYTHING},
        ],
    )
]


@pytest.mark.slow
@pytest.mark.parametrize("parameters", COMBINATIONS)
def test_chunks_of_warm_starts_equal_one_fit(parameters):
    X, y = wine()
    net = net_for(10, **parameters)
    whole = clone(net).fit(X, y)
    assert_same_training(fit_in_chunks(clone(net), X, y, [0, 1, 3, 6]), whole)


@pytest.mark.parametrize("scoring", [None, "accuracy", "neg_log_loss"])
@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize(
    "dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)]
)
def test_chunks_with_scores_equal_one_fit(scoring, own, dtype):
    X, y, held_out = in_two(*wine(), 120)
    net = net_for(7, scoring=scoring, dropout=0.3, dtype=dtype, batch_size=50)
    net.set_params(early_stopping=not own, schedule=Plateau(patience=1))
    options = held_out if own else {}
    whole = clone(net).fit(X, y, **options)
    assert_same_training(fit_in_chunks(clone(net), X, y, [3, 1, 3], **options), whole)


@pytest.mark.parametrize("loss", ["squared_error", "huber", "poisson", "quantile"])
def test_chunks_of_a_regressor_equal_one_fit(loss):
    X, y = diabetes()
    net = net_for(8, DeepNetRegressor, loss=loss, dropout=0.2, early_stopping=True)
    whole = clone(net).fit(X, y)
    chunks = fit_in_chunks(clone(net), X, y, [3, 5])
    assert_same_training(chunks, whole)
    np.testing.assert_array_equal(chunks.target_scale_, whole.target_scale_)
    np.testing.assert_array_equal(chunks.predict(X), whole.predict(X))


def test_chunks_of_a_constant_target_equal_one_fit():
    X, y = diabetes()
    net = net_for(8, DeepNetRegressor, early_stopping=True)
    whole = clone(net).fit(X, np.full_like(y, 3.5))
    chunks = fit_in_chunks(clone(net), X, np.full_like(y, 3.5), [3, 5])
    assert whole.best_iter_ == 0
    assert_same_training(chunks, whole)


def test_scaling_of_the_target_is_fixed_by_the_first_call():
    X, y = diabetes()
    net = net_for(3, DeepNetRegressor).fit(X, y)
    spread, center = net.target_scale_.copy(), net.target_mean_.copy()
    net.fit(X[:50], y[:50] * 10 - 7)
    np.testing.assert_array_equal(net.target_scale_, spread)
    np.testing.assert_array_equal(net.target_mean_, center)


@pytest.mark.parametrize("kind", ["dense", "made dense", "sparse"])
def test_partial_fits_with_validation_equal_warm_starts(kind, request):
    X, y, held_out = in_two(*wine(), 120)
    X = X if kind == "dense" else csr_array(X)
    if kind == "sparse":
        request.getfixturevalue("stays_sparse")
    options = {"dropout": 0.3, "schedule": "exponential", "batch_size": 32}
    whole = net_for(6, **options).fit(X, y, **held_out)
    parts = net_for(99, **options)
    for _ in range(6):
        parts.partial_fit(X, y, classes=[0, 1, 2], **held_out)
    assert_same_training(parts, whole)


@pytest.mark.parametrize("batch_size", [None, 32])
def test_a_stack_with_dropout_goes_on_like_each_network_alone(batch_size, monkeypatch):
    monkeypatch.setattr("sklearn_deepnet.nn.dropout._N_AHEAD", 1000)
    X, y = cancer()
    weight = np.random.RandomState(0).uniform(0, 2, len(y)).round(1)
    networks = [
        net_for(5, dropout=dropout, random_state=k)
        for k, dropout in enumerate([0.0, (0.2, 0.0), (0.0, 0.7), 0.5])
    ]
    for net in networks:
        net.set_params(early_stopping=True, batch_size=batch_size)
    parts = [clone(net).set_params(n_iter=2) for net in networks]
    fit_stack(parts, X, y, sample_weight=weight)
    parts = pickle.loads(pickle.dumps(parts))
    fit_stack([net.set_params(n_iter=3) for net in parts], X, y, sample_weight=weight)
    for net, part in zip(networks, parts, strict=True):
        assert_same_training(part, net.fit(X, y, sample_weight=weight))


# ---- processes

GO_ON = """
import pickle, sys
nets, X, y = pickle.load(sys.stdin.buffer)
for net in nets:
    net.set_params(n_iter=5).fit(X, y)
sys.stdout.buffer.write(pickle.dumps(nets))
"""


@pytest.mark.slow
def test_a_pickle_goes_on_in_another_process():
    X, y = wine()
    combinations = COMBINATIONS[3::4]  # with everything
    halves = [net_for(3, **each).fit(X, y) for each in combinations]
    output = subprocess.run(
        [sys.executable, "-W", "error", "-c", GO_ON],
        input=pickle.dumps((halves, X, y)),
        stdout=subprocess.PIPE,
        check=True,
        env=os.environ | {"PYTHONHASHSEED": "1"},
    ).stdout
    for net, each in zip(pickle.loads(output), combinations, strict=True):
        assert_same_training(net, net_for(8, **each).fit(X, y))


# ---- what is shown, and what goes on


def overshooting(n_iter, **parameters):
    """Return a net whose validation loss gets worse again, and its data."""
    usual = {"learning_rate": 0.3, "batch_size": 20}
    return net_for(n_iter, **(usual | parameters)), in_two(*cancer(), 100)


def test_training_goes_on_from_the_last_weights_though_the_best_are_shown():
    net, (X, y, held_out) = overshooting(20)
    net.fit(X, y, **held_out)
    assert net.best_iter_ < 15
    stopped_there = clone(net).set_params(n_iter=net.best_iter_ + 1).fit(X, y)
    np.testing.assert_array_equal(net.coefs_[0], stopped_there.coefs_[0])
    whole = clone(net).set_params(n_iter=25, restore_best=False)
    whole.fit(X, y, **held_out)
    fit_in_chunks(net, X, y, [5], **held_out)
    assert net.loss_curve_ == whole.loss_curve_
    net = clone(whole).set_params(restore_best=True)
    fit_in_chunks(net, X, y, [20], **held_out).set_params(restore_best=False)
    assert_same_training(fit_in_chunks(net, X, y, [5], **held_out), whole)


def test_the_best_is_kept_over_a_chunk_that_does_not_better_it():
    net, (X, y, held_out) = overshooting(20)
    net.fit(X, y, **held_out)
    best, shown = net.best_iter_, net.coefs_[0].copy()
    for n_iter in (1, 3):
        fit_in_chunks(net, X, y, [n_iter], **held_out)
        assert net.best_iter_ == best
        np.testing.assert_array_equal(net.coefs_[0], shown)


def test_no_more_epochs_still_show_the_best():
    net, (X, y, held_out) = overshooting(20)
    net.fit(X, y, **held_out)
    shown = net.coefs_[0].copy()
    fit_in_chunks(net, X, y, [0], **held_out)
    np.testing.assert_array_equal(net.coefs_[0], shown)


@pytest.mark.parametrize("sizes", [(100,), (50, 20)])
def test_the_split_is_kept_over_chunks(sizes):
    X, y = cancer()
    seen = []

    def scoring(estimator, X, y):
        seen.append(X[:, 0].tolist())
        return estimator.score(X, y)

    net = net_for(2, early_stopping=True, scoring=scoring)
    net.set_params(hidden_layer_sizes=sizes)
    fit_in_chunks(net, X, y, [2, 1, 2])
    assert len(seen) == 5
    assert all(rows == seen[0] for rows in seen)


class HitRate:
    """A scorer that is an object, as many are."""

    def __call__(self, estimator, X, y):
        return float(np.mean(estimator.predict(X) == y))


def hit_rate(estimator, X, y, factor=1):
    return factor * estimator.score(X, y)


@pytest.mark.parametrize("scoring", [HitRate(), partial(hit_rate, factor=2), hit_rate])
def test_a_scorer_is_the_same_after_a_pickle(scoring):
    """So the best is still the best, and patience goes on."""
    net, (X, y, held_out) = overshooting(20, scoring=scoring)
    net.fit(X, y, **held_out)
    best, shown = net.best_iter_, net.coefs_[0].copy()
    assert best < 15
    net.scoring = copy.deepcopy(scoring)  # what a pickle makes of it
    fit_in_chunks(net, X, y, [2], **held_out)
    assert max(net.validation_scores_[20:]) <= net.validation_scores_[best]
    assert net.best_iter_ == best
    np.testing.assert_array_equal(net.coefs_[0], shown)


# ---- patience


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("chunk", [1, 2, 3, 7])
def test_patience_carries_on_where_n_iter_ended_the_fit(chunk):
    net, (X, y, held_out) = overshooting(60, tol=0, n_iter_no_change=6)
    whole = clone(net).fit(X, y, **held_out)
    assert whole.n_iter_ < 60
    chunks = clone(net).set_params(n_iter=chunk)
    while getattr(chunks, "n_iter_", 0) < whole.n_iter_:
        chunks.fit(X, y, **held_out)
    assert_same_training(chunks, whole)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_patience_starts_over_where_it_ended_the_fit():
    net, (X, y, held_out) = overshooting(80, tol=0, n_iter_no_change=4)
    free = clone(net).set_params(tol=None).fit(X, y, **held_out)
    net.fit(X, y, **held_out)
    curve = free.validation_loss_curve_
    first = epochs_until_patience_ends(curve, 0, 4)
    assert net.n_iter_ == first
    second = epochs_until_patience_ends(curve[first:], 0, 4, min(curve[:first]))
    assert second > 1
    net.fit(X, y, **held_out)
    assert net.n_iter_ == first + second
    assert net.validation_loss_curve_ == curve[: first + second]


# ---- validation that comes and goes


def test_curves_are_nan_for_epochs_without_validation():
    net, (X, y, held_out) = overshooting(2, scoring="accuracy")
    net.fit(X, y)
    assert net.validation_loss_curve_ is net.validation_scores_ is None
    net.fit(X, y, **held_out).fit(X, y).set_params(scoring=None)
    net.fit(X, y, **held_out)
    nan = np.nan
    losses = np.where([0, 0, 1, 1, 0, 0, 1, 1], net.validation_loss_curve_, nan)
    np.testing.assert_array_equal(net.validation_loss_curve_, losses)
    assert np.count_nonzero(np.isnan(losses)) == 4
    scores = np.where([0, 0, 1, 1, 0, 0, 0, 0], net.validation_scores_, nan)
    np.testing.assert_array_equal(net.validation_scores_, scores)
    assert np.count_nonzero(np.isnan(scores)) == 6
    assert net.n_iter_ == 8


def test_without_validation_the_last_weights_are_shown_again():
    net, (X, y, held_out) = overshooting(20)
    net.fit(X, y, **held_out)
    fit_in_chunks(net, X, y, [2])
    plain = clone(net).set_params(n_iter=22).fit(X, y)
    np.testing.assert_array_equal(net.coefs_[0], plain.coefs_[0])
    assert net.loss_curve_ == plain.loss_curve_


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"scoring": "accuracy"}, {"scoring": None}),
        ({"scoring": "neg_log_loss"}, {"scoring": "accuracy"}),
        ({"scoring": None}, {"scoring": "accuracy"}),
    ],
)
def test_another_thing_monitored_is_judged_by_itself(before, after):
    """A loss is no better or worse than a score: the best of what is asked is shown."""
    net, (X, y, held_out) = overshooting(8, learning_rate=0.02, **before)
    net.fit(X, y, **held_out).set_params(n_iter=12, **after).fit(X, y, **held_out)
    values = np.negative(net.validation_loss_curve_)
    if after["scoring"] == "accuracy":
        values = net.validation_scores_
    best = 8 + int(np.argmax(values[8:]))
    shown = net_for(best + 1, learning_rate=0.02, batch_size=20).fit(X, y)
    np.testing.assert_array_equal(net.coefs_[0], shown.coefs_[0])


def test_another_thing_monitored_has_patience_of_its_own():
    net, (X, y, held_out) = overshooting(8, scoring="accuracy", learning_rate=0.01)
    net.set_params(n_iter_no_change=3, tol=1e-6)
    with pytest.warns(UserWarning, match="epochs before it converged"):
        net.set_params(n_iter=3).fit(X, y, **held_out)
    with pytest.warns(UserWarning, match="epochs before it converged"):
        net.set_params(n_iter=10, scoring=None).fit(X, y, **held_out)
    assert np.all(np.diff(net.validation_loss_curve_) < -1e-6)  # so none was stale
    assert net.n_iter_ == 13


def test_another_thing_monitored_is_judged_anew_by_the_schedule():
    """A loss of 0.5 is no worse than the score of 0.9 that a plateau has seen."""
    plateau = Plateau(factor=0.1, patience=2, tol=0)
    net, (X, y, held_out) = overshooting(3, scoring="accuracy", learning_rate=0.01)
    net.set_params(schedule=plateau).fit(X, y, **held_out)
    assert np.all(np.diff(net.validation_scores_) > 0)  # so the factor is 1
    net.set_params(scoring=None, n_iter=5).fit(X, y, **held_out)
    assert np.all(np.diff(net.validation_loss_curve_) < 0)  # and stays 1
    plain = overshooting(8, learning_rate=0.01)[0].fit(X, y)
    assert net.loss_curve_ == plain.loss_curve_


# ---- interrupts


@pytest.mark.parametrize("n_scored", [1, 3])
def test_an_interrupt_while_a_score_is_computed_leaves_counts_in_step(n_scored):
    """The number of epochs and the weights are of the same epoch."""
    X, y, held_out = in_two(*wine(), 120)
    calls = []

    def scoring(estimator, X, y):
        calls.append(None)
        if len(calls) == n_scored:
            raise KeyboardInterrupt
        return estimator.score(X, y)

    net = net_for(10, scoring=scoring, restore_best=False, schedule="exponential")
    with pytest.raises(KeyboardInterrupt):
        net.fit(X, y, **held_out)
    assert net.n_iter_ == len(net.loss_curve_) == len(net.validation_scores_ or [])
    expected = net_for(net.n_iter_, schedule="exponential").fit(X, y)
    np.testing.assert_array_equal(net.coefs_[0], expected.coefs_[0])


# ---- errors


@pytest.mark.parametrize("estimator", [DeepNetClassifier, DeepNetRegressor])
def test_partial_fit_with_early_stopping_needs_validation_data(estimator):
    X, y = wine()
    message = (
        "With early_stopping=True, partial_fit requires X_val and y_val, since "
        "samples held out in one call could be trained on in another call."
    )
    net = net_for(3, estimator, early_stopping=True)
    options = {"classes": [0, 1, 2]} if estimator is DeepNetClassifier else {}
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        net.partial_fit(X, y, **options)
    net.partial_fit(X, y, **options, X_val=X, y_val=y)
    assert len(net.validation_loss_curve_) == 1


def labels_of(kind):
    X, y = wine()
    return {
        "one of two": (y == 0).astype(int),
        "one of three": y,
        "two of two": np.c_[y == 0, X[:, 0] > 0].astype(int),
        "any of three": np.c_[y == 0, y == 1, X[:, 0] > 0].astype(int),
    }[kind]


KINDS = ["one of two", "one of three", "two of two", "any of three"]


@pytest.mark.parametrize("after", KINDS)
@pytest.mark.parametrize("before", KINDS)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_labels_of_another_kind_are_an_error(method, before, after):
    X, _ = wine()
    net = net_for(2)
    options = {}
    if method == "partial_fit" and before.startswith("one"):
        options = {"classes": np.unique(labels_of(before))}
    getattr(net, method)(X, labels_of(before), **options)
    weights = net.coefs_
    if before == after or (method, before, after) == (
        "partial_fit",
        "one of three",
        "one of two",  # some of its classes
    ):
        getattr(net, method)(X, labels_of(after))
        return
    with pytest.raises(ValueError, match=r"network|classes|y holds"):
        getattr(net, method)(X, labels_of(after))
    for W, kept in zip(weights, net.coefs_, strict=True):
        np.testing.assert_array_equal(W, kept)
    assert net.predict_proba(X).shape == (178, len(net.classes_))


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1), (3, 2)])
def test_targets_of_another_width_are_an_error(method, before, after):
    X, y = diabetes()
    Y = np.c_[y, -y, y**2]
    net = net_for(2, DeepNetRegressor)
    getattr(net, method)(X, Y[:, :before] if before > 1 else y)
    message = (
        f"y has the shape ({len(y)},{('' if after == 1 else f' {after}')}), but the "
        f"number of outputs of the network to continue is {before}. Give y with as "
        "many columns, or call fit with warm_start=False to start over."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        getattr(net, method)(X, Y[:, :after] if after > 1 else y)
