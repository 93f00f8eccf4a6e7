"""sktime forecasts a series with a network."""

import numpy as np
import pandas as pd
from sklearn.base import clone
from sktime.forecasting.base import ForecastingHorizon
from sktime.forecasting.compose import make_reduction
from sktime.forecasting.model_evaluation import evaluate
from sktime.performance_metrics.forecasting import MeanAbsoluteError
from sktime.split import ExpandingWindowSplitter

from sklearn_deepnet import DeepNetRegressor
from tests.helpers import assert_same_weights

NET = DeepNetRegressor((8,), n_iter=20, tol=None, random_state=0)


def series():
    t = np.arange(120)
    values = 10 + np.sin(2 * np.pi * t / 12) + 0.02 * t
    return pd.Series(values, pd.period_range("2010-01", periods=120, freq="M"))


def test_a_recursive_forecast_is_made_by_the_network_of_the_windows():
    y = series()
    forecaster = make_reduction(clone(NET), window_length=12, strategy="recursive")
    forecast = forecaster.fit(y, fh=[1, 2, 3]).predict()
    windows = np.lib.stride_tricks.sliding_window_view(y.to_numpy(), 13)
    net = clone(NET).fit(windows[:, :12], windows[:, 12])
    assert_same_weights(forecaster.estimator_, net)
    known = [*y]
    for value in forecast:
        known.append(net.predict([known[-12:]])[0])
        assert value == np.float64(known[-1])


def test_a_direct_forecast_beats_the_last_value():
    y = series()
    longer = clone(NET).set_params(n_iter=300, learning_rate=0.01)
    scores = evaluate(
        make_reduction(longer, window_length=12, strategy="direct"),
        cv=ExpandingWindowSplitter(fh=[1, 2, 3], initial_window=108, step_length=3),
        y=y,
        scoring=MeanAbsoluteError(),
    )
    last = np.mean(
        [abs(y.iloc[k - 1] - y.iloc[k : k + 3]).mean() for k in (108, 111, 114, 117)]
    )
    assert scores["test_MeanAbsoluteError"].mean() < last / 2
    assert ForecastingHorizon([1, 2, 3]).is_relative
