"""Measure what a network costs in production: file size, loading, and one row.

The same network is measured as `MLPClassifier` and as `DeepNetClassifier`, in every
file format of docs/production.md. A start is a new process that imports what it needs,
loads the file and predicts one row. Loading and predicting are timed in a process that
has imported everything. All run on one thread and take turns, so that other load on the
machine slows all of them alike.

    python benchmarks/serving.py
    python benchmarks/serving.py --quick
"""

import os
import re
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import joblib
import numpy as np
import onnx
import onnxruntime
import skops.io
from report import machine_line, markdown, parser_of, save, seconds_of
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import scale
from threadpoolctl import threadpool_limits

from sklearn_deepnet import DeepNetClassifier, load_model, save_model
from sklearn_deepnet.onnx import to_onnx
from sklearn_deepnet.persistence import TRUSTED_TYPES

NETWORKS = {
    "30-32-16-1": (load_breast_cancer, (32, 16)),
    "64-100-10": (load_digits, (100,)),
}
PAGE = Path(__file__).parents[1] / "docs" / "production.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S)
(NUMPY_LINES,) = (block for block in BLOCKS if "def load(path)" in block)
NUMPY_ALONE = {"__name__": "numpy_alone"}
exec(NUMPY_LINES, NUMPY_ALONE)


def onnx_session(path):
    """Return an onnxruntime session on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options)


def forms(folder, X, y, hidden, n_iter):
    """Fit, and write each format; return {name: (path, load, predict, start)}."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlp = MLPClassifier(hidden, max_iter=n_iter, random_state=0).fit(X, y)
    net = DeepNetClassifier(hidden, n_iter=n_iter, tol=None, random_state=0).fit(X, y)
    mlp_path, pickle, predictor, file, archive, model = (
        str(folder / name)
        for name in (
            "mlp.joblib",
            "net.joblib",
            "predictor.joblib",
            "net.safetensors",
            "net.skops",
            "net.onnx",
        )
    )
    joblib.dump(mlp, mlp_path)
    joblib.dump(net, pickle)
    joblib.dump(net.make_predictor(), predictor)
    save_model(net, file)
    skops.io.dump(net, archive)
    onnx.save(to_onnx(net), model)

    def by_method(estimator, row):
        return estimator.predict_proba(row)

    def by_call(predictor, row):
        return predictor(row)

    def by_session(session, row):
        return session.run(["probabilities"], {"X": row})[0]

    def by_numpy(loaded, row):
        return NUMPY_ALONE["predict_proba"](*loaded[:-1], row)

    def trusting(path):
        return skops.io.load(path, trusted=[*TRUSTED_TYPES])

    of_joblib = "import joblib; joblib.load({path!r}).predict_proba(X)"
    of_predictor = "import joblib; joblib.load({path!r})(X)"
    of_file = (
        "from sklearn_deepnet import load_model; load_model({path!r}).predict_proba(X)"
    )
    of_skops = (
        "import skops.io; from sklearn_deepnet.persistence import TRUSTED_TYPES\n"
        "skops.io.load({path!r}, trusted=[*TRUSTED_TYPES]).predict_proba(X)"
    )
    of_onnx = (
        "from onnxruntime import InferenceSession\n"
        "InferenceSession({path!r}).run(None, {{'X': X}})"
    )
    lines = NUMPY_LINES.replace("{", "{{").replace("}", "}}")
    of_numpy = lines + "\npredict_proba(*load({path!r})[:-1], X)"
    return {
        "MLPClassifier, joblib": (mlp_path, joblib.load, by_method, of_joblib),
        "DeepNetClassifier, joblib": (pickle, joblib.load, by_method, of_joblib),
        "make_predictor, joblib": (predictor, joblib.load, by_call, of_predictor),
        "DeepNetClassifier, save_model": (file, load_model, by_method, of_file),
        "DeepNetClassifier, skops": (archive, trusting, by_method, of_skops),
        "ONNX, onnxruntime": (model, onnx_session, by_session, of_onnx),
        "save_model, NumPy alone": (file, NUMPY_ALONE["load"], by_numpy, of_numpy),
    }


def start_of(code, path, n_features):
    """Return the seconds of a process that loads a file and predicts one row."""
    code = f"import numpy as np\nX = np.zeros((1, {n_features}))\n" + code.format(
        path=path
    )
    start = time.perf_counter()
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)
    return time.perf_counter() - start


def measure(name, n_rounds, n_calls):
    """Return {format: [bytes, start, loading, one row]}, medians over rounds."""
    load_data, hidden = NETWORKS[name]
    X, y = load_data(return_X_y=True)
    X = scale(X)
    row = X[:1].copy()
    with tempfile.TemporaryDirectory() as folder:
        made = forms(Path(folder), X, y, hidden, n_iter=20)
        loaded = {form: load(path) for form, (path, load, *_) in made.items()}
        p = {form: made[form][2](loaded[form], row) for form in made}
        for form in [*made][2:]:  # the first has other weights
            np.testing.assert_allclose(p[form], p["DeepNetClassifier, joblib"], 1e-9)
        times = {form: [] for form in made}
        for _ in range(n_rounds):
            for form, (path, load, predict, code) in made.items():
                one = loaded[form]
                times[form].append(
                    [
                        start_of(code, path, X.shape[1]),
                        seconds_of(lambda: load(path), max(1, n_calls // 20)),  # noqa: B023
                        seconds_of(lambda: predict(one, row), n_calls),  # noqa: B023
                    ]
                )
        return {
            form: [os.path.getsize(path), *np.median(times[form], axis=0).tolist()]
            for form, (path, *_) in made.items()
        }


def main():
    """Parse the options, run, print."""
    parser = parser_of(__doc__)
    parser.add_argument("--quick", action="store_true", help="one round")
    options = parser.parse_args()
    n_rounds, n_calls = (1, 20) if options.quick else (9, 2000)
    print(machine_line(), flush=True)
    before = os.getloadavg()[0]
    with threadpool_limits(limits=1):
        found = {name: measure(name, n_rounds, n_calls) for name in NETWORKS}
    header = ("network", "form", "kB", "start, s", "load, ms", "one row, µs")
    rows = [
        (
            name,
            form,
            f"{size / 1000:.1f}",
            f"{start:.2f}",
            f"{1000 * loading:.2f}",
            f"{1e6 * row:.0f}",
        )
        for name, by_form in found.items()
        for form, (size, start, loading, row) in by_form.items()
    ]
    print(f"Medians of {n_rounds} rounds.\n\n{markdown(header, rows)}")
    print(f"Load of the machine: {before:.1f} before, {os.getloadavg()[0]:.1f} after.")
    save(options.json, by_network_and_form=found)


if __name__ == "__main__":
    main()
