"""Training of networks that are arrays, one or a stack of them."""

import math

import numpy as np

from sklearn_deepnet._engine.batches import Batches
from sklearn_deepnet._engine.state import NEVER, TrainingSpec, TrainingState
from sklearn_deepnet._engine.training import train
from sklearn_deepnet.nn.losses import binary_cross_entropy
from sklearn_deepnet.nn.optimizers import SGD


def fresh_state(params, optimizer):
    """Return the state before training, with a seed for each network from 0."""
    generators = [np.random.RandomState(k) for k in range(math.prod(params.shape[:-1]))]
    return TrainingState.start(params.copy(), generators, optimizer.n_moments)


def train_arrays(
    n_iter,
    data,
    layer_sizes,
    activations=(),
    loss=binary_cross_entropy,
    optimizer=None,
    *,
    params=None,
    state=None,
    learning_rate=0.5,
    decay=0.0,
    tol=0.0,
    n_iter_no_change=NEVER,
    batch_size=None,
    block_size=1000,
    shuffle=False,
    **others,
):
    """Train from `params`, or from `state`, and return the result of each network.

    A number is that of all networks; `others` are further fields of the specification.
    """
    optimizer = optimizer or SGD()
    state = state or fresh_state(params, optimizer)
    stack_shape = state.params.shape[:-1]
    spec = TrainingSpec(
        layer_sizes,
        activations,
        loss,
        optimizer,
        *(
            np.broadcast_to(value, stack_shape).copy()
            for value in (learning_rate, decay, tol, n_iter_no_change)
        ),
        **others,
    )
    batches = Batches(
        *data,
        n_outputs=layer_sizes[-1],
        batch_size=batch_size or len(data[0]),
        block_size=block_size,
        dtype=state.params.dtype,
        generators=state.generators,
        shuffle=shuffle,
        stack_shape=stack_shape,
    )
    return train(spec, state, batches, n_iter)
