"""A joblib backend with which the tools of scikit-learn train stacks of networks."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from numbers import Integral
from typing import Any, Self, TypeVar

from joblib import parallel_config, register_parallel_backend
from joblib.parallel import ParallelBackendBase, get_active_backend

from .._fitting.checkpoint import EpochStore
from .._serialization.checkpoint import CheckpointLike, resolve_checkpoint
from ..estimators.stacking import StackSummary
from ..estimators.stacking.cooperation import MAX_BYTES
from .checkpoint import SearchCheckpoint
from .parallel_call import ParallelCall
from .tasks import Call

Function = TypeVar("Function", bound=Callable[..., Any])


class _Workers(int):
    """The number of workers of a call that runs on this backend.

    joblib would run the call itself if the number of workers were 1. With this class,
    the backend can tell whether joblib asks for the number, or other code, which gives
    a plain integer.
    """


class StackedBackend(ParallelBackendBase):
    """Collects the calls of a `Parallel`, and trains their networks as stacks.

    Each call runs as it would without this backend, except that it waits when its
    network is ready to be trained, until the networks of the other calls are ready as
    well. Calls without a network run on the backend that was active before.

    Parameters
    ----------
    nesting_level, inner_max_num_threads : int or None, default=None
        Set by joblib.
    max_bytes : int or None, default=None
        How many bytes of training rows the calls of each process may hold at once. None
        is the limit of the enclosing context, or 1 GiB.
    checkpoint : Checkpoint, str, path or None, default=None
        File in which the scores of a search are saved.
    summary : StackSummary or None, default=None
        Counts the networks; updated in place. None makes a new summary.
    outer : dict or None, default=None
        The backend for each value of `prefer`. None uses the active backends.

    Attributes
    ----------
    summary : StackSummary
        How many networks were trained in stacks, and why the others were not.
    """

    supports_retrieve_callback = True
    supports_return_generator = True
    supports_timeout = False
    supports_sharedmem = False
    uses_threads = False

    def __init__(
        self,
        nesting_level: int | None = None,
        inner_max_num_threads: int | None = None,
        *,
        max_bytes: int | None = None,
        checkpoint: Any = None,
        summary: StackSummary | None = None,
        outer: dict[str | None, Any] | None = None,
    ) -> None:
        super().__init__(nesting_level, inner_max_num_threads)
        around, _ = get_active_backend()
        if max_bytes is None:
            max_bytes = getattr(around, "max_bytes", MAX_BYTES)
        if not _is_integer(max_bytes) or max_bytes < 1:
            raise ValueError(
                f"max_bytes must be a positive integer or None. Got {max_bytes!r} "
                "instead."
            )
        self.summary = StackSummary() if summary is None else summary
        self.max_bytes = int(max_bytes)
        self._settings = resolve_checkpoint(checkpoint)
        self._checkpoint: SearchCheckpoint | None = None
        self._outer = _active_backends() if outer is None else outer
        self.default_n_jobs = self._outer[None].default_n_jobs
        self.store = EpochStore()
        self._pending: list[tuple[list[Call], Any]] = []
        self.n_workers, self._prefer = 1, None

    @property
    def outer(self) -> Any:
        """The backend for other processes, and for calls without a network."""
        return self._outer[self._prefer]

    def nested(self) -> "StackedBackend":
        """Return the backend for calls within a task."""
        return StackedBackend(
            (self.nesting_level or 0) + 1,
            max_bytes=self.max_bytes,
            summary=self.summary,
            outer=self._outer,
        )

    def get_nested_backend(self) -> tuple[Any, None]:
        """Return the backend for calls within a call; the number of jobs is not set."""
        return self.nested(), None

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """Return the number of workers; if joblib itself asks, at least two."""
        given = self.default_n_jobs if n_jobs is None else int(n_jobs)
        n_workers = self.outer.effective_n_jobs(given)
        return max(2, n_workers) if isinstance(n_jobs, _Workers) else n_workers

    def configure(
        self,
        n_jobs: int = 1,
        parallel: Any = None,
        prefer: str | None = None,
        require: str | None = None,
        **options: Any,
    ) -> int:
        """Prepare for the calls of a `Parallel`, all of which are collected."""
        self.parallel, self._prefer = parallel, prefer
        self.n_workers = self.effective_n_jobs(int(n_jobs))
        parallel.n_jobs = _Workers(n_jobs)
        parallel.pre_dispatch = sys.maxsize  # "all" hides errors of the iterator
        return self.effective_n_jobs(parallel.n_jobs)

    def submit(self, func: Any, callback: Any = None) -> None:
        """Take a batch of calls, to be run when all batches have arrived."""
        self._pending.append(([Call(*item) for item in func.items], callback))

    apply_async = submit  # until joblib 1.5

    def retrieve_result_callback(self, out: Any) -> Any:
        """Return the results of a batch."""
        return out

    @contextmanager
    def retrieval_context(self) -> Iterator[None]:
        """Run the calls that were collected."""
        pending, self._pending = self._pending, []
        try:
            ParallelCall(self, pending).run()
        finally:
            if self._checkpoint is not None:
                self._checkpoint.write()
        yield

    def terminate(self) -> None:
        """Forget calls that were not run, after an error."""
        self._pending = []

    def open_checkpoint(self, call: Call) -> SearchCheckpoint | None:
        """Return the checkpoint of the search that the call belongs to, or None."""
        if self._settings is None or not call.is_fit_and_score:
            return None
        if self._checkpoint is None:
            self._checkpoint = SearchCheckpoint(self._settings, call)
        else:
            self._checkpoint.check(call)
        return self._checkpoint


def _is_integer(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _active_backends() -> dict[str | None, Any]:
    """Return the backends that joblib would use now, for each value of `prefer`."""
    backend, _ = get_active_backend()
    if isinstance(backend, StackedBackend):
        return backend._outer
    backends = {it: get_active_backend(prefer=it)[0] for it in ("processes", "threads")}
    return {None: backend, **backends}


_RUN_LATER = isgeneratorfunction, iscoroutinefunction, isasyncgenfunction


class stacked:
    """Train the networks of scikit-learn's tools together, with the same results.

    Training a small network is mostly Python overhead. In this context, searches,
    cross-validation and meta-estimators of scikit-learn therefore train all their
    networks together, as stacks. For small networks this is several times faster. Each
    network is bit-for-bit the one that you would get without the context, and so are
    scores, predictions, errors and warnings.

    There are two differences. The reported times are those of a stack, divided among
    its networks. And if several pipelines have an equal step, it is fitted once for all
    of them, and its warnings are issued once.

    The context sets the joblib backend "stacked".
    ``joblib.parallel_config(backend="stacked")`` does the same. `stacked` can also
    decorate a function.

    Parameters
    ----------
    n_jobs : int or None, default=None
        Number of processes for tools whose own `n_jobs` is None. Each process trains
        its own stacks. The processes belong to the joblib backend that was active
        before. None is the number of the enclosing context, or 1, which trains the
        stacks in this process.
    max_bytes : int or None, default=None
        How many bytes of training rows each process may hold at once. Fits that wait
        for their stack keep their rows in memory, so a smaller limit leads to smaller
        stacks. None is the limit of the enclosing context, or 1 GiB.
    checkpoint : Checkpoint, str, path or None, default=None
        File in which the scores of a search or cross-validation are saved while it
        runs. If the file exists, scores that it contains are not computed again. The
        file must belong to the same estimator, scoring and data; candidates and folds
        may differ.

    Attributes
    ----------
    summary : StackSummary
        How many networks were trained in stacks, and why the others were not.

    Raises
    ------
    ValueError
        If `n_jobs` is neither a nonzero integer nor None, or if `max_bytes` is neither
        a positive integer nor None.
    TypeError
        If `checkpoint` is neither a path nor a `Checkpoint`.

    Notes
    -----
    The context works for all functions that run in joblib and get a network, or an
    ensemble of networks, as an argument: `GridSearchCV` and all other searches,
    `cross_validate`, `cross_val_score`, `cross_val_predict`, `learning_curve`,
    `validation_curve`, `permutation_test_score`, `OneVsRestClassifier`,
    `OneVsOneClassifier`, `MultiOutputClassifier`, `BaggingClassifier`,
    `VotingClassifier`, `StackingClassifier`, `CalibratedClassifierCV` and the
    corresponding regressors, also if they are nested. `RFECV` uses joblib only if its
    number of jobs is not 1.

    The calls of a tool take turns, each in its own thread, until the network of each is
    ready to be trained. Then all these networks are trained together. This has two
    consequences. An estimator must not hold a lock while it fits a network, since the
    other calls would wait for the lock forever. And functions that use NumPy's global
    random state draw from it in another order.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn_deepnet import DeepNetClassifier, stacked
    >>> X, y = load_iris(return_X_y=True)
    >>> net = DeepNetClassifier((8,), n_iter=100, tol=None, random_state=0)
    >>> grid = {"init": ["he", "xavier"], "learning_rate": [0.001, 0.01, 0.1]}
    >>> with stacked() as stacks:
    ...     search = GridSearchCV(net, grid).fit(X, y)
    >>> bool(search.best_score_ > 0.95)
    True
    >>> print(stacks.summary)
    30 networks were trained in 1 stack.
    """

    def __init__(
        self,
        n_jobs: int | None = None,
        *,
        max_bytes: int | None = None,
        checkpoint: CheckpointLike | None = None,
    ) -> None:
        if n_jobs is not None and (not _is_integer(n_jobs) or n_jobs == 0):
            raise ValueError(
                f"n_jobs must be a nonzero integer or None. Got {n_jobs!r} instead."
            )
        self._n_jobs, self._max_bytes = n_jobs, max_bytes
        self._checkpoint = checkpoint
        self.summary: StackSummary = StackSummary()
        self._configs: list[parallel_config] = []  # since it may be entered repeatedly
        self._make_backend()  # raises if an argument is invalid

    def _make_backend(self) -> StackedBackend:
        return StackedBackend(
            max_bytes=self._max_bytes, checkpoint=self._checkpoint, summary=self.summary
        )

    def __enter__(self) -> Self:
        options = {} if self._n_jobs is None else {"n_jobs": self._n_jobs}
        self._configs.append(parallel_config(backend=self._make_backend(), **options))
        return self

    def __exit__(self, *exception: Any) -> None:
        self._configs.pop().unregister()

    def __call__(self, function: Function) -> Function:
        """Return a function that runs the given one in this context."""
        if any(is_later(function) for is_later in _RUN_LATER):
            raise TypeError(
                f"stacked() cannot decorate {function!r}, since generators and "
                "coroutines run after the call has returned. Use 'with stacked():' "
                "inside of the function."
            )

        @wraps(function)
        def run(*args: Any, **options: Any) -> Any:
            context = stacked(
                self._n_jobs, max_bytes=self._max_bytes, checkpoint=self._checkpoint
            )
            context.summary = self.summary
            with context:
                return function(*args, **options)

        return run


register_parallel_backend("stacked", StackedBackend)
