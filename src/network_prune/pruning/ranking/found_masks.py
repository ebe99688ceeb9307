"""What a network carries already: masks of torch.nn.utils.prune, or zeros among its weights."""

from collections.abc import Sequence

from torch import Tensor, nn

from network_prune.core.elements import ElementSet
from network_prune.core.layers import Granularity, Layer
from network_prune.pruning.ranking.find_layers import choose_places
from network_prune.pruning.ranking.rankable import Place, storage_key
from network_prune.pruning.ranking.soundness import sound_weight


def find_masked(
    model: nn.Module,
    *,
    layers: Sequence[type[nn.Module]],
    tensors: Sequence[str],
    include: Sequence[str],
    exclude: Sequence[str],
) -> ElementSet:
    """Return the single weights that masks prune, and of layers without a mask those that are 0.

    Takes and raises what `find_layers` does, but for networks that are pruned.
    """
    flags: dict[Layer, Tensor] = {}
    seen: set[object] = set()
    chosen = choose_places(model, layers=layers, tensors=tensors, include=include, exclude=exclude)
    for name, place in chosen.items():
        pruned = _pruned(name, place)
        key = storage_key(place.original())
        if key not in seen:  # a shared weight counts once, where it comes first
            seen.add(key)
            layer = place.describe(name)
            flags[layer] = layer.canonical(pruned)
    return ElementSet.of(Granularity.WEIGHT, flags)


def _pruned(name: str, place: Place) -> Tensor:
    mask = place.module._buffers.get(f"{place.tensor}_mask")
    weight = sound_weight(name, place) if mask is None else mask
    return weight.detach() == 0
