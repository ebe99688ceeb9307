"""Element sets as safetensors files."""

import json
import os
import tempfile
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from network_prune.core.elements import ElementSet, word_count
from network_prune.core.layers import Granularity, Layer
from network_prune.errors import RunError, SourceError

_FORMAT = "network-prune/1"


def write_elements(
    path: str | PathLike[str], elements: ElementSet, *, kind: str, settings: dict[str, Any]
) -> None:
    """Write ``elements`` with their ``settings``, whole or not at all."""
    content = {**elements.describe(), "settings": settings, "sha256": elements.sha256}
    metadata = {"format": _FORMAT, "kind": kind, "content": json.dumps(content)}
    target = Path(path)
    try:
        handle, draft = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        os.close(handle)
        try:
            save_file({"words": elements.words}, draft, metadata)
            os.replace(draft, target)
        finally:
            Path(draft).unlink(missing_ok=True)
    except (OSError, SafetensorError) as error:
        raise RunError(f"cannot write {target}: {error}") from None


def read_elements(path: str | PathLike[str], *, kind: str) -> tuple[ElementSet, dict[str, Any]]:
    """Read what `write_elements` wrote, checked against its own hash."""
    metadata, words = _open(path)
    if metadata.get("format") != _FORMAT or metadata.get("kind") != kind:
        found = f"a {metadata['kind']}" if metadata.get("format") == _FORMAT else "something else"
        raise SourceError(f"{path} holds {found}, not a network-prune {kind}")
    content = json.loads(metadata["content"])
    layers = tuple(
        Layer(item["name"], tuple(item["shape"]), item["transposed"], item["groups"])
        for item in content["layers"]
    )
    granularity = Granularity(content["granularity"])
    expected = sum(word_count(layer.element_count(granularity)) for layer in layers)
    if words.shape != (expected,) or words.dtype != np.uint64:
        raise SourceError(f"{path} is damaged: its bits don't fit its layers; save the {kind} anew")
    elements = ElementSet(granularity, layers, words)
    if elements.sha256 != content["sha256"]:
        raise SourceError(f"{path} is damaged: its SHA-256 doesn't match; save the {kind} anew")
    return elements, content["settings"]


def _open(path: str | PathLike[str]) -> tuple[dict[str, str], Any]:
    try:
        with safe_open(path, framework="numpy") as file:
            names = set(file.keys())
            words = file.get_tensor("words") if names == {"words"} else np.empty(0)
            return file.metadata() or {}, words
    except FileNotFoundError:
        raise SourceError(f"{path} does not exist") from None
    except (OSError, SafetensorError) as error:
        raise SourceError(f"{path} is not a readable safetensors file: {error}") from None
