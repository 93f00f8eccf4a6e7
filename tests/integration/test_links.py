"""Links of the pages lead to files of the repository, as a code host shows them.

`docs/check_site.py` checks the links of the built site.
"""

import re
from pathlib import Path
from urllib.parse import urldefrag

import pytest

ROOT = Path(__file__).parents[2]
# what the build of the site makes; the repository does not have it
BUILT = ("docs/api/generated", "docs/gallery")
DRAWN = "docs/_static/figures"  # the pages may show these pictures
CODE = re.compile(r"^(`{3,})[^`]*?^\1$|`[^`\n]+`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(!?)\[(?:[^][]|\[[^]]*\])*\]\((?!\w+:)([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


def pages(root):
    folders = root.glob("*.md"), root.glob("docs/**/*.md")
    found = [path for paths in folders for path in paths]
    return [path for path in found if not is_built(path, root)]


def is_built(path, root):
    return path.relative_to(root).as_posix().startswith(BUILT)


def anchors_of(page):
    """The anchors of a page, as a code host makes them of the headings."""
    headings = HEADING.findall(CODE.sub(without_fence, page.read_text("utf-8")))
    texts = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", it) for it in headings]
    plain = [re.sub(r"[^\w -]", "", text).strip().lower() for text in texts]
    return {text.replace(" ", "-") for text in plain}


def without_fence(code):
    return "" if code[1] else code[0]


def fault_of(page, picture, link, root):
    """Return what is wrong with a link, or None."""
    address, anchor = urldefrag(link)
    target = (page.parent / address).resolve() if address else page
    inside = target.is_relative_to(root)
    name = target.relative_to(root).as_posix() if inside else str(target)
    if picture and name.startswith(DRAWN):
        return None
    if not inside or name.startswith((*BUILT, DRAWN)) or not target.exists():
        return "is not in the repository"
    if target.is_dir() or target.suffix != ".md":
        return "has no headings" if anchor else None
    if target.read_text("utf-8").startswith("```{include}"):
        return "only includes another page"
    if anchor and anchor not in anchors_of(target):
        return "has no such heading"
    return None


def faults(root):
    """Return {page: {link: what is wrong with it}}."""
    found = {}
    for page in pages(root):
        text = CODE.sub("", page.read_text("utf-8"))
        for picture, link in LINK.findall(text):
            if fault := fault_of(page, picture, link, root):
                found.setdefault(page.relative_to(root).as_posix(), {})[link] = fault
    return found


def test_links_of_the_pages_lead_to_files_of_the_repository():
    assert faults(ROOT) == {}


def test_the_links_of_the_pages_are_found():
    n_links = sum(
        len(LINK.findall(CODE.sub("", page.read_text("utf-8")))) for page in pages(ROOT)
    )
    assert n_links > 100


@pytest.fixture
def repository(tmp_path):
    """A function that writes a page with a link, and returns the faults of the link."""
    (tmp_path / "docs/gallery").mkdir(parents=True)
    (tmp_path / "docs/gallery/index.rst").touch()
    (tmp_path / "examples").mkdir()
    (tmp_path / "README.md").write_text("# Title\n\n## `net.fit` of [a](b)!\n")
    (tmp_path / "docs/included.md").write_text("```{include} ../README.md\n```\n")

    def write(text):
        (tmp_path / "docs/page.md").write_text(text)
        found = faults(tmp_path)
        found.pop("README.md")
        return found

    return write


@pytest.mark.parametrize(
    ("link", "fault"),
    [
        ("[x](../none.md)", "is not in the repository"),
        ("[x](../README)", "is not in the repository"),
        ("[x](../../elsewhere.md)", "is not in the repository"),
        ("[x](gallery/index.rst)", "is not in the repository"),
        ("[x](_static/figures/x.svg)", "is not in the repository"),
        ("![x](_static/x.svg)", "is not in the repository"),
        ("[x](../README.md#none)", "has no such heading"),
        ("[x](#none)", "has no such heading"),
        ("[x](../examples#none)", "has no headings"),
        ("[x](included.md)", "only includes another page"),
    ],
)
def test_a_wrong_link_is_found(repository, link, fault):
    address = link.partition("(")[2].rstrip(")")
    assert repository(f"text {link} text") == {"docs/page.md": {address: fault}}


@pytest.mark.parametrize(
    "text",
    [
        "[x](../README.md)",
        "[`x[0]`](../README.md#netfit-of-a)",
        "## Here\n\n[x](#here)",
        "[x](../examples)",
        "![x](_static/figures/x.svg)",
        "[x](https://example.org/none.md#none)",
        "`[x](none.md)`",
        "```\n[x](none.md)\n```",
    ],
)
def test_a_right_link_is_no_fault(repository, text):
    assert repository(text) == {}
