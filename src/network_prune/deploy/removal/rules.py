"""What operations make of channels; of an operation without a rule everything is needed."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from network_prune.deploy.removal.channels import Channels, Constants
from network_prune.deploy.removal.values import Value, Values

aten = torch.ops.aten
# A rule takes the values, an operation with its arguments and what it made; it returns what is
# known of that, or None where everything is needed.
Rule = Callable[[Values, Any, tuple[Any, ...], Mapping[str, Any], Any], list[Value] | None]

_VIEWS: Final = {
    aten.view,
    aten._unsafe_view,
    aten.permute,
    aten.transpose,
    aten.t,
    aten.unsqueeze,
    aten.squeeze,
    aten.expand,
    aten.slice,
    aten.select,
}
# Pointwise in fact, though PyTorch doesn't say so of them.
_POINTWISE: Final = {
    aten.detach,
    aten.alias,
    aten.lift_fresh,
    aten._to_copy,
    aten.hardswish,
    aten.hardswish_,
    aten.mish_,
}
_PRODUCTS: Final = {aten.mul, aten.mul_}
# Whatever the channel, the greatest of equal numbers, or their mean, is that number.
_KEEPING: Final = {
    aten.max_pool2d_with_indices,
    aten.max_pool3d_with_indices,
    aten.adaptive_max_pool2d,
    aten.adaptive_max_pool3d,
    aten._adaptive_avg_pool2d,
    aten._adaptive_avg_pool3d,
    aten.replication_pad2d,
    aten.reflection_pad2d,
    aten.upsample_nearest2d,
}
# These mix in zeros at a border, or round.
_ZEROS_ALONE: Final = {
    aten.avg_pool2d,
    aten.avg_pool3d,
    aten.constant_pad_nd,
    aten.upsample_bilinear2d,
    aten.upsample_bicubic2d,
}
_REDUCTIONS: Final = {aten.mean, aten.amax, aten.amin, aten.sum}


def rule_for(func: Any) -> Rule | None:
    """Return the rule of an operation, an overload of torch.ops."""
    packet = func.overloadpacket
    if packet in _VIEWS:
        return _view
    if packet in _KEEPING or packet in _ZEROS_ALONE:
        return _by_channel
    if packet in _REDUCTIONS:
        return _reduction
    if packet is aten.cat:
        return None  # `follow` links its parts
    is_random = torch.Tag.nondeterministic_seeded in func.tags
    if packet in _POINTWISE or (torch.Tag.pointwise in func.tags and not is_random):
        return _pointwise
    return None


def tensors_in(*arguments: Any) -> list[Tensor]:
    """Return the tensors in what an operation took or made."""
    return [leaf for leaf in tree_leaves(arguments) if isinstance(leaf, Tensor)]


def _pointwise(
    values: Values, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any
) -> list[Value] | None:
    tensors = tensors_in(args, kwargs)
    found = values.among(tensors)
    wide = [value for value in found if value.count > 1]
    if not wide or not isinstance(result, Tensor):
        return None
    first = wide[0]
    shapes = {(value.axis, value.count) for value in wide}
    if len(shapes) > 1 or result.dim() < -first.axis or result.shape[first.axis] != first.count:
        return None
    axis, count = first.axis, first.count
    others = [tensor for tensor in tensors if not any(tensor is v.tensor for v in wide)]
    for value in wide[1:]:
        first.channels.join(value.channels)
    if any(other.dim() >= -axis and other.shape[axis] > 1 for other in others):
        first.channels.need_all()
    known = torch.stack([value.constants.known for value in wide]).all(0)
    row = torch.zeros(count)
    if any(other.numel() > 1 or values.is_computed(other) for other in others):
        known = torch.zeros_like(known)
    elif bool(known.any()):
        rows = {id(value.tensor): value.row() for value in wide}
        copies = tree_map(lambda leaf: rows.get(id(leaf), leaf), (args, dict(kwargs)))
        row = func(*copies[0], **copies[1]).detach().flatten()
    if func.overloadpacket in _PRODUCTS:
        zero = torch.stack([value.constants.zero for value in wide]).any(0)
        known, row = known | zero, torch.where(zero.to(row.device), 0, row)
    return [Value(result, axis, first.channels, Constants.of(known, row))]


def _by_channel(
    values: Values, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any
) -> list[Value] | None:
    value = values.get(args[0])
    made: Tensor = result if isinstance(result, Tensor) else result[0]
    if value is None or made.dim() != value.tensor.dim():
        return None
    # The axes that these work on are the last ones.
    worked = len(args[1]) // 2 if func.overloadpacket is aten.constant_pad_nd else _worked(func)
    if worked >= -value.axis:
        return None
    keeps = func.overloadpacket in _KEEPING
    constants = value.constants if keeps else value.constants.zeros_alone()
    if func.overloadpacket is aten.constant_pad_nd and _fill(args, kwargs) != 0:
        constants = Constants.none(value.count)
    return [Value(made, value.axis, value.channels, constants)]


def _worked(func: Any) -> int:
    return 3 if "3d" in func.overloadpacket.__name__ else 2


def _fill(args: Sequence[Any], kwargs: Mapping[str, Any]) -> float:
    return args[2] if len(args) > 2 else kwargs.get("value", 0)


def _reduction(
    values: Values, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any
) -> list[Value] | None:
    value = values.get(args[0])
    axes = args[1] if len(args) > 1 else kwargs.get("dim")
    if value is None or not isinstance(axes, list | tuple) or not axes:
        return None
    size = value.tensor.dim()
    gone = {axis % size - size for axis in axes}
    if value.axis in gone:
        return None
    keepdim = args[2] if len(args) > 2 else kwargs.get("keepdim", False)
    behind = 0 if keepdim else sum(axis > value.axis for axis in gone)
    is_sum = func.overloadpacket is aten.sum
    constants = value.constants.zeros_alone() if is_sum else value.constants
    return [Value(result, value.axis + behind, value.channels, constants)]


def _view(
    values: Values, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any
) -> list[Value] | None:
    value = values.get(args[0])
    if value is None or value.count == 1:
        return None
    stride = value.tensor.stride(value.axis)
    for axis in range(-result.dim(), 0):
        if (result.shape[axis], result.stride(axis)) == (value.count, stride):
            return [Value(result, axis, value.channels, value.constants)]
    value.channels.need_all()
    return _flattened(value, result)


def _flattened(value: Value, result: Tensor) -> list[Value] | None:
    """Return what is known where each channel became several in a row, as before a Linear."""
    behind = value.tensor.shape[value.tensor.dim() + value.axis + 1 :]
    times, stride = math.prod(behind), value.tensor.stride(value.axis)
    count = value.count * times
    for axis in range(-result.dim(), 0):
        if result.shape[axis] == count and result.stride(axis) * times == stride:
            channels = Channels(count)
            channels.need_all()
            return [Value(result, axis, channels, value.constants.repeated(times))]
    return None
