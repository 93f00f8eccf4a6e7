"""`check_gradients` passes right derivatives, and finds wrong ones in their place."""

import copy

import numpy as np
import pytest
from numpy.testing import assert_equal
from sklearn.base import clone
from sklearn.datasets import load_wine
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_deepnet import DeepNetRegressor, check_gradients
from sklearn_deepnet._engine import propagation
from sklearn_deepnet.nn.activations import ACTIVATIONS, Activation, tanh
from sklearn_deepnet.nn.losses import Loss, binary_cross_entropy
from sklearn_deepnet.nn.numeric_features import write_periodic_gradient
from tests.helpers import iris, network_factory, raises, wine

X_raw, X, y = load_wine().data[::3], wine()[0][::3], wine()[1][::3]
weight = np.random.RandomState(1).rand(len(y))


net = network_factory("hidden_layer_sizes", hidden_layer_sizes=(6, 4), n_iter=10)


CASES = {
    **{name: (net(activation=name), y) for name in ACTIVATIONS},
    "two classes": (net(), y == 1),
    "several labels": (net(), np.column_stack([y == 0, y == 1]).astype(int)),
    "squared error": (net(loss="squared_error"), y),
    "focal": (net(loss="focal"), y),
    "penalties": (net(alpha=10, l1=1), y),
    "decoupled weight decay": (net(solver="adamw", alpha=10), y),
    "smoothing": (net(label_smoothing=0.3), y),
    "dropout": (net(dropout=0.5), y),
    "l-bfgs": (net(solver="lbfgs"), y),
    "early stopping": (net(early_stopping=True), y),
    "regressor": (DeepNetRegressor((6,), random_state=0), X[:, :2] @ [[1, 2], [0, 1]]),
    "huber": (DeepNetRegressor((6,), loss="huber", random_state=0), X[:, 0]),
    "numeric features": (net(numeric_features="periodic", alpha=1), y),
    "poisson": (DeepNetRegressor((6,), loss="poisson", random_state=0), X_raw[:, 0]),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_right_derivatives_pass(case):
    estimator, y = case
    fitted = clone(estimator).fit(X, y, sample_weight=weight)
    for network in (clone(estimator), fitted):
        before = copy.deepcopy(vars(network))
        check = check_gradients(network, X, y, weight)
        assert_equal(vars(network), before)
        assert check.passed, str(check)
        assert check.n_checked == check.n_params
        assert check.n_kinks == 0


def wrong_backward(grad, z, a):
    """The derivative of tanh, but for the third unit one percent more."""
    tanh.backward(grad, z, a)
    grad[..., 2, :] *= 1.01


def test_a_wrong_derivative_of_an_activation_is_found_in_its_unit():
    wrong = Activation("wrong", tanh.forward, wrong_backward, overwrites_z=True)
    check = check_gradients(net((6,), activation=wrong), X, y)
    assert not check.passed
    assert (check.layer, check.unit) == (1, 2)
    assert check.error == pytest.approx(0.01, rel=0.05)
    assert check.analytic == pytest.approx(1.01 * check.numeric, rel=1e-4)


@pytest.mark.parametrize("parameter", [0, 1])
def test_a_wrong_derivative_of_numeric_features_is_found(parameter, monkeypatch):
    def write_wrong_gradient(grad, x, sines, out):
        write_periodic_gradient(grad, x, sines, out)
        out[parameter][2, 1] *= 1.01

    monkeypatch.setattr(propagation, "write_periodic_gradient", write_wrong_gradient)
    network = net((6,), numeric_features="periodic", activation="tanh")
    check = check_gradients(network, X, y)
    assert not check.passed
    assert check.parameter == ("frequency", "phase")[parameter]
    assert (check.layer, check.input, check.unit) == (0, 2, 1)
    where = f"numeric features, column 2, {check.parameter} 1"
    assert f"largest relative error is {check.error:.1e}, in {where}: " in str(check)


def half(logits, target, scratch):
    """The cross-entropy, with half of its gradient."""
    values = binary_cross_entropy(logits, target, scratch)
    logits *= 0.5
    return values


def test_a_wrong_derivative_of_a_loss_is_found():
    check = check_gradients(net(loss=Loss("half", logistic=half)), X, y == 1)
    assert check.error == pytest.approx(0.5, rel=0.05)


def test_a_derivative_that_is_not_a_number_is_an_error():
    def backward(grad, z, a):
        grad.fill(np.nan)

    wrong = Activation("nan", tanh.forward, backward, overwrites_z=True)
    check = check_gradients(net(activation=wrong), X, y)
    assert check.error == np.inf
    assert not check.passed


@pytest.mark.parametrize("init", ["he", "xavier"])
@pytest.mark.parametrize("n_kinks", [0, 2])
def test_kinks_are_left_out(n_kinks, init):
    fitted = net((6,), n_iter=0, input_scaling=None, init=init).fit(X, y)
    fitted.coefs_[0][:, :n_kinks] = 0  # units at z = 0 for all rows: only biases move z
    fitted.intercepts_[0][:n_kinks] = 0
    check = check_gradients(fitted, X, y)
    assert check.passed
    assert check.n_kinks >= n_kinks * (13 + 1) - 2
    assert check.n_kinks + check.n_checked == check.n_params
    assert ("at a kink" in str(check)) == (n_kinks > 0)


def test_of_many_parameters_a_sample_is_checked():
    check = check_gradients(net((300,)), X, y, max_params=50)
    assert check.passed
    assert check.n_checked == 50
    assert check.n_params == 13 * 300 + 300 + 300 * 3 + 3


def test_float32_is_checked_in_double_precision():
    fitted = net(dtype="float32", activation="tanh").fit(X, y)
    assert check_gradients(fitted, X.astype(np.float32), y).error < 1e-6


def test_a_fitted_network_is_checked_at_its_weights():
    fitted = net(solver="lbfgs", n_iter=500, alpha=1, activation="tanh").fit(X, y)
    check = check_gradients(fitted, X, y)
    assert check.passed
    assert abs(check.analytic) < 1e-4 < abs(check_gradients(net(), X, y).analytic)


def test_a_pipeline_is_checked_like_its_network_on_transformed_data():
    pipeline = make_pipeline(StandardScaler(), net()).fit(X_raw, y)
    check = check_gradients(pipeline, X_raw, y)
    alone = check_gradients(pipeline[-1], pipeline[:-1].transform(X_raw), y)
    assert check.passed
    assert check.analytic == pytest.approx(alone.analytic, rel=1e-6)


def test_the_report_is_one_sentence():
    check = check_gradients(net((3,), activation="tanh", init="zeros"), *iris())
    what = check.parameter
    what += f" of input {check.input}" if what == "weight" else ""
    assert str(check) == (
        "Passed: 27 of 27 derivatives were checked. The largest relative error is "
        f"{check.error:.1e}, in layer {check.layer}, unit {check.unit}, {what}: "
        f"{check.analytic:.6g} by backward propagation, {check.numeric:.6g} by "
        "central differences."
    )


def test_max_params_below_one_raises():
    with raises("max_params must be at least 1. Got 0 instead."):
        check_gradients(net(), X, y, max_params=0)
