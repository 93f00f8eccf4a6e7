"""Tables of pandas and polars: groups of columns, their encoding, whole pipelines."""

import pickle
import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
import skops.io
from scipy.sparse import csr_array
from sklearn import config_context
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.fixes import parse_version

from sklearn_deepnet import (
    DeepNetClassifier,
    DeepNetEnsembleClassifier,
    DeepNetRegressor,
    make_table_pipeline,
    stacked,
)
from sklearn_deepnet.estimators.tables import columns as columns_module
from sklearn_deepnet.estimators.tables.columns import ColumnsOf
from sklearn_deepnet.persistence import TRUSTED_TYPES
from tests.helpers import exactly, network_factory, raises

GROUPS = ("numbers", "categories", "high_cardinality", "dates", "left_out")
LIBRARIES = pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
STRATIFIES_BY_CHOICE = pytest.mark.skipif(
    parse_version(sklearn.__version__) < parse_version("1.9"),
    reason="TargetEncoder of scikit-learn < 1.9 always stratifies",
)
UNIQUE = (
    "The columns {} hold text that is different in every row and are ignored. Convert "
    "them to numbers, categories or dates, or drop them from X."
)
UNKNOWN = (
    "The columns {} hold neither numbers, text nor dates and are ignored. Convert "
    "them to numbers, categories or dates, or drop them from X."
)

net = network_factory("hidden_layer_sizes", hidden_layer_sizes=(6,), n_iter=4)


def fit_columns(X, y=None, estimator=None, **options):
    """Return the fitted step "columns"."""
    y = np.arange(len(X)) % 2 if y is None else y
    model = make_table_pipeline(estimator or net(n_iter=0), **options)
    return model.fit(X, y)["columns"]


def encode(values, **options):
    """Return the names and the values of what becomes of a column called x."""
    is_polars = isinstance(values, pl.Series)
    X = values.to_frame("x") if is_polars else pd.DataFrame({"x": values})
    columns = fit_columns(X, **options)
    encoded = columns.transform(X)
    return columns.get_feature_names_out().tolist(), encoded.T.tolist()


# ---- tables


def with_gaps(rng, values, share):
    return [None if rng.random() < share else it for it in values]


def titanic(n=300, seed=0):
    """Return columns of passengers, and who survived."""
    rng = np.random.default_rng(seed)
    sex = rng.choice(["male", "female"], n).tolist()
    cabin = [f"C{k}" for k in rng.integers(60, size=n)]
    start = datetime(1912, 4, 10, 12)
    table = {
        "class": rng.integers(1, 4, n).tolist(),
        "age": with_gaps(rng, rng.normal(30, 9, n).round().tolist(), 0.2),
        "sex": sex,
        "port": with_gaps(rng, ["S", "C", "Q", *rng.choice(["S", "C"], n - 3)], 0.1),
        "alone": with_gaps(rng, (rng.random(n) < 0.5).tolist(), 0.05),
        "cabin": with_gaps(rng, cabin, 0.3),
        "booked": with_gaps(
            rng,
            [start - timedelta(hours=float(h)) for h in rng.integers(999, size=n)],
            0.1,
        ),
    }
    return table, (np.array(sex) == "female") ^ (rng.random(n) < 0.1)


def credit(n=240, seed=1):
    """Return columns of loans, and three grades."""
    rng = np.random.default_rng(seed)
    table = {
        "status": rng.choice(["< 0", "0 to 200", "none", ""], n).tolist(),
        "months": rng.integers(6, 60, n).tolist(),
        "amount": [Decimal(int(it)) / 100 for it in rng.integers(10**6, size=n)],
        "purpose": rng.choice(
            ["car", "tv", "other"], n, p=[0.5, 0.497, 0.003]
        ).tolist(),
        "owner": (rng.random(n) < 0.3).tolist(),
        "since": [
            date(2020, 1, 1) + timedelta(int(it)) for it in rng.integers(900, size=n)
        ],
    }
    return table, np.array(["a", "b", "c"])[np.array(table["months"]) % 3]


def autos(n=200, seed=2):
    """Return columns of cars, and their prices, which are whole numbers."""
    rng = np.random.default_rng(seed)
    size = rng.normal(120, 20, n)
    table = {
        "make": [f"make {k}" for k in rng.integers(45, size=n)],
        "doors": with_gaps(rng, rng.choice(["two", "four"], n).tolist(), 0.02),
        "losses": with_gaps(rng, rng.integers(65, 256, n).tolist(), 0.2),
        "size": size.tolist(),
        "driven": [timedelta(hours=float(it)) for it in rng.integers(1, 99, n)],
    }
    return table, (100 * size + 500 * rng.normal(size=n)).astype(int)


TABLES = {
    "titanic": (titanic, net()),
    "titanic by an ensemble": (
        titanic,
        DeepNetEnsembleClassifier(net(), n_estimators=2, random_state=0),
    ),
    "credit": (credit, net()),
    "autos": (autos, net(estimator=DeepNetRegressor)),
    "autos by a scaled model": (
        autos,
        make_pipeline(StandardScaler(), net(estimator=DeepNetRegressor)),
    ),
}


def predict(model, X):
    return getattr(model, "predict_proba", model.predict)(X)


@pytest.mark.parametrize("name", TABLES)
def test_polars_gives_what_pandas_gives(name):
    make, estimator = TABLES[name]
    table, y = make()
    fitted = [
        clone(make_table_pipeline(estimator)).fit(frame(table), y)
        for frame in (pd.DataFrame, pl.DataFrame)
    ]
    names, others = (it["columns"].get_feature_names_out() for it in fitted)
    assert names.tolist() == others.tolist()
    found = [
        predict(it, frame(table))
        for it in fitted
        for frame in (pd.DataFrame, pl.DataFrame)
    ]
    for p in found[1:]:
        np.testing.assert_array_equal(p, found[0])


@LIBRARIES
def test_accuracy_is_near_the_best_possible_one(frame):
    # y is what two of three facts say, and one label in ten is turned. A model that
    # misses one of them has an accuracy of 0.7.
    def draw(n, seed):
        table, _ = titanic(n, seed)
        rng = np.random.default_rng(seed)
        table["age"] = with_gaps(rng, table["age"], 0.5)
        table["cabin"] = [f"C{k}" for k in rng.integers(60, size=n)]
        facts = [
            [it == "female" for it in table["sex"]],
            [it is None for it in table["age"]],
            [int(it[1:]) < 30 for it in table["cabin"]],
        ]
        return frame(table), (np.sum(facts, axis=0) >= 2) ^ (rng.random(n) < 0.1)

    model = make_table_pipeline(net(16, learning_rate=0.01, n_iter=15))
    assert model.fit(*draw(4000, 0)).score(*draw(4000, 1)) > 0.88  # 0.9 is possible


# ---- groups

MOMENT = datetime(2020, 2, 29, 13, 30)
OF_PANDAS = {
    "numbers": [
        [1, 2, 3, 4],
        [0.5, None, 1.5, 2.5],
        [True, False, True, False],
        [True, None, False, True],
        [Decimal(1), None, Decimal("0.5"), 2],
        [1, None, 2.5, True],
        [1, "", 2.5, None],
        pd.array([1, None, 3, 4], "Int64"),
        pd.array([1.5, None, 3, 4], "Float32"),
        pd.array([True, None, False, True], "boolean"),
        pd.arrays.SparseArray([0.0, 1.0, np.nan, 2.0]),
        pd.to_timedelta([1, None, 2, 3], "h"),
        pd.Series([timedelta(1), None, timedelta(2), timedelta(3)], dtype=object),
    ],
    "categories": [
        ["a", "b", "a", "b"],
        ["1", "2", "1", "3"],
        ["a", None, np.nan, pd.NA],
        ["a", 1, True, None],
        pd.Series(["a", "b", "a", "b"], dtype=object),
        pd.array(["a", None, "b", ""], "string"),
        pd.Categorical(["a", None, "b", "a"]),
        pd.Categorical([1, None, 2, 1]),
        pd.cut([1, 2, 3, 4], [0, 2, 5]),
    ],
    "high_cardinality": [
        ["a", "b", "c", "d", "a"],
        pd.Categorical([1, 2, 3, 4, 1]),
    ],
    "dates": [
        [MOMENT, None, MOMENT, MOMENT],
        pd.Series([MOMENT, None, MOMENT, MOMENT], dtype=object),
        pd.Series([MOMENT, "", MOMENT, MOMENT], dtype=object),
        pd.to_datetime(["2020-01-01", None] * 2).tz_localize("Europe/Berlin"),
        [date(2020, 1, 1), None, date(2020, 1, 2), date(2020, 1, 3)],
    ],
    "left_out": [
        ["a", "b", "c", "d"],
        [[1], [2], None, [3]],
        [{}, {"a": 1}, None, {}],
        [b"a", b"b", b"a", b"b"],
        [1j, 2j, 3j, 4j],
        [time(1), time(2), None, time(1)],
        [1, MOMENT, "a", None],
        pd.period_range("2020", periods=4, freq="M"),
    ],
    None: [
        [None] * 4,
        [np.nan] * 4,
        ["", None, "", ""],
        pd.Categorical([None] * 4, categories=["a"]),
        pd.to_datetime([None] * 4),
    ],
}
OF_POLARS = {
    "numbers": [
        pl.Series([1, None, 3, 4]),
        pl.Series([1, None, 3, 4], dtype=pl.UInt8),
        pl.Series([0.5, None, 1.5, 2.5]),
        pl.Series([True, None, False, True]),
        pl.Series([Decimal(1), None, Decimal("0.5"), Decimal(2)]),
        pl.Series([timedelta(1), None, timedelta(2), timedelta(3)]),
    ],
    "categories": [
        pl.Series(["a", None, "b", "a"]),
        pl.Series(["a", None, "b", "a"], dtype=pl.Categorical),
        pl.Series(["a", None, "b", "a"], dtype=pl.Enum(["a", "b", "c"])),
    ],
    "high_cardinality": [pl.Series(["a", "b", "c", "d", "a"])],
    "dates": [
        pl.Series([date(2020, 1, 1), None, date(2020, 1, 2)]),
        pl.Series([MOMENT, None, MOMENT]),
        pl.Series([MOMENT.replace(tzinfo=UTC), None]),
    ],
    "left_out": [
        pl.Series(["a", "b", "c", "d"]),
        pl.Series([[1], None, [2, 3]]),
        pl.Series([{"a": 1}, None, {"a": 2}]),
        pl.Series([b"a", None, b"b"]),
        pl.Series([time(1), None, time(2)]),
    ],
    None: [pl.Series([None] * 4), pl.Series([None] * 4, dtype=pl.String)],
}
OF_NUMPY = {
    "numbers": [np.arange(4), np.array([1.0, np.nan]), np.array([True, False])],
    "categories": [np.array(["a", "1", "a"]), np.array(["a", None, 1], dtype=object)],
    "dates": [np.array(["2020-01-01", "NaT"], dtype="datetime64[D]")],
}
COLUMNS = [
    *(
        (group, pd.DataFrame({"x": it}))
        for group in OF_PANDAS
        for it in OF_PANDAS[group]
    ),
    *((group, it.to_frame("x")) for group in OF_POLARS for it in OF_POLARS[group]),
    *((group, it.reshape(-1, 1)) for group in OF_NUMPY for it in OF_NUMPY[group]),
]


@pytest.mark.parametrize(("expected", "X"), COLUMNS)
@pytest.mark.filterwarnings("ignore:The columns")
def test_column_is_in_its_group_alone(expected, X):
    selected = {group: ColumnsOf(group, 3)(X) for group in GROUPS}
    assert selected == {group: [0] if group == expected else [] for group in GROUPS}


@LIBRARIES
def test_what_is_left_out_is_named(frame):
    X = frame({"id": [*"abcd"], "lists": [[1], [2], [3], [4]], "x": [1, 2, 3, 4]})
    with pytest.warns(UserWarning, match="The columns") as caught:
        columns = fit_columns(X, max_levels=3)
    assert [str(it.message) for it in caught] == [
        UNIQUE.format(["id"]),
        UNKNOWN.format(["lists"]),
    ]
    assert columns.get_feature_names_out().tolist() == ["numbers__x"]


def test_columns_are_looked_at_once_in_a_fit(monkeypatch):
    seen = []

    def group_of(column, max_levels):
        seen.append(max_levels)
        return "numbers"

    monkeypatch.setattr(columns_module, "_group_of", group_of)
    X = pd.DataFrame({"a": [1, 2, 3, 4], "b": [1, 2, 3, 4]})
    step = make_table_pipeline(net(), max_levels=7)["columns"]
    step.fit(X, [0, 1, 0, 1])
    assert seen == [7, 7]
    X["c"] = [1, 2, 3, 4]  # the same frame, in another fit
    assert step.fit(X, [0, 1, 0, 1]).n_features_in_ == 3
    assert seen == [7] * 5


def test_rows_may_be_lists():
    X = [[1, "a"], [2, "b"], [3, None]]
    columns = fit_columns(X)
    assert columns.transform(X).tolist() == [[1, 1, 0, 0], [2, 0, 1, 0], [3, 0, 0, 1]]


def test_numbers_as_names_are_shown_as_such():
    X = pd.DataFrame([[1, []], [2, []]], columns=[5, 7])
    with pytest.warns(UserWarning, match=exactly(UNKNOWN.format([7]))):
        fit_columns(X)


def test_columns_of_an_array_are_named_by_position():
    X = np.array([[1, []], [2, []]], dtype=object)
    with pytest.warns(UserWarning, match=exactly(UNKNOWN.format([1]))):
        fit_columns(X)


@LIBRARIES
def test_columns_without_values_are_left_out(frame):
    X = frame({"none": [None] * 4, "text": ["", None, "", None], "x": [1, 2, 3, 4]})
    columns = fit_columns(X)
    assert columns.get_feature_names_out().tolist() == ["numbers__x"]
    # also if they have values later
    new = frame({"none": [5.0], "text": ["a"], "x": [1]})
    assert columns.transform(new).tolist() == [[1.0]]


@pytest.mark.parametrize(
    "values",
    [
        np.array([1, 2, 5, 3]),
        np.array([True, False, False, True]),
        np.array([*"abab"], dtype=object),
        np.array([1, 2, 5, 3], dtype="timedelta64[ns]"),
        np.array([1, 2, 5, 3], dtype="datetime64[D]"),
    ],
)
def test_masked_values_are_gaps(values):
    masked = np.ma.masked_array(values, mask=[True, False, False, False])
    X, frame = masked.reshape(-1, 1), pd.DataFrame({"x": masked})
    expected = fit_columns(frame).transform(frame)
    np.testing.assert_array_equal(fit_columns(X).transform(X), expected)
    new = fit_columns(frame.dropna()).transform(frame)
    unmasked = values[1:].reshape(-1, 1)
    np.testing.assert_array_equal(fit_columns(unmasked).transform(X), new)


# ---- numbers


@pytest.mark.parametrize(
    "values",
    [
        [1, None, 5, 2],
        [1, np.nan, Decimal(5), True + 1],
        [1, "", 5, 2],
        pd.array([1, None, 5, 2], "Int64"),
        pd.to_timedelta([1, None, 5, 2], "s"),
        pl.Series([1, None, 5, 2], dtype=pl.Int32),
        pl.Series([1000, None, 5000, 2000]).cast(pl.Duration("ms")),
        pd.Series(
            [timedelta(seconds=it) if it else None for it in (1, 0, 5, 2)], dtype=object
        ),
    ],
)
def test_gaps_in_numbers_are_the_median_with_an_indicator(values):
    names, (filled, indicator) = encode(values)
    assert names == ["numbers__x", "numbers__missingindicator_x"]
    assert filled == [1, 2, 5, 2]
    assert indicator == [0, 1, 0, 0]


def test_booleans_are_numbers():
    _, (filled, indicator) = encode([True, None, False, True])
    assert filled == [1, 1, 0, 1]
    assert indicator == [0, 1, 0, 0]


@LIBRARIES
def test_new_gap_in_numbers_is_the_median(frame):
    X = frame({"x": [1.0, 2.0, 9.0], "b": [True, True, False]})
    columns = fit_columns(X)
    assert columns.transform(frame({"x": [None], "b": [None]})).tolist() == [[2, 1]]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("many", "could not convert string to float: 'many'"),
        pytest.param(10**400, "int too large to convert to float", id="too large"),
        (np.datetime64("2020-01-01", "ns"), "2020-01-01T00:00:00.000000000 is a date"),
        (pd.Timestamp("2020-01-01"), "2020-01-01 00:00:00 is a date"),
    ],
)
def test_what_is_no_number_is_an_error(value, reason):
    columns = fit_columns(pd.DataFrame({"x": [1.0, 2.0]}))
    message = (
        "Column 'x' held numbers during fit, but now has values that cannot be "
        f"converted to numbers: {reason}. Give a column of numbers."
    )
    with raises(message):
        columns.transform(pd.DataFrame({"x": pd.Series([value], dtype=object)}))


def test_dates_in_numbers_are_an_error():
    columns = fit_columns(pd.DataFrame({"x": [1.0, 2.0]}))
    message = (
        "Column 'x' held numbers during fit, but now has values that cannot be "
        "converted to numbers: 2020-01-01T00:00:00.000000 is a date. Give a column of "
        "numbers."
    )
    with raises(message):
        columns.transform(pd.DataFrame({"x": pd.to_datetime(["2020-01-01"])}))
    gap = pd.DataFrame({"x": pd.to_datetime([None])})
    assert columns.transform(gap).tolist() == [[1.5]]


# ---- categories


def test_levels_are_columns_and_a_gap_is_a_level():
    names, columns = encode(["b", "a", None, "", "b"])
    assert names == [f"categories__x_{it}" for it in ("a", "b", "missing")]
    assert columns == [[0, 1, 0, 0, 0], [1, 0, 0, 0, 1], [0, 0, 1, 1, 0]]


def test_rare_and_new_levels_share_a_column():
    values = [*"ab" * 99, "c", "d"]  # one row in 200 each
    columns = fit_columns(pd.DataFrame({"x": values}))
    names = columns.get_feature_names_out().tolist()
    assert names == [f"categories__x_{it}" for it in ("a", "b", "infrequent_sklearn")]
    new = columns.transform(pd.DataFrame({"x": ["a", "c", "new", None]}))
    assert new.tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 1], [0, 0, 1]]


def test_new_level_is_zero_where_none_is_rare():
    columns = fit_columns(pd.DataFrame({"x": [*"ab" * 5]}))
    new = columns.transform(pd.DataFrame({"x": ["new", None, "b"]}))
    assert new.tolist() == [[0, 0], [0, 0], [0, 1]]


def test_categories_that_are_numbers_keep_their_names_beside_gaps():
    X = pd.DataFrame({"x": pd.Categorical([1, 2, 1, 2])})
    columns = fit_columns(X)
    new = pd.DataFrame({"x": pd.Categorical([2, None, 3], categories=[3, 2, 7])})
    assert columns.transform(new).tolist() == [[0, 1], [0, 0], [0, 0]]


def test_categories_that_are_dates_do_not_depend_on_the_unit():
    def frame(unit):
        dates = pd.to_datetime(["2020-01-01", "2021-01-01"] * 2).as_unit(unit)
        return pd.DataFrame({"x": pd.Categorical(dates)})

    columns = fit_columns(frame("ns"))
    assert columns.transform(frame("us")).tolist() == [[1, 0], [0, 1]] * 2


# ---- high cardinality


def levels(n=200, n_levels=50):
    """Return a column of as many levels, and what each adds to y."""
    rng = np.random.default_rng(0)
    level = rng.permutation(np.arange(n) % n_levels)
    return pd.DataFrame({"x": [f"level {k}" for k in level]}), level, rng.normal(size=n)


def test_mean_of_a_training_row_is_of_other_rows():
    X, _, y = levels()
    model = make_table_pipeline(net(estimator=DeepNetRegressor, n_iter=0))
    encoded = model["columns"].fit_transform(X, y)
    for row in (0, 7, 100):
        other = y.copy()
        other[row] += 100
        encoded_otherwise = model["columns"].fit_transform(X, other)
        assert encoded_otherwise[row] == encoded[row]
        assert (encoded_otherwise != encoded).sum() > 50


def test_folds_are_those_of_the_seed():
    X, _, y = levels()
    found = [
        make_table_pipeline(net(estimator=DeepNetRegressor), random_state=seed)[
            "columns"
        ].fit_transform(X, y)
        for seed in (0, 0, 1)
    ]
    assert (found[0] == found[1]).all()
    assert (found[0] != found[2]).any()


@pytest.mark.parametrize(
    ("y", "estimator", "n_columns"),
    [
        (np.arange(200) % 2, net(), 1),
        (np.arange(200) % 3, net(), 3),
        (np.array([*"abcd"] * 50), net(), 4),
        (np.arange(200) % 3, net(estimator=DeepNetRegressor), 1),  # not three classes
        (np.arange(400).reshape(200, 2) % 3 == 0, net(), 10),
        (np.arange(400.0).reshape(200, 2), net(estimator=DeepNetRegressor), 10),
    ],
)
def test_means_are_of_the_classes_or_of_the_target(y, estimator, n_columns):
    X, *_ = levels()
    columns = fit_columns(X, y, estimator, max_levels=10)
    assert columns.transform(X).shape == (200, n_columns)
    assert len(columns.get_feature_names_out()) == n_columns


def test_mean_of_a_level_is_that_of_its_rows():
    X, level, _ = levels(n=20_000)
    y = level % 2 == 0
    encoded = fit_columns(X, y).transform(X)
    np.testing.assert_allclose(encoded[:, 0], y, rtol=0, atol=0.01)


@pytest.mark.parametrize(
    "dtype", ["bool", "uint8", "int16", "float16", "float32", "object", "Int64"]
)
def test_targets_of_a_regressor_may_be_of_any_dtype(dtype):
    X, level, _ = levels()
    y = pd.Series(level % 2)
    found = [
        fit_columns(X, it, net(estimator=DeepNetRegressor)).transform(X)
        for it in (y.astype(dtype), y.astype(float))
    ]
    np.testing.assert_array_equal(*found)


@STRATIFIES_BY_CHOICE
@pytest.mark.parametrize("n_classes", [2, 50, 100])
def test_classes_of_few_rows_are_encoded(n_classes):
    X, *_ = levels()
    y = np.arange(200) % n_classes if n_classes > 2 else np.arange(200) == 7
    columns = make_table_pipeline(net())["columns"]
    encoded = columns.fit_transform(X, y)
    assert encoded.shape == (200, n_classes if n_classes > 2 else 1)
    if n_classes == 2:  # the other rows say that there is no such class
        assert encoded[7] == 0
        assert encoded.max() > 0


@LIBRARIES
def test_new_level_of_high_cardinality_is_the_mean(frame):
    X, level, _ = levels()
    y = level % 5 == 0
    columns = fit_columns(frame(X.to_dict("list")), y)
    new = columns.transform(frame({"x": ["new", None]}))
    np.testing.assert_allclose(new, y.mean(), rtol=1e-12)


# ---- dates

MOMENTS = [
    datetime(1969, 12, 28, 23, 59, 59),
    datetime(2000, 2, 29, 12),
    None,
    datetime(2024, 12, 31, 18, 30),
]


def parts_of(moment):
    days = (moment - datetime(1970, 1, 1)) / timedelta(1)
    return [days, moment.month, moment.weekday(), moment.hour, 0]


def in_zone(moment):
    zone = timezone(timedelta(hours=-5))
    return moment and moment.replace(tzinfo=UTC).astimezone(zone)


@pytest.mark.parametrize(
    "values",
    [
        MOMENTS,
        pd.Series(MOMENTS, dtype=object),
        pd.Series([it or "" for it in MOMENTS], dtype=object),
        pd.Series(MOMENTS).dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo"),
        pd.Series([in_zone(it) for it in MOMENTS], dtype=object),
        pl.Series(MOMENTS, dtype=pl.Datetime("ms")),
        pl.Series(MOMENTS)
        .dt.replace_time_zone("UTC")
        .dt.convert_time_zone("Asia/Tokyo"),
    ],
)
def test_dates_are_days_month_weekday_and_hour_in_utc(values):
    names, columns = encode(values)
    parts = ("days", "month", "weekday", "hour", "missing")
    assert names == [f"dates__x_{part}" for part in parts]
    known = [k for k, it in enumerate(MOMENTS) if it]
    expected = np.array([parts_of(MOMENTS[k]) for k in known])
    found = np.transpose(columns)
    np.testing.assert_allclose(found[known], expected, rtol=1e-15)
    np.testing.assert_allclose(found[2], [*np.median(expected[:, :4], axis=0), 1])


def test_parts_of_several_dates_lie_side_by_side():
    X = pd.DataFrame({"a": MOMENTS, "b": MOMENTS[::-1]})
    columns = fit_columns(X)
    names = [it.removeprefix("dates__") for it in columns.get_feature_names_out()]
    assert names[:6] == [
        "a_days",
        "a_month",
        "a_weekday",
        "a_hour",
        "a_missing",
        "b_days",
    ]
    encoded = columns.transform(X)
    np.testing.assert_array_equal(encoded[0, 5:], encoded[3, :5])


@LIBRARIES
def test_new_gap_in_dates_is_the_median(frame):
    columns = fit_columns(frame({"x": [date(2020, 1, day) for day in (1, 2, 4)]}))
    (row,) = columns.transform(frame({"x": [None]}))
    expected = parts_of(datetime(2020, 1, 2))
    assert row.tolist() == [*expected[:2], 3, 0, 1]  # weekdays are 2, 3 and 5


def test_numbers_in_dates_are_an_error():
    columns = fit_columns(pd.DataFrame({"x": [MOMENT, MOMENT]}))
    message = (
        "Column 'x' held dates during fit, but now has values that cannot be "
        "converted to dates: 3 is not a date. Give a column of dates."
    )
    with raises(message):
        columns.transform(pd.DataFrame({"x": pd.Series([3], dtype=object)}))


# ---- pipelines


@LIBRARIES
def test_predictions_do_not_depend_on_order_or_further_columns(frame):
    table, y = titanic()
    model = make_table_pipeline(net()).fit(frame(table), y)
    turned = frame({"more": [0] * len(y), **dict(reversed(table.items()))})
    np.testing.assert_array_equal(
        model.predict_proba(turned), model.predict_proba(frame(table))
    )


@LIBRARIES
def test_row_of_news_is_predicted(frame):
    table, y = titanic()
    model = make_table_pipeline(net()).fit(frame(table), y)
    gaps = {name: [None] for name in table}
    unknown = {"sex": ["other"], "port": ["X"], "cabin": ["Z9"]}
    p = model.predict_proba(frame(gaps | unknown))
    # Q is rare, and so is the level of unknown ports
    rare = model.predict_proba(frame(gaps | unknown | {"port": ["Q"]}))
    assert np.isfinite(p).all()
    np.testing.assert_array_equal(p, rare)
    new_gap = model.predict_proba(frame(gaps | unknown | {"sex": [None]}))
    np.testing.assert_array_equal(p, new_gap)


@pytest.mark.slow
@LIBRARIES
def test_search_in_stacks_equals_scikit_learns(frame, stacks):
    table, y = titanic()
    grid = {
        "deepnetclassifier__alpha": [0.0, 1.0, 10.0],
        "columns__categories__onehot__min_frequency": [0.01, 0.2],
    }
    search = GridSearchCV(make_table_pipeline(net()), grid, cv=3)
    theirs = clone(search).fit(frame(table), y)
    with stacked():
        ours = clone(search).fit(frame(table), y)
    assert max(stacks) >= 9
    for name in ("mean_test_score", "split0_test_score", "rank_test_score"):
        np.testing.assert_array_equal(ours.cv_results_[name], theirs.cv_results_[name])
    np.testing.assert_array_equal(
        ours.predict_proba(frame(table)), theirs.predict_proba(frame(table))
    )


def test_pipeline_survives_pickle_and_skops():
    table, y = titanic()
    X = pd.DataFrame(table)
    model = make_table_pipeline(net()).fit(X, y)
    data = skops.io.dumps(model)
    others = {*skops.io.get_untrusted_types(data=data)} - {*TRUSTED_TYPES}
    assert not [it for it in others if it.startswith("sklearn_deepnet")]
    for loaded in (
        pickle.loads(pickle.dumps(model)),
        skops.io.loads(data, trusted=[*TRUSTED_TYPES, *others]),
    ):
        np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
        refitted = clone(loaded).fit(X, y)
        np.testing.assert_array_equal(refitted.predict_proba(X), model.predict_proba(X))


@LIBRARIES
@pytest.mark.parametrize("output", ["pandas", "polars"])
def test_output_may_be_a_frame(frame, output):
    table, y = titanic()
    columns = make_table_pipeline(net())["columns"]
    expected = columns.fit_transform(frame(table), y)
    assert expected.dtype == np.float64
    columns.set_output(transform=output)
    found = columns.fit_transform(frame(table), y)
    assert type(found).__module__.startswith(output)
    np.testing.assert_array_equal(found.to_numpy(), expected)
    assert [*found.columns] == columns.get_feature_names_out().tolist()


def test_it_is_a_pipeline_of_named_steps():
    model = make_table_pipeline(net())
    assert type(model) is Pipeline
    assert [*model.named_steps] == ["columns", "deepnetclassifier"]
    model.set_params(columns__numbers__imputer__strategy="mean")
    table, y = titanic()
    model.fit(pd.DataFrame(table), y)
    n_columns = len(model["columns"].get_feature_names_out())
    assert model["deepnetclassifier"].n_features_in_ == n_columns
    assert model.feature_names_in_.tolist() == [*table]


def test_sample_weight_reaches_the_network():
    table, y = titanic()
    weight = np.arange(len(y)) % 2
    model = make_table_pipeline(net())
    model.fit(pd.DataFrame(table), y, deepnetclassifier__sample_weight=weight)
    alone = net().fit(model["columns"].fit_transform(pd.DataFrame(table), y), y, weight)
    np.testing.assert_array_equal(model[-1].coefs_[0], alone.coefs_[0])


@LIBRARIES
def test_validation_data_are_transformed_like_X(frame):
    table, y = titanic()
    X = frame(table)
    with config_context(enable_metadata_routing=True):
        routed = net().set_fit_request(X_val=True, y_val=True)
        model = make_table_pipeline(routed).set_params(transform_input=["X_val"])
        model.fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:])
    columns = make_table_pipeline(net())["columns"]
    alone = net().fit(
        columns.fit_transform(X[:200], y[:200]),
        y[:200],
        X_val=columns.transform(X[200:]),
        y_val=y[200:],
    )
    assert model[-1].validation_loss_curve_ == alone.validation_loss_curve_


def test_other_estimators_may_be_scaled():
    table, y = titanic()
    scaled = make_pipeline(StandardScaler(), LogisticRegression())
    model = make_table_pipeline(scaled).fit(pd.DataFrame(table), y)
    assert model.score(pd.DataFrame(table), y) > 0.85


@pytest.mark.slow
def test_polars_is_not_imported_for_others():
    code = (
        "import sys, numpy as np, pandas as pd, sklearn_deepnet as sd;"
        "model = sd.make_table_pipeline(sd.DeepNetRegressor((2,), n_iter=1, tol=None));"
        "model.fit(pd.DataFrame(np.eye(9)), range(9)); print('polars' in sys.modules)"
    )
    command = [sys.executable, "-c", code]
    assert subprocess.check_output(command, text=True) == "False\n"


# ---- errors


@pytest.mark.parametrize("estimator", [DeepNetClassifier, "net", None])
def test_no_estimator_is_an_error(estimator):
    message = (
        "estimator must be an estimator, such as DeepNetClassifier(). "
        f"Got {estimator!r} instead."
    )
    with raises(message, TypeError):
        make_table_pipeline(estimator)


@pytest.mark.parametrize("max_levels", [0, 2.5, True, "many"])
def test_wrong_max_levels_is_an_error(max_levels):
    with raises(f"max_levels must be a positive integer. Got {max_levels!r} instead."):
        make_table_pipeline(net(), max_levels=max_levels)


@pytest.mark.parametrize(
    ("X", "what", "advice"),
    [
        (
            csr_array(np.eye(4)),
            "csr_array of shape (4, 4)",
            "Fit the estimator itself to sparse X, or give X.toarray().",
        ),
        (
            np.arange(4),
            "ndarray of shape (4,)",
            "Convert it to a data frame first.",
        ),
        (
            pl.LazyFrame({"x": [1, 2, 3, 4]}),
            "LazyFrame",
            "Call its method collect first.",
        ),
        ({"x": [1, 2, 3, 4]}, "dict", "Convert it to a data frame first."),
    ],
)
def test_what_is_no_table_is_an_error(X, what, advice):
    message = (
        "make_table_pipeline requires a data frame or a dense two-dimensional array. "
        f"Got a {what} instead. {advice}"
    )
    with raises(message):
        make_table_pipeline(net()).fit(X, [0, 1, 0, 1])
