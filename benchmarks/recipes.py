"""Recipes for members of an ensemble: the default one, and one change from it each."""

from sklearn_deepnet import (
    DeepNetClassifier,
    DeepNetEnsembleClassifier,
    DeepNetEnsembleRegressor,
    DeepNetRegressor,
)

RECIPE = {
    "learning_rate": 0.01,
    "schedule": "cosine",
    "alpha": 0.1,
    "early_stopping": "auto",
    "validation_fraction": 0.15,
    "tol": None,
}
CHANGES = {
    "4 members": {},
    "8 members": {"n_estimators": 8},
    "1 member": {"n_estimators": 1},
}


def recipe(n_estimators=4, **changes):
    """Return a function of seed and has_classes, as `tables.MODELS` has them."""

    def make(seed, has_classes):
        network = DeepNetClassifier if has_classes else DeepNetRegressor
        ensemble = (
            DeepNetEnsembleClassifier if has_classes else DeepNetEnsembleRegressor
        )
        member = network(**RECIPE | changes)
        return ensemble(member, n_estimators=n_estimators, random_state=seed)

    return make


RECIPES = {f"recipe: {label}": recipe(**changes) for label, changes in CHANGES.items()}
