"""A stack equals its members trained one by one, bit for bit."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sklearn_deepnet._engine.batches import Batches
from sklearn_deepnet._engine.network import count_params
from sklearn_deepnet._engine.parallel import one_blas_thread
from sklearn_deepnet._engine.state import NEVER, TrainingSpec, TrainingState
from sklearn_deepnet._engine.training import train
from sklearn_deepnet.nn.activations import ACTIVATIONS, leaky_relu, relu, tanh
from sklearn_deepnet.nn.losses import (
    binary_cross_entropy,
    cross_entropy,
    squared_error_logistic,
    squared_error_softmax,
)
from sklearn_deepnet.nn.optimizers import OPTIMIZERS

N_ROWS, K = 23, 5
# The first network stays to the end, the second is to diverge (see ASTRAY), the others
# leave by tol, after 4, 6 and 2 epochs.
WISHES = {
    "learning_rate": np.array([0.05, np.nan, 0.02, 0.001, 0.1]),
    "decay": np.array([0.1, 0.2, 0.0, 1.0, 0.01]),
    "tol": np.array([0.0, 0.0, 1e9, 1e9, 1e9]),
    "n_iter_no_change": np.array([NEVER, NEVER, 3, 5, 1]),
}
ASTRAY = {np.dtype("f4"): 1e30, np.dtype("f8"): 1e150}


@pytest.fixture(autouse=True)
def _one_thread():  # their number changes the last bits
    with one_blas_thread():
        yield


def make_data(own, n_classes):
    """Return X, y, weight and rows, of which all, the rows or none are own."""
    rng = np.random.RandomState(5)
    shape = (K, N_ROWS) if own == "data" else (N_ROWS,)
    X, y = rng.randn(*shape, 4), rng.randint(n_classes, size=(*shape, 1))
    rows = np.array([rng.permutation(N_ROWS)[:16] for _ in range(K)])
    return X, y, rng.rand(*shape, 1), rows if own == "rows" else None


def make_state(member, n_params, n_moments, dtype):
    rng = np.random.RandomState(member)
    params = (rng.randn(n_params) * 0.5).astype(dtype)
    return TrainingState.start(params, [rng], n_moments)


def train_members(members, data, n_iter, spec, wishes, dtype, **options):
    """Train some networks as a stack, or one on its own if `members` is a number."""
    alone = np.ndim(members) == 0
    n_moments, n_params = spec["optimizer"].n_moments, count_params(spec["layer_sizes"])
    states = [make_state(k, n_params, n_moments, dtype) for k in np.atleast_1d(members)]
    state = states[0] if alone else TrainingState.stack(states)
    own = [array is not None and len(array) == K for array in data]
    X, y, weight, rows = (
        array[members] if is_own else array
        for array, is_own in zip(data, own, strict=True)
    )
    batches = Batches(
        X,
        y,
        weight,
        rows=rows,
        n_outputs=spec["layer_sizes"][-1],
        dtype=dtype,
        generators=state.generators,
        shuffle=True,
        stack_shape=() if alone else (len(members),),
        **options,
    )
    wishes = {name: wish[members] for name, wish in wishes.items()}
    return train(TrainingSpec(**spec, **wishes), state, batches, n_iter)


def assert_same(result, other):
    assert_array_equal(result.losses, other.losses)
    assert result.ended_by == other.ended_by
    assert_array_equal(result.bad_loss, other.bad_loss)
    assert_array_equal(result.state.params, other.state.params, strict=True)
    ours, its = result.state.to_dict(), other.state.to_dict()
    np.testing.assert_equal(ours, its)


def assert_stack_equals_members(*args, **options):
    results = train_members(np.arange(K), *args, **options)
    assert len(results) == K
    for k, result in enumerate(results):
        assert_same(result, *train_members(k, *args, **options))
    return results


@pytest.mark.parametrize("penalized", [True, False])
@pytest.mark.parametrize(
    ("own", "batch_size", "block_size"),
    [("nothing", None, 1000), ("data", 5, 1000), ("data", 7, 3), ("rows", 7, 3)],
    ids=["full batch", "short last batch", "blocks", "blocks of own rows"],
)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_stack_equals_training_one_by_one(
    optimizer, dtype, batch_size, block_size, own, penalized
):
    data = make_data(own, n_classes=3)
    rates = np.where(
        np.isnan(WISHES["learning_rate"]),
        ASTRAY[np.dtype(dtype)],
        WISHES["learning_rate"],
    )
    wishes = WISHES | {"learning_rate": rates, "decay": WISHES["decay"] * penalized}
    spec = {
        "layer_sizes": (4, 5, 4, 3),
        "activations": [leaky_relu] * 2,
        "loss": cross_entropy,
        "optimizer": OPTIMIZERS[optimizer](),
    }
    n_rows = 16 if own == "rows" else N_ROWS
    results = assert_stack_equals_members(
        data,
        8,
        spec,
        wishes,
        np.dtype(dtype),
        batch_size=batch_size or n_rows,
        block_size=block_size,
    )
    endings = [result.ended_by for result in results]
    assert endings == ["n_iter", "divergence", "tol", "tol", "tol"]
    assert len({len(result.losses) for result in results}) == K


@pytest.mark.parametrize(
    ("loss", "n_outputs"),
    [
        (binary_cross_entropy, 1),
        (squared_error_logistic, 1),
        (squared_error_logistic, 10),
        (cross_entropy, 10),
        (squared_error_softmax, 10),
    ],
)
@pytest.mark.parametrize("batch_size", [11, 22, 23])  # 11 and 22 leave one row over
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("hidden", [(), (1,), (17, 8)])
def test_stack_equals_training_one_by_one_for_any_outputs(
    loss, n_outputs, batch_size, dtype, hidden
):
    spec = {
        "layer_sizes": (4, *hidden, n_outputs),
        "activations": [relu, tanh][: len(hidden)],
        "loss": loss,
        "optimizer": OPTIMIZERS["adam"](),
    }
    assert_stack_equals_members(
        make_data("nothing", max(2, n_outputs)),
        4,
        spec,
        WISHES | {"learning_rate": np.array([0.1, 0.01, 0.2, 1.0, 0.5])},
        np.dtype(dtype),
        batch_size=batch_size,
        block_size=1000,
    )


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_stack_equals_training_one_by_one_for_any_activation(activation, dtype):
    spec = {
        "layer_sizes": (4, 9, 7, 3),
        "activations": [ACTIVATIONS[activation]] * 2,
        "loss": cross_entropy,
        "optimizer": OPTIMIZERS["adam"](),
    }
    assert_stack_equals_members(
        make_data("data", 3),
        4,
        spec,
        WISHES | {"learning_rate": np.array([0.1, 0.01, 0.2, 1.0, 0.5])},
        np.dtype(dtype),
        batch_size=5,
        block_size=1000,
    )


@pytest.mark.parametrize("members", [[3], [4, 0], [2, 0, 3]])
def test_company_in_a_stack_does_not_matter(members):
    args = (
        make_data("data", 3),
        8,
        {
            "layer_sizes": (4, 5, 4, 3),
            "activations": [relu, tanh],
            "loss": cross_entropy,
            "optimizer": OPTIMIZERS["momentum"](),
        },
        WISHES | {"learning_rate": np.array([0.1, 0.01, 0.2, 1.0, 0.5])},
        np.dtype("f8"),
    )
    options = {"batch_size": 5, "block_size": 1000}
    all_of_them = train_members(np.arange(K), *args, **options)
    some = train_members(np.array(members), *args, **options)
    for k, result in zip(members, some, strict=True):
        assert_same(result, all_of_them[k])
