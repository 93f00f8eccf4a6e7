"""
Validation data of one's own
============================

Where rows belong together, by patient or by day, a random split leaks: what it holds
out has been half seen. Then the rows to monitor have to be chosen by hand. ``fit``
takes them as ``X_val`` and ``y_val``, and ends with the weights of the best pass.
"""

# %%
# Twenty measurements of each of 400 patients, who are ill or not. Whole patients are
# set aside: the last 200 for the test, 50 to monitor.

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
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
# In a pipeline the validation data have to be scaled like the rest, by what was learned
# from the training rows. ``transform_input`` says so. It takes metadata routing, in
# which the network asks for what it wants.

net = DeepNetClassifier((64, 32), n_iter=60, tol=None, random_state=0)


def fit(net, rows, **validation):
    """Return a pipeline fitted on `rows`; `validation` goes through the scaler too."""
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
# ``best_iter_`` is the pass, from 0, whose weights ``restore_best`` has kept. Keeping
# the last weights instead, or holding out a tenth of the rows at random by
# ``early_stopping``, does worse on patients never seen: the one has gone on too long,
# the other has monitored patients that it trained on.

last = fit(clone(net).set_params(restore_best=False), train, **own)
random_split = fit(clone(net).set_params(early_stopping=True), train | monitored)

row = "{:<28} {:>10} {:>16} {:>10}".format
print(row("monitored", "best pass", "validation loss", "test loss"))
for name, fitted in (
    ("50 patients, best kept", model),
    ("50 patients, last kept", last),
    ("a tenth of the rows", random_split),
):
    kept = fitted["net"].best_iter_ if fitted["net"].restore_best else -1
    curve = fitted["net"].validation_loss_curve_
    loss = log_loss(y[test], fitted.predict_proba(X[test]))
    print(row(name, fitted["net"].best_iter_, f"{curve[kept]:.3f}", f"{loss:.3f}"))

# %%
# So many passes need not be made. ``n_iter_no_change=5`` is exact: the best pass, five
# that do not better it, and the end. ``scoring`` monitors a score in place of the loss;
# both curves are kept.

impatient = clone(net).set_params(tol=0.0, n_iter_no_change=5)
stopped = fit(impatient, train, **own)["net"]
print(f"\nby the loss: best pass {stopped.best_iter_}, {stopped.n_iter_} passes made")
scored = fit(clone(impatient).set_params(scoring="roc_auc"), train, **own)["net"]
print(
    f"by the area under the ROC curve: best pass {scored.best_iter_} at "
    f"{scored.validation_scores_[scored.best_iter_]:.3f}, {scored.n_iter_} passes made"
)

# %%
# While the training loss falls on, the loss on patients never seen turns and rises.

figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
fitted = model["net"]
best, curve = fitted.best_iter_, fitted.validation_loss_curve_
axes.plot(curve, "-", color="black", label="validation_loss_curve_, new patients")
axes.plot(fitted.loss_curve_, "--", color="black", label="loss_curve_, in training")
axes.plot(best, curve[best], "o", color="black", markersize=8)
axes.annotate(
    f"best_iter_ = {best}: these weights are kept",
    (best, curve[best]),
    xytext=(15, 0.42),
    arrowprops={"arrowstyle": "-"},
)
axes.set(
    ylim=(0, None),
    xlabel="pass",
    ylabel="loss",
    title="Past its best pass, the network learns the patients by heart",
)
axes.legend()

path = Path(__file__).with_suffix(".png") if "__file__" in globals() else None
if path:
    figure.savefig(path, dpi=120)
    print(f"\nThe figure is in {path}")
