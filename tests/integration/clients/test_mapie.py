"""MAPIE corrects the intervals of quantile networks to the level that is asked for."""

import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from mapie.regression import ConformalizedQuantileRegressor
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.datasets import make_friedman1

from sklearn_deepnet import DeepNetEnsembleRegressor, DeepNetRegressor

GUIDE = Path(__file__).parents[3] / "docs" / "guide" / "targets.md"
LEVEL, ORDER = 0.8, (0.1, 0.9, 0.5)  # MAPIE takes the median last
NET = DeepNetRegressor(
    (32, 16),
    loss="quantile",
    learning_rate=0.01,
    schedule="cosine",
    n_iter=40,
    tol=None,
    random_state=0,
)


class OneQuantile(RegressorMixin, BaseEstimator):
    """One of the quantiles that a fitted network predicts."""

    fitted_ = True

    def __init__(self, network, q):
        self.network = network
        self.q = q

    def fit(self, X, y):
        return self

    def predict(self, X):
        return self.network.predict(X)[:, [*self.network.quantiles_].index(self.q)]


@cache
def data():
    """Return rows to train on, to correct with and to test on; the noise varies."""
    rng = np.random.RandomState(0)
    X, y = make_friedman1(5000, n_features=5, random_state=rng)
    y = y + (0.5 + 3 * X[:, 3]) * rng.randn(len(y))
    parts = slice(600), slice(600, 2600), slice(2600, None)
    return [(X[rows], y[rows]) for rows in parts]


@cache
def three_networks():
    train, _, _ = data()
    return [clone(NET).set_params(quantile=q).fit(*train) for q in ORDER]


@cache
def one_network():
    train, _, _ = data()
    network = clone(NET).set_params(quantile=sorted(ORDER)).fit(*train)
    return [OneQuantile(network, q) for q in ORDER]


@cache
def one_ensemble():
    train, _, _ = data()
    member = clone(NET).set_params(quantile=sorted(ORDER), n_iter=20)
    ensemble = DeepNetEnsembleRegressor(member, n_estimators=3, random_state=0)
    ensemble.fit(*train)
    return [OneQuantile(ensemble, q) for q in ORDER]


def intervals(models):
    """Return what MAPIE predicts, and the targets of the same rows."""
    _, rest, (X, y) = data()
    mapie = ConformalizedQuantileRegressor(models, confidence_level=LEVEL, prefit=True)
    points, bounds = mapie.conformalize(*rest).predict_interval(X)
    return points, bounds[:, 0, 0], bounds[:, 1, 0], y


@pytest.mark.parametrize("make", [three_networks, one_network, one_ensemble])
def test_corrected_intervals_have_the_level(make):
    _, _, (X, y) = data()
    models = make()
    points, low, high, _ = intervals(models)
    raw_low, raw_high, median = (model.predict(X) for model in models)
    raw, corrected = (
        np.mean((lower <= y) & (y <= upper))
        for lower, upper in ((raw_low, raw_high), (low, high))
    )
    assert corrected == pytest.approx(LEVEL, abs=0.02)
    assert abs(corrected - LEVEL) < abs(raw - LEVEL)
    np.testing.assert_array_equal(points, median)


@pytest.mark.parametrize("make", [three_networks, one_network])
def test_the_correction_is_a_quantile_of_the_errors(make):
    _, (X, y), (X_test, _) = data()
    lower, upper, _ = make()
    _, low, high, _ = intervals(make())
    n = len(y)
    rank = int(np.ceil((n + 1) * (1 + LEVEL) / 2)) - 1
    below, above = np.sort(lower.predict(X) - y), np.sort(y - upper.predict(X))
    np.testing.assert_allclose(low, lower.predict(X_test) - below[rank])
    np.testing.assert_allclose(high, upper.predict(X_test) + above[rank])


def test_the_quantiles_of_one_network_do_not_cross():
    X = np.random.RandomState(1).uniform(-3, 4, (2000, 5))  # far from the training set
    lower, upper, median = (model.predict(X) for model in one_network())
    assert ((lower <= median) & (median <= upper)).all()
    lower, upper, median = (model.predict(X) for model in three_networks())
    assert not ((lower <= median) & (median <= upper)).all()


def test_the_code_of_the_guide_prints_what_it_shows(capsys):
    blocks = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text("utf-8"), re.M | re.S)
    (code,) = [block for block in blocks if "from mapie" in block]
    exec(compile(code, str(GUIDE), "exec"), {"__name__": "docs"})
    shown = re.findall(r"^print\(.*\)  # (.*)$", code, re.M)
    assert capsys.readouterr().out.splitlines() == shown != []
