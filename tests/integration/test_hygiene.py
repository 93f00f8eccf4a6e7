"""Fitting and predicting leave the surroundings alone, and do not depend on them."""

import hashlib
import os
import pickle
import random
import signal
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from functools import cache

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits
from threadpoolctl import threadpool_info, threadpool_limits

from sklearn_deepnet import DivergenceWarning
from sklearn_deepnet.nn.activations import Activation, relu
from tests.helpers import digits, network_factory

X, y = digits()
METHODS = ["predict", "predict_proba", "predict_log_proba", "decision_function"]


net = network_factory(
    "hidden_layer_sizes", hidden_layer_sizes=(20,), n_iter=3, learning_rate=0.01
)


def predictions(fitted, X=X):
    return {method: getattr(fitted, method)(X) for method in METHODS}


# ---- surroundings


def n_blas_threads():
    return [
        lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"
    ]


def surroundings():
    return {
        "numpy": np.random.get_state(),  # noqa: NPY002
        "python": random.getstate(),
        "filters": list(warnings.filters),
        "errors": np.geterr(),
        "error call": np.geterrcall(),
        "handlers": [signal.getsignal(number) for number in signal.valid_signals()],
        "threads": threadpool_info(),
        "environment": dict(os.environ),
    }


def fit_well():
    net(random_state=None).fit(X, y)


def fit_in_parts():
    net(random_state=None).partial_fit(X, y, classes=range(10)).predict_proba(X)


def fit_badly():
    with pytest.raises(ValueError, match="activation must be one of"):
        net(activation="rely").fit(X, y)


def diverge():
    with pytest.warns(DivergenceWarning):
        net((30, 30), solver="sgd", learning_rate=1e9, batch_size=None).fit(X, y)


def interrupt():
    def forward(z, a):
        raise KeyboardInterrupt

    activation = Activation("ctrl-c", forward, relu.backward, overwrites_z=True)
    with pytest.raises(KeyboardInterrupt):
        net(activation=activation).fit(X, y)


@pytest.mark.parametrize("act", [fit_well, fit_in_parts, fit_badly, diverge, interrupt])
def test_global_state_is_left_alone(act):
    before = surroundings()
    act()
    np.testing.assert_equal(surroundings(), before)


def test_fit_holds_blas_to_one_thread_while_predict_in_one_leaves_it_alone():
    seen = []

    def forward(z, a):
        seen.append(n_blas_threads())
        relu.forward(z, a)

    watching = Activation("watching", forward, relu.backward, overwrites_z=True)
    with threadpool_limits(2, user_api="blas"):
        two = n_blas_threads()
        assert set(two) == {2}
        fitted = net(activation=watching, n_iter=1).fit(X, y)
        assert len(seen) >= 9  # one for each step
        assert {*map(max, seen)} == {1}
        seen.clear()
        fitted.predict(X)
        assert [*map(set, seen)] == [{2}] * len(seen) != []


def test_no_seed_takes_fresh_entropy_whatever_the_global_seed(legacy_seed):
    fitted = []
    for _ in range(2):
        legacy_seed(0)
        fitted.append(net(random_state=None, n_iter=0).fit(X, y))
    assert not np.array_equal(fitted[0].coefs_[0], fitted[1].coefs_[0])


# ---- the same seed, the same bits

FINGERPRINT = """
import hashlib, pickle, sys
nets, X, y = pickle.load(sys.stdin.buffer)
for net in nets:
    net.fit(X, y)
    print(hashlib.sha256(b"".join(W.tobytes() for W in net.coefs_)).hexdigest())
"""

KINDS = [
    {"batch_size": None, "dtype": "float32"},
    {"batch_size": None},
    {"hidden_layer_sizes": (100, 50)},
    {"batch_size": 32, "solver": "sgd"},
]


def fingerprint(fitted):
    return hashlib.sha256(b"".join(W.tobytes() for W in fitted.coefs_)).hexdigest()


@pytest.mark.slow
def test_the_bits_are_the_same_in_processes_with_other_numbers_of_threads():
    nets = [net(**kind) for kind in KINDS]
    command = [sys.executable, "-W", "error", "-c", FINGERPRINT]
    children = []
    for n_threads in ("1", "2"):
        limits = {"OMP_NUM_THREADS": n_threads, "OPENBLAS_NUM_THREADS": n_threads}
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | limits | {"PYTHONHASHSEED": n_threads},
        )
        children.append(child)
    here = [fingerprint(clone(each).fit(X, y)) for each in nets]
    for child in children:
        output, _ = child.communicate(pickle.dumps((nets, X, y)))
        assert output.decode().split() == here


def test_the_bits_are_the_same_in_threads_side_by_side():
    nets = [net(**kind) for kind in KINDS]
    before = threadpool_info()
    with ThreadPoolExecutor(4) as pool:
        fitted = pool.map(lambda each: clone(each).fit(X, y), nets)
        there = [*map(fingerprint, fitted)]
    assert there == [fingerprint(each.fit(X, y)) for each in nets]
    assert threadpool_info() == before


def test_the_bits_are_the_same_whatever_the_limit_of_threads():
    here = fingerprint(net(batch_size=None).fit(X, y))
    for n_threads in (1, 2):
        with threadpool_limits(n_threads):
            assert fingerprint(net(batch_size=None).fit(X, y)) == here


# ---- predicting


def test_eight_threads_predict_the_same_at_once():
    fitted = net((50, 20)).fit(X, y)
    expected = predictions(fitted)
    starts = range(0, 80, 10)
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            results = pool.map(lambda start: predictions(fitted, X[start:200]), starts)
            for start, result in zip(starts, results, strict=True):
                for method, array in result.items():
                    np.testing.assert_allclose(
                        array, expected[method][start:200], rtol=1e-9, atol=1e-12
                    )


@pytest.mark.parametrize("warm_start", [False, True])
def test_predicting_changes_nothing(warm_start):
    fitted = net(warm_start=warm_start).fit(X, y)
    before = deepcopy(vars(fitted))
    predictions(fitted)
    fitted.score(X, y)
    assert [*vars(fitted)] == [*before]
    np.testing.assert_equal(vars(fitted), before)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scale", [1, 1e4])
@pytest.mark.parametrize("data", [load_digits, load_breast_cancer])
def test_numpy_may_raise_on_everything(data, scale, dtype):
    X, y = data(return_X_y=True)
    X = (X - X.mean(axis=0)) / (X.std(axis=0) + 1e-9)
    with np.errstate(all="raise"):
        fitted = net((20, 10), dtype=dtype).fit(X, y)
        results = predictions(fitted, scale * X)
    assert all(np.isfinite(array).all() for array in results.values())
    if scale > 1:
        assert results["predict_log_proba"].min() < -800  # exp() of it underflows


# ---- X as it comes


def forms(X):
    """The same numbers in other clothes."""
    read_only = X.copy()
    read_only.flags.writeable = False
    wide = np.zeros((2 * len(X), 3 * X.shape[1]), X.dtype)
    wide[::2, 1::3] = X
    return {
        "read-only": read_only,
        "F-ordered": np.asfortranarray(X),
        "sliced": wide[::2, 1::3],
        "backwards": X[::-1, ::-1].copy()[::-1, ::-1],
        "list": X.tolist(),
        "objects": X.astype(object),
        "big-endian": X.astype(X.dtype.newbyteorder(">")),
    }


KINDS_OF_X = {
    "float64": X,
    "float16": X.astype(np.float16),  # sixteenths, so exact
    "integer": (16 * X).astype(int),
    "uint8": (16 * X).astype(np.uint8),
    "bool": X > 0.5,
}


@cache
def expected_predictions():
    return predictions(net().fit(X, y))


@pytest.mark.parametrize("form", forms(X[:1, :1]))
def test_the_layout_of_X_does_not_matter(form):
    given = forms(X)[form]
    before = deepcopy(given)
    fitted = net().fit(given, y)
    np.testing.assert_equal(predictions(fitted, given), expected_predictions())
    np.testing.assert_array_equal(given, before)


@pytest.mark.parametrize("kind", KINDS_OF_X)
@pytest.mark.parametrize("batch_size", [None, "auto"])
def test_the_dtype_of_X_does_not_matter(kind, batch_size):
    given = KINDS_OF_X[kind]
    before = given.copy()
    as_float = given.astype(np.float64)
    estimator = net(batch_size=batch_size)
    fitted, expected = clone(estimator).fit(given, y), clone(estimator).fit(as_float, y)
    assert fitted.coefs_[0].dtype == np.float64
    np.testing.assert_equal(predictions(fitted, given), predictions(expected, as_float))
    np.testing.assert_array_equal(given, before)
    assert given.dtype == before.dtype


def test_labels_or_weights_may_be_read_only():
    labels, weight = y.copy(), np.arange(len(y)) % 3
    expected = net().fit(X, labels, sample_weight=weight)
    labels.flags.writeable = weight.flags.writeable = False
    fitted = net().fit(X, labels, sample_weight=weight)
    np.testing.assert_equal(predictions(fitted), predictions(expected))
