"""To the end of the course: published numbers, and the estimators' weights."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_deepnet import DeepNetClassifier
from sklearn_deepnet._engine.parallel import one_blas_thread
from sklearn_deepnet.nn import functional as F
from sklearn_deepnet.nn.dropout import Dropout
from sklearn_deepnet.nn.optimizers import Adam, Momentum
from tests.helpers import iris

X_rows, y = iris()
X, Y = X_rows.T, np.eye(3)[y].T
M = X.shape[1]
LAYERS = [
    {"input_dim": 4, "output_dim": 6, "activation": "relu"},
    {"input_dim": 6, "output_dim": 5, "activation": "tanh"},
    {"input_dim": 5, "output_dim": 3, "activation": "softmax"},
]


@pytest.fixture(autouse=True)
def _one_thread():  # as in the estimators: more threads may change the last bits
    with one_blas_thread():
        yield


# ---- published in the notebooks of the course, to eight digits


def drawn(*shapes, seed=1):
    """Arrays that the notebooks draw one after the other."""
    rng = np.random.RandomState(seed)
    return [rng.randn(*shape) for shape in shapes]


def named(arrays, prefix=""):
    names = [f"{prefix}{kind}{number}" for number in (1, 2, 3) for kind in "Wb"]
    return dict(zip(names, arrays, strict=False))


SHAPES = [(2, 3), (2, 1), (3, 2), (3, 1), (1, 3), (1, 1)]
COURSE_Y = np.array([[1, 1, 0, 1, 0]])


def test_regularization_of_the_course():
    course_X, *arrays = drawn((3, 5), *SHAPES)
    AL, caches = F.forward_propagation(course_X, named(arrays))
    expected = [[0.40682402, 0.01629284, 0.16722898, 0.10118111, 0.40682402]]
    assert_allclose(AL, expected, atol=5e-9)
    grads = F.backward_propagation(COURSE_Y, caches, lambd=0.7)
    expected = {
        "dW1": [
            [-0.25604646, 0.12298827, -0.28297129],
            [-0.17706303, 0.34536094, -0.4410571],
        ],
        "dW2": [
            [0.79276486, 0.85133918],
            [-0.0957219, -0.01720463],
            [-0.13100772, -0.03750433],
        ],
        "dW3": [[-1.77691347, -0.11832879, -0.09397446]],
    }
    for name, value in expected.items():
        assert_allclose(grads[name], value, atol=5e-9)


def test_regularized_cost_of_the_course():
    AL = np.array([[0.40682402, 0.01629284, 0.16722898, 0.10118111, 0.40682402]])
    cost = F.compute_cost(AL, COURSE_Y, parameters=named(drawn(*SHAPES)), lambd=0.1)
    assert cost == pytest.approx(1.78648594516, abs=5e-12)


def test_dropout_of_the_course():
    course_X, *arrays = drawn((3, 5), *SHAPES)
    AL, _ = F.forward_propagation(
        course_X, named(arrays), keep_prob=0.7, random_state=1
    )
    expected = [[0.36974721, 0.00305176, 0.04565099, 0.49683389, 0.36974721]]
    assert_allclose(AL, expected, atol=5e-9)


def test_mini_batches_of_the_course():
    rng = np.random.RandomState(1)
    course_X, course_Y = rng.randn(12288, 148), rng.randn(1, 148) < 0.5
    batches = F.random_mini_batches(course_X, course_Y, 64, random_state=0)
    assert [X.shape for X, _ in batches] == [(12288, 64), (12288, 64), (12288, 20)]
    assert [Y.shape for _, Y in batches] == [(1, 64), (1, 64), (1, 20)]
    assert_allclose(
        batches[0][0][0, :3], [0.90085595, -0.7612069, 0.2344157], atol=5e-9
    )


STEP_SHAPES = [(2, 3), (2, 1), (3, 3), (3, 1)]


def step_of_the_course():
    arrays = drawn(*STEP_SHAPES, *STEP_SHAPES)
    return named(arrays[:4]), named(arrays[4:], "d")


def test_gradient_descent_of_the_course():
    parameters = F.update_parameters(*step_of_the_course(), 0.01)
    expected = {
        "W1": [
            [1.63535156, -0.62320365, -0.53718766],
            [-1.07799357, 0.85639907, -2.29470142],
        ],
        "b1": [[1.74604067], [-0.75184921]],
        "b2": [[-0.88020257], [0.02561572], [0.57539477]],
    }
    for name, value in expected.items():
        assert_allclose(parameters[name], value, atol=5e-9)


def test_momentum_of_the_course():
    parameters, grads = step_of_the_course()
    v = F.initialize_velocity(parameters)
    parameters, v = F.update_parameters_with_momentum(parameters, grads, v, 0.9, 0.01)
    expected = [
        [1.62544598, -0.61290114, -0.52907334],
        [-1.07347112, 0.86450677, -2.30085497],
    ]
    assert_allclose(parameters["W1"], expected, atol=5e-9)
    assert_allclose(parameters["b1"], [[1.74493465], [-0.76027113]], atol=5e-9)
    expected = [
        [-0.11006192, 0.11447237, 0.09015907],
        [0.05024943, 0.09008559, -0.06837279],
    ]
    assert_allclose(v["dW1"], expected, atol=5e-9)


def test_adam_of_the_course():
    parameters, grads = step_of_the_course()
    v, s = F.initialize_adam(parameters)
    parameters, v, s = F.update_parameters_with_adam(parameters, grads, v, s, t=2)
    expected = [
        [1.63178673, -0.61919778, -0.53561312],
        [-1.08040999, 0.85796626, -2.29409733],
    ]
    assert_allclose(parameters["W1"], expected, atol=5e-9)
    assert_allclose(parameters["b1"], [[1.75225313], [-0.75376553]], atol=5e-9)
    expected = [
        [-0.11006192, 0.11447237, 0.09015907],
        [0.05024943, 0.09008559, -0.06837279],
    ]
    assert_allclose(v["dW1"], expected, atol=5e-9)
    expected = [
        [0.00121136, 0.00131039, 0.00081287],
        [0.0002525, 0.00081154, 0.00046748],
    ]
    assert_allclose(s["dW1"], expected, atol=5e-9)


def test_decay_of_the_learning_rate_in_the_course():
    assert F.decay_learning_rate(0.5, 2, 1) == 0.16666666666666666
    assert F.decay_learning_rate(0.5, 10, 0.3, 100) == 0.5
    assert F.decay_learning_rate(0.5, 100, 0.3, 100) == 0.3846153846153846


# ---- the same weights as the estimators


def gradient_descent(rate):
    return lambda parameters, grads, t: F.update_parameters(parameters, grads, rate)


class MomentumSteps:
    def __init__(self, start, beta, rate):
        self.v, self.settings = F.initialize_velocity(start), (beta, rate)

    def __call__(self, parameters, grads, t):
        parameters, self.v = F.update_parameters_with_momentum(
            parameters, grads, self.v, *self.settings
        )
        return parameters


class AdamSteps:
    def __init__(self, start, **settings):
        self.moments, self.settings = F.initialize_adam(start), settings

    def __call__(self, parameters, grads, t):
        parameters, *self.moments = F.update_parameters_with_adam(
            parameters, grads, *self.moments, t, **self.settings
        )
        return parameters


def start_and_generator(layers=LAYERS):
    """Weights as those of the estimators, and the generator after they were drawn."""
    rng = np.random.RandomState(3)
    return F.initialize_parameters(layers, random_state=rng), rng


def train(
    start, rng, step, n_iter, batch_size, *, alpha=0.0, dropout=0.0, layers=LAYERS
):
    """The loop that a learner writes, with the masks that the estimators draw."""
    is_softmax = layers[-1]["activation"] == "softmax"
    targets = Y if is_softmax else (y == 1)[np.newaxis]
    loss = "cross_entropy" if is_softmax else "log_loss"
    sizes = [layer["output_dim"] for layer in layers[:-1]]
    drops = Dropout(np.full(len(sizes), dropout), [rng], M)
    parameters, costs, t = start, [], 0
    for _ in range(n_iter):
        batches = [(X, targets)]
        if batch_size < M:
            batches = F.random_mini_batches(X, targets, batch_size, rng)
        costs.append(0.0)
        for X_batch, Y_batch in batches:
            t, m = t + 1, X_batch.shape[1]
            masks = [drops.draw(k, n, m) for k, n in enumerate(sizes)]
            AL, caches = F.forward_propagation(
                X_batch,
                parameters,
                layers,
                keep_prob=1 - dropout,
                masks=masks if dropout else None,
            )
            lambd = alpha * m / M
            cost = F.compute_cost(AL, Y_batch, loss, parameters=parameters, lambd=lambd)
            costs[-1] += cost * m / M
            grads = F.backward_propagation(Y_batch, caches, loss, lambd=lambd)
            parameters = step(parameters, grads, t)
    return parameters, costs


def fit(n_iter, batch_size, y=y, **options):
    usual = {"tol": None, "bias_init": "zeros", "init": "he", "random_state": 3}
    usual |= {"input_scaling": None, "activation": ["relu", "tanh"], "alpha": 0}
    net = DeepNetClassifier(
        (6, 5), n_iter=n_iter, batch_size=batch_size, **(usual | options)
    )
    return net.fit(X_rows, y)


def assert_same_weights(parameters, fitted, rtol=0.0, atol=0.0):
    for number, (W, b) in enumerate(
        zip(fitted.coefs_, fitted.intercepts_, strict=True), start=1
    ):
        assert_allclose(parameters[f"W{number}"], W.T, rtol, atol)
        assert_allclose(parameters[f"b{number}"][:, 0], b, rtol, atol)


# Each rounds as the engine does if factors such as the batch size and `keep_prob` are
# powers of two, which change no digit.
GRADIENT_DESCENT = {
    "softmax": (M, {}),
    "L2": (M, {"alpha": 0.7}),
    "dropout": (M, {"dropout": 0.5}),
    "mini-batches": (64, {}),
    "all of them": (32, {"alpha": 0.5, "dropout": 0.5}),
}


@pytest.mark.parametrize(
    ("batch_size", "options"), GRADIENT_DESCENT.values(), ids=GRADIENT_DESCENT
)
def test_gradient_descent_equals_the_estimator_to_the_last_bit(batch_size, options):
    fitted = fit(6, batch_size, solver="sgd", learning_rate=0.2, **options)
    start, rng = start_and_generator()
    step = gradient_descent(0.2)
    parameters, costs = train(start, rng, step, 6, batch_size, **options)
    assert_same_weights(parameters, fitted)
    assert_allclose(costs, fitted.loss_curve_, rtol=1e-12)
    AL, _ = F.forward_propagation(X, parameters, LAYERS)
    assert_allclose(AL.T, fitted.predict_proba(X_rows), rtol=1e-13)
    assert_array_equal(F.predict(X, parameters, LAYERS)[0], fitted.predict(X_rows))


# Here some factor is no power of two, and the engine multiplies by it elsewhere: it
# scales up the weights behind a dropped layer in place of its outputs, and averages
# over the last mini-batch in two factors.
OTHER_FACTORS = {
    "dropout": (M, {"dropout": 0.25}),
    "mini-batches": (47, {"alpha": 0.9}),
    "all of them": (20, {"alpha": 0.9, "dropout": 0.125}),
}


@pytest.mark.parametrize(
    ("batch_size", "options"), OTHER_FACTORS.values(), ids=OTHER_FACTORS
)
def test_gradient_descent_equals_the_estimator_but_for_rounding(batch_size, options):
    fitted = fit(4, batch_size, solver="sgd", learning_rate=0.05, **options)
    start, rng = start_and_generator()
    step = gradient_descent(0.05)
    parameters, costs = train(start, rng, step, 4, batch_size, **options)
    assert_same_weights(parameters, fitted, rtol=1e-12, atol=1e-13)
    assert_allclose(costs, fitted.loss_curve_, rtol=1e-12)


def test_momentum_equals_the_estimator_but_for_rounding():
    """The engine's velocity is in units of the weights: -learning_rate times ours."""
    beta, rate = 0.8, 0.05
    solver = Momentum(momentum=beta)
    fitted = fit(6, 64, solver=solver, learning_rate=(1 - beta) * rate, alpha=0.7)
    start, rng = start_and_generator()
    step = MomentumSteps(start, beta, rate)
    parameters, costs = train(start, rng, step, 6, 64, alpha=0.7)
    assert_same_weights(parameters, fitted, rtol=1e-12, atol=1e-13)
    assert_allclose(costs, fitted.loss_curve_, rtol=1e-12)


ADAMS = {
    "defaults": {},
    "own": {"beta1": 0.7, "beta2": 0.9, "epsilon": 1e-3},
}


@pytest.mark.parametrize("settings", ADAMS.values(), ids=ADAMS)
def test_adam_equals_the_estimator_but_for_rounding(settings):
    """The engine keeps plain sums in place of means, which saves operations."""
    fitted = fit(6, 64, solver=Adam(**settings), learning_rate=0.02, alpha=0.7)
    start, rng = start_and_generator()
    step = AdamSteps(start, learning_rate=0.02, **settings)
    parameters, costs = train(start, rng, step, 6, 64, alpha=0.7)
    assert_same_weights(parameters, fitted, rtol=1e-12, atol=1e-13)
    assert_allclose(costs, fitted.loss_curve_, rtol=1e-12)


def test_adam_of_two_classes_equals_the_estimator_but_for_rounding():
    layers = [*LAYERS[:2], {"input_dim": 5, "output_dim": 1, "activation": "sigmoid"}]
    fitted = fit(5, 64, y == 1, solver="adam", learning_rate=0.02, alpha=0.7)
    start, rng = start_and_generator(layers)
    step = AdamSteps(start, learning_rate=0.02)
    parameters, costs = train(start, rng, step, 5, 64, alpha=0.7, layers=layers)
    assert_same_weights(parameters, fitted, rtol=1e-12, atol=1e-13)
    assert_allclose(costs, fitted.loss_curve_, rtol=1e-12)


def test_decay_of_the_learning_rate_equals_a_schedule_of_the_estimator():
    def rate_of(epoch):
        return F.decay_learning_rate(0.2, epoch, 0.5, time_interval=2)

    fitted = fit(
        7,
        M,
        solver="sgd",
        learning_rate=0.2,
        schedule=lambda epoch: rate_of(epoch) / 0.2,
    )
    parameters, _ = start_and_generator()
    for epoch in range(7):
        _, caches = F.forward_propagation(X, parameters, LAYERS)
        grads = F.backward_propagation(Y, caches, "cross_entropy")
        parameters = F.update_parameters(parameters, grads, rate_of(epoch))
    assert_same_weights(parameters, fitted, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
def test_training_with_a_softmax_equals_the_estimator_to_the_last_bit(loss):
    name = "log_loss" if loss == "cross_entropy" else loss
    fitted = fit(5, M, solver="sgd", learning_rate=0.2, loss=name)
    parameters, costs = F.train(
        X, Y, start_and_generator()[0], LAYERS, learning_rate=0.2, n_iter=5, loss=loss
    )
    assert_same_weights(parameters, fitted)
    assert_allclose(costs, fitted.loss_curve_, rtol=1e-12)


# ---- the mathematics


def differences(cost, parameters):
    """Central differences of the cost, the slow and sure way to a derivative."""
    slopes = {}
    for name, value in parameters.items():
        slopes[f"d{name}"] = np.empty_like(value)
        for place in np.ndindex(value.shape):
            step = np.zeros_like(value)
            step[place] = 1e-6
            higher = cost(parameters | {name: value + step})
            lower = cost(parameters | {name: value - step})
            slopes[f"d{name}"][place] = (higher - lower) / 2e-6
    return slopes


def a_batch(parameters, n=7):
    X_batch, Y_batch = X[:, ::20][:, :n], Y[:, ::20][:, :n]
    return X_batch - X.mean(axis=1, keepdims=True), Y_batch


CASES = {
    "softmax": {},
    "L2": {"lambd": 0.7},
    "dropout": {"keep_prob": 0.6},
    "both": {"lambd": 0.7, "keep_prob": 0.6},
    "squared error": {"loss": "squared_error"},
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_derivatives_are_those_of_the_cost(case):
    keep_prob, lambd = case.get("keep_prob", 1.0), case.get("lambd", 0.0)
    loss = case.get("loss", "cross_entropy")
    start = F.initialize_parameters(LAYERS, bias_init="random", random_state=0)
    X_batch, Y_batch = a_batch(start)

    def forward(parameters):
        return F.forward_propagation(
            X_batch, parameters, LAYERS, keep_prob=keep_prob, random_state=0
        )

    def cost(parameters):
        AL, _ = forward(parameters)
        return F.compute_cost(AL, Y_batch, loss, parameters=parameters, lambd=lambd)

    grads = F.backward_propagation(Y_batch, forward(start)[1], loss, lambd=lambd)
    for name, slopes in differences(cost, start).items():
        assert_allclose(grads[name], slopes, rtol=1e-6, atol=1e-8)
    assert F.gradient_check(start, grads, cost).passed


def test_derivative_through_a_hidden_softmax():
    layers = [{**LAYERS[0], "activation": "softmax"}, *LAYERS[1:]]
    start = F.initialize_parameters(layers, random_state=0)
    X_batch, Y_batch = a_batch(start)

    def cost(parameters):
        AL, _ = F.forward_propagation(X_batch, parameters, layers)
        return F.compute_cost(AL, Y_batch, "cross_entropy")

    _, caches = F.forward_propagation(X_batch, start, layers)
    grads = F.backward_propagation(Y_batch, caches, "cross_entropy")
    for name, slopes in differences(cost, start).items():
        assert_allclose(grads[name], slopes, rtol=1e-6, atol=1e-9)


def test_softmax_of_large_numbers_does_not_overflow():
    Z = np.array([[1000.0, -1000.0], [1000.0, 0.0], [-1000.0, 0.0]])
    A, _ = F.activation_forward(Z, np.eye(3), np.zeros((3, 1)), "softmax")
    assert_array_equal(A, [[0.5, 0.0], [0.5, 0.5], [0.0, 0.5]])


def test_dropout_keeps_the_mean_of_the_outputs():
    layers = [{**LAYERS[0], "output_dim": 4000}, {**LAYERS[2], "input_dim": 4000}]
    start = F.initialize_parameters(layers, random_state=0)
    _, (_, kept) = F.forward_propagation(X[:, :50], start, layers)
    _, (first, dropped) = F.forward_propagation(
        X[:, :50], start, layers, keep_prob=0.8, random_state=0
    )
    assert first.D.mean() == pytest.approx(0.8, abs=4 * np.sqrt(0.16 / first.D.size))
    assert_array_equal(dropped.A_prev, kept.A_prev * first.D / 0.8)
    assert dropped.A_prev.mean() == pytest.approx(kept.A_prev.mean(), rel=0.01)


def test_without_dropout_no_mask_is_drawn():
    rng = np.random.RandomState(0)
    F.forward_propagation(X, start_and_generator()[0], LAYERS, random_state=rng)
    assert rng.rand() == np.random.RandomState(0).rand()


def test_the_penalty_of_a_mini_batch_counts_its_share_of_the_samples():
    parameters, _ = start_and_generator()

    def penalty_of(m):
        AL = np.full((3, m), 1 / 3)
        lambd = 0.7 * m / M
        given = {"parameters": parameters, "lambd": lambd}
        return F.compute_cost(AL, Y[:, :m], "cross_entropy", **given) - np.log(3)

    assert penalty_of(30) == pytest.approx(penalty_of(M), rel=1e-12)


def test_mini_batches_hold_every_sample_once_with_its_target():
    rng = np.random.RandomState(0)
    ids = np.arange(10.0)[np.newaxis]
    first, second = (F.random_mini_batches(ids, -ids, 4, rng) for _ in range(2))
    for batches in (first, second):
        assert [X.shape for X, _ in batches] == [(1, 4), (1, 4), (1, 2)]
        assert_array_equal(np.sort(np.hstack([X for X, _ in batches])), ids)
        for X_batch, Y_batch in batches:
            assert_array_equal(X_batch, -Y_batch)
    assert not np.array_equal(first[0][0], second[0][0])


def test_steps_do_not_change_what_they_are_given():
    start, _ = start_and_generator()
    _, caches = F.forward_propagation(X, start, LAYERS)
    grads = F.backward_propagation(Y, caches, "cross_entropy", lambd=1.0)
    v, s = F.initialize_adam(start)
    before = [{k: it.copy() for k, it in d.items()} for d in (start, grads, v, s)]
    F.update_parameters_with_momentum(start, grads, v, 0.9, 0.1)
    F.update_parameters_with_adam(start, grads, v, s, 1)
    for given, copied in zip((start, grads, v, s), before, strict=True):
        for name, value in given.items():
            assert_array_equal(value, copied[name])


def test_float32_stays_float32_in_all_steps():
    parameters = {
        k: it.astype(np.float32) for k, it in start_and_generator()[0].items()
    }
    X_32 = X.astype(np.float32)
    v, s = F.initialize_adam(parameters)
    _, caches = F.forward_propagation(
        X_32, parameters, LAYERS, keep_prob=np.float64(0.8), random_state=0
    )
    grads = F.backward_propagation(Y, caches, "cross_entropy", lambd=np.float64(0.7))
    found = [
        F.update_parameters_with_momentum(parameters, grads, v, np.float64(0.9), 0.1)[
            0
        ],
        *F.update_parameters_with_adam(parameters, grads, v, s, 1, np.float64(0.1)),
    ]
    dtypes = {it.dtype for arrays in (grads, *found) for it in arrays.values()}
    assert dtypes == {np.dtype(np.float32)}
