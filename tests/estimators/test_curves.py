"""Learning curves: lists for the user, and no work in a call for earlier calls."""

import copy
import pickle
import tracemalloc

import numpy as np
import pytest

from sklearn_deepnet import DeepNetClassifier, DeepNetRegressor, load_model, save_model
from tests.helpers import assert_same_training, network_factory, wine

CURVES = ("loss_curve_", "validation_loss_curve_", "validation_scores_")
X, y = wine()

net_for = network_factory(
    "scoring", hidden_layer_sizes=(3,), n_iter=2, warm_start=True, batch_size=None
)


def curves_of(net):
    return [getattr(net, name) for name in CURVES]


def started(scoring=None, n_calls=3, **parameters):
    net = net_for(scoring, **parameters)
    for _ in range(n_calls):
        net.partial_fit(X, y, classes=[0, 1, 2], X_val=X, y_val=y)
    return net


def call_again(net):
    return net.partial_fit(X, y, X_val=X, y_val=y)


def test_curves_are_lists_of_floats():
    net = started("accuracy")
    for curve in curves_of(net):
        assert type(curve) is list
        assert [type(value) for value in curve] == [float] * 3
    assert net.loss_ == net.loss_curve_[-1]
    assert net.best_loss_ == min(net.loss_curve_)


def test_a_list_that_was_taken_is_the_users_own():
    net = started()
    taken = net.loss_curve_
    taken.append(0.0)
    call_again(net)
    assert len(taken) == net.n_iter_ == len(net.loss_curve_) == 4
    assert net.loss_curve_[:3] == taken[:3]
    assert 0.0 not in net.loss_curve_


@pytest.mark.parametrize("monitors", [False, True])
@pytest.mark.parametrize("scoring", [None, "accuracy"])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("estimator", [DeepNetClassifier, DeepNetRegressor])
def test_a_call_takes_no_memory_for_the_epochs_before(
    estimator, method, scoring, monitors
):
    if estimator is DeepNetRegressor:
        scoring = scoring and "r2"
    net = net_for(scoring, estimator=estimator)
    held_out = {"X_val": X, "y_val": y} if monitors else {}
    fit = getattr(net.fit(X, y, **held_out), method)
    n_epochs = 1_000_000
    for name, curve in zip(CURVES, curves_of(net), strict=True):
        setattr(net, name, curve and [0.5] * n_epochs)
    fit(X, y, **held_out)  # of which some is kept
    tracemalloc.start()
    try:
        fit(X, y, **held_out)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert net.n_iter_ > n_epochs
    assert most < n_epochs / 2  # bytes, and a float has eight


@pytest.mark.parametrize(
    "copied",
    [
        copy.copy,
        copy.deepcopy,
        lambda net: pickle.loads(pickle.dumps(net)),
        lambda net: copy.copy(copy.copy(net)),
    ],
)
def test_a_copy_keeps_its_curves_while_the_other_goes_on(copied):
    net = started("accuracy")
    other, before = copied(net), curves_of(net)
    call_again(net)
    assert curves_of(other) == before
    assert other.n_iter_ == 3
    assert_same_training(call_again(other), net)
    longer = curves_of(call_again(net))
    assert [curve[:4] for curve in longer] == curves_of(other)


def test_attributes_taken_by_vars_keep_their_curves():
    net, twin = started(), net_for()
    vars(twin).update(vars(net))
    before = curves_of(net)
    call_again(call_again(net))
    assert curves_of(twin) == before
    assert len(call_again(twin).loss_curve_) == 4
    assert len(net.loss_curve_) == 5


def test_pickles_hold_lists():
    state = started("accuracy").__getstate__()
    for name in CURVES:
        assert type(state[name]) is list


def test_pickles_from_before_hold_lists_and_go_on(tmp_path):
    net = started("accuracy")
    state = net.__getstate__()
    old = DeepNetClassifier.__new__(DeepNetClassifier)
    old.__setstate__(state)
    assert_same_training(call_again(old), call_again(copy.copy(net)))
    save_model(net, tmp_path / "net")
    assert_same_training(call_again(load_model(tmp_path / "net")), old)


def test_the_best_epoch_is_the_first_with_the_lowest_training_loss():
    net = net_for(learning_rate=1.0, solver="sgd")
    for _ in range(30):
        net.partial_fit(X, y, classes=[0, 1, 2])
        assert net.best_iter_ == np.argmin(net.loss_curve_)
        assert net.best_loss_ == min(net.loss_curve_)


def test_a_copy_of_a_subclass_is_made_by_its_own_hook():
    class Forgetful(DeepNetClassifier):
        def __getstate__(self):
            return {k: it for k, it in super().__getstate__().items() if k != "cache"}

    net = Forgetful()
    net.cache = []
    assert not hasattr(copy.copy(net), "cache")
    assert copy.copy(net).get_params() == net.get_params()
