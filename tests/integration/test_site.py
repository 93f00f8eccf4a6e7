"""The check of the built documentation finds what is wrong with a page."""

import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def faults(tmp_path, monkeypatch):
    """Return the function that writes two pages and returns their faults."""
    monkeypatch.syspath_prepend(DOCS)
    import check_site

    monkeypatch.setattr(check_site, "PUBLIC_MODULES", {})

    def write(body):
        (tmp_path / "other.html").write_text("<h1 id='there'>x<math></math></h1>")
        (tmp_path / "page.html").write_text(body)
        return [it.replace(f"{tmp_path}/", "") for it in check_site.faults(tmp_path)]

    yield write
    sys.modules.pop("check_site")


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ('<a href="no.html">', "links to no.html, which does not exist"),
        (
            '<a href="other.html#no">',
            "links to other.html#no, which is not a place on that page",
        ),
        ('<a href="#no">', "links to #no, which is not a place on that page"),
        ('<script src="https://x.y/z.js">', "fetches https://x.y/z.js"),
        (
            "<code><span>\N{LEFT DOUBLE QUOTATION MARK}</span>",
            "has curly quotes in '\N{LEFT DOUBLE QUOTATION MARK}'",
        ),
    ],
)
def test_a_fault_is_found(faults, body, found):
    assert faults(body) == [f"page.html {found}"]


@pytest.mark.parametrize(
    "body",
    [
        '<a href="other.html#there">',
        '<a href="https://elsewhere.org/no.html#no">',
        '<a href="#">',
        '<h2 id="a%b"></h2><a href="#a%25b">',
        "<code>x</code><p>\N{LEFT DOUBLE QUOTATION MARK}</p>",
    ],
)
def test_what_is_right_is_not_found(faults, body):
    assert faults(body) == []
