"""Find the layers of a network that can be ranked, and refuse those that can't."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import torch
from torch import nn

from network_prune.core.layers import Layer
from network_prune.errors import ArgumentError, UnsupportedNetworkError, brief, unknown_name
from network_prune.pruning.ranking.rankable import (
    NORMS,
    RANKABLE,
    TENSORS,
    Place,
    find_places,
    is_kin,
    storage_key,
)
from network_prune.pruning.ranking.soundness import sound_weight
from network_prune.pruning.state import check_not_pruned

_QUANTIZED = re.compile(r"torch\.(ao\.)?nn\.(intrinsic\.)?quantized\b")


@dataclass(frozen=True, slots=True)
class FoundLayer:
    """A layer to rank: what it is called and the Parameter that holds its weight.

    A bias is a layer of its own, whose weights are its entries.
    """

    layer: Layer
    weight: nn.Parameter


def find_layers(
    model: nn.Module,
    *,
    layers: Sequence[type[nn.Module]],
    tensors: Sequence[str],
    include: Sequence[str],
    exclude: Sequence[str],
) -> list[FoundLayer]:
    """Return the layers to rank in module order; a shared weight counts once, where it comes first.

    Args:
        model: the network.
        layers: layer types.
        tensors: which of their tensors, each a layer of its own.
        include: wildcard patterns of layer paths, none for all.
        exclude: wildcard patterns of layer paths to leave out.

    Raises:
        ArgumentError: a type can't be ranked, or a pattern matches no layer.
        StateError: the network is pruned already.
        UnsupportedNetworkError: no layer is left, or one can't be ranked.
    """
    check_not_pruned(model)
    chosen = choose_places(model, layers=layers, tensors=tensors, include=include, exclude=exclude)
    weights = {name: sound_weight(name, place) for name, place in chosen.items()}
    found = [FoundLayer(chosen[name].describe(name), weight) for name, weight in weights.items()]
    first = {storage_key(layer.weight): layer for layer in reversed(found)}
    return [layer for layer in found if first[storage_key(layer.weight)] is layer]


def choose_places(
    model: nn.Module,
    *,
    layers: Sequence[type[nn.Module]],
    tensors: Sequence[str],
    include: Sequence[str],
    exclude: Sequence[str],
) -> dict[str, Place]:
    """Return the places of the weights to look at, by layer name; a mask may be on them.

    Takes what `find_layers` does.

    Raises:
        ArgumentError: a type can't be ranked, or a pattern matches no layer.
        UnsupportedNetworkError: there is no such layer.
    """
    _check_types(layers)
    _check_tensors(tensors)
    candidates = find_places(model, layers, tensors)
    if not candidates:
        raise UnsupportedNetworkError(_nothing_to_rank(model, layers, tensors))
    return _choose(candidates, include, exclude)


def _check_types(layers: Sequence[object]) -> None:
    allowed = ", ".join(kind.__name__ for kind in RANKABLE)
    if isinstance(layers, type):
        raise ArgumentError(f"layers takes a list of types; pass layers=[{layers.__name__}]")
    if not layers:
        raise ArgumentError(f"layers is empty; pass some of {allowed}")
    for kind in layers:
        if not (isinstance(kind, type) and (issubclass(kind, RANKABLE) or is_kin(kind))):
            raise ArgumentError(f"layers={brief(kind)} can't be ranked; pass some of {allowed}")


def _check_tensors(tensors: Sequence[object]) -> None:
    if isinstance(tensors, str) or not tensors or not set(tensors) <= set(TENSORS):
        raise ArgumentError(
            f"tensors={brief(tensors)} isn't a list of some of {', '.join(TENSORS)}"
        )


def _nothing_to_rank(
    model: nn.Module, layers: Sequence[type[nn.Module]], tensors: Sequence[str]
) -> str:
    wanted = " or ".join(kind.__name__ for kind in layers)
    start = f"{type(model).__name__} has no {wanted} layer to rank"
    if find_places(model, layers, TENSORS):
        return f"{start} that has a {' or '.join(tensors)}; pass other tensors (--tensors)"
    others = [kind.__name__ for kind in RANKABLE if find_places(model, (kind,), TENSORS)]
    frozen = sorted({type(module).__name__ for module in model.modules() if _is_frozen(module)})
    if frozen and set(layers) & set(NORMS):
        return f"{start}; its {', '.join(frozen)} holds buffers, which can't be ranked"
    if not others:
        return f"{start}; {_what_it_is(model)}"
    return (
        f"{start}; it has {', '.join(others)}: pass layers=[nn.{others[0]}] (--layers "
        f"{others[0].lower()}) to rank these"
    )


def _is_frozen(module: nn.Module) -> bool:
    return is_kin(type(module)) and "weight" in module._buffers


def _what_it_is(model: nn.Module) -> str:
    """Return what holds the weights of a network that has no convolution and no Linear."""
    modules = list(model.modules())
    if any(isinstance(module, torch.jit.ScriptModule) for module in modules):
        return "it is compiled by TorchScript, which hides them; pass the network it was made of"
    quantized = sorted(
        {type(module).__name__ for module in modules if _QUANTIZED.match(type(module).__module__)}
    )
    if quantized:
        return (
            f"it is quantized to integers (its {', '.join(quantized)}), and only floating weights "
            "can be ranked; pass the network before quantization"
        )
    holders = sorted({type(m).__name__ for m in modules if any(True for _ in m.parameters(False))})
    if not holders:
        return "it has no weights at all"
    allowed = ", ".join(kind.__name__ for kind in RANKABLE)
    return f"its weights are those of {', '.join(holders)}, and only {allowed} can be ranked"


def _choose(
    candidates: Mapping[str, Place], include: Sequence[str], exclude: Sequence[str]
) -> dict[str, Place]:
    if isinstance(include, str) or isinstance(exclude, str):
        raise ArgumentError("include and exclude take a list of patterns; put the one in brackets")
    for pattern in (*include, *exclude):
        if not any(fnmatchcase(name, pattern) for name in candidates):
            raise ArgumentError(unknown_name("layer or pattern", pattern, candidates))

    def is_chosen(name: str) -> bool:
        wanted = not include or any(fnmatchcase(name, pattern) for pattern in include)
        return wanted and not any(fnmatchcase(name, pattern) for pattern in exclude)

    chosen = {name: place for name, place in candidates.items() if is_chosen(name)}
    if not chosen:
        raise ArgumentError(f"exclude={list(exclude)} leaves none of {len(candidates)} layers")
    return chosen
