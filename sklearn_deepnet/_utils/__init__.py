"""What every folder uses: types, lookup by name, warnings, scikit-learn's internals."""
