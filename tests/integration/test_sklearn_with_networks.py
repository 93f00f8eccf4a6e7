"""scikit-learn's own tests, with networks and searches of this library in their place.

`sklearn_substitutes` has the classes, and `sklearn_tests.toml` the tests that are
expected to fail, with reasons. The next version of scikit-learn thus shows what it
changes.
"""

import pytest
import sklearn
from sklearn.utils.fixes import parse_version

from tests.integration.sklearn_tests import run_tests

pytestmark = [
    pytest.mark.longest,
    pytest.mark.skipif(
        parse_version(sklearn.__version__) < parse_version("1.9"),
        reason="the table is for scikit-learn 1.9 and newer",
    ),
]

SEARCHES = [
    "model_selection.tests.test_search",
    "model_selection.tests.test_successive_halving",
    "tests.test_metaestimators_metadata_routing",
]
NETWORKS = [
    "callback.tests.test_callback_context",
    "callback.tests.test_callback_support",
    "callback.tests.test_pickle",
    "callback.tests.test_progressbar",
    "callback.tests.test_scoring_monitor",
    "compose.tests.test_target",
    "ensemble.tests.test_bagging",
    "ensemble.tests.test_stacking",
    "ensemble.tests.test_voting",
    "feature_selection.tests.test_from_model",
    "feature_selection.tests.test_rfe",
    "feature_selection.tests.test_sequential",
    "frozen.tests.test_frozen",
    "inspection.tests.test_partial_dependence",
    "inspection.tests.test_permutation_importance",
    "metrics._plot.tests.test_precision_recall_display",
    "metrics._plot.tests.test_predict_error_display",
    "metrics.tests.test_score_objects",
    "model_selection.tests.test_classification_threshold",
    "model_selection.tests.test_search",
    "model_selection.tests.test_successive_halving",
    "model_selection.tests.test_validation",
    "neural_network.tests.test_mlp",
    "semi_supervised.tests.test_self_training",
    "tests.test_base",
    "tests.test_calibration",
    "tests.test_metadata_routing",
    "tests.test_metaestimators",
    "tests.test_multiclass",
    "tests.test_multioutput",
    "tests.test_pipeline",
    "utils.tests.test_response",
]


def test_tests_with_searches_of_this_library_pass(tmp_path):
    assert run_tests("searches", SEARCHES, tmp_path, "-n", "2")["passed"] > 200


def test_tests_with_networks_end_as_expected(tmp_path):
    counts = run_tests("networks", NETWORKS, tmp_path, "-n", "2")
    assert counts["passed"] > 1000
    assert counts["xfailed"] > 50
