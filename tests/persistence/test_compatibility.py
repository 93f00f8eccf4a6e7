"""Patch releases share checkpoints, model files and pickles; other versions do not.

docs/versions.md has the policy. A file is written here by one version and read by
another, for which the library takes each name in turn.
"""

import pickle
import re
import sys

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV

from sklearn_deepnet import (
    DeepNetEnsembleClassifier,
    VersionWarning,
    load_model,
    save_model,
    stacked,
)
from sklearn_deepnet._utils.version import are_compatible
from tests.helpers import network_factory, wine

X, y = wine()
net = network_factory(hidden_layer_sizes=(5,), n_iter=8, batch_size=32, dropout=0.1)

COMPATIBLE = [
    ("0.1.0", "0.1.0"),
    ("0.1.0", "0.1.1"),
    ("0.1.12", "0.1.0"),
    ("0.1.0", "0.1.0.post1"),
    ("0.1.0.dev0", "0.1.0.dev0"),
    ("1.0.0rc1", "1.0.0rc1"),
]
INCOMPATIBLE = [
    ("0.1.0", "0.2.0"),
    ("0.1.0", "0.10.0"),
    ("0.1.0", "1.1.0"),
    ("0.1.0.dev0", "0.1.0"),
    ("0.1.1.dev0", "0.1.0"),
    ("0.1.0.dev0", "0.1.0.dev1"),
    ("1.0.0rc1", "1.0.0"),
    ("0.1.0+local", "0.1.0"),
    ("unknown", "0.1.0"),
    (None, "0.1.0"),
    (["0.1.0"], "0.1.0"),
]
# One pair of each kind, for tests that write files.
SAME_MINOR, OTHER_MINOR, OF_DEVELOPMENT = (
    COMPATIBLE[1],
    INCOMPATIBLE[0],
    INCOMPATIBLE[3],
)
OTHERS = [OTHER_MINOR, OF_DEVELOPMENT]


@pytest.mark.parametrize(("version", "other"), COMPATIBLE)
def test_versions_are_compatible(version, other):
    assert are_compatible(version, other)


@pytest.mark.parametrize(("version", "other"), INCOMPATIBLE)
def test_versions_are_incompatible(version, other):
    assert not are_compatible(version, other)


@pytest.fixture
def become(monkeypatch):
    """Let the library take itself for another version, in each of its modules."""

    def set_version(version):
        for name, module in [*sys.modules.items()]:
            if name.startswith("sklearn_deepnet") and "__version__" in vars(module):
                monkeypatch.setattr(module, "__version__", version)

    return set_version


def names(versions):
    """Match a message that names both; its text is tested with those that raise it."""
    return ".*".join(map(re.escape, versions))


def test_a_checkpoint_of_a_fit_resumes_in_a_patch_release(tmp_path, become, capsys):
    path = tmp_path / "net"
    become(SAME_MINOR[0])
    net(n_iter=5).fit(X, y, checkpoint=path)
    become(SAME_MINOR[1])
    resumed = net(verbose=2).fit(X, y, checkpoint=path)
    assert len(capsys.readouterr().out.splitlines()) == 3  # a line for each new epoch
    whole = net().fit(X, y)
    assert resumed.loss_curve_ == whole.loss_curve_
    np.testing.assert_array_equal(resumed._params, whole._params)


@pytest.mark.parametrize("versions", OTHERS)
def test_a_checkpoint_of_a_fit_is_refused_in_another_version(
    tmp_path, become, versions
):
    path = tmp_path / "net"
    become(versions[0])
    net(n_iter=5).fit(X, y, checkpoint=path)
    written = path.read_bytes()
    become(versions[1])
    with pytest.raises(ValueError, match=names(versions)):
        net().fit(X, y, checkpoint=path)
    assert path.read_bytes() == written


def search(path, learning_rates):
    grid = GridSearchCV(net(), {"learning_rate": learning_rates}, cv=3)
    with stacked(checkpoint=path):
        return grid.fit(X, y)


def test_a_checkpoint_of_a_search_resumes_in_a_patch_release(tmp_path, become, stacks):
    path = tmp_path / "search"
    become(SAME_MINOR[0])
    search(path, [0.001, 0.01])
    stacks.clear()
    become(SAME_MINOR[1])
    resumed = search(path, [0.001, 0.01, 0.1])
    assert sum(stacks) == 3  # the folds of the new candidate alone
    whole = search(tmp_path / "other", [0.001, 0.01, 0.1])
    for name in ("mean_test_score", "rank_test_score"):
        np.testing.assert_array_equal(
            resumed.cv_results_[name], whole.cv_results_[name]
        )


@pytest.mark.parametrize("versions", OTHERS)
def test_a_checkpoint_of_a_search_is_refused_in_another_version(
    tmp_path, become, versions
):
    path = tmp_path / "search"
    become(versions[0])
    search(path, [0.001, 0.01])
    written = path.read_bytes()
    become(versions[1])
    with pytest.raises(ValueError, match=names(versions)):
        search(path, [0.001, 0.01])
    assert path.read_bytes() == written


def through_file(estimator, path):
    save_model(estimator, path)
    return lambda: load_model(path)


def through_pickle(estimator, path):
    data = pickle.dumps(estimator)
    return lambda: pickle.loads(data)


MODELS = {
    "network": net(),
    "ensemble": DeepNetEnsembleClassifier(net(), n_estimators=2, random_state=0),
}


@pytest.mark.parametrize("save", [through_file, through_pickle])
@pytest.mark.parametrize("model", MODELS)
def test_a_model_of_a_patch_release_is_loaded_without_a_warning(
    tmp_path, become, save, model
):
    fitted = MODELS[model].fit(X, y)
    become(SAME_MINOR[0])
    load = save(fitted, tmp_path / "model")
    become(SAME_MINOR[1])
    loaded = load()  # a warning would be an error
    np.testing.assert_array_equal(loaded.predict_proba(X), fitted.predict_proba(X))


@pytest.mark.parametrize("save", [through_file, through_pickle])
@pytest.mark.parametrize("versions", OTHERS)
def test_a_model_of_another_version_is_loaded_with_a_warning(
    tmp_path, become, save, versions
):
    written, current = versions
    fitted = net().fit(X, y)
    become(written)
    load = save(fitted, tmp_path / "model")
    become(current)
    with pytest.warns(VersionWarning, match=names(versions)):
        loaded = load()
    np.testing.assert_array_equal(loaded.predict_proba(X), fitted.predict_proba(X))
