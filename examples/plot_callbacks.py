"""
Watch a search, and stop when it is enough
==========================================

scikit-learn 1.9 has callbacks, which are told of every pass of a network wherever it
trains: alone, in a pipeline, in the workers of a search. Two come with scikit-learn, a
progress bar and a monitor of scores; a third is written here, and ends training.

It takes scikit-learn 1.9 and, for the progress bar, the package ``rich``.
"""

# %%
# With an older scikit-learn there is nothing to be shown. Networks train there as well,
# but no callback can be set.

from pathlib import Path

try:
    import rich  # noqa: F401
    from sklearn.callback import ProgressBar, ScoringMonitor
except ImportError as error:
    print(f"This example needs scikit-learn 1.9 or newer, and rich: {error}.")
    raise SystemExit from None

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_deepnet import DeepNetClassifier

X, y = load_digits(return_X_y=True)

# %%
# The progress bar is set on the outermost estimator, here the search, and hands itself
# down: ``max_propagation_depth=2`` is as far as search, pipeline, network. The monitor
# is set on the network itself; clones of it, in any process, report to this one.

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
# The log has a row for each pass of each network (``data_as_pandas`` makes a table of
# it, if pandas is there). The path of a task leads from the search down to the pass.
# What is scored are the rows that the network is trained on; for others, see
# ``X_val`` and ``scoring`` of the network.

epochs = [task for task in monitor.get_logs().data if task["task_name"] == "passes"]
curves = {}
for task in epochs:
    *where, _ = task["task_id_path"]
    curves.setdefault(tuple(where), []).append(task["accuracy"])
print(f"\n{len(epochs)} passes of {len(curves)} networks are in the log")

# %%
# A callback of one's own is any object with these four methods. It asks for what it
# needs by the names of its arguments; ``fitted_estimator`` is a copy of the network as
# it stands after the pass, ready to predict, or None where there is none to be given.
# To return True ends the training.


class StopAt:
    """Ends training once the accuracy on the training rows is high enough."""

    def __init__(self, accuracy):
        self.accuracy = accuracy

    def setup(self, estimator, context):
        """Nothing to prepare."""

    def teardown(self, estimator, context):
        """Nothing to clear up."""

    def on_fit_task_begin(self, estimator, context):
        """Nothing to do before a pass."""

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
print(f"\nstopped after {stopped.n_iter_} of {stopped.n_iter} passes at {accuracy:.4f}")

# %%
# Callbacks travel with clones and pickles. ``set_callbacks()`` takes them off.

stopped.set_callbacks()

# %%
# In the mean of both folds, by learning rate:

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
    xlabel="passes made",
    ylabel="accuracy on the training rows",
    title="What the monitor saw: ten times the learning rate, far fewer passes",
)
axes.legend(title="learning_rate", loc="lower right")

path = Path(__file__).with_suffix(".png") if "__file__" in globals() else None
if path:
    figure.savefig(path, dpi=120)
    print(f"\nThe figure is in {path}")
