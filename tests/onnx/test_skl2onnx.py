"""Models of skl2onnx predict what the pipelines and searches predict."""

import subprocess
import sys

import numpy as np
import onnx
import pandas as pd
import pytest
import skl2onnx
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.ensemble import StackingClassifier, VotingClassifier, VotingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_deepnet import (
    DeepNetClassifier,
    DeepNetEnsembleClassifier,
    DeepNetEnsembleRegressor,
    StackedGridSearchCV,
    StackedHalvingGridSearchCV,
    StackedHalvingRandomSearchCV,
    StackedRandomizedSearchCV,
)
from sklearn_deepnet.onnx import register_converters, to_onnx
from tests.helpers import iris, raises
from tests.onnx import helpers
from tests.onnx.helpers import DTYPES, USUAL, regressor, run
from tests.onnx.helpers import classifier as net

ALPHAS, STRENGTHS = {"alpha": [1e-4, 1e-2]}, {"C": [0.1, 1.0]}

X_wine = load_wine().data
y_wine = load_wine().target_names[load_wine().target]
X_cancer, y_cancer = load_breast_cancer(return_X_y=True)
X_numbers, y_numbers = load_diabetes(return_X_y=True)


@pytest.fixture(autouse=True, scope="module")
def _registered():
    register_converters()


def ensemble():
    return DeepNetEnsembleClassifier(net(), n_estimators=3, random_state=0)


def scaled(*steps):
    return make_pipeline(StandardScaler(), *steps)


def search(model, kind=StackedGridSearchCV, grid=ALPHAS, **options):
    """Return a search over a network, or over a pipeline that ends in one."""
    if isinstance(model, Pipeline):
        grid = {f"{model.steps[-1][0]}__{name}": grid[name] for name in grid}
    return kind(model, grid, **{"cv": 2} | options)


def convert_and_run(fitted, X, **options):
    return run(skl2onnx.to_onnx(fitted, X[:1], **options), X)


def assert_same_classes(fitted, X, dtype="float64", options=None):
    X = X.astype(dtype)
    outputs = convert_and_run(fitted, X, options=options)
    helpers.assert_same_classes(outputs, fitted, X)


def assert_same_numbers(fitted, X, dtype="float64"):
    X = X.astype(dtype)
    helpers.assert_same_numbers(convert_and_run(fitted, X), fitted, X)


# ---- pipelines and searches


BOOTSTRAPS = {"bootstrap": [False, True]}
CLASSIFIERS = {
    "pipeline": scaled(net()),
    "pipeline in a pipeline": scaled(make_pipeline(PCA(5), net())),
    "ensemble": scaled(ensemble()),
    "grid": search(scaled(net())),
    "grid of numeric features": search(
        scaled(net()), grid={"numeric_features": [None, "periodic"]}
    ),
    "ensemble with numeric features": scaled(
        ensemble().set_params(estimator__numeric_features="periodic")
    ),
    "random": search(scaled(net()), StackedRandomizedSearchCV, n_iter=2),
    "halving grid": search(
        scaled(net()),
        StackedHalvingGridSearchCV,
        resource="deepnetclassifier__n_iter",
        min_resources=5,
        max_resources=15,
    ),
    "halving random": search(
        scaled(net()), StackedHalvingRandomSearchCV, n_candidates=2, random_state=0
    ),
    "grid in a pipeline": scaled(search(net())),
    "grid of ensembles": scaled(search(ensemble(), grid=BOOTSTRAPS)),
    "scikit-learn's grid": search(scaled(net()), GridSearchCV),
    "scikit-learn's grid in a pipeline": scaled(search(net(), GridSearchCV)),
}


@pytest.fixture(scope="module", params=CLASSIFIERS.values(), ids=CLASSIFIERS)
def classifier(request):
    return request.param.fit(X_wine, y_wine)


@DTYPES
def test_classifier_is_converted(classifier, dtype):
    assert_same_classes(classifier, X_wine, dtype)


def test_zipmap_may_be_declined(classifier):
    options = {id(classifier): {"zipmap": False}}
    assert_same_classes(classifier, X_wine, options=options)
    assert_same_classes(classifier, X_wine, options={"zipmap": False})


@pytest.mark.slow
def test_model_is_valid_in_every_opset_from_13(classifier):
    newest = skl2onnx.get_latest_tested_opset_version()
    for opset in (13, 15, 17, 18, newest):
        model = skl2onnx.to_onnx(classifier, X_wine[:1], target_opset=opset)
        onnx.checker.check_model(model, full_check=True)
        versions = {it.domain: it.version for it in model.opset_import}
        assert versions[""] <= opset
        expected = classifier.predict(X_wine).tolist()
        assert run(model, X_wine)["label"].tolist() == expected


def test_opset_17_can_be_read_by_the_runtimes_of_to_onnx():
    model = skl2onnx.to_onnx(scaled(net()).fit(X_wine, y_wine), X_wine, target_opset=17)
    assert model.ir_version == 8


@DTYPES
@pytest.mark.parametrize(
    "model",
    [
        scaled(regressor(loss="poisson")),
        scaled(DeepNetEnsembleRegressor(regressor(), n_estimators=3, random_state=0)),
        search(scaled(regressor())),
        scaled(search(regressor())),
        scaled(VotingRegressor([("a", regressor()), ("b", Ridge())])),
        VotingRegressor([("a", search(regressor()))]),
    ],
    ids=["pipeline", "ensemble", "grid", "grid in pipeline", "voting", "voting grid"],
)
def test_regressor_is_converted(model, dtype):
    assert_same_numbers(model.fit(X_numbers, y_numbers), X_numbers, dtype)


def test_several_labels_are_converted():
    X, y = iris()
    Y = (y[:, np.newaxis] > [0, 1]).astype(int)
    assert_same_classes(search(scaled(net())).fit(X, Y), X)


def test_several_targets_are_converted():
    Y = np.stack([y_numbers, -y_numbers], axis=1)
    model = scaled(regressor()).fit(X_numbers, Y)
    found = convert_and_run(model, X_numbers)["variable"]
    np.testing.assert_allclose(found, model.predict(X_numbers), rtol=1e-12)


def test_search_of_something_else_is_converted():
    model = search(scaled(Ridge())).fit(X_numbers, y_numbers)
    assert_same_numbers(model, X_numbers)


def test_options_reach_the_best_estimator_of_a_search():
    model = scaled(search(LogisticRegression(), grid=STRENGTHS)).fit(X_wine, y_wine)
    options = {id(model[-1]): {"raw_scores": True, "zipmap": False}}
    scores = convert_and_run(model, X_wine, options=options)
    np.testing.assert_allclose(
        scores["probabilities"], model.decision_function(X_wine), rtol=1e-12
    )


# ---- within other estimators


def soft_voting(*members):
    named = list(zip("ab", members, strict=False))
    return VotingClassifier(named, voting="soft", flatten_transform=False)


AROUND = {
    "voting": soft_voting(scaled(net()), ensemble()),
    "voting of a grid": soft_voting(search(scaled(net()))),
    "voting of another grid": soft_voting(search(LogisticRegression(), grid=STRENGTHS)),
    "stacking": StackingClassifier([("a", net()), ("b", search(net()))]),
    "one versus rest": OneVsRestClassifier(net()),
    "calibrated": CalibratedClassifierCV(net(), cv=2),
    "calibrated ensemble": CalibratedClassifierCV(ensemble(), cv=2),
    "calibrated grid": CalibratedClassifierCV(search(net()), cv=2),
    "calibrated grid of pipelines": CalibratedClassifierCV(
        search(scaled(net()), grid={}), cv=2
    ),
    "calibrated grid of ensembles": CalibratedClassifierCV(
        search(ensemble(), grid={"bootstrap": [True]}), cv=2
    ),
}


@pytest.mark.slow
@DTYPES
@pytest.mark.parametrize("model", AROUND.values(), ids=AROUND)
@pytest.mark.parametrize(
    ("X", "y"), [(X_wine, y_wine), (X_cancer, y_cancer)], ids=["three", "two"]
)
def test_network_within_another_estimator_is_converted(model, X, y, dtype):
    model = scaled(model).fit(X, y)
    assert_same_classes(model, X, dtype, {"zipmap": False})


# ---- inputs


def test_columns_of_a_frame_are_joined():
    X, y = load_iris(return_X_y=True, as_frame=True)
    fitted = net().fit(X, y)
    model = skl2onnx.to_onnx(fitted, X[:1])
    names = [it.name for it in model.graph.input]
    columns = dict(zip(names, np.split(X.to_numpy(), 4, axis=1), strict=True))
    p = run(model, columns)["probabilities"]
    np.testing.assert_allclose(p, fitted.predict_proba(X), rtol=0, atol=1e-12)


def test_one_column_in_float64_is_enough_for_float64():
    X, y = iris()
    fitted = net().fit(X, y)
    types = [("a", skl2onnx.common.data_types.FloatTensorType([None, 1]))]
    types += [("b", skl2onnx.common.data_types.DoubleTensorType([None, 3]))]
    model = skl2onnx.to_onnx(fitted, initial_types=types)
    X = X.round()
    columns = {"a": X[:, :1].astype(np.float32), "b": X[:, 1:]}
    p = run(model, columns)["probabilities"]
    np.testing.assert_allclose(p, fitted.predict_proba(X), rtol=0, atol=1e-12)


def test_integers_are_computed_in_float32():
    X, y = iris()
    X = X.round().astype(np.int64)
    fitted = net(n_iter=15).fit(X, y)
    outputs = convert_and_run(fitted, X)
    helpers.assert_same_classes(outputs, fitted, X.astype(np.float32))


def test_times_in_nanoseconds_are_scaled_before_they_are_cast():
    seconds = np.random.RandomState(0).uniform(0, 60, 99)
    X = (1.7e18 + 1e9 * seconds).astype(np.int64)[:, np.newaxis]
    fitted = net(n_iter=100, learning_rate=0.05).fit(X, seconds > 30)
    label, p = convert_and_run(fitted, X).values()
    assert label.tolist() == fitted.predict(X).tolist()
    assert len(set(label.tolist())) == 2
    np.testing.assert_allclose(p, fitted.predict_proba(X), rtol=0, atol=1e-5)


@pytest.mark.parametrize("order", [["a", "b"], ["b", "a"]])
def test_text_before_an_encoder_is_converted(order):
    rng = np.random.RandomState(0)
    X = pd.DataFrame({"a": rng.randn(99), "b": rng.choice(["u", "v", "w"], 99)})
    y = np.where(X["a"] + (X["b"] == "u") > 0, "yes", "no")
    steps = {"a": StandardScaler(), "b": OneHotEncoder(sparse_output=False)}
    columns = make_column_transformer(*[(steps[name], [name]) for name in order])
    model = make_pipeline(columns, net()).fit(X, y)
    converted = skl2onnx.to_onnx(model, X[:1])
    onnx.checker.check_model(converted, full_check=True)
    label, p = run(converted, {name: X[[name]].to_numpy() for name in X}).values()
    assert label.tolist() == model.predict(X).tolist()
    np.testing.assert_allclose(p, model.predict_proba(X), rtol=0, atol=1e-12)


# ---- options


def test_raw_scores_are_the_logits():
    for y in (y_wine, (load_wine().target[:, np.newaxis] > [0, 1]).astype(int)):
        model = scaled(net()).fit(X_wine, y)
        for options in ({"raw_scores": True}, {id(model[-1]): {"raw_scores": True}}):
            scores = convert_and_run(model, X_wine, options=options)["probabilities"]
            z = model.decision_function(X_wine)
            np.testing.assert_allclose(scores, z, rtol=0, atol=1e-12)


def test_raw_scores_of_two_classes_are_opposite():
    model = scaled(net()).fit(X_cancer, y_cancer)
    options = {"raw_scores": True}
    scores = convert_and_run(model, X_cancer, options=options)["probabilities"]
    z = model.decision_function(X_cancer)
    np.testing.assert_allclose(scores, np.stack([-z, z], axis=1), rtol=0, atol=1e-12)


# Classes, and the labels that options may return in place of them
LABELS = {
    "text": (y_wine, ["class_0", "class_1", "class_2"]),
    "numbers": (load_wine().target + 5, [5, 6, 7]),
    "several labels": (
        (load_wine().target[:, np.newaxis] > [0, 1]).astype(int),
        [0, 1],
    ),
}
WITH_LABELS = {
    "network": net(),
    "pipeline": scaled(net()),
    "ensemble": ensemble(),
    "search": search(scaled(net())),
}


def skl2onnx_labels(model, **options):
    """Return the label of each row, and the labels of all classes if there are any."""
    options = {id(model): options | {"zipmap": False}}
    outputs = convert_and_run(model, X_wine, options=options)
    p = outputs["probabilities"]
    np.testing.assert_allclose(p, model.predict_proba(X_wine), rtol=0, atol=1e-12)
    labels = outputs.get("class_labels")
    return outputs["label"].tolist(), None if labels is None else labels.tolist()


@pytest.mark.parametrize(("y", "classes"), LABELS.values(), ids=LABELS)
@pytest.mark.parametrize("model", WITH_LABELS.values(), ids=WITH_LABELS)
def test_the_labels_of_all_classes_are_output_if_asked_for(model, y, classes):
    fitted = model.fit(X_wine, y)
    found = skl2onnx_labels(fitted, output_class_labels=True)
    assert found == (fitted.predict(X_wine).tolist(), classes)


@pytest.mark.parametrize("name", ["text", "numbers"])
@pytest.mark.parametrize("model", WITH_LABELS.values(), ids=WITH_LABELS)
def test_without_class_labels_the_label_is_an_index(model, name):
    y, classes = LABELS[name]
    fitted = model.fit(X_wine, y)
    indices = [classes.index(label) for label in fitted.predict(X_wine).tolist()]
    assert skl2onnx_labels(fitted, nocl=True) == (indices, None)
    found = skl2onnx_labels(fitted, nocl=True, output_class_labels=True)
    assert found == (indices, [0, 1, 2])


def test_several_labels_stay_as_they_are_without_class_labels():
    Y, _ = LABELS["several labels"]
    fitted = net().fit(X_wine, Y)
    found = skl2onnx_labels(fitted, nocl=True, output_class_labels=True)
    assert found == (fitted.predict(X_wine).tolist(), [0, 1])


@pytest.mark.parametrize(("y", "classes"), list(LABELS.values())[:2])
def test_options_on_labels_do_what_they_do_for_models_of_scikit_learn(y, classes):
    ours = net(n_iter=100, learning_rate=0.05)
    mlp = MLPClassifier((9,), solver="lbfgs", random_state=0)
    models = [scaled(model).fit(X_wine, y) for model in (ours, mlp)]
    assert models[0].score(X_wine, y) == models[1].score(X_wine, y) == 1
    options = {"output_class_labels": True}
    ours, theirs = [skl2onnx_labels(model, **options) for model in models]
    assert ours == theirs
    # For text, skl2onnx writes no valid model of scikit-learn's networks with nocl.
    logistic = scaled(LogisticRegression()).fit(X_wine, y)
    assert logistic.score(X_wine, y) == 1
    ours, theirs = [skl2onnx_labels(it, nocl=True) for it in (models[0], logistic)]
    assert ours == theirs


NO_COLUMNS = (
    "Unexpected value ['columns'] for option 'zipmap' (it must be in [True, False]) "
    "for model 'DeepNetClassifier'."
)
NO_SCORES = (
    "Option 'raw_scores' not in ['nocl', 'output_class_labels', 'zipmap'] for class "
    "'DeepNetEnsembleClassifier'."
)
NO_SUCH = (
    "Option 'optim' not in ['nocl', 'output_class_labels', 'raw_scores', 'zipmap'] for "
    "class 'DeepNetClassifier'."
)


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (net(), {"zipmap": "columns"}, NO_COLUMNS),
        (net(), {"optim": True}, NO_SUCH),
        (ensemble(), {"raw_scores": True}, NO_SCORES),
        (search(ensemble(), grid=BOOTSTRAPS), {"raw_scores": True}, NO_SCORES),
        (search(net()), {"zipmap": "columns"}, NO_COLUMNS),
    ],
)
def test_options_without_meaning_raise(model, options, message):
    model.fit(X_wine, y_wine)
    with raises(message, ValueError if message == NO_COLUMNS else NameError):
        skl2onnx.to_onnx(model, X_wine[:1], options={id(model): options})


# ---- errors


def test_opset_before_13_raises():
    model = scaled(net()).fit(X_wine, y_wine)
    message = (
        "DeepNetClassifier requires target_opset to be at least 13. Got 12 instead."
    )
    with raises(message):
        skl2onnx.to_onnx(model, X_wine[:1], target_opset=12)


def test_search_without_refit_raises():
    unfitted = search(net(), refit=False).fit(X_wine, y_wine)
    message = "This StackedGridSearchCV has no best_estimator_. Fit it with refit=True."
    with raises(message, NotFittedError):
        skl2onnx.to_onnx(unfitted, X_wine[:1])


def test_class_that_predicts_in_another_way_raises():
    class Rounding(DeepNetClassifier):
        def predict_proba(self, X):
            return super().predict_proba(X).round()

    register_converters()
    model = scaled(Rounding(**USUAL)).fit(X_wine, y_wine)
    with pytest.raises(ValueError, match="overrides predict_proba, which"):
        skl2onnx.to_onnx(model, X_wine[:1])


# ---- registration


def test_subclasses_are_known_after_the_next_call():
    class Renamed(DeepNetClassifier):
        pass

    class Search(StackedGridSearchCV):
        pass

    model = search(scaled(Renamed(**USUAL)), Search).fit(X_wine, y_wine)
    register_converters()
    assert_same_classes(model, X_wine)


@pytest.mark.slow
def test_nothing_is_registered_before_the_call():
    code = """
import numpy as np, skl2onnx
from sklearn.calibration import CalibratedClassifierCV
from sklearn_deepnet import DeepNetClassifier
from sklearn_deepnet.onnx import register_converters
X, y = np.eye(4), [0, 1, 0, 1]
net = DeepNetClassifier((2,), n_iter=1, tol=None).fit(X, y)
for call in (int, register_converters):
    call()
    for model in (net, CalibratedClassifierCV(net, cv=2).fit(X, y)):
        try:
            print(len(skl2onnx.to_onnx(model, X).graph.output))
        except Exception as error:
            print(type(error).__name__)
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["MissingShapeCalculator", "KeyError", "2", "2"]


def test_both_ways_of_export_give_the_same_predictions():
    X, y = X_numbers, y_numbers
    fitted = regressor().fit(X, y)
    one = run(to_onnx(fitted), X)["variable"]
    two = convert_and_run(fitted, X)["variable"]
    np.testing.assert_array_equal(one, two)
