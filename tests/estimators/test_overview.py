"""The HTML form of a fitted network shows its layers and its training."""

import re
from functools import partial

import numpy as np
import pytest
import sklearn
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.fixes import parse_version

from sklearn_deepnet import (
    DeepNetClassifier,
    DeepNetEnsembleClassifier,
    DeepNetRegressor,
)
from tests.helpers import network_factory, weights

pytestmark = pytest.mark.skipif(
    parse_version(sklearn.__version__) < parse_version("1.9"),
    reason="scikit-learn shows fitted attributes from 1.9",
)
X, y = load_iris(return_X_y=True)


net = network_factory(
    "n_iter", "estimator", hidden_layer_sizes=(8, 4), learning_rate=0.05
)


def points_of(html):
    (points,) = re.findall(r'<polyline points="([^"]*)"', html)
    return np.array([point.split(",") for point in points.split()], float)


@pytest.mark.parametrize(
    ("estimator", "summary"),
    [
        (DeepNetClassifier, "Layers 4 → 8 → 4 → 3: 91 parameters"),
        (DeepNetRegressor, "Layers 4 → 8 → 4 → 1: 81 parameters"),
        (
            partial(DeepNetRegressor, numeric_features="periodic"),
            "Layers 4 → 20 → 8 → 4 → 1: 241 parameters",
        ),
    ],
)
def test_layers_and_number_of_parameters_are_shown(estimator, summary):
    fitted = net(3, estimator).fit(X, y)
    n_parameters = sum(array.size for array in weights(fitted))
    assert summary in fitted._repr_html_()
    assert summary.endswith(f" {n_parameters} parameters")


def test_the_curve_falls_as_the_loss_does():
    fitted = net(60).fit(X, y)
    x, height = points_of(fitted._repr_html_()).T
    loss = np.array(fitted.loss_curve_)
    np.testing.assert_allclose(x, np.linspace(0, 240, 60), atol=0.06)
    fallen = (loss.max() - loss) / np.ptp(loss)  # a drawing counts from its top
    np.testing.assert_allclose(height, 1 + 58 * fallen, atol=0.06)
    caption = f"Loss from {loss[0]:.3g} to {loss[-1]:.3g} in 60 epochs"
    assert caption in fitted._repr_html_()


def test_a_long_curve_keeps_its_ends_in_few_points():
    fitted = DeepNetClassifier((), n_iter=1000, tol=None, random_state=0).fit(X, y)
    points = points_of(fitted._repr_html_())
    assert len(points) == 200
    np.testing.assert_array_equal(points[[0, -1], 0], [0, 240])


@pytest.mark.parametrize("n_iter", [0, 1])
def test_no_curve_is_drawn_of_less_than_two_epochs(n_iter):
    html = net(n_iter).fit(X, y)._repr_html_()
    assert "91 parameters" in html
    assert "<polyline" not in html


def test_a_constant_loss_is_a_level_line():
    fitted = net(5).set_params(learning_rate=1e-300, batch_size=None).fit(X, y)
    assert len({*fitted.loss_curve_}) == 1
    assert len({*points_of(fitted._repr_html_())[:, 1]}) == 1


def test_a_pipeline_shows_its_network_s():
    html = make_pipeline(StandardScaler(), net(3)).fit(X, y)._repr_html_()
    assert "91 parameters" in html
    assert html.count("<polyline") == 1


def test_the_table_of_fitted_attributes_is_scikit_learns_own():
    html = net(3).fit(X, y)._repr_html_()
    assert "Fitted attributes" in html
    assert "n_iter_" in html


def test_a_network_that_is_not_fitted_shows_neither():
    html = net(3)._repr_html_()
    assert "Layers" not in html
    assert "<polyline" not in html


def test_a_fitted_ensemble_is_shown_with_the_network_that_is_not_fitted():
    ensemble = DeepNetEnsembleClassifier(net(3), n_estimators=2).fit(X, y)
    html = ensemble._repr_html_()
    assert "n_estimators" in html
    assert "Layers" not in html  # of the network given; only its clones are fitted
