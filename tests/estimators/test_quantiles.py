"""Quantiles: a parameter, several at once that never cross, and all it touches."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import make_friedman1
from sklearn.linear_model import QuantileRegressor
from sklearn.metrics import d2_pinball_score, mean_pinball_loss, r2_score
from sklearn.model_selection import cross_val_predict
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_deepnet import (
    DeepNetClassifier,
    DeepNetEnsembleRegressor,
    DeepNetRegressor,
    ModelFileError,
    fit_stack,
    load_model,
    save_model,
)
from sklearn_deepnet._engine.network import Network, count_params
from sklearn_deepnet._engine.propagation import Propagation
from sklearn_deepnet.inspection import check_gradients, diagnose
from sklearn_deepnet.nn import losses
from sklearn_deepnet.nn.activations import tanh
from tests.helpers import (
    assert_same_training,
    diabetes,
    exactly,
    in_two,
    network_factory,
    raises,
)

THREE = [0.05, 0.5, 0.95]
MANY = np.linspace(0.02, 0.98, 25)
USUAL = {"hidden_layer_sizes": (8,), "n_iter": 8, "learning_rate": 0.01}
USUAL |= {"estimator": DeepNetRegressor, "loss": "quantile"}
net_for = network_factory("quantile", "n_iter", **USUAL)


def noisy(n_samples=300):
    """Return few samples of a hard function, with noise that depends on X."""
    X, y = make_friedman1(n_samples, n_features=5, random_state=0)
    return X, y + 5 * X[:, 3] * np.random.RandomState(1).randn(n_samples)


def mean_loss(y, predicted, quantiles):
    columns = zip(quantiles, predicted.T, strict=True)
    return np.mean([mean_pinball_loss(y, p, alpha=q) for q, p in columns])


def pinball(y, predicted, quantiles):
    """Return the mean over the quantiles, for each row."""
    d = predicted - y[:, np.newaxis]
    return np.mean(np.where(d > 0, 1 - quantiles, -quantiles) * d, axis=1)


def unsorted(net, X):
    """Return what the output units say, in the units of y."""
    return net._logits(X) * net.target_scale_ + net.target_mean_


# ---- the parameter


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("q", [0.9, np.float64(0.9), THREE, np.array(THREE), (0.3,)])
def test_the_parameter_equals_the_loss_object(q, dtype):
    X, y = diabetes()
    by_name, by_object = (
        net_for(dtype=dtype, **params).fit(X, y)
        for params in ({"quantile": q}, {"loss": losses.quantile(q)})
    )
    assert_same_training(by_name, by_object)
    np.testing.assert_array_equal(by_name.predict(X), by_object.predict(X))
    np.testing.assert_array_equal(by_name.quantiles_, np.ravel(q))
    np.testing.assert_array_equal(by_object.quantiles_, np.ravel(q))


def test_the_default_is_the_median():
    X, y = diabetes()
    assert DeepNetRegressor().quantile == 0.5
    expected = net_for(loss=losses.quantile(0.5)).fit(X, y)
    assert_same_training(net_for().fit(X, y), expected)
    assert net_for(loss="squared_error").fit(X, y).quantiles_ is None


@pytest.mark.parametrize(
    ("q", "name"),
    [
        (np.float64(0.9), "quantile(0.9)"),
        (np.array(THREE), "quantile([0.05, 0.5, 0.95])"),
        ((0.5,), "quantile([0.5])"),
        (np.float64(0.5), "quantile"),
    ],
)
def test_numbers_of_numpy_are_written_like_floats(q, name):
    loss = losses.quantile(q)
    assert repr(loss) == name
    assert loss == losses.quantile(np.asarray(q).tolist())
    assert loss.identity.setting == pytest.approx(q)


@pytest.mark.parametrize("q", [0.9, THREE])
def test_clones_and_settings_keep_it(q):
    X, y = diabetes()
    net = net_for(q)
    assert clone(net).get_params()["quantile"] == q
    again = DeepNetRegressor().set_params(**net.get_params())
    assert_same_training(again.fit(X, y), net.fit(X, y))
    assert not net_for(THREE).__sklearn_tags__().target_tags.multi_output
    several = net_for(loss=losses.quantile(THREE)).__sklearn_tags__()
    assert not several.target_tags.multi_output
    assert net_for(0.9).__sklearn_tags__().target_tags.multi_output
    assert net_for(THREE, loss="huber").__sklearn_tags__().target_tags.multi_output
    of_ensemble = DeepNetEnsembleRegressor(net_for(THREE)).__sklearn_tags__()
    assert not of_ensemble.target_tags.multi_output
    of_ensemble = DeepNetEnsembleRegressor(net_for(0.9)).__sklearn_tags__()
    assert of_ensemble.target_tags.multi_output


@pytest.mark.parametrize("loss", ["huber", losses.quantile(0.9), losses.quantile()])
def test_a_quantile_that_is_not_used_is_a_warning(loss):
    X, y = diabetes()
    message = (
        f"loss={loss!r} does not use quantile=[0.1, 0.9]. Leave quantile at its "
        "default, or set loss='quantile'."
    )
    with pytest.warns(UserWarning, match=exactly(message)):
        net = net_for([0.1, 0.9], loss=loss).fit(X, y)
    assert_same_training(net, net_for(loss=loss).fit(X, y))
    net_for(0.5, loss=loss).fit(X, y)  # does not warn


@pytest.mark.parametrize(
    "q", [[], [0.9, 0.1], [0.5, 0.5], [0.5, 1.0], [[0.1], [0.2]], {0.5}, {0.5: 1}]
)
def test_other_sequences_are_an_error(q):
    message = (
        "quantile must be a number in (0, 1), or an increasing sequence of such "
        f"numbers. Got {q!r} instead."
    )
    with raises(message):
        net_for(q).fit(*diabetes())


def test_several_quantiles_of_several_columns_are_an_error():
    X, y = diabetes()
    message = (
        "Several quantiles, [0.1, 0.9], require y with a single column. Got y of the "
        "shape (442, 2). Train a network for each column, or give a single quantile."
    )
    with raises(message):
        net_for([0.1, 0.9]).fit(X, np.c_[y, y])


def test_classifiers_have_no_quantiles():
    known = ["focal", "log_loss", "squared_error"]
    message = (
        "loss=quantile is not supported for the logistic outputs of "
        f"DeepNetClassifier. Choose one of {known}."
    )
    X, y = diabetes()
    with raises(message):
        DeepNetClassifier(loss="quantile").fit(X, y > 100)


class NarrowNet(DeepNetRegressor):
    def __init__(self, n_iter=8):
        super().__init__((8,), loss="quantile", quantile=THREE, n_iter=n_iter)
        self.learning_rate, self.tol, self.random_state = 0.01, None, 0


def test_a_subclass_may_choose_the_quantiles():
    X, y = diabetes()
    narrow = clone(NarrowNet()).fit(X, y)
    assert_same_training(narrow, net_for(THREE).fit(X, y))


# ---- training


def test_each_unit_has_the_loss_of_its_quantile():
    rng = np.random.RandomState(0)
    Z, y = rng.randn(2, 3, 40), rng.randn(1, 40)
    grad, scratch = Z.copy(), np.empty((3, *Z.shape))
    values = losses.quantile(THREE).identity(grad, y, scratch)
    for unit, q in enumerate(THREE):
        one, one_scratch = Z[:, [unit]].copy(), np.empty((3, 2, 1, 40))
        expected = losses.quantile(q).identity(one, y, one_scratch)
        np.testing.assert_allclose(values[:, [unit]], expected / 3, rtol=1e-14)
        np.testing.assert_allclose(grad[:, [unit]], one / 3, rtol=1e-14)


@pytest.mark.parametrize("stack_shape", [(), (2,)])
def test_gradient_is_the_slope_of_the_loss(stack_shape):
    sizes, rng = (3, 4, 3), np.random.RandomState(1)
    params = rng.randn(*stack_shape, count_params(sizes))
    inputs = rng.randn(4, 7)
    inputs[-1] = 1
    target, weight = rng.randn(1, 7), rng.rand(1, 7)  # all units share the row
    network = Network(sizes, [tanh], params)
    propagation = Propagation(network, losses.quantile(THREE).identity)
    propagation.loss_and_gradient(inputs, inputs.T, target, weight)
    gradient = propagation.gradient.copy()
    for i in np.ndindex(params.shape):
        middle = params[i]
        params[i] = middle + 1e-6
        above = np.sum(propagation.loss(inputs, target, weight))
        params[i] = middle - 1e-6
        slope = (above - np.sum(propagation.loss(inputs, target, weight))) / 2e-6
        params[i] = middle
        assert gradient[i] == pytest.approx(slope, rel=1e-5, abs=1e-8)


def test_check_gradients_passes():
    X, y = diabetes()
    for net in (net_for(THREE), net_for(THREE, n_iter=2).fit(X, y)):
        assert check_gradients(net, X[:50], y[:50]).passed


@pytest.mark.slow
def test_the_optimum_is_that_of_quantile_regression():
    X, y = diabetes()
    net = net_for([0.1, 0.5, 0.9], 4000, hidden_layer_sizes=(), alpha=0)
    predicted = net.set_params(batch_size=None, schedule="cosine").fit(X, y).predict(X)
    for q, column in zip(net.quantiles_, predicted.T, strict=True):
        model = QuantileRegressor(quantile=q, alpha=0).fit(X, y)
        best = mean_pinball_loss(y, model.predict(X), alpha=q)
        assert mean_pinball_loss(y, column, alpha=q) < 1.01 * best
        assert np.mean(y <= column) == pytest.approx(q, abs=0.03)


def test_the_loss_is_averaged_over_the_quantiles():
    X, y = noisy()
    net = net_for(THREE, 1, batch_size=None, alpha=0)
    before = unsorted(clone(net).set_params(n_iter=0).fit(X, y), X)
    expected = mean_loss(y, before, THREE) / y.std()
    assert net.fit(X, y).loss_curve_[0] == pytest.approx(expected, rel=1e-12)


def test_validation_measures_the_same_loss():
    X, y, validation = in_two(*noisy(), 200)
    net = net_for(THREE, restore_best=False).fit(X, y, **validation)
    given = validation["y_val"], unsorted(net, validation["X_val"])
    expected = mean_loss(*given, THREE) / net.target_scale_[0]
    assert net.validation_loss_curve_[-1] == pytest.approx(expected, rel=1e-12)


def test_scores_of_validation_data_see_sorted_quantiles():
    X, y, validation = in_two(*noisy(), 200)
    net = net_for(MANY, 3, scoring=lambda net, X, y: net.score(X, y))
    net.set_params(restore_best=False).fit(X, y, **validation)
    score = net.score(validation["X_val"], validation["y_val"])
    assert net.validation_scores_[-1] == pytest.approx(score, rel=1e-12)


@pytest.mark.parametrize("q", [0.9, THREE])
def test_weight_two_is_the_row_twice_and_zero_is_no_row(q):
    X, y = (array[:60] for array in diabetes())
    times = np.random.RandomState(0).randint(0, 3, 60)
    net = net_for(q, batch_size=None, alpha=0)
    weighted = clone(net).fit(X, y, sample_weight=times)
    repeated = clone(net).fit(np.repeat(X, times, axis=0), np.repeat(y, times))
    assert_same_training(weighted, repeated, rtol=1e-9)
    net.set_params(batch_size=16)
    with_zeros = clone(net).fit(X, y, sample_weight=times > 0)
    without = clone(net).fit(X[times > 0], y[times > 0])
    assert_same_training(with_zeros, without)


def test_y_is_not_repeated(peak_of):
    n_samples, n_quantiles = 200_000, 40
    X = np.random.RandomState(0).rand(n_samples, 2)
    y = X[:, 0]
    options = {"batch_size": 256, "hidden_layer_sizes": (), "dtype": "float32"}

    def used(q):
        return peak_of(lambda: net_for(q, 1, **options).fit(X, y))

    quantiles = np.linspace(0.1, 0.9, n_quantiles)
    assert used(quantiles) - used(0.5) < 4 * n_samples  # one copy in float32


def test_a_stack_equals_its_members_trained_alone(unbroken_stacks):
    X, y = noisy(100)
    nets = [net_for(THREE, random_state=seed, batch_size=32) for seed in range(3)]
    nets += [net_for([0.1, 0.5, 0.9], random_state=seed) for seed in range(2)]
    alone = [clone(net).fit(X, y) for net in nets]
    for net, expected in zip(fit_stack(nets, X, y), alone, strict=True):
        assert_same_training(net, expected)
        np.testing.assert_array_equal(net.predict(X), expected.predict(X))
    assert sorted(unbroken_stacks) == [2, 3]


# ---- predictions


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_quantiles_never_cross(dtype):
    X, y = noisy()
    net = net_for(MANY, dtype=dtype, learning_rate=0.05).fit(X, y)
    for rows in (X, 10 * X, -X):
        assert (np.diff(unsorted(net, rows)) < 0).any()
        predicted = net.predict(rows)
        assert predicted.shape == (len(X), 25)
        assert predicted.dtype == dtype
        assert (np.diff(predicted) >= 0).all()


@pytest.mark.parametrize("n_iter", [0, 2, 20])
def test_sorting_never_raises_the_pinball_loss(n_iter):
    X, y = noisy()
    net = net_for(MANY, n_iter).fit(X, y)
    for rows, truth in ((X, y), (-X, y), (X, y[::-1])):
        before, after = (
            pinball(truth, predicted, MANY)
            for predicted in (unsorted(net, rows), net.predict(rows))
        )
        assert (after <= before * (1 + 1e-12)).all()
        assert (after < before).any()


def test_a_sequence_of_one_is_a_column():
    X, y = diabetes()
    one, several = net_for(0.3).fit(X, y), net_for([0.3]).fit(X, y)
    np.testing.assert_array_equal(several.predict(X), one.predict(X)[:, np.newaxis])
    assert several.score(X, y) == pytest.approx(one.score(X, y), rel=1e-12)


def test_what_is_fitted_says_which_quantiles():
    X, y = noisy(60)
    net = net_for(THREE).fit(X, y)
    before = net.predict(X)
    net.set_params(loss="squared_error", quantile=0.5)
    np.testing.assert_array_equal(net.predict(X), before)
    assert net.quantiles_.tolist() == THREE
    assert net.n_outputs_ == 3
    assert net.target_mean_.shape == net.target_scale_.shape == (1,)


@pytest.mark.parametrize("weigh", [False, True])
@pytest.mark.parametrize("ensemble", [False, True])
def test_the_score_of_several_is_the_mean_d2(ensemble, weigh):
    X, y = noisy()
    weight = np.random.RandomState(0).rand(len(y)) if weigh else None
    model = net_for(THREE)
    if ensemble:
        model = DeepNetEnsembleRegressor(model, n_estimators=2, random_state=0)
    predicted = model.fit(X, y).predict(X)
    options = {"sample_weight": weight}
    expected = [
        d2_pinball_score(y, column, alpha=q, **options)
        for q, column in zip(THREE, predicted.T, strict=True)
    ]
    assert model.score(X, y, **options) == pytest.approx(np.mean(expected), rel=1e-14)
    model = model.set_params(**{f"{'estimator__' * ensemble}quantile": 0.95}).fit(X, y)
    expected = r2_score(y, model.predict(X), **options)
    assert model.score(X, y, **options) == pytest.approx(expected, rel=1e-14)


def test_predictor_predicts_the_same():
    X, y = noisy()
    net = net_for(MANY).fit(X, y)
    predictor = net.make_predictor()
    for rows in (X, X[:1], X[:50]):
        np.testing.assert_array_equal(predictor(rows), net.predict(rows))
    again = pickle.loads(pickle.dumps(predictor))
    np.testing.assert_array_equal(again(X), net.predict(X))


def test_an_ensemble_averages_sorted_quantiles():
    X, y = noisy()
    model = DeepNetEnsembleRegressor(net_for(MANY, 2), n_estimators=3, random_state=0)
    mean, std = model.fit(X, y).predict(X, return_std=True)
    of_members = [member.predict(X) for member in model.estimators_]
    np.testing.assert_allclose(mean, np.mean(of_members, axis=0), rtol=1e-13)
    np.testing.assert_allclose(std, np.std(of_members, axis=0), rtol=1e-9)
    assert (np.diff(mean) >= 0).all()
    np.testing.assert_array_equal(model.quantiles_, MANY)


def test_a_file_of_members_with_other_quantiles_is_refused(tmp_path):
    X, y = noisy()
    model = DeepNetEnsembleRegressor(net_for(THREE, 2), n_estimators=2, random_state=0)
    model.fit(X, y).estimators_[1].fit(X, y)
    save_model(model, tmp_path / "net")
    load_model(tmp_path / "net")
    model.estimators_[1].set_params(quantile=[0.1, 0.5, 0.9]).fit(X, y)
    save_model(model, tmp_path / "net")
    with pytest.raises(
        ModelFileError, match="the members of its ensemble are not alike"
    ):
        load_model(tmp_path / "net")


# ---- targets


@pytest.mark.parametrize("target_scaling", ["standard", None])
def test_a_constant_y_is_learned(target_scaling):
    X, y = diabetes()
    net = net_for(THREE, 300, target_scaling=target_scaling, schedule="cosine")
    predicted = net.fit(X, np.full_like(y, 0.25)).predict(X)
    atol = 0 if target_scaling else 0.05
    np.testing.assert_allclose(predicted, 0.25, atol=atol)


def test_the_unit_of_y_changes_nothing():
    X, y = diabetes()
    plain, scaled = net_for(THREE).fit(X, y), net_for(THREE).fit(X, 1e6 * y - 7)
    np.testing.assert_allclose(scaled.loss_curve_, plain.loss_curve_, rtol=1e-9)
    expected = 1e6 * plain.predict(X) - 7
    np.testing.assert_allclose(scaled.predict(X), expected, rtol=1e-6)


def test_a_stream_may_begin_with_a_constant_y():
    X, y = diabetes()
    net = net_for(THREE)
    for _ in range(2):
        net.partial_fit(X[:50], np.full(50, 100.0))
    before = net.predict(X)
    np.testing.assert_allclose(before, 100)
    twin = pickle.loads(pickle.dumps(net)).partial_fit(X, y)
    assert net.partial_fit(X, y).target_scale_ == pytest.approx(y.std())
    np.testing.assert_array_equal(net.predict(X), twin.predict(X))


# ---- to go on


@pytest.mark.parametrize("batch_size", [None, 32])
@pytest.mark.parametrize("q", [0.9, THREE])
def test_going_on_is_never_to_have_stopped(q, batch_size):
    X, y = diabetes()
    net = net_for(q, 6, batch_size=batch_size, warm_start=True)
    whole = clone(net).fit(X, y)
    part = pickle.loads(pickle.dumps(clone(net).set_params(n_iter=2).fit(X, y)))
    assert_same_training(part.set_params(n_iter=4).fit(X, y), whole)
    parts = net_for(q, batch_size=batch_size)
    for _ in range(6):
        parts.partial_fit(X, y)
    assert_same_training(parts, whole)
    np.testing.assert_array_equal(parts.predict(X), whole.predict(X))


ONE = "one value for each column of y"


@pytest.mark.parametrize("call", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    ("before", "now", "names"),
    [
        (THREE, [0.1, 0.9], ("a sequence of 3 quantiles", "a sequence of 2 quantiles")),
        (THREE, 0.5, ("a sequence of 3 quantiles", ONE)),
        (0.5, THREE, (ONE, "a sequence of 3 quantiles")),
        (0.5, [0.5], (ONE, "a sequence of 1 quantile")),
    ],
)
def test_another_number_of_quantiles_is_an_error(before, now, names, call):
    X, y = diabetes()
    net = net_for(before, 2, warm_start=True).fit(X, y).set_params(quantile=now)
    message = (
        f"The network to continue predicts {names[0]}, but loss='quantile' with "
        f"quantile={now!r} predicts {names[1]}. Keep their number, or call fit with "
        "warm_start=False to start over."
    )
    attributes = dict(vars(net))
    with raises(message):
        getattr(net, call)(X, y)
    assert vars(net) == attributes


def test_three_columns_do_not_become_three_quantiles():
    X, y = diabetes()
    net = (
        net_for(0.5, warm_start=True).fit(X, np.c_[y, y, y]).set_params(quantile=THREE)
    )
    with pytest.raises(
        ValueError, match="predicts one value for each column of y, but"
    ):
        net.fit(X, y)


def test_other_quantiles_may_be_learned_next():
    X, y = noisy()
    net = net_for([0.4, 0.6], 100, warm_start=True, learning_rate=0.02).fit(X, y)
    narrow = np.diff(net.predict(X)).mean()
    net.set_params(quantile=[0.1, 0.9]).fit(X, y)
    assert net.quantiles_.tolist() == [0.1, 0.9]
    assert np.diff(net.predict(X)).mean() > 2 * narrow


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_losses_of_other_quantiles_are_not_compared():
    """Those of 0.98 are lower than any of the median, which would never improve."""
    X, y, validation = in_two(*noisy(), 200)
    net = net_for(0.98, 60, warm_start=True, learning_rate=0.03)
    net.fit(X, y, **validation)
    n_before, low = net.n_iter_, min(net.validation_loss_curve_)
    net.set_params(quantile=0.5, n_iter=10, tol=1e-4, n_iter_no_change=3)
    net.fit(X, y, **validation)
    losses_since = net.validation_loss_curve_[n_before:]
    assert min(losses_since) > low
    assert len(losses_since) > 3
    assert net.best_iter_ == n_before + np.argmin(losses_since)


def test_a_network_of_other_quantiles_does_not_disturb_a_checkpoint(tmp_path):
    X, y, validation = in_two(*noisy(), 200)
    whole = net_for(THREE, 6).fit(X, y, **validation)
    path = tmp_path / "fit.safetensors"
    net_for(THREE, 4).fit(X, y, checkpoint=path, **validation)
    other = net_for([0.4, 0.5, 0.6], 6).fit(X, y).set_params(quantile=THREE)
    assert_same_training(other.fit(X, y, checkpoint=path, **validation), whole)


def test_a_checkpoint_continues(tmp_path):
    X, y = diabetes()
    whole = net_for(THREE, 6).fit(X, y)
    path = tmp_path / "fit.safetensors"
    net_for(THREE, 2).fit(X, y, checkpoint=path)
    assert_same_training(net_for(THREE, 6).fit(X, y, checkpoint=path), whole)
    with pytest.raises(ValueError, match=r"quantile is now 0\.5, and was \[0\.05, 0"):
        net_for(0.5, 6).fit(X, y, checkpoint=path)


# ---- from before


def test_a_pickle_from_before_predicts_and_goes_on_as_it_did():
    X, y = diabetes()
    net = net_for(n_iter=3, warm_start=True).fit(X, y)
    state = net.__getstate__()
    for name in ("quantile", "_quantiles"):
        del state[name]
    old = DeepNetRegressor.__new__(DeepNetRegressor)
    old.__setstate__(state)
    assert old.quantile == 0.5
    assert old.quantiles_ is None
    np.testing.assert_array_equal(old.predict(X), net.predict(X))
    assert old.score(X, y) == net.score(X, y)
    assert_same_training(old.fit(X, y), net.fit(X, y))
    assert old.quantiles_.tolist() == [0.5]


# ---- inspection


@pytest.mark.parametrize("target_scaling", ["standard", None])
def test_diagnosis_knows_the_constant(target_scaling):
    X, y = noisy()
    y = y / y.std()
    net = net_for(THREE, 100, target_scaling=target_scaling).fit(X, y)
    by_name = {finding.name: finding for finding in diagnose(net, X, y).findings}
    constant = np.quantile(y, THREE, method="inverted_cdf") + np.zeros((len(y), 1))
    ratio = mean_loss(y, unsorted(net, X), THREE) / mean_loss(y, constant, THREE)
    found = by_name["loss relative to the best constant prediction"]
    assert found.value == pytest.approx(ratio, rel=1e-12)
    assert not found.is_fault
    assert diagnose(net_for(THREE, target_scaling=target_scaling), X, y).findings


# ---- scikit-learn's own tools


def test_pipelines_and_cross_validation_keep_the_columns():
    X, y = diabetes()
    pipeline = make_pipeline(StandardScaler(), net_for(THREE, 2))
    predicted = cross_val_predict(pipeline, X, y, cv=3)
    assert predicted.shape == (442, 3)
    assert (np.diff(predicted) >= 0).all()


def test_transformed_targets_keep_the_order():
    X, y = noisy()
    y = np.exp(y / 10)
    net = net_for(THREE)
    model = TransformedTargetRegressor(net, func=np.log, inverse_func=np.exp).fit(X, y)
    expected = np.exp(clone(net).fit(X, np.log(y)).predict(X))
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-12)


def test_several_columns_have_a_network_each():
    X, y = diabetes()
    both = MultiOutputRegressor(net_for(0.9)).fit(X, np.c_[y, -y]).predict(X)
    expected = [net_for(0.9).fit(X, truth).predict(X) for truth in (y, -y)]
    np.testing.assert_array_equal(both, np.transpose(expected))


def test_one_quantile_of_several_columns_is_that_of_each():
    X, y = diabetes()
    net = net_for(0.9, 300, schedule="cosine").fit(X, np.c_[y, -y])
    assert net.quantiles_.tolist() == [0.9]
    below = np.mean(np.c_[y, -y] <= net.predict(X), axis=0)
    np.testing.assert_allclose(below, 0.9, atol=0.02)
