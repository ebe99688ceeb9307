"""Networks that are ready to be timed, and their times in turn."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor, nn

from network_prune.deploy.costs.timing import times_in_turn
from network_prune.display.progress import progress_bar
from network_prune.evaluation.memory import kept_memory
from network_prune.evaluation.runner import Runner
from network_prune.pruning.faster_copy.copies import independent_copy
from network_prune.pruning.faster_copy.prepare import Prepared, Speed, prepare
from network_prune.pruning.forward import device_of
from network_prune.pruning.given import AnyNetwork, module_of
from network_prune.sources.data.pictures import Batch

_WARM_UP: Final = 3


@dataclass(frozen=True, slots=True)
class Ready:
    """A network that is ready to be timed.

    Attributes:
        name: what it is called.
        plain: a copy in eval mode with masks as zeros.
        prepared: the same, made faster.
        runner: computes with that.
        batch: what it computes, on its device.
    """

    name: str
    plain: nn.Module
    prepared: Prepared
    runner: Runner
    batch: Batch

    @classmethod
    def of(cls, name: str, network: AnyNetwork, speed: Speed, images: Tensor) -> "Ready":
        """Make a network ready for a batch ``[n, C, H, W]``, and leave it alone.

        Raises:
            UnsupportedNetworkError: it can't be copied.
        """
        plain = independent_copy(
            module_of(network), aim="to time it", remedy="pass one without that"
        )
        prepared = prepare(plain, speed)
        labels = torch.zeros(len(images), dtype=torch.int64)
        batch = Batch(images.to(device_of(plain)), labels)
        return cls(name, plain, prepared, Runner(prepared, amp_dtype=speed.amp_dtype), batch)

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return device_of(self.prepared.model)

    def run(self, bar: Any = None) -> None:
        """Compute the batch once."""
        self.runner(self.batch)
        if bar is not None:
            bar.update()


@torch.no_grad()
def times_of(ready: Sequence[Ready], repeats: int, *, progress: bool | None) -> list[list[float]]:
    """Return the seconds of each network's forward passes, which take turns.

    Raises:
        UnsupportedNetworkError: a network fails on the batch.
    """
    total = len(ready) * (repeats + _WARM_UP)
    with (
        kept_memory(ready[0].device),
        progress_bar(total=total, label="timing", unit="batch", shown=progress) as bar,
    ):
        runs = [partial(each.run, bar) for each in ready]
        return times_in_turn(runs, repeats, warm_up=_WARM_UP)
