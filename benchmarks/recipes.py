"""Recipes for ensembles: the defaults, and one change from them each."""

from sklearn_deepnet import (
    DeepNetClassifier,
    DeepNetEnsembleClassifier,
    DeepNetEnsembleRegressor,
)

DEFAULTS = DeepNetClassifier().get_params()
RECIPE = DeepNetEnsembleClassifier.recipe().get_params()
PLAIN = {  # the networks' own defaults, where the recipe differs from them
    name: value for name, value in DEFAULTS.items() if value != RECIPE[name]
}
CHANGES = {
    "as it is": {},
    "1 member": {"n_estimators": 1},
    "2 members": {"n_estimators": 2},
    "8 members": {"n_estimators": 8},
    "members with the defaults of networks": PLAIN,
    "no rows held out": {"early_stopping": False},
    "a tenth of the rows held out": {"validation_fraction": 0.1},
    "a quarter of the rows held out": {"validation_fraction": 0.25},
    "learning_rate=0.005": {"learning_rate": 0.005},
    "learning_rate=0.02": {"learning_rate": 0.02},
    'schedule="constant"': {"schedule": "constant"},
    "batch_size=32": {"batch_size": 32},
    "batch_size=200": {"batch_size": 200},
    "alpha=0.01": {"alpha": 0.01},
    "alpha=1": {"alpha": 1.0},
    'n_iter_no_change="auto"': {"n_iter_no_change": "auto"},
    "n_iter_no_change=60": {"n_iter_no_change": 60},
    "dropout=0.1": {"dropout": 0.1},
    'input_scaling="robust"': {"input_scaling": "robust"},
    'activation="tanh"': {"activation": "tanh", "init": "xavier"},
    "last layer begins with zeros": {"init": ["he", "zeros"]},
    "hidden_layer_sizes=(256,)": {"hidden_layer_sizes": (256,)},
    "hidden_layer_sizes=(64, 64)": {"hidden_layer_sizes": (64, 64)},
    'numeric_features="periodic"': {"numeric_features": "periodic"},
}


def recipe(n_estimators=4, **changes):
    """Return a function of seed and has_classes that makes an ensemble."""

    def make(seed, has_classes):
        ensemble = (
            DeepNetEnsembleClassifier if has_classes else DeepNetEnsembleRegressor
        )
        member = ensemble.recipe(**changes)
        return ensemble(member, n_estimators=n_estimators, random_state=seed)

    return make


RECIPES = {f"recipe: {label}": recipe(**changes) for label, changes in CHANGES.items()}
