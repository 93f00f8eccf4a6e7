"""
Your own validation data
========================

If rows belong together, for example rows of the same patient or the same day, a random
split leaks information: the held-out rows resemble rows of the training set. Then you
have to choose the validation rows yourself. Pass them to ``fit`` as ``X_val`` and
``y_val``. The fitted network has the weights of the best epoch.
"""

# %%
# There are twenty measurements of each of 400 patients, who are ill or healthy. Whole
# patients are held out: the last 200 for the test set, and 50 for the validation set.

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn import config_context
from sklearn.base import clone
from sklearn.metrics import log_loss
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_deepnet import DeepNetClassifier

rng = np.random.RandomState(0)
patients = rng.randn(400, 20)
illness = rng.rand(400) < 1 / (1 + np.exp(-2 * patients[:, :4].sum(axis=1)))
patient = np.repeat(np.arange(400), 20)
X = 10 + patients[patient] + 0.7 * rng.randn(8000, 20)
y = illness[patient].astype(int)

train = patient < 150
monitored = (patient >= 150) & (patient < 200)
test = patient >= 200

# %%
# In a pipeline, the validation data have to be scaled with the scaler that was fitted
# on the training rows. ``transform_input`` does this. It needs metadata routing, in
# which the network requests the arguments that it wants.

net = DeepNetClassifier((64, 32), n_iter=60, tol=None, random_state=0)


def fit(net, rows, **validation):
    """Return a pipeline fitted on `rows`. The scaler transforms `X_val`, too."""
    with config_context(enable_metadata_routing=True):
        net = clone(net).set_fit_request(X_val=True, y_val=True)
        steps = [("scale", StandardScaler()), ("net", net)]
        model = Pipeline(steps, transform_input=["X_val"])
        return model.fit(X[rows], y[rows], **validation)


own = {"X_val": X[monitored], "y_val": y[monitored]}
model = fit(net, train, **own)
by_hand = StandardScaler().fit(X[train])
alone = clone(net).fit(
    by_hand.transform(X[train]),
    y[train],
    X_val=by_hand.transform(X[monitored]),
    y_val=y[monitored],
)
same = model["net"].validation_loss_curve_ == alone.validation_loss_curve_
print(f"the pipeline gives the curve of scaling by hand: {same}\n")

# %%
# ``best_iter_`` is the epoch, counted from 0, whose weights ``restore_best`` restores.
# Two alternatives do worse on new patients. The last weights were trained too long.
# ``early_stopping``, which holds out a tenth of the rows at random, monitors patients
# that are also in the training set.

last = fit(clone(net).set_params(restore_best=False), train, **own)
random_split = fit(clone(net).set_params(early_stopping=True), train | monitored)

row = "{:<28} {:>10} {:>16} {:>10}".format
print(row("monitored", "best epoch", "validation loss", "test loss"))
for name, fitted in (
    ("50 patients, best epoch", model),
    ("50 patients, last epoch", last),
    ("a tenth of the rows", random_split),
):
    used = fitted["net"].best_iter_ if fitted["net"].restore_best else -1
    curve = fitted["net"].validation_loss_curve_
    loss = log_loss(y[test], fitted.predict_proba(X[test]))
    print(row(name, fitted["net"].best_iter_, f"{curve[used]:.3f}", f"{loss:.3f}"))

# %%
# Fewer epochs are enough. With ``n_iter_no_change=5``, training stops five epochs after
# the best one. With ``scoring``, a score is monitored instead of the loss. Both curves
# are recorded.

impatient = clone(net).set_params(tol=0.0, n_iter_no_change=5)
stopped = fit(impatient, train, **own)["net"]
print(f"\nby the loss: best epoch {stopped.best_iter_}, {stopped.n_iter_} epochs")
scored = fit(clone(impatient).set_params(scoring="roc_auc"), train, **own)["net"]
print(
    f"by the area under the ROC curve: best epoch {scored.best_iter_} at "
    f"{scored.validation_scores_[scored.best_iter_]:.3f}, {scored.n_iter_} epochs"
)

# %%
# The training loss keeps falling, but the loss on new patients rises again.

figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
fitted = model["net"]
best, curve = fitted.best_iter_, fitted.validation_loss_curve_
axes.plot(curve, "-", color="black", label="validation_loss_curve_, new patients")
axes.plot(fitted.loss_curve_, "--", color="black", label="loss_curve_, in training")
axes.plot(best, curve[best], "o", color="black", markersize=8)
axes.annotate(
    f"best_iter_ = {best}: these weights are used",
    (best, curve[best]),
    xytext=(15, 0.42),
    arrowprops={"arrowstyle": "-"},
)
axes.set(
    ylim=(0, None),
    xlabel="epoch",
    ylabel="loss",
    title="After its best epoch, the network overfits the training patients",
)
axes.legend()

path = Path(__file__).with_suffix(".png") if "__file__" in globals() else None
if path:
    figure.savefig(path, dpi=120)
    print(f"\nThe figure is in {path}")
