"""Labelled pictures, one at a time or in batches, with unreadable ones told apart."""

import logging
import math
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import IO, Any, NamedTuple

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch.utils.data import DataLoader, Dataset

from network_prune.core.foreign_code import no_exits
from network_prune.core.labelled_batches import to_batch, to_pair
from network_prune.core.workers import say_nothing_at_the_end, start, usable_cores
from network_prune.errors import ArgumentError, NetworkPruneError, SourceError, UserCodeError
from network_prune.options import check_options
from network_prune.plain_file import check_plain
from network_prune.sources.digests import (
    NO_BYTES,
    Picture,
    PictureError,
    digest_of_file,
    of_pixels,
)
from network_prune.sources.orientation import turned
from network_prune.sources.preprocessing import check_pixel_format, convert

_LOG = logging.getLogger(__name__)
Sample = tuple[Any, int]
Transform = Callable[[Image.Image], Any]


# Gives the decoded picture at a position and raises a SourceError that names one that can't be
# read; must be picklable for workers.
Pictures = Callable[[int], Picture]


def read_file(root: str, paths: Sequence[str], position: int) -> Picture:
    """Return the decoded file at ``position`` of ``paths``, which are relative to ``root``.

    Raises:
        SourceError: it is missing, no plain file, truncated, no picture, or not of 8 bits a
            channel.
    """
    path = paths[position]
    file = os.path.join(root, path)
    check_plain(file)
    return decode(file, name=path)


def read_array(pixels: np.ndarray, position: int) -> Picture:
    """Return one picture of ``pixels``, uint8 [n, H, W] for grey or [n, H, W, 3] for RGB."""
    own = pixels[position]
    return of_pixels(Image.fromarray(own), own)


def decode(file: str | IO[bytes], *, name: str) -> Picture:
    """Return the decoded picture in a path or open ``file``.

    Raises:
        SourceError: it is missing, truncated, no picture, or not of 8 bits a
            channel; the message calls it ``name``.
    """

    def told(error: Exception) -> str:
        return f"cannot read image {name}: {_reason(error)}"

    with ExitStack() as opened:
        with refusing(told):
            content = opened.enter_context(open(file, "rb")) if isinstance(file, str) else file
            digest = digest_of_file(content)
        try:
            with refusing(told), Image.open(content) as image:
                image.load()
                check_pixel_format(image)
        except SourceError as error:
            raise PictureError.of(error, digest) from error.__cause__
        return Picture(image, digest)


def read_turned(pictures: Pictures, position: int) -> Picture:
    """Return the picture at ``position`` of ``pictures``, turned as its EXIF orientation says."""
    picture = pictures(position)
    return replace(picture, image=turned(picture.image))


@contextmanager
def refusing(told: Callable[[Exception], str]) -> Generator[None]:
    """Refuse a damaged file, over which a library may raise nearly anything.

    Raises:
        SourceError: anything was raised inside, except for want of memory; ``told`` gives the text.
    """
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        raise SourceError(told(error)) from error


class Read(NamedTuple):
    """A picture with its class number and the digest of what it was read from."""

    image: Any
    label: int
    digest: bytes


@dataclass(frozen=True, eq=False)
class LabelledImages(Dataset[Sample]):
    """Pictures with their class numbers.

    Attributes:
        pictures: where the pictures come from.
        labels: class numbers from 0, int64 [n].
        positions: where in ``pictures`` each one is, int64 [n].
        transform: PIL image to tensor; None gives PIL images in RGB.
        outputs: the network's outputs that alone are in the running; None for all.
        names: what ``pictures`` are called in errors; empty for their positions.
    """

    pictures: Pictures
    labels: np.ndarray
    positions: np.ndarray
    transform: Transform | None
    outputs: tuple[int, ...] | None = None
    names: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Sample:
        """Return the picture and its label.

        Raises:
            SourceError: the picture can't be read; the message names it.
        """
        image, label, _ = self.read(index)
        return image, label

    def read(self, index: int) -> Read:
        """Return the picture, its label, and the digest of its bytes; raises as ``[index]``."""
        picture = self.picture(index)
        return Read(self._shown(picture, index), int(self.labels[index]), picture.digest)

    def picture(self, index: int) -> Picture:
        """Return the picture as it is.

        Raises:
            SourceError: it can't be read; the message names it.
        """
        return self.pictures(int(self.positions[index]))

    def at(self, places: np.ndarray | range) -> "LabelledImages":
        """Return the pictures at some places."""
        places = np.asarray(places, dtype=np.int64)
        return replace(self, labels=self.labels[places], positions=self.positions[places])

    def _shown(self, picture: Picture, index: int) -> Any:
        position = int(self.positions[index])
        try:
            return (self.transform or partial(convert, mode="RGB"))(picture.image)
        except SourceError as error:
            name = self.names[position] if self.names else position
            named = SourceError(f"cannot use image {name}: {error}")
            raise PictureError.of(named, picture.digest) from error


class Guarded(Dataset[Sample | Read | SourceError | UserCodeError]):
    """A data set that gives the error of an unreadable picture instead of raising it.

    An error raised inside a worker process reaches the caller with the worker's
    traceback as its text; a value reaches it as it is.
    """

    def __init__(self, dataset: Dataset[Sample]) -> None:
        self._dataset = dataset

    def __len__(self) -> int:
        return len(self._dataset)  # pyright: ignore[reportArgumentType]

    def __getitem__(self, index: int) -> Sample | Read | SourceError | UserCodeError:
        dataset = self._dataset
        try:
            with no_exits():
                return (
                    dataset.read(index) if isinstance(dataset, LabelledImages) else dataset[index]
                )
        except (SourceError, UserCodeError) as error:
            return error


@dataclass(frozen=True, slots=True)
class Batch:
    """Some labelled pictures.

    Attributes:
        images: float32 or, of pixels, uint8 [n, C, H, W]; [0] where none could be read.
        labels: int64 [n], class numbers from 0.
        errors: one message for each picture that is left out as unreadable.
        left_out: where these stood among all pictures of the batch, from 0.
        digests: of all pictures, those left out too, one after the other; empty where the
            pictures don't come from `LabelledImages`.
    """

    images: torch.Tensor
    labels: torch.Tensor
    errors: tuple[str, ...] = ()
    left_out: tuple[int, ...] = ()
    digests: bytes = b""

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def unreadable(self) -> int:
        """Number of pictures left out."""
        return len(self.errors)

    def check_readable(self, *, skip_unreadable: bool) -> None:
        """Raise a SourceError for the first unreadable picture, unless they may be left out."""
        if self.errors and not skip_unreadable:
            raise SourceError(
                f"{self.errors[0]}; remove it or pass skip_unreadable (--skip-unreadable)"
            )

    def to(self, device: torch.device) -> "Batch":
        """Return the batch with its images on ``device``; the labels stay where they are."""
        return replace(self, images=self.images.to(device, non_blocking=True))

    def pin_memory(self) -> "Batch":
        """Return the batch in page-locked memory; a DataLoader calls this."""
        return replace(self, images=self.images.pin_memory(), labels=self.labels.pin_memory())


def collate(samples: Sequence[Any]) -> Batch:
    """Return ``samples``, as `labelled_batches` takes them, as one batch without unreadable ones.

    Raises:
        ArgumentError: they are something else, e.g. PIL images for want of a transform.
        UserCodeError: one of them is such an error.
    """
    for ended in (sample for sample in samples if isinstance(sample, UserCodeError)):
        raise ended
    errors = {n: str(sample) for n, sample in enumerate(samples) if isinstance(sample, SourceError)}
    readable = [to_pair(sample) for sample in samples if not isinstance(sample, SourceError)]
    images, labels = to_batch(*zip(*readable, strict=True) if readable else ([], []))
    digests = b"".join(map(_digest_of, samples))
    return Batch(images, labels, tuple(errors.values()), tuple(errors), digests)


def _digest_of(sample: Any) -> bytes:
    if isinstance(sample, SourceError):
        return sample.digest if isinstance(sample, PictureError) else NO_BYTES
    return sample.digest if isinstance(sample, Read) else b""


@dataclass(frozen=True, slots=True)
class Batches:
    """Labelled images cut into batches, as pairs; may be gone through any number of times.

    Attributes:
        loader: gives each batch.
        skip_unreadable: leave images out that can't be read instead of raising.
        outputs: the network's outputs that alone are in the running; None for all.
    """

    loader: DataLoader[Any]
    skip_unreadable: bool = False
    outputs: tuple[int, ...] | None = None

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield images float32 ``[n, C, H, W]`` and labels int64 ``[n]``, n ≥ 1.

        Raises:
            SourceError: an image can't be read.
        """
        for batch in self.whole():
            if len(batch):
                yield batch.images, batch.labels

    def whole(self) -> Iterator[Batch]:
        """Yield batches with all that is known of them, empty ones too; raises as iterating."""
        for batch in start(self.loader):
            batch.check_readable(skip_unreadable=self.skip_unreadable)
            yield batch


def make_loader(
    dataset: Dataset[Sample],
    *,
    batch_size: int,
    workers: int | None,
    in_files: bool,
    pin_memory: bool = False,
) -> DataLoader[Any]:
    """Return a loader of `Batch` over ``dataset`` in its order.

    Args:
        dataset: gives (image tensor, class number).
        batch_size: images a batch.
        workers: processes that decode images, though no more than there are batches; None
            takes one a core if they are ``in_files`` and none otherwise.
        in_files: whether the images are to be decoded.
        pin_memory: put batches into page-locked memory, from which a GPU copies faster.

    Raises:
        ArgumentError: ``batch_size`` is below 1 or ``workers`` below 0.
    """
    batch_size, workers = check_options(batch_size=batch_size, workers=workers)
    guarded = Guarded(dataset)
    if workers is None:
        workers = usable_cores() if in_files else 0
    batches = math.ceil(len(guarded) / batch_size)
    workers = min(workers, batches)
    _LOG.info("images are read by %s", f"{workers} workers" if workers else "this process")
    return _Loader(
        guarded,
        batch_size,
        num_workers=workers,
        collate_fn=_collate,
        pin_memory=pin_memory,
        worker_init_fn=say_nothing_at_the_end,
    )


class _Loader(DataLoader[Any]):
    """Raises the error that stands for a batch, as `Guarded` does for a picture."""

    def __iter__(self) -> Iterator[Batch]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return map(_raised, super().__iter__())  # workers start now, not at the first batch


def _raised(batch: Batch | NetworkPruneError) -> Batch:
    if isinstance(batch, NetworkPruneError):
        raise batch
    return batch


def _collate(samples: Sequence[Any]) -> Batch | NetworkPruneError:
    try:
        return collate(samples)
    except (ArgumentError, UserCodeError) as error:
        return error


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, IsADirectoryError):
        return "a folder"
    if isinstance(error, UnidentifiedImageError):
        return "empty or no picture"
    text = " ".join(str(error).split()) or type(error).__name__
    return "truncated" if "truncated" in text.lower() else text
