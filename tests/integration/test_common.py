"""scikit-learn's own checks, those that it runs for third parties and those not."""

from functools import partial

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_param_validation,
    estimator_checks_generator,
)
from sklearn.utils.fixes import parse_version

from sklearn_deepnet import DeepNetClassifier, DeepNetRegressor
from sklearn_deepnet.nn.optimizers import Adam
from sklearn_deepnet.nn.schedules import Step
from tests.helpers import cancer

pytestmark = pytest.mark.slow

ESTIMATORS = [
    DeepNetClassifier(),
    DeepNetClassifier(batch_size=None),
    DeepNetClassifier(solver="sgd", learning_rate=0.1),
    DeepNetClassifier(dtype="float32"),
    DeepNetClassifier(solver=Adam(), schedule=Step(every=100)),
    DeepNetClassifier(numeric_features="periodic"),
    DeepNetRegressor(numeric_features="periodic"),
    DeepNetRegressor(),
]

# Before 1.7 this check does not look at the tags
SPARSE_IN_ANY_CASE = parse_version(sklearn.__version__) < parse_version("1.7")
TOO_EXACT = "it asks for equality to 1e-7, which is beyond float32; ours is below"


def expected_failed_checks(estimator):
    if estimator.dtype == "float32":
        return {
            f"check_sample_weight_equivalence_on_{kind}_data": TOO_EXACT
            for kind in ("dense", "sparse")
        }
    if estimator.numeric_features is not None and SPARSE_IN_ANY_CASE:
        check = "check_sample_weight_equivalence_on_sparse_data"
        return {check: "sparse X is refused, and the tags say so"}
    return {}


# As parametrize_with_checks, which before scikit-learn 1.8 is too old for pytest 9.
CHECKS = [
    check
    for estimator in ESTIMATORS
    for check in estimator_checks_generator(
        estimator,
        expected_failed_checks=expected_failed_checks(estimator),
        mark="xfail",
    )
]


def name(value):
    if not isinstance(value, partial):
        return repr(value)
    options = ", ".join(f"{key}={option}" for key, option in value.keywords.items())
    return f"{value.func.__name__}({options})"


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(("estimator", "check"), CHECKS, ids=name)
def test_scikit_learn_accepts(estimator, check, legacy_seed):
    legacy_seed(0)  # check_methods_sample_order_invariance draws from it
    check(estimator)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("estimator", [DeepNetClassifier, DeepNetRegressor])
@pytest.mark.parametrize(
    "check", [check_param_validation, check_dataframe_column_names_consistency]
)
def test_scikit_learn_accepts_by_checks_that_it_does_not_generate(check, estimator):
    check(estimator.__name__, estimator())


@pytest.mark.parametrize("batch_size", [None, "auto"])
def test_weights_are_repetitions_in_float32(batch_size):
    X, y = (part[:190] for part in cancer())
    weight = np.random.RandomState(0).randint(0, 2, len(y))  # so that batches agree
    if batch_size is None:
        weight *= 2
        weight[::3] += 1
    net = DeepNetClassifier(
        batch_size=batch_size, dtype="float32", n_iter=100, tol=None, random_state=0
    )
    weighted = clone(net).fit(X, y, sample_weight=weight)
    repeated = clone(net).fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    p = weighted.predict_proba(X)
    assert p.dtype == np.float32
    np.testing.assert_allclose(p, repeated.predict_proba(X), atol=1e-4)
    assert weighted.loss_ == pytest.approx(repeated.loss_, rel=1e-4)
