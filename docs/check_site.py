"""Check that the built pages need no network, show formulas and list all public names.

``python docs/check_site.py build/docs`` prints each fault, and fails if there is one.
"""

import re
import sys
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path

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
IN_STYLES = re.compile(r"(?:@import\s+|url\()['\"]?((?:https?:)?//[^'\")\s]+)")


class Page(HTMLParser):
    """The addresses a page fetches, the names it documents, its number of formulas."""

    def __init__(self, html):
        super().__init__()
        self.fetched, self.ids, self.n_formulas = [], set(), 0
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        """Record the id, the formula or the address of a tag."""
        attrs = dict(attrs)
        self.ids.add(attrs.get("id"))
        self.n_formulas += tag == "math"
        if address := attrs.get(FETCHED.get(tag)):
            self.fetched.append(address)


def faults(site):
    """Yield the faults of a site, one sentence each."""
    pages = {path: Page(path.read_text("utf-8")) for path in site.rglob("*.html")}
    for path, page in pages.items():
        for address in filter(ELSEWHERE.match, page.fetched):
            yield f"{path} fetches {address}"
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
