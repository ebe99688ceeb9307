"""Which tensors of which modules take a mask from a ranked layer."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from network_prune.core.layers import Granularity
from network_prune.core.prunable import Draw, PrunableSet
from network_prune.errors import ArgumentError, UnsupportedNetworkError
from network_prune.pruning.layers import describe_layer, owners, refuse_attention
from network_prune.pruning.norms import following_norms


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
        """Return the mask on the tensor's device and in its memory format, True = keep."""
        value = self.module._parameters.get(self.name)
        tensor = getattr(self.module, f"{self.name}_orig") if value is None else value
        mask = ~draw.pruned(self.layer) if self.per_neuron else draw.mask(self.layer)
        return torch.empty_like(tensor, dtype=torch.bool, requires_grad=False).copy_(mask)


def find_targets(model: nn.Module, prunable: PrunableSet, with_norm: bool) -> list[Target]:
    """Return everything in ``model`` that a draw of ``prunable`` masks.

    Raises:
        ArgumentError: ``with_norm`` is asked for elements other than neurons.
        UnsupportedNetworkError: the network's layers aren't those of ``prunable``, or
            a module has no room for a mask.
    """
    modules = _ranked_modules(model, prunable)
    targets = [
        Target(module, name, layer)
        for layer, ranked in modules.items()
        for module, name in owners(model, ranked.get_parameter("weight"))
    ]
    if with_norm:
        if prunable.granularity is not Granularity.NEURON:
            raise ArgumentError(
                f"with_norm=True goes with neurons, not with {prunable.granularity.plural}"
            )
        targets += _per_neuron_targets(model, modules)
    for target in targets:
        for suffix in ("orig", "mask"):
            if hasattr(target.module, f"{target.name}_{suffix}"):
                raise UnsupportedNetworkError(
                    f"layer {target.layer!r} has an attribute {target.name}_{suffix} of its own, "
                    f"which torch.nn.utils.prune needs for itself; exclude the layer"
                )
    return targets


def _ranked_modules(model: nn.Module, prunable: PrunableSet) -> dict[str, nn.Module]:
    modules = dict(model.named_modules())
    ranked: dict[str, nn.Module] = {}
    for layer in prunable.layers:
        module = modules.get(layer.name)
        weight = None if module is None else module._parameters.get("weight")
        if module is None or weight is None or describe_layer(layer.name, module) != layer:
            found = "none" if weight is None else f"{list(weight.shape)}"
            raise UnsupportedNetworkError(
                f"layer {layer.name!r} of the prunable set has a weight of shape "
                f"{list(layer.shape)}, the network's has {found}; rank this network itself"
            )
        ranked[layer.name] = module
    refuse_attention(model, ranked)
    return ranked


def _per_neuron_targets(model: nn.Module, modules: dict[str, nn.Module]) -> list[Target]:
    norms = following_norms(model, modules)
    targets: list[Target] = []
    for layer, module in modules.items():
        candidates = [(module, "bias")]
        if layer in norms:
            candidates += [(norms[layer], "weight"), (norms[layer], "bias")]
        targets += [
            Target(holder, name, layer, per_neuron=True)
            for holder, name in candidates
            if holder._parameters.get(name) is not None
        ]
    return targets
