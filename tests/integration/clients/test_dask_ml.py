"""dask-ml trains a network block by block, and predicts arrays of dask."""

import dask
import dask.array as da
import numpy as np
from dask_ml.wrappers import Incremental, ParallelPostFit
from sklearn.base import clone

from sklearn_deepnet import DeepNetClassifier
from tests.helpers import assert_same_weights, cancer

NET = DeepNetClassifier((6,), random_state=0)


def blocks():
    X, y = cancer()
    return da.from_array(X, chunks=(200, 30)), da.from_array(y, chunks=200)


def test_incremental_training_is_partial_fit_of_each_block():
    X, y = blocks()
    with dask.config.set(scheduler="synchronous"):
        model = Incremental(clone(NET), shuffle_blocks=False)
        model.fit(X, y, classes=[0, 1])
        predicted = model.predict(X).compute()
    net = clone(NET)
    for X_block, y_block in zip(
        np.split(cancer()[0], [200, 400]),
        np.split(cancer()[1], [200, 400]),
        strict=True,
    ):
        net.partial_fit(X_block, y_block, classes=[0, 1])
    assert_same_weights(model.estimator_, net)
    np.testing.assert_array_equal(predicted, net.predict(cancer()[0]))


def test_predictions_of_blocks_are_those_of_the_rows():
    X, _ = blocks()
    rows, y = cancer()
    model = ParallelPostFit(clone(NET).set_params(n_iter=5, tol=None)).fit(rows, y)
    lazy = model.predict_proba(X)
    assert isinstance(lazy, da.Array)
    np.testing.assert_allclose(
        lazy.compute(scheduler="threads"),
        model.estimator.predict_proba(rows),
        rtol=1e-12,
    )
