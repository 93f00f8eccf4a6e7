"""Networks that are fitted as stacks are those that their own fits would have made."""

import re
import warnings
from itertools import product

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler, scale

from sklearn_deepnet import DeepNetClassifier, DeepNetRegressor, DivergenceWarning
from sklearn_deepnet._fitting.prepare import prepare
from sklearn_deepnet._fitting.stack_size import max_stack_size
from sklearn_deepnet.estimators.stacking.training import Waiting, train_stacks
from sklearn_deepnet.model_selection import StackSummary, fit_stack
from sklearn_deepnet.nn.activations import ACTIVATIONS
from sklearn_deepnet.nn.losses import focal
from sklearn_deepnet.nn.numeric_features import PeriodicFeatures
from sklearn_deepnet.nn.optimizers import Adam
from sklearn_deepnet.nn.schedules import Exponential, Plateau
from tests.helpers import network_factory

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning",
    "ignore:solver='lbfgs' does not use",
)
FRAME, LABELS = load_wine(return_X_y=True, as_frame=True)
X, y = scale(FRAME), LABELS.to_numpy()
BINARY = np.minimum(y, 1)
INDICATOR = np.column_stack([y == 0, X[:, 0] > 0, X[:, 1] > 0]).astype(int)
UNEVEN = np.random.RandomState(3).permutation(np.arange(178) % 4).astype(float)


net = network_factory(
    "estimator", learning_rate=0.01, batch_size=50, n_iter=4, hidden_layer_sizes=(5, 4)
)


def nets(*settings, **parameters):
    """Return networks of different seeds, each with its own setting."""
    seeds = [{"random_state": seed} for seed in range(len(settings))]
    return [
        net(**(seed | parameters | own))
        for seed, own in zip(seeds, settings, strict=True)
    ]


def assert_identical(value, other):
    """Compare by bits whatever an estimator keeps; functions may be copies."""
    assert type(value) is type(other)
    if isinstance(value, np.ndarray) and value.dtype != object:
        assert (value.dtype, value.shape) == (other.dtype, other.shape)
        assert value.tobytes() == other.tobytes()
    elif isinstance(value, dict):
        assert value.keys() == other.keys()
        assert_identical([*value.values()], [*other.values()])
    elif isinstance(value, list | tuple):
        for one, two in zip(value, other, strict=True):
            assert_identical(one, two)
    elif isinstance(value, np.random.RandomState):
        assert_identical(value.get_state(), other.get_state())
    elif not callable(value):
        np.testing.assert_equal(value, other)


def assert_same_fit(estimator, other):
    assert_identical(
        dict(sorted(vars(estimator).items())), dict(sorted(vars(other).items()))
    )
    for weights in ("coefs_", "intercepts_", "numeric_features_"):
        assert_identical(getattr(estimator, weights), getattr(other, weights))


def cut(table, some):
    return table.iloc[some] if hasattr(table, "iloc") else table[some]


def assert_stack_equals_alone(estimators, X=X, y=y, rows=None, cuts=(), **params):
    """Fit copies alone and these as stacks, compare, and return these."""
    alone = [clone(estimator) for estimator in estimators]
    for k, estimator in enumerate(alone):
        if rows is None:
            estimator.fit(X, y, **params)
        else:
            own = {name: cut(params[name], rows[k]) for name in cuts}
            estimator.fit(cut(X, rows[k]), cut(y, rows[k]), **params | own)
    assert fit_stack(estimators, X, y, rows=rows, **params) == estimators
    for estimator, other in zip(estimators, alone, strict=True):
        assert_same_fit(estimator, other)
        assert_identical(estimator.predict(X), other.predict(X))
    return estimators


# ---- parameters


MAY_DIFFER = {
    "init": ["he", "orthogonal", "zeros", lambda shape, rng: 0.1 * rng.randn(*shape)],
    "init_scale": [None, 0.1, 3.0],
    "bias_init": ["random", "zeros", "uniform"],
    "learning_rate": [0.001, 0.1, 1e30],
    "schedule": ["constant", "cosine", Plateau(patience=1), lambda t: 1 / (1 + t)],
    "alpha": [0.0, 1e-4, 3.0],
    "l1": [0.0, 0.5, 2.0],
    "dropout": [0.0, [0.2, 0.0], 0.5],
    "label_smoothing": [0.0, 0.1, 0.3],
    "clip_norm": [None, 0.01, 1.0],
    "class_weight": [None, "balanced", {0: 3.0}, {0: 2.0, 2: 0.5}],
    "tol": [None, 0.0, 10.0],
    "n_iter_no_change": [1, 2, 10],
    "random_state": [0, 1, 2**32 - 1],
    "restore_best": [True, False],
    "scoring": ["accuracy", "neg_log_loss", "f1_macro"],
    "warm_start": [True, False],
}
MUST_NOT = {
    "hidden_layer_sizes": [(5, 4), (4, 5), 5, ()],
    "activation": ["relu", "tanh", ["relu", "tanh"]],
    "solver": ["adam", Adam(beta1=0.5), "sgd", "nesterov", "lbfgs"],
    "loss": ["log_loss", "squared_error", "focal", focal(1.0)],
    "batch_size": [50, 51, None],
    "n_iter": [4, 0, 1],
    "shuffle": [True, False],
    "dtype": [None, "float32"],
    "input_scaling": ["standard", "robust", None],
    "numeric_features": [None, "periodic", PeriodicFeatures(n_frequencies=3)],
    "early_stopping": [True, False],
    "validation_fraction": [0.1, 0.2],
    "scoring": [None, "accuracy"],
}
TABLES = [*MAY_DIFFER.items(), *MUST_NOT.items()]


def networks_of(name, values, **parameters):
    """Return networks of different seeds: two for each value that must not differ."""
    n_each = 2 if values is MUST_NOT.get(name) else 1
    if name in ("restore_best", "scoring", "validation_fraction"):
        parameters |= {"early_stopping": True}
    if name == "n_iter_no_change":
        parameters |= {"tol": 1e9, "n_iter": 7}
    return nets(
        *[{name: value} for value in values for _ in range(n_each)], **parameters
    )


@pytest.mark.parametrize(("name", "values"), TABLES, ids=[name for name, _ in TABLES])
def test_networks_may_differ_in_any_parameter(name, values):
    assert_stack_equals_alone(networks_of(name, values))


def test_wide_networks_are_trained_in_stacks_no_larger_than_pays():
    size = max_stack_size((13, 100, 100, 3), 50, 8)
    assert size == 2
    networks = nets(*[{}] * 5, hidden_layer_sizes=(100, 100), n_iter=2)
    assert sizes_of_stacks(networks) == [2, 2, 1]
    assert_stack_equals_alone(nets(*[{}] * 5, hidden_layer_sizes=(100, 100), n_iter=2))


ONE_BY_ONE = {  # networks that are trained one by one, while others wait
    "large": {"hidden_layer_sizes": (512, 256)},
    "lbfgs": {"solver": "lbfgs"},
    "verbose": {"verbose": 1},
}


@pytest.mark.parametrize("kind", ONE_BY_ONE)
def test_networks_trained_alone_stop_and_warn_as_by_their_own_fit(kind):
    stops = {"init": "zeros", "n_iter": 10, "tol": 1e-4}
    networks = [net(**stops, random_state=k, **ONE_BY_ONE[kind]) for k in range(2)]
    networks.insert(1, net(**stops))
    with pytest.warns(ConvergenceWarning, match="has learned nothing from X"):
        assert_stack_equals_alone(networks)


def test_all_parameters_are_tested():
    tested = MAY_DIFFER.keys() | MUST_NOT.keys() | {"verbose"}
    assert tested == net().get_params().keys()


def sizes_of_stacks(networks, X=X, **params):
    """Fit them and return how many begin at the same time, as a schedule tells."""
    log = []

    def schedule(t):
        log.append(t)
        return 1.0

    networks = [network.set_params(schedule=schedule) for network in networks]
    fit_stack(networks, X, y, **params)
    return [*map(len, "".join("o" if t == 0 else " " for t in log).split())]


@pytest.mark.parametrize("name", [name for name in MAY_DIFFER if name != "schedule"])
def test_networks_that_differ_in_these_are_trained_side_by_side(name):
    networks = networks_of(name, MAY_DIFFER[name])
    assert sizes_of_stacks(networks) == [len(networks)]


@pytest.mark.parametrize("name", MUST_NOT)
def test_networks_that_differ_in_these_are_trained_apart(name):
    networks = networks_of(name, MUST_NOT[name])
    n_silent = name in ("solver", "n_iter")  # L-BFGS, and no epochs
    assert sizes_of_stacks(networks) == [2] * (len(networks) // 2 - n_silent)


def test_networks_whose_losses_are_copies_are_trained_side_by_side():
    networks = [clone(net(loss=focal(1.5), alpha=k)) for k in range(4)]
    assert sizes_of_stacks(networks) == [4]


@pytest.mark.slow
@pytest.mark.parametrize("X", [X, X.astype("f4"), X.tolist()], ids=["f8", "f4", "list"])
def test_networks_may_differ_in_everything_at_once(X):
    names = MAY_DIFFER.keys() - {"random_state"}
    settings = [
        {name: MAY_DIFFER[name][k % len(MAY_DIFFER[name])] for name in names}
        for k in range(12)
    ]
    networks = nets(*settings, early_stopping=True, n_iter=6)
    assert_stack_equals_alone(networks, X=X)
    assert len({network.n_iter_ for network in networks}) > 2
    assert {network.diverged_ for network in networks} == {True, False}


# ---- targets


REGRESSORS = [
    {"estimator": DeepNetRegressor, "loss": loss, "target_scaling": scaling}
    for loss, scaling in product(("huber", "poisson"), ("standard", None))
]


KINDS_OF_Y = {"multi": 5 + 2 * y[::-1], "binary": 7 * BINARY, "labels": INDICATOR}


@pytest.mark.parametrize("y", KINDS_OF_Y.values(), ids=KINDS_OF_Y)
@pytest.mark.parametrize(
    "early_stopping", [pytest.param(False, marks=pytest.mark.slow), True]
)
def test_classifiers_keep_company_with_regressors(y, early_stopping):
    kinds = [{}, *REGRESSORS, {"class_weight": "balanced"}, *REGRESSORS, {}]
    assert_stack_equals_alone(nets(*kinds, early_stopping=early_stopping), y=y)


def test_networks_on_other_rows_scale_their_targets_by_these():
    X, y = load_diabetes(return_X_y=True)
    y = np.column_stack([y, X[:, 0] * y, np.ones_like(y)])
    rows = [np.arange(k, 300 + k) for k in (0, 50, 100)]
    networks = nets({}, {}, {}, estimator=DeepNetRegressor, early_stopping=True)
    assert_stack_equals_alone(networks, X, y, rows)
    assert len({network.target_mean_.tobytes() for network in networks}) == 3


# ---- rows


FOLDS = [train for train, _ in StratifiedKFold(5).split(X, y)]  # 142 and 143 rows
DRAWN = np.random.RandomState(0).randint(178, size=(3, 178))
ROWS = {
    "folds": FOLDS,
    "masks": np.random.RandomState(1).rand(4, 178) < 0.7,
    "without a class": [np.arange(130), np.arange(48, 178), np.arange(24, 154)],
    "mixed": [FOLDS[0], y != 1, *DRAWN, np.arange(178)[::-1], FOLDS[0], y > -1],
}


@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
@pytest.mark.parametrize(
    "early_stopping", [pytest.param(False, marks=pytest.mark.slow), True]
)
def test_each_network_has_its_own_rows(rows, early_stopping):
    settings = [{"class_weight": (None, "balanced")[k % 2]} for k in range(len(rows))]
    networks = nets(*settings, early_stopping=early_stopping)
    assert_stack_equals_alone(networks, FRAME, LABELS, rows)
    params = {"sample_weight": UNEVEN, "cuts": ["sample_weight"]}
    assert_stack_equals_alone(networks, rows=rows, **params)


def test_those_with_as_many_rows_are_trained_side_by_side():
    rows = [*FOLDS, FOLDS[0], y > -1, DRAWN[0], UNEVEN > -1]
    assert sorted(map(len, FOLDS)) == [142, 142, 142, 143, 143]
    assert sizes_of_stacks(nets(*[{}] * 9), rows=rows) == [4, 2, 3]


def test_rows_of_no_weight_are_no_rows_of_a_stack():
    weight = np.ones(178)
    weight[np.setdiff1d(FOLDS[0], FOLDS[1])[0]] = 0
    sizes = sizes_of_stacks(nets({}, {}), rows=FOLDS[:2], sample_weight=weight)
    assert sizes == [1, 1]


@pytest.mark.parametrize("scoring", [None, "neg_log_loss"])
@pytest.mark.parametrize("convert", [np.asarray, csr_matrix], ids=["dense", "sparse"])
def test_validation_rows_that_are_given_are_shared(convert, scoring):
    validation = {"X_val": convert(X[::3]), "y_val": y[::3]}
    validation |= {"sample_weight_val": UNEVEN[::3], "sample_weight": UNEVEN}
    settings = [{}, {"label_smoothing": 0.2}, {"alpha": 1.0}]
    networks = nets(*settings, scoring=scoring)
    assert_stack_equals_alone(networks, **validation)
    assert len(networks[0].validation_loss_curve_) == 4


def test_those_with_as_many_rows_to_monitor_are_trained_side_by_side():
    validation = {"X_val": X[::3], "y_val": y[::3], "sample_weight_val": UNEVEN[::3]}
    assert sizes_of_stacks(nets({}, {}, {}), **validation) == [3]


# ---- scaling of X


RAW = (X + 5) * 10.0 ** np.arange(-6, 7)
RAW[:130, 5] = 7.0  # constant for some networks
NOISE = np.arange(178) % 3
SCALINGS = [{"input_scaling": how} for how in ("standard", "robust", None, "auto")]


@pytest.mark.parametrize("dtype", [None, "float32"])
@pytest.mark.parametrize("weigh", [False, True])
@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
def test_each_network_scales_x_by_its_own_rows(rows, weigh, dtype):
    settings = [SCALINGS[k % 2] for k in range(len(rows))]
    networks = nets(*settings, dtype=dtype, alpha=0.1)
    params = {"sample_weight": UNEVEN, "cuts": ["sample_weight"]} if weigh else {}
    assert_stack_equals_alone(networks, RAW, y, rows, **params)
    assert len({network.input_mean_.tobytes() for network in networks}) > 2


@pytest.mark.parametrize(
    "parameters",
    [
        {"early_stopping": True},
        {"early_stopping": True, "scoring": "accuracy", "shuffle": False},
        {"batch_size": None, "n_iter": 3},
        {"estimator": DeepNetRegressor, "early_stopping": True},
        {"tol": 0.05, "n_iter_no_change": "auto", "n_iter": 30},
    ],
)
def test_networks_of_any_scaling_keep_company(parameters):
    networks = nets(*SCALINGS, *SCALINGS, **parameters)
    assert_stack_equals_alone(networks, RAW)
    rows = [FOLDS[k % 3] for k in range(8)]
    assert_stack_equals_alone(networks, RAW, y, rows)


@pytest.mark.parametrize("scaling", ["standard", "robust"])
@pytest.mark.parametrize("convert", [np.asarray, np.float32, csr_matrix])
def test_validation_rows_are_scaled_as_the_rows_of_each_network(convert, scaling):
    given = {"X_val": convert(RAW[::3]), "y_val": y[::3]}
    networks = nets(*[{"alpha": k} for k in range(3)], input_scaling=scaling)
    assert_stack_equals_alone(networks, RAW, y, FOLDS[:3], **given)
    (loss,) = {len(network.validation_loss_curve_) for network in networks}
    assert loss == 4


@pytest.mark.parametrize("scaling", ["standard", "robust"])
def test_networks_that_scale_otherwise_are_trained_side_by_side(scaling):
    networks = nets(*[{}] * 5, input_scaling=scaling)
    assert sizes_of_stacks(networks, rows=FOLDS) == [3, 2]


@pytest.mark.parametrize("scaling", ["standard", "robust"])
def test_networks_that_leave_a_stack_leave_their_scaling(scaling):
    settings = [{"tol": tol, "n_iter_no_change": 2} for tol in (10.0, None, 1.0, None)]
    networks = nets(*settings, input_scaling=scaling, n_iter=8)
    assert_stack_equals_alone(networks, RAW, y, FOLDS[:1] + FOLDS[1:2] + FOLDS[:2])
    assert len({network.n_iter_ for network in networks}) > 1


@pytest.mark.parametrize("scaling", ["standard", "robust"])
def test_columns_that_have_not_varied_go_on_alone_or_stacked(scaling):
    def fit(networks, together):
        for rows in (slice(0, 100), slice(30, 130), slice(78, 178)):
            if together:
                fit_stack(networks, RAW[rows], NOISE[rows])
            else:
                [network.fit(RAW[rows], NOISE[rows]) for network in networks]
        return networks

    fixed = {"warm_start": True, "input_scaling": scaling}
    pair = [nets({}, {"dropout": 0.2}, {"alpha": 1.0}, **fixed) for _ in range(2)]
    for network, other in zip(fit(pair[0], True), fit(pair[1], False), strict=True):
        assert_same_fit(network, other)
        assert network.input_scale_[5] != 1


# ---- going on


def in_chunks(networks, fits):
    """Make 3 epochs by the first of `fits`, then 2 by each other."""
    for n_iter, fit in zip((3, 2, 2), fits, strict=True):
        fit([network.set_params(n_iter=n_iter) for network in networks])
    return networks


def alone(networks):
    return [network.fit(X, y, sample_weight=UNEVEN) for network in networks]


def stacked(networks):
    return fit_stack(networks, X, y, sample_weight=UNEVEN)


@pytest.mark.slow
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("solver", ["sgd", "adamw"])
def test_training_goes_on_alone_or_stacked_to_the_same_bits(solver, early_stopping):
    settings = [
        {"dropout": 0.3},
        {"schedule": Plateau(patience=1), "scoring": "accuracy"},
        {"schedule": Exponential(0.5), "class_weight": "balanced"},
        {"scoring": "neg_log_loss", "l1": 0.1},
    ]
    fixed = {"warm_start": True, "solver": solver, "early_stopping": early_stopping}
    uninterrupted = alone(nets(*settings, n_iter=7, **fixed))
    chunked = in_chunks(nets(*settings, **fixed), [alone] * 3)
    for fits in ([stacked] * 3, [stacked, alone, stacked], [alone, stacked, stacked]):
        networks = in_chunks(nets(*settings, **fixed), fits)
        for network, other, whole in zip(networks, chunked, uninterrupted, strict=True):
            assert_same_fit(network, other)
            whole.set_params(n_iter=2)._training_state["state"]["horizon"] = 3
            assert_same_fit(network, whole)


def test_those_of_different_age_go_on_together():
    networks = nets({}, {}, {}, warm_start=True)
    fit_stack(networks[:2], X, y)
    networks[0].fit(X, y)
    fit_stack(networks, X, y)
    for network, n_iter in zip(networks, (12, 8, 4), strict=True):
        other = clone(network).set_params(n_iter=n_iter).fit(X, y)
        assert_identical(network.coefs_, other.coefs_)


# ---- pipelines


def test_pipelines_share_equal_earlier_steps():
    def pipelines():
        steps = [PCA(4), PCA(4), PCA(6), PCA(4), make_pipeline(PCA(6), PCA(4))]
        return [
            make_pipeline(StandardScaler(), step, own)
            for step, own in zip(steps, nets(*[{}] * 5), strict=True)
        ]

    rows = [FOLDS[0], FOLDS[0], FOLDS[0], FOLDS[1], FOLDS[0]]
    name = "deepnetclassifier__sample_weight"
    networks = fit_stack(pipelines(), FRAME, y, rows=rows, **{name: UNEVEN})
    for pipeline, other, some in zip(networks, pipelines(), rows, strict=True):
        other.fit(FRAME.iloc[some], y[some], **{name: UNEVEN[some]})
        assert_same_fit(pipeline[-1], other[-1])
        assert_identical(pipeline.predict_proba(FRAME), other.predict_proba(FRAME))
    assert (
        len({id(pipeline.named_steps["standardscaler"]) for pipeline in networks}) == 5
    )


def test_no_parameter_of_a_step_is_changed():
    def pipeline(n_jobs):
        step = ColumnTransformer([("some", PCA(2), [0, 3, 9])], n_jobs=n_jobs)
        return make_pipeline(step, net())

    pipelines = fit_stack([pipeline(None), pipeline(1)], X, y)
    assert [pipeline[0].n_jobs for pipeline in pipelines] == [None, 1]


class Counted(StandardScaler):
    """Counts how often it is fitted."""

    n_fits = 0

    def fit(self, X, y=None, sample_weight=None):
        Counted.n_fits += 1
        return super().fit(X, y, sample_weight)


def test_equal_earlier_steps_are_fitted_once_and_are_each_pipelines_own():
    Counted.n_fits = 0
    models = [make_pipeline(Counted(), network) for network in nets({}, {}, {})]
    fit_stack(models, X, y)
    assert Counted.n_fits == 1
    p = models[1].predict_proba(X)
    models[0].fit(10 * X[::2], y[::2])
    assert_identical(models[1].predict_proba(X), p)


def test_pipelines_are_as_they_were_if_one_fails():
    models = [make_pipeline(StandardScaler(), one) for one in nets({}, {"init": "hee"})]
    with pytest.raises(ValueError, match="hee"):
        fit_stack(models, X, y)
    assert not any(hasattr(model[0], "scale_") for model in models)
    assert not any(hasattr(model[1], "classes_") for model in models)


def test_equal_networks_that_may_not_be_stacked_are_trained_alone():
    jobs = [prepare(one, X, y).job for one in nets(ALONE, ALONE, {}, {})]
    summary = StackSummary()
    train_stacks([*map(Waiting, jobs)], summary)
    assert summary.stack_sizes == [2]
    assert summary.alone.total() == 2


def presses(t):
    """A schedule under which Ctrl-C is pressed in the fourth epoch."""
    if t == 3:
        raise KeyboardInterrupt
    return 1.0


def fails(network, X, y):
    raise ValueError("scored")


ALONE = {"activation": ACTIVATIONS["tanh"]._replace(elementwise=False)}
WIDE = {"hidden_layer_sizes": (6,)}
SCORED = {"early_stopping": True, "scoring": "accuracy"}
# networks of which the second is interrupted; those after it are not to be trained
INTERRUPTED = {
    "alone": [ALONE, ALONE | {"schedule": presses}, ALONE, {}, {}],
    "alone, before a stack": [{}, ALONE | {"schedule": presses}, {}],
    "in a stack of which one has converged": [
        {"tol": 10.0, "n_iter_no_change": 1},
        {"schedule": presses},
        WIDE,
        WIDE,
    ],
    "alone, since the stack has failed": [
        SCORED,
        SCORED | {"schedule": presses},
        SCORED | {"scoring": fails},
    ],
}


@pytest.mark.parametrize("case", INTERRUPTED)
def test_ctrl_c_ends_the_fit_of_all_networks(case):
    networks = nets(*INTERRUPTED[case], n_iter=9)
    with pytest.raises(KeyboardInterrupt):
        fit_stack(networks, X, y)
    first, interrupted, *others = networks
    assert interrupted.n_iter_ == 3
    assert not any(hasattr(network, "n_iter_") for network in others)
    assert hasattr(first, "n_iter_") == (case != "alone, before a stack")


@pytest.mark.parametrize("verbose", [0, 1])
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_only_ctrl_c_leaves_what_was_trained_alone_before(error, verbose):
    def fails(shape, rng):
        raise error

    first, second = nets(ALONE, {"init": fails}, n_iter=3, verbose=verbose)
    with pytest.raises(error):
        fit_stack([first, second], X, y)
    assert first.__sklearn_is_fitted__() == (error is KeyboardInterrupt)
    assert not second.__sklearn_is_fitted__()


def test_ctrl_c_leaves_pipelines_that_fit_together():
    models = [make_pipeline(StandardScaler(), one) for one in nets({}, {})]
    fit_stack(models, X, y)
    for model in models:
        model[-1].set_params(schedule=presses)
    with pytest.raises(KeyboardInterrupt):
        fit_stack(models, 100 * X + 5, y)
    other = clone(models[0])
    with pytest.raises(KeyboardInterrupt):
        other.fit(100 * X + 5, y)
    assert_identical(models[0].predict_proba(X), other.predict_proba(X))


class Halved(Pipeline):
    """Fits to every other row, and notes how many these are."""

    def fit(self, X, y, **params):
        self.n_rows_ = len(X[::2])
        return super().fit(X[::2], y[::2], **params)


def test_pipelines_that_override_fit_are_fitted_by_it():
    steps = [("a", StandardScaler()), ("net", net())]
    models = [Halved(clone(Pipeline(steps)).steps) for _ in range(2)]
    fit_stack(models, X, y)
    for model in models:
        other = clone(model).fit(X, y)
        assert_identical(model.predict_proba(X), other.predict_proba(X))
        assert (model.n_rows_, model[0].n_samples_seen_) == (89, 89)


# ---- alone


def test_sparse_rows_of_few_columns_are_stacked():
    assert sizes_of_stacks(nets({}, {}, {}), X=csr_matrix(X)) == [3]
    assert_stack_equals_alone(
        nets({}, {"alpha": 1.0}, *[{"early_stopping": True}] * 2), X=csr_matrix(X)
    )


def test_sparse_rows_of_many_columns_are_for_one_network(stays_sparse):
    assert sizes_of_stacks(nets({}, {}, {}), X=csr_matrix(X)) == [1, 1, 1]
    assert_stack_equals_alone(nets({}, {"early_stopping": True}), X=csr_matrix(X))


@pytest.mark.parametrize("columns", [0, 500])
@pytest.mark.parametrize("convert", [np.asarray, csr_matrix])
def test_sparse_rows_to_monitor_are_stacked_if_of_few_columns(convert, columns):
    wide = np.pad(X, ((0, 0), (0, columns)))
    given = {"X_val": csr_matrix(wide[::3]), "y_val": y[::3]}
    networks = nets({}, {"alpha": 1.0}, scoring="neg_log_loss")
    n = 1 if columns else 2
    sizes = sizes_of_stacks(networks, X=convert(wide), **given)
    assert sizes == [n] * (2 // n)
    assert_stack_equals_alone(networks, X=convert(wide), **given)


def test_networks_are_as_verbose_as_alone(capsys):
    printed = []
    for fit in (alone, stacked):
        fit(nets({}, {"verbose": 1}, {}, {"verbose": 2}))
        printed.append(re.sub(r"at most \S+ s left", "", capsys.readouterr().out))
    assert printed[0] == printed[1] != ""


class Listener:
    def setup(self, estimator, context):
        self.log = [f"setup {context.max_subtasks}"]

    def teardown(self, estimator, context):
        self.log.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None):
        self.log.append(f"begin {context.task_name} of {type(estimator).__name__}")

    def on_fit_task_end(self, estimator, context, *, X=None, y=None):
        self.log.append(f"end {context.task_name} of {type(estimator).__name__}")


def test_callbacks_get_what_they_get_alone():
    pytest.importorskip("sklearn.callback")
    listeners = [Listener(), Listener(), Listener(), Listener()]
    alone([net().set_callbacks(listener) for listener in listeners[:2]])
    networks = [net().set_callbacks(listener) for listener in listeners[2:]]
    stacked([net(), *networks, net()])
    assert len(listeners[0].log) == 3 + 2 * 4 + 1
    assert all(listener.log == listeners[0].log for listener in listeners)


def test_callbacks_on_a_pipeline_get_what_they_get_alone():
    pytest.importorskip("sklearn.callback")
    listeners = [Listener() for _ in range(4)]
    models = [
        make_pipeline(StandardScaler(), net()).set_callbacks(listener)
        for listener in listeners
    ]
    for model in models[:2]:
        model.fit(X, y)
    fit_stack(models[2:], X, y)
    assert listeners[0].log
    assert all(listener.log == listeners[0].log for listener in listeners)


@pytest.mark.parametrize("X", [X, csr_matrix(X)], ids=["dense", "sparse"])
def test_a_generator_given_to_several_is_drawn_from_in_their_order(X):
    rngs = [np.random.RandomState(0), np.random.RandomState(0)]
    by_scipy = {"solver": "lbfgs", "batch_size": "auto"}
    settings = [{}, {"early_stopping": True}, by_scipy, by_scipy, {"dropout": 0.3}]
    networks, others = (
        [net(random_state=rng, **own) for own in settings] for rng in rngs
    )
    fit_stack(networks, X, y)
    for other in others:
        other.fit(X, y)
    for network, other in zip(networks, others, strict=True):
        assert_same_fit(network, other)


# ---- warnings, errors


def warnings_of(fit, *settings):
    """Return class, message and place of the warnings of a fit."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(nets({}, *settings, n_iter=12))
    reported = [(w.category, str(w.message), w.filename, w.lineno) for w in caught]
    return sorted(reported, key=str)


def test_warnings_are_those_of_fit_at_the_line_that_calls():
    settings = [
        {"tol": 1e-9},
        {"learning_rate": 1e30},
        {"init": "zeros", "learning_rate": 1e-9, "tol": 0.1, "n_iter_no_change": 3},
        {"solver": "lbfgs", "dropout": 0.5, "batch_size": "auto"},
        {"init": [np.zeros((13, 3)), np.zeros(3)], "hidden_layer_sizes": ()},
    ]
    settings[-1] |= {"init_scale": 2.0, "input_scaling": None}
    expected, reported = warnings_of(alone, *settings), warnings_of(stacked, *settings)
    assert len(reported) == len(settings)
    assert DivergenceWarning in {category for category, *_ in reported}
    assert [w[:2] for w in reported] == [w[:2] for w in expected]
    code = stacked.__code__
    place = code.co_filename, code.co_firstlineno + 1
    assert {w[2:] for w in reported} == {place}


def error_of(call, *args, **params):
    with pytest.raises(Exception, match=r".") as caught:
        call(*args, **params)
    return caught.type, str(caught.value)


def test_what_fit_does_not_take_is_reported_as_by_fit():
    with pytest.raises(TypeError, match=r"^fit\(\) got an unexpected .* 'foo'$"):
        fit_stack([net()], X, y, foo=1)


def test_errors_of_what_is_given_say_what_to_give():
    twice = net()
    given = [
        ([net()], [], ValueError),
        ([net(), net()], [[0, 1, 2]], ValueError),
        ([net(), StandardScaler()], None, TypeError),
        ([make_pipeline(PCA())], None, TypeError),
        ([twice, net(), twice], None, ValueError),
        ([twice, make_pipeline(PCA(), twice)], None, ValueError),
    ]
    same = "holds the same object twice. Give a separate object for each, for example "
    same += "by sklearn.base."
    networks = (
        "must be a DeepNetClassifier or DeepNetRegressor, or a pipeline that ends in "
        "one."
    )
    rows = "estimators. Give one entry for each estimator, or None."
    messages = [
        f"rows has 0 entries for 1 {rows}",
        f"rows has 1 entries for 2 {rows}",
        f"estimators[1] {networks} Got StandardScaler() instead.",
        f"estimators[0] {networks} Got {make_pipeline(PCA())} instead.",
        f"estimators {same}clone.",
        f"estimators {same}clone.",
    ]
    for (estimators, rows, kind), message in zip(given, messages, strict=True):
        assert error_of(fit_stack, estimators, X, y, rows=rows) == (kind, message)


@pytest.mark.parametrize(
    "bad",
    [
        {"learning_rate": -1.0},
        {"init": "hee"},
        {"dropout": [0.1]},
        {"solver": "lbfgs", "l1": -1.0},
        {"class_weight": {7: 1.0}},
        {"label_smoothing": 0.1, "loss": "focal"},
        {"validation_fraction": 0.99, "early_stopping": True},
        {"init": lambda shape, rng: np.full(shape, np.nan)},
    ],
    ids=lambda bad: "-".join(bad),
)
def test_an_error_is_that_of_fit_and_leaves_all_as_they_were(bad):
    networks = [net(warm_start=True).fit(X, y), net(), net(**bad), net(verbose=1)]
    before = [dict(vars(network)) for network in networks]
    expected = error_of(clone(networks[2]).fit, X, y)
    assert error_of(fit_stack, networks, X, y) == expected
    assert [vars(network) for network in networks] == before


def test_validation_rows_may_be_those_of_the_training_with_other_targets():
    X, y = load_iris(return_X_y=True)
    settings = {"hidden_layer_sizes": (4,), "n_iter": 5, "tol": None, "random_state": 0}
    nets = [DeepNetClassifier(alpha=alpha, **settings) for alpha in (0, 1)]
    alone = [clone(net).fit(X, y, X_val=X, y_val=y[::-1]) for net in nets]
    fit_stack(nets, X, y, X_val=X, y_val=y[::-1])
    for net, other in zip(nets, alone, strict=True):
        assert net.validation_loss_curve_ == other.validation_loss_curve_
