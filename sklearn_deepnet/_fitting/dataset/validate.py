"""scikit-learn's validation of X and y, with advice for tables."""

from typing import Any

import numpy as np
from sklearn.utils.validation import validate_data

# How the messages begin that say what X holds besides numbers
_MISSING = "Input X contains NaN."
_TEXT = "could not convert string to float"
_ALL_TEXT = "dtype='numeric' is not compatible with arrays of bytes/strings"


def validate(estimator: Any, X: Any, *y: Any, **options: Any) -> Any:
    """Return what ``validate_data`` of scikit-learn returns for numbers.

    X may be sparse. It keeps its dtype, since `Batches` casts one chunk at a time,
    without a copy of X.

    Raises
    ------
    ValueError
        If the data are invalid. If X contains text or missing values, the message says
        how to encode them.
    """
    options |= {"dtype": "numeric", "accept_sparse": "csr"}
    try:
        # scikit-learn sums X first, which may overflow although all values are finite.
        with np.errstate(over="ignore", invalid="ignore"):
            found = validate_data(estimator, X, *y, **options)
        if (found[0] if y else found).dtype.kind == "O":
            # scikit-learn does not convert a frame whose columns are all categories
            found = validate_data(estimator, np.asarray(X, float), *y, **options)
        return found
    except ValueError as error:
        problem = _find_problem(str(error))
        if problem is None:
            raise
        pipeline = f"make_table_pipeline({type(estimator).__name__}())"
        raise ValueError(
            f"{problem} A network takes only numbers. {pipeline} encodes text, dates "
            "and missing values first."
        ) from error


def _find_problem(message: str) -> str | None:
    """Return in one sentence that X contains missing values or text; else None."""
    if message.startswith(_MISSING):
        return _MISSING
    if message.startswith(_TEXT):
        return f"X contains text: {message}."
    return "X contains text." if message.startswith(_ALL_TEXT) else None
