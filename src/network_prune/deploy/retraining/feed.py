"""Batches to train on, epoch by epoch: in an order that a seed names, wherever one starts."""

import hashlib
import math
from collections.abc import Iterator, Mapping
from itertools import count, islice
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from network_prune.core.labelled_batches import is_map_style, labelled_batches, to_batch, to_pair
from network_prune.core.workers import start
from network_prune.deploy.retraining.chance import (
    FEED,
    IMAGE,
    ORDER,
    generators_kept,
    order_of,
    seed_all,
)
from network_prune.deploy.retraining.recipe import Recipe
from network_prune.errors import ArgumentError
from network_prune.pruning.recalibration.images_alone import images_alone
from network_prune.sources.data.loaded import LoadedData
from network_prune.sources.data.pictures import Batch, make_loader

# Images ``[n, ...]`` and class numbers ``[n]``, which mean nothing where labels aren't looked at.
Pair = tuple[Tensor, Tensor]


class Feed(Protocol):
    """Gives the batches of each epoch."""

    @property
    def steps(self) -> int | None:
        """How many batches an epoch has; None if it isn't known."""
        ...

    def epoch(self, number: int, skip: int) -> Iterator[Pair]:
        """Yield the batches of an epoch, from 0, but for the first ones."""
        ...


def feed_of(data: Any, recipe: Recipe, *, workers: int | None, pin_memory: bool) -> Feed:
    """Return what gives the batches of ``data``.

    Args:
        data: as `retrain` takes it.
        recipe: how batches are made.
        workers: processes that decode images.
        pin_memory: put batches into page-locked memory.

    Raises:
        ArgumentError: it is something else, has no images, or lacks labels that are needed.
    """
    if (whole := _all_at_once(data, recipe)) is not None:
        return _InMemory(*whole, recipe)
    dataset = data.pictures if isinstance(data, LoadedData) else data
    if is_map_style(dataset):
        in_files = isinstance(data, LoadedData) and data.in_files
        return _Shuffled(dataset, recipe, workers, in_files=in_files, pin_memory=pin_memory)
    if isinstance(data, Iterator):
        raise ArgumentError(
            "data is an iterator, which gives its batches only once, and each epoch needs them "
            "all; pass a list or a DataLoader instead"
        )
    return _AsItComes(data, recipe)


def digest_of(feed: Feed) -> str:
    """Return the SHA-256 (hex) of the first batch of the first epoch, by which data is known."""
    digest = hashlib.sha256()
    for images, labels in islice(feed.epoch(0, 0), 1):
        _digest(images, digest)
        _digest(labels, digest)
    return digest.hexdigest()


def known_by(data: Any) -> str:
    """Return what tells images from others: of those that are in memory the SHA-256 (hex)."""
    if isinstance(data, LoadedData):
        return data.identity
    try:
        parts = list(_tensors(data))
    except TypeError:
        return type(data).__name__
    digest = hashlib.sha256()
    for part in parts:
        _digest(part, digest)
    return digest.hexdigest()


def _tensors(data: Any) -> Iterator[Tensor]:
    """Yield all tensors of batches in memory; TypeError if there is anything else."""
    if isinstance(data, Tensor):
        yield data
    elif isinstance(data, np.ndarray):
        yield torch.from_numpy(data)  # TypeError if it holds no numbers
    elif isinstance(data, tuple | list | Mapping):
        for part in data.values() if isinstance(data, Mapping) else data:
            yield from _tensors(part)
    else:
        raise TypeError(type(data).__name__)


def _digest(part: Tensor, digest: Any) -> None:
    digest.update(f"{part.dtype} {tuple(part.shape)}\0".encode())
    digest.update(part.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)


class _InMemory:
    """All images in one tensor, shuffled in each epoch."""

    def __init__(self, images: Tensor, labels: Tensor, recipe: Recipe) -> None:
        self._images, self._labels = images, labels
        self._recipe = recipe
        self.steps = _steps(len(images), recipe)

    def epoch(self, number: int, skip: int) -> Iterator[Pair]:
        """Yield the batches of an epoch, but for the first ones."""
        for chosen in _order(len(self._images), self._recipe, number).split(
            self._recipe.batch_size
        )[skip:]:
            at = chosen.to(self._images.device)
            yield self._images[at], self._labels[chosen.to(self._labels.device)]


class _Shuffled:
    """Samples that are asked for by number, shuffled in each epoch."""

    def __init__(
        self,
        dataset: Dataset[Any],
        recipe: Recipe,
        workers: int | None,
        *,
        in_files: bool,
        pin_memory: bool,
    ) -> None:
        self._dataset, self._recipe, self._workers = dataset, recipe, workers
        self._where = {"in_files": in_files, "pin_memory": pin_memory}
        self._count = len(dataset)  # pyright: ignore[reportArgumentType]
        self.steps = _steps(self._count, recipe)

    def epoch(self, number: int, skip: int) -> Iterator[Pair]:
        """Yield the batches of an epoch, but for the first ones."""
        recipe = self._recipe
        order = _order(self._count, recipe, number)[skip * recipe.batch_size :]
        loader = make_loader(
            _Chosen(self._dataset, order, recipe, number),
            batch_size=recipe.batch_size,
            workers=self._workers,
            **self._where,
        )
        for batch in start(loader):
            assert isinstance(batch, Batch)
            batch.check_readable(skip_unreadable=recipe.skip_unreadable)
            yield batch.images, batch.labels


class _Chosen(Dataset[Any]):
    """Samples in an order; what a sample draws at random is named by epoch and image."""

    def __init__(self, dataset: Dataset[Any], order: Tensor, recipe: Recipe, epoch: int) -> None:
        self._dataset = dataset
        self._order = order.numpy()
        self._seed, self._epoch, self._may_lack_labels = recipe.seed, epoch, recipe.distill

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, index: int) -> Any:
        place = int(self._order[index])
        with generators_kept():
            seed_all(self._seed, IMAGE, self._epoch, place)
            sample: Any = self._dataset[place]
        return (sample, 0) if self._may_lack_labels and isinstance(sample, Tensor) else sample


class _AsItComes:
    """An iterable of batches, gone through anew in each epoch."""

    def __init__(self, data: Any, recipe: Recipe) -> None:
        self._data, self._recipe = data, recipe
        try:
            self.steps: int | None = len(data)
        except TypeError:
            self.steps = None

    def epoch(self, number: int, skip: int) -> Iterator[Pair]:
        """Yield the batches of an epoch, but for the first ones.

        A DataLoader that shuffles draws its order when it starts.
        """
        recipe = self._recipe
        if recipe.distill:
            images = images_alone(self._data, recipe.batch_size)
            pairs = ((each, torch.zeros(len(each), dtype=torch.int64)) for each in images)
        else:
            pairs = labelled_batches(self._data, recipe.batch_size)
        for index in count():
            # What reading a batch draws doesn't depend on where one started.
            seed_all(recipe.seed, FEED, number, index)
            pair = next(pairs, None)
            if pair is None:
                return
            if index >= skip and len(pair[0]):
                yield pair


def _all_at_once(data: Any, recipe: Recipe) -> Pair | None:
    """Return all images with their labels if ``data`` is all of them."""
    if isinstance(data, Tensor):
        if not recipe.distill:
            raise ArgumentError(
                "data is images without labels; pass (images, labels), or distill=True (--distill) "
                "to learn the dense network's outputs instead"
            )
        return data, torch.zeros(len(data), dtype=torch.int64)
    if isinstance(data, Mapping):
        return to_batch(*to_pair(data))
    if not isinstance(data, tuple | list) or len(data) < 2:
        return None
    images, labels = data[:2]
    if not isinstance(images, Tensor | np.ndarray) or isinstance(labels, Mapping):
        return None
    is_batch_of_images = isinstance(labels, Tensor) and labels.is_floating_point()
    return None if is_batch_of_images else to_batch(images, labels)


def _order(images: int, recipe: Recipe, epoch: int) -> Tensor:
    """Return the order of an epoch; one image alone at its end, of no variance, is left out."""
    order = order_of(images, recipe.seed, ORDER, epoch)
    return order[:-1] if _leaves_one(images, recipe) else order


def _steps(images: int, recipe: Recipe) -> int:
    if not images:
        raise ArgumentError("data gives no images; pass at least one batch")
    return math.ceil((images - _leaves_one(images, recipe)) / recipe.batch_size)


def _leaves_one(images: int, recipe: Recipe) -> bool:
    return images % recipe.batch_size == 1 and images > 1 < recipe.batch_size
