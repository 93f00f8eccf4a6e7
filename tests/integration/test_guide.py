"""Every block of code in the docs runs by itself and prints the output shown."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGES = (
    "../README.md",
    "index.md",
    "start.md",
    "guide.md",
    "tables.md",
    "learn.md",
    "production.md",
)
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
OUTPUT = re.compile(r"^\s*(?:print\(.*\)  # |# > )(.*)$")


def blocks():
    """The blocks of code, keyed by page and the number of their first line."""
    texts = {page: (DOCS / page).read_text("utf-8") for page in PAGES}
    return {
        f"{page}, line {text[: b.start(1)].count(chr(10)) + 1}": b.group(1)
        for page, text in texts.items()
        for b in BLOCK.finditer(text)
    }


def shown_output(code):
    """The output that the comments of a block show, line by line."""
    matches = map(OUTPUT.match, code.splitlines())
    return [match.group(1) for match in matches if match]


def test_shown_output_is_found_beside_a_print_and_below_it():
    code = "x = 1  # one\nprint(x)  # 1\nfor i in 2, 3:\n    print(i)\n# > 2\n# > 3\n"
    assert shown_output(code) == ["1", "2", "3"]


@pytest.mark.slow
@pytest.mark.parametrize("place", blocks())
@pytest.mark.filterwarnings("ignore")
def test_block_prints_the_shown_output(place, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # some write files
    code = blocks()[place]
    exec(compile(code, f"{place} and below", "exec"), {"__name__": "docs"})
    printed = capsys.readouterr().out.splitlines()
    if shown_output(code):
        assert printed == shown_output(code)


def test_every_test_file_that_the_docs_name_exists():
    texts = [page.read_text("utf-8") for page in DOCS.glob("*.md")]
    named = re.findall(r"`(?:tests/)?(\w+/test_\w+\.py)`", "\n".join(texts))
    tests = DOCS.parent / "tests"
    assert named
    assert not [name for name in named if not (tests / name).exists()]
