"""A predictor returns the bits of its estimator, and is a copy of it."""

import copy
import pickle
import re
import threading
import warnings

import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.exceptions import NotFittedError

from sklearn_deepnet import DeepNetClassifier, DeepNetRegressor
from sklearn_deepnet.exceptions import VersionWarning
from sklearn_deepnet.nn.numeric_features import PeriodicFeatures
from tests.helpers import cancer, diabetes, digits, network_factory, wine_labels

net = network_factory("hidden_layer_sizes", hidden_layer_sizes=(12, 8), n_iter=3)


def regressor(*values, **parameters):
    return net(*values, estimator=DeepNetRegressor, **parameters)


def two_numbers():
    X, y = diabetes()
    return X, np.column_stack([y, -3 * y**2])


def far_from_zero():
    X, y = diabetes()
    return X, y + 1e8


def raw():
    """Return columns in large units, far from zero."""
    X, y = cancer()
    return 1e3 * X + 1e5, y


KINDS = {
    "binary": (net(), cancer),
    "multiclass": (net(), digits),
    "multilabel": (net(), wine_labels),
    "one number": (regressor(), diabetes),
    "two numbers": (regressor(), two_numbers),
    "counts": (regressor(loss="poisson"), diabetes),
    "far from zero": (regressor(), far_from_zero),
    "raw": (net(), raw),
    "robust": (net(input_scaling="robust"), raw),
    "unscaled": (net(input_scaling=None), cancer),
    "numeric features": (net(numeric_features=PeriodicFeatures(3)), cancer),
    "linear": (net(()), cancer),
    "tanh": (net(activation=["tanh", "gelu"]), cancer),
    "large": (regressor((300, 100)), diabetes),
}
EVERY_KIND = pytest.mark.parametrize("kind", KINDS)
DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


def fit(kind, dtype="float64"):
    """Return a new fitted network, rows of its dtype, and its method."""
    network, data = KINDS[kind]
    X, y = data()
    X = X.astype(dtype)
    fitted = copy.copy(network).fit(X, y)
    return fitted, X, getattr(fitted, "predict_proba", fitted.predict)


def assert_same(found, expected):
    assert_array_equal(found, expected)
    assert found.dtype == expected.dtype
    assert found.flags.c_contiguous == expected.flags.c_contiguous


@EVERY_KIND
@DTYPES
def test_predictor_returns_the_bits_of_the_estimator(kind, dtype):
    fitted, X, method = fit(kind, dtype)
    predictor = fitted.make_predictor()
    # More rows than before and fewer, and more than one block has
    many = np.resize(X, (5000, X.shape[1]))
    for rows in (X[:1], X[3:20], X[:64], X[:1], X[5:9], X[:65], many, X[2:3]):
        assert_same(predictor(rows), method(rows))


@pytest.mark.parametrize("dtype", ["float16", ">f8", "int64", "bool"])
def test_rows_may_be_numbers_of_any_dtype(dtype):
    fitted, X, method = fit("binary")
    rows = X[:5].astype(dtype)
    assert_same(fitted.make_predictor()(rows), method(rows))


@EVERY_KIND
def test_what_was_returned_stays_as_it_is(kind):
    fitted, X, method = fit(kind)
    predictor = fitted.make_predictor()
    first = predictor(X[:3])
    predictor(X[3:6])
    assert_array_equal(first, method(X[:3]))


@EVERY_KIND
def test_predictor_is_a_copy(kind):
    fitted, X, method = fit(kind)
    predictor, expected = fitted.make_predictor(), method(X[:40])
    for array in [*fitted.coefs_, *fitted.intercepts_]:
        array += 1
    for array in (fitted.input_mean_, fitted.input_scale_):
        if array is not None:
            array += 1
    if isinstance(fitted, DeepNetRegressor):
        fitted.target_mean_ += 1
        fitted.target_scale_ += 1
    else:
        fitted.classes_ = fitted.classes_[:1]
    assert_array_equal(predictor(X[:40]), expected)


def test_another_fit_does_not_reach_the_predictor():
    fitted, X, method = fit("multiclass")
    predictor, expected = fitted.make_predictor(), method(X[:9])
    fitted.set_params(hidden_layer_sizes=(3,)).fit(X[:, :5], X[:, 9] > 0)
    assert_array_equal(predictor(X[:9]), expected)


def test_predictor_changes_nothing_in_the_estimator():
    fitted, X, _ = fit("binary")
    before = pickle.dumps(fitted)
    fitted.make_predictor()(X[:1])
    assert pickle.dumps(fitted) == before


@EVERY_KIND
@pytest.mark.parametrize("n_rows", [1, 20])
def test_threads_get_the_results_of_one_thread(kind, n_rows):
    fitted, X, method = fit(kind)
    predictor = fitted.make_predictor()
    given = [X[n_rows * k : n_rows * (k + 1)] for k in range(8)]
    expected, found = [*map(method, given)], [[] for _ in given]
    barrier = threading.Barrier(len(given))

    def serve(k):
        barrier.wait()
        for _ in range(50):
            found[k].append(predictor(given[k]))

    threads = [threading.Thread(target=serve, args=(k,)) for k in range(len(given))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for own, one in zip(found, expected, strict=True):
        assert len(own) == 50
        assert all(np.array_equal(it, one) for it in own)


def through_joblib(predictor, folder, **options):
    joblib.dump(predictor, folder / "predictor.joblib")
    return joblib.load(folder / "predictor.joblib", **options)


@EVERY_KIND
@pytest.mark.parametrize(
    "copied",
    [
        lambda it, _: copy.copy(it),
        lambda it, _: copy.deepcopy(it),
        lambda it, _: pickle.loads(pickle.dumps(it)),
        through_joblib,
        lambda it, folder: through_joblib(it, folder, mmap_mode="r"),
    ],
    ids=["copy", "deepcopy", "pickle", "joblib", "mapped"],
)
def test_copies_return_the_same(kind, copied, tmp_path):
    fitted, X, method = fit(kind)
    predictor = fitted.make_predictor()
    predictor(X[:1])  # there are work arrays, which no copy has
    assert_same(copied(predictor, tmp_path)(X[:20]), method(X[:20]))


def test_predictor_of_a_mapped_file_has_arrays_of_its_own(tmp_path):
    fitted, X, method = fit("binary")
    mapped = through_joblib(fitted, tmp_path, mmap_mode="r")
    predictor = mapped.make_predictor()
    assert type(predictor._network.params) is np.ndarray
    assert_array_equal(predictor(X[:1]), method(X[:1]))


def test_pickle_holds_little_beside_the_weights():
    X, y = cancer()
    fitted = net(n_iter=300, warm_start=True).fit(X, y)
    predictor = fitted.make_predictor()
    predictor(X[:64])
    n_bytes = sum(it.nbytes for it in [*fitted.coefs_, *fitted.intercepts_])
    assert len(pickle.dumps(predictor)) < n_bytes + 3000 < len(pickle.dumps(fitted))


def test_pickle_of_another_version_warns(monkeypatch):
    predictor = fit("binary")[0].make_predictor()
    monkeypatch.setattr("sklearn_deepnet.estimators.mixins.__version__", "9.9")
    saved = pickle.dumps(predictor)
    monkeypatch.undo()
    with pytest.warns(VersionWarning, match=r"sklearn_deepnet \(9\.9\)"):
        pickle.loads(saved)


@pytest.mark.parametrize(
    ("given", "described"),
    [
        (np.zeros((1, 29)), "an array of shape (1, 29) and dtype float64"),
        (np.zeros((1, 31)), "an array of shape (1, 31) and dtype float64"),
        (np.zeros((30, 1)), "an array of shape (30, 1) and dtype float64"),
        (np.zeros(30), "an array of shape (30,) and dtype float64"),
        (np.zeros((1, 1, 30)), "an array of shape (1, 1, 30) and dtype float64"),
        (np.zeros((0, 30)), "an array of shape (0, 30) and dtype float64"),
        (np.zeros((1, 30), object), "an array of shape (1, 30) and dtype object"),
        (np.zeros((1, 30), complex), "an array of shape (1, 30) and dtype complex128"),
        ([[0.0] * 30], "a list"),
    ],
)
def test_other_rows_are_an_error(given, described):
    predictor = fit("binary")[0].make_predictor()
    expected = (
        "X must be a 2-D NumPy array of numbers with 30 columns and at least one row. "
        f"Got {described} instead."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        predictor(given)


@pytest.mark.parametrize("n_rows", [1, 200])
@pytest.mark.parametrize("kind", ["binary", "multiclass", "one number", "counts"])
def test_overflow_is_the_error_of_the_estimator(kind, n_rows):
    fitted, X, method = fit(kind)
    large = np.full((n_rows, X.shape[1]), 1e200)
    fitted.coefs_[-1][:] *= 1e200
    errors = []
    for call in (method, fitted.make_predictor()):
        with pytest.raises(
            ValueError, match="The outputs of the network overflow"
        ) as caught:
            call(large)
        errors.append(str(caught.value))
    assert errors[0] == errors[1]


def test_floating_point_errors_are_silent():
    fitted, X, method = fit("multiclass")
    fitted.coefs_[-1][:] *= 1e4  # so that probabilities underflow
    predictor = fitted.make_predictor()
    with np.errstate(all="raise"), warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_array_equal(predictor(X[:9]), method(X[:9]))


def test_estimator_has_to_be_fitted():
    with pytest.raises(NotFittedError):
        net().make_predictor()


class Calibrated(DeepNetClassifier):
    def predict_proba(self, X):
        return super().predict_proba(X) ** 2


class Labelled(DeepNetClassifier):
    def predict(self, X):
        return super().predict(X)


def test_a_method_of_its_own_is_an_error():
    X, y = cancer()
    fitted = net(estimator=Calibrated).fit(X, y)
    expected = (
        "Calibrated overrides predict_proba, which a predictor would never call. Call "
        "predict_proba of the estimator instead."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        fitted.make_predictor()


def test_subclass_may_override_the_other_methods():
    X, y = cancer()
    fitted = net(estimator=Labelled).fit(X, y)
    assert_array_equal(fitted.make_predictor()(X[:1]), fitted.predict_proba(X[:1]))
