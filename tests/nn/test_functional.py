"""The course's functions: published numbers, and the same bits as the estimators."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import make_circles

from sklearn_deepnet import DeepNetClassifier, DeepNetRegressor
from sklearn_deepnet._engine.parallel import one_blas_thread
from sklearn_deepnet.nn import functional as F
from sklearn_deepnet.nn.activations import ACTIVATIONS
from tests.helpers import raises

X, y = make_circles(60, noise=0.1, random_state=1)
Y = y[np.newaxis]


@pytest.fixture(autouse=True)
def _one_thread():  # as in the estimators: more threads may change the last bits
    with one_blas_thread():
        yield


def dictionaries(sizes, activations):
    keys = "input_dim", "output_dim", "activation"
    return [
        dict(zip(keys, layer, strict=True))
        for layer in zip(sizes[:-1], sizes[1:], activations, strict=True)
    ]


def estimator(hidden_layer_sizes, cls=DeepNetClassifier, **parameters):
    usual = {"solver": "sgd", "batch_size": None, "alpha": 0, "tol": None}
    usual |= {"shuffle": False, "bias_init": "zeros", "random_state": 3}
    usual |= {"input_scaling": None, "init": "he"}
    return cls(hidden_layer_sizes, **(usual | parameters))


# ---- published


def test_lesson_of_a_network_from_a_list_of_dictionaries():
    """2-4-6-6-4-1 of seed 42, randn × 0.1: its output for (1, 2), and two layers."""
    layers = dictionaries([2, 4, 6, 6, 4, 1], ["relu"] * 4 + ["sigmoid"])
    parameters = F.initialize_parameters(
        layers, init="random", init_scale=0.1, bias_init="random", random_state=42
    )
    AL, caches = F.forward_propagation(np.array([[1.0], [2.0]]), parameters, layers)
    assert AL.item() == pytest.approx(0.4993655, abs=5e-8)
    first = [-0.02492888, 0.42363083, -0.1165845, 0.26483525]
    assert_allclose(caches[0].Z[:, 0], first, atol=5e-9)
    second = [-0.07505745, -0.22005731, -0.18011554, 0.03433495, 0.11054447]
    assert_allclose(caches[1].Z[:, 0], [*second, -0.06000331], atol=5e-9)


def test_lesson_of_initializations():
    """The circles at He's: published costs, to the last printed digit."""
    X, y = make_circles(n_samples=300, noise=0.05, random_state=1)
    parameters = F.initialize_parameters([2, 10, 5, 1], random_state=3)
    _, costs = F.train(X.T, y[np.newaxis], parameters, n_iter=1001)
    assert costs[0] == pytest.approx(0.8830537463419761, rel=1e-15)
    assert costs[1000] == pytest.approx(0.6879825919728063, rel=1e-14)


# ---- the same bits as the estimators


TRAININGS = {
    "relu": {},
    "one at a time": {"one_at_a_time": True},
    "tanh": {"activation": "tanh"},
    "one of each": {"activation": ["softplus", "selu"]},
    "squared error": {"loss": "squared_error"},
    "random": {"init": "random", "init_scale": 1.0, "bias_init": "random"},
}


@pytest.mark.parametrize("options", TRAININGS.values(), ids=TRAININGS)
def test_training_equals_the_estimator_to_the_last_bit(options):
    one_at_a_time = options.get("one_at_a_time", False)
    given = {name: value for name, value in options.items() if name != "one_at_a_time"}
    fitted = estimator(
        (6, 3),
        learning_rate=0.1,
        n_iter=8,
        **given,
        **({"batch_size": 1} if one_at_a_time else {}),
    ).fit(X, y)

    activation, loss = given.pop("activation", "relu"), given.pop("loss", "log_loss")
    hidden = [activation] * 2 if isinstance(activation, str) else activation
    layers = dictionaries([2, 6, 3, 1], [*hidden, "sigmoid"])
    start = F.initialize_parameters(layers, random_state=3, **given)
    parameters, costs = F.train(
        X.T,
        Y,
        start,
        layers,
        learning_rate=0.1,
        n_iter=8,
        loss=loss,
        one_at_a_time=one_at_a_time,
    )
    for number, (W, b) in enumerate(
        zip(fitted.coefs_, fitted.intercepts_, strict=True), start=1
    ):
        assert_array_equal(parameters[f"W{number}"], W.T)
        assert_array_equal(parameters[f"b{number}"][:, 0], b)
    assert_allclose(costs, fitted.loss_curve_, rtol=1e-11)
    AL, caches = F.forward_propagation(X.T, parameters, layers)
    assert_array_equal(caches[-1].Z[0], fitted.decision_function(X))
    assert_array_equal(AL[0], fitted.predict_proba(X)[:, 1])
    assert_array_equal(caches[-1].A_prev.T, fitted.hidden_activations(X))
    assert_array_equal(F.predict(X.T, parameters, layers)[0], fitted.predict(X))


def test_regression_equals_the_estimator_to_the_last_bit():
    targets = np.column_stack([X[:, 0] * X[:, 1], X[:, 0] - 1])
    fitted = estimator(
        (5,), DeepNetRegressor, learning_rate=0.1, n_iter=20, target_scaling=None
    ).fit(X, targets)
    layers = dictionaries([2, 5, 2], ["relu", "identity"])
    parameters, costs = F.train(
        X.T,
        targets.T,
        F.initialize_parameters(layers, random_state=3),
        layers,
        learning_rate=0.1,
        n_iter=20,
        loss="squared_error",
    )
    assert_array_equal(parameters["W1"], fitted.coefs_[0].T)
    assert_array_equal(parameters["b2"][:, 0], fitted.intercepts_[1])
    assert_allclose(costs, fitted.loss_curve_, rtol=1e-13)


# ---- the mathematics


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(
    ("loss", "output"),
    [
        ("log_loss", "sigmoid"),
        ("squared_error", "sigmoid"),
        ("squared_error", "identity"),
    ],
)
def test_derivatives_are_those_of_the_cost(activation, loss, output):
    rng = np.random.RandomState(0)
    layers = dictionaries([2, 3, 3, 2], [activation, activation, output])
    parameters = F.initialize_parameters(
        layers, init_scale=0.5, bias_init="random", random_state=0
    )
    X, Y = rng.randn(2, 5), rng.rand(2, 5).round()
    _, caches = F.forward_propagation(X, parameters, layers)
    grads = F.backward_propagation(Y, caches, loss)
    assert grads.keys() == {
        *(f"d{name}" for name in parameters),
        *("dA0", "dA1", "dA2"),
    }

    def cost_of(name, value):
        changed = parameters | ({} if name == "A0" else {name: value})
        AL, _ = F.forward_propagation(value if name == "A0" else X, changed, layers)
        return F.compute_cost(AL, Y, loss)

    for name, value in {**parameters, "A0": X}.items():
        slopes = np.empty_like(value)
        for at in np.ndindex(value.shape):
            step = np.zeros_like(value)
            step[at] = 1e-6
            slopes[at] = (
                cost_of(name, value + step) - cost_of(name, value - step)
            ) / 2e-6
        assert_allclose(grads[f"d{name}"], slopes, rtol=1e-6, atol=1e-9)


def test_cost_of_probabilities_is_infinite_where_they_were_rounded():
    sure_and_wrong, right = np.array([[1.0, 0.0]]), np.array([[1.0, 0.0]])
    assert F.compute_cost(sure_and_wrong, np.array([[0, 1]])) == np.inf
    assert F.compute_cost(right, np.array([[1, 0]])) == 0


def test_training_does_not_change_the_initial_parameters():
    before = F.initialize_parameters([2, 3, 1], random_state=0)
    copies = {name: value.copy() for name, value in before.items()}
    after, _ = F.train(X.T, Y, before, n_iter=3)
    for name, value in before.items():
        assert_array_equal(value, copies[name])
        assert not np.array_equal(after[name], value)


@pytest.mark.parametrize("random_state", [None, np.random.RandomState(5)])
def test_each_call_draws_other_parameters(random_state):
    one, two = (
        F.initialize_parameters([2, 3, 1], random_state=random_state) for _ in range(2)
    )
    assert not np.array_equal(one["W1"], two["W1"])


# ---- errors


def test_layers_of_mismatched_sizes_raise():
    layers = dictionaries([2, 4, 1], ["relu", "sigmoid"])
    layers[1]["input_dim"] = 5
    message = (
        "Layer 1 has output_dim=4, but layer 2 has input_dim=5; they have to agree."
    )
    with raises(message):
        F.initialize_parameters(layers)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: F.compute_cost(Y, Y, "log_los"),
            "loss must be one of ['cross_entropy', 'log_loss', 'squared_error']. Got "
            "'log_los' instead. Did you mean 'log_loss'?",
        ),
        (
            lambda: F.activation_forward(X.T, np.eye(2), np.zeros((2, 1)), "rely"),
            f"activation must be one of {sorted([*ACTIVATIONS, 'softmax'])}. Got "
            "'rely' instead. Did you mean 'relu'?",
        ),
        (
            lambda: F.backward_propagation(
                Y,
                [
                    F.activation_forward(
                        X.T, np.ones((1, 2)), np.zeros((1, 1)), "tanh"
                    )[1]
                ],
            ),
            "loss='log_loss' is not defined for an output layer of activation 'tanh'; "
            "log_loss needs 'sigmoid', cross_entropy 'softmax', squared_error "
            "'sigmoid', 'softmax' or 'identity'.",
        ),
    ],
)
def test_unknown_names_raise(call, message):
    with raises(message):
        call()
