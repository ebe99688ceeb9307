"""Adversarial images as PNGs with ``labels.csv``, laid out as TransferAttack's data are."""

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image
from torch import Tensor

from network_prune.errors import ArgumentError, RunError
from network_prune.transfer.plan import Row, ensemble_name
from network_prune.transfer.running.images import AttackedImages
from network_prune.whole_file import write_whole

LABELS: Final = "labels.csv"
IMAGES: Final = "images"
_HEADER: Final = ("filename", "label", "targeted_label")


class SavedImages:
    """A folder of adversarial images, rounded to 8 bits.

    That of a run's only row holds ``labels.csv`` (filename, label, targeted_label, counted from
    0) and ``images/``; with several rows each has such a folder in it:
    ``SURROGATES/GOAL/AUGMENTATION/seed-N``.

    Args:
        folder: where to write; made if it isn't there.
        rows: all rows of the run.
        images: their names and labels.

    Raises:
        ArgumentError: two rows would be written to one folder.
    """

    def __init__(self, folder: Path, rows: Sequence[Row], images: AttackedImages) -> None:
        self._images = images
        alone = len(rows) == 1
        self._folders = {str(row): folder if alone else folder / _place(row) for row in rows}
        if len(set(self._folders.values())) < len(rows):
            raise ArgumentError(
                f"save_images={folder}: the names of two rows are alike as names of folders; "
                "save the images of one at a time"
            )

    def is_whole(self, row: Row) -> bool:
        """Return whether all images of a row are there."""
        return (self._folders[str(row)] / LABELS).is_file() and self.holds(row, len(self._images))

    def holds(self, row: Row, count: int) -> bool:
        """Return whether the first ``count`` images of a row are there."""
        folder = self._folders[str(row)] / IMAGES
        return all((folder / name).is_file() for name in self._images.files[:count])

    def save(self, row: Row, part: range, pixels: Tensor) -> None:
        """Write some images of a row, and behind the last one the labels.

        Args:
            row: which one.
            part: their positions.
            pixels: uint8 ``[n, C, S, S]`` on the CPU.

        Raises:
            RunError: they can't be written.
        """
        folder = self._folders[str(row)]
        try:
            (folder / IMAGES).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"cannot write {folder}: {error.strerror or error}") from None
        for position, picture in zip(part, pixels.numpy(), strict=True):
            write_whole(folder / IMAGES / self._images.files[position], _png(picture))
        if part.stop == len(self._images):
            write_whole(folder / LABELS, self._labels().encode())

    def _labels(self) -> str:
        text = io.StringIO(newline="")
        lines = csv.writer(text, lineterminator="\n")
        lines.writerow(_HEADER)
        images = self._images
        lines.writerows(
            zip(images.files, images.labels.tolist(), images.targets.tolist(), strict=True)
        )
        return text.getvalue()


def _png(picture: np.ndarray) -> bytes:
    """Return pixels ``[C, S, S]`` of one or three channels as a file."""
    file = io.BytesIO()
    shown = picture[0] if len(picture) == 1 else picture.transpose(1, 2, 0)
    Image.fromarray(shown).save(file, "png")
    return file.getvalue()


def _place(row: Row) -> Path:
    parts = (ensemble_name(row.surrogates), row.attack.goal, row.name, f"seed-{row.seed}")
    return Path(*(re.sub(r"[^\w.,+=-]+", "_", part).lstrip(".") or "_" for part in parts))
