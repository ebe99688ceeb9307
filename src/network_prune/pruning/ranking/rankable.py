"""Where the weights that can be ranked lie: which tensor of which module."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from network_prune.core.layers import Layer

_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
RANKABLE: tuple[type[nn.Module], ...] = (nn.Conv1d, nn.Conv2d, nn.Conv3d, *_TRANSPOSED, nn.Linear)
# An attention's linear maps of query, key and value are Parameters of its own: one for the
# three where their sizes agree, three otherwise.
_PROJECTIONS = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")


@dataclass(frozen=True, slots=True)
class Place:
    """A weight that can be ranked.

    Attributes:
        module: the module that holds it.
        tensor: its name there, ``weight`` or one of an attention's projections.
    """

    module: nn.Module
    tensor: str = "weight"

    @property
    def bias(self) -> str:
        """The name of the bias that has one entry for each of the weight's neurons."""
        return "bias" if self.tensor == "weight" else self.tensor.replace("weight", "bias")

    def original(self) -> Tensor:
        """Return the weight without a mask, whether or not there is one on it."""
        masked = getattr(self.module, self.tensor)
        return getattr(self.module, f"{self.tensor}_orig", masked)

    def describe(self, name: str) -> Layer:
        """Return the layer of that name and the weight's shape."""
        shape = tuple(getattr(self.module, self.tensor).shape)
        if isinstance(self.module, _TRANSPOSED):
            return Layer(name, shape, transposed=True, groups=self.module.groups)
        return Layer(name, shape)


def find_places(model: nn.Module, layers: Sequence[type[nn.Module]]) -> dict[str, Place]:
    """Return by layer name, in module order, every weight of the layer types ``layers``.

    nn.Linear brings the projections inside nn.MultiheadAttention along, which are linear
    maps; they are called after attention and tensor, e.g. ``attention.in_proj_weight``.
    """
    places: dict[str, Place] = {}
    for name, module in model.named_modules():
        if isinstance(module, tuple(layers)):
            places[name] = Place(module)
        elif isinstance(module, nn.MultiheadAttention) and nn.Linear in layers:
            for tensor in _PROJECTIONS:
                if _has(module, tensor):
                    places[f"{name}.{tensor}".lstrip(".")] = Place(module, tensor)
    return places


def _has(module: nn.Module, tensor: str) -> bool:
    """Whether the module has such a tensor, without computing it where it is computed."""
    if tensor in module._parameters:
        return module._parameters[tensor] is not None
    return tensor in vars(module) or hasattr(type(module), tensor)


def locate(modules: Mapping[str, nn.Module], name: str) -> Place | None:
    """Return the place of the layer called ``name`` among a network's modules by path."""
    if isinstance(modules.get(name), RANKABLE):
        return Place(modules[name])
    path, _, tensor = name.rpartition(".")
    holder = modules.get(path)
    if isinstance(holder, nn.MultiheadAttention) and tensor in _PROJECTIONS:
        return Place(holder, tensor)
    return None


def weights_at(model: nn.Module, names: Iterable[str]) -> Iterator[tuple[str, Tensor]]:
    """Yield the weights of the layers of these names; under a mask the original comes first."""
    modules = dict(model.named_modules())
    for name in names:
        place = locate(modules, name)
        if place is not None:
            yield name, place.original()
            yield name, getattr(place.module, place.tensor)


def storage_key(weight: Tensor) -> tuple[Any, ...]:
    """Return what tells whether two weights are one tensor in memory."""
    return (weight.device, weight.data_ptr(), weight.dtype, weight.shape, weight.stride())


def owners(model: nn.Module) -> dict[tuple[Any, ...], list[tuple[nn.Module, str]]]:
    """Return by storage key every (module, parameter name) of the network that holds a tensor."""
    found: dict[tuple[Any, ...], list[tuple[nn.Module, str]]] = {}
    for module in model.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None and _is_plain(parameter):
                found.setdefault(storage_key(parameter), []).append((module, name))
    return found


def _is_plain(parameter: Tensor) -> bool:
    return not is_lazy(parameter) and parameter.layout == torch.strided and parameter.numel() > 0
