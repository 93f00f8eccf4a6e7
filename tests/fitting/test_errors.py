"""Who sets a parameter wrongly reads one clear sentence: here they all are, in full."""

import pickle

import numpy as np
import pytest
from scipy.sparse import csr_array

from sklearn_deepnet import DeepNetClassifier, DeepNetRegressor
from sklearn_deepnet.nn.activations import ACTIVATIONS
from sklearn_deepnet.nn.initializers import BIAS_INITIALIZERS, INITIALIZERS
from sklearn_deepnet.nn.losses import LOSSES, Loss, binary_cross_entropy
from sklearn_deepnet.nn.numeric_features import PeriodicFeatures
from sklearn_deepnet.nn.optimizers import SOLVERS, Adam
from sklearn_deepnet.nn.schedules import SCHEDULES, Step
from tests.helpers import (
    assert_same_training,
    exactly,
    network_factory,
    raises,
    wine,
)

X, y = wine()
W1, b1, W2, b2 = np.ones((13, 4)), np.ones(4), np.ones((4, 3)), np.ones(3)
NAN_WEIGHTS = np.where(np.eye(13, 4), np.nan, W1)

SIZES = "hidden_layer_sizes must contain a positive integer for each hidden layer. Got"
SCHEMES = (
    "entries, but the network has 2 layers (including the output layer). Give one for "
    "each layer, or one for all."
)
SCALINGS = ["auto", "robust", "standard"]
FOR_EACH_HIDDEN = "entries for 1 hidden layers. Give one for each, or one for all."

A_SCORER = (
    "scoring must be the name of a scorer of scikit-learn, a callable or None. Got "
    "{!r} instead.{} All names are in sklearn.metrics.get_scorer_names()."
)

# parameter, bad value, message
OURS = [
    ("scoring", "acuracy", A_SCORER.format("acuracy", " Did you mean 'accuracy'?")),
    ("scoring", "F1", A_SCORER.format("F1", " Did you mean 'f1'?")),
    ("scoring", "best", A_SCORER.format("best", "")),
    ("hidden_layer_sizes", (4, 0), f"{SIZES} (4, 0) instead."),
    ("hidden_layer_sizes", [4, 2.5], f"{SIZES} [4, 2.5] instead."),
    ("hidden_layer_sizes", [[4]], f"{SIZES} [[4]] instead."),
    ("hidden_layer_sizes", ["4"], f"{SIZES} ['4'] instead."),
    ("hidden_layer_sizes", True, f"{SIZES} (True,) instead."),
    ("hidden_layer_sizes", (True,), f"{SIZES} (True,) instead."),
    (
        "activation",
        "rely",
        f"activation must be one of {sorted(ACTIVATIONS)}. Got 'rely' instead. Did "
        "you mean 'relu'?",
    ),
    (
        "activation",
        ["TANH"],
        f"activation must be one of {sorted(ACTIVATIONS)}. Got 'TANH' instead. Did "
        "you mean 'tanh'?",
    ),
    (
        "activation",
        "mish",
        f"activation must be one of {sorted(ACTIVATIONS)}. Got 'mish' instead.",
    ),
    ("activation", ["relu", "tanh"], f"activation has 2 {FOR_EACH_HIDDEN}"),
    ("activation", [], f"activation has 0 {FOR_EACH_HIDDEN}"),
    (
        "activation",
        [None],
        "activation must contain names or Activation objects. Got None instead.",
    ),
    (
        "init",
        "hee",
        f"init must be one of {sorted(INITIALIZERS)}. Got 'hee' instead. Did you mean "
        "'he'?",
    ),
    (
        "init",
        ["he", "xaver"],
        f"init must be one of {sorted(INITIALIZERS)}. Got 'xaver' instead. Did you "
        "mean 'xavier'?",
    ),
    (
        "init",
        "normal",
        f"init must be one of {sorted(INITIALIZERS)}. Got 'normal' instead.",
    ),
    ("init", ["he"], f"init has 1 {SCHEMES}"),
    ("init", [], f"init has 0 {SCHEMES}"),
    (
        "init",
        [W1, b1],
        "init contains 2 arrays, but this network requires 4: [W1, b1, W2, b2].",
    ),
    (
        "init",
        [W1.T, b1, W2, b2],
        "W1 in init must have the shape (13, 4), as in coefs_. Got the shape (4, 13).",
    ),
    (
        "init",
        [W1, b1, W2, b1],
        "b2 in init must have the shape (3,), as in intercepts_. Got the shape (4,).",
    ),
    (
        "init",
        [NAN_WEIGHTS, b1, W2, b2],
        "W1 in init must be finite, but contains NaN or infinity.",
    ),
    (
        "init",
        lambda shape, rng: np.zeros((13, 4)),
        "init must return an array of shape (4, 13) for a layer with 13 inputs and 4 "
        "units. Got the shape (13, 4).",
    ),
    (
        "init",
        ["he", lambda shape, rng: np.full(shape, np.inf)],
        "init must return finite weights. Got NaN or infinity for a layer with 4 "
        "inputs and 3 units.",
    ),
    (
        "bias_init",
        "zero",
        f"bias_init must be one of {sorted(BIAS_INITIALIZERS)}. Got 'zero' instead. "
        "Did you mean 'zeros'?",
    ),
    (
        "loss",
        "logloss",
        f"loss must be one of {sorted(LOSSES)}. Got 'logloss' instead. Did you mean "
        "'log_loss'?",
    ),
    (
        "loss",
        Loss("mine", logistic=binary_cross_entropy),
        "loss=mine is not supported for the softmax outputs of DeepNetClassifier. "
        "Choose one of ['focal', 'log_loss', 'squared_error'].",
    ),
    (
        "loss",
        "huber",
        "loss=huber is not supported for the softmax outputs of DeepNetClassifier. "
        "Choose one of ['focal', 'log_loss', 'squared_error'].",
    ),
    (
        "solver",
        "adm",
        f"solver must be one of {sorted(SOLVERS)}. Got 'adm' instead. Did you mean "
        "'adam'?",
    ),
    (
        "solver",
        "quasi",
        f"solver must be one of {sorted(SOLVERS)}. Got 'quasi' instead.",
    ),
    (
        "solver",
        Adam,
        "solver must be an object, not a class. Got the class Adam; write Adam() "
        "instead.",
    ),
    (
        "schedule",
        "cosinus",
        f"schedule must be one of {sorted(SCHEDULES)}. Got 'cosinus' instead. Did you "
        "mean 'cosine'?",
    ),
    (
        "schedule",
        Step,
        "schedule must be an object, not a class. Got the class Step; write Step() "
        "instead.",
    ),
    ("dropout", [0.1, 0.2], f"dropout has 2 {FOR_EACH_HIDDEN}"),
    ("dropout", [1.0], "dropout must contain rates in [0, 1). Got 1.0 instead."),
    ("dropout", ["a"], "dropout must contain rates in [0, 1). Got 'a' instead."),
    (
        "class_weight",
        {7: 2.0},
        "class_weight contains [7], which are not among the classes [0, 1, 2].",
    ),
    (
        "class_weight",
        {1: -2.0},
        "class_weight must contain finite numbers that are not negative. Got {1: "
        "-2.0} instead.",
    ),
    (
        "input_scaling",
        "standart",
        f"input_scaling must be one of {SCALINGS}. Got 'standart' instead. Did you "
        "mean 'standard'?",
    ),
    (
        "input_scaling",
        "minmax",
        f"input_scaling must be one of {SCALINGS}. Got 'minmax' instead.",
    ),
    (
        "input_scaling",
        "None",
        f"input_scaling must be one of {SCALINGS}. Got 'None' instead.",
    ),
    (
        "numeric_features",
        "periodical",
        "numeric_features must be one of ['periodic']. Got 'periodical' instead. Did "
        "you mean 'periodic'?",
    ),
    (
        "numeric_features",
        "plr",
        "numeric_features must be one of ['periodic']. Got 'plr' instead.",
    ),
    (
        "dtype",
        "float16",
        "dtype must be 'float32', 'float64' or None. Got 'float16' instead.",
    ),
    (
        "dtype",
        "floot",
        "dtype must be 'float32', 'float64' or None. Got 'floot' instead.",
    ),
    (
        "dtype",
        int,
        "dtype must be 'float32', 'float64' or None. Got <class 'int'> instead.",
    ),
]

A_SIZE = "an array-like or an int in the range [1, inf)"
AN_ACTIVATION = (
    "an instance of 'str', an instance of "
    "'sklearn_deepnet.nn.activations.Activation' or an array-like"
)
NUMERIC_FEATURES = (
    "an instance of 'str', an instance of "
    "'sklearn_deepnet.nn.numeric_features.PeriodicFeatures' or None"
)
A_LOSS = "an instance of 'str' or an instance of 'sklearn_deepnet.nn.losses.Loss'"
A_SOLVER = (
    "an instance of 'str', an object implementing 'step' or an instance of "
    "'sklearn_deepnet.nn.optimizers.LBFGS'"
)
A_SCHEDULE = "an instance of 'str', a callable or an object implementing 'factor_at'"
A_CLASS_WEIGHT = (
    "an instance of 'dict', an instance of 'list', a str among {'balanced'} or None"
)
A_VERBOSITY = (
    "an int in the range [0, inf), an instance of 'bool' or an instance of 'numpy.bool'"
)
A_BATCH = "a str among {'auto'}, an int in the range [1, inf) or None"
A_BOOLEAN = "an instance of 'bool' or an instance of 'numpy.bool'"
A_SEED = (
    "an int in the range [0, 4294967295], an instance of "
    "'numpy.random.mtrand.RandomState' or None"
)
A_DTYPE = (
    "an instance of 'str', an instance of 'type', an instance of 'numpy.dtype' or None"
)

# parameter, bad values, what it must be
SCIKIT_LEARNS = [
    ("hidden_layer_sizes", [0, -3, 2.5, "big", None], A_SIZE),
    ("activation", [None, np.tanh], AN_ACTIVATION),
    ("init", [None, 0.1], "an instance of 'str', a callable or an array-like"),
    (
        "init_scale",
        [0, -1.0, np.nan, np.inf],
        "a float in the range (0.0, inf) or None",
    ),
    ("bias_init", [None, 0], "an instance of 'str'"),
    ("input_scaling", [True, 1.0], "an instance of 'str' or None"),
    ("numeric_features", [True, 4, PeriodicFeatures], NUMERIC_FEATURES),
    ("loss", [None, binary_cross_entropy], A_LOSS),
    ("solver", [None, 0.1], A_SOLVER),
    ("schedule", [None, 0.1], A_SCHEDULE),
    ("l1", [-1e-4, np.inf, None], "a float in the range [0.0, inf)"),
    (
        "dropout",
        [-0.1, 1.0, None],
        "an array-like or a float in the range [0.0, 1.0)",
    ),
    ("label_smoothing", [-0.1, 1.0, None], "a float in the range [0.0, 1.0)"),
    (
        "clip_norm",
        [0, -1.0, np.inf, "none"],
        "a float in the range (0.0, inf) or None",
    ),
    ("class_weight", ["balance", 2.0], A_CLASS_WEIGHT),
    ("early_stopping", [None, 1, "yes"], f"{A_BOOLEAN} or a str among {{'auto'}}"),
    ("validation_fraction", [0.0, 1.0, 10, None], "a float in the range (0.0, 1.0)"),
    ("scoring", [0.5], "an instance of 'str', a callable or None"),
    ("restore_best", [None, 1, "yes"], A_BOOLEAN),
    ("verbose", [-1, None, "yes"], A_VERBOSITY),
    (
        "learning_rate",
        [0, -0.1, np.inf, np.nan, None, "0.1"],
        "a float in the range (0.0, inf)",
    ),
    ("batch_size", [0, 32.0, "all"], A_BATCH),
    ("n_iter", [-1, 10.0, None], "an int in the range [0, inf)"),
    ("shuffle", [None, 1, "yes"], A_BOOLEAN),
    ("alpha", [-1e-4, np.inf, None], "a float in the range [0.0, inf)"),
    ("tol", [-1e-4, np.inf, "none"], "a float in the range [0.0, inf) or None"),
    (
        "n_iter_no_change",
        [0, 2.5, -np.inf, np.nan, None, "never"],
        "a str among {'auto'}, an int in the range [1, inf) or a float among {inf}",
    ),
    ("warm_start", [None, 1, "yes"], A_BOOLEAN),
    ("random_state", [-1, 2**32, "seed", np.random.default_rng(0)], A_SEED),
    ("dtype", [32], A_DTYPE),
]
TABLE = OURS + [
    (
        parameter,
        value,
        f"The {parameter!r} parameter of DeepNetClassifier must be {what}. Got "
        f"{value!r} instead.",
    )
    for parameter, values, what in SCIKIT_LEARNS
    for value in values
]


net = network_factory("hidden_layer_sizes", hidden_layer_sizes=(4,), n_iter=1)


def test_every_parameter_is_in_the_table():
    assert {parameter for parameter, *_ in TABLE} == net().get_params().keys()


@pytest.mark.parametrize(
    ("parameter", "value", "message"), TABLE, ids=[row[0] for row in TABLE]
)
def test_a_bad_parameter_is_reported_in_one_sentence(parameter, value, message):
    with pytest.raises(ValueError, match=exactly(message)):
        net(**{parameter: value}).fit(X, y)
    with pytest.raises(ValueError, match=exactly(message)):
        net(**{parameter: value}).partial_fit(X, y, classes=[0, 1, 2])


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("init", [W1, b1, "he"]),
        ("init", [[[1, 2], [3]], b1, W2, b2]),
        ("init", lambda shape, rng: "weights"),
    ],
    ids=["names among arrays", "ragged", "no numbers"],
)
def test_a_message_names_the_parameter(parameter, value):
    with pytest.raises(ValueError, match=rf"\b{parameter}\b"):
        net(**{parameter: value}).fit(X, y)


@pytest.mark.parametrize("parameters", [{"init_scale": 2.0}, {"bias_init": "uniform"}])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_what_arrays_as_init_leave_unused_is_a_warning(parameters, method):
    message = (
        "init_scale and bias_init are ignored, since init contains the weights and "
        "biases as arrays."
    )
    keywords = {} if method == "fit" else {"classes": [0, 1, 2]}
    arrays = {"init": [W1, b1, W2, b2], "input_scaling": None}
    estimator = net(**arrays, **parameters)
    with pytest.warns(UserWarning, match=exactly(message)) as caught:
        getattr(estimator, method)(X, y, **keywords)
    assert [warning.filename for warning in caught] == [__file__]
    np.testing.assert_array_equal(
        estimator.coefs_[0],
        getattr(net(**arrays), method)(X, y, **keywords).coefs_[0],
    )


def test_weights_beyond_the_dtype_are_an_error():
    message = (
        "The initial weights are too large for float32. Lower init_scale (now 1e+100) "
        "or choose another init."
    )
    with pytest.raises(ValueError, match=exactly(message)):
        net(init_scale=1e100, dtype="float32").fit(X, y)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("scaling", ["standard", "robust"])
def test_sparse_rows_to_be_centred_are_an_error(scaling, method):
    message = (
        f"input_scaling={scaling!r} does not support sparse X, since centering would "
        "make it dense. Set input_scaling=None. If the columns of X differ much in "
        "scale, transform X by MaxAbsScaler first."
    )
    estimator = net(input_scaling=scaling)
    keywords = {} if method == "fit" else {"classes": [0, 1, 2]}
    with raises(message):
        getattr(estimator, method)(csr_array(X), y, **keywords)
    assert vars(estimator) == vars(net(input_scaling=scaling))


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("scaling", ["auto", "standard", "robust"])
@pytest.mark.parametrize("estimator", [DeepNetClassifier, DeepNetRegressor])
def test_arrays_as_init_are_an_error_if_x_is_scaled(estimator, scaling, method):
    message = (
        "init contains weights as arrays, which apply to unscaled X, but "
        f"input_scaling={scaling!r} scales X. Set input_scaling=None."
    )
    is_classifier = estimator is DeepNetClassifier
    arrays = [W1, b1, W2, b2] if is_classifier else [W1, b1, W2[:, :1], b2[:1]]
    parameters = {"estimator": estimator, "init": arrays, "input_scaling": scaling}
    refused = net(**parameters)
    first = {"classes": [0, 1, 2]} if is_classifier and method != "fit" else {}
    with raises(message):
        getattr(refused, method)(X, y, **first)
    assert vars(refused) == vars(net(**parameters))
    getattr(refused.set_params(input_scaling=None), method)(X, y, **first)


@pytest.mark.parametrize("estimator", [DeepNetClassifier, DeepNetRegressor])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    ("before", "after", "has"),
    [
        ("auto", None, "standard"),
        ("auto", "robust", "standard"),
        ("standard", None, "standard"),
        ("robust", "auto", "robust"),
        ("robust", "standard", "robust"),
        (None, "standard", None),
        (None, "robust", None),
    ],
)
def test_another_scaling_is_an_error_for_a_network_to_continue(
    before, after, has, method, estimator
):
    message = (
        f"input_scaling is now {after!r}, but the network to continue has {has!r}. "
        "Keep it unchanged, or call fit with warm_start=False to start over."
    )
    first = net(estimator=estimator, input_scaling=before, warm_start=True).fit(X, y)
    changed = pickle.loads(pickle.dumps(first)).set_params(input_scaling=after)
    with raises(message):
        getattr(changed, method)(X, y)
    assert_same_training(changed, first)
    changed.set_params(input_scaling=before)
    assert_same_training(changed.fit(X, y), first.fit(X, y))


def test_standard_continues_what_auto_has_begun():
    first, named = (net(warm_start=True).fit(X, y) for _ in range(2))
    named.set_params(input_scaling="standard")
    assert_same_training(named.fit(X, y), first.fit(X, y))


def test_weights_of_squashed_inputs_have_no_equal_for_x_as_it_comes():
    message = (
        "folded_coefs is not available with input_scaling='robust', which is not "
        "linear. Use input_mean_, input_scale_ and coefs_ instead, or train with "
        "input_scaling='standard'."
    )
    with raises(message):
        net(input_scaling="robust").fit(X, y).folded_coefs()


def test_a_loss_of_classifiers_is_refused_by_a_regressor():
    known = ["absolute_error", "huber", "poisson", "quantile", "squared_error"]
    message = (
        "loss=log_loss is not supported for the numeric outputs of DeepNetRegressor. "
        f"Choose one of {known}."
    )
    with raises(message):
        DeepNetRegressor(loss="log_loss").fit(X, X[:, 0])
