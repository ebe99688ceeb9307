"""Diversified weight pruning for PyTorch: rank, prune at random, evaluate, restore bit for bit."""

from functools import cache

# Names are imported when they are first used, so that the command line's help needs no torch;
# what finds them is, too, so that hardly anything is left that Ctrl-C could interrupt here.


@cache
def _homes() -> dict[str, str]:
    """Return the module of each public name, as the stub beside this file declares them."""
    import ast
    from importlib.resources import files

    return {
        alias.name: f"{__name__}.{node.module}"
        for node in ast.parse(files(__name__).joinpath("__init__.pyi").read_text("utf-8")).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def __getattr__(name: str) -> object:
    from importlib import import_module

    homes = _homes()
    if name == "__all__":
        return sorted(homes)
    if name not in homes:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(homes[name]), name)


def __dir__() -> list[str]:
    return sorted(_homes())
