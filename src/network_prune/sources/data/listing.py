"""What every form of ``--data`` gives: labelled pictures, listed but not yet decoded."""

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from network_prune.errors import SourceError
from network_prune.options import OPTIONS
from network_prune.plain_file import check_plain
from network_prune.sources.data.class_names import Matched
from network_prune.sources.data.pictures import Pictures, Transform
from network_prune.sources.orientation import is_turned
from network_prune.sources.outputs import Outputs

IMAGE_SUFFIXES = frozenset(
    (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
)

# Kinds that Pillow needs help to read.
_OTHER_SUFFIXES = frozenset((".avif", ".heic", ".heif", ".jp2", ".jxl"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Data as it is asked for: the arguments of `load_data` that hold for every network.

    ``targets`` asks for the classes that pictures are to be taken for, where the data has any,
    and ``target_column`` names a manifest's column of them.
    """

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
    exif: str = OPTIONS["exif"].default
    targets: bool = False
    target_column: str | None = None


@dataclass(frozen=True, slots=True)
class Files:
    """Where pictures in files lie.

    Attributes:
        root: folder that ``paths`` are relative to.
        paths: one for each picture, with forward slashes.
    """

    root: Path
    paths: list[str]

    def is_turned(self, position: int) -> bool:
        """Return whether its EXIF orientation turns the picture at ``position``."""
        return is_turned(os.path.join(self.root, self.paths[position]))


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
        turns: whether the library that such data comes from turns pictures by their EXIF
            orientation.
        is_turned: whether that turns the picture at a position, where this can be told
            without decoding; for files it always can.
        notes: what to know about the pictures.
        targets: as ``labels``, what pictures are to be taken for; None without any.
        targets_by: what the data calls the targets.
    """

    labels: np.ndarray
    first_label: int | None
    where: Callable[[int], str]
    source: Files | Pictures
    content: bytes = b""
    decoded: bool = False
    matched: Matched | None = None
    turns: bool = False
    is_turned: Callable[[int], bool] | None = None
    notes: tuple[str, ...] = ()
    targets: np.ndarray | None = None
    targets_by: str = ""


# Lists pictures for networks one after another, by their outputs and by what the pictures will
# go through; what no network changes is read once.
Lister = Callable[[Outputs, Transform | None], Listing]


def may_be_picture(suffix: str) -> bool:
    """Return whether files with a suffix, or none, are pictures of other kinds as a rule."""
    return not suffix or suffix in _OTHER_SUFFIXES or suffix in Image.registered_extensions()


def passed_over(suffixes: Counter[str], where: str) -> tuple[str, ...]:
    """Return a note on files that are no pictures by their names, if there are any."""
    if not suffixes:
        return ()
    return (
        f"files of {where} that are passed over by their names: {suffixes.total()} "
        f"({count_by_suffix(suffixes)}); rename pictures among them, or list them in a manifest",
    )


def count_by_suffix(suffixes: Counter[str]) -> str:
    """Return counts by suffix for people, most first."""
    return ", ".join(f"{n} {suffix or 'without suffix'}" for suffix, n in suffixes.most_common(5))


def check_file(path: str | os.PathLike[str]) -> Path:
    """Return ``path``.

    Raises:
        SourceError: no plain file is there.
    """
    check_plain(path)
    if not os.path.isfile(path):
        raise SourceError(f"no file {os.fspath(path)}")
    return Path(path)
