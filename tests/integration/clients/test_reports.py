"""evidently, yellowbrick and skore report on fitted networks."""

import matplotlib
import pandas as pd
import pytest
import skore
from evidently import BinaryClassification, DataDefinition, Dataset, Report
from evidently.presets import ClassificationPreset
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_score, train_test_split
from yellowbrick.classifier import ConfusionMatrix
from yellowbrick.model_selection import ValidationCurve

from sklearn_deepnet import DeepNetClassifier, stacked
from tests.helpers import cancer, wine

NET = DeepNetClassifier((6,), n_iter=20, learning_rate=0.01, tol=None, random_state=0)


@pytest.fixture(autouse=True)
def _without_windows():
    before = matplotlib.get_backend()
    matplotlib.use("agg")
    with matplotlib.rc_context():
        yield
    matplotlib.pyplot.close("all")
    matplotlib.use(before)


def test_evidently_reports_the_accuracy_of_the_network():
    X, y = cancer()
    net = clone(NET).fit(X, y)
    frame = pd.DataFrame({"target": y, "prediction": net.predict(X)})
    definition = DataDefinition(
        classification=[
            BinaryClassification(target="target", prediction_labels="prediction")
        ]
    )
    data = Dataset.from_pandas(frame, data_definition=definition)
    found = Report([ClassificationPreset()]).run(data, None).dict()["metrics"]
    accuracy = [it["value"] for it in found if it["metric_name"].startswith("Accuracy")]
    assert accuracy == [pytest.approx(net.score(X, y))]


def test_yellowbrick_draws_the_confusions_of_the_network():
    X, y = wine()
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    net = clone(NET).set_params(n_iter=3)
    # It looks for an attribute that scikit-learn's own classifiers no longer have.
    picture = ConfusionMatrix(net, force_model=True).fit(X_train, y_train)
    assert picture.score(X_test, y_test) == net.fit(X_train, y_train).score(
        X_test, y_test
    )
    assert picture.confusion_matrix_.sum() == len(y_test)


@pytest.mark.parametrize("n_jobs", [None, 1])
def test_yellowbrick_draws_validation_curves_of_stacks(n_jobs, stacks):
    X, y = wine()
    rates = [0.001, 0.1]
    picture = ValidationCurve(
        clone(NET),
        param_name="learning_rate",
        param_range=rates,
        cv=3,
        n_jobs=n_jobs,
    )
    with stacked():
        picture.fit(X, y)
    assert sum(stacks) >= 6
    for rate, score in zip(rates, picture.test_scores_mean_, strict=True):
        net = clone(NET).set_params(learning_rate=rate)
        assert score == cross_val_score(net, X, y, cv=3).mean()


def test_skore_reports_the_scores_of_the_network():
    X, y = cancer()
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    report = skore.EstimatorReport(
        clone(NET),
        X_train=X_train,
        y_train=y_train,
        X_test=X_test,
        y_test=y_test,
        pos_label=1,
    )
    net = clone(NET).fit(X_train, y_train)
    assert report.metrics.accuracy() == net.score(X_test, y_test)
    p = net.predict_proba(X_test)[:, 1]
    assert report.metrics.roc_auc() == pytest.approx(roc_auc_score(y_test, p))
