"""Pictures listed in a csv, tsv or parquet file with columns for image and label."""

import csv
import io
import os
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from network_prune.display.text import shortened
from network_prune.errors import SourceError
from network_prune.extras import require
from network_prune.plain_file import check_unpacked
from network_prune.sources.data.class_names import Matched, match_classes, number_labels
from network_prune.sources.data.listing import Files, Lister, Listing, Request, check_file
from network_prune.sources.downloads import reason
from network_prune.sources.imagenet import IMAGENET_CLASSES, synsets_of
from network_prune.sources.outputs import Outputs

SUFFIXES = (".csv", ".tsv", ".parquet")
# In lower case; the first that the file has is taken.
IMAGE_COLUMNS = ("image", "filename", "file", "path", "image_id", "imageid")
LABEL_COLUMNS = ("label", "class", "target", "truelabel", "true_label")
TARGET_COLUMNS = ("targeted_label", "targetclass", "target_label", "target_class", "target")
SEPARATORS = (",", "\t", ";", "|")
_ID_SUFFIXES = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True, slots=True)
class _Rows:
    """The columns of a manifest.

    Attributes:
        path: the manifest.
        header: what it calls the pictures, the labels and, if they are asked for, the targets.
        pictures: as written.
        labels: as written.
        targets: as written; empty if they aren't asked for or not there.
        numbers: what the rows are counted by.
        unit: what is counted.
    """

    path: Path
    header: tuple[str, ...]
    pictures: list[str]
    labels: list[str]
    targets: list[str]
    numbers: Sequence[int]
    unit: str

    @property
    def is_imagenet_compatible(self) -> bool:
        """Whether they are called as in the ImageNet-compatible set."""
        return [name.strip().lower() for name in self.header[:2]] == ["imageid", "truelabel"]

    def where(self, position: int) -> str:
        """Name the place of the row at a position, for errors; targets come after all labels."""
        return f"{self.path} {self.unit} {self.numbers[position % len(self.pictures)]}"


def list_manifest(request: Request) -> Lister:
    """List the pictures of a csv, tsv or parquet file.

    Columns are found by name, in any case: the image in image, filename, file,
    path or image_id; the class number, counted from 0, or the class's
    name in label, class, target or true_label; or as the request names them.
    Paths are relative to the file's folder, or to the request's root, and stay
    inside it. The separator, a comma, tab, semicolon or ``|``, is the one that
    shows both columns in the first line. A file with the columns ImageId and
    TrueLabel is read as the ImageNet-compatible set's: pictures are
    ``images/<ImageId>.png`` (or .jpg, .jpeg) and classes count from 1; where the
    network says what its outputs stand for, or has another of ImageNet's numbers of outputs,
    these classes are matched by their synsets. Where the request wants targets, they are in
    targeted_label, TargetClass, target_label, target_class or target, or as it names them, and
    are counted or called as the labels are. Pictures that don't lie beside the file may lie in
    ``images/`` beside it, as TransferAttack's do.

    Raises:
        SourceError: the file isn't such a file, a label is neither, or a
            picture is missing or outside the folder.
    """
    path = check_file(request.spec)
    root = path.parent if request.root is None else Path(request.root)
    read = _read_parquet if path.suffix.lower() == ".parquet" else _read_csv
    rows = read(path, request)
    paths = _inside(rows, root)
    if rows.is_imagenet_compatible:
        paths = _resolve_ids(rows, paths, root, allow_missing=request.skip_unreadable)
    else:
        paths = _in_images(paths, root)
    files = Files(root, paths)
    return lambda outputs, _: _list(rows, files, outputs, counts=request.first_label is not None)


def _list(rows: _Rows, files: Files, outputs: Outputs, *, counts: bool) -> Listing:
    column = rows.header[1].strip()
    labels, matched = number_labels(
        rows.labels + rows.targets, outputs, where=rows.where, column=column, counts=counts
    )
    first = 0 if matched is None else None
    if rows.is_imagenet_compatible and matched is None:
        labels, matched, first = _true_labels(labels, rows, outputs, counts=counts)
    n = len(rows.labels)
    return Listing(
        labels=labels[:n],
        first_label=first,
        where=rows.where,
        source=files,
        matched=matched,
        targets=labels[n:] if rows.targets else None,
        targets_by="".join(rows.header[2:]).strip(),
    )


def _true_labels(
    labels: np.ndarray, rows: _Rows, outputs: Outputs, *, counts: bool
) -> tuple[np.ndarray, Matched, int | None]:
    """Match numbers of ILSVRC's classes, from 1 on, by synsets where the outputs are others.

    Returns:
        The labels, int64 [n], what they are matched by, and the number of the first output
        among them, None if they are outputs already.
    """
    column = rows.header[1].strip()
    numbers, places = np.unique(labels, return_inverse=True)
    is_other = outputs.names or (
        outputs.count not in (None, IMAGENET_CLASSES) and synsets_of(outputs.count)
    )
    are_classes = bool(len(numbers)) and numbers[0] >= 1 and numbers[-1] <= IMAGENET_CLASSES
    if counts or not (is_other and are_classes):
        return labels, Matched(numbers.tolist(), column), 1
    synsets = synsets_of(IMAGENET_CLASSES)
    names = [str(synsets[number - 1]) for number in numbers.tolist()]
    matched = match_classes(names, outputs, where=f"{rows.path}, column {column},")
    return np.array(matched.numbers, dtype=np.int64)[places], replace(matched, by=column), None


def _read_csv(path: Path, request: Request) -> _Rows:
    try:
        text = io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")
    except UnicodeDecodeError as error:
        raise SourceError(
            f"{path} isn't UTF-8 text (byte {error.start}); save it as UTF-8"
        ) from error
    try:
        return _parse(path, text, request)
    except csv.Error as error:
        raise SourceError(f"{path} can't be read as csv: {error}") from error


def _parse(path: Path, text: io.StringIO, request: Request) -> _Rows:
    separator = _sniff(path, text, request)
    text.seek(0)
    reader = csv.reader(text, delimiter=separator)
    header = next(reader, [])
    image, label, *target = _find_columns(header, path, request)
    last = max(image, label, *target)
    pictures: list[str] = []
    labels: list[str] = []
    targets: list[str] = []
    lines = array("q")
    for row in filter(None, reader):
        if len(row) != len(header):
            where = f"{path} line {reader.line_num}"
            _check_width(row, last, len(header), where=where, separator=separator)
        pictures.append(row[image])
        labels.append(row[label])
        targets += [row[column] for column in target]
        lines.append(reader.line_num)
    names = tuple(header[column] for column in (image, label, *target))
    return _Rows(path, names, pictures, labels, targets, lines, "line")


def _sniff(path: Path, text: io.StringIO, request: Request) -> str:
    """Return the separator that shows the most of the wanted columns in the header."""

    def shown(separator: str) -> tuple[int, int]:
        text.seek(0)
        # A quoted name may hold line ends, so the first line alone may not be the whole header.
        header = next(csv.reader(text, delimiter=separator), [])
        return 2 - _places(header, request)[:2].count(None), len(header)

    order = SEPARATORS if path.suffix.lower() != ".tsv" else ("\t", *SEPARATORS)
    return max(order, key=shown)


def _check_width(row: list[str], last: int, width: int, *, where: str, separator: str) -> None:
    """Refuse a row without the column ``last``, or with more fields than the header's ``width``."""
    if len(row) <= last:
        raise SourceError(f"{where} has only {len(row)} columns")
    if any(row[width:]):
        raise SourceError(
            f"{where} has {len(row)} columns, but the header has {width}; "
            f"put quotes around names with {separator!r} in them"
        )


def _read_parquet(path: Path, request: Request) -> _Rows:
    require("pyarrow", extra="parquet", what=f"reading {path}")
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        held = pq.read_metadata(path)
        groups = map(held.row_group, range(held.num_row_groups))
        check_unpacked(path, max(held.num_rows, sum(each.total_byte_size for each in groups)))
        names = pq.read_schema(path).names
        image, label, *target = header = [
            names[place] for place in _find_columns(names, path, request)
        ]
        table = pq.ParquetFile(path).read(columns=header)
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{path} can't be read as parquet: {reason(error)}") from error
    columns = {name: table.column(name).to_pylist() for name in header}
    for name, values in columns.items():
        if None in values:
            row = values.index(None) + 1
            raise SourceError(f"{path} row {row}: {name} is empty; remove the row")
    if not all(isinstance(picture, str) for picture in columns[image]):
        kind = table.column(image).type
        raise SourceError(
            f"{path}: column {image.strip()} holds {kind}; it must hold paths as text"
        )
    labels = list(map(str, columns[label]))
    targets = [str(value) for name in target for value in columns[name]]
    numbers = range(1, len(labels) + 1)
    return _Rows(path, tuple(header), columns[image], labels, targets, numbers, "row")


def _places(header: Sequence[str], request: Request) -> list[int | None]:
    """Return where the pictures, the labels and, if asked for, the targets stand in ``header``.

    None stands for what isn't in it; a column of labels holds no targets.
    """
    names = [name.strip().lower() for name in header]
    places: list[int | None] = []
    for asked, usual in _wanted(request).values():
        wanted = usual if asked is None else (asked.strip().lower(),)
        among = (names.index(name) for name in wanted if name in names)
        places.append(next((place for place in among if place not in places), None))
    return places


def _wanted(request: Request) -> Mapping[str, tuple[str | None, tuple[str, ...]]]:
    """Return by kind the column that is asked for, and those that are taken else."""
    wanted = {
        "image": (request.image_column, IMAGE_COLUMNS),
        "label": (request.label_column, LABEL_COLUMNS),
    }
    return wanted | ({"target": (request.target_column, TARGET_COLUMNS)} if request.targets else {})


def _find_columns(header: Sequence[str], path: Path, request: Request) -> list[int]:
    found = ", ".join(shortened(name, 40) for name in header[:12]) or "none"
    places: list[int] = []
    for place, (kind, (asked, usual)) in zip(
        _places(header, request), _wanted(request).items(), strict=True
    ):
        if place is not None:
            places.append(place)
        elif asked is not None:
            raise SourceError(f"{path} has no column {asked!r}; its columns are {found}")
        elif kind != "target":
            raise SourceError(
                f"{path} has no {kind} column; name it one of {', '.join(usual)} "
                f"or pass {kind}_column (--{kind}-column; columns found: {found})"
            )
    return places


def _inside(rows: _Rows, root: Path) -> list[str]:
    """Return the paths relative to ``root``.

    Raises:
        SourceError: one leads out of it.
    """
    top = os.path.join(os.path.abspath(root), "")
    inside = [_path_inside(picture, top) for picture in rows.pictures]
    if None in inside:
        position = inside.index(None)
        raise SourceError(
            f"{rows.where(position)}: image {rows.pictures[position]!r} isn't a path inside "
            f"the folder {root}; pass root (--data-root), a folder that holds all the images"
        )
    return [path for path in inside if path is not None]


def _path_inside(picture: str, top: str) -> str | None:
    if not picture or "\0" in picture or ".." in picture.replace("\\", "/").split("/"):
        return None
    if os.path.isabs(picture):
        rest = os.path.normpath(picture).removeprefix(top)
        return rest if rest and not os.path.isabs(rest) else None
    return None if picture[0] in "/\\" or picture[1:2] == ":" else picture


def _in_images(paths: list[str], root: Path) -> list[str]:
    """Return the paths, below ``images/`` if the first one is there alone."""
    if not paths or (root / paths[0]).exists() or not (root / "images" / paths[0]).exists():
        return paths
    return [f"images/{path}" for path in paths]


def _resolve_ids(rows: _Rows, ids: list[str], root: Path, *, allow_missing: bool) -> list[str]:
    folder = root / "images"
    if not folder.is_dir():
        raise SourceError(f"no folder {folder}; the pictures that {rows.path} names must lie in it")
    present = frozenset(os.listdir(folder))
    resolved: list[str] = []
    for position, name in enumerate(ids):
        file = next((name + end for end in _ID_SUFFIXES if name + end in present), None)
        if file is None and not allow_missing:
            raise SourceError(
                f"{rows.where(position)}: no picture for ImageId {name!r} in "
                f"{folder} ({', '.join(_ID_SUFFIXES)})"
            )
        resolved.append(f"images/{file or name + _ID_SUFFIXES[0]}")
    return resolved
