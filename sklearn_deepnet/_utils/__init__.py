"""Helpers of all folders: types, lookup by name, warnings, parts of scikit-learn."""
