"""Look into the wheel and the sdist in ``dist/``, and run what they hold.

``make dist`` calls it. The wheel is installed in a clean environment. The demo and the
first examples of README, as the sdist has them, are then run in another folder, where
the checkout cannot be imported.
"""

import doctest
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
DEMO = "examples/plot_initializers.py"
N_EXAMPLES = 3  # of README; the last needs pandas


def tracked_files():
    command = ["git", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    return {name for name in listed.decode().split("\0") if name}


def check_wheel(path, tracked):
    """Raise unless the wheel holds the package, and nothing else."""
    with zipfile.ZipFile(path) as file:
        found = {name for name in file.namelist() if ".dist-info/" not in name}
    expected = {name for name in tracked if name.startswith("sklearn_deepnet/")}
    assert found == expected, found ^ expected
    assert "sklearn_deepnet/py.typed" in found


def check_sdist(path, tracked):
    """Raise unless the sdist holds the files of the repository, and nothing else."""
    with tarfile.open(path) as file:
        found = {name.partition("/")[2] for name in file.getnames()}
    assert found == tracked | {"PKG-INFO"}, found ^ tracked


def examples_of(readme):
    """Return the first blocks of Python of README as one script."""
    blocks = re.findall(r"^```python\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= N_EXAMPLES
    return "\n".join(
        doctest.script_from_examples(block) if ">>> " in block else block
        for block in blocks[:N_EXAMPLES]
    )


def run(*command, cwd):
    print("$", *command, flush=True)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    environment["MPLBACKEND"] = "Agg"
    subprocess.run(command, cwd=cwd, env=environment, check=True)


def check_installed(wheel, sdist, folder):
    """Install the wheel, and run the demo and README from the sdist beside it."""
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    needed = f"{wheel}[plot]", "pandas"  # README fits a data frame
    run(python, "-m", "pip", "install", "--quiet", *needed, cwd=folder)
    with tarfile.open(sdist) as file:
        file.extractall(folder / "sdist", filter="data")
    (unpacked,) = (folder / "sdist").iterdir()
    (folder / "demo.py").write_bytes((unpacked / DEMO).read_bytes())
    readme = (unpacked / "README.md").read_text("utf-8")
    (folder / "readme.py").write_text(examples_of(readme), "utf-8")
    # -I leaves out the current folder, so that only what is installed is found.
    where = "import sklearn_deepnet; print(sklearn_deepnet.__file__)"
    run(python, "-I", "-c", where, cwd=folder)
    for script in ("demo.py", "readme.py"):
        run(python, "-I", script, cwd=folder)


def main(folder):
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    tracked = tracked_files()
    check_wheel(wheel, tracked)
    check_sdist(sdist, tracked)
    with tempfile.TemporaryDirectory() as elsewhere:
        check_installed(wheel, sdist, Path(elsewhere))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
