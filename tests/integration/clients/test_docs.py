"""``docs/integrations.md``: its code runs, and its versions are those of this run."""

import re
from importlib.metadata import version

import mlflow
import optuna
import pytest

from tests.integration.test_guide import BLOCK, DOCS, line_of, shown_output

PAGE = DOCS / "integrations.md"
TEXT = PAGE.read_text("utf-8")
BLOCKS = {f"line {line_of(it, TEXT)}": it.group(1) for it in BLOCK.finditer(TEXT)}
ROW = re.compile(r"^\| (?:\[([\w-]+)\]\(.*?\)|([\w-]+)) \| ([\d.]+) \|", re.MULTILINE)


@pytest.fixture
def _settings(tmp_path, monkeypatch):
    """Run in a folder of its own, and put global settings of libraries back."""
    monkeypatch.chdir(tmp_path)
    # mlflow loads a model in a process of its own to list the packages it needs.
    monkeypatch.setenv("MLFLOW_REQUIREMENTS_INFERENCE_TIMEOUT", "1")
    verbosity = optuna.logging.get_verbosity()
    yield
    optuna.logging.set_verbosity(verbosity)
    mlflow.sklearn.autolog(disable=True, silent=True)
    mlflow.set_tracking_uri(None)


@pytest.mark.usefixtures("_settings")
@pytest.mark.parametrize("place", BLOCKS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_block_prints_the_shown_output(place, capsys):
    code = compile(BLOCKS[place], f"{place} and below", "exec")
    exec(code, {"__name__": "docs"})
    assert capsys.readouterr().out.splitlines() == shown_output(BLOCKS[place]) != []


def test_every_library_is_shown():
    assert len(BLOCKS) == TEXT.count("```python") == 9


def test_the_versions_of_the_page_are_those_that_are_tested():
    shown = {link or name: minor for link, name, minor in ROW.findall(TEXT)}
    assert len(shown) == TEXT.count("\n| ") - 1
    numpy, sklearn = re.search(
        r"NumPy ([\d.]+) and\s+scikit-learn (\d+\.\d+)", TEXT
    ).groups()
    shown |= {"numpy": numpy, "scikit-learn": sklearn}
    tested = {name: ".".join(version(name).split(".")[:2]) for name in shown}
    assert shown == tested
