"""scikit-learn's own tests of searches, validation and ensembles, under `stacked`.

They hold no networks, so their calls run on the backend around it. The second time,
every call counts as if it held one, and runs as a task in turns with the others.
"""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.longest

FILES = [
    "sklearn.model_selection.tests.test_search",
    "sklearn.model_selection.tests.test_validation",
    "sklearn.model_selection.tests.test_successive_halving",
    "sklearn.ensemble.tests.test_voting",
    "sklearn.ensemble.tests.test_stacking",
    "sklearn.tests.test_multiclass",
    "sklearn.tests.test_multioutput",
]

TAKES_LONG = "takes more than three seconds"
# They record the name of the function that calls `fit` or a scorer, some frames up the
# stack. A task begins in a thread of its own, so the tool is not on its stack.
LOOKS_AT_CALLERS = "looks for the name of the tool on the stack"
REORDERED = "compares the order of fits; those to the same rows come first"

IN_THREADS = "expects processes, where workers are threads here"

SLOW = dict.fromkeys(
    [
        "test_search_cv_sample_weight_equivalence",
        "test_aggressive_elimination",
        "test_cross_val_predict_with_method",
        "test_cross_val_predict",
        "test_cross_val_predict_input_types",
        "test_cv_results_dtype_issue_29074",
        "test_permutation_score",
        "test_cross_validate_many_jobs",
        "test_stacking_cv_influence",
        "test_stacking_classifier_iris",
        "test_stacking_classifier_multilabel_auto_predict",
        "test_stacking_classifier_multilabel_predict_proba",
        "test_parallel_fit",
    ],
    TAKES_LONG,
)
PLAIN = {"test_multi_output_classification_partial_fit_parallelism": IN_THREADS}
AS_TASKS = {
    "test_multi_metric_search_forwards_metadata": LOOKS_AT_CALLERS,
    "test_validation_functions_routing": LOOKS_AT_CALLERS,
    "test_learning_curve_exploit_incremental_learning_routing": LOOKS_AT_CALLERS,
    "test_metadata_routing_for_voting_estimators": LOOKS_AT_CALLERS,
    "test_metadata_routing_for_stacking_estimators": LOOKS_AT_CALLERS,
    "test_base_estimator_inputs": REORDERED,
}


@pytest.mark.parametrize(
    ("all_calls_are_tasks", "explained"),
    [("no", SLOW | PLAIN), ("yes", SLOW | PLAIN | AS_TASKS)],
    ids=["plain calls", "tasks"],
)
def test_tests_of_scikit_learn_pass(all_calls_are_tasks, explained, tmp_path):
    files = [it for it in FILES if importlib.util.find_spec(it) is not None]
    if not files:
        pytest.skip("scikit-learn was installed without its tests")
    plugins = ["-p", "no:cacheprovider", "-p", "tests.integration.stacking_plugin"]
    found = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugins, "--pyargs", *files],
        cwd=tmp_path,
        env=os.environ
        | {
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "ALL_CALLS_ARE_TASKS": all_calls_are_tasks,
            "EXPLAINED": json.dumps([*explained]),
        },
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert found.returncode == 0, found.stdout[-5000:]
    passed = re.search(r"(\d+) passed", found.stdout)
    assert int(passed[1]) > 300
