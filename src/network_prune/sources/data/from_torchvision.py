"""Data sets that torchvision names: ``torchvision:CIFAR10:FOLDER``."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from network_prune.errors import SourceError, one_line, unknown_name
from network_prune.sources.data.class_names import number_classes
from network_prune.sources.data.listing import Listing, Request

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
# Where the various classes of torchvision keep what they list.
_LABELS = ("targets", "labels", "_labels", "y")
_PATHS = ("_image_files", "_images")
_SAMPLES = ("samples", "_samples")


class TorchvisionImages:
    """Pictures of one of torchvision's data sets.

    Args:
        dataset: gives (PIL image, anything).
        name: what errors call it.
    """

    def __init__(self, dataset: Any, name: str) -> None:
        self._dataset = dataset
        self._name = name

    def read(self, position: int) -> Image.Image:
        """Return the decoded picture.

        Raises:
            SourceError: it can't be read.
        """
        try:
            return self._dataset[position][0]
        except MemoryError:
            raise
        except Exception as error:
            name = f"{self._name} picture {position}"
            raise SourceError(f"cannot read image {name}: {one_line(error)}") from error


def list_torchvision(spec: str, request: Request) -> Listing:
    """List torchvision's data set for ``torchvision:NAME`` or ``torchvision:NAME:FOLDER``.

    Takes the part for testing where there is one, the part for validation for
    Imagenette. Nothing is downloaded; FOLDER, or else the request's root, is
    what torchvision calls ``root``.

    Raises:
        SourceError: torchvision has no such data set for classifying, the
            folder isn't said or hasn't the data, or its classes don't fit the network.
    """
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
    labels = _labels(dataset)
    numbers = _number(dataset, labels, spec, request.classes)
    pixels = getattr(dataset, "data", None)
    decoded = pixels is not None and not isinstance(pixels, list)
    return Listing(
        labels=labels if numbers is None else np.array(numbers, dtype=np.int64)[labels],
        first_label=None,
        where=lambda position: f"{spec} picture {position}",
        source=TorchvisionImages(dataset, spec),
        content=np.asarray(pixels).tobytes() if decoded else _describe(dataset, root),
        decoded=decoded,
    )


def _open(name: str, root: str) -> Any:
    import torchvision.datasets

    try:
        return getattr(torchvision.datasets, name)(root=root, **PARTS[name])
    except MemoryError:
        raise
    except Exception as error:
        # Each data set tells in its own way that files are missing or damaged.
        options = ", ".join(f"{key}={value!r}" for key, value in PARTS[name].items())
        call = f"torchvision.datasets.{name}({str(root)!r}{', ' * bool(options)}{options}"
        raise SourceError(
            f"no {name} as torchvision keeps it in {root} ({one_line(error, limit=100)}); "
            f"fetch it once with {call}, download=True)"
        ) from error


def _labels(dataset: Any) -> np.ndarray:
    for attribute in _LABELS:
        if hasattr(dataset, attribute):
            return np.asarray(getattr(dataset, attribute), dtype=np.int64).reshape(-1)
    samples = next(getattr(dataset, name) for name in _SAMPLES if hasattr(dataset, name))
    return np.array([label for _, label in samples], dtype=np.int64)


def _number(
    dataset: Any, labels: np.ndarray, spec: str, classes: int | None
) -> Sequence[int] | None:
    """Return the output of each of the data's classes, None where it doesn't list them."""
    names: Any = getattr(dataset, "wnids", None) or getattr(dataset, "classes", None)
    names = names or getattr(dataset, "categories", None)
    if names is not None:
        return number_classes([str(name) for name in names], classes, where=spec)
    if classes is not None and len(labels) and int(labels.max()) != classes - 1:
        raise SourceError(
            f"{spec} has {int(labels.max()) + 1} classes, but the network has {classes}; "
            "pass data of the network's classes"
        )
    return None


def _describe(dataset: Any, root: str) -> bytes:
    """Return what tells the pictures apart from others: their paths below ``root`` and sizes."""
    paths = next((getattr(dataset, name) for name in _PATHS if hasattr(dataset, name)), None)
    if paths is None:
        samples = next((getattr(dataset, n) for n in _SAMPLES if hasattr(dataset, n)), ())
        paths = [path for path, _ in samples]
    if not paths:
        paths = sorted(path for path in Path(root).rglob("*") if path.is_file())
    lines = (f"{os.path.relpath(path, root)}\t{os.path.getsize(path)}" for path in paths)
    return "\n".join(lines).encode(errors="surrogateescape")
