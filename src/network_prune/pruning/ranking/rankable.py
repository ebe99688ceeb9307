"""Where what can be ranked lies: which tensor of which module."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from network_prune.core.layers import Layer

_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
MAPS: tuple[type[nn.Module], ...] = (nn.Conv1d, nn.Conv2d, nn.Conv3d, *_TRANSPOSED, nn.Linear)
NORMS: tuple[type[nn.Module], ...] = (
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.BatchNorm3d,
    nn.SyncBatchNorm,
    nn.InstanceNorm1d,
    nn.InstanceNorm2d,
    nn.InstanceNorm3d,
    nn.LayerNorm,
    nn.GroupNorm,
    nn.RMSNorm,
)
RANKABLE: tuple[type[nn.Module], ...] = (*MAPS, *NORMS)
TENSORS: Final = ("weight", "bias")
# An attention's linear maps of query, key and value are Parameters of its own: one for the
# three where their sizes agree, three otherwise.
_PROJECTIONS = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight", "in_proj_bias")


@dataclass(frozen=True, slots=True)
class Place:
    """A tensor that can be ranked.

    Attributes:
        module: the module that holds it.
        tensor: its name there: ``weight``, ``bias`` or one of an attention's projections.
    """

    module: nn.Module
    tensor: str = "weight"

    @property
    def kind(self) -> str:
        """Which of `TENSORS` it is."""
        return "bias" if self.tensor.endswith("bias") else "weight"

    @property
    def is_map(self) -> bool:
        """Whether it is the weight of a convolution or a linear map."""
        return self.kind == "weight" and isinstance(self.module, (*MAPS, nn.MultiheadAttention))

    @property
    def bias(self) -> str:
        """The name of the bias that has one entry for each of the weight's neurons."""
        return "bias" if self.tensor == "weight" else self.tensor.replace("weight", "bias")

    def original(self) -> Tensor:
        """Return the tensor without a mask, whether or not there is one on it."""
        masked = getattr(self.module, self.tensor)
        return getattr(self.module, f"{self.tensor}_orig", masked)

    def describe(self, name: str) -> Layer:
        """Return the layer of that name and the tensor's shape."""
        shape = tuple(getattr(self.module, self.tensor).shape)
        if isinstance(self.module, _TRANSPOSED) and self.kind == "weight":
            return Layer(name, shape, transposed=True, groups=self.module.groups)
        return Layer(name, shape)


def find_places(
    model: nn.Module,
    layers: Sequence[type[nn.Module]],
    tensors: Sequence[str] = TENSORS[:1],
) -> dict[str, Place]:
    """Return by layer name every tensor of the layer types ``layers`` that can be ranked.

    They are in module order, those of one module as it registers them. A weight is called
    after its module, a bias after module and tensor, e.g. ``fc.bias``. nn.Linear brings the
    projections inside nn.MultiheadAttention along, which are linear maps; they are called
    after attention and tensor, e.g. ``attention.in_proj_weight``.

    Args:
        model: the network.
        layers: layer types, as for `is_of`.
        tensors: which of `TENSORS`.
    """
    return {
        path if tensor == "weight" else f"{path}.{tensor}".lstrip("."): place
        for path, module in model.named_modules()
        for tensor in _tensors(module, layers)
        for place in [Place(module, tensor)]
        if place.kind in tensors
    }


def _tensors(module: nn.Module, layers: Sequence[type[nn.Module]]) -> list[str]:
    """Return the names of a module's tensors that can be ranked, as it registers them."""
    if is_of(module, layers):
        names = TENSORS
    elif isinstance(module, nn.MultiheadAttention) and nn.Linear in layers:
        names = _PROJECTIONS
    else:
        return []
    numbers = {name.removesuffix("_orig"): n for n, name in enumerate(module._parameters)}
    held = (name for name in names if _has(module, name))
    return sorted(held, key=lambda name: numbers.get(name, len(numbers)))


def is_of(module: nn.Module, layers: Sequence[type[nn.Module]]) -> bool:
    """Whether a module is of one of the layer types, or of a norm's kin.

    A kin is a class of somebody's own that is called after the norm, whatever the case, and
    holds a vector called weight: ``LlamaRMSNorm`` goes with nn.RMSNorm, for example.
    """
    if isinstance(module, tuple(layers)):
        return True
    norms = [kind for kind in layers if kind in NORMS]
    return (
        is_kin(type(module), norms)
        and _has(module, "weight")
        and getattr(module.weight, "ndim", 0) == 1
    )


def is_kin(kind: type, norms: Sequence[type[nn.Module]] = NORMS) -> bool:
    """Whether a class that is none of `RANKABLE` is called after one of ``norms``."""
    name = kind.__name__.lower()
    is_ours = issubclass(kind, RANKABLE)
    return not is_ours and any(norm.__name__.lower() in name for norm in norms)


def _has(module: nn.Module, tensor: str) -> bool:
    """Whether the module has such a tensor, without computing it where it is computed."""
    if isinstance(module, MAPS) and tensor == "weight":
        return True
    if tensor in module._parameters:
        return module._parameters[tensor] is not None
    return tensor in vars(module) or hasattr(type(module), tensor)


def locate(modules: Mapping[str, nn.Module], name: str) -> Place | None:
    """Return the place of the layer called ``name`` among a network's modules by path."""
    path, _, tensor = name.rpartition(".")
    for holder, own in ((modules.get(name), "weight"), (modules.get(path), tensor)):
        if holder is not None and own in _tensors(holder, RANKABLE):
            return Place(holder, own)
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
