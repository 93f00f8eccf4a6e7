"""Jobs: what may be trained as one stack, on which rows, and how their fits end."""

import copy
from dataclasses import fields, replace
from functools import partial
from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array

from sklearn_deepnet import DeepNetRegressor
from sklearn_deepnet._engine.batches import Batches
from sklearn_deepnet._engine.network import rows_per_block
from sklearn_deepnet._engine.state import TrainingSpec
from sklearn_deepnet._fitting.dataset import make_dataset, make_dense
from sklearn_deepnet._fitting.jobs import join
from sklearn_deepnet._fitting.prepare import prepare
from sklearn_deepnet._fitting.stack_size import max_stack_size
from sklearn_deepnet._fitting.targets import ClassTargets, NumberTargets
from sklearn_deepnet.estimators.stacking import StackSummary, fit_stack, run_tasks
from sklearn_deepnet.nn.activations import Activation, relu
from sklearn_deepnet.nn.losses import Loss, cross_entropy, log_loss
from sklearn_deepnet.nn.optimizers import Adam
from tests.helpers import network_factory, wine

X, y = wine()
rng = np.random.RandomState(0)
WEIGHT = rng.permutation(np.arange(178) % 3).astype(float)  # a third are zero


net = network_factory(
    "estimator", learning_rate=0.01, batch_size=50, n_iter=4, hidden_layer_sizes=(5,)
)


def fit_beside_each_other(networks):
    """Fit networks in tasks, and return the error of each, or None."""

    def fit(network):
        try:
            network.fit(X, y)
        except Exception as error:
            return error

    calls = [partial(fit, network) for network in networks]
    return [task.result for task in run_tasks(calls, 2**30, StackSummary())]


def job_of(estimator, X=X, y=y, **params):
    return prepare(estimator, X, y, **params).job


# ---- kinds


def fitted(n_iter=4, then=4, **parameters):
    estimator = net(warm_start=True, n_iter=n_iter, **parameters).fit(X, y)
    return estimator.set_params(n_iter=then)


def scored(n_rows=30):
    return job_of(net(scoring="accuracy"), X_val=X[:n_rows], y_val=y[:n_rows])


ALIKE = {
    "full batch": lambda: (net(batch_size=500), net(batch_size=None)),
    "activation": lambda: (net(), net(activation=["relu"])),
    "solver": lambda: (net(), net(solver=Adam())),
    "layers": lambda: (net(), net(hidden_layer_sizes=5)),
    "regressors": lambda: (net(DeepNetRegressor), net(DeepNetRegressor, alpha=1)),
    "resumed": lambda: (fitted(), fitted(random_state=1)),
}
UNLIKE = {
    "rows": lambda: (job_of(net()), job_of(net(), X[1:], y[1:])),
    "rows held out": lambda: (scored(), scored(31)),
    "dtype of X": lambda: [
        job_of(net(dtype="float32"), X.astype(kind)) for kind in ("f4", "f8")
    ],
    "dtype of y": lambda: [
        job_of(net(DeepNetRegressor), X, y.astype(kind)) for kind in ("i8", "f8")
    ],
    "epochs to make": lambda: map(job_of, (fitted(), fitted(then=5))),
    "steps": lambda: [
        job_of(fitted(batch_size=n_rows).set_params(batch_size=50))
        for n_rows in (50, 60)
    ],
    "epochs": lambda: [
        job_of(estimator.set_params(solver="adam", n_iter=4))
        for estimator in (fitted(solver="sgd"), fitted(solver="sgd", then=1).fit(X, y))
    ],
    "horizon": lambda: (
        job_of(fitted()),
        job_of(fitted(2, then=2).fit(X, y).set_params(n_iter=4)),
    ),
    "first loss": lambda: (
        job_of(net().fit(X, y).set_params(warm_start=True)),
        job_of(fitted(solver="sgd").set_params(solver="adam")),
    ),
    "made dense": lambda: (
        job_of(net(input_scaling=None)),
        job_of(net(input_scaling=None), csr_array(X)),
    ),
    "monitored rows made dense": lambda: (
        job_of(net(), X_val=X, y_val=y),
        job_of(net(), X_val=csr_array(X), y_val=y),
    ),
    "best": lambda: (
        job_of(fitted(early_stopping=True)),
        job_of(fitted().set_params(early_stopping=True)),
    ),
}


@pytest.mark.parametrize("pair", ALIKE.values(), ids=ALIKE)
def test_jobs_have_one_stack_key_however_it_is_written(pair):
    one, other = map(job_of, pair())
    assert one.stack_key == other.stack_key


@pytest.mark.filterwarnings("ignore:Training continues with a new")
@pytest.mark.parametrize("pair", UNLIKE.values(), ids=UNLIKE)
def test_jobs_that_cannot_be_one_stack_have_two_stack_keys(pair):
    one, other = pair()
    assert one.stack_key != other.stack_key


@pytest.mark.parametrize("start", [net, fitted])
def test_a_job_that_is_never_trained_leaves_the_estimator_as_it_was(start):
    estimator, other = start(early_stopping=True), start(early_stopping=True)
    before = dict(vars(estimator))
    for _ in range(2):
        job = job_of(estimator)
        for array in (job.state.params, *job.state.moments):
            array[...] = 7
        job.state.generators[0].randn(3)
    assert vars(estimator) == before
    np.testing.assert_equal(vars(estimator.fit(X, y)), vars(other.fit(X, y)))


@pytest.mark.parametrize("hidden", [(), (5,), (5, 4)])
def test_tasks_are_taken_from_a_stack_as_they_came(hidden):
    wishes = [
        {"dropout": 0.1, "l1": 0.3, "learning_rate": 0.2},
        {"schedule": "cosine", "tol": 0.1, "n_iter_no_change": 3},
        {"alpha": 2.0, "clip_norm": 4.0},
    ]
    specs = [job_of(net(hidden_layer_sizes=hidden, **own)).spec for own in wishes]
    stack = TrainingSpec.stack(specs)
    for k, spec in enumerate(specs):
        rows_used = stack.select(np.arange(3) == k)
        for field in fields(TrainingSpec):
            ours, its = getattr(rows_used, field.name), getattr(spec, field.name)
            is_own = isinstance(its, np.ndarray)
            np.testing.assert_equal(ours, its[np.newaxis] if is_own else its)


# ---- rows


def dataset_of(rows=slice(None), weight=None, smoothing=0.0):
    targets = ClassTargets(np.arange(3), label_smoothing=smoothing)
    return make_dataset(X[rows], y[rows], targets, weight)


def numbers(k):
    targets = NumberTargets(3, np.array([0.5, k, 0.0]), np.array([1.0, 2.0, 1 + k]))
    return replace(NUMBERS, targets=targets)


ALL = dataset_of()
HEAVY = dataset_of(weight=WEIGHT)
NUMBERS = make_dataset(X, X[:, :3], NumberTargets(3, np.zeros(3), np.ones(3)), None)
UNEVEN = [rng.uniform(0.5, 2, 178) for _ in range(3)]
DATASETS = {
    "all": [ALL, ALL, ALL],
    "copies of rows": [replace(HEAVY, rows=HEAVY.rows.copy()) for _ in range(3)],
    "smoothing": [
        replace(ALL, targets=replace(ALL.targets, label_smoothing=k / 9))
        for k in range(3)
    ],
    "scaling": [numbers(k) for k in range(3)],
    "targets": [ALL, replace(ALL, target=ALL.target[::-1])],
    "rows": [ALL.split(0.3, seed)[0] for seed in range(3)],
    "weighted rows": [HEAVY.split(0.3, seed)[0] for seed in range(3)],
    "weights": [
        ALL,
        dataset_of(weight=np.full(178, 2.0)),
        dataset_of(weight=UNEVEN[0]),
    ],
    "own weights": [dataset_of(weight=weight) for weight in UNEVEN],
    "own weights of the same rows": [replace(ALL, weight=w) for w in UNEVEN],
    "weights of some": [ALL, replace(ALL, weight=UNEVEN[0]), ALL],
    "folds": [
        dataset_of(slice(k, k + 150), weight[:150], k / 9)
        for k, weight in enumerate(UNEVEN)
    ],
    "folds of no weights": [dataset_of(slice(0, 150)), dataset_of(slice(28, 178))],
    "folds of several weights": [
        replace(fold, weight=weight[:150])
        for fold, weight in zip(
            (dataset_of(slice(0, 150)), *[dataset_of(slice(28, 178))] * 2),
            UNEVEN,
            strict=True,
        )
    ],
}
IS_OWN = {  # inputs, target, weight
    "all": (False, False, False),
    "copies of rows": (False, False, False),
    "smoothing": (False, True, False),
    "scaling": (False, True, False),
    "rows": (True, True, False),
    "weighted rows": (True, True, True),
}


def blocks_of(datasets, seeds, n_epochs=2, **options):
    """Return copies of the blocks of some epochs."""
    stack_shape = () if len(datasets) == 1 else (len(datasets),)
    generators = [np.random.RandomState(seed) for seed in seeds]
    batches = join(datasets, generators=generators, stack_shape=stack_shape, **options)
    return [copy_of(block) for _ in range(n_epochs) for block in blocks_in(batches)]


def blocks_in(batches):
    """Go through the blocks of an epoch, each in place of the one before."""
    return (read(0) for batch in batches for read in batch.blocks)


def copy_of(block):
    return {name: value.copy() for name, value in block._asdict().items()}


SIZES = [(50, 999), (50, 20), (999, 64)]  # of batch and block


@pytest.mark.parametrize("datasets", DATASETS.values(), ids=DATASETS)
@pytest.mark.parametrize("sizes", SIZES)
def test_rows_that_are_made_dense_are_those_of_dense_x(datasets, sizes):
    options = {"batch_size": sizes[0], "block_size": sizes[1], "shuffle": True}
    options |= {"dtype": "f8", "trains": True}
    matrices = {id(it.X): csr_array(it.X) for it in datasets}
    made_dense = [
        replace(it, X=matrices[id(it.X)], is_made_dense=True) for it in datasets
    ]
    found, expected = (
        blocks_of(them, range(len(them)), **options) for them in (made_dense, datasets)
    )
    for block, other in zip(found, expected, strict=True):
        for name, array in block.items():
            np.testing.assert_array_equal(array, other[name])


def test_rows_that_no_network_uses_are_not_made_dense():
    X, used = csr_array(np.eye(6)), [4, 1]
    target, weight = np.arange(6.0)[:, np.newaxis], np.arange(12.0).reshape(2, 6, 1)
    X, target, weight, rows = make_dense(X, target, weight, np.array([[4, 1], [1, 4]]))
    np.testing.assert_array_equal(X[rows[0]], np.eye(6)[used])
    np.testing.assert_array_equal(target[rows[1]].ravel(), [1, 4])
    np.testing.assert_array_equal(weight[1, rows[1]].ravel(), [7, 10])
    assert len(X) == len(target) == 2


@pytest.mark.slow
@pytest.mark.parametrize("datasets", DATASETS.values(), ids=DATASETS)
@pytest.mark.parametrize(
    ("sizes", "shuffle", "dtype"),
    [*product(SIZES, [True, False], ["f8"]), (SIZES[1], True, "f4")],
)
def test_joined_datasets_are_the_datasets(datasets, sizes, shuffle, dtype):
    options = {"batch_size": sizes[0], "block_size": sizes[1], "shuffle": shuffle}
    options |= {"dtype": dtype, "trains": shuffle}
    joined = blocks_of(datasets, range(3)[: len(datasets)], **options)
    for k, dataset in enumerate(datasets):
        for block, own in zip(
            joined, blocks_of([dataset], [k], **options), strict=True
        ):
            for name, value in own.items():
                ours = block[name][k] if np.ndim(block[name]) > 2 else block[name]
                assert_array_equal(ours, value)
                assert np.asarray(ours).dtype == np.asarray(value).dtype


@pytest.mark.parametrize("name", IS_OWN)
def test_what_datasets_have_in_common_is_there_once(name):
    sizes = {"batch_size": 50, "block_size": 99, "dtype": "f8", "shuffle": False}
    for block in blocks_of(DATASETS[name], range(3), trains=True, **sizes):
        shown = [np.ndim(block[of]) > 2 for of in ("inputs", "target", "weight")]
        assert tuple(shown) == IS_OWN[name]


@pytest.mark.parametrize("batch_size", [178, 999])
def test_targets_are_smoothed_in_training_alone(batch_size):
    options = {"batch_size": batch_size, "block_size": 999, "dtype": "f8"}
    for trains, share in ((True, 0.1), (False, 0.0)):
        dataset = dataset_of(smoothing=0.3)
        (block,) = blocks_of([dataset], [0], 1, trains=trains, shuffle=False, **options)
        expected = (np.eye(3)[y] * (1 - 3 * share) + share).T
        np.testing.assert_allclose(block["target"], expected, rtol=1e-15)
        np.testing.assert_allclose(block["weight"], 1 / 178, rtol=1e-15)


CLASSES = rng.randint(3, size=(178, 1))
MAPS = rng.uniform(0.5, 2, (3, 3, 1, 1))  # weight scale, target scale and shift


def stack_of(y, weight, n_outputs=2, block_size=999, shuffle=True, **options):
    generators = [np.random.RandomState(k) for k in range(3)]
    sizes = {"batch_size": 50, "block_size": block_size, "n_outputs": n_outputs}
    options |= {"generators": generators, "stack_shape": (3,), "dtype": "f8"}
    return Batches(X, y, weight, shuffle=shuffle, **sizes, **options)


def assert_same_epochs(batches, others, names=("inputs", "target", "weight")):
    for _ in range(2):
        for block, other in zip(blocks_in(batches), blocks_in(others), strict=True):
            for name in names:
                ours, its = getattr(block, name), getattr(other, name)
                assert_array_equal(ours, np.broadcast_to(its, ours.shape))


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("block_size", [999, 20])
@pytest.mark.parametrize(
    "rows", [None, np.arange(9, 99), rng.randint(178, size=(3, 90))]
)
def test_no_weights_are_ones(shuffle, block_size, rows):
    options = {"rows": rows, "shuffle": shuffle, "block_size": block_size}
    ones, none = (stack_of(X[:, :2], w, **options) for w in (np.ones((178, 1)), None))
    assert_same_epochs(ones, none)
    keep = np.array([True, False, True])
    assert_same_epochs(ones.select(keep), none.select(keep))


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("block_size", [999, 20])
@pytest.mark.parametrize("keep", [[True] * 3, [False, True, True]])
def test_each_network_has_its_scales(shuffle, block_size, keep):
    weight, options = UNEVEN[0][:, np.newaxis], {"block_size": block_size}
    scales = dict(
        zip(("weight_scale", "target_scale", "target_shift"), MAPS, strict=True)
    )
    scaled = stack_of(X[:, :2], weight, shuffle=shuffle, **options, **scales)
    y = MAPS[1] * X[:, :2] + MAPS[2]
    own = stack_of(y, MAPS[0] * weight, shuffle=shuffle, **options)
    assert_same_epochs(own.select(np.array(keep)), scaled.select(np.array(keep)))


def test_each_network_has_its_scale_of_one_hot_targets():
    scales = {"target_scale": MAPS[1], "target_shift": MAPS[2]}
    scaled = stack_of(CLASSES, None, n_outputs=3, **scales)
    y = MAPS[1] * np.eye(3)[CLASSES[:, 0]] + MAPS[2]
    assert_same_epochs(stack_of(y, None, n_outputs=3), scaled)


# ---- sizes


SHAPES = [(13, 3), (30, 16, 1), (64, 100, 10), (13, 5, 200, 3), (784, 256, 128, 10)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("itemsize", [4, 8])
def test_a_stack_is_not_larger_for_more_work(shape, itemsize):
    for n_rows in (1, 32, 200, 256):
        size = max_stack_size(shape, n_rows, itemsize)
        assert size >= 1
        assert size >= max_stack_size(shape, n_rows + 1, itemsize)
        assert size >= max_stack_size(shape, n_rows * 1000, itemsize)
        assert size >= max_stack_size(
            (shape[0], max(shape), *shape[1:]), n_rows, itemsize
        )
        assert size == max(1, max_stack_size(shape, n_rows, itemsize // 2) // 2)
        for layer in range(len(shape)):
            wider = [n + (k == layer) for k, n in enumerate(shape)]
            assert size >= max_stack_size(wider, n_rows, itemsize)


@pytest.mark.parametrize("shape", SHAPES)
def test_rows_beyond_a_block_are_no_more_work(shape):
    size = max_stack_size(shape, rows_per_block(shape), 4)
    assert max_stack_size(shape, 10**6, 4) == size


def test_the_largest_networks_are_trained_alone():
    assert max_stack_size((784, 4096, 10), 256, 4) == 1
    assert max_stack_size((10**6, 10**4, 10), 10**9, 8) == 1
    assert max_stack_size((30, 16, 1), 32, 8) > 16


# ---- endings


def raises_at(n_epochs, error):
    def schedule(t):
        if t == n_epochs:
            raise error("stop")
        return 1.0

    return schedule


def raises_from(n_calls, error):
    n_called = 0

    def score(estimator, X, y):
        nonlocal n_called
        n_called += 1
        if n_called >= n_calls:
            raise error("stop")
        return estimator.score(X, y)

    return score


FAILS = {
    "schedule": lambda error: {"schedule": raises_at(3, error)},
    "score": lambda error: {"scoring": raises_from(4, error)},
}


def started(warm, *settings, **parameters):
    """Return networks for four epochs, of which the warm have made two already."""
    usual = {"early_stopping": True, "scoring": "accuracy", "warm_start": warm}
    networks = [net(n_iter=2, **usual | parameters | own) for own in settings]
    for network in networks:
        if warm:
            network.fit(X, y)
        network.set_params(n_iter=4)
    return networks


@pytest.mark.parametrize("fails", FAILS.values(), ids=FAILS)
@pytest.mark.parametrize("warm", [False, True])
def test_who_fails_amid_training_fails_alone(fails, warm):
    settings = {}, fails(RuntimeError), {"dropout": 0.2}, {"alpha": 1.0}
    networks, others = started(warm, *settings), started(warm, {}, *settings[2:])
    networks[3].set_params(learning_rate=-1.0)
    before = [dict(vars(network)) for network in networks]
    errors = fit_beside_each_other(networks)
    reported = [type(error).__name__ for error in errors]
    assert reported == ["NoneType", "RuntimeError", "NoneType", "InvalidParameterError"]
    for network, other in zip(networks[::2], others, strict=False):
        np.testing.assert_equal(vars(network), vars(other.fit(X, y)))
    assert [vars(network) for network in networks[1::2]] == before[1::2]


def test_who_fails_alone_leaves_what_others_have_drawn():
    """Also from a generator that is theirs together, and is drawn from but once."""
    wishes = [{}, {"schedule": raises_at(2, RuntimeError)}, {"alpha": 1.0}]
    for is_bad in (False, True):
        rng = np.random.RandomState(7)
        networks = [net(random_state=rng, **wish) for wish in wishes]
        if not is_bad:
            networks[1].set_params(schedule="constant")
        fit_beside_each_other(networks)
        found = [networks[k].coefs_ for k in (0, 2)], rng.get_state()[1:]
        if not is_bad:
            expected = found
    np.testing.assert_equal(found, expected)


def test_the_error_of_training_is_reported_as_alone():
    networks = [net(schedule=raises_at(1, RuntimeError)) for _ in range(2)]
    large = net(hidden_layer_sizes=(4096, 400), schedule=raises_at(0, RuntimeError))
    for error in fit_beside_each_other([*networks, large]):
        assert isinstance(error, RuntimeError)
        assert error.__context__ is None


def test_generators_of_any_kind_are_put_back():
    rng = np.random.RandomState(np.random.PCG64(0))
    networks = [net(random_state=rng, alpha=k) for k in (0.0, 1.0)]
    networks.append(net(schedule=raises_at(1, RuntimeError)))
    before = copy.deepcopy(rng)
    assert fit_beside_each_other(networks)[:2] == [None, None]
    for network in networks[:2]:
        other = net(random_state=before, alpha=network.alpha).fit(X, y)
        np.testing.assert_equal(network.coefs_, other.coefs_)


def of_one_network(z, target, scratch):
    """A softmax and its cross-entropy, which take the first axis for the classes."""
    z -= z.max(axis=0)
    np.exp(z, out=z)
    z /= z.sum(axis=0)
    scratch[0] = -(target * np.log(np.maximum(z, 1e-300)))
    z -= target
    return scratch[0]


class OneNorm(Adam):
    """Divides by the norm of all there is."""

    def step(self, buffers, learning_rate, n_steps):
        gradient = buffers.gradient
        gradient /= np.linalg.norm(gradient)
        super().step(buffers, learning_rate, n_steps)


OWN = {
    "loss": Loss("own", softmax=of_one_network),
    "solver": OneNorm(),
    "activation": Activation(
        "centred",
        lambda z, a: np.subtract(z, z.mean(), out=a),
        lambda grad, z, a: None,
        overwrites_z=True,
    ),
}


@pytest.mark.parametrize("name", OWN)
def test_components_of_the_users_own_may_be_for_one_network_alone(name):
    networks = [net(alpha=alpha, **{name: OWN[name]}) for alpha in (0.0, 1.0)]
    fit_stack(networks, X, y)
    for network in networks:
        other = net(alpha=network.alpha, **{name: OWN[name]}).fit(X, y)
        np.testing.assert_equal(network.coefs_, other.coefs_)


class OwnAdam(Adam):
    """Inherits all but that it is element-wise."""


class ElementwiseAdam(Adam):
    elementwise = True


def own_cross_entropy(logits, target, scratch):
    return cross_entropy(logits, target, scratch)


def square(z, a):
    np.multiply(z, z, out=a)


def square_backward(grad, z, a):
    np.multiply(z, 2, out=z)
    np.multiply(grad, z, out=grad)


ELEMENTWISE = {
    "loss": lambda marked: Loss("own", softmax=own_cross_entropy, elementwise=marked),
    "solver": lambda marked: ElementwiseAdam() if marked else OwnAdam(),
    "activation": lambda marked: Activation(
        "square", square, square_backward, overwrites_z=False, elementwise=marked
    ),
}


@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.parametrize("marked", [True, False])
def test_what_is_marked_elementwise_is_trained_in_stacks(name, marked, stacks):
    settings = {name: ELEMENTWISE[name](marked)}
    networks = [net(alpha=alpha, **settings) for alpha in (0.0, 0.1, 1.0)]
    fit_stack(networks, X, y)
    assert stacks == ([3] if marked else [])
    for network in networks:
        other = net(alpha=network.alpha, **settings).fit(X, y)
        np.testing.assert_array_equal(network._params, other._params, strict=True)
        assert network.loss_curve_ == other.loss_curve_


@pytest.mark.parametrize(
    ("component", "changes"),
    [
        (relu, {"forward": square}),
        (relu, {"backward": square_backward}),
        (log_loss, {"softmax": own_cross_entropy}),
    ],
)
def test_another_function_is_not_known_to_be_elementwise(component, changes):
    assert component.elementwise
    assert component._replace(name="own").elementwise
    assert not component._replace(**changes).elementwise
    assert component._replace(**changes, elementwise=True).elementwise
    assert not component.__replace__(**changes).elementwise  # by `copy.replace`


class Undecided(Adam):
    """An optimizer that cannot be compared, as one of arrays cannot."""

    def __eq__(self, other):
        return np.zeros(2) == 0

    __hash__ = None


def test_components_that_cannot_be_compared_are_trained_apart(stacks):
    networks = [net(solver=solver) for solver in ("adam", Undecided(), Undecided())]
    fit_stack(networks, X, y)
    assert stacks == [1]  # of the first
    np.testing.assert_equal(networks[1].coefs_, networks[0].coefs_)


@pytest.mark.parametrize("fails", FAILS.values(), ids=FAILS)
@pytest.mark.parametrize("warm", [False, True])
def test_fit_stack_undoes_all_if_one_fails(fails, warm):
    networks = [*started(warm, {}, fails(RuntimeError)), net(n_iter=1)]
    before = [dict(vars(network)) for network in networks]
    with pytest.raises(RuntimeError, match=r"^stop$"):
        fit_stack(networks, X, y)
    assert [vars(network) for network in networks] == before


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("fails", FAILS.values(), ids=FAILS)
@pytest.mark.parametrize("warm", [False, True])
def test_ctrl_c_leaves_a_stack_at_the_last_complete_epoch(fails, warm):
    settles = {"tol": 10, "n_iter_no_change": 2}  # after three epochs
    settings = {}, {"dropout": 0.3}, settles, fails(KeyboardInterrupt)
    networks = started(warm, *settings, restore_best=False)
    earlier, later = net(n_iter=3), net(n_iter=1)
    untouched = dict(vars(later))
    with pytest.raises(KeyboardInterrupt, match=r"^stop$"):
        fit_stack([earlier, *networks, later], X, y)
    assert earlier.n_iter_ == 3
    assert vars(later) == untouched
    settings[3].pop("scoring", None)
    others = started(False, *settings, restore_best=False)
    for network, other in zip(networks, others, strict=True):
        other.set_params(n_iter=3).fit(X, y)
        for of in ("coefs_", "loss_curve_", "validation_loss_curve_", "best_iter_"):
            np.testing.assert_equal(getattr(network, of), getattr(other, of))


def test_what_ctrl_c_leaves_is_what_it_leaves_alone():
    stops = {"schedule": raises_at(3, KeyboardInterrupt)}
    settings = [{}, {"alpha": 1.0}, {"dropout": 0.3}]
    networks, others = started(True, *settings), started(True, *settings)
    with pytest.raises(KeyboardInterrupt):
        fit_stack([network.set_params(**stops) for network in networks], X, y)
    for network, other in zip(networks, others, strict=True):
        with pytest.raises(KeyboardInterrupt):
            other.set_params(**stops).fit(X, y)
        np.testing.assert_equal(vars(network), vars(other))


# ---- memory


@pytest.mark.slow
@pytest.mark.parametrize("own_weights", [False, True], ids=["one weight", "own"])
@pytest.mark.parametrize("own_rows", [False, True], ids=["same rows", "own rows"])
@pytest.mark.parametrize("batch_size", [500, None])
def test_a_stack_makes_no_copy_of_its_rows(batch_size, own_rows, own_weights, peak_of):
    X = np.random.RandomState(0).randn(12_000, 400)  # 38 MB
    y, weight = (X[:, 0] > 0).astype(int), np.random.RandomState(1).rand(12_000)
    usual = {"batch_size": batch_size, "n_iter": 1, "early_stopping": own_rows}
    usual |= {"class_weight": "balanced"}
    networks = [net(random_state=seed, **usual) for seed in range(8)]
    if own_weights:
        for k, network in enumerate(networks):
            network.set_params(class_weight={0: 1.0, 1: 1.0 + k})
    assert (
        peak_of(lambda: fit_stack(networks, X, y, sample_weight=weight)) < X.nbytes / 2
    )


@pytest.mark.slow
def test_a_stack_holds_one_copy_of_rows_that_had_to_be_converted(peak_of):
    X = np.random.RandomState(0).randn(6000, 400).astype(object)
    y = np.arange(6000) % 2
    networks = [net(random_state=seed, n_iter=1) for seed in range(8)]
    assert peak_of(lambda: fit_stack(networks, X, y)) < 3 * 6000 * 400 * 8
