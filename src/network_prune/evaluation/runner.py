"""Compute a prepared network's logits, batch by batch."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from network_prune.errors import NetworkPruneError
from network_prune.evaluation.faster_copy.prepare import Prepared, without_channels_last
from network_prune.pruning.forward import move_images

Told = Callable[[Prepared], object]


class Runner:
    """Computes logits with a prepared network, which the caller keeps in eval mode.

    A network that fails on images with the channels last, as one does whose code calls
    ``view`` on them, is laid out without.

    Args:
        prepared: the network.
        told: is given the network as it is used, now and when that changes.

    Attributes:
        prepared: the network as it is used at present.
    """

    def __init__(self, prepared: Prepared, told: Told | None = None) -> None:
        self._told = told
        self._use(prepared)

    def __call__(self, images: Tensor) -> Any:
        """Return what the network gives for ``images``, ``[n, C, H, W]`` of any device."""
        try:
            return self._compute(images)
        except (NetworkPruneError, MemoryError, torch.OutOfMemoryError):
            raise
        except Exception:
            if not self.prepared.channels_last:
                raise
        self._give_up_channels_last()
        return self._compute(images)

    def _compute(self, images: Tensor) -> Any:
        images = move_images(images, self.prepared.model)
        if self.prepared.channels_last and images.dim() == 4:
            images = images.contiguous(memory_format=torch.channels_last)
        return self.prepared.model(images)

    def _give_up_channels_last(self) -> None:
        self._use(without_channels_last(self.prepared))

    def _use(self, prepared: Prepared) -> None:
        self.prepared = prepared
        if self._told is not None:
            self._told(prepared)
