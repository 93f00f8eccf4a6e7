"""An ensemble is its members, each as its own fit makes it, and the mean of these."""

import inspect
import json
import os
import pickle
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from functools import cache, partial

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_wine
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_param_validation,
    estimator_checks_generator,
)

from sklearn_deepnet import (
    DeepNetClassifier,
    DeepNetEnsembleClassifier,
    DeepNetEnsembleRegressor,
    DeepNetRegressor,
    VersionWarning,
    __version__,
    stacked,
)
from tests.helpers import network_factory

FRAME, LABELS = load_wine(return_X_y=True, as_frame=True)
X, y = scale(FRAME), LABELS.to_numpy()
SCALED = FRAME.set_axis([f"wine {k}" for k in FRAME.index]).transform(scale)
BINARY = np.minimum(y, 1)
INDICATOR = np.column_stack([y == 0, X[:, 0] > 0, X[:, 1] > 0]).astype(int)
NUMBERS = 900.0 + 300 * y + 100 * X[:, 0]
UNEVEN = np.random.RandomState(3).permutation(np.arange(178) % 4).astype(float)


USUAL = {"hidden_layer_sizes": (5, 4), "n_iter": 4, "random_state": None}
USUAL |= {"learning_rate": 0.01, "batch_size": 50}
net = network_factory("estimator", **USUAL)


def ensemble(base, **parameters):
    is_classifier = isinstance(base, DeepNetClassifier)
    kind = DeepNetEnsembleClassifier if is_classifier else DeepNetEnsembleRegressor
    return kind(base, **({"n_estimators": 3, "random_state": 0} | parameters))


VALIDATION = {"X_val": X[::3], "y_val": y[::3], "sample_weight_val": UNEVEN[::3]}
CASES = {  # estimator, X, y, parameters of fit
    "three classes": (net(), X, y, {}),
    "two classes": (net(dropout=0.3), X, BINARY, {}),
    "words": (net(), X, np.array(["red", "white", "rosé"])[y], {}),
    "labels": (net(), X, INDICATOR, {}),
    "float32": (net(), X.astype(np.float32), y, {}),
    "sparse": (net(), csr_matrix(X), y, {}),
    "frame": (net(), SCALED, LABELS.set_axis(SCALED.index), {}),
    "weights": (net(class_weight="balanced"), X, y, {"sample_weight": UNEVEN}),
    "units": (net(), (X + 5) * 10.0 ** np.arange(-6, 7), y, {}),
    "robust": (net(input_scaling="robust"), X, y, {"sample_weight": UNEVEN}),
    "as it comes": (net(input_scaling=None), X, y, {}),
    "held out": (net(early_stopping=True, scoring="accuracy"), X, y, {}),
    "X_val": (net(), X, y, VALIDATION),
    "lbfgs": (DeepNetClassifier((5,), solver="lbfgs", n_iter=4, tol=None), X, y, {}),
    "numbers": (net(DeepNetRegressor), X, NUMBERS, {}),
    "outputs": (net(DeepNetRegressor), X, np.column_stack([NUMBERS, y]), {}),
    "counts": (net(DeepNetRegressor, loss="poisson"), X, y, {"sample_weight": UNEVEN}),
}
CLASSIFIERS = ["three classes", "two classes", "labels", "float32", "sparse"]
REGRESSORS = ["numbers", "outputs", "counts"]
on_every_case = pytest.mark.parametrize("case", CASES)


@cache
def fitted(case, **parameters):
    base, X, y, params = CASES[case]
    return ensemble(base, **parameters).fit(X, y, **params)


def kept(estimator):
    """Return by bits what a network keeps of its fit, but for the names of features."""
    return {
        name: value.tobytes() if isinstance(value, np.ndarray) else value
        for name, value in vars(estimator).items()
        if name == "_params" or (name.endswith("_") and name != "feature_names_in_")
    }


def kept_by_members(estimator):
    return [kept(member) for member in estimator.estimators_]


# ---- what scikit-learn asks

SMALL = {"batch_size": None, "learning_rate": 0.01}
ENSEMBLES = [
    ensemble(DeepNetClassifier((10,), **SMALL), n_estimators=2),
    ensemble(DeepNetRegressor((10,), **SMALL), n_estimators=2),
    ensemble(DeepNetClassifier((10,), **SMALL), n_estimators=2, bootstrap=True),
    DeepNetEnsembleClassifier(n_estimators=2, random_state=0),
    DeepNetEnsembleRegressor(n_estimators=2, random_state=0),
]
DRAWN = {
    f"check_sample_weight_equivalence_on_{kind}_data": "other rows are drawn"
    for kind in ("dense", "sparse")
}
CHECKS = [
    check
    for estimator in ENSEMBLES
    for check in estimator_checks_generator(
        estimator,
        expected_failed_checks=DRAWN if estimator.bootstrap else {},
        mark="xfail",
    )
]


def check_name(value):
    return value.func.__name__ if isinstance(value, partial) else type(value).__name__


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(("estimator", "check"), CHECKS, ids=check_name)
def test_scikit_learn_accepts(estimator, check, legacy_seed):
    legacy_seed(0)  # check_methods_sample_order_invariance draws from it
    check(estimator)


@pytest.mark.slow
@pytest.mark.parametrize("estimator", ENSEMBLES[:2], ids=check_name)
@pytest.mark.parametrize(
    "check", [check_param_validation, check_dataframe_column_names_consistency]
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_scikit_learn_accepts_by_checks_that_it_does_not_generate(check, estimator):
    check(type(estimator).__name__, clone(estimator))


# ---- members


class Noting:
    """Keeps the numbers of the rows that it is fitted to, which stand in X."""

    def fit(self, X, y, sample_weight=None):
        self.rows_ = X[:, 0].astype(int)
        return super().fit(X, y, sample_weight)


class NotingClassifier(Noting, DeepNetClassifier):
    pass


class NotingRegressor(Noting, DeepNetRegressor):
    pass


def drawn_rows(y, kind=NotingClassifier, n_estimators=3, **weight):
    """Return the rows that the members of an ensemble are fitted to."""
    base = net(kind, n_iter=0, solver="sgd")
    noting = ensemble(base, n_estimators=n_estimators, bootstrap=True)
    numbers = np.arange(len(y))[:, np.newaxis]
    return [member.rows_ for member in noting.fit(numbers, y, **weight).estimators_]


def cut(table, rows):
    return table.iloc[rows] if hasattr(table, "iloc") else table[rows]


@on_every_case
@pytest.mark.parametrize(
    "bootstrap", [pytest.param(False, marks=pytest.mark.slow), True]
)
def test_members_are_what_their_own_fits_make(case, bootstrap):
    base, X, y, params = CASES[case]
    each = [np.arange(178)] * 3
    if bootstrap:
        kind = NotingClassifier if case not in REGRESSORS else NotingRegressor
        weight = {k: v for k, v in params.items() if k == "sample_weight"}
        each = drawn_rows(np.asarray(y), kind, **weight)
    members = fitted(case, bootstrap=bootstrap).estimators_
    for member, rows in zip(members, each, strict=True):
        own = {k: v[rows] if k == "sample_weight" else v for k, v in params.items()}
        alone = clone(base).set_params(random_state=member.random_state)
        alone.fit(cut(X, rows), cut(y, rows), **own)
        assert kept(member) == kept(alone)
        assert member.get_params() == alone.get_params()
    assert len({member.random_state for member in members}) == 3
    assert not hasattr(base, "coefs_")


@pytest.mark.parametrize("bootstrap", [False, True])
@pytest.mark.parametrize("kind", [DeepNetEnsembleClassifier, DeepNetEnsembleRegressor])
def test_members_are_as_documented_if_none_is_given(kind, bootstrap):
    (recipe,) = re.findall(r"``(DeepNet\w+\(.+?\))``", kind.__doc__, re.DOTALL)
    network = eval(
        recipe, {it.__name__: it for it in (DeepNetClassifier, DeepNetRegressor)}
    )
    assert kind.recipe().get_params() == network.get_params()
    if bootstrap:
        network.set_params(early_stopping=False)
    members = kind(bootstrap=bootstrap, random_state=0).fit(X, y).estimators_
    assert len(members) == inspect.signature(kind).parameters["n_estimators"].default
    for member in members:
        network.set_params(random_state=member.random_state)
        assert type(member) is type(network)
        assert member.get_params() == network.get_params()


def test_the_recipe_may_be_changed():
    network = DeepNetEnsembleRegressor.recipe(alpha=7, early_stopping=True)
    expected = DeepNetEnsembleRegressor.recipe()
    expected.set_params(alpha=7, early_stopping=True)
    assert network.get_params() == expected.get_params()


@pytest.mark.parametrize("kind", [DeepNetEnsembleClassifier, DeepNetEnsembleRegressor])
def test_members_of_the_recipe_hold_different_rows_out(kind):
    """Each has its own training set, but all are of one size, and so of one stack."""
    with stacked() as stacks:
        members = kind(random_state=0).fit(X, y).estimators_
    assert stacks.summary.stack_sizes == [len(members)]
    ends = {round(member.validation_loss_curve_[-1], 6) for member in members}
    assert len(ends) == len(members)


@pytest.mark.slow
@on_every_case
@pytest.mark.parametrize("bootstrap", [False, True])
def test_members_are_the_same_whatever_the_number_of_processes(case, bootstrap):
    here = fitted(case, bootstrap=bootstrap)
    there = fitted(case, bootstrap=bootstrap, n_jobs=2)
    assert kept_by_members(there) == kept_by_members(here)


ELSEWHERE = """
import json, pickle, sys
from sklearn.base import clone
loaded, X, y = pickle.load(sys.stdin.buffer)
anew = clone(loaded).fit(X, y)
print(json.dumps([net.predict_proba(X).tolist() for net in (loaded, anew)]))
"""


@pytest.mark.slow
def test_fits_have_the_same_bits_in_a_fresh_interpreter_as_a_pickle_of_ours_there():
    estimator = fitted("words", bootstrap=True)
    output = subprocess.run(
        [sys.executable, "-W", "error", "-c", ELSEWHERE],
        input=pickle.dumps((estimator, *CASES["words"][1:3])),
        stdout=subprocess.PIPE,
        check=True,
        env=os.environ | {"PYTHONHASHSEED": "1", "OPENBLAS_NUM_THREADS": "1"},
    ).stdout
    assert json.loads(output) == [estimator.predict_proba(X).tolist()] * 2


# ---- rows drawn, and seeds

TINY = np.random.RandomState(0).permutation(np.repeat(range(4), [1, 2, 5, 170]))


@pytest.mark.parametrize("y", [TINY, np.array(["a", "b", "c", "d"])[TINY], y, BINARY])
def test_bootstrap_keeps_the_count_of_every_class(y):
    for rows in drawn_rows(y):
        np.testing.assert_array_equal(np.sort(y[rows]), np.sort(y))


@pytest.mark.slow
@pytest.mark.parametrize("y", [y, INDICATOR, NUMBERS], ids=["classes", "labels", "y"])
def test_bootstrap_draws_every_row_with_the_same_chance(y):
    kind = NotingClassifier if y is not NUMBERS else NotingRegressor
    drawn = np.array(drawn_rows(y, kind, n_estimators=100))
    times = np.bincount(drawn.ravel(), minlength=178)
    assert drawn.shape == (100, 178)
    assert times.min() > 50  # a Poisson number of mean 100
    assert times.max() < 150
    distinct = np.mean([len(np.unique(rows)) for rows in drawn]) / 178
    assert distinct == pytest.approx(1 - np.exp(-1), abs=0.01)


def test_regressors_scale_their_targets_by_the_rows_drawn():
    members = fitted("numbers", bootstrap=True).estimators_
    for member, rows in zip(members, drawn_rows(NUMBERS, NotingRegressor), strict=True):
        np.testing.assert_allclose(member.target_mean_, NUMBERS[rows].mean())
        np.testing.assert_allclose(member.target_scale_, NUMBERS[rows].std())
    assert len({member.target_mean_[0] for member in members}) == 3


@pytest.mark.parametrize("bootstrap", [False, True])
def test_all_follows_from_the_random_state(bootstrap):
    rng = np.random.RandomState(0)
    one = ensemble(net(random_state=5), bootstrap=bootstrap, random_state=rng)
    of_seed_0 = kept_by_members(fitted("three classes", bootstrap=bootstrap))
    assert kept_by_members(one.fit(X, y)) == of_seed_0
    params = [member["_params"] for member in of_seed_0]
    for random_state in (rng, 1):  # the generator has moved on
        one.set_params(random_state=random_state).fit(X, y)
        params += [member["_params"] for member in kept_by_members(one)]
    assert len({*params}) == 9


def test_no_seed_takes_fresh_entropy_whatever_the_global_seed(legacy_seed):
    seeds = []
    for _ in range(2):
        legacy_seed(0)
        any_seed = ensemble(net(n_iter=0), random_state=None).fit(X, y)
        seeds += [member.random_state for member in any_seed.estimators_]
    assert len({*seeds}) == 6


# ---- predictions


def members_say(estimator, method, X):
    return np.stack([getattr(net, method)(X) for net in estimator.estimators_])


@pytest.mark.parametrize(
    ("case", "method"),
    [(case, "predict_proba") for case in CLASSIFIERS]
    + [(case, "predict") for case in REGRESSORS],
)
def test_mean_is_that_of_the_members_with_their_standard_deviation(case, method):
    X, estimator = CASES[case][1], fitted(case, bootstrap=True)  # so in other units
    said = members_say(estimator, method, X)
    mean, std = getattr(estimator, method)(X, return_std=True)
    np.testing.assert_array_equal(getattr(estimator, method)(X), mean)
    assert mean.dtype == std.dtype == said.dtype
    rtol = 1e-5 if said.dtype == np.float32 else 1e-12
    np.testing.assert_allclose(mean, said.mean(axis=0), rtol)
    np.testing.assert_allclose(std, said.std(axis=0), rtol, atol=rtol * said.max())
    assert std.max() > 0.01


@pytest.mark.parametrize("case", CLASSIFIERS)
def test_log_probabilities_are_those_of_the_mean(case):
    X = CASES[case][1]
    log_p, p = fitted(case).predict_log_proba(X), fitted(case).predict_proba(X)
    np.testing.assert_allclose(np.exp(log_p), p, 1e-5 if case == "float32" else 1e-12)
    assert log_p.max() <= 0


@pytest.mark.parametrize("case", ["three classes", "two classes", "labels", "float32"])
def test_log_probabilities_are_finite_where_the_mean_is_rounded_to_zero(case):
    X = 1e5 * CASES[case][1]
    log_p = fitted(case).predict_log_proba(X)
    assert (fitted(case).predict_proba(X) == 0).any()
    said = members_say(fitted(case), "predict_log_proba", X)
    expected = np.logaddexp.reduce(said) - np.log(3)
    tolerance = 1e-6 if case == "float32" else 1e-12
    np.testing.assert_allclose(log_p, expected, tolerance, tolerance)
    assert log_p.min() < -1000
    assert log_p.max() <= 0


@pytest.mark.parametrize("case", [*CLASSIFIERS, "words"])
def test_the_class_is_that_of_the_greatest_mean(case):
    _, X, y, _ = CASES[case]
    p, predicted = fitted(case).predict_proba(X), fitted(case).predict(X)
    classes = np.unique(y) if case != "labels" else [0, 1, 2]
    np.testing.assert_array_equal(fitted(case).classes_, classes)
    expected = (p > 0.5).astype(int) if case == "labels" else classes[p.argmax(axis=1)]
    np.testing.assert_array_equal(predicted, expected)
    assert predicted.dtype == np.asarray(y).dtype


def test_a_tie_is_the_first_class():
    tied = deepcopy(fitted("two classes"))
    one = next(it for it in tied.estimators_ if {*it.predict(X)} == {0, 1})
    tied.estimators_ = [one, deepcopy(one)]
    for array in (tied.estimators_[1].coefs_[-1], tied.estimators_[1].intercepts_[-1]):
        array *= -1
    np.testing.assert_array_equal(*tied.predict_proba(X).T)
    assert {*tied.predict(X)} == {0}


def test_labels_of_even_odds_are_not_given():
    undecided = ensemble(net(init="zeros", bias_init="zeros", n_iter=0))
    assert not undecided.fit(X, INDICATOR).predict(X).any()
    assert (undecided.predict_proba(X) == 0.5).all()


@pytest.mark.slow
@pytest.mark.parametrize("case", [*CLASSIFIERS, *REGRESSORS])
def test_rows_are_predicted_as_among_others(case):
    X, estimator = CASES[case][1], fitted(case)
    method = "predict" if case in REGRESSORS else "predict_proba"
    predict = partial(getattr(estimator, method), return_std=True)
    together = np.array(predict(X))
    rounding = 1e-5 if together.dtype == np.float32 else 1e-12
    close = partial(
        np.testing.assert_allclose, rtol=0, atol=rounding * np.abs(together).max()
    )
    close(np.hstack([predict(X[[k]]) for k in range(178)]), together)
    many = np.arange(2 * 2**14 + 100) % 178
    close(predict(X[many]), together[:, many])
    if case not in REGRESSORS:
        log_p = estimator.predict_log_proba(X)
        np.testing.assert_allclose(
            estimator.predict_log_proba(X[many]), log_p[many], 100 * rounding
        )


def test_the_mean_errs_less_than_members_by_their_variance():
    X, y = CASES["outputs"][1:3]
    mean, std = fitted("outputs").predict(X, return_std=True)
    errors = (members_say(fitted("outputs"), "predict", X) - y) ** 2
    np.testing.assert_allclose((mean - y) ** 2 + std**2, errors.mean(axis=0))


def test_data_that_overflow_are_an_error():
    with pytest.raises(ValueError, match=r"^The outputs of the network overflow for"):
        fitted("float32").predict(1e39 * X)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["predict_proba", "predict_log_proba"])
def test_memory_of_predictions_does_not_grow_with_the_members(method, peak_of):
    estimator = ensemble(net(n_iter=0), n_estimators=16).fit(X, BINARY)
    predict = getattr(estimator, method)
    tables = [np.zeros((n_rows, 13)) for n_rows in (2**15, 2**17)]
    peaks = [peak_of(lambda rows=rows: predict(rows), n_threads=1) for rows in tables]
    per_row = (peaks[1] - peaks[0]) / (2**17 - 2**15)
    assert per_row < 3 * 16  # bytes of p, as a whole, in blocks, and to spare


def test_predictions_may_be_made_in_many_threads():
    estimator = fitted("three classes")
    before = pickle.dumps(estimator)
    parts = [X[k::20] for k in range(20)] * 10
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(estimator.predict_proba, parts))
    for p, part in zip(together, parts, strict=True):
        np.testing.assert_array_equal(p, estimator.predict_proba(part))
    assert pickle.dumps(estimator) == before


# ---- errors


class CertainClassifier(DeepNetClassifier):
    def predict_proba(self, X):
        return super().predict_proba(X).round()


class CautiousRegressor(DeepNetRegressor):
    def predict(self, X):
        return np.minimum(super().predict(X), 1000)


@pytest.mark.parametrize(
    ("base", "method", "allowed"),
    [
        (CertainClassifier(), "predict_proba", "DeepNetClassifier"),
        (CautiousRegressor(), "predict", "DeepNetRegressor"),
    ],
)
def test_members_with_predictions_of_their_own_are_an_error(base, method, allowed):
    message = (
        f"The class of estimator={base!r} overrides {method}, which an ensemble never "
        f"calls. Give a {allowed}, or a subclass that does not override {method}."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        ensemble(base).fit(X, NUMBERS if method == "predict" else y)


METHODS = ["predict", "predict_proba", "predict_log_proba"]
NOT_FITTED = r"^This DeepNetEnsembleClassifier instance is not fitted yet\."


@pytest.mark.parametrize("method", METHODS)
def test_predictions_need_a_fit_first(method):
    with pytest.raises(NotFittedError, match=NOT_FITTED):
        getattr(ensemble(net()), method)(X)


def test_classes_are_missing_before_fitting():
    with pytest.raises(NotFittedError, match=NOT_FITTED):
        _ = ensemble(net()).classes_


MUST_BE = (
    "must be an instance of "
    "'sklearn_deepnet.estimators.classifier.DeepNetClassifier' or"
)
UNEQUAL = "Found input variables with inconsistent numbers of samples: [178, 177]"
ACTIVATIONS = "activation has 1 entries for 2 hidden layers. Give one for each, or one "
ERRORS = [  # parameters, what fit is given, the message
    (
        {"estimator": LogisticRegression()},
        {},
        f"The 'estimator' parameter of DeepNetEnsembleClassifier {MUST_BE} None. Got "
        "LogisticRegression() instead.",
    ),
    (
        {"n_estimators": 0},
        {},
        "The 'n_estimators' parameter of DeepNetEnsembleClassifier must be an int in "
        "the range [1, inf). Got 0 instead.",
    ),
    ({}, {"X": X[:, 1:], "y": y[1:]}, UNEQUAL),
    (
        {"bootstrap": True},
        {"sample_weight": UNEVEN[:100]},
        "sample_weight must have one weight for each sample, so its shape must be "
        "(178,). Got the shape (100,) instead.",
    ),
    ({}, {"X_val": X}, "X_val is given without y_val. Give both of them or neither."),
    ({"estimator__activation": ["relu"]}, {"X": X[:, 1:]}, f"{ACTIVATIONS}for all."),
]


@pytest.mark.parametrize(("parameters", "given", "message"), ERRORS)
def test_errors_leave_the_ensemble_as_it_was(parameters, given, message):
    never, already = ensemble(net()), ensemble(net()).fit(X, y)
    members = kept_by_members(already)
    for estimator in (never, already):
        before = vars(estimator.set_params(**parameters)).copy()
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            estimator.fit(**({"X": X, "y": y} | given))
        assert vars(estimator) == before
    assert kept_by_members(already) == members


def test_a_pickle_of_another_version_warns():
    data = pickle.dumps(fitted("two classes"))
    data = data.replace(__version__.encode(), b"?" * len(__version__))
    with pytest.warns(VersionWarning, match="^This DeepNet") as caught:
        loaded = pickle.loads(data)
    assert any("DeepNetEnsembleClassifier" in str(one.message) for one in caught)
    assert kept_by_members(loaded) == kept_by_members(fitted("two classes"))


# ---- within scikit-learn


def test_parameters_of_the_members_are_set_through_the_ensemble():
    given = ensemble(net()).set_params(estimator__init="xavier", n_estimators=2)
    copy = clone(given.fit(X, y))
    assert not hasattr(copy, "estimators_")
    direct = ensemble(net(init="xavier"), n_estimators=2).fit(X, y)
    assert kept_by_members(copy.fit(X, y)) == kept_by_members(direct)


@pytest.mark.slow
def test_search_finds_the_initializer_of_the_members():
    model = make_pipeline(StandardScaler(), ensemble(net(n_iter=20)))
    name = "deepnetensembleclassifier__estimator__init"
    search = GridSearchCV(model, {name: ["zeros", "xavier"]}, cv=3).fit(FRAME, y)
    assert search.best_params_ == {name: "xavier"}
    found, direct = search.best_estimator_, model.fit(FRAME, y)
    assert kept_by_members(found[-1]) == kept_by_members(direct[-1])
    p, std = found.predict_proba(FRAME, return_std=True)
    assert p.shape == std.shape == (178, 3)


WRAPPERS = {
    "bare": lambda one: one,
    "calibrated": CalibratedClassifierCV,
    "voting": lambda one: VotingClassifier([("a", one), ("b", one)], voting="soft"),
    "stacking": lambda one: StackingClassifier([("one", one)], cv=3),
}


@pytest.mark.slow
@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
def test_others_build_on_its_probabilities(wrap):
    scoring = ["roc_auc", "neg_log_loss"]
    model = wrap(ensemble(net(n_iter=20)))
    scores = cross_validate(model, X, BINARY, scoring=scoring, cv=3)
    assert scores["test_roc_auc"].min() > 0.95
    assert scores["test_neg_log_loss"].min() > -0.4


@pytest.mark.slow
def test_an_ensemble_is_better_than_a_network_on_rows_kept_out():
    def loss(estimator):
        p = cross_val_predict(estimator, X, y, method="predict_proba")
        return log_loss(y, p)

    member = net(hidden_layer_sizes=(32, 16), n_iter=40)
    losses = [loss(clone(member).set_params(random_state=seed)) for seed in range(4)]
    assert loss(ensemble(member, n_estimators=10)) < np.mean(losses)


@pytest.mark.slow
def test_features_that_are_constant_have_no_importance():
    wider = np.column_stack([X, np.ones(178)])
    found = permutation_importance(
        ensemble(net(n_iter=20)).fit(wider, BINARY),
        *(wider, BINARY),
        scoring="roc_auc",
        n_repeats=2,
        random_state=0,
    )
    assert found.importances_mean[-1] == 0
    assert found.importances_mean.max() > 0.001


@pytest.mark.parametrize("loss", ["poisson", "squared_error"])
def test_tags_are_those_of_the_members(loss):
    member = net(DeepNetRegressor, loss=loss)
    assert get_tags(ensemble(member)).target_tags == get_tags(member).target_tags
    assert get_tags(ensemble(net())).classifier_tags == get_tags(net()).classifier_tags


# ---- validation data, bootstrap, units


def params_of(estimator):
    return [member._params.tobytes() for member in estimator.estimators_]


def test_validation_data_may_be_a_frame():
    validation = {"X_val": SCALED[::3], "y_val": LABELS[::3]}
    given = ensemble(net()).fit(SCALED, LABELS, **validation)
    values = SCALED.to_numpy()
    plain = ensemble(net()).fit(values, y, X_val=values[::3], y_val=y[::3])
    assert params_of(given) == params_of(plain)


@pytest.mark.filterwarnings("ignore:X has feature names")
def test_validation_data_must_have_the_same_columns():
    shuffled = SCALED[SCALED.columns[::-1]]
    with pytest.raises(ValueError, match="The feature names should match those that"):
        ensemble(net()).fit(SCALED, LABELS, X_val=shuffled, y_val=LABELS)


def test_bootstrap_leaves_validation_data_as_they_are():
    X_val, y_val = X[::-1] + 0.1, y[::-1]
    weight = np.arange(1.0, 179)
    given = ensemble(net(), bootstrap=True).fit(
        X, y, X_val=X_val, y_val=y_val, sample_weight_val=weight
    )
    longer = ensemble(
        net(), bootstrap=True
    ).fit(  # another row, of no weight
        X,
        y,
        X_val=np.vstack([X_val, X_val[:1]]),
        y_val=np.append(y_val, y_val[0]),
        sample_weight_val=np.append(weight, 0.0),
    )
    for one, other in zip(given.estimators_, longer.estimators_, strict=True):
        np.testing.assert_allclose(
            one.validation_loss_curve_, other.validation_loss_curve_
        )


def test_rows_are_predicted_as_among_others_by_many_members():
    many = ensemble(net(DeepNetRegressor), n_estimators=10).fit(X, NUMBERS)
    alone = np.hstack([many.predict(X[[k]], return_std=True) for k in range(178)])
    np.testing.assert_allclose(alone, many.predict(X, return_std=True), rtol=1e-11)


@pytest.mark.parametrize("kind", [DeepNetClassifier, DeepNetRegressor])
def test_rows_of_weight_0_are_no_rows_to_draw_from(kind):
    weight = np.arange(178) % 3 > 0
    given = ensemble(net(kind), bootstrap=True).fit(X, y, sample_weight=weight * 1.0)
    plain = ensemble(net(kind), bootstrap=True).fit(X[weight], y[weight])
    np.testing.assert_allclose(given.predict(X), plain.predict(X))


def test_bootstrap_misses_no_class_that_counts():
    weight = np.where(BINARY == 1, 1.0, 0.0)
    weight[np.flatnonzero(BINARY == 0)[0]] = 1.0
    net(random_state=0).fit(X, BINARY, sample_weight=weight)
    ensemble(net(), bootstrap=True).fit(X, BINARY, sample_weight=weight)


WITHOUT_A_CLASS = np.where(y == 1, 0.0, 1 + UNEVEN)


def test_a_class_without_weight_is_kept_as_a_network_keeps_it():
    weight = {"sample_weight": WITHOUT_A_CLASS}
    base = net(class_weight={1: 2.0})  # names it
    for bootstrap in (False, True):
        given = ensemble(base, bootstrap=bootstrap).fit(X, y, **weight)
        for one in [given, *given.estimators_]:
            np.testing.assert_array_equal(one.classes_, [0, 1, 2])
            assert one.predict_proba(X).shape == (178, 3)


@pytest.mark.parametrize("y", [y, INDICATOR, NUMBERS], ids=["classes", "labels", "y"])
def test_members_draw_as_many_rows_of_weight_as_there_are(y):
    kind = NotingClassifier if y is not NUMBERS else NotingRegressor
    weighs = WITHOUT_A_CLASS > 0
    members = drawn_rows(y, kind, sample_weight=WITHOUT_A_CLASS)
    for rows in members:
        drawn = rows[weighs[rows]]
        assert len(drawn) == weighs.sum()
        assert len({*drawn}) < len(drawn)
        np.testing.assert_array_equal(rows[~weighs[rows]], np.flatnonzero(~weighs))
    assert len({rows.tobytes() for rows in members}) == 3


def test_a_negative_weight_is_an_error_whether_it_is_drawn_or_not():
    for k in range(5):
        weight = np.where(np.arange(178) == k, -1.0, 1.0)
        with pytest.raises(ValueError, match="sample_weight must not be negative"):
            ensemble(net(), n_estimators=1, bootstrap=True).fit(X, y, weight)


def test_log_probabilities_have_the_dtype_of_the_networks():
    fitted = ensemble(net(dtype="float32")).fit(X, y)
    assert fitted.predict_proba(X).dtype == np.float32
    assert fitted.estimators_[0].predict_log_proba(X).dtype == np.float32
    assert fitted.predict_log_proba(X).dtype == np.float32


@pytest.mark.parametrize("unit", [2.0**-80, 2.0**80])
def test_std_is_in_the_unit_of_the_targets(unit):
    y = NUMBERS.astype(np.float32)
    base = net(DeepNetRegressor, dtype="float32")
    mean, std = ensemble(base).fit(X, y).predict(X, return_std=True)
    fitted = ensemble(base).fit(X, y * np.float32(unit))
    scaled_mean, scaled_std = fitted.predict(X, return_std=True)
    np.testing.assert_allclose(scaled_mean / unit, mean, rtol=1e-5)
    np.testing.assert_allclose(scaled_std / unit, std, rtol=1e-3)


def test_the_mean_is_finite_where_the_members_are():
    fitted = ensemble(net(DeepNetRegressor)).fit(X, NUMBERS)
    for member in fitted.estimators_:
        member._params[:] = 0
        member.target_mean_[:] = 1e308
    assert np.isfinite(fitted.estimators_[0].predict(X)).all()
    assert np.isfinite(fitted.predict(X)).all()


@pytest.mark.parametrize("bootstrap", [False, True])
def test_a_column_is_warned_of_once(bootstrap):
    with pytest.warns(DataConversionWarning) as caught:
        ensemble(net(), bootstrap=bootstrap).fit(X, y[:, np.newaxis])
    assert len(caught) == 1


def test_a_mean_of_nine_certain_members_is_no_more_than_certain():
    fitted = ensemble(net(), n_estimators=9).fit(X, BINARY)
    for member in fitted.estimators_:
        member._params[-1] = 1e3  # the last bias
    assert fitted.predict_proba(X).max() == 1


def test_wide_members_with_scalings_of_their_own_predict_alone():
    wide = np.random.RandomState(0).randn(60, 300) + X[:60, :1]
    fitted = ensemble(net(), bootstrap=True).fit(wide, np.arange(60) % 2)
    centers = [member.input_mean_ for member in fitted.estimators_]
    assert not np.array_equal(*centers[:2])
    expected = sum(member.predict_proba(wide) / 3 for member in fitted.estimators_)
    np.testing.assert_allclose(fitted.predict_proba(wide), expected, rtol=1e-12)
