"""econml estimates the effect of a treatment with networks as nuisance models."""

import numpy as np
from econml.dml import LinearDML
from econml.metalearners import TLearner
from sklearn.base import clone

from sklearn_deepnet import DeepNetClassifier, DeepNetRegressor

REGRESSOR = DeepNetRegressor(
    (16,), n_iter=60, learning_rate=0.01, tol=None, random_state=0
)
CLASSIFIER = DeepNetClassifier(
    (16,), n_iter=60, learning_rate=0.01, tol=None, random_state=0
)


def treated(n_samples=2000):
    """Return X, a treatment that depends on X, and y with an effect of 2."""
    rng = np.random.RandomState(0)
    X = rng.normal(size=(n_samples, 3))
    treatment = rng.binomial(1, 1 / (1 + np.exp(-np.sin(2 * X[:, 0]) - X[:, 1])))
    y = 2.0 * treatment + 3 * np.tanh(X[:, 1]) + np.sin(2 * X[:, 0])
    return X, treatment, y + 0.1 * rng.normal(size=n_samples)


def test_double_machine_learning_finds_the_effect():
    X, treatment, y = treated()
    naive = y[treatment == 1].mean() - y[treatment == 0].mean()
    model = LinearDML(
        model_y=clone(REGRESSOR),
        model_t=clone(CLASSIFIER),
        discrete_treatment=True,
        random_state=0,
    )
    model.fit(y, treatment, W=X, X=None)
    assert abs(naive - 2) > 0.5
    assert abs(model.effect()[0] - 2) < 0.1


def test_a_t_learner_is_the_difference_of_two_networks():
    X, treatment, y = treated(500)
    model = TLearner(models=clone(REGRESSOR)).fit(y, treatment, X=X)
    with_it, without = (
        clone(REGRESSOR).fit(X[treatment == t], y[treatment == t]) for t in (1, 0)
    )
    expected = with_it.predict(X) - without.predict(X)
    np.testing.assert_allclose(model.effect(X), expected, rtol=1e-12)
