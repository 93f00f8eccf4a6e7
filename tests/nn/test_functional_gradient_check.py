"""`gradient_check` finds the mistakes of learners, and no others."""

import numpy as np
import pytest

from sklearn_deepnet.nn import functional as F
from tests.helpers import raises

RNG = np.random.RandomState(1)
X, Y = RNG.randn(4, 3), np.array([[1, 1, 0]])
START = {
    "W1": RNG.randn(5, 4),
    "b1": RNG.randn(5, 1),
    "W2": RNG.randn(3, 5),
    "b2": RNG.randn(3, 1),
    "W3": RNG.randn(1, 3),
    "b3": RNG.randn(1, 1),
}


# What a learner writes: nothing of the library, and arguments of its own.


def forward(X, parameters):
    A1 = np.maximum(parameters["W1"] @ X + parameters["b1"], 0)
    A2 = np.maximum(parameters["W2"] @ A1 + parameters["b2"], 0)
    Z3 = parameters["W3"] @ A2 + parameters["b3"]
    return 1 / (1 + np.exp(-Z3)), (A1, A2)


def cost(parameters):
    A3, _ = forward(X, parameters)
    return -np.mean(Y * np.log(A3) + (1 - Y) * np.log(1 - A3))


def backward(X, Y, parameters):
    m = X.shape[1]
    A3, (A1, A2) = forward(X, parameters)
    dZ3 = A3 - Y
    dZ2 = parameters["W3"].T @ dZ3 * (A2 > 0)
    dZ1 = parameters["W2"].T @ dZ2 * (A1 > 0)
    grads = {}
    for number, (dZ, A) in enumerate([(dZ1, X), (dZ2, A1), (dZ3, A2)], start=1):
        grads[f"dW{number}"] = dZ @ A.T / m
        grads[f"db{number}"] = dZ.sum(axis=1, keepdims=True) / m
    return grads


GRADS = backward(X, Y, START)


def check(**wrong):
    return F.gradient_check(START, GRADS | wrong, cost)


def test_right_gradients_are_accepted():
    found = check()
    assert found.passed
    assert found.wrong == []
    assert [*found.errors] == [f"d{name}" for name in START]
    assert all(0 < error < 1e-8 for error in found.errors.values())
    lines = str(found).splitlines()
    assert lines[0] == "Passed: grads are the derivatives of the cost."
    assert lines[1] == f"dW1: error {found.errors['dW1']:.1e}"
    assert len(lines) == 7


def test_numeric_derivatives_are_those_of_our_own_backward_propagation():
    _, caches = F.forward_propagation(X, START)
    grads = F.backward_propagation(Y, caches)
    for name, numeric in check().numeric.items():
        np.testing.assert_allclose(numeric, grads[name], rtol=1e-6, atol=1e-9)


def test_the_planted_mistakes_of_the_course_are_found_with_their_factors():
    found = check(dW2=2 * GRADS["dW2"], db1=4 * GRADS["db1"])
    assert found.wrong == ["db1", "dW2"]
    lines = str(found).splitlines()
    assert lines[0] == "FAILED: db1, dW2 are wrong."
    assert lines[2] == "db1: error 6.0e-01; db1 is 4 times the derivative of the cost."
    assert lines[3] == "dW2: error 3.3e-01; dW2 is 2 times the derivative of the cost."
    assert lines[1] == f"dW1: error {found.errors['dW1']:.1e}"


def test_a_wrong_sign_is_found():
    lines = str(check(db3=-GRADS["db3"])).splitlines()
    assert lines[0] == "FAILED: db3 is wrong."
    assert lines[6] == "db3: error 1.0e+00; db3 is -1 times the derivative of the cost."


def test_one_wrong_number_is_found_in_its_place():
    wrong = GRADS["dW1"].copy()
    k = tuple(map(int, np.argwhere(wrong)[-1]))
    wrong[k] *= 1.001
    found = check(dW1=wrong)
    assert found.wrong == ["dW1"]
    assert str(found).splitlines()[1] == (
        f"dW1: error {found.errors['dW1']:.1e}; dW1{[*k]} is {wrong[k]:.6g}, but the "
        f"derivative of the cost is {GRADS['dW1'][k]:.6g}."
    )


def test_a_gradient_of_zero_is_found():
    lines = str(check(dW3=0 * GRADS["dW3"])).splitlines()
    assert lines[5] == (
        "dW3: error 1.0e+00; dW3 is zero, but the cost depends on this parameter."
    )


def test_a_gradient_where_the_cost_is_flat_is_found():
    """The weights of an input that is always zero."""
    parameters = {"W": np.ones((1, 2)), "b": np.ones(1)}
    inputs = np.array([[0.0], [3.0]])
    grads = {"dW": np.array([[1.0, 3.0]]), "db": np.array([0.0])}
    found = F.gradient_check(
        parameters, grads, lambda it: np.sum(it["W"] @ inputs) + 0 * it["b"]
    )
    assert found.wrong == ["dW"]
    assert (
        str(found)
        .splitlines()[1]
        .endswith("; dW[0, 0] is 1, but the derivative of the cost is 0.")
    )


def test_a_forgotten_penalty_is_found():
    """In the weights alone, since biases have none."""
    _, caches = F.forward_propagation(X, START)
    grads = F.backward_propagation(Y, caches)

    def regularized(parameters):
        AL, _ = F.forward_propagation(X, parameters)
        return F.compute_cost(AL, Y, parameters=parameters, lambd=0.7)

    assert F.gradient_check(START, grads, regularized).wrong == ["dW1", "dW2", "dW3"]
    right = F.backward_propagation(Y, caches, lambd=0.7)
    assert F.gradient_check(START, right, regularized).passed


def test_rounding_where_the_cost_is_flat_is_no_mistake():
    """The sine is like the rounding of a long sum: it differs at every call."""

    def flat(parameters):
        return 1.0 + 1e-15 * np.sin(1e9 * np.sum(parameters["W"]))

    parameters = {"W": RNG.randn(50)}
    found = F.gradient_check(parameters, {"dW": np.zeros(50)}, flat)
    assert 0 < np.abs(found.numeric["dW"]).max() < 1e-9
    assert found.errors["dW"] > 0
    assert found.passed


def test_a_cost_of_zero_has_gradients_of_zero():
    found = F.gradient_check({"W": [1.0]}, {"dW": [0.0]}, lambda it: 0.0)
    assert found.errors == {"dW": 0.0}


def test_a_kink_is_no_mistake():
    """At zero, a ReLU has the slope 0 to the left and 1 to the right."""
    parameters = {"w": np.array([0.0, 1.0])}
    found = F.gradient_check(
        parameters,
        {"dw": np.array([0.0, 1.0])},
        lambda it: np.maximum(it["w"], 0).sum(),
    )
    assert found.passed


def test_parameters_are_not_changed():
    def careless(parameters):
        value = cost(parameters)
        parameters["W1"] *= 2
        return value

    before = {name: value.copy() for name, value in START.items()}
    assert F.gradient_check(START, GRADS, careless).passed
    for name, value in START.items():
        np.testing.assert_array_equal(value, before[name])


def test_float32_is_checked_in_double_precision():
    parameters = {name: value.astype(np.float32) for name, value in START.items()}
    exact = {name: value.astype(float) for name, value in parameters.items()}
    grads = {
        name: value.astype(np.float32) for name, value in backward(X, Y, exact).items()
    }
    assert F.gradient_check(parameters, grads, cost).passed


DRAWS = np.random.RandomState(0)
BAD_CALLS = {
    "a list of parameters": (
        lambda: F.gradient_check([1.0], GRADS, cost),
        "parameters must be a dictionary of arrays, such as from "
        "initialize_parameters. Got [1.0] instead.",
    ),
    "a missing gradient": (
        lambda: F.gradient_check({"a": [1.0], "b": [1.0]}, {"da": [1.0]}, np.sum),
        "grads must be a dictionary with the derivatives ['da', 'db']; ['db'] is "
        "missing.",
    ),
    "no dictionary of gradients": (
        lambda: F.gradient_check({"a": [1.0], "b": [1.0]}, None, np.sum),
        "grads must be a dictionary with the derivatives ['da', 'db']; ['da', 'db'] "
        "are missing.",
    ),
    "a gradient of another shape": (
        lambda: F.gradient_check(START, GRADS | {"db1": np.ones(5)}, cost),
        "grads['db1'] has the shape (5,), parameters['b1'] (5, 1): a derivative has "
        "the shape of its parameter.",
    ),
    "a gradient with NaN": (
        lambda: F.gradient_check(START, GRADS | {"db3": [[np.nan]]}, cost),
        "grads['db3'] holds NaN or infinity, first at grads['db3'][0, 0]. If it comes "
        "from training, lower learning_rate; else remove or replace such values.",
    ),
    "a cost that draws": (
        lambda: F.gradient_check(START, GRADS, lambda it: DRAWS.rand()),
        "cost returned two values for the same parameters. If it uses dropout, fix the "
        "mask or the seed.",
    ),
    "a cost for each sample": (
        lambda: F.gradient_check(START, GRADS, lambda it: [1.0, 2.0]),
        "cost must return a finite number. It returned [1.0, 2.0].",
    ),
    "a cost that is infinite": (
        lambda: F.gradient_check(START, GRADS, lambda it: np.inf),
        "cost must return a finite number. It returned inf.",
    ),
    "a cost that returns nothing": (
        lambda: F.gradient_check(START, GRADS, lambda it: None),
        "cost must return a finite number. It returned None.",
    ),
}


@pytest.mark.parametrize(("call", "message"), BAD_CALLS.values(), ids=BAD_CALLS)
def test_a_mistake_is_explained(call, message):
    with raises(message):
        call()
