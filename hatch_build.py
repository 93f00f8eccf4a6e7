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
        become their text, and pictures are left out.
    """
    # Every second part is a block of code, in which brackets are no links.
    parts = _FENCED.split(text)
    parts[::2] = [_replace_links(part, repository) for part in parts[::2]]
    return "".join(parts)


def _replace_links(text: str, repository: str) -> str:
    if not repository:
        text = _PICTURE.sub("", _ANCHOR.sub(r"\1", text))
        return _LINK.sub(lambda link: "" if link[1] else link[2], text)

    def link(match: re.Match[str]) -> str:
        address = f"{repository}/{'raw' if match[1] else 'blob'}/HEAD/{match[3]}"
        return f"{match[1]}[{match[2]}]({address})"

    def attribute(match: re.Match[str]) -> str:
        kind = "blob" if match[1] == "href" else "raw"
        return f'{match[1]}="{repository}/{kind}/HEAD/{match[2]}"'

    return _ATTRIBUTE.sub(attribute, _LINK.sub(link, text))
