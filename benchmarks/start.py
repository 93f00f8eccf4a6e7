"""Measure what a network costs before and between fits: import, first fit, few rows.

`DeepNetClassifier` and `DeepNetRegressor` beside scikit-learn's. The import and the
first fit are whole processes, started and ended, with epochs as the only parameter that
is not a default. Predictions are of one row and of 16, of an array; those by
`make_predictor` are beside those of the method that it stands for. All run on one
thread and take turns, so that other load on the machine slows all of them alike.

    python benchmarks/start.py
    python benchmarks/start.py --quick
"""

import os
import subprocess
import sys
import time
import warnings
from functools import partial

import numpy as np
from report import machine_line, markdown, parser_of, save, seconds_of
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import scale
from threadpoolctl import threadpool_limits

from sklearn_deepnet import DeepNetClassifier, DeepNetRegressor

IMPORTS = {
    "MLPClassifier": "from sklearn.neural_network import MLPClassifier",
    "DeepNetClassifier": "from sklearn_deepnet import DeepNetClassifier",
}
FIT = (
    "from sklearn.datasets import {data}\n"
    "X, y = {data}(return_X_y=True)\n"
    "{model}({epochs}={n}).fit(X, y)"
)
EPOCHS = {"MLPClassifier": "max_iter", "DeepNetClassifier": "n_iter"}
CLASSIFIERS = MLPClassifier, DeepNetClassifier
REGRESSORS = MLPRegressor, DeepNetRegressor
NETWORKS = {
    "30-32-16-1, two classes": (load_breast_cancer, (32, 16), CLASSIFIERS),
    "64-100-10, ten classes": (load_digits, (100,), CLASSIFIERS),
    "10-100-1, a number": (load_diabetes, (100,), REGRESSORS),
}


def processes():
    """Return {what: {model: code}}, each to be run in a process of its own."""
    found = {"import": IMPORTS}
    for data in ("load_digits", "load_breast_cancer"):
        for n in (1, 20):
            name = f"import and fit, {data.removeprefix('load_')}, n_iter={n}"
            found[name] = {
                model: f"{line}\n"
                + FIT.format(data=data, model=model, epochs=EPOCHS[model], n=n)
                for model, line in IMPORTS.items()
            }
    return found


def seconds_of_process(code):
    """Return the seconds that a new process needs for the code, on one thread."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    # As after an installation, modules are compiled once and not in each process
    environment = os.environ | one | {"PYTHONDONTWRITEBYTECODE": ""}
    start = time.perf_counter()
    command = [sys.executable, "-W", "ignore", "-c", code]
    subprocess.run(command, check=True, env=environment)
    return time.perf_counter() - start


def fit_both(name, dtype):
    """Return one fitted network of each library, and X."""
    load_data, hidden, (peer, own) = NETWORKS[name]
    X, y = load_data(return_X_y=True)
    X = scale(X).astype(dtype)
    settings = {"hidden_layer_sizes": hidden, "random_state": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        models = peer(max_iter=5, **settings), own(n_iter=5, tol=None, **settings)
        return [model.fit(X, y) for model in models], X


def predictions(name, dtype):
    """Return {what: {model: call}}, and the same for our method and our predictor."""
    models, X = fit_both(name, dtype)
    found, by_predictor = {}, {}
    for n_rows in (1, 16):
        rows = X[:n_rows].copy()
        methods = [it for it in ("predict", "predict_proba") if hasattr(models[1], it)]
        for method in methods:
            what = f"{method} of {n_rows}, {name}, {dtype}"
            found[what] = {
                column: partial(getattr(model, method), rows)
                for column, model in zip(IMPORTS, models, strict=True)
            }
        by_predictor[what] = {
            "method": found[what]["DeepNetClassifier"],
            "predictor": partial(models[1].make_predictor(), rows),
        }
    return found, by_predictor


def compare(pairs, measure, n_rounds):
    """Return {what: [seconds of one, of the other, times faster]}, as medians."""
    found = {}
    for what, by_model in pairs.items():
        for it in by_model.values():  # the first compiles, or fills the caches
            measure(it)
        times = [[measure(it) for it in by_model.values()] for _ in range(n_rounds)]
        one, other = np.array(times).T
        medians = np.median(one), np.median(other), np.median(one / other)
        found[what] = [float(it) for it in medians]
        print(f"{what}: {found[what][-1]:.2f}", file=sys.stderr, flush=True)
    return found


def table(first, found, unit, compared=("scikit-learn", "ours")):
    """Return a markdown table; `unit` is of a second, with its name."""
    factor, name = unit
    header = (first, *(f"{it}, {name}" for it in compared), "times faster")
    rows = [
        (what, f"{one * factor:.4g}", f"{other * factor:.4g}", f"{ratio:.2f}")
        for what, (one, other, ratio) in found.items()
    ]
    return markdown(header, rows)


def main():
    """Parse the options, run, print."""
    parser = parser_of(__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds")
    options = parser.parse_args()
    n_processes, n_rounds, n_calls = (3, 3, 50) if options.quick else (15, 15, 500)
    print(machine_line(), flush=True)
    before = os.getloadavg()[0]
    started = compare(processes(), seconds_of_process, n_processes)
    with threadpool_limits(limits=1):
        calls, by_predictor = {}, {}
        for name in NETWORKS:
            for dtype in ("float64", "float32"):
                found, of_predictor = predictions(name, dtype)
                calls |= found
                by_predictor |= of_predictor
        measure = partial(seconds_of, n_calls=n_calls)
        predicted = compare(calls, measure, n_rounds)
        served = compare(by_predictor, measure, n_rounds)
    print(f"Whole processes, {n_processes} of each.\n")
    print(table("process", started, (1, "s")))
    print(f"\nPredictions, {n_rounds} rounds of {n_calls} calls.\n")
    print(table("call", predicted, (1e6, "µs")))
    print("\nThe same by make_predictor.\n")
    print(table("call", served, (1e6, "µs"), ("method", "predictor")))
    print(f"Load of the machine: {before:.1f} before, {os.getloadavg()[0]:.1f} after.")
    save(options.json, processes=started, predictions=predicted, predictors=served)


if __name__ == "__main__":
    main()
