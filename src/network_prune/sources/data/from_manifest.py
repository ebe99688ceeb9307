"""Pictures listed in a csv, tsv or parquet file with columns for image and label."""

import csv
import io
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from pathlib import Path

import numpy as np

from network_prune.errors import SourceError
from network_prune.sources.data.class_names import synset_numbers
from network_prune.sources.data.listing import Files, Listing, Request, labels_array
from network_prune.sources.extras import require

SUFFIXES = (".csv", ".tsv", ".parquet")
# In lower case; the first that the file has is taken.
IMAGE_COLUMNS = ("image", "filename", "file", "path", "image_id", "imageid")
LABEL_COLUMNS = ("label", "class", "target", "truelabel", "true_label")
SEPARATORS = (",", "\t", ";", "|")
_ID_SUFFIXES = (".png", ".jpg", ".jpeg")
# Few enough to be gone before the garbage collector looks at them, which takes far longer.
_ROWS_AT_ONCE = 256
_MOST_HEADER = 1_000_000


@dataclass(frozen=True, slots=True)
class _Columns:
    image: int
    label: int
    image_name: str
    label_name: str
    width: int

    @property
    def imagenet_compatible(self) -> bool:
        return (self.image_name.lower(), self.label_name.lower()) == ("imageid", "truelabel")


@dataclass(frozen=True, slots=True)
class _Table:
    """The two columns of a manifest.

    Attributes:
        path: the manifest.
        columns: where they stand.
        pictures: as written, one for each row.
        labels: as written, text or whole numbers.
        line: names the place of the row at a position.
    """

    path: Path
    columns: _Columns
    pictures: list[str]
    labels: Sequence[str] | np.ndarray
    line: Callable[[int], str]


def list_manifest(spec: str, request: Request) -> Listing:
    """List the pictures of the csv, tsv or parquet file ``spec``.

    Columns are found by name, in any case: the image in image, filename, file,
    path or image_id; the class number, counted from 0, or ImageNet's synset
    name in label, class, target or true_label; or as the request names them.
    Paths are relative to the file's folder, or to the request's root, and stay
    inside it. The separator, a comma, tab, semicolon or ``|``, is the one that
    shows both columns in the first line. A file with the columns ImageId and
    TrueLabel is read as the ImageNet-compatible set's: pictures are
    ``images/<ImageId>.png`` (or .jpg, .jpeg) and classes count from 1.

    Raises:
        SourceError: the file isn't such a file, a label is neither, or a
            picture is missing or outside the folder.
    """
    path = Path(spec)
    if not path.is_file():
        raise SourceError(f"no file {path}")
    root = path.parent if request.root is None else Path(request.root)
    read = _read_parquet if path.suffix.lower() == ".parquet" else _read_csv
    table = read(path, request)
    pictures = _inside(table, root)
    labels = _numbers(table, request)
    if table.columns.imagenet_compatible:
        pictures = _resolve_ids(table, pictures, root, request.allow_missing)
    return Listing(
        labels=labels,
        first_label=1 if table.columns.imagenet_compatible else 0,
        where=lambda position: f"{path} {table.line(position)}",
        source=Files(root, pictures),
    )


def _read_csv(path: Path, request: Request) -> _Table:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError(
            f"{path} isn't UTF-8 text (byte {error.start}); save it as UTF-8"
        ) from error
    try:
        return _parse(path, text, request)
    except csv.Error as error:
        raise SourceError(f"{path} can't be read as csv: {error}") from error


def _parse(path: Path, text: str, request: Request) -> _Table:
    separator, header = _sniff(path, text, request)
    columns = _find_columns(header, path, request)
    pictures: list[str] = []
    labels: list[str] = []
    reader = _reader(text, separator)
    next(reader, None)
    rows = filter(None, reader)
    while chunk := list(islice(rows, _ROWS_AT_ONCE)):
        # Most files have rows of one width: then no row needs a look of its own.
        if set(map(len, chunk)) != {columns.width}:
            _check_widths(path, text, separator, columns)
        pictures += map(itemgetter(columns.image), chunk)
        labels += map(itemgetter(columns.label), chunk)

    def line(position: int) -> str:
        return f"line {next(islice(_numbered(text, separator), position, None))[0]}"

    return _Table(path, columns, pictures, labels, line)


def _reader(text: str, separator: str) -> Iterator[list[str]]:
    return csv.reader(io.StringIO(text, newline=""), delimiter=separator)


def _numbered(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and fields of each row below the header that isn't blank."""
    reader = _reader(text, separator)
    next(reader, None)
    for row in reader:
        if row:
            yield reader.line_num, row  # pyright: ignore[reportAttributeAccessIssue]


def _sniff(path: Path, text: str, request: Request) -> tuple[str, list[str]]:
    """Return the separator that shows the most of the wanted columns, and the header by it."""
    order = SEPARATORS if path.suffix.lower() != ".tsv" else ("\t", *SEPARATORS)
    # A quoted name may hold line ends, so the first line alone may not be the whole header.
    start = text[:_MOST_HEADER]
    headers = {separator: next(_reader(start, separator), []) for separator in order}

    def shown(separator: str) -> tuple[int, int]:
        header = _lower(headers[separator])
        found = [_pick(header, request.image_column, IMAGE_COLUMNS) is not None]
        found.append(_pick(header, request.label_column, LABEL_COLUMNS) is not None)
        return sum(found), len(header)

    best = max(headers, key=shown)
    return best, headers[best]


def _check_widths(path: Path, text: str, separator: str, columns: _Columns) -> None:
    """Refuse rows that lack one of the two columns or have more fields than the header."""
    for line, row in _numbered(text, separator):
        if len(row) <= max(columns.image, columns.label):
            raise SourceError(f"{path} line {line} has only {len(row)} columns")
        if any(row[columns.width :]):
            raise SourceError(
                f"{path} line {line} has {len(row)} columns, but the header has "
                f"{columns.width}; put quotes around names with {separator!r} in them"
            )


def _read_parquet(path: Path, request: Request) -> _Table:
    require("pyarrow", extra="parquet", what=f"reading {path}")
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        header = list(pq.read_schema(path).names)
        columns = _find_columns(header, path, request)
        names = header[columns.image], header[columns.label]
        table = pq.ParquetFile(path).read(columns=list(names))
    except (pa.ArrowInvalid, pa.ArrowException, OSError) as error:
        text = " ".join(str(error).split())[:200]
        raise SourceError(f"{path} can't be read as parquet: {text}") from error
    images, labels = map(table.column, names)
    for name, column in zip(names, (images, labels), strict=True):
        if column.null_count:
            row = column.is_null().index(True).as_py() + 1
            raise SourceError(f"{path} row {row}: {name} is empty; remove the row")
    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_dictionary)
    if not any(test(images.type) for test in texts):
        raise SourceError(
            f"{path}: column {columns.image_name} holds {images.type}; it must hold paths as text"
        )
    whole = pa.types.is_integer(labels.type)
    return _Table(
        path,
        columns,
        pictures=images.to_pylist(),
        labels=labels.to_numpy() if whole else [str(label) for label in labels.to_pylist()],
        line=lambda position: f"row {position + 1}",
    )


def _lower(header: Sequence[str]) -> list[str]:
    return [name.strip().lower() for name in header]


def _pick(names: list[str], asked: str | None, known: Sequence[str]) -> int | None:
    wanted = known if asked is None else (asked.strip().lower(),)
    return next((names.index(name) for name in wanted if name in names), None)


def _find_columns(header: list[str], path: Path, request: Request) -> _Columns:
    names = _lower(header)
    image = _pick(names, request.image_column, IMAGE_COLUMNS)
    label = _pick(names, request.label_column, LABEL_COLUMNS)
    if image is None or label is None:
        kind, wanted, asked = (
            ("image", IMAGE_COLUMNS, request.image_column)
            if image is None
            else ("label", LABEL_COLUMNS, request.label_column)
        )
        found = ", ".join(header[:12]) or "none"
        if asked is not None:
            raise SourceError(f"{path} has no column {asked!r}; its columns are {found}")
        raise SourceError(
            f"{path} has no {kind} column; name it one of {', '.join(wanted)} "
            f"or pass {kind}_column (--{kind}-column; columns found: {found})"
        )
    return _Columns(image, label, header[image].strip(), header[label].strip(), len(header))


def _numbers(table: _Table, request: Request) -> np.ndarray:
    """Return the class numbers as written, int64 [n]."""
    labels = table.labels
    if isinstance(labels, np.ndarray):
        return labels.astype(np.int64)
    numbers: dict[str, int] = {}
    for text in dict.fromkeys(labels):
        try:
            numbers[text] = int(text)
        except ValueError:
            break
    else:
        if all(-(2**63) <= number < 2**63 for number in numbers.values()):
            return labels_array(map(numbers.__getitem__, labels))
    first = 1 if table.columns.imagenet_compatible else 0
    synsets = synset_numbers(set(map(str.strip, labels)), request.classes)
    if synsets is not None:
        return labels_array(synsets[text.strip()] + first for text in labels)
    position = next(index for index, text in enumerate(labels) if not _is_label(text))
    raise SourceError(
        f"{table.path} {table.line(position)}: {table.columns.label_name} {labels[position]!r} "
        "is no whole number"
    )


def _is_label(text: str) -> bool:
    try:
        return -(2**63) <= int(text) < 2**63
    except ValueError:
        return False


def _inside(table: _Table, root: Path) -> list[str]:
    """Return the paths relative to ``root``.

    Raises:
        SourceError: one leads out of it.
    """
    pictures = table.pictures
    if not _any_suspect(pictures):
        return pictures
    top = os.path.abspath(root)
    inside: list[str] = []
    for position, picture in enumerate(pictures):
        path = _path_inside(picture, top)
        if path is None:
            raise SourceError(
                f"{table.path} {table.line(position)}: image {picture!r} isn't a path inside "
                f"the folder {root}; pass root (--data-root), a folder that holds all the images"
            )
        inside.append(path)
    return inside


def _any_suspect(pictures: list[str]) -> bool:
    """Return whether any of the paths may lead out, by a few fast searches over all at once."""
    joined = "\n" + "\n".join(pictures) + "\n"
    return any(sign in joined for sign in ("..", "\0", "\n/", "\n\\", "\n\n", ":"))


def _path_inside(picture: str, top: str) -> str | None:
    if not picture or "\0" in picture:
        return None
    if ".." in picture and ".." in picture.replace("\\", "/").split("/"):
        return None
    if os.path.isabs(picture):
        prefix = top if top.endswith(os.sep) else top + os.sep
        rest = os.path.normpath(picture).removeprefix(prefix)
        return rest if rest and not os.path.isabs(rest) else None
    return None if picture[0] in "/\\" or picture[1:2] == ":" else picture


def _resolve_ids(table: _Table, ids: list[str], root: Path, allow_missing: bool) -> list[str]:
    folder = root / "images"
    if not folder.is_dir():
        raise SourceError(
            f"no folder {folder}; the pictures that {table.path} names must lie in it"
        )
    present = frozenset(os.listdir(folder))
    resolved: list[str] = []
    for position, name in enumerate(ids):
        file = next((name + end for end in _ID_SUFFIXES if name + end in present), None)
        if file is None and not allow_missing:
            raise SourceError(
                f"{table.path} {table.line(position)}: no picture for ImageId {name!r} in "
                f"{folder} ({', '.join(_ID_SUFFIXES)})"
            )
        resolved.append(f"images/{file or name + _ID_SUFFIXES[0]}")
    return resolved
