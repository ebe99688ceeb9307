"""p_prune by layer in YAML: files of their own, mappings in braces, and plans."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from network_prune.by_layer import ByLayer
from network_prune.errors import ArgumentError
from network_prune.options import OPTIONS
from network_prune.plain_file import read_small_text
from network_prune.plain_text import plain
from network_prune.sources.yaml_text import MOST_BYTES, compose, construct


def with_files(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return options with the mappings that ``p_prune_file`` names among ``p_prune``.

    Raises:
        ArgumentError: a mapping isn't allowed.
        SourceError: a file can't be read.
    """
    others = dict(values)
    files = others.pop("p_prune_file", None)
    if files in (None, ()):
        return others
    found = [_read(name) for name in OPTIONS["p_prune_file"].read("p_prune_file", files)]
    said = others.get("p_prune")
    fractions = () if said is None else OPTIONS["p_prune"].read("p_prune", said)
    return {**others, "p_prune": (*fractions, *found)}


def fractions_text(fractions: Mapping[str, float], comments: Iterable[str] = ()) -> str:
    """Return what a file of ``fractions`` holds; paths are quoted, since some look like numbers."""
    lines = [f"# {plain(comment)}\n" for comment in comments]
    lines += [_quoted(path) + f": {fraction!r}\n" for path, fraction in fractions.items()]
    return "".join(lines)


def _quoted(path: str) -> str:
    return yaml.safe_dump(path, default_style='"', width=math.inf).removesuffix("\n")


def _read(name: str) -> ByLayer:
    is_inline = name.lstrip().startswith("{")
    where = "p_prune_file" if is_inline else name
    text = name if is_inline else read_small_text(Path(name), what="p_prune_file", most=MOST_BYTES)
    node = compose(text, where)
    found = None if node is None else construct(node, where)
    if not isinstance(found, Mapping):
        raise ArgumentError(f"{where}: it holds no fractions; write LAYER: FRACTION, one a line")
    try:
        return ByLayer(found)
    except ArgumentError as error:
        raise ArgumentError(f"{where}: {error}") from None
