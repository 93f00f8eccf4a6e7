"""`make_table_pipeline`, and the steps that it takes from scikit-learn."""

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

# A level in 1 % of the rows is a column of at most 10, once it is standardized.
_MIN_FREQUENCY = 0.01


def make_table_pipeline(
    estimator: BaseEstimator, *, max_levels: int = 40, random_state: int = 0
) -> Pipeline:
    """Make a pipeline that fits `estimator` to tables with text, dates and gaps.

    It is a scikit-learn `Pipeline` of two steps: "columns", which makes numbers of the
    table, and the estimator, named as by `make_pipeline`. X is a data frame of pandas
    or polars, or an array. Columns are divided into groups in ``fit``:

    - **numbers**: numbers, booleans, durations (in seconds), and objects that are all
      numbers. Gaps are filled with the median, which is a usual value also of a skewed
      or a boolean column, and a further column says where they were. Codes, such as
      postcodes, are numbers unless you make them text or a categorical dtype.
    - **categories**: text, all columns of a categorical dtype, and objects that are
      text and numbers. Each level becomes a column. A gap or empty text is the level
      "missing". Levels in less than 1 % of the rows share a column, which new levels
      get, too; where there are no such levels, a new one is zero in all columns.
    - **high_cardinality**: categories of more than `max_levels` levels. Each level is
      replaced by the mean of the target, by `TargetEncoder`, which computes it for each
      training row from other rows. If y has several columns, the `max_levels` most
      frequent levels become columns instead.
    - **dates**: each becomes the days since 1970, the month, the day of the week (from
      0, Monday), the hour, all of these in UTC, and whether it is missing.

    Left out are columns without any value and, with a warning, text of more than
    `max_levels` levels that differs in all rows, such as an identifier, and what is of
    no group above, such as lists.

    Parameters
    ----------
    estimator : estimator
        A classifier or a regressor, such as `DeepNetEnsembleClassifier`. The networks
        of this library scale their inputs. For others that need it, give
        ``make_pipeline(StandardScaler(), estimator)``.
    max_levels : int, default=40
        Largest number of levels that become a column each.
    random_state : int, default=0
        Seed of the folds of `TargetEncoder`.

    Returns
    -------
    pipeline : Pipeline
        Not fitted.

    Raises
    ------
    TypeError
        If `estimator` is not an estimator.
    ValueError
        If `max_levels` is not a positive integer.

    Notes
    -----
    Gaps are None, NaN, NaT, NA, nulls, masked values and empty text.

    Sample weights reach the estimator alone, as of any pipeline, by
    ``fit(X, y, deepnetclassifier__sample_weight=weights)``. Medians and levels count
    each row once.

    scikit-learn before 1.9 does not find the names of columns in frames of polars 2.

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
    """scikit-learn's `ColumnTransformer`, as a class that `onnx` can recognize.

    Its selectors look at each column once in a fit, rather than once for each group.
    """

    def fit_transform(self, X: Any, y: Any = None, **params: Any) -> Any:
        """Choose the columns of each group, and fit and apply their transformers."""
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
    """Replaces levels by means of y; for y of several columns, one-hot encodes them.

    Parameters
    ----------
    target_type : {"auto", "continuous"}, default="auto"
        Of `TargetEncoder`, which would take whole numbers as y of a regressor for
        classes.
    random_state : int, default=0
        Seed of the folds in which the means for training rows are computed.
    max_categories : int, default=40
        Largest number of columns for each feature if y has several columns.
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
        """Learn the means, or the most frequent levels."""
        y = self._convert(y)
        self.encoder_ = self._make_encoder(y).fit(X, y)
        return self

    def fit_transform(self, X: ArrayLike, y: ArrayLike) -> FloatArray:
        """Encode training rows, each by means over rows of other folds."""
        y = self._convert(y)
        self.encoder_ = self._make_encoder(y)
        # With metadata routing, scikit-learn 1.9.1 asks for groups that nobody needs.
        with config_context(enable_metadata_routing=False):
            return self.encoder_.fit_transform(X, y)

    def transform(self, X: ArrayLike) -> FloatArray:
        """Encode new rows."""
        return self.encoder_.transform(X)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Return the names of the columns that `transform` returns."""
        return self.encoder_.get_feature_names_out(input_features)

    def _convert(self, y: ArrayLike) -> ArrayLike:
        # `TargetEncoder` takes neither booleans nor integers of 8 or 16 bits.
        return np.asarray(y, float) if self.target_type == "continuous" else y

    def _make_encoder(self, y: ArrayLike) -> Any:
        shape = np.shape(y)
        if len(shape) == 2 and shape[1] > 1:
            return _one_hot(self.max_categories)
        return make_target_encoder(self.target_type, self.random_state, y)
