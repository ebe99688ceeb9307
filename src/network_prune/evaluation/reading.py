"""Read labelled images batch by batch, each once, with a progress bar."""

from collections.abc import Iterable, Iterator
from itertools import starmap
from typing import Any, Self

from torch.utils.data import DataLoader, Dataset

from network_prune.core.labelled_batches import is_map_style, labelled_batches, none_left
from network_prune.core.workers import start
from network_prune.display.progress import progress_bar
from network_prune.errors import SourceError
from network_prune.options import check_options
from network_prune.sources.data.loaded import LoadedData
from network_prune.sources.data.pictures import Batch, collate, make_loader

Images = LoadedData | Dataset[Any] | Iterable[Any]


class Reading:
    """The batches of labelled images; a context manager that shows a bar meanwhile.

    Args:
        data: what `load_data` returned, or what `labelled_batches` takes.
        label: what the bar says.
        batch_size: images a batch; batches as they come stay as they are.
        workers: processes that decode images; None takes one a core, though no more than
            there are batches, for images in files and none otherwise. Unused but for
            datasets.
        passes: how often each image is computed, for the bar.
        skip_unreadable: leave images out that can't be read, and count them, instead
            of raising. Unused but for datasets.
        progress: show a bar on stderr; None shows it on a terminal and in a notebook only.
        may_be_empty: don't raise if no image is left.
        pin_memory: put batches into page-locked memory, from which a GPU copies faster.

    Attributes:
        read: images read so far, those that are left out too.
        left_out: positions of the images left out so far, counted from the first one read.
        digests: of all images read so far, of what `load_data` returned.

    Raises:
        ArgumentError: a value is outside what is allowed; while reading: the data gives
            something else.
        SourceError: while reading: an image can't be read, or none is left at the end.
    """

    def __init__(
        self,
        data: Images,
        *,
        label: str,
        batch_size: int,
        workers: int | None,
        passes: int = 1,
        skip_unreadable: bool = False,
        progress: bool | None = None,
        may_be_empty: bool = False,
        pin_memory: bool = False,
    ) -> None:
        batch_size, workers = check_options(batch_size=batch_size, workers=workers)
        self.read = 0
        self.left_out: list[int] = []
        self.digests = bytearray()
        self._passes = passes
        self._skip_unreadable = skip_unreadable
        self._may_be_empty = may_be_empty
        self._no_more = none_left(data)
        self._batches, images = _batches(data, batch_size, workers, pin_memory)
        total = None if images is None else images * passes
        self._bar = progress_bar(total=total, label=label, unit="img", shown=progress)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def __iter__(self) -> Iterator[Batch]:
        """Yield each batch in which an image could be read."""
        n = 0
        for batch in start(self._batches):
            batch.check_readable(skip_unreadable=self._skip_unreadable)
            self.left_out += [self.read + position for position in batch.left_out]
            self.read += len(batch) + batch.unreadable
            self.digests += batch.digests
            self._bar.update(batch.unreadable * self._passes)
            n += len(batch)
            if len(batch):
                yield batch
        if not n and not self._may_be_empty:
            unreadable = f"({len(self.left_out)} are unreadable){self._no_more}"
            raise SourceError(f"no image could be evaluated {unreadable}")

    def advance(self, images: int) -> None:
        """Move the bar on by as many images computed once."""
        self._bar.update(images)


def _batches(
    data: Images, batch_size: int, workers: int | None, pin_memory: bool
) -> tuple[Iterable[Batch], int | None]:
    """Return an iterable of batches and the number of images, None if it isn't known."""
    in_files = isinstance(data, LoadedData) and data.in_files
    dataset = data.dataset if isinstance(data, LoadedData) else data
    if is_map_style(dataset):
        loader = make_loader(
            dataset,
            batch_size=batch_size,
            workers=workers,
            in_files=in_files,
            pin_memory=pin_memory,
        )
        return loader, len(loader.dataset)  # pyright: ignore[reportArgumentType]
    size = getattr(getattr(dataset, "dataset", None), "__len__", lambda: None)()
    if isinstance(dataset, DataLoader) and dataset.collate_fn is collate:
        return dataset, size
    return starmap(Batch, labelled_batches(dataset, batch_size)), size
