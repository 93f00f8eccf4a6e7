"""Models of pipelines for tables predict what the pipelines predict, gaps included."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
import skl2onnx
from skl2onnx.common.data_types import (
    DoubleTensorType,
    FloatTensorType,
    Int64TensorType,
    StringTensorType,
)
from sklearn.model_selection import GridSearchCV

from sklearn_deepnet import DeepNetEnsembleClassifier, make_table_pipeline
from sklearn_deepnet.onnx import register_converters
from tests.helpers import raises
from tests.onnx.helpers import classifier, regressor, run

N = 300


@pytest.fixture(autouse=True, scope="module")
def _registered():
    register_converters()


def table(seed=0):
    """Return numbers and text with gaps, booleans, whole numbers and codes."""
    rng = np.random.default_rng(seed)
    text = rng.choice(["S", "C", None, ""], N)
    text[0] = "Q"  # rare
    many = np.array([f"level {k}" for k in range(60)], dtype=object)
    return pd.DataFrame(
        {
            "age": np.where(rng.random(N) < 0.2, np.nan, rng.normal(30, 9, N)),
            "count": rng.integers(2**40, size=N),
            "alone": rng.random(N) < 0.5,
            "port": pd.Series(text, dtype=object),
            "sex": rng.choice(["male", "female"], N).astype(object),
            "code": pd.Categorical(rng.integers(3, size=N)),
            "cabin": rng.choice(many, N),
            "street": rng.choice(many[:50], N),
        }
    )


TYPES = [
    ("age", DoubleTensorType([None, 1])),
    ("count", Int64TensorType([None, 1])),
    ("alone", FloatTensorType([None, 1])),
    ("port", StringTensorType([None, 1])),
    ("sex", StringTensorType([None, 1])),
    ("code", Int64TensorType([None, 1])),
    ("cabin", StringTensorType([None, 1])),
    ("street", StringTensorType([None, 1])),
]
DTYPES = {DoubleTensorType: float, FloatTensorType: np.float32, Int64TensorType: int}


def inputs_of(X, types=TYPES):
    """Return what a runtime takes: a column for each input, and empty text for gaps."""
    inputs = {}
    for name, type_ in types:
        column = X[name].fillna("") if type(type_) is StringTensorType else X[name]
        values = column.to_numpy(DTYPES.get(type(type_), object))
        inputs[name] = values.reshape(-1, 1)
    return inputs


def new_rows():
    """Return other rows, with gaps and levels that were not there in training."""
    X = table(seed=1)
    X.loc[1, ["port", "sex", "cabin", "street"]] = "new"
    X.loc[2, ["sex", "cabin", "street"]] = None
    X.loc[3, "port"] = "Q"
    return X


def assert_same(fitted, types=TYPES, atol=1e-12):
    X = new_rows()
    outputs = run(skl2onnx.to_onnx(fitted, initial_types=types), inputs_of(X, types))
    if "label" in outputs:
        np.testing.assert_array_equal(outputs["label"], fitted.predict(X))
        found, expected = outputs["probabilities"], fitted.predict_proba(X)
    else:
        (found,), expected = outputs.values(), fitted.predict(X)
    expected = expected.reshape(found.shape)
    np.testing.assert_allclose(found, expected, rtol=0, atol=atol)


COUNTING = np.arange(N)
MODELS = {
    "two classes": (classifier(), COUNTING % 2),
    "three classes": (classifier(), np.array([*"abc"])[COUNTING % 3]),
    "labels": (classifier(), np.stack([COUNTING % 2, COUNTING % 3 == 0], axis=1)),
    "a number": (regressor(target_scaling=None), COUNTING / N),
    "an ensemble": (
        DeepNetEnsembleClassifier(classifier(), random_state=0),
        COUNTING % 2,
    ),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.filterwarnings("ignore:Each row of y")
def test_pipeline_is_converted(name):
    estimator, y = MODELS[name]
    assert_same(make_table_pipeline(estimator).fit(table(), y))


def test_search_is_converted():
    grid = {"columns__categories__onehot__min_frequency": [0.01, 0.4, None]}
    model = GridSearchCV(make_table_pipeline(classifier()), grid, cv=2)
    assert_same(model.fit(table(), COUNTING % 2))


def test_columns_that_are_left_out_need_no_input():
    X = table().assign(lists=[[1]] * N, id=[f"row {k}" for k in range(N)])
    model = make_table_pipeline(classifier())
    with pytest.warns(UserWarning, match="The columns"):
        model.fit(X, COUNTING % 2)
    assert_same(model)


def test_float32_is_computed_in_float32():
    X = table().drop(columns=["count", "code"])
    types = [(name, it) for name, it in TYPES if name in X]
    types[0] = ("age", FloatTensorType([None, 1]))
    model = make_table_pipeline(classifier()).fit(X, COUNTING % 2)
    assert_same(model, types, atol=1e-5)
    outputs = run(skl2onnx.to_onnx(model, initial_types=types), inputs_of(X, types))
    assert outputs["probabilities"].dtype == np.float32


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_array_is_one_input(dtype):
    X = table()[["age", "count", "alone"]].to_numpy(dtype=dtype)
    model = make_table_pipeline(classifier()).fit(X, COUNTING % 2)
    outputs = run(skl2onnx.to_onnx(model, X[:1]), X)
    np.testing.assert_allclose(
        outputs["probabilities"], model.predict_proba(X), rtol=0, atol=1e-5
    )


def test_types_may_be_those_of_the_frame():
    X = table().drop(columns=["code"])  # skl2onnx knows no categorical dtype
    model = make_table_pipeline(classifier()).fit(X, COUNTING % 2)
    converted = skl2onnx.to_onnx(model, X[:1])
    inputs = {name: X[[name]].to_numpy() for name in X}
    inputs["port"] = X[["port"]].fillna("").to_numpy()
    found = run(converted, inputs)["probabilities"]
    np.testing.assert_allclose(found, model.predict_proba(X), rtol=0, atol=1e-12)


# ---- what cannot be converted


@pytest.mark.parametrize(
    ("change", "name", "columns"),
    [
        ({}, "dates", ["since"]),
        ({"columns__numbers": "passthrough"}, "numbers", ["age", "count", "alone"]),
        (
            {"columns__categories__onehot__drop": "first"},
            "categories",
            ["port", "sex", "code"],
        ),
        ({"columns__categories__text": None}, "categories", ["port", "sex", "code"]),
    ],
)
def test_other_transformers_are_an_error(change, name, columns):
    X, types = table(), TYPES
    if name == "dates":
        X = X.assign(since=[date(2020, 1, 1 + k % 9) for k in range(N)])
        types = [*TYPES, ("since", StringTensorType([None, 1]))]
    if "columns__categories__text" in change:
        X = X.fillna({"port": ""})
    if name == "numbers":
        X = X.fillna({"age": 0.0})
    model = make_table_pipeline(classifier()).set_params(**change).fit(X, COUNTING % 2)
    message = (
        f"The transformer {name!r} of the step 'columns' cannot be converted to ONNX. "
        f"Drop its columns {columns}, or convert them to numbers or text before you "
        "fit the pipeline."
    )
    with raises(message, NotImplementedError):
        skl2onnx.to_onnx(model, initial_types=types)


def test_missing_input_is_an_error():
    model = make_table_pipeline(classifier()).fit(table(), COUNTING % 2)
    message = (
        "The inputs ['age', 'count', 'alone', 'port', 'sex', 'code', 'cabin'] do not "
        "contain the column 'street'. Name the inputs like the columns of X, or give "
        "one input for each column, in the order of X."
    )
    with raises(message):
        skl2onnx.to_onnx(model, initial_types=TYPES[:-1])


def test_categories_as_floats_are_an_error():
    model = make_table_pipeline(classifier()).fit(table(), COUNTING % 2)
    message = (
        "Columns of categories must be inputs of text or of integers. Got the type "
        "FloatTensorType instead; give StringTensorType([None, 1])."
    )
    types = [*TYPES[:-1], ("street", FloatTensorType([None, 1]))]
    with raises(message):
        skl2onnx.to_onnx(model, initial_types=types)
