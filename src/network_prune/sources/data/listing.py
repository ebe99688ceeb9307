"""What every form of ``--data`` gives: labelled pictures, listed but not yet decoded."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from network_prune.errors import SourceError
from network_prune.sources.data.class_names import Matched
from network_prune.sources.data.pictures import Pictures, Transform
from network_prune.sources.outputs import Outputs

IMAGE_SUFFIXES = frozenset(
    (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Data as it is asked for: the arguments of `load_data` that hold for every network."""

    spec: str
    first_label: int | None = None
    limit: int | None = None
    skip_unreadable: bool = False
    root: str | None = None
    image_column: str | None = None
    label_column: str | None = None
    cache_dir: str | os.PathLike[str] | None = None
    class_order: str | None = None
    only_data_classes: bool = False


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
        matched: what the data's classes stand for, numbered as ``labels``; None for labels
            that are mere numbers.
    """

    labels: np.ndarray
    first_label: int | None
    where: Callable[[int], str]
    source: Files | Pictures
    content: bytes = b""
    decoded: bool = False
    matched: Matched | None = None


# Lists pictures for networks one after another, by their outputs and by what the pictures will
# go through; what no network changes is read once.
Lister = Callable[[Outputs, Transform | None], Listing]


def check_file(path: str | os.PathLike[str]) -> Path:
    """Return ``path``.

    Raises:
        SourceError: no file is there.
    """
    if not os.path.isfile(path):
        raise SourceError(f"no file {os.fspath(path)}")
    return Path(path)
