"""What all estimators share: validate, build, train, keep, continue."""

import warnings
from copy import deepcopy
from numbers import Integral, Real
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted, validate_data

from ._contracts import Versioned
from ._engine.batches import Batches
from ._engine.checkpoint import State
from ._engine.network import Network, predict_logits, rows_per_block
from ._engine.threads import one_blas_thread
from ._engine.training import NEVER, Outcome, Task, train
from ._sklearn import HasMethods, Interval, StrOptions, check_sample_weight
from ._typing import FloatArray, IntArray
from ._words import (
    name_activations,
    resolve_activations,
    resolve_dtype,
    resolve_hidden_layer_sizes,
    resolve_loss,
    resolve_optimizer,
    resolve_random_state,
)
from .activations import Activation
from .exceptions import DivergenceWarning
from .initializers import initialize
from .losses import Loss


class Weights(NamedTuple):
    """What sample_weight says: how much each row counts, and which rows do.

    Parameters
    ----------
    column : ndarray of shape (n_samples, 1)
        Of mean one over the rows that count.
    rows : ndarray of int or None
        The rows of positive weight, for a weight of 0 is no row; None is all.
    n_rows : int
        How many count.
    total : float
        Sum of the weights as given.
    """

    column: FloatArray
    rows: IntArray | None
    n_rows: int
    total: float


def weigh(sample_weight: ArrayLike | None, X: FloatArray) -> Weights:
    """Check `sample_weight` and scale it to a mean of one."""
    n_rows = len(X)
    if sample_weight is None:
        return Weights(np.broadcast_to(1.0, (n_rows, 1)), None, n_rows, float(n_rows))
    weight = check_sample_weight(sample_weight, X, dtype=np.float64)
    total = float(weight.sum())
    if weight.min() < 0:
        raise ValueError(
            f"sample_weight holds {weight.min():.3g}; weights must not be negative."
        )
    if not 0 < total < np.inf:
        raise ValueError(
            f"sample_weight sums to {total:.3g}; at least one weight must be positive, "
            "and their sum finite."
        )
    rows = None if weight.all() else np.flatnonzero(weight)
    n_rows = n_rows if rows is None else len(rows)
    return Weights((weight * (n_rows / total))[:, np.newaxis], rows, n_rows, total)


class BaseDeepNet(Versioned, BaseEstimator):
    """A dense network behind scikit-learn's interface.

    A subclass validates and encodes its targets, calls `_train`, and says by
    `_name_out_activation` what its outputs mean.
    """

    _doc_link_module = "sklearn_deepnet"
    _doc_link_template = (
        "https://sklearn-deepnet.readthedocs.io/en/stable/api/"
        "{estimator_module}.{estimator_name}.html"
    )

    _parameter_constraints = {  # noqa: RUF012 (scikit-learn reads it from the class)
        "hidden_layer_sizes": [
            "array-like",
            Interval(Integral, 1, None, closed="left"),
        ],
        "activation": [str, Activation, "array-like"],
        "init": [str, callable, "array-like"],
        "init_scale": [Interval(Real, 0, None, closed="neither"), None],
        "bias_init": [str],
        "loss": [str, Loss],
        "solver": [str, HasMethods(["step"])],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "batch_size": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
            None,
        ],
        "n_iter": [Interval(Integral, 0, None, closed="left")],
        "shuffle": ["boolean"],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left"), None],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "dtype": [str, type, np.dtype, None],
    }

    # ---- training

    def _train(
        self,
        X: FloatArray,
        target: FloatArray | IntArray,
        n_outputs: int,
        weights: Weights,
        *,
        resumes: bool,
        n_iter: int,
        stops: bool,
        keeps_state: bool,
    ) -> Outcome:
        """Resolve names, build or resume the network, train it, keep what came out."""
        dtype = resolve_dtype(self.dtype, X.dtype)
        task = self._make_task(X.shape[1], n_outputs, weights.total, stops)
        make_state = self._resume_state if resumes else self._initial_state
        state = make_state(task, dtype)
        batches = Batches(
            X,
            target,
            weights.column,
            n_outputs=n_outputs,
            batch_size=self._rows_per_batch(weights.n_rows),
            block_size=rows_per_block(task.layer_sizes),
            dtype=dtype,
            generators=state.generators,
            shuffle=self.shuffle,
            stack_shape=(),
            rows=weights.rows,
        )
        with one_blas_thread():
            (outcome,) = train(task, state, batches, n_iter)
        self._keep(task, outcome, resumes, keeps_state)
        self._warn_of(outcome, X, n_iter, stops)
        return outcome

    def _make_task(
        self, n_inputs: int, n_outputs: int, total_weight: float, stops: bool
    ) -> Task:
        """Turn names into words."""
        hidden = resolve_hidden_layer_sizes(self.hidden_layer_sizes)
        stops = stops and self.tol is not None
        return Task(
            layer_sizes=(n_inputs, *hidden, n_outputs),
            activations=resolve_activations(self.activation, len(hidden)),
            loss=resolve_loss(self.loss, self._name_out_activation(n_outputs)),
            optimizer=resolve_optimizer(self.solver),
            learning_rate=np.array(float(self.learning_rate)),
            decay=np.array(self.alpha / total_weight),
            tol=np.array(float(self.tol) if stops else 0.0),
            n_iter_no_change=np.array(self.n_iter_no_change if stops else NEVER),
        )

    def _rows_per_batch(self, n_rows: int) -> int:
        if self.batch_size is None:
            return n_rows
        return min(200 if self.batch_size == "auto" else int(self.batch_size), n_rows)

    def _initial_state(self, task: Task, dtype: np.dtype[Any]) -> State:
        self._warn_of_unused_initialization()
        rng = resolve_random_state(self.random_state)
        layers = initialize(
            task.layer_sizes, rng, self.init, self.init_scale, self.bias_init
        )
        params = np.concatenate([np.column_stack(layer).ravel() for layer in layers])
        n_moments = task.optimizer.n_moments
        return State.start(params.astype(dtype), [deepcopy(rng)], n_moments)

    def _resume_state(self, task: Task, dtype: np.dtype[Any]) -> State:
        self._check_same_network(task, dtype)
        n_moments = task.optimizer.n_moments
        kept = self._training_state
        if kept is None:
            warnings.warn(
                "The last fit kept neither the optimizer's moments nor the generator's "
                "state, so training goes on with fresh ones. To continue exactly, set "
                "warm_start=True before the first fit, or begin with partial_fit.",
                stacklevel=5,
            )
            rng = deepcopy(resolve_random_state(self.random_state))
            return State.start(self._params.copy(), [rng], n_moments)
        state = State.from_dict(self._params, kept["state"])
        if kept["solver"] != type(task.optimizer).__name__:
            state.forget_moments(n_moments)
        return state

    def _check_same_network(self, task: Task, dtype: np.dtype[Any]) -> None:
        hidden = list(task.layer_sizes[1:-1])
        for name, now, before in (
            ("hidden_layer_sizes", hidden, self._layer_sizes[1:-1]),
            ("activation", name_activations(task.activations), self._activations),
            ("dtype", dtype.name, self._params.dtype.name),
        ):
            if now != before:
                raise ValueError(
                    f"{name} is now {now}, but the network to continue has {before}. "
                    "Keep it, or start anew by fit with warm_start=False."
                )

    def _keep(
        self, task: Task, outcome: Outcome, resumes: bool, keeps_state: bool
    ) -> None:
        losses = outcome.losses.tolist()
        self._params = outcome.state.params
        self._layer_sizes = list(task.layer_sizes)
        self._activations = name_activations(task.activations)
        self._training_state = None
        if keeps_state:
            self._training_state = {
                "solver": type(task.optimizer).__name__,
                "state": outcome.state.to_dict(),
            }
        self.n_outputs_ = task.layer_sizes[-1]
        self.n_layers_ = len(task.layer_sizes)
        self.out_activation_ = self._name_out_activation(self.n_outputs_)
        self.loss_curve_ = [*self.loss_curve_, *losses] if resumes else losses
        self.n_iter_ = len(self.loss_curve_)
        self.loss_ = self.loss_curve_[-1] if self.loss_curve_ else np.nan
        self.best_loss_ = min(self.loss_curve_, default=np.nan)
        self.diverged_ = outcome.ended_by == "divergence"

    def _end(self, outcome: Outcome) -> Self:
        """Return self, or raise the interrupt that ended training."""
        if outcome.interrupt is not None:
            raise outcome.interrupt
        return self

    def _warn_of_unused_initialization(self) -> None:
        named = isinstance(self.init, str) or callable(self.init)
        if named or all(isinstance(word, str) or callable(word) for word in self.init):
            return
        if self.init_scale is not None or self.bias_init != "zeros":
            warnings.warn(
                "init gives the weights and biases themselves, so init_scale and "
                "bias_init are ignored.",
                stacklevel=6,
            )

    def _warn_of(
        self, outcome: Outcome, X: FloatArray, n_iter: int, stops: bool
    ) -> None:
        if outcome.ended_by == "divergence":
            warnings.warn(
                f"The loss became {_name_number(outcome.bad_loss)} after "
                f"{self.n_iter_} passes. Lower learning_rate (now "
                f"{self.learning_rate:.3g}) or scale X (largest value "
                f"{max(X.max(), -X.min()):.2g}). Training has stopped, with the last "
                "sound weights kept.",
                DivergenceWarning,
                stacklevel=4,
            )
        elif outcome.ended_by == "n_iter" and stops and self.tol is not None and n_iter:
            warnings.warn(
                f"All n_iter={n_iter} passes were used before the loss settled. Raise "
                "n_iter or learning_rate; or set tol=None, if so many passes and no "
                "fewer are wanted.",
                ConvergenceWarning,
                stacklevel=4,
            )

    # ---- prediction

    def _network(self) -> Network:
        n_hidden = len(self._layer_sizes) - 2
        activations = resolve_activations(self._activations, n_hidden)
        return Network(self._layer_sizes, activations, self._params)

    def _logits(self, X: ArrayLike) -> FloatArray:
        """Return the outputs before the last activation, (n_samples, n_outputs_)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype="numeric", reset=False)
        with np.errstate(all="ignore"):
            logits = predict_logits(self._network(), X)
        if not np.isfinite(logits).all():
            raise ValueError(
                f"The network overflows on X, whose largest value is "
                f"{max(X.max(), -X.min()):.2g}. Scale X as the training data were."
            )
        return logits

    @property
    def coefs_(self) -> list[FloatArray]:
        """Weights of each layer, views of shape (n_in, n_out)."""
        check_is_fitted(self)
        return [layer[:, :-1].T for layer in self._network().layers]

    @property
    def intercepts_(self) -> list[FloatArray]:
        """Biases of each layer, views of shape (n_out,)."""
        check_is_fitted(self)
        return [layer[:, -1] for layer in self._network().layers]

    def __sklearn_is_fitted__(self) -> bool:
        return "_params" in vars(self)


def _name_number(value: float) -> str:
    return "NaN" if np.isnan(value) else f"{value:.2g}"
