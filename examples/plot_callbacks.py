"""
Watch a search, and stop training early
=======================================

scikit-learn 1.9 has callbacks. They are called after each epoch of a network, whether
it is trained alone, in a pipeline, or in the processes of a search. scikit-learn
provides two callbacks, a progress bar and a monitor of scores. This example uses both,
and adds its own callback, which stops training.

It needs scikit-learn 1.9 and, for the progress bar, the package ``rich``.
"""

# %%
# Older versions of scikit-learn have no callbacks. With them, this example stops here.

from pathlib import Path

try:
    import rich  # noqa: F401
    from sklearn.callback import ProgressBar, ScoringMonitor
except ImportError as error:
    print(f"This example needs scikit-learn 1.9 or newer, and rich: {error}.")
    raise SystemExit from None

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_deepnet import DeepNetClassifier

X, y = load_digits(return_X_y=True)

# %%
# The progress bar is set on the outermost estimator, here the search. It also shows the
# estimators inside: ``max_propagation_depth=2`` includes the pipeline and the network.
# The monitor is set on the network itself; the clones of the network, in any process,
# report to this monitor.

monitor = ScoringMonitor(scoring="accuracy")
net = DeepNetClassifier((32,), n_iter=30, tol=None, random_state=0)
net.set_callbacks(monitor)
search = GridSearchCV(
    Pipeline([("scale", StandardScaler()), ("net", net)]),
    {"net__learning_rate": [0.0003, 0.001, 0.003]},
    cv=2,
)
search.set_callbacks(ProgressBar(max_propagation_depth=2))
search.fit(X, y)
print(f"\nbest: {search.best_params_}, accuracy {search.best_score_:.3f} in validation")

# %%
# The log has a row for each epoch of each network (``data_as_pandas`` returns it as a
# data frame, if pandas is installed). The path of a task leads from the search down to
# the epoch. The scores are those of the training rows; for other rows, use ``X_val``
# and ``scoring`` of the network.

epochs = [task for task in monitor.get_logs().data if task["task_name"] == "epochs"]
curves = {}
for task in epochs:
    *where, _ = task["task_id_path"]
    curves.setdefault(tuple(where), []).append(task["accuracy"])
print(f"\nthe log has {len(epochs)} epochs of {len(curves)} networks")

# %%
# A callback is any object with these four methods. Each method receives the arguments
# that are in its signature. ``fitted_estimator`` is a copy of the network after the
# epoch, which can predict, or None if there is no such copy. If the method returns
# True, training stops.


class StopAt:
    """Ends training once the accuracy on the training rows is high enough."""

    def __init__(self, accuracy):
        self.accuracy = accuracy

    def setup(self, estimator, context):
        """Do nothing: this callback needs no preparation."""

    def teardown(self, estimator, context):
        """Do nothing: this callback has nothing to clean up."""

    def on_fit_task_begin(self, estimator, context):
        """Do nothing before an epoch."""

    def on_fit_task_end(
        self, estimator, context, *, X=None, y=None, fitted_estimator=None
    ):
        """Return whether to stop."""
        if fitted_estimator is None:
            return False
        return fitted_estimator.score(X, y) >= self.accuracy


best = search.best_estimator_
best["net"].set_callbacks(StopAt(0.99))
best.fit(X, y)
stopped = best["net"]
accuracy = best.score(X, y)
print(f"\nstopped after {stopped.n_iter_} of {stopped.n_iter} epochs at {accuracy:.4f}")

# %%
# Clones and pickles include the callbacks. ``set_callbacks()`` removes them.

stopped.set_callbacks()

# %%
# The figure shows the mean of both folds for each learning rate.

folds = search.n_splits_
rates = search.param_grid["net__learning_rate"]
candidates = [curve for where, curve in sorted(curves.items()) if where[1] == 0]
figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
for at, (rate, style) in enumerate(zip(rates, (":", "--", "-"), strict=True)):
    of_folds = candidates[at * folds : (at + 1) * folds]
    mean = [sum(scores) / folds for scores in zip(*of_folds, strict=True)]
    axes.plot(range(1, len(mean) + 1), mean, style, color="black", label=rate)
axes.set(
    ylim=(0, 1.02),
    xlabel="epochs",
    ylabel="accuracy on the training rows",
    title="With ten times the learning rate, far fewer epochs are enough",
)
axes.legend(title="learning_rate", loc="lower right")

path = Path(__file__).with_suffix(".png") if "__file__" in globals() else None
if path:
    figure.savefig(path, dpi=120)
    print(f"\nThe figure is in {path}")
