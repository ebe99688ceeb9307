"""Which layers of a network are narrower than its architecture's, so that it can be built anew."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from network_prune.sources.networks.packed.narrowed import Narrowed

Shapes = Mapping[str, tuple[int, ...]]

_BUFFERS: Final = ("take", "put", "constants")
_SIZES: Final = (
    (_ConvNd, ("in_channels", "out_channels", "groups")),
    (nn.Linear, ("in_features", "out_features")),
    (_BatchNorm, ("num_features",)),
)


class StructureError(ValueError):
    """A structure isn't one of the network that it is given for."""


@dataclass(frozen=True, slots=True)
class Structure:
    """What sets a network apart from its architecture.

    Attributes:
        narrowed: the axes of each `Narrowed` by its path, the outer ones first.
        sizes: the numbers of channels of each layer that has others, by its path.
    """

    narrowed: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    sizes: dict[str, dict[str, int]] = field(default_factory=dict[str, dict[str, int]])

    @classmethod
    def of(cls, model: nn.Module, base: nn.Module | None) -> "Structure":
        """Return what sets ``model`` apart from ``base``; if that isn't known, all there is."""
        narrowed = {
            path: module.axes
            for path, module in model.named_modules()
            if isinstance(module, Narrowed)
        }
        inner = {path: _inner_path(path, narrowed) for path, _ in model.named_modules()}
        known = {} if base is None else _sizes_in(base)
        sizes = _sizes_in(model)
        return cls(
            narrowed, {path: own for path, own in sizes.items() if known.get(inner[path]) != own}
        )

    def __bool__(self) -> bool:
        return bool(self.narrowed or self.sizes)


def restructured(model: nn.Module, structure: Structure, shapes: Shapes) -> nn.Module:
    """Return ``model``, changed in place, with a structure; new tensors are left empty.

    Args:
        model: the network as its architecture makes it.
        structure: what it is to get.
        shapes: those of the tensors that it is to get, by their names.

    Raises:
        StructureError: the network hasn't such layers, or their tensors have other shapes.
    """
    for path, axes in structure.narrowed.items():
        model = _narrow(model, path, axes, shapes)
    modules = dict(model.named_modules())
    for path, sizes in structure.sizes.items():
        if path not in modules:
            raise StructureError(f"there is no layer {path!r}")
        _resize(modules[path], path, sizes, shapes)
    return model


def _inner_path(path: str, narrowed: Collection[str]) -> str:
    """Return the path that a layer has in the network without any `Narrowed`."""
    for outer in sorted(narrowed, key=len, reverse=True):
        if path == f"{outer}.layer".lstrip(".") or path.startswith(f"{outer}.layer.".lstrip(".")):
            path = f"{outer}{path[len(f'{outer}.layer'.lstrip('.')) :]}".lstrip(".")
    return path


def _names_of_sizes(module: nn.Module) -> tuple[str, ...]:
    return next((names for kind, names in _SIZES if isinstance(module, kind)), ())


def _sizes_in(model: nn.Module) -> dict[str, dict[str, int]]:
    found = {
        path: {name: getattr(module, name) for name in _names_of_sizes(module)}
        for path, module in model.named_modules()
    }
    return {path: sizes for path, sizes in found.items() if sizes}


def _narrow(model: nn.Module, path: str, axes: tuple[int, int], shapes: Shapes) -> nn.Module:
    """Put a `Narrowed` around a layer, wherever the network has it."""
    paths: dict[nn.Module, list[str]] = defaultdict(list)
    for place, module in model.named_modules(remove_duplicate=False):
        paths[module].append(place)
    layer = next((module for module, places in paths.items() if path in places), None)
    if layer is None or not all(-16 <= axis < 0 for axis in axes):
        raise StructureError(f"there is no layer {path!r} with channels at {axes}")
    buffers = {
        name: torch.empty(shapes[full], dtype=torch.float32 if name == "constants" else torch.int64)
        for name in _BUFFERS
        for full in [f"{path}.{name}".lstrip(".")]
        if full in shapes
    }
    narrowed = Narrowed(layer, **{**dict.fromkeys(_BUFFERS), **buffers}, axes=axes)
    narrowed.train(layer.training)
    for place in paths[layer]:
        if not place:
            return narrowed
        model.set_submodule(place, narrowed)
    return model


def _resize(layer: nn.Module, path: str, sizes: Mapping[str, int], shapes: Shapes) -> None:
    wanted = {
        name: shape
        for name in layer.state_dict()
        if (shape := shapes.get(f"{path}.{name}".lstrip("."))) is not None
    }
    is_known = set(sizes) == set(_names_of_sizes(layer)) and all(n > 0 for n in sizes.values())
    if not is_known or any(wanted.get(n, s) != s for n, s in _expected(layer, sizes).items()):
        raise StructureError(f"the tensors of layer {path!r} aren't of its numbers of channels")
    for name, shape in wanted.items():
        old: Tensor = getattr(layer, name)
        if old.shape != shape:
            new = torch.empty(shape, dtype=old.dtype, device=old.device)
            exchange(layer, name, new)
    vars(layer).update(sizes)


def _expected(layer: nn.Module, sizes: Mapping[str, int]) -> dict[str, tuple[int, ...]]:
    """Return the shapes that a layer's tensors have with so many channels."""
    if "num_features" in sizes:
        rows = (sizes["num_features"],)
        return dict.fromkeys(("weight", "bias", "running_mean", "running_var"), rows)
    if "in_features" in sizes:
        rows = (sizes["out_features"],)
        return {"weight": (*rows, sizes["in_features"]), "bias": rows}
    made, taken, groups = (sizes[name] for name in ("out_channels", "in_channels", "groups"))
    assert isinstance(layer, _ConvNd)
    pair = (
        (taken, made // groups) if isinstance(layer, _ConvTransposeNd) else (made, taken // groups)
    )
    return {"weight": (*pair, *layer.kernel_size), "bias": (made,)}


def exchange(module: nn.Module, name: str, new: Tensor) -> None:
    """Put a tensor in the place of another of the same name and kind."""
    old = module._parameters.get(name)
    if old is None:
        module._buffers[name] = new
    else:
        module._parameters[name] = nn.Parameter(new, requires_grad=old.requires_grad)
