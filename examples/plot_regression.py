"""
Regression in any unit, with prediction intervals
=================================================

``DeepNetRegressor`` takes targets in any unit, in euros or in millions of euros. With
the quantile loss it predicts an interval for each row, which is wide where the data are
noisy. Held-out rows show whether the intervals contain as many targets as they should.
"""

# %%
# Networks learn best if targets are of size one. ``DeepNetRegressor`` therefore
# standardizes the targets, and returns predictions in the original unit.
# ``target_scaling=None`` shows what happens without it.

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes, make_friedman1
from sklearn.model_selection import train_test_split

from sklearn_deepnet import DeepNetRegressor

X, y = load_diabetes(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)

row = "{:<24} {:>12} {:>12} {:>12}".format
print(row("R² for y in units of", "1e-6", "1", "1e6"))
for target_scaling in ("standard", None):
    scores = []
    for unit in (1e-6, 1.0, 1e6):
        net = DeepNetRegressor(
            (32,), target_scaling=target_scaling, n_iter=100, tol=None, random_state=0
        )
        net.fit(X_train, y_train / unit)
        scores.append(f"{net.score(X_test, y_test / unit):.4g}")
    print(row(f"target_scaling={target_scaling!r}", *scores))

# %%
# Now the noise of the data grows with the fourth feature. The loss of the 0.9 quantile
# is smallest for predictions that are above nine targets in ten. A network with the
# quantiles 0.1, 0.5 and 0.9 predicts a median and an interval that should contain eight
# targets in ten. With the cosine schedule the steps shrink to zero, so that training
# ends close to the minimum.

rng = np.random.RandomState(0)
X, y = make_friedman1(12_000, n_features=5, random_state=rng)
y = y + (0.5 + 3 * X[:, 3]) * rng.randn(12_000)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=0)


def fit_quantiles(alpha):
    """Return a network for the quantiles 0.1, 0.5 and 0.9."""
    return DeepNetRegressor(
        (32, 16),
        loss="quantile",
        quantile=[0.1, 0.5, 0.9],
        learning_rate=0.003,
        schedule="cosine",
        alpha=alpha,
        n_iter=60,
        tol=None,
        random_state=0,
    ).fit(X_train, y_train)


# %%
# On the training set, the intervals contain as many targets as they should. On new rows
# they contain slightly fewer, since the network overfits the training set. A stronger
# penalty corrects this.

row = "{:>6} {:>21} {:>21} {:>11}".format
print()
print(row("alpha", "coverage, training", "coverage, test", "mean width"))
for alpha in (1e-4, 5.0, 20.0):
    net = fit_quantiles(alpha)
    shares = []
    for rows, truth in ((X_train, y_train), (X_test, y_test)):
        low, middle, high = net.predict(rows).T
        shares.append(np.mean((low <= truth) & (truth <= high)))
    width = np.mean(high - low)
    print(row(alpha, *(f"{share:.3f}" for share in shares), f"{width:.2f}"))

# %%
# The predictions of each row are sorted, so the quantiles never cross. The interval is
# wide where the data are noisy.

print(f"\ntest rows where low > high: {np.sum(low > high)} of {len(low)}")
below = [np.mean(y_test <= predicted) for predicted in (low, middle, high)]
print("share of targets below the predictions for 0.1, 0.5 and 0.9: ", end="")
print(", ".join(f"{share:.3f}" for share in below))
quiet, loud = X_test[:, 3] < 0.2, X_test[:, 3] > 0.8
for name, rows in (("below 0.2", quiet), ("above 0.8", loud)):
    inside = (low <= y_test) & (y_test <= high)
    print(
        f"feature 4 {name}: width {np.mean((high - low)[rows]):.2f}, "
        f"coverage {np.mean(inside[rows]):.3f}"
    )

# %%
# The figure shows a hundred test rows relative to the predicted median. The interval
# widens with the noise.

figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
some = slice(100)
axes.vlines(
    X_test[some, 3],
    (low - middle)[some],
    (high - middle)[some],
    color="0.7",
    linewidth=3,
    label="from the 0.1 to the 0.9 quantile",
)
for label, who, color in (
    ("target inside", inside[some], "black"),
    ("target outside", ~inside[some], "white"),
):
    axes.plot(
        X_test[some, 3][who],
        (y_test - middle)[some][who],
        "o",
        color="black",
        markerfacecolor=color,
        markersize=5,
        label=label,
    )
axes.axhline(0, color="black", linewidth=0.8)
axes.set(
    xlabel="feature 4, on which the noise depends",
    ylabel="target minus predicted median",
    title=f"{np.mean(inside):.0%} of the test set lie in the interval made for 80%",
    xlim=(-0.02, 1.02),
    ylim=(-10, 10),
)
axes.legend(loc="upper left")

path = Path(__file__).with_suffix(".png") if "__file__" in globals() else None
if path:
    figure.savefig(path, dpi=120)
    print(f"\nThe figure is in {path}")
