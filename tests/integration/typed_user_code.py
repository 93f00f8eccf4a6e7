"""What a user may write, as type checkers see it; checked, and never run.

A line that must be refused ends with ``# refused``.
"""

from pathlib import Path
from typing import Any, assert_type

import numpy as np
import pandas as pd
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.pipeline import make_pipeline

import sklearn_deepnet
from sklearn_deepnet import (
    Checkpoint,
    DeepNetClassifier,
    DeepNetEnsembleClassifier,
    DeepNetEnsembleRegressor,
    DeepNetRegressor,
    Diagnosis,
    GradientCheck,
    InitializerComparison,
    LossCurveDisplay,
    StackedGridSearchCV,
    check_gradients,
    compare_initializers,
    diagnose,
    fit_stack,
    load_model,
    make_table_pipeline,
    save_model,
    stacked,
)
from sklearn_deepnet.nn.activations import Activation, relu
from sklearn_deepnet.nn.initializers import InitializerName, he
from sklearn_deepnet.nn.losses import focal, huber, quantile
from sklearn_deepnet.nn.numeric_features import PeriodicFeatures
from sklearn_deepnet.nn.optimizers import LBFGS, Adam
from sklearn_deepnet.nn.schedules import Step
from sklearn_deepnet.onnx import to_onnx

Floats = NDArray[np.floating[Any]]
X: NDArray[np.float64] = np.zeros((4, 2))
y: NDArray[np.int64] = np.array([0, 1, 0, 1])


# ---- results

net = DeepNetClassifier((16, 8), random_state=0)
assert_type(net.fit(X, y), DeepNetClassifier)
assert_type(net.partial_fit(X, y, classes=[0, 1]), DeepNetClassifier)
assert_type(net.set_params(alpha=1.0), DeepNetClassifier)
assert_type(net.fit(X, y).predict(X), NDArray[Any])
assert_type(net.predict_proba(X), Floats)
assert_type(net.predict_log_proba(X), Floats)
assert_type(net.decision_function(X), Floats)
assert_type(net.hidden_activations(X), Floats)
assert_type(net.score(X, y), float)
assert_type(net.coefs_, list[Floats])
assert_type(net.loss_curve_, list[float])
assert_type(net.validation_scores_, list[float] | None)
assert_type(net.best_iter_, int | None)
assert_type(net.n_iter_, int)
assert_type(net.classes_, NDArray[Any])
assert_type(net.make_predictor()(X), Floats)

regressor = DeepNetRegressor()
assert_type(regressor.fit(X, y), DeepNetRegressor)
assert_type(regressor.partial_fit(X, y), DeepNetRegressor)
assert_type(regressor.fit(X, y).predict(X), Floats)
assert_type(regressor.score(X, y), float)
assert_type(regressor.target_mean_, Floats)

ensemble = DeepNetEnsembleClassifier(net, n_estimators=8)
assert_type(ensemble.fit(X, y), DeepNetEnsembleClassifier)
assert_type(ensemble.fit(X, y).predict(X), NDArray[Any])
assert_type(ensemble.predict_proba(X), Floats)
assert_type(ensemble.predict_proba(X, return_std=True), tuple[Floats, Floats])
assert_type(ensemble.score(X, y), float)
assert_type(ensemble.estimators_, list[DeepNetClassifier])
assert_type(DeepNetEnsembleRegressor.recipe(alpha=1.0), DeepNetRegressor)
assert_type(DeepNetEnsembleRegressor().fit(X, y).predict(X), Floats)
assert_type(
    DeepNetEnsembleRegressor().fit(X, y).predict(X, return_std=True),
    tuple[Floats, Floats],
)

assert_type(fit_stack([net, DeepNetClassifier()], X, y), list[DeepNetClassifier])
assert_type(diagnose(net, X, y), Diagnosis)
assert_type(diagnose(net, X, y).faults[0].advice, str)
assert_type(compare_initializers(net, X, y), InitializerComparison)
assert_type(compare_initializers(net, X, y).scores["he"], Floats)
assert_type(check_gradients(net, X, y), GradientCheck)
assert_type(check_gradients(net, X, y).passed, bool)
assert_type(LossCurveDisplay.from_estimator(net), LossCurveDisplay)
assert_type(sklearn_deepnet.inspection.diagnose(net, X, y), Diagnosis)

save_model(net, Path("net.safetensors"))
loaded = load_model("net.safetensors")
loaded.predict(X)
if isinstance(loaded, DeepNetClassifier):
    probabilities: Floats = loaded.predict_proba(X)
onnx_model: bytes = to_onnx(net, dtype="float32").SerializeToString()

search = StackedGridSearchCV(net, {"init": ["he", "xavier"]})
assert_type(search.fit(X, y, checkpoint="search.records"), StackedGridSearchCV)
assert_type(search.best_score_, float)
assert_type(search.best_params_, dict[str, Any])
assert_type(search.fit(X, y).predict(X), NDArray[Any])
with stacked(n_jobs=2, checkpoint=Checkpoint("search.records")) as context:
    assert_type(context.summary.stack_sizes, list[int])


# ---- data

net.fit(pd.DataFrame({"a": [1.0, 2.0]}), pd.Series(["no", "yes"]))
net.fit(pl.DataFrame({"a": [1.0, 2.0]}), pl.Series(["no", "yes"]))
net.fit(csr_matrix(X), y).predict(csr_matrix(X))
net.fit([[1.0], [2.0]], ["no", "yes"], X_val=[[1.0]], y_val=["no"])
net.fit(X, y, sample_weight=[1, 2, 1, 1], checkpoint=Path("net.safetensors"))
make_table_pipeline(net).fit(pd.DataFrame({"a": [1.0, 2.0]}), [0, 1])
make_pipeline(net).fit(X, y)


# ---- parameters

DeepNetClassifier(16, activation="tanh", init="xavier", solver="adamw")
DeepNetClassifier([16, 8], activation=["relu", relu], init=["he", he, "zeros"])
DeepNetClassifier(np.array([16, 8]), init=[X, y, X, y], dropout=[0.1, 0.2])
DeepNetClassifier(solver=Adam(beta1=0.8), schedule=Step(every=20), loss=focal(1.5))
DeepNetClassifier(solver=LBFGS(), schedule=lambda epoch: 0.99**epoch)
DeepNetClassifier(batch_size=None, early_stopping="auto", n_iter_no_change=20)
DeepNetClassifier(class_weight="balanced", dtype="float32", scoring="roc_auc")
DeepNetClassifier(class_weight={"no": 1, "yes": 2}, dtype=np.float32)
DeepNetClassifier(class_weight=[{0: 1, 1: 2}], dtype=np.dtype("float32"))
DeepNetClassifier(numeric_features="periodic", input_scaling="robust")
DeepNetClassifier(random_state=np.random.RandomState(0), tol=None, verbose=True)
DeepNetRegressor(numeric_features=PeriodicFeatures(8), input_scaling=None)
DeepNetRegressor(loss=huber(2.0), target_scaling=None, bias_init="zeros")
DeepNetRegressor(loss="quantile", schedule="onecycle", batch_size=64)
DeepNetRegressor(loss="quantile", quantile=[0.1, 0.9])
DeepNetRegressor(loss="quantile", quantile=np.linspace(0.1, 0.9, 9))
DeepNetRegressor(loss=quantile((0.1, 0.5)), quantile=0.5)


names: list[InitializerName] = ["he", "xavier"]
nets = [DeepNetClassifier(init=name) for name in names]


def layer_of(activation: Activation) -> DeepNetClassifier:
    return DeepNetClassifier(activation=activation)


# ---- mistakes

DeepNetClassifier(activation="rellu")  # refused
DeepNetClassifier(activation=["relu", "rellu"])  # refused
DeepNetClassifier(init="hee")  # refused
DeepNetClassifier(bias_init="ones")  # refused
DeepNetClassifier(solver="adamm")  # refused
DeepNetClassifier(solver=Adam)  # refused
DeepNetClassifier(loss="huber")  # refused
DeepNetRegressor(loss="log_loss")  # refused
DeepNetClassifier(schedule="cosin")  # refused
DeepNetClassifier(input_scaling="minmax")  # refused
DeepNetRegressor(target_scaling="robust")  # refused
DeepNetClassifier(numeric_features="fourier")  # refused
DeepNetClassifier(batch_size="full")  # refused
DeepNetClassifier(early_stopping="yes")  # refused
DeepNetClassifier(n_iter_no_change="all")  # refused
DeepNetClassifier(class_weight="equal")  # refused
DeepNetClassifier(dtype="float16")  # refused
DeepNetClassifier(max_iter=200)  # refused
DeepNetClassifier((16,), "relu")  # refused
DeepNetEnsembleClassifier(n_member=8)  # refused
net.fit(X)  # refused
net.fit(X, y, checkpoint=3)  # refused
to_onnx(net, dtype="float16")  # refused
sklearn_deepnet.DeepNetClasifier  # refused  # noqa: B018
