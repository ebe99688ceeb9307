"""Which tensors of which modules take a mask from a ranked layer."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from network_prune.core.layers import Granularity
from network_prune.core.prunable import Draw, PrunableSet
from network_prune.errors import ArgumentError, UnsupportedNetworkError
from network_prune.pruning.layers import (
    RANKABLE,
    describe_layer,
    owners,
    refuse_attention,
    sound_weight,
)
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
        # A later forward may want gradients, whatever mode the masks are made in.
        with torch.inference_mode(False):
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
    _refuse_two_layers_in_one(targets)
    for target in targets:
        for suffix in ("orig", "mask"):
            if hasattr(target.module, f"{target.name}_{suffix}"):
                raise UnsupportedNetworkError(
                    f"layer {target.layer!r} has an attribute {target.name}_{suffix} of its own, "
                    f"which torch.nn.utils.prune needs for itself; exclude the layer"
                )
    return targets


def _refuse_two_layers_in_one(targets: list[Target]) -> None:
    first: dict[tuple[nn.Module, str], str] = {}
    for target in targets:
        layer = first.setdefault((target.module, target.name), target.layer)
        if layer != target.layer:
            raise UnsupportedNetworkError(
                f"layers {layer!r} and {target.layer!r} of the prunable set share one weight in "
                f"this network; rank this network itself"
            )


def _ranked_modules(model: nn.Module, prunable: PrunableSet) -> dict[str, nn.Module]:
    modules = dict(model.named_modules())
    ranked: dict[str, nn.Module] = {}
    for layer in prunable.layers:
        module = modules.get(layer.name)
        if not isinstance(module, RANKABLE):
            found = "no such layer" if module is None else f"a {type(module).__name__}"
            raise UnsupportedNetworkError(
                f"layer {layer.name!r} of the prunable set is {found} in this network; "
                f"rank this network itself"
            )
        weight = sound_weight(layer.name, module)
        if describe_layer(layer.name, module) != layer:
            raise UnsupportedNetworkError(
                f"layer {layer.name!r} of the prunable set has a weight of shape "
                f"{list(layer.shape)}, the network's has {list(weight.shape)}; "
                f"rank this network itself"
            )
        ranked[layer.name] = module
    refuse_attention(model, ranked)
    return ranked


def _per_neuron_targets(model: nn.Module, modules: dict[str, nn.Module]) -> list[Target]:
    layers = {
        module: layer
        for layer, ranked in modules.items()
        for module, _ in owners(model, ranked.get_parameter("weight"))
        if isinstance(module, RANKABLE)
        and describe_layer(layer, module) == describe_layer(layer, ranked)
    }
    norms = following_norms(model, layers)
    targets: list[Target] = []
    for module, layer in layers.items():
        candidates = [(module, "bias")]
        if module in norms:
            candidates += [(norms[module], "weight"), (norms[module], "bias")]
        targets += [
            Target(holder, name, layer, per_neuron=True)
            for holder, name in candidates
            if holder._parameters.get(name) is not None
        ]
    return targets
