"""Chunks: batches are copied a few at a time, which nobody sees but the memory."""

import math

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sklearn_deepnet._engine import batches as engine_batches
from sklearn_deepnet._engine.batches import Batches, MicroBatch


def make(X, y=None, weight=None, **options):
    """Return batches of all rows at once, unless `options` say otherwise."""
    rows = options.get("rows")
    n_rows = X.shape[-2] if rows is None else rows.shape[-1]
    options = {
        "n_outputs": 1,
        "batch_size": n_rows,
        "block_size": 1000,
        "dtype": np.float64,
        "generators": [np.random.RandomState(0)],
        "shuffle": False,
        "stack_shape": (),
    } | options
    y = np.zeros((X.shape[-2], 1)) if y is None else y
    weight = np.ones((X.shape[-2], 1)) if weight is None else weight
    return Batches(X, y, weight, **options)


def blocks_of(batches):
    """Go through the blocks of an epoch, each in place of the one before."""
    return (read(0) for batch in batches for read in batch.blocks)


def copies(batches):
    """Return blocks that outlive the next one."""
    return [
        MicroBatch(*(array.copy() for array in block)) for block in blocks_of(batches)
    ]


def assert_same_blocks(batches, others):
    for block, other in zip(copies(batches), copies(others), strict=True):
        for one, two in zip(block, other, strict=True):
            assert_array_equal(one, two, strict=True)


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("stack_shape", [(), (3,)])
@pytest.mark.parametrize("batch_size", [4, 5])
@pytest.mark.parametrize("rows", [None, np.arange(1, 22)])
def test_cutting_into_chunks_changes_nothing(
    monkeypatch, shuffle, stack_shape, batch_size, rows
):
    def build():
        return make(
            np.random.RandomState(1).randn(23, 3),
            np.random.RandomState(2).randint(3, size=(23, 1)),
            np.random.RandomState(3).rand(23, 1),
            n_outputs=3,
            batch_size=batch_size,
            generators=[*map(np.random.RandomState, range(math.prod(stack_shape)))],
            shuffle=shuffle,
            stack_shape=stack_shape,
            rows=rows,
        )

    whole = build()
    monkeypatch.setattr(engine_batches, "_CHUNK_BYTES", 300)
    cut = build()
    for _ in range(2):
        assert_same_blocks(cut, whole)
    addresses = [block.inputs.ctypes.data for block in blocks_of(cut)]
    assert len(set(addresses)) < len(addresses)  # the chunk is used again


@pytest.fixture
def peak_of_an_epoch(peak_of):
    """Return how many bytes an epoch allocates at most, on top of the data."""

    def measure(n_rows, **options):
        X, y = np.zeros((n_rows, 20)), np.zeros((n_rows, 1))
        weight = np.broadcast_to(1.0, (n_rows, 1))

        def train():
            batches = make(X, y, weight, **options)
            assert sum(block.weight.sum() for block in blocks_of(batches)) > 0

        return peak_of(train)

    return measure


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("batch_size", [200, None])
def test_memory_of_an_epoch_in_order_does_not_grow_with_the_rows(
    batch_size, dtype, peak_of_an_epoch
):
    peaks = [
        peak_of_an_epoch(n_rows, batch_size=batch_size or n_rows, dtype=dtype)
        for n_rows in (100_000, 200_000)
    ]
    assert peaks[0] < 8e6
    assert abs(peaks[1] - peaks[0]) < 1e5


def test_memory_of_a_shuffled_epoch_grows_by_the_order_only(peak_of_an_epoch):
    peaks = [
        peak_of_an_epoch(n_rows, batch_size=200, shuffle=True)
        for n_rows in (100_000, 200_000)
    ]
    assert peaks[0] < 16e6
    assert peaks[1] - peaks[0] < 100_000 * 20
