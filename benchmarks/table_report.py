"""Summaries of the results of `tables.py`: means, wins, ranks, and a fair choice."""

import numpy as np
from accuracy import standard_error
from report import markdown
from scipy.stats import rankdata

MEASURES = {"score": "accuracy or R², %", "log_loss": "log-loss", "auc": "AUC, %"}
TIMES = ("fit", "predict")
IN_PERCENT = ("score", "auc")


def means_of(lines):
    """Return {table: {model: {measure: mean over seeds and folds}}}."""
    values = {}
    for line in lines:
        by_model = values.setdefault(line["table"], {})
        measures = by_model.setdefault(line["model"], {})
        for measure in (*MEASURES, *TIMES):
            if measure in line:
                measures.setdefault(measure, []).append(line[measure])
    return {
        table: {
            model: {measure: float(np.mean(them)) for measure, them in of.items()}
            for model, of in by_model.items()
        }
        for table, by_model in values.items()
    }


def with_measure(means, measure, models):
    """Return the names of the tables on which all models have the measure."""
    return [
        name
        for name, by_model in means.items()
        if all(measure in by_model.get(model, {}) for model in models)
    ]


def values_of(means, measure, model, names):
    """Return an array of a measure on several tables."""
    factor = 100 if measure in IN_PERCENT else 1
    return factor * np.array([means[name][model][measure] for name in names])


def table_of(means, measure, models):
    """Return the markdown table of a measure: a row for each data set."""
    form = "{:.2f}" if measure in IN_PERCENT else "{:.3f}"
    rows = []
    for name, by_model in means.items():
        found = [by_model.get(model, {}).get(measure) for model in models]
        if any(it is not None for it in found):
            factor = 100 if measure in IN_PERCENT else 1
            cells = ["" if it is None else form.format(factor * it) for it in found]
            rows.append((name, *cells))
    return markdown(("table", *models), rows)


def against(means, model, peer, names=None):
    """Return {measure: (mean difference, standard error, wins, tables)}.

    A win is a better value: a lower log-loss, or a higher one of the others.
    """
    found = {}
    for measure in MEASURES:
        on = with_measure(means, measure, (model, peer))
        on = [name for name in on if names is None or name in names]
        if on:
            ours, theirs = (values_of(means, measure, it, on) for it in (model, peer))
            differences = ours - theirs
            better = differences < 0 if measure == "log_loss" else differences > 0
            wins = int(np.count_nonzero(better))
            error = float(standard_error(differences))
            found[measure] = float(differences.mean()), error, wins, len(on)
    return found


def comparison_of(means, model, peers, names):
    """Return the markdown table of a model's differences from its peers."""
    rows = []
    for peer in peers:
        found, cells = against(means, model, peer, names), []
        for measure in MEASURES:
            if measure not in found:
                cells += ["", ""]
                continue
            difference, error, wins, n_tables = found[measure]
            digits = 2 if measure in IN_PERCENT else 3
            cells.append(f"{difference:+.{digits}f} ± {error:.{digits}f}")
            cells.append(f"{wins} of {n_tables}")
        on = [it for it in with_measure(means, "fit", (model, peer)) if it in names]
        ours, theirs = (values_of(means, "fit", it, on) for it in (model, peer))
        rows.append((peer, *cells, f"{theirs.mean() / ours.mean():.2f}"))
    header = ["against"]
    for what in MEASURES.values():
        header += [what, "better on"]
    return markdown((*header, "its time / ours"), rows)


def ranks_of(means, measure, models, names):
    """Return the mean rank of each model, 1 the best, and the number of tables."""
    on = [name for name in with_measure(means, measure, models) if name in names]
    values = np.array([values_of(means, measure, model, on) for model in models])
    ranks = rankdata(values if measure == "log_loss" else -values, axis=0)
    return dict(zip(models, ranks.mean(axis=1).tolist(), strict=True)), len(on)


def quality_of(means, recipe, name, prior):
    """Return one figure for how good a recipe is on a table: R², or McFadden's.

    McFadden's is the share of the log-loss of the class frequencies that is removed.
    """
    found = means[name][recipe]
    return 1 - found["log_loss"] / prior if prior else found["score"]


def choose(means, recipes, names, priors, max_time=None, peer=None):
    """Return the recipe that is best on the mean of some tables.

    With `max_time`, only recipes are chosen that take at most so many times the time
    of a peer.
    """
    quality = {
        recipe: np.mean([quality_of(means, recipe, it, priors[it]) for it in names])
        for recipe in recipes
    }
    if max_time is not None:
        limit = max_time * values_of(means, "fit", peer, names).mean()
        quality = {
            recipe: value
            for recipe, value in quality.items()
            if values_of(means, "fit", recipe, names).mean() <= limit
        }
    return max(quality, key=quality.get)


def cross_fitted(means, recipes, names, priors, n_splits=200, **limits):
    """Return what a choice by half of the tables reaches on the other half.

    Parameters
    ----------
    means : dict
        See `means_of`.
    recipes : sequence of str
        The models to choose from.
    names : sequence of str
        The tables.
    priors : dict
        Log-loss of the class frequencies of each table, or None for numbers.
    n_splits : int, default=200
        Number of random halves; each is used to choose, and to judge.
    **limits : object
        See `choose`.

    Returns
    -------
    found : dict
        ``{table: {measure: mean over the choices it had no part in}}``.
    chosen : dict
        How often each recipe was chosen.
    """
    rng = np.random.default_rng(0)
    values, chosen = {name: [] for name in names}, {}
    for _ in range(n_splits):
        order = rng.permutation(names).tolist()
        halves = order[: len(order) // 2], order[len(order) // 2 :]
        for by, judged in (halves, halves[::-1]):
            recipe = choose(means, recipes, by, priors, **limits)
            chosen[recipe] = chosen.get(recipe, 0) + 1
            for name in judged:
                values[name].append(means[name][recipe])
    found = {
        name: {key: float(np.mean([it[key] for it in of])) for key in of[0]}
        for name, of in values.items()
    }
    return found, chosen
