"""A few images tell whether a faster copy computes what its network does, and with what."""

import copy
import math
import random
from collections.abc import Collection, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from network_prune.errors import NetworkPruneError
from network_prune.evaluation.runner import Runner
from network_prune.pruning.faster_copy.copies import independent_copy
from network_prune.pruning.faster_copy.prepare import Prepared, Speed, prepare
from network_prune.pruning.forward import device_of
from network_prune.pruning.operands import UNCHECKED, Operands
from network_prune.pruning.ranking.rankable import weights_at
from network_prune.sources.data.pictures import Batch

_IMAGES = 4
_LESS = (("channels_last",), ("fold",), ("channels_last", "fold"))


@dataclass(frozen=True, slots=True)
class FirstLook:
    """What the first images tell of a network.

    Attributes:
        given_up: settings of `Speed` with which it computes something else.
        operands: saw what layers computed with, or is yet to see it; None without layers.
    """

    given_up: tuple[str, ...] = ()
    operands: Operands | None = None

    def warnings(self, layers: Collection[str]) -> list[str]:
        """Return one line for each thing to know where ``layers`` are pruned."""
        lines: list[str] = []
        if self.given_up:
            flags = ", ".join(f"--no-{name.replace('_', '-')}" for name in self.given_up)
            lines.append(
                f"made faster, the network computes something else or fails; it ran with {flags}"
            )
        if self.operands is None or not layers:
            return lines
        if self.operands.failed:
            return [*lines, UNCHECKED]
        idle = [name for name in layers if name not in self.operands.read]
        if idle and self.operands.has_run:
            lines.append(
                f"nothing was seen to take the weights of {', '.join(idle)} on the first images: "
                f"zeros there may change nothing"
            )
        return lines


def look_first(
    runner: Runner, model: nn.Module, speed: Speed, batch: Batch, layers: Collection[str]
) -> FirstLook:
    """Compute the batch's first images with a copy of ``model`` as it is, and compare.

    Side effects: the runner's network is exchanged for one that computes the same, where its
    own doesn't. Where it is ``model`` itself, nothing runs now: the runner watches its next batch.

    Args:
        runner: computes with what `prepare` made of ``model``, not pruned further.
        model: the network.
        speed: what `prepare` was asked for.
        batch: labelled images.
        layers: names of those whose weights are, or are to be, pruned.

    Raises:
        UnsupportedNetworkError: one of the layers is computed with another weight than its own.
    """
    if runner.prepared.model is model:
        runner.operands = Operands(lambda: weights_at(model, layers)) if layers else None
        return FirstLook(operands=runner.operands)
    plain = independent_copy(model)
    operands = Operands(lambda: weights_at(plain, layers))
    for some in (Batch(batch.images[:_IMAGES], batch.labels[:_IMAGES]), batch):
        compute = partial(_compute, runner, Prepared(plain), some)
        try:
            wanted = operands.watch(compute) if layers else compute()
        except NetworkPruneError:
            continue  # it may take whole batches only
        operands.check()
        return FirstLook(_settle(runner, model, speed, some, wanted), operands)
    operands.failed = True
    return FirstLook(operands=operands)


def _settle(
    runner: Runner, model: nn.Module, speed: Speed, few: Batch, wanted: Tensor
) -> tuple[str, ...]:
    """Exchange the runner's network if it isn't the one that was wanted; return what is off.

    One that gives other logits each time can't be compared, and stays.
    """
    exact = replace(speed, dtype=None, compile=False)
    trial = runner.prepared if exact == speed else prepare(model, exact)
    if _agrees(runner, trial, few, wanted) or _is_random(runner, model, few, wanted):
        return ()
    lesser = (dict.fromkeys(names, False) for names in _LESS)
    off = next(
        (o for o in lesser if _agrees(runner, prepare(model, replace(exact, **o)), few, wanted)),
        dict.fromkeys(_LESS[-1], False),
    )
    prepared = prepare(model, replace(speed, **off))
    runner.prepared = Prepared(independent_copy(model)) if prepared.model is model else prepared
    return tuple(name for name in off if getattr(speed, name))


def _agrees(runner: Runner, prepared: Prepared, few: Batch, wanted: Tensor) -> bool:
    """Whether a copy of ``prepared`` gives the same logits up to half of their digits."""
    try:
        found = _compute(runner, replace(prepared, model=copy.deepcopy(prepared.model)), few)
    except NetworkPruneError:
        return False
    return _close(found, wanted)


def _close(found: Tensor, wanted: Tensor) -> bool:
    eps = torch.finfo(wanted.dtype).eps
    if wanted.device.type != "cpu":
        eps = max(eps, 2.0**-10)  # accelerators may multiply float32 with fewer digits
    scale = wanted.abs().nan_to_num(0.0, 0.0, 0.0).max().item()
    return torch.allclose(found, wanted, rtol=0, atol=math.sqrt(eps) * scale, equal_nan=True)


def _is_random(runner: Runner, model: nn.Module, few: Batch, wanted: Tensor) -> bool:
    """Whether a network gives other logits in another state of the random generators."""
    prepared = Prepared(independent_copy(model))
    with draws_put_back(model):
        runner.plainly(prepared)(few)
        return not _close(runner.plainly(prepared)(few), wanted)


def _compute(runner: Runner, prepared: Prepared, few: Batch) -> Tensor:
    with draws_put_back(prepared.model):  # so that every run draws the same
        return runner.plainly(prepared)(few)


@contextmanager
def draws_put_back(model: nn.Module) -> Generator[None]:
    """Put the states of PyTorch's, NumPy's and Python's generators back at the end."""
    device = device_of(model)
    ours, theirs = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            yield
    finally:
        random.setstate(ours)
        np.random.set_state(theirs)
