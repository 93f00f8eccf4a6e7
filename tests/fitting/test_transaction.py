"""A call that raises leaves no trace; Ctrl-C leaves the last complete epoch."""

import re
import signal
from copy import deepcopy
from functools import cache

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_deepnet import (
    DeepNetEnsembleClassifier,
    compare_initializers,
    fit_stack,
)
from sklearn_deepnet.nn.activations import Activation, relu
from tests.helpers import network_factory, wine

X, y = wine()


class Trigger:
    """Acts in a certain call from when it is set; a deepcopy is the same trigger."""

    n_calls_left = np.inf

    def __init__(self, act):
        self.act = act

    def set_to(self, n_calls):
        self.n_calls_left = n_calls

    def __call__(self):
        self.n_calls_left -= 1
        if self.n_calls_left == 0:
            self.act()

    def __deepcopy__(self, memo):
        return self


def fail():
    raise RuntimeError("in the user's code")


def press_ctrl_c():
    signal.raise_signal(signal.SIGINT)


def relu_with(trigger, where="forward"):
    """Return a ReLU that pulls a trigger in each call of one of its functions."""

    def forward(z, a):
        if where == "forward":
            trigger()
        relu.forward(z, a)

    def backward(grad, z, a):
        if where == "backward":
            trigger()
        relu.backward(grad, z, a)

    return Activation("relu with a trigger", forward, backward, overwrites_z=True)


def drawing_with(trigger):
    """Return an initializer that pulls a trigger in each call."""

    def init(shape, rng):
        trigger()
        return rng.randn(*shape)

    return init


net = network_factory(hidden_layer_sizes=(4,), n_iter=3, warm_start=True)


def unfitted(**parameters):
    return net(**parameters)


def fitted_plainly(**parameters):
    return net(warm_start=False, **parameters).fit(X, y)


def fitted_warm(**parameters):
    return net(**parameters).fit(X, y)


def partially_fitted(**parameters):
    return net(**parameters).partial_fit(X, y, classes=[0, 1, 2])


SITUATIONS = [unfitted, fitted_plainly, fitted_warm, partially_fitted]
_fitted_once = cache(lambda situation: situation())


def copy_of(situation):
    return deepcopy(_fitted_once(situation))


def assert_raises_without_a_trace(estimator, call, error=ValueError, message=None):
    before, order = deepcopy(vars(estimator)), list(vars(estimator))
    objects = {name: id(value) for name, value in vars(estimator).items()}
    with pytest.raises(error, match=message):
        call()
    assert list(vars(estimator)) == order
    assert {name: id(value) for name, value in vars(estimator).items()} == objects
    np.testing.assert_equal(vars(estimator), before)


# ---- parameters

BAD_PARAMETERS = [
    {"hidden_layer_sizes": 0},
    {"hidden_layer_sizes": (4, -1)},
    {"activation": "rely"},
    {"activation": ["relu", "relu"]},
    {"activation": [None]},
    {"init": "hee"},
    {"init": ["he"]},
    {"init": [X]},
    {"init": lambda shape, rng: np.zeros(shape).T},
    {"init": lambda shape, rng: np.full(shape, np.nan)},
    {"init_scale": -1.0},
    {"bias_init": "ones"},
    {"loss": "hinge"},
    {"solver": "quasi"},
    {"learning_rate": 0},
    {"batch_size": 0},
    {"n_iter": -1},
    {"shuffle": "yes"},
    {"alpha": -1},
    {"tol": -1},
    {"n_iter_no_change": 0},
    {"warm_start": "yes"},
    {"random_state": -1},
    {"random_state": "seed"},
    {"dtype": "float16"},
]


def is_read(parameters, situation, method):
    """Whether a call looks at these parameters: how to begin matters only then."""
    resumes = method == "partial_fit" or situation is not fitted_plainly
    return situation is unfitted or not (
        resumes and {"init", "bias_init"} & {*parameters}
    )


@pytest.mark.parametrize(
    ("method", "situation", "parameters"),
    [
        pytest.param(
            method, situation, parameters, id=f"{method}-{situation.__name__}-{name}"
        )
        for method in ("fit", "partial_fit")
        for situation in SITUATIONS
        for parameters in BAD_PARAMETERS
        for name in parameters
        if is_read(parameters, situation, method)
    ],
)
def test_a_bad_parameter_leaves_no_trace(method, situation, parameters):
    estimator = copy_of(situation).set_params(**parameters)
    keywords = {} if method == "fit" else {"classes": [0, 1, 2]}
    call = getattr(estimator, method)
    assert_raises_without_a_trace(estimator, lambda: call(X, y, **keywords))


# ---- data

X_WITH_NAN, X_WITH_INFINITY = X.copy(), X.copy()
X_WITH_NAN[3, 3], X_WITH_INFINITY[3, 3] = np.nan, -np.inf
NEGATIVE = np.where(y == 1, -1.0, 1.0)

BAD_DATA = {
    "no rows": (X[:0], y[:0]),
    "a row too few": (X[1:], y),
    "one dimension": (X[:, 0], y),
    "three dimensions": (X[..., np.newaxis], y),
    "no columns": (X[:, :0], y),
    "NaN": (X_WITH_NAN, y),
    "infinity": (X_WITH_INFINITY, y),
    "words": (X.astype(str).astype(object) + "m", y),
    "complex": (X * 1j, y),
    "no y": (X, None),
    "continuous y": (X, X[:, 0]),
    "y with NaN": (X, np.where(y == 1, np.nan, y)),
    "y of two columns": (X, np.stack([y, y, y], axis=1)),
    "negative weights": (X, y, NEGATIVE),
    "a weight too few": (X, y, NEGATIVE[1:] ** 2),
    "NaN in weights": (X, y, np.where(y == 1, np.nan, 1)),
    "weights too small": (X, y, np.full(len(y), 1e-320)),
}


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("data", BAD_DATA)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_bad_data_leave_no_trace(situation, data, method):
    estimator = copy_of(situation)
    keywords = dict(zip(["X", "y", "sample_weight"], BAD_DATA[data], strict=False))
    if method == "partial_fit" and situation is unfitted:
        keywords["classes"] = [0, 1, 2]
    assert_raises_without_a_trace(
        estimator, lambda: getattr(estimator, method)(**keywords)
    )


@pytest.mark.parametrize("situation", SITUATIONS)
def test_unknown_labels_leave_no_trace_in_partial_fit(situation):
    estimator = copy_of(situation)
    assert_raises_without_a_trace(
        estimator,
        lambda: estimator.partial_fit(X, y + 1, classes=[0, 1, 2]),
        message=re.escape("y contains [3], which are not among the classes [0, 1, 2]"),
    )


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("classes", [[0], [[0, 1, 2]], [0.5, 1, 2], 3, [0, 1, None]])
def test_bad_classes_leave_no_trace(situation, classes):
    estimator = copy_of(situation)
    assert_raises_without_a_trace(
        estimator,
        lambda: estimator.partial_fit(X, y, classes=classes),
        error=(ValueError, TypeError),
    )


def test_missing_classes_leave_no_trace():
    estimator = unfitted()
    assert_raises_without_a_trace(
        estimator, lambda: estimator.partial_fit(X, y), message="requires classes"
    )


@pytest.mark.parametrize("situation", [fitted_warm, partially_fitted])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    ("change", "X", "y"),
    [
        ({"hidden_layer_sizes": (5,)}, X, y),
        ({"activation": "tanh"}, X, y),
        ({"dtype": "float32"}, X, y),
        ({}, X[:, :12], y),
        ({}, X, y + 1),
        ({}, X.astype(np.float32), y),
    ],
    ids=["sizes", "activation", "dtype", "features", "classes", "float32"],
)
def test_another_network_leaves_no_trace(situation, method, change, X, y):
    estimator = copy_of(situation).set_params(**change)
    call = getattr(estimator, method)
    assert_raises_without_a_trace(estimator, lambda: call(X, y))


# ---- errors from the user's own functions


@pytest.mark.parametrize("situation", [unfitted, fitted_plainly])
def test_a_failing_initializer_leaves_no_trace(situation):
    trigger = Trigger(fail)
    estimator = situation(init=drawing_with(trigger))
    trigger.set_to(2)
    assert_raises_without_a_trace(
        estimator, lambda: estimator.fit(X, y), RuntimeError, "in the user's code"
    )


@pytest.mark.filterwarnings("ignore:Training continues with a new:UserWarning")
@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("where", ["forward", "backward"])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_failing_activation_leaves_no_trace(situation, where, method):
    trigger = Trigger(fail)
    estimator = situation(activation=relu_with(trigger, where), batch_size=60)
    keywords = {} if method == "fit" else {"classes": [0, 1, 2]}
    trigger.set_to(3)
    assert_raises_without_a_trace(
        estimator,
        lambda: getattr(estimator, method)(X, y, **keywords),
        RuntimeError,
        "in the user's code",
    )


def stop(*args):
    raise StopIteration("in the user's code")  # SciPy would stop, and say nothing


@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_a_scorer_that_raises_stop_iteration_leaves_no_trace(solver):
    estimator = net(solver=solver, early_stopping=True, scoring=stop)
    assert_raises_without_a_trace(
        estimator, lambda: estimator.fit(X, y), StopIteration, "in the user's code"
    )


# A warning that a filter turns into an error is an error like others.
def test_a_warning_that_raises_leaves_no_trace():
    estimator = fitted_plainly().set_params(tol=0.0)
    assert_raises_without_a_trace(
        estimator, lambda: estimator.fit(X, y), UserWarning, "n_iter=3 epochs"
    )


# ---- the caller's generator


def fit_one(rng, activation):
    net(activation=activation, random_state=rng).fit(X, y)


def fit_partially(rng, activation):
    net(activation=activation, random_state=rng).partial_fit(X, y, classes=[0, 1, 2])


def fit_ensemble(rng, activation):
    member = net(activation=activation)
    DeepNetEnsembleClassifier(member, n_estimators=2, random_state=rng).fit(X, y)


def fit_networks_that_share_it(rng, activation):
    nets = [net(random_state=rng), net(activation=activation, random_state=rng)]
    fit_stack(nets, X, y)


def fit_pipelines_that_share_it(rng, activation):
    nets = [net(random_state=rng), net(activation=activation, random_state=rng)]
    fit_stack([make_pipeline(StandardScaler(), it) for it in nets], X, y)


def compare(rng, activation):
    compare_initializers(net(activation=activation), X, y, cv=2, random_state=rng)


@pytest.mark.parametrize(
    "call",
    [
        fit_one,
        fit_partially,
        fit_ensemble,
        fit_networks_that_share_it,
        fit_pipelines_that_share_it,
        compare,
    ],
)
def test_an_error_puts_the_generator_of_the_caller_back(call):
    rng, twin, trigger = *(np.random.RandomState(7) for _ in range(2)), Trigger(fail)
    trigger.set_to(1)
    with pytest.raises(RuntimeError, match="in the user's code"):
        call(rng, relu_with(trigger))
    assert rng.randint(2**31) == twin.randint(2**31)


def test_a_fit_that_succeeds_moves_the_generator_of_the_caller():
    rng, twin = (np.random.RandomState(7) for _ in range(2))
    fit_one(rng, "relu")
    assert rng.randint(2**31) != twin.randint(2**31)


# ---- Ctrl-C


@pytest.fixture(autouse=True)
def _ctrl_c_raises():
    """A process in the background starts without a handler of it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


BATCH_SIZES = {None: 1, 60: 3}  # steps in an epoch


@pytest.mark.parametrize("batch_size", BATCH_SIZES)
@pytest.mark.parametrize("where", ["forward", "backward"])
@pytest.mark.parametrize("n_calls", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("warm", [False, True])
def test_ctrl_c_leaves_the_last_complete_epoch(batch_size, where, n_calls, warm):
    trigger = Trigger(press_ctrl_c)
    parameters = {"batch_size": batch_size, "learning_rate": 0.02}
    estimator = net(activation=relu_with(trigger, where), **parameters)
    estimator.set_params(n_iter=3 if warm else 0).fit(X, y).set_params(n_iter=10)
    n_epochs = estimator.n_iter_ + (n_calls - 1) // BATCH_SIZES[batch_size]
    trigger.set_to(n_calls)
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(X, y)
    expected = net(**parameters, n_iter=n_epochs).fit(X, y)
    assert estimator.n_iter_ == n_epochs
    assert estimator.loss_curve_ == expected.loss_curve_
    np.testing.assert_array_equal(estimator.coefs_[0], expected.coefs_[0])
    np.testing.assert_array_equal(estimator.predict(X), expected.predict(X))
    assert not estimator.diverged_
    estimator.fit(X, y)
    assert estimator.n_iter_ == n_epochs + 10
    assert estimator.loss_ < 0.9 * expected.best_loss_ if n_epochs else True


def test_ctrl_c_in_a_first_plain_fit_leaves_a_fitted_net():
    trigger = Trigger(press_ctrl_c)
    estimator = net(
        activation=relu_with(trigger), batch_size=60, n_iter=10, warm_start=False
    )
    trigger.set_to(8)
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(X, y)
    expected = net(batch_size=60, n_iter=2).fit(X, y)
    np.testing.assert_array_equal(estimator.predict_proba(X), expected.predict_proba(X))
    assert estimator.n_features_in_ == 13
    assert estimator.n_layers_ == 3


def test_ctrl_c_after_the_last_epoch_leaves_all_epochs():
    trigger = Trigger(press_ctrl_c)
    estimator = net(activation=relu_with(trigger), batch_size=None)
    trigger.set_to(4)  # the look at where the third step led
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(X, y)
    assert estimator.loss_curve_ == net(batch_size=None).fit(X, y).loss_curve_


def test_ctrl_c_in_partial_fit_leaves_the_net_before_it():
    trigger = Trigger(press_ctrl_c)
    estimator = net(activation=relu_with(trigger), batch_size=60)
    estimator.partial_fit(X, y, classes=[0, 1, 2])
    before = estimator.decision_function(X)
    trigger.set_to(2)
    with pytest.raises(KeyboardInterrupt):
        estimator.partial_fit(X, y)
    np.testing.assert_array_equal(estimator.decision_function(X), before)
    assert estimator.n_iter_ == 1


@pytest.mark.parametrize("fitted", [False, True])
def test_ctrl_c_before_training_leaves_no_trace(fitted):
    trigger = Trigger(press_ctrl_c)
    estimator = net(init=drawing_with(trigger), warm_start=False)
    if fitted:
        estimator.fit(X, y)
    before = vars(estimator).copy()
    trigger.set_to(2)
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(X[:, :5], y)
    assert vars(estimator) == before
    assert hasattr(estimator, "coefs_") == fitted


@pytest.mark.parametrize("n_calls", [1, 2, 5])
def test_ctrl_c_in_a_search_ends_the_search(n_calls):
    trigger = Trigger(press_ctrl_c)
    search = GridSearchCV(net(activation=relu_with(trigger)), {"alpha": [0, 1]}, cv=2)
    trigger.set_to(n_calls)
    with pytest.raises(KeyboardInterrupt):
        search.fit(X, y)
