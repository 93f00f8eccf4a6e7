"""Training ends when the loss has not improved for long enough."""

import math
from itertools import chain, repeat

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sklearn_deepnet._engine.batches import Batches
from sklearn_deepnet._engine.state import NEVER, TrainingSpec, TrainingState
from sklearn_deepnet._engine.training import train
from sklearn_deepnet.nn.optimizers import SGD, Momentum
from tests.helpers import epochs_until_patience_ends

RNG = np.random.RandomState(0)
X, Y = RNG.randn(23, 3), RNG.randint(2, size=(23, 1)) * 1.0
THETA = np.array([0.5, -0.3, 0.2, 0.1])


def half_square(logits, target, scratch):
    """Squared error of linear outputs: convex, and unbounded where steps are long."""
    np.subtract(logits, target, out=logits)
    np.multiply(logits, logits, out=scratch[0])
    np.multiply(scratch[0], 0.5, out=scratch[0])
    return scratch[0]


def run(
    n_iter,
    learning_rate=0.1,
    params=THETA,
    loss=half_square,
    optimizer=None,
    tol=0.0,
    n_iter_no_change=NEVER,
    batch_size=None,
    inputs=X,
):
    """Train one network, or a stack if `params` holds several; return the outcomes."""
    optimizer = optimizer or SGD()
    *stack_shape, _ = params.shape
    generators = [np.random.RandomState(k) for k in range(math.prod(stack_shape))]
    state = TrainingState.start(params.copy(), generators, optimizer.n_moments)
    task = TrainingSpec(
        (3, 1),
        [],
        loss,
        optimizer,
        *(
            np.broadcast_to(wish, stack_shape).copy()
            for wish in (learning_rate, 0.0, tol, n_iter_no_change)
        ),
    )
    batches = Batches(
        inputs,
        Y[: len(inputs)],
        np.ones((len(inputs), 1)),
        n_outputs=1,
        batch_size=batch_size or len(inputs),
        block_size=1000,
        dtype=params.dtype,
        generators=state.generators,
        shuffle=True,
        stack_shape=tuple(stack_shape),
    )
    return train(task, state, batches, n_iter)


def run_alone(*args, **options):
    (result,) = run(*args, **options)
    return result


def dictate(losses):
    """Return a loss that is what we say, call by call, and zero after that."""
    losses = chain(losses, repeat(0.0))

    def dictated(logits, target, scratch):
        logits[...] = 0
        scratch[0] = next(losses)
        return scratch[0]

    return dictated


@pytest.mark.parametrize("n_iter_no_change", [1, 2, 5])
@pytest.mark.parametrize("tol", [0.0, 1e-3, 0.02, 10.0])
@pytest.mark.parametrize("batch_size", [23, 4])
def test_training_stops_at_the_epoch_where_patience_ends(
    tol, n_iter_no_change, batch_size
):
    options = {"learning_rate": 0.2, "optimizer": Momentum(), "batch_size": batch_size}
    everything = run_alone(80, **options).losses
    n_epochs = epochs_until_patience_ends(everything, tol, n_iter_no_change)
    assert n_epochs < 80
    result = run_alone(80, **options, tol=tol, n_iter_no_change=n_iter_no_change)
    assert result.ended_by == "tol"
    assert_array_equal(result.losses, everything[:n_epochs])
    assert result.state.n_epochs == n_epochs
    assert result.state.n_stale == 0  # the next fit starts to count anew


def test_each_network_of_a_stack_has_its_own_patience():
    params = np.stack([THETA] * 4)
    tol, patience = np.array([0.0, 0.02, 0.02, 1e-3]), np.array([3, 2, NEVER, 5])
    options = {"learning_rate": 0.2, "optimizer": Momentum(), "params": params}
    everything = run(80, **options)
    results = run(80, **options, tol=tol, n_iter_no_change=patience)
    expected = [
        epochs_until_patience_ends(result.losses, *wish) or 80
        for result, *wish in zip(everything, tol, patience, strict=True)
    ]
    assert [len(result.losses) for result in results] == expected
    assert len({*expected}) == 4


@pytest.mark.parametrize("tol", [0.0, 0.5, 1e9])
def test_loss_that_stands_still_is_no_improvement(tol):
    result = run_alone(9, learning_rate=0.0, tol=tol, n_iter_no_change=3)
    assert (result.ended_by, len(result.losses)) == ("tol", 4)


def test_loss_that_falls_by_tol_exactly_is_no_improvement():
    # 8 betters infinity, 6.5 betters 8, 5 betters 6.5, and nothing betters 5.
    loss = dictate([8, 7, 6.5, 6, 5.5, 5, 4.75, 4.5, 4])
    sixteen = X[:16]  # so that a mean is exact
    result = run_alone(12, loss=loss, inputs=sixteen, tol=1.0, n_iter_no_change=3)
    assert (result.ended_by, len(result.losses)) == ("tol", 9)


@pytest.mark.parametrize("params", [THETA, np.stack([THETA, 2 * THETA])])
def test_training_ends_by_n_iter_otherwise(params):
    for result in run(7, params=params, tol=0.0, n_iter_no_change=5):
        assert result.ended_by == "n_iter"
        assert len(result.losses) == result.state.n_epochs == 7
        assert np.isnan(result.bad_loss)
        assert result.interrupt is None
