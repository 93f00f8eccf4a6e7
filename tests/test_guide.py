"""Every block of code in the guide runs by itself, and prints what stands beside it."""

import re
from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[1] / "docs" / "guide.md"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
TOLD = re.compile(r"^\s*(?:print\(.*\)  # |# > )(.*)$")


def blocks():
    """The blocks of code by the number of their first line."""
    text = GUIDE.read_text("utf-8")
    return {
        text[: b.start(1)].count("\n") + 1: b.group(1) for b in BLOCK.finditer(text)
    }


def told(code):
    """What the block says that it prints, line by line."""
    return [found.group(1) for line in code.splitlines() if (found := TOLD.match(line))]


def test_what_is_told_is_found_beside_a_print_or_under_it():
    code = "x = 1  # one\nprint(x)  # 1\nfor i in 2, 3:\n    print(i)\n# > 2\n# > 3\n"
    assert told(code) == ["1", "2", "3"]


@pytest.mark.parametrize("line", blocks())
@pytest.mark.filterwarnings("ignore")
def test_block_of_the_guide_prints_what_it_tells(line, capsys):
    code = blocks()[line]
    exec(compile(code, f"guide.md, from line {line}", "exec"), {"__name__": "guide"})
    printed = capsys.readouterr().out.splitlines()
    if told(code):
        assert printed == told(code)
