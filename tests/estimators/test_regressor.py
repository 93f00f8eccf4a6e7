"""Numbers: each loss against scikit-learn's own, and y in any unit."""

import re
import tracemalloc
from functools import cache, partial

import numpy as np
import pytest
from scipy.special import xlogy
from sklearn._loss.loss import (
    AbsoluteError,
    HalfPoissonLoss,
    HalfSquaredError,
    HuberLoss,
    PinballLoss,
)
from sklearn.base import clone
from sklearn.datasets import load_linnerud, make_friedman1
from sklearn.linear_model import LinearRegression, PoissonRegressor, QuantileRegressor
from sklearn.metrics import mean_absolute_error, mean_pinball_loss, r2_score
from sklearn.preprocessing import scale
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_param_validation,
    estimator_checks_generator,
)

from sklearn_deepnet import (
    DeepNetClassifier,
    DeepNetEnsembleRegressor,
    DeepNetRegressor,
)
from sklearn_deepnet._engine.network import Network, count_params
from sklearn_deepnet._engine.propagation import Propagation
from sklearn_deepnet.nn import losses
from sklearn_deepnet.nn.activations import tanh
from sklearn_deepnet.nn.losses import LOSSES
from tests.helpers import assert_same_training, diabetes, network_factory
from tests.nn.test_losses import FORMULAS

NAMES = [name for name, loss in LOSSES.items() if loss.identity or loss.exponential]


def linnerud():
    X, Y = load_linnerud(return_X_y=True)
    return scale(X), Y


USUAL = {"hidden_layer_sizes": (8,), "n_iter": 20, "learning_rate": 0.01}
USUAL |= {"estimator": DeepNetRegressor}
net_for = network_factory("n_iter", "hidden_layer_sizes", **USUAL)


def optimum(loss, X, y):
    """Return a linear model at the optimum of a loss, be it smooth or not."""
    if loss in ("squared_error", "poisson"):
        net = net_for(500, (), loss=loss, alpha=0, solver="lbfgs", learning_rate=0.001)
    else:
        net = net_for(4000, (), loss=loss, batch_size=None, alpha=0, schedule="cosine")
    return net.fit(X, y)


# ---- values and gradients


def evaluate(loss, Z, T):
    """Return the loss of each sample, and its gradient."""
    grad, scratch = Z.copy(), np.empty((3, *Z.shape))
    values = loss(grad, T, scratch)
    return values.sum(axis=-2), grad


COUNTERPARTS = [
    (losses.squared_error.identity, HalfSquaredError()),
    (losses.absolute_error.identity, AbsoluteError()),
    (losses.quantile().identity, PinballLoss(quantile=0.5)),
    (losses.quantile(0.9).identity, PinballLoss(quantile=0.9)),
    (losses.quantile(0.1).identity, PinballLoss(quantile=0.1)),
    (losses.poisson.exponential, HalfPoissonLoss()),
    (losses.huber().identity, HuberLoss(delta=1.0)),
    (losses.huber(0.3).identity, HuberLoss(delta=0.3)),
]


@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize(("loss", "theirs"), COUNTERPARTS)
def test_loss_is_that_of_scikit_learn_averaged_over_outputs(loss, theirs, n_outputs):
    rng = np.random.RandomState(0)
    Z, T = rng.randn(n_outputs, 200) * 2, np.abs(rng.randn(n_outputs, 200)) * 2
    values, grad = evaluate(loss, Z, T)
    expected, slopes = np.empty_like(Z), np.empty_like(Z)
    for output in range(n_outputs):
        expected[output] = theirs.loss(T[output], Z[output])
        slopes[output] = theirs.gradient(T[output], Z[output])
    np.testing.assert_allclose(values, expected.mean(axis=0), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(grad, slopes / n_outputs, rtol=1e-12, atol=1e-14)


def test_poisson_loss_is_half_the_deviance_but_for_a_constant():
    rng = np.random.RandomState(0)
    Z, T = rng.randn(1, 200), rng.poisson(2, (1, 200)).astype(float)
    values, _ = evaluate(losses.poisson.exponential, Z, T)
    deviance = xlogy(T, T / np.exp(Z)) - T + np.exp(Z)
    np.testing.assert_allclose(values, (deviance - xlogy(T, T) + T)[0], rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_gradient_is_the_slope_of_the_loss_with_several_outputs(n_outputs, name):
    """Averaged over outputs in the value, and in the gradient as well."""
    loss = LOSSES[name].identity or LOSSES[name].exponential
    sizes, rng = (3, 4, n_outputs), np.random.RandomState(1)
    params = rng.randn(count_params(sizes))
    inputs = rng.randn(4, 7)
    inputs[-1] = 1
    target, weight = rng.rand(n_outputs, 7) * 3, rng.rand(1, 7)
    propagation = Propagation(Network(sizes, [tanh], params), loss)
    propagation.loss_and_gradient(inputs, inputs.T, target, weight)
    gradient = propagation.gradient.copy()
    for i in range(len(params)):
        middle = params[i]
        params[i] = middle + 1e-6
        above = propagation.loss(inputs, target, weight)
        params[i] = middle - 1e-6
        slope = (above - propagation.loss(inputs, target, weight)) / 2e-6
        params[i] = middle
        assert gradient[i] == pytest.approx(slope, rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_one_output_thrice_is_the_loss_of_one(name):
    X, y = diabetes()
    net = net_for(3, (), solver="sgd", batch_size=None, loss=name, alpha=0)
    net.set_params(init="zeros", bias_init="zeros")
    one = clone(net).fit(X, y)
    three = net.set_params(learning_rate=0.03).fit(X, np.c_[y, y, y])
    np.testing.assert_allclose(three.loss_curve_, one.loss_curve_, rtol=1e-12)
    for output in range(3):  # a third of the gradient, three times the rate
        moved = three.coefs_[0][:, output]
        np.testing.assert_allclose(moved, one.coefs_[0][:, 0], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "loss",
    [losses.absolute_error, losses.huber(), losses.quantile(), losses.quantile(0.9)],
)
def test_the_slope_at_the_target_itself_is_zero(loss):
    Z = np.array([[1.0, 2.0]])
    _, grad = evaluate(loss.identity, Z, Z.copy())
    np.testing.assert_array_equal(grad, 0)


def test_every_loss_has_its_kind_of_output():
    kinds = {
        name: {kind for kind in ("identity", "exponential") if getattr(loss, kind)}
        for name, loss in LOSSES.items()
    }
    others = {
        "log_loss": set(),
        "focal": set(),
        "poisson": {"exponential"},
    }
    numbers = ("squared_error", "absolute_error", "huber", "quantile")
    expected = others | {name: {"identity"} for name in numbers}
    assert kinds.items() >= expected.items()


# ---- optima


def test_the_optimum_of_squared_error_is_least_squares():
    X, y = diabetes()
    model = LinearRegression().fit(X, y)
    net = optimum("squared_error", X, y)
    np.testing.assert_allclose(net.predict(X), model.predict(X), rtol=1e-3)


@pytest.mark.slow
def test_the_optimum_of_poisson_is_that_of_poisson_regression():
    X, y = diabetes()
    y = np.round(y / 40)
    model = PoissonRegressor(alpha=0, tol=1e-10, max_iter=9999).fit(X, y)
    net = optimum("poisson", X, y)
    np.testing.assert_allclose(net.predict(X), model.predict(X), rtol=1e-3)
    assert net.out_activation_ == "exponential"
    assert net.predict(X * 5).min() > 0
    np.testing.assert_allclose(net.coefs_[0][:, 0], model.coef_, atol=1e-3)
    b = net.intercepts_[0] + np.log(net.target_scale_)
    np.testing.assert_allclose(b, model.intercept_, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("q", [0.1, 0.5, 0.9])
def test_the_optimum_of_the_pinball_loss_is_that_of_quantile_regression(q):
    X, y = diabetes()
    model = QuantileRegressor(quantile=q, alpha=0).fit(X, y)
    net = optimum(losses.quantile(q), X, y)
    best = mean_pinball_loss(y, model.predict(X), alpha=q)
    assert mean_pinball_loss(y, net.predict(X), alpha=q) < best * 1.005
    assert np.mean(y <= net.predict(X)) == pytest.approx(q, abs=0.03)


@pytest.mark.slow
def test_the_optimum_of_absolute_error_is_the_median():
    X, y = (array[1:] for array in diabetes())  # an odd number, so of one median
    net = optimum("absolute_error", np.zeros_like(X), y)
    assert net.predict(X[:1] * 0)[0] == pytest.approx(np.median(y), rel=1e-3)
    model = QuantileRegressor(quantile=0.5, alpha=0).fit(X, y)
    net = optimum("absolute_error", X, y)
    best = mean_absolute_error(y, model.predict(X))
    assert mean_absolute_error(y, net.predict(X)) < best * 1.005


@pytest.mark.slow
def test_huber_is_squared_error_with_a_wide_border_but_median_with_a_narrow_one():
    X, y = diabetes()
    wide = net_for(3, loss=losses.huber(1e6)).fit(X, y)
    squared = net_for(3, loss="squared_error").fit(X, y)
    assert_same_training(wide, squared, rtol=1e-9)
    nothing = np.zeros_like(X)
    skewed = y**3
    narrow = optimum(losses.huber(1e-3), nothing, skewed)
    at_median = narrow.predict(nothing[:1])[0]
    assert at_median == pytest.approx(np.median(skewed), rel=0.02)
    assert abs(np.mean(skewed) / np.median(skewed) - 1) > 0.5


NOT_QUANTILES = (
    "quantile must be a number in (0, 1), or an increasing sequence of such numbers. "
    "Got {} instead."
)


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (losses.huber, 0, "delta must be a positive number. Got 0 instead."),
        (losses.huber, np.inf, "delta must be a positive number. Got inf instead."),
        (losses.quantile, 0, NOT_QUANTILES.format("0")),
        (losses.quantile, 1.0, NOT_QUANTILES.format("1.0")),
        (losses.quantile, np.nan, NOT_QUANTILES.format("nan")),
        (losses.quantile, [], NOT_QUANTILES.format("[]")),
        (losses.quantile, [0.9, 0.1], NOT_QUANTILES.format("[0.9, 0.1]")),
        (losses.quantile, [0.5, 0.5], NOT_QUANTILES.format("[0.5, 0.5]")),
        (losses.quantile, [0.5, 1], NOT_QUANTILES.format("[0.5, 1]")),
        (losses.quantile, [[0.1, 0.5]], NOT_QUANTILES.format("[[0.1, 0.5]]")),
    ],
)
def test_a_bad_setting_is_an_error(kind, value, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        kind(value)


# ---- units


@cache
def in_its_unit(name):
    return net_for(30, loss=name).fit(*diabetes())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("unit", [1e-150, 1e-6, 1e6, 1e150])
def test_the_unit_of_y_is_nothing(unit, name):
    X, y = diabetes()
    plain = in_its_unit(name)
    scaled = clone(plain).fit(X, y * unit)
    np.testing.assert_allclose(scaled.loss_curve_, plain.loss_curve_, rtol=1e-6)
    assert r2_score(y * unit, scaled.predict(X)) == pytest.approx(
        r2_score(y, plain.predict(X)), abs=1e-6
    )
    np.testing.assert_allclose(scaled.target_scale_, plain.target_scale_ * unit)
    np.testing.assert_allclose(scaled.target_mean_, plain.target_mean_ * unit)


@pytest.mark.parametrize("unit", [1e-30, 1e-6, 1e6, 1e30])
def test_the_unit_of_y_is_nothing_in_float32(unit):
    X, y = diabetes()
    X = X.astype(np.float32)
    plain = net_for(30).fit(X, y)
    scaled = net_for(30).fit(X, y * unit)
    predicted = scaled.predict(X)
    assert predicted.dtype == np.float32
    np.testing.assert_allclose(predicted / unit, plain.predict(X), rtol=1e-3)


@pytest.mark.parametrize("offset", [-1e6, 1e6])
def test_where_y_lies_is_nothing(offset):
    X, y = diabetes()
    plain, moved = net_for(30).fit(X, y), net_for(30).fit(X, y + offset)
    np.testing.assert_allclose(moved.predict(X) - offset, plain.predict(X), rtol=1e-5)


def test_a_target_far_from_zero_keeps_its_digits_in_float32():
    """It is centred before it is cast: 1e8 + y has no digits of y in float32."""
    X, y = diabetes()
    X = X.astype(np.float32)
    moved = net_for(30).fit(X, y + 1e8)
    plain = net_for(30).fit(X, y)
    np.testing.assert_allclose(moved.loss_curve_, plain.loss_curve_, rtol=1e-3)


@pytest.mark.parametrize("weigh", [False, True])
def test_scaling_is_by_weighted_mean_and_deviation(weigh):
    X, Y = linnerud()
    weight = np.random.RandomState(0).uniform(0, 2, 20) if weigh else None
    net = net_for(2).fit(X, Y, sample_weight=weight)
    mean = np.average(Y, axis=0, weights=weight)
    variance = np.average((Y - mean) ** 2, axis=0, weights=weight)
    np.testing.assert_allclose(net.target_mean_, mean, rtol=1e-12)
    np.testing.assert_allclose(net.target_scale_, np.sqrt(variance), rtol=1e-12)
    counts = net_for(2, loss="poisson").fit(X, Y, sample_weight=weight)
    np.testing.assert_array_equal(counts.target_mean_, 0)
    np.testing.assert_allclose(counts.target_scale_, mean, rtol=1e-12)


def test_curves_are_in_scaled_units():
    X, y = diabetes()
    p = net_for(0).fit(X, y).predict(X)
    net = net_for(1, batch_size=None, alpha=0).fit(X, y)
    expected = np.mean(((p - y) / y.std()) ** 2) / 2
    assert net.loss_curve_[0] == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_no_scaling_leaves_y_as_it_is(name):
    X, y = diabetes()
    y = y / 100
    net = net_for(1, loss=name, target_scaling=None, batch_size=None, alpha=0)
    p = clone(net).set_params(n_iter=0).fit(X, y).predict(X)
    function = LOSSES[name].identity or LOSSES[name].exponential
    logits = np.log(p) if LOSSES[name].exponential else p
    loss = FORMULAS[function](logits[np.newaxis], y[np.newaxis]).mean()
    assert net.fit(X, y).loss_curve_[0] == pytest.approx(loss, rel=1e-10)
    assert net.target_scale_.tolist() == [1]
    assert net.target_mean_.tolist() == [0]


@pytest.mark.slow
@pytest.mark.parametrize("value", [0.0, 5.0, -3e150, 1e-150])
@pytest.mark.parametrize("name", NAMES)
def test_a_constant_y_is_learned(name, value):
    if name == "poisson":
        value = abs(value)
    X, _ = diabetes()
    net = net_for(100, loss=name, schedule="cosine", learning_rate=0.03)
    net.fit(X, np.full(len(X), value))
    assert np.median(np.abs(net.predict(X) - value)) <= 0.05 * abs(value or 1)
    assert np.isfinite(net.target_scale_).all()
    assert net.target_scale_[0] > 0


def test_a_constant_output_among_others_is_learned():
    X, y = diabetes()
    net = net_for(200, schedule="cosine").fit(X, np.c_[y, np.full(len(y), 7.0)])
    assert np.median(np.abs(net.predict(X)[:, 1] - 7)) < 0.5
    assert r2_score(y, net.predict(X)[:, 0]) > 0.4


# ---- weights


@pytest.mark.parametrize("name", NAMES)
def test_a_weight_of_two_is_the_row_twice(name):
    X, y = diabetes()
    weight = np.random.RandomState(0).randint(1, 4, len(y))
    net = net_for(10, loss=name, batch_size=None, alpha=1.0)
    weighted = clone(net).fit(X, y, sample_weight=weight)
    repeated = clone(net).fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    np.testing.assert_allclose(weighted.target_scale_, repeated.target_scale_)
    assert_same_training(weighted, repeated, rtol=1e-7)


@pytest.mark.parametrize("outlier", [1.0, 1e6, 1e300])
@pytest.mark.parametrize("batch_size", [None, 50])
def test_a_weight_of_zero_is_no_row_whatever_its_target(batch_size, outlier):
    X, y = diabetes()
    kept = np.arange(len(y)) % 3 > 0
    net = net_for(5, batch_size=batch_size, alpha=1.0)
    with_zeros = clone(net).fit(X, np.where(kept, y, outlier), sample_weight=kept)
    without = clone(net).fit(X[kept], y[kept])
    assert with_zeros.target_scale_ == without.target_scale_
    assert with_zeros.target_mean_ == without.target_mean_
    assert_same_training(with_zeros, without)


def test_a_row_of_weight_zero_costs_no_copy_of_x():
    rng = np.random.RandomState(0)
    X, y = rng.rand(100_000, 50), rng.rand(100_000)
    weight = np.ones(len(y))
    weight[7] = 0
    net = net_for(1, (4,), batch_size=None)
    tracemalloc.start()
    try:
        net.fit(X, y, sample_weight=weight)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < X.nbytes / 2


# ---- several outputs


def test_several_outputs_are_predicted_as_columns():
    X, Y = linnerud()
    net = net_for(50).fit(X, Y)
    assert net.predict(X).shape == (20, 3)
    assert net.n_outputs_ == 3
    hidden = np.maximum(X @ net.coefs_[0] + net.intercepts_[0], 0)
    Z = hidden @ net.coefs_[1] + net.intercepts_[1]
    expected = Z * Y.std(axis=0) + Y.mean(axis=0)
    np.testing.assert_allclose(net.predict(X), expected, rtol=1e-10)
    assert net.score(X, Y) == pytest.approx(r2_score(Y, net.predict(X)))


def test_one_column_is_one_output():
    X, y = diabetes()
    with pytest.warns(UserWarning, match="column-vector y"):
        net = net_for(3).fit(X, y[:, np.newaxis])
    assert_same_training(net, net_for(3).fit(X, y))
    assert net.predict(X).shape == (len(y),)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_several_outputs_are_learned(name):
    X, y = make_friedman1(300, random_state=0)
    Y = np.c_[y, 40 - y, y**2]
    net = net_for(100, (30,), loss=name).fit(X, Y)
    assert min(r2_score(Y, net.predict(X), multioutput="raw_values")) > 0.6


# ---- types, and errors


@pytest.mark.parametrize("dtype", [int, np.uint8, bool, np.float32, object])
def test_y_may_have_any_type(dtype):
    X, y = diabetes()
    y = np.round(y / 2) % 200
    y = (y > 80).astype(bool) if dtype is bool else y.astype(dtype)
    for name in ("squared_error", "poisson"):
        net = net_for(3, loss=name).fit(X, y)
        expected = net_for(3, loss=name).fit(X, y.astype(float))
        assert_same_training(net, expected, rtol=1e-6)


def test_float32_stays_float32():
    X, y = diabetes()
    net = net_for(3).fit(X.astype(np.float32), y.astype(np.float32))
    assert {array.dtype for array in net.coefs_ + net.intercepts_} == {np.dtype("f4")}
    assert net.predict(X).dtype == np.float32


@pytest.mark.parametrize("data_dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", [DeepNetRegressor, DeepNetEnsembleRegressor])
def test_float32_tells_targets_far_from_zero_apart(kind, data_dtype):
    X, y = diabetes()
    net = net_for(30, dtype="float32")
    if kind is DeepNetEnsembleRegressor:
        net = kind(net, n_estimators=2, random_state=0)
    X = X.astype(data_dtype)
    near, far = (clone(net).fit(X, y + shift).predict(X) for shift in (0, 1e10))
    np.testing.assert_allclose(far - 1e10, near, atol=1e-3 * y.std())
    assert (near.dtype, far.dtype) == (np.float32, np.float64)


@pytest.mark.parametrize("where", ["y", "y_val"])
@pytest.mark.parametrize("loss", ["poisson", losses.poisson])
def test_negative_counts_are_an_error(where, loss):
    X, y = diabetes()
    targets = {"y": y, "X_val": X, "y_val": y.copy()}
    targets[where] = y - 30
    message = f"{where} must not be negative with loss='poisson'. Got -5."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        net_for(loss=loss).fit(X, **targets)


def test_counts_may_be_zero():
    X, y = diabetes()
    y = np.where(y > 100, 0, y)
    net = net_for(50, loss="poisson").fit(X, y)
    assert np.isfinite(net.loss_curve_).all()
    assert net.predict(X).min() > 0


@pytest.mark.parametrize(
    ("estimator", "loss", "outputs"),
    [
        (DeepNetRegressor, "log_loss", "exponential"),
        (DeepNetClassifier, "poisson", "softmax"),
        (DeepNetClassifier, "huber", "softmax"),
    ],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_a_loss_of_another_kind_is_an_error(estimator, loss, outputs, sign):
    X, y = linnerud()
    y = sign * (np.arange(20) % 3 + 1)
    name = estimator.__name__
    given = rf"loss=.?{loss}.? is not supported for .* of {name}\."
    with pytest.raises(ValueError, match=rf"^{given} Choose one of \[.*\]\.$"):
        estimator(loss=loss).fit(X, y)


# ---- scikit-learn


def test_tags_are_what_it_does():
    tags = DeepNetRegressor().__sklearn_tags__()
    assert tags.target_tags.multi_output
    assert tags.target_tags.single_output
    assert not tags.target_tags.positive_only
    assert tags.input_tags.sparse
    assert DeepNetRegressor(loss="poisson").__sklearn_tags__().target_tags.positive_only
    assert DeepNetClassifier().__sklearn_tags__().classifier_tags.multi_label


def name_of(value):
    return value.func.__name__ if isinstance(value, partial) else repr(value)


CHECKS = [
    check
    for estimator in (DeepNetRegressor(), DeepNetRegressor(batch_size=None))
    for check in estimator_checks_generator(estimator)
]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(("estimator", "check"), CHECKS, ids=name_of)
def test_scikit_learn_accepts(estimator, check, legacy_seed):
    legacy_seed(0)  # check_methods_sample_order_invariance draws from it
    check(estimator)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("estimator", [DeepNetRegressor, DeepNetClassifier])
@pytest.mark.parametrize(
    "check", [check_param_validation, check_dataframe_column_names_consistency]
)
def test_scikit_learn_accepts_by_checks_that_it_does_not_generate(check, estimator):
    check(estimator.__name__, estimator())


@pytest.mark.parametrize("target_scaling", ["standard", None])
def test_targets_that_are_no_numbers_are_an_error(target_scaling):
    X, _ = diabetes()
    labels = np.array(["low", "high"] * (len(X) // 2), dtype=object)
    message = "y must contain only numbers. Got text, such as 'low'."
    with pytest.raises(ValueError, match=message):
        net_for(2, target_scaling=target_scaling).fit(X, labels)
