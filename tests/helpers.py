"""Data sets, networks and comparisons that the tests of several folders share."""

import re
from functools import cache

import numpy as np
import pytest
from sklearn import datasets
from sklearn.preprocessing import scale

from sklearn_deepnet import DeepNetClassifier


def _read_only(*arrays):
    for array in arrays:
        array.flags.writeable = False
    return arrays


# Loaded once, and read-only, so that no test can change the data of another.


@cache
def cancer():
    """Return 569 samples of two classes, with standardized columns."""
    X, y = datasets.load_breast_cancer(return_X_y=True)
    return _read_only(scale(X), y)


@cache
def wine():
    """Return 178 samples of three classes, with standardized columns."""
    X, y = datasets.load_wine(return_X_y=True)
    return _read_only(scale(X), y)


@cache
def wine_labels():
    """Return samples, and which of three more measurements are above their mean."""
    X, _ = wine()
    return _read_only(X[:, 3:], (X[:, :3] > 0).astype(int))


@cache
def iris():
    """Return 150 samples of three classes, as they were measured."""
    return _read_only(*datasets.load_iris(return_X_y=True))


@cache
def diabetes():
    """Return 442 samples with a number as target, and with standardized columns."""
    X, y = datasets.load_diabetes(return_X_y=True)
    return _read_only(scale(X), y)


@cache
def digits(n_samples=1797):
    """Return images of 8 by 8 pixels between 0 and 1, of ten classes."""
    X, y = datasets.load_digits(return_X_y=True)
    return _read_only(X[:n_samples] / 16, y[:n_samples])


def in_two(X, y, n_train):
    """Return `n_train` samples, and the others as arguments for validation."""
    order = np.random.RandomState(3).permutation(len(y))
    train, held_out = order[:n_train], order[n_train:]
    return X[train], y[train], {"X_val": X[held_out], "y_val": y[held_out]}


def network_factory(*positional, **usual):
    """Return a function that makes networks, with `usual` parameters by default.

    It takes the parameters named in `positional` by position, too. Its networks train
    for all their epochs, and the same way each time.
    """
    usual = {"estimator": DeepNetClassifier, "tol": None, "random_state": 0} | usual

    def make(*values, **parameters):
        by_position = dict(zip(positional, values, strict=False))
        parameters = usual | by_position | parameters
        return parameters.pop("estimator")(**parameters)

    return make


def weights(net):
    """Return the arrays of weights, of biases and of numeric features, if there are."""
    return [*net.coefs_, *net.intercepts_, *(net.numeric_features_ or ())]


def assert_same_weights(net, other, rtol=0.0):
    for array, expected in zip(weights(net), weights(other), strict=True):
        np.testing.assert_allclose(array, expected, rtol=rtol, atol=rtol / 100)
        assert array.dtype == expected.dtype


def assert_same_training(net, other, rtol=0.0):
    """Compare the learning curves and the weights of two networks."""
    assert net.n_iter_ == other.n_iter_ == len(net.loss_curve_)
    for name in ("loss_curve_", "validation_loss_curve_", "validation_scores_"):
        curve, expected = getattr(net, name), getattr(other, name)
        assert (curve is None) == (expected is None)
        if curve is not None:
            np.testing.assert_allclose(curve, expected, rtol=rtol, atol=rtol / 100)
    if rtol == 0:
        assert net.best_iter_ == other.best_iter_
    assert_same_weights(net, other, rtol)


def epochs_until_patience_ends(losses, tol, n_iter_no_change, best=np.inf):
    """Return after how many epochs patience ends, or None, as the documentation says.

    `best` is the lowest loss of epochs before these.
    """
    n_stale = 0
    for n_epochs, loss in enumerate(losses, start=1):
        if loss < best - tol:
            best, n_stale = loss, 0
        else:
            n_stale += 1
        if n_stale == n_iter_no_change:
            return n_epochs
    return None


def exactly(message):
    """Return a pattern that matches this message alone."""
    return f"^{re.escape(message)}$"


def raises(message, error=ValueError):
    """Expect an error with this message alone."""
    return pytest.raises(error, match=exactly(message))
