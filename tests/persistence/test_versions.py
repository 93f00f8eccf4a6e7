"""Nets that are not fitted yet, or were saved by another version."""

import pickle
from copy import deepcopy

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import sklearn_deepnet
from sklearn_deepnet import DeepNetClassifier, VersionWarning
from tests.helpers import exactly, network_factory, wine

X, y = wine()
METHODS = ["predict", "predict_proba", "predict_log_proba", "decision_function"]
NOT_FITTED = r"^This DeepNetClassifier instance is not fitted yet\."


net = network_factory(hidden_layer_sizes=(4,), n_iter=3)


def predictions(fitted):
    return {method: getattr(fitted, method)(X) for method in METHODS}


PROPERTIES = ["coefs_", "intercepts_", "n_layers_", "n_outputs_", "n_iter_"]
PROPERTIES += ["loss_", "best_loss_", "diverged_"]


@pytest.mark.parametrize("attribute", PROPERTIES)
def test_attributes_are_missing_before_fitting(attribute):
    with pytest.raises(NotFittedError, match=NOT_FITTED):
        getattr(net(), attribute)
    assert not hasattr(net(), attribute)


@pytest.mark.parametrize("method", [*METHODS, "score"])
def test_methods_need_a_fit_first(method):
    arguments = (X, y) if method == "score" else (X,)
    with pytest.raises(NotFittedError, match=NOT_FITTED):
        getattr(net(), method)(*arguments)


def message_for(version):
    return (
        "This DeepNetClassifier was saved with another version of sklearn_deepnet "
        f"({version}) and is now loaded with {sklearn_deepnet.__version__}, so its "
        "predictions may differ. Fit it again, or load it with the version that saved "
        "it."
    )


def test_a_pickle_of_another_version_warns():
    fitted = net().fit(X, y)
    now = sklearn_deepnet.__version__.encode()
    other = b"?" * len(now)
    data = pickle.dumps(fitted).replace(now, other)
    message = message_for(other.decode())
    with pytest.warns(VersionWarning, match=exactly(message)) as caught:
        loaded = pickle.loads(data)
    assert [warning.filename for warning in caught] == [__file__]
    np.testing.assert_equal(predictions(loaded), predictions(fitted))
    assert [*vars(loaded)] == [*vars(fitted)]
    pickle.loads(pickle.dumps(loaded))  # it now bears this version


def test_a_pickle_from_before_a_parameter_takes_its_default():
    state = net(bias_init="zeros").fit(X, y).__getstate__()
    del state["bias_init"], state["_sklearn_deepnet_version"]
    old = DeepNetClassifier.__new__(DeepNetClassifier)
    with pytest.warns(VersionWarning, match=exactly(message_for("unknown"))):
        old.__setstate__(state)
    assert old.bias_init == "random"
    assert clone(old).fit(X, y).n_iter_ == 3
    assert "bias_init" not in state  # what was given is not changed


def test_copies_of_this_version_do_not_warn():
    fitted = net().fit(X, y)
    for copy in (deepcopy(fitted), clone(fitted), pickle.loads(pickle.dumps(fitted))):
        assert copy.get_params() == fitted.get_params()
