"""Every block of code in the docs runs by itself and prints the output shown."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
NOT_HERE = {
    DOCS.parent / "CONTRIBUTING.md",  # its blocks are parts of modules
    DOCS / "integrations.md",  # integration/clients has the libraries that it shows
}
PAGES = sorted({*DOCS.glob("**/*.md"), *DOCS.parent.glob("*.md")} - NOT_HERE)
# a line of a block that is not run, and why
NOT_RUN = {
    "import torch": "PyTorch and skorch are not among the dependencies of the tests",
    "import ray": "Ray is not among the dependencies of the tests",
    "from mapie.regression import ConformalizedQuantileRegressor": (
        "tests/integration/clients runs it, where MAPIE is installed"
    ),
}
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
OUTPUT = re.compile(r"^\s*(?:print\(.*\)  # |# > )(.*)$")


def blocks():
    """The blocks of code, keyed by page and the number of their first line."""
    texts = {page: page.read_text("utf-8") for page in PAGES}
    return {
        f"{page.relative_to(DOCS.parent)}, line {line_of(b, text)}": b.group(1)
        for page, text in texts.items()
        for b in BLOCK.finditer(text)
    }


def line_of(block, text):
    return text.count("\n", 0, block.start(1)) + 1


def is_run(code):
    return not NOT_RUN.keys() & {*code.splitlines()}


BLOCKS = blocks()


def shown_output(code):
    """The output that the comments of a block show, line by line."""
    matches = map(OUTPUT.match, code.splitlines())
    return [match.group(1) for match in matches if match]


def test_shown_output_is_found_beside_a_print_and_below_it():
    code = "x = 1  # one\nprint(x)  # 1\nfor i in 2, 3:\n    print(i)\n# > 2\n# > 3\n"
    assert shown_output(code) == ["1", "2", "3"]


@pytest.mark.slow
@pytest.mark.parametrize("place", [it for it in BLOCKS if is_run(BLOCKS[it])])
@pytest.mark.filterwarnings("ignore", "error::sklearn.exceptions.ConvergenceWarning")
def test_block_prints_the_shown_output(place, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # some write files
    code = BLOCKS[place]
    exec(compile(code, f"{place} and below", "exec"), {"__name__": "docs"})
    printed = capsys.readouterr().out.splitlines()
    if shown_output(code):
        assert printed == shown_output(code)


def test_every_block_of_python_is_found():
    n_fences = sum(page.read_text("utf-8").count("```python") for page in PAGES)
    assert len(BLOCKS) == n_fences > 60


def test_no_more_blocks_are_left_out_than_have_a_reason():
    left_out = [code for code in BLOCKS.values() if not is_run(code)]
    assert len(left_out) == len(NOT_RUN)


def test_every_test_file_that_the_docs_name_exists():
    texts = [page.read_text("utf-8") for page in DOCS.glob("**/*.md")]
    named = re.findall(r"`(?:tests/)?(\w+/test_\w+\.py)`", "\n".join(texts))
    tests = DOCS.parent / "tests"
    assert named
    assert not [name for name in named if not (tests / name).exists()]
