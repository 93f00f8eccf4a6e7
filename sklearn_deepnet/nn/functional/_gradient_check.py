"""Gradient checking: compares a gradient with differences of the cost."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..._utils.typing import FloatArray
from ._arrays import as_numbers
from ._network import Parameters

# The error of a central difference is rounding / step + step², least near this step.
_STEP = 1e-5
_LIMIT = 1e-5
# Differences of a cost are rounded in proportion to it, so derivatives below this
# share of the cost are compared less strictly.
_FLOOR = 1e-4


@dataclass(frozen=True)
class GradientComparison:
    """Result of `gradient_check`. Print it for a line for each parameter.

    The mappings have one entry for each derivative, such as ``"dW1"``.

    Parameters
    ----------
    errors : dict of str to float
        The norm of the difference between the gradient and the differences of the cost,
        over the sum of their norms.
    analytic : dict of str to ndarray
        The gradient that was checked.
    numeric : dict of str to ndarray
        The central differences of the cost.

    Attributes
    ----------
    wrong : list of str
        The derivatives whose error is above 1e-5.
    passed : bool
        Whether no derivative is wrong.
    """

    errors: dict[str, float]
    analytic: Parameters
    numeric: Parameters

    @property
    def wrong(self) -> list[str]:
        """The derivatives whose error is above 1e-5, such as ``["dW2"]``."""
        return [name for name, error in self.errors.items() if not error <= _LIMIT]

    @property
    def passed(self) -> bool:
        """Whether no derivative is wrong."""
        return not self.wrong

    def __str__(self) -> str:
        lines = ["Passed: grads are the derivatives of the cost."]
        if self.wrong:
            verb = "is" if len(self.wrong) == 1 else "are"
            lines = [f"FAILED: {', '.join(self.wrong)} {verb} wrong."]
        for name, error in self.errors.items():
            lines.append(f"{name}: error {error:.1e}")
            if name in self.wrong:
                found = _what_is_wrong(self.analytic[name], self.numeric[name])
                lines[-1] += f"; {found.format(name=name)}"
        return "\n".join(lines)


def gradient_check(
    parameters: Parameters,
    grads: Parameters,
    cost: Callable[[Parameters], float],
) -> GradientComparison:
    r"""Compare a gradient that you computed with differences of the cost.

    .. math:: \frac{\partial J}{\partial \theta} \approx
        \frac{J(\theta + \epsilon) - J(\theta - \epsilon)}{2 \epsilon}

    It needs nothing but the cost as a function of the parameters, so it checks forward
    and backward propagation of your own, whatever arguments they take. To compute a
    cost twice for every number in `parameters` is slow: check a small network.

    Parameters
    ----------
    parameters : dict
        Arrays of any names and shapes, such as ``"W1"`` and ``"b1"``.
    grads : dict
        The derivative by each of them, as ``"dW1"`` and ``"db1"``. Other entries are
        not looked at.
    cost : callable ``(parameters) -> float``
        Your forward propagation and cost, for the samples with which `grads` was
        computed. It has to return the same each time, so dropout needs a fixed mask
        or seed.

    Returns
    -------
    check : GradientComparison
        Print it, or use its `passed`, `wrong` and `errors`.

    Notes
    -----
    A cost with ReLU has kinks, where it has no derivative. Numbers in `parameters` are
    left out if the slopes to their left and right differ by as much as the error.

    Examples
    --------
    The derivative of b² is 2b, and not b:

    >>> parameters = {"W": np.array([[1.0, 2.0]]), "b": np.array([[3.0]])}
    >>> def cost(parameters):
    ...     return np.sum(parameters["W"]) + np.sum(parameters["b"] ** 2)
    >>> grads = {"dW": np.ones((1, 2)), "db": parameters["b"]}
    >>> check = gradient_check(parameters, grads, cost)
    >>> check.wrong
    ['db']
    >>> print(str(check).splitlines()[2])
    db: error 3.3e-01; db is 0.5 times the derivative of the cost.
    """
    parameters = _check_parameters(parameters)
    grads = _check_grads(grads, parameters)
    value = _value(cost, parameters)
    if _value(cost, parameters) != value:
        raise ValueError(
            "cost returned two values for the same parameters. If it uses dropout, fix "
            "the mask or the seed."
        )
    errors, numeric = {}, {}
    for name in parameters:
        grad = grads[f"d{name}"]
        slopes = _slopes(cost, parameters, name, value)
        numeric[f"d{name}"] = slopes.mean(axis=0)
        errors[f"d{name}"] = _error(grad, slopes, value)
    return GradientComparison(errors, grads, numeric)


def _check_parameters(parameters: Any) -> Parameters:
    if not isinstance(parameters, Mapping) or not parameters:
        raise ValueError(
            "parameters must be a dictionary of arrays, such as from "
            f"initialize_parameters. Got {parameters!r} instead."
        )
    return {
        name: as_numbers(f"parameters[{name!r}]", value).astype(float)
        for name, value in parameters.items()
    }


def _check_grads(grads: Any, parameters: Parameters) -> Parameters:
    names = [f"d{name}" for name in parameters]
    missing = [n for n in names if not isinstance(grads, Mapping) or n not in grads]
    if missing:
        raise ValueError(
            f"grads must be a dictionary with the derivatives {names}; {missing} "
            f"{'is' if len(missing) == 1 else 'are'} missing."
        )
    arrays = {}
    for name, value in zip(names, parameters.values(), strict=True):
        arrays[name] = as_numbers(f"grads[{name!r}]", grads[name]).astype(float)
        if arrays[name].shape != value.shape:
            raise ValueError(
                f"grads[{name!r}] has the shape {arrays[name].shape}, "
                f"parameters[{name[1:]!r}] {value.shape}: a derivative has the shape "
                "of its parameter."
            )
    return arrays


def _value(cost: Callable[[Parameters], Any], parameters: Parameters) -> float:
    """Return the cost of copies of the parameters, which it may change."""
    value = cost({name: array.copy() for name, array in parameters.items()})
    array = np.asarray(value)
    is_number = array.size == 1 and array.dtype.kind in "iuf"
    if not is_number or not np.isfinite(array).all():
        raise ValueError(f"cost must return a finite number. It returned {value!r}.")
    return float(array.item())


def _slopes(
    cost: Callable[[Parameters], float],
    parameters: Parameters,
    name: str,
    value: float,
) -> FloatArray:
    """Return the slopes of the cost to the left and to the right, one axis more."""
    slopes = np.empty((2, *parameters[name].shape))
    for place in np.ndindex(parameters[name].shape):
        step = _STEP * max(1.0, abs(float(parameters[name][place])))
        for side, sign in enumerate((-1, 1)):
            moved = parameters[name].copy()
            moved[place] += sign * step
            change = _value(cost, parameters | {name: moved}) - value
            slopes[(side, *place)] = change / (sign * step)
    return slopes


def _error(grad: FloatArray, slopes: FloatArray, value: float) -> float:
    numeric = slopes.mean(axis=0)
    difference = np.abs(grad - numeric)
    is_wrong = difference > _LIMIT * np.abs(numeric)
    at_kink = is_wrong & (np.abs(slopes[1] - slopes[0]) >= difference)
    size = np.linalg.norm(grad) + np.linalg.norm(numeric)
    wrong = np.linalg.norm(np.where(at_kink, 0, difference))
    return float(wrong) / max(float(size), _FLOOR * abs(value)) if wrong else 0.0


def _what_is_wrong(grad: FloatArray, numeric: FloatArray) -> str:
    """Return a factor if there is one, else the place of the largest difference."""
    total = np.sum(numeric**2)
    factor = float(np.sum(grad * numeric) / total) if total else 0.0
    difference = grad - numeric
    remainder = np.linalg.norm(grad - factor * numeric)
    if not grad.any():
        return "{name} is zero, but the cost depends on this parameter."
    if remainder <= 1e-2 * np.linalg.norm(difference):
        return f"{{name}} is {factor:.4g} times the derivative of the cost."
    place = np.unravel_index(int(np.argmax(np.abs(difference))), grad.shape)
    return (
        f"{{name}}{[int(k) for k in place]} is {grad[place]:.6g}, but the derivative "
        f"of the cost is {numeric[place]:.6g}."
    )
