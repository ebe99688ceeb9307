"""Adversarial images as PNGs with ``labels.csv``, laid out as TransferAttack's data are."""

import csv
import hashlib
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image
from torch import Tensor

from network_prune.errors import ArgumentError, RunError
from network_prune.results.records import Record
from network_prune.transfer.plan import Row, ensemble_name
from network_prune.transfer.running.images import AttackedImages
from network_prune.whole_file import write_whole

LABELS: Final = "labels.csv"
IMAGES: Final = "images"
# Hidden, as readers of such folders pass over it.
_ROW: Final = ".network-prune-row"
_HEADER: Final = ("filename", "label", "targeted_label")


class SavedImages:
    """A folder of adversarial images, rounded to 8 bits.

    That of a run's only row holds ``labels.csv`` (filename, label, targeted_label, counted from
    0) and ``images/``; with several rows each has such a folder in it:
    ``SURROGATES/GOAL/AUGMENTATION/seed-N``. A hidden file beside ``labels.csv`` says which
    row's the images are.

    Args:
        folder: where to write; made if it isn't there.
        rows: all rows of the run, each with what decides its figures.
        images: their names and labels.

    Raises:
        ArgumentError: two rows would be written to one folder.
        RunError: a row's folder holds images that aren't its own.
    """

    def __init__(
        self, folder: Path, rows: Sequence[tuple[Row, Record]], images: AttackedImages
    ) -> None:
        self._images = images
        alone = len(rows) == 1
        self._folders = {str(row): folder if alone else folder / _place(row) for row, _ in rows}
        if len(set(self._folders.values())) < len(rows):
            raise ArgumentError(
                f"save_images={folder}: the names of two rows are alike as names of folders; "
                "save the images of one at a time"
            )
        labels = hashlib.sha256(self._labels()).hexdigest()
        self._owners = {str(row): f"{base['key']} {labels}\n".encode() for row, base in rows}
        for row, _ in rows:
            self._check_owner(row)

    def is_whole(self, row: Row) -> bool:
        """Return whether all images of a row are there."""
        return (self._folders[str(row)] / LABELS).is_file() and self.holds(row, len(self._images))

    def holds(self, row: Row, count: int) -> bool:
        """Return whether the first ``count`` images of a row are there."""
        folder = self._folders[str(row)]
        files = (folder / IMAGES / name for name in self._images.files[:count])
        return _owner(folder) == self._owners[str(row)] and all(file.is_file() for file in files)

    def save(self, row: Row, part: range, pixels: Tensor) -> None:
        """Write some images of a row, and behind the last one the labels.

        Args:
            row: which one.
            part: their positions.
            pixels: uint8 ``[n, C, S, S]`` on the CPU.

        Raises:
            RunError: they can't be written, or would stand among another row's.
        """
        folder = self._folders[str(row)]
        self._check_owner(row)
        try:
            (folder / IMAGES).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"cannot write {folder}: {error.strerror or error}") from None
        write_whole(folder / _ROW, self._owners[str(row)])
        for position, picture in zip(part, pixels.numpy(), strict=True):
            write_whole(folder / IMAGES / self._images.files[position], _png(picture))
        if part.stop == len(self._images):
            write_whole(folder / LABELS, self._labels())

    def _check_owner(self, row: Row) -> None:
        folder = self._folders[str(row)]
        owner = _owner(folder)
        if owner is None:
            is_free = not (folder / LABELS).exists() and not any((folder / IMAGES).glob("*"))
        else:
            is_free = owner == self._owners[str(row)]
        if not is_free:
            raise RunError(
                f"{folder} holds images or labels other than those of {row} in this run; pass "
                "another folder with save_images (--save-images)"
            )

    def _labels(self) -> bytes:
        text = io.StringIO(newline="")
        lines = csv.writer(text, lineterminator="\n")
        lines.writerow(_HEADER)
        images = self._images
        lines.writerows(
            zip(images.files, images.labels.tolist(), images.targets.tolist(), strict=True)
        )
        return text.getvalue().encode()


def _owner(folder: Path) -> bytes | None:
    """Return what says whose images a folder holds, None if nothing does."""
    try:
        return (folder / _ROW).read_bytes()
    except OSError:
        return None


def _png(picture: np.ndarray) -> bytes:
    """Return pixels ``[C, S, S]`` of one or three channels as a file."""
    file = io.BytesIO()
    shown = picture[0] if len(picture) == 1 else picture.transpose(1, 2, 0)
    Image.fromarray(shown).save(file, "png")
    return file.getvalue()


def _place(row: Row) -> Path:
    parts = (ensemble_name(row.surrogates), row.attack.goal, row.name, f"seed-{row.seed}")
    return Path(*(re.sub(r"[^\w.,+=-]+", "_", part).lstrip(".") or "_" for part in parts))
