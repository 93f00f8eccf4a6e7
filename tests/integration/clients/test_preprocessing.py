"""Encoders, selectors and table tools of other libraries in front of a network."""

import numpy as np
import pandas as pd
import pytest
from category_encoders import TargetEncoder
from feature_engine.encoding import OneHotEncoder
from feature_engine.imputation import MeanMedianImputer
from feature_engine.selection import DropConstantFeatures
from mlxtend.classifier import EnsembleVoteClassifier, StackingCVClassifier
from mlxtend.feature_selection import SequentialFeatureSelector
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklego.meta import GroupedPredictor, Thresholder
from sklego.preprocessing import ColumnSelector
from skrub import TableVectorizer, tabular_pipeline

from sklearn_deepnet import DeepNetClassifier, DeepNetRegressor
from tests.helpers import assert_same_weights, cancer, wine

NET = DeepNetClassifier((8,), n_iter=10, tol=None, random_state=0)


@pytest.fixture
def table():
    """A data frame with numbers, gaps and two columns of text, and labels."""
    rng = np.random.RandomState(0)
    frame = pd.DataFrame(
        {
            "age": rng.randint(18, 80, 200).astype(float),
            "height": rng.normal(170, 10, 200),
            "city": rng.choice(["Rome", "Oslo", "Lima"], 200),
            "job": rng.choice(["nurse", "baker", "judge", "pilot"], 200),
        }
    )
    frame.loc[::7, "age"] = np.nan
    y = (frame["city"] == "Rome") ^ (frame["height"] > 170)
    return frame, y.to_numpy().astype(int)


def test_category_encoders_encode_as_by_hand(table):
    frame, y = table
    frame = frame.drop(columns="age")
    encoder = TargetEncoder(cols=["city", "job"])
    model = make_pipeline(encoder, clone(NET)).fit(frame, y)
    encoded = clone(encoder).fit(frame, y).transform(frame)
    assert_same_weights(model[-1], clone(NET).fit(encoded, y))
    np.testing.assert_array_equal(
        model.predict_proba(frame), model[-1].predict_proba(encoded)
    )


def test_feature_engine_imputes_and_encodes_as_by_hand(table):
    frame, y = table
    frame = frame.assign(constant=1.0)
    model = make_pipeline(
        DropConstantFeatures(missing_values="ignore"),
        MeanMedianImputer(),
        OneHotEncoder(),
        clone(NET),
    )
    model.fit(frame, y)
    filled = frame.assign(age=frame["age"].fillna(frame["age"].median()))
    encoded = pd.get_dummies(filled.drop(columns="constant"), dtype=float)
    assert {*model[-1].feature_names_in_} == {*encoded.columns}
    expected = clone(NET).fit(encoded[model[-1].feature_names_in_], y)
    assert_same_weights(model[-1], expected)


def test_skrub_puts_its_vectorizer_before_the_network(table):
    frame, y = table
    model = tabular_pipeline(clone(NET)).fit(frame, y)
    assert isinstance(model[0], TableVectorizer)
    X = model[:-1].transform(frame)
    assert_same_weights(model[-1], clone(NET).fit(X, y))
    longer = clone(NET).set_params(n_iter=100, learning_rate=0.03)
    assert cross_val_score(tabular_pipeline(longer), frame, y).mean() > 0.85


def test_sequential_selection_of_mlxtend_has_the_scores_of_its_columns():
    X, y = wine()
    X = X[:, :4]
    selector = SequentialFeatureSelector(clone(NET), k_features=2, cv=3)
    selector.fit(X, y)
    columns = [*selector.k_feature_idx_]
    scores = cross_val_score(clone(NET), X[:, columns], y, cv=3)
    np.testing.assert_allclose(selector.k_score_, scores.mean())
    singles = [cross_val_score(clone(NET), X[:, [k]], y, cv=3).mean() for k in range(4)]
    assert selector.subsets_[1]["feature_idx"] == (int(np.argmax(singles)),)


def test_a_vote_of_mlxtend_is_the_mean_of_the_probabilities():
    X, y = cancer()
    nets = [clone(NET).set_params(random_state=seed) for seed in range(3)]
    vote = EnsembleVoteClassifier(nets, voting="soft").fit(X, y)
    members = [clone(net).fit(X, y).predict_proba(X) for net in nets]
    np.testing.assert_allclose(vote.predict_proba(X), np.mean(members, axis=0))


def test_scikit_lego_trains_a_network_for_each_group(table):
    frame, _ = table
    frame = frame[["city", "height"]]
    y = frame["height"].to_numpy() * np.where(frame["city"] == "Rome", 1.0, -1.0)
    net = DeepNetRegressor((8,), n_iter=10, tol=None, random_state=0)
    model = GroupedPredictor(net, groups="city").fit(frame, y)
    rows = (frame["city"] == "Rome").to_numpy()
    expected = clone(net).fit(frame.loc[rows, ["height"]], y[rows])
    np.testing.assert_array_equal(
        model.predict(frame[rows]), expected.predict(frame.loc[rows, ["height"]])
    )


def test_a_threshold_of_scikit_lego_is_one_of_the_probability():
    X, y = cancer()
    model = Thresholder(clone(NET), threshold=0.9).fit(X, y)
    p = clone(NET).fit(X, y).predict_proba(X)[:, 1]
    np.testing.assert_array_equal(model.predict(X), (p > 0.9).astype(int))


def test_columns_chosen_by_scikit_lego_keep_their_names(table):
    frame, y = table
    model = make_pipeline(ColumnSelector(["height"]), clone(NET)).fit(frame, y)
    assert [*model[-1].feature_names_in_] == ["height"]
    assert_same_weights(model[-1], clone(NET).fit(frame[["height"]], y))


def test_networks_stack_with_other_models_under_mlxtend():
    X, y = wine()
    model = StackingCVClassifier(
        [clone(NET), LogisticRegression()],
        meta_classifier=LogisticRegression(),
        use_probas=True,
        random_state=0,
    )
    model.fit(X, y)
    features = np.hstack([it.predict_proba(X) for it in model.clfs_])
    np.testing.assert_array_equal(model.predict(X), model.meta_clf_.predict(features))
    assert model.score(X, y) > 0.9
