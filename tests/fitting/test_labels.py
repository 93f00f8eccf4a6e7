"""Labels may be strings, numbers with gaps, booleans: they come back as they were."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import scale

from tests.helpers import network_factory

short_net = network_factory(hidden_layer_sizes=(16,), learning_rate=0.01)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return train_test_split(X / 16, y, random_state=0)


@pytest.fixture(scope="module")
def cancer():
    X, y = load_breast_cancer(return_X_y=True)
    return train_test_split(scale(X), y, random_state=0)


@pytest.mark.parametrize(
    "names",
    [
        np.array(["malignant", "benign"]),
        np.array(["malignant", "benign"], dtype=object),
        np.array([7, 100]),
        np.array([-3, -40]),
        np.array([-1, 1]),
        np.array([False, True]),
        np.array([0.0, 2.0]),
    ],
    ids=repr,
)
def test_labels_of_any_kind_are_learned(names, cancer):
    X, X_test, y, y_test = cancer
    net = short_net(n_iter=40).fit(X, names[y])
    np.testing.assert_array_equal(net.classes_, np.unique(names))
    predicted = net.predict(X_test)
    assert predicted.dtype == names.dtype
    assert np.mean(predicted == names[y_test]) > 0.95


def test_ten_labels_with_gaps_are_learned(digits):
    X, X_test, y, y_test = digits
    net = short_net(n_iter=30).fit(X, 10 * y - 35)
    assert net.classes_.tolist() == [*range(-35, 65, 10)]
    assert net.score(X_test, 10 * y_test - 35) > 0.9


def test_series_of_categories_are_learned(cancer):
    X, _, y, _ = cancer
    y = pd.Series(np.where(y == 1, "benign", "malignant"), dtype="category")
    net = short_net(n_iter=40).fit(X, y)
    assert net.classes_.tolist() == ["benign", "malignant"]
    assert net.score(X, y) > 0.95


@pytest.mark.parametrize("kind", ["int8", "uint8", "int64", "float32", "<U1"])
def test_partial_fit_knows_its_labels_by_value(kind, cancer):
    X, _, y, _ = cancer
    net = short_net().partial_fit(X, y.astype(kind), classes=np.unique(y.astype(kind)))
    expected = short_net().partial_fit(X, y, classes=[0, 1])
    assert net.classes_.dtype == kind
    np.testing.assert_array_equal(net.coefs_[0], expected.coefs_[0])
    np.testing.assert_array_equal(net.predict(X), expected.predict(X).astype(kind))
