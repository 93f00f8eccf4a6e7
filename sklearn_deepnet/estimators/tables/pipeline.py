"""`make_table_pipeline`, and the steps of the pipelines that it makes."""

from collections.abc import Callable
from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin, is_classifier
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from ..._utils.sklearn_compat import make_target_encoder
from ..._utils.typing import FloatArray
from .columns import ColumnsOf, check_is_table, grouping_once
from .conversion import date_part_names, date_parts, to_floats, to_text

# A level in 1 % of the rows becomes a column with values of at most 10, once it is
# standardized.
_MIN_FREQUENCY = 0.01


def make_table_pipeline(
    estimator: BaseEstimator, *, max_levels: int = 40, random_state: int = 0
) -> Pipeline:
    """Make a pipeline for tables with numbers, text, dates and missing values.

    The result is a scikit-learn `Pipeline` with two steps: "columns", which converts
    the table to numbers, and `estimator`, which is named as by `make_pipeline`. X may
    be a data frame of pandas or polars, or an array. ``fit`` assigns each column to one
    of these groups:

    - **numbers**: numbers, booleans, durations (converted to seconds), and columns of
      dtype object that hold only numbers. Missing values are replaced by the median,
      and an additional column marks where they were. Codes, such as postcodes, count as
      numbers unless you convert them to text or to a categorical dtype.
    - **categories**: text, columns of a categorical dtype, and columns of dtype object
      that hold text and numbers. They are one-hot encoded: each level becomes a column.
      A missing value or empty text is the level "missing". Levels in less than 1 % of
      the rows share one column, which is also used for levels that were not seen in
      ``fit``. If there are no such rare levels, a new level is zero in all columns.
    - **high_cardinality**: categories with more than `max_levels` levels. Each level is
      replaced by the mean of the target, with `TargetEncoder`, which uses other rows to
      encode a training row. If y has several columns, the `max_levels` most frequent
      levels are one-hot encoded instead.
    - **dates**: each column is replaced by the days since 1970, the month, the day of
      the week (0 is Monday) and the hour, all in UTC, and a column that marks missing
      values.

    Columns without any value are dropped. Two more kinds of columns are dropped with a
    warning: text with more than `max_levels` levels that is different in every row,
    such as an identifier, and columns that fit no group, such as lists.

    Parameters
    ----------
    estimator : estimator
        A classifier or a regressor, such as `DeepNetEnsembleClassifier`. The networks
        of this library scale their inputs themselves. For other estimators that need
        scaled inputs, give ``make_pipeline(StandardScaler(), estimator)``.
    max_levels : int, default=40
        Maximum number of levels for which a column of categories is one-hot encoded.
        Columns with more levels are target-encoded.
    random_state : int, default=0
        Seed of the random splits in `TargetEncoder`.

    Returns
    -------
    pipeline : Pipeline
        The unfitted pipeline.

    Raises
    ------
    TypeError
        If `estimator` is not an estimator.
    ValueError
        If `max_levels` is not a positive integer.

    Notes
    -----
    None, NaN, NaT, NA, nulls, masked values and empty text count as missing values.

    As in any pipeline, pass sample weights to the estimator by
    ``fit(X, y, deepnetclassifier__sample_weight=weights)``. Medians and the frequencies
    of levels are computed without weights.

    Versions of scikit-learn before 1.9 do not recognize the column names of data frames
    of polars 2.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_deepnet import DeepNetClassifier, make_table_pipeline
    >>> X = pd.DataFrame({"age": [22, None, 41, 35], "city": ["Rome", "Oslo"] * 2})
    >>> y = [0, 1, 1, 0]
    >>> net = DeepNetClassifier((8,), n_iter=5, tol=None, random_state=0)
    >>> model = make_table_pipeline(net).fit(X, y)
    >>> model["columns"].get_feature_names_out().tolist()[:2]
    ['numbers__age', 'numbers__missingindicator_age']
    >>> model.predict(pd.DataFrame({"age": [50], "city": ["Bern"]})).shape
    (1,)
    """
    _check(estimator, max_levels)
    target_type = "auto" if is_classifier(estimator) else "continuous"
    encoders = {
        "numbers": Pipeline([("floats", _function(to_floats)), _imputer(True)]),
        "categories": Pipeline([("text", _function(to_text)), ("onehot", _one_hot())]),
        "high_cardinality": Pipeline(
            [
                ("text", _function(to_text)),
                (
                    "target",
                    HighCardinalityEncoder(target_type, random_state, max_levels),
                ),
            ]
        ),
        "dates": Pipeline(
            [("parts", _function(date_parts, date_part_names)), _imputer(False)]
        ),
        "left_out": "drop",
    }
    columns = TableColumns(
        [(group, it, ColumnsOf(group, max_levels)) for group, it in encoders.items()],
        sparse_threshold=0,
    )
    name = type(estimator).__name__.lower()
    return Pipeline([("columns", columns), (name, estimator)])


def _check(estimator: Any, max_levels: Any) -> None:
    if isinstance(estimator, type) or not hasattr(estimator, "fit"):
        raise TypeError(
            "estimator must be an estimator, such as DeepNetClassifier(). "
            f"Got {estimator!r} instead."
        )
    is_count = isinstance(max_levels, Integral) and not isinstance(max_levels, bool)
    if not (is_count and max_levels > 0):
        raise ValueError(
            f"max_levels must be a positive integer. Got {max_levels!r} instead."
        )


class TableColumns(ColumnTransformer):
    """A `ColumnTransformer` that the export to ONNX recognizes by its class.

    In ``fit`` it looks at each column once, rather than once for each group.
    """

    def fit_transform(self, X: Any, y: Any = None, **params: Any) -> Any:
        """Select the columns of each group, and fit and apply their transformers."""
        check_is_table(X)
        with grouping_once():
            return super().fit_transform(X, y, **params)


def _function(
    function: Callable[..., Any], names: Any = "one-to-one"
) -> FunctionTransformer:
    return FunctionTransformer(function, feature_names_out=names)


def _imputer(add_indicator: bool) -> tuple[str, SimpleImputer]:
    imputer = SimpleImputer(strategy="median", add_indicator=add_indicator)
    return "imputer", imputer


def _one_hot(max_categories: int | None = None) -> OneHotEncoder:
    return OneHotEncoder(
        handle_unknown="infrequent_if_exist",
        min_frequency=_MIN_FREQUENCY,
        max_categories=max_categories,
        sparse_output=False,
    )


class HighCardinalityEncoder(TransformerMixin, BaseEstimator):
    """Target-encodes levels, or one-hot encodes them if y has several columns.

    Parameters
    ----------
    target_type : {"auto", "continuous"}, default="auto"
        Parameter of `TargetEncoder`. With "auto", it would treat integers as class
        labels, also for a regressor.
    random_state : int, default=0
        Seed of the random splits of the training rows.
    max_categories : int, default=40
        Maximum number of columns for each feature if y has several columns.
    """

    def __init__(
        self,
        target_type: str = "auto",
        random_state: int = 0,
        max_categories: int = 40,
    ) -> None:
        self.target_type = target_type
        self.random_state = random_state
        self.max_categories = max_categories

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Compute the mean of y for each level, or find the most frequent levels."""
        y = self._convert(y)
        self.encoder_ = self._make_encoder(y).fit(X, y)
        return self

    def fit_transform(self, X: ArrayLike, y: ArrayLike) -> FloatArray:
        """Encode the training rows, each with means computed from other rows."""
        y = self._convert(y)
        self.encoder_ = self._make_encoder(y)
        # With metadata routing, scikit-learn 1.9.1 requires groups that are not needed.
        with config_context(enable_metadata_routing=False):
            return self.encoder_.fit_transform(X, y)

    def transform(self, X: ArrayLike) -> FloatArray:
        """Encode new rows."""
        return self.encoder_.transform(X)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Return the names of the columns that `transform` returns."""
        return self.encoder_.get_feature_names_out(input_features)

    def _convert(self, y: ArrayLike) -> ArrayLike:
        # `TargetEncoder` supports neither booleans nor integers of 8 or 16 bits.
        return np.asarray(y, float) if self.target_type == "continuous" else y

    def _make_encoder(self, y: ArrayLike) -> Any:
        shape = np.shape(y)
        if len(shape) == 2 and shape[1] > 1:
            return _one_hot(self.max_categories)
        return make_target_encoder(self.target_type, self.random_state, y)
