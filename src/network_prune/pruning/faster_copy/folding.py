"""Fold BatchNorms into the convolutions before them: one step less, the same outputs."""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator

import torch
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from network_prune.pruning.masks.norms import only_reader
from network_prune.pruning.ranking.rankable import owners, storage_key
from network_prune.pruning.tracing.trace import trace

# What is derived from these may compute something else.
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def fold_norms(
    model: nn.Module, *, dtype: torch.dtype | None = None, ranked: Collection[str] = ()
) -> int:
    """Fold every BatchNorm that alone reads a convolution into it; return how many.

    A pair is left alone where folding could change more than the rounding: modules or
    weights that serve anything else, a norm without running statistics, values that
    the dtype can't hold. All norms are kept in a network that torch.fx can't trace, or
    that takes other steps without its norms: it reads their statistics, or holds them
    in a list of its own.

    Side effects, on ``model``, which must be in eval mode:

    1. the convolution has a new weight, whose zeros are +0.0, and a new bias;
    2. an nn.Identity takes the norm's place.

    Args:
        model: the network.
        dtype: what the new weights are rounded to, once, from float64; None keeps theirs.
        ranked: names of layers to prune in the copy: a pair of which one is the norm or a bias
            is left alone.
    """
    graph = _graph(model)
    pairs = {} if graph is None else dict(_pairs(model, graph, set(ranked)))
    if not pairs or str(_graph(model, without=pairs)) != str(graph):
        return 0
    folded = [path for path, pair in pairs.items() if _fold(*pair, dtype)]
    for path in folded:
        model.set_submodule(path, nn.Identity().eval())
    return len(folded)


def _pairs(
    model: nn.Module, graph: fx.Graph, ranked: set[str]
) -> Iterator[tuple[str, tuple[_ConvNd, _BatchNorm]]]:
    """Yield the path of each norm that may be folded, with its convolution and itself."""
    calls = Counter(node.target for node in graph.nodes if node.op == "call_module")
    read = {str(node.target).rpartition(".")[0] for node in graph.nodes if node.op == "get_attr"}
    paths = Counter(module for _, module in model.named_modules(remove_duplicate=False))
    held = owners(model)
    for node in graph.nodes:
        norm = only_reader(model, node)
        if norm is None or node.op != "call_module":
            continue
        names = [str(node.target), str(next(iter(node.users)).target)]
        convolution = model.get_submodule(names[0])
        if (
            type(convolution) in _CONVOLUTIONS
            and type(norm) in _NORMS
            and all(calls[name] == 1 and name not in read for name in names)
            and not ranked & {names[1], *(f"{name}.bias" for name in names)}
            and paths[convolution] == paths[norm] == 1
            and len(held[storage_key(convolution.get_parameter("weight"))]) == 1
        ):
            assert isinstance(convolution, _ConvNd)
            assert isinstance(norm, _BatchNorm)
            yield names[1], (convolution, norm)


def _graph(model: nn.Module, *, without: Iterable[str] = ()) -> fx.Graph | None:
    try:
        return trace(model, without=without)
    except Exception:
        return None


def _fold(convolution: _ConvNd, norm: _BatchNorm, dtype: torch.dtype | None) -> bool:
    """Fold one pair, in float64; return whether it could be done."""
    if not _is_plain(norm, convolution):
        return False
    old = convolution.weight
    scale, shift = _scale_and_shift(norm)
    bias = 0.0 if convolution.bias is None else _exact(convolution.bias)
    weight = _exact(old).mul_(scale.reshape(-1, *[1] * (old.dim() - 1)))
    dtype = old.dtype if dtype is None else dtype
    exact = (weight, bias * scale + shift)
    # Adding 0.0 makes a positive zero of a negative one.
    rounded = [tensor.to(dtype).add_(0.0) for tensor in exact]
    if not all(_is_close(*both) for both in zip(rounded, exact, strict=True)):
        return False
    new = [nn.Parameter(tensor.to(old.device), requires_grad=False) for tensor in rounded]
    convolution.weight, convolution.bias = new
    return True


def _is_plain(norm: _BatchNorm, convolution: _ConvNd) -> bool:
    """Whether the norm is a fixed map of the convolution's outputs, in its dtype and place."""
    tensors = [norm.running_mean, norm.running_var, norm.weight, norm.bias, convolution.bias]
    weight = convolution.weight
    return (
        not norm.training
        and norm.running_mean is not None
        and norm.running_var is not None
        and norm.num_features == convolution.out_channels
        and weight.is_floating_point()
        and all(t.dtype == weight.dtype for t in tensors if t is not None)
        and all(t.device == weight.device for t in tensors if t is not None)
    )


def _scale_and_shift(norm: _BatchNorm) -> tuple[Tensor, Tensor]:
    """Return what the norm multiplies by and then adds, float64 ``[channels]``."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = (_exact(norm.running_var) + norm.eps).rsqrt()
    if norm.affine:
        scale = scale * _exact(norm.weight)
    shift = -_exact(norm.running_mean) * scale
    return scale, shift + _exact(norm.bias) if norm.affine else shift


def _exact(tensor: Tensor) -> Tensor:
    """Return a copy in float64 on the CPU."""
    return tensor.detach().to("cpu", torch.float64, copy=True)


def _is_close(rounded: Tensor, exact: Tensor) -> bool:
    """Whether rounding kept each channel's size: NaN, infinities and vanished values don't.

    A channel whose greatest value is a normal number is off by at most eps times that value.
    """
    count = len(exact) if exact.dim() > 1 else 1
    greatest = torch.linalg.vector_norm(rounded.reshape(count, -1), math.inf, dim=1)
    sound = (greatest >= torch.finfo(rounded.dtype).tiny) & greatest.isfinite()
    return not bool(exact.reshape(count, -1)[~sound].any())
