"""Inputs and targets in any unit: scaled inside the network, from the training set."""

import pickle

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_deepnet import (
    DeepNetClassifier,
    DeepNetRegressor,
    fit_stack,
    load_model,
    save_model,
)
from tests.helpers import assert_same_weights, network_factory, raises, wine

X, y = wine()
UNITS = 10.0 ** np.array([3, -3, 6, 0, -6, 2, 1, 0, 12, -12, 4, 0, 1])
OFFSETS = 1e3 * UNITS * np.array([0, 1, -1, 0, 5, 0, 1, 0, 0, -3, 0, 1, 0])
RAW = X * UNITS + OFFSETS
number = RAW @ (1 / UNITS) + np.sin(X[:, 0])

net = network_factory("hidden_layer_sizes", hidden_layer_sizes=(8,), n_iter=20)


@pytest.mark.parametrize("estimator", [DeepNetClassifier, DeepNetRegressor])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_raw_columns_train_like_standardized_ones(estimator, solver, dtype):
    target = y if estimator is DeepNetClassifier else number
    model = net(estimator=estimator, solver=solver, dtype=dtype)
    raw = clone(model).fit(RAW, target)
    behind = make_pipeline(StandardScaler(), clone(model)).fit(RAW, target)
    rtol = 1e-2 if dtype == "float32" else 1e-5
    expected = behind.predict(RAW)
    np.testing.assert_allclose(raw.predict(RAW), expected, rtol=rtol)
    np.testing.assert_allclose(raw.loss_curve_, behind[-1].loss_curve_, rtol=rtol)


def test_the_attributes_are_mean_and_deviation_of_the_training_set():
    fitted = net(early_stopping=True).fit(RAW, y)
    train = RAW[np.isin(np.arange(len(y)), _trained_rows(fitted))]
    np.testing.assert_allclose(fitted.input_mean_, train.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(fitted.input_scale_, train.std(axis=0), rtol=1e-6)


def _trained_rows(fitted):
    """Return the rows of the split, whose seed is drawn after the weights."""
    rng = np.random.RandomState(0)
    for n_in, n_out in ((13, 8), (8, 3)):
        rng.randn(n_out, n_in)
        rng.randn(n_out)
    seed = int(rng.randint(2**31 - 1))
    train, _ = train_test_split(
        np.arange(len(y)), test_size=18, random_state=seed, stratify=y
    )
    return train


@pytest.mark.parametrize("input_scaling", ["standard", "robust"])
def test_statistics_are_weighted_like_the_training(input_scaling):
    weight = np.arange(len(y)) % 3
    model = net(input_scaling=input_scaling, class_weight={0: 2, 1: 1, 2: 3})
    total = weight * np.array([2, 1, 3])[y]
    weighted = clone(model).fit(RAW, y, sample_weight=weight)
    repeated = net(input_scaling=input_scaling)
    repeated.fit(np.repeat(RAW, total, axis=0), np.repeat(y, total))
    if input_scaling == "robust":
        expected = repeated.input_mean_
        np.testing.assert_array_equal(weighted.input_mean_, expected)
    np.testing.assert_allclose(weighted.input_scale_, repeated.input_scale_, rtol=1e-6)


def test_robust_scaling_uses_median_and_quartiles():
    fitted = net(input_scaling="robust", n_iter=0).fit(RAW, y)
    low, median, high = np.quantile(
        RAW, [0.25, 0.5, 0.75], axis=0, method="inverted_cdf"
    )
    np.testing.assert_array_equal(fitted.input_mean_, median)
    np.testing.assert_allclose(fitted.input_scale_, high - low, rtol=1e-12)
    z = (RAW - fitted.input_mean_) / fitted.input_scale_
    z = z / np.sqrt(1 + (z / 3) ** 2)
    hidden = np.maximum(z @ fitted.coefs_[0] + fitted.intercepts_[0], 0)
    np.testing.assert_allclose(fitted.hidden_activations(RAW), hidden, rtol=1e-9)


def test_an_outlier_does_not_move_robust_predictions_far():
    outlier = RAW.copy()
    outlier[0] *= 1e9
    one, other = (
        net(input_scaling="robust", n_iter=100).fit(given, y)
        for given in (RAW, outlier)
    )
    assert other.score(RAW[1:], y[1:]) >= one.score(RAW[1:], y[1:]) - 0.02


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_largest_number_in_place_of_missing_values_is_an_outlier(dtype):
    given = (1e-3 * RAW).astype(dtype)
    given[::9, 0] = np.finfo(dtype).max
    fitted = net(input_scaling="robust", n_iter=200).fit(given, y)
    assert not fitted.diverged_
    assert fitted.score(given, y) > 0.8


# ---- constant columns


@pytest.mark.parametrize("estimator", [DeepNetClassifier, DeepNetRegressor])
@pytest.mark.parametrize("input_scaling", ["standard", "robust"])
@pytest.mark.parametrize("solver", ["adam", "sgd", "rmsprop", "lbfgs"])
@pytest.mark.parametrize("numeric_features", [None, "periodic"])
def test_a_column_that_was_constant_has_no_effect(
    estimator, input_scaling, solver, numeric_features
):
    given = np.column_stack([RAW, np.zeros(len(y)), np.full(len(y), 1e6)])
    model = net(estimator=estimator, input_scaling=input_scaling, solver=solver)
    fitted = model.set_params(numeric_features=numeric_features).fit(given, y)
    np.testing.assert_array_equal(fitted.input_mean_[-2:], [0, 1e6])
    np.testing.assert_array_equal(fitted.input_scale_[-2:], 1)
    np.testing.assert_array_equal(fitted.coefs_[0][13:15], 0)
    if numeric_features is not None:
        # Constant features would act as further biases, and learn as such
        np.testing.assert_array_equal(fitted.coefs_[0][15 + 13 * 4 :], 0)
        np.testing.assert_array_equal(fitted.numeric_features_.frequencies[13:], 0)
        assert (fitted.numeric_features_.frequencies[:13] != 0).all()
    later = given.copy()
    later[:, -2:] = 1
    expected = fitted.predict(given)
    np.testing.assert_array_equal(fitted.predict(later), expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("input_scaling", ["standard", "robust"])
@pytest.mark.parametrize("numeric_features", [None, "periodic"])
@pytest.mark.parametrize("in_chunks", [False, True])
def test_a_column_that_varies_by_rounding_alone_has_no_effect(
    in_chunks, numeric_features, input_scaling, dtype
):
    """Its rounding errors, such as 128 seconds of time stamps, are many times one."""
    value = {"float32": 1.7e9, "float64": 1e20}[dtype]
    fitted = []
    for n_steps in (0, 1):
        steps = n_steps * np.random.RandomState(0).randint(-1, 2, len(y))
        column = value + steps * np.spacing(np.array(value, dtype))
        given = np.column_stack([X, column]).astype(dtype)
        model = net(input_scaling=input_scaling, numeric_features=numeric_features)
        if in_chunks:
            for _ in range(20):
                model.partial_fit(given, y, classes=[0, 1, 2])
        fitted.append(model.fit(given, y) if not in_chunks else model)
    constant, rounded = (model.predict_proba(given) for model in fitted)
    np.testing.assert_allclose(rounded, constant, atol=1e-5)


@pytest.mark.parametrize(
    "loss", ["squared_error", "absolute_error", "huber", "poisson"]
)
@pytest.mark.parametrize("constant", [7.0, 1e-9, 1e9])
def test_a_constant_target_is_predicted(loss, constant):
    target = np.full(len(y), constant)
    fitted = net(estimator=DeepNetRegressor, loss=loss).fit(RAW, target)
    np.testing.assert_allclose(fitted.predict(RAW), target, rtol=1e-2)


def test_a_constant_output_beside_others_is_predicted():
    target = np.column_stack([number, np.full(len(y), -3.0), X[:, 1]])
    model = net(estimator=DeepNetRegressor, n_iter=100, learning_rate=0.01)
    both = model.fit(RAW, target).predict(RAW)
    np.testing.assert_allclose(both[:, 1], -3, rtol=1e-2)
    assert np.corrcoef(both[:, 0], number)[0, 1] > 0.9


# ---- streams


def test_statistics_are_final_after_the_first_call():
    stream = net().partial_fit(RAW[:90], y[:90], classes=[0, 1, 2])
    mean, scale = stream.input_mean_, stream.input_scale_
    np.testing.assert_allclose(mean, RAW[:90].mean(axis=0), rtol=1e-9)
    stream.partial_fit(RAW[90:], y[90:])
    np.testing.assert_array_equal(stream.input_mean_, mean)
    np.testing.assert_array_equal(stream.input_scale_, scale)


def test_a_column_may_begin_to_vary_later():
    given = np.column_stack([RAW, np.zeros(len(y))])
    stream = net().partial_fit(given[:90], y[:90], classes=[0, 1, 2])
    coefs = stream.coefs_[0].copy()
    given[90:, -1] = np.arange(len(y) - 90) + 1000.0
    stream.partial_fit(given[90:], y[90:])
    np.testing.assert_allclose(stream.input_mean_[-1], given[90:, -1].mean())
    np.testing.assert_allclose(stream.input_scale_[-1], given[90:, -1].std())
    assert (coefs[-1] == 0).all()
    assert (stream.coefs_[0][-1] != 0).all()


@pytest.mark.parametrize("copied", [False, True])
def test_a_stream_of_single_rows_has_the_statistics_of_all_rows(copied, tmp_path):
    stream = net(estimator=DeepNetRegressor, learning_rate=1e-12)
    for row, target in zip(RAW[:40], number, strict=False):
        stream.partial_fit(row[np.newaxis], [target])
        if copied:
            save_model(stream, tmp_path / "net")
            stream = load_model(tmp_path / "net")
    np.testing.assert_allclose(stream.input_mean_, RAW[:40].mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(stream.input_scale_, RAW[:40].std(axis=0), rtol=1e-6)
    np.testing.assert_allclose(stream.target_mean_, number[:40].mean(), rtol=1e-9)
    np.testing.assert_allclose(stream.target_scale_, number[:40].std(), rtol=1e-6)


def test_features_of_a_column_that_begins_to_vary_are_drawn():
    given = np.column_stack([RAW, np.full(len(y), 5.0)])
    stream = net(numeric_features="periodic", learning_rate=0.05)
    for _ in range(5):
        stream.partial_fit(given[:90], y[:90], classes=[0, 1, 2])
    of_it = slice(14 + 13 * 4, 14 * 5)
    before = stream.predict_proba(given[:90])
    given[90:, -1] = np.arange(len(y) - 90)
    stream.set_params(learning_rate=1e-12).partial_fit(given[90:], y[90:])
    np.testing.assert_allclose(stream.predict_proba(given[:90]), before, rtol=1e-6)
    frequencies = stream.numeric_features_.frequencies
    deviation = np.sqrt(np.mean(frequencies[-1] ** 2))
    assert 0.02 < deviation < 0.3  # the scale is 0.1
    np.testing.assert_allclose(stream.coefs_[0][of_it], 0, atol=1e-9)
    stream.set_params(learning_rate=0.05).partial_fit(given[90:], y[90:])
    assert (stream.coefs_[0][of_it] != 0).all()


@pytest.mark.parametrize("numeric_features", [None, "periodic"])
@pytest.mark.parametrize("estimator", [DeepNetClassifier, DeepNetRegressor])
def test_predictions_stay_when_statistics_change(estimator, numeric_features):
    target = y if estimator is DeepNetClassifier else number
    options = {"classes": [0, 1, 2]} if estimator is DeepNetClassifier else {}
    stream = net(estimator=estimator, learning_rate=1e-12)
    stream.set_params(numeric_features=numeric_features)
    predict = "predict_proba" if options else "predict"
    for k in (0, 60, 100):  # each of another class
        stream.partial_fit(RAW[k : k + 1], target[k : k + 1], **options)
        before = getattr(stream, predict)(RAW)
        stream.partial_fit(RAW[k + 1 : k + 2], target[k + 1 : k + 2])
        np.testing.assert_allclose(getattr(stream, predict)(RAW), before, rtol=1e-6)


@pytest.mark.parametrize("estimator", [DeepNetClassifier, DeepNetRegressor])
@pytest.mark.parametrize("bias_init", ["random", "zeros"])
@pytest.mark.parametrize("n_first", [1, 3])
@pytest.mark.parametrize("numeric_features", [None, "periodic"])
def test_all_units_learn_in_a_stream_whose_first_rows_are_equal(
    n_first, bias_init, estimator, numeric_features
):
    given = np.vstack([RAW[:1].repeat(n_first, axis=0), RAW])
    target = number if estimator is DeepNetRegressor else y
    target = np.concatenate([target[:1].repeat(n_first), target])
    options = {"classes": [0, 1, 2]} if estimator is DeepNetClassifier else {}
    stream = net(estimator=estimator, bias_init=bias_init, hidden_layer_sizes=(8, 8))
    stream.set_params(numeric_features=numeric_features)
    stream.partial_fit(given[:n_first], target[:n_first], **options)
    before = stream.predict(RAW)
    stream.set_params(learning_rate=1e-12).partial_fit(given, target)
    np.testing.assert_allclose(stream.predict(RAW), before, rtol=1e-6)
    stream.set_params(learning_rate=0.01)
    for _ in range(100):
        stream.partial_fit(given, target)
    weights = stream.coefs_[0]
    assert np.linalg.matrix_rank(weights) == 8
    assert (stream.hidden_activations(RAW, 0).std(axis=0) > 0).sum() >= 6
    assert stream.score(given, target) > 0.95


def test_weights_are_drawn_in_a_stream_although_a_column_stays_constant():
    given = np.column_stack([RAW, np.full(len(y), 5.0)])
    stream = net(numeric_features="periodic", learning_rate=0.05)
    stream.partial_fit(given[:1].repeat(3, axis=0), y[:3], classes=[0, 1, 2])
    stream.set_params(learning_rate=1e-12).partial_fit(given, y)
    weights = stream.coefs_[0][:13]
    assert 0.5 < weights.std() / np.sqrt(2 / (14 * 5)) < 2  # as "he" draws


@pytest.mark.slow
def test_two_close_rows_do_not_scale_the_rest_of_a_stream():
    given, target = RAW[::8].copy(), number[::8]
    given[1] = given[0] + 1e-9 * UNITS
    stream = net(estimator=DeepNetRegressor, hidden_layer_sizes=(8, 8))
    for _ in range(30):
        for row, value in zip(given, target, strict=True):
            stream.partial_fit([row], [value])
    assert stream.score(given, target) > 0.8


@pytest.mark.parametrize("numeric_features", [None, "periodic"])
def test_predictions_stay_while_single_rows_go_on_changing_the_statistics(
    numeric_features,
):
    stream = net(estimator=DeepNetRegressor, learning_rate=0.05, solver="sgd")
    stream.set_params(numeric_features=numeric_features)
    for row, target in zip(RAW[:40], number, strict=False):
        stream.partial_fit([row], [target])
    before, mean = stream.predict(RAW), stream.input_mean_
    assert np.ptp(before) > 0.1 * np.ptp(number)
    stream.set_params(learning_rate=1e-12).partial_fit(RAW[40:41], number[40:41])
    assert (stream.input_mean_ != mean).all()
    np.testing.assert_allclose(stream.predict(RAW), before, rtol=1e-6)


def test_a_stream_whose_targets_begin_as_zeros_learns_the_later_ones():
    rng = np.random.RandomState(0)
    inputs = rng.randn(40, 50, 3)
    targets = 1e6 * (inputs @ [1.0, 2.0, 3.0])
    targets[0] = 0
    stream = net(estimator=DeepNetRegressor, learning_rate=0.01, hidden_layer_sizes=())
    for _ in range(3):
        for some, target in zip(inputs, targets, strict=True):
            stream.partial_fit(some, target)
            assert not stream.diverged_
    np.testing.assert_allclose(stream.target_scale_, targets[1].std())
    assert stream.score(inputs[1], targets[1]) > 0.99


def test_a_stream_of_counts_may_begin_with_zeros():
    rng = np.random.RandomState(0)
    inputs = rng.randn(20, 50, 2)
    counts = rng.poisson(np.exp(3 + inputs[..., 0]))
    counts[0] = 0
    stream = net(estimator=DeepNetRegressor, loss="poisson", learning_rate=0.01)
    for some, target in zip(inputs, counts, strict=True):
        stream.partial_fit(some, target)
        assert not stream.diverged_
    np.testing.assert_allclose(stream.target_scale_, counts[1].mean())


@pytest.mark.parametrize("input_scaling", ["standard", "robust", None])
def test_n_full_batches_equal_n_epochs(input_scaling):
    model = net(input_scaling=input_scaling, batch_size=None, n_iter=5)
    stream = clone(model)
    given = np.column_stack([X, np.zeros(len(y))])
    for _ in range(5):
        stream.partial_fit(given, y, classes=[0, 1, 2])
    assert_same_weights(stream, model.fit(given, y))


# ---- sparse X, and others than the training data


def test_sparse_rows_are_not_scaled():
    fitted = net().fit(csr_array(X), y)
    assert fitted.input_mean_ is fitted.input_scale_ is None
    assert_same_weights(fitted, net(input_scaling=None).fit(csr_array(X), y))


@pytest.mark.parametrize("input_scaling", ["standard", "robust"])
def test_scaling_of_sparse_rows_is_refused(input_scaling):
    with raises(
        f"input_scaling='{input_scaling}' does not support sparse X, since centering "
        "would make it dense. Set input_scaling=None. If the columns of X differ much "
        "in scale, transform X by MaxAbsScaler first."
    ):
        net(input_scaling=input_scaling).fit(csr_array(X), y)


def test_a_network_trained_on_dense_rows_takes_sparse_ones():
    fitted = net().fit(RAW, y)
    np.testing.assert_array_equal(
        fitted.predict_proba(csr_array(RAW)), fitted.predict_proba(RAW)
    )
    dense, sparse = (
        net(batch_size=32).partial_fit(RAW, y, classes=[0, 1, 2]) for _ in range(2)
    )
    dense.partial_fit(RAW, y, X_val=RAW, y_val=y)
    sparse.partial_fit(csr_array(RAW), y, X_val=csr_array(RAW), y_val=y)
    assert_same_weights(dense, sparse)
    assert dense.validation_loss_curve_[1:] == sparse.validation_loss_curve_[1:]


def test_time_stamps_can_be_told_apart_in_float32():
    seconds = np.random.RandomState(0).uniform(0, 60, (300, 1))
    labels = seconds[:, 0] > 30
    options = {"dtype": "float32", "learning_rate": 0.01, "n_iter": 100}
    for stamps in (1.7e9 + seconds, (1.7e9 + seconds).astype(np.int64)):
        assert net(**options).fit(stamps, labels).score(stamps, labels) > 0.97


# ---- going on, saving, folding


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ("auto", None, "None, but the network to continue has 'standard'"),
        ("robust", "auto", "'auto', but the network to continue has 'robust'"),
        (None, "standard", "'standard', but the network to continue has None"),
    ],
)
def test_the_scaling_cannot_change_while_training_goes_on(first, second, message):
    fitted = net(input_scaling=first, warm_start=True).fit(RAW, y)
    fitted.set_params(input_scaling=second)
    with raises(
        f"input_scaling is now {message}. Keep it unchanged, or call fit "
        "with warm_start=False to start over."
    ):
        fitted.fit(RAW, y)


def test_weights_that_are_given_are_for_X_as_it_comes():
    arrays = [np.ones((13, 3)), np.zeros(3)]
    with raises(
        "init contains weights as arrays, which apply to unscaled X, but "
        "input_scaling='auto' scales X. Set input_scaling=None."
    ):
        net((), init=arrays).fit(X, y)
    fitted = net((), init=arrays, input_scaling=None, n_iter=0).fit(X, y)
    np.testing.assert_array_equal(fitted.coefs_[0], arrays[0])


@pytest.mark.parametrize("estimator", [DeepNetClassifier, DeepNetRegressor])
@pytest.mark.parametrize("input_scaling", ["standard", "robust"])
def test_what_is_saved_predicts_the_same(estimator, input_scaling, tmp_path):
    fitted = net(estimator=estimator, input_scaling=input_scaling).fit(RAW, y)
    save_model(fitted, tmp_path / "net")
    for again in (
        load_model(tmp_path / "net"),
        pickle.loads(pickle.dumps(fitted)),
    ):
        np.testing.assert_array_equal(again.predict(RAW), fitted.predict(RAW))
        np.testing.assert_array_equal(again.input_mean_, fitted.input_mean_)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_folded_weights_give_the_same_outputs(dtype):
    fitted = net((8, 4), dtype=dtype).fit(RAW, y)
    coefs, intercepts = fitted.folded_coefs()
    A = RAW
    for W, b in zip(coefs[:-1], intercepts[:-1], strict=True):
        A = np.maximum(A @ W + b, 0)
    logits = A @ coefs[-1] + intercepts[-1]
    rtol = 1e-3 if dtype == "float32" else 1e-7
    np.testing.assert_allclose(
        logits, fitted.decision_function(RAW), rtol=rtol, atol=rtol
    )


def test_robust_scaling_cannot_be_folded():
    with raises(
        "folded_coefs is not available with input_scaling='robust', which is not "
        "linear. Use input_mean_, input_scale_ and coefs_ instead, or train with "
        "input_scaling='standard'."
    ):
        net(input_scaling="robust", n_iter=1).fit(X, y).folded_coefs()


def test_without_scaling_the_weights_are_folded_already():
    fitted = net(input_scaling=None).fit(X, y)
    coefs, intercepts = fitted.folded_coefs()
    for one, other in zip(
        [*coefs, *intercepts], [*fitted.coefs_, *fitted.intercepts_], strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_networks_of_a_stack_have_the_statistics_of_their_own_rows():
    rows = [np.arange(150), np.arange(20, 170), np.arange(150)]
    options = {"batch_size": 32, "dropout": 0.1, "early_stopping": True}
    nets = [net(random_state=k, **options) for k in range(3)]
    for k, fitted in enumerate(fit_stack(nets, RAW, y, rows=rows)):
        alone = net(random_state=k, **options).fit(RAW[rows[k]], y[rows[k]])
        assert_same_weights(fitted, alone)
        np.testing.assert_array_equal(fitted.input_mean_, alone.input_mean_)
        assert fitted.validation_loss_curve_ == alone.validation_loss_curve_
