"""How training ends: by patience, by divergence, or by an interrupt."""

from itertools import chain, count, repeat

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_deepnet._engine.state import NEVER
from sklearn_deepnet.nn.activations import relu
from sklearn_deepnet.nn.losses import binary_cross_entropy
from sklearn_deepnet.nn.optimizers import SGD, Adam, Momentum
from tests.engine.helpers import train_arrays
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


def run(n_iter, learning_rate=0.1, params=THETA, *, inputs=X, **options):
    """Train one network, or a stack if `params` holds several; return the results."""
    data = (inputs, Y[: len(inputs)], np.ones((len(inputs), 1)))
    options = {"loss": half_square, "shuffle": True} | options
    options |= {"params": params, "learning_rate": learning_rate}
    return train_arrays(n_iter, data, (3, 1), **options)


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


def descend(learning_rate, n_iter):
    """Linear regression by hand: the losses and parameters of every iteration."""
    theta, extended = THETA, np.column_stack([X, np.ones(23)])
    for _ in range(n_iter):
        d = extended @ theta - Y[:, 0]
        yield np.mean(d**2) / 2, theta
        theta = theta - learning_rate * d @ extended / 23


# ---- patience


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


# ---- divergence


@pytest.mark.parametrize("learning_rate", [4.0, 20.0, 1e5, 1e200])
@pytest.mark.parametrize("n_more", [0, 1, 5])
def test_divergence_ends_training_at_the_epoch_where_it_shows(learning_rate, n_more):
    with np.errstate(over="ignore", invalid="ignore"):
        losses, path = zip(*descend(learning_rate, 50), strict=True)
    limit = 1e6 * max(1, losses[0])
    n_finite = np.flatnonzero(~(np.array(losses) <= limit))[0]
    # With no more epochs than are finite, it is the last step that diverges.
    result = run_alone(n_finite + n_more, learning_rate)
    assert result.ended_by == "divergence"
    assert_allclose(result.losses, losses[:n_finite], rtol=1e-10)
    assert_allclose(result.state.params, path[n_finite - 1], rtol=1e-10)
    assert_allclose(result.bad_loss, losses[n_finite], rtol=1e-10)
    assert result.state.n_epochs == n_finite


@pytest.mark.parametrize(
    ("losses", "ended_by"),
    [
        ([1e-9, 0.9e6, 1e-9], "n_iter"),  # at most a million, where the first is small,
        ([1e-9, 1.1e6, 1e-9], "divergence"),
        ([100, 0.9e8, 100], "n_iter"),  # or a million times the first
        ([100, 1.1e8, 100], "divergence"),
        ([-100, 0.9e8, -100], "n_iter"),
        ([-100, 1.1e8, -100], "divergence"),
        ([1, np.inf, 1], "divergence"),
        ([1, np.nan, 1], "divergence"),
    ],
)
def test_loss_may_rise_to_a_million_times_the_first(losses, ended_by):
    result = run_alone(3, loss=dictate(losses))
    assert result.ended_by == ended_by
    n_finite = 3 if ended_by == "n_iter" else 1
    assert_allclose(result.losses, losses[:n_finite], rtol=1e-12)


@pytest.mark.parametrize("bad", [1.1e6, np.inf, np.nan])
def test_divergence_in_the_last_step_is_found(bad):
    result = run_alone(2, loss=dictate([1, 0.9, bad]))
    assert (result.ended_by, len(result.losses)) == ("divergence", 2)
    assert_allclose(result.bad_loss, bad, rtol=1e-12)


@pytest.mark.parametrize("bad", [1e308, np.inf, np.nan])
def test_divergence_in_the_first_epoch_keeps_the_initial_parameters(bad):
    inputs = X.copy()
    inputs[7, 1] = bad
    result = run_alone(5, inputs=inputs)
    assert result.ended_by == "divergence"
    assert result.losses.shape == (0,)
    assert_array_equal(result.state.params, THETA)
    assert result.state.n_epochs == 0
    assert not np.isfinite(result.bad_loss)


@pytest.mark.parametrize("n_iter", [1, 2, 10])
@pytest.mark.parametrize("learning_rate", [50.0, 1e6, 1e100])
def test_divergence_within_the_first_epoch_is_found(learning_rate, n_iter):
    result = run_alone(n_iter, learning_rate, batch_size=4)
    assert result.ended_by == "divergence"
    assert result.losses.shape == (0,)
    assert_array_equal(result.state.params, THETA)


def test_those_who_would_leave_by_tol_are_looked_at_once_more():
    losses, path = zip(*descend(300.0, 4), strict=True)
    assert losses[0] < losses[1] < 1e6 * max(1, losses[0]) < losses[2]
    result = run_alone(9, 300.0, tol=0.0, n_iter_no_change=1)
    assert result.ended_by == "divergence"
    assert_allclose(result.losses, losses[:2], rtol=1e-12)
    assert_allclose(result.state.params, path[1], rtol=1e-12)
    assert_allclose(result.bad_loss, losses[2], rtol=1e-12)


@pytest.mark.parametrize("n_iter", [1, 2, 3, 9])
@pytest.mark.parametrize("optimizer", [SGD(), Momentum(), Adam()])
def test_neighbours_do_not_notice_a_divergence(n_iter, optimizer):
    options = {"optimizer": optimizer, "batch_size": 4}
    params = np.stack([THETA, 2 * THETA, 3 * THETA])
    rates = np.array([0.01, 1e200, 0.02])
    before, diverged, after = run(n_iter, rates, params, **options)
    assert diverged.ended_by == "divergence"
    assert_array_equal(diverged.state.params, params[1])
    finite = run(n_iter, np.full(3, 0.01), params, **options)[0]
    assert before.ended_by == after.ended_by == "n_iter"
    assert_array_equal(before.losses, finite.losses)
    assert_array_equal(before.state.params, finite.state.params)


def test_divergence_starts_the_optimizer_anew():
    result = run_alone(50, 20.0, optimizer=Momentum())
    assert result.ended_by == "divergence"
    assert result.state.n_steps == 0
    assert_array_equal(result.state.moments, np.zeros((1, 4)))


def test_measure_of_divergence_is_the_first_loss_also_after_a_resumption():
    whole = run_alone(50, 4.0)
    first = run_alone(len(whole.losses) - 2, 4.0)
    rest = run_alone(50, 4.0, state=first.state)
    assert whole.ended_by == rest.ended_by == "divergence"
    assert_array_equal([*first.losses, *rest.losses], whole.losses)
    assert_array_equal(rest.state.params, whole.state.params)


@pytest.mark.parametrize("n_iter", [1, 3])
def test_parameters_that_are_not_finite_end_training_even_if_the_loss_is(n_iter):
    params = np.array([0.5, -0.3, 0.2, -np.inf, 1.0, 0.0])  # relu gives 0
    data, layer_sizes = (X, Y, np.ones((23, 1))), (3, 1, 1)
    options = {"activations": [relu], "params": np.stack([params, np.ones(6)])}
    results = train_arrays(n_iter, data, layer_sizes, learning_rate=0.0, **options)
    assert [result.ended_by for result in results] == ["divergence", "n_iter"]
    assert len(results[0].losses) == 1
    assert np.isfinite(results[0].losses).all()


# ---- interrupts


def interrupted_at(n_calls, loss=binary_cross_entropy):
    """Return the loss, with Ctrl-C pressed while it is computed for the n-th time."""
    calls = count(1)

    def interrupts(logits, target, scratch):
        if next(calls) == n_calls:
            raise KeyboardInterrupt("pressed")
        return loss(logits, target, scratch)

    return interrupts


INTERRUPTIONS = {  # calls of the loss until Ctrl-C, epochs complete by then
    "in the first step": (1, 0),
    "in the first epoch": (4, 0),
    "at the start of an epoch": (7, 1),
    "amid an epoch": (16, 2),
    "in the last step": (18, 2),
}


@pytest.mark.parametrize("when", INTERRUPTIONS)
@pytest.mark.parametrize("optimizer", [SGD(), Adam()])
@pytest.mark.parametrize("params", [THETA, np.stack([THETA, 2 * THETA])])
def test_interrupt_leaves_the_last_complete_epoch(when, optimizer, params):
    n_calls, n_epochs = INTERRUPTIONS[when]  # 6 steps an epoch
    options = {"params": params, "optimizer": optimizer, "batch_size": 4}
    results = run(5, **options, loss=interrupted_at(n_calls))
    complete = run(n_epochs, **options, loss=binary_cross_entropy)
    for result, expected in zip(results, complete, strict=True):
        assert result.ended_by == "interrupt"
        assert result.interrupt.args == ("pressed",)
        assert_array_equal(result.losses, expected.losses)
        assert_array_equal(result.state.params, expected.state.params)
        assert result.state.n_epochs == n_epochs
        assert result.state.n_steps == 0
        assert not np.any(result.state.moments)


def test_interrupt_does_not_recall_those_who_have_left():
    params, patience = np.stack([THETA, THETA]), np.array([NEVER, 2])
    options = {"params": params, "tol": 1e9, "n_iter_no_change": patience}
    # Three epochs, a look at who leaves, and in the fourth epoch Ctrl-C.
    results = run(9, **options, loss=interrupted_at(5))
    assert [result.ended_by for result in results] == ["interrupt", "tol"]
    assert [len(result.losses) for result in results] == [3, 3]


def test_interrupt_while_a_diverged_network_leaves_keeps_it_finite():
    params, rates = np.stack([THETA, THETA]), np.array([0.1, 1e200])
    # In the second epoch one has diverged; Ctrl-C is pressed before it is gone.
    results = run(9, rates, params, loss=interrupted_at(3, half_square))
    assert_array_equal(results[1].state.params, THETA)
    assert np.isfinite(results[1].losses).all()


def test_interrupt_amid_a_divergence_leaves_finite_parameters():
    result = run_alone(9, 1e200, loss=interrupted_at(2, half_square))
    assert np.abs(result.state.params).max() < 1e6


def test_other_exceptions_pass_through():
    def fails(logits, target, scratch):
        raise RuntimeError("not this loss")

    with pytest.raises(RuntimeError, match=r"^not this loss$"):
        run(3, loss=fails)
