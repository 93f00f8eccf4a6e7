"""Summaries of the results of `tables.py`: means, wins, and what a choice is worth."""

import numpy as np
from accuracy import standard_error
from report import markdown

# name in the results: title, factor, digits
MEASURES = {
    "score": ("accuracy or R², %", 100, 2),
    "log_loss": ("log-loss", 1, 3),
    "auc": ("AUC, %", 100, 2),
}
COSTS = {
    "fit": ("CPU seconds of a fit", 1, 2),
    "predict": ("CPU milliseconds to predict a fifth of the rows", 1e3, 1),
    "one_row": ("CPU milliseconds to predict one row", 1e3, 2),
    "bytes": ("kB of a pickle", 1e-3, 0),
}


def means_of(lines):
    """Return {table: {model: {measure: mean over seeds and folds}}}."""
    values = {}
    for line in lines:
        measures = values.setdefault(line["table"], {}).setdefault(line["model"], {})
        for measure in (*MEASURES, *COSTS):
            if measure in line:
                measures.setdefault(measure, []).append(line[measure])
    return {
        table: {
            model: {key: float(f"{np.mean(them):.5g}") for key, them in of.items()}
            for model, of in by_model.items()
        }
        for table, by_model in values.items()
    }


def names_with(means, measure, models):
    """Return the names of the tables on which all models have the measure."""
    return [
        name
        for name, by_model in means.items()
        if all(measure in by_model.get(model, {}) for model in models)
    ]


def values_of(means, measure, model, names):
    """Return an array of a measure on several tables."""
    return np.array([means[name][model][measure] for name in names])


def table_of(means, measure, models, factor, digits):
    """Return the markdown table of a measure: a row for each data set."""
    rows = []
    for name, by_model in means.items():
        found = [by_model.get(model, {}).get(measure) for model in models]
        if any(it is not None for it in found):
            cells = ["" if it is None else f"{factor * it:.{digits}f}" for it in found]
            rows.append((name, *cells))
    return markdown(("table", *models), rows)


def against(means, model, peer, names):
    """Return {measure: (differences on the tables, number of wins)}.

    A win is a lower log-loss, or a higher value of another measure.
    """
    found = {}
    for measure in MEASURES:
        on = [
            name for name in names_with(means, measure, (model, peer)) if name in names
        ]
        if on:
            ours, theirs = (values_of(means, measure, it, on) for it in (model, peer))
            wins = ours < theirs if measure == "log_loss" else ours > theirs
            found[measure] = ours - theirs, int(np.count_nonzero(wins))
    return found


def comparison_of(means, pairs, names):
    """Return the markdown table of the differences between pairs of models.

    Parameters
    ----------
    means : dict
        See `means_of`.
    pairs : dict
        ``{label of the row: (model, peer)}``.
    names : sequence of str
        The tables.
    """
    rows = []
    for label, (model, peer) in pairs.items():
        found, cells = against(means, model, peer, names), []
        for measure, (_, factor, digits) in MEASURES.items():
            if measure in found:
                by_table, wins = found[measure]
                mean, error = (
                    factor * by_table.mean(),
                    factor * standard_error(by_table),
                )
                cells.append(f"{mean:+.{digits}f} ± {error:.{digits}f}")
                cells.append(f"{wins} of {len(by_table)}")
            else:
                cells += ["", ""]
        on = [name for name in names_with(means, "fit", (model, peer)) if name in names]
        times = [values_of(means, "fit", it, on).mean() for it in (model, peer)]
        rows.append((label, *cells, f"{times[0] / times[1]:.2f}"))
    header = [it for title, *_ in MEASURES.values() for it in (title, "better on")]
    return markdown(("", *header, "time"), rows)


def log_loss_of_frequencies(y):
    """Return the log-loss of predicting the frequencies of the classes."""
    shares = np.unique(y, return_counts=True)[1] / len(y)
    return float(-(shares * np.log(shares)).sum())


def quality_of(means, recipe, name, of_frequencies):
    """Return how good a recipe is on a table: R², or McFadden's for classes [1]_.

    McFadden's is the share by which the log-loss is below that of the frequencies of
    the classes.

    References
    ----------
    .. [1] McFadden, "Conditional Logit Analysis of Qualitative Choice Behavior", 1974.
    """
    found = means[name][recipe]
    return 1 - found["log_loss"] / of_frequencies if of_frequencies else found["score"]


def choose(means, recipes, names, of_frequencies, peer, max_time):
    """Return the recipe with the best mean quality on some tables.

    It takes at most `max_time` times the time of the peer on their mean. If none does,
    it is the fastest.
    """
    times = {it: values_of(means, "fit", it, names).mean() for it in recipes}
    limit = max_time * values_of(means, "fit", peer, names).mean()
    limit = max(limit, min(times.values()))
    quality = {
        it: np.mean([quality_of(means, it, at, of_frequencies[at]) for at in names])
        for it in recipes
        if times[it] <= limit
    }
    return max(quality, key=quality.get)


def cross_fitted(means, recipes, names, of_frequencies, peer, max_time, n_splits=200):
    """Return what a recipe reaches that other tables have chosen.

    Each of `n_splits` random halves of the tables chooses for the other half.

    Returns
    -------
    found : dict
        Means of each table as from `means_of`, of the models "chosen" and `peer`.
    chosen : dict
        How often each recipe was chosen.
    """
    rng = np.random.default_rng(0)
    values, chosen = {name: [] for name in names}, {}
    for _ in range(n_splits):
        order = rng.permutation(names).tolist()
        halves = order[: len(order) // 2], order[len(order) // 2 :]
        for by, judged in (halves, halves[::-1]):
            recipe = choose(means, recipes, by, of_frequencies, peer, max_time)
            chosen[recipe] = chosen.get(recipe, 0) + 1
            for name in judged:
                values[name].append(means[name][recipe])
    found = {
        name: {
            "chosen": {
                key: float(np.mean([it[key] for it in of]))
                for key in set.intersection(*map(set, of))
            },
            peer: means[name][peer],
        }
        for name, of in values.items()
    }
    return found, chosen


def print_recipes(means, recipes, names, of_frequencies, peer):
    """Print the recipes beside a peer, and what a choice among them is worth."""
    print(f"\nRecipes, differences from {peer}, times as multiples of its time\n")
    pairs = {label.removeprefix("recipe: "): (label, peer) for label in recipes}
    print(comparison_of(means, pairs, names))
    for max_time in (1.0, np.inf):
        found, chosen = cross_fitted(
            means, recipes, names, of_frequencies, peer, max_time
        )
        pair = {f"time up to {max_time}": ("chosen", peer)}
        print(f"\nChosen by half of the tables for the others: {chosen}\n")
        print(comparison_of(found, pair, names))


def print_report(means, tables, recipes, ours="ensemble", peer="MLP"):
    """Print what is known about the models.

    Parameters
    ----------
    means : dict
        See `means_of`.
    tables : dict of DataTable
        Those that were measured.
    recipes : sequence of str
        The models that are changes of the ensemble's defaults.
    ours, peer : str
        The model that is compared with all others, and the one with which recipes are.
    """
    labels = dict.fromkeys(label for it in means.values() for label in it)
    models = [label for label in labels if label not in recipes]
    for measure, (title, factor, digits) in (MEASURES | COSTS).items():
        if any(names_with(means, measure, [model]) for model in models):
            print(f"\n{title}\n\n{table_of(means, measure, models, factor, digits)}")
    for kind, has_classes in (("classes", True), ("numbers", False)):
        names = [name for name in means if tables[name].has_classes is has_classes]
        pairs = {
            it: (ours, it)
            for it in models
            if it != ours and {*names_with(means, "fit", (ours, it))} & {*names}
        }
        if ours in models and pairs:
            print(f"\n{ours}, differences on tables of {kind}\n")
            print(comparison_of(means, pairs, names))
        of_frequencies = {
            name: log_loss_of_frequencies(tables[name].y) if has_classes else None
            for name in names
        }
        known = [
            it for it in recipes if {*names} <= {*names_with(means, "fit", (it, peer))}
        ]
        if len(known) > 1 and len(names) > 1:
            print_recipes(means, known, names, of_frequencies, peer)
