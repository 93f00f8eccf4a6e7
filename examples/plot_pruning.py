"""
Stop bad trials of optuna within fit
====================================

optuna can prune trials: it ends a trial whose scores stay behind those of others. For
this it needs the score of each epoch. A callback of scikit-learn 1.9 reports it, and
stops ``fit`` when optuna decides to prune. This takes less time than a loop over
``partial_fit``.

It needs scikit-learn 1.9 and the package ``optuna``.
"""

# %%
# Older versions of scikit-learn have no callbacks. With them, this example stops here.

from pathlib import Path

try:
    import optuna
    import sklearn.callback  # noqa: F401
except ImportError as error:
    print(f"This example needs scikit-learn 1.9 or newer, and optuna: {error}.")
    raise SystemExit from None

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sklearn_deepnet import DeepNetClassifier

optuna.logging.set_verbosity(optuna.logging.WARNING)
X, y = load_digits(return_X_y=True)
X_train, X_val, y_train, y_val = train_test_split(X, y, stratify=y, random_state=0)

# %%
# A callback is any object with these four methods. scikit-learn calls
# ``on_fit_task_end`` after each epoch, and once more after the whole fit. The network
# at that time is ``fitted_estimator``, which has the curves so far, or None if there is
# no such copy. If the method returns True, training stops.


class PruneTrial:
    """Report the validation score of each epoch, and stop a trial that is pruned."""

    def __init__(self, trial):
        self.trial = trial
        self.is_pruned = False

    def setup(self, estimator, context):
        """Do nothing: this callback needs no preparation."""

    def teardown(self, estimator, context):
        """Do nothing: this callback has nothing to clean up."""

    def on_fit_task_begin(self, estimator, context):
        """Do nothing before an epoch."""

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        """Return whether to stop."""
        if context.task_name == "epochs" and fitted_estimator is not None:
            score = fitted_estimator.validation_scores_[-1]
            self.trial.report(score, step=fitted_estimator.n_iter_)
            self.is_pruned = self.trial.should_prune()
        return self.is_pruned


# %%
# The objective trains one network. Its score is that of the best epoch, whose weights
# the network has with ``restore_best``, the default. With ``tol=None`` nothing but
# optuna ends training early.


def network(learning_rate, dropout):
    """Return a network with the parameters of a trial."""
    return DeepNetClassifier(
        (32,),
        learning_rate=learning_rate,
        dropout=dropout,
        n_iter=40,
        tol=None,
        scoring="accuracy",
        random_state=0,
    )


def objective(trial):
    """Return the accuracy on the validation rows."""
    net = network(
        learning_rate=trial.suggest_float("learning_rate", 1e-4, 1, log=True),
        dropout=trial.suggest_float("dropout", 0.0, 0.6),
    )
    callback = PruneTrial(trial)
    net.set_callbacks(callback).fit(X_train, y_train, X_val=X_val, y_val=y_val)
    if callback.is_pruned:
        raise optuna.TrialPruned
    return net.validation_scores_[net.best_iter_]


study = optuna.create_study(
    direction="maximize",
    sampler=optuna.samplers.TPESampler(seed=0),
    pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=2),
)
study.optimize(objective, n_trials=30)

pruned = [t for t in study.trials if t.state == optuna.trial.TrialState.PRUNED]
n_epochs = sum(len(t.intermediate_values) for t in study.trials)
print(f"{len(pruned)} of {len(study.trials)} trials were pruned")
print(f"{n_epochs} epochs instead of {40 * len(study.trials)}")
print(f"best: {study.best_params}, accuracy {study.best_value:.4f}")

# %%
# The callback does not change training, so a network with the best parameters has the
# same score without it.

net = network(**study.best_params)
net.fit(X_train, y_train, X_val=X_val, y_val=y_val)
print(f"the same score again: {net.score(X_val, y_val) == study.best_value}")

# %%
# The figure shows the error rate of each trial, epoch by epoch. Most of the trials that
# end after two epochs have a low learning rate.

figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
for trial in study.trials:
    epochs, scores = zip(*trial.intermediate_values.items(), strict=True)
    errors = [1 - score for score in scores]
    is_best = trial.number == study.best_trial.number
    if trial in pruned:
        axes.plot(epochs, errors, color="0.7", linewidth=1)
        axes.plot(epochs[-1], errors[-1], "x", color="0.4")
    else:
        axes.plot(epochs, errors, color="black", linewidth=2.5 if is_best else 0.8)
axes.plot([], [], "x", color="0.4", linestyle="-", label="pruned")
axes.plot([], [], color="black", linewidth=0.8, label="complete")
axes.plot([], [], color="black", linewidth=2.5, label="best")
axes.set(
    yscale="log",
    xlabel="epochs",
    ylabel="error rate on the validation rows",
    title="Bad trials end after a few epochs",
)
axes.legend(loc="upper right")

path = Path(__file__).with_suffix(".png") if "__file__" in globals() else None
if path:
    figure.savefig(path, dpi=120)
    print(f"\nThe figure is in {path}")
