"""The lines for NumPy alone predict the same, run as the documentation shows them."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sklearn_deepnet import DeepNetClassifier, save_model
from sklearn_deepnet.nn.numeric_features import PeriodicFeatures
from tests.helpers import cancer, wine

pytestmark = pytest.mark.slow

PAGE = (Path(__file__).parents[2] / "docs" / "production.md").read_text("utf-8")
(LINES,) = (
    block
    for block in re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    if "def load(path)" in block
)
SCRIPT = """
import sys
for name in ("sklearn", "scipy", "joblib", "sklearn_deepnet"):
    sys.modules[name] = None
%s
*network, classes = load(sys.argv[1])
p = predict_proba(*network, np.load(sys.argv[2]))
print(json.dumps([p.tolist(), classes[p.argmax(axis=1)].tolist()]))
"""


NAMES = ["a", "bc", "d"]
PERIODIC = {"numeric_features": PeriodicFeatures(3), "input_scaling": "robust"}


@pytest.mark.parametrize(
    ("data", "names", "dtype", "activation", "parameters"),
    [
        (cancer, None, "float64", "relu", {}),
        (wine, None, "float64", "tanh", {"input_scaling": "robust"}),
        (wine, None, "float32", "sigmoid", {"numeric_features": "periodic"}),
        (cancer, NAMES, "float64", "relu", {"input_scaling": None}),
        (wine, np.array(NAMES, object), "float64", "relu", {}),
        (wine, [1.0, 2.0, 7.0], "float64", "relu", PERIODIC),
    ],
)
def test_numpy_alone_predicts_the_same(
    data, names, dtype, activation, parameters, tmp_path
):
    X, y = data()
    X = (100 + 5 * X).astype(dtype)
    if names is not None:
        y = np.array(names)[y]
    net = DeepNetClassifier((6, 5), activation=activation, n_iter=3, tol=None)
    net.set_params(random_state=0, **parameters)
    save_model(net.fit(X, y), tmp_path / "net")
    np.save(tmp_path / "X.npy", X)
    command = [sys.executable, "-c", SCRIPT % LINES, tmp_path / "net"]
    done = subprocess.run(
        [*command, tmp_path / "X.npy"], capture_output=True, text=True, check=True
    )
    p, labels = json.loads(done.stdout)
    tolerance = 1e-12 if dtype == "float64" else 1e-6
    np.testing.assert_allclose(p, net.predict_proba(X), atol=tolerance)
    assert labels == net.predict(X).tolist()
