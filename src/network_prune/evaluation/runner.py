"""Compute a prepared network's logits, batch by batch."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from network_prune.pruning.faster_copy.prepare import DTYPES, Prepared
from network_prune.pruning.forward import compute_logits, device_of, move_images
from network_prune.pruning.operands import Operands
from network_prune.sources.data.pictures import Batch


class Runner:
    """Computes logits with a prepared network, which the caller keeps in eval mode.

    Args:
        prepared: the network.
        amp_dtype: ``bfloat16`` or ``float16`` to compute in under torch.autocast, None for none.
        normalise: makes the network's inputs of a batch's images.
        outputs: those that alone are in the running; the others' logits become -inf. None
            for all.

    Attributes:
        prepared: the network as it is used at present.
        amp_dtype: as given.
        operands: watch the next batch, and see nothing of those after it; None for none.
    """

    def __init__(
        self,
        prepared: Prepared,
        *,
        amp_dtype: str | None = None,
        normalise: Callable[[Tensor], Tensor] | None = None,
        outputs: Sequence[int] | None = None,
    ) -> None:
        self.prepared = prepared
        self.operands: Operands | None = None
        self.amp_dtype = amp_dtype
        self._normalise = normalise
        self._outputs = outputs

    def __call__(self, batch: Batch) -> Tensor:
        """Return the logits ``[n, classes]`` of a batch.

        Raises:
            NetworkPruneError: what `compute_logits` or `Operands.check` raises.
        """
        if self.operands is not None:
            operands, self.operands = self.operands, None
            logits = operands.watch(partial(self, batch))
            operands.check()
            return logits
        device, is_mixed = device_of(self.prepared.model), self.amp_dtype is not None
        dtype = DTYPES[self.amp_dtype or "bfloat16"]
        with torch.autocast(device.type, dtype, enabled=is_mixed):
            logits = compute_logits(self._compute, self._normalised(batch.images), batch.labels)
        return self._in_the_running(logits)

    def logits_of(self, batch: Batch, run: Callable[[], Any]) -> Tensor:
        """Return the logits of a batch where ``run`` computes what the network gives.

        Raises:
            NetworkPruneError: what `compute_logits` raises.
        """
        logits = compute_logits(lambda _: run(), batch.images, batch.labels)
        return self._in_the_running(logits)

    def inputs(self, batch: Batch) -> Tensor:
        """Return a batch's images as the network takes them, on its device and of its dtype."""
        return move_images(self._normalised(batch.images), self.prepared.model)

    def given(self, batch: Batch) -> Tensor:
        """Return what the network is called with: `inputs`, laid out as it takes them."""
        return self._laid_out(self.inputs(batch))

    def through(self, model: nn.Module) -> "Runner":
        """Return what computes with ``model``, which holds the network, from its inputs."""
        return Runner(
            replace(self.prepared, model=model), amp_dtype=self.amp_dtype, outputs=self._outputs
        )

    def plainly(self, prepared: Prepared) -> "Runner":
        """Return what computes with another network, from the same images, without autocast."""
        return Runner(prepared, normalise=self._normalise)

    def _normalised(self, images: Tensor) -> Tensor:
        return images if self._normalise is None else self._normalise(images)

    def _compute(self, images: Tensor) -> Any:
        """Return what the network gives for ``images``, ``[n, C, H, W]`` of any device."""
        return self.prepared.model(self._laid_out(move_images(images, self.prepared.model)))

    def _laid_out(self, images: Tensor) -> Tensor:
        if self.prepared.channels_last and images.dim() == 4:
            return images.contiguous(memory_format=torch.channels_last)
        return images

    def _in_the_running(self, logits: Tensor) -> Tensor:
        return logits if self._outputs is None else _only(logits, self._outputs)


def _only(logits: Tensor, outputs: Sequence[int]) -> Tensor:
    others = torch.ones(logits.shape[1], dtype=torch.bool, device=logits.device)
    others[list(outputs)] = False
    return logits.masked_fill(others, -torch.inf)
