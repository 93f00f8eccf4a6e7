"""Activations agree with their formulas, and backward with the slope of forward."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import erfc

from sklearn_deepnet.nn import activations
from sklearn_deepnet.nn.activations import ACTIVATIONS

# Klambauer et al. 2017, eq. 14
_TAIL = erfc(np.sqrt(0.5)) * np.sqrt(np.e)
SELU_ALPHA = np.sqrt(2 / np.pi) / (1 - _TAIL)
SELU_LAMBDA = (
    (1 - _TAIL)
    * np.sqrt(2 * np.pi)
    / np.sqrt(
        2 * erfc(np.sqrt(2)) * np.e**2
        + np.pi * _TAIL**2
        - 2 * (2 + np.pi) * _TAIL
        + np.pi
        + 2
    )
)

FORMULAS = {
    "relu": lambda z: np.where(z > 0, z, 0),
    "tanh": lambda z: np.sinh(z) / np.cosh(z),
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "logistic": lambda z: np.exp(z) / (1 + np.exp(z)),
    "identity": lambda z: z,
    "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "elu": lambda z: np.where(z > 0, z, np.exp(z) - 1),
    "selu": lambda z: SELU_LAMBDA * np.where(z > 0, z, SELU_ALPHA * (np.exp(z) - 1)),
    "softplus": lambda z: np.log(1 + np.exp(z)),
    "gelu": lambda z: z * erfc(-z / np.sqrt(2)) / 2,
    "silu": lambda z: z / (1 + np.exp(-z)),
}
# Slope at zero, from the left, where left and right differ.
SLOPE_AT_ZERO = {"relu": 0.0, "leaky_relu": 0.01, "selu": SELU_LAMBDA * SELU_ALPHA}

Z = np.concatenate([np.linspace(-50, 50, 201), np.linspace(-6, 6, 241), [0.0]])


def apply(activation, z):
    """Return f(z) and f'(z), computed in place as in a network."""
    z = z.copy()
    a = z if activation.overwrites_z else np.full_like(z, np.nan)
    activation.forward(z, a)
    value, grad = a.copy(), np.full_like(z, -2.0)
    activation.backward(grad, z, a)
    return value, grad / -2


def test_every_activation_has_its_formula():
    assert FORMULAS.keys() == ACTIVATIONS.keys()


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize(
    ("dtype", "rtol", "atol"), [(np.float64, 1e-13, 1e-15), (np.float32, 2e-6, 1e-7)]
)
def test_forward_is_the_formula(name, dtype, rtol, atol):
    z = Z.astype(dtype)
    value, _ = apply(ACTIVATIONS[name], z)
    assert_allclose(value, FORMULAS[name](z.astype(float)), rtol, atol)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize(("dtype", "atol"), [(np.float64, 1e-8), (np.float32, 1e-6)])
def test_backward_is_the_slope_of_the_formula(name, dtype, atol):
    z = Z[Z != 0].astype(dtype)
    _, slope = apply(ACTIVATIONS[name], z)
    formula, z, h = FORMULAS[name], z.astype(float), 1e-5
    left, right = formula(z) - formula(z - h), formula(z + h) - formula(z)
    smooth = np.abs(left - right) < 1e-2 * h  # no kink at z, as clipping has
    assert np.sum(~smooth) <= 4
    assert_allclose(slope[smooth], ((left + right) / (2 * h))[smooth], 1e-8, atol)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_backward_at_zero_is_the_slope_from_the_left(name, dtype):
    _, slope = apply(ACTIVATIONS[name], np.zeros(1, dtype))
    formula, h = FORMULAS[name], 1e-5
    central = (formula(h) - formula(-h)) / (2 * h)
    assert_allclose(slope, SLOPE_AT_ZERO.get(name, central), rtol=1e-5)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_activation_is_a_straight_line_for_large_inputs(name, dtype):
    z = np.array([[50, -50], [1000, -1000]], dtype)
    value, slope = apply(ACTIVATIONS[name], z)  # floating-point errors raise
    assert_allclose(slope[1], slope[0], atol=1e-6)
    line = value[0] + slope[0] * (z[1] - z[0])
    assert_allclose(value[1], line, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_forward_of_nan_is_nan(name):
    with np.errstate(invalid="ignore"):
        value, _ = apply(ACTIVATIONS[name], np.array([np.nan]))
    assert_array_equal(value, [np.nan])


def test_logistic_is_another_name_of_sigmoid():
    assert ACTIVATIONS["logistic"] is ACTIVATIONS["sigmoid"]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_is_named_as_in_the_table(name):
    assert repr(ACTIVATIONS[name]) == name.replace("logistic", "sigmoid")
    assert getattr(activations, name) is ACTIVATIONS[name]
