"""Models with several quantiles sort them, as the estimators do."""

import numpy as np
import onnx
import pytest
import skl2onnx
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_deepnet import DeepNetEnsembleRegressor
from sklearn_deepnet.onnx import register_converters, to_onnx
from tests.helpers import diabetes
from tests.onnx.helpers import DTYPES, assert_same_numbers, regressor, run

MANY = np.linspace(0.02, 0.98, 25).tolist()
QUANTILES = pytest.mark.parametrize("q", [0.9, [0.9], [0.1, 0.5, 0.9], MANY], ids=str)


def fitted(q, n_estimators=None):
    """Return a network, or an ensemble, whose units cross on some rows."""
    X, y = diabetes()
    net = regressor(loss="quantile", quantile=q)
    if n_estimators is not None:
        net = DeepNetEnsembleRegressor(net, n_estimators=n_estimators, random_state=0)
    return net.fit(X, y)


@DTYPES
@pytest.mark.parametrize("n_estimators", [None, 1, 3])
@QUANTILES
def test_quantiles_are_exported(q, n_estimators, dtype):
    X, _ = diabetes()
    X, net = X.astype(dtype), fitted(q, n_estimators)
    model = to_onnx(net, dtype=dtype)
    onnx.checker.check_model(model, full_check=True)
    outputs = run(model, X)
    assert_same_numbers(outputs, net, X)
    assert outputs["variable"].shape == (len(X), np.size(q))
    assert (np.diff(outputs["variable"]) >= 0).all()


def test_a_model_sorts_only_several_quantiles():
    for q, n_sorts in ((0.9, 0), ([0.9], 0), ([0.1, 0.9], 1)):
        nodes = [node.op_type for node in to_onnx(fitted(q)).graph.node]
        assert nodes.count("TopK") == n_sorts


@DTYPES
@pytest.mark.parametrize("target_opset", [13, 17, None])
@pytest.mark.parametrize("n_estimators", [None, 3])
def test_skl2onnx_converts_them(n_estimators, target_opset, dtype):
    register_converters()
    X, y = diabetes()
    X = X.astype(dtype)
    net = fitted(MANY, n_estimators)
    pipeline = make_pipeline(StandardScaler(), net).fit(X, y)
    model = skl2onnx.to_onnx(pipeline, X[:1], target_opset=target_opset)
    outputs = run(model, X)
    assert_same_numbers(outputs, pipeline, X)
    assert (np.diff(outputs["variable"]) >= 0).all()
