"""Networks, and the runs of their models, that both ways of export share."""

import numpy as np
import pytest
from onnxruntime import InferenceSession

from sklearn_deepnet import DeepNetRegressor
from tests.helpers import network_factory

ERROR = {"float32": 1e-6, "float64": 1e-12}
DTYPES = pytest.mark.parametrize("dtype", ERROR)
USUAL = {"learning_rate": 0.01, "n_iter": 5, "tol": None, "random_state": 0}

classifier = network_factory("hidden_layer_sizes", **USUAL, hidden_layer_sizes=(16, 8))
regressor = network_factory(
    "hidden_layer_sizes",
    **USUAL,
    hidden_layer_sizes=(16, 8),
    estimator=DeepNetRegressor,
)


def run(model, inputs):
    """Return the outputs by name, from an array or from the inputs by name."""
    session = InferenceSession(model.SerializeToString())
    names = [output.name for output in session.get_outputs()]
    inputs = inputs if isinstance(inputs, dict) else {"X": inputs}
    return dict(zip(names, session.run(None, inputs), strict=True))


def assert_same_classes(outputs, fitted, X):
    """Compare with the labels and probabilities that the estimator predicts."""
    assert outputs.keys() == {"label", "probabilities"}
    np.testing.assert_array_equal(outputs["label"], fitted.predict(X), strict=False)
    p = outputs["probabilities"]
    assert p.dtype == X.dtype
    atol = ERROR[X.dtype.name]
    np.testing.assert_allclose(p, fitted.predict_proba(X), rtol=0, atol=atol)


def assert_same_numbers(outputs, fitted, X):
    """Compare with the numbers that the estimator predicts."""
    (found,), expected = outputs.values(), fitted.predict(X)
    assert found.dtype == X.dtype
    assert found.ndim == 2
    atol = ERROR[X.dtype.name] * np.abs(expected).max()
    expected = expected.reshape(found.shape)
    np.testing.assert_allclose(found, expected, rtol=0, atol=atol)
