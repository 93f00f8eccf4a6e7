"""Forward and backward propagation through a network, or a stack of them."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .._utils.typing import FloatArray, IntArray
from ..nn.activations import Activation
from ..nn.dropout import Dropout
from ..nn.losses import LossFunction
from ..nn.numeric_features import (
    FittedFeatures,
    write_periodic,
    write_periodic_gradient,
)
from .network import (
    Multiply,
    Network,
    apply_layer,
    count_samples,
    cut_features,
    cut_layers,
    most_samples_at_once,
    multiply_in_parts,
    propagate_back,
    write_gradient,
)


class _Hidden(NamedTuple):
    """Work arrays of one hidden layer, for a fixed number of samples."""

    z: FloatArray  # (..., n_units, n_samples)
    a: FloatArray  # the same array as z if the activation allows
    extended: FloatArray  # a with its row of ones
    extended_t: FloatArray  # transposed, for the gradient of the next layer
    ones: FloatArray | None  # that row, if the activation has to run over it
    activation: Activation
    operands: tuple[FloatArray, ...]  # z, a, grad as the activation takes them
    grad: FloatArray  # with respect to a, then to z
    next_weights: FloatArray  # [W b] of the next layer
    next_z: FloatArray  # its outputs, before the activation
    next_weights_t: FloatArray  # its W transposed, times the scale of `dropping`
    dropping: "_Dropping | None"  # if units of this layer are dropped


class _Dropping(NamedTuple):
    """Work arrays of the dropout after one hidden layer, for a number of samples.

    Instead of the activations, the weights by which they are multiplied are scaled up.
    """

    layer: int  # from 0
    mask: FloatArray  # like the operands of the activation: 1 for what stays, or 0
    mask_of_units: FloatArray  # a view of it, (..., n_units, n_samples)
    scale: FloatArray  # 1 / share kept for each column of W, 1 for b
    scaled_weights: FloatArray  # [W b] of the next layer times `scale`


class _Features(NamedTuple):
    """Work arrays of the numeric features, for a number of samples.

    They replace the inputs, so each network has its own inputs and features.
    """

    extended: FloatArray  # (..., n_inputs + n_features + 1, n_samples), the last ones
    extended_t: FloatArray  # transposed, for the gradient of the first layer
    x: FloatArray  # the rows of it that are inputs
    features: FloatArray  # the others, (..., n_inputs, n_frequencies, n_samples)
    parameters: FittedFeatures
    sines: FloatArray | None  # of the same angles, like `features`, for the gradient
    grad: FloatArray  # with respect to them, (..., n_features, n_samples)
    grad_by_input: FloatArray  # the same, shaped like `features`
    weights_t: FloatArray  # of the first layer for the features, transposed
    silent: tuple[IntArray, ...]  # indices of the inputs whose frequencies are all zero


class _Plan(NamedTuple):
    """The work arrays for a fixed number of samples, with all views made in advance."""

    features: _Features | None
    first_z: FloatArray  # outputs of the first layer
    hidden: list[_Hidden]
    reversed: list[_Hidden]
    logits: FloatArray
    scratch: FloatArray
    multiply: Multiply


class Propagation:
    """Forward and backward propagation, in work arrays that are allocated once.

    If an input was constant in the training set, its frequencies are zero, and its
    numeric features are set to zero. Their weights, which are initially zero, therefore
    get no gradient.

    Parameters
    ----------
    network : Network
        The network. It is read in each call, so its parameters may change in between.
    loss : LossFunction or None, default=None
        The loss. None if only `forward` is called.
    trains : bool, default=True
        Whether gradients are needed, which requires a loss.
    dropout : Dropout or None, default=None
        Dropout, which is applied only in `loss_and_gradient`.

    Attributes
    ----------
    gradient : ndarray of shape (*stack_shape, n_params)
        Array to which `loss_and_gradient` writes the gradient.
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
        self._most_at_once = np.inf  # for predictions, which leave threads to BLAS
        if self._trains:
            self.write_gradient_to(np.empty_like(network.params))
            self._most_at_once = most_samples_at_once(network.layer_sizes)

    def write_gradient_to(self, gradient: FloatArray) -> None:
        """Write gradients to this array from now on."""
        self.gradient = gradient
        layer_sizes = self._network.layer_sizes
        first, *rest = cut_layers(layer_sizes, gradient)
        self._first, self._reversed = first, rest[::-1]
        n_frequencies = self._network.n_frequencies
        self._by_features = cut_features(layer_sizes, n_frequencies, gradient)

    def forward(self, inputs: Any, n_columns: int | None = None) -> FloatArray:
        """Return the logits, in a work array that the next call overwrites.

        Parameters
        ----------
        inputs : ndarray of shape (..., n_inputs + 1, n_samples)
            One column for each sample, with ones in the last row. For a single network
            it may be a CSR matrix of shape (n_samples, n_inputs).
        n_columns : int or None, default=None
            Number of columns to compute. Columns beyond the samples have arbitrary
            values.
        """
        n_columns = n_columns or count_samples(inputs)
        return self._run(self._plan(n_columns), inputs, drops=False)

    def activations(
        self, inputs: Any, layer: int, n_columns: int | None = None
    ) -> FloatArray:
        """Return the activations of a hidden layer, counted from 0; see `forward`."""
        self.forward(inputs, n_columns)
        return self._plan(n_columns or count_samples(inputs)).hidden[layer].a

    def loss_and_gradient(
        self,
        inputs: Any,
        inputs_t: Any,
        target: FloatArray,
        weight: FloatArray,
    ) -> FloatArray:
        """Return the weighted sum of the losses, and write its gradient to `gradient`.

        Parameters
        ----------
        inputs : ndarray of shape (..., n_inputs + 1, n_samples)
            One column for each sample, with ones in the last row, or sparse as in
            `forward`.
        inputs_t : ndarray of shape (..., n_samples, n_inputs + 1)
            The transposed inputs. If sparse, the same matrix.
        target : ndarray of shape (..., n_outputs, n_samples)
            Targets for the loss. The outputs may share one row.
        weight : ndarray of shape (..., 1, n_samples)
            Weight of the loss of each sample.

        Returns
        -------
        loss : ndarray of shape stack_shape
        """
        plan = self._plan(target.shape[-1])
        value = self._weighted_loss(plan, inputs, target, weight, drops=True)
        grad = plan.logits
        for layer, gradient in zip(plan.reversed, self._reversed, strict=True):
            np.matmul(grad, layer.extended_t, out=gradient)
            propagate_back(layer.next_weights_t, grad, layer.grad, plan.multiply)
            z, a, grad = layer.operands
            if layer.dropping is not None:
                np.multiply(gradient, layer.dropping.scale, out=gradient)
                np.multiply(grad, layer.dropping.mask, out=grad)
            layer.activation.backward(grad, z, a)
            grad = layer.grad
        if plan.features is None:
            write_gradient(grad, inputs_t, self._first, plan.multiply)
        else:
            self._write_feature_gradient(plan.features, grad, plan.multiply)
        return value

    def observe(
        self, inputs: Any, inputs_t: Any, target: FloatArray, weight: FloatArray
    ) -> tuple[list[FloatArray], list[FloatArray]]:
        """Return copies of all hidden activations and of the gradients by ``z``.

        Returns
        -------
        activations : list of ndarray of shape (*stack_shape, n_units, n_samples)
            One for each hidden layer.
        gradients : list of ndarray of shape (*stack_shape, n_units, n_samples)
            One for each layer, the last by the logits.
        """
        self.forward(inputs)
        plan = self._plan(count_samples(inputs))
        activations = [layer.a.copy() for layer in plan.hidden]
        self.loss_and_gradient(inputs, inputs_t, target, weight)
        gradients = [*(layer.grad.copy() for layer in plan.hidden), plan.logits.copy()]
        return activations, gradients

    def loss(self, inputs: Any, target: FloatArray, weight: FloatArray) -> FloatArray:
        """Return the weighted sum of the losses, of shape ``stack_shape``."""
        plan = self._plan(target.shape[-1])
        return self._weighted_loss(plan, inputs, target, weight, drops=False)

    def _write_feature_gradient(
        self, features: _Features, grad: FloatArray, multiply: Multiply
    ) -> None:
        """Write the gradients of the first layer and of the numeric features."""
        assert features.sines is not None  # since there are gradients
        np.matmul(grad, features.extended_t, out=self._first)
        propagate_back(features.weights_t, grad, features.grad, multiply)
        write_periodic_gradient(
            features.grad_by_input, features.x, features.sines, self._by_features
        )

    def _run(self, plan: _Plan, inputs: Any, drops: bool) -> FloatArray:
        if plan.features is not None:
            inputs = _add_features(plan.features, inputs)
        apply_layer(self._network.layers[0], inputs, plan.first_z, plan.multiply)
        for layer in plan.hidden:
            z, a, _ = layer.operands
            layer.activation.forward(z, a)
            if layer.ones is not None:
                layer.ones.fill(1)
            weights = layer.next_weights
            if drops and layer.dropping is not None:
                weights = self._drop(layer, layer.dropping)
            plan.multiply(weights, layer.extended, out=layer.next_z)
        return plan.logits

    def _drop(self, layer: _Hidden, dropping: _Dropping) -> FloatArray:
        """Drop activations in place; return the scaled weights of the next layer."""
        assert self._dropout is not None
        kept = self._dropout.draw(dropping.layer, *layer.a.shape[-2:])
        np.copyto(dropping.mask_of_units, kept)
        a = layer.operands[1]
        np.multiply(a, dropping.mask, out=a)
        np.multiply(layer.next_weights, dropping.scale, out=dropping.scaled_weights)
        return dropping.scaled_weights

    def _weighted_loss(
        self,
        plan: _Plan,
        inputs: Any,
        target: FloatArray,
        weight: FloatArray,
        drops: bool,
    ) -> FloatArray:
        """Return the loss, and overwrite the logits by its gradient."""
        assert self._loss is not None
        logits = self._run(plan, inputs, drops)
        values = self._loss(logits, target, plan.scratch)
        np.multiply(logits, weight, out=logits)
        by_unit = np.vecdot(values, weight)
        has_one_unit = by_unit.shape[-1] == 1
        return by_unit[..., 0] if has_one_unit else np.add.reduce(by_unit, axis=-1)

    def _plan(self, n_samples: int) -> _Plan:
        if n_samples not in self._plans:
            self._plans[n_samples] = self._make_plan(n_samples)
        return self._plans[n_samples]

    def _make_plan(self, n_samples: int) -> _Plan:
        """Allocate work arrays. Batches have at most two sizes, and blocks three."""
        network = self._network

        def empty(n_units: int) -> FloatArray:
            shape = (*network.stack_shape, n_units, n_samples)
            return np.empty(shape, network.params.dtype)

        z = logits = empty(network.layer_sizes[-1])
        backwards = []
        for layer in reversed(range(len(network.activations))):
            backwards.append(self._make_hidden(layer, empty, next_z=z))
            z = backwards[-1].z
        scratch = np.stack([logits] * 3) if self._loss is not None else logits
        features = self._make_features(empty) if network.n_frequencies else None
        multiply = multiply_in_parts if n_samples > self._most_at_once else np.matmul
        return _Plan(features, z, backwards[::-1], backwards, logits, scratch, multiply)

    def _make_features(self, empty: Callable[[int], FloatArray]) -> _Features:
        network = self._network
        n_inputs, n_frequencies = network.features.frequencies.shape[-2:]
        n_features = n_inputs * n_frequencies
        extended = empty(n_inputs + n_features + 1)
        extended[..., -1, :] = 1
        features = extended[..., n_inputs:-1, :]
        by_input = (*features.shape[:-2], n_inputs, n_frequencies, features.shape[-1])
        grad = empty(n_features) if self._trains else features
        return _Features(
            extended=extended,
            extended_t=extended.swapaxes(-1, -2),
            x=extended[..., :n_inputs, :],
            features=features.reshape(by_input),
            parameters=network.features,
            sines=empty(n_features).reshape(by_input) if self._trains else None,
            grad=grad,
            grad_by_input=grad.reshape(by_input),
            weights_t=network.layers[0][..., n_inputs:-1].swapaxes(-1, -2),
            silent=np.nonzero(~network.features.frequencies.any(axis=-1)),
        )

    def _make_hidden(
        self, number: int, empty: Callable[[int], FloatArray], next_z: FloatArray
    ) -> _Hidden:
        network = self._network
        activation = network.activations[number]
        n_units = network.layer_sizes[number + 1]
        extended = empty(n_units + 1)
        extended[..., -1, :] = 1
        whole_z = extended if activation.overwrites_z else np.ones_like(extended)
        whole_grad = np.ones_like(extended) if self._trains else extended
        z, a, grad = (array[..., :-1, :] for array in (whole_z, extended, whole_grad))
        # In a stack, the row of ones separates the networks in memory. NumPy is several
        # times slower for arrays that it cannot flatten. So the activation is applied
        # to that row as well, which is then set to one again.
        is_stack = bool(network.stack_shape)
        next_weights = network.layers[number + 1]
        dropping = None
        if self._dropout is not None and self._dropout.applies_to(number):
            mask = np.ones_like(extended if is_stack else a)
            scale = np.ones_like(next_weights[..., :1, :])
            scale[..., :-1] /= self._dropout.share_kept(number)
            dropping = _Dropping(
                number, mask, mask[..., :n_units, :], scale, np.empty_like(next_weights)
            )
        used_weights = next_weights if dropping is None else dropping.scaled_weights
        return _Hidden(
            z=z,
            a=a,
            extended=extended,
            extended_t=extended.swapaxes(-1, -2),
            ones=extended[..., -1, :] if is_stack else None,
            activation=activation,
            operands=(whole_z, extended, whole_grad) if is_stack else (z, a, grad),
            grad=grad,
            next_weights=next_weights,
            next_z=next_z,
            next_weights_t=used_weights[..., :-1].swapaxes(-1, -2),
            dropping=dropping,
        )


def _add_features(features: _Features, inputs: FloatArray) -> FloatArray:
    """Return the work array that holds inputs, features and ones."""
    extended, _, x, out, parameters, sines, *_, silent = features
    np.copyto(x, inputs[..., :-1, :])
    write_periodic(x, *parameters, out, sines)
    if silent[0].size:
        # Otherwise each feature would be another bias, and together they would learn
        # many times as fast as the learning rate says.
        out[silent] = 0
    return extended
