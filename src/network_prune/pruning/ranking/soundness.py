"""Refuse weights on which a mask would not mean zeros."""

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode

from network_prune.errors import UnsupportedNetworkError
from network_prune.pruning.operands import Operands
from network_prune.pruning.ranking.rankable import MAPS, NORMS, Place

_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def sound_weight(name: str, place: Place) -> nn.Parameter:
    """Return the weight at ``place``, which errors call ``name``, if a mask on it means zeros.

    Raises:
        UnsupportedNetworkError: it isn't one dense Parameter that is used as it is.
    """
    weight = place.module._parameters.get(place.tensor)
    if weight is None:
        raise UnsupportedNetworkError(
            f"layer {name!r} computes its {place.kind} from other tensors (a parametrization, "
            f"spectral or weight norm), so pruned weights would not be zero; remove it or exclude "
            f"the layer"
        )
    if is_lazy(weight):
        raise UnsupportedNetworkError(
            f"layer {name!r} is lazy and not built yet; run the network once on an input first"
        )
    if weight.dtype not in _DTYPES or weight.layout != torch.strided or weight.is_meta:
        raise UnsupportedNetworkError(
            f"layer {name!r} has a {weight.layout} {weight.dtype} {place.kind} on {weight.device}; "
            f"only dense floating weights in memory can be ranked"
        )
    if not weight.numel():
        raise UnsupportedNetworkError(f"layer {name!r} has no weights at all; exclude the layer")
    if place.kind == "weight" and _transforms_weight(place.module):
        raise UnsupportedNetworkError(
            f"layer {name!r} ({type(place.module).__name__}) transforms its weight before using "
            f"it, so pruned weights would not be zero; exclude the layer"
        )
    return weight


def _transforms_weight(module: nn.Module) -> bool:
    """Whether the operation inside gets anything but the layer's own weight."""
    if isinstance(module, nn.MultiheadAttention):
        return _overrides(module, nn.MultiheadAttention, "forward")
    base = next((kind for kind in (*MAPS, *NORMS) if isinstance(module, kind)), nn.Module)
    names = [name for name in ("forward", "_conv_forward") if hasattr(base, name)]
    if not any(_overrides(module, base, name) for name in names):
        return False
    probe = copy.deepcopy(module).eval()
    if base not in MAPS:
        return _scales_by_another(probe)
    with torch.no_grad(), _WeightsSeen() as mode:
        _spread(probe.weight)
        try:
            probe.forward(_probe_input(probe))
        except Exception:  # a forward with other arguments can't be looked into
            return True
    weight = probe.weight
    assert isinstance(weight, Tensor)
    return not mode.weights or not all(torch.equal(seen, weight) for seen in mode.weights)


def _scales_by_another(norm: nn.Module) -> bool:
    """Whether a norm, in eval mode, multiplies by anything but its own weight."""
    weight = norm.weight
    assert isinstance(weight, Tensor)
    _spread(weight)
    for shape in _norm_shapes(weight):
        operands = Operands(lambda: [("", weight)])
        try:
            with torch.no_grad(), operands:
                norm.forward(weight.new_ones(shape))
        except Exception:
            continue  # it takes inputs of another shape, or with other arguments
        return bool(operands.failed or operands.changed or not operands.read)
    return True


def _norm_shapes(weight: Tensor) -> Iterator[tuple[int, ...]]:
    """Yield shapes of inputs that norms take: channels last, then channels first."""
    yield from ((2, *between, *weight.shape) for between in ((), (2,), (2, 2)))
    yield from ((2, len(weight), *[2] * axes) for axes in (1, 2, 3))


def _overrides(module: nn.Module, base: type[nn.Module], name: str) -> bool:
    return name in vars(module) or getattr(type(module), name) is not getattr(base, name)


def _spread(weight: Any) -> None:
    """Overwrite a weight with values that no standardisation leaves alone, as it might zeros."""
    values = torch.linspace(-1.0, 2.0, weight.numel(), dtype=torch.float64)
    with torch.no_grad():
        weight.copy_(values.reshape(weight.shape))


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
