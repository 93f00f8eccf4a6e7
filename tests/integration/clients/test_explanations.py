"""SHAP, LIME and eli5 explain predictions of networks and ensembles."""

import numpy as np
import pytest
import shap
from eli5.sklearn import PermutationImportance
from lime.lime_tabular import LimeTabularExplainer
from sklearn.inspection import permutation_importance
from sklearn.metrics import accuracy_score

from sklearn_deepnet import (
    DeepNetClassifier,
    DeepNetEnsembleRegressor,
    DeepNetRegressor,
)
from tests.helpers import cancer, diabetes, wine


@pytest.mark.parametrize("estimator", [DeepNetRegressor, DeepNetEnsembleRegressor])
def test_shap_values_sum_to_the_prediction_less_the_base(estimator):
    X, y = diabetes()
    net = estimator(random_state=0).fit(X, y)
    explanation = shap.Explainer(net.predict, X[:50], seed=0)(X[:5])
    total = explanation.base_values + explanation.values.sum(axis=1)
    np.testing.assert_allclose(total, net.predict(X[:5]))
    np.testing.assert_allclose(explanation.base_values, net.predict(X[:50]).mean())


def test_shap_values_of_probabilities_sum_to_those_of_each_class():
    X, y = wine()
    net = DeepNetClassifier((8,), n_iter=30, tol=None, random_state=0).fit(X, y)
    explanation = shap.Explainer(net.predict_proba, X, seed=0)(X[:3])
    total = explanation.base_values + explanation.values.sum(axis=1)
    np.testing.assert_allclose(total, net.predict_proba(X[:3]), atol=1e-12)


def test_shap_values_of_a_linear_network_are_those_of_its_formula():
    X, y = diabetes()
    net = DeepNetRegressor((), n_iter=20, tol=None, random_state=0).fit(X, y)
    slopes = net.predict(np.eye(10)) - net.predict(np.zeros((1, 10)))
    explanation = shap.Explainer(net.predict, X[:50], seed=0)(X[:3])
    np.testing.assert_allclose(explanation.values, slopes * (X[:3] - X[:50].mean(0)))


def test_lime_explains_the_probability_of_the_network():
    X, y = cancer()
    net = DeepNetClassifier((8,), n_iter=30, tol=None, random_state=0).fit(X, y)
    explainer = LimeTabularExplainer(X, discretize_continuous=False, random_state=0)
    row = X[0]
    explanation = explainer.explain_instance(row, net.predict_proba, num_features=30)
    # LIME predicts the row among others, where BLAS may take another kernel for it.
    np.testing.assert_allclose(
        explanation.predict_proba, net.predict_proba(X[:1])[0], rtol=1e-12
    )
    # The local model has the signs of the gradient of the probability, where it counts.
    steps = 0.5 * np.eye(30)
    gradient = (
        net.predict_proba(row + steps)[:, 1] - net.predict_proba(row - steps)[:, 1]
    )
    for column, weight in explanation.as_map()[1][:5]:
        assert np.sign(weight) == np.sign(gradient[column])


def test_eli5_finds_the_permutation_importance_of_scikit_learn():
    X, y = wine()
    net = DeepNetClassifier((8,), learning_rate=0.01, random_state=0).fit(X, y)
    found = PermutationImportance(net, random_state=0, n_iter=30, cv="prefit").fit(X, y)
    expected = permutation_importance(net, X, y, n_repeats=30, random_state=0)
    importance = found.feature_importances_
    np.testing.assert_allclose(importance, expected.importances_mean, atol=0.02)
    assert importance.argmax() == expected.importances_mean.argmax()
    assert accuracy_score(y, found.predict(X)) == net.score(X, y)
