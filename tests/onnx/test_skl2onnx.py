"""Models of skl2onnx predict what the pipelines and searches predict."""

import subprocess
import sys

import numpy as np
import onnx
import pandas as pd
import pytest
import skl2onnx
from onnxruntime import InferenceSession
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.ensemble import StackingClassifier, VotingClassifier, VotingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_deepnet import (
    DeepNetClassifier,
    DeepNetEnsembleClassifier,
    DeepNetEnsembleRegressor,
    DeepNetRegressor,
    StackedGridSearchCV,
    StackedHalvingGridSearchCV,
    StackedHalvingRandomSearchCV,
    StackedRandomizedSearchCV,
)
from sklearn_deepnet.onnx import register_converters, to_onnx

ERROR = {"float32": 1e-6, "float64": 1e-12}
DTYPES = pytest.mark.parametrize("dtype", ERROR)
USUAL = {"learning_rate": 0.01, "n_iter": 5, "tol": None, "random_state": 0}
ALPHAS = {"alpha": [1e-4, 1e-2]}

X_wine = load_wine().data
y_wine = load_wine().target_names[load_wine().target]
X_cancer, y_cancer = load_breast_cancer(return_X_y=True)
X_numbers, y_numbers = load_diabetes(return_X_y=True)


@pytest.fixture(autouse=True, scope="module")
def _registered():
    register_converters()


def net(**parameters):
    return DeepNetClassifier((16, 8), **(USUAL | parameters))


def regressor(**parameters):
    return DeepNetRegressor((16, 8), **(USUAL | parameters))


def ensemble():
    return DeepNetEnsembleClassifier(net(), n_estimators=3, random_state=0)


def scaled(*steps):
    return make_pipeline(StandardScaler(), *steps)


def prefixed(step):
    return {f"{step}__{name}": values for name, values in ALPHAS.items()}


def run(model, X):
    session = InferenceSession(model.SerializeToString())
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"X": X}), strict=True))


def assert_same_classes(fitted, X, dtype, options=None):
    X = X.astype(dtype)
    outputs = run(skl2onnx.to_onnx(fitted, X[:1], options=options), X)
    assert outputs.keys() == {"label", "probabilities"}
    np.testing.assert_array_equal(outputs["label"], fitted.predict(X), strict=False)
    p = outputs["probabilities"]
    assert p.dtype == dtype
    np.testing.assert_allclose(p, fitted.predict_proba(X), rtol=0, atol=ERROR[dtype])


def assert_same_numbers(fitted, X, dtype):
    X = X.astype(dtype)
    (found,) = run(skl2onnx.to_onnx(fitted, X[:1]), X).values()
    expected = fitted.predict(X)
    assert found.dtype == dtype
    atol = ERROR[dtype] * np.abs(expected).max()
    np.testing.assert_allclose(found[:, 0], expected, rtol=0, atol=atol)


# ---- pipelines and searches


CLASSIFIERS = {
    "pipeline": scaled(net()),
    "pipeline in a pipeline": scaled(make_pipeline(PCA(5), net())),
    "ensemble": scaled(ensemble()),
    "grid": StackedGridSearchCV(scaled(net()), prefixed("deepnetclassifier"), cv=2),
    "random": StackedRandomizedSearchCV(
        scaled(net()), prefixed("deepnetclassifier"), n_iter=2, cv=2, random_state=0
    ),
    "halving grid": StackedHalvingGridSearchCV(
        scaled(net()),
        prefixed("deepnetclassifier"),
        cv=2,
        resource="deepnetclassifier__n_iter",
        min_resources=5,
        max_resources=15,
    ),
    "halving random": StackedHalvingRandomSearchCV(
        scaled(net()),
        prefixed("deepnetclassifier"),
        n_candidates=2,
        cv=2,
        random_state=0,
    ),
    "grid in a pipeline": scaled(StackedGridSearchCV(net(), ALPHAS, cv=2)),
    "grid of ensembles": scaled(
        StackedGridSearchCV(ensemble(), {"bootstrap": [False, True]}, cv=2)
    ),
    "scikit-learn's grid": GridSearchCV(
        scaled(net()), prefixed("deepnetclassifier"), cv=2
    ),
    "scikit-learn's grid in a pipeline": scaled(GridSearchCV(net(), ALPHAS, cv=2)),
}


@pytest.fixture(scope="module", params=CLASSIFIERS.values(), ids=CLASSIFIERS)
def classifier(request):
    return request.param.fit(X_wine, y_wine)


@DTYPES
def test_classifier_is_converted(classifier, dtype):
    assert_same_classes(classifier, X_wine, dtype)


def test_zipmap_may_be_declined(classifier):
    options = {id(classifier): {"zipmap": False}}
    assert_same_classes(classifier, X_wine, "float64", options)
    assert_same_classes(classifier, X_wine, "float64", {"zipmap": False})


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
        StackedGridSearchCV(scaled(regressor()), prefixed("deepnetregressor"), cv=2),
        scaled(StackedGridSearchCV(regressor(), ALPHAS, cv=2)),
        scaled(VotingRegressor([("a", regressor()), ("b", Ridge())])),
        VotingRegressor([("a", StackedGridSearchCV(regressor(), ALPHAS, cv=2))]),
    ],
    ids=["pipeline", "ensemble", "grid", "grid in pipeline", "voting", "voting grid"],
)
def test_regressor_is_converted(model, dtype):
    assert_same_numbers(model.fit(X_numbers, y_numbers), X_numbers, dtype)


def test_several_labels_are_converted():
    Y = (load_iris().target[:, np.newaxis] > [0, 1]).astype(int)
    X = load_iris().data
    search = StackedGridSearchCV(scaled(net()), prefixed("deepnetclassifier"), cv=2)
    assert_same_classes(search.fit(X, Y), X, "float64")


def test_several_targets_are_converted():
    Y = np.stack([y_numbers, -y_numbers], axis=1)
    model = scaled(regressor()).fit(X_numbers, Y)
    found = run(skl2onnx.to_onnx(model, X_numbers[:1]), X_numbers)["variable"]
    np.testing.assert_allclose(found, model.predict(X_numbers), rtol=1e-12)


def test_search_of_something_else_is_converted():
    search = StackedGridSearchCV(scaled(Ridge()), {"ridge__alpha": [1.0, 2.0]}, cv=2)
    assert_same_numbers(search.fit(X_numbers, y_numbers), X_numbers, "float64")


def test_options_reach_the_best_estimator_of_a_search():
    search = StackedGridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2)
    model = scaled(search).fit(X_wine, y_wine)
    options = {id(search): {"raw_scores": True, "zipmap": False}}
    scores = run(skl2onnx.to_onnx(model, X_wine[:1], options=options), X_wine)
    np.testing.assert_allclose(
        scores["probabilities"], model.decision_function(X_wine), rtol=1e-12
    )


# ---- within other estimators


@pytest.mark.slow
@DTYPES
@pytest.mark.parametrize(
    "model",
    [
        VotingClassifier(
            [("a", scaled(net())), ("b", ensemble())],
            voting="soft",
            flatten_transform=False,
        ),
        VotingClassifier(
            [("a", StackedGridSearchCV(scaled(net()), prefixed("deepnetclassifier")))],
            voting="soft",
            flatten_transform=False,
        ),
        VotingClassifier(
            [("a", StackedGridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}))],
            voting="soft",
            flatten_transform=False,
        ),
        StackingClassifier([("a", net()), ("b", StackedGridSearchCV(net(), ALPHAS))]),
        OneVsRestClassifier(net()),
        CalibratedClassifierCV(net(), cv=2),
        CalibratedClassifierCV(ensemble(), cv=2),
        CalibratedClassifierCV(StackedGridSearchCV(net(), ALPHAS, cv=2), cv=2),
        CalibratedClassifierCV(StackedGridSearchCV(scaled(net()), {}, cv=2), cv=2),
        CalibratedClassifierCV(
            StackedGridSearchCV(ensemble(), {"bootstrap": [True]}, cv=2), cv=2
        ),
    ],
    ids=[
        "voting",
        "voting of a grid",
        "voting of another grid",
        "stacking",
        "one versus rest",
        "calibrated",
        "calibrated ensemble",
        "calibrated grid",
        "calibrated grid of pipelines",
        "calibrated grid of ensembles",
    ],
)
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
    session = InferenceSession(model.SerializeToString())
    columns = np.split(X.to_numpy(), 4, axis=1)
    _, p = session.run(None, dict(zip(names, columns, strict=True)))
    np.testing.assert_allclose(p, fitted.predict_proba(X), rtol=0, atol=1e-12)


def test_one_column_in_float64_is_enough_for_float64():
    X, y = load_iris(return_X_y=True)
    fitted = net().fit(X, y)
    types = [("a", skl2onnx.common.data_types.FloatTensorType([None, 1]))]
    types += [("b", skl2onnx.common.data_types.DoubleTensorType([None, 3]))]
    model = skl2onnx.to_onnx(fitted, initial_types=types)
    session = InferenceSession(model.SerializeToString())
    X = X.round()
    _, p = session.run(None, {"a": X[:, :1].astype(np.float32), "b": X[:, 1:]})
    np.testing.assert_allclose(p, fitted.predict_proba(X), rtol=0, atol=1e-12)


def test_integers_are_computed_in_float32():
    X, y = load_iris(return_X_y=True)
    X = X.round().astype(np.int64)
    fitted = net(n_iter=15).fit(X, y)
    p = run(skl2onnx.to_onnx(fitted, X[:1]), X)["probabilities"]
    assert p.dtype == np.float32
    np.testing.assert_allclose(p, fitted.predict_proba(X), rtol=0, atol=1e-6)


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
    session = InferenceSession(converted.SerializeToString())
    label, p = session.run(None, {name: X[[name]].to_numpy() for name in X})
    assert label.tolist() == model.predict(X).tolist()
    np.testing.assert_allclose(p, model.predict_proba(X), rtol=0, atol=1e-12)


# ---- options


def test_raw_scores_are_the_logits():
    for y in (y_wine, (load_wine().target[:, np.newaxis] > [0, 1]).astype(int)):
        model = scaled(net()).fit(X_wine, y)
        for options in ({"raw_scores": True}, {id(model[-1]): {"raw_scores": True}}):
            converted = skl2onnx.to_onnx(model, X_wine[:1], options=options)
            scores = run(converted, X_wine)["probabilities"]
            z = model.decision_function(X_wine)
            np.testing.assert_allclose(scores, z, rtol=0, atol=1e-12)


def test_raw_scores_of_two_classes_are_opposite():
    model = scaled(net()).fit(X_cancer, y_cancer)
    converted = skl2onnx.to_onnx(model, X_cancer[:1], options={"raw_scores": True})
    scores = run(converted, X_cancer)["probabilities"]
    z = model.decision_function(X_cancer)
    np.testing.assert_allclose(scores, np.stack([-z, z], axis=1), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("model", "options", "error", "message"),
    [
        (
            net(),
            {"zipmap": "columns"},
            ValueError,
            "Unexpected value ['columns'] for option 'zipmap' (it must be in [True, "
            "False]) for model 'DeepNetClassifier'.",
        ),
        (
            net(),
            {"nocl": True},
            NameError,
            "Option 'nocl' not in ['raw_scores', 'zipmap'] for class "
            "'DeepNetClassifier'.",
        ),
        (
            ensemble(),
            {"raw_scores": True},
            NameError,
            "Option 'raw_scores' not in ['zipmap'] for class "
            "'DeepNetEnsembleClassifier'.",
        ),
        (
            StackedGridSearchCV(ensemble(), {"bootstrap": [True]}),
            {"raw_scores": True},
            NameError,
            "Option 'raw_scores' not in ['zipmap'] for class "
            "'DeepNetEnsembleClassifier'.",
        ),
        (
            StackedGridSearchCV(net(), ALPHAS),
            {"zipmap": "columns"},
            ValueError,
            "Unexpected value ['columns'] for option 'zipmap' (it must be in [True, "
            "False]) for model 'DeepNetClassifier'.",
        ),
    ],
)
def test_options_without_meaning_raise(model, options, error, message):
    model.fit(X_wine, y_wine)
    with pytest.raises(error) as caught:
        skl2onnx.to_onnx(model, X_wine[:1], options={id(model): options})
    assert str(caught.value) == message


# ---- errors


def test_opset_before_13_raises():
    model = scaled(net()).fit(X_wine, y_wine)
    with pytest.raises(ValueError, match="opset") as caught:
        skl2onnx.to_onnx(model, X_wine[:1], target_opset=12)
    assert str(caught.value) == (
        "DeepNetClassifier needs an opset of at least 13. Got target_opset=12 instead."
    )


def test_search_without_refit_raises():
    search = StackedGridSearchCV(net(), ALPHAS, refit=False).fit(X_wine, y_wine)
    with pytest.raises(NotFittedError) as caught:
        skl2onnx.to_onnx(search, X_wine[:1])
    assert str(caught.value) == (
        "This StackedGridSearchCV has no best_estimator_: fit it, with refit=True."
    )


def test_class_that_predicts_in_another_way_raises():
    class Rounding(DeepNetClassifier):
        def predict_proba(self, X):
            return super().predict_proba(X).round()

    register_converters()
    model = scaled(Rounding(**USUAL)).fit(X_wine, y_wine)
    with pytest.raises(ValueError, match="has a predict_proba of its own"):
        skl2onnx.to_onnx(model, X_wine[:1])


# ---- registration


def test_subclasses_are_known_after_the_next_call():
    class Renamed(DeepNetClassifier):
        pass

    class Search(StackedGridSearchCV):
        pass

    model = Search(scaled(Renamed(**USUAL)), prefixed("renamed"), cv=2)
    model.fit(X_wine, y_wine)
    register_converters()
    assert_same_classes(model, X_wine, "float64")


@pytest.mark.slow
def test_nothing_is_registered_before_the_call():
    code = """
import numpy as np, skl2onnx
from sklearn_deepnet import DeepNetRegressor
from sklearn_deepnet.onnx import register_converters
X = np.eye(3)
net = DeepNetRegressor((2,), n_iter=1, tol=None).fit(X, np.arange(3))
for call in (int, register_converters):
    call()
    try:
        print(len(skl2onnx.to_onnx(net, X).graph.output))
    except Exception as error:
        print(type(error).__name__)
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "MissingShapeCalculator\n1\n"


def test_both_ways_of_export_give_the_same_predictions():
    X, y = X_numbers, y_numbers
    fitted = regressor().fit(X, y)
    one = run(to_onnx(fitted), X)["variable"]
    two = run(skl2onnx.to_onnx(fitted, X[:1]), X)["variable"]
    np.testing.assert_array_equal(one, two)
