"""Records by key, each as its line until it is asked for: a hundred thousand fit in memory."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from network_prune.errors import SourceError
from network_prune.results.lines.checksum import checked, compact, parse, signed
from network_prune.results.lines.form import Form, Record
from network_prune.results.lines.heads import Head, Parts, split
from network_prune.results.lines.layers import unpack_layers, with_packed_layers


class _Line(NamedTuple):
    """A line of the file.

    Attributes:
        number: which, from 1.
        head: what it says as others do; None if it is kept whole.
        text: the rest of it as JSON without a checksum, or all of it.
    """

    number: int
    head: Head | None
    text: bytes


class RecordLines(Mapping[str, Record]):
    """The records of a file by key, in the order in which their keys came first.

    Of several lines with one key the last counts. A record is made anew whenever it is asked
    for; the parts that all records with its head have are the same objects in all of them.

    Args:
        path: the file, for people.
        form: what its lines are.
    """

    def __init__(self, path: Path, form: Form) -> None:
        self._path = path
        self._form = form
        self._lines: dict[str, _Line] = {}
        self._heads: dict[bytes, Head] = {}

    def take(self, line: bytes, number: int) -> None:
        """Take in a line of the file, which has no end any more.

        Raises:
            DamageError: it isn't what was written.
            SourceError: a later version wrote it, or it has other figures than an earlier line
                with its key.
        """
        key, found = self._look_at(line, number)
        before = self._lines.get(key)
        if before is not None:
            differing = self._differing(self._read(key, before), self._read(key, found))
            if differing:
                raise SourceError(
                    f"{self._path} lines {before.number} and {number} have one key and differ in "
                    f"{', '.join(differing)}; remove one of them, which is measured again"
                )
        self._lines[key] = found

    def check_new(self, record: Record) -> None:
        """Raise a SourceError if a record has other figures than the one with its key."""
        before = self.get(record["key"])
        if before is not None and (differing := self._differing(before, record)):
            raise SourceError(
                f"{self._path} line {self._lines[record['key']].number} has other figures for the "
                f"same settings ({', '.join(differing)}), e.g. from another machine; pass another "
                "folder with --out"
            )

    def heads(self) -> Iterator[Record]:
        """Yield records without those that say the same of network, images and running."""
        yield from (head.first for head in self._heads.values())
        for key, line in self._lines.items():
            if line.head is None:
                yield self._read(key, line)

    def lines(self) -> Iterator[bytes]:
        """Yield a line for each record, with a checksum."""
        return (line_of(record) for record in self.values())

    def __getitem__(self, key: str) -> Record:
        return self._read(key, self._lines[key])

    def __contains__(self, key: object) -> bool:
        return key in self._lines

    def __iter__(self) -> Iterator[str]:
        return iter(self._lines)

    def __len__(self) -> int:
        return len(self._lines)

    def _look_at(self, line: bytes, number: int) -> tuple[str, _Line]:
        """Return a line's key, which fits what it says, and how it is kept."""
        content = checked(line)
        parts = None if content is None else split(content, self._form.schema)
        head = self._heads.get(parts.head) if parts else None
        if parts and head and head.fits(parts.rest, parts.key):
            return parts.key, _Line(number, head, parts.rest)
        whole = parse(content or line)
        try:
            record = self._form.read(whole, is_checked=content is not None)
        except SourceError as error:
            raise SourceError(f"{self._path} line {number} {error}") from None
        parts = parts or split(compact(record), self._form.schema)  # as of this schema
        if (
            parts is None
            or parts.key != record["key"]
            or (head := self._head(parts, record)) is None
        ):
            return record["key"], _Line(number, None, content or line)
        return parts.key, _Line(number, head, parts.rest)

    def _head(self, parts: Parts, record: Record) -> Head | None:
        """Return the head of a line, None if the record doesn't say just that."""
        if parts.head not in self._heads:
            head = Head.of(parts.head, record)
            if head is None:
                return None
            self._heads[parts.head] = head
        return self._heads[parts.head]

    def _read(self, key: str, line: _Line) -> Record:
        if line.head is not None:
            return self._whole(line.head, key, parse(line.text))
        return self._form.read(parse(line.text), is_checked=True)

    def _whole(self, head: Head, key: str, own: Record) -> Record:
        record = {"schema": self._form.schema, "key": key, **head.shared, **own}
        unpack_layers(record)
        return record

    def _differing(self, one: Record, other: Record) -> list[str]:
        """Return the names of figures that two records with one key know and differ in."""
        first, second = map(self._form.figures, (one, other))
        return [name for name in first if name in second and first[name] != second[name]]


def line_of(record: Record) -> bytes:
    """Return the line of a record, with a checksum and without an end."""
    return signed(with_packed_layers(record))
