"""Guarantees about bits and rounding hold on processors of other kinds, too.

OpenBLAS has kernels of its own for each kind of processor, which round differently. It
runs those of older processors if it is asked to, so these tests are run with each.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.longest

ROOT = Path(__file__).parents[2]
FILES = [
    "engine/test_parallel.py",
    "engine/test_products.py",
    "engine/test_stack.py",
    "estimators/test_ensemble.py",
    "estimators/test_prediction.py",
    "estimators/test_predictor.py",
    "estimators/test_resume.py",
    "estimators/test_sparse.py",
    "estimators/test_stacking.py",
    "nn/test_functional.py",
]

OPTIONS = ["-q", "-p", "no:cacheprovider", "-m", "not slow and not longest"]


@pytest.mark.parametrize("kernel", ["Haswell", "Sandybridge"])
def test_tests_pass_with_other_kernels(kernel):
    """On processors that are not of the x86 family, the variable has no effect."""
    found = subprocess.run(
        [sys.executable, "-m", "pytest", *OPTIONS, *(f"tests/{it}" for it in FILES)],
        cwd=ROOT,
        env=os.environ | {"OPENBLAS_CORETYPE": kernel, "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert found.returncode == 0, found.stdout[-5000:]
    assert int(re.search(r"(\d+) passed", found.stdout)[1]) > 800
