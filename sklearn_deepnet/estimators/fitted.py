"""What a fitted estimator keeps of its network, and what it computes with it."""

import copy
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted, validate_data

from .._engine import Network, TrainingResult, TrainingState, predict_logits
from .._fitting.parameters import (
    ResolvedParams,
    name_activations,
    resolve_activations,
    resolve_random_state,
)
from .._utils.typing import FloatArray
from .._utils.warnings import max_abs, warn


class FittedNetwork:
    """The fitted part of an estimator.

    Kept are plain arrays, numbers, names and lists, so that pickles and the like need
    no class of ours but the estimator's.
    """

    _ended_by = "n_iter"  # in what was saved before it was kept

    def _describe(self, resolved: ResolvedParams) -> None:
        self._layer_sizes = list(resolved.layer_sizes)
        self._activations = name_activations(resolved.activations)
        self.n_outputs_ = resolved.layer_sizes[-1]
        self.n_layers_ = len(resolved.layer_sizes)
        self.out_activation_ = resolved.out_activation

    def _keep(self, result: TrainingResult, resumes: bool, restore_best: bool) -> None:
        state = result.state
        has_best = state.best_iter >= 0
        self._params = state.best_params if restore_best and has_best else state.params
        before = self if resumes else None
        n_new = len(result.losses)
        self.validation_loss_curve_ = _extend(
            before, "validation_loss_curve_", result.validation_losses, n_new
        )
        self.validation_scores_ = _extend(
            before, "validation_scores_", result.validation_scores, n_new
        )
        self.loss_curve_ = _extend(before, "loss_curve_", result.losses, n_new) or []
        self.n_iter_ = len(self.loss_curve_)
        self.loss_ = self.loss_curve_[-1] if self.loss_curve_ else np.nan
        self.best_loss_ = min(self.loss_curve_, default=np.nan)
        self.best_iter_ = None
        if has_best:
            self.best_iter_ = int(state.best_iter)
        elif self.loss_curve_:
            self.best_iter_ = int(np.argmin(self.loss_curve_))
        self.diverged_ = result.ended_by == "divergence"
        self._ended_by = result.ended_by

    def _keep_state(
        self,
        state: TrainingState,
        resolved: ResolvedParams,
        monitored: str,
        split_seed: int | None,
    ) -> None:
        self._training_state = {
            "solver": type(resolved.optimizer).__name__,
            "monitored": monitored,
            "split_seed": split_seed,
            "last_params": None if self._params is state.params else state.params,
            "state": state.to_dict(),
        }

    def _kept_state(
        self, resolved: ResolvedParams, dtype: np.dtype[Any], monitored: str
    ) -> tuple[TrainingState, int | None]:
        """Return the state to go on from, and the seed of the split if drawn."""
        self._check_same_network(resolved, dtype)
        n_moments = resolved.optimizer.n_moments
        kept = self._training_state
        if kept is None:
            warn(
                "The last fit kept neither the optimizer's moments nor the generator's "
                "state, so training goes on with fresh ones. To continue exactly, set "
                "warm_start=True before the first fit, or begin with partial_fit."
            )
            rng = copy.deepcopy(resolve_random_state(self.random_state))
            state = TrainingState.start(
                self._params.copy(), [rng], n_moments, self.n_iter
            )
            state.n_epochs = self.n_iter_
            return state, None
        last = kept["last_params"]
        state = TrainingState.from_dict(
            self._params if last is None else last, kept["state"]
        )
        if kept["solver"] != type(resolved.optimizer).__name__:
            state.forget_moments(n_moments)
        if kept["monitored"] != monitored:
            state.forget_values(resolved.schedule)
        return state, kept["split_seed"]

    def _check_same_network(
        self, resolved: ResolvedParams, dtype: np.dtype[Any]
    ) -> None:
        hidden = list(resolved.layer_sizes[1:-1])
        for name, now, before in (
            ("hidden_layer_sizes", hidden, self._layer_sizes[1:-1]),
            ("activation", name_activations(resolved.activations), self._activations),
            ("n_outputs_", resolved.layer_sizes[-1], self.n_outputs_),
            ("out_activation_", resolved.out_activation, self.out_activation_),
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
                f"{max_abs(X):.2g}. Scale X as the training data were."
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
