"""What the site's generator reads: the pages of docs/, those that are made, and its settings."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from site_pages.citing import citing_page
from site_pages.commands import command_pages
from site_pages.names import name_pages
from site_pages.notebooks import notebook_page, notebook_text
from site_pages.records import records_page
from site_pages.repository import DOCS, OWN, ROOT, file_page, linked, place_of, relinked

SETTINGS = ROOT / "scripts" / "site.yml"


def write_sources(folder: Path) -> Path:
    """Write all that the generator reads into an empty folder, and return its settings' file.

    It writes the site into the folder ``site`` beside them.
    """
    pages = _made_pages()
    docs = folder / "docs"
    shutil.copytree(ROOT / DOCS, docs, ignore=shutil.ignore_patterns("*.md"))
    for path, text in _written():
        uri = place_of(path)
        pages.setdefault(uri, relinked(text, path=path, uri=uri))
    for uri, text in pages.items():
        _write(docs / uri, text)
    for path in _shown_files():
        _add_file(docs, path)
    settings = yaml.safe_load(SETTINGS.read_text(encoding="utf-8"))
    settings["nav"] = _filled(settings["nav"], list(pages))
    python = settings["plugins"][-1]["mkdocstrings"]["handlers"]["python"]
    python["paths"] = [str(ROOT / "src")]
    python["options"]["extensions"] = [str(Path(__file__).with_name("defaults.py"))]
    _write(folder / "mkdocs.yml", yaml.safe_dump(settings, sort_keys=False))
    return folder / "mkdocs.yml"


def _add_file(docs: Path, path: str) -> None:
    """Write the page of a file of the repository, or the file itself, or both."""
    uri, is_notebook = place_of(path), path.endswith(".ipynb")
    (docs / uri).parent.mkdir(parents=True, exist_ok=True)
    if uri.endswith(".md"):
        _write(docs / uri, notebook_page(path) if is_notebook else file_page(path))
    if is_notebook or not uri.endswith(".md"):
        shutil.copyfile(ROOT / path, docs / uri.removesuffix(".md"))


def _made_pages() -> dict[str, str]:
    """Return the pages that no file holds, by their places in the site."""
    return {
        "reference/records.md": records_page(),
        "citing.md": citing_page(),
        **command_pages(),
        **name_pages(),
    }


def _written() -> Iterator[tuple[str, str]]:
    """Yield path and text of each page that a file of the repository holds."""
    inside = sorted((ROOT / DOCS).rglob("*.md"))
    for path in [*(path.relative_to(ROOT).as_posix() for path in inside), *OWN]:
        if (ROOT / path).is_file() and path.endswith(".md"):
            yield path, (ROOT / path).read_text(encoding="utf-8")


def _shown_files() -> list[str]:
    """Return the other files of the repository that pages link to."""
    found = {each for path, text in _written() for each in linked(text, path=path)}
    notebooks = [path for path in found if path.endswith(".ipynb")]
    found.update(each for path in notebooks for each in linked(notebook_text(path), path=path))
    return sorted(found)


def _filled(nav: Any, pages: list[str]) -> Any:
    """Return the navigation with the pages below a folder in the folder's place."""
    if isinstance(nav, list):
        return [_filled(each, pages) for each in nav]
    if isinstance(nav, dict):
        return {title: _filled(each, pages) for title, each in nav.items()}
    below = [uri for uri in pages if uri.startswith(f"{nav}/")]
    return [_titled(uri) for uri in below] if below else nav


def _titled(uri: str) -> str | dict[str, str]:
    name = Path(uri).stem
    is_command = uri.startswith("reference/commands/") and name != "index"
    return {name: uri} if is_command else uri


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
