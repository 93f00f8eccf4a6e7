"""Displays plot the curves and layers of the networks they are given."""

import copy

import matplotlib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal, assert_equal
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_deepnet import (
    DeepNetEnsembleClassifier,
    LayerDisplay,
    LossCurveDisplay,
)
from sklearn_deepnet.nn import functional as F
from tests.helpers import cancer, iris, network_factory

matplotlib.use("Agg")
import matplotlib.pyplot as plt

X_raw = load_breast_cancer().data
X, y = cancer()


@pytest.fixture(autouse=True)
def _figures_are_closed():
    yield
    plt.close("all")


net = network_factory("hidden_layer_sizes", hidden_layer_sizes=(8, 5), n_iter=12)


# ---- curves


def test_curves_of_one_estimator_are_drawn():
    fitted = net().fit(X, y)
    display = LossCurveDisplay.from_estimator(fitted)
    (line,) = display.lines_
    assert_array_equal(line.get_ydata(), fitted.loss_curve_)
    assert_array_equal(line.get_xdata(), np.arange(1, 13))
    assert line.get_label() == "DeepNetClassifier"
    assert display.ax_.get_yscale() == "log"
    assert display.figure_ is display.ax_.figure


def test_curves_of_the_members_of_an_ensemble_are_drawn():
    fitted = DeepNetEnsembleClassifier(net(), n_estimators=3).fit(X, y)
    for estimator in (fitted, Pipeline([("all", fitted)])):
        display = LossCurveDisplay.from_estimator(estimator, name="net")
        for k, line in enumerate(display.lines_):
            assert_array_equal(line.get_ydata(), fitted.estimators_[k].loss_curve_)
            assert line.get_label() == f"net {k}"
        assert len(display.lines_) == 3
    with pytest.raises(NotFittedError):
        LossCurveDisplay.from_estimator(DeepNetEnsembleClassifier())


def test_validation_is_dashed_and_its_best_is_a_dot():
    fitted = net(early_stopping=True, learning_rate=0.1, n_iter=40).fit(X, y)
    display = LossCurveDisplay.from_estimator(fitted, name="net")
    training, validation = display.lines_
    assert validation.get_linestyle() == "--"
    assert validation.get_color() == training.get_color()
    assert validation.get_label() == "net, validation"
    assert_array_equal(validation.get_ydata(), fitted.validation_loss_curve_)
    dot = display.ax_.lines[-1]
    best = fitted.best_iter_
    assert dot.get_xdata() == [best + 1]
    assert dot.get_ydata() == [min(fitted.validation_loss_curve_)]


def test_curves_of_several_estimators_are_drawn_together():
    fitted = {
        "plain": net().fit(X, y),
        "stopped": net(early_stopping=True).fit(X, y),
        "scaled": make_pipeline(StandardScaler(), net(n_iter=5)).fit(X_raw, y),
    }
    _, ax = plt.subplots()
    display = LossCurveDisplay.from_estimators(fitted, ax=ax)
    assert display.ax_ is ax
    labels = [line.get_label() for line in display.lines_]
    assert labels == [*fitted, "stopped, validation"]
    assert_array_equal(display.lines_[2].get_ydata(), fitted["scaled"][-1].loss_curve_)
    numbered = LossCurveDisplay.from_estimators([*fitted.values()])
    assert [*numbered.loss_curves] == ["0", "1", "2"]
    assert numbered.plot(ax) is numbered


def test_curves_differ_without_colors():
    curves = {f"net {number}": np.full(5, 1.0 + number) for number in range(7)}
    validation = {"net 1": np.ones(5)}
    display = LossCurveDisplay(
        loss_curves=curves, validation_loss_curves=validation, best_iters={"net 1": 0}
    ).plot()
    markers = [line.get_marker() for line in display.lines_]
    assert markers[0] == ""
    assert len({*markers[:7]}) == 7
    assert "o" not in markers  # which marks the best epoch
    assert markers[7] == markers[1]


def test_losses_that_are_not_positive_have_a_linear_axis():
    curves = {"net": np.array([1.0, 0.0, -1.0])}
    display = LossCurveDisplay(
        loss_curves=curves, validation_loss_curves={}, best_iters={}
    )
    assert display.plot().ax_.get_yscale() == "linear"


def test_an_estimator_without_curves_raises():
    with pytest.raises(NotFittedError):
        LossCurveDisplay.from_estimator(net())
    with pytest.raises(TypeError, match=r"^estimator must be a DeepNetClassifier or "):
        LossCurveDisplay.from_estimator(LogisticRegression())


# ---- layers


def test_layers_are_those_of_the_network():
    fitted = net().fit(X, y)
    before = copy.deepcopy(vars(fitted))
    display = LayerDisplay.from_estimator(fitted, X, y)
    assert_equal(vars(fitted), before)
    for layer, activations in enumerate(display.activations):
        assert_allclose(activations.T, fitted.hidden_activations(X, layer), rtol=1e-12)
    p = fitted.predict_proba(X)[:, 1]
    assert_allclose(display.gradients[-1][0], p - y, rtol=1e-9, atol=1e-15)
    parameters = {}
    for number, (W, b) in enumerate(
        zip(fitted.coefs_, fitted.intercepts_, strict=True), start=1
    ):
        parameters |= {f"W{number}": W.T, f"b{number}": b[:, np.newaxis]}
    _, caches = F.forward_propagation(X.T, parameters)
    grads = F.backward_propagation(y[np.newaxis], caches)
    for number in (1, 2):
        dZ = grads[f"dA{number}"] * (caches[number - 1].Z > 0)
        expected = len(y) * dZ
        assert_allclose(display.gradients[number - 1], expected, rtol=1e-7, atol=1e-12)


def test_updates_are_those_of_the_next_step():
    start = net(solver="sgd", learning_rate=0.5, batch_size=None, warm_start=True)
    start.set_params(n_iter=3).fit(X, y)
    display = LayerDisplay.from_estimator(start, X, y)
    weights = [W.copy() for W in start.coefs_]
    start.set_params(n_iter=1).fit(X, y)
    for W, after, update in zip(weights, start.coefs_, display.updates, strict=True):
        expected = (after - W).T / np.sqrt(np.mean(W**2))
        assert_allclose(update, expected, rtol=1e-9, atol=1e-15)


def test_up_to_a_thousand_rows_are_drawn_evenly_spaced():
    X_large, y_large = np.tile(X, (4, 1)), np.tile(y, 4)
    display = LayerDisplay.from_estimator(net(n_iter=0).fit(X, y), X_large, y_large)
    rows = np.linspace(0, len(X_large) - 1, 1000).astype(int)
    expected = net(n_iter=0).fit(X, y).hidden_activations(X_large[rows], 0)
    assert_allclose(display.activations[0].T, expected, rtol=1e-12)


def test_an_unfitted_network_is_drawn_at_its_initial_weights():
    unfitted = net(random_state=4)
    display = LayerDisplay.from_estimator(unfitted, X, y)
    start = clone(unfitted).set_params(n_iter=0).fit(X, y)
    assert_allclose(display.activations[1].T, start.hidden_activations(X), rtol=1e-12)


def test_a_line_is_the_histogram_of_a_layer():
    display = LayerDisplay.from_estimator(net(), X, y)
    activations, gradients, updates = display.axes_
    assert len(activations.lines) == 2
    assert len(gradients.lines) == len(updates.lines) == 3
    assert gradients.get_xscale() == updates.get_xscale() == "log"
    for line in (*activations.lines, *gradients.lines, *updates.lines):
        assert np.sum(line.get_ydata()) == pytest.approx(1)
    a = display.activations[0]
    share, edges = np.histogram(a[a != 0], 60)
    assert_allclose(activations.lines[0].get_ydata(), share / share.sum())
    assert_allclose(activations.lines[0].get_xdata(), (edges[1:] + edges[:-1]) / 2)
    labels = [text.get_text() for text in gradients.get_legend().get_texts()]
    assert labels == ["layer 1", "layer 2", "layer 3"]


CASES = {
    "no hidden layer": net(()),
    "zeros": net(init="zeros", bias_init="zeros"),
    "l-bfgs": net(solver="lbfgs"),
    "softmax": net(),
}


@pytest.mark.parametrize("case", CASES)
def test_any_network_is_drawn(case):
    data = iris() if case == "softmax" else (X, y)
    _, axes = plt.subplots(1, 3)
    display = LayerDisplay.from_estimator(CASES[case], *data, axes=axes)
    assert display.figure_ is axes[0].figure
    display.figure_.canvas.draw()


def test_a_pipeline_is_drawn_as_its_network():
    pipeline = make_pipeline(StandardScaler(), net()).fit(X_raw, y)
    display = LayerDisplay.from_estimator(pipeline, X_raw, y)
    expected = pipeline[-1].hidden_activations(pipeline[:-1].transform(X_raw))
    assert_allclose(display.activations[1].T, expected, rtol=1e-12)
