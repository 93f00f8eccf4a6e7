"""Forward and backward propagation through a network, or a stack of them."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike
from scipy.sparse import issparse

from .._utils.typing import FloatArray
from ..nn.activations import Activation
from ..nn.losses import LossFunction
from .network import Network, apply_layer, cut_layers, write_gradient


class _Hidden(NamedTuple):
    """Work arrays of one hidden layer, for a fixed number of samples."""

    number: int
    weights: FloatArray  # [W b]
    z: FloatArray  # (..., n_units, n_samples)
    a: FloatArray  # the same array as z if the activation allows
    extended: FloatArray  # a with its row of ones
    extended_t: FloatArray  # transposed, for the gradient of the next layer
    ones: FloatArray | None  # that row, if the activation has to run over it
    activation: Activation
    operands: tuple[FloatArray, ...]  # z, a and grad as the activation takes them
    grad: FloatArray  # with respect to a, then to z
    next_weights_t: FloatArray  # W of the next layer, transposed, without bias
    mask: FloatArray | None  # 1 / keep for units that stay, 0 for those dropped
    keep: FloatArray | int  # the share that stays, (..., 1, 1)


class _Plan(NamedTuple):
    """The work arrays for a fixed number of samples, with all views made in advance."""

    hidden: list[_Hidden]
    reversed: list[_Hidden]
    logits: FloatArray
    scratch: FloatArray


class Dropout:
    """Inverted dropout [1]_: hidden units are dropped at random.

    The others are scaled up, so that the mean input of the next layer stays the same.

    Parameters
    ----------
    rates : ndarray of shape (*stack_shape, n_hidden)
        Share of the units dropped after each hidden layer.
    generators : sequence of RandomState
        One for each network; a layer with rate 0 draws nothing.

    References
    ----------
    .. [1] Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from
       Overfitting", JMLR 2014.
    """

    def __init__(
        self, rates: FloatArray, generators: Sequence[np.random.RandomState]
    ) -> None:
        self._rates = rates
        self._generators = generators

    def applies_to(self, layer: int) -> bool:
        """Return whether any network drops units of this hidden layer."""
        return bool(self._rates[..., layer].any())

    def keep(self, layer: int, dtype: DTypeLike) -> FloatArray:
        """Return the share of units that stay, of shape ``(*stack_shape, 1, 1)``."""
        return (1 - self._rates[..., layer, np.newaxis, np.newaxis]).astype(dtype)

    def draw(self, layer: int, mask: FloatArray) -> None:
        """Draw in place a mask of shape ``(*stack_shape, n_units, n_samples)``."""
        rates = self._rates[..., layer]
        for rng, k in zip(self._generators, np.ndindex(rates.shape), strict=True):
            if rates[k]:
                kept = rng.random_sample(mask.shape[-2:]) >= rates[k]
                np.divide(kept, 1 - rates[k], out=mask[k])
            else:
                mask[k] = 1


class Propagation:
    """Forward and backward propagation, in work arrays that are made once.

    Parameters
    ----------
    network : Network
        Read at every call, so its parameters may be moved in between.
    loss : LossFunction or None, default=None
        None if only `forward` is called.
    trains : bool, default=True
        Whether gradients are needed; not without a loss.
    dropout : Dropout or None, default=None
        Applied by `loss_and_gradient` alone.

    Attributes
    ----------
    gradient : ndarray of shape (*stack_shape, n_params)
        Where `loss_and_gradient` leaves the gradient.
    """

    def __init__(
        self,
        network: Network,
        loss: LossFunction | None = None,
        *,
        trains: bool = True,
        dropout: Dropout | None = None,
    ) -> None:
        self._network = network
        self._loss = loss
        self._trains = trains and loss is not None
        self._dropout = dropout
        self._plans: dict[int, _Plan] = {}
        if self._trains:
            self.write_gradient_to(np.empty_like(network.params))

    def write_gradient_to(self, gradient: FloatArray) -> None:
        """Write gradients to this array from now on."""
        self.gradient = gradient
        first, *rest = cut_layers(self._network.layer_sizes, gradient)
        self._first, self._reversed = first, rest[::-1]

    def forward(self, inputs: Any, n_columns: int | None = None) -> FloatArray:
        """Return the logits, in a work array that the next call overwrites.

        Parameters
        ----------
        inputs : ndarray of shape (..., n_inputs + 1, n_samples)
            One column per sample, the last row all ones; for one network it may be a
            CSR matrix of shape (n_samples, n_inputs).
        n_columns : int or None, default=None
            Number of columns to compute; those of no sample hold anything.
        """
        n_columns = n_columns or _n_samples(inputs)
        return self._run(self._plan(n_columns), inputs, drops=False)

    def activations(
        self, inputs: Any, layer: int, n_columns: int | None = None
    ) -> FloatArray:
        """Return the activations of a hidden layer, likewise; `layer` counts from 0."""
        self.forward(inputs, n_columns)
        return self._plan(n_columns or _n_samples(inputs)).hidden[layer].a

    def loss_and_gradient(
        self,
        inputs: Any,
        inputs_t: Any,
        target: FloatArray,
        weight: FloatArray,
    ) -> FloatArray:
        """Return the weighted sum of the losses, and leave its gradient in `gradient`.

        Parameters
        ----------
        inputs : ndarray of shape (..., n_inputs + 1, n_samples)
            One column per sample, the last row all ones; or sparse as in `forward`.
        inputs_t : ndarray of shape (..., n_samples, n_inputs + 1)
            The same, transposed; if sparse, the same matrix.
        target : ndarray of shape (..., n_outputs, n_samples)
            What the loss compares with.
        weight : ndarray of shape (..., 1, n_samples)
            Weight of each sample's loss.

        Returns
        -------
        loss : ndarray of shape stack_shape
        """
        plan = self._plan(_n_samples(inputs))
        value = self._weighted_loss(plan, inputs, target, weight, drops=True)
        grad = plan.logits
        for layer, gradient in zip(plan.reversed, self._reversed, strict=True):
            np.matmul(grad, layer.extended_t, out=gradient)
            np.matmul(layer.next_weights_t, grad, out=layer.grad)
            if layer.mask is not None:
                np.multiply(layer.grad, layer.mask, out=layer.grad)
                np.multiply(layer.a, layer.keep, out=layer.a)  # as before the mask
            z, a, grad = layer.operands
            layer.activation.backward(grad, z, a)
            grad = layer.grad
        write_gradient(grad, inputs_t, out=self._first)
        return value

    def observe(
        self, inputs: Any, inputs_t: Any, target: FloatArray, weight: FloatArray
    ) -> tuple[list[FloatArray], list[FloatArray]]:
        """Return copies of all hidden activations, and of the gradients by ``z``.

        Returns
        -------
        activations : list of ndarray of shape (*stack_shape, n_units, n_samples)
            One for each hidden layer.
        gradients : list of ndarray of shape (*stack_shape, n_units, n_samples)
            One for each layer, the last by the logits.
        """
        self.forward(inputs)
        plan = self._plan(_n_samples(inputs))
        activations = [layer.a.copy() for layer in plan.hidden]
        self.loss_and_gradient(inputs, inputs_t, target, weight)
        gradients = [*(layer.grad.copy() for layer in plan.hidden), plan.logits.copy()]
        return activations, gradients

    def loss(self, inputs: Any, target: FloatArray, weight: FloatArray) -> FloatArray:
        """Return the weighted sum of the losses, of shape ``stack_shape``."""
        plan = self._plan(_n_samples(inputs))
        return self._weighted_loss(plan, inputs, target, weight, drops=False)

    def _run(self, plan: _Plan, inputs: Any, drops: bool) -> FloatArray:
        for layer in plan.hidden:
            apply_layer(layer.weights, inputs, out=layer.z)
            z, a, _ = layer.operands
            layer.activation.forward(z, a)
            if layer.ones is not None:
                layer.ones.fill(1)
            if drops and self._dropout is not None and layer.mask is not None:
                self._dropout.draw(layer.number, layer.mask)
                np.multiply(layer.a, layer.mask, out=layer.a)
            inputs = layer.extended
        apply_layer(self._network.layers[-1], inputs, out=plan.logits)
        return plan.logits

    def _weighted_loss(
        self,
        plan: _Plan,
        inputs: Any,
        target: FloatArray,
        weight: FloatArray,
        drops: bool,
    ) -> FloatArray:
        """Return the loss, and turn the logits into its gradient."""
        assert self._loss is not None
        logits = self._run(plan, inputs, drops)
        values = self._loss(logits, target, plan.scratch)
        np.multiply(logits, weight, out=logits)
        by_unit = np.vecdot(values, weight)
        if by_unit.shape[-1] == 1:
            return by_unit[..., 0]
        return np.add.reduce(by_unit, axis=-1)

    def _plan(self, n_samples: int) -> _Plan:
        if n_samples not in self._plans:
            self._plans[n_samples] = self._make_plan(n_samples)
        return self._plans[n_samples]

    def _make_plan(self, n_samples: int) -> _Plan:
        """Allocate work arrays; batches come in two sizes at most, blocks in three."""
        network = self._network

        def empty(n_units: int) -> FloatArray:
            shape = (*network.stack_shape, n_units, n_samples)
            return np.empty(shape, network.params.dtype)

        hidden = [self._make_hidden(i, empty) for i in range(len(network.activations))]
        logits = empty(network.layer_sizes[-1])
        scratch = np.stack([logits] * 3) if self._loss is not None else logits
        return _Plan(hidden, hidden[::-1], logits, scratch)

    def _make_hidden(self, number: int, empty: Callable[[int], FloatArray]) -> _Hidden:
        network, dropout = self._network, self._dropout
        activation = network.activations[number]
        n_units = network.layer_sizes[number + 1]
        extended = empty(n_units + 1)
        extended[..., -1, :] = 1
        whole_z = extended if activation.overwrites_z else np.ones_like(extended)
        whole_grad = np.ones_like(extended) if self._trains else extended
        z, a, grad = (array[..., :-1, :] for array in (whole_z, extended, whole_grad))
        # In a stack the row of ones separates the networks in memory. NumPy is several
        # times slower on arrays that it cannot flatten than on one row more, so the
        # activation runs over that row, too, and it is set to one again.
        is_stack = bool(network.stack_shape)
        drops = dropout is not None and dropout.applies_to(number)
        return _Hidden(
            number=number,
            weights=network.layers[number],
            z=z,
            a=a,
            extended=extended,
            extended_t=extended.swapaxes(-1, -2),
            ones=extended[..., -1, :] if is_stack else None,
            activation=activation,
            operands=(whole_z, extended, whole_grad) if is_stack else (z, a, grad),
            grad=grad,
            next_weights_t=network.layers[number + 1][..., :-1].swapaxes(-1, -2),
            mask=empty(n_units) if drops else None,
            keep=1 if dropout is None else dropout.keep(number, a.dtype),
        )


def _n_samples(inputs: Any) -> int:
    return inputs.shape[0 if issparse(inputs) else -1]
