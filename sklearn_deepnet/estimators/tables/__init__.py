"""Preprocessing of tables with text, dates and missing values for an estimator.

Most steps are transformers of scikit-learn. This folder adds the selection of columns,
for polars as well as pandas, and functions that convert the many types of numbers, text
and dates of both to one type each.
"""

from .pipeline import make_table_pipeline

__all__ = ["make_table_pipeline"]
