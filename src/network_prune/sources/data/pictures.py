"""Labelled pictures, one at a time or in batches, with unreadable ones told apart."""

import math
import os
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import IO, Any

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch.utils.data import DataLoader, Dataset

from network_prune.core.foreign_code import no_exits
from network_prune.core.labelled_batches import to_batch, to_pair
from network_prune.core.workers import start
from network_prune.errors import ArgumentError, NetworkPruneError, SourceError, UserCodeError
from network_prune.options import check_options
from network_prune.sources.orientation import turned
from network_prune.sources.preprocessing import check_pixel_format, convert

Sample = tuple[Any, int]
Transform = Callable[[Image.Image], Any]


# Gives the decoded picture at a position and raises a SourceError that names one that can't be
# read; must be picklable for workers.
Pictures = Callable[[int], Image.Image]


def read_file(root: str, paths: Sequence[str], position: int) -> Image.Image:
    """Return the decoded file at ``position`` of ``paths``, which are relative to ``root``.

    Raises:
        SourceError: it is missing, truncated, no picture, or not of 8 bits a channel.
    """
    path = paths[position]
    return decode(os.path.join(root, path), name=path)


def read_array(pixels: np.ndarray, position: int) -> Image.Image:
    """Return one picture of ``pixels``, uint8 [n, H, W] for grey or [n, H, W, 3] for RGB."""
    return Image.fromarray(pixels[position])


def decode(file: str | IO[bytes], *, name: str) -> Image.Image:
    """Return the decoded picture in a path or open ``file``.

    Raises:
        SourceError: it is missing, truncated, no picture, or not of 8 bits a
            channel; the message calls it ``name``.
    """
    with (
        refusing(lambda error: f"cannot read image {name}: {_reason(error)}"),
        Image.open(file) as image,
    ):
        image.load()
        check_pixel_format(image)
        return image


def read_turned(pictures: Pictures, position: int) -> Image.Image:
    """Return the picture at ``position`` of ``pictures``, turned as its EXIF orientation says."""
    return turned(pictures(position))


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


@dataclass(frozen=True, eq=False)
class LabelledImages(Dataset[Sample]):
    """Pictures with their class numbers.

    Attributes:
        pictures: where the pictures come from.
        labels: class numbers from 0, int64 [n].
        positions: where in ``pictures`` each one is, int64 [n].
        transform: PIL image to tensor; None gives PIL images in RGB.
        outputs: the network's outputs that alone are in the running; None for all.
    """

    pictures: Pictures
    labels: np.ndarray
    positions: np.ndarray
    transform: Transform | None
    outputs: tuple[int, ...] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Sample:
        """Return the picture and its label.

        Raises:
            SourceError: the picture can't be read; the message names it.
        """
        image = self.picture(index)
        shown = convert(image, "RGB") if self.transform is None else self.transform(image)
        return shown, int(self.labels[index])

    def picture(self, index: int) -> Image.Image:
        """Return the picture as it is.

        Raises:
            SourceError: it can't be read; the message names it.
        """
        return self.pictures(int(self.positions[index]))


class Guarded(Dataset[Sample | SourceError | UserCodeError]):
    """A data set that gives the error of an unreadable picture instead of raising it.

    An error raised inside a worker process reaches the caller with the worker's
    traceback as its text; a value reaches it as it is.
    """

    def __init__(self, dataset: Dataset[Sample]) -> None:
        self._dataset = dataset

    def __len__(self) -> int:
        return len(self._dataset)  # pyright: ignore[reportArgumentType]

    def __getitem__(self, index: int) -> Sample | SourceError | UserCodeError:
        try:
            with no_exits():
                return self._dataset[index]
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
    """

    images: torch.Tensor
    labels: torch.Tensor
    errors: tuple[str, ...] = ()
    left_out: tuple[int, ...] = ()

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
    return Batch(images, labels, tuple(errors.values()), tuple(errors))


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
        for batch in start(self.loader):
            batch.check_readable(skip_unreadable=self.skip_unreadable)
            if len(batch):
                yield batch.images, batch.labels


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
        workers: processes that decode images; None takes one a core, though no more than
            there are batches, if they are ``in_files`` and none otherwise.
        in_files: whether the images are to be decoded.
        pin_memory: put batches into page-locked memory, from which a GPU copies faster.

    Raises:
        ArgumentError: ``batch_size`` is below 1 or ``workers`` below 0.
    """
    batch_size, workers = check_options(batch_size=batch_size, workers=workers)
    guarded = Guarded(dataset)
    if workers is None:
        batches = math.ceil(len(guarded) / batch_size)
        workers = min(_cores(), batches) if in_files else 0
    return _Loader(
        guarded,
        batch_size,
        num_workers=workers,
        collate_fn=_collate,
        pin_memory=pin_memory,
        worker_init_fn=_quiet,
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


def _quiet(_: int) -> None:
    """Let a worker whose parent is gone while it takes a batch say nothing of it."""
    sys.excepthook = lambda *_: None


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, IsADirectoryError):
        return "a folder"
    if isinstance(error, UnidentifiedImageError):
        return "empty or no picture"
    text = " ".join(str(error).split()) or type(error).__name__
    return "truncated" if "truncated" in text.lower() else text


def _cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
