"""From the parameters of an estimator to components, a spec and an initial state."""

from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
from numpy.random.bit_generator import ISeedSequence
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator

from .._engine import NEVER, TrainingSpec
from .._utils.lookup import claims, look_up, look_up_object
from .._utils.scores import check_scorer_name
from .._utils.sklearn_compat import parameter_defaults
from .._utils.warnings import warn
from ..nn.activations import ACTIVATIONS, Activation
from ..nn.initializers import is_scheme
from ..nn.losses import LOSSES, LossFunction
from ..nn.numeric_features import NUMERIC_FEATURES, PeriodicFeatures
from ..nn.optimizers import LBFGS, SOLVERS, Optimizer
from ..nn.schedules import SCHEDULES, Custom, Schedule
from .dataset import Dataset
from .targets import NumberTargets, resolve_number_loss

_FIRST_ORDER_ONLY = (
    "learning_rate",
    "schedule",
    "batch_size",
    "shuffle",
    "dropout",
    "clip_norm",
)
_LEAST_PATIENCE, _STEPS_OF_PATIENCE = 10, 100


class ResolvedParams(NamedTuple):
    """The parameters of an estimator after names are looked up and sizes are known."""

    layer_sizes: tuple[int, ...]
    numeric_features: PeriodicFeatures | None
    activations: list[Activation]
    out_activation: str
    loss: LossFunction
    elementwise: bool
    optimizer: Optimizer | LBFGS
    schedule: Schedule
    dropout: list[float]
    dtype: np.dtype[Any]

    @property
    def n_frequencies(self) -> int:
        """Number of numeric features of each input."""
        return _n_frequencies(self.numeric_features)


def resolve_params(
    estimator: Any, dataset: Dataset, validation_set: Dataset | None
) -> ResolvedParams:
    """Look up all names in the parameters, and check that they fit together."""
    targets = dataset.targets
    check_schedule(estimator)
    if estimator.scoring is not None:
        check_scorer_name(estimator.scoring)
    hidden = resolve_hidden_layer_sizes(estimator.hidden_layer_sizes)
    numeric_features = _resolve_numeric_features(estimator, dataset, validation_set)
    dropout = resolve_dropout(estimator.dropout, len(hidden))
    activations = resolve_activations(estimator.activation, len(hidden))
    loss = look_up(LOSSES, estimator.loss, "loss")
    if isinstance(targets, NumberTargets):
        loss = resolve_number_loss(estimator)
    schedule = look_up_object(SCHEDULES, estimator.schedule, "schedule")
    optimizer = look_up_object(SOLVERS, estimator.solver, "solver")
    out_activation, n_outputs = targets.name_out_activation(loss), targets.n_outputs
    loss_function = getattr(loss, out_activation)
    if loss_function is None:
        known = [
            name
            for name, it in LOSSES.items()
            if getattr(it, targets.name_out_activation(it)) is not None
        ]
        outputs = "numeric" if out_activation == "exponential" else out_activation
        raise ValueError(
            f"loss={loss!r} is not supported for the {outputs} outputs of "
            f"{type(estimator).__name__}. Choose one of {sorted(known)}."
        )
    n_inputs = dataset.X.shape[1] * (1 + _n_frequencies(numeric_features))
    return ResolvedParams(
        layer_sizes=(n_inputs, *hidden, n_outputs),
        numeric_features=numeric_features,
        activations=activations,
        out_activation=out_activation,
        loss=loss_function,
        # Stacks and threads require components that treat each entry independently. A
        # user's own component has to declare this.
        elementwise=claims(optimizer, "elementwise", default=False)
        and all(part.elementwise for part in (loss, *activations)),
        schedule=_wrap_function(schedule),
        optimizer=optimizer,
        dropout=dropout,
        dtype=resolve_dtype(estimator.dtype, dataset.X.dtype),
    )


def check_schedule(estimator: Any) -> None:
    """Raise if a parameter names a schedule as scikit-learn's MLP does."""
    for parameter in ("learning_rate", "schedule"):
        name, write = getattr(estimator, parameter), None
        if isinstance(name, str) and name == "adaptive":
            write = (
                "Plateau(factor=0.2, patience=11), from sklearn_deepnet.nn.schedules"
            )
        elif isinstance(name, str) and parameter == "learning_rate":
            write = repr(name) if name in SCHEDULES else None
        if write is not None:
            raise ValueError(
                f"{parameter}={name!r} is not supported. learning_rate is a number "
                f"here, and schedule says how it changes. Write schedule={write}."
            ) from None


def resolve_hidden_layer_sizes(hidden_layer_sizes: Any) -> tuple[int, ...]:
    """Return the number of units of each hidden layer."""
    if isinstance(hidden_layer_sizes, Integral):
        hidden_layer_sizes = (hidden_layer_sizes,)
    for n_units in hidden_layer_sizes:
        # To Python, True is an integer.
        is_integer = isinstance(n_units, Integral) and not isinstance(n_units, bool)
        if not is_integer or n_units < 1:
            raise ValueError(
                f"hidden_layer_sizes must contain a positive integer for each hidden "
                f"layer. Got {hidden_layer_sizes!r} instead."
            )
    return tuple(int(n_units) for n_units in hidden_layer_sizes)


def _resolve_numeric_features(
    estimator: Any, *datasets: Dataset | None
) -> PeriodicFeatures | None:
    """Return the numeric features, or None; raise if they cannot be made or drawn."""
    given = estimator.numeric_features
    if given is None:
        return None
    features = look_up_object(NUMERIC_FEATURES, given, "numeric_features")
    if any(it is not None and issparse(it.X) for it in datasets):
        raise ValueError(
            f"numeric_features={given!r} does not support sparse X, since the features "
            "of zeros are not zero. Set numeric_features=None, or give X.toarray()."
        )
    if not has_schemes(estimator.init):
        raise ValueError(
            f"numeric_features={given!r} cannot be combined with arrays of weights as "
            "init, since its frequencies are drawn at random. Set "
            "numeric_features=None, or give the name of an initializer as init."
        )
    return features


def _n_frequencies(features: PeriodicFeatures | None) -> int:
    return 0 if features is None else int(features.n_frequencies)


def resolve_activations(activation: Any, n_hidden: int) -> list[Activation]:
    """Return the activation of each hidden layer."""
    if isinstance(activation, str | Activation):
        return [look_up(ACTIVATIONS, activation, "activation")] * n_hidden
    if len(activation) != n_hidden:
        raise ValueError(
            f"activation has {len(activation)} entries for {n_hidden} hidden layers. "
            "Give one for each, or one for all."
        )
    for entry in activation:
        if not isinstance(entry, str | Activation):
            raise ValueError(
                "activation must contain names or Activation objects. Got "
                f"{entry!r} instead."
            )
    return [look_up(ACTIVATIONS, entry, "activation") for entry in activation]


def is_quasi_newton(solver: Any) -> bool:
    """Return whether the solver is L-BFGS, which SciPy runs on all samples at once."""
    return isinstance(solver, LBFGS) or (isinstance(solver, str) and solver == "lbfgs")


def resolve_schedule(schedule: Any) -> Schedule:
    """Return the schedule; a function is wrapped in `Custom`."""
    return _wrap_function(look_up_object(SCHEDULES, schedule, "schedule"))


def _wrap_function(schedule: Any) -> Schedule:
    return Custom(schedule) if callable(schedule) else schedule


def resolve_dropout(dropout: Any, n_hidden: int) -> list[float]:
    """Return the dropout rate of each hidden layer."""
    if isinstance(dropout, Real):
        dropout = [dropout] * n_hidden
    if len(dropout) != n_hidden:
        raise ValueError(
            f"dropout has {len(dropout)} entries for {n_hidden} hidden layers. Give "
            "one for each, or one for all."
        )
    for rate in dropout:
        if not (isinstance(rate, Real) and 0 <= rate < 1):
            raise ValueError(
                f"dropout must contain rates in [0, 1). Got {rate!r} instead."
            )
    return [float(rate) for rate in dropout]


def resolve_dtype(dtype: Any, X_dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return `dtype`. None is float32 if X is float32, and float64 otherwise."""
    # For NumPy, float32 in another byte order, as in some files, is another dtype.
    if dtype is None:
        is_float32 = X_dtype.newbyteorder("=") == np.float32
        return np.dtype(np.float32 if is_float32 else np.float64)
    try:
        resolved = np.dtype(dtype).newbyteorder("=")
    except TypeError:
        resolved = np.dtype(object)
    if resolved not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise ValueError(
            f"dtype must be 'float32', 'float64' or None. Got {dtype!r} instead."
        )
    return resolved


def resolve_random_state(random_state: Any) -> np.random.RandomState:
    """Return the RandomState itself, or a new one from a seed or from fresh entropy.

    Unlike ``check_random_state``, None does not use NumPy's global generator.
    """
    if isinstance(random_state, np.random.RandomState):
        return random_state
    if random_state is None:
        return np.random.RandomState()
    # `RandomState(seed)` first draws entropy, which takes longer than everything else.
    rng = np.random.RandomState(np.random.MT19937(_NoEntropy()))
    rng.seed(random_state)
    return rng


class _NoEntropy(ISeedSequence):
    """Stands for the entropy of a generator that is given its seed afterwards."""

    def generate_state(self, n: int, dtype: Any = np.uint32) -> NDArray[Any]:
        return np.ones(n, dtype)


def rows_per_batch(estimator: Any, n_rows: int) -> int:
    """Return the mini-batch size, which is at most `n_rows`."""
    if estimator.batch_size is None or is_quasi_newton(estimator.solver):
        return n_rows
    size = 200 if estimator.batch_size == "auto" else int(estimator.batch_size)
    return min(size, n_rows)


def patience(estimator: Any, n_rows: int) -> int:
    """Return after how many epochs without improvement training stops.

    "auto" is at least the number of epochs that contain `_STEPS_OF_PATIENCE` steps,
    since with momentum the loss may oscillate over several dozen steps.
    """
    if estimator.n_iter_no_change != "auto":
        return int(estimator.n_iter_no_change)
    if is_quasi_newton(estimator.solver):  # its loss falls with every iteration
        return _LEAST_PATIENCE
    n_steps = -(-n_rows // rows_per_batch(estimator, n_rows))
    return max(_LEAST_PATIENCE, -(-_STEPS_OF_PATIENCE // n_steps))


def make_spec(
    estimator: Any,
    resolved: ResolvedParams,
    n_rows: int,
    total_weight: float,
    stops: bool,
) -> TrainingSpec:
    """Return what does not change during training.

    Parameters
    ----------
    estimator : estimator
        The estimator, for its numeric parameters.
    resolved : ResolvedParams
        Its resolved parameters.
    n_rows : int
        Number of samples of the training set.
    total_weight : float
        Their total weight, by which the penalties are divided.
    stops : bool
        Whether `tol` may end training.
    """
    # scikit-learn's MLP divides penalties by the size of the mini-batch, so that they
    # grow as batches get smaller. Here they are divided by the total weight. L-BFGS
    # compares losses at different weights, so it cannot use dropout, which is random.
    return TrainingSpec(
        layer_sizes=resolved.layer_sizes,
        n_frequencies=resolved.n_frequencies,
        activations=resolved.activations,
        loss=resolved.loss,
        elementwise=resolved.elementwise,
        optimizer=resolved.optimizer,
        schedules=[resolved.schedule],
        learning_rate=np.array(float(estimator.learning_rate)),
        decay=np.array(estimator.alpha / total_weight),
        l1=np.array(estimator.l1 / total_weight),
        clip_norm=np.array(estimator.clip_norm or np.inf),
        dropout=np.array(resolved.dropout) * (not is_quasi_newton(estimator.solver)),
        tol=np.array(float(estimator.tol) if stops else 0.0),
        n_iter_no_change=np.array(patience(estimator, n_rows) if stops else NEVER),
        stops_at_best=np.array(estimator.n_iter_no_change == "auto"),
    )


def warn_of_ignored(estimator: BaseEstimator) -> None:
    """Warn of parameters that were set although L-BFGS ignores them."""
    if not is_quasi_newton(estimator.solver):
        return
    defaults = parameter_defaults(type(estimator))
    ignored = [
        f"{name}={getattr(estimator, name)!r}"
        for name in _FIRST_ORDER_ONLY
        if not _are_equal(getattr(estimator, name), defaults[name])
    ]
    if ignored:
        warn(
            f"solver='lbfgs' does not use {', '.join(ignored)}. Leave these "
            "parameters at their defaults, or choose another solver."
        )


def _are_equal(value: Any, other: Any) -> bool:
    return np.array_equal(np.asarray(value, object), np.asarray(other, object))


def has_schemes(init: Any) -> bool:
    """Return whether `init` draws weights, instead of giving them as arrays."""
    return is_scheme(init) or any(map(is_scheme, init))
