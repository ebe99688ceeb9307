"""Estimate what the running statistics of a network's BatchNorms are as it computes now."""

from collections.abc import Iterable, Sequence
from functools import partial

import torch
import torch.distributed
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.lazy import LazyModuleMixin

from network_prune.errors import UnsupportedNetworkError
from network_prune.pruning.forward import device_of, eval_mode, forward, move_images
from network_prune.pruning.operands import eagerly
from network_prune.pruning.recalibration.pool import Pool
from network_prune.pruning.recalibration.statistics import Statistics
from network_prune.pruning.state import pruned_weights
from network_prune.pruning.unfinished import Change


def find_norms(model: nn.Module) -> dict[str, _BatchNorm]:
    """Return the BatchNorms that have running statistics, by path.

    Raises:
        UnsupportedNetworkError: there are none, or the statistics of one can't be estimated.
    """
    norms = {
        path: module
        for path, module in model.named_modules()
        if isinstance(module, _BatchNorm) and module.running_mean is not None
    }
    if not norms:
        raise UnsupportedNetworkError(
            f"the network ({type(model).__name__}) has no BatchNorm with running statistics, so "
            "there is nothing to recalibrate; leave recalibrate (--recalibrate) out"
        )
    for path, norm in norms.items():
        if isinstance(norm, LazyModuleMixin):
            raise UnsupportedNetworkError(
                f"layer {path!r} has no size before its first forward; run the network once"
            )
        if isinstance(norm, nn.SyncBatchNorm) and _is_shared(norm):
            raise UnsupportedNetworkError(
                f"layer {path!r} is a SyncBatchNorm, which computes with other processes; "
                "recalibrate before torch.distributed.init_process_group, in each process alike"
            )
    return norms


def estimate(model: nn.Module, batches: Iterable[Tensor]) -> Statistics:
    """Return by norm what its statistics are over all images; the network stays as it is.

    A norm that the network doesn't run has none.

    Args:
        model: the network.
        batches: of images ``[n, ...]``, n ≥ 1, gone through once.

    Raises:
        ArgumentError: a batch has one value of a channel.
        UnsupportedNetworkError: what `find_norms` raises, the network fails, or what a norm
            gets isn't finite.
        StateError: what is pruned is other in eval mode.
    """
    pools = [Pool(*each) for each in find_norms(model).items()]
    in_eval = eval_mode(model, partial(pruned_weights, model))
    autocast_off = torch.autocast(device_of(model).type, enabled=False)
    with torch.inference_mode(False), torch.no_grad(), autocast_off, eagerly(), in_eval:
        with _hooked(pools):
            for images in batches:
                forward(model, move_images(images, model))
        found = {pool.norm: pool.statistics() for pool in pools}
    if not any(found.values()):
        names = ", ".join(pool.path for pool in pools)
        raise UnsupportedNetworkError(
            f"the network runs none of its BatchNorms ({names}), so there is nothing to "
            "recalibrate; leave recalibrate (--recalibrate) out"
        )
    return {norm: values for norm, values in found.items() if values}


def _hooked(pools: Sequence[Pool]) -> Change:
    return Change(lambda: [p.begin() for p in pools], lambda: [p.end() for p in pools])


def _is_shared(norm: nn.SyncBatchNorm) -> bool:
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return False
    return torch.distributed.get_world_size(norm.process_group) > 1
