"""Random cases: all parameters, kinds of data and calls at once, with the contracts.

The promises of this library are functions here, the oracles. Each is applied to a case
where it holds, and fails with an AssertionError that says what is broken. To run many
cases, or a single one again::

    python -m tests.integration.random_cases --cases 5000 --seed 1
    python -m tests.integration.random_cases --small-limits

With small limits, tables of a few rows are cut into blocks, and weights into slices,
like large ones. A broken case is printed as code that repeats it, with as few
parameters as possible.
"""

import argparse
import contextlib
import copy
import io
import pickle
import tempfile
import threading
import time
import warnings
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
from joblib import parallel_config
from onnxruntime import InferenceSession
from sklearn.base import clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, KFold
from threadpoolctl import threadpool_limits

from sklearn_deepnet import diagnose, fit_stack, load_model, save_model, stacked
from sklearn_deepnet.onnx import to_onnx
from tests.integration import random_data
from tests.integration.random_checks import (
    OURS,
    assert_close,
    assert_same,
    assert_same_network,
    attempt,
    call,
    check_curves,
    check_explained,
    fitted,
    outputs,
    plain,
    public_call,
    rounding,
)
from tests.integration.random_data import Data, as_dense, make_data, select
from tests.integration.random_draws import Case, draw_case
from tests.integration.random_limits import small_limits

__all__ = ["ORACLES", "Case", "Data", "check", "draw_case"]

ROUNDED = {"float16", "float32", "swapped_float32", "csr_float32"}


# ---- oracles


def fits_or_explains(case):
    """`fit` works, or raises an error of ours and changes nothing."""
    estimator = case.make()
    found = call(estimator, "fit", **make_data(case.data))
    if case.must_fail:
        assert isinstance(found, Exception), "invalid, but fitted"
    elif not isinstance(found, Exception):
        assert found is estimator, "fit returns another object"
        check_curves(estimator)


def predicts_what_it_promises(case):
    """Predictions are finite, of the right shape, and the same in other company."""
    estimator, data = fitted(case), make_data(case.data)
    X, n = data["X"], case.data.n_rows
    predicted, p = call(estimator, "predict", X), outputs(estimator, X)
    assert np.isfinite(p).all(), "predictions are not finite"
    shape = np.shape(data["y"])
    shape = shape if shape[1:] > (1,) else (n,)
    shape = (n, case.n_quantiles) if case.n_quantiles > 1 else shape
    assert predicted.shape == shape, f"predictions have the shape {predicted.shape}"
    if case.is_classifier:
        check_probabilities(case, estimator, X, predicted, p)
    elif case.is_ensemble:
        mean, std = estimator.predict(X, return_std=True)
        assert mean.shape == std.shape == predicted.shape, (
            "mean and std differ in shape"
        )
        assert (std >= 0).all(), "std is negative"
        assert_close(mean, predicted, "the mean beside std", 0)
    error = 10 * rounding_of_weights(estimator, X, p)
    for rows in (range(0, n, 2), [n - 1], range(n - 1, -1, -1)):
        alone = outputs(estimator, select(X, [*rows]))
        np.testing.assert_allclose(alone, p[[*rows]], rtol=0, atol=error)
    dense = as_dense(X)
    if not case.is_ensemble:
        found = attempt(diagnose, estimator, X, data["y"])
        assert isinstance(found, Exception) or str(found), "diagnose finds nothing"
    dense[-1, -1] = 0
    for size in (1e10, -1e25, 1e300):
        far = dense / max(1, np.abs(dense).max()) * size
        found = call(estimator, "predict", far)
        is_right = isinstance(found, Exception) or found.dtype.kind != "f"
        assert is_right or np.isfinite(found).all(), "predictions are not finite"
    dense[-1, -1] = np.nan
    for refused in (dense, as_dense(X)[0], as_dense(X)[:, 1:], None, [["a"]]):
        found = call(estimator, "predict", refused)
        assert isinstance(found, Exception), f"predicts from {refused!r:.100}"


def rounding_of_weights(estimator, X, expected):
    """Return how far predictions move if each weight moves by its rounding.

    The rounding of sums, in whatever order, is worth about as much [1]_.

    .. [1] Higham, N. J. (2002). Accuracy and Stability of Numerical Algorithms,
       2nd ed., section 3.5.
    """
    rng, moved = np.random.default_rng(0), []
    for _ in range(3):
        other = copy.deepcopy(estimator)
        for net in getattr(other, "estimators_", [other]):
            for array in [*net.coefs_, *net.intercepts_]:
                signs = rng.choice([-1, 1], array.shape)
                array *= 1 + signs * np.finfo(array.dtype).eps
        moved.append(np.abs(outputs(other, X) - expected).max())
    return max(moved)


def check_probabilities(case, estimator, X, predicted, p):
    """Check that labels, probabilities and their logarithms agree."""
    is_multilabel = case.data.target == "labels"
    log_p = call(estimator, "predict_log_proba", X)
    assert ((p >= 0) & (p <= 1)).all(), "probabilities are not in [0, 1]"
    assert (log_p <= 0).all(), "log-probabilities are positive"
    assert np.isfinite(log_p).all(), "log-probabilities are not finite"
    error = 1e-5 if p.dtype == np.float32 else 1e-12
    np.testing.assert_allclose(np.exp(log_p), p, rtol=0, atol=error)
    if is_multilabel:
        is_right = (predicted == (p > 0.5)) | (p == 0.5)  # of a logit above 0
        assert is_right.all(), "labels are not those of p > 0.5"
        return
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=0, atol=error)
    assert predicted.dtype == estimator.classes_.dtype, predicted.dtype
    found = p[np.arange(len(p)), np.searchsorted(estimator.classes_, predicted)]
    assert (found >= p.max(axis=1) - error).all(), "labels are not the most probable"


def copies_predict_the_same(case):
    """A second fit, a pickle, a file, a predictor and ONNX predict the same."""
    estimator, data = fitted(case), make_data(case.data)
    X, p = data["X"], outputs(estimator, data["X"])
    assert_same(fitted(case), estimator, "a second fit")
    for copied in (pickle.loads(pickle.dumps(estimator)), copy.deepcopy(estimator)):
        assert_same(copied, estimator, "a copy")
        assert_close(outputs(copied, X), p, "a copy", 0)
    loaded = attempt(through_file, estimator)
    if not isinstance(loaded, Exception):
        assert_same(loaded, estimator, "a file")
        assert_close(outputs(loaded, X), p, "a file", 0)
    if not case.is_ensemble:
        X = X if isinstance(X, np.ndarray) and X.dtype != object else as_dense(X)
        predictor = estimator.make_predictor()
        with public_call():
            found = predictor(X)
        assert_close(found, outputs(estimator, X), "a predictor", 0)
    # onnxruntime takes the subtraction of a mean of 1e-200 for one of zero.
    # Without scaling, a target of 1e150 makes frequencies of that size.
    is_extreme = case.data.target in ("tiny_number", "huge_number")
    is_small = {*case.data.columns} <= random_data.SMALL and case.has_small_steps
    if is_small and not is_extreme:  # float32 has no cosine of a large number
        check_onnx(estimator, as_dense(X))


def through_file(estimator):
    """Return the estimator, saved and loaded."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "net.safetensors")
        save_model(estimator, path)
        return load_model(path)


def check_onnx(estimator, X):
    """Compare with a run of the exported model, if there is one."""
    model = attempt(to_onnx, estimator)
    if isinstance(model, Exception):
        return
    session = InferenceSession(model.SerializeToString())
    is_double = "double" in session.get_inputs()[0].type
    X = X.astype(np.float64 if is_double else np.float32)
    *_, found = session.run(None, {"X": X})
    expected = outputs(estimator, X)
    error = rounding(estimator)
    assert_close(found.reshape(expected.shape), expected, "ONNX", error)


def calls_go_on_after_a_round_trip(case):
    """A sequence of calls ends the same if the estimator is copied after each call."""
    ends = []
    for trip in (lambda it: it, pickled, through_file_if_possible):
        estimator, results = case.make(), []
        for name in case.calls:
            results.append(describe(make_call(case, estimator, name)))
            if estimator.__sklearn_is_fitted__():
                check_curves(estimator)
            estimator = trip(estimator)
        ends.append((estimator, results))
    (estimator, results), *others = ends
    for other, other_results in others:
        assert other_results == results, f"{other_results} instead of {results}"
        assert_same(other, estimator, "after round trips")


CHANGES = {
    "alpha": 0.02,
    "dtype": "float32",
    "hidden_layer_sizes": (5,),
    "learning_rate": 0.02,
    "solver": "momentum",
    "tol": 0.5,
}


def make_call(case, estimator, name):
    """Make the call of this name; see `CALLS`."""
    data, method = make_data(case.data), name.partition(" ")[0]
    if method == "predict":
        return call(estimator, "predict", data["X"])
    if method == "set_params":
        parameter = name.rpartition(" ")[2]
        if parameter in estimator.get_params():
            estimator.set_params(**{parameter: CHANGES[parameter]})
        return None
    if name == "fit of NaN":
        data = make_data(replace(case.data, fault="X with NaN", n_validation=0))
    if name == "fit of float32":
        data["X"] = as_dense(data["X"]).clip(-1e30, 1e30).astype(np.float32)
    if name == "partial_fit of other columns":
        data["X"] = as_dense(data["X"])[:, :-1]
    if name == "fit with warm_start" and not case.is_ensemble:
        estimator.set_params(warm_start=True)
    if method == "fit":
        return call(estimator, "fit", **data)
    if not hasattr(estimator, "partial_fit"):
        return None
    if name == "partial_fit of other rows":
        data = make_data(random_data.other_rows(case.data))
    if name == "partial_fit without weight":
        data["sample_weight"] = np.zeros(case.data.n_rows)
    if case.is_classifier and case.data.target != "labels":
        data["classes"] = random_data.classes_of(case.data)
    return call(estimator, "partial_fit", **data)


def describe(result):
    """Return an error as text, a prediction as bytes, and nothing for an estimator."""
    if isinstance(result, Exception):
        return f"{type(result).__name__}: {result}"
    return plain(result) if isinstance(result, np.ndarray) else None


def pickled(estimator):
    return pickle.loads(pickle.dumps(estimator))


def through_file_if_possible(estimator):
    """Return the estimator from a file, or from a pickle if it holds code."""
    loaded = attempt(through_file, estimator)
    return pickled(estimator) if isinstance(loaded, Exception) else loaded


def chunks_equal_one_fit(case):
    """`fit` equals two calls with `warm_start`, and calls of `partial_fit`."""
    n, data = int(case.value_of("n_iter")), make_data(case.data)
    if case.is_ensemble or n < 2 or depends_on_n_iter(case):
        return
    whole = fitted(case, warm_start=True)
    chunks = fitted(case, warm_start=True, n_iter=n // 2)
    if chunks._ended_by == "n_iter":
        call(pickled(chunks).set_params(n_iter=n - n // 2), "fit", **data)
        chunks = pickled(chunks).set_params(n_iter=n - n // 2)
        call(chunks, "fit", **data)
        assert_same_network(chunks, whole, "two calls with warm_start")
    options = {"batch_size": None, "tol": None, "early_stopping": False}
    whole, calls = fitted(case, **options), case.make(**options)
    if whole.n_iter_ == n:
        for _ in range(n):
            make_call(case, calls, "partial_fit")
        assert_same_network(calls, whole, "calls of partial_fit")


def depends_on_n_iter(case):
    """Return whether the number of epochs changes the first of them."""
    is_open = case.network_params.get("schedule") in ("'cosine'", "'onecycle'")
    has_curvature = "lbfgs" in case.network_params.get("solver", "").lower()
    return is_open or has_curvature


def stack_equals_one_by_one(case):
    """Networks of a stack, and members of an ensemble, are those trained alone."""
    data = make_data(case.data)
    if case.is_ensemble:
        ensemble = fitted(case)
        if not ensemble.bootstrap:
            for member in ensemble.estimators_:
                alone = call(clone(member), "fit", **data)
                vars(alone).pop("feature_names_in_", None)  # the ensemble's
                assert_same(alone, member, "a member")
        return
    changes = [{"alpha": 1.0}, {}, {"random_state": 5}, {"learning_rate": 0.03}]
    rows, own, options = None, [data] * 4, {}
    if case.seed % 2:  # each network has its own rows
        n = case.data.n_rows
        rows = [np.sort(np.random.RandomState(k).permutation(n)[2:]) for k in range(4)]
        own, options = [rows_of(data, some) for some in rows], {"rows": rows}
    alone = [
        call(case.make(**change), "fit", **given)
        for change, given in zip(changes, own, strict=True)
    ]
    stack = [case.make(**change) for change in changes]
    found = attempt(fit_stack, stack, **data, **options)
    if isinstance(found, Exception):
        refused = [type(it) for it in alone if isinstance(it, Exception)]
        assert type(found) in refused, f"only a stack is refused: {found!r}"
        return
    for one, expected in zip(stack, alone, strict=True):
        assert_same(one, expected, "a network of a stack")


def rows_of(data, rows):
    """Return these rows of X, y and sample weights, with the same validation data."""
    return {k: it if k.endswith("_val") else select(it, rows) for k, it in data.items()}


def search_equals_scikit_learn(case):
    """A search under the backend has the scores and the network of scikit-learn's."""
    data, cv = make_data(case.data), KFold(2, shuffle=True, random_state=1)
    halves = case.seed % 2 and not case.is_ensemble
    grid = {"alpha": [1e-4, 1.0, 9.0][: 2 + halves]}
    if case.is_ensemble:
        grid = {"n_estimators": [1, 2]}
    found = []
    for context in (contextlib.nullcontext(), stacked(n_jobs=1)):
        search = GridSearchCV(case.make(), grid, cv=cv)
        if halves:
            resources = {"resource": "n_iter", "min_resources": 2, "max_resources": 6}
            search = HalvingGridSearchCV(case.make(), grid, cv=cv, **resources)
        with context:
            found.append(attempt(search.fit, **data))
    plain_search, stacked_search = found
    if any(isinstance(it, Exception) for it in found):
        # A failure of all fits lists them, with times and lines.
        assert type(plain_search) is type(stacked_search), f"{found}"
        return
    for name, expected in plain_search.cv_results_.items():
        if name.startswith(("split", "mean_test", "rank")):
            scores = stacked_search.cv_results_[name]
            assert plain(scores) == plain(expected), f"{name}: {scores}, {expected}"
    best = plain_search.best_estimator_
    assert_same(stacked_search.best_estimator_, best, "the network of a search")


def weights_are_rows(case):
    """Weight 0 is no row, and weight 2 is the row twice."""
    data, n = make_data(case.data), case.data.n_rows
    rng = np.random.RandomState(case.seed)
    weight = np.asarray(data.get("sample_weight", np.ones(n)), float)
    _, first = np.unique(np.asarray(data["y"]).astype(str), axis=0, return_index=True)
    few = few_precise_steps(case)
    kept = np.flatnonzero((rng.rand(n) < 0.7) | np.isin(np.arange(n), first))
    none = np.where(np.isin(np.arange(n), kept), weight, 0)
    without = rows_of(data | {"sample_weight": weight}, kept)
    if not (case.is_ensemble and case.make().bootstrap):
        compare_fits(case, data | {"sample_weight": none}, without, "weight 0", **few)
    if case.is_ensemble:
        return
    few |= {"batch_size": None, "dropout": 0, "early_stopping": False}
    twice = np.repeat(np.arange(n), rng.randint(1, 3, n))
    double = weight * np.bincount(twice, minlength=n)
    repeated = rows_of(data | {"sample_weight": weight}, twice)
    compare_fits(case, data | {"sample_weight": double}, repeated, "weight 2", **few)


def few_small_steps(case):
    """Return changes with which differences by rounding stay small.

    Near an optimum, each step of Adam makes them a hundred thousand times as large. In
    float32, 1500 steps of one row each make them as large as the predictions.
    """
    n_iter, batch_size = min(1, int(case.value_of("n_iter"))), {}
    fewest_rows = -(-case.data.n_rows // 100)
    if str(case.value_of("batch_size")).isdigit():
        batch_size["batch_size"] = max(fewest_rows, int(case.value_of("batch_size")))
    return {"n_iter": n_iter, "learning_rate": 1e-3, "restore_best": False} | batch_size


def few_precise_steps(case):
    """Return the same, in float64 where float32 keeps few digits."""
    wide = {"dtype": "float64"} if loses_digits(case) else {}
    return few_small_steps(case) | wide


def loses_digits(case):
    """Return whether float32 keeps few digits of sums over columns or rows."""
    is_small = {*case.data.columns} <= random_data.SMALL
    return not is_small or case.data.weights == "of_all_sizes"


def enlarges_rounding(case):
    """Return whether gradients may be rounding alone, whose size Adam does not see.

    So are those of equal weights, and the signs of residuals that are zero.
    """
    loss = case.network_params.get("loss", "")
    has_signs = "quantile" in loss or "absolute" in loss
    is_constant = case.data.target.startswith("constant")
    is_zero = case.network_params.get("init") == "'zeros'"
    return is_zero or (has_signs and is_constant)


def compare_fits(case, data, other, what, **changes):
    """Compare two fits in their predictions, up to rounding."""
    if enlarges_rounding(case):
        return
    estimator, twin = (fitted(case, it, **changes) for it in (data, other))
    X = data["X"]
    error = rounding(estimator)
    assert_close(outputs(twin, X), outputs(estimator, X), what, error)


def container_does_not_matter(case):
    """Dense X of float64 in C order, and labels 0, 1, ..., give the same network."""
    data = make_data(case.data)
    few = few_small_steps(case)
    estimator = fitted(case, **few)
    is_sparse = random_data.is_sparse(case.data.container)
    one = getattr(estimator, "estimators_", [estimator])[0]
    same = {"dtype": one.coefs_[0].dtype.name}
    if is_sparse and case.value_of("input_scaling") == "auto":
        same["input_scaling"] = None
    dense = {k: as_dense(it) if k[0] == "X" else it for k, it in data.items()}
    is_rounded = loses_digits(case) and case.data.container in ROUNDED
    if enlarges_rounding(case) or is_rounded:
        return  # a column may vary by no more than the rounding of X
    twin = fitted(case, dense, **few, **same)
    expected = outputs(estimator, data["X"])
    assert_close(outputs(twin, dense["X"]), expected, "dense", rounding(estimator))
    for container in ("csr", "fortran", "pandas", "list", "swapped"):
        X = random_data.CONTAINERS[container](dense["X"])
        if not isinstance(data["X"], pd.DataFrame | pl.DataFrame):
            assert_close(
                outputs(estimator, X), expected, container, rounding(estimator)
            )
    if case.is_classifier and "classes" not in case.network_params.get(
        "class_weight", ""
    ):
        codes = data | {
            k: np.unique(np.asarray(it), return_inverse=True)[1].reshape(np.shape(it))
            for k, it in data.items()
            if k[0] == "y"
        }
        recoded = outputs(fitted(case, codes, **few), data["X"])
        assert_close(recoded, expected, "labels 0, 1, ...", 0)


def limits_do_not_matter(case):
    """Blocks of rows and slices of weights change results by rounding alone."""
    few = few_precise_steps(case) | {"dropout": 0}  # which is drawn for each block
    estimator, X = fitted(case, **few), make_data(case.data)["X"]
    expected = outputs(estimator, X)
    error = 10 * rounding_of_weights(estimator, X, expected)
    with small_limits():
        found = outputs(estimator, X)
        twin = fitted(case, **few)
    np.testing.assert_allclose(found, expected, rtol=0, atol=error)
    if not enlarges_rounding(case):
        assert_close(outputs(twin, X), expected, "small limits", rounding(estimator))


def checkpoint_equals_one_fit(case):
    """A fit with a checkpoint, also one that continues, is the fit without."""
    if case.is_ensemble:
        return
    data, n = make_data(case.data), int(case.value_of("n_iter"))
    estimator = fitted(case)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "whole.safetensors")
        whole = fitted(case, data | {"checkpoint": path})
        assert_same(whole, estimator, "a fit with a checkpoint")
        again = fitted(case, data | {"checkpoint": path})
        assert_same_network(again, estimator, "a fit that the checkpoint has whole")
        if depends_on_n_iter(case):
            return
        path = Path(folder, "half.safetensors")
        fitted(case, data | {"checkpoint": path}, n_iter=n // 2)
        resumed = fitted(case, data | {"checkpoint": path})
        # The horizon of a later schedule is the n_iter of the fit that began.
        assert_same_network(resumed, estimator, "a fit that continues")


class Watcher:
    """A callback of scikit-learn that asks for everything and changes nothing."""

    def setup(self, estimator, context): ...

    def teardown(self, estimator, context): ...

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None): ...

    def on_fit_task_end(
        self, estimator, context, *, X=None, y=None, fitted_estimator=None
    ):
        if fitted_estimator is not None:
            check_curves(fitted_estimator)


def watching_changes_nothing(case):
    """Printing, callbacks and threads change nothing; ignored parameters warn."""
    estimator, data = fitted(case), make_data(case.data)
    if case.is_ensemble:
        ensemble = case.make().set_params(n_jobs=2)
        n_threads = threading.active_count()
        # Threads of joblib change the warning filters, and live on for a moment.
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            with parallel_config("threading"):
                ensemble.fit(**data)
        while threading.active_count() > n_threads:
            time.sleep(1e-3)
        assert_same(ensemble, estimator, "two threads")
        return
    with threadpool_limits(2):
        assert_same(fitted(case), estimator, "two threads")
    watched = case.make(verbose=2).set_callbacks(Watcher())
    with public_call() as caught:
        watched.fit(**data)
    del watched._skl_callbacks
    assert_same(watched, estimator, "with callbacks")
    ignored = case.network_params.keys() & {"learning_rate", "schedule", "batch_size"}
    defaults = type(watched)().get_params()
    ignored = [k for k in ignored if getattr(watched, k) != defaults[k]]
    if "lbfgs" in case.network_params.get("solver", "").lower() and ignored:
        messages = " ".join(str(it.message) for it in caught)
        assert "does not use" in messages, f"no warning that {ignored} are not used"
        assert all(f"{name}=" in messages for name in ignored), messages


ORACLES = (
    fits_or_explains,
    predicts_what_it_promises,
    copies_predict_the_same,
    calls_go_on_after_a_round_trip,
    chunks_equal_one_fit,
    stack_equals_one_by_one,
    search_equals_scikit_learn,
    weights_are_rows,
    container_does_not_matter,
    limits_do_not_matter,
    checkpoint_equals_one_fit,
    watching_changes_nothing,
)


# ---- the driver


def seeded(case):
    """Return the case with a seed, so that two fits can be compared."""
    params, member = case.params, case.member
    if params.get("random_state", "None") == "None":
        params = params | {"random_state": "0"}
    return replace(case, params=params, member=member)


def check(case, oracle):
    """Return whether the oracle applies to the case; raise if it is broken."""
    if oracle is not fits_or_explains:
        if case.must_fail:
            return False
        case = seeded(case)
    try:
        oracle(case)
    except OURS as error:
        check_explained(error)
        return False
    return True


def is_broken(case, oracle):
    try:
        check(case, oracle)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def simpler(case, oracle):
    """Return a case with fewer parameters that is still broken."""
    candidates = [
        replace(case, data=replace(case.data, **{name: getattr(Data, name)}))
        for name in ("container", "weights", "n_validation", "columns")
    ]
    candidates += [
        replace(case, calls=case.calls[1:]),
        replace(case, calls=case.calls[:-1]),
    ]
    for field in ("params", "member"):
        own = getattr(case, field) or {}
        for name in own:
            rest = {k: v for k, v in own.items() if k != name}
            candidates.append(replace(case, **{field: rest}))
    for candidate in candidates:
        if candidate != case and is_broken(candidate, oracle):
            return simpler(candidate, oracle)
    return case


def run_cases(seeds, report=print):
    """Run all oracles on the cases of these seeds; return counts and broken cases."""
    counts, broken = Counter(), []
    for seed in seeds:
        case = draw_case(seed)
        for oracle in ORACLES:
            error = ""
            try:
                counts[oracle.__name__] += check(case, oracle)
            except Exception as caught:
                error = f"{type(caught).__name__}: {caught}"
            if error:
                broken.append((seed, oracle.__name__))
                small = simpler(case, oracle)
                again = f"check({small!r}, {oracle.__name__})"
                report(f"# seed {seed}: {error:.600}\n{again}\n")
    return counts, broken


def main():
    """Run cases from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--cases", type=int, default=200, help="number of cases")
    parser.add_argument("--seed", type=int, default=1, help="seed of the first case")
    parser.add_argument(
        "--small-limits", action="store_true", help="run within `small_limits()`"
    )
    options = parser.parse_args()
    limits = small_limits() if options.small_limits else contextlib.nullcontext()
    start = time.perf_counter()
    seeds = range(options.seed, options.seed + options.cases)
    with limits:
        counts, broken = run_cases(seeds, lambda text: print(text, flush=True))
    for name, n in counts.items():
        print(f"{name}: {n} cases")
    seconds = time.perf_counter() - start
    print(f"{options.cases} cases in {seconds:.0f} s, {len(broken)} broken: {broken}")
    return min(len(broken), 1)


if __name__ == "__main__":
    raise SystemExit(main())
