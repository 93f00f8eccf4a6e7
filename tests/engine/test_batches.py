"""Batches: every row once an epoch, in order, and at its weight."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_deepnet._engine import batches as engine_batches
from sklearn_deepnet._engine import network
from sklearn_deepnet._engine.batches import Batches, MicroBatch
from sklearn_deepnet.nn.scaling import InputScaling


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


def numbered(n_rows, n_networks=None):
    """Return X whose first column is the number of the row, 1000 k more for k."""
    X = np.random.RandomState(1).randn(n_rows, 3)
    X[:, 0] = np.arange(n_rows)
    if n_networks is None:
        return X
    return X + np.multiply.outer(1000 * np.arange(n_networks), [[1, 0, 0]])


def blocks_of(batches):
    """Go through the blocks of an epoch, each in place of the one before."""
    return (read(0) for batch in batches for read in batch.blocks)


def copies(batches):
    """Return blocks that outlive the next one."""
    return [
        MicroBatch(*(array.copy() for array in block)) for block in blocks_of(batches)
    ]


def one_epoch(batches):
    """Return inputs, targets and weights of an epoch, joined along the samples."""
    blocks = copies(batches)
    return [
        np.concatenate([getattr(block, name) for block in blocks], axis=-1)
        for name in ("inputs", "target", "weight")
    ]


def assert_same_blocks(batches, others):
    for block, other in zip(copies(batches), copies(others), strict=True):
        for one, two in zip(block, other, strict=True):
            assert_array_equal(one, two, strict=True)


@pytest.mark.parametrize("block_size", [1000, 4])
def test_rows_come_in_their_order_unless_shuffled(block_size):
    X = numbered(23)
    y, weight = np.random.RandomState(2).rand(23, 2), np.random.RandomState(3).rand(23)
    batches = make(
        X, y, weight[:, np.newaxis], n_outputs=2, batch_size=5, block_size=block_size
    )
    for _ in range(2):
        inputs, target, _ = one_epoch(batches)
        assert_array_equal(inputs[:-1], X.T)
        assert_array_equal(inputs[-1], np.ones(23))
        assert_array_equal(target, y.T)


@pytest.mark.parametrize("block_size", [1000, 4])
@pytest.mark.parametrize("stack_shape", [(), (3,)])
@pytest.mark.parametrize("n_elements", [2**15, 9])  # the order in one piece, or three
def test_every_epoch_is_shuffled_by_the_permutation_of_each_network(
    stack_shape, block_size, n_elements, monkeypatch
):
    monkeypatch.setattr(engine_batches, "PIECE_ELEMENTS", n_elements)
    n_networks = math.prod(stack_shape)
    X, y = numbered(23), np.random.RandomState(2).rand(23, 1)
    batches = make(
        X,
        y,
        batch_size=5,
        block_size=block_size,
        generators=[np.random.RandomState(k) for k in range(n_networks)],
        shuffle=True,
        stack_shape=stack_shape,
    )
    rngs = [np.random.RandomState(k) for k in range(n_networks)]
    for _ in range(3):
        orders = np.array([rng.permutation(23) for rng in rngs])
        order = orders.reshape(*stack_shape, 23)
        inputs, target, _ = one_epoch(batches)
        assert_array_equal(inputs[..., :-1, :], X[order].swapaxes(-1, -2))
        assert_array_equal(target, y[order].swapaxes(-1, -2))


@pytest.mark.parametrize("batch_size", [5, 6, 22, 23])
@pytest.mark.parametrize("block_size", [1000, 4, 1])
@pytest.mark.parametrize("shuffle", [True, False])
def test_row_weighs_its_weight_over_the_size_of_its_batch(
    batch_size, block_size, shuffle
):
    X, weight = numbered(23), np.random.RandomState(3).rand(23)
    batches = make(
        X,
        weight=weight[:, np.newaxis],
        batch_size=batch_size,
        block_size=block_size,
        shuffle=shuffle,
    )
    inputs, _, weights = one_epoch(batches)
    row = inputs[0].astype(int)
    n_whole = 23 // batch_size * batch_size
    size = np.where(np.arange(23) < n_whole, batch_size, 23 - n_whole)
    assert_allclose(weights[0], weight[row] / size, rtol=1e-15)


@pytest.mark.parametrize(
    ("block_size", "whole"), [(10, [10, 10, 5]), (24, [16, 9]), (25, [25])]
)
def test_batches_are_cut_into_blocks(block_size, whole):
    batches = make(numbered(60), batch_size=25, block_size=block_size)
    found = [
        ([read(0).weight.shape[-1] for read in batch.blocks], batch.share)
        for batch in batches
    ]
    assert found == [(whole, 25 / 60), (whole, 25 / 60), ([10], 10 / 60)]


def test_workers_read_side_by_side():
    batch, _ = make(numbered(12), batch_size=6, block_size=2)
    second, third, first = (
        batch.blocks[k](worker) for worker, k in enumerate((1, 2, 0))
    )
    rows = [block.inputs[0].tolist() for block in (first, second, third)]
    assert rows == [[0, 1], [2, 3], [4, 5]]
    batch.blocks[0](1)
    assert third.inputs[0].tolist() == [0, 1]  # its worker has read another block
    assert second.inputs[0].tolist() == [2, 3]


@pytest.mark.parametrize("batch_size", [1, 7, 20, 23])
@pytest.mark.parametrize("block_size", [1000, 3])
def test_shares_of_the_batches_sum_to_one(batch_size, block_size):
    batches = make(numbered(23), batch_size=batch_size, block_size=block_size)
    assert_allclose(sum(batch.share for batch in batches), 1, rtol=1e-14)


def test_inputs_t_is_inputs_transposed():
    for block in blocks_of(make(numbered(23), batch_size=5, shuffle=True)):
        assert_array_equal(block.inputs_t, block.inputs.T)


@pytest.mark.parametrize("shuffle", [True, False])
def test_rows_choose_who_takes_part(shuffle):
    X, y = numbered(23), np.random.RandomState(2).rand(23, 1)
    weight = np.random.RandomState(3).rand(23, 1)
    rows = np.array([2, 3, 5, 7, 11, 13, 17, 19, 22])
    chosen = make(X, y, weight, batch_size=4, shuffle=shuffle, rows=rows)
    cut = make(X[rows], y[rows], weight[rows], batch_size=4, shuffle=shuffle)
    for _ in range(2):
        assert_same_blocks(chosen, cut)


OWN = {
    "X": lambda k: {"X": numbered(23, 3)[k]},
    "y": lambda k: {"y": np.random.RandomState(2).rand(3, 23, 1)[k]},
    "weight": lambda k: {"weight": np.random.RandomState(3).rand(3, 23, 1)[k]},
    "rows shared": lambda k: {"rows": np.array([0, 3, 5, 9, 10, 11, 21])},
    "rows": lambda k: {
        "rows": np.array([[2, 3, 5, 7, 11, 13], range(6), range(17, 23)])[k]
    },
    "rows of its own table": lambda k: {"rows": np.arange(21).reshape(3, 7)[k]},
    "scaling": lambda k: {"input_scaling": scaling_of(k)},
}
SHARED = {
    "X": numbered(23),
    "y": np.random.RandomState(4).rand(23, 1),
    "weight": np.random.RandomState(5).rand(23, 1),
}


def scaling_of(k):
    """Return a scaling for network k, or that of the stack."""
    rng = np.random.RandomState(6)
    of_networks = [InputScaling(rng.randn(3), 1 + rng.rand(3)) for _ in range(3)]
    chosen = of_networks[k]
    return chosen if isinstance(chosen, InputScaling) else InputScaling.stack(chosen)


def stack_and_members(own, shuffle, batch_size, block_size):
    """Return the batches of a stack of three, and of each network alone."""

    def given(k, stack_shape, seeds):
        options = dict(SHARED)
        for name in own:
            options |= OWN[name](k)
        generators = [np.random.RandomState(seed) for seed in seeds]
        return make(
            **options,
            batch_size=batch_size,
            block_size=block_size,
            generators=generators,
            shuffle=shuffle,
            stack_shape=stack_shape,
        )

    alone = [given(k, (), [k]) for k in range(3)]
    return given(slice(None), (3,), range(3)), alone


@pytest.mark.parametrize(
    "own",
    [
        ["X"],
        ["y"],
        ["weight"],
        ["rows"],
        ["X", "rows shared"],
        ["X", "rows"],
        ["y", "weight"],
        ["scaling"],
        ["scaling", "rows"],
        ["scaling", "rows of its own table"],
        [*OWN],
    ],
    ids="-".join,
)
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize(("batch_size", "block_size"), [(4, 100), (6, 100), (5, 2)])
@pytest.mark.parametrize("piece", [2**15, 6])  # all rows in one piece, or two in each
def test_each_network_of_a_stack_sees_its_own_data(
    own, shuffle, batch_size, block_size, piece, monkeypatch
):
    alone = stack_and_members(own, shuffle, batch_size, block_size)[1]
    monkeypatch.setattr(network, "PIECE_ELEMENTS", piece)
    stack = stack_and_members(own, shuffle, batch_size, block_size)[0]
    for _ in range(2):
        seen = one_epoch(stack)
        for k, member in enumerate(alone):
            for ours, its in zip(seen, one_epoch(member), strict=True):
                assert_array_equal(ours[k] if ours.ndim > 2 else ours, its)


@pytest.mark.parametrize(
    "own",
    [
        [],
        ["X"],
        ["y", "weight"],
        ["rows"],
        ["scaling", "rows of its own table"],
    ],
    ids="-".join,
)
@pytest.mark.parametrize("shuffle", [True, False])
def test_selected_networks_draw_as_if_the_others_had_never_been(own, shuffle):
    stack, alone = stack_and_members(own, shuffle, 4, 100)
    one_epoch(stack)
    for member in alone:
        one_epoch(member)
    rows_used = stack.select(np.array([True, False, True]))
    for ours, first, last in zip(
        one_epoch(rows_used), one_epoch(alone[0]), one_epoch(alone[2]), strict=True
    ):
        if ours.ndim > 2:
            assert_array_equal(ours, [first, last])
        else:
            assert_array_equal(ours, first)


def test_single_column_for_several_outputs_is_one_hot_encoded():
    classes = np.random.RandomState(2).randint(4, size=(23, 1))
    _, target, _ = one_epoch(make(numbered(23), classes, n_outputs=4, batch_size=5))
    assert_array_equal(target, np.eye(4)[:, classes[:, 0]])


@pytest.mark.parametrize("shuffle", [True, False])
def test_one_hot_targets_may_differ_by_network(shuffle):
    classes = np.random.RandomState(2).randint(4, size=(2, 23, 1))
    generators = [np.random.RandomState(0), np.random.RandomState(0)]
    inputs, target, _ = one_epoch(
        make(
            numbered(23),
            classes,
            n_outputs=4,
            batch_size=5,
            generators=generators,
            stack_shape=(2,),
            shuffle=shuffle,
        )
    )
    row = np.broadcast_to(inputs[..., 0, :], (2, 23)).astype(int)
    for k in range(2):
        assert_array_equal(target[k], np.eye(4)[:, classes[k, row[k], 0]])


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("batch_size", [22, 23])
def test_permutation_is_drawn_only_where_it_matters(shuffle, batch_size):
    rng = np.random.RandomState(0)
    one_epoch(
        make(numbered(23), batch_size=batch_size, shuffle=shuffle, generators=[rng])
    )
    expected = np.random.RandomState(0)
    if shuffle and batch_size < 23:
        expected.permutation(23)
    assert rng.randn() == expected.randn()


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize(
    "X",
    [
        np.asfortranarray(numbered(23)),
        np.repeat(numbered(23), 2, axis=1)[:, ::2],
        np.repeat(numbered(23), 2, axis=0)[::2],
        numbered(23)[::-1][::-1],
    ],
    ids=["F-ordered", "every second column", "every second row", "reversed twice"],
)
def test_layout_of_X_does_not_matter(X, shuffle):
    plain = make(numbered(23), batch_size=5, shuffle=shuffle)
    assert_same_blocks(make(X, batch_size=5, shuffle=shuffle), plain)


@pytest.mark.parametrize("X_dtype", [np.int64, np.uint8, np.float32, bool])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_everything_is_cast_to_the_compute_dtype(X_dtype, dtype):
    X = np.random.RandomState(0).randint(2, size=(23, 3)).astype(X_dtype)
    y = np.arange(23)[:, np.newaxis]
    for block in blocks_of(make(X, y, batch_size=5, dtype=dtype)):
        assert {array.dtype for array in block} == {np.dtype(dtype)}
    inputs, target, _ = one_epoch(make(X, y, batch_size=5, dtype=dtype))
    assert_array_equal(inputs[:-1].T, X)
    assert_array_equal(target.T, y)


# ---- chunks: batches are copied a few at a time, which shows in the memory alone


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
    assert peaks[1] - peaks[0] < 100_000 * 9


def test_rows_of_a_stack_are_scaled_once_for_the_networks_that_use_them(peak_of):
    n_networks, n_rows, n_inputs = 8, 1000, 10
    X = np.zeros((n_networks * n_rows, n_inputs))
    scaling = InputScaling.stack(
        [
            InputScaling(np.full(n_inputs, k), np.ones(n_inputs))
            for k in range(n_networks)
        ]
    )
    options = {
        "rows": np.arange(len(X)).reshape(n_networks, n_rows),
        "input_scaling": scaling,
        "batch_size": 20,
        "generators": [*map(np.random.RandomState, range(n_networks))],
        "shuffle": True,
        "stack_shape": (n_networks,),
    }
    # Each network has a table. All tables for each scaling would take eight times X.
    assert peak_of(lambda: make(X, **options)) < 4 * X.nbytes


def test_a_table_that_is_scaled_once_takes_no_memory_beyond_its_copy(peak_of):
    X = np.zeros((80_000, 20))
    scaling = InputScaling(np.zeros(20), np.ones(20))
    options = {"input_scaling": scaling, "batch_size": 200, "shuffle": True}
    copy, rest = X.nbytes * 21 / 20, 7e6  # a chunk of 4 MiB, the order, y, weights
    assert copy < peak_of(lambda: make(X, **options)) < copy + rest
