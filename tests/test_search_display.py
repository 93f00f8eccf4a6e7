"""The picture of a search: each candidate where its values and its score put it."""

import re
from itertools import combinations, count, cycle

import matplotlib
import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import BaseEstimator
from sklearn.datasets import load_iris
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import NotFittedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from sklearn_deepnet import (
    DeepNetClassifier,
    SearchDisplay,
    StackedGridSearchCV,
    StackedHalvingGridSearchCV,
    StackedHalvingRandomSearchCV,
)

matplotlib.use("Agg")
import matplotlib.pyplot as plt

X, y = np.zeros((40, 1)), np.zeros(40)


@pytest.fixture(autouse=True)
def _figures_are_closed():
    yield
    plt.close("all")


class Scored(BaseEstimator):
    """Has the score that it is given, for each value of a and b."""

    def __init__(self, a=0, b=0, n_iter=1, scores=None):
        self.a, self.b, self.n_iter, self.scores = a, b, n_iter, scores

    def fit(self, X, y):
        self.n_rows_ = len(X)
        return self

    def score(self, X, y):
        return self.scores(self)


def search_of(grid, scores, cls=GridSearchCV, **options):
    search = cls(Scored(scores=scores), grid, **({"cv": 2, "refit": False} | options))
    return search.fit(X, y)


def shown(grid, scores, **options):
    return SearchDisplay.from_search(search_of(grid, scores, **options))


def on_one_axis(values):
    """The display of a parameter with these values, the last of which is the best."""
    held = np.ma.masked_all(len(values), dtype=object)
    for candidate, value in enumerate(values):
        held[candidate] = value
    scores = np.arange(len(values))
    best = len(values) - 1
    return SearchDisplay(parameters={"a": held}, scores=scores, best=best).plot()


def exactly(message):
    return f"^{re.escape(message)}$"


def heights(display, axis=0):
    """Where the lines of the candidates cross an axis."""
    return [line.get_ydata()[axis] for line in display.lines_]


def tick_labels(display, axis=0):
    """What is written beside an axis, from below."""
    texts = [text for text in display.ax_.texts if text.get_weight() != "bold"]
    here = [text for text in texts if text.xy[0] == axis]
    return [text.get_text() for text in sorted(here, key=lambda text: text.xy[1])]


def best_values(display):
    return [it.get_text() for it in display.ax_.texts if it.get_weight() == "bold"]


def names(display):
    return [label.get_text() for label in display.ax_.get_xticklabels()]


# ---- where lines run


def test_a_line_crosses_each_axis_at_its_value():
    display = shown({"a": [2, 3, 6], "b": ["x", "w", "y"]}, lambda it: it.a)
    lines = [line.get_ydata() for line in display.lines_]
    a, b = {2: 0, 3: 0.25, 6: 1}, {"x": 0, "w": 0.5, "y": 1}
    expected = [(a[i], b[j], a[i]) for i in a for j in b]
    assert_allclose(lines, expected, atol=1e-15)
    for line in display.lines_:
        assert_allclose(line.get_xdata(), [0, 1, 2])
    assert names(display) == ["a", "b", "mean test score"]


@pytest.mark.parametrize(
    ("values", "places"),
    [
        ([0.001, 0.01, 1.0], [0, 1 / 3, 1]),  # three decades
        ([1, 4, 2], [0, 1, 0.5]),  # equal ratios
        ([0.01, 0.03, 0.1], [0, 2 / 9, 1]),  # a decade, unequal ratios
        ([1, 400, 1000], [0, 399 / 999, 1]),  # far apart, but crowded at the end
        ([-100, 0.1, 100], [0, 0.5005, 1]),  # no logarithms
        ([-1, 1], [0, 1]),
        ([1, 3, 1e6], [0, np.log(3) / np.log(1e6), 1]),
    ],
)
def test_numbers_far_apart_or_in_equal_ratios_are_spread_by_logarithms(values, places):
    assert_allclose(heights(on_one_axis(values)), places, atol=1e-12)


def test_uniform_draws_are_not_spread_by_logarithms():
    draws = np.random.RandomState(0).uniform(0, 1, 100)
    assert draws.max() / draws.min() > 100
    expected = (draws - draws.min()) / np.ptp(draws)
    assert_allclose(heights(on_one_axis(list(draws))), expected, atol=1e-12)


def test_scores_are_never_spread_by_logarithms():
    display = shown({"a": [1, 2, 3]}, lambda it: 10.0 ** (it.a - 1))
    assert_allclose(heights(display, 1), [0, 9 / 99, 1])


def test_zero_has_a_place_below_a_logarithmic_axis():
    display = on_one_axis([0.01, 0, 0.1, 1])
    assert_allclose(heights(display), [0.15, 0, 0.575, 1])
    assert tick_labels(display) == ["0", "0.01", "0.1", "1"]


def test_words_have_places_below_numbers():
    display = on_one_axis([None, 1.0, "auto", 2.0, 5.0])
    assert_allclose(heights(display), [0, 0.3, 0.15, 0.475, 1])
    assert tick_labels(display) == ["None", "auto", "1", "2", "5"]


def test_many_words_leave_half_the_axis_to_numbers():
    display = on_one_axis([*"abcde", 1, 3])
    assert_allclose(heights(display), [0, 0.1, 0.2, 0.3, 0.4, 0.5, 1])


def test_one_number_among_words_is_a_word():
    display = on_one_axis([16, "auto", None])
    assert_allclose(heights(display), [0, 0.5, 1])
    assert tick_labels(display) == ["16", "auto", "None"]


@pytest.mark.parametrize("odd", [np.inf, np.nan])
def test_what_is_not_finite_is_a_word(odd):
    assert_allclose(heights(on_one_axis([1.0, odd, 3.0])), [0.15, 0, 1])


def test_words_keep_the_order_of_the_search():
    values = [(8, 8), (100,), (8,), (100,), (8, 8)]
    display = on_one_axis(values)
    assert_allclose(heights(display), [0, 0.5, 1, 0.5, 0])
    assert tick_labels(display) == ["(8, 8)", "(100,)", "(8,)"]


def test_true_is_no_number():
    assert heights(on_one_axis([True, False])) == [0, 1]


def test_equal_scores_lie_in_the_middle():
    display = shown({"a": [1, 2]}, lambda it: 0.5)
    assert heights(display, 1) == [0.5, 0.5]
    assert tick_labels(display, 1) == ["0.5"]


# ---- what is written


def plain(x):
    return x


class Opaque:
    pass


@pytest.mark.parametrize(
    ("value", "label"),
    [
        ("$x$", "$x$"),
        (np.str_("he"), "he"),
        (True, "True"),
        (np.bool_(True), "True"),
        (plain, "plain"),
        (np.tanh, "tanh"),
        (Opaque(), "Opaque"),
        (StandardScaler(), "StandardScaler()"),
        (["relu", "tanh"], "['relu', 'tanh']"),
        (np.array([1, 2]), "array([1, 2])"),
        (np.int64(1000000), "1000000"),
        (np.float32(0.1), "0.1"),
        ("a name of which the end is not shown", "a name of which t…"),
    ],
)
def test_a_value_is_written_as_its_user_would(value, label):
    display = on_one_axis(["other", value])
    assert tick_labels(display) == ["other", label]


def test_equal_objects_share_a_place():
    scalers = [StandardScaler(), MinMaxScaler(), StandardScaler()]
    assert heights(on_one_axis(scalers)) == [0, 1, 0]


def test_functions_of_one_name_are_numbered():
    display = on_one_axis([lambda: 1, lambda: 2, plain])
    assert tick_labels(display) == ["<lambda>", "<lambda> 2", "plain"]


def test_a_dollar_is_no_formula():
    on_one_axis(["$}$", "$^$"]).figure_.canvas.draw()


def test_few_numbers_are_written_as_they_are():
    assert tick_labels(on_one_axis([1034.0, 2000.5, 1.0])) == ["1", "1034", "2000"]
    assert tick_labels(on_one_axis([0.3, 0.9995, 0.1])) == ["0.1", "0.3", "0.9995"]
    assert best_values(on_one_axis([0.3, 0.99954, 0.99951]))[0] == "0.99951"


def test_many_numbers_have_ticks():
    display = on_one_axis(list(range(0, 101)))
    assert tick_labels(display) == ["0", "20", "40", "60", "80", "100"]
    spread = on_one_axis(list(np.geomspace(0.005, 50, 30)))
    assert tick_labels(spread) == ["0.01", "0.1", "1", "10"]
    marks = {text.xy[1] for text in spread.ax_.texts if text.get_text() == "0.1"}
    assert_allclose([*marks], np.log10(0.1 / 0.005) / 4)


def test_many_numbers_within_a_decade_have_labels():
    assert len(tick_labels(on_one_axis(list(np.geomspace(2, 9, 30))))) > 2


class Step(Scored):
    def transform(self, X):
        return X


def test_prefixes_are_left_out_where_names_stay_clear():
    model = Pipeline([("one", Step()), ("two", Scored(scores=lambda it: it.b))])
    both = [1, 2]
    grid = {"one__a": both, "two__a": both, "two__b": both, "two__n_iter": [7]}
    search = GridSearchCV(model, grid, cv=2, refit=False).fit(X, y)
    display = SearchDisplay.from_search(search)
    assert [*display.parameters] == ["one__a", "two__a", "b"]
    assert names(display) == ["one__a", "two__a", "b", "mean test score"]


def test_long_names_are_folded():
    _, ax = plt.subplots(figsize=(5, 4))
    called = ["hidden_layer_sizes", "averyveryverylongname", "b"]
    parameters = {name: np.ma.array([1, 2]) for name in called}
    display = SearchDisplay(
        parameters=parameters, scores=[1, 2], best=1, score_name="mean test neg_rmse"
    ).plot(ax)
    assert names(display) == [
        "hidden_\nlayer_\nsizes",
        "averyveryverylongname",
        "b",
        "mean test\nneg_rmse",
    ]


# ---- which one is the best


def test_the_best_is_thick_and_black_with_its_values():
    display = shown(
        {"a": [0.25, 0.5, 1], "b": ["x", "y"]}, lambda it: it.a * (it.b == "x")
    )
    best = display.best
    assert best == 4
    widths = [line.get_linewidth() for line in display.lines_]
    assert widths == [1, 1, 1, 1, 3, 1]
    line = display.lines_[best]
    assert line.get_color() == "black"
    assert line.get_zorder() == max(line.get_zorder() for line in display.lines_)
    assert best_values(display) == ["1", "x", "1"]


@pytest.mark.parametrize("b", [1, 2, 3], ids=["falls", "is level", "rises"])
def test_the_line_of_the_best_does_not_cut_the_labels_of_its_values(b):
    values = [1, 2, 3]
    display = shown({"a": values, "b": values}, lambda it: it.a == 2 and it.b == b)
    ax = display.ax_
    ax.figure.canvas.draw()
    path = display.lines_[display.best].get_path().transformed(ax.transData)
    beside = [text for text in ax.texts if text.get_weight() != "bold"]
    its = [text for text in beside if text.xy in [(0, 0.5), (1, (b - 1) / 2)]]
    assert [text.get_text() for text in its] == ["2", str(b)]
    for text in its:
        assert not path.intersects_bbox(text.get_window_extent(), filled=False)


def test_the_worst_score_has_a_label():
    display = shown({"a": [*range(20)]}, lambda it: it.a / 7 + 0.013)
    assert tick_labels(display, 1) == ["0.013", "0.5", "1", "1.5", "2", "2.5"]


def test_better_lines_are_darker_and_lie_above():
    display = shown({"a": [1, 5, 3, 4, 2]}, lambda it: 10**it.a)
    order = np.argsort(display.scores)
    colors = [display.lines_[k].get_color() for k in order]
    greys = [matplotlib.colors.to_rgb(color)[0] for color in colors]
    assert_allclose(greys, [0.8, 0.6625, 0.525, 0.3875, 0])
    above = [display.lines_[k].get_zorder() for k in order]
    assert np.all(np.diff(above) > 0)


def test_the_choice_of_the_search_is_emphasised():
    display = shown({"a": [1, 2, 3]}, lambda it: it.a, refit=lambda results: 1)
    assert display.best == 1
    assert best_values(display) == ["2", "2"]


# ---- searches of all kinds


def test_scoring_by_name_is_named():
    grid = {"strategy": ["prior", "uniform"]}
    search = GridSearchCV(DummyClassifier(), grid, scoring="neg_log_loss")
    display = SearchDisplay.from_search(search.fit(*load_iris(return_X_y=True)))
    assert display.score_name == "mean test neg_log_loss"


def test_a_random_search_is_shown():
    search = search_of(
        {"a": [*range(100)], "b": ["x", "y"]},
        lambda it: -it.a,
        cls=RandomizedSearchCV,
        n_iter=9,
        random_state=0,
    )
    display = SearchDisplay.from_search(search)
    tried = [params["a"] for params in search.cv_results_["params"]]
    assert [*display.parameters["a"]] == tried
    assert display.best == np.argmin(tried)


def test_what_a_candidate_lacks_is_not_set():
    grid = [{"a": [1, 2], "n_iter": [5]}, {"b": ["x"], "a": [4]}, {"b": [None, "x"]}]
    display = shown(grid, lambda it: it.a + (it.b is None))
    assert [*display.parameters] == ["a", "n_iter", "b"]
    assert_allclose(heights(display, 0), [0.15, 0.575, 1, 0, 0])
    assert_allclose(heights(display, 1), [0, 0, 1, 1, 1])
    assert_allclose(heights(display, 2), [0, 0, 0.5, 1, 0.5])
    assert tick_labels(display, 0) == ["(not set)", "1", "2", "4"]
    assert tick_labels(display, 1) == ["5", "(not set)"]
    assert tick_labels(display, 2) == ["(not set)", "x", "None"]
    assert best_values(display) == ["4", "(not set)", "x", "4"]


@pytest.mark.filterwarnings("ignore:One or more of the test scores")
def test_failed_candidates_are_counted_in_the_title():
    scores = {1: 0.1, 2: np.nan, 3: 0.3, 4: -np.inf}
    grid = {"a": [2, 1, 3, 4], "b": ["x"]}
    with np.errstate(invalid="ignore"):  # minus infinity has no deviation
        display = shown(grid, lambda it: scores[it.a])
    assert display.n_left_out == 2
    assert_allclose(heights(display), [0, 1])
    assert best_values(display) == ["3", "0.3"]
    assert display.ax_.get_title() == (
        "2 candidates: the darker, the better\n(2 left out, without a finite score)"
    )


def test_where_none_failed_the_title_tells_of_none():
    display = shown({"a": [1, 2]}, lambda it: it.a)
    assert display.ax_.get_title() == "2 candidates: the darker, the better"


SEVERAL = {
    "first": lambda it, X, y: it.a,
    "second": lambda it, X, y: -it.a,
    "score": lambda it, X, y: -abs(it.a - 2),
}


@pytest.mark.parametrize(
    ("refit", "metric", "name", "best"),
    [
        ("second", None, "second", 0),
        ("second", "second", "second", 0),
        ("second", "first", "first", 2),
        ("second", "score", "score", 1),
        (False, "first", "first", 2),
        (lambda results: 1, "first", "first", 1),
    ],
)
def test_one_of_several_metrics_is_shown(refit, metric, name, best):
    search = search_of({"a": [1, 2, 3]}, None, scoring=SEVERAL, refit=refit)
    display = SearchDisplay.from_search(search, metric=metric)
    assert display.score_name == f"mean test {name}"
    assert_allclose(display.scores, search.cv_results_[f"mean_test_{name}"])
    assert display.best == best


def test_an_unknown_metric_is_told():
    search = search_of({"a": [1, 2]}, None, scoring=SEVERAL, refit=False)
    message = (
        "metric='frist' is not one of ['first', 'score', 'second']. "
        "Did you mean 'first'?"
    )
    with pytest.raises(ValueError, match=exactly(message)):
        SearchDisplay.from_search(search, metric="frist")
    message = (
        "metric must be one of ['first', 'score', 'second'], or None. Got 1 instead."
    )
    with pytest.raises(TypeError, match=exactly(message)):
        SearchDisplay.from_search(search, metric=1)
    message = (
        "metric=None is the one of refit, but refit is False; give one of ['first', "
        "'score', 'second']."
    )
    with pytest.raises(ValueError, match=exactly(message)):
        SearchDisplay.from_search(search)


HALVING = [HalvingGridSearchCV, StackedHalvingGridSearchCV]
OF_HALVING = {"factor": 2, "max_resources": 40, "min_resources": 10, "random_state": 0}


@pytest.mark.parametrize("cls", HALVING)
def test_halving_shows_the_last_trial_of_each_candidate(cls):
    rows = {}
    grid = {"a": [1, 2, 3, 4]}

    def scores(it):
        rows.setdefault(it.a, []).append(it.n_rows_)
        return it.a / 10 - it.n_rows_ / 1000  # less in later rounds

    search = search_of(grid, scores, cls=cls, refit=True, **OF_HALVING)
    assert search.n_resources_ == [10, 20, 40]
    display = SearchDisplay.from_search(search)
    assert [*display.parameters] == ["a", "n_samples"]
    assert [*display.parameters["a"]] == [1, 2, 3, 4]
    assert [*display.parameters["n_samples"]] == [10, 10, 20, 40]
    tried = search.cv_results_["mean_test_score"]
    assert_allclose(display.scores, [tried[0], tried[1], tried[-2 - 1], tried[-1]])
    assert search.best_params_ == {"a": 4}
    assert best_values(display)[:2] == ["4", "40"]


@pytest.mark.parametrize("cls", HALVING)
def test_halving_on_a_parameter_has_one_axis_of_it(cls):
    grid = {"a": [1, 2, 3, 4]}
    options = OF_HALVING | {"resource": "n_iter", "refit": True}
    search = search_of(grid, lambda it: it.a + it.n_iter, cls=cls, **options)
    display = SearchDisplay.from_search(search)
    assert [*display.parameters] == ["a", "n_iter"]
    assert [*display.parameters["n_iter"]] == [10, 10, 20, 40]
    assert_allclose(display.scores, [11, 12, 23, 44])


def test_what_halving_chose_is_emphasised_though_an_early_trial_scored_higher():
    grid = {"a": [1, 2, 3, 4]}
    options = OF_HALVING | {"resource": "n_iter", "refit": True}
    search = search_of(
        grid,
        lambda it: it.a - it.n_iter,
        cls=StackedHalvingGridSearchCV,
        **options,
    )
    display = SearchDisplay.from_search(search)
    assert_allclose(display.scores, [-9, -8, -17, -36])
    assert display.best == 3


class InTurn:
    """A distribution of which the draws are known."""

    def __init__(self, *draws):
        self.draws = cycle(draws)

    def rvs(self, random_state=None):
        return next(self.draws)


def test_the_better_twin_of_the_last_round_is_emphasised():
    options = OF_HALVING | {"min_resources": 20, "n_candidates": 4}
    later = count(0, 0.001)
    search = search_of(
        {"a": InTurn(1, 3, 3, 2)},
        lambda it: it.a - next(later),
        cls=StackedHalvingRandomSearchCV,
        refit=True,
        **options,
    )
    assert [it["a"] for it in search.cv_results_["params"]] == [1, 3, 3, 2, 3, 3]
    assert search.best_index_ == 4
    display = SearchDisplay.from_search(search)
    assert [*display.parameters["a"]] == [1, 3, 2]
    assert display.best == 1
    assert display.scores[1] == search.best_score_


def test_a_stacked_search_of_a_pipeline_is_shown():
    net = DeepNetClassifier((3,), n_iter=2, tol=None, random_state=0)
    grid = {
        "standardscaler": [StandardScaler(), "passthrough"],
        "deepnetclassifier__hidden_layer_sizes": [(3,), (2, 2)],
    }
    model = make_pipeline(StandardScaler(), net)
    search = StackedGridSearchCV(model, grid).fit(*load_iris(return_X_y=True))
    display = SearchDisplay.from_search(search)
    assert [*display.parameters] == ["hidden_layer_sizes", "standardscaler"]
    assert tick_labels(display, 1) == ["StandardScaler()", "passthrough"]
    assert display.best == search.best_index_
    assert_allclose(display.scores, search.cv_results_["mean_test_score"])


# ---- what cannot be shown


def test_what_is_no_fitted_search_is_told():
    with pytest.raises(NotFittedError):
        SearchDisplay.from_search(GridSearchCV(Scored(), {"a": [1, 2]}))
    message = (
        "search must be a search, which has cv_results_. Got StandardScaler() instead."
    )
    with pytest.raises(TypeError, match=exactly(message)):
        SearchDisplay.from_search(StandardScaler().fit(X))


@pytest.mark.parametrize(
    ("grid", "n_candidates"), [({"a": [1]}, 1), ({"a": [1, 1], "b": ["x"]}, 2)]
)
def test_where_nothing_varies_there_is_nothing_to_show(grid, n_candidates):
    message = (
        "No parameter varies among the candidates with a finite mean_test_score, of "
        f"which there are {n_candidates}; a picture compares two or more."
    )
    with pytest.raises(ValueError, match=exactly(message)):
        shown(grid, lambda it: it.a)


@pytest.mark.filterwarnings("ignore:One or more of the test scores")
def test_where_all_failed_there_is_nothing_to_show():
    message = "None of the 3 candidates has a finite mean_test_score."
    with pytest.raises(ValueError, match=exactly(message)):
        shown({"a": [1, 2, 3]}, lambda it: np.nan)


# ---- the picture


def test_it_is_drawn_into_the_given_axes():
    search = search_of({"a": [1, 2]}, lambda it: it.a)
    figure, (left, right) = plt.subplots(1, 2)
    display = SearchDisplay.from_search(search, ax=right)
    assert display.ax_ is right
    assert display.figure_ is figure
    assert not left.lines
    assert display.plot(left) is display
    assert display.ax_ is left
    assert len(display.lines_) == 2
    assert plt.get_fignums() == [figure.number]


def drawn(n_candidates, n_parameters):
    """A display of values of all kinds, long names among them."""
    rng = np.random.RandomState(n_candidates)
    kinds = {
        "hidden_layer_sizes": lambda k: (int(rng.randint(500)),) * (1 + k % 3),
        "learning_rate": lambda k: 10 ** rng.uniform(-5, -1),
        "batch_size": lambda k: [None, "auto", 32, 64, 500][k % 5],
        "scaler": lambda k: [StandardScaler(), MinMaxScaler((0, k % 3 + 1))][k % 2],
        "validation_fraction": lambda k: rng.uniform(0, 1),
        "n_iter_no_change": lambda k: 10**9 + k,
    }
    parameters = {}
    for name, kind in [*kinds.items()][:n_parameters]:
        values = np.ma.masked_all(n_candidates, dtype=object)
        for candidate in range(n_candidates):
            values[candidate] = kind(candidate)
        parameters[name] = values
    scores = -np.exp(rng.randn(n_candidates))
    best = int(np.argmax(scores))
    name = "mean test neg_mean_absolute_percentage_error"
    return SearchDisplay(
        parameters=parameters, scores=scores, best=best, score_name=name, n_left_out=9
    )


@pytest.mark.parametrize("n_candidates", [2, 12, 200])
@pytest.mark.parametrize("n_parameters", range(1, 7))
def test_labels_are_apart_and_within_the_figure(n_candidates, n_parameters):
    display = drawn(n_candidates, n_parameters).plot()
    display.figure_.canvas.draw()
    ax = display.ax_
    labels = [*ax.texts, *ax.get_xticklabels(), ax.title]
    extents = [label.get_window_extent() for label in labels]
    for one, other in combinations(range(len(labels)), 2):
        assert not extents[one].overlaps(extents[other]), (labels[one], labels[other])
    width, height = display.figure_.canvas.get_width_height()
    for extent in extents:
        assert extent.x0 >= 0
        assert extent.y0 >= 0
        assert extent.x1 <= width
        assert extent.y1 <= height


@pytest.mark.parametrize("n_parameters", [1, 6])
def test_labels_of_a_small_plot_are_apart_along_each_axis(n_parameters):
    _, ax = plt.subplots(figsize=(5, 2.5), layout="constrained")
    display = drawn(200, n_parameters).plot(ax)
    display.figure_.canvas.draw()
    for place in range(n_parameters + 1):
        here = [text.get_window_extent() for text in ax.texts if text.xy[0] == place]
        for one, other in combinations(here, 2):
            assert not one.overlaps(other)
