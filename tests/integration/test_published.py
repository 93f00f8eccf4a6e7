"""Published costs, to the digit, and the course's own loop beside ours."""

import numpy as np
import pytest
from sklearn.datasets import load_digits, make_circles
from sklearn.model_selection import train_test_split

from sklearn_deepnet import DeepNetClassifier

# Costs at iterations 0, 1000, ... 14000 and accuracies, as the course prints them.
HE_COSTS = [
    0.8830537463419761,
    0.6879825919728063,
    0.6751286264523371,
    0.6526117768893805,
    0.6082958970572938,
    0.5304944491717495,
    0.4138645817071794,
    0.3117803464844441,
    0.23696215330322562,
    0.1859728720920684,
    0.15015556280371808,
    0.12325079292273551,
    0.09917746546525937,
    0.08457055954024283,
    0.07357895962677366,
]
ZEROS_COSTS = [0.6931471805599453] * 15

AS_IN_THE_COURSE = {
    "input_scaling": None,
    "bias_init": "zeros",
    "solver": "sgd",
    "batch_size": None,
    "tol": None,
    "shuffle": False,
    "random_state": 3,
}


@pytest.fixture
def circles(legacy_seed):
    """What the course's load_dataset returns: training and test data."""
    legacy_seed(1)
    train = make_circles(n_samples=300, noise=0.05)
    legacy_seed(2)
    test = make_circles(n_samples=100, noise=0.05)
    return *train, *test


def fit_circles(circles, **parameters):
    X, y, *_ = circles
    parameters = AS_IN_THE_COURSE | {"learning_rate": 0.01, "alpha": 0} | parameters
    return DeepNetClassifier((10, 5), n_iter=15000, **parameters).fit(X, y)


def accuracies(net, circles):
    X, y, X_test, y_test = circles
    return [net.score(X, y), net.score(X_test, y_test)]


@pytest.mark.slow
def test_he_reaches_the_published_costs(circles):
    net = fit_circles(circles, init="he")
    np.testing.assert_allclose(net.loss_curve_[::1000], HE_COSTS, rtol=1e-9)
    np.testing.assert_allclose(accuracies(net, circles), [298 / 300, 0.96], rtol=1e-15)


@pytest.mark.slow
def test_zeros_stay_at_the_published_cost(circles):
    net = fit_circles(circles, init="zeros")
    np.testing.assert_allclose(net.loss_curve_[::1000], ZEROS_COSTS, rtol=1e-9)
    assert accuracies(net, circles) == [0.5, 0.5]


@pytest.mark.slow
def test_large_random_weights_end_near_the_published_cost(circles):
    """The path is chaotic: weights changed by 1e-15 move the cost at 1000 by 2.5e-3.

    The published curve starts at infinity, since log(0) is met; ours is finite.
    """
    net = fit_circles(circles, init="random", init_scale=10)
    costs = net.loss_curve_[::1000]
    assert costs[0] == pytest.approx(1773.6, abs=0.1)
    assert costs[1] == pytest.approx(0.62, abs=0.02)
    assert costs[14] == pytest.approx(0.383, abs=0.02)
    assert accuracies(net, circles) == pytest.approx([0.83, 0.86], abs=0.01)


def assert_hidden_units_identical(net, rtol):
    for W, b in zip(net.coefs_, net.intercepts_, strict=True):
        np.testing.assert_allclose(W, np.broadcast_to(W[:, :1], W.shape), rtol=rtol)
        np.testing.assert_allclose(b, np.broadcast_to(b[:1], b.shape), rtol=rtol)


def test_units_that_start_as_zeros_stay_identical_for_ever(circles):
    X, y, *_ = circles
    parameters = AS_IN_THE_COURSE | {"alpha": 0, "learning_rate": 1, "init": "zeros"}
    net = DeepNetClassifier((10, 5), n_iter=1000, **parameters)
    net.fit(X[:-20], y[:-20])  # unbalanced, else nothing moves at all
    assert_hidden_units_identical(net, rtol=0)
    assert net.intercepts_[-1][0] != 0


def test_identical_sigmoid_units_learn_the_same(circles):
    X, y, *_ = circles
    parameters = AS_IN_THE_COURSE | {"alpha": 0, "learning_rate": 1, "init": "zeros"}
    net = DeepNetClassifier((10, 5), activation="sigmoid", n_iter=500, **parameters)
    net.fit(X[:-20], y[:-20])
    assert_hidden_units_identical(net, rtol=1e-9)  # rows of a product may round apart
    assert all((W != 0).all() for W in net.coefs_)


# ---- the course's loop, written as there: a dictionary of parameters, one column per
# sample, explicit biases, probabilities


def course_parameters(layer_sizes, weight_factor, seed):
    rng = np.random.RandomState(seed)
    parameters = {}
    for layer in range(1, len(layer_sizes)):
        n_out, n_in = layer_sizes[layer], layer_sizes[layer - 1]
        parameters[f"W{layer}"] = rng.randn(n_out, n_in) * weight_factor(n_out, n_in)
        parameters[f"b{layer}"] = np.zeros((n_out, 1))
    return parameters


def course_costs(X, Y, parameters, learning_rate, n_iter, lambd=0.0):
    """Gradient descent on ``X`` (n_inputs, m), ``Y`` (1, m); changes `parameters`."""
    n_layers, m = len(parameters) // 2, X.shape[1]
    costs = []
    for _ in range(n_iter):
        A = {0: X}
        for layer in range(1, n_layers + 1):
            W, b = parameters[f"W{layer}"], parameters[f"b{layer}"]
            Z = np.dot(W, A[layer - 1]) + b
            last = layer == n_layers
            A[layer] = 1 / (1 + np.exp(-Z)) if last else np.maximum(0, Z)
        AL = A[n_layers]
        cost = -np.sum(Y * np.log(AL) + (1 - Y) * np.log(1 - AL)) / m
        for layer in range(1, n_layers + 1):
            cost += lambd / (2 * m) * np.sum(np.square(parameters[f"W{layer}"]))
        costs.append(cost)
        dZ, gradients = AL - Y, {}
        for layer in range(n_layers, 0, -1):
            W = parameters[f"W{layer}"]
            gradients[f"W{layer}"] = (np.dot(dZ, A[layer - 1].T) + lambd * W) / m
            gradients[f"b{layer}"] = np.sum(dZ, axis=1, keepdims=True) / m
            dZ = np.dot(W.T, dZ) * (A[layer - 1] > 0)
        for name, gradient in gradients.items():
            parameters[name] = parameters[name] - learning_rate * gradient
    return costs


def zeros_and_ones():
    """Images of two digits, 8 by 8 pixels between 0 and 1: training and test data."""
    X, y = load_digits(n_class=2, return_X_y=True)
    return train_test_split(X / 16, y, random_state=0)


def assert_same_network(net, parameters):
    for layer, (W, b) in enumerate(zip(net.coefs_, net.intercepts_, strict=True), 1):
        np.testing.assert_allclose(
            W.T, parameters[f"W{layer}"], rtol=1e-8, atol=1e-12, err_msg=f"W{layer}"
        )
        np.testing.assert_allclose(
            b[:, np.newaxis], parameters[f"b{layer}"], rtol=1e-8, atol=1e-12
        )


FACTORS = {
    "random": lambda n_out, n_in: 0.01,
    "lecun": lambda n_out, n_in: 1 / np.sqrt(n_in),
    "he": lambda n_out, n_in: np.sqrt(2 / n_in),
    "xavier": lambda n_out, n_in: np.sqrt(2 / (n_in + n_out)),
}


@pytest.mark.parametrize("init", FACTORS)
@pytest.mark.parametrize("lambd", [0, 0.7])
def test_four_layers_on_images_follow_the_course(init, lambd):
    X, X_test, y, y_test = zeros_and_ones()
    learns = init == "he" and lambd == 0
    n_iter = 300 if learns else 50
    net = DeepNetClassifier(
        (20, 7, 5),
        init=init,
        learning_rate=0.0075,
        alpha=lambd,
        n_iter=n_iter,
        **AS_IN_THE_COURSE,
    ).fit(X, y)
    parameters = course_parameters([64, 20, 7, 5, 1], FACTORS[init], seed=3)
    costs = course_costs(X.T, y[np.newaxis], parameters, 0.0075, n_iter, lambd)
    np.testing.assert_allclose(net.loss_curve_, costs, rtol=1e-9)
    assert_same_network(net, parameters)
    if learns:
        assert costs[-1] < 0.9 * costs[0]
        assert net.score(X_test, y_test) > 0.9


def test_penalized_network_learns_as_in_the_course(circles):
    X, y, *_ = circles
    net = DeepNetClassifier(
        (20, 3),
        init="lecun",
        learning_rate=0.1,
        alpha=0.7,
        n_iter=1000,
        **AS_IN_THE_COURSE,
    ).fit(X, y)
    parameters = course_parameters([2, 20, 3, 1], FACTORS["lecun"], seed=3)
    costs = course_costs(X.T, y[np.newaxis], parameters, 0.1, 1000, lambd=0.7)
    np.testing.assert_allclose(net.loss_curve_, costs, rtol=1e-9)
    assert_same_network(net, parameters)
    assert net.score(X, y) > 0.9
