"""A fit with a checkpoint continues from it as if it had never stopped."""

import contextlib
import io
import os
import pickle
import re
import subprocess
import sys
from functools import cache
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_equal
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

import sklearn_deepnet
from sklearn_deepnet import (
    Checkpoint,
    DeepNetClassifier,
    DeepNetRegressor,
    DivergenceWarning,
    ModelFileError,
    fit_stack,
    load_model,
    save_model,
)
from sklearn_deepnet._serialization.container import read_container, write_container
from sklearn_deepnet.nn.activations import relu
from sklearn_deepnet.nn.optimizers import Adam
from sklearn_deepnet.nn.schedules import Step
from tests.helpers import exactly, network_factory, wine

X, y = wine()
WEIGHT = np.random.RandomState(0).rand(len(y)) + 0.5
PARTS = {"X_val": X[::3], "y_val": y[::3], "sample_weight_val": WEIGHT[::3]}


net = network_factory(hidden_layer_sizes=(6, 5), n_iter=12, batch_size=32)


class Crash(RuntimeError):
    pass


class Breaking(io.StringIO):
    """A screen that fails at a line."""

    def __init__(self, n_lines, error):
        super().__init__()
        self.n_left, self.error = n_lines, error

    def write(self, text):
        self.n_left -= text.count("\n")
        if self.n_left < 0:
            raise self.error
        return super().write(text)


def crash(estimator, n_epochs, *data, error=Crash, **params):
    """Fit, and fail when so many epochs are made and one more is under way."""
    before = vars(estimator.set_params(verbose=2)).copy()
    with contextlib.redirect_stdout(Breaking(n_epochs, error)), pytest.raises(error):
        estimator.fit(*data, **params)
    if error is Crash:
        assert_equal(vars(estimator), before)
    estimator.set_params(verbose=0)


def learned(estimator):
    return {k: v for k, v in vars(estimator).items() if k != "verbose"}


SETTINGS = {
    "plain": ({}, {}),
    "sgd": ({"solver": "sgd", "schedule": "invscaling", "alpha": 0.1}, {}),
    "momentum": ({"solver": "momentum", "schedule": "cosine"}, {}),
    "nesterov": ({"solver": "nesterov", "schedule": "onecycle", "l1": 0.1}, {}),
    "rmsprop": ({"solver": "rmsprop", "schedule": Step(every=3, factor=0.5)}, {}),
    "adamw": ({"solver": "adamw", "dropout": 0.3, "dtype": "float32"}, {}),
    "stopped early": (
        {"early_stopping": True, "n_iter": 60, "tol": 1e-4, "n_iter_no_change": 3}
        | {"dropout": 0.2, "learning_rate": 0.05},
        {"sample_weight": WEIGHT},
    ),
    "scored": ({"scoring": "accuracy", "dropout": [0.1, 0.0]}, PARTS),
    "last weights": ({"restore_best": False, "schedule": "plateau"}, PARTS),
    "patience": ({"tol": 0.01, "n_iter": 80, "n_iter_no_change": 2}, {}),
    "ordered": ({"shuffle": False, "class_weight": "balanced"}, {}),
    "robust": ({"input_scaling": "robust", "batch_size": None}, {}),
    "as it comes": ({"input_scaling": None}, PARTS),
    "float32": ({"input_scaling": "standard", "dtype": "float32"}, PARTS),
    "periodic": (
        {"numeric_features": "periodic", "clip_norm": 0.5, "dropout": 0.2},
        {"sample_weight": WEIGHT},
    ),
    "warm": (
        {"warm_start": True, "label_smoothing": 0.1},
        {"sample_weight": WEIGHT},
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("n_epochs", [2, 5])
def test_fit_continues_as_if_it_had_never_stopped(setting, n_epochs, tmp_path):
    parameters, params = SETTINGS[setting]
    path = tmp_path / "net.safetensors"
    checkpoint = Checkpoint(path, every=1)
    crash(net(**parameters), n_epochs, X, y, checkpoint=checkpoint, **params)
    assert load_model(path).n_iter_ == n_epochs
    crash(net(**parameters), 1, X, y, checkpoint=checkpoint, **params)
    resumed = net(**parameters).fit(X, y, checkpoint=checkpoint, **params)
    assert_equal(learned(resumed), learned(net(**parameters).fit(X, y, **params)))
    assert os.listdir(tmp_path) == ["net.safetensors"]


@pytest.mark.parametrize("n_epochs", [0, 3])
def test_rows_of_a_constant_column_are_counted_once(n_epochs, tmp_path):
    X = np.column_stack([wine()[0], np.full(len(y), 7.0)])
    checkpoint = Checkpoint(tmp_path / "net", every=1)
    crash(net(warm_start=True), n_epochs, X, y, checkpoint=checkpoint)
    resumed = net(warm_start=True).fit(X, y, checkpoint=checkpoint)
    whole = net(warm_start=True).fit(X, y)
    row = np.append(X[:1, :-1], [[9.0]], axis=1)
    for fitted in (resumed, whole):
        fitted.partial_fit(row, y[:1])
    assert whole.input_mean_[-1] == pytest.approx(7 + 2 / 179)
    assert_equal(learned(resumed), learned(whole))


GO_ON = """
import pickle, runpy, sys
from pathlib import Path

test = runpy.run_path(sys.argv[1])
found = {}
for name, (parameters, params) in test["SETTINGS"].items():
    net = test["net"](**parameters)
    net.fit(test["X"], test["y"], checkpoint=Path(sys.argv[2], name), **params)
    found[name] = test["learned"](net)
sys.stdout.buffer.write(pickle.dumps(found))
"""


@pytest.mark.slow
def test_another_process_continues(tmp_path):
    for name, (parameters, params) in SETTINGS.items():
        checkpoint = Checkpoint(tmp_path / name, every=2)
        crash(net(**parameters), 5, X, y, checkpoint=checkpoint, **params)
    done = subprocess.run(
        [sys.executable, "-c", GO_ON, __file__, tmp_path],
        capture_output=True,
        check=True,
        env=os.environ | {"PYTHONHASHSEED": "1234"},
    )
    for name, found in pickle.loads(done.stdout).items():
        parameters, params = SETTINGS[name]
        assert_equal(found, learned(net(**parameters).fit(X, y, **params)))


def test_several_labels_continue(tmp_path):
    indicator = (np.random.RandomState(0).rand(len(y), 3) < 0.5).astype(int)
    checkpoint = Checkpoint(tmp_path / "net", every=2)
    crash(net(), 6, X, indicator, checkpoint=checkpoint)
    resumed = net().fit(X, indicator, checkpoint=checkpoint)
    assert_equal(learned(resumed), learned(net().fit(X, indicator)))


@pytest.mark.parametrize("loss", ["squared_error", "poisson", "quantile"])
def test_a_regressor_continues(loss, tmp_path):
    data = load_diabetes(return_X_y=True)
    parameters = {"loss": loss, "n_iter": 8, "tol": None, "random_state": 0}
    checkpoint = Checkpoint(tmp_path / "net", every=2)
    crash(DeepNetRegressor((5,), **parameters), 5, *data, checkpoint=checkpoint)
    resumed = DeepNetRegressor((5,), **parameters).fit(*data, checkpoint=checkpoint)
    alone = DeepNetRegressor((5,), **parameters).fit(*data)
    assert_equal(learned(resumed), learned(alone))


def test_components_of_users_continue(tmp_path):
    def halves(n_out_n_in, rng):
        return rng.choice([-0.5, 0.5], n_out_n_in)

    class Slower(Adam):
        pass

    own = relu._replace(name="own")
    parameters = {"activation": own, "init": halves, "solver": Slower(beta1=0.8)}
    parameters |= {"schedule": lambda t: 1 / (1 + t)}
    path = tmp_path / "net"
    checkpoint = Checkpoint(path, every=1)
    crash(net(**parameters), 5, X, y, checkpoint=checkpoint)
    resumed = net(**parameters).fit(X, y, checkpoint=checkpoint)
    assert_equal(learned(resumed), learned(net(**parameters).fit(X, y)))
    with pytest.raises(ModelFileError, match=r"activation.* are code; call fit"):
        load_model(path)


def test_without_a_seed_the_first_draw_counts(tmp_path):
    checkpoint = Checkpoint(tmp_path / "net", every=1)
    crash(net(random_state=None), 5, X, y, checkpoint=checkpoint)
    fits = [load_model(checkpoint.path).set_params(warm_start=True, n_iter=12 - 5)]
    fits[0].fit(X, y)
    fits.append(net(random_state=None).fit(X, y, checkpoint=checkpoint))
    assert_equal(fits[0].coefs_, fits[1].coefs_)


def test_a_generator_need_not_be_as_it_was(tmp_path):
    checkpoint, rng = Checkpoint(tmp_path / "net", every=1), np.random.RandomState(3)
    crash(net(random_state=rng), 5, X, y, checkpoint=checkpoint)
    resumed = net(random_state=rng).fit(X, y, checkpoint=checkpoint)
    alone = net(random_state=np.random.RandomState(3)).fit(X, y)
    assert_equal(resumed.coefs_, alone.coefs_)


def test_others_draw_from_a_shared_generator_what_they_would_have(tmp_path):
    def train(rng):
        first = net(random_state=rng).fit(X, y, checkpoint=tmp_path / "first")
        return first, net(random_state=rng).fit(X, y, checkpoint=tmp_path / "second")

    once = train(np.random.RandomState(3))
    (tmp_path / "second").unlink()
    again = train(np.random.RandomState(3))
    for fitted, expected in zip(again, once, strict=True):
        assert_equal(fitted.coefs_, expected.coefs_)
    message = "random_state is now a generator in another state"
    with pytest.raises(ValueError, match=message):
        train(np.random.RandomState(4))


def test_lbfgs_continues_from_its_last_weights(tmp_path):
    parameters = {"solver": "lbfgs", "batch_size": "auto"}
    checkpoint = Checkpoint(tmp_path / "net", every=1)
    crash(net(**parameters), 5, X, y, checkpoint=checkpoint)
    before = load_model(checkpoint.path)
    assert before.n_iter_ == 5
    resumed = net(**parameters).fit(X, y, checkpoint=checkpoint)
    by_hand = before.set_params(warm_start=True, n_iter=7).fit(X, y)
    assert_equal(resumed.coefs_, by_hand.coefs_)
    assert resumed.n_iter_ == 12


@pytest.mark.parametrize("is_made_dense", [False, True])
def test_sparse_rows_continue(is_made_dense, tmp_path, request):
    if not is_made_dense:
        request.getfixturevalue("stays_sparse")
    from scipy.sparse import csr_array

    rows = csr_array(np.where(X > 0, X, 0))
    checkpoint = Checkpoint(tmp_path / "net", every=1)
    crash(net(), 5, rows, y, checkpoint=checkpoint)
    resumed = net().fit(rows, y, checkpoint=checkpoint)
    assert_equal(learned(resumed), learned(net().fit(rows, y)))
    parts = [rows.data.copy(), rows.indices.copy(), rows.indptr.copy()]
    for number, change in enumerate((1.0, -1, 1)):
        other = [part.copy() for part in parts]
        other[number][-1 if number < 2 else 1] += change
        with pytest.raises(ValueError, match="have changed"):
            net().fit(csr_array(tuple(other), rows.shape), y, checkpoint=checkpoint)


def test_a_warm_start_is_a_fit_of_its_own(tmp_path):
    """Each chunk has its file; run again, the whole script comes to the same."""

    def train(n_crashes):
        chunks = net(warm_start=True)
        chunks.fit(X, y, checkpoint=tmp_path / "first")
        second = Checkpoint(tmp_path / "second", every=1)
        for _ in range(n_crashes):
            crash(chunks, 4, X, y, checkpoint=second)
        return chunks.fit(X, y, checkpoint=second)

    once, again = train(1), train(0)
    assert once.n_iter_ == again.n_iter_ == 24
    assert_equal(learned(once), learned(again))
    assert_equal(once.coefs_, net(n_iter=24).fit(X, y).coefs_)
    message = "it started from other weights, or after"
    with pytest.raises(ValueError, match=message):
        net(warm_start=True).fit(X, y, checkpoint=tmp_path / "second")


def test_what_is_complete_stays_as_it_is(tmp_path):
    path = tmp_path / "net"
    fitted = net().fit(X, y, checkpoint=path)
    written = path.read_bytes()
    again = net().fit(X, y, checkpoint=path)
    assert path.read_bytes() == written
    assert_equal(learned(again), learned(fitted))


def test_more_epochs_continue_from_what_is_complete(tmp_path):
    path = str(tmp_path / "net")
    net().fit(X, y, checkpoint=path)
    longer = net(n_iter=20).fit(X, y, checkpoint=path)
    assert_equal(learned(longer), learned(net(n_iter=20).fit(X, y)))
    message = (
        f"The checkpoint '{path}' has 20 epochs, but n_iter is only 12. Increase "
        "n_iter, or choose another path to start over."
    )
    with pytest.raises(ValueError, match=exactly(message)):
        net().fit(X, y, checkpoint=path)


def test_what_patience_ended_is_complete(tmp_path):
    parameters = {"tol": 10.0, "n_iter_no_change": 3}
    path = tmp_path / "net"
    fitted = net(**parameters).fit(X, y, checkpoint=path)
    longer = net(n_iter=20, **parameters).fit(X, y, checkpoint=path)
    assert fitted.n_iter_ == longer.n_iter_ == 4
    assert_equal(longer.coefs_, fitted.coefs_)


def test_a_divergence_is_warned_of_again(tmp_path):
    parameters = {"solver": "sgd", "learning_rate": 1e6}
    with pytest.warns(DivergenceWarning, match="^Training diverged"):
        fitted = net(**parameters).fit(X, y, checkpoint=tmp_path / "net")
    message = (
        "Training is not resumed, since the checkpoint is from a training that "
        f"diverged after {fitted.n_iter_} epochs. Lower learning_rate, and choose "
        "another path."
    )
    with pytest.warns(DivergenceWarning, match=exactly(message)) as caught:
        again = net(**parameters).fit(X, y, checkpoint=tmp_path / "net")
    assert [warning.filename for warning in caught] == [__file__]
    assert_equal(learned(again), learned(fitted))


@pytest.mark.parametrize("n_done", [0, 3, 12])
def test_warnings_are_of_the_whole_fit(n_done, tmp_path):
    """Also of one that is complete, and nothing is trained."""
    message = "^Training reached n_iter=12 epochs before it converged"
    if n_done:
        with pytest.warns(ConvergenceWarning):
            net(tol=1e-9, n_iter=n_done).fit(X, y, checkpoint=tmp_path / "net")
    with pytest.warns(ConvergenceWarning, match=message):
        net(tol=1e-9).fit(X, y, checkpoint=tmp_path / "net")


def test_no_progress_is_seen_over_all_epochs(tmp_path):
    parameters = {"solver": "sgd", "learning_rate": 1e-12, "tol": 1e-4, "n_iter": 20}
    checkpoint = Checkpoint(tmp_path / "net", every=1)
    crash(net(**parameters), 5, X, y, checkpoint=checkpoint)
    with pytest.warns(ConvergenceWarning, match="^The network has learned nothing"):
        net(**parameters).fit(X, y, checkpoint=checkpoint)


def test_epochs_are_counted_from_the_start(tmp_path, capsys):
    checkpoint = Checkpoint(tmp_path / "net", every=1)
    crash(net(), 9, X, y, checkpoint=checkpoint)
    net(verbose=2).fit(X, y, checkpoint=checkpoint)
    lines = re.findall(r"^epoch (\d+) of (\d+)", capsys.readouterr().out, re.MULTILINE)
    assert lines == [("10", "12"), ("11", "12"), ("12", "12")]


@pytest.mark.parametrize("n_epochs", [1, 4, 7])
@pytest.mark.filterwarnings("ignore::sklearn_deepnet.DivergenceWarning")
def test_what_would_have_diverged_diverges(n_epochs, tmp_path):
    data = scale(load_diabetes().data), load_diabetes().target
    parameters = {"solver": "sgd", "learning_rate": 0.6, "batch_size": 100}
    checkpoint = Checkpoint(tmp_path / "net", every=1)
    line = DeepNetRegressor((), tol=None, random_state=0, **parameters)
    clone(line).set_params(n_iter=n_epochs).fit(*data, checkpoint=checkpoint)
    resumed = clone(line).fit(*data, checkpoint=checkpoint)
    alone = clone(line).fit(*data)
    assert alone.n_iter_ == 7
    assert_equal(learned(resumed), learned(alone))


def test_weights_that_are_not_finite_are_not_written(tmp_path):
    """They are infinite, which the next epoch will find, and no file can hold."""
    parameters = {"solver": "sgd", "batch_size": None, "dtype": "float32"}
    parameters["schedule"] = lambda t: 1e60 if t == 4 else 1.0
    fits = []
    for params in ({"checkpoint": Checkpoint(tmp_path / "net", every=1)}, {}):
        with pytest.warns(DivergenceWarning):
            fits.append(net(**parameters).fit(X, y, **params))
    assert fits[0].n_iter_ == 5
    assert fits[0].loss_curve_ == fits[1].loss_curve_
    assert_equal(fits[0].coefs_, fits[1].coefs_)


def test_ctrl_c_leaves_the_file_of_a_complete_epoch(tmp_path):
    checkpoint = Checkpoint(tmp_path / "net", every=1)
    crash(net(), 5, X, y, error=KeyboardInterrupt, checkpoint=checkpoint)
    resumed = net().fit(X, y, checkpoint=checkpoint)
    assert_equal(learned(resumed), learned(net().fit(X, y)))


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_ctrl_c_while_it_is_written_loses_nothing(number, tmp_path, monkeypatch):
    """Files are brought to the disk twice each: themselves, and their folder."""
    sync, calls = os.fsync, []

    def interrupted(handle):
        calls.append(handle)
        if len(calls) == number:
            raise KeyboardInterrupt
        sync(handle)

    estimator = net()
    checkpoint = Checkpoint(tmp_path / "net", every=100)
    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(X, y, checkpoint=checkpoint)
    monkeypatch.undo()
    assert os.listdir(tmp_path) == (["net"] if number > 1 else [])
    alone = net().fit(X, y)
    if number > 2:  # after training
        assert_equal(learned(estimator), learned(alone))
    else:
        assert vars(estimator) == vars(net())
    resumed = net().fit(X, y, checkpoint=checkpoint)
    assert_equal(learned(resumed), learned(alone))


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    done, sync, replace = [], os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: done.append("sync") or sync(handle))
    monkeypatch.setattr(os, "replace", lambda *a: done.append("replace") or replace(*a))
    save_model(net().fit(X, y), tmp_path / "net")
    assert done == ["sync", "replace", "sync"]


def test_who_may_read_a_file_stays(tmp_path):
    path = tmp_path / "net"
    net(n_iter=2).fit(X, y, checkpoint=path)
    path.chmod(0o600)
    net().fit(X, y, checkpoint=path)
    assert path.stat().st_mode & 0o777 == 0o600


def test_it_is_written_every_so_many_epochs(tmp_path):
    for every, n_iter in ((5, 10), (4, 8), (None, 0)):
        path = tmp_path / f"every {every}"
        crash(net(), 11, X, y, checkpoint=Checkpoint(path, every=every))
        assert load_model(path).n_iter_ == n_iter


def test_it_is_written_every_so_many_seconds(tmp_path):
    crash(net(), 5, X, y, checkpoint=Checkpoint(tmp_path / "net", seconds=1e-9))
    assert load_model(tmp_path / "net").n_iter_ == 5


def test_it_is_written_every_half_minute_by_default(tmp_path, monkeypatch):
    clock = SimpleNamespace(monotonic=count(0, 11).__next__)  # seconds a look
    monkeypatch.setattr("sklearn_deepnet._serialization.checkpoint_file.time", clock)
    crash(net(), 7, X, y, checkpoint=tmp_path / "net")
    assert load_model(tmp_path / "net").n_iter_ == 6  # and 3 before that


def test_the_file_has_the_best_weights_but_continues_from_the_last(tmp_path):
    checkpoint = Checkpoint(tmp_path / "net", every=1)
    wrong = {"X_val": X, "y_val": y[::-1]}  # the better it fits, the worse
    crash(net(learning_rate=0.01), 10, X, y, checkpoint=checkpoint, **wrong)
    loaded = load_model(checkpoint.path)
    assert loaded.best_iter_ < loaded.n_iter_ - 1 == 9
    parts = [
        net(learning_rate=0.01, n_iter=n_iter, restore_best=False).fit(X, y, **wrong)
        for n_iter in (loaded.best_iter_ + 1, 12)
    ]
    assert_equal(loaded.coefs_, parts[0].coefs_)
    last = loaded.set_params(warm_start=True, n_iter=2, restore_best=False)
    assert_equal(last.fit(X, y, **wrong).coefs_, parts[1].coefs_)


def test_a_network_in_a_pipeline_continues(tmp_path):
    def model(**parameters):
        return make_pipeline(StandardScaler(), net(**parameters))

    def params(path):
        return {"deepnetclassifier__checkpoint": path}

    model(n_iter=5).fit(X, y, **params(tmp_path / "net"))
    longer = model().fit(X, y, **params(tmp_path / "net"))
    assert_equal(longer[-1].coefs_, model().fit(X, y)[-1].coefs_)


def test_the_form_of_the_data_does_not_matter(tmp_path):
    path, table = tmp_path / "net", pd.DataFrame(X).add_prefix("column ")
    half_done(path)
    written = path.read_bytes()
    for rows, labels in (
        (np.asfortranarray(X), y),
        (X.tolist(), y.tolist()),
        (table, pd.Series(y)),
        (X, y.astype(np.int32)),
    ):
        path.write_bytes(written)
        resumed = net().fit(rows, labels, checkpoint=path)
        assert_equal(learned(resumed), learned(net().fit(rows, labels)))
        assert resumed.classes_.dtype == np.asarray(labels).dtype


def test_names_of_features_are_those_of_this_call(tmp_path):
    table = pd.DataFrame(X)
    checkpoint = Checkpoint(tmp_path / "net", every=1)
    crash(net(), 5, table.add_prefix("a"), y, checkpoint=checkpoint)
    resumed = net().fit(table.add_prefix("b"), y, checkpoint=checkpoint)
    assert resumed.feature_names_in_[0] == "b0"
    assert not hasattr(net().fit(X, y, checkpoint=checkpoint), "feature_names_in_")


@cache
def file_of_five_epochs():
    with TemporaryDirectory() as folder:
        path = Path(folder, "net")
        crash(net(), 5, X, y, checkpoint=Checkpoint(path, every=1))
        return path.read_bytes()


def half_done(path):
    path.write_bytes(file_of_five_epochs())
    return path.read_bytes()


class Factor:
    """A schedule without a repr of its own."""

    def __init__(self, factor):
        self.factor = factor

    def factor_at(self, epoch, state):
        return self.factor


def test_objects_are_compared_by_their_attributes(tmp_path):
    checkpoint = Checkpoint(tmp_path / "net", every=1)
    crash(net(schedule=Factor(1.0)), 5, X, y, checkpoint=checkpoint)
    with pytest.raises(ValueError, match="schedule is now"):
        net(schedule=Factor(0.1)).fit(X, y, checkpoint=checkpoint)


def test_a_warm_start_from_other_weights_is_an_error(tmp_path):
    def chunk(rate):
        first = net(warm_start=True, learning_rate=rate).fit(X, y, **PARTS)
        return first.set_params(learning_rate=0.001)

    checkpoint = Checkpoint(tmp_path / "second", every=1)
    crash(chunk(0.01), 5, X, y, checkpoint=checkpoint, **PARTS)
    chunk(0.01).fit(X, y, checkpoint=checkpoint, **PARTS)
    with pytest.raises(ValueError, match="it started from other weights, or after"):
        chunk(0.02).fit(X, y, checkpoint=checkpoint, **PARTS)


def test_warm_start_does_not_matter(tmp_path):
    checkpoint = Checkpoint(tmp_path / "net", every=1)
    crash(net(), 5, X, y, checkpoint=checkpoint)
    kept = net(warm_start=True).fit(X, y, checkpoint=checkpoint)
    assert_equal(learned(kept), learned(net(warm_start=True).fit(X, y)))


ADVICE = (
    "Use the same arguments as before to resume, or choose another path to start over."
)


@pytest.mark.parametrize(
    ("parameters", "difference"),
    [
        ({"learning_rate": 0.1}, "learning_rate is now 0.1, and was 0.001"),
        ({"solver": Adam(beta1=0.8)}, f"solver is now {Adam(beta1=0.8)}, and was "),
        ({"init": [X, X, X]}, "init is now "),
        ({"dtype": "float32"}, "dtype is now 'float32', and was None"),
        ({"random_state": 1}, "random_state is now 1, and was 0"),
    ],
)
def test_other_parameters_are_an_error(parameters, difference, tmp_path):
    written = half_done(tmp_path / "net")
    estimator = net(**parameters)
    before = vars(estimator).copy()
    start = f"The checkpoint '{tmp_path / 'net'}' belongs to another fit: {difference}"
    with pytest.raises(ValueError, match=f"(?s)^{re.escape(start)}.*{ADVICE}$"):
        estimator.fit(X, y, checkpoint=tmp_path / "net")
    assert vars(estimator) == before
    assert (tmp_path / "net").read_bytes() == written


def test_another_architecture_is_an_error(tmp_path):
    half_done(tmp_path / "net")
    message = (
        f"The checkpoint '{tmp_path / 'net'}' belongs to another fit: "
        f"hidden_layer_sizes is now (6,), and was (6, 5). {ADVICE}"
    )
    with pytest.raises(ValueError, match=exactly(message)):
        net().set_params(hidden_layer_sizes=(6,)).fit(X, y, checkpoint=tmp_path / "net")


OTHERS = {
    "values": (X + 1e-9, y, {}),
    "labels": (X, y[::-1], {}),
    "names": (X, np.array(["a", "b", "c"])[y], {}),
    "weights": (X, y, {"sample_weight": WEIGHT}),
    "validation": (X, y, {"X_val": X[:9], "y_val": y[:9]}),
    "types": (X.astype(np.float32), y, {}),
    "order": (X[::-1], y[::-1], {}),
}


@pytest.mark.parametrize("other", OTHERS)
def test_other_data_are_an_error(other, tmp_path):
    written = half_done(tmp_path / "net")
    *data, params = OTHERS[other]
    start = f"The checkpoint '{tmp_path / 'net'}' belongs to another fit: X"
    with pytest.raises(ValueError, match=f"^{re.escape(start)}.*{ADVICE}$"):
        net().fit(*data, checkpoint=tmp_path / "net", **params)
    assert (tmp_path / "net").read_bytes() == written


def test_other_shapes_are_an_error(tmp_path):
    half_done(tmp_path / "net")
    message = (
        f"The checkpoint '{tmp_path / 'net'}' belongs to another fit: X now has the "
        f"shape [[178, 12]], and had [[178, 13]]. {ADVICE}"
    )
    with pytest.raises(ValueError, match=exactly(message)):
        net().fit(X[:, 1:], y, checkpoint=tmp_path / "net")


def test_another_class_is_an_error(tmp_path):
    class Own(DeepNetClassifier):
        pass

    half_done(tmp_path / "net")
    with pytest.raises(
        ValueError, match=r"its class is sklearn_deepnet\.estimators\.classifier\.Deep"
    ):
        Own(**net().get_params()).fit(X, y, checkpoint=tmp_path / "net")


def test_other_code_of_a_class_is_an_error(tmp_path):
    def own(factor):
        class Own(DeepNetClassifier):
            def score(self, X, y, sample_weight=None):
                return factor * super().score(X, y, sample_weight)

        return Own(**net().get_params())

    checkpoint = Checkpoint(tmp_path / "net", every=1)
    crash(own(1), 5, X, y, checkpoint=checkpoint)
    with pytest.raises(ValueError, match=r"another fit: the code of .*Own has changed"):
        own(2).fit(X, y, checkpoint=checkpoint)
    resumed = own(1).fit(X, y, checkpoint=checkpoint)
    assert_equal(learned(resumed), learned(net().fit(X, y)))


class Moving(io.StringIO):
    """A screen that makes another folder the current one."""

    def write(self, text):
        os.chdir("..")
        os.chdir("there")
        return len(text)


def test_a_relative_path_stays_where_it_was(tmp_path, monkeypatch):
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with contextlib.redirect_stdout(Moving()):
        net(verbose=2).fit(X, y, checkpoint="net")
    assert os.listdir(tmp_path / "there") == []
    assert load_model(tmp_path / "here" / "net").n_iter_ == 12


def test_another_version_is_an_error(tmp_path, monkeypatch):
    path = tmp_path / "net"
    half_done(path)
    description, arrays = read_container(path)
    with open(path, "wb") as file:
        write_container(file, description | {"version": "0.0.1"}, arrays)
    written = path.read_bytes()
    message = (
        f"The checkpoint '{path}' was written by sklearn_deepnet 0.0.1, but this is "
        f"version {sklearn_deepnet.__version__}. Resume with version 0.0.1, or choose "
        "another path to start over."
    )
    with pytest.raises(ValueError, match=exactly(message)):
        net().fit(X, y, checkpoint=path)
    assert path.read_bytes() == written


def test_a_truncated_file_is_an_error(tmp_path):
    path = tmp_path / "net"
    written = half_done(path)
    for n_bytes in (0, 7, 100, len(written) // 2, len(written) - 1):
        path.write_bytes(written[:n_bytes])
        start = f"'{path}' is damaged or was not saved by sklearn_deepnet: "
        end = " It was left untouched; choose another path."
        pattern = f"^{re.escape(start)}.*{re.escape(end)}$"
        with pytest.raises(ModelFileError, match=pattern):
            net().fit(X, y, checkpoint=path)
        assert path.read_bytes() == written[:n_bytes]


def test_a_model_is_not_lost_to_a_checkpoint(tmp_path):
    path = tmp_path / "net"
    save_model(net().fit(X, y), path)
    written = path.read_bytes()
    message = (
        f"'{path}' exists and is not the checkpoint of a fit. It was left untouched; "
        "choose another path."
    )
    with pytest.raises(ValueError, match=exactly(message)):
        net().fit(X, y, checkpoint=path)
    assert path.read_bytes() == written


def test_leftovers_of_a_killed_process_are_removed(tmp_path):
    ours = tmp_path / ".net.0123456789abcdef.tmp"
    others = [tmp_path / name for name in (".net.tmp", "net.tmp", ".other.0123.tmp")]
    others.append(tmp_path / ".net.backup_of_monday.tmp")
    for path in (ours, *others):
        path.write_bytes(b"half")
    net().fit(X, y, checkpoint=tmp_path / "net")
    assert sorted(tmp_path.iterdir()) == sorted([tmp_path / "net", *others])


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    estimator = net()
    path = tmp_path / "missing" / "net"
    message = (
        "[Errno 2] The checkpoint cannot be written, so training was not started: The "
        f"folder '{path.parent}' does not exist: '{path}'"
    )
    with pytest.raises(FileNotFoundError, match=exactly(message)):
        estimator.fit(X, y, checkpoint=path)
    assert vars(estimator) == vars(net())


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"every": 0}, ValueError, "every must be positive. Got 0 instead."),
        ({"every": 1.5}, TypeError, "every must be an integer or None. Got 1.5 "),
        ({"every": True}, TypeError, "every must be an integer or None. Got True "),
        ({"seconds": "1"}, TypeError, "seconds must be a number or None. Got '1' "),
        ({"seconds": np.nan}, ValueError, "seconds must be positive. Got nan "),
    ],
)
def test_intervals_are_checked(options, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}"):
        Checkpoint("net", **options)


@pytest.mark.parametrize("path", [3, b"net", None])
def test_a_path_of_another_type_is_an_error(path):
    message = f"path must be a str or a path. Got {path!r} instead."
    with pytest.raises(TypeError, match=exactly(message)):
        Checkpoint(path)


def test_a_loaded_checkpoint_continues_in_a_stack(tmp_path):
    parameters = {"early_stopping": True, "dropout": 0.2, "class_weight": "balanced"}
    parameters |= {"warm_start": True}
    params = {"sample_weight": WEIGHT}
    checkpoint = Checkpoint(tmp_path / "net", every=1)
    crash(net(**parameters), 5, X, y, checkpoint=checkpoint, **params)
    stack = [load_model(checkpoint.path) for _ in range(2)]
    fit_stack([it.set_params(n_iter=7, verbose=0) for it in stack], X, y, **params)
    alone = net(**parameters).fit(X, y, **params)
    for member in stack:
        assert_equal(learned(member.set_params(n_iter=12)), learned(alone))


def test_a_checkpoint_of_another_type_is_an_error():
    message = "checkpoint must be a Checkpoint, a path or None. Got 3 instead."
    with pytest.raises(TypeError, match=exactly(message)):
        net().fit(X, y, checkpoint=3)


@pytest.mark.slow
def test_a_checkpoint_changes_nothing(tmp_path):
    for number, (parameters, params) in enumerate(SETTINGS.values()):
        checkpoint = Checkpoint(Path(tmp_path, f"{number}"), every=1)
        kept = net(**parameters).fit(X, y, checkpoint=checkpoint, **params)
        alone = clone(kept).fit(X, y, **params)
        assert_equal(learned(kept), learned(alone))
