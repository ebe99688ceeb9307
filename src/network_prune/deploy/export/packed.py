"""Write a network as a packed file."""

import json
from collections.abc import Mapping
from os import PathLike
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from network_prune.deploy.export.formats import PACKED, check_target
from network_prune.deploy.export.plain_state import plain_state
from network_prune.errors import ArgumentError, UnsupportedNetworkError, brief, one_line
from network_prune.pruning.given import AnyNetwork, module_of
from network_prune.sources.networks.load import LoadedNetwork, base_of
from network_prune.sources.networks.packed.built import fitted
from network_prune.sources.networks.packed.packed_file import Described, packed_bytes
from network_prune.sources.networks.packed.structure import Structure, StructureError
from network_prune.version import __version__
from network_prune.whole_file import write_whole


def save_packed(
    model: AnyNetwork,
    path: str | PathLike[str],
    *,
    network: LoadedNetwork | None = None,
    made: Mapping[str, Any] | None = None,
) -> None:
    """Write a network as a safetensors file in which zeros take one bit each.

    ``load_network("packed:FILE")`` gives it back bit for bit, with its classes and its
    preprocessing, where ``network`` is known; ``--weights FILE`` reads the file for a network that
    is named otherwise. Masks are applied and not kept: what is pruned is zero in the file. Nothing
    of the network is changed.

    Args:
        model: the network, under masks or not, narrower than it was (`remove_neurons`) or not.
        path: the file, which ends in ``.safetensors``.
        network: what `load_network` returned, of which ``model`` is the network or was made; by
            default ``model`` itself, if it is that.
        made: how it was made, as plain data for JSON, to be found as `LoadedNetwork.made`; its
            ``"stage"`` is shown where the weights are named, e.g. ``{"stage": "pruned"}``.

    Raises:
        ArgumentError: ``made`` isn't plain data, or the file's name ends otherwise.
        UnsupportedNetworkError: the network can't be built anew from its architecture's name, or
            its state dict holds something else than tensors.
        RunError: the file can't be written.
    """
    if network is None and isinstance(model, LoadedNetwork):
        network = model
    write_whole(check_target(path, PACKED), as_packed(module_of(model), network, made or {}))


def as_packed(model: nn.Module, network: LoadedNetwork | None, made: Mapping[str, Any]) -> bytes:
    """Return the content of the file that `save_packed` writes, and raise what it raises."""
    facts = {**_plain(made), "network_prune": __version__, "torch": str(torch.__version__)}
    state = plain_state(model)
    described = None
    if network is not None:
        described, state = _describe(model, network, state)
    try:
        return packed_bytes(state, network=described, made=facts)
    except (SafetensorError, KeyError, UnicodeError) as error:
        raise UnsupportedNetworkError(
            f"the network's weights can't be written as safetensors ({one_line(error)}); save them "
            "by torch.save(model.state_dict(), FILE)"
        ) from None


def _plain(made: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return json.loads(json.dumps(dict(made), allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise ArgumentError(
            f"made={brief(made)} isn't plain data for JSON ({one_line(error)}); pass text, finite "
            "numbers, lists and dicts of these"
        ) from None


def _describe(
    model: nn.Module, network: LoadedNetwork, state: dict[str, Tensor]
) -> tuple[Described, dict[str, Tensor]]:
    """Return how to build the network, and its state dict in the order that it has then."""
    shapes = {name: tuple(value.shape) for name, value in state.items()}
    base = base_of(network, shapes)
    structure = Structure.of(model, base)
    if base is not None:
        try:
            built = fitted(base, structure, shapes, what=network.arch)
        except StructureError as error:
            raise UnsupportedNetworkError(
                f"the network can't be built anew from {network.arch}, so a packed file can't hold "
                f"it: {error}; use network-prune export --to torch, or torch.save"
            ) from None
        state = {name: state[name] for name in built.state_dict() if name in state}
    described = Described(
        network.arch,
        network.weights,
        network.weights_sha256,
        network.classes,
        network.class_names,
        network.preprocessing.to_dict(),
        network.notes,
        structure,
    )
    return described, state
