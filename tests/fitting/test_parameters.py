"""How a net begins, and parameters that may be objects of your own."""

from itertools import pairwise

import numpy as np
import pytest
from sklearn.base import clone

from sklearn_deepnet._fitting.parameters import resolve_random_state
from sklearn_deepnet.nn.activations import ACTIVATIONS, Activation, relu
from sklearn_deepnet.nn.initializers import he
from sklearn_deepnet.nn.losses import (
    Loss,
    binary_cross_entropy,
    cross_entropy,
    squared_error,
)
from sklearn_deepnet.nn.optimizers import OPTIMIZERS, SGD, Adam, Momentum, RMSprop
from tests.helpers import (
    assert_same_training,
    cancer,
    digits,
    network_factory,
    raises,
    wine,
)

net = network_factory(
    "hidden_layer_sizes", hidden_layer_sizes=(12, 8), n_iter=5, learning_rate=0.01
)


def arrays_of(fitted):
    pairs = zip(fitted.coefs_, fitted.intercepts_, strict=True)
    return [array for pair in pairs for array in pair]


# ---- how to begin


def drawn(layer_sizes, factors):
    rng = np.random.RandomState(0)
    return [
        rng.randn(n_out, n_in).T * factor(n_in, n_out)
        for (n_in, n_out), factor in zip(pairwise(layer_sizes), factors, strict=True)
    ]


@pytest.mark.parametrize("init_scale", [None, 0.5])
def test_every_layer_may_have_its_own_init(init_scale):
    def tenths(shape, rng):
        return rng.randn(*shape) / 10

    X, y = digits()
    init = ["random", he, tenths, "lecun"]
    parameters = {"init": init, "init_scale": init_scale, "bias_init": "zeros"}
    parameters |= {"input_scaling": None}  # else weights of constant pixels are zero
    fitted = net((9, 8, 7), n_iter=0, **parameters).fit(X, y)
    own, scale = (0.01, 1.0) if init_scale is None else (0.5, 0.5)
    factors = [
        lambda n_in, n_out: own,
        lambda n_in, n_out: scale * np.sqrt(2 / n_in),
        lambda n_in, n_out: scale / 10,
        lambda n_in, n_out: scale / np.sqrt(n_in),
    ]
    expected = drawn([64, 9, 8, 7, 10], factors)
    for W, W_expected in zip(fitted.coefs_, expected, strict=True):
        np.testing.assert_allclose(W, W_expected, rtol=1e-14)
    for b in fitted.intercepts_:
        assert not b.any()


@pytest.mark.parametrize("data", [cancer, digits])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_arrays_of_another_net_reproduce_it(data, dtype):
    X, y = data()
    parameters = {"dtype": dtype, "input_scaling": None}
    fitted = net(**parameters).fit(X, y)
    same = net(init=arrays_of(fitted), n_iter=0, random_state=9, **parameters)
    np.testing.assert_array_equal(
        same.fit(X, y).decision_function(X), fitted.decision_function(X)
    )
    same.set_params(n_iter=5).fit(X, y)
    again = net(**parameters).fit(X, y)
    for array, expected in zip(arrays_of(fitted), arrays_of(again), strict=True):
        np.testing.assert_array_equal(array, expected)  # was not trained in place


# ---- batches


@pytest.mark.parametrize(("n_rows", "as_number"), [(450, 200), (150, 150), (150, 999)])
def test_auto_is_200_rows_or_all(n_rows, as_number):
    X, y = cancer()
    auto = net().fit(X[:n_rows], y[:n_rows])
    given = net(batch_size=as_number).fit(X[:n_rows], y[:n_rows])
    assert auto.loss_curve_ == given.loss_curve_
    one_less = net(batch_size=min(as_number, n_rows) - 1).fit(X[:n_rows], y[:n_rows])
    assert auto.loss_curve_ != one_less.loss_curve_


@pytest.mark.parametrize("shuffle", [False, True])
def test_no_batch_size_is_all_rows(shuffle):
    X, y = digits()
    whole = net(batch_size=None, shuffle=shuffle).fit(X, y)
    given = net(batch_size=len(X), shuffle=not shuffle).fit(X, y)
    assert whole.loss_curve_ == given.loss_curve_


# ---- parameters that are objects


def test_an_activation_may_be_named_or_given():
    X, y = digits()
    named = net((9, 8, 7), activation=["tanh", "relu", "gelu"]).fit(X, y)
    given = net((9, 8, 7), activation=("tanh", relu, "gelu")).fit(X, y)
    np.testing.assert_array_equal(given.coefs_[0], named.coefs_[0])


def test_an_unknown_activation_is_an_error_without_hidden_layers():
    X, y = digits()
    with raises(
        f"activation must be one of {sorted(ACTIVATIONS)}. Got 'rely' instead. Did you "
        "mean 'relu'?"
    ):
        net((), activation="rely").fit(X, y)


def test_an_optimizer_may_have_its_own_settings():
    X, y = cancer()
    defaults = {name: net(solver=name).fit(X, y).loss_curve_ for name in OPTIMIZERS}
    assert net(solver=Adam()).fit(X, y).loss_curve_ == defaults["adam"]
    other = [Adam(beta1=0.8), Momentum(momentum=0.5), RMSprop(rho=0.99)]
    curves = [net(solver=optimizer).fit(X, y).loss_curve_ for optimizer in other]
    n_different = len({tuple(curve) for curve in [*defaults.values(), *curves]})
    assert n_different == len(OPTIMIZERS) + len(other)
    still = net(solver=Momentum(momentum=0.0), batch_size=None).fit(X, y)
    plain = net(solver=SGD(), batch_size=None).fit(X, y)
    np.testing.assert_allclose(still.coefs_[0], plain.coefs_[0], rtol=1e-12)


def test_a_loss_may_be_your_own():
    def twice(logits, target, scratch):
        values = binary_cross_entropy(logits, target, scratch)
        np.multiply(logits, 2, out=logits)
        np.multiply(values, 2, out=values)
        return values

    X, y = cancer()
    ours = net(solver="sgd", learning_rate=0.1, alpha=0)
    double = clone(ours).set_params(loss=Loss("twice", twice), learning_rate=0.05)
    ours.fit(X, y)
    double.fit(X, y)
    np.testing.assert_allclose(double.coefs_[0], ours.coefs_[0], rtol=1e-12)
    np.testing.assert_allclose(double.loss_curve_, 2 * np.array(ours.loss_curve_))


def test_a_loss_is_asked_for_the_kind_of_output():
    both = Loss("both", logistic=binary_cross_entropy, softmax=cross_entropy)
    for X, y in (cancer(), digits()):
        for component, name in ((both, "log_loss"), (squared_error, "squared_error")):
            curve = net(loss=component).fit(X, y).loss_curve_
            assert curve == net(loss=name).fit(X, y).loss_curve_


@pytest.mark.filterwarnings("ignore:init_scale and bias_init are ignored")
def test_an_unknown_bias_init_is_an_error_beside_arrays():
    X, y = wine()
    arrays = [np.ones((13, 3)), np.zeros(3)]
    message = (
        "bias_init must be one of ['random', 'uniform', 'zeros']. Got 'zero' instead. "
        "Did you mean 'zeros'?"
    )
    with raises(message):
        net((), init=arrays, bias_init="zero", input_scaling=None).fit(X, y)


def test_an_activation_may_be_your_own():
    def square(z, a):
        np.multiply(z, z, out=a)

    def square_backward(grad, z, a):
        np.multiply(grad, z, out=grad)
        np.multiply(grad, 2, out=grad)

    X, y = cancer()
    component = Activation("square", square, square_backward, overwrites_z=False)
    fitted = net((6,), activation=component, n_iter=50).fit(X, y)
    W1, b1, W2, b2 = arrays_of(fitted)
    expected = ((X @ W1 + b1) ** 2 @ W2 + b2)[:, 0]
    np.testing.assert_allclose(fitted.decision_function(X), expected, atol=1e-10)
    assert fitted.score(X, y) > 0.95


# ---- what is checked


@pytest.mark.parametrize(
    ("name", "valid", "equal"),
    [
        ("n_iter", 1, 1.0),
        ("n_iter", 0, -0.0),
        ("batch_size", 1, 1.0),
        ("shuffle", True, 1.0),
        ("early_stopping", False, 0.0),
    ],
)
def test_a_value_that_is_equal_to_a_valid_one_is_checked(name, valid, equal):
    X, y = (array[:40] for array in cancer())
    net(**{"n_iter": 1, name: valid}).fit(X, y)
    for _ in range(2):
        with pytest.raises(ValueError, match=f"The '{name}' parameter"):
            net(**{"n_iter": 1, name: equal}).fit(X, y)


@pytest.mark.parametrize("seed", [0, 5, np.int64(7), 2**32 - 1])
def test_a_seed_gives_the_generator_of_numpy(seed):
    ours, theirs = resolve_random_state(seed), np.random.RandomState(seed)
    np.testing.assert_array_equal(ours.randn(101), theirs.randn(101))
    assert str(ours.get_state()) == str(theirs.get_state())


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("infinity", [np.inf, np.float64(np.inf)])
def test_infinite_patience_never_ends_training(early_stopping, solver, infinity):
    X, y = (array[:60] for array in cancer())
    settings = {"n_iter": 150, "early_stopping": early_stopping, "solver": solver}
    settings["learning_rate"] = 0.001
    fitted = net(**settings, tol=1.0, n_iter_no_change=infinity).fit(X, y)
    assert fitted.n_iter_ == 150
    assert_same_training(fitted, net(**settings, tol=None).fit(X, y))
