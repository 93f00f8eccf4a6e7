"""L-BFGS: SciPy's iterations, with everything honoured that epochs are promised."""

import re
from functools import partial

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import softmax
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

from sklearn_deepnet import DeepNetClassifier, DeepNetRegressor, DivergenceWarning
from sklearn_deepnet.nn.losses import Loss
from sklearn_deepnet.nn.losses import log_loss as log_loss_word
from sklearn_deepnet.nn.optimizers import LBFGS, Adam
from sklearn_deepnet.nn.schedules import Step
from tests.helpers import (
    assert_same_weights,
    cancer,
    diabetes,
    epochs_until_patience_ends,
    in_two,
    network_factory,
    wine,
)

net_for = network_factory(
    "n_iter", "hidden_layer_sizes", "estimator", hidden_layer_sizes=(6,), solver="lbfgs"
)


# ---- where it leads


@pytest.mark.slow
@pytest.mark.parametrize("data", [wine, cancer])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_it_reaches_a_lower_loss_than_adam_on_small_data(data, activation):
    X, y = data()
    options = {"activation": activation, "alpha": 1.0}
    net = net_for(200, **options).fit(X, y)
    for learning_rate in (0.001, 0.01, 0.1):
        adam = net_for(200, solver="adam", **options)
        adam.set_params(learning_rate=learning_rate, batch_size=50).fit(X, y)
        assert net.loss_ < min(adam.loss_curve_)


@pytest.mark.slow
@pytest.mark.parametrize("weigh", [False, True])
@pytest.mark.parametrize("data", [wine, cancer])
def test_no_hidden_layer_is_logistic_regression(data, weigh):
    X, y = data()
    weight = np.random.RandomState(0).uniform(0, 3, len(y)) if weigh else None
    net = net_for(500, (), alpha=2.0, tol=1e-9).fit(X, y, sample_weight=weight)
    model = LogisticRegression(C=1 / 2, tol=1e-10, max_iter=10_000)
    scaled = StandardScaler().fit(X, sample_weight=weight).transform(X)
    model.fit(scaled, y, sample_weight=weight)
    np.testing.assert_allclose(net.coefs_[0].T, model.coef_, atol=1e-5)
    b = net.intercepts_[0] - net.intercepts_[0].mean() * (len(net.classes_) > 2)
    np.testing.assert_allclose(b, model.intercept_, atol=1e-5)


def test_no_hidden_layer_is_ridge():
    X, y = diabetes()
    net = net_for(500, (), DeepNetRegressor, alpha=30.0, target_scaling=None)
    net.fit(X, y)
    model = Ridge(alpha=30).fit(X, y)
    np.testing.assert_allclose(net.coefs_[0][:, 0], model.coef_, rtol=1e-4)
    np.testing.assert_allclose(net.intercepts_[0], model.intercept_, rtol=1e-7)


def test_iterations_are_those_of_scipy():
    """An independent objective, from rows and separate biases, in SciPy's hands."""
    X, y = wine()
    Y = np.eye(3)[y]
    net = net_for(8, (5,), activation="tanh", alpha=3.0)
    start = clone(net).set_params(n_iter=0).fit(X, y)
    shapes = [(13, 5), (5,), (5, 3), (3,)]
    ends = np.cumsum([np.prod(shape) for shape in shapes])

    def cut(theta):
        parts = np.split(theta, ends[:-1])
        return [part.reshape(s) for part, s in zip(parts, shapes, strict=True)]

    def objective(theta):
        W1, b1, W2, b2 = cut(theta)
        H = np.tanh(X @ W1 + b1)
        P = softmax(H @ W2 + b2, axis=1)
        value = -np.mean(np.log(P[np.arange(178), y]))
        value += 3 / 2 / 178 * (np.sum(W1**2) + np.sum(W2**2))
        dZ2 = (P - Y) / 178
        dZ1 = dZ2 @ W2.T * (1 - H**2)
        gradient = [
            X.T @ dZ1 + 3 / 178 * W1,
            dZ1.sum(axis=0),
            H.T @ dZ2 + 3 / 178 * W2,
            dZ2.sum(axis=0),
        ]
        return value, np.concatenate([g.ravel() for g in gradient])

    theta = np.concatenate(
        [
            a.ravel()
            for layer in zip(start.coefs_, start.intercepts_, strict=True)
            for a in layer
        ]
    )
    curve = [objective(theta)[0]]
    result = minimize(
        objective,
        theta,
        jac=True,
        method="L-BFGS-B",
        callback=lambda theta: curve.append(objective(theta)[0]),
        options={"maxiter": 8, "ftol": 0, "gtol": 0, "maxcor": 10},
    )
    net.fit(X, y)
    np.testing.assert_allclose(net.loss_curve_, curve[:8], rtol=1e-8)
    W1, _, W2, b2 = cut(result.x)
    np.testing.assert_allclose(net.coefs_[0], W1, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(net.coefs_[1], W2, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(net.intercepts_[1], b2, rtol=1e-5, atol=1e-7)


def test_corrections_are_those_asked_for():
    X, y = wine()
    by_name = net_for(25).fit(X, y)
    assert_same_weights(net_for(25, solver=LBFGS(n_corrections=10)).fit(X, y), by_name)
    few = net_for(25, solver=LBFGS(n_corrections=2)).fit(X, y)
    assert few.loss_curve_[:3] == by_name.loss_curve_[:3]
    assert few.loss_curve_[24] != by_name.loss_curve_[24]


def test_many_rows_are_summed_in_blocks():
    X, y = wine()
    once = net_for(6, alpha=1.0).fit(X, y)
    many = net_for(6, alpha=100.0).fit(np.tile(X, (100, 1)), np.tile(y, 100))
    np.testing.assert_allclose(many.loss_curve_, once.loss_curve_, rtol=1e-9)


# ---- curves and ends


def test_the_curve_holds_the_penalized_loss_before_each_iteration():
    X, y = wine()
    net = net_for(10, alpha=5.0, l1=0.5).fit(X, y)
    assert net.n_iter_ == len(net.loss_curve_) == 10
    for n_iter in (0, 1, 4, 9):
        so_far = clone(net).set_params(n_iter=n_iter).fit(X, y)
        assert so_far.loss_curve_ == net.loss_curve_[:n_iter]
        expected = log_loss(y, so_far.predict_proba(X))
        expected += 5 / 2 / 178 * sum(np.sum(W**2) for W in so_far.coefs_)
        expected += 0.5 / 178 * sum(np.sum(np.abs(W)) for W in so_far.coefs_)
        assert net.loss_curve_[n_iter] == pytest.approx(expected, rel=1e-12)


def test_the_loss_never_rises():
    net = net_for(150, alpha=1.0).fit(*wine())
    assert np.all(np.diff(net.loss_curve_) <= 0)


def test_too_small_n_iter_is_a_warning():
    message = r"^Training reached n_iter=5 epochs before it converged\. Increase n_iter"
    net = net_for(5, tol=1e-4)
    with pytest.warns(ConvergenceWarning, match=message) as caught:
        net.fit(*wine())
    assert "learning_rate" not in str(caught[0].message)  # which it has not
    assert net.n_iter_ == 5


@pytest.mark.slow
def test_tol_ends_it():
    X, y = wine()
    exact = net_for(3000, alpha=1.0).fit(X, y)
    lengths = [len(exact.loss_curve_)]
    for tol in (1e-6, 1e-4, 1e-2):
        net = net_for(3000, alpha=1.0, tol=tol).fit(X, y)
        lengths.append(net.n_iter_)
        assert net.loss_curve_ == exact.loss_curve_[: net.n_iter_]
        assert exact.loss_ <= net.loss_ < 1.3 * exact.loss_
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[-1] < lengths[0] / 5


@pytest.mark.parametrize("n_iter_no_change", [1, 3])
def test_patience_ends_it(n_iter_no_change):
    X, y = wine()
    curve = net_for(60, alpha=1.0).fit(X, y).loss_curve_
    tol = 0.002
    n_epochs = epochs_until_patience_ends(curve, tol, n_iter_no_change)
    assert n_epochs < 60
    net = net_for(60, alpha=1.0, tol=tol, n_iter_no_change=n_iter_no_change)
    assert net.fit(X, y).n_iter_ == n_epochs
    assert net.loss_curve_ == curve[:n_epochs]


def test_validation_ends_it_and_the_best_is_shown():
    X, y, held_out = in_two(*cancer(), 300)
    options = {"alpha": 0.01, "n_iter_no_change": 6}
    net = net_for(200, tol=0, **options).fit(X, y, **held_out)
    whole = net_for(100, **options).fit(X, y, **held_out)
    values = whole.validation_loss_curve_
    assert net.n_iter_ == epochs_until_patience_ends(values, 0, 6)
    assert net.validation_loss_curve_ == values[: net.n_iter_]
    assert net.best_iter_ == np.argmin(values[: net.n_iter_]) == net.n_iter_ - 7
    stopped_there = net_for(net.best_iter_ + 1, **options).fit(X, y)
    assert_same_weights(net, stopped_there)
    last = net_for(200, tol=0, restore_best=False, **options).fit(X, y, **held_out)
    assert_same_weights(last, net_for(net.n_iter_, **options).fit(X, y))


def test_validation_loss_is_that_after_each_iteration():
    X, y, held_out = in_two(*wine(), 120)
    net = net_for(5, restore_best=False, scoring="accuracy").fit(X, y, **held_out)
    for n_iter in range(1, 6):
        so_far = net_for(n_iter).fit(X, y)
        loss = log_loss(held_out["y_val"], so_far.predict_proba(held_out["X_val"]))
        assert net.validation_loss_curve_[n_iter - 1] == pytest.approx(loss, rel=1e-12)
        score = so_far.score(held_out["X_val"], held_out["y_val"])
        assert net.validation_scores_[n_iter - 1] == score


def test_early_stopping_holds_rows_out():
    X, y = cancer()
    net = net_for(200, early_stopping=True, alpha=0.0, tol=1e-4).fit(X, y)
    assert net.n_iter_ < 100
    assert len(net.validation_loss_curve_) == net.n_iter_


def test_a_failed_line_search_leaves_the_last_iteration():
    X, y = diabetes()
    net = net_for(2000, (), DeepNetRegressor, loss="absolute_error", alpha=0)
    net.fit(X, y)  # which ends at a kink
    assert net.n_iter_ < 2000
    error = np.abs(net.predict(X) - y).mean() / y.std()
    assert error <= net.loss_curve_[-1] * (1 + 1e-12)
    shorter = clone(net).set_params(n_iter=net.n_iter_).fit(X, y)
    assert_same_weights(net, shorter)


def watched_loss(sign=1):
    """Return the log loss, or one whose gradient lies, and what it is called with."""
    calls = []

    def watched(logits, target, scratch):
        calls.append(logits.copy())
        values = log_loss_word.softmax(logits, target, scratch)
        logits *= sign
        return values

    return Loss("watched", softmax=watched), calls


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_nothing_is_computed_any_more_when_patience_has_ended():
    X, y = wine()
    loss, calls = watched_loss()
    net = net_for(500, loss=loss, alpha=1.0, tol=1e9, n_iter_no_change=2).fit(X, y)
    assert net.n_iter_ == 3
    assert len(calls) < 3 * 10


def test_a_line_search_that_finds_nothing_leaves_the_weights():
    X, y = wine()
    loss, calls = watched_loss(sign=-1)  # uphill, so no step is ever accepted
    net = net_for(20, loss=loss, alpha=0, warm_start=True).fit(X, y)
    start = net_for(0).fit(X, y)
    assert len(calls) > 2
    assert net.n_iter_ == 0
    assert_same_weights(net, start)


# ---- dtypes


def test_float32_stays_float32():
    X, y = wine()
    net = net_for(60, alpha=1.0).fit(X.astype(np.float32), y)
    for array in [*net.coefs_, *net.intercepts_]:
        assert array.dtype == np.float32
    assert net.predict_proba(X).dtype == np.float32
    double = net_for(60, alpha=1.0).fit(X, y)
    np.testing.assert_allclose(net.loss_curve_[:8], double.loss_curve_[:8], rtol=1e-3)
    assert net.loss_ == pytest.approx(double.loss_, rel=0.02)


# ---- what it ignores

IGNORED = [
    ({"learning_rate": 0.5}, "learning_rate=0.5"),
    ({"schedule": "cosine"}, "schedule='cosine'"),
    ({"schedule": Step()}, "schedule=Step(every=50, factor=0.5)"),
    ({"batch_size": None}, "batch_size=None"),
    ({"shuffle": False}, "shuffle=False"),
    ({"dropout": 0.5}, "dropout=0.5"),
    ({"dropout": [0.5]}, "dropout=[0.5]"),
    ({"clip_norm": 1.0}, "clip_norm=1.0"),
    (
        {"clip_norm": 1.0, "learning_rate": 1, "dropout": 0.1},
        "learning_rate=1, dropout=0.1, clip_norm=1.0",
    ),
]


@pytest.mark.parametrize(("parameters", "named"), IGNORED)
@pytest.mark.parametrize("estimator", [DeepNetClassifier, DeepNetRegressor])
def test_what_it_ignores_is_a_warning(parameters, named, estimator):
    X, y = wine()
    message = re.escape(
        f"solver='lbfgs' does not use {named}. Leave these parameters at their "
        "defaults, or choose another solver."
    )
    net = net_for(4, estimator=estimator, **parameters)
    with pytest.warns(UserWarning, match=f"^{message}$") as caught:
        net.fit(X, y)
    assert [warning.filename for warning in caught] == [__file__]
    assert_same_weights(net, net_for(4, estimator=estimator).fit(X, y))


def test_rates_in_an_array_that_it_ignores_are_a_warning():
    net = net_for(2, (6, 4), dropout=np.array([0.1, 0.2]))
    with pytest.warns(UserWarning, match=r"^solver='lbfgs' does not use dropout="):
        net.fit(*wine())


def test_nothing_ignored_is_no_warning():
    net_for(4, alpha=1.0, l1=0.1, label_smoothing=0.1).fit(*wine())
    net_for(4, solver="adam", batch_size=None, dropout=0.5).fit(*wine())


# ---- going on


# Arrays as init are for X as it comes.
AS_IT_COMES = {"input_scaling": None}


def test_a_warm_start_goes_on_from_the_last_weights():
    X, y, held_out = in_two(*cancer(), 300)
    options = {"alpha": 0.01, **AS_IT_COMES}
    net = net_for(40, warm_start=True, **options).fit(X, y, **held_out)
    assert net.best_iter_ < 30
    last = net_for(40, **options).fit(X, y)
    init = [a for pair in zip(last.coefs_, last.intercepts_, strict=True) for a in pair]
    net.set_params(n_iter=5).fit(X, y)
    assert net.n_iter_ == 45
    by_hand = net_for(5, init=init, **options).fit(X, y)
    assert net.loss_curve_[40:] == by_hand.loss_curve_
    assert_same_weights(net, by_hand)


def test_another_solver_goes_on_where_it_ended():
    X, y = wine()
    net = net_for(5, warm_start=True, **AS_IT_COMES).fit(X, y)
    init = [a for pair in zip(net.coefs_, net.intercepts_, strict=True) for a in pair]
    init = [a.copy() for a in init]
    net.set_params(solver=Adam(beta1=0.8), batch_size=None, n_iter=3).fit(X, y)
    adam = {"solver": Adam(beta1=0.8), "batch_size": None}
    by_hand = net_for(3, init=init, **adam, **AS_IT_COMES).fit(X, y)
    assert net.loss_curve_[5:] == by_hand.loss_curve_
    assert_same_weights(net, by_hand)


def test_it_goes_on_where_another_solver_ended():
    X, y = wine()
    net = net_for(5, solver="adam", warm_start=True, **AS_IT_COMES).fit(X, y)
    init = [a for pair in zip(net.coefs_, net.intercepts_, strict=True) for a in pair]
    init = [a.copy() for a in init]
    net.set_params(solver="lbfgs", n_iter=3).fit(X, y)
    by_hand = net_for(3, init=init, **AS_IT_COMES).fit(X, y)
    assert net.loss_curve_[5:] == by_hand.loss_curve_
    assert_same_weights(net, by_hand)


@pytest.mark.parametrize("solver", ["lbfgs", LBFGS(n_corrections=5)])
@pytest.mark.parametrize("estimator", [DeepNetClassifier, DeepNetRegressor])
def test_it_has_no_partial_fit(estimator, solver):
    X, y = wine()
    net = net_for(3, estimator=estimator, solver=solver)
    options = {"classes": [0, 1, 2]} if estimator is DeepNetClassifier else {}
    with pytest.raises((AttributeError, ValueError), match="partial_fit"):
        net.partial_fit(X, y, **options)
    assert not hasattr(net, "coefs_")


def test_the_same_seed_gives_the_same_bits():
    X, y = cancer()
    net = net_for(20, early_stopping=True).fit(X, y)
    assert_same_weights(net_for(20, early_stopping=True).fit(X, y), net)


@pytest.mark.parametrize("n_corrections", [0, -1])
def test_bad_corrections_are_an_error(n_corrections):
    message = f"n_corrections must be a positive number. Got {n_corrections} instead."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        LBFGS(n_corrections=n_corrections)


# ---- ends out of order


def test_an_interrupt_keeps_the_last_complete_iteration():
    X, y, held_out = in_two(*wine(), 120)
    calls = []

    def scoring(estimator, X, y):
        calls.append(None)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return estimator.score(X, y)

    net = net_for(10, scoring=scoring, restore_best=False)
    with pytest.raises(KeyboardInterrupt):
        net.fit(X, y, **held_out)
    assert net.n_iter_ == 3
    assert_same_weights(net, net_for(3).fit(X, y))


@pytest.mark.parametrize("estimator", [DeepNetClassifier, DeepNetRegressor])
def test_a_loss_that_is_infinite_from_the_start_is_a_warning(estimator):
    X, y = wine()
    net = net_for(20, (6, 6), estimator, init_scale=50.0, input_scaling=None)
    with np.errstate(all="ignore"), pytest.warns(DivergenceWarning):
        net.fit(X * 1e307, y)  # whose sum scikit-learn takes
    assert net.diverged_
    assert np.isfinite(net.coefs_[0]).all()
    net.set_params(init_scale=None, input_scaling="standard")
    with np.errstate(all="ignore"):
        assert net.fit(X * 1e307, y).score(X * 1e307, y) > 0.9


# ---- scikit-learn


def name(value):
    return value.func.__name__ if isinstance(value, partial) else repr(value)


# With hardly any penalty, the loss of separable classes has its minimum so far away
# that probabilities are rounded to 0 and 1, and rounding decides where L-BFGS ends.
CHECKS = [
    check
    for estimator in (
        DeepNetClassifier(solver="lbfgs", alpha=0.1),
        DeepNetRegressor(solver="lbfgs"),
    )
    for check in estimator_checks_generator(estimator)
]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(("estimator", "check"), CHECKS, ids=name)
def test_scikit_learn_accepts(estimator, check, legacy_seed):
    legacy_seed(0)  # check_methods_sample_order_invariance draws from it
    with np.errstate(divide="ignore"):  # they take the logarithm of p = 0
        check(estimator)
