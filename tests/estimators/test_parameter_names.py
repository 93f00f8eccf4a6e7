"""Names of scikit-learn's parameters, typing errors, and what the messages say."""

import inspect
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import BaggingClassifier, BaggingRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_deepnet import (
    DeepNetClassifier,
    DeepNetEnsembleClassifier,
    DeepNetEnsembleRegressor,
    DeepNetRegressor,
    fit_stack,
)
from sklearn_deepnet.estimators.parameter_names import (
    NAMES_ELSEWHERE,
    NAMES_OF_BAGGING,
)
from sklearn_deepnet.model_selection import StackedGridSearchCV
from sklearn_deepnet.nn.optimizers import Adam, Momentum, Nesterov
from sklearn_deepnet.nn.schedules import InvScaling, Plateau
from tests.helpers import iris, raises

NETWORKS = [DeepNetClassifier, DeepNetRegressor]
ENSEMBLES = [DeepNetEnsembleClassifier, DeepNetEnsembleRegressor]
X, Y = iris()

OPTIMIZERS = "from sklearn_deepnet.nn.optimizers."
SETTING = "It is a setting of the solver here. Write"
# name, value there: what the message says, what is equal to it here
ADVICE = {
    ("max_iter", 300): (
        "The number of epochs is called n_iter here. Write n_iter=300.",
        {"n_iter": 300},
    ),
    ("learning_rate_init", 0.01): (
        "The step size is called learning_rate here. Write learning_rate=0.01.",
        {"learning_rate": 0.01},
    ),
    ("power_t", 0.4): (
        "It is a setting of the schedule here. Write schedule=InvScaling(power=0.4), "
        "from sklearn_deepnet.nn.schedules.",
        {"schedule": InvScaling(power=0.4)},
    ),
    ("momentum", 0.8): (
        f"{SETTING} solver=Nesterov(momentum=0.8), or solver=Momentum(momentum=0.8) "
        f"for momentum without Nesterov's, {OPTIMIZERS}",
        {"solver": Nesterov(momentum=0.8)},
    ),
    ("nesterovs_momentum", False): (
        "It is a separate solver here. Write solver='nesterov' for True, or "
        "solver='momentum' for False.",
        {"solver": "momentum"},
    ),
    ("beta_1", 0.8): (
        f"{SETTING} solver=Adam(beta1=0.8), {OPTIMIZERS}",
        {"solver": Adam(beta1=0.8)},
    ),
    ("beta_2", 0.99): (
        f"{SETTING} solver=Adam(beta2=0.99), {OPTIMIZERS}",
        {"solver": Adam(beta2=0.99)},
    ),
    ("epsilon", 1e-6): (
        f"{SETTING} solver=Adam(epsilon=1e-06), {OPTIMIZERS}",
        {"solver": Adam(epsilon=1e-6)},
    ),
    ("max_fun", 99): (
        "solver='lbfgs' does not limit the number of function calls here. Use n_iter "
        "to limit the number of iterations.",
        {"solver": "lbfgs"},
    ),
}


def names_of(*classes):
    return {name for cls in classes for name in inspect.signature(cls).parameters}


def pipeline(estimator):
    return Pipeline([("scale", StandardScaler()), ("net", estimator)])


# ---- the tables


def test_every_parameter_of_mlp_is_here_or_explained():
    there = names_of(MLPClassifier, MLPRegressor)
    assert there - names_of(*NETWORKS) - NAMES_ELSEWHERE.keys() == set()


def test_every_explained_parameter_of_mlp_has_its_message_checked():
    there = names_of(MLPClassifier, MLPRegressor)
    assert {name for name, _ in ADVICE} == NAMES_ELSEWHERE.keys() & there


def test_every_parameter_of_bagging_is_here_or_explained():
    there = names_of(BaggingClassifier, BaggingRegressor) - names_of(*ENSEMBLES)
    assert there - names_of(*NETWORKS) - NAMES_OF_BAGGING.keys() == set()


def test_no_parameter_of_our_own_is_explained():
    assert names_of(*NETWORKS) & NAMES_ELSEWHERE.keys() == set()
    assert names_of(*NETWORKS, *ENSEMBLES) & NAMES_OF_BAGGING.keys() == set()


# ---- where the names arrive


@pytest.mark.parametrize("cls", NETWORKS)
@pytest.mark.parametrize(("given", "said"), ADVICE.items())
def test_a_parameter_of_mlp_is_explained_by_the_network(cls, given, said):
    (name, value), (advice, _) = given, said
    message = f"{cls.__name__} has no parameter {name!r}. {advice}"
    with raises(message, TypeError):
        cls(**{name: value})
    with raises(message):
        cls().set_params(**{name: value})
    with raises(message):
        pipeline(cls()).set_params(**{f"net__{name}": value})


@pytest.mark.parametrize(("advice", "arguments"), ADVICE.values())
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_what_is_advised_can_be_fitted(advice, arguments):
    """The advice names the parameter and the object, and a fit takes them."""
    for name, value in arguments.items():
        as_written = repr(value) if isinstance(value, str) else type(value).__name__
        assert name in advice
        assert as_written in advice or isinstance(value, int | float)
    DeepNetClassifier((2,), **({"n_iter": 2} | arguments)).fit(X[::5], Y[::5])


@pytest.mark.parametrize("cls", ENSEMBLES)
@pytest.mark.parametrize(("given", "said"), ADVICE.items())
def test_a_parameter_of_mlp_is_explained_by_the_ensemble(cls, given, said):
    (name, value), (advice, _) = given, said
    network = cls._member.__name__
    message = (
        f"{cls.__name__} has no parameter {name!r}. It is a parameter of the network, "
        f"estimator={cls.__name__}.recipe(...). {advice}"
    )
    with raises(message, TypeError):
        cls(**{name: value})
    with raises(message):
        cls().set_params(**{name: value})
    with raises(f"{network} has no parameter {name!r}. {advice}"):
        cls(cls._member()).set_params(**{f"estimator__{name}": value})


@pytest.mark.parametrize("search", [GridSearchCV, StackedGridSearchCV])
def test_a_grid_with_a_parameter_of_mlp_is_explained(search):
    message = (
        "DeepNetClassifier has no parameter 'max_iter'. The number of epochs is "
        "called n_iter here. Write n_iter=5."
    )
    with raises(message):
        search(DeepNetClassifier(), {"max_iter": [5]}).fit(X, Y)
    with raises(message):
        search(pipeline(DeepNetClassifier()), {"net__max_iter": [5]}).fit(X, Y)


def test_all_unknown_names_are_explained_at_once():
    with raises(
        "DeepNetClassifier has no parameter 'max_iter'. The number of epochs is "
        "called n_iter here. Write n_iter=9. DeepNetClassifier has no parameter 'lr'. "
        "The step size is called learning_rate here. Write learning_rate=0.1.",
        TypeError,
    ):
        DeepNetClassifier(max_iter=9, alpha=0, lr=0.1)


@pytest.mark.parametrize("cls", ENSEMBLES)
def test_a_parameter_of_the_network_is_explained_by_the_ensemble(cls):
    message = (
        f"{cls.__name__} has no parameter 'hidden_layer_sizes'. It is a parameter of "
        "the network. Write "
        f"estimator={cls.__name__}.recipe(hidden_layer_sizes=(3,)), or "
        "estimator__hidden_layer_sizes in a search."
    )
    with raises(message, TypeError):
        cls(hidden_layer_sizes=(3,))
    with raises(message):
        cls().set_params(hidden_layer_sizes=(3,))


@pytest.mark.parametrize("sizes", [(32, 16), [32], 32])
@pytest.mark.parametrize("cls", ENSEMBLES)
def test_sizes_given_to_the_ensemble_are_explained(cls, sizes):
    with raises(
        f"estimator must be a network or None. Got {sizes!r} instead. To set the "
        "hidden layers, write "
        f"estimator={cls.__name__}.recipe(hidden_layer_sizes={sizes!r})."
    ):
        cls(sizes).fit(X, Y)


def test_a_parameter_of_bagging_is_explained():
    with raises(
        "DeepNetEnsembleClassifier has no parameter 'base_estimator'. It is called "
        "estimator here. Write estimator=None.",
        TypeError,
    ):
        DeepNetEnsembleClassifier(base_estimator=None)


# ---- typing errors


def test_a_similar_name_is_suggested():
    message = "has no parameter 'hiden_layer_sizes'. Did you mean 'hidden_layer_sizes'?"
    with raises(f"DeepNetClassifier {message}", TypeError):
        DeepNetClassifier(hiden_layer_sizes=(3,))
    with raises(f"DeepNetRegressor {message}"):
        DeepNetRegressor().set_params(hiden_layer_sizes=(3,))


def test_where_no_name_is_similar_all_are_listed():
    names = ["bootstrap", "estimator", "n_estimators", "n_jobs", "random_state"]
    assert names_of(DeepNetEnsembleClassifier) == {*names}
    with raises(
        "DeepNetEnsembleClassifier has no parameter 'qqq'. Its parameters are "
        f"{names}.",
        TypeError,
    ):
        DeepNetEnsembleClassifier(qqq=1)


@pytest.mark.parametrize("cls", NETWORKS)
def test_values_by_position_are_explained(cls):
    with raises(
        f"{cls.__name__} accepts only hidden_layer_sizes as a positional argument. "
        "Got 2 positional arguments; give all others by name.",
        TypeError,
    ):
        cls("squared_error", (3,))


def test_set_params_with_an_unknown_name_sets_nothing():
    net = DeepNetClassifier()
    with raises(
        "DeepNetClassifier has no parameter 'n_itre'. Did you mean 'n_iter'?",
    ):
        net.set_params(alpha=5, n_itre=3)
    assert net.alpha == 1e-4


@pytest.mark.parametrize(
    ("estimator", "name", "message"),
    [
        (
            DeepNetEnsembleClassifier(),
            "estimator__n_iter",
            "estimator__n_iter cannot be set, since estimator=None has no parameters. "
            "First set estimator=DeepNetEnsembleClassifier.recipe().",
        ),
        (
            DeepNetClassifier(),
            "solver__beta1",
            "solver__beta1 cannot be set, since solver='adam' has no parameters. "
            "Set solver to an object that has the settings that you want.",
        ),
    ],
)
def test_a_nested_name_where_nothing_is_nested_is_explained(estimator, name, message):
    with raises(message):
        estimator.set_params(**{name: 3})


def test_a_nested_name_may_be_set_beside_its_estimator():
    ensemble = DeepNetEnsembleClassifier()
    ensemble.set_params(estimator__n_iter=3, estimator=DeepNetClassifier())
    assert ensemble.estimator.n_iter == 3


def test_a_subclass_is_called_by_its_own_name():
    class Small(DeepNetClassifier):
        def __init__(self, hidden_layer_sizes=(3,), *, n_iter=5):
            super().__init__(hidden_layer_sizes, n_iter=n_iter)

    assert Small(n_iter=7).n_iter == 7
    with raises(
        "Small has no parameter 'max_iter'. The number of epochs is called n_iter "
        "here. Write n_iter=5."
    ):
        Small().set_params(max_iter=5)


# ---- what stays


@pytest.mark.parametrize("cls", [*NETWORKS, *ENSEMBLES])
def test_the_signature_lists_the_parameters_alone(cls):
    kinds = {it.kind for it in inspect.signature(cls).parameters.values()}
    assert kinds == {
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.KEYWORD_ONLY,
    }
    assert [*cls().get_params(deep=False)] == sorted(inspect.signature(cls).parameters)


@pytest.mark.parametrize("cls", [*NETWORKS, *ENSEMBLES])
def test_estimators_are_cloned_and_pickled_as_before(cls):
    estimator = cls(random_state=3)
    for copied in (clone(estimator), pickle.loads(pickle.dumps(estimator))):
        assert copied.get_params() == estimator.get_params()


# ---- values

ADAPTIVE = (
    "schedule=Plateau(factor=0.2, patience=11), from sklearn_deepnet.nn.schedules"
)


@pytest.mark.parametrize(
    ("parameter", "value", "write"),
    [
        ("learning_rate", "constant", "schedule='constant'"),
        ("learning_rate", "invscaling", "schedule='invscaling'"),
        ("learning_rate", "adaptive", ADAPTIVE),
        ("schedule", "adaptive", ADAPTIVE),
    ],
)
@pytest.mark.parametrize(
    "fit",
    [
        lambda net: net.fit(X, Y),
        lambda net: net.partial_fit(X, Y, [0, 1, 2]),
        lambda net: fit_stack([net, clone(net)], X, Y),
        lambda net: DeepNetEnsembleClassifier(net, n_estimators=2).fit(X, Y),
        lambda net: pipeline(net).fit(X, Y),
    ],
)
def test_a_schedule_named_as_in_mlp_is_explained(parameter, value, write, fit):
    with raises(
        f"{parameter}={value!r} is not supported. learning_rate is a number here, "
        f"and schedule says how it changes. Write {write}."
    ):
        fit(DeepNetClassifier(**{parameter: value}))


def test_what_is_advised_for_adaptive_is_a_schedule():
    assert repr(Plateau(factor=0.2, patience=11)).startswith(
        "Plateau(factor=0.2, patience=11"
    )
    assert Momentum(momentum=0.8).momentum == 0.8


@pytest.mark.parametrize(
    "options",
    [
        *({"activation": name} for name in ("identity", "logistic", "tanh", "relu")),
        *({"solver": name} for name in ("adam", "sgd", "lbfgs")),
        {"batch_size": "auto", "verbose": False, "warm_start": True, "shuffle": True},
        {"early_stopping": True, "validation_fraction": 0.2, "n_iter_no_change": 4},
        {"alpha": 0.01, "tol": 1e-3, "random_state": np.random.RandomState(0)},
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_other_arguments_of_mlp_are_taken_as_they_are(options):
    DeepNetClassifier((3,), n_iter=3, **options).fit(X, Y)
    DeepNetRegressor((3,), n_iter=3, **options).fit(X, Y)
