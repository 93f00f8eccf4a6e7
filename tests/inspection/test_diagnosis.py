"""`diagnose` finds each fault where it was planted, and no others."""

import copy
import warnings

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_array_equal, assert_equal
from sklearn.base import clone
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_wine,
    make_circles,
)
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import d2_tweedie_score, log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

from sklearn_deepnet import (
    DeepNetClassifier,
    DeepNetRegressor,
    DivergenceWarning,
    diagnose,
)
from sklearn_deepnet.inspection import Diagnosis
from sklearn_deepnet.inspection.rules import RULES
from sklearn_deepnet.nn import functional as F
from tests.helpers import cancer, diabetes, digits, iris, network_factory, raises, wine

X_raw = load_breast_cancer().data
X, y = cancer()
net = network_factory("hidden_layer_sizes", hidden_layer_sizes=(10,), n_iter=30)


def values_of(diagnosis, rule):
    """Return {layer: value} of a rule."""
    name = RULES[rule].name
    return {f.layer: f.value for f in diagnosis.findings if f.name == name}


def faults(diagnosis):
    """Return the rules that are broken, with the layers where they are."""
    names = {rule.name: key for key, rule in RULES.items()}
    return {(names[f.name], f.layer) for f in diagnosis.faults}


def with_weights(change, **parameters):
    """Return a fitted network whose weights were changed."""
    fitted = net(n_iter=0, **parameters).fit(X, y)
    change(fitted)
    return fitted


def assert_same_findings(diagnosis, other):
    for one, two in zip(diagnosis.findings, other.findings, strict=True):
        assert one.value == pytest.approx(two.value, rel=1e-7)
        assert one._replace(value=0) == two._replace(value=0)


# ---- each rule


def test_a_converged_network_has_no_faults():
    fitted = net(n_iter=150, learning_rate=0.01, alpha=10).fit(X, y)
    assert faults(diagnose(fitted, X, y)) == set()


@pytest.mark.parametrize("data", [cancer, iris, wine, digits, diabetes])
def test_well_trained_networks_have_no_faults(data):
    X, y = scale(data()[0]), data()[1]
    parameters = {"learning_rate": 0.003, "early_stopping": True, "n_iter": 1000}
    parameters["n_iter_no_change"] = 10
    if data is diabetes:
        estimator = DeepNetRegressor
    else:
        estimator, parameters["alpha"] = DeepNetClassifier, 1.0
    fitted = estimator((32, 16), random_state=0, **parameters).fit(X, y)
    assert faults(diagnose(fitted, X, y)) == set()


def plant(fault):
    """Return a network with a fault, and the rows that it is fitted to."""
    parameters, rows = PLANTED[fault][0], X
    if "unscaled" in fault:
        rows = X_raw
    if "sparse" in fault:
        rows = scipy.sparse.csr_array(X_raw)
    return net(**({"hidden_layer_sizes": (32, 16)} | parameters)), rows


DEEP = {"hidden_layer_sizes": (16,) * 20, "init": "xavier"}
# The fault that is named first, in which layer, and the whole advice against it.
PLANTED = {
    "zeros": (
        {"init": "zeros", "bias_init": "zeros"},
        ("identical", 1),
        "These units have identical weights and will always receive identical "
        "updates. Set init='he'.",
    ),
    "tiny normal weights": (
        {"init": "random", "init_scale": 1e-4},
        ("signal", None),
        "Hardly any gradient reaches the first layer. Set init='he'.",
    ),
    "he weights, much reduced": (
        {"init": "he", "init_scale": 1e-4},
        ("signal", None),
        "Hardly any gradient reaches the first layer. Raise init_scale (now 0.0001).",
    ),
    "ten times too wide": (
        {"init_scale": 10.0},
        ("first loss", None),
        "The initial network makes confident but wrong predictions. Lower init_scale "
        "(now 10).",
    ),
    "wide arrays": (
        {
            "hidden_layer_sizes": (2,),
            "init": [9 * np.eye(30, 2), np.ones(2), np.full((2, 1), 9.0), np.ones(1)],
            "input_scaling": None,
        },
        ("first loss", None),
        "The initial network makes confident but wrong predictions. Give smaller "
        "initial weights as init.",
    ),
    "unscaled": (
        {"input_scaling": None},
        ("largest input", None),
        "Set input_scaling='standard'.",
    ),
    "unscaled and sparse": (
        {},
        ("largest input", None),
        "Put a MaxAbsScaler before the network, in a pipeline.",
    ),
    "a thousand times too fast": (
        {"learning_rate": 1.0},
        ("first step", 1),
        "Lower learning_rate (now 1).",
    ),
    "a thousand times too slow": (
        {"learning_rate": 1e-6},
        ("first step", 1),
        "Raise learning_rate (now 1e-06).",
    ),
    "penalties": (
        {"alpha": 1e4, "l1": 10.0, "learning_rate": 0.01},
        ("penalty", None),
        "The penalty keeps the weights close to zero. Lower alpha (now 10000) and l1 "
        "(now 10).",
    ),
    "twenty sigmoid layers": (
        DEEP | {"activation": "sigmoid"},
        ("gradient", 1),
        "The gradient vanishes towards the first layer. Set activation='relu' or use "
        "fewer hidden layers (now 20).",
    ),
    "saturated": (
        {
            "hidden_layer_sizes": (9,),
            "activation": "tanh",
            "init": [lambda shape, rng: 20 * rng.randn(*shape), "xavier"],
            "n_iter": 0,
        },
        ("saturated", 1),
        "The gradients of saturated units are close to zero. Give smaller initial "
        "weights as init or lower learning_rate (now 0.001).",
    ),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_the_planted_fault_is_named_first(fault):
    (network, rows), (_, expected, advice) = plant(fault), PLANTED[fault]
    first = diagnose(network.fit(rows, y), rows, y).faults[0]
    names = {rule.name: key for key, rule in RULES.items()}
    assert (names[first.name], first.layer) == expected
    assert first.advice == advice


@pytest.mark.parametrize("fault", PLANTED)
def test_no_advice_is_taken_already(fault):
    network, rows = plant(fault)
    advice = " ".join(f.advice for f in diagnose(network.fit(rows, y), rows, y).faults)
    defaults = {"init": "he", "activation": "relu", "input_scaling": "auto"}
    given = {k: getattr(network, k) for k in defaults}
    for name, value in given.items():
        assert f"{name}={value!r}" not in advice
    if given["input_scaling"] == "auto":
        assert "input_scaling" not in advice
    if "sparse" not in fault:
        assert "Scaler" not in advice


def test_faults_are_listed_from_causes_to_effects():
    order = [rule.name for rule in RULES.values()]
    for fault in PLANTED:
        network, rows = plant(fault)
        found = [
            order.index(f.name)
            for f in diagnose(network.fit(rows, y), rows, y).findings
        ]
        last_of_layers = order.index(RULES["gradient"].name)
        in_layers = order.index(RULES["dead"].name)
        grouped = [in_layers if in_layers <= k <= last_of_layers else k for k in found]
        assert grouped == sorted(grouped)


# ---- rows that are not those of the training set


def halves(data):
    X, y = data
    order = np.random.RandomState(0).permutation(len(y))
    train, val = order[::2], order[1::2]
    return X[train], y[train], X[val], y[val]


DATA = {
    "wine": (DeepNetClassifier, load_wine),
    "cancer": (DeepNetClassifier, load_breast_cancer),
    "digits": (DeepNetClassifier, load_digits),
    "iris": (DeepNetClassifier, load_iris),
    "diabetes": (DeepNetRegressor, load_diabetes),
}


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("n_rows", [5, 30, None])
@pytest.mark.parametrize("kind", ["standard", "robust"])
def test_validation_rows_in_the_same_units_are_not_far(name, n_rows, kind):
    estimator, load = DATA[name]
    X, y, X_val, y_val = halves(load(return_X_y=True))
    fitted = estimator((9,), input_scaling=kind, n_iter=5, tol=None).fit(X, y)
    found = diagnose(fitted, X_val[:n_rows], y_val[:n_rows])
    assert not {kind for kind, _ in faults(found)} & {"far inputs", "far targets"}


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("kind", ["standard", "robust"])
@pytest.mark.parametrize("is_raw", [True, False])
def test_validation_rows_in_other_units_are_the_first_fault(name, kind, is_raw):
    estimator, load = DATA[name]
    X, y, X_val, y_val = halves(load(return_X_y=True))
    scaler = StandardScaler().fit(X)
    if is_raw:
        X = scaler.transform(X)
    else:
        X_val = scaler.transform(X_val)
    fitted = estimator((9,), input_scaling=kind, n_iter=5, tol=None).fit(X, y)
    first = diagnose(fitted, X_val, y_val).faults[0]
    assert first.name == RULES["far inputs"].name
    assert first.advice == (
        "The network was fitted to data in other units. Give X in the units of the "
        "training data."
    )


def test_targets_in_other_units_are_a_fault():
    X, y = diabetes()
    fitted = DeepNetRegressor((9,), n_iter=5, tol=None).fit(X, y)
    assert ("far targets", None) not in faults(diagnose(fitted, X[:40], y[:40]))
    for others in (y / 100, 100 * y, scale(y)):
        assert ("far targets", None) in faults(diagnose(fitted, X, others))


def test_initial_weights_are_those_of_the_fit_whatever_the_rows():
    constant = np.column_stack([X, np.full(len(X), 7.0)])
    others = constant.copy()
    others[:, -1] = np.arange(len(X))
    found = diagnose(net(n_iter=0).fit(constant, y), others, y)
    assert values_of(found, "first loss") == values_of(found, "constant")

    targets = np.column_stack([X[:, 0], np.full(len(X), 7.0)])
    fitted = DeepNetRegressor((9,), n_iter=0, random_state=0).fit(X[:, 1:], targets)
    found = diagnose(fitted, X[:, 1:], targets + X[:, 1:3])
    assert values_of(found, "first loss") == values_of(found, "constant")


@pytest.mark.parametrize("kind", ["standard", "robust"])
def test_far_is_three_standard_deviations(kind):
    X = np.random.RandomState(0).randn(1000, 5)
    fitted = net(input_scaling=kind, n_iter=1).fit(X, X[:, 0] > 0)
    for shift, share in ((2.7, 0), (3.5, 1)):
        found = diagnose(fitted, X + shift, X[:, 0] > 0)
        assert values_of(found, "far inputs") == {None: share}


def test_what_follows_from_other_units_refers_to_the_first_fault():
    fitted = net().fit(X_raw, y)
    _, *others = diagnose(fitted, 1000 * X_raw, y).faults
    advice = {f.name: f.advice for f in others}
    assert advice[RULES["largest input"].name] == (
        "Give X in the units of the training data."
    )
    assert advice[RULES["first loss"].name] == (
        "The initial network makes confident but wrong predictions. Correct the first "
        "fault, then check again."
    )
    assert advice[RULES["falling"].name] == (
        "The network is still learning. Raise n_iter (now 30) or raise learning_rate "
        "(now 0.001)."
    )


def test_a_penalty_is_no_fault_of_a_network_that_has_learned():
    fitted = net(alpha=5.0, learning_rate=0.01).fit(X, y)
    found = diagnose(fitted, X[:30], y[:30])
    assert values_of(found, "penalty") == {None: pytest.approx(5 / 30)}
    assert ("penalty", None) not in faults(found)


@pytest.mark.parametrize("unit", [1e-4, 1e3])
def test_targets_that_are_not_scaled_are_the_first_fault(unit):
    X, y = diabetes()
    fitted = DeepNetRegressor((9,), target_scaling=None, n_iter=9, tol=None)
    first = diagnose(fitted.fit(X, y * unit), X, y * unit).faults[0]
    assert first.name == RULES["largest target"].name
    assert first.value == pytest.approx(np.sqrt(np.mean(np.square(y * unit))))
    assert first.advice == (
        "Initial outputs are of size one. Set target_scaling='standard'."
    )


def test_rows_of_one_class_are_not_compared_with_a_constant():
    fitted = net().fit(X, y)
    rows = np.flatnonzero(y == 0)[:20]
    found = diagnose(fitted, X[rows], y[rows])
    assert values_of(found, "constant") == {None: 0}
    assert values_of(found, "first loss") == {None: 0}


def test_one_row_is_no_sign_of_dead_units():
    fitted = net().fit(X, y)
    assert values_of(diagnose(fitted, X[:1], y[:1]), "dead") == {}


def test_a_large_dropout_is_named_where_the_loss_rises():
    fitted = net((20, 20), dropout=0.95, n_iter=60).fit(X, y)
    (fault,) = (f for f in diagnose(fitted, X, y).faults if "rose" in f.name)
    assert fault.advice.startswith("Lower dropout (now 0.95), lower learning_rate")


def test_statistics_are_those_of_the_fit():
    X, y, X_val, y_val = halves((X_raw, cancer()[1]))
    fitted = net().fit(X, y)
    found = diagnose(fitted, X_val, y_val)
    Z = (X_val - X.mean(axis=0)) / X.std(axis=0)
    rms = np.sqrt(np.max(np.mean(Z**2, axis=0)))
    assert values_of(found, "largest input") == {None: pytest.approx(rms)}
    p = y_val.mean()
    constant = -p * np.log(p) - (1 - p) * np.log(1 - p)
    loss = log_loss(y_val, fitted.predict_proba(X_val))
    expected = pytest.approx(loss / constant, rel=1e-5)
    assert values_of(found, "constant") == {None: expected}


def test_loss_of_a_regressor_is_in_units_of_its_fit():
    X, y = diabetes()
    fitted = DeepNetRegressor((9,), n_iter=5, tol=None).fit(X[:300], y[:300])
    X_val, y_val = X[300:], y[300:]
    r2 = fitted.score(X_val, y_val)
    value = values_of(diagnose(fitted, X_val, y_val), "constant")[None]
    assert value == pytest.approx(1 - r2)


def test_validation_rows_may_lack_a_class():
    X, y = iris()
    fitted = net().fit(X, y)
    found = diagnose(fitted, X[:60], y[:60])
    assert ("far inputs", None) not in faults(found)
    found = diagnose(fitted, X[:3], y[:3])
    assert np.isfinite(values_of(found, "largest input")[None])


def test_columns_that_were_constant_in_training_are_left_out():
    constant = np.column_stack([X, np.full(len(X), 7.0)])
    fitted = net().fit(constant, y)
    others = constant.copy()
    others[:, -1] = np.arange(len(X)) * 1e6
    found, expected = (diagnose(fitted, rows, y) for rows in (others, constant))
    for rule in ("far inputs", "largest input", "spread of inputs", "dead", "constant"):
        assert values_of(found, rule) == pytest.approx(values_of(expected, rule))


def test_units_of_zero_weights_are_identical_without_gradients():
    X, y = make_circles(300, noise=0.05, random_state=1)
    fitted = net((10, 5), init="zeros", bias_init="zeros").fit(X, y)
    found = diagnose(fitted, X, y)
    assert values_of(found, "identical") == {1: 0.9, 2: 0.8}
    assert values_of(found, "gradient") == {1: 0, 2: 0}
    assert values_of(found, "constant")[None] == pytest.approx(1, rel=1e-4)
    kinds = ("identical", "gradient", "dead")
    expected = {(kind, layer) for kind in kinds for layer in (1, 2)}
    assert faults(found) == expected | {("constant", None), ("signal", None)}


@pytest.mark.parametrize(("n_dead", "is_fault"), [(0, False), (2, False), (3, True)])
def test_dead_units_are_counted(n_dead, is_fault):
    def kill(fitted):
        fitted.intercepts_[0][:n_dead] = -1e3  # so low that z < 0 for every row

    found = diagnose(with_weights(kill), X, y)
    assert values_of(found, "dead") == {1: pytest.approx(n_dead / 10)}
    assert (("dead", 1) in faults(found)) == is_fault


def test_a_unit_with_the_same_output_for_all_rows_is_dead():
    def stick(fitted):
        fitted.coefs_[0][:, 3] = 0
        fitted.intercepts_[0][3] = 0.5

    found = diagnose(with_weights(stick, activation="tanh"), X, y)
    assert values_of(found, "dead") == {1: pytest.approx(0.1)}


def test_units_are_identical_if_incoming_and_outgoing_weights_are():
    def equal_inputs(fitted):
        fitted.coefs_[0][:, 1] = fitted.coefs_[0][:, 0]
        fitted.intercepts_[0][1] = fitted.intercepts_[0][0]

    def equal_inputs_and_outputs(fitted):
        equal_inputs(fitted)
        fitted.coefs_[1][1] = fitted.coefs_[1][0]

    assert values_of(diagnose(with_weights(equal_inputs), X, y), "identical") == {1: 0}
    found = diagnose(with_weights(equal_inputs_and_outputs), X, y)
    assert values_of(found, "identical") == {1: pytest.approx(0.1)}
    assert ("identical", 1) in faults(found)


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
@pytest.mark.parametrize(("init_scale", "is_fault"), [(1, False), (50, True)])
def test_saturated_activations_are_counted(activation, init_scale, is_fault):
    unfitted = net(activation=activation, init_scale=init_scale)
    found = diagnose(unfitted, X, y)
    a = clone(unfitted).set_params(n_iter=0).fit(X, y).hidden_activations(X)
    slopes = 1 - a**2 if activation == "tanh" else 4 * a * (1 - a)
    share = np.mean(slopes < 1 - 0.97**2)
    assert values_of(found, "saturated") == {1: pytest.approx(share)}
    assert (("saturated", 1) in faults(found)) == is_fault


@pytest.mark.parametrize(
    ("hidden", "activation", "init_scale", "advice"),
    [
        ((8,) * 3, "relu", 1.0, None),
        (
            (8,) * 12,
            "sigmoid",
            1.0,
            "The gradient vanishes towards the first layer. Set activation='relu' or "
            "use fewer hidden layers (now 12).",
        ),
        (
            (8,) * 6,
            "identity",
            5.0,
            "The gradient explodes towards the first layer. Lower init_scale (now 5) "
            "or set clip_norm=1.",
        ),
    ],
)
def test_gradients_are_compared_with_the_last_layers(
    hidden, activation, init_scale, advice
):
    parameters = {"activation": activation, "init_scale": init_scale, "init": "xavier"}
    found = diagnose(net(hidden, **parameters, bias_init="zeros"), X, y)
    sizes = [30, *hidden, 1]
    names = [activation] * len(hidden) + ["sigmoid"]
    layers = [
        {"input_dim": a, "output_dim": b, "activation": name}
        for a, b, name in zip(sizes[:-1], sizes[1:], names, strict=True)
    ]
    drawn = {"init": "xavier", "init_scale": init_scale, "random_state": 0}
    _, caches = F.forward_propagation(
        X.T, F.initialize_parameters(layers, **drawn), layers
    )
    grads = F.backward_propagation(y[np.newaxis], caches)
    slopes = {
        "relu": lambda Z: Z > 0,
        "identity": np.ones_like,
        "sigmoid": lambda Z: np.exp(-Z) / (1 + np.exp(-Z)) ** 2,
    }
    AL, _ = F.activation_forward(
        caches[-1].A_prev, caches[-1].W, caches[-1].b, "sigmoid"
    )
    last = np.sqrt(np.mean(((AL - y) / len(y)) ** 2))
    values = values_of(found, "gradient")
    for number in range(1, len(sizes) - 1):
        dZ = grads[f"dA{number}"] * slopes[activation](caches[number - 1].Z)
        expected = np.sqrt(np.mean(dZ**2)) / last
        assert values[number] == pytest.approx(expected, rel=1e-6)
    given = {f.advice for f in found.faults if f.name == RULES["gradient"].name}
    assert given == ({advice} if advice else set())


@pytest.mark.parametrize("form", [np.array, scipy.sparse.csr_array])
def test_inputs_are_checked_as_they_come_without_scaling(form):
    found = diagnose(net(input_scaling=None), form(X_raw), y)
    rms = np.sqrt(np.max(np.mean(X_raw**2, axis=0)))
    assert values_of(found, "largest input") == {None: pytest.approx(rms)}
    std = X_raw.std(axis=0)
    assert values_of(found, "spread of inputs") == {
        None: pytest.approx(max(std) / min(std))
    }
    assert {("largest input", None), ("spread of inputs", None)} <= faults(found)


def test_inputs_are_checked_as_they_are_scaled():
    found = diagnose(net(), X_raw, y)
    assert values_of(found, "largest input") == {None: pytest.approx(1)}
    assert values_of(found, "spread of inputs") == {None: pytest.approx(1)}


def test_small_inputs_are_a_fault_if_they_are_dense():
    small = net(input_scaling=None)
    assert ("largest input", None) in faults(diagnose(small, X / 50, y))
    sparse = scipy.sparse.csr_array(X / 50)
    assert ("largest input", None) not in faults(diagnose(small, sparse, y))


@pytest.mark.parametrize("init_scale", [1.0, 30.0])
def test_first_loss_is_compared_with_that_of_the_best_constant(init_scale):
    found = diagnose(net(init_scale=init_scale), X, y)
    start = net(init_scale=init_scale, n_iter=0).fit(X, y)
    loss = -np.mean(start.predict_log_proba(X)[np.arange(len(y)), y])
    p = y.mean()
    constant = -p * np.log(p) - (1 - p) * np.log(1 - p)
    expected = pytest.approx(loss / constant, rel=1e-5)
    assert values_of(found, "first loss") == {None: expected}
    fitted = net(init_scale=init_scale).fit(X, y)
    assert values_of(diagnose(fitted, X, y), "first loss") == {None: expected}
    assert (("first loss", None) in faults(found)) == (init_scale == 30)


@pytest.mark.parametrize("solver", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("learning_rate", [1e-9, 1e-2, 3e2])
def test_first_step_is_that_of_a_fit(solver, learning_rate):
    parameters = {"solver": solver, "learning_rate": learning_rate}
    parameters["input_scaling"] = None  # the statistics of 200 rows are others
    found = diagnose(net(**parameters), X, y)
    start = net(**parameters, n_iter=0).fit(X[:200], y[:200])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DivergenceWarning)
        usual = {"n_iter": 1, "batch_size": None, "warm_start": True}
        step = net(**parameters, **usual).fit(X[:200], y[:200])
    expected = {}
    for number, (W, W_start) in enumerate(
        zip(step.coefs_, start.coefs_, strict=True), start=1
    ):
        ratio = np.linalg.norm(W - W_start) / np.linalg.norm(W_start)
        expected[number] = pytest.approx(ratio, rel=1e-3)
    if step.diverged_:  # then it keeps the weights from before the step
        expected = values_of(found, "first step")
    assert values_of(found, "first step") == expected
    given = {f.advice for f in found.faults if f.name == RULES["first step"].name}
    if learning_rate == 1e-2:
        assert not given
    else:
        change = "Raise" if learning_rate == 1e-9 else "Lower"
        assert given == {f"{change} learning_rate (now {learning_rate:g})."}


def test_first_step_is_at_the_rate_of_the_schedule():
    constant, low = (
        values_of(diagnose(net(solver="sgd", schedule=schedule), X, y), "first step")
        for schedule in ("constant", lambda n_epochs: 0.25)
    )
    for number, ratio in constant.items():
        assert low[number] == pytest.approx(0.25 * ratio)


def test_curves_are_checked():
    with pytest.warns(DivergenceWarning):
        diverged = DeepNetRegressor((5,), solver="sgd", learning_rate=1e3).fit(X, y)
    found = diagnose(diverged, X, y)
    assert values_of(found, "divergence") == {None: diverged.n_iter_}
    assert ("divergence", None) in faults(found)

    options = {"solver": "rmsprop", "learning_rate": 0.3, "batch_size": 10}
    oscillating = net(**options, n_iter=40).fit(X, y)
    losses = np.array(oscillating.loss_curve_)
    rises = np.mean(np.diff(losses) > 0.01 * np.maximum(losses[:-1], loss_at_mean(y)))
    found = diagnose(oscillating, X, y)
    assert values_of(found, "rising") == {None: pytest.approx(rises)}
    assert ("rising", None) in faults(found)


def loss_at_mean(y):
    p = np.mean(y)
    return -p * np.log(p) - (1 - p) * np.log(1 - p)


@pytest.mark.parametrize(("n_iter", "n_last"), [(2, 1), (9, 1), (20, 2)])
def test_the_fall_of_the_loss_is_relative_to_that_of_a_constant(n_iter, n_last):
    learning = net(n_iter=n_iter).fit(X, y)
    losses = learning.loss_curve_
    found = diagnose(learning, X, y)
    fallen = losses[-1 - n_last] - losses[-1]
    relative = fallen / max(losses[-1 - n_last], loss_at_mean(y))
    assert values_of(found, "falling") == {None: pytest.approx(relative)}
    assert ("falling", None) in faults(found)


@pytest.mark.parametrize("data", [wine, digits, cancer])
def test_a_network_that_has_learned_all_has_no_fault(data):
    fitted = DeepNetClassifier(n_iter=200, tol=None, random_state=0).fit(*data())
    assert diagnose(fitted, *data()).faults == []


def test_a_stream_that_still_learns_needs_more_calls_of_partial_fit():
    stream = net(n_iter=200)
    for _ in range(20):
        stream.partial_fit(X, y, classes=[0, 1])
    advice = {f.name: f.advice for f in diagnose(stream, X, y).faults}
    assert advice[RULES["falling"].name] == (
        "The network is still learning. Call partial_fit more often or raise "
        "learning_rate (now 0.001)."
    )


@pytest.mark.parametrize("target_scaling", ["standard", None])
def test_the_ratio_of_a_poisson_loss_is_that_of_deviances(target_scaling):
    rng = np.random.RandomState(0)
    counts = rng.poisson(np.exp(1 + X[:, 0]))
    options = {"target_scaling": target_scaling, "n_iter": 200, "tol": None}
    fitted = DeepNetRegressor((9,), loss="poisson", random_state=0, **options)
    found = diagnose(fitted.fit(X, counts), X, counts)
    explained = d2_tweedie_score(counts, fitted.predict(X), power=1)
    assert values_of(found, "constant") == {None: pytest.approx(1 - explained)}
    assert ("constant", None) not in faults(found)


def test_targets_that_round_to_a_loss_of_zero_are_compared_with_nothing():
    far = 2**63 + np.arange(len(y), dtype=np.uint64)
    new = DeepNetRegressor((3,), n_iter=1, tol=None)
    assert values_of(diagnose(new, X, far), "first loss") == {None: 0}
    fitted = new.fit(X, X[:, 0])
    assert values_of(diagnose(fitted, X, 1e-300 * X[:, 0]), "constant") == {None: 0}


def test_one_column_in_other_units_is_the_first_fault():
    others = X_raw.copy()
    others[:, 3] *= 1000
    found = diagnose(net(n_iter=200).fit(X_raw, y), others, y)
    first, *rest = found.faults
    assert first.name == RULES["largest input"].name
    assert first.advice == "Give X in the units of the training data."
    assert {f.name: f.advice for f in rest}[RULES["constant"].name] == (
        "The predictions for these rows are hardly better than a constant. Correct "
        "the first fault, then check again."
    )


def test_sparse_columns_that_are_rarely_not_zero_are_no_fault():
    counts = np.zeros((1000, 2))
    counts[::2, 0], counts[7, 1] = 20, 1
    labels = np.arange(1000) % 2
    found = diagnose(net(()), scipy.sparse.csr_array(counts), labels)
    assert values_of(found, "spread of inputs")[None] > 300
    assert ("spread of inputs", None) not in faults(found)
    found = diagnose(net(()), scipy.sparse.csr_array(counts * [100, 1]), labels)
    assert ("spread of inputs", None) in faults(found)


def test_rows_that_do_not_follow_the_training_set_need_no_more_learning():
    fitted = net(n_iter=300).fit(X, y)
    (fault,) = diagnose(fitted, X, y[::-1]).faults
    assert fault.advice == (
        "The predictions for these rows are hardly better than a constant. Since the "
        "training loss is low, check that the rows of X and y match or raise alpha "
        "(now 0.0001)."
    )


def test_steps_that_are_clipped_are_too_small():
    found = diagnose(net(solver="sgd", clip_norm=1e-9), X, y)
    (advice,) = {f.advice for f in found.faults}
    assert advice == ("Raise clip_norm (now 1e-09) or raise learning_rate (now 0.001).")


@pytest.mark.parametrize("restore_best", [True, False])
def test_overfitting_is_a_fault_unless_the_best_is_restored(restore_best):
    rng = np.random.RandomState(0)
    labels = np.where(rng.rand(len(y)) < 0.3, 1 - y, y)
    fitted = net((100,), learning_rate=0.01, n_iter=60, restore_best=restore_best)
    fitted.fit(X[:300], labels[:300], X_val=X[300:], y_val=labels[300:])
    found = diagnose(fitted, X[:300], labels[:300])
    curve = fitted.validation_loss_curve_
    above = curve[-1] / min(curve) - 1
    assert values_of(found, "overfitting") == {None: pytest.approx(above)}
    assert (("overfitting", None) in faults(found)) == (not restore_best)


def test_loss_is_compared_with_that_of_the_best_constant():
    labels = np.random.RandomState(1).randint(2, size=len(y))
    found = diagnose(net(n_iter=3).fit(X, labels), X, labels)
    assert ("constant", None) in faults(found)

    weight = np.random.RandomState(2).rand(len(y))
    fitted = net(class_weight={0: 3, 1: 1}).fit(X, y, sample_weight=weight)
    weight_of_class = weight * np.where(y == 0, 3, 1)
    p = np.average(y, weights=weight_of_class)
    constant = -p * np.log(p) - (1 - p) * np.log(1 - p)
    log_p = fitted.predict_log_proba(X)[np.arange(len(y)), y]
    loss = -np.average(log_p, weights=weight_of_class)
    value = values_of(diagnose(fitted, X, y, weight), "constant")[None]
    assert value == pytest.approx(loss / constant, rel=1e-6)


# ---- any network


CASES = {
    "softmax": (net(), *iris()),
    "several labels": (net(), X, np.column_stack([y, 1 - y, y])),
    "regressor": (DeepNetRegressor((5,), n_iter=20, tol=None), X[:, 1:], X[:, 0]),
    "poisson": (
        DeepNetRegressor((5,), loss="poisson", n_iter=20, tol=None),
        X,
        X_raw[:, 0],
    ),
    "l-bfgs": (net(solver="lbfgs"), X, y),
    "no hidden layer": (net(()), X, y),
    "dropout": (net(dropout=0.5), X, y),
    "early stopping": (net(early_stopping=True), X, y),
    "float32": (net(), X.astype(np.float32), y),
    "focal": (net(loss="focal"), X, y),
    "smoothed": (net(label_smoothing=0.2), X, y),
    "no epochs": (net(n_iter=0), X, y),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_any_network_is_checked_without_changing_it(case):
    estimator, X, y = case
    fitted = clone(estimator).fit(X, y)
    for network in (clone(estimator), fitted):
        before = copy.deepcopy(vars(network))
        found = diagnose(network, X, y)
        assert_equal(vars(network), before)
        assert all(np.isfinite(finding.value) for finding in found.findings)
        assert len(str(found).splitlines()) >= len(found.findings)


@pytest.mark.parametrize("kind", [None, "standard", "robust"])
def test_sparse_rows_are_checked_like_dense_ones(kind):
    X = np.where(np.abs(X_raw) > 1, X_raw, 0)
    fitted = net(input_scaling=kind).fit(X, y)
    dense, sparse = (
        diagnose(fitted, form(X), y) for form in (np.array, scipy.sparse.csr_array)
    )
    if kind is None:  # small values are no fault then, and advice is different
        dense, sparse = (
            Diagnosis([f._replace(limit="", advice="") for f in found.findings])
            for found in (dense, sparse)
        )
    assert_same_findings(dense, sparse)


def test_a_pipeline_is_checked_like_its_network_on_transformed_data():
    pipeline = make_pipeline(StandardScaler(), net()).fit(X_raw, y)
    scaled = pipeline[:-1].transform(X_raw)
    found = diagnose(make_pipeline(pipeline), X_raw, y)
    assert_same_findings(found, diagnose(pipeline[-1], scaled, y))
    assert not {kind for kind, _ in faults(found)} & {"largest input"}


def test_rows_without_weight_are_ignored():
    weight = np.ones(len(y))
    weight[::2] = 0
    fitted = net().fit(X, y, sample_weight=weight)
    spoilt = np.where(weight[:, np.newaxis] > 0, X, 1e6)
    found, expected = (
        diagnose(fitted, spoilt, y, weight),
        diagnose(fitted, X[1::2], y[1::2]),
    )
    assert_same_findings(found, expected)


def test_the_table_repeats_no_advice():
    fitted = net((6, 6, 6), init="zeros", bias_init="zeros").fit(X, y)
    found = diagnose(fitted, X, y)
    lines = str(found).splitlines()
    assert lines[1].startswith("ok     network  root mean square of the largest input ")
    assert lines[1].endswith("  1         0.1 to 10")
    start = lines.index(
        "layer 1, layer 2, layer 3: fraction of units that are copies of another unit."
    )
    assert lines[start + 1] == (
        "    These units have identical weights and will always receive identical "
        "updates. Set init='he'. (Goodfellow et al., Deep Learning, 2016, section 8.4)"
    )
    assert sum("These units have identical weights" in line for line in lines) == 1
    assert found.faults == [f for f in found.findings if f.is_fault]
    assert {f.where for f in found.findings} == {
        "network",
        *(f"layer {k}" for k in (1, 2, 3)),
    }


# ---- errors


def test_what_is_not_a_network_raises():
    message = (
        "estimator must be a DeepNetClassifier or DeepNetRegressor, or a pipeline "
        "that ends in one. Got LogisticRegression() instead."
    )
    with raises(message, TypeError):
        diagnose(LogisticRegression(), X, y)


def test_data_of_another_network_raise():
    message = (
        "X and y require layers of sizes (29, 10, 1), but the fitted network has (30, "
        "10, 1). Give data with the columns and classes of the training data."
    )
    with raises(message):
        diagnose(net().fit(X, y), X[:, 1:], y)


def test_callbacks_are_not_called():
    pytest.importorskip("sklearn.callback")

    class NeverCalled:
        def setup(self, *args, **options):
            raise AssertionError("a callback was called")

        on_fit_task_begin = on_fit_task_end = teardown = setup

    network = net().set_callbacks(NeverCalled())
    assert diagnose(network, X, y).findings


def test_the_generator_of_the_caller_is_not_advanced():
    rng = np.random.RandomState(5)
    state = rng.get_state()
    diagnose(net(random_state=rng), X, y)
    assert_array_equal(rng.get_state()[1], state[1])


@pytest.mark.parametrize("estimator", [DeepNetClassifier, DeepNetRegressor])
def test_columns_that_differ_between_single_rows_are_not_constant(estimator):
    stream, target = net(estimator=estimator), y.astype(int)
    options = {"classes": [0, 1]} if estimator is DeepNetClassifier else {}
    for k in range(60):
        stream.partial_fit(X_raw[k : k + 1], target[k : k + 1], **options)
    assert values_of(diagnose(stream, X_raw, y), "largest input")
    assert ("far inputs", None) in faults(diagnose(stream, 1e3 * X_raw, target))
