"""Training that goes astray is stopped and reported, and leaves a finite network."""

import re
import warnings

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

from sklearn_deepnet import (
    DeepNetClassifier,
    DeepNetRegressor,
    DivergenceWarning,
    fit_stack,
    load_model,
    save_model,
)
from sklearn_deepnet.nn.activations import Activation, relu
from sklearn_deepnet.nn.losses import Loss, binary_cross_entropy
from sklearn_deepnet.nn.schedules import Cosine
from tests.helpers import cancer

X, y = cancer()


def message(loss, n_epochs, learning_rate, largest=None):
    """Return the pattern of the warning; `largest` is of an X that is not scaled."""
    advice = f"Lower learning_rate (now {learning_rate})"
    if largest is not None:
        advice += (
            " or set input_scaling='standard' (the largest absolute value of X is "
        )
        advice += f"{largest})"
    return (
        rf"^Training diverged: the loss became {loss} after {n_epochs} epochs\. "
        r"Training was stopped, and the last finite weights are kept\. "
        rf"{re.escape(advice)}\.$"
    )


NUMBER = r"\d\.?\d*e\+\d+"


def assert_finite(net, X=X):
    assert np.isfinite(net.loss_curve_).all()
    assert net.n_iter_ == len(net.loss_curve_)
    for array in net.coefs_ + net.intercepts_:
        assert np.isfinite(array).all()
    assert np.isfinite(net.decision_function(X)).all()
    assert np.isfinite(net.predict_log_proba(X)).all()


def wild_net(hidden_layer_sizes=(30, 30, 30), **parameters):
    usual = {"solver": "sgd", "learning_rate": 1000, "n_iter": 20, "tol": None}
    return DeepNetClassifier(hidden_layer_sizes, random_state=0, **(usual | parameters))


@pytest.mark.parametrize("batch_size", [None, "auto", 32])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("solver", ["sgd", "momentum", "adam"])
def test_a_far_too_high_rate_is_found(solver, dtype, batch_size):
    """Unless it is looked at closely, it ends finite: at a loss of 1e21 or more."""
    net = wild_net(solver=solver, dtype=dtype, batch_size=batch_size)
    with pytest.warns(DivergenceWarning, match=message(".*", "[01]", "1e+03")):
        net.fit(X, y)
    assert net.diverged_
    assert_finite(net)


def test_divergence_says_where_it_was_met():
    net = wild_net(batch_size=None)
    with pytest.warns(DivergenceWarning, match=message(NUMBER, 1, "1e+03")) as caught:
        net.fit(X, y)
    assert [warning.filename for warning in caught] == [__file__]
    assert issubclass(DivergenceWarning, ConvergenceWarning)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_divergence_in_the_very_last_step_is_found(solver):
    net = wild_net(solver=solver, batch_size=None, n_iter=1)
    with pytest.warns(DivergenceWarning, match=message(NUMBER, 1, "1e+03")):
        net.fit(X, y)
    start = wild_net(n_iter=0).fit(X, y)
    assert net.n_iter_ == 1
    np.testing.assert_array_equal(net.coefs_[0], start.coefs_[0])


def test_divergence_in_partial_fit_is_found():
    net = wild_net(batch_size=None)
    with pytest.warns(DivergenceWarning, match=message(NUMBER, 1, "1e+03")):
        net.partial_fit(X, y, classes=[0, 1])
    assert_finite(net)


def _half_square(logits, target, scratch):
    """Half the squared logit, a parabola: too high a rate diverges at a steady pace."""
    np.multiply(logits, logits, out=scratch[0])
    np.multiply(scratch[0], 0.5, out=scratch[0])
    return scratch[0]


@pytest.mark.parametrize("alpha", [0, 1])
def test_weights_are_those_of_the_last_epoch_whose_loss_was_finite(alpha):
    loss = Loss("half_square", logistic=_half_square)
    net = wild_net((), learning_rate=0.2, batch_size=None, alpha=alpha, loss=loss)
    nets = [clone(net).set_params(n_iter=n_iter) for n_iter in range(40)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DivergenceWarning)
        for net in nets:
            net.fit(X, y)
    n_finite = sum(not net.diverged_ for net in nets)
    assert 5 < n_finite < 30
    for net in nets[:n_finite]:
        assert not net.diverged_
    for net in nets[n_finite:]:
        assert net.loss_curve_ == nets[n_finite].loss_curve_
        assert net.n_iter_ == n_finite
        np.testing.assert_array_equal(net.coefs_[0], nets[n_finite - 1].coefs_[0])
    assert_finite(nets[-1])


@pytest.mark.filterwarnings("ignore::sklearn_deepnet.DivergenceWarning")
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("batch_size", [None, 4])
def test_a_fit_diverges_where_its_epochs_one_by_one_do(
    batch_size, solver, early_stopping
):
    """Also in a stack, of networks with dropout and without."""
    rng, n_diverged = np.random.RandomState(0), 0
    X, y = 1000 * rng.randn(10, 2), np.arange(10) % 2
    nets = [
        DeepNetClassifier(
            (2,),
            learning_rate=10 ** rng.uniform(0, 5),
            dropout=0.8 * (seed % 3 > 0),
            batch_size=batch_size,
            solver=solver,
            input_scaling=None,
            early_stopping=early_stopping,
            validation_fraction=0.2,
            n_iter=3,
            tol=None,
            random_state=seed,
        )
        for seed in range(30)
    ]
    for net in nets:
        whole = clone(net).fit(X, y)
        parts = clone(net).set_params(n_iter=1, warm_start=True)
        for _ in range(3):
            if parts.fit(X, y).diverged_:
                break
        assert parts.diverged_ == whole.diverged_
        assert parts.loss_curve_ == whole.loss_curve_
        assert_array_equal(parts._params, whole._params)
        n_diverged += whole.diverged_
    assert 3 <= n_diverged <= 27
    for net in fit_stack(nets, X, y):
        alone = clone(net).fit(X, y)
        assert net.diverged_ == alone.diverged_
        assert_array_equal(net._params, alone._params)


def test_an_outlier_in_the_last_batch_is_no_divergence():
    rng = np.random.RandomState(0)
    X, y = rng.randn(160, 3), rng.randn(160)
    y[-1] = 1e4  # the loss of its batch is 3e6, and that of the epoch 3e5
    net = DeepNetRegressor((4,), batch_size=16, shuffle=False, n_iter=2, tol=None)
    net.set_params(target_scaling=None, solver="sgd", learning_rate=1e-9)
    assert not net.fit(X, y).diverged_


# ---- NaN


class NaNAt:
    """A component that is right, but for NaN at its n-th call."""

    def __init__(self, n_calls):
        self.n_calls_left = n_calls

    def spoil(self, array):
        self.n_calls_left -= 1
        if self.n_calls_left == 0:
            array[..., 0, 0] = np.nan

    def activation(self):
        def forward(z, a):
            relu.forward(z, a)
            self.spoil(a)

        return Activation("spoilt", forward, relu.backward, overwrites_z=True)

    def loss(self):
        def logistic(logits, target, scratch):
            values = binary_cross_entropy(logits, target, scratch)
            self.spoil(values)
            return values

        return Loss("spoilt", logistic=logistic)


@pytest.mark.parametrize("component", ["activation", "loss"])
@pytest.mark.parametrize(
    ("batch_size", "n_calls", "n_epochs"), [(None, 4, 3), (200, 4, 1), (200, 9, 2)]
)
def test_one_nan_is_found_in_its_epoch(component, batch_size, n_calls, n_epochs):
    parameters = {"learning_rate": 0.125, "batch_size": batch_size}
    spoilt = {component: getattr(NaNAt(n_calls), component)()}
    net = wild_net((5,), **parameters, **spoilt)
    with pytest.warns(DivergenceWarning, match=message("NaN", n_epochs, "0.125")):
        net.fit(X, y)
    assert net.diverged_
    assert net.n_iter_ == n_epochs
    finite = wild_net((5,), n_iter=n_epochs, **parameters).fit(X, y)
    assert net.loss_curve_ == finite.loss_curve_
    assert_finite(net)


def test_nan_behind_the_last_step_is_found():
    net = wild_net((5,), learning_rate=0.125, batch_size=None, n_iter=3)
    net.set_params(activation=NaNAt(4).activation())
    with pytest.warns(DivergenceWarning, match=message("NaN", 3, "0.125")):
        net.fit(X, y)


# ---- huge X


@pytest.mark.filterwarnings("ignore::sklearn_deepnet.DivergenceWarning")
@pytest.mark.parametrize("size", [1e200, 1e300])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("parameters", [{}, {"batch_size": None}, {"batch_size": 32}])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_huge_finite_data_leave_a_finite_net(size, dtype, parameters, solver):
    parameters = {"dtype": dtype, "solver": solver, "learning_rate": 0.1, **parameters}
    scaled = wild_net((5,), **parameters).fit(size * X, y)
    assert not scaled.diverged_
    assert scaled.score(size * X, y) > 0.9
    net = wild_net((5,), input_scaling=None, **parameters).fit(size * X, y)
    assert_finite(net)
    if dtype == "float32" or solver == "sgd":
        assert net.diverged_
    try:
        assert np.isfinite(net.decision_function(size * X)).all()
    except ValueError as error:
        assert re.match("The outputs of the network overflow", str(error))  # noqa: PT017


def test_logits_may_be_as_large_as_floats_are():
    """Their difference is not, and needs not be."""
    arrays = [np.zeros((30, 3)), np.array([1.7e308, -1.7e308, 0.0])]
    net = wild_net((), init=arrays, input_scaling=None, n_iter=0)
    net.fit(X, np.arange(len(X)) % 3)
    np.testing.assert_array_equal(net.predict_proba(X[:2]), [[1, 0, 0]] * 2)


@pytest.mark.parametrize(
    "method", ["predict", "predict_proba", "predict_log_proba", "decision_function"]
)
def test_an_overflow_in_prediction_is_a_clear_error(method):
    arrays = [np.full((30, 1), 10.0), np.zeros(1)]
    net = wild_net((), init=arrays, input_scaling=None, n_iter=0).fit(X, y)
    huge = X.copy()
    huge[7] = -1.2e307
    text = (
        "The outputs of the network overflow for this X, whose largest absolute value "
        "is 1.2e+307. Give X in the units of the training data."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        getattr(net, method)(huge)
    huge[7] /= 1e3
    assert np.isfinite(getattr(net, method)(huge)).all()


@pytest.mark.parametrize("kind", [bool, np.uint8, np.int8])
def test_divergence_on_data_of_any_kind_is_said(kind):
    X, y = load_digits(return_X_y=True)
    X = X > 7 if kind is bool else X.astype(kind)
    if kind is np.int8:
        X[0, 0] = -128
    largest = {bool: "1", np.uint8: "16", np.int8: "1.3e+02"}[kind]
    net = wild_net(batch_size=None, learning_rate=1e9, input_scaling=None)
    with pytest.warns(DivergenceWarning, match=message(NUMBER, 1, "1e+09", largest)):
        net.fit(X, y)
    net.set_params(input_scaling="standard")
    with pytest.warns(DivergenceWarning, match=message(NUMBER, 1, "1e+09")):
        net.fit(X, y)


# ---- and then


def test_a_diverged_net_goes_on_at_a_lower_rate():
    net = wild_net(batch_size=None, warm_start=True)
    with pytest.warns(DivergenceWarning):
        net.fit(X, y)
    net.set_params(learning_rate=0.1, n_iter=50).fit(X, y)
    assert not net.diverged_
    assert net.n_iter_ == 51
    assert net.loss_ < 0.3


def test_a_search_scores_a_diverging_candidate_and_goes_on():
    grid = {"learning_rate": [1000, 0.1]}
    search = GridSearchCV(wild_net(batch_size=None), grid, cv=3)
    with pytest.warns(DivergenceWarning) as caught:
        search.fit(X, y)
    assert len(caught) == 3
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_params_ == {"learning_rate": 0.1}
    assert search.best_score_ > 0.9


# ---- not yet converged


def test_epochs_that_were_too_few_are_said():
    net = DeepNetClassifier((5,), n_iter=7, random_state=0)
    text = (
        "Training reached n_iter=7 epochs before it converged. Increase n_iter or "
        "learning_rate, or set tol=None to train for exactly n_iter epochs."
    )
    with pytest.warns(ConvergenceWarning, match=f"^{re.escape(text)}$") as caught:
        net.fit(X, y)
    assert [warning.category for warning in caught] == [ConvergenceWarning]
    assert [warning.filename for warning in caught] == [__file__]
    assert not net.diverged_


def test_steps_that_are_too_large_are_not_to_be_raised():
    options = {"learning_rate": 0.5, "batch_size": 32, "random_state": 0}
    net = DeepNetClassifier((5,), init="he", n_iter=30, **options)
    with pytest.warns(ConvergenceWarning) as caught:
        net.fit(X, y)
    last, lowest = net.loss_curve_[-1], min(net.loss_curve_)
    assert last > 1.5 * lowest
    (warning,) = caught
    assert str(warning.message) == (
        "Training reached n_iter=30 epochs before it converged. The loss is "
        f"{last:.3g}, but was {lowest:.3g} before. Lower learning_rate (now 0.5), set "
        "schedule='cosine', or set tol=None to train for exactly n_iter epochs."
    )


@pytest.mark.parametrize("schedule", [Cosine(horizon=30), lambda t: 0.99**t])
def test_epochs_may_be_too_few_where_the_schedule_does_not_end_with_them(schedule):
    net = DeepNetClassifier((5,), n_iter=30, schedule=schedule, random_state=0)
    with pytest.warns(ConvergenceWarning, match="epochs before it converged"):
        net.fit(X, y)


@pytest.mark.parametrize(
    ("parameters", "n_epochs"),
    [
        ({"tol": None}, 30),
        ({"tol": 10.0, "n_iter_no_change": 10}, 11),
        ({"n_iter": 0}, 0),
        ({"schedule": "cosine"}, 30),
        ({"schedule": "onecycle"}, 30),
    ],
)
def test_nothing_is_said_where_nothing_is_to_be_said(parameters, n_epochs):
    usual = {"n_iter": 30, "random_state": 0}
    net = DeepNetClassifier((5,), **(usual | parameters))
    assert net.fit(X, y).n_iter_ == n_epochs  # warnings are errors here


def test_no_progress_is_a_warning_with_what_to_change():
    X, y = load_iris(return_X_y=True)
    zeros = {"init": "zeros", "bias_init": "zeros"}
    message = (
        "The network has learned nothing from X: its lowest loss is 1.09861, and the "
        "loss of the best constant prediction is 1.09861. The most likely cause: all "
        "units of a layer have equal weights, so they always receive equal updates; "
        "set init='he'. Call diagnose(estimator, X, y) for more checks."
    )
    with pytest.warns(ConvergenceWarning, match=f"^{re.escape(message)}$"):
        DeepNetClassifier((10, 5), random_state=0, **zeros).fit(X, y)


@pytest.mark.parametrize("parameter", ["learning_rate", "alpha", "l1", "clip_norm"])
def test_numbers_beyond_float32_are_cast_without_a_warning(parameter):
    X, y = load_iris(return_X_y=True)
    net = DeepNetClassifier((4,), dtype="float32", n_iter=2, **{parameter: 1e300})
    with np.errstate(all="raise"), warnings.catch_warnings():
        warnings.simplefilter("ignore", (ConvergenceWarning, DivergenceWarning))
        net.fit(X, y)
    assert np.isfinite(net.coefs_[0]).all()


def test_the_loss_of_the_first_batch_is_the_measure_of_all():
    usual = {"learning_rate": 1e-9, "shuffle": False, "alpha": 0, "random_state": 0}
    usual |= {"n_iter": 1, "tol": None, "warm_start": True, "target_scaling": None}
    usual |= {"input_scaling": None}  # those of 20 rows and of 60 rows differ
    X, y = np.random.RandomState(0).randn(60, 3), np.arange(60.0)
    fitted = DeepNetRegressor((4,), batch_size=20, **usual).fit(X, y)
    alone = DeepNetRegressor((4,), batch_size=None, **usual).fit(X[:20], y[:20])
    first_loss = fitted._training_state["state"]["first_loss"]
    assert first_loss == pytest.approx(alone.loss_, rel=1e-12)
    assert first_loss > 10  # below 1, the measure would be 1


@pytest.mark.parametrize("monitors", ["held out", "given"])
@pytest.mark.parametrize("way", ["checkpoint", "warm_start", "partial_fit", "stack"])
@pytest.mark.filterwarnings("ignore::sklearn_deepnet.DivergenceWarning")
def test_a_network_that_diverged_at_once_is_saved(way, monitors, tmp_path):
    X, y = load_digits(return_X_y=True)
    given = {"X_val": X[:50], "y_val": y[:50]} if monitors == "given" else {}
    net = DeepNetClassifier(
        (20,),
        solver="sgd",
        learning_rate=1e6,
        batch_size=16,
        dtype="float32",  # in which the weights overflow
        n_iter=3,
        tol=None,
        early_stopping=not given,
        warm_start=way == "warm_start",
        random_state=0,
    )
    if way == "partial_fit":
        net.set_params(early_stopping=False)
        net.partial_fit(X, y, classes=range(10), **given)
    elif way == "checkpoint":
        net.fit(X, y, checkpoint=tmp_path / "checkpoint", **given)
    elif way == "stack":
        fit_stack([net, clone(net).set_params(learning_rate=0.1)], X, y, **given)
    else:
        net.fit(X, y, **given)
    assert net.diverged_
    save_model(net, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert_array_equal(loaded.predict_proba(X), net.predict_proba(X))
    assert loaded.best_iter_ is net.best_iter_ is None
