"""Networks under the names of scikit-learn's models, for scikit-learn's own tests.

`SUBSTITUTES` maps the name of a class of scikit-learn to the class that takes its
place, which accepts the same parameters.
"""

import inspect
import sys

import numpy as np
from sklearn.utils.discovery import all_estimators

from sklearn_deepnet import (
    DeepNetClassifier,
    DeepNetRegressor,
    StackedGridSearchCV,
    StackedHalvingGridSearchCV,
    StackedHalvingRandomSearchCV,
    StackedRandomizedSearchCV,
)
from sklearn_deepnet.nn.optimizers import Adam, Momentum, Nesterov
from sklearn_deepnet.nn.schedules import InvScaling, Plateau

ORIGINALS = dict(all_estimators())
SEARCHES = {
    "GridSearchCV": StackedGridSearchCV,
    "RandomizedSearchCV": StackedRandomizedSearchCV,
    "HalvingGridSearchCV": StackedHalvingGridSearchCV,
    "HalvingRandomSearchCV": StackedHalvingRandomSearchCV,
}
SUBSTITUTES = {**SEARCHES}


def _substitute(name, base, init, **members):
    """Add a subclass of `base` to `SUBSTITUTES`, whose ``__init__`` is `init`.

    It is a global variable as well, by which pickle finds it.
    """
    cls = type(name, (base,), {"__module__": __name__, "__init__": init, **members})
    setattr(sys.modules[__name__], name, cls)
    SUBSTITUTES[name] = cls


# ---- scikit-learn's networks. Parameters are translated as docs/from_mlp.md says, and
# have their new names from then on.

NEAREST = {"input_scaling": None, "init": "xavier_uniform", "n_iter_no_change": 10}
SCHEDULES = {
    "constant": lambda power: "constant",
    "invscaling": InvScaling,
    "adaptive": lambda power: Plateau(factor=0.2, patience=11),
}
RENAMED = {"max_iter": "n_iter", "learning_rate_init": "learning_rate"}
BETAS = {"beta_1": "beta1", "beta_2": "beta2", "epsilon": "epsilon"}


def _translated(given, score):
    """Return parameters of scikit-learn's networks as those of this library."""
    power = given.pop("power_t", 0.5)
    if given.get("learning_rate") in SCHEDULES:
        given["schedule"] = SCHEDULES[given.pop("learning_rate")](power)
    given = {RENAMED.get(name, name): value for name, value in given.items()}
    is_nesterov = given.pop("nesterovs_momentum", True)
    momentum, _ = given.pop("momentum", 0.9), given.pop("max_fun", None)
    betas = {new: given.pop(old) for old, new in BETAS.items() if old in given}
    if given.get("solver") == "sgd":
        given["solver"] = (Nesterov if is_nesterov else Momentum)(momentum)
    elif betas:
        given["solver"] = Adam(**betas)
    if given.get("early_stopping"):
        given.setdefault("scoring", score)
    return given


def _add_network(name, base, by_position, score, **settings):
    def __init__(self, *args, **given):
        given |= dict(zip(by_position, args, strict=False))
        base.__init__(self, **NEAREST | settings | _translated(given, score))

    def set_params(self, **params):
        return base.set_params(self, **_translated(params, score))

    def best_validation_score(self):
        scores = self.validation_scores_
        return None if scores is None else np.nanmax(scores)

    __init__.__signature__ = inspect.signature(base.__init__)
    _substitute(
        name,
        base,
        __init__,
        set_params=set_params,
        max_iter=property(lambda self: self.n_iter),
        best_validation_score_=property(best_validation_score),
    )


_add_network(
    "MLPClassifier", DeepNetClassifier, ["hidden_layer_sizes", "activation"], "accuracy"
)
_add_network(
    "MLPRegressor",
    DeepNetRegressor,
    ["loss", "hidden_layer_sizes", "activation"],
    "r2",
    tol=1e-4,
    target_scaling=None,
)

# ---- other models. Parameters have no effect, unless networks have them as well.


def _add_model(name, base, hidden_layer_sizes, same=(), settings=None, **members):
    """Substitute a network with the parameters of a model.

    Those in `same` mean the same in a network. Others that have another meaning in a
    network, such as `solver`, are accepted and dropped.
    """
    settings = {"solver": "lbfgs", "tol": None, "n_iter": 100} | (settings or {})
    same = {*same, "class_weight", "random_state"}
    signature = inspect.signature(ORIGINALS[name])
    of_network = inspect.signature(base).parameters
    kept = {
        it: parameter
        for it, parameter in signature.parameters.items()
        if it in same or it not in of_network
    }

    def __init__(self, *args, **given):
        base.__init__(self, hidden_layer_sizes, **settings)
        bound = signature.bind(*args, **given)
        bound.apply_defaults()
        for it in kept:
            setattr(self, it, bound.arguments[it])
        if getattr(self, "random_state", None) is None:
            self.random_state = 0  # most models are not random

    own = inspect.signature(base.__init__).parameters["self"]
    __init__.__signature__ = inspect.Signature([own, *kept.values()])
    _substitute(name, base, __init__, **members)


def _coef(net):
    (W,) = net.coefs_
    return W.T if hasattr(net, "classes_") or net.n_outputs_ > 1 else W[:, 0]


# A network without hidden layers is a linear model: the same one, with these settings.
LINEAR = {"input_scaling": None, "init": "zeros", "bias_init": "zeros"}
COEF = {
    "coef_": property(_coef),
    "intercept_": property(lambda net: net.intercepts_[0]),
}
PENALTY = property(lambda net: 1 / net.C, lambda net, value: None)

_add_model(
    "LogisticRegression", DeepNetClassifier, (), settings=LINEAR, alpha=PENALTY, **COEF
)
for _name in ("LinearRegression", "Ridge"):
    _add_model(
        _name,
        DeepNetRegressor,
        (),
        ("alpha",),
        LINEAR | {"target_scaling": None, "alpha": 0.0},
        **COEF,
    )
# Other models are networks with a hidden layer. Neither dense nor sparse X is scaled.
HIDDEN = {"input_scaling": None}
BY_EPOCHS = {"solver": "adam", "learning_rate": 0.01, "n_iter": 30}
for _name, _settings in {
    "DecisionTree": HIDDEN,
    "KNeighbors": HIDDEN,
    "RandomForest": HIDDEN,
    "SGD": HIDDEN | BY_EPOCHS,
}.items():
    _add_model(f"{_name}Classifier", DeepNetClassifier, (10,), settings=_settings)
    _add_model(f"{_name}Regressor", DeepNetRegressor, (10,), settings=_settings)
for _name in ("GaussianNB", "MultinomialNB", "SVC"):
    _add_model(_name, DeepNetClassifier, (10,), settings=HIDDEN)
_add_model("SVR", DeepNetRegressor, (10,), settings=HIDDEN)


# ---- the estimator of tests of callbacks, which may be fitted without data


class MaxIterEstimator(DeepNetRegressor):
    """A network of `max_iter` epochs."""

    def __init__(self, max_iter=20, computation_intensity=0.001):
        super().__init__((2,), tol=None, random_state=0)
        self.max_iter, self.computation_intensity = max_iter, computation_intensity

    n_iter = property(lambda self: self.max_iter, lambda self, value: None)

    def fit(self, X=None, y=None, *, sample_weight=None):
        X = np.eye(3) if X is None else X
        return super().fit(X, np.arange(len(X)) if y is None else y, sample_weight)


SUBSTITUTES["MaxIterEstimator"] = MaxIterEstimator
