"""A pruned network as files: its weights with masks as zeros, the draw, and what is known of it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import safetensors.torch
from torch import Tensor, nn

from network_prune.errors import RunError
from network_prune.pruning.prunable import Draw
from network_prune.whole_file import write_whole

WEIGHTS: Final = "weights.safetensors"
DRAW: Final = "draw.safetensors"


def save_network(
    folder: Path, model: nn.Module, draw: Draw, *, name: str, told: Mapping[str, Any]
) -> None:
    """Write a network into a folder, which is made if it isn't there.

    Args:
        folder: gets ``weights.safetensors``, ``draw.safetensors`` and ``name``.
        model: carries no masks; what is pruned is zero.
        draw: what is pruned.
        name: of the JSON file.
        told: what it holds.

    Raises:
        RunError: a file can't be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot write {folder}: {error.strerror or error}") from None
    write_whole(folder / WEIGHTS, safetensors.torch.save(_state(model)))
    draw.save(folder / DRAW)
    write_whole(folder / name, f"{json.dumps(told, indent=2)}\n".encode())


def _state(model: nn.Module) -> dict[str, Tensor]:
    """Return the state dict with memory of its own for each tensor, as the format wants it."""
    state: dict[str, Any] = model.state_dict()
    return {name: value.detach().cpu().contiguous().clone() for name, value in state.items()}
