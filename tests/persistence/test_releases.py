"""What older versions have saved still loads, and predicts what it did.

`tests/releases` holds what each of them saved, by its `keep.py`; the one of before the
first release lacks what has been added since.
"""

import contextlib
import json
import pickle
from base64 import b85decode
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.utils.validation import check_is_fitted

from sklearn_deepnet import VersionWarning, __version__, load_model, save_model
from sklearn_deepnet._utils.version import are_compatible
from tests.releases import keep

RELEASES = {
    path.stem: json.loads(path.read_text("utf-8"))
    for path in sorted(Path(__file__).parents[1].joinpath("releases").glob("*.json"))
}
MODELS = [
    (version, name) for version in RELEASES for name in RELEASES[version]["models"]
]


def warns_of(version):
    if are_compatible(version, __version__):
        return contextlib.nullcontext()
    return pytest.warns(VersionWarning, match=rf"sklearn_deepnet \({version}\)")


def predict(model, X):
    return getattr(model, "predict_proba", model.predict)(X)


@pytest.mark.parametrize(("version", "name"), MODELS)
def test_a_saved_model_predicts_as_when_it_was_saved(version, name, tmp_path):
    kept = RELEASES[version]["models"][name]
    assert RELEASES[version]["version"] == version
    loaded = []
    with warns_of(version):
        loaded.append(pickle.loads(b85decode(kept["pickle"])))
    for form in [it for it in ("file", "checkpoint") if it in kept]:
        (tmp_path / form).write_bytes(b85decode(kept[form]))
        with warns_of(version):
            loaded.append(load_model(tmp_path / form))
    X, y = (load_diabetes if "regressor" in name else load_iris)(return_X_y=True)
    for model in loaded:
        check_is_fitted(model)
        # The last bits depend on the processor, whose kernels BLAS chooses.
        rtol = 1e-6 if "float32" in name else 1e-9
        np.testing.assert_allclose(predict(model, X[::10]), kept["expected"], rtol=rtol)
        save_model(model, tmp_path / "again")
        again = load_model(tmp_path / "again")
        np.testing.assert_array_equal(predict(again, X), predict(model, X))
        clone(model).fit(X, y)
    if name == "in the middle of training":
        resumed = [model.fit(X, y).coefs_[0] for model in (*loaded, again)]
        for coefs in resumed[1:]:
            np.testing.assert_array_equal(coefs, resumed[0])


def test_there_are_saved_models():
    assert RELEASES


# Development versions go with themselves alone, and change from day to day.
COMPATIBLE = [
    version
    for version in RELEASES
    if are_compatible(version, __version__) and "dev" not in version
]


@pytest.mark.parametrize("version", [*COMPATIBLE, "this version"])
def test_a_checkpoint_of_a_patch_release_resumes(version, tmp_path, capsys):
    (tmp_path / "expected").mkdir()
    for name, (network, load) in keep.MODELS.items():
        if hasattr(network, "n_estimators"):
            continue
        saved = RELEASES[version]["models"] if version in RELEASES else None
        kept = saved[name] if saved else keep.keep(clone(network), load)
        path = tmp_path / name
        path.write_bytes(b85decode(kept["checkpoint"]))
        X, y = load(return_X_y=True)
        longer = clone(network).set_params(n_iter=8)
        resumed = clone(longer).set_params(verbose=2).fit(X, y, checkpoint=path)
        lines = capsys.readouterr().out.splitlines()
        assert [line.split(" of")[0] for line in lines] == [
            "epoch 6",
            "epoch 7",
            "epoch 8",
        ]
        whole = clone(network).fit(X, y, checkpoint=tmp_path / "expected" / name)
        whole = clone(longer).fit(X, y, checkpoint=tmp_path / "expected" / name)
        # What another processor has begun differs in the last bits.
        rtol = 1e-4 if "float32" in name else 1e-7
        np.testing.assert_allclose(
            resumed.coefs_[0], whole.coefs_[0], rtol=rtol, atol=rtol
        )
        assert resumed.n_iter_ == whole.n_iter_ == 8


@pytest.mark.parametrize("version", [*COMPATIBLE, "this version"])
def test_a_search_of_a_patch_release_resumes(version, tmp_path, stacks):
    saved = RELEASES[version]["search"] if version in RELEASES else keep.keep_search()
    path = tmp_path / "search"
    path.write_bytes(b85decode(saved["file"]))
    stacks.clear()
    scores = keep.search(path).cv_results_["mean_test_score"]
    assert stacks == []  # all scores are in the file
    np.testing.assert_array_equal(scores, saved["expected"])
