"""Values are taken for what they are: numbers, labels, dates, or missing."""

import warnings
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.model_selection import GridSearchCV
from sklearn.utils.multiclass import type_of_target

from sklearn_deepnet import (
    DeepNetEnsembleClassifier,
    DeepNetEnsembleRegressor,
    DeepNetRegressor,
    StackedGridSearchCV,
    fit_stack,
    load_model,
    save_model,
)
from sklearn_deepnet.onnx import to_onnx
from tests.helpers import assert_same_training, network_factory, raises

N = 40
RNG = np.random.RandomState(0)
X = RNG.randn(N, 4)
NUMBERS = X[:, 0] + X[:, 1]
PAIR = np.arange(N) % 2
LABELS = (X[:, :3] > 0).astype(int)

classifier = network_factory("hidden_layer_sizes", hidden_layer_sizes=(4,), n_iter=2)
regressor = network_factory(
    "hidden_layer_sizes", hidden_layer_sizes=(4,), n_iter=2, estimator=DeepNetRegressor
)


def with_one(value):
    """Return the targets as objects, one of which is `value`."""
    y = NUMBERS.astype(object)
    y[3] = value
    return y


# Each way in which an estimator gets a y: the name in messages, and a call.
CLASSIFIERS = {
    "fit": ("y", lambda net, y: net.fit(X, y)),
    "lbfgs": ("y", lambda net, y: net.set_params(solver="lbfgs").fit(X, y)),
    "focal": ("y", lambda net, y: net.set_params(loss="focal").fit(X, y)),
    "smoothing": ("y", lambda net, y: net.set_params(label_smoothing=0.1).fit(X, y)),
    "partial_fit": ("y", lambda net, y: net.partial_fit(X, LABELS).partial_fit(X, y)),
    "warm start": (
        "y",
        lambda net, y: net.set_params(warm_start=True).fit(X, LABELS).fit(X, y),
    ),
    "y_val": ("y_val", lambda net, y: net.fit(X, LABELS, X_val=X, y_val=y)),
    "ensemble": ("y", lambda net, y: DeepNetEnsembleClassifier(net).fit(X, y)),
    "bootstrap": (
        "y",
        lambda net, y: DeepNetEnsembleClassifier(net, bootstrap=True).fit(X, y),
    ),
    "stack": ("y", lambda net, y: fit_stack([net, classifier()], X, y)),
    "search": (
        "y",
        lambda net, y: StackedGridSearchCV(
            net, {"alpha": [0, 1]}, cv=2, error_score="raise"
        ).fit(X, y),
    ),
}
REGRESSORS = {
    "fit": ("y", lambda net, y: net.fit(X, y)),
    "lbfgs": ("y", lambda net, y: net.set_params(solver="lbfgs").fit(X, y)),
    "no scaling": ("y", lambda net, y: net.set_params(target_scaling=None).fit(X, y)),
    "huber": ("y", lambda net, y: net.set_params(loss="huber").fit(X, y)),
    "partial_fit": ("y", lambda net, y: net.partial_fit(X, NUMBERS).partial_fit(X, y)),
    "y_val": ("y_val", lambda net, y: net.fit(X, NUMBERS, X_val=X, y_val=y)),
    "ensemble": ("y", lambda net, y: DeepNetEnsembleRegressor(net).fit(X, y)),
    "ensemble, y_val": (
        "y_val",
        lambda net, y: DeepNetEnsembleRegressor(net).fit(X, NUMBERS, X_val=X, y_val=y),
    ),
    "stack": ("y", lambda net, y: fit_stack([net, regressor()], X, y)),
}


# ---- indicators


@pytest.mark.parametrize("way", CLASSIFIERS)
@pytest.mark.parametrize(
    ("values", "shown", "one"),
    [
        ((-1, 1), "[-1, 1]", "1"),
        ((0, 100), "[0, 100]", "100"),
        ((1, 2), "[1, 2]", "2"),
        ((0, 0.5), "[0.0, 0.5]", "0.5"),
        ((7, 7), "[7]", "7"),
        ((False, 255), "[0, 255]", "255"),
    ],
)
def test_an_indicator_of_other_values_than_0_and_1_is_an_error(values, shown, one, way):
    name, call = CLASSIFIERS[way]
    message = (
        f"{name} has 3 columns and contains {shown}, but an indicator matrix of "
        f"labels contains only 0 and 1. Give ({name} == {one}).astype(int) if {one} "
        "stands for a label."
    )
    with raises(message):
        call(classifier(), np.where(LABELS, values[1], values[0]))


@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csc_array, pd.DataFrame])
def test_the_values_of_an_indicator_of_any_kind_are_checked(kind):
    message = (
        "y has 3 columns and contains [0, 2], but an indicator matrix of labels "
        "contains only 0 and 1. Give (y == 2).astype(int) if 2 stands for a label."
    )
    with raises(message):
        classifier().fit(X, kind(2 * LABELS))


@pytest.mark.parametrize(
    "indicator",
    [
        LABELS.astype(bool),
        LABELS.astype(np.longdouble),
        np.where(LABELS, 1.0, -0.0),
        LABELS.astype(">i2"),
        LABELS.tolist(),
        pd.DataFrame(LABELS).astype("Int64"),
        pd.DataFrame(LABELS.astype(bool)).astype("boolean"),
        sparse.csr_array(LABELS.astype(np.float32)),
    ],
    ids=lambda it: type(it).__name__,
)
def test_zeros_and_ones_of_any_type_are_an_indicator(indicator):
    assert_same_training(classifier().fit(X, indicator), classifier().fit(X, LABELS))


@pytest.mark.parametrize("value", [0, 1])
def test_an_indicator_may_be_constant(value):
    assert classifier().fit(X, np.full((N, 3), value)).n_outputs_ == 3


# ---- numbers


MISSING = "Input {name} contains {what}. Of 40 values, {n} missing. Remove these "
NO_NUMBER = "{name} must contain only numbers. Got {what}. "
TO_DAYS = (
    "Convert them to numbers, for example to days by subtracting a date and dividing "
    "by np.timedelta64(1, 'D')."
)
TO_SECONDS = (
    "Convert them to numbers, for example to seconds by dividing by np.timedelta64(1, "
    "'s')."
)
TO_NUMBERS = "Convert them to numbers first."
DAYS = np.datetime64("2020-01-01") + np.arange(N)


def missing(what, n="1 is"):
    return f"{MISSING}rows, or impute the values.".replace("{what}", what), n


def no_number(what, advice):
    return NO_NUMBER.replace("{what}", what) + advice, ""


INFINITE = (
    "Input {name} contains infinity. Of 40 values, 1 is infinite. Remove these rows, "
    "or replace the values.",
    "",
)
NO_NUMBERS = {
    "None": (with_one(None), missing("None")),
    "NaN": (np.where(np.arange(N) == 3, np.nan, NUMBERS), missing("NaN")),
    "NaN as object": (with_one(np.nan), missing("NaN")),
    "NaN as Decimal": (with_one(Decimal("NaN")), missing("NaN")),
    "NaN as text": (with_one("nan"), missing("NaN")),
    "NaT": (with_one(pd.NaT), missing("NaT")),
    "NA": (with_one(pd.NA), missing("<NA>")),
    "Float64": (pd.Series(with_one(pd.NA), dtype="Float64"), missing("NaN")),
    "Int64": (pd.Series([1, None] * 20, dtype="Int64"), missing("NaN", "20 are")),
    "mask": (np.ma.array(NUMBERS, mask=PAIR), missing("masked values", "20 are")),
    "infinity": (np.where(np.arange(N) == 3, -np.inf, NUMBERS), INFINITE),
    "infinity as object": (with_one(np.inf), INFINITE),
    "infinity as text": (with_one("inf"), INFINITE),
    "text": (with_one("red"), no_number("text, such as 'red'", TO_NUMBERS)),
    "texts": (np.array(["a", "b"])[PAIR], no_number("text, such as 'a'", TO_NUMBERS)),
    "dates": (DAYS, no_number("dates, such as 2020-01-01", TO_DAYS)),
    "series of dates": (
        pd.Series(DAYS.astype("M8[s]")),
        no_number("dates, such as 2020-01-01T00:00:00", TO_DAYS),
    ),
    "dates as objects": (
        with_one(date(2020, 1, 2)),
        no_number("dates, such as 2020-01-02", TO_DAYS),
    ),
    "dates of NumPy as objects": (
        with_one(np.datetime64("2020-01-02")),
        no_number("dates, such as 2020-01-02", TO_DAYS),
    ),
    "dates of pandas as objects": (
        with_one(pd.Timestamp("2020-01-02")),
        no_number("dates, such as 2020-01-02 00:00:00", TO_DAYS),
    ),
    "durations": (
        np.arange(N).astype("m8[s]"),
        no_number("durations, such as 0 seconds", TO_SECONDS),
    ),
    "durations as objects": (
        with_one(timedelta(2)),
        no_number("durations, such as 2 days, 0:00:00", TO_SECONDS),
    ),
    "durations of NumPy as objects": (
        with_one(np.timedelta64(2, "s")),
        no_number("durations, such as 2 seconds", TO_SECONDS),
    ),
    "complex numbers": (
        NUMBERS + 1j,
        (
            "Complex data not supported: {name} has the dtype complex128. Give real "
            "numbers, for example {name}.real.",
            "",
        ),
    ),
    "complex numbers as objects": (
        with_one(1j),
        no_number("complex numbers, such as 1j", TO_NUMBERS),
    ),
    "other objects": (
        with_one(pd.Period("2020", "D")),
        no_number("objects of the type Period, such as 2020-01-01", TO_NUMBERS),
    ),
    "a number too large": (
        with_one(10**400),
        ("{name} contains a number that is too large for float64. Scale it first.", ""),
    ),
    "a long double too large": (
        NUMBERS * np.longdouble("1e400"),
        ("{name} contains a number that is too large for float64. Scale it first.", ""),
    ),
}


@pytest.mark.parametrize("way", REGRESSORS)
@pytest.mark.parametrize("case", NO_NUMBERS)
def test_a_target_that_is_no_finite_number_is_an_error(case, way):
    y, (message, n) = NO_NUMBERS[case]
    name, call = REGRESSORS[way]
    with raises(message.format(name=name, n=n)):
        call(regressor(), y)


def test_a_search_says_what_is_wrong_with_a_target():
    net, y = regressor(), with_one(None)
    y[30] = None
    search = StackedGridSearchCV(net, {"alpha": [0, 1]}, cv=2, error_score="raise")
    with pytest.raises(
        ValueError, match=r"^Input y contains None\. Of 20 values, 1 is"
    ):
        search.fit(X, y)


@pytest.mark.parametrize(
    "y",
    [
        NUMBERS.astype(object),
        NUMBERS.astype(np.longdouble),
        NUMBERS.astype(">f8"),
        NUMBERS.tolist(),
        pd.Series(NUMBERS, dtype="Float64"),
        np.array([Decimal(value) for value in NUMBERS]),
        [Fraction(value) for value in NUMBERS],
        np.array([repr(float(value)) for value in NUMBERS]),
        np.array([repr(float(value)) for value in NUMBERS], dtype=object),
        np.ma.array(NUMBERS, mask=False),
    ],
    ids=lambda y: f"{type(y).__name__} of {type(y[0]).__name__}",
)
def test_numbers_of_any_type_are_targets(y):
    assert_same_training(regressor().fit(X, y), regressor().fit(X, NUMBERS))


@pytest.mark.parametrize(
    ("y", "same"),
    [
        (PAIR.astype(bool), PAIR),
        (PAIR.astype(bool).astype(object), PAIR),
        (pd.Series(PAIR, dtype="boolean"), PAIR),
        (PAIR.astype(np.uint64), PAIR),
        (pd.Series(PAIR, dtype="Int64"), PAIR),
        (pd.Series(PAIR + 0.5, dtype="category"), PAIR + 0.5),
        (sparse.csr_matrix(LABELS), LABELS),
        (LABELS.astype(bool), LABELS),
        (pd.DataFrame(LABELS, dtype="Int64"), LABELS),
    ],
    ids=lambda y: type(y).__name__,
)
def test_numbers_of_any_integer_type_are_targets(y, same):
    assert_same_training(regressor().fit(X, y), regressor().fit(X, 1.0 * same))


@pytest.mark.parametrize("name", ["sample_weight", "sample_weight_val"])
@pytest.mark.parametrize("make", [classifier, regressor])
@pytest.mark.parametrize(
    "case", ["None", "NA", "mask", "infinity as object", "text", "dates", "durations"]
)
def test_a_weight_that_is_no_finite_number_is_an_error(case, make, name):
    weight, (message, n) = NO_NUMBERS[case]
    with raises(message.format(name=name, n=n)):
        make().fit(X, PAIR, X_val=X, y_val=PAIR, **{name: weight})


def test_an_ensemble_says_what_is_wrong_with_a_weight():
    weight, (message, n) = NO_NUMBERS["dates"]
    ensemble = DeepNetEnsembleClassifier(classifier(), bootstrap=True)
    with raises(message.format(name="sample_weight", n=n)):
        ensemble.fit(X, PAIR, weight)


# ---- X


def as_objects(value):
    changed = X.astype(object)
    changed[3, 3] = value
    return changed


DATES_IN_X = {
    "dates": (np.stack([DAYS] * 4, axis=1), "{name}", "dates, such as 2020-01-01"),
    "a list": ([[day] * 4 for day in DAYS], "{name}", "dates, such as 2020-01-01"),
    "an object": (as_objects(DAYS[1]), "{name}", "dates, such as 2020-01-02"),
    "a column": (
        pd.DataFrame(X, columns=[*"abcd"]).assign(c=DAYS.astype("M8[s]")),
        "column 'c' of {name}",
        "dates, such as 2020-01-01T00:00:00",
    ),
    "durations": (
        X.round().astype("m8[s]"),
        "{name}",
        f"durations, such as {np.timedelta64(round(X[0, 0]), 's')}",
    ),
}


@pytest.mark.parametrize("make", [classifier, regressor])
@pytest.mark.parametrize("case", DATES_IN_X)
def test_dates_in_X_are_an_error(case, make):
    dates, where, what = DATES_IN_X[case]
    advice = TO_SECONDS if what.startswith("durations") else TO_DAYS
    message = f"{where} must contain only numbers. Got {what}. {advice}"
    with raises(message.format(name="X")):
        make().fit(dates, PAIR)
    with raises(message.format(name="X_val")):
        make().fit(X, PAIR, X_val=dates, y_val=PAIR)
    with raises(message.format(name="X")):
        make().fit(X, PAIR).predict(dates)


def test_dates_in_X_are_an_error_of_an_ensemble():
    ensemble = DeepNetEnsembleRegressor(regressor(), n_estimators=2).fit(X, NUMBERS)
    dates, where, what = DATES_IN_X["dates"]
    message = f"{where} must contain only numbers. Got {what}. {TO_DAYS}"
    with raises(message.format(name="X")):
        ensemble.predict(dates)


@pytest.mark.parametrize(
    ("masked", "what", "n"),
    [
        (as_objects(pd.NA), "<NA>", "1 is"),
        (as_objects(pd.NaT), "NaT", "1 is"),
        (as_objects(None), "None", "1 is"),
        (np.ma.array(X, mask=5 - (X[3, 3] == X) * 9 < X), "masked values", "1 is"),
    ],
    ids=["NA", "NaT", "None", "mask"],
)
def test_values_missing_in_X_are_an_error(masked, what, n):
    message = (
        f"Input X contains {what}. Of 160 values, {n} missing. Remove these rows, or "
        "impute the values."
    )
    with raises(message):
        classifier().fit(masked, PAIR)
    with raises(message):
        classifier().fit(X, PAIR).predict(masked)


@pytest.mark.parametrize(
    "kind", [bool, np.uint8, object, np.float16, np.longdouble, ">f4"]
)
def test_numbers_of_any_type_are_X(kind):
    whole = X.round().clip(0, 1)
    fitted = classifier().fit(whole.astype(kind), PAIR)
    expected = classifier(dtype=fitted.coefs_[0].dtype).fit(whole, PAIR)
    assert_same_training(fitted, expected)


# ---- labels


TWO_DAYS = np.array(["2020-01-02", "2020-01-01"], dtype="M8[D]")
NO_LABELS = {
    "None": (np.array(["a", None])[PAIR], missing("None", "20 are")[0]),
    "None first": (np.array([None, "a"])[PAIR], missing("None", "20 are")[0]),
    "NaN beside text": (["a", np.nan] * 20, missing("NaN", "20 are")[0]),
    "NA": (pd.Series(["a", None] * 20, dtype="string"), missing("<NA>")[0]),
    "NaT": (np.array(["2020", "NaT"], "M8[D]")[PAIR], missing("NaT")[0]),
    "no duration": (np.array([1, "NaT"], "m8[s]")[PAIR], missing("NaT")[0]),
    "boolean": (pd.Series([True, None] * 20, dtype="boolean"), missing("NaN")[0]),
    "mask": (np.ma.array(PAIR, mask=PAIR), missing("masked values")[0]),
    "infinity": (
        np.array([0, np.inf])[PAIR],
        "Input {name} contains infinity. Of 40 values, 20 are infinite. Remove these "
        "rows, or replace the values.",
    ),
    "text beside numbers": (
        ["a", 1] * 20,
        "Unknown label type: {name} contains objects of type int, str, but labels of "
        "dtype object must all be text. Convert them, for example by "
        "{name}.astype(str).",
    ),
    "bytes": (
        np.array([b"a", b"b"])[PAIR],
        "{name} has the dtype |S1, which is not supported for labels. Convert it, for "
        "example by {name}.astype(str).",
    ),
    "complex numbers": (
        PAIR + 1j,
        "Complex data not supported: {name} has the dtype complex128. Give real "
        "numbers, for example {name}.real.",
    ),
    "rows of different lengths": (
        [[0], [0, 1]] * 20,
        "{name} contains rows of different lengths, but all rows must have the same "
        "length. If each row is a list of labels, give "
        "MultiLabelBinarizer().fit_transform({name}).",
    ),
    "sets": (
        [{0}, {0, 1}] * 20,
        "{name} contains set objects, but labels must be numbers or text. If "
        "each row is a list of labels, give "
        "MultiLabelBinarizer().fit_transform({name}).",
    ),
    "huge numbers": (
        PAIR * 1e300,
        "{name} contains 1e+300, too large for a label. Convert the labels, "
        "for example by {name}.astype(str).",
    ),
    "fractions": (
        PAIR + 0.5,
        "Unknown label type: continuous. {name} contains numbers that are not "
        "integers, such as 0.5, so they cannot be class labels. To predict numbers, "
        "use a DeepNetRegressor.",
    ),
}
OBJECTS = {
    "int": (PAIR.astype(object), "int"),
    "bool": (PAIR.astype(bool).astype(object), "bool"),
    "float": (PAIR.astype(float).astype(object), "float"),
    "datetime": (
        np.array([datetime(2020, 1, 1), datetime(2020, 1, 2)])[PAIR],
        "'datetime64[us]'",
    ),
    "bytes": (np.array([b"a", b"b"], dtype=object)[PAIR], "bytes).astype(str"),
    "Decimal": (np.array([Decimal(1), Decimal(2)])[PAIR], "str"),
}
for type_name, (objects, target) in OBJECTS.items():
    NO_LABELS[f"objects of type {type_name}"] = (
        objects,
        "Unknown label type: {name} contains objects of type "
        f"{type_name}, but labels of dtype object must all be text. Convert them, for "
        f"example by {{name}}.astype({target}).",
    )


@pytest.mark.parametrize("case", NO_LABELS)
def test_what_is_no_label_is_an_error(case):
    y, message = NO_LABELS[case]
    with raises(message.format(name="y", n="20 are")):
        classifier().fit(X, y)
    with raises(message.format(name="y", n="20 are")):
        classifier().partial_fit(X, y, classes=[0, 1])
    with raises(message.format(name="y_val", n="20 are")):
        classifier().fit(X, PAIR, X_val=X, y_val=y)
    with raises(message.format(name="y", n="20 are")):
        DeepNetEnsembleClassifier(classifier(), bootstrap=True).fit(X, y)
    if case != "fractions":
        with raises(message.format(name="classes", n="20 are")):
            classifier().partial_fit(X, PAIR, classes=y)


Fruit = Enum("Fruit", {"APPLE": "apple", "PEAR": "pear"}, type=str)


def test_members_of_an_enum_that_are_text_are_labels_in_a_list():
    y = [Fruit.APPLE, Fruit.PEAR] * 20
    fitted = classifier().fit(X, y)
    assert fitted.classes_.tolist() == [Fruit.APPLE, Fruit.PEAR]
    assert fitted.predict(X)[0] in y
    assert_same_training(classifier().fit(X, PAIR), fitted)


@pytest.mark.parametrize("type_name", OBJECTS)
def test_the_advice_for_objects_makes_labels_of_them(type_name):
    y, target = OBJECTS[type_name]
    y = eval(f"y.astype({target})")
    assert type_of_target(y) == "binary"
    np.testing.assert_array_equal(classifier().fit(X, y).classes_, np.unique(y))


@pytest.mark.parametrize(
    ("y", "others", "shown"),
    [
        (np.array(["0", "1"])[PAIR], PAIR, "y_val contains [0, 1]"),
        (PAIR, np.array(["0", "1"])[PAIR], "y_val contains ['0', '1']"),
        (PAIR.astype("m8[s]"), PAIR, "y_val contains [0, 1]"),
        (TWO_DAYS[PAIR], PAIR, "y_val contains [0, 1]"),
    ],
)
def test_labels_of_another_kind_are_not_among_the_classes(y, others, shown):
    net = classifier().partial_fit(X, y, classes=y)
    with pytest.raises(
        ValueError, match=r"^y_val contains .* not among the classes"
    ) as e:
        net.partial_fit(X, y, X_val=X, y_val=others)
    assert str(e.value).startswith(shown)
    with pytest.raises(ValueError, match=r"^y contains .* not among the classes"):
        net.partial_fit(X, others)
    with pytest.raises(ValueError, match=r"^The classes are now "):
        net.partial_fit(X, y, classes=others)


TIMES = {
    "days": TWO_DAYS,
    "nanoseconds": TWO_DAYS.astype("M8[ns]"),
    "durations": np.array([5, 3], dtype="m8[s]"),
    "durations in nanoseconds": np.array([5, 3], dtype="m8[ns]"),
}


@pytest.mark.parametrize("case", TIMES)
@pytest.mark.parametrize("convert", [np.asarray, pd.Series, lambda it: it.astype("O")])
def test_class_weights_are_found_by_dates_of_any_type(case, convert):
    times = TIMES[case]
    keys = [*convert(times)]
    if isinstance(keys[0], int):
        keys = [*pd.Series(times)]  # Python has no nanoseconds
    expected = classifier(class_weight={0: 2.0, 1: 3.0}).fit(X, 1 - PAIR)
    weighted = classifier(class_weight={keys[1]: 2.0, keys[0]: 3.0})
    assert_same_training(weighted.fit(X, times[PAIR]), expected)


@pytest.mark.parametrize("case", TIMES)
def test_integers_are_no_dates_for_class_weights(case):
    number = int(TIMES[case].astype("i8")[0])
    net = classifier(class_weight={number: 2.0})
    with pytest.raises(ValueError, match=f"^class_weight contains \\[{number}\\], whi"):
        net.fit(X, TIMES[case][PAIR])


@pytest.mark.parametrize("case", TIMES)
def test_dates_are_labels_that_neither_a_file_nor_onnx_can_hold(case, tmp_path):
    y = TIMES[case][PAIR]
    net = classifier(early_stopping=True, scoring="accuracy").fit(X, y)
    assert net.classes_.dtype == y.dtype
    assert net.predict(X).dtype == y.dtype
    assert net.score(X, y) == np.mean(net.predict(X) == y)
    with pytest.raises(
        ValueError, match=r"(?s)^The classes are .* a label in ONNX must "
    ):
        to_onnx(net)
    with pytest.raises(ValueError, match=r"(?s)^classes_ is .* cannot be saved in"):
        save_model(net, tmp_path / "net")
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("kind", ["i4", "i8", "u2", "f4", "f8", "U1"])
def test_labels_have_the_byte_order_of_the_machine(kind, tmp_path):
    labels = np.array([1, 2, 3]).astype(kind)[np.arange(N) % 3]
    big, little = (labels.astype(labels.dtype.newbyteorder(order)) for order in "><")
    net, expected = classifier().fit(X, big), classifier().fit(X, little)
    assert_same_training(net, expected)
    assert net.classes_.dtype == expected.classes_.dtype == little.dtype
    save_model(net, tmp_path / "net")
    loaded = load_model(tmp_path / "net")
    assert loaded.classes_.dtype == net.classes_.dtype
    np.testing.assert_array_equal(loaded.predict(X), net.predict(X))
    assert to_onnx(net) == to_onnx(expected)
    net, expected = (
        classifier(class_weight=dict.fromkeys(y, 2.0)).fit(X, y) for y in (big, little)
    )
    assert_same_training(net, expected)


def test_labels_of_pandas_keep_their_type():
    for dtype, expected in (("Int64", int), ("boolean", bool), ("Float32", "f4")):
        net = classifier().fit(X, pd.Series(PAIR, dtype=dtype))
        assert net.classes_.dtype == expected
    # As float64, these two would be one.
    large = pd.Series([2**53, 2**53 + 1], dtype="Int64")[PAIR]
    assert classifier().fit(X, large).classes_.tolist() == [2**53, 2**53 + 1]


@pytest.mark.parametrize("weight", [np.nan, np.inf, None, "heavy", "2", 1j, [1, 2]])
def test_a_class_weight_that_is_no_finite_number_is_an_error(weight):
    message = (
        "class_weight must contain finite numbers that are not negative. Got "
        f"{ {1: weight} } instead."
    )
    with raises(message):
        classifier(class_weight={1: weight}).fit(X, PAIR)
    with raises(message):
        classifier(class_weight=[{}, {1: weight}, {}]).fit(X, LABELS)


# ---- one label a row


ONE_HOT = np.eye(3, dtype=int)[np.arange(N) % 3]
EXCLUSIVE = (
    "Every row of y has exactly one label, but y is treated as multilabel, so that "
    "each label is predicted independently of the others. If each sample belongs to "
    "exactly one class, give y.argmax(axis=1) instead."
)
ONE_HOT_FITS = {
    "fit": lambda net, y: net.fit(X, y),
    "stack": lambda net, y: fit_stack([net, classifier(alpha=1)], X, y),
    "lbfgs": lambda net, y: fit_stack([net, classifier(solver="lbfgs")], X, y),
    "ensemble": lambda net, y: DeepNetEnsembleClassifier(net).fit(X, y),
    "search": lambda net, y: StackedGridSearchCV(net, {"alpha": [0, 1]}).fit(X, y),
}


@pytest.mark.parametrize("way", ONE_HOT_FITS)
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix, pd.DataFrame])
def test_rows_of_exactly_one_label_are_warned_of_once(kind, way):
    if way == "search" and kind is sparse.csr_matrix:
        kind = sparse.csr_array
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ONE_HOT_FITS[way](classifier(), kind(ONE_HOT))
    assert [str(it.message) for it in caught] == [EXCLUSIVE]
    assert issubclass(caught[0].category, UserWarning)


def test_the_warning_points_at_the_call_of_fit():
    with pytest.warns(UserWarning, match="^Every row of y") as caught:
        classifier().fit(X, ONE_HOT)
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    "fit",
    [
        lambda: classifier().fit(X, ONE_HOT.argmax(axis=1)),
        lambda: classifier().fit(X, LABELS),
        lambda: classifier().fit(X, np.vstack([ONE_HOT[1:], [1, 1, 0]])),
        lambda: classifier().fit(X, np.vstack([ONE_HOT[1:], [0, 0, 0]])),
        lambda: classifier().fit(X[:9], ONE_HOT[:9]),  # it may be by chance
        lambda: classifier().partial_fit(X, ONE_HOT),  # others may follow
        lambda: regressor().fit(X, ONE_HOT),
    ],
)
def test_other_rows_are_not_warned_of(fit):
    fit()  # warnings are errors in tests


def test_searches_of_scikit_learn_see_the_same_errors():
    search = GridSearchCV(classifier(), {"alpha": [0, 1]}, error_score="raise", cv=2)
    with pytest.raises(
        ValueError, match=r"^y has 3 columns and contains \[-1, 1\], but"
    ):
        search.fit(X, 2 * LABELS - 1)
