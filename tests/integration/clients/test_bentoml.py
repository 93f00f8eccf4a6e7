"""A service of BentoML predicts what the network predicts."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_deepnet import DeepNetClassifier
from tests.helpers import cancer

NET = DeepNetClassifier((6,), n_iter=5, tol=None, random_state=0)


@pytest.fixture
def bentoml(tmp_path, monkeypatch):
    """The library with a store of its own, which it chooses when it is imported."""
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path))
    monkeypatch.setenv("BENTOML_DO_NOT_TRACK", "True")
    import bentoml

    return bentoml


def test_a_pipeline_from_the_store_predicts_the_same_bits(bentoml):
    X, y = cancer()
    model = make_pipeline(StandardScaler(), clone(NET)).fit(X, y)
    saved = bentoml.sklearn.save_model("network", model)
    loaded = bentoml.sklearn.load_model(saved.tag)
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


def test_a_service_answers_with_the_probabilities_of_the_network(bentoml):
    from starlette.testclient import TestClient

    X, y = cancer()
    net = clone(NET).fit(X, y)
    predictor = net.make_predictor()

    @bentoml.service
    class Classifier:
        @bentoml.api
        def predict(self, rows: list[list[float]]) -> list[list[float]]:
            return predictor(np.array(rows)).tolist()

    with TestClient(Classifier.to_asgi()) as client:
        answer = client.post("/predict", json={"rows": X[:3].tolist()})
    np.testing.assert_array_equal(answer.json(), net.predict_proba(X[:3]))
