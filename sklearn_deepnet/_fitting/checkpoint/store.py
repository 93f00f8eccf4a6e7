"""Stores fits in memory, which a search continues in its next round."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from copy import copy
from typing import Any

from ..._engine import TrainingResult, TrainingState
from ..._utils.sklearn_compat import all_params
from ...nn.schedules import depends_on_n_iter
from ..attributes import save_state, set_result
from ..dataset import Dataset
from ..parameters import is_quasi_newton, resolve_schedule
from .file import identify_fit


class EpochStore:
    """Fits of the previous round, which only need more epochs in the current one.

    A halving search fits the survivors of each round again, with a larger `n_iter`.

    Attributes
    ----------
    fits : dict of str to dict
        Fitted attributes of networks, by a key that identifies the fit.
    """

    def __init__(self) -> None:
        self.fits: dict[str, dict[str, Any]] = {}
        self._before: dict[str, dict[str, Any]] = {}

    def begin_round(self) -> None:
        """Forget all but the fits since the last call."""
        self._before, self.fits = self.fits, {}

    def add(self, fits: dict[str, dict[str, Any]]) -> None:
        """Add the fits of another process."""
        self.fits |= fits

    def find(self, key: str) -> dict[str, Any] | None:
        """Return the attributes of a fit of the previous round."""
        return self._before.get(key)


# Set where fits are stored.
epoch_store: ContextVar[EpochStore | None] = ContextVar("epoch_store", default=None)


@contextmanager
def storing_epochs(store: EpochStore) -> Iterator[None]:
    """Within this context, continue fits from the store, and add fits to it."""
    token = epoch_store.set(store)
    try:
        yield
    finally:
        epoch_store.reset(token)


class StoredFit:
    """Restores a fit from an `EpochStore`, with the interface of `FitCheckpoint`.

    Parameters
    ----------
    store : EpochStore
        The store of the search.
    key : str
        Identifies the fit, except for its `n_iter`.
    estimator : estimator
        The estimator with its parameters.
    """

    def __init__(self, store: EpochStore, key: str, estimator: Any) -> None:
        self._store, self._key, self._estimator = store, key, estimator
        self.n_epochs_done, self.is_complete, self.is_restored = 0, False, False

    def restore(self, n_iter: int) -> bool:
        """Set the stored state on the estimator, in place; return if there is one."""
        found = self._store.find(self._key)
        if found is None or found["n_epochs"] > n_iter:
            return False
        vars(self._estimator).update(found["attributes"])
        _copy_params(self._estimator)
        self.n_epochs_done = found["n_epochs"]
        is_over = self._estimator._ended_by in ("tol", "divergence")
        self.is_complete = is_over or self.n_epochs_done == n_iter
        if self.is_complete:
            self._store.fits[self._key] = found
        self.is_restored = True
        return True

    def begin(
        self,
        network: Any,
        state: TrainingState,
        resumes: bool,
        restore_best: bool,
        to_save: tuple[Any, ...],
    ) -> None:
        """Keep the arguments that are needed to store the fit; see `FitCheckpoint`."""
        self._start, self._arguments = copy(network), (resumes, restore_best, to_save)

    def finish(self, result: TrainingResult) -> TrainingResult:
        """Store the fit, unless it was interrupted."""
        if result.interrupt is None:
            network, (resumes, restore_best, to_save) = self._start, self._arguments
            params = all_params(network)
            set_result(network, result, resumes, restore_best)
            save_state(network, result.state, *to_save)
            _copy_params(network)
            learned = {k: v for k, v in vars(network).items() if k not in params}
            n_epochs = network.n_iter_
            self._store.fits[self._key] = {"attributes": learned, "n_epochs": n_epochs}
        return result


def _copy_params(network: Any) -> None:
    """Give a network its own weights, in place, since `coefs_` are views of them."""
    network._params = network._params.copy()


def find_stored_fit(
    store: EpochStore, estimator: Any, dataset: Dataset, validation_set: Dataset | None
) -> StoredFit | None:
    """Return where to find or store this fit, unless that is impossible.

    It is impossible if a larger `n_iter` would change the first epochs, if the solver
    is L-BFGS, which does not continue exactly, or if a parameter cannot be compared
    with that of another fit.
    """
    if is_quasi_newton(estimator.solver):
        return None
    if depends_on_n_iter(resolve_schedule(estimator.schedule)):
        return None
    try:
        identity = identify_fit(estimator, dataset, validation_set, resumes=False)
    except ValueError:
        return None
    return StoredFit(store, repr(identity), estimator)
