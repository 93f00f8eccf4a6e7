"""A stack equals its members trained one by one, bit for bit.

What belongs to a network differs from network to network: rates, penalties, dropout,
schedules, data and when it stops.
"""

from functools import cache
from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.special import softmax
from sklearn.base import clone

from sklearn_deepnet import DeepNetClassifier
from sklearn_deepnet._engine.batches import Batches
from sklearn_deepnet._engine.early_stopping import ValidationSet
from sklearn_deepnet._engine.network import Network, count_params
from sklearn_deepnet._engine.prediction import predict_logits
from sklearn_deepnet._engine.state import NEVER, TrainingSpec, TrainingState
from sklearn_deepnet._engine.training import train
from sklearn_deepnet.nn.activations import ACTIVATIONS, gelu, relu, tanh
from sklearn_deepnet.nn.losses import (
    binary_cross_entropy,
    cross_entropy,
    focal,
    huber,
    poisson,
    quantile,
    squared_error_logistic,
    squared_error_softmax,
)
from sklearn_deepnet.nn.optimizers import OPTIMIZERS
from sklearn_deepnet.nn.schedules import Constant, Cosine, Custom, Exponential, Plateau
from tests.engine.helpers import train_arrays
from tests.helpers import digits, wine

pytestmark = pytest.mark.usefixtures("one_thread")

K, N_TRAIN, N_HELD_OUT = 6, 37, 11
SIZES, HIDDEN = (13, 6, 5, 3), [tanh, gelu]
X, Y = wine()
Y = Y[:, np.newaxis]
WEIGHT = np.random.RandomState(1).uniform(0.5, 1.5, (178, 1))

# The second network is to diverge; the third, fourth and fifth lose patience, each in
# its own time; the first and the last stay to the end.
WISHES = {
    "learning_rate": np.array([0.05, 1e30, 0.02, 0.1, 0.3, 0.01]),
    "decay": np.array([0.1, 0.0, 0.0, 0.3, 0.01, 0.0]),
    "l1": np.array([0.0, 0.01, 0.02, 0.0, 0.001, 0.0]),
    "clip_norm": np.array([np.inf, np.inf, 0.5, 1e9, 0.1, np.inf]),
    "dropout": np.array([[0.3, 0.5], [0, 0], [0, 0.2], [0.1, 0], [0, 0], [0, 0]]),
    "tol": np.array([0.0, 0.0, 1e9, 1e9, 1e9, 0.0]),
    "n_iter_no_change": np.array([NEVER, NEVER, 3, 5, 2, NEVER]),
}
SCHEDULES = [
    Exponential(factor=0.8),
    Constant(),
    Plateau(factor=0.3, patience=1),
    Cosine(horizon=6),
    Custom(lambda t: 1 / (1 + t)),
    Plateau(patience=2, tol=0.1),
]
PLAIN = {name: WISHES[name] for name in ("decay", "tol", "n_iter_no_change")}
PLAIN["learning_rate"] = np.array([0.1, 0.01, 0.2, 1.0, 0.5, 0.05])
UNSCHEDULED = [Constant()] * K
OWN = ["nothing", "rows", "data"]
ASTRAY = {"f4": 1e30, "f8": 1e150}
N_ITER = 7  # one more than the last of those who lose patience
ENDINGS = ["n_iter", "divergence", "tol", "tol", "tol", "n_iter"]


@cache
def draw_rows():
    """Return rows to train on and rows held out, for each network its own."""
    order = [np.random.RandomState(k).permutation(178) for k in range(K)]
    rows = np.sort(np.array(order)[:, : N_TRAIN + N_HELD_OUT].reshape(K, -1))
    picked = np.random.RandomState(9).permutation(N_TRAIN + N_HELD_OUT)
    return rows[:, np.sort(picked[:N_TRAIN])], rows[:, np.sort(picked[N_TRAIN:])]


def start_of(member, sizes, n_moments, dtype):
    rng = np.random.RandomState(member)
    params = (rng.randn(count_params(sizes)) * 0.4).astype(dtype)
    return TrainingState.start(params, [rng], n_moments, horizon=8)


def accuracy_on(rows):
    """Return a score as the estimators make it: of parameters, by prediction."""

    def score(params):
        logits = predict_logits(Network(SIZES, HIDDEN, params), X[rows])
        return float(np.mean(logits.argmax(axis=1) == Y[rows, 0]))

    return score


def train_members(
    members,
    n_iter,
    dtype,
    *,
    monitors="loss",
    optimizer="adam",
    own="rows",
    batch_size=10,
    block_size=1000,
    sizes=SIZES,
    activations=HIDDEN,
    loss=cross_entropy,
    y=Y,
    wishes=WISHES,
    schedules=SCHEDULES,
    target_map=(1.0, 0.0),
    states=None,
):
    """Train some networks as a stack, or one on its own if `members` is a number.

    Each has nothing, rows or data of its own.
    """
    alone = np.ndim(members) == 0
    numbers = np.atleast_1d(members).tolist()
    settings = OPTIMIZERS[optimizer]()
    if states is None:
        states = [start_of(k, sizes, settings.n_moments, dtype) for k in numbers]
    state = states[0] if alone else TrainingState.stack(states)
    which = 0 if own == "nothing" else members
    rows, held_out = (rows[which] for rows in draw_rows())
    data = (X, y, WEIGHT)
    if own == "data":
        data, rows = [array[rows] for array in data], None
    options = {
        "n_outputs": sizes[-1],
        "block_size": block_size,
        "dtype": dtype,
        "generators": state.generators,
        "stack_shape": () if alone else (len(numbers),),
    }
    batches = Batches(
        *data,
        rows=rows,
        batch_size=batch_size,
        shuffle=True,
        target_scale=target_map[0],
        target_shift=target_map[1],
        **options,
    )
    validation = None
    if monitors is not None:
        watched = Batches(
            X, y, WEIGHT, rows=held_out, batch_size=N_HELD_OUT, shuffle=False, **options
        )
        scores = None
        if monitors == "score":
            each = np.broadcast_to(held_out, (len(numbers), N_HELD_OUT))
            scores = [accuracy_on(rows) for rows in each]
        validation = ValidationSet(watched, scores)
    spec = TrainingSpec(
        sizes,
        activations,
        loss,
        settings,
        schedules=[schedules[k] for k in numbers],
        **{name: wish[members] for name, wish in wishes.items()},
    )
    return train(spec, state, batches, n_iter, validation)


def assert_same(result, other):
    for name in ("losses", "validation_losses", "validation_scores", "bad_loss"):
        assert_array_equal(getattr(result, name), getattr(other, name), strict=True)
    assert result.ended_by == other.ended_by
    assert_array_equal(result.state.params, other.state.params, strict=True)
    ours, its = result.state.to_dict(), other.state.to_dict()
    np.testing.assert_equal(ours, its)
    if ours["best_params"] is not None:
        assert_array_equal(ours["best_params"], its["best_params"], strict=True)


def assert_stack_equals_members(*args, **options):
    results = train_members(np.arange(K), *args, **options)
    assert len(results) == K
    for k, result in enumerate(results):
        assert_same(result, *train_members(k, *args, **options))
    return results


@pytest.mark.parametrize(
    ("own", "batch_size", "block_size", "monitors"),
    [
        *product(OWN, [N_TRAIN, 10], [1000], ["score"]),
        *product(OWN, [20], [7], [None, "loss", "score"]),
    ],
)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_stack_equals_training_one_by_one(dtype, own, batch_size, block_size, monitors):
    results = assert_stack_equals_members(
        N_ITER,
        np.dtype(dtype),
        monitors=monitors,
        own=own,
        batch_size=batch_size,
        block_size=block_size,
        optimizer="nesterov",
    )
    assert [result.ended_by for result in results] == ENDINGS
    n_epochs = [len(result.losses) for result in results]
    assert n_epochs[2:] == [4, 6, 3, N_ITER]  # the first betters infinity
    assert n_epochs[0] == N_ITER
    for result in results:
        n_monitored = 0 if monitors is None else len(result.losses)
        assert len(result.validation_losses) == n_monitored
        n_scored = len(result.losses) if monitors == "score" else 0
        assert len(result.validation_scores) == n_scored


@pytest.mark.slow
@pytest.mark.parametrize(
    ("asked", "dtype"),
    [*product(["everything", "nothing"], ["f4", "f8"]), ("decay", "f8")],
)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_stack_equals_training_one_by_one_for_any_solver(optimizer, dtype, asked):
    options = {"optimizer": optimizer}
    if asked != "everything":
        rates = np.where(WISHES["learning_rate"] > 1, ASTRAY[dtype], 0.01)
        wishes = PLAIN | {"learning_rate": rates, "decay": PLAIN["decay"]}
        wishes["decay"] = PLAIN["decay"] * (asked == "decay")
        options |= {"wishes": wishes, "schedules": UNSCHEDULED, "monitors": None}
        options |= {"own": "data", "batch_size": 20, "block_size": 7}
    results = assert_stack_equals_members(N_ITER, np.dtype(dtype), **options)
    assert [result.ended_by for result in results] == ENDINGS


def assert_plain_stack_equals_members(n_outputs, hidden, activations, **options):
    assert_stack_equals_members(
        1,
        sizes=(13, *hidden, n_outputs),
        activations=activations,
        y=np.arange(178)[:, np.newaxis] % max(2, n_outputs),
        wishes=PLAIN,
        schedules=UNSCHEDULED,
        monitors=None,
        **options,
    )


@pytest.mark.parametrize(
    ("loss", "n_outputs", "batch_size"),
    [
        *product([binary_cross_entropy], [1], [12, 36, 37]),  # one row is left, twice
        *product([cross_entropy], [10], [12, 36, 37]),
        *product([squared_error_logistic], [1, 10], [12]),
        (squared_error_softmax, 10, 12),
    ],
)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("hidden", [(), (1,), (17, 8)])
def test_stack_equals_training_one_by_one_for_any_outputs(
    loss, n_outputs, batch_size, dtype, hidden
):
    assert_plain_stack_equals_members(
        n_outputs,
        hidden,
        [relu, tanh][: len(hidden)],
        dtype=np.dtype(dtype),
        loss=loss,
        own="nothing",
        batch_size=batch_size,
    )


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_stack_equals_training_one_by_one_for_any_activation(activation, dtype):
    activations = [ACTIVATIONS[activation]] * 2
    assert_plain_stack_equals_members(
        3, (9, 7), activations, dtype=np.dtype(dtype), own="data"
    )


@pytest.mark.parametrize(
    ("loss", "sizes", "columns", "target_map"),
    [
        (binary_cross_entropy, (13, 5, 1), None, (0.9, 0.05)),
        (cross_entropy, (13, 5, 3), None, (0.8, 0.2 / 3)),
        (focal(2.0).softmax, (13, 5, 3), None, (1.0, 0.0)),
        (focal(0.5).logistic, (13, 5, 2), 2, (1.0, 0.0)),
        (huber(1.5).identity, (13, 5, 2), 2, (np.array([[2.0], [0.5]]), 0.1)),
        (quantile(0.8).identity, (13, 5, 1), 1, (1.0, 0.0)),
        (poisson.exponential, (13, 5, 1), 1, (0.5, 0.0)),
    ],
)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_stack_equals_training_one_by_one_for_any_target(
    loss, sizes, columns, target_map, dtype
):
    y = np.minimum(Y, 1) if sizes[-1] == 1 else Y
    if columns is not None:
        y = (X[:, :columns] > 0).astype(float)
    wishes = WISHES | {"dropout": WISHES["dropout"][:, :1]}
    assert_stack_equals_members(
        4,
        np.dtype(dtype),
        sizes=sizes,
        activations=[relu],
        loss=loss,
        y=y,
        target_map=target_map,
        wishes=wishes,
    )


@pytest.mark.parametrize("members", [[3], [4, 0], [2, 0, 3], [5, 4, 3, 2, 1, 0]])
@pytest.mark.parametrize("monitors", [None, "score"])
def test_company_in_a_stack_does_not_matter(members, monitors):
    own = "data" if monitors is None else "rows"
    options = {"monitors": monitors, "optimizer": "momentum", "own": own}
    everyone = train_members(np.arange(K), N_ITER, np.dtype("f8"), **options)
    some = train_members(np.array(members), N_ITER, np.dtype("f8"), **options)
    for k, result in zip(members, some, strict=True):
        assert_same(result, everyone[k])


@pytest.mark.parametrize("name", ["l1", "clip_norm", "dropout", "schedules", "decay"])
def test_what_one_network_asks_for_is_nothing_to_another(name):
    """A network that asks for none of it is the one it was without the others."""
    nothing = {
        "l1": np.zeros(K),
        "clip_norm": np.full(K, np.inf),
        "dropout": np.zeros((K, 2)),
        "decay": np.zeros(K),
    }
    rates = {"learning_rate": np.full(K, 0.05)}
    wishes = WISHES | nothing | rates
    if name != "schedules":
        wishes |= {name: WISHES[name]}
    with_others = train_members(np.arange(K), 2, np.dtype("f8"), wishes=wishes)[1]
    (alone,) = train_members(1, 2, np.dtype("f8"), wishes=WISHES | nothing | rates)
    if name == "l1":
        assert not np.array_equal(with_others.state.params, alone.state.params)
    else:
        assert_same(with_others, alone)


def test_a_stack_resumes_as_its_members_do():
    numbers = np.arange(K)
    wishes = WISHES | {
        "learning_rate": np.array([0.05, 0.4, 0.02, 0.1, 0.3, 0.01]),
        "n_iter_no_change": np.full(K, NEVER),
    }
    options = {"wishes": wishes, "monitors": "score"}
    whole = train_members(numbers, 7, np.dtype("f8"), **options)
    half = train_members(numbers, 3, np.dtype("f8"), **options)
    states = [
        TrainingState.from_dict(result.state.params, result.state.to_dict())
        for result in half
    ]
    rest = train_members(numbers, 4, np.dtype("f8"), states=states, **options)
    for first, second, expected in zip(half, rest, whole, strict=True):
        assert_array_equal([*first.losses, *second.losses], expected.losses)
        assert_array_equal(second.state.params, expected.state.params)
        np.testing.assert_equal(second.state.to_dict(), expected.state.to_dict())


def test_every_network_keeps_its_own_best():
    results = train_members(np.arange(K), 8, np.dtype("f8"), monitors="loss")
    for k, result in enumerate(results):
        if result.ended_by == "divergence":
            continue
        best = int(np.argmin(result.validation_losses))
        assert result.state.best_value == result.validation_losses[best]
        (stopped_there,) = train_members(k, best + 1, np.dtype("f8"))
        assert_array_equal(result.state.best_params, stopped_there.state.params)


def test_wide_networks_are_moved_in_the_same_slices():
    images, labels = digits(900)
    sizes = (64, 200, 100, 10)  # 34,110 parameters, in slices of 16,384
    assert count_params(sizes) > 2**15

    data = (images, labels[:, np.newaxis], np.ones((len(labels), 1)))
    wishes = {
        "learning_rate": np.array([0.01, 0.001]),
        "decay": np.array([0.1, 0.01]),
        "dropout": np.array([[0.2, 0.0], [0.1, 0.3]]),
        "clip_norm": np.array([0.5, 2.0]),
    }

    def run(members):
        numbers = np.atleast_1d(members).tolist()
        states = [start_of(k, sizes, 2, np.dtype("f4")) for k in numbers]
        return train_arrays(
            *(2, data, sizes, [relu, tanh], cross_entropy, OPTIMIZERS["adamw"]()),
            state=states[0] if np.ndim(members) == 0 else TrainingState.stack(states),
            schedules=[Cosine(horizon=2)] * len(numbers),
            batch_size=300,
            shuffle=True,
            **{name: wish[members] for name, wish in wishes.items()},
        )

    for k, result in enumerate(run(np.arange(2))):
        assert_same(result, *run(k))


def test_every_parameter_of_a_wide_network_is_moved():
    X, y = digits()
    T = np.eye(10)[y]
    net = DeepNetClassifier((300, 100), n_iter=1, batch_size=None, alpha=0, tol=None)
    net.set_params(solver="sgd", learning_rate=1.0, random_state=0, input_scaling=None)
    start = clone(net).set_params(n_iter=0).fit(X, y)
    net.fit(X, y)  # 50,610 parameters, in slices of 16,384
    A = [X]
    for W, b in zip(start.coefs_, start.intercepts_, strict=True):
        A.append(np.maximum(A[-1] @ W + b, 0))
    Z = A[2] @ start.coefs_[2] + start.intercepts_[2]
    dZ = (softmax(Z, axis=1) - T) / len(y)
    for layer in (2, 1, 0):
        W = start.coefs_[layer]
        np.testing.assert_allclose(net.coefs_[layer], W - A[layer].T @ dZ, atol=1e-12)
        b = start.intercepts_[layer] - dZ.sum(axis=0)
        np.testing.assert_allclose(net.intercepts_[layer], b, atol=1e-12)
        dZ = dZ @ W.T * (A[layer] > 0)
