"""Models of `to_onnx`, run by onnxruntime, predict what the estimators predict."""

import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnxruntime import InferenceSession
from sklearn.datasets import load_digits, load_linnerud, load_wine
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import scale

from sklearn_deepnet import (
    DeepNetClassifier,
    DeepNetEnsembleClassifier,
    DeepNetEnsembleRegressor,
    StackedGridSearchCV,
)
from sklearn_deepnet.nn.activations import ACTIVATIONS, Activation, relu
from sklearn_deepnet.nn.numeric_features import PeriodicFeatures
from sklearn_deepnet.onnx import register_converters, to_onnx
from sklearn_deepnet.onnx.activations import NODES
from tests.helpers import cancer, diabetes, iris, raises, wine
from tests.onnx.helpers import (
    DTYPES,
    ERROR,
    assert_same_classes,
    assert_same_numbers,
    classifier,
    regressor,
    run,
)

X_iris, y_iris = scale(iris()[0]), iris()[1]
X_digits, y_digits = scale(load_digits().data), load_digits().target
CLASSES = {
    "two classes": cancer(),
    "three classes": (X_iris, y_iris),
    "ten classes": (X_digits, y_digits),
    "several labels": (X_digits, (y_digits[:, np.newaxis] == [1, 3, 5]).astype(int)),
    "names": (wine()[0], load_wine().target_names[wine()[1]]),
}
NUMBERS = {
    "one target": diabetes(),
    "three targets": (scale(load_linnerud().data), load_linnerud().target),
}


def assert_exported(assert_same, fitted, X, dtype):
    X = X.astype(dtype)
    assert_same(run(to_onnx(fitted, dtype=dtype), X), fitted, X)


# ---- activations


def test_every_activation_is_exported():
    assert NODES.keys() == ACTIVATIONS.keys()


def one_unit(activation, dtype):
    """Return the network that computes the activation of its only feature."""
    net = regressor((1,), activation=activation, dtype=dtype, target_scaling=None)
    net.fit(np.zeros((2, 1)), np.zeros(2))
    net._params[:] = [1, 0, 1, 0]
    return net


@DTYPES
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_errs_by_a_few_roundings(name, dtype):
    far = np.array([88, 89, 104, 710, 750, 1e10, 1e30])
    z = np.concatenate([np.linspace(-30, 30, 6001), far, -far])[:, np.newaxis]
    net = one_unit(name, dtype)
    expected = net.predict(z.astype(dtype))
    found = run(to_onnx(net), z.astype(dtype))["variable"][:, 0]
    error = np.abs(found - expected) / np.maximum(1, np.abs(expected))
    assert error.max() < {"float32": 3e-7, "float64": 1e-15}[dtype]


# ---- classifiers


@DTYPES
@pytest.mark.parametrize("data", CLASSES)
def test_classifier_is_exported(data, dtype):
    X, y = CLASSES[data]
    net = classifier().fit(X, y)
    assert_exported(assert_same_classes, net, X, dtype)


@DTYPES
@pytest.mark.parametrize("n_estimators", [1, 5])
@pytest.mark.parametrize("data", CLASSES)
def test_ensemble_of_classifiers_is_exported(data, n_estimators, dtype):
    X, y = CLASSES[data]
    net = classifier((8,), learning_rate=0.03, n_iter=3)
    ensemble = DeepNetEnsembleClassifier(
        net, n_estimators=n_estimators, random_state=0
    ).fit(X, y)
    assert_exported(assert_same_classes, ensemble, X, dtype)


@DTYPES
def test_model_has_the_dtype_of_the_weights_by_default(dtype):
    net = classifier(dtype=dtype).fit(X_iris, y_iris)
    X = X_iris.astype(dtype)
    assert_same_classes(run(to_onnx(net), X), net, X)


def test_network_without_hidden_layers_is_exported():
    net = classifier(()).fit(X_iris, y_iris)
    assert_same_classes(run(to_onnx(net), X_iris), net, X_iris)


@pytest.mark.parametrize(
    ("labels", "dtype"),
    [
        (["setosa", "versicolor", "virginica"], object),
        (np.array(["a", "b", "ü"], dtype=object), object),
        ([-5, 7, 10**12], np.int64),
        (np.array([3, 4, 200], np.uint8), np.int64),
        ([-1.0, 2.0, 4.0], np.int64),
        ([False, True, True], np.int64),
    ],
    ids=["str", "object", "int", "uint8", "float", "bool"],
)
def test_labels_are_those_of_training(labels, dtype):
    y = np.asarray(labels)[y_iris]
    net = classifier().fit(X_iris, y)
    for fitted in (net, DeepNetEnsembleClassifier(net, n_estimators=2).fit(X_iris, y)):
        label = run(to_onnx(fitted), X_iris)["label"]
        assert label.dtype == dtype
        assert label.tolist() == fitted.predict(X_iris).tolist()


@pytest.mark.parametrize("labels", [[0.5, 1.0, 2.0], [b"a", b"b", b"c"], [0, 1, 1e300]])
def test_labels_that_onnx_lacks_raise(labels):
    net = classifier().fit(X_iris, y_iris)
    net.classes_ = np.array(labels)
    message = (
        f"The classes are {net.classes_!r}, but a label in ONNX must be a 64-bit "
        "integer or a string. Train with such labels."
    )
    with raises(message):
        to_onnx(net)


@pytest.mark.parametrize("y", [[0, 1], [0, 1, 2], [[0, 1], [1, 0]]])
def test_a_tie_is_broken_as_predict_does(y):
    X = np.eye(len(y))
    net = classifier().fit(X, y)
    net._params[:] = 0
    assert run(to_onnx(net), X)["label"].tolist() == net.predict(X).tolist()
    ensemble = DeepNetEnsembleClassifier(net).fit(X, y)
    for member in ensemble.estimators_:
        member._params[:] = 0
    assert run(to_onnx(ensemble), X)["label"].tolist() == ensemble.predict(X).tolist()


def with_last_bias(net, bias):
    net._params[:] = 0
    net._params[-1] = bias
    return net


@pytest.mark.parametrize("y", [["no", "yes"], [[0, 1], [1, 1]]])
def test_label_is_right_where_the_probability_is_rounded_to_one_half(y):
    X = np.eye(2)
    net = with_last_bias(classifier().fit(X, y), 1e-20)
    ensemble = DeepNetEnsembleClassifier(net, n_estimators=1).fit(X, y)
    with_last_bias(ensemble.estimators_[0], 1e-20)
    for fitted in (net, ensemble):
        label = run(to_onnx(fitted), X)["label"]
        assert label.tolist() == fitted.predict(X).tolist()
    assert net.predict(X).tolist() != ensemble.predict(X).tolist()


@DTYPES
@pytest.mark.parametrize("z", [-1e5, -800.0, -40.0, -20.0, 20.0, 40.0, 800.0, 1e5])
@pytest.mark.parametrize("y", [[0, 1], [0, 1, 2], [[0, 1], [1, 1]]])
def test_tiny_probabilities_are_as_exact_as_others(y, z, dtype):
    X = np.eye(len(y))
    net = with_last_bias(classifier(dtype=dtype, n_iter=0).fit(X, y), z)
    p = run(to_onnx(net), X.astype(dtype))["probabilities"]
    expected = net.predict_proba(X)
    tiny = np.finfo(dtype).tiny  # less is computed as 0, or not
    np.testing.assert_allclose(p, expected, rtol=ERROR[dtype], atol=tiny)


# ---- scaling of X


UNITS = 10.0 ** np.arange(-6, 7)
X_wine, y_wine = wine()
RAW = (X_wine + 5) * UNITS
RAW[:, 4] = 7.0  # constant
TIMES = X_wine.copy()
TIMES[:, 3] = 1.7e9 + 1e4 * TIMES[:, 3].round(2)
SCALINGS = ["auto", "standard", "robust", None]


@DTYPES
@pytest.mark.parametrize("scaling", SCALINGS[:3])
@pytest.mark.parametrize("X", [RAW, TIMES], ids=["units", "times"])
def test_scaling_is_exported(X, scaling, dtype):
    own = {"input_scaling": scaling, "dtype": dtype}
    net = classifier(**own).fit(X, y_wine)
    assert_exported(assert_same_classes, net, X, dtype)
    net = regressor(**own).fit(X, y_wine)
    assert_exported(assert_same_numbers, net, X, dtype)


@DTYPES
def test_squashed_outliers_are_exported(dtype):
    net = regressor(input_scaling="robust", dtype=dtype).fit(RAW, y_wine)
    outliers = RAW.copy()
    outliers[::3, 0] *= 1e35
    assert_exported(assert_same_numbers, net, outliers, dtype)


@DTYPES
@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("shared", [True, False])
def test_members_that_scale_in_their_own_ways_are_exported(shared, scaling, dtype):
    X = X_wine if scaling is None else RAW
    options = {"bootstrap": not shared, "n_estimators": 3, "random_state": 0}
    net = classifier(input_scaling=scaling)
    ensemble = DeepNetEnsembleClassifier(net, **options).fit(X, y_wine)
    assert_exported(assert_same_classes, ensemble, X, dtype)
    onnx.checker.check_model(to_onnx(ensemble, dtype=dtype), full_check=True)
    net = regressor(input_scaling=scaling)
    ensemble = DeepNetEnsembleRegressor(net, **options).fit(X, y_wine)
    assert_exported(assert_same_numbers, ensemble, X, dtype)


@pytest.mark.parametrize("scaling", SCALINGS[:3])
@pytest.mark.parametrize("n_estimators", [1, 3])
def test_times_keep_their_seconds_if_a_model_takes_float32(n_estimators, scaling):
    net = classifier(input_scaling=scaling).fit(TIMES, y_wine)
    assert_exported(assert_same_classes, net, TIMES, "float32")
    options = {"bootstrap": True, "n_estimators": n_estimators, "random_state": 0}
    ensemble = DeepNetEnsembleClassifier(net, **options).fit(TIMES, y_wine)
    assert_exported(assert_same_classes, ensemble, TIMES, "float32")


# ---- numeric features


@DTYPES
@pytest.mark.parametrize("scaling", SCALINGS)
def test_numeric_features_are_exported(scaling, dtype):
    X = X_wine if scaling is None else RAW
    own = {"input_scaling": scaling, "numeric_features": PeriodicFeatures(3, 0.5)}
    net = classifier(dtype=dtype, **own).fit(X, y_wine)
    assert_exported(assert_same_classes, net, X, dtype)
    net = regressor(dtype=dtype, **own).fit(X, y_wine)
    assert_exported(assert_same_numbers, net, X, dtype)


@DTYPES
@pytest.mark.parametrize("shared", [True, False])
def test_members_with_numeric_features_are_exported(shared, dtype):
    options = {"bootstrap": not shared, "n_estimators": 3, "random_state": 0}
    net = classifier(numeric_features="periodic")
    ensemble = DeepNetEnsembleClassifier(net, **options).fit(RAW, y_wine)
    assert_exported(assert_same_classes, ensemble, RAW, dtype)
    onnx.checker.check_model(to_onnx(ensemble, dtype=dtype), full_check=True)
    net = regressor(numeric_features="periodic", input_scaling=None)
    ensemble = DeepNetEnsembleRegressor(net, **options).fit(X_wine, y_wine)
    assert_exported(assert_same_numbers, ensemble, X_wine, dtype)


# ---- regressors


@DTYPES
@pytest.mark.parametrize("target_scaling", ["standard", None])
@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
@pytest.mark.parametrize("data", NUMBERS)
def test_regressor_is_exported(data, loss, target_scaling, dtype):
    X, y = NUMBERS[data]
    net = regressor(loss=loss, target_scaling=target_scaling).fit(X, y)
    assert_exported(assert_same_numbers, net, X, dtype)


@DTYPES
@pytest.mark.parametrize("n_estimators", [1, 5])
@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
@pytest.mark.parametrize("data", NUMBERS)
def test_ensemble_of_regressors_is_exported(data, loss, n_estimators, dtype):
    X, y = NUMBERS[data]
    ensemble = DeepNetEnsembleRegressor(
        regressor(loss=loss), n_estimators=n_estimators, bootstrap=True, random_state=0
    ).fit(X, y)
    assert_exported(assert_same_numbers, ensemble, X, dtype)


def test_targets_are_scaled_by_one_product_in_float64():
    """A quotient of y and 1 / 49 is rounded twice."""
    net = one_unit("identity", "float64")
    net.target_scale_ = np.array([49.0])
    y = np.arange(1.0, 100.0)[:, np.newaxis]
    assert (run(to_onnx(net), y)["variable"] == 49 * y).all()


def test_targets_far_from_zero_keep_what_they_vary_by_in_float64():
    """In float32, numbers of that size are 8 apart."""
    X, y = diabetes()
    X, far = X.astype(np.float32), y + 1e8
    net = regressor().fit(X, far)
    expected = net.predict(X)
    outputs = run(to_onnx(net, dtype="float64"), X.astype(float))
    np.testing.assert_allclose(*outputs.values(), expected[:, None], rtol=0, atol=1e-3)
    (rounded,) = run(to_onnx(net), X).values()
    np.testing.assert_allclose(rounded, expected[:, None], rtol=0, atol=16)


# ---- models


FITTED = {
    "classifier": classifier().fit(X_iris, y_iris),
    "named": classifier().fit(*CLASSES["names"]),
    "several labels": classifier().fit(*CLASSES["several labels"]),
    "ensemble": DeepNetEnsembleClassifier(classifier(), n_estimators=2).fit(
        X_iris, y_iris
    ),
    "regressor": regressor().fit(*NUMBERS["three targets"]),
    "ensemble of regressors": DeepNetEnsembleRegressor(
        regressor(activation="gelu"), n_estimators=2
    ).fit(*NUMBERS["one target"]),
}


@DTYPES
@pytest.mark.parametrize("fitted", FITTED.values(), ids=FITTED)
def test_model_passes_the_strictest_check_of_onnx(fitted, dtype):
    onnx.checker.check_model(to_onnx(fitted, dtype=dtype), full_check=True)


@pytest.mark.parametrize("fitted", FITTED.values(), ids=FITTED)
def test_model_is_of_2022_so_that_old_runtimes_read_it(fitted):
    model = to_onnx(fitted)
    assert model.ir_version == 8
    assert [(it.domain, it.version) for it in model.opset_import] == [("", 17)]


@pytest.mark.parametrize("n_rows", [1, 3])
@pytest.mark.parametrize("fitted", FITTED.values(), ids=FITTED)
def test_outputs_have_the_declared_shapes_for_any_number_of_rows(fitted, n_rows):
    session = InferenceSession(to_onnx(fitted).SerializeToString())
    (model_input,) = session.get_inputs()
    assert model_input.shape[1:] == [fitted.n_features_in_]
    X = np.zeros((n_rows, fitted.n_features_in_))
    for output, found in zip(
        session.get_outputs(), session.run(None, {"X": X}), strict=True
    ):
        assert isinstance(output.shape[0], str | None)
        assert found.shape == (n_rows, *output.shape[1:])


def test_model_names_its_producer():
    model = to_onnx(FITTED["classifier"])
    assert model.producer_name == "sklearn_deepnet"
    assert model.graph.name == "DeepNetClassifier"
    assert [it.name for it in model.graph.output] == ["label", "probabilities"]


# ---- errors


def test_unfitted_network_raises():
    with pytest.raises(NotFittedError):
        to_onnx(classifier())


@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(),
        None,
        StackedGridSearchCV(classifier(), {"alpha": [0.1]}, cv=2).fit(X_iris, y_iris),
    ],
)
def test_other_estimators_raise(estimator):
    message = (
        "estimator must be a DeepNetClassifier, a DeepNetRegressor or an ensemble of "
        f"these. Got an object of class {type(estimator).__name__} instead. To "
        "convert a pipeline or a search, call register_converters() and then "
        "skl2onnx.to_onnx."
    )
    with raises(message, TypeError):
        to_onnx(estimator)


def test_activation_of_the_user_raises():
    mine = Activation("mine", relu.forward, relu.backward, overwrites_z=True)
    net = classifier((4, 4), activation=["relu", mine], n_iter=1).fit(X_iris, y_iris)
    message = (
        f"activation={mine!r} cannot be converted to ONNX. Train with one of "
        f"{sorted(ACTIVATIONS)}."
    )
    with raises(message):
        to_onnx(net)


def test_numbers_beyond_float32_raise():
    net = one_unit("relu", "float64")
    net.target_scale_ = np.array([-1e300])
    message = (
        "The network contains numbers up to 1e+300, which are too large for float32. "
        "Export it in float64."
    )
    with raises(message):
        to_onnx(net, dtype="float32")
    assert run(to_onnx(net), np.ones((1, 1)))["variable"] == -1e300


def test_unknown_dtype_raises():
    with pytest.raises(ValueError, match="dtype must be 'float32', 'float64'"):
        to_onnx(FITTED["classifier"], dtype="float16")


class Rounding(DeepNetClassifier):
    def predict_proba(self, X):
        return super().predict_proba(X).round()


class OwnPredict(DeepNetClassifier):
    def predict(self, X):
        return super().predict(X)


class Positive(DeepNetEnsembleRegressor):
    def predict(self, X, return_std=False):
        return abs(super().predict(X))


class Renamed(DeepNetClassifier):
    pass


@pytest.mark.parametrize(
    ("fitted", "name"),
    [
        (Rounding((4,), n_iter=1, tol=None).fit(X_iris, y_iris), "predict_proba"),
        (OwnPredict((4,), n_iter=1, tol=None).fit(X_iris, y_iris), "predict"),
        (Positive(regressor(n_iter=1)).fit(*NUMBERS["one target"]), "predict"),
    ],
)
def test_class_that_predicts_in_another_way_raises(fitted, name):
    message = (
        f"The class of estimator={fitted!r} overrides {name}, which cannot be "
        "converted to ONNX. Give a fitted estimator whose class does not override it."
    )
    with raises(message):
        to_onnx(fitted)


def test_subclass_that_predicts_alike_is_exported():
    net = Renamed((4,), n_iter=5, tol=None, random_state=0).fit(X_iris, y_iris)
    assert_same_classes(run(to_onnx(net), X_iris), net, X_iris)


# ---- imports


@pytest.mark.slow
def test_onnx_is_imported_when_it_is_needed_only():
    code = (
        "import sys, sklearn_deepnet.onnx;"
        "print({'onnx', 'skl2onnx', 'onnxruntime'} & sys.modules.keys())"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize(
    ("call", "package"),
    [(lambda: to_onnx(None), "onnx"), (register_converters, "skl2onnx")],
    ids=["to_onnx", "register_converters"],
)
def test_missing_package_is_named(call, package, request, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    message = (
        f"{request.node.callspec.id} requires the package {package}. Install it by "
        "'pip install onnx skl2onnx'."
    )
    with raises(message, ImportError):
        call()
