"""Tables with text, dates and gaps, in front of an estimator.

The parts are scikit-learn's own. Written here is what they lack: a choice of columns
that knows polars as well as pandas, and functions that make one kind of number, text
or date of the many types that both have for it.
"""

from .pipeline import make_table_pipeline

__all__ = ["make_table_pipeline"]
