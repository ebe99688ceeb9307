"""Pictures in tar files as WebDataset lays them out: ``wds:shard-{000..015}.tar``."""

import io
import itertools
import json
import os
import re
import tarfile
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from network_prune.errors import SourceError
from network_prune.sources.data.class_names import synset_numbers
from network_prune.sources.data.listing import IMAGE_SUFFIXES, Listing, Request, labels_array
from network_prune.sources.data.pictures import decode

_LABEL_FIELDS = ("cls", "label", "index", "json")
_JSON_LABELS = ("label", "cls", "class", "target")
_MOST_SHARDS = 100_000
# Labels are a few letters, and JSON beside a picture is small; more than this isn't read.
_MOST_BYTES = 1_000_000
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
_CHOICE = re.compile(r"\{([^{}]*,[^{}]*)\}")


@dataclass(frozen=True, slots=True)
class _Sample:
    """One picture of a shard and its label's text."""

    name: str
    offset: int
    size: int
    label: str


@dataclass(slots=True)
class _Fields:
    """The members that share a name up to their first dot, by the rest of it."""

    name: str
    members: dict[str, tarfile.TarInfo] = field(default_factory=dict[str, tarfile.TarInfo])


class ShardImages:
    """Pictures inside tar files, read where they lie; nothing is unpacked.

    Args:
        shards: the tar files.
        shard: index into ``shards`` of each picture.
        offsets: where each picture's bytes begin.
        sizes: their number.
        names: what errors call each picture.
    """

    def __init__(
        self,
        shards: list[str],
        *,
        shard: Sequence[int],
        offsets: Sequence[int],
        sizes: Sequence[int],
        names: list[str],
    ) -> None:
        self._shards = shards
        self._shard = shard
        self._offsets = offsets
        self._sizes = sizes
        self._names = names

    def read(self, position: int) -> Image.Image:
        """Return the decoded picture.

        Raises:
            SourceError: the tar file is gone, or its bytes are no picture.
        """
        shard = self._shards[self._shard[position]]
        name = f"{self._names[position]} in {shard}"
        try:
            with open(shard, "rb") as file:
                file.seek(self._offsets[position])
                content = file.read(self._sizes[position])
        except OSError as error:
            raise SourceError(f"cannot read image {name}: {error.strerror}") from error
        return decode(io.BytesIO(content), name=name)


def list_shards(spec: str, request: Request) -> Listing:
    """List the pictures of ``wds:PATTERN`` or of one tar file, in the files' order.

    ``{000..015}`` and ``{a,b}`` in PATTERN stand for each of these. Files in a
    shard belong together that share a name up to the first dot: a picture,
    such as ``x.jpg``, and its class number, counted from 0, or ImageNet's synset name
    in ``x.cls`` or under ``label`` in ``x.json``. Links and all other files are passed over,
    as are samples without a picture. Nothing is unpacked, so names don't matter.

    Raises:
        SourceError: a tar file is missing, damaged or compressed, or a picture
            has no label.
    """
    shards = expand(spec.removeprefix("wds:"))
    shard, offsets, sizes = array("q"), array("q"), array("q")
    names: list[str] = []
    texts: list[str] = []
    for index, path in enumerate(shards):
        for sample in _scan(Path(path), request):
            shard.append(index)
            offsets.append(sample.offset)
            sizes.append(sample.size)
            names.append(sample.name)
            texts.append(sample.label)

    def where(position: int) -> str:
        return f"{shards[shard[position]]}: {names[position]}"

    lines = (f"{name}\t{size}" for name, size in zip(names, sizes, strict=True))
    return Listing(
        labels=labels_array(_numbers(texts, request, where)),
        first_label=0,
        where=where,
        source=ShardImages(shards, shard=shard, offsets=offsets, sizes=sizes, names=names),
        content="\n".join(lines).encode(errors="surrogateescape"),
    )


def check_shards(spec: str, _: Request) -> None:
    """Refuse ``spec`` if one of its tar files is missing.

    Raises:
        SourceError: that is so.
    """
    for path in expand(spec.removeprefix("wds:")):
        if not os.path.isfile(path):
            raise SourceError(f"no file {path}")


def expand(pattern: str) -> list[str]:
    """Return the paths that ``pattern`` stands for, braces multiplied out from the left.

    Raises:
        SourceError: these are more than 100 000.
    """
    parts: list[list[str]] = []
    rest, total = pattern, 1
    while match := _RANGE.search(rest) or _CHOICE.search(rest):
        choice = _CHOICE.search(rest)
        if choice and choice.start() < match.start():
            match = choice
        parts.append([rest[: match.start()]])
        total *= _size(match)
        if total > _MOST_SHARDS:
            raise SourceError(f"{pattern} stands for more than {_MOST_SHARDS} files")
        parts.append(_members(match))
        rest = rest[match.end() :]
    parts.append([rest])
    return ["".join(chosen) for chosen in itertools.product(*parts)]


def _size(match: re.Match[str]) -> int:
    if match.re is _CHOICE:
        return match[1].count(",") + 1
    return abs(int(match[2]) - int(match[1])) + 1


def _members(match: re.Match[str]) -> list[str]:
    if match.re is _CHOICE:
        return match[1].split(",")
    first, last = int(match[1]), int(match[2])
    step = 1 if first <= last else -1
    # As in a shell, numbers are padded where one of them is written with a leading zero.
    padded = any(len(text) > 1 and text[0] == "0" for text in match.groups())
    width = max(map(len, match.groups())) if padded else 0
    return [f"{number:0{width}d}" for number in range(first, last + step, step)]


def _scan(path: Path, request: Request) -> list[_Sample]:
    if not path.is_file():
        raise SourceError(f"no file {path}")
    end = path.stat().st_size
    try:
        # Without compression, so that each picture can be read where it lies.
        with tarfile.open(path, "r:") as shard:
            samples: list[_Sample] = []
            for fields in _group(shard, path).values():
                sample = _sample(shard, fields, path, request)
                if sample is None:
                    continue
                if sample.offset + sample.size > end:
                    raise SourceError(f"{path} is cut off in {sample.name}; fetch it anew")
                samples.append(sample)
            return samples
    except tarfile.TarError as error:
        hint = "; unpack it with gunzip" if _is_gzip(path) else "; it may be cut off"
        raise SourceError(f"{path} can't be read as an uncompressed tar file{hint}") from error


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _group(shard: tarfile.TarFile, path: Path) -> dict[str, _Fields]:
    found: dict[str, _Fields] = {}
    for member in shard:
        folder, base = os.path.split(member.name)
        stem, _, extension = base.partition(".")
        if not member.isreg() or member.issparse() or not stem or not extension:
            continue
        key = f"{folder}/{stem}"
        fields = found.setdefault(key, _Fields(key.removeprefix("/")))
        if extension.lower() in fields.members:
            raise SourceError(f"{path} has {member.name!r} twice; samples need names of their own")
        fields.members[extension.lower()] = member
    return found


def _sample(
    shard: tarfile.TarFile, fields: _Fields, path: Path, request: Request
) -> _Sample | None:
    members = fields.members
    if request.image_column is not None:
        picture = members.get(request.image_column.lower())
    else:
        pictures = [m for extension, m in members.items() if f".{extension}" in IMAGE_SUFFIXES]
        if len(pictures) > 1:
            raise SourceError(
                f"{path}: {fields.name!r} has more than one picture "
                f"({', '.join(m.name for m in pictures)}); pass image_column "
                f"(--image-column), e.g. jpg"
            )
        picture = pictures[0] if pictures else None
    if picture is None:
        return None
    wanted = _LABEL_FIELDS if request.label_column is None else (request.label_column.lower(),)
    extension = next((name for name in wanted if name in members), None)
    if extension is None:
        raise SourceError(
            f"{path}: {fields.name!r} has a picture, but no label in .{' or .'.join(wanted)}; "
            f"it has {', '.join(sorted(members))} (pass label_column, --label-column, to choose)"
        )
    text = _read_label(shard, members[extension], path)
    return _Sample(picture.name, picture.offset_data, picture.size, text)


def _read_label(shard: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> str:
    if member.size > _MOST_BYTES:
        raise SourceError(f"{path}: {member.name} has {member.size} bytes, so it is no label")
    file = shard.extractfile(member)
    content = b"" if file is None else file.read()
    text = content.decode("utf-8", errors="replace").strip()
    if not member.name.lower().endswith(".json"):
        return text
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        record = None
    labels = record if isinstance(record, dict) else {}
    label = next((labels[name] for name in _JSON_LABELS if name in labels), None)
    if isinstance(label, bool) or not isinstance(label, int | str):
        raise SourceError(f"{path}: {member.name} has no whole number under {_JSON_LABELS[0]!r}")
    return str(label)


def _numbers(texts: list[str], request: Request, where: Callable[[int], str]) -> list[int]:
    synsets = synset_numbers(set(texts), request.classes) if texts else None
    if synsets is not None:
        return [synsets[text] for text in texts]
    numbers: list[int] = []
    for position, text in enumerate(texts):
        if not re.fullmatch(r"[+-]?\d{1,18}", text):
            raise SourceError(f"{where(position)}: label {text[:40]!r} is no whole number")
        numbers.append(int(text))
    return numbers
