"""The picture in README shows what the library draws today."""

import importlib.util
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PICTURE = DOCS / "_static" / "initializers.svg"


@pytest.fixture
def guide_figures():
    spec = importlib.util.spec_from_file_location(
        "guide_figures", DOCS / "guide_figures.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def texts_of(path):
    return re.findall(r"<text[^>]*>([^<]+)</text>", path.read_text("utf-8"))


@pytest.mark.slow
def test_readme_shows_the_accuracies_of_today(guide_figures, tmp_path):
    guide_figures.draw_readme_picture(tmp_path / "drawn.svg")
    assert texts_of(tmp_path / "drawn.svg") == texts_of(PICTURE)
    assert "83% correct" in texts_of(PICTURE)
