"""What benchmarks conclude from results: wins, quality, and a choice of recipes."""

import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import log_loss

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def table_report(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import table_report

    yield table_report
    for name in ("table_report", "accuracy", "report"):  # too general to be left
        sys.modules.pop(name, None)


def line(model, table, fold, score, loss=None, fit=1.0):
    found = {"model": model, "table": table, "seed": 0, "fold": fold, "score": score}
    return found | {"fit": fit} | ({} if loss is None else {"log_loss": loss})


def test_means_are_over_folds(table_report):
    lines = [
        line("a", "iris", k, score, loss=1 - score)
        for k, score in enumerate([0.5, 0.7])
    ]
    means = table_report.means_of(lines)
    assert means == {"iris": {"a": {"score": 0.6, "log_loss": 0.4, "fit": 1.0}}}


def test_a_lower_log_loss_wins_and_a_higher_score(table_report):
    lines = [
        line("a", "iris", 0, 0.9, 0.2),
        line("b", "iris", 0, 0.8, 0.1),
        line("a", "wine", 0, 0.9, 0.2),
        line("b", "wine", 0, 0.9, 0.3),
        line("a", "tie", 0, 0.5, 0.7),
        line("b", "tie", 0, 0.5, 0.7),
        line("a", "alone", 0, 0.1, 0.1),
    ]
    means = table_report.means_of(lines)
    found = table_report.against(means, "a", "b", [*means])
    differences, wins = found["score"]
    np.testing.assert_allclose(differences, [0.1, 0.0, 0.0])
    assert wins == 1  # a tie is no win
    differences, wins = found["log_loss"]
    np.testing.assert_allclose(differences, [0.1, -0.1, 0.0])
    assert wins == 1


def test_quality_of_the_frequencies_is_zero(table_report):
    y = np.array([0, 0, 0, 1, 1, 2])
    shares = np.tile([1 / 2, 1 / 3, 1 / 6], (6, 1))
    loss = log_loss(y, shares)
    assert table_report.log_loss_of_frequencies(y) == pytest.approx(loss)
    means = table_report.means_of([line("a", "t", 0, 0.5, loss)])
    quality = table_report.quality_of(means, "a", "t", loss)
    assert quality == pytest.approx(0, abs=1e-4)
    assert table_report.quality_of(means, "a", "t", None) == 0.5


def results(table_report, qualities, times):
    """Means of recipes whose quality on each table is given."""
    lines = [
        line(recipe, f"t{k}", 0, score, fit=times[recipe])
        for recipe, scores in qualities.items()
        for k, score in enumerate(scores)
    ]
    means = table_report.means_of(lines)
    return means, [*means], dict.fromkeys(means)


def test_the_choice_is_the_best_mean_within_the_time(table_report):
    qualities = {"peer": [0, 0], "fast": [0.5, 0.6], "slow": [0.9, 0.9]}
    times = {"peer": 1.0, "fast": 1.0, "slow": 2.0}
    means, names, priors = results(table_report, qualities, times)
    for max_time, expected in ((1.0, "fast"), (np.inf, "slow"), (0.5, "fast")):
        chosen = table_report.choose(
            means, ["fast", "slow"], names, priors, "peer", max_time
        )
        assert chosen == expected


def test_a_table_does_not_choose_the_recipe_that_it_is_judged_by(table_report):
    """Each recipe is far the best on one table, so that table always chooses it."""
    n_tables = 6
    qualities = {f"r{k}": np.eye(n_tables)[k].tolist() for k in range(n_tables)}
    qualities["peer"] = [0.0] * n_tables
    means, names, priors = results(table_report, qualities, dict.fromkeys(qualities, 1))
    recipes = [name for name in qualities if name != "peer"]
    found, chosen = table_report.cross_fitted(
        means, recipes, names, priors, "peer", 1.0, n_splits=20
    )
    assert sum(chosen.values()) == 40  # both halves of each split
    # With a part in the choice, a table would have the recipe that is best on it.
    assert [found[name]["chosen"]["score"] for name in names] == [0.0] * n_tables
