"""The state of training: what is kept is all that going on exactly takes."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sklearn_deepnet._engine.network import count_params
from sklearn_deepnet._engine.state import TrainingState
from sklearn_deepnet.nn.activations import relu, tanh
from sklearn_deepnet.nn.losses import cross_entropy
from sklearn_deepnet.nn.optimizers import OPTIMIZERS, Adam
from tests.engine.helpers import train_arrays

pytestmark = pytest.mark.usefixtures("one_thread")

SIZES = (4, 5, 4, 3)
RNG = np.random.RandomState(0)
X, Y, WEIGHT = RNG.randn(23, 4), RNG.randint(3, size=(23, 1)), RNG.rand(23, 1)
PARAMS = RNG.randn(count_params(SIZES))


def start(optimizer, dtype=np.float64, seed=0):
    params = PARAMS.astype(dtype) * (1 + seed)
    return TrainingState.start(
        params, [np.random.RandomState(seed)], optimizer.n_moments
    )


def resume(state, optimizer, n_iter, batch_size=5, **patience):
    options = {"learning_rate": 0.05, "decay": 0.1, "batch_size": batch_size}
    options |= {"state": state, "optimizer": optimizer, "shuffle": True}
    network = (SIZES, [relu, tanh], cross_entropy)
    return train_arrays(n_iter, (X, Y, WEIGHT), *network, **options, **patience)


def store(state):
    """Return the state as another process would find it."""
    kept = pickle.loads(pickle.dumps((state.params, state.to_dict())))
    return TrainingState.from_dict(*kept)


def assert_same(state, other):
    assert_array_equal(state.params, other.params, strict=True)
    np.testing.assert_equal(state.to_dict(), other.to_dict())


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("batch_size", [5, 23])
@pytest.mark.parametrize("chunks", [[3, 4], [1, 0, 5, 1]])
def test_training_in_chunks_equals_training_without_a_stop(
    optimizer, dtype, batch_size, chunks
):
    optimizer = OPTIMIZERS[optimizer]()
    (whole,) = resume(start(optimizer, dtype), optimizer, 7, batch_size)
    state, losses = start(optimizer, dtype), []
    for n_iter in chunks:
        (result,) = resume(store(state), optimizer, n_iter, batch_size)
        state = result.state
        losses += [*result.losses]
    assert_array_equal(losses, whole.losses)
    assert_same(state, whole.state)
    assert state.n_epochs == 7


@pytest.mark.parametrize("n_iter", [1, 2, 3, 4, 5])
def test_patience_carries_on_from_chunk_to_chunk(n_iter):
    options = {"tol": 1e9, "n_iter_no_change": 5}  # five epochs after the first
    (whole,) = resume(start(Adam()), Adam(), 20, **options)
    assert (whole.ended_by, whole.state.n_epochs) == ("tol", 6)
    (first,) = resume(start(Adam()), Adam(), n_iter, **options)
    (rest,) = resume(store(first.state), Adam(), 20, **options)
    assert rest.ended_by == "tol"
    assert_same(rest.state, whole.state)


def test_patience_starts_over_where_it_ended_the_last_chunk():
    options = {"tol": 1e9, "n_iter_no_change": 5}
    (first,) = resume(start(Adam()), Adam(), 20, **options)
    (rest,) = resume(store(first.state), Adam(), 20, **options)
    assert len(rest.losses) == 5  # the reference stays, and is not improved on


def test_stack_in_chunks_equals_the_stack_without_a_stop():
    def states():
        return TrainingState.stack([start(Adam(), seed=k) for k in range(3)])

    whole = resume(states(), Adam(), 6)
    first = resume(states(), Adam(), 2)
    state = TrainingState.stack([store(result.state) for result in first])
    rest = resume(state, Adam(), 4)
    for k in range(3):
        assert_array_equal([*first[k].losses, *rest[k].losses], whole[k].losses)
        assert_same(rest[k].state, whole[k].state)


def test_fresh_state_has_taken_no_step():
    state = start(Adam(), np.float32)
    assert (state.n_steps, state.n_epochs, state.n_stale) == (0, 0, 0)
    assert_array_equal(state.reference, np.inf)
    assert_array_equal(state.first_loss, np.nan)
    assert len(state.moments) == 2
    for moment in state.moments:
        assert_array_equal(moment, np.zeros_like(state.params), strict=True)


def arrays_of(state):
    return [
        state.params,
        *state.moments,
        state.first_loss,
        state.reference,
        state.n_stale,
    ]


@pytest.fixture
def trained():
    """Return a stack of three that has been trained for a while."""
    states = [start(Adam(), seed=k) for k in range(3)]
    results = resume(
        TrainingState.stack(states), Adam(), 3, tol=1e9, n_iter_no_change=10
    )
    return TrainingState.stack([result.state for result in results])


def is_plain(value):
    if isinstance(value, dict):
        return all(isinstance(k, str) and is_plain(v) for k, v in value.items())
    if isinstance(value, list):
        return all(map(is_plain, value))
    return type(value) in (int, float, str, np.ndarray, type(None)) and (
        not isinstance(value, np.ndarray) or value.dtype != object
    )


def test_what_is_saved_is_arrays_and_numbers_and_lists_and_dicts(trained):
    assert is_plain(trained.to_dict())
    assert is_plain(trained.select((1,)).to_dict())


def test_restored_state_is_the_same(trained):
    restored = TrainingState.from_dict(trained.params, trained.to_dict())
    assert_same(restored, trained)
    assert [rng.randn() for rng in restored.generators] == [
        rng.randn() for rng in trained.generators
    ]


def test_restored_state_shares_no_memory_with_what_was_saved(trained):
    kept = trained.to_dict()
    restored = TrainingState.from_dict(trained.params, kept)
    for one, two in zip(arrays_of(restored), arrays_of(trained), strict=True):
        assert not np.shares_memory(one, two)
    assert not {*map(id, restored.generators)} & {*map(id, trained.generators)}
    resume(restored, Adam(), 1)
    np.testing.assert_equal(trained.to_dict(), kept)


def test_one_of_a_stack_is_taken_as_a_single_network(trained):
    one = trained.select((1,))
    assert one.params.shape == PARAMS.shape
    assert one.generators == trained.generators[1:2]
    assert (one.n_steps, one.n_epochs) == (trained.n_steps, trained.n_epochs)
    for ours, its in zip(arrays_of(one), arrays_of(trained), strict=True):
        assert_array_equal(ours, its[1], strict=True)
        assert not np.shares_memory(ours, its)


def test_single_network_is_taken_whole(trained):
    one = trained.select((2,))
    assert_same(one.select(()), one)
    assert not np.shares_memory(one.select(()).params, one.params)


def test_some_of_a_stack_are_taken_in_their_order(trained):
    some = trained.select(np.array([True, False, True]))
    assert some.generators == [trained.generators[0], trained.generators[2]]
    for ours, its in zip(arrays_of(some), arrays_of(trained), strict=True):
        assert_array_equal(ours, its[[0, 2]], strict=True)


def test_stack_of_its_members_is_the_stack(trained):
    members = [trained.select((k,)) for k in range(3)]
    assert_same(TrainingState.stack(members), trained)


@pytest.mark.parametrize("n_moments", [0, 1, 2])
def test_forgotten_moments_are_those_of_a_fresh_optimizer(trained, n_moments):
    before = trained.params.copy()
    trained.forget_moments(n_moments)
    assert trained.n_steps == 0
    assert len(trained.moments) == n_moments
    for moment in trained.moments:
        assert_array_equal(moment, np.zeros_like(before), strict=True)
    assert trained.n_epochs == 3
    assert_array_equal(trained.params, before)
