"""`partial_fit` of an ensemble trains each member as its own `partial_fit` would."""

import pickle
import re
import warnings
from copy import deepcopy

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_deepnet import (
    DeepNetClassifier,
    DeepNetEnsembleClassifier,
    DeepNetEnsembleRegressor,
    DeepNetRegressor,
    load_model,
    save_model,
)
from tests.helpers import cancer, digits, network_factory, raises

net = network_factory("estimator", hidden_layer_sizes=(6, 4), batch_size=32)
X, y = cancer()
NUMBERS = 50 + 20 * X[:, 0] + X[:, 1]
CHUNKS = [slice(0, 200), slice(200, 400), slice(400, 569)]
WEIGHT = np.arange(569) % 3 * 1.0
CASES = {  # member, X, y, arguments by name, which are cut by the chunk
    "classes": (net(), X, y, {}),
    "words": (net(), X, np.array(["no", "yes"])[y], {}),
    "ten classes": (net(dropout=0.2), *digits(569), {}),
    "labels": (net(), X, np.column_stack([y, X[:, 0] > 0]).astype(int), {}),
    "weights": (net(), X, y, {"sample_weight": WEIGHT}),
    "float32": (net(dtype="float32", solver="momentum"), X, y, {}),
    "sparse": (net(), csr_array(X), y, {}),
    "numbers": (net(DeepNetRegressor), X, NUMBERS, {"sample_weight": WEIGHT}),
    "full batch": (net(DeepNetRegressor, batch_size=None), X, NUMBERS, {}),
}
HELD_OUT = {"X_val": X[:50], "y_val": y[:50], "sample_weight_val": WEIGHT[:50] + 1}


NO_RATE = (
    "The learning rate is now 0, since schedule='cosine' has reached its horizon. To "
    "continue training, set schedule='constant', or a Cosine with a larger horizon."
)


def ensemble(member, **parameters):
    is_classifier = isinstance(member, DeepNetClassifier)
    kind = DeepNetEnsembleClassifier if is_classifier else DeepNetEnsembleRegressor
    return kind(member, **({"n_estimators": 3, "random_state": 0} | parameters))


def calls_of(case):
    """Return the arguments of three calls."""
    member, X, y, params = CASES[case]
    calls = [{name: it[cut] for name, it in params.items()} for cut in CHUNKS]
    if isinstance(member, DeepNetClassifier) and y.ndim == 1:
        calls[0]["classes"] = np.unique(y)
    return [(X[cut], y[cut], params) for cut, params in zip(CHUNKS, calls, strict=True)]


def trained(estimator, calls):
    for X, y, params in calls:
        estimator.partial_fit(X, y, **params)
    return estimator


def assert_equal(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one._params, other._params)
        assert one.loss_curve_ == other.loss_curve_
        assert one.validation_loss_curve_ == other.validation_loss_curve_
        assert one.get_params() == other.get_params()


@pytest.mark.parametrize("case", CASES)
def test_members_equal_networks_alone(case):
    together = trained(ensemble(CASES[case][0]), calls_of(case))
    rng = np.random.RandomState(0)
    alone = []
    for _ in range(3):
        seed = int(rng.randint(2**31 - 1))
        one = clone(CASES[case][0]).set_params(random_state=seed)
        alone.append(trained(one, calls_of(case)))
    assert_equal(together.estimators_, alone)


def test_members_monitor_validation_data():
    member = net(scoring="accuracy")
    calls = [(X, y, HELD_OUT | {"classes": [0, 1]}), (X, y, HELD_OUT)]
    together = trained(ensemble(member), calls)
    alone = [
        trained(clone(member).set_params(random_state=it.random_state), calls)
        for it in together.estimators_
    ]
    assert_equal(together.estimators_, alone)
    assert [len(it.validation_scores_) for it in together.estimators_] == [2, 2, 2]


def test_calls_equal_the_epochs_of_one_fit():
    member = net(batch_size=None, tol=None, n_iter=5)
    chunks = trained(ensemble(member), [(X, y, {"classes": [0, 1]})] * 5)
    for one, other in zip(
        chunks.estimators_, ensemble(member).fit(X, y).estimators_, strict=True
    ):
        np.testing.assert_array_equal(one._params, other._params)


@pytest.mark.parametrize("case", ["ten classes", "numbers"])
@pytest.mark.parametrize("way", ["pickle", "file"])
def test_a_copy_continues_from_a_file(case, way, tmp_path):
    calls = calls_of(case)
    whole = trained(ensemble(CASES[case][0]), calls)
    first = trained(ensemble(CASES[case][0]), calls[:1])
    if way == "pickle":
        copy = pickle.loads(pickle.dumps(first))
    else:
        save_model(first, tmp_path / "model")
        copy = load_model(tmp_path / "model")
    assert_equal(trained(copy, calls[1:]).estimators_, whole.estimators_)


@pytest.mark.slow
def test_processes_do_not_matter():
    calls = calls_of("ten classes")
    there = trained(ensemble(CASES["ten classes"][0], n_jobs=2), calls)
    here = trained(ensemble(CASES["ten classes"][0]), calls)
    assert_equal(there.estimators_, here.estimators_)


def test_parameters_set_between_calls_take_effect():
    calls = calls_of("classes")
    changed = trained(ensemble(net()), calls[:1])
    changed.set_params(estimator__learning_rate=0.1)
    trained(changed, calls[1:])
    seed = changed.estimators_[1].random_state
    alone = trained(net(random_state=seed), calls[:1])
    trained(alone.set_params(learning_rate=0.1), calls[1:])
    np.testing.assert_array_equal(changed.estimators_[1]._params, alone._params)


@pytest.mark.parametrize(
    "Ensemble", [DeepNetEnsembleClassifier, DeepNetEnsembleRegressor]
)
@pytest.mark.parametrize("schedule", ["the default", "constant"])
def test_the_recipe_needs_a_constant_rate_after_its_epochs(Ensemble, schedule):
    options = {} if schedule == "the default" else {"schedule": schedule}
    member = Ensemble.recipe(hidden_layer_sizes=3, n_iter=2, **options)
    streamed = Ensemble(member, n_estimators=2, random_state=0)
    first = {"classes": [0, 1]} if Ensemble is DeepNetEnsembleClassifier else {}
    streamed.partial_fit(X, y, **first).partial_fit(X, y)
    before = streamed.estimators_[0]._params.copy()
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        streamed.partial_fit(X, y)
    changes = not np.array_equal(streamed.estimators_[0]._params, before)
    assert changes == (schedule == "constant")
    assert [str(it.message) for it in seen] == ([] if changes else [NO_RATE])


def test_members_that_were_fitted_continue_and_say_so_once():
    fitted = ensemble(net(n_iter=3, tol=None)).fit(X, y)
    expected = deepcopy(fitted.estimators_)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        fitted.partial_fit(X, y)
    assert len(seen) == 1
    assert str(seen[0].message).startswith("Training continues with a new state of the")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert_equal(fitted.estimators_, [it.partial_fit(X, y) for it in expected])


def test_it_works_in_a_pipeline():
    pipeline = make_pipeline(StandardScaler(), ensemble(net()))
    scaled = pipeline[0].fit_transform(X)
    pipeline[-1].partial_fit(scaled, y, classes=[0, 1]).partial_fit(scaled, y)
    assert pipeline.score(X, y) > 0.5


class Noting(DeepNetClassifier):
    def partial_fit(self, X, y, classes=None, **params):
        self.n_calls_ = getattr(self, "n_calls_", 0) + 1
        return super().partial_fit(X, y, classes, **params)


def test_a_subclass_that_overrides_it_is_called():
    noting = ensemble(Noting(5))
    for _ in range(2):
        noting.partial_fit(X, y, classes=[0, 1])
    assert [it.n_calls_ for it in noting.estimators_] == [2, 2, 2]


ERRORS = [  # parameters, arguments, message
    ({}, {"X": X[:, 1:]}, "X has 29 features, but DeepNetEnsembleClassifier is expect"),
    (
        {},
        {"y": y + 1},
        "y contains [2], which are not among the classes [0, 1] of this",
    ),
    (
        {"n_estimators": 5},
        {},
        "n_estimators=5, but the ensemble to continue has 3 members. Set "
        "n_estimators=3, or call fit to start over.",
    ),
    ({"estimator__hidden_layer_sizes": 9}, {}, "hidden_layer_sizes is now [9], but"),
]


@pytest.mark.parametrize(("parameters", "given", "message"), ERRORS)
def test_errors_leave_the_ensemble_as_it_was(parameters, given, message):
    already = trained(ensemble(net()), calls_of("classes"))
    already.set_params(**parameters)
    before, members = vars(already).copy(), pickle.dumps(already.estimators_)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        already.partial_fit(**({"X": X, "y": y} | given))
    assert vars(already) == before
    assert pickle.dumps(already.estimators_) == members


def test_the_first_call_needs_classes():
    never = ensemble(net())
    message = (
        "The first call of partial_fit requires classes, which contains the labels of "
        "all classes that can occur in any call."
    )
    with raises(message):
        never.partial_fit(X, y)
    assert "estimators_" not in vars(never)
    assert "n_features_in_" not in vars(never)


@pytest.mark.parametrize(
    ("estimator", "reason"),
    [
        (
            ensemble(net(), bootstrap=True),
            "partial_fit is not available with bootstrap=True, which draws from all "
            "samples at once. Call fit, or set bootstrap=False.",
        ),
        (
            ensemble(net(DeepNetRegressor, solver="lbfgs")),
            "partial_fit is not available with solver='lbfgs', which needs all samples "
            "at once. Call fit, or choose a first-order solver such as 'adam'.",
        ),
    ],
)
def test_it_is_not_available_where_all_samples_are_needed(estimator, reason):
    assert not hasattr(estimator, "partial_fit")
    with pytest.raises(AttributeError) as found:
        estimator.partial_fit(X, NUMBERS)
    assert str(found.value.__cause__) == reason


def test_an_estimator_that_is_no_network_is_named():
    message = "The 'estimator' parameter of DeepNetEnsembleClassifier must be "
    with pytest.raises(ValueError, match=f"^{message}"):
        DeepNetEnsembleClassifier(make_pipeline(net())).partial_fit(X, y, [0, 1])
