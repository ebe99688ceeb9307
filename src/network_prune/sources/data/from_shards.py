"""Pictures in tar files as WebDataset lays them out: ``wds:shard-{000..015}.tar``."""

import io
import json
import math
import os
import re
import tarfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import islice
from pathlib import Path

from braceexpand import braceexpand

from network_prune.errors import SourceError
from network_prune.sources.data.class_names import number_labels
from network_prune.sources.data.listing import (
    IMAGE_SUFFIXES,
    Lister,
    Listing,
    Request,
    check_file,
    passed_over,
)
from network_prune.sources.data.pictures import decode
from network_prune.sources.digests import Picture
from network_prune.sources.orientation import is_turned
from network_prune.sources.outputs import Outputs

_LABEL_FIELDS = ("cls", "label", "index", "json")
_JSON_LABELS = ("label", "cls", "class", "target")
_MOST_SHARDS = 100_000
# Labels are a few letters, and JSON beside a picture is small; more than this isn't read.
_MOST_BYTES = 1_000_000
_RANGE = re.compile(r"\{(-?\d+)\.\.(-?\d+)")


@dataclass(frozen=True, slots=True)
class _Sample:
    """One picture of a shard, where its bytes lie, and its label's text."""

    shard: str
    name: str
    offset: int
    size: int
    label: str


def list_shards(request: Request) -> Lister:
    """List the pictures of ``wds:PATTERN`` or of one tar file, in the files' order.

    ``{000..015}`` and ``{a,b}`` in PATTERN stand for each of these, as in a shell. Files in a
    shard belong together that share a name up to the first dot: a picture,
    such as ``x.jpg``, and its class number, counted from 0, or its class's name
    in ``x.cls`` or under ``label`` in ``x.json``. Links and all other files are passed over,
    as are samples without a picture; a note counts those that have a label. Nothing is
    unpacked, so names don't matter.

    Raises:
        SourceError: a tar file is missing; by the lister, one is damaged or
            compressed, or a picture has no label.
    """
    shards = [check_file(path) for path in expand(request.spec.removeprefix("wds:"))]
    scan = cache(partial(_scan_all, shards, request))

    def list_for(outputs: Outputs, _: object) -> Listing:
        samples, passed = scan()

        def where(position: int) -> str:
            return f"{samples[position].shard}: {samples[position].name}"

        texts = [sample.label for sample in samples]
        lines = [f"{sample.name}\t{sample.size}" for sample in samples]
        counts = request.first_label is not None
        labels, matched = number_labels(texts, outputs, where=where, counts=counts)
        return Listing(
            labels=labels,
            first_label=0 if matched is None else None,
            where=where,
            source=partial(_read, samples),
            content="\n".join(lines).encode(errors="surrogateescape"),
            is_turned=lambda position: is_turned(_open(samples[position])),
            notes=passed_over(passed, request.spec),
            matched=matched,
        )

    return list_for


def _read(samples: Sequence[_Sample], position: int) -> Picture:
    """Return the decoded picture, read where it lies; nothing is unpacked.

    Raises:
        SourceError: the tar file is gone, or its bytes are no picture.
    """
    sample = samples[position]
    name = f"{sample.name} in {sample.shard}"
    try:
        file = _open(sample)
    except OSError as error:
        raise SourceError(f"cannot read image {name}: {error.strerror}") from error
    return decode(file, name=name)


def _open(sample: _Sample) -> io.BytesIO:
    with open(sample.shard, "rb") as file:
        file.seek(sample.offset)
        return io.BytesIO(file.read(sample.size))


def expand(pattern: str) -> list[str]:
    """Return the paths that ``pattern`` stands for, braces multiplied out from the left.

    Raises:
        SourceError: these are more than 100 000.
    """
    # The library makes each range in full before it gives the first path.
    spans = (abs(int(last) - int(first)) + 1 for first, last in _RANGE.findall(pattern))
    paths: list[str] = []
    if few := math.prod(spans) <= _MOST_SHARDS:
        try:
            paths = list(islice(braceexpand(pattern, escape=False), _MOST_SHARDS + 1))
        except ValueError:
            # Braces that don't match are a part of the name, as in a shell.
            paths = [pattern]
    if not few or len(paths) > _MOST_SHARDS:
        raise SourceError(f"{pattern} stands for more than {_MOST_SHARDS} files")
    return paths


def _scan_all(shards: Sequence[Path], request: Request) -> tuple[list[_Sample], Counter[str]]:
    """Return the shards' samples, and by suffix how many labelled ones are passed over."""
    passed = Counter[str]()
    return [sample for path in shards for sample in _scan(path, request, passed)], passed


def _scan(path: Path, request: Request, passed: Counter[str]) -> list[_Sample]:
    end = path.stat().st_size
    samples: list[_Sample] = []
    try:
        # Without compression, so that each picture can be read where it lies.
        with tarfile.open(path, "r:") as shard:
            for name, members in _group(shard, path).items():
                where = f"{path}: {name.removeprefix('/')!r}"
                picture = _choose_picture(members, request, where)
                if picture is None:
                    passed.update(_unknown_picture(members, request))
                    continue
                label = _read_label(shard, _choose_label(members, request, where), path)
                if picture.offset_data + picture.size > end:
                    raise SourceError(f"{path} is cut off in {picture.name}; fetch it anew")
                samples.append(
                    _Sample(str(path), picture.name, picture.offset_data, picture.size, label)
                )
    except tarfile.TarError as error:
        hint = "; unpack it with gunzip" if _is_gzip(path) else "; it may be cut off"
        raise SourceError(f"{path} can't be read as an uncompressed tar file{hint}") from error
    return samples


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _group(shard: tarfile.TarFile, path: Path) -> dict[str, dict[str, tarfile.TarInfo]]:
    """Return the files that share a name up to its first dot, by the rest of it."""
    found: dict[str, dict[str, tarfile.TarInfo]] = {}
    for member in shard:
        folder, base = os.path.split(member.name)
        stem, _, extension = base.partition(".")
        if not member.isreg() or member.issparse() or not stem or not extension:
            continue
        members = found.setdefault(f"{folder}/{stem}", {})
        if extension.lower() in members:
            raise SourceError(f"{path} has {member.name!r} twice; samples need names of their own")
        members[extension.lower()] = member
    return found


def _choose_picture(
    members: dict[str, tarfile.TarInfo], request: Request, where: str
) -> tarfile.TarInfo | None:
    if request.image_column is not None:
        return members.get(request.image_column.lower())
    pictures = [m for extension, m in members.items() if f".{extension}" in IMAGE_SUFFIXES]
    if len(pictures) > 1:
        raise SourceError(
            f"{where} has more than one picture ({', '.join(m.name for m in pictures)}); "
            f"pass image_column (--image-column), e.g. jpg"
        )
    return pictures[0] if pictures else None


def _unknown_picture(members: dict[str, tarfile.TarInfo], request: Request) -> list[str]:
    """Return the suffix of what may be a picture in a sample without one, if it has a label."""
    labels = _label_fields(request)
    others = [f".{name}" for name in members if name not in (*labels, "txt", "json")]
    return others[:1] if any(name in members for name in labels) else []


def _label_fields(request: Request) -> tuple[str, ...]:
    return _LABEL_FIELDS if request.label_column is None else (request.label_column.lower(),)


def _choose_label(
    members: dict[str, tarfile.TarInfo], request: Request, where: str
) -> tarfile.TarInfo:
    wanted = _label_fields(request)
    label = next((members[name] for name in wanted if name in members), None)
    if label is None:
        raise SourceError(
            f"{where} has a picture, but no label in .{' or .'.join(wanted)}; "
            f"it has {', '.join(sorted(members))} (pass label_column, --label-column, to choose)"
        )
    return label


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
