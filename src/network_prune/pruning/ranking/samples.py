"""Labelled images that a score is learned from, hashed one by one."""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from network_prune.core.labelled_batches import labelled_batches
from network_prune.options import OPTIONS

_BATCH_SIZE: int = OPTIONS["batch_size"].default


class Samples:
    """The samples of what `labelled_batches` takes, which is gone through once.

    Args:
        data: labelled images.

    Attributes:
        n: number of samples so far.
    """

    def __init__(self, data: Iterable[Any]) -> None:
        self._batches = labelled_batches(data, _BATCH_SIZE)
        self._digest = hashlib.sha256()
        self.n = 0

    @property
    def sha256(self) -> str:
        """SHA-256 (hex) over the samples so far, in order, however they were cut into batches.

        Of each sample it takes dtype, shape, label and the image's bytes.
        """
        return self._digest.hexdigest()

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield images and int64 labels, at least one of each.

        Raises:
            ArgumentError: the data gives something else.
        """
        for images, labels in self._batches:
            if len(labels):
                images, labels = _plain(images), _plain(labels)
                self._take_up(images, labels)
                yield images, labels

    def _take_up(self, images: Tensor, labels: Tensor) -> None:
        for image, label in zip(images.cpu(), labels.tolist(), strict=True):
            self._digest.update(f"{image.dtype} {list(image.shape)} {label}\n".encode())
            self._digest.update(image.reshape(-1).contiguous().view(torch.uint8).numpy().tobytes())
        self.n += len(labels)


def _plain(value: Tensor) -> Tensor:
    """Return ``value`` as autograd can save it: a copy of what was made in inference mode."""
    return value.detach().clone() if value.is_inference() else value.detach()
