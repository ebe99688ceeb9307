"""Find the layers of a network that can be ranked, and refuse those that can't."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.parameter import is_lazy
from torch.nn.utils import prune
from torch.overrides import TorchFunctionMode

from network_prune.core.layers import Layer
from network_prune.errors import ArgumentError, StateError, UnsupportedNetworkError, unknown_name

_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
RANKABLE: tuple[type[nn.Module], ...] = (nn.Conv1d, nn.Conv2d, nn.Conv3d, *_TRANSPOSED, nn.Linear)
_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


@dataclass(frozen=True, slots=True)
class FoundLayer:
    """A layer to rank: what it is called and the Parameter that holds its weight."""

    layer: Layer
    weight: nn.Parameter


def find_layers(
    model: nn.Module,
    *,
    layers: Sequence[type[nn.Module]],
    include: Sequence[str],
    exclude: Sequence[str],
) -> list[FoundLayer]:
    """Return the layers to rank in module order; a shared weight counts once, where it comes first.

    Args:
        model: the network.
        layers: layer types.
        include: wildcard patterns of layer paths, none for all.
        exclude: wildcard patterns of layer paths to leave out.

    Raises:
        ArgumentError: a type can't be ranked, or a pattern matches no layer.
        StateError: the network is pruned already.
        UnsupportedNetworkError: no layer is left, or one can't be ranked.
    """
    _check_types(layers)
    check_not_pruned(model)
    candidates = {
        name: module for name, module in model.named_modules() if isinstance(module, tuple(layers))
    }
    if not candidates:
        raise UnsupportedNetworkError(_nothing_to_rank(model, layers))
    chosen = _choose(candidates, include, exclude)
    refuse_attention(model, chosen)
    found = [_found(name, module) for name, module in chosen.items()]
    first = {storage_key(layer.weight): layer for layer in reversed(found)}
    return [layer for layer in found if first[storage_key(layer.weight)] is layer]


def check_not_pruned(model: nn.Module) -> None:
    """Raise a StateError that names the first pruned layer, if there is one."""
    for name, module in model.named_modules():
        if any(isinstance(h, prune.BasePruningMethod) for h in module._forward_pre_hooks.values()):
            raise StateError(
                f"layer {name!r} is pruned already; call network_prune.restore(model), "
                "make_permanent(model) or torch.nn.utils.prune.remove first"
            )


def storage_key(weight: Tensor) -> tuple[Any, ...]:
    """Return what tells whether two weights are one tensor in memory."""
    return (weight.device, weight.data_ptr(), weight.dtype, weight.shape, weight.stride())


def describe_layer(name: str, module: nn.Module) -> Layer:
    """Return the layer's name and shape for a module of a rankable type."""
    weight = module.weight
    assert isinstance(weight, Tensor)
    transposed = isinstance(module, _TRANSPOSED)
    groups = module.groups if transposed else 1
    return Layer(name, tuple(weight.shape), transposed, groups)


def _check_types(layers: Sequence[object]) -> None:
    allowed = ", ".join(kind.__name__ for kind in RANKABLE)
    if isinstance(layers, type):
        raise ArgumentError(f"layers takes a list of types; pass layers=[{layers.__name__}]")
    if not layers:
        raise ArgumentError(f"layers is empty; pass some of {allowed}")
    for kind in layers:
        if not (isinstance(kind, type) and issubclass(kind, RANKABLE)):
            raise ArgumentError(f"layers={kind!r} can't be ranked; pass some of {allowed}")


def _nothing_to_rank(model: nn.Module, layers: Sequence[type[nn.Module]]) -> str:
    wanted = " or ".join(kind.__name__ for kind in layers)
    others = {
        kind.__name__ for module in model.modules() for kind in RANKABLE if isinstance(module, kind)
    }
    remedy = (
        f"it has {', '.join(sorted(others))}, which layers= accepts"
        if others
        else ("it has no convolution and no Linear layer at all")
    )
    return f"{type(model).__name__} has no {wanted} layer to rank; {remedy}"


def _choose(
    candidates: dict[str, nn.Module], include: Sequence[str], exclude: Sequence[str]
) -> dict[str, nn.Module]:
    if isinstance(include, str) or isinstance(exclude, str):
        raise ArgumentError("include and exclude take a list of patterns; put the one in brackets")
    for pattern in (*include, *exclude):
        if not any(fnmatchcase(name, pattern) for name in candidates):
            raise ArgumentError(unknown_name("layer or pattern", pattern, candidates))

    def is_chosen(name: str) -> bool:
        wanted = not include or any(fnmatchcase(name, pattern) for pattern in include)
        return wanted and not any(fnmatchcase(name, pattern) for pattern in exclude)

    chosen = {name: module for name, module in candidates.items() if is_chosen(name)}
    if not chosen:
        raise ArgumentError(f"exclude={list(exclude)} leaves none of {len(candidates)} layers")
    return chosen


def refuse_attention(model: nn.Module, chosen: dict[str, nn.Module]) -> None:
    """Refuse an attention's output projection, which is read without being called."""
    for name, module in model.named_modules():
        if isinstance(module, nn.MultiheadAttention) and module.out_proj in chosen.values():
            path = f"{name}.out_proj".lstrip(".")
            raise UnsupportedNetworkError(
                f"layer {path!r} is read by nn.MultiheadAttention without being called, so its "
                f"mask would miss training; leave it out with exclude=['*out_proj'] "
                f"(--exclude '*out_proj')"
            )


def _found(name: str, module: nn.Module) -> FoundLayer:
    weight = sound_weight(name, module)
    if not bool(torch.isfinite(weight).all()):
        raise UnsupportedNetworkError(
            f"layer {name!r} has NaN or infinite weights; load sound weights before pruning"
        )
    return FoundLayer(describe_layer(name, module), weight)


def sound_weight(name: str, module: nn.Module) -> nn.Parameter:
    """Return the weight of a module of a rankable type, if a mask on it means zeros.

    Raises:
        UnsupportedNetworkError: it isn't one dense Parameter that is used as it is.
    """
    weight = module._parameters.get("weight")
    if weight is None:
        raise UnsupportedNetworkError(
            f"layer {name!r} computes its weight from other tensors (a parametrization, spectral "
            f"or weight norm), so pruned weights would not be zero; remove it or exclude the layer"
        )
    if is_lazy(weight):
        raise UnsupportedNetworkError(
            f"layer {name!r} is lazy and not built yet; run the network once on an input first"
        )
    if weight.dtype not in _DTYPES or weight.layout != torch.strided or weight.is_meta:
        raise UnsupportedNetworkError(
            f"layer {name!r} has a {weight.layout} {weight.dtype} weight on {weight.device}; "
            f"only dense floating weights in memory can be ranked"
        )
    if not weight.numel():
        raise UnsupportedNetworkError(f"layer {name!r} has no weights at all; exclude the layer")
    if _transforms_weight(module):
        raise UnsupportedNetworkError(
            f"layer {name!r} ({type(module).__name__}) transforms its weight before using it, so "
            f"pruned weights would not be zero; exclude the layer"
        )
    return weight


def _transforms_weight(module: nn.Module) -> bool:
    """Whether the operation inside gets anything but the layer's own weight."""
    if not _overrides_forward(module):
        return False
    probe = copy.deepcopy(module).eval()
    with torch.no_grad(), _WeightsSeen() as mode:
        _spread(probe.weight)
        try:
            probe.forward(_probe_input(probe))
        except Exception:  # a forward with other arguments can't be looked into
            return True
    weight = probe.weight
    assert isinstance(weight, Tensor)
    return not mode.weights or not all(torch.equal(seen, weight) for seen in mode.weights)


def _spread(weight: Any) -> None:
    """Overwrite a weight with values that no standardisation leaves alone, as it might zeros."""
    values = torch.linspace(-1.0, 2.0, weight.numel(), dtype=torch.float64)
    weight.copy_(values.reshape(weight.shape))


def _overrides_forward(module: nn.Module) -> bool:
    base = next(kind for kind in RANKABLE if isinstance(module, kind))
    names = [name for name in ("forward", "_conv_forward") if hasattr(base, name)]
    own = any(getattr(type(module), name) is not getattr(base, name) for name in names)
    return own or "forward" in vars(module)


def _probe_input(module: nn.Module) -> Tensor:
    weight = module.weight
    assert isinstance(weight, Tensor)
    if isinstance(module, nn.Linear):
        return weight.new_ones(1, module.in_features)
    assert isinstance(module, _ConvNd)
    sizes = [d * (k - 1) + 1 for d, k in zip(module.dilation, module.kernel_size, strict=True)]
    return weight.new_ones(1, module.in_channels, *sizes)


class _WeightsSeen(TorchFunctionMode):
    """Collects the weights that convolutions and linear maps are called with."""

    _OPERATIONS = frozenset(
        {"conv1d", "conv2d", "conv3d", "linear"} | {f"conv_transpose{n}d" for n in (1, 2, 3)}
    )

    def __init__(self) -> None:
        super().__init__()
        self.weights: list[Tensor] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") in self._OPERATIONS:
            self.weights.append(kwargs["weight"] if "weight" in kwargs else args[1])
        return func(*args, **kwargs)


def owners(model: nn.Module, weight: Tensor) -> Iterator[tuple[nn.Module, str]]:
    """Yield every (module, parameter name) of the network that holds this very tensor."""
    key = storage_key(weight)
    for module in model.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None and _is_plain(parameter) and storage_key(parameter) == key:
                yield module, name


def _is_plain(parameter: Tensor) -> bool:
    return not is_lazy(parameter) and parameter.layout == torch.strided and parameter.numel() > 0
