"""To go on is to never have stopped: warm_start, partial_fit, pickles in between."""

import os
import pickle
import re
import subprocess
import sys
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import scale

from sklearn_deepnet import DeepNetClassifier, DeepNetRegressor
from sklearn_deepnet.nn.optimizers import OPTIMIZERS, Adam
from tests.helpers import (
    assert_same_training,
    epochs_until_patience_ends,
    network_factory,
    wine,
)

FULL_BATCH = {"batch_size": None}
SHUFFLED = {"batch_size": 32}  # with a short batch at the end
AS_IT_COMES = {"input_scaling": None}  # so that arrays may be given as init


net_for = network_factory(
    "n_iter", hidden_layer_sizes=(6, 4), learning_rate=0.01, warm_start=True
)


def fit_in_chunks(net, X, y, chunks):
    for n_iter in chunks:
        net.set_params(n_iter=n_iter).fit(X, y)
        assert net.n_iter_ == len(net.loss_curve_)
    return net


# ---- chunks


@pytest.mark.parametrize("n_first", range(1, 8))
@pytest.mark.filterwarnings("ignore::sklearn_deepnet.DivergenceWarning")
def test_where_it_diverges_chunks_keep_the_weights_of_one_fit(n_first):
    X, y = load_diabetes(return_X_y=True)
    parameters = {"solver": "sgd", "learning_rate": 0.6, "batch_size": 100}
    parameters |= {"init": "he"}
    net = DeepNetRegressor((), tol=None, random_state=0, warm_start=True, **parameters)
    whole = clone(net).set_params(n_iter=12).fit(scale(X), y)
    assert whole.diverged_
    assert whole.n_iter_ == 7
    net.set_params(n_iter=n_first).fit(scale(X), y)
    assert not net.diverged_
    net.set_params(n_iter=12 - n_first).fit(scale(X), y)
    assert_same_training(net, whole)


@pytest.mark.parametrize(
    "dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("batches", [FULL_BATCH, SHUFFLED])
@pytest.mark.parametrize("solver", OPTIMIZERS)
def test_chunks_of_warm_starts_equal_one_fit(solver, batches, dtype):
    X, y = wine()
    net = net_for(8, solver=solver, dtype=dtype, **batches)
    whole = clone(net).fit(X, y)
    chunks = fit_in_chunks(clone(net), X, y, [0, 1, 3, 4])
    assert_same_training(chunks, whole)
    plain = clone(net).set_params(warm_start=False).fit(X, y)
    assert_same_training(plain, whole)


@pytest.mark.parametrize("seed", [7, None])
def test_chunks_equal_one_fit_with_a_generator(seed):
    X, y = wine()
    whole = net_for(6, random_state=np.random.RandomState(7), **SHUFFLED).fit(X, y)
    net = net_for(6, random_state=np.random.RandomState(7), **SHUFFLED)
    net.set_params(n_iter=2).fit(X, y)
    net.set_params(random_state=seed)  # is not asked any more
    assert_same_training(fit_in_chunks(net, X, y, [4]), whole)


@pytest.mark.parametrize("batches", [FULL_BATCH, SHUFFLED])
@pytest.mark.parametrize("solver", OPTIMIZERS)
def test_partial_fits_equal_warm_starts(solver, batches):
    X, y = wine()
    whole = net_for(5, solver=solver, **batches).fit(X, y)
    parts = net_for(99, solver=solver, warm_start=False, **batches)
    for _ in range(5):
        parts.partial_fit(X, y, classes=[0, 1, 2])
    assert_same_training(parts, whole)


def test_partial_fit_continues_a_warm_fit_without_a_warning():
    X, y = wine()
    whole = net_for(6, **SHUFFLED).fit(X, y)
    mixed = net_for(2, **SHUFFLED).fit(X, y).partial_fit(X, y).partial_fit(X, y)
    assert_same_training(mixed.fit(X, y), whole)


def test_another_fit_without_warm_start_begins_anew():
    X, y = wine()
    net = net_for(3, warm_start=False).fit(X, y)
    again = pickle.loads(pickle.dumps(net)).fit(X, y)
    assert_same_training(again, net)


# ---- scaling of X


@pytest.mark.parametrize("batches", [FULL_BATCH, SHUFFLED])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scaling", ["auto", "standard", "robust", None])
@pytest.mark.parametrize("estimator", [DeepNetClassifier, DeepNetRegressor])
def test_a_scaled_network_goes_on_as_one_fit(estimator, scaling, dtype, batches):
    X, y = load_wine(return_X_y=True)  # in its own units
    parameters = {"estimator": estimator, "input_scaling": scaling, "dtype": dtype}
    parameters |= batches
    whole = net_for(7, **parameters).fit(X, y)
    chunks = net_for(3, **parameters).fit(X, y)
    chunks = pickle.loads(pickle.dumps(chunks)).set_params(n_iter=4).fit(X, y)
    assert_same_training(chunks, whole)
    np.testing.assert_array_equal(chunks.predict(X), whole.predict(X))
    if scaling is not None:
        np.testing.assert_array_equal(chunks.input_mean_, whole.input_mean_)
        np.testing.assert_array_equal(chunks.input_scale_, whole.input_scale_)


@pytest.mark.parametrize("scaling", ["standard", "robust"])
def test_other_rows_do_not_change_the_scaling(scaling):
    X, y = load_wine(return_X_y=True)
    net = net_for(3, input_scaling=scaling).fit(X, y)
    mean, scale = net.input_mean_.copy(), net.input_scale_.copy()
    net.partial_fit(9 * X + 5, y).fit(X[::2], y[::2])
    np.testing.assert_array_equal(net.input_mean_, mean)
    np.testing.assert_array_equal(net.input_scale_, scale)


@pytest.mark.parametrize("scaling", ["standard", "robust"])
@pytest.mark.parametrize("estimator", [DeepNetClassifier, DeepNetRegressor])
def test_a_stream_that_begins_with_a_constant_column_is_pickled_anywhere(
    estimator, scaling
):
    X, y = load_wine(return_X_y=True)
    order = np.random.RandomState(0).permutation(178)
    X, y = X[order].copy(), y[order]
    X[:120, 3] = 20.0
    first = {"classes": [0, 1, 2]} if estimator is DeepNetClassifier else {}
    parameters = {"estimator": estimator, "input_scaling": scaling}
    streams = [net_for(1, **parameters) for _ in range(2)]
    for rows in (slice(0, 60), slice(60, 120), slice(120, 178)):
        streams[1] = pickle.loads(pickle.dumps(streams[1]))
        for net in streams:
            net.partial_fit(X[rows], y[rows], **first)
    assert_same_training(*streams)
    assert streams[0].input_scale_[3] != 1
    np.testing.assert_array_equal(streams[0].predict(X), streams[1].predict(X))


@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
@pytest.mark.parametrize("is_only", [True, False])
def test_a_constant_output_does_not_change_what_is_best(is_only, loss):
    X, y = scale(load_wine().data), np.full(178, 3.5)
    if not is_only:
        y = np.stack([y, X[:, 0] + 4], axis=1)
    parameters = {"estimator": DeepNetRegressor, "loss": loss, "learning_rate": 0.1}
    monitored = {"X_val": X[::3], "y_val": y[::-3]}
    whole = net_for(8, **parameters).fit(X, y, **monitored)
    chunks = net_for(6, **parameters).fit(X, y, **monitored)
    chunks.set_params(n_iter=2).fit(X, y, **monitored)
    assert whole.best_iter_ < 6
    assert_same_training(chunks, whole)


# ---- processes

GO_ON = """
import pickle, sys
nets, X, y = pickle.load(sys.stdin.buffer)
for net in nets:
    net.set_params(n_iter=4).fit(X, y).partial_fit(X, y)
sys.stdout.buffer.write(pickle.dumps(nets))
"""


@pytest.mark.slow
def test_a_pickle_goes_on_in_another_process():
    X, y = wine()
    parameters = [
        {"solver": solver, "dtype": dtype, **batches}
        for solver in OPTIMIZERS
        for dtype in ("float32", "float64")
        for batches in (FULL_BATCH, SHUFFLED)
    ]
    halves = [net_for(3, **each).fit(X, y) for each in parameters]
    output = subprocess.run(
        [sys.executable, "-W", "error", "-c", GO_ON],
        input=pickle.dumps((halves, X, y)),
        stdout=subprocess.PIPE,
        check=True,
        env=os.environ | {"PYTHONHASHSEED": "1"},
    ).stdout
    for net, each in zip(pickle.loads(output), parameters, strict=True):
        assert_same_training(net, net_for(8, **each).fit(X, y))


def test_a_copy_goes_on_by_itself():
    X, y = wine()
    net = net_for(3, **SHUFFLED).fit(X, y)
    copy = pickle.loads(pickle.dumps(net))
    before = [W.copy() for W in net.coefs_]
    copy.fit(X, y)
    np.testing.assert_equal(net.coefs_, before)
    assert_same_training(net.fit(X, y), copy)


# ---- after a plain fit

FRESH = (
    "Training continues with a new state of the optimizer and the random generator, "
    "since the last fit did not keep them. To continue exactly, set warm_start=True "
    "before the first fit, or start with partial_fit."
)


@pytest.mark.parametrize("goes_on", ["fit", "partial_fit"])
def test_going_on_after_a_plain_fit_warns_once(goes_on):
    X, y = wine()
    net = net_for(3, warm_start=False).fit(X, y)
    net.set_params(warm_start=True)
    with pytest.warns(UserWarning, match=f"^{re.escape(FRESH)}$") as caught:
        getattr(net, goes_on)(X, y)
    assert [warning.filename for warning in caught] == [__file__]
    getattr(net, goes_on)(X, y)  # warnings are errors here
    assert net.n_iter_ == {"fit": 9, "partial_fit": 5}[goes_on]


def test_going_on_after_a_plain_fit_keeps_the_weights():
    X, y = wine()
    net = net_for(3, warm_start=False, **FULL_BATCH, **AS_IT_COMES).fit(X, y)
    arrays = [a for pair in zip(net.coefs_, net.intercepts_, strict=True) for a in pair]
    fresh = net_for(1, init=arrays, **FULL_BATCH, **AS_IT_COMES).fit(X, y)
    with pytest.warns(UserWarning, match="with a new state"):
        net.partial_fit(X, y)
    assert net.loss_curve_[3:] == fresh.loss_curve_
    np.testing.assert_array_equal(net.coefs_[0], fresh.coefs_[0])


def test_a_pickle_of_a_plain_fit_holds_weights_and_curve_only():
    X, y = load_digits(return_X_y=True)
    for n_iter in (2, 30):
        net = net_for(n_iter, warm_start=False).set_params(hidden_layer_sizes=(100, 50))
        net.fit(X, y)
        needed = sum(a.nbytes for a in net.coefs_ + net.intercepts_) + 8 * n_iter
        assert len(pickle.dumps(net)) <= 1.2 * needed + 8000
        kept = net.set_params(warm_start=True, n_iter=1).fit
        with pytest.warns(UserWarning, match="with a new state"):
            kept(X, y)
        assert len(pickle.dumps(net)) > 2.5 * needed  # two moments of Adam


def test_a_plain_fit_lets_go_of_what_a_warm_one_kept():
    X, y = wine()
    net = net_for(2).fit(X, y)
    size = len(pickle.dumps(net))
    net.set_params(warm_start=False).fit(X, y)
    assert len(pickle.dumps(net)) < size
    assert b"moments" not in pickle.dumps(net)


# ---- beginnings


def test_no_iterations_keep_the_initial_network():
    X, y = wine()
    net = net_for(0, init="lecun", bias_init="random").fit(X, y)
    rng = np.random.RandomState(0)
    for W, b, n_in in zip(net.coefs_, net.intercepts_, (13, 6, 4), strict=True):
        n_out = len(b)
        drawn = rng.randn(n_out, n_in) / np.sqrt(n_in)
        np.testing.assert_allclose(W.T, drawn, rtol=1e-14)
        np.testing.assert_allclose(b, rng.randn(n_out) / np.sqrt(n_in), rtol=1e-14)
    assert net.n_iter_ == 0
    assert net.loss_curve_ == []
    assert np.isnan(net.loss_)
    assert np.isnan(net.best_loss_)
    assert not net.diverged_
    assert net.predict_proba(X).shape == (178, 3)


def test_no_iterations_go_on_as_one_fit():
    X, y = wine()
    net = net_for(0, **SHUFFLED).fit(X, y)
    first = net.coefs_[0].copy()
    assert_same_training(
        fit_in_chunks(net, X, y, [0, 5]), net_for(5, **SHUFFLED).fit(X, y)
    )
    assert not np.array_equal(net.coefs_[0], first)


@pytest.mark.parametrize("warm_start", [False, True])
def test_the_generator_of_the_caller_is_not_used_for_shuffling(warm_start):
    X, y = wine()
    rng, expected = np.random.RandomState(5), np.random.RandomState(5)
    net = net_for(4, random_state=rng, warm_start=warm_start, **SHUFFLED).fit(X, y)
    for n_in, n_out in ((13, 6), (6, 4), (4, 3)):
        expected.randn(n_out, n_in + 1)
    np.testing.assert_equal(rng.get_state(), expected.get_state())
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Training continues with a new state")
        net.partial_fit(X, y).partial_fit(X, y)
    np.testing.assert_equal(rng.get_state(), expected.get_state())


def test_the_best_loss_is_that_of_the_whole_curve():
    X, y = wine()
    net = net_for(5, **FULL_BATCH).fit(X, y)
    best = net.best_loss_
    net.set_params(learning_rate=1.0, n_iter=1).fit(X, y).fit(X, y)
    assert net.loss_ == net.loss_curve_[-1] > best
    assert net.best_loss_ == min(net.loss_curve_)


def test_schedules_go_on_after_a_plain_fit():
    """The optimizer starts afresh there, but the epochs made are not forgotten."""
    X, y = wine()
    epochs = []

    def schedule(t):
        epochs.append(t)
        return 1.0

    net = net_for(3, schedule=schedule, warm_start=False).fit(X, y)
    with pytest.warns(UserWarning, match="continues with a new state"):
        net.partial_fit(X, y)
    assert epochs == [0, 1, 2, 3]


# ---- patience between two fits


def slow_net(n_iter, **parameters):
    """Improves by less and less than tol, and by fits and starts: batches differ."""
    usual = {"tol": 0.01, "n_iter_no_change": 5, "batch_size": 20}
    return net_for(n_iter, **(usual | parameters))


@pytest.mark.slow
def test_patience_ends_training_where_it_should():
    X, y = wine()
    losses = slow_net(300, tol=None).fit(X, y).loss_curve_
    for tol in (0.001, 0.01, 0.1):
        for n_iter_no_change in (1, 2, 5):
            net = slow_net(300, tol=tol, n_iter_no_change=n_iter_no_change).fit(X, y)
            n_epochs = epochs_until_patience_ends(losses, tol, n_iter_no_change)
            assert net.n_iter_ == n_epochs < 300
            assert net.loss_curve_ == losses[:n_epochs]


@pytest.mark.filterwarnings(
    "ignore:Training reached n_iter:sklearn.exceptions.ConvergenceWarning"
)
@pytest.mark.parametrize("chunk", [1, 2, 3, 7])
def test_patience_is_carried_from_chunk_to_chunk(chunk):
    X, y = wine()
    whole = slow_net(300).fit(X, y)
    net = slow_net(chunk)
    while net.fit(X, y).n_iter_ < whole.n_iter_:
        assert net.n_iter_ % chunk == 0
    assert_same_training(net, whole)


def test_patience_starts_over_after_it_ended_a_fit():
    X, y = wine()
    net = slow_net(300, tol=10.0, n_iter_no_change=3).fit(X, y)
    assert net.n_iter_ == 4  # the first epoch betters infinity
    assert net.fit(X, y).n_iter_ == 7  # nothing betters the first by 10 any more
    assert net.fit(X, y).n_iter_ == 10


def test_partial_fit_ignores_tol():
    X, y = wine()
    impatient, patient = slow_net(300, tol=10.0, n_iter_no_change=1), slow_net(300)
    for _ in range(4):
        impatient.partial_fit(X, y, classes=[0, 1, 2])
        patient.partial_fit(X, y, classes=[0, 1, 2])
    assert_same_training(impatient, patient)


def test_partial_fit_does_not_use_patience_up():
    X, y = wine()
    net = slow_net(300, tol=10.0, n_iter_no_change=3)
    for _ in range(3):
        net.partial_fit(X, y, classes=[0, 1, 2])
    assert net.fit(X, y).n_iter_ == 3 + 4  # the first epoch betters infinity


def test_no_warning_of_convergence_from_partial_fit():
    X, y = wine()
    net = slow_net(1).partial_fit(X, y, classes=[0, 1, 2])  # warnings are errors here
    with pytest.warns(ConvergenceWarning):
        net.fit(X, y)


# ---- what may change in between


def descend(X, y, net, learning_rate, alpha, n_iter):
    """Gradient descent of a softmax regression by hand, on from where `net` stands."""
    W, b = net.coefs_[0].copy(), net.intercepts_[0].copy()
    for _ in range(n_iter):
        logits = X @ W + b
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        dZ = (p - (y[:, np.newaxis] == [0, 1, 2])) / len(y)
        W = W - learning_rate * (X.T @ dZ + alpha / len(y) * W)
        b = b - learning_rate * dZ.sum(axis=0)
    return W, b


@pytest.mark.parametrize("change", [{"learning_rate": 0.5}, {"alpha": 30}])
def test_a_change_in_between_takes_effect(change):
    X, y = wine()
    settings = {"learning_rate": 0.1, "alpha": 1}
    net = net_for(3, solver="sgd", batch_size=None, **settings)
    net.set_params(hidden_layer_sizes=()).fit(X, y)
    W, b = descend(X, y, net, n_iter=3, **(settings | change))
    net.set_params(**change).fit(X, y)
    np.testing.assert_allclose(net.coefs_[0], W, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(net.intercepts_[0], b, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(
    "change",
    [
        {"batch_size": 10},
        {"batch_size": None},
        {"loss": "squared_error"},
        {"shuffle": False},
        {"solver": Adam(beta1=0.5)},
    ],
)
def test_a_change_is_as_if_made_on_a_pickle_of_the_moment(change):
    X, y = wine()
    net = net_for(3, **SHUFFLED).fit(X, y)
    same = pickle.loads(pickle.dumps(net)).fit(X, y)
    net.set_params(**change).fit(X, y)
    assert net.loss_curve_[:3] == same.loss_curve_[:3]
    assert net.loss_curve_[3:] != same.loss_curve_[3:]


def test_a_changed_batch_size_equals_a_net_that_starts_from_there():
    X, y = wine()
    parameters = {"solver": "sgd", **AS_IT_COMES}
    net = net_for(3, batch_size=None, **parameters).fit(X, y)
    arrays = [a for pair in zip(net.coefs_, net.intercepts_, strict=True) for a in pair]
    other = net_for(3, batch_size=16, shuffle=False, init=arrays, **parameters)
    other.fit(X, y)
    net.set_params(batch_size=16, shuffle=False).fit(X, y)
    assert net.loss_curve_[3:] == other.loss_curve_
    np.testing.assert_array_equal(net.coefs_[0], other.coefs_[0])


@pytest.mark.parametrize(
    ("before", "after"), [("adam", "momentum"), ("sgd", "adam"), ("adam", "sgd")]
)
def test_another_solver_starts_with_fresh_moments(before, after):
    X, y = wine()
    parameters = {"batch_size": None, **AS_IT_COMES}
    net = net_for(3, solver=before, **parameters).fit(X, y)
    arrays = [a for pair in zip(net.coefs_, net.intercepts_, strict=True) for a in pair]
    fresh = net_for(3, solver=after, init=arrays, **parameters).fit(X, y)
    net.set_params(solver=after).fit(X, y)
    assert net.loss_curve_[3:] == fresh.loss_curve_
    np.testing.assert_array_equal(net.coefs_[0], fresh.coefs_[0])


ANEW = "Keep it unchanged, or call fit with warm_start=False to start over."


@pytest.mark.parametrize("goes_on", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"hidden_layer_sizes": (6, 5)},
            "hidden_layer_sizes is now [6, 5], but the network to continue has [6, 4]. "
            + ANEW,
        ),
        (
            {"hidden_layer_sizes": 6},
            "hidden_layer_sizes is now [6], but the network to continue has [6, 4]. "
            + ANEW,
        ),
        (
            {"activation": ["relu", "tanh"]},
            "activation is now ['relu', 'tanh'], but the network to continue has "
            "['relu', 'relu']. " + ANEW,
        ),
        (
            {"dtype": "float32"},
            "dtype is now float32, but the network to continue has float64. " + ANEW,
        ),
    ],
)
def test_another_network_is_an_error(change, message, goes_on):
    X, y = wine()
    net = net_for(2).fit(X, y)
    untouched = pickle.loads(pickle.dumps(net))
    kept = net.get_params()
    net.set_params(**change)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        getattr(net, goes_on)(X, y)
    assert_same_training(net, untouched)
    net.set_params(**{name: kept[name] for name in change})
    assert_same_training(net.fit(X, y), untouched.fit(X, y))  # nothing was harmed


def test_other_classes_are_an_error_in_fit():
    X, y = wine()
    net = net_for(2).fit(X, y)
    message = (
        "The classes are now [0, 1], but the network to continue has [0, 1, 2]. Give "
        "samples of the same classes, or call fit with warm_start=False to start over."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        net.fit(X[y < 2], y[y < 2])
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        net.partial_fit(X, y, classes=[0, 1])


def test_other_features_are_an_error():
    X, y = wine()
    net = net_for(2).fit(X, y)
    message = "X has 12 features, but DeepNetClassifier is expecting 13 features as"
    for goes_on in (net.fit, net.partial_fit):
        with pytest.raises(ValueError, match=message):
            goes_on(X[:, 1:], y)
    assert net.n_features_in_ == 13


def test_float32_data_after_float64_data_are_an_error_unless_dtype_says_which():
    X, y = wine()
    net = net_for(2).fit(X, y)
    with pytest.raises(ValueError, match=r"^dtype is now float32, but the network to"):
        net.fit(X.astype(np.float32), y)
    assert net.set_params(dtype="float64").fit(X.astype(np.float32), y).n_iter_ == 4
