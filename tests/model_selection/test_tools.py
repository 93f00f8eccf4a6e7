"""scikit-learn's own tools, which train stacks under `stacked` and return the same."""

from collections import Counter, UserList
from functools import partial
from types import FunctionType

import joblib
import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from sklearn import config_context
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    RandomForestClassifier,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_selection import RFECV, SequentialFeatureSelector
from sklearn.linear_model import Ridge
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    GroupKFold,
    HalvingGridSearchCV,
    HalvingRandomSearchCV,
    RandomizedSearchCV,
    ShuffleSplit,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    permutation_test_score,
    validation_curve,
)
from sklearn.multiclass import (
    OneVsOneClassifier,
    OneVsRestClassifier,
    OutputCodeClassifier,
)
from sklearn.multioutput import (
    ClassifierChain,
    MultiOutputClassifier,
    MultiOutputRegressor,
    RegressorChain,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree._tree import Tree

from sklearn_deepnet import (
    DeepNetEnsembleClassifier,
    DeepNetRegressor,
    stacked,
)
from tests.helpers import cancer, diabetes, iris, network_factory, wine, wine_labels

net = network_factory(hidden_layer_sizes=(4,), learning_rate=0.02, n_iter=3)
reg = partial(net, estimator=DeepNetRegressor)
ALONE = "no similar network was waiting to be trained, or max_bytes was too small"


def table():
    """Return applicants for credit, some columns of which are strings."""
    rng = np.random.RandomState(0)
    n = 120
    frame = pd.DataFrame(
        {
            "purpose": rng.choice(["car", "house", "school"], n),
            "amount": rng.lognormal(8, 1, n).round(),
            "housing": rng.choice(["own", "rent"], n),
            "age": rng.randint(18, 70, n),
        }
    )
    rank = np.log(frame["amount"]) - frame["age"] / 20 - (frame["housing"] == "own")
    return frame, np.where(rank + rng.randn(n) > 5, "bad", "good")


def scaled(last, **scaler):
    return make_pipeline(StandardScaler(**scaler), last)


def of_columns(last):
    columns = ColumnTransformer(
        [
            ("names", OneHotEncoder(sparse_output=False), ["purpose", "housing"]),
            ("numbers", StandardScaler(), ["amount", "age"]),
        ]
    )
    return make_pipeline(columns, last)


IRIS, WINE, CANCER, DIABETES = iris(), wine(), cancer(), diabetes()
SPLITS = ShuffleSplit(4, random_state=0)
IRIS_CUTS = (
    IRIS[0],
    np.c_[IRIS[0][:, 0] > 6, IRIS[0][:, 2] > 3, IRIS[1] > 1].astype(int),
)
LABELS = wine_labels()
NUMBERS = DIABETES[0][:, 2:], DIABETES[0][:, :2]
TABLE = table()
WEIGHT = np.random.RandomState(1).choice([0.5, 1.0, 2.5], 150)
GROUPS = np.random.RandomState(1).randint(0, 6, 150)
ALPHAS = {"alpha": [1e-4, 0.3]}
IN_PIPE = {
    "deepnetclassifier__alpha": [1e-4, 0.3],
    "standardscaler__with_mean": [True, False],
}
STOPS = {"early_stopping": True, "n_iter": 60, "tol": 0.03, "n_iter_no_change": 2}


def fit(estimator, data, **params):
    """Return the fitted estimator, and what it makes of the data."""
    estimator.fit(*data, **params)
    methods = "predict", "predict_proba", "transform"
    return estimator, [
        getattr(estimator, it)(data[0]) for it in methods if hasattr(estimator, it)
    ]


def first_weights(fitted):
    return np.abs(getattr(fitted, "coefs_", None)[0]).sum(axis=1)


def with_routing(call, **params):
    """Call with weights that scikit-learn routes to the networks."""
    with config_context(enable_metadata_routing=True):
        model = net().set_fit_request(sample_weight=True)
        return call(model.set_score_request(sample_weight=False), **params)


# What is called, the sizes of the stacks, and how many networks were trained alone.
SEARCHES = {
    "grid": (lambda: fit(GridSearchCV(net(), ALPHAS, cv=3), IRIS), [6]),
    "grid of sizes, where a stack is of one size": (
        lambda: fit(
            GridSearchCV(net(), {"hidden_layer_sizes": [3, (4, 2)]}, cv=3), IRIS
        ),
        [3, 3],
    ),
    "grid with folds of two lengths": (
        lambda: fit(GridSearchCV(net(), ALPHAS, cv=4), WINE),
        [4, 4],
    ),
    "grid of a pipeline with two metrics": (
        lambda: fit(
            GridSearchCV(
                scaled(net()),
                IN_PIPE,
                cv=3,
                scoring=("accuracy", "neg_log_loss"),
                refit="neg_log_loss",
                return_train_score=True,
            ),
            IRIS,
        ),
        [12],
    ),
    "grid of a table": (
        lambda: fit(
            GridSearchCV(
                of_columns(net()), {"deepnetclassifier__alpha": [1e-4, 0.3]}, cv=3
            ),
            TABLE,
        ),
        [6],
    ),
    "grid with weights": (
        lambda: fit(GridSearchCV(net(), ALPHAS, cv=3), IRIS, sample_weight=WEIGHT),
        [6],
    ),
    "grid with routed weights": (
        lambda: with_routing(
            lambda it, **params: fit(GridSearchCV(it, ALPHAS, cv=3), IRIS, **params),
            sample_weight=WEIGHT,
        ),
        [6],
    ),
    "grid with early stopping": (
        lambda: fit(GridSearchCV(net(**STOPS), ALPHAS, cv=3), IRIS),
        [6],
    ),
    "grid that monitors a score": (
        lambda: fit(
            GridSearchCV(
                net(scoring="neg_log_loss", early_stopping=True), ALPHAS, cv=3
            ),
            IRIS,
        ),
        [6],
    ),
    "grid of regressors": (
        lambda: fit(
            GridSearchCV(
                scaled(reg(dtype="float32")),
                {"deepnetregressor__dropout": [0.0, 0.5]},
                cv=2,
            ),
            DIABETES,
        ),
        [4],
    ),
    "grid by groups": (
        lambda: fit(GridSearchCV(net(), ALPHAS, cv=GroupKFold(3)), IRIS, groups=GROUPS),
        [2, 2, 2],
    ),
    "grid without refit": (
        lambda: fit(GridSearchCV(net(), ALPHAS, cv=3, refit=False), IRIS),
        [6],
    ),
    "grid with one generator": (
        lambda: fit(
            GridSearchCV(net(random_state=np.random.RandomState(3)), ALPHAS, cv=3),
            IRIS,
        ),
        [6],
    ),
    "random": (
        lambda: fit(
            RandomizedSearchCV(
                net(),
                {"alpha": [1e-4, 1e-3, 0.01, 0.1, 1.0]},
                n_iter=3,
                cv=3,
                random_state=0,
            ),
            IRIS,
        ),
        [9],
    ),
    "halving by epochs": (
        lambda: fit(
            HalvingGridSearchCV(
                net(),
                {"alpha": [1e-4, 1], "learning_rate": [0.01, 0.1]},
                resource="n_iter",
                min_resources=1,
                max_resources=4,
                factor=2,
                cv=3,
            ),
            IRIS,
        ),
        [12, 6, 3],
    ),
    "halving by rows": (
        lambda: fit(
            HalvingRandomSearchCV(
                scaled(net()),
                {"deepnetclassifier__alpha": [1e-4, 1e-3, 0.01, 0.1, 1.0]},
                n_candidates=4,
                factor=2,
                min_resources=30,
                max_resources=120,
                cv=3,
                random_state=0,
            ),
            IRIS,
        ),
        [12, 6, 3],
    ),
    "a search in a validation": (
        lambda: cross_validate(
            GridSearchCV(net(), ALPHAS, cv=3), *IRIS, cv=3, return_estimator=True
        ),
        [6, 12, 3],
    ),
    "a search in a search in a pipeline": (
        lambda: fit(
            GridSearchCV(
                scaled(GridSearchCV(net(), ALPHAS, cv=2)),
                {"standardscaler__with_std": [True, False]},
                cv=3,
            ),
            IRIS,
        ),
        [24, 6, 4],
    ),
}
VALIDATIONS = {
    "cross_val_score": (lambda: cross_val_score(net(), *IRIS), [5]),
    "cross_val_score of a table": (
        lambda: cross_val_score(of_columns(net()), *TABLE, cv=4, scoring="roc_auc"),
        [4],
    ),
    "cross_validate": (
        lambda: cross_validate(
            scaled(net()),
            *IRIS,
            cv=3,
            scoring=["accuracy", "neg_log_loss"],
            return_train_score=True,
            return_estimator=True,
            return_indices=True,
        ),
        [3],
    ),
    "cross_validate with weights and groups": (
        lambda: cross_validate(
            net(),
            *IRIS,
            groups=np.arange(150) % 5,
            cv=GroupKFold(5),
            params={"sample_weight": WEIGHT},
            return_estimator=True,
        ),
        [5],
    ),
    "cross_validate with routed weights": (
        lambda: with_routing(
            lambda it, **params: cross_validate(it, *IRIS, cv=3, **params),
            params={"sample_weight": WEIGHT},
        ),
        [3],
    ),
    "cross_val_predict": (lambda: cross_val_predict(net(), *IRIS, cv=3), [3]),
    "cross_val_predict of probabilities": (
        lambda: cross_val_predict(
            of_columns(net(**STOPS)), *TABLE, cv=4, method="predict_proba"
        ),
        [4],
    ),
    "cross_val_predict of numbers": (
        lambda: cross_val_predict(
            TransformedTargetRegressor(scaled(reg()), func=np.log, inverse_func=np.exp),
            *DIABETES,
            cv=2,
        ),
        [2],
    ),
    "learning_curve": (
        lambda: learning_curve(
            scaled(net()),
            *IRIS,
            cv=3,
            shuffle=True,
            random_state=0,
            train_sizes=[0.5, 1.0],
        ),
        [3, 3],
    ),
    "learning_curve by partial_fit": (
        lambda: learning_curve(
            net(),
            *IRIS,
            cv=3,
            exploit_incremental_learning=True,
            shuffle=True,
            random_state=0,
            train_sizes=[0.5, 1.0],
        ),
        [3, 3],
    ),
    "validation_curve": (
        lambda: validation_curve(
            net(), *IRIS, param_name="learning_rate", param_range=[0.01, 0.1, 1.0], cv=3
        ),
        [9],
    ),
    "permutation_test_score": (
        lambda: permutation_test_score(
            net(), *IRIS, cv=3, n_permutations=4, random_state=0
        ),
        [4, 4, 4],
    ),
    "RFECV": (
        lambda: fit(
            RFECV(net(), importance_getter=first_weights, cv=SPLITS, n_jobs=2), IRIS
        ),
        [2] * 8,
    ),
    "SequentialFeatureSelector": (
        lambda: fit(
            SequentialFeatureSelector(net(), n_features_to_select=2, cv=5), IRIS
        ),
        [5] * 7,
    ),
}
META = {
    "OneVsRest": (lambda: fit(OneVsRestClassifier(net()), IRIS), [3]),
    "OneVsRest of pipelines, whose steps are fitted to equal rows": (
        lambda: fit(OneVsRestClassifier(scaled(net(**STOPS))), WINE),
        [3],
    ),
    "OneVsRest of labels": (lambda: fit(OneVsRestClassifier(net()), LABELS), [3]),
    "OneVsOne": (lambda: fit(OneVsOneClassifier(net()), IRIS), [3]),
    "OneVsOne of classes of other sizes": (
        lambda: fit(OneVsOneClassifier(scaled(net())), WINE),
        [],
        3,
    ),
    "OutputCode": (
        lambda: fit(OutputCodeClassifier(net(), code_size=2, random_state=3), IRIS),
        [6],
    ),
    "MultiOutputClassifier with weights": (
        lambda: fit(MultiOutputClassifier(net()), IRIS_CUTS, sample_weight=WEIGHT),
        [3],
    ),
    "MultiOutputRegressor": (
        lambda: fit(MultiOutputRegressor(scaled(reg())), NUMBERS),
        [2],
    ),
    "ClassifierChain, each of which waits for the one before": (
        lambda: fit(ClassifierChain(net(), cv=3, random_state=0), IRIS_CUTS),
        [3, 3],
    ),
    "RegressorChain without validation, which joblib does not run": (
        lambda: fit(RegressorChain(reg()), NUMBERS),
        [],
    ),
    "Bagging, which draws other numbers of rows by weights of zero": (
        lambda: fit(BaggingClassifier(net(), 4, random_state=0), IRIS),
        [],
        4,
    ),
    "Bagging of pipelines, which copies rows": (
        lambda: fit(
            BaggingClassifier(
                scaled(net()), 16, max_features=0.5, oob_score=True, random_state=1
            ),
            IRIS,
        ),
        [16],
    ),
    "Bagging without replacement": (
        lambda: fit(
            BaggingRegressor(
                scaled(reg()), 4, max_samples=0.5, bootstrap=False, random_state=0
            ),
            DIABETES,
        ),
        [4],
    ),
    "Voting": (
        lambda: fit(
            VotingClassifier(
                [
                    ("net", net()),
                    ("pipe", scaled(net(random_state=1))),
                    ("trees", RandomForestClassifier(3, random_state=0)),
                ],
                voting="soft",
            ),
            IRIS,
        ),
        [2],
    ),
    "VotingRegressor of a table": (
        lambda: fit(
            VotingRegressor([("a", reg()), ("b", Ridge()), ("c", reg(alpha=1))]),
            DIABETES,
            sample_weight=np.arange(1, 443) / 442,
        ),
        [2],
    ),
    "Stacking": (
        lambda: fit(
            StackingClassifier(
                [
                    ("a", net()),
                    ("b", scaled(net(alpha=0.1))),
                    ("c", GaussianNB()),
                ],
                final_estimator=net(),
                cv=3,
            ),
            IRIS,
        ),
        [2, 6],
    ),
    "StackingRegressor of a table": (
        lambda: fit(
            StackingRegressor([("a", scaled(reg())), ("b", Ridge())], cv=2), DIABETES
        ),
        [2],
        1,
    ),
    "Calibrated": (
        lambda: fit(
            CalibratedClassifierCV(net(), method="isotonic", cv=3),
            IRIS,
            sample_weight=WEIGHT,
        ),
        [3],
    ),
    "Calibrated by one network": (
        lambda: fit(
            CalibratedClassifierCV(of_columns(net()), cv=3, ensemble=False), TABLE
        ),
        [3],
    ),
    "TunedThreshold": (
        lambda: fit(
            TunedThresholdClassifierCV(of_columns(net()), thresholds=5, cv=3), TABLE
        ),
        [3],
    ),
    "a validation of FixedThreshold": (
        lambda: cross_val_score(FixedThresholdClassifier(net()), *CANCER, cv=3),
        [2],
        1,
    ),
    "a grid of OneVsRest": (
        lambda: fit(
            GridSearchCV(
                OneVsRestClassifier(net()), {"estimator__alpha": [1e-4, 0.3]}, cv=3
            ),
            IRIS,
        ),
        [18, 3],
    ),
    "a grid of ensembles": (
        lambda: fit(
            GridSearchCV(
                scaled(DeepNetEnsembleClassifier(net(), random_state=0)),
                {"deepnetensembleclassifier__n_estimators": [2, 3]},
                cv=3,
            ),
            IRIS,
        ),
        [15, 3],
    ),
    "an ensemble in a validation, with rows held out": (
        lambda: cross_validate(
            DeepNetEnsembleClassifier(net(**STOPS), n_estimators=3, random_state=0),
            *IRIS,
            cv=3,
            return_estimator=True,
        ),
        [9],
    ),
    "Voting of grids": (
        lambda: fit(
            VotingClassifier(
                [("a", GridSearchCV(net(), ALPHAS, cv=3)), ("b", net(alpha=1))]
            ),
            IRIS,
        ),
        [6, 2],
    ),
}
TOOLS = {**SEARCHES, **VALIDATIONS, **META}


def assert_same(one, two, where="", seen=()):
    """Compare everything in two values but times, to the bit."""
    compare = partial(assert_same, seen=(*seen, id(one)))
    assert type(one) is type(two), where
    if isinstance(one, dict):
        assert [*one] == [*two], where
        for name in one:
            if not str(name).endswith(("time", "time_")):
                compare(one[name], two[name], f"{where}[{name!r}]")
    elif isinstance(one, UserList):  # columns of older versions, which warn when read
        compare(one.data, two.data, where)
    elif isinstance(one, list | tuple):
        assert len(one) == len(two), where
        for k, pair in enumerate(zip(one, two, strict=True)):
            compare(*pair, f"{where}[{k}]")
    elif isinstance(one, np.ndarray):
        assert (one.shape, one.dtype) == (two.shape, two.dtype), where
        if one.dtype.hasobject:
            compare(one.ravel().tolist(), two.ravel().tolist(), where)
        else:
            np.testing.assert_array_equal(one, two, where)
    elif isinstance(one, np.random.RandomState):
        compare(one.get_state(), two.get_state(), where)
    elif isinstance(one, Tree | FunctionType):
        assert joblib.hash(one) == joblib.hash(two), where
    elif type(one).__eq__ is object.__eq__ and hasattr(one, "__dict__"):
        if id(one) not in seen:
            compare(vars(one), vars(two), f"{where}.{type(one).__name__}")
    else:
        np.testing.assert_equal(one, two, where)


def without_context(call):
    with parallel_config("threading"):
        return call()


@pytest.mark.slow
@pytest.mark.parametrize("case", TOOLS)
def test_results_are_those_without_the_context(case):
    call, sizes, *n_alone = TOOLS[case]
    expected = without_context(call)
    with parallel_config("threading"), stacked() as stacks:
        found = call()
    assert_same(found, expected)
    assert stacks.summary.stack_sizes == sizes
    assert stacks.summary.alone == Counter({ALONE: sum(n_alone)})
