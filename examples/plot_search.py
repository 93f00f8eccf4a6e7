"""
Search a pipeline with a progress bar
=====================================

A grid of 64 networks on five folds needs 320 fits. Within ``stacked()``,
``GridSearchCV`` trains its networks together, as stacks, and gives bit for bit the same
result. The scaler before them is fitted once for each fold, not once for each network.

The progress bar requires scikit-learn 1.9 and the package ``rich``. Everything else
also works without them.
"""

# %%
# The progress bar is set on the search, and counts candidates times folds. With
# ``max_propagation_depth=0`` it does not follow each single fit, so that the fits can
# share their scalers.

from pathlib import Path
from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from pandas.plotting import parallel_coordinates
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_deepnet import DeepNetClassifier, stacked

X, y = load_breast_cancer(return_X_y=True)
net = DeepNetClassifier((16,), batch_size=32, n_iter=50, tol=None, random_state=0)
model = Pipeline([("scale", StandardScaler()), ("net", net)])
grid = {
    "net__learning_rate": np.logspace(-4, -1, 8).tolist(),
    "net__alpha": np.logspace(-3, 1, 4).tolist(),
    "net__init": ["xavier", "he"],
}

search = GridSearchCV(model, grid, scoring="neg_log_loss")
try:
    import rich  # noqa: F401
    from sklearn.callback import ProgressBar
except ImportError as error:
    print(f"No progress bar: {error}.")
else:
    search.set_callbacks(ProgressBar(max_propagation_depth=0))
start = perf_counter()
with stacked() as stacks:
    search.fit(X, y)
seconds = perf_counter() - start
print(stacks.summary)
print(f"best log-loss {-search.best_score_:.4f} at")
for name, value in search.best_params_.items():
    print(f"  {name} = {value}")

# %%
# Without ``stacked()`` the search finds the same result, but takes longer.

start = perf_counter()
other = GridSearchCV(model, grid, scoring="neg_log_loss").fit(X, y)
print(f"{seconds:.1f} s as stacks, {perf_counter() - start:.1f} s one by one")
scores = "mean_test_score"
same = np.array_equal(search.cv_results_[scores], other.cv_results_[scores])
print("the scores are bit-for-bit the same:", same)

# %%
# The figure shows the scores over the grid, for the better init. With low learning
# rates the network learns too slowly; with high ones training diverges or the loss
# jumps. The penalty matters where learning is fast.

loss = -search.cv_results_[scores]
alphas = search.cv_results_["param_net__alpha"].astype(float)
rates = search.cv_results_["param_net__learning_rate"].astype(float)
init = search.best_params_["net__init"]
with_best = search.cv_results_["param_net__init"] == init
figure, ax = plt.subplots(layout="constrained")
for alpha, style in zip(grid["net__alpha"], ["-", "--", "-.", ":"], strict=True):
    chosen = with_best & (alphas == alpha)
    ax.plot(rates[chosen], loss[chosen], style, marker="o", label=f"{alpha:.2g}")
ax.set(
    xscale="log",
    yscale="log",
    xlabel="learning_rate",
    ylabel="log-loss of the held-out rows",
    title=f"The best rate lies within a decade (init={init!r})",
)
ax.legend(title="alpha")

# %%
# Parallel coordinates, drawn by pandas, show all parameters at once, with one line for
# each candidate. Each parameter has an axis with its values in the order of the grid.
# The lines of the best third pass through the learning rates in the middle and come
# from both initializers.

lines, lines_ax = plt.subplots(layout="constrained")
position = {
    name.removeprefix("net__"): [
        values.index(value) / (len(values) - 1)
        for value in search.cv_results_[f"param_{name}"]
    ]
    for name, values in grid.items()
}
rank = search.cv_results_["rank_test_score"]
third = pd.cut(rank, 3, labels=["best third", "middle third", "worst third"])
candidates = pd.DataFrame({**position, "log-loss rank": 1 - rank / len(rank)})
parallel_coordinates(
    candidates.assign(third=third).sort_values("third", ascending=False),
    "third",
    color=["#d9d9d9", "#74a9cf", "#02385a"],
    ax=lines_ax,
)
lines_ax.set(yticks=[], title="Of the best third, all have a rate in the middle")
lines_ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.06), ncols=3)

path = Path(__file__).with_suffix(".png") if "__file__" in globals() else None
if path:
    figure.savefig(path, dpi=120)
    lines_path = path.with_name(f"{path.stem}_lines.png")
    lines.savefig(lines_path, dpi=120)
    print(f"Log-losses over the grid are in {path}, all parameters in {lines_path}")
