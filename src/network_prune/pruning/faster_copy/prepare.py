"""A copy of a network that computes the same, faster."""

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from network_prune.core.foreign_code import no_exits
from network_prune.errors import UnsupportedNetworkError
from network_prune.options import check_options
from network_prune.pruning.faster_copy.copies import independent_copy
from network_prune.pruning.faster_copy.folding import fold_norms

_LOG = logging.getLogger(__name__)
DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """What is done so that a network computes faster.

    Attributes:
        channels_last: lay out images and convolutions' weights with the channels last,
            where there are Conv2d and the device is a CPU or a CUDA one.
        fold: fold each BatchNorm into the convolution before it, where that is safe; nothing
            is folded under ``amp_dtype``, which would round other numbers than others do.
        compile: compile it by torch.compile.
        dtype: ``bfloat16`` or ``float16`` to compute in, None for the network's own.
        amp_dtype: the same for torch.autocast, None for none.

    Raises:
        ArgumentError: when made with a dtype that is none of these.
    """

    channels_last: bool = True
    fold: bool = True
    compile: bool = False
    dtype: str | None = None
    amp_dtype: str | None = None

    def __post_init__(self) -> None:
        check_options(dtype=self.dtype, amp_dtype=self.amp_dtype)

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> "Speed":
        """Return what the options of a study say."""
        return cls(
            channels_last=options["channels_last"],
            fold=options["fold"],
            compile=options["compile"],
            dtype=options["dtype"],
            amp_dtype=options["amp_dtype"] if options["amp"] else None,
        )


@dataclass(frozen=True, slots=True)
class Prepared:
    """A network that is ready to compute, and what was done for it.

    Attributes:
        model: the copy, in eval mode and with the layers' names and shapes of the
            network, or the network itself, as it is, where nothing was to be done.
        channels_last: whether it takes its images with the channels last.
        folded: number of BatchNorms folded.
        compiled: whether it is compiled.
        dtype: what it was cast to, None if it wasn't.
    """

    model: nn.Module
    channels_last: bool = False
    folded: int = 0
    compiled: bool = False
    dtype: str | None = None

    @property
    def text(self) -> str:
        """What was done, for people."""
        done = {
            "channels last": self.channels_last,
            f"{self.folded} BatchNorms folded": self.folded,
            "compiled": self.compiled,
            f"cast to {self.dtype}": self.dtype,
        }
        return ", ".join(what for what, is_so in done.items() if is_so)


@no_exits()
def prepare(model: nn.Module, speed: Speed, ranked: Collection[str] = ()) -> Prepared:
    """Return a copy of ``model`` that computes the same faster; the network is left alone.

    Masks of ours are baked into the copy. Layers keep their names and shapes, so a
    prunable set of the network fits the copy, but for norms that are folded and for what
    they are folded into; those that the layers named in ``ranked`` need aren't. A network
    that can't be copied safely, e.g. one with hooks, is used as it is.

    Raises:
        UnsupportedNetworkError: that is so, but ``speed`` asks for compiling or a dtype.
        UserCodeError: the network's code wants to end the program.
    """
    fold = speed.fold and speed.amp_dtype is None
    if not (speed.channels_last or fold or speed.compile or speed.dtype):
        return Prepared(model)
    try:
        twin = independent_copy(model)
    except UnsupportedNetworkError as error:
        if speed.compile or speed.dtype:
            raise
        _LOG.info("the network itself is computed, no faster copy of it: %s", error)
        return Prepared(model)
    dtype = DTYPES[speed.dtype] if speed.dtype else None
    folded = fold_norms(twin, dtype=dtype, ranked=ranked) if fold else 0
    if dtype is not None:
        twin.to(dtype)
    channels_last = speed.channels_last and _lay_out(twin)
    if not (folded or channels_last or speed.compile or dtype):
        return Prepared(model)
    if speed.compile:
        twin.compile()
    prepared = Prepared(twin, channels_last, folded, speed.compile, speed.dtype)
    _LOG.info("a copy of the network is computed: %s", prepared.text)
    return prepared


def _lay_out(model: nn.Module) -> bool:
    """Lay out the weights of Conv2d with the channels last; return whether there are any."""
    weights = [
        module.weight
        for module in model.modules()
        if isinstance(module, nn.Conv2d) and module.weight.device.type in ("cpu", "cuda")
    ]
    for weight in weights:
        weight.data = weight.data.contiguous(memory_format=torch.channels_last)
    torch.clear_autocast_cache()
    return bool(weights)
