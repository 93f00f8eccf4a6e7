"""Settings of the documentation. `make docs` builds it without a network."""

import html
import inspect
import re
import shutil
import sys
import textwrap
import tomllib
from collections.abc import Mapping
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.transforms import SphinxTransform

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from check_site import PUBLIC_MODULES  # noqa: E402
from figures import draw_ranks, draw_stacks, draw_sweep  # noqa: E402
from guide_figures import draw_all  # noqa: E402

import sklearn_deepnet  # noqa: E402

project = "sklearn_deepnet"
author = copyright = "sklearn_deepnet developers"
release = version = sklearn_deepnet.__version__
with (HERE.parent / "pyproject.toml").open("rb") as file:
    URLS = tomllib.load(file)["project"].get("urls", {})
REPOSITORY = URLS.get("Repository", "")  # the bar links to it, if there is one

highlight_language = "text"  # of code that does not name its own
toc_object_entries_show_parents = "hide"
smartquotes = False  # what is copied from a signature has to be Python

extensions = [
    "mathml",
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
default_role = (
    "py:obj"  # `single quotes` of docstrings: code, and a link if there is one
)

html_theme = "pydata_sphinx_theme"
html_title = "sklearn_deepnet"
html_math_renderer = "mathml"
html_copy_source = False
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = html_logo = "_static/logo.svg"
html_theme_options = {
    "header_links_before_dropdown": 6,
    "logo": {"text": project},
    "navbar_align": "left",
    "navbar_end": ["version", "theme-switcher", "navbar-icon-links"],
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc", "sg_download_links"],
    "show_nav_level": 1,
    "show_toc_level": 2,
}
if REPOSITORY:
    link = {"name": "Repository", "url": REPOSITORY, "icon": "fa-brands fa-git-alt"}
    html_theme_options["icon_links"] = [link]
html_context = {"default_mode": "auto"}  # light or dark, as the reader has it
html_sidebars = {"index": [], "gallery/*": []}

copybutton_exclude = ".linenos, .gp, .go"

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

# The reference

autosummary_generate = True
autodoc_typehints = "none"  # the docstrings state the types
numpydoc_show_class_members = False  # our template lists them


def own_methods(cls):
    """Return the public methods of a class that are not inherited from scikit-learn."""
    return [
        name
        for name, member in inspect.getmembers(cls, inspect.isroutine)
        if not name.startswith("_")
        and str(getattr(member, "__module__", "")).startswith("sklearn_deepnet")
    ]


def entry(module, name):
    """Return how a name of a module is shown: directive, name, options, text."""
    member = getattr(module, name)
    if getattr(sklearn_deepnet, name, None) is member:  # has a page of its own
        return "py:data", name, [], f"The same as `sklearn_deepnet.{name}`."
    first = next(other for other, value in vars(module).items() if value is member)
    if first != name:
        return "py:data", name, [], f"The same as `{first}`."
    if isinstance(member, Mapping):
        keys = ", ".join(f"``{key!r}``" for key in member)
        return "py:data", name, [], f"The table of names: {keys}."
    if inspect.isclass(member):
        return "autoclass", name, members_of(member), ""
    if inspect.isfunction(member) or "__doc__" in vars_of(member):
        return "autofunction", name, [], ""
    parts = [f"{k}: `{v.__name__}`" for k, v in functions_of(member).items()]
    return "py:data", name, [f":type: {type(member).__name__}"], "; ".join(parts)


def members_of(cls):
    """Return the autodoc options that show the methods of a component's class."""
    call = vars(cls).get("__call__")
    called = [":special-members: __call__"] if getattr(call, "__doc__", None) else []
    own = own_methods(cls)
    return [f":members: {', '.join(own)}" if own else ":no-members:", *called]


def vars_of(member):
    """Return the attributes of an object, or nothing if it has no ``__dict__``."""
    return getattr(member, "__dict__", {})


def functions_of(component):
    """Return the public functions of a component that has no docstring of its own."""
    is_tuple = hasattr(component, "_asdict")
    fields = component._asdict() if is_tuple else vars_of(component)
    return {
        name: part
        for name, part in fields.items()
        if inspect.isfunction(part) and not part.__name__.startswith("_")
    }


autosummary_context = {
    "entries": {
        name: [entry(module, member) for member in module.__all__]
        for name, module in PUBLIC_MODULES.items()
        if module is not sklearn_deepnet
    },
    "own_methods": {
        f"sklearn_deepnet.{name}": own_methods(member)
        for name in sklearn_deepnet.__all__  # `vars` lacks what is imported later
        if inspect.isclass(member := getattr(sklearn_deepnet, name))
    },
}

# The gallery: the examples as they are, under a header

EXAMPLES = HERE.parent / "build" / "examples"
shutil.copytree(HERE.parent / "examples", EXAMPLES, dirs_exist_ok=True)
shutil.copy2(HERE / "gallery_header.txt", EXAMPLES / "GALLERY_HEADER.txt")
draw_stacks(EXAMPLES / "stacks.png")

sphinx_gallery_conf = {
    "backreferences_dir": "gallery/backreferences",
    "capture_repr": (),  # show only what the examples print
    "copyfile_regex": "",
    "default_thumb_file": str(EXAMPLES / "stacks.png"),
    "doc_module": ("sklearn_deepnet",),
    "download_all_examples": False,
    "examples_dirs": str(EXAMPLES),
    "gallery_dirs": "gallery",
    "min_reported_time": 1e9,
    "remove_config_comments": True,
    "show_signature": False,
    "within_subsection_order": "reading_order.ReadingOrder",
    "write_computation_times": False,
}

# The pages

FIGURES = HERE / "_static" / "figures"
draw_all(FIGURES, HERE / "benchmarks.md")
draw_sweep(HERE / "sweep.json", FIGURES / "sweep.svg")
draw_ranks(HERE / "tables.json", FIGURES / "tables.svg")

exclude_patterns = ["gallery/backreferences/*", "gallery_header.txt"]

PAGE_OF = {  # public names, except lower-case ones that prose uses, too
    name: f"{module}.{name}"
    for module, contents in reversed(PUBLIC_MODULES.items())
    for name in contents.__all__
    if name[0].isupper() or module == "sklearn_deepnet"
}
PAGE_OF_FILE = {  # outside docs, as a pattern: the page that shows it
    r"examples/(\w+)\.py": r"gallery/\2.rst",
    "examples": "gallery/index.rst",
    r"CONTRIBUTING\.md": "contributing.md",
    r"CHANGELOG\.md": "changelog.md",
}
VERBATIM = nodes.literal | nodes.math | nodes.FixedTextElement


def link_within_site(app, docname, source):
    """Turn paths of files outside docs, as a code host shows them, into links here."""
    for path, page in PAGE_OF_FILE.items():
        link = re.compile(rf"\]\(((?:\.\./)*)\.\./{path}(?=[)#])")
        source[0] = link.sub(rf"](\1{page}", source[0])
    if docname.startswith("gallery/"):
        source[0] = re.sub(r"``docs/([\w/]+)\.md``", r":doc:`/\1`", source[0])


def parents(node):
    """Yield the nodes around a node, innermost first."""
    while node := node.parent:
        yield node


class LinkToReference(SphinxTransform):
    """Link the first mention of a public name in each section to its page."""

    default_priority = 500

    def apply(self):
        """Wrap the code literals in references."""
        here, linked = self.env.docname, set()
        # skorch has some of these names, too, with another meaning
        if here.startswith("api/") or here == "from_skorch":
            return
        taken = nodes.title | nodes.reference | pending_xref
        for code in list(self.document.findall(nodes.literal)):
            name, outer = code.astext(), list(parents(code))
            section = next((it for it in outer if isinstance(it, nodes.section)), None)
            is_free = not any(isinstance(it, taken) for it in outer)
            if name in PAGE_OF and is_free and (section, name) not in linked:
                linked.add((section, name))
                target = {"refdomain": "py", "reftype": "obj", "refdoc": here}
                link = pending_xref("", code.deepcopy(), **target)
                link["reftarget"] = PAGE_OF[name]
                code.replace_self(link)


class KeepNumbersWhole(SphinxTransform):
    """Keep a number on one line with its thousands, unit, error or total."""

    default_priority = 500

    def apply(self):
        """Replace the spaces within numbers by no-break spaces."""
        after_number = r"(?<=\d) (?=\d{3}\b|[kMG]B\b|±|of \d)"
        blank = re.compile(rf"{after_number}|(?<=±) (?=\d)|(?<=\d of) (?=\d)")
        for text in list(self.document.findall(nodes.Text)):
            if not isinstance(text.parent, VERBATIM):
                whole = blank.sub("\N{NO-BREAK SPACE}", text)
                text.parent.replace(text, nodes.Text(whole))


def describe(app, pagename, templatename, context, doctree):
    """Describe a page to search engines by its first paragraph."""
    paragraphs = doctree.findall(nodes.paragraph) if doctree else ()
    texts = (it for it in paragraphs if not isinstance(it.parent, nodes.Admonition))
    if paragraph := next(texts, None):
        text = textwrap.shorten(paragraph.astext(), 300, placeholder=" ...")
        content = html.escape(text, quote=True)
        context["metatags"] += f'<meta name="description" content="{content}">'


def break_headings(app, pagename, templatename, context, doctree):
    """Let a long name in a heading break before its parts, on a narrow screen."""

    def break_name(heading):
        return re.sub(r"(?<=[a-z_.])(?=[A-Z])|(?<=[a-z])(?=[._])", "<wbr>", heading[0])

    if pagename.startswith("api/"):
        pattern = re.compile(r"(?<=<h1>)[\w.]+")
        context["body"] = pattern.sub(break_name, context.get("body", ""))


def drop_signature(app, what, name, member, options, signature, returns):
    """Show a protocol without a signature: nobody makes an object of it."""
    return ("", "") if getattr(member, "_is_protocol", False) else None


def show_term(app, env, node, text):
    """Show a term as plain text: scikit-learn's glossary is not part of this site."""
    return text if node["reftype"] == "term" else None


def setup(app):
    """Register the transforms and connect the event handlers."""
    app.add_transform(LinkToReference)
    app.add_transform(KeepNumbersWhole)
    app.connect("autodoc-process-signature", drop_signature)
    app.connect("source-read", link_within_site)
    app.connect("missing-reference", show_term)
    app.connect("html-page-context", describe)
    app.connect("html-page-context", break_headings)
