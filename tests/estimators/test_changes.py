"""What happens between two fits with warm_start: patience, changes, errors."""

import pickle
import re

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from sklearn_deepnet.nn.optimizers import Adam
from tests.helpers import assert_same_training, network_factory, wine

FULL_BATCH = {"batch_size": None}
SHUFFLED = {"batch_size": 32}  # with a short batch at the end


net_for = network_factory(
    "n_iter", hidden_layer_sizes=(6, 4), learning_rate=0.01, warm_start=True
)


# ---- patience


def patience_by_hand(losses, tol, n_iter_no_change):
    """How many epochs are made until patience ends, and the count that is left."""
    reference, n_stale = np.inf, 0
    for n_epochs, loss in enumerate(losses, 1):
        if loss < reference - tol:
            reference, n_stale = loss, 0
        else:
            n_stale += 1
        if n_stale == n_iter_no_change:
            return n_epochs
    return None


def slow_net(n_iter, **parameters):
    """Improves by less and less than tol, and by fits and starts: batches differ."""
    usual = {"tol": 0.01, "n_iter_no_change": 5, "batch_size": 20}
    return net_for(n_iter, **(usual | parameters))


def test_patience_ends_training_where_it_should():
    X, y = wine()
    losses = slow_net(300, tol=None).fit(X, y).loss_curve_
    for tol in (0.001, 0.01, 0.1):
        for n_iter_no_change in (1, 2, 5):
            net = slow_net(300, tol=tol, n_iter_no_change=n_iter_no_change).fit(X, y)
            n_epochs = patience_by_hand(losses, tol, n_iter_no_change)
            assert net.n_iter_ == n_epochs < 300
            assert net.loss_curve_ == losses[:n_epochs]


@pytest.mark.filterwarnings("ignore:All n_iter:sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("chunk", [1, 2, 3, 7])
def test_patience_is_carried_from_chunk_to_chunk(chunk):
    X, y = wine()
    whole = slow_net(300).fit(X, y)
    net = slow_net(chunk)
    while net.fit(X, y).n_iter_ < whole.n_iter_:
        assert net.n_iter_ % chunk == 0
    assert_same_training(net, whole)


def test_patience_starts_over_after_it_ended_a_fit():
    X, y = wine()
    net = slow_net(300, tol=10.0, n_iter_no_change=3).fit(X, y)
    assert net.n_iter_ == 4  # the first epoch betters infinity
    assert net.fit(X, y).n_iter_ == 7  # nothing betters the first by 10 any more
    assert net.fit(X, y).n_iter_ == 10


def test_partial_fit_ignores_tol():
    X, y = wine()
    impatient, patient = slow_net(300, tol=10.0, n_iter_no_change=1), slow_net(300)
    for _ in range(4):
        impatient.partial_fit(X, y, classes=[0, 1, 2])
        patient.partial_fit(X, y, classes=[0, 1, 2])
    assert_same_training(impatient, patient)


def test_partial_fit_does_not_use_patience_up():
    X, y = wine()
    net = slow_net(300, tol=10.0, n_iter_no_change=3)
    for _ in range(3):
        net.partial_fit(X, y, classes=[0, 1, 2])
    assert net.fit(X, y).n_iter_ == 3 + 4  # the first epoch betters infinity


def test_no_warning_of_convergence_from_partial_fit():
    X, y = wine()
    net = slow_net(1).partial_fit(X, y, classes=[0, 1, 2])  # warnings are errors here
    with pytest.warns(ConvergenceWarning):
        net.fit(X, y)


# ---- what may change in between


def descend(X, y, net, learning_rate, alpha, n_iter):
    """Gradient descent of a softmax regression by hand, on from where `net` stands."""
    W, b = net.coefs_[0].copy(), net.intercepts_[0].copy()
    for _ in range(n_iter):
        logits = X @ W + b
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        dZ = (p - (y[:, np.newaxis] == [0, 1, 2])) / len(y)
        W = W - learning_rate * (X.T @ dZ + alpha / len(y) * W)
        b = b - learning_rate * dZ.sum(axis=0)
    return W, b


@pytest.mark.parametrize("change", [{"learning_rate": 0.5}, {"alpha": 30}])
def test_a_change_in_between_takes_effect(change):
    X, y = wine()
    settings = {"learning_rate": 0.1, "alpha": 1}
    net = net_for(3, solver="sgd", batch_size=None, **settings)
    net.set_params(hidden_layer_sizes=()).fit(X, y)
    W, b = descend(X, y, net, n_iter=3, **(settings | change))
    net.set_params(**change).fit(X, y)
    np.testing.assert_allclose(net.coefs_[0], W, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(net.intercepts_[0], b, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(
    "change",
    [
        {"batch_size": 10},
        {"batch_size": None},
        {"loss": "squared_error"},
        {"shuffle": False},
        {"solver": Adam(beta1=0.5)},
    ],
)
def test_a_change_is_as_if_made_on_a_pickle_of_the_moment(change):
    X, y = wine()
    net = net_for(3, **SHUFFLED).fit(X, y)
    same = pickle.loads(pickle.dumps(net)).fit(X, y)
    net.set_params(**change).fit(X, y)
    assert net.loss_curve_[:3] == same.loss_curve_[:3]
    assert net.loss_curve_[3:] != same.loss_curve_[3:]


def test_a_changed_batch_size_equals_a_net_that_starts_from_there():
    X, y = wine()
    net = net_for(3, solver="sgd", batch_size=None).fit(X, y)
    arrays = [a for pair in zip(net.coefs_, net.intercepts_, strict=True) for a in pair]
    other = net_for(3, solver="sgd", batch_size=16, shuffle=False, init=arrays)
    other.fit(X, y)
    net.set_params(batch_size=16, shuffle=False).fit(X, y)
    assert net.loss_curve_[3:] == other.loss_curve_
    np.testing.assert_array_equal(net.coefs_[0], other.coefs_[0])


@pytest.mark.parametrize(
    ("before", "after"), [("adam", "momentum"), ("sgd", "adam"), ("adam", "sgd")]
)
def test_another_solver_starts_with_fresh_moments(before, after):
    X, y = wine()
    net = net_for(3, solver=before, batch_size=None).fit(X, y)
    arrays = [a for pair in zip(net.coefs_, net.intercepts_, strict=True) for a in pair]
    fresh = net_for(3, solver=after, batch_size=None, init=arrays).fit(X, y)
    net.set_params(solver=after).fit(X, y)
    assert net.loss_curve_[3:] == fresh.loss_curve_
    np.testing.assert_array_equal(net.coefs_[0], fresh.coefs_[0])


ANEW = "Keep it, or start anew by fit with warm_start=False."


@pytest.mark.parametrize("goes_on", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"hidden_layer_sizes": (6, 5)},
            "hidden_layer_sizes is now [6, 5], but the network to continue has [6, 4]. "
            + ANEW,
        ),
        (
            {"hidden_layer_sizes": 6},
            "hidden_layer_sizes is now [6], but the network to continue has [6, 4]. "
            + ANEW,
        ),
        (
            {"activation": ["relu", "tanh"]},
            "activation is now ['relu', 'tanh'], but the network to continue has "
            "['relu', 'relu']. " + ANEW,
        ),
        (
            {"dtype": "float32"},
            "dtype is now float32, but the network to continue has float64. " + ANEW,
        ),
    ],
)
def test_another_network_is_an_error(change, message, goes_on):
    X, y = wine()
    net = net_for(2).fit(X, y)
    untouched = pickle.loads(pickle.dumps(net))
    kept = net.get_params()
    net.set_params(**change)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        getattr(net, goes_on)(X, y)
    assert_same_training(net, untouched)
    net.set_params(**{name: kept[name] for name in change})
    assert_same_training(net.fit(X, y), untouched.fit(X, y))  # nothing was harmed


def test_other_classes_are_an_error_in_fit():
    X, y = wine()
    net = net_for(2).fit(X, y)
    message = (
        "The classes are now [0, 1], but the network to continue has [0, 1, 2]. Keep "
        "them, or start anew by fit with warm_start=False."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        net.fit(X[y < 2], y[y < 2])
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        net.partial_fit(X, y, classes=[0, 1])


def test_other_features_are_an_error():
    X, y = wine()
    net = net_for(2).fit(X, y)
    message = "X has 12 features, but DeepNetClassifier is expecting 13 features as"
    for goes_on in (net.fit, net.partial_fit):
        with pytest.raises(ValueError, match=message):
            goes_on(X[:, 1:], y)
    assert net.n_features_in_ == 13


def test_float32_data_after_float64_data_are_an_error_unless_dtype_says_which():
    X, y = wine()
    net = net_for(2).fit(X, y)
    with pytest.raises(ValueError, match=r"^dtype is now float32, but the network to"):
        net.fit(X.astype(np.float32), y)
    assert net.set_params(dtype="float64").fit(X.astype(np.float32), y).n_iter_ == 4
