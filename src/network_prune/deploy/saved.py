"""A pruned network as files: its weights with masks as zeros, the draw, and what is known of it."""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from torch import nn

from network_prune.deploy.export.compared import OtherError
from network_prune.deploy.export.export import export
from network_prune.deploy.export.formats import PACKED as FORMAT
from network_prune.deploy.export.plain_state import plain_state, safetensors_bytes
from network_prune.errors import RunError, UnsupportedNetworkError
from network_prune.pruning.prunable import Draw
from network_prune.sources.networks.load import LoadedNetwork
from network_prune.whole_file import write_whole

WEIGHTS: Final = "weights.safetensors"
PACKED: Final = "network.safetensors"
DRAW: Final = "draw.safetensors"


def save_network(
    folder: Path,
    model: nn.Module,
    draw: Draw,
    *,
    name: str,
    told: Mapping[str, Any],
    network: LoadedNetwork | None,
    made: Mapping[str, Any],
) -> None:
    """Write a network into a folder, which is made if it isn't there.

    Args:
        folder: gets ``weights.safetensors``, ``draw.safetensors`` and ``name``; also
            ``network.safetensors``, a packed file, where the network can be built anew.
        model: carries no masks; what is pruned is zero.
        draw: what is pruned.
        name: of the JSON file.
        told: what it holds.
        network: what ``model`` was made of; None where that isn't known.
        made: how, as the packed file says.

    Raises:
        RunError: a file can't be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot write {folder}: {error.strerror or error}") from None
    write_whole(folder / WEIGHTS, safetensors_bytes(plain_state(model)))
    if network is not None:
        with suppress(UnsupportedNetworkError, OtherError):  # its weights are kept all the same
            export(model, folder / PACKED, to=FORMAT, network=network, made=made)
    draw.save(folder / DRAW)
    write_whole(folder / name, f"{json.dumps(told, indent=2)}\n".encode())
