"""Zeros to compare with: shared by all that read them, so nobody may write to them."""

import numpy as np
import pytest

from sklearn_deepnet.nn.activations import relu, zeros_like


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4), (5,)])
def test_zeros_have_the_shape_and_dtype_of_the_array(shape, dtype):
    zeros = zeros_like(np.ones(shape, dtype))
    assert zeros.shape == shape
    assert zeros.dtype == dtype
    assert not zeros.any()


def test_zeros_are_read_only():
    with pytest.raises(ValueError, match="read-only"):
        zeros_like(np.ones(3))[0] = 1


def test_very_large_arrays_are_compared_with_a_single_zero():
    z = np.full((2, 2**20), -1.0)
    z[:, ::3] = 2.0
    assert zeros_like(z).shape == ()
    relu.forward(z, z)
    np.testing.assert_array_equal(z[:, ::3], 2)
    assert z.sum() == 2 * z[:, ::3].size
