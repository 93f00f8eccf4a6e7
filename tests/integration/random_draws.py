"""A case: an estimator with all its parameters, data, and a sequence of calls.

`draw_case` draws it from one seed. Its ``repr`` is code that makes the same case.
"""

import inspect
from dataclasses import dataclass, replace

import numpy as np

from tests.integration import random_data, random_values
from tests.integration.random_data import Data, classes_of
from tests.integration.random_values import CLASSES, INVALID, OF_CLASS, VALUES

TWO_COLUMNS = ("numbers", "constant_column")
CALLS = (
    "fit",
    "fit with warm_start",
    "partial_fit",
    "partial_fit of other rows",
    "partial_fit without weight",
    "set_params of learning_rate",
    "set_params of alpha",
    "set_params of hidden_layer_sizes",
    "set_params of dtype",
    "set_params of solver",
    "set_params of tol",
    "fit of NaN",
    "partial_fit of other columns",
    "fit of float32",
    "predict",
)


@dataclass(frozen=True)
class Case:
    """An estimator, its data, and what is called.

    Parameters
    ----------
    seed : int
        The seed that the case was drawn from.
    estimator : str
        Name of the class.
    params : dict of str
        Parameters that are not at their defaults, as expressions.
    data : Data
        The data to fit.
    calls : tuple of str
        Calls of one estimator, one after the other; see `CALLS`.
    member : dict of str or None
        Parameters of the network that an ensemble clones; None for its default.
    must_fail : bool
        Whether a parameter or the data are invalid.
    """

    seed: int
    estimator: str
    params: dict[str, str]
    data: Data
    calls: tuple[str, ...] = ()
    member: dict[str, str] | None = None
    must_fail: bool = False

    @property
    def is_ensemble(self):
        return "Ensemble" in self.estimator

    @property
    def is_classifier(self):
        return "Classifier" in self.estimator

    @property
    def network_params(self):
        """The parameters of the network, also if an ensemble clones it."""
        return self.member or {} if self.is_ensemble else self.params

    @property
    def n_quantiles(self):
        """How many quantiles a regressor predicts; 1 for all other losses."""
        if self.network_params.get("loss") != "'quantile'":
            return 1
        return 1 + self.network_params.get("quantile", "0.5").count(",")

    @property
    def has_small_steps(self):
        """Whether training leaves weights of a usual size."""
        return "1e6" not in str(self.network_params.get("learning_rate"))

    def value_of(self, name):
        """Return the value of a parameter of the network."""
        network = self.make()
        network = network._base if self.is_ensemble else network
        return getattr(network, name)

    def make(self, **changes):
        """Return the estimator, not fitted; `changes` are parameters of the network."""
        network = CLASSES[self.estimator.replace("Ensemble", "")]
        names = self._names()
        params = {name: eval(it, names) for name, it in self.params.items()}
        if not self.is_ensemble:
            return network(**params | changes)
        ensemble = CLASSES[self.estimator]
        if self.member is not None or changes:
            member = {k: eval(it, names) for k, it in (self.member or {}).items()}
            make = network if self.member is not None else ensemble.recipe
            params["estimator"] = make(**member | changes)
        return ensemble(**params)

    def changed(self, **params):
        """Return a case with other parameters of the network, as expressions."""
        if not self.is_ensemble:
            return replace(self, params=self.params | params)
        return replace(self, member=(self.member or {}) | params)

    def _names(self):
        hidden = self.network_params.get("hidden_layer_sizes", "(100,)")
        classes, n_labels = (), 1
        hidden = eval(hidden, {"np": np}) if hidden in _SIZES else ()
        if self.is_classifier:
            classes = classes_of(self.data).tolist()
            n_labels = n_outputs = len(classes)
            n_outputs -= n_labels == 2
        else:
            n_outputs = 2 if self.data.target in TWO_COLUMNS else self.n_quantiles
        sizes = (len(self.data.columns), *np.ravel(hidden).tolist(), n_outputs)
        return random_values.names(sizes, classes, n_labels)


N_ROWS = (0.02, 0.03, 0.06, 0.09, 0.2, 0.35, 0.2, 0.04, 0.01)
_SIZES = {"(100,)", *VALUES["hidden_layer_sizes"]}


def parameters_of(estimator):
    """Return the names of all parameters of a class."""
    return set(inspect.signature(CLASSES[estimator]).parameters)


def values_of(estimator, name):
    """Return the expressions from which a parameter is drawn."""
    return OF_CLASS.get(estimator, {}).get(name) or VALUES[name]


def draw_case(seed):
    """Return the case of this seed."""
    rng = np.random.default_rng(seed)
    estimator = str(rng.choice([*CLASSES], p=[0.4, 0.3, 0.15, 0.15]))
    network = estimator.replace("Ensemble", "")
    data = _draw_data(rng, "Classifier" in network)
    params = _draw_params(rng, network)
    if rng.random() < 0.95:  # otherwise some refuse each other, with a message
        _make_compatible(rng, params, data)
    member = None
    if estimator != network:
        member = None if rng.random() < 0.1 else params
        params = _draw_params(rng, estimator)
        params["random_state"] = str(rng.choice(VALUES["random_state"][:3]))
    calls = tuple(rng.choice(CALLS, rng.integers(2, 6)).tolist())
    case = Case(seed, estimator, params, data, calls, member)
    return _spoil(rng, case) if rng.random() < 0.1 else case


def _draw_params(rng, estimator):
    """Draw about a third of the parameters; the others have their defaults."""
    chosen = {}
    for name in sorted(parameters_of(estimator)):
        if rng.random() < (0.15 if name == "scoring" else 0.35):  # scorers are slow
            chosen[name] = str(rng.choice(values_of(estimator, name)))
    if "hidden_layer_sizes" in parameters_of(estimator):
        # Small, and the same in every run
        defaults = {"hidden_layer_sizes": "(4, 3)", "n_iter": "4", "random_state": "0"}
        chosen = defaults | chosen
    return chosen


def _make_compatible(rng, params, data):
    """Change parameters, in place, that the network refuses in this combination."""
    if params.get("loss") not in (None, "'log_loss'"):
        params.pop("label_smoothing", None)
    weights, target = params.get("class_weight", "'balanced'"), data.target
    is_list = weights.startswith("[")
    if weights != "'balanced'" and is_list != (target == "labels"):
        del params["class_weight"]
    if random_data.is_sparse(data.container):
        params.pop("numeric_features", None)
        if params.get("input_scaling") in ("'standard'", "'robust'"):
            del params["input_scaling"]
    if params.get("quantile", "").startswith("[") and target in TWO_COLUMNS:
        del params["quantile"]
    if target == "count" and rng.random() < 0.5:
        params["loss"] = "'poisson'"
    if rng.random() < 0.05:
        params |= {"init": "initial_arrays(layer_sizes)", "input_scaling": "None"}
        params.pop("numeric_features", None)


def _draw_data(rng, is_classifier):
    of_class = random_data.OF_CLASSIFIER if is_classifier else random_data.OF_REGRESSOR
    target = str(rng.choice(of_class))
    labels = [*random_data.LABELS]
    if target in ("labels", "class_column"):
        labels = random_data.OF_INDICATORS
    elif not is_classifier:
        labels = ("float",) if target != "count" else random_data.OF_NUMBERS
    weights = [None, None, *random_data.WEIGHTS]
    if not is_classifier or target in ("labels", "class_column"):
        weights.remove("one_class")
    n_columns = rng.choice(
        [1, 2, 3, 4, 6, 15, 120], p=[0.1, 0.2, 0.3, 0.2, 0.1, 0.05, 0.05]
    )
    kinds = [*random_data.COLUMNS] if rng.random() < 0.4 else [*random_data.SMALL]
    return Data(
        seed=int(rng.integers(10**6)),
        n_rows=int(rng.choice([2, 4, 7, 10, 25, 40, 70, 230, 1500], p=N_ROWS)),
        columns=("normal", *rng.choice(sorted(kinds), n_columns - 1).tolist()),
        container=str(rng.choice([*random_data.CONTAINERS])),
        target=target,
        labels=str(rng.choice(labels)),
        weights=weights[rng.integers(len(weights))],
        n_validation=int(rng.choice([0, 0, 0, 12, 30])),
    )


def _spoil(rng, case):
    """Make one parameter or the data invalid."""
    if rng.random() < 0.4:
        fault = str(rng.choice([*random_data.FAULTS]))
        data = replace(case.data, fault=fault, n_validation=0, container="float64")
        return replace(case, data=replace(data, weights=None), must_fail=True)
    is_own = not case.is_ensemble or case.member is None or rng.random() < 0.3
    network = case.estimator.replace("Ensemble", "")
    estimator = case.estimator if is_own else network
    names = parameters_of(estimator)
    if not is_own:
        names -= {"random_state"}  # the ensemble gives each member its own
    name = str(rng.choice(sorted(names)))
    invalid = {name: str(rng.choice(INVALID[name]))}
    if name == "quantile":
        invalid["loss"] = "'quantile'"
    if is_own:
        member = None if name == "estimator" else case.member
        params = case.params | invalid
        return replace(case, params=params, member=member, must_fail=True)
    return replace(case, member=case.member | invalid, must_fail=True)
