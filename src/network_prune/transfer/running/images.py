"""The images that are attacked: pixels of one size, with true and target labels."""

from collections.abc import Iterator
from pathlib import PurePosixPath

import numpy as np
import torch
from torch import Tensor

from network_prune.core.streams import TARGET, random_words, stream_key
from network_prune.errors import SourceError
from network_prune.sources.data.loaded import LoadedData
from network_prune.sources.digests import NO_BYTES, SIZE
from network_prune.sources.inputs import Inputs
from network_prune.sources.preprocessing import PixelTransform, Preprocessing
from network_prune.transfer.plan import network_name
from network_prune.transfer.predictions import NO_CLASS
from network_prune.transfer.running.networks import Networks


class AttackedImages:
    """Labelled pictures as pixels, each resized so that its shorter side is ``size``, and cut.

    Args:
        networks: what they are for.
        inputs: lists them.
        size: their side in pixels; None for the largest that a network takes, which no picture
            may be smaller than.
        target_seed: names the targets where the data has none.

    Attributes:
        data: the pictures.
        size: their side.
        labels: true classes, int64 ``[n]``.
        targets: what they are to be taken for, int64 ``[n]``; `NO_CLASS` where there is one
            class alone.
        targets_by: where targets come from, for people.
        files: what each is called as a PNG, without a folder.
        digests: of the bytes that they were read from, `NO_BYTES` for those that weren't yet.

    Raises:
        NetworkPruneError: they can't be listed, don't fit, or leave no target.
    """

    def __init__(
        self,
        networks: Networks,
        inputs: Inputs,
        *,
        size: int | None,
        target_seed: int,
    ) -> None:
        self.size = networks.side if size is None else size
        self._least = self.size if size is None else 0
        self._largest = network_name(networks.largest())
        channels = networks.channels
        wanted = Preprocessing(self.size, self.size, mean=(0.0,) * channels, std=(1.0,) * channels)
        self._transform = PixelTransform(wanted)
        self.data = _bind(networks, inputs, self._transform)
        self.labels = self.data.labels
        self.files = png_names(self.data)
        self.digests = bytearray(NO_BYTES * self.data.n)
        self.targets, self.targets_by = _targets(self.data, networks.classes, target_seed)

    def __len__(self) -> int:
        return self.data.n

    def pixels(self, part: range) -> Tensor:
        """Return some of them, uint8 ``[n, C, size, size]`` on the CPU.

        Raises:
            SourceError: one can't be read, or is smaller than what networks take.
        """
        return torch.stack([self._picture(position) for position in part])

    def digests_of(self, part: range) -> bytes:
        """Return the digests of the bytes that some of them were read from."""
        return bytes(self.digests[SIZE * part.start : SIZE * part.stop])

    def see(self, part: range, digests: bytes) -> None:
        """Take in what another process read some of them from.

        Raises:
            SourceError: one was read from other bytes before.
        """
        for place, position in enumerate(part):
            self._see(position, digests[SIZE * place : SIZE * (place + 1)])

    def batches(self, size: int) -> Iterator[range]:
        """Yield the positions of each batch."""
        for start in range(0, len(self), size):
            yield range(start, min(start + size, len(self)))

    def _picture(self, position: int) -> Tensor:
        picture = self.data.pictures.picture(position)
        self._see(position, picture.digest)
        image = picture.image
        if min(image.size) < self._least:
            width, height = image.size
            raise SourceError(
                f"{self.data.name}: image {position} is {width} x {height}, smaller than the "
                f"{self.size} pixels that {self._largest} takes; pass image_size="
                f"{min(image.size)} (--image-size), or larger pictures"
            )
        return self._transform(image)

    def _see(self, position: int, digest: bytes) -> None:
        place = slice(SIZE * position, SIZE * (position + 1))
        before = bytes(self.digests[place])
        if before != NO_BYTES and before != digest:
            raise SourceError(
                f"{self.data.name}: image {self.files[position]} has other bytes than when it was "
                "read first in this run; leave images alone meanwhile, and run it again"
            )
        self.digests[place] = digest


def random_targets(
    labels: np.ndarray, classes: int, *, seed: int, positions: np.ndarray
) -> np.ndarray:
    """Return for each image a class other than its own, of about the same probability each.

    Args:
        labels: true classes, int64 ``[n]``.
        classes: how many there are, 2 or more.
        seed: names the targets.
        positions: of the images in all of their data, int64 ``[n]``; an image's target depends
            on its position and label alone.

    Returns:
        int64 ``[n]``: ``word(key(TARGET, seed), position)`` modulo the classes but one, counted
        around the label's gap.
    """
    words = random_words(stream_key(TARGET, seed), positions.astype(np.uint64))
    others = (words % np.uint64(classes - 1)).astype(np.int64)
    return others + (others >= labels)


def _targets(data: LoadedData, classes: int, seed: int) -> tuple[np.ndarray, str]:
    if data.targets is not None:
        return data.targets, f"column {data.targets_by}"
    if classes < 2:
        return np.full(data.n, NO_CLASS, dtype=np.int64), "none"
    positions = data.pictures.positions
    found = random_targets(data.labels, classes, seed=seed, positions=positions)
    return found, f"random, seed {seed}"


def _bind(networks: Networks, inputs: Inputs, transform: PixelTransform) -> LoadedData:
    """Return the pictures for all networks, which have to number their classes alike."""
    bound = {
        network: inputs.load_data(inputs.data, loaded, transform)
        for network, loaded in networks.loaded.items()
    }
    (first, data), *others = bound.items()
    for network, other in others:
        if not np.array_equal(other.labels, data.labels):
            raise SourceError(
                f"{network_name(first)} and {network_name(network)} number the classes of "
                f"{data.name} differently; pass networks of one order of classes"
            )
    return data


def png_names(data: LoadedData) -> list[str]:
    """Return what pictures are called as PNGs: by their names, or by numbers if these are alike."""
    stems = [PurePosixPath(name).stem for name in data.names]
    if len(set(stems)) < data.n:
        stems = [f"{position:05d}" for position in data.pictures.positions.tolist()]
    return [f"{stem}.png" for stem in stems]
