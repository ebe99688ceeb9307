"""Pictures in a numpy file: ``FILE.npz`` with an array of pixels and one of labels."""

import math
import zipfile
from functools import cache, partial
from pathlib import Path

import numpy as np
from numpy.lib import format as npy
from numpy.lib.npyio import NpzFile

from network_prune.errors import SourceError
from network_prune.plain_file import check_unpacked
from network_prune.sources.data.listing import Lister, Listing, Request, check_file
from network_prune.sources.data.pictures import read_array, refusing
from network_prune.sources.downloads import reason

# The first that the file has is taken; test parts come before whole sets.
IMAGE_ARRAYS = ("test_images", "x_test", "images", "x", "data")
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
LABEL_ARRAYS = ("test_labels", "y_test", "labels", "y", "targets")


def list_arrays(request: Request) -> Lister:
    """List the pictures of an npz file; nothing in it is unpickled.

    Images are uint8 [n, H, W] or [n, H, W, 1] for grey, [n, H, W, 3] for RGB,
    labels whole numbers [n] or [n, 1], counted from 0. Both are found by name,
    or as the request names them.

    Raises:
        SourceError: there is no such file, or its arrays are others.
    """
    path = check_file(request.spec)
    read = cache(lambda: _read(path, request))
    return lambda *_: read()


def _read(path: Path, request: Request) -> Listing:
    def told(error: Exception) -> str:
        return f"{path} can't be read as npz: {reason(error)}"

    with path.open("rb") as file:
        with refusing(told):
            arrays = np.load(file, allow_pickle=False)
        if not isinstance(arrays, NpzFile):
            raise SourceError(f"{path} holds one array alone; it must hold images and labels")
        image = _choose(arrays.files, request.image_column, IMAGE_ARRAYS, path, "image")
        label = _choose(arrays.files, request.label_column, LABEL_ARRAYS, path, "label")
        check_unpacked(path, sum(_size(name, path) for name in (image, label)))
        with refusing(told):
            pixels, labels = arrays[image], arrays[label]
    pixels = _check_pixels(pixels, f"{path}: {image}")
    return Listing(
        labels=_check_labels(labels, len(pixels), f"{path}: {label}"),
        first_label=0,
        where=lambda position: f"{path} picture {position}",
        source=partial(read_array, pixels),
        content=repr(pixels.shape).encode() + np.ascontiguousarray(pixels).tobytes(),
        decoded=True,
    )


def _size(name: str, path: Path) -> int:
    """Return how many bytes an array has, of which the file holds as many as it says.

    Raises:
        SourceError: it doesn't.
    """
    with (
        refusing(lambda error: f"{path}: {name} can't be read as npy: {reason(error)}"),
        zipfile.ZipFile(path) as archive,
        archive.open(f"{name}.npy" if f"{name}.npy" in archive.namelist() else name) as file,
    ):
        held = archive.getinfo(file.name).file_size
        shape, _, dtype = _HEADERS[npy.read_magic(file)](file)
    if math.prod(shape) * dtype.itemsize > held:
        raise SourceError(
            f"{path}: {name} is cut off: its header says {dtype} {list(shape)}, but it has "
            f"{held} bytes; save it anew"
        )
    return held


def _choose(
    found: list[str], asked: str | None, known: tuple[str, ...], path: Path, kind: str
) -> str:
    wanted = known if asked is None else (asked,)
    name = next((name for name in wanted if name in found), None)
    if name is None:
        raise SourceError(
            f"{path} has no {kind} array {' or '.join(wanted)}; it has {', '.join(found) or 'none'}"
            f" (pass {kind}_column, --{kind}-column, to choose)"
        )
    return name


def _check_pixels(pixels: np.ndarray, name: str) -> np.ndarray:
    shape = list(pixels.shape)
    grey = pixels.ndim == 3 or (pixels.ndim == 4 and shape[3] == 1)
    if pixels.dtype != np.uint8 or not (grey or (pixels.ndim == 4 and shape[3] == 3)):
        raise SourceError(
            f"{name} is {pixels.dtype} {shape}; images must be uint8 [n, H, W] or [n, H, W, 3]"
        )
    if 0 in shape[1:3]:
        raise SourceError(f"{name} is {shape}; its images have no pixels")
    return pixels[..., 0] if grey and pixels.ndim == 4 else pixels


def _check_labels(labels: np.ndarray, n: int, name: str) -> np.ndarray:
    flat = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if flat.ndim != 1 or not np.issubdtype(flat.dtype, np.integer):
        raise SourceError(
            f"{name} is {labels.dtype} {list(labels.shape)}; labels must be whole numbers [n]"
        )
    if len(flat) != n:
        raise SourceError(f"{name} has {len(flat)} labels for {n} images")
    return flat.astype(np.int64)
