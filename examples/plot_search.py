"""
Search a pipeline with a progress bar
=====================================

A grid of 64 networks on five folds is 320 trainings. ``StackedGridSearchCV`` gives the
answer of ``GridSearchCV``, to the last bit, and trains the networks of a fold as one
stack; the scaler before them is fitted once for each fold, not once for each network.

The progress bar takes scikit-learn 1.9 and the package ``rich``; the rest does not.
"""

# %%
# The bar is set on the search, and counts candidates times folds.

from pathlib import Path
from time import perf_counter

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_deepnet import DeepNetClassifier, SearchDisplay, StackedGridSearchCV

X, y = load_breast_cancer(return_X_y=True)
net = DeepNetClassifier((16,), batch_size=32, n_iter=50, tol=None, random_state=0)
model = Pipeline([("scale", StandardScaler()), ("net", net)])
grid = {
    "net__learning_rate": np.logspace(-4, -1, 8).tolist(),
    "net__alpha": np.logspace(-3, 1, 4).tolist(),
    "net__init": ["xavier", "he"],
}

search = StackedGridSearchCV(model, grid, scoring="neg_log_loss")
try:
    import rich  # noqa: F401
    from sklearn.callback import ProgressBar
except ImportError as error:
    print(f"No progress bar: {error}.")
else:
    search.set_callbacks(ProgressBar())
start = perf_counter()
search.fit(X, y)
seconds = perf_counter() - start
print(f"best log-loss {-search.best_score_:.4f} at")
for name, value in search.best_params_.items():
    print(f"  {name} = {value}")

# %%
# scikit-learn's own search finds the same, later.

start = perf_counter()
other = GridSearchCV(model, grid, scoring="neg_log_loss").fit(X, y)
print(f"{seconds:.1f} s as stacks, {perf_counter() - start:.1f} s one by one")
scores = "mean_test_score"
same = np.array_equal(search.cv_results_[scores], other.cv_results_[scores])
print("the same scores, every digit:", same)

# %%
# Scores over the grid, of the better init: too slow on the left, too fast on the right,
# and the penalty matters where learning is fast.

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
    ylabel="log-loss of the rows left out",
    title=f"The best rate lies within a decade (init={init!r})",
)
ax.legend(title="alpha")

# %%
# All parameters at once, a line for each network: the dark lines, which score well, go
# through the rates in the middle, and come from either init.

# sphinx_gallery_thumbnail_number = 2
display = SearchDisplay.from_search(search)

path = Path(__file__).with_suffix(".png") if "__file__" in globals() else None
if path:
    figure.savefig(path, dpi=120)
    lines = path.with_name(f"{path.stem}_lines.png")
    display.figure_.savefig(lines, dpi=120)
    print(f"Log-losses over the grid are in {path}, all parameters in {lines}")
