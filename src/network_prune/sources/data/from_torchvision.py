"""Data sets that torchvision names: ``torchvision:CIFAR10:FOLDER``."""

import copy
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from network_prune.errors import SourceError, one_line, unknown_name
from network_prune.extras import require
from network_prune.sources.data.class_names import (
    NUMBERS,
    Matched,
    check_class_count,
    match_classes,
)
from network_prune.sources.data.listing import Lister, Listing, Request
from network_prune.sources.data.pictures import refusing
from network_prune.sources.digests import Picture, of_pixels
from network_prune.sources.outputs import Outputs

_TEST: dict[str, Any] = {"split": "test"}
_NOT_TRAIN: dict[str, Any] = {"train": False}
# What each takes to give the pictures that are for testing, or all where it has one part alone.
PARTS: dict[str, dict[str, Any]] = {
    "CIFAR10": _NOT_TRAIN,
    "CIFAR100": _NOT_TRAIN,
    "Caltech101": {},
    "Caltech256": {},
    "Country211": _TEST,
    "DTD": _TEST,
    "EuroSAT": {},
    "FGVCAircraft": _TEST,
    "FashionMNIST": _NOT_TRAIN,
    "Flowers102": _TEST,
    "Food101": _TEST,
    "GTSRB": _TEST,
    "Imagenette": {"split": "val"},
    "KMNIST": _NOT_TRAIN,
    "MNIST": _NOT_TRAIN,
    "OxfordIIITPet": _TEST,
    "SEMEION": {},
    "STL10": _TEST,
    "SUN397": {},
    "SVHN": _TEST,
    "StanfordCars": _TEST,
    "USPS": _NOT_TRAIN,
}
# Where those that keep labels apart from pictures have them.
_LABELS = ("targets", "labels", "y")


def list_torchvision(request: Request) -> Lister:
    """List torchvision's data set for ``torchvision:NAME`` or ``torchvision:NAME:FOLDER``.

    Takes the part for testing where there is one, the part for validation for
    Imagenette. Nothing is downloaded; FOLDER, or else the request's root, is
    what torchvision calls ``root``.

    Raises:
        SourceError: torchvision has no such data set for classifying, the
            folder isn't said or hasn't the data; by the lister, its classes
            don't fit the network.
    """
    spec = request.spec
    name, _, folder = spec.removeprefix("torchvision:").partition(":")
    if name not in PARTS:
        raise SourceError(unknown_name("torchvision data set", name, PARTS))
    root = folder or request.root
    if not root:
        raise SourceError(
            f"{spec} doesn't say where the data is; pass torchvision:{name}:FOLDER, "
            f"or root (--data-root)"
        )
    dataset = _open(name, root)
    samples = _samples(dataset)
    kept: Any = next((getattr(dataset, place) for place in _LABELS if hasattr(dataset, place)), ())
    labels = np.asarray([label for _, label in samples] or kept, dtype=np.int64).reshape(-1)
    decoded = hasattr(dataset, "data")
    if decoded:
        content = np.asarray(dataset.data).tobytes()
    else:
        content = _describe([path for path, _ in samples], root)

    def list_for(outputs: Outputs, _: object) -> Listing:
        matched = _match(dataset, labels, request, outputs)
        return Listing(
            labels=np.array(matched.numbers, dtype=np.int64)[labels],
            first_label=None,
            where=lambda position: f"{spec} picture {position}",
            source=partial(_read, dataset, spec),
            content=content,
            decoded=decoded,
            matched=matched,
        )

    return list_for


def _read(dataset: Any, spec: str, position: int) -> Picture:
    with refusing(lambda error: f"cannot read image {spec} picture {position}: {one_line(error)}"):
        return of_pixels(dataset[position][0])


def _open(name: str, root: str) -> Any:
    require("torchvision", what=f"torchvision:{name}")
    import torchvision.datasets

    def told(error: Exception) -> str:
        options = ", ".join(f"{key}={value!r}" for key, value in PARTS[name].items())
        call = f"torchvision.datasets.{name}({root!r}{', ' * bool(options)}{options}"
        return (
            f"no {name} as torchvision keeps it in {root} ({one_line(error, limit=100)}); "
            f"fetch it once with {call}, download=True)"
        )

    # Each data set tells in its own way that files are missing or damaged.
    with refusing(told):
        return getattr(torchvision.datasets, name)(root=root, **PARTS[name])


def _samples(dataset: Any) -> Sequence[tuple[Any, int]]:
    """Return path and label of each picture in a file, as far as the data set knows the paths."""
    if hasattr(dataset, "loader"):
        undecoded = copy.copy(dataset)
        undecoded.loader = os.fspath
        return [undecoded[position] for position in range(len(undecoded))]
    # GTSRB and OxfordIIITPet take no loader: in public, they tell labels along with pictures alone.
    hidden = zip(getattr(dataset, "_images", ()), getattr(dataset, "_labels", ()), strict=True)
    return getattr(dataset, "_samples", None) or list(hidden)


def _match(dataset: Any, labels: np.ndarray, request: Request, outputs: Outputs) -> Matched:
    """Return the output that each of the data set's numbers stands for."""
    named = (getattr(dataset, place, None) for place in ("wnids", "classes", "categories"))
    names: Any = next(filter(None, named), None)
    if names is not None:
        texts = [str(name) for name in names]
        return match_classes(texts, outputs, where=request.spec, order=request.class_order)
    count = int(labels.max(initial=-1)) + 1
    check_class_count(count, outputs, what=f"{request.spec} has")
    return Matched([*range(count)], NUMBERS)


def _describe(paths: Sequence[Any], root: str) -> bytes:
    """Return what tells the pictures apart from others: their paths below ``root`` and sizes."""
    found = paths or sorted(path for path in Path(root).rglob("*") if path.is_file())
    lines = (f"{os.path.relpath(path, root)}\t{os.path.getsize(path)}" for path in found)
    return "\n".join(lines).encode(errors="surrogateescape")
