"""A search with a checkpoint takes known results from it, and computes the others."""

import errno
import os
import re
import subprocess
import sys
import threading
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import joblib
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_equal
from scipy.stats import loguniform
from sklearn.base import clone
from sklearn.exceptions import FitFailedWarning
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, cross_val_score, validation_curve
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_deepnet import (
    Checkpoint,
    CheckpointWarning,
    DeepNetClassifier,
    ModelFileError,
    StackedGridSearchCV,
    StackedHalvingGridSearchCV,
    StackedRandomizedSearchCV,
    load_model,
    stacked,
)
from sklearn_deepnet._serialization import records
from sklearn_deepnet.estimators.stacking import training
from sklearn_deepnet.nn.initializers import he
from tests.helpers import exactly, network_factory, raises, wine
from tests.model_selection.helpers import assert_same_results

X, y = wine()
NET = network_factory(hidden_layer_sizes=(5,), n_iter=4)()
GRID = {"learning_rate": [0.001, 0.01], "alpha": [0.0, 1.0]}
WEIGHT = np.random.RandomState(0).rand(len(y)) + 0.5


def found(search):
    """All results of a search but times."""
    results = {k: v for k, v in search.cv_results_.items() if "_time" not in k}
    results = {k: [str(value) for value in v] for k, v in results.items()}
    return results, str(search.best_params_), search.best_estimator_.predict_proba(X)


def grid(**parameters):
    return StackedGridSearchCV(NET, **{"param_grid": GRID, "cv": 3} | parameters)


def by_fold(path):
    """Return a checkpoint that is written when the four fits of a fold are done."""
    return Checkpoint(path, every=4)


@cache
def found_without_checkpoint():
    return found(grid().fit(X, y))


@cache
def written():
    """Return the checkpoint of a search, with a record for each fold."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "search"
        grid().fit(X, y, checkpoint=by_fold(path))
        return path.read_bytes()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "search"


@pytest.fixture
def done(path):
    """Return the path of the checkpoint of a complete search."""
    path.write_bytes(written())
    return path


ROWS = np.arange(len(y))
ONE_FOLD = [(ROWS[::2], ROWS[1::2])]


def score_in_float32(estimator, X, y):
    return np.float32(estimator.score(X, y))


def count_scores(path):
    return path.read_text().count("test_scores")


def count_fits(capsys):
    return capsys.readouterr().out.count("] END")


OF_SEARCHES = {
    "plain": (grid, {}),
    "two processes": (lambda: grid(n_jobs=2), {}),
    "weights": (grid, {"sample_weight": WEIGHT}),
    "several metrics": (
        lambda: grid(
            scoring=["accuracy", "neg_log_loss"], refit="accuracy", cv=2
        ).set_params(return_train_score=True),
        {},
    ),
    "pipeline": (
        lambda: StackedGridSearchCV(
            make_pipeline(StandardScaler(), NET),
            {
                "standardscaler": [StandardScaler(), "passthrough"],
                "deepnetclassifier__alpha": [0.0, 1.0],
            },
            cv=2,
        ),
        {},
    ),
    "drawn": (
        lambda: StackedRandomizedSearchCV(
            NET, {"alpha": loguniform(1e-4, 1)}, n_iter=3, cv=2, random_state=0
        ),
        {},
    ),
    "folds that share rows": (
        lambda: grid(
            cv=[(ROWS[::2], ROWS[1::2]), (ROWS[::2], ROWS), (ROWS[1::4], ROWS[1::2])],
            scoring="neg_log_loss",
        ),
        {},
    ),
    "a scorer of NumPy's": (lambda: grid(scoring=score_in_float32, cv=2), {}),
    "halving": (
        lambda: StackedHalvingGridSearchCV(
            NET,
            GRID,
            cv=2,
            factor=2,
            resource="n_iter",
            min_resources=2,
            max_resources=8,
        ),
        {},
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_SEARCHES)
def test_results_in_a_checkpoint_are_not_computed_again(name, tmp_path, capsys):
    make, params = OF_SEARCHES[name]
    checkpoint = Checkpoint(tmp_path / "search", every=1)
    plain = make().fit(X, y, **params)
    kept = make().fit(X, y, checkpoint=checkpoint, **params)
    assert_equal(found(kept), found(plain))
    capsys.readouterr()
    search = make().set_params(verbose=2, n_jobs=None)
    again = search.fit(X, y, checkpoint=checkpoint, **params)
    assert count_fits(capsys) == 0
    assert_equal(found(again), found(plain))
    assert os.listdir(tmp_path) == ["search"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_backends_without_generators_are_saved_at_the_end(tmp_path, capsys):
    with joblib.parallel_config(backend="multiprocessing", n_jobs=2):
        kept = grid().fit(X, y, checkpoint=tmp_path / "search")
    grid(verbose=2).fit(X, y, checkpoint=tmp_path / "search")
    assert count_fits(capsys) == 0
    assert_equal(found(kept), found_without_checkpoint())


class Interrupting:
    """Scores by accuracy, and interrupts when it has done so some times."""

    def __init__(self):
        self.n_left = np.inf

    def __call__(self, estimator, X, y):
        self.n_left -= 1
        if self.n_left < 0:
            raise KeyboardInterrupt
        return estimator.score(X, y)

    def __getstate__(self):
        return {}  # when it interrupts is not what it is


@pytest.mark.slow
@pytest.mark.parametrize("name", ["plain", "pipeline", "halving"])
@pytest.mark.parametrize("n_scores", [0, 3, 5, 7])
def test_a_search_continues_after_an_interrupt(name, n_scores, tmp_path):
    scoring = Interrupting()
    make = OF_SEARCHES[name][0]
    plain = make().set_params(scoring=scoring).fit(X, y)
    checkpoint = Checkpoint(tmp_path / "search")
    scoring.n_left = n_scores
    small = make().set_params(scoring=scoring)
    with pytest.raises(KeyboardInterrupt):
        small.fit(X, y, checkpoint=checkpoint)
    scoring.n_left = np.inf
    resumed = make().set_params(scoring=scoring).fit(X, y, checkpoint=checkpoint)
    assert_equal(found(resumed), found(plain))


def test_only_new_candidates_and_folds_are_fitted(path, capsys):
    grid(verbose=2).fit(X, y, checkpoint=path)
    assert count_fits(capsys) == 4 * 3
    larger = {"learning_rate": [0.001, 0.01, 0.1], "alpha": [1.0, 0.0]}
    search = grid(param_grid=larger, verbose=2).fit(X, y, checkpoint=path)
    assert count_fits(capsys) == 2 * 3
    assert_equal(found(search), found(grid(param_grid=larger).fit(X, y)))
    grid(cv=4, verbose=2).fit(X, y, checkpoint=path)
    assert count_fits(capsys) == 4 * 4


def test_functions_of_one_name_are_not_mistaken(path, capsys):
    def drawing(scale):
        return lambda shape, rng: scale * rng.randn(*shape)

    wide, narrow = drawing(3.0), drawing(1e-9)
    grid(param_grid={"init": [wide, he]}).fit(X, y, checkpoint=path)
    some = {"init": [narrow, he]}
    again = grid(param_grid=some, verbose=2).fit(X, y, checkpoint=path)
    assert count_fits(capsys) == 3
    assert_equal(found(again), found(grid(param_grid=some).fit(X, y)))


def test_fitted_parts_are_not_mistaken(path, capsys):
    def frozen(*rows):
        return FrozenEstimator(StandardScaler().fit(X[slice(*rows)]))

    def search(*scalers, **parameters):
        model = make_pipeline(frozen(9), NET)
        return StackedGridSearchCV(
            model, {"frozenestimator": [*scalers]}, cv=2, **parameters
        )

    both = frozen(5, 20), frozen(90, 178)
    plain = search(*both).fit(X, y)
    for _ in range(2):
        kept = search(*both, verbose=2).fit(X, y, checkpoint=path)
        assert_equal(found(kept), found(plain))
    assert count_fits(capsys) == 4  # of the first search alone


@pytest.mark.filterwarnings("ignore:One or more of the test scores")
def test_candidates_that_failed_are_tried_again(path, capsys):
    wrong = {"init": ["he", "hee"]}
    with pytest.warns(FitFailedWarning, match="3 fits failed out of a total of 6"):
        kept = grid(param_grid=wrong).fit(X, y, checkpoint=path)
    with pytest.warns(FitFailedWarning, match="3 fits failed out of a total of 6"):
        again = grid(param_grid=wrong, verbose=2).fit(X, y, checkpoint=path)
    assert count_fits(capsys) == 3
    assert_equal(found(again), found(kept))


class OutOfMemory:
    """A scorer, or an initializer, that fails in the third call of all copies."""

    n_calls = 0

    def __call__(self, first, *others):
        OutOfMemory.n_calls += 1
        if OutOfMemory.n_calls == 3:
            raise MemoryError("for a moment")
        return he(first, *others) if isinstance(first, tuple) else first.score(*others)


@pytest.mark.parametrize("error_score", [np.nan, 0.0])
@pytest.mark.parametrize("fails", ["fit", "score"])
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")
def test_a_failure_of_a_moment_is_tried_again(fails, error_score, path, capsys):
    way, OutOfMemory.n_calls = OutOfMemory(), 0
    rates = {"learning_rate": [0.01, 0.1]}
    parameters = {"param_grid": rates, "error_score": error_score}
    if fails == "score":
        parameters["scoring"] = way
    else:
        parameters["param_grid"] = rates | {"init": [way]}
    first = grid(**parameters).fit(X, y, checkpoint=path)
    scores = [first.cv_results_[f"split{k}_test_score"] for k in range(3)]
    n_failed = np.sum(np.isnan(scores) | np.equal(scores, error_score))
    assert n_failed == 1
    again = grid(**parameters, verbose=2).fit(X, y, checkpoint=path)
    assert count_fits(capsys) == n_failed
    assert_equal(found(again), found(grid(**parameters).fit(X, y)))


def test_stacks_done_before_an_error_are_saved(path, capsys):
    some = {"hidden_layer_sizes": [(4,), (0,)]}
    parameters = {"param_grid": some, "error_score": "raise", "cv": 2}
    with pytest.raises(ValueError, match="hidden_layer_sizes must contain a"):
        grid(**parameters).fit(X, y, checkpoint=path)
    some["hidden_layer_sizes"].pop()
    grid(**parameters, verbose=2).fit(X, y, checkpoint=path)
    assert count_fits(capsys) == 0


def scoring_by(factor):
    return lambda estimator, X, y: factor * estimator.score(X, y)


def test_another_function_to_score_by_is_an_error(path):
    for _ in range(2):
        grid(scoring=scoring_by(1)).fit(X, y, checkpoint=path)
    with pytest.raises(ValueError, match="scoring is now"):
        grid(scoring=scoring_by(-1)).fit(X, y, checkpoint=path)


def test_what_cannot_be_hashed_is_an_error(path):
    lock = threading.Lock()
    start = f"A checkpoint cannot be used with scoring={scoring_with(lock)!r}"[:60]
    with pytest.raises(ValueError, match=f"^{re.escape(start)}"):
        grid(scoring=scoring_with(lock)).fit(X, y, checkpoint=path)


def scoring_with(lock):
    def score(estimator, X, y):
        with lock:
            return estimator.score(X, y)

    return score


OTHER_DATA = "X, y or other data given to fit have changed"
OTHERS = {
    "failing": ({"error_score": 0.0}, {}, "error_score is now 0.0, unlike before. "),
    "estimator": ({"estimator": NET.__class__((6,))}, {}, "estimator is now "),
    "scoring": ({"scoring": "f1_macro"}, {}, "scoring is now make_scorer(f1_score"),
    "train": (
        {"return_train_score": True},
        {},
        "return_train_score is now True, unlike before. ",
    ),
    "weights": ({}, {"sample_weight": WEIGHT}, OTHER_DATA),
    "X": ({}, {"X": X + 1}, OTHER_DATA),
    "y": ({}, {"y": y[::-1]}, OTHER_DATA),
}


@pytest.mark.parametrize("other", OTHERS)
def test_another_search_is_an_error(other, done):
    parameters, params, message = OTHERS[other]
    start = f"The checkpoint '{done}' belongs to another search: {message}"
    search = grid().set_params(**parameters)
    with pytest.raises(ValueError, match=f"^{re.escape(start)}"):
        search.fit(**{"X": X, "y": y} | params, checkpoint=done)
    assert done.read_bytes() == written()


@pytest.mark.parametrize("other", ["estimator", "X"])
def test_another_search_in_the_same_context_is_an_error(other, path):
    net = NET.__class__((6,)) if other == "estimator" else NET
    start = f"The checkpoint '{path}' belongs to another search: "
    message = start + ("estimator is now " if other == "estimator" else OTHER_DATA)
    with stacked(checkpoint=path):
        scores = cross_val_score(NET, X, y, cv=3)
        np.testing.assert_array_equal(cross_val_score(NET, X, y, cv=3), scores)
        with pytest.raises(ValueError, match=re.escape(message)):
            cross_val_score(net, X + (other == "X"), y, cv=3)


def test_validations_that_return_less_share_a_file_with_searches(path):
    asked = {"param_name": "alpha", "param_range": [0.0, 1.0], "cv": 3}

    def validate():
        return validation_curve(NET, X, y, **asked)

    options = {"return_train_score": True, "refit": False, "cv": 3}
    search = GridSearchCV(NET, {"alpha": [0.0, 1.0]}, **options)
    (train, test), theirs = validate(), clone(search).fit(X, y)
    with stacked(checkpoint=path):
        for _ in range(2):
            np.testing.assert_equal(validate(), (train, test))
            assert_same_results(search.fit(X, y), theirs)


def test_files_of_searches_and_of_fits_are_distinguished(tmp_path, done):
    NET.__class__((4,), n_iter=1, tol=None).fit(X, y, checkpoint=tmp_path / "fit")
    for path, asked, estimator in (
        (tmp_path / "fit", "search", grid()),
        (done, "fit", DeepNetClassifier()),
    ):
        message = (
            f"'{path}' exists and is not the checkpoint of a {asked}. It was left "
            "untouched; choose another path."
        )
        with raises(message):
            estimator.fit(X, y, checkpoint=path)
    with pytest.raises(ModelFileError, match="it does not begin with a valid header"):
        load_model(done)


class Watching:
    """Scores by accuracy, and notes how large the file is."""

    def __init__(self, path):
        self.path, self.sizes = path, []

    def __call__(self, estimator, X, y):
        self.sizes.append(self.path.stat().st_size)
        return estimator.score(X, y)

    def __getstate__(self):
        return {}  # what it has seen is not what it is


def test_each_write_adds_a_line(path):
    scoring = Watching(path)
    search = grid(scoring=scoring)
    search.fit(X, y, checkpoint=by_fold(path))
    title, first, *added = path.read_bytes().splitlines()
    assert title == b"sklearn_deepnet records"
    assert b'"version"' in first
    assert len(added) == 3  # one for each fold
    assert len({*scoring.sizes}) == 3
    written = path.read_bytes()
    search.fit(X, y, checkpoint=by_fold(path))
    assert path.read_bytes() == written


def test_scores_of_a_stack_are_written_before_the_next_is_trained(path, monkeypatch):
    records_before, train_jobs = [], training.train_jobs

    def train_and_look(jobs):
        records_before.append(count_scores(path))
        return train_jobs(jobs)

    monkeypatch.setattr(training, "train_jobs", train_and_look)
    kinds = {"hidden_layer_sizes": [(3,), (4,), (5,)], "alpha": [0.0, 1.0]}
    rare = Checkpoint(path, seconds=1e6)
    grid(param_grid=kinds, cv=ONE_FOLD, refit=False).fit(X, y, checkpoint=rare)
    assert records_before == [0, 2, 4]


def test_a_search_class_takes_the_checkpoint_and_the_summary_around_it(path, capsys):
    for n_fits in (12, 0):
        with stacked(checkpoint=path) as stacks:
            found_within = grid(verbose=2, refit=False).fit(X, y)
        assert count_fits(capsys) == n_fits
        assert sum(stacks.summary.stack_sizes) == n_fits
    plain = grid(refit=False).fit(X, y)
    scores = [it.cv_results_["mean_test_score"] for it in (found_within, plain)]
    assert_equal(*scores)


def count_records(path):
    return len(path.read_bytes().splitlines()) - 2


@pytest.mark.parametrize("cut", [1, 2, 40])
def test_an_incomplete_last_record_is_done_again(cut, path, capsys):
    path.write_bytes(written()[:-cut])
    again = grid(verbose=2).fit(X, y, checkpoint=by_fold(path))
    assert count_fits(capsys) == 4
    assert_equal(found(again), found_without_checkpoint())
    assert count_records(path) == 3


def test_a_last_record_that_was_not_synchronized_is_done_again(path, capsys):
    """As after a power failure, when its end was on the disk and its middle was not."""
    path.write_bytes(written()[:-60] + bytes(40) + written()[-20:])
    grid(verbose=2).fit(X, y, checkpoint=by_fold(path))
    assert count_fits(capsys) == 4
    grid(verbose=2).fit(X, y, checkpoint=by_fold(path))
    assert count_fits(capsys) == 0


def test_another_search_leaves_an_incomplete_record_alone(path):
    torn = written()[:-1]
    path.write_bytes(torn)
    with pytest.raises(ValueError, match="error_score is now"):
        grid(error_score=0.0).fit(X, y, checkpoint=path)
    assert path.read_bytes() == torn


def damaged(written):
    """Return files with one byte changed in each record but the last, and cut ones."""
    *lines, _ = written.splitlines(keepends=True)
    end = len(lines[0])
    for number, line in enumerate(lines[1:], start=1):
        for place in (end + 2, end + len(line) // 2):
            changed = bytearray(written)
            changed[place] ^= 1
            yield number, bytes(changed)
        end += len(line)
    yield None, written[: len(lines[0])]
    yield None, written[: len(lines[0]) + 9]


def test_damage_is_an_error(path):
    for number, data in damaged(written()):
        path.write_bytes(data)
        why = f"the checksum of record {number} is wrong"
        message = (
            f"'{path}' is damaged or was not saved by sklearn_deepnet: "
            f"{(why if number else 'its first record is incomplete')}. It was left "
            "untouched; choose another path."
        )
        with raises(message, ModelFileError):
            grid().fit(X, y, checkpoint=by_fold(path))
        assert path.read_bytes() == data


def test_a_search_continues_when_the_file_cannot_be_written(path, monkeypatch):
    class Disk:
        """Is full when the first record of results is written, and never again."""

        n_writes = 0

        def fsync(self, handle):
            self.n_writes += 1
            if self.n_writes == 1:
                raise OSError(errno.ENOSPC, "No space left on device")

    grid(param_grid={"alpha": [0.5]}, cv=2).fit(X, y, checkpoint=path)
    before = count_records(path)
    monkeypatch.setattr(records.os, "fsync", Disk().fsync)
    message = (
        f"The checkpoint '{path}' could not be written after 4 fits: No space left on "
        "device. The previous file is kept, and the search continues."
    )
    with pytest.warns(CheckpointWarning, match=exactly(message)):
        kept = grid().fit(X, y, checkpoint=by_fold(path))
    monkeypatch.undo()
    assert_equal(found(kept), found_without_checkpoint())
    assert count_records(path) == before + 3  # the first before the next stack
    again = grid().fit(X, y, checkpoint=by_fold(path))
    assert_equal(found(again), found(kept))


SCRIPT = """
import os, sys
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_wine
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.model_selection import GridSearchCV
from sklearn_deepnet import Checkpoint, DeepNetClassifier, stacked

X, y = load_wine(return_X_y=True, as_frame=True)
X = X.iloc[:, :4].assign(kind=np.where(X["hue"] > 1, "light", "dark"))
steps = make_column_transformer(
    (StandardScaler(), list(X.columns[:4])), (OneHotEncoder(), ["kind"])
)
net = DeepNetClassifier((20,), n_iter=30, tol=None, random_state=0)
grid = {"deepnetclassifier__hidden_layer_sizes": [(n,) for n in range(20, 32)]}
search = GridSearchCV(make_pipeline(steps, net), grid, cv=3, verbose=2)
with stacked(checkpoint=Checkpoint(sys.argv[1], every=1)):
    search.fit(X, y)
print(search.cv_results_["mean_test_score"].tolist())
"""


@pytest.mark.slow
def test_a_search_that_is_killed_continues(tmp_path):
    """Killed as soon as its file is new, in processes of other hash seeds."""
    command = [sys.executable, "-c", SCRIPT]
    path, whole = tmp_path / "search", tmp_path / "whole"
    for seed in range(2):
        before = path.stat().st_mtime_ns if path.exists() else None
        environment = os.environ | {"PYTHONHASHSEED": str(seed)}
        process = subprocess.Popen(
            [*command, path], env=environment, stdout=subprocess.PIPE, text=True
        )
        lines = [process.stdout.readline() for _ in range(1 + 3)]
        process.kill()
        process.communicate()
        assert all("END" in line for line in lines[1:])
        assert path.stat().st_mtime_ns != before
        assert process.returncode == -9
    ends = []
    for place in (path, whole):
        done = subprocess.run(
            [*command, place], capture_output=True, text=True, check=True
        )
        *lines, scores = done.stdout.strip().split("\n")
        ends.append((scores, sum("END" in line for line in lines)))
    (resumed, n_left), (alone, n_all) = ends
    assert resumed == alone
    assert n_left < n_all == 12 * 3
    assert os.listdir(tmp_path) in (["search", "whole"], ["whole", "search"])


def test_a_data_frame_is_compared_by_its_values(path):
    table = pd.DataFrame(X).rename(columns=str)
    grid().fit(table, y, checkpoint=path)
    with pytest.raises(
        ValueError, match="X, y or other data given to fit have changed"
    ):
        grid().fit(table.rename(columns={"0": "a"}), y, checkpoint=path)
    grid().fit(table.copy(), y.copy(), checkpoint=path)
