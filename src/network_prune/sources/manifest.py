"""Pictures listed in a csv file with a column for the image and one for the label."""

import csv
import os
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np

from network_prune.errors import SourceError
from network_prune.sources.listing import Files, Listing, Request

# In lower case; the first that the file has is taken.
IMAGE_COLUMNS = ("image", "filename", "file", "path", "image_id", "imageid")
LABEL_COLUMNS = ("label", "class", "target", "truelabel", "true_label")
_ID_SUFFIXES = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True, slots=True)
class _Columns:
    image: int
    label: int
    label_name: str
    imagenet_compatible: bool


def list_manifest(spec: str, request: Request) -> Listing:
    """List the pictures of the csv file ``spec``.

    Columns are found by name, in any case: the image in image, filename, file,
    path or image_id, relative to the csv file's folder; the class number in
    label, class, target or true_label, counted from 0. A file with the columns
    ImageId and TrueLabel is read as the ImageNet-compatible set's: pictures
    are ``images/<ImageId>.png`` (or .jpg, .jpeg) and classes count from 1.

    Raises:
        SourceError: the file isn't such a csv file, a label is no whole number,
            or a picture is missing or outside the csv file's folder.
    """
    path = Path(spec)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return _list(path, file, request)
    except UnicodeDecodeError as error:
        raise SourceError(
            f"{path} isn't UTF-8 text (byte {error.start}); save it as UTF-8"
        ) from error
    except csv.Error as error:
        raise SourceError(f"{path} can't be read as csv: {error}") from error


def _list(path: Path, file: TextIO, request: Request) -> Listing:
    reader = csv.reader(file)
    columns = _find_columns(next(reader, []), path)
    pictures: list[str] = []
    labels, lines = array("q"), array("q")
    for line, picture, label in _rows(reader, columns, path):
        pictures.append(picture)
        labels.append(label)
        lines.append(line)
    if columns.imagenet_compatible:
        pictures = _resolve_ids(pictures, lines, path, request.allow_missing)
    return Listing(
        labels=np.array(labels, dtype=np.int64),
        first_label=1 if columns.imagenet_compatible else 0,
        where=lambda position: f"{path} line {lines[position]}",
        source=Files(path.parent, pictures),
    )


def _find_columns(header: list[str], path: Path) -> _Columns:
    names = [name.strip().lower() for name in header]
    image = next((name for name in IMAGE_COLUMNS if name in names), None)
    label = next((name for name in LABEL_COLUMNS if name in names), None)
    if image is None or label is None:
        lacking = "image" if image is None else "label"
        wanted = IMAGE_COLUMNS if image is None else LABEL_COLUMNS
        found = ", ".join(header[:12]) or "none"
        raise SourceError(
            f"{path} has no {lacking} column; name it one of {', '.join(wanted)} "
            f"(columns found: {found})"
        )
    return _Columns(
        image=names.index(image),
        label=names.index(label),
        label_name=header[names.index(label)].strip(),
        imagenet_compatible=(image, label) == ("imageid", "truelabel"),
    )


def _rows(
    reader: Iterator[list[str]], columns: _Columns, path: Path
) -> Iterator[tuple[int, str, int]]:
    """Yield line number, image and label of each row that isn't blank."""
    for row in reader:
        if not row:
            continue
        line: int = reader.line_num  # pyright: ignore[reportAttributeAccessIssue]
        try:
            picture, text = row[columns.image], row[columns.label]
        except IndexError:
            raise SourceError(f"{path} line {line} has only {len(row)} columns") from None
        try:
            label = int(text)
        except ValueError:
            raise SourceError(
                f"{path} line {line}: {columns.label_name} {text!r} is no whole number"
            ) from None
        if not picture or _leaves_folder(picture):
            raise SourceError(
                f"{path} line {line}: image {picture!r} isn't a path inside the csv file's folder"
            )
        yield line, picture, label


def _leaves_folder(picture: str) -> bool:
    if picture[0] in "/\\" or picture[1:2] == ":" or "\0" in picture:
        return True
    return ".." in picture and ".." in picture.replace("\\", "/").split("/")


def _resolve_ids(
    ids: list[str], lines: Sequence[int], path: Path, allow_missing: bool
) -> list[str]:
    folder = path.parent / "images"
    if not folder.is_dir():
        raise SourceError(f"no folder {folder}; the pictures that {path} names must lie in it")
    present = frozenset(os.listdir(folder))
    resolved: list[str] = []
    for name, line in zip(ids, lines, strict=True):
        file = next((name + end for end in _ID_SUFFIXES if name + end in present), None)
        if file is None and not allow_missing:
            raise SourceError(
                f"{path} line {line}: no picture for ImageId {name!r} in {folder} "
                f"({', '.join(_ID_SUFFIXES)})"
            )
        resolved.append(f"images/{file or name + _ID_SUFFIXES[0]}")
    return resolved
