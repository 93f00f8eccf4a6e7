"""Subclasses whose ``__init__`` has fewer parameters than their base class.

The parameters that it lacks are plain attributes, which ``get_params`` does not return.
"""

import copy
import pickle
import re

import numpy as np
import pytest
from sklearn.base import clone

from sklearn_deepnet import (
    DeepNetClassifier,
    DeepNetEnsembleClassifier,
    DeepNetEnsembleRegressor,
    DeepNetRegressor,
    StackedGridSearchCV,
    StackedHalvingGridSearchCV,
    check_gradients,
    compare_initializers,
    diagnose,
    fit_stack,
    save_model,
)
from sklearn_deepnet._fitting.checkpoint import EpochStore, storing_epochs
from tests.helpers import exactly, iris, raises

X, y = iris()


class Classifier(DeepNetClassifier):
    def __init__(self, alpha=1e-4, n_iter=4, solver="adam"):
        super().__init__((4,), tol=None, alpha=alpha, n_iter=n_iter, solver=solver)
        self.learning_rate = 0.001 if solver == "lbfgs" else 0.01
        self.random_state = 0


class Regressor(DeepNetRegressor):
    def __init__(self, alpha=1e-4, n_iter=4, solver="adam"):
        super().__init__((4,), tol=None, alpha=alpha, n_iter=n_iter, solver=solver)
        self.learning_rate = 0.001 if solver == "lbfgs" else 0.01
        self.random_state = 0


class OfAnyName(DeepNetClassifier):
    def __init__(self, **params):
        super().__init__((4,), n_iter=4, tol=None, random_state=0, **params)


class SmallEnsemble(DeepNetEnsembleClassifier):
    def __init__(self, n_iter=4):
        super().__init__(Classifier(), n_estimators=2, random_state=0)
        self.n_iter = n_iter
        self.estimator.n_iter = n_iter


COMMON = {"tol": None, "alpha": 1e-4, "n_iter": 4, "random_state": 0}
PAIRS = {
    "classifier": (Classifier, DeepNetClassifier),
    "regressor": (Regressor, DeepNetRegressor),
}
ENSEMBLES = {
    "classifier": DeepNetEnsembleClassifier,
    "regressor": DeepNetEnsembleRegressor,
}
GRID = {"alpha": [0.0, 1.0, 100.0]}
both = pytest.mark.parametrize("kind", PAIRS)


def plain(kind, **params):
    """Return the network of the library that has the settings of the subclass."""
    return PAIRS[kind][1]((4,), **COMMON | {"learning_rate": 0.01} | params)


def equal(net, other):
    return np.array_equal(net._params, other._params)


@both
def test_lbfgs_fits(kind):
    own = PAIRS[kind][0](solver="lbfgs").fit(X, y)
    assert equal(own, plain(kind, solver="lbfgs", learning_rate=0.001).fit(X, y))


@both
def test_lbfgs_names_the_attributes_that_it_ignores(kind):
    net = PAIRS[kind][0](solver="lbfgs")
    net.learning_rate = 0.5
    message = (
        "solver='lbfgs' does not use learning_rate=0.5. Leave these parameters at "
        "their defaults, or choose another solver."
    )
    with pytest.warns(UserWarning, match=exactly(message)):
        net.fit(X, y)


@both
def test_attributes_are_checked_like_parameters(kind):
    net = PAIRS[kind][0]()
    net.learning_rate = -1.0
    message = (
        f"The 'learning_rate' parameter of {type(net).__name__} must be a float in the "
        "range (0.0, inf). Got -1.0 instead."
    )
    with raises(message):
        net.fit(X, y)


@both
def test_checkpoint_resumes(kind, tmp_path):
    PAIRS[kind][0](n_iter=2).fit(X, y, checkpoint=tmp_path / "fit")
    net = PAIRS[kind][0]().fit(X, y, checkpoint=tmp_path / "fit")
    assert equal(net, plain(kind).fit(X, y))


@both
def test_checkpoint_sees_that_an_attribute_has_changed(kind, tmp_path):
    PAIRS[kind][0](n_iter=2).fit(X, y, checkpoint=tmp_path / "fit")
    net = PAIRS[kind][0]()
    net.learning_rate = 0.5
    difference = "learning_rate is now 0.5, and was 0.01"
    with pytest.raises(ValueError, match=re.escape(difference)):
        net.fit(X, y, checkpoint=tmp_path / "fit")


@both
@pytest.mark.parametrize("resource", ["n_iter", "n_samples"])
def test_halving_gives_the_scores_of_the_plain_network(kind, resource):
    limits = {"n_iter": (2, 8), "n_samples": (60, 150)}[resource]
    sizes = dict(zip(("min_resources", "max_resources"), limits, strict=True))
    options = {"resource": resource, "factor": 2, "cv": 2, "random_state": 0, **sizes}
    own, other = (
        StackedHalvingGridSearchCV(net, GRID, error_score="raise", **options).fit(X, y)
        for net in (PAIRS[kind][0](), plain(kind))
    )
    scores = [it.cv_results_["mean_test_score"] for it in (own, other)]
    np.testing.assert_array_equal(*scores)
    assert equal(own.best_estimator_, other.best_estimator_)


def test_a_stored_fit_leaves_the_attributes_of_the_next_round():
    nets, store = [Classifier(n_iter=2), Classifier(n_iter=4)], EpochStore()
    generators = [np.random.RandomState(0) for _ in nets]
    with storing_epochs(store):
        for net, generator in zip(nets, generators, strict=True):
            net.random_state = generator
            net.fit(X, y)
            store.begin_round()
    assert equal(nets[1], plain("classifier", random_state=0).fit(X, y))
    assert nets[1].random_state is generators[1]


@both
def test_grid_with_a_checkpoint_gives_the_scores_of_the_plain_network(kind, tmp_path):
    own, other = (
        StackedGridSearchCV(net, GRID, cv=2, error_score="raise").fit(
            X, y, checkpoint=tmp_path / type(net).__name__
        )
        for net in (PAIRS[kind][0](), plain(kind))
    )
    scores = [it.cv_results_["mean_test_score"] for it in (own, other)]
    np.testing.assert_array_equal(*scores)


@both
def test_fit_stack_equals_the_plain_network(kind):
    for net in fit_stack([PAIRS[kind][0]() for _ in range(3)], X, y):
        assert equal(net, plain(kind).fit(X, y))


@both
def test_members_of_an_ensemble_have_the_seeds_of_plain_members(kind):
    own, other = (
        ENSEMBLES[kind](net, n_estimators=2, random_state=0).fit(X, y)
        for net in (PAIRS[kind][0](), plain(kind))
    )
    assert all(map(equal, own.estimators_, other.estimators_))
    assert not equal(*own.estimators_)


def test_an_ensemble_may_be_a_subclass_as_well():
    ensemble = SmallEnsemble().fit(X, y)
    assert len(pickle.loads(pickle.dumps(ensemble)).fit(X, y).estimators_) == 2
    message = (
        "SmallEnsemble has no parameter 'n_estimators'. Its parameters are ['n_iter']."
    )
    with raises(message):
        ensemble.set_params(n_estimators=3)


@both
@pytest.mark.parametrize("fits", [False, True])
def test_diagnosis_equals_that_of_the_plain_network(kind, fits):
    own, other = PAIRS[kind][0](), plain(kind)
    if fits:
        own.fit(X, y), other.fit(X, y)
    assert str(diagnose(own, X, y)) == str(diagnose(other, X, y))
    assert check_gradients(own, X, y) == check_gradients(other, X, y)


@both
def test_initializers_are_compared(kind):
    init = {"he": {"init": "he"}, "tanh": {"activation": "tanh"}}
    options = {"init": init, "n_repeats": 2, "random_state": 0, "cv": 2}
    own, other = (
        compare_initializers(net, X, y, **options)
        for net in (PAIRS[kind][0](), plain(kind))
    )
    assert own.summarize() == other.summarize()


@both
@pytest.mark.parametrize(
    "copied",
    [clone, copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))],
)
def test_copies_fit_alike(kind, copied):
    net = PAIRS[kind][0]().fit(X, y)
    assert equal(copied(net).fit(X, y), net)


def test_a_pickle_of_an_earlier_version_gets_the_attributes_that_it_lacks():
    net = Classifier().fit(X, y)
    state = net.__getstate__()
    del state["input_scaling"], state["clip_norm"]
    loaded = object.__new__(Classifier)
    loaded.__setstate__(state)
    assert (loaded.input_scaling, loaded.clip_norm) == (None, None)
    assert loaded.fit(X, y).n_iter_ == 4


def test_variadic_parameters_are_no_attributes():
    loaded = pickle.loads(pickle.dumps(OfAnyName(alpha=0.5).fit(X, y)))
    assert "params" not in vars(loaded)
    message = "OfAnyName has no parameter 'params'. Its parameters are []."
    with raises(message):
        loaded.set_params(params=1)


@both
def test_save_model_refuses_subclasses(kind, tmp_path):
    message = (
        "save_model supports DeepNetClassifier, DeepNetEnsembleClassifier, "
        "DeepNetEnsembleRegressor, DeepNetRegressor, but not "
        f"{PAIRS[kind][0].__name__}. Use skops.io.dump or joblib.dump instead."
    )
    with raises(message, TypeError):
        save_model(PAIRS[kind][0]().fit(X, y), tmp_path / "net")
