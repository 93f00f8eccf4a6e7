"""Every block of code in the docs runs by itself, and prints what stands beside it."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("start.md", "guide.md", "learn.md", "production.md")
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
TOLD = re.compile(r"^\s*(?:print\(.*\)  # |# > )(.*)$")


def blocks():
    """The blocks of code by page and the number of their first line."""
    texts = {page: (DOCS / page).read_text("utf-8") for page in PAGES}
    return {
        f"{page}, line {text[: b.start(1)].count(chr(10)) + 1}": b.group(1)
        for page, text in texts.items()
        for b in BLOCK.finditer(text)
    }


def told(code):
    """What the block says that it prints, line by line."""
    return [found.group(1) for line in code.splitlines() if (found := TOLD.match(line))]


def test_what_is_told_is_found_beside_a_print_or_under_it():
    code = "x = 1  # one\nprint(x)  # 1\nfor i in 2, 3:\n    print(i)\n# > 2\n# > 3\n"
    assert told(code) == ["1", "2", "3"]


@pytest.mark.parametrize("place", blocks())
@pytest.mark.filterwarnings("ignore")
def test_block_prints_what_it_tells(place, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # some write files
    code = blocks()[place]
    exec(compile(code, f"{place} and below", "exec"), {"__name__": "docs"})
    printed = capsys.readouterr().out.splitlines()
    if told(code):
        assert printed == told(code)
