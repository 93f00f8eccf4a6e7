"""Files of models: what is loaded is what was saved, and holds no code."""

import inspect
import os
import pickle
import re
import subprocess
import sys
import warnings
from collections import OrderedDict
from copy import deepcopy
from functools import cache, partial

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file
from sklearn import config_context
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklearn_deepnet import (
    DeepNetClassifier,
    DeepNetEnsembleClassifier,
    DeepNetEnsembleRegressor,
    DeepNetRegressor,
    DivergenceWarning,
    ModelFileError,
    VersionWarning,
    __version__,
    load_model,
    save_model,
)
from sklearn_deepnet._serialization.container import (
    read_container,
    replace_file,
    write_container,
)
from sklearn_deepnet._serialization.encoding import Encoder, decode
from sklearn_deepnet._serialization.schema import ATTRIBUTES
from sklearn_deepnet.nn.activations import ACTIVATIONS, Activation, relu
from sklearn_deepnet.nn.initializers import INITIALIZERS, he, orthogonal
from sklearn_deepnet.nn.losses import LOSSES, Loss, focal, huber, log_loss, quantile
from sklearn_deepnet.nn.losses.classification import focal_softmax
from sklearn_deepnet.nn.numeric_features import PeriodicFeatures
from sklearn_deepnet.nn.optimizers import OPTIMIZERS, SGD, SOLVERS, Adam, Momentum
from sklearn_deepnet.nn.schedules import SCHEDULES, Cosine, Plateau, Step
from tests.helpers import exactly, iris, raises

X, y = iris()
X, y = X[::3] - X.mean(axis=0), y[::3]
NAMES = np.array(["setosa", "versicolor", "virginica", "of none of the rows"])
FRAME = pd.DataFrame(X, columns=["a", "b", "c", "d"])
BRIEF = {"hidden_layer_sizes": (4, 3), "n_iter": 3, "tol": None, "batch_size": 16}
LBFGS = {"solver": "lbfgs", "batch_size": "auto", "learning_rate": 0.001}
WARM = BRIEF | {"warm_start": True, "random_state": 0, "learning_rate": 0.01}

EVERY = {
    "hidden_layer_sizes": [4, np.int64(3)],
    "activation": ("tanh", relu),
    "init": ["xavier", he, orthogonal],
    "init_scale": np.float64(0.5),
    "bias_init": "uniform",
    "input_scaling": "robust",
    "numeric_features": PeriodicFeatures(np.int64(2), np.float32(0.5)),
    "learning_rate": np.float32(0.01),
    "batch_size": 16,
    "n_iter": np.int32(4),
    "shuffle": False,
    "alpha": 1e-3,
    "l1": 1e-5,
    "dropout": np.array([0.1, 0.2]),
    "clip_norm": 5.0,
    "tol": 0.5,
    "n_iter_no_change": 2,
    "early_stopping": True,
    "validation_fraction": 0.3,
    "restore_best": False,
    "warm_start": True,
    "verbose": 1,
    "random_state": np.random.RandomState(3),
    "dtype": "float32",
}
EVERY_OF_CLASSIFIER = EVERY | {
    "loss": log_loss,
    "solver": Adam(beta1=0.8),
    "schedule": Step(every=2),
    "label_smoothing": 0.1,
    "class_weight": {"setosa": 2.0, "versicolor": 1},
    "scoring": "accuracy",
}
EVERY_OF_REGRESSOR = EVERY | {
    "loss": "quantile",
    "quantile": np.float64(0.7),
    "solver": Momentum(0.5),
    "schedule": Plateau(patience=2),
    "scoring": "r2",
    "target_scaling": None,
}
EVERY_OF_ENSEMBLE = {
    "n_estimators": 3,
    "bootstrap": True,
    "n_jobs": 1,
    "random_state": 4,
}
ALL = [
    (DeepNetClassifier, EVERY_OF_CLASSIFIER),
    (DeepNetRegressor, EVERY_OF_REGRESSOR),
    (
        DeepNetEnsembleClassifier,
        EVERY_OF_ENSEMBLE | {"estimator": DeepNetClassifier(**BRIEF, l1=0.1)},
    ),
    (
        DeepNetEnsembleRegressor,
        EVERY_OF_ENSEMBLE | {"estimator": DeepNetRegressor(**BRIEF, l1=0.1)},
    ),
]


def every(k):
    estimator, params = ALL[k]
    return estimator(**deepcopy(params))  # a generator is its own


def classifier(**params):
    return DeepNetClassifier(**WARM | params)


def regressor(**params):
    return DeepNetRegressor(**WARM | params)


def case(estimator, X=X, y=y, resume_by="fit", **given):
    """Return a network, its data, what `fit` takes besides, and what resumes it."""
    return estimator, X, y, given, resume_by


CASES = {
    "every of classifier": case(every(0), y=NAMES[y]),
    "every of regressor": case(every(1), y=X[:, :2]),
    "every of ensemble of classifiers": case(every(2), X, NAMES[y], None),
    "every of ensemble of regressors": case(every(3), X, X[:, 0], None),
    "default ensemble": case(
        DeepNetEnsembleClassifier(n_estimators=2, random_state=0),
        *(X[:9], y[::6] > 0, None),
    ),
    "names of features": case(classifier(), FRAME),
    "ensemble with names of features": case(
        DeepNetEnsembleRegressor(DeepNetRegressor(**BRIEF), n_estimators=2),
        *(FRAME, X[:, 0], None),
    ),
    "integers": case(classifier(class_weight={0: 2.0, 2: np.float64(3)})),
    "no epochs": case(classifier(n_iter=0)),
    "floats": case(classifier(dropout=0.3), y=y * 1e9),
    "bools": case(classifier(init=he), y=y > 0),
    "objects": case(classifier(), y=NAMES[y].astype(object)),
    "two labels": case(classifier(loss=focal(1.5)), y=NAMES[np.minimum(y, 1)]),
    "multilabel": case(classifier(), y=(X > 0).astype(int)),
    "counts": case(regressor(loss="poisson"), X_val=X, y_val=y),
    "numbers": case(regressor(schedule=Cosine(horizon=50)), y=X[:, 0]),
    "quantiles": case(
        regressor(loss="quantile", quantile=(0.1, np.float64(0.5), 0.9)), y=X[:, 0]
    ),
    "ensemble of quantiles": case(
        DeepNetEnsembleRegressor(
            DeepNetRegressor(**BRIEF, loss=quantile([0.1, 0.9])), n_estimators=2
        ),
        *(X, X[:, 0], None),
    ),
    "partial": case(classifier(), resume_by="partial_fit", classes=[0, 1, 2]),
    "validated": case(
        classifier(shuffle=True, tol=10.0, n_iter_no_change=2),
        **{"X_val": X[:20], "y_val": y[:20]},
    ),
    "arrays": case(
        classifier(
            hidden_layer_sizes=(),
            init=[np.ones((4, 3)), [0.0, 1.0, 2.0]],
            input_scaling=None,
        )
    ),
    "lbfgs": case(DeepNetClassifier(**WARM | LBFGS)),
    "robust": case(classifier(input_scaling="robust")),
    "as it comes": case(classifier(input_scaling=None)),
    "periodic": case(classifier(numeric_features="periodic", early_stopping=True)),
    "periodic ensemble": case(
        DeepNetEnsembleRegressor(
            DeepNetRegressor(**BRIEF, numeric_features="periodic"), n_estimators=2
        ),
        *(X, X[:, 0], None),
    ),
    "a constant column": case(regressor(), X=X * [1, 0, 1, 1], y=X[:, 0]),
} | {
    f"{solver} in {dtype}": case(classifier(solver=solver, dtype=dtype))
    for solver in OPTIMIZERS
    for dtype in ("float32", np.dtype(float))
}
ELSEWHERE = """
import pickle, sys
from sklearn_deepnet import load_model

cases, found = pickle.load(sys.stdin.buffer), {}
for name, (path, X, y, given, resume_by) in cases.items():
    loaded = load_model(path)
    found[name] = [loaded, predict(loaded, X)]
    if resume_by:
        longer = getattr(load_model(path), resume_by)(X, y, **given)
        found[name] += [longer, predict(longer, X)]
with open(sys.argv[1], "wb") as file:
    pickle.dump(found, file)
"""


def predict(model, X):
    names = ("predict", "predict_proba", "predict_log_proba", "decision_function")
    return {it: getattr(model, it)(X) for it in names if hasattr(model, it)}


@pytest.fixture(scope="module")
def loaded_elsewhere(tmp_path_factory):
    """The cases as fitted here, and as loaded and resumed in another process."""
    folder = tmp_path_factory.mktemp("models")
    fitted, sent = {}, {}
    for number, (name, (estimator, X, y, given, resume_by)) in enumerate(CASES.items()):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = getattr(estimator, resume_by or "fit")(X, y, **given)
        path = folder / f"{number}.safetensors"
        save_model(model, path)
        fitted[name], sent[name] = model, (path, X, y, given, resume_by)
    subprocess.run(
        [
            sys.executable,
            *("-W", "error"),
            "-c",
            inspect.getsource(predict) + ELSEWHERE,
            folder / "found",
        ],
        input=pickle.dumps(sent),
        stdout=subprocess.DEVNULL,
        check=True,
        env=os.environ | {"PYTHONHASHSEED": "7"},
    )
    return fitted, pickle.loads((folder / "found").read_bytes())


def assert_same(value, expected):
    """Compare types, bits of numbers, and what values are made of."""
    assert type(value) is type(expected)
    if isinstance(expected, BaseEstimator):
        assert_same(vars(value), vars(expected) | {})
    elif isinstance(expected, np.random.RandomState):
        assert_same(value.get_state(legacy=False), expected.get_state(legacy=False))
    elif isinstance(expected, dict):
        assert sorted(map(repr, value)) == sorted(map(repr, expected))
        for key in expected:
            assert_same(value[key], expected[key])
    elif type(expected) in (list, tuple):
        assert len(value) == len(expected)
        for it, other in zip(value, expected, strict=True):
            assert_same(it, other)
    elif isinstance(expected, np.ndarray):
        assert (value.dtype, value.shape) == (expected.dtype, expected.shape)
        assert_same(value.tolist(), expected.tolist())
    elif isinstance(expected, float | np.floating):
        assert repr(value) == repr(expected)
    else:
        assert value == expected


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_model_is_the_same_in_another_process(loaded_elsewhere, name):
    fitted, found = loaded_elsewhere
    assert_same(found[name][0], fitted[name])
    assert_same(found[name][1], predict(fitted[name], CASES[name][1]))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in CASES if CASES[name][-1]])
def test_resuming_in_another_process_equals_resuming_here(loaded_elsewhere, name):
    fitted, found = loaded_elsewhere
    _, X, y, given, resume_by = CASES[name]
    longer = getattr(pickle.loads(pickle.dumps(fitted[name])), resume_by)(X, y, **given)
    assert_same(found[name][2], longer)
    assert_same(found[name][3], predict(longer, X))


@pytest.mark.parametrize(("estimator", "params"), ALL)
def test_every_parameter_is_tried_away_from_its_default(estimator, params):
    defaults = inspect.signature(estimator).parameters
    assert params.keys() == defaults.keys()
    for name, value in params.items():
        assert repr(value) != repr(defaults[name].default) or value is log_loss, name


# ---- values


@cache
def fitted_once():
    return classifier().fit(X, y)


def fitted(**params):
    return classifier(**params).fit(X, y) if params else deepcopy(fitted_once())


def through_a_file(model, folder):
    save_model(model, folder / "net.safetensors")
    return load_model(folder / "net.safetensors")


@pytest.mark.parametrize(
    "value",
    [
        *([1], (1,), [(), []], {1: "one", "2": None, 2.5: (), None: np.int8(1)}),
        *(np.inf, -np.inf, np.nan, -0.0, 5e-324, 10**400, "\ud800 ü\0", True),
        *([0.1] * 8, [0.1] * 9, [np.nan] * 9, [0.1] * 9 + [1], (0.1,) * 9),
        *(np.bool_(True), np.uint8(3), np.float16(2), np.float64("nan"), np.str_("a")),
        *(np.arange(6).reshape(2, 3).T, np.array(1.5), np.zeros((0, 3))),
        *(np.array(["a", "longer"])[:1], np.array([""], "U7"), np.array([True, False])),
        np.frompyfunc(lambda n: [n, n], 1, 1)(np.arange(2)),
        *(np.array(["a", 1, None, [1, 2], (3,)], object), np.array([[7]], ">i4")[0]),
        *(float, np.float32, np.float64, np.dtype("float32"), np.random.RandomState(5)),
        *(
            quantile(0.9),
            quantile([0.1, 0.9]),
            huber(0.7),
            focal(np.float64(1.5)),
            huber(2),
            SGD(),
            Cosine(horizon=7),
        ),
        *(Adam(epsilon=np.float32(0.5)), [he, "he", relu], *INITIALIZERS.values()),
        *(*ACTIVATIONS.values(), *LOSSES.values()),
        *(
            *(solver() for solver in SOLVERS.values()),
            *(it() for it in SCHEDULES.values()),
        ),
    ],
    ids=lambda value: repr(value).partition(" at 0x")[0],
)
def test_a_value_keeps_its_type(tmp_path, value):
    model = fitted()
    model.loss = value  # any parameter, which is looked at when it fits again
    assert_same(through_a_file(model, tmp_path).loss, native(value))


def native(value):
    """Return an array in the byte order of this machine, all else as it is."""
    if isinstance(value, np.ndarray):
        return value.astype(value.dtype.newbyteorder("="))
    return value


def test_two_arrays_of_one_name_are_both_kept():
    encoder, arrays = Encoder(), [np.array([1]), np.array([2])]
    encoded = [encoder.encode(array, "name") for array in arrays]
    assert_same(decode(encoded, encoder.arrays), arrays)


def test_attributes_not_in_the_table_are_not_saved(tmp_path):
    model = fitted()
    with config_context(enable_metadata_routing=True):
        model.set_fit_request(sample_weight=True)
    model.note = "of the user"
    assert_same(through_a_file(model, tmp_path), fitted())


def test_a_network_that_diverged_is_loaded(tmp_path):
    model = regressor(learning_rate=1e6, solver="momentum", n_iter=30)
    with pytest.warns(DivergenceWarning):
        model.fit(X, y, X_val=X, y_val=y)
    assert_same(through_a_file(model, tmp_path), model)


def attributes_of(model):
    ours = vars(model).keys() - model.get_params(deep=False)
    return {name for name in ours if not name.startswith(("_skl_", "_callback"))}


def test_every_fitted_attribute_is_in_the_table():
    found = set()
    for net in (DeepNetClassifier(**WARM), DeepNetRegressor(**WARM)):
        for fit in (net.fit, net.partial_fit):
            given = {"classes": [0, 1, 2]} if fit.__name__ == "partial_fit" else {}
            given = given if isinstance(net, DeepNetClassifier) else {}
            found |= attributes_of(fit(FRAME, y, X_val=FRAME, y_val=y, **given))
    assert found == ATTRIBUTES.keys()
    members = DeepNetEnsembleClassifier(DeepNetClassifier(**BRIEF), n_estimators=2)
    of_ensemble = {"estimators_", "n_features_in_", "feature_names_in_"}
    assert attributes_of(members.fit(FRAME, y)) == of_ensemble


# ---- code


def double(z, a):
    np.multiply(z, 2, out=a)


def draw(shape, rng):
    return rng.randn(*shape)


def slow_down(t):
    return 1 / (1 + t)


class OwnSgd:
    n_moments, decouples_decay = 0, False

    def step(self, buffers, learning_rate, n_steps):
        params, gradient, *_ = buffers
        params -= learning_rate * gradient

    def __repr__(self):
        return "OwnSgd()"


class OwnNet(DeepNetClassifier):
    pass


DOUBLE = Activation("double", double, lambda grad, z, a: None, overwrites_z=True)
IMPOSTOR = relu._replace(forward=double)
OWN_LOSS = Loss("log_loss", LOSSES["focal"].logistic, LOSSES["focal"].softmax)
NEGATIVE = Loss("focal", softmax=partial(focal_softmax, gamma=-1.0))


@pytest.fixture
def kept(tmp_path):
    """A file that is there, and has to stay as it is and the only one."""
    path = tmp_path / "net.safetensors"
    path.write_bytes(b"what was there")
    yield path
    assert path.read_bytes() == b"what was there"
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("activation", DOUBLE),
        ("activation", ["tanh", IMPOSTOR]),
        ("init", draw),
        ("init", [he, draw, he]),
        ("loss", OWN_LOSS),
        ("loss", NEGATIVE),
        ("solver", OwnSgd()),
        ("schedule", slow_down),
        ("scoring", slow_down),
        ("random_state", np.random.RandomState(np.random.PCG64(0))),
        ("class_weight", OrderedDict()),
    ],
)
@pytest.mark.parametrize("inside", [False, True])
def test_a_parameter_that_is_code_is_not_saved(kept, name, value, inside):
    model = fitted()
    if inside:
        model = DeepNetEnsembleClassifier(model, n_estimators=1).fit(X, y)
    setattr(model.estimator if inside else model, name, value)
    message = (
        f"{name}={value!r} cannot be saved in a model file, which contains no code. "
        "Use a component of this library, or save the estimator by joblib.dump."
    )
    with raises(message):
        save_model(model, kept)


def test_a_parameter_of_an_ensemble_that_is_code_is_not_saved(kept):
    model = DeepNetEnsembleClassifier(DeepNetClassifier(**BRIEF), n_estimators=1)
    model.fit(X, y).set_params(random_state=np.random.RandomState(np.random.PCG64(0)))
    with pytest.raises(
        ValueError, match=r"^random_state=.* cannot be saved in a model file"
    ):
        save_model(model, kept)


def test_a_missing_folder_is_named(tmp_path):
    path = tmp_path / "no" / "such" / "net"
    message = f"[Errno 2] The folder '{path.parent}' does not exist: '{path}'"
    with raises(message, FileNotFoundError):
        save_model(fitted(), path)
    assert not (tmp_path / "no").exists()


def test_a_file_in_place_of_a_folder_is_named(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"")
    message = f"[Errno 20] '{file}' is not a folder: '{file / 'net'}'"
    with raises(message, NotADirectoryError):
        save_model(fitted(), file / "net")


OTHERWISE = "Use skops.io.dump or joblib.dump instead."


@pytest.mark.parametrize(
    ("model", "advice"),
    [
        (OwnNet(**WARM), OTHERWISE),
        (LogisticRegression(), OTHERWISE),
        (
            make_pipeline(classifier()),
            "Save the pipeline by skops.io.dump or joblib.dump, or its network by "
            "save_model(pipeline[-1], path).",
        ),
        (
            GridSearchCV(classifier(), {"alpha": [1]}, cv=2),
            "Save the search by skops.io.dump or joblib.dump, or its best network by "
            "save_model(search.best_estimator_, path).",
        ),
        (DeepNetEnsembleClassifier(OwnNet(**BRIEF), n_estimators=1), OTHERWISE),
    ],
)
def test_an_estimator_of_another_class_is_not_saved(kept, model, advice):
    save = partial(save_model, model.fit(X, y), kept)
    is_ensemble = isinstance(model, DeepNetEnsembleClassifier)
    named = model.estimator if is_ensemble else model
    message = (
        "save_model supports DeepNetClassifier, DeepNetEnsembleClassifier, "
        "DeepNetEnsembleRegressor, DeepNetRegressor, but not "
        f"{type(named).__name__}. {advice}"
    )
    with raises(message, TypeError):
        save()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("classes_", np.array([1j, 2j, 3j])),
        ("classes_", np.array([0.0, 1.0, np.nan])),
        ("classes_", np.array(["a", "b", "c"], "U6000000")),
        ("_params", np.full(46, np.nan)),
        ("best_iter_", np.int64(0)),
    ],
    ids=["complex", "nan", "wide", "nan", "type"],
)
def test_an_attribute_that_could_not_be_loaded_is_not_saved(kept, name, value):
    model = fitted(random_state=0)
    setattr(model, name, value)
    message = (
        f"{name} is {value!r:.200}, which cannot be saved in a model file. Model "
        "files contain numbers, bools and strings; use joblib.dump instead."
    )
    with raises(message):
        save_model(model, kept)


def test_an_unfitted_network_is_not_saved(kept):
    with pytest.raises(NotFittedError, match=r"^This DeepNetClassifier instance is"):
        save_model(classifier(), kept)


# ---- files


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.safetensors"


def test_a_failure_in_writing_leaves_the_old_file(kept):
    def write(file):
        file.write(b"half of it")
        raise OSError("no space left")

    with pytest.raises(OSError, match=r"^no space left$"):
        replace_file(kept, write)
    model = fitted().set_params(class_weight={"a": "a" * 2**24})
    with pytest.raises(
        ValueError, match=r"^The values that are not arrays take 16\d{6} b"
    ):
        save_model(model, kept)


def test_a_file_is_replaced_where_a_link_points_to(tmp_path):
    path, link = tmp_path / "net.safetensors", tmp_path / "link"
    path.write_bytes(b"old")
    link.symlink_to(path)
    save_model(fitted(), str(link))
    assert link.is_symlink()
    assert_same(load_model(path), fitted())
    assert {*tmp_path.iterdir()} == {path, link}


def test_the_library_of_the_layout_reads_the_arrays(tmp_path):
    path = tmp_path / "net.safetensors"
    for k, target in enumerate((NAMES[y], X[:, 0]) * 2):
        model = every(k).fit(X, target)
        save_model(model, path)
        _, arrays = read_container(path)
        assert_same(load_file(path), dict(sorted(arrays.items())))


def test_a_short_curve_can_be_read_in_the_file(path):
    save_model(fitted(), path)
    description, arrays = read_container(path)
    assert description["attributes"]["loss_curve_"] == fitted().loss_curve_
    assert arrays.keys() >= {"_params", "classes_"}


def test_a_file_is_hardly_larger_than_weights(tmp_path):
    path = tmp_path / "net.safetensors"
    model = DeepNetClassifier((200,), n_iter=20, tol=None).fit(X, y, X_val=X, y_val=y)
    save_model(model, path)
    n_numbers = model._params.size + 2 * model.n_iter_
    assert 8 * n_numbers < path.stat().st_size < 1.2 * 8 * n_numbers + 8000


def edited(path, edit):
    """Save a model whose description is another, as another version would."""
    save_model(fitted(), path)
    description, arrays = read_container(path)
    edit(description)
    with open(path, "wb") as file:
        write_container(file, description, arrays)
    return path


def test_a_parameter_that_an_older_file_lacks_has_its_default(path):
    edited(path, lambda model: model["params"].pop("learning_rate"))
    loaded = load_model(path)
    assert loaded.learning_rate == 0.001
    assert_same(loaded.set_params(learning_rate=0.01), fitted())


def test_a_file_of_another_version_warns(path):
    edited(path, lambda model: model.update(version="0.0.7"))
    message = (
        "This DeepNetClassifier was saved with another version of sklearn_deepnet "
        f"(0.0.7) and is now loaded with {__version__}, so its predictions "
        "may differ. Fit it again, or load it with the version that saved it."
    )
    with pytest.warns(VersionWarning, match=exactly(message)) as caught:
        loaded = load_model(path)
    assert [warning.filename for warning in caught] == [__file__]
    assert_same(loaded, fitted())


MADE_OF = {"class": "DeepNetClassifier", "params": {}}
OF_TARGETS = {"target_mean_", "target_scale_", "_target_seen"}
NEVER_MISSING = OF_TARGETS | {
    "_quantiles",
    "_takes_1d",
    "n_features_in_",
    "feature_names_in_",
    "_input_scaling",
}
NOT_READ = f"but sklearn_deepnet {__version__} reads only format 1"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"format": 2, "version": "9.0"},
            f"it has the format 2 of sklearn_deepnet '9.0', {NOT_READ}",
        ),
        (
            {"version": None},
            f"it has the format 1 of sklearn_deepnet None, {NOT_READ}",
        ),
        ({"class": "Popen"}, "its class 'Popen' is unknown"),
        ({"class": []}, "its class [] is unknown"),
        (
            {"unsaved": ["activation"]},
            "it is a checkpoint that lacks ['activation'], which are code; call fit "
            "with the same parameters and this checkpoint instead",
        ),
        ({"params": None}, "its parameters are missing"),
        ({"params": {"x": 1}}, "its parameters ['x'] are unknown to DeepNetClassifier"),
        (
            {"params": {"loss": {"code": "x"}}},
            "it has values of an unknown kind, ['code']",
        ),
        ({"params": {"loss": {}}}, "it has values of an unknown kind, []"),
        ({"attributes": None}, "its fitted attributes are missing"),
        (
            {"attributes": {"x": 1, "n_features_in_": 4}},
            "attributes of the network are unknown (['x']) or missing "
            f"({sorted(ATTRIBUTES.keys() - NEVER_MISSING)!r:.80})",
        ),
        (
            {"class": "DeepNetEnsembleRegressor", "params": {"estimator": MADE_OF}},
            "the members of its DeepNetEnsembleRegressor are not DeepNetRegressor",
        ),
    ],
)
def test_a_file_that_is_not_understood_is_refused(path, changes, reason):
    edited(path, lambda model: model.update(changes))
    message = f"'{path}' is damaged or was not saved by sklearn_deepnet: {reason}."
    with raises(message, ModelFileError):
        load_model(path)


def test_a_missing_file_is_an_error_of_the_system(path):
    with pytest.raises(FileNotFoundError, match=re.escape(f"'{path}'")):
        load_model(path)
