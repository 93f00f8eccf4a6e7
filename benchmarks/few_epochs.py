"""Compare initializations of the classifier after few epochs and after many.

On each table with classes of `tables.py`, networks of one shape with different initial
weights are trained as one stack to 10, 30, 100 and 200 epochs, without early stopping.
MLPClassifier, behind a StandardScaler, gets the same epochs. Printed are the mean
differences from our default, over all tables, and the number of tables with a gain.

    python benchmarks/few_epochs.py
    python benchmarks/few_epochs.py --hidden 100 100 --max-rows 1500 --only pima digits
"""

import warnings

import numpy as np
from accuracy import standard_error
from report import machine_line, markdown, parser_of, save
from sklearn.neural_network import MLPClassifier
from table_data import load_tables
from tables import check_names, folds_of, scaled, scores_of
from threadpoolctl import threadpool_limits

from sklearn_deepnet import DeepNetClassifier, fit_stack

EPOCHS = (10, 30, 100, 200)
OURS = {
    "default": {},
    "he": {"init": "he"},
    "he, zeros": {"init": "he", "bias_init": "zeros"},
    "he_uniform, uniform": {"init": "he_uniform", "bias_init": "uniform"},
    "lecun": {"init": "lecun"},
    "xavier, zeros": {"bias_init": "zeros"},
    "xavier, uniform": {"bias_init": "uniform"},
    "xavier_uniform, uniform": {"init": "xavier_uniform", "bias_init": "uniform"},
}


def scores_of_ours(hidden, table, train, test, seed):
    """Yield (label, epochs, scores) of our networks, trained as one stack."""
    nets = [
        DeepNetClassifier(hidden, tol=None, warm_start=True, random_state=seed, **it)
        for it in OURS.values()
    ]
    done = 0
    for epochs in EPOCHS:
        for net in nets:
            net.set_params(n_iter=epochs - done)
        fit_stack(nets, table.X[train], table.y[train])
        done = epochs
        for label, net in zip(OURS, nets, strict=True):
            yield label, epochs, scores_of(net, table, test)


def scores_of_mlp(hidden, table, train, test, seed):
    """Yield (label, epochs, scores) of MLPClassifier."""
    for epochs in EPOCHS:
        net = MLPClassifier(
            hidden, max_iter=epochs, n_iter_no_change=epochs, random_state=seed
        )
        model = scaled(net).fit(table.X[train], table.y[train])
        yield "MLPClassifier", epochs, scores_of(model, table, test)


def measure(tables, hidden, max_rows, n_seeds):
    """Return {(measure, epochs, label): [mean on each table]}."""
    found = {}
    for table in tables.values():
        values = {}
        for train, test in folds_of(table, max_rows):
            for seed in range(n_seeds):
                for run in (scores_of_ours, scores_of_mlp):
                    for label, epochs, scores in run(hidden, table, train, test, seed):
                        for name, value in scores.items():
                            key = name, epochs, label
                            values.setdefault(key, []).append(value)
        for key, them in values.items():
            found.setdefault(key, []).append(float(np.mean(them)))
    return found


def table_of(found, measure, factor):
    """Return a markdown table: the difference from the default after each epoch."""
    rows = []
    for label in ("MLPClassifier", *list(OURS)[1:]):
        cells = [label]
        for epochs in EPOCHS:
            ours, default = (
                factor * np.array(found[measure, epochs, it])
                for it in (label, "default")
            )
            gains = ours - default
            n_better = np.count_nonzero(
                gains < 0 if measure == "log_loss" else gains > 0
            )
            error = standard_error(gains)
            cells.append(f"{gains.mean():+.3g} ± {error:.2g} ({n_better})")
        rows.append(cells)
    return markdown((f"{measure}", *(f"{it} epochs" for it in EPOCHS)), rows)


def main():
    """Parse the options, measure, print."""
    parser = parser_of(__doc__)
    parser.add_argument("--hidden", nargs="+", type=int, default=[100], metavar="N")
    parser.add_argument("--max-rows", type=int, default=4000, metavar="N")
    parser.add_argument("--seeds", type=int, default=2, metavar="N", help="default: 2")
    parser.add_argument("--only", nargs="+", metavar="TABLE")
    options = parser.parse_args()
    tables = {name: it for name, it in load_tables().items() if it.has_classes}
    if options.only:
        check_names(parser, "--only", options.only, tables)
        tables = {name: tables[name] for name in options.only}
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        hidden = tuple(options.hidden)
        found = measure(tables, hidden, options.max_rows, options.seeds)
    print(machine_line())
    print(f"\nhidden layers {hidden}, {len(tables)} tables, differences from default\n")
    print(table_of(found, "score", 100), "\n")
    print(table_of(found, "log_loss", 1))
    save(options.json, found={" ".join(map(str, key)): it for key, it in found.items()})


if __name__ == "__main__":
    main()
