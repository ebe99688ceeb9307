"""Batches of labelled images as a caller hands them over: checked, and hashed one by one."""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from network_prune.errors import ArgumentError

_REMEDY = "pass batches (images [n, ...], class numbers [n]), e.g. a DataLoader"


class Samples:
    """The samples of an iterable of batches, which is gone through once.

    Args:
        data: gives pairs of tensors (images ``[n, ...]``, integer class numbers ``[n]``).

    Attributes:
        n: number of samples so far.

    Raises:
        ArgumentError: ``data`` can't be iterated over.
    """

    def __init__(self, data: Iterable[Any]) -> None:
        try:
            self._batches = iter(data)
        except TypeError:
            raise ArgumentError(
                f"data={type(data).__name__} gives no batches; {_REMEDY}, or what "
                f"load_data(...).batches() returns"
            ) from None
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
            ArgumentError: a batch is something else.
        """
        for entry in self._batches:
            images, labels = _checked(entry)
            if len(labels):
                self._take_up(images, labels)
                yield images, labels

    def _take_up(self, images: Tensor, labels: Tensor) -> None:
        for image, label in zip(images.cpu(), labels.tolist(), strict=True):
            self._digest.update(f"{image.dtype} {list(image.shape)} {label}\n".encode())
            self._digest.update(image.reshape(-1).contiguous().view(torch.uint8).numpy().tobytes())
        self.n += len(labels)


def _checked(entry: Any) -> tuple[Tensor, Tensor]:
    if not isinstance(entry, (tuple, list)) or len(entry) != 2:
        raise ArgumentError(f"data gives a {type(entry).__name__}, not pairs; {_REMEDY}")
    images, labels = entry
    for value in (images, labels):
        if not isinstance(value, Tensor):
            raise ArgumentError(f"data gives a {type(value).__name__}, not tensors; {_REMEDY}")
    if images.dim() < 1 or labels.dim() != 1 or len(images) != len(labels):
        raise ArgumentError(
            f"data gives images {list(images.shape)} with labels {list(labels.shape)}; {_REMEDY}"
        )
    if labels.is_floating_point() or labels.is_complex() or labels.dtype is torch.bool:
        raise ArgumentError(f"data gives labels in {labels.dtype}; {_REMEDY}")
    return _plain(images), _plain(labels).to(torch.int64)


def _plain(value: Tensor) -> Tensor:
    """Return ``value`` as autograd can save it: a copy of what was made in inference mode."""
    return value.detach().clone() if value.is_inference() else value.detach()
