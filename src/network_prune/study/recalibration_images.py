"""The images that BatchNorms are recalibrated on: some of those that are evaluated."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from network_prune.errors import SourceError
from network_prune.sources.data.loaded import LoadedData, spread
from network_prune.sources.digests import SIZE
from network_prune.sources.preprocessing import Preprocessing


class RecalibrationImages:
    """Images that are spread over the evaluated ones, as pixels in memory once they were read.

    Args:
        data: the evaluated images, as pixels.
        preprocessing: the network's.
        options: the study's.
    """

    def __init__(
        self, data: LoadedData, preprocessing: Preprocessing, options: Mapping[str, Any]
    ) -> None:
        self._data, self._preprocessing, self._options = data, preprocessing, options
        self._pixels: dict[int, Tensor] = {}
        self._digests: dict[int, bytes] = {}

    def read(self, count: int) -> None:
        """Read so many images, unless that is done; raises as `batches`."""
        if count not in self._pixels:
            self._pixels[count] = self._read(count)

    def batches(self, count: int) -> Iterator[Tensor]:
        """Yield so many images in the fewest batches, as the network takes them.

        Each batch is spread over all of the data, which may be sorted by class, and they are
        of one size, or of two that differ by 1.

        Raises:
            SourceError: an image can't be read.
        """
        self.read(count)
        pixels = self._pixels[count]
        batches = math.ceil(len(pixels) / self._options["batch_size"])
        for first in range(batches):
            yield self._preprocessing.normalise(pixels[first::batches].contiguous())

    def laid_over(self, digests: bytes) -> bytes:
        """Return digests of the first images of the data, of those read here what they were."""
        found = bytearray(digests)
        for place, digest in self._digests.items():
            if place * SIZE < len(digests):
                found[place * SIZE : (place + 1) * SIZE] = digest
        return bytes(found)

    def _read(self, count: int) -> Tensor:
        how = {name: self._options[name] for name in ("batch_size", "workers", "skip_unreadable")}
        digests, pixels = bytearray(), list[Tensor]()
        for batch in self._data.batches(limit=count, **how).whole():
            digests += batch.digests
            if len(batch):
                pixels.append(batch.images)
        if not pixels:
            raise SourceError(
                f"none of the {count} images of {self._data.name} to recalibrate on can be read; "
                "pass more (--recalibrate)"
            )
        for number, place in enumerate(spread(self._data.n, count).tolist()):
            self._digests[place] = bytes(digests[number * SIZE : (number + 1) * SIZE])
        return torch.cat(pixels)
