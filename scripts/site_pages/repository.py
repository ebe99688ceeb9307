"""Files of the repository that the site's pages link to, which are pages of the site, too."""

import re
from collections.abc import Iterator
from pathlib import Path
from posixpath import dirname, join, normpath, relpath

ROOT = Path(__file__).parents[2]
DOCS = "docs/"
# Files outside docs/ that have a place of their own, and folders that a page lists.
OWN = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "CITATION.cff": "citing.md",
    "docs": "contents.md",
    "docs/index.md": "contents.md",
    "examples": "examples.md",
    "examples/README.md": "examples.md",
}
_LINK = re.compile(r"(?<=\]\()([^)\s#]+)(?=[)#])")
_LANGUAGES = {
    ".sh": "bash",
    ".sbatch": "bash",
    ".py": "python",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".toml": "toml",
}
_COPIED = (".svg", ".png", ".json")


def relinked(text: str, *, path: str, uri: str) -> str:
    """Return Markdown whose links to files of the repository lead to their places in the site.

    Args:
        text: the Markdown.
        path: the file that it stands in, from the repository's root.
        uri: where that is in the site.
    """

    def place(found: re.Match[str]) -> str:
        target = _target(found[0], path)
        return found[0] if target is None else relpath(place_of(target), dirname(uri) or ".")

    return _LINK.sub(place, text)


def linked(text: str, *, path: str) -> Iterator[str]:
    """Yield the files outside docs/ that Markdown links to and that have no place of their own."""
    for link in _LINK.findall(text):
        target = _target(link, path)
        if target is not None and target not in OWN and not target.startswith(DOCS):
            yield target


def place_of(path: str) -> str:
    """Return where a file of the repository is in the site."""
    if path in OWN:
        return OWN[path]
    if path.startswith(DOCS):
        return path.removeprefix(DOCS)
    return f"files/{path}" if path.endswith(_COPIED) else f"files/{path}.md"


def file_page(path: str) -> str:
    """Return a page that shows a text file."""
    text = (ROOT / path).read_text(encoding="utf-8").rstrip()
    language = _LANGUAGES.get(Path(path).suffix, "text")
    return f"# {path}\n\n`````{language}\n{text}\n`````\n"


def _target(link: str, path: str) -> str | None:
    """Return what a link in a file leads to, None unless that is in the repository."""
    target = normpath(join(dirname(path), link))
    is_inside = "://" not in link and not target.startswith("..")
    is_there = is_inside and ((ROOT / target).is_file() or target in OWN)
    return target if is_there else None
