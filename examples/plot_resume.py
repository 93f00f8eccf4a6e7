"""
Stop, save, continue
====================

Training in several pieces should give the same result as training in one. With
``warm_start=True`` it does, bit for bit: the order of the rows, the dropout, the
moments of Adam, the schedule and the monitored values all continue.
"""

# %%
# The network uses everything that could differ after a restart: it shuffles the
# samples, uses dropout, lowers its learning rate, and holds out rows for validation.
# ``Cosine`` gets an explicit horizon, since by default the horizon is the ``n_iter`` of
# the first fit.

import copy
import pickle
import tempfile
from pathlib import Path

import joblib
import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import clone
from sklearn.datasets import load_digits, make_moons
from sklearn.model_selection import train_test_split

from sklearn_deepnet import DeepNetClassifier
from sklearn_deepnet.nn.schedules import Cosine

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X / 16, y, stratify=y, random_state=0
)

net = DeepNetClassifier(
    (64, 32),
    learning_rate=0.003,
    schedule=Cosine(horizon=40),
    dropout=0.2,
    early_stopping=True,
    n_iter=40,
    tol=None,
    random_state=0,
)


def same(a, b):
    """Return whether two networks have the same weights, biases and curves."""
    arrays = zip(a.coefs_ + a.intercepts_, b.coefs_ + b.intercepts_, strict=True)
    return (
        all(np.array_equal(one, other) for one, other in arrays)
        and a.loss_curve_ == b.loss_curve_
        and a.validation_loss_curve_ == b.validation_loss_curve_
    )


whole = clone(net).fit(X_train, y_train)

# %%
# Four fits make ten epochs each. After the second, the estimator is saved to a file,
# and training continues with the estimator that is loaded from it.

chunked = clone(net).set_params(n_iter=10, warm_start=True)
chunked.fit(X_train, y_train).fit(X_train, y_train)
with tempfile.TemporaryDirectory() as folder:
    joblib.dump(chunked, Path(folder) / "half_way.joblib")
    chunked = joblib.load(Path(folder) / "half_way.joblib")
chunked.fit(X_train, y_train).fit(X_train, y_train)

print(f"epochs: {whole.n_iter_} in one fit, {chunked.n_iter_} in four")
print(f"weights and curves are bit-for-bit the same: {same(whole, chunked)}")

# %%
# The state that is needed to continue, such as the moments and the random generator, is
# stored only with ``warm_start`` or ``partial_fit``. So the pickle of a plain fit is
# small.

n_bytes = sum(array.nbytes for array in whole.coefs_ + whole.intercepts_)
print(
    f"\nbytes: weights and biases {n_bytes}, a pickle {len(pickle.dumps(whole))}, "
    f"with warm_start {len(pickle.dumps(chunked))}\n"
)

# %%
# The rows may also arrive as a stream. Each call of ``partial_fit`` trains for one
# epoch on its rows, in mini-batches as usual. The first call requires all classes.

X_new, y_new = make_moons(2000, noise=0.3, random_state=1)
stream = DeepNetClassifier((32, 16), learning_rate=0.01, batch_size=20, random_state=0)
rng = np.random.RandomState(0)
print("accuracy on new rows after")
for n_calls in range(1, 101):
    rows = make_moons(100, noise=0.3, random_state=rng)
    stream.partial_fit(*rows, classes=[0, 1])
    if n_calls in (1, 10, 100):
        score = stream.score(X_new, y_new)
        print(f"  {100 * n_calls:6} rows of the stream: {score:.3f}")

# %%
# If each call gets all rows, as one batch, then n calls equal ``fit`` with
# ``n_iter=n``.

X_moons, y_moons = make_moons(1000, noise=0.3, random_state=0)
full = DeepNetClassifier((32, 16), batch_size=None, random_state=0)
at_once = clone(full).set_params(n_iter=25, tol=None).fit(X_moons, y_moons)
for _ in range(25):
    full.partial_fit(X_moons, y_moons, classes=[0, 1])
print(f"\n25 calls of partial_fit in full batch equal fit: {same(at_once, full)}")

# %%
# All parameters except the architecture may be changed between two calls. Large steps
# lower the loss quickly, but then jump around the minimum. With a tenth of the learning
# rate after 20 epochs, the loss converges.

coarse = DeepNetClassifier(
    (32, 16),
    solver="momentum",
    learning_rate=0.2,
    batch_size=16,
    n_iter=20,
    tol=None,
    warm_start=True,
    random_state=0,
)
coarse.fit(X_moons, y_moons)
fine = copy.deepcopy(coarse).set_params(learning_rate=0.02)
print("\nlearning rate of the last 20 epochs, loss, accuracy on new rows")
for net in (coarse, fine):
    net.fit(X_moons, y_moons)
    score = net.score(X_new, y_new)
    print(f"  {net.learning_rate:<6} {net.loss_:.3f} {score:.3f}")

figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
axes.plot(coarse.loss_curve_, "--", color="black", label="0.2 to the end")
axes.plot(fine.loss_curve_, "-", color="black", label="0.02 from the second fit on")
axes.axvline(19.5, color="0.6", linewidth=1)
axes.text(19, 0.37, "the first fit ends here,\nthe second continues", ha="right")
axes.set(
    ylim=(0.18, None),
    xlabel="epoch",
    ylabel="loss_curve_",
    title="A lower learning rate takes effect where the first fit ended",
)
axes.legend(title="learning_rate", loc="upper right")

path = Path(__file__).with_suffix(".png") if "__file__" in globals() else None
if path:
    figure.savefig(path, dpi=120)
    print(f"\nThe figure is in {path}")
