"""fairlearn lowers the difference between groups."""

import numpy as np
from fairlearn.metrics import demographic_parity_difference
from fairlearn.postprocessing import ThresholdOptimizer
from fairlearn.reductions import DemographicParity, ExponentiatedGradient
from sklearn.base import clone

from sklearn_deepnet import DeepNetClassifier
from tests.helpers import assert_same_weights

NET = DeepNetClassifier((6,), n_iter=30, learning_rate=0.01, tol=None, random_state=0)


def groups():
    """Return X, y and a group that y depends on."""
    rng = np.random.RandomState(0)
    group = rng.randint(2, size=400)
    X = rng.normal(size=(400, 3)) + group[:, np.newaxis]
    y = (X.sum(axis=1) + rng.normal(size=400) > 1.5).astype(int)
    return X, y, group


def test_thresholds_for_groups_lower_their_difference():
    X, y, group = groups()
    net = clone(NET).fit(X, y)
    model = ThresholdOptimizer(
        estimator=net, prefit=True, predict_method="predict_proba"
    )
    model.fit(X, y, sensitive_features=group)
    labels = model.predict(X, sensitive_features=group, random_state=0)
    difference = demographic_parity_difference(y, labels, sensitive_features=group)
    plain = demographic_parity_difference(y, net.predict(X), sensitive_features=group)
    assert difference < 0.1 < 0.4 < plain


def test_a_reduction_trains_networks_with_weights():
    X, y, group = groups()
    model = ExponentiatedGradient(clone(NET), DemographicParity(), max_iter=5)
    model.fit(X, y, sensitive_features=group)
    labels = model.predict(X, random_state=0)
    plain = clone(NET).fit(X, y)
    difference, before = (
        demographic_parity_difference(y, it, sensitive_features=group)
        for it in (labels, plain.predict(X))
    )
    assert difference < before / 2
    # The first network has equal weights, which are those of no weights to rounding.
    assert_same_weights(model.predictors_[0], plain, rtol=1e-10)
