"""How a stacked search is compared with scikit-learn's own."""

import warnings
from collections import Counter

import numpy as np
from sklearn.model_selection import GridSearchCV

from sklearn_deepnet import StackedGridSearchCV, stacked
from sklearn_deepnet.estimators.base import BaseDeepNet
from tests.helpers import network_factory

GRID = GridSearchCV, StackedGridSearchCV
_MISSING = object()


net_for = network_factory(
    hidden_layer_sizes=(5, 4), learning_rate=0.02, batch_size=40, n_iter=4
)


def within(max_bytes):
    """Return our search, under a limit of memory."""

    def search(*args, **options):
        found = StackedGridSearchCV(*args, **options)
        found.fit = stacked(max_bytes=max_bytes)(found.fit)
        return found

    return search


def whole_message(warning):
    return warning.category, str(warning.message)


def answers(
    model, grid, X, y, fit=(), classes=GRID, gist=whole_message, cv=3, **options
):
    """Return scikit-learn's search and ours, each with the gist of its warnings."""
    found = []
    for search in classes:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            fitted = search(model, grid, cv=cv, **options).fit(X, y, **dict(fit))
        found.append((fitted, Counter(map(gist, caught))))
    return found


def columns(search):
    """Return all columns of the results but times, in their order."""
    return [
        (name, column)
        for name, column in search.cv_results_.items()
        if not name.endswith("_time")
    ]


def assert_same_answer(found, X=None):
    """Compare all but times; if X is given, predictions and networks, too."""
    (theirs, their_warnings), (ours, our_warnings) = found
    assert our_warnings == their_warnings
    assert_same_results(ours, theirs)
    if X is not None:
        assert_same_estimator(ours.best_estimator_, theirs.best_estimator_, X)


def assert_same_results(ours, theirs):
    assert [*ours.cv_results_] == [*theirs.cv_results_]
    for (name, one), (_, two) in zip(columns(ours), columns(theirs), strict=True):
        np.testing.assert_equal(one, two, err_msg=name)
        assert type(one) is type(two)
    names = "best_index_", "best_params_", "best_score_", "n_splits_", "multimetric_"
    for name in names:
        one, two = (getattr(search, name, _MISSING) for search in (ours, theirs))
        np.testing.assert_equal(one, two)


def assert_same_estimator(ours, theirs, X):
    for method in ("predict", "predict_proba"):
        if hasattr(theirs, method):
            one, two = (getattr(estimator, method)(X) for estimator in (ours, theirs))
            np.testing.assert_array_equal(one, two)
    one, two = (getattr(it, "steps", [("", it)])[-1][1] for it in (ours, theirs))
    if isinstance(two, BaseDeepNet):
        np.testing.assert_equal(
            one.coefs_ + one.intercepts_, two.coefs_ + two.intercepts_
        )
        assert one.loss_curve_ == two.loss_curve_
