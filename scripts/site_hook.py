"""What `mkdocs build` calls: adds the pages that are made, and leads links into the repository."""

from collections.abc import Iterator
from posixpath import basename
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page
from site_pages.citing import citing_page
from site_pages.commands import command_pages
from site_pages.examples import example_files, examples_page
from site_pages.names import name_pages
from site_pages.records import records_page
from site_pages.repository import (
    DOCS,
    OWN,
    ROOT,
    file_page,
    linked,
    page,
    place_of,
    relinked,
)

_made: dict[str, str] = {}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Make the pages, and put those of the references into the navigation."""
    _made.clear()
    _made.update(
        {
            "reference/records.md": records_page(),
            "examples.md": examples_page(),
            "citing.md": citing_page(),
            **command_pages(),
            **name_pages(),
        }
    )
    _made.update({uri: page(path) for path, uri in OWN.items() if uri not in _made})
    config.nav = _filled(config.nav)
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the made pages, and the repository's files that any page links to."""
    for uri, text in _made.items():
        files.append(File.generated(config, uri, content=text))
    for path in sorted({*example_files(), *_linked(config)}):
        uri, hidden = place_of(path), InclusionLevel.NOT_IN_NAV
        if uri.endswith(".md"):
            made = File.generated(config, uri, content=file_page(path), inclusion=hidden)
        else:
            made = File.generated(config, uri, abs_src_path=str(ROOT / path), inclusion=hidden)
        files.append(made)
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Lead a page's links to the repository's files to their places in the site."""
    uri = page.file.src_uri
    return markdown if uri in _made else relinked(markdown, path=DOCS + uri, uri=uri)


def _filled(nav: Any) -> Any:
    """Return the navigation with the pages below a folder in the folder's place."""
    if isinstance(nav, list):
        return [_filled(each) for each in nav]
    if isinstance(nav, dict):
        return {title: _filled(each) for title, each in nav.items()}
    pages = [uri for uri in _made if uri.startswith(f"{nav}/")]
    return [_titled(uri) for uri in pages] if pages else nav


def _titled(uri: str) -> str | dict[str, str]:
    name = basename(uri).removesuffix(".md")
    is_command = uri.startswith("reference/commands/") and name != "index"
    return {name: uri} if is_command else uri


def _linked(config: MkDocsConfig) -> Iterator[str]:
    for path in (ROOT / config.docs_dir).glob("**/*.md"):
        uri = path.relative_to(config.docs_dir).as_posix()
        yield from linked(path.read_text(encoding="utf-8"), path=DOCS + uri)
    for path in OWN:
        if (ROOT / path).is_file():
            yield from linked((ROOT / path).read_text(encoding="utf-8"), path=path)
