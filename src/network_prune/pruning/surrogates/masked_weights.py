"""A network's weights under the mask of a draw, as new tensors: no Parameter is written."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from network_prune.core.layers import Layer
from network_prune.errors import StateError
from network_prune.pruning.drawing import Drawn
from network_prune.pruning.masks.targets import find_targets
from network_prune.pruning.prunable import PrunableSet
from network_prune.pruning.state import is_held


@dataclass(frozen=True, slots=True)
class RankedWeight:
    """A ranked layer's weight, and where the network holds it.

    Attributes:
        place: number of the layer among the ranked ones.
        layer: its description.
        holders: path of the module and name of the Parameter; several if it is shared.
    """

    place: int
    layer: Layer
    holders: tuple[tuple[str, str], ...]

    def find(self, modules: Mapping[str, nn.Module]) -> list["Holder"]:
        """Return the weight's holders among a network's modules by path, as they are now.

        Raises:
            StateError: one doesn't hold the plain weight that was ranked any more.
        """
        found: list[Holder] = []
        for path, name in self.holders:
            module = modules.get(path)
            weight = None if module is None else module._parameters.get(name)
            if (
                module is None
                or weight is None
                or tuple(weight.shape) != self.layer.shape
                or is_held(weight)
            ):
                raise StateError(
                    f"the weight of layer {self.layer.name!r} was pruned, exchanged or "
                    "parametrized since the network was wrapped; undo that or wrap it again"
                )
            found.append(Holder(module, name, weight))
        return found

    def mask(self, weight: Tensor, drawn: Drawn, *, factor: float = 1.0) -> Tensor:
        """Return the weight with +0.0 where pruned, the rest times ``factor``.

        Args:
            weight: of the layer's stored shape; gradients flow back to it.
            drawn: which elements are pruned.
            factor: 1.0 leaves the other weights' bits alone.

        Returns:
            Tensor like ``weight``, in its memory format.
        """
        zero = drawn.zeroed(self.place, weight.device)
        if not weight.is_contiguous():
            zero = torch.empty_like(weight, dtype=torch.bool, requires_grad=False).copy_(zero)
        kept = weight if factor == 1.0 else weight * factor
        return torch.where(zero, 0.0, kept)


@dataclass(frozen=True, slots=True)
class Holder:
    """A module that holds a ranked weight.

    Attributes:
        module: the module.
        name: the Parameter's name there.
        weight: the Parameter.
    """

    module: nn.Module
    name: str
    weight: Tensor


def find_ranked_weights(model: nn.Module, prunable: PrunableSet) -> tuple[RankedWeight, ...]:
    """Return the weights that draws of ``prunable`` mask, in its order.

    Raises:
        UnsupportedNetworkError: the network's layers aren't those of ``prunable``.
    """
    paths = {module: path for path, module in model.named_modules()}
    holders: dict[str, list[tuple[str, str]]] = {layer.name: [] for layer in prunable.layers}
    for target in find_targets(model, prunable, False):
        holders[target.layer].append((paths[target.module], target.name))
    return tuple(
        RankedWeight(place, layer, tuple(holders[layer.name]))
        for place, layer in enumerate(prunable.layers)
    )
