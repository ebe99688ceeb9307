"""The reference of Python: every public name, from the stub that declares them."""

import ast

from site_pages.repository import ROOT

STUB = ROOT / "src" / "network_prune" / "__init__.pyi"
# The package's rooms, in the order in which one meets them, and what their pages are called.
_TITLES = {
    "sources": "Networks and data",
    "pruning": "Ranking and pruning",
    "evaluation": "Evaluating",
    "study": "Studies",
    "transfer": "Transfer and diversity",
    "deploy": "After the cut",
    "others": "Errors and version",
}
_ROOMS = {"results": "study", "reports": "study"}


def public_names() -> dict[str, str]:
    """Return each public name with the module that it is declared in, from the package's root."""
    return {
        alias.name: node.module or ""
        for node in ast.parse(STUB.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def name_pages() -> dict[str, str]:
    """Return the pages' texts by their places in the site; each public name is on one of them."""
    found: dict[str, list[str]] = {room: [] for room in _TITLES}
    for name, module in public_names().items():
        room = module.partition(".")[0]
        room = _ROOMS.get(room, room)
        found[room if room in found else "others"].append(name)
    return {
        f"reference/python/{room}.md": _page(_TITLES[room], names)
        for room, names in found.items()
        if names
    }


def _page(title: str, names: list[str]) -> str:
    entries = [f"::: network_prune.{name}\n" for name in names]
    return "\n".join([f"# {title}\n", *entries])
