"""What all estimators share: build the network, train it, keep it, continue it."""

import copy
import inspect
import re
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.metrics import check_scoring

from ._advice import warn, warn_of_ending, warn_of_ignored, warn_of_ignored_draws
from ._contracts import Versioned
from ._engine.checkpoint import State
from ._engine.monitor import Score, Validation
from ._engine.network import rows_per_block
from ._engine.quasi_newton import train_quasi_newton
from ._engine.task import NEVER, Task
from ._engine.threads import one_blas_thread
from ._engine.training import Outcome, train
from ._fitted import FittedNetwork
from ._reports import CallbackTasks, Printer, all_of, count_tasks
from ._sample import Sample
from ._sklearn import CallbackSupportMixin, HasMethods, Interval, StrOptions
from ._typing import FloatArray
from ._words import (
    Words,
    name_activations,
    resolve_dtype,
    resolve_random_state,
    resolve_words,
)
from .activations import Activation
from .initializers import initialize
from .losses import Loss
from .optimizers import LBFGS


class BaseDeepNet(FittedNetwork, Versioned, CallbackSupportMixin, BaseEstimator):
    """A dense network behind scikit-learn's interface.

    A subclass turns y into `Targets` and its rows into a `Sample`, calls `_learn`, and
    makes predictions of `_logits`.
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
        "solver": [str, HasMethods(["step"]), LBFGS],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "schedule": [str, callable, HasMethods(["factor_at"])],
        "batch_size": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
            None,
        ],
        "n_iter": [Interval(Integral, 0, None, closed="left")],
        "shuffle": ["boolean"],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "l1": [Interval(Real, 0, None, closed="left")],
        "dropout": ["array-like", Interval(Real, 0, 1, closed="left")],
        "clip_norm": [Interval(Real, 0, None, closed="neither"), None],
        "tol": [Interval(Real, 0, None, closed="left"), None],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "scoring": [str, callable, None],
        "restore_best": ["boolean"],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
        "dtype": [str, type, np.dtype, None],
    }

    def _learn(
        self,
        sample: Sample,
        held_out: Sample | None,
        *,
        resumes: bool,
        n_iter: int,
        stops: bool,
        keeps_state: bool,
    ) -> Outcome:
        """Turn names into words, build the network, train it, keep what came out.

        Parameters
        ----------
        sample : Sample
            To train on, less what `early_stopping` holds out.
        held_out : Sample or None
            To monitor, if the user gave any.
        resumes : bool
            Whether to go on from where the network stands.
        n_iter : int
            Passes to add.
        stops : bool
            Whether `tol` may end the training.
        keeps_state : bool
            Whether training may be resumed exactly.
        """
        words = resolve_words(self, sample.X.shape[1], sample.targets)
        dtype = resolve_dtype(self.dtype, sample.X.dtype)
        warn_of_ignored(self, words)
        monitored = self._name_monitored(held_out)
        state, split_seed = self._find_state(words, dtype, monitored, resumes)
        if held_out is None and self.early_stopping:
            if split_seed is None:
                split_seed = int(state.generators[0].randint(2**31 - 1))
            sample, held_out = sample.split(self.validation_fraction, split_seed)
        sample.targets.check_weighted(sample.y, sample.rows)
        self._describe(words)
        options = {
            "block_size": rows_per_block(words.layer_sizes),
            "dtype": dtype,
            "generators": state.generators,
        }
        batches = sample.batches(
            trains=True,
            batch_size=self._rows_per_batch(words, sample.n_rows),
            shuffle=self.shuffle,
            **options,
        )
        task = self._make_task(words, sample.total, stops)
        validation = None
        if held_out is not None:
            validation = self._make_validation(held_out, options)
        reports = self._open_reports(sample, n_iter)
        with one_blas_thread():
            make = train_quasi_newton if words.is_quasi_newton else train
            report = all_of(reports)
            (outcome,) = make(task, state, batches, n_iter, validation, report)
        self._keep(outcome, resumes, shows_best=bool(validation and self.restore_best))
        self._training_state = None
        if keeps_state:
            self._keep_state(outcome.state, words, monitored, split_seed)
        for report in reports:
            report.end()
        warn_of_ending(self, outcome, sample, n_iter, stops)
        return outcome

    def _open_reports(self, sample: Sample, n_iter: int) -> list[Any]:
        reports: list[Any] = []
        if self.verbose and n_iter:
            reports.append(Printer(n_iter, self.verbose))
        if "_callback_fit_ctx" in vars(self):
            context = self._callback_fit_ctx
            reports.append(CallbackTasks(self, context, sample.X, sample.y, n_iter))
        return reports

    def _begin_fit(self) -> None:
        """Check the parameters, and tell callbacks of a fit if there are any."""
        self._validate_params()
        if "_skl_callbacks" in vars(self):
            self._init_callback_context(max_subtasks=count_tasks(self.n_iter))

    def _find_state(
        self,
        words: Words,
        dtype: np.dtype[Any],
        monitored: str,
        resumes: bool,
    ) -> tuple[State, int | None]:
        """Return the state to start from and the seed of the split, if drawn before."""
        n_moments = words.optimizer.n_moments
        if not resumes:
            rng = resolve_random_state(self.random_state)
            params = self._initial_params(words, rng, dtype)
            rng = copy.deepcopy(rng)
            return State.start(params, [rng], n_moments, self.n_iter), None
        self._check_same_network(words, dtype)
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

    def _name_monitored(self, held_out: Sample | None) -> str:
        """Return what is monitored, to know when it is another thing than before."""
        if held_out is None and not self.early_stopping:
            return "training loss"
        name = re.sub(r" at 0x[0-9a-fA-F]+", "", repr(self.scoring))  # also unpickled
        return f"{name} of rows {'held out' if held_out is None else 'given'}"

    def _initial_params(
        self, words: Words, rng: np.random.RandomState, dtype: np.dtype[Any]
    ) -> FloatArray:
        warn_of_ignored_draws(self)
        layers = initialize(
            words.layer_sizes, rng, self.init, self.init_scale, self.bias_init
        )
        params = np.concatenate([np.column_stack(layer).ravel() for layer in layers])
        with np.errstate(over="ignore"):
            params = params.astype(dtype)
        if not np.isfinite(params).all():
            raise ValueError(
                f"init gives weights too large for {dtype.name}. Lower init_scale (now "
                f"{self.init_scale})."
            )
        return params

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

    def _rows_per_batch(self, words: Words, n_rows: int) -> int:
        if self.batch_size is None or words.is_quasi_newton:
            return n_rows
        return 200 if self.batch_size == "auto" else int(self.batch_size)

    def _make_task(self, words: Words, total_weight: float, stops: bool) -> Task:
        stops = stops and self.tol is not None
        return Task(
            layer_sizes=words.layer_sizes,
            activations=words.activations,
            loss=words.loss,
            optimizer=words.optimizer,
            schedules=[words.schedule],
            learning_rate=np.array(float(self.learning_rate)),
            decay=np.array(self.alpha / total_weight),
            l1=np.array(self.l1 / total_weight),
            clip_norm=np.array(np.inf if self.clip_norm is None else self.clip_norm),
            dropout=np.array(words.dropout) * (not words.is_quasi_newton),
            tol=np.array(float(self.tol) if stops else 0.0),
            n_iter_no_change=np.array(self.n_iter_no_change if stops else NEVER),
        )

    def _make_validation(self, held_out: Sample, options: dict[str, Any]) -> Validation:
        batches = held_out.batches(
            trains=False, batch_size=held_out.n_rows, shuffle=False, **options
        )
        if self.scoring is None:
            return Validation(batches)
        return Validation(batches, [self._make_score(held_out)])

    def _make_score(self, held_out: Sample) -> Score:
        """Return a function that scores this network with other parameters."""
        scorer = check_scoring(self, scoring=self.scoring)
        X, y, weight = held_out.taken()
        weighs = "sample_weight" in inspect.signature(scorer).parameters
        options = {"sample_weight": weight} if weighs and weight is not None else {}

        def score(params: FloatArray) -> float:
            estimator = copy.copy(self)
            estimator._params = params
            return float(scorer(estimator, X, y, **options))

        return score

    def _has_validation(self, X_val: Any, y_val: Any, sample_weight_val: Any) -> bool:
        """Return whether validation data are given, and all that belongs to them."""
        if (X_val is None) != (y_val is None):
            given, missing = ("X_val", "y_val")[:: 1 if y_val is None else -1]
            raise ValueError(f"{given} is given without {missing}; give both or none.")
        if X_val is None and sample_weight_val is not None:
            raise ValueError(
                "sample_weight_val is given without X_val and y_val; give all or none."
            )
        return X_val is not None

    def _check_partial(self, X_val: Any) -> None:
        """Raise for parameters that make no sense where each call sees some rows."""
        if self.early_stopping and X_val is None:
            raise ValueError(
                "With early_stopping=True partial_fit needs X_val and y_val: rows held "
                "out of one call would be trained on in another."
            )

    def _end(self, outcome: Outcome) -> Self:
        """Return self, or raise the interrupt that ended training."""
        if outcome.interrupt is not None:
            raise outcome.interrupt
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def takes_rows_in_turn(estimator: BaseDeepNet) -> bool:
    """Say whether there is `partial_fit`, for scikit-learn's ``available_if``."""
    if estimator.solver == "lbfgs" or isinstance(estimator.solver, LBFGS):
        raise AttributeError(
            "solver='lbfgs' has no partial_fit, since it needs all rows at once. Use "
            "fit, or a first-order solver such as 'adam'."
        )
    return True
