"""Labels of any kind come back as they were; wrong data raise one clear sentence."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning
from sklearn.model_selection import train_test_split
from sklearn.utils.multiclass import check_classification_targets

from sklearn_deepnet import (
    DeepNetClassifier,
    DeepNetEnsembleClassifier,
    DeepNetRegressor,
    make_table_pipeline,
)
from tests.helpers import cancer, digits, exactly, network_factory, wine

X, y = wine()


net = network_factory("hidden_layer_sizes", hidden_layer_sizes=(4,), n_iter=1)


WITH_NAN, WITH_INFINITY = X.copy(), X.copy()
WITH_NAN[3, 3], WITH_INFINITY[3, 3] = np.nan, np.inf
THREE_COLUMNS = np.stack([y, y, y], axis=1)
TEXTS = X.astype(object)
TEXTS[3, 3] = "red"


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (X[:0], y[:0], "Found array with 0 sample(s) (shape=(0, 13)) while a minimum"),
        (X[:, :0], y, "Found array with 0 feature(s) (shape=(178, 0)) while a minimum"),
        (X[:, 0], y, "Expected 2D array, got 1D array instead:"),
        (X[..., np.newaxis], y, "Found array with dim 3"),
        (X[:9], y, "Found input variables with inconsistent numbers of samples: [9, 1"),
        (
            WITH_NAN,
            y,
            "Input X contains NaN. A network takes only numbers. make_table_pipeline("
            "DeepNetClassifier()) encodes text, dates and missing values first.",
        ),
        (WITH_INFINITY, y, "Input X contains infinity or a value too large for dtype("),
        (
            TEXTS,
            y,
            "X contains text: could not convert string to float: 'red'. A network "
            "takes only numbers. make_table_pipeline(DeepNetClassifier()) encodes "
            "text, dates and missing values first.",
        ),
        (X.astype(str), y, "X contains text. A network takes only numbers. make_table"),
        (X + 1j, y, "Complex data not supported"),
        (X, None, "This DeepNetClassifier estimator requires y to be passed, but the "),
        (
            X,
            THREE_COLUMNS,
            "y has 3 columns and contains [2], but an indicator matrix of labels ",
        ),
        (X, np.where(y == 1, np.nan, y), "Input y contains NaN."),
        (X, X[:, 0], "Unknown label type: continuous."),
    ],
)
def test_bad_data_are_reported_in_one_sentence(X, y, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        net().fit(X, y)


def test_a_column_of_labels_is_taken_with_a_warning():
    with pytest.warns(DataConversionWarning, match="A column-vector y was passed"):
        fitted = net().fit(X, y[:, np.newaxis])
    np.testing.assert_array_equal(fitted.coefs_[0], net().fit(X, y).coefs_[0])


@pytest.mark.parametrize(
    ("y", "classes", "message"),
    [
        (
            y,
            None,
            "The first call of partial_fit requires classes, which contains the "
            "labels of all classes that can occur in any call.",
        ),
        (
            y,
            [2],
            "y contains [0, 1], which are not among the classes [2] of this network.",
        ),
        (
            y,
            [2, 0],
            "y contains [1], which are not among the classes [0, 2] of this network.",
        ),
        (
            np.array(["a", "b", "c"])[y],
            ["c", "d", "e"],
            "y contains ['a', 'b'], which are not among the classes ['c', 'd', 'e'] "
            "of this network.",
        ),
    ],
)
def test_bad_classes_are_reported_by_partial_fit(y, classes, message):
    with pytest.raises(ValueError, match=exactly(message)):
        net().partial_fit(X, y, classes=classes)


def test_a_message_does_not_list_every_row():
    fitted = net().partial_fit(X, y, classes=[0, 1, 2])
    message = (
        "y contains [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, ...], which are not among the "
        "classes [0, 1, 2] of this network."
    )
    with pytest.raises(ValueError, match=exactly(message)):
        fitted.partial_fit(X, np.arange(178) % 60)


def test_classes_may_be_given_in_any_order_again():
    fitted = net().partial_fit(X, y, classes=[2, 0, 1, 1])
    assert fitted.classes_.tolist() == [0, 1, 2]
    assert fitted.partial_fit(X[:5], y[:5], classes=[1, 2, 0]).n_iter_ == 2


@pytest.mark.parametrize(
    "method", ["predict", "predict_proba", "predict_log_proba", "decision_function"]
)
@pytest.mark.parametrize(
    ("X", "message"),
    [
        (
            X[:, 1:],
            "X has 12 features, but DeepNetClassifier is expecting 13 feat",
        ),
        (X[0], "Expected 2D array, got 1D array instead:"),
        (X[:0], "Found array with 0 sample(s)"),
        (WITH_NAN, "Input X contains NaN."),
        (WITH_INFINITY, "Input X contains infinity or a value too large for dtype("),
    ],
)
def test_bad_data_are_reported_by_predictions(method, X, message):
    fitted = net().fit(*wine())
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        getattr(fitted, method)(X)


# ---- labels


@pytest.mark.parametrize(
    "names",
    [
        np.array(["malignant", "benign"]),
        np.array(["malignant", "benign"], dtype=object),
        np.array([7, 100]),
        np.array([-3, -40]),
        np.array([-1, 1]),
        np.array([False, True]),
        np.array([0.0, 2.0]),
    ],
    ids=repr,
)
def test_labels_of_any_kind_are_learned(names):
    X, X_test, y, y_test = train_test_split(*cancer(), random_state=0)
    fitted = net(16, n_iter=40, learning_rate=0.01).fit(X, names[y])
    np.testing.assert_array_equal(fitted.classes_, np.unique(names))
    predicted = fitted.predict(X_test)
    assert predicted.dtype == names.dtype
    assert np.mean(predicted == names[y_test]) > 0.95


def test_ten_labels_with_gaps_are_learned():
    X, X_test, y, y_test = train_test_split(*digits(), random_state=0)
    fitted = net(16, n_iter=30, learning_rate=0.01).fit(X, 10 * y - 35)
    assert fitted.classes_.tolist() == [*range(-35, 65, 10)]
    assert fitted.score(X_test, 10 * y_test - 35) > 0.9


def test_series_of_categories_are_learned():
    X, y = cancer()
    y = pd.Series(np.where(y == 1, "benign", "malignant"), dtype="category")
    fitted = net(16, n_iter=40, learning_rate=0.01).fit(X, y)
    assert fitted.classes_.tolist() == ["benign", "malignant"]
    assert fitted.score(X, y) > 0.95


@pytest.mark.parametrize("kind", ["int8", "uint8", "int64", "float32", "<U1"])
def test_partial_fit_knows_its_labels_by_value(kind):
    X, y = cancer()
    fitted = net().partial_fit(X, y.astype(kind), classes=np.unique(y.astype(kind)))
    expected = net().partial_fit(X, y, classes=[0, 1])
    assert fitted.classes_.dtype == kind
    np.testing.assert_array_equal(fitted.coefs_[0], expected.coefs_[0])
    np.testing.assert_array_equal(fitted.predict(X), expected.predict(X).astype(kind))


@pytest.mark.parametrize("as_kind", [int, float, str])
def test_labels_that_may_be_numbers_to_predict_are_said(as_kind):
    """As by scikit-learn, from version 1.7."""
    labels = np.arange(40).astype(as_kind)
    found = []
    for check in (check_classification_targets, lambda y: net().fit(X[:40], y)):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            check(labels)
        found.append([str(warning.message) for warning in caught])
    assert found[0] == found[1]


FRAMES = {
    "text": pd.DataFrame({"city": ["Rome", "Oslo"] * 10}),
    "categories": pd.DataFrame({"city": pd.Categorical(["Rome", "Oslo"] * 10)}),
    "missing": pd.DataFrame({"age": [1.0, np.nan] * 10}),
    "missing integers": pd.DataFrame({"age": pd.array([1, None] * 10, "Int64")}),
}


@pytest.mark.parametrize("call", ["fit", "predict"])
@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.parametrize(
    "estimator",
    [
        DeepNetClassifier(n_iter=1, tol=None),
        DeepNetEnsembleClassifier(),
        DeepNetRegressor(n_iter=1, tol=None),
    ],
    ids=lambda it: type(it).__name__,
)
def test_what_is_no_number_gets_the_advice_of_a_table_pipeline(estimator, name, call):
    X, y = FRAMES[name], [0, 1] * 10
    model = clone(estimator)
    if call == "predict":
        model.fit(np.arange(20.0).reshape(-1, 1), y)
        X = X.to_numpy()
    of_class = type(estimator).__name__
    with pytest.raises(ValueError, match=f"make_table_pipeline\\({of_class}\\(\\)\\)"):
        model.fit(X, y) if call == "fit" else model.predict(X)
    make_table_pipeline(clone(estimator)).fit(FRAMES[name], y)  # and it helps
