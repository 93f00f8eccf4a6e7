"""Ctrl-C belongs to the user: it is raised, and the last whole pass is kept."""

import signal

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV

from sklearn_deepnet.nn.activations import Activation, relu
from tests.helpers import network_factory, wine

X, y = wine()


@pytest.fixture(autouse=True)
def _ctrl_c_is_heard():
    """A process in the background starts deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Finger:
    """Presses Ctrl-C at a certain call from when it is told."""

    n_calls_left = np.inf

    def press_at(self, n_calls):
        self.n_calls_left = n_calls

    def __call__(self):
        self.n_calls_left -= 1
        if self.n_calls_left == 0:
            signal.raise_signal(signal.SIGINT)


def watched(finger, where="forward"):
    """A ReLU during which Ctrl-C is pressed."""

    def forward(z, a):
        if where == "forward":
            finger()
        relu.forward(z, a)

    def backward(grad, z, a):
        if where == "backward":
            finger()
        relu.backward(grad, z, a)

    return Activation("watched", forward, backward, overwrites_z=True)


net = network_factory(hidden_layer_sizes=(4,), n_iter=3, warm_start=True)


BATCH_SIZES = {None: 1, 60: 3}  # steps in a pass


@pytest.mark.parametrize("batch_size", BATCH_SIZES)
@pytest.mark.parametrize("where", ["forward", "backward"])
@pytest.mark.parametrize("n_calls", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("warm", [False, True])
def test_ctrl_c_leaves_the_last_whole_pass(batch_size, where, n_calls, warm):
    finger = Finger()
    parameters = {"batch_size": batch_size, "n_iter": 3 if warm else 0}
    estimator = net(activation=watched(finger, where), **parameters)
    estimator.fit(X, y).set_params(n_iter=100)
    n_epochs = estimator.n_iter_ + (n_calls - 1) // BATCH_SIZES[batch_size]
    finger.press_at(n_calls)
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(X, y)
    expected = net(batch_size=batch_size, n_iter=n_epochs).fit(X, y)
    assert estimator.n_iter_ == n_epochs
    assert estimator.loss_curve_ == expected.loss_curve_
    np.testing.assert_array_equal(estimator.coefs_[0], expected.coefs_[0])
    np.testing.assert_array_equal(estimator.predict(X), expected.predict(X))
    assert not estimator.diverged_
    estimator.set_params(n_iter=100).fit(X, y)
    assert estimator.n_iter_ == n_epochs + 100
    assert estimator.loss_ < 0.9 * expected.best_loss_ if n_epochs else True


def test_ctrl_c_in_a_first_plain_fit_leaves_a_fitted_net():
    finger = Finger()
    estimator = net(
        activation=watched(finger), batch_size=60, n_iter=10, warm_start=False
    )
    finger.press_at(8)
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(X, y)
    expected = net(batch_size=60, n_iter=2).fit(X, y)
    np.testing.assert_array_equal(estimator.predict_proba(X), expected.predict_proba(X))
    assert estimator.n_features_in_ == 13
    assert estimator.n_layers_ == 3


def test_ctrl_c_after_the_last_pass_leaves_all_passes():
    finger = Finger()
    estimator = net(activation=watched(finger), batch_size=None)
    finger.press_at(4)  # the look at where the third step led
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(X, y)
    assert estimator.loss_curve_ == net(batch_size=None).fit(X, y).loss_curve_


def test_ctrl_c_in_partial_fit_leaves_the_net_before_it():
    finger = Finger()
    estimator = net(activation=watched(finger), batch_size=60)
    estimator.partial_fit(X, y, classes=[0, 1, 2])
    before = estimator.decision_function(X)
    finger.press_at(2)
    with pytest.raises(KeyboardInterrupt):
        estimator.partial_fit(X, y)
    np.testing.assert_array_equal(estimator.decision_function(X), before)
    assert estimator.n_iter_ == 1


@pytest.mark.parametrize("fitted", [False, True])
def test_ctrl_c_before_training_leaves_no_trace(fitted):
    finger = Finger()

    def init(shape, rng):
        finger()
        return rng.randn(*shape)

    estimator = net(init=init, warm_start=False)
    if fitted:
        estimator.fit(X, y)
    before = vars(estimator).copy()
    finger.press_at(2)
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(X[:, :5], y)
    assert vars(estimator) == before
    assert hasattr(estimator, "coefs_") == fitted


@pytest.mark.parametrize("n_calls", [1, 2, 5])
def test_ctrl_c_in_a_search_ends_the_search(n_calls):
    finger = Finger()
    search = GridSearchCV(net(activation=watched(finger)), {"alpha": [0, 1]}, cv=2)
    finger.press_at(n_calls)
    with pytest.raises(KeyboardInterrupt):
        search.fit(X, y)
