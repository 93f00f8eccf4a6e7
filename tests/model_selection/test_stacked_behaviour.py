"""What `stacked` promises holds for code that does not know of it."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from sklearn_deepnet import fit_stack, stacked
from tests.helpers import iris
from tests.model_selection.helpers import assert_same_results, net_for

X, y = iris()
LOSS = {"cv": 3, "scoring": "neg_log_loss", "error_score": "raise"}




# ---- steps that are shared


def score_without_columns(_estimator, X, y):
    """Return a score of searches on arrays that live one after the other."""
    model = make_pipeline(StandardScaler(), net_for(y))
    scores = []
    for column in range(X.shape[1]):
        rest = np.delete(X, column, axis=1)
        scores.append(cross_val_score(model, rest, y, **LOSS).mean())
        del rest
    return np.dot(scores, range(1, len(scores) + 1))


def score_of_fits(_estimator, X, y):
    """Return a score of fits to arrays that live one after the other."""
    scores = []
    for column in range(X.shape[1]):
        models = [make_pipeline(StandardScaler(), net_for(y)) for _ in range(2)]
        rest = np.delete(X, column, axis=1)
        fit_stack(models, rest, y)
        scores.append(models[1].predict_proba(rest)[:, 0].mean())
        del rest
    return np.dot(scores, range(1, len(scores) + 1))


@pytest.mark.parametrize("score", [score_without_columns, score_of_fits])
def test_searches_of_a_scorer_share_nothing_with_those_before(score):
    options = LOSS | {"scoring": score}
    alone = cross_val_score(net_for(y), X * 100, y, **options)
    with stacked():
        found = cross_val_score(net_for(y), X * 100, y, **options)
    np.testing.assert_array_equal(found, alone)
