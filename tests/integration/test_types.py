"""Type checkers see what the documentation says, from the installed package alone."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

USER_CODE = Path(__file__).with_name("typed_user_code.py")
REFUSED = {
    number
    for number, line in enumerate(USER_CODE.read_text("utf-8").splitlines(), start=1)
    if "# refused" in line and not line.startswith("A line")
}


def run(folder, module, *arguments):
    """Check a copy of the file in a folder without the package and without settings."""
    shutil.copy(USER_CODE, folder / "user_code.py")
    command = [sys.executable, "-m", module, *arguments, "user_code.py"]
    environment = {k: v for k, v in os.environ.items() if k != "MYPYPATH"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True
    ).stdout


def mypy_errors(folder, *flags):
    # That pandas, SciPy and scikit-learn bring no types is no fault of the file.
    flags = ["--config-file=", "--disable-error-code=import-untyped", *flags]
    output = run(folder, "mypy", *flags)
    return {
        int(number): message
        for number, message in re.findall(r":(\d+): error: (.*)", output)
    }


def basedpyright_errors(folder):
    output = run(
        folder,
        "basedpyright",
        "--outputjson",
        "--level=error",
        f"--pythonpath={sys.executable}",
    )
    return {
        it["range"]["start"]["line"] + 1: it["message"]
        for it in json.loads(output)["generalDiagnostics"]
        if it["severity"] == "error"
    }


@pytest.mark.slow
@pytest.mark.parametrize("flags", [[], ["--strict"]], ids=["default", "strict"])
def test_mypy_refuses_the_mistakes_of_a_user_alone(tmp_path, flags):
    errors = mypy_errors(tmp_path, *flags)
    assert {k: errors.get(k) for k in errors.keys() ^ REFUSED} == {}


@pytest.mark.slow
def test_basedpyright_refuses_the_mistakes_of_a_user_alone(tmp_path):
    errors = basedpyright_errors(tmp_path)
    assert {k: errors.get(k) for k in errors.keys() ^ REFUSED} == {}


def test_there_are_mistakes_to_refuse():
    assert len(REFUSED) > 20
