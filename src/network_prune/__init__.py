"""Diversified weight pruning for PyTorch: rank, prune at random, evaluate, restore bit for bit."""

import ast
from importlib import import_module
from importlib.resources import files
from typing import Any

# Names are imported when they are first used, so that the command line's help needs no torch.
_HOMES = {
    alias.name: f"{__name__}.{node.module}"
    for node in ast.parse(files(__name__).joinpath("__init__.pyi").read_text("utf-8")).body
    if isinstance(node, ast.ImportFrom)
    for alias in node.names
}

__all__ = sorted(_HOMES)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return list(__all__)
