"""Patience that suits the number of steps, and a warning if nothing was learned."""

import warnings

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss, mean_pinball_loss
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from sklearn_deepnet import DeepNetClassifier, DeepNetRegressor, fit_stack
from sklearn_deepnet._fitting.convergence import loss_of_constant
from sklearn_deepnet._fitting.prepare import prepare
from sklearn_deepnet.nn.losses import LOSSES
from tests.helpers import (
    cancer,
    diabetes,
    epochs_until_patience_ends,
    in_two,
    iris,
    network_factory,
    wine_labels,
)

X, y = cancer()
BALANCED = np.sort(np.append(np.flatnonzero(y == 1)[:212], np.flatnonzero(y == 0)))

net = network_factory("hidden_layer_sizes", hidden_layer_sizes=(8,), tol=1e-4)


def messages_of(fit):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit()
    return [str(warning.message) for warning in caught]


# ---- patience


@pytest.mark.parametrize(
    ("n_rows", "batch_size", "expected"),
    [(60, "auto", 100), (569, "auto", 34), (569, 50, 10), (569, None, 100)],
)
def test_patience_is_at_least_a_hundred_steps(n_rows, batch_size, expected):
    model = net(batch_size=batch_size)
    spec = prepare(model, X[-n_rows:], y[-n_rows:]).job.spec
    assert spec.n_iter_no_change == expected


def test_an_integer_is_taken_literally():
    model = net(n_iter_no_change=3, learning_rate=0.5, n_iter=100).fit(X, y)
    assert model.n_iter_ == epochs_until_patience_ends(model.loss_curve_, 1e-4, 3)


@pytest.mark.parametrize("learning_rate", [0.05, 0.1])
def test_training_does_not_stop_in_an_upswing(learning_rate):
    options = {"learning_rate": learning_rate, "n_iter": 3000, "batch_size": 64}
    nets = [net(random_state=k, **options) for k in range(4)]
    for fitted in fit_stack(nets, X[:300], y[:300]):
        losses = np.array(fitted.loss_curve_)
        assert fitted._ended_by == "tol"
        assert losses[-1] <= losses.min() + 1e-4
        patience = 20  # of five steps each
        ends = epochs_until_patience_ends(losses, 1e-4, patience)
        n_stale = _stale_epochs(losses)
        # It ends at the first epoch that both allow.
        low = losses <= np.minimum.accumulate(losses) + 1e-4
        first = np.flatnonzero((n_stale >= patience) & low)[0] + 1
        assert fitted.n_iter_ == first >= ends


def _stale_epochs(losses):
    reference, counts = np.inf, []
    for loss in losses:
        improved = loss < reference - 1e-4
        counts.append(0 if improved else counts[-1] + 1)
        reference = loss if improved else reference
    return np.array(counts)


def test_with_validation_data_patience_alone_decides():
    train_X, train_y, validation = in_two(X, y, 200)
    model = net(learning_rate=0.1, n_iter=2000).fit(train_X, train_y, **validation)
    losses = model.validation_loss_curve_
    assert losses[-1] > min(losses) + 1e-4  # it overfits, and ends nevertheless
    assert model.n_iter_ == epochs_until_patience_ends(losses, 1e-4, 100)


# ---- nothing learned


FAILURES = {
    "zeros": ({"init": "zeros"}, "all units of a layer have equal weights"),
    "zeros of another loss": (
        {"init": "zeros", "loss": "squared_error"},
        "all units of a layer have equal weights",
    ),
    "zeros by L-BFGS": (
        {"init": "zeros", "solver": "lbfgs"},
        "all units of a layer have equal weights",
    ),
    "tiny weights": (
        {"hidden_layer_sizes": (8,) * 6, "init_scale": 1e-3, "bias_init": "zeros"},
        "the initial weights are so small that hardly any gradient reaches the first",
    ),
    "six sigmoid layers": (
        {
            "hidden_layer_sizes": (8,) * 6,
            "activation": "sigmoid",
            "init": "random",
            "learning_rate": 1e-5,
            "n_iter_no_change": 10,
        },
        "gradients vanish in 6 hidden layers of activation='sigmoid'",
    ),
    "a small learning rate": (
        {"learning_rate": 1e-9},
        "the steps are too small; increase learning_rate (now 1e-09)",
    ),
    "large weights": (
        {"init_scale": 100.0, "hidden_layer_sizes": (8, 8)},
        "the initial weights are too large; lower init_scale (now 100)",
    ),
    "clipped gradients": (
        {"clip_norm": 1e-9, "solver": "sgd"},
        "the steps are too small; increase clip_norm (now 1e-09) or learning_rate "
        "(now 0.001)",
    ),
    "a large learning rate": (
        {
            "learning_rate": 30.0,
            "solver": "sgd",
            "init": "he",
            "hidden_layer_sizes": (8, 8),
        },
        "the steps are too large; lower learning_rate (now 30)",
    ),
    "a large penalty": ({"alpha": 1e5, "init": "zeros"}, "all units of a layer"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_network_that_has_learned_nothing_says_so_once(name):
    options, cause = FAILURES[name]
    model = net(n_iter=100, **options)
    (message,) = messages_of(lambda: model.fit(X[BALANCED], y[BALANCED]))
    assert message.startswith("The network has learned nothing from X: its lowest ")
    assert f"The most likely cause: {cause}" in message
    assert message.endswith("Call diagnose(estimator, X, y) for more checks.")
    constant = 0.125 if options.get("loss") == "squared_error" else 0.693147
    assert f" the loss of the best constant prediction is {constant}. " in message


@pytest.mark.parametrize(("unit", "n_iter"), [(1e4, 30), (1e-7, 500)])
def test_X_that_is_not_scaled_is_the_likeliest_cause(unit, n_iter):
    model = net(input_scaling=None, n_iter=n_iter)
    raw = X * unit
    (message,) = messages_of(lambda: model.fit(raw, y))
    assert "use input_scaling='standard'" in message
    (message,) = messages_of(lambda: model.fit(csr_array(raw), y))
    assert "use MaxAbsScaler" in message


@pytest.mark.parametrize("unit", [1e-3, 1e3])
def test_y_that_is_not_scaled_is_the_likeliest_cause(unit):
    target = unit * (X[:, 0] + 2)
    model = net(estimator=DeepNetRegressor, target_scaling=None, n_iter=30)
    (message,) = messages_of(lambda: model.fit(X, target))
    size = np.sqrt(np.mean(target**2))
    assert (
        f"y is not scaled (its values are of size {size:.2g}); set "
        "target_scaling='standard'. "
    ) in message


def test_epochs_that_are_too_few_are_the_likeliest_cause():
    few = [*range(10), *range(30, 40)]
    (message,) = messages_of(lambda: net(n_iter=10, init_scale=3).fit(X[few], y[few]))
    assert (
        "The most likely cause: the steps are too small; increase learning_rate (now "
        "0.001) or n_iter (now 10). "
    ) in message


def test_rows_that_are_all_equal_are_the_likeliest_cause():
    (message,) = messages_of(
        lambda: net(n_iter=300).fit(np.ones((424, 3)), y[BALANCED])
    )
    assert "The most likely cause: all rows of X are equal. " in message


def test_a_score_that_ended_training_is_the_likeliest_cause():
    train_X, train_y, validation = in_two(X, y, 200)
    options = {"n_iter_no_change": 10, "learning_rate": 1e-6, "init_scale": 3}
    model = net(scoring=lambda *_: 0.5, **options)
    (message,) = messages_of(lambda: model.fit(train_X, train_y, **validation))
    assert (
        "The most likely cause: training stopped after 11 epochs, since the score did "
        "not improve; set scoring=None, or increase n_iter_no_change (now 10). "
    ) in message


@pytest.mark.parametrize(
    "options",
    [
        {"tol": None},
        {"n_iter": 9},
        {"init": "he"},
        {"init": "he", "dropout": 0.5},
        {"init": "he", "alpha": 10},
        {"init": "he", "label_smoothing": 0.3},
        {"init": "he", "class_weight": "balanced"},
    ],
)
def test_no_warning_without_need(options):
    model = net(**{"n_iter": 100, "init": "zeros"} | options)
    assert not [it for it in messages_of(lambda: model.fit(X, y)) if "nothing" in it]


def test_a_resumed_fit_and_partial_fit_do_not_warn():
    model = net(init="zeros", n_iter=20, warm_start=True)
    assert len(messages_of(lambda: model.fit(X, y))) == 1
    assert not [it for it in messages_of(lambda: model.fit(X, y)) if "nothing" in it]
    stream = net(init="zeros")
    assert not messages_of(lambda: stream.partial_fit(X, y, classes=[0, 1]))


def test_weights_that_were_trained_before_need_not_move():
    trained = net(n_iter=500, tol=None, input_scaling=None).fit(X, y)
    arrays = [
        array
        for layer in zip(trained.coefs_, trained.intercepts_, strict=True)
        for array in layer
    ]
    model = net(init=arrays, input_scaling=None, learning_rate=1e-9)
    assert not messages_of(lambda: model.fit(X, y))


def test_noise_that_is_overfitted_is_no_failure():
    noise = np.random.RandomState(0).randint(0, 2, len(y))
    assert not [
        it
        for it in messages_of(lambda: net(n_iter=100).fit(X, noise))
        if "nothing" in it
    ]


@pytest.mark.parametrize("loss", sorted(LOSSES.keys() - {"log_loss", "focal"}))
def test_a_constant_target_is_no_failure(loss):
    model = net(estimator=DeepNetRegressor, loss=loss, n_iter=200)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(X, np.full(len(y), 5.0))


def test_each_network_of_a_stack_speaks_for_itself():
    nets = [net(init=init, n_iter=200, random_state=0) for init in ("zeros", "he")]
    found = messages_of(lambda: fit_stack(nets, X, y))
    assert len([it for it in found if "nothing" in it]) == 1


def test_the_message_is_a_convergence_warning():
    with pytest.warns(ConvergenceWarning, match="^The network has learned nothing"):
        net(init="zeros").fit(X, y)


# ---- the loss of the best constant


def constant_of(model, *data, **options):
    prepared = prepare(model, *data, **options)
    job = prepared.job
    out_activation = prepared._resolved.out_activation
    return loss_of_constant(job.dataset, job.spec.loss, out_activation)


def test_constant_of_classes_is_their_entropy():
    weight = np.random.RandomState(0).rand(len(y))
    p = np.average(y, weights=weight)
    expected = log_loss(y, np.full(len(y), p), sample_weight=weight)
    assert constant_of(net(), X, y, weight) == pytest.approx(expected)
    flowers, kinds = iris()
    assert constant_of(net(), flowers, kinds) == pytest.approx(np.log(3))
    many, labels = wine_labels()
    expected = sum(log_loss(it, np.full(len(it), it.mean())) for it in labels.T)
    assert constant_of(net(), many, labels) == pytest.approx(expected, rel=1e-6)


def test_constant_of_numbers_is_half_their_variance():
    model = net(estimator=DeepNetRegressor)
    assert constant_of(model, *diabetes()) == pytest.approx(0.5)


@pytest.mark.parametrize("loss", ["absolute_error", "quantile", "huber", "focal"])
def test_constant_of_other_losses_is_the_lowest(loss):
    estimator = DeepNetClassifier if loss == "focal" else DeepNetRegressor
    data = cancer() if loss == "focal" else diabetes()
    prepared = prepare(net(estimator=estimator, loss=loss), *data)
    job = prepared.job
    lowest = loss_of_constant(
        job.dataset, job.spec.loss, "identity" if loss != "focal" else "logistic"
    )
    targets = job.dataset.targets
    target = data[1] if loss == "focal" else (data[1] - targets.mean) / targets.scale
    grid = np.linspace(-3, 3, 2001)
    values = []
    for z in grid:
        logits = np.full((1, len(target)), z)
        scratch = np.empty((3, *logits.shape))
        value = job.spec.loss(logits, target[np.newaxis].astype(float), scratch)
        values.append(value.mean())
    assert lowest == pytest.approx(min(values), rel=1e-3)
    if loss == "quantile":
        median = np.full(len(target), np.median(target))
        assert lowest == pytest.approx(mean_pinball_loss(target, median), rel=1e-3)


@pytest.mark.parametrize("q", [0.9, [0.1, 0.5, 0.9], np.linspace(0.01, 0.99, 33)])
@pytest.mark.parametrize("weigh", [False, True])
def test_constant_of_quantiles_is_the_quantile_of_each(weigh, q):
    X, y = diabetes()
    y = (y - y.mean()) / y.std()
    weight = np.random.RandomState(0).randint(0, 4, len(y)) if weigh else None
    model = net(estimator=DeepNetRegressor, loss="quantile", quantile=q)
    model.set_params(target_scaling=None)
    target = y if weight is None else np.repeat(y, weight)
    expected = []
    for p in np.ravel(q):
        constant = np.full_like(target, np.quantile(target, p, method="inverted_cdf"))
        expected.append(mean_pinball_loss(target, constant, alpha=p))
    found = constant_of(model, X, y, sample_weight=weight)
    assert found == pytest.approx(np.mean(expected), rel=1e-12)


def test_constant_of_quantiles_needs_no_copy_of_y(peak_of):
    rng = np.random.RandomState(0)
    X, y, weight = rng.rand(400_000, 1), rng.rand(400_000), rng.rand(400_000)
    model = net(estimator=DeepNetRegressor, loss="quantile", quantile=[0.1, 0.9])
    job = prepare(model, X, y, weight).job
    used = peak_of(lambda: loss_of_constant(job.dataset, job.spec.loss, "identity"))
    assert used < y.nbytes


def test_constant_of_one_quantile_of_several_columns():
    X, y = diabetes()
    y = np.c_[y, y**3]
    model = net(estimator=DeepNetRegressor, loss="quantile", quantile=0.9)
    scaled = (y - y.mean(axis=0)) / y.std(axis=0)
    constant = np.quantile(scaled, 0.9, axis=0, method="inverted_cdf")
    constant = np.broadcast_to(constant, y.shape)
    expected = mean_pinball_loss(scaled, constant, alpha=0.9)
    assert constant_of(model, X, y) == pytest.approx(expected, rel=1e-12)


def test_quantiles_that_are_not_learned_are_a_warning():
    X, y = diabetes()
    model = net(estimator=DeepNetRegressor, loss="quantile", quantile=[0.1, 0.9])
    model.set_params(tol=1e-5, learning_rate=1e-9)
    with pytest.warns(ConvergenceWarning, match="has learned nothing from X") as caught:
        model.fit(X, y)
    (message,) = (str(it.message) for it in caught)
    expected = constant_of(model, X, y)
    assert f"the loss of the best constant prediction is {expected:.6g}." in message


# ---- validation data in other units


@pytest.mark.parametrize("scaler", [StandardScaler(), MinMaxScaler()])
@pytest.mark.parametrize("load", [iris, cancer])
def test_validation_data_in_other_units_are_a_warning(scaler, load):
    data, labels = load()
    raw = data * 7.0 + 100
    train_X, train_y, validation = in_two(raw, labels, len(labels) // 2)
    pipe = Pipeline([("scale", scaler), ("net", net(n_iter=3, tol=None))])
    options = {f"net__{name}": value for name, value in validation.items()}
    (message,) = messages_of(lambda: pipe.fit(train_X, train_y, **options))
    n = data.shape[1]
    assert message == (
        f"X_val seems to be in other units than X: in {n} of {n} columns the mean "
        "differs by more than 3 standard deviations, or the standard deviation by "
        "more than a factor of 10. In a pipeline, X_val must be transformed like X, "
        "for example by Pipeline(..., transform_input=['X_val'])."
    )
    options["net__X_val"] = pipe[0].transform(validation["X_val"])
    assert not messages_of(lambda: pipe.fit(train_X, train_y, **options))
    assert not messages_of(lambda: pipe[-1].fit(train_X, train_y, **validation))


def test_sparse_validation_data_in_other_units_are_a_warning():
    counts = csr_array(np.random.RandomState(0).poisson(5, (200, 20)))
    labels = np.arange(200) % 2
    model = net(n_iter=3, tol=None)
    given = {"X_val": counts, "y_val": labels}
    found = messages_of(lambda: model.fit(counts * 0.01, labels, **given))
    assert found[0].startswith(
        "X_val seems to be in other units than X: in 20 of 20 columns the mean"
    )
    assert not messages_of(lambda: model.fit(counts, labels, **given))


def test_validation_targets_in_other_units_are_a_warning():
    data, target = diabetes()
    model = net(estimator=DeepNetRegressor, n_iter=3, tol=None)
    scaled = (target - target.mean()) / target.std()
    (message,) = messages_of(lambda: model.fit(data, scaled, X_val=data, y_val=target))
    assert message == (
        "y_val seems to be in other units than y: the mean differs by more than 3 "
        "standard deviations, or the standard deviation by more than a factor of 10. "
        "Give y_val in the units of y."
    )


@pytest.mark.parametrize("unit", [0.01, 100])
def test_validation_data_of_the_same_mean_in_other_units_are_a_warning(unit):
    data, target = diabetes()
    target = target - target.mean()
    model = net(estimator=DeepNetRegressor, n_iter=3, tol=None)
    given = {"X_val": unit * data, "y_val": unit * target}
    of_X, of_y = messages_of(lambda: model.fit(data, target, **given))
    assert of_X.startswith(
        "X_val seems to be in other units than X: in 10 of 10 columns the mean "
    )
    assert of_y.startswith("y_val seems to be in other units than y: the mean differs ")


@pytest.mark.parametrize("form", [np.asarray, csr_array])
def test_one_column_of_validation_data_in_other_units_is_a_warning(form):
    data, labels = cancer()
    raw = data + 100
    other = np.where(np.arange(30) == 7, 1000, 1) * raw
    model, given = net(n_iter=3, tol=None), {"y_val": labels}
    found = messages_of(
        lambda: model.fit(form(raw), labels, X_val=form(other), **given)
    )
    assert found[0].startswith(
        "X_val seems to be in other units than X: in 1 of 30 columns the mean "
    )


def test_validation_rows_of_a_rare_kind_are_not_far():
    rare = np.random.RandomState(0).randn(2000, 10)
    rare[:, 0] = np.arange(2000) == 0
    labels = np.arange(2000) % 2
    given = {"X_val": rare[:1], "y_val": labels[:1]}
    assert not messages_of(lambda: net(n_iter=3, tol=None).fit(rare, labels, **given))


def test_a_few_validation_rows_are_not_far():
    train_X, train_y, validation = in_two(*iris(), 140)
    few = {name: value[:1] for name, value in validation.items()}
    assert not messages_of(lambda: net(n_iter=3, tol=None).fit(train_X, train_y, **few))
