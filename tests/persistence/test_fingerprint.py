"""Equal values have one fingerprint in every process, and different ones do not."""

import copy
import os
import re
import subprocess
import sys
import threading
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from itertools import chain, count, cycle, repeat

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import coo_array, csr_array, csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import f1_score, make_scorer
from sklearn.preprocessing import StandardScaler

from sklearn_deepnet import DeepNetClassifier
from sklearn_deepnet._serialization.fingerprint import (
    NotHashable,
    fingerprint,
    hash_arrays,
)
from sklearn_deepnet.nn.activations import relu, tanh
from sklearn_deepnet.nn.losses import focal
from sklearn_deepnet.nn.numeric_features import PeriodicFeatures
from sklearn_deepnet.nn.optimizers import Adam
from sklearn_deepnet.nn.schedules import Step


def times(factor):
    return lambda x: factor * x


def of_a_class(value):
    class Own:
        def method(self):
            return value

    return Own()


def cached(value):
    @lru_cache
    def get():
        return value

    return lambda x: x + get()


def with_attribute(value):
    def function(x):
        return x * function.value

    function.value = value
    return function


def factorial(start):
    def product(n):
        return n * product(n - 1) if n else start

    return product


def scoring_with_weights():
    return lambda estimator, X, y, sample_weight=None: 0


def scoring_with_others():
    return lambda estimator, X, y, weights=None: 0


def of_a_module():
    import math

    return lambda x: math.exp(x)


def a_dataclass(value):
    @dataclass
    class Data:
        field: float = value

        @cached_property
        def twice(self):
            return 2 * self.field

    return Data()


def categories(order, **options):
    return pd.Series(pd.Categorical(["u", "v"], [*order], **options))


class Holding:
    def __init__(self, value):
        self.value = value


class Scaling(StandardScaler):
    """Other code under the name of a class of scikit-learn."""

    def transform(self, X):
        return 2 * X


def scaler(*values):
    return StandardScaler().fit(np.reshape(values, (-1, 1)))


DIFFERENT = {
    "types": [1, 1.0, True, "1", None, b"1", (1,), [1], {"a": 1}, {1}, float, np.nan],
    "keys and items of several types": [
        {None: 1, "a": 2, 3: [4]},
        {None: 1, "a": 2, 3: [5]},
        {None, "a", "b", 3},
        frozenset({None, "a", "c", 3}),
    ],
    "floats": [0.1, 0.2, np.inf, -np.inf, 0.0, -0.0, float(np.float32(0.1))],
    "arrays": [
        np.arange(3),
        np.arange(3.0),
        np.arange(3.0, dtype=np.float32),
        np.arange(3.0)[:, np.newaxis],
        np.arange(4),
        np.array(["a", "b"]),
        np.array(["a", "c"]),
        np.array(["a", "b"], object),
        np.array(["a", 1], object),
        np.ma.masked_equal([0, 1, 2], 1),
        np.array(3),
    ],
    "functions": [times(1), times(2), lambda x: x, lambda x: -x, lambda x, k=1: x],
    "signatures": [
        scoring_with_weights(),
        scoring_with_others(),
        lambda *a: a,
        lambda **a: a,
        lambda a: a,
        lambda *, a: a,
        lambda a, /: a,
    ],
    "what functions hold": [cached(1), cached(2), with_attribute(1), with_attribute(2)],
    "what is made here": [of_a_module(), a_dataclass(1.0), a_dataclass(2.0)],
    "times": [np.datetime64(5, "ns"), np.timedelta64(5, "ns"), np.datetime64(5, "s")],
    "records": [np.zeros(2, [("a", int)]), np.zeros(2, [("b", int)])],
    "categories": [
        categories("uv"),
        categories("vu"),
        categories("uv", ordered=True),
        categories("uv").astype(object),
        categories("uv").rename("k"),
    ],
    "constants": [lambda: {"a", "b"}, lambda: {"a", "c"}, lambda: lambda: 1],
    "names": [np.log1p, np.exp, len, f1_score, StandardScaler, DeepNetClassifier],
    "partial": [partial(f1_score, average=a) for a in ("macro", "micro")],
    "methods": [Holding(1).__repr__, Holding(2).__repr__, StandardScaler().fit],
    "scorers": [
        make_scorer(f1_score),
        make_scorer(f1_score, greater_is_better=False),
        make_scorer(f1_score, average="macro"),
        make_scorer(times(1)),
        make_scorer(times(2)),
    ],
    "objects": [Holding(1), Holding(2), Holding([1]), of_a_class(1), of_a_class(2)],
    # From Python 3.14 on, pickle cannot write them; before, 3.12 and 3.13 warn of that
    "iterators": [count(3), count(4), repeat(3), cycle([1]), chain([1], [2])]
    if sys.version_info < (3, 14)
    else [],
    "patterns": [re.compile("a"), re.compile("b")],
    "generators": [np.random.RandomState(0), np.random.default_rng(0)],
    "words": [relu, tanh, focal(1.0), focal(2.0), Adam(), Adam(beta1=0.8)],
    "schedules": [Step(every=2, factor=0.5), Step(every=3, factor=0.5)],
    "numeric features": [PeriodicFeatures(4), PeriodicFeatures(5)],
    "estimators": [
        StandardScaler(),
        StandardScaler(with_mean=False),
        Scaling(),
        scaler(1, 2),
        scaler(1, 3),
        FrozenEstimator(scaler(1, 2)),
        FrozenEstimator(scaler(1, 3)),
        DeepNetClassifier(),
        DeepNetClassifier(alpha=0.1),
        FrozenEstimator(TfidfVectorizer().fit(["a text", "another"])),
    ],
    "tables": [
        pd.DataFrame({"a": [1, 2]}),
        pd.DataFrame({"b": [1, 2]}),
        pd.DataFrame({"a": [1, 3]}),
        pd.DataFrame({"a": [1, 2]}, index=[1, 0]),
        pd.DataFrame({"a": ["1", "2"]}),
        pd.Series([1, 2]),
    ],
    "sparse": [
        csr_array([[1, 0], [0, 1]]),
        csr_array([[1, 1], [0, 0]]),
        csr_array([[1, 0], [0, 2]]),
        csr_array([[1, 0, 0], [0, 1, 0]]),
        coo_array([[1, 0], [0, 1]]),
        csr_matrix([[1, 0], [0, 1]]),
    ],
}
EXAMPLES = [value for values in DIFFERENT.values() for value in values]


def test_different_values_have_different_fingerprints():
    hashes = [fingerprint(value) for value in EXAMPLES]
    assert len({*hashes}) == len(hashes)
    assert hashes == [fingerprint(value) for value in EXAMPLES]


@pytest.mark.slow
def test_fingerprints_are_the_same_in_another_process():
    script = (
        "import runpy, sys; test = runpy.run_path(sys.argv[1], run_name='other');"
        "print(*map(test['fingerprint'], test['EXAMPLES']))"
    )
    found = [
        subprocess.run(
            [sys.executable, "-c", script, __file__],
            capture_output=True,
            check=True,
            env=os.environ | {"PYTHONHASHSEED": str(seed)},
        ).stdout
        for seed in (1, 2)
    ]
    assert found[0] == found[1]


X = np.random.RandomState(0).rand(6, 4)
PAIR = (1, [2.0])
SPARSE = csr_array(np.where(X > 0.5, X, 0))


def unsorted(matrix):
    copy = matrix.copy()
    for row in range(len(copy.indptr) - 1):
        part = slice(copy.indptr[row], copy.indptr[row + 1])
        copy.indices[part] = copy.indices[part][::-1].copy()
        copy.data[part] = copy.data[part][::-1].copy()
    copy.has_sorted_indices = False
    return copy


@pytest.mark.parametrize(
    ("value", "other"),
    [
        (X, np.asfortranarray(X)),
        (X, np.repeat(X, 2, axis=1)[:, ::2]),
        (np.array([["a", "b"], ["c", "d"]]), np.array([["a", "c"], ["b", "d"]]).T),
        (SPARSE, unsorted(SPARSE)),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"a", "b", "c"}, {"c", "b", "a"}),
        ([PAIR, PAIR], [PAIR, (*PAIR,)]),
        (0.1, np.float64(0.1)),
        ("a", np.str_("a")),
        (times(1), times(1)),
        (of_a_class(1), of_a_class(1)),
        (DeepNetClassifier(), DeepNetClassifier(verbose=1)),
    ],
)
def test_equal_values_have_one_fingerprint(value, other):
    assert fingerprint(value) == fingerprint(other)


def test_a_value_that_contains_itself_has_a_fingerprint():
    first, second = [1], [2]
    first.append(first)
    second.append(second)
    assert fingerprint(first) == fingerprint(first)
    assert fingerprint(first) != fingerprint(second)
    assert fingerprint(factorial(1)) == fingerprint(factorial(1))
    assert fingerprint(factorial(1)) != fingerprint(factorial(2))


def many_ways():
    value = [1]
    for _ in range(40):
        value = [value, value]
    return value


class Failing:
    def __reduce_ex__(self, protocol):
        raise KeyError


@pytest.mark.slow
@pytest.mark.parametrize(
    "value",
    [threading.Lock(), np.frompyfunc(lambda x: x, 1, 1), many_ways(), Failing()],
    ids=["lock", "a ufunc without a name", "parts that are met too often", "an error"],
)
def test_what_cannot_be_hashed_is_an_error(value):
    with pytest.raises(NotHashable):
        fingerprint([value])


class Base(DeepNetClassifier):
    kept: int = 1


def test_use_does_not_change_a_fingerprint():
    values = [Base(), a_dataclass(1.0), re.compile("a"), cached(1), SPARSE]
    values.append(pd.DataFrame({"a": [1.0, 2.0]}))
    classes = [type(value) for value in values[:2]]
    before = [fingerprint([value, *classes]) for value in values]
    for value in values[:2]:
        copy.copy(value)
        copy.deepcopy(value)
        assert type(value).__annotations__
    values[0].get_params()
    values[3](1)
    assert values[4].has_sorted_indices
    values[5].describe()
    assert [fingerprint([value, *classes]) for value in values] == before


def test_a_memory_map_has_the_fingerprint_of_its_values(tmp_path):
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert fingerprint(mapped) == fingerprint(X)


def test_every_row_is_hashed():
    rows = np.zeros((5000, 300))
    hashes = {hash_arrays(rows)}
    for row in (0, 700, 4999):
        rows[row, -1] = 1
        hashes.add(hash_arrays(rows))
    assert len(hashes) == 4


@pytest.mark.parametrize("order", "CF")
def test_no_copy_is_made_of_an_array(order, peak_of):
    rows = np.zeros((3400, 3400), order=order)
    assert peak_of(lambda: hash_arrays(rows)) < rows.nbytes / 10
