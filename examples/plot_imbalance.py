"""
A rare class
============

Only three rows in a hundred belong to the class that matters. A network that is trained
on these data classifies 98 percent of the rows correctly, but misses a third of the
rare class. This example compares what helps: ``class_weight``, ``sample_weight``,
another threshold, and the focal loss.
"""

# %%
# Of 20 000 rows, 600 belong to the rare class. Half of the rows are the test set.

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.metrics import (
    balanced_accuracy_score,
    precision_recall_curve,
    precision_score,
    recall_score,
)
from sklearn.model_selection import train_test_split

from sklearn_deepnet import DeepNetClassifier

X, y = make_classification(
    20_000,
    n_features=10,
    n_informative=6,
    weights=[0.97],
    class_sep=0.9,
    flip_y=0,
    random_state=0,
)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.5, stratify=y, random_state=0
)
print(f"rare rows: {y_train.sum()} of {len(y_train)} in training, ", end="")
print(f"{y_test.sum()} of {len(y_test)} in the test set\n")

# %%
# The same network is trained five times, with different weights of the rows. ``n_iter``
# with ``tol=None`` gives all of them the same number of steps.

net = DeepNetClassifier(
    (32, 16), learning_rate=0.003, n_iter=30, tol=None, random_state=0
)
five_fold = np.where(y_train == 1, 5.0, 1.0)  # misses cost five times as much

CHOICES = {  # parameters of the network, sample_weight
    "unweighted": ({}, None),
    "focal": ({"loss": "focal"}, None),
    "sample_weight, 5 to 1": ({}, five_fold),
    "balanced": ({"class_weight": "balanced"}, None),
    "focal, balanced": ({"loss": "focal", "class_weight": "balanced"}, None),
}
fitted = {}
for name, (parameters, weight) in CHOICES.items():
    fitted[name] = clone(net).set_params(**parameters)
    fitted[name].fit(X_train, y_train, sample_weight=weight)

# %%
# The first network has the best accuracy, but the worst balanced accuracy, which is the
# mean of the recalls of both classes. The focal loss gives more weight to rows of both
# classes that are hard to classify. It does not replace class weights, but can be
# combined with them.

row = "{:<22} {:>8} {:>9} {:>7} {:>10}".format
print(row("", "accuracy", "balanced", "recall", "precision"))
points = {}
for name, fit in fitted.items():
    predicted = fit.predict(X_test)
    recall, precision = (
        score(y_test, predicted) for score in (recall_score, precision_score)
    )
    points[name] = recall, precision
    scores = (
        fit.score(X_test, y_test),
        balanced_accuracy_score(y_test, predicted),
        recall,
        precision,
    )
    print(row(name, *(f"{score:.3f}" for score in scores)))

# %%
# The weight of a class is the weight of each of its rows, and a weight of 2 has the
# same effect as repeating a row. ``class_weight={1: 5}`` therefore gives bit-for-bit
# the third network.

by_class = clone(net).set_params(class_weight={1: 5.0}).fit(X_train, y_train)
by_weight = fitted["sample_weight, 5 to 1"]
same = all(map(np.array_equal, by_class.coefs_, by_weight.coefs_))
print(f"\nclass_weight={{1: 5}} gives the weights of sample_weight: {same}")

# %%
# With weights, the predicted probabilities are no longer calibrated. They are those of
# data in which the rare class is more frequent, so they are too high for these data. If
# you need calibrated probabilities, train without weights and lower the threshold, for
# example by scikit-learn's ``TunedThresholdClassifierCV``. Here the result is almost
# the same:

plain = fitted["unweighted"].predict_proba(X_test)[:, 1]
precisions, recalls, thresholds = precision_recall_curve(y_test, plain)
recall, precision = points["balanced"]
at = np.flatnonzero(recalls >= recall)[-1]
print(
    f"\nmean probability of the rare class, whose share is {y_test.mean():.3f}:"
    f"\n  {plain.mean():.3f} unweighted,"
    f" {fitted['balanced'].predict_proba(X_test)[:, 1].mean():.3f} balanced"
    f"\nat a recall of {recall:.3f} the precision is"
    f"\n  {precision:.3f} with class_weight='balanced',"
    f"\n  {precisions[at]:.3f} unweighted, with the threshold at {thresholds[at]:.3f}"
)

# %%
# All networks lie near the curve of the unweighted network for varying thresholds.

figure, axes = plt.subplots(figsize=(7, 5.5), layout="constrained")
axes.plot(recalls, precisions, color="0.5", label="unweighted, any threshold")
for (name, point), marker in zip(points.items(), "osD^v", strict=True):
    axes.plot(*point, marker, color="black", markerfacecolor="white", markersize=9)
    axes.annotate(
        name, point, xytext=(-10, -12), textcoords="offset points", ha="right"
    )
axes.set(
    xlim=(0.5, 1),
    ylim=(0, 1),
    xlabel="recall: share of the rare rows that are found",
    ylabel="precision: share of the found rows that are rare",
    title="Weights raise the recall and lower the precision",
)
axes.legend(loc="lower left")

path = Path(__file__).with_suffix(".png") if "__file__" in globals() else None
if path:
    figure.savefig(path, dpi=120)
    print(f"\nThe figure is in {path}")
