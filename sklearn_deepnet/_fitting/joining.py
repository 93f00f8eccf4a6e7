"""The datasets of a stack, joined: what they have in common is stored once."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.sparse import issparse, vstack

from .._engine import Batches
from .._utils.typing import FloatArray
from ..nn.scaling import InputScaling
from .dataset import Dataset, make_dense


def join(
    datasets: Sequence[Dataset], *, trains: bool, batch_size: int, **options: Any
) -> Batches:
    """Return the mini-batches of one network, or of a stack with one dataset for each.

    What the datasets have in common is stored once: X and y if they are the same
    arrays, and weights and rows if they are equal.
    """
    first = datasets[0]
    # Weights are scaled to a mean of one: their sum matters to the penalties alone.
    scales = [
        (it.n_rows / it.total_weight, *it.targets.scale_and_shift(trains))
        for it in datasets
    ]
    weight_scales, target_scales, target_shifts = zip(*scales, strict=True)
    n_outputs = first.targets.n_outputs
    # Different arrays are concatenated, and each network gets the indices of its rows.
    distinct = {_array_ids(dataset): dataset for dataset in datasets}
    ends = np.cumsum([len(dataset.target) for dataset in distinct.values()])
    starts = dict(zip(distinct, [0, *ends[:-1].tolist()], strict=True))
    offsets = [starts[_array_ids(dataset)] for dataset in datasets]
    rows = first.rows
    if len(distinct) > 1 or any(not _are_same_rows(it.rows, rows) for it in datasets):
        rows = np.stack(
            [k + it.row_indices() for k, it in zip(offsets, datasets, strict=True)]
        )
    X = _concatenate([dataset.X for dataset in distinct.values()])
    target = _concatenate([dataset.target for dataset in distinct.values()])
    weight = _join_weights(datasets, offsets, int(ends[-1]))
    if first.is_made_dense:
        X, target, weight, rows = make_dense(X, target, weight, rows)
    return Batches(
        X,
        target,
        weight,
        n_outputs=n_outputs,
        batch_size=batch_size,
        rows=rows,
        weight_scale=_share_or_stack(weight_scales),
        target_scale=_share_or_stack(target_scales),
        target_shift=_share_or_stack(target_shifts),
        input_scaling=InputScaling.stack([it.input_scaling for it in datasets]),
        **options,
    )


def _array_ids(dataset: Dataset) -> tuple[int, int]:
    """Return a key that is equal for datasets on the same arrays."""
    return id(dataset.X), id(dataset.target)


def _are_same_rows(rows: Any, others: Any) -> bool:
    return rows is others or (
        rows is not None and others is not None and np.array_equal(rows, others)
    )


def _concatenate(arrays: Sequence[Any]) -> Any:
    """Return the arrays concatenated by rows; a single array is not copied."""
    if len(arrays) == 1:
        return arrays[0]
    if issparse(arrays[0]):
        return vstack(arrays, format="csr")
    return np.concatenate(arrays)


def _join_weights(
    datasets: Sequence[Dataset], offsets: Sequence[int], n_rows: int
) -> FloatArray | None:
    """Return the weights of the concatenated rows; None if all are one.

    Networks share a column unless some weigh the same rows differently.
    """
    if all(dataset.weight is None for dataset in datasets):
        return None
    columns = {(k, id(it.weight)): it for k, it in zip(offsets, datasets, strict=True)}
    if len(columns) == len({*offsets}):
        return _concatenate([dataset.weight_column() for dataset in columns.values()])
    weight = np.zeros((len(datasets), n_rows, 1))
    for own, k, dataset in zip(weight, offsets, datasets, strict=True):
        own[k : k + len(dataset.target)] = dataset.weight_column()
    return weight


def _share_or_stack(values: Sequence[FloatArray | float]) -> FloatArray | float:
    """Return one value if all are equal, else a stack of them with two axes each."""
    first = values[0]
    if all(np.array_equal(value, first) for value in values):
        return first
    return np.stack([np.atleast_2d(value) for value in values])
