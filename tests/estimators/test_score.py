"""`score` is exactly scikit-learn's, whatever it is given."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import ClassifierMixin, RegressorMixin

from sklearn_deepnet import DeepNetClassifier, DeepNetRegressor

RNG = np.random.RandomState(0)
X = RNG.randn(60, 4)
LABELS = RNG.randint(3, size=60)
NUMBERS = RNG.randn(60)
NAN = np.where(np.arange(60) == 7, np.nan, NUMBERS)
DEFAULTS = {"hidden_layer_sizes": (5,), "n_iter": 1, "tol": None, "random_state": 0}


def outcome(score, *args):
    """Return the score or the error, and the warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            value = score(*args)
        except Exception as error:
            value = type(error), str(error)
    return value, [(it.category, str(it.message)) for it in caught]


def assert_same(base, network, *args):
    ours = outcome(network.score, *args)
    with np.errstate(all="ignore"):  # as ours is, whatever the state of the caller
        theirs = outcome(base.score, network, *args)
    assert type(ours[0]) is type(theirs[0])
    np.testing.assert_equal(ours, theirs)


@pytest.mark.parametrize(
    "y",
    [
        LABELS,
        LABELS > 0,
        LABELS.astype(np.uint8),
        LABELS.astype(float),
        LABELS + 0.5,
        LABELS.astype(str),
        LABELS.astype(str).astype(object),
        LABELS.tolist(),
        pd.Series(LABELS),
        LABELS[:, np.newaxis],
        np.eye(3)[LABELS],
        NAN,
        np.arange(60),
        LABELS[:50],
        LABELS[0],
        None,
    ],
)
@pytest.mark.parametrize("fitted_to", ["int", "str", "bool", "indicator"])
def test_accuracy_is_that_of_scikit_learn(y, fitted_to):
    given = {
        "int": LABELS,
        "str": LABELS.astype(str),
        "bool": LABELS > 0,
        "indicator": RNG.randint(2, size=(60, 3)),
    }[fitted_to]
    network = DeepNetClassifier(**DEFAULTS).fit(X, given)
    assert_same(ClassifierMixin, network, X, y)
    assert_same(ClassifierMixin, network, X, y, np.arange(60.0))
    assert_same(ClassifierMixin, network, X[:3], LABELS[:3])


@pytest.mark.parametrize(
    "y",
    [
        NUMBERS,
        NUMBERS * 1e200,
        NUMBERS * 1e-200,
        NUMBERS.astype(np.float32),
        np.repeat(NUMBERS, 2)[::2],
        NUMBERS.tolist(),
        pd.Series(NUMBERS),
        NUMBERS[:, np.newaxis],
        np.ones((60, 2)),
        np.ones(60),
        LABELS,
        NAN,
        NAN * np.inf,
        NUMBERS[:50],
        None,
    ],
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_r_squared_is_that_of_scikit_learn(y, dtype):
    network = DeepNetRegressor(**DEFAULTS, dtype=dtype).fit(X, NUMBERS)
    assert_same(RegressorMixin, network, X, y)
    assert_same(RegressorMixin, network, X, y, np.arange(60.0))
    assert_same(RegressorMixin, network, X, network.predict(X))
    assert_same(RegressorMixin, network, X[:1], NUMBERS[:1])
