"""Trained numeric features: what is drawn, learned, kept and refused."""

import pickle
from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from sklearn_deepnet import (
    DeepNetClassifier,
    DeepNetEnsembleClassifier,
    DeepNetEnsembleRegressor,
    DeepNetRegressor,
    ModelFileError,
    fit_stack,
    load_model,
    save_model,
    stacked,
)
from sklearn_deepnet._fitting.prepare import prepare
from sklearn_deepnet._fitting.stack_size import max_stack_size
from sklearn_deepnet.nn.numeric_features import PeriodicFeatures
from tests.helpers import (
    assert_same_training,
    iris,
    network_factory,
    raises,
    wine,
)

X, y = wine()
WEIGHT = np.random.RandomState(1).uniform(0.5, 1.5, len(y))

net = network_factory(
    "numeric_features", hidden_layer_sizes=(6, 5), n_iter=6, learning_rate=0.01
)
SETTINGS = [PeriodicFeatures(3, scale) for scale in (0.1, 0.5, 2.0)]


def features_of(X, fitted):
    """Compute the inputs of the first layer by the formula."""
    frequencies, phases = fitted.numeric_features_
    if fitted.input_mean_ is not None:
        X = (X - fitted.input_mean_) / fitted.input_scale_
    cosines = np.cos(2 * np.pi * (X[:, :, np.newaxis] * frequencies + phases))
    return np.hstack([X, cosines.reshape(len(X), -1)])


# ---- what they are


@pytest.mark.parametrize("scaling", ["standard", None])
@pytest.mark.parametrize("estimator", [DeepNetClassifier, DeepNetRegressor])
def test_the_first_layer_gets_columns_and_their_features(estimator, scaling):
    fitted = net("periodic", estimator=estimator, input_scaling=scaling).fit(X, y)
    assert fitted.coefs_[0].shape == (13 * 5, 6)
    assert [it.shape for it in fitted.numeric_features_] == [(13, 4)] * 2
    z = features_of(X, fitted) @ fitted.coefs_[0] + fitted.intercepts_[0]
    assert_allclose(fitted.hidden_activations(X, 0), np.maximum(z, 0), atol=1e-12)


def test_the_name_stands_for_the_default_settings():
    assert_same_training(
        net("periodic").fit(X, y), net(PeriodicFeatures(4, 0.1)).fit(X, y)
    )


def test_features_are_drawn_after_all_layers():
    fitted = net(PeriodicFeatures(3, 0.5), n_iter=0, bias_init="zeros", init="lecun")
    fitted.fit(X, y)
    rng = np.random.RandomState(0)
    for coefs, (n_in, n_out) in zip(
        fitted.coefs_, [(52, 6), (6, 5), (5, 3)], strict=True
    ):
        assert_array_equal(coefs.T, rng.randn(n_out, n_in) * np.sqrt(1 / n_in))
    expected = PeriodicFeatures(3, 0.5).draw(13, rng)
    assert_array_equal(fitted.numeric_features_, expected)


def test_frequencies_and_phases_are_trained():
    before = net("periodic", n_iter=0).fit(X, y)
    after = net("periodic").fit(X, y)
    for old, new in zip(before.numeric_features_, after.numeric_features_, strict=True):
        assert (old != new).all()


def test_without_them_there_is_no_attribute():
    assert net().fit(X, y).numeric_features_ is None


def test_a_wave_is_learned_that_a_small_network_misses():
    rng = np.random.RandomState(0)
    columns = rng.uniform(-2, 2, (600, 3))
    wave = np.sin(8 * columns[:, 0]) + np.cos(5 * columns[:, 1])
    scores = []
    for features in (None, PeriodicFeatures(8, 0.5)):
        model = net(features, estimator=DeepNetRegressor, hidden_layer_sizes=(32,))
        model.set_params(n_iter=100).fit(columns[:400], wave[:400])
        scores.append(model.score(columns[400:], wave[400:]))
    assert scores[0] < 0.5
    assert scores[1] > 0.95


def test_the_gradient_norm_that_is_clipped_includes_them():
    """At the first step of plain gradient descent, which moves by rate times norm."""
    options = {"solver": "sgd", "batch_size": None, "learning_rate": 1.0, "alpha": 0}
    before = net("periodic", n_iter=0, **options).fit(X, y)._params
    after = net("periodic", n_iter=1, clip_norm=0.01, **options).fit(X, y)._params
    assert_allclose(np.linalg.norm(after - before), 0.01, rtol=1e-9)


# ---- stacks


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scaling", ["standard", "robust", None])
@pytest.mark.parametrize("batch_size", ["auto", 32])
def test_a_stack_equals_its_members(batch_size, scaling, dtype):
    fixed = {"dtype": dtype, "input_scaling": scaling, "batch_size": batch_size}
    members = [
        net(features, random_state=k, dropout=rate, early_stopping=stops, **fixed)
        for stops, (k, (features, rate)) in product(
            (False, True), enumerate(product(SETTINGS, (0.0, 0.3)))
        )
    ]
    rows = [np.arange(k, 150 + k) for k in range(0, 24, 2)]
    alone = [
        clone(member).fit(X[some], y[some], sample_weight=WEIGHT[some])
        for member, some in zip(members, rows, strict=True)
    ]
    fit_stack(members, X, y, rows=rows, sample_weight=WEIGHT)
    for member, other in zip(members, alone, strict=True):
        assert_same_training(member, other)
        assert_array_equal(member.predict_proba(X), other.predict_proba(X))


@pytest.mark.parametrize("scaling", ["standard", None])
def test_a_stack_goes_on_as_its_members(scaling):
    fixed = {"input_scaling": scaling, "warm_start": True, "dropout": 0.2}
    for fixed["early_stopping"] in (True, False):
        pair = [
            [net(it, random_state=k, **fixed) for k, it in enumerate(SETTINGS)]
            for _ in range(2)
        ]
        for n_iter in (2, 3):
            for member in pair[0] + pair[1]:
                member.set_params(n_iter=n_iter)
            fit_stack(pair[0], X, y, sample_weight=WEIGHT)
            pair[0] = pickle.loads(pickle.dumps(pair[0]))
            for member in pair[1]:
                member.fit(X, y, sample_weight=WEIGHT)
        for member, other in zip(*pair, strict=True):
            assert_same_training(member, other)


def test_networks_of_other_scales_are_trained_side_by_side():
    with stacked() as context:
        search = GridSearchCV(
            net(early_stopping=True), {"numeric_features": [None, *SETTINGS]}, cv=2
        ).fit(X, y)
    alone = GridSearchCV(search.estimator, search.param_grid, cv=2).fit(X, y)
    for k in range(2):
        name = f"split{k}_test_score"
        assert_array_equal(search.cv_results_[name], alone.cv_results_[name])
    assert sorted(context.summary.stack_sizes) == [2, 6]  # and one alone


def test_a_column_may_be_constant_for_some_networks_of_a_stack():
    given = np.column_stack([X, np.arange(len(y)) >= 120])
    rows = [np.arange(120), np.arange(58, 178), np.arange(1, 121)]
    members = [net("periodic", random_state=k, batch_size=32) for k in range(3)]
    alone = [
        clone(member).fit(given[some], y[some])
        for member, some in zip(members, rows, strict=True)
    ]
    fit_stack(members, given, y, rows=rows)
    for member, other in zip(members, alone, strict=True):
        assert_same_training(member, other)
    learned = [(member.coefs_[0][-4:] != 0).any() for member in members]
    assert learned == [False, True, True]


def test_equal_layers_of_other_columns_are_no_stack():
    """Two columns with one feature each, and four without, give as many inputs."""
    models = [net(PeriodicFeatures(1)), net()]
    jobs = [
        prepare(model, X[:, :n], y).job for model, n in zip(models, (2, 4), strict=True)
    ]
    assert jobs[0].spec.layer_sizes == jobs[1].spec.layer_sizes == (4, 6, 5, 3)
    assert jobs[0].stack_key != jobs[1].stack_key


@pytest.mark.parametrize(
    "ensemble", [DeepNetEnsembleClassifier, DeepNetEnsembleRegressor]
)
def test_members_of_an_ensemble_have_their_own(ensemble):
    kind = DeepNetClassifier if "Class" in ensemble.__name__ else DeepNetRegressor
    model = ensemble(net("periodic", estimator=kind), n_estimators=3, random_state=0)
    model.fit(X, y)
    for member in model.estimators_:
        assert_same_training(member, clone(member).fit(X, y))
    phases = [member.numeric_features_.phases for member in model.estimators_]
    assert not np.array_equal(phases[0], phases[1])


def test_the_size_of_a_stack_counts_their_arrays():
    n_rows, width = 100, 13 * 5
    n_params = 6 * (width + 1) + 3 * 7 + 2 * 13 * 4
    n_units = width + 2 * 13 * 4 + 2 * 6 + 5 * 3
    expected = 5 * 2**19 // (8 * (10 * n_params + n_rows * n_units))
    assert max_stack_size((width, 6, 3), n_rows, 8, n_frequencies=4) == expected


@pytest.mark.parametrize("batch_size", [None, 150])
def test_blocks_of_a_large_batch_are_summed(batch_size, monkeypatch):
    whole = net("periodic", batch_size=batch_size).fit(X, y)
    monkeypatch.setattr("sklearn_deepnet._fitting.jobs.rows_per_block", lambda *_: 16)
    blocks = net("periodic", batch_size=batch_size).fit(X, y)
    assert_same_training(blocks, whole, rtol=1e-7)


# ---- going on


@pytest.mark.parametrize("solver", ["adam", "adamw", "sgd", "rmsprop"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_chunks_equal_one_fit(solver, dtype):
    fixed = {"solver": solver, "dtype": dtype, "batch_size": 32, "warm_start": True}
    whole = net("periodic", early_stopping=True, **fixed).fit(X, y)
    chunks = net("periodic", early_stopping=True, n_iter=2, **fixed).fit(X, y)
    chunks = pickle.loads(pickle.dumps(chunks)).set_params(n_iter=4).fit(X, y)
    assert_same_training(chunks, whole)


def test_calls_of_partial_fit_equal_a_fit():
    whole = net("periodic", batch_size=None, warm_start=True).fit(X, y)
    parts = net("periodic", batch_size=None)
    for _ in range(6):
        parts.partial_fit(X, y, classes=[0, 1, 2])
    assert_same_training(parts, whole)


def test_lbfgs_trains_them():
    def model(features, n_iter):
        return net(
            features,
            solver="lbfgs",
            n_iter=n_iter,
            batch_size="auto",
            learning_rate=0.001,
            estimator=DeepNetRegressor,
        )

    losses = [model(it, 200).fit(X, X[:, 0] ** 2).loss_ for it in (None, "periodic")]
    assert losses[1] < losses[0] < 0.1
    drawn, fitted = (model("periodic", n).fit(X, X[:, 0] ** 2) for n in (0, 200))
    assert (drawn.numeric_features_.phases != fitted.numeric_features_.phases).all()


@pytest.mark.parametrize(
    ("before", "after", "has", "now"),
    [
        (None, "periodic", 0, 4),
        ("periodic", None, 4, 0),
        ("periodic", PeriodicFeatures(3), 4, 3),
    ],
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_another_number_of_frequencies_is_an_error(method, before, after, has, now):
    fitted = net(before, warm_start=True).fit(X, y)
    changed = pickle.loads(pickle.dumps(fitted)).set_params(numeric_features=after)
    message = (
        f"n_frequencies of numeric_features is now {now}, but the network to continue "
        f"has {has}. Keep it unchanged, or call fit with warm_start=False to start "
        "over."
    )
    with raises(message):
        getattr(changed, method)(X, y)
    assert_same_training(changed, fitted)
    changed.set_params(numeric_features=before)
    assert_same_training(changed.fit(X, y), fitted.fit(X, y))


def test_another_scale_changes_nothing_in_a_network_to_continue():
    fitted, changed = (net("periodic", warm_start=True).fit(X, y) for _ in range(2))
    changed.set_params(numeric_features=PeriodicFeatures(4, 9.0))
    assert_same_training(changed.fit(X, y), fitted.fit(X, y))


# ---- files


@pytest.mark.parametrize("scaling", ["standard", "robust", None])
@pytest.mark.parametrize("estimator", [DeepNetClassifier, DeepNetRegressor])
def test_a_file_has_them_and_training_continues(estimator, scaling, tmp_path):
    fitted = net("periodic", estimator=estimator, input_scaling=scaling)
    save_model(fitted.set_params(warm_start=True).fit(X, y), tmp_path / "net")
    loaded = load_model(tmp_path / "net")
    assert loaded.numeric_features == "periodic"
    assert_array_equal(loaded.predict(X), fitted.predict(X))
    assert_same_training(loaded.fit(X, y), fitted.fit(X, y))


def test_members_of_other_columns_are_no_ensemble(tmp_path):
    member = net(PeriodicFeatures(1), input_scaling=None)
    ensemble = DeepNetEnsembleClassifier(
        net(input_scaling=None), n_estimators=2, random_state=0
    ).fit(X[:, :4], y)
    ensemble.estimators_[1] = member.fit(X[:, :2], y)
    save_model(ensemble, tmp_path / "net")
    with pytest.raises(ModelFileError, match="members of its ensemble are not alike"):
        load_model(tmp_path / "net")


@pytest.mark.filterwarnings("ignore:This DeepNetClassifier was saved with")
def test_a_pickle_from_before_there_were_any_has_none():
    fitted = net(warm_start=True).fit(X, y)
    state = fitted.__getstate__()
    del state["numeric_features"], state["_sklearn_deepnet_version"]
    old = DeepNetClassifier.__new__(DeepNetClassifier)
    old.__setstate__(state)
    assert old.numeric_features is old.numeric_features_ is None
    assert_array_equal(old.predict_proba(X), fitted.predict_proba(X))
    assert_same_training(old.fit(X, y), fitted.fit(X, y))


# ---- what is refused


@pytest.mark.parametrize("features", ["periodic", PeriodicFeatures(2)])
@pytest.mark.parametrize("scaling", ["auto", None])
@pytest.mark.parametrize("name", ["X", "X_val"])
def test_sparse_rows_are_refused(name, scaling, features):
    message = (
        f"numeric_features={features!r} does not support sparse X, since the features "
        "of zeros are not zero. Set numeric_features=None, or give X.toarray()."
    )
    model, given = net(features, input_scaling=scaling), {"X": X, "y": y}
    given |= {"X_val": X, "y_val": y, name: csr_array(X)}
    before = vars(model).copy()
    with raises(message):
        model.fit(**given)
    assert vars(model) == before


@pytest.mark.parametrize("scaling", ["auto", None])
def test_a_network_trained_on_dense_rows_takes_sparse_ones(scaling):
    fitted = net("periodic", input_scaling=scaling).fit(X, y)
    assert_array_equal(fitted.predict_proba(csr_array(X)), fitted.predict_proba(X))


@pytest.mark.parametrize("scaling", ["auto", None])
def test_arrays_as_init_are_refused(scaling):
    given = net("periodic", n_iter=0).fit(X, y)
    arrays = [
        a for pair in zip(given.coefs_, given.intercepts_, strict=True) for a in pair
    ]
    message = (
        "numeric_features='periodic' cannot be combined with arrays of weights as "
        "init, since its frequencies are drawn at random. Set numeric_features=None, "
        "or give the name of an initializer as init."
    )
    with raises(message):
        net("periodic", init=arrays, input_scaling=scaling).fit(X, y)


def test_there_are_no_weights_for_x_as_it_comes():
    message = (
        "folded_coefs is not available with numeric_features, which are not linear in "
        "X. Use numeric_features_ and coefs_ instead, or train with "
        "numeric_features=None."
    )
    with raises(message):
        net("periodic").fit(X, y).folded_coefs()


def test_frequencies_beyond_float32_are_an_error():
    message = (
        "The frequencies of numeric_features are too large for float32. Lower the "
        "scale of numeric_features (now 1e+100)."
    )
    with raises(message):
        net(PeriodicFeatures(scale=1e100), dtype="float32").fit(X, y)
    with raises(message.replace("float32", "float64").replace("1e+100", "1e+308")):
        net(PeriodicFeatures(scale=1e308)).fit(X, y)


def test_an_initializer_gets_the_number_of_inputs_of_the_first_layer():
    shapes = []

    def init(shape, rng):
        shapes.append(shape)
        return rng.randn(*shape)

    net("periodic", init=init, n_iter=0).fit(*iris())
    assert shapes == [(6, 20), (5, 6), (3, 5)]
