"""Runs tests of the installed scikit-learn, as `sklearn_plugin` says."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run_tests(run, modules, directory, *options):
    """Run modules of tests, and return how many tests ended in which way.

    Parameters
    ----------
    run : {"calls", "tasks", "searches", "networks"}
        How to run them.
    modules : list of str
        Names within the package ``sklearn``. Those that it does not have are left out.
    directory : path
        An empty directory to work in.
    *options : str
        Further arguments of pytest.
    """
    names = [f"sklearn.{name}" for name in modules]
    names = [name for name in names if find_spec(name) is not None]
    if not names:
        pytest.skip("scikit-learn was installed without its tests")
    # The directory that contains the package, so that messages have whole paths.
    base = Path(find_spec("sklearn").origin).parents[1]
    settings = ["-p", "no:cacheprovider", "-c", os.devnull, f"--rootdir={base}"]
    settings += ["-p", "tests.integration.sklearn_plugin", "--tb=short", *options]
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    found = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *settings, "--pyargs", *names],
        cwd=directory,
        env=os.environ | threads | {"PYTHONPATH": str(ROOT), "SKLEARN_TESTS": run},
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert found.returncode == 0, found.stdout[-8000:] + found.stderr[-2000:]
    counts = re.findall(r"(\d+) (\w+)", found.stdout.splitlines()[-1])
    return {ending: int(count) for count, ending in counts}
