"""What sample_weight promises: 2 is the row twice, 0 is no row, light pulls lightly."""

import re
import warnings
from copy import deepcopy

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import BaggingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from sklearn_deepnet import (
    DeepNetClassifier,
    DeepNetEnsembleClassifier,
    DeepNetRegressor,
    fit_stack,
    load_model,
    save_model,
)
from tests.helpers import (
    assert_same_training,
    assert_same_weights,
    cancer,
    diabetes,
    digits,
    exactly,
    network_factory,
    raises,
    wine,
)

short_net = network_factory("hidden_layer_sizes", hidden_layer_sizes=(8, 5), n_iter=20)


# ---- repetition and absence


@pytest.mark.parametrize("data", [cancer, digits])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("loss", ["log_loss", "squared_error"])
def test_a_weight_of_two_is_the_row_twice(data, solver, loss):
    X, y = data()
    weight = np.random.RandomState(0).randint(1, 4, len(y))
    net = short_net(solver=solver, loss=loss, batch_size=None, alpha=1)
    weighted = clone(net).fit(X, y, sample_weight=weight)
    repeated = clone(net).fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    assert_same_training(weighted, repeated, rtol=1e-9)


SHUFFLED = {"batch_size": 32}
IN_ORDER = {"batch_size": 32, "shuffle": False}
FULL_BATCH = {"batch_size": None}


@pytest.mark.parametrize("parameters", [SHUFFLED, IN_ORDER, FULL_BATCH, {}])
@pytest.mark.parametrize("data", [cancer, digits])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_weight_of_zero_is_no_row_bit_for_bit(data, parameters, dtype):
    X, y = data()
    rng = np.random.RandomState(0)
    kept = rng.rand(len(y)) < 0.7
    weight = np.where(kept, rng.uniform(0.5, 2, len(y)), 0)
    X = np.where(kept[:, np.newaxis], X, 1e6)  # would ruin it all
    net = short_net(dtype=dtype, alpha=1, n_iter=5, **parameters)
    with_zeros = clone(net).fit(X, y, sample_weight=weight)
    without = clone(net).fit(X[kept], y[kept], sample_weight=weight[kept])
    assert_same_training(with_zeros, without)


def test_a_weight_of_zero_is_no_row_in_partial_fit():
    X, y = cancer()
    kept = np.arange(len(y)) % 3 > 0
    with_zeros, without = short_net(batch_size=50), short_net(batch_size=50)
    for _ in range(3):
        with_zeros.partial_fit(X, y, classes=[0, 1], sample_weight=kept)
        without.partial_fit(X[kept], y[kept], classes=[0, 1])
    assert_same_training(with_zeros, without)


@pytest.mark.parametrize("weight", [1, 1.0, 2.5, [1] * 569, np.ones(569, bool)])
@pytest.mark.parametrize("parameters", [SHUFFLED, FULL_BATCH])
def test_equal_weights_are_no_weights_bit_for_bit(weight, parameters):
    X, y = cancer()
    net = short_net(alpha=0, **parameters)
    weighted = clone(net).fit(X, y, sample_weight=weight)
    assert_same_training(weighted, clone(net).fit(X, y))


# ---- scale, and the penalty


@pytest.mark.parametrize(
    ("factor", "rtol"), [(2.0**-20, 0), (1024, 0), (3.7, 1e-9), (1e-300, 1e-9)]
)
@pytest.mark.parametrize("parameters", [SHUFFLED, FULL_BATCH])
def test_the_scale_of_all_weights_is_nothing_without_penalty(factor, rtol, parameters):
    X, y = cancer()
    weight = np.random.RandomState(0).uniform(0.5, 2, len(y))
    net = short_net(alpha=0, n_iter=5, **parameters)
    scaled = clone(net).fit(X, y, sample_weight=factor * weight)
    assert_same_training(scaled, clone(net).fit(X, y, sample_weight=weight), rtol)


@pytest.mark.slow
@pytest.mark.parametrize("solver", ["sgd", "adam", "adamw"])
def test_the_penalty_is_relative_to_the_total_weight(solver):
    X, y = cancer()
    weight = np.random.RandomState(0).uniform(0.5, 2, len(y))
    net = short_net(solver=solver, batch_size=32)
    heavy = clone(net).set_params(alpha=64).fit(X, y, sample_weight=64 * weight)
    light = clone(net).set_params(alpha=1).fit(X, y, sample_weight=weight)
    assert_same_training(heavy, light)
    free = clone(net).set_params(alpha=0).fit(X, y, sample_weight=weight)
    assert np.abs(free.coefs_[0] - light.coefs_[0]).max() > 1e-6


def test_partial_fit_takes_the_penalty_relative_to_its_own_weight():
    X, y = cancer()
    net = short_net((), init="zeros", solver="sgd", learning_rate=1.0, alpha=6)
    net.partial_fit(X[:100], y[:100], classes=[0, 1])
    W, b = net.coefs_[0].copy(), net.intercepts_[0].copy()
    net.partial_fit(X[100:130], y[100:130], sample_weight=0.5)
    scaled = (X[100:130] - net.input_mean_) / net.input_scale_  # as in the first call
    p = 1 / (1 + np.exp(-scaled @ W - b))
    gradient = scaled.T @ (p - y[100:130, np.newaxis]) / 30 + 6 / 15 * W
    np.testing.assert_allclose(net.coefs_[0], W - gradient, rtol=1e-12)


# ---- against the optimum: logistic regression, whose C is 1 / alpha


def logistic_regression(X, y, weight, alpha):
    """Return the model of standardized X, whose weights are penalized."""
    X = StandardScaler().fit(X, sample_weight=weight).transform(X)
    model = LogisticRegression(C=1 / alpha, tol=1e-10, max_iter=10_000)
    return model.fit(X, y, sample_weight=weight)


def uneven_weights(y):
    """Heavy rows first, then light ones, in which class 0 weighs ten times as much."""
    heavy = np.arange(len(y)) < len(y) // 2
    return np.where(heavy, 1.0, np.where(y == 0, 0.2, 0.02))


@pytest.mark.slow
@pytest.mark.parametrize("data", [cancer, wine])
def test_no_hidden_layer_is_weighted_logistic_regression(data):
    X, y = data()
    weight = uneven_weights(y)
    net = short_net((), solver="nesterov", learning_rate=0.1, alpha=2, n_iter=6000)
    net.set_params(batch_size=None).fit(X, y, sample_weight=weight)
    model = logistic_regression(X, y, weight, alpha=2)
    np.testing.assert_allclose(net.coefs_[0].T, model.coef_, atol=1e-4)
    b = net.intercepts_[0] - net.intercepts_[0].mean() * (len(net.classes_) > 2)
    np.testing.assert_allclose(b, model.intercept_, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    "batches",
    [
        {"shuffle": False, "batch_size": 285},  # one of heavy rows, one of light ones
        {"shuffle": True, "batch_size": 40},  # with a short one at the end
    ],
)
def test_a_light_batch_pulls_lightly(batches):
    X, y = cancer()
    weight = uneven_weights(y)
    net = short_net((), solver="sgd", alpha=20, warm_start=True, **batches)
    for learning_rate in (0.1, 0.01, 0.001, 0.0001):
        net.set_params(learning_rate=learning_rate, n_iter=1000)
        net.fit(X, y, sample_weight=weight)
    right = logistic_regression(X, y, weight, alpha=20)
    np.testing.assert_allclose(net.intercepts_[0], right.intercept_, atol=2e-3)
    np.testing.assert_allclose(net.coefs_[0].T, right.coef_, atol=2e-3)
    light = weight < 1
    weight[light] *= weight[~light].mean() / weight[light].mean()
    wrong = logistic_regression(X, y, weight, alpha=20 * weight.mean())
    assert abs(wrong.intercept_ - right.intercept_)[0] > 0.1


def test_steps_follow_the_rule_for_the_weight_of_a_row():
    """Row i of batch B weighs w_i n / (W |B|), in a short last batch too."""
    X, y = cancer()
    X, y = X[:100], y[:100, np.newaxis]
    w = np.random.RandomState(0).uniform(0.1, 3, (100, 1))
    net = short_net((), init="zeros", solver="sgd", learning_rate=0.5, alpha=3)
    net.set_params(batch_size=32, shuffle=False, n_iter=2).fit(X, y[:, 0], w[:, 0])
    X = StandardScaler().fit(X, sample_weight=w[:, 0]).transform(X)
    W, b, losses = np.zeros((30, 1)), np.zeros(1), [0.0, 0.0]
    for iteration in range(2):
        for B in (slice(0, 32), slice(32, 64), slice(64, 96), slice(96, 100)):
            size = B.stop - B.start
            weight = w[B] * 100 / (w.sum() * size)
            p = 1 / (1 + np.exp(-X[B] @ W - b))
            loss = np.sum(weight * -np.log(np.where(y[B] == 1, p, 1 - p)))
            loss += 3 / (2 * w.sum()) * np.sum(W**2)
            losses[iteration] += loss * size / 100
            dZ = weight * (p - y[B])
            W, b = W - 0.5 * (X[B].T @ dZ + 3 / w.sum() * W), b - 0.5 * dZ.sum(axis=0)
    np.testing.assert_allclose(net.coefs_[0], W, rtol=1e-10)
    np.testing.assert_allclose(net.intercepts_[0], b, rtol=1e-10)
    np.testing.assert_allclose(net.loss_curve_, losses, rtol=1e-12)


# ---- classes, and errors


def test_classes_come_from_all_rows_whatever_their_weight():
    X, y = wine()
    net = short_net(n_iter=50).fit(X, y, sample_weight=y != 2)
    assert net.classes_.tolist() == [0, 1, 2]
    assert net.predict_proba(X).shape == (178, 3)
    assert 2 not in net.predict(X)


@pytest.mark.parametrize(
    ("rows", "value", "message"),
    [
        (
            slice(3, 4),
            -0.5,
            "sample_weight must not be negative. Got -0.5.",
        ),
        (
            slice(None),
            1e308,
            "The sum of sample_weight is inf, which is too small or too large to "
            "divide by. Scale the weights, for example to a mean of 1.",
        ),
        (
            slice(3, 4),
            np.nan,
            "Input sample_weight contains NaN. Of 178 values, 1 is missing. Remove "
            "these rows, or impute the values.",
        ),
        (
            slice(3, 4),
            np.inf,
            "Input sample_weight contains infinity. Of 178 values, 1 is infinite. "
            "Remove these rows, or replace the values.",
        ),
    ],
)
@pytest.mark.parametrize("warm_start", [False, True])
def test_a_bad_weight_is_an_error(rows, value, message, warm_start):
    X, y = wine()
    weight = np.ones(len(y))
    weight[rows] = value
    net = short_net(warm_start=warm_start).fit(X, y)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        net.fit(X, y, sample_weight=weight)


ZERO = "{} is zero for all samples. At least one weight must be positive."


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("estimator", [DeepNetClassifier, DeepNetRegressor])
def test_no_weight_at_all_is_an_error_in_the_first_call(estimator, method):
    X, y = wine()
    fit = getattr(short_net(estimator=estimator), method)
    weights = {"sample_weight": np.zeros(len(y))}
    if (method, estimator) == ("partial_fit", DeepNetClassifier):
        weights["classes"] = [0, 1, 2]
    with raises(ZERO.format("sample_weight")):
        fit(X, y, **weights)


def test_class_weights_that_leave_no_row_are_an_error_that_names_them():
    X, y = wine()
    net = short_net(class_weight={1: 0.0})
    with raises(ZERO.format("sample_weight times class_weight")):
        net.fit(X, y, sample_weight=y == 1)


def test_validation_data_without_weight_are_an_error_that_names_them():
    X, y = wine()
    for call in (short_net().fit, short_net().fit(X, y).partial_fit):
        with raises(ZERO.format("sample_weight_val")):
            call(X, y, X_val=X, y_val=y, sample_weight_val=np.zeros(len(y)))


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (
            np.ones(177),
            "sample_weight must have one weight for each sample, so its shape must be "
            "(178,). Got the shape (177,) instead.",
        ),
        (
            np.ones((178, 1)),
            "sample_weight must have one weight for each sample, so its shape must be "
            "(178,). Got the shape (178, 1) instead.",
        ),
        (
            ["heavy"] * 178,
            "sample_weight must contain only numbers. Got text, such as 'heavy'. "
            "Convert them to numbers first.",
        ),
    ],
)
def test_weights_of_a_wrong_shape_or_kind_are_an_error(weight, message):
    X, y = wine()
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        short_net().fit(X, y, sample_weight=weight)


def test_a_batch_of_one_class_is_no_error_in_partial_fit():
    X, y = wine()
    net = short_net().partial_fit(X[y == 1], y[y == 1], classes=[0, 1, 2])
    assert net.n_iter_ == 1


def test_weights_too_small_to_divide_by_are_an_error():
    X, y = cancer()
    message = r"^The sum of sample_weight is 5\.69e-318, which is too small"
    with pytest.raises(ValueError, match=message):
        short_net().fit(X, y, sample_weight=np.full(len(y), 1e-320))


@pytest.mark.parametrize("class_weight", ["balanced", {1: 1e10}])
def test_weights_whose_products_overflow_are_an_error(class_weight):
    X, y = cancer()
    message = (
        "The sum of sample_weight times class_weight is inf, which is too small or "
        "too large to divide by. Scale the weights, for example to a mean of 1."
    )
    weight = np.where(y == 0, 1e-300, 1e300)
    with raises(message):
        short_net(class_weight=class_weight).fit(X, y, sample_weight=weight)


@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 1e10}])
def test_weights_that_overflow_are_an_error_before_class_weights(class_weight):
    X, y = cancer()
    with pytest.raises(ValueError, match=r"^The sum of sample_weight is inf, "):
        short_net(class_weight=class_weight).fit(X, y, sample_weight=[1e308] * len(y))


# ---- weights that leave one class


def warns_of_one_class(label):
    message = (
        f"Only samples of class {label!r} have positive weight. The network is not "
        "trained and always predicts this class. Give positive weights to samples of "
        "at least two classes."
    )
    return pytest.warns(ConvergenceWarning, match=exactly(message))


def assert_always(net, index):
    """Check that a fitted network predicts one class for any X, with certainty."""
    X = 1e3 * np.random.RandomState(0).randn(200, net.n_features_in_)
    p = net.predict_proba(X)
    assert {*net.predict(X)} == {net.classes_[index]}
    assert p.shape == (200, len(net.classes_))
    np.testing.assert_allclose(p[:, index], 1, atol=1e-6)
    assert np.isfinite(net.predict_log_proba(X)).all()


@pytest.mark.parametrize("data", [cancer, wine])
@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"solver": "lbfgs"},
        {"early_stopping": True, "scoring": "roc_auc"},
        {"class_weight": "balanced"},
        {"dtype": "float32"},
        {"loss": "squared_error", "warm_start": True},
        {"hidden_layer_sizes": ()},
    ],
)
def test_weights_that_leave_one_class_make_a_constant_classifier(
    data, index, parameters
):
    X, y = data()
    labels = np.array(["a", "b", "c"])[y]
    net = short_net(**parameters)
    with warns_of_one_class("ab"[index]):
        net.fit(X, labels, sample_weight=y == index)
    assert net.classes_.tolist() == np.unique(labels).tolist()
    assert_always(net, index)
    assert (net.n_iter_, net.best_iter_) == (0, None)


def test_class_weights_that_leave_one_class_make_a_constant_classifier():
    X, y = cancer()
    net = short_net(class_weight={0: 0})
    with warns_of_one_class(1):
        net.fit(X, y)
    assert_always(net, 1)


def test_one_row_of_weight_makes_a_constant_classifier_with_early_stopping():
    X, y = cancer()
    net = short_net(early_stopping=True)
    with warns_of_one_class(0):
        net.fit(X, y, sample_weight=np.arange(len(y)) == 0)
    assert_always(net, 0)


def test_a_stack_has_the_constant_classifiers_of_single_fits():
    X, y = wine()
    nets = [short_net(random_state=k, learning_rate=0.01) for k in range(4)]
    rows = [np.arange(100), np.arange(78, 178), np.arange(100), np.arange(78, 178)]
    weight = np.where(y == 1, 2.0, 0)
    weight[:40:2] = [*[1.0] * 20]  # of class 0, which the second half has not
    with warns_of_one_class(1):
        stack = fit_stack(nets, X, y, rows=rows, sample_weight=weight)
    for net, some in zip(stack, rows, strict=True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            alone = clone(net).fit(X[some], y[some], sample_weight=weight[some])
        assert_same_training(net, alone)
    assert_always(stack[1], 0)  # whose classes are 1 and 2
    assert [net.n_iter_ for net in stack] == [20, 0, 20, 0]


def test_an_ensemble_of_constant_classifiers_is_constant():
    X, y = wine()
    ensemble = DeepNetEnsembleClassifier(short_net(), n_estimators=3, bootstrap=True)
    with warns_of_one_class(2):
        ensemble.fit(X, y, sample_weight=y == 2)
    assert ensemble.classes_.tolist() == [0, 1, 2]
    assert {*ensemble.predict(X)} == {2}


def test_a_constant_classifier_is_kept_in_a_file(tmp_path):
    X, y = wine()
    with warns_of_one_class(2):
        net = short_net().fit(X, y, sample_weight=y == 2)
    save_model(net, tmp_path / "net")
    assert_always(load_model(tmp_path / "net"), 2)


def test_a_constant_classifier_stays_one_until_it_gets_two_classes():
    X, y = cancer()
    net = short_net(warm_start=True, learning_rate=0.01)
    for _ in range(2):
        with warns_of_one_class(1):
            net.fit(X, y, sample_weight=y == 1)
        assert_always(net, 1)
    net.set_params(n_iter=100).fit(X, y)
    assert net.score(X, y) > 0.95


def test_a_checkpoint_of_a_constant_classifier_is_one(tmp_path):
    X, y = cancer()
    for _ in range(2):
        net = short_net()
        with warns_of_one_class(1):
            net.fit(X, y, sample_weight=y == 1, checkpoint=tmp_path / "fit")
        assert_always(net, 1)


def test_bagging_may_draw_without_a_rare_class():
    X = np.random.RandomState(0).randn(40, 3)
    y = np.where(np.arange(40) < 2, "rare", "usual")
    bagging = BaggingClassifier(short_net(n_iter=3), 10, random_state=0)
    with warns_of_one_class(1):  # bagging encodes y
        bagging.fit(X, y)
    assert bagging.predict_proba(X).shape == (40, 2)
    assert {net.n_iter_ for net in bagging.estimators_} == {0, 3}


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_trained_network_goes_on_with_the_one_class_that_weights_leave(method):
    X, y = wine()
    net = short_net(warm_start=True).fit(X, y)
    with_zeros, without = deepcopy(net), deepcopy(net)
    getattr(with_zeros, method)(X, y, sample_weight=y == 1)
    if method == "partial_fit":
        without.partial_fit(X[y == 1], y[y == 1])
        assert_same_training(with_zeros, without)
    assert with_zeros.n_iter_ == {"fit": 40, "partial_fit": 21}[method]
    assert with_zeros.classes_.tolist() == [0, 1, 2]


def test_a_stream_may_begin_with_weights_that_leave_one_class():
    X, y = wine()
    with_zeros, without = short_net(), short_net()
    with_zeros.partial_fit(X, y, classes=[0, 1, 2], sample_weight=y == 1)
    without.partial_fit(X[y == 1], y[y == 1], classes=[0, 1, 2])
    assert_same_training(with_zeros, without)


# ---- later calls without any weight


STREAMS = {
    "two classes": (DeepNetClassifier, cancer, {"classes": [0, 1]}),
    "three classes": (DeepNetClassifier, wine, {"classes": [0, 1, 2]}),
    "numbers": (DeepNetRegressor, diabetes, {}),
}


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("monitors", [False, True])
@pytest.mark.parametrize("stream", STREAMS)
def test_a_later_call_of_weight_zero_does_nothing(stream, monitors, method):
    estimator, data, classes = STREAMS[stream]
    X, y = data()
    held_out = {"X_val": X[:30], "y_val": y[:30]} if monitors else {}
    net = short_net(estimator=estimator, warm_start=True, batch_size=32)
    net.partial_fit(X, y, **classes, **held_out)
    before, copy = vars(net).copy(), deepcopy(net)
    result = getattr(net, method)(X, y, sample_weight=np.zeros(len(y)), **held_out)
    assert result is net
    assert vars(net) == before
    assert_same_training(net.partial_fit(X, y), copy.partial_fit(X, y))


def test_a_later_call_whose_class_weighs_nothing_does_nothing():
    X, y = wine()
    net = short_net(class_weight={1: 0}).partial_fit(X, y, classes=[0, 1, 2])
    before = vars(net).copy()
    net.partial_fit(X[y == 1], y[y == 1])
    assert vars(net) == before


def test_a_later_call_of_weight_zero_is_checked_all_the_same():
    X, y = wine()
    net = short_net().partial_fit(X, y, classes=[0, 1, 2])
    none = np.zeros(len(y))
    with raises(
        "y contains [3], which are not among the classes [0, 1, 2] of this network."
    ):
        net.partial_fit(X, y + 1, sample_weight=none)
    with pytest.raises(ValueError, match="X has 12 features"):
        net.partial_fit(X[:, 1:], y, sample_weight=none)


def test_a_stack_leaves_a_network_alone_that_gets_no_weight():
    X, y = wine()
    nets = [short_net(warm_start=True, random_state=k).fit(X, y) for k in range(3)]
    before = [deepcopy(net) for net in nets]
    fit_stack(nets, X, y, sample_weight=np.zeros(len(y)))
    for net, copy in zip(nets, before, strict=True):
        assert_same_weights(net, copy)
        assert net.n_iter_ == 20
