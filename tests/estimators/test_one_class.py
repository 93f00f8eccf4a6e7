"""A y of one class makes a classifier that always predicts it, and a warning."""

import pickle
import re
import warnings

import numpy as np
import onnxruntime
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier

from sklearn_deepnet import (
    DeepNetClassifier,
    DeepNetEnsembleClassifier,
    StackedGridSearchCV,
    diagnose,
    fit_stack,
    load_model,
    save_model,
    stacked,
)
from sklearn_deepnet.nn.losses import LOSSES
from sklearn_deepnet.onnx import to_onnx
from tests.helpers import cancer, network_factory, raises

net = network_factory("hidden_layer_sizes", hidden_layer_sizes=5, n_iter=4, tol=None)
X, y = cancer()[0][:120], cancer()[1][:120]
ONE = np.full(120, "only")
MESSAGE = (
    "y contains only class 'only'. The network is not trained and always predicts this "
    "class. Give samples of at least two classes."
)
warned = pytest.warns(ConvergenceWarning, match=f"^{re.escape(MESSAGE)}$")
CASES = {
    "plain": {},
    "float32": {"dtype": "float32"},
    "early stopping": {"early_stopping": True},
    "scoring": {"early_stopping": True, "scoring": "accuracy"},
    "lbfgs": {"solver": "lbfgs"},
    "weights": {"class_weight": "balanced", "label_smoothing": 0.1},
    "a weight": {"class_weight": {"only": 2.0}},
    "no hidden layer": {"hidden_layer_sizes": ()},
    "resumed": {"warm_start": True},
}


def assert_constant(fitted, label="only"):
    assert fitted.classes_.tolist() == [label]
    np.testing.assert_array_equal(fitted.predict(X), np.full(120, label))
    np.testing.assert_array_equal(fitted.predict_proba(X), np.ones((120, 1)))
    np.testing.assert_array_equal(fitted.predict_log_proba(X), np.zeros((120, 1)))
    assert fitted.score(X, np.full(120, label)) == 1


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("ensemble", [False, True])
def test_the_class_is_always_predicted(case, ensemble):
    classifier = net(**CASES[case])
    if ensemble:
        classifier = DeepNetEnsembleClassifier(classifier, n_estimators=3)
    with warned as seen:
        classifier.fit(X, ONE, sample_weight=np.arange(120) % 3)
    assert len(seen) == (3 if ensemble else 1)
    assert_constant(classifier)
    if not ensemble:
        logits = classifier.decision_function(X)
        assert logits.shape == (120, 1)
        assert (logits > 0).all()
        assert classifier.n_iter_ == 0


def test_networks_of_a_stack_are_as_alone():
    networks = [net(), net(alpha=1.0), net(early_stopping=True)]
    with warned as seen:
        fit_stack(networks, X, ONE)
    assert len(seen) == 3
    for one in networks:
        assert_constant(one)


@pytest.mark.parametrize("loss", ["log_loss", "squared_error", "focal"])
def test_one_class_has_no_gradient(loss):
    network = net(loss=LOSSES[loss], alpha=0, early_stopping=False)
    message = (
        "The only class is 'only', so the network always predicts it. To learn, a "
        "classifier requires at least two classes."
    )
    with pytest.warns(UserWarning, match=f"^{re.escape(message)}$") as seen:
        network.partial_fit(X, ONE, classes=["only"])
    assert len(seen) == 1
    before = network._params.copy()
    network.partial_fit(X, ONE)
    np.testing.assert_array_equal(network._params, before)
    assert network.loss_curve_ == [0, 0]
    assert_constant(network)


@pytest.mark.parametrize("ensemble", [False, True])
def test_no_class_is_an_error(ensemble):
    network = DeepNetEnsembleClassifier(net()) if ensemble else net()
    message = (
        "classes is empty. Give the labels of all classes that can occur in any call "
        "of partial_fit."
    )
    with raises(message):
        network.partial_fit(X, ONE, classes=[])


def test_other_classes_cannot_follow():
    with warned:
        constant = net(warm_start=True).fit(X, ONE)
    before = vars(constant).copy()
    message = (
        "The classes are now ['other'], but the network to continue has ['only']. Give "
        "samples of the same classes, or call fit with warm_start=False to start over."
    )
    with raises(message):
        constant.fit(X, np.full(120, "other"))
    assert vars(constant) == before


@pytest.mark.parametrize("tool", [MultiOutputClassifier, ClassifierChain])
@pytest.mark.parametrize("stacks", [False, True])
def test_a_column_of_one_class_does_not_stop_the_others(tool, stacks):
    columns = np.column_stack([y, np.ones_like(y)])
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        if stacks:
            with stacked():
                fitted = tool(net()).fit(X, columns)
        else:
            fitted = tool(net()).fit(X, columns)
    assert [str(it.message) for it in seen] == [MESSAGE.replace("'only'", "1")]
    alone = net().fit(X, y)
    np.testing.assert_array_equal(fitted.predict(X)[:, 0], alone.predict(X))
    np.testing.assert_array_equal(fitted.predict(X)[:, 1], np.ones(120))


@pytest.mark.filterwarnings("ignore:y contains only class")
def test_folds_of_one_class_score_as_in_the_search_of_scikit_learn():
    in_order = np.sort(y)
    given = {"cv": KFold(4), "scoring": "accuracy", "refit": False}
    grid = {"learning_rate": [0.01, 0.1]}
    theirs = GridSearchCV(net(), grid, **given).fit(X, in_order)
    ours = StackedGridSearchCV(net(), grid, **given).fit(X, in_order)
    for split in range(4):
        key = f"split{split}_test_score"
        np.testing.assert_array_equal(ours.cv_results_[key], theirs.cv_results_[key])


@pytest.mark.filterwarnings("ignore:y contains only class")
@pytest.mark.parametrize("ensemble", [False, True])
def test_copies_predict_the_class(ensemble, tmp_path):
    network = net()
    if ensemble:
        network = DeepNetEnsembleClassifier(network, n_estimators=2)
    network.fit(X, ONE)
    save_model(network, tmp_path / "model")
    for copy in (
        load_model(tmp_path / "model"),
        pickle.loads(pickle.dumps(network)),
    ):
        assert_constant(copy)
    session = onnxruntime.InferenceSession(to_onnx(network).SerializeToString())
    label, p = session.run(None, {session.get_inputs()[0].name: X})
    assert label.tolist() == ["only"] * 120
    np.testing.assert_array_equal(p, np.ones((120, 1)))
    if not ensemble:
        predictor = network.make_predictor()
        np.testing.assert_array_equal(predictor(X[:3]), np.ones((3, 1)))


@pytest.mark.filterwarnings("ignore:(y contains only|The only) class")
def test_diagnose_finds_no_fault_in_the_layers():
    found = diagnose(DeepNetClassifier(5, random_state=0).fit(X, ONE), X, ONE)
    assert not [it.name for it in found.findings if it.is_fault]
