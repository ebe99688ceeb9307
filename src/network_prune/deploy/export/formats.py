"""The formats that networks are written in, and what their files are called."""

from os import PathLike, fspath
from pathlib import Path
from typing import Final

from network_prune.errors import ArgumentError, check_choice

PACKED, SAFETENSORS, TORCH, ONNX, HF = "packed", "safetensors", "torch", "onnx", "hf"
# What a file's name ends in; a folder's is free.
SUFFIXES: Final = {
    PACKED: ".safetensors",
    SAFETENSORS: ".safetensors",
    TORCH: ".pt2",
    ONNX: ".onnx",
    HF: "",
}
# Those that hold what the network computes, and not its weights alone.
PROGRAMS: Final = (TORCH, ONNX)


def check_target(path: str | PathLike[str], to: str) -> Path:
    """Return the path that a format is written to.

    Raises:
        ArgumentError: there is no such format, the name ends otherwise than the format's files do,
            or a folder is there already and isn't empty.
    """
    check_choice("format", to, SUFFIXES)
    found, suffix = Path(path), SUFFIXES[to]
    if suffix and found.suffix.lower() != suffix:
        instead = fspath(found.with_suffix(suffix)) if found.name else f"network{suffix}"
        raise ArgumentError(
            f"{fspath(path)!r} doesn't end in {suffix}, as files for {to} do; pass e.g. {instead}"
        )
    if not suffix and found.exists() and (not found.is_dir() or any(found.iterdir())):
        raise ArgumentError(f"{fspath(path)!r} is there already; pass a new folder")
    return found
