"""Scores that the validation data do not define, or that hardly rise, are said so."""

import warnings
from itertools import chain, repeat

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.model_selection import GridSearchCV

from sklearn_deepnet import (
    DeepNetClassifier,
    DeepNetEnsembleRegressor,
    DeepNetRegressor,
    LossCurveDisplay,
    StackedGridSearchCV,
    fit_stack,
)
from sklearn_deepnet.nn.schedules import Plateau
from tests.helpers import (
    assert_same_training,
    assert_same_weights,
    diabetes,
    exactly,
    network_factory,
    raises,
    wine,
)

net_for = network_factory(
    "scoring", "estimator", hidden_layer_sizes=(4,), n_iter=15, learning_rate=0.01
)
patient = {"tol": 1e-4, "n_iter_no_change": 3}

UNDEFINED = (
    "{} returned NaN for the validation data in {} of {} epochs, {}. Give more "
    "validation data, or set scoring=None to monitor the validation loss."
)
ALL = "so it could neither stop training nor determine the best epoch"
SOME = "which are not counted for early stopping"


def messages_of(fit, *args, **options):
    """Return the messages of all warnings of a call."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(*args, **options)
    return [str(warning.message) for warning in caught]


def ours(messages):
    return [message for message in messages if "scoring=None" in message]


def scorer_of(*scores):
    """Return a scorer with these scores, one an epoch; the last is repeated."""
    values = chain(scores, repeat(scores[-1]))
    return lambda *_: next(values)


def r2_of_one_row():
    X, y = diabetes()
    return net_for("r2", DeepNetRegressor), X, y, {"X_val": X[:1], "y_val": y[:1]}


def auc_of_one_class():
    X, y = wine()
    X, y = X[y < 2], y[y < 2]
    return net_for("roc_auc"), X, y, {"X_val": X[:9], "y_val": y[:9]}


CASES = [r2_of_one_row, auc_of_one_class]


# ---- scores that are not defined


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("tol", [1e-4, None])
def test_a_score_that_no_epoch_has_does_not_end_training(case, tol):
    net, X, y, held_out = case()
    net.set_params(tol=tol)
    messages = messages_of(net.fit, X, y, **held_out)
    expected = UNDEFINED.format(f"scoring={net.scoring!r}", 15, 15, ALL)
    assert ours(messages) == [expected]
    assert len(messages) == 2  # and the first one of the scorer
    assert net.n_iter_ == 15
    assert net.best_iter_ is None
    assert_same_weights(net, clone(net).set_params(scoring=None, tol=None).fit(X, y))


def test_an_undefined_score_of_the_rows_held_out_is_said_too():
    X, y = diabetes()
    net = net_for("r2", DeepNetRegressor, early_stopping=True, **patient)
    messages = messages_of(net.fit, X[:10], y[:10])  # of which one is held out
    assert ours(messages) == [UNDEFINED.format("scoring='r2'", 15, 15, ALL)]


def test_validation_weights_that_leave_one_class_do_not_define_a_score():
    _, X, y, _ = auc_of_one_class()
    held_out = {"X_val": X, "y_val": y, "sample_weight_val": y == 1}
    messages = messages_of(net_for("roc_auc", **patient).fit, X, y, **held_out)
    assert ours(messages) == [UNDEFINED.format("scoring='roc_auc'", 15, 15, ALL)]


@pytest.mark.parametrize("case", CASES)
def test_a_stack_treats_undefined_scores_as_single_fits_do(case):
    net, X, y, held_out = case()
    nets = [clone(net).set_params(tol=1e-4, random_state=k) for k in range(3)]
    messages = messages_of(fit_stack, nets, X, y, **held_out)
    assert len(ours(messages)) == 3
    for one in nets:
        alone = clone(one)
        messages_of(alone.fit, X, y, **held_out)
        assert_same_training(one, alone)
        assert one.best_iter_ is None


@pytest.mark.parametrize("search", [GridSearchCV, StackedGridSearchCV])
def test_a_search_says_it_of_each_fit(search):
    net, X, y, held_out = r2_of_one_row()
    held_out = {f"{name}": value for name, value in held_out.items()}
    found = search(net.set_params(n_iter=2), {"alpha": [0, 1]}, cv=2, refit=False)
    assert len(ours(messages_of(found.fit, X, y, **held_out))) == 4


def test_an_ensemble_says_it_of_each_member():
    net, X, y, held_out = r2_of_one_row()
    ensemble = DeepNetEnsembleRegressor(net, n_estimators=2)
    assert len(ours(messages_of(ensemble.fit, X, y, **held_out))) == 2


@pytest.mark.parametrize("case", CASES)
def test_partial_fit_says_it_in_the_first_call(case):
    net, X, y, held_out = case()
    first = {"classes": [0, 1]} if case is auc_of_one_class else {}
    said = []
    for _ in range(3):
        said.append(ours(messages_of(net.partial_fit, X, y, **first, **held_out)))
    assert said == [[UNDEFINED.format(f"scoring={net.scoring!r}", 1, 1, ALL)], [], []]
    assert net.best_iter_ is None


@pytest.mark.parametrize("value", [None, "good", {"f1": 1}, 1j, [0.5, 0.5]])
def test_a_scorer_that_returns_no_number_is_an_error(value):
    X, y = wine()
    message = f"scoring must return a single number. Got {value!r} instead."
    net = net_for(lambda *_: value)
    before = vars(net).copy()
    with raises(message):
        net.fit(X, y, X_val=X, y_val=y)
    assert vars(net) == before


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_an_infinite_score_is_compared_without_a_warning(value):
    X, y = wine()
    net = net_for(lambda *_: value, n_iter=20)
    assert messages_of(net.fit, X, y, X_val=X, y_val=y) == []


def test_epochs_without_a_score_do_not_count_for_patience():
    X, y = wine()
    some = {"X_val": X, "y_val": y}
    scores = [0.1, 0.5, np.nan, 0.5, np.nan, np.nan, 0.4, 0.5]
    net = net_for(scorer_of(*scores), **patient)
    messages = messages_of(net.fit, X, y, **some)
    assert messages == [UNDEFINED.format("The scorer", 3, 8, SOME)]
    np.testing.assert_array_equal(net.validation_scores_, scores)
    assert net.best_iter_ == 1


def test_patience_goes_on_after_epochs_without_a_score():
    X, y = wine()
    some = {"X_val": X, "y_val": y}
    scores = [0.5, 0.5, np.nan, np.nan, 0.5, 0.5]
    whole = net_for(scorer_of(*scores), **patient)
    messages_of(whole.fit, X, y, **some)
    chunks = net_for(scorer_of(*scores), warm_start=True, n_iter=3, **patient)
    for _ in range(2):
        messages_of(chunks.fit, X, y, **some)
    assert whole.n_iter_ == chunks.n_iter_ == 6
    assert_same_training(chunks, whole)


def test_a_checkpoint_goes_on_after_epochs_without_a_score(tmp_path):
    net, X, y, held_out = r2_of_one_row()
    options = {"checkpoint": tmp_path / "fit", **held_out}
    messages_of(clone(net).set_params(n_iter=4).fit, X, y, **options)
    messages_of(net.fit, X, y, **options)
    alone = clone(net)
    messages_of(alone.fit, X, y, **held_out)
    assert_same_training(net, alone)


@pytest.mark.parametrize("case", CASES)
def test_a_schedule_does_not_follow_a_score_that_is_not_defined(case):
    net, X, y, held_out = case()
    falling = clone(net).set_params(schedule=Plateau(patience=1))
    messages_of(net.fit, X, y, **held_out)
    messages_of(falling.fit, X, y, **held_out)
    assert_same_training(falling, net)


@pytest.mark.parametrize("scoring", [None, "accuracy"])
def test_a_network_that_overflows_on_the_validation_data_has_not_improved(scoring):
    X, y = wine()
    net = net_for(scoring, dtype="float32", **patient)
    far, nothing = messages_of(net.fit, X, y, X_val=1e39 * X, y_val=y)
    assert far.startswith("X_val seems to be in other units than X: in 13 of 13 ")
    assert nothing.startswith("The network has learned nothing from X: its lowest")
    assert net.n_iter_ == 3
    assert net.best_iter_ is None


def test_curves_without_a_best_epoch_are_drawn_without_one():
    net, X, y, held_out = r2_of_one_row()
    messages_of(net.fit, X, y, **held_out)
    display = LossCurveDisplay.from_estimator(net)
    assert display.best_iters == {}
    assert len(display.ax_.lines) == 2


def test_a_metric_that_is_never_defined_warns_once():
    X, y = wine()
    net = net_for("precision", learning_rate=1e-6, restore_best=False)
    net.set_params(
        bias_init="zeros",
        input_scaling=None,
        init=[np.zeros((13, 4)), np.zeros(4), np.zeros((4, 1)), np.full(1, -9.0)],
    )
    X, y = X[y < 2], y[y < 2]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        net.fit(X, y, X_val=X, y_val=y)
    assert net.validation_scores_ == [0.0] * 15
    undefined = [it for it in caught if it.category is UndefinedMetricWarning]
    assert len(undefined) == 1


# ---- scores that hardly rise


def rare(n_samples=1000):
    """Return samples of which three in a hundred are positive."""
    rng = np.random.RandomState(0)
    X = rng.randn(n_samples, 5)
    latent = X[:, 0] + X[:, 1] + 0.3 * rng.randn(n_samples)
    return X, (latent > np.quantile(latent, 0.97)).astype(int)


STUCK = (
    "{} hardly improved, from {:.3g} to {:.3g}, while the validation loss still fell, "
    "from {:.3g} to {:.3g}. Training stopped after {} epochs{}. Set scoring=None to "
    "monitor the validation loss, or choose a score that improves earlier."
)


def expected_stuck(net, name, weights):
    scores, losses = net.validation_scores_, net.validation_loss_curve_
    best = net.best_iter_
    numbers = scores[0], scores[best], losses[best], min(losses)
    return STUCK.format(name, *numbers, len(losses), weights)


@pytest.mark.parametrize("scoring", ["f1", "recall", "precision"])
@pytest.mark.parametrize("restores", [True, False])
def test_a_score_that_hardly_rises_while_the_loss_falls_is_said(scoring, restores):
    X, y = rare()
    net = net_for(scoring, n_iter=200, hidden_layer_sizes=(16,), learning_rate=0.001)
    net.set_params(early_stopping=True, restore_best=restores, tol=1e-4)
    messages = messages_of(net.fit, X, y)
    weights = f", and the weights are those of epoch {net.best_iter_}, counted from 0"
    weights = weights if restores else ""
    assert ours(messages) == [expected_stuck(net, f"scoring={scoring!r}", weights)]
    assert net.n_iter_ < 100


def test_it_is_said_where_all_epochs_are_made_and_undone():
    X, y = wine()
    net = net_for(scorer_of(0.2, 0.1), n_iter=11)
    messages = messages_of(net.fit, X, y, X_val=X, y_val=y)
    weights = ", and the weights are those of epoch 0, counted from 0"
    assert messages == [expected_stuck(net, "The scorer", weights)]


@pytest.mark.parametrize(
    ("scores", "parameters"),
    [
        ([0.2, 0.9, 0.9], {}),  # it rose
        ([1.0, 1.0], {}),  # it cannot rise
        ([0.2, 0.1], {"restore_best": False}),  # nothing was ended or undone
        ([0.2, 0.1], {"n_iter": 5}),  # of only five epochs
        ([0.2, 0.1], {"learning_rate": 1e-9}),  # the loss did not fall
        ([0.01 * k for k in range(20)], {}),  # it rises to the end
    ],
)
def test_it_is_not_said_of_a_fit_that_lost_nothing(scores, parameters):
    X, y = wine()
    net = net_for(scorer_of(*scores), **parameters)
    assert messages_of(net.fit, X, y, X_val=X, y_val=y) == []


def test_it_is_not_said_in_partial_fit():
    X, y = wine()
    net = net_for(scorer_of(0.2, 0.1))
    options = {"classes": [0, 1, 2], "X_val": X, "y_val": y}
    for _ in range(13):
        assert messages_of(net.partial_fit, X, y, **options) == []


def test_a_warning_of_scores_that_is_an_error_leaves_no_trace():
    X, y = wine()
    net = DeepNetClassifier((4,), scoring=scorer_of(np.nan), n_iter=2)
    before = vars(net).copy()
    message = exactly(UNDEFINED.format("The scorer", 2, 2, ALL))
    with pytest.raises(UndefinedMetricWarning, match=message):
        net.fit(X, y, X_val=X, y_val=y)
    assert vars(net) == before
