"""The README of the package, whose links work where its folders are not beside it."""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_FENCED = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(!?)\[((?:[^][]|\[[^]]*\])*)\]\((?!https?:|#)([^)\s]+)\)")
_ATTRIBUTE = re.compile(r'\b(src|srcset|href)="(?!https?:|#)([^"]+)"')
_PICTURE = re.compile(
    r'<picture>.*?</picture>|<img [^>]*src="(?!https?:)[^>]*>', re.DOTALL
)
_ANCHOR = re.compile(r'<a href="(?!https?:|#)[^>]*>(.*?)</a>', re.DOTALL)
_LEFT_OUT = "\0"  # stands for a picture until its caption is left out, too
_CAPTION = re.compile(rf"{_LEFT_OUT}\n\n\*(?!\*)(?:.|\n(?!\n))+?\*(?:\n\n|\n?\Z)")
_HEADING_AND_LIST = re.compile(r"^#+ .*\n\n((?:- .*\n(?:  .*\n)*)+)\n?", re.MULTILINE)
_ITEM = re.compile(r"^- ", re.MULTILINE)


class ReadmeHook(MetadataHookInterface):
    """Gives the package the README with absolute links."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set `readme` in place."""
        text = Path(self.root, "README.md").read_text("utf-8")
        repository = metadata.get("urls", {}).get("Repository", "")
        metadata["readme"] = {
            "content-type": "text/markdown",
            "text": make_links_absolute(text, repository),
        }


def make_links_absolute(text: str, repository: str) -> str:
    """Return Markdown whose links to files lead into the repository.

    Parameters
    ----------
    text : str
        Markdown with links to files beside it.
    repository : str
        Address of the repository on a code host, such as GitHub. Without one, links
        become their text. Pictures with their captions are left out, and so is a
        heading with its list if each item of the list has such a link.
    """
    # Every second part is a block of code, in which brackets are no links.
    parts = _FENCED.split(text)
    parts[::2] = [_replace_links(part, repository) for part in parts[::2]]
    return "".join(parts)


def _replace_links(text: str, repository: str) -> str:
    if not repository:
        return _remove_links(text)

    def link(match: re.Match[str]) -> str:
        address = f"{repository}/{'raw' if match[1] else 'blob'}/HEAD/{match[3]}"
        return f"{match[1]}[{match[2]}]({address})"

    def attribute(match: re.Match[str]) -> str:
        kind = "blob" if match[1] == "href" else "raw"
        return f'{match[1]}="{repository}/{kind}/HEAD/{match[2]}"'

    return _ATTRIBUTE.sub(attribute, _LINK.sub(link, text))


def _remove_links(text: str) -> str:
    text = _HEADING_AND_LIST.sub(_remove_list_of_links, text)
    text = _PICTURE.sub(_LEFT_OUT, _ANCHOR.sub(r"\1", text))
    text = _LINK.sub(lambda link: _LEFT_OUT if link[1] else link[2], text)
    return _CAPTION.sub("", text).replace(_LEFT_OUT, "")


def _remove_list_of_links(section: re.Match[str]) -> str:
    _, *items = _ITEM.split(section[1])
    return "" if all(map(_LINK.search, items)) else section[0]
