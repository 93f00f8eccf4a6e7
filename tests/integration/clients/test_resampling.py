"""imbalanced-learn draws the rows that a network is trained with."""

import numpy as np
import pytest
from imblearn.ensemble import BalancedBaggingClassifier
from imblearn.over_sampling import SMOTE
from imblearn.pipeline import make_pipeline
from imblearn.under_sampling import RandomUnderSampler
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler

from sklearn_deepnet import DeepNetClassifier, stacked
from tests.helpers import assert_same_weights, cancer

NET = DeepNetClassifier((8,), n_iter=10, tol=None, random_state=0)


def rare():
    X, y = cancer()
    rows = np.r_[np.flatnonzero(y == 1), np.flatnonzero(y == 0)[:40]]
    return X[rows], y[rows]


@pytest.mark.parametrize("sampler", [SMOTE, RandomUnderSampler])
def test_a_pipeline_trains_with_the_resampled_rows(sampler):
    X, y = rare()
    model = make_pipeline(StandardScaler(), sampler(random_state=0), clone(NET))
    model.fit(X, y)
    scaled = StandardScaler().fit_transform(X)
    resampled = sampler(random_state=0).fit_resample(scaled, y)
    assert_same_weights(model[-1], clone(NET).fit(*resampled))


def test_a_stacked_search_over_a_pipeline_has_the_scores_of_a_plain_one(stacks):
    X, y = rare()
    model = make_pipeline(SMOTE(random_state=0), clone(NET))
    grid = {"deepnetclassifier__learning_rate": [0.001, 0.1]}
    search = GridSearchCV(model, grid, cv=3, scoring="balanced_accuracy")
    expected = clone(search).fit(X, y)
    with stacked():
        search.fit(X, y)
    assert sum(stacks) == 6
    for split in range(3):
        name = f"split{split}_test_score"
        np.testing.assert_array_equal(
            search.cv_results_[name], expected.cv_results_[name]
        )
    assert_same_weights(search.best_estimator_[-1], expected.best_estimator_[-1])


def test_balanced_bagging_averages_its_networks():
    X, y = rare()
    bagging = BalancedBaggingClassifier(clone(NET), n_estimators=3, random_state=0)
    bagging.fit(X, y)
    members = [member.predict_proba(X) for member in bagging.estimators_]
    np.testing.assert_allclose(bagging.predict_proba(X), np.mean(members, axis=0))
    for member in bagging.estimators_:
        assert member[-1].n_iter_ == 10
