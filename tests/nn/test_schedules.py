"""Schedules: each by its formula, and the learning rates that training really uses."""

import math
import pickle
import re
from typing import NamedTuple

import numpy as np
import pytest

from sklearn_deepnet import DeepNetRegressor
from sklearn_deepnet._engine.state import TrainingState
from sklearn_deepnet.nn.optimizers import OPTIMIZERS
from sklearn_deepnet.nn.schedules import (
    SCHEDULES,
    Constant,
    Cosine,
    Custom,
    Exponential,
    Horizon,
    InvScaling,
    OneCycle,
    Plateau,
    PlateauState,
    Step,
    depends_on_n_iter,
)
from tests import helpers
from tests.helpers import cancer, diabetes, network_factory, raises

FIRST_ORDER = [name for name in OPTIMIZERS if name != "lbfgs"]
RATE = 0.03


class Recorder:
    """Gradient descent that keeps a record of the learning rates it was given."""

    n_moments = 0
    decouples_decay = False

    def __init__(self):
        self.rates = []

    def step(self, buffers, learning_rate, n_steps):
        params, gradient, *_ = buffers
        (rate,) = learning_rate
        self.rates.append(rate)
        params -= rate * gradient


def wine(n_rows=178):
    X, y = helpers.wine()
    order = np.random.RandomState(0).permutation(178)[:n_rows]
    return X[order], y[order]


net_for = network_factory(
    "n_iter", "schedule", "estimator", hidden_layer_sizes=(4,), learning_rate=RATE
)


def record(n_iter, schedule, n_rows=60, **parameters):
    """Return the net and its learning rates, one row for each epoch."""
    recorder = Recorder()
    net = net_for(n_iter, schedule, solver=recorder, **parameters)
    net.fit(*wine(n_rows))
    return net, np.reshape(recorder.rates, (net.n_iter_, -1))


# ---- formulas


def one_cycle(t, T, w=0.3, a=0.04, b=0.0001):
    if t < w * T:
        return a + (1 - a) * (1 - math.cos(math.pi * t / (w * T))) / 2
    fall = min((t - w * T) / (T - w * T), 1)
    return b + (1 - b) * (1 + math.cos(math.pi * fall)) / 2


def cosine(t, T, b=0.0):
    return b + (1 - b) * (1 + math.cos(math.pi * min(t / T, 1))) / 2


BY_NAME = {  # as functions of the epoch and the horizon
    "constant": lambda t, T: 1,
    "invscaling": lambda t, T: 1 / math.sqrt(1 + t),
    "step": lambda t, T: 0.5 ** (t // 50),
    "exponential": lambda t, T: 0.98**t,
    "cosine": cosine,
    "onecycle": one_cycle,
}
BY_OBJECT = [
    (Constant(), lambda t, T: 1),
    (InvScaling(power=1.5), lambda t, T: (1 + t) ** -1.5),
    (Step(every=3, factor=0.2), lambda t, T: 0.2 ** (t // 3)),
    (Step(every=1, factor=1.0), lambda t, T: 1),
    (Exponential(factor=0.7), lambda t, T: 0.7**t),
    (Cosine(horizon=5), lambda t, T: cosine(t, 5)),
    (Cosine(horizon=40, floor=0.25), lambda t, T: cosine(t, 40, 0.25)),
    (Cosine(floor=0.1), lambda t, T: cosine(t, T, 0.1)),
    (OneCycle(horizon=7), lambda t, T: one_cycle(t, 7)),
    (
        OneCycle(horizon=40, warmup=0.5, start=0.2, end=0.01),
        lambda t, T: one_cycle(t, 40, 0.5, 0.2, 0.01),
    ),
    (Custom(lambda t: 3 + t), lambda t, T: 3 + t),
    (lambda t: 1 / (2 + t), lambda t, T: 1 / (2 + t)),
]
ALL = [*BY_NAME.items(), *BY_OBJECT]


def test_every_schedule_has_its_formula_checked():
    assert BY_NAME.keys() | {"plateau"} == SCHEDULES.keys()


@pytest.mark.parametrize(("schedule", "formula"), ALL)
def test_learning_rates_follow_the_formula(schedule, formula):
    net, rates = record(12, schedule)
    expected = [RATE * formula(t, 12) for t in range(12)]
    np.testing.assert_allclose(rates[:, 0], expected, rtol=1e-12, atol=1e-18)
    assert net.n_iter_ == 12


@pytest.mark.parametrize("name", BY_NAME)
def test_factors_follow_the_formula_to_the_end(name):
    schedule, formula = SCHEDULES[name](), BY_NAME[name]
    for horizon in (1, 2, 99, 300):
        factors = [schedule.factor_at(t, Horizon(horizon)) for t in range(401)]
        expected = [formula(t, horizon) for t in range(401)]
        np.testing.assert_allclose(factors, expected, rtol=1e-12, atol=1e-16)


def test_one_cycle_reaches_its_three_corners():
    schedule = OneCycle(horizon=100, warmup=0.25, start=0.1, end=0.02)
    factors = [schedule.factor_at(t, Horizon(1)) for t in (0, 25, 100, 1000)]
    np.testing.assert_allclose(factors, [0.1, 1, 0.02, 0.02], rtol=1e-12)


@pytest.mark.parametrize("schedule", ["exponential", "onecycle", Step(every=2)])
def test_learning_rates_do_not_depend_on_rows_or_batches(schedule):
    _, expected = record(8, schedule)
    for n_rows, batch_size, n_steps in ((60, 7, 9), (60, None, 1), (178, 50, 4)):
        _, rates = record(8, schedule, n_rows, batch_size=batch_size)
        np.testing.assert_array_equal(rates, np.repeat(expected, n_steps, axis=1))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_learning_rates_have_the_dtype_of_the_network(dtype):
    _, rates = record(3, "exponential", dtype=dtype)
    assert rates.dtype == dtype
    expected = RATE * 0.98 ** np.arange(3.0)
    np.testing.assert_allclose(rates[:, 0], expected, rtol=np.finfo(dtype).eps)


# ---- horizons


@pytest.mark.filterwarnings("ignore:The learning rate is now 0")
@pytest.mark.parametrize(
    ("name", "formula"), [("cosine", cosine), ("onecycle", one_cycle)]
)
def test_horizon_is_the_n_iter_of_the_first_fit(name, formula):
    recorder = Recorder()
    net = net_for(4, name, solver=recorder, warm_start=True, batch_size=None)
    for n_iter in (4, 2, 7):
        net.set_params(n_iter=n_iter).fit(*wine())
    expected = [RATE * formula(t, 4) for t in range(13)]
    np.testing.assert_allclose(recorder.rates, expected, rtol=1e-12, atol=1e-18)


def test_a_call_without_a_learning_rate_says_so():
    net = net_for(4, "cosine", warm_start=True).fit(*wine())
    message = (
        "The learning rate is now 0, since schedule='cosine' has reached its horizon. "
        "To continue training, set schedule='constant', or a Cosine with a larger "
        "horizon."
    )
    with pytest.warns(UserWarning, match=f"^{re.escape(message)}$"):
        net.fit(*wine())
    with pytest.warns(UserWarning, match=f"^{re.escape(message)}$"):
        net.partial_fit(*wine())
    net.set_params(n_iter=0).fit(*wine())  # no epoch, no warning
    net.set_params(n_iter=4, schedule=Cosine(horizon=30)).fit(*wine())
    net.set_params(schedule="constant").fit(*wine())


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("ends_early", [False, True])
def test_horizon_is_the_n_iter_asked_for_even_if_training_ends_early(ends_early):
    impatience = {"tol": 1e9, "n_iter_no_change": 2} if ends_early else {}
    net, rates = record(10, "cosine", batch_size=None, **impatience)
    assert net.n_iter_ == (3 if ends_early else 10)
    expected = [RATE * cosine(t, 10) for t in range(net.n_iter_)]
    np.testing.assert_allclose(rates[:, 0], expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("schedule", "formula"),
    [
        (Cosine(horizon=9), lambda t: cosine(t, 9)),
        (OneCycle(horizon=15), lambda t: one_cycle(t, 15)),
        ("invscaling", lambda t: 1 / math.sqrt(1 + t)),
    ],
)
@pytest.mark.parametrize("resumes_by", ["fit", "partial_fit", "epoch by epoch"])
def test_an_explicit_horizon_survives_chunks(schedule, formula, resumes_by):
    recorder = Recorder()
    net = net_for(5, schedule, solver=recorder, warm_start=True, batch_size=None)
    X, y = wine()
    if resumes_by == "fit":
        for n_iter in (5, 0, 1, 6):
            net.set_params(n_iter=n_iter).fit(X, y)
    elif resumes_by == "partial_fit":
        for _ in range(12):
            net.partial_fit(X, y, classes=[0, 1, 2])
    else:
        for _ in range(12):
            net.set_params(n_iter=1).fit(X, y)
    expected = [RATE * formula(t) for t in range(12)]
    np.testing.assert_allclose(recorder.rates, expected, rtol=1e-12, atol=1e-18)


def test_another_schedule_takes_over_at_the_epoch_that_was_reached():
    recorder = Recorder()
    net = net_for(3, "exponential", solver=recorder, warm_start=True, batch_size=None)
    net.fit(*wine()).set_params(schedule=Step(every=2, factor=0.1)).fit(*wine())
    expected = [1, 0.98, 0.98**2, 0.1, 0.01, 0.01]
    np.testing.assert_allclose(np.divide(recorder.rates, RATE), expected, rtol=1e-12)


def test_another_learning_rate_takes_effect_under_a_schedule():
    recorder = Recorder()
    net = net_for(2, "exponential", solver=recorder, warm_start=True, batch_size=None)
    net.fit(*wine()).set_params(learning_rate=0.5).fit(*wine())
    expected = [RATE, RATE * 0.98, 0.5 * 0.98**2, 0.5 * 0.98**3]
    np.testing.assert_allclose(recorder.rates, expected, rtol=1e-12)


# ---- plateau


def factors_on(values, factor=0.5, patience=5, tol=1e-4):
    """Return the factor of every epoch by the rule, and the factor after the last."""
    factors, current, reference, n_stale = [], 1.0, math.inf, 0
    for value in values:
        factors.append(current)
        if value < reference - tol:
            reference, n_stale = value, 0
        else:
            n_stale += 1
        if n_stale == patience:
            current, n_stale = current * factor, 0
    return [*factors, current]


@pytest.mark.parametrize(
    "settings", [{"tol": 0.01}, {"patience": 2, "factor": 0.3, "tol": 0.01}]
)
@pytest.mark.parametrize("monitors", ["training loss", "validation loss", "score"])
def test_plateau_follows_its_rule(settings, monitors):
    X, y = wine()
    recorder = Recorder()
    net = net_for(60, Plateau(**settings), solver=recorder, learning_rate=1.5)
    if monitors == "training loss":
        net.fit(X, y)
        values = net.loss_curve_
    else:
        net.set_params(scoring="accuracy" if monitors == "score" else None)
        net.fit(X[:120], y[:120], X_val=X[120:], y_val=y[120:])
        values = net.validation_loss_curve_
        if monitors == "score":
            values = np.negative(net.validation_scores_)
    factors = factors_on(values, **settings)[:-1]
    assert len(set(factors)) > 2
    np.testing.assert_allclose(np.divide(recorder.rates, 1.5), factors, rtol=1e-12)


def test_plateau_by_name_has_the_default_settings():
    usual = {"learning_rate": 5.0, "input_scaling": None}
    _, rates = record(30, "plateau", **usual)
    _, expected = record(30, Plateau(0.5, 5, 1e-4), **usual)
    np.testing.assert_array_equal(rates, expected)
    assert rates[-1] < 5


def test_plateau_keeps_its_state_over_warm_starts():
    _, expected = record(30, Plateau(patience=3), learning_rate=4.0)
    recorder = Recorder()
    net = net_for(1, Plateau(patience=3), solver=recorder, learning_rate=4.0)
    net.set_params(warm_start=True)
    for n_iter in (1, 4, 9, 16):
        net.set_params(n_iter=n_iter).fit(*wine(60))
    np.testing.assert_array_equal(recorder.rates, expected[:, 0])
    assert expected[-1] < 4


def test_plateau_does_not_count_a_fall_of_exactly_tol_as_progress():
    schedule = Plateau(factor=0.25, patience=2, tol=1.0)
    state, factors = schedule.init(1), []
    # 8 betters infinity; 7 is stale, 6.5 betters 8; 5.5 and 6 are stale; so are 6, 5.5
    for value in (8, 7, 6.5, 5.5, 6, 6, 5.5, 5.25):
        state = schedule.update(state, value)
        factors.append(schedule.factor_at(0, state))
    assert factors == [1, 1, 1, 1, 0.25, 0.25, 0.0625, 0.0625]
    assert state == PlateauState(factor=0.0625, reference=5.25, n_stale=0)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_plateau_does_not_count_nan_or_infinity_as_progress(value):
    state = Plateau(patience=1).update(PlateauState(1.0, 3.0, 0.0), value)
    assert state == PlateauState(0.5, 3, 0)


# ---- schedules of the user


class Peak(NamedTuple):
    highest: float
    n_seen: int


class FromThePeak:
    """A stateful schedule that inherits nothing: falls with the loss from its peak."""

    def init(self, n_epochs):
        return Peak(0.0, 0)

    def update(self, state, value):
        return Peak(np.float32(max(state.highest, value)), state.n_seen + 1)

    def factor_at(self, epoch, state):
        assert [1] * state.n_seen == [1] * epoch  # a whole number, as it was
        return 1 / (1 + state.highest)


def test_a_stateful_schedule_sees_the_monitored_value_of_each_epoch():
    net, rates = record(6, FromThePeak())
    peaks = np.maximum.accumulate([0, *net.loss_curve_[:-1]]).astype(np.float32)
    np.testing.assert_allclose(rates[:, 0], RATE / (1 + peaks), rtol=1e-6)


def test_the_state_of_a_schedule_is_resumed_from_a_pickle():
    whole, expected = record(9, FromThePeak())
    net = net_for(1, FromThePeak(), solver=Recorder(), warm_start=True)
    rates = []
    for n_iter in (2, 3, 4):
        net = pickle.loads(pickle.dumps(net)).set_params(n_iter=n_iter)
        net.fit(*wine(60))
        rates = net.solver.rates
    np.testing.assert_array_equal(rates, expected[:, 0])
    np.testing.assert_array_equal(net.loss_curve_, whole.loss_curve_)


def test_the_state_of_a_schedule_is_saved_as_plain_numbers():
    net, _ = record(3, FromThePeak(), warm_start=True)
    (state,) = net._training_state["state"]["schedule_states"]
    assert state.keys() == {"highest", "n_seen"}
    assert [type(value) for value in state.values()] == [float, int]


def test_the_state_of_another_schedule_is_not_resumed():
    net, _ = record(3, FromThePeak(), warm_start=True)
    net.set_params(schedule=Plateau(patience=1)).fit(*wine(60))
    (state,) = net._training_state["state"]["schedule_states"]
    assert state.keys() == {*PlateauState._fields}


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (Plateau(patience=1, tol=1e9), {"factor": 0.25, "reference": math.inf}),
        (FromThePeak(), {}),
    ],
)
def test_another_monitored_value_is_compared_with_no_earlier_one(schedule, expected):
    net, _ = record(3, schedule, warm_start=True)
    state = TrainingState.from_dict(net._params, net._training_state["state"])
    state.forget_values(schedule)
    assert state.schedule_states == [expected | ({"n_stale": 0} if expected else {})]


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_that_depend_on_n_iter_say_so(name):
    schedule = SCHEDULES[name]()
    short, long = (
        [schedule.factor_at(epoch, schedule.init(n_iter)) for epoch in range(30)]
        for n_iter in (10, 20)
    )
    assert depends_on_n_iter(schedule) == (short != long)


class Falling(Step):
    """Depends on `n_iter`, other than the schedule that it inherits from."""

    def factor_at(self, epoch, state):
        return 1 - epoch / 2 / state.n_epochs


class Fixed(Falling):
    depends_on_n_iter = False


class Counting:
    """A schedule that can be called, and says that it does not depend on `n_iter`."""

    depends_on_n_iter = False

    def __call__(self, epoch):
        return 1.0


@pytest.mark.parametrize(
    ("schedule", "depends"),
    [
        (Cosine(horizon=9), False),
        (OneCycle(horizon=9), False),
        (FromThePeak(), True),
        (Falling(), True),
        (Fixed(), False),
        (Custom(lambda epoch: 1.0), False),
        (Custom(Counting()), False),
        (Custom(math.exp), True),
    ],
)
def test_a_schedule_that_does_not_say_is_taken_to_depend_on_n_iter(schedule, depends):
    assert depends_on_n_iter(schedule) == depends


# ---- every solver


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("solver", FIRST_ORDER)
def test_a_schedule_is_setting_the_learning_rate_before_each_epoch(solver, schedule):
    X, y = wine(60)
    options = {"solver": solver, "batch_size": 20, "alpha": 1.0, "l1": 0.1}
    if schedule == "plateau":
        schedule, options["learning_rate"] = Plateau(patience=1, tol=0.05), 0.3
    net = net_for(4, schedule, **options).fit(X, y)
    by_hand = net_for(1, "constant", warm_start=True, **options)
    rate = by_hand.learning_rate
    for t in range(4):
        if isinstance(schedule, Plateau):
            factor = factors_on(net.loss_curve_[:t], patience=1, tol=0.05)[-1]
        else:
            factor = BY_NAME[schedule](t, 4)
        if factor > 1e-12:  # which a learning rate has to be
            by_hand.set_params(learning_rate=rate * factor).fit(X, y)
    np.testing.assert_allclose(net.loss_curve_, by_hand.loss_curve_, rtol=1e-9)
    for array, expected in zip(net.coefs_, by_hand.coefs_, strict=True):
        np.testing.assert_allclose(array, expected, rtol=1e-7, atol=1e-9)


def test_regressors_train_with_schedules():
    recorder = Recorder()
    net = net_for(4, Step(every=2), DeepNetRegressor, solver=recorder, batch_size=None)
    net.fit(*diabetes())
    assert recorder.rates == [RATE, RATE, RATE / 2, RATE / 2]


def test_a_factor_of_zero_leaves_the_weights():
    options = {"batch_size": None, "solver": "sgd", "alpha": 1.0}
    net = net_for(3, lambda t: 0 if t else 1, **options).fit(*cancer())
    expected = net_for(1, "constant", **options).fit(*cancer())
    np.testing.assert_array_equal(net.coefs_[0], expected.coefs_[0])
    assert net.loss_curve_[1] == net.loss_curve_[2]


# ---- functions of the user


def test_a_function_is_called_once_an_epoch():
    asked = []

    def schedule(t):
        asked.append(t)
        return np.float32(0.5)

    _, rates = record(4, schedule, batch_size=10)
    assert asked == [0, 1, 2, 3]
    np.testing.assert_array_equal(rates, np.full((4, 6), RATE / 2))


def test_an_error_of_a_function_is_raised_unchanged():
    def schedule(t):
        raise RuntimeError("not this epoch")

    with pytest.raises(RuntimeError, match=r"^not this epoch$"):
        record(3, schedule)


@pytest.mark.parametrize("factor", [-0.5, math.nan, math.inf])
def test_a_factor_that_is_negative_or_not_finite_is_an_error(factor):
    net = net_for(3, lambda t: factor if t == 2 else 1)
    message = (
        f"schedule must return a finite factor that is not negative. Got {factor} for "
        "epoch 2."
    )
    before = vars(net).copy()
    with raises(message):
        net.fit(*wine())
    assert vars(net) == before


# ---- errors


POSITIVE, SHARE = "above 0 and finite", "above 0 and at most 1"


@pytest.mark.parametrize(
    ("kind", "name", "value", "range_"),
    [
        (InvScaling, "power", 0, POSITIVE),
        (InvScaling, "power", math.inf, POSITIVE),
        (Step, "every", 0, POSITIVE),
        (Step, "factor", 0, SHARE),
        (Step, "factor", 1.5, SHARE),
        (Exponential, "factor", -0.1, SHARE),
        (Exponential, "factor", math.nan, SHARE),
        (Cosine, "horizon", 0, POSITIVE),
        (OneCycle, "horizon", -3, POSITIVE),
        (OneCycle, "warmup", 0, SHARE),
        (OneCycle, "start", 0.0, SHARE),
        (OneCycle, "end", 2, SHARE),
        (Plateau, "factor", 0, SHARE),
        (Plateau, "patience", 0, POSITIVE),
    ],
)
def test_a_bad_setting_is_an_error(kind, name, value, range_):
    with raises(f"{name} must be {range_}. Got {value} instead."):
        kind(**{name: value})


@pytest.mark.parametrize(
    ("kind", "settings"),
    [(Cosine, {"floor": 1.5}), (Cosine, {"floor": -0.1}), (Plateau, {"tol": -1})],
)
def test_a_setting_that_may_be_zero_has_a_range_too(kind, settings):
    ((name, value),) = settings.items()
    with pytest.raises(ValueError, match=rf"^{name} must .* Got {value} instead\.$"):
        kind(**settings)
    kind(**{name: 0})


def test_an_unknown_name_suggests_a_known_one():
    message = (
        f"schedule must be one of {sorted(SCHEDULES)}. Got 'cosin' instead. Did you "
        "mean 'cosine'?"
    )
    with raises(message):
        net_for(3, "cosin").fit(*wine())


@pytest.mark.parametrize("kind", SCHEDULES.values())
def test_schedules_are_frozen(kind):
    schedule = kind()
    assert schedule == kind()
    assert hash(schedule) == hash(kind())
    with pytest.raises((AttributeError, TypeError)):
        schedule.factor = 0.5
