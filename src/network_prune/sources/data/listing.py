"""What every form of ``--data`` gives: labelled pictures, listed but not yet decoded."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from network_prune.sources.data.pictures import Pictures

IMAGE_SUFFIXES = frozenset(
    (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
)


@dataclass(frozen=True, slots=True)
class Request:
    """What a form of data may need to know of the call.

    Attributes:
        classes: number of the network's outputs, None if unknown.
        transform: what pictures will go through, if anything.
        allow_missing: leave missing files to be found when they are read.
        root: folder that the data's files lie in, where a name doesn't say it.
        image_column: name of the column or field that holds the images.
        label_column: name of the column or field that holds the labels.
    """

    classes: int | None = None
    transform: Callable[[Image.Image], object] | None = None
    allow_missing: bool = False
    root: str | None = None
    image_column: str | None = None
    label_column: str | None = None


@dataclass(frozen=True, slots=True)
class Files:
    """Where pictures in files lie.

    Attributes:
        root: folder that ``paths`` are relative to.
        paths: one for each picture, with forward slashes.
    """

    root: Path
    paths: list[str]


@dataclass(frozen=True, slots=True)
class Listing:
    """Labelled pictures in their order.

    Attributes:
        labels: as written where they come from, int64 [n].
        first_label: the number that the first class has by default; None where
            the form itself settles it.
        where: names the place of the sample at a position, for errors.
        source: the files, or pictures that need none.
        content: what the pictures are, where they aren't files; goes into the identity.
        decoded: whether the pictures are in memory as pixels, so that reading one
            takes no decoding.
    """

    labels: np.ndarray
    first_label: int | None
    where: Callable[[int], str]
    source: Files | Pictures
    content: bytes = b""
    decoded: bool = False


def labels_array(labels: Iterable[int]) -> np.ndarray:
    """Return ``labels`` as int64 [n]."""
    return np.fromiter(labels, dtype=np.int64)
