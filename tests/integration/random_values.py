"""Values to draw for every parameter of the estimators, as Python expressions.

Expressions are drawn, and not objects, so that a case can be printed as code. They may
use what `names` defines: ``n_hidden`` and ``layer_sizes`` of the network, ``classes``
of the labels, and ``n_labels``.
"""

from itertools import pairwise

import numpy as np

from sklearn_deepnet import (
    DeepNetClassifier,
    DeepNetEnsembleClassifier,
    DeepNetEnsembleRegressor,
    DeepNetRegressor,
)
from sklearn_deepnet.nn import losses, optimizers, schedules
from sklearn_deepnet.nn.activations import ACTIVATIONS, Activation
from sklearn_deepnet.nn.initializers import BIAS_INITIALIZERS, INITIALIZERS
from sklearn_deepnet.nn.numeric_features import PeriodicFeatures
from sklearn_deepnet.nn.optimizers import SOLVERS
from sklearn_deepnet.nn.schedules import SCHEDULES

CLASSES = {
    cls.__name__: cls
    for cls in (
        DeepNetClassifier,
        DeepNetRegressor,
        DeepNetEnsembleClassifier,
        DeepNetEnsembleRegressor,
    )
}


# ---- components of a user


def own_init(shape, rng):
    return rng.uniform(-0.5, 0.5, shape)


def own_schedule(epoch):
    return 1 / (1 + epoch)


def own_scorer(estimator, X, y):
    return float(np.mean(estimator.predict(X) == y))


def _softsign(z, a):
    np.divide(z, 1 + np.abs(z), out=a)


def _softsign_backward(gradient, z, a):
    gradient /= (1 + np.abs(z)) ** 2


own_activation = Activation("own", _softsign, _softsign_backward, overwrites_z=False)


def _own_logistic(logits, target, scratch):
    return losses.log_loss.logistic(logits, target, scratch)


def _own_softmax(logits, target, scratch):
    return losses.log_loss.softmax(logits, target, scratch)


def _own_identity(logits, target, scratch):
    return losses.squared_error.identity(logits, target, scratch)


own_loss = losses.Loss("own", _own_logistic, _own_softmax, _own_identity)


class _ShortSteps(optimizers.Optimizer):
    """Gradient descent whose step depends on all parameters at once."""

    n_moments = 0
    decouples_decay = False

    def step(self, buffers, learning_rate, n_steps):
        params, gradient, *_ = buffers
        length = np.linalg.norm(gradient, axis=-1, keepdims=True)
        params -= learning_rate * gradient / np.maximum(length, 1)


OWN = {it.__name__: it for it in (own_init, own_schedule, own_scorer)} | {
    "own_activation": own_activation,
    "own_loss": own_loss,
    "own_optimizer": _ShortSteps(),
}


def initial_arrays(layer_sizes):
    """Return weights and biases of each layer, shaped like `coefs_`."""
    rng = np.random.RandomState(5)
    return [
        it
        for n, m in pairwise(layer_sizes)
        for it in (rng.randn(n, m) / 2, rng.randn(m))
    ]


# ---- values that are allowed

VALUES = {
    "hidden_layer_sizes": [
        "(3,)",
        "4",
        "()",
        "(4, 3)",
        "[2, 3, 2]",
        "np.array([3, 2])",
    ],
    "activation": [
        *map(repr, ACTIVATIONS),
        "['relu', 'tanh', 'gelu'][:n_hidden]",
        "ACTIVATIONS['silu']",
        "own_activation",
    ],
    "input_scaling": ["'auto'", "'standard'", "'robust'", "None"],
    "numeric_features": [
        "'periodic'",
        "PeriodicFeatures(n_frequencies=2, scale=0.5)",
    ],
    "init": [
        *map(repr, INITIALIZERS),
        "['he', own_init, 'xavier', 'lecun'][:n_hidden + 1]",
        "own_init",
        "INITIALIZERS['orthogonal']",
    ],
    "init_scale": ["0.1", "1", "3.0"],
    "bias_init": [*map(repr, BIAS_INITIALIZERS)],
    "solver": [
        *map(repr, SOLVERS),
        "Adam(beta1=0.5, epsilon=1e-4)",
        "Momentum(momentum=0.5)",
        "LBFGS(n_corrections=3)",
        "own_optimizer",
    ],
    "learning_rate": ["0.01", "0.1", "np.float32(0.05)", "1", "1e-5", "1e6"],
    "schedule": [
        *map(repr, SCHEDULES),
        "Step(every=2)",
        "Cosine(horizon=20)",
        "OneCycle(horizon=15)",
        "Plateau(patience=1)",
        "own_schedule",
    ],
    "batch_size": ["'auto'", "None", "1", "7", "16", "10**9"],
    "n_iter": ["0", "1", "2", "3", "5", "8"],
    "shuffle": ["True", "False", "np.False_"],
    "alpha": ["0", "1e-4", "0.1", "30.0"],
    "l1": ["0", "1e-3", "1.0"],
    "dropout": ["0.2", "[0.5, 0.0, 0.1][:n_hidden]", "0"],
    "label_smoothing": ["0.1", "0.9"],
    "clip_norm": ["0.01", "1", "100.0"],
    "class_weight": [
        "'balanced'",
        "dict(zip(classes, [2, 0.5, 1, 3]))",
        "{classes[0]: 0}",
        "[{0: 1, 1: 3}] * n_labels",
    ],
    "tol": ["None", "1e-4", "0", "0.05"],
    "n_iter_no_change": ["'auto'", "1", "2", "np.inf"],
    "early_stopping": ["True", "False", "'auto'"],
    "validation_fraction": ["0.1", "0.3", "0.5"],
    "scoring": ["own_scorer", "None"],
    "restore_best": ["True", "False"],
    "target_scaling": ["'standard'", "None"],
    "quantile": ["0.9", "[0.1, 0.5, 0.8]"],
    "warm_start": ["True", "False"],
    "verbose": ["1", "2", "True"],
    "random_state": ["0", "np.int64(7)", "np.random.RandomState(3)", "None"],
    "dtype": ["'float32'", "'float64'", "np.float32", "np.dtype('float64')"],
    "estimator": ["None"],  # or a network, whose parameters are drawn as well
    "n_estimators": ["1", "2", "3"],
    "bootstrap": ["True", "False"],
    "n_jobs": ["None", "1"],
}
OF_CLASS = {
    "DeepNetClassifier": {
        "loss": ["'log_loss'", "'focal'", "'squared_error'", "focal(1.0)", "own_loss"],
        "scoring": ["'accuracy'", "'f1_macro'", "'neg_log_loss'", "own_scorer"],
    },
    "DeepNetRegressor": {
        "loss": [
            "'squared_error'",
            "'absolute_error'",
            "'huber'",
            "huber(0.3)",
            "'quantile'",
            "quantile(0.8)",
            "own_loss",
        ],
        "scoring": ["'r2'", "'neg_mean_absolute_error'", "own_scorer"],
    },
}

# ---- values that are not allowed

_NO_BOOL = ["'yes'", "None", "2"]
_NO_POSITIVE = ["0", "-0.5", "'0.1'", "np.nan", "[0.1]", "np.inf"]
_NO_SCALE = ["-1e-9", "'none'", "None", "np.nan", "[1]"]
INVALID = {
    "hidden_layer_sizes": ["(0,)", "-3", "2.5", "'ten'", "(3, True)", "None", "[[2]]"],
    "activation": [
        "'rely'",
        "None",
        "['relu'] * (n_hidden + 1)",
        "3",
        "np.tanh",
    ],
    "input_scaling": ["'minmax'", "True", "0"],
    "numeric_features": ["'fourier'", "3", "PeriodicFeatures"],
    "init": ["'hee'", "None", "3", "[]", "['he'] * (n_hidden + 2)"],
    "init_scale": ["0", "-1.0", "'big'", "np.nan"],
    "bias_init": ["'ones'", "None", "0.0"],
    "loss": ["'hinge'", "None", "log_loss.logistic", "3"],
    "solver": ["'adm'", "None", "Adam", "3"],
    "learning_rate": [*_NO_POSITIVE, "'adaptive'", "None"],
    "schedule": ["'linear'", "None", "3", "'adaptive'"],
    "batch_size": ["0", "-1", "2.5", "'full'", "np.inf"],
    "n_iter": ["-1", "2.0", "None", "'10'", "np.inf"],
    "shuffle": _NO_BOOL,
    "alpha": _NO_SCALE,
    "l1": _NO_SCALE,
    "dropout": ["1.0", "-0.1", "None", "[0.1] * (n_hidden + 1)", "'half'", "np.nan"],
    "label_smoothing": ["1", "-0.1", "None", "'no'"],
    "clip_norm": ["0", "-1", "'max'", "np.nan"],
    "class_weight": ["'equal'", "{'unknown': 2}", "3", "{classes[0]: -1}"],
    "tol": ["-1e-4", "'auto'", "np.nan"],
    "n_iter_no_change": ["0", "-1", "2.5", "None", "'never'"],
    "early_stopping": ["None", "'yes'", "3"],
    "validation_fraction": ["0.0", "1.0", "-0.1", "None", "'0.1'"],
    "scoring": ["'acuracy'", "3", "['r2']"],
    "restore_best": _NO_BOOL,
    "target_scaling": ["'robust'", "True", "3"],
    "quantile": ["0", "1.0", "[0.9, 0.1]", "'median'", "None"],
    "warm_start": _NO_BOOL,
    "verbose": ["-1", "'yes'", "None"],
    "random_state": ["-1", "'seed'", "2.5", "np.random.default_rng(0)"],
    "dtype": ["'float16'", "int", "'double double'", "3"],
    "estimator": ["'net'", "3", "(10, 5)", "DeepNetClassifier"],
    "n_estimators": ["0", "-1", "2.5", "None"],
    "bootstrap": _NO_BOOL,
    "n_jobs": ["2.5", "'all'"],
}


def names(layer_sizes, classes, n_labels):
    """Return the names that expressions may use."""
    components = {
        name: getattr(module, name)
        for module in (losses, optimizers, schedules)
        for name in module.__all__
    }
    return {
        **components,
        **OWN,
        **CLASSES,
        "np": np,
        "ACTIVATIONS": ACTIVATIONS,
        "INITIALIZERS": INITIALIZERS,
        "PeriodicFeatures": PeriodicFeatures,
        "initial_arrays": initial_arrays,
        "layer_sizes": layer_sizes,
        "n_hidden": len(layer_sizes) - 2,
        "classes": classes,
        "n_labels": n_labels,
    }
