"""Images without their labels, from whatever gives batches."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from network_prune.core.labelled_batches import labelled_batches, none_left
from network_prune.core.workers import start
from network_prune.errors import ArgumentError


def images_alone(data: Any, batch_size: int) -> Iterator[Tensor]:
    """Yield images ``[n, ...]``, gone through once, in order.

    Args:
        data: what `labelled_batches` takes, or images alone: all in one floating tensor, or an
            iterable of batches that are such tensors.
        batch_size: images a batch, where they are put together.

    Raises:
        ArgumentError: it gives something else or nothing.
    """
    if isinstance(data, Tensor):
        data = data.split(batch_size)
    batches = map(_labelled, start(data)) if _are_batches(data) else data
    is_empty = True
    for images, _ in labelled_batches(batches, batch_size):
        if len(images):
            is_empty = False
            yield images
    if is_empty:
        raise ArgumentError(f"data gives no images; pass at least one batch{none_left(data)}")


def _are_batches(data: Any) -> bool:
    """Return whether ``data`` may give images alone, batch by batch."""
    if isinstance(data, tuple | list):
        return all(_is_images(entry) for entry in data)
    return isinstance(data, Iterable) and not hasattr(data, "__getitem__")


def _is_images(entry: Any) -> bool:
    return isinstance(entry, Tensor) and entry.is_floating_point()


def _labelled(entry: Any) -> Any:
    """Return a batch of images alone with labels that mean nothing, any other as it is."""
    is_batch = _is_images(entry) and entry.dim()
    return (entry, torch.zeros(len(entry), dtype=torch.int64)) if is_batch else entry
