"""A network, or a stack of networks of one shape, on one flat buffer.

Orientation is units × samples: a layer is ``Z = [W b] [A; 1]``. The bias is the last
column of the weights and activations carry a last row of ones, so that one product goes
forward, one gives the gradient of weights and bias together, and one goes backward.
Axes before those two are the stack.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from .._typing import FloatArray
from ..activations import Activation
from ..losses import LossFunction

_BLOCK_ELEMENTS = 2**18  # of work arrays for one block of rows: 2 MB in float64


class Network:
    """Parameters of one network, or a stack, and the views that cut them into layers.

    Parameters
    ----------
    layer_sizes : sequence of int
        Inputs, units of each hidden layer, outputs.
    activations : sequence of Activation
        One for each hidden layer.
    params : ndarray of shape (*stack_shape, n_params)
        Layer after layer, ``[W b]`` row by row; see `count_params`.

    Attributes
    ----------
    layers : list of ndarray of shape (*stack_shape, n_out, n_in + 1)
        ``[W b]`` of each layer, views of `params`.
    """

    def __init__(
        self,
        layer_sizes: Sequence[int],
        activations: Sequence[Activation],
        params: FloatArray,
    ) -> None:
        self.layer_sizes = tuple(layer_sizes)
        self.activations = tuple(activations)
        self.params = params
        self.stack_shape = params.shape[:-1]
        self.layers = cut_layers(self.layer_sizes, params)


def count_params(layer_sizes: Sequence[int]) -> int:
    """Return the number of weights and biases of one network."""
    return sum(n_out * (n_in + 1) for n_in, n_out in pairwise(layer_sizes))


def cut_layers(layer_sizes: Sequence[int], flat: FloatArray) -> list[FloatArray]:
    """Return the views ``[W b]``, of shape ``(*stack_shape, n_out, n_in + 1)``."""
    layers, start = [], 0
    for n_in, n_out in pairwise(layer_sizes):
        stop = start + n_out * (n_in + 1)
        shape = (*flat.shape[:-1], n_out, n_in + 1)
        layers.append(flat[..., start:stop].reshape(shape))
        start = stop
    return layers


def rows_per_block(layer_sizes: Sequence[int]) -> int:
    """Return how many samples are worked on at once, so that they stay in the cache.

    It depends on the layers alone, since it decides the order of summation: never on
    the number of networks, threads or the machine.
    """
    rows = _BLOCK_ELEMENTS // (2 * sum(layer_sizes))
    return max(256, rows // 64 * 64)


class _Hidden(NamedTuple):
    """Work arrays of one hidden layer, for a fixed number of samples."""

    weights: FloatArray  # [W b]
    z: FloatArray  # (..., n_units, n_samples)
    a: FloatArray  # the same array as z if the activation allows
    extended: FloatArray  # a with its row of ones
    extended_t: FloatArray  # transposed, for the gradient of the next layer
    activation: Activation
    grad: FloatArray  # with respect to a, then to z
    next_weights_t: FloatArray  # W of the next layer, transposed, without bias


class _Plan(NamedTuple):
    """All that a pass over a fixed number of samples touches, views cut in advance."""

    hidden: list[_Hidden]
    reversed: list[_Hidden]
    logits: FloatArray
    scratch: FloatArray


class Propagation:
    """Forward and backward propagation, in work arrays that are made once.

    Parameters
    ----------
    network : Network
        Read at every call, so its parameters may be moved in between.
    loss : LossFunction or None, default=None
        None if only `forward` is called.

    Attributes
    ----------
    gradient : ndarray of shape (*stack_shape, n_params)
        Where `loss_and_gradient` leaves the gradient.
    """

    def __init__(self, network: Network, loss: LossFunction | None = None) -> None:
        self._network = network
        self._loss = loss
        self._n_samples = 0
        self._plans: dict[int, _Plan] = {}
        if loss is not None:
            self.gradient = np.empty_like(network.params)
            first, *rest = cut_layers(network.layer_sizes, self.gradient)
            self._first, self._reversed = first, rest[::-1]

    def forward(self, inputs: FloatArray) -> FloatArray:
        """Return the logits, in a work array that the next call overwrites.

        Parameters
        ----------
        inputs : ndarray of shape (..., n_inputs + 1, n_samples)
            One column per sample, the last row all ones.
        """
        return self._run(self._plan(inputs.shape[-1]), inputs)

    def loss_and_gradient(
        self,
        inputs: FloatArray,
        inputs_t: FloatArray,
        target: FloatArray,
        weight: FloatArray,
    ) -> FloatArray:
        """Return the weighted sum of the losses, and leave its gradient in `gradient`.

        Parameters
        ----------
        inputs : ndarray of shape (..., n_inputs + 1, n_samples)
            One column per sample, the last row all ones.
        inputs_t : ndarray of shape (..., n_samples, n_inputs + 1)
            The same, transposed.
        target : ndarray of shape (..., n_outputs, n_samples)
            What the loss compares with.
        weight : ndarray of shape (..., 1, n_samples)
            Weight of each sample's loss.

        Returns
        -------
        loss : ndarray of shape stack_shape
        """
        plan = self._plan(inputs.shape[-1])
        value = self._weighted_loss(plan, inputs, target, weight)
        grad = plan.logits
        for layer, gradient in zip(plan.reversed, self._reversed, strict=True):
            np.matmul(grad, layer.extended_t, out=gradient)
            np.matmul(layer.next_weights_t, grad, out=layer.grad)
            layer.activation.backward(layer.grad, layer.z, layer.a)
            grad = layer.grad
        np.matmul(grad, inputs_t, out=self._first)
        return value

    def loss(
        self, inputs: FloatArray, target: FloatArray, weight: FloatArray
    ) -> FloatArray:
        """Return the weighted sum of the losses, of shape ``stack_shape``."""
        plan = self._plan(inputs.shape[-1])
        return self._weighted_loss(plan, inputs, target, weight)

    def _run(self, plan: _Plan, inputs: FloatArray) -> FloatArray:
        for layer in plan.hidden:
            np.matmul(layer.weights, inputs, out=layer.z)
            layer.activation.forward(layer.z, layer.a)
            inputs = layer.extended
        return np.matmul(self._network.layers[-1], inputs, out=plan.logits)

    def _weighted_loss(
        self, plan: _Plan, inputs: FloatArray, target: FloatArray, weight: FloatArray
    ) -> FloatArray:
        """Return the loss, and turn the logits into its gradient."""
        assert self._loss is not None
        logits = self._run(plan, inputs)
        values = self._loss(logits, target, plan.scratch)
        np.multiply(logits, weight, out=logits)
        by_unit = np.vecdot(values, weight)
        if by_unit.shape[-1] == 1:
            return by_unit[..., 0]
        return np.add.reduce(by_unit, axis=-1)

    def _plan(self, n_samples: int) -> _Plan:
        if n_samples not in self._plans:
            if n_samples > self._n_samples:
                self._allocate(n_samples)
            self._plans[n_samples] = self._cut(n_samples)
        return self._plans[n_samples]

    def _allocate(self, n_samples: int) -> None:
        network, stack_shape = self._network, self._network.stack_shape
        trains = self._loss is not None

        def empty(n_units: int) -> FloatArray:
            shape = (*stack_shape, n_units, n_samples)
            return np.empty(shape, network.params.dtype)

        self._n_samples = n_samples
        self._plans.clear()
        self._work = []
        for n_units, word in zip(
            network.layer_sizes[1:-1], network.activations, strict=True
        ):
            extended = empty(n_units + 1)
            extended[..., -1, :] = 1
            z = extended[..., :-1, :] if word.overwrites_z else empty(n_units)
            self._work.append((extended, z, empty(n_units) if trains else z))
        n_outputs = network.layer_sizes[-1]
        self._logits = empty(n_outputs)
        self._scratch = np.stack([self._logits] * 3) if trains else self._logits

    def _cut(self, n_samples: int) -> _Plan:
        network, hidden = self._network, []
        for layer, (work, word) in enumerate(
            zip(self._work, network.activations, strict=True)
        ):
            extended, z, grad = (array[..., :n_samples] for array in work)
            a = extended[..., :-1, :]
            hidden.append(
                _Hidden(
                    weights=network.layers[layer],
                    z=a if word.overwrites_z else z,
                    a=a,
                    extended=extended,
                    extended_t=extended.swapaxes(-1, -2),
                    activation=word,
                    grad=grad,
                    next_weights_t=network.layers[layer + 1][..., :-1].swapaxes(-1, -2),
                )
            )
        return _Plan(
            hidden,
            hidden[::-1],
            self._logits[..., :n_samples],
            self._scratch[..., :n_samples],
        )


def predict_logits(network: Network, X: FloatArray) -> FloatArray:
    """Return the logits of every row of `X`, block by block.

    Parameters
    ----------
    network : Network
        One, not a stack.
    X : ndarray of shape (n_samples, n_inputs)
        Of any dtype; cast a block at a time.

    Returns
    -------
    logits : ndarray of shape (n_samples, n_outputs)
    """
    n_samples, n_inputs = X.shape
    size = min(n_samples, rows_per_block(network.layer_sizes))
    logits = np.empty((n_samples, network.layer_sizes[-1]), network.params.dtype)
    rows = np.ones((size, n_inputs + 1), network.params.dtype)
    propagation = Propagation(network)
    for start in range(0, n_samples, size):
        block = rows[: min(size, n_samples - start)]
        block[:, :-1] = X[start : start + size]
        logits[start : start + size] = propagation.forward(
            block.swapaxes(-1, -2)
        ).swapaxes(-1, -2)
    return logits
