"""
Lesson: why weights must not start equal
========================================

Units that start with equal weights stay equal: they have the same inputs, receive the
same gradient and make the same step. This lesson shows this with a network that is
small enough to print. Then it compares initializations on a training, a validation and
a test set.
"""

# %%
# One hidden layer has two units. If all weights are zero, the gradient of the units is
# zero, since their outputs are multiplied by zero. If all weights are one half, both
# units learn, but they learn the same, and are still equal after a thousand steps. Only
# random weights make them different.

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from sklearn_deepnet import DeepNetClassifier, LossCurveDisplay
from sklearn_deepnet.nn import functional as F

X = np.array([[0.0, 0.0, 1.0, 1.0], [0.0, 1.0, 0.0, 1.0]])
Y = np.array([[0, 1, 1, 1]])
layers = [
    {"input_dim": 2, "output_dim": 2, "activation": "tanh"},
    {"input_dim": 2, "output_dim": 1, "activation": "sigmoid"},
]
drawn = F.initialize_parameters(layers, init="xavier", random_state=0)
starts = {
    "zeros": {name: np.zeros_like(value) for name, value in drawn.items()},
    "one half": {name: np.full_like(value, 0.5) for name, value in drawn.items()},
    "drawn": drawn,
}
for name, start in starts.items():
    _, caches = F.forward_propagation(X, start, layers)
    dW1 = F.backward_propagation(Y, caches)["dW1"]
    end, costs = F.train(X, Y, start, layers, learning_rate=0.5, n_iter=1000)
    print(f"{name}: cost {costs[0]:.3f} -> {costs[-1]:.3f}")
    print("  gradient of the two units:", *dW1.round(3))
    print("  their weights at the end: ", *end["W1"].round(3))

# %%
# How large should the weights be? Xavier initialization preserves the variance of a
# signal on its way forward and back through linear units. He initialization also
# compensates for the half that a ReLU cuts. A common mistake in lessons is to call
# ``sqrt(2 / n_in)`` Xavier's: it is He's.

rng = np.random.RandomState(0)
for init in ("random", "xavier", "he"):
    W1 = F.initialize_parameters([500, 300, 1], init=init, random_state=0)["W1"]
    print(f"{init:>7}: standard deviation {W1.std():.4f}")
print(f"sqrt(2 / (500 + 300)) = {np.sqrt(2 / 800):.4f}")
print(f"sqrt(2 / 500)         = {np.sqrt(2 / 500):.4f}")

# %%
# Now a network with five ReLU layers learns from a real table, which is split into
# three parts. The network is trained on the training set. The validation set determines
# its best epoch. The test set, which is used for nothing else, shows how good it is.
# Here and in the figure, epochs are counted from 1; ``best_iter_`` counts from 0.

X, y = load_breast_cancer(return_X_y=True)
X, X_test, y, y_test = train_test_split(X, y, test_size=0.2, stratify=y, random_state=0)
X, X_val, y, y_val = train_test_split(X, y, test_size=0.25, stratify=y, random_state=0)
scaler = StandardScaler().fit(X)
X, X_val, X_test = map(scaler.transform, (X, X_val, X_test))

fits = {}
print(f"\n{'init':<8} {'best epoch':>10} {'validation loss':>16} {'test accuracy':>14}")
for init in ("zeros", "random", "xavier", "he"):
    net = DeepNetClassifier(
        (32,) * 5,
        input_scaling=None,
        init=init,
        bias_init="zeros",
        solver="sgd",
        learning_rate=0.05,
        batch_size=32,
        n_iter=150,
        tol=None,
        random_state=0,
    )
    fits[init] = net.fit(X, y, X_val=X_val, y_val=y_val)
    loss = min(net.validation_loss_curve_)
    accuracy = net.score(X_test, y_test)
    print(f"{init:<8} {net.best_iter_ + 1:>10} {loss:>16.4f} {accuracy:>14.3f}")

# %%
# Zeros and the small random weights learn nothing: with weights near 0.01, hardly any
# signal gets through five layers. Their curves coincide; that of zeros is the broad
# band below the other. With weights scaled to its layers, the same network learns at
# once.

display = LossCurveDisplay.from_estimators(fits)
plt.setp(display.lines_[:: len(fits)], linewidth=7, alpha=0.3, zorder=1)
display.ax_.legend(loc="upper right", bbox_to_anchor=(1, 0.93), ncols=2)
display.ax_.set_title("Only weights scaled to the layers learn (dots: best epochs)")

path = Path(__file__).with_suffix(".png") if "__file__" in globals() else None
if path:
    display.figure_.savefig(path, dpi=120)
    print(f"\nThe curves are in {path}")
