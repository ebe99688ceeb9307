"""A folder of adversarial images that somebody else's attack wrote."""

import hashlib
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from network_prune.errors import SourceError
from network_prune.sources.data.listing import Request
from network_prune.sources.data.load import list_data
from network_prune.sources.data.pictures import read_file
from network_prune.sources.digests import digest_of_file
from network_prune.sources.outputs import Outputs
from network_prune.sources.preprocessing import convert
from network_prune.transfer.running.images import AttackedImages, png_names
from network_prune.transfer.running.saved import IMAGES, LABELS

# Files of 8 bits: rounding moves a pixel by half a step, cutting off by nearly a whole one.
_STEP: Final = 1 / 255
_MUCH: Final = 1e-6


class AdversarialFolder:
    """PNGs called as the clean images are, in the folder or in ``images/`` in it.

    Args:
        folder: where they lie; ``labels.csv`` in it may say labels and targets.

    Attributes:
        folder: as given.
        size: side in pixels of the first picture.

    Raises:
        SourceError: there are none.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._digests: dict[str, bytes] = {}
        inner = folder / IMAGES
        self._pictures = inner if inner.is_dir() else folder
        try:
            names = sorted(os.listdir(self._pictures))
        except OSError as error:
            raise SourceError(f"cannot read {folder}: {error.strerror or error}") from None
        self._names = [name for name in names if name.lower().endswith(".png")]
        self._others = [
            name
            for name in names
            if not name.startswith(".")
            and name not in (*self._names, LABELS)
            and (self._pictures / name).is_file()
        ]
        if not self._names:
            raise SourceError(
                f"{folder} holds no PNG; pass the folder that --save-images or another attack wrote"
            )
        self.size = self._open(self._names[0]).size[0]

    def check_names(self, images: AttackedImages) -> None:
        """Refuse a folder that lacks some images, or has others.

        Raises:
            SourceError: it does.
        """
        lacking = [name for name in images.files if name not in set(self._names)]
        others = [name for name in (*self._names, *self._others) if name not in set(images.files)]
        for names, what in ((lacking, "lacks"), (others, "has besides")):
            if names:
                more = f" and {len(names) - 1} more" if len(names) > 1 else ""
                raise SourceError(
                    f"{self.folder} {what} {names[0]}{more}; it must hold one PNG for each of the "
                    f"{len(images)} images of {images.data.name}: pass the data that they were "
                    "made of (--data, --limit)"
                )

    def read(self, names: Sequence[str], channels: int) -> Tensor:
        """Return some pictures, uint8 ``[n, channels, size, size]``.

        Raises:
            SourceError: one can't be read, is of another size, or has an alpha channel.
        """
        return torch.stack([self._read(name, channels) for name in names])

    def check_bound(self, names: Sequence[str], change: Tensor, epsilon: float) -> None:
        """Refuse pictures that leave the bound by more than 8 bits explain.

        Args:
            names: what they are called.
            change: of their pixels, ``[n, C, size, size]``, shares of their range.
            epsilon: the bound, such a share.

        Raises:
            SourceError: one does.
        """
        largest = change.flatten(1).abs().amax(1)
        outside = (largest > epsilon + _STEP + _MUCH).nonzero().flatten().tolist()
        if outside:
            name, found = names[outside[0]], float(largest[outside[0]])
            raise SourceError(
                f"{self.folder}: {name} is {found * 255:.0f}/255 away from the clean image, beyond "
                f"epsilon={epsilon * 255:.4g}/255; pass the bound that it was made with "
                "(--epsilon), or the data that it was made of"
            )

    def give_targets(self, images: AttackedImages, classes: int, *, is_targeted: bool) -> None:
        """Check true labels against ``labels.csv``, if there is one, and take targets from it.

        Args:
            images: what they are of, which gets the targets.
            classes: how many there are.
            is_targeted: whether targets are wanted.

        Raises:
            SourceError: the file can't be read, lacks images, or says other true labels.
        """
        path = self.folder / LABELS
        if not path.is_file():
            return
        request = Request(spec=str(path), targets=is_targeted)
        said = list_data(request).bind(outputs=Outputs.of(classes))
        places = {name: place for place, name in enumerate(png_names(said))}
        lacking = [name for name in images.files if name not in places]
        if lacking:
            raise SourceError(f"{path} has no row of {lacking[0]}; add it, or remove the file")
        order = [places[name] for name in images.files]
        wrong = np.flatnonzero(said.labels[order] != images.labels)
        if len(wrong):
            first = int(wrong[0])
            raise SourceError(
                f"{path}: the label of {images.files[first]} is {said.labels[order][first]}, but "
                f"{images.labels[first]} in {images.data.name}; pass the data that they were made "
                "of, or remove the file"
            )
        if said.targets is not None:
            images.targets, images.targets_by = said.targets[order], f"{LABELS} of the folder"

    def sha256(self) -> str:
        """Return the SHA-256 (hex) of names and bytes of all pictures."""
        digest = hashlib.sha256()
        for name in self._names:
            content = (self._pictures / name).read_bytes()
            self._digests[name] = digest_of_file(io.BytesIO(content))
            digest.update(f"{name}\t{hashlib.sha256(content).hexdigest()}\n".encode())
        return digest.hexdigest()

    def _read(self, name: str, channels: int) -> Tensor:
        image = self._open(name)
        if image.size != (self.size, self.size):
            width, height = image.size
            raise SourceError(
                f"{self.folder}: {name} is {width} x {height}, not {self.size} x {self.size} as "
                "the first one; all must be squares of one size"
            )
        if "A" in image.getbands() or "transparency" in image.info:
            raise SourceError(
                f"{self.folder}: {name} has an alpha channel, which no network is shown; write it "
                "without (RGB or grey)"
            )
        pixels = np.array(convert(image, "L" if channels == 1 else "RGB"))
        return torch.from_numpy(pixels.reshape(self.size, self.size, channels)).permute(2, 0, 1)

    def _open(self, name: str) -> Image.Image:
        picture = read_file(os.fspath(self._pictures), [name], 0)
        if self._digests.setdefault(name, picture.digest) != picture.digest:
            raise SourceError(
                f"{self.folder}: {name} has other bytes than when it was read first in this run; "
                "leave the folder alone meanwhile, and run it again"
            )
        return picture.image
