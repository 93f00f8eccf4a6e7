"""Sparse X of few columns is trained on as a dense copy, so it can be stacked."""

import pickle
from functools import partial

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.metrics import get_scorer
from sklearn.preprocessing import OneHotEncoder

from sklearn_deepnet import (
    DeepNetClassifier,
    DeepNetEnsembleClassifier,
    DeepNetRegressor,
    fit_stack,
)
from sklearn_deepnet._fitting.dataset import is_faster_dense
from tests.helpers import assert_same_training, network_factory, raises

N_ROWS = 240
rng = np.random.RandomState(0)
TABLE = np.column_stack(
    [
        rng.randint(0, [2, 3, 4, 5, 10, 20], (N_ROWS, 6)),
        rng.exponential(size=(N_ROWS, 2)),
    ]
)
y = (TABLE[:, 0] + TABLE[:, 4] / 10 + rng.rand(N_ROWS) > 1.2).astype(int)
COUNTS = 1.0 + np.arange(N_ROWS) % 3
SOME = np.arange(N_ROWS) % 3.0  # a third of the rows have weight 0
ENCODE = make_column_transformer(
    (OneHotEncoder(), slice(0, 6)), remainder="passthrough", sparse_threshold=1
)
X = sparse.csr_array(ENCODE.fit_transform(TABLE))
WIDE = sparse.csr_array(np.pad(X.toarray(), ((0, 0), (0, 200))))

net = network_factory(
    "estimator", hidden_layer_sizes=(8,), n_iter=4, batch_size=50, learning_rate=0.01
)


def to_dense(value):
    return value.toarray() if sparse.issparse(value) else value


def assert_equals_dense(network, X=X, y=y, **params):
    """Fit to sparse X and to what it stands for, compare by bits, return the first."""
    other = clone(network).set_params(input_scaling=None)
    dense = {name: to_dense(value) for name, value in params.items()}
    other.fit(to_dense(X), y, **dense)
    assert_same_training(network.fit(X, y, **params), other)
    return network


# ---- which X is made dense

EMPTY = partial(sparse.csr_array, dtype=float)


def with_values(n_columns, per_row, n_rows=10):
    """Return rows that store so many values each."""
    return sparse.csr_array(np.tile(np.arange(n_columns) < per_row, (n_rows, 1)))


@pytest.mark.parametrize(
    ("X", "expected"),
    [
        (X, True),
        (WIDE, False),
        (with_values(30, 1), True),
        (with_values(100, 0), True),
        (with_values(101, 0), False),
        (with_values(106, 1), True),
        (with_values(107, 1), False),
        (with_values(400, 50), True),
        (with_values(401, 50), False),
        (with_values(10_000, 100), False),  # like tf-idf
        (EMPTY((2**23 // 64, 64)), True),
        (EMPTY((2**23 // 64 + 1, 64)), False),
    ],
)
@pytest.mark.parametrize("kind", ["csr", "csc", "coo"])
def test_shape_and_number_of_values_decide(X, expected, kind):
    assert is_faster_dense(X.asformat(kind)) == expected


def test_rows_of_weight_zero_do_not_count():
    mixed = sparse.vstack([with_values(110, 100), with_values(110, 1)], format="csr")
    assert is_faster_dense(mixed)
    assert is_faster_dense(mixed, np.arange(10))
    assert not is_faster_dense(mixed, np.arange(10, 20))
    large = EMPTY((2**23 // 64 + 1, 64))
    assert is_faster_dense(large, np.arange(1, large.shape[0]))


# ---- training


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"shuffle": False},
        {"batch_size": None},
        {"batch_size": 1, "n_iter": 1},
        {"dtype": "float32"},
        {"dropout": 0.3, "l1": 0.1, "schedule": "cosine"},
        {"early_stopping": True},
        {"early_stopping": True, "scoring": "accuracy"},
        {"class_weight": "balanced"},
        {"hidden_layer_sizes": ()},
    ],
)
@pytest.mark.parametrize("weight", [None, COUNTS, SOME])
def test_a_fit_has_the_bits_of_dense_x(parameters, weight):
    assert_equals_dense(net(**parameters), sample_weight=weight)


FORMS = {
    "csr matrix": sparse.csr_matrix,
    "csc": sparse.csc_array,
    "coo": sparse.coo_array,
    "float32": lambda X: X.astype(np.float32),
    "integers": lambda X: X.astype(np.int8),
    "bool": lambda X: X.astype(bool),
    "another byte order": lambda X: sparse.csr_array(
        (X.data.astype(">f8"), X.indices, X.indptr), X.shape
    ),
    "long indices": lambda X: sparse.csr_array(
        (X.data, X.indices.astype(np.int64), X.indptr.astype(np.int64)), X.shape
    ),
    "zeros that are stored": lambda X: sparse.csr_array(
        (X.data * (np.arange(X.nnz) % 5 > 0), X.indices, X.indptr), X.shape
    ),
    "columns in no order, some twice": lambda X: sparse.csr_array(
        (
            np.repeat(X.data / 2, 2)[::-1],
            np.repeat(X.indices, 2)[::-1],
            (2 * (X.nnz - X.indptr))[::-1],
        ),
        X.shape,
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_has_the_bits_of_dense_x(form):
    assert_equals_dense(net(), FORMS[form](X))
    assert_equals_dense(net(), FORMS[form](X), X_val=FORMS[form](X[::2]), y_val=y[::2])


def test_several_outputs_have_the_bits_of_dense_x():
    assert_equals_dense(net(DeepNetRegressor), y=TABLE[:, -2:] * [1, 100])


@pytest.mark.parametrize("X_val", [X[::2], WIDE[::2, : X.shape[1]], X[::2].toarray()])
def test_rows_to_monitor_may_be_of_any_form(X_val):
    fitted = assert_equals_dense(net(), X_val=X_val, y_val=y[::2])
    assert len(fitted.validation_loss_curve_) == 4


@pytest.mark.parametrize("weight", [None, SOME])
def test_lbfgs_has_the_bits_of_dense_x(weight):
    network = DeepNetClassifier(
        (8,), solver="lbfgs", n_iter=4, tol=None, random_state=0
    )
    assert_equals_dense(network, sample_weight=weight)


def test_sparse_rows_are_not_scaled():
    assert net().fit(X, y).input_mean_ is None
    with raises(
        "input_scaling='standard' does not support sparse X, since centering would "
        "make it dense. Set input_scaling=None. If the columns of X differ much in "
        "scale, transform X by MaxAbsScaler first."
    ):
        net(input_scaling="standard").fit(X, y)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_rows_of_weight_zero_are_left_out(early_stopping):
    some = np.r_[0:N_ROWS]
    # Alone, the rows of positive weight have too many columns for what they store.
    full = np.ones((N_ROWS, WIDE.shape[1]))
    mixed = sparse.vstack([WIDE, sparse.csr_array(full)], format="csr")
    labels, weight = np.tile(y, 2), np.repeat([1.0, 0.0], N_ROWS)
    assert is_faster_dense(mixed)
    assert not is_faster_dense(WIDE)
    networks = [net(early_stopping=early_stopping) for _ in range(2)]
    networks[0].fit(mixed, labels, sample_weight=weight)
    assert_same_training(networks[0], networks[1].fit(WIDE, labels[some]))


def test_a_scorer_gets_what_was_given():
    kinds = []

    def score(network, X, y):
        kinds.append(type(X))
        return get_scorer("accuracy")(network, X, y)

    net(scoring=score).fit(X, y, X_val=X[::2], y_val=y[::2])
    net(scoring=score, early_stopping=True).fit(X, y)
    assert {*kinds} == {sparse.csr_array}


# ---- going on


def test_a_fit_in_parts_equals_one():
    whole = net(n_iter=6, dropout=0.2).fit(X, y)
    parts = net(dropout=0.2, warm_start=True, n_iter=2).fit(X, y)
    parts = pickle.loads(pickle.dumps(parts))
    assert_same_training(parts.set_params(n_iter=4).fit(X, y), whole)


def test_calls_of_partial_fit_equal_a_fit_in_full_batch():
    whole = net(n_iter=3, batch_size=None).fit(X, y)
    parts = net(batch_size=None)
    for _ in range(3):
        parts.partial_fit(X, y, classes=[0, 1])
    assert_same_training(parts, whole)


def test_a_stream_may_be_made_dense_in_some_calls_only():
    chunks = [WIDE, sparse.csr_array(np.ones(WIDE.shape)), WIDE[:7], WIDE[7:]]
    assert {*map(is_faster_dense, chunks)} == {False, True}
    networks = [net(), net(), net()]
    for chunk in chunks:
        labels = y[: chunk.shape[0]]
        for k, network in enumerate(networks):
            rows = chunk.toarray() if k == 2 else chunk
            network.set_params(input_scaling=None)
            network.partial_fit(rows, labels, classes=[0, 1])
        networks[1] = pickle.loads(pickle.dumps(networks[1]))
    assert_same_training(networks[0], networks[1])
    assert_same_training(networks[0], networks[2], rtol=1e-10)


def test_sparse_rows_continue_a_network_that_scales():
    dense, made_dense = (net().fit(X.toarray(), y) for _ in range(2))
    with pytest.warns(UserWarning, match="Training continues with a new state"):
        dense.partial_fit(X.toarray(), y)
    with pytest.warns(UserWarning, match="Training continues with a new state"):
        made_dense.partial_fit(X, y)
    assert_same_training(made_dense, dense)
    assert made_dense.input_mean_ is not None


# ---- stacks

SETTINGS = [{"init": "he"}, {"init": "xavier"}, {"alpha": 1.0}, {"dropout": 0.4}]


def assert_stack_equals_alone(X=X, rows=None, settings=SETTINGS, **params):
    networks = [net(random_state=k, **own) for k, own in enumerate(settings)]
    others = [clone(network) for network in networks]
    fit_stack(networks, X, y, rows=rows, **params)
    for k, (network, other) in enumerate(zip(networks, others, strict=True)):
        some = slice(None) if rows is None else rows[k]
        own = {
            name: value if name.endswith("_val") else value[some]
            for name, value in params.items()
        }
        assert_same_training(network, other.fit(X[some], y[some], **own))


FOLDS = [np.flatnonzero(np.arange(N_ROWS) % 4 != k) for k in range(4)]


@pytest.mark.parametrize("rows", [None, FOLDS], ids=["all", "folds"])
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"sample_weight": COUNTS},
        {"sample_weight": SOME},
        {"X_val": X[::3], "y_val": y[::3]},
        {"X_val": X[::3].toarray(), "y_val": y[::3]},
    ],
    ids=["plain", "weights", "some", "monitored", "dense rows monitored"],
)
def test_a_stack_equals_its_networks_alone(rows, params, unbroken_stacks):
    assert_stack_equals_alone(rows=rows, **params)
    assert unbroken_stacks == [4]


def test_held_out_rows_differ_in_a_stack(unbroken_stacks):
    settings = [{**own, "early_stopping": True} for own in SETTINGS]
    assert_stack_equals_alone(settings=settings)
    assert unbroken_stacks == [4]


def test_class_weights_may_leave_other_rows_to_each(unbroken_stacks):
    labels = np.arange(N_ROWS) % 3
    weights = [None, {0: 0.0}, {1: 0.0}, {2: 0.0, 1: 2.0}]
    networks = [net(class_weight=weight) for weight in weights]
    others = [clone(network).fit(X, labels) for network in networks]
    fit_stack(networks, X, labels)
    for network, other in zip(networks, others, strict=True):
        assert_same_training(network, other)
    assert sorted(unbroken_stacks) == [1, 3]


def test_class_weights_may_leave_rows_to_be_made_dense_to_some(unbroken_stacks):
    labels = np.arange(N_ROWS) % 3
    few = np.where(labels[:, np.newaxis] == 2, 1.0, WIDE.toarray())
    mixed = sparse.csr_array(few)
    weights = [None, {2: 0.0}, {0: 0.0}, {1: 0.0}]
    networks = [net(class_weight=weight) for weight in weights]
    others = [clone(network).fit(mixed, labels) for network in networks]
    fit_stack(networks, mixed, labels)
    for network, other in zip(networks, others, strict=True):
        assert_same_training(network, other)
    assert sorted(unbroken_stacks) == [1, 2]


def test_rows_of_many_columns_are_trained_on_one_by_one(unbroken_stacks):
    assert_stack_equals_alone(WIDE)
    assert not unbroken_stacks


@pytest.mark.parametrize("bootstrap", [False, True])
def test_ensembles_are_stacked(bootstrap, unbroken_stacks):
    ensembles = [
        DeepNetEnsembleClassifier(
            net(input_scaling=None),
            n_estimators=5,
            bootstrap=bootstrap,
            random_state=0,
        ).fit(rows, y)
        for rows in (X, X.toarray())
    ]
    assert unbroken_stacks == [5, 5]
    for member, other in zip(*(it.estimators_ for it in ensembles), strict=True):
        assert_same_training(member, other)


# ---- memory


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [200, None])
def test_a_dense_copy_is_bounded(batch_size, peak_of):
    n_rows = 2**23 // 64
    large = sparse.csr_array(
        (np.ones(2 * n_rows), np.arange(2 * n_rows) % 64, np.arange(n_rows + 1) * 2),
        (n_rows, 64),
    )
    labels = np.arange(n_rows) // 16 % 2
    network = DeepNetClassifier((4,), n_iter=1, tol=None, batch_size=batch_size)
    peak = peak_of(lambda: network.fit(large, labels))
    assert 2**26 < peak < 2**26 + 2e7
    weight = (np.arange(n_rows) % 16 == 0).astype(float)
    peak = peak_of(lambda: network.fit(large, labels, sample_weight=weight))
    assert peak < 2**22 + 2e7
    larger = sparse.vstack([large, large[:2]], format="csr")
    peak = peak_of(lambda: network.fit(larger, np.r_[labels, 0, 1]))
    assert peak < 2e7
