"""What MLPClassifier and MLPRegressor get wrong, row by row, and not here.

scikit-learn's own checks pass with every one of these faults present.
"""

import inspect
import pickle
import warnings

import numpy as np
import pytest
from scipy.special import expit
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss

from sklearn_deepnet import (
    DeepNetClassifier,
    DeepNetRegressor,
    DivergenceWarning,
    VersionWarning,
)
from sklearn_deepnet._fitting.prepare import prepare
from sklearn_deepnet.nn.optimizers import Adam
from sklearn_deepnet.nn.schedules import InvScaling, Plateau
from tests.helpers import (
    assert_same_training,
    cancer,
    diabetes,
    digits,
    network_factory,
    wine,
)

FIRST_ORDER = ["sgd", "momentum", "nesterov", "rmsprop", "adam", "adamw"]


USUAL = {"hidden_layer_sizes": (8,), "n_iter": 10, "learning_rate": 0.01}
net_for = network_factory("n_iter", "hidden_layer_sizes", "estimator", **USUAL)


# ---- divergence


def test_divergence_stops_at_its_epoch_and_advises_less_not_more():
    X, y = cancer()
    net = net_for(50, (20, 20), solver="sgd", learning_rate=1e9, tol=1e-4)
    with pytest.warns(
        DivergenceWarning, match=r" Lower learning_rate \(now 1e\+09\)\.$"
    ):
        net.fit(X, y)
    assert net.n_iter_ < 3
    assert net.diverged_


@pytest.mark.parametrize("batch_size", [None, 50])
def test_divergence_with_early_stopping_returns_no_absurd_model(batch_size):
    X, y = diabetes()
    net = net_for(50, (20, 20), DeepNetRegressor, solver="sgd", learning_rate=1e9)
    net.set_params(early_stopping=True, batch_size=batch_size)
    with pytest.warns(DivergenceWarning):
        net.fit(X, y)
    assert net.score(X, y) > -100


def test_divergence_of_a_classifier_is_seen_in_the_loss_not_in_labels():
    X, y = cancer()
    net = net_for(50, (20, 20), solver="sgd", learning_rate=1e9, batch_size=None)
    with pytest.warns(DivergenceWarning):
        net.set_params(early_stopping=True).fit(X, y)
    assert log_loss(y, net.predict_proba(X)) < 1e3


# ---- validation split


def test_validation_split_leaves_every_class_a_row_to_train_on():
    X, y = wine()
    X, y = X[:122], y[:122].copy()
    y[-2:] = 7
    counts = []
    for seed in range(60):
        net = DeepNetClassifier((2,), early_stopping=True, random_state=seed)
        train = prepare(net, X, y).job.dataset
        counts.append(np.sum(y[train.rows] == 7))
    assert len(counts) == 60
    assert min(counts) >= 1


def test_validation_split_is_stratified_for_more_than_two_classes():
    X, y = digits()
    seen = []

    def scoring(estimator, X, y):
        seen.append(y)
        return 0.0

    net_for(1, early_stopping=True, scoring=scoring).fit(X, y)
    share = np.bincount(seen[0], minlength=10) / np.bincount(y)
    np.testing.assert_allclose(share, 0.1, atol=0.005)


@pytest.mark.parametrize("estimator", [DeepNetClassifier, DeepNetRegressor])
def test_validation_fraction_of_zero_is_refused_at_once(estimator):
    net = net_for(estimator=estimator, early_stopping=True, validation_fraction=0.0)
    with pytest.raises(ValueError, match="'validation_fraction' parameter"):
        net.fit(*wine())


# ---- warm start


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_warm_start_has_patience_again():
    X, y = wine()
    net = net_for(100, tol=1e9, n_iter_no_change=4, warm_start=True)
    assert net.fit(X, y).n_iter_ == 5
    assert net.fit(X, y).n_iter_ == 5 + 4


def test_warm_start_does_not_change_weights_that_were_handed_out():
    X, y = cancer()
    net = net_for(5, warm_start=True, early_stopping=True).fit(X, y)
    handed_out, kept = net.coefs_, [W.copy() for W in net.coefs_]
    copy = pickle.loads(pickle.dumps(net))
    net.fit(X, y)
    for W, expected in zip(handed_out, kept, strict=True):
        np.testing.assert_array_equal(W, expected)
    np.testing.assert_array_equal(copy.coefs_[0], kept[0])


@pytest.mark.parametrize("hidden", [(9,), (8, 8), ()])
def test_warm_start_with_other_layers_is_a_clear_error(hidden):
    X, y = wine()
    net = net_for(warm_start=True).fit(X, y).set_params(hidden_layer_sizes=hidden)
    with pytest.raises(ValueError, match=r"^hidden_layer_sizes is now .* has \[8\]\."):
        net.fit(X, y)


@pytest.mark.parametrize("solver", FIRST_ORDER)
def test_warm_start_keeps_moments_and_random_state(solver):
    X, y = wine()
    net = net_for(3, warm_start=True, solver=solver, batch_size=32, dropout=0.2)
    whole = clone(net).set_params(n_iter=6).fit(X, y)
    assert_same_training(net.fit(X, y).fit(X, y), whole)


# ---- resume


@pytest.mark.parametrize("batch_size", [None, 32])
def test_resume_by_four_partial_fits_is_a_fit_of_four(batch_size):
    X, y = wine()
    net = net_for(4, batch_size=batch_size)
    whole = clone(net).fit(X, y)
    for _ in range(4):
        net.partial_fit(X, y, classes=[0, 1, 2])
    assert_same_training(net, whole)


def test_resume_does_not_replay_the_same_order():
    X, y = wine()
    seen = []

    class Watcher:
        n_moments, decouples_decay = 0, False

        def step(self, buffers, learning_rate, n_steps):
            seen.append(buffers.gradient.copy())  # of parameters that stay as they are

    net = net_for(solver=Watcher(), batch_size=90)
    for _ in range(2):
        net.partial_fit(X, y, classes=[0, 1, 2])
    assert len(seen) == 4
    assert not np.allclose(seen[0], seen[2])


def test_resume_heeds_a_learning_rate_set_between_calls():
    X, y = wine()
    net = net_for(1, solver="sgd", warm_start=True, batch_size=None).fit(X, y)
    W = net.coefs_[0].copy()
    moves = []
    for learning_rate in (1e-6, 2e-6):
        again = pickle.loads(pickle.dumps(net)).set_params(learning_rate=learning_rate)
        moves.append(again.fit(X, y).coefs_[0] - W)
    np.testing.assert_allclose(moves[1], 2 * moves[0], rtol=1e-6, atol=1e-13)
    assert np.any(moves[0])


def test_resume_that_raises_leaves_nothing_behind():
    X, y = wine()
    net = net_for()
    before = vars(net).copy()
    with pytest.raises(ValueError, match="not among the classes"):
        net.partial_fit(X, y, classes=[0, 1])
    assert vars(net) == before


# ---- counting


def test_counting_stops_after_five_epochs_without_progress():
    X, y = wine()
    net = net_for(100, tol=0, n_iter_no_change=5, learning_rate=0.3, batch_size=20)
    net.fit(X, y)
    assert net.n_iter_ < 100
    assert net.n_iter_ == np.argmin(net.loss_curve_) + 1 + 5


def test_counting_agrees_after_partial_fit():
    X, y = wine()
    net = net_for(3, warm_start=True).fit(X, y)
    for n_epochs in (4, 5):
        net.partial_fit(X, y)
        assert net.n_iter_ == len(net.loss_curve_) == n_epochs


# ---- penalty


def test_penalty_does_not_depend_on_the_batch_size():
    X, y = cancer()
    norms = []
    for batch_size in (10, 200):
        n_iter = 2000 * batch_size // 570  # the same number of updates
        net = net_for(n_iter, (), solver="sgd", alpha=50.0, batch_size=batch_size)
        net.set_params(learning_rate=0.1, schedule="cosine").fit(X, y)
        norms.append(np.sum(net.coefs_[0] ** 2))
    assert norms[0] == pytest.approx(norms[1], rel=0.02)


# ---- weights


def test_weights_of_zero_for_a_whole_batch_are_no_error():
    X, y = wine()
    order = np.random.RandomState(0).permutation(178)
    X, y, weight = X[order], y[order], (np.arange(178) >= 64).astype(float)
    net = net_for(batch_size=32, shuffle=False).fit(X, y, sample_weight=weight)
    assert_same_training(net, net_for(batch_size=32, shuffle=False).fit(X[64:], y[64:]))


@pytest.mark.parametrize("estimator", [DeepNetClassifier, DeepNetRegressor])
def test_weights_below_zero_are_refused(estimator):
    X, y = wine()
    with pytest.raises(ValueError, match="sample_weight must not be negative"):
        net_for(estimator=estimator).fit(X, y, sample_weight=np.r_[-1, np.ones(177)])


def test_weights_that_are_small_move_the_network_little():
    X, y = diabetes()
    weight = np.where(np.arange(442) < 221, 1.0, 0.001)
    moves = []
    for rows in (slice(0, 221), slice(221, 442)):
        net = net_for(0, (), DeepNetRegressor, solver="sgd", batch_size=221)
        net.set_params(shuffle=False, alpha=0, target_scaling=None, init="zeros")
        net.set_params(n_iter=1, learning_rate=1e-6)
        light = np.where(np.isin(np.arange(442), np.arange(442)[rows]), weight, 1e-30)
        net.fit(X, y, sample_weight=light * weight.sum() / light.sum())
        moves.append(np.linalg.norm(net.coefs_[0]))
    both = net_for(1, (), DeepNetRegressor, solver="sgd", batch_size=221, alpha=0)
    both.set_params(shuffle=False, target_scaling=None, init="zeros")
    both.set_params(learning_rate=1e-6).fit(X, y, sample_weight=weight)
    assert np.linalg.norm(both.coefs_[0]) == pytest.approx(moves[0], rel=0.01)


# ---- one class


def test_one_class_is_reported():
    X, y = wine()
    message = r"^y contains only class 1\. The network is not trained and always "
    with pytest.warns(ConvergenceWarning, match=message):
        fitted = net_for().fit(X[y == 1], y[y == 1])
    np.testing.assert_array_equal(fitted.predict_proba(X), np.ones((178, 1)))


# ---- log-probabilities


def test_log_probabilities_are_finite_where_probabilities_are_zero():
    X, y = cancer()
    net = net_for(200, solver="lbfgs", learning_rate=0.001, alpha=0).fit(X, y)
    p, log_p = net.predict_proba(X * 100), net.predict_log_proba(X * 100)
    assert np.any(p == 0)
    assert np.isfinite(log_p).all()
    p = expit(net.decision_function(X))
    np.testing.assert_allclose(net.predict_proba(X)[:, 1], p, rtol=1e-12)


# ---- float32


@pytest.mark.parametrize("solver", [*FIRST_ORDER, "lbfgs"])
@pytest.mark.parametrize("estimator", [DeepNetClassifier, DeepNetRegressor])
def test_float32_is_kept_in_weights_and_moments(estimator, solver):
    X, y = wine()
    rate = 0.001 if solver == "lbfgs" else 0.01
    net = net_for(2, estimator=estimator, solver=solver, learning_rate=rate)
    net.set_params(warm_start=True).fit(X.astype(np.float32), y)
    assert {array.dtype.name for array in net.coefs_ + net.intercepts_} == {"float32"}
    moments = net._training_state["state"]["moments"]
    assert {moment.dtype.name for moment in moments} <= {"float32"}


# ---- best


def test_best_epoch_is_reported_where_the_last_weights_stay():
    X, y = cancer()
    net = net_for(20, solver="sgd", learning_rate=4.0, batch_size=50).fit(X, y)
    assert net.best_iter_ == np.argmin(net.loss_curve_) < net.n_iter_ - 1
    assert net.best_loss_ == net.loss_curve_[net.best_iter_] < net.loss_
    described = " ".join(inspect.getdoc(DeepNetClassifier).split())
    assert "Whether to restore the weights of the best epoch" in described


# ---- pickle


@pytest.mark.parametrize("early_stopping", [False, True])
def test_pickle_holds_little_more_than_the_weights(early_stopping):
    X, y = digits()
    net = net_for(5, (100, 50), early_stopping=early_stopping).fit(X, y)
    n_bytes = sum(array.nbytes for array in net.coefs_ + net.intercepts_)
    curves = len(net.loss_curve_) + len(net.validation_loss_curve_ or [])
    assert len(pickle.dumps(net)) <= 1.2 * (n_bytes + 8 * curves) + 8000


def test_pickle_of_another_version_warns(monkeypatch):
    net = net_for(2).fit(*wine())
    monkeypatch.setattr("sklearn_deepnet.estimators.mixins.__version__", "0.0.0.other")
    other = pickle.dumps(net)
    monkeypatch.undo()
    with pytest.warns(VersionWarning, match=r"sklearn_deepnet \(0.0.0.other\)"):
        pickle.loads(other)


# ---- schedules


class Recorder:
    """Records learning rates, and leaves the weights as they are."""

    n_moments, decouples_decay = 0, False

    def __init__(self):
        self.rates = []

    def step(self, buffers, learning_rate, n_steps):
        self.rates.append(float(learning_rate[0]))


@pytest.mark.parametrize("n_rows", [50, 178])
def test_schedules_count_epochs_not_samples(n_rows):
    X, y = wine()
    solver = Recorder()
    net = net_for(3, solver=solver, learning_rate=0.1, schedule=InvScaling(0.5))
    net.set_params(batch_size=n_rows).fit(X[-n_rows:], y[-n_rows:] % 2)
    np.testing.assert_allclose(
        solver.rates, [0.1, 0.1 / 2**0.5, 0.1 / 3**0.5], rtol=1e-12
    )


def test_schedules_by_progress_are_as_documented():
    solver = Recorder()
    net = net_for(7, solver=solver, learning_rate=1.0, batch_size=None)
    net.set_params(schedule=Plateau(patience=2)).fit(*wine())  # the weights stay
    assert solver.rates == [1, 1, 1, 0.5, 0.5, 0.25, 0.25]


# ---- silence


def test_silence_is_broken_where_the_solver_ignores_parameters():
    net = net_for(2, solver="lbfgs", learning_rate=0.3, schedule="cosine")
    message = r"^solver='lbfgs' does not use learning_rate=0\.3, schedule='cosine'\. "
    with pytest.warns(UserWarning, match=message):
        net.fit(*wine())


def test_silence_is_impossible_where_settings_sit_on_the_solver():
    with pytest.raises(TypeError, match="momentum"):
        Adam(momentum=0.9)
    with pytest.raises(TypeError, match="momentum"):
        DeepNetClassifier(momentum=0.9)


def test_silence_of_lbfgs_about_early_stopping_and_its_losses():
    X, y = cancer()
    net = net_for(200, solver="lbfgs", learning_rate=0.001, early_stopping=True)
    net.set_params(tol=1e-4, alpha=0).fit(X, y)
    assert 1 < net.n_iter_ < 200
    assert len(net.loss_curve_) == len(net.validation_loss_curve_) == net.n_iter_


def test_silence_is_kept_where_nothing_is_wrong():
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        net_for(2, tol=None).fit(*wine())


# ---- predict


def test_predict_needs_memory_for_a_block_not_for_the_matrix(peak_of):
    X, y = wine()
    net = net_for(1, (100, 50)).fit(X, y)
    many = np.tile(X, (400, 1))  # 57 MB of activations at once
    assert peak_of(lambda: net.predict(many)) < 2e7


@pytest.mark.parametrize("estimator", [DeepNetClassifier, DeepNetRegressor])
def test_predict_is_never_nan_but_an_error(estimator):
    X, y = wine()
    net = net_for(20, (8, 8), estimator).fit(X, y)
    with np.errstate(all="ignore"):  # scikit-learn sums X
        assert np.isfinite(net.predict(np.full((1, 13), 1e300))).all()
        with pytest.raises(ValueError, match=r"^The outputs of the network overflow "):
            net.predict(np.full((1, 13), 1.7e308))


def test_predict_raises_no_floating_point_errors():
    X, y = cancer()
    net = net_for(50).fit(X, y)
    with np.errstate(all="raise"):
        for outputs in (net.predict_proba(X * 1e3), net.predict_log_proba(X * 1e3)):
            assert np.isfinite(outputs).all()
        net.predict(X * 1e3)


# ---- signature


@pytest.mark.parametrize("estimator", [DeepNetClassifier, DeepNetRegressor])
def test_signature_takes_layers_first_and_all_else_by_name(estimator):
    assert estimator((5,)).hidden_layer_sizes == (5,)
    first, *rest = inspect.signature(estimator).parameters.values()
    assert first.name == "hidden_layer_sizes"
    assert {parameter.kind for parameter in rest} == {inspect.Parameter.KEYWORD_ONLY}
    with pytest.raises(TypeError, match="accepts only hidden_layer_sizes as a"):
        estimator((5,), "relu")


# ---- regressor


def test_regressor_averages_over_outputs_in_value_as_in_gradient():
    X, y = diabetes()
    Y = np.c_[y, y**2, np.sqrt(y)]
    net = net_for(1, (), DeepNetRegressor, solver="sgd", batch_size=None, alpha=0)
    net.set_params(learning_rate=1e-4)
    start, moved = clone(net).set_params(n_iter=0).fit(X, Y), clone(net).fit(X, Y)
    Z = (Y - Y.mean(axis=0)) / Y.std(axis=0)
    error = X @ start.coefs_[0] + start.intercepts_[0] - Z
    assert moved.loss_ == pytest.approx(np.mean(error**2) / 2, rel=1e-10)
    slope = X.T @ error / error.size
    step = start.coefs_[0] - moved.coefs_[0]
    np.testing.assert_allclose(step, 1e-4 * slope, rtol=1e-6, atol=1e-12)


def test_regressor_says_that_it_takes_several_outputs():
    assert DeepNetRegressor().__sklearn_tags__().target_tags.multi_output
