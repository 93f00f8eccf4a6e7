import warnings
import weakref

import numpy as np
import pytest

from sklearn_deepnet import DeepNetClassifier, DeepNetRegressor
from sklearn_deepnet._fitting.prepare import prepare
from sklearn_deepnet._utils import sharing as sharing_module
from sklearn_deepnet._utils.sharing import SharedWork, key_of_array, sharing

RNG = np.random.RandomState(0)
X = RNG.randn(60, 4) * [1, 10, 100, 1000]
Y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
WEIGHT = np.where(np.arange(60) % 5, 1.0, 0.0)

CLASSIFIER = DeepNetClassifier((5,), n_iter=2, tol=None, random_state=0)
REGRESSOR = DeepNetRegressor((5,), n_iter=2, tol=None, random_state=0)

# Each pair differs from another in one thing alone, which a key might lack.
FITS = {
    "classes": (CLASSIFIER, Y, {}),
    "two classes": (CLASSIFIER, Y > 0, {}),
    "names": (CLASSIFIER, Y.astype(str), {}),
    "floats": (CLASSIFIER, Y.astype(float), {}),
    "labels": (CLASSIFIER, np.eye(3, dtype=int)[Y], {}),
    "weights": (CLASSIFIER, Y, {"sample_weight": WEIGHT}),
    "other weights": (CLASSIFIER, Y, {"sample_weight": WEIGHT[::-1].copy()}),
    "class weights": (CLASSIFIER, Y, {"class_weight": "balanced"}),
    "held out": (CLASSIFIER, Y, {"early_stopping": True}),
    "more held out": (
        CLASSIFIER,
        Y,
        {"early_stopping": True, "validation_fraction": 0.3},
    ),
    "others held out": (CLASSIFIER, Y, {"early_stopping": True, "random_state": 1}),
    "robust": (CLASSIFIER, Y, {"input_scaling": "robust"}),
    "numbers": (REGRESSOR, Y, {}),
    "columns": (REGRESSOR, X[:, :2], {}),
    "counts": (REGRESSOR, Y, {"loss": "poisson"}),
    "unscaled": (REGRESSOR, Y, {"target_scaling": None}),
    "tol": (REGRESSOR, Y, {"tol": 1e-4, "n_iter": 12}),
    "absolute tol": (
        REGRESSOR,
        Y,
        {"tol": 1e-4, "n_iter": 12, "loss": "absolute_error"},
    ),
}


def fit(name, rows, dtype=float):
    """Fit a network to copies of its rows, as a search does for each candidate."""
    network, y, params = FITS[name]
    params = dict(params)
    weight = params.pop("sample_weight", None)
    network = type(network)(**network.get_params() | params)
    own = None if weight is None else weight[rows].copy()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        network.fit(X[rows].astype(dtype), y[rows].copy(), own)
    return network, [str(it.message) for it in caught]


def test_fits_that_share_work_are_the_fits_alone():
    runs = [
        (name, rows, dtype)
        for name in FITS
        for rows in (slice(0, 50), slice(10, 60))
        for dtype in (np.float64, np.float32)
    ]
    alone = [fit(*run) for run in runs]
    with sharing(SharedWork()):
        for _ in range(2):
            shared = [fit(*run) for run in runs]
    for run, (network, messages), (other, others) in zip(
        runs, alone, shared, strict=True
    ):
        assert others == messages, run
        attributes, own = vars(network), vars(other)
        assert own.keys() == attributes.keys()
        for attribute, value in attributes.items():
            np.testing.assert_equal(own[attribute], value, err_msg=f"{run} {attribute}")


def test_equal_rows_are_one_array():
    names = ["held out", "held out"]
    with sharing(SharedWork()):
        jobs = []
        for name in names:
            network, y, params = FITS[name]
            network = DeepNetClassifier(**network.get_params() | params)
            jobs.append(prepare(network, X.copy(), y.copy()).job)
    first, second = (job.dataset for job in jobs)
    for attribute in ("X", "target", "rows"):
        assert getattr(first, attribute) is getattr(second, attribute)


def test_rows_that_their_owner_changes_are_not_taken_for_others():
    own = X.copy()
    alone = DeepNetClassifier(**CLASSIFIER.get_params()).fit(X, Y)
    with sharing(SharedWork()):
        DeepNetClassifier(**CLASSIFIER.get_params()).fit(own, Y)
        own *= 2
        shared = DeepNetClassifier(**CLASSIFIER.get_params()).fit(X.copy(), Y)
        doubled = DeepNetClassifier(**CLASSIFIER.get_params()).fit(own, Y)
    np.testing.assert_array_equal(shared._params, alone._params)
    assert shared.input_scale_[0] * 2 == doubled.input_scale_[0]


def test_a_fault_of_the_data_is_raised_for_each_network():
    faulty = X.copy()
    faulty[3, 1] = np.nan
    with sharing(SharedWork()):
        for _ in range(2):
            with pytest.raises(ValueError, match="Input X contains NaN"):
                DeepNetClassifier().fit(faulty.copy(), Y)
            with pytest.raises(ValueError, match="Unknown label type: continuous"):
                DeepNetClassifier().fit(X.copy(), 0.5 * Y)


@pytest.mark.parametrize("n_remembered", [1, 3])
def test_no_more_is_remembered_than_allowed(n_remembered, monkeypatch):
    monkeypatch.setattr(sharing_module, "_N_REMEMBERED", 1)
    arrays = [X + k for k in range(5)]
    references = [weakref.ref(array) for array in arrays]
    work = SharedWork(n_remembered * X.nbytes)
    for array in arrays:
        assert work.share(array) is array
    del arrays, array
    alive = [reference() is not None for reference in references]
    assert alive == [False] * (5 - n_remembered) + [True] * n_remembered
    assert work.share(X + 4) is references[-1]()


@pytest.mark.parametrize(("asked", "forgotten"), [("abc", "a"), ("abac", "b")])
def test_the_result_used_longest_ago_is_forgotten(asked, forgotten, monkeypatch):
    monkeypatch.setattr(sharing_module, "_N_REMEMBERED", 2)
    work, computed = SharedWork(0), []

    def ask(name):
        work.once(name, lambda: computed.append(name) or X.copy())

    for name in asked:
        ask(name)
    assert computed == ["a", "b", "c"]
    (remembered,) = {"a", "b"} - {forgotten}
    ask(remembered)
    assert computed[3:] == []
    ask(forgotten)
    assert computed[3:] == [forgotten]


def test_arrays_of_other_types_have_other_keys():
    zeros = np.zeros((3, 4))
    arrays = zeros, zeros.astype(int), zeros.reshape(4, 3), np.asfortranarray(zeros)
    keys = {key_of_array(array) for array in arrays}
    assert len(keys) == 4
    assert key_of_array(zeros.copy()) in keys
    assert key_of_array(np.array(["2020-01-01"], "M8[D]")) is not None
    assert key_of_array(zeros.astype(object)) is None
