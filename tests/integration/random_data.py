"""Data of all kinds that the estimators take, and of some that they refuse.

A `Data` is a few names and a seed; `make_data` makes arrays of it. The names are the
keys of the tables below.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType

import numpy as np
import pandas as pd
import polars as pl
from scipy import sparse


@dataclass(frozen=True)
class Data:
    """What `make_data` makes.

    Parameters
    ----------
    seed : int
        Seed of the values.
    n_rows : int
        Number of rows of X.
    columns : tuple of str
        A key of `COLUMNS` for each column of X.
    container : str
        The key in `CONTAINERS` of what holds X.
    target : str
        The key in `TARGETS` of the kind of y.
    labels : str
        The key in `LABELS` of the type of y.
    weights : str or None
        The key in `WEIGHTS` of the sample weights; None for no weights.
    n_validation : int
        Number of rows of X_val; 0 for no validation data.
    fault : str or None
        The key in `FAULTS` of what is wrong; None for valid data.
    """

    seed: int
    n_rows: int = 40
    columns: tuple[str, ...] = ("normal", "normal")
    container: str = "float64"
    target: str = "two_classes"
    labels: str = "int"
    weights: str | None = None
    n_validation: int = 0
    fault: str | None = None


# ---- columns of X, from a generator and a number of rows


def _numbers(change):
    return lambda rng, n: change(rng.standard_normal(n))


COLUMNS = MappingProxyType(
    {
        "normal": _numbers(lambda x: x),
        "integer": _numbers(lambda x: np.rint(3 * x)),
        "flag": _numbers(lambda x: 1.0 * (x > 0)),
        "mostly_zero": _numbers(lambda x: np.where(x > 1, x, 0)),
        "constant": _numbers(lambda x: np.full(len(x), 7.0)),
        "zero": _numbers(np.zeros_like),
        "large": _numbers(lambda x: 1e5 * x),
        "small": _numbers(lambda x: 1e-5 * x),
        "offset": _numbers(lambda x: 1e4 + x),
        "far_offset": _numbers(lambda x: 1.7e9 + 1e4 * x),
        "outlier": _numbers(lambda x: np.where(np.arange(len(x)) == 3, 1e6, x)),
        "huge": _numbers(lambda x: 1e150 * x),
        "tiny": _numbers(lambda x: 1e-200 * x),
        "rounding": _numbers(lambda x: 0.1 * 3 + 1e-17 * np.rint(3 * x)),
    }
)
# Columns of which a network in float32 sees more than rounding
SMALL = frozenset({"normal", "integer", "flag", "mostly_zero", "constant", "zero"})


# ---- what holds X, from an array of float64


def _as_float32(X):
    return np.clip(X, -1e38, 1e38).astype(np.float32)


def _every_other(X):
    wide = np.repeat(X, 2, axis=1)
    return wide[:, ::2]


def _read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def _named(X):
    return {f"column {k}": column for k, column in enumerate(X.T)}


def _mixed_frame(X):
    frame = pd.DataFrame(_named(X))
    flags = [name for name in frame if set(frame[name]) <= {0.0, 1.0}]
    return frame.astype(dict.fromkeys(flags, bool))


def _with_duplicates(X):
    """Return a matrix whose rows hold two entries for each column, in no order."""
    n, n_columns = X.shape
    columns = np.tile([*range(n_columns), *range(n_columns)][::-1], n)
    values = np.concatenate([X / 2, X / 2], axis=1)[:, ::-1].ravel()
    starts = np.arange(n + 1) * 2 * n_columns
    return sparse.csr_matrix((values, columns, starts), shape=X.shape)


CONTAINERS = MappingProxyType(
    {
        "float64": lambda X: X,
        "float32": lambda X: _as_float32(X),
        "float16": lambda X: np.clip(X, -60_000, 60_000).astype(np.float16),
        "longdouble": lambda X: X.astype(np.longdouble),
        "int64": lambda X: np.rint(np.clip(X, -1e15, 1e15)).astype(np.int64),
        "int8": lambda X: np.rint(np.clip(X, -100, 100)).astype(np.int8),
        "uint16": lambda X: np.rint(np.clip(X, 0, 60_000)).astype(np.uint16),
        "bool": lambda X: X > 0,
        "object": lambda X: X.astype(object),
        "fortran": np.asfortranarray,
        "strided": _every_other,
        "reversed": lambda X: X[::-1].copy()[::-1],
        "read_only": _read_only,
        "swapped": lambda X: X.astype(">f8"),
        "swapped_float32": lambda X: _as_float32(X).astype(">f4"),
        "list": lambda X: X.tolist(),
        "csr": sparse.csr_matrix,
        "csr_array": sparse.csr_array,
        "csr_twice": _with_duplicates,
        "csr_float32": lambda X: sparse.csr_matrix(_as_float32(X)),
        "csc": sparse.csc_matrix,
        "coo": sparse.coo_matrix,
        "lil": sparse.lil_matrix,
        "pandas": lambda X: pd.DataFrame(_named(X)),
        "pandas_mixed": _mixed_frame,
        "pandas_nullable": lambda X: pd.DataFrame(_named(X)).convert_dtypes(),
        "polars": lambda X: pl.DataFrame(_named(X)),
    }
)


def is_sparse(container):
    return container in {
        "csr",
        "csr_array",
        "csr_twice",
        "csr_float32",
        "csc",
        "coo",
        "lil",
    }


def as_dense(X):
    """Return the same values as an array of float64 in C order."""
    X = X.toarray() if sparse.issparse(X) else X
    X = X.to_numpy() if isinstance(X, pl.DataFrame) else X
    return np.array(X, dtype=np.float64, order="C")


def select(array, rows):
    """Return some rows of X, of y or of weights, in the same container."""
    if isinstance(array, list):
        return [array[k] for k in rows]
    if isinstance(array, pd.DataFrame | pd.Series):
        return array.iloc[rows]
    if sparse.issparse(array):
        return array.tocsr()[rows].asformat(array.format)
    return array[rows]


# ---- y, from a column per signal, and what holds it


def _classes(n_classes):
    def cut(signals):
        ranks = signals[0].argsort().argsort()
        return ranks * n_classes // len(ranks)

    return cut


def _few(signals):
    """Return how many rows each of many classes has."""
    return max(2, signals.shape[1] // 30)


def _indicators(n_labels):
    return lambda signals: (signals[:n_labels] > 0).astype(int).T


TARGETS = MappingProxyType(
    {
        "two_classes": _classes(2),
        "three_classes": _classes(3),
        "four_classes": _classes(4),
        "many_classes": lambda signals: signals[0].argsort().argsort() // _few(signals),
        "rare_class": lambda signals: (signals[0] >= np.sort(signals[0])[-2]).astype(
            int
        ),
        "labels": _indicators(3),
        "class_column": _indicators(1),
        "number": lambda signals: signals[0],
        "far_number": lambda signals: 1e6 + 10 * signals[0],
        "huge_number": lambda signals: 1e150 * signals[0],
        "tiny_number": lambda signals: 1e-200 * signals[0],
        "constant": lambda signals: np.full(signals.shape[1], 2.5),
        "constant_column": lambda signals: signals[:2].T * [0.0, 3.0] + 5,
        "count": lambda signals: np.rint(np.exp(signals[0].clip(-2, 2))),
        "numbers": lambda signals: signals[:2].T,
        "column": lambda signals: signals[:1].T,
    }
)
OF_CLASSIFIER = ("two_classes", "three_classes", "four_classes", "many_classes")
OF_CLASSIFIER += ("rare_class", "class_column", "labels")
OF_REGRESSOR = tuple(name for name in TARGETS if name not in OF_CLASSIFIER)


def _text(codes):
    return np.array(["no", "yes", "zebra", "ä"] + [f"ö{k:03}" for k in range(999)])[
        codes
    ]


LABELS = MappingProxyType(
    {
        "int": lambda y: y,
        "list": lambda y: y.tolist(),
        "int8": lambda y: y.astype(np.int8),
        "float": lambda y: y.astype(float),
        "float32": lambda y: y.astype(np.float32),
        "swapped": lambda y: y.astype(">f8"),
        "negative": lambda y: 5 * y - 7,
        "bool": lambda y: y > 0,
        "text": _text,
        "object": lambda y: _text(y).astype(object),
        "series": lambda y: pd.Series(_text(y)),
        "category": lambda y: pd.Series(_text(y), dtype="category"),
        "date": lambda y: np.datetime64("2020-01-01") + y.astype("timedelta64[D]"),
    }
)
OF_INDICATORS = ("int", "list", "int8", "float", "float32", "bool")
OF_NUMBERS = ("int", "list", "float", "float32", "swapped")

# ---- sample weights, from a generator and y


def _zeros_leave_each_class(rng, y):
    weights = np.where(rng.random(len(y)) < 0.3, 0.0, rng.random(len(y)) + 0.5)
    _, first = np.unique(y, axis=0, return_index=True)
    weights[first] = 1.0
    return weights


WEIGHTS = MappingProxyType(
    {
        "random": lambda rng, y: rng.random(len(y)) + 0.1,
        "float32": lambda rng, y: rng.random(len(y)).astype(np.float32) + 0.1,
        "integer": lambda rng, y: rng.integers(1, 4, len(y)),
        "some_zero": _zeros_leave_each_class,
        "list": lambda rng, y: (rng.random(len(y)) + 0.1).tolist(),
        "large": lambda rng, y: 1e6 * (rng.random(len(y)) + 0.1),
        "tiny": lambda rng, y: 1e-100 * (rng.random(len(y)) + 0.1),
        "of_all_sizes": lambda rng, y: 10.0 ** rng.integers(-9, 9, len(y)),
        "one_class": lambda rng, y: (y == y[0]).reshape(len(y), -1).all(axis=1) * 1.0,
    }
)

# ---- what is wrong: functions that change X, y and the arguments of `fit` in place


def _put(name, value):
    def change(given):
        array = np.array(as_dense(given[name]) if name[0] == "X" else given[name])
        array = array.astype(object if isinstance(value, str | None) else float)
        array.flat[1] = value
        given[name] = array

    return change


def _set(name, change):
    return lambda given: given.update({name: change(given)})


FAULTS = MappingProxyType(
    {
        "X with NaN": _put("X", np.nan),
        "X with infinity": _put("X", np.inf),
        "X with text": _put("X", "many"),
        "X with None": _put("X", None),
        "X of one dimension": _set("X", lambda it: as_dense(it["X"])[:, 0]),
        "X of three dimensions": _set("X", lambda it: as_dense(it["X"])[None]),
        "X without rows": _set("X", lambda it: as_dense(it["X"])[:0]),
        "X without columns": _set("X", lambda it: as_dense(it["X"])[:, :0]),
        "X of complex numbers": _set("X", lambda it: as_dense(it["X"]) + 1j),
        "X is None": _set("X", lambda it: None),
        "y is None": _set("y", lambda it: None),
        "y is too short": _set("y", lambda it: np.array(it["y"])[:-1]),
        "y of three dimensions": _set(
            "y", lambda it: np.array(it["y"])[..., None, None]
        ),
        "y of one value in a scalar": _set("y", lambda it: 3),
        "weights with NaN": _set("sample_weight", lambda it: _weights(it, np.nan)),
        "weights with a negative": _set("sample_weight", lambda it: _weights(it, -1)),
        "weights of zero": _set("sample_weight", lambda it: 0 * _weights(it, 1)),
        "weights that are too short": _set(
            "sample_weight", lambda it: _weights(it, 1)[1:]
        ),
        "weights of text": _set("sample_weight", lambda it: ["a"] * len(_dense_y(it))),
        "weights of two columns": _set(
            "sample_weight", lambda it: np.ones((len(_dense_y(it)), 2))
        ),
        "X_val without y_val": _set("X_val", lambda it: as_dense(it["X"])),
        "y_val without X_val": _set("y_val", lambda it: it["y"]),
        "weights of no validation data": _set(
            "sample_weight_val", lambda it: _weights(it, 1)
        ),
    }
)


def _dense_y(given):
    return np.array(given["y"])


def _weights(given, second):
    weights = np.ones(len(_dense_y(given)))
    weights[1] = second
    return weights


# ---- all together


def make_data(data):
    """Return X, y and the arguments of ``fit`` that belong to them, as a new dict."""
    return _make_data(data).copy()


@lru_cache(maxsize=4)
def _make_data(data):
    found = _make_rows(data, data.seed, data.n_rows)
    if data.n_validation:
        names = {"X": "X_val", "y": "y_val", "sample_weight": "sample_weight_val"}
        rows = _make_rows(data, data.seed + 1, data.n_validation)
        if data.seed % 3 == 0 and not data.container.startswith(("pandas", "polars")):
            rows["X"] = as_dense(rows["X"])  # in another container than X
        found |= {names[name]: it for name, it in rows.items()}
    if data.fault is not None:
        FAULTS[data.fault](found)
    return found


def other_rows(data):
    """Return other data of the same kind."""
    return replace(data, seed=data.seed + 2, n_rows=data.n_rows // 2 + 5)


def classes_of(data):
    """Return the labels of a classifier, sorted."""
    y = np.array(make_data(replace(data, fault=None))["y"])
    return np.arange(y.shape[1]) if y.shape[1:] > (1,) else np.unique(y)


def _make_rows(data, seed, n_rows):
    rng = np.random.default_rng(seed)
    X = np.stack([COLUMNS[name](rng, n_rows) for name in data.columns], axis=1)
    X = CONTAINERS[data.container](X)
    dense = as_dense(X)
    scaled = (dense - dense.mean(axis=0)) / np.maximum(dense.std(axis=0), 1e-12)
    mixing = np.random.default_rng(len(data.columns)).standard_normal(
        (3, len(data.columns))
    )
    signals = mixing @ scaled.T + 0.5 * rng.standard_normal((3, n_rows))
    y = TARGETS[data.target](signals)
    found = {"X": X, "y": LABELS[data.labels](y)}
    if data.weights is not None:
        found["sample_weight"] = WEIGHTS[data.weights](rng, y)
    return found
