"""What a fitted estimator keeps of its network, and what it computes with it."""

import copy
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted, validate_data

from .._engine.network import Network
from .._engine.prediction import predict_logits
from .._engine.state import State
from .._engine.training import Outcome
from .._fitting.advice import largest, warn
from .._fitting.parameters import (
    Words,
    name_activations,
    resolve_activations,
    resolve_random_state,
)
from .._utils.typing import FloatArray


class FittedNetwork:
    """The fitted part of an estimator.

    Kept are plain arrays, numbers, names and lists, so that pickles and the like need
    no class of ours but the estimator's.
    """

    _ended_by = "n_iter"  # in what was saved before it was kept

    def _describe(self, words: Words) -> None:
        self._layer_sizes = list(words.layer_sizes)
        self._activations = name_activations(words.activations)
        self.n_outputs_ = words.layer_sizes[-1]
        self.n_layers_ = len(words.layer_sizes)
        self.out_activation_ = words.out_activation

    def _keep(self, outcome: Outcome, resumes: bool, shows_best: bool) -> None:
        state = outcome.state
        has_best = state.best_iter >= 0
        self._params = state.best_params if shows_best and has_best else state.params
        before = self if resumes else None
        n_new = len(outcome.losses)
        self.validation_loss_curve_ = _extend(
            before, "validation_loss_curve_", outcome.validation_losses, n_new
        )
        self.validation_scores_ = _extend(
            before, "validation_scores_", outcome.validation_scores, n_new
        )
        self.loss_curve_ = _extend(before, "loss_curve_", outcome.losses, n_new) or []
        self.n_iter_ = len(self.loss_curve_)
        self.loss_ = self.loss_curve_[-1] if self.loss_curve_ else np.nan
        self.best_loss_ = min(self.loss_curve_, default=np.nan)
        self.best_iter_ = None
        if has_best:
            self.best_iter_ = int(state.best_iter)
        elif self.loss_curve_:
            self.best_iter_ = int(np.argmin(self.loss_curve_))
        self.diverged_ = outcome.ended_by == "divergence"
        self._ended_by = outcome.ended_by

    def _keep_state(
        self, state: State, words: Words, monitored: str, split_seed: int | None
    ) -> None:
        self._training_state = {
            "solver": type(words.optimizer).__name__,
            "monitored": monitored,
            "split_seed": split_seed,
            "last_params": None if self._params is state.params else state.params,
            "state": state.to_dict(),
        }

    def _kept_state(
        self, words: Words, dtype: np.dtype[Any], monitored: str
    ) -> tuple[State, int | None]:
        """Return the state to go on from, and the seed of the split if drawn."""
        self._check_same_network(words, dtype)
        n_moments = words.optimizer.n_moments
        kept = self._training_state
        if kept is None:
            warn(
                "The last fit kept neither the optimizer's moments nor the generator's "
                "state, so training goes on with fresh ones. To continue exactly, set "
                "warm_start=True before the first fit, or begin with partial_fit."
            )
            rng = copy.deepcopy(resolve_random_state(self.random_state))
            state = State.start(self._params.copy(), [rng], n_moments, self.n_iter)
            state.n_passes = self.n_iter_
            return state, None
        last = kept["last_params"]
        state = State.from_dict(self._params if last is None else last, kept["state"])
        if kept["solver"] != type(words.optimizer).__name__:
            state.forget_moments(n_moments)
        if kept["monitored"] != monitored:
            state.forget_values()
        return state, kept["split_seed"]

    def _check_same_network(self, words: Words, dtype: np.dtype[Any]) -> None:
        hidden = list(words.layer_sizes[1:-1])
        for name, now, before in (
            ("hidden_layer_sizes", hidden, self._layer_sizes[1:-1]),
            ("activation", name_activations(words.activations), self._activations),
            ("n_outputs_", words.layer_sizes[-1], self.n_outputs_),
            ("out_activation_", words.out_activation, self.out_activation_),
            ("dtype", dtype.name, self._params.dtype.name),
        ):
            if now != before:
                raise ValueError(
                    f"{name} is now {now}, but the network to continue has {before}. "
                    "Keep it, or start anew by fit with warm_start=False."
                )

    def _network(self) -> Network:
        n_hidden = len(self._layer_sizes) - 2
        activations = resolve_activations(self._activations, n_hidden)
        return Network(self._layer_sizes, activations, self._params)

    def hidden_activations(self, X: ArrayLike, layer: int = -1) -> FloatArray:
        """Return what a hidden layer hands on: the features that it has learned.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data.
        layer : int, default=-1
            Which hidden layer, from 0; -1 is the last.

        Returns
        -------
        activations : ndarray of shape (n_samples, n_units)
            After its activation, without dropout.

        Raises
        ------
        ValueError
            If there is no such layer.
        """
        check_is_fitted(self)
        n_hidden = len(self._layer_sizes) - 2
        if not -n_hidden <= layer < n_hidden:
            raise ValueError(
                f"layer={layer} is not one of the {n_hidden} hidden layers; they are "
                "numbered from 0, or from -1 backwards."
            )
        return self._propagate(X, layer % n_hidden)

    def _logits(self, X: ArrayLike) -> FloatArray:
        """Return the outputs before the last activation, (n_samples, n_outputs_)."""
        check_is_fitted(self)
        return self._propagate(X)

    def _propagate(self, X: ArrayLike, hidden_layer: int | None = None) -> FloatArray:
        X = validate_data(self, X, dtype="numeric", accept_sparse="csr", reset=False)
        with np.errstate(all="ignore"):
            outputs = predict_logits(self._network(), X, hidden_layer)
        self._check_overflow(outputs, X)
        return outputs

    def _check_overflow(self, outputs: FloatArray, X: Any) -> None:
        if not np.isfinite(outputs).all():
            raise ValueError(
                f"The network overflows on X, whose largest value is "
                f"{largest(X):.2g}. Scale X as the training data were."
            )

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


def _extend(
    before: FittedNetwork | None, name: str, new: FloatArray, n_new: int
) -> list[float] | None:
    """Return a curve with the new passes, NaN where nothing was measured."""
    old = None if before is None else getattr(before, name)
    if old is None and not len(new):
        return None
    if old is None:
        old = [] if before is None else [np.nan] * before.n_iter_
    return [*old, *(new.tolist() if len(new) else [np.nan] * n_new)]
