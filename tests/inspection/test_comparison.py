"""The comparison of initializers agrees with networks that are fitted one by one."""

import re

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_circles
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_deepnet import (
    DeepNetClassifier,
    DeepNetRegressor,
    InitializerComparison,
    compare_initializers,
)
from tests.helpers import diabetes, iris

IRIS = iris()
NET = DeepNetClassifier((5, 4), learning_rate=0.01, n_iter=8, tol=None)


@pytest.fixture(scope="module")
def study():
    init = {"zeros": "zeros", "he": "he", "wide": {"init": "he", "init_scale": 9.0}}
    model = make_pipeline(StandardScaler(), NET)
    return compare_initializers(model, *IRIS, init=init, n_repeats=[7, 3], cv=3)


def test_every_network_equals_one_that_is_fitted_alone(study):
    X, y = IRIS
    folds = list(StratifiedKFold(3).split(X, y))
    parameters = {"init": "he", "init_scale": 9.0}
    for repeat, seed in enumerate([7, 3]):
        for fold, (train, test) in enumerate(folds):
            net = clone(NET).set_params(**parameters, random_state=seed)
            alone = make_pipeline(StandardScaler(), net).fit(X[train], y[train])
            place = repeat, fold
            curve = study.loss_curves["wide"][place]
            assert curve.tolist() == alone[-1].loss_curve_
            assert study.scores["wide"][place] == alone.score(X[test], y[test])
            train_score = alone.score(X[train], y[train])
            assert study.train_scores["wide"][place] == train_score
            fitted = study.estimators["wide"][3 * repeat + fold]
            assert np.array_equal(fitted[-1].coefs_[0], alone[-1].coefs_[0])


def test_a_unit_is_dead_if_its_output_is_the_same_for_all_rows(study):
    assert (study.dead_units["zeros"] == 1).all()
    X, y = IRIS
    train, _ = next(StratifiedKFold(3).split(X, y))
    model = study.estimators["he"][0]
    outputs = [
        model[-1].hidden_activations(model[:-1].transform(X[train]), layer)
        for layer in range(2)
    ]
    constant = [np.ptp(of_layer, axis=0) == 0 for of_layer in outputs]
    assert study.dead_units["he"][0, 0] == np.concatenate(constant).mean()


def test_units_with_a_very_negative_bias_are_dead():
    X, y = make_circles(40, random_state=0)
    arrays = [np.ones((2, 4)), np.array([-9.0, -9, 9, 9]), np.ones((4, 1)), [0.0]]
    net = DeepNetClassifier((4,), input_scaling=None, n_iter=0, tol=None)
    study = compare_initializers(net, X, y, init={"half": {"init": arrays}}, cv=2)
    assert study.labels == ["half"]
    assert (study.dead_units["half"] == 0.5).all()


def study_of(curves):
    nothing = np.zeros((2, 1))
    parts = [{"a": it} for it in (curves, nothing, nothing, nothing, nothing, [])]
    return InitializerComparison(["a"], *parts)


def test_epochs_are_counted_to_the_first_that_reaches_the_loss():
    curves = np.array([[[3.0, 1.0, 2.0, 0.5]], [[2.0, 1.5, np.nan, np.nan]]])
    study = study_of(curves)
    assert study.epochs_to(3.0)["a"].tolist() == [[1], [1]]
    assert study.epochs_to(1.0)["a"].tolist() == [[2], [np.inf]]
    assert study.epochs_to(0.5)["a"].tolist() == [[4], [np.inf]]
    table = study.summarize(loss=1.0)
    assert table["n_epochs"] == [2]  # the lower median
    assert table["final_loss"] == [1.0]  # of 0.5 and 1.5


def test_the_table_is_made_of_the_arrays(study):
    table = study.summarize(loss=0.7)
    assert table["init"] == ["zeros", "he", "wide"]
    assert table["score"] == [study.scores[it].mean() for it in study.labels]
    assert table["score_std"] == [study.scores[it].std() for it in study.labels]
    assert table["n_epochs"][0] == np.inf
    frame = study.to_frame(0.7)
    assert frame.index.tolist() == table["init"]
    assert frame["dead_units"].tolist() == table["dead_units"]
    lines = str(study).splitlines()
    assert len(lines) == 5
    assert re.match(r" *zeros +0\.32 ", lines[1])


def test_the_last_line_names_the_loss_up_to_which_epochs_are_counted():
    study = study_of(np.array([[[1.0, 0.12346]], [[0.12344, np.nan]]]))
    assert str(study).splitlines()[-1] == (
        "n_epochs: epochs until the training loss is 0.123"
    )


def test_the_loss_to_reach_is_the_median_of_the_last():
    study = compare_initializers(NET, *IRIS, init=["he", "xavier"], n_repeats=1, cv=3)
    last = [study.loss_curves[it][..., -1] for it in study.labels]
    assert study.median_loss == np.median(last)
    assert study.summarize() == study.summarize(np.median(last))
    assert study.summarize() != study.summarize(0.9 * np.median(last))


@pytest.mark.parametrize("model", [NET, make_pipeline(StandardScaler(), NET)])
def test_lists_give_the_same_as_arrays(model):
    options = {"init": ["he"], "n_repeats": [1], "cv": 2}
    of_arrays = compare_initializers(model, *IRIS, **options)
    of_lists = compare_initializers(model, *(it.tolist() for it in IRIS), **options)
    assert of_lists.summarize() == of_arrays.summarize()


def test_groups_are_kept_together():
    X, y = IRIS
    groups = (np.arange(150) % 5).tolist()
    options = {"init": ["he"], "n_repeats": [1]}
    found = compare_initializers(NET, X, y, cv=GroupKFold(5), groups=groups, **options)
    folds = list(GroupKFold(5).split(X, y, groups))
    given = compare_initializers(NET, X, y, cv=folds, **options)
    assert found.summarize() == given.summarize()


def test_networks_without_an_epoch_have_a_table():
    net = clone(NET).set_params(n_iter=0)
    study = compare_initializers(net, *IRIS, init="he", n_repeats=1, cv=2)
    table = study.summarize()
    assert np.isnan(study.loss_curves["he"]).all()
    assert table["final_loss"] == table["n_epochs"] == [np.inf]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_divergence_is_not_confused_with_an_early_stop():
    net = DeepNetClassifier(
        (30, 30), solver="sgd", n_iter=30, n_iter_no_change=10, batch_size=None
    )
    init = {"far": {"init": "he", "learning_rate": 1e9}, "he": "he", "zeros": "zeros"}
    study = compare_initializers(net, *IRIS, init=init, n_repeats=2, cv=2)
    assert study.diverged["far"].all()
    assert not study.diverged["he"].any()
    assert study.summarize()["n_diverged"] == [4, 0, 0]
    ended = np.isnan(study.loss_curves["zeros"]).any(axis=-1)
    assert ended.all()  # by tol, since they learn nothing
    assert all(np.isfinite(study.summarize(0.5)["final_loss"][1:]))


def test_seeds_are_drawn_from_random_state():
    options = {"init": ["he"], "n_repeats": 2, "cv": 2}
    first = compare_initializers(NET, *IRIS, random_state=5, **options)
    again = compare_initializers(NET, *IRIS, random_state=5, **options)
    other = compare_initializers(NET, *IRIS, random_state=6, **options)
    curves = first.loss_curves["he"]
    assert np.array_equal(curves, again.loss_curves["he"])
    assert not np.array_equal(curves, other.loss_curves["he"])
    assert not np.array_equal(*curves)


def test_regressors_are_compared_with_weights_and_a_scorer():
    X, y = diabetes()
    weight = (np.arange(len(y)) % 3).astype(float)
    net = DeepNetRegressor((5,), n_iter=10, tol=None)
    options = {"init": ["he"], "n_repeats": [0], "cv": KFold(2)}
    scoring = "neg_mean_absolute_error"
    study = compare_initializers(
        net, X, y, scoring=scoring, sample_weight=weight, **options
    )
    train, test = next(KFold(2).split(X))
    alone = clone(net).set_params(init="he", random_state=0)
    alone.fit(X[train], y[train], sample_weight=weight[train])
    error = np.abs(alone.predict(X[test]) - y[test]).mean()
    assert study.scores["he"][0, 0] == -error


def test_nested_pipelines_are_compared():
    model = Pipeline([("outer", StandardScaler()), ("inner", make_pipeline(NET))])
    study = compare_initializers(
        model, *IRIS, init=["he"], n_repeats=[1], cv=2, scoring="neg_log_loss"
    )
    X, y = IRIS
    _, test = next(StratifiedKFold(2).split(X, y))
    p = study.estimators["he"][0].predict_proba(X[test])
    assert study.scores["he"][0, 0] == -log_loss(y[test], p)


def test_callables_are_labelled_by_their_names():
    def narrow(shape, rng):
        return rng.uniform(-0.1, 0.1, shape)

    options = {"n_repeats": 1, "cv": 2}
    study = compare_initializers(NET, *IRIS, init=[narrow, "he"], **options)
    assert study.labels == ["narrow", "he"]
    assert compare_initializers(NET, *IRIS, init=narrow, **options).labels == ["narrow"]


def test_a_single_name_is_one_initialization():
    study = compare_initializers(NET, *IRIS, init="he", n_repeats=1, cv=2)
    assert study.labels == ["he"]


def test_the_plot_has_a_line_and_a_band_for_each(study):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    assert study.plot() is study
    assert len(study.ax_.lines) == len(study.ax_.collections) == 3
    he = study.ax_.lines[1]
    flat = study.loss_curves["he"].reshape(6, -1)
    assert np.array_equal(he.get_ydata(), np.median(flat, axis=0))
    labels = [text.get_text() for text in study.ax_.get_legend().get_texts()]
    mean, std = study.scores["he"].mean(), study.scores["he"].std()
    assert labels[1] == f"he: {mean:.3f} ± {std:.3f}"
    assert study.figure_ is study.ax_.figure
    _, ax = plt.subplots()
    assert study.plot(ax).ax_ is ax
    plt.close("all")


def test_the_plot_extends_curves_that_ended_by_their_last_loss():
    from matplotlib.figure import Figure

    study = study_of(np.array([[[3.0, 2.0, 0.5]], [[2.0, 1.5, np.nan]]]))
    study.plot(Figure().subplots())
    assert study.ax_.lines[0].get_ydata().tolist() == [2.5, 1.75, 1.0]


SEEDS = "n_repeats must be a positive integer or a list of seeds."


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"n_repeats": 0}, ValueError, f"{SEEDS} Got 0 instead."),
        ({"n_repeats": []}, ValueError, f"{SEEDS} Got [] instead."),
        ({"init": []}, ValueError, "init is empty. Give at least one initialization."),
        (
            {"init": ["he", "xavier", "he"]},
            ValueError,
            "init has the label 'he' twice. Give a dict with a different label for "
            "each initialization.",
        ),
        ({"init": [lambda *_: 0, lambda *_: 1]}, ValueError, "'<lambda>' twice"),
        ({"init": {1: "he", "1": "zeros"}}, ValueError, "the label '1' twice"),
        (
            {"init": {"a": {"random_state": 0}}},
            ValueError,
            "init sets random_state for 'a'. Give the seeds as n_repeats instead.",
        ),
        ({"scoring": "F1", "init": ["hee"]}, ValueError, "mean 'f1'?"),  # first
        ({"init": ["hee"]}, ValueError, "Did you mean 'he'"),
        ({"init": {"a": {"inti": "he"}}}, ValueError, "Did you mean 'init'?"),
        ({"estimator": LogisticRegression()}, TypeError, "must be a DeepNetClassifier"),
    ],
)
def test_invalid_arguments_raise(changes, error, message):
    arguments = {"estimator": NET, "X": IRIS[0], "y": IRIS[1]} | changes
    with pytest.raises(error, match=re.escape(message)):
        compare_initializers(**arguments)
