"""Read labelled images batch by batch, each once, with a progress bar."""

import math
import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any, Self, TypedDict

from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from network_prune.errors import ArgumentError, SourceError
from network_prune.sources.data import LoadedData
from network_prune.sources.images import Batch, Guarded, collate

Images = LoadedData | Dataset[Any] | Iterable[Any]


class ReadOptions(TypedDict, total=False):
    """The options of `Reading` that have a default there."""

    batch_size: int
    workers: int | None
    skip_unreadable: bool
    progress: bool | None


class Reading:
    """The batches of labelled images; a context manager that shows a bar meanwhile.

    Args:
        data: what `load_data` returned, a dataset of (image tensor, label), or an
            iterable of batches (images, labels) such as a DataLoader.
        label: what the bar says.
        passes: how often each image is computed, for the bar.
        batch_size: images a batch; unused for an iterable of batches.
        workers: processes that decode images; None takes one a core, though no more than
            there are batches, for images in files and none otherwise. Unused for an
            iterable of batches.
        skip_unreadable: leave images out that can't be read, and count them, instead
            of raising. Unused for an iterable of batches.
        progress: show a bar on stderr; None shows it on a terminal only.
        pin_memory: put batches into page-locked memory, from which a GPU copies faster.

    Attributes:
        unreadable: images left out so far.

    Raises:
        ArgumentError: a value is outside what is allowed.
        SourceError: while reading: an image can't be read, or none is left at the end.
    """

    def __init__(
        self,
        data: Images,
        *,
        label: str,
        passes: int = 1,
        batch_size: int = 64,
        workers: int | None = None,
        skip_unreadable: bool = False,
        progress: bool | None = None,
        pin_memory: bool = False,
    ) -> None:
        check_reading(batch_size=batch_size, workers=workers)
        self.unreadable = 0
        self._passes = passes
        self._skip_unreadable = skip_unreadable
        self._loader, images = _batches(data, batch_size, workers, pin_memory)
        self._bar = tqdm(
            total=None if images is None else images * passes,
            desc=label,
            unit="img",
            disable=not sys.stderr.isatty() if progress is None else not progress,
            leave=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def __iter__(self) -> Iterator[Batch]:
        """Yield each batch in which an image could be read."""
        n = 0
        for entry in self._loader:
            batch = entry if isinstance(entry, Batch) else Batch(*entry)
            if batch.errors and not self._skip_unreadable:
                raise SourceError(
                    f"{batch.errors[0]}; remove it or pass skip_unreadable (--skip-unreadable)"
                )
            self.unreadable += batch.unreadable
            self._bar.update(batch.unreadable * self._passes)
            n += len(batch)
            if len(batch):
                yield batch
        if not n:
            raise SourceError(f"no image could be evaluated ({self.unreadable} are unreadable)")

    def advance(self, images: int) -> None:
        """Move the bar on by as many images computed once."""
        self._bar.update(images)


def check_reading(*, batch_size: int, workers: int | None) -> None:
    """Refuse options of `Reading` that fit no data.

    Raises:
        ArgumentError: a value is outside what is allowed.
    """
    if batch_size < 1:
        raise ArgumentError(f"batch_size={batch_size} is too small; pass 1 or more")
    if workers is not None and workers < 0:
        raise ArgumentError(f"workers={workers} is negative; pass 0 or more")


def _batches(
    data: Images, batch_size: int, workers: int | None, pin_memory: bool
) -> tuple[Iterable[Any], int | None]:
    """Return an iterable of batches and the number of images, None if it isn't known."""
    in_files = isinstance(data, LoadedData) and data.in_files
    dataset = data.dataset if isinstance(data, LoadedData) else data
    if isinstance(dataset, DataLoader) or not isinstance(dataset, Dataset):
        size = getattr(getattr(dataset, "dataset", None), "__len__", lambda: None)()
        return dataset, size
    guarded = Guarded(dataset)
    if workers is None:
        batches = math.ceil(len(guarded) / batch_size)
        workers = min(os.cpu_count() or 1, batches) if in_files else 0
    loader = DataLoader(
        guarded, batch_size, num_workers=workers, collate_fn=collate, pin_memory=pin_memory
    )
    return loader, len(guarded)
