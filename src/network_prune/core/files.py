"""Element sets as safetensors files."""

import json
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from network_prune.core.elements import ElementSet, word_count
from network_prune.core.layers import Granularity, Layer
from network_prune.errors import SourceError
from network_prune.plain_file import check_plain
from network_prune.whole_file import write_whole

_FORMAT = "network-prune/1"


def write_elements(
    path: str | PathLike[str], elements: ElementSet, *, kind: str, settings: dict[str, Any]
) -> None:
    """Write ``elements`` with their ``settings``, whole or not at all."""
    content = {**elements.describe(), "settings": settings, "sha256": elements.sha256}
    metadata = {"format": _FORMAT, "kind": kind, "content": json.dumps(content)}
    # Not save_file, which makes a file that only its owner can read.
    write_whole(Path(path), save({"words": elements.words}, metadata))


def read_elements(
    path: str | PathLike[str],
    *,
    kind: str,
    settings: Mapping[str, Callable[[Any], Any]],
    usual: Mapping[str, Any],
) -> tuple[ElementSet, dict[str, Any]]:
    """Read what `write_elements` wrote, checked against its own hash.

    Args:
        path: the file.
        kind: what it has to hold.
        settings: the settings it has to hold, each with what reads its value and
            raises a ValueError or TypeError for a wrong one.
        usual: the values of settings that it may lack.
    """
    metadata, words = _open(path)
    if metadata.get("format") != _FORMAT or metadata.get("kind") != kind:
        ours = metadata.get("format") == _FORMAT and "kind" in metadata
        found = f"a {metadata['kind']}" if ours else "something else"
        raise SourceError(f"{path} holds {found}, not a network-prune {kind}")
    try:
        content = json.loads(metadata["content"])
        layers = tuple(_layer(**item) for item in content["layers"])
        granularity = Granularity(content["granularity"])
        stored = {**usual, **content["settings"]}
        values = {name: read(stored[name]) for name, read in settings.items()}
        sha256 = str(content["sha256"])
    except (KeyError, OverflowError, RecursionError, TypeError, ValueError):
        raise SourceError(
            f"{path} is damaged: its content isn't a {kind}'s; save it anew"
        ) from None
    expected = sum(word_count(layer.element_count(granularity)) for layer in layers)
    if words.shape != (expected,) or words.dtype != np.uint64:
        raise SourceError(f"{path} is damaged: its bits don't fit its layers; save the {kind} anew")
    elements = ElementSet(granularity, layers, words)
    if elements.sha256 != sha256:
        raise SourceError(f"{path} is damaged: its SHA-256 doesn't match; save the {kind} anew")
    return elements, values


def _layer(name: str, shape: list[int], transposed: bool, groups: int) -> Layer:
    return Layer(str(name), tuple(int(size) for size in shape), bool(transposed), int(groups))


def _open(path: str | PathLike[str]) -> tuple[dict[str, str], Any]:
    check_plain(path)
    try:
        with safe_open(path, framework="numpy") as file:
            names = set(file.keys())
            words = file.get_tensor("words") if names == {"words"} else np.empty(0)
            return file.metadata() or {}, words
    except FileNotFoundError:
        raise SourceError(f"{path} does not exist") from None
    except (OSError, TypeError, SafetensorError) as error:
        raise SourceError(f"{path} is not a readable safetensors file: {error}") from None
