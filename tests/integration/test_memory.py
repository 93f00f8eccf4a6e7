"""Memory grows with the net and a block of rows, not with the data."""

import numpy as np
import pytest
from sklearn.model_selection import ShuffleSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_deepnet import (
    DeepNetClassifier,
    DeepNetEnsembleClassifier,
    fit_stack,
    stacked,
)
from tests.helpers import network_factory

pytestmark = pytest.mark.slow

N_ROWS, N_FEATURES = 150_000, 40  # 24 MB as float32, 48 MB as float64
KINDS = ["float32", "float64", "int16", "bool"]


def large_data(kind):
    rng = np.random.RandomState(0)
    X = rng.randint(0, 2, (N_ROWS, N_FEATURES), dtype=np.int8).astype(kind)
    return X, X[:, 0].astype(int)


net = network_factory(hidden_layer_sizes=(20, 10), n_iter=1)


@pytest.mark.parametrize(
    ("batch_size", "limit"),
    [(None, 8e6), (20_000, 10e6), (200, 20e6)],  # shuffled rows are picked in chunks
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", KINDS)
def test_fit_makes_no_copy_of_the_data(kind, dtype, batch_size, limit, peak_of):
    X, y = large_data(kind)
    estimator = net(dtype=dtype, batch_size=batch_size)
    assert peak_of(lambda: estimator.fit(X, y)) < limit


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("given", [False, True])
def test_validation_makes_no_copy_of_the_data(given, kind, dtype, peak_of):
    X, y = large_data(kind)
    estimator = net(dtype=dtype, batch_size=1000, validation_fraction=0.5)
    if given:
        peak = peak_of(lambda: estimator.fit(X[:1000], y[:1000], X_val=X, y_val=y))
        assert peak < 10e6
    else:  # and some indices of each row, to split them
        estimator.set_params(early_stopping=True)
        assert peak_of(lambda: estimator.fit(X, y)) < 10e6 + 50 * N_ROWS


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_mapped_file_is_not_copied(early_stopping, order, tmp_path, peak_of):
    X, y = large_data("float32")
    path = tmp_path / "X.npy"
    np.save(path, np.asarray(X, order=order))
    mapped = np.load(path, mmap_mode="r")
    estimator = net(batch_size=1000, early_stopping=early_stopping, random_state=0)
    peak = peak_of(lambda: estimator.fit(mapped, y))
    assert peak < 10e6 + 50 * N_ROWS * early_stopping
    assert peak_of(lambda: estimator.predict_proba(mapped)) < 10e6
    copied = net(batch_size=1000, early_stopping=early_stopping, random_state=0)
    np.testing.assert_array_equal(estimator._params, copied.fit(X, y)._params)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["predict", "predict_proba"])
def test_predictions_make_no_copy_of_the_data(method, kind, dtype, peak_of):
    X, y = large_data(kind)
    fitted = net(dtype=dtype).fit(X[:1000], y[:1000])
    predict = getattr(fitted, method)
    assert peak_of(lambda: predict(X)) < 10e6


@pytest.mark.parametrize("steps", [[], [StandardScaler()]], ids=["net", "pipeline"])
def test_tasks_that_wait_hold_few_more_bytes_than_they_may(steps, peak_of):
    X, y = large_data("float64")
    X, y = X[:8000], y[:8000]  # 2.6 MB
    model = make_pipeline(*steps, net(batch_size=200))
    splits = ShuffleSplit(16, random_state=0)

    def peak(max_bytes):
        with stacked(max_bytes=max_bytes):
            return peak_of(lambda: cross_val_score(model, X, y, cv=splits))

    max_bytes = 10_000_000
    assert peak(max_bytes) < peak(1) + 2.5 * max_bytes < peak(10**9)


@pytest.mark.parametrize("method", ["predict_proba", "predict_log_proba", "predict"])
def test_an_ensemble_of_many_classes_predicts_in_blocks(method, peak_of):
    X = np.random.RandomState(0).randn(8000, 10)
    net = DeepNetClassifier((4,), n_iter=1, tol=None, random_state=0)
    ensemble = DeepNetEnsembleClassifier(net, n_estimators=10).fit(
        X, np.arange(8000) % 400
    )
    probabilities = 8000 * 400 * 8
    assert peak_of(lambda: getattr(ensemble, method)(X)) < 8 * probabilities


def test_curves_grow_with_the_epochs_that_are_made(peak_of):
    X, y = large_data("float64")
    nets = [
        DeepNetClassifier((4,), n_iter=10**9, random_state=k, early_stopping=True)
        for k in range(3)
    ]
    assert peak_of(lambda: fit_stack(nets, X[:200], y[:200])) < 2**24
    assert all(0 < net.n_iter_ == len(net.loss_curve_) < 10**6 for net in nets)


def test_curves_of_many_epochs_are_those_of_few_and_more():
    X, y = large_data("float64")
    long = net(n_iter=2500, tol=None, random_state=0).fit(X[:20], y[:20])
    short = net(n_iter=900, tol=None, random_state=0).fit(X[:20], y[:20])
    assert long.loss_curve_[:900] == short.loss_curve_
    assert len(long.loss_curve_) == 2500
    assert np.all(np.diff(long.loss_curve_[-1000:]) < 0)  # all were measured
