"""
Networks disagree where data are missing
========================================

A network predicts a number for any input, even for inputs that are unlike its training
data. Ten networks that differ only in their seeds agree where there are training data,
and disagree elsewhere. The spread of a ``DeepNetEnsembleRegressor`` therefore shows
where its mean cannot be trusted.
"""

# %%
# The data are a noisy curve with a gap. The ten networks are trained as one stack. With
# unscaled inputs and He initialization, the initial networks differ more than with the
# defaults. So they disagree more where there are no data.

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from sklearn_deepnet import DeepNetEnsembleRegressor, DeepNetRegressor

rng = np.random.RandomState(0)
x = np.concatenate([rng.uniform(-4, -1, 60), rng.uniform(1, 4, 60)])
y = np.sin(2 * x) + 0.1 * rng.randn(len(x))

member = DeepNetRegressor(
    (64, 64),
    input_scaling=None,
    init="he",
    learning_rate=0.01,
    schedule="cosine",
    n_iter=300,
    tol=None,
)
ensemble = DeepNetEnsembleRegressor(member, n_estimators=10, random_state=0)
ensemble.fit(x[:, np.newaxis], y)

# %%
# The spread measures how uncertain the networks are about the curve. It does not
# include the noise of the targets, and the error can be larger than the spread. Beyond
# the ends of the data the networks also disagree, but all of them continue as straight
# lines, unlike the curve.

grid = np.linspace(-5, 5, 1001)
mean, std = ensemble.predict(grid[:, np.newaxis], return_std=True)
curve = np.sin(2 * grid)
row = "{:<16} {:>11} {:>11} {:>21}".format
print(row("where", "mean spread", "mean error", "error below 2 spreads"))
for where, low, high in (("data", 1, 4), ("the gap", 0, 1), ("past the ends", 4, 5)):
    here = (np.abs(grid) > low) & (np.abs(grid) < high)
    error, spread = np.abs(mean - curve)[here], std[here]
    share = np.mean(error < 2 * spread)
    print(row(where, f"{spread.mean():.3f}", f"{error.mean():.3f}", f"{share:.0%}"))

# %%
# A single member does not show that there is a gap. The spread of all members does.

figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
band = mean - 2 * std, mean + 2 * std
axes.fill_between(grid, *band, color="0.85", label="mean ± 2 spreads")
for k, one in enumerate(ensemble.estimators_):
    prediction = one.predict(grid[:, np.newaxis])
    axes.plot(
        grid, prediction, color="0.6", linewidth=0.7, label=None if k else "members"
    )
axes.plot(grid, mean, color="black", linewidth=2, label="their mean")
axes.plot(grid, curve, color="black", linestyle=":", label="the curve")
axes.plot(x, y, "o", color="black", markerfacecolor="white", markersize=4, label="data")
axes.set(xlabel="x", ylabel="y", xlim=(-5, 5), ylim=(-3, 3))
axes.set_title("Ten networks agree where there are data, and disagree in the gap")
axes.legend(ncols=5, loc="upper center")

path = Path(__file__).with_suffix(".png") if "__file__" in globals() else None
if path:
    figure.savefig(path, dpi=120)
    print(f"\nThe figure is in {path}")
