"""Component objects survive skops, pickle and copies, alone and in a network."""

import copy
import io
import pickle

import joblib
import numpy as np
import pytest
import skops.io
from sklearn.base import clone

from sklearn_deepnet import DeepNetClassifier, DeepNetRegressor
from sklearn_deepnet.nn.activations import ACTIVATIONS, Activation
from sklearn_deepnet.nn.initializers import INITIALIZERS, Initializer
from sklearn_deepnet.nn.losses import LOSSES, focal, huber, quantile
from sklearn_deepnet.nn.numeric_features import NUMERIC_FEATURES
from sklearn_deepnet.nn.optimizers import OPTIMIZERS, SOLVERS, Adam
from sklearn_deepnet.nn.schedules import SCHEDULES, Custom, Step
from sklearn_deepnet.persistence import TRUSTED_TYPES
from tests.helpers import iris

X, y = iris()
REQUIRED = {"step": {"every": 2}}


def own_std(n_out, n_in):
    return 0.5


def own_draw(rng, shape):
    return rng.randn(*shape)


def own_factor(epoch):
    return 1.0 / (1 + epoch)


def own_forward(z, a):
    np.maximum(z, 0, out=a)


def own_backward(grad, z, a):
    grad *= a > 0


class Gain(Initializer):
    def __init__(self, gain):
        super().__init__(own_std, own_draw, scale=gain)


@lambda std: Initializer(std, own_draw)
def decorated(n_out, n_in):
    return 0.25


def made(table, **settings):
    return {name: make(**settings.get(name, {})) for name, make in table.items()}


TABLES = {
    "init": INITIALIZERS,
    "activation": ACTIVATIONS,
    "loss": LOSSES,
    "solver": made(OPTIMIZERS | SOLVERS),
    "schedule": made(SCHEDULES, **REQUIRED),
    "numeric_features": made(NUMERIC_FEATURES),
}
WITH_SETTINGS = {
    "init": [[INITIALIZERS["he"], "xavier"]],
    "activation": [[ACTIVATIONS["gelu"]]],
    "loss": [focal(3.0), huber(2.0), quantile(0.25), quantile([0.1, 0.9])],
    "solver": [Adam(beta1=0.8)],
    "schedule": [Step(every=1, factor=0.5)],
}
OF_USERS = {
    "init": [Initializer(own_std, own_draw, scale=2.0), Gain(3.0), decorated],
    "activation": [Activation("own", own_forward, own_backward, overwrites_z=True)],
    "schedule": [Custom(own_factor)],
}
CASES = [(it, value) for it, table in TABLES.items() for value in table.values()]
CASES += [(it, value) for it, values in WITH_SETTINGS.items() for value in values]
CASES_OF_USERS = [(it, value) for it, values in OF_USERS.items() for value in values]


def by_skops(value):
    data = skops.io.dumps(value)
    asked = {*skops.io.get_untrusted_types(data=data)}
    own = {name for name in asked if name.startswith("tests.")}
    return skops.io.loads(data, trusted=[*TRUSTED_TYPES, *own])


def by_joblib(value):
    file = io.BytesIO()
    joblib.dump(value, file)
    file.seek(0)
    return joblib.load(file)


def by_pickle(value):
    return pickle.loads(pickle.dumps(value))


WAYS = [by_skops, by_pickle, by_joblib, copy.copy, copy.deepcopy]
ways = pytest.mark.parametrize("way", WAYS, ids=lambda it: it.__name__)


def network(parameter, value):
    is_of_numbers = parameter == "loss" and not (value.logistic or value.softmax)
    cls = DeepNetRegressor if is_of_numbers else DeepNetClassifier
    return cls((4,), n_iter=2, tol=None, random_state=0, **{parameter: value})


def parts(value):
    """Return what makes an initializer of a user, which is copied by value."""
    is_initializer = isinstance(value, Initializer)
    return (value.std, value.draw, value.scale) if is_initializer else value


@ways
@pytest.mark.parametrize(("parameter", "value"), CASES)
def test_a_component_equals_its_copy(parameter, value, way):
    found = way(value)
    assert found == value
    assert type(found) is type(value)


@ways
@pytest.mark.parametrize(("parameter", "value"), CASES_OF_USERS)
def test_a_component_of_a_user_equals_its_copy(parameter, value, way):
    found = way(value)
    assert parts(found) == parts(value)
    assert type(found) is type(value)


@ways
@pytest.mark.parametrize(("parameter", "value"), CASES + CASES_OF_USERS)
def test_a_network_with_the_component_fits_like_its_copy(parameter, value, way):
    fitted = network(parameter, value).fit(X, y)
    for found in (way(fitted), clone(way(fitted)), way(clone(fitted))):
        assert found.fit(X, y).loss_curve_ == fitted.loss_curve_
        np.testing.assert_array_equal(found._params, fitted._params)


@pytest.mark.parametrize(("parameter", "value"), CASES)
def test_skops_asks_for_no_other_types(parameter, value):
    data = skops.io.dumps(network(parameter, value).fit(X, y))
    assert {*skops.io.get_untrusted_types(data=data)} <= {*TRUSTED_TYPES}


@ways
def test_initializers_are_copied_by_reference(way):
    for value in INITIALIZERS.values():
        assert way(value) is value
