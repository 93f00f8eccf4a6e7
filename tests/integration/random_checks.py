"""What every public call may do, and comparisons of estimators and predictions."""

import contextlib
import copy
import io
import pickle
import random
import signal
import threading
import traceback
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import sklearn
from scipy import sparse
from sklearn.exceptions import FitFailedWarning, NotFittedError
from threadpoolctl import ThreadpoolController

import sklearn_deepnet
from tests.integration.random_data import make_data

BLAS = ThreadpoolController()
OURS = (ValueError, TypeError, NotFittedError)
RAISING = tuple(str(Path(it.__file__).parent) for it in (sklearn_deepnet, sklearn))
# In predictions after some epochs: Adam divides by gradients that may be rounding alone
ROUNDING = {"float32": 2e-2, "float64": 1e-4}


# ---- what a public call may do


@contextlib.contextmanager
def public_call():
    """Check what holds for every call of a user, and record its warnings."""
    before, printed = process_state(), io.StringIO()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        filters = list(warnings.filters)
        streams = contextlib.redirect_stdout, contextlib.redirect_stderr
        with streams[0](printed), streams[1](printed), np.errstate(all="warn"):
            yield caught
        assert warnings.filters == filters, "the warning filters have changed"
    for name, value in process_state().items():
        assert value == before[name], f"{name} has changed"
    for it in caught:
        is_fine = issubclass(it.category, UserWarning | FitFailedWarning)
        is_fine |= "sklearn/model_selection" in it.filename  # of scores that are NaN
        assert is_fine, f"{it.category.__name__}: {it.message} ({it.filename})"


def process_state():
    """Return what no call may change."""
    return {
        "the global generator of NumPy": pickle.dumps(np.random.get_state()),  # noqa: NPY002
        "the global generator of Python": random.getstate(),
        "the error state of NumPy": np.geterr(),
        "the number of BLAS threads": [it["num_threads"] for it in BLAS.info()],
        "the number of threads": threading.active_count(),
        "the handler of Ctrl-C": signal.getsignal(signal.SIGINT),
    }


def attempt(function, *args, **options):
    """Return the result of a public call, or the error that it explains."""
    try:
        with public_call():
            return function(*args, **options)
    except OURS as error:
        check_explained(error)
        return error


def check_explained(error):
    """Check that a line of this library or scikit-learn raises it, with a message."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    by_statement = (last.line or "").startswith("raise")
    assert by_statement, f"not explained: {error!r} from {last.filename}:{last.lineno}"
    assert last.filename.startswith(RAISING), f"{error!r} is of {last.filename}"
    assert str(error), "the error has no message"


def call(estimator, method, *args, **options):
    """Call a method; check that it leaves the data unchanged, and mostly the estimator.

    ``fit`` and ``partial_fit`` change the estimator, unless they raise an error.
    """
    before, given = pickle.dumps(vars(estimator)), plain([*args, options])
    found = attempt(getattr(estimator, method), *args, **options)
    assert plain([*args, options]) == given, f"{method} has changed the data"
    if isinstance(found, Exception) or not method.endswith("fit"):
        is_same = pickle.dumps(vars(estimator)) == before
        assert is_same, f"{method} has changed the estimator: {found!r}"
    return found


def fitted(case, data=None, **changes):
    """Return a new estimator, fitted to the data of the case; raise its error."""
    estimator = case.make(**changes)
    found = call(estimator, "fit", **(make_data(case.data) if data is None else data))
    if isinstance(found, Exception):
        raise found
    return estimator


def outputs(estimator, X):
    """Return the probabilities or the predicted targets."""
    method = "predict_proba" if hasattr(estimator, "predict_proba") else "predict"
    found = call(estimator, method, X)
    if isinstance(found, Exception):
        raise found
    return found


# ---- comparisons


def plain(value):
    """Return nested tuples of plain values, equal if two objects are bit for bit."""
    if isinstance(value, np.ndarray) and value.dtype != object:
        if value.dtype == np.longdouble:  # which has unused bytes
            value = value.astype(float)
        if value.dtype.kind == "f":  # zero and NaN have no sign
            value = np.where(np.isnan(value), value.dtype.type(np.nan), value + 0.0)
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, dict):
        return tuple((str(key), plain(it)) for key, it in sorted(value.items()))
    if isinstance(value, list | tuple | np.ndarray):
        return tuple(map(plain, value))
    if isinstance(value, float):
        return repr(value)
    if sparse.issparse(value):
        value = value.tocsr() if value.format == "lil" else value
        names = ("data", "indices", "indptr", "row", "col", "coords")
        return tuple(plain(getattr(value, name, None)) for name in names)
    if isinstance(value, pd.DataFrame | pd.Series | pl.DataFrame):
        return plain(value.to_numpy()), plain([*getattr(value, "columns", ())])
    if value is None or isinstance(value, str | int | bytes) or callable(value):
        return getattr(value, "__qualname__", value)
    return type(value).__qualname__, plain(list(value.__reduce_ex__(4)[1:3]))


def learned(estimator):
    """Return the fitted attributes of a network, or of the members of an ensemble."""
    if isinstance(estimator, Exception):
        return type(estimator).__name__, str(estimator)
    members = vars(estimator).get("estimators_")
    if members is not None:
        return {
            f"{k} {n}": v
            for k, it in enumerate(members)
            for n, v in learned(it).items()
        }
    own = estimator.get_params(deep=False)
    return {k: plain(getattr(estimator, k)) for k in vars(estimator).keys() - own}


def assert_same(found, expected, what):
    """Compare two fitted estimators, or two errors, bit for bit."""
    found, expected = learned(found), learned(expected)
    if isinstance(found, tuple) or isinstance(expected, tuple):
        assert found == expected, f"{what}: {found} instead of {expected}"
        return
    names = found.keys() | expected.keys()
    different = sorted(k for k in names if found.get(k) != expected.get(k))
    assert not different, f"{what}: {different} differ"


def assert_close(found, expected, what, factor=1.0):
    """Compare two predictions, up to rounding."""
    found, expected = np.asarray(found, float), np.asarray(expected, float)
    assert found.shape == expected.shape, f"{what}: {found.shape}, {expected.shape}"
    spread = np.abs(expected - expected.mean(axis=0)).max()
    size = spread + 1e-2 * np.abs(expected).max()
    error = np.abs(found - expected).max()
    assert error <= factor * size, f"{what}: differs by {error:.2g}, of {size:.2g}"


def rounding(estimator):
    """Return how far predictions of two ways to compute them may differ.

    A gradient of a huge target makes huge frequencies. Their rounding is that of the
    angles, and so of the cosines.
    """
    nets = getattr(estimator, "estimators_", [estimator])
    features = [it for it in (net.numeric_features_ for net in nets) if it is not None]
    largest = max((np.abs(it.frequencies).max() for it in features), default=0)
    dtype = nets[0].coefs_[0].dtype
    return ROUNDING[dtype.name] + 100 * np.finfo(dtype).eps * largest


def assert_same_network(found, expected, what):
    """Compare all but what is needed to continue, of which one may have more.

    Rows of a column that is constant so far are counted in each call.
    """
    networks = copy.copy(found), copy.copy(expected)
    for net in networks:
        net._training_state = net._target_seen = None
        if net._input_scaling is not None:
            net._input_scaling = net._input_scaling | {"seen": None}
    assert_same(*networks, what)


def check_curves(estimator):
    """Check that curves have a value for each epoch, and that weights are finite."""
    for net in getattr(estimator, "estimators_", [estimator]):
        assert net.n_iter_ == len(net.loss_curve_), "n_iter_ is not the curve's length"
        for curve in (net.validation_loss_curve_, net.validation_scores_):
            assert curve is None or len(curve) == net.n_iter_, "a curve is too short"
        best = net.best_iter_
        assert best is None or 0 <= best < net.n_iter_, f"best_iter_ is {best}"
        assert all(np.isfinite(W).all() for W in net.coefs_), "weights are not finite"
