"""
Where networks disagree, data were missing
==========================================

A network gives a number for any input, whether or not it has seen its like. Ten that
differ in their seed alone agree where data told them what to say, and part where not.
The spread of a ``DeepNetEnsembleRegressor`` shows where its mean is made up.
"""

# %%
# A curve, noise about it, and a gap. The ten networks are trained as one stack.

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from sklearn_deepnet import DeepNetEnsembleRegressor, DeepNetRegressor

rng = np.random.RandomState(0)
x = np.concatenate([rng.uniform(-4, -1, 60), rng.uniform(1, 4, 60)])
y = np.sin(2 * x) + 0.1 * rng.randn(len(x))

member = DeepNetRegressor(
    (64, 64), learning_rate=0.01, schedule="cosine", n_iter=300, tol=None
)
ensemble = DeepNetEnsembleRegressor(member, n_estimators=10, random_state=0)
ensemble.fit(x[:, np.newaxis], y)

# %%
# The spread is what the networks do not know of the curve, not the noise of the targets
# about it. It is a warning, not a bound: past the ends of the data they disagree, too,
# but all go straight on, and the curve does not.

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
# One member is as sure of itself in the gap as elsewhere; together they know better.

figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
band = mean - 2 * std, mean + 2 * std
axes.fill_between(grid, *band, color="0.85", label="mean ± 2 spreads")
for k, one in enumerate(ensemble.estimators_):
    said = one.predict(grid[:, np.newaxis])
    axes.plot(grid, said, color="0.6", linewidth=0.7, label=None if k else "members")
axes.plot(grid, mean, color="black", linewidth=2, label="their mean")
axes.plot(grid, curve, color="black", linestyle=":", label="the curve")
axes.plot(x, y, "o", color="black", markerfacecolor="white", markersize=4, label="data")
axes.set(xlabel="x", ylabel="y", xlim=(-5, 5), ylim=(-3, 3))
axes.set_title("Ten networks agree where there are data, and part in the gap")
axes.legend(ncols=5, loc="upper center")

path = Path(__file__).with_suffix(".png") if "__file__" in globals() else None
if path:
    figure.savefig(path, dpi=120)
    print(f"\nThe figure is in {path}")
