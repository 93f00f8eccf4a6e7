"""Arrays in the byte order of another machine, which some files contain.

NumPy can compute with them, but dtypes of different byte orders are not equal.
"""

from typing import Any

from scipy.sparse import issparse


def in_native_order(values: Any) -> Any:
    """Return a copy of an array or CSR matrix in the byte order of this machine."""
    dtype = values.dtype.newbyteorder("=")
    if not issparse(values):
        return values.astype(dtype)
    # SciPy refuses to copy a matrix of another byte order, and astype is a copy.
    data = values.data.astype(dtype), values.indices, values.indptr
    return type(values)(data, shape=values.shape)
