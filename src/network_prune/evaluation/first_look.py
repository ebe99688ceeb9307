"""A few images tell whether a faster copy computes what its network does, and with what."""

import copy
import math
from collections.abc import Collection
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from network_prune.errors import NetworkPruneError, UnsupportedNetworkError
from network_prune.evaluation.faster_copy.copies import independent_copy
from network_prune.evaluation.faster_copy.prepare import Prepared, Speed, prepare
from network_prune.evaluation.runner import Runner
from network_prune.pruning.operands import Operands
from network_prune.pruning.ranking.rankable import weights_at
from network_prune.sources.data.pictures import Batch

_IMAGES = 4
_LESS = (("channels_last",), ("fold",), ("channels_last", "fold"))


@dataclass(frozen=True, slots=True)
class FirstLook:
    """What a few images told of a network.

    Attributes:
        given_up: settings of `Speed` with which it computes something else.
        idle: layers whose weights no convolution or matrix product took.
    """

    given_up: tuple[str, ...] = ()
    idle: tuple[str, ...] = ()

    def warnings(self, layers: Collection[str]) -> list[str]:
        """Return one line for each thing to know where ``layers`` are pruned."""
        lines: list[str] = []
        if self.given_up:
            flags = ", ".join(f"--no-{name.replace('_', '-')}" for name in self.given_up)
            lines.append(
                f"made faster, the network computes something else or fails; it ran with {flags}"
            )
        idle = [name for name in self.idle if name in layers]
        if idle:
            lines.append(
                f"no convolution or matrix product took the weights of {', '.join(idle)} on the "
                "first images: zeros there change nothing"
            )
        return lines


def look_first(
    runner: Runner, model: nn.Module, speed: Speed, batch: Batch, layers: Collection[str]
) -> FirstLook:
    """Compute the batch's first images with a copy of ``model`` as it is, and compare.

    Side effect: the runner's network is exchanged for one that computes the same, where
    its own doesn't. A network that can't be copied runs itself if there are ``layers``.

    Args:
        runner: computes with what `prepare` made of ``model``, not pruned further.
        model: the network, in eval mode where it can't be copied.
        speed: what `prepare` was asked for.
        batch: labelled images.
        layers: names of those whose weights are, or are to be, pruned.

    Raises:
        UnsupportedNetworkError: one of the layers is computed with another weight than its own.
    """
    if runner.prepared.model is model and not layers:
        return FirstLook()
    few = Batch(batch.images[:_IMAGES], batch.labels[:_IMAGES])
    operands = Operands(weights_at(plain := _copy(model), layers))
    try:
        with operands:
            wanted = _compute(runner, Prepared(plain), few)
    except NetworkPruneError:
        return FirstLook()  # all of the images will tell
    operands.check()
    given_up = ()
    if runner.prepared.model is not model:
        given_up = _settle(runner, model, speed, few, wanted)
    return FirstLook(given_up, tuple(name for name in layers if name not in operands.read))


def _settle(
    runner: Runner, model: nn.Module, speed: Speed, few: Batch, wanted: Tensor
) -> tuple[str, ...]:
    """Exchange the runner's network if it isn't the one that was wanted; return what is off."""
    exact = replace(speed, dtype=None, compile=False)
    trial = runner.prepared if exact == speed else prepare(model, exact)
    if _agrees(runner, trial, few, wanted):
        return ()
    lesser = (dict.fromkeys(names, False) for names in _LESS)
    off = next(
        (o for o in lesser if _agrees(runner, prepare(model, replace(exact, **o)), few, wanted)),
        dict.fromkeys(_LESS[-1], False),
    )
    prepared = prepare(model, replace(speed, **off))
    runner.prepared = Prepared(_copy(model)) if prepared.model is model else prepared
    return tuple(name for name in off if getattr(speed, name))


def _agrees(runner: Runner, prepared: Prepared, few: Batch, wanted: Tensor) -> bool:
    """Whether a copy of ``prepared`` gives the same logits up to half of their digits."""
    try:
        found = _compute(runner, replace(prepared, model=copy.deepcopy(prepared.model)), few)
    except NetworkPruneError:
        return False
    eps = torch.finfo(wanted.dtype).eps
    if wanted.device.type != "cpu":
        eps = max(eps, 2.0**-10)  # accelerators may multiply float32 with fewer digits
    scale = wanted.abs().nan_to_num(0.0, 0.0, 0.0).max().item()
    return torch.allclose(found, wanted, rtol=0, atol=math.sqrt(eps) * scale, equal_nan=True)


def _compute(runner: Runner, prepared: Prepared, few: Batch) -> Tensor:
    devices = [few.images.device] if few.images.is_cuda else []
    with torch.random.fork_rng(devices=devices):  # so that every run draws the same
        return runner.plainly(prepared)(few)


def _copy(model: nn.Module) -> nn.Module:
    try:
        return independent_copy(model)
    except UnsupportedNetworkError:
        return model
