"""Check that the built pages need no network, and that their links lead somewhere.

They also show formulas, list all public names, and have no curly quotes in code.

``python docs/check_site.py build/docs`` prints each fault, and fails if there is one.
"""

import re
import sys
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from urllib.parse import unquote, urldefrag

PUBLIC_MODULES = {
    name: import_module(name)
    for name in (
        "sklearn_deepnet",
        "sklearn_deepnet.nn.initializers",
        "sklearn_deepnet.nn.activations",
        "sklearn_deepnet.nn.losses",
        "sklearn_deepnet.nn.optimizers",
        "sklearn_deepnet.nn.schedules",
        "sklearn_deepnet.nn.numeric_features",
        "sklearn_deepnet.nn.functional",
        "sklearn_deepnet.model_selection",
        "sklearn_deepnet.inspection",
        "sklearn_deepnet.onnx",
        "sklearn_deepnet.persistence",
        "sklearn_deepnet.exceptions",
    )
}
# What a browser fetches to show a page. A link may lead anywhere: readers choose.
FETCHED = {"script": "src", "link": "href", "img": "src", "iframe": "src"}
ELSEWHERE = re.compile(r"(https?:)?//")
SCHEME = re.compile(r"[a-z]+:|//")
CODE = {"code", "pre", "dt"}  # dt: a signature, or a parameter with its default
CURLY = re.compile("[\u2018\u2019\u201c\u201d]")
IN_STYLES = re.compile(r"(?:@import\s+|url\()['\"]?((?:https?:)?//[^'\")\s]+)")


class Page(HTMLParser):
    """What a page fetches, links to, documents and shows."""

    def __init__(self, html):
        super().__init__()
        self.fetched, self.links, self.ids, self.n_formulas = [], [], set(), 0
        self.curly, self._code = [], None
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        """Record the id, the formula or the addresses of a tag."""
        attrs = dict(attrs)
        self.ids.add(attrs.get("id"))
        self.n_formulas += tag == "math"
        if tag in CODE and self._code is None:
            self._code = tag
        if tag == "a" and (link := attrs.get("href")):
            self.links.append(link)
        if address := attrs.get(FETCHED.get(tag)):
            self.fetched.append(address)

    def handle_endtag(self, tag):
        """Leave the code, if this is its end."""
        if tag == self._code:
            self._code = None

    def handle_data(self, data):
        """Record code with quotes that Python does not know."""
        if self._code and CURLY.search(data):
            self.curly.append(data)


def broken_links(pages):
    """Yield the links within the site that lead to no file, or no place on a page."""
    for path, page in pages.items():
        for link in page.links:
            address, place = map(unquote, urldefrag(link))
            target = (path.parent / address).resolve() if address else path
            if SCHEME.match(link):
                continue
            if not target.exists():
                yield f"{path} links to {link}, which does not exist"
            elif place and target in pages and place not in pages[target].ids:
                yield f"{path} links to {link}, which is not a place on that page"


def faults(site):
    """Yield the faults of a site, one sentence each."""
    files = [path.resolve() for path in site.rglob("*.html")]
    pages = {path: Page(path.read_text("utf-8")) for path in files}
    yield from broken_links(pages)
    for path, page in pages.items():
        for address in filter(ELSEWHERE.match, page.fetched):
            yield f"{path} fetches {address}"
        for code in page.curly:
            yield f"{path} has curly quotes in {code!r}"
    for path in site.rglob("*.css"):
        for address in IN_STYLES.findall(path.read_text("utf-8")):
            yield f"{path} fetches {address}"
    if not any(page.n_formulas for page in pages.values()):
        yield "no page shows a formula"
    shown = set().union(*(page.ids for page in pages.values()))
    for module, contents in PUBLIC_MODULES.items():
        for name in contents.__all__:
            if f"{module}.{name}" not in shown:
                yield f"{module}.{name} is on no page"


if __name__ == "__main__":
    wrong = list(faults(Path(sys.argv[1])))
    print(*wrong, sep="\n", end="\n" if wrong else "")
    sys.exit(bool(wrong))
