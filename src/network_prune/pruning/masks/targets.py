"""Which tensors of which modules take a mask from a ranked layer."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from network_prune.core.layers import Granularity
from network_prune.errors import ArgumentError, UnsupportedNetworkError
from network_prune.pruning.masks.norms import following_norms
from network_prune.pruning.masks.overlaps import refuse_overlaps
from network_prune.pruning.prunable import Draw, PrunableSet
from network_prune.pruning.ranking.rankable import (
    RANKABLE,
    Place,
    is_of,
    locate,
    owners,
    storage_key,
)
from network_prune.pruning.ranking.soundness import sound_weight


@dataclass(frozen=True, slots=True)
class Target:
    """A tensor of a module that takes its mask from a ranked layer.

    Attributes:
        module: the module that holds the tensor.
        name: the tensor's name in the module.
        layer: the ranked layer's name.
        per_neuron: whether the tensor has one entry for each neuron (bias, norm).
    """

    module: nn.Module
    name: str
    layer: str
    per_neuron: bool = False

    def mask(self, draw: Draw) -> Tensor:
        """Return the mask, 1 = keep, on the tensor's device, in its dtype and memory format."""
        value = self.module._parameters.get(self.name)
        tensor = getattr(self.module, f"{self.name}_orig") if value is None else value
        mask = ~draw.pruned(self.layer) if self.per_neuron else draw.mask(self.layer)
        # A later forward may want gradients, whatever mode the masks are made in.
        with torch.inference_mode(False):
            return torch.empty_like(tensor, requires_grad=False).copy_(mask)


def find_targets(model: nn.Module, prunable: PrunableSet | Draw, with_norm: bool) -> list[Target]:
    """Return everything in ``model`` that a draw of ``prunable``, or itself, masks.

    Raises:
        ArgumentError: ``with_norm`` is asked for elements other than neurons.
        UnsupportedNetworkError: the network's layers aren't those of ``prunable``, one shares a
            part of its memory, or a module has no room for a mask.
    """
    ranked = _ranked_places(model, prunable)
    held = owners(model)
    targets = [
        Target(module, name, layer)
        for layer, place in ranked.items()
        for module, name in held[storage_key(place.original())]
    ]
    _check_holders(targets, set(ranked.values()))
    refuse_overlaps(model, {storage_key(p.original()): layer for layer, p in ranked.items()})
    if with_norm:
        if prunable.granularity is not Granularity.NEURON:
            raise ArgumentError(
                f"with_norm=True goes with neurons, not with {prunable.granularity.plural}"
            )
        _refuse_others_than_maps(ranked)
        targets += _per_neuron_targets(model, targets, ranked)
    _refuse_two_layers_in_one(targets)
    for target in targets:
        for suffix in ("orig", "mask"):
            if hasattr(target.module, f"{target.name}_{suffix}"):
                raise UnsupportedNetworkError(
                    f"layer {target.layer!r} has an attribute {target.name}_{suffix} of its own, "
                    f"which torch.nn.utils.prune needs for itself; exclude the layer"
                )
    return targets


def _check_holders(targets: list[Target], known: set[Place]) -> None:
    """Refuse a tied weight that any of its holders, but for ``known``, transforms first."""
    for target in targets:
        place = Place(target.module, target.name)
        if target.name == "weight" and is_of(target.module, RANKABLE) and place not in known:
            sound_weight(target.layer, place)


def _refuse_two_layers_in_one(targets: list[Target]) -> None:
    first: dict[tuple[nn.Module, str], str] = {}
    for target in targets:
        layer = first.setdefault((target.module, target.name), target.layer)
        if layer != target.layer:
            raise UnsupportedNetworkError(
                f"layers {layer!r} and {target.layer!r} of the prunable set share one weight in "
                f"this network; rank this network itself"
            )


def _ranked_places(model: nn.Module, prunable: PrunableSet | Draw) -> dict[str, Place]:
    modules = dict(model.named_modules())
    ranked: dict[str, Place] = {}
    for layer in prunable.layers:
        place = locate(modules, layer.name)
        if place is None:
            module = modules.get(layer.name)
            found = "no such layer" if module is None else f"a {type(module).__name__}"
            raise UnsupportedNetworkError(
                f"layer {layer.name!r} of the prunable set is {found} in this network; "
                f"rank this network itself"
            )
        weight = sound_weight(layer.name, place)
        if place.describe(layer.name) != layer:
            raise UnsupportedNetworkError(
                f"layer {layer.name!r} of the prunable set has a weight of shape "
                f"{list(layer.shape)}, the network's has {list(weight.shape)}; "
                f"rank this network itself"
            )
        ranked[layer.name] = place
    return ranked


def _per_neuron_targets(
    model: nn.Module, targets: list[Target], ranked: dict[str, Place]
) -> list[Target]:
    places = {
        Place(target.module, target.name): target.layer
        for target in targets
        if _is_layer(Place(target.module, target.name), target.layer, ranked)
    }
    norms = following_norms(model, {place.module: layer for place, layer in places.items()})
    found: list[Target] = []
    for place, layer in places.items():
        _refuse_shared_bias(place, layer)
        candidates = [(place.module, place.bias)]
        if place.module in norms:
            norm = norms[place.module]
            candidates += [(norm, "weight"), (norm, "bias")]
        found += [
            Target(holder, name, layer, per_neuron=True)
            for holder, name in candidates
            if holder._parameters.get(name) is not None
        ]
    return found


def _refuse_shared_bias(place: Place, layer: str) -> None:
    shared = "in_proj_bias"
    if place.bias not in ("bias", shared) and place.module._parameters.get(shared) is not None:
        raise UnsupportedNetworkError(
            f"layer {layer!r} shares one bias with the other projections of its attention; "
            f"pass with_norm=False (leave out --with-norm)"
        )


def _refuse_others_than_maps(ranked: dict[str, Place]) -> None:
    for layer, place in ranked.items():
        if not place.is_map:
            raise ArgumentError(
                f"with_norm=True prunes biases and norms with their neurons, and {layer!r} is "
                "ranked itself; pass with_norm=False (leave out --with-norm)"
            )


def _is_layer(place: Place, layer: str, ranked: dict[str, Place]) -> bool:
    """Whether a holder of a ranked weight uses it as the ranked layer does, by neurons."""
    return place.is_map and place.describe(layer) == ranked[layer].describe(layer)
