"""Labelled images as anybody's loader gives them: made tensors, or refused in one line."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, islice
from os import PathLike
from typing import Any, Final, TypeGuard

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset

from network_prune.core.workers import start
from network_prune.errors import ArgumentError, one_line

# What a batch or sample with named entries calls them; of the images' names the first is taken.
IMAGE_FIELDS: Final = ("pixel_values", "image", "images", "img", "imgs", "x", "input", "inputs")
LABEL_FIELDS: Final = ("label", "labels", "target", "targets", "y", "class", "cls")
_REMEDY: Final = "pass batches (images [n, ...], class numbers [n]), e.g. a DataLoader"

Pair = tuple[Any, Any]


def is_map_style(data: object) -> TypeGuard[Dataset[Any]]:
    """Return whether ``data`` is a torch Dataset whose samples are asked for by number."""
    is_iterated = isinstance(data, IterableDataset) or not hasattr(data, "__len__")
    return isinstance(data, Dataset) and not is_iterated


def labelled_batches(data: Any, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield images ``[n, ...]`` and int64 class numbers ``[n]``, gone through once, in order.

    Args:
        data: an iterable of batches, which stay as they are, or of samples, e.g. a Dataset,
            which are put together; or all images and labels as one pair, the images in a
            tensor or array.
        batch_size: samples a batch, where they are put together.

    Raises:
        ArgumentError: it gives something else; see `to_pair` and `to_batch`.
    """
    if is_map_style(data):
        samples = (data[index] for index in range(len(data)))  # pyright: ignore[reportArgumentType]
        yield from _put_together(map(to_pair, samples), batch_size)
        return
    pairs = map(to_pair, _entries(data, batch_size))
    for are_samples, group in groupby(pairs, key=lambda pair: _is_scalar(pair[1])):
        if are_samples:
            yield from _put_together(group, batch_size)
        else:
            yield from (to_batch(*pair) for pair in group)


def none_left(data: object) -> str:
    """Return what to add to an error that ``data`` gives nothing."""
    if not isinstance(data, Iterator):
        return ""
    return "; an iterator gives its batches only once, so pass a list or a DataLoader instead"


def to_pair(entry: Any) -> Pair:
    """Return images and labels of a batch, or image and label of a sample, as they are.

    Of a tuple or list they are the first two entries, whatever follows; of a mapping the
    entries of the usual names. A list of samples gives a list of each.

    Raises:
        ArgumentError: ``entry`` is something else, or its names don't tell.
    """
    if isinstance(entry, list) and _is_sample(next(iter(entry), None)):
        images, labels = zip(*map(to_pair, entry), strict=True)
        return images, labels
    if isinstance(entry, (tuple, list)) and len(entry) > 1:
        return entry[0], entry[1]
    if isinstance(entry, Mapping):
        return _named(entry)
    raise ArgumentError(f"data gives a {type(entry).__name__}, not pairs; {_REMEDY}")


def to_batch(images: Any, labels: Any) -> tuple[Tensor, Tensor]:
    """Return images as a tensor ``[n, ...]`` and class numbers as int64 ``[n]``.

    Args:
        images: a tensor or array ``[n, ...]``, or a sequence of n of one shape.
        labels: integers of any dtype, ``[n]`` or ``[n, 1]``, likewise or plain numbers.

    Raises:
        ArgumentError: they are something else, such as PIL images, sparse tensors or soft
            labels.
    """
    images, labels = _tensor(images, "images"), _tensor(labels, "labels")
    if labels.dim() == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.dim() == 2:
        raise ArgumentError(
            f"data gives labels {list(labels.shape)}, a row for each image, as one-hot and soft "
            f"labels are; pass class numbers [{len(labels)}], e.g. labels.argmax(1)"
        )
    if images.dim() < 1 or labels.dim() != 1 or len(images) != len(labels):
        raise ArgumentError(
            f"data gives images {list(images.shape)} with labels {list(labels.shape)}; {_REMEDY}"
        )
    is_integer = not (labels.is_floating_point() or labels.is_complex())
    if len(labels) and (not is_integer or labels.dtype is torch.bool):
        raise ArgumentError(
            f"data gives labels in {labels.dtype}; pass class numbers in integers, e.g. "
            f"labels.long() if that is what they are"
        )
    if labels.dtype is torch.uint64:
        _check_labels(labels.tolist())
    return images, labels.to(torch.int64)


def _put_together(samples: Iterator[Pair], batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
    while part := list(islice(samples, batch_size)):
        yield to_batch(*zip(*part, strict=True))


def _entries(data: Any, batch_size: int) -> Iterable[Any]:
    if isinstance(data, Mapping) or _is_pair(data):
        images, labels = to_batch(*to_pair(data))
        return zip(images.split(batch_size), labels.split(batch_size), strict=True)
    if not isinstance(data, str | bytes | PathLike):
        try:
            return start(data)
        except TypeError:
            pass
    raise ArgumentError(
        f"data={type(data).__name__} gives no batches; {_REMEDY}, or what load_data(...) returns"
    )


def _is_pair(data: object) -> bool:
    """Return whether ``data`` is all images and all labels, not a list of batches or samples."""
    if not isinstance(data, tuple | list) or len(data) < 2:
        return False
    # A tensor is no batch with labels, so it isn't the first of several.
    images, labels = data[:2]
    are_labels = isinstance(labels, Tensor | np.ndarray | tuple | list)
    return isinstance(images, Tensor | np.ndarray) and are_labels


def _is_sample(entry: Any) -> bool:
    is_pair = isinstance(entry, tuple | list) and len(entry) > 1
    return (is_pair or isinstance(entry, Mapping)) and _is_scalar(to_pair(entry)[1])


def _is_scalar(label: Any) -> bool:
    return getattr(label, "ndim", 1 if isinstance(label, tuple | list) else 0) == 0


def _named(entry: Mapping[Any, Any]) -> Pair:
    images = [name for name in IMAGE_FIELDS if name in entry]
    labels = [name for name in LABEL_FIELDS if name in entry]
    if images and len(labels) == 1:
        return entry[images[0]], entry[labels[0]]
    if images and labels:
        raise ArgumentError(
            f"data gives {' and '.join(labels)}, which may both be class numbers; "
            f"leave out one, or pass pairs (images, class numbers)"
        )
    kind, known = ("class numbers", LABEL_FIELDS) if images else ("images", IMAGE_FIELDS)
    raise ArgumentError(
        f"data gives {', '.join(map(str, entry))}, but no {kind} called {' or '.join(known)}; pass "
        f"pairs (images, class numbers), or, where these are parts of data, one of them"
    )


def _tensor(value: Any, what: str) -> Tensor:
    if isinstance(value, Tensor):
        return _dense(value, what)
    if isinstance(value, Image.Image):
        raise ArgumentError(
            "the data gives PIL images, which make no batch; "
            "pass transform=network.preprocessing.transform() to load_data, or to what gives them"
        )
    if isinstance(value, tuple | list) and not all(isinstance(one, int) for one in value):
        return _stack([_tensor(one, what) for one in value], what)
    if what == "labels" and isinstance(value, tuple | list):
        _check_labels(value)
    try:
        array = np.asarray(value)
        # A copy, since torch takes neither foreign byte orders nor memory that is read backwards.
        return torch.from_numpy(np.array(array, array.dtype.newbyteorder("="), order="C"))
    except (TypeError, ValueError):
        raise ArgumentError(
            f"data gives {what} as {type(value).__name__}, not tensors or arrays; {_REMEDY}"
        ) from None


def _dense(value: Tensor, what: str) -> Tensor:
    if value.is_nested:
        raise ArgumentError(
            f"data gives {what} in a nested tensor; bring them to one shape and pass a plain one"
        )
    if value.is_meta:
        raise ArgumentError(
            f"data gives {what} in a meta tensor, which holds no values; pass one on another device"
        )
    if value.layout is not torch.strided:
        raise ArgumentError(
            f"data gives {what} in a tensor of layout {value.layout}; pass a dense one, e.g. "
            f"{what}.to_dense()"
        )
    return value


def _check_labels(labels: Sequence[int]) -> None:
    for label in labels:
        if not -(2**63) <= label < 2**63:
            raise ArgumentError(
                f"data gives label {label}, which int64 can't hold; pass class numbers from 0 on"
            )


def _stack(values: Sequence[Tensor], what: str) -> Tensor:
    shapes = list(dict.fromkeys(value.shape for value in values))
    if len(shapes) > 1:
        raise ArgumentError(
            f"data gives {what} of different shapes in one batch, {list(shapes[0])} and "
            f"{list(shapes[1])}; bring them to one, e.g. by network.preprocessing.transform()"
        )
    try:
        return torch.stack(list(values))
    except RuntimeError as error:
        raise ArgumentError(
            f"data gives {what} that can't be put together ({one_line(error)}); bring them to one "
            "dtype and device"
        ) from None
