"""Penalties, dropout, smoothing, clipping, focal loss and class weights, by hand."""

import re

import numpy as np
import pytest
import sklearn
from scipy.special import expit, softmax
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Lasso, LogisticRegression, Ridge
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import scale
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.fixes import parse_version

from sklearn_deepnet import DeepNetRegressor
from sklearn_deepnet._engine.network import Network, count_params
from sklearn_deepnet._engine.propagation import Propagation
from sklearn_deepnet.nn import losses
from sklearn_deepnet.nn.activations import ACTIVATIONS
from sklearn_deepnet.nn.dropout import Dropout
from tests.helpers import (
    assert_same_training,
    cancer,
    network_factory,
    wine,
    wine_labels,
)


def diabetes():
    X, y = load_diabetes(return_X_y=True)
    return scale(X), scale(y)


PLAIN = {"solver": "sgd", "learning_rate": 0.5, "batch_size": None, "alpha": 0}
POSITIONAL = "n_iter", "hidden_layer_sizes", "estimator"
net_for = network_factory(*POSITIONAL, hidden_layer_sizes=(6, 4), n_iter=1, **PLAIN)


def initial(net, X, y):
    """Return the weights and biases that `net` starts from."""
    start = clone(net).set_params(n_iter=0).fit(X, y)
    return start.coefs_, start.intercepts_


# ---- penalties


PENALTIES = [{"alpha": 20.0}, {"l1": 3.0}, {"alpha": 20.0, "l1": 3.0}]


@pytest.mark.parametrize("penalties", PENALTIES)
@pytest.mark.parametrize("weigh", [False, True])
def test_the_loss_holds_the_penalty(penalties, weigh):
    X, y = cancer()
    weight = np.random.RandomState(0).uniform(0.5, 2, len(y)) if weigh else None
    net = net_for(**penalties)
    start = clone(net).set_params(n_iter=0).fit(X, y, sample_weight=weight)
    coefs, p = start.coefs_, start.predict_proba(X)
    total = len(y) if weight is None else weight.sum()
    squares = sum(np.sum(W**2) for W in coefs)
    sizes = sum(np.sum(np.abs(W)) for W in coefs)
    expected = log_loss(y, p, sample_weight=weight)
    expected += penalties.get("alpha", 0) / (2 * total) * squares
    expected += penalties.get("l1", 0) / total * sizes
    net.fit(X, y, sample_weight=weight)
    assert net.loss_curve_[0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("penalties", PENALTIES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_step_goes_down_the_penalty_but_biases_are_free(penalties, dtype):
    X, y = cancer()
    net = net_for(dtype=dtype, **penalties)
    coefs, _ = initial(net, X, y)
    free = clone(net).set_params(alpha=0, l1=0).fit(X, y)
    net.fit(X, y)
    eps = np.finfo(dtype).eps
    for W, moved, moved_freely in zip(coefs, net.coefs_, free.coefs_, strict=True):
        slope = penalties.get("alpha", 0) * W + penalties.get("l1", 0) * np.sign(W)
        expected = moved_freely - 0.5 / len(y) * slope
        np.testing.assert_allclose(moved, expected, rtol=20 * eps, atol=20 * eps)
    for moved, moved_freely in zip(net.intercepts_, free.intercepts_, strict=True):
        np.testing.assert_array_equal(moved, moved_freely)


def test_l1_leaves_a_weight_of_zero_alone():
    X, y = cancer()
    X = X * (np.arange(30) != 3)  # a column of zeros, so no gradient but the penalty's
    net = net_for(20, (), init="zeros", l1=5.0).fit(X, y)
    assert net.coefs_[0][3] == 0
    assert np.count_nonzero(net.coefs_[0]) == 29


@pytest.mark.parametrize("batch_size", [10, 64, 100, None])  # all with 100 steps
def test_penalties_do_not_depend_on_the_batch_size(batch_size):
    X, y = cancer()
    X, y = np.zeros((100, 30)), y[:100]  # so that penalties alone move the weights
    n_iter = 100 // -(-100 // (batch_size or 100))
    net = net_for(n_iter, (), batch_size=batch_size, alpha=3.0)
    (W,), _ = initial(net, X, y)
    (decayed,) = clone(net).fit(X, y).coefs_
    np.testing.assert_allclose(decayed, W * (1 - 0.5 * 3 / 100) ** 100, rtol=1e-11)
    (moved,) = clone(net).set_params(alpha=0, l1=0.02).fit(X, y).coefs_
    far = np.abs(W) > 0.02
    expected = W - 0.5 * 0.02 / 100 * 100 * np.sign(W)
    np.testing.assert_allclose(moved[far], expected[far], rtol=1e-11)
    assert np.all(np.abs(moved) <= np.maximum(np.abs(W), 1e-4))


@pytest.mark.slow
def test_the_optimum_under_l1_is_that_of_logistic_regression():
    X, y = cancer()
    X = X[:, ::3]  # fewer that tell nearly the same
    options = {"penalty": "l1"}
    if parse_version(sklearn.__version__) >= parse_version("1.8"):
        options = {"l1_ratio": 1}
    model = LogisticRegression(C=1 / 20, solver="saga", tol=1e-8, max_iter=9999)
    model.set_params(**options, random_state=0).fit(X, y)
    net = net_for(6000, (), l1=20, solver="nesterov", learning_rate=0.1)
    net.set_params(schedule="cosine").fit(X, y)
    assert 0 < np.count_nonzero(model.coef_) < 9
    np.testing.assert_allclose(net.coefs_[0].T, model.coef_, atol=2e-3)
    np.testing.assert_allclose(net.intercepts_[0], model.intercept_, atol=2e-3)


def test_the_optimum_under_alpha_is_that_of_ridge():
    X, y = diabetes()
    model = Ridge(alpha=50).fit(X, y)
    net = net_for(500, (), DeepNetRegressor, solver="lbfgs", alpha=50)
    with pytest.warns(UserWarning, match="does not use"):
        net.set_params(target_scaling=None).fit(X, y)
    np.testing.assert_allclose(net.coefs_[0][:, 0], model.coef_, atol=1e-5)
    np.testing.assert_allclose(net.intercepts_[0], model.intercept_, atol=1e-5)


@pytest.mark.slow
def test_the_optimum_under_l1_is_that_of_lasso():
    X, y = diabetes()
    model = Lasso(alpha=20 / len(y), tol=1e-10, random_state=0).fit(X, y)
    net = net_for(3000, (), DeepNetRegressor, l1=20, learning_rate=0.1)
    net.set_params(target_scaling=None, schedule="cosine").fit(X, y)
    assert 0 < np.count_nonzero(model.coef_) < 9
    np.testing.assert_allclose(net.coefs_[0][:, 0], model.coef_, atol=2e-3)


def test_decoupled_decay_is_in_the_step_but_not_in_the_loss():
    X, y = cancer()
    net = net_for(5, solver="adamw", alpha=30.0)
    free = clone(net).set_params(alpha=0, n_iter=1).fit(X, y)
    coefs, _ = initial(net, X, y)
    first = clone(net).set_params(n_iter=1).fit(X, y)
    assert first.loss_curve_ == free.loss_curve_
    for W, moved, moved_freely in zip(coefs, first.coefs_, free.coefs_, strict=True):
        expected = moved_freely - 0.5 * 30 / len(y) * W
        np.testing.assert_allclose(moved, expected, rtol=1e-12, atol=1e-14)
    with_l1 = clone(net).set_params(l1=1.0).fit(X, y)
    sizes = sum(np.sum(np.abs(W)) for W in coefs)
    expected = first.loss_curve_[0] + sizes / len(y)
    assert with_l1.loss_curve_[0] == pytest.approx(expected, rel=1e-12)


# ---- dropout


def draw_kept(rates, generators, n_samples=500, n_units=40):
    """Return for each layer which units stay, drawn for all samples at once."""
    dropout = Dropout(np.asarray(rates), generators, n_samples)
    return [
        dropout.draw(layer, n_units, n_samples) for layer in range(np.shape(rates)[-1])
    ]


def kept_by_hand(rng, rate, size):
    """Draw four integers of 16 bits at once, and keep those that are not below."""
    drawn = rng.randint(2**64, size=-(-size // 4), dtype=np.uint64)
    return drawn.view(np.uint16)[:size] >= round(rate * 2**16)


def test_units_are_dropped_at_their_rate():
    rates = [0.2, 0.5, 0.9]
    for rate, kept in zip(
        rates, draw_kept(rates, [np.random.RandomState(0)]), strict=True
    ):
        error = np.sqrt(rate * (1 - rate) / kept.size)
        assert abs(np.mean(~kept) - rate) < 4 * error
        for axis in (0, 1):  # no unit and no sample is preferred
            spread = np.std(np.mean(~kept, axis=axis))
            expected = np.sqrt(rate * (1 - rate) / kept.shape[axis])
            assert spread == pytest.approx(expected, rel=0.3)


@pytest.mark.parametrize(
    ("rate", "dropped"),
    [
        (0.2, 13107),
        (0.5, 2**15),
        (1e-5, 1),
        (1e-9, 0),  # like no dropout: draws nothing
        (1 - 1e-9, 2**16 - 1),  # never all
    ],
)
def test_rates_are_rounded_to_16_bits(rate, dropped):
    rng, expected = np.random.RandomState(0), np.random.RandomState(0)
    dropout = Dropout(np.array([rate]), [rng], n_samples=10_000)
    kept = dropout.draw(0, 50, 10_000)
    assert dropout.share_kept(0) == 1 - dropped / 2**16
    assert dropout.applies_to(0) == (dropped > 0)
    if dropped:
        by_hand = kept_by_hand(expected, dropped / 2**16, kept.size)
        np.testing.assert_array_equal(kept.ravel(), by_hand)
    else:
        assert kept.all()
    np.testing.assert_equal(rng.get_state(), expected.get_state())


def test_a_layer_without_dropout_draws_nothing():
    rng, expected = np.random.RandomState(0), np.random.RandomState(0)
    none, some = draw_kept([0.0, 0.5], [rng])
    assert none.all()
    np.testing.assert_array_equal(some.ravel(), kept_by_hand(expected, 0.5, some.size))
    np.testing.assert_equal(rng.get_state(), expected.get_state())


def test_networks_of_a_stack_draw_each_from_its_own_generator():
    rates = np.array([[0.5], [0.0], [0.3]])
    generators = [np.random.RandomState(k) for k in range(3)]
    (kept,) = draw_kept(rates, generators)
    for k in range(3):
        rng = np.random.RandomState(k)
        (alone,) = draw_kept(rates[k], [rng])
        np.testing.assert_array_equal(kept[k], alone)
        np.testing.assert_equal(generators[k].get_state(), rng.get_state())


@pytest.mark.parametrize("n_ahead", [1, 1000, 2**14])
@pytest.mark.parametrize("sizes", [[100], [32, 32, 32, 4], [32, 18, 32, 18], [1] * 7])
def test_what_is_drawn_ahead_ends_with_the_epoch(sizes, n_ahead, monkeypatch):
    """Whatever the epoch before, the next one depends on the generator alone."""
    monkeypatch.setattr("sklearn_deepnet.nn.dropout._N_AHEAD", n_ahead)
    rng = np.random.RandomState(0)
    dropout = Dropout(np.array([0.5, 0.3]), [rng], sum(sizes))
    for _ in range(2):
        fresh = np.random.RandomState()
        fresh.set_state(rng.get_state())
        other = Dropout(np.array([0.5, 0.3]), [fresh], sum(sizes))
        for size in sizes:
            for layer, n_units in enumerate((7, 5)):
                kept = dropout.draw(layer, n_units, size)
                expected = other.draw(layer, n_units, size)
                np.testing.assert_array_equal(kept, expected)
        np.testing.assert_equal(rng.get_state(), fresh.get_state())


def test_no_mask_is_used_twice():
    dropout = Dropout(np.array([0.5]), [np.random.RandomState(0)], n_samples=600)
    masks = [dropout.draw(0, 40, n).T for _ in range(3) for n in [32] * 18 + [24]]
    assert len(np.unique(np.concatenate(masks), axis=0)) == 3 * 600


@pytest.mark.slow
@pytest.mark.parametrize("rates", [(0.3, 0.6), (0.5, 0.0), (0.0, 0.4)])
@pytest.mark.parametrize("stack_shape", [(), (2,)])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradient_under_dropout_is_the_slope_with_the_same_masks(
    activation, stack_shape, rates
):
    sizes, n_samples = (3, 8, 7, 2), 6
    rng = np.random.RandomState(1)
    params = rng.randn(*stack_shape, count_params(sizes))
    inputs = rng.randn(4, n_samples)
    inputs[-1] = 1
    target, weight = rng.rand(2, n_samples), rng.rand(1, n_samples)
    network = Network(sizes, [ACTIVATIONS[activation]] * 2, params)
    generators = [np.random.RandomState(k) for k in range(max(1, *stack_shape, 1))]
    start = [generator.get_state() for generator in generators]
    rates = np.broadcast_to(rates, (*stack_shape, 2))
    dropout = Dropout(rates, generators, n_samples)
    loss = losses.binary_cross_entropy
    propagation = Propagation(network, loss, dropout=dropout)

    def value():
        for generator, state in zip(generators, start, strict=True):
            generator.set_state(state)
        return propagation.loss_and_gradient(inputs, inputs.T, target, weight)

    value()
    gradient = propagation.gradient.copy()
    for i in range(params.shape[-1]):
        middle = params[..., i].copy()
        params[..., i] = middle + 1e-5
        above = value()
        params[..., i] = middle - 1e-5
        slope = (above - value()) / 2e-5
        params[..., i] = middle
        np.testing.assert_allclose(gradient[..., i], slope, rtol=1e-5, atol=1e-8)
    without = Propagation(network, loss)
    without.loss_and_gradient(inputs, inputs.T, target, weight)
    assert np.abs(without.gradient - gradient).max() > 1e-3


def split_of(seed, y):
    rows = np.arange(len(y))
    train, held_out = train_test_split(
        rows, test_size=int(np.ceil(0.1 * len(y))), random_state=seed, stratify=y
    )
    return np.sort(train), np.sort(held_out)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_draws_are_made_in_the_documented_order(early_stopping):
    """Weights and biases by layer, seed of the split, then order and masks by layer."""
    X, y = wine()
    net = net_for(3, (6, 4), activation="tanh", dropout=(0.3, 0.5), batch_size=50)
    net.set_params(early_stopping=early_stopping, restore_best=False).fit(X, y)
    scaled = (X - net.input_mean_) / net.input_scale_
    rng = np.random.RandomState(0)
    W, b = [], []
    for n_out, n_in in ((6, 13), (4, 6), (3, 4)):
        deviation = np.sqrt(2 / (n_in + n_out))
        W.append(rng.randn(n_out, n_in) * deviation)
        b.append(rng.randn(n_out) * deviation)
    rows, held_out = np.arange(178), None
    if early_stopping:
        rows, held_out = split_of(rng.randint(2**31 - 1), y)
    np.testing.assert_allclose(net.input_mean_, X[rows].mean(axis=0), atol=1e-14)
    np.testing.assert_allclose(net.input_scale_, X[rows].std(axis=0), rtol=1e-14)
    losses = []
    for _ in range(3):
        order, losses_of_epoch = rng.permutation(len(rows)), []
        kept = []  # for all batches, which are few
        for n_units, rate in ((6, 0.3), (4, 0.5)):
            kept.append(kept_by_hand(rng, rate, n_units * len(rows)))
        for start in range(0, len(rows), 50):
            batch = rows[order[start : start + 50]]
            n = len(batch)
            A = [scaled[batch].T]
            masks = []
            for layer, rate in ((0, 0.3), (1, 0.5)):
                H = np.tanh(W[layer] @ A[-1] + b[layer][:, np.newaxis])
                stays, kept[layer] = np.split(kept[layer], [H.size])
                share = 1 - round(rate * 2**16) / 2**16
                masks.append(stays.reshape(H.shape) / share)
                A.append(H * masks[-1])
            P = softmax(W[2] @ A[2] + b[2][:, np.newaxis], axis=0)
            losses_of_epoch.append(-np.log(P[y[batch], np.arange(n)]).sum())
            dZ = (P - np.eye(3)[:, y[batch]]) / n
            for layer in (2, 1, 0):
                dW, db = dZ @ A[layer].T, dZ.sum(axis=1)
                if layer:
                    H = A[layer] / np.where(masks[layer - 1], masks[layer - 1], 1)
                    dZ = W[layer].T @ dZ * masks[layer - 1] * (1 - H**2)
                W[layer], b[layer] = W[layer] - 0.5 * dW, b[layer] - 0.5 * db
        losses.append(sum(losses_of_epoch) / len(rows))
    np.testing.assert_allclose(net.loss_curve_, losses, rtol=1e-9)
    for layer in range(3):
        np.testing.assert_allclose(net.coefs_[layer].T, W[layer], rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(net.intercepts_[layer], b[layer], rtol=1e-7)
    if early_stopping:
        p = net.predict_proba(X[held_out])
        expected = log_loss(y[held_out], p, labels=[0, 1, 2])
        assert net.validation_loss_curve_[-1] == pytest.approx(expected, rel=1e-10)


def test_prediction_drops_nothing():
    X, y = wine()
    net = net_for(5, dropout=0.5).fit(X, y)
    A = X
    for W, b in zip(net.coefs_[:-1], net.intercepts_[:-1], strict=True):
        A = np.maximum(A @ W + b, 0)
    p = softmax(A @ net.coefs_[-1] + net.intercepts_[-1], axis=1)
    np.testing.assert_allclose(net.predict_proba(X), p, rtol=1e-10)


@pytest.mark.parametrize("dropout", [0, 0.0, [0.0, 0.0], (0, 0)])
def test_a_rate_of_zero_is_no_dropout_bit_for_bit(dropout):
    X, y = wine()
    net = net_for(3, batch_size=50).fit(X, y)
    assert_same_training(clone(net).set_params(dropout=dropout).fit(X, y), net)


def test_one_rate_is_that_of_every_hidden_layer():
    X, y = wine()
    one = net_for(3, dropout=0.4).fit(X, y)
    each = net_for(3, dropout=[0.4, 0.4]).fit(X, y)
    assert_same_training(one, each)
    other = net_for(3, dropout=[0.4, 0.3]).fit(X, y)
    assert one.loss_curve_ != other.loss_curve_


def test_dropout_without_hidden_layers_is_nothing():
    X, y = wine()
    plain = net_for(3, ()).fit(X, y)
    assert_same_training(net_for(3, (), dropout=0.5).fit(X, y), plain)


@pytest.mark.parametrize(
    ("dropout", "message"),
    [
        (
            [0.5],
            "dropout has 1 entries for 2 hidden layers. Give one for each, or one for "
            "all.",
        ),
        ([0.5, 1.0], "dropout must contain rates in [0, 1). Got 1.0 instead."),
        ([-0.1, 0.5], "dropout must contain rates in [0, 1). Got -0.1 instead."),
        ([0.5, "0.5"], "dropout must contain rates in [0, 1). Got '0.5' instead."),
        ([0.5, np.nan], "dropout must contain rates in [0, 1). Got nan instead."),
    ],
)
def test_bad_rates_are_an_error(dropout, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        net_for(dropout=dropout).fit(*wine())


# ---- label smoothing


def smooth(kind):
    """Return X, y, their network's logits to be and the smoothed targets by formula."""
    if kind == "sigmoid":
        X, y = cancer()
        return X, y, 0.9 * y[:, np.newaxis] + 0.05
    if kind == "softmax":
        X, y = wine()
        return X, y, 0.9 * np.eye(3)[y] + 0.1 / 3
    X, Y = wine_labels()
    return X, Y, 0.9 * Y + 0.05


@pytest.mark.parametrize("kind", ["sigmoid", "softmax", "multilabel"])
def test_label_smoothing_is_the_formula(kind):
    X, y, T = smooth(kind)
    net = net_for(2, (), label_smoothing=0.1)
    (W,), (b,) = initial(net, X, y)
    losses = []
    for _ in range(2):
        Z = X @ W + b
        P = softmax(Z, axis=1) if kind == "softmax" else expit(Z)
        losses.append(-np.sum(T * np.log(P)) / len(y))
        if kind != "softmax":
            losses[-1] -= np.sum((1 - T) * np.log(1 - P)) / len(y)
        dZ = (P - T) / len(y)
        W, b = W - 0.5 * X.T @ dZ, b - 0.5 * dZ.sum(axis=0)
    net.fit(X, y)
    np.testing.assert_allclose(net.loss_curve_, losses, rtol=1e-12)
    np.testing.assert_allclose(net.coefs_[0], W, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(net.intercepts_[0], b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("loss", ["focal", "squared_error", losses.focal(1.0)])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_label_smoothing_is_for_log_loss_alone(loss, method):
    net = net_for(loss=loss, label_smoothing=0.1)
    message = (
        "label_smoothing=0.1 is only supported with loss='log_loss'. Got "
        f"loss={loss!r}; set label_smoothing=0."
    )
    options = {"classes": [0, 1]} if method == "partial_fit" else {}
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        getattr(net, method)(*cancer(), **options)


def test_label_smoothing_takes_the_loss_as_an_object():
    named = net_for(3, label_smoothing=0.2).fit(*cancer())
    net = net_for(3, label_smoothing=0.2, loss=losses.log_loss).fit(*cancer())
    assert_same_training(net, named)


# ---- clipping


class Watcher:
    """Gradient descent that keeps the gradients it was given."""

    n_moments = 0
    decouples_decay = False

    def __init__(self):
        self.gradients = []

    def step(self, buffers, learning_rate, n_steps):
        params, gradient, *_ = buffers
        self.gradients.append(gradient.copy())
        params -= learning_rate * gradient


def watch(n_iter=4, **parameters):
    watcher = Watcher()
    net_for(n_iter, solver=watcher, **parameters).fit(*cancer())
    return np.array(watcher.gradients)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_gradient_is_longer_than_allowed(dtype):
    options = {"alpha": 100.0, "l1": 10.0, "batch_size": 100, "dtype": dtype}
    free = np.linalg.norm(watch(**options), axis=1)
    limit = np.median(free)
    lengths = np.linalg.norm(watch(clip_norm=limit, **options), axis=1)
    assert lengths.max() <= limit * (1 + 10 * np.finfo(dtype).eps)
    assert np.count_nonzero(lengths < 0.999 * limit) > 2
    assert np.count_nonzero(lengths > 0.999 * limit) > 2


def test_a_clipped_gradient_keeps_its_direction():
    (free, *_), (clipped, *_) = watch(alpha=50.0), watch(alpha=50.0, clip_norm=0.01)
    expected = free * (0.01 / np.linalg.norm(free))
    np.testing.assert_allclose(clipped, expected, rtol=1e-12)


def test_the_penalty_counts_for_clipping():
    data_alone = np.linalg.norm(watch(1)[0])
    limit = 1.01 * data_alone
    np.testing.assert_array_equal(watch(1, clip_norm=limit), watch(1))
    clipped = np.linalg.norm(watch(1, clip_norm=limit, alpha=500.0)[0])
    assert clipped == pytest.approx(limit, rel=1e-12)


def test_short_gradients_are_left_as_they_are():
    np.testing.assert_array_equal(watch(clip_norm=1e3), watch())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_gradient_of_zero_stays_zero_under_clipping(dtype):
    X, _ = diabetes()
    net = net_for(2, (), DeepNetRegressor, init="zeros", dtype=dtype)
    net.set_params(bias_init="zeros", clip_norm=0.1, target_scaling=None)
    net.fit(X, np.zeros(len(X)))
    assert net.loss_curve_ == [0, 0]
    np.testing.assert_array_equal(net.coefs_[0], 0)
    assert net.coefs_[0].dtype == dtype


# ---- focal loss


def evaluate(loss, Z, T):
    """Return values, summed over units, and gradient of a loss."""
    grad, scratch = Z.copy(), np.empty((3, *Z.shape))
    values = loss(grad, T, scratch)
    return values.sum(axis=-2), grad


def focal_by_hand(Z, T, gamma, kind):
    if kind == "softmax":
        P = softmax(Z, axis=-2)
        return -np.sum(T * (1 - P) ** gamma * np.log(P), axis=-2)
    P = expit(Z)
    return -np.sum(
        T * (1 - P) ** gamma * np.log(P) + (1 - T) * P**gamma * np.log(1 - P), axis=-2
    )


def focal_data(kind):
    rng = np.random.RandomState(0)
    Z = rng.randn(3, 50) * 3
    T = np.eye(3)[:, rng.randint(3, size=50)]
    return Z, T if kind == "softmax" else (rng.rand(3, 50) < 0.4).astype(float)


@pytest.mark.parametrize("kind", ["logistic", "softmax"])
def test_focal_loss_with_gamma_zero_is_the_cross_entropy(kind):
    Z, T = focal_data(kind)
    focal = evaluate(getattr(losses.focal(gamma=0.0), kind), Z, T)
    log = evaluate(getattr(losses.log_loss, kind), Z, T)
    for ours, expected in zip(focal, log, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("gamma", [0.3, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("kind", ["logistic", "softmax"])
def test_focal_loss_is_its_formula(kind, gamma):
    Z, T = focal_data(kind)
    values, grad = evaluate(getattr(losses.focal(gamma), kind), Z, T)
    np.testing.assert_allclose(values, focal_by_hand(Z, T, gamma, kind), rtol=1e-10)
    for unit in range(3):
        step = np.zeros((3, 1))
        step[unit] = 1e-6
        above = focal_by_hand(Z + step, T, gamma, kind)
        slope = (above - focal_by_hand(Z - step, T, gamma, kind)) / 2e-6
        np.testing.assert_allclose(grad[unit], slope, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("kind", ["logistic", "softmax"])
def test_focal_loss_is_finite_far_out(kind):
    Z = np.array([[800.0, -800.0, 0.0, 40.0], [-800.0, 800.0, 0.0, -40.0]])
    T = np.array([[1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]])
    for gamma in (0.5, 2.0):
        loss = getattr(losses.focal(gamma), kind)
        with np.errstate(all="ignore"):
            values, grad = evaluate(loss, Z, T)
        assert np.isfinite(grad).all()
        n_wrong = 2 if kind == "logistic" else 1
        factor = 2 if kind == "softmax" else 1  # the difference of two logits
        np.testing.assert_allclose(values[1], 800 * n_wrong * factor, rtol=1e-12)
        assert values[0] == pytest.approx(0, abs=1e-12)


def test_focal_loss_by_name_has_a_gamma_of_two():
    X, y = cancer()
    named = net_for(4, loss="focal").fit(X, y)
    assert_same_training(net_for(4, loss=losses.focal(gamma=2.0)).fit(X, y), named)
    p = net_for(0, loss="focal").fit(X, y).predict_proba(X)[np.arange(len(y)), y]
    expected = np.mean(-((1 - p) ** 2) * np.log(p))
    assert named.loss_curve_[0] == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("gamma", [-1, np.inf, np.nan])
def test_a_bad_gamma_is_an_error(gamma):
    with pytest.raises(
        ValueError,
        match=rf"^gamma must be a finite number of at least 0\. Got {gamma} instead\.$",
    ):
        losses.focal(gamma)


# ---- class weights


WEIGHT_OF_CANCER = np.random.RandomState(0).uniform(0.5, 2, 569)


@pytest.mark.parametrize("weight", [None, WEIGHT_OF_CANCER])
@pytest.mark.parametrize("batch_size", [None, 64])
def test_class_weights_are_sample_weights_bit_for_bit(weight, batch_size):
    X, y = cancer()
    net = net_for(4, batch_size=batch_size, alpha=1.0)
    by_hand = np.where(y == 0, 5.0, 0.25)
    by_hand = by_hand if weight is None else by_hand * weight
    weighted = clone(net).fit(X, y, sample_weight=by_hand)
    net.set_params(class_weight={0: 5, 1: 0.25}).fit(X, y, sample_weight=weight)
    assert_same_training(net, weighted)


def test_a_class_that_is_not_named_weighs_one():
    X, y = wine()
    labels = np.array(["red", "white", "rosé"])[y]
    net = net_for(4, class_weight={"white": 3}).fit(X, labels)
    by_hand = net_for(4).fit(X, labels, sample_weight=np.where(y == 1, 3, 1))
    assert_same_training(net, by_hand)


def test_a_class_of_weight_zero_is_no_rows():
    X, y = wine()
    net = net_for(4, batch_size=40, class_weight={1: 0}).fit(X, y)
    assert_same_training(net, net_for(4, batch_size=40).fit(X, y, sample_weight=y != 1))
    assert net.classes_.tolist() == [0, 1, 2]


def test_balanced_is_that_of_scikit_learn_without_sample_weights():
    X, y = wine()
    balanced = net_for(4, class_weight="balanced").fit(X, y)
    weight = compute_sample_weight("balanced", y)
    assert_same_training(balanced, net_for(4).fit(X, y, sample_weight=weight), 1e-12)


def test_balanced_gives_classes_the_same_total_of_sample_weights():
    X, y = wine()
    weight = np.random.RandomState(0).uniform(0, 3, len(y)) * (np.arange(178) % 3 > 0)
    totals = np.array([weight[y == label].sum() for label in range(3)])
    by_hand = weight * (totals.sum() / 3 / totals)[y]
    balanced = net_for(4, class_weight="balanced", alpha=1.0)
    balanced.fit(X, y, sample_weight=weight)
    assert_same_training(
        balanced, net_for(4, alpha=1.0).fit(X, y, sample_weight=by_hand), 1e-12
    )


def test_balanced_keeps_the_total_where_a_class_has_no_weight():
    X, y = wine()
    weight = np.where(y == 1, 0, np.where(y == 0, 1.0, 3.0))
    totals = np.array([59, np.inf, 3 * 48])
    by_hand = weight * ((59 + 3 * 48) / 2 / totals)[y]
    balanced = net_for(4, class_weight="balanced", alpha=50.0)
    balanced.fit(X, y, sample_weight=weight)
    expected = net_for(4, alpha=50.0).fit(X, y, sample_weight=by_hand)
    assert_same_training(balanced, expected, 1e-12)


def test_class_weights_of_labels_are_multiplied():
    X, Y = wine_labels()
    weights = [{0: 1, 1: 4}, {1: 2}, {0: 0.5}]
    by_hand = np.where(Y[:, 0], 4, 1) * np.where(Y[:, 1], 2, 1)
    by_hand = by_hand * np.where(Y[:, 2], 1, 0.5)
    net = net_for(4, class_weight=weights).fit(X, Y)
    assert_same_training(net, net_for(4).fit(X, Y, sample_weight=by_hand))


def test_balanced_labels_are_multiplied():
    X, Y = wine_labels()
    by_hand = compute_sample_weight("balanced", Y)
    net = net_for(4, class_weight="balanced").fit(X, Y)
    assert_same_training(net, net_for(4).fit(X, Y, sample_weight=by_hand), 1e-12)


def test_class_weights_serve_partial_fit():
    X, y = cancer()
    net, by_hand = net_for(class_weight={0: 3}), net_for()
    for _ in range(3):
        net.partial_fit(X, y, classes=[0, 1])
        weight = np.where(y == 0, 3, 1)
        by_hand.partial_fit(X, y, classes=[0, 1], sample_weight=weight)
    assert_same_training(net, by_hand)


def test_class_weights_count_in_the_validation_loss():
    X, y = cancer()
    net = net_for(1, class_weight={0: 3}, restore_best=False)
    net.fit(X[:300], y[:300], X_val=X[300:], y_val=y[300:])
    weight = np.where(y[300:] == 0, 3, 1)
    expected = log_loss(y[300:], net.predict_proba(X[300:]), sample_weight=weight)
    assert net.validation_loss_curve_ == [pytest.approx(expected, rel=1e-12)]


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        (
            {7: 2, "b": 3},
            "class_weight contains [7, 'b'], which are not among the classes [0, 1, "
            "2].",
        ),
        (
            {1: -2},
            "class_weight must contain finite numbers that are not negative. Got {1: "
            "-2} instead.",
        ),
    ],
)
def test_bad_class_weights_are_an_error(class_weight, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        net_for(class_weight=class_weight).fit(*wine())


@pytest.mark.parametrize(
    ("data", "class_weight"),
    [
        (wine_labels, {0: 1, 1: 2}),  # needs a list
        (wine_labels, [{0: 1, 1: 2}]),  # of three
        (wine, [{0: 1, 1: 2}] * 3),  # needs a dict
    ],
)
def test_class_weights_of_the_wrong_form_are_an_error_that_names_them(
    data, class_weight
):
    with pytest.raises(ValueError, match=r"^class_weight .*(list|dict)"):
        net_for(class_weight=class_weight).fit(*data())
