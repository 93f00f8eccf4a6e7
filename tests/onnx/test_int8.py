"""Models that onnxruntime quantizes to 8 bits predict almost what the others predict.

`quantize_dynamic` and `quantize_static` run at their defaults. They are calibrated on
one half of the samples, and compared on the other.
"""

import numpy as np
import onnx
import pandas as pd
import pytest
import skl2onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    quantize_dynamic,
    quantize_static,
)
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_deepnet import (
    DeepNetEnsembleClassifier,
    DeepNetEnsembleRegressor,
    make_table_pipeline,
)
from sklearn_deepnet.nn.activations import ACTIVATIONS
from sklearn_deepnet.nn.losses import quantile
from sklearn_deepnet.nn.numeric_features import PeriodicFeatures
from sklearn_deepnet.onnx import register_converters, to_onnx
from tests.helpers import cancer, diabetes, digits, wine
from tests.onnx.helpers import classifier, regressor, run

FORMATS = pytest.mark.parametrize("how", ["dynamic", "QDQ", "QOperator"])


class Samples(CalibrationDataReader):
    """Give all samples at once, so that the range of each tensor can be measured."""

    def __init__(self, inputs):
        self.batches = iter([inputs])

    def get_next(self):
        return next(self.batches, None)


def quantize(model, inputs, how, folder, **options):
    """Return the model in 8 bits."""
    # A model that is given as an object is changed in place.
    given, path = folder / "model.onnx", folder / "int8.onnx"
    onnx.save(model, given)
    if how == "dynamic":
        quantize_dynamic(given, path, **options)
    else:
        samples, form = Samples(inputs), QuantFormat[how]
        quantize_static(given, path, samples, quant_format=form, **options)
    return onnx.load(path)


def n_matrices(model, type_):
    constants = model.graph.initializer
    return sum(it.data_type == type_ and len(it.dims) > 1 for it in constants)


def rows_of(inputs, rows):
    return {name: values[rows] for name, values in inputs.items()}


def predictions(model, inputs, how, folder):
    """Return the outputs of the model and of the quantized one."""
    calibration = rows_of(inputs, slice(0, None, 2))
    rest = rows_of(inputs, slice(1, None, 2))
    found = quantize(model, calibration, how, folder)
    assert n_matrices(found, onnx.TensorProto.INT8) >= 3  # one for each layer
    return run(model, rest), run(found, rest)


def assert_close_classes(outputs):
    """Compare labels, and require probabilities in [0, 1] whose sum is 1.

    The logits have 8 bits, but the probabilities are computed from these in float32.
    """
    expected, found = outputs
    assert (found["label"] != expected["label"]).mean() <= 0.02
    p = found["probabilities"]
    assert np.isfinite(p).all()
    assert 0 <= p.min() <= p.max() <= 1
    assert np.abs(p - expected["probabilities"]).mean() < 0.01
    if found["label"].ndim == 1:
        np.testing.assert_allclose(p.sum(axis=1), 1, rtol=0, atol=1e-6)


def assert_close_numbers(outputs):
    """Compare each column with the spread of its predictions."""
    (expected,), (found,) = (it.values() for it in outputs)
    error = np.sqrt(np.square(found - expected).mean(axis=0))
    assert (error < 0.05 * expected.std(axis=0)).all()


# ---- outputs


X_digits, y_digits = digits()
LABELS = (y_digits[:, np.newaxis] == [1, 3, 5]).astype(int)
CLASSES = {
    "two classes": cancer(),
    "three classes": (X_digits, y_digits % 3),
    "ten classes": (X_digits, y_digits),
    "several labels": (X_digits, LABELS),
}
NUMBERS = {
    "number": ("squared_error", *diabetes()),
    "number far from zero": ("squared_error", diabetes()[0], diabetes()[1] + 1e5),
    "numbers of several units": (
        "squared_error",
        diabetes()[0],
        np.stack([diabetes()[1] * 1e3, diabetes()[0][:, 2] + 5], axis=1),
    ),
    "counts": ("poisson", *diabetes()),
    "quantiles": (quantile([0.1, 0.5, 0.9]), *diabetes()),
}


def fitted_classifier(X, y, n_estimators=None, **options):
    net = classifier(**{"n_iter": 30, "dtype": "float32"} | options)
    if n_estimators is not None:
        net = DeepNetEnsembleClassifier(net, n_estimators=n_estimators, random_state=0)
    return net.fit(X, y)


def fitted_regressor(X, y, n_estimators=None, **options):
    net = regressor(**{"n_iter": 30, "dtype": "float32"} | options)
    if n_estimators is not None:
        net = DeepNetEnsembleRegressor(net, n_estimators=n_estimators, random_state=0)
    return net.fit(X, y)


@FORMATS
@pytest.mark.parametrize("n_estimators", [None, 3])
@pytest.mark.parametrize("data", CLASSES)
def test_labels_agree_in_8_bits(data, n_estimators, how, tmp_path):
    X, y = CLASSES[data]
    model = to_onnx(fitted_classifier(X, y, n_estimators))
    outputs = predictions(model, {"X": X.astype(np.float32)}, how, tmp_path)
    assert_close_classes(outputs)


@FORMATS
@pytest.mark.parametrize("n_estimators", [None, 3])
@pytest.mark.parametrize("data", NUMBERS)
def test_numbers_agree_in_8_bits(data, n_estimators, how, tmp_path):
    loss, X, y = NUMBERS[data]
    model = to_onnx(fitted_regressor(X, y, n_estimators, loss=loss))
    outputs = predictions(model, {"X": X.astype(np.float32)}, how, tmp_path)
    assert_close_numbers(outputs)


# ---- activations


@FORMATS
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_agrees_in_8_bits(activation, how, tmp_path):
    X, y = CLASSES["ten classes"]
    model = to_onnx(fitted_classifier(X, y, activation=activation))
    outputs = predictions(model, {"X": X.astype(np.float32)}, how, tmp_path)
    assert_close_classes(outputs)
    X, y = diabetes()
    model = to_onnx(fitted_regressor(X, y, activation=activation))
    outputs = predictions(model, {"X": X.astype(np.float32)}, how, tmp_path)
    assert_close_numbers(outputs)


# ---- inputs


UNITS = 10.0 ** np.arange(-6, 7)


@FORMATS
@pytest.mark.parametrize("scaling", ["auto", "standard", "robust"])
def test_units_of_columns_do_not_matter_in_8_bits(scaling, how, tmp_path):
    X, y = (wine()[0] + 5) * UNITS, wine()[1]
    model = to_onnx(fitted_classifier(X, y, input_scaling=scaling))
    outputs = predictions(model, {"X": X.astype(np.float32)}, how, tmp_path)
    assert_close_classes(outputs)


@FORMATS
def test_squashed_outliers_agree_in_8_bits(how, tmp_path):
    X, y = diabetes()
    outliers = X.copy()
    outliers[::7, 0] *= 1e4
    model = to_onnx(fitted_regressor(X, y, input_scaling="robust"))
    outputs = predictions(model, {"X": outliers.astype(np.float32)}, how, tmp_path)
    assert_close_numbers(outputs)


@FORMATS
@pytest.mark.parametrize("n_estimators", [None, 3])
def test_numeric_features_agree_in_8_bits(n_estimators, how, tmp_path):
    X, y = diabetes()
    features = PeriodicFeatures(8, 0.8)
    model = to_onnx(fitted_regressor(X, y, n_estimators, numeric_features=features))
    outputs = predictions(model, {"X": X.astype(np.float32)}, how, tmp_path)
    assert_close_numbers(outputs)


# ---- pipelines


def columns_of(table):
    """Return the inputs of a model, in the types that it declares."""
    types, columns = [], {}
    for name in table:
        is_number = pd.api.types.is_numeric_dtype(table[name])
        type_, dtype = (
            (FloatTensorType, np.float32) if is_number else (StringTensorType, object)
        )
        types.append((name, type_([None, 1])))
        columns[name] = table[[name]].to_numpy(dtype)
    return types, columns


def convert(model, types):
    register_converters()
    return skl2onnx.to_onnx(model, initial_types=types, target_opset=17)


@FORMATS
def test_pipeline_agrees_in_8_bits(how, tmp_path):
    X, y = cancer()
    pipeline = make_pipeline(StandardScaler(), fitted_classifier(X, y)).fit(X * 7, y)
    model = convert(pipeline, [("X", FloatTensorType([None, X.shape[1]]))])
    outputs = predictions(model, {"X": (X * 7).astype(np.float32)}, how, tmp_path)
    assert_close_classes(outputs)


@FORMATS
def test_columns_of_a_frame_agree_in_8_bits(how, tmp_path):
    names = [f"x{k}" for k in range(13)]
    X = pd.DataFrame((wine()[0] + 5) * UNITS, columns=names)
    types, columns = columns_of(X)
    model = convert(fitted_classifier(X, wine()[1]), types)
    assert_close_classes(predictions(model, columns, how, tmp_path))


@FORMATS
def test_table_agrees_in_8_bits(how, tmp_path):
    rng = np.random.default_rng(0)
    age, income = rng.normal(40, 10, 600), rng.normal(5e4, 1e4, 600)
    city = rng.choice(["Rome", "Oslo", "Lima"], 600)
    y = (age - 40) / 10 + (income - 5e4) / 1e4 + (city == "Oslo") > 0
    table = pd.DataFrame({"age": age, "income": income, "city": city.astype(object)})
    table.loc[::9, "age"] = np.nan
    model = make_table_pipeline(classifier(n_iter=30, dtype="float32")).fit(table, y)
    types, columns = columns_of(table)
    outputs = predictions(convert(model, types), columns, how, tmp_path)
    assert_close_classes(outputs)


# ---- choices of the user


@FORMATS
def test_float64_is_not_quantized(how, tmp_path):
    X, y = CLASSES["three classes"]
    model = to_onnx(fitted_classifier(X, y, dtype="float64"))
    found = run(quantize(model, {"X": X}, how, tmp_path), {"X": X})
    expected = run(model, {"X": X})
    np.testing.assert_array_equal(found["probabilities"], expected["probabilities"])


def test_each_unit_may_have_its_own_scale(tmp_path):
    X, y = CLASSES["ten classes"]
    inputs = {"X": X.astype(np.float32)}
    model = to_onnx(fitted_classifier(X, y))
    found = quantize(model, inputs, "QDQ", tmp_path, per_channel=True)
    assert_close_classes((run(model, inputs), run(found, inputs)))


def test_nodes_have_names_by_which_quantizers_exclude_them(tmp_path):
    X, y = CLASSES["ten classes"]
    model = to_onnx(fitted_classifier(X, y))
    names = [node.name for node in model.graph.node]
    assert len(set(names)) == len(names)
    *_, last = (node for node in model.graph.node if node.op_type == "Gemm")
    found = quantize(
        model,
        {"X": X.astype(np.float32)},
        "QDQ",
        tmp_path,
        nodes_to_exclude=[last.name],
    )
    assert n_matrices(found, onnx.TensorProto.INT8) == 2
    assert n_matrices(found, onnx.TensorProto.FLOAT) == 1
