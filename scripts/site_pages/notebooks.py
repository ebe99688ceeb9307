"""Notebooks as pages: their text, their code, and what the code gave when the notebook was run."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from site_pages.repository import ROOT, place_of, relinked


def notebook_page(path: str) -> str:
    """Return a notebook as Markdown, with a link to the file itself, which lies beside the page."""
    parts = [part for cell in _cells(path) for part in _parts(cell, path)]
    name = Path(path).name
    return "\n\n".join([*parts, f"The notebook itself: [{name}]({name})"]) + "\n"


def notebook_text(path: str) -> str:
    """Return the Markdown of a notebook's cells as it stands there."""
    texts = (cell["source"] for cell in _cells(path) if cell["cell_type"] == "markdown")
    return "\n\n".join(map("".join, texts))


def _cells(path: str) -> list[dict[str, Any]]:
    return json.loads((ROOT / path).read_text(encoding="utf-8"))["cells"]


def _parts(cell: dict[str, Any], path: str) -> Iterator[str]:
    """Yield a cell's source, and what it gave."""
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        yield relinked(source, path=path, uri=place_of(path))
    elif source.strip():
        yield f"`````python\n{source}\n`````"
    yield from filter(None, map(_shown, cell.get("outputs", [])))


def _shown(output: dict[str, Any]) -> str:
    """Return an output in the richest form that a page shows; a table without its own style."""
    data = {kind: "".join(value) for kind, value in output.get("data", {}).items()}
    if "image/png" in data:
        return f'<img alt="" src="data:image/png;base64,{data["image/png"].strip()}">'
    if "text/html" in data:
        text = re.sub(r"<style.*?</style>", "", data["text/html"], flags=re.DOTALL)
        # An empty line would end the block.
        return re.sub(r"\n\s*\n", "\n", re.sub(r"<table[^>]*>", "<table>", text)).strip()
    text = data.get("text/plain") or "".join(output.get("text", []))
    return f"`````text\n{text.rstrip()}\n`````" if text.strip() else ""
