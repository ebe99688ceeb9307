"""The ILSVRC2012 validation pictures as they are published: in one flat folder."""

import os
import re
from collections import Counter
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from network_prune.errors import SourceError
from network_prune.sources.data.class_names import match_classes
from network_prune.sources.data.listing import IMAGE_SUFFIXES, Files, Listing, passed_over
from network_prune.sources.data.pictures import refusing
from network_prune.sources.imagenet import IMAGENET_CLASSES
from network_prune.sources.outputs import Outputs

GROUND_TRUTH = "ILSVRC2012_validation_ground_truth.txt"
META = "meta.mat"
_PICTURE = re.compile(r"ILSVRC2012_val_(\d{8})\.jpe?g", re.IGNORECASE)
_PLACES = ("", "data", "ILSVRC2012_devkit_t12", "ILSVRC2012_devkit_t12/data")


def is_flat_validation(folder: Path) -> bool:
    """Return whether ``folder`` has ILSVRC2012 validation pictures right in it."""
    # Fifty thousand files need not all be looked at; other files may stand before them.
    with os.scandir(folder) as entries:
        return any(_PICTURE.fullmatch(entry.name) for entry in islice(entries, 1000))


def list_flat_validation(folder: Path, outputs: Outputs) -> Listing:
    """List the ILSVRC2012_val_*.JPEG pictures in ``folder`` by their number.

    Labels come from the development kit's files, found in ``folder`` or above
    it, or in ``ILSVRC2012_devkit_t12`` there. The kit numbers classes in an
    order of its own; here they are matched by their synset names, as class folders are.
    A note counts pictures of other names.

    Raises:
        SourceError: the network's outputs aren't ImageNet's, or the kit's files are
            missing or aren't the kit's.
    """
    wnids = _read_meta(_find(META, folder))
    where = f"{folder} with ImageNet's validation pictures"
    matched = match_classes([*wnids.values()], outputs, where=where)
    number = np.array([-1, *matched.numbers], dtype=np.int64)
    truth = _read_ground_truth(_find(GROUND_TRUTH, folder))
    found = sorted(
        (int(match[1]), entry)
        for entry in os.listdir(folder)
        if (match := _PICTURE.fullmatch(entry))
    )
    beyond = [name for index, name in found if not 1 <= index <= len(truth)]
    if beyond:
        raise SourceError(
            f"{GROUND_TRUTH} has {len(truth)} lines, none for the picture {beyond[0]} in {folder}"
        )
    names = [name for _, name in found]
    suffixes = (os.path.splitext(name)[1].lower() for name in set(os.listdir(folder)) - set(names))
    others = Counter(suffix for suffix in suffixes if suffix in IMAGE_SUFFIXES)
    labels = number[truth[np.array([index for index, _ in found]) - 1]]
    return Listing(
        labels=labels,
        first_label=None,
        where=lambda position: names[position],
        source=Files(folder, names),
        matched=matched,
        notes=passed_over(others, str(folder)),
    )


def _find(name: str, folder: Path) -> Path:
    resolved = folder.resolve()
    tops: Iterable[Path] = (folder, resolved, resolved.parent, resolved.parent.parent)
    for top in tops:
        for place in _PLACES:
            path = top / place / name
            if path.is_file():
                return path
    raise SourceError(
        f"{folder} holds ILSVRC2012 validation pictures, but {name} isn't in it or above it; "
        "unpack ILSVRC2012_devkit_t12.tar.gz beside it, or sort the pictures into class folders"
    )


def _read_ground_truth(path: Path) -> np.ndarray:
    """Return the kit's class number of each picture, 1 to 1000, int64 [n]."""
    try:
        truth = np.array(path.read_text(encoding="ascii").split(), dtype=np.int64)
    except ValueError:
        raise SourceError(f"{path} isn't one whole number a line") from None
    wrong = (truth < 1) | (truth > IMAGENET_CLASSES)
    if wrong.any():
        line = int(wrong.argmax()) + 1
        raise SourceError(f"{path} line {line}: {truth[line - 1]} is outside 1 to 1000")
    return truth


def _read_meta(path: Path) -> dict[int, str]:
    """Return the synset of each of the kit's class numbers, 1 to 1000, in their order."""
    from scipy.io import loadmat

    with refusing(lambda _: f"{path} can't be read as the ILSVRC2012 development kit's"):
        synsets: Any = loadmat(path, squeeze_me=True)["synsets"]
        rows = zip(synsets["ILSVRC2012_ID"], synsets["WNID"], strict=True)
        # The classes come first; the groups that they belong to have higher numbers.
        wnids = {int(row): str(name) for row, name in rows if int(row) <= IMAGENET_CLASSES}
    numbers = range(1, IMAGENET_CLASSES + 1)
    if sorted(wnids) != list(numbers) or len(set(wnids.values())) != len(wnids):
        raise SourceError(f"{path} doesn't name {IMAGENET_CLASSES} classes as ILSVRC2012's does")
    return {number: wnids[number] for number in numbers}
